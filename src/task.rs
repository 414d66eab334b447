//! Owns the one cell that a job and its handle share: the closure, the stage, the result.
//!
//! INVARIANT: every change of a stage is made under the cell's lock, by exactly one of those who
//! want it: the worker that starts the job, its handle that cancels it, a waiter that runs it, or
//! the drop of a job that nobody started. The settled stages are final.
//!
//! A queued job is taken for running, or cancelled, while the lock of the pool that counts it is
//! held; the cell's lock is the innermost.

use crate::error::{JoinError, Payload};
use crate::interrupt::{self, Core, Interrupt, Node};
use crate::job::{
    Around, Ended, Home, Layers, News, Origin, Outcome, Pending, PoolId, Settlement, Within, catch,
    drop_caught, run_within,
};
use crate::sync::{Arc, AtomicBool, Mutex, Ordering};
use crate::watch::Watch;

pub(crate) use self::cell::Cell;
use self::cell::{Stage, Told, report};
pub use self::state::{CancelOutcome, JobState};

mod cell; // the stage and the result
mod state; // what users see of it

/// What came of the attempt to help with a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Help {
    /// It was run here.
    Ran,
    /// It is pending in a pool of which this thread is no worker.
    NotHere,
    /// It is pending, and whoever took it back has it.
    Held,
    /// It is not pending, or was taken at this moment.
    NotNeeded,
}

/// The cell, as the handle sees it.
pub(crate) trait Settles<T>: Send + Sync {
    fn cell(&self) -> &Mutex<Cell<T>>;
    /// Returns whether the cell has settled, without its lock: for who looks again and again.
    fn is_settled(&self) -> bool;
    fn cancel(self: Arc<Self>) -> CancelOutcome;
    /// Returns whether the job is pending and no pool has it.
    fn is_held(&self) -> bool;
    /// Cancels the job if it is pending and no pool has it.
    fn revoke(self: Arc<Self>);
    /// Runs the job here, if it is pending and this thread is a worker of its pool.
    fn help(self: Arc<Self>) -> Help;
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
            is_back: false,
            is_put_back: false,
            waiter: None,
            done: None,
            watch,
            has_handle: true,
        };
        Self {
            interrupt: Core::default(),
            body: Mutex::new(Some(Load { f, layers: None })),
            cell: Mutex::new(cell),
            settled: AtomicBool::new(false),
            origin,
        }
    }

    fn mark_settled(&self) {
        // ORDERING: only a hint to look at the cell, whose lock orders the rest.
        self.settled.store(true, Ordering::Relaxed);
    }

    /// Settles a pending job as cancelled, if `is_due` agrees under the lock.
    fn cancel_pending(
        &self,
        is_due: impl FnOnce(&Cell<T>) -> bool,
    ) -> Option<(Told<T>, Option<Load<F>>)> {
        let mut cell = self.cell.lock();
        if !(matches!(cell.stage, Stage::Pending) && is_due(&cell)) {
            return None;
        }
        cell.stage = Stage::Settled(Err(JoinError::Cancelled));
        self.mark_settled();
        Some((Told::of(&mut cell), self.body.lock().take()))
    }

    /// Tells the handle, then drops the captures; a panic of theirs is reported.
    fn finish_cancel(told: Told<T>, body: Option<Load<F>>) {
        let home = told.unclaimed.home.clone();
        let _watch = told.tell();
        if let Err(payload) = drop_caught(body) {
            report(payload, home.as_ref());
        }
    }

    /// Runs it with something around, as the job that this thread has entered.
    #[cold]
    fn execute_within(self: Arc<Self>, around: Around, f: F) -> Ended {
        let Within { result, other } = run_within(around, f);
        let mut ended = match result {
            Ok(value) => self.end(Outcome::Completed, Ok(value)),
            Err(payload) => self.end(Outcome::Panicked, Err(JoinError::Panicked(payload))),
        };
        ended.note_other(other);
        ended
    }

    fn end(self: Arc<Self>, outcome: Outcome, result: Result<T, JoinError>) -> Ended {
        let mut cell = self.cell.lock();
        let unclaimed = if cell.has_handle {
            cell.stage = Stage::Ended(result);
            drop(cell);
            None
        } else {
            // Nobody will ask for it: dropped while this thread still counts as busy.
            cell.stage = Stage::Ended(Err(JoinError::Cancelled));
            drop(cell);
            match result {
                Ok(value) => drop_caught(value).err(),
                Err(JoinError::Panicked(payload)) => Some(payload),
                Err(JoinError::Cancelled | JoinError::Interrupted) => None,
            }
        };
        Ended { outcome, unclaimed, stray: None, settlement: Some(Settlement::new(self)) }
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
            cell.is_back = false;
        }
        is_pending
    }

    fn start(&self) -> bool {
        let mut cell = self.cell.lock();
        let is_pending = matches!(cell.stage, Stage::Pending);
        if is_pending {
            cell.stage = Stage::Running;
            cell.is_back = false;
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

    fn origin(&self) -> &Origin {
        &self.origin
    }

    fn wrap(&self, around: Around, by: Option<PoolId>) -> Option<Around> {
        match &mut *self.body.lock() {
            Some(load) => {
                let layers = Layers::add(load.layers.take(), around, by);
                load.layers = Some(Box::new(layers));
                None
            }
            None => Some(around),
        }
    }

    fn is_wrapped_by(&self, pool: PoolId) -> bool {
        let body = self.body.lock();
        let layers = body.as_ref().and_then(|load| load.layers.as_ref());
        layers.is_some_and(|layers| layers.are_by(pool))
    }

    fn is_pending(&self) -> bool {
        matches!(self.cell.lock().stage, Stage::Pending)
    }

    fn execute(self: Arc<Self>) -> Ended {
        let Load { f, layers } = self.body.lock().take().expect("a job is started once");
        let entered = interrupt::enter_job(Interrupt::of(Arc::clone(&self) as Arc<dyn Node>));
        if let Some(layers) = layers {
            return self.execute_within(layers.around, f);
        }
        let result = catch(f);
        drop(entered);
        match result {
            Ok(value) => self.end(Outcome::Completed, Ok(value)),
            Err(payload) => self.end(Outcome::Panicked, Err(JoinError::Panicked(payload))),
        }
    }

    fn fail(self: Arc<Self>, payload: Payload) -> Ended {
        let body = self.body.lock().take();
        let stray = drop_caught(body).err();
        let ended = self.end(Outcome::Panicked, Err(JoinError::Panicked(payload)));
        Ended { stray, ..ended }
    }

    fn abandon(&self) {
        if let Some((told, body)) = self.cancel_pending(|_| true) {
            // Told also if the drop of the captures panics.
            let _watch = told.tell();
            drop(body);
        }
    }

    fn handed_back(&self) {
        let mut cell = self.cell.lock();
        if !matches!(cell.stage, Stage::Pending) {
            return;
        }
        let is_held = cell.home.is_none();
        cell.is_back = is_held;
        cell.is_put_back = !is_held;
        let watcher = cell.watch.as_ref().map(Watch::watcher);
        let waiter = cell.waiter.clone();
        drop(cell);
        if let Some(waiter) = waiter {
            waiter.unpark();
        }
        match watcher {
            Some((watcher, key)) if is_held => watcher.handed_back(key),
            Some((watcher, key)) => watcher.put_back(key),
            None => {}
        }
    }

    fn settle(&self) -> News {
        let news = {
            let mut cell = self.cell.lock();
            cell.settle();
            cell.news()
        };
        self.mark_settled();
        news
    }

    fn tell(&self) {
        let told = {
            let mut cell = self.cell.lock();
            cell.settle();
            Told::of(&mut cell)
        };
        self.mark_settled();
        drop(told.tell());
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
                Self::finish_cancel(told, body);
                if let Some(home) = &home {
                    home.cancel_ended();
                }
                return CancelOutcome::Removed;
            }
        }
        self.interrupt().interrupt();
        CancelOutcome::Interrupted
    }

    fn interrupt(self: Arc<Self>) -> Interrupt {
        Interrupt::of(self)
    }

    fn is_held(&self) -> bool {
        let cell = self.cell.lock();
        matches!(cell.stage, Stage::Pending) && cell.home.is_none()
    }

    fn revoke(self: Arc<Self>) {
        if let Some((told, body)) = self.cancel_pending(|cell| cell.home.is_none()) {
            Self::finish_cancel(told, body);
        }
    }

    fn help(self: Arc<Self>) -> Help {
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
        let mut has_run = false;
        let mut claim = || {
            let mut cell = self.cell.lock();
            let is_there = cell.home.as_ref().is_some_and(|now| Arc::ptr_eq(now, &home));
            let is_pending = is_there && matches!(cell.stage, Stage::Pending);
            if is_pending {
                cell.stage = Stage::Running;
            }
            has_run = is_pending;
            is_pending
        };
        let is_here = home.help(&(Arc::clone(&self) as Arc<dyn Pending>), &mut claim);
        match (has_run, is_here) {
            (true, _) => Help::Ran,
            (false, true) => Help::NotNeeded,
            (false, false) => Help::NotHere,
        }
    }
}

#[cfg(test)]
mod tests;
