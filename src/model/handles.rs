//! Models of a job and its handle: one of those who want the job gets it, and the handle settles.

use std::panic::resume_unwind;
use std::time::Duration;

use super::{Count, Dropped, Mark, Queue, configure, end, explore, pool, spawn};
use crate::{CancelOutcome, Job, JoinError};

#[test]
fn a_job_is_cancelled_or_started() {
    explore("cancel against start", 3, || {
        let pool = pool(1);
        let (runs, drops) = (Count::default(), Mark::default());
        let (run, captured) = (runs.clone(), Dropped(drops.clone()));
        let job = move || {
            drop(captured);
            run.next()
        };
        let handle = pool.submit(job).expect("there is room");
        let outcome = handle.cancel();
        match outcome {
            CancelOutcome::Removed => {
                assert_eq!((runs.get(), drops.get()), (0, 1));
                assert!(matches!(handle.join(), Err(JoinError::Cancelled(_))));
            }
            CancelOutcome::Interrupted | CancelOutcome::AlreadyFinished => {
                assert_eq!(handle.join().ok(), Some(0));
                assert_eq!((runs.get(), drops.get()), (1, 1));
            }
        }
        let stats = end(pool);
        assert_eq!(stats.cancelled, u64::from(outcome == CancelOutcome::Removed));
    });
}

#[test]
fn a_job_is_started_or_run_by_who_joins_it() {
    explore("join-helping against start", 2, || {
        let pool = pool(2);
        let inside = pool.handle();
        let runs = Count::default();
        let run = runs.clone();
        let outer = pool.submit(move || {
            let inner = inside.submit(move || run.next()).expect("there is room");
            inner.join().ok()
        });
        assert_eq!(outer.expect("there is room").join().ok(), Some(Some(0)));
        assert_eq!(end(pool).completed, 2);
        assert_eq!(runs.get(), 1);
    });
}

#[test]
fn a_job_is_returned_or_run_by_who_joins_it() {
    explore("join-helping against shutdown_now", 3, || {
        let pool = pool(1);
        let inside = pool.handle();
        let runs = Count::default();
        let run = runs.clone();
        let outer = move || {
            let inner = inside.submit(move || run.next()).expect("there is room");
            let ender = spawn(move || inside.shutdown_now().into_iter().for_each(Job::run));
            // The stop may end the wait; whoever has the job runs it all the same.
            inner.join().ok();
            ender.join().expect("it does not panic");
        };
        pool.submit(outer).expect("there is room").join().expect("it does not panic");
        let stats = end(pool);
        assert_eq!(runs.get(), 1);
        assert_eq!(stats.completed + stats.handed_back, 2);
    });
}

#[test]
fn a_result_that_nobody_takes_is_dropped_before_its_worker_is_free() {
    explore("drop of the handle against end of job", 3, || {
        let pool = pool(1);
        let drops = Mark::default();
        let result = Dropped(drops.clone());
        drop(pool.submit(move || result).expect("there is room"));
        pool.wait_idle(Duration::MAX).expect("no job calls this");
        assert_eq!(drops.get(), 1, "its destructor runs while its worker counts as busy");
        assert_eq!(end(pool).completed, 1);
    });
}

#[test]
fn a_panic_that_nobody_takes_is_reported_once() {
    explore("drop of the handle against panic", 3, || {
        let reports = Count::default();
        let reported = reports.clone();
        let builder = configure(1, Queue::Unbounded).on_panic(move |_| reported.add());
        let pool = builder.build().expect("valid settings");
        let job = || -> () { resume_unwind(Box::new("on purpose")) };
        drop(pool.submit(job).expect("there is room"));
        assert_eq!(end(pool).panicked, 1);
        assert_eq!(reports.get(), 1);
    });
}

#[test]
fn a_job_dropped_unrun_settles_its_handle() {
    explore("drop of the job against cancel and join", 3, || {
        let drops = Mark::default();
        let captured = Dropped(drops.clone());
        let (job, handle) = Job::with_handle(move || drop(captured));
        let dropper = spawn(move || drop(job));
        let outcome = handle.cancel();
        assert!(matches!(outcome, CancelOutcome::Removed | CancelOutcome::AlreadyFinished));
        assert!(matches!(handle.join(), Err(JoinError::Cancelled(_))));
        dropper.join().expect("it does not panic");
        assert_eq!(drops.get(), 1);
        let (job, handle) = Job::with_handle(|| ());
        let dropper = spawn(move || drop(job));
        assert!(matches!(handle.join(), Err(JoinError::Cancelled(_))));
        dropper.join().expect("it does not panic");
    });
}

#[test]
fn a_job_is_cancelled_or_returned() {
    explore("cancel against shutdown_now", 3, || {
        let pool = pool(1);
        let runs = Count::default();
        let run = runs.clone();
        let handle = pool.submit(move || run.next()).expect("there is room");
        let ender = {
            let pool = pool.handle();
            spawn(move || pool.shutdown_now().into_iter().for_each(Job::run))
        };
        let outcome = handle.cancel();
        ender.join().expect("it does not panic");
        let stats = end(pool);
        let result = handle.join_timeout(Duration::ZERO);
        let ran = result.expect("every handle settles").is_ok();
        assert_eq!(runs.get(), usize::from(ran));
        assert_eq!(ran, outcome != CancelOutcome::Removed);
        assert_eq!(stats.completed + stats.cancelled + stats.handed_back, 1);
    });
}
