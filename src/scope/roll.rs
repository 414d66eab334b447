//! Owns the roll of a scope's jobs, and the wait for the last of them.
//!
//! INVARIANT: a job is on the roll from before its submission until it has ended. The scope is over
//! when the roll is empty. Who could keep a job for ever, a policy or the caller of `shutdown_now`,
//! keeps it only until the scope waits for its end; its submitter, to whom it was given back, until
//! nobody else is on the roll.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::resume_unwind;

use super::ScopeError;
use crate::error::{AwaitError, JoinError, Payload};
use crate::interrupt::{Followers, Interrupt};
use crate::job::waiting::{Company, Look, Place, Waiting, place_of_several, runs_jobs};
use crate::job::{Bound, Help, Home, Job, Site, drop_caught};
use crate::job_handle::JobHandle;
use crate::local;
use crate::pool::Pool;
use crate::sync::thread::{self, Thread};
use crate::sync::{Arc, AtomicU64, Mutex, Ordering};
use crate::task::{Settles, cancel_all};
use crate::wait::{Deadline, Heed};
use crate::watch::{Watch, Watcher};

pub(super) type Task = Arc<dyn Settles<()>>;

/// Who belongs to a scope.
pub(super) struct Roll {
    entries: Mutex<Entries>,
    last: AtomicU64,
    /// The scope's thread runs jobs for some executor: it may run some of the members while it waits.
    may_help: bool,
}

#[derive(Default)]
struct Entries {
    members: BTreeMap<u64, Member>,
    /// Members whose submission has come to its end, for a worker that waits to run.
    unseen: BTreeSet<u64>,
    /// Members that were handed back, or that a policy keeps: nobody may be about to run them.
    held: BTreeSet<u64>,
    /// Members that were given back to their submitters, who may still run them.
    returned: BTreeSet<u64>,
    /// The scope waits for its end.
    is_closing: bool,
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

/// Says, when dropped, that a job is wherever its submission has brought it.
pub(super) struct Submitting<'a> {
    roll: &'a Roll,
    key: u64,
    task: &'a Task,
    end: End,
}

/// Where a submission can bring a job.
enum End {
    Elsewhere,
    Back,
}

impl<'a> Submitting<'a> {
    pub(super) fn new(roll: &'a Roll, key: u64, task: &'a Task) -> Self {
        Self { roll, key, task, end: End::Elsewhere }
    }

    /// The job goes back to its submitter.
    pub(super) fn give_back(mut self) {
        self.end = End::Back;
    }
}

impl Drop for Submitting<'_> {
    fn drop(&mut self) {
        match self.end {
            End::Elsewhere => self.roll.submitted(self.key, self.task),
            End::Back => self.roll.leave(self.key),
        }
    }
}

impl Roll {
    /// Made by the thread that is going to wait for the end.
    pub(super) fn new() -> Self {
        let may_help = runs_jobs() || local::runs_jobs();
        Self { entries: Mutex::default(), last: AtomicU64::new(0), may_help }
    }

    pub(super) fn enter<F>(self: &Arc<Self>, f: F, site: Site) -> (Job, JobHandle<()>, u64)
    where
        F: FnOnce() + Send + 'static,
    {
        // ORDERING: it only has to be another number for each.
        let key = self.last.fetch_add(1, Ordering::Relaxed);
        let watch = Watch::new(Arc::clone(self) as Arc<dyn Watcher>, key);
        let (job, handle) = Job::watched(f, site, watch);
        let member = Member { task: handle.task(), handle: None };
        self.entries.lock().members.insert(key, member);
        (job, handle, key)
    }

    /// Changes something for which the scope's end may have to be woken.
    fn change<R>(&self, change: impl FnOnce(&mut Entries) -> R) -> R {
        let mut entries = self.entries.lock();
        let result = change(&mut entries);
        let has_news = entries.is_left_to_submitters() || entries.has_unseen();
        let waiter = if has_news { entries.waiter.take() } else { None };
        drop(entries);
        if let Some(waiter) = waiter {
            waiter.unpark();
        }
        result
    }

    /// The job is its submitter's.
    fn leave(&self, key: u64) {
        self.change(|entries| {
            if entries.members.contains_key(&key) {
                entries.returned.insert(key);
            }
        });
    }

    /// The pool has taken the job, or a policy keeps it.
    fn submitted(&self, key: u64, task: &Task) {
        if task.is_held() {
            self.hold(key);
        } else if self.may_help {
            self.show(key);
        }
    }

    /// The thread that waits looks at the job.
    fn show(&self, key: u64) {
        self.change(|entries| {
            // It may have ended meanwhile.
            if entries.members.contains_key(&key) {
                entries.unseen.insert(key);
            }
        });
    }

    /// Whoever has the job may keep it.
    fn hold(&self, key: u64) {
        let due = self.change(|entries| {
            let task = Arc::clone(&entries.members.get(&key)?.task);
            entries.held.insert(key);
            entries.is_closing.then_some(task)
        });
        // Not left to the thread that waits: it may be running a job that waits for this one.
        if let Some(task) = due {
            task.revoke();
        }
    }

    /// Takes over a handle that its holder lets go.
    pub(super) fn adopt(&self, key: u64, handle: JobHandle<()>) {
        let mut entries = self.entries.lock();
        if let Some(member) = entries.members.get_mut(&key) {
            member.handle = Some(handle);
        } else {
            entries.note(&handle);
            drop(entries);
        }
    }

    /// Returns whether the scope waits for its end, or has come to it.
    pub(super) fn is_closing(&self) -> bool {
        self.entries.lock().is_closing
    }

    /// Returns whether the scope has ended.
    pub(super) fn is_over(&self) -> bool {
        let entries = self.entries.lock();
        entries.is_closing && entries.members.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.lock().members.len()
    }

    fn tasks(&self) -> Vec<Task> {
        self.entries.lock().members.values().map(|member| Arc::clone(&member.task)).collect()
    }

    /// Cancels all jobs, and sets `scope`, the interrupt of those that are submitted from now on.
    pub(super) fn cancel(&self, scope: &Interrupt) {
        let youngest_first = self.tasks().into_iter().rev();
        cancel_all(youngest_first, Some(scope)).finish();
    }

    /// Returns once all jobs have ended. A thread that runs jobs for their pool runs pending ones.
    pub(super) fn finish(&self) {
        let mut waiting = Waiting::new(Deadline::NEVER, Heed::Nothing);
        let mut known = Company::Likely;
        loop {
            let step = waiting.until(&|| self.origin(), |company| self.look(company, known));
            let (tasks, bound) = match step {
                Ok(Step::End) => return,
                // Those that nobody may run first: helping can take long.
                Ok(Step::Serve { held, unseen }) => {
                    for task in held {
                        task.revoke();
                    }
                    (unseen, Bound::Stack)
                }
                Ok(Step::Company(company)) => {
                    known = company;
                    match company {
                        Company::Full => (self.tasks(), Bound::None),
                        Company::Likely | Company::Refused => continue,
                    }
                }
                Err(AwaitError::TimedOut | AwaitError::Interrupted | AwaitError::FromWorker) => {
                    unreachable!("this wait has no limit and heeds no interrupt")
                }
            };
            for task in tasks {
                if task.help(bound) == Help::Ran {
                    known = Company::Likely;
                }
            }
        }
    }

    fn look(&self, company: Company, known: Company) -> Look<Step> {
        let mut entries = self.entries.lock();
        entries.is_closing = true;
        if entries.is_left_to_submitters() {
            // They were forgotten: who could run them has ended.
            let mut forgotten = std::mem::take(&mut entries.returned);
            entries.held.append(&mut forgotten);
        }
        if entries.members.is_empty() {
            return Look::Ready(Step::End);
        }
        if entries.has_unseen() {
            let (held, unseen) = entries.take_unseen();
            return Look::Ready(Step::Serve { held, unseen });
        }
        if company != known {
            return Look::Ready(Step::Company(company));
        }
        entries.waiter = Some(thread::current());
        Look::Wait(entries.place())
    }

    /// Names one of the jobs, for the log.
    fn origin(&self) -> String {
        let entries = self.entries.lock();
        let first = entries.members.values().next();
        let first = first.map(|member| member.task.origin().to_string()).unwrap_or_default();
        match entries.members.len() {
            0 | 1 => first,
            several => format!("{first} and {} more", several - 1),
        }
    }

    /// What the scope returns, all jobs having ended. A panic goes on; of several, the closure's,
    /// or else the first, and the pool reports the others.
    pub(super) fn close<R>(
        &self,
        pool: &Pool,
        result: Result<R, Payload>,
    ) -> Result<R, ScopeError> {
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
            (Some(payload), result) => {
                // Not by the unwinding, in which a panic of its destructor would end the process.
                pool.report_destructor(drop_caught(result).err());
                resume_unwind(payload)
            }
            (None, Some(result)) if unrun == 0 => Ok(result),
            (None, _) => Err(ScopeError::new(unrun)),
        }
    }
}

/// What the thread that waits for the scope's end does next.
enum Step {
    End,
    /// Revoke those that nobody may run, and help with the others.
    Serve {
        held: Vec<Task>,
        unseen: Vec<Task>,
    },
    /// Whether somebody else can be had for the jobs has changed.
    Company(Company),
}

impl Entries {
    /// Where the thread waits that waits for the end.
    fn place(&self) -> Option<Place> {
        let tasks = self.members.values().map(|member| &member.task);
        place_of_several(tasks.filter_map(|task| task.cell().lock().place()))
    }

    /// Whether no job is left but those that were given back to their submitters.
    fn is_left_to_submitters(&self) -> bool {
        self.members.len() == self.returned.len()
    }

    fn has_unseen(&self) -> bool {
        !(self.unseen.is_empty() && self.held.is_empty())
    }

    /// Takes what is to be revoked, and what is to be helped with.
    fn take_unseen(&mut self) -> (Vec<Task>, Vec<Task>) {
        let (held, unseen) = (std::mem::take(&mut self.held), std::mem::take(&mut self.unseen));
        let tasks = |keys: BTreeSet<u64>| {
            let members = keys.iter().filter_map(|key| self.members.get(key));
            members.map(|member| Arc::clone(&member.task)).collect()
        };
        (tasks(held), tasks(unseen))
    }

    /// Notes what came of a job that nobody joins.
    fn note(&mut self, handle: &JobHandle<()>) {
        match handle.take() {
            Some(Err(JoinError::Panicked(payload))) => self.panics.push(payload.into_inner()),
            Some(Err(JoinError::Cancelled(_))) => self.unrun += 1,
            Some(Ok(()) | Err(JoinError::Interrupted | JoinError::Deadlock)) | None => {}
        }
    }
}

impl Followers for Roll {
    fn interrupts(&self) -> Vec<Interrupt> {
        self.tasks().into_iter().map(Settles::interrupt).collect()
    }
}

impl Watcher for Roll {
    fn ended(&self, key: u64) {
        let member = self.change(|entries| {
            entries.unseen.remove(&key);
            entries.held.remove(&key);
            entries.returned.remove(&key);
            let member = entries.members.remove(&key);
            if let Some(handle) = member.as_ref().and_then(|member| member.handle.as_ref()) {
                entries.note(handle);
            }
            member
        });
        // Without the lock: with it the last hold of another pool can go, and the user's hooks there.
        drop(member);
    }

    fn handed_back(&self, key: u64) {
        self.hold(key);
    }

    fn put_back(&self, key: u64) {
        let entries = self.entries.lock();
        let is_held = entries.members.get(&key).is_some_and(|member| member.task.is_held());
        drop(entries);
        if is_held {
            self.hold(key);
        } else {
            // Also if the thread cannot run it: it may have to ask for another.
            self.show(key);
        }
    }
}
