//! Waits for jobs that relied on threads which are refused: that each asks for a thread again.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::unbounded;
use workcrew::policy::CallerRuns;
use workcrew::{Builder, Job, JobHandle, JobState, OnDrop, Queue, ThreadPoolExecutor};

use crate::support::{Counter, Gate, LONG, eventually, finish, helper, stop_point};
use crate::waits::{WAITS, soon};

// Threads that are refused while somebody waits.

/// Builds a pool whose first worker's start stops at a point and fails, as the next ones do, this
/// often altogether; then threads can be had again.
fn refusing(times: usize, stop: impl Fn() + Send + Sync + 'static) -> Builder {
    let calls = Counter::new();
    ThreadPoolExecutor::builder().threads(1).thread_factory(move |worker| {
        let call = calls.add();
        if call == 1 {
            stop();
        }
        if call <= times {
            return Err(io::Error::other("no more threads"));
        }
        worker.builder().spawn(move || worker.run())
    })
}

#[test]
fn who_waits_from_outside_asks_for_a_thread_again() {
    for times in [1, 2, 4] {
        for by in WAITS {
            let (entered, leave, stop) = stop_point();
            let pool = Arc::new(refusing(times, stop).build().unwrap());
            let starting = Arc::clone(&pool);
            let starter = helper(move || starting.execute(|| ()).is_ok());
            entered.pass();
            let own = pool.handle();
            let waiter = helper(move || by.run(&own, || 7));
            eventually("the job relies on the start", || pool.stats().queued >= 1);
            leave.open();
            assert_eq!(waiter.join(), 7, "{by:?}, refused {times} times");
            starter.join();
            finish(&pool);
        }
    }
}

#[test]
fn who_waits_for_a_start_asks_for_a_thread_again() {
    let (entered, leave, stop) = stop_point();
    let pool = Arc::new(refusing(3, stop).build().unwrap());
    let starting = Arc::clone(&pool);
    let starter = helper(move || starting.execute(|| ()).is_ok());
    entered.pass();
    let handle = pool.submit(|| 7).unwrap();
    let waiter = helper(move || {
        handle.wait_started(LONG).unwrap();
        handle
    });
    leave.open();
    assert_ne!(waiter.join().state(), JobState::Pending);
    starter.join();
    finish(&pool);
}

#[test]
fn a_job_on_the_caller_that_waits_asks_for_a_thread_again() {
    for times in [1, 3] {
        for by in WAITS {
            let (entered, leave, stop) = stop_point();
            let pool = refusing(times, stop)
                .queue(Queue::Bounded(1))
                .rejection_policy(CallerRuns)
                .build()
                .map(Arc::new)
                .unwrap();
            let starting = Arc::clone(&pool);
            let starter = helper(move || starting.execute(|| ()).is_ok());
            entered.pass();
            let filler = pool.submit(|| ()).unwrap();
            let own = pool.handle();
            let (job, handle) = Job::with_handle(move || {
                filler.cancel();
                let opens = own.clone();
                let opener = helper(move || {
                    eventually("the job is queued", || opens.stats().queued >= 1);
                    leave.open();
                });
                let result = by.run(&own, || 7);
                opener.join();
                result
            });
            pool.execute_job(job).unwrap();
            assert_eq!(soon(handle), 7, "{by:?}, refused {times} times");
            starter.join();
            finish(&pool);
        }
    }
}

#[test]
fn a_worker_that_waits_asks_for_its_spare_again() {
    for times in [1, 3] {
        for by in WAITS {
            let calls = Counter::new();
            let pool = ThreadPoolExecutor::builder()
                .threads(1)
                .thread_factory(move |worker| match calls.add() {
                    call if call > 1 && call <= 1 + times => Err(io::Error::other("not yet")),
                    _ => worker.builder().spawn(move || worker.run()),
                })
                .build()
                .unwrap();
            let own = pool.handle();
            let outer = pool.submit(move || by.run(&own, || 7)).unwrap();
            assert_eq!(soon(outer), 7, "{by:?}, refused {times} times");
            let stats = finish(&pool);
            // Who waits for any of several jobs without a limit may then run one itself.
            let expected = if by.may_run() { 0..=0 } else { 1..=times as u64 };
            assert!(expected.contains(&stats.spawn_failures), "{by:?}: {stats:?}");
        }
    }
}

#[test]
fn a_worker_takes_over_what_relied_on_a_start_that_is_refused() {
    for by in WAITS {
        let (entered, leave, stop) = stop_point();
        let calls = Counter::new();
        let pool = ThreadPoolExecutor::builder()
            .threads(2)
            .thread_factory(move |worker| match calls.add() {
                2 => {
                    stop();
                    Err(io::Error::other("not this one"))
                }
                _ => worker.builder().spawn(move || worker.run()),
            })
            .build()
            .map(Arc::new)
            .unwrap();
        let (own, go) = (pool.handle(), Gate::new());
        let may_go = go.clone();
        let outer = pool
            .submit(move || {
                may_go.pass();
                by.run(&own, || 7)
            })
            .unwrap();
        let starting = Arc::clone(&pool);
        let starter = helper(move || starting.execute(|| ()).is_ok());
        entered.pass();
        go.open();
        // That of the starter is not there yet.
        eventually("the job relies on the start", || pool.stats().queued >= 1);
        leave.open();
        assert_eq!(soon(outer), 7, "{by:?}");
        assert!(starter.join());
        finish(&pool);
    }
}

// Jobs that the end of the pool runs itself.

#[test]
fn stranded_jobs_that_the_end_of_the_pool_runs_may_wait_for_each_other() {
    let close = ThreadPoolExecutor::close as fn(ThreadPoolExecutor);
    let cases = [(close, OnDrop::Close), (drop, OnDrop::Close)];
    for (end, on_drop) in cases {
        for timed in [false, true] {
            let (entered, leave, stop) = stop_point();
            let pool = refusing(usize::MAX, stop).on_drop(on_drop.clone()).build().unwrap();
            let starting = pool.handle();
            let starter = helper(move || starting.execute(|| ()).is_ok());
            entered.pass();
            // In the order in which they are run: each waits for the next one.
            let (give, take) = unbounded::<JobHandle<u64>>();
            let later = take.clone();
            let join = move |mut handle: JobHandle<u64>| {
                if timed {
                    handle = match handle.join_timeout(Duration::from_millis(1)) {
                        Ok(result) => return result.unwrap(),
                        Err(back) => back,
                    };
                }
                handle.join().unwrap()
            };
            let first = pool.submit(move || join(later.recv().unwrap())).unwrap();
            let second = pool.submit(move || join(take.recv().unwrap())).unwrap();
            let third = pool.submit(|| 7).unwrap();
            give.send(second).unwrap();
            give.send(third).unwrap();
            leave.open();
            starter.join();
            end(pool);
            assert_eq!(soon(first), 7, "{on_drop:?}, {timed}");
        }
    }
}
