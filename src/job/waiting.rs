//! How a thread waits for jobs, wherever they are.
//!
//! There is one wait, that of [`Waiting::until`]. A thread that runs a job of a pool and waits for
//! another job of that pool is parked there for as long as it waits, so that the pool can have a
//! spare in its place. Whether the awaited job is run by the waiting thread itself is decided
//! before, by [`Pending::help`](super::Home::help); a wait with a time limit never does that.
//!
//! INVARIANT: between the look that registers this thread and its sleep no foreign code runs: it
//! could eat the token by which the thread is woken. After a thread was started or a line was
//! logged, the thread looks again.

use std::cell::RefCell;
use std::time::Duration;

use super::Home;
use crate::error::AwaitError;
use crate::interrupt;
use crate::sync::{Arc, Instant, thread, thread_local};
use crate::wait::{Deadline, Heed};

/// What a look at what is awaited came to.
pub(crate) enum Look<R> {
    /// It is here.
    Ready(R),
    /// It is not. This thread is registered, and unparked when that may have changed.
    Wait(Option<Place>),
}

/// For which of several jobs a thread waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// For all of them: it may run a pending one itself.
    All,
    /// For the next one to end: it runs none, as another may end before that.
    Any,
}

/// For what a thread waits that submits several jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Awaited {
    /// For all of them. It may run one itself.
    All,
    /// For the first to end. It runs none, as another may end before that.
    Any,
    /// Until this moment. It runs none, as that could take longer.
    Until(Instant),
}

impl Awaited {
    /// For what a thread waits that needs these jobs, until then.
    pub(crate) fn new(needs: Needs, deadline: Deadline) -> Self {
        match (deadline.instant(), needs) {
            (Some(at), _) => Self::Until(at),
            (None, Needs::All) => Self::All,
            (None, Needs::Any) => Self::Any,
        }
    }
}

/// Where an awaited job is.
pub(crate) struct Place {
    /// The pool that has it.
    pub(crate) home: Arc<dyn Home>,
    pub(crate) progress: Progress,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Pending,
    Running,
}

/// Chooses where a thread waits that waits for several jobs: where one of them is for whose pool it
/// runs jobs.
pub(crate) fn place_of_several(places: impl Iterator<Item = Place>) -> Option<Place> {
    let mut places = places.take(LOOKED_AT);
    let first = places.next()?;
    let place = if runs_jobs() && !first.home.is_inside() {
        places.find(|place| place.home.is_inside()).unwrap_or(first)
    } else {
        first
    };
    // Others may be pending where this one is not.
    Some(Place { progress: Progress::Pending, ..place })
}

/// How many of the jobs are looked at: nearly always all of them are in one pool.
const LOOKED_AT: usize = 64;

/// What a home does about a thread that waits for one of its jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attention {
    /// Nothing is to be done; if that changes the thread is unparked.
    None,
    /// The thread looks again after this time.
    LookIn(Duration),
    /// A worker was started.
    Started,
    /// A worker was asked for, and refused.
    Refused,
    /// A worker is wanted, and there are as many as there may be.
    Full,
}

/// What a thread that waits is to the home of the awaited job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It runs no job there.
    Outside,
    /// It runs a job there and has just begun to wait.
    Inside,
    /// The same, and it has waited as long as it was told to.
    InsideLonger,
    /// It runs a job there, and its time is over.
    InsideNoMore,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parting {
    /// The job has ended, or the thread awaits it no more.
    Done,
    /// The time was over. A thread that polls comes again.
    TimedOut,
}

/// How long after a refusal a thread is asked for again, at first and at most.
const FIRST_RETRY: Duration = Duration::from_millis(10);
const LAST_RETRY: Duration = Duration::from_secs(1);

/// After this time a wait inside a pool is mentioned in the log. Unit tests wait it out.
const LONG: Duration =
    Duration::from_millis(if cfg!(all(test, not(workcrew_loom))) { 20 } else { 10_000 });

/// A thread that is parked at a home, for as long as this lives.
struct Parked {
    home: Arc<dyn Home>,
    parting: Parting,
}

impl Drop for Parked {
    fn drop(&mut self) {
        self.home.unpark(self.parting);
    }
}

/// Whether somebody else can be had for the jobs that a thread waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Company {
    /// As far as this thread knows.
    Likely,
    /// A thread was refused, and is asked for again.
    Refused,
    /// There are as many threads as there may be.
    Full,
}

/// When a wait that becomes long is mentioned in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mention {
    Unset,
    At(Instant),
    Never,
}

/// What a waiting thread does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Sleep,
    LookAgain,
}

/// A wait of this thread for one or more jobs.
pub(crate) struct Waiting {
    deadline: Deadline,
    heed: Heed,
    parked: Option<Parked>,
    /// When this thread attends to the place again, without being told to.
    look_at: Option<Instant>,
    retry: Duration,
    company: Company,
    mention: Mention,
}

impl Waiting {
    pub(crate) fn new(deadline: Deadline, heed: Heed) -> Self {
        Self {
            deadline,
            heed,
            parked: None,
            look_at: None,
            retry: FIRST_RETRY,
            company: Company::Likely,
            mention: Mention::Unset,
        }
    }

    /// Blocks until `look` says that what is awaited is here. `awaited` names it, for the log.
    ///
    /// # Errors
    ///
    /// If the time is over, or this thread's job is interrupted while that is heeded.
    pub(crate) fn until<R>(
        &mut self,
        awaited: &dyn Fn() -> String,
        mut look: impl FnMut(Company) -> Look<R>,
    ) -> Result<R, AwaitError> {
        let result = self.until_parked(awaited, &mut look);
        self.parked = None;
        result
    }

    /// Like [`until`](Self::until); the thread stays parked until this is dropped.
    ///
    /// # Errors
    ///
    /// As for [`until`](Self::until).
    pub(crate) fn until_parked<R>(
        &mut self,
        awaited: &dyn Fn() -> String,
        look: &mut impl FnMut(Company) -> Look<R>,
    ) -> Result<R, AwaitError> {
        if let Look::Ready(answer) = look(self.company) {
            return Ok(answer);
        }
        let interrupt = match self.heed {
            Heed::Interrupts => interrupt::current(),
            Heed::Nothing => None,
        };
        let _waking = interrupt.as_ref().map(interrupt::Interrupt::unpark_this_thread);
        loop {
            let place = match look(self.company) {
                Look::Ready(answer) => return Ok(answer),
                Look::Wait(place) => place,
            };
            if interrupt.as_ref().is_some_and(interrupt::Interrupt::is_interrupted) {
                return Err(AwaitError::Interrupted);
            }
            // A thread that polls has no time left, and is still to be counted as parked.
            let next = self.attend(place);
            if self.deadline.is_past() {
                if let Some(parked) = &mut self.parked {
                    parked.parting = Parting::TimedOut;
                }
                return Err(AwaitError::TimedOut);
            }
            if next == Next::Sleep && self.mention(awaited) == Next::Sleep {
                self.sleep();
            }
        }
    }

    fn sleep(&self) {
        let mention = match self.mention {
            Mention::At(at) => Deadline::at(at),
            Mention::Unset | Mention::Never => Deadline::NEVER,
        };
        let look = self.look_at.map_or(Deadline::NEVER, Deadline::at);
        match self.deadline.sooner(mention).sooner(look).instant() {
            None => thread::park(),
            Some(at) => {
                let left = at.saturating_duration_since(Instant::now());
                if !left.is_zero() {
                    thread::park_timeout(left);
                }
            }
        }
    }

    /// Sees to it that there is somebody to run what is awaited.
    fn attend(&mut self, place: Option<Place>) -> Next {
        let Some(Place { home, progress }) = place else { return self.leave() };
        let is_inside = home.is_inside();
        if !is_inside && progress == Progress::Running {
            return self.leave();
        }
        let is_parked = self.parked.as_ref().is_some_and(|at| Arc::ptr_eq(&at.home, &home));
        if !is_parked && self.parked.is_some() {
            return self.leave();
        }
        if is_inside && !is_parked {
            home.park();
            self.parked = Some(Parked { home: Arc::clone(&home), parting: Parting::Done });
        }
        let is_past = self.deadline.is_past();
        let is_over = self.look_at.is_some_and(|at| at <= Instant::now());
        if self.look_at.is_some() && !is_over && !is_past {
            return Next::Sleep;
        }
        self.look_at = None;
        let standing = match (is_inside, is_past, is_over) {
            (false, _, _) => Standing::Outside,
            (true, true, _) => Standing::InsideNoMore,
            (true, false, false) => Standing::Inside,
            (true, false, true) => Standing::InsideLonger,
        };
        let before = self.company;
        let attention = Arc::clone(&home).attend(standing);
        self.company = match attention {
            Attention::Refused => Company::Refused,
            Attention::Full => Company::Full,
            Attention::None | Attention::LookIn(_) | Attention::Started => Company::Likely,
        };
        match attention {
            Attention::Started => {
                self.retry = FIRST_RETRY;
                Next::LookAgain
            }
            Attention::Refused => {
                self.look_at = Instant::now().checked_add(self.retry);
                self.retry = (self.retry * 2).min(LAST_RETRY);
                Next::LookAgain
            }
            Attention::Full if before != Company::Full => Next::LookAgain,
            Attention::LookIn(time) => {
                self.look_at = Instant::now().checked_add(time);
                Next::Sleep
            }
            Attention::None | Attention::Full => Next::Sleep,
        }
    }

    /// What is awaited is nowhere where this thread is parked.
    fn leave(&mut self) -> Next {
        self.look_at = None;
        self.retry = FIRST_RETRY;
        self.company = Company::Likely;
        // The pool may go with the last hold of it, and foreign code run.
        if self.parked.take().is_some() { Next::LookAgain } else { Next::Sleep }
    }

    /// Logs, once, which job waits for which, if this thread runs one and has waited for long.
    fn mention(&mut self, awaited: &dyn Fn() -> String) -> Next {
        match self.mention {
            Mention::Never => return Next::Sleep,
            Mention::Unset => {
                let at = if runs_jobs() { Instant::now().checked_add(LONG) } else { None };
                self.mention = at.map_or(Mention::Never, Mention::At);
                return Next::Sleep;
            }
            Mention::At(at) if at > Instant::now() => return Next::Sleep,
            Mention::At(_) => self.mention = Mention::Never,
        }
        let last = RUNNING.try_with(|running| running.borrow().last().map(Arc::clone));
        if let Ok(Some(runs)) = last {
            runs.log_wait(&awaited(), LONG);
        }
        Next::LookAgain
    }
}

/// For whom a thread runs jobs, and which.
pub(crate) trait Runs {
    /// Logs that the job that this thread runs has waited so long for another.
    fn log_wait(&self, awaited: &str, time: Duration);
}

thread_local! {
    static RUNNING: RefCell<Vec<Arc<dyn Runs>>> = const { RefCell::new(Vec::new()) };
}

/// Returns whether this thread runs a job of any pool.
pub(crate) fn runs_jobs() -> bool {
    RUNNING.try_with(|running| !running.borrow().is_empty()).unwrap_or(false)
}

/// This thread runs jobs for somebody, for as long as this lives.
#[must_use = "the thread runs jobs while this lives"]
pub(crate) struct RunsHere {
    /// False in a thread-local's destructor that runs after the list is gone.
    is_listed: bool,
}

impl RunsHere {
    pub(crate) fn new(runs: Arc<dyn Runs>) -> Self {
        Self { is_listed: RUNNING.try_with(|running| running.borrow_mut().push(runs)).is_ok() }
    }
}

impl Drop for RunsHere {
    fn drop(&mut self) {
        if self.is_listed {
            let last = RUNNING.try_with(|running| running.borrow_mut().pop());
            drop(last);
        }
    }
}

#[cfg(all(test, not(workcrew_loom)))]
mod tests;
