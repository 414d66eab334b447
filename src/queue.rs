//! Owns the pending jobs: the first-in-first-out store, and the end that workers take from.
//!
//! Jobs pass through two such stores, so that submitters and workers meet once per batch and not
//! once per job: the inbox, under the desk's lock, and the outbox, under its own. Whoever takes
//! both locks takes the outbox's first.

use std::collections::VecDeque;

use crate::job::{Job, Pending};
use crate::stamp::Stamp;
use crate::sync::{Arc, AtomicU64, Mutex, MutexGuard, Ordering, lock_patiently};

/// Jobs of one block. Blocks are small enough that a growing store never moves many jobs and gives
/// memory back as it drains, and large enough that making one is nothing per job.
const BLOCK: usize = 256;

/// A job on a cache line of its own, the only one that passes from the submitter's processor to the
/// worker's.
#[repr(align(64))]
struct Entry(Job);

type Block = VecDeque<Entry>;

/// Jobs in the order of their submission: those of `front`, of `full` and of `back`.
#[derive(Default)]
#[repr(C)]
pub(crate) struct Fifo {
    /// Where jobs are taken from.
    front: Block,
    /// Where jobs are put.
    back: Block,
    /// What came between: no block of these is empty.
    full: VecDeque<Block>,
}

impl Fifo {
    #[expect(clippy::inline_always, reason = "measured: a job is moved once, into its place")]
    #[inline(always)]
    pub(crate) fn push(&mut self, job: Job, since: Stamp) {
        if self.back.len() == BLOCK {
            self.begin_block();
        }
        self.back.push_back(Entry(job));
        // In its place, and not before: a piece written just now would hold up the copy of the whole.
        if let Some(Entry(job)) = self.back.back_mut() {
            job.since = since;
        }
    }

    #[cold]
    fn begin_block(&mut self) {
        let full = std::mem::replace(&mut self.back, Block::with_capacity(BLOCK));
        self.full.push_back(full);
    }

    #[expect(clippy::inline_always, reason = "measured: a job is moved once, out of its place")]
    #[inline(always)]
    fn pop(&mut self) -> Option<Job> {
        if self.front.is_empty() {
            self.next_block();
        }
        self.front.pop_front().map(|Entry(job)| job)
    }

    /// Brings up the block after an empty `front`.
    #[cold]
    fn next_block(&mut self) {
        match self.full.pop_front() {
            Some(block) => self.front = block,
            None => std::mem::swap(&mut self.front, &mut self.back),
        }
        if self.front.is_empty() && self.full.capacity() > 0 {
            // A burst is over. Its last block goes too: it lies where the heap has grown to, and
            // would keep the allocator from giving back what is below.
            *self = Self::default();
        }
    }

    fn blocks(&self) -> impl Iterator<Item = &Block> {
        [&self.front].into_iter().chain(&self.full).chain([&self.back])
    }

    /// Takes out the oldest job that is still to be run but for the first `ahead`, and counts those
    /// down. Older jobs that need not be run any more go to `dead`, so that nobody passes them again.
    pub(crate) fn remove_live(&mut self, ahead: &mut usize, dead: &mut Vec<Job>) -> Option<Job> {
        let mut passed = Vec::new();
        let found = loop {
            match self.pop() {
                Some(job) if !job.is_live() => dead.push(job),
                Some(job) if *ahead > 0 => {
                    *ahead -= 1;
                    passed.push(job);
                }
                found => break found,
            }
        };
        while let Some(job) = passed.pop() {
            self.push_front(job);
        }
        found
    }

    fn push_front(&mut self, job: Job) {
        if self.front.len() == BLOCK {
            let full = std::mem::replace(&mut self.front, Block::with_capacity(BLOCK));
            self.full.push_front(full);
        }
        self.front.push_front(Entry(job));
    }

    /// The jobs for which somebody waits.
    pub(crate) fn awaited(&self) -> impl Iterator<Item = Arc<dyn Pending>> {
        let tasks = self.blocks().flatten().filter_map(|entry| entry.0.pending());
        tasks.filter(|task| task.is_awaited()).map(Arc::clone)
    }

    /// Returns since when the oldest job that is still to be run has been waiting. Older jobs that need
    /// not be run any more go to `dead`.
    pub(crate) fn oldest(&mut self, dead: &mut Vec<Job>) -> Option<Stamp> {
        let job = self.remove_live(&mut 0, dead)?;
        let since = job.since;
        self.push_front(job);
        Some(since)
    }

    /// Takes out the jobs that nobody will run any more: they were cancelled, or run by a waiter.
    pub(crate) fn sweep(&mut self, dead: &mut Vec<Job>) {
        let Self { front, full, back } = std::mem::take(self);
        for Entry(job) in [front].into_iter().chain(full).chain([back]).flatten() {
            if job.is_live() {
                let since = job.since;
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

    /// Takes the oldest pending job out, for running.
    #[expect(clippy::inline_always, reason = "measured: a job is moved once, out of its place")]
    #[inline(always)]
    pub(crate) fn pop(&self, outbox: &mut Outbox) -> Option<Popped> {
        let job = outbox.jobs.pop()?;
        if job.start() {
            self.popped.note();
            Some(Popped::Started(job))
        } else {
            Some(Popped::Dead(job))
        }
    }

    /// The same, passing over jobs that need not be run any more.
    pub(crate) fn pop_live(&self, outbox: &mut Outbox, dead: &mut Vec<Job>) -> Option<Job> {
        loop {
            match self.pop(outbox)? {
                Popped::Started(job) => return Some(job),
                Popped::Dead(job) => dead.push(job),
            }
        }
    }
}

/// What came out of the outbox.
pub(crate) enum Popped {
    /// To be run now.
    Started(Job),
    /// It was cancelled, or run by a waiter; to be dropped without the lock.
    Dead(Job),
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
