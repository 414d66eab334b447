//! Owns the owner's ways to end its pool by name or with a report, and what it can leave to that end.

use super::ThreadPoolExecutor;
use super::unwinding::Unwinding;
use crate::kept::Kept;
use crate::lifecycle::OnDrop;
use crate::shutdown_plan::ShutdownPlan;
use crate::shutdown_report::ShutdownReport;

impl ThreadPoolExecutor {
    /// Shuts the pool down and waits until every accepted job has run and the threads are joined.
    ///
    /// If the job that calls this is interrupted meanwhile, the pool is stopped as by
    /// `shutdown_now`, its pending jobs are dropped, and the wait goes on, as in the JDK. Called on
    /// one of the pool's own workers it does not wait, and the log says so. While the thread is
    /// panicking, as in a destructor that the panic runs, it waits as ever.
    pub fn close(mut self) {
        self.pool.resume_waiting();
        self.end_by(OnDrop::Close);
    }

    /// Shuts the pool down and waits for nothing: the accepted jobs are run as long as the program
    /// does, also if the thread is panicking.
    pub fn detach(mut self) {
        self.end_by(OnDrop::Detach);
    }

    /// Has the drop that follows end the pool like this, whatever else would.
    fn end_by(&mut self, on_drop: OnDrop) {
        self.on_drop = on_drop;
        self.unwinding = Unwinding::Disregarded;
    }

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
