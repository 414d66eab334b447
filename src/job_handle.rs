//! Owns a job's handle: waiting for its result, and cancelling it.

use std::fmt;
use std::panic::Location;
use std::sync::OnceLock;
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded};

use crate::error::{AwaitError, JoinError, Never};
use crate::interrupt;
use crate::job::{Job, Origin, Pending, Site};
use crate::sync::{Arc, thread};
use crate::task::{CancelOutcome, Cell, Help, JobState, Settles, Task};
use crate::wait::{Deadline, Heed, park_until, spin_until};
use crate::watch::Watch;

/// The result of a submitted job, to come.
///
/// Dropping it lets the job go on by itself; a panic of the job is then reported by the pool.
///
/// # Examples
///
/// ```
/// use workcrew::ThreadPoolExecutor;
///
/// let pool = ThreadPoolExecutor::fixed(2)?;
/// let handles: Vec<_> = (0..3).map(|n| pool.submit(move || n * n)).collect::<Result<_, _>>()?;
/// let squares: Vec<_> = handles.into_iter().map(|handle| handle.join()).collect::<Result<_, _>>()?;
/// assert_eq!(squares, [0, 1, 4]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a dropped handle lets the job go on by itself; use `execute` if that is meant"]
pub struct JobHandle<T> {
    task: Arc<dyn Settles<T>>,
    done: OnceLock<Receiver<Never>>,
}

impl Job {
    /// Makes a job and the handle to its result, in one allocation.
    #[track_caller]
    pub fn with_handle<F, T>(f: F) -> (Self, JobHandle<T>)
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        Self::tracking(f, Origin { site: Location::caller(), name: None }, None)
    }

    /// Makes a job with a name, by which reports and the log call it, and the handle to its result.
    #[track_caller]
    pub fn named_with_handle<F, T>(name: impl Into<Arc<str>>, f: F) -> (Self, JobHandle<T>)
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        Self::tracking(f, Origin { site: Location::caller(), name: Some(name.into()) }, None)
    }

    /// Makes a job submitted at `site`, and the handle to its result.
    pub(crate) fn with_handle_at<F, T>(site: Site, f: F) -> (Self, JobHandle<T>)
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        Self::tracking(f, Origin { site, name: None }, None)
    }

    /// Makes a job submitted at `site`, of whose end `watch` is told.
    pub(crate) fn watched<F, T>(f: F, site: Site, watch: Watch) -> (Self, JobHandle<T>)
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        Self::tracking(f, Origin { site, name: None }, Some(watch))
    }

    fn tracking<F, T>(f: F, origin: Origin, watch: Option<Watch>) -> (Self, JobHandle<T>)
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let task = Arc::new(Task::new(f, origin, watch));
        let job = Self::tracked(Arc::clone(&task) as Arc<dyn Pending>);
        (job, JobHandle { task, done: OnceLock::new() })
    }
}

impl<T> JobHandle<T> {
    /// Waits for the job to end and returns what it returned.
    ///
    /// After this, the pool's statistics count the job as ended and its worker as free. Called from
    /// a worker of the pool in which the job is still pending, it runs the job itself, so that jobs
    /// waiting for jobs cannot starve a pool.
    ///
    /// # Errors
    ///
    /// [`JoinError::Panicked`] with the payload if the job panicked; [`JoinError::Cancelled`] if it
    /// was cancelled or dropped before it started; [`JoinError::Interrupted`] if the job that calls
    /// this is interrupted: then the awaited job goes on without a handle. Other than in the JDK, a
    /// job that was [cancelled](Self::cancel) while it ran is waited for, and what it returned is
    /// returned.
    pub fn join(self) -> Result<T, JoinError> {
        match self.wait(Deadline::NEVER) {
            Ok(result) => result,
            Err(AwaitError::Interrupted | AwaitError::TimedOut | AwaitError::FromWorker) => {
                Err(JoinError::Interrupted)
            }
        }
    }

    /// Waits for the job to end, for at most `timeout`. A zero timeout only looks.
    ///
    /// Called from a worker of the pool in which the job is still pending, with a timeout that is
    /// not zero, it runs the job itself, for as long as that takes.
    ///
    /// # Errors
    ///
    /// The handle, if the time is over first or the job that calls this is interrupted, which
    /// [`interrupt::check`](crate::interrupt::check) tells apart. Within, as for
    /// [`join`](Self::join).
    pub fn join_timeout(self, timeout: Duration) -> Result<Result<T, JoinError>, Self> {
        self.wait(Deadline::after(timeout)).map_err(|_| self)
    }

    /// Returns what the job returned, if it has ended.
    ///
    /// # Errors
    ///
    /// The handle, if the job has not ended. Within, as for [`join`](Self::join).
    pub fn try_join(self) -> Result<Result<T, JoinError>, Self> {
        self.take().ok_or(self)
    }

    /// Takes the result out, if the job has ended. Drops nothing.
    pub(crate) fn take(&self) -> Option<Result<T, JoinError>> {
        self.task.cell().lock().take()
    }

    /// Returns whether the job has ended, in any way.
    pub fn is_finished(&self) -> bool {
        self.task.cell().lock().is_settled()
    }

    /// Returns where the job is in its life.
    pub fn state(&self) -> JobState {
        self.task.cell().lock().state()
    }

    /// Cancels the job if it is pending, or interrupts it if it is running.
    ///
    /// A pending job is gone at once: its captures are dropped here, its place in the queue is
    /// free, and the handle says [`Cancelled`](JoinError::Cancelled). A running one ends when it
    /// heeds its [interrupt](crate::interrupt), and `join` returns what it returned.
    pub fn cancel(&self) -> CancelOutcome {
        Arc::clone(&self.task).cancel()
    }

    /// Returns a channel that never carries a message and disconnects when the job has ended: an
    /// arm for `select!`. Waiting on it does not run a pending job, as `join` does.
    pub fn done(&self) -> &Receiver<Never> {
        self.done.get_or_init(|| {
            let (sender, receiver) = bounded(0);
            let mut cell = self.task.cell().lock();
            if !cell.is_settled() {
                cell.done = Some(sender);
            }
            receiver
        })
    }

    /// Runs the job here, if it is pending and this thread is a worker of its pool.
    pub(crate) fn help(&self) -> Help {
        Arc::clone(&self.task).help()
    }

    /// Makes the interrupt of this thread's job reach this one, which is run here, as long as the
    /// guard lives.
    pub(crate) fn pass_interrupt_on(&self) -> Option<interrupt::Registered>
    where
        T: 'static,
    {
        Some(interrupt::current()?.pass_on_to(&self.task().interrupt()))
    }

    /// The side of the job that outlives this handle.
    pub(crate) fn task(&self) -> Arc<dyn Settles<T>> {
        Arc::clone(&self.task)
    }

    /// Waits for the job to end, but not while whoever it was handed back to keeps it: then it is
    /// cancelled. An error if the job that calls this is interrupted.
    pub(crate) fn join_or_revoke(&self) -> Result<Result<T, JoinError>, AwaitError>
    where
        T: 'static,
    {
        loop {
            if !interrupt::is_interrupted() {
                let _passing = self.pass_interrupt_on();
                self.help();
            }
            let is_to_do =
                |cell: &mut Cell<T>| cell.is_back || std::mem::take(&mut cell.is_put_back);
            match self.park(Deadline::NEVER, is_to_do)? {
                Some(result) => return Ok(result),
                None => Arc::clone(&self.task).revoke(),
            }
        }
    }

    fn wait(&self, deadline: Deadline) -> Result<Result<T, JoinError>, AwaitError> {
        let ended = || self.task.cell().lock().take();
        if let Some(result) = ended() {
            return Ok(result);
        }
        if !deadline.is_past() && !interrupt::is_interrupted() {
            self.help();
            let settled = || self.task.is_settled().then_some(());
            if let Some(result) = spin_until(settled).and_then(|()| ended()) {
                return Ok(result);
            }
        }
        loop {
            match self.park(deadline, |cell| std::mem::take(&mut cell.is_put_back))? {
                Some(result) => return Ok(result),
                None => {
                    self.help();
                }
            }
        }
    }

    /// Waits for the result, or for something to do for it: then for `None`.
    fn park(
        &self,
        deadline: Deadline,
        is_to_do: impl Fn(&mut Cell<T>) -> bool,
    ) -> Result<Option<Result<T, JoinError>>, AwaitError> {
        park_until(deadline, Heed::Interrupts, || {
            let mut cell = self.task.cell().lock();
            let result = cell.take();
            if result.is_none() && !is_to_do(&mut cell) {
                cell.waiter = Some(thread::current());
                return None;
            }
            Some(result)
        })
    }
}

impl<T> Drop for JobHandle<T> {
    fn drop(&mut self) {
        let unclaimed = self.task.cell().lock().let_go();
        unclaimed.release();
    }
}

impl<T> fmt::Debug for JobHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobHandle").field("state", &self.state()).finish_non_exhaustive()
    }
}
