//! Models of threads that wait for jobs: of those that come to them late, of the spares that stand
//! in for parked workers, and of starts that fail meanwhile.

use std::io;
use std::time::Duration;

use super::{Count, KEEP_ALIVE, Mark, Queue, configure, end, explore, pool, spawn};
use crate::sync::{Arc, Condvar, Mutex, advance, await_sleeps};
use crate::{Handle, Job, JobHandle, RejectReason, ThreadPoolExecutor};

/// A limit that no model reaches. A wait with a limit never runs the awaited job itself.
const LIMIT: Duration = Duration::from_secs(60);

/// After this time a thread is asked for again that was refused.
const RETRY: Duration = Duration::from_millis(10);

/// Waits for the job without running it: the worker that calls this is parked.
fn await_parked<T>(handle: JobHandle<T>) -> Option<T> {
    handle.join_timeout(LIMIT).expect("the limit is never reached").ok()
}

/// Submits a job that submits another and waits for it, parked.
fn nest(pool: &Handle, runs: &Count) -> JobHandle<Option<usize>> {
    let (inside, run) = (pool.clone(), runs.clone());
    let outer = move || {
        let inner = inside.submit(move || run.next()).expect("there is room");
        await_parked(inner)
    };
    pool.submit(outer).expect("there is room")
}

/// What happens as many times as somebody waits for.
#[derive(Clone, Default)]
struct Events(Arc<(Mutex<usize>, Condvar)>);

impl Events {
    fn add(&self) {
        *self.0.0.lock() += 1;
        self.0.1.notify_all();
    }

    fn reach(&self, number: usize) {
        let mut count = self.0.0.lock();
        while *count < number {
            self.0.1.wait(&mut count);
        }
    }
}

/// A pool of one worker whose factory is refused a thread by these calls, of which the first is 0.
fn refusing(calls: std::ops::Range<usize>) -> ThreadPoolExecutor {
    let count = Count::default();
    let builder = configure(1, Queue::Unbounded).thread_factory(move |worker| {
        if calls.contains(&count.next()) {
            return Err(io::Error::other("no thread now"));
        }
        worker.builder().spawn(move || worker.run())
    });
    builder.build().expect("valid settings")
}

/// Lets time pass while all others wait, until this is over. Time has an end, so a wait that is
/// never over is found.
fn tick_until(over: &Mark) {
    while over.get() == 0 {
        advance(RETRY);
        loom::thread::yield_now();
    }
}

#[test]
fn a_job_that_is_queued_while_somebody_waits_for_it_is_run() {
    explore("queued against join", 3, || {
        let pool = pool(1);
        let runs = Count::default();
        let run = runs.clone();
        let (job, awaited) = Job::with_handle(move || run.next());
        let outer = pool.submit(move || awaited.join().ok()).expect("there is room");
        pool.execute_job(job).expect("there is room");
        assert_eq!(outer.join().ok(), Some(Some(0)));
        assert_eq!(end(pool).completed, 2);
        assert_eq!(runs.get(), 1);
    });
}

#[test]
fn a_job_that_is_queued_while_a_parked_worker_waits_for_it_is_run() {
    explore("queued against join_timeout", 3, || {
        let pool = pool(1);
        let runs = Count::default();
        let run = runs.clone();
        let (job, awaited) = Job::with_handle(move || run.next());
        let outer = pool.submit(move || await_parked(awaited)).expect("there is room");
        pool.execute_job(job).expect("there is room");
        assert_eq!(outer.join().ok(), Some(Some(0)));
        assert_eq!(end(pool).completed, 2);
        assert_eq!(runs.get(), 1);
    });
}

#[test]
fn a_job_that_moves_to_another_pool_while_somebody_waits_for_it_is_run() {
    explore("moved against join", 2, || {
        let (first, second) = (pool(1), pool(1));
        let runs = Count::default();
        let (inside, run) = (first.handle(), runs.clone());
        let outer = move || {
            let inner = inside.submit(move || run.next()).expect("there is room");
            inner.join().ok()
        };
        let outer = first.submit(outer).expect("there is room");
        for job in first.take_pending() {
            second.execute_job(job).expect("there is room");
        }
        assert_eq!(outer.join().ok(), Some(Some(0)));
        assert_eq!(end(first).completed + end(second).completed, 2);
        assert_eq!(runs.get(), 1);
    });
}

#[test]
fn a_spare_leaves_when_its_worker_goes_on() {
    explore("spare against end of wait", 2, || {
        let stops = Events::default();
        let stopped = stops.clone();
        let builder = configure(1, Queue::Unbounded).on_thread_stop(move |_| stopped.add());
        let pool = builder.build().expect("valid settings");
        let inside = pool.handle();
        let outer = move || {
            let pool = inside.clone();
            let inner = inside.submit(move || pool.stats().spare).expect("there is room");
            let spares = await_parked(inner);
            stops.reach(1);
            (spares, inside.stats().pool_size)
        };
        let outer = pool.submit(outer).expect("there is room");
        assert_eq!(outer.join().ok(), Some((Some(1), 1)));
        assert_eq!(end(pool).completed, 2);
    });
}

#[test]
fn a_spare_runs_what_a_parked_worker_waits_for_also_after_shutdown() {
    explore("spare against shutdown", 2, || {
        let pool = pool(1);
        let runs = Count::default();
        let (inside, run) = (pool.handle(), runs.clone());
        let outer = move || {
            let mut set = inside.join_set();
            if let Err(refused) = set.submit(move || run.next()) {
                assert!(refused.is_shutdown());
                refused.into_job().run();
            }
            set.join_next().expect("nobody interrupts this").map(|(_, result)| result.ok())
        };
        let outer = pool.submit(outer).expect("there is room");
        let stats = end(pool);
        assert!(matches!(outer.try_join(), Ok(Ok(None | Some(Some(0))))));
        assert_eq!(stats.completed + stats.rejected, 2);
        assert_eq!(runs.get(), 1);
    });
}

#[test]
fn a_spare_runs_what_a_parked_worker_waits_for_also_while_workers_leave() {
    explore("spare against keep-alive expiry", 2, || {
        let builder = configure(1, Queue::Unbounded).keep_alive(KEEP_ALIVE);
        let pool = builder.allow_core_timeout(true).build().expect("valid settings");
        let runs = Count::default();
        let outer = nest(&pool.handle(), &runs);
        advance(KEEP_ALIVE);
        assert_eq!(outer.join().ok(), Some(Some(0)));
        assert_eq!(pool.submit(|| 2).expect("there is room").join().ok(), Some(2));
        assert_eq!(end(pool).completed, 3);
        assert_eq!(runs.get(), 1);
    });
}

#[test]
fn a_job_that_relied_on_a_refused_thread_is_run_for_who_waits_for_it() {
    explore("refused start against join", 2, || {
        let pool = refusing(0..2);
        let (runs, over) = (Count::default(), Mark::default());
        let waiter = {
            let (pool, run, over) = (pool.handle(), runs.clone(), over.clone());
            spawn(move || {
                match pool.submit(move || run.add()) {
                    Ok(handle) => assert!(handle.join().is_ok()),
                    Err(refused) => {
                        assert_eq!(refused.reason(), RejectReason::SpawnFailed);
                        refused.into_job().run();
                    }
                }
                over.add();
            })
        };
        let run = runs.clone();
        if let Err(refused) = pool.execute(move || run.add()) {
            assert_eq!(refused.reason(), RejectReason::SpawnFailed);
            refused.into_job().run();
        }
        tick_until(&over);
        waiter.join().expect("it does not panic");
        let stats = end(pool);
        assert_eq!(stats.completed + stats.rejected, 2);
        assert_eq!(runs.get(), 2);
    });
}

#[test]
fn a_parked_worker_asks_again_for_a_spare_that_was_refused() {
    explore("refused spare against join_timeout", 2, || {
        let pool = refusing(1..2);
        let runs = Count::default();
        let outer = nest(&pool.handle(), &runs);
        // The refusal itself wakes the worker once more.
        await_sleeps(2);
        advance(RETRY);
        assert_eq!(outer.join().ok(), Some(Some(0)));
        let stats = end(pool);
        assert_eq!((stats.completed, stats.spawn_failures), (2, 1));
        assert_eq!(runs.get(), 1);
    });
}
