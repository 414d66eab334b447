//! Models of jobs and workers that come and go: no job is missed, and none is run twice.

use std::time::Duration;

use super::{Count, KEEP_ALIVE, configure, end, explore, pool, spawn};
use crate::sync::{Arc, Condvar, Mutex, advance};
use crate::{Handle, Queue, RejectReason};

#[derive(PartialEq)]
enum Gate {
    Shut,
    Open,
}

fn run(handle: &Handle, runs: &Count) {
    let runs = runs.clone();
    handle.execute(move || runs.add()).expect("there is room");
}

#[test]
fn a_job_is_not_missed_by_a_worker_that_goes_idle() {
    explore("submit against going idle", 3, || {
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
    explore("submit against keep-alive expiry", 2, || {
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
    explore("hand-off against time-out", 2, || {
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
    explore("room against time-out", 2, || {
        let pool = configure(1, Queue::Bounded(1)).build().expect("valid settings");
        let runs = Count::default();
        run(&pool.handle(), &runs);
        // When it has been started, there is room for one, and no more until that one has come.
        let gate = Arc::new((Mutex::new(Gate::Shut), Condvar::new()));
        let (inside, first_opens) = (Arc::clone(&gate), Arc::clone(&gate));
        let open = |gate: &(Mutex<Gate>, Condvar)| {
            *gate.0.lock() = Gate::Open;
            gate.1.notify_all();
        };
        let waits = move || {
            let mut gate = inside.0.lock();
            while *gate == Gate::Shut {
                inside.1.wait(&mut gate);
            }
        };
        pool.execute(waits).expect("there is room");
        let (handle, late) = (pool.handle(), runs.clone());
        let first = spawn(move || match handle.execute_timeout(move || late.add(), KEEP_ALIVE) {
            Ok(()) => open(&first_opens),
            Err(late) => {
                assert_eq!(late.reason(), RejectReason::TimedOut);
                late.into_job().run();
            }
        });
        advance(KEEP_ALIVE);
        let last = runs.clone();
        let taken = pool.execute_timeout(move || last.add(), Duration::MAX);
        assert!(taken.is_ok(), "without a limit it gets room in the end");
        open(&gate);
        first.join().expect("it does not panic");
        assert_eq!(end(pool).panicked, 0);
        assert_eq!(runs.get(), 3);
    });
}

#[test]
fn two_producers_and_two_workers_share_the_jobs() {
    explore("two producers, two workers", 1, || {
        let pool = pool(2);
        let all = Arc::new([(); 3].map(|()| Count::default()));
        let producer = {
            let (handle, all) = (pool.handle(), Arc::clone(&all));
            spawn(move || all[..1].iter().for_each(|runs| run(&handle, runs)))
        };
        let handle = pool.handle();
        all[1..].iter().for_each(|runs| run(&handle, runs));
        producer.join().expect("it does not panic");
        assert_eq!(end(pool).completed, 3);
        assert!(all.iter().all(|runs| runs.get() == 1));
    });
}

#[test]
fn jobs_start_in_their_order_also_where_their_producer_waits_for_room() {
    explore("order against swap and room", 3, || {
        let pool = configure(1, Queue::Bounded(2)).build().expect("valid settings");
        let started = Count::default();
        for place in 0..5 {
            let started = started.clone();
            let job = move || assert_eq!(started.next(), place);
            pool.execute_timeout(job, Duration::MAX).expect("it gets room in the end");
        }
        // A panic of the job, which the pool contains, would be counted apart.
        assert_eq!(end(pool).completed, 5);
    });
}
