//! Owns the executor that starts a thread for each job: a pool without a queue whose workers leave
//! after one job.
//!
//! INVARIANT: as many threads are starting as jobs are pending, or more. A job is pending only from
//! its submission to the first step of a thread that was started for a job, so nobody needs to run it
//! in that thread's place.

use std::fmt;
use std::time::Duration;

use crate::error::AwaitError;
use crate::executor::Executor;
use crate::handle::Handle;
use crate::job::{Awaited, Job};
use crate::job_handle::JobHandle;
use crate::kept::Kept;
use crate::owner::ThreadPoolExecutor;
use crate::phase::Phase;
use crate::rejection::{Rejected, RejectedSubmit};
use crate::running::RunningJob;
use crate::shutdown_plan::ShutdownPlan;
use crate::shutdown_report::ShutdownReport;
use crate::stats::PoolStats;
use crate::sync::Arc;

pub use builder::ThreadPerJobBuilder;

mod builder; // its settings

/// Runs each job on a new thread of its own, owned: dropping it ends it, by default after all its
/// jobs.
///
/// A job that waits for other jobs of this executor leaves its place to them while it waits. A job at
/// the [limit](ThreadPerJobBuilder::limit) that submits several through the [handle](Self::handle), by
/// `invoke_all` or `scope`, runs those on its own thread.
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
    fn of(pool: ThreadPoolExecutor) -> Self {
        Self { pool }
    }

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
    /// The job and its handle, as for [`execute`](Self::execute).
    ///
    /// # Panics
    ///
    /// Only if the rejection policy does.
    #[track_caller]
    pub fn submit<F, T>(&self, f: F) -> Result<JobHandle<T>, RejectedSubmit<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.pool.submit(f)
    }

    /// Submits a job with a name. See [`Handle::execute_named`].
    ///
    /// # Errors
    ///
    /// As for [`execute`](Self::execute).
    ///
    /// # Panics
    ///
    /// Only if the rejection policy does.
    #[track_caller]
    pub fn execute_named<F: FnOnce() + Send + 'static>(
        &self,
        name: impl Into<Arc<str>>,
        f: F,
    ) -> Result<(), Rejected> {
        self.pool.execute_named(name, f)
    }

    /// Submits a job with a name and returns the handle to its result. See
    /// [`Handle::submit_named`].
    ///
    /// # Errors
    ///
    /// As for [`submit`](Self::submit).
    ///
    /// # Panics
    ///
    /// Only if the rejection policy does.
    #[track_caller]
    pub fn submit_named<F, T>(
        &self,
        name: impl Into<Arc<str>>,
        f: F,
    ) -> Result<JobHandle<T>, RejectedSubmit<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.pool.submit_named(name, f)
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

    /// Carries out a shutdown plan, and reports how it went. See [`Handle::shutdown_with`].
    pub fn shutdown_with(&self, plan: &ShutdownPlan) -> ShutdownReport {
        self.pool.shutdown_with(plan)
    }

    /// Keeps a value until after the last job. See [`Handle::keep_until_terminated`].
    pub fn keep_until_terminated<T: Send + Sync + 'static>(&self, value: T) -> Kept<T> {
        self.pool.keep_until_terminated(value)
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

    /// Returns the jobs that are being run. See [`Handle::running_jobs`].
    pub fn running_jobs(&self) -> Vec<RunningJob> {
        self.pool.running_jobs()
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

    fn execute_awaited(&self, job: Job, awaited: Awaited) -> Result<(), Rejected> {
        self.pool.execute_awaited(job, awaited)
    }
}

impl fmt::Debug for ThreadPerJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ThreadPerJob").field(&self.pool).finish()
    }
}
