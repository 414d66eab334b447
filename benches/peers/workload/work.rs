//! Work of a known length: steps of arithmetic, each of which needs the one before.

use std::hint::black_box;
use std::time::Instant;

use super::per_job;

/// How fast this machine calculates, measured once at the start.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    nanos_per_step: f64,
}

impl Pace {
    pub(crate) fn measure() -> Self {
        const STEPS: u64 = 100_000;
        // The quickest of several: the others were disturbed.
        let times = (0..20).map(|seed| {
            let begun = Instant::now();
            black_box(Work { steps: STEPS }.on(black_box(seed)));
            begun.elapsed()
        });
        let quickest = times.min().expect("some");
        Self { nanos_per_step: per_job(quickest, STEPS) }
    }

    /// Work that takes about so many nanoseconds.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some thousands")]
    pub(super) fn work(self, nanos: u32) -> Work {
        Work { steps: (f64::from(nanos) / self.nanos_per_step).round() as u64 }
    }
}

/// So many steps. The result of one piece of work does not depend on any other.
#[derive(Clone, Copy)]
pub(super) struct Work {
    steps: u64,
}

impl Work {
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
