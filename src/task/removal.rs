//! Cancelling: a pending job is removed, a running one is interrupted.
//!
//! INVARIANT: what is removed has settled and its handle has been told before its captures are
//! dropped, which is code of the user's. Of jobs that are cancelled together, all that are pending
//! are removed and all that run are interrupted before any of that code runs.

use super::cell::{HANDLE_IS_GONE, Stage, Told, report};
use super::{Load, Settles, Task};
use crate::error::CancelReason;
use crate::interrupt::{self, Calls, Interrupt};
use crate::job::{Home, drop_caught};
use crate::sync::Arc;
use crate::watch::Watch;

/// What has become of the attempt to remove a job, whatever its type.
#[must_use]
pub(crate) enum Removal {
    /// It was pending. To be dropped where the user's code may run.
    Removed(Box<dyn Send>),
    /// It is running, and would be interrupted by this.
    Started(Interrupt),
    /// It has ended.
    Over,
}

/// The same, of a job whose type is known.
pub(super) enum Claim<F> {
    Removed(Removed<F>),
    Started,
    Over,
}

/// A job that was removed. Dropping it drops the captures, whose panic is reported, and then tells
/// whoever watches and the pool.
#[must_use]
pub(super) struct Removed<F> {
    body: Option<Load<F>>,
    watch: Option<Watch>,
    /// To which a panic is reported.
    home: Option<Arc<dyn Home>>,
    /// The pool that has counted the job as cancelled.
    counted_by: Option<Arc<dyn Home>>,
}

impl<F> Removed<F> {
    /// Tells the handle.
    pub(super) fn new<T>(
        told: Told<T>,
        body: Option<Load<F>>,
        counted_by: Option<Arc<dyn Home>>,
    ) -> Self {
        let home = told.unclaimed.home.clone();
        Self { body, watch: told.tell(), home, counted_by }
    }
}

impl<F> Drop for Removed<F> {
    fn drop(&mut self) {
        if let Err(payload) = drop_caught(self.body.take()) {
            report(HANDLE_IS_GONE, payload, self.home.as_ref());
        }
        drop(self.watch.take());
        if let Some(home) = &self.counted_by {
            home.cancel_ended();
        }
    }
}

impl<F, T> Task<F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    /// Removes the job if it is pending.
    pub(super) fn claim(&self) -> Claim<F> {
        loop {
            let home = {
                let cell = self.cell.lock();
                match &cell.stage {
                    Stage::Pending => cell.home.clone(),
                    Stage::Running | Stage::Ended(_) => return Claim::Started,
                    Stage::Settled(_) | Stage::Taken(_) => return Claim::Over,
                }
            };
            let mut cancelled = None;
            // Under the lock of the pool that counts the job as pending. If the job has moved on
            // meanwhile, look again.
            let mut claim = || {
                cancelled = self.cancel_pending(|cell| {
                    let is_there = match (&cell.home, &home) {
                        (Some(now), Some(then)) => Arc::ptr_eq(now, then),
                        (None, None) => true,
                        (Some(_), None) | (None, Some(_)) => false,
                    };
                    is_there.then_some(CancelReason::ByHandle)
                });
                cancelled.is_some()
            };
            let is_cancelled = match &home {
                Some(home) => home.cancel(&mut claim),
                None => claim(),
            };
            if let Some((told, body)) = cancelled.filter(|_| is_cancelled) {
                return Claim::Removed(Removed::new(told, body, home));
            }
        }
    }
}

/// Jobs that have been cancelled together: what is left is the user's.
#[must_use]
pub(crate) struct Cancelled {
    removed: Vec<Box<dyn Send>>,
    calls: Calls,
}

/// Removes those of the jobs that are pending, then interrupts those that run, and sets `also`. The
/// youngest are to come first, so that no worker comes free for one that is about to be removed.
pub(crate) fn cancel_all<T>(
    youngest_first: impl Iterator<Item = Arc<dyn Settles<T>>>,
    also: Option<&Interrupt>,
) -> Cancelled {
    let mut removed = Vec::new();
    let mut running = Vec::from_iter(also.cloned());
    for task in youngest_first {
        match task.remove() {
            Removal::Removed(one) => removed.push(one),
            Removal::Started(interrupt) => running.push(interrupt),
            Removal::Over => {}
        }
    }
    Cancelled { removed, calls: interrupt::set_all(running) }
}

impl Cancelled {
    /// Drops the captures of what was removed, then makes the calls.
    pub(crate) fn finish(self) {
        drop(self.removed);
        self.calls.make();
    }
}
