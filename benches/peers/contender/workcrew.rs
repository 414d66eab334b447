//! This crate's pool, with the queues and policies that are compared.

use std::marker::PhantomData;
use std::time::Duration;

use workcrew::policy::{Block, CallerRuns};
use workcrew::{Builder, Handle, JobHandle, Queue, ThreadPoolExecutor};

use super::{Contender, ROOM};

/// How a pool is set up.
pub(crate) trait Kind: 'static {
    fn set_up(builder: Builder) -> Builder;
}

pub(crate) struct Crew<K> {
    pool: ThreadPoolExecutor,
    kind: PhantomData<K>,
}

pub(crate) type Workcrew = Crew<Unbounded>;
pub(crate) type BlockingWorkcrew = Crew<Blocking>;
pub(crate) type CallerRunsWorkcrew = Crew<RunningOnCaller>;

/// With a queue that has always room.
pub(crate) enum Unbounded {}

impl Kind for Unbounded {
    fn set_up(builder: Builder) -> Builder {
        builder.queue(Queue::Unbounded)
    }
}

/// Waits for room.
pub(crate) enum Blocking {}

impl Kind for Blocking {
    fn set_up(builder: Builder) -> Builder {
        builder.queue(Queue::Bounded(ROOM)).rejection_policy(Block { timeout: Duration::MAX })
    }
}

/// Runs the job itself when there is no room.
pub(crate) enum RunningOnCaller {}

impl Kind for RunningOnCaller {
    fn set_up(builder: Builder) -> Builder {
        builder.queue(Queue::Bounded(ROOM)).rejection_policy(CallerRuns)
    }
}

impl<K: Kind> Contender for Crew<K> {
    const NAME: &'static str = "workcrew";
    const NOTE: &'static str = "";

    type Handle = Handle;
    type Ticket<T: Send + 'static> = JobHandle<T>;

    fn start(workers: usize) -> Self {
        let builder = K::set_up(ThreadPoolExecutor::builder().threads(workers));
        Self { pool: builder.build().expect("valid settings"), kind: PhantomData }
    }

    fn handle(&self) -> Handle {
        self.pool.handle()
    }

    fn execute<F: FnOnce() + Send + 'static>(handle: &Handle, job: F) {
        handle.execute(job).expect("the pool is open");
    }

    fn submit<T, F>(handle: &Handle, job: F) -> JobHandle<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        handle.submit(job).expect("the pool is open")
    }

    fn join<T: Send + 'static>(_handle: &Handle, ticket: JobHandle<T>) -> T {
        ticket.join().expect("the job does not panic")
    }

    fn stop(self) {
        self.pool.close();
    }
}
