//! Submitters that wait for room, and the places that are kept for those that were told of some.
//!
//! INVARIANT: a submitter is in `waiters` or holds one of the `reserved` places from its first wait
//! on until it is admitted or gives up, under the number that it got then. So nobody who comes later
//! is served before it.

use std::collections::BTreeMap;

use super::Desk;
use crate::admission::{self, Attempt, Decision};
use crate::sync::{Arc, thread};
use crate::wait::{Waiter, Wakes};

/// A submitter's place in the line of those who wait for room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Turn(u64);

#[derive(Default)]
pub(super) struct Room {
    waiters: BTreeMap<Turn, Arc<Waiter>>,
    last: u64,
    /// Places that are kept for submitters that were woken.
    pub(super) reserved: usize,
}

impl Room {
    /// How many submitters wait for room, or were told of some and have not come.
    pub(super) fn wanted(&self) -> usize {
        self.waiters.len() + self.reserved
    }

    /// Returns whether nobody waits for room, or was told of some and has not come.
    pub(super) fn is_quiet(&self) -> bool {
        self.wanted() == 0
    }
}

impl Desk {
    /// Returns whether a job would find room, at least if a worker can be started where one was
    /// not refused just now.
    pub(crate) fn has_room(&mut self) -> bool {
        let attempt = if self.is_refused { Attempt::Failed } else { Attempt::First };
        self.decide(attempt) != Decision::Saturated
    }

    pub(crate) fn is_room_wanted(&self) -> bool {
        !self.room.waiters.is_empty()
    }

    /// A submitter begins to wait, at the end of the line or where it was before.
    pub(crate) fn wait_for_room(&mut self, turn: &mut Option<Turn>, waiter: Arc<Waiter>) {
        self.clear = 0;
        let turn = *turn.get_or_insert_with(|| {
            self.room.last += 1;
            Turn(self.room.last)
        });
        self.room.waiters.insert(turn, waiter);
    }

    /// A submitter gives up waiting; false if it has been told of room meanwhile.
    pub(crate) fn stop_waiting_for_room(&mut self, turn: Turn) -> bool {
        let was_waiting = self.room.waiters.remove(&turn).is_some();
        self.tell_overdue();
        was_waiting
    }

    /// The place that was kept for a submitter is free again: it uses it now, or not at all.
    pub(crate) fn release_room(&mut self) {
        self.room.reserved -= 1;
        self.tell_overdue();
    }

    /// Returns whether the room that there is cannot be promised: it is made by the start of a worker,
    /// which is one submitter's at a time. Nor may it depend on a worker that is parked, which may be
    /// the one that waits for room: that one has a spare started, and there is room when it is idle.
    fn is_made_by_start(&mut self) -> bool {
        let counts = self.counts();
        let is_start = admission::admit(&counts, Attempt::First) == Decision::Start;
        is_start && (counts.starts_spare() || self.room.reserved > 0)
    }

    /// Returns whether this thread may queue a job though there is no room: once, until there is.
    pub(crate) fn may_queue_beyond(&mut self) -> bool {
        let capacity = self.settings.capacity.unwrap_or(usize::MAX);
        if self.unpromised() <= capacity {
            self.beyond.clear();
        }
        let this = thread::current().id();
        let is_first = !self.beyond.contains(&this);
        if is_first {
            self.beyond.push(this);
        }
        is_first
    }

    /// Wakes those who wait for room, in their order, for as long as there is some that is not kept
    /// for others. One that finds it gone waits on in its old turn.
    pub(super) fn give_room(&mut self, wakes: &mut Wakes) {
        while !self.room.waiters.is_empty() && self.has_room() && !self.is_made_by_start() {
            self.clear = 0;
            let first = self.room.waiters.pop_first();
            self.room.reserved += usize::from(first.is_some());
            wakes.add(first.map(|(_, waiter)| waiter));
        }
    }
}
