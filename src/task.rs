//! Owns the one cell that a job and its handle share: the closure, the stage, the result.
//!
//! INVARIANT: every change of a stage is made under the cell's lock, by exactly one of those who
//! want it: the worker that starts the job, its handle that cancels it, a waiter that runs it, or
//! the drop of a job that nobody started. The settled stages are final.
//!
//! A queued job is taken for running, or cancelled, while the lock of the pool that counts it is
//! held; the cell's lock is the innermost.

use crate::error::{CancelReason, JoinError};
use crate::interrupt::{self, Core, Interrupt, Node};
use crate::job::waiting::Progress;
use crate::job::{
    Around, Bound, Ended, Help, Layers, Origin, Outcome, Pending, Settlement, Within, drop_caught,
    run_within,
};
use crate::sync::{Arc, AtomicBool, Mutex, Ordering, thread};
use crate::watch::Watch;

pub(crate) use self::cell::Cell;
use self::cell::{Stage, Told, wake};
pub(crate) use self::removal::cancel_all;
use self::removal::{Claim, Removal, Removed};
pub use self::state::{CancelOutcome, JobState};

mod cell; // the stage and the result
mod removal; // cancelling a job, and several together
mod queued; // what pools do with it
mod state; // what users see of it

/// The cell, as the handle sees it.
pub(crate) trait Settles<T>: Send + Sync {
    fn cell(&self) -> &Mutex<Cell<T>>;
    /// Returns whether the cell has settled, without its lock: for who looks again and again.
    fn is_settled(&self) -> bool;
    fn cancel(self: Arc<Self>) -> CancelOutcome;
    /// Does the part of `cancel` in which none of the user's code runs.
    fn remove(self: Arc<Self>) -> Removal;
    /// The job has been submitted; returns whether it is pending and no pool has it.
    fn is_held(&self) -> bool;
    /// Cancels the job if it is pending and no pool has it.
    fn revoke(self: Arc<Self>);
    /// Runs the job here, if it is pending and this thread runs jobs for its pool.
    fn help(self: Arc<Self>, bound: Bound) -> Help;
    /// Returns whether this thread is running the job, and so would wait for itself.
    fn is_run_here(self: Arc<Self>) -> bool;
    /// Where the job comes from.
    fn origin(&self) -> &Origin;
    /// Somebody waits for the start of the job. To be called under the lock of the cell.
    fn await_start(&self);
    /// The request that the job stop.
    fn interrupt(self: Arc<Self>) -> Interrupt;
}

/// A job with a handle.
pub(crate) struct Task<F, T> {
    interrupt: Core,
    /// The closure, until it is taken to be run or dropped. Locked inside `cell`'s lock or alone.
    body: Mutex<Option<Load<F>>>,
    cell: Mutex<Cell<T>>,
    /// Follows the cell's stage.
    settled: AtomicBool,
    /// Somebody waits for the job's start.
    is_start_awaited: AtomicBool,
    origin: Origin,
}

/// The closure, and what goes around its running.
struct Load<F> {
    f: F,
    layers: Option<Box<Layers>>,
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
    pub(crate) fn new(f: F, origin: Origin, watch: Option<Watch>) -> Self {
        let cell = Cell {
            stage: Stage::Pending,
            home: None,
            number: 0,
            is_new: watch.is_some(),
            is_back: false,
            is_put_back: false,
            why: CancelReason::Dropped,
            waiter: None,
            start_waiters: Vec::new(),
            waker: None,
            done: None,
            watch,
            has_handle: true,
        };
        Self {
            interrupt: Core::default(),
            body: Mutex::new(Some(Load { f, layers: None })),
            cell: Mutex::new(cell),
            settled: AtomicBool::new(false),
            is_start_awaited: AtomicBool::new(false),
            origin,
        }
    }

    fn mark_settled(&self) {
        // ORDERING: only a hint to look at the cell, whose lock orders the rest.
        self.settled.store(true, Ordering::Relaxed);
    }

    /// Settles a pending job as cancelled, if `is_due` gives a reason under the lock.
    fn cancel_pending(
        &self,
        is_due: impl FnOnce(&Cell<T>) -> Option<CancelReason>,
    ) -> Option<(Told<T>, Option<Load<F>>)> {
        let mut cell = self.cell.lock();
        if !matches!(cell.stage, Stage::Pending) {
            return None;
        }
        cell.stage = Stage::Settled(Err(JoinError::Cancelled(is_due(&cell)?)));
        self.mark_settled();
        Some((Told::of(&mut cell), self.body.lock().take()))
    }

    /// Wakes those who wait for the start of the job, which has been taken for running.
    fn tell_started(&self) {
        // ORDERING: set under the cell's lock while the job was pending, and it was taken under the
        // same lock since.
        if self.is_start_awaited.load(Ordering::Relaxed) {
            let waiters = std::mem::take(&mut self.cell.lock().start_waiters);
            waiters.iter().for_each(thread::Thread::unpark);
        }
    }

    /// Runs it with something around, as the job that this thread has entered.
    #[cold]
    fn execute_within(self: Arc<Self>, around: Around, f: F) -> Ended {
        let Within { result, other } = run_within(around, f);
        let mut ended = match result {
            Ok(value) => self.end(Outcome::Completed, Ok(value)),
            Err(payload) => self.end(Outcome::Panicked, Err(JoinError::panicked(payload))),
        };
        ended.note_other(other);
        ended
    }

    fn end(self: Arc<Self>, outcome: Outcome, result: Result<T, JoinError>) -> Ended {
        let mut cell = self.cell.lock();
        let unclaimed = if cell.has_handle {
            cell.stage = Stage::Ended(result);
            let awaits = cell.waker.take().map(|waker| (waker, cell.home.clone()));
            drop(cell);
            if let Some((waker, home)) = awaits {
                // While this thread still counts as busy, as a waker is the user's code.
                wake(waker, home.as_ref());
            }
            None
        } else {
            // Nobody will ask for it: dropped while this thread still counts as busy.
            cell.stage = Stage::Ended(Err(JoinError::Cancelled(cell.why)));
            drop(cell);
            match result {
                Ok(value) => drop_caught(value).err(),
                Err(JoinError::Panicked(payload)) => Some(payload.into_inner()),
                Err(JoinError::Cancelled(_) | JoinError::Interrupted | JoinError::Deadlock) => None,
            }
        };
        Ended { outcome, unclaimed, stray: None, settlement: Some(Settlement::new(self)) }
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

    fn is_settled(&self) -> bool {
        // ORDERING: as in `mark_settled`.
        self.settled.load(Ordering::Relaxed)
    }

    fn cancel(self: Arc<Self>) -> CancelOutcome {
        match self.claim() {
            Claim::Removed(removed) => {
                drop(removed);
                CancelOutcome::Removed
            }
            Claim::Started => {
                self.interrupt().interrupt();
                CancelOutcome::Interrupted
            }
            Claim::Over => CancelOutcome::AlreadyFinished,
        }
    }

    fn remove(self: Arc<Self>) -> Removal {
        match self.claim() {
            Claim::Removed(removed) => Removal::Removed(Box::new(removed)),
            Claim::Started => Removal::Started(self.interrupt()),
            Claim::Over => Removal::Over,
        }
    }

    fn interrupt(self: Arc<Self>) -> Interrupt {
        Interrupt::of(self)
    }

    fn is_held(&self) -> bool {
        let mut cell = self.cell.lock();
        cell.is_new = false;
        matches!(cell.stage, Stage::Pending) && cell.home.is_none()
    }

    fn revoke(self: Arc<Self>) {
        if let Some((told, body)) =
            self.cancel_pending(|cell| cell.home.is_none().then_some(cell.why))
        {
            drop(Removed::new(told, body, None));
        }
    }

    fn help(self: Arc<Self>, bound: Bound) -> Help {
        let home = {
            let cell = self.cell.lock();
            match &cell.stage {
                Stage::Pending => cell.home.clone(),
                Stage::Running | Stage::Ended(_) | Stage::Settled(_) | Stage::Taken(_) => {
                    return Help::NotNeeded;
                }
            }
        };
        let Some(home) = home else { return Help::Held };
        let mut claim = |first_unpromised| {
            let mut cell = self.cell.lock();
            let is_there = cell.home.as_ref().is_some_and(|now| Arc::ptr_eq(now, &home));
            if !(is_there && matches!(cell.stage, Stage::Pending)) {
                return Help::NotNeeded;
            }
            if cell.number < first_unpromised {
                return Help::Promised;
            }
            cell.stage = Stage::Running;
            Help::Ran
        };
        home.help(&(Arc::clone(&self) as Arc<dyn Pending>), bound, &mut claim)
    }

    fn is_run_here(self: Arc<Self>) -> bool {
        self.cell.lock().progress() == Some(Progress::Running)
            && interrupt::is_running(&(self as Arc<dyn Node>))
    }

    fn origin(&self) -> &Origin {
        &self.origin
    }

    fn await_start(&self) {
        // ORDERING: as in `tell_started`.
        self.is_start_awaited.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
