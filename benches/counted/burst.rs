//! Memory while millions of jobs are pending, and after they have run.

use std::hint::black_box;
use std::time::Duration;

use crossbeam_channel::bounded;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};
use workcrew::ThreadPoolExecutor;

use crate::{Figure, Scale, f64_of, heap};

const MIB: f64 = 1024.0 * 1024.0;

pub(crate) fn figures(scale: &Scale) -> [Figure; 3] {
    let pool = ThreadPoolExecutor::fixed(2).expect("a valid size");
    // What is needed once, by pool and library, is there before.
    pile_up(&pool, 10_000);
    let (heap_before, resident_before) = (heap(), resident());
    let queued = pile_up(&pool, scale.burst);
    let (heap_after, resident_after) = (heap(), resident());
    pool.close();
    let megabytes = |what, value| Figure { what, value: value / MIB, unit: "MiB", most: 1.0 };
    [
        Figure { what: "heap of a queued job", value: queued, unit: "bytes", most: 72.0 },
        megabytes("heap left by a burst", heap_after - heap_before),
        megabytes("resident memory left by it", resident_after - resident_before),
    ]
}

/// Submits jobs to busy workers, then has them all run; returns the bytes that each took meanwhile.
fn pile_up(pool: &ThreadPoolExecutor, jobs: u32) -> f64 {
    let (door, gate) = bounded::<()>(0);
    for _ in 0..2 {
        let gate = gate.clone();
        pool.execute(move || assert!(gate.recv().is_err())).expect("the pool is open");
    }
    let before = heap();
    for number in 0..jobs {
        pool.execute(move || _ = black_box(number)).expect("the pool is open");
    }
    let bytes = heap() - before;
    drop(door);
    pool.wait_idle(Duration::MAX).expect("the gate is open");
    bytes / f64::from(jobs)
}

/// What the process has in memory, in bytes.
fn resident() -> f64 {
    let this = Pid::from_u32(std::process::id());
    let mut system = System::new();
    let memory = ProcessRefreshKind::nothing().with_memory();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[this]), false, memory);
    let bytes = system.process(this).expect("this process").memory();
    f64_of(usize::try_from(bytes).expect("it fits in memory"))
}
