//! Results: that every handle settles, with the truth; cancelling; joining from a worker.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, select, unbounded};
use parking_lot::Mutex;
use workcrew::interrupt::{self, Interrupt, Interrupted};
use workcrew::{
    AwaitError, BuildError, CancelOutcome, Handle, Job, JobHandle, JobState, JoinError, OnDrop,
    PoolStats, Queue, RejectReason, Rejected, RejectionPolicy, Saturation, ThreadPoolExecutor,
    policy,
};

use crate::support::{
    Counter, Gate, Helper, LONG, SHORT, assert_cancelled, assert_conserved, block_worker,
    eventually, finish, helper, pass_time, repeat, settled, single, soon,
};

/// One worker, a queue of this many, this policy.
fn small(capacity: usize, policy: impl RejectionPolicy + 'static) -> ThreadPoolExecutor {
    ThreadPoolExecutor::builder()
        .threads(1)
        .queue(Queue::Bounded(capacity))
        .rejection_policy(policy)
        .build()
        .expect("a small pool")
}

/// Counts itself as long as it lives, and knows on which thread it was dropped.
#[derive(Clone, Default)]
struct Ledger(Arc<Mutex<(usize, Vec<ThreadId>)>>);

struct Entry(Ledger);

impl Ledger {
    fn entry(&self) -> Entry {
        self.0.lock().0 += 1;
        Entry(self.clone())
    }

    fn live(&self) -> usize {
        self.0.lock().0
    }

    fn dropped_on(&self) -> Vec<ThreadId> {
        self.0.lock().1.clone()
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut ledger = self.0.0.lock();
        ledger.0 -= 1;
        ledger.1.push(thread::current().id());
    }
}

// The life of a handle.

#[test]
fn the_state_follows_the_job() {
    let pool = single();
    let (gate, ending) = (Gate::new(), Gate::new());
    block_worker(&pool, &gate);
    let (running, leave) = (Gate::new(), ending.clone());
    let started = running.clone();
    let returns = pool
        .submit(move || {
            started.open();
            leave.pass();
            5
        })
        .unwrap();
    let panics = pool.submit(|| panic!("for its state")).unwrap();
    let cancelled = pool.submit(|| ()).unwrap();
    assert_eq!(returns.state(), JobState::Pending);
    assert_eq!((panics.state(), cancelled.state()), (JobState::Pending, JobState::Pending));
    assert!(!returns.is_finished());
    assert_eq!(cancelled.cancel(), CancelOutcome::Removed);
    assert_cancelled(cancelled);

    gate.open();
    running.pass();
    assert_eq!(returns.state(), JobState::Running);
    assert!(!returns.is_finished());
    let returns = returns.try_join().expect_err("it runs");
    ending.open();
    eventually("both have ended", || returns.is_finished() && panics.is_finished());
    assert_eq!((returns.state(), panics.state()), (JobState::Finished, JobState::Panicked));
    assert_eq!(format!("{returns:?}"), "JobHandle { state: Finished, .. }");
    assert_eq!(returns.try_join().expect("it has ended").unwrap(), 5);
    assert_eq!(panics.join().unwrap_err().message(), Some("for its state"));
    let stats = finish(&pool);
    assert_eq!((stats.completed, stats.panicked, stats.cancelled), (2, 1, 1));
}

#[test]
fn done_is_ready_exactly_when_the_job_has_settled() {
    let pool = single();
    let gate = Gate::new();
    let open = gate.clone();
    let handle = pool.submit(move || open.pass()).unwrap();
    let done = handle.done().clone();
    let (_sender, other) = unbounded::<()>();
    select! {
        recv(done) -> _ => panic!("ready while the job is pending or runs"),
        recv(other) -> _ => panic!("nobody sends"),
        default(SHORT) => {}
    }
    assert!(!handle.is_finished());
    gate.open();
    select! {
        recv(done) -> message => assert!(message.is_err(), "it never carries a message"),
        recv(other) -> _ => panic!("nobody sends"),
        default(LONG) => panic!("not ready although the job ends"),
    }
    assert!(handle.is_finished(), "ready means settled");
    assert!(handle.done().recv().is_err(), "it stays ready");
    handle.join().unwrap();

    // Asked for only after the end, and for a job whose handle is gone.
    let late = pool.submit(|| ()).unwrap();
    eventually("it has ended", || late.is_finished());
    assert!(late.done().recv().is_err());
    let gate = Gate::new();
    let open = gate.clone();
    let dropped = pool.submit(move || open.pass()).unwrap();
    let done = dropped.done().clone();
    drop(dropped);
    assert!(done.try_recv().is_err_and(|error| error.is_empty()), "it still runs");
    gate.open();
    assert!(done.recv_timeout(LONG).is_err_and(|error| error.is_disconnected()));
    finish(&pool);
}

#[test]
fn a_join_error_says_what_happened() {
    let pool = single();
    let word = String::from("so");
    let text = pool.submit(move || panic!("said {word}")).unwrap().join().unwrap_err();
    assert!(text.is_panic() && !text.is_cancelled());
    assert_eq!(text.message(), Some("said so"));
    assert_eq!(text.to_string(), "the job panicked: said so");
    assert_eq!(format!("{text:?}"), "Panicked(Some(\"said so\"))");
    assert_eq!(*text.into_panic().unwrap().downcast::<String>().unwrap(), "said so");

    let number =
        pool.submit(|| -> u32 { std::panic::panic_any(42_u32) }).unwrap().join().unwrap_err();
    assert!(number.is_panic());
    assert_eq!(number.message(), None);
    assert_eq!(number.to_string(), "the job panicked");
    assert_eq!(format!("{number:?}"), "Panicked(None)");
    assert_eq!(*number.into_panic().unwrap().downcast::<u32>().unwrap(), 42);

    let (job, handle) = Job::with_handle(|| ());
    drop(job);
    let cancelled = handle.join().unwrap_err();
    assert!(cancelled.is_cancelled() && !cancelled.is_panic());
    assert_eq!(cancelled.message(), None);
    assert_eq!(cancelled.to_string(), "the job was dropped by its holder before it started");
    assert_eq!(format!("{cancelled:?}"), "Cancelled(Dropped)");
    assert!(cancelled.into_panic().unwrap_err().is_cancelled());

    let interrupted = JoinError::Interrupted;
    assert!(!interrupted.is_cancelled() && !interrupted.is_panic());
    assert_eq!(interrupted.to_string(), "interrupted while waiting for the job");
    assert_eq!(format!("{interrupted:?}"), "Interrupted");
    assert!(interrupted.into_panic().is_err());
    finish(&pool);
}

#[test]
fn a_timed_join_gives_the_handle_back_and_leaves_the_job_running() {
    let pools: [fn() -> Result<ThreadPoolExecutor, BuildError>; 3] =
        [ThreadPoolExecutor::single, ThreadPoolExecutor::cached, || ThreadPoolExecutor::fixed(2)];
    for make in pools {
        let pool = make().unwrap();
        let gate = Gate::new();
        let open = gate.clone();
        let handle = pool
            .submit(move || {
                open.pass();
                interrupt::is_interrupted()
            })
            .unwrap();
        eventually("it runs", || handle.state() == JobState::Running);
        let handle = handle.join_timeout(Duration::ZERO).expect_err("it is blocked");
        for timeout in [Duration::from_nanos(999_999), Duration::from_millis(12)] {
            let start = Instant::now();
            handle_is_back(&handle, timeout);
            assert!(start.elapsed() < LONG);
        }
        let start = Instant::now();
        let handle = handle.join_timeout(SHORT).expect_err("it is blocked");
        assert!(start.elapsed() >= SHORT, "the wait was cut short");
        assert_eq!(handle.state(), JobState::Running);
        gate.open();
        let interrupted = handle.join_timeout(Duration::MAX).expect("it ends").unwrap();
        assert!(!interrupted, "a timed join interrupts nothing");
        assert_eq!(finish(&pool).completed, 1);
    }
}

/// The same through `done`, which can be waited for without giving the handle away.
#[track_caller]
fn handle_is_back(handle: &JobHandle<bool>, timeout: Duration) {
    let start = Instant::now();
    let outcome = handle.done().recv_timeout(timeout);
    assert!(outcome.is_err_and(|error| error.is_timeout()));
    assert!(start.elapsed() >= timeout);
}

#[test]
fn a_dropped_handle_lets_the_job_go_on() {
    let pool = single();
    let (gate, ran, results) = (Gate::new(), Counter::new(), Ledger::default());
    block_worker(&pool, &gate);
    let (count, ledger) = (ran.clone(), results.clone());
    drop(
        pool.submit(move || {
            count.add();
            ledger.entry()
        })
        .unwrap(),
    );
    assert_eq!(pool.stats().queued, 1, "a dropped handle cancels nothing");
    gate.open();
    ran.reach(1);
    let stats = finish(&pool);
    assert_eq!((stats.completed, stats.cancelled), (2, 0));
    assert_eq!(results.live(), 0, "a result that nobody takes is dropped");
}

#[test]
fn a_result_that_is_not_taken_is_dropped_with_its_handle() {
    let pool = single();
    let results = Ledger::default();
    let ledger = results.clone();
    let handle = pool.submit(move || ledger.entry()).unwrap();
    eventually("it has ended", || handle.is_finished());
    assert_eq!(results.live(), 1);
    drop(handle);
    assert_eq!(results.live(), 0);
    assert_eq!(results.dropped_on(), [thread::current().id()]);
    finish(&pool);
}

#[test]
fn a_handle_can_be_joined_after_the_pool_is_gone() {
    let pool = ThreadPoolExecutor::fixed(2).unwrap();
    let handles: Vec<_> = (0..20).map(|n| pool.submit(move || n * n).unwrap()).collect();
    drop(pool);
    for (n, handle) in handles.into_iter().enumerate() {
        assert_eq!(handle.state(), JobState::Finished);
        assert_eq!(handle.join().unwrap(), n * n);
    }
}

// Cancelling.

#[test]
fn cancelling_a_pending_job_removes_it_once_and_nothing_else() {
    let pool = single();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    let order = Arc::new(Mutex::new(Vec::new()));
    let submit = |n: u32| {
        let order = Arc::clone(&order);
        pool.submit(move || order.lock().push(n)).unwrap()
    };
    let (first, second, third) = (submit(1), submit(2), submit(3));
    assert_eq!(pool.stats().queued, 3);
    assert_eq!(second.cancel(), CancelOutcome::Removed);
    assert_eq!(second.cancel(), CancelOutcome::AlreadyFinished);
    let stats = pool.stats();
    assert_eq!((stats.queued, stats.cancelled), (2, 1));
    assert_conserved(&stats);
    assert_cancelled(second);
    gate.open();
    settled(first).unwrap();
    settled(third).unwrap();
    let stats = finish(&pool);
    assert_eq!((stats.completed, stats.cancelled), (3, 1));
    assert_eq!(*order.lock(), [1, 3], "the cancelled one never ran, its neighbours did");
}

#[test]
fn a_job_is_removed_by_exactly_one_of_many_cancels() {
    let pool = single();
    for _ in 0..repeat(100) {
        let gate = Gate::new();
        block_worker(&pool, &gate);
        let handle = Arc::new(pool.submit(|| ()).unwrap());
        let start = Gate::new();
        let rivals: Vec<_> = (0..2)
            .map(|_| {
                let (handle, start) = (Arc::clone(&handle), start.clone());
                helper(move || {
                    start.pass();
                    handle.cancel()
                })
            })
            .collect();
        start.open();
        let outcomes: Vec<_> = rivals.into_iter().map(Helper::join).collect();
        let removed = outcomes.iter().filter(|outcome| **outcome == CancelOutcome::Removed).count();
        assert_eq!(removed, 1, "{outcomes:?}");
        gate.open();
    }
    let stats = finish(&pool);
    assert_eq!(stats.cancelled, stats.completed, "one of each per round: {stats:?}");
}

#[test]
fn a_cancel_that_races_with_the_start_has_one_winner() {
    let pool = ThreadPoolExecutor::fixed(2).unwrap();
    let rounds = repeat(2_000);
    let ran = Counter::new();
    let mut removed = 0;
    for round in 0..rounds {
        let ran = ran.clone();
        let handle = pool.submit(move || ran.add()).unwrap();
        for _ in 0..round % 7 {
            thread::yield_now();
        }
        match (handle.cancel(), settled(handle)) {
            (CancelOutcome::Removed, Err(JoinError::Cancelled(_))) => removed += 1,
            (CancelOutcome::Interrupted | CancelOutcome::AlreadyFinished, Ok(_)) => {}
            (outcome, result) => panic!("{outcome:?}, but {result:?}"),
        }
    }
    let stats = finish(&pool);
    assert_eq!(ran.get() + removed, rounds);
    assert_eq!((stats.completed, stats.cancelled), (ran.get() as u64, removed as u64));
}

#[test]
fn a_cancelled_running_job_returns_what_it_returns() {
    let pool = single();
    let (running, gate) = (Gate::new(), Gate::new());
    let (started, open) = (running.clone(), gate.clone());
    let handle = pool
        .submit(move || {
            started.open();
            let slept = interrupt::sleep(LONG);
            open.pass();
            (slept, "the real end")
        })
        .unwrap();
    running.pass();
    assert_eq!(handle.cancel(), CancelOutcome::Interrupted);
    assert_eq!(handle.cancel(), CancelOutcome::Interrupted, "a second one is harmless");
    let handle = handle.join_timeout(SHORT).expect_err("its body has not returned");
    assert_eq!(handle.state(), JobState::Running);
    assert_eq!(pool.stats().cancelled, 0, "it was not removed");
    gate.open();
    assert_eq!(settled(handle).unwrap(), (Err(Interrupted), "the real end"));
    let stats = finish(&pool);
    assert_eq!((stats.completed, stats.cancelled), (1, 0));
}

#[test]
fn a_cancelled_running_job_that_panics_has_panicked() {
    let pool = single();
    let running = Gate::new();
    let started = running.clone();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let checks = Arc::clone(&seen);
    let handle = pool
        .submit(move || {
            started.open();
            let look = || checks.lock().push(interrupt::is_interrupted());
            look();
            assert_eq!(interrupt::sleep(LONG), Err(Interrupted));
            look();
            look();
            panic!("stopped half-way");
        })
        .unwrap();
    running.pass();
    eventually("it looked", || seen.lock().len() == 1);
    assert_eq!(handle.cancel(), CancelOutcome::Interrupted);
    eventually("it has ended", || handle.is_finished());
    assert_eq!(handle.cancel(), CancelOutcome::AlreadyFinished);
    assert_eq!(handle.state(), JobState::Panicked);
    assert_eq!(settled(handle).unwrap_err().message(), Some("stopped half-way"));
    assert_eq!(*seen.lock(), [false, true, true], "it is seen once set, and for good");
    assert_eq!(finish(&pool).panicked, 1);
}

#[test]
fn cancelling_an_ended_job_keeps_its_value() {
    let pool = single();
    let handle = pool.submit(|| String::from("kept")).unwrap();
    eventually("it has ended", || handle.is_finished());
    assert_eq!(handle.cancel(), CancelOutcome::AlreadyFinished);
    assert_eq!(handle.cancel(), CancelOutcome::AlreadyFinished);
    assert_eq!(handle.state(), JobState::Finished);
    assert!(handle.done().recv().is_err());
    assert_eq!(handle.join().unwrap(), "kept");
    assert_eq!(finish(&pool).cancelled, 0);
}

#[test]
fn cancelling_the_last_pending_job_of_a_shut_down_pool_lets_it_end() {
    let pool = single();
    let (gate, ran) = (Gate::new(), Counter::new());
    block_worker(&pool, &gate);
    let count = ran.clone();
    let last = pool.submit(move || count.add()).unwrap();
    pool.shutdown();
    assert_eq!(last.cancel(), CancelOutcome::Removed);
    assert_eq!(pool.await_termination(SHORT), Err(AwaitError::TimedOut), "one job still runs");
    gate.open();
    let stats = finish(&pool);
    assert_eq!((stats.completed, stats.cancelled, ran.get()), (1, 1, 0));
}

#[test]
fn cancelling_drops_the_captures_at_once_and_on_this_thread() {
    let pool = single();
    let (gate, captures) = (Gate::new(), Ledger::default());
    block_worker(&pool, &gate);
    let entry = captures.entry();
    let handle = pool.submit(move || drop(entry)).unwrap();
    assert_eq!(captures.live(), 1);
    assert_eq!(handle.cancel(), CancelOutcome::Removed);
    assert_eq!(captures.live(), 0);
    assert_eq!(captures.dropped_on(), [thread::current().id()]);
    gate.open();
    finish(&pool);
}

#[test]
fn a_cancelled_job_gives_its_place_in_a_full_queue_to_the_next() {
    let pool = small(2, policy::Abort);
    let gate = Gate::new();
    block_worker(&pool, &gate);
    let mut queue = vec![pool.submit(|| ()).unwrap(), pool.submit(|| ()).unwrap()];
    let rounds = repeat(500);
    for round in 0..rounds {
        assert!(pool.submit(|| ()).unwrap_err().is_saturated());
        let oldest_or_newest = queue.swap_remove(round % 2);
        assert_eq!(oldest_or_newest.cancel(), CancelOutcome::Removed);
        queue.push(pool.submit(|| ()).expect("a place is free at once"));
    }
    let stats = pool.stats();
    assert_conserved(&stats);
    assert_eq!((stats.queued, stats.cancelled), (2, rounds as u64));
    // The freed place also wakes who waits for one.
    let submitter = pool.handle();
    let waiting = helper(move || submitter.execute_timeout(|| (), LONG));
    assert_eq!(queue.remove(0).cancel(), CancelOutcome::Removed);
    waiting.join().expect("there is room");
    gate.open();
    let stats = finish(&pool);
    assert_eq!((stats.completed, stats.rejected), (3, rounds as u64));
}

#[test]
fn ten_thousand_cancelled_jobs_leave_nothing_behind() {
    let pool = single();
    let (gate, captures, ran) = (Gate::new(), Ledger::default(), Counter::new());
    block_worker(&pool, &gate);
    for _ in 0..10_000 {
        let (entry, ran) = (captures.entry(), ran.clone());
        let handle = pool
            .submit(move || {
                drop(entry);
                ran.add()
            })
            .unwrap();
        assert_eq!(handle.cancel(), CancelOutcome::Removed);
        assert_eq!(captures.live(), 0);
    }
    let stats = pool.stats();
    assert_conserved(&stats);
    assert_eq!((stats.queued, stats.cancelled, stats.oldest_pending), (0, 10_000, None));
    assert_eq!(pool.shutdown_now().len(), 0, "there is nothing to hand back");
    gate.open();
    finish(&pool);
    assert_eq!(ran.get(), 0);
}

// Every handle settles.

/// Keeps the jobs that it is asked about, or lets go of them.
struct Drops;

impl RejectionPolicy for Drops {
    fn rejected(&self, job: Job, _: &Saturation<'_>) -> Result<(), Rejected> {
        drop(job);
        Ok(())
    }
}

#[test]
fn a_job_dropped_by_a_policy_settles_its_handle() {
    let pools: [fn() -> ThreadPoolExecutor; 2] = [|| small(0, policy::Discard), || small(0, Drops)];
    for make in pools {
        let (pool, gate) = (make(), Gate::new());
        block_worker(&pool, &gate);
        assert_cancelled(pool.submit(|| ()).unwrap());
        let stats = pool.stats();
        assert_conserved(&stats);
        assert_eq!((stats.discarded, stats.rejected), (1, 0));
        gate.open();
        finish(&pool);
    }
}

#[test]
fn the_job_displaced_by_discard_oldest_settles_its_handle() {
    let (pool, gate) = (small(1, policy::DiscardOldest), Gate::new());
    block_worker(&pool, &gate);
    let second = pool.submit(|| 2).unwrap();
    let third = pool.submit(|| 3).unwrap();
    assert_cancelled(second);
    gate.open();
    assert_eq!(settled(third).unwrap(), 3);
    let stats = finish(&pool);
    assert_eq!((stats.completed, stats.discarded), (2, 1));
}

#[test]
fn a_dropped_job_settles_its_handle_wherever_it_is_dropped() {
    let (job, handle) = Job::with_handle(|| ());
    drop(job);
    assert_cancelled(handle);

    // Rejected, and the error dropped: saturated, timed out, shut down.
    let (pool, gate) = (small(0, policy::Abort), Gate::new());
    block_worker(&pool, &gate);
    let (job, handle) = Job::with_handle(|| ());
    let rejected = pool.execute_job(job).unwrap_err();
    assert_eq!(handle.state(), JobState::Pending, "the error holds the job");
    assert_eq!(rejected.reason(), RejectReason::Saturated);
    drop(rejected);
    assert_cancelled(handle);
    gate.open();
    pool.shutdown();
    let (job, handle) = Job::with_handle(|| ());
    assert!(pool.execute_job(job).unwrap_err().is_shutdown());
    assert_cancelled(handle);
    finish(&pool);

    // Never looked at by a thread that waits for it.
    let (job, handle) = Job::with_handle(|| ());
    let waiting = helper(move || settled(handle));
    drop(job);
    assert!(waiting.join().unwrap_err().is_cancelled());
}

#[test]
fn a_job_that_is_handed_back_settles_its_handle_when_dropped_and_only_then() {
    let pool = single();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    let handles: Vec<_> = (0..3).map(|_| pool.submit(|| ()).unwrap()).collect();
    let waiting = pool.submit(|| ()).unwrap();
    let waiter = helper(move || settled(waiting));
    let taken = pool.take_pending();
    assert_eq!(taken.len(), 4);
    assert!(handles.iter().all(|handle| handle.state() == JobState::Pending));
    drop(taken);
    handles.into_iter().for_each(assert_cancelled);
    assert!(waiter.join().unwrap_err().is_cancelled());

    let handles: Vec<_> = (0..3).map(|_| pool.submit(|| ()).unwrap()).collect();
    let pending = pool.shutdown_now();
    assert!(handles.iter().all(|handle| handle.state() == JobState::Pending));
    drop(pending);
    handles.into_iter().for_each(assert_cancelled);
    gate.open();
    let stats = finish(&pool);
    assert_eq!((stats.handed_back, stats.completed, stats.cancelled), (7, 1, 0));
}

/// What dropping the owner in one way or another leaves of a blocked worker's queue.
fn settles_after(on_drop: OnDrop) -> (Handle, Gate, JobHandle<()>, ThreadPoolExecutor) {
    let pool = ThreadPoolExecutor::builder().threads(1).on_drop(on_drop).build().expect("a pool");
    let gate = Gate::new();
    block_worker(&pool, &gate);
    let pending = pool.submit(|| ()).expect("accepted");
    (pool.handle(), gate, pending, pool)
}

#[track_caller]
fn ended(pool: &Handle) -> PoolStats {
    pool.await_termination(LONG).expect("the pool ends");
    let stats = pool.stats();
    assert_conserved(&stats);
    stats
}

#[test]
fn every_handle_settles_when_the_owner_is_dropped_in_a_panic() {
    let (pool, gate, pending, owner) = settles_after(OnDrop::Close);
    let panicked = catch_unwind(AssertUnwindSafe(move || {
        let _owner = owner;
        panic!("with a pool in scope");
    }));
    assert!(panicked.is_err());
    assert_cancelled(pending);
    assert!(!gate.is_open(), "the drop did not wait");
    gate.open();
    assert_eq!(ended(&pool).handed_back, 1);
}

#[test]
fn every_handle_settles_when_the_owner_is_dropped() {
    let (pool, gate, pending, owner) = settles_after(OnDrop::Close);
    let closing = helper(move || owner.close());
    eventually("it is shut down", || pool.is_shutdown());
    gate.open();
    closing.join();
    assert_eq!(pending.state(), JobState::Finished, "close waits for all");
    settled(pending).unwrap();
    assert_eq!(ended(&pool).completed, 2);

    let (pool, gate, pending, owner) = settles_after(OnDrop::Stop);
    let stopping = helper(move || drop(owner));
    assert!(settled(pending).unwrap_err().is_cancelled(), "although the drop still waits");
    gate.open();
    stopping.join();
    assert_eq!(ended(&pool).handed_back, 1);

    let (pool, gate, pending, owner) = settles_after(OnDrop::Detach);
    drop(owner);
    assert_eq!(pending.state(), JobState::Pending, "it waits for nothing");
    gate.open();
    settled(pending).unwrap();
    assert_eq!(ended(&pool).completed, 2);

    let (pool, gate, pending, owner) = settles_after(OnDrop::Close);
    owner.detach();
    gate.open();
    settled(pending).unwrap();
    assert_eq!(ended(&pool).completed, 2);
}

#[test]
fn a_handed_back_job_completes_its_handle_wherever_it_runs() {
    let pool = single();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    let here = pool.submit(|| thread::current().id()).unwrap();
    let there = pool.submit(|| thread::current().id()).unwrap();
    let nowhere = pool.submit(|| thread::current().id()).unwrap();
    let cancelled = pool.submit(|| thread::current().id()).unwrap();
    let mut pending = pool.shutdown_now().into_iter();
    assert_eq!(pending.len(), 4);
    let other = single();
    pending.next().unwrap().run();
    other.execute_job(pending.next().unwrap()).unwrap();
    drop(pending.next());
    assert_eq!(cancelled.cancel(), CancelOutcome::Removed, "nobody's job can be cancelled too");
    pending.next().unwrap().run();

    let this = thread::current().id();
    assert_eq!(here.state(), JobState::Finished);
    assert_eq!(here.join().unwrap(), this);
    assert_ne!(settled(there).unwrap(), this);
    assert_cancelled(nowhere);
    assert_cancelled(cancelled);
    assert_eq!(finish(&other).completed, 1);
    gate.open();
    let stats = finish(&pool);
    assert_eq!((stats.completed, stats.handed_back, stats.cancelled), (1, 4, 0));
}

#[test]
fn a_job_queued_elsewhere_is_cancelled_and_helped_there() {
    let (first, second) = (single(), single());
    let gate = Gate::new();
    block_worker(&first, &gate);
    block_worker(&second, &gate);
    let handle = first.submit(|| ()).unwrap();
    let job = first.take_pending().pop().unwrap();
    second.execute_job(job).unwrap();
    assert_eq!(second.stats().queued, 1);
    assert_eq!(handle.cancel(), CancelOutcome::Removed);
    assert_eq!((first.stats().cancelled, second.stats().cancelled), (0, 1));
    assert_eq!(second.stats().queued, 0);
    gate.open();
    finish(&first);
    finish(&second);
}

// Jobs with handles, without a pool and before it.

#[test]
fn a_job_with_a_handle_runs_without_a_pool() {
    let (job, handle) = Job::with_handle(|| 6 * 7);
    assert_eq!(handle.state(), JobState::Pending);
    let text = format!("{job:?}");
    assert!(text.starts_with("Job { name: None, submitted_at: tests/it/handles.rs:"), "{text}");
    assert!(text.ends_with(", has_handle: true, .. }"), "{text}");
    job.run();
    assert_eq!(handle.join().unwrap(), 42);

    let (job, handle) = Job::with_handle(|| panic!("to its handle alone"));
    job.run();
    assert_eq!(handle.join().unwrap_err().message(), Some("to its handle alone"));

    let (job, handle) = Job::with_handle(|| unreachable!("it was cancelled"));
    assert_eq!(handle.cancel(), CancelOutcome::Removed);
    job.run();
    assert_cancelled::<()>(handle);

    // Interrupted by its handle, as in a pool.
    let running = Gate::new();
    let started = running.clone();
    let (job, handle) = Job::with_handle(move || {
        started.open();
        interrupt::sleep(LONG)
    });
    let runner = helper(move || job.run());
    running.pass();
    assert_eq!(handle.cancel(), CancelOutcome::Interrupted);
    runner.join();
    assert_eq!(handle.join().unwrap(), Err(Interrupted));

    let plain = Job::new(|| panic!("to the caller"));
    let text = format!("{plain:?}");
    assert!(text.ends_with(", has_handle: false, .. }"), "{text}");
    assert!(catch_unwind(AssertUnwindSafe(|| plain.run())).is_err());
}

#[test]
fn a_job_cancelled_before_it_is_submitted_counts_as_cancelled() {
    // Queued, handed to an idle worker, and run by its submitter.
    for prestart in [false, true] {
        let pool = ThreadPoolExecutor::builder().threads(1).build().unwrap();
        if prestart {
            assert!(pool.prestart_core_thread().unwrap());
            eventually("it is idle", || pool.stats().idle == 1);
        }
        let captures = Ledger::default();
        let entry = captures.entry();
        let (job, handle) = Job::with_handle(move || drop(entry));
        assert_eq!(handle.cancel(), CancelOutcome::Removed);
        assert_eq!(captures.live(), 0);
        pool.execute_job(job).unwrap();
        assert_cancelled(handle);
        let stats = finish(&pool);
        assert_eq!((stats.accepted, stats.cancelled, stats.completed), (1, 1, 0));
    }
    let (pool, gate) = (small(0, policy::CallerRuns), Gate::new());
    block_worker(&pool, &gate);
    let (job, handle) = Job::with_handle(|| ());
    assert_eq!(handle.cancel(), CancelOutcome::Removed);
    pool.execute_job(job).unwrap();
    assert_cancelled(handle);
    gate.open();
    let stats = finish(&pool);
    assert_eq!((stats.cancelled, stats.caller_ran, stats.completed), (1, 0, 1));
}

#[test]
fn a_cancel_that_races_with_the_submission_has_one_outcome() {
    let pool = ThreadPoolExecutor::fixed(1).unwrap();
    let rounds = repeat(300);
    let mut removed = 0;
    for _ in 0..rounds {
        let (job, handle) = Job::with_handle(|| ());
        let start = Gate::new();
        let (go, submitter) = (start.clone(), pool.handle());
        let submitting = helper(move || {
            go.pass();
            submitter.execute_job(job)
        });
        start.open();
        let outcome = handle.cancel();
        submitting.join().expect("a cancelled job is no error");
        match (outcome, settled(handle)) {
            (CancelOutcome::Removed, Err(JoinError::Cancelled(_))) => removed += 1,
            (CancelOutcome::Interrupted | CancelOutcome::AlreadyFinished, Ok(())) => {}
            (outcome, result) => panic!("{outcome:?}, but {result:?}"),
        }
        assert_conserved(&pool.stats());
    }
    let stats = finish(&pool);
    assert_eq!((stats.accepted, stats.cancelled), (rounds as u64, removed));
}

// What a join promises.

#[test]
fn after_a_join_the_job_is_counted_and_its_worker_is_free() {
    let pool = small(0, policy::Abort);
    let rounds = repeat(if cfg!(debug_assertions) { 10_000 } else { 100_000 });
    for round in 1..=rounds as u64 {
        let handle = pool.submit(move || round).expect("the only worker is free again");
        match round % 3 {
            0 => assert_eq!(handle.join().unwrap(), round),
            1 => assert_eq!(settled(handle).unwrap(), round),
            _ => {
                assert!(handle.done().recv().is_err());
                assert_eq!(handle.try_join().expect("it is done").unwrap(), round);
            }
        }
        if round % 16 == 0 {
            let stats = pool.stats();
            assert_eq!((stats.completed, stats.active, stats.idle), (round, 0, 1));
        }
    }
    assert_eq!(finish(&pool).rejected, 0);
}

#[test]
fn after_a_join_also_a_job_that_did_not_return_is_counted_and_its_worker_is_free() {
    let pool = small(0, policy::Abort);
    for round in 1..=repeat(500) as u64 {
        let panics = pool.submit(|| std::panic::resume_unwind(Box::new(()))).unwrap();
        let panics: JobHandle<()> = panics;
        assert!(panics.join().unwrap_err().is_panic());
        let stats = pool.stats();
        assert_eq!((stats.panicked, stats.active, stats.idle), (round, 0, 1));
        let stopped = pool.submit(|| interrupt::sleep(LONG)).expect("the worker is free");
        assert_eq!(stopped.cancel(), CancelOutcome::Interrupted);
        assert_eq!(stopped.join().unwrap(), Err(Interrupted));
        let stats = pool.stats();
        assert_eq!((stats.completed, stats.active, stats.idle), (round, 0, 1));
    }
    assert_eq!(finish(&pool).rejected, 0);
}

/// Waits for itself one level deeper, and counts the levels.
fn dig(pool: &Handle, depth: u32, join: fn(JobHandle<u32>) -> u32) -> u32 {
    if depth == 0 {
        return 0;
    }
    let below = pool.clone();
    let handle = pool.submit(move || dig(&below, depth - 1, join)).expect("accepted");
    join(handle) + 1
}

#[test]
fn waits_ten_deep_finish_on_a_pool_of_one_thread() {
    let joins: [fn(JobHandle<u32>) -> u32; 3] = [
        |handle| handle.join().expect("it ends"),
        |handle| handle.join_timeout(Duration::MAX).expect("it ends").expect("it ends"),
        |handle| handle.join_timeout(LONG).expect("it ends").expect("it ends"),
    ];
    for join in joins {
        let pool = single();
        assert_eq!(
            settled(
                pool.submit({
                    let handle = pool.handle();
                    move || dig(&handle, 10, join)
                })
                .unwrap()
            )
            .unwrap(),
            10
        );
        let stats = finish(&pool);
        assert_eq!((stats.completed, stats.cancelled, stats.spare), (11, 0, 0));
    }
}

#[test]
fn jobs_that_wait_for_their_children_cannot_starve_the_pool() {
    let pool = ThreadPoolExecutor::fixed(2).unwrap();
    for _ in 0..repeat(10) {
        let parents: Vec<_> = (0..50_u32)
            .map(|n| {
                let inner = pool.handle();
                pool.submit(move || {
                    let children: Vec<_> =
                        (0..4).map(|m| inner.submit(move || n + m).unwrap()).collect();
                    // Some are joined in order, some the other way round.
                    let sum = |sum: u32, child: JobHandle<u32>| sum + child.join().unwrap();
                    if n % 2 == 0 {
                        children.into_iter().fold(0, sum)
                    } else {
                        children.into_iter().rev().fold(0, sum)
                    }
                })
                .unwrap()
            })
            .collect();
        for (n, parent) in parents.into_iter().enumerate() {
            assert_eq!(settled(parent).unwrap() as usize, 4 * n + 6);
        }
        assert_conserved(&pool.stats());
    }
    assert_eq!(finish(&pool).completed, repeat(10) as u64 * 250);
}

#[test]
fn a_helped_job_runs_on_the_waiting_worker_and_counts_once() {
    let hooks = Counter::new();
    let count = hooks.clone();
    let pool = ThreadPoolExecutor::builder()
        .threads(1)
        .before_job(move |worker| {
            assert_eq!(worker.index(), 1);
            count.add();
        })
        .build()
        .unwrap();
    let inner = pool.handle();
    let outer = pool
        .submit(move || {
            let here = thread::current().id();
            let watch = inner.clone();
            let child =
                inner.submit(move || (thread::current().id(), watch.stats().active)).unwrap();
            assert_eq!(inner.stats().queued, 1);
            let (there, active) = child.join().unwrap();
            assert_eq!((there, active), (here, 2), "the waiting job and the helped one");
            // A zero wait only looks, and a panic stays in its handle.
            let child = inner.submit(|| panic!("helped")).unwrap();
            let child = child.join_timeout(Duration::ZERO).expect_err("nobody ran it");
            assert_eq!(child.state(), JobState::Pending);
            assert_eq!(child.join().unwrap_err().message(), Some("helped"));
        })
        .unwrap();
    settled(outer).unwrap();
    assert_eq!(hooks.get(), 3);
    let stats = finish(&pool);
    assert_eq!((stats.completed, stats.panicked, stats.pool_size), (2, 1, 0));
}

#[test]
fn a_helped_job_frees_its_place_in_a_full_queue() {
    let pool = small(1, policy::Abort);
    let inner = pool.handle();
    let outer = pool
        .submit(move || {
            for n in 0..200 {
                let child = inner.submit(move || n).expect("the place is free again");
                assert!(inner.submit(|| ()).is_err());
                assert_eq!(child.join().unwrap(), n);
            }
        })
        .unwrap();
    settled(outer).unwrap();
    assert_eq!(finish(&pool).completed, 201);
}

/// Waits, when it is dropped, for a job of the pool on whose worker it is dropped.
struct WaitsInDrop {
    pool: Handle,
    ended: Counter,
}

impl Drop for WaitsInDrop {
    fn drop(&mut self) {
        if let Ok(handle) = self.pool.submit(|| ()) {
            // Not LONG: a worker that waits for itself shall fail the test soon.
            if handle.join_timeout(Duration::from_secs(5)).is_ok() {
                self.ended.add();
            }
        }
    }
}

#[test]
fn a_result_that_nobody_takes_can_wait_for_a_job_in_its_destructor() {
    let pool = single();
    let (ended, gate) = (Counter::new(), Gate::new());
    let (value, open) = (WaitsInDrop { pool: pool.handle(), ended: ended.clone() }, gate.clone());
    let handle = pool
        .submit(move || {
            open.pass();
            value
        })
        .unwrap();
    drop(handle);
    gate.open();
    eventually("the value is dropped", || pool.stats().completed == 2 && pool.stats().idle == 1);
    pool.wait_idle(LONG).unwrap();
    assert_eq!(ended.get(), 1, "the worker waited for a job that had been given to itself");
    finish(&pool);
}

#[test]
fn a_result_whose_handle_goes_at_the_last_moment_can_wait_for_a_job_too() {
    // The job has ended, and its hook still runs, when its handle is dropped.
    let (entered, gate, calls) = (Gate::new(), Gate::new(), Counter::new());
    let (started, open, count) = (entered.clone(), gate.clone(), calls.clone());
    let pool = ThreadPoolExecutor::builder()
        .threads(1)
        .after_job(move |_, _| {
            if count.add() == 1 {
                started.open();
                open.pass();
            }
        })
        .build()
        .unwrap();
    let ended = Counter::new();
    let value = WaitsInDrop { pool: pool.handle(), ended: ended.clone() };
    let handle = pool.submit(move || value).unwrap();
    entered.pass();
    let gone = Counter::new();
    let count = gone.clone();
    let dropping = helper(move || {
        drop(handle);
        count.add();
    });
    // Or is being dropped, with a value whose destructor waits for the worker.
    eventually("the handle is dropped", || pool.stats().queued > 0 || gone.get() > 0);
    gate.open();
    dropping.join();
    eventually("the value is dropped", || pool.stats().completed == 2 && pool.stats().idle == 1);
    pool.wait_idle(LONG).unwrap();
    assert_eq!(ended.get(), 1, "the worker waited for a job that had been given to itself");
    finish(&pool);
}

// What a job may carry.

#[repr(align(64))]
struct Aligned(u8);

/// Runs a job with these captures, drops one unrun, and cancels one.
fn carries<C: Send + 'static>(make: impl Fn() -> C, check: fn(&C) -> bool) {
    let ledger = Ledger::default();
    let job = || {
        let (captured, entry) = (make(), ledger.entry());
        move || {
            let whole = (captured, entry);
            check(&whole.0)
        }
    };
    let pool = single();
    let gate = Gate::new();
    assert!(settled(pool.submit(job()).expect("accepted")).expect("it returns"));
    let ran = Counter::new();
    let (body, count) = (job(), ran.clone());
    pool.execute(move || assert!(body() && count.add() == 1)).expect("accepted");
    ran.reach(1);
    block_worker(&pool, &gate);
    for _ in 0..2 {
        let body = job();
        pool.execute(move || assert!(!body(), "this one is never run")).expect("accepted");
    }
    let pending = pool.submit(job()).expect("accepted");
    assert_eq!(pending.cancel(), CancelOutcome::Removed);
    drop(pool.shutdown_now());
    gate.open();
    assert_eq!(finish(&pool).panicked, 0);
    assert_eq!(ledger.live(), 0, "all captures were dropped, and once");
    assert_eq!(ledger.dropped_on().len(), 5);
}

#[test]
fn captures_of_every_size_and_alignment_are_run_and_dropped() {
    carries(|| (), |()| true);
    carries(|| [7_u8; 40], |bytes| bytes.iter().all(|byte| *byte == 7));
    carries(|| [8_u8; 41], |bytes| bytes.iter().all(|byte| *byte == 8));
    carries(|| [9_u8; 4096], |bytes| bytes.iter().all(|byte| *byte == 9));
    carries(|| 1_u128 << 100, |wide| *wide == 1 << 100 && is_aligned(wide));
    carries(|| Aligned(3), |aligned| aligned.0 == 3 && is_aligned(aligned));
    carries(|| vec![String::from("on the heap")], |texts| texts[0] == "on the heap");
}

fn is_aligned<T>(value: &T) -> bool {
    std::ptr::from_ref(value).addr() % align_of::<T>() == 0
}

/// A closure of exactly this many captured bytes, without a destructor to blur it.
fn exactly<const BYTES: usize>() {
    type Ends = (Sender<Vec<u8>>, Receiver<Vec<u8>>);
    static CHANNEL: LazyLock<Ends> = LazyLock::new(unbounded);
    let (sender, receiver) = &*CHANNEL;
    let mut bytes = [0_u8; BYTES];
    for (n, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::try_from(n % 251).expect("below 251");
    }
    let filled = bytes;
    let body = move || sender.send(bytes.to_vec()).expect("the test receives");
    assert_eq!(
        size_of_val(&body),
        (BYTES + size_of::<usize>()).next_multiple_of(size_of::<usize>())
    );
    Job::new(body).run();
    let pool = single();
    pool.execute(body).expect("accepted");
    for _ in 0..2 {
        assert_eq!(receiver.recv_timeout(LONG).expect("it ran"), filled);
    }
    finish(&pool);
}

#[test]
fn captures_at_the_edge_of_the_inline_space_arrive_whole() {
    exactly::<15>();
    exactly::<16>(); // 20 bytes with the reference, where it has 4
    exactly::<17>();
    exactly::<31>();
    exactly::<32>(); // 40 bytes with the reference
    exactly::<33>();
    exactly::<39>();
    exactly::<40>(); // 48 bytes with the reference
    exactly::<41>();
    // 48 and 49 bytes to the byte.
    let (low, high) = ([1_u8; 48], [2_u8; 49]);
    let body = move || assert_eq!(low.map(u32::from).iter().sum::<u32>(), 48);
    assert_eq!(size_of_val(&body), 48);
    let bigger = move || assert_eq!(high.map(u32::from).iter().sum::<u32>(), 98);
    assert_eq!(size_of_val(&bigger), 49);
    let pool = single();
    settled(pool.submit(body).unwrap()).unwrap();
    settled(pool.submit(bigger).unwrap()).unwrap();
    pool.execute(body).unwrap();
    pool.execute(bigger).unwrap();
    pool.execute(|| ()).unwrap();
    let stats = finish(&pool);
    assert_eq!((stats.completed, stats.panicked), (5, 0));
}

#[test]
fn the_public_types_can_go_where_they_are_needed() {
    fn goes_anywhere<T: Send + Sync + 'static>() {}
    fn is_error<T: std::error::Error + Send + Sync + 'static>() {}
    struct OnlySend(#[expect(dead_code, reason = "for its type")] std::cell::Cell<u8>);
    goes_anywhere::<ThreadPoolExecutor>();
    goes_anywhere::<Handle>();
    goes_anywhere::<Job>();
    goes_anywhere::<JobHandle<u32>>();
    goes_anywhere::<JobHandle<OnlySend>>();
    goes_anywhere::<Interrupt>();
    goes_anywhere::<interrupt::Guard>();
    goes_anywhere::<PoolStats>();
    goes_anywhere::<Box<dyn workcrew::Executor>>();
    is_error::<Rejected>();
    is_error::<AwaitError>();
    is_error::<BuildError>();
    is_error::<Interrupted>();
    is_error::<interrupt::RecvError>();
    is_error::<interrupt::RecvTimeoutError>();
    is_error::<JoinError>();
    // A result that is only Send, through a shared handle.
    let pool = single();
    let handle = pool.submit(|| OnlySend(std::cell::Cell::new(1))).unwrap();
    eventually("it has ended", || handle.is_finished());
    drop(handle);
    finish(&pool);
}

#[test]
fn cancelling_a_job_that_holds_the_pools_owner_ends_the_pool() {
    let gate = Gate::new();
    let pool = Arc::new(ThreadPoolExecutor::fixed(1).unwrap());
    block_worker(&pool, &gate);
    let owner = Arc::clone(&pool);
    let held = pool.submit(move || drop(owner)).unwrap();
    let watch = pool.handle();
    drop(pool);
    let opener = gate.clone();
    let closing = watch.clone();
    let helper = helper(move || {
        eventually("the drop of the owner shuts the pool down", || closing.is_shutdown());
        opener.open();
    });
    assert_eq!(held.cancel(), CancelOutcome::Removed);
    assert!(watch.is_terminated());
    helper.join();
}

/// Takes the oldest job back, lets a moment pass, and queues it again in the place of the new one,
/// which it runs here.
struct PutsBack {
    taken: Gate,
    go_on: Gate,
}

impl RejectionPolicy for PutsBack {
    fn rejected(&self, job: Job, saturation: &Saturation<'_>) -> Result<(), Rejected> {
        let oldest = saturation.take_oldest().expect("one is pending");
        self.taken.open();
        self.go_on.pass();
        saturation.retry(oldest).expect("its place is free");
        saturation.reject(job)
    }
}

#[test]
fn a_worker_that_waits_runs_a_job_that_a_policy_took_and_put_back() {
    for waits_as_member in [true, false] {
        let (taken, go_on) = (Gate::new(), Gate::new());
        let pool = ThreadPoolExecutor::builder()
            .threads(1)
            .queue(Queue::Bounded(1))
            .rejection_policy(PutsBack { taken: taken.clone(), go_on: go_on.clone() })
            .build()
            .unwrap();
        let (own, queued, taken_back) = (pool.handle(), Gate::new(), taken.clone());
        let (says, waits) = (queued.clone(), Gate::new());
        let about_to_wait = waits.clone();
        let outer = pool
            .submit(move || {
                let mut set = own.join_set();
                let handle = if waits_as_member {
                    set.submit(|| 7).unwrap();
                    None
                } else {
                    Some(own.submit(|| 7).unwrap())
                };
                says.open();
                taken_back.pass();
                about_to_wait.open();
                match handle {
                    Some(handle) => handle.join().unwrap(),
                    None => set.next().unwrap().1.unwrap(),
                }
            })
            .unwrap();
        queued.pass();
        let handle = pool.handle();
        let submitter = helper(move || handle.execute(|| ()).unwrap_err());
        waits.pass();
        // By now the worker most likely waits; either way it has to hear of its job.
        pass_time(SHORT);
        go_on.open();
        drop(submitter.join());
        assert_eq!(soon(outer), 7);
        finish(&pool);
    }
}
