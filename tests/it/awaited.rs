//! Handles that are awaited by asynchronous code.

use std::future::{Future, IntoFuture};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, ThreadId};

use parking_lot::Mutex;
use workcrew::{
    CancelOutcome, CancelReason, DirectExecutor, Executor, ExecutorExt, JobFuture, JobHandle,
    JoinError, ManualExecutor, ThreadPerJob, ThreadPoolExecutor, interrupt,
};

use crate::support::{Counter, Gate, Own, SHORT, block_worker, finish, pass_time, single, soon};

/// A waker that counts, does something, and remembers where it was called.
#[derive(Default)]
struct Bell {
    rings: Counter,
    threads: Mutex<Vec<ThreadId>>,
    also: Option<Box<dyn Fn() + Send + Sync>>,
}

impl Bell {
    fn new(also: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { also: Some(Box::new(also)), ..Self::default() })
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.threads.lock().push(thread::current().id());
        self.rings.add();
        if let Some(also) = &self.also {
            also();
        }
    }
}

fn poll<T>(future: &mut JobFuture<T>, bell: &Arc<Bell>) -> Poll<Result<T, JoinError>> {
    let waker = Waker::from(Arc::clone(bell));
    pin!(future).poll(&mut Context::from_waker(&waker))
}

fn ready<T>(poll: Poll<Result<T, JoinError>>) -> Result<T, JoinError> {
    match poll {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("the job has ended"),
    }
}

/// Awaits the handle by a future that wakes its task once.
fn awaited<T>(handle: JobHandle<T>) -> Result<T, JoinError> {
    let (mut future, bell) = (handle.into_future(), Arc::new(Bell::default()));
    match poll(&mut future, &bell) {
        Poll::Ready(result) => result,
        Poll::Pending => {
            bell.rings.reach(1);
            ready(poll(&mut future, &bell))
        }
    }
}

#[test]
fn a_job_is_awaited_on_every_executor() {
    let (pool, threads, direct) = (single(), ThreadPerJob::new(), DirectExecutor::new());
    let executors: [&dyn Executor; 3] = [&pool, &threads, &direct];
    for executor in executors {
        assert_eq!(awaited(executor.submit(|| 7).unwrap()).unwrap(), 7);
        let panics = executor.submit(|| resume_unwind(Box::new("the job's"))).unwrap();
        let error = awaited::<()>(panics).unwrap_err();
        assert!(matches!(error, JoinError::Panicked(_)), "{error:?}");
    }
    let manual = ManualExecutor::new();
    let (mut future, bell) =
        (manual.submit(|| 7).unwrap().into_future(), Arc::new(Bell::default()));
    assert!(poll(&mut future, &bell).is_pending());
    assert_eq!(manual.run_until_idle(), 1);
    assert_eq!(bell.rings.get(), 1);
    assert_eq!(ready(poll(&mut future, &bell)).unwrap(), 7);
}

#[test]
fn many_jobs_are_awaited_by_one_runtime() {
    let pool = ThreadPoolExecutor::fixed(2).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let sum = runtime.block_on(async {
        let submit = |n| tokio::spawn(pool.submit(move || n).unwrap().into_future());
        let tasks: Vec<_> = (0..1_000_u64).map(submit).collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await.unwrap().unwrap();
        }
        sum
    });
    assert_eq!(sum, 499_500);
    assert_eq!(finish(&pool).completed, 1_000);
}

#[test]
fn the_waker_that_was_given_last_is_called_once() {
    let (pool, gate) = (single(), Gate::new());
    let closed = gate.clone();
    let mut future = pool.submit(move || closed.pass()).unwrap().into_future();
    let bells = [(); 2].map(|()| Arc::new(Bell::default()));
    for bell in [&bells[0], &bells[0], &bells[1], &bells[1]] {
        assert!(poll(&mut future, bell).is_pending());
    }
    // The first has been let go.
    assert_eq!(Arc::strong_count(&bells[0]), 1);
    gate.open();
    bells[1].rings.reach(1);
    ready(poll(&mut future, &bells[1])).unwrap();
    finish(&pool);
    assert_eq!(bells.map(|bell| bell.rings.get()), [0, 1]);
}

#[test]
fn the_task_is_woken_before_the_worker_takes_its_next_job() {
    let (pool, gate, woken) = (single(), Gate::new(), Gate::new());
    let closed = gate.clone();
    let mut future = pool.submit(move || closed.pass()).unwrap().into_future();
    let seen = Arc::new(Mutex::new(None));
    let (own, notes) = (pool.handle(), Arc::clone(&seen));
    let wakes = woken.clone();
    let bell = Bell::new(move || {
        // The pool's own calls work here.
        *notes.lock() = Some(own.stats());
        wakes.pass();
    });
    assert!(poll(&mut future, &bell).is_pending());
    let next = pool.submit(|| thread::current().id()).unwrap();
    gate.open();
    bell.rings.reach(1);
    // The result is there, though the worker has not finished.
    ready(poll(&mut future, &bell)).unwrap();
    pass_time(SHORT);
    assert!(!next.is_finished());
    woken.open();
    assert_eq!(*bell.threads.lock(), [soon(next)]);
    let stats = seen.lock().take().unwrap();
    assert_eq!((stats.active, stats.queued, stats.completed), (1, 1, 0), "{stats:?}");
    finish(&pool);
}

#[test]
fn a_waker_that_panics_costs_no_worker_and_is_reported() {
    let sources = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&sources);
    let builder = ThreadPoolExecutor::builder().threads(1);
    let note = move |panic: &workcrew::UncaughtPanic<'_>| {
        notes.lock().push(format!("{panic}"));
    };
    let pool = builder.on_uncaught(note).build().unwrap();
    let (gate, bell) = (Gate::new(), Bell::new(|| resume_unwind(Box::new("the waker's"))));
    block_worker(&pool, &gate);
    let [mut ends, mut goes] = [(); 2].map(|()| pool.submit(|| 7).unwrap().into_future());
    for future in [&mut ends, &mut goes] {
        assert!(poll(future, &bell).is_pending());
    }
    assert_eq!(goes.cancel(), CancelOutcome::Removed);
    assert_eq!(bell.rings.get(), 1);
    gate.open();
    let stats = finish(&pool);
    assert_eq!((stats.completed, stats.panicked, stats.cancelled), (2, 0, 1), "{stats:?}");
    assert_eq!(ready(poll(&mut ends, &bell)).unwrap(), 7);
    assert!(matches!(
        ready(poll(&mut goes, &bell)),
        Err(JoinError::Cancelled(CancelReason::ByHandle))
    ));
    assert_eq!(*sources.lock(), ["a waker panicked: the waker's"; 2]);
}

#[test]
fn a_future_that_is_dropped_lets_its_job_go_on_and_wakes_nobody() {
    let (pool, gate, bell) = (single(), Gate::new(), Arc::new(Bell::default()));
    let ran = Counter::new();
    let (closed, runs) = (gate.clone(), ran.clone());
    let job = move || {
        closed.pass();
        assert!(!interrupt::is_interrupted());
        runs.add();
    };
    let mut future = pool.submit(job).unwrap().into_future();
    assert!(poll(&mut future, &bell).is_pending());
    drop(future);
    assert_eq!(Arc::strong_count(&bell), 1);
    gate.open();
    assert_eq!(finish(&pool).completed, 1);
    assert_eq!((ran.get(), bell.rings.get()), (1, 0));
}

#[test]
fn a_job_that_runs_is_interrupted_through_its_future() {
    let (pool, bell, running) = (single(), Arc::new(Bell::default()), Gate::new());
    let runs = running.clone();
    let job = move || {
        runs.open();
        interrupt::sleep(crate::support::LONG).is_err()
    };
    let mut future = pool.submit(job).unwrap().into_future();
    running.pass();
    assert!(poll(&mut future, &bell).is_pending());
    assert_eq!(future.cancel(), CancelOutcome::Interrupted);
    bell.rings.reach(1);
    assert!(ready(poll(&mut future, &bell)).unwrap());
    assert_eq!(future.cancel(), CancelOutcome::AlreadyFinished);
    finish(&pool);
}

#[test]
fn a_job_that_is_dropped_unrun_wakes_who_awaits_it() {
    for stops in [false, true] {
        let (pool, gate, bell) = (single(), Gate::new(), Arc::new(Bell::default()));
        block_worker(&pool, &gate);
        let mut future = pool.submit(|| ()).unwrap().into_future();
        assert!(poll(&mut future, &bell).is_pending());
        let jobs = if stops { pool.shutdown_now() } else { pool.take_pending() };
        assert_eq!(bell.rings.get(), 0);
        drop(jobs);
        assert_eq!(bell.rings.get(), 1);
        let error = ready(poll(&mut future, &bell)).unwrap_err();
        assert!(matches!(error, JoinError::Cancelled(CancelReason::HandedBack)), "{error:?}");
        gate.open();
        finish(&pool);
    }
}

#[test]
fn a_handle_can_be_awaited_after_it_was_joined_with_a_limit() {
    let (pool, gate) = (single(), Gate::new());
    let closed = gate.clone();
    let handle = pool.submit(move || closed.pass()).unwrap();
    let handle = handle.join_timeout(std::time::Duration::from_millis(1)).unwrap_err();
    let _done = handle.done().clone();
    gate.open();
    awaited(handle).unwrap();
    finish(&pool);
}

#[test]
fn a_future_that_is_polled_again_after_its_result_panics() {
    let mut future = DirectExecutor::new().submit(|| ()).unwrap().into_future();
    let bell = Arc::new(Bell::default());
    assert_eq!(format!("{future:?}"), "JobFuture { state: Finished, .. }");
    ready(poll(&mut future, &bell)).unwrap();
    let again = catch_unwind(AssertUnwindSafe(|| poll(&mut future, &bell).is_ready()));
    let payload = again.unwrap_err();
    let message = payload.downcast_ref::<&str>().copied();
    assert_eq!(message, Some("a `JobFuture` was polled after it had returned its result"));
}

#[test]
fn wakers_may_drop_their_future_and_their_pool() {
    let pool = Own::default();
    let slot = Arc::new(Mutex::new(None));
    let (gate, inner) = (Gate::new(), Arc::clone(&slot));
    let executor = single();
    pool.set(executor.handle());
    let closed = gate.clone();
    let mut future = executor.submit(move || closed.pass()).unwrap().into_future();
    let bell = Bell::new(move || drop(inner.lock().take()));
    assert!(poll(&mut future, &bell).is_pending());
    *slot.lock() = Some((future, executor));
    gate.open();
    bell.rings.reach(1);
    pool.get().unwrap().await_termination(crate::support::LONG).unwrap();
}
