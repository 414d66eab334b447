//! Owns what a job and its handle share under one lock: the stage, the result, who waits for it.

use std::task::Waker;

use crossbeam_channel::Sender;

use super::JobState;
use crate::error::{CancelReason, JoinError, Never, Payload, panic_text};
use crate::job::waiting::{Place, Progress};
use crate::job::{Home, News, catch, discard_payload, drop_caught};
use crate::logging;
use crate::sync::Arc;
use crate::sync::thread::Thread;
use crate::watch::Watch;

#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct Cell<T> {
    pub(super) stage: Stage<T>,
    /// The pool that has the job, in its queue or on one of its workers.
    pub(super) home: Option<Arc<dyn Home>>,
    /// How many jobs were queued there before it.
    pub(super) number: u64,
    /// It is being submitted for the first time, by whoever is going to watch it.
    pub(super) is_new: bool,
    /// Its pool has given the job back, and none has taken it since.
    pub(crate) is_back: bool,
    /// It was queued while somebody waited, or its worker was refused: that one looks again, and may
    /// be the one to run it.
    pub(crate) is_put_back: bool,
    /// What the handle is told if whoever has the pending job drops it.
    pub(super) why: CancelReason,
    /// The thread that waits in a join.
    pub(crate) waiter: Option<Thread>,
    /// Threads that wait for the job's start.
    pub(crate) start_waiters: Vec<Thread>,
    /// Of who awaits the handle.
    pub(crate) waker: Option<Waker>,
    /// Kept to be dropped when the job settles.
    pub(crate) done: Option<Sender<Never>>,
    /// Tells who waits for many jobs.
    pub(super) watch: Option<Watch>,
    pub(super) has_handle: bool,
}

/// | stage | who may change it |
/// |---|---|
/// | `Pending` | who starts, cancels or drops the job, whoever is first |
/// | `Running` | the thread that started it |
/// | `Ended` | the same, when it tells the handle; the handle's drop, by taking the result |
/// | `Settled` | the handle, by taking the result |
/// | `Taken` | nobody |
pub(super) enum Stage<T> {
    Pending,
    Running,
    Ended(Result<T, JoinError>),
    Settled(Result<T, JoinError>),
    Taken(JobState),
}

impl<T> Cell<T> {
    pub(crate) fn state(&self) -> JobState {
        match &self.stage {
            Stage::Pending => JobState::Pending,
            Stage::Running | Stage::Ended(_) => JobState::Running,
            Stage::Settled(Ok(_)) => JobState::Finished,
            Stage::Settled(Err(JoinError::Panicked(_))) => JobState::Panicked,
            Stage::Settled(Err(
                JoinError::Cancelled(_) | JoinError::Interrupted | JoinError::Deadlock,
            )) => JobState::Cancelled,
            Stage::Taken(state) => *state,
        }
    }

    /// Whether the job is to be run or is being run; none once it has settled.
    pub(crate) fn progress(&self) -> Option<Progress> {
        match &self.stage {
            Stage::Pending => Some(Progress::Pending),
            Stage::Running | Stage::Ended(_) => Some(Progress::Running),
            Stage::Settled(_) | Stage::Taken(_) => None,
        }
    }

    /// Where the job is, if a pool has it.
    pub(crate) fn place(&self) -> Option<Place> {
        let progress = self.progress()?;
        let home = Arc::clone(self.home.as_ref()?);
        Some(Place { home, progress })
    }

    pub(super) fn is_awaited(&self) -> bool {
        self.waiter.is_some() || self.watch.is_some() || !self.start_waiters.is_empty()
    }

    pub(crate) fn is_settled(&self) -> bool {
        matches!(self.stage, Stage::Settled(_) | Stage::Taken(_))
    }

    /// Returns why a job that was handed back does not run for those who wait for it.
    pub(crate) fn reason_held(&self) -> CancelReason {
        // Whatever has happened to one since that somebody has taken over.
        let is_over = self.why == CancelReason::Shutdown;
        if is_over { CancelReason::Shutdown } else { CancelReason::HandedBack }
    }

    /// The handle is dropped: nobody will ask for the result any more.
    pub(crate) fn let_go(&mut self) -> Unclaimed<T> {
        self.has_handle = false;
        if let Stage::Ended(result) = &mut self.stage {
            // Dropped here and now: when the job settles its worker may already count as idle.
            let result = std::mem::replace(result, Err(JoinError::Cancelled(self.why)));
            return Unclaimed { result: Some(result), home: self.home.clone() };
        }
        // Of no more use to it once it has settled.
        let home = if self.is_settled() { self.home.take() } else { None };
        Unclaimed { result: self.take(), home }
    }

    /// Publishes the result, if the job has ended.
    pub(super) fn settle(&mut self) {
        match std::mem::replace(&mut self.stage, Stage::Running) {
            Stage::Ended(result) => self.stage = Stage::Settled(result),
            other @ (Stage::Pending | Stage::Running | Stage::Settled(_) | Stage::Taken(_)) => {
                self.stage = other;
            }
        }
    }

    /// Whether anybody is to be told that it has settled; nobody new will be.
    pub(super) fn news(&self) -> News {
        if self.waiter.is_some() || self.done.is_some() || self.watch.is_some() || !self.has_handle
        {
            News::Awaited
        } else {
            News::Known
        }
    }

    /// Takes the result out, if the job has ended: perhaps before its worker is free again.
    pub(crate) fn take_ended(&mut self) -> Option<Result<T, JoinError>> {
        self.settle();
        self.take()
    }

    /// Takes the result out, if the job has settled.
    pub(crate) fn take(&mut self) -> Option<Result<T, JoinError>> {
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
pub(super) struct Told<T> {
    waiter: Option<Thread>,
    start_waiters: Vec<Thread>,
    done: Option<Sender<Never>>,
    watch: Option<Watch>,
    waker: Option<Waker>,
    pub(super) unclaimed: Unclaimed<T>,
}

impl<T> Told<T> {
    /// What a settled cell has to tell.
    pub(super) fn of(cell: &mut Cell<T>) -> Self {
        let unclaimed = if cell.has_handle {
            Unclaimed { result: None, home: cell.home.clone() }
        } else {
            // The pool is of no more use to the cell, which others may keep as an interrupt.
            Unclaimed { result: cell.take(), home: cell.home.take() }
        };
        Self {
            waiter: cell.waiter.take(),
            start_waiters: std::mem::take(&mut cell.start_waiters),
            done: cell.done.take(),
            watch: cell.watch.take(),
            waker: cell.waker.take(),
            unclaimed,
        }
    }

    /// Tells the handle. Who watches is told by the drop of what this returns, once the captures
    /// are gone.
    pub(super) fn tell(self) -> Option<Watch> {
        drop(self.done);
        self.waiter.iter().chain(&self.start_waiters).for_each(Thread::unpark);
        if let Some(waker) = self.waker {
            wake(waker, self.unclaimed.home.as_ref());
        }
        self.unclaimed.release();
        self.watch
    }
}

/// A result that nobody will ask for, if there is one.
#[must_use]
pub(crate) struct Unclaimed<T> {
    result: Option<Result<T, JoinError>>,
    pub(super) home: Option<Arc<dyn Home>>,
}

impl<T> Unclaimed<T> {
    /// Gets rid of it; a panic in it is reported, as is one of its destructor.
    pub(crate) fn release(self) {
        match self.result {
            Some(Ok(value)) => {
                if let Err(payload) = drop_caught(value) {
                    report(HANDLE_IS_GONE, payload, self.home.as_ref());
                }
            }
            Some(Err(JoinError::Panicked(payload))) => {
                report(HANDLE_IS_GONE, payload.into_inner(), self.home.as_ref());
            }
            Some(Err(JoinError::Cancelled(_) | JoinError::Interrupted | JoinError::Deadlock))
            | None => {}
        }
    }
}

/// Wakes who awaits a handle. A panic of that is reported.
pub(super) fn wake(waker: Waker, home: Option<&Arc<dyn Home>>) {
    if let Err(payload) = catch(|| waker.wake()) {
        report("a waker", payload, home);
    }
}

/// The source of a panic that a handle would have received.
pub(super) const HANDLE_IS_GONE: &str = "a job whose handle is gone";

pub(super) fn report(source: &str, payload: Payload, home: Option<&Arc<dyn Home>>) {
    if let Some(home) = home {
        home.report(source, None, payload);
    } else {
        let message = panic_text(&*payload);
        logging::write!(Error, "{source} panicked: {message}");
        discard_payload(payload);
    }
}
