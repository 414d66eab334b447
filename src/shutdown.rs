//! Owns the run of a shutdown plan: one at a time in a pool, which later callers join.
//!
//! INVARIANT: a run is in the pool's `stopping` from its begin until its verdict is published, and
//! one thread leads it. Who finds it there waits for that verdict, or leads a run of its own if the
//! leader went away without one.

use std::time::Duration;

use crate::error::AwaitError;
use crate::interrupt::{self, Interrupt, Registered};
use crate::job::{Job, catch};
use crate::lifecycle::LONG;
use crate::logging;
use crate::phase::Phase;
use crate::pool::Pool;
use crate::running::{Listed, RunningJob};
use crate::shutdown_plan::{ShutdownPhase, ShutdownPlan};
use crate::shutdown_report::{ShutdownOutcome, ShutdownReport, Verdict};
use crate::stats::PoolStats;
use crate::stopping::Run;
use crate::sync::{Arc, Instant, thread};
use crate::wait::{Deadline, Heed};

/// How often the jobs that did not stop are looked for, and how long a worker has between.
const LOOKS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(1);

/// What became of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    Over,
    Missed,
    /// The caller is one of those that would be waited for.
    Own,
}

impl Pool {
    /// Carries the plan out, or joins who does.
    pub(crate) fn shutdown_with(self: &Arc<Self>, plan: &ShutdownPlan) -> ShutdownReport {
        if self.is_inside() {
            return self.stop_from_inside(plan);
        }
        loop {
            let mut stopping = self.stopping.lock();
            let Some(run) = stopping.run.clone() else {
                let run = stopping.begin();
                drop(stopping);
                return self.lead(&run, plan);
            };
            drop(stopping);
            let _hurrying = hurry(&run.hurry, plan);
            if let Some(verdict) = run.verdict() {
                return ShutdownReport::new(&self.name, verdict, Vec::new());
            }
        }
    }

    fn lead(self: &Arc<Self>, run: &Arc<Run>, plan: &ShutdownPlan) -> ShutdownReport {
        let _leaving = Leaving { pool: self, run };
        let begin = Begin { at: Instant::now(), stats: self.stats() };
        let hurrying = hurry(&run.hurry, plan);
        self.aside(|| self.shutdown());
        if begin.stats.phase < Phase::Terminated {
            self.aside(|| {
                logging::write!(Info, "pool {}: refuses new jobs: {}", self.name, self.stats());
            });
        }
        self.tell(plan, ShutdownPhase::Refusing);
        let end_of_grace = Deadline::since(begin.at, plan.allowed_grace());
        let grace = self.await_over(end_of_grace, Some(&run.hurry));
        let grace_time = begin.at.elapsed();
        // What hurries the plan is let go of before the report.
        drop(hurrying);
        if grace == Wait::Over {
            let outcome = self.outcome_of_grace(&begin);
            let verdict = self.verdict(&begin, outcome, grace_time, Duration::ZERO);
            return self.conclude(run, plan, verdict, Vec::new());
        }
        self.aside(|| {
            logging::write!(
                Warn,
                "pool {}: the grace is over after {grace_time:.1?}: {}; running: {}",
                self.name,
                self.stats(),
                Listed(&self.running_jobs())
            );
        });
        self.tell(plan, ShutdownPhase::GraceOver);
        let interrupt_begin = Instant::now();
        let end_of_wait = plan.end_of_wait(begin.at);
        let pending = self.aside(|| self.stop_by(end_of_wait));
        self.aside(|| {
            logging::write!(
                Warn,
                "pool {}: has interrupted its jobs and handed {} back",
                self.name,
                pending.len()
            );
        });
        self.tell(plan, ShutdownPhase::Interrupting);
        let outcome = match self.await_over(end_of_wait, None) {
            Wait::Over => ShutdownOutcome::Interrupted,
            Wait::Missed | Wait::Own => ShutdownOutcome::NotTerminated,
        };
        let verdict = self.verdict(&begin, outcome, grace_time, interrupt_begin.elapsed());
        self.conclude(run, plan, verdict, pending)
    }

    /// A job, a hook or a thread-local of the pool's own: the end cannot be waited for.
    fn stop_from_inside(self: &Arc<Self>, plan: &ShutdownPlan) -> ShutdownReport {
        let begin = Begin { at: Instant::now(), stats: self.stats() };
        self.shutdown();
        self.tell(plan, ShutdownPhase::Refusing);
        let leader = self.stopping.lock().run.clone();
        let mut pending = Vec::new();
        if plan.allowed_grace().is_zero() || plan.is_hurried() || interrupt::is_interrupted() {
            self.tell(plan, ShutdownPhase::GraceOver);
            match leader {
                // The pending jobs are for its report.
                Some(run) => run.hurry.interrupt(),
                None => pending = self.stop_by(plan.end_of_wait(begin.at)),
            }
            self.tell(plan, ShutdownPhase::Interrupting);
        }
        let (grace_time, outcome) = (begin.at.elapsed(), ShutdownOutcome::NotTerminated);
        let verdict = self.verdict(&begin, outcome, grace_time, Duration::ZERO);
        let report = ShutdownReport::new(&self.name, verdict, pending);
        logging::write!(
            Warn,
            "pool {}: cannot wait for the job that stops it: {report}",
            self.name
        );
        self.tell(plan, ShutdownPhase::NotTerminated);
        report
    }

    /// Publishes the verdict of a run.
    fn conclude(
        &self,
        run: &Arc<Run>,
        plan: &ShutdownPlan,
        verdict: Verdict,
        pending: Vec<Job>,
    ) -> ShutdownReport {
        let report = ShutdownReport::new(&self.name, verdict.clone(), pending);
        let phase = match verdict.outcome {
            ShutdownOutcome::Clean => {
                self.aside(|| logging::write!(Info, "{report}"));
                ShutdownPhase::Ended
            }
            ShutdownOutcome::Interrupted => {
                self.aside(|| logging::write!(Warn, "{report}"));
                ShutdownPhase::Ended
            }
            ShutdownOutcome::NotTerminated => {
                self.aside(|| logging::write!(Warn, "{report}"));
                ShutdownPhase::NotTerminated
            }
        };
        self.tell(plan, phase);
        let wakes = self.stopping.lock().end(run, Some(verdict));
        wakes.wake();
        report
    }

    /// Waits for the pool's end, or until `hurry` is set.
    fn await_over(self: &Arc<Self>, deadline: Deadline, hurry: Option<&Interrupt>) -> Wait {
        let waited = loop {
            let slice = deadline.sooner(Deadline::after(LONG));
            let waited = match hurry {
                Some(hurry) => {
                    let _entered = hurry.enter();
                    self.wait_end(slice, Heed::Interrupts)
                }
                None => self.wait_end(slice, Heed::Nothing),
            };
            match waited {
                Err(AwaitError::TimedOut) if !deadline.is_past() => {
                    self.aside(|| self.log_long_wait());
                }
                over => break over,
            }
        };
        match waited {
            Ok(()) => Wait::Over,
            Err(AwaitError::TimedOut | AwaitError::Interrupted) => {
                // It may have ended in the very moment.
                let looked = self.wait_end(Deadline::after(Duration::ZERO), Heed::Nothing);
                if looked.is_ok() { Wait::Over } else { Wait::Missed }
            }
            Err(AwaitError::FromWorker) => Wait::Own,
        }
    }

    /// How a pool ended that was over within the grace: another's `shutdown_now` may have been why.
    fn outcome_of_grace(&self, begin: &Begin) -> ShutdownOutcome {
        let has_begun_open = begin.stats.phase < Phase::Stop;
        let was_stopped = has_begun_open && self.stop.is_interrupted();
        if was_stopped || self.stopping.lock().has_interrupted {
            ShutdownOutcome::Interrupted
        } else {
            ShutdownOutcome::Clean
        }
    }

    fn verdict(
        &self,
        begin: &Begin,
        outcome: ShutdownOutcome,
        grace_time: Duration,
        interrupt_time: Duration,
    ) -> Verdict {
        let (now, unstopped) = match outcome {
            ShutdownOutcome::Clean | ShutdownOutcome::Interrupted => (self.stats(), Vec::new()),
            ShutdownOutcome::NotTerminated => self.unstopped(),
        };
        let unbegun = now.active.saturating_sub(unstopped.len());
        Verdict {
            outcome,
            grace_time,
            interrupt_time,
            completed: now.completed - begin.stats.completed,
            panicked: now.panicked - begin.stats.panicked,
            handed_back: now.handed_back - begin.stats.handed_back,
            unstopped,
            unbegun,
        }
    }

    /// The jobs that are being run. One that a worker has taken and not begun is unknown for a
    /// moment, which is given to it.
    fn unstopped(&self) -> (PoolStats, Vec<RunningJob>) {
        let mut looks = 1;
        loop {
            let (stats, running) = (self.stats(), self.running_jobs());
            if running.len() >= stats.active || looks == LOOKS {
                return (stats, running);
            }
            looks += 1;
            thread::park_timeout(PAUSE);
        }
    }

    fn tell(&self, plan: &ShutdownPlan, phase: ShutdownPhase) {
        self.aside(|| {
            if let Err(payload) = catch(|| plan.note(phase)) {
                self.hooks.panicked(&self.name, "on_phase hook", payload);
            }
        });
    }
}

/// Where a run began.
struct Begin {
    at: Instant,
    stats: PoolStats,
}

/// Ends a run whose leader goes away without a verdict, if it does.
struct Leaving<'a> {
    pool: &'a Pool,
    run: &'a Arc<Run>,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        let wakes = self.pool.stopping.lock().end(self.run, None);
        wakes.wake();
    }
}

/// Passes on to the run what hurries its caller: the plan's interrupts, and that of the job that
/// this thread runs, if it does.
fn hurry(run: &Interrupt, plan: &ShutdownPlan) -> Vec<Registered> {
    let own = interrupt::current();
    let all = plan.hurry().iter().chain(&own);
    all.map(|interrupt| interrupt.pass_on_to(run)).collect()
}

#[cfg(all(test, not(workcrew_loom)))]
mod tests;
