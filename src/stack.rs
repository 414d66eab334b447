//! How much of a thread's stack is in use, where threads run jobs that they wait for.
//!
//! A thread that waits for a job may run it in its place, and that job may wait for another. The
//! depth of this is bounded by the stack that it takes and not by a count of levels, as frames of
//! jobs have any size.

use std::cell::Cell;
use std::sync::OnceLock;

use crate::sync::thread_local;

/// What threads may use that are not the pool's own, from their first job on: the size of their
/// stacks is not known, nor how much of it was in use then.
const FOREIGN: usize = 64 * 1024;

/// What the standard library gives a thread that asks for no size.
const USUAL: usize = 2 * 1024 * 1024;

thread_local! {
    /// Where the stack was when this thread began to run jobs, and how much it may use for them.
    static BASE: Cell<Option<(usize, usize)>> = const { Cell::new(None) };
}

/// Where the stack is now.
#[inline(never)]
fn here() -> usize {
    let marker = 0_u8;
    std::ptr::from_ref(std::hint::black_box(&marker)).addr()
}

/// The size of the stack of a worker that asked for this one.
pub(crate) fn size_of_worker(asked: Option<usize>) -> usize {
    static SET: OnceLock<Option<usize>> = OnceLock::new();
    let set = || std::env::var("RUST_MIN_STACK").ok()?.parse().ok();
    asked.or_else(|| *SET.get_or_init(set)).unwrap_or(USUAL)
}

/// Marks where a thread begins to run jobs, until this is dropped.
#[must_use = "the mark goes with it"]
pub(crate) struct Base {
    is_first: bool,
}

impl Base {
    /// On a thread with a stack of this size, of which nothing is in use.
    pub(crate) fn of_worker(size: usize) -> Self {
        // The model checker's threads have stacks of its own.
        Self::allowing(if cfg!(workcrew_loom) { usize::MAX } else { size / 4 })
    }

    /// On a thread of somebody else's.
    pub(crate) fn of_foreign() -> Self {
        Self::allowing(FOREIGN)
    }

    fn allowing(bytes: usize) -> Self {
        let is_first = BASE.get().is_none();
        if is_first {
            BASE.set(Some((here(), bytes)));
        }
        Self { is_first }
    }
}

impl Drop for Base {
    fn drop(&mut self) {
        if self.is_first {
            BASE.set(None);
        }
    }
}

/// Returns whether this thread may run one more job on top of those that it runs.
pub(crate) fn has_room() -> bool {
    BASE.get().is_none_or(|(base, allowed)| base.abs_diff(here()) < allowed)
}
