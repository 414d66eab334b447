//! Owns how the run of a shutdown plan went, as users see it.

use std::fmt;
use std::process::ExitCode;
use std::time::Duration;

use crate::job::Job;
use crate::running::{Listed, RunningJob};
use crate::sync::Arc;

/// How a pool ended, from the best to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ShutdownOutcome {
    /// Every accepted job ended within the grace, or had before. None was handed back meanwhile, or
    /// interrupted by a `shutdown_now` from elsewhere.
    Clean,
    /// The grace was over first, or somebody called `shutdown_now` meanwhile. The pending jobs were
    /// handed back, the running ones interrupted, and then all ended. Also told to who comes after
    /// a run that had to interrupt.
    Interrupted,
    /// The wait after the interrupt was over, and the pool has not ended.
    NotTerminated,
}

/// How the run of a [`ShutdownPlan`](crate::ShutdownPlan) went: what is left, and what did not stop.
///
/// `{}` is one line for a log, which names every job that did not stop.
///
/// # Examples
///
/// ```no_run
/// use std::process::ExitCode;
/// use workcrew::{ShutdownPlan, ThreadPoolExecutor};
///
/// fn main() -> ExitCode {
///     let pool = ThreadPoolExecutor::fixed(4).expect("a valid size");
///     // … jobs, until the program is asked to end …
///     let mut report = pool.shutdown_with(&ShutdownPlan::new());
///     eprintln!("{report}");
///     for job in report.take_pending() {
///         eprintln!("not done: {job:?}");
///     }
///     report.exit_code()
/// }
/// ```
#[derive(Debug)]
#[must_use = "it holds the jobs that were not run, and says whether any did not stop"]
pub struct ShutdownReport {
    pool: Arc<str>,
    verdict: Verdict,
    pending: Vec<Job>,
}

/// What all those who wait for one run are told.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    pub(crate) outcome: ShutdownOutcome,
    pub(crate) grace_time: Duration,
    pub(crate) interrupt_time: Duration,
    pub(crate) completed: u64,
    pub(crate) panicked: u64,
    pub(crate) handed_back: u64,
    pub(crate) unstopped: Vec<RunningJob>,
    /// Running jobs that could not be named.
    pub(crate) unbegun: usize,
}

impl Verdict {
    pub(crate) fn is_given_up(&self) -> bool {
        self.outcome == ShutdownOutcome::NotTerminated
    }

    pub(crate) fn has_interrupted(&self) -> bool {
        self.outcome > ShutdownOutcome::Clean
    }
}

impl ShutdownReport {
    pub(crate) fn new(pool: &Arc<str>, verdict: Verdict, pending: Vec<Job>) -> Self {
        Self { pool: Arc::clone(pool), verdict, pending }
    }

    /// Returns the name of the pool.
    pub fn pool_name(&self) -> &str {
        &self.pool
    }

    /// Returns how the pool ended.
    pub fn outcome(&self) -> ShutdownOutcome {
        self.verdict.outcome
    }

    /// Returns how long the accepted jobs went on, or could have.
    pub fn grace_time(&self) -> Duration {
        self.verdict.grace_time
    }

    /// Returns how long the wait after the interrupt took; zero if there was none.
    pub fn interrupt_time(&self) -> Duration {
        self.verdict.interrupt_time
    }

    /// Returns how many jobs returned meanwhile.
    pub fn completed(&self) -> u64 {
        self.verdict.completed
    }

    /// Returns how many jobs panicked meanwhile.
    pub fn panicked(&self) -> u64 {
        self.verdict.panicked
    }

    /// Returns the jobs that were accepted and not run, in the order of their submission. Those that
    /// are still here when the report is dropped are dropped, which settles their handles as
    /// [`Cancelled`](crate::JoinError::Cancelled).
    pub fn pending(&self) -> &[Job] {
        &self.pending
    }

    /// Takes the jobs that were accepted and not run, to run them, submit them elsewhere, or write
    /// down what they were to do.
    pub fn take_pending(&mut self) -> Vec<Job> {
        std::mem::take(&mut self.pending)
    }

    /// Returns the jobs that did not stop. They go on as long as the program does. Where a pool has
    /// not ended and there is none, a hook or a thread's destructor has not returned.
    pub fn unstopped(&self) -> &[RunningJob] {
        &self.verdict.unstopped
    }

    /// Returns how many jobs more did not stop: a worker has taken each of them, and has not come to
    /// its first instruction, so that nothing is known of it. Mostly 0.
    pub fn unbegun(&self) -> usize {
        self.verdict.unbegun
    }

    /// Returns what `main` can return: 0 if all ended well, 1 if jobs panicked meanwhile, were
    /// interrupted or handed back, 2 if the pool has not ended.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code())
    }

    /// Returns the number of [`exit_code`](Self::exit_code), for
    /// [`std::process::exit`]. Jobs that were [taken](Self::take_pending) since count too.
    pub fn code(&self) -> u8 {
        self.verdict.outcome.code().max(u8::from(self.verdict.panicked > 0))
    }
}

impl ShutdownOutcome {
    /// Returns the exit code that says so: 0, 1 or 2.
    pub fn code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Interrupted => 1,
            Self::NotTerminated => 2,
        }
    }
}

impl fmt::Display for ShutdownOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Clean => "ended cleanly",
            Self::Interrupted => "ended after an interrupt",
            Self::NotTerminated => "has not ended",
        })
    }
}

impl fmt::Display for ShutdownReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Verdict {
            outcome,
            grace_time,
            interrupt_time,
            completed,
            panicked,
            handed_back,
            unstopped,
            unbegun,
        } = &self.verdict;
        write!(f, "pool {}: {outcome}; grace {grace_time:.1?}", self.pool)?;
        match outcome {
            ShutdownOutcome::Clean => {}
            ShutdownOutcome::Interrupted | ShutdownOutcome::NotTerminated => {
                write!(f, ", after the interrupt {interrupt_time:.1?}")?;
            }
        }
        write!(f, "; meanwhile {completed} jobs completed, {panicked} panicked")?;
        if *handed_back > 0 {
            write!(f, "; {handed_back} jobs handed back")?;
        }
        match outcome {
            ShutdownOutcome::NotTerminated if unstopped.is_empty() && *unbegun == 0 => {
                f.write_str("; no job is running, but its threads and hooks have not all ended")
            }
            ShutdownOutcome::NotTerminated => {
                if !unstopped.is_empty() {
                    write!(f, "; {} did not stop: {}", unstopped.len(), Listed(unstopped))?;
                }
                if *unbegun > 0 {
                    write!(f, "; {unbegun} taken by a worker and about to begin")?;
                }
                Ok(())
            }
            ShutdownOutcome::Clean | ShutdownOutcome::Interrupted => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
