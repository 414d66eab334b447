//! A worker at work: the loop of take, run and settle, and its rest between.
//!
//! A worker counts a job as ended and takes its next one, or its place on the idle stack, before it
//! tells the job's handle: so a thread that has joined a job finds the worker free.

use crate::admission::Rest;
use crate::desk::{Desk, Idling, Prompt, Wake};
use crate::hooks::Worker;
use crate::job::{Ended, Job, Outcome, Settlement, Slot};
use crate::pool::Pool;
use crate::queue::{Outbox, Popped};
use crate::settings::Tenure;
use crate::stamp::Stamps;
use crate::stats::Ends;
use crate::sync::{Arc, Instant, MutexGuard, Receiver, RecvTimeoutError, Sender, bounded};
use crate::wait::{Deadline, Spin};

/// What a worker does after it has looked for a job.
enum Next {
    /// It runs the job in the slot.
    Run,
    /// It is on the idle stack, or has left. While it is idle it tends the queue's memory then.
    Rest(Rest, Option<Instant>),
}

/// Whether a worker looks for its first job.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Arrival {
    New,
    Known,
}

/// Whether the last job that a worker ran had a handle.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Awaited,
    Plain,
}

/// A worker at work.
pub(super) struct Shift<'a> {
    pool: &'a Arc<Pool>,
    worker: &'a Worker,
    ends: &'a Ends,
    mailbox: Sender<Wake>,
    mail: Receiver<Wake>,
}

impl<'a> Shift<'a> {
    pub(super) fn new(pool: &'a Arc<Pool>, worker: &'a Worker, ends: &'a Ends) -> Self {
        let (mailbox, mail) = bounded(2);
        Self { pool, worker, ends, mailbox, mail }
    }

    pub(super) fn work(&self) {
        let mut last = Last::Plain;
        let mut starts = Stamps::new();
        let mut slot = Slot::empty();
        let mut ended = None;
        let mut next = self.look(self.pool.outbox.lock(), &mut slot, Arrival::New, None);
        loop {
            if let Next::Rest(rest, tends) = next {
                starts.pause();
                match self.rest(rest, tends, last) {
                    Some(job) => slot.fill(job),
                    None => return,
                }
            }
            self.ends.post.note_start(&mut starts);
            self.pool.run(self.worker, &self.ends.post, &mut slot, &mut ended);
            if ended.is_none() {
                self.ends.note(Outcome::Completed);
                last = Last::Plain;
                next = self.take(&mut slot, None);
            } else {
                (next, last) = self.settle(&mut slot, &mut ended);
            }
        }
    }

    /// Counts the job that ended, goes on to the next and then tells its handle, if it has one.
    #[inline(never)]
    fn settle(&self, slot: &mut Slot, ended: &mut Option<Ended>) -> (Next, Last) {
        self.ends.note(Ended::outcome(ended.as_ref()));
        let settlement = ended.take().and_then(|ended| ended.settlement);
        let last = if settlement.is_some() { Last::Awaited } else { Last::Plain };
        (self.take(slot, settlement.as_ref()), last)
    }

    /// Takes the oldest pending job, or a place on the idle stack, or leaves. The handle of the last
    /// job, if it has one, is owed the news: it gets it no later than this worker is seen idle.
    #[expect(clippy::inline_always, reason = "measured: 20 instructions of 200")]
    #[inline(always)]
    fn take(&self, slot: &mut Slot, owed: Option<&Settlement>) -> Next {
        loop {
            let mut outbox = self.pool.outbox.lock_patiently();
            if outbox.room_wanted || outbox.look {
                return self.look(outbox, slot, Arrival::Known, owed);
            }
            match self.pool.outbox.pop(&mut outbox, slot) {
                Some(Popped::Started) => return Next::Run,
                Some(Popped::Dead) => {
                    drop(outbox);
                    drop(slot.take());
                }
                None => return self.look(outbox, slot, Arrival::Known, owed),
            }
        }
    }

    /// The same, decided at the desk.
    #[inline(never)]
    fn look(
        &self,
        mut outbox: MutexGuard<'_, Outbox>,
        slot: &mut Slot,
        arrival: Arrival,
        owed: Option<&Settlement>,
    ) -> Next {
        // To be dropped after the guards.
        let (mut dead, mut blocks) = (Vec::new(), Vec::new());
        let mut desk = self.pool.desk.lock();
        if arrival == Arrival::New {
            desk.recruit_arrived(self.worker.index);
            self.pool.was_refused.lower();
        }
        let has_served = arrival == Arrival::Known && desk.settings().tenure == Tenure::OneJob;
        // A new worker takes a job whatever has changed since it was asked for, as in the JDK. Others
        // rely on it; and where workers park for a moment only, no spare comes in time.
        let is_surplus = arrival == Arrival::Known && desk.is_oversized();
        if has_served || is_surplus {
            let wakes = desk.retire(self.worker.index);
            if let Some(owed) = owed {
                owed.publish();
            }
            outbox.look = desk.calls_workers();
            drop(desk);
            drop(outbox);
            wakes.wake();
            return Next::Rest(Rest::Leave, None);
        }
        outbox.look = desk.calls_workers();
        if desk.next_job(&mut outbox, slot, &mut dead) {
            if outbox.room_wanted {
                give_room(outbox, desk);
            } else {
                drop(desk);
                drop(outbox);
            }
            return Next::Run;
        }
        let tends = desk.tend_memory(self.worker.index, &mut outbox, &mut blocks);
        drop(outbox);
        let (rest, wakes) = desk.rest(self.worker.index, &self.mailbox);
        if let Some(owed) = owed {
            owed.publish();
        }
        drop(desk);
        wakes.wake();
        Next::Rest(rest, tends)
    }

    /// Waits for a job; returns none if the worker has left instead.
    fn rest(&self, mut rest: Rest, mut tends: Option<Instant>, last: Last) -> Option<Job> {
        // Who has just been told a result often comes with the next job at once. Others queue theirs,
        // and to hand those over one by one would cost more.
        let spin = Spin::begin();
        let mut early = match last {
            Last::Awaited => spin.until(|| self.mail.try_recv().ok()),
            Last::Plain => None,
        };
        let since = Instant::now();
        loop {
            let until = match rest {
                Rest::Leave => return None,
                Rest::Forever | Rest::Overdue => Deadline::NEVER,
                Rest::For(time) => Deadline::since(since, time),
            };
            let until = tends.map_or(until, |due| until.sooner(Deadline::at(due)));
            let received = match (early.take(), until.instant()) {
                (Some(wake), _) => Ok(wake),
                (None, None) => self.mail.recv().map_err(RecvTimeoutError::from),
                (None, Some(at)) => self.mail.recv_deadline(at),
            };
            let prompt = match received {
                Ok(Wake::Run(job)) => return Some(job),
                Ok(Wake::Look) => Prompt::Told,
                Err(RecvTimeoutError::Timeout)
                    if tends.is_some_and(|due| Deadline::at(due).is_past()) =>
                {
                    tends = self.tend_memory();
                    continue;
                }
                Err(RecvTimeoutError::Timeout) => Prompt::TimeOver,
                Err(RecvTimeoutError::Disconnected) => {
                    unreachable!("the worker itself holds a sender of its mailbox")
                }
            };
            let (idling, wakes) = self.pool.desk.lock().look(self.worker.index, prompt, since);
            wakes.wake();
            rest = match idling {
                Idling::Chosen => Rest::Forever,
                Idling::Decided(rest) => rest,
            };
        }
    }

    /// Gives back memory that was not used for a while. Returns when to do so again.
    #[cold]
    fn tend_memory(&self) -> Option<Instant> {
        let mut blocks = Vec::new();
        let mut outbox = self.pool.outbox.lock();
        let mut desk = self.pool.desk.lock();
        // A worker that was called meanwhile is not idle.
        if !desk.is_idle(self.worker.index) {
            return None;
        }
        desk.tend_memory(self.worker.index, &mut outbox, &mut blocks)
    }
}

/// A job was taken while somebody waits for room.
fn give_room(mut outbox: MutexGuard<'_, Outbox>, mut desk: MutexGuard<'_, Desk>) {
    let wakes = desk.note_change();
    outbox.room_wanted = desk.is_room_wanted();
    drop(desk);
    drop(outbox);
    wakes.wake();
}
