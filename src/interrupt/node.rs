//! Owns the state of an interrupt: the flag, who waits for it, and which others follow it.
//!
//! INVARIANT: who sets the flag takes, after that and under the lock, everything that is registered
//! and serves it; who registers looks at the flag under the same lock. So each registration is
//! served by exactly one of the two.

use std::collections::HashMap;
use std::sync::Weak;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::error::{Never, panic_text};
use crate::job::{catch, discard_payload};
use crate::logging;
use crate::sync::thread::{self, ThreadId};
use crate::sync::{Arc, AtomicBool, Condvar, Mutex, Ordering};

/// Something that has an interrupt in it.
pub(crate) trait Node: Send + Sync {
    fn core(&self) -> &Core;
}

impl Node for Core {
    fn core(&self) -> &Core {
        self
    }
}

/// The interrupt itself, small until somebody waits.
#[derive(Default)]
pub(crate) struct Core {
    set: AtomicBool,
    links: Mutex<Option<Box<Links>>>,
}

#[derive(Default)]
struct Links {
    signal: Option<Signal>,
    callbacks: HashMap<u64, Arc<Callback>>,
    children: HashMap<u64, Weak<dyn Node>>,
    /// The node that this one follows, and its key among that one's children.
    parent: Option<(Arc<dyn Node>, u64)>,
    keys: u64,
}

struct Signal {
    /// Kept to be dropped.
    sender: Sender<Never>,
    receiver: Receiver<Never>,
}

impl Links {
    fn key(&mut self) -> u64 {
        self.keys += 1;
        self.keys
    }
}

/// A callback that is registered, and what has become of it.
struct Callback {
    stage: Mutex<Stage>,
    ended: Condvar,
}

enum Stage {
    Waiting(Box<dyn FnOnce() + Send>),
    Running(ThreadId),
    Over,
}

/// What it takes to find a callback again.
pub(crate) struct Registration {
    key: u64,
    callback: Arc<Callback>,
}

impl Callback {
    fn call(&self) {
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
        let panic = catch(f).err();
        *self.stage.lock() = Stage::Over;
        self.ended.notify_all();
        if let Some(payload) = panic {
            let message = panic_text(&*payload);
            logging::write!(Error, "an on_interrupt callback panicked: {message}");
            discard_payload(payload);
        }
    }

    /// Returns once the callback will not run any more, unless it is this thread that runs it.
    fn revoke(&self) {
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

impl Core {
    pub(crate) fn is_set(&self) -> bool {
        // ORDERING: pairs with the swap in `interrupt`, so that what was written before the
        // request is seen by who obeys it.
        self.set.load(Ordering::Acquire)
    }

    pub(super) fn signal(&self) -> Receiver<Never> {
        let mut links = self.links.lock();
        if self.is_set() {
            return bounded(0).1;
        }
        let signal = links.get_or_insert_default().signal.get_or_insert_with(|| {
            let (sender, receiver) = bounded(0);
            Signal { sender, receiver }
        });
        signal.receiver.clone()
    }

    pub(super) fn register(&self, f: Box<dyn FnOnce() + Send>) -> Registration {
        let stage = Mutex::new(Stage::Waiting(f));
        let callback = Arc::new(Callback { stage, ended: Condvar::new() });
        let mut guard = self.links.lock();
        let links = guard.get_or_insert_default();
        let key = links.key();
        if self.is_set() {
            drop(guard);
            callback.call();
        } else {
            links.callbacks.insert(key, Arc::clone(&callback));
        }
        Registration { key, callback }
    }

    pub(super) fn unregister(&self, registration: &Registration) {
        if let Some(links) = &mut *self.links.lock() {
            // The registration holds another count of the same callback: nothing is dropped here.
            links.callbacks.remove(&registration.key);
        }
        registration.callback.revoke();
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        let mut next = self.links.get_mut().as_mut().and_then(|links| links.parent.take());
        // Up the line of parents that end with this one, without recursion.
        while let Some((parent, key)) = next {
            let mut links = parent.core().links.lock();
            let removed = links.as_mut().and_then(|links| links.children.remove(&key));
            // Who gets the last one through its own parent at this moment only sets it.
            let is_last = Arc::strong_count(&parent) == 1;
            next = links.as_mut().filter(|_| is_last).and_then(|links| links.parent.take());
            drop(links);
            drop(removed);
        }
    }
}

/// Makes `child` follow `parent`, once.
pub(super) fn link(child: &Arc<dyn Node>, parent: &Arc<dyn Node>) {
    let linked = |core: &Core| core.links.lock().as_ref().is_some_and(|l| l.parent.is_some());
    if child.core().is_set() || linked(child.core()) {
        return;
    }
    let mut links = parent.core().links.lock();
    if parent.core().is_set() {
        drop(links);
        interrupt(child);
        return;
    }
    let above = links.get_or_insert_default();
    let key = above.key();
    above.children.insert(key, Arc::downgrade(child));
    drop(links);
    child.core().links.lock().get_or_insert_default().parent = Some((Arc::clone(parent), key));
}

/// Sets a node and all that follow it.
pub(super) fn interrupt(node: &Arc<dyn Node>) {
    let mut rest = vec![Arc::clone(node)];
    while let Some(node) = rest.pop() {
        let core = node.core();
        // ORDERING: Release pairs with `is_set`.
        if core.set.swap(true, Ordering::AcqRel) {
            continue;
        }
        let (signal, callbacks, children) = match &mut *core.links.lock() {
            Some(links) => (
                links.signal.take(),
                std::mem::take(&mut links.callbacks),
                std::mem::take(&mut links.children),
            ),
            None => continue,
        };
        if let Some(signal) = signal {
            drop(signal.sender);
            drop(signal.receiver);
        }
        for callback in callbacks.values() {
            callback.call();
        }
        rest.extend(children.into_values().filter_map(|child| child.upgrade()));
    }
}
