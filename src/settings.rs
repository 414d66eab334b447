//! Owns what can be set, before and after a pool is built, and which combinations are possible.

use std::time::Duration;

use crate::error::BuildError;

/// Where accepted jobs wait for a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// A queue of at most this many pending jobs. `Bounded(0)` is [`Handoff`](Self::Handoff).
    Bounded(usize),
    /// A queue without a limit: nothing is ever rejected for want of room.
    Unbounded,
    /// No queue: a job is accepted only if an idle worker, or a new one, takes it at once.
    Handoff,
}

/// When workers beyond the core are started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Growth {
    /// The JDK's rule: below `core_threads` each job starts a worker, even if others are idle; then
    /// jobs are queued; only when the queue is full are workers started, up to `max_threads`.
    #[default]
    QueueFirst,
    /// A worker is started whenever none is idle, up to `max_threads`; only then are jobs queued.
    ThreadsFirst,
}

/// The sizes and times of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) core: usize,
    pub(crate) max: usize,
    /// Of the queue; `None` is without a limit.
    pub(crate) capacity: Option<usize>,
    pub(crate) keep_alive: Duration,
    pub(crate) core_timeout: CoreTimeout,
    pub(crate) growth: Growth,
    pub(crate) tenure: Tenure,
}

/// Whether idle core workers leave too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CoreTimeout {
    Allowed,
    Never,
}

/// How long a worker is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tenure {
    /// Until it is one too many.
    Lasting,
    /// For one job, which no other thread runs.
    OneJob,
}

impl CoreTimeout {
    #[expect(clippy::fn_params_excessive_bools, reason = "the JDK's name, and a plain switch")]
    pub(crate) fn new(allowed: bool) -> Self {
        if allowed { Self::Allowed } else { Self::Never }
    }
}

impl Settings {
    pub(crate) fn validate(&self) -> Result<(), BuildError> {
        if self.max == 0 {
            return Err(BuildError::NoThreads);
        }
        if self.core > self.max {
            return Err(BuildError::CoreAboveMax { core: self.core, max: self.max });
        }
        if self.core_timeout == CoreTimeout::Allowed && self.keep_alive.is_zero() {
            return Err(BuildError::CoreTimeoutWithoutKeepAlive);
        }
        Ok(())
    }
}

impl Queue {
    pub(crate) fn capacity(self) -> Option<usize> {
        match self {
            Self::Bounded(capacity) => Some(capacity),
            Self::Unbounded => None,
            Self::Handoff => Some(0),
        }
    }
}
