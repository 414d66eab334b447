//! Owns the state that handles and workers share, what a thread is to it, and the start of workers.
//!
//! Locks are taken in this order: outbox, desk, the state of one job. No user code runs, and nothing
//! of the user's is dropped, under any of them.

use std::cell::RefCell;
use std::io;

use crate::desk::{Desk, Recruit, Sweep};
use crate::error::Payload;
use crate::hooks::{Hooks, Worker};
use crate::interrupt::{self, Interrupt};
use crate::job::{Home, Job, Outcome, Pending, Settlement};
use crate::queue::Shelf;
use crate::rejection::RejectionPolicy;
use crate::settings::Settings;
use crate::stats::{Ends, PoolStats};
use crate::sync::{Apart, Arc, Mutex, thread_local};
use crate::worker::ThreadMaker;

/// A pool, shared by its owner, its handles, its workers and the handles of its jobs.
pub(crate) struct Pool {
    pub(crate) name: Arc<str>,
    pub(crate) outbox: Arc<Shelf>,
    pub(crate) desk: Apart<Mutex<Desk>>,
    pub(crate) policy: Box<dyn RejectionPolicy>,
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
pub(crate) struct RoleGuard {
    /// False in a thread-local's destructor that runs after this thread's roles are gone.
    has_role: bool,
}

impl Drop for RoleGuard {
    fn drop(&mut self) {
        if self.has_role {
            let ended = ROLES.try_with(|roles| roles.borrow_mut().pop());
            drop(ended);
        }
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
        let outbox = Arc::new(Shelf::default());
        Arc::new(Self {
            name,
            desk: Apart::new(Mutex::new(Desk::new(settings, Arc::clone(&outbox)))),
            outbox,
            policy,
            hooks,
            threads,
            stop: Interrupt::new(),
        })
    }

    pub(crate) fn stats(&self) -> PoolStats {
        let outbox = self.outbox.lock();
        let mut desk = self.desk.lock();
        let oldest = outbox.jobs.oldest().or_else(|| desk.inbox.oldest());
        desk.stats(oldest)
    }

    // Who this thread is.

    pub(crate) fn enter(&self, worker: Option<(Arc<Ends>, Worker)>) -> RoleGuard {
        let role = Role { pool: self, worker };
        let has_role = ROLES.try_with(|roles| roles.borrow_mut().push(role)).is_ok();
        RoleGuard { has_role }
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
        let result = self.launch(recruit);
        if result.is_err() {
            self.rescue();
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
        if self.launch(recruit).is_err() {
            log::error!("pool {}: {pending} jobs are pending and there is no worker", self.name);
        }
    }

    fn launch(self: &Arc<Self>, recruit: Recruit) -> io::Result<()> {
        let result = self.threads.start(self, recruit);
        self.join_gone();
        if let Err(error) = &result {
            log::error!("pool {}: could not start a worker thread: {error}", self.name);
        }
        result
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
        let wakes = desk.note_over();
        drop(desk);
        wakes.wake();
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
        drop(desk);
        wakes.wake();
        self.sweep(sweep);
        true
    }

    fn cancel_ended(&self) {
        let tidy = self.desk.lock().try_tidy();
        self.tidy(tidy);
    }

    fn help(&self, task: &Arc<dyn Pending>, claim: &mut dyn FnMut() -> bool) {
        let Some((ends, worker)) = self.this_worker() else { return };
        let mut desk = self.desk.lock();
        // A worker that has left has had its counts taken over, and counts no more.
        if !(desk.employs(worker.index) && claim()) {
            return;
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
    }

    fn report_panic(&self, payload: Payload) {
        self.hooks.panicked(&self.name, "a job whose handle is gone", payload);
    }
}

impl Pool {
    /// Runs a started job under the hooks.
    #[inline]
    pub(crate) fn run(&self, worker: &Worker, job: Job) -> (Outcome, Option<Settlement>) {
        let ended = match self.hooks.job_starts(worker) {
            Ok(()) => {
                let ended = job.run_caught();
                self.hooks.job_ended(worker, ended.outcome);
                ended
            }
            Err(payload) => job.fail(payload),
        };
        if ended.unclaimed.is_some() || ended.stray.is_some() {
            self.report_panics(ended.unclaimed, ended.stray);
        }
        interrupt::end_job();
        (ended.outcome, ended.settlement)
    }

    #[cold]
    fn report_panics(&self, unclaimed: Option<Payload>, stray: Option<Payload>) {
        if let Some(payload) = unclaimed {
            self.hooks.panicked(&self.name, "a job", payload);
        }
        self.report_destructor(stray);
    }

    /// Reports the panic, if there was one, of the captures of a job that was not run.
    pub(crate) fn report_destructor(&self, panic: Option<Payload>) {
        if let Some(payload) = panic {
            self.hooks.panicked(&self.name, "a dropped job's destructor", payload);
        }
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
                self.drop_all(dead);
            }
        }
    }
}
