//! Owns the pool's figures: the counters, and the snapshot that users see.

use std::fmt;
use std::time::Duration;

use crate::job::Outcome;
use crate::phase::Phase;
use crate::post::Post;
use crate::sync::{AtomicU64, Ordering};

/// The figures of a pool at one moment.
///
/// All are of the same moment, none is ever reset, and they can be read after the pool has ended.
/// At every moment
///
/// ```text
/// submitted = rejected + queued + active + completed + panicked
///           + cancelled + handed_back + discarded
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStats {
    /// Where the pool is in its life.
    pub phase: Phase,
    /// Threads to keep.
    pub core: usize,
    /// Threads to have at most.
    pub max: usize,
    /// Threads that the pool has, also those being started.
    pub pool_size: usize,
    /// The most threads the pool has had at a time.
    pub largest_pool_size: usize,
    /// Jobs being run, by a worker or by a caller. A thread that runs a job on which its own job
    /// waits runs two.
    pub active: usize,
    /// Threads being started. Each takes the oldest pending job, which is among the queued until then.
    pub starting: usize,
    /// Workers that stand in for those whose job waits for jobs of this pool. They may be above
    /// `max`, and leave when that job goes on.
    pub spare: usize,
    /// Workers that wait for a job.
    pub idle: usize,
    /// Jobs accepted and not started.
    pub queued: usize,
    /// Jobs that can be queued; none means without limit.
    pub capacity: Option<usize>,
    /// Jobs whose submission ended, one way or the other.
    pub submitted: u64,
    /// Jobs given back to their submitter.
    pub rejected: u64,
    /// Jobs that the pool took: `submitted` less `rejected`.
    pub accepted: u64,
    /// Jobs that were run and returned.
    pub completed: u64,
    /// Jobs that panicked, or whose `before_job` hook did.
    pub panicked: u64,
    /// Jobs that their handle cancelled before they started.
    pub cancelled: u64,
    /// Pending jobs given back by `shutdown_now`, `take_pending` or to a policy.
    pub handed_back: u64,
    /// Jobs dropped by a policy.
    pub discarded: u64,
    /// Jobs that were run by their submitter; they are among the active, completed and panicked.
    pub caller_ran: u64,
    /// Threads that could not be started.
    pub spawn_failures: u64,
    /// How long the oldest of the queued jobs has been waiting. Jobs submitted less than 15
    /// microseconds apart share a reading of the clock, at most 64 of them: where such a rush stops, the
    /// next jobs may be told too old by the pause that follows, never too young.
    pub oldest_pending: Option<Duration>,
}

/// `{}` is `[pool=2, active=2, queuedTasks=2, completedTasks=0]`, and `{:#}` the JDK's longer
/// `[Running, pool size = 2, active threads = 2, queued tasks = 2, completed tasks = 0]`.
impl fmt::Display for PoolStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { phase, pool_size, active, queued, completed, .. } = self;
        if f.alternate() {
            write!(
                f,
                "[{phase}, pool size = {pool_size}, active threads = {active}, \
                 queued tasks = {queued}, completed tasks = {completed}]"
            )
        } else {
            write!(
                f,
                "[pool={pool_size}, active={active}, queuedTasks={queued}, \
                 completedTasks={completed}]"
            )
        }
    }
}

/// How many of the jobs that one worker ran ended, and how, and what it runs now. Written by that
/// worker alone.
#[repr(align(128))]
pub(crate) struct Ends {
    completed: AtomicU64,
    panicked: AtomicU64,
    pub(crate) post: Post,
}

impl Ends {
    pub(crate) fn new() -> Self {
        Self { completed: AtomicU64::new(0), panicked: AtomicU64::new(0), post: Post::new() }
    }

    pub(crate) fn note(&self, outcome: Outcome) {
        let counter = match outcome {
            Outcome::Completed => &self.completed,
            Outcome::Panicked => &self.panicked,
        };
        // ORDERING: one writer, so the load is of its own value; Release pairs with `get`, so that
        // who sees the end sees the start that was counted before.
        counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    /// Completed and panicked.
    pub(crate) fn get(&self) -> (u64, u64) {
        // ORDERING: pairs with the store in `note`.
        (self.completed.load(Ordering::Acquire), self.panicked.load(Ordering::Acquire))
    }
}

/// What the desk counts.
#[derive(Default)]
pub(crate) struct Tally {
    /// Jobs that were submitted and not queued.
    pub(crate) submitted: u64,
    pub(crate) rejected: u64,
    /// Jobs started otherwise than from the outbox: handed off, run by a waiter or by a caller.
    pub(crate) started: u64,
    /// Ends of jobs that callers and departed workers ran.
    pub(crate) completed: u64,
    pub(crate) panicked: u64,
    pub(crate) cancelled: u64,
    pub(crate) handed_back: u64,
    pub(crate) discarded: u64,
    pub(crate) caller_ran: u64,
    pub(crate) spawn_failures: u64,
    pub(crate) largest_pool_size: usize,
}

impl Tally {
    pub(crate) fn reject(&mut self) {
        self.submitted += 1;
        self.rejected += 1;
    }

    /// A job that never was in the queue was dropped.
    pub(crate) fn discard_new(&mut self) {
        self.submitted += 1;
        self.discarded += 1;
    }

    /// A job was cancelled by its handle before it was submitted.
    pub(crate) fn cancel_new(&mut self) {
        self.submitted += 1;
        self.cancelled += 1;
    }

    pub(crate) fn end(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Completed => self.completed += 1,
            Outcome::Panicked => self.panicked += 1,
        }
    }
}
