//! Owns what happens to a job that the pool cannot take: the error, and the policies.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::time::Duration;

use crate::job::{Home, Job, Pending, enter_policy};
use crate::pool::Pool;
use crate::stats::PoolStats;
use crate::sync::Arc;
use crate::wait::Deadline;

/// A job that was not accepted, and why.
///
/// Keeps the job, so that nothing is lost: [`into_job`](Self::into_job) gives it back.
///
/// # Examples
///
/// ```
/// use workcrew::ThreadPoolExecutor;
///
/// let pool = ThreadPoolExecutor::fixed(1)?;
/// pool.shutdown();
/// let rejected = pool.execute(|| println!("saved")).unwrap_err();
/// assert!(rejected.is_shutdown());
/// rejected.into_job().run();
/// # Ok::<(), workcrew::BuildError>(())
/// ```
pub struct Rejected {
    job: Job,
    reason: RejectReason,
}

/// Why a job was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RejectReason {
    /// The queue was full and the pool had its maximum of threads.
    Saturated,
    /// The pool was shutting down, or had ended.
    Shutdown,
    /// No room came free in the time given.
    TimedOut,
    /// The job needed a new worker thread, and none could be started.
    SpawnFailed,
    /// The job that was waiting for room was interrupted.
    Interrupted,
}

impl Rejected {
    pub(crate) fn new(job: Job, reason: RejectReason) -> Self {
        Self { job, reason }
    }

    /// Returns why the job was not accepted.
    pub fn reason(&self) -> RejectReason {
        self.reason
    }

    /// Returns whether the pool was full; trying again later can succeed.
    pub fn is_saturated(&self) -> bool {
        matches!(self.reason, RejectReason::Saturated | RejectReason::TimedOut)
    }

    /// Returns whether the pool was shut down; it never accepts a job again.
    pub fn is_shutdown(&self) -> bool {
        self.reason == RejectReason::Shutdown
    }

    pub(crate) fn job(&self) -> &Job {
        &self.job
    }

    /// Returns the job.
    pub fn into_job(self) -> Job {
        self.job
    }
}

impl fmt::Debug for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejected").field("reason", &self.reason).finish_non_exhaustive()
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.reason {
            RejectReason::Saturated => {
                "no room for the job: all threads are busy, and as many jobs are queued as may be; \
                 try later, or set a rejection policy"
            }
            RejectReason::Shutdown => "the pool is shut down and takes no more jobs",
            RejectReason::TimedOut => "no room for the job within the time given",
            RejectReason::SpawnFailed => {
                "no worker thread could be started for the job; the log has the reason"
            }
            RejectReason::Interrupted => "interrupted while waiting for room for the job",
        })
    }
}

impl std::error::Error for Rejected {}

/// Decides what becomes of a job that the pool did not accept.
///
/// It is asked once for each job, on the thread that submits it, without a lock held: when the
/// pool is saturated, and when it is shut down.
/// It must give the job to one of the methods of [`Saturation`], or return it in an error; a job
/// that it drops instead counts as discarded. If it panics, the panic reaches the submitter.
///
/// A panic of a job that it [runs](Job::run), or of the destructor of one that it drops, does not
/// reach it, and so does not cost the job that it was asked about: a handle receives it, or else the
/// pool reports it.
///
/// The built-in ones are in [`policy`].
///
/// # Examples
///
/// A policy that makes room by running the oldest pending job on the submitter:
///
/// ```
/// use workcrew::{Job, Rejected, RejectionPolicy, Saturation, ThreadPoolExecutor};
///
/// struct RunOldest;
///
/// impl RejectionPolicy for RunOldest {
///     fn rejected(&self, job: Job, saturation: &Saturation<'_>) -> Result<(), Rejected> {
///         match saturation.take_oldest() {
///             Some(oldest) => {
///                 oldest.run();
///                 saturation.retry(job)
///             }
///             None => saturation.reject(job),
///         }
///     }
/// }
///
/// let pool = ThreadPoolExecutor::builder().threads(1).rejection_policy(RunOldest).build()?;
/// pool.close();
/// # Ok::<(), workcrew::BuildError>(())
/// ```
pub trait RejectionPolicy: Send + Sync {
    /// Disposes of the job.
    ///
    /// # Errors
    ///
    /// The job, with the reason, if the submitter has to deal with it.
    fn rejected(&self, job: Job, saturation: &Saturation<'_>) -> Result<(), Rejected>;
}

/// The moment in which a pool did not accept a job, as its [`RejectionPolicy`] sees it.
pub struct Saturation<'a> {
    pool: &'a Arc<Pool>,
    reason: RejectReason,
    /// Whether the job that the policy was asked about is still to be counted.
    open: Cell<bool>,
    /// Whether the policy was told of room that it has not used.
    has_room: Cell<bool>,
    /// Jobs that the policy has taken back; who watches them is told when it is done with them.
    taken: RefCell<Vec<Arc<dyn Pending>>>,
}

impl<'a> Saturation<'a> {
    pub(crate) fn new(pool: &'a Arc<Pool>, reason: RejectReason) -> Self {
        let (open, has_room) = (Cell::new(true), Cell::new(false));
        Self { pool, reason, open, has_room, taken: RefCell::default() }
    }

    /// Asks the policy, and counts the job that it returns. One that came out neither way is counted
    /// when this is dropped, also by a panic.
    pub(crate) fn consult(self, policy: &dyn RejectionPolicy, job: Job) -> Result<(), Rejected> {
        let asked = enter_policy(Arc::clone(self.pool) as Arc<dyn Home>);
        let result = policy.rejected(job, &self);
        drop(asked);
        if result.is_err() {
            self.open.set(false);
            self.pool.count_rejected();
        }
        result
    }

    /// Returns why the job was not accepted.
    pub fn reason(&self) -> RejectReason {
        self.reason
    }

    /// Returns whether the pool was shut down: then a job can only be
    /// [rejected](Self::reject).
    pub fn is_shutdown(&self) -> bool {
        self.reason == RejectReason::Shutdown
    }

    /// Returns the pool's statistics.
    pub fn stats(&self) -> PoolStats {
        self.pool.stats()
    }

    /// Gives the job back to the submitter.
    ///
    /// # Errors
    ///
    /// Always: the job, with the [reason](Self::reason).
    pub fn reject(&self, job: Job) -> Result<(), Rejected> {
        self.reject_because(job, self.reason)
    }

    /// Gives the job back to the submitter, for another reason.
    ///
    /// # Errors
    ///
    /// Always: the job, with `reason`.
    pub fn reject_because(&self, job: Job, reason: RejectReason) -> Result<(), Rejected> {
        Err(Rejected::new(job, reason))
    }

    /// Submits the job again, without asking a policy.
    ///
    /// # Errors
    ///
    /// The job, if it is not accepted this time either.
    pub fn retry(&self, job: Job) -> Result<(), Rejected> {
        self.pool.admit(job)?;
        self.open.set(false);
        self.has_room.set(false);
        Ok(())
    }

    /// Runs the job on this thread as one of the pool's: under its hooks, its counts and its
    /// `shutdown_now`, and the pool's end waits for it. A panic is treated as that of any job.
    ///
    /// # Errors
    ///
    /// The job, if the pool is shut down.
    pub fn run_here(&self, job: Job) -> Result<(), Rejected> {
        self.pool.run_on_caller(job)?;
        self.open.set(false);
        Ok(())
    }

    /// Takes back the job that has been pending for the longest time; it counts as handed back.
    pub fn take_oldest(&self) -> Option<Job> {
        let oldest = self.pool.take_oldest()?;
        self.taken.borrow_mut().extend(oldest.pending().map(Arc::clone));
        Some(oldest)
    }

    /// Waits until the pool has room for a job. Another submitter may take it first.
    ///
    /// # Errors
    ///
    /// [`RejectReason::TimedOut`], [`RejectReason::Shutdown`] if the pool is shut down meanwhile,
    /// [`RejectReason::Interrupted`] if the submitting job is.
    pub fn wait_for_room(&self, timeout: Duration) -> Result<(), RejectReason> {
        self.pool.wait_for_room(Deadline::after(timeout))?;
        self.has_room.set(true);
        Ok(())
    }

    fn discard(&self, job: Job) {
        self.open.set(false);
        self.pool.count_discarded();
        self.pool.drop_contained(job);
    }
}

impl Drop for Saturation<'_> {
    fn drop(&mut self) {
        if self.open.get() {
            self.pool.count_discarded();
        }
        if self.has_room.get() {
            self.pool.pass_room_on();
        }
        self.taken.get_mut().iter().for_each(|task| task.handed_back());
    }
}

impl fmt::Debug for Saturation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Saturation").field("reason", &self.reason).finish_non_exhaustive()
    }
}

/// The built-in [rejection policies](RejectionPolicy). Each gives the job back when the pool is
/// shut down.
pub mod policy {
    use super::{Deadline, Duration, Job, Rejected, RejectionPolicy, Saturation};

    /// Gives the job back to the submitter, as an error. The default.
    #[derive(Clone, Copy, Debug, Default)]
    pub struct Abort;

    impl RejectionPolicy for Abort {
        fn rejected(&self, job: Job, saturation: &Saturation<'_>) -> Result<(), Rejected> {
            saturation.reject(job)
        }
    }

    /// Runs the job on the submitting thread, which slows the submitter down to the pool's pace.
    ///
    /// Other than in the JDK, the job runs under the pool's hooks, is counted, has its own
    /// interrupt, which `shutdown_now` sets, and is waited for by `await_termination`; and after a
    /// shutdown it is given back, not dropped.
    #[derive(Clone, Copy, Debug, Default)]
    pub struct CallerRuns;

    impl RejectionPolicy for CallerRuns {
        fn rejected(&self, job: Job, saturation: &Saturation<'_>) -> Result<(), Rejected> {
            saturation.run_here(job)
        }
    }

    /// Drops the job. Its handle settles as [`Cancelled`](crate::JoinError::Cancelled).
    #[derive(Clone, Copy, Debug, Default)]
    pub struct Discard;

    impl RejectionPolicy for Discard {
        fn rejected(&self, job: Job, saturation: &Saturation<'_>) -> Result<(), Rejected> {
            if saturation.is_shutdown() {
                return saturation.reject(job);
            }
            saturation.discard(job);
            Ok(())
        }
    }

    /// Drops the job that has been pending for the longest time, and queues this one.
    ///
    /// The dropped one's handle settles as [`Cancelled`](crate::JoinError::Cancelled). Where
    /// nothing is pending, as in a [`Queue::Handoff`](crate::Queue::Handoff) pool, this job is given
    /// back.
    #[derive(Clone, Copy, Debug, Default)]
    pub struct DiscardOldest;

    impl RejectionPolicy for DiscardOldest {
        fn rejected(&self, job: Job, saturation: &Saturation<'_>) -> Result<(), Rejected> {
            if saturation.is_shutdown() {
                return saturation.reject(job);
            }
            saturation.pool.displace_oldest(job)?;
            saturation.open.set(false);
            Ok(())
        }
    }

    /// Waits until there is room, for at most `timeout`.
    ///
    /// All waiting submitters are woken by a shutdown. Workers that submit to their own pool under
    /// this policy wait for each other if they all do: give them a `timeout`, or another policy.
    #[derive(Clone, Copy, Debug)]
    pub struct Block {
        /// The longest wait; [`Duration::MAX`] is without end.
        pub timeout: Duration,
    }

    impl RejectionPolicy for Block {
        fn rejected(&self, job: Job, saturation: &Saturation<'_>) -> Result<(), Rejected> {
            if saturation.is_shutdown() {
                return saturation.reject(job);
            }
            saturation.pool.admit_by(job, Deadline::after(self.timeout))?;
            saturation.open.set(false);
            Ok(())
        }
    }
}
