//! Owns the account of what a program has promised: what was accepted, and what of it is not done.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The account, shared by its clones.
#[derive(Debug)]
pub struct Ledger<T>(Arc<Mutex<Entries<T>>>);

/// INVARIANT: what was accepted and is not done is among the `open`.
#[derive(Debug)]
struct Entries<T> {
    accepted: usize,
    open: BTreeSet<T>,
}

/// What a ledger says at one moment.
#[derive(Clone, Debug)]
pub struct Balance<T> {
    /// How many were accepted.
    pub accepted: usize,
    /// Those of them that are not done.
    pub open: Vec<T>,
}

impl<T> Default for Ledger<T> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Entries { accepted: 0, open: BTreeSet::new() })))
    }
}

impl<T> Clone for Ledger<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Ord + Copy> Ledger<T> {
    fn entries(&self) -> MutexGuard<'_, Entries<T>> {
        // Each change is a single step, so a panic leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the item is owed from now on.
    pub fn accept(&self, item: T) {
        let mut entries = self.entries();
        entries.accepted += 1;
        entries.open.insert(item);
    }

    /// Notes that the item was not accepted after all.
    pub fn withdraw(&self, item: T) {
        let mut entries = self.entries();
        entries.accepted -= 1;
        entries.open.remove(&item);
    }

    /// Notes that the item is done.
    pub fn done(&self, item: T) {
        self.entries().open.remove(&item);
    }

    /// Returns what is done and what is not.
    pub fn balance(&self) -> Balance<T> {
        let entries = self.entries();
        Balance { accepted: entries.accepted, open: entries.open.iter().copied().collect() }
    }
}

/// `accepted=10, done=9, lost=1`
impl<T> fmt::Display for Balance<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (accepted, lost) = (self.accepted, self.open.len());
        write!(f, "accepted={accepted}, done={}, lost={lost}", accepted - lost)
    }
}
