//! Owns the state that handles and workers share, what a thread is to it, and the start of workers.
//!
//! Locks are taken in this order: outbox, desk, the state of one job. No user code runs, and nothing
//! of the user's is dropped, under any of them.

use std::io;

use crate::desk::{Desk, Recruit, Sweep};
use crate::error::Payload;
use crate::hooks::{Hooks, Worker};
use crate::interrupt::{self, Interrupt};
use crate::job::waiting::Attention;
use crate::job::{Ended, Slot, drop_caught};
use crate::logging::{self, RateLimit};
use crate::post::Post;
use crate::queue::Shelf;
use crate::rejection::{RejectionPolicy, policy};
use crate::running::RunningJob;
use crate::settings::Settings;
use crate::stats::PoolStats;
use crate::stopping::Stopping;
use crate::sync::{Apart, Arc, Mutex};
use crate::wait::Hint;
use crate::worker::ThreadMaker;

mod role; // what a thread is to a pool
mod home; // what handles and waiting threads ask of it
mod room; // waiting for room
mod unrun; // jobs that nobody runs

pub(crate) use self::room::KeptRoom;

/// A pool, shared by its owner, its handles, its workers and the handles of its jobs.
pub(crate) struct Pool {
    pub(crate) name: Arc<str>,
    pub(crate) outbox: Arc<Shelf>,
    pub(crate) desk: Apart<Mutex<Desk>>,
    pub(crate) policy: Box<dyn RejectionPolicy>,
    pub(crate) hooks: Hooks,
    pub(crate) threads: ThreadMaker,
    /// Set by `shutdown_now`; the interrupts of the jobs follow it.
    pub(crate) stop: Interrupt,
    /// Locked alone.
    pub(crate) stopping: Mutex<Stopping>,
    /// The last start of a worker failed. Written under the desk's lock.
    pub(crate) was_refused: Hint,
    pub(crate) limits: Limits,
}

/// The limits of the lines that refused threads or a full queue could repeat without an end.
#[derive(Default)]
pub(crate) struct Limits {
    refused: RateLimit,
    stranded: RateLimit,
    foreign: RateLimit,
    pub(crate) consulted: RateLimit,
}

impl Pool {
    pub(crate) fn new(
        name: Arc<str>,
        settings: Settings,
        policy: Box<dyn RejectionPolicy>,
        hooks: Hooks,
        threads: ThreadMaker,
    ) -> Arc<Self> {
        let outbox = Arc::new(Shelf::default());
        Arc::new(Self {
            name,
            desk: Apart::new(Mutex::new(Desk::new(settings, Arc::clone(&outbox)))),
            outbox,
            policy,
            hooks,
            threads,
            stop: Interrupt::new(),
            stopping: Mutex::default(),
            was_refused: Hint::default(),
            limits: Limits::default(),
        })
    }

    pub(crate) fn stats(&self) -> PoolStats {
        let mut dead = Vec::new();
        let mut outbox = self.outbox.lock();
        let mut desk = self.desk.lock();
        let oldest = outbox.jobs.oldest(&mut dead).or_else(|| desk.inbox.oldest(&mut dead));
        let stats = desk.stats(oldest);
        drop(desk);
        drop(outbox);
        self.drop_all(dead);
        stats
    }

    /// The jobs that are being run, the longest-running first.
    pub(crate) fn running_jobs(&self) -> Vec<RunningJob> {
        let (workers, callers) = {
            let desk = self.desk.lock();
            (desk.crew(), desk.callers())
        };
        let mut running = Vec::new();
        for (index, ends) in workers {
            ends.post.list(index, &mut running);
        }
        for post in callers {
            post.list(0, &mut running);
        }
        running.sort_by_key(|job| std::cmp::Reverse(job.running_for()));
        running
    }

    // Starting workers.

    /// Starts the thread of a recruit, with no lock held.
    pub(crate) fn start(self: &Arc<Self>, recruit: Recruit) -> io::Result<()> {
        let result = self.launch(recruit);
        if let Err(error) = &result {
            // What came of it is logged, and whoever waits for the jobs tries again.
            let _attention = self.rescue();
            self.report_refusal(error);
        }
        result
    }

    /// Starts a worker if jobs are pending and nobody is there to run them, because a thread was
    /// refused on which they relied; says what came of that. If it is refused again, whoever waits
    /// for the jobs tries again, and so does the next call to the pool.
    pub(crate) fn rescue(self: &Arc<Self>) -> Attention {
        let mut desk = self.desk.lock();
        if !desk.wants_rescue() {
            return Attention::None;
        }
        let recruit = desk.recruit();
        let pending = desk.pending();
        drop(desk);
        let Err(error) = self.launch(recruit) else { return Attention::Started };
        self.report_refusal(&error);
        self.aside(|| {
            logging::write!(
                limit: self.limits.stranded,
                Error,
                "pool {}: {pending} jobs are pending and there is no worker",
                self.name
            );
        });
        Attention::Refused
    }

    /// Tells those who wait for pending jobs that nobody may be there to run them: they ask for a
    /// worker again. To be called after a start has failed.
    pub(crate) fn tell_stranded(&self) {
        let outbox = self.outbox.lock();
        let mut desk = self.desk.lock();
        if !desk.is_stranded() {
            return;
        }
        let awaited: Vec<_> = outbox.jobs.awaited().chain(desk.inbox.awaited()).collect();
        drop(desk);
        drop(outbox);
        for task in awaited {
            task.nudge();
        }
    }

    fn launch(self: &Arc<Self>, recruit: Recruit) -> io::Result<()> {
        self.threads.start(self, recruit)
    }

    fn report_refusal(&self, error: &io::Error) {
        self.aside(|| {
            logging::write!(
                limit: self.limits.refused,
                Error,
                "pool {}: could not start a worker thread: {error}",
                self.name
            );
        });
    }

    /// Says that a factory has returned another thread's handle.
    pub(crate) fn report_foreign(&self) {
        self.aside(|| {
            logging::write!(
                limit: self.limits.foreign,
                Warn,
                "pool {}: the thread factory returned the handle of another thread than the \
                 worker's; it is not joined",
                self.name
            );
        });
    }
}

impl Drop for Pool {
    /// Drops what is the user's, piece by piece: a panic of one destructor is reported and keeps no
    /// other from running. The last to let go of a pool can be a worker's thread at its last step,
    /// where a panic would end the process.
    fn drop(&mut self) {
        let policy = std::mem::replace(&mut self.policy, Box::new(policy::Abort));
        let ThreadMaker { namer, factory, .. } = &mut self.threads;
        let stray = [drop_caught(policy), drop_caught(namer.take()), drop_caught(factory.take())];
        for payload in stray.into_iter().filter_map(Result::err) {
            self.hooks.panicked(&self.name, "the destructor of a policy or factory", payload);
        }
        self.hooks.let_go(&self.name);
    }
}

impl Pool {
    /// Runs the started job in the slot under the hooks, at a post that knows the time of the start.
    /// A job without a handle that returns leaves no `ended`, as in [`Slot::run`].
    #[inline]
    pub(crate) fn run(
        &self,
        worker: &Worker,
        post: &Post,
        slot: &mut Slot,
        ended: &mut Option<Ended>,
    ) {
        let naming = post.begin(slot.job());
        match self.hooks.job_starts(worker) {
            Ok(()) => {
                slot.run(ended);
                self.hooks.job_ended(worker, || Ended::outcome(ended.as_ref()));
            }
            Err(payload) => *ended = Some(slot.take().fail(payload)),
        }
        if let Some(ended) = ended.as_mut().filter(|ended| ended.has_unheard_panic()) {
            self.report_panics(post, ended);
        }
        interrupt::end_job();
        post.end(naming);
    }

    /// Reports the panics of a job that nobody else will hear of.
    #[cold]
    fn report_panics(&self, post: &Post, ended: &mut Ended) {
        if let Some(payload) = ended.unclaimed.take() {
            self.hooks.panicked_from(&self.name, "a job", post.origin().as_ref(), payload);
        }
        self.report_destructor(ended.stray.take());
    }

    /// Reports the panic, if there was one, of the captures of a job that was not run.
    pub(crate) fn report_destructor(&self, panic: Option<Payload>) {
        if let Some(payload) = panic {
            self.hooks.panicked(&self.name, "a dropped job's destructor", payload);
        }
    }

    fn sweep(&self, sweep: Sweep) {
        match sweep {
            Sweep::NotYet => {}
            Sweep::Due => {
                let mut dead = Vec::new();
                let mut outbox = self.outbox.lock();
                outbox.jobs.sweep(&mut dead);
                self.desk.lock().inbox.sweep(&mut dead);
                drop(outbox);
                self.drop_all(dead);
            }
        }
    }
}
