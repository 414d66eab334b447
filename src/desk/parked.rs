//! Workers that wait for jobs of their own pool, and the spares that stand in for them.
//!
//! A parked worker is left out of every rule about sizes. A spare is a worker that was started for
//! that reason. Spares are workers like all others: which of them leaves when a parked one goes on
//! is not fixed, only that one does.
//!
//! INVARIANT: a job is pending and every worker is parked => a worker is being started, or was
//! refused and some thread that waits is going to ask again, or there are as many spares as there
//! may be. Parking, queueing and a start that fails decide this under the state lock.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Desk;
use super::roster::Recruit;
use crate::admission::{Counts, MOST_SPARES};
use crate::job::waiting::Parting;
use crate::phase::Phase;
use crate::settings::Tenure;
use crate::sync::Instant;
use crate::sync::thread::{self, Thread, ThreadId};
use crate::wait::Wakes;

/// A wait that is over by then is not worth a thread, unless no other worker is there.
pub(crate) const SHORT_WAIT: Duration = Duration::from_millis(1);

#[derive(Default)]
pub(super) struct Parked {
    threads: Vec<Thread>,
    /// Workers that were started because others are parked, and not gone since.
    pub(super) spares: usize,
    /// The parked thread that is going to look whether a spare is due.
    looks: Option<ThreadId>,
    /// The stall that was noticed last; it may be over.
    pub(super) stall: Option<Stall>,
}

/// A time in which no job of the pool begins, as those see it who wait again and again for a moment.
pub(super) struct Stall {
    /// How many jobs have begun, or were removed, before it.
    begun: u64,
    /// When it was noticed, or a spare was last started because of it.
    since: Instant,
    /// Workers whose time was over since, and that have not begun to wait again.
    pub(super) polling: BTreeSet<usize>,
}

impl Parked {
    pub(super) fn len(&self) -> usize {
        self.threads.len()
    }

    /// A worker waits again, or leaves.
    pub(super) fn forget(&mut self, index: usize) {
        if let Some(stall) = &mut self.stall {
            stall.polling.remove(&index);
        }
    }

    /// Returns whether a job that is queued now concerns no parked worker.
    pub(super) fn is_quiet(&self) -> bool {
        self.threads.is_empty() || self.looks.is_some()
    }
}

/// What a parked thread does about spares.
pub(crate) enum StandIn {
    /// Nothing: whoever changes that tells it.
    None,
    /// Start this one.
    Start(Recruit),
    /// Look again after this time.
    LookIn(Duration),
    /// One is due, and there are as many as there may be.
    TooMany,
}

/// Whether a parked thread has just begun to wait, or has waited long enough for a spare, or is to go
/// on at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    None,
    Fresh,
    Over,
}

impl Desk {
    /// This thread, a worker, begins to wait for a job of the pool.
    pub(crate) fn park(&mut self, index: usize) -> Wakes {
        self.clear = 0;
        // In its start hook it is not on its way to a job any more.
        self.starting -= usize::from(self.arriving.contains(&index));
        self.parked.threads.push(thread::current());
        self.parked.forget(index);
        // It is left out of the rules: there may be room for one more job.
        let mut wakes = Wakes::default();
        self.give_room(&mut wakes);
        wakes
    }

    /// This thread goes on. Returns a parked one that has to look in its place, if there is any.
    pub(crate) fn unpark(&mut self, index: usize, parting: Parting) -> Option<Thread> {
        self.clear = 0;
        self.starting += usize::from(self.arriving.contains(&index));
        let this = thread::current().id();
        let place = self.parked.threads.iter().rposition(|thread| thread.id() == this);
        if let Some(place) = place {
            self.parked.threads.swap_remove(place);
            if let (Parting::TimedOut, Some(stall)) = (parting, &mut self.parked.stall) {
                stall.polling.insert(index);
            }
        }
        self.parked.looks.take_if(|looks| *looks == this)?;
        if self.unpromised() == 0 { None } else { self.note_queued() }
    }

    /// Decides what this parked worker does about the pending jobs.
    pub(crate) fn stand_in(&mut self, patience: Patience) -> StandIn {
        let this = thread::current().id();
        // One that goes on leaves its look to another, as it is unparked.
        let looks_again = patience != Patience::None;
        if looks_again && self.parked.looks.take_if(|looks| *looks == this).is_some() {
            self.clear = 0;
        }
        let wants_room = self.is_room_wanted() && self.idle.is_empty() && self.starting == 0;
        if !wants_room && self.unpromised() == 0 {
            return StandIn::None;
        }
        if self.is_stalled() {
            return StandIn::Start(self.recruit_spare());
        }
        if patience == Patience::None {
            return StandIn::None;
        }
        let are_all_parked = self.workers.len() == self.parked.len();
        if !self.counts().may_have_spare() {
            let is_full = are_all_parked && self.parked.spares >= MOST_SPARES;
            return if is_full { StandIn::TooMany } else { StandIn::None };
        }
        if are_all_parked || patience == Patience::Over {
            return StandIn::Start(self.recruit_spare());
        }
        if self.parked.looks.is_some() {
            return StandIn::None;
        }
        self.parked.looks = Some(this);
        StandIn::LookIn(SHORT_WAIT)
    }

    /// Returns whether no job has begun for longer than a short wait, and a spare may be started.
    /// Workers that poll are in no single wait for long enough to tell, and seldom in one all at the
    /// same time: here they count as parked in between.
    fn is_stalled(&mut self) -> bool {
        let taken = self.pushed - self.pending() as u64;
        // Callers run what never was pending.
        let begun = taken + self.tally.started - self.tally.caller_ran;
        let now = Instant::now();
        let Some(stall) = self.parked.stall.as_mut().filter(|stall| stall.begun == begun) else {
            self.parked.stall = Some(Stall { begun, since: now, polling: BTreeSet::new() });
            return false;
        };
        if now.saturating_duration_since(stall.since) < SHORT_WAIT {
            return false;
        }
        stall.since = now;
        let polling = stall.polling.len();
        let parked = self.parked.len() + polling;
        Counts { parked, ..self.counts() }.may_have_spare()
    }

    /// Returns whether half of the spares are there that there may be: what is left is for waits whose
    /// stack is used up.
    pub(crate) fn is_crowded(&self) -> bool {
        self.parked.spares >= MOST_SPARES / 2
    }

    /// Returns whether a job that is queued now concerns no parked worker.
    #[inline]
    pub(crate) fn is_quiet(&self) -> bool {
        self.parked.is_quiet()
    }

    /// A job was queued while workers are parked, or a spare has left while one of them waits for
    /// room: one of them looks whether a spare is due.
    pub(crate) fn note_queued(&mut self) -> Option<Thread> {
        if self.parked.is_quiet() || !self.counts().may_have_spare() {
            return None;
        }
        self.parked.threads.last().cloned()
    }

    /// The parked threads, after a start has failed that they may rely on.
    pub(crate) fn parked_threads(&self) -> Vec<Thread> {
        self.parked.threads.clone()
    }

    /// Returns whether jobs are pending and no worker is there that runs one or will: all are
    /// parked, or a thread was refused.
    pub(crate) fn is_stranded(&mut self) -> bool {
        self.workers.len() == self.parked.len() && self.phase < Phase::Stop && self.pending() > 0
    }

    /// Returns whether jobs are pending in a pool without any worker.
    pub(crate) fn is_deserted(&mut self) -> bool {
        self.workers.is_empty() && self.is_stranded()
    }

    /// Returns whether a worker is to be asked for again, on behalf of whoever waits for the pool.
    pub(crate) fn wants_rescue(&mut self) -> bool {
        self.is_stranded() && (self.workers.is_empty() || self.counts().may_have_spare())
    }

    /// Jobs queued before this one may be promised to workers that are starting: they are as good as
    /// taken. The number of a job is that of the jobs queued before it.
    /// Of the worker `own`, which asks, nothing is expected if it is starting.
    pub(crate) fn first_unpromised(&mut self, own: Option<usize>) -> u64 {
        if self.settings.tenure == Tenure::OneJob {
            return u64::MAX;
        }
        let is_own = own.is_some_and(|own| self.arriving.contains(&own));
        let starting = self.starting - usize::from(is_own);
        if starting == 0 {
            return 0;
        }
        // At most as many jobs are pending behind a job as were queued after it.
        let pending = self.pending() as u64;
        (self.pushed - pending).saturating_add(starting as u64)
    }
}
