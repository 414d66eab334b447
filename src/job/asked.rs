//! Owns what becomes of the panics of jobs that a rejection policy runs or drops.
//!
//! The policy holds another submitter's job meanwhile, which the panic would take along. So it stays
//! here, and the pool that asked the policy reports it. The jobs that this thread runs meanwhile are
//! not the policy: what they do with jobs is their own.

use std::cell::RefCell;

use super::{Ended, Home, Job, Origin, catch};
use crate::sync::{Arc, thread_local};

const DESTRUCTOR: &str = "a dropped job's destructor";

thread_local! {
    /// The pools whose policies this thread is in, the innermost last; none for a job within.
    static ASKED: RefCell<Vec<Option<Arc<dyn Home>>>> = const { RefCell::new(Vec::new()) };
}

/// Ends, when dropped, what was entered.
#[must_use]
pub(crate) struct Entered {
    has_entry: bool,
}

impl Drop for Entered {
    fn drop(&mut self) {
        if self.has_entry {
            let left = ASKED.try_with(|asked| asked.borrow_mut().pop());
            drop(left);
        }
    }
}

/// This thread asks the policy of the pool.
pub(crate) fn enter_policy(home: Arc<dyn Home>) -> Entered {
    let has_entry = ASKED.try_with(|asked| asked.borrow_mut().push(Some(home))).is_ok();
    Entered { has_entry }
}

/// This thread runs a job, maybe within a policy.
pub(crate) fn enter_job() -> Entered {
    let enter = |asked: &RefCell<Vec<_>>| {
        let mut asked = asked.borrow_mut();
        let is_within = !asked.is_empty();
        if is_within {
            asked.push(None);
        }
        is_within
    };
    Entered { has_entry: ASKED.try_with(enter).unwrap_or(false) }
}

/// Returns the pool whose policy this code is part of.
pub(super) fn asking() -> Option<Arc<dyn Home>> {
    ASKED.try_with(|asked| asked.borrow().last().cloned().flatten()).ok().flatten()
}

/// Drops what a job holds; within a policy, its panic goes no further.
pub(super) fn contain_drop(drop: impl FnOnce()) {
    match asking() {
        None => drop(),
        Some(home) => {
            if let Err(payload) = catch(drop) {
                home.report(DESTRUCTOR, None, payload);
            }
        }
    }
}

impl Job {
    /// Runs a started job for a policy.
    #[cold]
    pub(super) fn run_for_policy(self, home: &dyn Home) {
        let origin = Origin { site: self.site, name: self.shared_name().map(Arc::clone) };
        let entered = enter_job();
        let Ended { unclaimed, stray, settlement, .. } = self.run_caught();
        drop(entered);
        if let Some(payload) = unclaimed {
            home.report("a job", Some(&origin), payload);
        }
        if let Some(payload) = stray {
            home.report(DESTRUCTOR, None, payload);
        }
        drop(settlement);
    }
}
