//! What one would write without a pool: a channel of boxed jobs, or a thread for each.

use std::marker::PhantomData;
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, unbounded};

use super::answer::submit_by_answer;
use super::{Contender, ROOM, round_trip_by_channel};

pub(crate) type BoxedJob = Box<dyn FnOnce() + Send>;

/// Threads that run what comes out of a channel.
pub(super) struct Runners(Vec<JoinHandle<()>>);

impl Runners {
    pub(super) fn start(workers: usize, jobs: &Receiver<BoxedJob>) -> Self {
        let runner = |_| {
            let jobs = jobs.clone();
            thread::spawn(move || jobs.into_iter().for_each(|job| job()))
        };
        Self((0..workers).map(runner).collect())
    }

    /// Waits for their end, which comes when all senders are gone and the channel is empty.
    pub(super) fn join(self) {
        self.0.into_iter().for_each(|thread| thread.join().expect("no job panics"));
    }
}

/// How jobs are put into a channel.
pub(crate) trait Way: 'static {
    const NAME: &'static str;

    fn channel() -> (Sender<BoxedJob>, Receiver<BoxedJob>);

    fn put(sender: &Sender<BoxedJob>, job: BoxedJob) {
        sender.send(job).expect("the workers receive");
    }
}

/// A channel and worker threads, nothing else.
pub(crate) struct ChannelAnd<W> {
    sender: Sender<BoxedJob>,
    runners: Runners,
    way: PhantomData<W>,
}

pub(crate) type Channel = ChannelAnd<Unbounded>;
pub(crate) type BlockingChannel = ChannelAnd<Blocking>;
pub(crate) type CallerRunsChannel = ChannelAnd<RunningOnCaller>;

/// There is always room.
pub(crate) enum Unbounded {}

impl Way for Unbounded {
    const NAME: &'static str = "crossbeam channel";

    fn channel() -> (Sender<BoxedJob>, Receiver<BoxedJob>) {
        unbounded()
    }
}

/// Waits for room, by `send`.
pub(crate) enum Blocking {}

impl Way for Blocking {
    const NAME: &'static str = "bounded channel";

    fn channel() -> (Sender<BoxedJob>, Receiver<BoxedJob>) {
        bounded(ROOM)
    }
}

/// Runs the job itself when `try_send` finds no room.
pub(crate) enum RunningOnCaller {}

impl Way for RunningOnCaller {
    const NAME: &'static str = "bounded channel";

    fn channel() -> (Sender<BoxedJob>, Receiver<BoxedJob>) {
        bounded(ROOM)
    }

    fn put(sender: &Sender<BoxedJob>, job: BoxedJob) {
        match sender.try_send(job) {
            Ok(()) => {}
            Err(TrySendError::Full(job)) => job(),
            Err(TrySendError::Disconnected(_)) => panic!("the workers receive"),
        }
    }
}

impl<W: Way> Contender for ChannelAnd<W> {
    const NAME: &'static str = W::NAME;
    const NOTE: &'static str = "no pool: no handles, no counts, a panic ends its thread";

    type Handle = Sender<BoxedJob>;

    fn start(workers: usize) -> Self {
        let (sender, jobs) = W::channel();
        Self { sender, runners: Runners::start(workers, &jobs), way: PhantomData }
    }

    fn handle(&self) -> Self::Handle {
        self.sender.clone()
    }

    fn execute<F: FnOnce() + Send + 'static>(handle: &Self::Handle, job: F) {
        W::put(handle, Box::new(job));
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
        drop(self.sender);
        self.runners.join();
    }
}

/// A new thread for each job.
pub(crate) struct Threads;

impl Contender for Threads {
    const NAME: &'static str = "thread::spawn";
    const NOTE: &'static str = "a thread for each job, and without limit; a 64th of the jobs";
    const ONE_IN: u64 = 64;
    const KEEPS_WORKERS: bool = false;

    type Handle = ();
    type Ticket<T: Send + 'static> = JoinHandle<T>;

    fn start(_workers: usize) -> Self {
        Self
    }

    fn handle(&self) {}

    fn execute<F: FnOnce() + Send + 'static>(_handle: &(), job: F) {
        drop(thread::spawn(job));
    }

    fn submit<T, F>(_handle: &(), job: F) -> JoinHandle<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        thread::spawn(job)
    }

    fn join<T: Send + 'static>(_handle: &(), ticket: JoinHandle<T>) -> T {
        ticket.join().expect("the job does not panic")
    }

    fn stop(self) {}

    fn at_home<R>(f: impl FnOnce(&()) -> R) -> R {
        f(&())
    }
}
