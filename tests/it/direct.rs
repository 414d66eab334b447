//! `DirectExecutor`: jobs run by their submitter, nested ones after the current one.

use std::cell::RefCell;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use workcrew::interrupt::{self, Interrupted};
use workcrew::{
    CancelOutcome, DirectExecutor, ExecutorExt, Job, JobState, RejectReason, ThreadPoolExecutor,
};

use crate::support::{Counter, Gate, LONG, helper, repeat, soon, stop_point};

#[test]
fn a_job_runs_on_the_submitter_before_the_call_returns() {
    let direct = DirectExecutor::new();
    let handle = direct.submit(|| thread::current().id()).expect("accepted");
    assert_eq!(handle.state(), JobState::Finished);
    assert_eq!(soon(handle), thread::current().id());
}

#[test]
fn a_nested_job_waits_for_the_current_one_and_clones_are_the_same_executor() {
    let direct = DirectExecutor::new();
    let nested = direct.clone();
    let handle = direct
        .submit(move || {
            let inner = nested.submit(|| thread::current().id()).expect("accepted");
            assert_eq!(inner.state(), JobState::Pending);
            inner
        })
        .expect("accepted");
    let inner = soon(handle);
    assert_eq!(inner.state(), JobState::Finished, "it ran before the outer call returned");
    assert_eq!(soon(inner), thread::current().id());
}

const MILLION: usize = 1_000_000;

fn chain(direct: &DirectExecutor, left: usize, ran: &Arc<Mutex<usize>>) {
    *ran.lock() += 1;
    if left > 1 {
        let (again, ran) = (direct.clone(), Arc::clone(ran));
        direct.execute(move || chain(&again, left - 1, &ran)).expect("accepted");
    }
}

#[test]
fn a_million_nested_submissions_do_not_grow_the_stack() {
    let small = thread::Builder::new().stack_size(128 * 1024);
    let run = || {
        let (direct, ran) = (DirectExecutor::new(), Arc::default());
        let (first, count) = (direct.clone(), Arc::clone(&ran));
        direct.execute(move || chain(&first, MILLION, &count)).expect("accepted");
        assert_eq!(*ran.lock(), MILLION, "each submitted by the one before");

        let (many, count) = (direct.clone(), Arc::clone(&ran));
        let submit_all = move || {
            for _ in 0..MILLION {
                let count = Arc::clone(&count);
                many.execute(move || *count.lock() += 1).expect("accepted");
            }
        };
        direct.execute(submit_all).expect("accepted");
        assert_eq!(*ran.lock(), 2 * MILLION, "all submitted by one");
    };
    small.spawn(run).expect("a thread").join().expect("no overflow");
}

#[test]
fn two_executors_that_submit_to_each_other_keep_their_orders() {
    let (one, two) = (DirectExecutor::new(), DirectExecutor::new());
    let order: Arc<Mutex<Vec<&str>>> = Arc::default();
    let note = |text| {
        let order = Arc::clone(&order);
        move || order.lock().push(text)
    };
    let (first, middle, last) = (note("first"), note("middle"), note("last"));
    let (again, other) = (one.clone(), two.clone());
    let job = move || {
        other
            .execute(move || {
                again.execute(last).expect("accepted");
                middle();
            })
            .expect("accepted");
        first();
    };
    one.execute(job).expect("accepted");
    assert_eq!(*order.lock(), ["middle", "first", "last"]);
}

#[test]
fn threads_run_their_own_jobs_at_the_same_time() {
    let direct = DirectExecutor::new();
    let met = Counter::new();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (direct, met) = (direct.clone(), met.clone());
            helper(move || {
                let this = thread::current().id();
                let nested = direct.clone();
                let job = move || {
                    met.add();
                    met.reach(4);
                    nested.submit(|| thread::current().id()).expect("accepted")
                };
                assert_eq!(soon(soon(direct.submit(job).expect("accepted"))), this);
            })
        })
        .collect();
    for thread in threads {
        thread.join();
    }
}

#[test]
fn a_join_from_another_job_or_a_cancel_and_the_run_never_meet() {
    for _ in 0..repeat(50) {
        let direct = DirectExecutor::new();
        let ran = Counter::new();
        let (sender, receiver) = crossbeam_channel::bounded(20);
        let other = direct.clone();
        let taker = helper(move || {
            let job = move || {
                let mut cancelled = 0;
                for (number, handle) in receiver.iter().enumerate() {
                    let handle: workcrew::JobHandle<()> = handle;
                    if number % 2 == 0 {
                        soon(handle);
                    } else if handle.cancel() == CancelOutcome::Removed {
                        cancelled += 1;
                    }
                }
                cancelled
            };
            soon(other.submit(job).expect("accepted"))
        });
        let (nested, counter) = (direct.clone(), ran.clone());
        let job = move || {
            for _ in 0..20 {
                let counter = counter.clone();
                let count = move || {
                    counter.add();
                };
                let handle = nested.submit(count).expect("accepted");
                sender.send(handle).expect("it is taken");
            }
        };
        direct.execute(job).expect("accepted");
        let cancelled = taker.join();
        assert_eq!(ran.get() + cancelled, 20, "each is run or cancelled, once");
    }
}

#[test]
fn a_timed_join_of_a_pending_job_runs_it_unless_the_time_is_zero() {
    let direct = DirectExecutor::new();
    let nested = direct.clone();
    let job = move || {
        let pending = nested.submit(|| 1).expect("accepted");
        let pending = pending.join_timeout(Duration::ZERO).expect_err("it only looks");
        assert_eq!(pending.state(), JobState::Pending);
        pending.join_timeout(Duration::MAX).expect("it has ended").expect("it returns")
    };
    assert_eq!(soon(direct.submit(job).expect("accepted")), 1);
}

#[test]
fn a_shutdown_keeps_what_was_accepted() {
    let direct = DirectExecutor::new();
    assert!(!direct.is_shutdown());
    let nested = direct.clone();
    let job = move || {
        let pending = nested.submit(|| "pending").expect("accepted");
        nested.shutdown();
        let rejected = nested.execute(|| ()).expect_err("it is shut down");
        (pending, rejected.reason())
    };
    let (pending, reason) = soon(direct.submit(job).expect("accepted"));
    assert_eq!(reason, RejectReason::Shutdown);
    assert_eq!(soon(pending), "pending");
    assert!(direct.is_shutdown());
}

#[test]
fn cancel_interrupts_a_running_job_and_no_other() {
    let direct = DirectExecutor::new();
    let (entered, leave, stop) = stop_point();
    let (job, handle) = Job::with_handle(move || {
        stop();
        interrupt::sleep(Duration::MAX)
    });
    let running = helper(move || {
        workcrew::Executor::execute_job(&direct, job).expect("accepted");
        soon(direct.submit(interrupt::is_interrupted).expect("accepted"))
    });
    entered.pass();
    assert_eq!(handle.cancel(), CancelOutcome::Interrupted);
    leave.open();
    assert_eq!(soon(handle), Err(Interrupted));
    assert!(!running.join(), "the next job is not interrupted");
}

#[test]
fn the_interrupt_of_the_calling_job_reaches_the_jobs_it_calls() {
    let pool = ThreadPoolExecutor::single().expect("a pool");
    let direct = DirectExecutor::new();
    let running = Gate::new();
    let started = running.clone();
    let job = move || {
        let nested = direct.clone();
        let direct_job = move || {
            let behind = nested.submit(interrupt::is_interrupted).expect("accepted");
            started.open();
            (interrupt::sleep(Duration::MAX), behind)
        };
        let (slept, behind) = soon(direct.submit(direct_job).expect("accepted"));
        let outer = interrupt::check();
        (slept, soon(behind), outer)
    };
    let handle = pool.submit(job).expect("accepted");
    running.pass();
    assert_eq!(handle.cancel(), CancelOutcome::Interrupted);
    assert_eq!(soon(handle), (Err(Interrupted), true, Err(Interrupted)));
    assert!(!soon(pool.submit(interrupt::is_interrupted).expect("accepted")));
}

struct AtExit(DirectExecutor, Counter);

impl Drop for AtExit {
    fn drop(&mut self) {
        let (nested, ran) = (self.0.clone(), self.1.clone());
        let job = move || {
            let inner = ran.clone();
            nested
                .execute(move || {
                    inner.add();
                })
                .expect("accepted");
            ran.add();
        };
        self.0.execute(job).expect("accepted");
    }
}

thread_local! {
    static AT_EXIT: RefCell<Vec<AtExit>> = const { RefCell::new(Vec::new()) };
}

#[test]
fn it_works_in_destructors_at_the_end_of_a_thread() {
    for comes_first in [true, false] {
        let (direct, ran) = (DirectExecutor::new(), Counter::new());
        let at_exit = AtExit(direct.clone(), ran.clone());
        helper(move || {
            let keep = || AT_EXIT.with_borrow_mut(|all| all.push(at_exit));
            if comes_first {
                keep();
                direct.execute(|| ()).expect("accepted");
            } else {
                direct.execute(|| ()).expect("accepted");
                keep();
            }
        })
        .join();
        assert_eq!(ran.get(), 2);
    }
}

#[test]
fn what_waits_for_a_running_job_of_another_thread_is_woken() {
    let direct = DirectExecutor::new();
    let (entered, leave, stop) = stop_point();
    let (job, handle) = Job::with_handle(stop);
    let runner = helper(move || workcrew::Executor::execute_job(&direct, job));
    entered.pass();
    let waiter = helper(move || handle.join_timeout(LONG).is_ok_and(|result| result.is_ok()));
    leave.open();
    assert!(waiter.join());
    runner.join().expect("accepted");
}
