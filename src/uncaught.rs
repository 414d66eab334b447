//! Owns what is known of a panic that nobody receives.

use std::any::Any;
use std::fmt;
use std::panic::Location;

use crate::error::{panic_message, panic_text};
use crate::job::Origin;

/// A panic that no handle receives, as the [`on_uncaught`](crate::Builder::on_uncaught) hook sees it.
///
/// `{}` is the line of the log: `a job panicked: no such mailbox ("mail 7", submitted at
/// src/main.rs:31:10)`.
pub struct UncaughtPanic<'a> {
    pub(crate) pool: &'a str,
    pub(crate) source: &'a str,
    pub(crate) origin: Option<&'a Origin>,
    pub(crate) payload: &'a (dyn Any + Send),
}

impl UncaughtPanic<'_> {
    /// Returns the name of the pool.
    pub fn pool_name(&self) -> &str {
        self.pool
    }

    /// Returns what panicked: `a job`, `after_job hook` and so on; text for a log.
    pub fn source(&self) -> &str {
        self.source
    }

    /// Returns the name of the job that panicked, if it is one and has a name.
    pub fn job_name(&self) -> Option<&str> {
        self.origin?.name.as_deref()
    }

    /// Returns where the job that panicked was submitted; none for what is not a job, or for one
    /// whose handle was dropped after it had ended.
    pub fn submitted_at(&self) -> Option<&'static Location<'static>> {
        self.origin.map(|origin| origin.site)
    }

    /// Returns the name of the thread on which it was noticed, which for a job is the one that ran
    /// it.
    pub fn thread_name(&self) -> Option<String> {
        std::thread::current().name().map(str::to_owned)
    }

    /// Returns the message of the panic, if its payload is a string.
    pub fn message(&self) -> Option<&str> {
        panic_message(self.payload)
    }

    /// Returns the payload of the panic.
    pub fn payload(&self) -> &(dyn Any + Send) {
        self.payload
    }
}

impl fmt::Display for UncaughtPanic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = panic_text(self.payload);
        write!(f, "{} panicked: {message}", self.source)?;
        let Some(origin) = self.origin else { return Ok(()) };
        f.write_str(" (")?;
        if let Some(name) = &origin.name {
            write!(f, "{name:?}, ")?;
        }
        write!(f, "submitted at {})", origin.site)
    }
}

impl fmt::Debug for UncaughtPanic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UncaughtPanic")
            .field("pool", &self.pool)
            .field("source", &self.source)
            .field("job_name", &self.job_name())
            .field("message", &self.message())
            .finish_non_exhaustive()
    }
}
