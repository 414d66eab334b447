//! Counts the jobs that have run, with a counter for each worker thread.
//!
//! INVARIANT: a counter has a single writer, its thread, and a cache line of its own, so that the
//! workers of a pool never meet in what the harness adds to a job.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;
use parking_lot::Mutex;

/// How long nothing may happen before a workload is given up.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long the main thread sleeps between looks at the counters. It must not spin: it would take a
/// core from the pool.
const LOOK: Duration = Duration::from_micros(30);

type Counter = Arc<CachePadded<AtomicU64>>;

/// The counters of living threads, and the sum of those whose thread has ended.
struct Registry {
    living: Vec<Counter>,
    ended: u64,
}

static REGISTRY: Mutex<Registry> = Mutex::new(Registry { living: Vec::new(), ended: 0 });

/// A thread's place among the counters, given up when the thread ends.
struct Place(Counter);

thread_local! {
    static PLACE: Place = Place::take();
}

impl Place {
    fn take() -> Self {
        let counter = Counter::default();
        REGISTRY.lock().living.push(Arc::clone(&counter));
        Self(counter)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut registry = REGISTRY.lock();
        registry.living.retain(|counter| !Arc::ptr_eq(counter, &self.0));
        // ORDERING: this thread wrote it.
        registry.ended += self.0.load(Ordering::Relaxed);
    }
}

/// Counts one job as run. Called by the job, as the last thing it does.
#[inline]
pub(crate) fn note() {
    PLACE.with(|place| {
        // ORDERING: single writer, so the load is of this thread's own store. The store is Release
        // to pair with the Acquire in `total`: who sees the count sees what the job did.
        let run = place.0.load(Ordering::Relaxed);
        place.0.store(run + 1, Ordering::Release);
    });
}

fn total() -> u64 {
    let registry = REGISTRY.lock();
    // ORDERING: pairs with the Release in `note`.
    let living = registry.living.iter().map(|counter| counter.load(Ordering::Acquire));
    registry.ended + living.sum::<u64>()
}

/// Counts the jobs run since it was made.
#[derive(Clone, Copy)]
pub(crate) struct Tally {
    before: u64,
}

impl Tally {
    pub(crate) fn begin() -> Self {
        Self { before: total() }
    }

    pub(crate) fn run(self) -> u64 {
        total() - self.before
    }

    /// Waits until so many jobs have run and returns when that was.
    pub(crate) fn wait(self, jobs: u64) -> Instant {
        let begun = Instant::now();
        loop {
            let run = self.run();
            let now = Instant::now();
            if run >= jobs {
                return now;
            }
            assert!(now - begun < PATIENCE, "{run} of {jobs} jobs have run, and no more do");
            thread::park_timeout(LOOK);
        }
    }

    /// Checks that each job has run exactly once. Called when the pool has been stopped.
    pub(crate) fn check(self, jobs: u64) {
        assert_eq!(self.run(), jobs, "each job runs exactly once");
    }
}
