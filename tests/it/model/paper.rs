//! The pool on paper: one call at a time, each done to its end before the next.
//!
//! Written from the design and the public documentation, not from the crate's rules. It says
//! everything that can be seen after a call, but where several threads race for the same thing:
//! then it says who may have won, and takes in who has.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use workcrew::{
    AwaitError, BuildError, CancelOutcome, Growth, JobState, Phase, PoolStats, RejectReason,
};

use super::calls::{Call, Ending, Factory, KeepAlive, Policy, Setup, Wait, Way};

/// What the pool's `stats` say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Figures {
    phase: Phase,
    core: usize,
    max: usize,
    pool_size: usize,
    largest: usize,
    active: usize,
    starting: usize,
    spare: usize,
    idle: usize,
    queued: usize,
    capacity: Option<usize>,
    counters: Counters,
    accepted: u64,
    has_oldest: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Counters {
    submitted: u64,
    rejected: u64,
    completed: u64,
    panicked: u64,
    cancelled: u64,
    handed_back: u64,
    discarded: u64,
    caller_ran: u64,
    spawn_failures: u64,
}

impl Figures {
    pub(super) fn of(stats: &PoolStats) -> Self {
        Self {
            phase: stats.phase,
            core: stats.core,
            max: stats.max,
            pool_size: stats.pool_size,
            largest: stats.largest_pool_size,
            active: stats.active,
            starting: stats.starting,
            spare: stats.spare,
            idle: stats.idle,
            queued: stats.queued,
            capacity: stats.capacity,
            counters: Counters {
                submitted: stats.submitted,
                rejected: stats.rejected,
                completed: stats.completed,
                panicked: stats.panicked,
                cancelled: stats.cancelled,
                handed_back: stats.handed_back,
                discarded: stats.discarded,
                caller_ran: stats.caller_ran,
                spawn_failures: stats.spawn_failures,
            },
            accepted: stats.accepted,
            has_oldest: stats.oldest_pending.is_some(),
        }
    }
}

/// Who runs a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum By {
    Caller,
    Worker(usize),
    /// One of these, all of which became idle at the same time.
    OneOf(BTreeSet<usize>),
    /// A worker that this very call has started.
    Fresh,
}

/// What a job is told that waits for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Value(usize),
    Panicked,
    Cancelled,
    Interrupted,
    /// It would wait for itself.
    Deadlock,
}

/// The jobs that a call is about.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Target {
    pub(super) job: Option<usize>,
    /// The one that is waited for.
    pub(super) other: Option<usize>,
}

/// What a call returns to the one who makes it, submissions apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Nothing,
    Changed(Result<(), BuildError>),
    Started(Result<usize, ()>),
    Waited(Result<(), AwaitError>),
    Cancelled(CancelOutcome),
    /// Pending jobs, oldest first.
    Jobs(Vec<usize>),
}

/// What has to happen before all is at rest again.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) answer: Answer,
    pub(super) starts: BTreeMap<usize, By>,
    /// Jobs that end, and whether they have been interrupted.
    pub(super) ends: BTreeMap<usize, bool>,
    /// Jobs whose wait for another is over.
    pub(super) told: BTreeMap<usize, Told>,
    /// Jobs that are dropped unrun.
    pub(super) drops: BTreeSet<usize>,
    /// Submissions that return.
    pub(super) returns: BTreeMap<usize, Result<(), RejectReason>>,
    /// Workers that start.
    pub(super) fresh: BTreeSet<usize>,
    /// How many of the fresh ones find no job.
    fresh_idle: usize,
    /// This worker leaves after its job.
    leaver: Option<usize>,
    /// So many of those that have no job leave.
    others_leave: usize,
    /// How many workers are parked after it.
    pub(super) parked: usize,
    pub(super) terminates: bool,
}

impl Default for Step {
    fn default() -> Self {
        Self {
            answer: Answer::Nothing,
            starts: BTreeMap::new(),
            ends: BTreeMap::new(),
            told: BTreeMap::new(),
            drops: BTreeSet::new(),
            returns: BTreeMap::new(),
            fresh: BTreeSet::new(),
            fresh_idle: 0,
            leaver: None,
            others_leave: 0,
            parked: 0,
            terminates: false,
        }
    }
}

impl Step {
    pub(super) fn leaves(&self) -> usize {
        usize::from(self.leaver.is_some()) + self.others_leave
    }
}

/// What is changed in one step.
#[derive(Clone, Copy)]
struct Sizes {
    core: usize,
    max: usize,
    keep_alive: KeepAlive,
    timeout: bool,
}

/// How an attempt to place a job ends.
enum Placed {
    Taken,
    Saturated,
    Shutdown,
    NoThread,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Runner {
    Caller,
    Worker(usize),
    /// To be learned.
    Somebody,
}

/// A job that waits for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Waits {
    other: usize,
    how: Waiting,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    /// Its thread runs the other job.
    Inline,
    /// Its worker is parked, and left out of the rules about sizes.
    Parked,
    /// It is a caller's, which is no worker.
    Caller,
}

pub(super) struct Paper {
    setup: Setup,
    core: usize,
    max: usize,
    capacity: Option<usize>,
    keep_alive: KeepAlive,
    core_timeout: bool,
    phase: Phase,
    factory: Factory,
    /// All of them, spares too.
    workers: usize,
    spares: usize,
    last_index: usize,
    largest: usize,
    /// Those that became idle last stand last; those of one set at the same time.
    idle: Vec<BTreeSet<usize>>,
    /// One of the last set has been chosen.
    chosen: usize,
    running: BTreeMap<usize, Runner>,
    /// Jobs that wait, and for which. They run, but are not at their gates.
    waits: BTreeMap<usize, Waits>,
    pending: VecDeque<usize>,
    /// A submission that waits for room.
    waiting: Option<usize>,
    interrupted: BTreeSet<usize>,
    counters: Counters,
    jobs: BTreeMap<usize, Known>,
    step: Step,
}

/// A job, as its handle sees it.
struct Known {
    way: Way,
    state: JobState,
    /// Whether somebody has the handle.
    has_handle: bool,
}

impl Paper {
    pub(super) fn new(setup: Setup) -> Self {
        Self {
            setup,
            core: setup.core,
            max: setup.max,
            capacity: match setup.queue {
                workcrew::Queue::Bounded(capacity) => Some(capacity),
                workcrew::Queue::Unbounded => None,
                workcrew::Queue::Handoff => Some(0),
            },
            keep_alive: setup.keep_alive,
            core_timeout: false,
            phase: Phase::Running,
            factory: Factory::Works,
            workers: 0,
            spares: 0,
            last_index: 0,
            largest: 0,
            idle: Vec::new(),
            chosen: 0,
            running: BTreeMap::new(),
            waits: BTreeMap::new(),
            pending: VecDeque::new(),
            waiting: None,
            interrupted: BTreeSet::new(),
            counters: Counters::default(),
            jobs: BTreeMap::new(),
            step: Step::default(),
        }
    }

    // What can be seen.

    pub(super) fn figures(&self) -> Figures {
        Figures {
            phase: self.phase,
            core: self.core,
            max: self.max,
            pool_size: self.workers,
            largest: self.largest,
            active: self.running.len(),
            // All have arrived when all is at rest.
            starting: 0,
            spare: self.spares,
            idle: self.idle_count(),
            queued: self.pending.len(),
            capacity: self.capacity,
            accepted: self.counters.submitted - self.counters.rejected,
            counters: self.counters.clone(),
            has_oldest: !self.pending.is_empty(),
        }
    }

    pub(super) fn states(&self) -> BTreeMap<usize, JobState> {
        let held = self.jobs.iter().filter(|(_, job)| job.has_handle);
        held.map(|(id, job)| (*id, job.state)).collect()
    }

    /// The jobs that stand at their gates.
    fn at_gates(&self) -> Vec<usize> {
        self.running.keys().copied().filter(|job| !self.waits.contains_key(job)).collect()
    }

    fn handles(&self) -> Vec<usize> {
        self.states().into_keys().collect()
    }

    /// The jobs that the call is about, if it is about any.
    pub(super) fn target(&self, call: Call) -> Target {
        let choose = |all: Vec<usize>, place: usize| all.get(place % all.len().max(1)).copied();
        if let Call::End(place, _) = call {
            Target { job: choose(self.at_gates(), place), other: None }
        } else if let Call::Cancel(place) = call {
            Target { job: choose(self.handles(), place), other: None }
        } else if let Call::Await(waiter, other, _) = call {
            let job = choose(self.at_gates(), waiter);
            Target { job, other: choose(self.handles(), other) }
        } else {
            Target::default()
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.phase == Phase::Terminated
    }

    /// The call to make instead: one that could wait beside another would race with it, and what a
    /// waiting one does when threads fail or leave at once depends on the moment.
    pub(super) fn instead(&self, call: Call) -> Option<Call> {
        let is_shaky = self.waiting.is_some()
            || self.factory == Factory::Fails
            || self.keep_alive != KeepAlive::Endless;
        let is_awaited = !self.waits.is_empty();
        if let Call::Submit(way) = call {
            let may_wait =
                way == Way::Patient || way.asks_policy() && self.setup.policy == Policy::Block;
            return Some(Call::Submit(if may_wait && (is_shaky || is_awaited) {
                Way::TryExecute
            } else {
                way
            }));
        }
        let is_possible = match call {
            // A worker whose time is over stays for who waits, if that one has begun to wait.
            Call::Threads(Factory::Fails) => self.waiting.is_none() && !is_awaited,
            Call::SetKeepAlive(KeepAlive::Zero | KeepAlive::Tiny) => self.waiting.is_none(),
            Call::Await(..) => self.may_await(self.target(call)),
            // It interrupts those who wait, and drops what they wait for.
            Call::ShutdownNow => self.waits.values().all(|w| !self.pending.contains(&w.other)),
            // Whether a spare comes that a change would allow depends on who looks when.
            Call::SetCore(_) | Call::SetMax(_) | Call::SetThreads(..) => !is_awaited,
            // They leave as soon as they have come: how many are started depends on the moment.
            Call::PrestartAll => !(self.core_timeout && self.keep_alive == KeepAlive::Tiny),
            Call::End(..) => !self.at_gates().is_empty(),
            Call::Cancel(_) => !self.handles().is_empty(),
            Call::Submit(_)
            | Call::SetKeepAlive(KeepAlive::Endless)
            | Call::SetCapacity(_)
            | Call::AllowCoreTimeout(_)
            | Call::Prestart
            | Call::TakePending
            | Call::Threads(Factory::Works)
            | Call::WaitIdle
            | Call::AwaitTermination
            | Call::Shutdown => true,
        };
        is_possible.then_some(call)
    }

    // Workers.

    fn idle_count(&self) -> usize {
        let all: usize = self.idle.iter().map(BTreeSet::len).sum();
        all + self.step.fresh_idle - self.chosen - self.step.others_leave
    }

    fn parked(&self) -> usize {
        self.waits.values().filter(|waits| waits.how == Waiting::Parked).count()
    }

    /// The workers that count for the sizes while they are parked or not.
    fn regular(&self) -> usize {
        self.workers - self.spares.min(self.parked())
    }

    fn unparked(&self) -> usize {
        self.workers - self.parked()
    }

    /// Whether some parked worker has no spare, and there may be one more.
    fn may_have_spare(&self) -> bool {
        self.spares < self.parked() && self.unparked() < self.max
    }

    /// Whether a worker has to go whatever there is to do.
    fn is_oversized(&self) -> bool {
        self.unparked() > self.max || self.spares > self.parked()
    }

    /// Starts a worker; it takes the oldest pending job.
    fn start_worker(&mut self) -> Result<(), ()> {
        let stands_in =
            self.regular() >= self.max || self.unparked() == 0 && self.regular() >= self.core;
        if self.spares < self.parked() && stands_in {
            return self.start_one(1);
        }
        if self.spares > self.parked() {
            // A spare that was to leave stays in the place of the one that is wanted.
            self.spares -= 1;
        }
        self.start_one(0)
    }

    /// Starts a worker, which makes so many spares.
    fn start_one(&mut self, spares: usize) -> Result<(), ()> {
        self.last_index += 1;
        self.largest = self.largest.max(self.workers + 1);
        if self.factory == Factory::Fails {
            self.counters.spawn_failures += 1;
            self.lose_spare();
            return Err(());
        }
        self.spares += spares;
        self.workers += 1;
        self.step.fresh.insert(self.last_index);
        match self.pending.pop_front() {
            Some(job) => self.start_job(job, By::Fresh),
            None => self.step.fresh_idle += 1,
        }
        Ok(())
    }

    /// Where there are spares a worker that goes counts as one.
    fn lose_spare(&mut self) {
        self.spares = self.spares.saturating_sub(1);
    }

    fn start_job(&mut self, job: usize, by: By) {
        let runner = match &by {
            By::Caller => Runner::Caller,
            By::Worker(index) => Runner::Worker(*index),
            By::OneOf(_) | By::Fresh => Runner::Somebody,
        };
        self.running.insert(job, runner);
        self.set_state(job, JobState::Running);
        self.step.starts.insert(job, by);
    }

    /// The worker that became idle last is not idle any more.
    fn choose_idle(&mut self) -> Option<By> {
        if self.step.fresh_idle > 0 {
            self.step.fresh_idle -= 1;
            return Some(By::Fresh);
        }
        let last = self.idle.last()?;
        if last.len() == 1 {
            let last = self.idle.pop()?;
            return last.first().map(|index| By::Worker(*index));
        }
        assert_eq!(self.chosen, 0, "one call chooses one");
        self.chosen = 1;
        Some(By::OneOf(last.clone()))
    }

    /// Whether a worker without a job leaves.
    fn is_unwanted(&self) -> bool {
        let is_surplus = self.regular() > self.core || self.core_timeout;
        self.phase != Phase::Running
            || self.is_oversized()
            || is_surplus && self.keep_alive != KeepAlive::Endless
    }

    // Submissions.

    fn set_state(&mut self, job: usize, state: JobState) {
        self.jobs.get_mut(&job).expect("a known job").state = state;
    }

    fn state(&self, job: usize) -> JobState {
        self.jobs[&job].state
    }

    /// Drops a job that was not run, unless its handle did before.
    fn drop_job(&mut self, job: usize) {
        if self.state(job) == JobState::Pending {
            self.set_state(job, JobState::Cancelled);
            self.step.drops.insert(job);
            self.tell_waiter(job);
        }
    }

    /// The pool takes the job; if it was cancelled while its submission waited, only to say so.
    fn take_in(&mut self, job: usize) -> bool {
        self.counters.submitted += 1;
        let is_pending = self.state(job) == JobState::Pending;
        if !is_pending {
            self.counters.cancelled += 1;
        }
        is_pending
    }

    fn place(&mut self, job: usize) -> Placed {
        if self.phase != Phase::Running {
            return Placed::Shutdown;
        }
        let mut is_refused = false;
        let below_core = self.setup.growth == Growth::QueueFirst && self.regular() < self.core;
        let is_stranded = self.unparked() == 0 && self.may_have_spare();
        if (below_core || self.workers == 0 || is_stranded) && self.idle_count() == 0 {
            is_refused = self.start_worker().is_err();
            if self.workers == 0 {
                return Placed::NoThread;
            }
        } else if below_core {
            // Below the core each job starts a worker, also if others are idle.
            if self.take_in(job) {
                let by = self.choose_idle().expect("somebody is idle");
                self.start_job(job, by);
            }
            self.start_worker().ok();
            return Placed::Taken;
        }
        loop {
            if self.idle_count() > 0 {
                if self.take_in(job) {
                    let by = self.choose_idle().expect("somebody is idle");
                    self.start_job(job, by);
                }
                return Placed::Taken;
            }
            let is_below_max = self.regular() < self.max;
            let can_grow = !is_refused
                && self.unparked() < self.max
                && (is_below_max || self.may_have_spare());
            let has_room = self.capacity.is_none_or(|capacity| self.pending.len() < capacity);
            let grows_first = self.setup.growth == Growth::ThreadsFirst && is_below_max;
            if can_grow && (grows_first || !has_room) {
                is_refused = self.start_worker().is_err();
            } else if has_room {
                if self.take_in(job) {
                    self.pending.push_back(job);
                }
                return Placed::Taken;
            } else {
                return Placed::Saturated;
            }
        }
    }

    fn give_back(&mut self, job: usize, reason: RejectReason) {
        self.counters.submitted += 1;
        self.counters.rejected += 1;
        self.drop_job(job);
        self.answer(job, Err(reason));
    }

    /// The submission returns.
    fn answer(&mut self, job: usize, result: Result<(), RejectReason>) {
        let known = self.jobs.get_mut(&job).expect("a known job");
        known.has_handle |= known.way == Way::Submit && result.is_ok();
        self.step.returns.insert(job, result);
    }

    fn submit(&mut self, job: usize, way: Way) {
        let has_handle = way == Way::ExecuteJob;
        self.jobs.insert(job, Known { way, state: JobState::Pending, has_handle });
        match (self.place(job), way) {
            (Placed::Taken, _) => self.answer(job, Ok(())),
            (Placed::NoThread, _) => self.give_back(job, RejectReason::SpawnFailed),
            (Placed::Shutdown, _) => self.give_back(job, RejectReason::Shutdown),
            (Placed::Saturated, Way::TryExecute) => self.give_back(job, RejectReason::Saturated),
            (Placed::Saturated, Way::Timeout) => self.give_back(job, RejectReason::TimedOut),
            (Placed::Saturated, Way::Patient) => self.waiting = Some(job),
            (Placed::Saturated, Way::Execute | Way::Submit | Way::ExecuteJob) => {
                self.ask_policy(job);
            }
        }
    }

    fn ask_policy(&mut self, job: usize) {
        match self.setup.policy {
            Policy::Abort => self.give_back(job, RejectReason::Saturated),
            Policy::CallerRuns => {
                self.counters.submitted += 1;
                self.counters.caller_ran += 1;
                self.start_job(job, By::Caller);
            }
            Policy::Discard => {
                self.counters.submitted += 1;
                self.counters.discarded += 1;
                self.drop_job(job);
                self.answer(job, Ok(()));
            }
            Policy::DiscardOldest => {
                self.ask_again(job);
                if let Some(oldest) = self.pending.pop_front() {
                    self.counters.submitted += 1;
                    self.counters.discarded += 1;
                    self.drop_job(oldest);
                    self.pending.push_back(job);
                    self.answer(job, Ok(()));
                } else {
                    self.give_back(job, RejectReason::Saturated);
                }
            }
            Policy::BlockZero => {
                self.ask_again(job);
                self.give_back(job, RejectReason::TimedOut);
            }
            Policy::Block => {
                self.ask_again(job);
                self.waiting = Some(job);
            }
        }
    }

    /// A policy tries once more, and so asks for a thread once more; nothing has changed meanwhile.
    fn ask_again(&mut self, job: usize) {
        let placed = self.place(job);
        assert!(matches!(placed, Placed::Saturated), "room out of nowhere");
    }

    /// The submission that waits for room looks again.
    fn retry_waiting(&mut self) {
        let Some(job) = self.waiting else { return };
        match self.place(job) {
            Placed::Saturated => return,
            Placed::Taken => self.answer(job, Ok(())),
            Placed::Shutdown => self.give_back(job, RejectReason::Shutdown),
            Placed::NoThread => self.give_back(job, RejectReason::SpawnFailed),
        }
        self.waiting = None;
    }

    // The other calls.

    fn end_job(&mut self, job: usize, ending: Ending) {
        let runner = self.running.remove(&job).expect("it runs");
        let (counter, state) = match ending {
            Ending::Returns => (&mut self.counters.completed, JobState::Finished),
            Ending::Panics => (&mut self.counters.panicked, JobState::Panicked),
        };
        *counter += 1;
        self.set_state(job, state);
        self.step.ends.insert(job, self.is_interrupted(job));
        // The worker has its next job, or is idle, before the one that waits is told.
        if !self.is_inline(job) {
            match runner {
                Runner::Worker(worker) => self.free_worker(worker),
                Runner::Caller => self.answer(job, Ok(())),
                Runner::Somebody => unreachable!("learned after the step in which it started"),
            }
        }
        self.tell_waiter(job);
    }

    fn free_worker(&mut self, worker: usize) {
        let leaves_at_once = self.is_oversized();
        let next = if leaves_at_once { None } else { self.pending.pop_front() };
        if let Some(next) = next {
            self.start_job(next, By::Worker(worker));
        } else if self.is_unwanted() && self.keep_alive != KeepAlive::Tiny || leaves_at_once {
            self.workers -= 1;
            self.lose_spare();
            self.step.leaver = Some(worker);
        } else {
            self.idle.push(BTreeSet::from([worker]));
        }
    }

    // Waiting for a job.

    /// Whether these jobs can wait for each other so that what comes of it is certain: a spare can
    /// be had at once, nobody waits for the room that there is while a worker is parked, and no two
    /// jobs wait for each other for ever.
    fn may_await(&self, target: Target) -> bool {
        let Target { job: Some(job), other: Some(other) } = target else { return false };
        let is_ring = self.is_awaited_by(job, other) && !self.is_below(job, other);
        self.factory == Factory::Works && self.waiting.is_none() && !is_ring
    }

    /// Whether `job` has to end before `other` does.
    fn is_awaited_by(&self, job: usize, other: usize) -> bool {
        let mut last = other;
        while last != job {
            let Some(waits) = self.waits.get(&last) else { return false };
            last = waits.other;
        }
        true
    }

    /// Whether the thread of `job` runs `other`, too.
    fn is_below(&self, job: usize, other: usize) -> bool {
        self.stack(job).contains(&other)
    }

    fn is_inline(&self, job: usize) -> bool {
        self.stack(job).len() > 1
    }

    /// The job, the one that waits for it on the same thread, and so on.
    fn stack(&self, job: usize) -> Vec<usize> {
        let mut stack = vec![job];
        let mut top = job;
        let below = |top| {
            let inline = Waits { other: top, how: Waiting::Inline };
            self.waits.iter().find(|(_, waits)| **waits == inline).map(|(job, _)| *job)
        };
        while let Some(job) = below(top) {
            stack.push(job);
            top = job;
        }
        stack
    }

    /// A job is interrupted together with those in whose wait it runs.
    fn is_interrupted(&self, job: usize) -> bool {
        self.stack(job).iter().any(|job| self.interrupted.contains(job))
    }

    fn await_job(&mut self, job: usize, other: usize, wait: Wait) {
        self.jobs.get_mut(&other).expect("a known job").has_handle = false;
        if let Some(told) = self.outcome(other) {
            self.step.told.insert(job, told);
            return;
        }
        let place = self.pending.iter().position(|pending| *pending == other);
        let is_interrupted = self.is_interrupted(job);
        if self.is_below(job, other) {
            self.step.told.insert(job, Told::Deadlock);
        } else if is_interrupted {
            self.step.told.insert(job, Told::Interrupted);
        } else if let (Some(place), Wait::Join) = (place, wait) {
            self.pending.remove(place);
            self.waits.insert(job, Waits { other, how: Waiting::Inline });
            let by = match self.running[&job] {
                Runner::Worker(worker) => By::Worker(worker),
                Runner::Caller => By::Caller,
                Runner::Somebody => unreachable!("learned after the step in which it started"),
            };
            self.start_job(other, by);
        } else {
            let is_caller = self.running[&job] == Runner::Caller;
            let how = if is_caller { Waiting::Caller } else { Waiting::Parked };
            self.waits.insert(job, Waits { other, how });
        }
    }

    /// What whoever waits for the job is told, if it has ended.
    fn outcome(&self, job: usize) -> Option<Told> {
        match self.state(job) {
            JobState::Finished => Some(Told::Value(job)),
            JobState::Panicked => Some(Told::Panicked),
            JobState::Cancelled => Some(Told::Cancelled),
            JobState::Pending | JobState::Running | _ => None,
        }
    }

    /// The job has ended.
    fn tell_waiter(&mut self, job: usize) {
        let waiter = self.waits.iter().find(|(_, waits)| waits.other == job);
        if let Some(waiter) = waiter.map(|(waiter, _)| *waiter) {
            self.end_wait(waiter, self.outcome(job).expect("it has ended"));
        }
    }

    fn end_wait(&mut self, waiter: usize, told: Told) {
        self.waits.remove(&waiter);
        self.step.told.insert(waiter, told);
    }

    /// Jobs are asked to stop: those that wait go on, but for one in whose wait another runs.
    fn interrupt(&mut self, jobs: &[usize]) {
        self.interrupted.extend(jobs);
        let over = |(job, waits): (&usize, &Waits)| {
            (waits.how != Waiting::Inline && self.is_interrupted(*job)).then_some(*job)
        };
        let over: Vec<_> = self.waits.iter().filter_map(over).collect();
        for job in over {
            self.end_wait(job, Told::Interrupted);
        }
    }

    /// The jobs of parked workers' spares: they start when somebody is parked and a job is pending,
    /// also while others are busy.
    fn start_spares(&mut self) {
        while !self.pending.is_empty() && self.may_have_spare() {
            self.start_one(1).expect("no thread is refused while jobs wait");
        }
    }

    fn cancel(&mut self, job: usize) -> CancelOutcome {
        match self.state(job) {
            JobState::Pending => {
                if let Some(place) = self.pending.iter().position(|other| *other == job) {
                    self.pending.remove(place);
                    self.counters.cancelled += 1;
                }
                self.drop_job(job);
                CancelOutcome::Removed
            }
            JobState::Running => {
                self.interrupt(&[job]);
                CancelOutcome::Interrupted
            }
            JobState::Finished | JobState::Panicked | JobState::Cancelled | _ => {
                CancelOutcome::AlreadyFinished
            }
        }
    }

    /// Changes the sizes, if they go together.
    fn change(&mut self, to: Sizes) -> Answer {
        let Sizes { core, max, keep_alive, timeout } = to;
        if max == 0 {
            return Answer::Changed(Err(BuildError::NoThreads));
        }
        if core > max {
            return Answer::Changed(Err(BuildError::CoreAboveMax { core, max }));
        }
        if timeout && keep_alive == KeepAlive::Zero {
            return Answer::Changed(Err(BuildError::CoreTimeoutWithoutKeepAlive));
        }
        let grown = core.saturating_sub(self.core).max(max.saturating_sub(self.max));
        (self.core, self.max) = (core, max);
        (self.keep_alive, self.core_timeout) = (keep_alive, timeout);
        if self.phase <= Phase::Shutdown {
            let free = max.saturating_sub(self.regular());
            let wanted = self.pending.len().min(grown).min(free);
            // All are counted before the first is started.
            self.largest = self.largest.max(self.workers + wanted);
            (0..wanted).for_each(|_| _ = self.start_worker());
        }
        Answer::Changed(Ok(()))
    }

    fn prestart(&mut self, most: usize) -> Answer {
        let mut started = 0;
        while self.phase == Phase::Running && self.regular() < self.core && started < most {
            if self.start_worker().is_err() {
                return Answer::Started(Err(()));
            }
            started += 1;
        }
        Answer::Started(Ok(started))
    }

    fn take_pending(&mut self) -> Answer {
        let jobs: Vec<_> = std::mem::take(&mut self.pending).into();
        self.counters.handed_back += jobs.len() as u64;
        for job in &jobs {
            self.drop_job(*job);
        }
        Answer::Jobs(jobs)
    }

    fn shutdown(&mut self, phase: Phase) {
        self.phase = self.phase.max(phase);
    }

    /// Makes the call, the `number`-th of all; returns what comes of it.
    pub(super) fn make(&mut self, number: usize, call: Call) -> Step {
        self.step = Step::default();
        let target = self.target(call);
        let (keep_alive, timeout) = (self.keep_alive, self.core_timeout);
        let sizes = Sizes { core: self.core, max: self.max, keep_alive, timeout };
        let is_quiet = self.running.is_empty() && self.pending.is_empty();
        let timed_out = Err(AwaitError::TimedOut);
        self.step.answer = match call {
            Call::Submit(way) => {
                self.submit(number, way);
                Answer::Nothing
            }
            Call::End(_, ending) => {
                self.end_job(target.job.expect("a job runs"), ending);
                Answer::Nothing
            }
            Call::Await(_, _, wait) => {
                let other = target.other.expect("there is a handle");
                self.await_job(target.job.expect("a job runs"), other, wait);
                Answer::Nothing
            }
            Call::Cancel(_) => {
                Answer::Cancelled(self.cancel(target.job.expect("there is a handle")))
            }
            Call::SetCore(core) => self.change(Sizes { core, ..sizes }),
            Call::SetMax(max) => self.change(Sizes { max, ..sizes }),
            Call::SetThreads(core, max) => self.change(Sizes { core, max, ..sizes }),
            Call::SetKeepAlive(keep_alive) => self.change(Sizes { keep_alive, ..sizes }),
            Call::AllowCoreTimeout(timeout) => self.change(Sizes { timeout, ..sizes }),
            Call::SetCapacity(capacity) => {
                self.capacity = Some(capacity);
                Answer::Changed(Ok(()))
            }
            Call::Prestart => self.prestart(1),
            Call::PrestartAll => self.prestart(usize::MAX),
            Call::TakePending => self.take_pending(),
            Call::Threads(factory) => {
                self.factory = factory;
                Answer::Nothing
            }
            Call::WaitIdle => Answer::Waited(if is_quiet { Ok(()) } else { timed_out }),
            Call::AwaitTermination => {
                Answer::Waited(if self.is_over() { Ok(()) } else { timed_out })
            }
            Call::Shutdown => {
                self.shutdown(Phase::Shutdown);
                Answer::Nothing
            }
            Call::ShutdownNow => {
                self.shutdown(Phase::Stop);
                let running: Vec<_> = self.running.keys().copied().collect();
                let answer = self.take_pending();
                self.interrupt(&running);
                answer
            }
        };
        self.come_to_rest();
        self.step.clone()
    }

    /// What follows from the call by itself.
    fn come_to_rest(&mut self) {
        self.retry_waiting();
        self.start_spares();
        while self.idle_count() > 0 && self.is_unwanted() {
            self.workers -= 1;
            self.lose_spare();
            self.step.others_leave += 1;
        }
        let ends = matches!(self.phase, Phase::Shutdown | Phase::Stop);
        if ends && self.workers == 0 && self.running.is_empty() && self.pending.is_empty() {
            self.phase = Phase::Terminated;
            self.step.terminates = true;
        }
        self.step.parked = self.parked();
    }

    // What the model could not know.

    /// Takes in who runs the jobs that were started, and who has left.
    pub(super) fn learn(
        &mut self,
        starts: &BTreeMap<usize, Option<usize>>,
        stops: &BTreeSet<usize>,
    ) -> Result<(), String> {
        let mut fresh = self.step.fresh.clone();
        for (job, by) in &self.step.starts {
            let seen = starts[job];
            let fits = match (by, seen) {
                (By::Caller, None) => true,
                (By::Worker(worker), Some(seen)) => *worker == seen,
                (By::OneOf(workers), Some(seen)) => workers.contains(&seen),
                (By::Fresh, Some(seen)) => fresh.remove(&seen),
                (By::Caller, Some(_)) | (By::Worker(_) | By::OneOf(_) | By::Fresh, None) => false,
            };
            if !fits {
                return Err(format!("job {job} is run by {seen:?} and not by {by:?}"));
            }
            if let (By::OneOf(_), Some(seen), Some(last)) = (by, seen, self.idle.last_mut()) {
                last.remove(&seen);
            }
            if let (Some(Runner::Somebody), Some(seen)) = (self.running.get(job), seen) {
                self.running.insert(*job, Runner::Worker(seen));
            }
        }
        self.chosen = 0;
        self.idle.push(fresh);
        let mut stops = stops.clone();
        if self.step.leaver.is_some_and(|leaver| !stops.remove(&leaver)) {
            return Err(format!("the worker that should have left is not among {stops:?}"));
        }
        for worker in stops {
            let group = self.idle.iter_mut().find(|group| group.contains(&worker));
            match group {
                Some(group) => group.remove(&worker),
                None => return Err(format!("worker {worker} left, which was not idle")),
            };
        }
        self.idle.retain(|group| !group.is_empty());
        self.step = Step::default();
        Ok(())
    }
}
