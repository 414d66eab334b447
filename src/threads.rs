//! Owns the handles of the worker threads, until each has been joined.
//!
//! A worker thread is joined only when it is past its thread-local destructors, as far as its own
//! last destructor can tell, so that a join never waits for the user's code.
//!
//! INVARIANT: `owed` is the number of threads started and not yet joined, and each of them is in
//! exactly one place: `running` (or just returned by the factory), `gone`, or `joining`.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::sync::Instant;
use crate::sync::thread::{self, JoinHandle, ThreadId};

#[derive(Default)]
pub(crate) struct Threads {
    owed: usize,
    running: HashMap<usize, JoinHandle<()>>,
    /// Threads whose end came before their handle did.
    early: HashMap<usize, ThreadId>,
    /// Threads whose factory kept the handle, or gave none.
    handleless: HashSet<usize>,
    /// Threads that were not started, and whose factory has not returned.
    given_up: HashSet<usize>,
    gone: Vec<Gone>,
    /// Threads that somebody is joining.
    joining: Vec<ThreadId>,
}

/// A thread that has ended but for its very last steps.
pub(crate) struct Gone {
    handle: JoinHandle<()>,
    /// The thread that really ran the worker.
    ran_on: ThreadId,
    /// When its last steps began.
    since: Instant,
}

impl Gone {
    fn new(handle: JoinHandle<()>, ran_on: ThreadId) -> Self {
        Self { handle, ran_on, since: Instant::now() }
    }

    /// Returns the thread that ran the worker.
    pub(crate) fn ran_on(&self) -> ThreadId {
        self.ran_on
    }

    /// Joins the thread. False if the handle is another thread's, which is left alone.
    pub(crate) fn join(self) -> bool {
        if self.handle.thread().id() != self.ran_on {
            return false;
        }
        // An error is a panic of the factory's closure after the worker had ended; std has
        // reported it on that thread.
        self.handle.join().ok();
        true
    }
}

impl Threads {
    /// A thread is about to be started.
    pub(crate) fn expect(&mut self) {
        self.owed += 1;
    }

    /// It was not, though its factory may still say so.
    pub(crate) fn give_up(&mut self, index: usize) {
        self.owed -= 1;
        if self.running.remove(&index).is_none() && !self.handleless.remove(&index) {
            self.given_up.insert(index);
        }
    }

    /// The factory has returned, with the thread's handle or without. Gives back the handle of a
    /// thread that is not the worker's.
    pub(crate) fn made(
        &mut self,
        index: usize,
        handle: Option<JoinHandle<()>>,
    ) -> Option<JoinHandle<()>> {
        if self.given_up.remove(&index) {
            return handle;
        }
        match (handle, self.early.remove(&index)) {
            (Some(handle), Some(ran_on)) => self.gone.push(Gone::new(handle, ran_on)),
            (Some(handle), None) => {
                self.running.insert(index, handle);
            }
            (None, Some(_)) => self.owed -= 1,
            (None, None) => {
                self.handleless.insert(index);
            }
        }
        None
    }

    /// The thread of a worker ends.
    pub(crate) fn ended(&mut self, index: usize, ran_on: ThreadId) {
        if let Some(handle) = self.running.remove(&index) {
            self.gone.push(Gone::new(handle, ran_on));
        } else if self.handleless.remove(&index) {
            self.owed -= 1;
        } else {
            self.early.insert(index, ran_on);
        }
    }

    /// Takes what can be joined. Each of these has to come to `joined` or `put_back`.
    pub(crate) fn take_gone(&mut self) -> Vec<Gone> {
        self.joining.extend(self.gone.iter().map(Gone::ran_on));
        std::mem::take(&mut self.gone)
    }

    pub(crate) fn has_gone(&self) -> bool {
        !self.gone.is_empty()
    }

    /// Returns whether the last steps of each thread that can be joined began so long ago.
    pub(crate) fn have_gone_for(&self, time: Duration) -> bool {
        self.gone.iter().all(|gone| gone.since.elapsed() >= time)
    }

    /// A thread that was taken has been joined, or turned out not to be joinable.
    pub(crate) fn joined(&mut self, thread: ThreadId) {
        self.leave_joining(thread);
        self.owed -= 1;
    }

    /// A thread that was taken has not been joined.
    pub(crate) fn put_back(&mut self, gone: Gone) {
        self.leave_joining(gone.ran_on);
        self.gone.push(gone);
    }

    fn leave_joining(&mut self, thread: ThreadId) {
        if let Some(place) = self.joining.iter().position(|other| *other == thread) {
            self.joining.swap_remove(place);
        }
    }

    pub(crate) fn all_joined(&self) -> bool {
        self.owed == 0
    }

    /// Returns whether each thread that is still to be joined can be joined now, or is being joined.
    pub(crate) fn are_over(&self) -> bool {
        self.owed == self.gone.len() + self.joining.len()
    }

    /// Returns whether this very thread is one that is still to be joined.
    pub(crate) fn includes_this(&self) -> bool {
        let this = thread::current().id();
        self.running.values().any(|handle| handle.thread().id() == this)
            || self.gone.iter().any(|gone| gone.ran_on == this)
            || self.joining.contains(&this)
    }
}

#[cfg(all(test, not(workcrew_loom)))]
mod tests;
