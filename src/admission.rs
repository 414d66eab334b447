//! Owns the two rules that size the pool, as functions of plain values: what happens to a
//! submitted job, and whether a worker without a job leaves.

use std::time::Duration;

use crate::phase::Phase;
use crate::settings::{CoreTimeout, Growth, Settings, Tenure};

/// What the rules look at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts {
    pub(crate) phase: Phase,
    pub(crate) settings: Settings,
    /// All workers, also those whose thread is being started.
    pub(crate) workers: usize,
    /// Workers that wait for a job.
    pub(crate) idle: usize,
    /// Jobs that wait for a worker, counting those whose submitter is just starting one.
    pub(crate) waiting: usize,
    /// Workers whose thread is being started; each will take one waiting job.
    pub(crate) starting: usize,
}

impl Counts {
    /// Returns whether the queue can take a job: as many as are waiting beyond those that starting
    /// workers will take must be fewer than the capacity.
    fn has_room(&self) -> bool {
        let Some(capacity) = self.settings.capacity else {
            return true;
        };
        // Where there are more starting workers than jobs, one of them can take this job.
        self.waiting < capacity.saturating_add(self.starting)
    }

    /// Returns whether an idle worker can take a job. One that runs a single job is its submitter's
    /// who started it, and is free for another's only if that job has gone elsewhere.
    fn has_free(&self) -> bool {
        match self.settings.tenure {
            Tenure::Lasting => self.idle > 0,
            Tenure::OneJob => self.idle > 0 && self.idle + self.starting > self.waiting,
        }
    }
}

/// How far a submission has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// It has just begun.
    First,
    /// It has started this many workers, the last of them just now.
    Started(u32),
    /// It has tried to start a worker, and could not.
    Failed,
}

/// Workers that one submission may start before it counts as rejected. More than one is needed
/// only where others take the new worker for their own job, which on a busy machine happens some
/// times in a row; the limit ends a submission to a pool whose new workers vanish.
const MOST_STARTS: u32 = 32;

/// What happens to a submitted job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Give it to an idle worker.
    HandOff,
    /// Give it to an idle worker, and start another because there are fewer than the core.
    HandOffAndStart,
    /// Queue it.
    Enqueue,
    /// Start a worker, then decide again.
    Start,
    /// There is no room.
    Saturated,
    /// There is no worker, and none can be started.
    Unstaffed,
    /// The pool is shut down.
    Refused,
}

/// Decides what happens to a job.
#[inline]
pub(crate) fn admit(counts: &Counts, attempt: Attempt) -> Decision {
    let Settings { core, max, growth, .. } = counts.settings;
    if counts.phase != Phase::Running {
        return Decision::Refused;
    }
    let has_idle = counts.has_free();
    let may_start = match attempt {
        Attempt::First => true,
        Attempt::Started(times) => times < MOST_STARTS,
        Attempt::Failed => false,
    };
    if growth == Growth::QueueFirst && attempt == Attempt::First && counts.workers < core {
        return if has_idle { Decision::HandOffAndStart } else { Decision::Start };
    }
    if has_idle {
        return Decision::HandOff;
    }
    if counts.workers == 0 {
        return if attempt == Attempt::First { Decision::Start } else { Decision::Unstaffed };
    }
    let can_grow = counts.workers < max && may_start;
    // A starting worker that no job waits for is as good as an idle one.
    let grows_first = growth == Growth::ThreadsFirst && counts.waiting >= counts.starting;
    if can_grow && grows_first {
        Decision::Start
    } else if counts.has_room() {
        Decision::Enqueue
    } else if can_grow {
        Decision::Start
    } else {
        Decision::Saturated
    }
}

/// What a worker does that found no job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// It leaves the pool.
    Leave,
    /// It waits for a job until it has been idle for this long.
    For(Duration),
    /// It waits for a job.
    Forever,
    /// It waits for a job until it is told to look again: it has been idle for too long, but there is
    /// a submitter who has started a worker and may bring the job to this one.
    Overdue,
}

/// Decides whether a worker that has been idle for `idle_for` leaves; it is one of the idle in
/// `counts`. `bringing` submitters have started a worker and hold the job for it: as many workers
/// stay for them, whoever of the idle they are.
pub(crate) fn rest(counts: &Counts, bringing: usize, idle_for: Duration) -> Rest {
    let Settings { core, max, keep_alive, core_timeout, .. } = counts.settings;
    if counts.phase != Phase::Running || counts.workers > max {
        return Rest::Leave;
    }
    let surplus = counts.workers > core || core_timeout == CoreTimeout::Allowed;
    if !surplus {
        Rest::Forever
    } else if idle_for < keep_alive {
        Rest::For(keep_alive)
    } else if counts.idle > bringing {
        Rest::Leave
    } else {
        Rest::Overdue
    }
}

#[cfg(test)]
mod tests;
