//! The error types of everything but a rejection, and what is known of a panic.

use std::fmt;

pub use self::join::{CancelReason, JoinError};
pub use self::panic::PanicPayload;
pub(crate) use self::panic::{Payload, panic_message, panic_text};

mod join; // why a handle has no value
mod panic; // what a panic carried

/// A value that cannot exist: the message type of channels that only ever disconnect.
///
/// [`JobHandle::done`](crate::JobHandle::done) and
/// [`Interrupt::signal`](crate::interrupt::Interrupt::signal) give out a `Receiver<Never>`; such a
/// channel becomes ready in `select!` when its other end is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Never {}

/// Why a wait for the pool ended before what it waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AwaitError {
    /// The time was over.
    TimedOut,
    /// The job that waited was interrupted.
    Interrupted,
    /// The call came from a thread that the pool itself would have to wait for: one of its
    /// workers, a caller that runs one of its jobs, or its `on_terminated` hook.
    FromWorker,
}

impl fmt::Display for AwaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TimedOut => "timed out waiting for the pool",
            Self::Interrupted => "interrupted while waiting for the pool",
            Self::FromWorker => {
                "a job cannot wait for its own pool: wait from a thread that is not one of its workers"
            }
        })
    }
}

impl std::error::Error for AwaitError {}

/// Why [`JobHandle::wait_started`](crate::JobHandle::wait_started) has not seen the job start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartError {
    /// The time was over.
    TimedOut,
    /// The job that waited was interrupted.
    Interrupted,
    /// The awaited job was cancelled, or dropped by whoever held it, before it started; it never
    /// runs.
    Cancelled,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TimedOut => "timed out waiting for the job to start",
            Self::Interrupted => "interrupted while waiting for the job to start",
            Self::Cancelled => "the job was cancelled before it started",
        })
    }
}

impl std::error::Error for StartError {}

/// A configuration that no pool can have. Nothing was built or changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// `max_threads` is 0.
    NoThreads,
    /// `core_threads` is greater than `max_threads`.
    CoreAboveMax {
        /// The core size asked for.
        core: usize,
        /// The maximum it exceeds.
        max: usize,
    },
    /// Core threads may time out, but the keep-alive is zero, so none would ever wait for a job.
    CoreTimeoutWithoutKeepAlive,
    /// The pool's name has a NUL character, which no operating system accepts in a thread's name.
    NameHasNul {
        /// The name asked for.
        name: String,
    },
    /// The `limit` of a [`ThreadPerJob`](crate::ThreadPerJob) is 0.
    LimitIsZero,
}

impl BuildError {
    /// Returns the name of the setting at fault, as the builder spells it.
    pub fn field(&self) -> &'static str {
        match self {
            Self::NoThreads => "max_threads",
            Self::CoreAboveMax { .. } => "core_threads",
            Self::CoreTimeoutWithoutKeepAlive => "keep_alive",
            Self::NameHasNul { .. } => "name",
            Self::LimitIsZero => "limit",
        }
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoThreads => f.write_str("max_threads is 0, but must be at least 1"),
            Self::CoreAboveMax { core, max } => {
                write!(f, "core_threads is {core}, but must be at most max_threads, which is {max}")
            }
            Self::CoreTimeoutWithoutKeepAlive => f.write_str(
                "keep_alive is 0, but must be longer than that while allow_core_timeout is on",
            ),
            Self::NameHasNul { name } => {
                write!(f, "name is {name:?}, but must not contain a NUL character")
            }
            Self::LimitIsZero => f.write_str("limit is 0, but must be at least 1"),
        }
    }
}

impl std::error::Error for BuildError {}
