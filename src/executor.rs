//! Owns what all executors have in common.

use std::panic::Location;
use std::time::Duration;

use crate::error::JoinError;
use crate::invoke::{self, InvokeAllError, InvokeAnyError};
use crate::job::{Awaited, Job};
use crate::job_handle::JobHandle;
use crate::rejection::{Rejected, RejectedSubmit};
use crate::sync::Arc;
use crate::wait::Deadline;

/// Something that runs jobs. Object safe: a library can take a `&dyn Executor` and leave the choice
/// of threads to its caller.
///
/// References, boxes and [`Arc`]s of an executor are executors too. [`ExecutorExt`] has the methods
/// that take closures.
///
/// # Examples
///
/// ```
/// use workcrew::{DirectExecutor, Executor, ExecutorExt, Rejected, ThreadPoolExecutor};
///
/// fn log_later(executor: &dyn Executor, line: String) -> Result<(), Rejected> {
///     executor.execute(move || println!("{line}"))
/// }
///
/// let pool = ThreadPoolExecutor::single()?;
/// log_later(&pool, "started".into())?;
/// log_later(&pool.handle(), "at work".into())?;
/// log_later(&DirectExecutor::new(), "printed before this returns".into())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Executor: Send + Sync {
    /// Takes a job to run it, now or later, here or on another thread.
    ///
    /// # Errors
    ///
    /// The job, if it is not accepted.
    fn execute_job(&self, job: Job) -> Result<(), Rejected>;

    /// Takes a job for which the calling thread is going to wait, together with others.
    ///
    /// The calls for several jobs submit by this. Unless an executor says otherwise it is
    /// [`execute_job`](Self::execute_job). A pool does not refuse a job of its own jobs for want of
    /// room, as those that wait for each other would: see [`invoke_all`](crate::Handle::invoke_all).
    ///
    /// # Errors
    ///
    /// The job, if it is not accepted.
    fn execute_awaited(&self, job: Job, awaited: Awaited) -> Result<(), Rejected> {
        let _ = awaited;
        self.execute_job(job)
    }
}

/// What every [`Executor`] can do beyond taking a job, also behind a `dyn`: a trait of its own, as
/// methods that take any closure would keep the other from being object safe.
pub trait ExecutorExt: Executor {
    /// Submits a job whose result nobody waits for.
    ///
    /// # Errors
    ///
    /// As for [`execute_job`](Executor::execute_job).
    #[track_caller]
    fn execute<F: FnOnce() + Send + 'static>(&self, f: F) -> Result<(), Rejected> {
        self.execute_job(Job::new(f))
    }

    /// Submits a job and returns the handle to its result.
    ///
    /// # Errors
    ///
    /// The job and its handle, as for [`execute_job`](Executor::execute_job).
    #[track_caller]
    fn submit<F, T>(&self, f: F) -> Result<JobHandle<T>, RejectedSubmit<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let (job, handle) = Job::with_handle(f);
        RejectedSubmit::unless(self.execute_job(job), handle)
    }

    /// Runs all jobs and returns their results in order. See
    /// [`Handle::invoke_all`](crate::Handle::invoke_all).
    ///
    /// # Errors
    ///
    /// As for [`Handle::invoke_all`](crate::Handle::invoke_all).
    #[track_caller]
    fn invoke_all<F, T>(
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

    /// Runs all jobs within a time limit. See
    /// [`Handle::invoke_all_timeout`](crate::Handle::invoke_all_timeout).
    ///
    /// # Errors
    ///
    /// As for [`Handle::invoke_all_timeout`](crate::Handle::invoke_all_timeout).
    #[track_caller]
    fn invoke_all_timeout<F, T>(
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

    /// Returns the first success of several jobs. See
    /// [`Handle::invoke_any`](crate::Handle::invoke_any).
    ///
    /// # Errors
    ///
    /// As for [`Handle::invoke_any`](crate::Handle::invoke_any).
    #[track_caller]
    fn invoke_any<F, T, E>(&self, jobs: impl IntoIterator<Item = F>) -> Result<T, InvokeAnyError<E>>
    where
        F: FnOnce() -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        invoke::any(jobs, Deadline::NEVER, Location::caller(), |job, awaited| {
            self.execute_awaited(job, awaited)
        })
    }

    /// Returns the first success within a time limit. See
    /// [`Handle::invoke_any_timeout`](crate::Handle::invoke_any_timeout).
    ///
    /// # Errors
    ///
    /// As for [`Handle::invoke_any_timeout`](crate::Handle::invoke_any_timeout).
    #[track_caller]
    fn invoke_any_timeout<F, T, E>(
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
}

impl<E: Executor + ?Sized> ExecutorExt for E {}

impl<E: Executor + ?Sized> Executor for &E {
    fn execute_job(&self, job: Job) -> Result<(), Rejected> {
        (**self).execute_job(job)
    }

    fn execute_awaited(&self, job: Job, awaited: Awaited) -> Result<(), Rejected> {
        (**self).execute_awaited(job, awaited)
    }
}

impl<E: Executor + ?Sized> Executor for Box<E> {
    fn execute_job(&self, job: Job) -> Result<(), Rejected> {
        (**self).execute_job(job)
    }

    fn execute_awaited(&self, job: Job, awaited: Awaited) -> Result<(), Rejected> {
        (**self).execute_awaited(job, awaited)
    }
}

impl<E: Executor + ?Sized> Executor for Arc<E> {
    fn execute_job(&self, job: Job) -> Result<(), Rejected> {
        (**self).execute_job(job)
    }

    fn execute_awaited(&self, job: Job, awaited: Awaited) -> Result<(), Rejected> {
        (**self).execute_awaited(job, awaited)
    }
}
