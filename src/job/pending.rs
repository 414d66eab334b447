//! Owns what pools and jobs with handles know of each other.

use super::{Around, Ended, News, Origin, PoolId};
use crate::error::Payload;
use crate::sync::Arc;

/// A job with a handle, as the queue sees it. All calls are made under the lock that decides.
pub(crate) trait Pending: Send + Sync {
    /// Marks it as queued at `home`; false if it was cancelled before.
    fn queue(&self, home: Arc<dyn Home>) -> bool;
    /// Takes it for running; false if it was taken or cancelled before.
    fn start(&self) -> bool;
    /// Marks it as queued nowhere, though still to be run; false if it was taken or cancelled.
    fn hand_back(&self) -> bool;
    /// Tells who waits or watches that the job was handed back, unless it is queued or run again since. To be
    /// called without a lock.
    fn handed_back(&self);
    /// Where it comes from.
    fn origin(&self) -> &Origin;
    /// Puts code around its running, by the hook of that pool if by one; gives it back if that has
    /// begun, or never will.
    fn wrap(&self, around: Around, by: Option<PoolId>) -> Option<Around>;
    /// Returns whether the hook of the pool has put code around its running.
    fn is_wrapped_by(&self, pool: PoolId) -> bool;
    /// Returns whether it still waits to be started.
    fn is_pending(&self) -> bool;
    /// Runs what [`start`](Self::start) took.
    fn execute(self: Arc<Self>) -> Ended;
    /// Ends what `start` took with a panic that came from elsewhere, without running it.
    fn fail(self: Arc<Self>, payload: Payload) -> Ended;
    /// Settles it as cancelled unless it was taken.
    fn abandon(&self);
    /// Publishes how it ended, and says whether somebody is still to be told. Runs none of the
    /// user's code.
    fn settle(&self) -> News;
    /// Publishes how it ended, if that was not done before, and wakes who waits for it.
    fn tell(&self);
}

/// What a pending job's handle may ask of the pool that queues the job.
pub(crate) trait Home: Send + Sync {
    /// Calls `claim` under the pool's lock and, if it says that it got the job, counts the job as
    /// cancelled and its place as free; to be followed by `cancel_ended`.
    fn cancel(&self, claim: &mut dyn FnMut() -> bool) -> bool;
    /// The handle of a job that was cancelled has been told, and its captures are dropped.
    fn cancel_ended(&self);
    /// If this thread is one of the pool's workers: calls `claim` under the pool's lock and, if it
    /// says that it got the job, runs the job here. False if it is none.
    fn help(&self, task: &Arc<dyn Pending>, claim: &mut dyn FnMut() -> bool) -> bool;
    /// Tells whom it concerns of a panic that no handle will receive.
    fn report_panic(&self, payload: Payload);
    /// The same of what `source` names, with where that came from if it is a job.
    fn report(&self, source: &str, origin: Option<&Origin>, payload: Payload);
}
