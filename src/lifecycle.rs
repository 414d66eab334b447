//! Owns the end of a pool: the ways to begin it, its last step, and waiting for it or for a pause.
//!
//! Every change of phase is made at the desk. The one that enters `Tidying` is made by whoever sees
//! the last job and the last worker gone; that thread runs `on_terminated` and publishes the end.

use std::time::Duration;

use crate::desk::Tidy;
use crate::error::{AwaitError, CancelReason};
use crate::interrupt::{self, Within};
use crate::job::{Job, Slot};
use crate::logging;
use crate::phase::Phase;
use crate::pool::Pool;
use crate::post::Post;
use crate::running::Listed;
use crate::shutdown_plan::ShutdownPlan;
use crate::sync::Arc;
use crate::wait::{Deadline, Heed, Waiter, park_until};

mod joining; // the threads that have ended

/// What dropping a [`ThreadPoolExecutor`](crate::ThreadPoolExecutor) does.
///
/// Whatever is chosen: if a panic drops it, that is `shutdown_now` without a wait, and on one of the
/// pool's own workers it never waits. Nor does it wait after
/// [`shutdown_with`](crate::Handle::shutdown_with) has reported that the pool did not end.
///
/// A panic drops it if the thread is panicking and the pool is older than that panic. One that was
/// made by a destructor which a panic runs is dropped as ever; so does an end that is asked for by
/// name, as [`close`](crate::ThreadPoolExecutor::close), what its name says.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum OnDrop {
    /// `shutdown`, then wait until every accepted job has run, however long that takes.
    #[default]
    Close,
    /// `shutdown_now`, dropping the pending jobs, then wait for the running ones.
    Stop,
    /// `shutdown`, and wait for nothing. The program's end ends the jobs too.
    Detach,
    /// [`shutdown_with`](crate::Handle::shutdown_with) this plan. Unless the end was clean the report
    /// is logged as a warning, and the pending jobs that were handed back are dropped.
    Plan(ShutdownPlan),
}

/// How often a wait without an end that has become long is mentioned in the log. Unit tests wait it
/// out.
pub(crate) const LONG: Duration =
    Duration::from_millis(if cfg!(all(test, not(workcrew_loom))) { 20 } else { 10_000 });

/// How often a worker is asked for again after the operating system has refused one.
const RESCUE: Duration = Duration::from_millis(50);

/// Whether this thread has ended the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
enum LastStep {
    Taken,
    NotTaken,
}

impl Pool {
    pub(crate) fn shutdown(self: &Arc<Self>) {
        let mut desk = self.desk.lock();
        let begins = desk.phase() == Phase::Running;
        if begins {
            desk.enter(Phase::Shutdown);
        }
        desk.tell_idle();
        let wakes = desk.note_change();
        let tidy = desk.try_tidy();
        drop(desk);
        wakes.wake();
        let last_step = self.take_last_step(tidy);
        // What came of it is logged, and whoever waits for the jobs tries again.
        let _attention = self.rescue();
        if begins {
            self.aside(|| logging::write!(Debug, "pool {}: shuts down", self.name));
        }
        self.log_end(last_step);
    }

    pub(crate) fn shutdown_now(self: &Arc<Self>) -> Vec<Job> {
        self.stop(CancelReason::HandedBack, Deadline::NEVER)
    }

    /// The same. Beyond `deadline` it waits for none of the user's callbacks.
    pub(crate) fn stop_by(self: &Arc<Self>, deadline: Deadline) -> Vec<Job> {
        self.stop(CancelReason::HandedBack, deadline)
    }

    /// Stops the pool and drops the pending jobs, which nobody takes over.
    pub(crate) fn stop_unrun(self: &Arc<Self>) {
        self.drop_unrun(self.stop(CancelReason::Shutdown, Deadline::NEVER));
    }

    /// Stops the pool. Returns the pending jobs, of which who waits is told that they do not run
    /// and `why`.
    fn stop(self: &Arc<Self>, why: CancelReason, deadline: Deadline) -> Vec<Job> {
        // Declared before the guards, and so dropped after them.
        let mut dead = Vec::new();
        let mut outbox = self.outbox.lock();
        let mut desk = self.desk.lock();
        let begins = desk.phase() < Phase::Stop;
        if begins {
            desk.enter(Phase::Stop);
        }
        let pending = desk.take_all(&mut outbox, &mut dead);
        desk.tell_idle();
        let wakes = desk.note_change();
        drop(desk);
        drop(outbox);
        wakes.wake();
        // What is told here may run code of the user's too, so all is set before.
        let calls = interrupt::set_all([self.stop.clone()]);
        let helpers = calls.start(&format!("{}-interrupt", self.name), self.as_own());
        for job in &pending {
            job.because(why);
            job.tell_handed_back();
        }
        helpers.finish(deadline.sooner(Deadline::after(interrupt::CALLS)).instant());
        let tidy = self.desk.lock().try_tidy();
        let last_step = self.take_last_step(tidy);
        if begins {
            let count = pending.len();
            self.aside(|| {
                logging::write!(Debug, "pool {}: stops, {count} jobs handed back", self.name);
            });
        }
        self.log_end(last_step);
        pending
    }

    /// What a thread runs within that is none of the pool's, and must not wait for it.
    fn as_own(self: &Arc<Self>) -> Within {
        let pool = Arc::clone(self);
        Arc::new(move |work| {
            let _role = pool.enter_hook();
            work();
        })
    }

    pub(crate) fn take_pending(&self) -> Vec<Job> {
        let mut dead = Vec::new();
        let mut outbox = self.outbox.lock();
        let mut desk = self.desk.lock();
        let pending = desk.take_all(&mut outbox, &mut dead);
        let wakes = desk.note_change();
        let tidy = desk.try_tidy();
        drop(desk);
        drop(outbox);
        wakes.wake();
        self.tidy(tidy);
        pending.iter().for_each(Job::tell_handed_back);
        pending
    }

    /// Takes the last step, if it is due, and logs it.
    pub(crate) fn tidy(&self, tidy: Tidy) {
        let last_step = self.take_last_step(tidy);
        self.log_end(last_step);
    }

    /// Takes the last step, if it is due: runs the last hook, then publishes the end.
    fn take_last_step(&self, tidy: Tidy) -> LastStep {
        match tidy {
            Tidy::NotYet => return LastStep::NotTaken,
            Tidy::Due => {}
        }
        let role = self.enter_hook();
        self.hooks.terminated(&self.name);
        drop(role);
        let mut desk = self.desk.lock();
        desk.enter(Phase::Terminated);
        let mut wakes = desk.note_change();
        wakes.append(desk.note_over());
        drop(desk);
        wakes.wake();
        LastStep::Taken
    }

    fn log_end(&self, last_step: LastStep) {
        match last_step {
            LastStep::Taken => {
                self.aside(|| logging::write!(Debug, "pool {}: has ended", self.name));
            }
            LastStep::NotTaken => {}
        }
    }

    /// Waits until the pool has ended and its threads are joined.
    pub(crate) fn wait_end(
        self: &Arc<Self>,
        deadline: Deadline,
        heed: Heed,
    ) -> Result<(), AwaitError> {
        self.wait_over(deadline, heed)?;
        self.wait_joined(deadline, heed)
    }

    /// Waits until the pool has ended, and its threads but for their very last steps.
    fn wait_over(self: &Arc<Self>, deadline: Deadline, heed: Heed) -> Result<(), AwaitError> {
        if self.is_inside() {
            return Err(AwaitError::FromWorker);
        }
        loop {
            let _attention = self.rescue();
            let mut desk = self.desk.lock();
            let has_ended = desk.phase() == Phase::Terminated;
            if has_ended && desk.threads.all_joined() {
                return Ok(());
            }
            if desk.threads.includes_this() {
                return Err(AwaitError::FromWorker);
            }
            if has_ended && desk.threads.are_over() {
                return Ok(());
            }
            let until = if desk.is_stranded() {
                deadline.sooner(Deadline::after(RESCUE))
            } else {
                deadline
            };
            let waiter = Waiter::new();
            desk.end_waiters.push(Arc::clone(&waiter));
            drop(desk);
            if let Err(error) = self.wait_to_look(&waiter, until, heed) {
                if error == AwaitError::Interrupted || deadline.is_past() {
                    return Err(error);
                }
            }
        }
    }

    /// Waits until something has happened for which those who wait for the pool's end look again.
    fn wait_to_look(
        &self,
        waiter: &Arc<Waiter>,
        until: Deadline,
        heed: Heed,
    ) -> Result<(), AwaitError> {
        waiter.wait(until, heed).inspect_err(|_| {
            self.desk.lock().end_waiters.retain(|other| !Arc::ptr_eq(other, waiter));
        })
    }

    /// Waits for a moment at which nothing is queued or running.
    pub(crate) fn wait_idle(self: &Arc<Self>, deadline: Deadline) -> Result<(), AwaitError> {
        if self.is_inside() {
            return Err(AwaitError::FromWorker);
        }
        let waiter = Waiter::new();
        let mut desk = self.desk.lock();
        desk.idle_waiters.push(Arc::clone(&waiter));
        // It may be a pause already.
        let wakes = desk.note_idle();
        drop(desk);
        wakes.wake();
        loop {
            let _attention = self.rescue();
            let is_stranded = self.desk.lock().is_stranded();
            let until =
                if is_stranded { deadline.sooner(Deadline::after(RESCUE)) } else { deadline };
            let woken = park_until(until, Heed::Interrupts, || {
                let has_paused = waiter.is_woken();
                let looks_again = !is_stranded && self.desk.lock().is_stranded();
                (has_paused || looks_again).then_some(has_paused)
            });
            match woken {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(AwaitError::TimedOut) if !deadline.is_past() => {}
                Err(error) => {
                    return if self.desk.lock().missed_pause(&waiter) {
                        Err(error)
                    } else {
                        Ok(())
                    };
                }
            }
        }
    }

    /// Ends the pool as a panic of its owner does.
    pub(crate) fn abandon(self: &Arc<Self>) {
        self.drop_unrun(self.shutdown_now());
    }

    /// Ends the pool as its owner's drop does.
    pub(crate) fn end(self: &Arc<Self>, on_drop: OnDrop) {
        if self.stopping.lock().is_given_up() {
            return;
        }
        match on_drop {
            OnDrop::Close => self.shutdown(),
            OnDrop::Stop => self.stop_unrun(),
            OnDrop::Detach => {
                self.shutdown();
                if self.desk.lock().is_deserted() {
                    // No worker, and nobody to ask for one again: the handles shall know.
                    let pending = self.stop(CancelReason::Shutdown, Deadline::NEVER);
                    logging::write!(
                        Error,
                        "pool {}: detached without a worker for its jobs",
                        self.name
                    );
                    self.drop_unrun(pending);
                }
                return;
            }
            OnDrop::Plan(plan) => {
                // Logged where it is made.
                let mut report = self.shutdown_with(&plan);
                self.drop_unrun(report.take_pending());
                return;
            }
        }
        self.wait_closed();
    }

    /// Its owner wants to wait whatever a plan came to.
    pub(crate) fn resume_waiting(&self) {
        self.stopping.lock().insists = true;
    }

    /// Waits for the end without a limit. An interrupt of the waiting job turns it into
    /// `shutdown_now`, and the wait goes on. Where no worker can be had this thread runs the jobs.
    fn wait_closed(self: &Arc<Self>) {
        let mut heed = Heed::Interrupts;
        loop {
            while self.run_stranded() {}
            match self.wait_over(Deadline::after(LONG), heed) {
                Ok(()) => {
                    // Nothing is left that an interrupt could end, so that this cannot fail.
                    self.wait_joined(Deadline::NEVER, Heed::Nothing).ok();
                    return;
                }
                Err(AwaitError::Interrupted) => {
                    heed = Heed::Nothing;
                    let pending = self.stop(CancelReason::Shutdown, Deadline::NEVER);
                    logging::write!(Warn, "pool {}: interrupted while closing, stops", self.name);
                    self.drop_unrun(pending);
                }
                Err(AwaitError::TimedOut) => {
                    // A plan that another thread carried out may have come to its end without.
                    if self.stopping.lock().is_given_up() {
                        return;
                    }
                    self.log_long_wait();
                }
                Err(AwaitError::FromWorker) => {
                    logging::write!(
                        Warn,
                        "pool {}: closed from one of its own jobs, which it cannot wait for",
                        self.name
                    );
                    return;
                }
            }
        }
    }

    /// Says what a wait that takes long waits for.
    pub(crate) fn log_long_wait(&self) {
        logging::write!(
            Warn,
            "pool {}: still waits for its jobs: {}; running: {}",
            self.name,
            self.stats(),
            Listed(&self.running_jobs())
        );
    }

    /// Runs a pending job on this thread if nobody else is there to run it.
    pub(crate) fn run_stranded(self: &Arc<Self>) -> bool {
        let _attention = self.rescue();
        let mut dead = Vec::new();
        let mut outbox = self.outbox.lock();
        let mut desk = self.desk.lock();
        if !desk.is_stranded() {
            return false;
        }
        let mut slot = Slot::empty();
        if !desk.next_job(&mut outbox, &mut slot, &mut dead) {
            return false;
        }
        let post = Arc::new(Post::taken_here());
        desk.caller_takes_over(Arc::clone(&post));
        drop(desk);
        drop(outbox);
        self.run_as_caller(&post, &mut slot);
        true
    }
}
