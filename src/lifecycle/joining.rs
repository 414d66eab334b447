//! Owns the joining of threads that have ended, and who does it.
//!
//! A thread that has ended may still be in its very last steps, such as the destructors of a C
//! library, and to join it takes as long as they do. So no submission joins a thread, and a wait that
//! has a limit, or that an interrupt ends, has it done by a helper thread. Where none can be had, only
//! threads that have been at their last steps for long are joined by such a wait.

use std::io;
use std::time::Duration;

use super::RESCUE;
use crate::error::AwaitError;
use crate::interrupt;
use crate::logging;
use crate::pool::Pool;
use crate::sync::Arc;
use crate::sync::thread::{Builder as ThreadBuilder, ThreadId};
use crate::threads::Gone;
use crate::wait::{Deadline, Heed, Waiter, park_until};

/// The last steps of a thread take some microseconds as a rule. Nobody can tell from outside when they
/// are over; after this time they are taken to be, where no helper thread can be had.
const LAST_STEPS: Duration = Duration::from_secs(1);

/// In bytes, so that a helper can be had where a thread of the usual size cannot.
const HELPER_STACK: usize = 256 * 1024;

/// Threads that were taken to be joined. Those that were not go back when this is dropped.
struct Joining {
    pool: Arc<Pool>,
    gone: Vec<Gone>,
    joined: Vec<ThreadId>,
    /// A handle was another thread's than the worker's.
    are_foreign: bool,
}

impl Joining {
    fn join(mut self) {
        while let Some(thread) = self.gone.pop() {
            self.joined.push(thread.ran_on());
            self.are_foreign |= !thread.join();
        }
        let (pool, are_foreign) = (Arc::clone(&self.pool), self.are_foreign);
        drop(self);
        if are_foreign {
            pool.report_foreign();
        }
    }
}

impl Drop for Joining {
    fn drop(&mut self) {
        let mut desk = self.pool.desk.lock();
        for thread in self.joined.drain(..) {
            desk.threads.joined(thread);
        }
        for thread in self.gone.drain(..) {
            desk.threads.put_back(thread);
        }
        let wakes = desk.note_over();
        drop(desk);
        wakes.wake();
    }
}

impl Pool {
    /// Joins the threads that have ended.
    pub(crate) fn join_gone(self: &Arc<Self>) {
        let gone = self.desk.lock().threads.take_gone();
        if !gone.is_empty() {
            self.joining(gone).join();
        }
    }

    fn joining(self: &Arc<Self>, gone: Vec<Gone>) -> Joining {
        Joining { pool: Arc::clone(self), gone, joined: Vec::new(), are_foreign: false }
    }

    /// Waits until the threads of a pool that is over are joined.
    pub(super) fn wait_joined(
        self: &Arc<Self>,
        deadline: Deadline,
        heed: Heed,
    ) -> Result<(), AwaitError> {
        let can_be_interrupted = match heed {
            Heed::Interrupts => interrupt::current().is_some(),
            Heed::Nothing => false,
        };
        let may_join_here = deadline.instant().is_none() && !can_be_interrupted;
        let mut is_logged = false;
        loop {
            let mut desk = self.desk.lock();
            if desk.threads.all_joined() {
                return Ok(());
            }
            let gone = desk.threads.take_gone();
            drop(desk);
            if gone.is_empty() {
                self.wait_for_joiner(deadline, heed)?;
            } else if may_join_here {
                self.joining(gone).join();
            } else if let Err(error) = self.join_apart(gone) {
                if !std::mem::replace(&mut is_logged, true) {
                    logging::write!(
                        Warn,
                        "pool {}: no thread to join its threads on: {error}",
                        self.name
                    );
                }
                Self::pause(deadline, heed)?;
                if self.desk.lock().threads.have_gone_for(LAST_STEPS) {
                    self.join_gone();
                }
            }
        }
    }

    /// Waits until whoever is joining the threads has joined them, or puts them back.
    fn wait_for_joiner(&self, deadline: Deadline, heed: Heed) -> Result<(), AwaitError> {
        let mut desk = self.desk.lock();
        if desk.threads.all_joined() || desk.threads.has_gone() {
            return Ok(());
        }
        let waiter = Waiter::new();
        desk.end_waiters.push(Arc::clone(&waiter));
        drop(desk);
        self.wait_to_look(&waiter, deadline, heed)
    }

    /// Has the threads joined by a thread that nobody waits for.
    fn join_apart(self: &Arc<Self>, gone: Vec<Gone>) -> io::Result<()> {
        // Where there is no thread for it the closure is dropped, and the threads go back.
        let joining = self.joining(gone);
        let name = format!("{}-join", self.name);
        let builder = ThreadBuilder::new().name(name).stack_size(HELPER_STACK);
        builder.spawn(move || joining.join()).map(drop)
    }

    /// Lets some time pass before a thread is asked for again. That the threads went back does not
    /// end it: others that were refused put them back, too.
    fn pause(deadline: Deadline, heed: Heed) -> Result<(), AwaitError> {
        let until = deadline.sooner(Deadline::after(RESCUE));
        match park_until(until, heed, || None::<()>) {
            Err(error) if error == AwaitError::Interrupted || deadline.is_past() => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

#[cfg(all(test, not(workcrew_loom)))]
mod tests;
