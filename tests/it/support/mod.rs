//! What the tests wait with, and how they end: gates, latches, named delays, helper threads that
//! are joined, and repetition.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use workcrew::{Handle, JobHandle, JobState, JoinError, PoolStats, ThreadPoolExecutor};

pub(crate) mod alone; // tests in processes of their own

/// As long as nothing that works ever takes.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// Short, but long enough for a thread that is about to do the wrong thing to do it. A test whose
/// only proof is that nothing happened within it can miss a defect, never report one that is not.
pub(crate) const SHORT: Duration = Duration::from_millis(30);

/// A keep-alive that a test waits out.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_millis(20);

/// A stack for which no machine has room; a process of 32 bits on a system of 64 has almost 4 GiB.
pub(crate) const HUGE: usize =
    if cfg!(target_pointer_width = "64") { usize::MAX / 4 } else { usize::MAX / 16 * 15 };

/// A door that is closed until somebody opens it for good.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn open(&self) {
        *self.0.0.lock() = true;
        self.0.1.notify_all();
    }

    /// Waits until it is open; panics after `LONG`.
    pub(crate) fn pass(&self) {
        let mut open = self.0.0.lock();
        let deadline = Instant::now() + LONG;
        while !*open {
            assert!(
                !self.0.1.wait_until(&mut open, deadline).timed_out(),
                "the gate stayed closed"
            );
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        *self.0.0.lock()
    }
}

/// A place at which a hook or a job can be stopped: the gate that opens when it has come there, the
/// gate that it waits at, and what it has to call.
pub(crate) fn stop_point() -> (Gate, Gate, impl Fn() + Clone + Send + Sync + 'static) {
    let (entered, leave) = (Gate::new(), Gate::new());
    let (inside, may_leave) = (entered.clone(), leave.clone());
    let stop = move || {
        inside.open();
        may_leave.pass();
    };
    (entered, leave, stop)
}

/// Counts up, and lets threads wait for a number.
#[derive(Clone, Default)]
pub(crate) struct Counter(Arc<(Mutex<usize>, Condvar)>);

impl Counter {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn add(&self) -> usize {
        let mut count = self.0.0.lock();
        *count += 1;
        self.0.1.notify_all();
        *count
    }

    pub(crate) fn get(&self) -> usize {
        *self.0.0.lock()
    }

    /// Waits until it is at least this; panics after `LONG`.
    pub(crate) fn reach(&self, at_least: usize) {
        let mut count = self.0.0.lock();
        let deadline = Instant::now() + LONG;
        while *count < at_least {
            assert!(
                !self.0.1.wait_until(&mut count, deadline).timed_out(),
                "the counter stayed at {count}, below {at_least}"
            );
        }
    }
}

/// Waits until `condition` holds, for what no handle or latch tells; panics after `LONG`.
#[track_caller]
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !condition() {
        assert!(Instant::now() < deadline, "never came true: {what}");
        #[expect(clippy::disallowed_methods, reason = "the poll behind `eventually`")]
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Lets time pass: for tests whose subject is that time alone changes something, or nothing.
pub(crate) fn pass_time(duration: Duration) {
    #[expect(clippy::disallowed_methods, reason = "the subject is the passing of time")]
    std::thread::sleep(duration);
}

/// A pool's handle for code that the pool itself keeps. Who set it clears it when the pool has ended:
/// until then, pool and handle keep each other in memory.
#[derive(Clone, Default)]
pub(crate) struct Own(Arc<Mutex<Option<Handle>>>);

impl Own {
    pub(crate) fn set(&self, handle: Handle) {
        *self.0.lock() = Some(handle);
    }

    pub(crate) fn get(&self) -> Option<Handle> {
        self.0.lock().clone()
    }

    pub(crate) fn clear(&self) {
        let handle = self.0.lock().take();
        drop(handle);
    }
}

/// A helper thread; joined on drop, and its panic is the test's.
pub(crate) struct Helper<T>(Option<JoinHandle<T>>);

pub(crate) fn helper<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> Helper<T> {
    Helper(Some(std::thread::spawn(f)))
}

impl<T> Helper<T> {
    pub(crate) fn join(mut self) -> T {
        match self.0.take().expect("joined once").join() {
            Ok(value) => value,
            Err(payload) => resume_unwind(payload),
        }
    }
}

impl<T> Drop for Helper<T> {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            let result = thread.join();
            if let (Err(payload), false) = (result, std::thread::panicking()) {
                resume_unwind(payload);
            }
        }
    }
}

/// How often a racy test repeats itself: `normal` times, or what `WORKCREW_REPEAT` multiplies it by.
pub(crate) fn repeat(normal: usize) -> usize {
    let factor = std::env::var("WORKCREW_REPEAT").ok().and_then(|text| text.parse().ok());
    normal * factor.unwrap_or(1)
}

/// The conservation sum of every snapshot.
#[track_caller]
pub(crate) fn assert_conserved(stats: &PoolStats) {
    let sum = stats.rejected
        + stats.queued as u64
        + stats.active as u64
        + stats.completed
        + stats.panicked
        + stats.cancelled
        + stats.handed_back
        + stats.discarded;
    assert_eq!(stats.submitted, sum, "a job is missing or counted twice: {stats:?}");
    assert_eq!(stats.accepted, stats.submitted - stats.rejected, "{stats:?}");
}

pub(crate) fn single() -> ThreadPoolExecutor {
    ThreadPoolExecutor::single().expect("a pool of one thread")
}

/// How the job ended, or a panic where it does not end.
#[track_caller]
pub(crate) fn settled<T>(handle: JobHandle<T>) -> Result<T, JoinError> {
    handle.join_timeout(LONG).expect("the handle settles")
}

/// The result, or a panic where no result comes.
#[track_caller]
pub(crate) fn soon<T>(handle: JobHandle<T>) -> T {
    settled(handle).expect("the job returns")
}

#[track_caller]
pub(crate) fn assert_cancelled<T>(handle: JobHandle<T>) {
    assert_eq!(handle.state(), JobState::Cancelled, "settled at once");
    assert!(handle.is_finished());
    assert!(handle.done().recv().is_err(), "its channel is disconnected");
    let result = settled(handle);
    assert!(result.is_err_and(|error| error.is_cancelled()), "not cancelled");
}

/// Submits jobs that count themselves when they start, and end when the gate opens.
pub(crate) fn hold(pool: &ThreadPoolExecutor, gate: &Gate, jobs: usize) -> Counter {
    let started = Counter::new();
    for _ in 0..jobs {
        let (started, gate) = (started.clone(), gate.clone());
        pool.execute(move || {
            started.add();
            gate.pass();
        })
        .expect("there is room for a blocker");
    }
    started
}

/// Occupies a worker until the gate opens; returns once the job runs.
pub(crate) fn block_worker(pool: &ThreadPoolExecutor, gate: &Gate) {
    let running = Gate::new();
    let (started, gate) = (running.clone(), gate.clone());
    pool.execute(move || {
        started.open();
        gate.pass();
    })
    .expect("the blocker is accepted");
    running.pass();
}

/// Shuts down and waits for the end, and checks the books.
#[track_caller]
pub(crate) fn finish(pool: &ThreadPoolExecutor) -> PoolStats {
    pool.shutdown();
    pool.await_termination(LONG).expect("the pool ends");
    let stats = pool.stats();
    assert_conserved(&stats);
    assert_eq!(
        (stats.queued, stats.active, stats.idle, stats.pool_size),
        (0, 0, 0, 0),
        "{stats:?}"
    );
    stats
}
