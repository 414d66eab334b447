//! A callback of the user's: called once, by one thread, unless its guard takes it back first.
//!
//! INVARIANT: a callback that is `Over` is not called any more, and one that another thread calls at
//! this moment is waited for by the drop of its guard. Its panic stays here.

use std::collections::VecDeque;

use crate::error::panic_text;
use crate::logging;
use crate::panic::{catch, discard_payload};
use crate::sync::thread::{self, ThreadId};
use crate::sync::{Arc, Condvar, Mutex};

/// A callback that is registered, and what has become of it.
pub(super) struct Callback {
    stage: Mutex<Stage>,
    ended: Condvar,
}

enum Stage {
    Waiting(Box<dyn FnOnce() + Send>),
    Running(ThreadId),
    Over,
}

impl Callback {
    pub(super) fn new(f: Box<dyn FnOnce() + Send>) -> Self {
        Self { stage: Mutex::new(Stage::Waiting(f)), ended: Condvar::new() }
    }

    pub(super) fn call(&self) {
        let f = {
            let mut stage = self.stage.lock();
            match std::mem::replace(&mut *stage, Stage::Running(thread::current().id())) {
                Stage::Waiting(f) => f,
                other @ (Stage::Running(_) | Stage::Over) => {
                    *stage = other;
                    return;
                }
            }
        };
        // Whatever happens below, a guard must not wait for ever.
        let over = Over(self);
        let panic = catch(f).err();
        drop(over);
        if let Some(payload) = panic {
            let message = panic_text(&*payload);
            logging::write!(Error, "an on_interrupt callback panicked: {message}");
            discard_payload(payload);
        }
    }

    /// Returns once the callback will not run any more, unless it is this thread that runs it.
    pub(super) fn revoke(&self) {
        let mut stage = self.stage.lock();
        loop {
            match &*stage {
                Stage::Waiting(_) => {
                    let revoked = std::mem::replace(&mut *stage, Stage::Over);
                    drop(stage);
                    drop(revoked);
                    return;
                }
                Stage::Running(by) if *by == thread::current().id() => return,
                Stage::Running(_) => self.ended.wait(&mut stage),
                Stage::Over => return,
            }
        }
    }
}

/// Ends a call when dropped.
struct Over<'a>(&'a Callback);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        *self.0.stage.lock() = Stage::Over;
        self.0.ended.notify_all();
    }
}

/// The callbacks of one interrupt, which are called one after another.
pub(super) type Group = Vec<Arc<Callback>>;

/// The callbacks that a request is to call once everything that it reaches is set.
#[derive(Default)]
#[must_use = "the callbacks are still to be called"]
pub(crate) struct Calls {
    pub(super) groups: VecDeque<Group>,
}

impl Calls {
    /// Calls them on this thread.
    pub(crate) fn make(self) {
        for callback in self.groups.iter().flatten() {
            callback.call();
        }
    }
}
