//! Owns the builder of the executor that starts a thread for each job.

use std::any::Any;
use std::fmt;
use std::time::Duration;

use super::ThreadPerJob;
use crate::builder::Builder;
use crate::error::BuildError;
use crate::job::Job;
use crate::lifecycle::OnDrop;
use crate::rejection::{RejectionPolicy, policy};
use crate::settings::{Queue, Tenure};
use crate::uncaught::UncaughtPanic;

/// Configures a [`ThreadPerJob`]. Setters may be called in any order; [`build`](Self::build) judges
/// the whole.
///
/// # Examples
///
/// ```
/// use workcrew::{ThreadPerJob, policy::CallerRuns};
///
/// let threads = ThreadPerJob::builder().limit(100).rejection_policy(CallerRuns).build()?;
/// # drop(threads);
/// # Ok::<(), workcrew::BuildError>(())
/// ```
#[must_use = "a builder does nothing until `build`"]
pub struct ThreadPerJobBuilder {
    pool: Builder,
    limit: Option<usize>,
}

impl Default for ThreadPerJobBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl ThreadPerJobBuilder {
    /// Makes a builder with the default settings: no limit, [`policy::Block`] without a time limit,
    /// and [`OnDrop::Close`].
    pub fn new() -> Self {
        let policy = policy::Block { timeout: Duration::MAX };
        let pool = Builder::new()
            .core_threads(0)
            .queue(Queue::Handoff)
            .keep_alive(Duration::ZERO)
            .tenure(Tenure::OneJob)
            .rejection_policy(policy);
        Self { pool, limit: None }
    }

    /// Sets the name, for the log and as the prefix of the threads' names: those of `import` are
    /// `import-1`, `import-2` and so on. Linux shows the first 15 bytes. Default: `workcrew-1` and so
    /// on.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.pool = self.pool.name(name);
        self
    }

    /// Sets how many jobs run at a time; at least 1. Default: no limit.
    ///
    /// A job that submits to its own executor waits for a place while it has one. Where all do, they
    /// wait for each other: set another policy then, or no limit.
    pub fn limit(mut self, jobs: usize) -> Self {
        self.limit = Some(jobs);
        self
    }

    /// Sets the threads' stack size, in bytes. Default: that of [`std::thread::Builder`].
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.pool = self.pool.stack_size(bytes);
        self
    }

    /// Sets what happens to a job for which there is no place. Default: [`policy::Block`] without a
    /// time limit, so the submitter waits.
    pub fn rejection_policy(mut self, policy: impl RejectionPolicy + 'static) -> Self {
        self.pool = self.pool.rejection_policy(policy);
        self
    }

    /// Sets a hook for panics that no handle receives. See [`Builder::on_panic`].
    pub fn on_panic(mut self, f: impl Fn(&(dyn Any + Send)) + Send + Sync + 'static) -> Self {
        self.pool = self.pool.on_panic(f);
        self
    }

    /// Sets a hook that is told all of such a panic. See [`Builder::on_uncaught`].
    pub fn on_uncaught(mut self, f: impl Fn(&UncaughtPanic<'_>) + Send + Sync + 'static) -> Self {
        self.pool = self.pool.on_uncaught(f);
        self
    }

    /// Sets what each job goes through on its submitter's thread. See [`Builder::wrap_job`].
    pub fn wrap_job(mut self, f: impl Fn(Job) -> Job + Send + Sync + 'static) -> Self {
        self.pool = self.pool.wrap_job(f);
        self
    }

    /// Adds a hook for the end. See [`Builder::on_terminated`].
    pub fn on_terminated(mut self, f: impl FnOnce() + Send + 'static) -> Self {
        self.pool = self.pool.on_terminated(f);
        self
    }

    /// Sets what dropping the executor does. Default: [`OnDrop::Close`].
    pub fn on_drop(mut self, on_drop: OnDrop) -> Self {
        self.pool = self.pool.on_drop(on_drop);
        self
    }

    /// Builds the executor. No thread is started before the first job.
    ///
    /// # Errors
    ///
    /// [`BuildError::LimitIsZero`], and [`BuildError::NameHasNul`] as for a pool.
    pub fn build(self) -> Result<ThreadPerJob, BuildError> {
        if self.limit == Some(0) {
            return Err(BuildError::LimitIsZero);
        }
        let pool = self.pool.max_threads(self.limit.unwrap_or(usize::MAX)).build()?;
        Ok(ThreadPerJob::of(pool))
    }
}

impl fmt::Debug for ThreadPerJobBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadPerJobBuilder")
            .field("limit", &self.limit)
            .field("pool", &self.pool)
            .finish()
    }
}
