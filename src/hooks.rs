//! Owns the user's callbacks: when they run, and that their panics stay here.

use std::any::Any;
use std::fmt;

use crate::error::{Payload, panic_text};
use crate::job::{Job, Origin, Outcome, PoolId, catch, discard_payload, drop_caught};
use crate::kept::{Ending, Endings, Kept};
use crate::logging;
use crate::sync::{Arc, Mutex};
use crate::uncaught::UncaughtPanic;

/// The thread that runs a job, as hooks see it.
#[derive(Clone, Debug)]
pub struct Worker {
    pub(crate) index: usize,
    pub(crate) pool: Arc<str>,
}

impl Worker {
    /// Returns the worker's number, from 1 on in the order of their start; 0 for a submitter that
    /// runs a job itself, as under [`CallerRuns`](crate::policy::CallerRuns).
    pub fn index(&self) -> usize {
        self.index
    }

    /// Returns the name of the worker's pool.
    pub fn pool_name(&self) -> &str {
        &self.pool
    }
}

impl fmt::Display for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index {
            0 => write!(f, "a caller of {}", self.pool),
            index => write!(f, "worker {index} of {}", self.pool),
        }
    }
}

type WorkerHook = Option<Box<dyn Fn(&Worker) + Send + Sync>>;
type OutcomeHook = Option<Box<dyn Fn(&Worker, Outcome) + Send + Sync>>;
type UncaughtHook = Option<Box<dyn Fn(&UncaughtPanic<'_>) + Send + Sync>>;
type PanicHook = Option<Box<dyn Fn(&(dyn Any + Send)) + Send + Sync>>;

/// Wraps the jobs of a pool.
pub(crate) struct WrapHook {
    pool: PoolId,
    hook: Box<dyn Fn(Job) -> Job + Send + Sync>,
}

impl WrapHook {
    pub(crate) fn new(hook: impl Fn(Job) -> Job + Send + Sync + 'static) -> Self {
        Self { pool: PoolId::new(), hook: Box::new(hook) }
    }

    /// Wraps the job, unless this has wrapped it before.
    pub(crate) fn wrap(&self, job: Job) -> Job {
        self.pool.wrap(job, &self.hook)
    }
}

#[derive(Default)]
pub(crate) struct Hooks {
    pub(crate) on_thread_start: WorkerHook,
    pub(crate) on_thread_stop: WorkerHook,
    pub(crate) before_job: WorkerHook,
    pub(crate) after_job: OutcomeHook,
    pub(crate) on_panic: PanicHook,
    pub(crate) on_uncaught: UncaughtHook,
    /// Called by submitters, and its panic is theirs.
    pub(crate) wrap_job: Option<WrapHook>,
    /// Locked alone.
    pub(crate) endings: Mutex<Endings>,
}

impl Hooks {
    pub(crate) fn thread_started(&self, worker: &Worker) {
        self.contain(worker, "on_thread_start", || call(&self.on_thread_start, worker));
    }

    pub(crate) fn thread_stops(&self, worker: &Worker) {
        self.contain(worker, "on_thread_stop", || call(&self.on_thread_stop, worker));
    }

    /// Its panic is the job's: a job whose preparation failed must not run.
    #[inline]
    pub(crate) fn job_starts(&self, worker: &Worker) -> Result<(), Payload> {
        match &self.before_job {
            Some(hook) => catch(|| hook(worker)),
            None => Ok(()),
        }
    }

    #[inline]
    pub(crate) fn job_ended(&self, worker: &Worker, outcome: impl FnOnce() -> Outcome) {
        if let Some(hook) = &self.after_job {
            let outcome = outcome();
            self.contain(worker, "after_job", || hook(worker, outcome));
        }
    }

    /// Does all that is to be done at the pool's end, what was handed over last first.
    pub(crate) fn terminated(&self, pool: &str) {
        while let Some(ending) = self.take_ending() {
            self.run_ending(pool, ending);
        }
    }

    fn take_ending(&self) -> Option<Ending> {
        self.endings.lock().take_last()
    }

    fn run_ending(&self, pool: &str, ending: Ending) {
        let name = ending.name();
        if let Err(payload) = catch(|| ending.run()) {
            self.panicked(pool, name, payload);
        }
    }

    /// Calls the hook at the pool's end, or now if that has been.
    pub(crate) fn add_ending(&self, pool: &str, hook: Box<dyn FnOnce() + Send>) {
        let late = self.endings.lock().add(Ending::Hook(hook)).err();
        if let Some(hook) = late {
            self.run_ending(pool, hook);
        }
    }

    /// Keeps the value until the pool's end, if that has not been.
    pub(crate) fn keep<T: Send + Sync + 'static>(&self, value: T) -> Kept<T> {
        let kept = Kept::new(value);
        let late = self.endings.lock().add(kept.share()).err();
        // Another share of what is returned: nothing of the user's is dropped here.
        drop(late);
        kept
    }

    #[cold]
    fn contain(&self, worker: &Worker, name: &str, hook: impl FnOnce()) {
        if let Err(payload) = catch(hook) {
            self.panicked(&worker.pool, &format!("{name} hook"), payload);
        }
    }

    /// Reports a panic that nobody else hears of, once, and gets rid of it.
    pub(crate) fn panicked(&self, pool: &str, who: &str, payload: Payload) {
        self.panicked_from(pool, who, None, payload);
    }

    /// The same of a job, with where that came from.
    pub(crate) fn panicked_from(
        &self,
        pool: &str,
        source: &str,
        origin: Option<&Origin>,
        payload: Payload,
    ) {
        let panic = UncaughtPanic { pool, source, origin, payload: &*payload };
        logging::write!(Error, "pool {pool}: {panic}");
        if let Some(hook) = &self.on_panic {
            contain_last(pool, "on_panic", || hook(&*payload));
        }
        if let Some(hook) = &self.on_uncaught {
            contain_last(pool, "on_uncaught", || hook(&panic));
        }
        discard_payload(payload);
    }
}

/// Runs a hook for panics, whose own can only be logged.
fn contain_last(pool: &str, name: &str, hook: impl FnOnce()) {
    if let Err(again) = catch(hook) {
        let message = panic_text(&*again);
        logging::write!(Error, "pool {pool}: {name} hook panicked: {message}");
        discard_payload(again);
    }
}

impl Hooks {
    /// Drops the callbacks one by one, and reports the panics of their destructors; those that are
    /// told of them come last.
    pub(crate) fn let_go(&mut self, pool: &str) {
        let stray = [
            drop_caught(self.on_thread_start.take()),
            drop_caught(self.on_thread_stop.take()),
            drop_caught(self.before_job.take()),
            drop_caught(self.after_job.take()),
            drop_caught(self.wrap_job.take()),
        ];
        for payload in stray.into_iter().filter_map(Result::err) {
            self.panicked(pool, "the destructor of a hook", payload);
        }
        while let Some(ending) = self.take_ending() {
            if let Err(payload) = drop_caught(ending) {
                self.panicked(pool, "the destructor of an on_terminated hook", payload);
            }
        }
        if let Err(payload) = drop_caught(self.on_uncaught.take()) {
            self.panicked(pool, "the destructor of the on_uncaught hook", payload);
        }
        if let Err(payload) = drop_caught(self.on_panic.take()) {
            self.panicked(pool, "the destructor of the on_panic hook", payload);
        }
    }
}

fn call(hook: &WorkerHook, worker: &Worker) {
    if let Some(hook) = hook {
        hook(worker);
    }
}
