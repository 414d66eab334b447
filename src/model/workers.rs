//! Models of jobs and workers that come and go: no job is missed, and none is run twice.

use std::time::Duration;

use super::{Count, KEEP_ALIVE, configure, end, explore, pool, spawn};
use crate::sync::{Arc, advance};
use crate::{Handle, Queue, RejectReason};

fn run(handle: &Handle, runs: &Count) {
    let runs = runs.clone();
    handle.execute(move || runs.add()).expect("there is room");
}

#[test]
fn a_job_is_not_missed_by_a_worker_that_goes_idle() {
    explore("submit against going idle", || {
        let pool = pool(1);
        let runs = Count::default();
        run(&pool.handle(), &runs);
        let second = runs.clone();
        let handle = pool.submit(move || second.next()).expect("there is room");
        assert_eq!(handle.join().ok(), Some(1));
        let third = runs.clone();
        assert_eq!(pool.submit(move || third.next()).expect("there is room").join().ok(), Some(2));
        assert_eq!(end(pool).completed, 3);
        assert_eq!(runs.get(), 3);
    });
}

#[test]
fn a_job_is_not_missed_by_a_worker_that_leaves() {
    explore("submit against keep-alive expiry", || {
        let builder = configure(1, Queue::Unbounded).keep_alive(KEEP_ALIVE);
        let pool = builder.allow_core_timeout(true).build().expect("valid settings");
        assert_eq!(pool.submit(|| 1).expect("there is room").join().ok(), Some(1));
        let clock = spawn(|| advance(KEEP_ALIVE));
        assert_eq!(pool.submit(|| 2).expect("there is room").join().ok(), Some(2));
        clock.join().expect("it does not panic");
        assert_eq!(end(pool).completed, 2);
    });
}

#[test]
fn a_worker_whose_time_is_over_still_runs_what_it_was_handed() {
    explore("hand-off against time-out", || {
        let builder = configure(1, Queue::Handoff).core_threads(0).keep_alive(KEEP_ALIVE);
        let pool = builder.build().expect("valid settings");
        assert_eq!(pool.submit(|| 1).expect("a worker is started").join().ok(), Some(1));
        let clock = spawn(|| advance(KEEP_ALIVE));
        let runs = Count::default();
        run(&pool.handle(), &runs);
        clock.join().expect("it does not panic");
        assert_eq!(end(pool).completed, 2);
        assert_eq!(runs.get(), 1);
    });
}

#[test]
fn room_that_comes_too_late_for_one_goes_to_the_next() {
    explore("room against time-out", || {
        let pool = configure(1, Queue::Bounded(1)).build().expect("valid settings");
        let runs = Count::default();
        // One job for the worker, and one in the queue, while none of them has been started.
        run(&pool.handle(), &runs);
        run(&pool.handle(), &runs);
        let (handle, late) = (pool.handle(), runs.clone());
        let first = spawn(move || {
            if let Err(late) = handle.execute_timeout(move || late.add(), KEEP_ALIVE) {
                assert_eq!(late.reason(), RejectReason::TimedOut);
                late.into_job().run();
            }
        });
        advance(KEEP_ALIVE);
        let last = runs.clone();
        let taken = pool.execute_timeout(move || last.add(), Duration::MAX);
        assert!(taken.is_ok(), "without a limit it gets room in the end");
        first.join().expect("it does not panic");
        end(pool);
        assert_eq!(runs.get(), 4);
    });
}

#[test]
fn two_producers_and_two_workers_share_the_jobs() {
    explore("two producers, two workers", || {
        let pool = pool(2);
        let all = Arc::new([(); 4].map(|()| Count::default()));
        let producer = {
            let (handle, all) = (pool.handle(), Arc::clone(&all));
            spawn(move || all[..2].iter().for_each(|runs| run(&handle, runs)))
        };
        let handle = pool.handle();
        all[2..].iter().for_each(|runs| run(&handle, runs));
        producer.join().expect("it does not panic");
        assert_eq!(end(pool).completed, 4);
        assert!(all.iter().all(|runs| runs.get() == 1));
    });
}

#[test]
fn jobs_of_one_producer_start_in_their_order() {
    explore("two producers, one worker", || {
        let pool = pool(1);
        let order = [(); 2].map(|()| Count::default());
        let produce = |handle: Handle, count: Count| {
            for place in 0..3 {
                let count = count.clone();
                handle.execute(move || assert_eq!(count.next(), place)).expect("there is room");
            }
        };
        let (handle, count) = (pool.handle(), order[0].clone());
        let producer = spawn(move || produce(handle, count));
        produce(pool.handle(), order[1].clone());
        producer.join().expect("it does not panic");
        assert_eq!(end(pool).completed, 6);
    });
}
