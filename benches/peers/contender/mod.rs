//! Owns what the workloads ask of a pool, and the pools that answer.
//!
//! INVARIANT: everything is dispatched statically, so that the harness adds no box of its own to a
//! job.

mod answer; // how a result comes back where the pool has no handles
mod channel; // the bare channels, and plain threads
mod peers; // the other crates' pools
mod workcrew; // the crate's own

use std::sync::{Arc, Barrier};

use crossbeam_channel::bounded;

pub(crate) use self::channel::{BlockingChannel, CallerRunsChannel, Channel, Threads};
pub(crate) use self::peers::{Executors, Qubit, Rayon, RustyPool, Threadpool, Tokio};
pub(crate) use self::workcrew::{BlockingWorkcrew, CallerRunsWorkcrew, Workcrew};

/// Jobs that can be pending where the queue is bounded, and kept full.
const ROOM: usize = 256;

/// A pool with a fixed number of workers.
pub(crate) trait Contender: Sized + 'static {
    const NAME: &'static str;

    /// Names the things that it does less than this crate's pool, where they are part of the price.
    const NOTE: &'static str;

    /// Of how many jobs it gets one: more than 1 for what would take too long. Figures are per job.
    const ONE_IN: u64 = 1;

    /// Whether its workers outlive a job.
    const KEEPS_WORKERS: bool = true;

    /// Submitters hold this.
    type Handle: Clone + Send + 'static;

    fn start(workers: usize) -> Self;

    fn handle(&self) -> Self::Handle;

    fn execute<F: FnOnce() + Send + 'static>(handle: &Self::Handle, job: F);

    /// A submitter holds this until it has the result: the pool's own handle, or, if the pool has none,
    /// a channel, as its users do.
    type Ticket<T: Send + 'static>;

    fn submit<T, F>(handle: &Self::Handle, job: F) -> Self::Ticket<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static;

    fn join<T: Send + 'static>(handle: &Self::Handle, ticket: Self::Ticket<T>) -> T;

    /// Submits a job and waits for its result, by the shortest way that the pool has.
    fn round_trip<T, F>(handle: &Self::Handle, job: F) -> T
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        Self::join(handle, Self::submit(handle, job))
    }

    /// Waits for the results of all these jobs, in their order.
    fn join_all<T: Send + 'static>(
        handle: &Self::Handle,
        tickets: Vec<Self::Ticket<T>>,
        take: impl FnMut(T),
    ) {
        tickets.into_iter().map(|ticket| Self::join(handle, ticket)).for_each(take);
    }

    /// Ends the pool, and joins its threads where that is possible. All its jobs have run.
    fn stop(self);

    /// Calls `f` with the handle to the pool whose worker calls this.
    fn at_home<R>(f: impl FnOnce(&Self::Handle) -> R) -> R {
        crate::home::with(f)
    }
}

/// The round trip of a pool without handles: by a crossbeam channel, as its `recv` looks for a while
/// before it sleeps.
fn round_trip_by_channel<C: Contender, T, F>(handle: &C::Handle, job: F) -> T
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    let (sender, receiver) = bounded(1);
    C::execute(handle, move || sender.send(job()).expect("the submitter waits"));
    receiver.recv().expect("the job sends its result")
}

/// Has each worker run `f` once. Afterwards all worker threads exist and are about to be idle.
pub(crate) fn visit<C: Contender>(pool: &C, workers: usize, f: impl Fn() + Clone + Send + 'static) {
    if !C::KEEPS_WORKERS {
        return;
    }
    let handle = pool.handle();
    // They wait for each other, so no worker can run two.
    let meeting = Arc::new(Barrier::new(workers + 1));
    for _ in 0..workers {
        let (meeting, f) = (Arc::clone(&meeting), f.clone());
        C::execute(&handle, move || {
            meeting.wait();
            f();
            meeting.wait();
        });
    }
    meeting.wait();
    meeting.wait();
}
