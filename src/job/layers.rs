//! Owns what a job remembers of the pools that have wrapped it, so that each does so once.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Around, Job, Ops, Pending, Site, compose};
use crate::sync::{Arc, thread_local};

/// Names a pool that wraps jobs, for as long as the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PoolId(u64);

thread_local! {
    /// The pool whose hook wraps a job on this thread.
    static WRAPPING: Cell<Option<PoolId>> = const { Cell::new(None) };
}

/// Ends, when dropped, that this thread wraps a job for a pool.
struct Wraps {
    before: Option<PoolId>,
}

impl Drop for Wraps {
    fn drop(&mut self) {
        WRAPPING.set(self.before);
    }
}

/// Returns the pool for which this thread wraps a job.
pub(super) fn wrapping() -> Option<PoolId> {
    WRAPPING.try_with(Cell::get).ok().flatten()
}

impl PoolId {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        // ORDERING: a number is only ever compared.
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// Has the hook of the pool wrap the job, unless it has done so before. A job that the hook puts
    /// in its place counts as wrapped; one that it returns as it was does not.
    pub(crate) fn wrap(self, job: Job, hook: impl FnOnce(Job) -> Job) -> Job {
        if job.is_wrapped_by(self) {
            return job;
        }
        let face = Face::of(&job);
        let _wraps = Wraps { before: WRAPPING.replace(Some(self)) };
        let job = hook(job);
        if face.is_of(&job) || job.is_wrapped_by(self) { job } else { job.wrap(|run| run()) }
    }
}

/// What another job differs in.
enum Face {
    /// Kept, so that no other job can come to lie in its place.
    Tracked(Arc<dyn Pending>),
    /// Each closure has a type, and so operations, of its own.
    Plain(Site, *const Ops),
}

impl Face {
    fn of(job: &Job) -> Self {
        match job.pending() {
            Some(task) => Self::Tracked(Arc::clone(task)),
            None => Self::Plain(job.site, std::ptr::from_ref(job.ops)),
        }
    }

    fn is_of(&self, job: &Job) -> bool {
        match (self, job.pending()) {
            (Self::Tracked(task), Some(other)) => {
                std::ptr::addr_eq(Arc::as_ptr(task), Arc::as_ptr(other))
            }
            (Self::Plain(site, ops), None) => {
                std::ptr::eq(*site, job.site) && std::ptr::eq(*ops, job.ops)
            }
            (Self::Tracked(_), None) | (Self::Plain(..), Some(_)) => false,
        }
    }
}

/// What goes around a job with a handle, and the pools that have put it there.
pub(crate) struct Layers {
    pub(crate) around: Around,
    pools: Vec<PoolId>,
}

impl Layers {
    /// Puts code around what is there already.
    pub(crate) fn add(inner: Option<Box<Self>>, around: Around, by: Option<PoolId>) -> Self {
        let mut layers = match inner {
            None => Self { around, pools: Vec::new() },
            Some(inner) => {
                let Self { around: inner, pools } = *inner;
                Self { around: compose(around, inner), pools }
            }
        };
        layers.pools.extend(by);
        layers
    }

    pub(crate) fn are_by(&self, pool: PoolId) -> bool {
        self.pools.contains(&pool)
    }
}

impl Job {
    /// Returns whether the hook of the pool has wrapped this job.
    fn is_wrapped_by(&self, pool: PoolId) -> bool {
        if let Some(task) = self.pending() {
            return task.is_wrapped_by(pool);
        }
        let mut layer = self.layer();
        while let Some((by, inner)) = layer {
            if by == Some(pool) {
                return true;
            }
            layer = inner.layer();
        }
        false
    }
}
