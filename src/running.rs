//! Owns what users see of the jobs that are being run.

use std::fmt;
use std::panic::Location;
use std::thread::Thread;
use std::time::Duration;

use crate::sync::Arc;

/// A job that was being run when [`running_jobs`](crate::Handle::running_jobs) looked, or that did
/// not stop, in a [`ShutdownReport`](crate::ShutdownReport).
///
/// `{}` is fit for a log: `"mail 7" on mail-3, submitted at src/main.rs:31:10, running for 4.2s`.
#[derive(Clone, Debug)]
pub struct RunningJob {
    pub(crate) name: Option<Arc<str>>,
    pub(crate) submitted_at: &'static Location<'static>,
    pub(crate) worker_index: usize,
    pub(crate) thread: Option<Thread>,
    pub(crate) running_for: Duration,
}

impl RunningJob {
    /// Returns the job's name, if it was given one.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Returns where the program made the job, or submitted its closure.
    pub fn submitted_at(&self) -> &'static Location<'static> {
        self.submitted_at
    }

    /// Returns the number of the worker that runs it; 0 for a submitter that runs it itself, as
    /// under [`CallerRuns`](crate::policy::CallerRuns).
    pub fn worker_index(&self) -> usize {
        self.worker_index
    }

    /// Returns the name of the thread that runs it, if it has one.
    pub fn thread_name(&self) -> Option<&str> {
        self.thread.as_ref()?.name()
    }

    /// Returns how long it has been running; never less than it has. Jobs that follow one another
    /// within 15 microseconds share a reading of the clock, at most 64 of them: where one of those
    /// takes long, some after it may be told to have started with it.
    pub fn running_for(&self) -> Duration {
        self.running_for
    }
}

impl fmt::Display for RunningJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name:?}")?,
            None => f.write_str("a job")?,
        }
        write!(
            f,
            " on {}, submitted at {}, running for {:.1?}",
            self.thread_name().unwrap_or("a thread without a name"),
            self.submitted_at,
            self.running_for
        )
    }
}

/// Several of them, for a log.
pub(crate) struct Listed<'a>(pub(crate) &'a [RunningJob]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, job) in self.0.iter().enumerate() {
            let between = if place == 0 { "" } else { "; " };
            write!(f, "{between}{job}")?;
        }
        Ok(())
    }
}
