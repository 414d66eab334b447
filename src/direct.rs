//! Owns the executor that runs each job on the thread that submits it.

use std::fmt;

use crate::executor::Executor;
use crate::interrupt::{self, Interrupt};
use crate::job::Job;
use crate::local::Runner;
use crate::rejection::{RejectReason, Rejected};
use crate::sync::{Arc, Mutex};

/// Runs each job on the thread that submits it, before `execute` returns: for tests, and for
/// programs that must not have threads.
///
/// A job that is submitted by a job of the same executor on the same thread is pending until that
/// one has ended, and is run then, in the order of submission; however many there are, the stack
/// does not grow. A job that [joins](crate::JobHandle::join) a pending one of this executor runs it;
/// who waits for it in another way waits for ever. Threads that submit at the same time run their
/// jobs at the same time.
///
/// A job is never rejected but after a [`shutdown`](Self::shutdown). A panic goes to the job's handle
/// or to the log, as an error, and never to the submitter. A job that is
/// [cancelled](crate::JobHandle::cancel) while it is pending does not run; one that runs is
/// interrupted, as it is when the job that calls the executor is, of which it is a part: so too in
/// the JDK, where an executor that calls `run` leaves the thread to the job.
///
/// Clones are the same executor.
///
/// # Examples
///
/// ```
/// use workcrew::{DirectExecutor, ExecutorExt};
///
/// let executor = DirectExecutor::new();
/// let answer = executor.submit(|| 6 * 7)?;
/// assert!(answer.is_finished());
/// assert_eq!(answer.join()?, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct DirectExecutor {
    core: Arc<Core>,
}

struct Core {
    runner: Arc<Runner>,
    is_shutdown: Mutex<bool>,
    /// Never set: the interrupt of callers that run no job.
    plain: Interrupt,
}

impl DirectExecutor {
    /// Makes an executor.
    pub fn new() -> Self {
        let (runner, plain) = (Runner::new("direct executor"), Interrupt::new());
        Self { core: Arc::new(Core { runner, is_shutdown: Mutex::new(false), plain }) }
    }

    /// Rejects all further jobs. Those that were accepted, pending ones too, are run.
    pub fn shutdown(&self) {
        *self.core.is_shutdown.lock() = true;
    }

    /// Returns whether it was shut down.
    pub fn is_shutdown(&self) -> bool {
        *self.core.is_shutdown.lock()
    }
}

impl Executor for DirectExecutor {
    /// Runs the job and those that it submits, or leaves it to the call that runs the current job.
    ///
    /// # Errors
    ///
    /// The job, with the reason [`Shutdown`](RejectReason::Shutdown) after a shutdown.
    fn execute_job(&self, job: Job) -> Result<(), Rejected> {
        if self.is_shutdown() {
            return Err(Rejected::new(job, RejectReason::Shutdown));
        }
        let runner = &self.core.runner;
        let Some(moved) = runner.take_in(&job) else {
            runner.drop_contained(job);
            return Ok(());
        };
        let job = runner.put_off(job);
        moved.tell();
        let Some(job) = job else { return Ok(()) };
        if !job.start() {
            runner.drop_contained(job);
            return Ok(());
        }
        let calling = interrupt::current();
        let _role = runner.enter(calling.as_ref().unwrap_or(&self.core.plain));
        let mut next = Some(job);
        while let Some(job) = next {
            runner.run(job);
            next = runner.next();
        }
        Ok(())
    }
}

impl Default for DirectExecutor {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for DirectExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DirectExecutor").field("is_shutdown", &self.is_shutdown()).finish()
    }
}
