//! The load: pools that live as long as the program, and the threads that keep them and short-lived
//! ones busy, each at a pace of its own, so that what a second brings depends on no processor.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Barrier;
use std::thread::{self, JoinHandle, Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, select, tick};
use fastrand::Rng;
use parking_lot::Mutex;
use workcrew::policy::{Abort, Block, CallerRuns, Discard, DiscardOldest};
use workcrew::{
    Builder, CancelOutcome, Handle, InvokeAnyError, Job, JobHandle, Never, Queue, RejectionPolicy,
    ThreadPoolExecutor, interrupt,
};

use crate::books::{BOOKS, Ticket, settle};
use crate::short;

/// Longer than anything here takes that works.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// Most threads that the pool under changes may have.
const WIDEST: usize = 6;

/// What is broken on purpose, to see that it is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Fault {
    /// One job in a hundred leaks 32 KiB
    Memory,
    /// Jobs take ever longer
    Time,
    /// One thread is never joined
    Thread,
    /// One job is neither run nor dropped
    Job,
    /// Two threads wait for each other's locks; hangs unless built by .ci/deadlocks
    Deadlock,
}

/// The pools that live as long as the program.
pub(crate) struct Standing {
    /// Changed all the time.
    changing: ThreadPoolExecutor,
    /// Without core threads and queue.
    elastic: ThreadPoolExecutor,
    /// Soon full; one for each policy.
    tight: Vec<ThreadPoolExecutor>,
}

fn tight(policy: impl RejectionPolicy + 'static) -> ThreadPoolExecutor {
    build(
        ThreadPoolExecutor::builder().threads(1).queue(Queue::Bounded(4)).rejection_policy(policy),
    )
}

pub(crate) fn build(builder: Builder) -> ThreadPoolExecutor {
    builder.build().expect("these settings go together")
}

impl Standing {
    pub(crate) fn new() -> Self {
        let changing = ThreadPoolExecutor::builder()
            .core_threads(2)
            .max_threads(WIDEST)
            .queue(Queue::Bounded(512))
            .keep_alive(Duration::from_millis(20));
        let elastic = ThreadPoolExecutor::builder()
            .core_threads(0)
            .max_threads(12)
            .queue(Queue::Handoff)
            .keep_alive(Duration::from_millis(10))
            .rejection_policy(CallerRuns);
        let wait = Block { timeout: Duration::from_micros(200) };
        let tight = vec![
            tight(Abort),
            tight(CallerRuns),
            tight(Discard),
            tight(DiscardOldest),
            tight(wait),
        ];
        Self { changing: build(changing), elastic: build(elastic), tight }
    }

    fn pools(&self) -> impl Iterator<Item = &ThreadPoolExecutor> {
        [&self.changing, &self.elastic].into_iter().chain(&self.tight)
    }

    pub(crate) fn queued(&self) -> usize {
        self.pools().map(|pool| pool.stats().queued).sum()
    }

    pub(crate) fn close(self) {
        for pool in [self.changing, self.elastic].into_iter().chain(self.tight) {
            let handle = pool.handle();
            pool.close();
            BOOKS.enter(&handle.stats());
        }
    }
}

/// The threads that keep the pools busy. They end when this is dropped, and are to be joined.
pub(crate) struct Drivers<'scope> {
    stop: Sender<Never>,
    threads: Vec<ScopedJoinHandle<'scope, ()>>,
}

impl<'scope> Drivers<'scope> {
    pub(crate) fn start(
        scope: &'scope Scope<'scope, '_>,
        pools: &'scope Standing,
        fault: Option<Fault>,
    ) -> Self {
        let (stop, stopped) = bounded(0);
        let mut threads = Vec::new();
        let mut drive = |pace: u64, turn: Box<dyn FnMut(&mut Rng) + Send + 'scope>| {
            let stopped = stopped.clone();
            threads.push(scope.spawn(move || repeat(Duration::from_millis(pace), &stopped, turn)));
        };
        let began = Instant::now();
        drive(2, Box::new(move |rng| flood(&pools.changing, rng, fault, began)));
        drive(5, Box::new(|_| groups(&pools.changing.handle())));
        drive(20, Box::new(|rng| change(&pools.changing, rng)));
        drive(10, Box::new(|_| waits(&pools.elastic)));
        drive(5, Box::new(|rng| pools.tight.iter().for_each(|pool| refusals(pool, rng))));
        drive(10, Box::new(|_| removals(&pools.tight[0])));
        drive(10, Box::new(short::live));
        Self { stop, threads }
    }

    pub(crate) fn stop(self) {
        drop(self.stop);
        for thread in self.threads {
            if thread.join().is_err() {
                BOOKS.object("a driver panicked".to_owned());
            }
        }
    }
}

/// Takes a turn at each tick until it is told to stop. Ticks that it was too slow for are left out.
fn repeat(pace: Duration, stopped: &Receiver<Never>, mut turn: impl FnMut(&mut Rng)) {
    let mut rng = Rng::new();
    let ticks = tick(pace);
    loop {
        turn(&mut rng);
        select! {
            recv(ticks) -> _ => {}
            recv(stopped) -> _ => return,
        }
    }
}

/// Many small jobs, some of which are too large for the queue's own place, and some panic.
fn flood(pool: &ThreadPoolExecutor, rng: &mut Rng, fault: Option<Fault>, began: Instant) {
    for number in 0..40_u64 {
        let mut ticket = Ticket::new();
        match rng.u32(..100) {
            _ if fault == Some(Fault::Time) => {
                let job = move || {
                    ticket.stamp();
                    spin(began.elapsed().mul_f64(2e-5 * began.elapsed().as_secs_f64()));
                };
                _ = settle(pool.execute(job));
            }
            0 if fault == Some(Fault::Memory) => {
                let job = move || {
                    ticket.stamp();
                    std::mem::forget(vec![1_u8; 32 * 1024]);
                };
                _ = settle(pool.execute(job));
            }
            0..6 => _ = settle(pool.execute(move || fail(ticket))),
            6..16 => {
                let captures = [number; 16];
                let job = move || {
                    ticket.stamp();
                    std::hint::black_box(captures);
                };
                _ = settle(pool.execute(job));
            }
            _ => _ = settle(pool.execute(move || ticket.stamp())),
        }
    }
    let handles: Vec<_> = (0..10).filter_map(|_| settle(pool.submit(plain()))).collect();
    for handle in handles {
        // Who takes pending jobs back may drop this one.
        if handle.join().is_err_and(|error| !error.is_cancelled()) {
            BOOKS.object("a job that returns has not returned".to_owned());
        }
    }
}

fn spin(time: Duration) {
    let began = Instant::now();
    while began.elapsed() < time {
        std::hint::spin_loop();
    }
}

fn fail(mut ticket: Ticket) {
    ticket.stamp();
    resume_unwind(Box::new("on purpose"));
}

/// A job that does nothing but say that it ran.
pub(crate) fn plain() -> impl FnOnce() -> u32 + Send + 'static {
    let mut ticket = Ticket::new();
    move || {
        ticket.stamp();
        7
    }
}

/// All calls that take several jobs.
fn groups(pool: &Handle) {
    let items = std::iter::repeat_with(Ticket::item).take(32);
    let mut mapped = pool.map(items, |mut ticket| ticket.stamp());
    _ = mapped.by_ref().take(30).filter(Result::is_err).count();
    drop(mapped); // with jobs on their way

    let scoped = pool.scope(|scope| {
        for _ in 0..8 {
            let job = plain();
            if let Err(rejected) = scope.execute(|| _ = job()) {
                BOOKS.note_elsewhere();
                rejected.run();
            }
        }
    });
    drop(scoped);

    let mut set = pool.join_set();
    for _ in 0..8 {
        settle(set.submit(plain()));
    }
    while let Ok(Some(joined)) = set.join_next() {
        drop(joined);
    }

    drop(pool.invoke_all((0..8).map(|_| plain())));
    let any = pool.invoke_any((0..4).map(|number| {
        let job = plain();
        move || if number == job() - 7 { Err(number) } else { Ok(number) }
    }));
    if let Err(InvokeAnyError::Empty) = any {
        BOOKS.object("of four jobs there are none".to_owned());
    }
}

/// Changes sizes, keep-alive and capacity, and takes pending jobs back.
fn change(pool: &ThreadPoolExecutor, rng: &mut Rng) {
    let changed = match rng.u32(..7) {
        0 => pool.set_threads(rng.usize(1..3), rng.usize(3..=WIDEST)),
        1 => pool.set_core_threads(rng.usize(1..=3)),
        2 => pool.set_queue_capacity(rng.usize(64..=512)),
        3 => pool.set_keep_alive(Duration::from_millis(rng.u64(1..20))),
        4 => pool.allow_core_timeout(rng.bool()),
        5 => {
            // A refused thread is nothing to object to.
            pool.prestart_all_core_threads().ok();
            Ok(())
        }
        _ => {
            for job in pool.take_pending() {
                match rng.u32(..3) {
                    0 => drop(job),
                    1 => {
                        BOOKS.note_again();
                        settle(pool.execute_job(job));
                    }
                    _ => run_here(job),
                }
            }
            Ok(())
        }
    };
    if let Err(error) = changed {
        BOOKS.object(format!("a change was refused: {error}"));
    }
    pool.wait_idle(Duration::from_micros(500)).ok();
}

/// Runs a job that is no longer a pool's; one without a handle panics here, as a call would.
fn run_here(job: Job) {
    BOOKS.note_elsewhere();
    drop(catch_unwind(AssertUnwindSafe(|| job.run())));
}

/// Jobs that wait for ever, and are interrupted; then the workers' keep-alive is over.
fn waits(pool: &ThreadPoolExecutor) {
    let (_sender, receiver) = bounded::<()>(0);
    let handles = (0..6).filter_map(|number| {
        let (mut ticket, receiver) = (Ticket::new(), receiver.clone());
        settle(pool.submit(move || {
            ticket.stamp();
            if number % 2 == 0 {
                interrupt::recv(&receiver).is_err()
            } else {
                interrupt::sleep(LONG).is_err()
            }
        }))
    });
    let handles: Vec<JobHandle<bool>> = handles.collect();
    for handle in &handles {
        if !matches!(handle.cancel(), CancelOutcome::Interrupted | CancelOutcome::Removed) {
            BOOKS.object("a job that waits has ended".to_owned());
        }
    }
    for handle in handles {
        let was_woken = match handle.join() {
            Ok(was_woken) => was_woken,
            Err(error) => error.is_cancelled(),
        };
        if !was_woken {
            BOOKS.object("a job slept to its end".to_owned());
        }
    }
}

/// More jobs than there is room for, in all the ways that may be refused.
fn refusals(pool: &ThreadPoolExecutor, rng: &mut Rng) {
    let (door, gate) = bounded::<()>(0);
    let mut ticket = Ticket::new();
    let blocker = settle(pool.submit(move || {
        ticket.stamp();
        gate.recv_timeout(LONG).is_err_and(|error| error.is_disconnected())
    }));
    let mut handles = Vec::new();
    for number in 0..8 {
        let job = plain();
        match number % 4 {
            0 => _ = settle(pool.execute(move || _ = job())),
            1 => _ = settle(pool.try_execute(move || _ = job())),
            2 => {
                let wait = Duration::from_micros(rng.u64(..50));
                _ = settle(pool.execute_timeout(move || _ = job(), wait));
            }
            _ => handles.extend(settle(pool.submit(job))),
        }
    }
    drop(door);
    // Another driver uses the first of these pools too, so the blocker may have been refused.
    if blocker.is_some_and(|blocker| blocker.join().is_ok_and(|was_let_go| !was_let_go)) {
        BOOKS.object("a job was not let go".to_owned());
    }
    for handle in handles {
        _ = handle.join();
    }
}

/// Pending jobs that are cancelled.
fn removals(pool: &ThreadPoolExecutor) {
    let handles: Vec<_> = (0..4).filter_map(|_| settle(pool.submit(plain()))).collect();
    for handle in handles.iter().step_by(2) {
        handle.cancel();
    }
    for handle in handles {
        _ = handle.join();
    }
}

/// Breaks what is to be noticed, if anything is.
pub(crate) fn break_on_purpose(fault: Option<Fault>) -> Option<JoinHandle<()>> {
    match fault {
        Some(Fault::Thread) => Some(thread::spawn(thread::park)),
        Some(Fault::Job) => {
            std::mem::forget(Ticket::new());
            None
        }
        Some(Fault::Deadlock) => deadlock(),
        Some(Fault::Memory | Fault::Time) | None => None,
    }
}

fn deadlock() -> ! {
    let locks = [Mutex::new(()), Mutex::new(())];
    let both_have_one = Barrier::new(2);
    thread::scope(|scope| {
        for (mine, other) in [(0, 1), (1, 0)] {
            let (locks, both_have_one) = (&locks, &both_have_one);
            scope.spawn(move || {
                let _mine = locks[mine].lock();
                both_have_one.wait();
                drop(locks[other].lock());
            });
        }
    });
    unreachable!("each waits for the other")
}
