//! Tests of what is written for people: errors, the `Debug` of what users hold, and the log.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use workcrew::interrupt::{Interrupt, RecvError, RecvTimeoutError, SendError};
use workcrew::policy::{Block, Discard};
use workcrew::{
    AwaitError, Builder, CancelOutcome, CancelReason, DirectExecutor, Executor, InvokeAllError,
    InvokeAnyError, Job, JobState, JoinError, JoinSet, ManualExecutor, OnDrop, Outcome, Queue,
    RejectReason, Rejected, Saturation, ScopedHandle, ShutdownGroup, ShutdownOutcome,
    ShutdownPhase, ShutdownPlan, ThreadPerJobBuilder, ThreadPoolExecutor, interrupt,
};

use crate::panics::{MARK, keep_errors, warnings_with};
use crate::rejection::custom;
use crate::support::{
    Gate, LONG, block_worker, eventually, finish, helper, settled, single, stop_point,
};

/// One worker, which is busy until the gate is opened, and no room in the queue.
fn full(configure: impl FnOnce(Builder) -> Builder) -> (ThreadPoolExecutor, Gate) {
    let builder = ThreadPoolExecutor::builder().threads(1).queue(Queue::Bounded(1));
    let pool = configure(builder).build().unwrap();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    pool.execute(|| ()).unwrap();
    (pool, gate)
}

/// Ends it.
fn release(pool: &ThreadPoolExecutor, gate: &Gate) {
    gate.open();
    finish(pool);
}

// Errors.

#[test]
fn a_rejection_says_why_and_what_to_do() {
    let (pool, gate) = full(|builder| builder);
    let saturated = pool.execute(|| ()).unwrap_err();
    assert_eq!(
        saturated.to_string(),
        "no room for the job: all threads are busy, and as many jobs are queued as may be; \
         try later, or set a rejection policy"
    );
    assert_eq!(format!("{saturated:?}"), "Rejected { reason: Saturated, .. }");
    let late = pool.execute_timeout(|| (), Duration::ZERO).unwrap_err();
    assert_eq!(late.to_string(), "no room for the job within the time given");
    release(&pool, &gate);
    let shut = pool.execute(|| ()).unwrap_err();
    assert_eq!(shut.to_string(), "the pool is shut down and takes no more jobs");
}

#[test]
fn a_rejection_for_want_of_a_thread_points_to_the_log() {
    let pool = ThreadPoolExecutor::builder()
        .threads(1)
        .queue(Queue::Handoff)
        .thread_factory(|_| Err(io::Error::other("no thread today")))
        .build()
        .unwrap();
    let rejected = pool.execute(|| ()).unwrap_err();
    assert_eq!(
        rejected.to_string(),
        "no worker thread could be started for the job; the log has the reason"
    );
}

#[test]
fn a_rejection_after_an_interrupt_says_so() {
    let (pool, gate) = full(|builder| builder.rejection_policy(Block { timeout: LONG }));
    let stop = Interrupt::default();
    assert!(!stop.is_interrupted());
    stop.interrupt();
    let entered = stop.enter();
    let rejected = pool.execute(|| ()).unwrap_err();
    drop(entered);
    assert_eq!(rejected.to_string(), "interrupted while waiting for room for the job");
    release(&pool, &gate);
}

#[test]
fn an_error_of_a_wait_for_a_pool_says_what_ended_it() {
    let pool = single();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    let late = pool.wait_idle(Duration::ZERO).unwrap_err();
    assert_eq!(late.to_string(), "timed out waiting for the pool");
    let own = pool.handle();
    let inside = pool.submit(move || own.wait_idle(LONG).unwrap_err()).unwrap();
    gate.open();
    assert_eq!(
        settled(inside).unwrap().to_string(),
        "a job cannot wait for its own pool: wait from a thread that is not one of its workers"
    );
    finish(&pool);
    assert_eq!(AwaitError::Interrupted.to_string(), "interrupted while waiting for the pool");
}

#[test]
fn the_errors_of_channels_say_what_ended_the_wait() {
    assert_eq!(
        RecvError::Disconnected.to_string(),
        "receiving on an empty channel without senders"
    );
    assert_eq!(RecvTimeoutError::Interrupted.to_string(), "interrupted while receiving");
    assert_eq!(
        RecvTimeoutError::Disconnected.to_string(),
        "receiving on an empty channel without senders"
    );
    let unsent = SendError::Interrupted(7);
    assert_eq!(format!("{unsent:?}: {unsent}"), "Interrupted(..): interrupted while sending");
}

fn rejected() -> Rejected {
    let closed = DirectExecutor::default();
    closed.shutdown();
    closed.execute_job(Job::new(|| ())).unwrap_err()
}

/// The text of an error and that of its source.
fn texts(error: &dyn Error) -> (String, Option<String>) {
    (error.to_string(), error.source().map(ToString::to_string))
}

#[test]
fn an_error_of_several_jobs_says_of_which_and_names_its_source() {
    let because = "the pool is shut down and takes no more jobs";
    let (text, source) = texts(&InvokeAllError::Rejected(rejected()));
    assert_eq!(text, format!("a job was not accepted: {because}"));
    assert_eq!(source.as_deref(), Some(because));
    let (text, source) = texts(&InvokeAllError::Interrupted);
    assert_eq!((&*text, source), ("interrupted while waiting for the jobs", None));

    let any = |error: InvokeAnyError<io::Error>| texts(&error);
    let some = |text: &str| Some(text.to_owned());
    let (text, source) = any(InvokeAnyError::Empty);
    assert_eq!((&*text, source), ("there was no job to invoke: give at least one", None));
    let (text, source) = any(InvokeAnyError::Failed(io::Error::other("disk")));
    assert_eq!((&*text, source), ("every job failed, the last one with: disk", some("disk")));
    let (text, source) = any(InvokeAnyError::Ended(JoinError::Cancelled(CancelReason::ByHandle)));
    let cancelled = "the job was cancelled before it started";
    assert_eq!(text, format!("every job failed, and of the last one: {cancelled}"));
    assert_eq!(source, some(cancelled));
    let (text, source) = any(InvokeAnyError::Rejected(rejected()));
    assert_eq!(text, format!("a job was not accepted: {because}"));
    assert_eq!(source, some(because));
    let (text, source) = any(InvokeAnyError::TimedOut);
    assert_eq!((&*text, source), ("no job succeeded in time", None));
    let (text, source) = any(InvokeAnyError::Interrupted);
    assert_eq!((&*text, source), ("interrupted while waiting for the jobs", None));
}

#[test]
fn an_error_of_a_scope_counts_the_jobs_and_says_where_to_look() {
    let (pool, gate) = full(|builder| builder.rejection_policy(Discard));
    let error = pool.scope(|scope| scope.execute(|| unreachable!()).unwrap()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "1 jobs of the scope were discarded or handed back, and never ran: \
         look for a shutdown, or a policy that discards"
    );
    release(&pool, &gate);
    let text = pool.scope(|scope| scope.execute(|| ()).unwrap_err().to_string()).unwrap();
    assert_eq!(text, "the pool is shut down and takes no more jobs");
}

#[test]
fn what_a_program_prints_of_jobs_and_shutdowns_are_plain_words() {
    fn texts<T: ToString, const N: usize>(values: [T; N]) -> [String; N] {
        values.map(|value| value.to_string())
    }
    let reasons = [
        RejectReason::Saturated,
        RejectReason::Shutdown,
        RejectReason::TimedOut,
        RejectReason::SpawnFailed,
        RejectReason::Interrupted,
    ];
    assert_eq!(texts(reasons), ["saturated", "shut down", "timed out", "no thread", "interrupted"]);
    let states = [
        JobState::Pending,
        JobState::Running,
        JobState::Finished,
        JobState::Panicked,
        JobState::Cancelled,
    ];
    assert_eq!(texts(states), ["pending", "running", "finished", "panicked", "cancelled"]);
    let cancels =
        [CancelOutcome::Removed, CancelOutcome::Interrupted, CancelOutcome::AlreadyFinished];
    assert_eq!(texts(cancels), ["removed", "interrupted", "already finished"]);
    assert_eq!(texts([Outcome::Completed, Outcome::Panicked]), ["completed", "panicked"]);
    let phases = [
        ShutdownPhase::Refusing,
        ShutdownPhase::GraceOver,
        ShutdownPhase::Interrupting,
        ShutdownPhase::NotTerminated,
        ShutdownPhase::Ended,
    ];
    let words = ["refusing new jobs", "grace period expired", "interrupting jobs"];
    assert_eq!(texts(phases)[..3], words);
    assert_eq!(texts(phases)[3..], ["not terminated", "ended"]);
    assert_eq!(
        format!("{:>9}|{:<10}|", JobState::Running, Outcome::Completed),
        "  running|completed |"
    );
}

// Debug.

#[test]
fn what_users_hold_shows_its_state_and_nothing_of_theirs() {
    let direct = DirectExecutor::default();
    assert_eq!(format!("{direct:?}"), "DirectExecutor { is_shutdown: false }");
    let manual = ManualExecutor::new();
    let mut set = JoinSet::on(manual.clone());
    assert_eq!(set.submit(|| 5).unwrap().to_string(), "1");
    assert_eq!(format!("{set:?}"), "JoinSet { len: 1, .. }");
    assert_eq!(format!("{manual:?}"), "ManualExecutor { is_shutdown: false, pending: 1 }");
    assert_eq!(manual.run_until_idle(), 1);
    let plan = ShutdownPlan::new().grace(LONG).hurried_by(&Interrupt::new());
    let shown = format!("{plan:?}");
    assert!(shown.starts_with("ShutdownPlan { grace: 60s, interrupt_wait: "), "{shown}");
    assert!(shown.contains("hurried_by: [Interrupt { is_interrupted: false }]"), "{shown}");
    let shown = format!("{:?}", ThreadPerJobBuilder::default().limit(3));
    assert!(shown.starts_with("ThreadPerJobBuilder { limit: Some(3), pool: Builder"), "{shown}");
    let pool = single();
    let kept = pool.keep_until_terminated(7);
    assert_eq!(format!("{kept:?}"), "Kept(7)");
    let show = |handle: ScopedHandle<'_, ()>| {
        while !handle.is_finished() {
            std::thread::yield_now();
        }
        format!("{handle:?}")
    };
    let shown = pool.scope(|scope| show(scope.submit(|| ()).unwrap())).unwrap();
    assert_eq!(shown, "ScopedHandle { state: Finished, .. }");
    finish(&pool);
}

#[test]
fn what_a_pool_shows_to_factories_policies_and_hooks_has_its_name() {
    let shown = Arc::new(Mutex::new(Vec::new()));
    let (of_thread, of_policy, of_panic) =
        (Arc::clone(&shown), Arc::clone(&shown), Arc::clone(&shown));
    let (pool, gate) = full(|builder| {
        builder
            .name("shown")
            .thread_factory(move |worker| {
                of_thread.lock().push(format!("{} {worker:?}", worker.name()));
                worker.builder().spawn(move || worker.run())
            })
            .rejection_policy(custom(move |job, saturation: &Saturation<'_>| {
                of_policy.lock().push(format!("{saturation:?}"));
                saturation.reject(job)
            }))
            .on_uncaught(move |panic| {
                of_panic.lock().push(format!("{} {}", panic.pool_name(), panic.source()));
            })
    });
    assert_eq!(pool.name(), "shown");
    pool.execute(|| ()).unwrap_err();
    gate.open();
    pool.wait_idle(LONG).unwrap();
    pool.execute(|| panic!("for the hook")).unwrap();
    finish(&pool);
    assert_eq!(
        *shown.lock(),
        [
            "shown-1 WorkerThread { name: \"shown-1\", .. }",
            "Saturation { reason: Saturated, .. }",
            "shown a job",
        ]
    );
}

// Reports.

#[test]
fn a_report_says_how_the_pool_ended() {
    let pool = single();
    pool.execute(|| ()).unwrap();
    let report = pool.shutdown_with(&ShutdownPlan::new().grace(LONG));
    let text = report.to_string();
    assert!(text.contains(": ended cleanly; grace "), "{text}");
    assert!(!text.contains("interrupt"), "{text}");
    let group = ShutdownGroup::new().add_pool(0, pool.handle());
    let report = group.shutdown_with(&ShutdownPlan::new());
    assert_eq!(
        format!("{:?}", report.exit_code()),
        format!("{:?}", std::process::ExitCode::SUCCESS)
    );
}

#[test]
fn a_report_tells_a_thread_that_stays_from_a_job_that_does() {
    let (entered, leave, stop) = stop_point();
    let pool = ThreadPoolExecutor::builder().threads(1).on_thread_stop(move |_| stop()).build();
    let pool = pool.unwrap();
    pool.submit(|| ()).unwrap().join().unwrap();
    let none = ShutdownPlan::new().budget(Duration::ZERO);
    let report = pool.shutdown_with(&none);
    entered.pass();
    assert_eq!(report.outcome(), ShutdownOutcome::NotTerminated);
    let text = report.to_string();
    assert!(
        text.ends_with("no job is running, but its threads and hooks have not all ended"),
        "{text}"
    );
    leave.open();
    finish(&pool);
}

#[test]
fn a_report_tells_a_job_that_is_held_up_by_a_hook() {
    let (entered, leave, stop) = stop_point();
    let pool = ThreadPoolExecutor::builder().threads(1).before_job(move |_| stop()).build();
    let pool = pool.unwrap();
    pool.execute_named("mail 7", || ()).unwrap();
    entered.pass();
    let report = pool.shutdown_with(&ShutdownPlan::new().budget(Duration::ZERO));
    let text = report.to_string();
    assert!(text.contains("; 1 did not stop: \"mail 7\" on "), "{text}");
    leave.open();
    finish(&pool);
}

// The log.

/// A pool of one worker whose lines are kept.
fn logged(name: &str) -> Builder {
    keep_errors();
    ThreadPoolExecutor::builder().threads(1).name(format!("{MARK}-{name}"))
}

#[test]
fn jobs_that_are_dropped_unrun_are_named_in_the_log() {
    let pool = logged("drops").on_drop(OnDrop::Stop).build().unwrap();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    for number in 0..21 {
        pool.execute_named(format!("mail {number}"), || unreachable!()).unwrap();
    }
    pool.execute(|| unreachable!()).unwrap();
    let dropper = helper(move || drop(pool));
    let drops = format!("pool {MARK}-drops: drops 22 jobs unrun: \"mail 0\", \"mail 1\", ");
    eventually("it is said", || warnings_with(&drops) == 1);
    assert_eq!(warnings_with("\"mail 19\", …"), 1, "20 are enough");
    gate.open();
    dropper.join();
    let pool = logged("drops-one").on_drop(OnDrop::Stop).build().unwrap();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    pool.execute(|| unreachable!()).unwrap();
    let dropper = helper(move || drop(pool));
    let drops = format!("drops 1 jobs unrun: one submitted at {}", file!());
    eventually("it is said", || warnings_with(&drops) == 1);
    gate.open();
    dropper.join();
}

#[test]
fn a_plan_whose_grace_is_over_says_which_jobs_still_run() {
    let pool = logged("grace").build().unwrap();
    let (running, started) = (Gate::new(), Gate::new());
    let open = started.clone();
    pool.execute_named("the slow one", move || {
        open.open();
        interrupt::sleep(LONG).unwrap_err();
        running.open();
    })
    .unwrap();
    started.pass();
    pool.execute(|| unreachable!()).unwrap();
    let report =
        pool.shutdown_with(&ShutdownPlan::new().grace(Duration::ZERO).interrupt_wait(LONG));
    assert_eq!((report.outcome(), report.pending().len()), (ShutdownOutcome::Interrupted, 1));
    let line = format!("pool {MARK}-grace: the grace is over after ");
    assert_eq!((warnings_with(&line), warnings_with("\"the slow one\"") > 0), (1, true));
    let line = format!("pool {MARK}-grace: has interrupted its jobs and handed 1 back");
    assert_eq!(warnings_with(&line), 1);
}

#[test]
fn a_pool_that_is_closed_by_its_own_job_says_that_it_cannot_wait() {
    let pool = logged("inside").build().unwrap();
    let handle = pool.handle();
    handle.execute(move || drop(pool)).unwrap();
    handle.await_termination(LONG).unwrap();
    let line =
        format!("pool {MARK}-inside: closed from one of its own jobs, which it cannot wait for");
    assert_eq!(warnings_with(&line), 1);
}

/// It takes as long as the pool waits before it says so.
#[test]
fn a_close_that_takes_long_says_what_it_waits_for() {
    let pool = logged("long").build().unwrap();
    let gate = Gate::new();
    let open = gate.clone();
    pool.execute_named("the long one", move || open.pass()).unwrap();
    let closer = helper(move || pool.close());
    let line = format!("pool {MARK}-long: still waits for its jobs: ");
    eventually("it is said", || warnings_with(&line) > 0);
    assert!(warnings_with("running: \"the long one\"") > 0);
    gate.open();
    closer.join();
}
