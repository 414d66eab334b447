//! Owns the way to a pool for everybody but its owner: submitting, watching, starting its end.

use std::fmt;
use std::time::Duration;

use crate::error::AwaitError;
use crate::executor::Executor;
use crate::job::{Awaited, Job};
use crate::job_handle::JobHandle;
use crate::kept::Kept;
use crate::phase::Phase;
use crate::pool::Pool;
use crate::rejection::{Rejected, RejectedSubmit};
use crate::running::RunningJob;
use crate::shutdown_plan::ShutdownPlan;
use crate::shutdown_report::ShutdownReport;
use crate::stats::PoolStats;
use crate::sync::Arc;
use crate::wait::{Deadline, Heed};

/// A way to a pool that can be cloned and passed around. It never keeps the pool running: when its
/// [owner](crate::ThreadPoolExecutor) is dropped, the pool ends, and a handle's submissions are
/// rejected.
///
/// What a handle does keep is the pool's memory. A hook or a policy that holds a handle of its own
/// pool and the pool keep each other so, for as long as the program runs, unless the handle is taken
/// out of there when the pool has ended.
///
/// Its methods are those of the owner that any thread may call.
#[derive(Clone)]
pub struct Handle {
    pool: Arc<Pool>,
}

impl Handle {
    pub(crate) fn new(pool: &Arc<Pool>) -> Self {
        Self { pool: Arc::clone(pool) }
    }

    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Returns whether this thread runs a job or a hook of the pool.
    pub(crate) fn is_inside(&self) -> bool {
        self.pool.is_inside()
    }

    /// Submits a job whose result nobody waits for.
    ///
    /// # Errors
    ///
    /// The job, if the pool's rejection policy gives it back, the pool is shut down, or it has no
    /// thread and none can be started.
    ///
    /// # Panics
    ///
    /// Only if the rejection policy does.
    #[track_caller]
    pub fn execute<F: FnOnce() + Send + 'static>(&self, f: F) -> Result<(), Rejected> {
        self.pool.execute(Job::new(f))
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
        let (job, handle) = Job::with_handle(f);
        RejectedSubmit::unless(self.pool.execute(job), handle)
    }

    /// Submits a job with a name, by which reports, [`running_jobs`](Self::running_jobs) and the log
    /// call it. Otherwise as [`execute`](Self::execute).
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
        self.pool.execute(Job::named(name, f))
    }

    /// Submits a job with a name, as [`execute_named`](Self::execute_named) does, and returns the
    /// handle to its result.
    ///
    /// # Errors
    ///
    /// The job and its handle, as for [`execute`](Self::execute).
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
        let (job, handle) = Job::named_with_handle(name, f);
        RejectedSubmit::unless(self.pool.execute(job), handle)
    }

    /// Submits a job without ever asking the rejection policy.
    ///
    /// # Errors
    ///
    /// The job, if it cannot be taken at once.
    #[track_caller]
    pub fn try_execute<F: FnOnce() + Send + 'static>(&self, f: F) -> Result<(), Rejected> {
        self.pool.try_execute(Job::new(f))
    }

    /// Submits a job, waiting for room for at most `wait`, without ever asking the rejection policy.
    ///
    /// # Errors
    ///
    /// The job, with the reason [`TimedOut`](crate::RejectReason::TimedOut) if there was no room in
    /// time, [`Interrupted`](crate::RejectReason::Interrupted) if the job that calls this was
    /// interrupted meanwhile, or as for [`execute`](Self::execute).
    #[track_caller]
    pub fn execute_timeout<F: FnOnce() + Send + 'static>(
        &self,
        f: F,
        wait: Duration,
    ) -> Result<(), Rejected> {
        self.pool.execute_by(Job::new(f), Deadline::after(wait))
    }

    /// Submits a job made before, or given back by a pool.
    ///
    /// # Errors
    ///
    /// As for [`execute`](Self::execute).
    ///
    /// # Panics
    ///
    /// Only if the rejection policy does.
    pub fn execute_job(&self, job: Job) -> Result<(), Rejected> {
        self.pool.execute(job)
    }

    /// Begins an orderly end: no job is accepted from the moment this returns, and every job that
    /// was accepted is run. Does not wait for them; calling it again does nothing.
    ///
    /// In a pool that has neither jobs nor workers this is the end: `on_terminated` has run when it
    /// returns.
    pub fn shutdown(&self) {
        self.pool.shutdown();
    }

    /// Ends the pool quickly: accepts nothing more, interrupts the running jobs, and returns those
    /// that were pending, in the order of their submission. Does not wait for the running ones.
    ///
    /// All running jobs are interrupted first, and their waits in this crate end. Then the callbacks
    /// of [`on_interrupt`](crate::interrupt::Interrupt::on_interrupt) are called on helper threads,
    /// so that those of one job never delay another job's. This waits for them for at most 100
    /// milliseconds, and leaves behind those that take longer; where the operating system refuses a
    /// helper it makes the calls that are left itself, however long they take.
    ///
    /// The returned jobs can be run, or submitted to another pool. A job with a handle that is
    /// dropped instead settles it as [`Cancelled`](crate::JoinError::Cancelled).
    #[must_use = "these jobs were accepted and have not been run; drop them explicitly if that is meant"]
    pub fn shutdown_now(&self) -> Vec<Job> {
        self.pool.shutdown_now()
    }

    /// Carries out a shutdown plan: [`shutdown`](Self::shutdown); wait for the grace; if jobs are
    /// left, [`shutdown_now`](Self::shutdown_now), and wait once more. Reports how it went, with the
    /// pending jobs and with those that did not stop.
    ///
    /// An interrupt of the job that calls this ends the grace, as do those that the plan is
    /// [hurried by](ShutdownPlan::hurried_by). Steps and outcome are logged.
    ///
    /// Who calls this while another thread's plan is being carried out joins that: it gets the same
    /// outcome when that run is over, and no pending jobs, as those are in the first caller's report.
    /// Of its own plan only what hurries it counts, and hurries the run.
    ///
    /// In a pool that has ended it returns a clean report at once. From a job or a hook of the pool
    /// itself, which cannot wait for its own end, it returns at once with
    /// [`NotTerminated`](crate::ShutdownOutcome::NotTerminated): new jobs are refused, the pending
    /// ones still run; only if the grace is zero, or already hurried, they are handed back and the
    /// running ones, the caller too, interrupted.
    pub fn shutdown_with(&self, plan: &ShutdownPlan) -> ShutdownReport {
        self.pool.shutdown_with(plan)
    }

    /// Hands a value to the pool, which drops it strictly after its last job has ended. So what jobs
    /// use, a connection or a producer, cannot be closed under their feet.
    ///
    /// Values and [`on_terminated`](Self::on_terminated) hooks have their turn in the reverse order
    /// of handing over, each before anybody is told that the pool has ended. The pool drops its share;
    /// a clone of the [`Kept`] that is still elsewhere then is the last to keep the value. Clones that
    /// jobs have captured are gone by then. A panic of its destructor is reported like that of a hook.
    ///
    /// A pool that has ended keeps nothing: the value goes with the `Kept` that is returned. If the
    /// pool never ends, as when a job does not stop, the value is not dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use workcrew::ThreadPoolExecutor;
    ///
    /// struct Producer;
    /// impl Producer {
    ///     fn send(&self, _record: usize) {}
    /// }
    /// impl Drop for Producer {
    ///     fn drop(&mut self) {
    ///         println!("closed, after the last record");
    ///     }
    /// }
    ///
    /// let pool = ThreadPoolExecutor::fixed(4)?;
    /// let producer = pool.keep_until_terminated(Producer);
    /// for record in 0..1000 {
    ///     let producer = producer.clone();
    ///     pool.execute(move || producer.send(record))?;
    /// }
    /// drop(producer);
    /// pool.close();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn keep_until_terminated<T: Send + Sync + 'static>(&self, value: T) -> Kept<T> {
        self.pool.hooks.keep(value)
    }

    /// Adds a hook that runs exactly once, after the last job and the last worker have ended and
    /// before anybody is told, as that of [`Builder::on_terminated`](crate::Builder::on_terminated)
    /// does. Those added last run first; a panic of one is reported, and the others still run.
    ///
    /// If the pool has ended, the hook runs here and now.
    pub fn on_terminated(&self, f: impl FnOnce() + Send + 'static) {
        self.pool.hooks.add_ending(&self.pool.name, Box::new(f));
    }

    /// Waits until the pool has ended: every job, every worker, `on_terminated`, and the worker
    /// threads are joined, so their thread-local destructors have run too, and those of C libraries.
    ///
    /// Without a limit, and outside of a job, this thread joins them. Otherwise a helper thread does,
    /// named after the pool with `-join` at its end. While the operating system refuses one it is
    /// asked again, and threads are joined here once their last steps began a second ago.
    ///
    /// # Errors
    ///
    /// [`AwaitError::TimedOut`] after `timeout`, also if the pool has ended and a thread has not come
    /// to the end of its destructors, [`AwaitError::Interrupted`] if the job that calls
    /// this is interrupted, and at once [`AwaitError::FromWorker`] if the caller is a job or a hook
    /// of this pool, which would wait for itself.
    pub fn await_termination(&self, timeout: Duration) -> Result<(), AwaitError> {
        self.pool.wait_end(Deadline::after(timeout), Heed::Interrupts)
    }

    /// Waits for a moment at which no job is queued or running, though the pool may be busy again
    /// when this returns. The pool stays as it is.
    ///
    /// # Errors
    ///
    /// As for [`await_termination`](Self::await_termination).
    pub fn wait_idle(&self, timeout: Duration) -> Result<(), AwaitError> {
        self.pool.wait_idle(Deadline::after(timeout))
    }

    /// Returns the pool's name.
    pub fn name(&self) -> &str {
        &self.pool.name
    }

    /// Returns where the pool is in its life.
    pub fn phase(&self) -> Phase {
        self.pool.desk.lock().phase()
    }

    /// Returns whether a shutdown has begun.
    pub fn is_shutdown(&self) -> bool {
        self.phase() >= Phase::Shutdown
    }

    /// Returns whether the pool has ended. Its threads may still be at their last steps;
    /// [`await_termination`](Self::await_termination) waits for those too.
    pub fn is_terminated(&self) -> bool {
        self.phase() == Phase::Terminated
    }

    /// Returns the jobs that are being run, by workers and by callers, the longest-running first.
    ///
    /// A job that waits is listed as well as the one that its thread runs meanwhile.
    pub fn running_jobs(&self) -> Vec<RunningJob> {
        self.pool.running_jobs()
    }

    /// Returns the pool's figures at this moment.
    pub fn stats(&self) -> PoolStats {
        self.pool.stats()
    }
}

impl Executor for Handle {
    fn execute_job(&self, job: Job) -> Result<(), Rejected> {
        self.pool.execute(job)
    }

    fn execute_awaited(&self, job: Job, awaited: Awaited) -> Result<(), Rejected> {
        self.pool.execute_awaited(job, awaited)
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pool.fmt(f)
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parked = self.desk.lock().parked();
        f.debug_struct("ThreadPoolExecutor")
            .field("name", &self.name)
            .field("stats", &self.stats())
            .field("parked", &parked)
            .field("running", &self.running_jobs())
            .finish_non_exhaustive()
    }
}
