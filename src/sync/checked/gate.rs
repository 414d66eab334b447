//! Owns a value that threads wait to see changed: what parking and mailboxes are made of.

use super::{Condvar, Instant, Mutex};
use crate::sync::Arc;

#[derive(Default)]
pub(super) struct Gate<T> {
    value: Mutex<T>,
    changed: Condvar,
}

/// Something that can be told that time has passed.
pub(super) trait Rings: Send + Sync {
    #[cfg_attr(not(test), expect(dead_code, reason = "only a model lets time pass"))]
    fn ring(&self);
}

impl<T: Send> Rings for Gate<T> {
    fn ring(&self) {
        // Not between a waiter's look at the clock and its wait.
        drop(self.value.lock());
        self.changed.notify_all();
    }
}

impl<T: Send + 'static> Gate<T> {
    pub(super) fn new(value: T) -> Arc<Self> {
        Arc::new(Self { value: Mutex::new(value), changed: Condvar::new() })
    }

    pub(super) fn look<R>(&self, look: impl FnOnce(&mut T) -> R) -> R {
        look(&mut self.value.lock())
    }

    pub(super) fn change<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let result = change(&mut self.value.lock());
        self.changed.notify_all();
        result
    }

    /// Waits until there is something to take; none if the time is over first.
    pub(super) fn wait<R>(
        self: &Arc<Self>,
        deadline: Option<Instant>,
        mut take: impl FnMut(&mut T) -> Option<R>,
    ) -> Option<R> {
        if let Some(at) = deadline {
            at.ring(self);
        }
        let mut value = self.value.lock();
        loop {
            let taken = take(&mut value);
            if taken.is_some() || deadline.is_some_and(|at| at <= Instant::now()) {
                return taken;
            }
            self.changed.wait(&mut value);
        }
    }
}
