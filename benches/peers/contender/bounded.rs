//! Pools with a bounded queue that is kept full: this crate's, and a bounded channel that does the
//! same by hand.

use std::time::Duration;

use crossbeam_channel::{Sender, TrySendError, bounded};
use workcrew::policy::{Block, CallerRuns};
use workcrew::{Handle, Queue, RejectionPolicy, ThreadPoolExecutor};

use super::Contender;
use super::channel::{BoxedJob, Runners};

/// Jobs that can be pending.
const ROOM: usize = 256;

fn bounded_pool(workers: usize, policy: impl RejectionPolicy + 'static) -> ThreadPoolExecutor {
    let builder = ThreadPoolExecutor::builder().threads(workers).queue(Queue::Bounded(ROOM));
    builder.rejection_policy(policy).build().expect("valid settings")
}

/// Waits for room.
pub(crate) struct BlockingWorkcrew(ThreadPoolExecutor);

impl Contender for BlockingWorkcrew {
    const NAME: &'static str = "workcrew";

    type Handle = Handle;

    fn start(workers: usize) -> Self {
        Self(bounded_pool(workers, Block { timeout: Duration::MAX }))
    }

    fn handle(&self) -> Handle {
        self.0.handle()
    }

    fn execute<F: FnOnce() + Send + 'static>(handle: &Handle, job: F) {
        handle.execute(job).expect("the pool is open");
    }

    fn stop(self) {
        self.0.close();
    }
}

/// Runs the job itself when there is no room.
pub(crate) struct CallerRunsWorkcrew(ThreadPoolExecutor);

impl Contender for CallerRunsWorkcrew {
    const NAME: &'static str = "workcrew";

    type Handle = Handle;

    fn start(workers: usize) -> Self {
        Self(bounded_pool(workers, CallerRuns))
    }

    fn handle(&self) -> Handle {
        self.0.handle()
    }

    fn execute<F: FnOnce() + Send + 'static>(handle: &Handle, job: F) {
        handle.execute(job).expect("the pool is open");
    }

    fn stop(self) {
        self.0.close();
    }
}

/// Waits for room, by `send`.
pub(crate) struct BlockingChannel {
    sender: Sender<BoxedJob>,
    runners: Runners,
}

impl Contender for BlockingChannel {
    const NAME: &'static str = "bounded channel";

    type Handle = Sender<BoxedJob>;

    fn start(workers: usize) -> Self {
        let (sender, jobs) = bounded(ROOM);
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

/// Runs the job itself when `try_send` finds no room.
pub(crate) struct CallerRunsChannel(BlockingChannel);

impl Contender for CallerRunsChannel {
    const NAME: &'static str = "bounded channel";

    type Handle = Sender<BoxedJob>;

    fn start(workers: usize) -> Self {
        Self(BlockingChannel::start(workers))
    }

    fn handle(&self) -> Self::Handle {
        self.0.handle()
    }

    fn execute<F: FnOnce() + Send + 'static>(handle: &Self::Handle, job: F) {
        match handle.try_send(Box::new(job)) {
            Ok(()) => {}
            Err(TrySendError::Full(job)) => job(),
            Err(TrySendError::Disconnected(_)) => panic!("the workers receive"),
        }
    }

    fn stop(self) {
        self.0.stop();
    }
}
