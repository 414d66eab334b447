//! Owns what is measured: each workload is a function of a contender, and returns one figure.

mod work; // work of a known length
mod flood; // as many empty jobs as possible
mod nested; // jobs that submit jobs
mod stream; // a few jobs in flight
mod latency; // one job at a time
mod gathered; // many results
mod compute; // jobs that do something
mod bulk; // many pieces of work in one go
mod map; // the same with results in order
mod batch; // the same with a job for each
mod growth; // from one worker to many and back

pub(crate) use self::batch::{
    batch_alone, invoke_all, join_set_tokio, join_set_workcrew, scope_rayon, scope_workcrew,
};
pub(crate) use self::compute::{FiveMicros, without_pool};
pub(crate) use self::flood::Flood;
pub(crate) use self::gathered::Gathered;
pub(crate) use self::growth::{GROWN, grow_rusty_pool, grow_workcrew};
pub(crate) use self::latency::{RoundTrip, StartStop, WakeUp};
pub(crate) use self::map::{map_alone, map_rayon, map_workcrew};
pub(crate) use self::nested::Nested;
pub(crate) use self::stream::Stream;
pub(crate) use self::work::Pace;

use std::time::Duration;

use self::work::Work;
use crate::contender::{Contender, visit};

/// A workload that any pool can be given.
pub(crate) trait Workload {
    /// Starts a pool, measures it once, and stops it.
    fn run<C: Contender>(setup: &Setup) -> f64;
}

/// How much there is to do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    /// Enough to measure.
    Full,
    /// Enough to see that it works.
    Smoke,
}

/// What a workload needs to know.
pub(crate) struct Setup {
    pub(crate) workers: usize,
    pub(crate) scale: Scale,
    pub(crate) pace: Pace,
}

impl Setup {
    /// How many jobs to submit, where this many would be enough to measure.
    pub(crate) fn jobs(&self, full: u64) -> u64 {
        match self.scale {
            Scale::Full => full,
            Scale::Smoke => (full / 500).max(16),
        }
    }

    /// The same for a contender that gets only some of them.
    pub(crate) fn jobs_for<C: Contender>(&self, full: u64) -> u64 {
        (self.jobs(full) / C::ONE_IN).max(16)
    }

    /// How many pieces of work.
    fn pieces(&self, full: u32) -> u32 {
        u32::try_from(self.jobs(full.into())).expect("no more than there are")
    }

    /// Work that takes about so many nanoseconds.
    fn work(&self, nanos: u32) -> Work {
        self.pace.work(nanos)
    }
}

/// Calls `f` with the handle to a pool whose workers exist, and ends the pool.
fn on_workers<C: Contender, R>(workers: usize, f: impl FnOnce(&C::Handle) -> R) -> R {
    let pool = C::start(workers);
    visit(&pool, workers, || {});
    let handle = pool.handle();
    let result = f(&handle);
    drop(handle);
    pool.stop();
    result
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(crate) fn per_job(time: Duration, jobs: u64) -> f64 {
    nanos(time) / jobs as f64
}

pub(crate) fn nanos(time: Duration) -> f64 {
    time.as_secs_f64() * 1e9
}
