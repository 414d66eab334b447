//! What the handles of a pool's jobs, and the threads that wait for them, ask of the pool.

use super::Pool;
use crate::desk::{Patience, StandIn};
use crate::error::Payload;
use crate::hooks::Worker;
use crate::interrupt;
use crate::job::waiting::{Attention, Parting, Standing};
use crate::job::{Bound, Ended, Help, Home, Job, Origin, Pending, Slot, enter_job};
use crate::post::Post;
use crate::stack;
use crate::stats::Ends;
use crate::sync::Arc;

impl Home for Pool {
    fn cancel(&self, claim: &mut dyn FnMut() -> bool) -> bool {
        let mut desk = self.desk.lock();
        if !claim() {
            return false;
        }
        desk.tally.cancelled += 1;
        let sweep = desk.drop_out();
        let wakes = desk.note_change();
        drop(desk);
        wakes.wake();
        self.sweep(sweep);
        true
    }

    fn cancel_ended(&self) {
        let tidy = self.desk.lock().try_tidy();
        self.tidy(tidy);
    }

    fn help(
        &self,
        task: &Arc<dyn Pending>,
        bound: Bound,
        claim: &mut dyn FnMut(u64) -> Help,
    ) -> Help {
        if bound == Bound::Time || !self.runs_here() {
            return Help::NotHere;
        }
        if bound == Bound::Stack && !stack::has_room() {
            return Help::TooDeep;
        }
        let mut desk = self.desk.lock();
        // A worker that has left has had its counts taken over, and counts no more.
        let worker = self.this_worker().filter(|(_, worker)| desk.employs(worker.index));
        let index = worker.as_ref().map(|(_, worker)| worker.index);
        let help = claim(desk.first_unpromised(index));
        if help != Help::Ran {
            return help;
        }
        desk.tally.started += 1;
        let sweep = desk.drop_out();
        // Before anybody is told that a place is free, so that no pause is seen.
        let caller = worker.is_none().then(|| Arc::new(Post::taken_here()));
        if let Some(post) = &caller {
            desk.caller_takes_over(Arc::clone(post));
        }
        let wakes = desk.note_change();
        drop(desk);
        wakes.wake();
        self.sweep(sweep);
        let mut slot = Slot::holding(Job::tracked(Arc::clone(task)));
        match (worker, caller) {
            (Some((ends, worker)), _) => self.run_inline(&ends, &worker, &mut slot),
            (None, Some(post)) => self.run_as_caller(&post, &mut slot),
            (None, None) => unreachable!("a thread that is no worker is a caller"),
        }
        help
    }

    fn is_inside(&self) -> bool {
        self.runs_here()
    }

    fn is_crowded(&self) -> bool {
        self.desk.lock().is_crowded()
    }

    fn park(&self) {
        let Some(index) = self.this_index() else { return };
        let mut desk = self.desk.lock();
        if desk.employs(index) {
            let wakes = desk.park(index);
            drop(desk);
            wakes.wake();
        }
    }

    fn unpark(&self, parting: Parting) {
        let Some(index) = self.this_index() else { return };
        let mut desk = self.desk.lock();
        let looks = desk.unpark(index, parting);
        let is_oversized = desk.is_oversized();
        drop(desk);
        if let Some(thread) = looks {
            thread.unpark();
        }
        if is_oversized {
            self.dismiss_one();
        }
    }

    fn attend(self: Arc<Self>, standing: Standing) -> Attention {
        let patience = match standing {
            Standing::Outside => return self.attend_outside(),
            Standing::Inside => Patience::Fresh,
            Standing::InsideLonger => Patience::Over,
            Standing::InsideNoMore => Patience::None,
        };
        // Only a worker is parked, and has a spare stand in for it.
        let Some(index) = self.this_index() else { return self.attend_outside() };
        let mut desk = self.desk.lock();
        if !desk.employs(index) {
            drop(desk);
            return self.attend_outside();
        }
        let stand_in = desk.stand_in(patience);
        drop(desk);
        match stand_in {
            StandIn::None => self.attend_outside(),
            StandIn::LookIn(time) => Attention::LookIn(time),
            StandIn::Start(recruit) => match self.launch(recruit) {
                Ok(()) => Attention::Started,
                Err(error) => {
                    self.report_refusal(&error);
                    Attention::Refused
                }
            },
            StandIn::TooMany => Attention::Full,
        }
    }

    fn report_panic(&self, payload: Payload) {
        self.hooks.panicked(&self.name, "a job whose handle is gone", payload);
    }

    fn report(&self, source: &str, origin: Option<&Origin>, payload: Payload) {
        self.hooks.panicked_from(&self.name, source, origin, payload);
    }
}

impl Pool {
    /// Sees to jobs that were stranded by a refused thread, where it is known that one was refused.
    fn attend_outside(self: &Arc<Self>) -> Attention {
        if self.was_refused.is_raised() { self.rescue() } else { Attention::None }
    }

    /// A worker is one too many: the next that looks for a job leaves.
    #[cold]
    fn dismiss_one(&self) {
        let mut outbox = self.outbox.lock();
        let mut desk = self.desk.lock();
        outbox.look = desk.calls_workers();
        if desk.is_oversized() {
            desk.tell_one_idle();
        }
    }

    /// Runs a started job on a worker whose own job waits for it.
    fn run_inline(&self, ends: &Ends, worker: &Worker, slot: &mut Slot) {
        // A frame of its own: the waiting job's interrupt comes back after.
        let frame = interrupt::enter_inline(&self.stop);
        let entered = enter_job();
        ends.post.push_down();
        ends.post.start_now();
        let mut ended = None;
        self.run(worker, &ends.post, slot, &mut ended);
        ends.post.pop_up();
        drop(entered);
        drop(frame);
        ends.note(Ended::outcome(ended.as_ref()));
        drop(ended);
    }
}
