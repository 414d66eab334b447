//! Owns jobs that are waited for together: their handles, and which of them have ended.
//!
//! INVARIANT: the end of each job that has a handle here is noted once, in `ended`: a job ends once,
//! and one whose end was noted before, as it was handed back, or whose handle is gone, is `over`. What
//! is noted of a job without a handle, by whoever came too late to know, is passed over.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::fmt;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::error::{AwaitError, JoinError, Never};
use crate::interrupt;
use crate::job::waiting::{Company, Look, Needs, Waiting, place_of_several};
use crate::job::{Bound, Help, Job, Site};
use crate::job_handle::JobHandle;
use crate::rejection::Rejected;
use crate::sync::thread::{self, Thread};
use crate::sync::{Arc, Mutex, MutexGuard};
use crate::task::{CancelOutcome, cancel_all};
use crate::wait::{Deadline, Heed};
use crate::watch::{Watch, Watcher};

/// Names a job of a [`JoinSet`](crate::JoinSet): a number, from 1 on in the order of submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub(crate) u64);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The name of a job that has ended, and what it returned.
pub type Joined<T> = (JobId, Result<T, JoinError>);

/// Jobs that are waited for together.
pub(crate) struct Members<T> {
    handles: BTreeMap<JobId, JobHandle<T>>,
    news: Arc<News>,
    /// Taken off the board and not given out.
    ended: VecDeque<JobId>,
    last: u64,
    /// No job before this one is still to be run by who waits.
    helped: JobId,
}

/// Which jobs have ended, and who is to be told.
#[derive(Default)]
struct News {
    board: Mutex<Board>,
}

#[derive(Default)]
struct Board {
    ended: VecDeque<JobId>,
    /// Jobs that are still to end, without anybody hearing of it.
    over: HashSet<u64>,
    /// Of those up to this one nobody hears either.
    ignored: u64,
    waiter: Option<Thread>,
    /// A job is where who waits may run it.
    is_changed: bool,
    /// The sender is kept to be dropped.
    ready: Option<(Sender<Never>, Receiver<Never>)>,
}

impl News {
    fn note(mut board: MutexGuard<'_, Board>, key: u64) {
        board.ended.push_back(JobId(key));
        let ready = board.ready.take();
        Self::wake(board);
        drop(ready);
    }

    fn wake(mut board: MutexGuard<'_, Board>) {
        let waiter = board.waiter.take();
        drop(board);
        if let Some(waiter) = waiter {
            waiter.unpark();
        }
    }
}

impl Watcher for News {
    fn ended(&self, key: u64) {
        let mut board = self.board.lock();
        if key > board.ignored && !board.over.remove(&key) {
            Self::note(board, key);
        }
    }

    /// Whoever has the job now may keep it: who waits here shall not wait for that.
    fn handed_back(&self, key: u64) {
        let mut board = self.board.lock();
        if key > board.ignored && board.over.insert(key) {
            Self::note(board, key);
        }
    }

    fn put_back(&self, _key: u64) {
        let mut board = self.board.lock();
        board.is_changed = true;
        News::wake(board);
    }
}

/// A job that is being submitted. Dropped unless that succeeds: then nobody waits for the job.
struct Entry<'a> {
    news: &'a News,
    id: JobId,
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        let mut board = self.news.board.lock();
        let noted = board.ended.len();
        board.ended.retain(|ended| *ended != self.id);
        if board.ended.len() == noted {
            board.over.insert(self.id.0);
        }
    }
}

impl<T> Members<T> {
    pub(crate) fn new() -> Self {
        Self {
            handles: BTreeMap::new(),
            news: Arc::default(),
            ended: VecDeque::new(),
            last: 0,
            helped: JobId(0),
        }
    }

    /// Submits a job by `execute`, as from `site`.
    pub(crate) fn submit<F>(
        &mut self,
        f: F,
        site: Site,
        execute: impl FnOnce(Job) -> Result<(), Rejected>,
    ) -> Result<JobId, Rejected>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.last += 1;
        let id = JobId(self.last);
        let entry = Entry { news: &self.news, id };
        let watch = Watch::new(Arc::clone(&self.news) as Arc<dyn Watcher>, id.0);
        let (job, handle) = Job::watched(f, site, watch);
        execute(job)?;
        handle.task().is_held();
        std::mem::forget(entry);
        self.handles.insert(id, handle);
        Ok(id)
    }

    pub(crate) fn len(&self) -> usize {
        self.handles.len()
    }

    /// Takes the result of the job that ended first of those whose results are still here.
    pub(crate) fn try_next(&mut self) -> Option<Joined<T>> {
        loop {
            if self.ended.is_empty() {
                // All at once: those who note the next ones are not held up for each of them.
                std::mem::swap(&mut self.ended, &mut self.news.board.lock().ended);
            }
            let id = self.ended.pop_front()?;
            let Some(handle) = self.handles.remove(&id) else { continue };
            // One that has not settled was handed back: whoever has it may run it, for nobody.
            let result = handle.try_join().unwrap_or_else(|handle| Err(handle.held_error()));
            return Some((id, result));
        }
    }

    /// Returns a channel that disconnects when a result is here, or nothing is left to wait for.
    pub(crate) fn ready(&self) -> Receiver<Never> {
        let is_here = |id: &JobId| self.handles.contains_key(id);
        let mut board = self.news.board.lock();
        while board.ended.front().is_some_and(|id| !is_here(id)) {
            board.ended.pop_front();
        }
        if self.ended.iter().any(is_here) || !board.ended.is_empty() || self.handles.is_empty() {
            return bounded(0).1;
        }
        board.ready.get_or_insert_with(|| bounded(0)).1.clone()
    }

    pub(crate) fn cancel(&self, id: JobId) -> Option<CancelOutcome> {
        self.handles.get(&id).map(JobHandle::cancel)
    }

    pub(crate) fn cancel_all(&self) {
        let youngest_first = self.handles.values().rev();
        cancel_all(youngest_first.map(JobHandle::task), None).finish();
    }

    /// Lets all jobs go on by themselves.
    pub(crate) fn detach_all(&mut self) {
        self.ignore();
        self.ended.clear();
        self.handles.clear();
    }

    /// Nobody asks for the ends of the jobs that are here now.
    fn ignore(&self) {
        let mut board = self.news.board.lock();
        board.ignored = self.last;
        board.over.clear();
        board.ended.clear();
        let ready = board.ready.take();
        drop(board);
        drop(ready);
    }
}

/// What a thread that waits does next.
enum Step {
    Take,
    /// A job is where this thread may run it.
    Help,
    /// Whether somebody else can be had has changed.
    Company(Company),
}

impl<T> Members<T> {
    /// Waits for the next job to end; none if there is no job left. A thread that needs all of them
    /// runs pending ones meanwhile, if it runs jobs for their pool and there is no time limit.
    pub(crate) fn next_by(
        &mut self,
        deadline: Deadline,
        needs: Needs,
    ) -> Result<Option<Joined<T>>, AwaitError> {
        let is_untimed = deadline.is_never();
        let usual = if is_untimed { Bound::Stack } else { Bound::Time };
        let needs_all = needs == Needs::All;
        let runs_some = needs_all || is_untimed && self.is_crowded();
        let mut bound = runs_some.then_some(usual);
        let mut waiting = Waiting::new(deadline, Heed::Interrupts);
        let mut known = Company::Likely;
        loop {
            if let Some(next) = self.try_next() {
                return Ok(Some(next));
            }
            if self.handles.is_empty() {
                return Ok(None);
            }
            let may_help = bound.filter(|_| !interrupt::is_interrupted());
            if may_help.is_some_and(|bound| self.help(bound)) {
                known = Company::Likely;
                continue;
            }
            if let Some(own) = self.take_own() {
                return Ok(Some(own));
            }
            let step = waiting.until(&|| self.origin(), |company| {
                let mut board = self.news.board.lock();
                if !board.ended.is_empty() {
                    return Look::Ready(Step::Take);
                }
                let has_changed = std::mem::take(&mut board.is_changed);
                if has_changed && needs_all {
                    return Look::Ready(Step::Help);
                }
                if company != known {
                    return Look::Ready(Step::Company(company));
                }
                board.waiter = Some(thread::current());
                drop(board);
                Look::Wait(place_of_several(self.handles.values().filter_map(JobHandle::place)))
            })?;
            bound = match step {
                Step::Take => continue,
                Step::Help => Some(usual),
                Step::Company(company) => {
                    known = company;
                    match company {
                        Company::Likely => None,
                        Company::Full if is_untimed => Some(Bound::None),
                        Company::Refused | Company::Full => Some(usual),
                    }
                }
            };
        }
    }

    /// Returns whether this thread is one of very many that wait in the pool of the jobs.
    fn is_crowded(&self) -> bool {
        let place = self.handles.values().next().and_then(JobHandle::place);
        place.is_some_and(|place| place.home.is_inside() && place.home.is_crowded())
    }

    /// Runs the oldest pending job here, if that is for this thread to do.
    fn help(&mut self, bound: Bound) -> bool {
        let mut are_over = true;
        for (&id, handle) in self.handles.range(self.helped..) {
            match handle.help(bound) {
                Help::Ran => return true,
                Help::NotHere | Help::TooDeep => return false,
                Help::Held | Help::Promised => are_over = false,
                Help::NotNeeded if are_over => self.helped = id,
                Help::NotNeeded => {}
            }
        }
        false
    }

    /// Takes out a job that this thread is running itself, if no other is left: it would wait for
    /// itself.
    fn take_own(&mut self) -> Option<Joined<T>> {
        let are_few = self.handles.len() <= interrupt::running();
        if !(are_few && self.handles.values().all(JobHandle::is_run_here)) {
            return None;
        }
        let (id, _handle) = self.handles.pop_first()?;
        self.news.board.lock().over.insert(id.0);
        Some((id, Err(JoinError::Deadlock)))
    }

    /// Names one of the jobs, for the log.
    fn origin(&self) -> String {
        let first = self.handles.values().next().map(JobHandle::origin).unwrap_or_default();
        match self.handles.len() {
            0 | 1 => first,
            several => format!("{first} and {} more", several - 1),
        }
    }
}

impl<T> Drop for Members<T> {
    fn drop(&mut self) {
        self.ignore();
        self.cancel_all();
    }
}
