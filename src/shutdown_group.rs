//! Owns the end of several pools: phase after phase, those of a phase side by side.

use std::fmt;
use std::io;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use crate::handle::Handle;
use crate::interrupt;
use crate::logging;
use crate::shutdown_plan::ShutdownPlan;
use crate::shutdown_report::{ShutdownOutcome, ShutdownReport};
use crate::sync::Instant;

/// Several pools that are stopped together, in phases: that of the highest number first, as in
/// Spring. So give pools that submit to others the higher numbers.
///
/// # Examples
///
/// ```
/// use workcrew::{ShutdownGroup, ShutdownPlan, ThreadPoolExecutor};
///
/// let requests = ThreadPoolExecutor::builder().name("requests").build()?;
/// let mails = ThreadPoolExecutor::builder().name("mails").build()?;
/// let group = ShutdownGroup::new()
///     .add_pool(2, requests.handle()) // its jobs submit mails, so it ends first
///     .add_pool(1, mails.handle());
/// let report = group.shutdown_with(&ShutdownPlan::new());
/// println!("{report}");
/// assert_eq!(report.code(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ShutdownGroup {
    members: Vec<Member>,
}

#[derive(Clone, Debug)]
struct Member {
    phase: u32,
    pool: Handle,
}

impl ShutdownGroup {
    /// Makes an empty group.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a pool to a phase. A group does not keep its pools running.
    #[must_use = "it returns the group"]
    pub fn add_pool(mut self, phase: u32, pool: Handle) -> Self {
        self.members.push(Member { phase, pool });
        self
    }

    /// Carries the plan out for each pool, as [`Handle::shutdown_with`] does: those of the highest
    /// phase first and side by side, each by a thread of its own; then those of the next phase, which
    /// accept jobs until then.
    ///
    /// Each phase has the times of the plan. A [`budget`](ShutdownPlan::budget) is one for all phases
    /// together: what the first ones leave of it is for the rest, and where nothing is left the
    /// pools are stopped without a wait. What hurries the plan hurries all of them, as does an
    /// interrupt of the job that calls this. Pools for which the operating system refuses a helper
    /// refuse jobs at once, too, and are waited for by this thread, one after another, within the
    /// same budget.
    pub fn shutdown_with(&self, plan: &ShutdownPlan) -> GroupReport {
        let start = Instant::now();
        // Threads of the group's run no job: its interrupt is passed on through the plan.
        let plan = match interrupt::current() {
            Some(own) => plan.clone().hurried_by(&own),
            None => plan.clone(),
        };
        let mut phases: Vec<u32> = self.members.iter().map(|member| member.phase).collect();
        phases.sort_unstable();
        phases.dedup();
        let mut reports = Vec::with_capacity(self.members.len());
        for phase in phases.into_iter().rev() {
            let plan = plan.after(start.elapsed());
            let pools = self.members.iter().filter(|member| member.phase == phase);
            let pools: Vec<_> = pools.map(|member| member.pool.clone()).collect();
            logging::write!(Info, "group: stops phase {phase}, {} pools", pools.len());
            reports.extend(side_by_side(&pools, &plan));
        }
        GroupReport { reports, time: start.elapsed() }
    }
}

/// Where one of several pools is stopped.
enum Stop<'pools> {
    There,
    Here(&'pools Handle),
}

/// Stops the pools at the same time, and returns their reports in their order.
fn side_by_side(pools: &[Handle], plan: &ShutdownPlan) -> Vec<ShutdownReport> {
    let Some((last, others)) = pools.split_last() else { return Vec::new() };
    let start = Instant::now();
    let places: Vec<_> = pools.iter().map(|_| OnceLock::new()).collect();
    // The end of the scope waits for what its threads do, not for their very last steps, as a join
    // would.
    thread::scope(|scope| {
        let there = |(pool, place)| match spawn(scope, pool, plan, place) {
            Ok(()) => Stop::There,
            Err(error) => {
                logging::write!(Warn, "pool {}: no thread to stop it on: {error}", pool.name());
                Stop::Here(pool)
            }
        };
        let stops: Vec<_> = others
            .iter()
            .zip(&places)
            // Only its own job can say that it is one.
            .map(
                |(pool, place)| {
                    if pool.is_inside() { Stop::Here(pool) } else { there((pool, place)) }
                },
            )
            .chain([Stop::Here(last)])
            .collect();
        // While one is waited for here, the others come to their end as well.
        for stop in &stops {
            match stop {
                Stop::Here(pool) => pool.shutdown(),
                Stop::There => {}
            }
        }
        for (stop, place) in stops.iter().zip(&places) {
            match stop {
                Stop::Here(pool) => {
                    place.get_or_init(|| pool.shutdown_with(&plan.after(start.elapsed())));
                }
                Stop::There => {}
            }
        }
    });
    let report = |place: OnceLock<_>| place.into_inner().expect("a run contains the user's panics");
    places.into_iter().map(report).collect()
}

fn spawn<'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    pool: &'scope Handle,
    plan: &'scope ShutdownPlan,
    place: &'scope OnceLock<ShutdownReport>,
) -> io::Result<()> {
    let builder = thread::Builder::new().name(format!("stop-{}", pool.name()));
    let stop = || {
        place.get_or_init(|| pool.shutdown_with(plan));
    };
    builder.spawn_scoped(scope, stop).map(drop)
}

/// How the pools of a [`ShutdownGroup`] ended.
///
/// `{}` is a line for each pool, fit for a log.
#[derive(Debug)]
#[must_use = "it holds the jobs that were not run, and says whether any did not stop"]
pub struct GroupReport {
    reports: Vec<ShutdownReport>,
    time: Duration,
}

impl GroupReport {
    /// Returns the reports of the pools, in the order in which they were stopped; those of one phase
    /// in the order in which they were added.
    pub fn reports(&self) -> &[ShutdownReport] {
        &self.reports
    }

    /// Returns the report of the first pool of that name.
    pub fn of(&self, pool_name: &str) -> Option<&ShutdownReport> {
        self.reports.iter().find(|report| report.pool_name() == pool_name)
    }

    /// Takes the reports, to take the pending jobs out of them.
    pub fn into_reports(self) -> Vec<ShutdownReport> {
        self.reports
    }

    /// Returns the worst of the outcomes; that of an empty group is clean.
    pub fn outcome(&self) -> ShutdownOutcome {
        let outcomes = self.reports.iter().map(ShutdownReport::outcome);
        outcomes.max().unwrap_or(ShutdownOutcome::Clean)
    }

    /// Returns how long it took together.
    pub fn time(&self) -> Duration {
        self.time
    }

    /// Returns what `main` can return. See [`ShutdownReport::exit_code`].
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code())
    }

    /// Returns the number of [`exit_code`](Self::exit_code), the highest of the reports'; that of
    /// an empty group is 0.
    pub fn code(&self) -> u8 {
        self.reports.iter().map(ShutdownReport::code).max().unwrap_or(0)
    }
}

impl fmt::Display for GroupReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = self.outcome();
        write!(f, "{} pools: {outcome}, after {:.1?}", self.reports.len(), self.time)?;
        for report in &self.reports {
            write!(f, "\n{report}")?;
        }
        Ok(())
    }
}
