//! Owns what jobs carry: closures, plain or with a name, and the side of those with a handle.

use super::{Ended, Job, Pending, PoolId, catch};
use crate::sync::Arc;

/// A job that something goes around, and the pool whose hook has put it there, if one has.
pub(super) type Layer<'a> = (Option<PoolId>, &'a Job);

/// What a job carries.
pub(crate) trait Body: Send + 'static {
    /// Whether `pending` can have an answer.
    const HAS_HANDLE: bool;
    /// Whether `name` can have an answer.
    const HAS_NAME: bool;

    /// Runs it and notes what is to be noted, if anything is. Never unwinds: a panic of the user's code
    /// is a note.
    fn run(self, ended: &mut Option<Ended>);

    /// Returns the side of the job that its handle sees, if it has one.
    fn pending(&self) -> Option<&Arc<dyn Pending>> {
        None
    }

    fn name(&self) -> Option<&Arc<str>> {
        None
    }

    /// Returns the job that is in this one.
    fn layer(&self) -> Option<Layer<'_>> {
        None
    }
}

/// A closure without a handle.
pub(super) struct Plain<F>(pub(super) F);

impl<F: FnOnce() + Send + 'static> Body for Plain<F> {
    const HAS_HANDLE: bool = false;
    const HAS_NAME: bool = false;

    fn run(self, ended: &mut Option<Ended>) {
        if let Err(payload) = catch(self.0) {
            *ended = Some(Ended::panicked(payload));
        }
    }
}

/// The same with a name.
pub(super) struct Named<F> {
    pub(super) f: F,
    pub(super) name: Arc<str>,
}

impl<F: FnOnce() + Send + 'static> Body for Named<F> {
    const HAS_HANDLE: bool = false;
    const HAS_NAME: bool = true;

    fn run(self, ended: &mut Option<Ended>) {
        Plain(self.f).run(ended);
    }

    fn name(&self) -> Option<&Arc<str>> {
        Some(&self.name)
    }
}

/// A job whose handle shares its state; dropped unrun, it settles the handle.
pub(super) struct Tracked(pub(super) Option<Arc<dyn Pending>>);

impl Body for Tracked {
    const HAS_HANDLE: bool = true;
    const HAS_NAME: bool = true;

    fn run(mut self, ended: &mut Option<Ended>) {
        *ended = Some(self.0.take().expect("only its own run empties it").execute());
    }

    fn pending(&self) -> Option<&Arc<dyn Pending>> {
        self.0.as_ref()
    }

    fn name(&self) -> Option<&Arc<str>> {
        self.0.as_ref()?.origin().name.as_ref()
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abandon();
        }
    }
}

impl<B: Body> Body for Box<B> {
    const HAS_HANDLE: bool = B::HAS_HANDLE;
    const HAS_NAME: bool = B::HAS_NAME;

    fn run(self, ended: &mut Option<Ended>) {
        (*self).run(ended);
    }

    fn pending(&self) -> Option<&Arc<dyn Pending>> {
        (**self).pending()
    }

    fn name(&self) -> Option<&Arc<str>> {
        (**self).name()
    }

    fn layer(&self) -> Option<Layer<'_>> {
        (**self).layer()
    }
}
