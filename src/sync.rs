//! Where the crate takes its locks, atomics, threads, mailboxes and clock from: one place to exchange
//! them. The cfg `workcrew_delays` exchanges them for some that let random moments pass, the cfg
//! `workcrew_loom` for those of the model checker.

pub(crate) use std::sync::Arc;
pub(crate) use std::sync::atomic::{AtomicPtr, Ordering};

#[cfg(not(any(workcrew_delays, workcrew_loom)))]
pub(crate) use {
    crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded},
    parking_lot::{Condvar, Mutex, MutexGuard},
    std::sync::atomic::{AtomicBool, AtomicU64},
    std::{thread, thread_local, time::Instant},
};

#[cfg(workcrew_delays)]
pub(crate) use {
    self::delays::{AtomicBool, AtomicU64, Condvar, Mutex, Receiver, Sender, bounded, thread},
    crossbeam_channel::RecvTimeoutError,
    parking_lot::MutexGuard,
    std::{thread_local, time::Instant},
};

#[cfg(workcrew_loom)]
pub(crate) use self::checked::{
    AtomicBool, AtomicU64, Condvar, Instant, LocalKey, Mutex, MutexGuard, Receiver,
    RecvTimeoutError, Sender, bounded, thread, thread_local,
};

#[cfg(all(test, workcrew_loom))]
pub(crate) use self::checked::{advance, await_sleeps};

#[cfg(workcrew_loom)]
mod checked; // the same for the model checker
#[cfg(workcrew_delays)]
mod delays; // the same, each after a random moment

/// Lets some time pass, on the order of ten nanoseconds for each of `times`.
pub(crate) fn pause(times: u32) {
    (0..times).for_each(|_| std::hint::spin_loop());
}

/// Takes a lock for whose holders a look at it costs more than what they do under it. Where it is
/// taken, this thread leaves its cache line alone for some microseconds, in which the others get
/// through many times: passing the line to and fro for each of them would cost all more.
#[inline]
pub(crate) fn lock_patiently<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.try_lock().unwrap_or_else(|| wait_turn(mutex))
}

#[cold]
fn wait_turn<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    pause(PATIENCE);
    mutex.lock()
}

/// Measured with 8 to 512: from 64 on, those who contend get through more jobs; from 256 on, a queue
/// of few jobs runs dry while its submitter waits.
const PATIENCE: u32 = 128;

/// A value on cache lines of its own, so that who writes to it does not slow down who reads its
/// neighbours. Two lines, as processors fetch them in pairs.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct Apart<T>(T);

impl<T> Apart<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(value)
    }
}

impl<T> std::ops::Deref for Apart<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
