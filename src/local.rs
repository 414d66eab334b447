//! Owns what the executors without threads of their own share: running a job on the thread that
//! asks, what that thread is to the executor meanwhile, and a store of pending jobs.
//!
//! Nothing is counted here, so a job's own lock decides alone who takes or cancels it. A thread's
//! roles are never borrowed while code of the user's runs or anything of the user's is dropped.

use std::cell::RefCell;
use std::collections::VecDeque;

use crate::error::{Payload, panic_text};
use crate::interrupt::{self, Interrupt};
use crate::job::waiting::{Attention, Parting, Standing};
use crate::job::{Bound, Help, Home, Job, Moved, Origin, Pending, discard_payload, drop_caught};
use crate::logging;
use crate::sync::{Arc, thread_local};

/// Runs the jobs of one executor, and is their home. It holds none of them, so that they are dropped
/// with their executor.
pub(crate) struct Runner {
    /// For the log.
    name: &'static str,
}

/// What this thread does for an executor.
struct Role {
    /// The runner's address: two live ones differ in it.
    runner: *const Runner,
    /// Interrupts the jobs that run here.
    stop: Interrupt,
    /// Submitted by the job that runs here, to be run after it.
    put_off: Backlog,
}

thread_local! {
    static ROLES: RefCell<Vec<Role>> = const { RefCell::new(Vec::new()) };
}

/// Lets this thread run jobs until it is dropped.
#[must_use = "the role ends with it"]
pub(crate) struct RoleGuard {
    /// False in a thread-local's destructor that runs after this thread's roles are gone.
    has_role: bool,
    _frame: interrupt::Entered,
}

impl Drop for RoleGuard {
    fn drop(&mut self) {
        if self.has_role {
            let ended = ROLES.try_with(|roles| roles.borrow_mut().pop());
            drop(ended);
        }
    }
}

/// Returns whether this thread runs jobs for any runner.
pub(crate) fn runs_jobs() -> bool {
    ROLES.try_with(|roles| !roles.borrow().is_empty()).unwrap_or(false)
}

impl Runner {
    pub(crate) fn new(name: &'static str) -> Arc<Self> {
        Arc::new(Self { name })
    }

    /// Makes this the job's home; false if its handle has cancelled it.
    pub(crate) fn take_in(self: &Arc<Self>, job: &Job) -> Option<Moved> {
        job.moves_to(0, || Arc::clone(self) as Arc<dyn Home>)
    }

    /// Makes this thread one that runs jobs, which `stop` interrupts.
    pub(crate) fn enter(&self, stop: &Interrupt) -> RoleGuard {
        let role = Role { runner: self, stop: stop.clone(), put_off: Backlog::default() };
        let has_role = ROLES.try_with(|roles| roles.borrow_mut().push(role)).is_ok();
        RoleGuard { has_role, _frame: interrupt::enter_pool(stop) }
    }

    /// Calls `f` with what this thread is to this runner, if it is inside.
    fn with_role<R>(&self, f: impl FnOnce(&mut Role) -> R) -> Option<R> {
        ROLES
            .try_with(|roles| {
                let mut roles = roles.borrow_mut();
                roles.iter_mut().rfind(|role| std::ptr::eq(role.runner, self)).map(f)
            })
            .ok()?
    }

    /// Keeps the job until the one that this thread runs has ended; returns it if it runs none.
    pub(crate) fn put_off(&self, job: Job) -> Option<Job> {
        let mut job = Some(job);
        let dead = self.with_role(|role| job.take().map(|job| role.put_off.push(job)));
        self.drop_all(dead.flatten().unwrap_or_default());
        job
    }

    /// Takes the oldest of the jobs that were put off.
    pub(crate) fn next(&self) -> Option<Job> {
        let mut dead = Vec::new();
        let job = self.with_role(|role| role.put_off.pop(u64::MAX, &mut dead)).flatten();
        self.drop_all(dead);
        job
    }

    /// Runs a started job, on a thread that has entered.
    pub(crate) fn run(&self, job: Job) {
        let ended = job.run_caught();
        if let Some(payload) = ended.unclaimed {
            self.panicked("a job", payload);
        }
        if let Some(payload) = ended.stray {
            self.panicked("a dropped job's destructor", payload);
        }
        // After the destructors of the payloads, which may have asked for the interrupt.
        interrupt::end_job();
        drop(ended.settlement);
    }

    /// Drops a job that will not be run. A panic of its captures is reported and goes no further.
    pub(crate) fn drop_contained(&self, job: Job) {
        if let Err(payload) = drop_caught(job) {
            self.panicked("a dropped job's destructor", payload);
        }
    }

    pub(crate) fn drop_all(&self, jobs: Vec<Job>) {
        for job in jobs {
            self.drop_contained(job);
        }
    }

    #[cold]
    fn panicked(&self, who: &str, payload: Payload) {
        let message = panic_text(&*payload);
        logging::write!(Error, "{}: {who} panicked: {message}", self.name);
        discard_payload(payload);
    }
}

impl Home for Runner {
    fn cancel(&self, claim: &mut dyn FnMut() -> bool) -> bool {
        claim()
    }

    fn cancel_ended(&self) {}

    fn help(
        &self,
        task: &Arc<dyn Pending>,
        _bound: Bound,
        claim: &mut dyn FnMut(u64) -> Help,
    ) -> Help {
        let Some(stop) = self.with_role(|role| role.stop.clone()) else { return Help::NotHere };
        let help = claim(0);
        if help == Help::Ran {
            let frame = interrupt::enter_inline(&stop);
            self.run(Job::tracked(Arc::clone(task)));
            drop(frame);
        }
        help
    }

    fn is_inside(&self) -> bool {
        self.with_role(|_| ()).is_some()
    }

    fn is_crowded(&self) -> bool {
        false
    }

    fn park(&self) {}

    fn unpark(&self, _parting: Parting) {}

    fn attend(self: Arc<Self>, standing: Standing) -> Attention {
        match standing {
            Standing::Outside => Attention::None,
            // No other thread comes for the pending jobs.
            Standing::Inside | Standing::InsideLonger | Standing::InsideNoMore => Attention::Full,
        }
    }

    fn report_panic(&self, payload: Payload) {
        self.panicked("a job whose handle is gone", payload);
    }

    fn report(&self, source: &str, _origin: Option<&Origin>, payload: Payload) {
        self.panicked(source, payload);
    }
}

/// Pending jobs in the order of their submission, each with its number.
#[derive(Default)]
pub(crate) struct Backlog {
    jobs: VecDeque<(u64, Job)>,
    last: u64,
    /// At how many jobs to look for those that need not be run any more.
    sweep_at: usize,
}

/// Fewer jobs than this are not swept.
const FEW: usize = 64;

impl Backlog {
    /// Queues a job. Returns jobs that need not be run any more, to be dropped without a lock.
    #[must_use = "to be dropped without a lock"]
    pub(crate) fn push(&mut self, job: Job) -> Vec<Job> {
        let mut dead = Vec::new();
        if self.jobs.len() >= self.sweep_at.max(FEW) {
            for (number, job) in std::mem::take(&mut self.jobs) {
                if job.is_live() {
                    self.jobs.push_back((number, job));
                } else {
                    dead.push(job);
                }
            }
            self.sweep_at = self.jobs.len() * 2;
        }
        self.last += 1;
        self.jobs.push_back((self.last, job));
        dead
    }

    /// Returns the number of the last job that was queued.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// Takes the oldest job for running, if its number is at most `until`.
    pub(crate) fn pop(&mut self, until: u64, dead: &mut Vec<Job>) -> Option<Job> {
        while self.jobs.front().is_some_and(|(number, _)| *number <= until) {
            let (_, job) = self.jobs.pop_front()?;
            if job.start() {
                return Some(job);
            }
            dead.push(job);
        }
        None
    }

    /// Takes all pending jobs out without running them, oldest first.
    pub(crate) fn take_all(&mut self, dead: &mut Vec<Job>) -> Vec<Job> {
        let jobs = std::mem::take(&mut self.jobs).into_iter().map(|(_, job)| job);
        let (pending, rest) =
            jobs.partition(|job| job.pending().is_none_or(|task| task.hand_back()));
        *dead = rest;
        pending
    }

    /// Returns how many jobs are still to be run.
    pub(crate) fn pending(&self) -> usize {
        self.jobs.iter().filter(|(_, job)| job.is_live()).count()
    }
}

#[cfg(test)]
mod tests;
