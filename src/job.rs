//! Owns a job: a closure to run once, erased to a cache line.
//!
//! A job is a pointer to the operations on what lies in its space, where it was made, and six words of
//! space. A body that fits, in size and alignment, lies there itself; any other lies in a box whose
//! pointer does.
//!
//! INVARIANT: from the making of a `Job` to its `run` or its drop, `space` holds one initialised
//! value of the very type whose operations `ops` names.

use std::marker::PhantomData;
use std::mem::{MaybeUninit, offset_of};
use std::panic::Location;

use crate::error::{CancelReason, Payload};
pub(crate) use crate::panic::{catch, discard_payload, drop_caught};
use crate::sync::{Arc, AtomicPtr, Mutex, Ordering};

use self::around::compose;
pub(crate) use self::around::{Around, Within, run_within};
pub(crate) use self::asked::{enter_job, enter_policy};
pub(crate) use self::block::{Block, Record};
use self::body::{Body, Layer, Named, Plain, Tracked};
pub use self::ended::Outcome;
pub(crate) use self::ended::{Ended, News, Settlement};
pub(crate) use self::layers::{Layers, PoolId};
pub(crate) use self::location::{Origin, Site};
pub(crate) use self::pending::{Bound, Help, Home, Moved, Pending, Queued};
pub(crate) use self::slot::Slot;
pub use self::waiting::Awaited;

mod around; // what goes around its running
mod asked; // panics of jobs that a policy runs or drops
mod block; // the memory of those that are queued
mod body; // what it carries
mod calls; // what anybody may do with it
mod ended; // how it ended
mod layers; // which pools have wrapped it
mod location; // where it comes from
mod pending; // what pools know of it
mod slot; // a place for one
pub(crate) mod waiting; // how a thread waits for jobs

/// The words of captures that a job holds without allocating.
const WORDS: usize = 6;

type Space = [MaybeUninit<usize>; WORDS];

/// A closure to run once, taken by [`execute_job`](crate::Handle::execute_job) and given back by
/// whatever could not run it.
///
/// A job's captures of up to 48 bytes (24 where pointers have 32 bits), of ordinary alignment, are
/// stored without an allocation.
/// A job that was made together with a handle settles it when it is dropped unrun: the handle then
/// says [`Cancelled`](crate::JoinError::Cancelled), so nobody waits for a job that nobody has.
///
/// # Examples
///
/// ```
/// use workcrew::Job;
///
/// let (job, handle) = Job::with_handle(|| 6 * 7);
/// job.run();
/// assert_eq!(handle.join()?, 42);
/// # Ok::<(), workcrew::JoinError>(())
/// ```
#[repr(C)]
pub struct Job {
    // The queue relies on the order: it keeps no more of a job than the space that its body takes.
    ops: &'static Ops,
    site: Site,
    space: Space,
    /// What is inside is only known to be `Send`; see the `Sync` below.
    holds: PhantomData<*mut ()>,
}

#[expect(unsafe_code, reason = "a job holds nothing but a body, and a body is Send")]
// SAFETY:
// - `Job` holds a value of a type `B: Body`, and `Body` requires `Send`.
unsafe impl Send for Job {}

#[expect(unsafe_code, reason = "through a shared job no closure is reached")]
// SAFETY:
// - Through `&Job` only `Body::pending`, `Body::name` and `Body::layer` reach the body, and they give
//   out an `Arc<dyn Pending>`, an `Arc<str>`, and a number with another `Job`, which are `Sync`. Only
//   these are looked at there; a closure never is.
unsafe impl Sync for Job {}

/// What can be done with the value in a job's space.
struct Ops {
    /// Takes the value out of the space and runs it. Most jobs end plainly, and leave no `Ended`.
    run: unsafe fn(*mut Space, &mut Option<Ended>),
    /// Drops the value in its place.
    drop: unsafe fn(*mut Space),
    /// Looks at the value.
    pending: for<'a> unsafe fn(&'a Space) -> Option<&'a Arc<dyn Pending>>,
    name: for<'a> unsafe fn(&'a Space) -> Option<&'a Arc<str>>,
    layer: for<'a> unsafe fn(&'a Space) -> Option<Layer<'a>>,
    /// False if there is nothing to look at, which saves the calls.
    has_handle: bool,
    has_name: bool,
    /// The words of a job up to the end of the value.
    words: usize,
}

/// A place for a site that one thread writes and others read.
#[derive(Default)]
pub(crate) struct SiteSlot(AtomicPtr<Location<'static>>);

impl SiteSlot {
    #[inline]
    pub(crate) fn set(&self, site: Site) {
        // ORDERING: pairs with `get`: who sees the site sees what was written before it.
        self.0.store(std::ptr::from_ref(site).cast_mut(), Ordering::Release);
    }

    #[inline]
    pub(crate) fn clear(&self) {
        // ORDERING: as in `set`.
        self.0.store(std::ptr::null_mut(), Ordering::Release);
    }

    #[expect(unsafe_code, reason = "an atomic holds a pointer, not a reference")]
    pub(crate) fn get(&self) -> Option<Site> {
        // ORDERING: pairs with `set`.
        let site = self.0.load(Ordering::Acquire);
        // SAFETY:
        // - null, or made of a `&'static Location` by `set`: nothing else is ever stored here. So it
        //   is aligned, and what it points to is initialised, lives for ever and never changes.
        unsafe { site.as_ref() }
    }
}

/// What closures borrow for `'scope`, lent to them while [`lend`](Self::lend) runs.
pub(crate) struct Loans<'scope> {
    /// The closures that are out and neither run nor dropped; none while nothing is lent.
    out: Arc<Mutex<Option<usize>>>,
    /// Neither a longer nor a shorter borrow can be put in its place.
    scope: PhantomData<&'scope mut &'scope ()>,
}

/// A closure that does not say what it borrows.
struct Borrower {
    f: Option<Box<dyn FnOnce() + Send>>,
    /// Dropped after the closure, also if that panics.
    _loan: Loan,
}

struct Loan(Arc<Mutex<Option<usize>>>);

impl Drop for Loan {
    fn drop(&mut self) {
        if let Some(out) = &mut *self.0.lock() {
            *out -= 1;
        }
    }
}

impl<'scope> Loans<'scope> {
    pub(crate) fn new() -> Self {
        Self { out: Arc::default(), scope: PhantomData }
    }

    /// Calls `f`, then `finish`, which has to see to it that each closure that is out has been run
    /// or dropped. Were one left, what it borrows could end before it: the process is aborted.
    pub(crate) fn lend<R>(&'scope self, f: impl FnOnce() -> R, finish: impl FnOnce()) -> R {
        struct Finish<'a, F: FnOnce()>(&'a Mutex<Option<usize>>, Option<F>);
        impl<F: FnOnce()> Drop for Finish<'_, F> {
            fn drop(&mut self) {
                let has_finished = self.1.take().is_some_and(|finish| catch(finish).is_ok());
                if !(has_finished && self.0.lock().take() == Some(0)) {
                    std::process::abort();
                }
            }
        }
        *self.out.lock() = Some(0);
        let _finish = Finish(&self.out, Some(finish));
        f()
    }

    /// Makes a closure forget what it borrows.
    ///
    /// # Panics
    ///
    /// If nothing is being lent.
    #[expect(unsafe_code, reason = "a borrow is hidden from the compiler, and kept by a count")]
    pub(crate) fn borrower(
        &self,
        f: Box<dyn FnOnce() + Send + 'scope>,
    ) -> impl FnOnce() + Send + 'static {
        *self.out.lock().as_mut().expect("borrowed only while `lend` runs") += 1;
        let loan = Loan(Arc::clone(&self.out));
        // SAFETY:
        // - the types differ in the lifetime alone.
        // - the closure is not used after `'scope`: it is counted as out from above until `_loan`
        //   is dropped, after it was consumed or dropped; `lend` runs, and does not return before
        //   that count is zero; and `'scope` outlives the call of `lend`, which borrows for it.
        let f: Box<dyn FnOnce() + Send> = unsafe { std::mem::transmute(f) };
        let borrower = Borrower { f: Some(f), _loan: loan };
        move || borrower.run()
    }
}

impl Borrower {
    fn run(mut self) {
        if let Some(f) = self.f.take() {
            f();
        }
    }
}

/// The operations on a space that holds a `B`.
struct Holding<B>(PhantomData<B>);

#[expect(unsafe_code, reason = "these are the operations on the erased value")]
impl<B: Body> Holding<B> {
    const OPS: Ops = Ops {
        run: Self::run,
        drop: Self::drop,
        pending: Self::pending,
        name: Self::name,
        layer: Self::layer,
        has_handle: B::HAS_HANDLE,
        has_name: B::HAS_NAME,
        words: offset_of!(Job, space).div_ceil(size_of::<usize>())
            + size_of::<B>().div_ceil(size_of::<usize>()),
    };

    /// # Safety
    ///
    /// `space` holds an initialised `B`, which the caller gives up.
    unsafe fn run(space: *mut Space, ended: &mut Option<Ended>) {
        // SAFETY:
        // - valid and aligned: the caller's promise, and `Job::holding` checked that `B` fits.
        // - not read again: the caller gives the value up.
        let body = unsafe { space.cast::<B>().read() };
        body.run(ended);
    }

    /// # Safety
    ///
    /// As for `run`.
    unsafe fn drop(space: *mut Space) {
        // SAFETY: as in `run`; the value is dropped here and not used after.
        unsafe { space.cast::<B>().drop_in_place() }
    }

    /// # Safety
    ///
    /// `space` holds an initialised `B`.
    unsafe fn pending(space: &Space) -> Option<&Arc<dyn Pending>> {
        // SAFETY:
        // - valid and aligned: as in `run`.
        // - shared: the reference lives as long as the one to the space.
        let body = unsafe { &*std::ptr::from_ref(space).cast::<B>() };
        body.pending()
    }

    /// # Safety
    ///
    /// `space` holds an initialised `B`.
    unsafe fn name(space: &Space) -> Option<&Arc<str>> {
        // SAFETY: as in `pending`.
        let body = unsafe { &*std::ptr::from_ref(space).cast::<B>() };
        body.name()
    }

    /// # Safety
    ///
    /// `space` holds an initialised `B`.
    unsafe fn layer(space: &Space) -> Option<Layer<'_>> {
        // SAFETY: as in `pending`.
        let body = unsafe { &*std::ptr::from_ref(space).cast::<B>() };
        body.layer()
    }
}

impl Job {
    /// Makes a job of a closure. Its panic, should it panic, is reported by the pool that runs it.
    #[track_caller]
    pub fn new<F: FnOnce() + Send + 'static>(f: F) -> Self {
        Self::of(Plain(f), Location::caller())
    }

    /// Makes a job with a name, by which reports and the log call it.
    #[track_caller]
    pub fn named<F: FnOnce() + Send + 'static>(name: impl Into<Arc<str>>, f: F) -> Self {
        Self::of(Named { f, name: name.into() }, Location::caller())
    }

    pub(crate) fn tracked(task: Arc<dyn Pending>) -> Self {
        let site = task.origin().site;
        Self::of(Tracked(Some(task)), site)
    }

    /// Ends a started job with a panic of a hook, instead of running it.
    pub(crate) fn fail(self, payload: Payload) -> Ended {
        if let Some(task) = self.pending().map(Arc::clone) {
            return task.fail(payload);
        }
        let stray = drop_caught(self).err();
        Ended { outcome: Outcome::Panicked, unclaimed: Some(payload), stray, settlement: None }
    }

    fn of<B: Body>(body: B, site: Site) -> Self {
        let fits = size_of::<B>() <= size_of::<Space>() && align_of::<B>() <= align_of::<Space>();
        if fits { Self::holding(body, site) } else { Self::holding(Box::new(body), site) }
    }

    #[expect(unsafe_code, reason = "erases the type of the body")]
    fn holding<B: Body>(body: B, site: Site) -> Self {
        assert!(size_of::<B>() <= size_of::<Space>() && align_of::<B>() <= align_of::<Space>());
        let mut space: Space = [MaybeUninit::uninit(); WORDS];
        // SAFETY:
        // - valid for a write of `B`: the assertion above has its size and alignment.
        // - nothing is overwritten that would need a drop: the space is uninitialised.
        unsafe { space.as_mut_ptr().cast::<B>().write(body) };
        Self { ops: &Holding::<B>::OPS, site, space, holds: PhantomData }
    }

    /// Runs the job, which was [started](Pending::start) if it has a handle.
    pub(crate) fn run_caught(self) -> Ended {
        let mut ended = None;
        Slot::holding(self).run(&mut ended);
        ended.unwrap_or(Ended::PLAINLY)
    }

    /// Returns whether the job has a handle.
    #[inline]
    pub(crate) fn has_handle(&self) -> bool {
        self.ops.has_handle
    }

    /// Returns the side of the job that its handle sees, if it has one.
    #[expect(unsafe_code, reason = "calls the erased operation")]
    pub(crate) fn pending(&self) -> Option<&Arc<dyn Pending>> {
        if !self.ops.has_handle {
            return None;
        }
        // SAFETY: the space holds what `ops` operates on (the module's invariant).
        unsafe { (self.ops.pending)(&self.space) }
    }

    /// Returns the job's name, if it has one.
    #[inline]
    #[expect(unsafe_code, reason = "calls the erased operation")]
    pub(crate) fn shared_name(&self) -> Option<&Arc<str>> {
        if !self.ops.has_name {
            return None;
        }
        // SAFETY: the space holds what `ops` operates on (the module's invariant).
        unsafe { (self.ops.name)(&self.space) }
    }

    /// Returns the job in it and who has wrapped that, if one is.
    #[expect(unsafe_code, reason = "calls the erased operation")]
    fn layer(&self) -> Option<Layer<'_>> {
        // SAFETY: the space holds what `ops` operates on (the module's invariant).
        unsafe { (self.ops.layer)(&self.space) }
    }

    /// Takes the job for running; false if its handle cancelled it, or another took it.
    pub(crate) fn start(&self) -> bool {
        self.pending().is_none_or(|task| task.start())
    }

    /// Tells who waits for the job as one of many that it was handed back.
    pub(crate) fn tell_handed_back(&self) {
        if let Some(task) = self.pending() {
            task.handed_back();
        }
    }

    /// Says what its handle is to be told if the job is dropped unrun.
    pub(crate) fn because(&self, why: CancelReason) {
        if let Some(task) = self.pending() {
            task.because(why);
        }
    }

    /// Returns whether the job is still to be started by whoever holds it.
    pub(crate) fn is_live(&self) -> bool {
        self.pending().is_none_or(|task| task.is_pending())
    }
}

impl Drop for Job {
    #[expect(unsafe_code, reason = "calls the erased operation")]
    fn drop(&mut self) {
        // SAFETY: the space holds what `ops` operates on (the module's invariant); a job that was
        // run is not dropped.
        asked::contain_drop(|| unsafe { (self.ops.drop)(&raw mut self.space) });
    }
}

#[cfg(test)]
mod tests;
