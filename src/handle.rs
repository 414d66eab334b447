//! Owns the way to a pool for everybody but its owner: submitting, watching, starting its end.

use std::fmt;
use std::time::Duration;

use crate::error::AwaitError;
use crate::executor::Executor;
use crate::job::Job;
use crate::job_handle::JobHandle;
use crate::map::Map;
use crate::phase::Phase;
use crate::pool::Pool;
use crate::rejection::Rejected;
use crate::stats::PoolStats;
use crate::sync::Arc;
use crate::wait::{Deadline, Heed};

/// A way to a pool that can be cloned and passed around. It never keeps the pool running: when its
/// [owner](crate::ThreadPoolExecutor) is dropped, the pool ends, and a handle's submissions are
/// rejected.
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
    pub fn execute<F: FnOnce() + Send + 'static>(&self, f: F) -> Result<(), Rejected> {
        self.pool.execute(Job::new(f))
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
    pub fn submit<F, T>(&self, f: F) -> Result<JobHandle<T>, Rejected>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let (job, handle) = Job::with_handle(f);
        self.pool.execute(job)?;
        Ok(handle)
    }

    /// Submits a job without ever asking the rejection policy.
    ///
    /// # Errors
    ///
    /// The job, if it cannot be taken at once.
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

    /// Calls `f` on each of many items, on the pool, and yields the results in the order of the items.
    ///
    /// Lazy: no item is taken before the first `next`, and never more than the
    /// [look-ahead](Map::look_ahead) are on their way, so the items may be endless. For small items
    /// [`chunks`](Map::chunks) puts several into one job. [`Map`] says what panics, interrupts,
    /// rejection and shutdown do.
    ///
    /// Meant for items that wait or take their time: files, requests, documents. To split work on
    /// slices over the processors, rayon's parallel iterators do better.
    ///
    /// # Examples
    ///
    /// ```
    /// use workcrew::ThreadPoolExecutor;
    ///
    /// let pool = ThreadPoolExecutor::fixed(2)?;
    /// let squares: Vec<u64> = pool.map(0..5, |n: u64| n * n).collect::<Result<_, _>>()?;
    /// assert_eq!(squares, [0, 1, 4, 9, 16]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map<I, F, T>(&self, items: I, f: F) -> Map<I::IntoIter, F, T>
    where
        I: IntoIterator,
        I::Item: Send + 'static,
        F: Fn(I::Item) -> T + Send + Sync + 'static,
        T: Send + 'static,
    {
        Map::new(&self.pool, items.into_iter(), f)
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
    /// that were pending, in the order of their submission. Does not wait.
    ///
    /// The returned jobs can be run, or submitted to another pool. A job with a handle that is
    /// dropped instead settles it as [`Cancelled`](crate::JoinError::Cancelled).
    #[must_use = "these jobs were accepted and have not been run; drop them explicitly if that is meant"]
    pub fn shutdown_now(&self) -> Vec<Job> {
        self.pool.shutdown_now()
    }

    /// Waits until the pool has ended: every job, every worker, `on_terminated`, and the worker
    /// threads are joined, so their thread-local destructors have run too.
    ///
    /// # Errors
    ///
    /// [`AwaitError::TimedOut`] after `timeout`, [`AwaitError::Interrupted`] if the job that calls
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

    /// Returns the pool's figures at this moment.
    pub fn stats(&self) -> PoolStats {
        self.pool.stats()
    }
}

impl Executor for Handle {
    fn execute_job(&self, job: Job) -> Result<(), Rejected> {
        self.pool.execute(job)
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pool.fmt(f)
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadPoolExecutor")
            .field("name", &self.name)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
