//! Tests of the rules, on every small pool there can be: against a model that follows the steps of
//! the JDK's `execute` and `getTask` in their order, and by what must never happen.

use super::*;

const PHASES: [Phase; 5] =
    [Phase::Running, Phase::Shutdown, Phase::Stop, Phase::Tidying, Phase::Terminated];

const CAPACITIES: [Option<usize>; 5] = [None, Some(0), Some(1), Some(2), Some(usize::MAX)];

const ATTEMPTS: [Attempt; 7] = [
    Attempt::First,
    Attempt::Started(1),
    Attempt::Started(2),
    Attempt::Started(MOST_STARTS - 1),
    Attempt::Started(MOST_STARTS),
    Attempt::Started(u32::MAX),
    Attempt::Failed,
];

const KEEP_ALIVE: Duration = Duration::from_millis(20);

fn settings(core: usize, max: usize, capacity: Option<usize>, growth: Growth) -> Settings {
    let core_timeout = CoreTimeout::Never;
    let tenure = Tenure::Lasting;
    Settings { core, max, capacity, keep_alive: KEEP_ALIVE, core_timeout, growth, tenure }
}

/// Core and maximum sizes that a pool can be built with.
fn sizes() -> impl Iterator<Item = (usize, usize)> {
    (1..=3).flat_map(|max| (0..=max).map(move |core| (core, max)))
}

/// Counts of a pool with up to four workers, so that it may also have more than it should since it
/// was made smaller.
fn each_count(settings: Settings, phase: Phase, mut check: impl FnMut(&Counts)) {
    for workers in 0..=4 {
        for idle in 0..=workers {
            for starting in 0..=(workers - idle) {
                for waiting in 0..=5 {
                    let (parked, spares, reserved) = (0, 0, 0);
                    check(&Counts {
                        phase,
                        settings,
                        workers,
                        parked,
                        spares,
                        idle,
                        waiting,
                        starting,
                        reserved,
                    });
                }
            }
        }
    }
}

/// Everything that `admit` may be asked about pools of these sizes.
fn each_submission(phase: Phase, growth: Growth, mut check: impl FnMut(&Counts, Attempt)) {
    for (core, max) in sizes() {
        for capacity in CAPACITIES {
            each_count(settings(core, max, capacity, growth), phase, |counts| {
                for attempt in ATTEMPTS {
                    check(counts, attempt);
                }
            });
        }
    }
}

fn each_running(mut check: impl FnMut(&Counts, Attempt)) {
    for growth in [Growth::QueueFirst, Growth::ThreadsFirst] {
        each_submission(Phase::Running, growth, &mut check);
    }
}

/// What the model's queue says of one more job: a place is free unless the jobs that no starting
/// worker will take fill it.
fn model_offer(counts: &Counts) -> bool {
    let unclaimed = counts.waiting.checked_sub(counts.starting);
    match (counts.settings.capacity, unclaimed) {
        // A starting worker is left over for this job.
        (None, _) | (_, None) => true,
        (Some(capacity), Some(unclaimed)) => unclaimed < capacity,
    }
}

fn model_may_start(attempt: Attempt) -> bool {
    match attempt {
        Attempt::First => true,
        Attempt::Failed => false,
        Attempt::Started(times) => times < 32,
    }
}

/// The JDK's `execute`: a core thread, else the queue, else a thread up to the maximum, else the
/// handler. What differs on purpose: an idle worker takes the job, also where another is started
/// below the core; and a worker is started before the job that it is for is queued.
fn model_queue_first(counts: &Counts, attempt: Attempt) -> Decision {
    let Settings { core, max, .. } = counts.settings;
    let below = |limit: usize| counts.workers < limit && model_may_start(attempt);
    match attempt {
        Attempt::First if below(core) && counts.idle > 0 => return Decision::HandOffAndStart,
        Attempt::First if below(core) => return Decision::Start,
        Attempt::First | Attempt::Started(_) | Attempt::Failed => {}
    }
    // The offer to the queue, which an idle worker sits at.
    if counts.idle > 0 {
        return Decision::HandOff;
    }
    if counts.workers > 0 && model_offer(counts) {
        return Decision::Enqueue;
    }
    // Nobody would take it from the queue: its own worker has to.
    if counts.workers == 0 {
        return if attempt == Attempt::First { Decision::Start } else { Decision::Unstaffed };
    }
    if below(max) { Decision::Start } else { Decision::Saturated }
}

/// Threads up to the maximum while nobody is idle, then the queue, then the handler.
fn model_threads_first(counts: &Counts, attempt: Attempt) -> Decision {
    let grows = counts.workers < counts.settings.max && model_may_start(attempt);
    if counts.idle > 0 {
        return Decision::HandOff;
    }
    if counts.workers == 0 {
        return if attempt == Attempt::First { Decision::Start } else { Decision::Unstaffed };
    }
    let somebody_is_coming = counts.starting > counts.waiting;
    if grows && !somebody_is_coming {
        return Decision::Start;
    }
    if model_offer(counts) {
        return Decision::Enqueue;
    }
    // Unreachable with a worker coming: that one makes room for this job.
    Decision::Saturated
}

#[test]
fn queue_first_follows_the_steps_of_execute() {
    each_submission(Phase::Running, Growth::QueueFirst, |counts, attempt| {
        let expected = model_queue_first(counts, attempt);
        assert_eq!(admit(counts, attempt), expected, "{counts:?} {attempt:?}");
    });
}

#[test]
fn threads_first_grows_before_it_queues() {
    each_submission(Phase::Running, Growth::ThreadsFirst, |counts, attempt| {
        let expected = model_threads_first(counts, attempt);
        assert_eq!(admit(counts, attempt), expected, "{counts:?} {attempt:?}");
    });
}

#[test]
fn a_job_is_refused_exactly_when_the_pool_is_not_running() {
    for phase in PHASES {
        for growth in [Growth::QueueFirst, Growth::ThreadsFirst] {
            each_submission(phase, growth, |counts, attempt| {
                let is_refused = admit(counts, attempt) == Decision::Refused;
                assert_eq!(is_refused, phase != Phase::Running, "{counts:?} {attempt:?}");
            });
        }
    }
}

#[test]
fn no_worker_is_started_beyond_the_maximum() {
    each_running(|counts, attempt| {
        if matches!(admit(counts, attempt), Decision::Start | Decision::HandOffAndStart) {
            assert!(counts.workers < counts.settings.max, "{counts:?} {attempt:?}");
        }
    });
}

#[test]
fn a_job_goes_to_an_idle_worker_if_there_is_one() {
    each_running(|counts, attempt| {
        let decision = admit(counts, attempt);
        let goes = matches!(decision, Decision::HandOff | Decision::HandOffAndStart);
        assert_eq!(goes, counts.idle > 0, "{decision:?} {counts:?} {attempt:?}");
    });
}

#[test]
fn a_worker_for_one_job_is_given_to_another_only_if_its_own_went_elsewhere() {
    for max in 1..=3 {
        let lasting = settings(0, max, Some(0), Growth::QueueFirst);
        let settings = Settings { tenure: Tenure::OneJob, ..lasting };
        each_count(settings, Phase::Running, |counts| {
            let decision = admit(counts, Attempt::First);
            // Those that have not had their job, and the jobs that they were started for.
            let is_spare = counts.idle + counts.starting > counts.waiting;
            let takes = matches!(decision, Decision::HandOff | Decision::Enqueue);
            assert_eq!(takes, is_spare && counts.workers > 0, "{counts:?}");
            if decision == Decision::Enqueue {
                assert_eq!(
                    counts.idle, 0,
                    "somebody idle means that nothing is queued: {counts:?}"
                );
            }
        });
    }
}

#[test]
fn a_job_is_queued_only_where_a_worker_will_take_it_and_there_is_room() {
    each_running(|counts, attempt| {
        if admit(counts, attempt) == Decision::Enqueue {
            assert!(counts.workers > 0, "nobody would run it: {counts:?} {attempt:?}");
            assert!(counts.idle == 0, "somebody is idle: {counts:?} {attempt:?}");
            let places =
                counts.settings.capacity.map(|limit| limit.saturating_add(counts.starting));
            let has_place = places.is_none_or(|places| counts.waiting < places);
            assert!(has_place, "no room: {counts:?} {attempt:?}");
        }
    });
}

#[test]
fn a_pool_is_saturated_only_if_the_queue_is_full_and_it_cannot_grow() {
    each_running(|counts, attempt| {
        if admit(counts, attempt) != Decision::Saturated {
            return;
        }
        let Some(capacity) = counts.settings.capacity else {
            panic!("an unbounded queue is never full: {counts:?} {attempt:?}");
        };
        assert!(counts.waiting >= capacity, "{counts:?} {attempt:?}");
        let can_grow = counts.workers < counts.settings.max && attempt == Attempt::First;
        assert!(!can_grow, "{counts:?} {attempt:?}");
    });
}

#[test]
fn only_a_job_whose_worker_could_not_be_started_is_given_back_for_want_of_workers() {
    each_running(|counts, attempt| {
        let is_given_back = admit(counts, attempt) == Decision::Unstaffed;
        let is_due = counts.workers == 0 && attempt != Attempt::First;
        assert_eq!(is_given_back, is_due, "{counts:?} {attempt:?}");
    });
}

#[test]
fn a_refused_thread_is_not_asked_for_again_by_the_same_submission() {
    each_running(|counts, attempt| {
        if attempt == Attempt::Failed {
            let decision = admit(counts, attempt);
            let starts = matches!(decision, Decision::Start | Decision::HandOffAndStart);
            assert!(!starts, "{decision:?} {counts:?}");
        }
    });
}

#[test]
fn a_submission_ends_even_if_all_its_workers_are_taken_from_it() {
    each_running(|counts, _| {
        let mut attempt = Attempt::First;
        let mut counts = *counts;
        for started in 1..=MOST_STARTS + 1 {
            if admit(&counts, attempt) != Decision::Start {
                return;
            }
            assert!(started <= MOST_STARTS, "a worker too many: {counts:?}");
            // The new worker has been sent away again, or has another's job and grew no pool.
            attempt = Attempt::Started(started);
            counts.workers = counts.workers.max(1);
        }
        panic!("goes on for ever: {counts:?}");
    });
}

/// A pool whose jobs do not end, fed one at a time.
#[derive(Clone, Copy)]
struct Filling {
    settings: Settings,
    workers: usize,
    running: usize,
    queued: usize,
    starting: usize,
}

/// When the thread of a started worker takes its first look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arrives {
    /// Before its submitter decides again.
    Early,
    /// After its submitter has brought the job.
    Late,
}

impl Filling {
    fn new(settings: Settings) -> Self {
        Self { settings, workers: 0, running: 0, queued: 0, starting: 0 }
    }

    fn counts(&self, bringing: usize) -> Counts {
        Counts {
            phase: Phase::Running,
            settings: self.settings,
            workers: self.workers,
            parked: 0,
            spares: 0,
            reserved: 0,
            idle: self.workers - self.running - self.starting,
            waiting: self.queued + bringing,
            starting: self.starting,
        }
    }

    /// A new worker takes the oldest job, or rests.
    fn arrive(&mut self) {
        self.starting -= 1;
        if self.queued > 0 {
            self.queued -= 1;
            self.running += 1;
        }
    }

    /// Submits a job; false if there is no room for it.
    fn submit(&mut self, arrives: Arrives) -> bool {
        let mut attempt = Attempt::First;
        for started in 1.. {
            match admit(&self.counts(0), attempt) {
                Decision::Enqueue => {
                    self.queued += 1;
                    while self.starting > 0 {
                        self.arrive();
                    }
                    return true;
                }
                Decision::HandOff => {
                    self.running += 1;
                    return true;
                }
                Decision::Start => {
                    self.workers += 1;
                    self.starting += 1;
                    if arrives == Arrives::Early {
                        self.arrive();
                    }
                    attempt = Attempt::Started(started);
                }
                Decision::Saturated => return false,
                other @ (Decision::HandOffAndStart | Decision::Unstaffed | Decision::Refused) => {
                    panic!("{other:?} in a pool whose workers all run a job")
                }
            }
        }
        unreachable!("the loop ends by a decision")
    }
}

/// Pool sizes after each job that is taken, until one is not.
fn fill(settings: Settings, arrives: Arrives) -> Vec<usize> {
    let mut pool = Filling::new(settings);
    let mut after = Vec::new();
    while pool.submit(arrives) {
        assert_eq!(pool.starting, 0, "every worker has come for a job");
        after.push(pool.workers);
        assert!(after.len() < 20, "takes jobs without end");
    }
    after
}

#[test]
fn queue_first_fills_the_core_then_the_queue_then_the_pool() {
    for (core, max) in sizes() {
        for capacity in 0..=2 {
            // Without a core the first job is still given a worker before any is queued.
            let first = core.max(1);
            let mut expected: Vec<usize> = (1..=first).collect();
            expected.extend(std::iter::repeat_n(first, capacity));
            expected.extend(first + 1..=max);
            for arrives in [Arrives::Early, Arrives::Late] {
                let settings = settings(core, max, Some(capacity), Growth::QueueFirst);
                assert_eq!(fill(settings, arrives), expected, "{settings:?} {arrives:?}");
            }
        }
    }
}

#[test]
fn threads_first_fills_the_pool_then_the_queue() {
    for (core, max) in sizes() {
        for capacity in 0..=2 {
            let mut expected: Vec<usize> = (1..=max).collect();
            expected.extend(std::iter::repeat_n(max, capacity));
            for arrives in [Arrives::Early, Arrives::Late] {
                let settings = settings(core, max, Some(capacity), Growth::ThreadsFirst);
                assert_eq!(fill(settings, arrives), expected, "{settings:?} {arrives:?}");
            }
        }
    }
}

#[test]
fn a_worker_that_is_being_started_for_one_job_makes_no_room_for_another() {
    for growth in [Growth::QueueFirst, Growth::ThreadsFirst] {
        let settings = settings(1, 1, Some(0), growth);
        let counts = Counts {
            phase: Phase::Running,
            settings,
            workers: 1,
            parked: 0,
            spares: 0,
            reserved: 0,
            idle: 0,
            waiting: 1,
            starting: 1,
        };
        assert_eq!(admit(&counts, Attempt::First), Decision::Saturated);
        // Started without a job, as by `prestart_core_thread`, it does.
        let counts = Counts { waiting: 0, ..counts };
        assert_eq!(admit(&counts, Attempt::First), Decision::Enqueue);
    }
}

const IDLE_TIMES: [Duration; 6] = [
    Duration::ZERO,
    Duration::from_nanos(1),
    Duration::from_nanos(19_999_999),
    KEEP_ALIVE,
    Duration::from_secs(3600),
    Duration::MAX,
];

/// What `rest` may be asked.
#[derive(Clone, Copy, Debug)]
struct Question {
    counts: Counts,
    bringing: usize,
    idle_for: Duration,
}

impl Question {
    fn answer(&self) -> Rest {
        rest(&self.counts, self.bringing, self.idle_for)
    }

    /// Whether the keep-alive applies to this worker, and is over.
    fn is_over(&self) -> bool {
        let Settings { core, keep_alive, core_timeout, .. } = self.counts.settings;
        let is_timed = core_timeout == CoreTimeout::Allowed || self.counts.workers > core;
        is_timed && self.idle_for >= keep_alive
    }

    fn must_go(&self) -> bool {
        self.counts.phase != Phase::Running || self.counts.workers > self.counts.settings.max
    }
}

fn each_question(mut check: impl FnMut(&Question)) {
    for (core, max) in sizes() {
        for keep_alive in [Duration::ZERO, KEEP_ALIVE, Duration::MAX] {
            for core_timeout in [CoreTimeout::Never, CoreTimeout::Allowed] {
                let growth = Growth::QueueFirst;
                let capacity = Some(1);
                let tenure = Tenure::Lasting;
                let settings =
                    Settings { core, max, capacity, keep_alive, core_timeout, growth, tenure };
                for phase in PHASES {
                    each_count(settings, phase, |counts| {
                        for (bringing, idle_for) in
                            IDLE_TIMES.iter().flat_map(|time| [(0, *time), (1, *time), (2, *time)])
                        {
                            check(&Question { counts: *counts, bringing, idle_for });
                        }
                    });
                }
            }
        }
    }
}

#[test]
fn a_worker_leaves_as_in_get_task() {
    each_question(|question| {
        let is_needed = question.counts.idle <= question.bringing;
        let expected = question.must_go() || (question.is_over() && !is_needed);
        assert_eq!(question.answer() == Rest::Leave, expected, "{question:?}");
    });
}

#[test]
fn a_worker_that_the_keep_alive_does_not_apply_to_stays_for_ever() {
    each_question(|question| {
        let Settings { core, core_timeout, .. } = question.counts.settings;
        let is_kept = question.counts.workers <= core && core_timeout == CoreTimeout::Never;
        let expected = is_kept && !question.must_go();
        assert_eq!(question.answer() == Rest::Forever, expected, "{question:?}");
    });
}

#[test]
fn a_worker_that_stays_for_a_time_stays_for_its_keep_alive() {
    each_question(|question| match question.answer() {
        Rest::For(time) => {
            assert_eq!(time, question.counts.settings.keep_alive, "{question:?}");
            assert!(!question.is_over(), "it would look again at once: {question:?}");
        }
        Rest::Leave | Rest::Forever | Rest::Overdue => {}
    });
}

#[test]
fn a_worker_stays_beyond_its_keep_alive_for_a_submitter_alone() {
    each_question(|question| {
        let is_needed = question.counts.idle <= question.bringing;
        let expected = question.is_over() && is_needed && !question.must_go();
        assert_eq!(question.answer() == Rest::Overdue, expected, "{question:?}");
    });
}

#[test]
fn of_workers_beyond_their_keep_alive_as_many_stay_as_there_are_submitters() {
    for bringing in 0..=5 {
        let settings = settings(0, 10, Some(0), Growth::QueueFirst);
        let mut counts = Counts {
            phase: Phase::Running,
            settings,
            parked: 0,
            spares: 0,
            reserved: 0,
            workers: 5 + bringing,
            idle: 5,
            waiting: bringing,
            starting: bringing,
        };
        while rest(&counts, bringing, KEEP_ALIVE) == Rest::Leave && counts.idle > 0 {
            counts.workers -= 1;
            counts.idle -= 1;
        }
        assert_eq!(counts.idle, bringing);
    }
}

#[test]
fn of_workers_that_time_out_together_as_many_stay_as_are_to_be_kept() {
    for (core, max) in sizes() {
        for (core_timeout, kept) in [(CoreTimeout::Never, core), (CoreTimeout::Allowed, 0)] {
            let settings =
                Settings { core_timeout, ..settings(core, max, Some(0), Growth::QueueFirst) };
            let mut workers = max;
            for _ in 0..max {
                let counts = Counts {
                    phase: Phase::Running,
                    settings,
                    workers,
                    parked: 0,
                    spares: 0,
                    reserved: 0,
                    idle: workers,
                    waiting: 0,
                    starting: 0,
                };
                if rest(&counts, 0, KEEP_ALIVE) == Rest::Leave {
                    workers -= 1;
                }
            }
            assert_eq!(workers, kept, "{settings:?}");
        }
    }
}

#[test]
fn each_parked_worker_has_one_spare_at_most_and_a_spare_without_one_is_surplus() {
    for parked in [0, 1, 2, MOST_SPARES, MOST_SPARES + 2] {
        for spares in [0, 1, 2, 3, MOST_SPARES - 1, MOST_SPARES, MOST_SPARES + 1] {
            let counts = Counts {
                phase: Phase::Running,
                settings: settings(1, usize::MAX, None, Growth::QueueFirst),
                workers: parked + spares,
                parked,
                spares,
                idle: 0,
                waiting: 1,
                starting: 0,
                reserved: 0,
            };
            assert_eq!(counts.may_have_spare(), spares < parked && spares < MOST_SPARES);
            assert_eq!(counts.is_oversized(), spares > parked);
        }
    }
}
