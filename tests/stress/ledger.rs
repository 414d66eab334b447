//! The books of one round: what became of each job, and how the calls about it were answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use parking_lot::Mutex;
use workcrew::PoolStats;

use crate::jobs::IDS;

/// Bits and counts in a job's entry.
const BORN: u32 = 1;
const ASKED_TO_STOP: u32 = 2;
const RAN: u32 = 1 << 8;
const DROPPED: u32 = 1 << 16;

/// Grows with every job that ends in any way: what the watchdog looks at.
pub(crate) static PROGRESS: AtomicU64 = AtomicU64::new(0);

#[derive(Default)]
pub(crate) struct Ledger {
    fates: Vec<AtomicU32>,
    wrong: Mutex<Vec<String>>,
    /// Submissions, and those of them that gave the job back.
    pub(crate) calls: AtomicU64,
    pub(crate) rejected: AtomicU64,
    /// Cancels that removed a pending job.
    pub(crate) removed: AtomicU64,
    /// Jobs that came from `take_pending` and `shutdown_now`.
    pub(crate) handed_back: AtomicU64,
    /// Jobs that were run by who took them back.
    pub(crate) ran_elsewhere: AtomicU64,
    /// Jobs whose `before_job` hook panicked.
    pub(crate) unprepared: AtomicU64,
    /// Jobs that were taken back and submitted to the other pool.
    pub(crate) moved: AtomicU64,
    /// Jobs were submitted, or cancelled, by calls that do not say how many.
    is_uncounted: AtomicBool,
    /// A `shutdown_now` has begun, or may have.
    pub(crate) stops: AtomicBool,
    /// The pool drops pending jobs itself.
    pub(crate) drops_pending: AtomicBool,
}

pub(crate) fn add(counter: &AtomicU64, count: usize) {
    counter.fetch_add(count as u64, Ordering::SeqCst);
}

impl Ledger {
    pub(crate) fn new(jobs: usize) -> Self {
        let fates = (0..jobs).map(|_| AtomicU32::new(0)).collect();
        Self { fates, ..Self::default() }
    }

    /// Something is not as promised.
    pub(crate) fn object(&self, what: String) {
        self.wrong.lock().push(what);
    }

    pub(crate) fn objections(&self) -> Vec<String> {
        std::mem::take(&mut self.wrong.lock())
    }

    pub(crate) fn ticket(self: &Arc<Self>, id: usize) -> Ticket {
        let before = self.fates[id].fetch_or(BORN, Ordering::SeqCst);
        assert_eq!(before & !ASKED_TO_STOP, 0, "this program uses job {id} twice");
        Ticket { ledger: Arc::clone(self), id, used: false }
    }

    /// One that no submitter uses.
    pub(crate) fn last_ticket(self: &Arc<Self>) -> Ticket {
        self.ticket(self.fates.len() - 1)
    }

    pub(crate) fn ask_to_stop(&self, id: usize) {
        self.fates[id].fetch_or(ASKED_TO_STOP, Ordering::SeqCst);
    }

    /// Returns whether an interrupt of the job could have a reason: of its own, or of a job that
    /// waits for it.
    pub(crate) fn may_be_interrupted(&self, id: usize) -> bool {
        let mut place = id % IDS;
        let first = id - place;
        loop {
            if self.fates[first + place].load(Ordering::SeqCst) & ASKED_TO_STOP != 0 {
                return true;
            }
            if place == 0 {
                return self.stops.load(Ordering::SeqCst);
            }
            place = (place - 1) / 2;
        }
    }

    pub(crate) fn stop_counting(&self) {
        self.is_uncounted.store(true, Ordering::SeqCst);
    }

    pub(crate) fn has_run(&self, id: usize) -> bool {
        self.fates[id].load(Ordering::SeqCst) >> 8 & 0xFF > 0
    }

    /// Every job that was made has run once or was dropped once; and so say the figures of the pool
    /// and of the other one.
    pub(crate) fn audit(&self, stats: &PoolStats, other: &PoolStats) {
        let (mut ran, mut dropped) = (0, 0);
        for (id, fate) in self.fates.iter().enumerate() {
            let fate = fate.load(Ordering::SeqCst);
            let (runs, drops) = (fate >> 8 & 0xFF, fate >> 16);
            if runs + drops != fate & BORN {
                self.object(format!("job {id} ran {runs} times and was dropped {drops} times"));
            }
            ran += u64::from(runs);
            dropped += u64::from(drops);
        }
        let get = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        let equal = |what: &str, ours: u64, pools: u64| {
            if ours != pools {
                self.object(format!("{what}: {ours} by the ledger, {pools} by the pool"));
            }
        };
        equal("submitted to the other pool", get(&self.moved), other.submitted);
        if !self.drops_pending.load(Ordering::SeqCst) {
            equal("handed back", get(&self.handed_back), stats.handed_back);
        }
        if self.is_uncounted.load(Ordering::SeqCst) {
            return;
        }
        equal("submitted", get(&self.calls), stats.submitted);
        equal("rejected", get(&self.rejected), stats.rejected + other.rejected);
        let ended = ran - get(&self.ran_elsewhere) + get(&self.unprepared);
        let by_pools = stats.completed + stats.panicked + other.completed + other.panicked;
        equal("run", ended, by_pools);
        if stats.handed_back == 0 {
            let unrun = stats.rejected + stats.cancelled + stats.discarded;
            equal("dropped unrun", dropped, unrun + get(&self.unprepared));
        }
        // A handle can also cancel a job that the pool has just given out of its hands.
        let removed = get(&self.removed);
        if stats.handed_back + stats.discarded == 0 || stats.cancelled > removed {
            equal("cancelled", removed, stats.cancelled);
        }
    }
}

/// A job's entry in the ledger, in its captures: run or dropped, it is counted.
pub(crate) struct Ticket {
    ledger: Arc<Ledger>,
    pub(crate) id: usize,
    used: bool,
}

impl Ticket {
    pub(crate) fn stamp(&mut self) {
        self.used = true;
        self.ledger.fates[self.id].fetch_add(RAN, Ordering::SeqCst);
        PROGRESS.fetch_add(1, Ordering::SeqCst);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.used {
            self.ledger.fates[self.id].fetch_add(DROPPED, Ordering::SeqCst);
            PROGRESS.fetch_add(1, Ordering::SeqCst);
        }
    }
}
