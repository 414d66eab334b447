//! Why a handle has no value, and why a job never ran.

use std::any::Any;
use std::fmt;

use super::panic::{PanicPayload, Payload};

/// Why [`JobHandle::join`](crate::JobHandle::join) has no value to return.
#[non_exhaustive]
pub enum JoinError {
    /// The job panicked, with this payload.
    Panicked(PanicPayload),
    /// The job was cancelled, or dropped by whoever held it, before it started; it never runs.
    Cancelled(CancelReason),
    /// The job that called `join` was interrupted. The awaited job goes on.
    Interrupted,
    /// The calling thread is running the awaited job, and would wait for itself. The job goes on.
    Deadlock,
}

/// Why a job never ran; see [`JoinError::Cancelled`].
///
/// # Examples
///
/// ```
/// use workcrew::{CancelReason, Job};
///
/// let (job, handle) = Job::with_handle(|| 6 * 7);
/// drop(job);
/// let error = handle.join().unwrap_err();
/// assert_eq!(error.cancel_reason(), Some(CancelReason::Dropped));
/// assert_eq!(error.to_string(), "the job was dropped by its holder before it started");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CancelReason {
    /// It was cancelled, through its [handle](crate::JobHandle::cancel), its
    /// [set](crate::JoinSet::cancel_all) or the drop of that, or by an `invoke_all`, an `invoke_any`
    /// or a [scope](crate::Handle::scope) that gave up.
    ByHandle,
    /// It was dropped by whoever held it: a program that made it and did not submit it, or that a
    /// pool's rejection gave it back to.
    Dropped,
    /// A [rejection policy](crate::RejectionPolicy) dropped it:
    /// [`Discard`](crate::policy::Discard), [`DiscardOldest`](crate::policy::DiscardOldest), or one
    /// of your own.
    Discarded,
    /// Its pool handed it back, by [`shutdown_now`](crate::Handle::shutdown_now),
    /// [`take_pending`](crate::ThreadPoolExecutor::take_pending) or
    /// [`take_oldest`](crate::Saturation::take_oldest), and whoever has it dropped it, or may keep
    /// it, for which a set, a scope or a map does not wait.
    HandedBack,
    /// Its pool ended without running it: an owner dropped during a panic or with
    /// [`OnDrop::Stop`](crate::OnDrop::Stop), an interrupted close, the end of a plan whose pending
    /// jobs nobody took, or a [`Map`](crate::Map) whose pool was shut down.
    Shutdown,
}

impl JoinError {
    pub(crate) fn panicked(payload: Payload) -> Self {
        Self::Panicked(PanicPayload::new(payload))
    }

    /// Returns whether the job panicked.
    pub fn is_panic(&self) -> bool {
        matches!(self, Self::Panicked(_))
    }

    /// Returns whether the job was cancelled, or dropped, before it started.
    pub fn is_cancelled(&self) -> bool {
        self.cancel_reason().is_some()
    }

    /// Returns why the job never ran, if it was cancelled, or dropped, before it started.
    pub fn cancel_reason(&self) -> Option<CancelReason> {
        match self {
            Self::Cancelled(reason) => Some(*reason),
            Self::Panicked(_) | Self::Interrupted | Self::Deadlock => None,
        }
    }

    /// Returns the payload of the job's panic, for
    /// [`resume_unwind`](std::panic::resume_unwind) or a downcast.
    ///
    /// # Errors
    ///
    /// Returns the error itself when the job did not panic.
    pub fn into_panic(self) -> Result<Box<dyn Any + Send>, Self> {
        match self {
            Self::Panicked(payload) => Ok(payload.into_inner()),
            Self::Cancelled(_) | Self::Interrupted | Self::Deadlock => Err(self),
        }
    }

    /// Returns the message of the job's panic, if it was a string.
    pub fn message(&self) -> Option<&str> {
        match self {
            Self::Panicked(payload) => payload.message(),
            Self::Cancelled(_) | Self::Interrupted | Self::Deadlock => None,
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(_) => f.debug_tuple("Panicked").field(&self.message()).finish(),
            Self::Cancelled(reason) => f.debug_tuple("Cancelled").field(reason).finish(),
            Self::Interrupted => f.write_str("Interrupted"),
            Self::Deadlock => f.write_str("Deadlock"),
        }
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(payload) => match payload.message() {
                Some(message) => write!(f, "the job panicked: {message}"),
                None => f.write_str("the job panicked"),
            },
            Self::Cancelled(reason) => write!(f, "the job was {reason} before it started"),
            Self::Interrupted => f.write_str("interrupted while waiting for the job"),
            Self::Deadlock => f.write_str(
                "the job is being run by the thread that waits for it, which would wait for itself",
            ),
        }
    }
}

impl std::error::Error for JoinError {}

/// What happened to the job, in words: `cancelled`, `dropped by its holder` and so on.
impl fmt::Display for CancelReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::ByHandle => "cancelled",
            Self::Dropped => "dropped by its holder",
            Self::Discarded => "discarded by a rejection policy",
            Self::HandedBack => "handed back by its pool",
            Self::Shutdown => "dropped by the shutdown of its pool",
        })
    }
}
