//! Owns how a thread waits for another: until it is woken, its time is over, or its job is
//! interrupted.

use std::time::Duration;

use crate::error::AwaitError;
use crate::interrupt;
use crate::sync::thread::{self, Thread};
use crate::sync::{Arc, AtomicBool, Instant, Ordering};

pub(crate) use self::spin::Spin;

mod spin; // before it parks

/// When a wait is over; never, if the clock cannot express it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    pub(crate) const NEVER: Self = Self(None);

    pub(crate) fn after(timeout: Duration) -> Self {
        Self(Instant::now().checked_add(timeout))
    }

    pub(crate) fn since(start: Instant, timeout: Duration) -> Self {
        Self(start.checked_add(timeout))
    }

    pub(crate) fn at(at: Instant) -> Self {
        Self(Some(at))
    }

    pub(crate) fn sooner(self, other: Self) -> Self {
        match (self.0, other.0) {
            (Some(a), Some(b)) => Self(Some(a.min(b))),
            (a, b) => Self(a.or(b)),
        }
    }

    pub(crate) fn instant(self) -> Option<Instant> {
        self.0
    }

    pub(crate) fn is_never(self) -> bool {
        self.0.is_none()
    }

    pub(crate) fn is_past(self) -> bool {
        self.0.is_some_and(|at| at <= Instant::now())
    }
}

/// Whether a wait ends when the job that waits is interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heed {
    Interrupts,
    Nothing,
}

/// Parks this thread until `ready` has an answer. Whoever makes it ready unparks the thread.
pub(crate) fn park_until<R>(
    deadline: Deadline,
    heed: Heed,
    mut ready: impl FnMut() -> Option<R>,
) -> Result<R, AwaitError> {
    if let Some(answer) = ready() {
        return Ok(answer);
    }
    let interrupt = match heed {
        Heed::Interrupts => interrupt::current(),
        Heed::Nothing => None,
    };
    let _waking = interrupt.as_ref().map(interrupt::Interrupt::unpark_this_thread);
    loop {
        if let Some(answer) = ready() {
            return Ok(answer);
        }
        if interrupt.as_ref().is_some_and(interrupt::Interrupt::is_interrupted) {
            return Err(AwaitError::Interrupted);
        }
        match deadline.0 {
            None => thread::park(),
            Some(at) => match at.checked_duration_since(Instant::now()) {
                None | Some(Duration::ZERO) => return Err(AwaitError::TimedOut),
                Some(left) => thread::park_timeout(left),
            },
        }
    }
}

/// Says that something may be amiss which whoever waits looks after under a lock.
///
/// Whoever raises it tells those who wait afterwards, under the locks under which they register. So a
/// thread that was not told has registered since, and sees it.
#[derive(Default)]
pub(crate) struct Hint(AtomicBool);

impl Hint {
    pub(crate) fn raise(&self) {
        // ORDERING: the locks named above order it before the look of those who were not told.
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn lower(&self) {
        // ORDERING: as in `raise`; one that is seen too late costs a look.
        self.0.store(false, Ordering::Relaxed);
    }

    pub(crate) fn is_raised(&self) -> bool {
        // ORDERING: as in `raise`.
        self.0.load(Ordering::Relaxed)
    }
}

/// One thread's place in a list of waiting ones.
pub(crate) struct Waiter {
    thread: Thread,
    woken: AtomicBool,
}

impl Waiter {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { thread: thread::current(), woken: AtomicBool::new(false) })
    }

    fn wake(&self) {
        // ORDERING: pairs with the load in `wait`; what the waker did before is seen after.
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }

    pub(crate) fn is_woken(&self) -> bool {
        // ORDERING: pairs with the store in `wake`.
        self.woken.load(Ordering::Acquire)
    }

    pub(crate) fn wait(&self, deadline: Deadline, heed: Heed) -> Result<(), AwaitError> {
        let ready = || self.is_woken().then_some(());
        let spin = Spin::begin();
        if !deadline.is_past() && spin.until(ready).is_some() {
            return Ok(());
        }
        park_until(deadline, heed, ready)
    }
}

/// Threads to wake once the lock under which they were found is released.
#[must_use = "who is to be woken must be woken"]
#[derive(Default)]
pub(crate) struct Wakes {
    woken: Vec<Arc<Waiter>>,
    nudged: Vec<Arc<Waiter>>,
    threads: Vec<Thread>,
}

impl Wakes {
    pub(crate) fn add(&mut self, waiters: impl IntoIterator<Item = Arc<Waiter>>) {
        self.woken.extend(waiters);
    }

    /// These look again whether what they wait for is there, and may go on waiting.
    pub(crate) fn nudge(&mut self, waiters: &[Arc<Waiter>]) {
        self.nudged.extend(waiters.iter().map(Arc::clone));
    }

    /// These threads look again whether what they wait for is there.
    pub(crate) fn unpark(&mut self, threads: impl IntoIterator<Item = Thread>) {
        self.threads.extend(threads);
    }

    pub(crate) fn append(&mut self, other: Self) {
        self.woken.extend(other.woken);
        self.nudged.extend(other.nudged);
        self.threads.extend(other.threads);
    }

    pub(crate) fn wake(self) {
        for waiter in self.woken {
            waiter.wake();
        }
        for waiter in self.nudged {
            waiter.thread.unpark();
        }
        for thread in self.threads {
            thread.unpark();
        }
    }
}
