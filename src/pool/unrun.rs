//! Owns the drop of jobs that nobody runs: their panics are reported, and the log names the jobs.

use std::fmt;

use super::Pool;
use crate::error::CancelReason;
use crate::job::{Job, drop_caught};
use crate::logging;

impl Pool {
    /// Drops a job that will not be run. A panic of its captures is reported and goes no further.
    pub(crate) fn drop_contained(&self, job: Job) {
        self.report_destructor(drop_caught(job).err());
    }

    pub(crate) fn drop_all(&self, jobs: Vec<Job>) {
        for job in jobs {
            self.drop_contained(job);
        }
    }

    /// Drops accepted jobs that nobody takes over, and says which.
    pub(crate) fn drop_unrun(&self, jobs: Vec<Job>) {
        if !jobs.is_empty() {
            let count = jobs.len();
            logging::write!(Warn, "pool {}: drops {count} jobs unrun: {}", self.name, Named(&jobs));
        }
        for job in &jobs {
            job.because(CancelReason::Shutdown);
        }
        self.drop_all(jobs);
    }
}

/// Jobs by their names or places, but no endless line of them.
struct Named<'a>(&'a [Job]);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 20;
        for (place, job) in self.0.iter().take(MOST).enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            match job.name() {
                Some(name) => write!(f, "{comma}{name:?}")?,
                None => write!(f, "{comma}one submitted at {}", job.submitted_at())?,
            }
        }
        if self.0.len() > MOST { f.write_str(", …") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
