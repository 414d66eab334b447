//! The one way to the log: every line of the crate goes through [`contained`].
//!
//! A logger is the user's code. A panic of it, or of what it displays, ends here, and what it makes
//! the crate log on the same thread is dropped, so that records that are jobs of a pool do not write
//! further ones without an end. No lock is held where a line is written, and what the thread owes to
//! others is done before.

use std::cell::Cell;
use std::fmt;
use std::time::Duration;

use crate::panic::{catch, discard_payload};
use crate::sync::{Instant, Mutex, thread_local};

/// Writes a line at one of the log crate's levels, which is named first. The values are computed
/// only if the level is on.
///
/// With `limit:` and a [`RateLimit`] in front, the line is left out where the limit says so.
macro_rules! write {
    (limit: $limit:expr, $level:ident, $($line:tt)+) => {
        $crate::logging::contained(log::Level::$level, &|| {
            if let Some(left_out) = $limit.admit() {
                log::log!(log::Level::$level, "{}{left_out}", format_args!($($line)+));
            }
        })
    };
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

/// Keeps a line that could be repeated without an end to one a second: the first is written at once,
/// and each later one says how many were left out before it.
#[derive(Default)]
pub(crate) struct RateLimit {
    /// Locked alone.
    written: Mutex<Written>,
}

/// What is known of the lines under a limit.
#[derive(Debug, Default)]
struct Written {
    last: Option<Instant>,
    left_out: LeftOut,
}

/// How many lines were left out, as text to be added to the next one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LeftOut(u64);

const SECOND: Duration = Duration::from_secs(1);

impl RateLimit {
    /// Returns what to add to the line, or none if that is to be left out.
    pub(crate) fn admit(&self) -> Option<LeftOut> {
        self.written.lock().admit(Instant::now())
    }
}

impl Written {
    /// Like [`RateLimit::admit`], at this moment.
    fn admit(&mut self, now: Instant) -> Option<LeftOut> {
        let is_due = self.last.is_none_or(|last| now.saturating_duration_since(last) >= SECOND);
        if !is_due {
            self.left_out.0 += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.left_out))
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            count => f.write_fmt(format_args!(" ({count} such lines were left out before)")),
        }
    }
}

#[cfg(all(test, not(workcrew_loom)))]
mod tests;
