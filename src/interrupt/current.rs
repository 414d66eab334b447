//! Owns the interrupt of the job that a thread runs, and the functions that act on it.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError as ChannelTimeout, Sender, never};

use super::{Interrupt, Interrupted, RecvError, RecvTimeoutError, SendError};
use crate::error::Never;
use crate::sync::{thread, thread_local};

/// What the free functions act on: the last of a thread's frames.
struct Frame {
    id: u64,
    kind: Kind,
    /// The pool's request that all its jobs stop; for jobs, it is that of the frame below.
    stop: Option<Interrupt>,
    /// The interrupt itself; that of a job without a handle is made when first asked for.
    own: Option<Interrupt>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The thread runs a pool's jobs.
    Pool,
    /// It runs a job with an interrupt of its own.
    Job,
    /// The user entered an interrupt.
    User,
}

thread_local! {
    static FRAMES: RefCell<Vec<Frame>> = const { RefCell::new(Vec::new()) };
    static LAST_ID: Cell<u64> = const { Cell::new(0) };
    /// There may be something for `end_job` to do: most jobs never ask for their interrupt.
    static IS_USED: Cell<bool> = const { Cell::new(false) };
}

/// Brings back the [current](current()) interrupt that [`Interrupt::enter`] replaced when dropped.
///
/// Guards may be dropped in any order; the last one entered that is left counts.
#[must_use = "dropping the guard brings the previous interrupt back"]
pub struct Entered {
    /// None in a destructor that runs after this thread's frames are gone.
    id: Option<u64>,
    /// The frames are this thread's.
    not_send: PhantomData<*mut ()>,
}

impl Entered {
    fn new(kind: Kind, stop: Option<Interrupt>, own: Option<Interrupt>) -> Self {
        let id = LAST_ID.get() + 1;
        LAST_ID.set(id);
        let frame = Frame { id, kind, stop, own };
        let entered = FRAMES.try_with(|frames| frames.borrow_mut().push(frame)).is_ok();
        if kind == Kind::User {
            IS_USED.set(true);
        }
        Self { id: entered.then_some(id), not_send: PhantomData }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let Some(id) = self.id else { return };
        let left = FRAMES.try_with(|frames| {
            let mut frames = frames.borrow_mut();
            let place = frames.iter().rposition(|frame| frame.id == id)?;
            Some(frames.remove(place))
        });
        if let Ok(Some(Frame { kind: Kind::Pool, .. })) = &left {
            // What the frame below has used is not known.
            IS_USED.set(true);
        }
        drop(left);
    }
}

impl fmt::Debug for Entered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entered").finish_non_exhaustive()
    }
}

/// Makes `own` the current interrupt, in the place of the running job's and its pool's.
pub(super) fn enter(own: Interrupt) -> Entered {
    Entered::new(Kind::User, None, Some(own))
}

/// Lets this thread run jobs that `stop` interrupts, each under an interrupt of its own.
pub(crate) fn enter_pool(stop: &Interrupt) -> Entered {
    Entered::new(Kind::Pool, Some(stop.clone()), None)
}

/// Makes `own` the interrupt of the job that this thread begins.
pub(crate) fn enter_job(own: Interrupt) -> Entered {
    Entered::new(Kind::Job, None, Some(own))
}

/// Forgets the interrupt of a job that ended, so that the next one has another, and what the job
/// entered and did not leave.
#[inline]
pub(crate) fn end_job() {
    if IS_USED.get() {
        clear();
    }
}

#[cold]
fn clear() {
    IS_USED.set(false);
    let ended = FRAMES.try_with(|frames| {
        let mut frames = frames.borrow_mut();
        let base = frames.iter().rposition(|frame| frame.kind == Kind::Pool)?;
        let left = frames.split_off(base + 1);
        Some((left, frames[base].own.take()))
    });
    drop(ended);
}

/// The request that concerns the last of the frames.
fn stop(frames: &[Frame]) -> Option<&Interrupt> {
    frames.iter().rfind(|frame| frame.kind != Kind::Job)?.stop.as_ref()
}

/// Returns the interrupt of the job that this thread runs, or none outside a job.
pub fn current() -> Option<Interrupt> {
    let (own, stop) = FRAMES
        .try_with(|frames| {
            let frames = frames.borrow();
            frames.last().map(|top| (top.own.clone(), stop(&frames).cloned()))
        })
        .ok()??;
    let Some(stop) = stop else { return own };
    let own = own.unwrap_or_else(|| {
        let own = Interrupt::new();
        IS_USED.set(true);
        FRAMES.with_borrow_mut(|frames| {
            if let Some(top) = frames.last_mut() {
                top.own = Some(own.clone());
            }
        });
        own
    });
    // Linked only now: a job that never waits costs the pool's request nothing.
    own.follow(&stop);
    Some(own)
}

/// Returns whether the current job was asked to stop; false outside a job.
pub fn is_interrupted() -> bool {
    FRAMES
        .try_with(|frames| {
            let frames = frames.borrow();
            let own = frames.last().and_then(|top| top.own.as_ref());
            own.into_iter().chain(stop(&frames)).any(Interrupt::is_interrupted)
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
    let _waking = interrupt.unpark_this_thread();
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
