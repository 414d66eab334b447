//! A producer that never gets far ahead of the workers.

use std::hint::black_box;
use std::thread;
use std::time::Instant;

use super::{Setup, Workload, on_workers, per_job};
use crate::contender::Contender;
use crate::count::{self, Tally};

/// Jobs of a turn.
const JOBS: u64 = 150_000;

/// Jobs that may be under way.
const IN_FLIGHT: u64 = 64;

/// One producer, and at most 64 empty jobs in flight: nanoseconds per job.
pub(crate) struct Stream;

impl Workload for Stream {
    fn run<C: Contender>(setup: &Setup) -> f64 {
        let jobs = setup.jobs_for::<C>(JOBS);
        let (tally, time) = on_workers::<C, _>(setup.workers, |handle| {
            let tally = Tally::begin();
            let begun = Instant::now();
            // The workers' counters are read only when there seems to be no room.
            let mut run = 0;
            for number in 0..jobs {
                while number - run >= IN_FLIGHT {
                    run = tally.run();
                    if number - run >= IN_FLIGHT {
                        thread::yield_now();
                    }
                }
                C::execute(handle, move || {
                    black_box(number);
                    count::note();
                });
            }
            (tally, tally.wait(jobs) - begun)
        });
        tally.check(jobs);
        per_job(time, jobs)
    }
}
