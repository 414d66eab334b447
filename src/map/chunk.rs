//! Owns a chunk: the items on which one job calls the function, and the results, kept where neither
//! a panic nor an interrupt of the job loses any.
//!
//! INVARIANT: a chunk has one result for each of its items from the start; it is `Cancelled` until
//! the call has ended. The payload of the first panic is the job's, and comes by its handle.
//!
//! What is the user's is dropped one by one, and a panic of that goes to the pool: two of them must
//! not meet.

use std::collections::VecDeque;
use std::panic::resume_unwind;

use crate::error::JoinError;
use crate::interrupt::{self, Interrupt};
use crate::job::{Home, Job, Site, catch, drop_caught};
use crate::job_handle::JobHandle;
use crate::pool::Pool;
use crate::sync::{Arc, Mutex};
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
}

impl<T> Drop for Results<T> {
    fn drop(&mut self) {
        while let Some(result) = self.list.pop_front() {
            match result {
                Ok(value) => self.pool.report_destructor(drop_caught(value).err()),
                Err(JoinError::Panicked(payload)) => self.pool.report_panic(payload),
                Err(JoinError::Cancelled | JoinError::Interrupted) => {}
            }
        }
    }
}

/// What a chunk's job leaves for who yields the results.
struct Progress<T> {
    results: Results<T>,
    /// The place of the result that the job's own panic is.
    panicked: usize,
    /// The interrupt of the job that runs this one in its own place, to be passed on.
    caller: Option<Interrupt>,
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
        let caller = self.progress.lock().caller.take();
        let _passed_on = caller.and_then(|caller| Some(caller.pass_on_to(&interrupt::current()?)));
        let mut panic = None;
        for place in 0.. {
            if interrupt::is_interrupted() {
                break;
            }
            let Some(item) = self.items.list.pop_front() else { break };
            let result = catch(|| self.function.get()(item));
            let mut progress = self.progress.lock();
            match result {
                Ok(value) => progress.results.list[place] = Ok(value),
                Err(payload) if panic.is_none() => {
                    progress.panicked = place;
                    panic = Some(payload);
                }
                Err(payload) => progress.results.list[place] = Err(JoinError::Panicked(payload)),
            }
        }
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
    progress: Arc<Mutex<Progress<T>>>,
}

impl<T: Send + 'static> Chunk<T> {
    pub(super) fn new<V, F>(items: Items<V>, function: Arc<Function<F>>, site: Site) -> (Job, Self)
    where
        V: Send + 'static,
        F: Fn(V) -> T + Send + Sync + 'static,
    {
        let mut results = Results::new(Arc::clone(&items.pool));
        results.list.resize_with(items.list.len(), || Err(JoinError::Cancelled));
        let progress = Arc::new(Mutex::new(Progress { results, panicked: 0, caller: None }));
        let work = Work { items, function, progress: Arc::clone(&progress) };
        let (job, handle) = Job::with_handle_at(site, move || work.run());
        (job, Self { handle, progress })
    }
}

impl<T> Chunk<T> {
    /// Makes the interrupt of this thread's job reach the chunk's too, which is to be run here.
    pub(super) fn pass_interrupt_on(&self) {
        self.progress.lock().caller = interrupt::current();
    }

    /// Waits for the chunk's job; returns the chunk if this thread's job is interrupted first.
    pub(super) fn join(self) -> Result<Results<T>, Self> {
        let Ok(ended) = self.handle.join_or_revoke() else { return Err(self) };
        let mut progress = self.progress.lock();
        let pool = Arc::clone(&progress.results.pool);
        let mut results = std::mem::replace(&mut progress.results, Results::new(pool));
        if let (Err(error), Some(place)) = (ended, results.list.get_mut(progress.panicked)) {
            // A job that was dropped unrun, or whose hook panicked, has left its place as it was.
            *place = Err(error);
        }
        drop(progress);
        Ok(results)
    }

    pub(super) fn task(&self) -> Arc<dyn Settles<()>> {
        self.handle.task()
    }
}
