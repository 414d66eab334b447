//! The figures: each of them, their text, and that they always add up.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use workcrew::{
    CancelOutcome, Growth, Handle, Job, Phase, PoolStats, Queue, RejectReason, ThreadPoolExecutor,
    policy,
};

use crate::support::{
    Counter, Gate, Helper, LONG, SHORT, assert_conserved, block_worker, eventually, finish, helper,
    pass_time, repeat, single, soon, stop_point,
};

/// The figures that say what became of the jobs, in the order of the conservation sum.
fn fates(stats: &PoolStats) -> [u64; 8] {
    [
        stats.rejected,
        stats.queued as u64,
        stats.active as u64,
        stats.completed,
        stats.panicked,
        stats.cancelled,
        stats.handed_back,
        stats.discarded,
    ]
}

// Each figure.

#[test]
fn a_new_pool_has_its_settings_and_zeros() {
    let pool = ThreadPoolExecutor::builder()
        .core_threads(2)
        .max_threads(5)
        .queue(Queue::Bounded(7))
        .build()
        .unwrap();
    let stats = pool.stats();
    assert_eq!((stats.phase, stats.core, stats.max), (Phase::Running, 2, 5));
    assert_eq!(stats.capacity, Some(7));
    assert_eq!((stats.pool_size, stats.largest_pool_size, stats.idle), (0, 0, 0));
    assert_eq!((stats.submitted, stats.accepted), (0, 0));
    assert_eq!(fates(&stats), [0; 8]);
    assert_eq!((stats.caller_ran, stats.spawn_failures, stats.oldest_pending), (0, 0, None));
    finish(&pool);

    let capacities = [(Queue::Unbounded, None), (Queue::Handoff, Some(0))];
    for (queue, capacity) in capacities {
        let pool = ThreadPoolExecutor::builder().threads(1).queue(queue).build().unwrap();
        assert_eq!(pool.stats().capacity, capacity);
        pool.set_queue_capacity(3).unwrap();
        assert_eq!(pool.stats().capacity, Some(3));
        finish(&pool);
    }
    let pool = single();
    pool.set_threads(2, 4).unwrap();
    assert_eq!((pool.stats().core, pool.stats().max), (2, 4));
    finish(&pool);
}

#[test]
fn every_figure_counts_its_jobs() {
    let pool = ThreadPoolExecutor::builder().threads(2).queue(Queue::Bounded(2)).build().unwrap();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    let stats = pool.stats();
    assert_eq!((stats.pool_size, stats.active, stats.idle, stats.queued), (1, 1, 0, 0));
    assert_eq!((stats.submitted, stats.accepted, stats.oldest_pending), (1, 1, None));
    block_worker(&pool, &gate);

    let cancelled = pool.submit(|| ()).unwrap();
    pool.execute(|| panic!("never run")).unwrap();
    let stats = pool.stats();
    assert_eq!((stats.queued, stats.active, stats.pool_size), (2, 2, 2));
    assert!(stats.oldest_pending.is_some());
    assert_eq!(cancelled.cancel(), CancelOutcome::Removed);
    assert_eq!(fates(&pool.stats()), [0, 1, 2, 0, 0, 1, 0, 0]);
    drop(pool.take_pending());
    assert_eq!(fates(&pool.stats()), [0, 0, 2, 0, 0, 1, 1, 0]);

    pool.execute(|| panic!("to be counted")).unwrap();
    pool.execute(|| ()).unwrap();
    assert_eq!(pool.execute(|| ()).unwrap_err().reason(), RejectReason::Saturated);
    assert_eq!(pool.try_execute(|| ()).unwrap_err().reason(), RejectReason::Saturated);
    let timed_out = pool.execute_timeout(|| (), Duration::ZERO).unwrap_err();
    assert_eq!(timed_out.reason(), RejectReason::TimedOut);
    let stats = pool.stats();
    assert_eq!(fates(&stats), [3, 2, 2, 0, 0, 1, 1, 0]);
    assert_eq!((stats.submitted, stats.accepted), (9, 6));

    gate.open();
    pool.wait_idle(LONG).unwrap();
    let stats = pool.stats();
    assert_eq!(fates(&stats), [3, 0, 0, 3, 1, 1, 1, 0]);
    assert_eq!((stats.idle, stats.pool_size, stats.largest_pool_size), (2, 2, 2));
    let stats = finish(&pool);
    assert!(pool.execute(|| ()).unwrap_err().is_shutdown());
    assert_eq!(pool.stats().rejected, stats.rejected + 1, "also when all is over");
    assert_conserved(&pool.stats());
}

#[test]
fn a_job_counts_as_completed_only_when_it_has_returned() {
    let pool = single();
    let watch = pool.handle();
    let within = soon(pool.submit(move || watch.stats()).unwrap());
    assert_eq!((within.completed, within.active, within.queued), (0, 1, 0));
    let stats = pool.stats();
    assert_eq!((stats.completed, stats.active), (1, 0));
    assert_eq!(finish(&pool).completed, 1);
}

#[test]
fn accepted_jobs_are_counted_while_they_queue_and_to_the_end() {
    let pool = single();
    assert_eq!(pool.stats().accepted, 0);
    let gate = Gate::new();
    block_worker(&pool, &gate);
    assert_eq!(pool.stats().accepted, 1);
    for accepted in 2..=4 {
        pool.execute(|| ()).unwrap();
        let stats = pool.stats();
        assert_eq!((stats.accepted, stats.completed), (accepted, 0));
    }
    gate.open();
    let stats = finish(&pool);
    assert_eq!((stats.accepted, stats.completed), (4, 4));
}

#[test]
fn discarded_jobs_are_counted_whichever_policy_drops_them() {
    for oldest in [false, true] {
        let builder = ThreadPoolExecutor::builder().threads(1).queue(Queue::Bounded(1));
        let builder = if oldest {
            builder.rejection_policy(policy::DiscardOldest)
        } else {
            builder.rejection_policy(policy::Discard)
        };
        let pool = builder.build().unwrap();
        let gate = Gate::new();
        block_worker(&pool, &gate);
        for discarded in 0..5 {
            pool.execute(|| ()).unwrap();
            assert_eq!(fates(&pool.stats()), [0, 1, 1, 0, 0, 0, 0, discarded]);
        }
        gate.open();
        let stats = finish(&pool);
        assert_eq!((stats.completed, stats.discarded, stats.rejected), (2, 4, 0));
    }
}

#[test]
fn jobs_run_by_their_submitter_are_active_while_they_run_and_counted_after() {
    let pool = ThreadPoolExecutor::builder()
        .threads(1)
        .queue(Queue::Handoff)
        .rejection_policy(policy::CallerRuns)
        .build()
        .unwrap();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    let (running, leave) = (Gate::new(), Gate::new());
    let (started, open, submitter) = (running.clone(), leave.clone(), pool.handle());
    let caller = helper(move || {
        submitter
            .execute(move || {
                started.open();
                open.pass();
            })
            .unwrap();
    });
    running.pass();
    let stats = pool.stats();
    assert_eq!((stats.active, stats.caller_ran, stats.pool_size), (2, 1, 1));
    assert_conserved(&stats);
    leave.open();
    caller.join();
    assert_eq!((pool.stats().active, pool.stats().completed), (1, 1));
    pool.execute(|| panic!("on its submitter")).unwrap();
    let stats = pool.stats();
    assert_eq!((stats.caller_ran, stats.completed, stats.panicked), (2, 1, 1));
    gate.open();
    assert_eq!(finish(&pool).caller_ran, 2);
}

#[test]
fn threads_that_could_not_be_started_are_counted() {
    let calls = Counter::new();
    let count = calls.clone();
    let pool = ThreadPoolExecutor::builder()
        .threads(3)
        .queue(Queue::Unbounded)
        .thread_factory(move |worker| {
            if count.add() > 1 {
                return Err(io::Error::other("no more threads"));
            }
            worker.builder().spawn(move || worker.run())
        })
        .build()
        .unwrap();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    for failures in 1..=3 {
        pool.execute(|| ()).unwrap();
        let stats = pool.stats();
        assert_eq!((stats.spawn_failures, stats.pool_size), (failures, 1));
        assert_conserved(&stats);
    }
    gate.open();
    let stats = finish(&pool);
    assert_eq!((stats.completed, stats.spawn_failures), (4, 3));
}

#[test]
fn the_largest_size_is_never_forgotten() {
    let pool = ThreadPoolExecutor::builder()
        .core_threads(0)
        .max_threads(3)
        .queue(Queue::Handoff)
        .keep_alive(Duration::ZERO)
        .build()
        .unwrap();
    assert_eq!(pool.stats().largest_pool_size, 0);
    let gate = Gate::new();
    for size in 1..=3 {
        block_worker(&pool, &gate);
        assert_eq!(pool.stats().largest_pool_size, size);
    }
    gate.open();
    eventually("they leave", || pool.stats().pool_size == 0);
    assert_eq!(pool.stats().largest_pool_size, 3);
    soon(pool.submit(|| ()).unwrap());
    let stats = finish(&pool);
    assert_eq!((stats.largest_pool_size, stats.completed), (3, 4));
    assert_eq!(pool.stats(), stats, "they can be read when all is over, and stay");
}

#[test]
fn the_wait_of_the_oldest_pending_job_is_that_of_the_oldest_that_is_left() {
    let pool = single();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    assert_eq!(pool.stats().oldest_pending, None, "a running job does not wait");
    let oldest = pool.submit(|| ()).unwrap();
    let first = pool.stats().oldest_pending.unwrap();
    pass_time(SHORT);
    let second = pool.stats().oldest_pending.unwrap();
    assert!(second >= first + SHORT, "{second:?} after {first:?}");
    let since = std::time::Instant::now();
    let newer = pool.submit(|| ()).unwrap();
    assert!(pool.stats().oldest_pending.unwrap() >= second);
    assert_eq!(oldest.cancel(), CancelOutcome::Removed);
    let left = pool.stats().oldest_pending.unwrap();
    assert!(left <= since.elapsed(), "that of the cancelled one: {left:?}");
    assert_eq!(newer.cancel(), CancelOutcome::Removed);
    assert_eq!(pool.stats().oldest_pending, None);
    pool.execute(|| ()).unwrap();
    assert!(pool.stats().oldest_pending.is_some());
    drop(pool.take_pending());
    assert_eq!(pool.stats().oldest_pending, None);
    gate.open();
    assert_eq!(finish(&pool).oldest_pending, None);
}

#[test]
fn a_waiter_that_runs_a_job_counts_it_as_active_and_no_longer_as_queued() {
    let pool = single();
    let watch = pool.handle();
    let (outer, inner) = soon(
        pool.submit(move || {
            let within = watch.clone();
            let child = watch.submit(move || within.stats()).unwrap();
            (watch.stats(), child.join().unwrap())
        })
        .unwrap(),
    );
    assert_eq!(fates(&outer), [0, 1, 1, 0, 0, 0, 0, 0]);
    assert_eq!(fates(&inner), [0, 0, 2, 0, 0, 0, 0, 0]);
    assert_eq!(inner.oldest_pending, None);
    assert_eq!(finish(&pool).completed, 2);
}

#[test]
fn a_worker_that_is_being_started_is_counted_apart_from_what_runs() {
    let (entered, gate, stop) = stop_point();
    let pool =
        ThreadPoolExecutor::builder().threads(1).on_thread_start(move |_| stop()).build().unwrap();
    let handle = pool.submit(|| ()).unwrap();
    pool.execute(|| ()).unwrap();
    entered.pass();
    let stats = pool.stats();
    assert_eq!(fates(&stats), [0, 2, 0, 0, 0, 0, 0, 0]);
    assert_eq!((stats.pool_size, stats.starting, stats.idle), (1, 1, 0));
    gate.open();
    soon(handle);
    assert_eq!(pool.stats().starting, 0);
    assert_eq!(finish(&pool).completed, 2);
}

// Their text.

#[test]
fn the_text_is_the_jdks_in_a_short_and_a_long_form() {
    let pool = ThreadPoolExecutor::builder().threads(2).name("texts").build().unwrap();
    let short = "[pool=0, active=0, queuedTasks=0, completedTasks=0]";
    assert_eq!(pool.stats().to_string(), short);
    let gate = Gate::new();
    block_worker(&pool, &gate);
    block_worker(&pool, &gate);
    pool.execute(|| ()).unwrap();
    let last = pool.submit(|| ()).unwrap();
    let short = "[pool=2, active=2, queuedTasks=2, completedTasks=0]";
    assert_eq!(format!("{}", pool.stats()), short);
    let long = |state: &str, figures: [u32; 4]| {
        let [size, active, queued, completed] = figures;
        format!(
            "[{state}, pool size = {size}, active threads = {active}, \
             queued tasks = {queued}, completed tasks = {completed}]"
        )
    };
    assert_eq!(format!("{:#}", pool.stats()), long("Running", [2, 2, 2, 0]));
    assert_eq!(
        format!("{:#}", pool.stats()),
        "[Running, pool size = 2, active threads = 2, queued tasks = 2, completed tasks = 0]"
    );
    pool.shutdown();
    assert_eq!(format!("{:#}", pool.stats()), long("Shutting down", [2, 2, 2, 0]));
    gate.open();
    soon(last);
    finish(&pool);
    assert_eq!(format!("{:#}", pool.stats()), long("Terminated", [0, 0, 0, 4]));
    assert_eq!(pool.stats().to_string(), "[pool=0, active=0, queuedTasks=0, completedTasks=4]");
    assert!(
        format!("{pool:?}").starts_with("ThreadPoolExecutor { name: \"texts\", stats: PoolStats")
    );
    assert_eq!(format!("{pool:?}"), format!("{:?}", pool.handle()));
}

// That they add up, always.

/// Takes snapshots until told to stop: each adds up, and no counter ever falls. Returns once it has
/// begun.
fn auditor(pool: &ThreadPoolExecutor, stop: &Arc<AtomicBool>) -> Helper<()> {
    let (pool, stop) = (pool.handle(), Arc::clone(stop));
    let begun = Gate::new();
    let begins = begun.clone();
    let counters = |stats: &PoolStats| {
        [
            stats.submitted,
            stats.rejected,
            stats.accepted,
            stats.completed,
            stats.panicked,
            stats.cancelled,
            stats.handed_back,
            stats.discarded,
            stats.caller_ran,
        ]
    };
    let auditor = helper(move || {
        let mut before = counters(&pool.stats());
        begins.open();
        while !stop.load(Ordering::Acquire) {
            let stats = pool.stats();
            assert_conserved(&stats);
            let now = counters(&stats);
            let falls = before.iter().zip(&now).any(|(before, now)| now < before);
            assert!(!falls, "{now:?} after {before:?}");
            assert!(stats.pool_size <= stats.largest_pool_size, "{stats:?}");
            assert!(stats.idle <= stats.pool_size, "{stats:?}");
            assert!(
                stats.idle == 0 || stats.queued == 0,
                "idle workers and pending jobs: {stats:?}"
            );
            before = now;
        }
    });
    begun.pass();
    auditor
}

/// Submits jobs of every kind, one way and another, and counts its submissions.
fn submitter(pool: &Handle, seed: usize, jobs: usize) -> Helper<u64> {
    let pool = pool.clone();
    helper(move || {
        let mut submitted = 0;
        let mut kept = Vec::new();
        for n in seed..seed + jobs {
            submitted += 1;
            match n % 8 {
                0 => drop(pool.execute(|| ())),
                1 => drop(pool.execute(|| std::panic::resume_unwind(Box::new("quietly")))),
                2 => drop(pool.try_execute(|| ())),
                3 => drop(pool.execute_timeout(|| (), Duration::from_micros(50))),
                4 => kept.extend(pool.submit(|| ())),
                5 => {
                    let (job, handle) = Job::with_handle(|| ());
                    handle.cancel();
                    pool.execute_job(job).ok();
                }
                6 => drop(pool.submit(|| ()).map(|handle| handle.cancel())),
                _ => {
                    // A job that waits for another, which its worker may have to run.
                    let inner = pool.clone();
                    let outer = move || {
                        if let Ok(child) = inner.submit(|| ()) {
                            // Not for a time: hundreds of these may be queued before their children.
                            child.join().ok();
                        }
                    };
                    pool.execute(outer).ok();
                }
            }
        }
        for handle in kept {
            handle.join_timeout(LONG).expect("every handle settles").ok();
        }
        submitted
    })
}

/// Lets submitters, auditors and the taker of pending jobs loose on a pool.
#[track_caller]
fn assert_adds_up_under_load(pool: &ThreadPoolExecutor) {
    let stop = Arc::new(AtomicBool::new(false));
    let auditors = [auditor(pool, &stop), auditor(pool, &stop)];
    let jobs = repeat(2_000);
    let submitters: Vec<_> = (0..3).map(|seed| submitter(&pool.handle(), seed, jobs)).collect();
    for round in 0..jobs / 20 {
        drop(pool.take_pending());
        if round % 8 == 0 {
            pool.set_threads(round % 3, 2 + round % 3).expect("possible sizes");
        }
        std::thread::yield_now();
    }
    let submitted: u64 = submitters.into_iter().map(Helper::join).sum();
    stop.store(true, Ordering::Release);
    auditors.into_iter().for_each(Helper::join);
    let stats = finish(pool);
    // The jobs' own submissions come on top.
    assert!(stats.submitted >= submitted, "{submitted} at least: {stats:?}");
    assert!(stats.submitted <= submitted + submitted / 8 + 3, "{submitted} at least: {stats:?}");
}

#[test]
fn they_add_up_under_load_with_every_policy() {
    type Configure = fn(workcrew::Builder) -> workcrew::Builder;
    let policies: [Configure; 5] = [
        |builder| builder.rejection_policy(policy::Abort),
        |builder| builder.rejection_policy(policy::CallerRuns),
        |builder| builder.rejection_policy(policy::Discard),
        |builder| builder.rejection_policy(policy::DiscardOldest),
        |builder| builder.rejection_policy(policy::Block { timeout: Duration::from_micros(100) }),
    ];
    for policy in policies {
        let builder = ThreadPoolExecutor::builder()
            .core_threads(1)
            .max_threads(3)
            .queue(Queue::Bounded(4))
            .keep_alive(Duration::from_micros(200));
        assert_adds_up_under_load(&policy(builder).build().unwrap());
    }
}

#[test]
fn they_add_up_under_load_with_every_queue() {
    for queue in [Queue::Unbounded, Queue::Handoff, Queue::Bounded(64)] {
        let pool = ThreadPoolExecutor::builder()
            .core_threads(0)
            .max_threads(3)
            .queue(queue)
            .growth(Growth::ThreadsFirst)
            .keep_alive(Duration::from_micros(200))
            .build()
            .unwrap();
        assert_adds_up_under_load(&pool);
    }
}

#[test]
fn they_add_up_through_a_shutdown_now() {
    for round in 0..repeat(20) {
        let pool = ThreadPoolExecutor::fixed(2).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let audits = auditor(&pool, &stop);
        let submitters: Vec<_> = (0..2).map(|seed| submitter(&pool.handle(), seed, 200)).collect();
        for _ in 0..round * 5 {
            std::thread::yield_now();
        }
        let handed_back = pool.shutdown_now().len() as u64;
        let submitted: u64 = submitters.into_iter().map(Helper::join).sum();
        assert_eq!(submitted, 400);
        stop.store(true, Ordering::Release);
        audits.join();
        assert_eq!(finish(&pool).handed_back, handed_back);
    }
}
