//! Owns the interrupt of the job that a thread runs, and the functions that act on it.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError as ChannelTimeout, Sender, never};

use super::{Interrupt, Interrupted, Node, RecvError, RecvTimeoutError, SendError, node};
use crate::error::Never;
use crate::sync::{Arc, thread, thread_local};

/// What the free functions act on: the last of a thread's frames.
struct Frame {
    id: u64,
    kind: Kind,
    /// Whether what interrupts the frames below interrupts this one too.
    below: Below,
    /// The pool's request that all its jobs stop; for jobs, it is that of the frame below.
    stop: Option<Interrupt>,
    /// The interrupt itself; that of a job without a handle is made when first asked for.
    own: Option<Interrupt>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The thread runs a pool's jobs. A job with an interrupt of its own lends it to this frame.
    Pool,
    /// It runs such a job where the frame below has no room for its interrupt.
    Job,
    /// The user entered an interrupt.
    User,
}

/// What the frames below a pool's are to those of its jobs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Below {
    /// Nothing: what runs there does not wait for these jobs.
    Apart,
    /// A job that waits for these, and is interrupted together with them.
    Waits,
}

thread_local! {
    static FRAMES: RefCell<Vec<Frame>> = const { RefCell::new(Vec::new()) };
    static LAST_ID: Cell<u64> = const { Cell::new(0) };
    /// So many of the frames, from the first on, were not interrupted when so many interrupts were set.
    static CLEAR: Cell<(u64, usize)> = const { Cell::new((0, 0)) };
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
    fn new(kind: Kind, below: Below, stop: Option<Interrupt>, own: Option<Interrupt>) -> Self {
        let id = LAST_ID.get() + 1;
        LAST_ID.set(id);
        let frame = Frame { id, kind, below, stop, own };
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
            forget_from(place);
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
    Entered::new(Kind::User, Below::Apart, None, Some(own))
}

/// Lets this thread run jobs that `stop` interrupts, each under an interrupt of its own.
pub(crate) fn enter_pool(stop: &Interrupt) -> Entered {
    Entered::new(Kind::Pool, Below::Apart, Some(stop.clone()), None)
}

/// The same, for jobs that run in the place of the one that waits for them: what interrupts that
/// one interrupts them too.
pub(crate) fn enter_inline(stop: &Interrupt) -> Entered {
    Entered::new(Kind::Pool, Below::Waits, Some(stop.clone()), None)
}

/// The interrupt of a running job is the current one until this is dropped.
#[must_use]
pub(crate) enum EnteredJob {
    /// It is lent to the frame of this number, the pool's.
    Lent(u64),
    /// It has a frame of its own.
    Framed(#[expect(dead_code, reason = "kept to be dropped")] Entered),
}

/// Makes `own` the interrupt of the job that this thread begins.
#[inline]
pub(crate) fn enter_job(own: Interrupt) -> EnteredJob {
    let mut own = Some(own);
    let lent = FRAMES.try_with(|frames| {
        let mut frames = frames.borrow_mut();
        let place = frames.len().checked_sub(1)?;
        let frame = &mut frames[place];
        if frame.kind != Kind::Pool || frame.own.is_some() {
            return None;
        }
        frame.own = own.take();
        forget_from(place);
        Some(frame.id)
    });
    match lent {
        Ok(Some(id)) => EnteredJob::Lent(id),
        Ok(None) | Err(_) => {
            EnteredJob::Framed(Entered::new(Kind::Job, Below::Apart, None, own.take()))
        }
    }
}

impl Drop for EnteredJob {
    #[inline]
    fn drop(&mut self) {
        let Self::Lent(id) = *self else { return };
        let own = FRAMES.try_with(|frames| {
            let mut frames = frames.borrow_mut();
            // What the job has entered and not left is above it.
            frames.iter_mut().rfind(|frame| frame.id == id)?.own.take()
        });
        drop(own);
    }
}

/// Forgets the interrupt of a job that ended, so that the next one has another, and what the job
/// entered and did not leave.
#[inline]
pub(crate) fn end_job() {
    if IS_USED.get() {
        clear();
    }
}

/// Of the frames from this place on it is not known whether they are interrupted.
fn forget_from(place: usize) {
    let (sets, clear) = CLEAR.get();
    CLEAR.set((sets, clear.min(place)));
}

#[cold]
fn clear() {
    IS_USED.set(false);
    let ended = FRAMES.try_with(|frames| {
        let mut frames = frames.borrow_mut();
        let base = frames.iter().rposition(|frame| frame.kind == Kind::Pool)?;
        forget_from(base + 1);
        let left = frames.split_off(base + 1);
        Some((left, frames[base].own.take()))
    });
    drop(ended);
}

/// The jobs that this thread runs, the innermost first, as far as they are interrupted together: for
/// each the place of its last frame, and that of the frame with its pool's request, if it has one.
fn together(frames: &[Frame]) -> impl Iterator<Item = (usize, Option<usize>)> {
    let mut end = frames.len();
    std::iter::from_fn(move || {
        let top = end.checked_sub(1)?;
        let base = frames[..end].iter().rposition(|frame| frame.kind != Kind::Job);
        let waits = base.filter(|base| frames[*base].below == Below::Waits);
        end = waits.unwrap_or(0);
        Some((top, base))
    })
}

/// Returns the interrupt of the job that this thread runs, or none outside a job.
pub fn current() -> Option<Interrupt> {
    // The links are made without the frames: to follow an interrupt that is set calls callbacks.
    let jobs = FRAMES
        .try_with(|frames| {
            let mut frames = frames.borrow_mut();
            let places: Vec<_> = together(&frames).collect();
            let mut jobs = Vec::with_capacity(places.len());
            for (top, base) in places {
                let stop = base.and_then(|base| frames[base].stop.clone());
                let frame = &mut frames[top];
                if frame.own.is_none() && stop.is_some() {
                    IS_USED.set(true);
                    frame.own = Some(Interrupt::new());
                }
                jobs.push((frame.own.clone()?, stop));
            }
            Some(jobs)
        })
        .ok()??;
    // Linked only now: a job that never waits costs the pool's request nothing.
    let mut below: Option<Interrupt> = None;
    for (own, stop) in jobs.into_iter().rev() {
        stop.iter().chain(&below).for_each(|parent| own.follow(parent));
        below = Some(own);
    }
    below
}

/// Returns whether the current job was asked to stop; false outside a job.
pub fn is_interrupted() -> bool {
    FRAMES
        .try_with(|frames| {
            let frames = frames.borrow();
            let sets = node::sets();
            let clear = Some(CLEAR.get()).filter(|(seen, _)| *seen == sets).map_or(0, |(_, n)| n);
            let mut lowest = frames.len();
            let mut unknown = together(&frames).take_while(|(top, _)| *top >= clear);
            let is_interrupted = unknown.any(|(top, base)| {
                lowest = base.unwrap_or(0);
                let stop = base.and_then(|base| frames[base].stop.as_ref());
                frames[top].own.iter().chain(stop).any(Interrupt::is_interrupted)
            });
            // Frames below one that stands apart have not been looked at.
            if !is_interrupted && lowest <= clear {
                CLEAR.set((sets, frames.len()));
            }
            is_interrupted
        })
        .unwrap_or(false)
}

/// Returns whether this thread is running the job with this interrupt.
pub(crate) fn is_running(node: &Arc<dyn Node>) -> bool {
    let is_it = |frame: &Frame| {
        let own = frame.own.as_ref().filter(|_| frame.kind != Kind::User);
        own.is_some_and(|own| std::ptr::addr_eq(Arc::as_ptr(&own.node), Arc::as_ptr(node)))
    };
    FRAMES.try_with(|frames| frames.borrow().iter().any(is_it)).unwrap_or(false)
}

/// Returns how many jobs with handles this thread is running, at most.
pub(crate) fn running() -> usize {
    FRAMES.try_with(|frames| frames.borrow().len()).unwrap_or(0)
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
