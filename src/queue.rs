//! Owns the pending jobs: the first-in-first-out store, and the end that workers take from.
//!
//! Jobs pass through two such stores, so that submitters and workers meet once per batch and not
//! once per job: the inbox, under the desk's lock, and the outbox, under its own. Whoever takes
//! both locks takes the outbox's first.

use std::collections::VecDeque;
use std::time::Instant;

use crate::job::Job;
use crate::sync::{Arc, AtomicU64, Ordering};

/// Jobs of one block. Blocks are small enough that a growing store never moves its jobs and gives
/// memory back as it drains, and large enough that making one is nothing per job.
const BLOCK: usize = 256;

/// A job that waits, and since when.
struct Entry {
    job: Job,
    since: Instant,
}

/// Jobs in the order of their submission.
#[derive(Default)]
pub(crate) struct Fifo {
    blocks: VecDeque<VecDeque<Entry>>,
    /// An empty block kept for the next push.
    spare: Option<VecDeque<Entry>>,
}

impl Fifo {
    pub(crate) fn push(&mut self, job: Job, since: Instant) {
        let entry = Entry { job, since };
        match self.blocks.back_mut() {
            Some(block) if block.len() < BLOCK => block.push_back(entry),
            _ => {
                let mut block = self.spare.take().unwrap_or_else(|| VecDeque::with_capacity(BLOCK));
                block.push_back(entry);
                self.blocks.push_back(block);
            }
        }
    }

    fn pop(&mut self) -> Option<Job> {
        let block = self.blocks.front_mut()?;
        let entry = block.pop_front()?;
        if block.is_empty() {
            self.spare = self.blocks.pop_front();
            if self.blocks.is_empty() {
                // A burst is over: its list of blocks goes too, if it was a long one.
                self.blocks.shrink_to(16);
            }
        }
        Some(entry.job)
    }

    /// Takes out the oldest job that is still to be run but for the first `ahead`, and counts those
    /// down.
    pub(crate) fn remove_live(&mut self, ahead: &mut usize) -> Option<Job> {
        for at in 0..self.blocks.len() {
            let place = self.blocks[at].iter().position(|entry| {
                let is_live = entry.job.is_live();
                let is_found = is_live && *ahead == 0;
                *ahead -= usize::from(is_live && !is_found);
                is_found
            });
            if let Some(entry) = place.and_then(|place| self.blocks[at].remove(place)) {
                if self.blocks[at].is_empty() {
                    self.blocks.remove(at);
                }
                return Some(entry.job);
            }
        }
        None
    }

    /// Since when the oldest job that is still to be run has been waiting.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        self.blocks.iter().flatten().find(|entry| entry.job.is_live()).map(|entry| entry.since)
    }

    /// Takes out the jobs that nobody will run any more: they were cancelled, or run by a waiter.
    pub(crate) fn sweep(&mut self, dead: &mut Vec<Job>) {
        for Entry { job, since } in std::mem::take(&mut self.blocks).into_iter().flatten() {
            if job.is_live() {
                self.push(job, since);
            } else {
                dead.push(job);
            }
        }
    }
}

/// The number of jobs that were taken from the outbox: written under its lock, read under the
/// desk's.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct Popped(AtomicU64);

impl Popped {
    pub(crate) fn get(&self) -> u64 {
        // ORDERING: pairs with the store in `Outbox::pop`. A stale number only makes the queue
        // look fuller than it is; who holds the outbox's lock reads the exact one.
        self.0.load(Ordering::Acquire)
    }
}

/// Where workers take jobs from.
pub(crate) struct Outbox {
    pub(crate) jobs: Fifo,
    popped: Arc<Popped>,
    /// Somebody waits for room, at the desk.
    pub(crate) room_wanted: bool,
    /// There may be too many workers: look at the desk before taking a job.
    pub(crate) look: bool,
}

impl Outbox {
    pub(crate) fn new(popped: Arc<Popped>) -> Self {
        Self { jobs: Fifo::default(), popped, room_wanted: false, look: false }
    }

    /// Takes the oldest pending job for running. Jobs that need not be run any more are moved to
    /// `dead`, to be dropped without the lock.
    pub(crate) fn pop(&mut self, dead: &mut Vec<Job>) -> Option<Job> {
        loop {
            let job = self.jobs.pop()?;
            if job.start() {
                // ORDERING: one writer at a time, which the lock sees to; pairs with `get`.
                let popped = self.popped.0.load(Ordering::Relaxed) + 1;
                self.popped.0.store(popped, Ordering::Release);
                return Some(job);
            }
            dead.push(job);
        }
    }

    /// Takes the oldest pending job without running it.
    pub(crate) fn take_back(&mut self, dead: &mut Vec<Job>) -> Option<Job> {
        loop {
            let job = self.jobs.pop()?;
            if job.pending().is_none_or(|task| task.hand_back()) {
                return Some(job);
            }
            dead.push(job);
        }
    }
}

#[cfg(test)]
mod tests;
