//! Owns the executor that runs jobs when it is told to.

use std::fmt;

use crate::error::CancelReason;
use crate::executor::Executor;
use crate::interrupt::{self, Interrupt};
use crate::job::Job;
use crate::local::{Backlog, Runner};
use crate::rejection::{RejectReason, Rejected};
use crate::sync::{Arc, Mutex};
use crate::wait::Deadline;

/// Queues jobs and runs them when it is told to, on the thread that tells it: for tests in which the
/// order of things must not depend on threads.
///
/// Jobs run in the order of their submission, those that jobs submit behind all others. A job that
/// [joins](crate::JobHandle::join) a pending one of this executor runs it; a thread that runs none
/// waits until another has the job run. Several threads may call `run_next` and the like at the same
/// time, and then run jobs at the same time; a job may call them too.
///
/// A job is never rejected but after a shutdown. A panic goes to the job's handle or to the log, as an
/// error, and never to who runs it. A job that is [cancelled](crate::JobHandle::cancel) while it is
/// pending does not run; one that runs is interrupted, as by [`shutdown_now`](Self::shutdown_now).
///
/// Clones are the same executor. When the last is dropped the pending jobs are too, and their handles
/// say [`Shutdown`](crate::CancelReason::Shutdown); a pending job that holds a clone prevents that.
///
/// # Examples
///
/// ```
/// use workcrew::{ExecutorExt, ManualExecutor};
///
/// let executor = ManualExecutor::new();
/// let answer = executor.submit(|| 6 * 7)?;
/// assert_eq!(executor.pending(), 1);
/// assert!(!answer.is_finished());
/// assert_eq!(executor.run_until_idle(), 1);
/// assert_eq!(answer.join()?, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ManualExecutor {
    core: Arc<Core>,
}

struct Core {
    runner: Arc<Runner>,
    state: Mutex<State>,
    /// Set by `shutdown_now`; the interrupts of the jobs follow it.
    stop: Interrupt,
}

#[derive(Default)]
struct State {
    is_shutdown: bool,
    backlog: Backlog,
}

impl ManualExecutor {
    /// Makes an executor.
    pub fn new() -> Self {
        let (runner, stop) = (Runner::new("manual executor"), Interrupt::new());
        Self { core: Arc::new(Core { runner, state: Mutex::default(), stop }) }
    }

    /// Runs the oldest pending job on this thread; returns whether there was one.
    pub fn run_next(&self) -> bool {
        self.core.run_one(u64::MAX)
    }

    /// Runs the jobs that are pending now, and not those that are submitted meanwhile; returns how
    /// many it ran.
    ///
    /// One that another job joins is run by that job, and one that is cancelled by none; neither is
    /// among those.
    pub fn run_pending(&self) -> usize {
        let until = self.core.state.lock().backlog.last();
        self.core.run_all(until)
    }

    /// Runs jobs until none is pending, also those that are submitted meanwhile; returns how many it
    /// ran, as [`run_pending`](Self::run_pending) does. Jobs that keep submitting others keep it from
    /// returning.
    pub fn run_until_idle(&self) -> usize {
        self.core.run_all(u64::MAX)
    }

    /// Returns how many jobs are still to be started.
    pub fn pending(&self) -> usize {
        self.core.state.lock().backlog.pending()
    }

    /// Rejects all further jobs. The pending ones stay, to be run when it is told to.
    pub fn shutdown(&self) {
        self.core.state.lock().is_shutdown = true;
    }

    /// Rejects all further jobs, interrupts those that are running, and returns the pending ones in
    /// the order of their submission.
    ///
    /// All running jobs are interrupted before the first callback of
    /// [`on_interrupt`](Interrupt::on_interrupt) is called; the callbacks are called on helper
    /// threads, as by [`Handle::shutdown_now`](crate::Handle::shutdown_now).
    ///
    /// The returned jobs can be run, or submitted elsewhere. A job with a handle that is dropped
    /// instead settles it as [`Cancelled`](crate::JoinError::Cancelled).
    #[must_use = "these jobs were accepted and have not been run; drop them explicitly if that is meant"]
    pub fn shutdown_now(&self) -> Vec<Job> {
        let pending = self.core.shutdown_now();
        let calls = interrupt::set_all([self.core.stop.clone()]);
        let helpers = calls.start("manual-interrupt", Arc::new(|work| work()));
        pending.iter().for_each(Job::tell_handed_back);
        helpers.finish(Deadline::after(interrupt::CALLS).instant());
        pending
    }

    /// Returns whether a shutdown has begun.
    pub fn is_shutdown(&self) -> bool {
        self.core.state.lock().is_shutdown
    }
}

impl Core {
    fn run_one(&self, until: u64) -> bool {
        let mut dead = Vec::new();
        let job = self.state.lock().backlog.pop(until, &mut dead);
        self.runner.drop_all(dead);
        let Some(job) = job else { return false };
        let _role = self.runner.enter(&self.stop);
        self.runner.run(job);
        true
    }

    fn run_all(&self, until: u64) -> usize {
        std::iter::repeat_with(|| self.run_one(until)).take_while(|has_run| *has_run).count()
    }

    fn shutdown_now(&self) -> Vec<Job> {
        let mut dead = Vec::new();
        let mut state = self.state.lock();
        state.is_shutdown = true;
        let pending = state.backlog.take_all(&mut dead);
        drop(state);
        self.runner.drop_all(dead);
        pending
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        let pending = self.shutdown_now();
        for job in &pending {
            job.because(CancelReason::Shutdown);
        }
        self.runner.drop_all(pending);
    }
}

impl Executor for ManualExecutor {
    /// Queues the job.
    ///
    /// # Errors
    ///
    /// The job, with the reason [`Shutdown`](RejectReason::Shutdown) after a shutdown.
    fn execute_job(&self, job: Job) -> Result<(), Rejected> {
        let mut state = self.core.state.lock();
        if state.is_shutdown {
            return Err(Rejected::new(job, RejectReason::Shutdown));
        }
        let moved = self.core.runner.take_in(&job);
        let dead = if moved.is_some() { state.backlog.push(job) } else { vec![job] };
        drop(state);
        if let Some(moved) = moved {
            moved.tell();
        }
        self.core.runner.drop_all(dead);
        Ok(())
    }
}

impl Default for ManualExecutor {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ManualExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.core.state.lock();
        f.debug_struct("ManualExecutor")
            .field("is_shutdown", &state.is_shutdown)
            .field("pending", &state.backlog.pending())
            .finish()
    }
}
