//! Owns the front desk: all that is decided under one lock. Who is admitted, who is idle, who
//! leaves, how many there are, and what is waiting for which of these to change.
//!
//! INVARIANT: somebody idle => inbox and outbox are empty. A worker goes on the idle stack only
//! while it holds the desk and has found both empty, and a job is queued only if the stack is empty.
//!
//! Methods that change something take `&mut self`: the lock is held. What has to be done without
//! it, waking and dropping, they return.

use std::collections::BTreeMap;

use crate::admission::{self, Attempt, Counts, Decision};
use crate::job::Slot;
use crate::phase::Phase;
use crate::post::Post;
use crate::queue::{Fifo, Shelf};
use crate::settings::Settings;
use crate::stamp::Stamps;
use crate::stats::{Ends, Tally};
use crate::sync::thread::ThreadId;
use crate::sync::{Arc, Instant, Sender};
use crate::threads::Threads;
use crate::wait::{Waiter, Wakes};

pub(crate) use self::jobs::Sweep;
use self::memory::Memory;
use self::parked::Parked;
pub(crate) use self::parked::{Patience, StandIn};
use self::room::Room;
pub(crate) use self::room::Turn;
use self::roster::Idle;
pub(crate) use self::roster::{Idling, Prompt, Recruit, Wake};

mod figures; // the snapshot
mod jobs; // what leaves the queue
mod roster; // the workers
mod room; // submitters that wait for room
mod memory; // when the memory of a burst goes back
mod parked; // workers that wait for jobs of their own pool, and the spares for them

// In this order: what every submission touches comes first, so that it fits on few cache lines.
#[repr(C)]
pub(crate) struct Desk {
    /// Jobs that can be queued as the last one was: nothing that bears on admission has changed.
    clear: u64,
    pushed: u64,
    stamps: Stamps,
    pub(crate) inbox: Fifo,
    /// Last in, first out: the one that waited least is the next to get a job, so that under light
    /// load the others reach their keep-alive.
    idle: Vec<Idle>,
    epoch: Instant,
    phase: Phase,
    starting: usize,
    /// Submitters that start a worker and hold the job for it.
    bringing: usize,
    /// Jobs that left the queue otherwise than by being popped.
    removed: u64,
    /// The number of popped jobs when last looked at; never more than it is.
    seen_popped: u64,
    /// Those who run a job in a worker's place.
    callers: Vec<Arc<Post>>,
    settings: Settings,
    /// The ends that each worker counted, by its index.
    workers: BTreeMap<usize, Arc<Ends>>,
    /// The workers that have not come to look for their first job.
    arriving: Vec<usize>,
    parked: Parked,
    memory: Memory,
    last_index: usize,
    /// Workers that left and have not finished their last steps.
    departing: usize,
    shelf: Arc<Shelf>,
    /// Jobs in the queue that need not be run any more, at most; those popped since are among them.
    dead: usize,
    /// The last worker that was to be started could not be.
    is_refused: bool,
    pub(crate) tally: Tally,
    pub(crate) threads: Threads,
    room: Room,
    /// Threads that have queued a job beyond the capacity, since there was room last.
    beyond: Vec<ThreadId>,
    /// Waiting for a pause.
    pub(crate) idle_waiters: Vec<Arc<Waiter>>,
    pub(crate) end_waiters: Vec<Arc<Waiter>>,
}

impl Desk {
    pub(crate) fn new(settings: Settings, shelf: Arc<Shelf>) -> Self {
        Self {
            clear: 0,
            phase: Phase::Running,
            settings,
            workers: BTreeMap::new(),
            parked: Parked::default(),
            memory: Memory::default(),
            last_index: 0,
            idle: Vec::new(),
            starting: 0,
            arriving: Vec::new(),
            bringing: 0,
            departing: 0,
            callers: Vec::new(),
            inbox: Fifo::default(),
            stamps: Stamps::new(),
            epoch: Instant::now(),
            shelf,
            pushed: 0,
            removed: 0,
            seen_popped: 0,
            dead: 0,
            is_refused: false,
            tally: Tally::default(),
            threads: Threads::default(),
            room: Room::default(),
            beyond: Vec::new(),
            idle_waiters: Vec::new(),
            end_waiters: Vec::new(),
        }
    }

    /// The workers but for the spares.
    pub(crate) fn regular_workers(&self) -> usize {
        self.counts().regular()
    }

    /// The workers that wait for a job of the pool, or for room in it.
    pub(crate) fn parked(&self) -> usize {
        self.parked.len()
    }

    /// Jobs accepted and not started. Exact while the outbox's lock is held, or nobody pops.
    pub(crate) fn pending(&mut self) -> usize {
        self.seen_popped = self.shelf.popped.get();
        self.seen_pending()
    }

    /// Pending jobs that no starting worker is to take.
    pub(crate) fn unpromised(&mut self) -> usize {
        self.pending().saturating_sub(self.starting)
    }

    fn seen_pending(&self) -> usize {
        usize::try_from(self.pushed - self.removed - self.seen_popped).unwrap_or(usize::MAX)
    }

    fn waiting(&self) -> usize {
        self.seen_pending() + self.bringing
    }

    fn counts(&self) -> Counts {
        Counts {
            phase: self.phase,
            settings: self.settings,
            workers: self.workers.len(),
            parked: self.parked.len(),
            spares: self.parked.spares,
            idle: self.idle.len(),
            waiting: self.waiting(),
            starting: self.starting,
            reserved: self.room.reserved,
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    pub(crate) fn enter(&mut self, phase: Phase) {
        self.clear = 0;
        self.phase = phase;
    }

    pub(crate) fn settings(&self) -> Settings {
        self.settings
    }

    pub(crate) fn set(&mut self, settings: Settings) {
        self.clear = 0;
        self.settings = settings;
    }

    /// Decides what happens to a submitted job.
    #[inline]
    pub(crate) fn decide(&mut self, attempt: Attempt) -> Decision {
        if attempt == Attempt::First && self.clear > 0 {
            debug_assert_eq!(admission::admit(&self.counts(), attempt), Decision::Enqueue);
            self.clear -= 1;
            return Decision::Enqueue;
        }
        let decision = self.decide_anew(attempt);
        // As long as this stays so, only a want of room can make the next decision another one.
        let is_plain = attempt == Attempt::First
            && self.starting == 0
            && self.room.is_quiet()
            && self.parked.is_quiet();
        if decision == Decision::Enqueue && is_plain {
            self.clear = match self.settings.capacity {
                None => u64::MAX,
                Some(capacity) => capacity.saturating_sub(self.waiting() + 1) as u64,
            };
        }
        decision
    }

    /// The number of popped jobs lies on a cache line that workers write to, so it is read only
    /// where the last one seen does not let the job in.
    fn decide_anew(&mut self, attempt: Attempt) -> Decision {
        let decision = admission::admit(&self.counts(), attempt);
        let is_exact = match decision {
            Decision::HandOff | Decision::HandOffAndStart | Decision::Refused => true,
            Decision::Enqueue => self.starting == 0,
            Decision::Start | Decision::Saturated | Decision::Unstaffed => false,
        };
        if is_exact {
            return decision;
        }
        self.pending();
        admission::admit(&self.counts(), attempt)
    }

    // Jobs.

    /// Returns whether a job without a handle may be queued as the last one was.
    #[inline]
    pub(crate) fn is_clear(&self) -> bool {
        self.clear > 0
    }

    /// Queues a job without a handle as the last one was.
    #[inline]
    pub(crate) fn enqueue_as_before(&mut self, slot: &mut Slot) {
        let decision = self.decide(Attempt::First);
        debug_assert!(decision == Decision::Enqueue && self.is_quiet());
        self.enqueue(slot);
    }

    #[expect(clippy::inline_always, reason = "measured: it is the whole of most submissions")]
    #[inline(always)]
    pub(crate) fn enqueue(&mut self, slot: &mut Slot) {
        self.pushed += 1;
        if let Some(since) = self.stamps.renew(&self.epoch) {
            self.inbox.push_since(since);
        }
        self.inbox.push(slot);
    }

    /// Takes the most recently idle worker off the stack, for a job that counts as started now.
    pub(crate) fn choose_idle(&mut self) -> Option<Sender<Wake>> {
        let mailbox = self.pop_idle()?;
        self.stamps.pause();
        self.tally.submitted += 1;
        self.tally.started += 1;
        Some(mailbox)
    }

    /// The number of the job that is queued next.
    pub(crate) fn next_number(&self) -> u64 {
        self.pushed
    }

    /// A caller is about to run a job.
    pub(crate) fn caller_starts(&mut self, post: Arc<Post>) {
        self.tally.submitted += 1;
        self.tally.started += 1;
        self.tally.caller_ran += 1;
        self.callers.push(post);
    }

    /// A thread that is no worker runs a job that was pending, counted as started by its caller.
    pub(crate) fn caller_takes_over(&mut self, post: Arc<Post>) {
        self.callers.push(post);
    }

    pub(crate) fn caller_ends(&mut self, post: &Arc<Post>) {
        self.callers.retain(|other| !Arc::ptr_eq(other, post));
    }

    /// The workers, by their number.
    pub(crate) fn crew(&self) -> Vec<(usize, Arc<Ends>)> {
        self.workers.iter().map(|(index, ends)| (*index, Arc::clone(ends))).collect()
    }

    pub(crate) fn callers(&self) -> Vec<Arc<Post>> {
        self.callers.clone()
    }

    // Waiting for something to change.

    /// Returns whether nothing is queued or running.
    fn pauses(&mut self) -> bool {
        self.idle.len() == self.workers.len() && self.callers.is_empty() && self.pending() == 0
    }

    /// Something may have become idle.
    pub(crate) fn note_idle(&mut self) -> Wakes {
        let mut wakes = Wakes::default();
        if !self.idle_waiters.is_empty() && self.pauses() {
            wakes.add(self.idle_waiters.drain(..));
        }
        wakes
    }

    /// Somebody's time to wait for a pause is over; false if there was one.
    pub(crate) fn missed_pause(&mut self, waiter: &Arc<Waiter>) -> bool {
        let place = self.idle_waiters.iter().position(|other| Arc::ptr_eq(other, waiter));
        place.map(|place| self.idle_waiters.swap_remove(place)).is_some()
    }

    /// Room may have come free, and something may have become idle.
    pub(crate) fn note_change(&mut self) -> Wakes {
        let mut wakes = self.note_idle();
        self.give_room(&mut wakes);
        wakes
    }

    /// Something has happened for which those who wait for the pool's end look again.
    pub(crate) fn note_end(&mut self) -> Wakes {
        let mut wakes = Wakes::default();
        wakes.add(self.end_waiters.drain(..));
        wakes
    }

    /// The pool may be over but for joining its threads. Who waits is woken once, and not for each
    /// of them.
    pub(crate) fn note_over(&mut self) -> Wakes {
        if self.phase == Phase::Terminated && self.threads.are_over() {
            self.note_end()
        } else {
            Wakes::default()
        }
    }

    /// Enters `Tidying` if the pool is to end and nothing is left in it.
    pub(crate) fn try_tidy(&mut self) -> Tidy {
        let ends = matches!(self.phase, Phase::Shutdown | Phase::Stop)
            && self.workers.is_empty()
            && self.departing == 0
            && self.callers.is_empty()
            && self.pending() == 0;
        if !ends {
            return Tidy::NotYet;
        }
        self.enter(Phase::Tidying);
        Tidy::Due
    }
}

/// Whether the caller has to end the pool: run its last hook, then publish its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Tidy {
    Due,
    NotYet,
}

#[cfg(test)]
mod tests;
