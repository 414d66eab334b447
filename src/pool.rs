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
use crate::job::{Home, Job, Origin, Outcome, Pending, Settlement, drop_caught, enter_job};
use crate::post::Post;
use crate::queue::Shelf;
use crate::rejection::{RejectionPolicy, policy};
use crate::running::RunningJob;
use crate::settings::{Settings, Tenure};
use crate::stats::{Ends, PoolStats};
use crate::stopping::Stopping;
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
    /// Locked alone.
    pub(crate) stopping: Mutex<Stopping>,
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
            stopping: Mutex::default(),
        })
    }

    pub(crate) fn stats(&self) -> PoolStats {
        let outbox = self.outbox.lock();
        let mut desk = self.desk.lock();
        let oldest = outbox.jobs.oldest().or_else(|| desk.inbox.oldest());
        desk.stats(oldest)
    }

    /// The jobs that are being run, the longest-running first.
    pub(crate) fn running_jobs(&self) -> Vec<RunningJob> {
        let (workers, callers) = {
            let desk = self.desk.lock();
            (desk.crew(), desk.callers())
        };
        let mut running = Vec::new();
        for (index, ends) in workers {
            ends.post.list(index, &mut running);
        }
        for post in callers {
            post.list(0, &mut running);
        }
        running.sort_by_key(|job| std::cmp::Reverse(job.running_for()));
        running
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
        if let Err(error) = &result {
            log::error!("pool {}: could not start a worker thread: {error}", self.name);
        }
        result
    }
}

impl Drop for Pool {
    /// Drops what is the user's, piece by piece: a panic of one destructor is reported and keeps no
    /// other from running. The last to let go of a pool can be a worker's thread at its last step,
    /// where a panic would end the process.
    fn drop(&mut self) {
        let policy = std::mem::replace(&mut self.policy, Box::new(policy::Abort));
        let ThreadMaker { namer, factory, .. } = &mut self.threads;
        let stray = [drop_caught(policy), drop_caught(namer.take()), drop_caught(factory.take())];
        for payload in stray.into_iter().filter_map(Result::err) {
            self.hooks.panicked(&self.name, "the destructor of a policy or factory", payload);
        }
        self.hooks.let_go(&self.name);
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

    fn help(&self, task: &Arc<dyn Pending>, claim: &mut dyn FnMut() -> bool) -> bool {
        let Some((ends, worker)) = self.this_worker() else { return false };
        let mut desk = self.desk.lock();
        // Where each job has a thread of its own, the one for this job is about to start.
        if desk.settings().tenure == Tenure::OneJob {
            return false;
        }
        // A worker that has left has had its counts taken over, and counts no more.
        if !(desk.employs(worker.index) && claim()) {
            return true;
        }
        desk.tally.started += 1;
        let sweep = desk.drop_out();
        let wakes = desk.note_change();
        drop(desk);
        wakes.wake();
        self.sweep(sweep);
        // A frame of its own: the waiting job's interrupt comes back after.
        let frame = interrupt::enter_pool(&self.stop);
        let entered = enter_job();
        ends.post.push_down();
        ends.post.start_now();
        let job = Job::tracked(Arc::clone(task));
        let (outcome, settlement) = self.run(&worker, &ends.post, job);
        ends.post.pop_up();
        drop(entered);
        drop(frame);
        ends.note(outcome);
        drop(settlement);
        true
    }

    fn report_panic(&self, payload: Payload) {
        self.hooks.panicked(&self.name, "a job whose handle is gone", payload);
    }

    fn report(&self, source: &str, origin: Option<&Origin>, payload: Payload) {
        self.hooks.panicked_from(&self.name, source, origin, payload);
    }
}

impl Pool {
    /// Runs a started job under the hooks, at a post that knows the time of the start.
    #[inline]
    pub(crate) fn run(
        &self,
        worker: &Worker,
        post: &Post,
        job: Job,
    ) -> (Outcome, Option<Settlement>) {
        let naming = post.begin(&job);
        let ended = match self.hooks.job_starts(worker) {
            Ok(()) => {
                let ended = job.run_caught();
                self.hooks.job_ended(worker, ended.outcome);
                ended
            }
            Err(payload) => job.fail(payload),
        };
        if ended.unclaimed.is_some() || ended.stray.is_some() {
            self.report_panics(post, ended.unclaimed, ended.stray);
        }
        interrupt::end_job();
        post.end(naming);
        (ended.outcome, ended.settlement)
    }

    #[cold]
    fn report_panics(&self, post: &Post, unclaimed: Option<Payload>, stray: Option<Payload>) {
        if let Some(payload) = unclaimed {
            self.hooks.panicked_from(&self.name, "a job", post.origin().as_ref(), payload);
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
