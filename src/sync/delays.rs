//! Owns the exchange of locks, atomics, mailboxes and parking under the cfg `workcrew_delays`: each
//! lets a random moment pass before it does what the plain one does, so that threads meet in orders
//! that are rare otherwise.
//!
//! The moments follow from `WORKCREW_SEED` and, for each thread, from how many threads came before
//! it.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{self, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvError, RecvTimeoutError, TryRecvError, TrySendError};
use parking_lot::MutexGuard;

thread_local! {
    /// Without a destructor, so that it serves those of other thread-locals. Zero until first used.
    static STATE: Cell<u64> = const { Cell::new(0) };
}

fn first_state() -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    static THREADS: atomic::AtomicU64 = atomic::AtomicU64::new(1);
    let seed = *SEED.get_or_init(|| {
        let text = std::env::var("WORKCREW_SEED").ok();
        text.and_then(|text| text.parse().ok()).unwrap_or(0)
    });
    // ORDERING: only the numbers differ; nothing else depends on their order.
    let thread = THREADS.fetch_add(1, Ordering::Relaxed);
    seed.wrapping_mul(0xD6E8_FEB8_6659_FD93) ^ thread.wrapping_mul(0xA076_1D64_78BD_642F)
}

/// The next number of this thread, by the generator known as `SplitMix64`.
fn next() -> u64 {
    let state = match STATE.get() {
        0 => first_state(),
        state => state,
    };
    let state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    STATE.set(state);
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// Lets nothing, some spins, a yield or some microseconds of sleep pass.
fn delay() {
    let number = next();
    match number % 64 {
        0 => {
            #[expect(clippy::disallowed_methods, reason = "a park would eat the token of another")]
            std::thread::sleep(Duration::from_micros((number >> 8) % 30));
        }
        1..=4 => std::thread::yield_now(),
        5..=12 => super::pause(u32::from(number.to_le_bytes()[2])),
        _ => {}
    }
}

#[derive(Default)]
pub(crate) struct Mutex<T>(parking_lot::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(parking_lot::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        delay();
        self.0.lock()
    }

    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        delay();
        self.0.try_lock()
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut()
    }
}

pub(crate) struct Condvar(parking_lot::Condvar);

impl Condvar {
    pub(crate) fn new() -> Self {
        Self(parking_lot::Condvar::new())
    }

    pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        delay();
        self.0.wait(guard);
    }

    pub(crate) fn notify_all(&self) {
        delay();
        self.0.notify_all();
    }
}

#[derive(Default)]
pub(crate) struct AtomicBool(atomic::AtomicBool);

#[expect(clippy::fn_params_excessive_bools, reason = "the signatures are those of std")]
impl AtomicBool {
    pub(crate) const fn new(value: bool) -> Self {
        Self(atomic::AtomicBool::new(value))
    }

    pub(crate) fn load(&self, order: Ordering) -> bool {
        delay();
        self.0.load(order)
    }

    pub(crate) fn store(&self, value: bool, order: Ordering) {
        delay();
        self.0.store(value, order);
    }

    pub(crate) fn swap(&self, value: bool, order: Ordering) -> bool {
        delay();
        self.0.swap(value, order)
    }
}

#[derive(Default)]
pub(crate) struct AtomicU64(atomic::AtomicU64);

impl AtomicU64 {
    pub(crate) const fn new(value: u64) -> Self {
        Self(atomic::AtomicU64::new(value))
    }

    pub(crate) fn load(&self, order: Ordering) -> u64 {
        delay();
        self.0.load(order)
    }

    pub(crate) fn store(&self, value: u64, order: Ordering) {
        delay();
        self.0.store(value, order);
    }

    pub(crate) fn fetch_add(&self, value: u64, order: Ordering) -> u64 {
        delay();
        self.0.fetch_add(value, order)
    }
}

pub(crate) struct Sender<T>(crossbeam_channel::Sender<T>);

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Sender<T> {
    pub(crate) fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        delay();
        self.0.try_send(message)
    }
}

pub(crate) struct Receiver<T>(crossbeam_channel::Receiver<T>);

impl<T> Receiver<T> {
    pub(crate) fn recv(&self) -> Result<T, RecvError> {
        delay();
        self.0.recv()
    }

    pub(crate) fn recv_deadline(&self, deadline: Instant) -> Result<T, RecvTimeoutError> {
        delay();
        self.0.recv_deadline(deadline)
    }

    pub(crate) fn try_recv(&self) -> Result<T, TryRecvError> {
        delay();
        self.0.try_recv()
    }
}

pub(crate) fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = crossbeam_channel::bounded(capacity);
    (Sender(sender), Receiver(receiver))
}

pub(crate) mod thread {
    //! What the crate uses of [`std::thread`].

    use std::time::Duration;

    use super::delay;

    pub(crate) use std::thread::{Builder, JoinHandle, ThreadId, panicking};

    #[derive(Clone)]
    pub(crate) struct Thread(std::thread::Thread);

    impl Thread {
        pub(crate) fn id(&self) -> ThreadId {
            self.0.id()
        }

        pub(crate) fn unpark(&self) {
            delay();
            self.0.unpark();
        }
    }

    pub(crate) fn current() -> Thread {
        Thread(std::thread::current())
    }

    pub(crate) fn park() {
        delay();
        std::thread::park();
    }

    pub(crate) fn park_timeout(timeout: Duration) {
        delay();
        std::thread::park_timeout(timeout);
    }
}
