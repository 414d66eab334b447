//! Owns jobs that borrow from the stack of their submitter, which waits for all of them.
//!
//! INVARIANT: a job is on the roll from before its submission until it has ended, or was given back
//! to its submitter. The scope is over when the roll is empty. Who could keep a job for ever, a
//! policy or the caller of `shutdown_now`, keeps it only until the scope waits for its end.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;
use std::panic::resume_unwind;
use std::time::Duration;

use crate::error::{JoinError, Payload};
use crate::interrupt::{self, Interrupt};
use crate::job::{Home, Job, Loans, Pending, catch};
use crate::job_handle::JobHandle;
use crate::pool::Pool;
use crate::rejection::{RejectReason, Rejected};
use crate::sync::{Arc, Mutex, Thread, thread};
use crate::task::Settles;
use crate::wait::{Deadline, Heed, park_until};
use crate::watch::{Watch, Watcher};

pub use self::handle::ScopedHandle;

mod handle; // waiting for one job of a scope

/// Runs jobs that borrow from the caller's stack; see [`scope`](crate::Handle::scope).
pub struct Scope<'scope, 'env: 'scope> {
    pool: Arc<Pool>,
    loans: Loans<'scope>,
    roll: Arc<Roll>,
    /// Set with that of the job that made the scope; the jobs' own follow it.
    interrupt: Interrupt,
    env: PhantomData<&'env mut &'env ()>,
}

/// Jobs of a scope that never ran, though nobody cancelled them.
///
/// A rejection policy discarded them, or they were handed back, by `shutdown_now` or
/// `take_pending`, and whoever got them had not run them when the scope came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeError {
    unrun: usize,
}

/// A job of a scope that was not accepted, and why.
#[must_use = "the job has not been run"]
pub struct ScopedRejected<'scope> {
    rejected: Rejected,
    scope: PhantomData<&'scope mut &'scope ()>,
}

type Task = Arc<dyn Settles<()>>;

/// How often a scope whose jobs are not run looks whether there is a worker at all.
const RESCUE: Duration = Duration::from_secs(1);

/// Who belongs to a scope.
#[derive(Default)]
struct Roll {
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    members: BTreeMap<u64, Member>,
    last: u64,
    /// Members whose submission has come to its end, or that were handed back, and at which the
    /// scope's end has not looked since.
    unseen: BTreeSet<u64>,
    /// The thread that waits for the end.
    waiter: Option<Thread>,
    /// Jobs that were dropped unrun, and whose submitter does not know.
    unrun: usize,
    /// Panics that nobody joined.
    panics: Vec<Payload>,
}

struct Member {
    task: Task,
    /// Let go by its holder: what comes of the job concerns the scope alone.
    handle: Option<JobHandle<()>>,
}

impl Pool {
    pub(crate) fn scope<'env, F, R>(self: &Arc<Self>, f: F) -> Result<R, ScopeError>
    where
        F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R,
    {
        let interrupt = interrupt::current().map_or_else(Interrupt::new, |current| current.child());
        let roll = Arc::<Roll>::default();
        let scope = Scope {
            pool: Arc::clone(self),
            loans: Loans::new(),
            roll: Arc::clone(&roll),
            interrupt,
            env: PhantomData,
        };
        let all = Arc::clone(&roll);
        let _guard = scope.interrupt.on_interrupt(move || all.interrupt());
        let result = scope
            .loans
            .lend(|| catch(|| f(&scope)).inspect_err(|_| roll.cancel()), || roll.finish(self));
        roll.close(self, result)
    }
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
    pub fn execute<F: FnOnce() + Send + 'scope>(
        &'scope self,
        f: F,
    ) -> Result<(), ScopedRejected<'scope>> {
        drop(self.submit(f)?);
        Ok(())
    }

    /// Submits a job and returns the handle to its result. See
    /// [`Handle::submit`](crate::Handle::submit).
    ///
    /// # Errors
    ///
    /// As for [`execute`](Self::execute).
    ///
    /// # Panics
    ///
    /// Only if the rejection policy does.
    pub fn submit<F, T>(
        &'scope self,
        f: F,
    ) -> Result<ScopedHandle<'scope, T>, ScopedRejected<'scope>>
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
        let (job, handle, key) = self.roll.enter(borrower);
        let task = handle.task();
        if self.interrupt.is_interrupted() {
            Arc::clone(&task).interrupt().interrupt();
        }
        let submitting = Submitting { roll: &self.roll, key };
        let taken = self.pool.execute_member(job);
        drop(submitting);
        match taken {
            Ok(()) => Ok(ScopedHandle::new(Arc::clone(&self.roll), key, handle, place)),
            Err(rejected) => {
                // A policy may have given back another job than it was asked about.
                if is_of(&rejected, &task) {
                    self.roll.strike(key);
                }
                Err(ScopedRejected { rejected, scope: PhantomData })
            }
        }
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

/// Says, when dropped, that a job is wherever its submission has brought it.
struct Submitting<'a> {
    roll: &'a Roll,
    key: u64,
}

impl Drop for Submitting<'_> {
    fn drop(&mut self) {
        self.roll.look_at(self.key);
    }
}

impl Roll {
    fn enter<F>(self: &Arc<Self>, f: F) -> (Job, JobHandle<()>, u64)
    where
        F: FnOnce() + Send + 'static,
    {
        let mut entries = self.entries.lock();
        entries.last += 1;
        let key = entries.last;
        let (job, handle) = Job::watched(f, Watch::new(Arc::clone(self) as Arc<dyn Watcher>, key));
        let member = Member { task: handle.task(), handle: None };
        entries.members.insert(key, member);
        (job, handle, key)
    }

    /// The job was given back to its submitter.
    fn strike(&self, key: u64) {
        self.change(|entries| drop(entries.members.remove(&key)));
    }

    /// Changes something for which the scope's end may have to be woken.
    fn change(&self, change: impl FnOnce(&mut Entries)) {
        let mut entries = self.entries.lock();
        change(&mut entries);
        let has_news = entries.members.is_empty() || !entries.unseen.is_empty();
        let waiter = if has_news { entries.waiter.take() } else { None };
        drop(entries);
        if let Some(waiter) = waiter {
            waiter.unpark();
        }
    }

    fn look_at(&self, key: u64) {
        self.change(|entries| {
            if entries.members.contains_key(&key) {
                entries.unseen.insert(key);
            }
        });
    }

    /// Takes over a handle that its holder lets go.
    fn adopt(&self, key: u64, handle: JobHandle<()>) {
        let mut entries = self.entries.lock();
        match entries.members.get_mut(&key) {
            Some(member) => member.handle = Some(handle),
            None => entries.note(handle),
        }
    }

    fn tasks(&self) -> Vec<Task> {
        self.entries.lock().members.values().map(|member| Arc::clone(&member.task)).collect()
    }

    fn interrupt(&self) {
        for task in self.tasks() {
            task.interrupt().interrupt();
        }
    }

    fn cancel(&self) {
        for task in self.tasks() {
            task.cancel();
        }
    }

    /// Returns once all jobs have ended. A worker of their pool runs pending ones.
    fn finish(&self, pool: &Arc<Pool>) {
        loop {
            let unseen = park_until(Deadline::after(RESCUE), Heed::Nothing, || {
                let mut entries = self.entries.lock();
                let is_over = entries.members.is_empty();
                if entries.unseen.is_empty() && !is_over {
                    entries.waiter = Some(thread::current());
                    return None;
                }
                let unseen = std::mem::take(&mut entries.unseen);
                let tasks = unseen.iter().filter_map(|key| entries.members.get(key));
                let tasks = tasks.map(|member| Arc::clone(&member.task)).collect::<Vec<_>>();
                Some((!is_over).then_some(tasks))
            });
            match unseen {
                Ok(None) => return,
                Ok(Some(tasks)) => {
                    // Those that were taken back first: helping can take long.
                    for task in &tasks {
                        Arc::clone(task).revoke();
                    }
                    for task in tasks {
                        task.help();
                    }
                }
                // Perhaps there is no worker, and none can be had.
                Err(_) => while pool.run_stranded() {},
            }
        }
    }

    /// What the scope returns, all jobs having ended. A panic goes on; of several, the closure's,
    /// or else the first, and the pool reports the others.
    fn close<R>(&self, pool: &Pool, result: Result<R, Payload>) -> Result<R, ScopeError> {
        let mut entries = self.entries.lock();
        let (unrun, panics) = (entries.unrun, std::mem::take(&mut entries.panics));
        drop(entries);
        let (result, first) = match result {
            Ok(result) => (Some(result), None),
            Err(payload) => (None, Some(payload)),
        };
        let mut panics = first.into_iter().chain(panics);
        let first = panics.next();
        panics.for_each(|payload| pool.report_panic(payload));
        match (first, result) {
            (Some(payload), _) => resume_unwind(payload),
            (None, Some(result)) if unrun == 0 => Ok(result),
            (None, _) => Err(ScopeError { unrun }),
        }
    }
}

impl Entries {
    /// Notes what came of a job that nobody joins. Nothing of the user's is dropped by this.
    fn note(&mut self, handle: JobHandle<()>) {
        match handle.try_join() {
            Ok(Err(JoinError::Panicked(payload))) => self.panics.push(payload),
            Ok(Err(JoinError::Cancelled)) => self.unrun += 1,
            Ok(Ok(()) | Err(JoinError::Interrupted)) | Err(_) => {}
        }
    }
}

impl Watcher for Roll {
    fn ended(&self, key: u64) {
        self.change(|entries| {
            entries.unseen.remove(&key);
            if let Some(handle) = entries.members.remove(&key).and_then(|member| member.handle) {
                entries.note(handle);
            }
        });
    }

    fn handed_back(&self, key: u64) {
        self.look_at(key);
    }
}

impl ScopeError {
    /// Returns how many jobs never ran.
    pub fn unrun(&self) -> usize {
        self.unrun
    }
}

impl fmt::Display for ScopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} jobs of the scope were discarded or handed back, and never ran: \
             look for a shutdown, or a policy that discards",
            self.unrun
        )
    }
}

impl std::error::Error for ScopeError {}

impl ScopedRejected<'_> {
    /// Returns why the job was not accepted.
    pub fn reason(&self) -> RejectReason {
        self.rejected.reason()
    }

    /// Returns whether the pool was full; trying again later can succeed.
    pub fn is_saturated(&self) -> bool {
        self.rejected.is_saturated()
    }

    /// Returns whether the pool was shut down.
    pub fn is_shutdown(&self) -> bool {
        self.rejected.is_shutdown()
    }

    /// Runs the job on this thread, under no pool.
    ///
    /// # Panics
    ///
    /// If the job does.
    pub fn run(self) {
        self.rejected.into_job().run();
    }
}

impl fmt::Debug for ScopedRejected<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedRejected").field("reason", &self.reason()).finish_non_exhaustive()
    }
}

impl fmt::Display for ScopedRejected<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rejected.fmt(f)
    }
}

impl std::error::Error for ScopedRejected<'_> {}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let jobs = self.roll.entries.lock().members.len();
        f.debug_struct("Scope").field("jobs", &jobs).finish_non_exhaustive()
    }
}
