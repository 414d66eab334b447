//! Owns how a pool is to be stopped: what may take how long, what hurries it, and who is told.

use std::fmt;
use std::time::Duration;

use crate::interrupt::Interrupt;
use crate::sync::{Arc, Instant};
use crate::wait::Deadline;

type Observer = Arc<dyn Fn(ShutdownPhase) + Send + Sync>;

/// How to stop a pool without losing a job and without waiting for ever: refuse new jobs, let the
/// accepted ones go on for a grace, then take back the pending ones, interrupt the running ones, and
/// wait once more.
///
/// Carried out by [`shutdown_with`](crate::Handle::shutdown_with), which says in a
/// [`ShutdownReport`](crate::ShutdownReport) how it went, or by the drop of a pool built with
/// [`OnDrop::Plan`](crate::OnDrop::Plan). These are the steps of `shutdownAndAwaitTermination` in
/// the documentation of the JDK's `ExecutorService`.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use workcrew::{ShutdownOutcome, ShutdownPlan, ThreadPoolExecutor};
///
/// let pool = ThreadPoolExecutor::fixed(2)?;
/// pool.execute(|| println!("mail sent"))?;
/// let plan = ShutdownPlan::new()
///     .grace(Duration::from_secs(20))
///     .interrupt_wait(Duration::from_secs(5));
/// let report = pool.shutdown_with(&plan);
/// println!("{report}");
/// assert_eq!(report.outcome(), ShutdownOutcome::Clean);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use = "a plan does nothing until `shutdown_with`"]
pub struct ShutdownPlan {
    grace: Duration,
    interrupt_wait: Duration,
    budget: Option<Duration>,
    hurry: Vec<Interrupt>,
    observer: Option<Observer>,
}

/// What has just happened in the run of a [`ShutdownPlan`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ShutdownPhase {
    /// New jobs are refused from now on. The accepted ones go on.
    Refusing,
    /// The grace is over, by its time or because it was hurried, and jobs are left.
    GraceOver,
    /// The pending jobs have been taken back, and the running ones interrupted.
    Interrupting,
    /// The last wait is over too, and some jobs have not stopped.
    NotTerminated,
    /// The pool has ended.
    Ended,
}

impl fmt::Display for ShutdownPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Refusing => "refusing new jobs",
            Self::GraceOver => "grace period expired",
            Self::Interrupting => "interrupting jobs",
            Self::NotTerminated => "not terminated",
            Self::Ended => "ended",
        })
    }
}

impl Default for ShutdownPlan {
    fn default() -> Self {
        Self::new()
    }
}

impl ShutdownPlan {
    /// Makes a plan with a grace of 30 seconds, an interrupt wait of 10 seconds, and no budget.
    pub fn new() -> Self {
        Self {
            grace: Duration::from_secs(30),
            interrupt_wait: Duration::from_secs(10),
            budget: None,
            hurry: Vec::new(),
            observer: None,
        }
    }

    /// Sets how long accepted jobs may go on after new ones are refused. Default: 30 seconds. Zero
    /// interrupts at once whatever has not ended; [`Duration::MAX`] waits for all.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Sets how long jobs have to stop after they were interrupted: to handle that, to run the
    /// destructors of what they hold, or to end because they do not look. Default: 10 seconds.
    ///
    /// It begins with the interrupt, so it is also the time for callbacks of
    /// [`on_interrupt`](Interrupt::on_interrupt), and for what is told of
    /// [`Interrupting`](ShutdownPhase::Interrupting).
    pub fn interrupt_wait(mut self, wait: Duration) -> Self {
        self.interrupt_wait = wait;
        self
    }

    /// Sets how long both may take together. Default: no limit but theirs.
    ///
    /// If it is shorter than both, the grace ends early to leave the jobs their `interrupt_wait`,
    /// though not before half of the budget: one of 10 seconds, and the defaults, is a grace of 5
    /// seconds and a wait of 5.
    pub fn budget(mut self, budget: Duration) -> Self {
        self.budget = Some(budget);
        self
    }

    /// Lets an interrupt end the grace as soon as it is set, as a second signal to a program does.
    /// Can be called more than once; any of them does.
    pub fn hurried_by(mut self, interrupt: &Interrupt) -> Self {
        self.hurry.push(interrupt.clone());
        self
    }

    /// Sets what is told of each step, on the thread that carries the plan out and without a lock.
    /// Default: nobody, apart from the log. Its panic is reported and changes nothing.
    pub fn on_phase(mut self, f: impl Fn(ShutdownPhase) + Send + Sync + 'static) -> Self {
        self.observer = Some(Arc::new(f));
        self
    }

    /// The same with what is left of its budget after that time.
    pub(crate) fn after(&self, elapsed: Duration) -> Self {
        let budget = self.budget.map(|budget| budget.saturating_sub(elapsed));
        Self { budget, ..self.clone() }
    }

    /// The grace, as the budget lets it be.
    pub(crate) fn allowed_grace(&self) -> Duration {
        match self.budget {
            None => self.grace,
            Some(budget) => {
                let left = budget.saturating_sub(self.interrupt_wait);
                self.grace.min(left.max(budget / 2))
            }
        }
    }

    /// When the wait that begins now is over, in a run that began at `start`.
    pub(crate) fn end_of_wait(&self, start: Instant) -> Deadline {
        let wait = Deadline::after(self.interrupt_wait);
        match self.budget {
            None => wait,
            Some(budget) => wait.sooner(Deadline::since(start, budget)),
        }
    }

    pub(crate) fn hurry(&self) -> &[Interrupt] {
        &self.hurry
    }

    pub(crate) fn is_hurried(&self) -> bool {
        self.hurry.iter().any(Interrupt::is_interrupted)
    }

    pub(crate) fn note(&self, phase: ShutdownPhase) {
        if let Some(observer) = &self.observer {
            observer(phase);
        }
    }
}

impl fmt::Debug for ShutdownPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShutdownPlan")
            .field("grace", &self.grace)
            .field("interrupt_wait", &self.interrupt_wait)
            .field("budget", &self.budget)
            .field("hurried_by", &self.hurry)
            .finish_non_exhaustive()
    }
}
