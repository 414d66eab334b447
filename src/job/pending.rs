//! Owns what pools and jobs with handles know of each other.

use super::waiting::{Attention, Parting, Standing};
use super::{Around, Ended, Job, News, Origin, PoolId};
use crate::error::{CancelReason, Payload};
use crate::sync::Arc;

/// A job with a handle, as the queue sees it. All calls are made under the lock that decides.
pub(crate) trait Pending: Send + Sync {
    /// Marks it as queued at `home`, as the job of that number.
    fn queue(&self, home: Arc<dyn Home>, number: u64) -> Queued;
    /// Tells who waits or watches to look again: the job has moved, or its worker was refused. To be
    /// called without a lock.
    fn nudge(&self);
    /// Returns whether it is pending, and somebody waits for it or watches it.
    fn is_awaited(&self) -> bool;
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
    /// Says what its handle is to be told if it is dropped unrun.
    fn because(&self, why: CancelReason);
    /// Settles it as cancelled unless it was taken.
    fn abandon(&self);
    /// Publishes how it ended, and says whether somebody is still to be told. Runs none of the
    /// user's code.
    fn settle(&self) -> News;
    /// Publishes how it ended, if that was not done before, and wakes who waits for it.
    fn tell(&self);
}

/// What became of the attempt to queue a job with a handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Queued {
    /// It was cancelled before.
    Cancelled,
    Yes,
    /// And somebody waits for it, who is to be [nudged](Pending::nudge).
    Awaited,
}

/// A job that was queued where it was not before. Whoever waits for it is to be told, without a lock.
#[must_use]
pub(crate) struct Moved(Option<Arc<dyn Pending>>);

impl Moved {
    pub(crate) fn tell(self) {
        if let Some(task) = self.0 {
            task.nudge();
        }
    }
}

impl Job {
    /// Makes `home` the job's, which queues it as the job of that number; none if its handle has
    /// cancelled it.
    #[inline]
    pub(crate) fn moves_to(
        &self,
        number: u64,
        home: impl FnOnce() -> Arc<dyn Home>,
    ) -> Option<Moved> {
        let Some(task) = self.pending() else { return Some(Moved(None)) };
        match task.queue(home(), number) {
            Queued::Cancelled => None,
            Queued::Yes => Some(Moved(None)),
            Queued::Awaited => Some(Moved(Some(Arc::clone(task)))),
        }
    }
}

/// What came of the attempt to run a job on the thread that waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Help {
    /// It was run here.
    Ran,
    /// It is pending where this thread runs no jobs.
    NotHere,
    /// It is pending, and whoever took it back has it.
    Held,
    /// It is not pending, or was taken at this moment.
    NotNeeded,
    /// It is pending here, and a worker is about to take it.
    Promised,
    /// It is pending here, and too much of this thread's stack is in use.
    TooDeep,
}

/// What bounds the running of jobs by threads that wait for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    /// The stack that is in use.
    Stack,
    /// Nothing: no other thread can be had.
    None,
    /// The time limit of the wait, which a run could outlive: none where others can run the job.
    Time,
}

/// What a pending job's handle may ask of the pool that queues the job.
pub(crate) trait Home: Send + Sync {
    /// Calls `claim` under the pool's lock and, if it says that it got the job, counts the job as
    /// cancelled and its place as free; to be followed by `cancel_ended`.
    fn cancel(&self, claim: &mut dyn FnMut() -> bool) -> bool;
    /// The handle of a job that was cancelled has been told, and its captures are dropped.
    fn cancel_ended(&self);
    /// If this thread runs jobs for this home: calls `claim` under the home's lock, with the first
    /// number that a job may have for nobody else to be about to take it, and, if it says that it
    /// got the job, runs the job here.
    fn help(
        &self,
        task: &Arc<dyn Pending>,
        bound: Bound,
        claim: &mut dyn FnMut(u64) -> Help,
    ) -> Help;
    /// Returns whether this thread runs a job of this home.
    fn is_inside(&self) -> bool;
    /// Returns whether so many threads wait here that one which need not had better run a job.
    fn is_crowded(&self) -> bool;
    /// This thread, which is inside, begins to wait for a job of this home.
    fn park(&self);
    /// It goes on: with what it waited for, or to wait again, as far as anybody can tell.
    fn unpark(&self, parting: Parting);
    /// Sees to it that somebody is there for the pending jobs, for a thread that waits for one.
    fn attend(self: Arc<Self>, standing: Standing) -> Attention;
    /// Tells whom it concerns of a panic that no handle will receive.
    fn report_panic(&self, payload: Payload);
    /// The same of what `source` names, with where that came from if it is a job.
    fn report(&self, source: &str, origin: Option<&Origin>, payload: Payload);
}
