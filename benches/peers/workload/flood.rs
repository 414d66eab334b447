//! Empty jobs, as fast as the producers can submit them.

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use super::{Setup, Workload, per_job};
use crate::contender::{Contender, visit};
use crate::count::{self, Tally};

/// Jobs of a turn, split between the producers.
const JOBS: u64 = 300_000;

/// Empty jobs from so many producers: nanoseconds per job.
pub(crate) struct Flood<const PRODUCERS: u64>;

impl<const PRODUCERS: u64> Workload for Flood<PRODUCERS> {
    fn run<C: Contender>(setup: &Setup) -> f64 {
        let share = setup.jobs_for::<C>(JOBS).div_ceil(PRODUCERS);
        let time = produce::<C, _>(setup.workers, PRODUCERS, share, |number| {
            // A job carries something as a rule, and one that carries nothing is not even
            // allocated by those who box.
            move || {
                black_box(number);
                count::note();
            }
        });
        per_job(time, share * PRODUCERS)
    }
}

/// Has each producer submit its share of jobs, and returns the time from the first submission until
/// all have run. A job must count itself.
pub(super) fn produce<C: Contender, F: FnOnce() + Send + 'static>(
    workers: usize,
    producers: u64,
    share: u64,
    job: impl Fn(u64) -> F + Sync,
) -> Duration {
    let pool = C::start(workers);
    visit(&pool, workers, || {});
    let tally = Tally::begin();
    let start = Barrier::new(usize::try_from(producers).expect("a few") + 1);
    let time = thread::scope(|scope| {
        let producers = (0..producers).map(|_| {
            let (handle, job, start) = (pool.handle(), &job, &start);
            scope.spawn(move || {
                start.wait();
                let begun = Instant::now();
                (0..share).for_each(|number| C::execute(&handle, job(number)));
                begun
            })
        });
        let producers: Vec<_> = producers.collect();
        let jobs = share * u64::try_from(producers.len()).expect("a few");
        start.wait();
        let end = tally.wait(jobs);
        // The producers know when they began; this thread may have been late.
        let begun = producers.into_iter().map(|thread| thread.join().expect("no submission fails"));
        end - begun.min().expect("a producer")
    });
    pool.stop();
    tally.check(share * producers);
    time
}
