//! Tests of the end that workers take from.

use super::fifo::tests::{BLOCK, Dice, Log, Waiting, put};
use super::*;
use crate::error::Payload;
use crate::job::waiting::{Attention, Parting, Standing};
use crate::job::{Bound, Help, Home, Origin, Pending, Queued};
use crate::sync::Arc;
use crate::task::CancelOutcome;

/// A shelf with these jobs in its outbox.
fn shelf(jobs: Fifo) -> Shelf {
    let shelf = Shelf::default();
    shelf.lock().jobs = jobs;
    shelf
}

/// Takes the oldest job for running, as workers do it.
fn take(shelf: &Shelf, outbox: &mut Outbox, dead: &mut Vec<Job>) -> Option<Job> {
    let mut slot = Slot::empty();
    shelf.pop_live(outbox, &mut slot, dead).then(|| slot.take())
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
                put(&mut inbox, log.job(pushed));
                pushed += 1;
            }
            for _ in 0..dice.throw(3 * BLOCK) {
                let mut dead = Vec::new();
                // As workers do it.
                let job = take(&shelf, &mut outbox, &mut dead).or_else(|| {
                    std::mem::swap(&mut outbox.jobs, &mut inbox);
                    take(&shelf, &mut outbox, &mut dead)
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
    let job = take(&shelf, &mut outbox, &mut dead).expect("two are left");
    assert_eq!((waiting.log.number(job), shelf.popped.get(), dead.len()), (2, 1, 2));
    let job = take(&shelf, &mut outbox, &mut dead).expect("one is left");
    assert_eq!((waiting.log.number(job), shelf.popped.get(), dead.len()), (4, 2, 3));
    assert!(take(&shelf, &mut outbox, &mut dead).is_none());
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
    assert!(take(&shelf, &mut outbox, &mut dead).is_none());
    assert_eq!((shelf.popped.get(), dead.len()), (0, BLOCK + 1));
    assert_eq!(outbox.jobs.oldest(&mut dead), None);
    assert!(waiting.log.is_empty(), "none of them was run");
}

#[test]
fn a_popped_job_is_started_and_can_no_more_be_cancelled_as_pending() {
    let waiting = Waiting::new(1);
    let shelf = shelf(waiting.fifo);
    let mut outbox = shelf.lock();
    let job = take(&shelf, &mut outbox, &mut Vec::new()).expect("there is one");
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
    for job in outbox.jobs.jobs() {
        let task = job.pending().expect("it has a handle");
        assert_eq!(task.queue(Arc::clone(&pool) as Arc<dyn Home>, 0), Queued::Yes);
    }
    let job = outbox.take_back(&mut Vec::new()).expect("there is one");
    assert_eq!(Arc::strong_count(&pool), 1, "nor keeps it");
    assert_eq!(waiting.handles[0].cancel(), CancelOutcome::Removed);
    assert!(!job.is_live());
}
