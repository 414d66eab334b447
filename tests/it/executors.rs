//! What holds for every executor, each property checked on all of them.

use std::panic::panic_any;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use workcrew::{
    CancelOutcome, DirectExecutor, Executor, ExecutorExt, Handle, Job, JobState, ManualExecutor,
    RejectReason, Rejected, ThreadPerJob, ThreadPoolExecutor,
};

use crate::panics::{MARK, errors_with, keep_errors};
use crate::support::{Counter, LONG, assert_cancelled, helper, settled, soon};

/// An executor, and how the tests treat it.
struct Subject {
    name: &'static str,
    executor: Arc<dyn Executor>,
    /// Returns when no job is pending or running.
    settle: Box<dyn Fn()>,
    shutdown: Arc<dyn Fn() + Send + Sync>,
    threads: Threads,
}

/// How many jobs it runs at a time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Threads {
    One,
    Many,
}

/// Waits for a pool by one of its handles.
fn pooled(
    name: &'static str,
    executor: Arc<dyn Executor>,
    handle: Handle,
    threads: Threads,
) -> Subject {
    let closer = handle.clone();
    Subject {
        name,
        executor,
        settle: Box::new(move || handle.wait_idle(LONG).expect("it becomes idle")),
        shutdown: Arc::new(move || closer.shutdown()),
        threads,
    }
}

/// A handle that keeps its pool's owner, for the tests alone.
struct HandleOf {
    handle: Handle,
    _owner: ThreadPoolExecutor,
}

impl Executor for HandleOf {
    fn execute_job(&self, job: Job) -> Result<(), Rejected> {
        self.handle.execute_job(job)
    }
}

fn subjects() -> Vec<Subject> {
    let fixed = ThreadPoolExecutor::fixed(1).expect("a pool");
    let cached = ThreadPoolExecutor::cached().expect("a pool");
    let owner = ThreadPoolExecutor::fixed(1).expect("a pool");
    let per_job = ThreadPerJob::new();
    let limited = ThreadPerJob::builder().limit(4000).build().expect("an executor");
    let (direct, manual) = (DirectExecutor::new(), ManualExecutor::new());
    let (direct_closer, manual_closer, driven) = (direct.clone(), manual.clone(), manual.clone());
    let handles =
        [fixed.handle(), cached.handle(), owner.handle(), per_job.handle(), limited.handle()];
    let [of_fixed, of_cached, of_owner, of_per_job, of_limited] = handles;
    let held = HandleOf { handle: of_owner.clone(), _owner: owner };
    vec![
        pooled("fixed", Arc::new(fixed), of_fixed, Threads::One),
        pooled("cached", Arc::new(cached), of_cached, Threads::Many),
        pooled("handle", Arc::new(held), of_owner, Threads::One),
        pooled("per-job", Arc::new(per_job), of_per_job, Threads::Many),
        pooled("limited", Arc::new(limited), of_limited, Threads::Many),
        Subject {
            name: "direct",
            executor: Arc::new(direct),
            settle: Box::new(|| {}),
            shutdown: Arc::new(move || direct_closer.shutdown()),
            threads: Threads::One,
        },
        Subject {
            name: "manual",
            executor: Arc::new(manual),
            settle: Box::new(move || {
                driven.run_until_idle();
            }),
            shutdown: Arc::new(move || manual_closer.shutdown()),
            threads: Threads::One,
        },
    ]
}

/// Checks a property on each executor, and that it still works afterwards.
#[track_caller]
fn each(check: impl Fn(&Subject)) {
    for subject in subjects() {
        let name = subject.name;
        check(&subject);
        let handle = subject.executor.submit(|| 42).unwrap_or_else(|e| panic!("{name}: {e}"));
        (subject.settle)();
        assert_eq!(soon(handle), 42, "{name} still works");
    }
}

/// The same where one thread runs the jobs, so that what a job submits stays pending.
#[track_caller]
fn each_of_one_thread(check: impl Fn(&Subject)) {
    each(|subject| {
        if subject.threads == Threads::One {
            check(subject);
        }
    });
}

/// Runs code as a job, and returns what it returned.
#[track_caller]
fn inside<T: Send + 'static>(
    subject: &Subject,
    code: impl FnOnce(&Arc<dyn Executor>) -> T + Send + 'static,
) -> T {
    let executor = Arc::clone(&subject.executor);
    let handle = subject.executor.submit(move || code(&executor)).expect("accepted");
    (subject.settle)();
    soon(handle)
}

#[test]
fn every_accepted_job_runs_exactly_once() {
    each(|subject| {
        let runs: Arc<Vec<AtomicUsize>> = Arc::new((0..400).map(|_| AtomicUsize::new(0)).collect());
        let submitters: Vec<_> = (0..4)
            .map(|submitter| {
                let (executor, runs) = (Arc::clone(&subject.executor), Arc::clone(&runs));
                helper(move || {
                    for number in 0..100 {
                        let runs = Arc::clone(&runs);
                        let count = move || {
                            runs[submitter * 100 + number].fetch_add(1, Ordering::SeqCst);
                        };
                        executor.execute(count).expect("accepted");
                    }
                })
            })
            .collect();
        for submitter in submitters {
            submitter.join();
        }
        (subject.settle)();
        let once = runs.iter().all(|runs| runs.load(Ordering::SeqCst) == 1);
        assert!(once, "{}: {runs:?}", subject.name);
    });
}

#[test]
fn one_thread_runs_jobs_in_the_order_of_their_submission() {
    each_of_one_thread(|subject| {
        let order: Arc<Mutex<Vec<usize>>> = Arc::default();
        for number in 0..100 {
            let order = Arc::clone(&order);
            subject.executor.execute(move || order.lock().push(number)).expect("accepted");
        }
        (subject.settle)();
        assert_eq!(*order.lock(), (0..100).collect::<Vec<_>>(), "{}", subject.name);
    });
}

#[test]
fn nested_jobs_of_one_thread_run_after_the_current_one_in_order() {
    each_of_one_thread(|subject| {
        let order: Arc<Mutex<Vec<&str>>> = Arc::default();
        let seen = Arc::clone(&order);
        inside(subject, move |executor| {
            for name in ["first", "second"] {
                let (seen, again) = (Arc::clone(&seen), Arc::clone(executor));
                let job = move || {
                    let inner = Arc::clone(&seen);
                    again.execute(move || inner.lock().push("inner")).expect("accepted");
                    seen.lock().push(name);
                };
                executor.execute(job).expect("accepted");
            }
            seen.lock().push("outer");
        });
        (subject.settle)();
        let expected = ["outer", "first", "second", "inner", "inner"];
        assert_eq!(*order.lock(), expected, "{}", subject.name);
    });
}

#[test]
fn join_returns_what_the_job_returned() {
    each(|subject| {
        let handles: Vec<_> =
            (0..10).map(|n| subject.executor.submit(move || n * n).expect("accepted")).collect();
        (subject.settle)();
        let squares: Vec<_> = handles.into_iter().map(soon).collect();
        assert_eq!(squares, (0..10).map(|n| n * n).collect::<Vec<_>>(), "{}", subject.name);
    });
}

#[test]
fn a_panic_goes_to_the_handle_or_once_to_the_log() {
    keep_errors();
    each(|subject| {
        let name = subject.name;
        let text = |kind: &str| format!("{MARK}-executors-{name}-{kind}");
        let (plain, joined, let_go) = (text("plain"), text("joined"), text("let-go"));
        let payloads = [plain.clone(), joined.clone(), let_go.clone()];
        let [to_log, to_handle, to_nobody] = payloads.map(|text| move || panic_any(text));
        subject.executor.execute(to_log).expect("accepted");
        let handle = subject.executor.submit(to_handle).expect("accepted");
        drop(subject.executor.submit(to_nobody).expect("accepted"));
        (subject.settle)();
        let error = settled(handle).expect_err("it panicked");
        assert_eq!(error.message(), Some(joined.as_str()), "{name}");
        assert_eq!(errors_with(&plain), 1, "{name}");
        assert_eq!(errors_with(&joined), 0, "{name}");
        assert_eq!(errors_with(&let_go), 1, "{name}");
    });
}

/// Panics when it is dropped.
struct Bomb(String);

impl Drop for Bomb {
    fn drop(&mut self) {
        panic_any(std::mem::take(&mut self.0));
    }
}

#[test]
fn a_panic_of_captures_that_are_dropped_unrun_goes_to_the_log_once() {
    keep_errors();
    each_of_one_thread(|subject| {
        let text = format!("{MARK}-executors-{}-bomb", subject.name);
        let bomb = Bomb(text.clone());
        inside(subject, move |executor| {
            let handle = executor.submit(move || drop(bomb)).expect("accepted");
            assert_eq!(handle.cancel(), CancelOutcome::Removed);
        });
        assert_eq!(errors_with(&text), 1, "{}", subject.name);
    });
}

#[test]
fn a_job_that_was_cancelled_before_it_is_submitted_does_not_run() {
    each(|subject| {
        let name = subject.name;
        let (held, runs) = (Arc::new(()), Counter::new());
        let (watch, counter) = (Arc::downgrade(&held), runs.clone());
        let (job, handle) = Job::with_handle(move || {
            drop(held);
            counter.add();
        });
        assert_eq!(handle.cancel(), CancelOutcome::Removed, "{name}");
        assert!(watch.upgrade().is_none(), "{name}: its captures are dropped");
        subject.executor.execute_job(job).expect("accepted, though it is not run");
        (subject.settle)();
        assert_eq!(runs.get(), 0, "{name}");
        assert_cancelled(handle);
    });
}

#[test]
fn a_pending_job_that_is_cancelled_is_gone_at_once() {
    each_of_one_thread(|subject| {
        let name = subject.name;
        let (held, runs) = (Arc::new(()), Counter::new());
        let (watch, counter) = (Arc::downgrade(&held), runs.clone());
        inside(subject, move |executor| {
            let handle = executor
                .submit(move || {
                    drop(held);
                    counter.add();
                })
                .expect("accepted");
            assert_eq!(handle.state(), JobState::Pending, "{name}");
            assert_eq!(handle.cancel(), CancelOutcome::Removed, "{name}");
            assert!(watch.upgrade().is_none(), "{name}: its captures are dropped");
            assert_eq!(handle.cancel(), CancelOutcome::AlreadyFinished, "{name}");
            assert_cancelled(handle);
        });
        (subject.settle)();
        assert_eq!(runs.get(), 0, "{name}");
    });
}

#[test]
fn captures_and_unclaimed_results_are_dropped_when_the_job_has_run() {
    each(|subject| {
        let held = Arc::new(());
        let watch = Arc::downgrade(&held);
        let (captured, returned) = (Arc::clone(&held), held);
        subject.executor.execute(move || drop(captured)).expect("accepted");
        drop(subject.executor.submit(move || returned).expect("accepted"));
        (subject.settle)();
        assert!(watch.upgrade().is_none(), "{}", subject.name);
    });
}

#[test]
fn after_a_shutdown_jobs_come_back() {
    for subject in subjects() {
        let name = subject.name;
        let before = subject.executor.submit(|| "before").expect("accepted");
        (subject.shutdown)();
        let (job, handle) = Job::with_handle(|| "after");
        let rejected = subject.executor.execute_job(job).expect_err("it is shut down");
        assert_eq!(rejected.reason(), RejectReason::Shutdown, "{name}");
        rejected.into_job().run();
        assert_eq!(soon(handle), "after", "{name}: the job itself came back");

        let (job, dropped) = Job::with_handle(|| ());
        drop(subject.executor.execute_job(job));
        assert_cancelled(dropped);

        (subject.settle)();
        assert_eq!(soon(before), "before", "{name}: what was accepted is run");
    }
}

#[test]
fn a_job_may_shut_its_executor_down() {
    for subject in subjects() {
        let (executor, shutdown) = (Arc::clone(&subject.executor), Arc::clone(&subject.shutdown));
        let job = move || {
            let before = executor.submit(|| "before").expect("accepted");
            shutdown();
            shutdown();
            let rejected = executor.execute(|| ()).expect_err("it is shut down");
            assert_eq!(rejected.reason(), RejectReason::Shutdown);
            before
        };
        let handle = subject.executor.submit(job).expect("accepted");
        (subject.settle)();
        assert_eq!(soon(soon(handle)), "before", "{}: what was accepted is run", subject.name);
    }
}

/// Submits the next of a chain of jobs.
fn chain(executor: &Arc<dyn Executor>, left: usize, ran: &Counter) {
    ran.add();
    if left > 0 {
        let (again, ran) = (Arc::clone(executor), ran.clone());
        executor.execute(move || chain(&again, left - 1, &ran)).expect("accepted");
    }
}

#[test]
fn jobs_submit_jobs() {
    each(|subject| {
        let ran = Counter::new();
        chain(&subject.executor, 50, &ran);
        (subject.settle)();
        ran.reach(51);
        assert_eq!(ran.get(), 51, "{}", subject.name);
    });
}

fn fibonacci(executor: &Arc<dyn Executor>, n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let submit = |n| {
        let again = Arc::clone(executor);
        executor.submit(move || fibonacci(&again, n)).expect("accepted")
    };
    let (first, second) = (submit(n - 1), submit(n - 2));
    soon(second) + soon(first)
}

#[test]
fn jobs_that_join_the_jobs_they_submit_come_to_an_end() {
    each(|subject| assert_eq!(inside(subject, |executor| fibonacci(executor, 8)), 21));
}

/// Submits a job when it is dropped.
struct Parting(Arc<dyn Executor>, Counter);

impl Drop for Parting {
    fn drop(&mut self) {
        let done = self.1.clone();
        self.0
            .execute(move || {
                done.add();
            })
            .expect("accepted");
    }
}

#[test]
fn destructors_may_submit_jobs() {
    each(|subject| {
        let done = Counter::new();
        let parting = || Parting(Arc::clone(&subject.executor), done.clone());
        let captured = parting();
        subject.executor.execute(move || drop(captured)).expect("accepted");
        let returned = parting();
        drop(subject.executor.submit(move || returned).expect("accepted"));
        let unrun = parting();
        let (job, handle) = Job::with_handle(move || drop(unrun));
        assert_eq!(handle.cancel(), CancelOutcome::Removed);
        subject.executor.execute_job(job).expect("accepted, though it is not run");
        let payload = parting();
        drop(subject.executor.submit(move || panic_any(payload)).expect("accepted"));
        (subject.settle)();
        done.reach(4);
        assert_eq!(done.get(), 4, "{}", subject.name);
    });
}

#[test]
fn a_pending_job_whose_cancelling_submits_another_leaves_room_for_it() {
    each_of_one_thread(|subject| {
        let done = Counter::new();
        let parting = Parting(Arc::clone(&subject.executor), done.clone());
        inside(subject, move |executor| {
            let handle = executor.submit(move || drop(parting)).expect("accepted");
            assert_eq!(handle.cancel(), CancelOutcome::Removed);
        });
        (subject.settle)();
        done.reach(1);
        assert_eq!(done.get(), 1, "{}", subject.name);
    });
}

#[test]
fn an_executor_is_one_behind_every_kind_of_pointer() {
    fn take(executor: impl Executor) -> u32 {
        soon(executor.submit(|| 7).expect("accepted"))
    }
    fn borrow<E: Executor + ?Sized>(executor: &E) -> u32 {
        soon(executor.submit(|| 7).expect("accepted"))
    }
    let direct = DirectExecutor::new();
    let shared: Arc<dyn Executor> = Arc::new(direct.clone());
    let boxed: Box<dyn Executor + '_> = Box::new(&direct);
    let weak: Weak<dyn Executor> = Arc::downgrade(&shared);
    let found = [
        take(&direct),
        take(&*shared),
        take(Arc::clone(&shared)),
        take(Box::new(Arc::clone(&shared))),
        borrow(&direct),
        borrow(&*shared),
        borrow(&boxed),
        take(boxed),
    ];
    assert_eq!(found, [7; 8]);
    drop((shared, direct));
    assert!(weak.upgrade().is_none(), "nothing keeps the executor");
}
