//! Owns what the callers of one pool's shutdown plans share: the run that is under way.

use crate::interrupt::Interrupt;
use crate::shutdown_report::Verdict;
use crate::sync::{Arc, Mutex};
use crate::wait::{Deadline, Heed, Waiter, Wakes};

/// The run of a plan that is under way, and what the last one came to.
#[derive(Default)]
pub(crate) struct Stopping {
    pub(crate) run: Option<Arc<Run>>,
    /// A plan was carried out and the pool has not ended: its owner's drop does not wait again.
    given_up: bool,
    /// But it waits if it says so.
    pub(crate) insists: bool,
    /// Jobs were interrupted or handed back by a run of a plan.
    pub(crate) has_interrupted: bool,
}

/// A run of a plan: led by one thread, joined by others.
pub(crate) struct Run {
    /// Ends the grace.
    pub(crate) hurry: Interrupt,
    state: Mutex<State>,
}

enum State {
    UnderWay(Vec<Arc<Waiter>>),
    /// Without a verdict if its leader went away.
    Over(Option<Verdict>),
}

impl Stopping {
    pub(crate) fn begin(&mut self) -> Arc<Run> {
        let run = Arc::new(Run {
            hurry: Interrupt::new(),
            state: Mutex::new(State::UnderWay(Vec::new())),
        });
        self.run = Some(Arc::clone(&run));
        run
    }

    /// Whether the owner's drop is not to wait.
    pub(crate) fn is_given_up(&self) -> bool {
        self.given_up && !self.insists
    }

    /// Ends a run, once.
    pub(crate) fn end(&mut self, run: &Arc<Run>, verdict: Option<Verdict>) -> Wakes {
        let mut wakes = Wakes::default();
        if self.run.take_if(|current| Arc::ptr_eq(current, run)).is_some() {
            self.given_up = verdict.as_ref().is_some_and(Verdict::is_given_up);
            self.has_interrupted |= verdict.as_ref().is_some_and(Verdict::has_interrupted);
            let state = std::mem::replace(&mut *run.state.lock(), State::Over(verdict));
            if let State::UnderWay(waiters) = state {
                wakes.add(waiters);
            }
        }
        wakes
    }
}

impl Run {
    /// Waits for the verdict; none if the leader went away without one.
    pub(crate) fn verdict(&self) -> Option<Verdict> {
        loop {
            let waiter = Waiter::new();
            match &mut *self.state.lock() {
                State::UnderWay(waiters) => waiters.push(Arc::clone(&waiter)),
                State::Over(verdict) => return verdict.clone(),
            }
            // Without an end, as the leader's waits have theirs; so an error cannot come.
            waiter.wait(Deadline::NEVER, Heed::Nothing).ok();
        }
    }
}
