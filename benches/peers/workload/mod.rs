//! Owns what is measured: each workload is a function of a contender, and returns one figure.

mod compute; // jobs that do something
mod flood; // as many empty jobs as possible
mod growth; // from one worker to many and back
mod latency; // one job at a time
mod nested; // jobs that submit jobs
mod stream; // a few jobs in flight

pub(crate) use self::compute::{FiveMicros, calibrate, without_pool};
pub(crate) use self::flood::Flood;
pub(crate) use self::growth::{GROWN, grow_rusty_pool, grow_workcrew};
pub(crate) use self::latency::{RoundTrip, StartStop, WakeUp};
pub(crate) use self::nested::Nested;
pub(crate) use self::stream::Stream;

use std::time::Duration;

use crate::contender::Contender;

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
    /// Rounds of computation that take 5 µs.
    pub(crate) five_micros: u64,
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
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(crate) fn per_job(time: Duration, jobs: u64) -> f64 {
    nanos(time) / jobs as f64
}

pub(crate) fn nanos(time: Duration) -> f64 {
    time.as_secs_f64() * 1e9
}
