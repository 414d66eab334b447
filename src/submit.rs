//! Owns the way of a job into the pool: decided at the desk, then handed to an idle worker, queued,
//! or given back; and what a policy can do with one that was not taken.

use crate::admission::{Attempt, Decision};
use crate::desk::{Desk, Wake};
use crate::error::CancelReason;
use crate::hooks::Worker;
use crate::interrupt;
use crate::job::{Awaited, Ended, Home, Job, Moved, Slot, enter_job};
use crate::logging;
use crate::phase::Phase;
use crate::pool::Pool;
use crate::post::Post;
use crate::rejection::{RejectReason, Rejected, Saturation};
use crate::stack;
use crate::sync::{Arc, MutexGuard, Sender, lock_patiently};
use crate::wait::Deadline;

impl Pool {
    /// Takes the job, or asks the policy what to do with it.
    #[inline]
    pub(crate) fn execute(self: &Arc<Self>, job: Job) -> Result<(), Rejected> {
        self.execute_from(&mut Slot::holding(job))
    }

    fn execute_from(self: &Arc<Self>, slot: &mut Slot) -> Result<(), Rejected> {
        if self.hooks.wrap_job.is_some() {
            return self.execute_wrapped(slot);
        }
        let mut desk = lock_patiently(&self.desk);
        if desk.is_clear() && !slot.job().has_handle() {
            desk.enqueue_as_before(slot);
            return Ok(());
        }
        self.execute_at(desk, slot)
    }

    #[cold]
    fn execute_wrapped(self: &Arc<Self>, slot: &mut Slot) -> Result<(), Rejected> {
        let mut slot = Slot::holding(self.wrap(slot.take()));
        let desk = lock_patiently(&self.desk);
        self.execute_at(desk, &mut slot)
    }

    #[inline(never)]
    fn execute_at(
        self: &Arc<Self>,
        desk: MutexGuard<'_, Desk>,
        slot: &mut Slot,
    ) -> Result<(), Rejected> {
        match self.admit_at(desk, slot) {
            Ok(()) => Ok(()),
            Err(reason) => self.consult(Rejected::new(slot.take(), reason), Deadline::NEVER),
        }
    }

    /// What the user has every job go through.
    pub(crate) fn wrap(&self, job: Job) -> Job {
        match &self.hooks.wrap_job {
            None => job,
            Some(hook) => hook.wrap(job),
        }
    }

    /// Asks the policy, for a submitter that waits no longer than until `deadline`.
    #[cold]
    fn consult(self: &Arc<Self>, rejected: Rejected, deadline: Deadline) -> Result<(), Rejected> {
        match rejected.reason() {
            RejectReason::SpawnFailed => {
                self.count_rejected();
                Err(rejected)
            }
            reason @ (RejectReason::Saturated
            | RejectReason::Shutdown
            | RejectReason::TimedOut
            | RejectReason::Interrupted) => {
                logging::write!(
                    limit: self.limits.consulted,
                    Trace,
                    "pool {}: asks its policy about a job: {reason:?}",
                    self.name
                );
                Saturation::new(self, reason, deadline).consult(&*self.policy, rejected.into_job())
            }
        }
    }

    /// Takes the job, or counts it as rejected.
    pub(crate) fn try_execute(self: &Arc<Self>, job: Job) -> Result<(), Rejected> {
        self.admit(self.wrap(job)).inspect_err(|_| self.count_rejected())
    }

    /// Takes the job as soon as there is room, or counts it as rejected.
    pub(crate) fn execute_by(
        self: &Arc<Self>,
        job: Job,
        deadline: Deadline,
    ) -> Result<(), Rejected> {
        self.admit_by(self.wrap(job), deadline).inspect_err(|_| self.count_rejected())
    }

    /// Takes a job that this thread is going to wait for, or counts it as rejected. A thread that
    /// runs jobs of this pool is not refused for want of room: it waits for some if there is a limit
    /// to the wait or it wants the first of several to end, and otherwise runs the job itself.
    pub(crate) fn execute_awaited(
        self: &Arc<Self>,
        job: Job,
        awaited: Awaited,
    ) -> Result<(), Rejected> {
        let deadline = match awaited {
            Awaited::All | Awaited::Any => Deadline::NEVER,
            Awaited::Until(at) => Deadline::at(at),
        };
        let taken = match self.admit(self.wrap(job)) {
            Err(rejected) if !self.is_inside() => return self.consult(rejected, deadline),
            Err(rejected) if rejected.reason() == RejectReason::Saturated => {
                let job = rejected.into_job();
                if awaited == Awaited::All {
                    self.run_on_caller(job)
                } else {
                    self.admit_by(job, deadline)
                }
            }
            other => other,
        };
        taken.inspect_err(|_| self.count_rejected())
    }

    /// Takes the job or returns it, not counted.
    pub(crate) fn admit(self: &Arc<Self>, job: Job) -> Result<(), Rejected> {
        let mut slot = Slot::holding(job);
        let desk = lock_patiently(&self.desk);
        self.admit_at(desk, &mut slot).map_err(|reason| Rejected::new(slot.take(), reason))
    }

    /// Takes the job out of the slot, or leaves it there, not counted.
    fn admit_at(
        self: &Arc<Self>,
        mut desk: MutexGuard<'_, Desk>,
        slot: &mut Slot,
    ) -> Result<(), RejectReason> {
        let decision = desk.decide(Attempt::First);
        self.follow(decision, desk, slot)
    }

    /// Does what was decided, starting workers and deciding again as often as it takes.
    pub(crate) fn follow<'a>(
        self: &'a Arc<Self>,
        mut decision: Decision,
        mut desk: MutexGuard<'a, Desk>,
        slot: &mut Slot,
    ) -> Result<(), RejectReason> {
        let mut attempt = Attempt::First;
        loop {
            match decision {
                Decision::Enqueue => {
                    self.enqueue(desk, slot);
                    return Ok(());
                }
                Decision::HandOff => {
                    self.hand_off(desk, slot);
                    return Ok(());
                }
                Decision::HandOffAndStart => {
                    let recruit = desk.recruit();
                    self.hand_off(desk, slot);
                    // The job is accepted: what the start comes to is not its submitter's concern.
                    self.start(recruit).ok();
                    return Ok(());
                }
                Decision::Start => {
                    let recruit = desk.recruit();
                    desk.bring();
                    drop(desk);
                    attempt = match (self.start(recruit), attempt) {
                        (Ok(()), Attempt::Started(times)) => Attempt::Started(times + 1),
                        (Ok(()), Attempt::First | Attempt::Failed) => Attempt::Started(1),
                        (Err(_), _) => Attempt::Failed,
                    };
                    desk = self.desk.lock();
                    desk.brought();
                    decision = desk.decide(attempt);
                }
                Decision::Saturated => return Err(RejectReason::Saturated),
                Decision::Refused => return Err(RejectReason::Shutdown),
                Decision::Unstaffed => return Err(RejectReason::SpawnFailed),
            }
        }
    }

    /// Queues a job, and tells those whom it may concern: its handle, who waits for it, and parked
    /// workers.
    pub(crate) fn enqueue(self: &Arc<Self>, mut desk: MutexGuard<'_, Desk>, slot: &mut Slot) {
        let Some(moved) = self.take_in(&desk, slot.job()) else {
            Self::leave_out(desk, slot.take());
            return;
        };
        desk.enqueue(slot);
        let looks = desk.note_queued();
        drop(desk);
        moved.tell();
        if let Some(thread) = looks {
            thread.unpark();
        }
    }

    fn hand_off(self: &Arc<Self>, mut desk: MutexGuard<'_, Desk>, slot: &mut Slot) {
        let moved = match self.take_in(&desk, slot.job()) {
            Some(moved) if slot.job().start() => moved,
            Some(_) | None => {
                Self::leave_out(desk, slot.take());
                return;
            }
        };
        let mailbox = desk.choose_idle().expect("decided under this lock that one is idle");
        drop(desk);
        moved.tell();
        send(&mailbox, slot.take());
    }

    /// A job that its handle cancelled before it came here; the room it was woken for is another's.
    #[cold]
    fn leave_out(mut desk: MutexGuard<'_, Desk>, job: Job) {
        desk.tally.cancel_new();
        let wakes = desk.note_change();
        drop(desk);
        wakes.wake();
        drop(job);
    }

    /// Makes this pool the job's home; none if its handle has cancelled it.
    fn take_in(self: &Arc<Self>, desk: &Desk, job: &Job) -> Option<Moved> {
        job.moves_to(desk.next_number(), || Arc::clone(self) as Arc<dyn Home>)
    }

    // What policies and handles do.

    /// Queues the job in the place of the oldest pending one, which is dropped; returns it, not
    /// counted, if none is pending.
    pub(crate) fn displace_oldest(self: &Arc<Self>, mut job: Job) -> Result<(), Rejected> {
        // To be dropped after the guards.
        let mut dead = Vec::new();
        loop {
            match self.admit(job) {
                Err(rejected) if rejected.reason() == RejectReason::Saturated => {
                    job = rejected.into_job();
                }
                other => return other,
            }
            let mut outbox = self.outbox.lock();
            let mut desk = self.desk.lock();
            if desk.has_room() {
                continue;
            }
            let Some(oldest) = desk.take_oldest(&mut outbox, &mut dead) else {
                return Err(Rejected::new(job, RejectReason::Saturated));
            };
            desk.tally.discarded += 1;
            drop(outbox);
            self.enqueue(desk, &mut Slot::holding(job));
            oldest.because(CancelReason::Discarded);
            self.drop_contained(oldest);
            self.drop_all(dead);
            return Ok(());
        }
    }

    /// Takes the oldest pending job out; who watches it is still to be told.
    pub(crate) fn take_oldest(&self) -> Option<Job> {
        let mut dead = Vec::new();
        let oldest = self.take_oldest_but(&mut dead);
        self.drop_all(dead);
        oldest
    }

    fn take_oldest_but(&self, dead: &mut Vec<Job>) -> Option<Job> {
        let mut outbox = self.outbox.lock();
        let mut desk = self.desk.lock();
        let oldest = desk.take_oldest(&mut outbox, dead)?;
        desk.tally.handed_back += 1;
        let wakes = desk.note_change();
        let tidy = desk.try_tidy();
        drop(desk);
        drop(outbox);
        wakes.wake();
        self.tidy(tidy);
        Some(oldest)
    }

    /// Runs the job on this thread, as a caller's; returns it, not counted, if the pool is shut
    /// down. Where too much of the stack is in use the job is queued instead.
    pub(crate) fn run_on_caller(self: &Arc<Self>, job: Job) -> Result<(), Rejected> {
        if !stack::has_room() {
            return self.queue_beyond(job);
        }
        let mut desk = self.desk.lock();
        if desk.phase() != Phase::Running {
            return Err(Rejected::new(job, RejectReason::Shutdown));
        }
        let moved = match self.take_in(&desk, &job) {
            Some(moved) if job.start() => moved,
            Some(_) | None => {
                Self::leave_out(desk, job);
                return Ok(());
            }
        };
        let post = Arc::new(Post::taken_here());
        desk.caller_starts(Arc::clone(&post));
        drop(desk);
        moved.tell();
        self.run_as_caller(&post, &mut Slot::holding(job));
        Ok(())
    }

    /// Runs a job that the desk counts as a caller's.
    pub(crate) fn run_as_caller(&self, post: &Arc<Post>, slot: &mut Slot) {
        let role = self.enter_as_caller(post);
        let entered = enter_job();
        let frame = interrupt::enter_inline(&self.stop);
        let worker = Worker { index: 0, pool: Arc::clone(&self.name) };
        post.start_now();
        let mut ended = None;
        self.run(&worker, post, slot, &mut ended);
        drop(frame);
        drop(entered);
        let mut desk = self.desk.lock();
        desk.tally.end(Ended::outcome(ended.as_ref()));
        desk.caller_ends(post);
        if let Some(owed) = ended.as_ref().and_then(|ended| ended.settlement.as_ref()) {
            owed.publish();
        }
        let wakes = desk.note_change();
        drop(desk);
        wakes.wake();
        drop(ended);
        drop(role);
        let tidy = self.desk.lock().try_tidy();
        self.tidy(tidy);
    }

    pub(crate) fn count_rejected(&self) {
        self.desk.lock().tally.reject();
    }

    pub(crate) fn count_discarded(&self) {
        self.desk.lock().tally.discard_new();
    }
}

/// Sends a worker the job for which it was taken off the idle stack.
fn send(mailbox: &Sender<Wake>, job: Job) {
    // Nobody else sends a job there: a worker is on the stack once. And the worker receives until
    // it has it, so the channel is neither full nor disconnected.
    if mailbox.try_send(Wake::Run(job)).is_err() {
        unreachable!("a chosen worker's mailbox has room for its job");
    }
}
