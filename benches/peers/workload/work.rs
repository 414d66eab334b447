//! Work of a known length: steps of arithmetic, each of which needs the one before.

use std::hint::black_box;
use std::time::Instant;

use super::per_job;

/// The lengths in use, in nanoseconds.
const LENGTHS: [u32; 3] = [60, 750, 5_000];

/// How many steps take how long on this machine, found out once at the start.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    works: [Work; LENGTHS.len()],
}

impl Pace {
    pub(crate) fn measure() -> Self {
        Self { works: LENGTHS.map(Work::taking) }
    }

    /// Work that takes so many nanoseconds, one of [`LENGTHS`].
    pub(super) fn work(&self, nanos: u32) -> Work {
        let length = LENGTHS.iter().position(|&length| length == nanos);
        self.works[length.expect("it is one of the lengths")]
    }
}

/// So many steps. The result of one piece of work does not depend on any other.
#[derive(Clone, Copy)]
pub(super) struct Work {
    steps: u64,
}

impl Work {
    /// Finds the number of steps with which a plain loop takes so long for each piece. It is not the
    /// time of a step that counts, as a processor does several short pieces at once.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some thousands")]
    fn taking(nanos: u32) -> Self {
        const ROUNDS: usize = 6;
        let pieces = u64::from(2_000_000 / nanos);
        let mut steps = f64::from(nanos);
        for _ in 0..ROUNDS {
            let work = Self { steps: steps.round() as u64 };
            // The quickest of several: the others were disturbed.
            let times = (0..10).map(|_| {
                let begun = Instant::now();
                (0..pieces).for_each(|seed| {
                    black_box(work.on(seed));
                });
                begun.elapsed()
            });
            let quickest = times.min().expect("some");
            steps *= f64::from(nanos) / per_job(quickest, pieces);
        }
        Self { steps: steps.round() as u64 }
    }

    /// The same machine code wherever it is called from, so that it takes everybody the same time.
    #[inline(never)]
    pub(super) fn on(self, seed: u64) -> u64 {
        let mut value = seed | 1;
        for _ in 0..self.steps {
            value ^= value << 13;
            value ^= value >> 7;
            value ^= value << 17;
        }
        value
    }
}
