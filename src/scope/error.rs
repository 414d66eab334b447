//! The error of a scope: jobs that never ran.

use std::fmt;

/// Jobs of a scope that never ran, though nobody cancelled them.
///
/// A rejection policy discarded them, or they were handed back, by `shutdown_now` or
/// `take_pending`, and whoever got them had not run them when the scope came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeError {
    unrun: usize,
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
