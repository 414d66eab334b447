//! Owns the pool's public face: the owner, whose drop ends the pool.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::builder::Builder;
use crate::error::{AwaitError, BuildError};
use crate::executor::Executor;
use crate::handle::Handle;
use crate::job::{Awaited, Job};
use crate::job_handle::JobHandle;
use crate::lifecycle::OnDrop;
use crate::phase::Phase;
use crate::pool::Pool;
use crate::rejection::{Rejected, RejectedSubmit};
use crate::running::RunningJob;
use crate::settings::{CoreTimeout, Queue};
use crate::stats::PoolStats;
use crate::sync::Arc;

use self::unwinding::Unwinding;

mod ending; // ending it by name, and with a report
mod unwinding; // whether a panic is why it is dropped

/// A thread pool, owned: dropping it ends the pool, by default after all its jobs.
///
/// Not `Clone`, so that exactly one place decides when the pool ends;
/// [`handle`](Self::handle) gives out what can be passed around.
///
/// # Examples
///
/// ```
/// use workcrew::ThreadPoolExecutor;
///
/// let pool = ThreadPoolExecutor::builder().name("mail").threads(4).build()?;
/// for n in 0..10 {
///     pool.execute(move || println!("mail {n} sent"))?;
/// }
/// let answer = pool.submit(|| 6 * 7)?;
/// assert_eq!(answer.join()?, 42);
/// pool.close(); // or the drop at the end of the block: every mail is sent first
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ThreadPoolExecutor {
    handle: Handle,
    pool: Arc<Pool>,
    on_drop: OnDrop,
    unwinding: Unwinding,
}

impl ThreadPoolExecutor {
    pub(crate) fn new(pool: Arc<Pool>, on_drop: OnDrop) -> Self {
        Self { handle: Handle::new(&pool), pool, on_drop, unwinding: Unwinding::now() }
    }

    /// Returns a builder with the default settings.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Makes a pool of this many threads and a queue without a limit.
    ///
    /// # Errors
    ///
    /// [`BuildError::NoThreads`] for 0 threads.
    pub fn fixed(threads: usize) -> Result<Self, BuildError> {
        Self::builder().threads(threads).queue(Queue::Unbounded).build()
    }

    /// Makes a pool that starts a thread for each job when none is idle, without a limit, and keeps
    /// idle ones for 60 seconds: what [`std::thread::spawn`] does, with threads used again.
    ///
    /// # Errors
    ///
    /// None at present; the type is that of the other constructors.
    pub fn cached() -> Result<Self, BuildError> {
        Self::builder()
            .core_threads(0)
            .max_threads(usize::MAX)
            .queue(Queue::Handoff)
            .keep_alive(Duration::from_secs(60))
            .build()
    }

    /// Makes a pool of one thread, which runs its jobs in the order of their submission, and a
    /// queue without a limit.
    ///
    /// One job runs at a time, but for jobs that wait for others of this pool: a job that began
    /// meanwhile may overlap the one that waited until either ends.
    ///
    /// # Errors
    ///
    /// None at present; the type is that of the other constructors.
    pub fn single() -> Result<Self, BuildError> {
        Self::fixed(1)
    }

    pub(crate) fn as_handle(&self) -> &Handle {
        &self.handle
    }

    /// Returns a handle to the pool.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Submits a job whose result nobody waits for. See [`Handle::execute`].
    ///
    /// # Errors
    ///
    /// As for [`Handle::execute`].
    ///
    /// # Panics
    ///
    /// Only if the rejection policy does.
    #[track_caller]
    pub fn execute<F: FnOnce() + Send + 'static>(&self, f: F) -> Result<(), Rejected> {
        self.handle.execute(f)
    }

    /// Submits a job and returns the handle to its result. See [`Handle::submit`].
    ///
    /// # Errors
    ///
    /// As for [`Handle::submit`].
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
        self.handle.submit(f)
    }

    /// Submits a job with a name. See [`Handle::execute_named`].
    ///
    /// # Errors
    ///
    /// As for [`Handle::execute`].
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
        self.handle.execute_named(name, f)
    }

    /// Submits a job with a name and returns the handle to its result. See
    /// [`Handle::submit_named`].
    ///
    /// # Errors
    ///
    /// As for [`Handle::submit`].
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
        self.handle.submit_named(name, f)
    }

    /// Submits a job without asking the rejection policy. See [`Handle::try_execute`].
    ///
    /// # Errors
    ///
    /// As for [`Handle::try_execute`].
    #[track_caller]
    pub fn try_execute<F: FnOnce() + Send + 'static>(&self, f: F) -> Result<(), Rejected> {
        self.handle.try_execute(f)
    }

    /// Submits a job, waiting for room. See [`Handle::execute_timeout`].
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
        self.handle.execute_timeout(f, wait)
    }

    /// Submits a job made before. See [`Handle::execute_job`].
    ///
    /// # Errors
    ///
    /// As for [`Handle::execute`].
    ///
    /// # Panics
    ///
    /// Only if the rejection policy does.
    pub fn execute_job(&self, job: Job) -> Result<(), Rejected> {
        self.handle.execute_job(job)
    }

    /// Begins an orderly end. See [`Handle::shutdown`].
    pub fn shutdown(&self) {
        self.handle.shutdown();
    }

    /// Ends the pool quickly and returns the pending jobs. See [`Handle::shutdown_now`].
    #[must_use = "these jobs were accepted and have not been run; drop them explicitly if that is meant"]
    pub fn shutdown_now(&self) -> Vec<Job> {
        self.handle.shutdown_now()
    }

    /// Waits until the pool has ended and its threads are joined. See
    /// [`Handle::await_termination`].
    ///
    /// # Errors
    ///
    /// As for [`Handle::await_termination`].
    pub fn await_termination(&self, timeout: Duration) -> Result<(), AwaitError> {
        self.handle.await_termination(timeout)
    }

    /// Waits for a moment at which no job is queued or running. See [`Handle::wait_idle`].
    ///
    /// # Errors
    ///
    /// As for [`Handle::await_termination`].
    pub fn wait_idle(&self, timeout: Duration) -> Result<(), AwaitError> {
        self.handle.wait_idle(timeout)
    }

    /// Returns the pool's name.
    pub fn name(&self) -> &str {
        self.handle.name()
    }

    /// Returns where the pool is in its life.
    pub fn phase(&self) -> Phase {
        self.handle.phase()
    }

    /// Returns whether a shutdown has begun.
    pub fn is_shutdown(&self) -> bool {
        self.handle.is_shutdown()
    }

    /// Returns whether the pool has ended. See [`Handle::is_terminated`].
    pub fn is_terminated(&self) -> bool {
        self.handle.is_terminated()
    }

    /// Returns the jobs that are being run. See [`Handle::running_jobs`].
    pub fn running_jobs(&self) -> Vec<RunningJob> {
        self.handle.running_jobs()
    }

    /// Returns the pool's figures at this moment.
    pub fn stats(&self) -> PoolStats {
        self.handle.stats()
    }

    /// Takes back all pending jobs, in the order of their submission. The pool stays open.
    #[must_use = "these jobs were accepted and have not been run; drop them explicitly if that is meant"]
    pub fn take_pending(&self) -> Vec<Job> {
        self.pool.take_pending()
    }

    /// Starts a worker that waits for a job, if there are fewer than `core_threads`; returns
    /// whether it did.
    ///
    /// # Errors
    ///
    /// The operating system's, or the thread factory's, if no thread could be started.
    pub fn prestart_core_thread(&self) -> io::Result<bool> {
        self.pool.prestart()
    }

    /// Starts workers until there are `core_threads`; returns how many were started.
    ///
    /// # Errors
    ///
    /// As for [`prestart_core_thread`](Self::prestart_core_thread); those started before stay.
    pub fn prestart_all_core_threads(&self) -> io::Result<usize> {
        self.pool.prestart_all()
    }

    /// Changes how many threads are kept. Where there are fewer, as many are started as jobs are
    /// pending; surplus ones that have been idle for the keep-alive leave at once.
    ///
    /// # Errors
    ///
    /// A [`BuildError`] if this exceeds `max_threads`; nothing has changed then.
    pub fn set_core_threads(&self, threads: usize) -> Result<(), BuildError> {
        self.pool.set_core(threads)
    }

    /// Changes how many threads there are at most. More are started at once if jobs are pending;
    /// of too many, idle ones leave at once and busy ones after their job.
    ///
    /// # Errors
    ///
    /// A [`BuildError`] if this is 0 or less than `core_threads`; nothing has changed then.
    pub fn set_max_threads(&self, threads: usize) -> Result<(), BuildError> {
        self.pool.set_max(threads)
    }

    /// Changes core and maximum in one step, so that no order of two changes has to be found.
    ///
    /// # Errors
    ///
    /// A [`BuildError`] if no pool can have these; nothing has changed then.
    pub fn set_threads(&self, core: usize, max: usize) -> Result<(), BuildError> {
        self.pool.reconfigure(|settings| (settings.core, settings.max) = (core, max))
    }

    /// Changes how long surplus workers wait for a job. Counts from when they became idle, also for
    /// those that are.
    ///
    /// # Errors
    ///
    /// A [`BuildError`] if this is zero while core threads may time out; nothing has changed then.
    pub fn set_keep_alive(&self, keep_alive: Duration) -> Result<(), BuildError> {
        self.pool.set_keep_alive(keep_alive)
    }

    /// Changes how many jobs can be queued; 0 makes it a hand-off pool, `usize::MAX` is as good as
    /// no limit. If more are queued than that they stay, and no more are accepted.
    ///
    /// # Errors
    ///
    /// None at present; the type is that of the other changes.
    pub fn set_queue_capacity(&self, capacity: usize) -> Result<(), BuildError> {
        self.pool.set_capacity(capacity)
    }

    /// Changes whether core threads leave, too, after the keep-alive.
    ///
    /// # Errors
    ///
    /// A [`BuildError`] if they may while the keep-alive is zero; nothing has changed then.
    #[expect(clippy::fn_params_excessive_bools, reason = "the JDK's name, and a plain switch")]
    pub fn allow_core_timeout(&self, allow: bool) -> Result<(), BuildError> {
        self.pool.set_core_timeout(CoreTimeout::new(allow))
    }
}

impl Drop for ThreadPoolExecutor {
    fn drop(&mut self) {
        if self.unwinding.is_why() {
            self.pool.abandon();
        } else {
            self.pool.end(std::mem::take(&mut self.on_drop));
        }
    }
}

impl Executor for ThreadPoolExecutor {
    fn execute_job(&self, job: Job) -> Result<(), Rejected> {
        self.handle.execute_job(job)
    }

    fn execute_awaited(&self, job: Job, awaited: Awaited) -> Result<(), Rejected> {
        self.handle.execute_awaited(job, awaited)
    }
}

impl fmt::Debug for ThreadPoolExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pool.fmt(f)
    }
}
