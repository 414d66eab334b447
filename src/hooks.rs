//! Owns the user's callbacks: when they run, and that their panics stay here.

use std::any::Any;
use std::fmt;

use crate::error::{Payload, panic_message};
use crate::job::{Outcome, catch, discard_payload, drop_caught};
use crate::sync::{Arc, Mutex};

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
type PanicHook = Option<Box<dyn Fn(&(dyn Any + Send)) + Send + Sync>>;
type EndHook = Option<Box<dyn FnOnce() + Send>>;

#[derive(Default)]
pub(crate) struct Hooks {
    pub(crate) on_thread_start: WorkerHook,
    pub(crate) on_thread_stop: WorkerHook,
    pub(crate) before_job: WorkerHook,
    pub(crate) after_job: OutcomeHook,
    pub(crate) on_panic: PanicHook,
    pub(crate) on_terminated: Mutex<EndHook>,
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
    pub(crate) fn job_ended(&self, worker: &Worker, outcome: Outcome) {
        if let Some(hook) = &self.after_job {
            self.contain(worker, "after_job", || hook(worker, outcome));
        }
    }

    pub(crate) fn terminated(&self, pool: &str) {
        let hook = self.on_terminated.lock().take();
        if let Some(Err(payload)) = hook.map(catch) {
            self.panicked(pool, "on_terminated hook", payload);
        }
    }

    #[cold]
    fn contain(&self, worker: &Worker, name: &str, hook: impl FnOnce()) {
        if let Err(payload) = catch(hook) {
            self.panicked(&worker.pool, &format!("{name} hook"), payload);
        }
    }

    /// Reports a panic that nobody else hears of, once, and gets rid of it.
    pub(crate) fn panicked(&self, pool: &str, who: &str, payload: Payload) {
        let message = panic_message(&*payload).unwrap_or("(the payload is not a string)");
        log::error!("pool {pool}: {who} panicked: {message}");
        if let Some(Err(again)) = self.on_panic.as_ref().map(|hook| catch(|| hook(&*payload))) {
            let message = panic_message(&*again).unwrap_or("(the payload is not a string)");
            log::error!("pool {pool}: on_panic hook panicked: {message}");
            discard_payload(again);
        }
        discard_payload(payload);
    }
}

impl Hooks {
    /// Drops the callbacks one by one, and reports the panics of their destructors; the one that is
    /// told of them comes last.
    pub(crate) fn let_go(&mut self, pool: &str) {
        let stray = [
            drop_caught(self.on_thread_start.take()),
            drop_caught(self.on_thread_stop.take()),
            drop_caught(self.before_job.take()),
            drop_caught(self.after_job.take()),
            drop_caught(self.on_terminated.get_mut().take()),
        ];
        for payload in stray.into_iter().filter_map(Result::err) {
            self.panicked(pool, "the destructor of a hook", payload);
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
