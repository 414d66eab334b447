//! Requests that concern many jobs: all of them are told before any callback or destructor runs.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, select};
use parking_lot::Mutex;
use workcrew::interrupt::{self, Interrupt, Interrupted, RecvError, RecvTimeoutError, SendError};
use workcrew::{
    AwaitError, ExecutorExt, InvokeAllError, JoinError, ManualExecutor, OnDrop, Queue,
    RejectReason, ShutdownOutcome, ShutdownPhase, ShutdownPlan, ThreadPoolExecutor, policy,
};

use crate::support::{Counter, Gate, Helper, LONG, finish, helper, repeat, single, soon};

type Body = Box<dyn FnOnce() + Send>;

fn wait(until: &Receiver<()>) {
    until.recv().ok();
}

/// Another pool, with a job that goes on until the sender is dropped.
fn busy(policy: impl workcrew::RejectionPolicy + 'static) -> (ThreadPoolExecutor, Sender<()>) {
    let other = ThreadPoolExecutor::builder()
        .threads(1)
        .queue(Queue::Handoff)
        .rejection_policy(policy)
        .build()
        .unwrap();
    let (hold, until) = bounded::<()>(0);
    other.execute(move || wait(&until)).unwrap();
    (other, hold)
}

fn sleeps() -> bool {
    interrupt::sleep(LONG) == Err(Interrupted)
}

fn parks() -> bool {
    // A park may return for no reason.
    while interrupt::park_timeout(LONG).is_ok() {}
    true
}

fn receives() -> bool {
    let (_sender, receiver) = bounded::<()>(0);
    interrupt::recv(&receiver) == Err(RecvError::Interrupted)
}

fn receives_for_a_time() -> bool {
    let (_sender, receiver) = bounded::<()>(0);
    interrupt::recv_timeout(&receiver, LONG) == Err(RecvTimeoutError::Interrupted)
}

fn sends() -> bool {
    let (sender, _receiver) = bounded(0);
    interrupt::send(&sender, 7) == Err(SendError::Interrupted(7))
}

fn selects() -> bool {
    select! {
        recv(interrupt::current().unwrap().signal()) -> message => message.is_err(),
        default(LONG) => false,
    }
}

fn sleeps_on_a_child() -> bool {
    let child = interrupt::current().unwrap().child().child();
    child.sleep(LONG) == Err(Interrupted)
}

fn joins() -> bool {
    let pool = single();
    let (hold, until) = bounded::<()>(0);
    let handle = pool.submit(move || wait(&until)).unwrap();
    let joined = handle.join();
    drop(hold);
    matches!(joined, Err(JoinError::Interrupted))
}

fn joins_for_a_time() -> bool {
    let pool = single();
    let (hold, until) = bounded::<()>(0);
    let handle = pool.submit(move || wait(&until)).unwrap();
    let joined = handle.join_timeout(LONG);
    drop(hold);
    joined.is_err() && interrupt::is_interrupted()
}

fn joins_a_set() -> bool {
    let pool = single();
    let (hold, until) = bounded::<()>(0);
    let mut set = pool.join_set();
    set.submit(move || wait(&until)).unwrap();
    let joined = set.join_next();
    drop(hold);
    joined.is_err()
}

fn invokes_all() -> bool {
    let pool = single();
    matches!(pool.invoke_all([sleeps]), Err(InvokeAllError::Interrupted))
}

fn maps() -> bool {
    let pool = single();
    let mut results = pool.map([()], |()| sleeps());
    matches!(results.next(), Some(Err(JoinError::Interrupted)))
}

fn opens_a_scope() -> bool {
    let pool = single();
    let mut was_told = false;
    pool.scope(|scope| scope.execute(|| was_told = sleeps()).unwrap()).unwrap();
    was_told
}

fn waits_for_room() -> bool {
    let (other, _hold) = busy(policy::Abort);
    let rejected = other.execute_timeout(|| (), LONG).unwrap_err();
    rejected.reason() == RejectReason::Interrupted
}

fn waits_for_room_by_policy() -> bool {
    let (other, _hold) = busy(policy::Block { timeout: LONG });
    other.execute(|| ()).unwrap_err().reason() == RejectReason::Interrupted
}

fn waits_for_an_end() -> bool {
    let other = single();
    other.await_termination(LONG) == Err(AwaitError::Interrupted)
}

fn waits_for_a_pause() -> bool {
    let (other, _hold) = busy(policy::Abort);
    other.wait_idle(LONG) == Err(AwaitError::Interrupted)
}

/// The waits that an interrupt ends.
const WAITS: [fn() -> bool; 17] = [
    sleeps,
    parks,
    receives,
    receives_for_a_time,
    sends,
    selects,
    sleeps_on_a_child,
    joins,
    joins_for_a_time,
    joins_a_set,
    invokes_all,
    maps,
    opens_a_scope,
    waits_for_room,
    waits_for_room_by_policy,
    waits_for_an_end,
    waits_for_a_pause,
];

/// So many jobs have a callback that blocks.
const BLOCKERS: usize = 3;

/// Jobs that wait in every way, then some whose callbacks block until the gate opens.
#[derive(Clone, Default)]
struct Crowd {
    gate: Gate,
    running: Counter,
    blocked: Counter,
    told: Counter,
}

impl Crowd {
    const SIZE: usize = WAITS.len() + BLOCKERS;

    fn pool() -> ThreadPoolExecutor {
        ThreadPoolExecutor::fixed(Self::SIZE).unwrap()
    }

    fn waiting(&self, wait: fn() -> bool) -> Body {
        let Self { running, told, .. } = self.clone();
        Box::new(move || {
            running.add();
            if wait() {
                told.add();
            }
        })
    }

    fn blocking(&self) -> Body {
        let Self { gate, running, blocked, .. } = self.clone();
        Box::new(move || {
            let called = Gate::new();
            let inside = called.clone();
            let _guard = interrupt::current().unwrap().on_interrupt(move || {
                inside.open();
                blocked.add();
                gate.pass();
            });
            running.add();
            // The guard would take the call back.
            called.pass();
        })
    }

    fn jobs(&self) -> Vec<Body> {
        let waiting = WAITS.iter().map(|wait| self.waiting(*wait));
        waiting.chain((0..BLOCKERS).map(|_| self.blocking())).collect()
    }

    /// All jobs that wait are told while callbacks block.
    #[track_caller]
    fn assert_told(&self) {
        self.blocked.reach(1);
        self.told.reach(WAITS.len());
    }

    /// The same, and all callbacks are called.
    #[track_caller]
    fn assert_told_and_called(&self) {
        self.blocked.reach(BLOCKERS);
        self.told.reach(WAITS.len());
        assert!(!self.gate.is_open());
    }
}

#[test]
fn shutdown_now_tells_all_jobs_while_callbacks_block_and_returns() {
    let (pool, crowd) = (Crowd::pool(), Crowd::default());
    crowd.jobs().into_iter().for_each(|job| pool.execute(job).unwrap());
    crowd.running.reach(Crowd::SIZE);
    assert_eq!(pool.shutdown_now().len(), 0);
    crowd.assert_told_and_called();
    crowd.gate.open();
    assert_eq!(finish(&pool).completed, Crowd::SIZE as u64);
}

#[test]
fn a_job_that_stops_its_pool_is_not_held_up_by_callbacks() {
    for by_plan in [true, false] {
        let (pool, crowd) = (Crowd::pool(), Crowd::default());
        crowd.jobs().into_iter().for_each(|job| pool.execute(job).unwrap());
        crowd.running.reach(Crowd::SIZE);
        pool.set_max_threads(Crowd::SIZE + 1).unwrap();
        pool.set_core_threads(Crowd::SIZE + 1).unwrap();
        let inner = pool.handle();
        let stops = pool.submit(move || {
            if by_plan {
                drop(inner.shutdown_with(&ShutdownPlan::new().grace(Duration::ZERO)));
            } else {
                drop(inner.shutdown_now());
            }
        });
        soon(stops.unwrap());
        crowd.assert_told_and_called();
        crowd.gate.open();
        finish(&pool);
    }
}

/// Some hundred milliseconds, of which none is for the grace.
fn short_plan() -> ShutdownPlan {
    ShutdownPlan::new().grace(Duration::ZERO).budget(Duration::from_millis(300))
}

#[test]
fn a_plan_with_a_budget_reports_while_callbacks_block() {
    let (pool, crowd) = (Crowd::pool(), Crowd::default());
    crowd.jobs().into_iter().for_each(|job| pool.execute(job).unwrap());
    crowd.running.reach(Crowd::SIZE);
    let report = pool.shutdown_with(&short_plan());
    assert_eq!(report.outcome(), ShutdownOutcome::NotTerminated);
    crowd.assert_told_and_called();
    assert_eq!(report.unstopped().len(), BLOCKERS, "{report}");
    crowd.gate.open();
    finish(&pool);
}

#[test]
fn a_plan_without_time_reports_while_callbacks_block() {
    let (pool, crowd) = (Crowd::pool(), Crowd::default());
    crowd.jobs().into_iter().for_each(|job| pool.execute(job).unwrap());
    crowd.running.reach(Crowd::SIZE);
    let plan = ShutdownPlan::new().grace(Duration::ZERO).interrupt_wait(Duration::ZERO);
    assert_eq!(pool.shutdown_with(&plan).outcome(), ShutdownOutcome::NotTerminated);
    crowd.assert_told_and_called();
    crowd.gate.open();
    finish(&pool);
}

#[test]
fn a_drop_that_stops_tells_all_jobs_while_callbacks_block() {
    for on_drop in [OnDrop::Stop, OnDrop::Plan(short_plan())] {
        let crowd = Crowd::default();
        let builder = ThreadPoolExecutor::builder().threads(Crowd::SIZE);
        let pool = builder.on_drop(on_drop).build().unwrap();
        let handle = pool.handle();
        crowd.jobs().into_iter().for_each(|job| pool.execute(job).unwrap());
        crowd.running.reach(Crowd::SIZE);
        let dropper = helper(move || drop(pool));
        crowd.assert_told_and_called();
        crowd.gate.open();
        dropper.join();
        handle.await_termination(LONG).unwrap();
    }
}

#[test]
fn a_manual_executor_that_stops_tells_all_jobs_while_callbacks_block() {
    let (manual, crowd) = (ManualExecutor::new(), Crowd::default());
    crowd.jobs().into_iter().for_each(|job| manual.execute(job).unwrap());
    let runners: Vec<_> = (0..Crowd::SIZE)
        .map(|_| {
            let manual = manual.clone();
            helper(move || assert!(manual.run_next()))
        })
        .collect();
    crowd.running.reach(Crowd::SIZE);
    assert_eq!(manual.shutdown_now().len(), 0);
    crowd.assert_told_and_called();
    crowd.gate.open();
    runners.into_iter().for_each(Helper::join);
}

#[test]
fn a_set_that_is_cancelled_or_dropped_tells_all_jobs_before_a_callback() {
    for by_drop in [false, true] {
        let (pool, crowd) = (Crowd::pool(), Crowd::default());
        let mut set = pool.join_set();
        // The youngest are the first to be cancelled.
        crowd.jobs().into_iter().for_each(|job| _ = set.submit(job).unwrap());
        crowd.running.reach(Crowd::SIZE);
        let canceller = helper(move || {
            if by_drop {
                drop(set);
            } else {
                set.cancel_all();
                set.detach_all();
            }
        });
        crowd.assert_told();
        crowd.gate.open();
        canceller.join();
        assert_eq!(finish(&pool).completed, Crowd::SIZE as u64);
    }
}

#[test]
fn a_scope_that_is_given_up_or_interrupted_tells_all_jobs_before_a_callback() {
    for by_panic in [true, false] {
        let (pool, crowd) = (Crowd::pool(), Crowd::default());
        let (inner, all) = (pool.handle(), crowd.clone());
        let opener = helper(move || {
            inner.scope(|scope| {
                all.jobs().into_iter().for_each(|job| scope.execute(job).unwrap());
                all.running.reach(Crowd::SIZE);
                if by_panic {
                    resume_unwind(Box::new("given up"));
                }
                scope.interrupt().interrupt();
            })
        });
        crowd.assert_told();
        crowd.gate.open();
        let ended = catch_unwind(AssertUnwindSafe(|| opener.join()));
        assert_eq!(ended.is_err(), by_panic);
        finish(&pool);
    }
}

#[test]
fn the_losers_of_invoke_any_are_all_told_before_a_callback() {
    let pool = ThreadPoolExecutor::fixed(Crowd::SIZE + 1).unwrap();
    let crowd = Crowd::default();
    let (inner, all) = (pool.handle(), crowd.clone());
    let invoker = helper(move || {
        let losers = all.jobs().into_iter().map(|job| {
            Box::new(move || {
                job();
                Err(())
            }) as Box<dyn FnOnce() -> Result<u32, ()> + Send>
        });
        let running = all.running.clone();
        let winner = Box::new(move || {
            running.reach(Crowd::SIZE);
            Ok(7_u32)
        });
        inner.invoke_any(losers.chain([winner as Box<_>])).unwrap()
    });
    crowd.assert_told();
    crowd.gate.open();
    assert_eq!(invoker.join(), 7);
    finish(&pool);
}

#[test]
fn a_map_that_is_dropped_tells_all_jobs_before_a_callback() {
    let (pool, crowd) = (Crowd::pool(), Crowd::default());
    // The first result makes it go on to its drop.
    let jobs = [Box::new(|| ()) as Body].into_iter().chain(crowd.jobs());
    let mut results = pool.map(jobs, |job: Body| job()).look_ahead(Crowd::SIZE + 1);
    results.next().unwrap().unwrap();
    crowd.running.reach(Crowd::SIZE);
    let dropper = helper(move || drop(results));
    crowd.assert_told();
    crowd.gate.open();
    dropper.join();
    finish(&pool);
}

#[test]
fn of_ten_jobs_with_callbacks_nine_are_called_while_one_blocks() {
    let pool = ThreadPoolExecutor::fixed(10).unwrap();
    let (gate, running, called) = (Gate::new(), Counter::new(), Counter::new());
    for number in 0..10 {
        let (gate, running, called) = (gate.clone(), running.clone(), called.clone());
        let job = move || {
            let over = Gate::new();
            let ends = over.clone();
            let _guard = interrupt::current().unwrap().on_interrupt(move || {
                ends.open();
                if number == 4 {
                    gate.pass();
                }
                called.add();
            });
            running.add();
            over.pass();
        };
        pool.execute(job).unwrap();
    }
    running.reach(10);
    assert_eq!(pool.shutdown_now().len(), 0);
    called.reach(9);
    assert!(!gate.is_open());
    gate.open();
    finish(&pool);
    assert_eq!(called.get(), 10);
}

#[test]
fn quick_callbacks_have_run_when_shutdown_now_returns() {
    // It waits for a moment that they do not need, whatever a busy machine makes of one of them.
    let rounds = repeat(20);
    let mut in_time = 0;
    for _ in 0..rounds {
        let pool = single();
        let (running, called) = (Gate::new(), Gate::new());
        let (started, calls) = (running.clone(), called.clone());
        let job = move || {
            let over = Gate::new();
            let ends = over.clone();
            let _guard = interrupt::current().unwrap().on_interrupt(move || {
                calls.open();
                ends.open();
            });
            started.open();
            over.pass();
        };
        pool.execute(job).unwrap();
        running.pass();
        assert_eq!(pool.shutdown_now().len(), 0);
        in_time += usize::from(called.is_open());
        finish(&pool);
    }
    assert!(in_time > 0, "none of {rounds}");
}

#[test]
fn a_callback_on_a_helper_may_use_its_pool_and_cannot_wait_for_it() {
    let pool = single();
    let running = Gate::new();
    let (started, inner) = (running.clone(), pool.handle());
    let (sender, receiver) = bounded(1);
    let job = move || {
        let over = Gate::new();
        let ends = over.clone();
        let _guard = interrupt::current().unwrap().on_interrupt(move || {
            assert_eq!(inner.shutdown_now().len(), 0);
            let seen = (inner.stats().active, inner.await_termination(LONG));
            sender.send(seen).unwrap();
            ends.open();
        });
        started.open();
        over.pass();
    };
    pool.execute(job).unwrap();
    running.pass();
    assert_eq!(pool.shutdown_now().len(), 0);
    assert_eq!(receiver.recv_timeout(LONG), Ok((1, Err(AwaitError::FromWorker))));
    finish(&pool);
}

#[test]
fn callbacks_of_one_interrupt_are_called_after_all_flags_and_signals() {
    let root = Interrupt::new();
    let below: Vec<_> = (0..5).map(|_| root.child().child()).collect();
    let signals: Vec<_> = below.iter().map(Interrupt::signal).collect();
    let told = Arc::new(Mutex::new(Vec::new()));
    let _guards: Vec<_> = [root.clone()]
        .iter()
        .chain(&below)
        .map(|own| {
            let (below, signals, told) = (below.clone(), signals.clone(), Arc::clone(&told));
            own.on_interrupt(move || {
                let flags = below.iter().filter(|other| other.is_interrupted()).count();
                let gone = |signal: &&Receiver<_>| {
                    signal.try_recv().is_err_and(|error| error.is_disconnected())
                };
                told.lock().push((flags, signals.iter().filter(gone).count()));
            })
        })
        .collect();
    root.interrupt();
    assert_eq!(*told.lock(), [(5, 5); 6]);
}

#[test]
fn a_plan_is_hurried_while_a_callback_of_what_hurries_it_blocks() {
    let pool = single();
    let (running, hurry) = (Gate::new(), Interrupt::new());
    let started = running.clone();
    pool.execute(move || {
        started.open();
        assert!(sleeps());
    })
    .unwrap();
    running.pass();
    let (gate, called) = (Gate::new(), Gate::new());
    let _guards = [(); 4].map(|()| {
        let (passed, opens) = (gate.clone(), called.clone());
        hurry.on_interrupt(move || {
            opens.open();
            passed.pass();
        })
    });
    let (sender, receiver) = bounded(1);
    let plan = ShutdownPlan::new().grace(LONG).hurried_by(&hurry).on_phase(move |phase| {
        if phase == ShutdownPhase::Refusing {
            sender.send(()).unwrap();
        }
    });
    let inner = pool.handle();
    let planner = helper(move || {
        let start = Instant::now();
        (inner.shutdown_with(&plan).outcome(), start.elapsed() < LONG / 2)
    });
    receiver.recv_timeout(LONG).unwrap();
    let setter = helper(move || hurry.interrupt());
    called.pass();
    assert_eq!(planner.join(), (ShutdownOutcome::Interrupted, true));
    gate.open();
    setter.join();
}

// Destructors are code of the user's too.

/// Blocks at the gate when it is dropped.
struct Blocking {
    gate: Gate,
    reached: Counter,
}

impl Drop for Blocking {
    fn drop(&mut self) {
        self.reached.add();
        self.gate.pass();
    }
}

/// Two jobs that sleep, and behind them some pending ones whose captures block where they go.
struct Behind {
    crowd: Crowd,
    jobs: Vec<Body>,
    reached: Counter,
}

impl Behind {
    fn new() -> Self {
        let (crowd, reached) = (Crowd::default(), Counter::new());
        let pending = (0..2).map(|_| {
            let captured = Blocking { gate: crowd.gate.clone(), reached: reached.clone() };
            Box::new(move || drop(captured)) as Body
        });
        let jobs = [crowd.waiting(sleeps), crowd.waiting(sleeps)].into_iter().chain(pending);
        Self { jobs: jobs.collect(), crowd, reached }
    }

    /// The jobs that run are told while a destructor blocks.
    #[track_caller]
    fn assert_told(&self) {
        self.reached.reach(1);
        self.crowd.told.reach(2);
        assert!(!self.crowd.gate.is_open());
        self.crowd.gate.open();
    }
}

#[test]
fn captures_that_block_where_a_set_is_cancelled_keep_nobody_from_being_told() {
    for by_drop in [false, true] {
        let pool = ThreadPoolExecutor::fixed(2).unwrap();
        let mut behind = Behind::new();
        let mut set = pool.join_set();
        behind.jobs.drain(..).for_each(|job| _ = set.submit(job).unwrap());
        behind.crowd.running.reach(2);
        let canceller = helper(move || {
            if !by_drop {
                set.cancel_all();
            }
        });
        behind.assert_told();
        canceller.join();
        let stats = finish(&pool);
        assert_eq!((stats.completed, stats.cancelled), (2, 2));
    }
}

#[test]
fn captures_that_block_where_a_scope_is_given_up_keep_nobody_from_being_told() {
    let pool = ThreadPoolExecutor::fixed(2).unwrap();
    let mut behind = Behind::new();
    let (inner, jobs) = (pool.handle(), std::mem::take(&mut behind.jobs));
    let running = behind.crowd.running.clone();
    let opener = helper(move || {
        catch_unwind(AssertUnwindSafe(|| {
            inner.scope(|scope| {
                for job in jobs {
                    scope.execute(job).unwrap();
                }
                running.reach(2);
                resume_unwind(Box::new("given up"));
            })
        }))
        .is_err()
    });
    behind.assert_told();
    assert!(opener.join());
    let stats = finish(&pool);
    assert_eq!((stats.completed, stats.cancelled), (2, 2));
}

#[test]
fn items_that_block_where_a_map_is_dropped_keep_nobody_from_being_told() {
    // In the second round the last job has found no room in the pool.
    for capacity in [2, 1] {
        let builder = ThreadPoolExecutor::builder().threads(2);
        let pool = builder.queue(Queue::Bounded(capacity)).build().unwrap();
        let mut behind = Behind::new();
        let jobs = std::mem::take(&mut behind.jobs);
        let (first, ran) = (Gate::new(), Counter::new());
        let (passes, count) = (first.clone(), ran.clone());
        // `next` returns with the first result, when the others are on their way.
        let quick: Body = Box::new(move || {
            passes.pass();
            count.add();
        });
        let jobs = [quick].into_iter().chain(jobs);
        let mut results = pool.map(jobs, |job: Body| job()).look_ahead(5);
        first.open();
        results.next().unwrap().unwrap();
        behind.crowd.running.reach(2);
        let dropper = helper(move || drop(results));
        behind.assert_told();
        dropper.join();
        assert_eq!(finish(&pool).completed, 3);
    }
}

#[test]
fn captures_that_block_where_a_job_is_handed_back_keep_nobody_from_being_told() {
    let pool = ThreadPoolExecutor::fixed(2).unwrap();
    let mut behind = Behind::new();
    let (inner, jobs) = (pool.handle(), std::mem::take(&mut behind.jobs));
    // A scope that waits for its end drops what is handed back, on the thread that hands it back.
    let opener = helper(move || {
        inner.scope(|scope| jobs.into_iter().for_each(|job| scope.execute(job).unwrap())).is_err()
    });
    behind.crowd.running.reach(2);
    let stopper = pool.handle();
    let stopper = helper(move || drop(stopper.shutdown_now()));
    behind.assert_told();
    stopper.join();
    assert!(opener.join());
    finish(&pool);
}

#[cfg(target_os = "linux")]
mod refused {
    //! Helpers that the operating system refuses, to a process of its own.

    use std::fs;
    use std::thread;

    use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};

    use super::*;
    use crate::support::alone::{assert_passed, command};

    #[test]
    fn where_no_helper_can_be_had_the_stopping_thread_makes_the_calls() {
        assert_passed(&command("interrupt_all::refused::alone_without_helpers").output().unwrap());
    }

    #[test]
    #[ignore = "it limits the whole process; run by the test above, in one of its own"]
    fn alone_without_helpers() {
        const JOBS: usize = 3;
        let pool = ThreadPoolExecutor::fixed(JOBS).unwrap();
        let running = Counter::new();
        let called = Arc::new(Mutex::new(Vec::with_capacity(JOBS)));
        for _ in 0..JOBS {
            let (running, called) = (running.clone(), Arc::clone(&called));
            let job = move || {
                let over = Gate::new();
                let ends = over.clone();
                let _guard = interrupt::current().unwrap().on_interrupt(move || {
                    called.lock().push(thread::current().id());
                    ends.open();
                });
                running.add();
                over.pass();
            };
            pool.execute(job).unwrap();
        }
        running.reach(JOBS);
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
        let kib: rlim_t = line.trim().trim_end_matches("kB").trim().parse().unwrap();
        // Room for the heap, and for no stack.
        let (_, hard) = getrlimit(Resource::RLIMIT_AS).unwrap();
        setrlimit(Resource::RLIMIT_AS, (kib + 512) * 1024, hard).unwrap();
        let pending = pool.shutdown_now();
        setrlimit(Resource::RLIMIT_AS, hard, hard).unwrap();
        assert_eq!(pending.len(), 0);
        assert_eq!(*called.lock(), [thread::current().id(); JOBS]);
        finish(&pool);
    }
}
