//! Owns the moment at which the memory of a burst goes back: the pool has had no use for it for a
//! while then. An idle worker sees to it, which wakes once for that.

use std::time::Duration;

use super::Desk;
use crate::job::Block;
use crate::queue::Outbox;
use crate::sync::Instant;

/// How long blocks are kept that are not used.
const KEPT: Duration = Duration::from_millis(500);

#[derive(Default)]
pub(super) struct Memory {
    /// When blocks go back that have not been used until then; none while none are kept.
    due: Option<Instant>,
    /// The idle worker that is to look then.
    looks: Option<usize>,
}

impl Memory {
    /// An idle worker was called, or leaves.
    pub(super) fn forget(&mut self, index: usize) {
        self.looks.take_if(|looks| *looks == index);
    }
}

impl Desk {
    /// Takes out the blocks that have not been used for a while, to be dropped without a lock, for an
    /// idle worker. Returns when that worker is to do so again, if no other is to.
    pub(crate) fn tend_memory(
        &mut self,
        index: usize,
        outbox: &mut Outbox,
        blocks: &mut Vec<Block>,
    ) -> Option<Instant> {
        self.memory.forget(index);
        if !(outbox.jobs.has_spare() || self.inbox.has_spare()) {
            self.memory.due = None;
            return None;
        }
        let now = Instant::now();
        let due = match self.memory.due {
            Some(due) if now < due => due,
            before => {
                for jobs in [&mut outbox.jobs, &mut self.inbox] {
                    match before {
                        Some(_) => blocks.extend(jobs.trim()),
                        None => jobs.begin_trim(),
                    }
                }
                now.checked_add(KEPT).unwrap_or(now)
            }
        };
        let is_kept = outbox.jobs.has_spare() || self.inbox.has_spare();
        self.memory.due = is_kept.then_some(due);
        if !is_kept || self.memory.looks.is_some() {
            return None;
        }
        self.memory.looks = Some(index);
        Some(due)
    }

    /// Takes out all blocks that are kept, for a worker that has left, unless another is to do so.
    pub(crate) fn drop_memory(&mut self, outbox: &mut Outbox) -> Vec<Block> {
        if self.memory.looks.is_some() {
            return Vec::new();
        }
        self.memory.due = None;
        let mut blocks = Vec::new();
        for jobs in [&mut outbox.jobs, &mut self.inbox] {
            jobs.begin_trim();
            blocks.extend(jobs.trim());
        }
        blocks
    }
}
