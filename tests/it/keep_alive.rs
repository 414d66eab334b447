//! Who leaves when, and which idle worker is woken.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use workcrew::{Growth, Phase, Queue, ThreadPoolExecutor};

use crate::support::{
    Counter, Gate, KEEP_ALIVE, LONG, Own, SHORT, assert_conserved, block_worker, eventually,
    finish, helper, hold, pass_time, repeat, soon, stop_point,
};

#[test]
fn surplus_workers_leave_after_the_keep_alive_and_the_core_stays() {
    for _ in 0..repeat(5) {
        let gate = Gate::new();
        let keep_alive = Duration::from_millis(12);
        let pool = ThreadPoolExecutor::builder()
            .core_threads(4)
            .max_threads(8)
            .keep_alive(keep_alive)
            .queue(Queue::Bounded(0))
            .build()
            .unwrap();
        hold(&pool, &gate, 8).reach(8);
        assert_eq!(pool.stats().pool_size, 8);
        let released = Instant::now();
        gate.open();
        eventually("the surplus has left", || {
            let size = pool.stats().pool_size;
            assert!(size >= 4, "core workers left too: {size}");
            size == 4
        });
        assert!(released.elapsed() >= keep_alive);
        pass_time(keep_alive * 2);
        pool.wait_idle(LONG).unwrap();
        let stats = pool.stats();
        assert_eq!((stats.pool_size, stats.idle, stats.completed), (4, 4, 8));
        assert_eq!(finish(&pool).largest_pool_size, 8);
    }
}

#[test]
fn core_threads_leave_only_if_they_may() {
    for may in [true, false] {
        let pool = ThreadPoolExecutor::builder()
            .threads(1)
            .keep_alive(KEEP_ALIVE)
            .allow_core_timeout(may)
            .build()
            .unwrap();
        let begun = Instant::now();
        soon(pool.submit(|| ()).unwrap());
        if may {
            eventually("the core thread has left", || pool.stats().pool_size == 0);
            assert!(begun.elapsed() >= KEEP_ALIVE);
        } else {
            pass_time(KEEP_ALIVE * 2);
            assert_eq!(pool.stats().pool_size, 1);
        }
        soon(pool.submit(|| ()).unwrap());
        assert_eq!(finish(&pool).completed, 2);
    }
}

#[test]
fn allowing_core_timeout_reaches_workers_that_are_idle_already() {
    let pool = ThreadPoolExecutor::builder().threads(3).keep_alive(KEEP_ALIVE).build().unwrap();
    pool.prestart_all_core_threads().unwrap();
    pass_time(KEEP_ALIVE);
    assert_eq!(pool.stats().pool_size, 3);
    pool.allow_core_timeout(true).unwrap();
    eventually("all have left", || pool.stats().pool_size == 0);
    pool.allow_core_timeout(false).unwrap();
    soon(pool.submit(|| ()).unwrap());
    pass_time(KEEP_ALIVE * 2);
    assert_eq!(pool.stats().pool_size, 1);
    finish(&pool);
}

#[test]
fn a_zero_keep_alive_lets_surplus_workers_leave_at_once() {
    for core in [0, 1, 2] {
        let gate = Gate::new();
        let pool = ThreadPoolExecutor::builder()
            .core_threads(core)
            .max_threads(4)
            .keep_alive(Duration::ZERO)
            .queue(Queue::Handoff)
            .build()
            .unwrap();
        hold(&pool, &gate, 4).reach(4);
        gate.open();
        eventually("the surplus has left", || pool.stats().pool_size == core);
        assert_eq!(finish(&pool).completed, 4);
    }
}

#[test]
fn a_keep_alive_without_end_keeps_surplus_workers() {
    let gate = Gate::new();
    let pool = ThreadPoolExecutor::builder()
        .core_threads(0)
        .max_threads(3)
        .keep_alive(Duration::MAX)
        .allow_core_timeout(true)
        .queue(Queue::Handoff)
        .build()
        .unwrap();
    hold(&pool, &gate, 3).reach(3);
    gate.open();
    eventually("all are idle", || pool.stats().idle == 3);
    pass_time(SHORT);
    assert_eq!(pool.stats().pool_size, 3);
    soon(pool.submit(|| ()).unwrap());
    pool.set_keep_alive(KEEP_ALIVE).unwrap();
    eventually("all have left", || pool.stats().pool_size == 0);
    pool.set_keep_alive(Duration::MAX).unwrap();
    soon(pool.submit(|| ()).unwrap());
    assert_eq!(finish(&pool).completed, 5);
}

#[test]
fn the_most_recently_idle_worker_gets_the_next_job() {
    for _ in 0..repeat(20) {
        let pool = ThreadPoolExecutor::builder().threads(3).queue(Queue::Handoff).build().unwrap();
        let gates = [Gate::new(), Gate::new(), Gate::new()];
        let mut threads = Vec::new();
        let mut running = Vec::new();
        for gate in gates.clone() {
            let started = Gate::new();
            let begun = started.clone();
            let job = move || {
                begun.open();
                gate.pass();
                thread::current().id()
            };
            running.push(pool.submit(job).unwrap());
            started.pass();
        }
        for (idle, (gate, handle)) in gates.iter().zip(running).enumerate() {
            gate.open();
            threads.push(soon(handle));
            assert_eq!(pool.stats().idle, idle + 1, "a joined job's worker is free");
        }
        let again = Gate::new();
        let mut handles = Vec::new();
        for _ in 0..3 {
            let gate = again.clone();
            let job = move || {
                gate.pass();
                thread::current().id()
            };
            handles.push(pool.submit(job).unwrap());
        }
        again.open();
        let chosen: Vec<ThreadId> = handles.into_iter().map(soon).collect();
        threads.reverse();
        assert_eq!(chosen, threads);
        finish(&pool);
    }
}

#[test]
fn under_a_trickle_of_jobs_surplus_workers_reach_their_keep_alive() {
    for growth in [Growth::QueueFirst, Growth::ThreadsFirst] {
        let gate = Gate::new();
        let pool = ThreadPoolExecutor::builder()
            .core_threads(1)
            .max_threads(6)
            .keep_alive(KEEP_ALIVE * 5)
            .queue(Queue::Handoff)
            .growth(growth)
            .build()
            .unwrap();
        hold(&pool, &gate, 6).reach(6);
        gate.open();
        eventually("all are idle", || pool.stats().idle == 6);
        let begun = Instant::now();
        // Woken in turn, each would get a job long before its time is over.
        while pool.stats().pool_size > 1 {
            assert!(begun.elapsed() < LONG, "a trickle of jobs keeps the surplus alive");
            soon(pool.submit(|| ()).unwrap());
        }
        assert_eq!(finish(&pool).largest_pool_size, 6);
    }
}

/// Submits single jobs about as far apart as the keep-alive, so that each meets its worker just
/// leaving, and nothing else comes to help it.
fn meet_a_leaving_worker(queue: Queue, core: usize, max: usize) {
    let keep_alive = Duration::from_micros(500);
    let pool = ThreadPoolExecutor::builder()
        .core_threads(core)
        .max_threads(max)
        .queue(queue)
        .keep_alive(keep_alive)
        .allow_core_timeout(true)
        .build()
        .expect("a possible pool");
    let rounds = repeat(48);
    for round in 0..rounds {
        soon(pool.submit(move || round).expect("an empty pool has room"));
        let pause = keep_alive * u32::try_from(round % 16).expect("small") / 8;
        let resting = Instant::now();
        while resting.elapsed() < pause {
            std::hint::spin_loop();
        }
    }
    assert_eq!(finish(&pool).completed, rounds as u64);
}

#[test]
fn a_job_that_meets_a_leaving_worker_runs() {
    for queue in [Queue::Unbounded, Queue::Bounded(1), Queue::Handoff] {
        for (core, max) in [(0, 1), (0, 2), (1, 1), (1, 2)] {
            meet_a_leaving_worker(queue, core, max);
        }
    }
}

#[test]
fn bursts_that_meet_leaving_workers_run() {
    for growth in [Growth::QueueFirst, Growth::ThreadsFirst] {
        let pool = ThreadPoolExecutor::builder()
            .core_threads(0)
            .max_threads(3)
            .queue(Queue::Bounded(4))
            .growth(growth)
            .keep_alive(Duration::from_micros(100))
            .build()
            .unwrap();
        let rounds = repeat(300);
        for _ in 0..rounds {
            let ran = Counter::new();
            for _ in 0..4 {
                let ran = ran.clone();
                pool.execute(move || _ = ran.add()).unwrap();
            }
            ran.reach(4);
        }
        assert_eq!(finish(&pool).completed, 4 * rounds as u64);
    }
}

#[test]
fn a_worker_that_leaves_at_once_never_takes_a_job_with_it() {
    for queue in [Queue::Unbounded, Queue::Handoff] {
        let pool = ThreadPoolExecutor::builder()
            .core_threads(0)
            .max_threads(2)
            .queue(queue)
            .keep_alive(Duration::ZERO)
            .build()
            .unwrap();
        let rounds = repeat(500);
        for _ in 0..rounds {
            soon(pool.submit(|| ()).unwrap());
        }
        eventually("everybody has left", || pool.stats().pool_size == 0);
        assert_eq!(finish(&pool).completed, rounds as u64);
    }
}

#[test]
fn the_counts_of_workers_that_left_stay() {
    let pool = ThreadPoolExecutor::builder()
        .core_threads(0)
        .max_threads(4)
        .queue(Queue::Handoff)
        .keep_alive(Duration::ZERO)
        .build()
        .unwrap();
    for wave in 1..=5 {
        let gate = Gate::new();
        hold(&pool, &gate, 3);
        let closed = gate.clone();
        pool.execute(move || {
            closed.pass();
            panic!("expected by the test");
        })
        .unwrap();
        gate.open();
        eventually("everybody has left", || pool.stats().pool_size == 0);
        let stats = pool.stats();
        assert_conserved(&stats);
        assert_eq!((stats.completed, stats.panicked), (3 * wave, wave));
    }
    finish(&pool);
}

#[test]
fn a_busy_worker_is_not_timed_out() {
    let gate = Gate::new();
    let pool = ThreadPoolExecutor::builder()
        .core_threads(0)
        .max_threads(1)
        .keep_alive(Duration::from_millis(1))
        .build()
        .unwrap();
    block_worker(&pool, &gate);
    pass_time(SHORT);
    assert_eq!(pool.stats().pool_size, 1);
    let next = pool.submit(|| ()).unwrap();
    gate.open();
    soon(next);
    eventually("the worker has left", || pool.stats().pool_size == 0);
    finish(&pool);
}

#[test]
fn the_end_of_a_pool_that_was_never_used_has_come_when_shutdown_returns() {
    for core in [0, 2] {
        let ended = Arc::new(AtomicBool::new(false));
        let hook = Arc::clone(&ended);
        let pool = ThreadPoolExecutor::builder()
            .core_threads(core)
            .max_threads(2)
            .on_terminated(move || hook.store(true, Ordering::SeqCst))
            .build()
            .unwrap();
        pool.shutdown();
        assert!(ended.load(Ordering::SeqCst), "the last hook has run");
        assert_eq!(pool.phase(), Phase::Terminated);
        pool.await_termination(Duration::ZERO).unwrap();
        assert_eq!(finish(&pool).largest_pool_size, 0);
    }
}

#[test]
fn a_pool_whose_workers_have_all_left_ends() {
    let pool = ThreadPoolExecutor::builder()
        .core_threads(0)
        .max_threads(2)
        .keep_alive(Duration::ZERO)
        .build()
        .unwrap();
    soon(pool.submit(|| ()).unwrap());
    eventually("the worker has left", || pool.stats().pool_size == 0);
    pool.shutdown();
    // The worker may still be at its last steps, which are waited for.
    assert_eq!(finish(&pool).completed, 1);
    assert_eq!(pool.phase(), Phase::Terminated);
}

#[test]
fn idle_workers_leave_while_a_thread_is_being_started() {
    const WORKERS: usize = 50;
    let (entered, leave, stop) = stop_point();
    let pool = ThreadPoolExecutor::builder()
        .core_threads(0)
        .max_threads(WORKERS + 1)
        .queue(Queue::Handoff)
        .keep_alive(KEEP_ALIVE)
        .thread_factory(move |worker| {
            if worker.index() > WORKERS {
                stop();
            }
            worker.builder().spawn(|| worker.run())
        })
        .build()
        .unwrap();
    let gate = Gate::new();
    hold(&pool, &gate, WORKERS).reach(WORKERS);
    let (handle, ran) = (pool.handle(), Counter::new());
    let counted = ran.clone();
    let submitter = helper(move || handle.execute(move || _ = counted.add()).unwrap());
    entered.pass();
    gate.open();
    // One stays for the submitter, and its own is being started.
    eventually("all but these have left", || pool.stats().pool_size == 2);
    pass_time(KEEP_ALIVE);
    assert_eq!((pool.stats().pool_size, pool.stats().idle), (2, 1));
    leave.open();
    submitter.join();
    ran.reach(1);
    eventually("they have left too", || pool.stats().pool_size == 0);
    assert_eq!(finish(&pool).completed, WORKERS as u64 + 1);
}

#[test]
fn a_new_worker_without_a_keep_alive_waits_for_the_job_that_it_was_started_for() {
    let own = Own::default();
    let known = own.clone();
    let pool = ThreadPoolExecutor::builder()
        .core_threads(0)
        .max_threads(1)
        .queue(Queue::Handoff)
        .keep_alive(Duration::ZERO)
        .thread_factory(move |worker| {
            let thread = worker.builder().spawn(|| worker.run());
            let pool = known.get().unwrap();
            eventually("it has arrived", || pool.stats().idle == 1);
            pass_time(SHORT);
            thread
        })
        .build()
        .unwrap();
    own.set(pool.handle());
    for round in 1..=3 {
        pool.execute(|| ()).unwrap();
        eventually("it has left after its job", || pool.stats().pool_size == 0);
        assert_eq!(pool.stats().completed, round);
    }
    assert_eq!(pool.stats().spawn_failures, 0);
    finish(&pool);
    own.clear();
}
