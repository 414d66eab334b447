//! Tests of shutdown plans: what is waited for and how long, what hurries it, who gets the pending
//! jobs, and what the report says.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use workcrew::interrupt::Interrupt;
use workcrew::{
    Builder, Handle, JobState, OnDrop, Phase, ShutdownOutcome, ShutdownPhase, ShutdownPlan,
    ShutdownReport, ThreadPoolExecutor, interrupt,
};

use crate::support::{
    Counter, Gate, Helper, LONG, SHORT, assert_cancelled, block_worker, eventually, finish, helper,
    hold, pass_time, repeat, single, soon,
};

/// As long as nothing that works ever takes, in both phases.
fn patient() -> ShutdownPlan {
    ShutdownPlan::new().grace(LONG).interrupt_wait(LONG)
}

/// No grace, but all the time to heed the interrupt.
fn graceless() -> ShutdownPlan {
    patient().grace(Duration::ZERO)
}

/// Patient, and opens the gate once it has begun.
fn opening(gate: &Gate) -> ShutdownPlan {
    let gate = gate.clone();
    patient().on_phase(move |phase| {
        if phase == ShutdownPhase::Refusing {
            gate.open();
        }
    })
}

/// The phases that a plan went through.
#[derive(Clone, Default)]
struct Phases(Arc<Mutex<Vec<ShutdownPhase>>>);

impl Phases {
    fn watch(&self, plan: ShutdownPlan) -> ShutdownPlan {
        let seen = Arc::clone(&self.0);
        plan.on_phase(move |phase| seen.lock().push(phase))
    }

    fn get(&self) -> Vec<ShutdownPhase> {
        self.0.lock().clone()
    }

    fn reach(&self, phase: ShutdownPhase) {
        eventually("the plan gets there", || self.0.lock().contains(&phase));
    }
}

/// Occupies a worker with a job that ends when it is interrupted.
fn sleeper(pool: &ThreadPoolExecutor) -> Gate {
    let running = Gate::new();
    let started = running.clone();
    pool.execute(move || {
        started.open();
        interrupt::sleep(LONG).unwrap_err();
    })
    .unwrap();
    running.pass();
    running
}

#[test]
fn within_the_grace_every_accepted_job_runs_and_the_end_is_clean() {
    let pool = ThreadPoolExecutor::fixed(2).unwrap();
    let (gate, phases) = (Gate::new(), Phases::default());
    let started = hold(&pool, &gate, 4);
    started.reach(2);
    let watched = phases.watch(patient());
    let handle = pool.handle();
    let stopping = helper(move || handle.shutdown_with(&watched));
    phases.reach(ShutdownPhase::Refusing);
    assert!(pool.execute(|| ()).unwrap_err().is_shutdown());
    gate.open();
    let report = stopping.join();
    assert_eq!(report.outcome(), ShutdownOutcome::Clean);
    assert_eq!((report.completed(), report.panicked(), report.code()), (4, 0, 0));
    assert!(report.pending().is_empty() && report.unstopped().is_empty());
    assert_eq!(report.interrupt_time(), Duration::ZERO);
    assert_eq!(phases.get(), [ShutdownPhase::Refusing, ShutdownPhase::Ended]);
    assert!(pool.is_terminated());
    assert_eq!(started.get(), 4);
}

#[test]
fn after_the_grace_running_jobs_are_interrupted_and_pending_ones_come_back_in_order() {
    let pool = single();
    let phases = Phases::default();
    sleeper(&pool);
    let order = Arc::new(Mutex::new(Vec::new()));
    let first = Arc::clone(&order);
    let handle = pool.submit(|| 7).unwrap();
    pool.execute(move || first.lock().push(1)).unwrap();
    let second = Arc::clone(&order);
    pool.execute(move || second.lock().push(2)).unwrap();
    let mut report = pool.shutdown_with(&phases.watch(graceless()));
    assert_eq!(report.outcome(), ShutdownOutcome::Interrupted);
    assert_eq!((report.pending().len(), report.completed(), report.code()), (3, 1, 1));
    assert_eq!(format!("{:?}", report.exit_code()), format!("{:?}", ExitCode::from(1)));
    assert_eq!(
        phases.get(),
        [
            ShutdownPhase::Refusing,
            ShutdownPhase::GraceOver,
            ShutdownPhase::Interrupting,
            ShutdownPhase::Ended
        ]
    );
    assert!(pool.is_terminated());
    for job in report.take_pending() {
        job.run();
    }
    assert_eq!((handle.join().unwrap(), order.lock().as_slice()), (7, &[1, 2][..]));
    assert!(report.pending().is_empty());
    assert!(report.to_string().contains("3 jobs handed back"), "{report}");
    assert_eq!(report.code(), 1, "also after they were taken");
}

#[test]
fn pending_jobs_left_in_a_dropped_report_settle_as_cancelled() {
    let pool = single();
    sleeper(&pool);
    let handle = pool.submit(|| unreachable!()).unwrap();
    let report = pool.shutdown_with(&graceless());
    assert_eq!(handle.state(), JobState::Pending);
    drop(report);
    assert_cancelled::<()>(handle);
}

#[test]
fn during_the_grace_no_job_is_interrupted() {
    let pool = single();
    let (gate, phases) = (Gate::new(), Phases::default());
    let seen = phases.clone();
    let passed = gate.clone();
    let running = Gate::new();
    let started = running.clone();
    let job = pool
        .submit(move || {
            started.open();
            passed.pass();
            seen.reach(ShutdownPhase::Refusing);
            interrupt::is_interrupted()
        })
        .unwrap();
    running.pass();
    let watched = phases.watch(patient());
    let handle = pool.handle();
    let stopping = helper(move || handle.shutdown_with(&watched));
    phases.reach(ShutdownPhase::Refusing);
    gate.open();
    assert_eq!(stopping.join().outcome(), ShutdownOutcome::Clean);
    assert!(!soon(job));
}

#[test]
fn a_job_that_does_not_stop_is_reported_and_the_drop_does_not_wait_for_it() {
    let phases = Phases::default();
    let pool = single();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    let nothing = ShutdownPlan::new().grace(Duration::ZERO).interrupt_wait(Duration::ZERO);
    let report = pool.shutdown_with(&phases.watch(nothing));
    assert_eq!((report.outcome(), report.code()), (ShutdownOutcome::NotTerminated, 2));
    assert_eq!(phases.get().last(), Some(&ShutdownPhase::NotTerminated));
    let handle = pool.handle();
    drop(pool);
    assert!(!handle.is_terminated(), "the drop did not wait");
    gate.open();
    handle.await_termination(LONG).unwrap();
}

#[test]
fn close_waits_even_after_a_plan_has_given_up() {
    let pool = single();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    let nothing = ShutdownPlan::new().grace(Duration::ZERO).interrupt_wait(Duration::ZERO);
    assert_eq!(pool.shutdown_with(&nothing).code(), 2);
    let handle = pool.handle();
    let closing = helper(move || pool.close());
    pass_time(SHORT);
    gate.open();
    closing.join();
    assert!(handle.is_terminated());
}

#[test]
fn a_hurry_ends_the_grace_at_any_moment() {
    for round in 0..repeat(50) {
        let pool = single();
        sleeper(&pool);
        let signal = Interrupt::new();
        let phases = Phases::default();
        let plan = phases
            .watch(patient().grace(Duration::MAX))
            .hurried_by(&Interrupt::new())
            .hurried_by(&signal);
        if round == 0 {
            signal.interrupt();
        }
        let hurrying = helper(move || {
            if round % 2 == 1 {
                phases.reach(ShutdownPhase::Refusing);
            }
            signal.interrupt();
        });
        let report = pool.shutdown_with(&plan);
        assert_eq!(report.outcome(), ShutdownOutcome::Interrupted);
        hurrying.join();
    }
}

#[test]
fn an_interrupt_of_the_calling_job_ends_the_grace() {
    let (outer, inner) = (single(), single());
    sleeper(&inner);
    let phases = Phases::default();
    let (plan, handle) = (phases.watch(patient()), inner.handle());
    let stopping = outer.submit(move || handle.shutdown_with(&plan).outcome()).unwrap();
    phases.reach(ShutdownPhase::Refusing);
    stopping.cancel();
    assert_eq!(soon(stopping), ShutdownOutcome::Interrupted);
    finish(&outer);
}

#[test]
fn a_later_caller_joins_the_run_and_the_first_one_has_the_pending_jobs() {
    for _ in 0..repeat(30) {
        let pool = single();
        sleeper(&pool);
        for _ in 0..5 {
            pool.execute(|| unreachable!()).unwrap();
        }
        let reports: Vec<ShutdownReport> = {
            let callers: Vec<_> = (0..3)
                .map(|_| {
                    let handle = pool.handle();
                    helper(move || handle.shutdown_with(&patient().grace(SHORT)))
                })
                .collect();
            callers.into_iter().map(Helper::join).collect()
        };
        assert_eq!(reports.iter().map(|report| report.pending().len()).sum::<usize>(), 5);
        // One that came after the run finds the pool at its end, and is told how that came.
        assert!(reports.iter().all(|report| report.outcome() == ShutdownOutcome::Interrupted));
        assert_eq!(reports.iter().filter(|report| !report.pending().is_empty()).count(), 1);
    }
}

#[test]
fn a_joining_caller_gets_the_same_outcome_and_hurries_by_its_own_interrupt() {
    let pool = single();
    sleeper(&pool);
    pool.execute(|| unreachable!()).unwrap();
    let phases = Phases::default();
    let (plan, handle) = (phases.watch(patient().grace(Duration::MAX)), pool.handle());
    let first = helper(move || handle.shutdown_with(&plan));
    phases.reach(ShutdownPhase::Refusing);
    let signal = Interrupt::new();
    let (plan, handle) = (patient().hurried_by(&signal), pool.handle());
    let second = helper(move || handle.shutdown_with(&plan));
    signal.interrupt();
    let (first, second) = (first.join(), second.join());
    assert_eq!((first.pending().len(), second.pending().len()), (1, 0));
    assert_eq!(first.outcome(), ShutdownOutcome::Interrupted);
    assert_eq!(second.outcome(), ShutdownOutcome::Interrupted);
}

#[test]
fn a_pool_that_has_ended_or_was_never_used_gives_a_clean_report() {
    for plan in [ShutdownPlan::default(), graceless(), patient().budget(Duration::ZERO)] {
        let pool = single();
        let report = pool.shutdown_with(&plan);
        assert_eq!((report.code(), report.completed()), (0, 0), "{report}");
        assert_eq!(pool.handle().shutdown_with(&plan).outcome(), ShutdownOutcome::Clean);
    }
}

#[test]
fn from_a_job_of_its_own_it_does_not_wait() {
    let pool = single();
    let handle = pool.handle();
    let job = pool.submit(move || {
        let report = handle.shutdown_with(&patient());
        (report.outcome(), report.pending().len(), handle.phase(), interrupt::is_interrupted())
    });
    let job = job.unwrap();
    let next = pool.submit(|| ());
    let expected = (ShutdownOutcome::NotTerminated, 0, Phase::Shutdown, false);
    assert_eq!(soon(job), expected);
    if let Ok(next) = next {
        soon(next);
    }
    finish(&pool);
}

#[test]
fn from_a_job_of_its_own_without_grace_it_hands_back_and_interrupts() {
    let pool = single();
    let (handle, gate) = (pool.handle(), Gate::new());
    let passed = gate.clone();
    let job = pool.submit(move || {
        passed.pass();
        let report = handle.shutdown_with(&graceless());
        (report.outcome(), report.pending().len(), handle.phase(), interrupt::is_interrupted())
    });
    let job = job.unwrap();
    pool.execute(|| unreachable!()).unwrap();
    gate.open();
    assert_eq!(soon(job), (ShutdownOutcome::NotTerminated, 1, Phase::Stop, true));
    finish(&pool);
}

#[test]
fn from_a_job_of_its_own_a_hurry_or_its_own_interrupt_ends_the_grace() {
    type Hurry = fn(ShutdownPlan) -> ShutdownPlan;
    let hurries: [Hurry; 2] = [
        |plan| {
            let signal = Interrupt::new();
            signal.interrupt();
            plan.hurried_by(&signal)
        },
        |plan| {
            interrupt::current().expect("a job runs").interrupt();
            plan
        },
    ];
    for hurry in hurries {
        let pool = single();
        let (handle, gate) = (pool.handle(), Gate::new());
        let passed = gate.clone();
        let job = pool.submit(move || {
            passed.pass();
            handle.shutdown_with(&hurry(patient())).pending().len()
        });
        pool.execute(|| unreachable!()).unwrap();
        gate.open();
        assert_eq!(soon(job.unwrap()), 1);
        finish(&pool);
    }
}

#[test]
fn a_job_of_its_own_hurries_the_run_of_another_thread() {
    let pool = single();
    let (phases, handle) = (Phases::default(), pool.handle());
    let seen = phases.clone();
    pool.execute(move || {
        seen.reach(ShutdownPhase::Refusing);
        assert!(handle.shutdown_with(&graceless()).pending().is_empty());
        interrupt::sleep(LONG).unwrap_err();
    })
    .unwrap();
    pool.execute(|| unreachable!()).unwrap();
    let report = pool.shutdown_with(&phases.watch(patient().grace(Duration::MAX)));
    assert_eq!((report.outcome(), report.pending().len()), (ShutdownOutcome::Interrupted, 1));
}

#[test]
fn every_time_can_be_zero_or_without_end() {
    let times = [Duration::ZERO, Duration::MAX];
    for grace in times {
        for wait in times {
            for budget in times {
                let pool = single();
                pool.submit(|| ()).unwrap().join().unwrap();
                let plan = ShutdownPlan::new().grace(grace).interrupt_wait(wait).budget(budget);
                let report = pool.shutdown_with(&plan);
                if (grace.min(budget), wait.min(budget)) != (Duration::ZERO, Duration::ZERO) {
                    assert!(report.code() < 2, "{report}: {plan:?}");
                }
            }
        }
    }
}

#[test]
fn a_short_budget_leaves_time_after_the_interrupt() {
    let pool = single();
    sleeper(&pool);
    let budget = SHORT * 2;
    let report = pool.shutdown_with(&patient().budget(budget));
    assert!(report.grace_time() >= SHORT && report.grace_time() < LONG, "{report}");
    // A machine that is busy for longer than the wait may miss it.
    assert_ne!(report.outcome(), ShutdownOutcome::Clean);
    finish(&pool);
}

#[test]
fn a_panicking_observer_is_reported_and_changes_nothing() {
    let panics = Counter::new();
    let counted = panics.clone();
    let pool = ThreadPoolExecutor::builder().threads(1).on_panic(move |_| _ = counted.add());
    let pool = pool.build().unwrap();
    pool.execute(|| ()).unwrap();
    let report = pool.shutdown_with(&patient().on_phase(|_| panic!("in an observer")));
    assert_eq!((report.code(), panics.get()), (0, 2), "in Refusing and in Ended");
}

#[test]
fn a_job_that_ends_at_the_deadline_is_either_waited_for_or_interrupted() {
    for _ in 0..repeat(50) {
        let pool = single();
        let wait = Duration::from_micros(fastrand::u64(0..500));
        let run = pool.submit(move || _ = interrupt::sleep(wait)).unwrap();
        let next = pool.submit(|| ()).unwrap();
        let grace = Duration::from_micros(fastrand::u64(0..500));
        let report = pool.shutdown_with(&patient().grace(grace));
        assert!(report.code() < 2, "{report}");
        let stats = pool.stats();
        assert_eq!(stats.handed_back, report.pending().len() as u64);
        assert_eq!(stats.completed + stats.handed_back, 2, "{report}");
        drop(report);
        assert!(run.is_finished() && next.is_finished());
    }
}

// By the drop.

fn built(on_drop: OnDrop) -> ThreadPoolExecutor {
    Builder::new().threads(1).on_drop(on_drop).build().unwrap()
}

#[test]
fn a_drop_carries_its_plan_out() {
    let pool = built(OnDrop::Plan(graceless()));
    sleeper(&pool);
    let pending = pool.submit(|| unreachable!()).unwrap();
    let handle = pool.handle();
    drop(pool);
    assert!(handle.is_terminated());
    assert_cancelled::<()>(pending);
}

#[test]
fn a_drop_with_a_plan_does_not_wait_for_a_job_that_does_not_stop() {
    let nothing = ShutdownPlan::new().grace(Duration::ZERO).interrupt_wait(Duration::ZERO);
    let pool = built(OnDrop::Plan(nothing));
    let gate = Gate::new();
    block_worker(&pool, &gate);
    let handle: Handle = pool.handle();
    drop(pool);
    assert!(!handle.is_terminated());
    gate.open();
    handle.await_termination(LONG).unwrap();
}

#[test]
fn without_any_time_each_running_job_is_told_of_or_handed_back() {
    for round in 0..repeat(1000) {
        let pool = ThreadPoolExecutor::fixed(2).expect("a pool of two");
        let gate = Gate::new();
        for name in ["a", "b"] {
            let gate = gate.clone();
            pool.execute_named(name, move || gate.pass()).expect("it is open");
        }
        let report = pool.shutdown_with(&ShutdownPlan::new().budget(Duration::ZERO));
        let told = report.pending().len() + report.unstopped().len() + report.unbegun();
        let text = report.to_string();
        gate.open();
        assert_eq!((told, report.completed()), (2, 0), "round {round}: {text}");
    }
}

#[test]
fn a_run_during_which_somebody_else_stops_the_pool_is_not_clean() {
    let pool = single();
    sleeper(&pool);
    for _ in 0..3 {
        pool.execute(|| unreachable!()).unwrap();
    }
    let phases = Phases::default();
    let (plan, handle) = (phases.watch(patient().grace(Duration::MAX)), pool.handle());
    let runner = helper(move || handle.shutdown_with(&plan));
    phases.reach(ShutdownPhase::Refusing);
    assert_eq!(pool.shutdown_now().len(), 3);
    let report = runner.join();
    assert_eq!((report.outcome(), report.code()), (ShutdownOutcome::Interrupted, 1), "{report}");
    assert!(report.to_string().contains("3 jobs handed back"), "{report}");
    assert!(report.pending().is_empty(), "another has them");
}

#[test]
fn a_pool_that_was_stopped_before_any_plan_ends_cleanly_by_one() {
    let pool = single();
    drop(pool.shutdown_now());
    assert_eq!(pool.shutdown_with(&patient()).outcome(), ShutdownOutcome::Clean);
}

#[test]
fn what_was_before_the_run_is_not_in_its_report() {
    let pool = single();
    soon(pool.submit(|| ()).unwrap());
    pool.submit(|| panic!("before")).unwrap().join().unwrap_err();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    pool.execute(|| unreachable!()).unwrap();
    assert_eq!(pool.take_pending().len(), 1);
    gate.open();
    pool.wait_idle(LONG).unwrap();
    let report = pool.shutdown_with(&patient());
    assert_eq!((report.completed(), report.panicked(), report.code()), (0, 0, 0));
    assert!(!report.to_string().contains("handed back"), "{report}");
}

#[test]
fn a_run_in_a_pool_that_was_being_stopped_before_is_clean() {
    let pool = single();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    drop(pool.shutdown_now());
    let report = pool.shutdown_with(&opening(&gate));
    assert_eq!((report.outcome(), report.completed()), (ShutdownOutcome::Clean, 1));
}

#[test]
fn who_comes_after_a_run_that_interrupted_is_told_so() {
    let pool = single();
    let running = Gate::new();
    let started = running.clone();
    pool.execute(move || {
        started.open();
        interrupt::sleep(LONG).unwrap_err();
        pass_time(SHORT);
    })
    .unwrap();
    running.pass();
    let report = pool.shutdown_with(&graceless());
    assert_eq!(report.outcome(), ShutdownOutcome::Interrupted);
    assert!(report.interrupt_time() >= SHORT, "{report}");
    let later = pool.shutdown_with(&patient());
    assert_eq!((later.outcome(), later.completed()), (ShutdownOutcome::Interrupted, 0));
}

#[test]
fn a_plan_shows_its_times() {
    let plan = ShutdownPlan::new().budget(Duration::from_secs(7));
    assert_eq!(
        format!("{plan:?}"),
        "ShutdownPlan { grace: 30s, interrupt_wait: 10s, budget: Some(7s), hurried_by: [], .. }"
    );
}

#[test]
fn an_observer_that_stops_the_pool_itself_does_not_wait_for_its_own_run() {
    for reached in [ShutdownPhase::Refusing, ShutdownPhase::Ended] {
        let pool = single();
        pool.execute(|| ()).unwrap();
        let own = pool.handle();
        let seen = Counter::new();
        let count = seen.clone();
        let plan = patient().on_phase(move |phase| {
            if phase == reached {
                assert_eq!(own.shutdown_with(&patient()).outcome(), ShutdownOutcome::NotTerminated);
                count.add();
            }
        });
        let report = pool.shutdown_with(&plan);
        assert_eq!((report.outcome(), seen.get()), (ShutdownOutcome::Clean, 1));
    }
}

/// It takes as long as a drop waits before it looks around.
#[test]
fn a_drop_that_waits_ends_when_a_plan_gives_the_pool_up() {
    let pool = single();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    let handle = pool.handle();
    let dropper = helper(move || drop(pool));
    eventually("it waits", || handle.is_shutdown());
    let report = handle.shutdown_with(&ShutdownPlan::new().budget(Duration::ZERO));
    assert_eq!(report.outcome(), ShutdownOutcome::NotTerminated);
    dropper.join();
    assert!(!handle.is_terminated());
    gate.open();
    handle.await_termination(LONG).unwrap();
}

#[test]
fn a_panic_meanwhile_shows_in_the_exit_code() {
    let pool = single();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    pool.execute(|| panic!("while it ends")).unwrap();
    let report = pool.shutdown_with(&opening(&gate));
    assert_eq!(
        (report.outcome(), report.panicked(), report.code()),
        (ShutdownOutcome::Clean, 1, 1)
    );
}
