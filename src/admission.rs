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
    /// Workers that wait for a job of the pool's own, or for room in it.
    pub(crate) parked: usize,
    /// Workers that were started because others are parked.
    pub(crate) spares: usize,
    /// Workers that wait for a job to run.
    pub(crate) idle: usize,
    /// Jobs that wait for a worker, counting those whose submitter is just starting one.
    pub(crate) waiting: usize,
    /// Workers whose thread is being started; each will take one waiting job.
    pub(crate) starting: usize,
    /// Places that are kept for submitters that were woken because there is room.
    pub(crate) reserved: usize,
}

/// Spares that a pool has at most. Each is a thread, whose stack takes address space.
pub(crate) const MOST_SPARES: usize = 256;

impl Counts {
    /// The workers that the pool has for its jobs; spares only stand in for some of them, as long as
    /// those are parked.
    pub(crate) fn regular(&self) -> usize {
        self.workers - self.spares.min(self.parked)
    }

    /// The workers that run jobs or will: a parked one is left out of every rule for as long as it
    /// is parked.
    pub(crate) fn unparked(&self) -> usize {
        self.workers - self.parked
    }

    /// Returns whether there are more workers than the pool may have, or spares for whom nobody is
    /// parked any more.
    pub(crate) fn is_oversized(&self) -> bool {
        self.unparked() > self.settings.max || self.spares > self.parked
    }

    /// Returns whether a worker that is started now is a spare.
    pub(crate) fn starts_spare(&self) -> bool {
        let Settings { core, max, .. } = self.settings;
        let is_stand_in = self.regular() >= max || (self.unparked() == 0 && self.regular() >= core);
        self.spares < self.parked && is_stand_in
    }

    /// Returns whether another spare may be started: some worker is parked and has none, and the
    /// pool may have one more.
    pub(crate) fn may_have_spare(&self) -> bool {
        self.spares < self.parked.min(MOST_SPARES) && self.unparked() < self.settings.max
    }

    /// Returns whether there is a place for a job: as many as are waiting beyond those that starting
    /// workers will take, and the submitters for whom a place is kept, must be fewer than the places.
    fn has_room(&self) -> bool {
        let Some(capacity) = self.settings.capacity else {
            return true;
        };
        // Where there are more starting workers than jobs, one of them can take this job.
        self.waiting + self.reserved < capacity.saturating_add(self.starting + self.idle)
    }

    /// Returns whether an idle worker can take a job. One that runs a single job is its submitter's
    /// who started it, and is free for another's only if that job has gone elsewhere.
    fn has_free(&self) -> bool {
        match self.settings.tenure {
            Tenure::Lasting => self.idle > 0 && (self.reserved == 0 || self.has_room()),
            Tenure::OneJob => {
                self.idle > 0 && self.idle + self.starting > self.waiting + self.reserved
            }
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
    if growth == Growth::QueueFirst && attempt == Attempt::First && counts.regular() < core {
        return if has_idle { Decision::HandOffAndStart } else { Decision::Start };
    }
    if has_idle {
        return Decision::HandOff;
    }
    if counts.workers == 0 {
        return if attempt == Attempt::First { Decision::Start } else { Decision::Unstaffed };
    }
    if counts.unparked() == 0 && attempt == Attempt::First && counts.may_have_spare() {
        return Decision::Start;
    }
    let is_below_max = counts.regular() < max;
    let can_grow =
        may_start && counts.unparked() < max && (is_below_max || counts.may_have_spare());
    // A starting worker that no job waits for is as good as an idle one.
    let grows_first = growth == Growth::ThreadsFirst && counts.waiting >= counts.starting;
    if can_grow && is_below_max && grows_first {
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
/// `counts`. `bringing` submitters have started a worker and hold the job for it, or wait for room:
/// as many workers stay for them, whoever of the idle they are.
pub(crate) fn rest(counts: &Counts, bringing: usize, idle_for: Duration) -> Rest {
    let Settings { core, keep_alive, core_timeout, .. } = counts.settings;
    if counts.phase != Phase::Running || counts.is_oversized() {
        return Rest::Leave;
    }
    let surplus = counts.regular() > core || core_timeout == CoreTimeout::Allowed;
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
