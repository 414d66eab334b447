//! Owns what a pool does at its very end: hooks to call, and values to drop, last in, first out.
//!
//! INVARIANT: once `take_last` has found nothing left, nothing is taken in any more. So whatever was
//! taken in is done by the one thread that ends the pool.

use std::any::Any;
use std::fmt;
use std::ops::Deref;

use crate::sync::Arc;

/// A value that a pool keeps until after its last job, from
/// [`keep_until_terminated`](crate::Handle::keep_until_terminated). Clones share it, as those of an
/// [`Arc`](std::sync::Arc) do.
pub struct Kept<T>(Arc<T>);

impl<T: Send + Sync + 'static> Kept<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Arc::new(value))
    }

    /// The pool's share in it.
    pub(crate) fn share(&self) -> Ending {
        Ending::Value(Arc::clone(&self.0) as Arc<dyn Any + Send + Sync>)
    }
}

impl<T> Clone for Kept<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Deref for Kept<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: fmt::Debug> fmt::Debug for Kept<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Kept").field(&self.0).finish()
    }
}

/// What is to be done when the last job and the last worker have ended.
pub(crate) enum Ending {
    /// Called.
    Hook(Box<dyn FnOnce() + Send>),
    /// Dropped.
    Value(Arc<dyn Any + Send + Sync>),
}

impl Ending {
    /// What its panic is reported as.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Hook(_) => "on_terminated hook",
            Self::Value(_) => "a kept value's destructor",
        }
    }

    pub(crate) fn run(self) {
        match self {
            Self::Hook(hook) => hook(),
            Self::Value(value) => drop(value),
        }
    }
}

/// All that is to be done, in the order in which it was handed over.
#[derive(Default)]
pub(crate) struct Endings {
    list: Vec<Ending>,
    is_over: bool,
}

impl Endings {
    /// Takes it in; gives it back if all has been done.
    pub(crate) fn add(&mut self, ending: Ending) -> Result<(), Ending> {
        if self.is_over {
            return Err(ending);
        }
        self.list.push(ending);
        Ok(())
    }

    /// Takes out what was handed over last. When there is none, all has been done.
    pub(crate) fn take_last(&mut self) -> Option<Ending> {
        let last = self.list.pop();
        self.is_over = last.is_none();
        last
    }
}
