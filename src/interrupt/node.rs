//! The state of an interrupt: the flag, who waits for it, and which others follow it.
//!
//! A request has two steps. The first sets all interrupts that it reaches and wakes their waits,
//! the crate's own code alone; the second calls the user's callbacks, which may take long.
//!
//! INVARIANT: whoever sets the flag takes, after that and under the lock, all that is registered and
//! serves it; whoever registers looks at the flag under the same lock. So each registration is
//! served by exactly one of the two.

use std::collections::HashMap;
use std::sync::Weak;
// Not one of the model checker's, which has none that are static: a number seen early does no harm.
use std::sync::atomic::AtomicU64;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::Followers;
use super::callback::{Callback, Calls, Group};
use crate::error::Never;
use crate::sync::thread::Thread;
use crate::sync::{Arc, AtomicBool, Mutex, Ordering};

/// How many interrupts were set, in the whole program.
static SETS: AtomicU64 = AtomicU64::new(0);

/// Returns a number that changes when any interrupt is set: as long as it is the same, what was not
/// set is not.
pub(super) fn sets() -> u64 {
    // ORDERING: pairs with `Core::set`.
    SETS.load(Ordering::Acquire)
}

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
    followers: HashMap<u64, Follower>,
    /// The nodes that this one follows, and its key among the followers of each.
    parents: Vec<(Arc<dyn Node>, u64)>,
    keys: u64,
}

struct Signal {
    /// Kept to be dropped.
    sender: Sender<Never>,
    receiver: Receiver<Never>,
}

/// What a request does when it sets a node.
pub(super) enum Follower {
    /// Wakes a wait of the crate's.
    Wait(Thread),
    /// Sets another node too.
    Node(Weak<dyn Node>),
    /// Sets those that there are at that moment.
    All(Weak<dyn Followers>),
    /// Calls the user, in the second step.
    Callback(Arc<Callback>),
}

impl Core {
    pub(crate) fn is_set(&self) -> bool {
        // ORDERING: pairs with the swap in `set`, so that what was written before the request is
        // seen by who obeys it.
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

    /// Registers a follower, and returns the key to take it out by; none if this is set already.
    pub(super) fn add(&self, follower: Follower) -> Option<u64> {
        let mut guard = self.links.lock();
        if self.is_set() {
            drop(guard);
            drop(follower);
            return None;
        }
        let links = guard.get_or_insert_default();
        links.keys += 1;
        let key = links.keys;
        links.followers.insert(key, follower);
        Some(key)
    }

    /// Takes a follower out, unless a request has.
    pub(super) fn remove(&self, key: u64) {
        let removed = self.links.lock().as_mut().and_then(|links| links.followers.remove(&key));
        drop(removed);
    }

    fn follows(&self, parent: &Arc<dyn Node>) -> bool {
        let links = self.links.lock();
        let is_it = |(other, _): &(Arc<dyn Node>, u64)| is_same(other, parent);
        links.as_ref().is_some_and(|links| links.parents.iter().any(is_it))
    }

    /// Sets the flag and takes what is to be served; none if that has been done.
    fn set(&self) -> Option<(Option<Signal>, HashMap<u64, Follower>)> {
        // ORDERING: Release pairs with `is_set`.
        if self.set.swap(true, Ordering::AcqRel) {
            return None;
        }
        // ORDERING: Release pairs with `sets`, so that who sees the number sees the flag.
        SETS.fetch_add(1, Ordering::Release);
        let mut links = self.links.lock();
        let links = links.as_mut()?;
        Some((links.signal.take(), std::mem::take(&mut links.followers)))
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        let Some(links) = self.links.get_mut() else { return };
        // Up to the parents that end with this one, without recursion.
        let mut rest = std::mem::take(&mut links.parents);
        while let Some((parent, key)) = rest.pop() {
            let mut links = parent.core().links.lock();
            let removed = links.as_mut().and_then(|links| links.followers.remove(&key));
            // A request that gets the last hold of it at this moment only sets it.
            let is_last = Arc::strong_count(&parent) == 1;
            let above = links.as_mut().filter(|_| is_last).map(|l| std::mem::take(&mut l.parents));
            drop(links);
            drop(removed);
            rest.extend(above.into_iter().flatten());
        }
    }
}

fn is_same(one: &Arc<dyn Node>, other: &Arc<dyn Node>) -> bool {
    std::ptr::addr_eq(Arc::as_ptr(one), Arc::as_ptr(other))
}

/// Makes `child` follow `parent` for as long as it lives, besides those that it follows already.
pub(super) fn link(child: &Arc<dyn Node>, parent: &Arc<dyn Node>) {
    if child.core().is_set() || child.core().follows(parent) {
        return;
    }
    match parent.core().add(Follower::Node(Arc::downgrade(child))) {
        Some(key) => {
            let mut links = child.core().links.lock();
            links.get_or_insert_default().parents.push((Arc::clone(parent), key));
        }
        None => set([Arc::clone(child)]).make(),
    }
}

/// Sets nodes and all that follow them, and wakes their waits; returns what is to be called then.
pub(super) fn set(nodes: impl IntoIterator<Item = Arc<dyn Node>>) -> Calls {
    let mut calls = Calls::default();
    // Each is held to the end: what goes with the last hold of a job may be the user's.
    let mut reached: Vec<_> = nodes.into_iter().collect();
    let mut next = 0;
    while let Some(node) = reached.get(next) {
        next += 1;
        let Some((signal, followers)) = node.core().set() else { continue };
        if let Some(signal) = signal {
            drop(signal.sender);
            drop(signal.receiver);
        }
        let mut group = Group::new();
        for follower in followers.into_values() {
            match follower {
                Follower::Wait(thread) => thread.unpark(),
                Follower::Node(node) => reached.extend(node.upgrade()),
                Follower::All(followers) => {
                    let all = followers.upgrade().map(|followers| followers.interrupts());
                    reached.extend(all.into_iter().flatten().map(|follower| follower.node));
                }
                Follower::Callback(callback) => group.push(callback),
            }
        }
        if !group.is_empty() {
            calls.groups.push_back(group);
        }
    }
    calls
}

#[cfg(all(test, not(workcrew_loom)))]
mod tests;
