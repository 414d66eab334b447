//! Tests of threads that cannot be started, and of factories that do something else than asked.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::io;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::Mutex;
use workcrew::policy::{Block, CallerRuns, Discard};
use workcrew::{
    AwaitError, Builder, CancelOutcome, Growth, Handle, JobHandle, JobState, Phase, Queue,
    RejectReason, Rejected, ThreadPoolExecutor, WorkerThread,
};

use crate::shutdown_now::{Fate, Ledger};
use crate::support::{
    Counter, Gate, HUGE, Helper, LONG, Own, SHORT, assert_conserved, block_worker, eventually,
    finish, helper, hold, pass_time, repeat, stop_point,
};

/// The ways in which a factory fails.
#[derive(Clone, Copy, Debug)]
enum Failure {
    Panic,
    Error,
    /// It says that all is well, but the worker is gone.
    Pretence,
    /// It runs the worker where it is, on the submitter.
    RunsItHere,
    /// The operating system refuses.
    Real,
}

const FAILURES: [Failure; 5] =
    [Failure::Panic, Failure::Error, Failure::Pretence, Failure::RunsItHere, Failure::Real];

impl Failure {
    fn happen(self, worker: WorkerThread) -> io::Result<JoinHandle<()>> {
        match self {
            Self::Panic => resume_unwind(Box::new("the factory panics")),
            Self::Error => Err(io::Error::other("no more threads")),
            Self::Pretence => {
                drop(worker);
                Ok(thread::spawn(|| ()))
            }
            Self::RunsItHere => {
                worker.run();
                Ok(thread::spawn(|| ()))
            }
            Self::Real => worker.builder().stack_size(HUGE).spawn(move || worker.run()),
        }
    }
}

/// A builder whose threads from the `first_failure`-th on fail to start.
fn failing_from(first_failure: usize, failure: Failure) -> Builder {
    let calls = Counter::new();
    ThreadPoolExecutor::builder().thread_factory(move |worker| {
        if calls.add() < first_failure {
            worker.builder().spawn(move || worker.run())
        } else {
            failure.happen(worker)
        }
    })
}

// Threads that are refused.

#[test]
fn a_factory_that_fails_from_the_fifth_call_on_costs_no_job() {
    for failure in FAILURES {
        let pool = failing_from(5, failure).threads(10).build().unwrap();
        let (gate, ran) = (Gate::new(), Counter::new());
        (0..4).for_each(|_| block_worker(&pool, &gate));
        for _ in 0..16 {
            let ran = ran.clone();
            pool.execute(move || _ = ran.add()).unwrap();
        }
        let stats = pool.stats();
        assert_conserved(&stats);
        assert_eq!((stats.pool_size, stats.active, stats.queued), (4, 4, 16), "{failure:?}");
        assert_eq!((stats.spawn_failures, stats.rejected), (16, 0), "{failure:?}");
        gate.open();
        let stats = finish(&pool);
        assert_eq!((ran.get(), stats.completed), (16, 20), "{failure:?}");
    }
}

#[test]
fn all_jobs_run_on_the_one_thread_that_could_be_started() {
    let pool = failing_from(2, Failure::Error).threads(100).build().unwrap();
    let threads = Arc::new(Mutex::new(Vec::new()));
    for _ in 0..100 {
        let threads = Arc::clone(&threads);
        pool.execute(move || threads.lock().push(thread::current().id())).unwrap();
    }
    assert_eq!(finish(&pool).completed, 100);
    let threads = threads.lock();
    assert!(threads.len() == 100 && threads.iter().all(|id| *id == threads[0]));
}

#[test]
fn without_any_thread_each_job_is_handed_back() {
    for failure in FAILURES {
        let pool = failing_from(1, failure).threads(2).build().unwrap();
        let ledger = Ledger::new(4);
        let ticket = |id| ledger.ticket(id);
        let [a, b, c, d] = [0, 1, 2, 3].map(ticket);
        let (rejected, unstarted) = (Result::unwrap_err, "the factory fails");
        let errors: [Rejected; 4] = [
            rejected(pool.execute(move || a.stamp())),
            rejected(pool.try_execute(move || b.stamp())),
            rejected(pool.execute_timeout(move || c.stamp(), Duration::MAX)),
            pool.submit(move || d.stamp()).unwrap_err().into(),
        ];
        for (id, error) in errors.into_iter().enumerate() {
            assert_eq!(error.reason(), RejectReason::SpawnFailed, "{unstarted}: {failure:?}");
            assert!(!error.is_saturated() && !error.is_shutdown());
            Ledger::take_back(error.into_job());
            assert_eq!(ledger.fate(id), Fate::Back);
        }
        pool.prestart_core_thread().expect_err(unstarted);
        pool.prestart_all_core_threads().expect_err(unstarted);
        let stats = pool.stats();
        assert_eq!((stats.pool_size, stats.rejected, stats.queued), (0, 4, 0), "{failure:?}");
        assert_eq!(stats.spawn_failures, 6, "{failure:?}");
        pool.wait_idle(Duration::ZERO).unwrap();
        pool.shutdown();
        assert!(pool.is_terminated(), "there is nobody to wait for");
        finish(&pool);
    }
}

#[test]
fn no_policy_is_asked_when_there_is_no_thread_at_all() {
    let refuse = || failing_from(1, Failure::Error).threads(1).queue(Queue::Bounded(1));
    let builders = [
        refuse().rejection_policy(CallerRuns),
        refuse().rejection_policy(Discard),
        refuse().rejection_policy(Block { timeout: Duration::MAX }),
    ];
    for builder in builders {
        let pool = builder.build().unwrap();
        let rejected = pool.execute(|| unreachable!()).unwrap_err();
        assert_eq!(rejected.reason(), RejectReason::SpawnFailed);
        assert_eq!(finish(&pool).rejected, 1);
    }
}

#[test]
fn the_operating_system_refusing_a_thread_is_an_error_and_not_a_panic() {
    let sizes = [HUGE, usize::MAX / 2, usize::MAX - 4096, usize::MAX];
    for stack_size in sizes.into_iter().filter(|size| *size >= HUGE) {
        let pool = ThreadPoolExecutor::builder().threads(1).stack_size(stack_size).build().unwrap();
        let rejected = pool.submit(|| 7).unwrap_err();
        assert_eq!(rejected.reason(), RejectReason::SpawnFailed);
        pool.prestart_core_thread().unwrap_err();
        let stats = finish(&pool);
        assert_eq!((stats.rejected, stats.spawn_failures), (1, 2));
        pool.close();
    }
}

#[test]
fn with_other_workers_alive_a_job_stays_if_there_is_room_and_else_is_the_policys() {
    for failure in FAILURES {
        let pool = failing_from(2, failure)
            .core_threads(1)
            .max_threads(3)
            .queue(Queue::Bounded(2))
            .build()
            .unwrap();
        let gate = Gate::new();
        block_worker(&pool, &gate);
        let queued = [1, 2].map(|n| pool.submit(move || n).unwrap());
        // The queue is full: this one needs a new worker, and gets none.
        let rejected = pool.execute(|| unreachable!()).unwrap_err();
        assert_eq!(rejected.reason(), RejectReason::Saturated, "{failure:?}");
        assert_eq!(pool.stats().spawn_failures, 1, "{failure:?}");
        gate.open();
        let values = queued.map(|job| job.join().unwrap());
        assert_eq!(values, [1, 2], "{failure:?}");
        let stats = finish(&pool);
        assert_eq!((stats.completed, stats.rejected), (3, 1), "{failure:?}");
    }
}

#[test]
fn a_hand_off_pool_whose_second_thread_is_refused_runs_the_job_on_the_caller() {
    let pool = failing_from(2, Failure::Real)
        .core_threads(0)
        .max_threads(8)
        .queue(Queue::Handoff)
        .rejection_policy(CallerRuns)
        .build()
        .unwrap();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    let here = thread::current().id();
    let ran_on = pool.submit(|| thread::current().id()).unwrap().join().unwrap();
    assert_eq!(ran_on, here);
    gate.open();
    let stats = finish(&pool);
    assert_eq!((stats.completed, stats.caller_ran, stats.spawn_failures), (2, 1, 1));
}

#[test]
fn a_refused_thread_of_a_resize_costs_no_pending_job() {
    for failure in FAILURES {
        let pool = failing_from(2, failure).threads(1).build().unwrap();
        let gate = Gate::new();
        block_worker(&pool, &gate);
        let jobs: Vec<_> = (0..5).map(|n| pool.submit(move || n).unwrap()).collect();
        pool.set_threads(4, 4).unwrap();
        let stats = pool.stats();
        assert_eq!((stats.pool_size, stats.queued, stats.spawn_failures), (1, 5, 3), "{failure:?}");
        gate.open();
        let values: Vec<_> = jobs.into_iter().map(|job| job.join().unwrap()).collect();
        assert_eq!(values, [0, 1, 2, 3, 4]);
        finish(&pool);
    }
}

#[test]
fn a_namer_that_panics_counts_as_a_refused_thread() {
    let pool = ThreadPoolExecutor::builder()
        .threads(2)
        .thread_name_fn(|index| match index {
            1 => "named".to_owned(),
            _ => resume_unwind(Box::new("the namer panics")),
        })
        .build()
        .unwrap();
    let names = [(); 3].map(|()| pool.submit(|| thread::current().name().map(String::from)));
    for name in names {
        assert_eq!(name.unwrap().join().unwrap().as_deref(), Some("named"));
    }
    let stats = finish(&pool);
    assert!(stats.spawn_failures >= 1 && stats.largest_pool_size <= 2, "{stats:?}");
}

#[test]
fn factories_that_fail_now_and_then_lose_no_job_of_racing_submitters() {
    const EACH: usize = 100;
    for round in 0..repeat(10) {
        for failure in FAILURES {
            let calls = Counter::new();
            let pool = ThreadPoolExecutor::builder()
                .core_threads(round % 3)
                .max_threads(4)
                .queue(Queue::Bounded(2))
                .keep_alive(Duration::from_micros(100))
                .thread_factory(move |worker| match calls.add() % 3 {
                    0 => worker.builder().spawn(move || worker.run()),
                    _ => failure.happen(worker),
                })
                .build()
                .unwrap();
            let ledger = Ledger::new(3 * EACH);
            let submitters: Vec<_> = (0..3)
                .map(|n| {
                    let (pool, ledger) = (pool.handle(), ledger.clone());
                    helper(move || {
                        let ids = n * EACH..(n + 1) * EACH;
                        ids.filter(|id| send(&pool, &ledger, *id)).collect::<Vec<_>>()
                    })
                })
                .collect();
            let accepted: Vec<_> = submitters.into_iter().flat_map(Helper::join).collect();
            let stats = finish(&pool);
            assert_eq!(stats.completed, accepted.len() as u64, "{failure:?}");
            for id in 0..3 * EACH {
                let expected = if accepted.contains(&id) { Fate::Ran } else { Fate::Back };
                assert_eq!(ledger.fate(id), expected, "{failure:?}");
            }
        }
    }
}

/// Returns whether the pool took the job.
fn send(pool: &Handle, ledger: &Ledger, id: usize) -> bool {
    let ticket = ledger.ticket(id);
    match pool.execute(move || ticket.stamp()) {
        Ok(()) => true,
        Err(rejected) => {
            let reason = rejected.reason();
            assert!(matches!(reason, RejectReason::Saturated | RejectReason::SpawnFailed));
            Ledger::take_back(rejected.into_job());
            false
        }
    }
}

// Jobs that relied on a thread which was then refused.

/// A pool without a worker, with one job that was accepted because a thread was being started.
struct Stranded {
    pool: ThreadPoolExecutor,
    job: JobHandle<thread::ThreadId>,
    /// Once open, threads can be had again.
    recovered: Gate,
}

fn stranded() -> Stranded {
    let stranded = strand(|_| ());
    assert_eq!(stranded.pool.stats().rejected, 1, "nobody else asked for a worker");
    stranded
}

/// Does something more after the job was accepted and before the thread is refused.
fn strand(before: impl FnOnce(&ThreadPoolExecutor)) -> Stranded {
    let (asked, refused, recovered) = (Gate::new(), Gate::new(), Gate::new());
    let (first, refuse, again) = (asked.clone(), refused.clone(), recovered.clone());
    let pool = ThreadPoolExecutor::builder()
        .threads(1)
        .thread_factory(move |worker| {
            first.open();
            refuse.pass();
            if !again.is_open() {
                return Err(io::Error::other("no threads for now"));
            }
            worker.builder().spawn(move || worker.run())
        })
        .build()
        .unwrap();
    let handle = pool.handle();
    let starter = helper(move || handle.execute(|| ()).map_err(|rejected| rejected.reason()));
    asked.pass();
    let job = pool.submit(|| thread::current().id()).expect("a worker is being started");
    before(&pool);
    refused.open();
    // Unless somebody asked for another worker before the starter looked again.
    let outcome = starter.join();
    assert!(matches!(outcome, Ok(()) | Err(RejectReason::SpawnFailed)), "{outcome:?}");
    Stranded { pool, job, recovered }
}

#[test]
fn a_job_that_relied_on_a_thread_which_is_refused_stays_pending() {
    let Stranded { pool, job, recovered } = stranded();
    let stats = pool.stats();
    assert_conserved(&stats);
    assert_eq!((stats.pool_size, stats.queued, stats.active), (0, 1, 0));
    assert_eq!((stats.accepted, stats.rejected), (1, 1));
    assert_eq!(job.state(), JobState::Pending);
    recovered.open();
    assert_eq!(finish(&pool).completed, 1);
}

#[test]
fn a_stranded_job_runs_as_soon_as_the_pool_is_asked_for_something_and_threads_can_be_had() {
    type Ask = fn(&ThreadPoolExecutor);
    let asks: [Ask; 4] = [
        |pool| pool.execute(|| ()).unwrap(),
        ThreadPoolExecutor::shutdown,
        |pool| pool.wait_idle(LONG).unwrap(),
        |pool| assert!(pool.await_termination(Duration::ZERO).is_err()),
    ];
    for ask in asks {
        let Stranded { pool, job, recovered } = stranded();
        recovered.open();
        ask(&pool);
        assert_ne!(job.join().unwrap(), thread::current().id());
        finish(&pool);
    }
}

#[test]
fn who_waits_for_a_stranded_job_asks_for_a_thread_again_and_again() {
    type Wait = fn(&Handle) -> Result<(), AwaitError>;
    let waits: [Wait; 2] = [|pool| pool.wait_idle(LONG), |pool| pool.await_termination(LONG)];
    for (wait, waits_before) in waits.into_iter().flat_map(|wait| [(wait, true), (wait, false)]) {
        let mut waiter = None;
        let mut start = |pool: &ThreadPoolExecutor| {
            let handle = pool.handle();
            waiter = Some(helper(move || wait(&handle)));
            pass_time(SHORT);
        };
        let Stranded { pool, job, recovered } = if waits_before {
            strand(start)
        } else {
            let all = stranded();
            start(&all.pool);
            all
        };
        let failures = pool.stats().spawn_failures;
        eventually("it asks more than once", || pool.stats().spawn_failures > failures + 2);
        recovered.open();
        job.join().unwrap();
        pool.shutdown();
        waiter.unwrap().join().unwrap();
        finish(&pool);
    }
}

#[test]
fn waiting_for_a_stranded_job_that_gets_no_thread_times_out() {
    let Stranded { pool, job, recovered } = stranded();
    assert_eq!(pool.wait_idle(SHORT), Err(AwaitError::TimedOut));
    pool.shutdown();
    assert_eq!(pool.await_termination(SHORT), Err(AwaitError::TimedOut));
    assert_eq!((pool.phase(), job.state()), (Phase::Shutdown, JobState::Pending));
    recovered.open();
    assert_eq!(finish(&pool).completed, 1);
    job.join().unwrap();
}

#[test]
fn closing_runs_a_stranded_job_itself() {
    type End = fn(ThreadPoolExecutor);
    let ends: [End; 2] = [ThreadPoolExecutor::close, drop];
    for end in ends {
        let Stranded { pool, job, .. } = stranded();
        let handle = pool.handle();
        end(pool);
        assert_eq!(job.try_join().expect("it was run").unwrap(), thread::current().id());
        assert!(handle.is_terminated());
        assert_eq!(handle.stats().completed, 1);
        assert_conserved(&handle.stats());
    }
}

#[test]
fn a_pool_has_not_ended_while_its_closer_runs_a_stranded_job() {
    let seen = Arc::new(Mutex::new(None));
    let Stranded { pool, job, .. } = strand(|pool| {
        let (handle, seen) = (pool.handle(), Arc::clone(&seen));
        let look = move || {
            // It looks whether anything is left.
            handle.shutdown();
            *seen.lock() = Some((handle.phase(), handle.stats().active));
        };
        drop(pool.submit(look).expect("a worker is being started"));
    });
    pool.close();
    assert_eq!(*seen.lock(), Some((Phase::Shutdown, 1)));
    job.try_join().expect("it was run").unwrap();
}

#[test]
fn a_stranded_job_can_be_taken_back_or_cancelled_and_that_ends_the_pool() {
    let Stranded { pool, job, .. } = stranded();
    pool.shutdown();
    assert_eq!(job.cancel(), CancelOutcome::Removed);
    assert!(pool.is_terminated());
    assert_eq!(finish(&pool).cancelled, 1);

    let Stranded { pool, .. } = stranded();
    pool.shutdown();
    assert_eq!(pool.take_pending().len(), 1);
    assert!(pool.is_terminated());
    finish(&pool);

    let Stranded { pool, .. } = stranded();
    assert_eq!(pool.shutdown_now().len(), 1);
    assert!(pool.is_terminated());
    assert_eq!(finish(&pool).handed_back, 1);
}

#[test]
fn detaching_tells_the_handles_of_stranded_jobs() {
    let Stranded { pool, job, .. } = stranded();
    let handle = pool.handle();
    pool.detach();
    assert!(job.join().unwrap_err().is_cancelled());
    assert!(handle.is_terminated());
    assert_conserved(&handle.stats());
}

// Factories that lie.

#[test]
fn a_factory_that_returns_the_handle_of_another_thread_harms_nothing() {
    let other = Gate::new();
    let until = other.clone();
    let strangers = Counter::new();
    let count = strangers.clone();
    let pool = ThreadPoolExecutor::builder()
        .threads(2)
        .thread_factory(move |worker| {
            drop(worker.builder().spawn(move || worker.run())?);
            let (until, count) = (until.clone(), count.clone());
            Ok(thread::spawn(move || {
                until.pass();
                count.add();
            }))
        })
        .build()
        .unwrap();
    let jobs: Vec<_> = (0..10).map(|n| pool.submit(move || n).unwrap()).collect();
    assert!(jobs.into_iter().all(|job| job.join().is_ok()));
    // The strangers still run, and the pool does not wait for them.
    assert_eq!(finish(&pool).completed, 10);
    assert_eq!(strangers.get(), 0);
    other.open();
    strangers.reach(2);
}

#[test]
fn a_factory_that_runs_the_worker_and_says_that_it_failed_is_believed_to_have_run_it() {
    let pool = ThreadPoolExecutor::builder()
        .threads(1)
        .thread_factory(|worker| {
            let running = Gate::new();
            let begins = running.clone();
            // Dropped: nobody has the handle.
            drop(worker.builder().spawn(move || {
                begins.open();
                worker.run();
            })?);
            running.pass();
            Err(io::Error::other("a lie"))
        })
        .build()
        .unwrap();
    let ran = Counter::new();
    for _ in 0..10 {
        let ran = ran.clone();
        pool.execute(move || _ = ran.add()).unwrap();
    }
    let stats = finish(&pool);
    assert_eq!((ran.get(), stats.completed, stats.largest_pool_size), (10, 10, 1));
}

#[test]
fn the_end_waits_also_for_a_worker_whose_handle_nobody_has() {
    let (entered, gate, stop) = stop_point();
    let pool = ThreadPoolExecutor::builder()
        .threads(1)
        .thread_factory(|worker| {
            drop(worker.builder().spawn(move || worker.run())?);
            Err(io::Error::other("a lie"))
        })
        .on_thread_stop(move |_| stop())
        .build()
        .unwrap();
    pool.execute(|| ()).unwrap();
    pool.shutdown();
    entered.pass();
    assert_eq!(pool.await_termination(SHORT), Err(AwaitError::TimedOut));
    gate.open();
    assert_eq!(finish(&pool).completed, 1);
}

/// A factory that puts the worker aside and says what it is told to say.
fn shelving(
    shelf: &Arc<Mutex<Vec<WorkerThread>>>,
    answer: fn() -> io::Result<JoinHandle<()>>,
) -> Builder {
    let shelf = Arc::clone(shelf);
    ThreadPoolExecutor::builder().threads(1).thread_factory(move |worker| {
        shelf.lock().push(worker);
        answer()
    })
}

const ANSWERS: [fn() -> io::Result<JoinHandle<()>>; 2] =
    [|| Ok(thread::spawn(|| ())), || Err(io::Error::other("it is on the shelf"))];

#[test]
fn a_worker_that_is_run_later_takes_the_jobs_that_waited_for_it() {
    for answer in ANSWERS {
        let shelf = Arc::new(Mutex::new(Vec::new()));
        let pool = shelving(&shelf, answer).build().unwrap();
        let jobs = [(); 3].map(|()| pool.submit(|| thread::current().id()).unwrap());
        assert_conserved(&pool.stats());
        assert_eq!(pool.stats().pool_size, 1);
        pool.shutdown();
        assert_eq!(pool.await_termination(SHORT), Err(AwaitError::TimedOut));
        let worker = shelf.lock().pop().unwrap();
        assert!(shelf.lock().is_empty(), "one worker was asked for");
        let late = thread::spawn(move || worker.run());
        let id = late.thread().id();
        assert_eq!(jobs.map(|job| job.join().unwrap()), [id; 3]);
        assert_eq!(finish(&pool).completed, 3);
        late.join().unwrap();
    }
}

#[test]
fn a_worker_that_is_dropped_later_strands_nobody_who_waits() {
    for answer in ANSWERS {
        let shelf = Arc::new(Mutex::new(Vec::new()));
        let pool = shelving(&shelf, answer).build().unwrap();
        let job = pool.submit(|| thread::current().id()).unwrap();
        let handle = pool.handle();
        let waiter = helper(move || handle.wait_idle(LONG));
        pass_time(SHORT);
        let worker = shelf.lock().pop();
        drop(worker);
        eventually("a second one is asked for", || !shelf.lock().is_empty());
        assert_eq!(pool.stats().spawn_failures, 1);
        let worker = shelf.lock().pop().unwrap();
        let late = thread::spawn(move || worker.run());
        assert_eq!(job.join().unwrap(), late.thread().id());
        waiter.join().unwrap();
        finish(&pool);
        late.join().unwrap();
    }
}

#[test]
fn for_a_worker_that_is_dropped_later_another_is_asked_for_and_not_a_third() {
    for answer in ANSWERS {
        let shelf = Arc::new(Mutex::new(Vec::new()));
        let pool = shelving(&shelf, answer).build().unwrap();
        let job = pool.submit(|| ()).unwrap();
        let take = || shelf.lock().pop().expect("a worker was asked for");
        let first = take();
        drop(first);
        let second = take();
        drop(second);
        assert!(shelf.lock().is_empty(), "the next call to the pool asks");
        assert_eq!((pool.stats().spawn_failures, job.state()), (2, JobState::Pending));
        assert_eq!(pool.shutdown_now().len(), 1);
        finish(&pool);
    }
}

#[test]
fn a_worker_that_is_over_when_its_factory_fails_is_not_waited_for() {
    let pool = Own::default();
    let asking = pool.clone();
    let owner = ThreadPoolExecutor::builder()
        .threads(1)
        .thread_factory(move |worker| {
            let thread = worker.builder().spawn(move || worker.run())?;
            asking.get().expect("the pool is built").shutdown();
            thread.join().expect("the worker leaves");
            Err(io::Error::other("it is over"))
        })
        .build()
        .unwrap();
    pool.set(owner.handle());
    assert!(owner.execute(|| ()).unwrap_err().is_shutdown());
    assert_eq!(finish(&owner).rejected, 1);
    pool.clear();
}

#[test]
fn a_job_for_a_worker_that_is_being_started_does_not_wait_and_the_next_one_gets_another() {
    let (entered, leave, stop) = stop_point();
    let pool = ThreadPoolExecutor::builder()
        .core_threads(1)
        .max_threads(3)
        .growth(Growth::ThreadsFirst)
        .thread_factory(move |worker| {
            if worker.index() == 1 {
                stop();
            }
            worker.builder().spawn(move || worker.run())
        })
        .build()
        .map(Arc::new)
        .unwrap();
    let starting = Arc::clone(&pool);
    let starter = helper(move || starting.prestart_core_thread());
    entered.pass();
    let gate = Gate::new();
    let jobs = hold(&pool, &gate, 1);
    let stats = pool.stats();
    assert_eq!((stats.pool_size, stats.starting, stats.queued, stats.active), (1, 1, 1, 0));
    assert!(stats.oldest_pending.is_some());
    let more = hold(&pool, &gate, 1);
    assert_eq!(pool.stats().pool_size, 2);
    leave.open();
    assert!(starter.join().unwrap());
    jobs.reach(1);
    more.reach(1);
    gate.open();
    assert_eq!(finish(&pool).largest_pool_size, 2);
}

/// What became of a submission to a hand-off pool that has room for 100 workers, where others at once
/// took the first `thefts` that it started; and how many workers that made.
fn robbed(thefts: usize) -> (Result<(), RejectReason>, usize) {
    let (pool, gate) = (Own::default(), Gate::new());
    let (taking, blocker) = (pool.clone(), gate.clone());
    let owner = ThreadPoolExecutor::builder()
        .core_threads(0)
        .max_threads(100)
        .queue(Queue::Handoff)
        .thread_factory(move |worker| {
            let index = worker.index();
            let thread = worker.builder().spawn(move || worker.run())?;
            if index <= thefts {
                let pool = taking.get().expect("the pool is built");
                eventually("the worker is idle", || pool.stats().idle == 1);
                let blocker = blocker.clone();
                pool.execute(move || blocker.pass()).expect("the idle worker takes it");
            }
            Ok(thread)
        })
        .build()
        .unwrap();
    pool.set(owner.handle());
    let outcome = owner.execute(|| ()).map_err(|rejected| rejected.reason());
    gate.open();
    let largest = finish(&owner).largest_pool_size;
    pool.clear();
    (outcome, largest)
}

#[test]
fn a_job_is_accepted_below_the_maximum_though_others_take_the_workers_that_it_starts() {
    assert_eq!(robbed(20), (Ok(()), 21));
}

#[test]
fn a_submission_whose_new_workers_are_all_taken_gives_up_in_the_end() {
    assert_eq!(robbed(usize::MAX), (Err(RejectReason::Saturated), 32));
}

#[test]
fn a_factory_may_use_its_thread_before_and_after_the_worker() {
    let (after, done) = (Gate::new(), Counter::new());
    let (hold, count) = (after.clone(), done.clone());
    let pool = ThreadPoolExecutor::builder()
        .threads(2)
        .thread_factory(move |worker| {
            let (hold, count) = (hold.clone(), count.clone());
            worker.builder().spawn(move || {
                worker.run();
                hold.pass();
                count.add();
            })
        })
        .build()
        .unwrap();
    pool.prestart_all_core_threads().unwrap();
    pool.submit(|| ()).unwrap().join().unwrap();
    pool.shutdown();
    eventually("the workers are gone", || pool.is_terminated());
    assert_eq!(pool.await_termination(SHORT), Err(AwaitError::TimedOut), "the threads are not");
    after.open();
    pool.await_termination(LONG).unwrap();
    assert_eq!(done.get(), 2);
    finish(&pool);
}

#[test]
fn a_thread_that_panics_after_its_worker_is_joined_all_the_same() {
    let pool = ThreadPoolExecutor::builder()
        .threads(1)
        .thread_factory(|worker| {
            worker.builder().spawn(move || {
                worker.run();
                resume_unwind(Box::new("after the worker"));
            })
        })
        .build()
        .unwrap();
    assert_eq!(pool.submit(|| 7).unwrap().join().unwrap(), 7);
    assert_eq!(finish(&pool).completed, 1);
}

#[test]
fn a_factory_may_use_the_pool_that_asks_it() {
    let place = Arc::new(Mutex::new(None::<Handle>));
    let seen = Arc::clone(&place);
    let sizes = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&sizes);
    let pool = ThreadPoolExecutor::builder()
        .threads(2)
        .thread_factory(move |worker| {
            // It is called without a lock.
            let stats = seen.lock().as_ref().map(Handle::stats).unwrap();
            assert_conserved(&stats);
            noted.lock().push(stats.pool_size);
            worker.builder().spawn(move || worker.run())
        })
        .build()
        .unwrap();
    *place.lock() = Some(pool.handle());
    let gate = Gate::new();
    (0..2).for_each(|_| block_worker(&pool, &gate));
    gate.open();
    finish(&pool);
    assert_eq!(*sizes.lock(), [1, 2]);
    *place.lock() = None;
}
