//! The built-in [rejection policies](RejectionPolicy). Each gives the job back when the pool is
//! shut down.

use std::time::Duration;

use super::{Rejected, RejectionPolicy, Saturation};
use crate::job::Job;
use crate::wait::Deadline;

/// Gives the job back to the submitter, as an error. The default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Abort;

impl RejectionPolicy for Abort {
    fn rejected(&self, job: Job, saturation: &Saturation<'_>) -> Result<(), Rejected> {
        saturation.reject(job)
    }
}

/// Runs the job on the submitting thread, which slows the submitter down to the pool's pace.
///
/// Unlike the JDK, the job runs under the pool's hooks, is counted, has its own interrupt, which
/// `shutdown_now` sets, and is waited for by `await_termination`; and after a shutdown it is given
/// back, not dropped. If the submitter is a job, its interrupt is one of this job too.
///
/// Where such jobs submit further ones, so that a good part of the thread's stack is in use, the job
/// is queued beyond the capacity, one for each thread while there is no room; for a further one the
/// thread waits for room.
#[derive(Clone, Copy, Debug, Default)]
pub struct CallerRuns;

impl RejectionPolicy for CallerRuns {
    fn rejected(&self, job: Job, saturation: &Saturation<'_>) -> Result<(), Rejected> {
        saturation.run_here(job)
    }
}

/// Drops the job. Its handle settles as [`Discarded`](crate::CancelReason::Discarded).
#[derive(Clone, Copy, Debug, Default)]
pub struct Discard;

impl RejectionPolicy for Discard {
    fn rejected(&self, job: Job, saturation: &Saturation<'_>) -> Result<(), Rejected> {
        if saturation.is_shutdown() {
            return saturation.reject(job);
        }
        saturation.discard(job);
        Ok(())
    }
}

/// Drops the job that has been pending for the longest time, and queues this one.
///
/// The dropped one's handle settles as [`Discarded`](crate::CancelReason::Discarded). Where
/// nothing is pending, as in a [`Queue::Handoff`](crate::Queue::Handoff) pool, this job is given
/// back.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiscardOldest;

impl RejectionPolicy for DiscardOldest {
    fn rejected(&self, job: Job, saturation: &Saturation<'_>) -> Result<(), Rejected> {
        if saturation.is_shutdown() {
            return saturation.reject(job);
        }
        saturation.pool.displace_oldest(job)?;
        saturation.open.set(false);
        Ok(())
    }
}

/// Waits until there is room, for at most `timeout`.
///
/// Submitters get room in the order in which they began to wait, and all are woken by a shutdown. A
/// worker that submits to its own pool is parked while it waits, so that a spare worker can make
/// room: see [waiting inside jobs](crate#waiting-inside-jobs).
#[derive(Clone, Copy, Debug)]
pub struct Block {
    /// The longest wait; [`Duration::MAX`] is without end.
    pub timeout: Duration,
}

impl RejectionPolicy for Block {
    fn rejected(&self, job: Job, saturation: &Saturation<'_>) -> Result<(), Rejected> {
        if saturation.is_shutdown() {
            return saturation.reject(job);
        }
        let deadline = Deadline::after(self.timeout).sooner(saturation.deadline);
        saturation.pool.admit_by(job, deadline)?;
        saturation.open.set(false);
        Ok(())
    }
}
