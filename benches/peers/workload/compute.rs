//! Jobs of 5 µs of computation, and the same work without a pool.

use std::hint::black_box;
use std::num::NonZero;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use super::flood::produce;
use super::{Setup, Workload, per_job};
use crate::contender::Contender;
use crate::count::{self, Tally};

/// Jobs of a turn.
const JOBS: u64 = 16_000;

/// Nanoseconds of work in a job.
const NANOS: u32 = 5_000;

/// Jobs of 5 µs from one producer: microseconds per job, which with two cores is 2.5 at best.
pub(crate) struct FiveMicros;

impl Workload for FiveMicros {
    fn run<C: Contender>(setup: &Setup) -> f64 {
        let work = setup.work(NANOS);
        let jobs = setup.jobs_for::<C>(JOBS);
        let time = produce::<C, _>(setup.workers, 1, jobs, |number| {
            move || {
                black_box(work.on(number));
                count::note();
            }
        });
        per_job(time, jobs) / 1e3
    }
}

/// The ideal: the same work in equal shares on as many threads as there are workers or cores,
/// whichever are fewer, with nothing to hand over.
pub(crate) fn without_pool(setup: &Setup) -> f64 {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let threads = setup.workers.min(cores);
    let shares = u64::try_from(threads).expect("a few");
    let jobs = setup.jobs(JOBS);
    let tally = Tally::begin();
    let start = Barrier::new(threads + 1);
    let time = thread::scope(|scope| {
        let worker = |index| {
            let (work, start) = (setup.work(NANOS), &start);
            scope.spawn(move || {
                start.wait();
                let begun = Instant::now();
                for number in (index..jobs).step_by(threads) {
                    black_box(work.on(number));
                    count::note();
                }
                begun
            })
        };
        let workers: Vec<_> = (0..shares).map(worker).collect();
        start.wait();
        let end = tally.wait(jobs);
        let begun = workers.into_iter().map(|thread| thread.join().expect("it only computes"));
        end - begun.min().expect("a thread")
    });
    tally.check(jobs);
    per_job(time, jobs) / 1e3
}
