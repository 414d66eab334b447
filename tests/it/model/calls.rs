//! The calls that the model and the pool are driven with, and how they are drawn.

use std::time::Duration;

use proptest::prelude::*;
use workcrew::{Growth, Queue};

/// What a pool is built with. No more threads than one submission may start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setup {
    pub(super) core: usize,
    pub(super) max: usize,
    pub(super) queue: Queue,
    pub(super) growth: Growth,
    pub(super) keep_alive: KeepAlive,
    pub(super) policy: Policy,
}

/// Keep-alives that need no waiting: what is to expire does at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeepAlive {
    Zero,
    /// One nanosecond: the worker goes to rest, and its time is over.
    Tiny,
    Endless,
}

impl KeepAlive {
    pub(super) fn duration(self) -> Duration {
        match self {
            Self::Zero => Duration::ZERO,
            Self::Tiny => Duration::from_nanos(1),
            Self::Endless => Duration::MAX,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Policy {
    Abort,
    CallerRuns,
    Discard,
    DiscardOldest,
    /// Does not wait.
    BlockZero,
    /// Waits without a limit.
    Block,
}

/// How a job is submitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Execute,
    Submit,
    /// `execute_job` of a job whose handle is there before.
    ExecuteJob,
    TryExecute,
    /// `execute_timeout` with no time.
    Timeout,
    /// `execute_timeout` with all the time there is.
    Patient,
}

impl Way {
    pub(super) fn asks_policy(self) -> bool {
        match self {
            Self::Execute | Self::Submit | Self::ExecuteJob => true,
            Self::TryExecute | Self::Timeout | Self::Patient => false,
        }
    }
}

/// How a job that runs is let end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Returns,
    Panics,
}

/// How a job waits for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// `join`, which may run the other job.
    Join,
    /// `join_timeout` with a limit that is never reached.
    Timed,
}

/// Whether threads can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Factory {
    Works,
    Fails,
}

/// One call, or one thing that happens. Numbers choose among what there is, modulo its count.
#[derive(Clone, Copy, Debug)]
pub(super) enum Call {
    Submit(Way),
    End(usize, Ending),
    /// The first job waits for the second.
    Await(usize, usize, Wait),
    Cancel(usize),
    SetCore(usize),
    SetMax(usize),
    SetThreads(usize, usize),
    SetKeepAlive(KeepAlive),
    SetCapacity(usize),
    AllowCoreTimeout(bool),
    Prestart,
    PrestartAll,
    TakePending,
    Threads(Factory),
    WaitIdle,
    AwaitTermination,
    Shutdown,
    ShutdownNow,
}

fn keep_alive() -> impl Strategy<Value = KeepAlive> {
    prop_oneof![Just(KeepAlive::Endless), Just(KeepAlive::Zero), Just(KeepAlive::Tiny)]
}

pub(super) fn setup() -> impl Strategy<Value = Setup> {
    let queue = prop_oneof![
        (1..4_usize).prop_map(Queue::Bounded),
        Just(Queue::Unbounded),
        Just(Queue::Handoff),
    ];
    let growth = prop_oneof![Just(Growth::QueueFirst), Just(Growth::ThreadsFirst)];
    let policy = prop_oneof![
        Just(Policy::Abort),
        Just(Policy::CallerRuns),
        Just(Policy::Discard),
        Just(Policy::DiscardOldest),
        Just(Policy::BlockZero),
        Just(Policy::Block),
    ];
    (0..4_usize, 1..5_usize, queue, growth, keep_alive(), policy).prop_map(
        |(core, max, queue, growth, keep_alive, policy)| Setup {
            core: core.min(max),
            max,
            queue,
            growth,
            keep_alive,
            policy,
        },
    )
}

fn way() -> impl Strategy<Value = Way> {
    prop_oneof![
        3 => Just(Way::Execute),
        3 => Just(Way::Submit),
        2 => Just(Way::ExecuteJob),
        2 => Just(Way::TryExecute),
        1 => Just(Way::Timeout),
        1 => Just(Way::Patient),
    ]
}

pub(super) fn calls() -> impl Strategy<Value = Vec<Call>> {
    let ending = prop_oneof![4 => Just(Ending::Returns), 1 => Just(Ending::Panics)];
    let wait = prop_oneof![Just(Wait::Join), Just(Wait::Timed)];
    let threads = prop_oneof![2 => Just(Factory::Works), 1 => Just(Factory::Fails)];
    let call = prop_oneof![
        40 => way().prop_map(Call::Submit),
        24 => (0..8_usize, ending).prop_map(|(job, ending)| Call::End(job, ending)),
        20 => (0..8_usize, 0..8_usize, wait)
            .prop_map(|(waiter, other, wait)| Call::Await(waiter, other, wait)),
        8 => (0..8_usize).prop_map(Call::Cancel),
        3 => (0..5_usize).prop_map(Call::SetCore),
        3 => (0..5_usize).prop_map(Call::SetMax),
        2 => (0..4_usize, 1..5_usize).prop_map(|(core, max)| Call::SetThreads(core, max)),
        3 => keep_alive().prop_map(Call::SetKeepAlive),
        3 => (0..4_usize).prop_map(Call::SetCapacity),
        2 => any::<bool>().prop_map(Call::AllowCoreTimeout),
        2 => Just(Call::Prestart),
        1 => Just(Call::PrestartAll),
        2 => Just(Call::TakePending),
        3 => threads.prop_map(Call::Threads),
        2 => Just(Call::WaitIdle),
        1 => Just(Call::AwaitTermination),
        1 => Just(Call::Shutdown),
        1 => Just(Call::ShutdownNow),
    ];
    prop::collection::vec(call, 1..60)
}
