//! Owns the store of jobs, first in, first out, and its memory.

use std::collections::VecDeque;
use std::mem;

use crate::job::{Block, Job, Pending, Record, Slot};
use crate::stamp::Stamp;
use crate::sync::Arc;

/// Lines of the first block: a store of few jobs takes a kibibyte.
const SMALL: usize = 16;

/// Lines of the others. They are small enough that a store gives memory back as it drains, and large
/// enough that to make one is nothing per job.
const LARGE: usize = 256;

/// Jobs in the order of their submission: those of `front`, of `full` and of `back`.
#[repr(C)]
pub(crate) struct Fifo {
    /// Where jobs are put.
    back: Block,
    /// Where jobs are taken from.
    front: Block,
    /// Since when the first job has been waiting, unless a stamp lies before it.
    since: Stamp,
    /// The blocks between. None of them is empty.
    full: VecDeque<Block>,
    /// Empty blocks for the next burst: memory that a system gives anew costs as much as the job in it.
    spare: Vec<Block>,
    /// So many of the spare blocks were not used since the last [`trim`](Self::trim).
    unused: usize,
}

impl Default for Fifo {
    fn default() -> Self {
        Self {
            back: Block::none(),
            front: Block::none(),
            since: Stamp::UNSET,
            full: VecDeque::new(),
            spare: Vec::new(),
            unused: 0,
        }
    }
}

impl Fifo {
    /// Moves the job from the slot to the end.
    #[expect(clippy::inline_always, reason = "measured: it is the whole of most submissions")]
    #[inline(always)]
    pub(crate) fn push(&mut self, slot: &mut Slot) {
        if self.back.is_full() {
            self.begin_block();
        }
        self.back.push(slot);
    }

    /// The jobs that are pushed from now on have been waiting since then.
    #[cold]
    pub(crate) fn push_since(&mut self, since: Stamp) {
        if self.back.is_full() {
            self.begin_block();
        }
        self.back.push_since(since);
    }

    #[cold]
    fn begin_block(&mut self) {
        let lines = if self.back.lines() == 0 { SMALL } else { LARGE };
        let new = self.new_block(lines);
        let full = mem::replace(&mut self.back, new);
        if !full.is_empty() {
            self.full.push_back(full);
        }
    }

    fn new_block(&mut self, lines: usize) -> Block {
        let spare = self.spare.pop();
        self.unused = self.unused.min(self.spare.len());
        spare.unwrap_or_else(|| Block::of(lines))
    }

    /// Moves the first job to the empty slot; returns whether there is one.
    #[expect(
        clippy::inline_always,
        reason = "measured: it is most of what a worker does for a job"
    )]
    #[inline(always)]
    pub(crate) fn pop(&mut self, slot: &mut Slot) -> bool {
        loop {
            match self.front.pop(slot) {
                Record::Job => return true,
                Record::Since(since) => self.since = since,
                Record::None => {
                    if !self.next_block() {
                        return false;
                    }
                }
            }
        }
    }

    /// Takes the first job out.
    pub(crate) fn pop_front(&mut self) -> Option<Job> {
        let mut slot = Slot::empty();
        self.pop(&mut slot).then(|| slot.take())
    }

    /// Brings up the block after an empty `front`; returns whether there is one.
    #[cold]
    fn next_block(&mut self) -> bool {
        let next = match self.full.pop_front() {
            Some(block) => block,
            None if self.back.is_empty() => return false,
            None => mem::replace(&mut self.back, Block::none()),
        };
        let mut done = mem::replace(&mut self.front, next);
        done.rewind();
        if self.back.lines() == 0 {
            self.back = done;
        } else if done.lines() == LARGE {
            self.spare.push(done);
        }
        true
    }

    fn blocks(&self) -> impl Iterator<Item = &Block> {
        [&self.front].into_iter().chain(&self.full).chain([&self.back])
    }

    pub(super) fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.blocks().flat_map(Block::jobs)
    }

    /// Takes out the oldest job that is still to be run but for the first `ahead`, and counts those
    /// down. Older jobs that need not be run any more go to `dead`, so that nobody passes them again.
    pub(crate) fn remove_live(&mut self, ahead: &mut usize, dead: &mut Vec<Job>) -> Option<Job> {
        let mut passed = Vec::new();
        let found = loop {
            match self.pop_front() {
                Some(job) if !job.is_live() => dead.push(job),
                Some(job) if *ahead > 0 => {
                    *ahead -= 1;
                    passed.push((self.since, job));
                }
                found => break found,
            }
        };
        while let Some((since, job)) = passed.pop() {
            self.push_front(since, job);
        }
        found
    }

    /// Puts a job before all others, which has been waiting since then.
    fn push_front(&mut self, since: Stamp, job: Job) {
        if since != self.since {
            let behind = mem::replace(&mut self.since, since);
            if !self.front.push_front_since(behind) {
                self.begin_front();
                let is_pushed = self.front.push_front_since(behind);
                assert!(is_pushed, "a new block has room");
            }
        }
        if let Err(job) = self.front.push_front(job) {
            self.begin_front();
            let is_pushed = self.front.push_front(job).is_ok();
            assert!(is_pushed, "a new block has room");
        }
    }

    fn begin_front(&mut self) {
        let new = self.new_block(LARGE);
        let full = mem::replace(&mut self.front, new);
        if !full.is_empty() {
            self.full.push_front(full);
        }
    }

    /// The jobs for which somebody waits.
    pub(crate) fn awaited(&self) -> impl Iterator<Item = Arc<dyn Pending>> {
        let tasks = self.jobs().filter_map(Job::pending);
        tasks.filter(|task| task.is_awaited()).map(Arc::clone)
    }

    /// Returns since when the oldest job that is still to be run has been waiting. Older jobs that need
    /// not be run any more go to `dead`.
    pub(crate) fn oldest(&mut self, dead: &mut Vec<Job>) -> Option<Stamp> {
        let job = self.remove_live(&mut 0, dead)?;
        let since = self.since;
        self.push_front(since, job);
        Some(since)
    }

    /// Takes out the jobs that nobody will run any more: they were cancelled, or run by a waiter.
    pub(crate) fn sweep(&mut self, dead: &mut Vec<Job>) {
        let mut old = mem::take(self);
        let mut slot = Slot::empty();
        while old.pop(&mut slot) {
            if slot.job().is_live() {
                self.note_since(old.since);
                self.push(&mut slot);
            } else {
                dead.push(slot.take());
            }
        }
        // Jobs that are pushed next may rely on a stamp behind the last one.
        self.note_since(old.since);
        (self.spare, self.unused) = (old.spare, old.unused);
    }

    /// Notes since when the next job has been waiting, for who keeps `since` as that of the last one.
    fn note_since(&mut self, since: Stamp) {
        if self.since != since {
            self.since = since;
            self.push_since(since);
        }
    }

    /// Returns whether there is memory that [`trim`](Self::trim) may give back some time.
    pub(crate) fn has_spare(&self) -> bool {
        !self.spare.is_empty()
    }

    /// From now on it counts which blocks are used.
    pub(crate) fn begin_trim(&mut self) {
        self.unused = self.spare.len();
    }

    /// Takes out the blocks that were not used since the last call, to be dropped without a lock.
    pub(crate) fn trim(&mut self) -> Vec<Block> {
        let mut unused = self.spare.split_off(self.spare.len() - self.unused);
        self.begin_trim();
        if self.spare.is_empty() {
            self.full.shrink_to_fit();
            self.spare.shrink_to_fit();
            let ends = [&mut self.front, &mut self.back].into_iter();
            let large = ends.filter(|end| end.is_empty() && end.lines() == LARGE);
            unused.extend(large.map(|end| mem::replace(end, Block::none())));
        }
        unused
    }
}

#[cfg(test)]
pub(super) mod tests;
