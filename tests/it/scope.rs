//! Scopes: jobs that borrow, the end that waits for all of them, and who may keep one from it.

use std::collections::HashSet;
use std::mem::forget;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use workcrew::policy::{Abort, CallerRuns, Discard};
use workcrew::{
    CancelOutcome, Executor, ExecutorExt, Handle, Job, JobState, JoinError, ManualExecutor, Queue,
    RejectReason, Rejected, RejectionPolicy, Saturation, Scope, ScopeError, ScopedHandle,
    ScopedRejected, ThreadPoolExecutor, interrupt,
};

use crate::support::{
    Counter, Gate, Helper, LONG, assert_conserved, block_worker, eventually, finish, helper,
    repeat, single,
};

fn pool_of(threads: usize, queue: Queue) -> ThreadPoolExecutor {
    ThreadPoolExecutor::builder().threads(threads).queue(queue).build().expect("a possible pool")
}

/// One worker, which runs a job until the gate opens, and a queue of one place, which is taken.
fn full_pool(policy: impl RejectionPolicy + 'static) -> (ThreadPoolExecutor, Gate) {
    let builder = ThreadPoolExecutor::builder().threads(1).queue(Queue::Bounded(1));
    let pool = builder.rejection_policy(policy).build().expect("a possible pool");
    let gate = Gate::new();
    block_worker(&pool, &gate);
    pool.execute(|| ()).expect("the queue has a place");
    (pool, gate)
}

/// What the panic says.
fn said(payload: Box<dyn std::any::Any + Send>) -> &'static str {
    *payload.downcast::<&'static str>().expect("the panic of this test")
}

/// Runs a scope, whose panic it returns.
fn panic_of<R>(f: impl FnOnce() -> R) -> &'static str {
    said(catch_unwind(AssertUnwindSafe(f)).err().expect("a panic goes on"))
}

fn unrun<R: std::fmt::Debug>(result: Result<R, ScopeError>) -> usize {
    result.expect_err("a job never ran").unrun()
}

/// Counts itself when dropped, and looks whether the frame that it borrows from is there.
struct Guest<'a>(&'a Frame);

#[derive(Default)]
struct Frame {
    is_over: AtomicBool,
    drops: AtomicUsize,
}

impl Frame {
    fn drops(&self) -> usize {
        self.drops.load(Ordering::SeqCst)
    }
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        assert!(!self.0.is_over.load(Ordering::SeqCst), "dropped after the scope");
        self.0.drops.fetch_add(1, Ordering::SeqCst);
    }
}

// Jobs and results.

#[test]
fn jobs_read_and_change_what_they_borrow() {
    let pool = pool_of(2, Queue::Unbounded);
    let words = ["a", "bb", "ccc"].map(str::to_owned);
    let mut lengths = [0; 3];
    pool.scope(|s| {
        for (word, length) in words.iter().zip(&mut lengths) {
            s.execute(move || *length = word.len()).expect("there is room");
        }
    })
    .expect("all ran");
    assert_eq!(lengths, [1, 2, 3]);
    assert_eq!(finish(&pool).completed, 3);
}

#[test]
fn results_may_borrow_what_the_scope_outlives() {
    let pool = pool_of(2, Queue::Unbounded);
    let text = "one two three".to_owned();
    let longest = pool
        .scope(|s| {
            let words = text.split(' ').map(|word| s.submit(move || word).expect("room"));
            let words = words.collect::<Vec<_>>().into_iter().map(ScopedHandle::join);
            words.map(|word| word.expect("it returns")).max_by_key(|word| word.len())
        })
        .expect("all ran");
    assert_eq!(longest, Some("three"));
}

#[test]
fn an_empty_scope_returns_what_its_closure_does() {
    let pool = single();
    assert_eq!(pool.scope(|_| 7), Ok(7));
    pool.shutdown();
    assert_eq!(pool.handle().scope(|s| format!("{s:?}")), Ok("Scope { jobs: 0, .. }".to_owned()));
    assert_eq!(panic_of(|| pool.scope(|_| panic_any("alone"))), "alone");
}

#[test]
fn large_captures_and_results_come_through() {
    let pool = single();
    let block = [7_u8; 4096];
    let sum = pool.scope(|s| {
        let handle = s.submit(move || block.map(u64::from)).expect("room");
        handle.join().expect("it returns").iter().sum::<u64>()
    });
    assert_eq!(sum, Ok(7 * 4096));
}

#[test]
fn jobs_of_jobs_are_waited_for() {
    fn spread<'scope>(s: &'scope Scope<'scope, '_>, count: &'scope AtomicUsize, depth: usize) {
        count.fetch_add(1, Ordering::SeqCst);
        if depth > 0 {
            for _ in 0..2 {
                s.execute(move || spread(s, count, depth - 1)).expect("room");
            }
        }
    }
    let pool = pool_of(2, Queue::Unbounded);
    let count = AtomicUsize::new(0);
    pool.scope(|s| spread(s, &count, 7)).expect("all ran");
    assert_eq!(count.into_inner(), 255);
}

#[test]
fn scopes_nest() {
    let (outer, inner) = (pool_of(2, Queue::Unbounded), single());
    let mut sums = [0_u64; 4];
    outer
        .scope(|s| {
            for (n, sum) in (1..).zip(&mut sums) {
                let inner = &inner;
                s.execute(move || {
                    let (left, right) = (AtomicUsize::new(0), AtomicUsize::new(0));
                    inner
                        .scope(|t| {
                            t.execute(|| _ = left.fetch_add(n, Ordering::SeqCst)).expect("room");
                            t.execute(|| _ = right.fetch_add(n, Ordering::SeqCst)).expect("room");
                        })
                        .expect("all ran");
                    *sum = (left.into_inner() + right.into_inner()) as u64;
                })
                .expect("room");
            }
        })
        .expect("all ran");
    assert_eq!(sums, [2, 4, 6, 8]);
}

/// Adds up a range by scopes in jobs of scopes.
fn sum(pool: &Handle, numbers: &[u64]) -> u64 {
    if let [number] = numbers {
        return *number;
    }
    let (left, right) = numbers.split_at(numbers.len() / 2);
    let halves = pool.scope(|s| {
        let left = s.submit(|| sum(pool, left));
        let right = s.submit(|| sum(pool, right));
        [left, right].map(|half| half.expect("a worker is never rejected").join())
    });
    halves.expect("all ran").into_iter().map(|half| half.expect("it returns")).sum()
}

#[test]
fn a_worker_is_not_starved_by_its_own_scopes() {
    for queue in [Queue::Unbounded, Queue::Bounded(1), Queue::Handoff] {
        for threads in [1, 2] {
            for _ in 0..repeat(5) {
                let pool = pool_of(threads, queue);
                let handle = pool.handle();
                let numbers = (1..=64).collect::<Vec<_>>();
                let job = pool.submit(move || sum(&handle, &numbers)).expect("room");
                let sum = job.join_timeout(LONG).expect("it does not starve").expect("it returns");
                assert_eq!(sum, 64 * 65 / 2, "{queue:?}, {threads} threads");
                finish(&pool);
            }
        }
    }
}

#[test]
fn a_worker_runs_jobs_that_nobody_joins() {
    for queue in [Queue::Unbounded, Queue::Handoff] {
        let pool = pool_of(1, queue);
        let handle = pool.handle();
        let job = pool.submit(move || {
            let count = AtomicUsize::new(0);
            let add = || _ = count.fetch_add(1, Ordering::SeqCst);
            handle
                .scope(|s| {
                    s.execute(move || s.execute(add).expect("run here")).expect("run here");
                    s.execute(add).expect("run here");
                })
                .expect("all ran");
            count.into_inner()
        });
        let job = job.expect("room").join_timeout(LONG).expect("it does not starve");
        assert_eq!(job.expect("it returns"), 2);
    }
}

#[test]
fn a_scope_in_a_hook_of_the_only_worker_ends() {
    let pool = Arc::new(Mutex::new(None::<Handle>));
    let ran = Counter::new();
    let (own, runs) = (Arc::clone(&pool), ran.clone());
    let crew = ThreadPoolExecutor::builder()
        .threads(1)
        .on_thread_start(move |_| {
            let pool = own.lock().clone().expect("set before the first job");
            pool.scope(|s| s.execute(|| _ = runs.add()).expect("room")).expect("it ran");
        })
        .build()
        .expect("a possible pool");
    *pool.lock() = Some(crew.handle());
    crew.execute(|| ()).expect("room");
    ran.reach(1);
    finish(&crew);
    *pool.lock() = None;
}

#[test]
fn the_submitter_runs_jobs_under_caller_runs() {
    let (pool, gate) = full_pool(CallerRuns);
    let here = std::thread::current().id();
    let mut seen = None;
    pool.scope(|s| s.execute(|| seen = Some(std::thread::current().id())).expect("run here"))
        .expect("it ran");
    assert_eq!(seen, Some(here));
    gate.open();
}

// Panics.

#[test]
fn a_scope_waits_for_its_jobs_when_its_closure_panics() {
    let pool = single();
    let (started, go_on, is_over) = (Gate::new(), Gate::new(), Gate::new());
    let (start, stay, over) = (started.clone(), go_on.clone(), is_over.clone());
    let handle = pool.handle();
    let frame = helper(move || {
        let frame = Frame::default();
        let said = panic_of(|| {
            handle.scope(|s| {
                let guest = Guest(&frame);
                s.execute(|| {
                    let _guest = guest;
                    start.open();
                    stay.pass();
                })
                .expect("room");
                start.pass();
                panic_any("the closure's");
            })
        });
        over.open();
        frame.is_over.store(true, Ordering::SeqCst);
        (said, frame.drops())
    });
    started.pass();
    crate::support::pass_time(crate::support::SHORT);
    assert!(!is_over.is_open(), "it did not wait");
    go_on.open();
    assert_eq!(frame.join(), ("the closure's", 1));
}

#[test]
fn a_panic_of_the_closure_cancels_pending_jobs_and_interrupts_all_others() {
    let pool = single();
    let (started, pending_ran, late) =
        (Gate::new(), AtomicBool::new(false), AtomicBool::new(false));
    let interrupted = AtomicBool::new(false);
    let told = panic_of(|| {
        pool.scope(|s| {
            s.execute(|| {
                started.open();
                interrupted.store(interrupt::sleep(LONG).is_err(), Ordering::SeqCst);
                // It is interrupted before the scope's own interrupt is set.
                s.interrupt().sleep(LONG).expect_err("the scope is interrupted");
                let note = || late.store(interrupt::is_interrupted(), Ordering::SeqCst);
                s.execute(note).expect("room");
            })
            .expect("room");
            s.execute(|| pending_ran.store(true, Ordering::SeqCst)).expect("room");
            started.pass();
            panic_any("stop");
        })
    });
    assert_eq!(told, "stop");
    assert!(interrupted.into_inner(), "the running one was interrupted");
    assert!(!pending_ran.into_inner(), "the pending one was cancelled");
    assert!(late.into_inner(), "the one that came later starts interrupted");
    assert_eq!(finish(&pool).cancelled, 1);
}

/// A pool that counts what it reports.
fn reporting() -> (ThreadPoolExecutor, Arc<Mutex<Vec<&'static str>>>) {
    let reports = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&reports);
    let pool = ThreadPoolExecutor::builder().threads(1).on_panic(move |payload| {
        list.lock().push(*payload.downcast_ref::<&'static str>().expect("the panic of this test"));
    });
    (pool.build().expect("a possible pool"), reports)
}

#[test]
fn the_first_panic_goes_on_and_others_are_reported_once() {
    let (pool, reports) = reporting();
    let told = panic_of(|| {
        pool.scope(|s| {
            s.execute(|| panic_any("first")).expect("room");
            drop(s.submit(|| panic_any("second")).expect("room"));
            let joined = s.submit(|| panic_any("joined")).expect("room");
            assert!(matches!(joined.join(), Err(JoinError::Panicked(_))));
            s.execute(|| panic_any("third")).expect("room");
        })
    });
    assert_eq!(told, "first");
    assert_eq!(*reports.lock(), ["second", "third"]);
    assert_eq!(finish(&pool).panicked, 4);
    assert_eq!(reports.lock().len(), 2);
}

#[test]
fn the_panic_of_the_closure_comes_before_those_of_the_jobs() {
    let (pool, reports) = reporting();
    let told = panic_of(|| {
        pool.scope(|s| {
            let job = s.submit(|| panic_any("a job's")).expect("room");
            eventually("it has panicked", || job.is_finished());
            drop(job);
            panic_any("the closure's")
        })
    });
    assert_eq!(told, "the closure's");
    assert_eq!(*reports.lock(), ["a job's"]);
}

#[test]
fn a_joined_panic_is_the_joiners() {
    let (pool, reports) = reporting();
    let result = pool.scope(|s| {
        let job = s.submit(|| panic_any("caught")).expect("room");
        let Err(JoinError::Panicked(payload)) = job.join() else { panic!("it panics") };
        said(payload.into_inner())
    });
    assert_eq!(result, Ok("caught"));
    assert!(reports.lock().is_empty());
    assert_eq!(panic_of(|| pool.scope(|s| s.execute(|| panic_any("x")).is_ok())), "x");
}

#[test]
fn a_panic_before_the_job_goes_on_like_the_jobs_own() {
    let pool = ThreadPoolExecutor::builder().threads(1).before_job(|_| panic_any("the hook's"));
    let pool = pool.build().expect("a possible pool");
    let frame = Frame::default();
    let told = panic_of(|| {
        pool.scope(|s| {
            let guest = Guest(&frame);
            s.execute(move || drop(guest)).expect("room");
        })
    });
    frame.is_over.store(true, Ordering::SeqCst);
    assert_eq!((told, frame.drops()), ("the hook's", 1));
}

/// Panics when dropped.
struct Bomb(&'static str);

impl Drop for Bomb {
    fn drop(&mut self) {
        panic_any(self.0);
    }
}

#[test]
fn a_result_that_panics_when_dropped_does_not_end_the_process() {
    let (pool, reports) = reporting();
    let told = panic_of(|| {
        pool.scope(|s| {
            s.execute(|| panic_any("the job's")).expect("room");
            Bomb("the result's")
        })
    });
    assert_eq!(told, "the job's");
    assert_eq!(*reports.lock(), ["the result's"]);
}

#[test]
fn captures_that_panic_when_dropped_are_reported_and_the_scope_ends() {
    let (pool, reports) = reporting();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    let pending = Mutex::new(Vec::new());
    let result = pool.scope(|s| {
        let bomb = Bomb("cancelled");
        let cancelled = s.submit(move || forget(bomb)).expect("room");
        assert_eq!(cancelled.cancel(), CancelOutcome::Removed);
        let bomb = Bomb("handed back");
        s.execute(move || forget(bomb)).expect("room");
        *pending.lock() = pool.take_pending();
    });
    assert_eq!(unrun(result), 1);
    assert_eq!(reports.lock().first(), Some(&"cancelled"));
    gate.open();
}

// Interrupts.

#[test]
fn an_interrupt_of_the_caller_reaches_the_jobs_and_the_scope_waits() {
    let pool = pool_of(2, Queue::Unbounded);
    let (handle, started, ended) = (pool.handle(), Gate::new(), Counter::new());
    let (start, ends) = (started.clone(), ended.clone());
    let caller = pool.submit(move || {
        let count = handle.scope(|s| {
            s.execute(|| {
                start.open();
                interrupt::sleep(LONG).expect_err("the interrupt reaches it");
                ends.add();
            })
            .expect("room");
        });
        (count, ends.get(), interrupt::is_interrupted())
    });
    let caller = caller.expect("room");
    started.pass();
    assert_eq!(caller.cancel(), CancelOutcome::Interrupted);
    assert_eq!(caller.join().expect("it returns"), (Ok(()), 1, true));
}

#[test]
fn jobs_submitted_after_an_interrupt_start_interrupted() {
    let pool = single();
    let seen = AtomicBool::new(false);
    pool.scope(|s| {
        s.interrupt().interrupt();
        s.execute(|| seen.store(interrupt::is_interrupted(), Ordering::SeqCst)).expect("room");
    })
    .expect("it ran");
    assert!(seen.into_inner());
}

#[test]
fn an_interrupt_may_be_kept_beyond_the_scope() {
    let pool = single();
    let kept = Mutex::new(Vec::new());
    let text = "borrowed".to_owned();
    pool.scope(|s| {
        kept.lock().push(s.interrupt().clone());
        s.execute(|| kept.lock().extend(interrupt::current().filter(|_| !text.is_empty())))
            .expect("room");
    })
    .expect("it ran");
    drop(text);
    let kept = kept.into_inner();
    assert_eq!(kept.len(), 2);
    kept.iter().for_each(interrupt::Interrupt::interrupt);
}

/// Sets an interrupt when dropped.
struct Trip(interrupt::Interrupt);

impl Drop for Trip {
    fn drop(&mut self) {
        self.0.interrupt();
    }
}

#[test]
fn a_pool_that_goes_with_its_last_job_may_use_the_scope() {
    let (pool, gate) = (single(), Gate::new());
    block_worker(&pool, &gate);
    pool.scope(|s| {
        let job = s.submit(|| ()).expect("room");
        let trip = Trip(s.interrupt().clone());
        let hook = move |_: &(dyn std::any::Any + Send)| assert!(!trip.0.is_interrupted());
        let other = ThreadPoolExecutor::builder().threads(1).on_panic(hook).build();
        let other = other.expect("a possible pool");
        for job in pool.take_pending() {
            other.execute_job(job).expect("room");
        }
        other.close();
        assert!(job.is_finished() && !s.interrupt().is_interrupted());
        drop(job);
        assert!(s.interrupt().is_interrupted(), "the pool is gone");
    })
    .expect("it ran");
    gate.open();
}

// Rejection.

#[test]
fn a_rejected_job_comes_back_and_can_be_run() {
    let (pool, gate) = full_pool(Abort);
    let mut text = String::new();
    pool.scope(|s| {
        let rejected = s.execute(|| text.push_str("here")).expect_err("the pool is full");
        assert_eq!(rejected.reason(), RejectReason::Saturated);
        assert!(rejected.is_saturated() && !rejected.is_shutdown());
        assert_eq!(format!("{rejected:?}"), "ScopedRejected { reason: Saturated, .. }");
        rejected.run();
        let rejected = s.submit(|| panic_any("mine")).expect_err("the pool is full");
        assert_eq!(panic_of(|| ScopedRejected::from(rejected).run()), "mine");
        pool.shutdown();
        let rejected = s.execute(|| ()).expect_err("the pool is shut down");
        assert!(rejected.is_shutdown());
    })
    .expect("none was lost without a word");
    assert_eq!(text, "here");
    gate.open();
    assert_eq!(finish(&pool).rejected, 3);
}

#[test]
fn a_rejected_job_that_is_forgotten_is_dropped_at_the_end() {
    let pool = single();
    pool.shutdown();
    let frame = Frame::default();
    pool.scope(|s| {
        let guest = Guest(&frame);
        forget(s.execute(move || drop(guest)).expect_err("the pool is shut down"));
        assert_eq!(frame.drops(), 0);
    })
    .expect("its submitter knows");
    frame.is_over.store(true, Ordering::SeqCst);
    assert_eq!(frame.drops(), 1);
}

#[test]
fn a_rejected_job_is_its_submitters_while_another_job_runs() {
    for _ in 0..repeat(20) {
        let pool = single();
        let ran = AtomicUsize::new(0);
        let (go, ran_ref, pool_ref) = (Gate::new(), &ran, &pool);
        pool.scope(|s| {
            let gate = go.clone();
            s.execute(move || {
                gate.pass();
                pool_ref.shutdown();
                for _ in 0..100 {
                    let job = s.execute(move || _ = ran_ref.fetch_add(1, Ordering::SeqCst));
                    job.unwrap_or_else(ScopedRejected::run);
                }
            })
            .expect("room");
            go.open();
        })
        .expect("all ran");
        assert_eq!(ran.into_inner(), 100, "a job was taken from its submitter");
    }
}

#[test]
fn a_discarded_job_is_an_error_of_the_scope() {
    let (pool, gate) = full_pool(Discard);
    let result = pool.scope(|s| {
        s.execute(|| ()).expect("discarded");
        let known = s.submit(|| ()).expect("discarded");
        assert!(known.join().is_err_and(|error| error.is_cancelled()));
        drop(s.submit(|| ()).expect("discarded"));
    });
    assert_eq!(unrun(result), 2);
    gate.open();
    assert_eq!(finish(&pool).discarded, 3);
}

/// A closure as a policy.
struct Custom<F>(F);

impl<F> RejectionPolicy for Custom<F>
where
    F: Fn(Job, &Saturation<'_>) -> Result<(), Rejected> + Send + Sync,
{
    fn rejected(&self, job: Job, saturation: &Saturation<'_>) -> Result<(), Rejected> {
        (self.0)(job, saturation)
    }
}

type Stash = Arc<Mutex<Vec<Job>>>;

/// Keeps each job; from the second on it gives back the one before.
fn swapping(stash: &Stash) -> impl RejectionPolicy + 'static {
    fn policy<F>(f: F) -> Custom<F>
    where
        F: Fn(Job, &Saturation<'_>) -> Result<(), Rejected> + Send + Sync,
    {
        Custom(f)
    }
    let stash = Arc::clone(stash);
    let swap = move |job: Job, saturation: &Saturation<'_>| {
        let before = stash.lock().pop();
        stash.lock().push(job);
        before.map_or(Ok(()), |job| saturation.reject(job))
    };
    policy(swap)
}

#[test]
fn a_job_that_a_policy_keeps_is_dropped_at_the_end() {
    let stash = Stash::default();
    let (pool, gate) = full_pool(swapping(&stash));
    let frame = Frame::default();
    let result = pool.scope(|s| {
        let guest = Guest(&frame);
        s.execute(move || drop(guest)).expect("kept");
    });
    frame.is_over.store(true, Ordering::SeqCst);
    assert_eq!((unrun(result), frame.drops()), (1, 1));
    stash.lock().drain(..).for_each(Job::run);
    assert_eq!(frame.drops(), 1);
    gate.open();
}

#[test]
fn a_policy_may_give_back_another_job_than_it_was_asked_about() {
    let stash = Stash::default();
    let (pool, gate) = full_pool(swapping(&stash));
    let (first, second) = (AtomicBool::new(false), AtomicBool::new(false));
    let result = pool.scope(|s| {
        s.execute(|| first.store(true, Ordering::SeqCst)).expect("kept");
        let other = s.execute(|| second.store(true, Ordering::SeqCst)).expect_err("the first");
        other.run();
    });
    assert!(first.into_inner() && !second.into_inner());
    assert_eq!(unrun(result), 1, "of the second nobody knows");
    // Panics of a job that only the policy has go on too.
    let stashed = Arc::clone(&stash);
    stash.lock().push(Job::new(|| ()));
    let told = panic_of(|| {
        pool.scope(|s| {
            s.execute(|| panic_any("kept")).expect_err("a job of nobody's").run();
            stashed.lock().drain(..).for_each(Job::run);
        })
    });
    assert_eq!(told, "kept");
    gate.open();
}

#[test]
fn a_panic_of_the_policy_reaches_the_closure() {
    let (pool, gate) = full_pool({
        fn policy<F>(f: F) -> Custom<F>
        where
            F: Fn(Job, &Saturation<'_>) -> Result<(), Rejected> + Send + Sync,
        {
            Custom(f)
        }
        policy(|_, _| panic_any("the policy's"))
    });
    let frame = Frame::default();
    pool.scope(|s| {
        let guest = Guest(&frame);
        assert_eq!(panic_of(|| s.execute(move || drop(guest))), "the policy's");
        assert_eq!(frame.drops(), 1);
    })
    .expect("its submitter knows");
    gate.open();
}

#[test]
fn a_policy_that_runs_the_oldest_job_may_do_so_while_the_scope_waits() {
    struct RunOldest(Gate);
    impl RejectionPolicy for RunOldest {
        fn rejected(&self, job: Job, saturation: &Saturation<'_>) -> Result<(), Rejected> {
            let oldest = saturation.take_oldest().expect("the scope's");
            // Time for the scope to take it away.
            crate::support::pass_time(crate::support::SHORT);
            oldest.run();
            self.0.open();
            saturation.retry(job)
        }
    }
    let (gate, ran) = (Gate::new(), AtomicBool::new(false));
    let builder = ThreadPoolExecutor::builder().threads(1).queue(Queue::Bounded(1));
    let pool = builder.rejection_policy(RunOldest(gate.clone())).build().expect("a possible pool");
    block_worker(&pool, &gate);
    let (handle, closed) = (pool.handle(), Gate::new());
    let waits = closed.clone();
    let submitter = helper(move || {
        waits.pass();
        handle.execute(|| ()).expect("there is room again");
    });
    pool.scope(|s| {
        s.execute(|| ran.store(true, Ordering::SeqCst)).expect("room");
        closed.open();
    })
    .expect("it ran");
    assert!(ran.into_inner());
    submitter.join();
}

// Shutdown.

#[test]
fn jobs_run_to_the_end_after_shutdown() {
    let pool = single();
    let ran = AtomicUsize::new(0);
    pool.scope(|s| {
        for _ in 0..10 {
            s.execute(|| _ = ran.fetch_add(1, Ordering::SeqCst)).expect("room");
        }
        pool.shutdown();
    })
    .expect("all ran");
    assert_eq!(ran.into_inner(), 10);
}

#[test]
fn jobs_that_shutdown_now_hands_back_are_dropped_at_the_end() {
    let pool = single();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    let frame = Frame::default();
    let kept = Mutex::new(Vec::new());
    let result = pool.scope(|s| {
        for _ in 0..3 {
            let guest = Guest(&frame);
            s.execute(move || drop(guest)).expect("room");
        }
        *kept.lock() = pool.shutdown_now();
        assert_eq!((kept.lock().len(), frame.drops()), (3, 0));
        // One is run in time, one dropped, one kept.
        kept.lock().pop().expect("one of three").run();
        drop(kept.lock().pop().expect("one of two"));
    });
    frame.is_over.store(true, Ordering::SeqCst);
    assert_eq!((unrun(result), frame.drops()), (2, 3));
    kept.into_inner().into_iter().for_each(Job::run);
    gate.open();
}

#[test]
fn a_job_that_is_handed_back_while_the_scope_waits_does_not_keep_it() {
    let pool = single();
    let (gate, scoped) = (Gate::new(), Gate::new());
    block_worker(&pool, &gate);
    let (handle, submitted) = (pool.handle(), scoped.clone());
    let scope = helper(move || {
        let mut ran = false;
        let result = handle.scope(|s| {
            s.execute(|| ran = true).expect("room");
            submitted.open();
        });
        (result.map_err(|error| error.unrun()), ran)
    });
    scoped.pass();
    let kept = pool.take_pending();
    assert_eq!(scope.join(), (Err(1), false));
    assert_eq!(kept.len(), 1);
    gate.open();
}

#[test]
fn a_job_that_joins_one_which_was_handed_back_does_not_wait_for_its_holder() {
    let pool = single();
    let (handle, helping, taken) = (pool.handle(), Gate::new(), Gate::new());
    let (helps, taken_back) = (helping.clone(), taken.clone());
    let job = pool.submit(move || {
        let result = Mutex::new(None);
        let (out, inside) = (&result, &helps);
        let scope = handle.scope(|s| {
            let (give, take) = crossbeam_channel::bounded(1);
            s.execute(move || {
                inside.open();
                taken_back.pass();
                let other: ScopedHandle<'_, ()> = take.recv().expect("sent below");
                *out.lock() = other.join_timeout(LONG).ok();
            })
            .expect("room");
            give.send(s.submit(|| ()).expect("room")).expect("room for one");
        });
        scope.expect("its joiner knows");
        result.into_inner().expect("it settles").is_err_and(|error| error.is_cancelled())
    });
    helping.pass();
    let kept = pool.take_pending();
    taken.open();
    assert!(job.expect("room").join().expect("it returns"));
    assert_eq!(kept.len(), 1);
}

#[test]
fn a_job_that_went_to_another_pool_is_waited_for() {
    let (pool, other) = (single(), single());
    let (gate, second) = (Gate::new(), Gate::new());
    block_worker(&pool, &gate);
    block_worker(&other, &second);
    let ran = AtomicBool::new(false);
    pool.scope(|s| {
        s.execute(|| ran.store(true, Ordering::SeqCst)).expect("room");
        for job in pool.take_pending() {
            other.execute_job(job).expect("room");
        }
        second.open();
    })
    .expect("it ran there");
    assert!(ran.into_inner());
    gate.open();
}

// Handles.

#[test]
fn a_handle_tells_what_its_job_does() {
    let pool = single();
    let gate = Gate::new();
    pool.scope(|s| {
        let started = Gate::new();
        let (start, stay) = (started.clone(), &gate);
        let running = s.submit(move || {
            start.open();
            stay.pass();
            1
        });
        let running = running.expect("room");
        started.pass();
        let pending = s.submit(|| 2).expect("room");
        assert_eq!((running.state(), pending.state()), (JobState::Running, JobState::Pending));
        assert!(!running.is_finished() && !pending.is_finished());
        let running = running.try_join().expect_err("it runs");
        let pending = pending.join_timeout(Duration::ZERO).expect_err("it waits");
        gate.open();
        assert_eq!(pending.join_timeout(LONG).expect("in time").expect("it returns"), 2);
        assert_eq!(running.state(), JobState::Finished);
        assert_eq!(running.cancel(), CancelOutcome::AlreadyFinished);
        assert_eq!(running.try_join().expect("it has ended").expect("it returns"), 1);
    })
    .expect("all ran");
}

#[test]
fn a_job_that_its_handle_cancels_is_no_error_of_the_scope() {
    let pool = single();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    let frame = Frame::default();
    pool.scope(|s| {
        for _ in 0..2 {
            let guest = Guest(&frame);
            let job = s.submit(move || drop(guest)).expect("room");
            assert_eq!(job.cancel(), CancelOutcome::Removed);
            assert_eq!(job.state(), JobState::Cancelled);
            if frame.drops() == 1 {
                assert!(job.join().is_err_and(|error| error.is_cancelled()));
            }
        }
        assert_eq!(frame.drops(), 2, "the captures are gone at once");
    })
    .expect("they were cancelled");
    gate.open();
}

#[test]
fn a_cancelled_running_job_is_waited_for() {
    let pool = single();
    let started = Gate::new();
    let value = pool.scope(|s| {
        let job = s.submit(|| {
            started.open();
            interrupt::sleep(LONG).is_err()
        });
        let job = job.expect("room");
        started.pass();
        assert_eq!(job.cancel(), CancelOutcome::Interrupted);
        job.join().expect("it returns")
    });
    assert_eq!(value, Ok(true));
}

#[test]
fn a_forgotten_handle_does_not_keep_the_scope() {
    let pool = single();
    let frame = Frame::default();
    pool.scope(|s| {
        let guest = Guest(&frame);
        forget(s.submit(move || drop(guest)).expect("room"));
    })
    .expect("it ran");
    frame.is_over.store(true, Ordering::SeqCst);
    assert_eq!(frame.drops(), 1);
}

#[test]
fn captures_and_results_are_gone_before_the_scope_returns() {
    for _ in 0..repeat(200) {
        let pool = pool_of(2, Queue::Unbounded);
        let frame = Frame::default();
        let result = catch_unwind(AssertUnwindSafe(|| {
            pool.scope(|s| {
                let guests = std::array::from_fn::<_, 4, _>(|_| Guest(&frame));
                let [plain, result, panics, cancelled] = guests;
                s.execute(move || drop(plain)).expect("room");
                drop(s.submit(move || result).expect("room"));
                s.execute(move || {
                    let _guest = panics;
                    panic_any("once");
                })
                .expect("room");
                s.submit(move || drop(cancelled)).expect("room").cancel();
            })
        }));
        assert_eq!(frame.drops(), 4);
        frame.is_over.store(true, Ordering::SeqCst);
        assert_eq!(said(result.expect_err("one panicked")), "once");
    }
}

// Many jobs, and random ends.

#[test]
fn what_has_ended_is_off_the_roll() {
    let pool = pool_of(2, Queue::Unbounded);
    let count = AtomicUsize::new(0);
    pool.scope(|s| {
        for round in 1..=100 {
            for _ in 0..1000 {
                s.execute(|| _ = count.fetch_add(1, Ordering::Relaxed)).expect("room");
            }
            eventually("the roll is empty", || format!("{s:?}") == "Scope { jobs: 0, .. }");
            assert_eq!(count.load(Ordering::Relaxed), round * 1000);
        }
        pool.shutdown();
        for _ in 0..1000 {
            drop(s.execute(|| ()).expect_err("the pool is shut down"));
        }
        assert_eq!(format!("{s:?}"), "Scope { jobs: 0, .. }");
    })
    .expect("all ran");
}

/// What happens to a scope at a random moment.
#[derive(Clone, Copy)]
enum Blow {
    ShutdownNow,
    Cancel,
    Panic,
}

fn strike(blow: Blow) {
    let pool = pool_of(2, Queue::Unbounded);
    let (handle, jobs) = (pool.handle(), fastrand::usize(1..40));
    let go = Gate::new();
    let waits = go.clone();
    let pause = fastrand::u32(0..2000);
    let other = helper(move || {
        waits.pass();
        (0..pause).for_each(|_| std::hint::spin_loop());
        let mut jobs = match blow {
            Blow::ShutdownNow => handle.shutdown_now(),
            Blow::Cancel | Blow::Panic => Vec::new(),
        };
        // It runs some, drops some and keeps some.
        for _ in 0..jobs.len() / 3 {
            jobs.pop().expect("there are three times as many").run();
            drop(jobs.pop());
        }
        jobs
    });
    let frame = Frame::default();
    let (ran, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let mut cancelled = 0;
    let result = catch_unwind(AssertUnwindSafe(|| {
        pool.scope(|s| {
            go.open();
            for n in 0..jobs {
                let guest = Guest(&frame);
                let ran = &ran;
                let job = s.submit(move || {
                    let _guest = guest;
                    ran.fetch_add(1, Ordering::SeqCst);
                });
                match (job, blow) {
                    (Ok(job), Blow::Cancel) if n % 2 == 0 => {
                        cancelled += usize::from(job.cancel() == CancelOutcome::Removed);
                    }
                    (Ok(_), Blow::Panic) if n == jobs / 2 => panic_any("blow"),
                    (Ok(_), _) => {}
                    (Err(_), _) => _ = refused.fetch_add(1, Ordering::SeqCst),
                }
            }
        })
    }));
    frame.is_over.store(true, Ordering::SeqCst);
    let (ran, refused, drops) = (ran.into_inner(), refused.into_inner(), frame.drops());
    match result {
        Ok(result) => {
            let unrun = result.map_or_else(|error| error.unrun(), |()| 0);
            assert_eq!(ran + refused + cancelled + unrun, jobs, "one is lost");
            assert_eq!(drops, jobs);
        }
        Err(payload) => {
            assert_eq!((said(payload), drops), ("blow", jobs / 2 + 1));
            assert!(ran <= drops);
        }
    }
    drop(other.join());
    pool.shutdown();
    pool.await_termination(LONG).expect("the pool ends");
    assert_conserved(&pool.stats());
}

#[test]
fn no_job_is_lost_whatever_happens_at_whatever_moment() {
    for _ in 0..repeat(200) {
        for blow in [Blow::ShutdownNow, Blow::Cancel, Blow::Panic] {
            strike(blow);
        }
    }
}

#[test]
fn scopes_of_many_threads_share_a_pool() {
    let pool = pool_of(2, Queue::Bounded(4));
    let threads = (0..4).map(|n| {
        let handle = pool.handle();
        helper(move || {
            let seen = Mutex::new(HashSet::new());
            for round in 0..repeat(50) {
                handle
                    .scope(|s| {
                        for job in 0..8 {
                            let (place, seen) = ((n, round, job), &seen);
                            s.execute(move || _ = seen.lock().insert(place))
                                .unwrap_or_else(ScopedRejected::run);
                        }
                    })
                    .expect("all ran");
            }
            seen.into_inner().len()
        })
    });
    let counts = threads.collect::<Vec<_>>().into_iter().map(Helper::join);
    assert_eq!(counts.collect::<Vec<_>>(), [repeat(50) * 8; 4]);
    finish(&pool);
}

#[test]
fn a_policy_may_send_a_job_to_the_executor_whose_job_waits_for_the_scope() {
    let manual = Arc::new(ManualExecutor::new());
    let other = Arc::clone(&manual);
    let pool = ThreadPoolExecutor::builder()
        .threads(1)
        .queue(Queue::Handoff)
        .rejection_policy(crate::rejection::custom(move |job, _| other.execute_job(job)))
        .build()
        .unwrap();
    let (gate, waits) = (Gate::new(), Arc::new(Mutex::new(None)));
    let (closed, own, notes) = (gate.clone(), pool.handle(), Arc::clone(&waits));
    manual
        .execute(move || {
            let ran = AtomicBool::new(false);
            own.scope(|s| {
                s.execute(|| closed.pass()).unwrap();
                // For which there is no worker.
                s.execute(|| ran.store(true, Ordering::SeqCst)).unwrap();
                *notes.lock() = Some(crate::waits::Sleeper::this());
            })
            .unwrap();
            assert!(ran.into_inner());
        })
        .unwrap();
    let runs = helper(move || manual.run_until_idle());
    eventually("the scope is full", || waits.lock().is_some());
    waits.lock().take().unwrap().wait();
    gate.open();
    runs.join();
    finish(&pool);
}
