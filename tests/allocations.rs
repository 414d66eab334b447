//! Counts allocations, which takes an allocator of its own and so a test binary of its own.
//!
//! Counted are those of the threads that asked for it: the test's and the workers'. The test
//! harness's own threads allocate when they like.
#![expect(unsafe_code, reason = "a global allocator cannot be written without")]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use workcrew::{JobHandle, Queue, ThreadPoolExecutor};

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

/// Bytes that counted threads have allocated, less those that they have given back.
static BYTES: AtomicI64 = AtomicI64::new(0);

thread_local! {
    static IS_COUNTED: Cell<bool> = const { Cell::new(false) };
}

fn note(before: usize, after: usize) {
    if IS_COUNTED.get() {
        ALLOCATIONS.fetch_add(u64::from(after > 0), Ordering::SeqCst);
        let [before, after] = [before, after].map(|size| i64::try_from(size).unwrap_or(i64::MAX));
        BYTES.fetch_add(after - before, Ordering::SeqCst);
    }
}

// SAFETY: every call is passed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(0, layout.size());
        // SAFETY: the caller's promise is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(layout.size(), size);
        // SAFETY: the caller's promise is the same.
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        note(layout.size(), 0);
        // SAFETY: the caller's promise is the same.
        unsafe { System.dealloc(memory, layout) }
    }
}

const LONG: Duration = Duration::from_secs(60);

/// Rounds in which a pool gets used to its work, and rounds that are counted.
const ROUNDS: usize = 10;

/// Jobs of one round.
const JOBS: usize = 80;

/// Held while allocations are counted: there is one counter.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts the allocations of this thread and of all workers in `ROUNDS` calls, after as many that
/// are not counted. The least of several counts: the first time that two threads meet at a lock the
/// lock's own table is allocated, and that is not a job's.
fn count(mut round: impl FnMut()) -> u64 {
    let mut count = || {
        (0..ROUNDS).for_each(|_| round());
        IS_COUNTED.set(true);
        let before = ALLOCATIONS.load(Ordering::SeqCst);
        (0..ROUNDS).for_each(|_| round());
        let after = ALLOCATIONS.load(Ordering::SeqCst);
        IS_COUNTED.set(false);
        after - before
    };
    [count(), count(), count()].into_iter().min().unwrap()
}

/// A door that can be closed again; neither costs an allocation.
#[derive(Default)]
struct Door(Mutex<bool>, Condvar);

impl Door {
    fn open(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_all();
    }

    fn close(&self) {
        *self.0.lock().unwrap() = false;
    }

    fn pass(&self) {
        let guard = self.0.lock().unwrap();
        let (guard, waited) = self.1.wait_timeout_while(guard, LONG, |open| !*open).unwrap();
        drop(guard);
        assert!(!waited.timed_out(), "the door stayed closed");
    }
}

/// A pool of one worker that can be held up, so that jobs are queued.
struct Held {
    pool: ThreadPoolExecutor,
    doors: Arc<[Door; 3]>,
}

impl Held {
    fn new() -> Self {
        let pool = ThreadPoolExecutor::builder()
            .threads(1)
            .queue(Queue::Unbounded)
            .on_thread_start(|_| IS_COUNTED.set(true))
            .build()
            .unwrap();
        Self { pool, doors: Arc::default() }
    }

    /// Has the worker wait while `submit` submits, then run it all.
    fn queue(&self, submit: impl FnOnce(&ThreadPoolExecutor)) {
        let [running, go_on, drained] = &*self.doors;
        self.doors.iter().for_each(Door::close);
        let doors = Arc::clone(&self.doors);
        self.pool
            .execute(move || {
                doors[0].open();
                doors[1].pass();
            })
            .unwrap();
        running.pass();
        submit(&self.pool);
        self.run(|doors| doors[2].open());
        go_on.open();
        drained.pass();
    }

    fn run(&self, f: impl FnOnce(&[Door; 3]) + Send + 'static) {
        let doors = Arc::clone(&self.doors);
        self.pool.execute(move || f(&doors)).unwrap();
    }
}

/// Allocations per job of jobs that are queued with captures of `N` words, and run.
#[track_caller]
fn of_queued_jobs_with_captures<const N: usize>() -> u64 {
    let held = Held::new();
    per_job(count(|| {
        held.queue(|pool| {
            for _ in 0..JOBS {
                let captures = [1_usize; N];
                pool.execute(move || _ = black_box(captures)).unwrap();
            }
        });
    }))
}

#[track_caller]
fn per_job(total: u64) -> u64 {
    let jobs = (JOBS * ROUNDS) as u64;
    assert_eq!(total % jobs, 0, "some jobs allocate, others do not: {total} for {jobs}");
    total / jobs
}

#[test]
fn execute_allocates_nothing_for_captures_of_up_to_48_bytes() {
    let _alone = alone();
    assert_eq!(of_queued_jobs_with_captures::<0>(), 0);
    assert_eq!(of_queued_jobs_with_captures::<1>(), 0);
    assert_eq!(of_queued_jobs_with_captures::<6>(), 0);
    assert_eq!(of_queued_jobs_with_captures::<7>(), 1, "the counter counts");
}

#[test]
fn a_hand_off_to_an_idle_worker_allocates_nothing() {
    let _alone = alone();
    let held = Held::new();
    let total = count(|| {
        for _ in 0..JOBS {
            held.doors[0].close();
            held.run(|doors| doors[0].open());
            held.doors[0].pass();
            while held.pool.stats().idle == 0 {
                std::thread::yield_now();
            }
        }
    });
    assert_eq!(per_job(total), 0);
}

#[test]
fn submit_allocates_once_and_a_join_after_the_end_not_at_all() {
    let _alone = alone();
    let held = Held::new();
    let mut handles: Vec<JobHandle<[usize; 20]>> = Vec::with_capacity(JOBS);
    let total = count(|| {
        held.queue(|pool| {
            for _ in 0..JOBS {
                let captures = [7_usize; 20];
                handles.push(pool.submit(move || black_box(captures)).unwrap());
            }
        });
        for handle in handles.drain(..) {
            assert_eq!(handle.join().unwrap()[19], 7);
        }
    });
    assert_eq!(per_job(total), 1, "the cell that closure, state and result share");
}

#[test]
fn waiting_in_a_join_allocates_nothing_more() {
    let _alone = alone();
    let held = Held::new();
    let total = count(|| {
        for n in 0..JOBS {
            assert_eq!(held.pool.submit(move || n).unwrap().join().unwrap(), n);
        }
    });
    assert_eq!(per_job(total), 1);
}

#[test]
fn a_cancelled_job_costs_hardly_more_than_one_that_runs() {
    let _alone = alone();
    let held = Held::new();
    let total = count(|| {
        held.queue(|pool| {
            for _ in 0..JOBS / 2 {
                pool.submit(|| ()).unwrap().cancel();
                pool.submit(|| ()).unwrap().cancel();
            }
        });
    });
    // One for the job, and now and then some for the lists of those swept out of the queue.
    let jobs = (JOBS * ROUNDS) as u64;
    assert!((jobs..jobs + jobs / 4).contains(&total), "{total} for {jobs} jobs");
}

#[test]
fn the_memory_of_a_burst_is_given_back_by_an_idle_pool() {
    let _alone = alone();
    let held = Held::new();
    held.queue(|_| ());
    IS_COUNTED.set(true);
    let before = BYTES.load(Ordering::SeqCst);
    let more = || BYTES.load(Ordering::SeqCst) - before;
    let jobs: u32 = 500_000;
    held.queue(|pool| {
        for job in 0..jobs {
            pool.execute(move || _ = black_box(job)).unwrap();
        }
        let word = i64::try_from(size_of::<usize>()).unwrap();
        let each = (more() + i64::from(jobs) - 1) / i64::from(jobs);
        assert_eq!(each, 3 * word + 1, "bytes for each closure of a word, rounded up");
    });
    let since = Instant::now();
    while more() > 16 * 1024 {
        assert!(since.elapsed() < LONG, "{} bytes are not given back", more());
        std::thread::yield_now();
    }
    IS_COUNTED.set(false);
}
