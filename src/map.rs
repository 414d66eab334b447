//! Owns `map`: how many items are on their way, in what order their results leave, and what becomes
//! of them when the pool is full, ends, or nobody wants them any more.
//!
//! INVARIANT: `outstanding` counts the items of `ready` and `chunks`: taken for a job, and not yet
//! yielded. It never exceeds the look-ahead. `waiting` is the job of the last of the chunks.

use std::collections::VecDeque;
use std::fmt;
use std::iter::FusedIterator;

use crate::error::{CancelReason, JoinError};
use crate::interrupt;
use crate::job::{Job, Site};
use crate::pool::Pool;
use crate::rejection::RejectReason;
use crate::settings::{Growth, Settings};
use crate::sync::Arc;
use crate::task::cancel_all;

use self::chunk::{Chunk, Function, Items, Results};
use self::size::{Haste, Size};

mod chunk; // the items and the results of one job
mod size; // how many items a job takes

/// The results of a function called on many items, as jobs of a pool, in the order of the items.
///
/// Made by [`Handle::map`](crate::Handle::map). Lazy: nothing is taken from the items, or submitted,
/// before the first [`next`](Iterator::next), and each `next` takes as many as the
/// [look-ahead](Self::look_ahead) allows. Every item that was taken yields one result:
///
/// - what the function returned, or [`JoinError::Panicked`] if it panicked, which concerns no other
///   item;
/// - [`JoinError::Cancelled`] if the function was not called on it, because
///   [`shutdown_now`](crate::Handle::shutdown_now) came first, or another submitter's
///   [`DiscardOldest`](crate::policy::DiscardOldest) displaced its job, or the pool was shut down.
///   When the pool does not accept a job because it is shut down, no more items are taken: those
///   accepted before are yielded first, then that job's items as `Cancelled`, then it ends.
///
/// The rejection policy is never asked. A job for which there is no room, or no thread, waits here;
/// if it is still not accepted when its result is the next, the thread that calls `next` runs it,
/// under the pool's hooks and counts. Jobs of the same pool may call `next`: see
/// [waiting inside jobs](crate#waiting-inside-jobs).
///
/// If the job that calls `next` is interrupted, no more items are taken. What has ended is still
/// yielded; where `next` would have to wait it cancels all that is on its way, yields
/// [`JoinError::Interrupted`] once, and that is the end.
///
/// Dropping it cancels all that is on its way: pending jobs are removed, running ones
/// [interrupted](crate::interrupt), and none is waited for. A panic that has not been yielded, or
/// that comes from the destructor of an item or a result that nobody gets, is reported by the pool.
///
/// A panic of the items' own iterator unwinds into the caller of `next`; no item is lost by it.
#[must_use = "it is lazy: no item is taken before its first `next`"]
pub struct Map<I: Iterator, F, T> {
    pool: Arc<Pool>,
    function: Arc<Function<F>>,
    /// None once no more items are to be taken.
    source: Option<I>,
    /// Where the map was asked for.
    site: Site,
    /// Taken for the next chunk; more than none between calls if the source panicked.
    gathered: Items<I::Item>,
    chunks: VecDeque<Chunk<T>>,
    /// The pool has had no room for it.
    waiting: Option<Job>,
    /// Of the chunk before the first of `chunks`.
    ready: Results<T>,
    outstanding: usize,
    /// Taken for one chunk at most.
    chunk: Size,
    look_ahead: Option<usize>,
    /// As many chunks are the look-ahead if none is set.
    default_chunks: usize,
}

/// A maximum of more threads than this is not meant as a number of threads that there will be.
const MOST_THREADS: usize = 1_024;

/// Nor is a core of more threads than this, which no machine has room for.
const MOST_CORE: usize = 65_536;

/// Items on their way at most, where nothing is set, but two for each thread.
const MOST_AHEAD: usize = 16_384;

/// Returns how many threads the pool can have for jobs that wait for one another.
fn threads_in_earnest(settings: Settings) -> usize {
    let Settings { core, max, growth, capacity, .. } = settings;
    let is_unbounded = capacity.is_none_or(|capacity| capacity == usize::MAX);
    let threads = match growth {
        // More than the core are started only where the queue is full.
        Growth::QueueFirst if is_unbounded => core,
        Growth::QueueFirst | Growth::ThreadsFirst if max <= MOST_THREADS => max,
        Growth::QueueFirst | Growth::ThreadsFirst => {
            std::thread::available_parallelism().map_or(1, usize::from).max(core)
        }
    };
    threads.clamp(1, MOST_CORE)
}

impl<I: Iterator, F, T> Map<I, F, T> {
    pub(crate) fn new(pool: &Arc<Pool>, source: I, f: F, site: Site) -> Self {
        let threads = threads_in_earnest(pool.desk.lock().settings());
        Self {
            function: Function::new(f, Arc::clone(pool)),
            source: Some(source),
            site,
            gathered: Items::new(Arc::clone(pool)),
            chunks: VecDeque::new(),
            waiting: None,
            ready: Results::new(Arc::clone(pool)),
            outstanding: 0,
            chunk: Size::UNKNOWN,
            look_ahead: None,
            default_chunks: threads.saturating_mul(2),
            pool: Arc::clone(pool),
        }
    }

    /// Sets how many items may have been taken and not yet yielded, which bounds the memory that
    /// they and their results need. 0 is taken as 1.
    ///
    /// Unless it is set, it is enough for two jobs per thread that the pool can have, of as many items
    /// as [`chunks`](Self::chunks) says; where that is not set either, for 16,384 items at most, or
    /// two per thread if those are more. The threads are the pool's maximum, or its core where it
    /// starts no more than that, as no queue without a limit is ever full. A maximum of more than
    /// 1,024 is taken for none; then it is two jobs per processor, or per core thread if those are
    /// more.
    pub fn look_ahead(mut self, items: usize) -> Self {
        self.look_ahead = Some(items.max(1));
        self
    }

    /// Sets how many items a job takes at most. 0 is taken as 1.
    ///
    /// Unless it is set, the first 64 jobs take one item each, and the others as many as take about
    /// 200 µs, at most 256, as measured on those before. A source whose [`size_hint`](Iterator::size_hint)
    /// promises no further items, as that of a channel, or that takes longer than 20 µs to give
    /// them, has a job for each item at once. One that promises items and waits for results of this
    /// very map before it gives them needs `chunks(1)`.
    ///
    /// The results still come one by one, the first of a job's when the job has ended. A job takes no
    /// more items than the look-ahead, which should be set to at least two chunks per thread, if at
    /// all. An interrupted job calls the function on no further item; a job in which at least one
    /// call panicked counts as panicked.
    pub fn chunks(mut self, items: usize) -> Self {
        self.chunk = Size::Fixed(items.max(1));
        self
    }

    /// Takes nothing more, and cancels what is on its way.
    fn cancel(&mut self) {
        let youngest_first = self.chunks.iter().rev();
        cancel_all(youngest_first.map(Chunk::task), None).finish();
        if let Some(job) = self.waiting.take() {
            self.pool.drop_contained(job);
        }
        self.chunks.clear();
    }

    /// How many items may be outstanding.
    fn allowed(&self) -> usize {
        let items = self.chunk.items();
        match (self.look_ahead, self.chunk) {
            (Some(items), _) => items,
            (None, Size::Fixed(_)) => self.default_chunks.saturating_mul(items),
            // There may be many threads, and no use for so many items.
            (None, Size::Measured { .. }) => {
                (self.default_chunks.saturating_mul(items)).min(MOST_AHEAD).max(self.default_chunks)
            }
        }
    }

    /// How many items the next chunk has at most, if so many are allowed.
    fn size(&self, allowed: usize) -> usize {
        match self.chunk {
            Size::Fixed(items) => items.min(allowed),
            // Not fewer jobs than there would be of one item each.
            Size::Measured { items, .. } => items.min((allowed / self.default_chunks).max(1)),
        }
    }
}

impl<I, F, T> Map<I, F, T>
where
    I: Iterator,
    I::Item: Send + 'static,
    F: Fn(I::Item) -> T + Send + Sync + 'static,
    T: Send + 'static,
{
    /// Submits as many items as the look-ahead and the pool allow.
    fn fill(&mut self) {
        if let Some(job) = self.waiting.take() {
            self.submit(job);
        }
        loop {
            let allowed = self.allowed();
            let size = self.size(allowed);
            if self.waiting.is_some() || self.outstanding > allowed - size || !self.gather(size) {
                break;
            }
            self.outstanding += self.gathered.list.len();
            let (job, chunk) =
                Chunk::new(self.gathered.take(), Arc::clone(&self.function), self.site);
            self.chunks.push_back(chunk);
            self.submit(self.pool.wrap(job));
        }
    }

    /// Takes the items of one job; returns whether there are any.
    fn gather(&mut self, size: usize) -> bool {
        let size = match (self.chunk, &self.source) {
            // A source that promises no further item may block until the job of this one has run.
            (Size::Measured { .. }, Some(source)) if size > 1 => {
                size.min(source.size_hint().0).max(1)
            }
            (Size::Measured { .. } | Size::Fixed(_), _) => size,
        };
        let mut haste = self.chunk.haste(size);
        while self.gathered.list.len() < size {
            let Some(item) = self.source.as_mut().and_then(Iterator::next) else {
                self.source = None;
                break;
            };
            self.gathered.list.push_back(item);
            if haste.as_mut().is_some_and(Haste::is_over) {
                self.chunk.source_is_slow();
                break;
            }
        }
        !self.gathered.list.is_empty()
    }

    /// Submits the job of the last chunk.
    fn submit(&mut self, job: Job) {
        let Err(rejected) = self.pool.admit(job) else { return };
        match rejected.reason() {
            RejectReason::Saturated
            | RejectReason::SpawnFailed
            | RejectReason::TimedOut
            | RejectReason::Interrupted => self.waiting = Some(rejected.into_job()),
            RejectReason::Shutdown => self.refuse(rejected.into_job()),
        }
    }

    /// The pool is shut down: the job's chunk is the last.
    fn refuse(&mut self, job: Job) {
        self.pool.count_rejected();
        job.because(CancelReason::Shutdown);
        self.pool.drop_contained(job);
        self.source = None;
    }

    /// Waits for the first of the chunks; returns none if this thread's job is interrupted first.
    fn join(&mut self) -> Option<Results<T>> {
        let chunk = self.chunks.pop_front()?;
        let job = if self.chunks.is_empty() { self.waiting.take() } else { None };
        let Some(job) = job else { return self.wait(chunk) };
        if interrupt::is_interrupted() {
            // To be cancelled with the others.
            self.waiting = Some(job);
            self.chunks.push_front(chunk);
            return None;
        }
        if let Err(rejected) = self.pool.run_on_caller(job) {
            self.refuse(rejected.into_job());
        }
        self.wait(chunk)
    }

    fn wait(&mut self, chunk: Chunk<T>) -> Option<Results<T>> {
        match chunk.join() {
            Ok((results, took)) => {
                // One that was not run says nothing.
                if !took.is_zero() {
                    self.chunk.learn(results.list.len(), took);
                }
                Some(results)
            }
            Err(chunk) => {
                self.chunks.push_front(chunk);
                None
            }
        }
    }
}

impl<I, F, T> Iterator for Map<I, F, T>
where
    I: Iterator,
    I::Item: Send + 'static,
    F: Fn(I::Item) -> T + Send + Sync + 'static,
    T: Send + 'static,
{
    type Item = Result<T, JoinError>;

    fn next(&mut self) -> Option<Self::Item> {
        if !interrupt::is_interrupted() {
            self.fill();
        }
        if self.ready.list.is_empty() {
            let has_ended = self.source.is_none() && self.gathered.list.is_empty();
            if self.chunks.is_empty() && has_ended {
                return None;
            }
            let Some(results) = self.join() else {
                self.cancel();
                self.outstanding = 0;
                drop(self.gathered.take());
                self.source = None;
                return Some(Err(JoinError::Interrupted));
            };
            self.ready = results;
        }
        self.outstanding -= 1;
        self.ready.list.pop_front()
    }
}

impl<I, F, T> FusedIterator for Map<I, F, T>
where
    I: Iterator,
    I::Item: Send + 'static,
    F: Fn(I::Item) -> T + Send + Sync + 'static,
    T: Send + 'static,
{
}

impl<I: Iterator, F, T> Drop for Map<I, F, T> {
    fn drop(&mut self) {
        self.cancel();
    }
}

impl<I: Iterator, F, T> fmt::Debug for Map<I, F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map")
            .field("outstanding", &self.outstanding)
            .field("look_ahead", &self.allowed())
            .field("chunks", &self.chunk.items())
            .finish_non_exhaustive()
    }
}
