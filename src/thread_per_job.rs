//! Owns the executor that starts a thread for each job: a pool without a queue whose workers leave
//! after one job.
//!
//! INVARIANT: as many threads are starting as jobs are pending, or more. A job is pending only from
//! its submission to the first step of a thread that was started for a job, so nobody needs to run it
//! in that thread's place.

use std::any::Any;
use std::fmt;
use std::time::Duration;

use crate::builder::Builder;
use crate::error::{AwaitError, BuildError};
use crate::executor::Executor;
use crate::handle::Handle;
use crate::job::Job;
use crate::job_handle::JobHandle;
use crate::lifecycle::OnDrop;
use crate::owner::ThreadPoolExecutor;
use crate::phase::Phase;
use crate::rejection::{Rejected, RejectionPolicy, policy};
use crate::settings::{Queue, Tenure};
use crate::stats::PoolStats;

/// Runs each job on a new thread of its own, owned: dropping it ends it, by default after all its
/// jobs.
///
/// A job at the [limit](ThreadPerJobBuilder::limit) that waits for several others through the
/// [handle](Self::handle), by `invoke_all`, `scope` and the like, runs those on its own thread: to
/// wait for a place could be to wait for itself.
///
/// It is to [`std::thread::spawn`] what Spring's `SimpleAsyncTaskExecutor` is to `new Thread`: the
/// threads have names, there can be a [limit](ThreadPerJobBuilder::limit), nothing is lost when the
/// program ends, and results, cancelling, interrupts, panics and shutdown are those of a
/// [pool](ThreadPoolExecutor). Other than there a job that joins another never runs it itself. Where
/// threads may be used again, [`cached`](ThreadPoolExecutor::cached) is cheaper.
///
/// # Examples
///
/// ```
/// use workcrew::ThreadPerJob;
///
/// let threads = ThreadPerJob::builder().name("import").limit(8).build()?;
/// let name = threads.submit(|| std::thread::current().name().map(str::to_owned))?;
/// assert_eq!(name.join()?.as_deref(), Some("import-1"));
/// threads.close(); // every accepted job has run
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ThreadPerJob {
    pool: ThreadPoolExecutor,
}

impl ThreadPerJob {
    /// Makes an executor without a limit.
    #[expect(clippy::missing_panics_doc, reason = "the default settings are valid")]
    pub fn new() -> Self {
        Self::builder().build().expect("the default settings are valid")
    }

    /// Returns a builder with the default settings.
    pub fn builder() -> ThreadPerJobBuilder {
        ThreadPerJobBuilder::new()
    }

    /// Returns a handle, which can be cloned and passed around.
    pub fn handle(&self) -> Handle {
        self.pool.handle()
    }

    /// Submits a job whose result nobody waits for, and starts its thread.
    ///
    /// If as many jobs are running as the limit allows, the [rejection
    /// policy](ThreadPerJobBuilder::rejection_policy) decides; by default this waits until one ends.
    ///
    /// # Errors
    ///
    /// The job, if the policy gives it back, after a shutdown, or if the operating system refuses the
    /// thread while no other job runs. While others run, a refusal is treated as the limit is.
    ///
    /// # Panics
    ///
    /// Only if the rejection policy does.
    #[track_caller]
    pub fn execute<F: FnOnce() + Send + 'static>(&self, f: F) -> Result<(), Rejected> {
        self.pool.execute(f)
    }

    /// Submits a job and returns the handle to its result.
    ///
    /// # Errors
    ///
    /// As for [`execute`](Self::execute).
    ///
    /// # Panics
    ///
    /// Only if the rejection policy does.
    #[track_caller]
    pub fn submit<F, T>(&self, f: F) -> Result<JobHandle<T>, Rejected>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.pool.submit(f)
    }

    /// Submits a job without ever asking the rejection policy, and so without a wait.
    ///
    /// # Errors
    ///
    /// The job, if its thread cannot be started at once.
    #[track_caller]
    pub fn try_execute<F: FnOnce() + Send + 'static>(&self, f: F) -> Result<(), Rejected> {
        self.pool.try_execute(f)
    }

    /// Submits a job, waiting for its thread for at most `wait`. See [`Handle::execute_timeout`].
    ///
    /// # Errors
    ///
    /// As for [`Handle::execute_timeout`].
    #[track_caller]
    pub fn execute_timeout<F: FnOnce() + Send + 'static>(
        &self,
        f: F,
        wait: Duration,
    ) -> Result<(), Rejected> {
        self.pool.execute_timeout(f, wait)
    }

    /// Submits a job made before.
    ///
    /// # Errors
    ///
    /// As for [`execute`](Self::execute).
    ///
    /// # Panics
    ///
    /// Only if the rejection policy does.
    pub fn execute_job(&self, job: Job) -> Result<(), Rejected> {
        self.pool.execute_job(job)
    }

    /// Begins an orderly end. See [`Handle::shutdown`].
    pub fn shutdown(&self) {
        self.pool.shutdown();
    }

    /// Ends it quickly: interrupts the running jobs and returns those whose thread was just starting.
    /// See [`Handle::shutdown_now`].
    #[must_use = "these jobs were accepted and have not been run; drop them explicitly if that is meant"]
    pub fn shutdown_now(&self) -> Vec<Job> {
        self.pool.shutdown_now()
    }

    /// Waits until it has ended and its threads are joined. See [`Handle::await_termination`].
    ///
    /// # Errors
    ///
    /// As for [`Handle::await_termination`].
    pub fn await_termination(&self, timeout: Duration) -> Result<(), AwaitError> {
        self.pool.await_termination(timeout)
    }

    /// Waits for a moment at which no job is starting or running. See [`Handle::wait_idle`].
    ///
    /// # Errors
    ///
    /// As for [`Handle::await_termination`].
    pub fn wait_idle(&self, timeout: Duration) -> Result<(), AwaitError> {
        self.pool.wait_idle(timeout)
    }

    /// Returns where it is in its life.
    pub fn phase(&self) -> Phase {
        self.pool.phase()
    }

    /// Returns its figures at this moment; `max` is the limit.
    pub fn stats(&self) -> PoolStats {
        self.pool.stats()
    }

    /// Shuts it down and waits until every accepted job has run and the threads are joined. See
    /// [`ThreadPoolExecutor::close`].
    pub fn close(self) {
        self.pool.close();
    }

    /// Shuts it down and waits for nothing. See [`ThreadPoolExecutor::detach`].
    pub fn detach(self) {
        self.pool.detach();
    }
}

impl Default for ThreadPerJob {
    fn default() -> Self {
        Self::new()
    }
}

impl Executor for ThreadPerJob {
    fn execute_job(&self, job: Job) -> Result<(), Rejected> {
        self.pool.execute_job(job)
    }
}

impl fmt::Debug for ThreadPerJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ThreadPerJob").field(&self.pool).finish()
    }
}

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
        Ok(ThreadPerJob { pool })
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
