//! Owns what all executors have in common.

use crate::job::Job;
use crate::rejection::Rejected;

/// Something that runs jobs. Object safe: a library can take a `&dyn Executor` and leave the choice
/// of threads to its caller.
///
/// # Examples
///
/// ```
/// use workcrew::{Executor, Job, Rejected, ThreadPoolExecutor};
///
/// fn log_later(executor: &dyn Executor, line: String) -> Result<(), Rejected> {
///     executor.execute_job(Job::new(move || println!("{line}")))
/// }
///
/// let pool = ThreadPoolExecutor::single()?;
/// log_later(&pool, "started".into())?;
/// log_later(&pool.handle(), "done".into())?;
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
