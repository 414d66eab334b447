//! Owns the interrupt of the job that a thread runs, and the functions that act on it.

use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError as ChannelTimeout, Sender, never};

use super::{Interrupt, Interrupted, RecvError, RecvTimeoutError, SendError};
use crate::error::Never;
use crate::sync::thread;

/// What the free functions act on.
#[derive(Default)]
struct Frame {
    /// The pool's request that all its jobs stop.
    stop: Option<Interrupt>,
    /// The running job's own; made when first asked for.
    own: Option<Interrupt>,
}

thread_local! {
    static FRAME: RefCell<Frame> = const { RefCell::new(Frame { stop: None, own: None }) };
}

/// Brings back the [current](current) interrupt that [`Interrupt::enter`] replaced when dropped.
#[must_use = "dropping the guard brings the previous interrupt back"]
pub struct Entered {
    before: Frame,
    /// The frame is this thread's.
    not_send: PhantomData<*mut ()>,
}

impl Entered {
    fn new(frame: Frame) -> Self {
        Self { before: FRAME.replace(frame), not_send: PhantomData }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let ended = FRAME.replace(std::mem::take(&mut self.before));
        drop(ended);
    }
}

impl fmt::Debug for Entered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entered").finish_non_exhaustive()
    }
}

/// Makes `own` the current interrupt, in the place of the running job's and its pool's.
pub(super) fn enter(own: Interrupt) -> Entered {
    Entered::new(Frame { stop: None, own: Some(own) })
}

/// Lets this thread run jobs that `stop` interrupts, each under an interrupt of its own.
pub(crate) fn enter_pool(stop: &Interrupt) -> Entered {
    Entered::new(Frame { stop: Some(stop.clone()), own: None })
}

/// Makes `own` the interrupt of the job that this thread begins.
pub(crate) fn enter_job(own: Interrupt) -> Entered {
    let stop = FRAME.with_borrow(|frame| frame.stop.clone());
    Entered::new(Frame { stop, own: Some(own) })
}

/// Forgets the interrupt of a job that ended, so that the next one has another.
pub(crate) fn end_job() {
    let ended = FRAME.with_borrow_mut(|frame| frame.own.take());
    drop(ended);
}

/// Returns the interrupt of the job that this thread runs, or none outside a job.
pub fn current() -> Option<Interrupt> {
    let (own, stop) = FRAME
        .try_with(|frame| {
            let frame = frame.borrow();
            (frame.own.clone(), frame.stop.clone())
        })
        .ok()?;
    let Some(stop) = stop else { return own };
    let own = own.unwrap_or_else(|| {
        let own = Interrupt::new();
        FRAME.with_borrow_mut(|frame| frame.own = Some(own.clone()));
        own
    });
    // Linked only now: a job that never waits costs the pool's request nothing.
    own.follow(&stop);
    Some(own)
}

/// Returns whether the current job was asked to stop; false outside a job.
pub fn is_interrupted() -> bool {
    FRAME
        .try_with(|frame| {
            let frame = frame.borrow();
            [&frame.own, &frame.stop].into_iter().flatten().any(Interrupt::is_interrupted)
        })
        .unwrap_or(false)
}

/// Returns an error if the current job was asked to stop, for use with `?`.
///
/// # Errors
///
/// [`Interrupted`] if it was.
pub fn check() -> Result<(), Interrupted> {
    if is_interrupted() { Err(Interrupted) } else { Ok(()) }
}

/// Sleeps, or less if the current job is interrupted.
///
/// # Errors
///
/// [`Interrupted`] at once if it was asked to stop, or as soon as it is.
pub fn sleep(duration: Duration) -> Result<(), Interrupted> {
    if let Some(interrupt) = current() {
        return interrupt.sleep(duration);
    }
    // The receive can only time out: nobody sends on this channel, and it stays connected.
    never::<Never>().recv_timeout(duration).ok();
    Ok(())
}

/// Parks the thread until it is [unparked](std::thread::Thread::unpark), the time is over or the
/// current job is interrupted. As with the plain call, it may also return for no reason.
///
/// # Errors
///
/// [`Interrupted`] at once if the job was asked to stop, or as soon as it is.
pub fn park_timeout(timeout: Duration) -> Result<(), Interrupted> {
    let Some(interrupt) = current() else {
        thread::park_timeout(timeout);
        return Ok(());
    };
    let parked = thread::current();
    let _guard = interrupt.on_interrupt(move || parked.unpark());
    interrupt.check()?;
    thread::park_timeout(timeout);
    interrupt.check()
}

/// Receives a message, unless the current job is interrupted.
///
/// # Errors
///
/// As for [`Interrupt::recv`].
pub fn recv<T>(receiver: &Receiver<T>) -> Result<T, RecvError> {
    match current() {
        Some(interrupt) => interrupt.recv(receiver),
        None => receiver.recv().map_err(|_| RecvError::Disconnected),
    }
}

/// Receives a message within a time limit, unless the current job is interrupted.
///
/// # Errors
///
/// As for [`Interrupt::recv_timeout`].
pub fn recv_timeout<T>(receiver: &Receiver<T>, timeout: Duration) -> Result<T, RecvTimeoutError> {
    match current() {
        Some(interrupt) => interrupt.recv_timeout(receiver, timeout),
        None => receiver.recv_timeout(timeout).map_err(|error| match error {
            ChannelTimeout::Timeout => RecvTimeoutError::TimedOut,
            ChannelTimeout::Disconnected => RecvTimeoutError::Disconnected,
        }),
    }
}

/// Sends a message, waiting for room in the channel, unless the current job is interrupted.
///
/// # Errors
///
/// As for [`Interrupt::send`].
pub fn send<T>(sender: &Sender<T>, message: T) -> Result<(), SendError<T>> {
    match current() {
        Some(interrupt) => interrupt.send(sender, message),
        None => sender.send(message).map_err(|error| SendError::Disconnected(error.0)),
    }
}
