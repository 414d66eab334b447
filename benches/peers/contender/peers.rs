//! The pools of other crates, each with as many workers as asked for and an unbounded queue.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use executors::{Executor, FuturesExecutor};
use futures_executor::block_on;
use qubit_executor::TaskHandle;
use qubit_executor::service::ExecutorService;
use qubit_thread_pool::FixedThreadPool;
use tokio::runtime::{self, Runtime};

use super::answer::submit_by_answer;
use super::{Contender, round_trip_by_channel};

/// Longer than any measurement, so that no worker leaves.
const LONG: Duration = Duration::from_secs(3600);

pub(crate) struct Rayon {
    pool: Arc<rayon::ThreadPool>,
    threads: Vec<JoinHandle<()>>,
}

impl Contender for Rayon {
    const NAME: &'static str = "rayon";
    const NOTE: &'static str = "no handles, no counts; a worker takes its newest job first";

    type Handle = Arc<rayon::ThreadPool>;

    fn start(workers: usize) -> Self {
        // Started as rayon does by default, but keeping what is needed to join them.
        let mut threads = Vec::with_capacity(workers);
        let builder =
            rayon::ThreadPoolBuilder::new().num_threads(workers).spawn_handler(|worker| {
                threads.push(std::thread::Builder::new().spawn(|| worker.run())?);
                Ok(())
            });
        let pool = Arc::new(builder.build().expect("the system has threads"));
        Self { pool, threads }
    }

    fn handle(&self) -> Self::Handle {
        Arc::clone(&self.pool)
    }

    fn execute<F: FnOnce() + Send + 'static>(handle: &Self::Handle, job: F) {
        handle.spawn(job);
    }

    submit_by_answer!();

    fn round_trip<T, F>(handle: &Self::Handle, job: F) -> T
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        handle.install(job)
    }

    fn stop(self) {
        drop(self.pool);
        self.threads.into_iter().for_each(|thread| thread.join().expect("no job panics"));
    }
}

pub(crate) struct RustyPool(rusty_pool::ThreadPool);

impl Contender for RustyPool {
    const NAME: &'static str = "rusty_pool";
    const NOTE: &'static str = "no counts of jobs, joins no thread";

    type Handle = rusty_pool::ThreadPool;
    type Ticket<T: Send + 'static> = rusty_pool::JoinHandle<T>;

    fn start(workers: usize) -> Self {
        Self(rusty_pool::ThreadPool::new(workers, workers, LONG))
    }

    fn handle(&self) -> Self::Handle {
        self.0.clone()
    }

    fn execute<F: FnOnce() + Send + 'static>(handle: &Self::Handle, job: F) {
        handle.execute(job);
    }

    fn submit<T, F>(handle: &Self::Handle, job: F) -> Self::Ticket<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        handle.evaluate(job)
    }

    fn join<T: Send + 'static>(_handle: &Self::Handle, ticket: Self::Ticket<T>) -> T {
        ticket.await_complete()
    }

    fn stop(self) {
        self.0.shutdown_join();
    }
}

pub(crate) struct Threadpool(threadpool::ThreadPool);

impl Contender for Threadpool {
    const NAME: &'static str = "threadpool";
    const NOTE: &'static str = "no handles, joins no thread";

    type Handle = threadpool::ThreadPool;

    fn start(workers: usize) -> Self {
        Self(threadpool::ThreadPool::new(workers))
    }

    fn handle(&self) -> Self::Handle {
        self.0.clone()
    }

    fn execute<F: FnOnce() + Send + 'static>(handle: &Self::Handle, job: F) {
        handle.execute(job);
    }

    submit_by_answer!();

    fn round_trip<T, F>(handle: &Self::Handle, job: F) -> T
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        round_trip_by_channel::<Self, _, _>(handle, job)
    }

    fn stop(self) {
        self.0.join();
    }
}

/// The crossbeam-channel pool of `executors`.
pub(crate) struct Executors(executors::crossbeam_channel_pool::ThreadPool);

impl Contender for Executors {
    const NAME: &'static str = "executors";
    const NOTE: &'static str = "handles for futures alone, no counts, joins no thread";

    type Handle = executors::crossbeam_channel_pool::ThreadPool;
    type Ticket<T: Send + 'static> = executors::JoinHandle<T>;

    fn start(workers: usize) -> Self {
        Self(executors::crossbeam_channel_pool::ThreadPool::new(workers))
    }

    fn handle(&self) -> Self::Handle {
        self.0.clone()
    }

    fn execute<F: FnOnce() + Send + 'static>(handle: &Self::Handle, job: F) {
        handle.execute(job);
    }

    fn submit<T, F>(handle: &Self::Handle, job: F) -> Self::Ticket<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        // It has handles for futures alone.
        handle.spawn(async { job() })
    }

    fn join<T: Send + 'static>(_handle: &Self::Handle, ticket: Self::Ticket<T>) -> T {
        block_on(ticket)
    }

    fn round_trip<T, F>(handle: &Self::Handle, job: F) -> T
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        round_trip_by_channel::<Self, _, _>(handle, job)
    }

    fn stop(self) {
        self.0.shutdown().expect("the workers leave");
    }
}

pub(crate) struct Qubit(Arc<FixedThreadPool>);

impl Contender for Qubit {
    const NAME: &'static str = "qubit-thread-pool";
    const NOTE: &'static str = "joins no thread";

    type Handle = Arc<FixedThreadPool>;
    type Ticket<T: Send + 'static> = TaskHandle<T, ()>;

    fn start(workers: usize) -> Self {
        let builder = FixedThreadPool::builder().pool_size(workers).unbounded_queue();
        Self(Arc::new(builder.build().expect("the system has threads")))
    }

    fn handle(&self) -> Self::Handle {
        Arc::clone(&self.0)
    }

    fn execute<F: FnOnce() + Send + 'static>(handle: &Self::Handle, job: F) {
        // It takes what could be called again, so what cannot needs an `Option`.
        let mut job = Some(job);
        let run = move || {
            job.take().expect("it is run once")();
            Ok::<(), ()>(())
        };
        handle.submit(run).expect("the pool is open");
    }

    fn submit<T, F>(handle: &Self::Handle, job: F) -> Self::Ticket<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let mut job = Some(job);
        let run = move || Ok(job.take().expect("it is run once")());
        handle.submit_callable(run).expect("the pool is open")
    }

    fn join<T: Send + 'static>(_handle: &Self::Handle, ticket: Self::Ticket<T>) -> T {
        let Ok(value) = ticket.get() else { panic!("the job does not fail") };
        value
    }

    fn stop(self) {
        self.0.shutdown();
        self.0.wait_termination();
    }
}

/// The threads of tokio that `spawn_blocking` uses.
pub(crate) struct Tokio(Runtime);

impl Contender for Tokio {
    const NAME: &'static str = "tokio blocking";
    const NOTE: &'static str = "no counts of jobs";

    type Handle = runtime::Handle;
    type Ticket<T: Send + 'static> = tokio::task::JoinHandle<T>;

    fn start(workers: usize) -> Self {
        let mut builder = runtime::Builder::new_current_thread();
        builder.max_blocking_threads(workers).thread_keep_alive(LONG);
        Self(builder.build().expect("a runtime without drivers"))
    }

    fn handle(&self) -> Self::Handle {
        self.0.handle().clone()
    }

    fn execute<F: FnOnce() + Send + 'static>(handle: &Self::Handle, job: F) {
        drop(handle.spawn_blocking(job));
    }

    fn submit<T, F>(handle: &Self::Handle, job: F) -> Self::Ticket<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        handle.spawn_blocking(job)
    }

    fn join<T: Send + 'static>(handle: &Self::Handle, ticket: Self::Ticket<T>) -> T {
        handle.block_on(ticket).expect("the job does not panic")
    }

    fn join_all<T: Send + 'static>(
        handle: &Self::Handle,
        tickets: Vec<Self::Ticket<T>>,
        mut take: impl FnMut(T),
    ) {
        // Entered once for all of them, as an asynchronous program would.
        handle.block_on(async {
            for ticket in tickets {
                take(ticket.await.expect("the job does not panic"));
            }
        });
    }

    fn stop(self) {
        drop(self.0);
    }
}
