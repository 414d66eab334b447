//! Owns a place for one job: where it lies on its way into the queue, and where it is run.

use std::mem::MaybeUninit;

use super::{Ended, Job};

/// A place for one job. A job that is queued is copied out of the slot once, and one that is taken
/// from the queue is copied into one once, and run there.
///
/// INVARIANT: `job` is initialised exactly while `is_full`.
pub(crate) struct Slot {
    job: MaybeUninit<Job>,
    is_full: bool,
}

#[expect(unsafe_code, reason = "`is_full` tells what the compiler would track otherwise")]
impl Slot {
    pub(crate) const fn empty() -> Self {
        Self { job: MaybeUninit::uninit(), is_full: false }
    }

    #[inline]
    pub(crate) fn holding(job: Job) -> Self {
        Self { job: MaybeUninit::new(job), is_full: true }
    }

    /// Puts a job into an empty slot.
    pub(crate) fn fill(&mut self, job: Job) {
        assert!(!self.is_full, "a slot holds one job");
        self.job.write(job);
        self.is_full = true;
    }

    /// The job in a full slot.
    #[inline]
    pub(crate) fn job(&self) -> &Job {
        assert!(self.is_full, "there is a job in the slot");
        // SAFETY: initialised by the invariant, as the slot is full.
        unsafe { self.job.assume_init_ref() }
    }

    /// Takes the job out of a full slot.
    #[inline]
    pub(crate) fn take(&mut self) -> Job {
        // SAFETY: `leave` checks that the job is there, and hands it over: it is not read again.
        unsafe { self.leave().read() }
    }

    /// Runs the job, which was [started](super::Pending::start) if it has a handle; the slot is empty
    /// after. A job that has no handle and returns leaves no `ended`, and most jobs do: so the place
    /// for it is the caller's, who need not touch it.
    #[inline]
    pub(crate) fn run(&mut self, ended: &mut Option<Ended>) {
        let job = self.leave();
        // SAFETY:
        // - initialised: `leave` checks that, and hands the job over, so that nobody drops it.
        // - the space holds what `ops` operates on (the invariant of `Job`).
        unsafe { ((*job).ops.run)(&raw mut (*job).space, ended) }
    }

    /// Empties the full slot for a caller who moves the job out of it, and returns where it lies.
    #[inline]
    pub(super) fn leave(&mut self) -> *mut Job {
        assert!(self.is_full, "there is a job in the slot");
        self.is_full = false;
        self.job.as_mut_ptr()
    }

    /// Returns where a job is to be written, for a caller who does so before anything else.
    ///
    /// # Safety
    ///
    /// The slot is used only once an initialised job lies there.
    #[inline]
    pub(super) unsafe fn enter(&mut self) -> *mut Job {
        assert!(!self.is_full, "a slot holds one job");
        self.is_full = true;
        self.job.as_mut_ptr()
    }
}

impl Drop for Slot {
    #[inline]
    fn drop(&mut self) {
        if self.is_full {
            drop(self.take());
        }
    }
}
