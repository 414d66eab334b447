//! What happens where memory cannot be had. An allocator that refuses takes a binary of its own.
//!
//! Rust's own answer to a refused allocation is to end the process with a message, and no library
//! can give another one on the stable compiler. What is tested is that it comes at once: that no
//! thread of a pool waits for the one that cannot go on. Each case runs in a process of its own.
#![cfg(unix)]
#![expect(unsafe_code, reason = "a global allocator cannot be written without")]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::ptr::null_mut;
use std::thread;
use std::time::{Duration, Instant};

use workcrew::{Queue, ThreadPoolExecutor};

struct Refusing;

#[global_allocator]
static ALLOCATOR: Refusing = Refusing;

thread_local! {
    /// Allocations of this thread of this size and more are refused.
    static REFUSED_FROM: Cell<usize> = const { Cell::new(usize::MAX) };
}

fn is_refused(size: usize) -> bool {
    size >= REFUSED_FROM.get()
}

// SAFETY: every call is passed on to the system's allocator as it is, or fails as one may.
unsafe impl GlobalAlloc for Refusing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_refused(layout.size()) {
            REFUSED_FROM.set(usize::MAX);
            return null_mut();
        }
        // SAFETY: the caller's promise is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if is_refused(size) {
            REFUSED_FROM.set(usize::MAX);
            return null_mut();
        }
        // SAFETY: the caller's promise is the same.
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is the same.
        unsafe { System.dealloc(memory, layout) }
    }
}

const LONG: Duration = Duration::from_secs(60);

/// Runs an ignored test in a process of its own, and asserts that it ends by `SIGABRT`, having said
/// that memory is what it could not get.
#[track_caller]
fn aborts(name: &str) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--ignored", "--nocapture", "--test-threads", "1"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + LONG;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("{name} hangs");
        }
        thread::yield_now();
    }
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.signal(), Some(6), "{name}: {:?}: {errors}", output.status);
    assert!(errors.contains("memory allocation of"), "{name}: {errors}");
}

#[test]
fn a_refused_allocation_ends_the_process_at_once() {
    aborts("alone_a_block_of_the_queue");
    aborts("alone_a_large_job");
    aborts("alone_a_handle");
    aborts("alone_a_thread");
    aborts("alone_in_a_job");
}

/// A pool that is at work, with a thread that waits for it.
fn busy() -> ThreadPoolExecutor {
    let pool = ThreadPoolExecutor::builder().threads(2).queue(Queue::Unbounded).build().unwrap();
    let handle = pool.handle();
    pool.execute(|| {
        loop {
            thread::yield_now();
        }
    })
    .unwrap();
    thread::spawn(move || handle.await_termination(Duration::MAX));
    pool
}

#[test]
#[ignore = "it ends the process; run by the test above"]
fn alone_a_block_of_the_queue() {
    let pool = busy();
    pool.execute(|| {
        loop {
            thread::yield_now();
        }
    })
    .unwrap();
    // More than any job allocates, less than a block of the queue.
    REFUSED_FROM.set(8 * 1024);
    for _ in 0..10_000 {
        pool.execute(|| ()).unwrap();
    }
}

#[test]
#[ignore = "it ends the process; run by the test above"]
fn alone_a_large_job() {
    let pool = busy();
    let captures = [0_u8; 4096];
    REFUSED_FROM.set(4096);
    pool.execute(move || drop(captures.to_vec())).unwrap();
}

#[test]
#[ignore = "it ends the process; run by the test above"]
fn alone_a_handle() {
    let pool = busy();
    REFUSED_FROM.set(1);
    drop(pool.submit(|| ()));
}

#[test]
#[ignore = "it ends the process; run by the test above"]
fn alone_a_thread() {
    let pool = busy();
    REFUSED_FROM.set(1);
    drop(pool.prestart_core_thread());
}

#[test]
#[ignore = "it ends the process; run by the test above"]
fn alone_in_a_job() {
    let pool = busy();
    let handle = pool.submit(|| {
        REFUSED_FROM.set(1);
        vec![1_u8; 100]
    });
    drop(handle.unwrap().join());
}
