//! Owns what is done with several jobs in one call: run all of them, or take the first success.

use std::fmt;

use crate::error::{AwaitError, CancelReason, JoinError};
use crate::job::waiting::Needs;
use crate::job::{Awaited, Job, Site};
use crate::members::{JobId, Members};
use crate::rejection::{RejectReason, Rejected};
use crate::wait::Deadline;

/// Why `invoke_all` has no results. The jobs that were submitted have been cancelled.
#[derive(Debug)]
#[non_exhaustive]
pub enum InvokeAllError {
    /// This job was not accepted; those after it were not submitted.
    Rejected(Rejected),
    /// The job that waited was interrupted.
    Interrupted,
}

/// Why `invoke_any` has no result. All jobs have ended, or have been cancelled.
#[derive(Debug)]
#[non_exhaustive]
pub enum InvokeAnyError<E> {
    /// There was no job.
    Empty,
    /// Every job failed, and this is the error of the one that ended last.
    Failed(E),
    /// Every job failed, and the one that ended last panicked or was cancelled.
    Ended(JoinError),
    /// This job was not accepted; those after it were not submitted.
    Rejected(Rejected),
    /// No job had succeeded in time.
    TimedOut,
    /// The job that waited was interrupted.
    Interrupted,
}

pub(crate) fn all<F, T>(
    jobs: impl IntoIterator<Item = F>,
    deadline: Deadline,
    site: Site,
    execute: impl Fn(Job, Awaited) -> Result<(), Rejected>,
) -> Result<Vec<Result<T, JoinError>>, InvokeAllError>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let awaited = Awaited::new(Needs::All, deadline);
    let mut members = Members::new();
    let mut results = Vec::new();
    for job in jobs {
        results.push(None);
        if deadline.is_past() {
            continue;
        }
        match members.submit(job, site, |job| execute(job, awaited)) {
            Ok(_) => {}
            Err(rejected) if is_late(&rejected, deadline) => drop(rejected),
            Err(rejected) => return Err(InvokeAllError::Rejected(rejected)),
        }
    }
    // The time can be over only for all that come later, so the ids are those of the first jobs.
    let mut note = |(id, result): (_, _)| results[place(id)] = Some(result);
    loop {
        match members.next_by(deadline, Needs::All) {
            Ok(Some(next)) => note(next),
            Ok(None) => break,
            Err(AwaitError::Interrupted) => return Err(InvokeAllError::Interrupted),
            Err(AwaitError::TimedOut | AwaitError::FromWorker) => {
                // Those that ended at the last moment have a result all the same; what is told to
                // stop below, by the drop of the members, has none.
                std::iter::from_fn(|| members.try_next()).for_each(note);
                break;
            }
        }
    }
    let gave_up = || Err(JoinError::Cancelled(CancelReason::ByHandle));
    Ok(results.into_iter().map(|result| result.unwrap_or_else(gave_up)).collect())
}

/// Whether there was no room for the job until the time was over.
fn is_late(rejected: &Rejected, deadline: Deadline) -> bool {
    rejected.reason() == RejectReason::TimedOut && deadline.is_past()
}

/// The place of a job among those that were submitted, of which the first has the id 1.
fn place(id: JobId) -> usize {
    usize::try_from(id.0 - 1).expect("there are as many results in memory")
}

pub(crate) fn any<F, T, E>(
    jobs: impl IntoIterator<Item = F>,
    deadline: Deadline,
    site: Site,
    execute: impl Fn(Job, Awaited) -> Result<(), Rejected>,
) -> Result<T, InvokeAnyError<E>>
where
    F: FnOnce() -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    let awaited = Awaited::new(Needs::Any, deadline);
    let mut members = Members::new();
    let mut failure = InvokeAnyError::Empty;
    let mut jobs = jobs.into_iter();
    loop {
        let next = if let Some(next) = members.try_next() {
            Some(next)
        } else if let Some(job) = jobs.next() {
            if deadline.is_past() {
                return Err(InvokeAnyError::TimedOut);
            }
            match members.submit(job, site, |job| execute(job, awaited)) {
                Ok(_) => None,
                Err(rejected) if is_late(&rejected, deadline) => {
                    return Err(InvokeAnyError::TimedOut);
                }
                Err(rejected) => return Err(InvokeAnyError::Rejected(rejected)),
            }
        } else if members.len() > 0 {
            members.next_by(deadline, Needs::Any).map_err(InvokeAnyError::of_wait)?
        } else {
            return Err(failure);
        };
        match next {
            Some((_, Ok(Ok(value)))) => return Ok(value),
            Some((_, Ok(Err(error)))) => failure = InvokeAnyError::Failed(error),
            Some((_, Err(error))) => failure = InvokeAnyError::Ended(error),
            None => {}
        }
    }
}

impl<E> InvokeAnyError<E> {
    fn of_wait(error: AwaitError) -> Self {
        match error {
            AwaitError::Interrupted => Self::Interrupted,
            AwaitError::TimedOut | AwaitError::FromWorker => Self::TimedOut,
        }
    }
}

impl fmt::Display for InvokeAllError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(rejected) => write!(f, "a job was not accepted: {rejected}"),
            Self::Interrupted => f.write_str("interrupted while waiting for the jobs"),
        }
    }
}

impl std::error::Error for InvokeAllError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Rejected(rejected) => Some(rejected),
            Self::Interrupted => None,
        }
    }
}

impl<E: fmt::Display> fmt::Display for InvokeAnyError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("there was no job to invoke: give at least one"),
            Self::Failed(error) => write!(f, "every job failed, the last one with: {error}"),
            Self::Ended(error) => write!(f, "every job failed, and of the last one: {error}"),
            Self::Rejected(rejected) => write!(f, "a job was not accepted: {rejected}"),
            Self::TimedOut => f.write_str("no job succeeded in time"),
            Self::Interrupted => f.write_str("interrupted while waiting for the jobs"),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for InvokeAnyError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Failed(error) => Some(error),
            Self::Ended(error) => Some(error),
            Self::Rejected(rejected) => Some(rejected),
            Self::Empty | Self::TimedOut | Self::Interrupted => None,
        }
    }
}
