//! Tests of faults that come from outside: threads that the system refuses, panics in places where
//! nobody expects them, processes that end abruptly.
//!
//! What concerns a whole process is done in one of its own: an ignored test of this module, which
//! this program starts itself for.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::fs;
use std::io;
use std::panic::{panic_any, resume_unwind};
use std::process::{Output, exit};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use workcrew::policy::CallerRuns;
use workcrew::{
    Job, OnDrop, Queue, RejectReason, Rejected, RejectionPolicy, Saturation, ThreadPoolExecutor,
    interrupt,
};

use crate::shutdown_now::{Fate, Ledger};
use crate::support::alone::{assert_passed, run};
use crate::support::{Counter, Gate, block_worker, eventually, finish, repeat, settled};

/// Runs an ignored test of this module in a process of its own, which must not hang.
#[track_caller]
fn alone(name: &str) -> Output {
    run(&format!("faults::{name}"))
}

/// The same, of a test that has to pass.
#[track_caller]
fn passes_alone(name: &str) {
    assert_passed(&alone(name));
}

// Threads that cannot be had.

#[test]
fn threads_that_fail_at_random_cost_no_job() {
    const JOBS: usize = 200;
    for _ in 0..repeat(20) {
        let seed = fastrand::u64(..);
        let mut rng = fastrand::Rng::with_seed(seed);
        let (core, max, room) = (rng.usize(..4), rng.usize(4..8), rng.usize(..10));
        let chance = rng.f64();
        let dice = Mutex::new(rng.fork());
        let pool = ThreadPoolExecutor::builder()
            .core_threads(core)
            .max_threads(max)
            .queue(Queue::Bounded(room))
            .keep_alive(Duration::from_micros(rng.u64(..50)))
            .thread_factory(move |worker| {
                if dice.lock().f64() < chance {
                    return Err(io::Error::other("no luck"));
                }
                worker.builder().spawn(move || worker.run())
            })
            .build()
            .unwrap();
        let ledger = Ledger::new(JOBS);
        let accepted: Vec<_> = (0..JOBS)
            .map(|id| {
                let ticket = ledger.ticket(id);
                pool.execute(move || ticket.stamp())
                    .map_err(|rejected| Ledger::take_back(rejected.into_job()))
            })
            .collect();
        finish(&pool);
        for (id, accepted) in accepted.iter().enumerate() {
            let expected = if accepted.is_ok() { Fate::Ran } else { Fate::Back };
            assert_eq!(ledger.fate(id), expected, "job {id}, seed {seed}");
        }
    }
}

/// Jobs on a pool that wants more threads than there are: those that it takes run, on the threads
/// that it gets, and the others come back.
fn assert_refusals_cost_nothing(stack: usize) {
    const JOBS: usize = 100;
    const WANTED: usize = 64;
    let pool = ThreadPoolExecutor::builder()
        .threads(WANTED)
        .queue(Queue::Bounded(20))
        .stack_size(stack)
        .build()
        .unwrap();
    let (gate, ledger) = (Gate::new(), Ledger::new(JOBS));
    let submit = |id: usize| {
        let (ticket, gate) = (ledger.ticket(id), gate.clone());
        let result = pool.execute(move || {
            gate.pass();
            ticket.stamp();
        });
        result.map_err(|rejected| rejected.reason())
    };
    let results: Vec<_> = (0..JOBS).map(submit).collect();
    let stats = pool.stats();
    assert!(stats.spawn_failures > 0, "no thread was refused: {stats:?}");
    assert!((1..WANTED).contains(&stats.pool_size), "{stats:?}");
    assert_eq!(stats.active + stats.queued, stats.pool_size + 20, "{stats:?}");
    assert_eq!(stats.active + stats.starting, stats.pool_size, "{stats:?}");
    let refused = results.iter().filter(|result| result.is_err()).count();
    assert_eq!(refused, JOBS - stats.pool_size - 20);
    assert!(results.iter().filter_map(|r| r.as_ref().err()).all(|r| *r == RejectReason::Saturated));
    gate.open();
    assert_eq!(finish(&pool).completed, (JOBS - refused) as u64);
    for (id, result) in results.iter().enumerate() {
        assert_eq!(ledger.fate(id), if result.is_ok() { Fate::Ran } else { Fate::Dropped });
    }
}

#[cfg(target_os = "linux")]
mod limits {
    //! Limits that Linux sets to a process.

    use nix::sys::resource::{Resource, rlim_t, setrlimit};
    use nix::unistd::{Uid, setuid};
    use workcrew::{ShutdownPlan, ThreadPoolExecutor};

    use super::{assert_refusals_cost_nothing, eventually, fs, passes_alone, thread};
    use crate::support::LONG;

    /// Bytes of a stack of which the limit has room for few.
    const STACK: usize = if cfg!(target_pointer_width = "64") { 1 << 30 } else { 1 << 26 };

    #[test]
    fn a_limit_of_threads_costs_no_job() {
        passes_alone("limits::alone_limit_of_threads");
    }

    /// The limit is that of a user, and root is above it: a user whom nobody else is.
    #[test]
    #[ignore = "it limits the whole process; run by the test above, in one of its own"]
    fn alone_limit_of_threads() {
        if Uid::effective().is_root() {
            setuid(Uid::from_raw(54_321)).unwrap();
            setrlimit(Resource::RLIMIT_NPROC, 12, 12).unwrap();
            assert_refusals_cost_nothing(64 * 1024);
        }
    }

    #[test]
    fn a_pool_ends_also_where_no_thread_can_be_had_to_join_its_threads() {
        passes_alone("limits::alone_without_a_joiner");
    }

    #[test]
    #[ignore = "it limits the whole process; run by the test above, in one of its own"]
    fn alone_without_a_joiner() {
        if !Uid::effective().is_root() {
            return;
        }
        let pools: Vec<_> = (0..2).map(|_| ThreadPoolExecutor::fixed(2).unwrap()).collect();
        for pool in &pools {
            pool.prestart_all_core_threads().unwrap();
            pool.shutdown();
            eventually("it has ended", || pool.is_terminated());
        }
        setuid(Uid::from_raw(54_322)).unwrap();
        setrlimit(Resource::RLIMIT_NPROC, 1, 1).unwrap();
        assert!(thread::Builder::new().spawn(|| ()).is_err(), "threads can be started");
        pools[0].await_termination(LONG).unwrap();
        assert_eq!(pools[1].shutdown_with(&ShutdownPlan::new()).code(), 0);
    }

    #[test]
    fn a_limit_of_memory_costs_no_job() {
        passes_alone("limits::alone_limit_of_memory");
    }

    #[test]
    #[ignore = "it limits the whole process; run by the test above, in one of its own"]
    fn alone_limit_of_memory() {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
        let kib: rlim_t = line.trim().trim_end_matches("kB").trim().parse().unwrap();
        // Room for some stacks, and for more than the heap needs.
        let limit = kib * 1024 + 5 * rlim_t::try_from(STACK).unwrap();
        setrlimit(Resource::RLIMIT_AS, limit, limit).unwrap();
        assert_refusals_cost_nothing(STACK);
    }
}

// Panics in unlikely places.

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        resume_unwind(Box::new("a bomb"));
    }
}

#[test]
fn payloads_that_panic_when_dropped_are_contained_wherever_they_come_from() {
    let reports = Counter::new();
    let count = reports.clone();
    let turns = Counter::new();
    let pool = ThreadPoolExecutor::builder()
        .threads(1)
        .queue(Queue::Unbounded)
        .thread_name_fn(|index| if index == 1 { panic_any(Bomb) } else { format!("bomb-{index}") })
        .thread_factory(|worker| {
            if worker.index() == 2 {
                panic_any(Bomb)
            } else {
                worker.builder().spawn(|| worker.run())
            }
        })
        .on_thread_start(|_| panic_any(Bomb))
        .on_thread_stop(|_| panic_any(Bomb))
        .on_terminated(|| panic_any(Bomb))
        .before_job(move |_| {
            if turns.add() == 1 {
                panic_any(Bomb)
            }
        })
        .after_job(|_, _| panic_any(Bomb))
        .on_panic(move |_| _ = count.add())
        .build()
        .unwrap();
    for _ in 0..2 {
        assert_eq!(pool.execute(|| ()).unwrap_err().reason(), RejectReason::SpawnFailed);
    }
    pool.execute(|| unreachable!("its preparation panics")).unwrap();
    pool.execute(|| drop(interrupt::current().unwrap().on_interrupt(|| panic_any(Bomb)))).unwrap();
    let stopped = pool.submit(|| {
        let current = interrupt::current().unwrap();
        let _guard = current.on_interrupt(|| panic_any(Bomb));
        current.interrupt();
    });
    settled(stopped.unwrap()).unwrap();
    let stats = finish(&pool);
    assert_eq!((stats.spawn_failures, stats.panicked, stats.completed), (2, 1, 2), "{stats:?}");
    // The start, the first job, the ends of the other two, the stop, the pool's end.
    assert_eq!(reports.get(), 6);
}

/// A policy that is a bomb.
struct Explosive(#[allow(dead_code, reason = "it is there to be dropped")] Bomb);

impl RejectionPolicy for Explosive {
    fn rejected(&self, job: Job, saturation: &Saturation<'_>) -> Result<(), Rejected> {
        saturation.reject(job)
    }
}

/// A pool all of whose captures of the user's panic when they are dropped; nine of them, apart from
/// that of the hook that is told of it.
fn mined(reports: &Counter) -> ThreadPoolExecutor {
    let bombs: [_; 10] = std::array::from_fn(|_| Bomb);
    let [namer, factory, starts, stops, before, after, wraps, uncaught, told, policy] = bombs;
    let count = reports.clone();
    ThreadPoolExecutor::builder()
        .threads(1)
        .rejection_policy(Explosive(policy))
        .thread_name_fn(move |index| format!("{index}{}", size_of_val(&namer)))
        .thread_factory(move |worker| {
            let _ = &factory;
            worker.builder().spawn(move || worker.run())
        })
        .on_thread_start(move |_| _ = &starts)
        .on_thread_stop(move |_| _ = &stops)
        .before_job(move |_| _ = &before)
        .after_job(move |_, _| _ = &after)
        .wrap_job(move |job| {
            let _ = &wraps;
            job
        })
        .on_uncaught(move |_| _ = &uncaught)
        .on_panic(move |_| _ = (count.add(), &told))
        .build()
        .unwrap()
}

#[test]
fn panics_of_the_destructors_of_hooks_and_policy_are_reported_once() {
    let reports = Counter::new();
    let pool = mined(&reports);
    settled(pool.submit(|| ()).unwrap()).unwrap();
    pool.close();
    assert_eq!(reports.get(), 9);
}

#[test]
fn panics_of_the_destructors_of_hooks_and_policy_do_not_end_the_process() {
    passes_alone("alone_detached_mines");
}

#[test]
#[ignore = "a failure ends the whole process; run by the test above, in one of its own"]
fn alone_detached_mines() {
    for _ in 0..20 {
        let reports = Counter::new();
        let pool = mined(&reports);
        let (alive, gate) = (Arc::new(()), Gate::new());
        let (held, wait) = (Arc::clone(&alive), gate.clone());
        thread_local!(static LAST: Mutex<Option<Arc<()>>> = const { Mutex::new(None) });
        pool.execute(move || {
            LAST.with(|last| *last.lock() = Some(held));
            wait.pass();
        })
        .unwrap();
        pool.detach();
        gate.open();
        // The worker's thread is the last that has the pool.
        eventually("the thread is at its end", || Arc::strong_count(&alive) == 1);
        reports.reach(9);
    }
}

// Abrupt ends.

/// Pools that are busy in several ways: jobs that run, that wait, that are submitted, that nobody
/// will ever end.
fn busy() -> ThreadPoolExecutor {
    let pool = ThreadPoolExecutor::builder()
        .threads(3)
        .queue(Queue::Bounded(50))
        .rejection_policy(CallerRuns)
        .on_drop(OnDrop::Detach)
        .build()
        .unwrap();
    for _ in 0..2 {
        let inner = pool.handle();
        let churn = move || {
            loop {
                let handle = inner.submit(|| ()).unwrap();
                _ = handle.join();
            }
        };
        pool.execute(churn).unwrap();
    }
    let stuck = Gate::new();
    pool.execute(move || stuck.pass()).unwrap();
    pool
}

#[test]
fn a_process_that_ends_while_jobs_run_ends_at_once_and_with_its_own_code() {
    let ends = [
        ("alone_exit_from_main", 40),
        ("alone_exit_from_a_job", 41),
        ("alone_exit_from_a_thread_start", 42),
        ("alone_exit_from_the_last_hook", 43),
        ("alone_exit_while_closing", 44),
        ("alone_return_from_main", 0),
    ];
    for _ in 0..repeat(3) {
        for (name, code) in ends {
            let output = alone(name);
            assert_eq!(output.status.code(), Some(code), "{name}: {output:?}");
        }
    }
}

#[test]
#[ignore = "it ends the process; run by the test above, in one of its own"]
fn alone_exit_from_main() {
    let _pool = busy();
    exit(40);
}

#[test]
#[ignore = "it ends the process; run by the test above, in one of its own"]
fn alone_exit_from_a_job() {
    let (busy, pool) = (busy(), ThreadPoolExecutor::fixed(2).unwrap());
    pool.execute(|| exit(41)).unwrap();
    pool.close();
    busy.close();
}

#[test]
#[ignore = "it ends the process; run by the test above, in one of its own"]
fn alone_exit_from_a_thread_start() {
    let _busy = busy();
    let pool = ThreadPoolExecutor::builder().on_thread_start(|_| exit(42)).build().unwrap();
    pool.submit(|| ()).unwrap().join().unwrap();
}

#[test]
#[ignore = "it ends the process; run by the test above, in one of its own"]
fn alone_exit_from_the_last_hook() {
    let _busy = busy();
    let pool = ThreadPoolExecutor::builder().on_terminated(|| exit(43)).build().unwrap();
    pool.execute(|| ()).unwrap();
    pool.close();
}

#[test]
#[ignore = "it ends the process; run by the test above, in one of its own"]
fn alone_exit_while_closing() {
    let pool = busy();
    let closes = Arc::new(AtomicBool::new(false));
    let is_closing = Arc::clone(&closes);
    let thread = thread::spawn(move || {
        is_closing.store(true, Ordering::SeqCst);
        pool.close();
    });
    eventually("it closes", || closes.load(Ordering::SeqCst));
    drop(thread);
    exit(44);
}

#[test]
#[ignore = "it leaves a pool behind; run by the test above, in one of its own"]
fn alone_return_from_main() {
    let pool = ThreadPoolExecutor::fixed(1).unwrap();
    block_worker(&pool, &Gate::new());
    pool.detach();
}
