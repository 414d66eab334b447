//! Owns what the models have in common. A model is a small program of the real pool, of which loom
//! runs every order of steps with at most so many preemptions; see `tests/PROOF.md`.
//!
//! A `Count` is of the standard library: adding to it is no step of the model, so it is for what is
//! looked at in the end. A `Mark` is a step, for what must not be seen too early or too late.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::sync::{Arc, AtomicU64};
use crate::{Builder, Phase, PoolStats, Queue, ThreadPoolExecutor};

mod ends; // shutdown and shutdown_now
mod handles; // cancel, start, join, drop
mod interrupts; // whom an interrupt reaches
mod workers; // jobs and workers that come and go
mod waits; // threads that wait for jobs, and spares

/// How long an idle worker stays in the models in which it leaves.
const KEEP_ALIVE: Duration = Duration::from_secs(1);

/// In words. The generator's own is too small for a worker.
const STACK: usize = 0x4000;

/// Runs the model in every order of its steps with at most `bound` preemptions, or as many as
/// `WORKCREW_LOOM_PREEMPTIONS` says, and reports how many there were.
#[expect(clippy::print_stdout, reason = "the figures for tests/PROOF.md")]
fn explore(name: &str, bound: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    let bound = std::env::var("WORKCREW_LOOM_PREEMPTIONS")
        .map_or(bound, |bound| bound.parse().expect("WORKCREW_LOOM_PREEMPTIONS is a number"));
    builder.preemption_bound = Some(bound);
    builder.max_branches = 20_000;
    let began = Instant::now();
    let count = Count::default();
    let counted = count.clone();
    builder.check(move || {
        counted.add();
        model();
    });
    let took = began.elapsed();
    println!("{name}: {} executions, bound {bound}, {took:.1?}", count.get());
}

/// A number of the model's own.
#[derive(Clone, Default)]
struct Count(Arc<AtomicUsize>);

impl Count {
    fn add(&self) {
        self.next();
    }

    /// Adds one and returns how many there were.
    fn next(&self) -> usize {
        // ORDERING: loom runs one thread at a time.
        self.0.fetch_add(1, Ordering::Relaxed)
    }

    fn get(&self) -> usize {
        // ORDERING: as in `next`.
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Clone, Default)]
struct Mark(Arc<AtomicU64>);

impl Mark {
    fn add(&self) {
        // ORDERING: what came before the mark is seen by who sees it.
        self.0.fetch_add(1, Ordering::AcqRel);
    }

    fn get(&self) -> u64 {
        // ORDERING: pairs with `add`.
        self.0.load(Ordering::Acquire)
    }
}

/// Counts its end.
struct Dropped(Mark);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.add();
    }
}

fn configure(threads: usize, queue: Queue) -> Builder {
    Builder::new().name("model").threads(threads).queue(queue).stack_size(STACK)
}

fn pool(threads: usize) -> ThreadPoolExecutor {
    configure(threads, Queue::Unbounded).build().expect("valid settings")
}

fn spawn(f: impl FnOnce() + Send + 'static) -> loom::thread::JoinHandle<()> {
    loom::thread::Builder::new().stack_size(STACK).spawn(f).expect("loom starts every thread")
}

/// Waits for the pool's end, and looks at what is left of it.
fn end(pool: ThreadPoolExecutor) -> PoolStats {
    pool.shutdown();
    pool.await_termination(Duration::MAX).expect("no worker and no job calls this");
    let stats = pool.stats();
    assert_eq!(stats.phase, Phase::Terminated);
    assert_eq!((stats.pool_size, stats.idle, stats.active, stats.queued), (0, 0, 0, 0));
    assert_eq!((stats.starting, stats.spare), (0, 0));
    let over = stats.completed + stats.panicked + stats.cancelled + stats.handed_back;
    assert_eq!(stats.submitted, stats.rejected + over + stats.discarded);
    drop(pool);
    stats
}
