//! Workers that take the place of those that wait for jobs of their own pool: when they come, that
//! they go, and what else the pool does meanwhile.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use workcrew::{
    AwaitError, Handle, JobHandle, JoinError, PoolStats, Queue, ThreadPerJob, ThreadPoolExecutor,
};

use crate::support::{
    Counter, Gate, LONG, Own, SHORT, assert_conserved, block_worker, eventually, finish, helper,
    repeat, single,
};
use crate::waits::{WAITS, Wait, polled_for, soon};

/// A job of the pool that is parked until the gate opens, as is the one for which it waits.
fn parked(pool: &ThreadPoolExecutor, gate: &Gate) -> JobHandle<u64> {
    parked_by(pool, gate, Wait::JoinTimeout)
}

/// The same with any call; returns once the awaited job runs.
fn parked_by(pool: &ThreadPoolExecutor, gate: &Gate, by: Wait) -> JobHandle<u64> {
    let (own, closed, runs) = (pool.handle(), gate.clone(), Gate::new());
    let running = runs.clone();
    let outer = pool.submit(move || {
        by.run(&own, move || {
            running.open();
            closed.pass();
            7
        })
    });
    runs.pass();
    outer.unwrap()
}

fn figures(stats: &PoolStats) -> (usize, usize, usize) {
    (stats.pool_size, stats.active, stats.spare)
}

#[track_caller]
fn shrinks_to(pool: &ThreadPoolExecutor, threads: usize) {
    eventually("the spares are gone", || {
        let stats = pool.stats();
        assert_conserved(&stats);
        (stats.pool_size, stats.spare) == (threads, 0)
    });
}

// Coming and going.

#[test]
fn a_parked_worker_has_a_spare_which_goes_when_it_goes_on() {
    for by in WAITS {
        let (pool, gate) = (single(), Gate::new());
        let outer = parked_by(&pool, &gate, by);
        let stats = pool.stats();
        assert_conserved(&stats);
        let spares = usize::from(!by.may_run());
        if by != Wait::Polls {
            assert_eq!(figures(&stats), (1 + spares, 2, spares), "{by:?}: {stats:?}");
        }
        gate.open();
        assert_eq!(soon(outer), 7, "{by:?}");
        shrinks_to(&pool, 1);
        assert_eq!(finish(&pool).largest_pool_size, 1 + spares, "{by:?}");
    }
}

#[test]
fn spares_go_also_while_others_are_still_parked() {
    let pool = ThreadPoolExecutor::fixed(2).unwrap();
    let gates = [(); 2].map(|()| Gate::new());
    let [first, second] = [0, 1].map(|n: usize| parked(&pool, &gates[n]));
    assert_eq!(figures(&pool.stats()), (4, 4, 2));
    gates[1].open();
    assert_eq!(soon(second), 7);
    eventually("one is gone", || (pool.stats().spare, pool.stats().pool_size) == (1, 3));
    gates[0].open();
    assert_eq!(soon(first), 7);
    shrinks_to(&pool, 2);
    finish(&pool);
}

#[test]
fn a_wait_that_is_over_at_once_costs_no_thread() {
    for _ in 0..repeat(20) {
        let pool = single();
        let own = pool.handle();
        let outer = pool.submit(move || {
            let handle = own.submit(|| ()).unwrap();
            drop(handle.join_timeout(Duration::ZERO));
        });
        soon(outer.unwrap());
        assert_eq!(finish(&pool).largest_pool_size, 1);
    }
}

/// Runs a tree of jobs that wait by `by`, whose leaves count how many run at a time.
fn tree(pool: &Handle, by: Wait, depth: u32, now: &Arc<AtomicUsize>, most: &Arc<AtomicUsize>) {
    if depth == 0 {
        // ORDERING: only counts.
        let running = now.fetch_add(1, Ordering::SeqCst) + 1;
        most.fetch_max(running, Ordering::SeqCst);
        std::thread::yield_now();
        now.fetch_sub(1, Ordering::SeqCst);
        return;
    }
    let branch = || {
        let (own, now, most) = (pool.clone(), Arc::clone(now), Arc::clone(most));
        move || {
            tree(&own, by, depth - 1, &now, &most);
            1
        }
    };
    let (left, right) = (pool.submit(branch()).unwrap(), branch());
    by.run(pool, right);
    soon(left);
}

#[test]
fn no_more_leaves_run_at_a_time_than_the_pool_has_threads() {
    for by in WAITS {
        for threads in [1, 2] {
            let pool = ThreadPoolExecutor::fixed(threads).unwrap();
            let (now, most) = (Arc::default(), Arc::<AtomicUsize>::default());
            let own = pool.handle();
            let (counts, highest) = (Arc::clone(&now), Arc::clone(&most));
            let outer = pool.submit(move || tree(&own, by, 5, &counts, &highest));
            soon(outer.unwrap());
            // ORDERING: only counts.
            let most = most.load(Ordering::SeqCst);
            assert!(most <= threads, "{by:?}: {most} at a time on {threads}");
            shrinks_to(&pool, threads);
            finish(&pool);
        }
    }
}

#[test]
fn every_snapshot_is_conserved_while_workers_park() {
    let pool = Arc::new(ThreadPoolExecutor::fixed(2).unwrap());
    let done = Gate::new();
    let observer = helper({
        let (pool, done) = (Arc::clone(&pool), done.clone());
        move || {
            while !done.is_open() {
                let stats = pool.stats();
                assert_conserved(&stats);
                assert!(stats.spare <= stats.pool_size, "{stats:?}");
            }
        }
    });
    for by in WAITS {
        let own = pool.handle();
        let (now, most) = (Arc::default(), Arc::default());
        let outer = pool.submit(move || tree(&own, by, 4, &now, &most)).unwrap();
        pool.submit(|| ()).unwrap().cancel();
        soon(outer);
    }
    done.open();
    observer.join();
    finish(&pool);
}

/// Where a job is that was pending in the pool of the worker which waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Elsewhere {
    Held,
    Queued,
    Running,
}

#[test]
fn a_worker_is_parked_no_longer_than_the_awaited_job_is_in_its_pool() {
    for place in [Elsewhere::Held, Elsewhere::Queued, Elsewhere::Running] {
        let (pool, other) = (single(), single());
        let (spare, ends, runs) = (Gate::new(), Gate::new(), Gate::new());
        let (own, running, closed, end) =
            (pool.handle(), runs.clone(), spare.clone(), ends.clone());
        let outer = pool.submit(move || {
            let block = move || {
                running.open();
                closed.pass();
            };
            own.execute(block).unwrap();
            let awaited = own.submit(move || {
                end.pass();
                7
            });
            soon(awaited.unwrap())
        });
        runs.pass();
        let awaited = pool.take_pending().pop().unwrap();
        let held = match place {
            Elsewhere::Held => Some(awaited),
            Elsewhere::Queued => {
                block_worker(&other, &ends);
                other.execute_job(awaited).unwrap();
                None
            }
            Elsewhere::Running => {
                other.execute_job(awaited).unwrap();
                None
            }
        };
        spare.open();
        shrinks_to(&pool, 1);
        assert_eq!(figures(&pool.stats()), (1, 1, 0), "{place:?}");
        ends.open();
        if let Some(awaited) = held {
            other.execute_job(awaited).unwrap();
        }
        assert_eq!(soon(outer.unwrap()), 7, "{place:?}");
        finish(&other);
        finish(&pool);
    }
}

#[test]
fn a_worker_that_waits_in_its_start_hook_is_not_expected_to_run_the_job() {
    for by in WAITS {
        let (own, starts) = (Own::default(), Counter::new());
        let (pool_of_hook, counts) = (own.clone(), starts.clone());
        let pool = ThreadPoolExecutor::builder()
            .threads(1)
            .on_thread_start(move |_| {
                // Not that of its spare.
                if counts.add() == 1 {
                    assert_eq!(by.run(&pool_of_hook.get().unwrap(), || 7), 7, "{by:?}");
                }
            })
            .build()
            .unwrap();
        own.set(pool.handle());
        assert!(pool.prestart_core_thread().unwrap());
        eventually("the hook has waited", || pool.stats().completed == 1);
        eventually("it is a worker as any other", || pool.stats().idle == 1);
        shrinks_to(&pool, 1);
        assert_eq!(starts.get(), 1 + usize::from(!by.may_run()), "{by:?}");
        own.clear();
        finish(&pool);
    }
}

// What else happens to the pool.

#[test]
fn the_sizes_can_be_changed_while_workers_are_parked() {
    for threads in [1, 2, 6] {
        let (pool, gate) = (ThreadPoolExecutor::fixed(3).unwrap(), Gate::new());
        let outers = [(); 3].map(|()| parked(&pool, &gate));
        pool.set_threads(threads, threads).unwrap();
        assert_conserved(&pool.stats());
        let late = pool.submit(|| 5).unwrap();
        gate.open();
        for outer in outers {
            assert_eq!(soon(outer), 7);
        }
        assert_eq!(soon(late), 5);
        eventually("the pool has its size", || {
            let stats = pool.stats();
            stats.pool_size <= threads && stats.spare == 0
        });
        finish(&pool);
    }
}

#[test]
fn pending_jobs_run_after_a_shutdown_though_the_only_worker_is_parked() {
    for by in WAITS {
        let (pool, gate, submitted) = (single(), Gate::new(), Gate::new());
        let (own, told, open) = (pool.handle(), submitted.clone(), gate.clone());
        let outer = pool
            .submit(move || {
                let handles = [1, 2, 3].map(|n: u64| own.submit(move || n).unwrap());
                let other = own.clone();
                let last = by.run(&own, move || other.stats().queued as u64);
                told.open();
                open.pass();
                assert!(last <= 3);
                handles.into_iter().map(soon).sum::<u64>()
            })
            .unwrap();
        submitted.pass();
        pool.shutdown();
        gate.open();
        assert_eq!(soon(outer), 6, "{by:?}");
        finish(&pool);
    }
}

#[test]
fn stopping_the_pool_ends_the_wait_of_a_parked_worker() {
    let (pool, gate) = (single(), Gate::new());
    let (own, closed, runs) = (pool.handle(), gate.clone(), Gate::new());
    let running = runs.clone();
    let outer = pool
        .submit(move || {
            let mut set = own.join_set();
            set.submit(move || {
                running.open();
                closed.pass();
            })
            .unwrap();
            let pending = own.submit(|| ()).unwrap();
            let is_interrupted = set.join_next().is_err();
            set.detach_all();
            (is_interrupted, pending)
        })
        .unwrap();
    runs.pass();
    let jobs = pool.shutdown_now();
    assert_eq!(jobs.len(), 1);
    let (is_interrupted, pending) = soon(outer);
    assert!(is_interrupted);
    drop(jobs);
    assert!(matches!(pending.join(), Err(JoinError::Cancelled(_))));
    gate.open();
    finish(&pool);
}

#[test]
fn workers_that_leave_at_once_leave_nobody_waiting() {
    for queue in [Queue::Unbounded, Queue::Bounded(1), Queue::Handoff] {
        for by in WAITS {
            let pools = [
                ThreadPoolExecutor::builder()
                    .core_threads(0)
                    .max_threads(1)
                    .keep_alive(Duration::ZERO),
                ThreadPoolExecutor::builder()
                    .threads(1)
                    .keep_alive(Duration::from_nanos(1))
                    .allow_core_timeout(true),
            ];
            for pool in pools {
                let block = workcrew::policy::Block { timeout: Duration::MAX };
                let pool = pool.queue(queue).rejection_policy(block).build().unwrap();
                let own = pool.handle();
                let outer = pool.submit(move || {
                    let again = own.clone();
                    by.run(&own, move || by.run(&again, || 7))
                });
                assert_eq!(soon(outer.unwrap()), 7, "{by:?}, {queue:?}");
                shrinks_to(&pool, 0);
                finish(&pool);
            }
        }
    }
}

#[test]
fn waiting_for_a_pause_takes_parked_workers_for_busy() {
    let (pool, gate) = (single(), Gate::new());
    let outer = parked(&pool, &gate);
    assert_eq!(pool.wait_idle(SHORT), Err(AwaitError::TimedOut));
    gate.open();
    pool.wait_idle(LONG).unwrap();
    assert_eq!(pool.stats().active, 0);
    assert_eq!(soon(outer), 7);
    let gate = Gate::new();
    let outer = parked(&pool, &gate);
    pool.shutdown();
    assert_eq!(pool.await_termination(SHORT), Err(AwaitError::TimedOut));
    gate.open();
    assert_eq!(soon(outer), 7);
    finish(&pool);
}

/// Waits for a job that waits for a job and so on; those that time out wait without a limit.
fn dig(pool: &Handle, depth: u64) -> u64 {
    if depth == 0 {
        return 0;
    }
    let own = pool.clone();
    let handle = pool.submit(move || dig(&own, depth - 1)).unwrap();
    // The deepest of them have no spare any more.
    let result = match handle.join_timeout(Duration::from_millis(50)) {
        Ok(result) => result,
        Err(handle) => handle.join(),
    };
    1 + result.unwrap()
}

#[test]
fn more_workers_can_wait_than_there_can_be_spares() {
    let pool = single();
    let own = pool.handle();
    let outer = pool.submit(move || dig(&own, 270)).unwrap();
    assert_eq!(soon(outer), 270);
    shrinks_to(&pool, 1);
    let stats = finish(&pool);
    assert!(stats.largest_pool_size <= 257, "{stats:?}");
}

#[test]
fn a_parked_job_frees_its_place_among_threads_with_a_limit() {
    let threads = ThreadPerJob::builder().limit(1).build().unwrap();
    let (own, gate, runs) = (threads.handle(), Gate::new(), Counter::new());
    let (closed, counts) = (gate.clone(), runs.clone());
    let outer = threads
        .submit(move || {
            let handle = own.submit(move || {
                counts.add();
                closed.pass();
                7
            });
            soon(handle.unwrap())
        })
        .unwrap();
    runs.reach(1);
    // The one place is that of the awaited job.
    assert!(threads.try_execute(|| ()).unwrap_err().is_saturated());
    assert_eq!(threads.stats().active, 2);
    gate.open();
    assert_eq!(soon(outer), 7);
    threads.close();
}

#[test]
fn a_busy_pool_of_two_serves_a_parked_worker_in_the_order_of_submission() {
    let (pool, gate) = (ThreadPoolExecutor::fixed(2).unwrap(), Gate::new());
    block_worker(&pool, &gate);
    let own = pool.handle();
    let outer = pool.submit(move || {
        let order = Arc::new(parking_lot::Mutex::new(Vec::new()));
        let submit = |n: u64| {
            let order = Arc::clone(&order);
            own.submit(move || order.lock().push(n)).unwrap()
        };
        let handles = [1, 2, 3].map(submit);
        let [first, second, third] = handles;
        [third, second, first].into_iter().for_each(soon);
        std::mem::take(&mut *order.lock())
    });
    assert_eq!(soon(outer.unwrap()), [1, 2, 3]);
    gate.open();
    finish(&pool);
}

// Waits that are begun again and again.

/// Jobs that submit two each and poll them, down to the leaves.
fn polled_tree(pool: &Handle, depth: u32, limit: Duration) -> u64 {
    if depth == 0 {
        return 1;
    }
    let children = [(); 2].map(|()| {
        let own = pool.clone();
        pool.submit(move || polled_tree(&own, depth - 1, limit)).unwrap()
    });
    children.into_iter().map(|child| polled_for(child, limit)).sum()
}

#[test]
fn jobs_that_poll_others_are_stood_in_for_however_short_they_wait() {
    for limit in [Duration::ZERO, Duration::from_nanos(1), Duration::from_micros(20), SHORT] {
        for threads in [1, 3] {
            let pool = ThreadPoolExecutor::fixed(threads).unwrap();
            let own = pool.handle();
            let outers = [(); 3].map(|()| {
                let own = own.clone();
                pool.submit(move || polled_tree(&own, 3, limit)).unwrap()
            });
            for outer in outers {
                assert_eq!(soon(outer), 8, "{limit:?}, {threads} threads");
            }
            shrinks_to(&pool, threads);
            finish(&pool);
        }
    }
}

#[test]
fn a_set_that_is_polled_for_no_time_has_its_jobs_run() {
    for threads in [1, 3] {
        let pool = ThreadPoolExecutor::fixed(threads).unwrap();
        let own = pool.handle();
        let outers = [(); 3].map(|()| {
            let own = own.clone();
            let outer = move || {
                let mut set = own.join_set();
                set.submit(|| 7).unwrap();
                loop {
                    match set.join_next_timeout(Duration::ZERO) {
                        Err(AwaitError::TimedOut) => {}
                        other => return other.unwrap().unwrap().1.unwrap(),
                    }
                }
            };
            pool.submit(outer).unwrap()
        });
        for outer in outers {
            assert_eq!(soon(outer), 7, "{threads} threads");
        }
        finish(&pool);
    }
}
