//! Many jobs with results: all are submitted, then all are joined.

use std::hint::black_box;
use std::time::Instant;

use super::{Setup, Workload, on_workers, per_job};
use crate::contender::Contender;

/// Jobs of a turn.
const JOBS: u64 = 100_000;

/// Jobs that do nothing but return a number: nanoseconds per job, from the first submission until
/// the last result.
pub(crate) struct Gathered;

impl Workload for Gathered {
    fn run<C: Contender>(setup: &Setup) -> f64 {
        let jobs = setup.jobs_for::<C>(JOBS);
        let time = on_workers::<C, _>(setup.workers, |handle| {
            let begun = Instant::now();
            let submit = |number| C::submit(handle, move || black_box(number));
            let tickets: Vec<_> = (0..jobs).map(submit).collect();
            let mut next = 0;
            C::join_all(handle, tickets, |number| {
                assert_eq!(number, next, "each handle gives the result of its own job");
                next += 1;
            });
            let time = begun.elapsed();
            assert_eq!(next, jobs, "each job is joined");
            time
        });
        per_job(time, jobs)
    }
}
