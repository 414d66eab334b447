//! Owns how the desk's counts, and those of the workers, become the figures that users see.

use super::Desk;
use crate::stamp::{self, Stamp};
use crate::stats::PoolStats;

impl Desk {
    /// The figures of this moment. The outbox's lock is held too, so nothing moves.
    pub(crate) fn stats(&mut self, oldest: Option<Stamp>) -> PoolStats {
        // Who looks again later can tell what came before this look from what came after.
        self.stamps.pause();
        let waiting = self.pending();
        let (completed, panicked) =
            self.workers.values().map(|ends| ends.get()).fold(
                (self.tally.completed, self.tally.panicked),
                |(completed, panicked), (c, p)| (completed + c, panicked + p),
            );
        let running = self.tally.started + self.seen_popped - completed - panicked;
        let rejected = self.tally.rejected;
        let submitted = self.pushed + self.tally.submitted;
        PoolStats {
            phase: self.phase,
            core: self.settings.core,
            max: self.settings.max,
            pool_size: self.workers.len(),
            largest_pool_size: self.tally.largest_pool_size,
            active: usize::try_from(running).unwrap_or(usize::MAX),
            starting: self.starting,
            spare: self.parked.spares,
            idle: self.idle.len(),
            queued: waiting,
            capacity: self.settings.capacity,
            submitted,
            rejected,
            accepted: submitted - rejected,
            completed,
            panicked,
            cancelled: self.tally.cancelled,
            handed_back: self.tally.handed_back,
            discarded: self.tally.discarded,
            caller_ran: self.tally.caller_ran,
            spawn_failures: self.tally.spawn_failures,
            oldest_pending: oldest.map(|since| stamp::age(self.epoch, since)),
        }
    }
}
