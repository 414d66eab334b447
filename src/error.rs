//! Owns the error types of everything but a rejection, and what is known of a panic.

use std::any::Any;
use std::fmt;

/// A value that cannot exist: the message type of channels that only ever disconnect.
///
/// [`JobHandle::done`](crate::JobHandle::done) and
/// [`Interrupt::signal`](crate::interrupt::Interrupt::signal) give out a `Receiver<Never>`; such a
/// channel becomes ready in `select!` when its other end is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Never {}

/// What a panic carried.
pub(crate) type Payload = Box<dyn Any + Send>;

/// The text of a panic, where its payload is a string, as that of `panic!` is.
pub(crate) fn panic_message(payload: &(dyn Any + Send)) -> Option<&str> {
    payload
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}

/// The text of a panic, for the log.
pub(crate) fn panic_text(payload: &(dyn Any + Send)) -> &str {
    panic_message(payload).unwrap_or("(the payload is not a string)")
}

/// Why [`JobHandle::join`](crate::JobHandle::join) has no value to return.
#[non_exhaustive]
pub enum JoinError {
    /// The job panicked, with this payload.
    Panicked(Payload),
    /// The job was cancelled, or dropped by whoever held it, before it started; it never runs.
    Cancelled,
    /// The job that called `join` was interrupted. The awaited job goes on.
    Interrupted,
    /// The calling thread is running the awaited job, and would wait for itself. The job goes on.
    Deadlock,
}

impl JoinError {
    /// Returns whether the job panicked.
    pub fn is_panic(&self) -> bool {
        matches!(self, Self::Panicked(_))
    }

    /// Returns whether the job was cancelled before it started.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cancelled)
    }

    /// Returns the payload of the job's panic, for
    /// [`resume_unwind`](std::panic::resume_unwind) or a downcast.
    ///
    /// # Errors
    ///
    /// Returns the error itself when the job did not panic.
    pub fn into_panic(self) -> Result<Box<dyn Any + Send>, Self> {
        match self {
            Self::Panicked(payload) => Ok(payload),
            Self::Cancelled | Self::Interrupted | Self::Deadlock => Err(self),
        }
    }

    /// Returns the message of the job's panic, if it was a string.
    pub fn message(&self) -> Option<&str> {
        match self {
            Self::Panicked(payload) => panic_message(&**payload),
            Self::Cancelled | Self::Interrupted | Self::Deadlock => None,
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(_) => f.debug_tuple("Panicked").field(&self.message()).finish(),
            Self::Cancelled => f.write_str("Cancelled"),
            Self::Interrupted => f.write_str("Interrupted"),
            Self::Deadlock => f.write_str("Deadlock"),
        }
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(_) => match self.message() {
                Some(message) => write!(f, "the job panicked: {message}"),
                None => f.write_str("the job panicked"),
            },
            Self::Cancelled => f.write_str("the job was cancelled before it started"),
            Self::Interrupted => f.write_str("interrupted while waiting for the job"),
            Self::Deadlock => f.write_str(
                "the job is being run by the very thread that waits for it, and would wait for itself",
            ),
        }
    }
}

impl std::error::Error for JoinError {}

// The payload is only Send. It can be reached through `&JoinError` as `&dyn Any`, so JoinError is
// not Sync by itself, and needs not be: it is an error of the thread that joined.

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
