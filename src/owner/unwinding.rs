//! Owns whether a panic is why a pool's owner is dropped.

use crate::sync::thread::{self, ThreadId};

/// The unwindings that an owner has to do with.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unwinding {
    /// One that drops the owner began in its life, as it was made outside of any.
    Any,
    /// The owner was made by a destructor that runs as this thread unwinds. That is why the
    /// destructor runs, and not why the owner is dropped.
    NotOf(ThreadId),
    /// The program has said how the pool is to end.
    Disregarded,
}

impl Unwinding {
    /// For an owner that is made here and now.
    pub(super) fn now() -> Self {
        if thread::panicking() { Self::NotOf(thread::current().id()) } else { Self::Any }
    }

    /// Returns whether an unwinding is why the owner is dropped here and now.
    pub(super) fn is_why(self) -> bool {
        thread::panicking()
            && match self {
                Self::Any => true,
                Self::NotOf(thread) => thread::current().id() != thread,
                Self::Disregarded => false,
            }
    }
}
