//! Owns changes of a running pool's settings: validated and applied in one step, then acted on.

use std::io;
use std::time::Duration;

use crate::error::BuildError;
use crate::logging;
use crate::phase::Phase;
use crate::pool::Pool;
use crate::settings::{CoreTimeout, Settings};
use crate::sync::Arc;

impl Pool {
    /// Applies a change, or leaves everything as it was. Workers that are surplus now leave, and
    /// for jobs that are pending now more are started, where the change allows more.
    pub(crate) fn reconfigure(
        self: &Arc<Self>,
        change: impl FnOnce(&mut Settings),
    ) -> Result<(), BuildError> {
        let mut outbox = self.outbox.lock();
        let mut desk = self.desk.lock();
        let before = desk.settings();
        let mut after = before;
        change(&mut after);
        after.validate()?;
        desk.set(after);
        outbox.look = desk.calls_workers();
        desk.tell_idle();
        let wakes = desk.note_change();
        let wanted = if desk.phase() < Phase::Stop {
            let grown = usize::max(
                after.core.saturating_sub(before.core),
                after.max.saturating_sub(before.max),
            );
            let free = after.max.saturating_sub(desk.regular_workers());
            desk.unpromised().min(grown).min(free)
        } else {
            0
        };
        let recruits: Vec<_> = (0..wanted).map(|_| desk.recruit()).collect();
        drop(desk);
        drop(outbox);
        wakes.wake();
        for recruit in recruits {
            // Logged by `start`; the pending jobs stay with the workers that there are.
            self.start(recruit).ok();
        }
        logging::write!(Debug, "pool {}: {before:?} becomes {after:?}", self.name);
        Ok(())
    }

    pub(crate) fn set_core(self: &Arc<Self>, core: usize) -> Result<(), BuildError> {
        self.reconfigure(|settings| settings.core = core)
    }

    pub(crate) fn set_max(self: &Arc<Self>, max: usize) -> Result<(), BuildError> {
        self.reconfigure(|settings| settings.max = max)
    }

    pub(crate) fn set_keep_alive(self: &Arc<Self>, keep_alive: Duration) -> Result<(), BuildError> {
        self.reconfigure(|settings| settings.keep_alive = keep_alive)
    }

    pub(crate) fn set_core_timeout(
        self: &Arc<Self>,
        core_timeout: CoreTimeout,
    ) -> Result<(), BuildError> {
        self.reconfigure(|settings| settings.core_timeout = core_timeout)
    }

    pub(crate) fn set_capacity(self: &Arc<Self>, capacity: usize) -> Result<(), BuildError> {
        self.reconfigure(|settings| settings.capacity = Some(capacity))
    }

    /// Starts a worker if there are fewer than the core; returns whether it did.
    pub(crate) fn prestart(self: &Arc<Self>) -> io::Result<bool> {
        let mut desk = self.desk.lock();
        if desk.phase() != Phase::Running || desk.regular_workers() >= desk.settings().core {
            return Ok(false);
        }
        let recruit = desk.recruit();
        drop(desk);
        self.start(recruit).map(|()| true)
    }

    /// Starts workers until there are as many as the core; returns how many.
    pub(crate) fn prestart_all(self: &Arc<Self>) -> io::Result<usize> {
        let mut started = 0;
        while self.prestart()? {
            started += 1;
        }
        Ok(started)
    }
}
