//! The same for the model checker: loom's, under the names and signatures that the crate uses.
//!
//! `Arc` stays that of the standard library, as loom's cannot become an `Arc<dyn …>`: loom neither
//! explores the order of its counts nor looks for leaks. So do the channels of `signal` and `done`,
//! on which no model waits. Parking is made of a lock and a condition variable: loom's own loses an
//! unpark that comes while the thread waits for a lock.

use std::ops::{Deref, DerefMut};

pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU64};

pub(crate) use self::clock::Instant;
pub(crate) use self::mailbox::{Receiver, RecvTimeoutError, Sender, bounded};

#[cfg(test)]
pub(crate) use self::clock::{advance, await_sleeps};

mod clock; // time that passes when a model says so
mod gate; // a value that threads wait to see changed
mod mailbox; // a channel

#[derive(Default)]
pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

/// Empty while its thread waits on a condition variable.
pub(crate) struct MutexGuard<'a, T>(Option<loom::sync::MutexGuard<'a, T>>);

const NO_POISON: &str = "loom's locks are never poisoned";
const HELD: &str = "a guard is empty only within a wait";

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(loom::sync::Mutex::new(value))
    }

    #[track_caller]
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard(Some(self.0.lock().expect(NO_POISON)))
    }

    #[track_caller]
    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.0.try_lock().ok().map(|guard| MutexGuard(Some(guard)))
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut().expect(NO_POISON)
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect(HELD)
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().expect(HELD)
    }
}

#[derive(Default)]
pub(crate) struct Condvar(loom::sync::Condvar);

impl Condvar {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    #[track_caller]
    pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        let held = guard.0.take().expect(HELD);
        guard.0 = Some(self.0.wait(held).expect(NO_POISON));
    }

    #[track_caller]
    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }
}

/// A thread-local of loom's threads, which share one of the system's, with the methods of std's.
pub(crate) struct LocalKey<T: 'static>(pub(crate) &'static loom::thread::LocalKey<T>);

macro_rules! local {
    ($($(#[$attribute:meta])* static $name:ident: $type:ty = $value:expr;)*) => {$(
        $(#[$attribute])*
        static $name: $crate::sync::LocalKey<$type> = {
            loom::thread_local! { static KEY: $type = $value; }
            $crate::sync::LocalKey(&KEY)
        };
    )*};
}
pub(crate) use local as thread_local;

impl<T: 'static> LocalKey<T> {
    pub(crate) fn with<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        self.0.with(f)
    }

    pub(crate) fn try_with<R>(
        &self,
        f: impl FnOnce(&T) -> R,
    ) -> Result<R, loom::thread::AccessError> {
        self.0.try_with(f)
    }
}

impl<T: Copy + 'static> LocalKey<std::cell::Cell<T>> {
    pub(crate) fn get(&self) -> T {
        self.with(std::cell::Cell::get)
    }

    pub(crate) fn set(&self, value: T) {
        self.with(|cell| cell.set(value));
    }

    pub(crate) fn replace(&self, value: T) -> T {
        self.with(|cell| cell.replace(value))
    }
}

impl<T: 'static> LocalKey<std::cell::RefCell<T>> {
    pub(crate) fn with_borrow_mut<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        self.with(|cell| f(&mut cell.borrow_mut()))
    }
}

pub(crate) mod thread {
    use std::time::Duration;

    pub(crate) use loom::thread::{Builder, JoinHandle, ThreadId};
    pub(crate) use std::thread::panicking;

    use super::Instant;
    use super::gate::Gate;
    use crate::sync::Arc;

    #[derive(Clone)]
    pub(crate) struct Thread {
        id: ThreadId,
        /// Whether it was unparked, and not parked since.
        permit: Arc<Gate<bool>>,
    }

    super::thread_local! {
        static CURRENT: Thread =
            Thread { id: loom::thread::current().id(), permit: Gate::new(false) };
    }

    pub(crate) fn current() -> Thread {
        CURRENT.with(Thread::clone)
    }

    impl Thread {
        pub(crate) fn id(&self) -> ThreadId {
            self.id
        }

        pub(crate) fn unpark(&self) {
            self.permit.change(|permit| *permit = true);
        }
    }

    pub(crate) fn park() {
        current().permit.wait(None, take);
    }

    pub(crate) fn park_timeout(timeout: Duration) {
        current().permit.wait(Instant::now().checked_add(timeout), take);
    }

    fn take(permit: &mut bool) -> Option<()> {
        std::mem::take(permit).then_some(())
    }
}
