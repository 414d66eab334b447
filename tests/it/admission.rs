//! What happens to a submitted job, and in what order jobs start.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, ThreadId};
use std::time::Duration;

use parking_lot::Mutex;
use workcrew::{Growth, Job, PoolStats, Queue, RejectReason, ThreadPoolExecutor};

use crate::support::{
    Counter, Gate, Helper, assert_conserved, block_worker, eventually, finish, helper, hold, repeat,
};

/// Workers, jobs that run or are for a worker that is starting, and the other queued jobs.
fn figures(pool: &ThreadPoolExecutor) -> (usize, usize, usize) {
    let stats = pool.stats();
    let promised = promised(&stats);
    (stats.pool_size, stats.active + promised, stats.queued - promised)
}

/// Jobs for the workers that are starting.
fn promised(stats: &PoolStats) -> usize {
    stats.queued.min(stats.starting)
}

#[test]
fn below_the_core_each_job_starts_a_worker_though_others_are_idle() {
    let pool = ThreadPoolExecutor::builder().threads(3).build().unwrap();
    for size in [1, 2, 3, 3, 3] {
        pool.submit(|| ()).unwrap().join().unwrap();
        assert_eq!(pool.stats().pool_size, size);
    }
    finish(&pool);
}

#[test]
fn threads_first_gives_a_job_to_an_idle_worker_before_it_starts_another() {
    let pool =
        ThreadPoolExecutor::builder().threads(3).growth(Growth::ThreadsFirst).build().unwrap();
    for _ in 0..repeat(100) {
        pool.submit(|| ()).unwrap().join().unwrap();
    }
    assert_eq!(finish(&pool).largest_pool_size, 1);
}

#[test]
fn a_full_queue_grows_the_pool_up_to_its_maximum() {
    for _ in 0..repeat(30) {
        let gate = Gate::new();
        let pool = ThreadPoolExecutor::builder()
            .core_threads(1)
            .max_threads(3)
            .queue(Queue::Bounded(2))
            .build()
            .unwrap();
        for expected in [(1, 1, 0), (1, 1, 1), (1, 1, 2), (2, 2, 2), (3, 3, 2)] {
            hold(&pool, &gate, 1);
            assert_eq!(figures(&pool), expected);
        }
        let rejected = pool.execute(|| ()).unwrap_err();
        assert_eq!(rejected.reason(), RejectReason::Saturated);
        assert_eq!(figures(&pool), (3, 3, 2));
        gate.open();
        let stats = finish(&pool);
        assert_eq!((stats.completed, stats.rejected, stats.largest_pool_size), (5, 1, 3));
    }
}

#[test]
fn threads_first_fills_the_queue_only_when_the_maximum_is_busy() {
    for _ in 0..repeat(30) {
        let gate = Gate::new();
        let pool = ThreadPoolExecutor::builder()
            .core_threads(1)
            .max_threads(3)
            .queue(Queue::Bounded(2))
            .growth(Growth::ThreadsFirst)
            .build()
            .unwrap();
        for expected in [(1, 1, 0), (2, 2, 0), (3, 3, 0), (3, 3, 1), (3, 3, 2)] {
            hold(&pool, &gate, 1);
            assert_eq!(figures(&pool), expected);
        }
        let rejected = pool.execute(|| ()).unwrap_err();
        assert_eq!(rejected.reason(), RejectReason::Saturated);
        gate.open();
        assert_eq!(finish(&pool).completed, 5);
    }
}

#[test]
fn a_pool_without_core_threads_works_with_one_until_its_queue_is_full() {
    let gate = Gate::new();
    let pool = ThreadPoolExecutor::builder()
        .core_threads(0)
        .max_threads(3)
        .queue(Queue::Bounded(2))
        .build()
        .unwrap();
    for expected in [(1, 1, 0), (1, 1, 1), (1, 1, 2), (2, 2, 2), (3, 3, 2)] {
        hold(&pool, &gate, 1);
        assert_eq!(figures(&pool), expected);
    }
    gate.open();
    assert_eq!(finish(&pool).completed, 5);
}

#[test]
fn an_unbounded_queue_is_never_full() {
    let gate = Gate::new();
    let pool = ThreadPoolExecutor::builder()
        .core_threads(1)
        .max_threads(4)
        .queue(Queue::Unbounded)
        .build()
        .unwrap();
    hold(&pool, &gate, 5001);
    assert_eq!(figures(&pool), (1, 1, 5000));
    gate.open();
    let stats = finish(&pool);
    assert_eq!((stats.completed, stats.largest_pool_size), (5001, 1));
}

#[test]
fn a_hand_off_pool_accepts_only_what_a_worker_takes_at_once() {
    for queue in [Queue::Handoff, Queue::Bounded(0)] {
        let gate = Gate::new();
        let pool = ThreadPoolExecutor::builder()
            .core_threads(0)
            .max_threads(2)
            .queue(queue)
            .build()
            .unwrap();
        hold(&pool, &gate, 2).reach(2);
        let rejected = pool.execute(|| ()).unwrap_err();
        assert_eq!(rejected.reason(), RejectReason::Saturated);
        assert_eq!(figures(&pool), (2, 2, 0));
        gate.open();
        eventually("both workers are idle", || pool.stats().idle == 2);
        pool.submit(|| ()).unwrap().join().unwrap();
        assert_eq!(finish(&pool).completed, 3);
    }
}

#[test]
fn a_new_extra_worker_takes_the_oldest_pending_job() {
    for _ in 0..repeat(50) {
        let (first, gate) = (Gate::new(), Gate::new());
        let pool = ThreadPoolExecutor::builder()
            .core_threads(1)
            .max_threads(4)
            .queue(Queue::Bounded(2))
            .build()
            .unwrap();
        block_worker(&pool, &first);
        let log = Arc::new(Mutex::new(Vec::new()));
        let started = Counter::new();
        let submit = |name: char| {
            let (log, started, gate) = (Arc::clone(&log), started.clone(), gate.clone());
            let job = move || {
                log.lock().push(name);
                started.add();
                gate.pass();
            };
            pool.execute(job).unwrap();
        };
        submit('A');
        submit('B');
        assert_eq!(started.get(), 0, "the core is busy and the queue has room");
        for (step, (next, oldest)) in [('C', 'A'), ('D', 'B'), ('E', 'C')].into_iter().enumerate() {
            submit(next);
            started.reach(step + 1);
            assert_eq!(log.lock().last(), Some(&oldest));
            assert_eq!(figures(&pool), (step + 2, step + 2, 2), "the new job waits");
        }
        gate.open();
        first.open();
        assert_eq!(finish(&pool).completed, 6);
    }
}

#[test]
fn jobs_start_in_the_order_of_their_submission() {
    const JOBS: usize = 10_000;
    for queue in [Queue::Unbounded, Queue::Bounded(JOBS), Queue::Bounded(7), Queue::Handoff] {
        let pool = ThreadPoolExecutor::builder().threads(1).queue(queue).build().unwrap();
        let log = Arc::new(Mutex::new(Vec::with_capacity(JOBS)));
        for n in 0..JOBS {
            let log = Arc::clone(&log);
            pool.execute_timeout(move || log.lock().push(n), Duration::MAX).unwrap();
        }
        finish(&pool);
        assert!(log.lock().iter().copied().eq(0..JOBS), "out of order with {queue:?}");
    }
}

#[test]
fn jobs_that_waited_for_long_start_in_the_order_of_their_submission() {
    const JOBS: usize = 10_000;
    let gate = Gate::new();
    let pool = ThreadPoolExecutor::single().unwrap();
    block_worker(&pool, &gate);
    let log = Arc::new(Mutex::new(Vec::with_capacity(JOBS)));
    for n in 0..JOBS {
        let log = Arc::clone(&log);
        pool.execute(move || log.lock().push(n)).unwrap();
    }
    gate.open();
    finish(&pool);
    assert!(log.lock().iter().copied().eq(0..JOBS));
}

#[test]
fn each_worker_of_several_starts_jobs_in_the_order_of_their_submission() {
    const JOBS: usize = 10_000;
    let pool = ThreadPoolExecutor::builder()
        .core_threads(1)
        .max_threads(4)
        .queue(Queue::Bounded(16))
        .keep_alive(Duration::ZERO)
        .build()
        .unwrap();
    let logs = Arc::new(Mutex::new(HashMap::<ThreadId, Vec<usize>>::new()));
    for n in 0..JOBS {
        let logs = Arc::clone(&logs);
        let job = move || logs.lock().entry(thread::current().id()).or_default().push(n);
        pool.execute_timeout(job, Duration::MAX).unwrap();
    }
    finish(&pool);
    let logs = logs.lock();
    assert_eq!(logs.values().map(Vec::len).sum::<usize>(), JOBS);
    assert!(logs.values().all(|log| log.is_sorted()), "a worker took a younger job first");
}

#[test]
fn a_burst_of_two_on_one_idle_worker_starts_both() {
    let growths = [
        (Queue::Bounded(8), Growth::ThreadsFirst),
        (Queue::Unbounded, Growth::ThreadsFirst),
        (Queue::Handoff, Growth::QueueFirst),
    ];
    for (queue, growth) in growths {
        for _ in 0..repeat(100) {
            let gate = Gate::new();
            let pool = ThreadPoolExecutor::builder()
                .core_threads(1)
                .max_threads(2)
                .queue(queue)
                .growth(growth)
                .build()
                .unwrap();
            pool.submit(|| ()).unwrap().join().unwrap();
            assert_eq!(pool.stats().idle, 1);
            let started = hold(&pool, &gate, 2);
            started.reach(2);
            assert_eq!(figures(&pool), (2, 2, 0));
            gate.open();
            finish(&pool);
        }
    }
}

#[test]
fn thirty_blockers_make_exactly_thirty_threads_under_threads_first() {
    for queue in [Queue::Unbounded, Queue::Bounded(1000), Queue::Handoff] {
        let gate = Gate::new();
        let pool = ThreadPoolExecutor::builder()
            .core_threads(20)
            .max_threads(50)
            .queue(queue)
            .growth(Growth::ThreadsFirst)
            .build()
            .unwrap();
        hold(&pool, &gate, 30).reach(30);
        assert_eq!(figures(&pool), (30, 30, 0));
        gate.open();
        assert_eq!(finish(&pool).largest_pool_size, 30);
    }
}

#[test]
fn waves_that_fit_the_threads_are_never_rejected_under_threads_first() {
    let pool = ThreadPoolExecutor::builder()
        .core_threads(1)
        .max_threads(5)
        .queue(Queue::Bounded(1))
        .growth(Growth::ThreadsFirst)
        .build()
        .unwrap();
    for _ in 0..repeat(500) {
        let wave: Vec<_> = (0..4).map(|n| pool.submit(move || n).unwrap()).collect();
        let values: Vec<_> = wave.into_iter().map(|handle| handle.join().unwrap()).collect();
        assert_eq!(values, [0, 1, 2, 3]);
    }
    assert_eq!(finish(&pool).rejected, 0);
}

#[test]
fn accepted_jobs_are_counted_from_their_submission() {
    let gate = Gate::new();
    let pool = ThreadPoolExecutor::single().unwrap();
    let counts = || {
        let stats = pool.stats();
        (stats.accepted, stats.submitted, stats.completed)
    };
    assert_eq!(counts(), (0, 0, 0));
    block_worker(&pool, &gate);
    assert_eq!(counts(), (1, 1, 0));
    for accepted in 2..=4 {
        hold(&pool, &gate, 1);
        assert_eq!(counts(), (accepted, accepted, 0));
    }
    gate.open();
    finish(&pool);
    assert_eq!(counts(), (4, 4, 4));
}

#[test]
fn the_largest_pool_size_is_kept() {
    let gate = Gate::new();
    let pool = ThreadPoolExecutor::builder().threads(3).queue(Queue::Unbounded).build().unwrap();
    assert_eq!(pool.stats().largest_pool_size, 0);
    hold(&pool, &gate, 3).reach(3);
    assert_eq!(pool.stats().largest_pool_size, 3);
    gate.open();
    let stats = finish(&pool);
    assert_eq!((stats.largest_pool_size, stats.pool_size), (3, 0));
}

#[test]
fn exactly_as_many_jobs_are_accepted_as_there_are_places() {
    const EACH: usize = 6;
    for growth in [Growth::QueueFirst, Growth::ThreadsFirst] {
        for _ in 0..repeat(40) {
            let (go, gate) = (Gate::new(), Gate::new());
            let pool = ThreadPoolExecutor::builder()
                .core_threads(1)
                .max_threads(4)
                .queue(Queue::Bounded(8))
                .growth(growth)
                .build()
                .unwrap();
            let submitters: Vec<Helper<usize>> = (0..4)
                .map(|_| {
                    let (handle, go, gate) = (pool.handle(), go.clone(), gate.clone());
                    helper(move || {
                        go.pass();
                        let submit = |()| {
                            let gate = gate.clone();
                            handle.execute(move || gate.pass())
                        };
                        (0..EACH).filter(|_| submit(()).is_ok()).count()
                    })
                })
                .collect();
            go.open();
            let accepted: usize = submitters.into_iter().map(Helper::join).sum();
            assert_eq!(accepted, 4 + 8, "four threads and eight places, {growth:?}");
            assert_eq!(figures(&pool), (4, 4, 8));
            gate.open();
            let stats = finish(&pool);
            assert_eq!((stats.completed, stats.rejected), (12, 12));
        }
    }
}

#[test]
fn no_moment_sees_more_workers_or_jobs_than_the_limits_allow() {
    let pool = ThreadPoolExecutor::builder()
        .core_threads(1)
        .max_threads(4)
        .queue(Queue::Bounded(8))
        .keep_alive(Duration::ZERO)
        .build()
        .unwrap();
    let done = Counter::new();
    let submitters: Vec<Helper<usize>> = (0..3)
        .map(|_| {
            let (handle, done) = (pool.handle(), done.clone());
            helper(move || {
                let rejected = (0..1000).filter(|_| handle.execute(thread::yield_now).is_err());
                let rejected = rejected.count();
                done.add();
                rejected
            })
        })
        .collect();
    while done.get() < 3 {
        let stats = pool.stats();
        assert_conserved(&stats);
        let (promised, size) = (promised(&stats), stats.pool_size);
        assert!(size <= 4 && stats.queued - promised <= 8 && stats.active <= 4, "{stats:?}");
        assert!(stats.idle == 0 || stats.queued == 0, "jobs wait beside idle workers: {stats:?}");
    }
    let rejected: usize = submitters.into_iter().map(Helper::join).sum();
    let stats = finish(&pool);
    assert_eq!((stats.submitted, stats.rejected), (3000, rejected as u64));
    assert_eq!(stats.completed, 3000 - stats.rejected);
    assert!(stats.largest_pool_size <= 4);
}

#[test]
fn a_rejected_job_that_is_submitted_again_runs_exactly_once() {
    const JOBS: usize = 1000;
    let pool = ThreadPoolExecutor::builder()
        .core_threads(1)
        .max_threads(30)
        .queue(Queue::Bounded(30))
        .build()
        .unwrap();
    let runs: Arc<Vec<AtomicUsize>> = Arc::new((0..JOBS).map(|_| AtomicUsize::new(0)).collect());
    // Closed until the first rejection, so that there is one.
    let gate = Gate::new();
    let mut rejections = 0;
    for n in 0..JOBS {
        let (runs, gate_of_job) = (Arc::clone(&runs), gate.clone());
        let mut job = Job::new(move || {
            gate_of_job.pass();
            runs[n].fetch_add(1, Ordering::Relaxed);
        });
        while let Err(rejected) = pool.execute_job(job) {
            assert!(rejected.is_saturated());
            rejections += 1;
            gate.open();
            job = rejected.into_job();
            thread::yield_now();
        }
    }
    let stats = finish(&pool);
    assert!(rejections > 0);
    assert_eq!((stats.completed, stats.rejected), (JOBS as u64, rejections));
    assert!(runs.iter().all(|runs| runs.load(Ordering::Relaxed) == 1));
}

#[test]
fn a_single_thread_runs_the_jobs_of_several_submitters_one_at_a_time() {
    const JOBS: usize = 1000;
    let pool = ThreadPoolExecutor::single().unwrap();
    let busy = Arc::new(AtomicBool::new(false));
    let log = Arc::new(Mutex::new(Vec::new()));
    let submitters: Vec<Helper<()>> = (0..4)
        .map(|submitter| {
            let (handle, busy, log) = (pool.handle(), Arc::clone(&busy), Arc::clone(&log));
            helper(move || {
                for n in 0..JOBS {
                    let (busy, log) = (Arc::clone(&busy), Arc::clone(&log));
                    let job = move || {
                        let overlaps = busy.swap(true, Ordering::SeqCst);
                        log.lock().push((submitter, n, thread::current().id(), overlaps));
                        busy.store(false, Ordering::SeqCst);
                    };
                    handle.execute(job).expect("the queue has no limit");
                }
            })
        })
        .collect();
    submitters.into_iter().for_each(Helper::join);
    assert_eq!(finish(&pool).largest_pool_size, 1);
    let log = log.lock();
    for submitter in 0..4 {
        let own = log.iter().filter(|entry| entry.0 == submitter).map(|entry| entry.1);
        assert!(own.eq(0..JOBS), "the jobs of one submitter changed their order");
    }
    assert!(log.iter().all(|entry| entry.2 == log[0].2), "more than one thread");
    assert!(log.iter().all(|entry| !entry.3), "two jobs at a time");
}
