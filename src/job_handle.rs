//! Owns a job's handle: waiting for its result, and cancelling it.

use std::fmt;
use std::panic::Location;
use std::sync::OnceLock;
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded};

use crate::error::{AwaitError, JoinError, Never, StartError};
use crate::interrupt;
use crate::job::waiting::{Company, Look, Place, Progress, Waiting};
use crate::job::{Bound, Help, Job, Origin, Pending, Site};
use crate::sync::{Arc, thread};
use crate::task::{CancelOutcome, JobState, Settles, Task};
use crate::wait::{Deadline, Heed, Spin};
use crate::watch::Watch;

pub use self::future::JobFuture;

mod future; // a handle that is awaited

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
    /// After this, the pool's statistics count the job as ended and its worker as free.
    ///
    /// Jobs that wait for jobs of their own pool cannot starve it. Called from such a job, it runs
    /// the awaited one itself if that is pending, no worker is about to take it, and not too much of
    /// the stack is in use. Otherwise the waiting thread does not count against the pool's size while
    /// it waits, and another worker may be started in its place, which leaves afterwards.
    ///
    /// A job that is run by the thread that waits for it is interrupted together with the job that
    /// waits, and is waited for.
    ///
    /// # Errors
    ///
    /// [`JoinError::Panicked`] with the payload if the job panicked; [`JoinError::Cancelled`] with the
    /// [reason](crate::CancelReason) if it was cancelled or dropped before it started;
    /// [`JoinError::Interrupted`] if the job that calls this is interrupted: then the awaited job goes
    /// on without a handle; at once [`JoinError::Deadlock`] if the calling thread is running the
    /// awaited job. Unlike the JDK, a job that was [cancelled](Self::cancel) while it ran is waited
    /// for, and what it returned is
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
    /// On a pool it never runs the job itself, which could take longer. Called from a job of the pool
    /// that has the awaited one, it lets the pool have another worker meanwhile, as
    /// [`join`](Self::join) does where it waits. On an executor without threads, where nobody else
    /// would come, it runs the job, for as long as that takes.
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

    /// Returns what those are told who do not wait for a job that was handed back.
    pub(crate) fn held_error(&self) -> JoinError {
        JoinError::Cancelled(self.task.cell().lock().reason_held())
    }

    /// Runs the job here, if it is pending and this thread runs jobs for its pool.
    pub(crate) fn help(&self, bound: Bound) -> Help {
        Arc::clone(&self.task).help(bound)
    }

    /// The side of the job that outlives this handle.
    pub(crate) fn task(&self) -> Arc<dyn Settles<T>> {
        Arc::clone(&self.task)
    }

    /// Waits for the job to end, but not while whoever it was handed back to keeps it: then it is
    /// cancelled. An error if the job that calls this is interrupted.
    pub(crate) fn join_or_revoke(&self) -> Result<Result<T, JoinError>, AwaitError> {
        self.wait_for(Deadline::NEVER, Keeper::IsNotAwaited)
    }

    fn wait(&self, deadline: Deadline) -> Result<Result<T, JoinError>, AwaitError> {
        self.wait_for(deadline, Keeper::IsAwaited)
    }

    fn wait_for(
        &self,
        deadline: Deadline,
        keeper: Keeper,
    ) -> Result<Result<T, JoinError>, AwaitError> {
        if let Some(result) = self.take() {
            return Ok(result);
        }
        let bound = if deadline.is_never() { Bound::Stack } else { Bound::Time };
        let spin = Spin::begin();
        if !deadline.is_past() && !interrupt::is_interrupted() {
            self.help(bound);
            let settled = || self.task.is_settled().then_some(());
            if let Some(result) = spin.until(settled).and_then(|()| self.take()) {
                return Ok(result);
            }
        }
        if self.is_run_here() {
            return Ok(Err(JoinError::Deadlock));
        }
        let mut waiting = Waiting::new(deadline, Heed::Interrupts);
        loop {
            match waiting.until(&|| self.origin(), |company| self.look(bound, keeper, company))? {
                Step::Take(result) => return Ok(result),
                Step::Help(bound) => {
                    self.help(bound);
                }
                Step::Revoke => Arc::clone(&self.task).revoke(),
            }
        }
    }

    /// Looks for the result, or for something to do for it.
    fn look(&self, bound: Bound, keeper: Keeper, company: Company) -> Look<Step<T>> {
        let mut cell = self.task.cell().lock();
        if let Some(result) = cell.take() {
            return Look::Ready(Step::Take(result));
        }
        if cell.is_back && keeper == Keeper::IsNotAwaited {
            return Look::Ready(Step::Revoke);
        }
        let has_moved = std::mem::take(&mut cell.is_put_back);
        let is_pending = cell.progress() == Some(Progress::Pending);
        if is_pending && bound == Bound::Stack && company == Company::Full {
            return Look::Ready(Step::Help(Bound::None));
        }
        if is_pending && has_moved {
            return Look::Ready(Step::Help(bound));
        }
        cell.waiter = Some(thread::current());
        Look::Wait(cell.place())
    }

    /// Where the job is, if a pool has it.
    pub(crate) fn place(&self) -> Option<Place> {
        self.task.cell().lock().place()
    }

    /// Returns whether this thread is running the job.
    pub(crate) fn is_run_here(&self) -> bool {
        Arc::clone(&self.task).is_run_here()
    }

    /// Names the job, for the log.
    pub(crate) fn origin(&self) -> String {
        self.task.origin().to_string()
    }

    /// Waits until the job has started, for at most `timeout`. A zero timeout only looks.
    ///
    /// A job that has ended has started, too. So a test can wait for a job to be running before it
    /// calls [`shutdown_now`](crate::Handle::shutdown_now).
    ///
    /// # Errors
    ///
    /// [`StartError::TimedOut`] after `timeout`, [`StartError::Interrupted`] if the job that calls
    /// this is interrupted, and [`StartError::Cancelled`] if the job was cancelled or dropped before
    /// it started.
    pub fn wait_started(&self, timeout: Duration) -> Result<(), StartError> {
        let deadline = Deadline::after(timeout);
        let mut waiting = Waiting::new(deadline, Heed::Interrupts);
        let has_started = waiting.until(&|| self.origin(), |_company| {
            let mut cell = self.task.cell().lock();
            match cell.state() {
                JobState::Pending => {
                    let this = thread::current();
                    if cell.start_waiters.iter().all(|waiter| waiter.id() != this.id()) {
                        cell.start_waiters.push(this);
                    }
                    self.task.await_start();
                    Look::Wait(cell.place())
                }
                JobState::Running | JobState::Finished | JobState::Panicked => Look::Ready(true),
                JobState::Cancelled => Look::Ready(false),
            }
        });
        match has_started {
            Ok(true) => Ok(()),
            Ok(false) => Err(StartError::Cancelled),
            Err(AwaitError::Interrupted) => Err(StartError::Interrupted),
            Err(AwaitError::TimedOut | AwaitError::FromWorker) => Err(StartError::TimedOut),
        }
    }
}

/// Whether a job that was handed back is waited for while whoever has it keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keeper {
    IsAwaited,
    IsNotAwaited,
}

/// What a thread that waits for a job does next.
enum Step<T> {
    Take(Result<T, JoinError>),
    /// The job is where this thread may run it.
    Help(Bound),
    /// Whoever has the job may keep it.
    Revoke,
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
