//! Looking again and again for an answer that may be about to come: to fall asleep and be woken takes
//! longer than that.
//!
//! It is worth it where the other thread runs meanwhile, on another processor. Where both share one, as
//! something else has taken the others, the answer comes the sooner the sooner this thread sleeps. So a
//! thread that has looked in vain several times in a row tries to sleep at once, and does so for a while
//! if the answer then comes quickly.

use std::cell::Cell;
use std::time::Duration;

use crate::sync::{Instant, pause, thread_local};

/// How often it looks, some hundred nanoseconds apart. Under the model checker, a thread that looks
/// twice learns no more.
const LOOKS: u32 = if cfg!(workcrew_loom) { 1 } else { 64 };

/// So many times in vain are no accident.
const VAIN: u32 = 8;

/// An answer that came no later to a thread that slept is quick. To wake a thread on a processor that
/// is idle takes longer on many machines, and looking is better there.
const QUICK: Duration = Duration::from_micros(15);

/// How long a thread goes on to sleep at once.
const WHILE: Duration = Duration::from_millis(50);

/// The lesson of a thread's last waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Luck {
    /// It has looked in vain so many times in a row.
    Looks(u32),
    /// It sleeps at once; since then, if it has tried that before.
    Sleeps(Option<Instant>),
}

impl Luck {
    /// It has looked for some microseconds, in vain.
    fn looked_in_vain(self) -> Self {
        match self {
            Self::Looks(vain) if vain + 1 < VAIN => Self::Looks(vain + 1),
            Self::Looks(_) | Self::Sleeps(_) => Self::Sleeps(None),
        }
    }

    /// It has slept at once, between these moments.
    fn slept(self, began: Instant, ended: Instant) -> Self {
        let first = match self {
            Self::Sleeps(Some(first)) => first,
            Self::Sleeps(None) | Self::Looks(_) => began,
        };
        let since = |moment| ended.saturating_duration_since(moment);
        let goes_on = since(began) < QUICK && since(first) < WHILE;
        if goes_on { Self::Sleeps(Some(first)) } else { Self::Looks(0) }
    }
}

thread_local! {
    static LUCK: Cell<Luck> = const { Cell::new(Luck::Looks(0)) };
}

/// A wait, from its first look to its end.
pub(crate) struct Spin {
    /// It sleeps at once, and began then.
    began: Option<Instant>,
}

impl Spin {
    pub(crate) fn begin() -> Self {
        let sleeps = matches!(LUCK.try_with(Cell::get), Ok(Luck::Sleeps(_)));
        Self { began: sleeps.then(Instant::now) }
    }

    /// Looks for some microseconds whether the answer is there.
    pub(crate) fn until<R>(&self, mut ready: impl FnMut() -> Option<R>) -> Option<R> {
        if self.began.is_some() {
            return ready();
        }
        let answer = (0..LOOKS).find_map(|_| {
            let answer = ready();
            if answer.is_none() {
                pause(8);
            }
            answer
        });
        let note = |luck: &Cell<Luck>| {
            let is_vain = answer.is_none();
            luck.set(if is_vain { luck.get().looked_in_vain() } else { Luck::Looks(0) });
        };
        LUCK.try_with(note).ok();
        answer
    }
}

impl Drop for Spin {
    fn drop(&mut self) {
        let Some(began) = self.began else { return };
        let note = |luck: &Cell<Luck>| luck.set(luck.get().slept(began, Instant::now()));
        LUCK.try_with(note).ok();
    }
}

#[cfg(test)]
mod tests;
