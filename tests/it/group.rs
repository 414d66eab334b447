//! Tests of groups of pools: in what order they end, within what time, and what the report says.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use workcrew::interrupt::Interrupt;
use workcrew::{
    Handle, ShutdownGroup, ShutdownOutcome, ShutdownPlan, ShutdownReport, ThreadPoolExecutor,
    interrupt,
};

use crate::support::alone::{assert_passed, command};
use crate::support::{
    Gate, HUGE, LONG, block_worker, eventually, finish, helper, repeat, single, soon,
};

fn patient() -> ShutdownPlan {
    ShutdownPlan::new().grace(LONG).interrupt_wait(LONG)
}

fn named(name: &str) -> ThreadPoolExecutor {
    ThreadPoolExecutor::builder().name(name).threads(1).build().unwrap()
}

/// A pool whose thread is started also where those of the usual stack are refused.
fn small(name: &str) -> ThreadPoolExecutor {
    ThreadPoolExecutor::builder().name(name).threads(1).stack_size(256 * 1024).build().unwrap()
}

#[test]
fn phases_end_from_the_highest_to_the_lowest() {
    let order = Arc::new(Mutex::new(Vec::new()));
    let pools: Vec<_> = [("one", 1), ("three", 3), ("two", 2), ("max", u32::MAX), ("zero", 0)]
        .map(|(name, phase)| {
            let pool = named(name);
            let order = Arc::clone(&order);
            pool.execute(|| ()).unwrap();
            pool.on_terminated(move || order.lock().push(name));
            (pool, phase)
        })
        .into();
    let group = pools
        .iter()
        .fold(ShutdownGroup::new(), |group, (pool, phase)| group.add_pool(*phase, pool.handle()));
    let report = group.shutdown_with(&patient());
    let expected = ["max", "three", "two", "one", "zero"];
    assert_eq!(*order.lock(), expected);
    assert_eq!(
        report.reports().iter().map(ShutdownReport::pool_name).collect::<Vec<_>>(),
        expected
    );
    assert_eq!((report.outcome(), report.code()), (ShutdownOutcome::Clean, 0));
    assert!(report.of("two").unwrap().pending().is_empty());
    assert!(report.of("four").is_none());
}

#[test]
fn the_exit_code_of_a_group_tells_of_a_panic_too() {
    let (sound, panicking) = (named("sound"), named("panicking"));
    let gate = Gate::new();
    let passed = gate.clone();
    let panic = move || {
        passed.pass();
        panic!("on purpose")
    };
    panicking.execute(panic).unwrap();
    let group = ShutdownGroup::new().add_pool(1, sound.handle()).add_pool(1, panicking.handle());
    let stopping = helper(move || group.shutdown_with(&patient()));
    eventually("the group begins", || panicking.is_shutdown());
    gate.open();
    let report = stopping.join();
    assert_eq!((report.outcome(), report.code()), (ShutdownOutcome::Clean, 1));
}

#[test]
fn a_pool_of_a_lower_phase_accepts_jobs_until_the_higher_one_has_ended() {
    for _ in 0..repeat(20) {
        let (requests, mails) = (named("requests"), named("mails"));
        let gate = Gate::new();
        let (passed, handle) = (gate.clone(), mails.handle());
        let sent = requests.submit(move || {
            passed.pass();
            handle.submit(|| 7).map(|mail| mail.join().unwrap())
        });
        let group = ShutdownGroup::new().add_pool(1, mails.handle()).add_pool(2, requests.handle());
        let stopping = helper(move || group.shutdown_with(&patient()));
        eventually("the group begins", || requests.is_shutdown());
        gate.open();
        assert_eq!(soon(sent.unwrap()).unwrap(), 7);
        assert_eq!(stopping.join().code(), 0);
    }
}

/// Each pool's job waits until all the others refuse jobs.
fn assert_side_by_side() {
    let pools: Vec<_> = (0..4).map(|_| small("many")).collect();
    let handles: Vec<_> = pools.iter().map(ThreadPoolExecutor::handle).collect();
    for pool in &pools {
        let handles = handles.clone();
        pool.execute(move || {
            while !handles.iter().all(Handle::is_shutdown) {
                interrupt::sleep(Duration::from_millis(1)).unwrap();
            }
        })
        .unwrap();
    }
    let group =
        handles.into_iter().fold(ShutdownGroup::new(), |group, pool| group.add_pool(5, pool));
    let report = group.shutdown_with(&patient());
    assert_eq!(report.outcome(), ShutdownOutcome::Clean, "{report}");
    assert_eq!(report.reports().len(), 4);
}

#[test]
fn pools_of_a_phase_end_side_by_side() {
    assert_side_by_side();
}

/// Stops pools of these phases of which none stops, and checks that what the first one has used up
/// is not there for the others.
fn assert_one_budget(phases: [u32; 3]) {
    // So long that no machine is as slow at what takes no time.
    const BUDGET: Duration = Duration::from_secs(3);
    let gate = Gate::new();
    let pools = phases.map(|phase| {
        let pool = small("stuck");
        block_worker(&pool, &gate);
        (phase, pool)
    });
    let group = pools
        .iter()
        .fold(ShutdownGroup::new(), |group, (phase, pool)| group.add_pool(*phase, pool.handle()));
    let plan = patient().interrupt_wait(Duration::ZERO).budget(BUDGET);
    let report = group.shutdown_with(&plan);
    gate.open();
    let [first, others @ ..] = report.reports() else { panic!("three reports: {report}") };
    assert!(first.grace_time() >= BUDGET, "it uses all of it: {report}");
    for other in others {
        assert!(other.grace_time() < BUDGET, "a budget of its own: {report}");
    }
    for (_, pool) in &pools {
        finish(pool);
    }
}

#[test]
fn what_a_phase_has_used_of_the_budget_is_not_there_for_the_next() {
    assert_one_budget([3, 2, 1]);
}

#[test]
#[cfg(target_os = "linux")]
fn pools_without_helpers_end_side_by_side_and_within_one_budget() {
    // No thread can have that stack. Those of the pools have one that they ask for.
    let mut command = command("group::alone_without_helpers");
    assert_passed(&command.env("RUST_MIN_STACK", HUGE.to_string()).output().unwrap());
}

#[test]
#[ignore = "no thread can be started; run by the test above, in a process of its own"]
fn alone_without_helpers() {
    assert!(thread::Builder::new().spawn(|| ()).is_err(), "helpers can be started");
    assert_side_by_side();
    assert_one_budget([1, 1, 1]);
}

#[test]
fn the_worst_outcome_counts() {
    let (stuck, quiet) = (named("stuck"), named("quiet"));
    let gate = Gate::new();
    block_worker(&stuck, &gate);
    let held = Gate::new();
    block_worker(&quiet, &held);
    let pending = quiet.submit(|| ()).unwrap();
    let group = ShutdownGroup::new().add_pool(2, stuck.handle()).add_pool(1, quiet.handle());
    let report = group.shutdown_with(&patient().budget(Duration::from_millis(20)));
    assert_eq!((report.outcome(), report.code()), (ShutdownOutcome::NotTerminated, 2));
    assert!(report.time() < LONG);
    assert_eq!(report.of("quiet").unwrap().pending().len(), 1);
    let text = report.to_string();
    assert!(text.starts_with("2 pools: has not ended"), "{text}");
    assert_eq!(text.lines().count(), 3, "{text}");
    let jobs: usize = report.into_reports().iter_mut().map(|one| one.take_pending().len()).sum();
    assert_eq!(jobs, 1);
    assert!(pending.is_finished());
    gate.open();
    held.open();
    finish(&stuck);
    finish(&quiet);
}

#[test]
fn a_pool_that_ends_cleanly_does_not_hide_one_that_does_not() {
    for stuck_first in [false, true] {
        let (stuck, quiet, gate) = (named("stuck"), named("quiet"), Gate::new());
        block_worker(&stuck, &gate);
        let group = ShutdownGroup::new()
            .add_pool(1, quiet.handle())
            .add_pool(if stuck_first { 2 } else { 0 }, stuck.handle());
        let plan = patient().grace(Duration::ZERO).interrupt_wait(Duration::ZERO);
        let report = group.shutdown_with(&plan);
        assert_eq!(report.of("quiet").unwrap().outcome(), ShutdownOutcome::Clean);
        assert_eq!(report.outcome(), ShutdownOutcome::NotTerminated, "{report}");
        gate.open();
        finish(&stuck);
    }
}

#[test]
fn a_hurry_reaches_all_pools_and_so_does_an_interrupt_of_the_caller() {
    for hurries in [true, false] {
        let (first, second, caller) = (single(), single(), single());
        let running = Gate::new();
        for pool in [&first, &second] {
            let started = running.clone();
            pool.execute(move || {
                started.open();
                interrupt::sleep(LONG).unwrap_err();
            })
            .unwrap();
        }
        running.pass();
        let signal = Interrupt::new();
        let plan = patient().grace(Duration::MAX).hurried_by(&signal);
        let group = ShutdownGroup::new().add_pool(0, first.handle()).add_pool(0, second.handle());
        let stopping = caller.submit(move || group.shutdown_with(&plan)).unwrap();
        eventually("both are stopped", || first.is_shutdown() && second.is_shutdown());
        if hurries {
            signal.interrupt();
        } else {
            stopping.cancel();
        }
        let report = soon(stopping);
        assert_ne!(report.outcome(), ShutdownOutcome::NotTerminated, "{report}");
        finish(&caller);
    }
}

#[test]
fn a_group_stopped_by_a_job_of_its_own_does_not_wait_for_that() {
    let (own, other) = (named("own"), named("other"));
    let group = ShutdownGroup::new()
        .add_pool(1, own.handle())
        .add_pool(1, other.handle())
        .add_pool(0, own.handle());
    let report = soon(own.submit(move || group.shutdown_with(&patient())).unwrap());
    let outcomes: Vec<_> = report.reports().iter().map(ShutdownReport::outcome).collect();
    let (not, clean) = (ShutdownOutcome::NotTerminated, ShutdownOutcome::Clean);
    assert_eq!(outcomes, [not, clean, not]);
    finish(&own);
}

#[test]
fn an_empty_group_is_clean() {
    let report = ShutdownGroup::new().shutdown_with(&ShutdownPlan::default());
    assert_eq!((report.code(), report.reports().len()), (0, 0));
}
