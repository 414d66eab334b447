//! Owns how one waiter hears of the ends of many jobs.
//!
//! INVARIANT: each job that is watched is told of as ended exactly once, after what it captured is
//! gone and with no lock held.

use crate::sync::Arc;

/// Hears of jobs, each known by a key.
pub(crate) trait Watcher: Send + Sync {
    /// The job has settled, and what it captured is gone.
    fn ended(&self, key: u64);
    /// Its pool gave the job back: nobody may be about to run it.
    fn handed_back(&self, key: u64);
    /// It was given back for a moment, and is queued again.
    fn put_back(&self, key: u64);
}

/// The duty to tell a watcher of a job's end; done when this is dropped.
pub(crate) struct Watch {
    watcher: Arc<dyn Watcher>,
    key: u64,
}

impl Watch {
    pub(crate) fn new(watcher: Arc<dyn Watcher>, key: u64) -> Self {
        Self { watcher, key }
    }

    /// Whom to tell of a hand-back, which is not the end.
    pub(crate) fn watcher(&self) -> (Arc<dyn Watcher>, u64) {
        (Arc::clone(&self.watcher), self.key)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.watcher.ended(self.key);
    }
}
