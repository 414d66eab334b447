//! What one would write without a pool: a channel of boxed jobs, or a thread for each.

use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::Contender;

pub(super) type BoxedJob = Box<dyn FnOnce() + Send>;

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

/// An unbounded channel and worker threads, nothing else.
pub(crate) struct Channel {
    sender: Sender<BoxedJob>,
    runners: Runners,
}

impl Contender for Channel {
    const NAME: &'static str = "crossbeam channel";

    type Handle = Sender<BoxedJob>;

    fn start(workers: usize) -> Self {
        let (sender, jobs) = unbounded();
        Self { sender, runners: Runners::start(workers, &jobs) }
    }

    fn handle(&self) -> Self::Handle {
        self.sender.clone()
    }

    fn execute<F: FnOnce() + Send + 'static>(handle: &Self::Handle, job: F) {
        handle.send(Box::new(job)).expect("the workers receive");
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
    const ONE_IN: u64 = 64;
    const KEEPS_WORKERS: bool = false;

    type Handle = ();

    fn start(_workers: usize) -> Self {
        Self
    }

    fn handle(&self) {}

    fn execute<F: FnOnce() + Send + 'static>(_handle: &(), job: F) {
        drop(thread::spawn(job));
    }

    fn round_trip<T, F>(_handle: &(), job: F) -> T
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        thread::spawn(job).join().expect("the job does not panic")
    }

    fn stop(self) {}

    fn at_home<R>(f: impl FnOnce(&()) -> R) -> R {
        f(&())
    }
}
