//! What follows an interrupt until a guard is dropped: waits, other interrupts, callbacks.

use std::fmt;

use super::Interrupt;
use super::callback::{Callback, Calls};
use super::node::{self, Follower, Node};
use crate::sync::{Arc, thread};

/// Interrupts that come and go, and follow another one all together.
pub(crate) trait Followers: Send + Sync {
    fn interrupts(&self) -> Vec<Interrupt>;
}

/// Sets interrupts and all that follow them, and wakes their waits. The callbacks are the caller's
/// to call.
pub(crate) fn set_all(interrupts: impl IntoIterator<Item = Interrupt>) -> Calls {
    node::set(interrupts.into_iter().map(|interrupt| interrupt.node))
}

impl Interrupt {
    /// Sets `other` too when this is set, until the guard is dropped; at once if it is set already.
    pub(crate) fn pass_on_to(&self, other: &Self) -> Registered {
        let registered = self.register(Follower::Node(Arc::downgrade(&other.node)));
        if registered.key.is_none() {
            other.interrupt();
        }
        registered
    }

    /// Sets the followers too when this is set, until the guard is dropped; at once if it is set
    /// already.
    pub(crate) fn pass_on_to_all(&self, followers: &Arc<dyn Followers>) -> Registered {
        let registered = self.register(Follower::All(Arc::downgrade(followers)));
        if registered.key.is_none() {
            set_all(followers.interrupts()).make();
        }
        registered
    }

    /// Unparks this thread when this is set, until the guard is dropped. It does not if it is set
    /// already: the waiting thread looks at the flag after it has called this.
    pub(crate) fn unpark_this_thread(&self) -> Registered {
        self.register(Follower::Wait(thread::current()))
    }

    pub(super) fn call_back(&self, f: Box<dyn FnOnce() + Send>) -> Guard {
        let callback = Arc::new(Callback::new(f));
        let registered = self.register(Follower::Callback(Arc::clone(&callback)));
        if registered.key.is_none() {
            callback.call();
        }
        Guard { _registered: registered, callback }
    }

    /// Without effect if this is set already.
    fn register(&self, follower: Follower) -> Registered {
        Registered { key: self.node.core().add(follower), node: Arc::clone(&self.node) }
    }
}

/// Takes what follows an interrupt out again when dropped.
#[must_use = "dropping it ends the registration"]
pub(crate) struct Registered {
    /// None if the interrupt was set before.
    key: Option<u64>,
    node: Arc<dyn Node>,
}

impl Drop for Registered {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.node.core().remove(key);
        }
    }
}

/// Takes an [`on_interrupt`](Interrupt::on_interrupt) callback back when dropped.
#[must_use = "dropping the guard takes the callback back"]
pub struct Guard {
    /// Dropped after the callback has been taken back, which is as good: a request that comes
    /// between finds nothing to call.
    _registered: Registered,
    callback: Arc<Callback>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.callback.revoke();
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").finish_non_exhaustive()
    }
}
