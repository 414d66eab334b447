//! Owns the result of a job: the one cell that a job and its handle share.
//!
//! INVARIANT: every change of a stage is made under the cell's lock, by exactly one of those who
//! want it: the worker that starts the job, its handle that cancels it, a waiter that runs it, or
//! the drop of a job that nobody started. The settled stages are final.
//!
//! A queued job is taken for running, or cancelled, while the lock of the pool that counts it is
//! held; the cell's lock is the innermost.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::error::{AwaitError, JoinError, Never, Payload, panic_message};
use crate::interrupt::{self, Core, Interrupt, Node};
use crate::job::{
    Ended, Home, Job, Outcome, Pending, Settlement, catch, discard_payload, drop_caught,
};
use crate::sync::{Arc, Mutex, Thread, thread};
use crate::wait::{Deadline, Heed, park_until};

/// Where a job is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JobState {
    /// It has not been started.
    Pending,
    /// It is being run, or about to be by the thread that was chosen for it.
    Running,
    /// It has returned.
    Finished,
    /// It has panicked.
    Panicked,
    /// It was cancelled, or dropped, before it was started.
    Cancelled,
}

/// What [`JobHandle::cancel`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CancelOutcome {
    /// The job was pending. It will never run, and its captures have been dropped.
    Removed,
    /// The job is running. Its interrupt is set; it ends when it heeds it, and in its own way.
    Interrupted,
    /// The job has ended, or was cancelled before.
    AlreadyFinished,
}

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

/// The cell, as the handle sees it.
trait Settles<T>: Send + Sync {
    fn cell(&self) -> &Mutex<Cell<T>>;
    fn cancel(self: Arc<Self>) -> CancelOutcome;
    /// Runs the job here, if it is pending and this thread is a worker of its pool.
    fn help(self: Arc<Self>);
}

/// A job with a handle.
struct Task<F, T> {
    interrupt: Core,
    /// The closure, until it is taken to be run or dropped. Locked inside `cell`'s lock or alone.
    body: Mutex<Option<F>>,
    cell: Mutex<Cell<T>>,
}

struct Cell<T> {
    stage: Stage<T>,
    /// The pool that has the job, in its queue or on one of its workers.
    home: Option<Arc<dyn Home>>,
    /// The thread that waits in a join.
    waiter: Option<Thread>,
    /// Kept to be dropped when the job settles.
    done: Option<Sender<Never>>,
    has_handle: bool,
}

/// | stage | who may change it |
/// |---|---|
/// | `Pending` | who starts, cancels or drops the job, whoever is first |
/// | `Running` | the thread that started it |
/// | `Ended` | the same, when it tells the handle |
/// | `Settled` | the handle, by taking the result |
/// | `Taken` | nobody |
enum Stage<T> {
    Pending,
    Running,
    Ended(Result<T, JoinError>),
    Settled(Result<T, JoinError>),
    Taken(JobState),
}

impl<T> Cell<T> {
    fn state(&self) -> JobState {
        match &self.stage {
            Stage::Pending => JobState::Pending,
            Stage::Running | Stage::Ended(_) => JobState::Running,
            Stage::Settled(Ok(_)) => JobState::Finished,
            Stage::Settled(Err(JoinError::Panicked(_))) => JobState::Panicked,
            Stage::Settled(Err(JoinError::Cancelled | JoinError::Interrupted)) => {
                JobState::Cancelled
            }
            Stage::Taken(state) => *state,
        }
    }

    fn is_settled(&self) -> bool {
        matches!(self.stage, Stage::Settled(_) | Stage::Taken(_))
    }

    /// Takes the result out, if the job has settled.
    fn take(&mut self) -> Option<Result<T, JoinError>> {
        if !self.is_settled() {
            return None;
        }
        let state = self.state();
        match std::mem::replace(&mut self.stage, Stage::Taken(state)) {
            Stage::Settled(result) => Some(result),
            Stage::Pending | Stage::Running | Stage::Ended(_) | Stage::Taken(_) => None,
        }
    }
}

/// What is to be done once the cell's lock is released.
#[must_use]
struct Told<T> {
    waiter: Option<Thread>,
    done: Option<Sender<Never>>,
    /// A result that nobody will ask for.
    unclaimed: Option<Result<T, JoinError>>,
    home: Option<Arc<dyn Home>>,
}

impl<T> Told<T> {
    /// Settles the cell.
    fn of(cell: &mut Cell<T>, result: Result<T, JoinError>) -> Self {
        cell.stage = Stage::Settled(result);
        Self {
            waiter: cell.waiter.take(),
            done: cell.done.take(),
            unclaimed: if cell.has_handle { None } else { cell.take() },
            home: cell.home.clone(),
        }
    }

    fn tell(self) {
        drop(self.done);
        if let Some(waiter) = self.waiter {
            waiter.unpark();
        }
        if let Some(result) = self.unclaimed {
            release(result, self.home.as_ref());
        }
    }
}

/// Gets rid of a result that nobody asked for; a panic in it is reported, as is one of its
/// destructor.
fn release<T>(result: Result<T, JoinError>, home: Option<&Arc<dyn Home>>) {
    match result {
        Ok(value) => {
            if let Err(payload) = drop_caught(value) {
                report(payload, home);
            }
        }
        Err(JoinError::Panicked(payload)) => report(payload, home),
        Err(JoinError::Cancelled | JoinError::Interrupted) => {}
    }
}

fn report(payload: Payload, home: Option<&Arc<dyn Home>>) {
    if let Some(home) = home {
        home.report_panic(payload);
    } else {
        let message = panic_message(&*payload).unwrap_or("(the payload is not a string)");
        log::error!("a job whose handle is gone panicked: {message}");
        discard_payload(payload);
    }
}

impl<F: Send, T: Send> Node for Task<F, T> {
    fn core(&self) -> &Core {
        &self.interrupt
    }
}

impl<F, T> Task<F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    /// Settles a pending job as cancelled, if `is_due` agrees under the lock.
    fn cancel_pending(
        &self,
        is_due: impl FnOnce(&Cell<T>) -> bool,
    ) -> Option<(Told<T>, Option<F>)> {
        let mut cell = self.cell.lock();
        if !(matches!(cell.stage, Stage::Pending) && is_due(&cell)) {
            return None;
        }
        let told = Told::of(&mut cell, Err(JoinError::Cancelled));
        Some((told, self.body.lock().take()))
    }

    /// Tells the handle, then drops the captures; a panic of theirs is reported.
    fn finish_cancel(&self, told: Told<T>, body: Option<F>) {
        let home = told.home.clone();
        told.tell();
        if let Err(payload) = drop_caught(body) {
            report(payload, home.as_ref());
        }
    }

    fn end(self: Arc<Self>, outcome: Outcome, result: Result<T, JoinError>) -> Ended {
        self.cell.lock().stage = Stage::Ended(result);
        Ended { outcome, unclaimed: None, settlement: Some(Settlement(self)) }
    }
}

impl<F, T> Pending for Task<F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    fn queue(&self, home: Arc<dyn Home>) -> bool {
        let mut cell = self.cell.lock();
        let is_pending = matches!(cell.stage, Stage::Pending);
        if is_pending {
            cell.home = Some(home);
        }
        is_pending
    }

    fn start(&self) -> bool {
        let mut cell = self.cell.lock();
        let is_pending = matches!(cell.stage, Stage::Pending);
        if is_pending {
            cell.stage = Stage::Running;
        }
        is_pending
    }

    fn hand_back(&self) -> bool {
        let mut cell = self.cell.lock();
        let is_pending = matches!(cell.stage, Stage::Pending);
        // The pool goes on living: whoever takes the job back holds it.
        cell.home = None;
        is_pending
    }

    fn is_pending(&self) -> bool {
        matches!(self.cell.lock().stage, Stage::Pending)
    }

    fn execute(self: Arc<Self>) -> Ended {
        let body = self.body.lock().take().expect("a job is started once");
        let entered = interrupt::enter_job(Interrupt::of(Arc::clone(&self) as Arc<dyn Node>));
        let result = catch(body);
        drop(entered);
        match result {
            Ok(value) => self.end(Outcome::Completed, Ok(value)),
            Err(payload) => self.end(Outcome::Panicked, Err(JoinError::Panicked(payload))),
        }
    }

    fn fail(self: Arc<Self>, payload: Payload) -> Ended {
        let body = self.body.lock().take();
        if let Err(payload) = drop_caught(body) {
            discard_payload(payload);
        }
        self.end(Outcome::Panicked, Err(JoinError::Panicked(payload)))
    }

    fn abandon(&self) {
        if let Some((told, body)) = self.cancel_pending(|_| true) {
            told.tell();
            drop(body);
        }
    }

    fn settle(&self) {
        let told = {
            let mut cell = self.cell.lock();
            match std::mem::replace(&mut cell.stage, Stage::Running) {
                Stage::Ended(result) => Told::of(&mut cell, result),
                other => {
                    cell.stage = other;
                    return;
                }
            }
        };
        told.tell();
    }
}

impl<F, T> Settles<T> for Task<F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    fn cell(&self) -> &Mutex<Cell<T>> {
        &self.cell
    }

    fn cancel(self: Arc<Self>) -> CancelOutcome {
        loop {
            let home = {
                let cell = self.cell.lock();
                match &cell.stage {
                    Stage::Pending => cell.home.clone(),
                    Stage::Running | Stage::Ended(_) => break,
                    Stage::Settled(_) | Stage::Taken(_) => return CancelOutcome::AlreadyFinished,
                }
            };
            let mut cancelled = None;
            // Under the lock of the pool that counts the job as pending. If the job has moved on
            // meanwhile, look again.
            let mut claim = || {
                cancelled = self.cancel_pending(|cell| match (&cell.home, &home) {
                    (Some(now), Some(then)) => Arc::ptr_eq(now, then),
                    (None, None) => true,
                    (Some(_), None) | (None, Some(_)) => false,
                });
                cancelled.is_some()
            };
            let is_cancelled = match &home {
                Some(home) => home.cancel(&mut claim),
                None => claim(),
            };
            if let Some((told, body)) = cancelled.filter(|_| is_cancelled) {
                self.finish_cancel(told, body);
                return CancelOutcome::Removed;
            }
        }
        Interrupt::of(self).interrupt();
        CancelOutcome::Interrupted
    }

    fn help(self: Arc<Self>) {
        let home = {
            let cell = self.cell.lock();
            match &cell.stage {
                Stage::Pending => cell.home.clone(),
                Stage::Running | Stage::Ended(_) | Stage::Settled(_) | Stage::Taken(_) => None,
            }
        };
        if let Some(home) = home {
            home.help(&(self as Arc<dyn Pending>));
        }
    }
}

impl Job {
    /// Makes a job and the handle to its result, in one allocation.
    pub fn with_handle<F, T>(f: F) -> (Self, JobHandle<T>)
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let cell = Cell {
            stage: Stage::Pending,
            home: None,
            waiter: None,
            done: None,
            has_handle: true,
        };
        let task = Arc::new(Task {
            interrupt: Core::default(),
            body: Mutex::new(Some(f)),
            cell: Mutex::new(cell),
        });
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
        let result = self.task.cell().lock().take();
        result.ok_or(self)
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

    fn wait(&self, deadline: Deadline) -> Result<Result<T, JoinError>, AwaitError> {
        if let Some(result) = self.task.cell().lock().take() {
            return Ok(result);
        }
        if !deadline.is_past() && !interrupt::is_interrupted() {
            Arc::clone(&self.task).help();
        }
        park_until(deadline, Heed::Interrupts, || {
            let mut cell = self.task.cell().lock();
            let result = cell.take();
            if result.is_none() {
                cell.waiter = Some(thread::current());
            }
            result
        })
    }
}

impl<T> Drop for JobHandle<T> {
    fn drop(&mut self) {
        let (result, home) = {
            let mut cell = self.task.cell().lock();
            cell.has_handle = false;
            (cell.take(), cell.home.clone())
        };
        if let Some(result) = result {
            release(result, home.as_ref());
        }
    }
}

impl<T> fmt::Debug for JobHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobHandle").field("state", &self.state()).finish_non_exhaustive()
    }
}
