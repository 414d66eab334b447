//! Tests of `shutdown_now` and `take_pending`: pending jobs come back, and none is lost or doubled.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::cell::Cell;
use std::collections::HashMap;
use std::io;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use workcrew::policy::{Block, CallerRuns, Discard, DiscardOldest};
use workcrew::{
    Builder, CancelOutcome, Growth, Handle, Job, JobHandle, JobState, JoinError, Phase, PoolStats,
    Queue, RejectReason, Rejected, RejectedSubmit, ThreadPoolExecutor, interrupt,
};

use crate::support::{
    Counter, Gate, LONG, SHORT, assert_conserved, block_worker, finish, helper, repeat,
};

thread_local! {
    /// What this thread runs are jobs that a pool gave back.
    static AUDITING: Cell<bool> = const { Cell::new(false) };
}

/// Keeps the books on jobs by their numbers, whoever runs or drops them.
#[derive(Clone)]
pub(crate) struct Ledger(Arc<Vec<Account>>);

#[derive(Default)]
struct Account {
    ran: AtomicU32,
    back: AtomicU32,
    dropped: AtomicU32,
}

/// The one end of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// A pool ran it.
    Ran,
    /// A pool gave it back.
    Back,
    /// It was dropped without having been run.
    Dropped,
}

/// What a job captures to be on the books.
pub(crate) struct Ticket {
    ledger: Ledger,
    id: usize,
    is_used: bool,
}

impl Ledger {
    pub(crate) fn new(jobs: usize) -> Self {
        Self(Arc::new((0..jobs).map(|_| Account::default()).collect()))
    }

    pub(crate) fn ticket(&self, id: usize) -> Ticket {
        Ticket { ledger: self.clone(), id, is_used: false }
    }

    /// Runs a job that a pool gave back, so that its number goes on the books as such.
    pub(crate) fn take_back(job: Job) {
        AUDITING.set(true);
        job.run();
        AUDITING.set(false);
    }

    /// How the job ended; fails unless it ended exactly once.
    #[track_caller]
    pub(crate) fn fate(&self, id: usize) -> Fate {
        let Account { ran, back, dropped } = &self.0[id];
        let ends = [ran, back, dropped].map(|count| count.load(Ordering::SeqCst));
        match ends {
            [1, 0, 0] => Fate::Ran,
            [0, 1, 0] => Fate::Back,
            [0, 0, 1] => Fate::Dropped,
            _ => panic!("job {id} was run, handed back and dropped {ends:?} times"),
        }
    }
}

impl Ticket {
    pub(crate) fn stamp(self) {
        self.punch();
    }

    /// The job is being run, and panics; quietly, for the sake of who reads the test's output.
    fn crash(self) {
        resume_unwind(Box::new(self.punch()));
    }

    /// The job is being run; returns its number.
    pub(crate) fn punch(mut self) -> usize {
        self.is_used = true;
        let account = &self.ledger.0[self.id];
        let count = if AUDITING.get() { &account.back } else { &account.ran };
        count.fetch_add(1, Ordering::SeqCst);
        self.id
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.is_used {
            self.ledger.0[self.id].dropped.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// The pools that the races are run on.
fn shapes() -> Vec<Builder> {
    let builder = || ThreadPoolExecutor::builder().keep_alive(Duration::from_millis(1));
    vec![
        builder().threads(1).queue(Queue::Unbounded),
        builder().core_threads(2).max_threads(4).queue(Queue::Bounded(8)),
        builder().core_threads(0).max_threads(3).queue(Queue::Handoff),
        builder().core_threads(1).max_threads(3).growth(Growth::ThreadsFirst),
        builder().core_threads(2).max_threads(2).allow_core_timeout(true).queue(Queue::Unbounded),
        builder().threads(2).queue(Queue::Bounded(4)).rejection_policy(CallerRuns),
    ]
}

/// What a hammering thread sent and the pool took, by number, with the handles of some.
type Accepted = Vec<(usize, Option<JobHandle<usize>>)>;

/// Submits jobs, every other with a handle, until the pool is shut down or they are all sent.
fn hammer(pool: &Handle, ledger: &Ledger, ids: std::ops::Range<usize>) -> Accepted {
    let mut accepted = Vec::new();
    for id in ids {
        let ticket = ledger.ticket(id);
        let result = if id % 2 == 0 {
            pool.execute(move || ticket.stamp()).map(|()| None)
        } else {
            pool.submit(move || ticket.punch()).map(Some).map_err(Rejected::from)
        };
        match result {
            Ok(handle) => accepted.push((id, handle)),
            Err(rejected) => {
                let reason = rejected.reason();
                Ledger::take_back(rejected.into_job());
                assert_eq!(ledger.fate(id), Fate::Back, "the error holds the very job");
                if reason == RejectReason::Shutdown {
                    break;
                }
                assert_eq!(reason, RejectReason::Saturated);
            }
        }
    }
    accepted
}

#[test]
fn every_job_sent_into_a_stopping_pool_is_run_or_handed_back_or_rejected_once() {
    const THREADS: usize = 3;
    const EACH: usize = 200;
    for round in 0..repeat(20) {
        for builder in shapes() {
            let pool = builder.build().unwrap();
            let ledger = Ledger::new(THREADS * EACH);
            let go = Gate::new();
            let helpers: Vec<_> = (0..THREADS)
                .map(|n| {
                    let (pool, ledger, go) = (pool.handle(), ledger.clone(), go.clone());
                    helper(move || {
                        go.pass();
                        hammer(&pool, &ledger, n * EACH..(n + 1) * EACH)
                    })
                })
                .collect();
            go.open();
            let enough = (round * 37 % (EACH + 50)) as u64;
            while pool.stats().submitted < enough {
                thread::yield_now();
            }
            let returned = pool.shutdown_now();
            let late = pool.execute(|| unreachable!("accepted after shutdown_now")).unwrap_err();
            assert!(late.is_shutdown());
            let accepted: Accepted =
                helpers.into_iter().flat_map(crate::support::Helper::join).collect();
            pool.await_termination(LONG).expect("termination is always reached");
            let handed_back = returned.len();
            returned.into_iter().for_each(Ledger::take_back);
            audit(&ledger, accepted, handed_back, &finish(&pool));
        }
    }
}

/// Every accepted job ended once, as the statistics have it, and every handle tells.
fn audit(ledger: &Ledger, accepted: Accepted, handed_back: usize, stats: &PoolStats) {
    assert_eq!(stats.accepted, accepted.len() as u64);
    assert_eq!(stats.handed_back, handed_back as u64);
    let mut counts = HashMap::from([(true, 0), (false, 0)]);
    for (id, handle) in accepted {
        let fate = ledger.fate(id);
        assert_ne!(fate, Fate::Dropped, "job {id}");
        *counts.entry(fate == Fate::Ran).or_default() += 1;
        if let Some(handle) = handle {
            assert_eq!(handle.try_join().expect("settled").unwrap(), id);
        }
    }
    assert_eq!(counts[&true], stats.completed);
    assert_eq!(counts[&false], stats.handed_back);
}

#[test]
fn every_job_sent_into_a_pool_that_shuts_down_is_run_or_rejected_once() {
    const EACH: usize = 200;
    for round in 0..repeat(10) {
        for builder in shapes() {
            let pool = builder.build().unwrap();
            let ledger = Ledger::new(3 * EACH);
            let helpers: Vec<_> = (0..3)
                .map(|n| {
                    let (pool, ledger) = (pool.handle(), ledger.clone());
                    helper(move || hammer(&pool, &ledger, n * EACH..(n + 1) * EACH))
                })
                .collect();
            let enough = (round * 37 % (EACH + 50)) as u64;
            while pool.stats().submitted < enough {
                thread::yield_now();
            }
            pool.shutdown();
            let accepted_by_then = pool.stats().accepted;
            let late = pool.execute(|| unreachable!("accepted after shutdown")).unwrap_err();
            assert!(late.is_shutdown());
            let accepted: Accepted =
                helpers.into_iter().flat_map(crate::support::Helper::join).collect();
            let stats = finish(&pool);
            assert_eq!(stats.accepted, accepted_by_then, "accepted after shutdown returned");
            audit(&ledger, accepted, 0, &stats);
        }
    }
}

#[test]
fn pending_jobs_come_back_and_sleepers_wake_up() {
    let pool = ThreadPoolExecutor::fixed(2).unwrap();
    let (ran, woken) = (Counter::new(), Counter::new());
    let began = Instant::now();
    for _ in 0..5 {
        let (ran, woken) = (ran.clone(), woken.clone());
        pool.execute(move || {
            ran.add();
            if interrupt::sleep(LONG).is_err() {
                woken.add();
            }
        })
        .unwrap();
    }
    ran.reach(2);
    let returned = pool.shutdown_now();
    assert_eq!(returned.len(), 3);
    assert_eq!(pool.stats().queued, 0);
    let stats = finish(&pool);
    assert!(began.elapsed() < LONG, "the sleepers slept on");
    assert_eq!((ran.get(), woken.get()), (2, 2));
    assert_eq!((stats.completed, stats.handed_back), (2, 3));
}

#[test]
fn a_returned_job_that_is_run_completes_its_handle_and_one_dropped_cancels_it() {
    let pool = ThreadPoolExecutor::fixed(1).unwrap();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    let handles: Vec<_> = (0..3).map(|n| pool.submit(move || n).unwrap()).collect();
    let mut returned = pool.shutdown_now().into_iter();
    assert!(handles.iter().all(|handle| handle.state() == JobState::Pending));

    returned.next().unwrap().run();
    drop(returned.next().unwrap());
    let elsewhere = ThreadPoolExecutor::fixed(1).unwrap();
    elsewhere.execute_job(returned.next().unwrap()).unwrap();

    let [ran, dropped, moved] = <[_; 3]>::try_from(handles).unwrap().map(JobHandle::join);
    assert_eq!(ran.unwrap(), 0);
    assert!(matches!(dropped, Err(JoinError::Cancelled(_))));
    assert_eq!(moved.unwrap(), 2);
    gate.open();
    let stats = finish(&pool);
    assert_eq!((stats.completed, stats.handed_back, stats.cancelled), (1, 3, 0));
    assert_eq!(finish(&elsewhere).completed, 1);
}

#[test]
fn a_waiter_for_a_job_that_was_handed_back_and_dropped_is_released() {
    let pool = ThreadPoolExecutor::fixed(1).unwrap();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    let handles: Vec<_> = (0..4).map(|n| pool.submit(move || n).unwrap()).collect();
    let waiters: Vec<_> = handles.into_iter().map(|job| helper(move || job.join())).collect();
    drop(pool.shutdown_now());
    for waiter in waiters {
        assert!(matches!(waiter.join(), Err(JoinError::Cancelled(_))));
    }
    gate.open();
    finish(&pool);
}

#[test]
fn pending_jobs_come_back_in_the_order_of_their_submission() {
    // More than fit in one block of the queue, so that they lie on both of its ends.
    const JOBS: usize = 1_000;
    let pool = ThreadPoolExecutor::fixed(1).unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    let gates = [Gate::new(), Gate::new()];
    let submit = |id| {
        let order = Arc::clone(&order);
        pool.execute(move || order.lock().push(id)).unwrap();
    };
    block_worker(&pool, &gates[0]);
    let running = Gate::new();
    let (started, gate) = (running.clone(), gates[1].clone());
    pool.execute(move || {
        started.open();
        gate.pass();
    })
    .unwrap();
    (0..JOBS / 2).for_each(submit);
    gates[0].open();
    // The worker has moved the first half to its own end of the queue.
    running.pass();
    (JOBS / 2..JOBS).for_each(submit);
    let returned = pool.shutdown_now();
    gates[1].open();
    finish(&pool);
    assert!(order.lock().is_empty());
    returned.into_iter().for_each(Job::run);
    assert!(order.lock().iter().copied().eq(0..JOBS));
}

#[test]
fn a_second_shutdown_now_returns_nothing() {
    let pool = ThreadPoolExecutor::fixed(1).unwrap();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    pool.execute(|| ()).unwrap();
    assert_eq!(pool.shutdown_now().len(), 1);
    assert!(pool.shutdown_now().is_empty());
    pool.shutdown();
    assert_eq!(pool.phase(), Phase::Stop, "a phase never goes back");
    gate.open();
    finish(&pool);
    assert!(pool.shutdown_now().is_empty());
    assert_eq!(pool.stats().handed_back, 1);
}

#[test]
fn shutdown_now_after_shutdown_escalates() {
    let pool = ThreadPoolExecutor::fixed(1).unwrap();
    let running = Gate::new();
    let started = running.clone();
    let sleeper = pool
        .submit(move || {
            started.open();
            interrupt::sleep(LONG)
        })
        .unwrap();
    let pending = pool.submit(|| ()).unwrap();
    running.pass();
    pool.shutdown();
    assert_eq!((pool.phase(), sleeper.state()), (Phase::Shutdown, JobState::Running));
    let returned = pool.shutdown_now();
    // Once the sleeper is awake the pool may be beyond `Stop`.
    assert!(pool.phase() >= Phase::Stop && returned.len() == 1);
    assert_eq!(sleeper.join().unwrap(), Err(interrupt::Interrupted));
    drop(returned);
    assert!(pending.join().unwrap_err().is_cancelled());
    finish(&pool);
}

#[test]
fn a_stopped_pool_waits_for_a_job_that_does_not_heed_its_interrupt() {
    let pool = ThreadPoolExecutor::fixed(1).unwrap();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    assert!(pool.shutdown_now().is_empty());
    assert!(pool.await_termination(SHORT).is_err());
    assert_eq!((pool.phase(), pool.stats().active), (Phase::Stop, 1));
    gate.open();
    assert_eq!(finish(&pool).completed, 1);
}

#[test]
fn a_job_can_stop_its_own_pool() {
    let pool = ThreadPoolExecutor::fixed(1).unwrap();
    let ready = Gate::new();
    let (handle, gate) = (pool.handle(), ready.clone());
    let job = pool
        .submit(move || {
            gate.pass();
            (handle.shutdown_now().len(), interrupt::is_interrupted())
        })
        .unwrap();
    pool.execute(|| unreachable!("it was pending")).unwrap();
    ready.open();
    assert_eq!(job.join().unwrap(), (1, true));
    finish(&pool);
}

#[test]
fn of_many_who_stop_a_pool_at_once_each_pending_job_comes_back_to_one() {
    const JOBS: usize = 100;
    for _ in 0..repeat(20) {
        let pool = ThreadPoolExecutor::fixed(2).unwrap();
        let (gate, go) = (Gate::new(), Gate::new());
        block_worker(&pool, &gate);
        block_worker(&pool, &gate);
        let ledger = Ledger::new(JOBS);
        for id in 0..JOBS {
            let ticket = ledger.ticket(id);
            pool.execute(move || ticket.stamp()).unwrap();
        }
        let stoppers: Vec<_> = (0..4)
            .map(|_| {
                let (pool, go) = (pool.handle(), go.clone());
                helper(move || {
                    go.pass();
                    let returned = pool.shutdown_now();
                    let count = returned.len();
                    returned.into_iter().for_each(Ledger::take_back);
                    count
                })
            })
            .collect();
        go.open();
        let returned: usize = stoppers.into_iter().map(crate::support::Helper::join).sum();
        assert_eq!(returned, JOBS);
        assert!((0..JOBS).all(|id| ledger.fate(id) == Fate::Back));
        gate.open();
        finish(&pool);
    }
}

#[test]
fn a_job_handed_to_a_worker_before_the_stop_runs_and_sees_it() {
    for _ in 0..repeat(50) {
        let pool = ThreadPoolExecutor::builder().threads(1).queue(Queue::Handoff).build().unwrap();
        pool.submit(|| ()).unwrap().join().unwrap();
        let job = pool.submit(|| interrupt::sleep(LONG)).unwrap();
        assert!(pool.shutdown_now().is_empty(), "a hand-off is not pending");
        assert_eq!(job.join().unwrap(), Err(interrupt::Interrupted));
        finish(&pool);
    }
}

#[test]
fn take_pending_leaves_the_pool_open_and_its_jobs_alone() {
    let pool = ThreadPoolExecutor::builder().threads(1).queue(Queue::Bounded(2)).build().unwrap();
    let gate = Gate::new();
    let running = Gate::new();
    let (started, hold) = (running.clone(), gate.clone());
    let blocker = pool
        .submit(move || {
            started.open();
            hold.pass();
            interrupt::is_interrupted()
        })
        .unwrap();
    running.pass();
    let handles: Vec<_> = (0..2).map(|n| pool.submit(move || n).unwrap()).collect();
    assert!(pool.try_execute(|| ()).unwrap_err().is_saturated());

    let taken = pool.take_pending();
    assert_eq!((taken.len(), pool.phase(), pool.stats().queued), (2, Phase::Running, 0));
    assert!(pool.take_pending().is_empty());
    assert!(handles.iter().all(|handle| handle.state() == JobState::Pending));
    // Their places are free, and they can come in again.
    for job in taken {
        pool.execute_job(job).unwrap();
    }
    gate.open();
    assert!(!blocker.join().unwrap(), "nobody asked the running job to stop");
    let values: Vec<_> = handles.into_iter().map(|handle| handle.join().unwrap()).collect();
    assert_eq!(values, [0, 1]);
    let stats = finish(&pool);
    assert_eq!((stats.completed, stats.handed_back, stats.accepted), (3, 2, 5));
}

#[test]
fn a_blocked_submitter_gets_the_room_that_take_pending_makes() {
    let pool = ThreadPoolExecutor::builder().threads(1).queue(Queue::Bounded(1)).build().unwrap();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    pool.execute(|| ()).unwrap();
    let handle = pool.handle();
    let submitter = helper(move || handle.execute_timeout(|| (), LONG));
    // It waits, or it will find the room: either way it must get in.
    assert_eq!(pool.take_pending().len(), 1);
    submitter.join().unwrap();
    gate.open();
    assert_eq!(finish(&pool).completed, 2);
}

#[test]
fn take_pending_lets_a_pool_that_shuts_down_end() {
    let pool = ThreadPoolExecutor::fixed(1).unwrap();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    pool.execute(|| unreachable!("it is taken back")).unwrap();
    pool.shutdown();
    assert_eq!(pool.take_pending().len(), 1);
    assert_eq!(pool.phase(), Phase::Shutdown);
    gate.open();
    let stats = finish(&pool);
    assert_eq!((stats.completed, stats.handed_back), (1, 1));
}

/// What became of a submission, as its submitter knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    Accepted,
    Rejected,
    /// Accepted, and removed by its handle.
    Removed,
}

/// A pool in everything that can go wrong at once.
struct Storm {
    pool: ThreadPoolExecutor,
    ledger: Ledger,
    over: AtomicBool,
}

/// How the storm ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Shutdown,
    ShutdownNow,
}

impl Storm {
    fn new(builder: Builder, jobs: usize) -> Self {
        let calls = AtomicUsize::new(0);
        let pool = builder
            .core_threads(1)
            .max_threads(3)
            .keep_alive(Duration::from_millis(1))
            .thread_factory(move |worker| {
                if calls.fetch_add(1, Ordering::SeqCst) % 5 == 4 {
                    return Err(io::Error::other("every fifth thread is refused"));
                }
                worker.builder().spawn(move || worker.run())
            })
            .build()
            .unwrap();
        Self { pool, ledger: Ledger::new(jobs), over: AtomicBool::new(false) }
    }

    /// Sends job `id`, in one of many ways; some jobs panic, some are cancelled.
    fn send(&self, id: usize, kept: &mut Vec<JobHandle<()>>) -> Sent {
        let ticket = self.ledger.ticket(id);
        let pool = &self.pool;
        let mut keep = |result: Result<_, RejectedSubmit<()>>| {
            result.map(|handle| kept.push(handle)).map_err(Rejected::from)
        };
        let result = match id % 8 {
            0 => return self.submit_and_cancel(ticket, kept),
            1 => pool.execute(move || ticket.crash()),
            2 => pool.try_execute(move || ticket.stamp()),
            3 => pool.execute_timeout(move || ticket.stamp(), Duration::from_millis(1)),
            4 => pool.submit(move || ticket.punch()).map(drop).map_err(Rejected::from),
            5 => keep(pool.submit(move || ticket.crash())),
            6 => keep(pool.submit(move || ticket.stamp())),
            _ => pool.execute(move || ticket.stamp()),
        };
        match result {
            Ok(()) => Sent::Accepted,
            Err(rejected) => {
                take_rejected(rejected.into_job());
                Sent::Rejected
            }
        }
    }

    fn submit_and_cancel(&self, ticket: Ticket, kept: &mut Vec<JobHandle<()>>) -> Sent {
        match self.pool.submit(move || ticket.stamp()) {
            Ok(handle) => {
                let outcome = handle.cancel();
                kept.push(handle);
                if outcome == CancelOutcome::Removed { Sent::Removed } else { Sent::Accepted }
            }
            Err(rejected) => {
                take_rejected(rejected.into_job());
                Sent::Rejected
            }
        }
    }

    /// Changes the pool, takes pending jobs back, and finally ends it. Returns how many came back.
    fn change(&self, ending: Ending, after: usize) -> usize {
        let mut back = 0;
        for turn in 0..after {
            let (core, max) = [(0, 1), (1, 4), (2, 2), (0, 3), (3, 3)][turn % 5];
            self.pool.set_threads(core, max).unwrap();
            self.pool.set_keep_alive(Duration::from_micros(turn as u64 % 3 * 500)).unwrap();
            self.pool.set_queue_capacity([0, 1, 8, 64][turn % 4]).unwrap();
            if turn % 4 == 3 {
                back += take_all_back(self.pool.take_pending());
            }
            thread::yield_now();
        }
        match ending {
            Ending::Shutdown => self.pool.shutdown(),
            Ending::ShutdownNow => back += take_all_back(self.pool.shutdown_now()),
        }
        back
    }

    /// Looks at the figures all the time: they add up, and none ever goes back.
    fn watch(&self) {
        let mut last = self.pool.stats();
        while !self.over.load(Ordering::SeqCst) {
            let stats = self.pool.stats();
            assert_conserved(&stats);
            let only_grow = |s: &PoolStats| {
                [s.submitted, s.rejected, s.accepted, s.completed, s.panicked, s.cancelled]
                    .into_iter()
                    .chain([s.handed_back, s.discarded, s.caller_ran, s.spawn_failures])
                    .chain([s.phase as u64, s.largest_pool_size as u64])
                    .collect::<Vec<_>>()
            };
            let grew = only_grow(&stats).into_iter().zip(only_grow(&last)).all(|(a, b)| a >= b);
            assert!(grew, "from {last:?} to {stats:?}");
            assert!(stats.idle <= stats.pool_size, "{stats:?}");
            last = stats;
            thread::yield_now();
        }
    }
}

fn take_all_back(jobs: Vec<Job>) -> usize {
    let count = jobs.len();
    for job in jobs {
        take_rejected(job);
    }
    count
}

/// Runs a job that came back; those without a handle may crash as they would in a plain call.
fn take_rejected(job: Job) {
    let run = std::panic::AssertUnwindSafe(|| Ledger::take_back(job));
    // A crash is the job's own, and its number is on the books before it.
    std::panic::catch_unwind(run).ok();
    AUDITING.set(false);
}

/// One storm: two submitters, a changer and a watcher; then the audit.
fn weather(builder: Builder, ending: Ending, turns: usize) {
    const EACH: usize = 250;
    let storm = Storm::new(builder, 2 * EACH);
    let sent = thread::scope(|scope| {
        let watcher = scope.spawn(|| storm.watch());
        let submitters: Vec<_> = (0..2)
            .map(|n| {
                let storm = &storm;
                scope.spawn(move || {
                    let mut kept = Vec::new();
                    let ids = n * EACH..(n + 1) * EACH;
                    let sent: Vec<_> = ids.map(|id| (id, storm.send(id, &mut kept))).collect();
                    (sent, kept)
                })
            })
            .collect();
        let back = storm.change(ending, turns);
        let mut all = Vec::new();
        let mut kept = Vec::new();
        for submitter in submitters {
            let (sent, handles) = submitter.join().unwrap();
            all.extend(sent);
            kept.extend(handles);
        }
        storm.pool.await_termination(LONG).expect("the pool ends");
        storm.over.store(true, Ordering::SeqCst);
        watcher.join().unwrap();
        for handle in kept {
            assert!(handle.is_finished(), "the pool has ended, and a handle is not settled");
            drop(handle.join());
        }
        assert_eq!(storm.pool.stats().handed_back, back as u64);
        all
    });
    let stats = finish(&storm.pool);
    let mut ran = 0;
    let mut rejected = 0;
    for (id, sent) in sent {
        let fate = storm.ledger.fate(id);
        match sent {
            Sent::Accepted => ran += u64::from(fate == Fate::Ran),
            Sent::Rejected => {
                assert_eq!(fate, Fate::Back);
                rejected += 1;
            }
            Sent::Removed => assert_eq!(fate, Fate::Dropped),
        }
    }
    assert_eq!(ran, stats.completed + stats.panicked, "{stats:?}");
    assert_eq!(rejected, stats.rejected, "{stats:?}");
}

#[test]
fn no_job_is_lost_or_doubled_whatever_happens_at_once() {
    let block = Block { timeout: Duration::from_millis(1) };
    for round in 0..repeat(6) {
        for ending in [Ending::Shutdown, Ending::ShutdownNow] {
            let queue = || ThreadPoolExecutor::builder().queue(Queue::Bounded(8));
            weather(queue(), ending, 5 + round * 20);
            weather(queue().rejection_policy(CallerRuns), ending, 5 + round * 20);
            weather(queue().rejection_policy(Discard), ending, 5 + round * 20);
            weather(queue().rejection_policy(DiscardOldest), ending, 5 + round * 20);
            weather(queue().rejection_policy(block), ending, 5 + round * 20);
            weather(queue().growth(Growth::ThreadsFirst), ending, 5 + round * 20);
        }
    }
}
