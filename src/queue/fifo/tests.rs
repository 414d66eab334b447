//! Tests of the store.

use super::*;
use crate::job_handle::JobHandle;
use crate::sync::{Arc, Mutex};
use crate::task::CancelOutcome;

/// Jobs of these tests that fit into a block: each captures two words.
pub(in crate::queue) const BLOCK: usize = 255 * FIRST / 15;

/// The same of the first, small one.
const FIRST: usize = 15 * 16 / size_of::<usize>();

/// The numbers of the jobs that were run.
#[derive(Clone, Default)]
pub(in crate::queue) struct Log(pub(in crate::queue) Arc<Mutex<Vec<usize>>>);

impl Log {
    /// A job that notes its number.
    pub(in crate::queue) fn job(&self, number: usize) -> Job {
        let log = self.clone();
        Job::new(move || log.0.lock().push(number))
    }

    /// The same, with a handle.
    pub(in crate::queue) fn tracked(&self, number: usize) -> (Job, JobHandle<()>) {
        let log = self.clone();
        Job::with_handle(move || log.0.lock().push(number))
    }

    /// What `job`, which was started, notes when it is run.
    pub(in crate::queue) fn number(&self, job: Job) -> usize {
        drop(job.run_caught());
        self.0.lock().pop().expect("a job that was started runs")
    }

    pub(in crate::queue) fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }
}

/// Jobs that wait, some to be cancelled.
pub(in crate::queue) struct Waiting {
    pub(in crate::queue) log: Log,
    pub(in crate::queue) fifo: Fifo,
    pub(in crate::queue) handles: Vec<JobHandle<()>>,
}

impl Waiting {
    /// The jobs 0 to `count`.
    pub(in crate::queue) fn new(count: usize) -> Self {
        let (log, mut fifo, mut handles) = (Log::default(), Fifo::default(), Vec::new());
        for number in 0..count {
            let (job, handle) = log.tracked(number);
            put(&mut fifo, job);
            handles.push(handle);
        }
        Self { log, fifo, handles }
    }

    pub(in crate::queue) fn cancel(&self, number: usize) {
        assert_eq!(self.handles[number].cancel(), CancelOutcome::Removed);
    }
}

/// Puts a job behind the others.
pub(in crate::queue) fn put(fifo: &mut Fifo, job: Job) {
    fifo.push(&mut Slot::holding(job));
}

/// Numbers that look random and are the same every time.
pub(in crate::queue) struct Dice(pub(in crate::queue) u64);

impl Dice {
    pub(in crate::queue) fn throw(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(self.0 >> 33).expect("31 bits fit") % below
    }
}

pub(in crate::queue) fn fifo_of(log: &Log, numbers: std::ops::Range<usize>) -> Fifo {
    let mut fifo = Fifo::default();
    for number in numbers {
        put(&mut fifo, log.job(number));
    }
    fifo
}

/// Every number of entries at which blocks are filled, emptied or begun, and their neighbours.
const EDGES: [usize; 14] = [
    0,
    1,
    2,
    FIRST - 1,
    FIRST,
    FIRST + BLOCK,
    BLOCK - 1,
    BLOCK,
    BLOCK + 1,
    2 * BLOCK - 1,
    2 * BLOCK,
    2 * BLOCK + 1,
    5 * BLOCK,
    5 * BLOCK + 3,
];

#[test]
fn jobs_come_out_once_and_in_the_order_they_went_in() {
    let log = Log::default();
    for count in EDGES {
        let mut fifo = fifo_of(&log, 0..count);
        for expected in 0..count {
            let job = fifo.pop_front().expect("as many come out as went in");
            assert_eq!(log.number(job), expected, "of {count}");
        }
        assert!(fifo.pop_front().is_none(), "no more come out than went in: {count}");
        assert!(fifo.pop_front().is_none(), "and an empty store stays empty");
    }
}

#[test]
fn order_holds_however_many_stay_in_between() {
    let log = Log::default();
    for depth in EDGES {
        let mut fifo = fifo_of(&log, 0..depth);
        for next in 0..3 * BLOCK {
            put(&mut fifo, log.job(depth + next));
            let job = fifo.pop_front().expect("one was just pushed");
            assert_eq!(log.number(job), next, "at depth {depth}");
        }
    }
}

#[test]
fn a_job_is_taken_from_the_middle_by_how_many_living_ones_are_ahead_of_it() {
    for count in EDGES.into_iter().filter(|count| *count > 0) {
        for ahead in [0, 1, BLOCK - 1, BLOCK, count / 2] {
            let mut waiting = Waiting::new(count);
            // The first of the living is 1.
            waiting.cancel(0);
            let mut left = ahead;
            let job = waiting.fifo.remove_live(&mut left, &mut Vec::new());
            let expected = (ahead + 1 < count).then_some(ahead + 1);
            assert_eq!(job.is_some(), expected.is_some(), "{ahead} of {count}");
            assert_eq!(left, ahead.saturating_sub(count - 1), "those passed are counted down");
            let taken = job.map(|job| {
                assert!(job.start());
                waiting.log.number(job)
            });
            assert_eq!(taken, expected, "{ahead} of {count}");
            assert!(waiting.fifo.full.iter().all(|block| !block.is_empty()));
            for expected in (1..count).filter(|number| Some(*number) != taken) {
                let job = waiting.fifo.pop_front().expect("the others stay");
                assert!(job.start());
                assert_eq!(waiting.log.number(job), expected, "in their order: {ahead} of {count}");
            }
            assert!(waiting.fifo.pop_front().is_none_or(|job| !job.is_live() && count == 1));
        }
    }
}

#[test]
fn what_was_cancelled_is_passed_over_once_by_those_who_look_for_the_oldest() {
    for ahead in [0, 1, 3] {
        let mut waiting = Waiting::new(3 * BLOCK);
        // All but the first few and the last block.
        (ahead..2 * BLOCK).for_each(|number| waiting.cancel(number));
        let mut dead = Vec::new();
        for expected in 2 * BLOCK..3 * BLOCK {
            let job = waiting.fifo.remove_live(&mut { ahead }, &mut dead).expect("it is left");
            assert!(job.start());
            assert_eq!(waiting.log.number(job), expected, "{ahead} are ahead");
            assert_eq!(dead.len(), 2 * BLOCK - ahead, "it was passed over before");
        }
        for expected in 0..ahead {
            let job = waiting.fifo.pop_front().expect("it stays where it was");
            assert!(job.start());
            assert_eq!(waiting.log.number(job), expected);
        }
        assert!(waiting.fifo.pop_front().is_none());
    }
}

#[test]
fn a_look_at_the_oldest_takes_out_what_was_cancelled_before_it() {
    let mut waiting = Waiting::new(2 * BLOCK);
    (0..=BLOCK).for_each(|number| waiting.cancel(number));
    let mut dead = Vec::new();
    for _ in 0..2 {
        assert!(waiting.fifo.oldest(&mut dead).is_some());
        assert_eq!(dead.len(), BLOCK + 1);
    }
    for expected in BLOCK + 1..2 * BLOCK {
        let job = waiting.fifo.pop_front().expect("the others stay");
        assert!(job.start());
        assert_eq!(waiting.log.number(job), expected);
    }
}

#[test]
fn a_sweep_takes_out_exactly_the_dead_and_keeps_the_order_of_the_living() {
    for count in EDGES {
        for (every, offset) in [(1, 0), (2, 0), (2, 1), (3, 2), (BLOCK, 0), (usize::MAX, 1)] {
            let mut waiting = Waiting::new(count);
            let is_dead = |number: &usize| number % every == offset;
            (0..count).filter(is_dead).for_each(|number| waiting.cancel(number));
            let mut dead = Vec::new();
            waiting.fifo.sweep(&mut dead);
            assert_eq!(dead.len(), (0..count).filter(is_dead).count(), "{count} {every}");
            assert!(dead.iter().all(|job| !job.is_live()));
            let left: usize = waiting.fifo.jobs().count();
            assert_eq!(left, count - dead.len(), "nothing is lost: {count} {every}");
            for expected in (0..count).filter(|number| !is_dead(number)) {
                let job = waiting.fifo.pop_front().expect("it is among those left");
                assert!(job.start());
                assert_eq!(waiting.log.number(job), expected, "{count} {every}");
            }
            assert!(waiting.fifo.pop_front().is_none());
        }
    }
}

#[test]
fn a_sweep_leaves_no_empty_block_behind() {
    let mut waiting = Waiting::new(4 * BLOCK);
    (BLOCK..3 * BLOCK).for_each(|number| waiting.cancel(number));
    waiting.fifo.sweep(&mut Vec::new());
    assert!(waiting.fifo.full.iter().all(|block| !block.is_empty()));
    (0..4 * BLOCK).filter(|number| !(BLOCK..3 * BLOCK).contains(number)).for_each(|number| {
        waiting.cancel(number);
    });
    waiting.fifo.sweep(&mut Vec::new());
    assert!(waiting.fifo.jobs().count() == 0 && waiting.fifo.full.is_empty());
    let log = &waiting.log;
    put(&mut waiting.fifo, log.job(7));
    assert_eq!(log.number(waiting.fifo.pop_front().expect("a swept store can be used")), 7);
}

#[test]
fn the_oldest_is_the_first_that_is_still_to_be_run() {
    let log = Log::default();
    let since = |number: usize| Stamp(number as u64);
    let mut fifo = Fifo::default();
    assert_eq!(fifo.oldest(&mut Vec::new()), None);
    let mut handles = Vec::new();
    for number in 0..=BLOCK {
        let (job, handle) = log.tracked(number);
        fifo.push_since(since(number));
        put(&mut fifo, job);
        handles.push(handle);
    }
    assert_eq!(fifo.oldest(&mut Vec::new()), Some(since(0)));
    handles[1].cancel();
    assert_eq!(fifo.oldest(&mut Vec::new()), Some(since(0)), "a younger one does not matter");
    handles[0].cancel();
    assert_eq!(fifo.oldest(&mut Vec::new()), Some(since(2)), "the dead do not count");
    drop(fifo.pop_front());
    assert_eq!(fifo.oldest(&mut Vec::new()), Some(since(3)), "nor do those that were taken");
    for handle in &handles[3..BLOCK] {
        handle.cancel();
    }
    assert_eq!(fifo.oldest(&mut Vec::new()), Some(since(BLOCK)), "it may lie in a later block");
    handles[BLOCK].cancel();
    assert_eq!(fifo.oldest(&mut Vec::new()), None);
}

#[test]
fn a_job_of_any_size_and_alignment_is_the_same_when_it_comes_out() {
    #[repr(align(64))]
    struct Wide(u8);
    let log = Log::default();
    let mut fifo = Fifo::default();
    for round in 0..3 * BLOCK {
        let note = |number| {
            let log = log.clone();
            move || log.0.lock().push(number)
        };
        let [nothing, one, five, six] = [1, 2, 3, 4].map(|kind| note(5 * round + kind));
        let wide = (note(5 * round + 5), Wide(7));
        let words = [round; 3];
        let many = [round; 9];
        put(&mut fifo, Job::new(nothing));
        put(&mut fifo, Job::new(one));
        put(
            &mut fifo,
            Job::new(move || (words.iter().all(|word| *word == round)).then(five).unwrap()),
        );
        put(
            &mut fifo,
            Job::named("six", move || many.iter().all(|word| *word == round).then(six).unwrap()),
        );
        put(
            &mut fifo,
            Job::new(move || {
                assert_eq!(wide.1.0, 7);
                (wide.0)();
            }),
        );
    }
    for expected in 1..=15 * BLOCK {
        let job = fifo.pop_front().expect("as many come out as went in");
        assert_eq!(job.name().is_some(), expected % 5 == 4);
        assert_eq!(log.number(job), expected);
    }
    assert!(fifo.pop_front().is_none());
}

#[test]
fn each_job_has_the_stamp_that_was_put_before_it() {
    let log = Log::default();
    for share in [1, 2, 7, BLOCK, BLOCK + 1] {
        let mut fifo = Fifo::default();
        for number in 0..4 * BLOCK {
            if number % share == 0 {
                fifo.push_since(Stamp(number as u64 + 1));
            }
            put(&mut fifo, log.job(number));
        }
        for number in 0..4 * BLOCK {
            let since = Stamp((number - number % share) as u64 + 1);
            assert_eq!(fifo.oldest(&mut Vec::new()), Some(since), "{number}, {share} share one");
            assert_eq!(fifo.pop_front().map(|job| log.number(job)), Some(number));
        }
    }
}

#[test]
fn what_is_put_back_before_the_others_keeps_its_stamp_and_theirs() {
    for (count, ahead) in [(3, 1), (5, 3), (FIRST + 9, FIRST + 3), (3 * BLOCK, 2 * BLOCK)] {
        let mut waiting = Waiting::new(0);
        let log = waiting.log.clone();
        for number in 0..count {
            waiting.fifo.push_since(Stamp(number as u64 / 2 + 1));
            put(&mut waiting.fifo, log.job(number));
        }
        let taken = waiting.fifo.remove_live(&mut { ahead }, &mut Vec::new());
        assert_eq!(taken.map(|job| log.number(job)), Some(ahead));
        for number in (0..count).filter(|number| *number != ahead) {
            let since = Stamp(number as u64 / 2 + 1);
            assert_eq!(waiting.fifo.oldest(&mut Vec::new()), Some(since), "{number} of {count}");
            assert_eq!(waiting.fifo.pop_front().map(|job| log.number(job)), Some(number));
        }
        assert!(waiting.fifo.pop_front().is_none());
    }
}

#[test]
fn a_sweep_keeps_the_stamps_of_the_living_and_of_those_who_come() {
    let mut waiting = Waiting::new(0);
    for number in 0..2 * BLOCK {
        if number % 3 == 0 {
            waiting.fifo.push_since(Stamp(number as u64 + 1));
        }
        let (job, handle) = waiting.log.tracked(number);
        put(&mut waiting.fifo, job);
        waiting.handles.push(handle);
    }
    (0..2 * BLOCK).filter(|number| number % 2 == 0).for_each(|number| waiting.cancel(number));
    waiting.fifo.sweep(&mut Vec::new());
    put(&mut waiting.fifo, waiting.log.job(2 * BLOCK));
    for number in (0..=2 * BLOCK).filter(|number| number % 2 == 1 || *number == 2 * BLOCK) {
        let since = number.min(2 * BLOCK - 1);
        let since = Stamp((since - since % 3) as u64 + 1);
        assert_eq!(waiting.fifo.oldest(&mut Vec::new()), Some(since), "{number}");
        drop(waiting.fifo.pop_front());
    }
}

/// The lines of memory that a store holds.
fn lines(fifo: &Fifo) -> usize {
    fifo.blocks().chain(&fifo.spare).map(Block::lines).sum()
}

#[test]
fn a_short_store_takes_little_memory() {
    let log = Log::default();
    let mut fifo = fifo_of(&log, 0..1);
    for _ in 0..2 * BLOCK {
        drop(fifo.pop_front());
        put(&mut fifo, log.job(0));
        assert!(lines(&fifo) <= 2 * SMALL);
    }
}

#[test]
fn a_pending_job_of_a_long_store_takes_as_much_memory_as_it_is_long() {
    const JOBS: usize = 100_000;
    let mut fifo = Fifo::default();
    for number in 0..JOBS {
        put(&mut fifo, Job::new(move || assert_ne!(number, JOBS)));
    }
    let bytes = lines(&fifo) * 64;
    let most = JOBS * (size_of::<usize>() * 3 + 1);
    assert!(bytes <= most, "{bytes} for {JOBS} closures of a word");
}

#[test]
fn memory_is_kept_for_the_next_burst_and_goes_back_when_none_comes() {
    let log = Log::default();
    let mut fifo = Fifo::default();
    for _ in 0..2 {
        (0..200 * BLOCK).for_each(|number| put(&mut fifo, log.job(number)));
        let held = lines(&fifo);
        while fifo.pop_front().is_some() {}
        assert!(fifo.has_spare());
        assert!(lines(&fifo) <= held && lines(&fifo) + 2 * LARGE >= held);
    }
    fifo.begin_trim();
    (0..10 * BLOCK).for_each(|number| put(&mut fifo, log.job(number)));
    while fifo.pop_front().is_some() {}
    let unused = fifo.trim().len();
    assert!((180..200).contains(&unused), "{unused} blocks were not needed for ten");
    assert!(fifo.trim().len() >= 9 && !fifo.has_spare(), "nor any after");
    assert_eq!(lines(&fifo), 0);
    assert_eq!(fifo.full.capacity(), 0, "the list of blocks, too");
    put(&mut fifo, log.job(0));
    assert!(fifo.pop_front().is_some(), "and it can be used again");
}

#[test]
fn a_steady_store_makes_no_blocks() {
    let log = Log::default();
    for depth in [1, FIRST / 2, BLOCK / 2] {
        let mut fifo = fifo_of(&log, 0..depth);
        let mut next = || {
            drop(fifo.pop_front());
            put(&mut fifo, log.job(0));
            lines(&fifo)
        };
        // At first there are small ones, too.
        (0..4 * BLOCK).for_each(|_| _ = next());
        let held = next();
        assert!((0..8 * BLOCK).all(|_| next() == held), "{held} lines at depth {depth}");
    }
}

#[test]
fn jobs_that_are_dropped_with_the_store_settle_their_handles() {
    let waiting = Waiting::new(BLOCK + 1);
    let Waiting { log, fifo, handles } = waiting;
    drop(fifo);
    for handle in handles {
        assert!(handle.join().is_err_and(|error| error.is_cancelled()));
    }
    assert!(log.is_empty());
}
