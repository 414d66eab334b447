//! The end of a worker's thread, as far as its own last destructor can tell.

use std::cell::RefCell;

use crate::pool::Pool;
use crate::sync::thread::{self, ThreadId};
use crate::sync::{Arc, thread_local};

thread_local! {
    /// Made before any thread-local of the user's, on the thread of a worker, and so destroyed
    /// after them: destructors run in the opposite order.
    static LAST_STEPS: RefCell<Vec<LastStep>> = const { RefCell::new(Vec::new()) };
}

/// Tells the pool, when dropped, that the thread of a worker is at its end.
pub(super) struct LastStep {
    pool: Arc<Pool>,
    index: usize,
    thread: ThreadId,
}

impl Drop for LastStep {
    fn drop(&mut self) {
        let mut desk = self.pool.desk.lock();
        desk.threads.ended(self.index, self.thread);
        let wakes = desk.note_over();
        drop(desk);
        wakes.wake();
    }
}

impl LastStep {
    /// The thread that calls this, a worker's, takes its last step when it ends.
    pub(super) fn will_be_taken(pool: &Arc<Pool>, index: usize) {
        let thread = thread::current().id();
        let last_step = Self { pool: Arc::clone(pool), index, thread };
        LAST_STEPS.with_borrow_mut(|steps| steps.push(last_step));
    }
}
