//! Owns a worker's life: the start of its thread, its work, and its leaving.

use std::cell::Cell;
use std::fmt;
use std::io;

use crate::desk::Recruit;
use crate::error::panic_text;
use crate::hooks::Worker;
use crate::interrupt;
use crate::job::{catch, discard_payload};
use crate::logging;
use crate::pool::Pool;
use crate::stack;
use crate::stats::Ends;
use crate::sync::thread::{Builder as ThreadBuilder, JoinHandle};
use crate::sync::{Arc, AtomicBool, Ordering, thread_local};

use self::last_step::LastStep;
use self::shift::Shift;

mod shift; // its work
mod last_step; // the end of its thread

type Factory = Box<dyn Fn(WorkerThread) -> io::Result<JoinHandle<()>> + Send + Sync>;
type Namer = Box<dyn Fn(usize) -> String + Send + Sync>;

/// How a pool's threads are made.
pub(crate) struct ThreadMaker {
    pub(crate) stack_size: Option<usize>,
    pub(crate) namer: Option<Namer>,
    pub(crate) factory: Option<Factory>,
}

/// A worker that waits for its thread: what a
/// [`thread_factory`](crate::Builder::thread_factory) has to [`run`](Self::run) on a new one.
///
/// Dropped without having been run, it counts as a thread that could not be started.
pub struct WorkerThread {
    pool: Arc<Pool>,
    worker: Worker,
    name: String,
    ends: Arc<Ends>,
    fate: Arc<Fate>,
    has_run: bool,
}

/// What is relied on where a factory makes the threads.
const UNKNOWN_STACK: usize = 512 * 1024;

/// What has become of a recruit, told to who asked for its thread.
#[derive(Default)]
struct Fate {
    runs: AtomicBool,
    is_lost: AtomicBool,
}

thread_local! {
    /// This thread is inside a thread factory.
    static IN_FACTORY: Cell<bool> = const { Cell::new(false) };
}

impl ThreadMaker {
    /// The size of the workers' stacks, as far as it is known.
    pub(crate) fn worker_stack(&self) -> usize {
        let size = stack::size_of_worker(self.stack_size);
        // A factory of the user's may make threads of any size.
        if self.factory.is_some() { size.min(UNKNOWN_STACK) } else { size }
    }

    /// Starts the thread of a recruit. A recruit whose thread does not start takes itself back when
    /// it is dropped, whichever way the factory fails.
    pub(crate) fn start(&self, pool: &Arc<Pool>, recruit: Recruit) -> io::Result<()> {
        let index = recruit.index;
        let fate = Arc::new(Fate::default());
        let mut recruit = WorkerThread {
            pool: Arc::clone(pool),
            worker: Worker { index, pool: Arc::clone(&pool.name) },
            name: format!("{}-{index}", pool.name),
            ends: recruit.ends,
            fate: Arc::clone(&fate),
            has_run: false,
        };
        let before = IN_FACTORY.replace(true);
        let made = catch(|| {
            if let Some(namer) = &self.namer {
                // No operating system takes a NUL in a thread's name.
                recruit.name = namer(index).replace('\0', "");
            }
            match &self.factory {
                Some(factory) => factory(recruit),
                None => recruit.builder().spawn(move || recruit.run()),
            }
        });
        IN_FACTORY.set(before);
        let made = made.unwrap_or_else(|payload| {
            let message = panic_text(&*payload);
            let error = io::Error::other(format!("the thread factory panicked: {message}"));
            discard_payload(payload);
            Err(error)
        });
        let (handle, error) = match made {
            Ok(handle) => (Some(handle), None),
            Err(error) => (None, Some(error)),
        };
        let mut desk = pool.desk.lock();
        let foreign = desk.threads.made(index, handle);
        // The end of a thread without a handle is noted here if it came first.
        let wakes = desk.note_over();
        drop(desk);
        drop(foreign);
        wakes.wake();
        // ORDERING: pairs with the stores in `run` and `drop`.
        if fate.is_lost.load(Ordering::Acquire) {
            let silent = || io::Error::other("the thread factory did not run the worker");
            return Err(error.unwrap_or_else(silent));
        }
        match error {
            // Whatever it says, it has run the worker, or may still do so.
            Some(error) if !fate.runs.load(Ordering::Acquire) => Err(error),
            Some(_) | None => Ok(()),
        }
    }
}

impl WorkerThread {
    /// Returns the worker's number, from 1 on in the order of their start.
    pub fn index(&self) -> usize {
        self.worker.index
    }

    /// Returns the name that the thread should have. Linux shows the first 15 bytes of it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns a thread builder with the name and the stack size that the pool was given.
    pub fn builder(&self) -> ThreadBuilder {
        let builder = ThreadBuilder::new().name(self.name.clone());
        match self.pool.threads.stack_size {
            Some(bytes) => builder.stack_size(bytes),
            None => builder,
        }
    }

    /// Works, until the worker leaves the pool. To be called on the new thread; called within the
    /// factory itself it does nothing, and the worker counts as not started.
    pub fn run(mut self) {
        if IN_FACTORY.get() {
            return;
        }
        self.has_run = true;
        // ORDERING: pairs with the load in `start`.
        self.fate.runs.store(true, Ordering::Release);
        let pool = Arc::clone(&self.pool);
        self.ends.post.man();
        LastStep::will_be_taken(&pool, self.worker.index);
        let role = pool.enter_as_worker(&self.ends, &self.worker);
        let _frame = interrupt::enter_pool(&pool.stop);
        logging::write!(Trace, "pool {}: worker {} starts", pool.name, self.worker.index);
        pool.hooks.thread_started(&self.worker);
        // The interrupt that the hook may have asked for is not the first job's.
        interrupt::end_job();
        Shift::new(&pool, &self.worker, &self.ends).work();
        // It has left: what it still runs is not counted by it.
        drop(role);
        let role = pool.enter_hook();
        pool.hooks.thread_stops(&self.worker);
        logging::write!(Trace, "pool {}: worker {} stops", pool.name, self.worker.index);
        drop(role);
        let mut outbox = pool.outbox.lock();
        let mut desk = pool.desk.lock();
        let blocks = desk.drop_memory(&mut outbox);
        desk.departed();
        let tidy = desk.try_tidy();
        drop(desk);
        drop(outbox);
        drop(blocks);
        pool.tidy(tidy);
        pool.join_gone();
    }
}

impl Drop for WorkerThread {
    fn drop(&mut self) {
        if self.has_run {
            return;
        }
        // ORDERING: pairs with the load in `start`.
        self.fate.is_lost.store(true, Ordering::Release);
        let mut desk = self.pool.desk.lock();
        // Who asked for this worker, if still there, sees to the jobs that relied on it. Otherwise
        // one more try, unless this was it.
        let tries_again = !IN_FACTORY.get() && !desk.is_refused();
        let wakes = desk.recruit_failed(self.worker.index);
        self.pool.was_refused.raise();
        let tidy = desk.try_tidy();
        drop(desk);
        wakes.wake();
        self.pool.tell_stranded();
        self.pool.tidy(tidy);
        if tries_again {
            // What came of it is logged, and those who wait for the jobs try again.
            let _attention = self.pool.rescue();
        }
    }
}

impl fmt::Debug for WorkerThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerThread").field("name", &self.name).finish_non_exhaustive()
    }
}
