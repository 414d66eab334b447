//! Changes of a running pool.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use workcrew::{BuildError, Growth, PoolStats, Queue, RejectReason, ThreadPoolExecutor};

use crate::support::{
    Counter, Gate, Helper, KEEP_ALIVE, LONG, SHORT, assert_conserved, block_worker, eventually,
    finish, helper, hold, pass_time, repeat, soon,
};

/// Longer than any test.
const HOUR: Duration = Duration::from_secs(3600);

fn sizes(pool: &ThreadPoolExecutor) -> (usize, usize) {
    let PoolStats { core, max, .. } = pool.stats();
    (core, max)
}

/// Whether the core is started before the first job.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    Plain,
    Prestarted,
}

fn changes_of_all_settings(start: Start) {
    const N: usize = 3;
    let gate = Gate::new();
    let pool = ThreadPoolExecutor::builder()
        .core_threads(N)
        .max_threads(3 * N)
        .queue(Queue::Bounded(3 * N))
        .keep_alive(Duration::from_secs(180))
        .build()
        .expect("a possible pool");
    if start == Start::Prestarted {
        assert_eq!(pool.prestart_all_core_threads().expect("threads start"), N);
        assert_eq!(pool.prestart_all_core_threads().expect("nothing to start"), 0);
        assert!(!pool.prestart_core_thread().expect("nothing to start"));
        assert_eq!(pool.stats().pool_size, N);
    }

    let started = hold(&pool, &gate, 6 * N);
    started.reach(3 * N);
    let stats = pool.stats();
    assert_eq!((stats.pool_size, stats.active, stats.queued), (3 * N, 3 * N, 3 * N), "{stats:?}");
    assert_eq!((stats.accepted, stats.completed), (6 * N as u64, 0), "{stats:?}");

    pool.set_max_threads(4 * N).expect("more is possible");
    hold(&pool, &gate, N);
    started.reach(4 * N);
    let stats = pool.stats();
    assert_eq!((stats.pool_size, stats.active, stats.queued), (4 * N, 4 * N, 3 * N), "{stats:?}");
    assert_eq!((stats.accepted, stats.completed), (7 * N as u64, 0), "{stats:?}");

    pool.set_max_threads(2 * N).expect("less is possible");
    assert_eq!(pool.stats().pool_size, 4 * N, "busy workers stay");
    let released = Instant::now();
    gate.open();
    eventually("no more than the new maximum stay", || {
        let stats = pool.stats();
        assert!(stats.pool_size >= 2 * N, "too many have left: {stats:?}");
        stats.pool_size == 2 * N && stats.completed == 7 * N as u64
    });
    assert_eq!(pool.stats().largest_pool_size, 4 * N);

    pool.set_keep_alive(Duration::from_millis(7)).expect("any time is possible");
    eventually("only the core stays", || {
        let size = pool.stats().pool_size;
        assert!(size >= N, "core workers left too: {size}");
        size == N
    });
    assert!(released.elapsed() >= Duration::from_millis(7));
    pass_time(Duration::from_millis(14));
    assert_eq!(pool.stats().pool_size, N);

    pool.allow_core_timeout(true).expect("the keep-alive is not zero");
    eventually("everybody has left", || pool.stats().pool_size == 0);
    let stats = finish(&pool);
    assert_eq!((stats.accepted, stats.completed), (7 * N as u64, 7 * N as u64));
    assert_eq!(stats.largest_pool_size, 4 * N);
}

#[test]
fn every_change_of_a_busy_pool_takes_effect() {
    changes_of_all_settings(Start::Plain);
}

#[test]
fn every_change_of_a_prestarted_pool_takes_effect() {
    changes_of_all_settings(Start::Prestarted);
}

#[test]
fn an_impossible_size_changes_nothing() {
    for size in 1..=4 {
        let pool = ThreadPoolExecutor::fixed(size).unwrap();
        let too_few = match size {
            1 => BuildError::NoThreads,
            _ => BuildError::CoreAboveMax { core: size, max: size - 1 },
        };
        let too_many = BuildError::CoreAboveMax { core: size + 1, max: size };
        assert_eq!(pool.set_max_threads(size - 1), Err(too_few));
        assert_eq!(sizes(&pool), (size, size));
        assert_eq!(pool.set_core_threads(size + 1), Err(too_many));
        assert_eq!(sizes(&pool), (size, size));
        assert_eq!(pool.set_threads(0, 0), Err(BuildError::NoThreads));
        let reversed = BuildError::CoreAboveMax { core: size + 5, max: size + 4 };
        assert_eq!(pool.set_threads(size + 5, size + 4), Err(reversed));
        assert_eq!(sizes(&pool), (size, size));
        finish(&pool);
    }
}

#[test]
fn a_core_that_may_time_out_needs_a_keep_alive() {
    let pool = ThreadPoolExecutor::builder().threads(1).keep_alive(Duration::ZERO).build().unwrap();
    let refused = Err(BuildError::CoreTimeoutWithoutKeepAlive);
    assert_eq!(pool.allow_core_timeout(true), refused);
    pool.submit(|| ()).unwrap().join().unwrap();
    pass_time(SHORT);
    assert_eq!(pool.stats().pool_size, 1, "the refused change had no effect");
    pool.set_keep_alive(HOUR).unwrap();
    pool.allow_core_timeout(true).unwrap();
    assert_eq!(pool.set_keep_alive(Duration::ZERO), refused);
    pass_time(SHORT);
    assert_eq!(pool.stats().pool_size, 1, "the refused change had no effect");
    pool.set_keep_alive(Duration::from_millis(1)).unwrap();
    eventually("the core thread has left", || pool.stats().pool_size == 0);
    finish(&pool);
}

#[test]
fn both_sizes_change_in_one_step_in_any_direction() {
    let pool = ThreadPoolExecutor::fixed(2).unwrap();
    for (core, max) in [(8, 8), (1, 1), (0, 3), (5, 9), (0, 1), (usize::MAX, usize::MAX), (3, 4)] {
        pool.set_threads(core, max).unwrap();
        assert_eq!(sizes(&pool), (core, max));
        pool.submit(|| ()).unwrap().join().unwrap();
    }
    finish(&pool);
}

#[test]
fn a_raised_maximum_starts_workers_for_pending_jobs_at_once() {
    for growth in [Growth::QueueFirst, Growth::ThreadsFirst] {
        for _ in 0..repeat(20) {
            let gate = Gate::new();
            let pool = ThreadPoolExecutor::builder()
                .threads(1)
                .queue(Queue::Bounded(3))
                .growth(growth)
                .build()
                .unwrap();
            let started = hold(&pool, &gate, 4);
            started.reach(1);
            assert_eq!(pool.stats().queued, 3);
            pool.set_max_threads(4).unwrap();
            started.reach(4);
            assert_eq!(pool.stats().pool_size, 4);
            gate.open();
            finish(&pool);
        }
    }
}

#[test]
fn a_raised_core_starts_no_more_workers_than_jobs_are_pending() {
    let gate = Gate::new();
    let pool = ThreadPoolExecutor::builder()
        .core_threads(1)
        .max_threads(9)
        .queue(Queue::Unbounded)
        .build()
        .unwrap();
    let started = hold(&pool, &gate, 3);
    started.reach(1);
    pool.set_core_threads(2).unwrap();
    started.reach(2);
    assert_eq!((pool.stats().pool_size, pool.stats().queued), (2, 1));
    pool.set_core_threads(9).unwrap();
    started.reach(3);
    assert_eq!((pool.stats().pool_size, pool.stats().queued), (3, 0));
    gate.open();
    finish(&pool);
}

#[test]
fn a_lowered_core_sheds_at_once_what_has_been_idle_for_the_keep_alive() {
    // One that waits for its keep-alive anew needs as long in every round.
    let keep_alive = Duration::from_millis(100);
    let shed_at_once = (0..10).any(|_| {
        let pool = ThreadPoolExecutor::builder().threads(8).keep_alive(keep_alive).build().unwrap();
        pool.prestart_all_core_threads().unwrap();
        eventually("all are idle", || pool.stats().idle == 8);
        pass_time(keep_alive);
        assert_eq!(pool.stats().pool_size, 8);
        let lowered = Instant::now();
        pool.set_core_threads(1).unwrap();
        eventually("the surplus has left", || pool.stats().pool_size == 1);
        let took = lowered.elapsed();
        pass_time(Duration::from_millis(2));
        assert_eq!(finish(&pool).pool_size, 0);
        took < keep_alive
    });
    assert!(shed_at_once, "idle threads waited for their keep-alive anew");
}

#[test]
fn a_lowered_maximum_wakes_idle_workers() {
    for _ in 0..repeat(20) {
        let pool = ThreadPoolExecutor::builder().threads(6).keep_alive(HOUR).build().unwrap();
        pool.prestart_all_core_threads().unwrap();
        pool.set_threads(2, 2).unwrap();
        eventually("the surplus has left", || pool.stats().pool_size == 2);
        pool.set_threads(1, 1).unwrap();
        eventually("the surplus has left", || pool.stats().pool_size == 1);
        pool.submit(|| ()).unwrap().join().unwrap();
        finish(&pool);
    }
}

#[test]
fn surplus_busy_workers_leave_after_their_job_and_take_no_other() {
    for _ in 0..repeat(20) {
        let (early, gate) = (Gate::new(), Gate::new());
        let pool =
            ThreadPoolExecutor::builder().threads(4).queue(Queue::Unbounded).build().unwrap();
        hold(&pool, &early, 4).reach(4);
        let started = hold(&pool, &gate, 4);
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        for _ in 0..20 {
            let (running, most) = (Arc::clone(&running), Arc::clone(&most));
            let job = move || {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                thread::yield_now();
                running.fetch_sub(1, Ordering::SeqCst);
            };
            pool.execute(job).unwrap();
        }
        // Now the workers have fetched what is pending, and need not come to the desk for it.
        early.open();
        started.reach(4);
        pool.set_threads(1, 1).unwrap();
        assert_eq!(pool.stats().pool_size, 4);
        gate.open();
        eventually("one worker has done the rest", || {
            let stats = pool.stats();
            stats.pool_size == 1 && stats.completed == 28
        });
        assert_eq!(most.load(Ordering::SeqCst), 1);
        finish(&pool);
    }
}

#[test]
fn a_keep_alive_counts_from_when_a_worker_became_idle() {
    let gate = Gate::new();
    let pool = ThreadPoolExecutor::builder()
        .core_threads(0)
        .max_threads(4)
        .queue(Queue::Handoff)
        .keep_alive(HOUR)
        .build()
        .unwrap();
    hold(&pool, &gate, 4).reach(4);
    gate.open();
    eventually("all are idle", || pool.stats().idle == 4);
    pass_time(KEEP_ALIVE);
    pool.set_keep_alive(HOUR * 2).unwrap();
    pass_time(SHORT);
    assert_eq!(pool.stats().pool_size, 4);
    pool.set_keep_alive(KEEP_ALIVE).unwrap();
    eventually("all have left", || pool.stats().pool_size == 0);
    finish(&pool);
}

#[test]
fn a_capacity_below_the_queues_length_drops_nothing_and_takes_no_more() {
    let pool = ThreadPoolExecutor::builder().threads(1).queue(Queue::Bounded(5)).build().unwrap();
    let log = Arc::new(Mutex::new(Vec::new()));
    let started = Counter::new();
    let gates: Vec<Gate> = (0..7).map(|_| Gate::new()).collect();
    let job = |n: usize| {
        let (log, started, gate) = (Arc::clone(&log), started.clone(), gates[n].clone());
        move || {
            log.lock().push(n);
            started.add();
            gate.pass();
        }
    };
    (0..6).for_each(|n| pool.execute(job(n)).unwrap());
    started.reach(1);
    assert_eq!(pool.stats().queued, 5);
    pool.set_queue_capacity(2).unwrap();
    assert_eq!((pool.stats().queued, pool.stats().capacity), (5, Some(2)));
    for (n, queued) in (0..).zip([5, 4, 3, 2]) {
        started.reach(n + 1);
        assert_eq!(pool.stats().queued, queued);
        let rejected = pool.execute(|| ()).unwrap_err();
        assert_eq!(rejected.reason(), RejectReason::Saturated);
        gates[n].open();
    }
    started.reach(5);
    pool.execute(job(6)).expect("one is queued, two could be");
    assert!(pool.execute(|| ()).unwrap_err().is_saturated());
    gates.iter().for_each(Gate::open);
    let stats = finish(&pool);
    assert_eq!((stats.completed, stats.rejected), (7, 5));
    assert!(log.lock().iter().copied().eq(0..7));
}

#[test]
fn the_queue_of_a_running_pool_can_become_a_hand_off_and_back() {
    let gate = Gate::new();
    let pool = ThreadPoolExecutor::builder().threads(1).queue(Queue::Unbounded).build().unwrap();
    block_worker(&pool, &gate);
    pool.set_queue_capacity(0).unwrap();
    assert!(pool.execute(|| ()).unwrap_err().is_saturated());
    pool.set_queue_capacity(1).unwrap();
    pool.execute(|| ()).unwrap();
    assert!(pool.execute(|| ()).unwrap_err().is_saturated());
    pool.set_queue_capacity(usize::MAX).unwrap();
    (0..1000).for_each(|_| pool.execute(|| ()).unwrap());
    gate.open();
    assert_eq!(finish(&pool).completed, 1002);
}

#[test]
fn prestarted_workers_wait_for_jobs() {
    let pool = ThreadPoolExecutor::builder().core_threads(3).max_threads(5).build().unwrap();
    assert!(pool.prestart_core_thread().unwrap());
    eventually("it waits", || pool.stats().idle == 1);
    assert_eq!(pool.prestart_all_core_threads().unwrap(), 2);
    eventually("they wait", || pool.stats().idle == 3);
    assert!(!pool.prestart_core_thread().unwrap());
    (0..10).for_each(|_| pool.submit(|| ()).unwrap().join().unwrap());
    assert_eq!(pool.stats().pool_size, 3);
    pool.shutdown();
    assert_eq!(pool.prestart_all_core_threads().unwrap(), 0);
    assert_eq!(finish(&pool).largest_pool_size, 3);
}

#[test]
fn a_pool_that_is_shutting_down_can_be_given_more_threads_for_the_rest() {
    let gate = Gate::new();
    let pool = ThreadPoolExecutor::fixed(1).unwrap();
    let started = hold(&pool, &gate, 5);
    started.reach(1);
    pool.shutdown();
    pool.set_threads(3, 3).unwrap();
    started.reach(3);
    assert_eq!((pool.stats().pool_size, pool.stats().queued), (3, 2));
    pool.set_threads(1, 1).unwrap();
    gate.open();
    assert_eq!(finish(&pool).completed, 5);
}

#[test]
fn a_pool_that_has_ended_keeps_its_figures_through_a_change() {
    let pool = ThreadPoolExecutor::fixed(1).unwrap();
    pool.submit(|| ()).unwrap().join().unwrap();
    finish(&pool);
    pool.set_threads(4, 4).unwrap();
    pool.set_queue_capacity(1).unwrap();
    let stats = finish(&pool);
    assert_eq!((stats.pool_size, stats.largest_pool_size, stats.completed), (0, 1, 1));
}

#[test]
fn resizing_under_load_loses_no_job() {
    const JOBS: usize = 2000;
    for queue in [Queue::Unbounded, Queue::Bounded(8), Queue::Handoff] {
        let pool = ThreadPoolExecutor::builder()
            .threads(2)
            .queue(queue)
            .keep_alive(Duration::from_micros(200))
            .build()
            .unwrap();
        let runs: Arc<Vec<AtomicUsize>> =
            Arc::new((0..2 * JOBS).map(|_| AtomicUsize::new(0)).collect());
        let done = Counter::new();
        let submitters: Vec<Helper<()>> = (0..2)
            .map(|submitter| {
                let (handle, runs, done) = (pool.handle(), Arc::clone(&runs), done.clone());
                helper(move || {
                    for n in submitter * JOBS..(submitter + 1) * JOBS {
                        let runs = Arc::clone(&runs);
                        let job = move || _ = runs[n].fetch_add(1, Ordering::Relaxed);
                        handle.execute_timeout(job, Duration::MAX).expect("there comes room");
                    }
                    done.add();
                })
            })
            .collect();
        let plans = [(1, 1), (4, 6), (0, 1), (0, 5), (3, 3), (2, 4)];
        for (core, max) in plans.into_iter().cycle() {
            pool.set_threads(core, max).unwrap();
            pool.allow_core_timeout(core % 2 == 0).unwrap();
            pool.set_keep_alive(Duration::from_micros(50 * max as u64)).unwrap();
            assert_conserved(&pool.stats());
            if done.get() == 2 {
                break;
            }
        }
        submitters.into_iter().for_each(Helper::join);
        pool.set_threads(1, 2).unwrap();
        eventually("no more than the maximum stay", || pool.stats().pool_size <= 2);
        assert_eq!(finish(&pool).completed, 2 * JOBS as u64);
        assert!(runs.iter().all(|runs| runs.load(Ordering::Relaxed) == 1));
    }
}

#[test]
fn a_resized_capacity_under_load_loses_no_job() {
    const JOBS: usize = 2000;
    let pool = ThreadPoolExecutor::builder().threads(2).queue(Queue::Bounded(4)).build().unwrap();
    let (handle, done) = (pool.handle(), Gate::new());
    let end = done.clone();
    let submitter = helper(move || {
        let ran = Counter::new();
        for _ in 0..JOBS {
            let ran = ran.clone();
            handle.execute_timeout(move || _ = ran.add(), Duration::MAX).expect("room comes");
        }
        end.open();
        ran
    });
    for capacity in [0, 1, 9, 0, 3, usize::MAX, 2].into_iter().cycle() {
        pool.set_queue_capacity(capacity).unwrap();
        assert_conserved(&pool.stats());
        if done.is_open() {
            break;
        }
        thread::yield_now();
    }
    let ran = submitter.join();
    finish(&pool);
    assert_eq!(ran.get(), JOBS);
}

#[test]
fn no_spare_comes_where_a_lowered_maximum_is_reached_without_it() {
    let (pool, gate) = (ThreadPoolExecutor::fixed(2).unwrap(), Gate::new());
    let (busy, leave) = (Gate::new(), gate.clone());
    let started = busy.clone();
    let blocker = pool.submit(move || {
        started.open();
        leave.pass();
    });
    let blocker = blocker.unwrap();
    busy.pass();
    let waiter = pool.submit(move || blocker.join_timeout(LONG).is_ok()).unwrap();
    eventually("a worker is parked", || format!("{pool:?}").contains("parked: 1"));
    pool.set_threads(1, 1).unwrap();
    let pending = pool.submit(|| ()).unwrap();
    pass_time(SHORT);
    assert_eq!(
        pool.stats().largest_pool_size,
        2,
        "one worker is busy, and one is what there may be"
    );
    gate.open();
    assert!(soon(waiter));
    soon(pending);
    finish(&pool);
}
