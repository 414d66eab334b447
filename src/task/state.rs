//! Owns what users see of a job's life.

use std::fmt;

/// Where a job is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JobState {
    /// It has not been started.
    Pending,
    /// It is being run, or about to be by the thread that was chosen for it.
    Running,
    /// It has returned.
    Finished,
    /// It has panicked.
    Panicked,
    /// It was cancelled, or dropped, before it was started.
    Cancelled,
}

/// What [`JobHandle::cancel`](crate::JobHandle::cancel) did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CancelOutcome {
    /// The job was pending. It will never run, and its captures have been dropped.
    Removed,
    /// The job is running. Its interrupt is set; it ends when it heeds it, and in its own way.
    Interrupted,
    /// The job has ended, or was cancelled before.
    AlreadyFinished,
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Panicked => "panicked",
            Self::Cancelled => "cancelled",
        })
    }
}

impl fmt::Display for CancelOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Removed => "removed",
            Self::Interrupted => "interrupted",
            Self::AlreadyFinished => "already finished",
        })
    }
}
