//! Waits for jobs of the same pool: that whatever happens to the awaited job meanwhile is noticed,
//! whoever waits, by whatever call.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crossbeam_channel::bounded;
use parking_lot::Mutex;
use workcrew::policy::{Block, CallerRuns};
use workcrew::{
    Executor, ExecutorExt, Handle, Job, JobHandle, JoinError, JoinSet, Queue, Rejected,
    RejectionPolicy, Saturation, ThreadPerJob, ThreadPoolExecutor,
};

use crate::support::{
    Counter, Gate, LONG, block_worker, eventually, finish, helper, repeat, single,
};

/// A thread that can be seen to sleep.
pub(crate) struct Sleeper(Option<std::path::PathBuf>);

impl Sleeper {
    /// The calling thread.
    pub(crate) fn this() -> Self {
        let task = std::fs::read_link("/proc/thread-self").ok();
        Self(task.map(|task| std::path::Path::new("/proc").join(task).join("stat")))
    }

    /// Waits until it sleeps. Where that cannot be seen this lets some time pass.
    pub(crate) fn wait(&self) {
        let Some(file) = &self.0 else {
            return crate::support::pass_time(crate::support::SHORT);
        };
        eventually("the thread sleeps", || {
            let Ok(text) = std::fs::read_to_string(file) else { return true };
            text.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('S'))
        });
    }
}

/// Less than the time after which a wait looks again to mention itself in the log: what is noticed
/// only then counts as missed.
pub(crate) const PROMPTLY: Duration = Duration::from_secs(8);

/// What the job returns, without a wake-up having been missed.
#[track_caller]
pub(crate) fn soon<T>(handle: JobHandle<T>) -> T {
    handle.join_timeout(PROMPTLY).expect("no wake-up is missed").expect("the job returns")
}

/// The calls by which a job submits a job and waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    Join,
    JoinTimeout,
    Polls,
    Scoped,
    ScopedTimeout,
    ScopeEnd,
    JoinSet,
    JoinSetTimeout,
    InvokeAll,
    InvokeAllTimeout,
    InvokeAny,
    InvokeAnyTimeout,
    Map,
}

pub(crate) const WAITS: [Wait; 13] = [
    Wait::Join,
    Wait::JoinTimeout,
    Wait::Polls,
    Wait::Scoped,
    Wait::ScopedTimeout,
    Wait::ScopeEnd,
    Wait::JoinSet,
    Wait::JoinSetTimeout,
    Wait::InvokeAll,
    Wait::InvokeAllTimeout,
    Wait::InvokeAny,
    Wait::InvokeAnyTimeout,
    Wait::Map,
];

impl Wait {
    /// Whether the thread that waits may run the job itself.
    pub(crate) fn may_run(self) -> bool {
        match self {
            Self::Join | Self::Scoped | Self::ScopeEnd | Self::InvokeAll | Self::Map => true,
            Self::JoinTimeout
            | Self::Polls
            | Self::ScopedTimeout
            | Self::JoinSet
            | Self::JoinSetTimeout
            | Self::InvokeAllTimeout
            | Self::InvokeAny
            | Self::InvokeAnyTimeout => false,
        }
    }

    /// Submits the job to the pool, and returns what it returned.
    pub(crate) fn run(self, pool: &Handle, f: impl FnOnce() -> u64 + Send + 'static) -> u64 {
        match self {
            Self::Join => pool.submit(f).unwrap().join().unwrap(),
            Self::JoinTimeout => soon(pool.submit(f).unwrap()),
            Self::Polls => polled(pool.submit(f).unwrap()),
            Self::Scoped => pool.scope(|s| s.submit(f).unwrap().join().unwrap()).unwrap(),
            Self::ScopedTimeout => {
                pool.scope(|s| s.submit(f).unwrap().join_timeout(LONG).unwrap().unwrap()).unwrap()
            }
            Self::ScopeEnd => {
                let mut result = 0;
                pool.scope(|s| s.execute(|| result = f()).unwrap()).unwrap();
                result
            }
            Self::JoinSet => {
                let mut set = pool.join_set();
                set.submit(f).unwrap();
                set.join_next().unwrap().unwrap().1.unwrap()
            }
            Self::JoinSetTimeout => {
                let mut set = pool.join_set();
                set.submit(f).unwrap();
                set.join_next_timeout(LONG).unwrap().unwrap().1.unwrap()
            }
            Self::InvokeAll => pool.invoke_all([f]).unwrap().remove(0).unwrap(),
            Self::InvokeAllTimeout => {
                pool.invoke_all_timeout([f], LONG).unwrap().remove(0).unwrap()
            }
            Self::InvokeAny => pool.invoke_any([move || Ok::<_, Infallible>(f())]).unwrap(),
            Self::InvokeAnyTimeout => {
                pool.invoke_any_timeout([move || Ok::<_, Infallible>(f())], LONG).unwrap()
            }
            Self::Map => {
                let f = Mutex::new(Some(f));
                let call = move |()| f.lock().take().expect("called once")();
                pool.map([()], call).next().unwrap().unwrap()
            }
        }
    }
}

/// Looks again and again, for a short time each.
fn polled<T>(handle: JobHandle<T>) -> T {
    polled_for(handle, Duration::from_millis(1))
}

/// Looks again and again, for so long each time.
pub(crate) fn polled_for<T>(mut handle: JobHandle<T>, limit: Duration) -> T {
    loop {
        match handle.join_timeout(limit) {
            Ok(result) => return result.unwrap(),
            Err(back) => handle = back,
        }
    }
}

/// The waits for a job that there is a handle to already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Handed {
    Join,
    JoinTimeout,
    Polls,
    WaitStarted,
    /// As one of a set, whose executor keeps the job.
    Set,
    SetTimeout,
    InvokeAll,
    InvokeAllTimeout,
    InvokeAny,
}

const HANDED: [Handed; 9] = [
    Handed::Join,
    Handed::JoinTimeout,
    Handed::Polls,
    Handed::WaitStarted,
    Handed::Set,
    Handed::SetTimeout,
    Handed::InvokeAll,
    Handed::InvokeAllTimeout,
    Handed::InvokeAny,
];

/// Keeps the jobs that it is given.
#[derive(Clone, Default)]
struct Keeper(Arc<Mutex<Vec<Job>>>);

impl Keeper {
    /// The one job that it was given, as soon as that is so.
    fn take(&self) -> Job {
        eventually("the job was submitted", || !self.0.lock().is_empty());
        self.0.lock().pop().unwrap()
    }
}

impl Executor for Keeper {
    fn execute_job(&self, job: Job) -> Result<(), Rejected> {
        self.0.lock().push(job);
        Ok(())
    }
}

impl RejectionPolicy for Keeper {
    fn rejected(&self, job: Job, _saturation: &Saturation<'_>) -> Result<(), Rejected> {
        self.0.lock().push(job);
        Ok(())
    }
}

impl Handed {
    fn is_of_set(self) -> bool {
        !matches!(self, Self::Join | Self::JoinTimeout | Self::Polls | Self::WaitStarted)
    }

    /// Has the keeper keep a job, and waits for it: its result, or that it was cancelled.
    fn run(self, keeper: &Keeper) -> Result<u64, JoinError> {
        let f = || 7_u64;
        let handle = move || {
            let (job, handle) = Job::with_handle(f);
            keeper.execute_job(job).unwrap();
            handle
        };
        match self {
            Self::Join => handle().join(),
            Self::JoinTimeout => handle().join_timeout(LONG).unwrap(),
            Self::Polls => {
                let mut handle = handle();
                loop {
                    match handle.join_timeout(Duration::from_millis(1)) {
                        Ok(result) => return result,
                        Err(back) => handle = back,
                    }
                }
            }
            Self::WaitStarted => {
                let handle = handle();
                handle.wait_started(LONG).ok();
                handle.join_timeout(LONG).unwrap()
            }
            Self::Set | Self::SetTimeout => {
                let mut set = JoinSet::on(keeper.clone());
                set.submit(f).unwrap();
                let next = if self == Self::Set {
                    set.join_next().unwrap()
                } else {
                    set.join_next_timeout(LONG).unwrap()
                };
                next.unwrap().1
            }
            Self::InvokeAll => keeper.invoke_all([f]).unwrap().remove(0),
            Self::InvokeAllTimeout => keeper.invoke_all_timeout([f], LONG).unwrap().remove(0),
            Self::InvokeAny => Ok(keeper.invoke_any([move || Ok::<_, Infallible>(f())]).unwrap()),
        }
    }
}

/// A job of the pool that waits, by this call, for one that nobody has queued: this one.
fn waits_for_a_kept_job(
    pool: &ThreadPoolExecutor,
    by: Handed,
) -> (JobHandle<Result<u64, JoinError>>, Job) {
    let keeper = Keeper::default();
    let (said, hears) = bounded(1);
    let kept = keeper.clone();
    let outer = pool
        .submit(move || {
            said.send(Sleeper::this()).unwrap();
            by.run(&kept)
        })
        .unwrap();
    let sleeper = hears.recv().unwrap();
    let job = keeper.take();
    if by != Handed::Polls {
        sleeper.wait();
    }
    (outer, job)
}

/// Pools of one, two and three threads.
fn sizes() -> impl Iterator<Item = ThreadPoolExecutor> {
    (1..=3).map(|threads| ThreadPoolExecutor::fixed(threads).unwrap())
}

/// A pool whose only worker is busy until the gate opens.
fn busy() -> (ThreadPoolExecutor, Gate) {
    let (pool, gate) = (single(), Gate::new());
    block_worker(&pool, &gate);
    (pool, gate)
}

// What happens to the awaited job.

#[test]
fn an_awaited_job_that_is_queued_at_last_is_noticed() {
    for by in HANDED {
        for pool in sizes() {
            let (outer, job) = waits_for_a_kept_job(&pool, by);
            pool.execute_job(job).unwrap();
            assert_eq!(soon(outer).unwrap(), 7, "{by:?}");
            finish(&pool);
        }
    }
}

#[test]
fn an_awaited_job_that_is_run_by_hand_or_dropped_is_noticed() {
    for by in HANDED {
        let pool = single();
        let (outer, job) = waits_for_a_kept_job(&pool, by);
        job.run();
        assert_eq!(soon(outer).unwrap(), 7, "{by:?}");
        if by != Handed::InvokeAny {
            let (outer, job) = waits_for_a_kept_job(&pool, by);
            drop(job);
            assert!(soon(outer).unwrap_err().is_cancelled(), "{by:?}");
        }
        finish(&pool);
    }
}

#[test]
fn an_awaited_job_is_noticed_where_it_is_queued_after_having_been_elsewhere() {
    for by in HANDED {
        // What was handed back is final for a set.
        if by.is_of_set() {
            continue;
        }
        for stopped in [false, true] {
            for pool in sizes() {
                let (outer, job) = waits_for_a_kept_job(&pool, by);
                let (other, gate) = busy();
                other.execute_job(job).unwrap();
                let mut back = if stopped { other.shutdown_now() } else { other.take_pending() };
                pool.execute_job(back.pop().unwrap()).unwrap();
                assert_eq!(soon(outer).unwrap(), 7, "{by:?}, {stopped}");
                gate.open();
                finish(&other);
                finish(&pool);
            }
        }
    }
}

#[test]
fn an_awaited_job_that_leaves_for_another_pool_is_run_there() {
    for by in [Handed::JoinTimeout, Handed::Polls, Handed::WaitStarted, Handed::Join] {
        // The spare for the waiting job is refused, so that the awaited one stays pending.
        let pool = ThreadPoolExecutor::builder()
            .threads(1)
            .thread_factory(|worker| match worker.index() {
                1 => worker.builder().spawn(move || worker.run()),
                _ => Err(io::Error::other("no spares here")),
            })
            .build()
            .unwrap();
        let (pending, gate) = (Gate::new(), Gate::new());
        let (own, told, may_wait) = (pool.handle(), pending.clone(), gate.clone());
        let outer = pool
            .submit(move || {
                let handle = own.submit(|| thread::current().id()).unwrap();
                told.open();
                if by == Handed::Join {
                    // It would run the job.
                    may_wait.pass();
                }
                let id = match by {
                    Handed::Polls => polled(handle),
                    Handed::WaitStarted => {
                        handle.wait_started(LONG).unwrap();
                        soon(handle)
                    }
                    Handed::Join
                    | Handed::JoinTimeout
                    | Handed::Set
                    | Handed::SetTimeout
                    | Handed::InvokeAll
                    | Handed::InvokeAllTimeout
                    | Handed::InvokeAny => soon(handle),
                };
                (id, thread::current().id())
            })
            .unwrap();
        pending.pass();
        let (other, blocked) = busy();
        let taken = pool.take_pending().pop().unwrap();
        other.execute_job(taken).unwrap();
        gate.open();
        let taken = other.take_pending().pop().unwrap();
        blocked.open();
        other.execute_job(taken).unwrap();
        let (ran_on, waited_on) = soon(outer);
        assert_ne!(ran_on, waited_on, "{by:?}");
        finish(&other);
        finish(&pool);
    }
}

#[test]
fn an_awaited_job_that_a_policy_keeps_and_queues_later_is_noticed() {
    for timed in [false, true] {
        let keeper = Keeper::default();
        let pool = ThreadPoolExecutor::builder()
            .threads(1)
            .queue(Queue::Bounded(1))
            .rejection_policy(keeper.clone())
            .build()
            .unwrap();
        let own = pool.handle();
        let outer = pool
            .submit(move || {
                own.execute(|| ()).unwrap();
                let handle = own.submit(|| 7).unwrap();
                if timed { soon(handle) } else { handle.join().unwrap() }
            })
            .unwrap();
        let job = keeper.take();
        let taken = pool.take_pending();
        pool.execute_job(job).unwrap();
        assert_eq!(soon(outer), 7, "{timed}");
        drop(taken);
        finish(&pool);
    }
}

fn fib(pool: &Handle, n: u32, by: Wait) -> u64 {
    if n < 2 {
        return u64::from(n);
    }
    let own = pool.clone();
    let one = pool.submit(move || fib(&own, n - 1, by)).unwrap();
    let other = fib(pool, n - 2, by);
    other + if by == Wait::Join { one.join().unwrap() } else { polled(one) }
}

#[test]
fn fork_and_join_ends_though_somebody_takes_pending_jobs_and_queues_them_again() {
    for (by, n) in [(Wait::Join, 14), (Wait::Polls, 9)] {
        for elsewhere in [false, true] {
            let pool = Arc::new(ThreadPoolExecutor::fixed(2).unwrap());
            // Two pools whose jobs wait for each other's need room for all that wait there.
            let other = Arc::new(ThreadPoolExecutor::cached().unwrap());
            let own = pool.handle();
            let outer = pool.submit(move || fib(&own, n, by)).unwrap();
            let done = Gate::new();
            let meddler = helper({
                let (pool, other, done) = (Arc::clone(&pool), Arc::clone(&other), done.clone());
                move || {
                    while !done.is_open() {
                        let mut jobs = pool.take_pending();
                        jobs.reverse();
                        for job in jobs {
                            let to = if elsewhere { &other } else { &pool };
                            to.execute_job(job).unwrap();
                        }
                        thread::yield_now();
                    }
                }
            });
            let result = outer.join_timeout(PROMPTLY);
            done.open();
            meddler.join();
            let expected = if n == 14 { 377 } else { 34 };
            assert_eq!(result.unwrap().unwrap(), expected, "{by:?}, {elsewhere}");
            finish(&pool);
            finish(&other);
        }
    }
}

// A cold pool is as a warm one.

#[test]
fn a_job_that_is_polled_can_wait_for_who_polls_it_on_a_cold_pool() {
    for prestarts in [false, true] {
        for _ in 0..repeat(50) {
            let pool = ThreadPoolExecutor::fixed(4).unwrap();
            if prestarts {
                pool.prestart_all_core_threads().unwrap();
            }
            let own = pool.handle();
            let outer = pool.submit(move || {
                let gate = Gate::new();
                let open = gate.clone();
                let handle = own.submit(move || open.pass()).unwrap();
                let handle = handle.join_timeout(Duration::from_millis(1)).expect_err("it waits");
                gate.open();
                soon(handle);
            });
            soon(outer.unwrap());
            finish(&pool);
        }
    }
}

#[test]
fn a_job_for_which_a_worker_starts_runs_there_whoever_waits_for_it() {
    for by in WAITS {
        for prestarts in [false, true] {
            let pool = ThreadPoolExecutor::fixed(2).unwrap();
            if prestarts {
                pool.prestart_all_core_threads().unwrap();
                pool.wait_idle(LONG).unwrap();
            }
            let own = pool.handle();
            let outer = pool.submit(move || {
                let this = thread::current().id();
                by.run(&own, move || u64::from(thread::current().id() == this))
            });
            assert_eq!(soon(outer.unwrap()), 0, "{by:?}, prestarted: {prestarts}");
            let stats = finish(&pool);
            assert_eq!(stats.largest_pool_size, 2, "{by:?}, prestarted: {prestarts}");
        }
    }
}

#[test]
fn members_of_a_cold_pool_can_wait_for_each_other() {
    for _ in 0..repeat(20) {
        let pool = ThreadPoolExecutor::fixed(4).unwrap();
        let own = pool.handle();
        let outer = pool.submit(move || {
            let all = Counter::new();
            let job = |_| {
                let all = all.clone();
                move || {
                    all.add();
                    all.reach(3);
                }
            };
            own.invoke_all((0..3).map(job)).unwrap().into_iter().for_each(Result::unwrap);
            let met = Counter::new();
            own.scope(|s| {
                for _ in 0..3 {
                    s.execute(|| {
                        met.add();
                        met.reach(3);
                    })
                    .unwrap();
                }
            })
            .unwrap();
        });
        soon(outer.unwrap());
        finish(&pool);
    }
}

// Workers and callers help alike.

/// A job of the only worker waits, by `outer`, for J, which runs on its submitter; and J waits, by
/// `inner`, for K.
fn meet_on_the_caller(outer: Handed, inner: Wait) {
    let pool = ThreadPoolExecutor::builder()
        .threads(1)
        .queue(Queue::Bounded(1))
        .rejection_policy(CallerRuns)
        .build()
        .unwrap();
    let (give, take) = bounded::<(JobHandle<u64>, Gate)>(1);
    let waits = pool
        .submit(move || {
            let (handle, about_to) = take.recv().unwrap();
            about_to.open();
            match outer {
                Handed::Join => handle.join().unwrap(),
                Handed::JoinTimeout => soon(handle),
                Handed::WaitStarted => {
                    handle.wait_started(LONG).unwrap();
                    handle.join().unwrap()
                }
                Handed::Polls
                | Handed::Set
                | Handed::SetTimeout
                | Handed::InvokeAll
                | Handed::InvokeAllTimeout
                | Handed::InvokeAny => polled(handle),
            }
        })
        .unwrap();
    eventually("the worker is busy", || pool.stats().active == 1);
    let filler = pool.submit(|| ()).unwrap();
    let (own, main, about_to) = (pool.handle(), thread::current().id(), Gate::new());
    let waits_now = about_to.clone();
    let (job, handle) = Job::with_handle(move || {
        assert_eq!(thread::current().id(), main, "it runs on its submitter");
        filler.cancel();
        waits_now.pass();
        inner.run(&own, || 7)
    });
    give.send((handle, about_to)).unwrap();
    pool.execute_job(job).unwrap();
    assert_eq!(soon(waits), 7, "{outer:?}, {inner:?}");
    finish(&pool);
}

#[test]
fn a_worker_that_waits_for_a_caller_leaves_it_its_jobs() {
    for outer in [Handed::Join, Handed::JoinTimeout, Handed::Polls, Handed::WaitStarted] {
        for inner in WAITS {
            meet_on_the_caller(outer, inner);
        }
    }
}

// One behaviour, whatever the executor is called through.

/// The sum of what four jobs return, by every call on several jobs.
fn sums(executor: &(impl Executor + Clone + 'static)) -> [u64; 4] {
    let jobs = || (1..=4).map(|n: u64| move || n);
    let all = executor.invoke_all(jobs()).unwrap();
    let timed = executor.invoke_all_timeout(jobs(), LONG).unwrap();
    let any = executor.invoke_any([|| Ok::<_, Infallible>(10_u64)]).unwrap();
    let mut set = JoinSet::on(executor.clone());
    for job in jobs() {
        set.submit(job).unwrap();
    }
    let total =
        |results: Vec<Result<u64, JoinError>>| results.into_iter().map(Result::unwrap).sum();
    [total(all), total(timed), any, set.map(|(_, result)| result.unwrap()).sum()]
}

#[derive(Clone)]
struct Shared(Arc<dyn Executor>);

impl Executor for Shared {
    fn execute_job(&self, job: Job) -> Result<(), Rejected> {
        self.0.execute_job(job)
    }

    fn execute_awaited(&self, job: Job, awaited: workcrew::Awaited) -> Result<(), Rejected> {
        (&*self.0 as &dyn Executor).execute_awaited(job, awaited)
    }
}

#[test]
fn a_worker_is_served_by_its_full_pool_however_that_is_called() {
    for queue in [Queue::Handoff, Queue::Bounded(1), Queue::Unbounded] {
        let block = || Block { timeout: Duration::MAX };
        let builder = || ThreadPoolExecutor::builder().threads(1).queue(queue);
        let pools = [
            builder().build(),
            builder().rejection_policy(block()).build(),
            builder().rejection_policy(CallerRuns).build(),
        ];
        for pool in pools {
            let pool = Arc::new(pool.unwrap());
            let own = Arc::clone(&pool);
            let by_arc = soon(pool.submit(move || sums(&own)).unwrap());
            let own = pool.handle();
            let by_handle = soon(pool.submit(move || sums(&own)).unwrap());
            let own = Shared(Arc::new(pool.handle()));
            let by_object = soon(pool.submit(move || sums(&own)).unwrap());
            let own: Box<dyn Executor> = Box::new(pool.handle());
            let by_box = pool.submit(move || {
                let all = own.invoke_all([|| 3_u64, || 4]).unwrap();
                let by_ref: &dyn Executor = &*own;
                let more = by_ref.invoke_all_timeout([|| 3_u64], LONG).unwrap();
                all.into_iter().chain(more).map(Result::unwrap).sum::<u64>()
            });
            assert_eq!([by_arc, by_handle, by_object], [[10; 4]; 3], "{queue:?}");
            assert_eq!(soon(by_box.unwrap()), 10, "{queue:?}");
            eventually("the job's own hold of the pool is gone", || Arc::strong_count(&pool) == 1);
            finish(&pool);
        }
    }
}

#[test]
fn a_job_on_a_thread_of_its_own_waits_for_others_under_any_limit() {
    for limit in [1, 2] {
        let threads = ThreadPerJob::builder().limit(limit).build().unwrap();
        let own = threads.handle();
        assert_eq!(soon(threads.submit(move || sums(&own)).unwrap()), [10; 4], "{limit}");
        for by in WAITS {
            let own = threads.handle();
            let nested = threads.submit(move || {
                let again = own.clone();
                by.run(&own, move || by.run(&again, || 7))
            });
            assert_eq!(soon(nested.unwrap()), 7, "{by:?}, {limit}");
        }
        threads.shutdown();
        threads.await_termination(LONG).unwrap();
        crate::support::assert_conserved(&threads.stats());
    }
}
