//! The books: of each job whether it was run or dropped, and of each pool what it counted. In the end
//! both have to say the same.
//!
//! INVARIANT: a ticket is used up or dropped once, whatever becomes of the job that holds it.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use workcrew::{Phase, PoolStats, Rejected};

pub(crate) static BOOKS: LazyLock<Books> = LazyLock::new(Books::default);

#[derive(Default)]
pub(crate) struct Books {
    made: AtomicU64,
    ran: AtomicU64,
    dropped: AtomicU64,
    /// Of the dropped, those whose job may have run without them.
    passed_over: AtomicU64,
    /// Runs of jobs that were no longer a pool's.
    elsewhere: AtomicU64,
    /// Submissions of jobs that a pool had given back.
    again: AtomicU64,
    pools: AtomicU64,
    ended_by_pools: AtomicU64,
    let_go_by_pools: AtomicU64,
    rejected: AtomicU64,
    panicked: AtomicU64,
    cancelled: AtomicU64,
    wrong: Mutex<Vec<String>>,
}

fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::SeqCst)
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::SeqCst);
}

impl Books {
    pub(crate) fn ran(&self) -> u64 {
        get(&self.ran)
    }

    pub(crate) fn pools(&self) -> u64 {
        get(&self.pools)
    }

    pub(crate) fn note_again(&self) {
        add(&self.again, 1);
    }

    pub(crate) fn note_elsewhere(&self) {
        add(&self.elsewhere, 1);
    }

    /// Something is not as promised.
    pub(crate) fn object(&self, what: String) {
        let mut wrong = self.wrong.lock();
        if wrong.len() < 20 {
            wrong.push(what);
        }
    }

    pub(crate) fn objections(&self) -> Vec<String> {
        std::mem::take(&mut self.wrong.lock())
    }

    /// Takes in the figures of a pool that has ended.
    pub(crate) fn enter(&self, stats: &PoolStats) {
        let left = (stats.phase, stats.pool_size, stats.idle, stats.queued, stats.active);
        let ended = stats.completed + stats.panicked;
        let let_go = stats.rejected + stats.cancelled + stats.handed_back + stats.discarded;
        if left != (Phase::Terminated, 0, 0, 0, 0) || stats.submitted != ended + let_go {
            self.object(format!("a pool does not add up: {stats:?}"));
        }
        add(&self.pools, 1);
        add(&self.ended_by_pools, ended);
        add(&self.let_go_by_pools, let_go);
        add(&self.rejected, stats.rejected);
        add(&self.panicked, stats.panicked);
        add(&self.cancelled, stats.cancelled);
    }

    /// Compares both sides; all pools have ended.
    pub(crate) fn balance(&self) -> Result<String, String> {
        let (made, ran, dropped) = (get(&self.made), get(&self.ran), get(&self.dropped));
        let (elsewhere, again) = (get(&self.elsewhere), get(&self.again));
        let (ended, let_go) = (get(&self.ended_by_pools), get(&self.let_go_by_pools));
        // Jobs that found themselves interrupted before their item.
        let without_item = i128::from(ended) + i128::from(elsewhere) - i128::from(ran);
        let text = format!(
            "{made} jobs = {ran} run + {dropped} dropped; by the {} pools: {ended} run, of which {} \
             panicked and {without_item} had no item any more, and {let_go} let go, of which {} \
             were rejected and {} cancelled; {again} were submitted again and {elsewhere} run elsewhere",
            self.pools(),
            get(&self.panicked),
            get(&self.rejected),
            get(&self.cancelled),
        );
        let agrees = made == ran + dropped
            && i128::from(dropped + again + elsewhere) == i128::from(let_go) + without_item
            && (0..=i128::from(get(&self.passed_over))).contains(&without_item);
        if agrees { Ok(text) } else { Err(text) }
    }
}

/// Stands in the books for a job that captures it.
pub(crate) struct Ticket {
    state: State,
}

#[derive(PartialEq)]
enum State {
    Unused,
    /// Unused, and an item of a map: if that is dropped, a job that has begun passes its item over.
    UnusedItem,
    Used,
}

impl Ticket {
    pub(crate) fn new() -> Self {
        add(&BOOKS.made, 1);
        Self { state: State::Unused }
    }

    pub(crate) fn item() -> Self {
        add(&BOOKS.made, 1);
        Self { state: State::UnusedItem }
    }

    /// The job runs.
    pub(crate) fn stamp(&mut self) {
        if std::mem::replace(&mut self.state, State::Used) == State::Used {
            BOOKS.object("a job ran twice".to_owned());
        }
        add(&BOOKS.ran, 1);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        match self.state {
            State::Unused => add(&BOOKS.dropped, 1),
            State::UnusedItem => {
                add(&BOOKS.dropped, 1);
                add(&BOOKS.passed_over, 1);
            }
            State::Used => {}
        }
    }
}

/// Lets a job that was not accepted go.
pub(crate) fn settle<T>(result: Result<T, impl Into<Rejected>>) -> Option<T> {
    result.map_err(|rejected| drop(rejected.into().into_job())).ok()
}
