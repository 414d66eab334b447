//! Counts the instructions that a job takes, in all threads together, under callgrind:
//! `cargo bench --bench instructions`, or `bash .ci/instructions`, which also gets the runner.
//!
//! The count is that of the whole process, so that nothing a worker does is left out: that of `all`,
//! divided by its jobs, is the figure. `none` is what the process takes without any job, less than a
//! hundredth of it. Two runs differ by some thousandths.
//!
//! A hand-off to an idle worker is not among them: how long each side looks for the other before it
//! sleeps depends on what else the machine does, and moves the count by a sixth.
//!
//! The figures in `at_most` were measured with Rust 1.95 on x86-64 Linux. The bench fails when a job
//! takes a tenth more. To renew them, after a change that is worth its price or has made jobs
//! cheaper: run it, and write down what `all` counts, divided by its jobs.
#![expect(missing_docs, unused_qualifications, reason = "in what the macros expand to")]

use std::hint::black_box;
use std::time::Duration;

use crossbeam_channel::{Sender, bounded};
use gungraun::prelude::*;
use gungraun::{Callgrind, EntryPoint, EventKind};
use workcrew::ThreadPoolExecutor;

/// So many that what the process takes apart from them is less than a hundredth.
const JOBS: u64 = 100_000;

/// Fails what takes a tenth more instructions per job than `figure`.
fn at_most(figure: u64) -> LibraryBenchmarkConfig {
    let mut callgrind = Callgrind::with_args(["--cache-sim=no"]);
    // An entry point would be that of one thread, and leave out the others.
    callgrind.entry_point(EntryPoint::None);
    callgrind.hard_limits([(EventKind::Ir, figure * JOBS * 11 / 10)]);
    let mut config = LibraryBenchmarkConfig::default();
    config.tool(callgrind);
    config
}

/// A pool whose worker waits for the door to be dropped: while jobs are submitted it takes none, and
/// while it runs them nobody submits, so that no thread ever finds a lock taken.
fn held() -> (ThreadPoolExecutor, Sender<()>) {
    let pool = ThreadPoolExecutor::fixed(1).expect("a valid size");
    let (door, gate) = bounded::<()>(0);
    let (arrival, arrives) = bounded::<()>(0);
    let wait = move || {
        drop(arrival);
        assert!(gate.recv().is_err());
    };
    pool.execute(wait).expect("the pool is open");
    assert!(arrives.recv().is_err());
    (pool, door)
}

// `execute` and the run of the job.
#[library_benchmark(config = at_most(184))]
#[bench::none(0)]
#[bench::all(JOBS)]
fn execute(jobs: u64) {
    let (pool, door) = held();
    for number in 0..jobs {
        pool.execute(move || _ = black_box(number)).expect("the pool is open");
    }
    drop(door);
    pool.wait_idle(Duration::MAX).expect("the gate is open");
    pool.close();
}

// `submit`, the run of the job, and `join` of the handle afterwards, when it need not wait.
#[library_benchmark(config = at_most(1885))]
#[bench::none(0)]
#[bench::all(JOBS)]
fn submit(jobs: u64) {
    let (pool, door) = held();
    let submit = |number| pool.submit(move || black_box(number)).expect("the pool is open");
    let handles: Vec<_> = (0..jobs).map(submit).collect();
    drop(door);
    pool.wait_idle(Duration::MAX).expect("the gate is open");
    for handle in handles {
        black_box(handle.join().expect("it does not panic"));
    }
    pool.close();
}

library_benchmark_group!(name = jobs, benchmarks = [execute, submit]);
main!(library_benchmark_groups = jobs);
