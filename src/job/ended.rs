//! Owns what is known of a job that has run, and the duty to tell its handle.

use std::cell::Cell;
use std::fmt;

use super::Pending;
use crate::error::Payload;
use crate::sync::Arc;

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It returned.
    Completed,
    /// It panicked.
    Panicked,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Completed => "completed",
            Self::Panicked => "panicked",
        })
    }
}

/// A job that has run: how it ended, and what is still owed to others.
#[must_use]
pub(crate) struct Ended {
    pub(crate) outcome: Outcome,
    /// A panic that nobody else will hear of.
    pub(crate) unclaimed: Option<Payload>,
    /// A panic of the destructor of captures that were not run, or a second one.
    pub(crate) stray: Option<Payload>,
    pub(crate) settlement: Option<Settlement>,
}

impl Ended {
    /// A job without a handle that returned.
    pub(super) const PLAINLY: Self =
        Self { outcome: Outcome::Completed, unclaimed: None, stray: None, settlement: None };

    /// A job without a handle whose panic nobody else will hear of.
    pub(super) fn panicked(payload: Payload) -> Self {
        Self { outcome: Outcome::Panicked, unclaimed: Some(payload), ..Self::PLAINLY }
    }

    /// How a job ended that left this, or nothing.
    pub(crate) fn outcome(left: Option<&Self>) -> Outcome {
        left.map_or(Outcome::Completed, |ended| ended.outcome)
    }

    /// Returns whether there is a panic that nobody else will hear of.
    pub(crate) fn has_unheard_panic(&self) -> bool {
        self.unclaimed.is_some() || self.stray.is_some()
    }

    /// Notes one more panic that nobody else will hear of.
    pub(crate) fn note_other(&mut self, panic: Option<Payload>) {
        if panic.is_none() {
            return;
        }
        if self.unclaimed.is_none() {
            self.unclaimed = panic;
        } else {
            self.stray = panic;
        }
    }
}

/// Whether anybody waits to be told of a job's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    Awaited,
    /// Its handle will look by itself.
    Known,
}

/// The duty to tell a job's handle; done when this is dropped.
pub(crate) struct Settlement {
    task: Arc<dyn Pending>,
    news: Cell<News>,
}

impl Settlement {
    pub(crate) fn new(task: Arc<dyn Pending>) -> Self {
        Self { task, news: Cell::new(News::Awaited) }
    }

    /// Publishes how the job ended. To be called under the lock under which the job's thread comes
    /// free, so that who sees the one sees the other; the drop wakes who waits, without the lock.
    pub(crate) fn publish(&self) {
        self.news.set(self.task.settle());
    }
}

impl Drop for Settlement {
    fn drop(&mut self) {
        match self.news.get() {
            News::Awaited => self.task.tell(),
            News::Known => {}
        }
    }
}
