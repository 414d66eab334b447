//! Jobs of a scope that are given back: with their handles, and kept longer than the scope.

use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crossbeam_channel::{Sender, unbounded};
use workcrew::{
    CancelOutcome, CancelReason, JobState, Queue, RejectReason, ScopedHandle, ScopedRejected,
    ThreadPoolExecutor,
};

use crate::panics::{MARK, keep_errors, warnings_with};
use crate::support::{
    Gate, Helper, SHORT, block_worker, eventually, finish, helper, pass_time, repeat,
};

/// Counts itself when it is dropped, and looks whether what it borrows from is there.
struct Guest<'a>(&'a Frame);

#[derive(Default)]
struct Frame {
    is_over: AtomicBool,
    drops: AtomicUsize,
}

impl Frame {
    fn drops(&self) -> usize {
        self.drops.load(Ordering::SeqCst)
    }
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        assert!(!self.0.is_over.load(Ordering::SeqCst), "dropped after the scope");
        self.0.drops.fetch_add(1, Ordering::SeqCst);
    }
}

/// A pool of this name that is shut down.
fn shut(name: &str) -> ThreadPoolExecutor {
    let pool = ThreadPoolExecutor::builder().name(name).threads(1).build().expect("a pool");
    pool.shutdown();
    pool
}

/// A thread that runs what it is sent, and tells what came of it. The sender is dropped first, which
/// ends the thread, also where a test fails.
fn runner<T: Send + 'static>(
    run: impl Fn(ScopedRejected) -> T + Send + 'static,
) -> (Helper<Vec<T>>, Sender<ScopedRejected>) {
    let (sender, receiver) = unbounded();
    (helper(move || receiver.into_iter().map(run).collect()), sender)
}

// Kept longer than the scope.

#[test]
fn a_rejected_job_that_is_kept_longer_than_its_scope_does_not_run_and_the_log_says_so() {
    keep_errors();
    let pool = shut(&format!("{MARK}-late"));
    let line = format!("pool {MARK}-late: a rejected job does not run, as its scope has ended");
    let frame = Frame::default();
    let mut kept = None;
    pool.scope(|s| {
        let guest = Guest(&frame);
        let run = move || {
            drop(guest);
            unreachable!("it runs after its scope");
        };
        let rejected = s.execute(run).expect_err("the pool is shut down");
        assert!(!rejected.is_over());
        kept = Some(rejected);
    })
    .expect("its submitter knows");
    assert_eq!(frame.drops(), 1, "what it borrowed is free");
    frame.is_over.store(true, Ordering::SeqCst);
    let kept = kept.expect("it was kept");
    assert!(kept.is_over() && kept.is_shutdown());
    assert_eq!(kept.to_string(), "the pool is shut down and takes no more jobs");
    assert_eq!(warnings_with(&line), 0);
    kept.run();
    assert_eq!(warnings_with(&line), 1);
    assert_eq!(frame.drops(), 1);
}

#[test]
fn a_job_that_its_scope_or_its_handle_cancelled_does_not_run_and_nothing_is_said_of_it() {
    keep_errors();
    let pool = shut(&format!("{MARK}-cancelled"));
    pool.scope(|s| {
        let rejected = s.submit(|| unreachable!("cancelled")).expect_err("the pool is shut down");
        let (rejected, handle): (_, ScopedHandle<'_, ()>) = rejected.into_parts();
        assert_eq!(handle.cancel(), CancelOutcome::Removed);
        rejected.run();
    })
    .expect("its submitter knows");
    assert_eq!(warnings_with(&format!("{MARK}-cancelled: a rejected job")), 0);
}

#[test]
fn a_rejected_job_that_another_thread_runs_at_the_scopes_end_has_run_or_never_does() {
    let pool = shut("racing");
    let (runner, sender) = runner(ScopedRejected::run);
    for round in 0..repeat(2_000) {
        let frame = Frame::default();
        let guest = Guest(&frame);
        let call = || {
            // Whatever the job touches is there as long as it runs.
            let guest = guest;
            thread::yield_now();
            assert!(!guest.0.is_over.load(Ordering::SeqCst), "it runs after its scope");
        };
        pool.scope(|s| {
            let rejected = s.execute(call).expect_err("the pool is shut down");
            sender.send(rejected).expect("it receives");
            (0..round % 64).for_each(|_| std::hint::spin_loop());
        })
        .expect("its submitter knows");
        assert_eq!(frame.drops(), 1, "run or dropped, once");
        frame.is_over.store(true, Ordering::SeqCst);
    }
    drop(sender);
    runner.join();
}

#[test]
fn the_scope_waits_for_a_rejected_job_that_another_thread_runs() {
    let pool = shut("waiting");
    let (started, go) = (Gate::new(), Gate::new());
    let (runner, sender) = runner(ScopedRejected::run);
    let opener = helper({
        let go = go.clone();
        let started = started.clone();
        move || {
            started.pass();
            // Long enough for a scope that does not wait to end.
            pass_time(SHORT);
            go.open();
        }
    });
    let has_ended = AtomicBool::new(false);
    pool.scope(|s| {
        let run = || {
            started.open();
            go.pass();
            has_ended.store(true, Ordering::SeqCst);
        };
        sender.send(s.execute(run).expect_err("the pool is shut down")).expect("it receives");
        started.pass();
    })
    .expect("its submitter knows");
    assert!(has_ended.into_inner());
    drop(sender);
    runner.join();
    opener.join();
}

#[test]
fn a_rejected_job_that_was_run_elsewhere_with_a_panic_ends_like_any() {
    let pool = shut("panicking");
    let (runner, sender) = runner(|rejected| catch_unwind(|| rejected.run()).is_err());
    let text = "borrowed".to_owned();
    let blown = AtomicBool::new(false);
    pool.scope(|s| {
        let run = || {
            blown.store(true, Ordering::SeqCst);
            panic_any(text.len());
        };
        sender.send(s.execute(run).expect_err("the pool is shut down")).expect("it receives");
        eventually("it panics", || blown.load(Ordering::SeqCst));
    })
    .expect("the panic is the other thread's");
    drop(sender);
    assert_eq!(runner.join(), [true]);
}

// With the handle.

#[test]
fn the_parts_of_a_rejected_scoped_submission_belong_together() {
    let builder = ThreadPoolExecutor::builder().threads(1).queue(Queue::Bounded(1));
    let pool = builder.build().expect("a possible pool");
    let gate = Gate::new();
    block_worker(&pool, &gate);
    pool.execute(|| ()).expect("the queue has a place");
    let text = "seven".to_owned();
    let length = pool.scope(|s| {
        let rejected = s.submit(|| text.len()).expect_err("the pool is full");
        assert_eq!(rejected.reason(), RejectReason::Saturated);
        assert!(rejected.is_saturated() && !rejected.is_shutdown());
        assert_eq!(format!("{rejected:?}"), "ScopedRejectedSubmit { reason: Saturated, .. }");
        let told = rejected.to_string();
        let (rejected, handle) = rejected.into_parts();
        assert_eq!(rejected.to_string(), told);
        assert_eq!(handle.state(), JobState::Pending);
        rejected.run();
        assert_eq!(handle.state(), JobState::Finished);
        handle.join().expect("it has run")
    });
    assert_eq!(length, Ok(5));
    gate.open();
    assert_eq!(finish(&pool).rejected, 1);
}

#[test]
fn the_panic_of_a_rejected_job_is_the_handles_where_that_is_held_and_else_the_runners() {
    let pool = shut("panics");
    pool.scope(|s| {
        let rejected = s.submit(|| panic_any("told")).expect_err("the pool is shut down");
        let (rejected, handle): (_, ScopedHandle<'_, ()>) = rejected.into_parts();
        rejected.run();
        assert_eq!(handle.join().expect_err("it panics").message(), Some("told"));

        let rejected = s.submit(|| panic_any("thrown")).expect_err("the pool is shut down");
        let rejected = ScopedRejected::from(rejected);
        let thrown = catch_unwind(AssertUnwindSafe(|| rejected.run())).expect_err("it panics");
        assert_eq!(thrown.downcast_ref(), Some(&"thrown"));
    })
    .expect("no panic is left to the scope");
}

#[test]
fn a_rejected_job_that_is_dropped_tells_its_scoped_handle() {
    let pool = shut("dropping");
    pool.scope(|s| {
        let rejected = s.submit(|| 7).expect_err("the pool is shut down");
        let (rejected, handle) = rejected.into_parts();
        drop(rejected);
        let error = handle.join().expect_err("it did not run");
        assert_eq!(error.cancel_reason(), Some(CancelReason::Dropped));
    })
    .expect("its submitter knows");
}

#[test]
fn parts_of_a_rejected_job_that_are_forgotten_do_not_keep_the_scope() {
    let pool = shut("forgetting");
    let frame = Frame::default();
    pool.scope(|s| {
        let guest = Guest(&frame);
        let rejected = s.submit(move || drop(guest)).expect_err("the pool is shut down");
        std::mem::forget(rejected);
    })
    .expect("its submitter knows");
    assert_eq!(frame.drops(), 1);
}
