//! A round: a pool of some shape, threads that submit, one that meddles, and an end of some kind.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use fastrand::Rng;
use parking_lot::Mutex;
use workcrew::{Handle, Job, JobHandle, Phase, PoolStats, Queue, ThreadPoolExecutor};

use crate::jobs::{self, IDS, Round, hold, run_elsewhere};
use crate::ledger::{Ledger, add};
use crate::shape::{self, mix};

/// The pool of the round that is going on, for the watchdog to tell of.
pub(crate) static POOL: Mutex<Option<Handle>> = Mutex::new(None);

/// As long as nothing that works ever takes.
const LONG: Duration = Duration::from_secs(120);

/// How a pool is brought to its end.
#[derive(Clone, Copy, Debug)]
enum End {
    Close,
    Drop,
    Shutdown,
    ShutdownNow,
    Detach,
    DropInPanic,
    DropByJob,
}

const ENDS: [End; 7] = [
    End::Close,
    End::Drop,
    End::Shutdown,
    End::ShutdownNow,
    End::Detach,
    End::DropInPanic,
    End::DropByJob,
];

/// Runs, drops or submits again what the pool gave back, there or to the other pool.
fn dispose(round: &Round, rng: &mut Rng, jobs: Vec<Job>) {
    add(&round.ledger.handed_back, jobs.len());
    hold(|| {
        for job in jobs {
            match rng.u32(..8) {
                0 => run_elsewhere(job),
                1 => drop(job),
                2..=3 => {
                    add(&round.ledger.moved, 1);
                    if round.other.execute_job(job).is_err() {
                        add(&round.ledger.rejected, 1);
                    }
                }
                _ => _ = round.count(round.pool.execute_job(job)),
            }
        }
    });
}

fn stop(round: &Round, rng: &mut Rng) {
    round.ledger.stops.store(true, Ordering::SeqCst);
    let jobs = round.pool.shutdown_now();
    dispose(round, rng, jobs);
}

/// Changes the pool while it works; what it may not become it refuses.
fn meddle(pool: &ThreadPoolExecutor, round: &Round, rng: &mut Rng) {
    match rng.u32(..16) {
        0 => _ = pool.set_core_threads(rng.usize(..5)),
        1 => _ = pool.set_max_threads(rng.usize(..7)),
        2 => _ = pool.set_threads(rng.usize(..3), rng.usize(3..6)),
        3 => _ = pool.set_keep_alive(shape::keep_alive(rng)),
        4 => _ = pool.set_queue_capacity(rng.usize(..20)),
        5 => _ = pool.allow_core_timeout(rng.bool()),
        6 => _ = pool.prestart_core_thread(),
        7 => dispose(round, rng, pool.take_pending()),
        8 => _ = pool.wait_idle(Duration::from_micros(rng.u64(..100))),
        9 => _ = pool.await_termination(Duration::from_micros(rng.u64(..50))),
        10..=12 => round.check_sum(),
        _ => thread::yield_now(),
    }
}

fn end(pool: ThreadPoolExecutor, round: &Round, rng: &mut Rng, end: End) {
    match end {
        End::Close => pool.close(),
        End::Drop => drop(pool),
        End::Shutdown => {
            pool.shutdown();
            pool.await_termination(LONG).expect("the pool ends");
        }
        End::ShutdownNow => {
            stop(round, rng);
            pool.await_termination(LONG).expect("the pool ends");
        }
        End::Detach => {
            round.ledger.drops_pending.store(true, Ordering::SeqCst);
            pool.detach();
        }
        End::DropInPanic => {
            round.ledger.stops.store(true, Ordering::SeqCst);
            round.ledger.drops_pending.store(true, Ordering::SeqCst);
            let result = catch_unwind(AssertUnwindSafe(|| {
                let _pool = pool;
                resume_unwind(Box::new("the owner's thread panics"));
            }));
            assert!(result.is_err());
        }
        End::DropByJob => {
            let mut ticket = round.ledger.last_ticket();
            let job = move || {
                ticket.stamp();
                drop(pool);
            };
            round.count(round.pool.execute(job));
        }
    }
    // Where no thread could be had, or nobody waited: this asks for one again and again.
    round.pool.await_termination(LONG).expect("the pool ends, and its threads are joined");
}

/// Jobs one after the other on a pool of one worker without a queue: who has joined one finds the
/// worker free for the next, and the books done.
pub(crate) fn relay(seed: u64, number: u64, jobs: usize) -> Vec<String> {
    let mut rng = Rng::with_seed(mix(&[seed, number, 1]));
    let pool = ThreadPoolExecutor::builder().threads(1).queue(Queue::Handoff).build();
    let pool = pool.expect("these settings go together");
    let mut objections = Vec::new();
    for job in 0..jobs as u64 {
        let is_quick = rng.bool();
        let submitted = pool.submit(move || {
            if !is_quick {
                thread::yield_now();
            }
        });
        match submitted.map(JobHandle::join) {
            Ok(Ok(())) => {}
            other => objections.push(format!("relay: job {job} ends with {other:?}")),
        }
        let stats = pool.stats();
        if (stats.completed, stats.active, stats.idle) != (job + 1, 0, 1) {
            objections.push(format!("relay: after {} joins: {stats:?}", job + 1));
        }
    }
    objections.truncate(3);
    objections
}

/// Runs a round of about this many jobs; returns how many it was, and what was wrong.
pub(crate) fn run(seed: u64, number: u64, size: usize) -> (usize, PoolStats, Vec<String>) {
    let mut rng = Rng::with_seed(mix(&[seed, number]));
    let submitters = rng.usize(1..5);
    let each = rng.usize(1..=(size / submitters).max(1));
    let ledger = Arc::new(Ledger::new(submitters * each * IDS + 1));
    let pool = shape::pool(&mut rng, &ledger);
    if rng.bool() {
        // Not if no thread can be had.
        pool.prestart_all_core_threads().ok();
    }
    let other = shape::other();
    let nests = jobs::nests(&mut rng);
    let (handle, others) = (pool.handle(), other.handle());
    *POOL.lock() = Some(handle.clone());
    let round = Round { pool: handle, other: others, ledger: Arc::clone(&ledger), nests };
    let ending = ENDS[rng.usize(..ENDS.len())];
    // In some rounds the end comes while jobs are still submitted.
    let is_early = rng.bool();
    let threads: Vec<_> = (0..submitters)
        .map(|n| {
            let (round, mut rng) = (round.clone(), rng.fork());
            thread::spawn(move || round.submit(&mut rng, n * each * IDS, each))
        })
        .collect();
    for _ in 0..rng.usize(..=each / 4) {
        meddle(&pool, &round, &mut rng);
    }
    let mut pool = Some(pool);
    if is_early {
        end(pool.take().expect("it has not ended"), &round, &mut rng, ending);
    }
    let mut panics = Vec::new();
    for thread in threads {
        panics.extend(thread.join().err().map(|_| "a submitter panicked".to_owned()));
    }
    if let Some(pool) = pool {
        end(pool, &round, &mut rng, ending);
    }
    other.close();
    let stats = round.pool.stats();
    round.check_sum();
    ledger.audit(&stats, &round.other.stats());
    let left = (stats.phase, stats.pool_size, stats.idle, stats.queued, stats.active);
    if left != (Phase::Terminated, 0, 0, 0, 0) || (stats.starting, stats.spare) != (0, 0) {
        ledger.object(format!("something is left: {stats:?}"));
    }
    panics.extend(ledger.objections());
    (submitters * each, stats, panics)
}
