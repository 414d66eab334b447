//! Pools that live for some jobs only, and every way to end one.

use std::time::Duration;

use crossbeam_channel::bounded;
use fastrand::Rng;
use workcrew::{
    Growth, Handle, Job, OnDrop, Queue, ShutdownGroup, ShutdownPlan, ThreadPerJob,
    ThreadPoolExecutor, interrupt,
};

use crate::books::{BOOKS, Ticket, settle};
use crate::load::{LONG, build, plain};

/// A job that ends when it is interrupted.
fn waiting() -> impl FnOnce() + Send + 'static {
    let mut ticket = Ticket::new();
    move || {
        ticket.stamp();
        let (_sender, receiver) = bounded::<()>(0);
        _ = interrupt::recv(&receiver);
    }
}

fn pool(rng: &mut Rng) -> ThreadPoolExecutor {
    let builder = ThreadPoolExecutor::builder().name("short");
    build(match rng.u32(..4) {
        0 => builder.threads(2).queue(Queue::Unbounded),
        1 => builder.core_threads(0).max_threads(3).queue(Queue::Handoff),
        2 => builder.core_threads(0).max_threads(3).growth(Growth::ThreadsFirst),
        _ => builder
            .core_threads(1)
            .max_threads(3)
            .queue(Queue::Bounded(4))
            .keep_alive(Duration::from_micros(50))
            .on_thread_start(|_| {})
            .before_job(|_| {})
            .after_job(|_, _| {})
            .on_drop(OnDrop::Stop),
    })
}

fn enter(handle: &Handle) {
    match handle.await_termination(LONG) {
        Ok(()) => BOOKS.enter(&handle.stats()),
        Err(error) => BOOKS.object(format!("a short-lived pool has not ended: {error}")),
    }
}

fn let_go(jobs: Vec<Job>) {
    drop(jobs);
}

/// Makes a pool, gives it some jobs, and ends it in one of the ways there are.
pub(crate) fn live(rng: &mut Rng) {
    if rng.u32(..8) == 0 {
        return live_per_job();
    }
    let pool = pool(rng);
    let handle = pool.handle();
    let kept = handle.keep_until_terminated(vec![0_u8; 100]);
    for _ in 0..10 {
        settle(pool.execute({
            let job = plain();
            move || _ = job()
        }));
    }
    let plan = ShutdownPlan::new().grace(Duration::ZERO).interrupt_wait(LONG);
    match rng.u32(..6) {
        0 => pool.close(),
        1 => drop(pool),
        2 => pool.detach(),
        3 => {
            settle(pool.execute(waiting()));
            let_go(pool.shutdown_now());
        }
        4 => {
            settle(pool.execute(waiting()));
            let_go(handle.shutdown_with(&plan).take_pending());
        }
        _ => {
            settle(pool.execute(waiting()));
            drop(ShutdownGroup::new().add_pool(0, pool.handle()).shutdown_with(&plan));
        }
    }
    drop(kept);
    enter(&handle);
}

/// The same on a thread for each job.
fn live_per_job() {
    let threads = ThreadPerJob::builder().limit(2).build().expect("these settings go together");
    let handle = threads.handle();
    let joined: Vec<_> = (0..4).filter_map(|_| settle(threads.submit(plain()))).collect();
    for job in joined {
        if job.join().is_err() {
            BOOKS.object("a job with a thread of its own has not returned".to_owned());
        }
    }
    threads.close();
    enter(&handle);
}
