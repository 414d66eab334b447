//! What happens while a thread that has ended is still in its very last steps: the destructor of a
//! C library's thread-specific value. To make one takes unsafe code, and so a binary of its own.
//!
//! Such a destructor runs after all of Rust's, when the pool has seen the last of the thread. A join
//! waits for it; whatever has a limit must not.
#![cfg(target_os = "linux")]
#![expect(unsafe_code, reason = "a thread-specific value of C cannot be made without")]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::ffi::c_void;
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use nix::libc;
use workcrew::{
    AwaitError, Queue, ShutdownGroup, ShutdownOutcome, ShutdownPlan, ThreadPerJob,
    ThreadPoolExecutor,
};

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(30);
const KEEP_ALIVE: Duration = Duration::from_millis(1);

#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    fn is_open(&self) -> bool {
        *self.0.0.lock().unwrap()
    }

    /// Waits until it is open, for at most `LONG`; returns whether it is.
    fn pass(&self) -> bool {
        let open = self.0.0.lock().unwrap();
        *self.0.1.wait_timeout_while(open, LONG, |open| !*open).unwrap().0
    }
}

type Step = Box<dyn FnOnce() + Send>;

fn key() -> libc::pthread_key_t {
    static KEY: OnceLock<libc::pthread_key_t> = OnceLock::new();
    *KEY.get_or_init(|| {
        let mut key = 0;
        // SAFETY: `key` can be written to, and `run_step` takes what `at_the_very_end` sets.
        let result = unsafe { libc::pthread_key_create(&raw mut key, Some(run_step)) };
        assert_eq!(result, 0, "there is room for one more key");
        key
    })
}

extern "C" fn run_step(value: *mut c_void) {
    // SAFETY: `at_the_very_end` made it of a box of this type, and a thread's destructor is called
    // once for each value.
    let step = unsafe { Box::from_raw(value.cast::<Step>()) };
    step();
}

/// Has `step` run as the last of this thread.
fn at_the_very_end(step: impl FnOnce() + Send + 'static) {
    let step: Step = Box::new(step);
    let value = Box::into_raw(Box::new(step)).cast::<c_void>();
    // SAFETY: the key was created, and never deleted.
    let result = unsafe { libc::pthread_setspecific(key(), value) };
    assert_eq!(result, 0);
}

/// A last step that can be held.
#[derive(Clone, Default)]
struct LastStep {
    begun: Gate,
    may_end: Gate,
    has_ended: Gate,
}

impl LastStep {
    /// Makes it the last step of this thread.
    fn set(&self) {
        let Self { begun, may_end, has_ended } = self.clone();
        at_the_very_end(move || {
            begun.open();
            may_end.pass();
            has_ended.open();
        });
    }

    /// What a job does that sets it.
    fn job(&self) -> impl FnOnce() + Send + 'static {
        let step = self.clone();
        move || step.set()
    }

    /// Waits until a thread is in it.
    #[track_caller]
    fn is_under_way(&self) {
        assert!(self.begun.pass() && !self.has_ended.is_open(), "no thread came there");
    }

    #[track_caller]
    fn has_not_ended(&self) {
        assert!(!self.has_ended.is_open(), "this was waited for");
    }
}

/// Lets the step end, also by a panic of the test: drops that wait come after.
struct EndsIt<'a>(&'a LastStep);

impl Drop for EndsIt<'_> {
    fn drop(&mut self) {
        self.0.may_end.open();
    }
}

/// A pool that has ended but for the last step of its only thread.
fn over_but_for(step: &LastStep) -> ThreadPoolExecutor {
    let pool = ThreadPoolExecutor::single().unwrap();
    pool.execute(step.job()).unwrap();
    pool.shutdown();
    step.is_under_way();
    let deadline = Instant::now() + LONG;
    while !pool.is_terminated() {
        assert!(Instant::now() < deadline);
        thread::yield_now();
    }
    pool
}

#[test]
fn a_wait_for_the_end_keeps_its_limit() {
    let step = LastStep::default();
    let pool = over_but_for(&step);
    let ends_it = EndsIt(&step);
    for timeout in [Duration::ZERO, SHORT] {
        assert_eq!(pool.await_termination(timeout), Err(AwaitError::TimedOut));
        step.has_not_ended();
    }
    thread::scope(|scope| {
        // These wait for the thread that was called to join it.
        let untimed = scope.spawn(|| pool.await_termination(Duration::MAX));
        let timed = scope.spawn(|| pool.await_termination(LONG));
        assert_eq!(pool.await_termination(SHORT), Err(AwaitError::TimedOut));
        step.has_not_ended();
        drop(ends_it);
        assert_eq!(untimed.join().unwrap(), Ok(()));
        assert_eq!(timed.join().unwrap(), Ok(()));
    });
    assert!(step.has_ended.is_open(), "the thread is joined");
    assert_eq!(pool.await_termination(Duration::ZERO), Ok(()));
}

#[test]
fn a_close_joins_the_threads_and_a_timed_wait_beside_it_keeps_its_limit() {
    let step = LastStep::default();
    let pool = over_but_for(&step);
    let ends_it = EndsIt(&step);
    let handle = pool.handle();
    thread::scope(|scope| {
        let closing = scope.spawn(|| {
            pool.close();
            step.has_ended.is_open()
        });
        for _ in 0..2 {
            assert_eq!(handle.await_termination(SHORT), Err(AwaitError::TimedOut));
            step.has_not_ended();
        }
        assert!(!closing.is_finished());
        drop(ends_it);
        assert!(closing.join().unwrap(), "closed before the thread was joined");
    });
    assert_eq!(handle.await_termination(Duration::ZERO), Ok(()));
}

#[test]
fn an_interrupt_ends_a_wait_for_the_last_steps() {
    let step = LastStep::default();
    let pool = over_but_for(&step);
    let _ends_it = EndsIt(&step);
    let waiting = ThreadPoolExecutor::fixed(2).unwrap();
    let (begun, handle) = (Gate::default(), pool.handle());
    for timeout in [LONG, Duration::MAX] {
        let (begins, handle) = (begun.clone(), handle.clone());
        let wait = waiting.submit(move || {
            begins.open();
            handle.await_termination(timeout)
        });
        let wait = wait.unwrap();
        assert!(begun.pass());
        wait.cancel();
        assert_eq!(wait.join().unwrap(), Err(AwaitError::Interrupted));
        step.has_not_ended();
    }
    waiting.close();
}

#[test]
fn no_call_that_starts_a_worker_joins_a_thread() {
    let step = LastStep::default();
    let pool = ThreadPoolExecutor::builder()
        .threads(1)
        .queue(Queue::Unbounded)
        .keep_alive(KEEP_ALIVE)
        .allow_core_timeout(true)
        .build()
        .unwrap();
    let ends_it = EndsIt(&step);
    pool.execute(step.job()).unwrap();
    step.is_under_way();
    // One more comes to its end, and joins the first: it is no worker any more.
    let next = pool.submit(|| ()).unwrap();
    step.has_not_ended();
    next.join().unwrap();
    pool.execute_timeout(|| (), LONG).unwrap();
    pool.prestart_all_core_threads().unwrap();
    let held = Gate::default();
    let holds = held.clone();
    pool.execute(move || _ = holds.pass()).unwrap();
    let queued = pool.submit(|| ()).unwrap();
    pool.set_threads(2, 2).unwrap();
    queued.join().unwrap();
    step.has_not_ended();
    held.open();
    pool.shutdown();
    assert_eq!(pool.await_termination(SHORT), Err(AwaitError::TimedOut));
    step.has_not_ended();
    drop(ends_it);
    assert_eq!(pool.await_termination(LONG), Ok(()));
    assert!(step.has_ended.is_open(), "the threads are joined");
}

#[test]
fn jobs_on_threads_of_their_own_do_not_wait_for_the_last_one() {
    let step = LastStep::default();
    let threads = ThreadPerJob::builder().limit(1).build().unwrap();
    let ends_it = EndsIt(&step);
    threads.execute(step.job()).unwrap();
    step.is_under_way();
    for _ in 0..3 {
        threads.submit(|| ()).unwrap().join().unwrap();
    }
    step.has_not_ended();
    let report = threads.shutdown_with(&ShutdownPlan::new().budget(SHORT));
    assert_eq!(report.outcome(), ShutdownOutcome::NotTerminated);
    step.has_not_ended();
    assert_eq!(threads.await_termination(SHORT), Err(AwaitError::TimedOut));
    step.has_not_ended();
    drop(ends_it);
    assert_eq!(threads.await_termination(LONG), Ok(()));
    assert!(step.has_ended.is_open(), "the threads are joined");
}

#[test]
fn a_plan_keeps_its_budget_and_the_drop_after_it_does_not_wait() {
    let step = LastStep::default();
    let pool = over_but_for(&step);
    let _ends_it = EndsIt(&step);
    let report = pool.shutdown_with(&ShutdownPlan::new().budget(SHORT));
    assert_eq!(report.outcome(), ShutdownOutcome::NotTerminated);
    assert!(report.unstopped().is_empty());
    step.has_not_ended();
    drop(pool);
    step.has_not_ended();
}

#[test]
fn a_group_keeps_its_budget_and_waits_for_no_last_step_of_its_helpers() {
    let (step, helpers) = (LastStep::default(), LastStep::default());
    let (pool, other) = (over_but_for(&step), ThreadPoolExecutor::single().unwrap());
    let _ends_them = [EndsIt(&step), EndsIt(&helpers)];
    let sets = helpers.clone();
    let plan = ShutdownPlan::new().budget(SHORT).on_phase(move |_| {
        if thread::current().name().is_some_and(|name| name.starts_with("stop-")) {
            sets.set();
        }
    });
    let group = ShutdownGroup::new().add_pool(1, pool.handle()).add_pool(1, other.handle());
    let report = group.shutdown_with(&plan);
    assert_eq!(report.outcome(), ShutdownOutcome::NotTerminated);
    step.has_not_ended();
    helpers.is_under_way();
}
