//! Owns what a scope says of jobs that never ran, and of those that it gives back.

use std::fmt;
use std::marker::PhantomData;

use crate::rejection::{RejectReason, Rejected};

/// Jobs of a scope that never ran, though nobody cancelled them.
///
/// A rejection policy discarded them, or they were handed back, by `shutdown_now` or
/// `take_pending`, and whoever got them had not run them when the scope came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeError {
    unrun: usize,
}

/// A job of a scope that was not accepted, and why.
#[must_use = "the job has not been run"]
pub struct ScopedRejected<'scope> {
    rejected: Rejected,
    scope: PhantomData<&'scope mut &'scope ()>,
}

impl ScopeError {
    pub(super) fn new(unrun: usize) -> Self {
        Self { unrun }
    }

    /// Returns how many jobs never ran.
    pub fn unrun(&self) -> usize {
        self.unrun
    }
}

impl fmt::Display for ScopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} jobs of the scope were discarded or handed back, and never ran: \
             look for a shutdown, or a policy that discards",
            self.unrun
        )
    }
}

impl std::error::Error for ScopeError {}

impl ScopedRejected<'_> {
    pub(super) fn new(rejected: Rejected) -> Self {
        Self { rejected, scope: PhantomData }
    }

    /// Returns why the job was not accepted.
    pub fn reason(&self) -> RejectReason {
        self.rejected.reason()
    }

    /// Returns whether the pool was full; trying again later can succeed.
    pub fn is_saturated(&self) -> bool {
        self.rejected.is_saturated()
    }

    /// Returns whether the pool was shut down.
    pub fn is_shutdown(&self) -> bool {
        self.rejected.is_shutdown()
    }

    /// Runs the job on this thread, under no pool. Does nothing if the scope has cancelled it, because
    /// its closure panicked.
    ///
    /// # Panics
    ///
    /// If the job does.
    pub fn run(self) {
        self.rejected.into_job().run();
    }
}

impl fmt::Debug for ScopedRejected<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedRejected").field("reason", &self.reason()).finish_non_exhaustive()
    }
}

impl fmt::Display for ScopedRejected<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rejected.fmt(f)
    }
}

impl std::error::Error for ScopedRejected<'_> {}
