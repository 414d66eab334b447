//! The jobs of a round, and the threads that submit them and deal with their handles.
//!
//! A job and those that it submits have numbers of one block, as in a heap: those of the job at
//! place n are at 2n + 1 and 2n + 2.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fastrand::Rng;
use parking_lot::Mutex;
use workcrew::{
    AwaitError, CancelOutcome, Handle, Job, JobHandle, JobState, JoinError, Rejected, interrupt,
};

use crate::ledger::{Ledger, Ticket, add};
use crate::shape::mix;

/// Numbers that a job takes: its own, and those of the two that it may submit, and of theirs.
pub(crate) const IDS: usize = 7;

thread_local! {
    /// The next job that runs on this thread is one that was taken back.
    static ELSEWHERE: Cell<bool> = const { Cell::new(false) };
    /// This thread has jobs in its hands that others may wait for, or is another pool's, whose jobs
    /// may wait for it: so it must not wait itself.
    static MUST_NOT_WAIT: Cell<bool> = const { Cell::new(false) };
}

/// Does something with jobs that a pool gave back.
pub(crate) fn hold<R>(f: impl FnOnce() -> R) -> R {
    MUST_NOT_WAIT.set(true);
    let result = f();
    MUST_NOT_WAIT.set(false);
    result
}

/// This thread runs jobs of a round in another pool.
pub(crate) fn enter_other_pool() {
    MUST_NOT_WAIT.set(true);
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
    /// Submits two jobs and waits for them.
    Nests(Nest),
}

/// How a job waits for those that it submits.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Nest {
    Join,
    /// With a limit that is never reached.
    Timed,
    /// Again and again, for a moment.
    Polls,
    Set,
    SetPolls,
    InvokeAll,
    InvokeAllTimed,
    InvokeAny,
    Scope,
    Map,
}

/// Those whose submissions can be counted come first.
const NESTS: [Nest; 10] = [
    Nest::Join,
    Nest::Timed,
    Nest::Polls,
    Nest::Set,
    Nest::SetPolls,
    Nest::InvokeAll,
    Nest::InvokeAllTimed,
    Nest::InvokeAny,
    Nest::Scope,
    Nest::Map,
];

/// How the jobs of a round may wait for others.
pub(crate) fn nests(rng: &mut Rng) -> &'static [Nest] {
    if rng.bool() { &NESTS } else { &NESTS[..5] }
}

/// As long as nothing that works ever takes.
const LONG: Duration = Duration::from_secs(3600);

/// Shorter than most waits.
const MOMENT: Duration = Duration::from_micros(20);

fn body(rng: &mut Rng, nests: &[Nest]) -> Body {
    match rng.u32(..40) {
        0..=1 => Body::Panics,
        2 => Body::Naps,
        3 => Body::Waits,
        4..=7 => Body::Nests(nests[rng.usize(..nests.len())]),
        8..=13 => Body::Yields,
        _ => Body::Nothing,
    }
}

/// A round, as its jobs and submitters see it.
#[derive(Clone)]
pub(crate) struct Round {
    pub(crate) pool: Handle,
    /// Where some of the jobs go that are taken out of the pool.
    pub(crate) other: Handle,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) nests: &'static [Nest],
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
            Body::Nests(_) if MUST_NOT_WAIT.get() => {}
            Body::Nests(nest) => self.nest(id, nest),
        }
        self.check_interrupt(id);
        id
    }

    fn nest(&self, id: usize, nest: Nest) {
        let place = id % IDS;
        let children = [2 * place + 1, 2 * place + 2].map(|child| id - place + child);
        if 2 * place + 2 >= IDS {
            return;
        }
        match nest {
            Nest::Join | Nest::Timed | Nest::Polls => self.nest_by_handles(children, nest),
            Nest::Set | Nest::SetPolls => self.nest_by_set(children, nest),
            Nest::InvokeAll | Nest::InvokeAllTimed | Nest::InvokeAny | Nest::Scope | Nest::Map => {
                self.nest_by_call(children, nest);
            }
        }
    }

    /// Makes the closure of a job that another submits.
    fn child(&self, id: usize) -> impl FnOnce() -> usize + Send + 'static {
        let number = mix(&[id as u64, 5]);
        let body = match number % 10 {
            0..=3 => Body::Nests(self.nests[(number >> 8) as usize % self.nests.len()]),
            4 => Body::Yields,
            5 => Body::Panics,
            _ => Body::Nothing,
        };
        self.job(id, body)
    }

    fn nest_by_handles(&self, children: [usize; 2], nest: Nest) {
        let handles = children.map(|child| {
            let job = self.child(child);
            self.count(self.pool.submit(job)).map(|handle| (child, handle))
        });
        for (child, handle) in handles.into_iter().flatten() {
            if let Nest::Timed = nest {
                self.join_within(child, handle, LONG);
            } else if let Nest::Polls = nest {
                self.join_within(child, handle, MOMENT);
            } else {
                self.join(child, handle);
            }
        }
    }

    fn nest_by_set(&self, children: [usize; 2], nest: Nest) {
        let mut set = self.pool.join_set();
        for child in children {
            self.count(set.submit(self.child(child)));
        }
        let limit = if let Nest::SetPolls = nest { MOMENT } else { Duration::MAX };
        loop {
            match set.join_next_timeout(limit) {
                Ok(None) => return,
                Ok(Some((_, Ok(id)))) if self.ledger.has_run(id) => {}
                Ok(Some((_, Ok(id)))) => self.ledger.object(format!("job {id} has not run")),
                // One that was handed back may be run by whoever has it.
                Ok(Some((_, Err(_)))) | Err(AwaitError::TimedOut) => {}
                Err(_) => break,
            }
        }
        if !interrupt::is_interrupted() {
            self.ledger.object(format!("{children:?}: the wait ended without an interrupt"));
        }
        // What is left is cancelled.
        self.ledger.stop_counting();
        for child in children {
            self.ledger.ask_to_stop(child);
        }
    }

    /// Waits by a call that may cancel the jobs, and does not tell how many it submitted.
    fn nest_by_call(&self, children: [usize; 2], nest: Nest) {
        self.ledger.stop_counting();
        for child in children {
            self.ledger.ask_to_stop(child);
        }
        let jobs = children.map(|child| self.child(child));
        let pool = &self.pool;
        let returned: Vec<usize> = match nest {
            Nest::InvokeAllTimed => {
                let results = pool.invoke_all_timeout(jobs, LONG).unwrap_or_default();
                results.into_iter().flatten().collect()
            }
            Nest::InvokeAny => {
                let jobs = jobs.map(|job| move || Ok::<_, ()>(job()));
                pool.invoke_any(jobs).into_iter().collect()
            }
            Nest::Scope => {
                let place = Mutex::new(Vec::new());
                let call = || {
                    pool.scope(|s| {
                        for job in jobs {
                            s.execute(|| {
                                let id = job();
                                place.lock().push(id);
                            })
                            .ok();
                        }
                    })
                    .ok()
                };
                // The first panic of a job unwinds out of it.
                catch_unwind(AssertUnwindSafe(call)).ok();
                place.into_inner()
            }
            Nest::Map => pool.map(jobs, |job| job()).flatten().collect(),
            Nest::InvokeAll
            | Nest::Join
            | Nest::Timed
            | Nest::Polls
            | Nest::Set
            | Nest::SetPolls => {
                pool.invoke_all(jobs).unwrap_or_default().into_iter().flatten().collect()
            }
        };
        for id in returned {
            if !children.contains(&id) || !self.ledger.has_run(id) {
                self.ledger.object(format!("{nest:?} of {children:?} returned {id}"));
            }
        }
    }

    fn check_interrupt(&self, id: usize) {
        if interrupt::is_interrupted() && !self.ledger.may_be_interrupted(id) {
            self.ledger.object(format!("job {id} has an interrupt that is not its own"));
        }
    }

    /// Joins without a limit, or again and again: a job that relied on a refused thread is run
    /// either way.
    fn join(&self, id: usize, handle: JobHandle<usize>) {
        if id % 2 == 0 {
            self.check(id, handle.join());
        } else {
            self.join_within(id, handle, Duration::from_millis(20));
        }
    }

    fn join_within(&self, id: usize, mut handle: JobHandle<usize>, limit: Duration) {
        loop {
            match handle.join_timeout(limit) {
                Ok(result) => return self.check(id, result),
                // The joining job was asked to stop; the other goes on.
                Err(_) if interrupt::is_interrupted() => return,
                Err(back) => handle = back,
            }
        }
    }

    fn check(&self, id: usize, result: Result<usize, JoinError>) {
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
            let work = body(rng, self.nests);
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
