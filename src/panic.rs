//! The one place that catches panics.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::Payload;

/// Runs user code and returns its panic, if it does, as a value.
pub(crate) fn catch<R>(code: impl FnOnce() -> R) -> Result<R, Payload> {
    catch_unwind(AssertUnwindSafe(code))
}

/// Drops a value of the user's; a panic of its destructor is returned.
pub(crate) fn drop_caught<T>(value: T) -> Result<(), Payload> {
    catch(move || drop(value))
}

/// Drops a panic's payload. One whose own destructor panics again is leaked: there is no end to it.
pub(crate) fn discard_payload(payload: Payload) {
    if let Err(again) = drop_caught(payload) {
        std::mem::forget(again);
    }
}
