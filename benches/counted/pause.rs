//! The longest that a single submission takes while millions of jobs pile up: this crate's pool and
//! an unbounded channel of boxed jobs take turns.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crossbeam_channel::{bounded, unbounded};
use workcrew::ThreadPoolExecutor;

use crate::{Figure, Scale};

pub(crate) fn figure(scale: &Scale) -> Figure {
    let (mut ours, mut channels) = (Vec::new(), Vec::new());
    for turn in 0..scale.turns {
        // Whoever goes first finds the other's memory; so they change places.
        if turn % 2 == 0 {
            ours.push(of_pool(scale.burst));
            channels.push(of_channel(scale.burst));
        } else {
            channels.push(of_channel(scale.burst));
            ours.push(of_pool(scale.burst));
        }
    }
    Figure {
        what: "longest execute, at most the channel's send",
        value: median(ours),
        unit: "µs",
        most: median(channels),
    }
}

fn of_pool(jobs: u32) -> Duration {
    let pool = ThreadPoolExecutor::fixed(1).expect("a valid size");
    let (door, gate) = bounded::<()>(0);
    pool.execute(move || assert!(gate.recv().is_err())).expect("the pool is open");
    let longest = longest(jobs, |number| {
        pool.execute(move || _ = black_box(number)).expect("the pool is open");
    });
    drop(door);
    pool.close();
    longest
}

fn of_channel(jobs: u32) -> Duration {
    let (sender, receiver) = unbounded::<Box<dyn FnOnce() + Send>>();
    let longest = longest(jobs, |number| {
        sender.send(Box::new(move || _ = black_box(number))).expect("it is received");
    });
    drop(sender);
    receiver.into_iter().for_each(|job| job());
    longest
}

fn longest(jobs: u32, submit: impl Fn(u32)) -> Duration {
    // A large allocation has the allocator put the other's freed pieces in order, millions of them,
    // which is not to be taken for this one's pause.
    drop(black_box(Vec::<u8>::with_capacity(1 << 20)));
    drop(black_box(Vec::<u8>::with_capacity(1 << 16)));
    let times = (0..jobs).map(|number| {
        let begun = Instant::now();
        submit(number);
        begun.elapsed()
    });
    times.max().expect("some")
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e6
}
