//! Tests of the orderly end: what still runs, who waits for it and for how long, and what is over
//! when a wait returns. Also of waiting for a pause.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use workcrew::policy::{Block, CallerRuns, Discard, DiscardOldest};
use workcrew::{
    AwaitError, Builder, CancelOutcome, CancelReason, Handle, Job, JobHandle, JobState, JoinError,
    OnDrop, Phase, Queue, RejectReason, ThreadPoolExecutor, interrupt,
};

use crate::support::{
    Counter, Gate, Helper, LONG, SHORT, block_worker, eventually, finish, helper, pass_time,
    repeat, single, stop_point,
};

// After shutdown.

#[test]
fn after_shutdown_nothing_is_accepted_and_all_that_was_runs() {
    let builder = || ThreadPoolExecutor::builder().threads(1).queue(Queue::Bounded(4));
    let pools = [
        builder(),
        builder().rejection_policy(CallerRuns),
        builder().rejection_policy(Discard),
        builder().rejection_policy(DiscardOldest),
        builder().rejection_policy(Block { timeout: Duration::MAX }),
    ];
    for pool in pools.map(|builder| builder.build().unwrap()) {
        let (gate, ran) = (Gate::new(), Counter::new());
        block_worker(&pool, &gate);
        for _ in 0..3 {
            let ran = ran.clone();
            pool.execute(move || _ = ran.add()).unwrap();
        }
        pool.shutdown();
        let refused = || unreachable!("accepted after shutdown");
        let handle = pool.handle();
        let errors = [
            pool.execute(refused).unwrap_err(),
            pool.submit(refused).unwrap_err().into(),
            pool.try_execute(refused).unwrap_err(),
            pool.execute_timeout(refused, Duration::MAX).unwrap_err(),
            pool.execute_job(Job::new(refused)).unwrap_err(),
            handle.execute(refused).unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.reason(), RejectReason::Shutdown);
        }
        assert_eq!((pool.phase(), pool.stats().queued), (Phase::Shutdown, 3));
        gate.open();
        let stats = finish(&pool);
        assert_eq!((ran.get(), stats.completed, stats.rejected), (3, 4, 6));
        assert!(handle.execute(refused).unwrap_err().is_shutdown(), "after the end");
    }
}

#[test]
fn a_running_job_cannot_submit_to_its_pool_after_shutdown() {
    let pool = ThreadPoolExecutor::fixed(2).unwrap();
    let (gate, handle) = (Gate::new(), pool.handle());
    let shut = gate.clone();
    let job = pool
        .submit(move || {
            shut.pass();
            handle.execute(|| unreachable!()).unwrap_err().reason()
        })
        .unwrap();
    pool.shutdown();
    gate.open();
    assert_eq!(job.join().unwrap(), RejectReason::Shutdown);
    finish(&pool);
}

#[test]
fn shutdown_wakes_submitters_that_wait_for_room() {
    type End = fn(&ThreadPoolExecutor);
    let ends: [End; 2] = [ThreadPoolExecutor::shutdown, |pool| drop(pool.shutdown_now())];
    for end in ends {
        let pool = ThreadPoolExecutor::builder()
            .threads(1)
            .queue(Queue::Bounded(1))
            .rejection_policy(Block { timeout: Duration::MAX })
            .build()
            .unwrap();
        let gate = Gate::new();
        block_worker(&pool, &gate);
        pool.execute(|| ()).unwrap();
        let submitters: Vec<_> = (0..4)
            .map(|n| {
                let handle = pool.handle();
                helper(move || match n % 2 {
                    0 => handle.execute(|| unreachable!()),
                    _ => handle.execute_timeout(|| unreachable!(), Duration::MAX),
                })
            })
            .collect();
        pass_time(SHORT);
        end(&pool);
        for submitter in submitters {
            assert_eq!(submitter.join().unwrap_err().reason(), RejectReason::Shutdown);
        }
        gate.open();
        assert_eq!(finish(&pool).rejected, 4);
    }
}

#[test]
fn shutdown_wakes_idle_workers_whatever_their_keep_alive() {
    let pool = ThreadPoolExecutor::builder()
        .core_threads(2)
        .max_threads(8)
        .queue(Queue::Handoff)
        .keep_alive(Duration::MAX)
        .build()
        .unwrap();
    let gate = Gate::new();
    (0..8).for_each(|_| block_worker(&pool, &gate));
    gate.open();
    pool.wait_idle(LONG).unwrap();
    assert_eq!(pool.stats().idle, 8);
    finish(&pool);
}

#[test]
fn removing_the_last_pending_job_of_a_shut_down_pool_lets_it_end() {
    let pool = ThreadPoolExecutor::fixed(1).unwrap();
    let (running, gate, stop) = stop_point();
    let blocker = pool.submit(stop).unwrap();
    running.pass();
    let [first, last] = [(); 2].map(|()| pool.submit(|| ()).unwrap());
    pool.shutdown();
    assert_eq!(last.cancel(), CancelOutcome::Removed);
    assert_eq!(last.cancel(), CancelOutcome::AlreadyFinished);
    assert_eq!(first.state(), JobState::Pending, "a neighbour is untouched");
    assert_eq!(first.cancel(), CancelOutcome::Removed);
    assert_eq!(blocker.cancel(), CancelOutcome::Interrupted, "no removal");
    assert_eq!((pool.stats().queued, pool.phase()), (0, Phase::Shutdown));
    gate.open();
    let stats = finish(&pool);
    assert_eq!((stats.completed, stats.cancelled), (1, 2));
    blocker.join().unwrap();
}

#[test]
fn cancelling_while_the_worker_looks_for_its_last_job_always_lets_the_pool_end() {
    for _ in 0..repeat(200) {
        let pool = ThreadPoolExecutor::fixed(1).unwrap();
        let gate = Gate::new();
        block_worker(&pool, &gate);
        let last = pool.submit(|| ()).unwrap();
        pool.shutdown();
        gate.open();
        let removed = last.cancel() == CancelOutcome::Removed;
        let stats = finish(&pool);
        assert_eq!(stats.cancelled, u64::from(removed));
        assert_eq!(last.join().is_err_and(|error| error.is_cancelled()), removed);
    }
}

// The phases, and the last hook.

#[test]
fn the_phase_tells_how_far_the_end_has_come() {
    let pool = ThreadPoolExecutor::fixed(1).unwrap();
    let (handle, gate, looked) = (pool.handle(), Gate::new(), Gate::new());
    let (seen, look, first) = (pool.handle(), gate.clone(), looked.clone());
    let job = pool
        .submit(move || {
            let before = (seen.phase(), seen.is_shutdown(), seen.is_terminated());
            first.open();
            look.pass();
            (before, (seen.phase(), seen.is_shutdown(), seen.is_terminated()))
        })
        .unwrap();
    looked.pass();
    pool.shutdown();
    gate.open();
    let (before, after) = job.join().unwrap();
    assert_eq!(before, (Phase::Running, false, false));
    assert_eq!(after, (Phase::Shutdown, true, false));
    finish(&pool);
    assert_eq!((handle.phase(), handle.is_shutdown()), (Phase::Terminated, true));
    assert!(handle.is_terminated());
}

/// What `on_terminated` saw of its pool: the phase, and what waiting for the end came to.
type Sight = Arc<Mutex<Vec<(Phase, Result<(), AwaitError>)>>>;

/// A pool whose `on_terminated` notes what it sees.
fn watched(builder: Builder) -> (ThreadPoolExecutor, Sight) {
    let sight = Sight::default();
    let shared = Arc::new(Mutex::new(None::<Handle>));
    let (seen, pool) = (Arc::clone(&sight), Arc::clone(&shared));
    let built = builder
        .on_terminated(move || {
            let pool = pool.lock().take().unwrap();
            assert!(pool.is_shutdown() && !pool.is_terminated());
            seen.lock().push((pool.phase(), pool.await_termination(Duration::ZERO)));
        })
        .build()
        .unwrap();
    *shared.lock() = Some(built.handle());
    (built, sight)
}

#[track_caller]
fn assert_ended_once(sight: &Sight) {
    assert_eq!(*sight.lock(), [(Phase::Tidying, Err(AwaitError::FromWorker))]);
}

#[test]
fn the_end_of_a_never_used_pool_has_come_when_the_call_that_ends_it_returns() {
    let builder = || ThreadPoolExecutor::builder().threads(2);
    let (pool, sight) = watched(builder());
    pool.shutdown();
    assert!(pool.is_terminated());
    assert_ended_once(&sight);
    pool.await_termination(Duration::ZERO).unwrap();
    finish(&pool);

    let (pool, sight) = watched(builder());
    assert!(pool.shutdown_now().is_empty());
    assert!(pool.is_terminated());
    assert_ended_once(&sight);
    finish(&pool);

    let (pool, sight) = watched(builder());
    drop(pool);
    assert_ended_once(&sight);
    let (pool, sight) = watched(builder());
    pool.detach();
    assert_ended_once(&sight);
}

#[test]
fn on_terminated_runs_once_whoever_ends_the_pool() {
    for round in 0..repeat(60) {
        let builder = ThreadPoolExecutor::builder()
            .core_threads(round % 2)
            .max_threads(2)
            .keep_alive(Duration::from_micros(50))
            .queue(Queue::Bounded(4));
        let (pool, sight) = watched(builder);
        let handles: Vec<_> = (0..round % 5).map(|_| pool.submit(|| ()).unwrap()).collect();
        let go = Gate::new();
        let enders: Vec<_> = (0..3)
            .map(|n| {
                let (pool, go) = (pool.handle(), go.clone());
                helper(move || {
                    go.pass();
                    match n {
                        0 => drop(pool.shutdown_now()),
                        _ => pool.shutdown(),
                    }
                })
            })
            .collect();
        go.open();
        for handle in &handles {
            handle.cancel();
        }
        drop(enders);
        finish(&pool);
        assert_ended_once(&sight);
        assert!(handles.iter().all(JobHandle::is_finished));
    }
}

#[test]
fn shutdown_from_many_handles_at_once_runs_every_job() {
    for _ in 0..repeat(30) {
        let (pool, sight) = watched(ThreadPoolExecutor::builder().threads(2));
        let (ran, go) = (Counter::new(), Gate::new());
        for _ in 0..20 {
            let ran = ran.clone();
            pool.execute(move || _ = ran.add()).unwrap();
        }
        let enders: Vec<_> = (0..4)
            .map(|_| {
                let (pool, go) = (pool.handle(), go.clone());
                helper(move || {
                    go.pass();
                    pool.shutdown();
                    pool.execute(|| unreachable!()).unwrap_err().is_shutdown()
                })
            })
            .collect();
        go.open();
        assert!(enders.into_iter().all(Helper::join));
        assert_eq!(finish(&pool).completed, 20);
        assert_eq!(ran.get(), 20);
        assert_ended_once(&sight);
    }
}

#[test]
fn nobody_is_told_of_the_end_before_on_terminated_has_returned() {
    let (entered, gate, stop) = stop_point();
    let pool = ThreadPoolExecutor::builder().threads(1).on_terminated(stop).build().unwrap();
    pool.execute(|| ()).unwrap();
    pool.shutdown();
    entered.pass();
    // No lock is held over the hook: the pool can be looked at and asked.
    assert_eq!((pool.phase(), pool.stats().completed), (Phase::Tidying, 1));
    assert!(pool.execute(|| ()).unwrap_err().is_shutdown());
    assert!(pool.shutdown_now().is_empty());
    assert_eq!(pool.await_termination(SHORT), Err(AwaitError::TimedOut));
    gate.open();
    finish(&pool);
}

// Waiting for the end.

#[test]
fn await_termination_times_out_and_not_too_early() {
    let pool = ThreadPoolExecutor::fixed(1).unwrap();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    pool.shutdown();
    for timeout in [Duration::ZERO, Duration::from_nanos(999_999), Duration::from_millis(12)] {
        let began = Instant::now();
        assert_eq!(pool.await_termination(timeout), Err(AwaitError::TimedOut));
        assert!(began.elapsed() >= timeout);
        assert!(!pool.is_terminated());
    }
    let handle = pool.handle();
    let patient = helper(move || handle.await_termination(Duration::MAX));
    gate.open();
    patient.join().unwrap();
    pool.await_termination(Duration::ZERO).unwrap();
    finish(&pool);
}

#[test]
fn awaiting_an_open_pool_waits_for_its_shutdown() {
    let pool = ThreadPoolExecutor::fixed(1).unwrap();
    assert_eq!(pool.await_termination(Duration::ZERO), Err(AwaitError::TimedOut));
    assert_eq!(pool.await_termination(SHORT), Err(AwaitError::TimedOut), "it was never used");
    let handle = pool.handle();
    let waiter = helper(move || handle.await_termination(Duration::MAX));
    pass_time(SHORT);
    pool.shutdown();
    waiter.join().unwrap();
    finish(&pool);
}

#[test]
fn all_who_await_the_end_return() {
    for _ in 0..repeat(20) {
        let pool = ThreadPoolExecutor::fixed(3).unwrap();
        let (gate, awaited) = (Gate::new(), Counter::new());
        (0..3).for_each(|_| block_worker(&pool, &gate));
        let waiters: Vec<_> = [LONG, Duration::MAX, LONG, LONG]
            .map(|timeout| {
                let (pool, awaited) = (pool.handle(), awaited.clone());
                helper(move || {
                    awaited.add();
                    pool.await_termination(timeout)
                })
            })
            .into();
        awaited.reach(4);
        pool.shutdown();
        gate.open();
        assert!(waiters.into_iter().all(|waiter| waiter.join().is_ok()));
        finish(&pool);
    }
}

#[test]
fn pools_that_shut_down_side_by_side_do_not_wait_for_each_other() {
    let pools: Vec<_> = (0..4).map(|_| ThreadPoolExecutor::fixed(1).unwrap()).collect();
    let gate = Gate::new();
    block_worker(&pools[0], &gate);
    pools.iter().for_each(ThreadPoolExecutor::shutdown);
    for pool in &pools[1..] {
        pool.await_termination(LONG).unwrap();
    }
    assert_eq!(pools[0].await_termination(Duration::ZERO), Err(AwaitError::TimedOut));
    gate.open();
    for pool in &pools {
        finish(pool);
    }
}

/// Does something when the thread ends.
struct AtThreadEnd(Box<dyn FnOnce() + Send>);

thread_local! {
    static AT_END: RefCell<Vec<AtThreadEnd>> = const { RefCell::new(Vec::new()) };
}

impl Drop for AtThreadEnd {
    fn drop(&mut self) {
        std::mem::replace(&mut self.0, Box::new(|| ()))();
    }
}

fn at_thread_end(f: impl FnOnce() + Send + 'static) {
    AT_END.with_borrow_mut(|all| all.push(AtThreadEnd(Box::new(f))));
}

#[test]
fn await_termination_waits_for_thread_local_destructors_but_not_beyond_its_time() {
    let pool = ThreadPoolExecutor::fixed(2).unwrap();
    let (entered, gate, done) = (Counter::new(), Gate::new(), Counter::new());
    let both = Counter::new();
    for _ in 0..2 {
        let (entered, gate, done) = (entered.clone(), gate.clone(), done.clone());
        let both = both.clone();
        pool.execute(move || {
            at_thread_end(move || {
                entered.add();
                gate.pass();
                done.add();
            });
            both.add();
            both.reach(2);
        })
        .unwrap();
    }
    pool.shutdown();
    entered.reach(2);
    assert!(pool.is_terminated(), "the jobs are over");
    let began = Instant::now();
    assert_eq!(pool.await_termination(Duration::ZERO), Err(AwaitError::TimedOut));
    assert_eq!(pool.await_termination(SHORT), Err(AwaitError::TimedOut));
    assert!(began.elapsed() >= SHORT);
    gate.open();
    pool.await_termination(LONG).unwrap();
    assert_eq!(done.get(), 2, "the destructors have run");
    finish(&pool);
}

#[test]
fn close_has_seen_the_thread_local_destructors_of_every_worker_that_ever_was() {
    for _ in 0..repeat(20) {
        let done = Counter::new();
        let pool = ThreadPoolExecutor::builder()
            .core_threads(0)
            .max_threads(4)
            .queue(Queue::Handoff)
            .keep_alive(Duration::ZERO)
            .build()
            .unwrap();
        let threads = Arc::new(Mutex::new(std::collections::HashSet::new()));
        for _ in 0..8 {
            let (done, threads) = (done.clone(), Arc::clone(&threads));
            let job = move || {
                if threads.lock().insert(thread::current().id()) {
                    at_thread_end(move || _ = done.add());
                }
            };
            pool.execute_timeout(job, LONG).unwrap();
        }
        pool.close();
        assert_eq!(done.get(), threads.lock().len());
    }
}

#[test]
fn the_end_has_joined_the_threads_and_not_only_seen_their_last_step() {
    let done = Counter::new();
    let at_end = done.clone();
    let pool = ThreadPoolExecutor::builder()
        .threads(2)
        .thread_factory(move |worker| {
            let done = at_end.clone();
            worker.builder().spawn(move || {
                // Older than the thread-locals of the worker, and so destroyed after them.
                at_thread_end(move || {
                    pass_time(SHORT);
                    done.add();
                });
                worker.run();
            })
        })
        .build()
        .unwrap();
    for _ in 0..2 {
        pool.execute(|| ()).unwrap();
    }
    assert_eq!(finish(&pool).largest_pool_size, 2);
    assert_eq!(done.get(), 2);
}

#[test]
fn who_gives_up_waiting_for_the_end_leaves_the_others_waiting() {
    let pool = single();
    let (gate, handle) = (Gate::new(), pool.handle());
    block_worker(&pool, &gate);
    let other = helper(move || handle.await_termination(LONG));
    pass_time(SHORT);
    assert_eq!(pool.await_termination(SHORT), Err(AwaitError::TimedOut));
    pool.shutdown();
    assert_eq!(pool.await_termination(SHORT), Err(AwaitError::TimedOut));
    gate.open();
    other.join().unwrap();
    finish(&pool);
}

#[test]
fn a_job_or_hook_that_waits_for_its_own_pool_is_told_at_once() {
    let pool = Arc::new(Mutex::new(None::<Handle>));
    let told = Arc::new(Mutex::new(Vec::new()));
    let ask = {
        let (pool, told) = (Arc::clone(&pool), Arc::clone(&told));
        move |who: &'static str| {
            let pool = pool.lock().clone().unwrap();
            let answers = [pool.await_termination(Duration::MAX), pool.wait_idle(Duration::MAX)];
            told.lock().push((who, answers));
        }
    };
    let asks = || ask.clone();
    let (start, stop, before, after) = (asks(), asks(), asks(), asks());
    let (panicked, terminated) = (asks(), asks());
    let owner = ThreadPoolExecutor::builder()
        .threads(1)
        .queue(Queue::Handoff)
        .rejection_policy(CallerRuns)
        .on_thread_start(move |_| start("on_thread_start"))
        .on_thread_stop(move |_| stop("on_thread_stop"))
        .before_job(move |_| before("before_job"))
        .after_job(move |_, _| after("after_job"))
        .on_panic(move |_| panicked("on_panic"))
        .on_terminated(move || terminated("on_terminated"))
        .build()
        .unwrap();
    *pool.lock() = Some(owner.handle());
    let (job, caller_run, at_end) = (asks(), asks(), asks());
    let (gate, running) = (Gate::new(), Gate::new());
    let (hold, started) = (gate.clone(), running.clone());
    owner
        .execute(move || {
            job("job");
            at_thread_end(move || at_end("thread-local destructor"));
            started.open();
            hold.pass();
            resume_unwind(Box::new("for on_panic"));
        })
        .unwrap();
    running.pass();
    owner.execute(move || caller_run("caller-run job")).unwrap();
    gate.open();
    finish(&owner);
    *pool.lock() = None;
    let told = told.lock();
    let expected = [
        "on_thread_start",
        "before_job",
        "job",
        // Those of the job that the caller runs.
        "before_job",
        "caller-run job",
        "after_job",
        "after_job",
        "on_panic",
        "on_thread_stop",
        "on_terminated",
        "thread-local destructor",
    ];
    let names: Vec<_> = told.iter().map(|(who, _)| *who).collect();
    assert_eq!(names, expected);
    for (who, [end, idle]) in told.iter() {
        assert_eq!(*end, Err(AwaitError::FromWorker), "{who}");
        if *who != "thread-local destructor" {
            // By the time of the destructor the pool has ended, and is idle for good.
            assert_eq!(*idle, Err(AwaitError::FromWorker), "{who}");
        }
    }
}

#[test]
fn a_job_may_wait_for_the_end_of_another_pool() {
    let outer = ThreadPoolExecutor::fixed(1).unwrap();
    let inner = ThreadPoolExecutor::fixed(1).unwrap();
    let gate = Gate::new();
    block_worker(&inner, &gate);
    let handle = inner.handle();
    let waiting =
        outer.submit(move || (handle.wait_idle(LONG), handle.await_termination(LONG))).unwrap();
    inner.shutdown();
    gate.open();
    assert_eq!(waiting.join().unwrap(), (Ok(()), Ok(())));
    finish(&inner);
    finish(&outer);
}

// Dropping the owner.

/// A pool of one worker that runs an uninterruptible job until the gate opens, with one job pending.
struct Busy {
    pool: ThreadPoolExecutor,
    gate: Gate,
    running: JobHandle<bool>,
    pending: JobHandle<()>,
}

/// The running job returns whether it was asked to stop.
fn busy(on_drop: OnDrop) -> Busy {
    let pool = ThreadPoolExecutor::builder()
        .threads(1)
        .queue(Queue::Unbounded)
        .on_drop(on_drop)
        .build()
        .unwrap();
    let (gate, started) = (Gate::new(), Gate::new());
    let (hold, begun) = (gate.clone(), started.clone());
    let running = pool
        .submit(move || {
            begun.open();
            hold.pass();
            interrupt::is_interrupted()
        })
        .unwrap();
    started.pass();
    let pending = pool.submit(|| ()).unwrap();
    Busy { pool, gate, running, pending }
}

#[test]
fn dropping_or_closing_the_owner_waits_for_every_accepted_job() {
    type End = fn(ThreadPoolExecutor);
    let ends: [(OnDrop, End); 3] = [
        (OnDrop::Close, drop),
        (OnDrop::Close, ThreadPoolExecutor::close),
        (OnDrop::Detach, ThreadPoolExecutor::close),
    ];
    for (on_drop, end) in ends {
        let Busy { pool, gate, running, pending } = busy(on_drop);
        let handle = pool.handle();
        let ender = helper(move || {
            end(pool);
            (running.try_join().is_ok_and(|result| !result.unwrap()), pending.is_finished())
        });
        eventually("the end has begun", || handle.is_shutdown());
        assert!(handle.execute(|| ()).unwrap_err().is_shutdown());
        pass_time(SHORT);
        assert_eq!((handle.phase(), handle.stats().queued), (Phase::Shutdown, 1));
        gate.open();
        assert_eq!(ender.join(), (true, true), "both jobs ran, and nobody was interrupted");
        assert!(handle.is_terminated());
        assert_eq!(handle.stats().completed, 2);
        handle.await_termination(Duration::ZERO).expect("the threads are joined");
    }
}

#[test]
fn dropping_the_owner_under_stop_drops_the_pending_jobs_and_waits_for_the_running_ones() {
    let Busy { pool, gate, running, pending } = busy(OnDrop::Stop);
    let handle = pool.handle();
    let dropper = helper(move || {
        drop(pool);
        running.try_join().expect("it was waited for").unwrap()
    });
    assert!(matches!(pending.join(), Err(JoinError::Cancelled(CancelReason::Shutdown))));
    assert_eq!((handle.phase(), handle.stats().active), (Phase::Stop, 1));
    gate.open();
    assert!(dropper.join(), "the running job was interrupted");
    assert!(handle.is_terminated());
    assert_eq!(handle.stats().handed_back, 1);
}

#[test]
fn a_detached_pool_is_not_waited_for_and_runs_everything() {
    type End = fn(ThreadPoolExecutor);
    let ends: [(OnDrop, End); 3] = [
        (OnDrop::Detach, drop),
        (OnDrop::Close, ThreadPoolExecutor::detach),
        (OnDrop::Stop, ThreadPoolExecutor::detach),
    ];
    for (on_drop, end) in ends {
        let Busy { pool, gate, running, pending } = busy(on_drop);
        let handle = pool.handle();
        end(pool);
        assert_eq!(running.state(), JobState::Running);
        assert!(handle.execute(|| ()).unwrap_err().is_shutdown());
        gate.open();
        assert!(!running.join().unwrap());
        pending.join().unwrap();
        handle.await_termination(LONG).unwrap();
        assert_eq!(handle.stats().completed, 2);
    }
}

#[test]
fn dropping_the_owner_while_panicking_stops_the_pool_and_waits_for_nothing() {
    for on_drop in [OnDrop::Close, OnDrop::Stop, OnDrop::Detach] {
        let Busy { pool, gate, running, pending } = busy(on_drop);
        let handle = pool.handle();
        let panicked = catch_unwind(AssertUnwindSafe(move || {
            let _owner = pool;
            resume_unwind(Box::new("the owner's function panics"));
        }));
        assert!(panicked.is_err());
        assert_eq!(running.state(), JobState::Running, "nobody waited for it");
        assert_eq!(handle.phase(), Phase::Stop);
        assert!(matches!(pending.join(), Err(JoinError::Cancelled(CancelReason::Shutdown))));
        gate.open();
        assert!(running.join().unwrap(), "the running job was interrupted");
        handle.await_termination(LONG).unwrap();
    }
}

#[test]
fn an_owner_that_ends_on_its_own_worker_never_waits() {
    type End = fn(ThreadPoolExecutor);
    let ends: [(OnDrop, End, bool); 5] = [
        (OnDrop::Close, drop, true),
        (OnDrop::Close, ThreadPoolExecutor::close, true),
        (OnDrop::Close, ThreadPoolExecutor::detach, true),
        (OnDrop::Detach, drop, true),
        (OnDrop::Stop, drop, false),
    ];
    for (on_drop, end, runs_pending) in ends {
        let pool = ThreadPoolExecutor::builder().threads(1).on_drop(on_drop).build().unwrap();
        let (handle, place) = (pool.handle(), Arc::new(Mutex::new(None)));
        let (owner, gate) = (Arc::clone(&place), Gate::new());
        let ready = gate.clone();
        let job = pool
            .submit(move || {
                ready.pass();
                let owner = owner.lock().take().unwrap();
                end(owner);
                interrupt::is_interrupted()
            })
            .unwrap();
        let pending = pool.submit(|| ()).unwrap();
        *place.lock() = Some(pool);
        gate.open();
        assert_eq!(job.join().unwrap(), !runs_pending);
        assert_eq!(pending.join().is_ok(), runs_pending);
        handle.await_termination(LONG).unwrap();
    }
}

#[test]
fn an_owner_that_ends_with_its_own_worker_thread_never_waits() {
    let pool = ThreadPoolExecutor::fixed(1).unwrap();
    let (handle, gate) = (pool.handle(), Gate::new());
    let place = Arc::new(Mutex::new(None));
    let (owner, ready) = (Arc::clone(&place), gate.clone());
    pool.execute(move || {
        at_thread_end(move || drop(owner));
        ready.pass();
    })
    .unwrap();
    *place.lock() = Some(pool);
    drop(place);
    handle.shutdown();
    gate.open();
    handle.await_termination(LONG).unwrap();
}

#[test]
fn a_handle_outlives_the_owner_and_never_keeps_the_pool_running() {
    let pool = ThreadPoolExecutor::fixed(2).unwrap();
    let handles = [pool.handle(), pool.handle()];
    for handle in &handles {
        handle.submit(|| ()).unwrap().join().unwrap();
    }
    drop(handles[0].clone());
    assert_eq!(pool.phase(), Phase::Running, "a dropped handle ends nothing");
    drop(pool);
    for handle in handles {
        assert!(handle.is_terminated());
        let rejected = handle.submit(|| 7).map(drop).unwrap_err();
        assert!(rejected.is_shutdown());
        assert_eq!((handle.stats().completed, handle.stats().rejected > 0), (2, true));
        handle.await_termination(Duration::ZERO).unwrap();
        handle.wait_idle(Duration::ZERO).unwrap();
        handle.shutdown();
        assert!(handle.shutdown_now().is_empty());
    }
}

#[test]
fn a_function_that_returns_early_still_runs_what_it_submitted() {
    fn work(ran: &Counter) -> Result<u32, std::num::ParseIntError> {
        let pool = ThreadPoolExecutor::fixed(2).unwrap();
        for _ in 0..50 {
            let ran = ran.clone();
            pool.execute(move || _ = ran.add()).unwrap();
        }
        let number = "not a number".parse()?;
        pool.shutdown();
        Ok(number)
    }
    let ran = Counter::new();
    work(&ran).unwrap_err();
    assert_eq!(ran.get(), 50);
}

#[test]
fn close_waits_also_after_a_shutdown() {
    let Busy { pool, gate, running, pending } = busy(OnDrop::Close);
    let handle = pool.handle();
    pool.shutdown();
    let closer = helper(move || {
        pool.close();
        (running.is_finished(), pending.is_finished())
    });
    pass_time(SHORT);
    assert!(!handle.is_terminated());
    gate.open();
    assert_eq!(closer.join(), (true, true));
    assert_eq!(handle.stats().completed, 2);
}

#[test]
fn an_interrupted_close_stops_the_pool_and_still_waits() {
    let outer = ThreadPoolExecutor::fixed(1).unwrap();
    let Busy { pool, gate, running, pending } = busy(OnDrop::Close);
    let handle = pool.handle();
    let closing = outer
        .submit(move || {
            pool.close();
            (running.try_join().expect("it was waited for").unwrap(), interrupt::is_interrupted())
        })
        .unwrap();
    eventually("close has begun", || handle.is_shutdown());
    pass_time(SHORT);
    assert_eq!(handle.phase(), Phase::Shutdown);
    assert_eq!(closing.cancel(), CancelOutcome::Interrupted);
    assert!(matches!(pending.join(), Err(JoinError::Cancelled(CancelReason::Shutdown))));
    assert_eq!(handle.phase(), Phase::Stop);
    pass_time(SHORT);
    assert_eq!(closing.state(), JobState::Running, "it still waits");
    gate.open();
    assert_eq!(closing.join().unwrap(), (true, true), "both were interrupted, and still are");
    assert!(handle.is_terminated());
    finish(&outer);
}

// Waiting for a pause.

#[test]
fn a_never_used_pool_is_idle() {
    let pool = ThreadPoolExecutor::fixed(2).unwrap();
    pool.wait_idle(Duration::ZERO).unwrap();
    pool.prestart_all_core_threads().unwrap();
    pool.wait_idle(LONG).unwrap();
    assert_eq!(pool.stats().submitted, 0);
    finish(&pool);
    pool.wait_idle(Duration::ZERO).unwrap();
}

#[test]
fn wait_idle_times_out_while_a_job_is_queued_or_running_and_leaves_the_pool_open() {
    let pool = ThreadPoolExecutor::fixed(1).unwrap();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    for timeout in [Duration::ZERO, SHORT] {
        let began = Instant::now();
        assert_eq!(pool.wait_idle(timeout), Err(AwaitError::TimedOut));
        assert!(began.elapsed() >= timeout);
    }
    let handle = pool.handle();
    let waiter = helper(move || handle.wait_idle(Duration::MAX));
    gate.open();
    waiter.join().unwrap();
    assert_eq!((pool.phase(), pool.stats().idle), (Phase::Running, 1));
    pool.submit(|| ()).unwrap().join().unwrap();
    finish(&pool);
}

#[test]
fn after_wait_idle_the_handles_of_all_earlier_jobs_are_settled() {
    for round in 0..repeat(300) {
        let pool = ThreadPoolExecutor::fixed(1 + round % 2).unwrap();
        for _ in 0..3 {
            let handles: Vec<_> = (0..round % 7).map(|n| pool.submit(move || n).unwrap()).collect();
            if let Some(last) = handles.last().filter(|_| round % 3 == 0) {
                last.cancel();
            }
            pool.wait_idle(LONG).unwrap();
            assert!(handles.iter().all(JobHandle::is_finished));
        }
        finish(&pool);
    }
}

#[test]
fn a_pool_whose_last_pending_job_is_taken_away_becomes_idle() {
    let pool = ThreadPoolExecutor::builder()
        .threads(1)
        .queue(Queue::Bounded(1))
        .rejection_policy(CallerRuns)
        .build()
        .unwrap();
    let (gate, running) = (Gate::new(), Gate::new());
    block_worker(&pool, &gate);
    let pending = pool.submit(|| ()).unwrap();
    // A caller's job counts too.
    let (handle, started) = (pool.handle(), running.clone());
    let own = Gate::new();
    let hold = own.clone();
    let caller = helper(move || {
        handle
            .execute(move || {
                started.open();
                hold.pass();
            })
            .unwrap();
    });
    running.pass();
    let waiters: Vec<_> = (0..3)
        .map(|_| {
            let handle = pool.handle();
            helper(move || handle.wait_idle(LONG))
        })
        .collect();
    assert_eq!(pending.cancel(), CancelOutcome::Removed);
    gate.open();
    eventually("the worker is free", || pool.stats().idle == 1);
    assert_eq!(pool.wait_idle(Duration::ZERO), Err(AwaitError::TimedOut), "a caller runs a job");
    own.open();
    caller.join();
    assert!(waiters.into_iter().all(|waiter| waiter.join().is_ok()));
    finish(&pool);
}

#[test]
fn all_who_wait_for_a_pause_get_it_though_the_pool_is_refilled_the_moment_it_drains() {
    const WAITERS: usize = 8;
    for _ in 0..repeat(10) {
        let pool = ThreadPoolExecutor::fixed(2).unwrap();
        let (gate, waiting, out) = (Gate::new(), Counter::new(), Counter::new());
        block_worker(&pool, &gate);
        let waiters: Vec<_> = (0..WAITERS)
            .map(|_| {
                let (pool, waiting, out) = (pool.handle(), waiting.clone(), out.clone());
                helper(move || {
                    waiting.add();
                    pool.wait_idle(LONG).unwrap();
                    out.add();
                })
            })
            .collect();
        waiting.reach(WAITERS);
        let (handle, over) = (pool.handle(), out.clone());
        let refiller = helper(move || {
            let began = Instant::now();
            let mut rounds = 0;
            while over.get() < WAITERS {
                assert!(began.elapsed() < LONG, "{} of {WAITERS} got out", over.get());
                handle.submit(|| ()).unwrap().join().unwrap();
                rounds += 1;
            }
            rounds
        });
        gate.open();
        waiters.into_iter().for_each(Helper::join);
        let jobs = refiller.join() + 1;
        assert_eq!(finish(&pool).completed, jobs);
    }
}

/// A thread that waits for a pause; returns once it is parked in that wait.
#[cfg(target_os = "linux")]
fn parked_waiter(pool: &ThreadPoolExecutor) -> Helper<Result<(), AwaitError>> {
    let (pool, place) = (pool.handle(), Arc::new(Mutex::new(None)));
    let own = Arc::clone(&place);
    let waiter = helper(move || {
        *own.lock() = Some(std::fs::read_link("/proc/thread-self").unwrap());
        pool.wait_idle(LONG)
    });
    eventually("the waiter sleeps, which it does nowhere else", || {
        let Some(path) = place.lock().clone() else { return false };
        let stat = std::fs::read_to_string(std::path::Path::new("/proc").join(path).join("stat"));
        stat.unwrap().rsplit_once(')').unwrap().1.starts_with(" S")
    });
    waiter
}

#[cfg(target_os = "linux")]
#[test]
fn who_waits_for_a_pause_gets_it_though_it_is_over_when_they_wake() {
    for _ in 0..repeat(100) {
        let pool = ThreadPoolExecutor::fixed(2).unwrap();
        let (running, gates) = (Gate::new(), [Gate::new(), Gate::new()]);
        let (started, hold) = (running.clone(), gates[0].clone());
        let last = pool
            .submit(move || {
                started.open();
                hold.pass();
            })
            .unwrap();
        running.pass();
        let waiters = [(); 3].map(|()| parked_waiter(&pool));
        gates[0].open();
        last.join().unwrap();
        // The job has ended and its worker is free: this is the pause.
        block_worker(&pool, &gates[1]);
        for waiter in waiters {
            waiter.join().expect("there was a pause");
        }
        gates[1].open();
        finish(&pool);
    }
}

#[test]
fn once_the_last_job_was_joined_the_pool_is_idle() {
    let pool = ThreadPoolExecutor::fixed(1).unwrap();
    for _ in 0..repeat(2_000) {
        pool.submit(|| ()).unwrap().join().unwrap();
        pool.wait_idle(Duration::ZERO).expect("nothing is queued or running");
    }
    finish(&pool);
}
