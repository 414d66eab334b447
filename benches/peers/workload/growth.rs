//! From one worker to many, through the maximum size, and back by the keep-alive.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::bounded;
use workcrew::{Queue, ThreadPoolExecutor};

use super::{Scale, Setup, nanos};

/// How long a worker that is not needed stays.
const KEEP_ALIVE: Duration = Duration::from_millis(20);

/// How long the main thread sleeps between looks.
const LOOK: Duration = Duration::from_micros(50);

/// The size to grow to.
pub(crate) const GROWN: usize = 256;

fn most(setup: &Setup) -> usize {
    match setup.scale {
        Scale::Full => GROWN,
        Scale::Smoke => 16,
    }
}

pub(crate) fn grow_workcrew(setup: &Setup) -> f64 {
    let most = most(setup);
    let builder = ThreadPoolExecutor::builder().core_threads(1).max_threads(most);
    let builder = builder.queue(Queue::Handoff).keep_alive(KEEP_ALIVE);
    let pool = builder.build().expect("valid settings");
    let execute = |job: Waiting| pool.execute(|| job.run()).expect("there is a worker for each");
    let time = grow(most, execute, || pool.stats().pool_size);
    pool.close();
    time
}

pub(crate) fn grow_rusty_pool(setup: &Setup) -> f64 {
    let most = most(setup);
    let pool = rusty_pool::ThreadPool::new(1, most, KEEP_ALIVE);
    let time = grow(most, |job| pool.execute(|| job.run()), || pool.get_current_worker_count());
    pool.shutdown_join();
    time
}

/// A job that keeps its worker until the gate opens.
struct Waiting {
    arrived: Arc<AtomicUsize>,
    gate: crossbeam_channel::Receiver<()>,
}

impl Waiting {
    fn run(self) {
        // ORDERING: pairs with the Acquire in `grow`.
        self.arrived.fetch_add(1, Ordering::Release);
        // The gate opens when its sender is gone, so the receipt ends without a message.
        assert!(self.gate.recv().is_err());
    }
}

/// Occupies `most` workers at a time, releases them, and waits until one is left: milliseconds.
fn grow(most: usize, execute: impl Fn(Waiting), size: impl Fn() -> usize) -> f64 {
    let (door, gate) = bounded(0);
    let arrived = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    for _ in 0..most {
        execute(Waiting { arrived: Arc::clone(&arrived), gate: gate.clone() });
    }
    // ORDERING: pairs with the Release in `run`.
    wait_until("all jobs run at once", || arrived.load(Ordering::Acquire) == most);
    drop(door);
    wait_until("only the core is left", || size() == 1);
    nanos(begun.elapsed()) / 1e6
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(60), "not so: {what}");
        thread::park_timeout(LOOK);
    }
}
