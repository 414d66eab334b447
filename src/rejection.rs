//! Owns what happens to a job that the pool cannot take: the error, and the policies.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::time::Duration;

use crate::desk::Turn;
use crate::error::CancelReason;
use crate::job::{Home, Job, Pending, enter_policy};
use crate::pool::{KeptRoom, Pool};
use crate::stats::PoolStats;
use crate::sync::Arc;
use crate::wait::Deadline;

pub mod policy; // the built-in policies

pub use self::submit::RejectedSubmit;

mod submit; // the same with a handle

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

/// In a few words: `saturated`, `shut down` and so on. The error itself says more.
impl fmt::Display for RejectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Saturated => "saturated",
            Self::Shutdown => "shut down",
            Self::TimedOut => "timed out",
            Self::SpawnFailed => "no thread",
            Self::Interrupted => "interrupted",
        })
    }
}

impl Rejected {
    /// Makes the error of an [`Executor`](crate::Executor) of your own, or of a test double of one.
    pub fn new(job: Job, reason: RejectReason) -> Self {
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

    /// Returns the job, to look at its name and where it was submitted.
    pub fn job(&self) -> &Job {
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
    /// When the submitter does not wait any more, whatever its policy says.
    deadline: Deadline,
    /// The place that is kept for the policy, which it has not used yet.
    room: RefCell<Option<KeptRoom<'a>>>,
    /// Its turn among those who wait for room.
    turn: Cell<Option<Turn>>,
    /// Jobs that the policy has taken back; who watches them is told when it is done with them.
    taken: RefCell<Vec<Arc<dyn Pending>>>,
}

impl<'a> Saturation<'a> {
    pub(crate) fn new(pool: &'a Arc<Pool>, reason: RejectReason, deadline: Deadline) -> Self {
        Self {
            pool,
            reason,
            open: Cell::new(true),
            deadline,
            room: RefCell::default(),
            turn: Cell::default(),
            taken: RefCell::default(),
        }
    }

    /// Asks the policy, and counts the job that it returns. One that came out neither way is counted
    /// when this is dropped, also by a panic.
    pub(crate) fn consult(self, policy: &dyn RejectionPolicy, job: Job) -> Result<(), Rejected> {
        // Should the policy drop it.
        job.because(CancelReason::Discarded);
        let asked = enter_policy(Arc::clone(self.pool) as Arc<dyn Home>);
        let result = policy.rejected(job, &self);
        drop(asked);
        if let Err(rejected) = &result {
            rejected.job.because(CancelReason::Dropped);
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
        let room = self.room.take();
        match room {
            Some(room) => self.pool.admit_in(job, room)?,
            None => self.pool.admit(job)?,
        }
        self.open.set(false);
        Ok(())
    }

    /// Runs the job on this thread as one of the pool's: under its hooks, its counts and its
    /// `shutdown_now`, and the pool's end waits for it. A panic is treated as that of any job. If this
    /// thread runs a job already, an interrupt of that one is one of this job too.
    ///
    /// Where jobs that are run like this submit more of them, so that a good part of the thread's
    /// stack is in use, the job is queued beyond the capacity instead: one for each thread while
    /// there is no room; for a further one this waits for room. A submission with a time limit, that
    /// of `invoke_all_timeout`, waits for room until then and runs nothing here.
    ///
    /// # Errors
    ///
    /// The job, if the pool is shut down.
    pub fn run_here(&self, job: Job) -> Result<(), Rejected> {
        if self.deadline.is_never() {
            self.pool.run_on_caller(job)?;
        } else {
            self.pool.admit_by(job, self.deadline)?;
        }
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
        // A place that it has not used is not needed for another wait.
        drop(self.room.take());
        let mut turn = self.turn.take();
        let deadline = Deadline::after(timeout).sooner(self.deadline);
        let room = self.pool.wait_for_room(deadline, &mut turn);
        self.turn.set(turn);
        self.room.replace(Some(room?));
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
        drop(self.room.take());
        self.taken.get_mut().iter().for_each(|task| task.handed_back());
    }
}

impl fmt::Debug for Saturation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Saturation").field("reason", &self.reason).finish_non_exhaustive()
    }
}
