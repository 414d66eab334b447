//! Owns what goes around the running of a job.

use super::body::Layer;
use super::{Body, Ended, Job, PoolId, catch, drop_caught};
use crate::error::Payload;
use crate::sync::Arc;

/// Code that goes around the running of a job, given the job to run.
pub(crate) type Around = Box<dyn FnOnce(&mut dyn FnMut()) + Send>;

/// How code ended that something went around.
pub(crate) struct Within<R> {
    /// What the code returned; its panic, or that of what is around it, if that kept it from running.
    pub(crate) result: Result<R, Payload>,
    /// A panic apart from that.
    pub(crate) other: Option<Payload>,
}

/// Runs `code` within `around`. A panic of `code` does not unwind through `around`.
pub(crate) fn run_within<R>(
    around: impl FnOnce(&mut dyn FnMut()),
    code: impl FnOnce() -> R,
) -> Within<R> {
    let mut code = Some(code);
    let mut result = None;
    let outer = catch(|| {
        around(&mut || {
            if let Some(code) = code.take() {
                result = Some(catch(code));
            }
        });
    });
    match (result, outer) {
        (Some(result), outer) => Within { result, other: outer.err() },
        (None, outer) => {
            let other = drop_caught(code).err();
            let silent = || Box::new("what is around the job did not run it") as Payload;
            Within { result: Err(outer.err().unwrap_or_else(silent)), other }
        }
    }
}

/// Puts `outer` around what is around a job already.
pub(super) fn compose(outer: Around, inner: Around) -> Around {
    Box::new(move |run| {
        let mut inner = Some(inner);
        outer(&mut || {
            if let Some(inner) = inner.take() {
                inner(run);
            }
        });
    })
}

/// A job without a handle that something goes around.
pub(super) struct Wrapped<W> {
    pub(super) inner: Job,
    pub(super) around: W,
    /// The pool whose hook has put it there, if one has.
    pub(super) by: Option<PoolId>,
}

impl<W: FnOnce(&mut dyn FnMut()) + Send + 'static> Body for Wrapped<W> {
    const HAS_HANDLE: bool = false;
    const HAS_NAME: bool = true;

    fn run(self, ended: &mut Option<Ended>) {
        let Self { inner, around, by: _ } = self;
        let Within { result, other } = run_within(around, move || inner.run_caught());
        let mut outer = result.unwrap_or_else(Ended::panicked);
        outer.note_other(other);
        *ended = Some(outer);
    }

    fn name(&self) -> Option<&Arc<str>> {
        self.inner.shared_name()
    }

    fn layer(&self) -> Option<Layer<'_>> {
        Some((self.by, &self.inner))
    }
}
