//! Tests of runs in which something takes long, or never comes, and of what the log says of them.

use std::sync::Once;

use parking_lot::Mutex;

use super::*;
use crate::ThreadPoolExecutor;
use crate::post::Post;
use crate::sync::bounded;

/// Keeps what the crate says to users.
struct Log(Mutex<Vec<String>>);

static LOG: Log = Log(Mutex::new(Vec::new()));

impl log::Log for Log {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Info
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            self.0.lock().push(record.args().to_string());
        }
    }

    fn flush(&self) {}
}

/// A pool of one thread, whose name is this test's alone.
fn pool(name: &str) -> ThreadPoolExecutor {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        log::set_logger(&LOG).expect("this module installs the only logger");
        log::set_max_level(log::LevelFilter::Info);
    });
    ThreadPoolExecutor::builder().threads(1).name(name).build().expect("a pool of one thread")
}

/// How many lines begin with this.
fn said(start: &str) -> usize {
    LOG.0.lock().iter().filter(|line| line.starts_with(start)).count()
}

fn at_once() -> ShutdownPlan {
    ShutdownPlan::new().grace(Duration::ZERO).interrupt_wait(Duration::ZERO)
}

#[test]
fn a_wait_that_is_looked_at_now_and_then_goes_on_to_its_end() {
    const LINE: &str = "pool patient: still waits for its jobs: [pool=1, active=1";
    let pool = pool("patient");
    let (open, gate) = bounded::<()>(0);
    let wait = move || {
        gate.recv().ok();
    };
    pool.execute(wait).expect("the pool is open");
    let opener = thread::spawn(move || {
        let limit = Instant::now() + Duration::from_secs(10);
        while said(LINE) == 0 && Instant::now() < limit {
            thread::park_timeout(PAUSE);
        }
        drop(open);
    });
    let report = pool.shutdown_with(&ShutdownPlan::new());
    assert_eq!(report.outcome(), ShutdownOutcome::Clean, "{report}");
    opener.join().expect("it only waits");
    assert!(said(LINE) > 0);
}

#[test]
fn the_log_says_which_jobs_are_dropped_unrun() {
    for pending in [0, 1] {
        let pool = pool("dropping");
        let ((open, gate), (starts, started)) = (bounded::<()>(0), bounded::<()>(0));
        let wait = move || {
            drop(starts);
            gate.recv().ok();
        };
        pool.execute(wait).expect("the pool is open");
        started.recv().expect_err("nothing is sent");
        for _ in 0..pending {
            pool.execute_named("late", || ()).expect("the pool is open");
        }
        let handle = pool.handle();
        handle.pool().drop_unrun(pool.shutdown_now());
        drop(open);
        assert_eq!(said("pool dropping: drops"), pending);
    }
    assert_eq!(said(r#"pool dropping: drops 1 jobs unrun: "late""#), 1);
}

#[test]
fn the_log_says_once_that_jobs_are_refused() {
    let pool = pool("twice");
    for _ in 0..2 {
        assert_eq!(pool.shutdown_with(&ShutdownPlan::new()).outcome(), ShutdownOutcome::Clean);
        assert_eq!(said("pool twice: refuses new jobs"), 1);
    }
}

#[test]
fn a_job_that_never_begins_is_given_time_and_then_counted() {
    let pool = pool("unbegun");
    let post = Arc::new(Post::new());
    pool.handle().pool().desk.lock().caller_starts(Arc::clone(&post));
    let began = Instant::now();
    let report = pool.shutdown_with(&at_once());
    assert!(began.elapsed() >= PAUSE * (LOOKS - 2));
    assert_eq!(report.outcome(), ShutdownOutcome::NotTerminated);
    assert_eq!((report.unstopped().len(), report.unbegun()), (0, 1));
    assert!(report.to_string().ends_with("; 1 taken by a worker and about to begin"), "{report}");
    pool.handle().pool().desk.lock().caller_ends(&post);
}

#[test]
fn a_run_whose_leader_goes_away_ends_without_a_verdict() {
    let pool = pool("left alone");
    let handle = pool.handle();
    let run = handle.pool().stopping.lock().begin();
    drop(Leaving { pool: handle.pool(), run: &run });
    assert!(handle.pool().stopping.lock().run.is_none());
    assert!(run.verdict().is_none());
}

#[test]
fn only_a_pool_that_has_not_ended_is_given_up() {
    let pool = pool("given up");
    let handle = pool.handle();
    let begin = Begin { at: Instant::now(), stats: handle.stats() };
    let outcomes =
        [ShutdownOutcome::Clean, ShutdownOutcome::Interrupted, ShutdownOutcome::NotTerminated];
    for outcome in outcomes {
        let verdict = handle.pool().verdict(&begin, outcome, Duration::ZERO, Duration::ZERO);
        let mut stopping = handle.pool().stopping.lock();
        let run = stopping.begin();
        stopping.end(&run, Some(verdict)).wake();
        assert_eq!(stopping.is_given_up(), outcome == ShutdownOutcome::NotTerminated);
    }
    // So that the drop waits.
    handle.pool().resume_waiting();
}
