//! Owns the calls that concern several jobs, of handles and of owners.

use std::panic::Location;
use std::time::Duration;

use crate::error::JoinError;
use crate::executor::Executor;
use crate::handle::Handle;
use crate::invoke::{self, InvokeAllError, InvokeAnyError};
use crate::join_set::JoinSet;
use crate::map::Map;
use crate::owner::ThreadPoolExecutor;
use crate::scope::{Scope, ScopeError};
use crate::wait::Deadline;

impl Handle {
    /// Submits all jobs, waits for all, and returns their results in the order of the jobs. Of no
    /// jobs the result is empty.
    ///
    /// A job that panicked has a [`Panicked`](JoinError::Panicked) in its place; one that a policy
    /// discarded, or that was handed back by `shutdown_now`, a [`Cancelled`](JoinError::Cancelled).
    /// `shutdown` lets all run that were submitted before it. Jobs of this pool may call this: see
    /// [waiting inside jobs](crate#waiting-inside-jobs). A job of theirs for which there is no room is
    /// run at once by the calling thread, and the policy is not asked.
    ///
    /// # Errors
    ///
    /// [`Rejected`](InvokeAllError::Rejected) with the first job that is not accepted, and
    /// [`Interrupted`](InvokeAllError::Interrupted) if the job that calls this is. Then the other
    /// jobs are cancelled, as the JDK has it: pending ones are removed, running ones interrupted.
    ///
    /// # Panics
    ///
    /// Only if the rejection policy or the iterator does; the jobs are cancelled then too.
    ///
    /// # Examples
    ///
    /// ```
    /// use workcrew::ThreadPoolExecutor;
    ///
    /// let pool = ThreadPoolExecutor::fixed(2)?;
    /// let lengths = pool.invoke_all(["a", "bb", "ccc"].map(|word| move || word.len()))?;
    /// let lengths = lengths.into_iter().collect::<Result<Vec<_>, _>>()?;
    /// assert_eq!(lengths, [1, 2, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn invoke_all<F, T>(
        &self,
        jobs: impl IntoIterator<Item = F>,
    ) -> Result<Vec<Result<T, JoinError>>, InvokeAllError>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        invoke::all(jobs, Deadline::NEVER, Location::caller(), |job, awaited| {
            self.execute_awaited(job, awaited)
        })
    }

    /// The same, for at most `timeout`: what has not ended by then is cancelled, and is
    /// [`Cancelled`](JoinError::Cancelled) in the result, also if it was running.
    ///
    /// The time is looked at before each submission and each wait, so with a zero timeout nothing
    /// is submitted. Unlike the JDK, it is one deadline for both. The calling thread runs none of the
    /// jobs: where there is no room, a job of this pool waits for some until the time is over, as does
    /// any caller under [`CallerRuns`](crate::policy::CallerRuns) and
    /// [`Block`](crate::policy::Block).
    ///
    /// # Errors
    ///
    /// As for [`invoke_all`](Self::invoke_all); that the time is over is none.
    ///
    /// # Panics
    ///
    /// As for [`invoke_all`](Self::invoke_all).
    #[track_caller]
    pub fn invoke_all_timeout<F, T>(
        &self,
        jobs: impl IntoIterator<Item = F>,
        timeout: Duration,
    ) -> Result<Vec<Result<T, JoinError>>, InvokeAllError>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        invoke::all(jobs, Deadline::after(timeout), Location::caller(), |job, awaited| {
            self.execute_awaited(job, awaited)
        })
    }

    /// Runs jobs until one returns `Ok`, and returns that value; the others are cancelled.
    ///
    /// As in the JDK, jobs are submitted one by one while none has succeeded, so later ones may
    /// never be; and an `Err`, a panic or a cancellation is a failure, after which the others go
    /// on. So is being discarded, or handed back by `shutdown_now`; `shutdown` lets those run that
    /// were submitted before it. Running losers are interrupted and not waited for. Jobs of this pool
    /// may call this: see [waiting inside jobs](crate#waiting-inside-jobs). Where there is no room
    /// they wait for some, and the calling thread runs none of the jobs, which could take longer than
    /// the winner.
    ///
    /// # Errors
    ///
    /// [`Empty`](InvokeAnyError::Empty) if there is no job. If all fail, the failure of the one that
    /// ended last: [`Failed`](InvokeAnyError::Failed) with its error, or
    /// [`Ended`](InvokeAnyError::Ended). [`Rejected`](InvokeAnyError::Rejected) with the first job
    /// that is not accepted, and [`Interrupted`](InvokeAnyError::Interrupted) if the job that calls
    /// this is; the others are cancelled then.
    ///
    /// # Panics
    ///
    /// Only if the rejection policy or the iterator does; the jobs are cancelled then too.
    ///
    /// # Examples
    ///
    /// ```
    /// use workcrew::ThreadPoolExecutor;
    ///
    /// let pool = ThreadPoolExecutor::fixed(2)?;
    /// let number = pool.invoke_any(["x", "7"].map(|text| move || text.parse::<u32>()))?;
    /// assert_eq!(number, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn invoke_any<F, T, E>(
        &self,
        jobs: impl IntoIterator<Item = F>,
    ) -> Result<T, InvokeAnyError<E>>
    where
        F: FnOnce() -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        invoke::any(jobs, Deadline::NEVER, Location::caller(), |job, awaited| {
            self.execute_awaited(job, awaited)
        })
    }

    /// The same, for at most `timeout`, which is looked at before each submission and each wait.
    ///
    /// # Errors
    ///
    /// As for [`invoke_any`](Self::invoke_any), and [`TimedOut`](InvokeAnyError::TimedOut).
    ///
    /// # Panics
    ///
    /// As for [`invoke_any`](Self::invoke_any).
    #[track_caller]
    pub fn invoke_any_timeout<F, T, E>(
        &self,
        jobs: impl IntoIterator<Item = F>,
        timeout: Duration,
    ) -> Result<T, InvokeAnyError<E>>
    where
        F: FnOnce() -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        invoke::any(jobs, Deadline::after(timeout), Location::caller(), |job, awaited| {
            self.execute_awaited(job, awaited)
        })
    }

    /// Makes an empty set of jobs of this pool, whose results are taken as they come.
    pub fn join_set<T: Send + 'static>(&self) -> JoinSet<T> {
        JoinSet::on(self.clone())
    }

    /// Runs jobs that borrow from the caller's stack on the pool's own threads, as
    /// [`std::thread::scope`] does on new ones. Returns when `f` has returned and all jobs that were
    /// submitted through its [`Scope`] have ended, those too which jobs have submitted.
    ///
    /// Jobs of this pool may call this: see [waiting inside jobs](crate#waiting-inside-jobs). A job of
    /// theirs for which there is no room is run at once by its submitter. If the job that calls this is
    /// interrupted, so are the jobs of the scope; the scope waits for them all the same. After
    /// `shutdown` they run to the end. Those that `shutdown_now` or `take_pending` hands back are
    /// dropped when `f` has returned, unless whoever has them has run them.
    ///
    /// # Errors
    ///
    /// [`ScopeError`] if a job whose handle nobody held never ran: a policy discarded it, or it was
    /// handed back. Who holds the handle learns it there.
    ///
    /// # Panics
    ///
    /// If `f` panics, the jobs are cancelled, pending ones removed and running ones interrupted, as are
    /// those that they submit from then on; the panic goes on when all have ended. So does the first panic of a job that was not joined; the
    /// pool reports further ones.
    ///
    /// # Examples
    ///
    /// ```
    /// use workcrew::{ScopedRejected, ThreadPoolExecutor};
    ///
    /// let pool = ThreadPoolExecutor::fixed(2)?;
    /// let mut numbers = [1, 2, 3, 4];
    /// let (left, right) = numbers.split_at_mut(2);
    /// pool.scope(|s| {
    ///     s.execute(|| left.reverse()).unwrap_or_else(ScopedRejected::run);
    ///     s.execute(|| right.reverse()).unwrap_or_else(ScopedRejected::run);
    /// })?;
    /// assert_eq!(numbers, [2, 1, 4, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// What ends before the scope does cannot be borrowed:
    ///
    /// ```compile_fail,E0373
    /// # let pool = workcrew::ThreadPoolExecutor::fixed(1).expect("a pool");
    /// pool.scope(|s| {
    ///     let local = String::new();
    ///     s.execute(|| println!("{local}")).is_ok()
    /// });
    /// ```
    pub fn scope<'env, F, R>(&self, f: F) -> Result<R, ScopeError>
    where
        F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R,
    {
        self.pool().scope(f)
    }

    /// Calls `f` on each of many items, on the pool, and yields the results in the order of the items.
    ///
    /// Lazy: no item is taken before the first `next`, and never more than the
    /// [look-ahead](Map::look_ahead) are on their way, so the items may be endless. For small items
    /// [`chunks`](Map::chunks) puts several into one job. [`Map`] says what panics, interrupts,
    /// rejection and shutdown do.
    ///
    /// Meant for items that wait or take their time: files, requests, documents. To split work on
    /// slices over the processors, rayon's parallel iterators do better.
    ///
    /// # Examples
    ///
    /// ```
    /// use workcrew::ThreadPoolExecutor;
    ///
    /// let pool = ThreadPoolExecutor::fixed(2)?;
    /// let squares: Vec<u64> = pool.map(0..5, |n: u64| n * n).collect::<Result<_, _>>()?;
    /// assert_eq!(squares, [0, 1, 4, 9, 16]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn map<I, F, T>(&self, items: I, f: F) -> Map<I::IntoIter, F, T>
    where
        I: IntoIterator,
        I::Item: Send + 'static,
        F: Fn(I::Item) -> T + Send + Sync + 'static,
        T: Send + 'static,
    {
        Map::new(self.pool(), items.into_iter(), f, Location::caller())
    }
}

impl ThreadPoolExecutor {
    /// Runs all jobs and returns their results in order. See [`Handle::invoke_all`].
    ///
    /// # Errors
    ///
    /// As for [`Handle::invoke_all`].
    ///
    /// # Panics
    ///
    /// As for [`Handle::invoke_all`].
    #[track_caller]
    pub fn invoke_all<F, T>(
        &self,
        jobs: impl IntoIterator<Item = F>,
    ) -> Result<Vec<Result<T, JoinError>>, InvokeAllError>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.as_handle().invoke_all(jobs)
    }

    /// Runs all jobs within a time limit. See [`Handle::invoke_all_timeout`].
    ///
    /// # Errors
    ///
    /// As for [`Handle::invoke_all_timeout`].
    ///
    /// # Panics
    ///
    /// As for [`Handle::invoke_all`].
    #[track_caller]
    pub fn invoke_all_timeout<F, T>(
        &self,
        jobs: impl IntoIterator<Item = F>,
        timeout: Duration,
    ) -> Result<Vec<Result<T, JoinError>>, InvokeAllError>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.as_handle().invoke_all_timeout(jobs, timeout)
    }

    /// Returns the first success of several jobs. See [`Handle::invoke_any`].
    ///
    /// # Errors
    ///
    /// As for [`Handle::invoke_any`].
    ///
    /// # Panics
    ///
    /// As for [`Handle::invoke_any`].
    #[track_caller]
    pub fn invoke_any<F, T, E>(
        &self,
        jobs: impl IntoIterator<Item = F>,
    ) -> Result<T, InvokeAnyError<E>>
    where
        F: FnOnce() -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        self.as_handle().invoke_any(jobs)
    }

    /// Returns the first success within a time limit. See [`Handle::invoke_any_timeout`].
    ///
    /// # Errors
    ///
    /// As for [`Handle::invoke_any_timeout`].
    ///
    /// # Panics
    ///
    /// As for [`Handle::invoke_any`].
    #[track_caller]
    pub fn invoke_any_timeout<F, T, E>(
        &self,
        jobs: impl IntoIterator<Item = F>,
        timeout: Duration,
    ) -> Result<T, InvokeAnyError<E>>
    where
        F: FnOnce() -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        self.as_handle().invoke_any_timeout(jobs, timeout)
    }

    /// Makes an empty set of jobs of this pool. See [`Handle::join_set`].
    pub fn join_set<T: Send + 'static>(&self) -> JoinSet<T> {
        self.as_handle().join_set()
    }

    /// Runs jobs that borrow from the caller's stack. See [`Handle::scope`].
    ///
    /// # Errors
    ///
    /// As for [`Handle::scope`].
    ///
    /// # Panics
    ///
    /// As for [`Handle::scope`].
    pub fn scope<'env, F, R>(&self, f: F) -> Result<R, ScopeError>
    where
        F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R,
    {
        self.as_handle().scope(f)
    }

    /// Calls `f` on each of many items, on the pool, and yields the results in the order of the items.
    /// See [`Handle::map`].
    #[track_caller]
    pub fn map<I, F, T>(&self, items: I, f: F) -> Map<I::IntoIter, F, T>
    where
        I: IntoIterator,
        I::Item: Send + 'static,
        F: Fn(I::Item) -> T + Send + Sync + 'static,
        T: Send + 'static,
    {
        self.as_handle().map(items, f)
    }
}
