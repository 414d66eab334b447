//! Jobs that submit jobs: a binary tree that grows from one root.

use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use super::{Setup, Workload, per_job};
use crate::contender::{Contender, visit};
use crate::count::{self, Tally};
use crate::home;

/// Jobs of a turn, about: the next full tree is taken.
const JOBS: u64 = 1 << 17;

/// Each job submits its two children to its own pool: nanoseconds per job.
pub(crate) struct Nested;

impl Workload for Nested {
    fn run<C: Contender>(setup: &Setup) -> f64 {
        let levels = setup.jobs_for::<C>(JOBS).ilog2();
        let jobs = (1 << levels) - 1;
        let pool = C::start(setup.workers);
        let handle = pool.handle();
        visit(&pool, setup.workers, {
            // A clone for each worker; the lock because nobody says that a handle is `Sync`.
            let handles = Arc::new(Mutex::new(handle.clone()));
            move || home::furnish(handles.lock().clone())
        });
        let tally = Tally::begin();
        let begun = Instant::now();
        C::execute(&handle, move || branch::<C>(levels - 1));
        let time = tally.wait(jobs) - begun;
        visit(&pool, setup.workers, home::clear);
        drop(handle);
        pool.stop();
        tally.check(jobs);
        per_job(time, jobs)
    }
}

fn branch<C: Contender>(levels: u32) {
    if let Some(below) = levels.checked_sub(1) {
        C::at_home(|handle| {
            C::execute(handle, move || branch::<C>(below));
            C::execute(handle, move || branch::<C>(below));
        });
    }
    count::note();
}
