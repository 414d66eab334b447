//! Owns a handle that is awaited by asynchronous code.
//!
//! Wakers are code of the user's: they are cloned, called and dropped without any lock.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::JobHandle;
use crate::error::JoinError;
use crate::task::CancelOutcome;

/// The result of a submitted job, awaited. Made by [`JobHandle::into_future`], which `.await` calls.
///
/// It needs no runtime and no thread: the thread on which the job ends wakes the task, before it
/// takes its next job. So it may still count as busy when the task goes on, unlike after
/// [`join`](JobHandle::join).
///
/// Dropping it lets the job go on by itself, as dropping the handle does; [`cancel`](Self::cancel)
/// does not. It runs no pending job: a thread of a pool that blocks on this future until another job
/// of the pool has ended may wait forever, where `join` does not.
#[must_use = "a dropped future lets the job go on by itself; use `execute` if that is meant"]
pub struct JobFuture<T> {
    handle: JobHandle<T>,
}

/// Awaits the job's end.
///
/// # Examples
///
/// ```
/// use workcrew::{JoinError, ThreadPoolExecutor};
///
/// async fn sum(pool: &ThreadPoolExecutor) -> Result<u64, JoinError> {
///     pool.submit(|| (1..=100).sum()).expect("the pool takes jobs").await
/// }
///
/// let pool = ThreadPoolExecutor::fixed(2)?;
/// let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// assert_eq!(runtime.block_on(sum(&pool))?, 5_050);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl<T> IntoFuture for JobHandle<T> {
    type Output = Result<T, JoinError>;
    type IntoFuture = JobFuture<T>;

    fn into_future(self) -> JobFuture<T> {
        JobFuture { handle: self }
    }
}

impl<T> JobFuture<T> {
    /// Cancels the job, as [`JobHandle::cancel`] does. The future is still to be awaited for how the
    /// job ends.
    pub fn cancel(&self) -> CancelOutcome {
        self.handle.cancel()
    }
}

impl<T> Future for JobFuture<T> {
    type Output = Result<T, JoinError>;

    /// # Panics
    ///
    /// If it has returned the result before.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let cell = self.handle.task.cell();
        {
            let mut cell = cell.lock();
            if let Some(result) = cell.take_ended() {
                return Poll::Ready(result);
            }
            assert!(
                !cell.is_settled(),
                "a `JobFuture` was polled after it had returned its result"
            );
            if cell.waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
                return Poll::Pending;
            }
        }
        let waker = cx.waker().clone();
        let mut cell = cell.lock();
        if let Some(result) = cell.take_ended() {
            drop(cell);
            return Poll::Ready(result);
        }
        let before = cell.waker.replace(waker);
        drop(cell);
        drop(before);
        Poll::Pending
    }
}

impl<T> Drop for JobFuture<T> {
    fn drop(&mut self) {
        let waker = self.handle.task.cell().lock().waker.take();
        drop(waker);
    }
}

impl<T> fmt::Debug for JobFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobFuture").field("state", &self.handle.state()).finish_non_exhaustive()
    }
}
