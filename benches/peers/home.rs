//! Gives a worker the handle to its own pool.
//!
//! A job that submits jobs needs a handle. If each carried a clone, all workers would meet at the
//! handle's reference count, which would be of the harness's making.

use std::any::Any;
use std::cell::RefCell;

thread_local! {
    static HOME: RefCell<Option<Box<dyn Any>>> = const { RefCell::new(None) };
}

/// Leaves the handle with this worker.
pub(crate) fn furnish<H: 'static>(handle: H) {
    HOME.set(Some(Box::new(handle)));
}

/// Takes it away again, for a pool whose handles keep it running.
pub(crate) fn clear() {
    HOME.take();
}

/// Calls `f` with this worker's handle.
pub(crate) fn with<H: 'static, R>(f: impl FnOnce(&H) -> R) -> R {
    HOME.with_borrow(|home| {
        let handle = home.as_ref().and_then(|home| home.downcast_ref());
        f(handle.expect("the worker was given a handle"))
    })
}
