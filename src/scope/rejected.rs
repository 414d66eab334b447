//! Jobs of a scope that were not accepted, and go back to their submitters.
//!
//! INVARIANT: a [`ScopedRejected`] may outlive its scope, but what its job borrows is not used there.
//! The job is on the [`Roll`], which the scope's end empties: it drops the closure of each job that
//! nobody has started, also of one that its submitter still has, and waits for those that are being
//! run, on whatever thread. The job's own lock decides between a start and that drop. What is left
//! in the hands of the submitter holds no closure, and its `run` does nothing. The count of
//! [`Loans`](crate::job::Loans) ends the process were a closure left.

use std::fmt;

use super::handle::ScopedHandle;
use super::roll::Roll;
use crate::logging;
use crate::rejection::{RejectReason, Rejected};
use crate::sync::Arc;

/// A job of a scope that was not accepted, and why.
///
/// It can be kept longer than its scope, as an error that `?` carries away; the job then does not run
/// any more, and what it borrows is free.
///
/// # Examples
///
/// ```
/// use std::error::Error;
/// use workcrew::ThreadPoolExecutor;
///
/// fn greet(pool: &ThreadPoolExecutor, name: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
///     pool.scope(|s| {
///         s.execute(|| println!("hello, {name}"))?;
///         s.execute(|| println!("good bye, {name}"))?;
///         Ok(())
///     })?
/// }
///
/// let pool = ThreadPoolExecutor::single()?;
/// greet(&pool, "world")?;
/// pool.shutdown();
/// assert!(greet(&pool, "moon").is_err());
/// # Ok::<(), Box<dyn Error + Send + Sync>>(())
/// ```
#[must_use = "the job has not been run"]
pub struct ScopedRejected {
    rejected: Rejected,
    roll: Arc<Roll>,
    /// The name of the pool.
    pool: Arc<str>,
}

/// A job of a scope that was not accepted, and why, with the handle to its result.
///
/// Keeps both, so that neither the job nor its result is lost. Where the handle is of no use, a
/// [`ScopedRejected`] can be made of this: by `?`, or by `map_err(ScopedRejected::from)`.
#[must_use = "the job has not been run"]
pub struct ScopedRejectedSubmit<'scope, T> {
    // In a box, as a result is moved more often than a job is rejected.
    parts: Box<(ScopedRejected, ScopedHandle<'scope, T>)>,
}

impl ScopedRejected {
    pub(super) fn new(rejected: Rejected, roll: &Arc<Roll>, pool: &Arc<str>) -> Self {
        Self { rejected, roll: Arc::clone(roll), pool: Arc::clone(pool) }
    }

    /// Returns why the job was not accepted.
    pub fn reason(&self) -> RejectReason {
        self.rejected.reason()
    }

    /// Returns whether the pool was full; trying again later can succeed.
    pub fn is_saturated(&self) -> bool {
        self.rejected.is_saturated()
    }

    /// Returns whether the pool was shut down.
    pub fn is_shutdown(&self) -> bool {
        self.rejected.is_shutdown()
    }

    /// Returns whether the scope has ended, so that the job cannot be run any more.
    pub fn is_over(&self) -> bool {
        self.roll.is_over()
    }

    /// Runs the job on this thread, under no pool. Does nothing if its handle or the scope has
    /// cancelled it, the latter because its closure panicked; nor if the scope
    /// [has ended](Self::is_over), for which there is a warning in the log.
    ///
    /// # Panics
    ///
    /// If the job does, unless its handle is held.
    pub fn run(self) {
        let Self { rejected, roll, pool } = self;
        let has_run = rejected.into_job().try_run();
        if !has_run && roll.is_closing() {
            logging::write!(
                Warn,
                "pool {pool}: a rejected job does not run, as its scope has ended"
            );
        }
    }
}

impl<'scope, T> ScopedRejectedSubmit<'scope, T> {
    pub(super) fn new(rejected: ScopedRejected, handle: ScopedHandle<'scope, T>) -> Self {
        Self { parts: Box::new((rejected, handle)) }
    }

    /// Returns why the job was not accepted.
    pub fn reason(&self) -> RejectReason {
        self.parts.0.reason()
    }

    /// Returns whether the pool was full; trying again later can succeed.
    pub fn is_saturated(&self) -> bool {
        self.parts.0.is_saturated()
    }

    /// Returns whether the pool was shut down.
    pub fn is_shutdown(&self) -> bool {
        self.parts.0.is_shutdown()
    }

    /// Returns the job, with the reason, and the handle to its result.
    ///
    /// They belong together, unless the pool's policy gave back another job than it was asked about.
    /// A thread that joins the handle before the job is run waits until it is run or dropped.
    pub fn into_parts(self) -> (ScopedRejected, ScopedHandle<'scope, T>) {
        *self.parts
    }
}

/// Drops the handle: if the job is run, its result goes nowhere, and its panic to whoever runs it.
impl<T> From<ScopedRejectedSubmit<'_, T>> for ScopedRejected {
    fn from(rejected: ScopedRejectedSubmit<'_, T>) -> Self {
        rejected.into_parts().0
    }
}

impl fmt::Debug for ScopedRejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedRejected").field("reason", &self.reason()).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for ScopedRejectedSubmit<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("ScopedRejectedSubmit");
        text.field("reason", &self.reason()).finish_non_exhaustive()
    }
}

impl fmt::Display for ScopedRejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rejected.fmt(f)
    }
}

impl<T> fmt::Display for ScopedRejectedSubmit<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.0.fmt(f)
    }
}

impl std::error::Error for ScopedRejected {}
impl<T> std::error::Error for ScopedRejectedSubmit<'_, T> {}
