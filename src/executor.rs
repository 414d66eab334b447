//! Owns what all executors have in common.

use crate::job::Job;
use crate::job_handle::JobHandle;
use crate::rejection::Rejected;
use crate::sync::Arc;

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
}

/// What every [`Executor`] can do beyond taking a job, also behind a `dyn`: a trait of its own, as
/// methods that take any closure would keep the other from being object safe.
pub trait ExecutorExt: Executor {
    /// Submits a job whose result nobody waits for.
    ///
    /// # Errors
    ///
    /// As for [`execute_job`](Executor::execute_job).
    fn execute<F: FnOnce() + Send + 'static>(&self, f: F) -> Result<(), Rejected> {
        self.execute_job(Job::new(f))
    }

    /// Submits a job and returns the handle to its result.
    ///
    /// # Errors
    ///
    /// As for [`execute_job`](Executor::execute_job).
    fn submit<F, T>(&self, f: F) -> Result<JobHandle<T>, Rejected>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let (job, handle) = Job::with_handle(f);
        self.execute_job(job)?;
        Ok(handle)
    }
}

impl<E: Executor + ?Sized> ExecutorExt for E {}

impl<E: Executor + ?Sized> Executor for &E {
    fn execute_job(&self, job: Job) -> Result<(), Rejected> {
        (**self).execute_job(job)
    }
}

impl<E: Executor + ?Sized> Executor for Box<E> {
    fn execute_job(&self, job: Job) -> Result<(), Rejected> {
        (**self).execute_job(job)
    }
}

impl<E: Executor + ?Sized> Executor for Arc<E> {
    fn execute_job(&self, job: Job) -> Result<(), Rejected> {
        (**self).execute_job(job)
    }
}
