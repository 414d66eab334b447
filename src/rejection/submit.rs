//! The error of a submission that was to make a handle: the job, the reason, and the handle.

use std::fmt;

use super::{RejectReason, Rejected};
use crate::job::Job;
use crate::job_handle::JobHandle;

/// A job that was not accepted, and why, with the handle to its result.
///
/// Keeps both, so that neither the job nor its result is lost: whoever runs the job, or submits it
/// again, completes the handle. Where the handle is of no use, `?` turns this into a [`Rejected`].
///
/// # Examples
///
/// ```
/// use workcrew::ThreadPoolExecutor;
///
/// let pool = ThreadPoolExecutor::fixed(1)?;
/// pool.shutdown();
/// let handle = pool.submit(|| 6 * 7).unwrap_or_else(|rejected| {
///     let (rejected, handle) = rejected.into_parts();
///     rejected.into_job().run();
///     handle
/// });
/// assert_eq!(handle.join()?, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct RejectedSubmit<T> {
    rejected: Rejected,
    handle: JobHandle<T>,
}

impl<T> RejectedSubmit<T> {
    /// Gives the handle to whom it belongs, by what came of the submission of its job.
    pub(crate) fn unless(
        submitted: Result<(), Rejected>,
        handle: JobHandle<T>,
    ) -> Result<JobHandle<T>, Self> {
        match submitted {
            Ok(()) => Ok(handle),
            Err(rejected) => Err(Self { rejected, handle }),
        }
    }

    /// Returns why the job was not accepted.
    pub fn reason(&self) -> RejectReason {
        self.rejected.reason()
    }

    /// Returns whether the pool was full; trying again later can succeed.
    pub fn is_saturated(&self) -> bool {
        self.rejected.is_saturated()
    }

    /// Returns whether the pool was shut down; it never accepts a job again.
    pub fn is_shutdown(&self) -> bool {
        self.rejected.is_shutdown()
    }

    /// Returns the job, with the reason, and the handle to its result.
    ///
    /// They belong together, unless the pool's policy gave back another job than it was asked about.
    pub fn into_parts(self) -> (Rejected, JobHandle<T>) {
        (self.rejected, self.handle)
    }

    /// Returns the job. The handle is dropped: if the job is run, its result goes nowhere.
    pub fn into_job(self) -> Job {
        self.rejected.into_job()
    }
}

/// Drops the handle: if the job is run, its result goes nowhere.
impl<T> From<RejectedSubmit<T>> for Rejected {
    fn from(rejected: RejectedSubmit<T>) -> Self {
        rejected.rejected
    }
}

impl<T> fmt::Debug for RejectedSubmit<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RejectedSubmit").field("reason", &self.reason()).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for RejectedSubmit<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rejected.fmt(f)
    }
}

impl<T> std::error::Error for RejectedSubmit<T> {}
