//! Tests of names, of where a job comes from, and of the list of the jobs that are being run.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use workcrew::policy::CallerRuns;
use workcrew::{Job, Queue, RunningJob, ShutdownOutcome, ShutdownPlan, ThreadPoolExecutor};

use crate::support::{
    Gate, LONG, SHORT, block_worker, eventually, finish, helper, pass_time, repeat, single, soon,
    stop_point,
};

/// The line on which the caller stands.
#[track_caller]
fn here() -> u32 {
    Location::caller().line()
}

/// The only job that runs.
#[track_caller]
fn only(pool: &ThreadPoolExecutor) -> RunningJob {
    let running = pool.running_jobs();
    assert_eq!(running.len(), 1, "{running:?}");
    running.into_iter().next().unwrap()
}

#[test]
fn a_running_job_is_listed_with_its_name_place_thread_and_time() {
    let pool = ThreadPoolExecutor::builder().name("mail").threads(1).build().unwrap();
    assert!(pool.running_jobs().is_empty(), "nothing was submitted");
    let (entered, leave, stop) = stop_point();
    let line = here() + 1;
    pool.execute_named("mail 7", stop).unwrap();
    entered.pass();
    pass_time(SHORT);
    let job = only(&pool);
    assert_eq!((job.name(), job.thread_name()), (Some("mail 7"), Some("mail-1")));
    assert_eq!((job.submitted_at().file(), job.submitted_at().line()), (file!(), line));
    assert_eq!(job.worker_index(), 1);
    assert!(job.running_for() >= SHORT && job.running_for() < LONG, "{job}");
    let text = job.to_string();
    assert!(text.starts_with("\"mail 7\" on mail-1, submitted at "), "{text}");
    assert!(format!("{pool:#?}").contains("mail 7"), "{pool:#?}");
    leave.open();
    pool.wait_idle(LONG).unwrap();
    assert!(pool.running_jobs().is_empty(), "it has ended");
    finish(&pool);
    assert!(pool.running_jobs().is_empty());
}

#[test]
fn every_way_to_submit_keeps_the_place_of_the_call() {
    type Submit = fn(&ThreadPoolExecutor, Box<dyn FnOnce() + Send>) -> u32;
    let ways: [Submit; 9] = [
        |pool, f| {
            pool.execute(f).unwrap();
            here() - 1
        },
        |pool, f| {
            drop(pool.submit(f).unwrap());
            here() - 1
        },
        |pool, f| {
            pool.try_execute(f).unwrap();
            here() - 1
        },
        |pool, f| {
            pool.execute_timeout(f, LONG).unwrap();
            here() - 1
        },
        |pool, f| {
            drop(pool.submit_named("named", f).unwrap());
            here() - 1
        },
        |pool, f| {
            pool.handle().execute_named("named", f).unwrap();
            here() - 1
        },
        |pool, f| {
            drop(pool.handle().submit(f).unwrap());
            here() - 1
        },
        |pool, f| {
            let job = Job::new(f);
            let line = here() - 1;
            pool.execute_job(job).unwrap();
            line
        },
        |pool, f| {
            let (job, handle) = Job::with_handle(f);
            let line = here() - 1;
            drop(handle);
            pool.execute_job(job).unwrap();
            line
        },
    ];
    let pool = single();
    for submit in ways {
        let (entered, leave, stop) = stop_point();
        let line = submit(&pool, Box::new(stop));
        entered.pass();
        let job = only(&pool);
        assert_eq!((job.submitted_at().file(), job.submitted_at().line()), (file!(), line));
        leave.open();
        pool.wait_idle(LONG).unwrap();
    }
    finish(&pool);
}

#[test]
fn a_job_keeps_name_and_place_when_it_comes_back() {
    let pool = single();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    let line = here() + 1;
    pool.execute_named("order 12", || ()).unwrap();
    let handle = pool.submit_named("order 13", || ()).unwrap();
    let pending = pool.shutdown_now();
    let about: Vec<_> = pending.iter().map(|job| (job.name(), job.submitted_at().line())).collect();
    assert_eq!(about, [(Some("order 12"), line), (Some("order 13"), line + 1)]);
    assert!(format!("{:?}", pending[0]).contains("order 12"));
    let rejected = pool.execute_named("late", || ()).unwrap_err();
    assert_eq!(rejected.into_job().name(), Some("late"));
    assert_eq!(Job::new(|| ()).name(), None);
    drop(pending);
    drop(handle);
    gate.open();
    finish(&pool);
}

#[test]
fn a_caller_that_runs_a_job_is_listed_as_number_zero() {
    let pool = ThreadPoolExecutor::builder()
        .threads(1)
        .queue(Queue::Handoff)
        .rejection_policy(CallerRuns)
        .build()
        .unwrap();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    let (entered, leave, stop) = stop_point();
    let handle = pool.handle();
    let caller = helper(move || handle.execute_named("on the caller", stop).unwrap());
    entered.pass();
    let running = pool.running_jobs();
    let second = running.iter().find(|job| job.worker_index() == 0).unwrap();
    assert_eq!((running.len(), second.name()), (2, Some("on the caller")));
    leave.open();
    caller.join();
    assert_eq!(only(&pool).worker_index(), 1);
    gate.open();
    finish(&pool);
}

#[test]
fn a_job_that_waits_for_one_it_runs_itself_is_listed_with_it() {
    let pool = single();
    let (entered, leave, stop) = stop_point();
    let handle = pool.handle();
    let outer = pool
        .submit_named("outer", move || {
            handle.submit_named("inner", stop).unwrap().join().unwrap();
            handle.running_jobs().iter().map(|job| job.name().map(str::to_owned)).collect()
        })
        .unwrap();
    entered.pass();
    let names: Vec<_> =
        pool.running_jobs().iter().map(|job| job.name().map(str::to_owned)).collect();
    assert_eq!(names, [Some("outer".to_owned()), Some("inner".to_owned())]);
    leave.open();
    let after: Vec<Option<String>> = soon(outer);
    assert_eq!(after, [Some("outer".to_owned())]);
    finish(&pool);
}

#[test]
fn a_job_that_has_run_others_inline_is_the_running_one_again_until_it_ends() {
    let told = Arc::<Mutex<Vec<_>>>::default();
    let hears = Arc::clone(&told);
    let pool = ThreadPoolExecutor::builder()
        .threads(1)
        .on_uncaught(move |panic| hears.lock().push(panic.job_name().map(str::to_owned)))
        .build()
        .unwrap();
    let handle = pool.handle();
    let (entered, leave, stop) = stop_point();
    pool.execute_named("outer", move || {
        pass_time(SHORT);
        for _ in 0..2 {
            handle.submit_named("inner", || ()).unwrap().join().unwrap();
        }
        stop();
        panic!("on purpose");
    })
    .unwrap();
    entered.pass();
    let job = only(&pool);
    assert_eq!(job.name(), Some("outer"));
    assert!(job.running_for() >= SHORT, "{job}");
    leave.open();
    pool.wait_idle(LONG).unwrap();
    assert!(pool.running_jobs().is_empty(), "all have ended");
    assert_eq!(*told.lock(), [Some("outer".to_owned())]);
    finish(&pool);
}

#[test]
fn a_name_is_gone_with_its_job() {
    let pool = single();
    soon(pool.submit_named("before", || ()).unwrap());
    pool.execute_named("before", || ()).unwrap();
    let (entered, leave, stop) = stop_point();
    pool.execute(stop).unwrap();
    entered.pass();
    assert_eq!(only(&pool).name(), None);
    leave.open();
    finish(&pool);
}

#[test]
fn a_name_never_shows_on_another_job() {
    let pool = ThreadPoolExecutor::fixed(2).unwrap();
    let done = Gate::new();
    let (handle, seen) = (pool.handle(), done.clone());
    let looking = helper(move || {
        while !seen.is_open() {
            for job in handle.running_jobs() {
                let line = job.submitted_at().line();
                assert_eq!(job.name().map(|name| name.parse().unwrap()), named_at(line), "{job}");
            }
        }
    });
    for _ in 0..repeat(20_000) {
        named(&pool);
        unnamed(&pool);
    }
    finish(&pool);
    done.open();
    looking.join();
}

/// Where `named` submits, as its jobs are called; none elsewhere.
fn named_at(line: u32) -> Option<u32> {
    (line == NAMED).then_some(line)
}

const NAMED: u32 = line!() + 3;

fn named(pool: &ThreadPoolExecutor) {
    pool.execute_named(NAMED_TEXT.as_str(), || ()).unwrap();
}

fn unnamed(pool: &ThreadPoolExecutor) {
    pool.execute(|| ()).unwrap();
}

static NAMED_TEXT: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| NAMED.to_string());

#[test]
fn a_report_names_every_job_that_did_not_stop() {
    let pool = ThreadPoolExecutor::builder().name("stuck").threads(2).build().unwrap();
    let (gate, passed) = (Gate::new(), Gate::new());
    block_worker(&pool, &gate);
    let (opened, waits) = (passed.clone(), gate.clone());
    pool.execute_named("longTask", move || {
        opened.open();
        waits.pass();
    })
    .unwrap();
    passed.pass();
    let plan = ShutdownPlan::new().grace(SHORT).interrupt_wait(Duration::ZERO);
    let report = pool.shutdown_with(&plan);
    assert_eq!(report.outcome(), ShutdownOutcome::NotTerminated);
    let mut names: Vec<_> = report.unstopped().iter().map(RunningJob::name).collect();
    names.sort();
    assert_eq!(names, [None, Some("longTask")]);
    let text = report.to_string();
    for part in ["pool stuck: has not ended", "2 did not stop", "\"longTask\" on stuck-2", file!()]
    {
        assert!(text.contains(part), "{part} in {text}");
    }
    gate.open();
    finish(&pool);
}

#[test]
fn a_job_that_stops_its_own_pool_is_in_its_report() {
    let pool = single();
    let handle = pool.handle();
    let job = pool.submit_named("the end", move || {
        let report = handle.shutdown_with(&ShutdownPlan::new());
        report.unstopped().iter().any(|job| job.name() == Some("the end"))
    });
    assert!(soon(job.unwrap()));
    finish(&pool);
}

#[test]
fn the_age_of_a_job_after_a_rush_is_not_told_too_low() {
    let pool = single();
    for _ in 0..1000 {
        pool.execute(|| ()).unwrap();
    }
    let (entered, leave, stop) = stop_point();
    pool.execute_named("slow", stop).unwrap();
    entered.pass();
    pass_time(SHORT);
    eventually("it is listed", || {
        pool.running_jobs()
            .iter()
            .any(|job| job.name() == Some("slow") && job.running_for() >= SHORT)
    });
    leave.open();
    finish(&pool);
}
