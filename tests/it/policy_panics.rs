//! Panics of jobs that a rejection policy runs or drops: they cost neither the submitter nor the job
//! that the policy was asked about.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind};
use std::sync::Arc;

use parking_lot::Mutex;
use workcrew::policy::DiscardOldest;
use workcrew::{Builder, Job, Queue, Rejected, RejectionPolicy, Saturation, ThreadPoolExecutor};

use crate::rejection::custom;
use crate::support::alone::{assert_passed, command};
use crate::support::{Counter, Gate, LONG, block_worker, finish, settled};

/// That of the documentation.
struct RunOldest;

impl RejectionPolicy for RunOldest {
    fn rejected(&self, job: Job, saturation: &Saturation<'_>) -> Result<(), Rejected> {
        match saturation.take_oldest() {
            Some(oldest) => {
                oldest.run();
                saturation.retry(job)
            }
            None => saturation.reject(job),
        }
    }
}

/// Panics with its text when it is dropped.
struct Bomb(&'static str);

impl Drop for Bomb {
    fn drop(&mut self) {
        resume_unwind(Box::new(self.0));
    }
}

/// What a pool reports: what panicked, the job's name, and the message.
#[derive(Clone, Default)]
struct Reports(Arc<Mutex<Vec<Report>>>);

type Report = (String, Option<String>, String);

impl Reports {
    fn builder(&self) -> Builder {
        let reports = self.clone();
        ThreadPoolExecutor::builder().threads(1).queue(Queue::Bounded(1)).on_uncaught(
            move |panic| {
                let message = panic.message().unwrap_or_default().to_owned();
                let name = panic.job_name().map(str::to_owned);
                reports.0.lock().push((panic.source().to_owned(), name, message));
            },
        )
    }

    /// Exactly one panic was reported.
    #[track_caller]
    fn assert(&self, source: &str, name: Option<&str>, message: &str) {
        let expected = (source.to_owned(), name.map(str::to_owned), message.to_owned());
        assert_eq!(*self.0.lock(), [expected]);
    }
}

/// Submits a job of its own to a full pool whose oldest job is this one; the policy makes room.
/// Returns what the pool reported.
#[track_caller]
fn displace(policy: impl RejectionPolicy + 'static, oldest: Job) -> Reports {
    let reports = Reports::default();
    let pool = reports.builder().rejection_policy(policy).build().unwrap();
    let (gate, ran) = (Gate::new(), Counter::new());
    block_worker(&pool, &gate);
    pool.execute_job(oldest).unwrap();
    let counted = ran.clone();
    // To another submitter nothing of it is to be seen.
    let accepted = catch_unwind(AssertUnwindSafe(|| pool.execute(move || _ = counted.add())));
    gate.open();
    accepted.expect("no panic reaches the submitter").expect("there is room for its job");
    let stats = finish(&pool);
    assert_eq!((ran.get(), stats.rejected), (1, 0), "{stats:?}");
    reports
}

fn panicking() -> Job {
    Job::named("oldest", || resume_unwind(Box::new("in the oldest")))
}

fn bombed() -> Job {
    let bomb = Bomb("of the oldest's captures");
    Job::named("oldest", move || drop(bomb))
}

#[test]
fn run_oldest_queues_the_submitters_job_when_the_oldest_panics() {
    displace(RunOldest, panicking()).assert("a job", Some("oldest"), "in the oldest");
    let unnamed = Job::new(|| resume_unwind(Box::new("in the oldest")));
    displace(RunOldest, unnamed).assert("a job", None, "in the oldest");
    displace(RunOldest, bombed()).assert("a job", Some("oldest"), "of the oldest's captures");
    let reports = displace(RunOldest, Job::new(|| panic_any(Bomb("of the payload"))));
    reports.assert("a job", None, "");
    let wrapped = panicking().wrap(|run| run());
    displace(RunOldest, wrapped).assert("a job", Some("oldest"), "in the oldest");
}

#[test]
fn run_oldest_leaves_a_panic_to_the_oldests_handle() {
    let (job, handle) = Job::with_handle(|| resume_unwind(Box::new("in the oldest")));
    assert!(displace(RunOldest, job).0.lock().is_empty());
    let result: Result<(), _> = settled(handle);
    assert_eq!(result.unwrap_err().message(), Some("in the oldest"));
    let (job, handle) = Job::with_handle(|| resume_unwind(Box::new("in the oldest")));
    drop::<workcrew::JobHandle<()>>(handle);
    displace(RunOldest, job).assert("a job", None, "in the oldest");
}

#[test]
fn other_ways_to_run_the_oldest_queue_the_submitters_job_too() {
    type Policy = fn(Job, &Saturation<'_>) -> Result<(), Rejected>;
    let policies: [Policy; 4] = [
        |job, saturation| {
            saturation.run_here(saturation.take_oldest().unwrap())?;
            saturation.retry(job)
        },
        |job, saturation| {
            saturation.take_oldest().unwrap().run();
            saturation.wait_for_room(LONG).unwrap();
            saturation.retry(job)
        },
        |job, saturation| {
            // In the submitter's place.
            let oldest = saturation.take_oldest().unwrap();
            saturation.retry(job)?;
            oldest.run();
            Ok(())
        },
        |job, saturation| {
            // Back in the queue, and out again.
            let oldest = saturation.take_oldest().unwrap();
            saturation.retry(oldest)?;
            saturation.take_oldest().unwrap().run();
            saturation.retry(job)
        },
    ];
    for policy in policies {
        let reports = displace(custom(policy), panicking());
        reports.assert("a job", Some("oldest"), "in the oldest");
    }
}

#[test]
fn a_dropped_oldest_whose_destructor_panics_does_not_cost_the_submitters_job() {
    const SOURCE: &str = "a dropped job's destructor";
    displace(DiscardOldest, bombed()).assert(SOURCE, None, "of the oldest's captures");
    let drops = custom(|job, saturation: &Saturation<'_>| {
        drop(saturation.take_oldest());
        saturation.retry(job)
    });
    displace(drops, bombed()).assert(SOURCE, None, "of the oldest's captures");
}

#[test]
fn a_policy_that_panics_reaches_the_submitter_and_later_submissions_work() {
    let reports = Reports::default();
    let panics = custom(|_job, saturation: &Saturation<'_>| {
        saturation.take_oldest().unwrap().run();
        resume_unwind(Box::new("in the policy"))
    });
    let pool = reports.builder().rejection_policy(panics).build().unwrap();
    let (gate, ran) = (Gate::new(), Counter::new());
    block_worker(&pool, &gate);
    for _ in 0..3 {
        pool.execute_job(panicking()).unwrap();
        let (job, handle) = Job::with_handle(|| ());
        let caught = catch_unwind(AssertUnwindSafe(|| pool.execute_job(job).is_ok()));
        assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"in the policy"));
        assert!(settled(handle).unwrap_err().is_cancelled());
        reports.assert("a job", Some("oldest"), "in the oldest");
        reports.0.lock().clear();
        // The policy is not on this thread any more.
        let caught = catch_unwind(AssertUnwindSafe(|| panicking().run()));
        assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"in the oldest"));
        assert!(reports.0.lock().is_empty());
    }
    let counted = ran.clone();
    pool.execute(move || _ = counted.add()).unwrap();
    gate.open();
    let stats = finish(&pool);
    assert_eq!((stats.discarded, stats.handed_back, stats.completed), (3, 3, 2));
    assert_eq!(ran.get(), 1);
}

#[test]
fn a_policy_that_panics_with_a_job_whose_destructor_panics_ends_no_process() {
    let test = "policy_panics::alone_panicking_policy_with_a_bomb";
    assert_passed(&command(test).output().unwrap());
}

#[test]
#[ignore = "a failure ends the process; run by the test above, in one of its own"]
fn alone_panicking_policy_with_a_bomb() {
    let reports = Reports::default();
    let panics = custom(|_job, saturation: &Saturation<'_>| {
        let _oldest = saturation.take_oldest().unwrap();
        resume_unwind(Box::new("in the policy"))
    });
    let pool = reports.builder().rejection_policy(panics).build().unwrap();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    pool.execute_job(bombed()).unwrap();
    let caught = catch_unwind(AssertUnwindSafe(|| pool.execute(|| ()).is_ok()));
    assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"in the policy"));
    reports.assert("a dropped job's destructor", None, "of the oldest's captures");
    gate.open();
    finish(&pool);
}

/// A job that runs another, whose panic it has to see.
fn looks_inside(seen: &Counter) -> Job {
    let seen = seen.clone();
    Job::new(move || {
        let caught = catch_unwind(AssertUnwindSafe(|| panicking().run()));
        assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"in the oldest"));
        seen.add();
    })
}

#[test]
fn a_job_within_a_policy_sees_the_panics_of_the_jobs_that_it_runs() {
    let seen = Counter::new();
    let reports = displace(RunOldest, looks_inside(&seen));
    assert!(reports.0.lock().is_empty());
    let runs_here = custom(|job, saturation: &Saturation<'_>| {
        saturation.run_here(saturation.take_oldest().unwrap())?;
        // The policy again, which sees no panic.
        panicking().run();
        saturation.retry(job)
    });
    let reports = displace(runs_here, looks_inside(&seen));
    reports.assert("a job", Some("oldest"), "in the oldest");
    assert_eq!(seen.get(), 2);
}

#[test]
fn a_rejected_job_that_its_submitter_runs_panics_there() {
    let reports = Reports::default();
    let pool = reports.builder().build().unwrap();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    pool.execute(|| ()).unwrap();
    let rejected = pool.execute_job(panicking()).unwrap_err();
    let caught = catch_unwind(AssertUnwindSafe(|| rejected.into_job().run()));
    assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"in the oldest"));
    gate.open();
    finish(&pool);
    assert!(reports.0.lock().is_empty());
}
