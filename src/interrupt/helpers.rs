//! Threads that call the callbacks of a pool that is stopped, so that no callback delays another
//! job's, nor the thread that stops the pool.
//!
//! INVARIANT: while groups are left, another helper is on its way, or the last one was refused. So
//! there are as many helpers as callbacks that take long, and few where none does. A helper that
//! was refused is told to the thread that stops the pool, which then calls what is left itself.

use std::collections::VecDeque;
use std::time::Duration;

use super::Calls;
use super::callback::Group;
use crate::logging;
use crate::sync::thread::{self, Builder as ThreadBuilder, Thread};
use crate::sync::{Arc, Instant, Mutex};

/// How long a call that stops jobs and returns waits for their callbacks: long enough for those that
/// close a socket or kill a process.
pub(crate) const CALLS: Duration = Duration::from_millis(100);

/// Does what it is given, as something that counts as the pool's own.
pub(crate) type Within = Arc<dyn Fn(&dyn Fn()) + Send + Sync>;

/// Callbacks that helpers are calling.
#[must_use = "the callbacks may be this thread's to call"]
pub(crate) struct Helpers {
    /// None if there is nothing to call.
    work: Option<Arc<Work>>,
}

struct Work {
    name: String,
    within: Within,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    left: VecDeque<Group>,
    /// Groups that are being called.
    running: usize,
    /// A helper has been started and has not looked for a group yet.
    is_starting: bool,
    refusal: Refusal,
    /// The thread that stops the pool.
    waiter: Option<Thread>,
}

/// Whether the operating system has refused a helper.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Refusal {
    #[default]
    Never,
    /// Before the last helper that it did not refuse.
    Before,
    Now,
}

impl Calls {
    /// Has the callbacks called on threads named `name`, which run them `within` something.
    pub(crate) fn start(self, name: &str, within: Within) -> Helpers {
        if self.groups.is_empty() {
            return Helpers { work: None };
        }
        let state = State { left: self.groups, ..State::default() };
        // No operating system takes a NUL in a thread's name.
        let name = name.replace('\0', "");
        let work = Arc::new(Work { name, within, state: Mutex::new(state) });
        work.start_helper();
        Helpers { work: Some(work) }
    }
}

impl Helpers {
    /// Waits until the callbacks have been called, but not beyond `until`. Where no helper can be
    /// had, this thread calls them, however long that takes.
    pub(crate) fn finish(self, until: Option<Instant>) {
        let Some(work) = self.work else { return };
        while !work.is_over() {
            if let Some(group) = work.take_refused() {
                // It may be had by now.
                work.start_helper();
                work.call(&group);
                continue;
            }
            let left = until.map(|at| at.checked_duration_since(Instant::now()));
            match left {
                Some(None) => break,
                Some(Some(left)) if left.is_zero() => break,
                Some(Some(left)) => thread::park_timeout(left),
                None => thread::park(),
            }
        }
        let waiter = work.state.lock().waiter.take();
        drop(waiter);
    }
}

impl Work {
    /// Returns whether nothing is left to wait for; otherwise this thread is unparked when there is
    /// something new.
    fn is_over(&self) -> bool {
        let mut state = self.state.lock();
        let is_over = state.left.is_empty() && state.running == 0;
        state.waiter = (!is_over).then(thread::current);
        is_over
    }

    /// Takes a group that no helper could be had for.
    fn take_refused(&self) -> Option<Group> {
        let mut state = self.state.lock();
        match state.refusal {
            Refusal::Never | Refusal::Before => None,
            Refusal::Now => state.take(),
        }
    }

    fn call(&self, group: &Group) {
        let _running = Running(self);
        for callback in group {
            callback.call();
        }
    }

    /// Starts a helper if groups are left and none is on its way.
    fn start_helper(self: &Arc<Self>) {
        let mut state = self.state.lock();
        if state.left.is_empty() || state.is_starting {
            return;
        }
        state.is_starting = true;
        drop(state);
        let work = Arc::clone(self);
        let builder = ThreadBuilder::new().name(self.name.clone());
        let Err(error) = builder.spawn(move || (work.within)(&|| work.help())) else { return };
        let mut state = self.state.lock();
        state.is_starting = false;
        let is_first = state.refusal == Refusal::Never;
        state.refusal = Refusal::Now;
        let waiter = state.waiter.take();
        drop(state);
        if let Some(waiter) = waiter {
            waiter.unpark();
        }
        if is_first {
            logging::write!(
                Error,
                "{}: could not start a thread to call callbacks on: {error}",
                self.name
            );
        }
    }

    /// What a helper does.
    fn help(self: &Arc<Self>) {
        let mut next = self.arrive();
        while let Some(group) = next {
            // Before the first call, which may never end.
            self.start_helper();
            self.call(&group);
            next = self.state.lock().take();
        }
    }

    fn arrive(&self) -> Option<Group> {
        let mut state = self.state.lock();
        state.is_starting = false;
        if state.refusal == Refusal::Now {
            state.refusal = Refusal::Before;
        }
        state.take()
    }
}

impl State {
    fn take(&mut self) -> Option<Group> {
        let group = self.left.pop_front()?;
        self.running += 1;
        Some(group)
    }
}

/// Counts a group as called when dropped.
struct Running<'a>(&'a Work);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.running -= 1;
        let is_over = state.left.is_empty() && state.running == 0;
        let waiter = if is_over { state.waiter.take() } else { None };
        drop(state);
        if let Some(waiter) = waiter {
            waiter.unpark();
        }
    }
}
