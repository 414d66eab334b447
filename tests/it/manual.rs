//! `ManualExecutor`: jobs run when it is told to, in an order that depends on nothing else.

use std::panic::panic_any;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use workcrew::interrupt::{self, Interrupt, Interrupted};
use workcrew::{CancelOutcome, Executor, ExecutorExt, Job, JobState, ManualExecutor, RejectReason};

use crate::panics::{MARK, errors_with, keep_errors};
use crate::support::{Counter, SHORT, assert_cancelled, helper, repeat, soon, stop_point};

type Trace = Arc<Mutex<Vec<u32>>>;

fn note(trace: &Trace, number: u32) -> impl FnOnce() + Send + 'static {
    let trace = Arc::clone(trace);
    move || trace.lock().push(number)
}

#[test]
fn nothing_runs_until_it_is_told_to() {
    let (manual, trace) = (ManualExecutor::new(), Trace::default());
    for number in 0..3 {
        manual.execute(note(&trace, number)).expect("accepted");
    }
    assert_eq!((manual.pending(), trace.lock().len()), (3, 0));
    assert!(manual.run_next());
    assert_eq!((manual.pending(), trace.lock().clone()), (2, vec![0]));
    assert_eq!(manual.run_until_idle(), 2);
    assert_eq!(*trace.lock(), [0, 1, 2]);
    assert!(!manual.run_next());
    assert_eq!((manual.run_pending(), manual.run_until_idle()), (0, 0));
}

/// Submits a job that submits the next, and so on for longer than a test looks.
fn endless(manual: &ManualExecutor, trace: &Trace, number: u32) {
    let (again, seen) = (manual.clone(), Arc::clone(trace));
    let job = move || {
        seen.lock().push(number);
        if number % 100 < 50 {
            endless(&again, &seen, number + 1);
        }
    };
    manual.execute(job).expect("accepted");
}

#[test]
fn run_pending_leaves_what_is_submitted_meanwhile() {
    let (manual, trace) = (ManualExecutor::new(), Trace::default());
    endless(&manual, &trace, 0);
    endless(&manual, &trace, 100);
    for round in 1..=3 {
        assert_eq!(manual.run_pending(), 2);
        assert_eq!((manual.pending(), trace.lock().len()), (2, round * 2));
    }
    assert_eq!(*trace.lock(), [0, 100, 1, 101, 2, 102]);
    drop(manual.shutdown_now());
}

#[test]
fn cancelled_jobs_count_neither_as_pending_nor_as_run() {
    let manual = ManualExecutor::new();
    let handles: Vec<_> = (0..4).map(|n| manual.submit(move || n).expect("accepted")).collect();
    assert_eq!(handles[1].cancel(), CancelOutcome::Removed);
    assert_eq!(handles[3].cancel(), CancelOutcome::Removed);
    assert_eq!(manual.pending(), 2);
    assert!(manual.run_next() && manual.run_next());
    assert!(!manual.run_next(), "only a cancelled one is left");
    let states: Vec<_> = handles.iter().map(workcrew::JobHandle::state).collect();
    let (ran, cancelled) = (JobState::Finished, JobState::Cancelled);
    assert_eq!(states, [ran, cancelled, ran, cancelled]);
}

#[test]
fn a_job_that_another_joined_counts_as_run_once() {
    let manual = ManualExecutor::new();
    let inner = manual.clone();
    let outer = manual
        .submit(move || {
            let second = inner.submit(|| 1).expect("accepted");
            let third = inner.submit(|| 2).expect("accepted");
            let third = soon(third);
            assert_eq!(inner.pending(), 1, "the one that was not joined");
            (second.state(), third)
        })
        .expect("accepted");
    assert_eq!(manual.run_until_idle(), 2, "one was run by the job that joined it");
    assert_eq!(soon(outer), (JobState::Pending, 2));
}

/// A little program of nested, joined and cancelled jobs; what it did, in order.
fn program() -> Vec<u32> {
    let (manual, trace) = (ManualExecutor::new(), Trace::default());
    for number in (0..40).step_by(10) {
        let (again, seen) = (manual.clone(), Arc::clone(&trace));
        let job = move || {
            seen.lock().push(number);
            let handles: Vec<_> =
                (1..5).map(|n| again.submit(note(&seen, number + n)).expect("accepted")).collect();
            handles[1].cancel();
            for handle in handles.into_iter().skip(2) {
                soon(handle);
            }
            seen.lock().push(number + 9);
        };
        manual.execute(job).expect("accepted");
    }
    manual.run_until_idle();
    std::mem::take(&mut *trace.lock())
}

#[test]
fn a_program_does_the_same_each_time() {
    let expected: Vec<u32> =
        (0..40).step_by(10).flat_map(|n| [n, n + 3, n + 4, n + 9]).chain([1, 11, 21, 31]).collect();
    for _ in 0..10 {
        assert_eq!(program(), expected);
    }
}

#[test]
fn a_job_may_run_others_by_hand() {
    let (manual, trace) = (ManualExecutor::new(), Trace::default());
    let (inner, seen) = (manual.clone(), Arc::clone(&trace));
    let job = move || {
        assert_eq!(inner.run_until_idle(), 2);
        seen.lock().push(0);
    };
    manual.execute(job).expect("accepted");
    manual.execute(note(&trace, 1)).expect("accepted");
    manual.execute(note(&trace, 2)).expect("accepted");
    assert_eq!(manual.run_until_idle(), 1, "the others were run inside");
    assert_eq!(*trace.lock(), [1, 2, 0]);
}

#[test]
fn a_shutdown_leaves_the_pending_jobs_to_be_run() {
    let manual = ManualExecutor::default();
    let handle = manual.submit(|| 1).expect("accepted");
    assert!(!manual.is_shutdown());
    manual.shutdown();
    assert!(manual.is_shutdown());
    let rejected = manual.execute(|| ()).expect_err("it is shut down");
    assert_eq!(rejected.reason(), RejectReason::Shutdown);
    assert_eq!(manual.run_until_idle(), 1);
    assert_eq!(soon(handle), 1);
}

#[test]
fn shutdown_now_returns_the_pending_jobs_in_order() {
    let (manual, trace) = (ManualExecutor::new(), Trace::default());
    let handles: Vec<_> =
        (0..5).map(|n| manual.submit(note(&trace, n)).expect("accepted")).collect();
    handles[1].cancel();
    let mut pending = manual.shutdown_now();
    assert_eq!((pending.len(), manual.pending()), (4, 0));
    assert!(manual.is_shutdown() && !manual.run_next());
    assert!(manual.shutdown_now().is_empty());

    assert_eq!(handles[3].cancel(), CancelOutcome::Removed, "though no executor has it");
    drop(pending.pop());
    let other = ManualExecutor::new();
    for job in pending {
        other.execute_job(job).expect("accepted");
    }
    assert_eq!(other.run_until_idle(), 2);
    assert_eq!(*trace.lock(), [0, 2]);
    let cancelled = handles.into_iter().enumerate().filter(|(n, _)| [1, 3, 4].contains(n));
    for (_, handle) in cancelled {
        assert_cancelled(handle);
    }
}

#[test]
fn a_job_that_came_back_is_not_run_by_one_that_joins_it() {
    let manual = ManualExecutor::new();
    let inner = manual.clone();
    let job = move || {
        // Who is interrupted runs nothing in a join; this takes the place of that interrupt.
        let _entered = Interrupt::new().enter();
        let handle = inner.submit(|| ()).expect("accepted");
        let back = inner.shutdown_now();
        let handle = handle.join_timeout(SHORT).expect_err("out of time");
        drop(back);
        handle.state()
    };
    let outer = manual.submit(job).expect("accepted");
    assert!(manual.run_next());
    assert_eq!(soon(outer), JobState::Cancelled);
}

#[test]
fn shutdown_now_interrupts_the_jobs_that_run() {
    let manual = ManualExecutor::new();
    let (entered, leave, stop) = stop_point();
    let plain = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&plain);
    let tracked = manual
        .submit(move || {
            stop();
            interrupt::sleep(Duration::MAX)
        })
        .expect("accepted");
    let sleeps = move || *seen.lock() = Some(interrupt::sleep(Duration::MAX));
    manual.execute(sleeps).expect("accepted");
    let runners: Vec<_> = (0..2)
        .map(|_| {
            let manual = manual.clone();
            helper(move || manual.run_next())
        })
        .collect();
    entered.pass();
    // The other may not have begun: then it comes back, and finds its interrupt not set.
    let back = manual.shutdown_now();
    leave.open();
    let ran = runners.into_iter().map(crate::support::Helper::join).filter(|ran| *ran).count();
    assert_eq!(ran + back.len(), 2);
    assert_eq!(soon(tracked), Err(Interrupted));
    if back.is_empty() {
        assert_eq!(*plain.lock(), Some(Err(Interrupted)));
    }
    assert!(interrupt::current().is_none(), "this thread is as it was");
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic_any(format!("{MARK}-manual-bomb"));
    }
}

#[test]
fn dropping_the_last_clone_drops_the_pending_jobs() {
    keep_errors();
    let manual = ManualExecutor::new();
    let (bomb, clone) = (Bomb, manual.clone());
    manual.execute(move || drop(bomb)).expect("accepted");
    let handle = manual.submit(|| ()).expect("accepted");
    drop(manual);
    assert_eq!((handle.state(), clone.pending()), (JobState::Pending, 2));
    drop(clone);
    assert_cancelled(handle);
    assert_eq!(errors_with(&format!("{MARK}-manual-bomb")), 1);
}

#[test]
fn several_threads_submit_and_run_and_each_job_runs_once() {
    for _ in 0..repeat(20) {
        let (manual, ran) = (ManualExecutor::new(), Counter::new());
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let (manual, ran) = (manual.clone(), ran.clone());
                helper(move || {
                    let mut told = 0;
                    for _ in 0..50 {
                        let ran = ran.clone();
                        let count = move || {
                            ran.add();
                        };
                        manual.execute(count).expect("accepted");
                        told += usize::from(manual.run_next());
                    }
                    told + manual.run_pending()
                })
            })
            .collect();
        let told: usize = threads.into_iter().map(crate::support::Helper::join).sum();
        assert_eq!((told + manual.run_until_idle(), ran.get()), (200, 200));
    }
}

#[test]
fn shutdown_now_and_a_run_share_the_jobs_between_them() {
    for _ in 0..repeat(50) {
        let (manual, ran) = (ManualExecutor::new(), Counter::new());
        let handles: Vec<_> = (0..50)
            .map(|_| {
                let ran = ran.clone();
                manual.submit(move || ran.add()).expect("accepted")
            })
            .collect();
        let runner = manual.clone();
        let running = helper(move || runner.run_until_idle());
        let back: Vec<Job> = manual.shutdown_now();
        assert_eq!(running.join() + back.len(), 50);
        assert_eq!(ran.get() + back.len(), 50);
        drop(back);
        assert!(handles.iter().all(workcrew::JobHandle::is_finished), "every handle settles");
    }
}
