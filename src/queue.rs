//! Owns the pending jobs: the first-in-first-out store, and the end that workers take from.
//!
//! Jobs pass through two such stores, so that submitters and workers meet once per batch and not
//! once per job: the inbox, under the desk's lock, and the outbox, under its own. Whoever takes
//! both locks takes the outbox's first.

use crate::job::{Job, Slot};
use crate::sync::{AtomicU64, Mutex, MutexGuard, Ordering, lock_patiently};

pub(crate) use self::fifo::Fifo;

mod fifo; // the store

/// The number of jobs that were taken from the outbox: written under its lock, read under the
/// desk's.
#[derive(Default)]
pub(crate) struct PopCount(AtomicU64);

impl PopCount {
    pub(crate) fn get(&self) -> u64 {
        // ORDERING: pairs with the store in `note`. A stale number only makes the queue look fuller
        // than it is; who holds the outbox's lock reads the exact one.
        self.0.load(Ordering::Acquire)
    }

    /// To be called with the outbox's lock held.
    fn note(&self) {
        // ORDERING: one writer at a time, which the lock sees to; pairs with `get`.
        self.0.store(self.0.load(Ordering::Relaxed) + 1, Ordering::Release);
    }
}

/// The outbox, its lock, and what is published of it: all that a worker writes to when it takes a
/// job lies on one cache line, which workers pass around and submitters leave alone.
#[derive(Default)]
#[repr(C, align(128))]
pub(crate) struct Shelf {
    pub(crate) popped: PopCount,
    outbox: Mutex<Outbox>,
}

impl Shelf {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock()
    }

    #[inline]
    pub(crate) fn lock_patiently(&self) -> MutexGuard<'_, Outbox> {
        lock_patiently(&self.outbox)
    }

    /// Takes the oldest pending job out, into the empty slot, for running; none if there is none.
    #[expect(
        clippy::inline_always,
        reason = "measured: it is most of what a worker does for a job"
    )]
    #[inline(always)]
    pub(crate) fn pop(&self, outbox: &mut Outbox, slot: &mut Slot) -> Option<Popped> {
        if !outbox.jobs.pop(slot) {
            return None;
        }
        if !slot.job().start() {
            return Some(Popped::Dead);
        }
        self.popped.note();
        Some(Popped::Started)
    }

    /// The same, passing over jobs that need not be run any more; returns whether there is one.
    pub(crate) fn pop_live(
        &self,
        outbox: &mut Outbox,
        slot: &mut Slot,
        dead: &mut Vec<Job>,
    ) -> bool {
        loop {
            match self.pop(outbox, slot) {
                None => return false,
                Some(Popped::Started) => return true,
                Some(Popped::Dead) => dead.push(slot.take()),
            }
        }
    }
}

/// What came out of the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Popped {
    /// It is to be run now.
    Started,
    /// It was cancelled, or run by a waiter; to be dropped without the lock.
    Dead,
}

/// Where workers take jobs from.
#[derive(Default)]
#[repr(C)]
pub(crate) struct Outbox {
    /// Somebody waits for room, at the desk.
    pub(crate) room_wanted: bool,
    /// There may be too many workers: look at the desk before taking a job.
    pub(crate) look: bool,
    pub(crate) jobs: Fifo,
}

impl Outbox {
    /// Takes the oldest pending job without running it.
    pub(crate) fn take_back(&mut self, dead: &mut Vec<Job>) -> Option<Job> {
        loop {
            let job = self.jobs.pop_front()?;
            if job.pending().is_none_or(|task| task.hand_back()) {
                return Some(job);
            }
            dead.push(job);
        }
    }
}

#[cfg(test)]
mod tests;
