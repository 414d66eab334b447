//! Asking a job to stop, and waiting so that it can be asked.
//!
//! Nothing can stop a thread from outside. An [`Interrupt`] is a request that a job looks at, and
//! that wakes it where it waits. Each job has one of its own; once set it stays set, so it cannot
//! be missed and need not be restored; and it never reaches another job that the same thread runs
//! later. [`shutdown_now`](crate::Handle::shutdown_now) interrupts every running job of a pool,
//! [`JobHandle::cancel`](crate::JobHandle::cancel) one.
//!
//! The free functions of this module act on the job that the calling thread runs. On a thread that
//! runs none they behave as the plain call: [`sleep`] sleeps, [`recv`] receives.
//!
//! ```
//! use std::time::Duration;
//! use workcrew::{ThreadPoolExecutor, interrupt};
//!
//! let pool = ThreadPoolExecutor::fixed(1)?;
//! let handle = pool.submit(|| interrupt::sleep(Duration::from_secs(3600)))?;
//! while handle.state() != workcrew::JobState::Running {
//!     std::thread::yield_now();
//! }
//! handle.cancel();
//! assert_eq!(handle.join()?, Err(interrupt::Interrupted));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Waiting for something else
//!
//! What this module cannot wait for can be woken through [`Interrupt::on_interrupt`] or
//! [`Interrupt::signal`]. A channel, in crossbeam's `select!`:
//!
//! ```
//! use crossbeam_channel::{bounded, select};
//! use workcrew::interrupt::{Interrupt, Interrupted};
//!
//! # let (_sender, receiver) = bounded::<u32>(0);
//! # let interrupt = Interrupt::new();
//! # interrupt.interrupt();
//! let result = select! {
//!     recv(receiver) -> message => Ok(message),
//!     recv(interrupt.signal()) -> _ => Err(Interrupted),
//! };
//! assert!(result.is_err());
//! ```
//!
//! A condition variable, whose waiter has to look at the interrupt again when it is notified. The
//! callback takes the lock, so that it cannot fall between the waiter's look and its wait; this is
//! `parking_lot`'s, and the standard library's differs only in its `Result`s:
//!
//! ```
//! use parking_lot::{Condvar, Mutex};
//! use std::sync::Arc;
//! use workcrew::interrupt::{Interrupt, Interrupted};
//!
//! fn wait_for_work(shared: &Arc<(Mutex<Vec<u32>>, Condvar)>, interrupt: &Interrupt) -> Result<u32, Interrupted> {
//!     let waker = Arc::clone(shared);
//!     let _guard = interrupt.on_interrupt(move || {
//!         drop(waker.0.lock());
//!         waker.1.notify_all();
//!     });
//!     let mut work = shared.0.lock();
//!     loop {
//!         interrupt.check()?;
//!         if let Some(item) = work.pop() {
//!             return Ok(item);
//!         }
//!         shared.1.wait(&mut work);
//!     }
//! }
//! # let shared = Arc::new((Mutex::new(vec![7]), Condvar::new()));
//! # assert_eq!(wait_for_work(&shared, &Interrupt::new()), Ok(7));
//! # let interrupt = Interrupt::new();
//! # interrupt.interrupt();
//! # assert_eq!(wait_for_work(&shared, &interrupt), Err(Interrupted));
//! ```
//!
//! With `std::sync`:
//!
//! ```
//! use std::sync::{Arc, Condvar, Mutex, PoisonError};
//! use workcrew::interrupt::{Interrupt, Interrupted};
//!
//! fn wait_for_flag(shared: &Arc<(Mutex<bool>, Condvar)>, interrupt: &Interrupt) -> Result<(), Interrupted> {
//!     let waker = Arc::clone(shared);
//!     let _guard = interrupt.on_interrupt(move || {
//!         drop(waker.0.lock());
//!         waker.1.notify_all();
//!     });
//!     let mut flag = shared.0.lock().unwrap_or_else(PoisonError::into_inner);
//!     while !*flag {
//!         interrupt.check()?;
//!         flag = shared.1.wait(flag).unwrap_or_else(PoisonError::into_inner);
//!     }
//!     Ok(())
//! }
//! # let shared = Arc::new((Mutex::new(false), Condvar::new()));
//! # let interrupt = Interrupt::new();
//! # interrupt.interrupt();
//! # assert_eq!(wait_for_flag(&shared, &interrupt), Err(Interrupted));
//! ```
//!
//! A socket, which its own `shutdown` wakes:
//!
//! ```no_run
//! use std::io::Read;
//! use std::net::{Shutdown, TcpStream};
//! use workcrew::interrupt::Interrupt;
//!
//! fn read_all(mut stream: TcpStream, interrupt: &Interrupt) -> std::io::Result<Vec<u8>> {
//!     let closer = stream.try_clone()?;
//!     let _guard = interrupt.on_interrupt(move || {
//!         closer.shutdown(Shutdown::Both).ok();
//!     });
//!     let mut all = Vec::new();
//!     stream.read_to_end(&mut all)?;
//!     Ok(all)
//! }
//! ```
//!
//! And a child process, which can be killed through a lock that its waiter lets go of:
//!
//! ```
//! use parking_lot::Mutex;
//! use std::process::{Child, ExitStatus};
//! use std::sync::Arc;
//! use std::time::Duration;
//! use workcrew::interrupt::{self, Interrupt};
//!
//! fn wait(child: Child, interrupt: &Interrupt) -> std::io::Result<ExitStatus> {
//!     let child = Arc::new(Mutex::new(child));
//!     let killer = Arc::clone(&child);
//!     let _guard = interrupt.on_interrupt(move || {
//!         killer.lock().kill().ok();
//!     });
//!     loop {
//!         if let Some(status) = child.lock().try_wait()? {
//!             return Ok(status);
//!         }
//!         // Interrupted or not, the child's end is what ends this loop.
//!         interrupt::park_timeout(Duration::from_millis(5)).ok();
//!     }
//! }
//! # if let Ok(child) = std::process::Command::new("sleep").arg("1000").spawn() {
//! #     let interrupt = Interrupt::new();
//! #     interrupt.interrupt();
//! #     assert!(!wait(child, &interrupt)?.success());
//! # }
//! # Ok::<(), std::io::Error>(())
//! ```

use std::fmt;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError as ChannelTimeout, Sender, select};

use crate::error::Never;
use crate::sync::Arc;

pub(crate) use self::callback::Calls;
pub use self::current::{
    Entered, check, current, is_interrupted, park_timeout, recv, recv_timeout, send, sleep,
};
pub(crate) use self::current::{end_job, enter_inline, enter_job, enter_pool, is_running, running};
pub use self::error::{Interrupted, RecvError, RecvTimeoutError, SendError};
pub use self::follow::Guard;
pub(crate) use self::follow::{Followers, Registered, set_all};
pub(crate) use self::helpers::{CALLS, Within};
pub(crate) use self::node::{Core, Node};

mod current; // the interrupt of the job that a thread runs
mod error; // the errors of waits
mod follow; // what follows an interrupt for a while
mod callback; // what a request calls, and how that is taken back
mod helpers; // callbacks on threads of their own
mod node; // the state of an interrupt, and who follows it

/// A request to stop, shared by those who make it and those who look at it.
///
/// Clones are the same request. It is level-triggered: once made it stays made.
///
/// # Examples
///
/// ```
/// use workcrew::interrupt::Interrupt;
///
/// let interrupt = Interrupt::new();
/// let child = interrupt.child();
/// interrupt.interrupt();
/// assert!(child.is_interrupted());
/// ```
#[derive(Clone)]
pub struct Interrupt {
    node: Arc<dyn Node>,
}

impl Default for Interrupt {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Interrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interrupt").field("is_interrupted", &self.is_interrupted()).finish()
    }
}

impl Interrupt {
    /// Makes an interrupt that belongs to no job, not set.
    pub fn new() -> Self {
        Self { node: Arc::new(Core::default()) }
    }

    pub(crate) fn of(node: Arc<dyn Node>) -> Self {
        Self { node }
    }

    /// Makes an interrupt that is set when this one is, and can be set alone: for the parts of a
    /// job that should stop together with it.
    #[must_use = "a child that is dropped interrupts nothing"]
    pub fn child(&self) -> Self {
        let child = Self::new();
        child.follow(self);
        child
    }

    fn follow(&self, parent: &Self) {
        node::link(&self.node, &parent.node);
    }

    /// Asks to stop: sets this interrupt and all that follow it, its children and theirs, and wakes
    /// the waits on them; then calls their callbacks on this thread, one after another. Does nothing
    /// if it is set already.
    ///
    /// Everything is set before the first callback is called, so one that takes long keeps nobody
    /// from being told. A callback that panics is logged; the others are still called.
    pub fn interrupt(&self) {
        set_all([self.clone()]).make();
    }

    /// Returns whether it is set. Costs one atomic load.
    pub fn is_interrupted(&self) -> bool {
        self.node.core().is_set()
    }

    /// Returns an error if it is set, for use with `?`.
    ///
    /// # Errors
    ///
    /// [`Interrupted`] if it is set.
    pub fn check(&self) -> Result<(), Interrupted> {
        if self.is_interrupted() { Err(Interrupted) } else { Ok(()) }
    }

    /// Returns a channel that never carries a message and disconnects when this is set: an arm for
    /// `select!`.
    pub fn signal(&self) -> Receiver<Never> {
        self.node.core().signal()
    }

    /// Sleeps, or less if this is set.
    ///
    /// # Errors
    ///
    /// [`Interrupted`] at once if it is set, or as soon as it is.
    pub fn sleep(&self, duration: Duration) -> Result<(), Interrupted> {
        match self.signal().recv_timeout(duration) {
            Ok(never) => match never {},
            Err(ChannelTimeout::Timeout) => self.check(),
            Err(ChannelTimeout::Disconnected) => Err(Interrupted),
        }
    }

    /// Receives a message, unless this is set.
    ///
    /// # Errors
    ///
    /// [`RecvError::Interrupted`] at once if it is set, also if a message is there, or as soon as
    /// it is; [`RecvError::Disconnected`] if no message can come.
    pub fn recv<T>(&self, receiver: &Receiver<T>) -> Result<T, RecvError> {
        self.check().map_err(|Interrupted| RecvError::Interrupted)?;
        select! {
            recv(receiver) -> message => message.map_err(|_| RecvError::Disconnected),
            recv(self.signal()) -> _ => Err(RecvError::Interrupted),
        }
    }

    /// Receives a message within a time limit, unless this is set.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv), and [`RecvTimeoutError::TimedOut`] after `timeout`.
    pub fn recv_timeout<T>(
        &self,
        receiver: &Receiver<T>,
        timeout: Duration,
    ) -> Result<T, RecvTimeoutError> {
        self.check().map_err(|Interrupted| RecvTimeoutError::Interrupted)?;
        select! {
            recv(receiver) -> message => message.map_err(|_| RecvTimeoutError::Disconnected),
            recv(self.signal()) -> _ => Err(RecvTimeoutError::Interrupted),
            default(timeout) => Err(RecvTimeoutError::TimedOut),
        }
    }

    /// Sends a message, waiting for room in the channel, unless this is set.
    ///
    /// # Errors
    ///
    /// [`SendError::Interrupted`] at once if it is set, or as soon as it is;
    /// [`SendError::Disconnected`] if nobody can receive. Both give the message back.
    pub fn send<T>(&self, sender: &Sender<T>, message: T) -> Result<(), SendError<T>> {
        if self.is_interrupted() {
            return Err(SendError::Interrupted(message));
        }
        select! {
            send(sender, message) -> sent => sent.map_err(|error| SendError::Disconnected(error.0)),
            recv(self.signal()) -> _ => Err(SendError::Interrupted(message)),
        }
    }

    /// Calls `f` when this is set, on the thread that sets it or on a helper thread of a pool that is
    /// stopped; or here and now if it is set already. Dropping the guard takes the call back; if it
    /// is being made at that moment on another thread, the drop waits for its end, so it cannot
    /// reach what comes after.
    ///
    /// Calls come last: a request first sets everything that it reaches, however many jobs that are,
    /// and wakes their waits. A thread that sees the flag by
    /// [`is_interrupted`](Self::is_interrupted) or is woken by [`signal`](Self::signal), and drops
    /// the guard at once, may do so before the call, which is then not made.
    ///
    /// A call should be short. One that takes long holds up those of the same request on the same
    /// thread; where a pool is stopped it holds up only those of the same interrupt, and the job that
    /// drops its guard.
    ///
    /// `f` must not wait for a lock that the holder of the guard holds while dropping it.
    pub fn on_interrupt<F: FnOnce() + Send + 'static>(&self, f: F) -> Guard {
        self.call_back(Box::new(f))
    }

    /// Makes this the interrupt that the free functions of this [module](self) act on, on this
    /// thread, until the guard is dropped. It takes the place of that of the running job, if any.
    pub fn enter(&self) -> Entered {
        current::enter(self.clone())
    }
}
