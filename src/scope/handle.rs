//! Owns the handle to the result of a job that borrows.

use std::fmt;
use std::marker::PhantomData;
use std::sync::OnceLock;
use std::time::Duration;

use super::roll::Roll;
use crate::error::JoinError;
use crate::job_handle::JobHandle;
use crate::sync::{Arc, Mutex};
use crate::task::{CancelOutcome, JobState};

/// The result of a job of a [`Scope`](crate::Scope), to come.
///
/// Dropping it leaves the job to the scope, which waits for it and goes on with its panic.
#[must_use = "a dropped handle leaves the job to the scope; use `execute` if that is meant"]
pub struct ScopedHandle<'scope, T> {
    roll: Arc<Roll>,
    key: u64,
    /// Taken by what consumes this.
    handle: Option<JobHandle<()>>,
    /// Where the job puts its result before it ends.
    place: Arc<Mutex<Option<T>>>,
    /// The scope is not to know what comes of the job: this handle has cancelled it before it
    /// started, or it was given back, and whoever runs it knows.
    has_left: OnceLock<()>,
    scope: PhantomData<&'scope mut &'scope ()>,
}

impl<T> ScopedHandle<'_, T> {
    pub(super) fn new(
        roll: Arc<Roll>,
        key: u64,
        handle: JobHandle<()>,
        place: Arc<Mutex<Option<T>>>,
    ) -> Self {
        let has_left = OnceLock::new();
        Self { roll, key, handle: Some(handle), place, has_left, scope: PhantomData }
    }

    /// The job was given back to its submitter.
    pub(super) fn leave_scope(&self) {
        self.has_left.get_or_init(|| ());
    }

    fn handle(&self) -> &JobHandle<()> {
        self.handle.as_ref().expect("only what consumes this takes it")
    }

    /// Waits for the job to end and returns what it returned. See
    /// [`JobHandle::join`](crate::JobHandle::join). A job that was handed back is dropped, and not
    /// waited for.
    ///
    /// # Errors
    ///
    /// As for [`JobHandle::join`](crate::JobHandle::join). After
    /// [`Interrupted`](JoinError::Interrupted) the scope still waits for the job.
    pub fn join(self) -> Result<T, JoinError> {
        let joined = self.take_by(|handle| handle.join_or_revoke().map_err(|_| handle));
        joined.unwrap_or(Err(JoinError::Interrupted))
    }

    /// Waits for the job to end, for at most `timeout`. See
    /// [`JobHandle::join_timeout`](crate::JobHandle::join_timeout).
    ///
    /// # Errors
    ///
    /// As for [`JobHandle::join_timeout`](crate::JobHandle::join_timeout).
    pub fn join_timeout(self, timeout: Duration) -> Result<Result<T, JoinError>, Self> {
        self.take_by(|handle| handle.join_timeout(timeout))
    }

    /// Returns what the job returned, if it has ended.
    ///
    /// # Errors
    ///
    /// The handle, if the job has not ended. Within, as for
    /// [`JobHandle::join`](crate::JobHandle::join).
    pub fn try_join(self) -> Result<Result<T, JoinError>, Self> {
        self.take_by(JobHandle::try_join)
    }

    fn take_by(
        mut self,
        take: impl FnOnce(JobHandle<()>) -> Result<Result<(), JoinError>, JobHandle<()>>,
    ) -> Result<Result<T, JoinError>, Self> {
        let handle = self.handle.take().expect("only what consumes this takes it");
        match take(handle) {
            Ok(ended) => Ok(ended.map(|()| {
                self.place.lock().take().expect("a job that returned has left its result")
            })),
            Err(handle) => {
                self.handle = Some(handle);
                Err(self)
            }
        }
    }

    /// Returns whether the job has ended, in any way.
    pub fn is_finished(&self) -> bool {
        self.handle().is_finished()
    }

    /// Returns where the job is in its life.
    pub fn state(&self) -> JobState {
        self.handle().state()
    }

    /// Cancels the job if it is pending, or interrupts it if it is running. See
    /// [`JobHandle::cancel`](crate::JobHandle::cancel).
    pub fn cancel(&self) -> CancelOutcome {
        let outcome = self.handle().cancel();
        match outcome {
            CancelOutcome::Removed => self.leave_scope(),
            CancelOutcome::Interrupted | CancelOutcome::AlreadyFinished => {}
        }
        outcome
    }
}

impl<T> Drop for ScopedHandle<'_, T> {
    fn drop(&mut self) {
        let handle = self.handle.take().filter(|_| self.has_left.get().is_none());
        if let Some(handle) = handle {
            self.roll.adopt(self.key, handle);
        }
    }
}

impl<T> fmt::Debug for ScopedHandle<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedHandle").field("state", &self.state()).finish_non_exhaustive()
    }
}
