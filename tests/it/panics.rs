//! Panics of every piece of the user's code: contained, reported exactly once, and counted right.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::{Arc, Once, OnceLock};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use workcrew::{
    AwaitError, Builder, CancelOutcome, Handle, Job, JobHandle, JobState, OnDrop, Outcome, Phase,
    PoolStats, Queue, Rejected, RejectionPolicy, Saturation, ThreadPoolExecutor, policy,
};

use crate::support::{
    Counter, Gate, LONG, assert_conserved, block_worker, eventually, finish, helper, repeat,
    settled,
};

// What is reported.

/// Keeps the crate's errors and warnings that concern pools and jobs with the mark.
struct Lines(Mutex<Vec<(log::Level, String)>>);

static LINES: Lines = Lines(Mutex::new(Vec::new()));

/// What a line must have in it to be kept.
pub(crate) const MARK: &str = "captured";

impl log::Log for Lines {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Warn
    }

    fn log(&self, record: &log::Record<'_>) {
        let line = record.args().to_string();
        if self.enabled(record.metadata()) && line.contains(MARK) {
            self.0.lock().push((record.level(), line));
        }
    }

    fn flush(&self) {}
}

fn lines_with(level: log::Level, text: &str) -> usize {
    LINES.0.lock().iter().filter(|line| line.0 == level && line.1.contains(text)).count()
}

pub(crate) fn errors_with(text: &str) -> usize {
    lines_with(log::Level::Error, text)
}

pub(crate) fn warnings_with(text: &str) -> usize {
    lines_with(log::Level::Warn, text)
}

pub(crate) fn keep_errors() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        log::set_logger(&LINES).expect("this module installs the only logger");
        log::set_max_level(log::LevelFilter::Warn);
    });
}

/// Counts what a pool reports, to its `on_panic` hook and to the log.
struct Reports {
    name: String,
    payloads: Arc<Mutex<Vec<String>>>,
}

impl Reports {
    /// `name` is this test's alone.
    fn new(name: &str) -> Self {
        keep_errors();
        Self { name: format!("{MARK}-{name}"), payloads: Arc::default() }
    }

    /// One worker, and both ways of reporting.
    fn builder(&self) -> Builder {
        let payloads = Arc::clone(&self.payloads);
        let on_panic = move |payload: &(dyn Any + Send)| {
            let text = payload.downcast_ref::<&str>().map(ToString::to_string);
            let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
            payloads.lock().push(text.unwrap_or_default());
        };
        ThreadPoolExecutor::builder().threads(1).name(&self.name).on_panic(on_panic)
    }

    fn pool(&self) -> ThreadPoolExecutor {
        self.builder().build().expect("a pool")
    }

    /// Exactly these payloads were reported, in this order, both ways.
    #[track_caller]
    fn assert(&self, payloads: &[&str]) {
        assert_eq!(*self.payloads.lock(), payloads);
        assert_eq!(errors_with(&format!("pool {}: ", self.name)), payloads.len(), "in the log");
        for payload in payloads.iter().filter(|payload| !payload.is_empty()) {
            assert!(errors_with(&format!("panicked: {payload}")) > 0, "{payload} in the log");
        }
    }
}

/// The pool still works, on its first thread; then ends it.
#[track_caller]
fn assert_alive(pool: &ThreadPoolExecutor) -> PoolStats {
    assert_eq!(settled(pool.submit(|| 42).expect("accepted")).expect("it returns"), 42);
    let stats = finish(pool);
    assert_eq!(stats.largest_pool_size, 1, "no thread was replaced");
    stats
}

/// Panics when it is dropped.
struct Bomb(&'static str);

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("{}", self.0);
    }
}

// All combinations.

thread_local! {
    static BODY: Cell<usize> = const { Cell::new(0) };
}

/// Panics in one of several ways, or does not.
fn blow(kind: usize) {
    match kind {
        0 => {}
        1 => panic!("a literal"),
        2 => panic_any(format!("a string of {kind}")),
        3 => panic_any(kind),
        4 => panic_any(Bomb("a payload's destructor")),
        more => unreachable!("{more} is no way to panic"),
    }
}

/// A pool of 10 whose hook takes 25 turns: each way before the body, and each in the body.
struct Matrix {
    pool: ThreadPoolExecutor,
    reports: Reports,
    before: Counter,
    after: Arc<Mutex<Vec<Outcome>>>,
    threads: Counter,
    terminated: Counter,
}

impl Matrix {
    fn new(name: &str) -> Self {
        let reports = Reports::new(name);
        let (before, threads, terminated) = (Counter::new(), Counter::new(), Counter::new());
        let after: Arc<Mutex<Vec<Outcome>>> = Arc::default();
        let (turns, outcomes) = (before.clone(), Arc::clone(&after));
        let (starts, ends) = (threads.clone(), terminated.clone());
        let own: Arc<OnceLock<Handle>> = Arc::default();
        let in_hook = Arc::clone(&own);
        let pool = reports
            .builder()
            .threads(10)
            .on_thread_start(move |_| {
                starts.add();
            })
            .before_job(move |_| {
                let turn = turns.add() - 1;
                // Jobs after the 25 are none of its business.
                if turn < 25 {
                    BODY.set(turn % 5);
                    blow(turn / 5);
                }
            })
            .after_job(move |_, outcome| outcomes.lock().push(outcome))
            .on_terminated(move || {
                ends.add();
                let pool = in_hook.get().expect("set by the test");
                assert_eq!(pool.phase(), Phase::Tidying);
                assert!(pool.is_shutdown() && !pool.is_terminated());
                assert_eq!(pool.await_termination(Duration::ZERO), Err(AwaitError::FromWorker));
                pool.shutdown();
                assert!(pool.shutdown_now().is_empty());
            })
            .build()
            .expect("a pool");
        own.set(pool.handle()).expect("set once");
        Self { pool, reports, before, after, threads, terminated }
    }

    /// What holds however the jobs were submitted.
    #[track_caller]
    fn finish(self) {
        self.pool.wait_idle(LONG).expect("they end");
        assert_eq!(self.before.get(), 25);
        let completed = |outcome: &&Outcome| **outcome == Outcome::Completed;
        {
            let after = self.after.lock();
            assert_eq!((after.len(), after.iter().filter(completed).count()), (5, 1));
        }
        let stats = self.pool.stats();
        assert_conserved(&stats);
        assert_eq!((stats.completed, stats.panicked), (1, 24));
        assert_eq!((stats.pool_size, stats.largest_pool_size, stats.idle), (10, 10, 10));
        assert_eq!(self.threads.get(), 10, "no thread was replaced");
        // All ten are alive: each runs a job that waits for the others.
        let together = Counter::new();
        for _ in 0..10 {
            let together = together.clone();
            let meet = move || {
                together.add();
                together.reach(10);
            };
            self.pool.execute(meet).expect("accepted");
        }
        self.pool.wait_idle(LONG).expect("they meet");
        assert_eq!(together.get(), 10);
        finish(&self.pool);
        assert_eq!(self.terminated.get(), 1);
        self.pool.shutdown();
        assert!(self.pool.shutdown_now().is_empty());
        assert_eq!(self.pool.phase(), Phase::Terminated);
        drop(self.pool);
        assert_eq!(self.terminated.get(), 1);
    }
}

#[test]
fn panics_of_hook_and_body_in_every_combination_reach_the_handles() {
    let matrix = Matrix::new("matrix-submit");
    let handles: Vec<_> =
        (0..25).map(|_| matrix.pool.submit(|| blow(BODY.get())).unwrap()).collect();
    let mut panicked = 0;
    for handle in handles {
        if let Err(error) = settled(handle) {
            assert!(error.is_panic(), "{error:?}");
            panicked += 1;
            // One of the payloads explodes when it is dropped.
            std::mem::forget(error);
        }
    }
    assert_eq!(panicked, 24);
    assert!(matrix.reports.payloads.lock().is_empty(), "the handles received them");
    matrix.finish();
}

#[test]
fn panics_of_hook_and_body_in_every_combination_are_reported_without_handles() {
    let matrix = Matrix::new("matrix-execute");
    for _ in 0..25 {
        matrix.pool.execute(|| blow(BODY.get())).unwrap();
    }
    let (reports, payloads) = (matrix.reports.name.clone(), Arc::clone(&matrix.reports.payloads));
    matrix.finish();
    assert_eq!(payloads.lock().len(), 24);
    assert_eq!(payloads.lock().iter().filter(|payload| *payload == "a literal").count(), 6);
    assert_eq!(errors_with(&format!("pool {reports}: a job panicked: ")), 24);
}

// Of jobs.

#[test]
fn a_panic_of_a_job_without_a_handle_is_reported_once() {
    let reports = Reports::new("execute");
    let pool = reports.pool();
    pool.execute(|| panic!("of a job")).unwrap();
    pool.execute_job(Job::new(|| panic_any(7_u8))).unwrap();
    let stats = assert_alive(&pool);
    assert_eq!((stats.completed, stats.panicked), (1, 2));
    reports.assert(&["of a job", ""]);
}

#[test]
fn a_panic_that_its_handle_receives_is_not_reported() {
    let reports = Reports::new("submit");
    let pool = reports.pool();
    let handle = pool.submit(|| panic!("for the handle")).unwrap();
    let handle: JobHandle<()> = handle;
    assert_eq!(settled(handle).unwrap_err().message(), Some("for the handle"));
    let handle: JobHandle<()> = pool.submit(|| panic!("for a late handle")).unwrap();
    eventually("it has ended", || handle.is_finished());
    let error = handle.try_join().expect("it has ended").unwrap_err();
    drop(error);
    assert_eq!(assert_alive(&pool).panicked, 2);
    reports.assert(&[]);
}

#[test]
fn a_panic_whose_handle_is_gone_is_reported_once() {
    let reports = Reports::new("dropped");
    let pool = reports.pool();
    let gate = Gate::new();
    let open = gate.clone();
    let before: JobHandle<()> = pool
        .submit(move || {
            open.pass();
            panic!("after its handle was dropped")
        })
        .unwrap();
    drop(before);
    gate.open();
    pool.wait_idle(LONG).unwrap();
    reports.assert(&["after its handle was dropped"]);
    let after: JobHandle<()> = pool.submit(|| panic!("before its handle was dropped")).unwrap();
    let late: JobHandle<()> = pool.submit(|| panic!("dropped after the pool")).unwrap();
    eventually("they have ended", || after.is_finished() && late.is_finished());
    drop(after);
    reports.assert(&["after its handle was dropped", "before its handle was dropped"]);
    assert_alive(&pool);
    drop(pool);
    drop(late);
    assert_eq!(reports.payloads.lock().len(), 3, "also when the pool is gone");
    assert_eq!(errors_with("dropped after the pool"), 1);
}

#[test]
fn a_panic_that_races_with_the_drop_of_its_handle_is_reported_once() {
    let reports = Reports::new("race");
    let pool = reports.pool();
    let rounds = repeat(300);
    for round in 0..rounds {
        let handle: JobHandle<()> = pool.submit(|| panic!("raced")).unwrap();
        for _ in 0..round % 7 {
            thread::yield_now();
        }
        drop(handle);
    }
    assert_eq!(assert_alive(&pool).panicked, rounds as u64);
    reports.assert(&vec!["raced"; rounds]);
}

#[test]
fn a_panic_off_the_pool_goes_to_the_log_or_to_who_runs_it_when_its_handle_is_gone() {
    let reports = Reports::new("off");
    let (job, handle): (Job, JobHandle<()>) = Job::with_handle(|| panic!("captured off the pool"));
    job.run();
    drop(handle);
    assert_eq!(errors_with("captured off the pool"), 1);
    let (job, handle): (Job, JobHandle<()>) =
        Job::with_handle(|| panic!("captured off the pool, too"));
    drop(handle);
    let caught = catch_unwind(AssertUnwindSafe(|| job.run()));
    assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"captured off the pool, too"));
    assert_eq!(errors_with("captured off the pool, too"), 0, "reported once");
    reports.assert(&[]);
}

#[test]
fn workers_that_all_panic_in_a_row_stay() {
    let reports = Reports::new("row");
    let threads = Counter::new();
    let count = threads.clone();
    let pool = reports
        .builder()
        .threads(4)
        .on_thread_start(move |_| {
            count.add();
        })
        .build()
        .unwrap();
    for _ in 0..200 {
        pool.execute(|| panic!("again")).unwrap();
    }
    pool.wait_idle(LONG).unwrap();
    let stats = pool.stats();
    assert_eq!((stats.panicked, stats.pool_size, threads.get()), (200, 4, 4));
    let handles: Vec<_> = (0..8).map(|n| pool.submit(move || n).unwrap()).collect();
    assert_eq!(handles.into_iter().map(|handle| settled(handle).unwrap()).sum::<u32>(), 28);
    assert_eq!(threads.get(), 4);
    finish(&pool);
    reports.assert(&["again"; 200]);
}

#[test]
fn a_panic_of_a_job_that_a_waiter_runs_goes_to_the_waiter() {
    let reports = Reports::new("helped");
    let pool = reports.pool();
    let inner = pool.handle();
    let outer = pool
        .submit(move || {
            let child: JobHandle<()> = inner.submit(|| panic!("in a helped job")).unwrap();
            child.join().unwrap_err().message().map(str::to_owned)
        })
        .unwrap();
    assert_eq!(settled(outer).unwrap().as_deref(), Some("in a helped job"));
    let stats = assert_alive(&pool);
    assert_eq!((stats.completed, stats.panicked), (2, 1));
    reports.assert(&[]);
}

#[test]
fn a_panic_of_a_job_that_its_submitter_runs_does_not_reach_the_submitter() {
    let reports = Reports::new("caller");
    let pool = reports
        .builder()
        .queue(Queue::Handoff)
        .rejection_policy(policy::CallerRuns)
        .build()
        .unwrap();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    pool.execute(|| panic!("on its submitter")).unwrap();
    let handle: JobHandle<()> = pool.submit(|| panic!("to its handle")).unwrap();
    assert_eq!(handle.state(), JobState::Panicked);
    assert_eq!(settled(handle).unwrap_err().message(), Some("to its handle"));
    let stats = pool.stats();
    assert_eq!((stats.panicked, stats.caller_ran, stats.active), (2, 2, 1));
    gate.open();
    pool.wait_idle(LONG).unwrap();
    assert_alive(&pool);
    reports.assert(&["on its submitter"]);
}

#[test]
fn a_payload_that_panics_when_it_is_dropped_is_contained() {
    let reports = Reports::new("rogue");
    let pool = reports.pool();
    pool.execute(|| panic_any(Bomb("in a payload"))).unwrap();
    drop(pool.submit(|| panic_any(Bomb("in a payload of a dropped handle"))).unwrap());
    let kept: JobHandle<()> = pool.submit(|| panic_any(Bomb("in a kept payload"))).unwrap();
    eventually("it has ended", || kept.is_finished());
    drop(kept);
    assert_eq!(assert_alive(&pool).panicked, 3);
    reports.assert(&["", "", ""]);
}

// Of hooks.

#[test]
fn a_panic_before_a_job_is_the_jobs_and_keeps_it_from_running() {
    let reports = Reports::new("before");
    let (turns, ran, after) = (Counter::new(), Counter::new(), Counter::new());
    let (count, ended) = (turns.clone(), after.clone());
    let pool = reports
        .builder()
        .before_job(move |_| assert!(count.add() > 2, "before the job"))
        .after_job(move |_, _| {
            ended.add();
        })
        .build()
        .unwrap();
    let body = ran.clone();
    let handle = pool.submit(move || body.add()).unwrap();
    assert_eq!(settled(handle).unwrap_err().message(), Some("before the job"));
    reports.assert(&[]);
    let body = ran.clone();
    let token = Arc::new(());
    let captured = Arc::clone(&token);
    pool.execute(move || {
        body.add();
        drop(captured);
    })
    .unwrap();
    pool.wait_idle(LONG).unwrap();
    assert_eq!(Arc::strong_count(&token), 1, "its captures are dropped");
    assert_eq!((ran.get(), after.get()), (0, 0), "neither body ran, nor the hook after it");
    let stats = assert_alive(&pool);
    assert_eq!((stats.completed, stats.panicked), (1, 2));
    assert_eq!(after.get(), 1);
    reports.assert(&["before the job"]);
}

#[test]
fn a_panic_before_a_job_does_not_hide_that_of_its_destructors() {
    let reports = Reports::new("both");
    let calls = Counter::new();
    let count = calls.clone();
    let pool = reports
        .builder()
        .before_job(move |_| assert!(count.add() > 2, "of the hook"))
        .build()
        .unwrap();
    let bomb = Bomb("of the captures");
    pool.execute(move || drop(bomb)).unwrap();
    let bomb = Bomb("of other captures");
    let handle = pool.submit(move || drop(bomb)).unwrap();
    assert_eq!(settled(handle).unwrap_err().message(), Some("of the hook"));
    assert_eq!(assert_alive(&pool).panicked, 2);
    reports.payloads.lock().sort_unstable();
    reports.assert(&["of other captures", "of the captures", "of the hook"]);
}

#[test]
fn a_panic_after_a_job_is_reported_once_and_changes_nothing() {
    let reports = Reports::new("after");
    let calls = Counter::new();
    let count = calls.clone();
    let pool = reports
        .builder()
        .after_job(move |_, _| {
            count.add();
            panic!("after the job");
        })
        .build()
        .unwrap();
    assert_eq!(settled(pool.submit(|| 5).unwrap()).unwrap(), 5);
    assert_eq!(calls.get(), 1);
    let failed: JobHandle<()> = pool.submit(|| panic!("its own")).unwrap();
    assert_eq!(settled(failed).unwrap_err().message(), Some("its own"));
    assert_eq!(calls.get(), 2);
    let stats = assert_alive(&pool);
    assert_eq!((stats.completed, stats.panicked, calls.get()), (2, 1, 3));
    reports.assert(&["after the job"; 3]);
}

#[test]
fn panics_of_a_threads_and_a_pools_hooks_are_reported_once() {
    let reports = Reports::new("thread");
    let pool = reports
        .builder()
        .on_thread_start(|_| panic!("at a thread's start"))
        .on_thread_stop(|_| panic!("at a thread's end"))
        .on_terminated(|| panic!("at the pool's end"))
        .build()
        .unwrap();
    let stats = assert_alive(&pool);
    assert_eq!((stats.completed, stats.panicked, stats.spawn_failures), (1, 0, 0));
    assert_eq!(pool.phase(), Phase::Terminated);
    reports.assert(&["at a thread's start", "at a thread's end", "at the pool's end"]);
}

#[test]
fn a_panic_of_the_panic_hook_is_contained() {
    let reports = Reports::new("panic-hook");
    let calls = Counter::new();
    let count = calls.clone();
    let pool = reports
        .builder()
        .on_panic(move |_| {
            count.add();
            panic_any(Bomb("in the panic hook"));
        })
        .build()
        .unwrap();
    pool.execute(|| panic!("for a hook that panics")).unwrap();
    drop(pool.submit(|| panic!("for a hook that panics")).unwrap());
    assert_alive(&pool);
    assert_eq!(calls.get(), 2);
    let of = |who: &str| errors_with(&format!("pool {}: {who} panicked", reports.name));
    assert_eq!(of("on_panic hook"), 2);
    assert_eq!(of("a job") + of("a job whose handle is gone"), 2);
}

// Of policies.

struct Panics;

impl RejectionPolicy for Panics {
    fn rejected(&self, _job: Job, _: &Saturation<'_>) -> Result<(), Rejected> {
        panic!("in a policy");
    }
}

#[test]
fn a_panic_of_a_policy_reaches_the_submitter_and_leaves_the_pool_whole() {
    let reports = Reports::new("policy");
    let pool = reports.builder().queue(Queue::Handoff).rejection_policy(Panics).build().unwrap();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    let (job, handle) = Job::with_handle(|| ());
    let caught = catch_unwind(AssertUnwindSafe(|| pool.execute_job(job).is_ok()));
    assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"in a policy"));
    assert!(settled(handle).unwrap_err().is_cancelled());
    assert!(catch_unwind(AssertUnwindSafe(|| pool.submit(|| ()).is_ok())).is_err());
    let stats = pool.stats();
    assert_conserved(&stats);
    assert_eq!((stats.discarded, stats.submitted), (2, 3));
    // From a job it is the job's panic.
    gate.open();
    pool.wait_idle(LONG).unwrap();
    let inner = pool.handle();
    let nested = pool.submit(move || inner.execute(|| ()).is_ok()).unwrap();
    assert_eq!(settled(nested).unwrap_err().message(), Some("in a policy"));
    let stats = assert_alive(&pool);
    assert_eq!((stats.completed, stats.panicked, stats.discarded), (2, 1, 3));
    reports.assert(&[]);
}

// Of destructors.

#[test]
fn a_panic_of_a_running_jobs_destructors_is_the_jobs() {
    let reports = Reports::new("captures");
    let pool = reports.pool();
    let bomb = Bomb("among the captures");
    pool.execute(move || {
        let _used = &bomb;
    })
    .unwrap();
    let bomb = Bomb("among the captures of another");
    let handle = pool.submit(move || drop(bomb)).unwrap();
    assert_eq!(settled(handle).unwrap_err().message(), Some("among the captures of another"));
    assert_eq!(assert_alive(&pool).panicked, 2);
    reports.assert(&["among the captures"]);
}

#[test]
fn a_panic_of_a_result_that_nobody_takes_is_reported_once() {
    let reports = Reports::new("result");
    let pool = reports.pool();
    let gate = Gate::new();
    let open = gate.clone();
    let dropped = pool
        .submit(move || {
            open.pass();
            Bomb("in a result")
        })
        .unwrap();
    drop(dropped);
    gate.open();
    pool.wait_idle(LONG).unwrap();
    reports.assert(&["in a result"]);
    let late = pool.submit(|| Bomb("in a late result")).unwrap();
    eventually("it has ended", || late.is_finished());
    assert_eq!(late.state(), JobState::Finished);
    drop(late);
    let stats = assert_alive(&pool);
    assert_eq!((stats.completed, stats.panicked), (3, 0), "the jobs have returned");
    reports.assert(&["in a result", "in a late result"]);
}

#[test]
fn a_panic_of_a_cancelled_jobs_destructors_is_reported_once() {
    let reports = Reports::new("cancelled");
    let pool = reports.pool();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    let bomb = Bomb("in a cancelled job");
    let handle = pool.submit(move || drop(bomb)).unwrap();
    assert_eq!(handle.cancel(), CancelOutcome::Removed);
    assert!(settled(handle).unwrap_err().is_cancelled());
    reports.assert(&["in a cancelled job"]);
    gate.open();
    let stats = assert_alive(&pool);
    assert_eq!((stats.cancelled, stats.panicked), (1, 0));
}

#[test]
fn a_panic_of_a_discarded_jobs_destructors_is_reported_once() {
    let reports = Reports::new("discarded");
    let pool = reports
        .builder()
        .queue(Queue::Bounded(1))
        .rejection_policy(policy::DiscardOldest)
        .build()
        .unwrap();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    let bomb = Bomb("in a displaced job");
    pool.execute(move || drop(bomb)).unwrap();
    pool.execute(|| ()).expect("the submitter is not concerned");
    let stats = pool.stats();
    assert_conserved(&stats);
    assert_eq!((stats.discarded, stats.queued), (1, 1));
    gate.open();
    pool.wait_idle(LONG).unwrap();
    assert_alive(&pool);
    reports.assert(&["in a displaced job"]);

    let reports = Reports::new("refused");
    let pool =
        reports.builder().queue(Queue::Handoff).rejection_policy(policy::Discard).build().unwrap();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    let bomb = Bomb("in a discarded job");
    let handle = pool.submit(move || drop(bomb)).expect("the submitter is not concerned");
    assert!(settled(handle).unwrap_err().is_cancelled());
    gate.open();
    pool.wait_idle(LONG).unwrap();
    assert_eq!(assert_alive(&pool).discarded, 1);
    reports.assert(&["in a discarded job"]);
}

#[test]
fn panics_of_the_pending_jobs_destructors_do_not_stop_the_owners_drop() {
    let reports = Reports::new("stopped");
    let pool = reports.builder().on_drop(OnDrop::Stop).build().unwrap();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    let mut handles = Vec::new();
    for text in ["the first", "the second"] {
        let bomb = Bomb(text);
        handles.push(pool.submit(move || drop(bomb)).unwrap());
    }
    let bomb = Bomb("the third");
    pool.execute(move || drop(bomb)).unwrap();
    let watch = pool.handle();
    let dropping = helper(move || drop(pool));
    for handle in handles {
        assert!(settled(handle).unwrap_err().is_cancelled());
    }
    gate.open();
    dropping.join();
    assert_conserved(&watch.stats());
    assert_eq!(watch.stats().handed_back, 3);
    reports.assert(&["the first", "the second", "the third"]);
}

#[test]
fn panics_of_destructors_while_the_owners_thread_panics_do_not_abort() {
    let reports = Reports::new("unwinding");
    let pool = reports.pool();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    let bomb = Bomb("while another unwinds");
    let handle = pool.submit(move || drop(bomb)).unwrap();
    let watch = pool.handle();
    let caught = catch_unwind(AssertUnwindSafe(move || {
        let _pool = pool;
        panic!("the first panic");
    }));
    assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"the first panic"));
    assert!(settled(handle).unwrap_err().is_cancelled());
    gate.open();
    watch.await_termination(LONG).unwrap();
    assert_conserved(&watch.stats());
    reports.assert(&["while another unwinds"]);
}

#[test]
fn a_panic_of_a_handed_back_jobs_destructor_is_its_holders() {
    let reports = Reports::new("handed-back");
    let pool = reports.pool();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    let bomb = Bomb("of the holder");
    let handle = pool.submit(move || drop(bomb)).unwrap();
    let pending = pool.take_pending();
    assert_eq!(pending.len(), 1);
    let caught = catch_unwind(AssertUnwindSafe(move || drop(pending)));
    assert_eq!(caught.unwrap_err().downcast_ref::<String>().unwrap(), "of the holder");
    assert!(settled(handle).unwrap_err().is_cancelled(), "it settled all the same");
    gate.open();
    pool.wait_idle(LONG).unwrap();
    assert_alive(&pool);
    reports.assert(&[]);
}
