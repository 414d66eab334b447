//! Owns the time of a model: it stands still until the model lets it pass.

use std::time::Duration;

use super::gate::Rings;
use super::{AtomicU64, Condvar, Mutex};
use crate::sync::{Arc, Ordering};

/// Time ends here: what waits for longer waits forever, and costs the model nothing.
const END: Duration = Duration::from_secs(5);

loom::lazy_static! {
    static ref CLOCK: Clock = Clock::default();
}

#[derive(Default)]
struct Clock {
    nanos: AtomicU64,
    /// Those that wait, or did, until a time that may come.
    waiting: Mutex<Vec<Arc<dyn Rings>>>,
    came: Condvar,
}

/// A moment, from the beginning of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instant(Duration);

impl Instant {
    pub(crate) fn now() -> Self {
        // ORDERING: pairs with `advance`. Who has not heard of the new time may see the old one.
        Self(Duration::from_nanos(CLOCK.nanos.load(Ordering::Acquire)))
    }

    pub(crate) fn checked_add(self, time: Duration) -> Option<Self> {
        self.0.checked_add(time).map(Self)
    }

    pub(crate) fn checked_duration_since(self, earlier: Self) -> Option<Duration> {
        self.0.checked_sub(earlier.0)
    }

    pub(crate) fn saturating_duration_since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    pub(crate) fn elapsed(self) -> Duration {
        Self::now().saturating_duration_since(self)
    }

    /// Has `ring` called when the time has come to this.
    pub(super) fn ring(self, ring: &Arc<impl Rings + 'static>) {
        if self.0 <= END {
            CLOCK.waiting.lock().push(Arc::clone(ring) as Arc<dyn Rings>);
            CLOCK.came.notify_all();
        }
    }
}

/// Waits until threads have begun so many waits for a time that may come.
#[cfg(test)]
pub(crate) fn await_sleeps(number: usize) {
    let mut waiting = CLOCK.waiting.lock();
    while waiting.len() < number {
        CLOCK.came.wait(&mut waiting);
    }
}

/// Lets time pass, and wakes who waits for it.
#[cfg(test)]
pub(crate) fn advance(time: Duration) {
    let nanos = u64::try_from(time.as_nanos()).expect("a model's times are short");
    // ORDERING: pairs with `Instant::now`; the lock that follows tells who registers later.
    CLOCK.nanos.fetch_add(nanos, Ordering::AcqRel);
    assert!(Instant::now().0 <= END, "a model's time has an end");
    let waiting = CLOCK.waiting.lock().clone();
    for waits in waiting {
        waits.ring();
    }
}
