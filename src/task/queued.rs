//! A job with a handle, as the pools see it that queue it and run it.

use super::cell::{Stage, Told};
use super::{Load, Task};
use crate::error::{CancelReason, JoinError, Payload};
use crate::interrupt::{self, Interrupt, Node};
use crate::job::{
    Around, Ended, Home, Layers, News, Origin, Outcome, Pending, PoolId, Queued, catch, drop_caught,
};
use crate::sync::{Arc, thread};
use crate::watch::Watch;

impl<F, T> Pending for Task<F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    fn queue(&self, home: Arc<dyn Home>, number: u64) -> Queued {
        let mut cell = self.cell.lock();
        if !matches!(cell.stage, Stage::Pending) {
            return Queued::Cancelled;
        }
        cell.home = Some(home);
        cell.number = number;
        cell.is_back = false;
        let is_new = std::mem::take(&mut cell.is_new);
        if is_new || !cell.is_awaited() {
            return Queued::Yes;
        }
        cell.is_put_back = true;
        Queued::Awaited
    }

    fn nudge(&self) {
        let mut cell = self.cell.lock();
        cell.is_put_back = true;
        let watcher = cell.watch.as_ref().map(Watch::watcher);
        let waiter = cell.waiter.clone();
        let start_waiters = cell.start_waiters.clone();
        drop(cell);
        waiter.iter().chain(&start_waiters).for_each(thread::Thread::unpark);
        if let Some((watcher, key)) = watcher {
            watcher.put_back(key);
        }
    }

    fn is_awaited(&self) -> bool {
        let cell = self.cell.lock();
        matches!(cell.stage, Stage::Pending) && cell.is_awaited()
    }

    fn start(&self) -> bool {
        let mut cell = self.cell.lock();
        let is_pending = matches!(cell.stage, Stage::Pending);
        if is_pending {
            cell.stage = Stage::Running;
            cell.is_back = false;
        }
        is_pending
    }

    fn hand_back(&self) -> bool {
        let mut cell = self.cell.lock();
        let is_pending = matches!(cell.stage, Stage::Pending);
        // The pool goes on living: whoever takes the job back holds it.
        cell.home = None;
        cell.why = CancelReason::HandedBack;
        is_pending
    }

    fn origin(&self) -> &Origin {
        &self.origin
    }

    fn wrap(&self, around: Around, by: Option<PoolId>) -> Option<Around> {
        match &mut *self.body.lock() {
            Some(load) => {
                let layers = Layers::add(load.layers.take(), around, by);
                load.layers = Some(Box::new(layers));
                None
            }
            None => Some(around),
        }
    }

    fn is_wrapped_by(&self, pool: PoolId) -> bool {
        let body = self.body.lock();
        let layers = body.as_ref().and_then(|load| load.layers.as_ref());
        layers.is_some_and(|layers| layers.are_by(pool))
    }

    fn is_pending(&self) -> bool {
        matches!(self.cell.lock().stage, Stage::Pending)
    }

    fn execute(self: Arc<Self>) -> Ended {
        self.tell_started();
        let Load { f, layers } = self.body.lock().take().expect("a job is started once");
        let entered = interrupt::enter_job(Interrupt::of(Arc::clone(&self) as Arc<dyn Node>));
        if let Some(layers) = layers {
            return self.execute_within(layers.around, f);
        }
        let result = catch(f);
        drop(entered);
        match result {
            Ok(value) => self.end(Outcome::Completed, Ok(value)),
            Err(payload) => self.end(Outcome::Panicked, Err(JoinError::panicked(payload))),
        }
    }

    fn fail(self: Arc<Self>, payload: Payload) -> Ended {
        self.tell_started();
        let body = self.body.lock().take();
        let stray = drop_caught(body).err();
        let ended = self.end(Outcome::Panicked, Err(JoinError::panicked(payload)));
        Ended { stray, ..ended }
    }

    fn because(&self, why: CancelReason) {
        self.cell.lock().why = why;
    }

    fn abandon(&self) {
        if let Some((told, body)) = self.cancel_pending(|cell| Some(cell.why)) {
            // Told also if the drop of the captures panics.
            let _watch = told.tell();
            drop(body);
        }
    }

    fn handed_back(&self) {
        let mut cell = self.cell.lock();
        if !matches!(cell.stage, Stage::Pending) {
            return;
        }
        let is_held = cell.home.is_none();
        cell.is_back = is_held;
        cell.is_put_back = !is_held;
        let watcher = cell.watch.as_ref().map(Watch::watcher);
        let waiter = cell.waiter.clone();
        let start_waiters = cell.start_waiters.clone();
        drop(cell);
        waiter.iter().chain(&start_waiters).for_each(thread::Thread::unpark);
        match watcher {
            Some((watcher, key)) if is_held => watcher.handed_back(key),
            Some((watcher, key)) => watcher.put_back(key),
            None => {}
        }
    }

    fn settle(&self) -> News {
        let news = {
            let mut cell = self.cell.lock();
            cell.settle();
            cell.news()
        };
        self.mark_settled();
        news
    }

    fn tell(&self) {
        let told = {
            let mut cell = self.cell.lock();
            cell.settle();
            Told::of(&mut cell)
        };
        self.mark_settled();
        drop(told.tell());
    }
}
