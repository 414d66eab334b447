//! Owns the ways of a job out of the queue: it is run, taken back, or was cancelled by its handle.

use super::Desk;
use crate::job::{Job, Slot};
use crate::queue::Outbox;

impl Desk {
    /// A pending job was cancelled or taken by a waiter; its place is free, though the job itself
    /// is still in the queue. Returns whether it is time to sweep the queue.
    pub(crate) fn drop_out(&mut self) -> Sweep {
        self.removed += 1;
        self.dead += 1;
        if self.dead >= 64 && self.dead >= self.pending() {
            self.dead = 0;
            Sweep::Due
        } else {
            Sweep::NotYet
        }
    }

    /// Takes out the oldest pending job but for those that starting workers are to run.
    pub(crate) fn take_oldest(&mut self, outbox: &mut Outbox, dead: &mut Vec<Job>) -> Option<Job> {
        if self.pending() <= self.starting {
            return None;
        }
        let mut ahead = self.starting;
        let older = outbox.jobs.remove_live(&mut ahead, dead);
        let oldest = older.or_else(|| self.inbox.remove_live(&mut ahead, dead))?;
        if let Some(task) = oldest.pending() {
            task.hand_back();
        }
        self.removed += 1;
        Some(oldest)
    }

    /// Takes the oldest pending job for running, into the empty slot; returns whether there is one.
    pub(crate) fn next_job(
        &mut self,
        outbox: &mut Outbox,
        slot: &mut Slot,
        dead: &mut Vec<Job>,
    ) -> bool {
        if self.shelf.pop_live(outbox, slot, dead) {
            return true;
        }
        self.exchange(outbox);
        self.shelf.pop_live(outbox, slot, dead)
    }

    /// Exchanges the buffers, the outbox being dry.
    fn exchange(&mut self, outbox: &mut Outbox) {
        std::mem::swap(&mut outbox.jobs, &mut self.inbox);
        // In the other store no stamp lies before the next job.
        self.stamps.pause();
    }

    /// Takes all pending jobs out, oldest first.
    pub(crate) fn take_all(&mut self, outbox: &mut Outbox, dead: &mut Vec<Job>) -> Vec<Job> {
        let mut all = Vec::with_capacity(self.pending());
        while let Some(job) = outbox.take_back(dead) {
            all.push(job);
        }
        self.exchange(outbox);
        while let Some(job) = outbox.take_back(dead) {
            all.push(job);
        }
        let count = all.len() as u64;
        self.removed += count;
        self.tally.handed_back += count;
        all
    }
}

/// Whether the queue has to be swept of jobs that need not be run any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Sweep {
    Due,
    NotYet,
}
