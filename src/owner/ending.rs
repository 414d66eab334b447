//! Owns the owner's ways to end its pool with a report, and what it can leave to that end.

use super::ThreadPoolExecutor;
use crate::kept::Kept;
use crate::shutdown_plan::ShutdownPlan;
use crate::shutdown_report::ShutdownReport;

impl ThreadPoolExecutor {
    /// Carries out a shutdown plan, and reports how it went. See
    /// [`Handle::shutdown_with`](crate::Handle::shutdown_with).
    ///
    /// After a report that the pool has not ended, the drop of the pool does not wait either.
    pub fn shutdown_with(&self, plan: &ShutdownPlan) -> ShutdownReport {
        self.handle.shutdown_with(plan)
    }

    /// Hands a value to the pool, which drops it strictly after its last job. See
    /// [`Handle::keep_until_terminated`](crate::Handle::keep_until_terminated).
    pub fn keep_until_terminated<T: Send + Sync + 'static>(&self, value: T) -> Kept<T> {
        self.handle.keep_until_terminated(value)
    }

    /// Adds a hook for the pool's end. See
    /// [`Handle::on_terminated`](crate::Handle::on_terminated).
    pub fn on_terminated(&self, f: impl FnOnce() + Send + 'static) {
        self.handle.on_terminated(f);
    }
}
