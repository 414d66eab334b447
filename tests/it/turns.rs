//! Who waits for room in a full pool, and who waits for the start of a job.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::bounded;
use parking_lot::Mutex;
use workcrew::policy::{Block, CallerRuns};
use workcrew::{
    Handle, Job, JobHandle, JobState, Queue, RejectReason, Rejected, RejectionPolicy, Saturation,
    StartError, ThreadPoolExecutor,
};

use crate::support::{
    Counter, Gate, Helper, LONG, SHORT, block_worker, eventually, finish, helper, repeat, single,
    soon, stop_point,
};
use crate::waits::{PROMPTLY, Sleeper};

/// How a submitter waits for room.
#[derive(Clone, Copy, Debug)]
enum Waits {
    Timed,
    Block,
    Policy,
}

const WAITS: [Waits; 3] = [Waits::Timed, Waits::Block, Waits::Policy];

/// Waits for room as often as it takes.
struct Insists;

impl RejectionPolicy for Insists {
    fn rejected(&self, mut job: Job, saturation: &Saturation<'_>) -> Result<(), Rejected> {
        loop {
            if let Err(reason) = saturation.wait_for_room(LONG) {
                return saturation.reject_because(job, reason);
            }
            match saturation.retry(job) {
                Ok(()) => return Ok(()),
                Err(rejected) if rejected.reason() == RejectReason::Saturated => {
                    job = rejected.into_job();
                }
                Err(rejected) => return Err(rejected),
            }
        }
    }
}

impl Waits {
    /// One worker.
    fn pool(self, queue: Queue) -> ThreadPoolExecutor {
        let builder = ThreadPoolExecutor::builder().threads(1).queue(queue);
        let builder = match self {
            Self::Timed => builder,
            Self::Block => builder.rejection_policy(Block { timeout: LONG }),
            Self::Policy => builder.rejection_policy(Insists),
        };
        builder.build().unwrap()
    }

    /// One worker that is busy until the gate opens, and a full queue.
    fn full(self, queue: Queue) -> (ThreadPoolExecutor, Gate) {
        let (pool, gate) = (self.pool(queue), Gate::new());
        block_worker(&pool, &gate);
        if queue != Queue::Handoff {
            pool.try_execute(|| ()).unwrap();
        }
        (pool, gate)
    }

    fn submit(self, pool: &Handle, f: impl FnOnce() + Send + 'static) -> Result<(), Rejected> {
        match self {
            Self::Timed => pool.execute_timeout(f, LONG),
            Self::Block | Self::Policy => pool.execute(f),
        }
    }
}

// Room.

/// A job that ends when its gate opens.
fn until(gate: &Gate) -> impl FnOnce() + Send + 'static {
    let gate = gate.clone();
    move || gate.pass()
}

/// Begins to submit jobs, one after the other; each thread notes its number when its job is in.
fn line_up(
    waits: Waits,
    pool: &ThreadPoolExecutor,
    gates: &[Gate],
    admitted: &Arc<Mutex<Vec<usize>>>,
) -> Vec<Helper<()>> {
    let begin = |(n, gate): (usize, &Gate)| {
        let (own, job, admitted) = (pool.handle(), until(gate), Arc::clone(admitted));
        let (told, hears) = bounded(1);
        let submitter = helper(move || {
            told.send(Sleeper::this()).unwrap();
            waits.submit(&own, job).unwrap();
            admitted.lock().push(n);
        });
        hears.recv().unwrap().wait();
        submitter
    };
    gates.iter().enumerate().map(begin).collect()
}

#[test]
fn submitters_that_wait_for_room_are_admitted_in_their_order_and_before_newcomers() {
    for waits in WAITS {
        for queue in [Queue::Handoff, Queue::Bounded(1)] {
            let pool = waits.pool(queue);
            let mut open = vec![Gate::new()];
            block_worker(&pool, &open[0]);
            if queue != Queue::Handoff {
                open.push(Gate::new());
                pool.try_execute(until(&open[1])).unwrap();
            }
            let gates: Vec<_> = (0..6).map(|_| Gate::new()).collect();
            let admitted = Arc::default();
            let submitters = line_up(waits, &pool, &gates, &admitted);
            let (done, accepted) = (Gate::new(), Counter::new());
            let newcomers: Vec<_> = (0..2)
                .map(|_| {
                    let (own, done, accepted) = (pool.handle(), done.clone(), accepted.clone());
                    helper(move || {
                        while !done.is_open() {
                            if own.try_execute(|| ()).is_ok() {
                                accepted.add();
                            }
                            std::thread::yield_now();
                        }
                    })
                })
                .collect();
            open.extend(gates.iter().cloned());
            // Each gate makes room for one.
            for (n, gate) in open.iter().take(gates.len()).enumerate() {
                gate.open();
                eventually("the next one is admitted", || admitted.lock().len() > n);
                assert_eq!(admitted.lock().last(), Some(&n), "{waits:?}, {queue:?}");
            }
            assert_eq!(accepted.get(), 0, "{waits:?}, {queue:?}");
            done.open();
            open.iter().for_each(Gate::open);
            drop((newcomers, submitters));
            finish(&pool);
        }
    }
}

#[test]
fn a_submitter_that_gives_up_passes_its_place_on() {
    for cancels in [false, true] {
        let others = ThreadPoolExecutor::cached().unwrap();
        for round in 0..repeat(150) {
            let (pool, gate) = Waits::Timed.full(Queue::Bounded(1));
            let limit = Duration::from_micros(round as u64 % 300);
            let own = pool.handle();
            let hurried = others
                .submit(move || {
                    let limit = if cancels { LONG } else { limit };
                    own.execute_timeout(|| (), limit).map_err(|rejected| rejected.reason())
                })
                .unwrap();
            let own = pool.handle();
            let patient = others.submit(move || own.execute_timeout(|| (), LONG).is_ok()).unwrap();
            patient.wait_started(LONG).unwrap();
            let opener = helper(move || gate.open());
            if cancels {
                hurried.wait_started(LONG).unwrap();
                hurried.cancel();
            }
            assert!(crate::waits::soon(patient), "the room is passed on");
            let reason = crate::waits::soon(hurried);
            assert!(
                matches!(reason, Ok(()) | Err(RejectReason::TimedOut | RejectReason::Interrupted)),
                "{reason:?}"
            );
            opener.join();
            finish(&pool);
        }
        finish(&others);
    }
}

/// Waits for room, and keeps the place for a while.
struct Dawdles {
    has_room: Gate,
    goes_on: Gate,
}

impl RejectionPolicy for Dawdles {
    fn rejected(&self, job: Job, saturation: &Saturation<'_>) -> Result<(), Rejected> {
        saturation.wait_for_room(LONG).unwrap();
        self.has_room.open();
        self.goes_on.pass();
        saturation.retry(job)
    }
}

#[test]
fn a_newcomer_is_refused_while_the_only_place_is_kept_for_another() {
    for queue in [Queue::Handoff, Queue::Bounded(1)] {
        let (has_room, goes_on) = (Gate::new(), Gate::new());
        let policy = Dawdles { has_room: has_room.clone(), goes_on: goes_on.clone() };
        let builder = ThreadPoolExecutor::builder().threads(1).queue(queue);
        let (pool, gate) = (builder.rejection_policy(policy).build().unwrap(), Gate::new());
        block_worker(&pool, &gate);
        let second = Gate::new();
        if queue != Queue::Handoff {
            let (hold, runs) = (second.clone(), Gate::new());
            let running = runs.clone();
            pool.try_execute(move || {
                running.open();
                hold.pass();
            })
            .unwrap();
        }
        let own = pool.handle();
        let (told, hears) = bounded(1);
        let waiter = helper(move || {
            told.send(Sleeper::this()).unwrap();
            own.execute(|| ()).is_ok()
        });
        hears.recv().unwrap().wait();
        gate.open();
        has_room.pass();
        assert!(pool.try_execute(|| ()).unwrap_err().is_saturated(), "{queue:?}");
        let late = pool.execute_timeout(|| (), Duration::ZERO).unwrap_err();
        assert_eq!(late.reason(), RejectReason::TimedOut);
        goes_on.open();
        assert!(waiter.join());
        second.open();
        finish(&pool);
    }
}

#[test]
fn a_pending_job_that_its_waiter_runs_leaves_its_place_to_who_waits_for_room() {
    for on_caller in [false, true] {
        let (worker, ends) = (Gate::new(), Gate::new());
        let pool = ThreadPoolExecutor::builder()
            .threads(1)
            .queue(Queue::Bounded(1))
            .rejection_policy(CallerRuns)
            .build()
            .unwrap();
        let (give, take) = bounded::<JobHandle<()>>(1);
        let outer = move || take.recv().unwrap().join().unwrap();
        let (own, inner) = (pool.handle(), until(&ends));
        let (handle, caller) = if on_caller {
            block_worker(&pool, &worker);
            let handle = pool.submit(inner).unwrap();
            (handle, helper(move || own.execute(outer).unwrap()))
        } else {
            pool.submit(outer).unwrap().wait_started(LONG).unwrap();
            (pool.submit(inner).unwrap(), helper(|| ()))
        };
        let own = pool.handle();
        let (told, hears) = bounded(1);
        let submitter = helper(move || {
            told.send(Sleeper::this()).unwrap();
            own.execute_timeout(|| (), PROMPTLY).is_ok()
        });
        hears.recv().unwrap().wait();
        give.send(handle).unwrap();
        assert!(submitter.join(), "on a caller: {on_caller}");
        ends.open();
        worker.open();
        caller.join();
        finish(&pool);
    }
}

// Starts.

#[test]
fn a_thread_that_is_starting_runs_no_job_yet() {
    let (entered, leave, stop) = stop_point();
    let pool = ThreadPoolExecutor::builder()
        .threads(1)
        .thread_factory(move |worker| {
            stop();
            worker.builder().spawn(move || worker.run())
        })
        .build()
        .map(Arc::new)
        .unwrap();
    let (starting, gate) = (Arc::clone(&pool), Gate::new());
    let starter = helper(move || starting.prestart_core_thread().unwrap());
    entered.pass();
    let open = gate.clone();
    let handle = pool.submit(move || open.pass()).unwrap();
    let stats = pool.stats();
    assert_eq!((stats.starting, stats.active, stats.queued, stats.pool_size), (1, 0, 1, 1));
    assert_eq!(handle.wait_started(Duration::ZERO), Err(StartError::TimedOut));
    leave.open();
    handle.wait_started(LONG).unwrap();
    let stats = pool.stats();
    assert_eq!((stats.starting, stats.active, stats.queued), (0, 1, 0));
    gate.open();
    soon(handle);
    assert!(starter.join());
    finish(&pool);
}

/// What a thread is told that waits for the start of a job which does not start.
fn waits_for_start(
    strike: impl FnOnce(&ThreadPoolExecutor, &JobHandle<()>),
) -> Result<(), StartError> {
    let (pool, gate) = (single(), Gate::new());
    block_worker(&pool, &gate);
    let handle = Arc::new(pool.submit(|| ()).unwrap());
    let (told, hears) = bounded(1);
    let awaited = Arc::clone(&handle);
    let waiter = helper(move || {
        told.send(Sleeper::this()).unwrap();
        awaited.wait_started(LONG)
    });
    hears.recv().unwrap().wait();
    strike(&pool, &handle);
    let result = waiter.join();
    gate.open();
    finish(&pool);
    result
}

#[test]
fn who_waits_for_a_start_is_told_what_became_of_the_job() {
    assert_eq!(waits_for_start(|_, job| _ = job.cancel()), Err(StartError::Cancelled));
    assert_eq!(waits_for_start(|pool, _| drop(pool.take_pending())), Err(StartError::Cancelled));
    assert_eq!(waits_for_start(|pool, _| drop(pool.shutdown_now())), Err(StartError::Cancelled));
    let elsewhere = |pool: &ThreadPoolExecutor, _: &JobHandle<()>| {
        pool.take_pending().into_iter().for_each(Job::run);
    };
    assert_eq!(waits_for_start(elsewhere), Ok(()));

    let (pool, gate) = (single(), Gate::new());
    block_worker(&pool, &gate);
    let handle = pool.submit(|| ()).unwrap();
    assert_eq!(handle.wait_started(SHORT), Err(StartError::TimedOut));
    // The job that waits is interrupted.
    let other = single();
    let waits = other.submit(move || (handle.wait_started(LONG), handle)).unwrap();
    eventually("it waits", || waits.state() == JobState::Running);
    waits.cancel();
    let (result, handle) = soon(waits);
    assert_eq!(result, Err(StartError::Interrupted));
    gate.open();
    handle.wait_started(LONG).unwrap();
    soon(handle);
    let ended = other.submit(|| ()).unwrap();
    eventually("it has ended", || ended.is_finished());
    assert_eq!(ended.wait_started(Duration::ZERO), Ok(()));
    finish(&other);
    finish(&pool);
}

#[test]
fn a_job_that_was_seen_to_start_is_not_handed_back() {
    for _ in 0..repeat(500) {
        let (pool, gate) = (single(), Gate::new());
        let open = gate.clone();
        let handle = pool.submit(move || open.pass()).unwrap();
        handle.wait_started(LONG).unwrap();
        assert_eq!(pool.stats().active, 1);
        assert!(pool.shutdown_now().is_empty(), "it runs");
        gate.open();
        soon(handle);
        finish(&pool);
    }
}

#[test]
fn many_threads_can_wait_for_the_same_start() {
    let (pool, gate) = (single(), Gate::new());
    block_worker(&pool, &gate);
    let (handle, told) = (Arc::new(pool.submit(|| ()).unwrap()), Counter::new());
    let waiters: Vec<_> = (0..4)
        .map(|_| {
            let (handle, told) = (Arc::clone(&handle), told.clone());
            helper(move || {
                told.add();
                handle.wait_started(LONG)
            })
        })
        .collect();
    told.reach(4);
    gate.open();
    for waiter in waiters {
        assert_eq!(waiter.join(), Ok(()));
    }
    finish(&pool);
}
