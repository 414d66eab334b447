//! Allocations per job. `tests/allocations.rs` holds them to exact numbers.

use std::hint::black_box;
use std::time::Duration;

use crossbeam_channel::bounded;
use workcrew::ThreadPoolExecutor;

use crate::{ALLOCATOR, Figure, Scale, f64_of};

pub(crate) fn figures(scale: &Scale) -> [Figure; 2] {
    let jobs = usize::try_from(scale.burst / 400).expect("some");
    let of_execute = per_job(jobs, |pool| {
        for number in 0..jobs {
            // As much as is queued without a box.
            let captures = [number; 6];
            pool.execute(move || _ = black_box(captures)).expect("the pool is open");
        }
    });
    let mut handles = Vec::with_capacity(3 * jobs);
    let of_submit = per_job(jobs, |pool| {
        for number in 0..jobs {
            handles.push(pool.submit(move || number).expect("the pool is open"));
        }
    });
    let figure = |what, value, most| Figure { what, value, unit: "per job", most };
    // The queue's blocks are shared by many jobs each: less than a hundredth.
    [
        figure("allocations of execute", of_execute, 0.01),
        figure("allocations of submit", of_submit, 1.01),
    ]
}

/// Allocations while jobs are submitted to a busy worker, per job, when the pool is used to it.
fn per_job(jobs: usize, mut submit: impl FnMut(&ThreadPoolExecutor)) -> f64 {
    let pool = ThreadPoolExecutor::fixed(1).expect("a valid size");
    let mut count = || {
        let (door, gate) = bounded::<()>(0);
        pool.execute(move || assert!(gate.recv().is_err())).expect("the pool is open");
        let before = allocations();
        submit(&pool);
        let after = allocations();
        drop(door);
        pool.wait_idle(Duration::MAX).expect("the gate is open");
        f64_of(after - before) / f64_of(jobs)
    };
    // The least of several: the first fills what is kept.
    [count(), count(), count()].into_iter().reduce(f64::min).expect("several")
}

fn allocations() -> usize {
    let stats = ALLOCATOR.stats();
    stats.allocations + stats.reallocations
}
