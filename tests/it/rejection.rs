//! Rejections, the policies that dispose of rejected jobs, and waiting for room.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use workcrew::policy::{Abort, Block, CallerRuns, Discard, DiscardOldest};
use workcrew::{
    CancelOutcome, Handle, Job, JobHandle, JobState, Queue, RejectReason, Rejected,
    RejectionPolicy, Saturation, ThreadPoolExecutor, interrupt,
};

use crate::support::{
    Counter, Gate, Helper, LONG, Own, SHORT, assert_cancelled, assert_conserved, block_worker,
    eventually, finish, helper, hold, pass_time, repeat, soon, stop_point,
};

type Policy = Box<dyn RejectionPolicy>;

/// Passes on to a policy that is only known at run time.
struct Any(Policy);

impl RejectionPolicy for Any {
    fn rejected(&self, job: Job, saturation: &Saturation<'_>) -> Result<(), Rejected> {
        self.0.rejected(job, saturation)
    }
}

/// A closure as a policy.
pub(crate) struct Custom<F>(F);

impl<F> RejectionPolicy for Custom<F>
where
    F: Fn(Job, &Saturation<'_>) -> Result<(), Rejected> + Send + Sync,
{
    fn rejected(&self, job: Job, saturation: &Saturation<'_>) -> Result<(), Rejected> {
        (self.0)(job, saturation)
    }
}

/// Makes sure that a closure is taken for a policy whatever the lifetime.
pub(crate) fn custom<F>(f: F) -> Custom<F>
where
    F: Fn(Job, &Saturation<'_>) -> Result<(), Rejected> + Send + Sync,
{
    Custom(f)
}

const FOREVER: Block = Block { timeout: Duration::MAX };
const AT_ONCE: Block = Block { timeout: Duration::ZERO };

fn built_in() -> Vec<Policy> {
    vec![
        Box::new(Abort),
        Box::new(CallerRuns),
        Box::new(Discard),
        Box::new(DiscardOldest),
        Box::new(AT_ONCE),
        Box::new(FOREVER),
    ]
}

fn pool_of_one(queue: Queue, policy: impl RejectionPolicy + 'static) -> ThreadPoolExecutor {
    let builder = ThreadPoolExecutor::builder().threads(1).queue(queue);
    builder.rejection_policy(policy).build().expect("a possible pool")
}

/// One worker, which runs a job until the gate opens, and a queue of one place, which is taken.
fn full_pool(policy: impl RejectionPolicy + 'static) -> (ThreadPoolExecutor, Gate, JobHandle<()>) {
    let gate = Gate::new();
    let pool = pool_of_one(Queue::Bounded(1), policy);
    block_worker(&pool, &gate);
    let queued = pool.submit(|| ()).expect("the queue has a place");
    (pool, gate, queued)
}

/// A job without a handle that tells when it runs.
fn telling(ran: &Counter) -> impl FnOnce() + Send + 'static {
    let ran = ran.clone();
    move || _ = ran.add()
}

// The built-in policies.

#[test]
fn abort_gives_the_job_back() {
    let (pool, gate, queued) = full_pool(Abort);
    let ran = Counter::new();
    let rejected = pool.execute(telling(&ran)).unwrap_err();
    assert_eq!(rejected.reason(), RejectReason::Saturated);
    assert!(rejected.is_saturated() && !rejected.is_shutdown());
    assert_eq!(ran.get(), 0);
    rejected.into_job().run();
    assert_eq!(ran.get(), 1);

    let (job, handle) = Job::with_handle(|| 6 * 7);
    pool.execute_job(job).unwrap_err().into_job().run();
    assert_eq!(handle.join().unwrap(), 42);
    let (job, handle) = Job::with_handle(|| 6 * 7);
    drop(pool.execute_job(job).unwrap_err());
    assert_cancelled(handle);
    gate.open();
    queued.join().unwrap();
    let stats = finish(&pool);
    assert_eq!((stats.completed, stats.rejected, stats.submitted), (2, 3, 5));
}

#[test]
fn caller_runs_on_the_submitters_very_thread_and_leaves_the_queue_alone() {
    let gate = Gate::new();
    let pool = pool_of_one(Queue::Handoff, CallerRuns);
    block_worker(&pool, &gate);
    let handle = pool.submit(|| thread::current().id()).unwrap();
    assert_eq!(handle.state(), JobState::Finished, "it has run when `submit` returns");
    assert_eq!(handle.join().unwrap(), thread::current().id());
    let stats = pool.stats();
    assert_eq!((stats.queued, stats.active, stats.completed, stats.caller_ran), (0, 1, 1, 1));
    gate.open();
    assert_eq!(finish(&pool).completed, 2);

    let (pool, gate, queued) = full_pool(CallerRuns);
    let elsewhere = pool.handle();
    let (there, ran_on) = helper(move || {
        let handle = elsewhere.submit(|| thread::current().id()).expect("it is run");
        (thread::current().id(), handle.join().expect("it returns"))
    })
    .join();
    assert_eq!(ran_on, there);
    assert_eq!((pool.stats().queued, queued.state()), (1, JobState::Pending));
    gate.open();
    let stats = finish(&pool);
    assert_eq!((stats.completed, stats.caller_ran, stats.rejected), (3, 1, 0));
}

#[test]
fn discard_settles_the_handle_at_once() {
    let (pool, gate, queued) = full_pool(Discard);
    let ran = Counter::new();
    for _ in 0..3 {
        assert_cancelled(pool.submit(telling(&ran)).unwrap());
    }
    let stats = pool.stats();
    assert_conserved(&stats);
    assert_eq!((stats.discarded, stats.queued, stats.accepted), (3, 1, 5));
    gate.open();
    queued.join().unwrap();
    finish(&pool);
    assert_eq!(ran.get(), 0);
}

#[test]
fn discard_oldest_drops_the_oldest_pending_job_and_settles_its_handle() {
    let gate = Gate::new();
    let pool = pool_of_one(Queue::Bounded(3), DiscardOldest);
    block_worker(&pool, &gate);
    let log = Arc::new(Mutex::new(Vec::new()));
    let submit = |n: usize| {
        let log = Arc::clone(&log);
        pool.submit(move || log.lock().push(n)).unwrap()
    };
    let mut handles: Vec<_> = (0..3).map(submit).collect();
    for n in 3..8 {
        handles.push(submit(n));
        assert_cancelled(handles.remove(0));
        assert_eq!((pool.stats().queued, pool.stats().discarded), (3, n as u64 - 2));
    }
    gate.open();
    for handle in handles {
        handle.join().unwrap();
    }
    let stats = finish(&pool);
    assert_eq!(*log.lock(), [5, 6, 7]);
    assert_eq!((stats.completed, stats.discarded, stats.rejected), (4, 5, 0));
}

#[test]
fn discard_oldest_gives_the_job_back_where_nothing_is_pending() {
    let gate = Gate::new();
    let pool = pool_of_one(Queue::Handoff, DiscardOldest);
    block_worker(&pool, &gate);
    let (job, handle) = Job::with_handle(|| 7);
    let rejected = pool.execute_job(job).unwrap_err();
    assert_eq!(rejected.reason(), RejectReason::Saturated);
    rejected.into_job().run();
    assert_eq!(handle.join().unwrap(), 7);
    gate.open();
    let stats = finish(&pool);
    assert_eq!((stats.completed, stats.discarded, stats.rejected), (1, 0, 1));
}

#[test]
fn under_discard_oldest_every_job_runs_or_is_cancelled() {
    const JOBS: usize = 500;
    let pool = pool_of_one(Queue::Bounded(4), DiscardOldest);
    let submitters: Vec<Helper<Vec<JobHandle<usize>>>> = (0..3)
        .map(|_| {
            let handle = pool.handle();
            helper(move || (0..JOBS).map(|n| handle.submit(move || n).expect("taken")).collect())
        })
        .collect();
    let (mut ran, mut cancelled) = (0, 0);
    for handles in submitters.into_iter().map(Helper::join) {
        for (n, handle) in handles.into_iter().enumerate() {
            let result = handle.join_timeout(LONG);
            match result.unwrap_or_else(|_| panic!("a handle never settled")) {
                Ok(value) => {
                    assert_eq!(value, n);
                    ran += 1;
                }
                Err(error) => {
                    assert!(error.is_cancelled());
                    cancelled += 1;
                }
            }
        }
    }
    let stats = finish(&pool);
    assert_eq!((stats.completed, stats.discarded), (ran, cancelled));
    assert_eq!(ran + cancelled, 3 * JOBS as u64);
}

#[test]
fn waiting_for_room_takes_as_long_as_it_was_given() {
    for wait in [Duration::ZERO, Duration::from_nanos(999_999), Duration::from_millis(12)] {
        let (pool, gate, queued) = full_pool(Block { timeout: wait });
        let ran = Counter::new();
        let begun = Instant::now();
        let rejected = pool.execute(telling(&ran)).unwrap_err();
        assert!(begun.elapsed() >= wait);
        assert_eq!(rejected.reason(), RejectReason::TimedOut);
        assert!(rejected.is_saturated() && !rejected.is_shutdown());
        rejected.into_job().run();
        assert_eq!(ran.get(), 1);

        let begun = Instant::now();
        let rejected = pool.execute_timeout(telling(&ran), wait).unwrap_err();
        assert!(begun.elapsed() >= wait);
        assert_eq!(rejected.reason(), RejectReason::TimedOut);
        rejected.into_job().run();
        assert_eq!(ran.get(), 2);
        gate.open();
        queued.join().unwrap();
        pool.execute_timeout(telling(&ran), wait).unwrap();
        pool.wait_idle(LONG).unwrap();
        pool.execute(telling(&ran)).unwrap();
        let stats = finish(&pool);
        assert_eq!((stats.completed, stats.rejected, ran.get()), (4, 2, 4));
    }
}

#[test]
fn a_job_on_the_caller_is_a_running_one_for_its_handle() {
    let (pool, gate, queued) = full_pool(CallerRuns);
    let (entered, leave, stop) = stop_point();
    let (job, handle) = Job::with_handle(move || {
        stop();
        interrupt::is_interrupted()
    });
    let submitting = pool.handle();
    let caller = helper(move || submitting.execute_job(job).expect("it runs here"));
    entered.pass();
    assert_eq!(handle.state(), JobState::Running);
    assert_eq!(handle.cancel(), CancelOutcome::Interrupted);
    leave.open();
    caller.join();
    assert!(soon(handle));
    gate.open();
    queued.join().unwrap();
    let stats = finish(&pool);
    assert_eq!((stats.caller_ran, stats.cancelled, stats.completed), (1, 0, 3));
}

// What is said.

#[test]
fn a_rejection_says_why_and_what_can_be_done() {
    let sample = |reason| {
        let policy = custom(move |job, saturation| saturation.reject_because(job, reason));
        let pool = ThreadPoolExecutor::builder().rejection_policy(policy).build().unwrap();
        pool.shutdown();
        pool.execute(|| ()).unwrap_err()
    };
    let texts = [
        (RejectReason::Saturated, "try later, or set a rejection policy"),
        (RejectReason::Shutdown, "shut down and takes no more jobs"),
        (RejectReason::TimedOut, "within the time given"),
        (RejectReason::SpawnFailed, "the log has the reason"),
        (RejectReason::Interrupted, "interrupted while waiting for room"),
    ];
    for (reason, text) in texts {
        let rejected = sample(reason);
        assert!(rejected.to_string().contains(text), "{rejected}");
        assert_eq!(format!("{rejected:?}"), format!("Rejected {{ reason: {reason:?}, .. }}"));
    }
}

#[test]
fn a_policy_can_print_what_it_is_asked_about() {
    let policy = custom(|job, saturation| {
        assert_eq!(format!("{saturation:?}"), "Saturation { reason: Shutdown, .. }");
        saturation.reject(job)
    });
    let pool = ThreadPoolExecutor::builder().rejection_policy(policy).build().unwrap();
    pool.shutdown();
    assert!(pool.execute(|| ()).unwrap_err().is_shutdown());
}

// Rejections under every policy.

#[test]
fn a_policy_that_finds_the_pool_shut_down_meanwhile_gives_the_job_back() {
    let pool = Own::default();
    let stopping = pool.clone();
    let policy = custom(move |job, saturation| {
        assert!(!saturation.is_shutdown());
        stopping.get().expect("the pool is built").shutdown();
        DiscardOldest.rejected(job, saturation)
    });
    let (owner, gate, queued) = full_pool(policy);
    pool.set(owner.handle());
    assert!(owner.execute(|| ()).unwrap_err().is_shutdown());
    gate.open();
    queued.join().unwrap();
    assert_eq!(finish(&owner).discarded, 0);
    pool.clear();
}

#[test]
fn every_policy_gives_the_job_back_after_a_shutdown() {
    for end in [End::Orderly, End::Quick, End::Complete] {
        for policy in built_in() {
            let (pool, gate, queued) = full_pool(Any(policy));
            let taken = end.begin(&pool, &gate);
            let ran = Counter::new();
            for rejected in [
                pool.execute(telling(&ran)).unwrap_err(),
                pool.execute_job(Job::new(telling(&ran))).unwrap_err(),
                pool.try_execute(telling(&ran)).unwrap_err(),
                pool.execute_timeout(telling(&ran), Duration::MAX).unwrap_err(),
                pool.submit(telling(&ran)).unwrap_err().into(),
                pool.handle().execute(telling(&ran)).unwrap_err(),
            ] {
                assert_eq!(rejected.reason(), RejectReason::Shutdown);
                assert!(rejected.is_shutdown() && !rejected.is_saturated());
                let before = ran.get();
                rejected.into_job().run();
                assert_eq!(ran.get(), before + 1, "the very job came back");
            }
            let (job, handle) = Job::with_handle(|| ());
            drop(pool.execute_job(job).unwrap_err());
            assert_cancelled(handle);
            gate.open();
            let stats = finish(&pool);
            assert_eq!((stats.rejected, stats.caller_ran, stats.discarded), (7, 0, 0));
            assert_eq!(stats.completed, 2 - taken.len() as u64);
            drop(taken);
            assert_eq!(queued.join().is_err(), end == End::Quick);
        }
    }
}

#[test]
fn a_refused_thread_gives_the_job_back_under_every_policy() {
    for policy in built_in() {
        let pool = ThreadPoolExecutor::builder()
            .threads(1)
            .queue(Queue::Bounded(1))
            .rejection_policy(Any(policy))
            .thread_factory(|_| Err(std::io::Error::other("no threads today")))
            .build()
            .unwrap();
        let ran = Counter::new();
        let rejected = pool.execute(telling(&ran)).unwrap_err();
        assert_eq!(rejected.reason(), RejectReason::SpawnFailed);
        assert!(!rejected.is_saturated() && !rejected.is_shutdown());
        rejected.into_job().run();
        assert_eq!(ran.get(), 1);
        let stats = finish(&pool);
        assert_eq!((stats.rejected, stats.discarded, stats.caller_ran), (1, 0, 0));
    }
}

#[test]
fn an_interrupted_job_that_waits_for_room_gets_its_job_back() {
    for by_policy in [true, false] {
        let (full, gate, queued) = full_pool(FOREVER);
        let (handle, started, waits) = (full.handle(), Gate::new(), ThreadPoolExecutor::single());
        let (waits, begun) = (waits.unwrap(), started.clone());
        let job = move || {
            begun.open();
            let result = if by_policy {
                handle.execute(|| ())
            } else {
                handle.execute_timeout(|| (), Duration::MAX)
            };
            result.map_err(|rejected| rejected.reason())
        };
        let waiting = waits.submit(job).unwrap();
        started.pass();
        assert_eq!(waiting.cancel(), CancelOutcome::Interrupted);
        assert_eq!(waiting.join().unwrap(), Err(RejectReason::Interrupted));
        gate.open();
        queued.join().unwrap();
        assert_eq!(finish(&full).rejected, 1);
        finish(&waits);
    }
}

/// How a pool comes to accept nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Orderly,
    Quick,
    Complete,
}

impl End {
    /// Begins it; a running job stays in the pool, unless the end is to be complete. Returns the
    /// jobs that were taken back.
    fn begin(self, pool: &ThreadPoolExecutor, gate: &Gate) -> Vec<Job> {
        match self {
            Self::Orderly => pool.shutdown(),
            Self::Quick => return pool.shutdown_now(),
            Self::Complete => {
                gate.open();
                finish(pool);
            }
        }
        Vec::new()
    }
}

// Policies of the user's.

#[test]
fn a_policy_is_asked_exactly_once_with_the_very_job() {
    for end in [End::Orderly, End::Quick, End::Complete] {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let (pool, gate, queued) = full_pool(custom(move |job, saturation: &Saturation<'_>| {
            log.lock().push((saturation.reason(), saturation.is_shutdown()));
            job.run();
            saturation.reject(Job::new(|| ()))
        }));
        let mut taken = Vec::new();
        let saturated = (RejectReason::Saturated, false);
        for expected in [saturated, (RejectReason::Shutdown, true)] {
            if expected != saturated {
                taken = end.begin(&pool, &gate);
            }
            let before = pool.stats();
            let (job, handle) = Job::with_handle(|| thread::current().id());
            let rejected = pool.execute_job(job).unwrap_err();
            assert_eq!(rejected.reason(), expected.0);
            assert_eq!(handle.join().unwrap(), thread::current().id(), "this very job was run");
            assert_eq!(std::mem::take(&mut *asked.lock()), [expected], "once, on this thread");
            let after = pool.stats();
            assert_eq!(after.rejected, before.rejected + 1);
            assert_eq!(
                (after.accepted, after.completed, after.queued, after.active),
                (before.accepted, before.completed, before.queued, before.active)
            );
        }
        gate.open();
        assert_eq!(finish(&pool).completed, 2 - taken.len() as u64);
        drop(taken);
        assert_eq!(queued.join().is_err(), end == End::Quick);
    }
}

#[test]
fn only_submissions_that_may_be_disposed_of_ask_the_policy() {
    let asked = Counter::new();
    let count = asked.clone();
    let (pool, gate, queued) = full_pool(custom(move |job, saturation: &Saturation<'_>| {
        count.add();
        saturation.reject(job)
    }));
    let ran = Counter::new();
    let rejected = pool.try_execute(telling(&ran)).unwrap_err();
    assert_eq!(rejected.reason(), RejectReason::Saturated);
    rejected.into_job().run();
    let rejected = pool.execute_timeout(telling(&ran), Duration::ZERO).unwrap_err();
    assert_eq!(rejected.reason(), RejectReason::TimedOut);
    rejected.into_job().run();
    assert_eq!((asked.get(), ran.get()), (0, 2));
    pool.execute(|| ()).unwrap_err();
    assert_eq!(asked.get(), 1);
    gate.open();
    queued.join().unwrap();
    pool.try_execute(telling(&ran)).unwrap();
    let stats = finish(&pool);
    assert_eq!((asked.get(), ran.get(), stats.rejected), (1, 3, 3));
}

#[test]
fn a_policy_can_make_room_and_submit_the_job_again() {
    let returned: Arc<Mutex<Vec<Job>>> = Arc::default();
    let kept = Arc::clone(&returned);
    let gate = Gate::new();
    let policy = custom(move |job, saturation: &Saturation<'_>| {
        let Err(rejected) = saturation.retry(job) else { panic!("there is no room yet") };
        assert_eq!(rejected.reason(), RejectReason::Saturated);
        kept.lock().push(saturation.take_oldest().expect("two are pending"));
        saturation.retry(rejected.into_job())
    });
    let pool = pool_of_one(Queue::Bounded(2), policy);
    block_worker(&pool, &gate);
    let log = Arc::new(Mutex::new(Vec::new()));
    let mut handles = Vec::new();
    for n in 0..4 {
        let log = Arc::clone(&log);
        handles.push(pool.submit(move || log.lock().push(n)).unwrap());
    }
    let stats = pool.stats();
    assert_conserved(&stats);
    assert_eq!((stats.accepted, stats.queued, stats.handed_back, stats.rejected), (5, 2, 2, 0));
    gate.open();
    finish(&pool);
    assert_eq!(*log.lock(), [2, 3]);
    returned.lock().drain(..).for_each(Job::run);
    assert_eq!(*log.lock(), [2, 3, 0, 1], "the oldest was taken first");
    for handle in handles {
        handle.join().unwrap();
    }
}

#[test]
fn a_policy_finds_nothing_to_take_where_nothing_is_pending() {
    let gate = Gate::new();
    let pool = pool_of_one(
        Queue::Handoff,
        custom(|job, saturation: &Saturation<'_>| {
            assert!(saturation.take_oldest().is_none());
            saturation.reject_because(job, RejectReason::TimedOut)
        }),
    );
    block_worker(&pool, &gate);
    let rejected = pool.execute(|| ()).unwrap_err();
    assert_eq!(rejected.reason(), RejectReason::TimedOut, "the policy's own reason");
    gate.open();
    assert_eq!(finish(&pool).rejected, 1);
}

#[test]
fn a_policy_can_run_the_job_here_as_one_of_the_pools() {
    let (pool, gate, queued) = full_pool(custom(|job, saturation: &Saturation<'_>| {
        let before = saturation.stats();
        saturation.run_here(job)?;
        let after = saturation.stats();
        assert_eq!(after.caller_ran, before.caller_ran + 1);
        Ok(())
    }));
    let watched = pool.handle();
    let during = pool.submit(move || watched.stats()).unwrap().join().unwrap();
    assert_conserved(&during);
    assert_eq!((during.active, during.pool_size), (2, 1), "a caller's job is active");
    let stats = pool.stats();
    assert_eq!((stats.caller_ran, stats.completed, stats.queued), (1, 1, 1));

    let panicking = pool.submit(|| panic!("expected by the test")).unwrap();
    assert_eq!(panicking.join().unwrap_err().message(), Some("expected by the test"));
    let stats = pool.stats();
    assert_eq!((stats.caller_ran, stats.panicked, stats.active), (2, 1, 1));

    pool.shutdown();
    let rejected = pool.execute(|| ()).unwrap_err();
    assert!(rejected.is_shutdown());
    gate.open();
    queued.join().unwrap();
    let stats = finish(&pool);
    assert_eq!((stats.completed, stats.caller_ran, stats.rejected), (3, 2, 1));
}

#[test]
fn a_policy_can_wait_for_room() {
    let (entered, room) = (Gate::new(), Arc::new(Mutex::new(Vec::new())));
    let (enter, results) = (entered.clone(), Arc::clone(&room));
    let (pool, gate, queued) = full_pool(custom(move |job, saturation: &Saturation<'_>| {
        let too_short = saturation.wait_for_room(Duration::ZERO);
        enter.open();
        let result = saturation.wait_for_room(Duration::MAX);
        results.lock().extend([too_short, result]);
        match result {
            Ok(()) => saturation.retry(job),
            Err(reason) => saturation.reject_because(job, reason),
        }
    }));
    let handle = pool.handle();
    let submitter = helper(move || handle.submit(|| 7).expect("there comes room").join());
    entered.pass();
    gate.open();
    assert_eq!(submitter.join().unwrap(), 7);
    queued.join().unwrap();
    assert_eq!(*room.lock(), [Err(RejectReason::TimedOut), Ok(())]);
    assert_eq!(finish(&pool).completed, 3);
}

#[test]
fn a_job_that_a_policy_drops_counts_as_discarded_and_settles() {
    let (pool, gate, queued) = full_pool(custom(|job: Job, _: &Saturation<'_>| {
        drop(job);
        Ok(())
    }));
    let ran = Counter::new();
    assert_cancelled(pool.submit(telling(&ran)).unwrap());
    let stats = pool.stats();
    assert_conserved(&stats);
    assert_eq!((stats.discarded, stats.rejected, stats.accepted), (1, 0, 3));
    gate.open();
    queued.join().unwrap();
    assert_eq!((finish(&pool).completed, ran.get()), (2, 0));
}

#[test]
fn a_policy_that_panics_tells_the_submitter_and_the_jobs_handle() {
    let (pool, gate, queued) =
        full_pool(custom(|_: Job, _: &Saturation<'_>| panic!("expected by the test")));
    for round in 1..=3 {
        let (job, handle) = Job::with_handle(|| ());
        let payload = catch_unwind(AssertUnwindSafe(|| pool.execute_job(job))).unwrap_err();
        assert_eq!(payload.downcast_ref(), Some(&"expected by the test"));
        assert_cancelled(handle);
        let stats = pool.stats();
        assert_conserved(&stats);
        assert_eq!((stats.discarded, stats.queued, stats.active), (round, 1, 1));
    }
    gate.open();
    queued.join().unwrap();
    pool.submit(|| ()).unwrap().join().unwrap();
    assert_eq!(finish(&pool).completed, 3);
}

#[test]
fn a_policy_can_use_its_own_pool() {
    let own = Own::default();
    let known = own.clone();
    let (pool, gate, queued) = full_pool(custom(move |job, saturation: &Saturation<'_>| {
        let handle = known.get().expect("set below");
        assert_eq!(handle.stats().queued, 1);
        assert!(handle.try_execute(|| ()).is_err_and(|rejected| rejected.is_saturated()));
        saturation.reject(job)
    }));
    own.set(pool.handle());
    pool.execute(|| ()).unwrap_err();
    assert_eq!(pool.stats().rejected, 2);
    gate.open();
    queued.join().unwrap();
    finish(&pool);
    own.clear();
}

#[test]
fn a_policy_that_retries_until_there_is_room_loses_no_job() {
    const JOBS: usize = 500;
    let pool = pool_of_one(
        Queue::Bounded(2),
        custom(|mut job, saturation: &Saturation<'_>| {
            while let Err(rejected) = saturation.retry(job) {
                assert!(rejected.is_saturated());
                job = rejected.into_job();
                thread::yield_now();
            }
            Ok(())
        }),
    );
    let ran = Counter::new();
    let submitters: Vec<Helper<()>> = (0..3)
        .map(|_| {
            let (handle, ran) = (pool.handle(), ran.clone());
            helper(move || (0..JOBS).for_each(|_| handle.execute(telling(&ran)).expect("taken")))
        })
        .collect();
    submitters.into_iter().for_each(Helper::join);
    let stats = finish(&pool);
    assert_eq!((stats.completed, stats.rejected, stats.discarded), (3 * JOBS as u64, 0, 0));
    assert_eq!(ran.get(), 3 * JOBS);
}

// Waiting for room.

/// Four submitters that wait for room in a full pool, two by its policy and two by the call.
struct Waiting {
    pool: ThreadPoolExecutor,
    gate: Gate,
    queued: RefCell<Option<JobHandle<()>>>,
    ran: Counter,
    returned: Counter,
    submitters: Vec<Helper<Result<(), RejectReason>>>,
}

impl Waiting {
    fn new() -> Self {
        let (pool, gate, queued) = full_pool(FOREVER);
        let (ran, returned) = (Counter::new(), Counter::new());
        let submitters = [true, false, true, false]
            .map(|by_policy| {
                let (handle, ran, returned) = (pool.handle(), ran.clone(), returned.clone());
                helper(move || {
                    let result = if by_policy {
                        handle.execute(telling(&ran))
                    } else {
                        handle.execute_timeout(telling(&ran), Duration::MAX)
                    };
                    returned.add();
                    result.map_err(|rejected| rejected.reason())
                })
            })
            .into();
        pass_time(SHORT);
        assert_eq!(returned.get(), 0, "a submitter did not wait for room");
        let queued = RefCell::new(Some(queued));
        Self { pool, gate, queued, ran, returned, submitters }
    }

    fn returned(&self, at_least: usize) {
        self.returned.reach(at_least);
    }

    /// Joins the submitters, lets everything run, and returns how many of their jobs ran, and their
    /// rejections.
    fn end(self) -> (usize, Vec<RejectReason>) {
        let results: Vec<_> = self.submitters.into_iter().map(Helper::join).collect();
        self.gate.open();
        finish(&self.pool);
        (self.ran.get(), results.into_iter().filter_map(Result::err).collect())
    }
}

#[test]
fn a_shutdown_wakes_everybody_who_waits_for_room() {
    let waiting = Waiting::new();
    waiting.pool.shutdown();
    assert_eq!(waiting.end(), (0, vec![RejectReason::Shutdown; 4]));

    let waiting = Waiting::new();
    assert_eq!(waiting.pool.shutdown_now().len(), 1);
    assert_eq!(waiting.end(), (0, vec![RejectReason::Shutdown; 4]));
}

#[test]
fn a_raised_capacity_wakes_everybody_who_waits_for_room() {
    let waiting = Waiting::new();
    waiting.pool.set_queue_capacity(5).unwrap();
    assert_eq!(waiting.end(), (4, vec![]));
}

#[test]
fn a_raised_maximum_wakes_everybody_who_waits_for_room() {
    let waiting = Waiting::new();
    waiting.pool.set_max_threads(2).unwrap();
    assert_eq!(waiting.end(), (4, vec![]));
}

#[test]
fn pending_jobs_taken_back_leave_room_for_who_waits() {
    let waiting = Waiting::new();
    let taken = waiting.pool.take_pending();
    assert_eq!(taken.len(), 1);
    waiting.returned(1);
    pass_time(SHORT);
    assert_eq!(waiting.returned.get(), 1, "there was room for one");
    waiting.gate.open();
    assert_eq!(waiting.end(), (4, vec![]));
    taken.into_iter().for_each(Job::run);
}

#[test]
fn a_cancelled_pending_job_leaves_room_for_who_waits() {
    let waiting = Waiting::new();
    let queued = waiting.queued.take().unwrap();
    assert_eq!(queued.cancel(), CancelOutcome::Removed);
    waiting.returned(1);
    pass_time(SHORT);
    assert_eq!(waiting.returned.get(), 1, "there was room for one");
    waiting.gate.open();
    assert_eq!(waiting.end(), (4, vec![]));
}

#[test]
fn a_worker_that_takes_a_job_leaves_room_for_who_waits() {
    for _ in 0..repeat(5) {
        let (first, second) = (Gate::new(), Gate::new());
        let pool = pool_of_one(Queue::Bounded(1), FOREVER);
        block_worker(&pool, &first);
        hold(&pool, &second, 1);
        let returned = Counter::new();
        let submitters: Vec<Helper<()>> = (0..2)
            .map(|_| {
                let (handle, returned) = (pool.handle(), returned.clone());
                helper(move || {
                    handle.execute(|| ()).expect("there comes room");
                    returned.add();
                })
            })
            .collect();
        pass_time(SHORT);
        assert_eq!(returned.get(), 0);
        first.open();
        returned.reach(1);
        let stats = pool.stats();
        assert_eq!((stats.active, stats.queued), (1, 1), "the worker is not free, the queue was");
        second.open();
        submitters.into_iter().for_each(Helper::join);
        assert_eq!(finish(&pool).completed, 4);
    }
}

#[test]
fn submitters_that_wait_for_room_never_miss_it() {
    const JOBS: usize = 300;
    for queue in [Queue::Handoff, Queue::Bounded(1), Queue::Bounded(3)] {
        for core in [0, 1, 2] {
            let pool = ThreadPoolExecutor::builder()
                .core_threads(core)
                .max_threads(2)
                .queue(queue)
                .keep_alive(Duration::ZERO)
                .rejection_policy(FOREVER)
                .build()
                .unwrap();
            let ran = Counter::new();
            let submitters: Vec<Helper<()>> = (0..4)
                .map(|submitter| {
                    let (handle, ran) = (pool.handle(), ran.clone());
                    helper(move || {
                        for _ in 0..repeat(JOBS) {
                            let result = if submitter % 2 == 0 {
                                handle.execute(telling(&ran))
                            } else {
                                handle.execute_timeout(telling(&ran), LONG)
                            };
                            result.expect("there comes room");
                        }
                    })
                })
                .collect();
            submitters.into_iter().for_each(Helper::join);
            finish(&pool);
            assert_eq!(ran.get(), 4 * repeat(JOBS));
        }
    }
}

#[test]
fn a_submitter_that_gives_up_as_it_is_woken_leaves_the_room_to_the_next() {
    let pool = pool_of_one(Queue::Handoff, Abort);
    let rounds = repeat(400);
    let mut given_up = 0;
    for round in 0..rounds {
        let gate = Gate::new();
        block_worker(&pool, &gate);
        let impatient: Vec<Helper<bool>> = (0..3)
            .map(|_| {
                let handle = pool.handle();
                helper(move || handle.execute_timeout(|| (), Duration::from_micros(100)).is_err())
            })
            .collect();
        let handle = pool.handle();
        let patient = helper(move || handle.execute_timeout(|| (), Duration::from_secs(5)));
        // Now, or at some moment about the time at which the others give up.
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_micros(10 * (round as u64 % 32)) {
            std::hint::spin_loop();
        }
        gate.open();
        patient.join().expect("the worker is free");
        given_up += impatient.into_iter().map(Helper::join).filter(|gave_up| *gave_up).count();
        pool.wait_idle(LONG).unwrap();
    }
    let stats = finish(&pool);
    assert_eq!(stats.rejected, given_up as u64);
    assert_eq!(stats.completed, 5 * rounds as u64 - stats.rejected);
}

/// Two submitters that wait, one behind the other, for the one worker of a hand-off pool.
struct Line {
    first: Helper<()>,
    second: Helper<bool>,
}

impl Line {
    /// The second submits a job of its own, and tells whether it was accepted in time.
    fn form(pool: &ThreadPoolExecutor, first: impl FnOnce(Handle) + Send + 'static) -> Self {
        let handle = pool.handle();
        let first = helper(move || first(handle));
        // Nothing tells that a submitter waits; one that comes late only makes the test miss a
        // defect.
        pass_time(SHORT);
        let handle = pool.handle();
        let second = helper(move || handle.execute_timeout(|| (), Duration::from_secs(5)).is_ok());
        pass_time(SHORT);
        Self { first, second }
    }

    fn assert_both_were_woken(self) {
        self.first.join();
        assert!(self.second.join(), "a worker was idle and the submitter was not told");
    }
}

#[test]
fn a_cancelled_job_leaves_its_room_to_the_next_who_waits() {
    let gate = Gate::new();
    let pool = pool_of_one(Queue::Handoff, FOREVER);
    block_worker(&pool, &gate);
    let (job, cancelled) = Job::with_handle(|| ());
    let line = Line::form(&pool, move |handle| {
        handle.execute_job(job).expect("a cancelled job is taken and not run");
    });
    assert_eq!(cancelled.cancel(), CancelOutcome::Removed);
    gate.open();
    line.assert_both_were_woken();
    let stats = finish(&pool);
    assert_eq!((stats.completed, stats.cancelled), (2, 1));
}

#[test]
fn a_policy_that_waited_and_gave_up_leaves_the_room_to_the_next_who_waits() {
    let gate = Gate::new();
    let policy = custom(|job, saturation: &Saturation<'_>| {
        saturation.wait_for_room(LONG).expect("there comes room");
        saturation.reject(job)
    });
    let pool = pool_of_one(Queue::Handoff, policy);
    block_worker(&pool, &gate);
    let line = Line::form(&pool, |handle| {
        let rejected = handle.execute(|| ()).expect_err("that is the policy");
        assert_eq!(rejected.reason(), RejectReason::Saturated);
    });
    gate.open();
    line.assert_both_were_woken();
    assert_eq!(finish(&pool).completed, 2);
}

#[test]
fn discarding_jobs_while_the_pool_works_keeps_the_books() {
    let pool = pool_of_one(Queue::Bounded(2), Discard);
    let gate = Gate::new();
    hold(&pool, &gate, 1).reach(1);
    let ran = Counter::new();
    let handles: Vec<_> = (0..1000)
        .map(|n| {
            if n == 500 {
                gate.open();
            }
            pool.submit(telling(&ran)).unwrap()
        })
        .collect();
    eventually("every handle settles", || handles.iter().all(JobHandle::is_finished));
    let stats = finish(&pool);
    let cancelled = handles.iter().filter(|handle| handle.state() == JobState::Cancelled).count();
    assert_eq!((stats.discarded, stats.completed), (cancelled as u64, 1 + ran.get() as u64));
    assert_eq!(cancelled + ran.get(), 1000);
}
