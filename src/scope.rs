//! Owns jobs that borrow from the stack of their submitter, which waits for all of them.

use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;

use crate::interrupt::{self, Followers, Interrupt};
use crate::job::{Awaited, Job, Loans, Pending, catch};
use crate::pool::Pool;
use crate::rejection::Rejected;
use crate::sync::{Arc, Mutex};

use self::roll::{Roll, Submitting, Task};

pub use self::error::ScopeError;
pub use self::handle::ScopedHandle;
pub use self::rejected::{ScopedRejected, ScopedRejectedSubmit};

mod roll; // which jobs belong to the scope, and its end
mod handle; // waiting for one job of a scope
mod rejected; // jobs that were given back
mod error; // jobs that never ran

/// Runs jobs that borrow from the caller's stack; see [`scope`](crate::Handle::scope).
pub struct Scope<'scope, 'env: 'scope> {
    pool: Arc<Pool>,
    loans: Loans<'scope>,
    roll: Arc<Roll>,
    /// Set with that of the job that made the scope; the jobs' own follow it.
    interrupt: Interrupt,
    env: PhantomData<&'env mut &'env ()>,
}

impl Pool {
    pub(crate) fn scope<'env, F, R>(self: &Arc<Self>, f: F) -> Result<R, ScopeError>
    where
        F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R,
    {
        let interrupt = interrupt::current().map_or_else(Interrupt::new, |current| current.child());
        let roll = Arc::new(Roll::new());
        let scope = Scope {
            pool: Arc::clone(self),
            loans: Loans::new(),
            roll: Arc::clone(&roll),
            interrupt,
            env: PhantomData,
        };
        let all = Arc::clone(&roll) as Arc<dyn Followers>;
        let _passing = scope.interrupt.pass_on_to_all(&all);
        let give_up = |_: &_| roll.cancel(&scope.interrupt);
        let result =
            scope.loans.lend(|| catch(|| f(&scope)).inspect_err(give_up), || roll.finish());
        roll.close(self, result)
    }
}

/// A job that was not accepted.
struct Returned {
    rejected: Rejected,
    /// If not, a policy has given back another job than it was asked about.
    is_own: bool,
}

impl<'scope> Scope<'scope, '_> {
    /// Submits a job whose result nobody waits for but the scope. See
    /// [`Handle::execute`](crate::Handle::execute).
    ///
    /// A panic of the job unwinds out of [`scope`](crate::Handle::scope), when all have ended.
    ///
    /// # Errors
    ///
    /// The job, as for [`Handle::execute`](crate::Handle::execute): it can be
    /// [run](ScopedRejected::run) here. A worker of the same pool runs it by itself where the pool
    /// is saturated.
    ///
    /// # Panics
    ///
    /// Only if the rejection policy does.
    #[track_caller]
    pub fn execute<F: FnOnce() + Send + 'scope>(&'scope self, f: F) -> Result<(), ScopedRejected> {
        let borrower = self.loans.borrower(Box::new(f));
        let (job, handle, key) = self.roll.enter(borrower, Location::caller());
        match self.send(job, &handle.task(), key) {
            Err(returned) if returned.is_own => Err(self.rejected(returned.rejected)),
            sent => {
                self.roll.adopt(key, handle);
                sent.map_err(|returned| self.rejected(returned.rejected))
            }
        }
    }

    /// Submits a job and returns the handle to its result. See
    /// [`Handle::submit`](crate::Handle::submit).
    ///
    /// # Errors
    ///
    /// The job and its handle, as for [`execute`](Self::execute).
    ///
    /// # Panics
    ///
    /// Only if the rejection policy does.
    #[track_caller]
    pub fn submit<F, T>(
        &'scope self,
        f: F,
    ) -> Result<ScopedHandle<'scope, T>, ScopedRejectedSubmit<'scope, T>>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        let place = Arc::new(Mutex::new(None));
        let result = Arc::clone(&place);
        let borrower = self.loans.borrower(Box::new(move || {
            let value = f();
            *result.lock() = Some(value);
        }));
        let (job, handle, key) = self.roll.enter(borrower, Location::caller());
        let submitted = self.send(job, &handle.task(), key);
        let handle = ScopedHandle::new(Arc::clone(&self.roll), key, handle, place);
        let Err(returned) = submitted else { return Ok(handle) };
        if returned.is_own {
            handle.leave_scope();
        }
        Err(ScopedRejectedSubmit::new(self.rejected(returned.rejected), handle))
    }

    /// Gives a job that is on the roll to the pool.
    fn send(&self, job: Job, task: &Task, key: u64) -> Result<(), Returned> {
        if self.interrupt.is_interrupted() {
            Arc::clone(task).interrupt().interrupt();
        }
        let submitting = Submitting::new(&self.roll, key, task);
        let Err(rejected) = self.pool.execute_awaited(job, Awaited::All) else { return Ok(()) };
        // If not, the scope waits for this one.
        let is_own = is_of(&rejected, task);
        if is_own {
            submitting.give_back();
        }
        Err(Returned { rejected, is_own })
    }

    fn rejected(&self, rejected: Rejected) -> ScopedRejected {
        ScopedRejected::new(rejected, &self.roll, &self.pool.name)
    }

    /// Returns the interrupt of the scope: setting it interrupts all its jobs, present and to come.
    /// It is set with that of the job that called [`scope`](crate::Handle::scope).
    pub fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }
}

fn is_of(rejected: &Rejected, task: &Task) -> bool {
    let same = |own: &Arc<dyn Pending>| std::ptr::addr_eq(Arc::as_ptr(own), Arc::as_ptr(task));
    rejected.job().pending().is_some_and(same)
}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let jobs = self.roll.len();
        f.debug_struct("Scope").field("jobs", &jobs).finish_non_exhaustive()
    }
}
