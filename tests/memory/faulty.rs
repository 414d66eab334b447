//! A program for `.ci/memory`, which builds it as it builds the tests: its argument names a fault,
//! and whatever looks for faults there has to report it.
#![expect(unsafe_code, reason = "faults that safe code cannot have")]
#![expect(clippy::unwrap_used, reason = "its end is what is looked at")]

use std::hint::black_box;
use std::thread;

use workcrew::{Job, Queue, ThreadPoolExecutor};

fn main() {
    let fault = std::env::args().nth(1).unwrap_or_default();
    let pool = ThreadPoolExecutor::builder().threads(2).queue(Queue::Unbounded).build().unwrap();
    let handle = pool.submit(move || match fault.as_str() {
        "none" => {}
        "leak" => leak(),
        "use after free" => use_after_free(),
        "uninitialised" => uninitialised(),
        "race" => race(),
        other => panic!("no such fault: {other:?}"),
    });
    handle.unwrap().join().unwrap();
    pool.close();
}

/// Forgets a job of captures that do not fit into it, with a pointer of their own.
fn leak() {
    let captures = (Box::new(7), [0_usize; 8]);
    std::mem::forget(black_box(Job::new(move || drop(captures))));
}

/// Reads captures that have gone with their job.
fn use_after_free() {
    let captures = Box::new(7_u64);
    let place = &raw const *captures;
    drop(Job::new(move || drop(captures)));
    // SAFETY: none, it is freed.
    black_box(unsafe { place.read() });
}

/// Decides on a word that nobody has written.
fn uninitialised() {
    let word = Box::<u64>::new_uninit();
    // SAFETY: none, as above.
    if unsafe { word.as_ptr().read_volatile() } == black_box(7) {
        drop(black_box(String::from("seven")));
    }
}

/// Writes to a word from two threads at once.
fn race() {
    static mut WORD: u64 = 0;
    let write = || {
        for number in 0..10_000 {
            // SAFETY: none, nobody takes a lock.
            unsafe { (&raw mut WORD).write_volatile(black_box(number)) };
        }
    };
    thread::scope(|scope| {
        scope.spawn(write);
        scope.spawn(write);
    });
}
