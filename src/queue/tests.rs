//! Tests of the queue.

use super::*;
use crate::error::Payload;
use crate::job::waiting::{Attention, Parting, Standing};
use crate::job::{Bound, Help, Home, Origin, Pending, Queued};
use crate::job_handle::JobHandle;
use crate::sync::{Arc, Mutex};
use crate::task::CancelOutcome;

/// The numbers of the jobs that were run.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<usize>>>);

impl Log {
    /// A job that notes its number.
    fn job(&self, number: usize) -> Job {
        let log = self.clone();
        Job::new(move || log.0.lock().push(number))
    }

    /// The same, with a handle.
    fn tracked(&self, number: usize) -> (Job, JobHandle<()>) {
        let log = self.clone();
        Job::with_handle(move || log.0.lock().push(number))
    }

    /// What `job`, which was started, notes when it is run.
    fn number(&self, job: Job) -> usize {
        drop(job.run_caught());
        self.0.lock().pop().expect("a job that was started runs")
    }

    fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }
}

/// Jobs that wait, some to be cancelled.
struct Waiting {
    log: Log,
    fifo: Fifo,
    handles: Vec<JobHandle<()>>,
}

impl Waiting {
    /// The jobs 0 to `count`.
    fn new(count: usize) -> Self {
        let (log, mut fifo, mut handles) = (Log::default(), Fifo::default(), Vec::new());
        for number in 0..count {
            let (job, handle) = log.tracked(number);
            fifo.push(job, Stamp::UNSET);
            handles.push(handle);
        }
        Self { log, fifo, handles }
    }

    fn cancel(&self, number: usize) {
        assert_eq!(self.handles[number].cancel(), CancelOutcome::Removed);
    }
}

/// A shelf with these jobs in its outbox.
fn shelf(jobs: Fifo) -> Shelf {
    let shelf = Shelf::default();
    shelf.lock().jobs = jobs;
    shelf
}

fn fifo_of(log: &Log, numbers: std::ops::Range<usize>) -> Fifo {
    let mut fifo = Fifo::default();
    for number in numbers {
        fifo.push(log.job(number), Stamp::UNSET);
    }
    fifo
}

/// Every number of entries at which blocks are filled, emptied or begun, and their neighbours.
const EDGES: [usize; 11] = [
    0,
    1,
    2,
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
            let job = fifo.pop().expect("as many come out as went in");
            assert_eq!(log.number(job), expected, "of {count}");
        }
        assert!(fifo.pop().is_none(), "no more come out than went in: {count}");
        assert!(fifo.pop().is_none(), "and an empty store stays empty");
    }
}

#[test]
fn order_holds_however_many_stay_in_between() {
    let log = Log::default();
    for depth in EDGES {
        let mut fifo = fifo_of(&log, 0..depth);
        for next in 0..3 * BLOCK {
            fifo.push(log.job(depth + next), Stamp::UNSET);
            let job = fifo.pop().expect("one was just pushed");
            assert_eq!(log.number(job), next, "at depth {depth}");
        }
    }
}

/// Numbers that look random and are the same every time.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(self.0 >> 33).expect("31 bits fit") % below
    }
}

#[test]
fn order_holds_across_the_swaps_of_inbox_and_outbox() {
    for seed in 0..8 {
        let log = Log::default();
        let mut dice = Dice(seed);
        let mut inbox = Fifo::default();
        let shelf = shelf(Fifo::default());
        let mut outbox = shelf.lock();
        let (mut pushed, mut taken) = (0, 0);
        for _ in 0..60 {
            for _ in 0..dice.throw(3 * BLOCK) {
                inbox.push(log.job(pushed), Stamp::UNSET);
                pushed += 1;
            }
            for _ in 0..dice.throw(3 * BLOCK) {
                let mut dead = Vec::new();
                // As workers do it.
                let job = shelf.pop_live(&mut outbox, &mut dead).or_else(|| {
                    std::mem::swap(&mut outbox.jobs, &mut inbox);
                    shelf.pop_live(&mut outbox, &mut dead)
                });
                assert_eq!(job.is_none(), taken == pushed, "empty only if all were taken");
                let Some(job) = job else { break };
                assert_eq!(log.number(job), taken, "seed {seed}");
                taken += 1;
                assert!(dead.is_empty());
            }
            assert_eq!(shelf.popped.get(), taken as u64);
        }
        assert!(pushed > 10 * BLOCK, "the swaps were many");
    }
}

#[test]
fn a_job_that_was_cancelled_is_put_aside_and_not_counted_as_taken() {
    let waiting = Waiting::new(5);
    for number in [0, 1, 3] {
        waiting.cancel(number);
    }
    let shelf = shelf(waiting.fifo);
    let mut outbox = shelf.lock();
    let mut dead = Vec::new();
    let job = shelf.pop_live(&mut outbox, &mut dead).expect("two are left");
    assert_eq!((waiting.log.number(job), shelf.popped.get(), dead.len()), (2, 1, 2));
    let job = shelf.pop_live(&mut outbox, &mut dead).expect("one is left");
    assert_eq!((waiting.log.number(job), shelf.popped.get(), dead.len()), (4, 2, 3));
    assert!(shelf.pop_live(&mut outbox, &mut dead).is_none());
    assert_eq!((shelf.popped.get(), dead.len()), (2, 3));
    assert!(dead.iter().all(|job| !job.is_live()));
}

#[test]
fn a_store_of_cancelled_jobs_alone_is_as_good_as_empty() {
    let waiting = Waiting::new(BLOCK + 1);
    (0..=BLOCK).for_each(|number| waiting.cancel(number));
    let shelf = shelf(waiting.fifo);
    let mut outbox = shelf.lock();
    let mut dead = Vec::new();
    assert!(shelf.pop_live(&mut outbox, &mut dead).is_none());
    assert_eq!((shelf.popped.get(), dead.len()), (0, BLOCK + 1));
    assert_eq!(outbox.jobs.oldest(&mut dead), None);
    assert!(waiting.log.is_empty(), "none of them was run");
}

#[test]
fn a_popped_job_is_started_and_can_no_more_be_cancelled_as_pending() {
    let waiting = Waiting::new(1);
    let shelf = shelf(waiting.fifo);
    let mut outbox = shelf.lock();
    let job = shelf.pop_live(&mut outbox, &mut Vec::new()).expect("there is one");
    assert!(!job.is_live());
    assert_eq!(waiting.handles[0].cancel(), CancelOutcome::Interrupted);
    assert_eq!(waiting.log.number(job), 0);
}

#[test]
fn jobs_taken_back_are_not_counted_as_taken_and_can_still_be_run_or_cancelled() {
    let mut waiting = Waiting::new(4);
    waiting.cancel(1);
    let shelf = shelf(std::mem::take(&mut waiting.fifo));
    let mut outbox = shelf.lock();
    let mut dead = Vec::new();
    let mut back: Vec<Job> = std::iter::from_fn(|| outbox.take_back(&mut dead)).collect();
    assert_eq!((back.len(), dead.len(), shelf.popped.get()), (3, 1, 0));
    assert!(back.iter().all(Job::is_live));
    let last = back.pop().expect("three came back");
    waiting.cancel(3);
    last.run();
    assert!(waiting.log.is_empty(), "it was cancelled after it came back");
    back.into_iter().for_each(Job::run);
    assert_eq!(*waiting.log.0.lock(), [0, 2], "the others run, in their order");
}

/// A pool that nobody is to turn to.
struct Former;

impl Home for Former {
    fn cancel(&self, _claim: &mut dyn FnMut() -> bool) -> bool {
        unreachable!("the job is not the pool's any more")
    }

    fn cancel_ended(&self) {
        unreachable!("nothing was cancelled here")
    }

    fn help(
        &self,
        _task: &Arc<dyn Pending>,
        _bound: Bound,
        _claim: &mut dyn FnMut(u64) -> Help,
    ) -> Help {
        unreachable!("the job is not the pool's any more")
    }

    fn is_inside(&self) -> bool {
        unreachable!("the job is not the pool's any more")
    }

    fn is_crowded(&self) -> bool {
        unreachable!("the job is not the pool's any more")
    }

    fn park(&self) {
        unreachable!("the job is not the pool's any more")
    }

    fn unpark(&self, _parting: Parting) {
        unreachable!("the job is not the pool's any more")
    }

    fn attend(self: Arc<Self>, _standing: Standing) -> Attention {
        unreachable!("the job is not the pool's any more")
    }

    fn report_panic(&self, _payload: Payload) {
        unreachable!("nobody panics")
    }

    fn report(&self, _source: &str, _origin: Option<&Origin>, _payload: Payload) {
        unreachable!("nobody panics")
    }
}

#[test]
fn a_job_taken_back_is_not_the_pools_any_more() {
    let waiting = Waiting::new(1);
    let pool = Arc::new(Former);
    let shelf = shelf(waiting.fifo);
    let mut outbox = shelf.lock();
    for block in outbox.jobs.blocks() {
        for Entry(job) in block {
            let task = job.pending().expect("it has a handle");
            assert_eq!(task.queue(Arc::clone(&pool) as Arc<dyn Home>, 0), Queued::Yes);
        }
    }
    let job = outbox.take_back(&mut Vec::new()).expect("there is one");
    assert_eq!(Arc::strong_count(&pool), 1, "nor keeps it");
    assert_eq!(waiting.handles[0].cancel(), CancelOutcome::Removed);
    assert!(!job.is_live());
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
            let shelf = shelf(waiting.fifo);
            let mut outbox = shelf.lock();
            for expected in (1..count).filter(|number| Some(*number) != taken) {
                let job = shelf.pop_live(&mut outbox, &mut Vec::new()).expect("the others stay");
                assert_eq!(waiting.log.number(job), expected, "in their order: {ahead} of {count}");
            }
            assert!(shelf.pop_live(&mut outbox, &mut Vec::new()).is_none());
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
            let job = waiting.fifo.pop().expect("it stays where it was");
            assert!(job.start());
            assert_eq!(waiting.log.number(job), expected);
        }
        assert!(waiting.fifo.pop().is_none());
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
        let job = waiting.fifo.pop().expect("the others stay");
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
            let left: usize = waiting.fifo.blocks().map(VecDeque::len).sum();
            assert_eq!(left, count - dead.len(), "nothing is lost: {count} {every}");
            for expected in (0..count).filter(|number| !is_dead(number)) {
                let job = waiting.fifo.pop().expect("it is among those left");
                assert!(job.start());
                assert_eq!(waiting.log.number(job), expected, "{count} {every}");
            }
            assert!(waiting.fifo.pop().is_none());
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
    assert!(waiting.fifo.blocks().all(VecDeque::is_empty) && waiting.fifo.full.is_empty());
    let log = &waiting.log;
    waiting.fifo.push(log.job(7), Stamp::UNSET);
    assert_eq!(log.number(waiting.fifo.pop().expect("a swept store can be used")), 7);
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
        fifo.push(job, since(number));
        handles.push(handle);
    }
    assert_eq!(fifo.oldest(&mut Vec::new()), Some(since(0)));
    handles[1].cancel();
    assert_eq!(fifo.oldest(&mut Vec::new()), Some(since(0)), "a younger one does not matter");
    handles[0].cancel();
    assert_eq!(fifo.oldest(&mut Vec::new()), Some(since(2)), "the dead do not count");
    drop(fifo.pop());
    assert_eq!(fifo.oldest(&mut Vec::new()), Some(since(3)), "nor do those that were taken");
    for handle in &handles[3..BLOCK] {
        handle.cancel();
    }
    assert_eq!(fifo.oldest(&mut Vec::new()), Some(since(BLOCK)), "it may lie in a later block");
    handles[BLOCK].cancel();
    assert_eq!(fifo.oldest(&mut Vec::new()), None);
}

#[test]
fn a_block_of_a_long_store_is_never_made_to_grow() {
    let log = Log::default();
    let mut fifo = Fifo::default();
    // Filled up, and filled up again after having been drained in part.
    for round in 0..4 {
        for number in 0..3 * BLOCK + round {
            fifo.push(log.job(number), Stamp::UNSET);
        }
        for _ in 0..2 * BLOCK - round {
            drop(fifo.pop());
        }
        assert!(fifo.blocks().all(|block| block.len() <= BLOCK && block.capacity() == BLOCK));
        assert!(fifo.full.iter().all(|block| !block.is_empty()));
    }
}

#[test]
fn a_short_store_takes_little_memory() {
    let log = Log::default();
    let mut fifo = fifo_of(&log, 0..1);
    assert!(fifo.blocks().map(VecDeque::capacity).sum::<usize>() <= 8);
    for _ in 0..2 * BLOCK {
        drop(fifo.pop());
        fifo.push(log.job(0), Stamp::UNSET);
    }
    assert!(fifo.blocks().map(VecDeque::capacity).sum::<usize>() <= 16, "and it stays so");
}

#[test]
fn memory_goes_back_after_a_burst() {
    let log = Log::default();
    let mut fifo = fifo_of(&log, 0..200 * BLOCK);
    assert_eq!(fifo.full.len(), 199);
    for _ in 0..100 * BLOCK {
        drop(fifo.pop());
    }
    assert_eq!(fifo.full.len(), 99, "it goes back while the burst is worked off");
    while fifo.pop().is_some() {}
    assert_eq!(fifo.full.capacity(), 0, "the list of blocks, too");
    assert_eq!(fifo.blocks().map(VecDeque::capacity).sum::<usize>(), 0);
    fifo.push(log.job(0), Stamp::UNSET);
    assert!(fifo.pop().is_some(), "and it can be used again");
}

#[test]
fn a_steady_store_makes_no_blocks() {
    let log = Log::default();
    let mut fifo = fifo_of(&log, 0..BLOCK / 2);
    for _ in 0..8 * BLOCK {
        drop(fifo.pop());
        fifo.push(log.job(0), Stamp::UNSET);
        assert!(fifo.full.is_empty() && fifo.full.capacity() == 0);
    }
    assert!(fifo.blocks().all(|block| block.capacity() <= BLOCK));
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

#[test]
fn one_job_after_the_other_keeps_the_block_that_it_came_in() {
    let (log, mut fifo) = (Log::default(), Fifo::default());
    fifo.push(log.job(1), Stamp::UNSET);
    assert_eq!(fifo.pop().map(|job| log.number(job)), Some(1));
    assert!(fifo.pop().is_none());
    assert!(fifo.front.capacity() + fifo.back.capacity() > 0, "no allocation for the next one");
}
