//! The pools of the rounds: sizes, queues, policies, hooks and factories, drawn from a seed.

use std::io;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fastrand::Rng;
use workcrew::policy::{Abort, Block, CallerRuns, Discard, DiscardOldest};
use workcrew::{Builder, Growth, Queue, ThreadPoolExecutor};

use crate::jobs::enter_other_pool;
use crate::ledger::{Ledger, add};

/// Keep-alives that a pool may have, from one that is over at once to one that never is.
const KEEP_ALIVES: [Duration; 6] = [
    Duration::ZERO,
    Duration::from_nanos(1),
    Duration::from_micros(5),
    Duration::from_micros(50),
    Duration::from_millis(1),
    Duration::MAX,
];

pub(crate) fn keep_alive(rng: &mut Rng) -> Duration {
    KEEP_ALIVES[rng.usize(..KEEP_ALIVES.len())]
}

/// A number that follows from others and looks random.
pub(crate) fn mix(parts: &[u64]) -> u64 {
    parts.iter().fold(0, |seed, part| Rng::with_seed(seed ^ part).u64(..))
}

fn with_policy(builder: Builder, rng: &mut Rng) -> Builder {
    match rng.u32(..6) {
        0 => builder.rejection_policy(Abort),
        1 => builder.rejection_policy(CallerRuns),
        2 => builder.rejection_policy(Discard),
        3 => builder.rejection_policy(DiscardOldest),
        4 => builder.rejection_policy(Block { timeout: Duration::ZERO }),
        _ => builder.rejection_policy(Block { timeout: Duration::from_millis(2) }),
    }
}

/// Hooks that panic now and then.
fn with_hooks(builder: Builder, ledger: &Arc<Ledger>, seed: u64) -> Builder {
    let calls = AtomicU64::new(0);
    let strikes = move |one_in: u64| {
        let call = calls.fetch_add(1, Ordering::SeqCst);
        mix(&[seed, call]) % one_in == 0
    };
    let strikes = Arc::new(strikes);
    let (before, after) = (Arc::clone(&strikes), Arc::clone(&strikes));
    let ledger = Arc::clone(ledger);
    builder
        .before_job(move |_| {
            if before(200) {
                add(&ledger.unprepared, 1);
                resume_unwind(Box::new("before_job"));
            }
        })
        .after_job(move |_, _| {
            if after(100) {
                resume_unwind(Box::new("after_job"));
            }
        })
        .on_thread_start(move |_| {
            if strikes(10) {
                resume_unwind(Box::new("on_thread_start"));
            }
        })
        .on_panic(|_| resume_unwind(Box::new("on_panic")))
}

/// A factory that fails one time in `one_in`, in one of three ways.
fn with_factory(builder: Builder, seed: u64, one_in: u64) -> Builder {
    let calls = AtomicU64::new(0);
    builder.thread_factory(move |worker| {
        let number = mix(&[seed, calls.fetch_add(1, Ordering::SeqCst)]);
        if number % one_in != 0 {
            return worker.builder().spawn(move || worker.run());
        }
        match number >> 32 & 3 {
            0 => resume_unwind(Box::new("the factory panics")),
            1 => {
                drop(worker);
                std::thread::Builder::new().spawn(|| ())
            }
            _ => Err(io::Error::other("no thread today")),
        }
    })
}

/// A pool for jobs that are taken out of another. It has a thread for each of them, as jobs there
/// wait for these.
pub(crate) fn other() -> ThreadPoolExecutor {
    let builder = ThreadPoolExecutor::builder()
        .name("other")
        .core_threads(0)
        .max_threads(100_000)
        .keep_alive(Duration::from_millis(1))
        .queue(Queue::Handoff)
        .on_thread_start(|_| enter_other_pool());
    builder.build().expect("these settings go together")
}

pub(crate) fn pool(rng: &mut Rng, ledger: &Arc<Ledger>) -> ThreadPoolExecutor {
    let core = rng.usize(..4);
    let max = usize::max(core, rng.usize(1..7));
    let keep_alive = keep_alive(rng);
    let queue = match rng.u32(..5) {
        0 => Queue::Handoff,
        1 => Queue::Unbounded,
        2 => Queue::Bounded(1),
        _ => Queue::Bounded(rng.usize(2..40)),
    };
    let growth = if rng.bool() { Growth::QueueFirst } else { Growth::ThreadsFirst };
    let builder = ThreadPoolExecutor::builder()
        .name("stress")
        .core_threads(core)
        .max_threads(max)
        .keep_alive(keep_alive)
        .allow_core_timeout(!keep_alive.is_zero() && rng.bool())
        .queue(queue)
        .growth(growth);
    let builder = with_policy(builder, rng);
    let seed = rng.u64(..);
    let builder = if rng.u32(..4) == 0 { with_hooks(builder, ledger, seed) } else { builder };
    let builder = match rng.u32(..6) {
        0 => with_factory(builder, seed, 2),
        1 => with_factory(builder, seed, 10),
        _ => builder,
    };
    builder.build().expect("these settings go together")
}
