//! Waiting for room in a pool, and the places that are kept for those who wait.

use super::Pool;
use crate::admission::Attempt;
use crate::desk::{Desk, Turn};
use crate::error::AwaitError;
use crate::job::waiting::{Look, Place, Progress, Waiting};
use crate::job::{Home, Job, Slot};
use crate::phase::Phase;
use crate::rejection::{RejectReason, Rejected};
use crate::sync::{Arc, lock_patiently};
use crate::wait::{Deadline, Heed, Waiter};

impl Pool {
    /// Takes the job in the place that was kept for it, or returns it, not counted.
    pub(crate) fn admit_in(self: &Arc<Self>, job: Job, room: KeptRoom<'_>) -> Result<(), Rejected> {
        let mut desk = lock_patiently(&self.desk);
        // A worker stays parked until the job is with another.
        let _parked = room.use_now(&mut desk);
        let decision = desk.decide(Attempt::First);
        let mut slot = Slot::holding(job);
        let taken = self.follow(decision, desk, &mut slot);
        // Where the place was made by the start of a worker the next in line has been waiting for this.
        let wakes = self.desk.lock().note_change();
        wakes.wake();
        taken.map_err(|reason| Rejected::new(slot.take(), reason))
    }

    /// Takes the job as soon as there is room, or returns it, not counted.
    pub(crate) fn admit_by(self: &Arc<Self>, job: Job, deadline: Deadline) -> Result<(), Rejected> {
        let mut turn = None;
        let mut taken = self.admit(job);
        loop {
            let job = match taken {
                Err(rejected) if rejected.reason() == RejectReason::Saturated => {
                    rejected.into_job()
                }
                other => return other,
            };
            taken = match self.wait_for_room(deadline, &mut turn) {
                Ok(room) => self.admit_in(job, room),
                Err(reason) => return Err(Rejected::new(job, reason)),
            };
        }
    }

    /// Waits until admission would not find the pool saturated. The place is kept for the caller
    /// until it lets it go, and its turn in the line of those who wait is kept by `turn`. A worker of
    /// this pool is parked while it waits.
    pub(crate) fn wait_for_room(
        self: &Arc<Self>,
        deadline: Deadline,
        turn: &mut Option<Turn>,
    ) -> Result<KeptRoom<'_>, RejectReason> {
        let waiter = Waiter::new();
        let mut outbox = self.outbox.lock();
        let mut desk = self.desk.lock();
        desk.wait_for_room(turn, Arc::clone(&waiter));
        outbox.room_wanted = true;
        // There may be some already.
        let wakes = desk.note_change();
        drop(desk);
        drop(outbox);
        wakes.wake();
        let here =
            || Place { home: Arc::clone(self) as Arc<dyn Home>, progress: Progress::Pending };
        let awaited = || format!("room in the pool {}", self.name);
        let mut waiting = Waiting::new(deadline, Heed::Interrupts);
        let result = waiting.until_parked(&awaited, &mut |_company| {
            if waiter.is_woken() { Look::Ready(()) } else { Look::Wait(Some(here())) }
        });
        let is_told = match (result, *turn) {
            (Ok(()), _) => true,
            (Err(_), Some(turn)) => !self.desk.lock().stop_waiting_for_room(turn),
            (Err(_), None) => false,
        };
        let room = is_told.then(|| KeptRoom::new(self, waiting));
        match result {
            Ok(()) if self.desk.lock().phase() != Phase::Running => Err(RejectReason::Shutdown),
            Ok(()) => room.ok_or(RejectReason::Saturated),
            // It was woken too late to use the room: the drop of it passes that on.
            Err(AwaitError::Interrupted) => Err(RejectReason::Interrupted),
            Err(AwaitError::TimedOut | AwaitError::FromWorker) => Err(RejectReason::TimedOut),
        }
    }

    /// Queues a job beyond the capacity, once for each thread while there is no room; a thread that
    /// has done so waits for room.
    #[cold]
    pub(crate) fn queue_beyond(self: &Arc<Self>, job: Job) -> Result<(), Rejected> {
        let mut taken = self.admit(job);
        loop {
            let job = match taken {
                Err(rejected) if rejected.reason() == RejectReason::Saturated => {
                    rejected.into_job()
                }
                other => return other,
            };
            let mut desk = self.desk.lock();
            if desk.phase() == Phase::Running && desk.may_queue_beyond() {
                self.enqueue(desk, &mut Slot::holding(job));
                return Ok(());
            }
            drop(desk);
            taken = match self.wait_for_room(Deadline::NEVER, &mut None) {
                Ok(room) => self.admit_in(job, room),
                Err(reason) => return Err(Rejected::new(job, reason)),
            };
        }
    }
}

/// A place that is kept for a submitter; passed on when this is dropped.
#[must_use = "a place is kept while this lives"]
pub(crate) struct KeptRoom<'a> {
    pool: &'a Pool,
    /// What parks this thread; none once the place is used.
    waiting: Option<Waiting>,
}

impl<'a> KeptRoom<'a> {
    fn new(pool: &'a Pool, waiting: Waiting) -> Self {
        Self { pool, waiting: Some(waiting) }
    }

    /// The submitter uses the place in this very step, and is parked until it drops what this
    /// returns.
    fn use_now(mut self, desk: &mut Desk) -> Option<Waiting> {
        desk.release_room();
        self.waiting.take()
    }
}

impl Drop for KeptRoom<'_> {
    fn drop(&mut self) {
        if self.waiting.is_some() {
            let mut desk = self.pool.desk.lock();
            desk.release_room();
            let wakes = desk.note_change();
            drop(desk);
            wakes.wake();
        }
    }
}
