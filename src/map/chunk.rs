//! Owns a chunk: the items on which one job calls the function, and the results, kept where neither
//! a panic nor an interrupt of the job loses any.
//!
//! INVARIANT: a job that has run leaves one result for each of its items. `join` adds those of a job
//! that has not. The payload of the first panic is the job's, and comes by its handle.
//!
//! What is the user's is dropped one by one, and a panic of that goes to the pool: two of them must
//! not meet.

use std::collections::VecDeque;
use std::panic::resume_unwind;
use std::time::Duration;

use crate::error::{CancelReason, JoinError};
use crate::interrupt;
use crate::job::{Home, Job, Site, catch, drop_caught};
use crate::job_handle::JobHandle;
use crate::pool::Pool;
use crate::sync::{Arc, Instant, Mutex};
use crate::task::Settles;

/// The function to call.
pub(super) struct Function<F> {
    /// Taken by the drop alone.
    f: Option<F>,
    pool: Arc<Pool>,
}

impl<F> Function<F> {
    pub(super) fn new(f: F, pool: Arc<Pool>) -> Arc<Self> {
        Arc::new(Self { f: Some(f), pool })
    }

    fn get(&self) -> &F {
        self.f.as_ref().expect("only the drop takes it")
    }
}

impl<F> Drop for Function<F> {
    fn drop(&mut self) {
        self.pool.report_destructor(drop_caught(self.f.take()).err());
    }
}

/// Items on which the function has not been called.
pub(super) struct Items<V> {
    pub(super) list: VecDeque<V>,
    pool: Arc<Pool>,
}

impl<V> Items<V> {
    pub(super) fn new(pool: Arc<Pool>) -> Self {
        Self { list: VecDeque::new(), pool }
    }

    pub(super) fn take(&mut self) -> Self {
        Self { list: std::mem::take(&mut self.list), pool: Arc::clone(&self.pool) }
    }
}

impl<V> Drop for Items<V> {
    fn drop(&mut self) {
        while let Some(item) = self.list.pop_front() {
            self.pool.report_destructor(drop_caught(item).err());
        }
    }
}

/// Results that have not been yielded.
pub(super) struct Results<T> {
    pub(super) list: VecDeque<Result<T, JoinError>>,
    pool: Arc<Pool>,
}

impl<T> Results<T> {
    pub(super) fn new(pool: Arc<Pool>) -> Self {
        Self { list: VecDeque::new(), pool }
    }

    pub(super) fn take(&mut self) -> Self {
        Self { list: std::mem::take(&mut self.list), pool: Arc::clone(&self.pool) }
    }
}

impl<T> Drop for Results<T> {
    fn drop(&mut self) {
        while let Some(result) = self.list.pop_front() {
            match result {
                Ok(value) => self.pool.report_destructor(drop_caught(value).err()),
                Err(JoinError::Panicked(payload)) => self.pool.report_panic(payload.into_inner()),
                Err(JoinError::Cancelled(_) | JoinError::Interrupted | JoinError::Deadlock) => {}
            }
        }
    }
}

/// What a chunk's job leaves for who yields the results.
struct Progress<T> {
    results: Results<T>,
    /// The place of the result that the job's own panic is.
    panicked: usize,
    took: Duration,
}

/// What a chunk's job does.
struct Work<V, F, T> {
    items: Items<V>,
    function: Arc<Function<F>>,
    progress: Arc<Mutex<Progress<T>>>,
}

impl<V, F, T> Work<V, F, T>
where
    F: Fn(V) -> T,
{
    fn run(mut self) {
        let begun = Instant::now();
        let count = self.items.list.len();
        let mut results = Results::new(Arc::clone(&self.items.pool));
        results.list.reserve(count);
        let mut panic = None;
        let mut panicked = 0;
        while !interrupt::is_interrupted() {
            let Some(item) = self.items.list.pop_front() else { break };
            let result = match catch(|| self.function.get()(item)) {
                Ok(value) => Ok(value),
                Err(payload) if panic.is_none() => {
                    panicked = results.list.len();
                    panic = Some(payload);
                    unrun(CancelReason::Dropped)
                }
                Err(payload) => Err(JoinError::panicked(payload)),
            };
            results.list.push_back(result);
        }
        // A shutdown has interrupted the job: nobody looks at the results of a cancelled chunk.
        results.list.resize_with(count, || unrun(CancelReason::Shutdown));
        let progress = Progress { results, panicked, took: begun.elapsed() };
        // The old list is empty: nothing of the user's is dropped under the lock.
        *self.progress.lock() = progress;
        // Before the unwinding, in which destructors must not panic.
        drop(self);
        if let Some(payload) = panic {
            resume_unwind(payload);
        }
    }
}

/// A chunk whose results have not been yielded.
pub(super) struct Chunk<T> {
    handle: JobHandle<()>,
    items: usize,
    progress: Arc<Mutex<Progress<T>>>,
}

/// The result of an item on which the function has not been called.
fn unrun<T>(why: CancelReason) -> Result<T, JoinError> {
    Err(JoinError::Cancelled(why))
}

impl<T: Send + 'static> Chunk<T> {
    pub(super) fn new<V, F>(items: Items<V>, function: Arc<Function<F>>, site: Site) -> (Job, Self)
    where
        V: Send + 'static,
        F: Fn(V) -> T + Send + Sync + 'static,
    {
        let count = items.list.len();
        let results = Results::new(Arc::clone(&items.pool));
        let progress =
            Arc::new(Mutex::new(Progress { results, panicked: 0, took: Duration::ZERO }));
        let work = Work { items, function, progress: Arc::clone(&progress) };
        let (job, handle) = Job::with_handle_at(site, move || work.run());
        (job, Self { handle, items: count, progress })
    }
}

impl<T> Chunk<T> {
    /// Waits for the chunk's job, and says how long that took once it had begun; returns the chunk if
    /// this thread's job is interrupted first.
    pub(super) fn join(self) -> Result<(Results<T>, Duration), Self> {
        let Ok(ended) = self.handle.join_or_revoke() else { return Err(self) };
        let mut progress = self.progress.lock();
        let mut results = progress.results.take();
        let took = progress.took;
        // The list is empty if the job has not run, or if this thread is running it.
        let why = match &ended {
            Err(JoinError::Cancelled(why)) => *why,
            _ => CancelReason::Dropped,
        };
        results.list.resize_with(self.items, || unrun(why));
        if let (Err(error), Some(place)) = (ended, results.list.get_mut(progress.panicked)) {
            *place = Err(error);
        }
        drop(progress);
        Ok((results, took))
    }

    pub(super) fn task(&self) -> Arc<dyn Settles<()>> {
        self.handle.task()
    }
}
