//! Tests of pools that end while a panic unwinds: what the program asked for is done, and only a
//! panic that drops its pool stops that.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;

use workcrew::policy::CallerRuns;
use workcrew::{
    Builder, Handle, OnDrop, Queue, ShutdownPlan, ThreadPerJob, ThreadPoolExecutor, interrupt,
};

use crate::support::{Counter, Gate, LONG, block_worker, eventually, finish, hold, single};

const JOBS: usize = 5;

/// Runs its closure when it is dropped by a panic, and keeps what comes of it: a second panic that
/// left the destructor would end the process.
struct OnUnwind<'a, F: FnMut()>(F, &'a mut Option<thread::Result<()>>);

impl<F: FnMut()> Drop for OnUnwind<'_, F> {
    fn drop(&mut self) {
        assert!(thread::panicking());
        *self.1 = Some(catch_unwind(AssertUnwindSafe(&mut self.0)));
    }
}

/// Panics, and calls this while that unwinds.
fn while_unwinding(f: impl FnMut()) {
    let mut result = None;
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let _runs = OnUnwind(f, &mut result);
        resume_unwind(Box::new("unrelated"));
    }));
    assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"unrelated"));
    if let Err(payload) = result.unwrap() {
        resume_unwind(payload);
    }
}

fn one_thread() -> Builder {
    ThreadPoolExecutor::builder().threads(1).queue(Queue::Unbounded)
}

/// Submits jobs that count themselves; the first waits until the others are queued.
fn submit(pool: &Handle) -> Counter {
    let (ran, queued) = (Counter::new(), Gate::new());
    for number in 0..JOBS {
        let (ran, queued) = (ran.clone(), queued.clone());
        let job = move || {
            if number == 0 {
                queued.pass();
            }
            ran.add();
        };
        pool.execute(job).unwrap();
    }
    queued.open();
    ran
}

#[test]
fn a_close_by_name_runs_every_accepted_job() {
    while_unwinding(|| {
        let pool = single();
        let (ran, handle) = (submit(&pool.handle()), pool.handle());
        pool.close();
        assert_eq!((ran.get(), handle.is_terminated()), (JOBS, true));
        let threads = ThreadPerJob::new();
        let (ran, handle) = (submit(&threads.handle()), threads.handle());
        threads.close();
        assert_eq!((ran.get(), handle.is_terminated()), (JOBS, true));
    });
}

#[test]
fn a_close_by_name_runs_the_jobs_of_a_pool_older_than_the_panic() {
    let pool = single();
    let (ran, handle) = (submit(&pool.handle()), pool.handle());
    let mut pool = Some(pool);
    while_unwinding(|| {
        pool.take().unwrap().close();
        assert_eq!((ran.get(), handle.is_terminated()), (JOBS, true));
    });
    let threads = ThreadPerJob::new();
    let (ran, handle) = (submit(&threads.handle()), threads.handle());
    let mut threads = Some(threads);
    while_unwinding(|| {
        threads.take().unwrap().close();
        assert_eq!((ran.get(), handle.is_terminated()), (JOBS, true));
    });
}

#[test]
fn a_detach_by_name_waits_for_nothing_and_runs_every_accepted_job() {
    let before = single();
    let mut before = Some(before);
    while_unwinding(|| {
        for pool in [before.take().unwrap(), single()] {
            let gate = Gate::new();
            block_worker(&pool, &gate);
            let (ran, handle) = (submit(&pool.handle()), pool.handle());
            pool.detach();
            assert_eq!((ran.get(), handle.is_shutdown()), (0, true));
            gate.open();
            handle.await_termination(LONG).unwrap();
            assert_eq!(ran.get(), JOBS);
        }
        let threads = ThreadPerJob::new();
        let (ran, handle) = (submit(&threads.handle()), threads.handle());
        threads.detach();
        handle.await_termination(LONG).unwrap();
        assert_eq!(ran.get(), JOBS);
    });
}

#[test]
fn a_pool_made_while_unwinding_is_dropped_as_ever() {
    while_unwinding(|| {
        for on_drop in [OnDrop::Close, OnDrop::Plan(ShutdownPlan::new().grace(LONG))] {
            let pool = one_thread().on_drop(on_drop).build().unwrap();
            let (ran, handle) = (submit(&pool.handle()), pool.handle());
            drop(pool);
            assert_eq!((ran.get(), handle.is_terminated()), (JOBS, true));
        }
        let threads = ThreadPerJob::new();
        let (ran, handle) = (submit(&threads.handle()), threads.handle());
        drop(threads);
        assert_eq!((ran.get(), handle.is_terminated()), (JOBS, true));
        // This one waits for what it interrupts.
        let pool = one_thread().on_drop(OnDrop::Stop).build().unwrap();
        let (running, stopped, handle) = (Gate::new(), Gate::new(), pool.handle());
        let (runs, stops) = (running.clone(), stopped.clone());
        let job = move || {
            runs.open();
            interrupt::sleep(LONG).unwrap_err();
            stops.open();
        };
        pool.execute(job).unwrap();
        running.pass();
        drop(pool);
        assert!(stopped.is_open() && handle.is_terminated());
        let pool = one_thread().on_drop(OnDrop::Detach).build().unwrap();
        let (ran, handle) = (submit(&pool.handle()), pool.handle());
        drop(pool);
        handle.await_termination(LONG).unwrap();
        assert_eq!(ran.get(), JOBS);
    });
}

#[test]
fn a_pool_made_while_unwinding_can_be_used_in_every_way() {
    while_unwinding(|| {
        let pool = one_thread().queue(Queue::Bounded(1)).rejection_policy(CallerRuns);
        let pool = pool.build().unwrap();
        let numbers = [1, 2, 3];
        let sum = pool.handle().scope(|scope| {
            let parts: Vec<_> =
                numbers.iter().map(|number| scope.submit(move || *number)).collect();
            parts.into_iter().map(|part| part.unwrap().join().unwrap()).sum::<i32>()
        });
        assert_eq!(sum.unwrap(), 6);
        let all = pool.handle().invoke_all(numbers.map(|number| move || number)).unwrap();
        assert_eq!(all.into_iter().map(Result::unwrap).sum::<i32>(), 6);
        let mapped = pool.handle().map(numbers, |number| number);
        assert_eq!(mapped.map(Result::unwrap).sum::<i32>(), 6);
        finish(&pool);
    });
}

#[test]
fn a_panic_on_another_thread_than_the_makers_drops_the_pool() {
    let mut pool = None;
    while_unwinding(|| pool = Some(single()));
    let pool = pool.unwrap();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    let (ran, handle) = (submit(&pool.handle()), pool.handle());
    let panicking = thread::spawn(move || {
        let _pool = pool;
        resume_unwind(Box::new("on purpose"));
    });
    assert!(panicking.join().is_err(), "its drop did not wait for the blocked job");
    assert!(handle.is_shutdown() && !handle.is_terminated());
    gate.open();
    handle.await_termination(LONG).unwrap();
    assert_eq!(ran.get(), 0);
}

#[test]
fn a_job_whose_panic_drops_its_pool_stops_that() {
    let (outer, inner) = (single(), single());
    let gate = Gate::new();
    let started = hold(&inner, &gate, 2);
    started.reach(1);
    let handle = inner.handle();
    outer
        .execute(move || {
            let _inner = inner;
            resume_unwind(Box::new("on purpose"));
        })
        .unwrap();
    eventually("the panic stops it", || handle.is_shutdown());
    gate.open();
    handle.await_termination(LONG).unwrap();
    assert_eq!(started.get(), 1);
    finish(&outer);
}
