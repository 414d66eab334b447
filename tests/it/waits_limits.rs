//! Waits of jobs for jobs: that their limits hold, that interrupts end them, and that the first
//! result ends a wait for any.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::convert::Infallible;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crossbeam_channel::bounded;
use workcrew::interrupt::{self, Interrupt, Interrupted};
use workcrew::policy::{Block, CallerRuns};
use workcrew::{
    AwaitError, Handle, InvokeAnyError, JobHandle, JobState, JoinError, Queue, RejectReason,
    Rejected, RejectionPolicy, Saturation, StartError, ThreadPerJob, ThreadPoolExecutor,
};

use crate::support::{
    Counter, Gate, LONG, SHORT, block_worker, eventually, finish, helper, single,
};
use crate::waits::soon;

/// The calls that a job makes with a time limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Timed {
    Join,
    Scoped,
    Set,
    All,
    Any,
    Started,
    Execute,
}

const TIMED: [Timed; 7] = [
    Timed::Join,
    Timed::Scoped,
    Timed::Set,
    Timed::All,
    Timed::Any,
    Timed::Started,
    Timed::Execute,
];

impl Timed {
    /// Waits for three jobs that do not end before the gate opens, and returns when the time is over.
    fn run_out(self, pool: &Handle, gate: &Gate, limit: Duration) {
        let wait = |gate: &Gate| {
            let gate = gate.clone();
            move || gate.pass()
        };
        match self {
            Self::Join => {
                let handles: Vec<_> = (0..3).map(|_| pool.submit(wait(gate)).unwrap()).collect();
                for handle in handles {
                    drop(handle.join_timeout(limit).expect_err("the gate is closed"));
                }
            }
            Self::Scoped => pool
                .scope(|s| {
                    let handle = s.submit(|| gate.pass()).unwrap();
                    drop(handle.join_timeout(limit).expect_err("the gate is closed"));
                    gate.open();
                })
                .unwrap(),
            Self::Set => {
                let mut set = pool.join_set();
                for _ in 0..3 {
                    set.submit(wait(gate)).unwrap();
                }
                let next = set.join_next_timeout(limit);
                assert!(matches!(next, Err(AwaitError::TimedOut)));
                set.detach_all();
            }
            Self::All => {
                let jobs = [(); 3].map(|()| wait(gate));
                let results = pool.invoke_all_timeout(jobs, limit).unwrap();
                assert!(
                    results.iter().all(|result| matches!(result, Err(JoinError::Cancelled(_))))
                );
            }
            Self::Any => {
                let jobs = [(); 3].map(|()| {
                    let wait = wait(gate);
                    move || {
                        wait();
                        Ok::<_, Infallible>(())
                    }
                });
                let result = pool.invoke_any_timeout(jobs, limit);
                assert!(matches!(result, Err(InvokeAnyError::TimedOut)));
            }
            Self::Started => {
                let handles: Vec<_> = (0..4).map(|_| pool.submit(wait(gate)).unwrap()).collect();
                let last = handles.last().unwrap();
                assert_eq!(last.wait_started(limit), Err(StartError::TimedOut));
            }
            Self::Execute => {
                let reason = (0..4).find_map(|_| pool.execute_timeout(wait(gate), limit).err());
                assert!(reason.is_none_or(|rejected| rejected.reason() == RejectReason::TimedOut));
            }
        }
    }

    /// Whether it can be called where nothing can be queued and the policy runs jobs here.
    fn never_runs_here(self) -> bool {
        matches!(self, Self::All | Self::Any | Self::Execute)
    }
}

/// Makes a pool of so many threads.
fn pool_of(
    threads: usize,
    queue: Queue,
    policy: impl RejectionPolicy + 'static,
) -> ThreadPoolExecutor {
    let builder = ThreadPoolExecutor::builder().threads(threads).queue(queue);
    builder.rejection_policy(policy).build().unwrap()
}

const BLOCK: Block = Block { timeout: Duration::MAX };

// Limits.

#[test]
fn a_limit_holds_over_jobs_that_do_not_end() {
    for limit in [Duration::ZERO, SHORT] {
        for call in TIMED {
            for threads in [1, 2] {
                for cold in [false, true] {
                    let pool = ThreadPoolExecutor::fixed(threads).unwrap();
                    if !cold {
                        pool.prestart_all_core_threads().unwrap();
                    }
                    let (own, gate) = (pool.handle(), Gate::new());
                    let closed = gate.clone();
                    let outer = pool.submit(move || call.run_out(&own, &closed, limit));
                    soon(outer.unwrap());
                    gate.open();
                    finish(&pool);
                }
            }
        }
    }
}

#[test]
fn a_limit_holds_on_a_full_pool_whatever_its_policy() {
    for call in TIMED.into_iter().filter(|call| call.never_runs_here()) {
        for queue in [Queue::Handoff, Queue::Bounded(1)] {
            for threads in [1, 2] {
                let pools = [pool_of(threads, queue, CallerRuns), pool_of(threads, queue, BLOCK)];
                for pool in pools {
                    let (own, gate) = (pool.handle(), Gate::new());
                    let closed = gate.clone();
                    let outer = pool.submit(move || call.run_out(&own, &closed, SHORT)).unwrap();
                    soon(outer);
                    gate.open();
                    finish(&pool);
                }
            }
        }
        let threads = ThreadPerJob::builder().limit(1).build().unwrap();
        let (own, gate) = (threads.handle(), Gate::new());
        let closed = gate.clone();
        soon(threads.submit(move || call.run_out(&own, &closed, SHORT)).unwrap());
        gate.open();
        threads.close();
    }
}

#[test]
fn a_limit_holds_for_a_caller_from_outside_who_runs_nothing_himself() {
    for queue in [Queue::Handoff, Queue::Bounded(1)] {
        let pools = [pool_of(1, queue, CallerRuns), pool_of(1, queue, BLOCK)];
        for pool in pools {
            let gate = Gate::new();
            block_worker(&pool, &gate);
            if queue == Queue::Bounded(1) {
                pool.execute(|| ()).unwrap();
            }
            let ran = Counter::new();
            let job = || {
                let ran = ran.clone();
                move || _ = ran.add()
            };
            let results = pool.invoke_all_timeout([job(), job()], SHORT).unwrap();
            assert!(results.iter().all(|result| matches!(result, Err(JoinError::Cancelled(_)))));
            let again = || {
                let job = job();
                move || {
                    job();
                    Ok::<_, Infallible>(())
                }
            };
            let any = pool.invoke_any_timeout([again(), again()], SHORT);
            assert!(matches!(any, Err(InvokeAnyError::TimedOut)));
            let reason = pool.execute_timeout(job(), SHORT).unwrap_err().reason();
            assert_eq!(reason, RejectReason::TimedOut);
            gate.open();
            finish(&pool);
            assert_eq!(ran.get(), 0, "{queue:?}");
        }
    }
}

/// Waits for room, and counts how often there was none in time.
struct Waits(Counter);

impl RejectionPolicy for Waits {
    fn rejected(&self, job: workcrew::Job, saturation: &Saturation<'_>) -> Result<(), Rejected> {
        match saturation.wait_for_room(SHORT) {
            Ok(()) => saturation.retry(job),
            Err(reason) => {
                self.0.add();
                saturation.reject_because(job, reason)
            }
        }
    }
}

#[test]
fn a_policy_that_waits_for_room_on_a_worker_is_told_when_the_time_is_over() {
    for queue in [Queue::Handoff, Queue::Bounded(1)] {
        let late = Counter::new();
        let pool = pool_of(1, queue, Waits(late.clone()));
        let (own, gate) = (pool.handle(), Gate::new());
        let closed = gate.clone();
        let outer = pool.submit(move || {
            let submit = || {
                let gate = closed.clone();
                own.execute(move || gate.pass()).map_err(|rejected| rejected.reason())
            };
            (0..4).find_map(|_| submit().err())
        });
        assert_eq!(soon(outer.unwrap()), Some(RejectReason::TimedOut), "{queue:?}");
        assert_eq!(late.get(), 1);
        gate.open();
        finish(&pool);
    }
}

// Interrupts.

/// In what a job waits that is run by the thread which waits for it.
#[derive(Clone, Copy, Debug)]
enum Blocked {
    Sleep,
    Recv,
    Park,
    Join,
    Child,
    Check,
}

const BLOCKED: [Blocked; 6] =
    [Blocked::Sleep, Blocked::Recv, Blocked::Park, Blocked::Join, Blocked::Child, Blocked::Check];

impl Blocked {
    /// Waits until it is interrupted; returns whether it was. `third` has a job that does not end.
    fn wait(self, third: &Handle, gate: &Gate) -> bool {
        match self {
            Self::Sleep => interrupt::sleep(crate::waits::PROMPTLY) == Err(Interrupted),
            Self::Recv => {
                let (_sender, never) = bounded::<()>(0);
                let message = interrupt::recv_timeout(&never, crate::waits::PROMPTLY);
                message == Err(interrupt::RecvTimeoutError::Interrupted)
            }
            Self::Park => {
                (0..100).any(|_| interrupt::park_timeout(crate::waits::PROMPTLY / 100).is_err())
            }
            Self::Join => {
                let gate = gate.clone();
                let handle = third.submit(move || gate.pass()).unwrap();
                handle.join_timeout(crate::waits::PROMPTLY).is_err() && interrupt::is_interrupted()
            }
            Self::Child => {
                let own = interrupt::current().unwrap().child();
                own.sleep(crate::waits::PROMPTLY) == Err(Interrupted)
            }
            Self::Check => {
                eventually("it is interrupted", interrupt::is_interrupted);
                true
            }
        }
    }
}

/// How a thread comes to run a job that it waits for.
#[derive(Clone, Copy, Debug)]
enum Inline {
    Join,
    Scoped,
    ScopeEnd,
    All,
    Map,
    CallerRuns,
}

const INLINE: [Inline; 6] =
    [Inline::Join, Inline::Scoped, Inline::ScopeEnd, Inline::All, Inline::Map, Inline::CallerRuns];

impl Inline {
    fn pool(self) -> ThreadPoolExecutor {
        match self {
            Self::CallerRuns => pool_of(1, Queue::Handoff, CallerRuns),
            Self::Join | Self::Scoped | Self::ScopeEnd | Self::All | Self::Map => single(),
        }
    }

    /// Runs the job on this worker, and returns what it returned.
    fn run(self, pool: &Handle, f: impl FnOnce() -> bool + Send + 'static) -> bool {
        match self {
            Self::Join => pool.submit(f).unwrap().join().unwrap(),
            Self::Scoped => pool.scope(|s| s.submit(f).unwrap().join().unwrap()).unwrap(),
            Self::ScopeEnd => {
                let mut result = false;
                pool.scope(|s| s.execute(|| result = f()).unwrap()).unwrap();
                result
            }
            // Interrupted itself, the call has no results.
            Self::All => {
                let (told, hears) = bounded(1);
                let result = pool.invoke_all([move || told.send(f()).unwrap()]);
                drop(result);
                hears.recv().unwrap()
            }
            Self::Map => {
                let (told, hears) = bounded(1);
                let f = parking_lot::Mutex::new(Some(f));
                let call = move |()| told.send(f.lock().take().unwrap()()).unwrap();
                drop(pool.map([()], call).next());
                hears.recv().unwrap()
            }
            Self::CallerRuns => {
                let (told, hears) = bounded(1);
                pool.execute(move || told.send(f()).unwrap()).unwrap();
                hears.recv().unwrap()
            }
        }
    }
}

/// An outer job runs another one inline, which waits; then something interrupts the outer one.
fn interrupts(
    by: Inline,
    blocked: Blocked,
    strike: impl FnOnce(&ThreadPoolExecutor, &JobHandle<bool>),
) {
    let (pool, third, gate, running) = (by.pool(), single(), Gate::new(), Gate::new());
    let (own, other, closed, runs) = (pool.handle(), third.handle(), gate.clone(), running.clone());
    let outer = pool
        .submit(move || {
            let this = thread::current().id();
            by.run(&own, move || {
                assert_eq!(thread::current().id(), this, "it runs inline");
                runs.open();
                blocked.wait(&other, &closed)
            })
        })
        .unwrap();
    running.pass();
    strike(&pool, &outer);
    assert!(soon(outer), "{by:?}, {blocked:?}");
    gate.open();
    finish(&pool);
    finish(&third);
}

#[test]
fn cancelling_a_job_reaches_one_that_it_runs_inline() {
    for by in INLINE {
        for blocked in BLOCKED {
            interrupts(by, blocked, |_, outer| _ = outer.cancel());
        }
    }
}

#[test]
fn stopping_the_pool_reaches_a_job_that_runs_inline() {
    for by in INLINE {
        for blocked in BLOCKED {
            interrupts(by, blocked, |pool, _| drop(pool.shutdown_now()));
        }
    }
}

#[test]
fn an_entered_interrupt_reaches_a_job_that_its_thread_runs_for_a_full_pool() {
    for blocked in BLOCKED {
        let pool = pool_of(1, Queue::Handoff, CallerRuns);
        let (third, gate) = (single(), Gate::new());
        block_worker(&pool, &gate);
        let (interrupt, running) = (Interrupt::new(), Gate::new());
        let (own, other, closed) = (pool.handle(), third.handle(), gate.clone());
        let (entered, runs) = (interrupt.clone(), running.clone());
        let caller = helper(move || {
            let _entered = entered.enter();
            let handle = own.submit(move || {
                runs.open();
                blocked.wait(&other, &closed)
            });
            soon(handle.unwrap())
        });
        running.pass();
        interrupt.interrupt();
        assert!(caller.join(), "{blocked:?}");
        gate.open();
        finish(&pool);
        finish(&third);
    }
}

fn nest(pool: &Handle, by: Inline, depth: usize, bottom: Gate) -> bool {
    let own = pool.clone();
    by.run(pool, move || {
        if depth > 0 {
            return nest(&own, by, depth - 1, bottom);
        }
        bottom.open();
        interrupt::sleep(crate::waits::PROMPTLY) == Err(Interrupted)
    })
}

#[test]
fn an_interrupt_reaches_the_bottom_of_a_nest() {
    for by in INLINE {
        let (pool, bottom) = (by.pool(), Gate::new());
        let (own, opens) = (pool.handle(), bottom.clone());
        let outer = pool.submit(move || nest(&own, by, 5, opens)).unwrap();
        bottom.pass();
        outer.cancel();
        assert!(soon(outer), "{by:?}");
        finish(&pool);
    }
}

#[test]
fn the_interrupt_of_a_job_that_runs_inline_does_not_reach_the_job_that_waits() {
    for by in INLINE {
        let pool = by.pool();
        let own = pool.handle();
        let (give, take) = bounded(1);
        let outer = pool
            .submit(move || {
                let ended = by.run(&own, move || {
                    give.send(interrupt::current().unwrap()).unwrap();
                    interrupt::sleep(LONG) == Err(Interrupted)
                });
                (ended, interrupt::is_interrupted())
            })
            .unwrap();
        take.recv().unwrap().interrupt();
        assert_eq!(soon(outer), (true, false), "{by:?}");
        finish(&pool);
    }
}

#[test]
fn a_job_that_runs_inline_and_heeds_no_interrupt_is_waited_for() {
    let (pool, gate, running) = (single(), Gate::new(), Gate::new());
    let (own, open, runs) = (pool.handle(), gate.clone(), running.clone());
    let outer = pool
        .submit(move || {
            let inner = own.submit(move || {
                runs.open();
                open.pass();
                7
            });
            (inner.unwrap().join(), interrupt::is_interrupted())
        })
        .unwrap();
    running.pass();
    outer.cancel();
    assert_eq!(outer.state(), JobState::Running);
    gate.open();
    let (result, is_interrupted) = soon(outer);
    assert_eq!((result.unwrap(), is_interrupted), (7, true));
    finish(&pool);
}

#[test]
fn the_interrupt_of_a_parked_job_ends_its_wait_and_no_other_job() {
    for timed in [false, true] {
        let (pool, gate, waits) = (single(), Gate::new(), Gate::new());
        let (own, open, waiting) = (pool.handle(), gate.clone(), waits.clone());
        let outer = pool
            .submit(move || {
                let mut set = own.join_set();
                set.submit(move || {
                    waiting.open();
                    open.pass();
                    interrupt::is_interrupted()
                })
                .unwrap();
                let ended = if timed {
                    matches!(set.join_next_timeout(LONG), Err(AwaitError::Interrupted))
                } else {
                    set.join_next().is_err()
                };
                (ended, set)
            })
            .unwrap();
        waits.pass();
        outer.cancel();
        let (ended, mut set) = soon(outer);
        assert!(ended);
        gate.open();
        let (_, inner) = set.join_next().unwrap().unwrap();
        assert!(!inner.unwrap(), "the other job is not interrupted");
        finish(&pool);
    }
}

// The first of several.

/// Takes the first of two results, of which the other does not come before the gate is open.
fn first(pool: &Handle, gate: &Gate, by: usize) -> u64 {
    let loser = {
        let gate = gate.clone();
        move || {
            gate.pass();
            0
        }
    };
    let job = |f: Box<dyn FnOnce() -> u64 + Send>| move || Ok::<_, Infallible>(f());
    let jobs = || [job(Box::new(loser)), job(Box::new(|| 7))];
    match by {
        0 => pool.invoke_any(jobs()).unwrap(),
        1 => pool.invoke_any_timeout(jobs(), LONG).unwrap(),
        _ => {
            let mut set = pool.join_set();
            for job in jobs() {
                set.submit(job).unwrap();
            }
            let next = if by == 2 {
                set.join_next().unwrap()
            } else {
                set.join_next_timeout(LONG).unwrap()
            };
            set.detach_all();
            next.unwrap().1.unwrap().unwrap()
        }
    }
}

#[test]
fn a_worker_takes_the_first_result_though_another_job_came_before_it() {
    for by in 0..4 {
        for cold in [false, true] {
            let (pool, gate) = (ThreadPoolExecutor::fixed(2).unwrap(), Gate::new());
            if !cold {
                pool.prestart_all_core_threads().unwrap();
            }
            let (own, closed) = (pool.handle(), gate.clone());
            let outer = pool.submit(move || first(&own, &closed, by)).unwrap();
            assert_eq!(soon(outer), 7, "{by}");
            gate.open();
            finish(&pool);
        }
    }
}

#[test]
fn a_job_on_the_caller_takes_the_first_result_though_another_job_came_before_it() {
    for by in 0..4 {
        let pool = Arc::new(pool_of(2, Queue::Bounded(2), CallerRuns));
        let (gate, worker) = (Gate::new(), Gate::new());
        (0..2).for_each(|_| block_worker(&pool, &worker));
        let fillers = [(); 2].map(|()| pool.submit(|| ()).unwrap());
        let (own, closed, this) = (pool.handle(), gate.clone(), thread::current().id());
        let outer = pool
            .submit(move || {
                assert_eq!(thread::current().id(), this, "it runs on its submitter");
                for filler in &fillers {
                    filler.cancel();
                }
                worker.open();
                first(&own, &closed, by)
            })
            .unwrap();
        assert_eq!(soon(outer), 7, "{by}");
        gate.open();
        finish(&pool);
    }
}

#[test]
fn on_one_thread_the_oldest_job_wins_and_the_next_one_is_not_waited_for() {
    let pool = single();
    let (own, gate) = (pool.handle(), Gate::new());
    let closed = gate.clone();
    let outer = pool.submit(move || {
        let job = |wait: bool| {
            let gate = closed.clone();
            move || {
                if wait {
                    gate.pass();
                }
                Ok::<_, Infallible>(7)
            }
        };
        own.invoke_any([job(false), job(true), job(true)]).unwrap()
    });
    assert_eq!(soon(outer.unwrap()), 7);
    gate.open();
    finish(&pool);
}
