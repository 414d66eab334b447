//! Owns since when a job has been waiting, or running: stamps, and how seldom the clock is read.
//!
//! Reading the clock can cost more than all the rest of a submission. So jobs that follow one
//! another quickly share a stamp, that of the first of them: an age is never told too low, and too
//! high only behind a rush of jobs that stopped all of a sudden.

use std::time::Duration;

use crate::sync::Instant;

/// A moment, in nanoseconds since another, the epoch of who notes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp(pub(crate) u64);

impl Stamp {
    pub(crate) const UNSET: Self = Self(0);
}

/// Jobs that share a stamp at most.
const MOST: u32 = 64;

/// Nanoseconds from one job to the next, on average, of jobs that may share a stamp. So a stamp is
/// less than a millisecond old while a rush goes on.
const QUICK: u64 = 15_000;

/// Gives jobs their stamps.
#[repr(C)]
pub(crate) struct Stamps {
    /// Jobs that got the last stamp, and may get it.
    given: u32,
    run: u32,
    last: Stamp,
}

impl Stamps {
    pub(crate) fn new() -> Self {
        Self { given: 1, run: 1, last: Stamp::UNSET }
    }

    /// The stamp of a job now, counted from `epoch`, if it is not the last one again.
    #[inline]
    pub(crate) fn renew(&mut self, epoch: &Instant) -> Option<Stamp> {
        if self.given < self.run {
            self.given += 1;
            return None;
        }
        Some(self.read(epoch))
    }

    #[cold]
    fn read(&mut self, epoch: &Instant) -> Stamp {
        self.note(at(*epoch, Instant::now()))
    }

    /// Takes in a reading of the clock. The next run may be twice as long as the last one if that
    /// was quick, and is a single job otherwise.
    fn note(&mut self, now: Stamp) -> Stamp {
        let is_quick = now.0 - self.last.0 < QUICK * u64::from(self.given);
        self.run = if is_quick { (self.run * 2).min(MOST) } else { 1 };
        self.given = 1;
        self.last = now;
        now
    }

    /// The jobs do not follow one another any more: the next one gets a stamp of its own.
    pub(crate) fn pause(&mut self) {
        self.run = 1;
        self.given = 1;
    }
}

/// How long ago a stamp was given.
pub(crate) fn age(epoch: Instant, stamp: Stamp) -> Duration {
    Duration::from_nanos(at(epoch, Instant::now()).0 - stamp.0)
}

/// The stamp of a moment.
pub(crate) fn at(epoch: Instant, moment: Instant) -> Stamp {
    let nanos = moment.saturating_duration_since(epoch).as_nanos();
    // Enough for 584 years.
    Stamp(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
