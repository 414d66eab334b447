//! Owns the workers at the desk: who is counted, who is idle, who leaves.

use std::time::Duration;

use super::Desk;
use crate::admission::{self, Rest};
use crate::job::Job;
use crate::settings::Tenure;
use crate::stats::Ends;
use crate::sync::{Arc, Instant, Sender};
use crate::wait::Wakes;

/// What an idle worker is sent.
pub(crate) enum Wake {
    /// A job to run, already counted as started.
    Run(Job),
    /// Something has changed: decide again whether to stay.
    Look,
}

/// A worker on the idle stack.
pub(super) struct Idle {
    index: usize,
    /// Takes one `Run` and one `Look` without blocking.
    mailbox: Sender<Wake>,
    /// A `Look` is under way.
    told: bool,
    /// It stays for a submitter who may bring it a job, and leaves when it is not needed any more.
    is_overdue: bool,
}

impl Idle {
    fn tell(&mut self) {
        if !self.told {
            // There is room: the mailbox holds two, of which one is reserved for a `Look`.
            self.told = self.mailbox.try_send(Wake::Look).is_ok();
        }
    }
}

/// Why an idle worker looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prompt {
    /// It received a [`Wake::Look`].
    Told,
    /// The time that it was to stay is over.
    TimeOver,
}

/// What an idle worker does next.
pub(crate) enum Idling {
    /// It was chosen for a job, which is in its mailbox, or will be.
    Chosen,
    /// It stays so long, or has left.
    Decided(Rest),
}

/// A worker that is counted and whose thread is still to be started.
pub(crate) struct Recruit {
    pub(crate) index: usize,
    pub(crate) ends: Arc<Ends>,
}

impl Desk {
    pub(super) fn pop_idle(&mut self) -> Option<Sender<Wake>> {
        let idle = self.idle.pop()?;
        self.memory.forget(idle.index);
        Some(idle.mailbox)
    }

    pub(crate) fn recruit(&mut self) -> Recruit {
        if self.counts().starts_spare() {
            self.parked.spares += 1;
        } else if self.parked.spares > self.parked.len() {
            // The rules want one more worker: a spare that was to leave stays in its place.
            self.parked.spares -= 1;
        }
        self.add_worker()
    }

    pub(super) fn recruit_spare(&mut self) -> Recruit {
        self.parked.spares += 1;
        self.add_worker()
    }

    fn add_worker(&mut self) -> Recruit {
        self.clear = 0;
        self.last_index += 1;
        let index = self.last_index;
        let ends = Arc::new(Ends::new());
        self.workers.insert(index, Arc::clone(&ends));
        self.starting += 1;
        self.arriving.push(index);
        self.threads.expect();
        self.tally.largest_pool_size = self.tally.largest_pool_size.max(self.workers.len());
        Recruit { index, ends }
    }

    /// A submitter holds the job for the worker that it starts.
    pub(crate) fn bring(&mut self) {
        self.clear = 0;
        self.bringing += 1;
    }

    /// The submitter decides again. Idle workers that stayed for it and are too many now are told to
    /// look, those that have waited longest first.
    pub(crate) fn brought(&mut self) {
        self.bringing -= 1;
        self.tell_overdue();
    }

    pub(super) fn tell_overdue(&mut self) {
        let unneeded = self.idle.len().saturating_sub(self.needed());
        self.idle.iter_mut().filter(|idle| idle.is_overdue).take(unneeded).for_each(Idle::tell);
    }

    /// How many idle workers stay for submitters that bring a job or wait for room.
    fn needed(&self) -> usize {
        self.bringing + self.room.wanted()
    }

    /// The thread of a recruit was not started.
    pub(crate) fn recruit_failed(&mut self, index: usize) -> Wakes {
        self.clear = 0;
        self.arrive(index);
        self.dismiss(index);
        self.threads.give_up(index);
        self.tally.spawn_failures += 1;
        self.is_refused = true;
        // A submitter that waits for room may be refused too. But where no worker is left, nobody
        // else would wake it.
        let mut wakes = self.note_change();
        wakes.append(self.note_end());
        // Where jobs are stranded now, each thread that waits for them asks for another worker.
        wakes.nudge(&self.idle_waiters);
        if self.is_stranded() {
            wakes.unpark(self.parked_threads());
        }
        wakes
    }

    /// Takes a worker off the count. Where there are spares it counts as one of them.
    fn dismiss(&mut self, index: usize) -> Option<Arc<Ends>> {
        self.parked.spares = self.parked.spares.saturating_sub(1);
        self.parked.forget(index);
        self.memory.forget(index);
        self.workers.remove(&index)
    }

    /// Returns whether the last worker that was to be started could not be.
    pub(crate) fn is_refused(&self) -> bool {
        self.is_refused
    }

    /// Returns whether a worker has not left.
    pub(crate) fn employs(&self, index: usize) -> bool {
        self.workers.contains_key(&index)
    }

    /// The thread of a recruit takes its first look.
    pub(crate) fn recruit_arrived(&mut self, index: usize) {
        self.clear = 0;
        self.arrive(index);
        self.is_refused = false;
    }

    fn arrive(&mut self, index: usize) {
        self.arriving.retain(|other| *other != index);
        self.starting -= 1;
    }

    pub(crate) fn is_oversized(&self) -> bool {
        self.counts().is_oversized()
    }

    /// Returns whether a worker has to look here before it takes a job: it may have to leave.
    pub(crate) fn calls_workers(&self) -> bool {
        self.is_oversized() || self.settings.tenure == Tenure::OneJob
    }

    /// A worker that found no job goes on the idle stack, or leaves.
    pub(crate) fn rest(&mut self, index: usize, mailbox: &Sender<Wake>) -> (Rest, Wakes) {
        let mut counts = self.counts();
        counts.idle += 1;
        let rest = admission::rest(&counts, self.needed(), Duration::ZERO);
        let wakes = match rest {
            Rest::Leave => self.retire(index),
            Rest::For(_) | Rest::Forever | Rest::Overdue => {
                self.clear = 0;
                let (mailbox, is_overdue) = (mailbox.clone(), rest == Rest::Overdue);
                self.idle.push(Idle { index, mailbox, told: false, is_overdue });
                self.note_change()
            }
        };
        (rest, wakes)
    }

    /// A worker that has been idle since then was told to look, or its time is over.
    pub(crate) fn look(&mut self, index: usize, prompt: Prompt, since: Instant) -> (Idling, Wakes) {
        let Some(place) = self.idle.iter().position(|idle| idle.index == index) else {
            return (Idling::Chosen, Wakes::default());
        };
        let rest = admission::rest(&self.counts(), self.needed(), since.elapsed());
        if rest == Rest::Leave {
            self.idle.remove(place);
            return (Idling::Decided(rest), self.retire(index));
        }
        match prompt {
            Prompt::Told => self.idle[place].told = false,
            Prompt::TimeOver => {}
        }
        self.idle[place].is_overdue = rest == Rest::Overdue;
        (Idling::Decided(rest), Wakes::default())
    }

    pub(crate) fn is_idle(&self, index: usize) -> bool {
        self.idle.iter().any(|idle| idle.index == index)
    }

    /// A worker leaves: it takes no further job, and its counts pass to the pool.
    pub(crate) fn retire(&mut self, index: usize) -> Wakes {
        self.clear = 0;
        if let Some(ends) = self.dismiss(index) {
            let (completed, panicked) = ends.get();
            self.tally.completed += completed;
            self.tally.panicked += panicked;
        }
        self.departing += 1;
        // A thread goes: another may be had again.
        self.is_refused = false;
        let mut wakes = self.note_change();
        if self.is_room_wanted() {
            // A parked worker that waits for room may now have another spare.
            wakes.unpark(self.note_queued());
        }
        wakes
    }

    /// A worker that left has done its last steps.
    pub(crate) fn departed(&mut self) {
        self.departing -= 1;
    }

    /// Tells every idle worker to look.
    pub(crate) fn tell_idle(&mut self) {
        self.idle.iter_mut().for_each(Idle::tell);
    }

    /// Tells one idle worker to look, that which has been idle for the longest time.
    pub(crate) fn tell_one_idle(&mut self) {
        if let Some(idle) = self.idle.first_mut() {
            idle.tell();
        }
    }
}
