//! Owns a set of jobs whose results are taken as they come.

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use crossbeam_channel::Receiver;

use crate::error::{AwaitError, Never};
use crate::executor::Executor;
use crate::interrupt::Interrupted;
use crate::job::waiting::Needs;
use crate::job::{Awaited, Job};
use crate::members::{JobId, Joined, Members};
use crate::rejection::Rejected;
use crate::task::CancelOutcome;
use crate::wait::Deadline;

type Execute = Box<dyn Fn(Job) -> Result<(), Rejected> + Send + Sync>;

/// Jobs whose results are taken as they come, in whatever order they end: the JDK's
/// `ExecutorCompletionService`, with an owner.
///
/// Each job that was submitted arrives once. One that panicked arrives as
/// [`Panicked`](crate::JoinError::Panicked). One that was cancelled, discarded by a policy, or handed back
/// by [`shutdown_now`](crate::Handle::shutdown_now) or
/// [`take_pending`](crate::ThreadPoolExecutor::take_pending) arrives as
/// [`Cancelled`](crate::JoinError::Cancelled), so nobody waits in vain; if whoever it was handed back to
/// runs it, its result goes nowhere. `shutdown` lets all run that were submitted before.
///
/// Jobs that wait for jobs of their own pool cannot starve it: a job that waits here does not count
/// against the pool's size meanwhile, so that another worker may be started in its place, and a job
/// that it submits while the pool is saturated is run at once by its own thread, without asking the
/// policy. An interrupt of the job that waits ends the wait, not the jobs of the set.
///
/// Dropping the set cancels what is left: pending jobs are removed, running ones interrupted, and
/// nobody waits for them. [`detach_all`](Self::detach_all) lets them go on instead.
///
/// # Examples
///
/// ```
/// use workcrew::ThreadPoolExecutor;
///
/// let pool = ThreadPoolExecutor::fixed(4)?;
/// let mut squares = pool.join_set();
/// for n in 0..10_u64 {
///     squares.submit(move || n * n)?;
/// }
/// let mut sum = 0;
/// while let Some((_id, square)) = squares.join_next()? {
///     sum += square?;
/// }
/// assert_eq!(sum, 285);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// In `select!`, together with something else:
///
/// ```
/// use crossbeam_channel::{never, select};
/// use workcrew::ThreadPoolExecutor;
///
/// let pool = ThreadPoolExecutor::fixed(2)?;
/// let mut set = pool.join_set();
/// set.submit(|| 7)?;
/// let commands = never::<String>();
/// select! {
///     recv(set.ready()) -> _ => assert!(set.try_join_next().is_some()),
///     recv(commands) -> command => println!("{command:?}"),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct JoinSet<T> {
    execute: Execute,
    members: Members<T>,
}

impl<T: Send + 'static> JoinSet<T> {
    /// Makes an empty set whose jobs `executor` runs. For a pool there is
    /// [`join_set`](crate::Handle::join_set), too.
    pub fn on(executor: impl Executor + 'static) -> Self {
        Self {
            execute: Box::new(move |job| executor.execute_awaited(job, Awaited::All)),
            members: Members::new(),
        }
    }

    /// Submits a job, and returns the name under which its result will arrive.
    ///
    /// # Errors
    ///
    /// The job, if the executor does not take it; the set is as before.
    ///
    /// # Panics
    ///
    /// Only if the pool's rejection policy does.
    #[track_caller]
    pub fn submit<F>(&mut self, f: F) -> Result<JobId, Rejected>
    where
        F: FnOnce() -> T + Send + 'static,
    {
        self.members.submit(f, Location::caller(), &self.execute)
    }
}

impl<T: 'static> JoinSet<T> {
    /// Waits for the next job to end, and returns its name and result; none if the set is empty.
    ///
    /// # Errors
    ///
    /// [`Interrupted`] if the job that calls this is interrupted; the set is as before.
    pub fn join_next(&mut self) -> Result<Option<Joined<T>>, Interrupted> {
        self.members.next_by(Deadline::NEVER, Needs::Any).map_err(|error| match error {
            AwaitError::Interrupted | AwaitError::TimedOut | AwaitError::FromWorker => Interrupted,
        })
    }

    /// Waits for the next job to end, for at most `timeout`. A zero timeout only looks.
    ///
    /// # Errors
    ///
    /// [`AwaitError::TimedOut`] after `timeout`, [`AwaitError::Interrupted`] if the job that calls
    /// this is interrupted; the set is as before.
    pub fn join_next_timeout(
        &mut self,
        timeout: Duration,
    ) -> Result<Option<Joined<T>>, AwaitError> {
        self.members.next_by(Deadline::after(timeout), Needs::Any)
    }

    /// Returns the name and the result of the next job, if one has ended.
    pub fn try_join_next(&mut self) -> Option<Joined<T>> {
        self.members.try_next()
    }

    /// Returns a channel that never carries a message and disconnects when
    /// [`try_join_next`](Self::try_join_next) has a result, or the set is empty: an arm for
    /// `select!`. It is good for one job: ask again for the next. The pool does not know of a wait on
    /// it: from a job of a small pool, `join_next` is the better one. Where a job was handed back and
    /// cancelled at the same moment, it may disconnect once without a result.
    pub fn ready(&self) -> Receiver<Never> {
        self.members.ready()
    }

    /// Returns the number of jobs whose results have not been taken.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Returns whether all results have been taken.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Cancels one job, as [`JobHandle::cancel`](crate::JobHandle::cancel) does; its result still
    /// arrives. None if it has been taken, or is of another set.
    pub fn cancel(&self, id: JobId) -> Option<CancelOutcome> {
        self.members.cancel(id)
    }

    /// Cancels all jobs: pending ones are removed and arrive as
    /// [`Cancelled`](crate::JoinError::Cancelled), running ones are interrupted and arrive as they end.
    pub fn cancel_all(&self) {
        self.members.cancel_all();
    }

    /// Lets all jobs go on by themselves, as dropped handles do; the set is empty then. Panics are
    /// reported by the pool.
    pub fn detach_all(&mut self) {
        self.members.detach_all();
    }
}

/// Takes results as [`join_next`](JoinSet::join_next) does, until the set is empty or the job that
/// waits is interrupted, which [`len`](JoinSet::len) tells apart.
impl<T: 'static> Iterator for JoinSet<T> {
    type Item = Joined<T>;

    fn next(&mut self) -> Option<Joined<T>> {
        self.join_next().unwrap_or(None)
    }
}

impl<T: 'static> fmt::Debug for JoinSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinSet").field("len", &self.len()).finish_non_exhaustive()
    }
}
