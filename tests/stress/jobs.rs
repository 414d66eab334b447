//! The jobs of a round, and the threads that submit them and deal with their handles.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fastrand::Rng;
use workcrew::{CancelOutcome, Handle, Job, JobHandle, JobState, JoinError, Rejected, interrupt};

use crate::ledger::{Ledger, Ticket, add};

/// Numbers that a job takes: its own, and those of the two that it may submit.
pub(crate) const IDS: usize = 3;

thread_local! {
    /// The next job that runs on this thread is one that was taken back.
    static ELSEWHERE: Cell<bool> = const { Cell::new(false) };
    /// This thread has jobs in its hands that others may wait for, and so must not wait itself.
    static HOLDS_JOBS: Cell<bool> = const { Cell::new(false) };
}

/// Does something with jobs that a pool gave back.
pub(crate) fn hold<R>(f: impl FnOnce() -> R) -> R {
    HOLDS_JOBS.set(true);
    let result = f();
    HOLDS_JOBS.set(false);
    result
}

/// Runs a job that a pool gave back.
pub(crate) fn run_elsewhere(job: Job) {
    ELSEWHERE.set(true);
    // A job without a handle panics here, as a call would, and perhaps with a `Bomb`.
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| job.run())) {
        std::mem::forget(payload);
    }
    ELSEWHERE.set(false);
}

/// What panics a second time when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        resume_unwind(Box::new("a payload's destructor"));
    }
}

/// What a job does.
#[derive(Clone, Copy, Debug)]
enum Body {
    Nothing,
    Yields,
    Panics,
    /// Panics with a payload whose drop panics; only for jobs without a handle.
    Explodes,
    Naps,
    Waits,
    /// Submits two jobs and joins them.
    Nests,
}

fn body(rng: &mut Rng) -> Body {
    match rng.u32(..40) {
        0..=1 => Body::Panics,
        2 => Body::Naps,
        3 => Body::Waits,
        4..=6 => Body::Nests,
        7..=12 => Body::Yields,
        _ => Body::Nothing,
    }
}

/// A round, as its jobs and submitters see it.
#[derive(Clone)]
pub(crate) struct Round {
    pub(crate) pool: Handle,
    pub(crate) ledger: Arc<Ledger>,
}

impl Round {
    /// Counts a submission; a job that comes back is dropped.
    pub(crate) fn count<T>(&self, result: Result<T, impl Into<Rejected>>) -> Option<T> {
        add(&self.ledger.calls, 1);
        match result.map_err(Into::into) {
            Ok(value) => Some(value),
            Err(rejected) => {
                add(&self.ledger.rejected, 1);
                drop(rejected.into_job());
                None
            }
        }
    }

    /// Makes the closure of a job.
    fn job(&self, id: usize, body: Body) -> impl FnOnce() -> usize + Send + 'static {
        let (round, ticket) = (self.clone(), self.ledger.ticket(id));
        move || round.run(ticket, body)
    }

    fn run(&self, mut ticket: Ticket, body: Body) -> usize {
        ticket.stamp();
        if ELSEWHERE.replace(false) {
            add(&self.ledger.ran_elsewhere, 1);
        }
        let id = ticket.id;
        self.check_interrupt(id);
        match body {
            Body::Nothing => {}
            Body::Yields => std::thread::yield_now(),
            Body::Panics => resume_unwind(Box::new(id)),
            Body::Explodes => resume_unwind(Box::new(Bomb)),
            Body::Naps => {
                interrupt::sleep(Duration::from_micros(id as u64 % 300)).ok();
            }
            Body::Waits => {
                let (_sender, receiver) = crossbeam_channel::bounded::<()>(0);
                let time = Duration::from_micros(id as u64 % 200);
                interrupt::recv_timeout(&receiver, time).ok();
            }
            Body::Nests if HOLDS_JOBS.get() => {}
            Body::Nests => self.nest(id),
        }
        self.check_interrupt(id);
        id
    }

    fn nest(&self, id: usize) {
        let children = [id + 1, id + 2];
        let handles = children.map(|child| {
            let job = self.job(child, Body::Nothing);
            self.count(self.pool.submit(job)).map(|handle| (child, handle))
        });
        for (child, handle) in handles.into_iter().flatten() {
            self.join(child, handle);
        }
    }

    fn check_interrupt(&self, id: usize) {
        if interrupt::is_interrupted() && !self.ledger.may_be_interrupted(id) {
            self.ledger.object(format!("job {id} has an interrupt that is not its own"));
        }
    }

    /// Joins, and calls the pool now and then: a job that relied on a refused thread waits for that.
    fn join(&self, id: usize, mut handle: JobHandle<usize>) {
        let result = loop {
            match handle.join_timeout(Duration::from_millis(20)) {
                Ok(result) => break result,
                // The joining job was asked to stop; the other goes on.
                Err(_) if interrupt::is_interrupted() => return,
                Err(back) => handle = back,
            }
            self.pool.wait_idle(Duration::ZERO).ok();
        };
        let has_run = self.ledger.has_run(id);
        let told = format!("{result:?}");
        let fits = match result {
            Ok(value) => has_run && value == id,
            Err(JoinError::Cancelled(_)) => !has_run,
            // A hook's panic is the job's, which has not run then.
            Err(JoinError::Panicked(payload)) => {
                payload.into_inner().downcast().map_or(!has_run, |value: Box<usize>| *value == id)
            }
            Err(_) => interrupt::is_interrupted(),
        };
        if !fits {
            self.ledger.object(format!("job {id}: {told}, and has run: {has_run}"));
        }
    }

    fn cancel(&self, id: usize, handle: &JobHandle<usize>) {
        self.ledger.ask_to_stop(id);
        match handle.cancel() {
            CancelOutcome::Removed => {
                add(&self.ledger.removed, 1);
                if handle.state() != JobState::Cancelled || self.ledger.has_run(id) {
                    self.ledger.object(format!("job {id} was removed and {:?}", handle.state()));
                }
            }
            CancelOutcome::Interrupted | CancelOutcome::AlreadyFinished => {}
            other => self.ledger.object(format!("job {id}: an unknown outcome {other:?}")),
        }
    }

    /// Does something with a handle; gives it back if there is more to do.
    fn deal(&self, rng: &mut Rng, id: usize, handle: JobHandle<usize>) -> Option<JobHandle<usize>> {
        match rng.u32(..8) {
            0 | 1 => self.cancel(id, &handle),
            2 => {
                handle.done().recv_timeout(Duration::from_micros(50)).ok();
            }
            3 => return handle.try_join().err(),
            4 => return None,
            5 => return handle.join_timeout(Duration::from_micros(20)).err(),
            _ => {
                self.join(id, handle);
                return None;
            }
        }
        Some(handle)
    }

    /// Submits jobs in every way there is.
    pub(crate) fn submit(&self, rng: &mut Rng, first: usize, jobs: usize) {
        let mut handles = Vec::new();
        for id in (0..jobs).map(|n| first + n * IDS) {
            let work = body(rng);
            let plain = if rng.u32(..100) == 0 { Body::Explodes } else { work };
            let wait = Duration::from_micros(rng.u64(..200));
            match rng.u32(..20) {
                0..=7 => {
                    let job = self.job(id, plain);
                    self.count(self.pool.execute(move || _ = job()));
                }
                8..=9 => {
                    let job = self.job(id, plain);
                    self.count(self.pool.try_execute(move || _ = job()));
                }
                10..=11 => {
                    let job = self.job(id, plain);
                    self.count(self.pool.execute_timeout(move || _ = job(), wait));
                }
                12..=14 => {
                    let (job, handle) = Job::with_handle(self.job(id, work));
                    self.count(self.pool.execute_job(job));
                    handles.push((id, handle));
                }
                _ => {
                    let handle = self.count(self.pool.submit(self.job(id, work)));
                    handles.extend(handle.map(|handle| (id, handle)));
                }
            }
            if handles.len() > rng.usize(..30) {
                let (id, handle) = handles.swap_remove(rng.usize(..handles.len()));
                handles.extend(self.deal(rng, id, handle).map(|handle| (id, handle)));
            }
        }
        for (id, handle) in handles {
            self.join(id, handle);
        }
    }

    /// The conservation sum of a snapshot.
    pub(crate) fn check_sum(&self) {
        let calls = self.ledger.calls.load(Ordering::SeqCst);
        let stats = self.pool.stats();
        let sum = stats.rejected
            + stats.queued as u64
            + stats.active as u64
            + stats.completed
            + stats.panicked
            + stats.cancelled
            + stats.handed_back
            + stats.discarded;
        if stats.submitted != sum || stats.submitted < calls {
            self.ledger.object(format!("does not add up to {sum}: {stats:?}"));
        }
    }
}
