//! What a panic carried, for the crate and for whoever joins the job.
//!
//! INVARIANT: through a shared [`PanicPayload`] no code of the payload's own type runs: it may be
//! used by one thread at a time only.

use std::any::Any;
use std::fmt;
use std::sync::{Mutex, PoisonError};

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

/// What the panic of a job carried, in [`JoinError::Panicked`](crate::JoinError::Panicked).
///
/// A payload is [`Send`] but not [`Sync`], and errors have to be both. So a shared reference gives
/// the message alone, and [`into_inner`](Self::into_inner) the payload itself.
///
/// # Examples
///
/// ```
/// use workcrew::{JoinError, ThreadPoolExecutor};
///
/// let pool = ThreadPoolExecutor::single()?;
/// match pool.submit(|| panic!("no such mailbox"))?.join() {
///     Err(JoinError::Panicked(payload)) => {
///         assert_eq!(payload.message(), Some("no such mailbox"));
///         assert!(payload.into_inner().is::<&'static str>());
///     }
///     _ => unreachable!("the job panics"),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct PanicPayload(Kind);

#[expect(
    clippy::redundant_allocation,
    clippy::box_collection,
    reason = "they are the boxes of the panic, which go back to its receiver"
)]
enum Kind {
    Literal(Box<&'static str>),
    Text(Box<String>),
    /// Never locked: the mutex only keeps the payload from being shared.
    Other(Box<Mutex<Payload>>),
}

impl PanicPayload {
    pub(crate) fn new(payload: Payload) -> Self {
        let other = |payload| Kind::Other(Box::new(Mutex::new(payload)));
        let text = |payload: Payload| payload.downcast().map_or_else(other, Kind::Text);
        Self(payload.downcast().map_or_else(text, Kind::Literal))
    }

    /// Returns the message of the panic, if it was a string.
    pub fn message(&self) -> Option<&str> {
        match &self.0 {
            Kind::Literal(text) => Some(text),
            Kind::Text(text) => Some(text),
            Kind::Other(_) => None,
        }
    }

    /// Returns the payload, for [`resume_unwind`](std::panic::resume_unwind) or a downcast.
    pub fn into_inner(self) -> Box<dyn Any + Send> {
        match self.0 {
            Kind::Literal(text) => text,
            Kind::Text(text) => text,
            Kind::Other(payload) => payload.into_inner().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

/// Makes what a job that panicked leaves, for a test double of something that is joined.
impl From<Box<dyn Any + Send>> for PanicPayload {
    fn from(payload: Box<dyn Any + Send>) -> Self {
        Self::new(payload)
    }
}

impl fmt::Debug for PanicPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PanicPayload").field(&self.message()).finish()
    }
}
