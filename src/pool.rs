//! Owns the state that handles and workers share, and the way of a job into the pool: decided at
//! the desk, then handed to an idle worker, queued, or given back.
//!
//! Locks are taken in this order: outbox, desk, the state of one job. No user code runs, and nothing
//! of the user's is dropped, under any of them.

use std::cell::RefCell;
use std::io;
use std::time::Instant;

use crossbeam_channel::Sender;

use crate::admission::{Attempt, Decision};
use crate::desk::{Desk, Recruit, Sweep, Wake};
use crate::error::{AwaitError, Payload};
use crate::hooks::{Hooks, Worker};
use crate::interrupt::{self, Interrupt};
use crate::job::{Home, Job, Outcome, Pending, Settlement, drop_caught};
use crate::phase::Phase;
use crate::queue::{Outbox, Popped};
use crate::rejection::{RejectReason, Rejected, RejectionPolicy, Saturation};
use crate::settings::Settings;
use crate::stats::{Ends, PoolStats};
use crate::sync::{Arc, Mutex, MutexGuard};
use crate::wait::{Deadline, Heed, Waiter, Wakes};
use crate::worker::ThreadMaker;

/// A pool, shared by its owner, its handles, its workers and the handles of its jobs.
pub(crate) struct Pool {
    pub(crate) name: Arc<str>,
    pub(crate) outbox: Mutex<Outbox>,
    pub(crate) desk: Mutex<Desk>,
    policy: Box<dyn RejectionPolicy>,
    pub(crate) hooks: Hooks,
    pub(crate) threads: ThreadMaker,
    /// Set by `shutdown_now`; the interrupts of the jobs follow it.
    pub(crate) stop: Interrupt,
}

/// What this thread does for a pool.
struct Role {
    /// The pool's address: two live pools differ in it.
    pool: *const Pool,
    /// The counts of the worker that this thread is; none if it is a caller that runs a job.
    worker: Option<(Arc<Ends>, Worker)>,
}

thread_local! {
    static ROLES: RefCell<Vec<Role>> = const { RefCell::new(Vec::new()) };
}

/// Ends a role when dropped.
pub(crate) struct RoleGuard;

impl Drop for RoleGuard {
    fn drop(&mut self) {
        let ended = ROLES.with_borrow_mut(Vec::pop);
        drop(ended);
    }
}

impl Pool {
    pub(crate) fn new(
        name: Arc<str>,
        settings: Settings,
        policy: Box<dyn RejectionPolicy>,
        hooks: Hooks,
        threads: ThreadMaker,
    ) -> Arc<Self> {
        let popped = Arc::new(Popped::default());
        Arc::new(Self {
            name,
            outbox: Mutex::new(Outbox::new(Arc::clone(&popped))),
            desk: Mutex::new(Desk::new(settings, popped)),
            policy,
            hooks,
            threads,
            stop: Interrupt::new(),
        })
    }

    // A job's way in.

    /// Takes the job, or asks the policy what to do with it.
    pub(crate) fn execute(self: &Arc<Self>, job: Job) -> Result<(), Rejected> {
        let Err(rejected) = self.admit(job) else { return Ok(()) };
        match rejected.reason() {
            RejectReason::SpawnFailed => {
                self.count_rejected();
                Err(rejected)
            }
            reason => {
                log::trace!("pool {}: asks its policy about a job: {reason:?}", self.name);
                Saturation::new(self, reason).consult(&*self.policy, rejected.into_job())
            }
        }
    }

    /// Takes the job, or counts it as rejected.
    pub(crate) fn try_execute(self: &Arc<Self>, job: Job) -> Result<(), Rejected> {
        self.admit(job).inspect_err(|_| self.count_rejected())
    }

    /// Takes the job as soon as there is room, or counts it as rejected.
    pub(crate) fn execute_by(
        self: &Arc<Self>,
        job: Job,
        deadline: Deadline,
    ) -> Result<(), Rejected> {
        self.admit_by(job, deadline).inspect_err(|_| self.count_rejected())
    }

    /// Takes the job or returns it, not counted.
    pub(crate) fn admit(self: &Arc<Self>, job: Job) -> Result<(), Rejected> {
        let now = Instant::now();
        let mut attempt = Attempt::First;
        loop {
            let mut desk = self.desk.lock();
            if attempt != Attempt::First {
                desk.brought();
            }
            match desk.decide(attempt) {
                Decision::Enqueue => {
                    self.enqueue(desk, job, now);
                    return Ok(());
                }
                Decision::HandOff => {
                    self.hand_off(desk, job);
                    return Ok(());
                }
                Decision::HandOffAndStart => {
                    let recruit = desk.recruit();
                    self.hand_off(desk, job);
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
                        (Ok(()), _) => Attempt::Started(1),
                        (Err(_), _) => Attempt::Failed,
                    };
                }
                Decision::Saturated => return Err(Rejected::new(job, RejectReason::Saturated)),
                Decision::Refused => return Err(Rejected::new(job, RejectReason::Shutdown)),
                Decision::Unstaffed => {
                    drop(desk);
                    self.rescue();
                    return Err(Rejected::new(job, RejectReason::SpawnFailed));
                }
            }
        }
    }

    /// Takes the job as soon as there is room, or returns it, not counted.
    pub(crate) fn admit_by(
        self: &Arc<Self>,
        mut job: Job,
        deadline: Deadline,
    ) -> Result<(), Rejected> {
        loop {
            match self.admit(job) {
                Err(rejected) if rejected.reason() == RejectReason::Saturated => {
                    job = rejected.into_job();
                }
                other => return other,
            }
            if let Err(reason) = self.wait_for_room(deadline) {
                return Err(Rejected::new(job, reason));
            }
        }
    }

    fn enqueue(self: &Arc<Self>, mut desk: MutexGuard<'_, Desk>, job: Job, since: Instant) {
        if self.take_in(&job) {
            desk.enqueue(job, since);
        } else {
            desk.tally.cancel_new();
            drop(desk);
            drop(job);
        }
    }

    fn hand_off(self: &Arc<Self>, mut desk: MutexGuard<'_, Desk>, job: Job) {
        if !(self.take_in(&job) && job.start()) {
            desk.tally.cancel_new();
            drop(desk);
            drop(job);
            return;
        }
        let mailbox = desk.choose_idle().expect("decided under this lock that one is idle");
        drop(desk);
        send(&mailbox, job);
    }

    /// Makes this pool the job's home; false if its handle has cancelled it.
    fn take_in(self: &Arc<Self>, job: &Job) -> bool {
        job.pending().is_none_or(|task| task.queue(Arc::clone(self) as Arc<dyn Home>))
    }

    /// Waits until admission would not find the pool saturated.
    pub(crate) fn wait_for_room(&self, deadline: Deadline) -> Result<(), RejectReason> {
        let mut outbox = self.outbox.lock();
        let mut desk = self.desk.lock();
        if desk.phase != Phase::Running {
            return Err(RejectReason::Shutdown);
        }
        if desk.has_room() {
            return Ok(());
        }
        let waiter = Waiter::new();
        desk.room_waiters.push_back(Arc::clone(&waiter));
        outbox.room_wanted = true;
        drop(desk);
        drop(outbox);
        let Err(error) = waiter.wait(deadline, Heed::Interrupts) else { return Ok(()) };
        let mut desk = self.desk.lock();
        let place = desk.room_waiters.iter().position(|other| Arc::ptr_eq(other, &waiter));
        let wakes = match place {
            Some(place) => {
                desk.room_waiters.remove(place);
                None
            }
            // It was woken too late to use the room: the next one shall.
            None => Some(desk.note_change()),
        };
        drop(desk);
        if let Some(wakes) = wakes {
            wakes.wake();
        }
        Err(match error {
            AwaitError::Interrupted => RejectReason::Interrupted,
            AwaitError::TimedOut | AwaitError::FromWorker => RejectReason::TimedOut,
        })
    }

    // What policies and handles do.

    /// Queues the job in the place of the oldest pending one, which is dropped; returns it, not
    /// counted, if none is pending.
    pub(crate) fn displace_oldest(self: &Arc<Self>, mut job: Job) -> Result<(), Rejected> {
        loop {
            match self.admit(job) {
                Err(rejected) if rejected.reason() == RejectReason::Saturated => {
                    job = rejected.into_job();
                }
                other => return other,
            }
            let mut dead = Vec::new();
            let mut outbox = self.outbox.lock();
            let mut desk = self.desk.lock();
            if desk.decide(Attempt::First) != Decision::Saturated {
                continue;
            }
            let Some(oldest) = desk.take_oldest(&mut outbox, &mut dead) else {
                return Err(Rejected::new(job, RejectReason::Saturated));
            };
            desk.tally.discarded += 1;
            drop(outbox);
            self.enqueue(desk, job, Instant::now());
            self.drop_contained(oldest);
            return Ok(());
        }
    }

    pub(crate) fn take_oldest(&self) -> Option<Job> {
        let mut dead = Vec::new();
        let mut outbox = self.outbox.lock();
        let mut desk = self.desk.lock();
        let oldest = desk.take_oldest(&mut outbox, &mut dead)?;
        desk.tally.handed_back += 1;
        let wakes = desk.note_change();
        drop(desk);
        drop(outbox);
        wakes.wake();
        Some(oldest)
    }

    /// Runs the job on this thread, which is not one of the pool's; returns it, not counted, if the
    /// pool is shut down.
    pub(crate) fn run_on_caller(self: &Arc<Self>, job: Job) -> Result<(), Rejected> {
        let mut desk = self.desk.lock();
        if desk.phase != Phase::Running {
            return Err(Rejected::new(job, RejectReason::Shutdown));
        }
        if !(self.take_in(&job) && job.start()) {
            desk.tally.cancel_new();
            drop(desk);
            drop(job);
            return Ok(());
        }
        desk.caller_starts();
        drop(desk);
        self.run_as_caller(job);
        Ok(())
    }

    /// Runs a job that the desk counts as a caller's.
    pub(crate) fn run_as_caller(&self, job: Job) {
        let role = self.enter(None);
        let frame = interrupt::enter_pool(&self.stop);
        let worker = Worker { index: 0, pool: Arc::clone(&self.name) };
        let (outcome, settlement) = self.run(&worker, job);
        drop(frame);
        drop(role);
        let mut desk = self.desk.lock();
        desk.tally.end(outcome);
        desk.caller_ends();
        let wakes = desk.note_change();
        drop(desk);
        wakes.wake();
        drop(settlement);
        self.settled(1);
    }

    /// Drops a job that will not be run. A panic of its captures is reported and goes no further.
    pub(crate) fn drop_contained(&self, job: Job) {
        if let Err(payload) = drop_caught(job) {
            self.hooks.panicked(&self.name, "a dropped job's destructor", payload);
        }
    }

    pub(crate) fn count_rejected(&self) {
        self.desk.lock().tally.reject();
    }

    pub(crate) fn count_discarded(&self) {
        self.desk.lock().tally.discard_new();
    }

    pub(crate) fn stats(&self) -> PoolStats {
        let outbox = self.outbox.lock();
        let mut desk = self.desk.lock();
        let oldest = outbox.jobs.oldest().or_else(|| desk.inbox.oldest());
        desk.stats(oldest)
    }

    /// The handles of this many ended jobs have been told.
    pub(crate) fn settled(&self, handles: usize) {
        let mut desk = self.desk.lock();
        let wakes = desk.settled(handles);
        let tidy = desk.try_tidy();
        drop(desk);
        wakes.wake();
        self.tidy(tidy);
    }

    // Who this thread is.

    pub(crate) fn enter(&self, worker: Option<(Arc<Ends>, Worker)>) -> RoleGuard {
        ROLES.with_borrow_mut(|roles| roles.push(Role { pool: self, worker }));
        RoleGuard
    }

    /// Returns whether this thread runs a job or a hook of this pool.
    pub(crate) fn is_inside(&self) -> bool {
        let is_this = |role: &Role| std::ptr::eq(role.pool, self);
        ROLES.try_with(|roles| roles.borrow().iter().any(is_this)).unwrap_or(false)
    }

    fn this_worker(&self) -> Option<(Arc<Ends>, Worker)> {
        ROLES
            .try_with(|roles| {
                let roles = roles.borrow();
                roles.iter().find(|role| std::ptr::eq(role.pool, self))?.worker.clone()
            })
            .ok()?
    }

    // Starting workers.

    /// Starts the thread of a recruit, with no lock held.
    pub(crate) fn start(self: &Arc<Self>, recruit: Recruit) -> io::Result<()> {
        let result = self.threads.start(self, recruit);
        self.join_gone();
        if let Err(error) = &result {
            log::error!("pool {}: could not start a worker thread: {error}", self.name);
        }
        result
    }

    /// Starts a worker if jobs are pending and nobody is there to run them, because a thread was
    /// refused on which they relied. If it is refused again, the next call to the pool tries again.
    pub(crate) fn rescue(self: &Arc<Self>) {
        let mut desk = self.desk.lock();
        if !desk.is_stranded() {
            return;
        }
        let recruit = desk.recruit();
        let pending = desk.pending();
        drop(desk);
        if self.start(recruit).is_err() {
            log::error!("pool {}: {pending} jobs are pending and there is no worker", self.name);
        }
    }

    /// Joins the threads that have ended.
    pub(crate) fn join_gone(&self) {
        let gone = self.desk.lock().threads.take_gone();
        if gone.is_empty() {
            return;
        }
        let count = gone.len();
        for thread in gone {
            if !thread.join() {
                log::warn!(
                    "pool {}: the thread factory returned the handle of another thread than the \
                     worker's; it is not joined",
                    self.name
                );
            }
        }
        let mut desk = self.desk.lock();
        desk.threads.joined(count);
        let waiters = std::mem::take(&mut desk.end_waiters);
        drop(desk);
        let mut wakes = Wakes::default();
        wakes.add(waiters);
        wakes.wake();
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

impl Home for Pool {
    fn cancel(&self, claim: &mut dyn FnMut() -> bool) -> bool {
        let mut desk = self.desk.lock();
        if !claim() {
            return false;
        }
        desk.tally.cancelled += 1;
        let sweep = desk.drop_out();
        let wakes = desk.note_change();
        let tidy = desk.try_tidy();
        drop(desk);
        wakes.wake();
        self.tidy(tidy);
        self.sweep(sweep);
        true
    }

    fn help(&self, task: &Arc<dyn Pending>) -> bool {
        let Some((ends, worker)) = self.this_worker() else { return false };
        let mut desk = self.desk.lock();
        if !task.start() {
            return false;
        }
        desk.tally.started += 1;
        let sweep = desk.drop_out();
        let wakes = desk.note_change();
        drop(desk);
        wakes.wake();
        self.sweep(sweep);
        // A frame of its own: the waiting job's interrupt comes back after.
        let frame = interrupt::enter_pool(&self.stop);
        let (outcome, settlement) = self.run(&worker, Job::tracked(Arc::clone(task)));
        drop(frame);
        ends.note(outcome);
        drop(settlement);
        true
    }

    fn report_panic(&self, payload: Payload) {
        self.hooks.panicked(&self.name, "a job whose handle is gone", payload);
    }
}

impl Pool {
    /// Runs a started job under the hooks.
    pub(crate) fn run(
        &self,
        worker: &Worker,
        job: Job,
    ) -> (Outcome, Option<Settlement>) {
        let (ended, hooked) = match self.hooks.job_starts(worker) {
            Ok(()) => (job.run_caught(), true),
            Err(payload) => (job.fail(payload), false),
        };
        if hooked {
            self.hooks.job_ended(worker, ended.outcome);
        }
        if let Some(payload) = ended.unclaimed {
            self.hooks.panicked(&self.name, "a job", payload);
        }
        interrupt::end_job();
        (ended.outcome, ended.settlement)
    }

    fn sweep(&self, sweep: Sweep) {
        match sweep {
            Sweep::NotYet => {}
            Sweep::Due => {
                let mut dead = Vec::new();
                let mut outbox = self.outbox.lock();
                outbox.jobs.sweep(&mut dead);
                self.desk.lock().inbox.sweep(&mut dead);
                drop(outbox);
                dead.into_iter().for_each(|job| self.drop_contained(job));
            }
        }
    }
}
