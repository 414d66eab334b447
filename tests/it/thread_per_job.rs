//! `ThreadPerJob`: a new thread with a name for each job, a limit, and the shutdown of a pool.

use std::any::Any;
use std::collections::HashSet;
use std::panic::panic_any;
use std::sync::Arc;
use std::thread::{self, ThreadId};
use std::time::Duration;

use parking_lot::Mutex;
use workcrew::interrupt::{self, Interrupted};
use workcrew::{
    AwaitError, BuildError, CancelOutcome, Job, OnDrop, Phase, RejectReason, ShutdownGroup,
    ShutdownOutcome, ShutdownPlan, ThreadPerJob, ThreadPerJobBuilder, policy,
};

use crate::support::{
    Counter, Gate, LONG, assert_conserved, helper, repeat, settled, soon, stop_point,
};

/// The threads that ran jobs, with their names.
type Seen = Arc<Mutex<Vec<(ThreadId, String)>>>;

fn see(seen: &Seen) {
    let this = thread::current();
    seen.lock().push((this.id(), this.name().unwrap_or_default().to_owned()));
}

fn builder(name: &str) -> ThreadPerJobBuilder {
    ThreadPerJob::builder().name(name)
}

/// Runs this many jobs from four threads, each followed by more work for the executor; checks that
/// each had a thread of its own.
fn runs_each_on_its_own_thread(threads: ThreadPerJob, name: &str, jobs: usize) {
    let seen = Seen::default();
    let submitters: Vec<_> = (0..4)
        .map(|submitter| {
            let (handle, seen) = (threads.handle(), Arc::clone(&seen));
            helper(move || {
                for number in 0..jobs {
                    let seen = Arc::clone(&seen);
                    let job = move || see(&seen);
                    if (number + submitter) % 3 == 0 {
                        soon(handle.submit(job).expect("accepted"));
                    } else {
                        handle.execute(job).expect("accepted");
                    }
                }
            })
        })
        .collect();
    for submitter in submitters {
        submitter.join();
    }
    threads.wait_idle(LONG).expect("it becomes idle");
    let stats = threads.stats();
    assert_conserved(&stats);
    threads.close();
    let seen = seen.lock();
    assert_eq!(seen.len(), 4 * jobs, "each job ran once");
    let ids: HashSet<_> = seen.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids.len(), seen.len(), "each on a thread of its own");
    let names: HashSet<_> = seen.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(names.len(), seen.len(), "each with a name of its own");
    let is_numbered = |given: &str| {
        let number = given.strip_prefix(name).and_then(|rest| rest.strip_prefix('-'));
        number.and_then(|number| number.parse::<usize>().ok()).is_some_and(|number| number > 0)
    };
    assert!(names.iter().all(|name| is_numbered(name)), "{names:?}");
}

#[test]
fn each_job_has_a_new_thread_with_a_name() {
    for _ in 0..repeat(10) {
        runs_each_on_its_own_thread(builder("own").build().expect("valid"), "own", 50);
    }
}

#[test]
fn each_job_has_a_new_thread_under_a_limit_too() {
    for round in 0..repeat(10) {
        let limited = builder("few").limit(1 + round % 4).build().expect("valid");
        runs_each_on_its_own_thread(limited, "few", 50);
    }
}

#[test]
fn names_are_numbered_from_one() {
    let threads = builder("numbered").build().expect("valid");
    for number in 1..=3 {
        let name = threads.submit(|| thread::current().name().map(str::to_owned));
        let name = soon(name.expect("accepted"));
        assert_eq!(name, Some(format!("numbered-{number}")));
    }
}

#[test]
fn a_job_that_joins_another_leaves_it_its_own_thread() {
    for _ in 0..repeat(50) {
        let threads = ThreadPerJob::new();
        let handle = threads.handle();
        let outer = threads.submit(move || {
            let inner = handle.submit(|| thread::current().id()).expect("accepted");
            (soon(inner), thread::current().id())
        });
        let (inner, outer) = soon(outer.expect("accepted"));
        assert_ne!(inner, outer);
    }
}

#[test]
fn a_thread_has_the_stack_that_was_asked_for() {
    const MEGABYTE: usize = 1 << 20;
    fn deep(levels: usize) -> usize {
        let filler = std::hint::black_box([levels; 128]);
        if levels == 0 { 0 } else { deep(levels - 1) + usize::from(filler[7] > 0) }
    }
    let threads = ThreadPerJob::builder().stack_size(64 * MEGABYTE).build().expect("valid");
    // A kilobyte each: several times what a thread has otherwise.
    let levels = 8 * MEGABYTE / 1024;
    assert_eq!(soon(threads.submit(move || deep(levels)).expect("accepted")), levels);
}

#[test]
fn a_limit_holds_and_the_submitter_waits() {
    let threads = Arc::new(builder("limit").limit(2).build().expect("valid"));
    let (gate, started, running) = (Gate::new(), Counter::new(), Arc::new(Mutex::new((0, 0))));
    let (submitter, handle) = (gate.clone(), threads.handle());
    let (counter, peak) = (started.clone(), Arc::clone(&running));
    let submitter = helper(move || {
        for _ in 0..20 {
            let (gate, counter, peak) = (submitter.clone(), counter.clone(), Arc::clone(&peak));
            let job = move || {
                {
                    let mut running = peak.lock();
                    running.0 += 1;
                    running.1 = running.1.max(running.0);
                }
                counter.add();
                gate.pass();
                peak.lock().0 -= 1;
            };
            handle.execute(job).expect("accepted, as soon as there is a place");
        }
    });
    started.reach(2);
    let rejected = threads.try_execute(|| ()).expect_err("no place");
    assert_eq!(rejected.reason(), RejectReason::Saturated);
    for wait in [Duration::ZERO, Duration::from_millis(1)] {
        let rejected = threads.execute_timeout(|| (), wait).expect_err("no place in time");
        assert_eq!(rejected.reason(), RejectReason::TimedOut);
    }
    gate.open();
    submitter.join();
    threads.execute_timeout(|| (), Duration::MAX).expect("accepted");
    threads.wait_idle(LONG).expect("it becomes idle");
    assert_eq!(running.lock().1, 2, "never more than the limit");
    let stats = threads.stats();
    assert_eq!((stats.completed, stats.max, stats.largest_pool_size), (21, 2, 2), "{stats:?}");
}

#[test]
fn after_a_join_the_place_is_free() {
    let one = ThreadPerJob::builder().limit(1).rejection_policy(policy::Abort).build();
    let one = one.expect("valid");
    for number in 0..repeat(200) {
        let handle = one.submit(move || number).expect("the place is free");
        assert_eq!(soon(handle), number);
    }
}

#[test]
fn other_policies_can_be_set() {
    let (entered, leave, stop) = stop_point();
    let threads = builder("caller").limit(1).rejection_policy(policy::CallerRuns);
    let threads = threads.build().expect("valid");
    threads.execute(stop).expect("accepted");
    entered.pass();
    let caller = threads.submit(|| thread::current().id()).expect("accepted");
    assert_eq!(soon(caller), thread::current().id());
    leave.open();
}

#[test]
fn impossible_settings_are_refused() {
    let error = ThreadPerJob::builder().limit(0).build().expect_err("no limit of 0");
    assert_eq!((error.field(), &error), ("limit", &BuildError::LimitIsZero));
    assert_eq!(error.to_string(), "limit is 0, but must be at least 1");
    let error = builder("a\0b").build().expect_err("no NUL");
    assert_eq!(error.field(), "name");
    drop(builder("most").limit(usize::MAX).build().expect("valid"));
}

#[test]
fn a_shutdown_wakes_who_waits_for_a_place_and_lets_the_others_end() {
    let threads = builder("woken").limit(1).build().expect("valid");
    let (entered, leave, stop) = stop_point();
    let running = threads.submit(stop).expect("accepted");
    entered.pass();
    let handle = threads.handle();
    let waiting = helper(move || handle.execute(|| ()).expect_err("it is shut down").reason());
    threads.shutdown();
    assert_eq!(waiting.join(), RejectReason::Shutdown);
    assert_eq!(threads.phase(), Phase::Shutdown);
    assert_eq!(threads.await_termination(Duration::ZERO), Err(AwaitError::TimedOut));
    assert_eq!(threads.wait_idle(Duration::ZERO), Err(AwaitError::TimedOut));
    leave.open();
    assert_eq!(threads.await_termination(Duration::MAX), Ok(()));
    soon(running);
    assert_eq!(threads.phase(), Phase::Terminated);
    let (job, _handle) = Job::with_handle(|| ());
    assert!(threads.execute_job(job).expect_err("it has ended").is_shutdown());
}

#[test]
fn shutdown_now_interrupts_the_running_jobs() {
    let threads = ThreadPerJob::default();
    let running = Counter::new();
    let handles: Vec<_> = (0..3)
        .map(|_| {
            let running = running.clone();
            let job = move || {
                running.add();
                interrupt::sleep(Duration::MAX)
            };
            threads.submit(job).expect("accepted")
        })
        .collect();
    running.reach(3);
    assert!(threads.shutdown_now().is_empty(), "none was pending");
    threads.await_termination(LONG).expect("it ends");
    for handle in handles {
        assert_eq!(soon(handle), Err(Interrupted));
    }
}

#[test]
fn shutdown_now_returns_the_jobs_whose_thread_is_just_starting() {
    for _ in 0..repeat(50) {
        let (threads, ran) = (ThreadPerJob::new(), Counter::new());
        let submit = |n: usize| {
            let ran = ran.clone();
            threads
                .submit(move || {
                    ran.add();
                    n
                })
                .expect("accepted")
        };
        let handles: Vec<_> = (0..4).map(submit).collect();
        let mut back = threads.shutdown_now();
        threads.await_termination(LONG).expect("it ends");
        assert_eq!(ran.get() + back.len(), 4, "each is run or comes back");
        if let Some(job) = back.pop() {
            job.run();
        }
        drop(back);
        assert!(handles.iter().all(workcrew::JobHandle::is_finished), "every handle settles");
        assert_conserved(&threads.stats());
    }
}

#[test]
fn cancel_races_with_the_start_of_the_thread() {
    for _ in 0..repeat(100) {
        let (threads, ran) = (builder("race").limit(2).build().expect("valid"), Counter::new());
        let counter = ran.clone();
        let handle = threads.submit(move || counter.add()).expect("accepted");
        let outcome = handle.cancel();
        let result = settled(handle);
        assert_eq!(result.is_err(), outcome == CancelOutcome::Removed);
        assert_eq!(ran.get(), usize::from(outcome != CancelOutcome::Removed));
        let next: Vec<_> = (0..4).map(|n| threads.submit(move || n).expect("accepted")).collect();
        assert_eq!(next.into_iter().map(soon).collect::<Vec<_>>(), [0, 1, 2, 3]);
    }
}

#[test]
fn a_drop_waits_for_the_jobs_unless_told_otherwise() {
    let ran = Counter::new();
    let threads = ThreadPerJob::new();
    let (entered, leave, stop) = stop_point();
    let counter = ran.clone();
    let job = move || {
        stop();
        counter.add();
    };
    threads.execute(job).expect("accepted");
    entered.pass();
    let dropper = helper(move || drop(threads));
    leave.open();
    dropper.join();
    assert_eq!(ran.get(), 1, "close is the default");

    let stopping = ThreadPerJob::builder().on_drop(OnDrop::Stop).build().expect("valid");
    let running = Gate::new();
    let started = running.clone();
    let sleeping = stopping.submit(move || {
        started.open();
        interrupt::sleep(Duration::MAX)
    });
    running.pass();
    drop(stopping);
    assert_eq!(soon(sleeping.expect("accepted")), Err(Interrupted));

    let (entered, leave, stop) = stop_point();
    let detached = ThreadPerJob::new();
    let handle = detached.submit(stop).expect("accepted");
    entered.pass();
    detached.detach();
    assert!(!handle.is_finished(), "it was not waited for");
    leave.open();
    soon(handle);
}

#[test]
fn a_panic_goes_to_the_hook_once_and_the_next_job_runs() {
    let reported = Counter::new();
    let counter = reported.clone();
    let hook = move |payload: &(dyn Any + Send)| {
        assert_eq!(payload.downcast_ref(), Some(&7_u32));
        counter.add();
    };
    let threads = ThreadPerJob::builder().limit(1).on_panic(hook).build().expect("valid");
    threads.execute(|| panic_any(7_u32)).expect("accepted");
    let error = settled(threads.submit(|| panic_any(8_u32)).expect("accepted"));
    assert!(error.is_err_and(|error| error.is_panic()));
    assert_eq!(soon(threads.submit(|| 9).expect("accepted")), 9);
    assert_eq!(reported.get(), 1);
    let stats = threads.stats();
    assert_eq!((stats.panicked, stats.completed), (2, 1), "{stats:?}");
    let text = format!("{threads:?}");
    assert!(text.starts_with("ThreadPerJob("), "{text}");
}

/// No grace, and all the time to stop after it.
fn hurried() -> ShutdownPlan {
    ShutdownPlan::new().grace(Duration::ZERO).interrupt_wait(LONG)
}

/// Starts a job that runs until it is interrupted.
fn start_sleeper(threads: &ThreadPerJob) -> workcrew::JobHandle<Result<(), Interrupted>> {
    let running = Gate::new();
    let started = running.clone();
    let sleeping = threads.submit_named("sleeper", move || {
        started.open();
        interrupt::sleep(Duration::MAX)
    });
    running.pass();
    sleeping.expect("accepted")
}

#[test]
fn a_group_stops_it_as_it_does_a_pool() {
    let (first, second) = (ThreadPerJob::new(), ThreadPerJob::new());
    let sleeping = [start_sleeper(&first), start_sleeper(&second)];
    let group = ShutdownGroup::new().add_pool(2, first.handle()).add_pool(1, second.handle());
    let report = group.shutdown_with(&hurried());
    assert_eq!(report.outcome(), ShutdownOutcome::Interrupted, "{report}");
    for sleeping in sleeping {
        assert_eq!(soon(sleeping), Err(Interrupted));
    }
    assert_eq!((first.phase(), second.phase()), (Phase::Terminated, Phase::Terminated));
}

#[test]
fn its_drop_carries_out_a_plan() {
    let ended = Counter::new();
    let counter = ended.clone();
    let threads = ThreadPerJob::builder()
        .on_drop(OnDrop::Plan(hurried()))
        .on_terminated(move || _ = counter.add())
        .build()
        .expect("valid");
    let sleeping = start_sleeper(&threads);
    drop(threads);
    assert_eq!(ended.get(), 1, "the drop waited for the end");
    assert_eq!(soon(sleeping), Err(Interrupted));
}

#[test]
fn a_job_that_does_not_stop_is_listed_and_reported_by_its_name() {
    let threads = ThreadPerJob::new();
    let (entered, leave, stop) = stop_point();
    let stuck = threads.submit_named("stuck", stop).expect("accepted");
    entered.pass();
    let names = |jobs: &[workcrew::RunningJob]| -> Vec<_> {
        jobs.iter().map(|job| job.name().map(str::to_owned)).collect()
    };
    assert_eq!(names(&threads.running_jobs()), [Some("stuck".to_owned())]);
    let report = threads.shutdown_with(&hurried().interrupt_wait(Duration::ZERO));
    assert_eq!(report.outcome(), ShutdownOutcome::NotTerminated, "{report}");
    assert_eq!(names(report.unstopped()), [Some("stuck".to_owned())]);
    leave.open();
    soon(stuck);
}

#[test]
fn hooks_and_kept_values_are_those_of_a_pool() {
    let (wrapped, uncaught) = (Counter::new(), Counter::new());
    let (wraps, panics) = (wrapped.clone(), uncaught.clone());
    let threads = builder("hooked")
        .wrap_job(move |job| {
            wraps.add();
            job
        })
        .on_uncaught(move |panic| {
            assert_eq!(panic.pool_name(), "hooked");
            panics.add();
        })
        .build()
        .expect("valid");
    let value = Arc::new(());
    drop(threads.keep_until_terminated(Arc::clone(&value)));
    threads.execute_named("bomb", || panic_any(7_u32)).expect("accepted");
    threads.wait_idle(LONG).expect("it becomes idle");
    assert_eq!(Arc::strong_count(&value), 2, "it is kept");
    threads.close();
    assert_eq!(Arc::strong_count(&value), 1, "and dropped at the end");
    assert_eq!((wrapped.get(), uncaught.get()), (1, 1));
}
