//! Tests of the log as foreign code: loggers that panic, that call the pool back, whose records are
//! jobs, and lines that could be repeated without an end.
//!
//! A process has one logger, so each of these runs in a process of its own: an ignored test of this
//! module, which this program starts itself for.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::cell::RefCell;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use log::{LevelFilter, Metadata, Record};
use parking_lot::Mutex;
use workcrew::policy::{Abort, CallerRuns, Discard, DiscardOldest};
use workcrew::{
    AwaitError, Builder, DirectExecutor, ExecutorExt, Handle, JobHandle, JoinError, ManualExecutor,
    OnDrop, Queue, RejectReason, RejectionPolicy, ShutdownGroup, ShutdownOutcome, ShutdownPlan,
    ThreadPerJob, ThreadPoolExecutor, interrupt,
};

use crate::support::alone::{assert_passed, run};
use crate::support::{
    Counter, Gate, LONG, Own, assert_conserved, block_worker, eventually, finish, helper,
    pass_time, settled, single, soon,
};

/// The time between two lines of a kind that could be repeated without an end.
const SECOND: Duration = Duration::from_secs(1);

/// How often a logger has waited for a pool.
static WAITED: AtomicUsize = AtomicUsize::new(0);

/// Tests, each of which is run in a process of its own.
macro_rules! alone {
    ($(#[test] fn $name:ident() $body:block)*) => {
        $(
            #[test]
            fn $name() {
                assert_passed(&run(concat!("logging::alone::", stringify!($name))));
            }
        )*

        mod alone {
            use super::*;

            $(
                #[test]
                #[ignore = "it sets the logger; run by the test of its name, in a process of its own"]
                fn $name() $body
            )*
        }
    };
}

/// A logger that is a closure.
struct Logger<F>(F);

impl<F: Fn(&Record<'_>) + Send + Sync> log::Log for Logger<F> {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        self.0(record);
    }

    fn flush(&self) {}
}

/// Makes this the process's logger.
fn install(level: LevelFilter, logger: impl Fn(&Record<'_>) + Send + Sync + 'static) {
    log::set_boxed_logger(Box::new(Logger(logger))).expect("the only logger of this process");
    log::set_max_level(level);
}

/// Panics, and says nothing on the standard error stream, which nobody reads meanwhile.
fn blow() {
    resume_unwind(Box::new("planned"));
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        blow();
    }
}

fn refused() -> io::Error {
    io::Error::other("no thread today")
}

// Everything that is logged.

/// The pool that is tested now, for loggers that call it.
static POOL: Mutex<Option<Handle>> = Mutex::new(None);

fn build(builder: Builder) -> ThreadPoolExecutor {
    let pool = builder.build().unwrap();
    *POOL.lock() = Some(pool.handle());
    pool
}

fn threads(threads: usize) -> Builder {
    ThreadPoolExecutor::builder().threads(threads)
}

/// Has the crate write each of its lines, whatever the logger does, and checks that nothing of what
/// they are about comes to harm.
fn write_every_line() {
    let scenes: [(&str, fn()); 13] = [
        ("jobs panic", jobs_panic),
        ("workers come and go", workers_come_and_go),
        ("a quick end", a_quick_end),
        ("threads are refused", threads_are_refused),
        ("jobs are stranded", jobs_are_stranded),
        ("scopes end", scopes_end),
        ("callbacks panic", callbacks_panic),
        ("results are left behind", results_are_left_behind),
        ("hooks panic", hooks_panic),
        ("pools are dropped", pools_are_dropped),
        ("plans are carried out", plans_are_carried_out),
        ("other executors", other_executors),
        ("a thread ends", a_thread_ends),
    ];
    // What is told if one of them hangs.
    let mut shown = io::stderr();
    for (name, scene) in scenes {
        writeln!(shown, "{name}").unwrap();
        scene();
    }
    *POOL.lock() = None;
}

fn jobs_panic() {
    let pool = build(threads(2));
    let ran = Counter::new();
    for turn in 0..6 {
        let ran = ran.clone();
        let job = move || {
            if turn < 2 {
                blow();
            }
            ran.add();
        };
        pool.execute(job).unwrap();
    }
    let stats = finish(&pool);
    assert_eq!((ran.get(), stats.panicked, stats.largest_pool_size), (4, 2, 2));
}

fn workers_come_and_go() {
    let pool = build(threads(2));
    assert!(pool.prestart_all_core_threads().unwrap() <= 2);
    soon(pool.submit(|| ()).unwrap());
    pool.set_core_threads(1).unwrap();
    pool.set_max_threads(1).unwrap();
    soon(pool.submit(|| ()).unwrap());
    finish(&pool);
    let warned = ThreadPoolExecutor::builder().core_threads(1).max_threads(2);
    finish(&build(warned.queue(Queue::Unbounded)));
}

fn a_quick_end() {
    let pool = build(threads(1));
    let (running, started) = (Gate::new(), Gate::new());
    let open = started.clone();
    let sleeper = pool.submit(move || {
        open.open();
        interrupt::sleep(LONG).unwrap_err();
        running.open();
    });
    started.pass();
    let pending: Vec<_> = (0..3).map(|_| pool.submit(|| unreachable!()).unwrap()).collect();
    assert!(pool.shutdown_now().len() >= pending.len());
    soon(sleeper.unwrap());
    for handle in pending {
        assert!(matches!(settled::<()>(handle), Err(JoinError::Cancelled(_))));
    }
    finish(&pool);
}

fn threads_are_refused() {
    let fails: [fn() -> io::Error; 2] = [refused, || resume_unwind(Box::new("planned"))];
    for fail in fails {
        let pool = build(threads(2).thread_factory(move |_| Err(fail())));
        for _ in 0..3 {
            let rejected = pool.execute(|| unreachable!()).unwrap_err();
            assert_eq!(rejected.reason(), RejectReason::SpawnFailed);
            pool.prestart_core_thread().unwrap_err();
        }
        let stats = pool.stats();
        assert_conserved(&stats);
        assert_eq!((stats.pool_size, stats.accepted), (0, 0), "{stats:?}");
        assert!(stats.rejected >= 3 && stats.spawn_failures >= 6, "{stats:?}");
        finish(&pool);
    }
}

/// A job whose worker is given up, and for which the next one is refused.
fn jobs_are_stranded() {
    for on_drop in [OnDrop::Close, OnDrop::Detach] {
        let (aside, calls) = (Arc::new(Mutex::new(None)), Counter::new());
        let put_aside = Arc::clone(&aside);
        let may_start = Gate::new();
        let threads_start = may_start.clone();
        let pool = build(threads(1).on_drop(on_drop.clone()).thread_factory(move |worker| {
            if calls.add() == 1 {
                *put_aside.lock() = Some(worker);
                return Ok(thread::spawn(|| ()));
            }
            if !threads_start.is_open() {
                return Err(refused());
            }
            worker.builder().spawn(move || worker.run())
        }));
        let handle = pool.submit(|| 5).unwrap();
        let worker = aside.lock().take();
        drop(worker);
        let stats = pool.stats();
        assert_conserved(&stats);
        assert_eq!(stats.pool_size, 0, "{stats:?}");
        if matches!(on_drop, OnDrop::Detach) {
            drop(pool);
            assert!(settled(handle).unwrap_err().is_cancelled());
        } else {
            may_start.open();
            pool.wait_idle(LONG).unwrap();
            assert_eq!(soon(handle), 5);
            finish(&pool);
        }
    }
}

fn scopes_end() {
    let pool = build(threads(2));
    let ran = Counter::new();
    let explode = |pool: &Handle| {
        let panic = catch_unwind(AssertUnwindSafe(|| {
            pool.scope(|scope| {
                for turn in 0..6 {
                    let ran = &ran;
                    let job = move || {
                        if turn % 2 == 0 {
                            blow();
                        }
                        ran.add();
                    };
                    scope.execute(job).unwrap();
                }
            })
        }));
        assert_eq!(panic.unwrap_err().downcast_ref(), Some(&"planned"));
    };
    explode(&pool.handle());
    assert_eq!(ran.get(), 3);
    let own = pool.handle();
    pool.scope(|scope| scope.execute(|| explode(&own)).unwrap()).unwrap();
    assert_eq!(ran.get(), 6);
    assert_eq!(finish(&pool).panicked, 6);
}

fn callbacks_panic() {
    let pool = build(threads(1));
    let (started, called) = (Gate::new(), Gate::new());
    let (open, calls) = (started.clone(), called.clone());
    let handle = pool.submit(move || {
        let own = interrupt::current().unwrap();
        let _first = own.on_interrupt(blow);
        let _second = own.on_interrupt(move || calls.open());
        open.open();
        interrupt::sleep(LONG).unwrap_err();
        // The end of a registration would revoke it.
        called.pass();
    });
    started.pass();
    let handle = handle.unwrap();
    handle.cancel();
    settled(handle).unwrap();
    finish(&pool);
}

fn results_are_left_behind() {
    let pool = build(threads(1));
    let gate = Gate::new();
    block_worker(&pool, &gate);
    drop(pool.submit(blow).unwrap());
    drop(pool.submit(|| Bomb).unwrap());
    let late = [pool.submit(blow).unwrap(), pool.submit(blow).unwrap()];
    let bomb = pool.submit(|| Bomb).unwrap();
    let captured = Bomb;
    let cancelled = pool.submit(move || drop(captured)).unwrap();
    cancelled.cancel();
    gate.open();
    eventually("they have ended", || late.iter().all(JobHandle::is_finished) && bomb.is_finished());
    drop(late);
    drop(bomb);
    assert_eq!(soon(pool.submit(|| 7).unwrap()), 7);
    let stats = finish(&pool);
    assert_eq!((stats.panicked, stats.cancelled), (3, 1));
}

fn hooks_panic() {
    let captured = Bomb;
    let pool = build(
        threads(1)
            .on_thread_start(|_| blow())
            .before_job(|_| blow())
            .after_job(move |_, _| {
                let _held = &captured;
                blow();
            })
            .on_panic(|_| blow())
            .on_uncaught(|_| blow())
            .on_thread_stop(|_| blow())
            .on_terminated(blow),
    );
    for _ in 0..3 {
        pool.execute(|| unreachable!()).unwrap();
    }
    let stats = finish(&pool);
    assert!(stats.panicked >= 3 && stats.largest_pool_size == 1, "{stats:?}");
    *POOL.lock() = None;
    drop(pool);
}

fn pools_are_dropped() {
    let blocked = |builder: Builder| {
        let pool = build(builder);
        let started = Gate::new();
        let open = started.clone();
        pool.execute(move || {
            open.open();
            interrupt::sleep(LONG).unwrap_err();
        })
        .unwrap();
        started.pass();
        let captured = Bomb;
        let pending = pool.submit(move || drop(captured)).unwrap();
        (pool.handle(), pool, pending)
    };
    // While its owner unwinds.
    let (handle, pool, pending) = blocked(threads(1));
    let panic = catch_unwind(AssertUnwindSafe(move || {
        let _pool = pool;
        blow();
    }));
    assert!(panic.is_err());
    assert!(settled(pending).unwrap_err().is_cancelled());
    handle.await_termination(LONG).unwrap();
    // Stopped, and by a plan without a grace.
    let at_once = ShutdownPlan::new().grace(Duration::ZERO).interrupt_wait(LONG);
    for on_drop in [OnDrop::Stop, OnDrop::Plan(at_once)] {
        let (handle, pool, pending) = blocked(threads(1).on_drop(on_drop));
        drop(pool);
        assert!(settled(pending).unwrap_err().is_cancelled());
        assert!(handle.is_terminated());
        assert_conserved(&handle.stats());
    }
    // By its own job, and by a job that is interrupted while it waits.
    let pool = build(threads(1));
    let handle = pool.handle();
    handle.execute(move || drop(pool)).unwrap();
    handle.await_termination(LONG).unwrap();
    let (handle, pool, pending) = blocked(threads(1));
    let closer = single();
    let closing = closer.submit(move || pool.close()).unwrap();
    eventually("it closes", || handle.is_shutdown());
    closing.cancel();
    settled(closing).unwrap();
    assert!(settled(pending).unwrap_err().is_cancelled());
    finish(&closer);
}

fn plans_are_carried_out() {
    let pool = build(threads(1));
    soon(pool.submit(|| ()).unwrap());
    assert_eq!(pool.shutdown_with(&ShutdownPlan::new()).outcome(), ShutdownOutcome::Clean);
    let pool = build(threads(1));
    let gate = Gate::new();
    block_worker(&pool, &gate);
    let at_once = ShutdownPlan::new().budget(Duration::ZERO);
    let report = pool.shutdown_with(&at_once);
    assert_eq!(report.outcome(), ShutdownOutcome::NotTerminated);
    gate.open();
    finish(&pool);
    let pool = build(threads(1));
    let own = Own::default();
    own.set(pool.handle());
    let inside = own.clone();
    let job = move || inside.get().unwrap().shutdown_with(&ShutdownPlan::new()).outcome();
    assert_eq!(soon(pool.submit(job).unwrap()), ShutdownOutcome::NotTerminated);
    finish(&pool);
    own.clear();
    let pools = [build(threads(1)), build(threads(1))];
    let group = pools.iter().fold(ShutdownGroup::new(), |all, pool| all.add_pool(1, pool.handle()));
    assert_eq!(group.shutdown_with(&ShutdownPlan::new()).outcome(), ShutdownOutcome::Clean);
}

fn other_executors() {
    let direct = DirectExecutor::new();
    direct.execute(blow).unwrap();
    let manual = ManualExecutor::new();
    manual.execute(blow).unwrap();
    let captured = Bomb;
    manual.execute(move || drop(captured)).unwrap();
    assert_eq!(manual.run_until_idle(), 2);
    let threads = ThreadPerJob::builder().limit(2).build().unwrap();
    *POOL.lock() = Some(threads.handle());
    threads.execute(blow).unwrap();
    threads.shutdown();
    threads.await_termination(LONG).unwrap();
    assert_eq!(threads.stats().panicked, 1);
}

/// A line that is written in the destructor of a thread-local.
fn a_thread_ends() {
    thread_local!(static LAST: RefCell<Option<JobHandle<()>>> = const { RefCell::new(None) });
    let pool = build(threads(1));
    let handle = pool.submit(blow).unwrap();
    eventually("it has ended", || handle.is_finished());
    helper(move || LAST.set(Some(handle))).join();
    let handle = pool.submit(blow).unwrap();
    let keep = pool.submit(move || {
        eventually("it has ended", || handle.is_finished());
        LAST.set(Some(handle));
    });
    settled(keep.unwrap()).unwrap();
    assert_eq!(finish(&pool).panicked, 2);
}

/// What a logger may do with the pool that it is told of.
fn call_back() {
    let Some(pool) = POOL.lock().clone() else { return };
    let stats = pool.stats();
    assert_conserved(&stats);
    drop(pool.running_jobs());
    pool.execute(|| ()).ok();
    // Others could wait for a job that is held up by a gate.
    let of_pool = format!("{}-", pool.name());
    let is_worker = thread::current().name().is_some_and(|name| name.starts_with(&of_pool));
    if !(is_worker || stats.active == 0) {
        return;
    }
    if let Ok(handle) = pool.submit(|| 3) {
        handle.join().ok();
    }
}

/// Fills a pool and submits to it, which asks the policy.
fn overfill(policy: impl RejectionPolicy + 'static, lines: &Counter) {
    let pool = build(threads(1).queue(Queue::Bounded(1)).rejection_policy(policy));
    let gate = Gate::new();
    block_worker(&pool, &gate);
    pool.try_execute(|| ()).ok();
    assert_eq!(pool.stats().queued, 1, "it is full");
    let before = lines.get();
    for _ in 0..3 {
        pool.execute(|| ()).ok();
    }
    assert!(lines.get() > before, "the policy is asked");
    gate.open();
    finish(&pool);
}

/// Keeps the lines that are written.
fn install_lines(level: LevelFilter) -> Arc<Mutex<Vec<String>>> {
    let lines: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = Arc::clone(&lines);
    install(level, move |record| kept.lock().push(record.args().to_string()));
    lines
}

/// Submits this often to a pool that has no thread, and returns the lines.
fn flood(pool: &ThreadPoolExecutor, lines: &Mutex<Vec<String>>, times: usize) -> Vec<String> {
    lines.lock().clear();
    for _ in 0..times {
        assert_eq!(pool.execute(|| ()).unwrap_err().reason(), RejectReason::SpawnFailed);
    }
    lines.lock().clone()
}

alone! {
    #[test]
    fn a_logger_that_panics_at_every_line_harms_nothing() {
        install(LevelFilter::Trace, |_| resume_unwind(Box::new("the logger")));
        write_every_line();
    }

    #[test]
    fn a_logger_whose_panic_panics_when_it_is_dropped_harms_nothing() {
        install(LevelFilter::Trace, |_| resume_unwind(Box::new(Bomb)));
        write_every_line();
    }

    #[test]
    fn a_logger_may_call_the_pool_that_it_is_told_of() {
        install(LevelFilter::Trace, |_| call_back());
        write_every_line();
    }

    #[test]
    fn records_may_be_jobs_of_the_pool_that_they_are_about() {
        install(LevelFilter::Trace, |record| {
            let line = record.args().to_string();
            let pool = POOL.lock().clone();
            pool.map(|pool| pool.execute(move || drop(line)));
        });
        write_every_line();
    }

    #[test]
    fn records_may_be_jobs_of_a_full_pool() {
        let lines = Counter::new();
        let count = lines.clone();
        install(LevelFilter::Trace, move |record| {
            if record.args().to_string().contains("asks its policy") {
                count.add();
            }
            // Where a submitter runs it, its panic would be logged there.
            let pool = POOL.lock().clone();
            pool.map(|pool| pool.execute(blow));
        });
        overfill(Abort, &lines);
        overfill(CallerRuns, &lines);
        overfill(Discard, &lines);
        overfill(DiscardOldest, &lines);
    }

    #[test]
    fn what_a_thread_logs_while_it_logs_is_dropped_and_what_follows_is_not() {
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&lines);
        let direct = DirectExecutor::new();
        install(LevelFilter::Error, move |record| {
            kept.lock().push(record.args().to_string());
            // Their panics would be logged, too.
            direct.execute(blow).unwrap();
            direct.execute(blow).unwrap();
            blow();
        });
        for turn in 1..=3 {
            DirectExecutor::new().execute(blow).unwrap();
            assert_eq!(lines.lock().len(), turn);
        }
        let one = single();
        one.execute(blow).unwrap();
        finish(&one);
        assert_eq!(lines.lock().len(), 4);
    }

    #[test]
    fn a_logger_that_waits_for_the_end_that_it_is_told_of_is_not_left_waiting() {
        install(LevelFilter::Debug, |_| {
            let Some(pool) = POOL.lock().clone() else { return };
            if pool.is_shutdown() {
                assert_ne!(pool.await_termination(LONG), Err(AwaitError::TimedOut));
                let report = pool.shutdown_with(&ShutdownPlan::new());
                WAITED.fetch_add(1, Ordering::Relaxed);
                drop(report);
            }
        });
        let ends: [fn(&ThreadPoolExecutor); 4] = [
            |pool| pool.shutdown(),
            |pool| drop(pool.shutdown_now()),
            |pool| drop(pool.shutdown_with(&ShutdownPlan::new())),
            |pool| drop(pool.shutdown_with(&ShutdownPlan::new().budget(Duration::ZERO))),
        ];
        for end in ends {
            for jobs in [0, 3] {
                let before = WAITED.load(Ordering::Relaxed);
                let pool = build(threads(1));
                for _ in 0..jobs {
                    pool.execute(|| ()).unwrap();
                }
                end(&pool);
                finish(&pool);
                // Of the pool that is shut down and of its end.
                assert!(WAITED.load(Ordering::Relaxed) >= before + 2);
            }
        }
    }

    #[test]
    fn a_refused_thread_is_told_at_once_and_then_once_a_second() {
        let lines = install_lines(LevelFilter::Trace);
        let pool = threads(1).name("flooded").thread_factory(|_| Err(refused())).build().unwrap();
        let line = "pool flooded: could not start a worker thread: no thread today";
        let started = Instant::now();
        let told = flood(&pool, &lines, 5_000);
        assert_eq!(told[0], line);
        assert!(told.len() as u64 <= 1 + started.elapsed().as_secs(), "{told:?}");
        pass_time(SECOND);
        let later = flood(&pool, &lines, 1);
        let left_out = 5_000 - told.len();
        assert_eq!(later, [format!("{line} ({left_out} such lines were left out before)")]);
        // Another pool is told of at once.
        let other = threads(1).name("other").thread_factory(|_| Err(refused())).build().unwrap();
        let told = flood(&other, &lines, 1);
        assert_eq!(told, ["pool other: could not start a worker thread: no thread today"]);
    }

    #[test]
    fn a_full_pool_says_at_once_and_then_once_a_second_that_it_asks_its_policy() {
        let lines = install_lines(LevelFilter::Trace);
        let pool = threads(1).queue(Queue::Bounded(1)).build().unwrap();
        let gate = Gate::new();
        block_worker(&pool, &gate);
        pool.execute(|| ()).unwrap();
        let started = Instant::now();
        for _ in 0..5_000 {
            pool.execute(|| unreachable!()).unwrap_err();
        }
        let asked = lines.lock().iter().filter(|line| line.contains("asks its policy")).count();
        assert!(asked > 0 && asked as u64 <= 1 + started.elapsed().as_secs(), "{asked}");
        gate.open();
        finish(&pool);
    }

    #[test]
    fn a_line_names_the_module_and_the_file_that_write_it() {
        let places: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&places);
        install(LevelFilter::Debug, move |record| {
            assert!(record.line().is_some());
            let (module, file) = (record.module_path(), record.file());
            assert_eq!(module, Some(record.target()));
            kept.lock().push(format!("{} {}", module.unwrap(), file.unwrap()));
        });
        let pool = single();
        pool.execute(blow).unwrap();
        finish(&pool);
        let of = |module: &str| format!("workcrew::{module} src/{module}.rs");
        let lines = [of("hooks"), of("lifecycle"), of("lifecycle")];
        let mut written = places.lock().clone();
        written.sort();
        assert_eq!(written, lines);
    }
}
