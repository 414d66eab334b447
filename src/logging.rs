//! The one way to the log: every line of the crate goes through [`contained`].
//!
//! A logger is the user's code. A panic of it, or of what it displays, ends here, and what it makes
//! the crate log on the same thread is dropped, so that records that are jobs of a pool do not write
//! further ones without an end. No lock is held where a line is written, and what the thread owes to
//! others is done before.

use std::cell::Cell;

use crate::job::{catch, discard_payload};
use crate::sync::thread_local;

/// Writes a line at one of the log crate's levels, which is named first. The values are computed
/// only if the level is on.
macro_rules! write {
    ($level:ident, $($line:tt)+) => {
        $crate::logging::contained(log::Level::$level, &|| log::log!(log::Level::$level, $($line)+))
    };
}
pub(crate) use write;

thread_local! {
    /// Whether this thread is writing a line. It has no destructor, so that lines can also be
    /// written in those of other thread-locals.
    static WRITES: Cell<bool> = const { Cell::new(false) };
}

/// Makes this thread one that writes a line, until it is dropped.
struct Writing;

impl Writing {
    /// Returns none if this thread writes a line already.
    fn begin() -> Option<Self> {
        let writes = WRITES.try_with(|writes| writes.replace(true)).unwrap_or(true);
        if writes { None } else { Some(Self) }
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        // What `begin` has found is there.
        WRITES.try_with(|writes| writes.set(false)).ok();
    }
}

/// Calls `line`, which writes a line, if its level is on. [`write!`] is how to call it.
pub(crate) fn contained(level: log::Level, line: &dyn Fn()) {
    if level > log::STATIC_MAX_LEVEL || level > log::max_level() {
        return;
    }
    let Some(_writing) = Writing::begin() else { return };
    if let Err(payload) = catch(line) {
        discard_payload(payload);
    }
}
