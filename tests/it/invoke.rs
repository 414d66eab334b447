//! Several jobs in one call.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use workcrew::interrupt::{self, Interrupt};
use workcrew::{
    DirectExecutor, Executor, ExecutorExt, InvokeAllError, InvokeAnyError, JoinError,
    ManualExecutor, Queue, RejectReason, ThreadPerJob, ThreadPoolExecutor, policy,
};

use crate::support::{
    Counter, Gate, Helper, LONG, SHORT, block_worker, eventually, finish, helper, pass_time,
    repeat, single, soon, stop_point,
};

type Call<T> = Box<dyn FnOnce() -> T + Send>;

fn boxed<T>(f: impl FnOnce() -> T + Send + 'static) -> Call<T> {
    Box::new(f)
}

#[track_caller]
fn values<T>(results: Vec<Result<T, JoinError>>) -> Vec<T> {
    results.into_iter().map(|result| result.expect("each returns")).collect()
}

// All.

#[test]
fn all_results_come_in_the_order_of_the_jobs() {
    let pool = ThreadPoolExecutor::fixed(3).unwrap();
    let (gate, open) = (Gate::new(), AtomicUsize::new(0));
    let jobs = (0..20).map(|n| {
        let gate = gate.clone();
        open.fetch_add(1, Ordering::Relaxed);
        move || {
            // The first waits for the last.
            if n == 0 {
                gate.pass();
            } else if n == 19 {
                gate.open();
            }
            n
        }
    });
    assert_eq!(values(pool.invoke_all(jobs).unwrap()), (0..20).collect::<Vec<_>>());
    assert_eq!(open.into_inner(), 20);
    finish(&pool);
}

#[test]
fn a_job_on_the_caller_is_told_when_no_thread_can_be_had_for_its_own_jobs() {
    let pool = ThreadPoolExecutor::builder()
        .core_threads(0)
        .max_threads(1)
        .queue(Queue::Handoff)
        .keep_alive(Duration::ZERO)
        .rejection_policy(policy::CallerRuns)
        .thread_factory(|worker| match worker.index() {
            1 => worker.builder().spawn(move || worker.run()),
            _ => Err(std::io::Error::other("one is enough")),
        })
        .build()
        .unwrap();
    let (gate, handle) = (Gate::new(), pool.handle());
    block_worker(&pool, &gate);
    let on_caller = move || {
        gate.open();
        eventually("the worker leaves", || handle.stats().pool_size == 0);
        match handle.invoke_all([|| ()]) {
            Err(InvokeAllError::Rejected(rejected)) => rejected.reason(),
            other => panic!("not rejected: {other:?}"),
        }
    };
    let reason = pool.submit(on_caller).unwrap();
    assert_eq!(soon(reason), RejectReason::SpawnFailed);
    assert_eq!(finish(&pool).caller_ran, 1);
}

#[test]
fn all_of_nothing_is_nothing() {
    let pool = single();
    let none: [fn(); 0] = [];
    assert!(pool.invoke_all(none).unwrap().is_empty());
    for timeout in [Duration::ZERO, Duration::MAX] {
        assert!(pool.invoke_all_timeout(none, timeout).unwrap().is_empty());
    }
    pool.shutdown();
    assert!(pool.invoke_all(none).unwrap().is_empty());
    assert_eq!(finish(&pool).submitted, 0);
}

#[test]
fn a_panic_takes_one_place_of_all() {
    let pool = ThreadPoolExecutor::fixed(2).unwrap();
    let jobs = [boxed(|| 1), boxed(|| panic!("two")), boxed(|| 3)];
    let results = pool.invoke_all_timeout(jobs, Duration::MAX).unwrap();
    assert_eq!(results[0].as_ref().unwrap(), &1);
    assert_eq!(results[1].as_ref().unwrap_err().message(), Some("two"));
    assert_eq!(results[2].as_ref().unwrap(), &3);
    finish(&pool);
}

#[test]
fn what_is_late_of_all_is_cancelled_and_the_rest_has_its_results() {
    let pool = ThreadPoolExecutor::fixed(2).unwrap();
    let (first, third, ended) = (Gate::new(), Gate::new(), Gate::new());
    let (one, three, over) = (first.clone(), third.clone(), ended.clone());
    // The time is over no earlier than the two others are.
    let timeout = Duration::from_secs(2);
    let jobs = [
        boxed(move || {
            one.open();
            1
        }),
        boxed(move || {
            assert!(interrupt::sleep(LONG).is_err(), "it is interrupted");
            over.open();
            2
        }),
        boxed(move || {
            three.open();
            3
        }),
    ];
    let start = Instant::now();
    let results = pool.invoke_all_timeout(jobs, timeout).unwrap();
    assert!(start.elapsed() >= timeout);
    first.pass();
    third.pass();
    assert_eq!(results.len(), 3);
    assert_eq!(results[0].as_ref().unwrap(), &1);
    assert!(results[1].as_ref().unwrap_err().is_cancelled());
    assert_eq!(results[2].as_ref().unwrap(), &3);
    ended.pass();
    finish(&pool);
}

#[test]
fn an_executor_on_the_caller_looks_at_the_time_before_each_job() {
    // The first two are begun within it, however busy the machine is.
    let limit = Duration::from_secs(2);
    let ran = Counter::new();
    let count = ran.clone();
    let jobs = [
        boxed(|| 1),
        boxed(move || {
            pass_time(limit);
            2
        }),
        boxed(move || {
            count.add();
            3
        }),
    ];
    let executor: &dyn Executor = &DirectExecutor::new();
    let results = executor.invoke_all_timeout(jobs, limit).unwrap();
    assert_eq!(results[0].as_ref().unwrap(), &1);
    assert_eq!(results[1].as_ref().unwrap(), &2, "it has ended, though late");
    assert!(results[2].as_ref().unwrap_err().is_cancelled());
    assert_eq!(ran.get(), 0, "the third is not begun");
}

#[test]
fn every_executor_invokes() {
    let (pool, per_job) = (single(), ThreadPerJob::new());
    let direct = DirectExecutor::new();
    let manual = ManualExecutor::new();
    let driven = Driven::by(&manual);
    let executors: [&dyn Executor; 4] = [&pool.handle(), &per_job.handle(), &direct, &manual];
    for executor in executors {
        assert_eq!(values(executor.invoke_all((0..3).map(|n| move || n)).unwrap()), [0, 1, 2]);
        let tries = [boxed(|| Err("no")), boxed(|| Ok(7))];
        assert_eq!(executor.invoke_any(tries).unwrap(), 7);
        let tries = [boxed(|| Err::<(), _>("no"))];
        let failure = executor.invoke_any_timeout(tries, Duration::MAX).unwrap_err();
        assert!(matches!(failure, InvokeAnyError::Failed("no")));
    }
    drop(driven);
    finish(&pool);
}

/// Runs what is submitted to a `ManualExecutor`, until it is dropped.
struct Driven {
    manual: ManualExecutor,
    over: Gate,
    thread: Option<Helper<()>>,
}

impl Driven {
    fn by(manual: &ManualExecutor) -> Self {
        let (over, manual) = (Gate::new(), manual.clone());
        let (ended, jobs) = (over.clone(), manual.clone());
        let thread = helper(move || {
            while !ended.is_open() {
                jobs.run_until_idle();
                pass_time(Duration::from_millis(1));
            }
        });
        Self { manual, over, thread: Some(thread) }
    }
}

impl Drop for Driven {
    fn drop(&mut self) {
        self.over.open();
        drop(self.thread.take());
        assert_eq!(self.manual.pending(), 0);
    }
}

#[test]
fn all_returns_when_a_manual_executor_is_stopped_though_the_jobs_are_kept() {
    let manual = ManualExecutor::new();
    let executor = manual.clone();
    let caller = helper(move || executor.invoke_all([|| 1, || 2]).unwrap());
    eventually("both are queued", || manual.pending() == 2);
    let kept = manual.shutdown_now();
    assert_eq!(kept.len(), 2);
    assert!(caller.join().iter().all(|result| result.as_ref().unwrap_err().is_cancelled()));
}

#[test]
fn without_time_none_of_all_is_submitted() {
    let pool = single();
    let results = pool.invoke_all_timeout([|| 1, || 2], Duration::ZERO).unwrap();
    assert!(results.iter().all(|result| result.as_ref().unwrap_err().is_cancelled()));
    assert_eq!(results.len(), 2);
    assert_eq!(finish(&pool).submitted, 0);
}

#[test]
fn pending_ones_of_all_are_removed_when_the_time_is_over() {
    let pool = single();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    let ran = Counter::new();
    let jobs = (0..5).map(|_| {
        let ran = ran.clone();
        move || ran.add()
    });
    let results = pool.invoke_all_timeout(jobs, SHORT).unwrap();
    assert!(results.iter().all(|result| result.as_ref().unwrap_err().is_cancelled()));
    assert_eq!(pool.stats().queued, 0);
    gate.open();
    assert_eq!(finish(&pool).cancelled, 5);
    assert_eq!(ran.get(), 0);
}

#[test]
fn a_rejection_cancels_all_that_were_submitted() {
    let pool = ThreadPoolExecutor::builder().threads(1).queue(Queue::Bounded(2)).build().unwrap();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    let ran = Counter::new();
    let jobs = (0..4).map(|_| {
        let ran = ran.clone();
        move || {
            ran.add();
        }
    });
    match pool.invoke_all(jobs) {
        Err(InvokeAllError::Rejected(rejected)) => {
            assert!(rejected.is_saturated());
            rejected.into_job().run();
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(ran.get(), 1, "the rejected job came back, and ran");
    assert_eq!(pool.stats().queued, 0, "the others are cancelled");
    gate.open();
    let stats = finish(&pool);
    assert_eq!((stats.cancelled, stats.rejected), (2, 1));
}

#[test]
fn all_on_a_pool_that_discards_returns() {
    let builder = ThreadPoolExecutor::builder().threads(1).queue(Queue::Bounded(1));
    let pool = builder.rejection_policy(policy::Discard).build().unwrap();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    let handle = pool.handle();
    let caller = helper(move || handle.invoke_all((0..4).map(|n| move || n)).unwrap());
    eventually("three are discarded", || pool.stats().discarded == 3);
    gate.open();
    let results = caller.join();
    assert_eq!(results[0].as_ref().unwrap(), &0);
    assert!(results[1..].iter().all(|result| result.as_ref().unwrap_err().is_cancelled()));
    finish(&pool);
}

#[test]
fn all_after_a_shutdown_is_rejected() {
    let pool = single();
    pool.shutdown();
    match pool.invoke_all([|| ()]) {
        Err(InvokeAllError::Rejected(rejected)) => assert!(rejected.is_shutdown()),
        other => panic!("{other:?}"),
    }
    finish(&pool);
}

#[test]
fn all_returns_when_the_pool_is_stopped_though_the_jobs_are_kept() {
    for round in 0..repeat(50) {
        let pool = ThreadPoolExecutor::fixed(2).unwrap();
        let handle = pool.handle();
        let started = Counter::new();
        let count = started.clone();
        let caller = helper(move || {
            let jobs = (0..10).map(|_| {
                let count = count.clone();
                move || {
                    count.add();
                    interrupt::sleep(LONG).is_err()
                }
            });
            handle.invoke_all(jobs)
        });
        if round % 2 == 0 {
            started.reach(1);
        }
        let kept = pool.shutdown_now();
        match caller.join() {
            Ok(results) => {
                assert_eq!(results.len(), 10);
                let cancelled = results.iter().filter(|result| result.is_err()).count();
                assert_eq!(cancelled, kept.len(), "round {round}");
            }
            Err(InvokeAllError::Rejected(rejected)) => assert!(rejected.is_shutdown()),
            Err(other) => panic!("{other}"),
        }
        finish(&pool);
        drop(kept);
    }
}

#[test]
fn an_interrupt_of_the_caller_ends_the_wait_for_any() {
    let pool = ThreadPoolExecutor::fixed(1).unwrap();
    let (started, own) = (Gate::new(), Interrupt::new());
    let (handle, entered, open) = (pool.handle(), own.clone(), started.clone());
    let caller = helper(move || {
        let _entered = entered.enter();
        let job = move || {
            open.open();
            interrupt::sleep(LONG)
        };
        matches!(handle.invoke_any([job]), Err(InvokeAnyError::Interrupted))
    });
    started.pass();
    own.interrupt();
    assert!(caller.join());
    finish(&pool);
}

#[test]
fn an_interrupt_of_the_caller_cancels_all() {
    let pool = ThreadPoolExecutor::fixed(2).unwrap();
    let (running, interrupted, own) = (Counter::new(), Counter::new(), Interrupt::new());
    let (handle, entered) = (pool.handle(), own.clone());
    let (count, told) = (running.clone(), interrupted.clone());
    let caller = helper(move || {
        let _entered = entered.enter();
        let jobs = (0..5).map(|_| {
            let (count, told) = (count.clone(), told.clone());
            move || {
                count.add();
                if interrupt::sleep(LONG).is_err() {
                    told.add();
                }
            }
        });
        matches!(handle.invoke_all(jobs), Err(InvokeAllError::Interrupted))
    });
    running.reach(2);
    own.interrupt();
    assert!(caller.join());
    let stats = finish(&pool);
    assert_eq!((running.get(), interrupted.get(), stats.cancelled), (2, 2, 3));
}

#[test]
fn a_worker_may_invoke_all_on_its_own_pool() {
    for queue in [Queue::Unbounded, Queue::Bounded(1), Queue::Handoff] {
        for blocks in [true, false] {
            let builder = ThreadPoolExecutor::builder().threads(1).queue(queue);
            let builder = if blocks {
                builder.rejection_policy(policy::Block { timeout: Duration::MAX })
            } else {
                builder
            };
            let pool = builder.build().unwrap();
            let own = pool.handle();
            let outer = pool.submit(move || {
                let jobs = (0..4).map(|n| {
                    let own = own.clone();
                    move || {
                        let inner = own.invoke_all((0..3).map(|m| move || n * m)).unwrap();
                        values(inner).into_iter().sum::<i32>()
                    }
                });
                values(own.invoke_all(jobs).unwrap())
            });
            assert_eq!(soon(outer.unwrap()), [0, 3, 6, 9], "{queue:?}");
            let stats = finish(&pool);
            assert_eq!((stats.completed, stats.rejected), (17, 0));
        }
    }
}

#[test]
fn an_interrupt_of_a_worker_reaches_the_member_that_it_runs_itself() {
    for queue in [Queue::Unbounded, Queue::Handoff] {
        let pool = ThreadPoolExecutor::builder().threads(1).queue(queue).build().unwrap();
        let (own, running) = (pool.handle(), Gate::new());
        let started = running.clone();
        let outer = pool
            .submit(move || {
                let member = move || {
                    started.open();
                    interrupt::sleep(LONG * 10).is_err()
                };
                own.invoke_all([member]).map(values)
            })
            .unwrap();
        running.pass();
        assert_eq!(outer.cancel(), workcrew::CancelOutcome::Interrupted);
        // It ends, and with it the call: either way is right, as it had ended when the call looked.
        match soon(outer) {
            Ok(interrupted) => assert_eq!(interrupted, [true]),
            Err(InvokeAllError::Interrupted) => {}
            Err(other) => panic!("{other}"),
        }
        finish(&pool);
    }
}

#[test]
fn a_worker_helps_with_the_next_job_when_another_has_taken_one() {
    // The first member waits for the second, which only the waiting worker is free to run.
    for _ in 0..repeat(300) {
        let pool = ThreadPoolExecutor::fixed(2).unwrap();
        let (own, gate) = (pool.handle(), Gate::new());
        let outer = pool.submit(move || {
            let (first, second) = (gate.clone(), gate.clone());
            let jobs = [boxed(move || first.pass()), boxed(move || second.open()), boxed(|| ())];
            own.invoke_all(jobs).map(values)
        });
        // The first may fall to the caller itself: then it is the other worker that runs the second.
        assert_eq!(soon(outer.unwrap()).unwrap().len(), 3);
        finish(&pool);
    }
}

#[test]
fn jobs_of_a_pool_that_ends_get_theirs_back() {
    for stops in [true, false] {
        let pool = single();
        let (own, running, gate) = (pool.handle(), Gate::new(), Gate::new());
        let (started, held) = (running.clone(), gate.clone());
        let outer = pool
            .submit(move || {
                started.open();
                held.pass();
                let is_refused = |result: Result<_, InvokeAllError>| {
                    matches!(result, Err(InvokeAllError::Rejected(it)) if it.is_shutdown())
                };
                assert!(is_refused(own.invoke_all([|| ()])));
                assert!(is_refused(own.invoke_all_timeout([|| ()], LONG)));
                let any = own.invoke_any([|| Ok::<_, ()>(())]);
                assert!(matches!(any, Err(InvokeAnyError::Rejected(it)) if it.is_shutdown()));
                let any = own.invoke_any_timeout([|| Ok::<_, ()>(())], LONG);
                assert!(matches!(any, Err(InvokeAnyError::Rejected(it)) if it.is_shutdown()));
                assert!(own.join_set().submit(|| ()).unwrap_err().is_shutdown());
                let refused = own.scope(|s| s.execute(|| ()).unwrap_err().is_shutdown());
                assert_eq!(refused, Ok(true));
                let mapped: Vec<_> = own.map(0..2, |n| n).map(|result| result.is_err()).collect();
                let expected: &[bool] = &[true];
                assert_eq!(mapped, expected);
            })
            .unwrap();
        running.pass();
        if stops {
            drop(pool.shutdown_now());
        } else {
            pool.shutdown();
        }
        gate.open();
        soon(outer);
        finish(&pool);
    }
}

#[test]
fn a_panicking_iterator_cancels_what_it_gave_before() {
    let pool = single();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    let jobs = (0..3).map(|n| {
        assert!(n < 2, "no third job");
        || ()
    });
    let invokes = std::panic::AssertUnwindSafe(|| pool.invoke_all(jobs).map(drop));
    assert!(std::panic::catch_unwind(invokes).is_err());
    gate.open();
    assert_eq!(finish(&pool).cancelled, 2);
}

// Any.

#[test]
fn any_is_the_first_success_and_the_others_are_interrupted() {
    for jobs in 1..=6 {
        for threads in 1..=6 {
            let pool = ThreadPoolExecutor::fixed(threads).unwrap();
            let (started, interrupted) = (Counter::new(), Counter::new());
            let calls = (0..jobs).map(|n| {
                let (started, interrupted) = (started.clone(), interrupted.clone());
                move || {
                    started.add();
                    if n == 0 {
                        return Ok(n);
                    }
                    match interrupt::sleep(LONG) {
                        Ok(()) => Ok(n),
                        Err(error) => {
                            interrupted.add();
                            Err(error)
                        }
                    }
                }
            });
            assert_eq!(pool.invoke_any(calls).unwrap(), 0);
            finish(&pool);
            assert_eq!(started.get(), interrupted.get() + 1, "who started was told to stop");
        }
    }
}

#[test]
fn none_of_any_is_started_after_it_has_returned() {
    let pool = single();
    let ran = Counter::new();
    let jobs = (0..100).map(|n| {
        let ran = ran.clone();
        move || {
            ran.add();
            if n < 3 { Err("not yet") } else { Ok(n) }
        }
    });
    assert_eq!(pool.invoke_any(jobs).unwrap(), 3);
    let after = ran.get();
    assert!(pool.submit(|| ()).unwrap().join().is_ok());
    let stats = finish(&pool);
    // One that had started at that moment may have counted late.
    assert!(ran.get() <= after + 1);
    assert_eq!(ran.get() as u64, stats.completed - 1, "the others were cancelled, or never came");
}

#[test]
fn any_passes_over_failures_and_tells_the_last() {
    let pool = single();
    let jobs = [boxed(|| Err("first")), boxed(|| panic!("second")), boxed(|| Ok(3))];
    assert_eq!(pool.invoke_any(jobs).unwrap(), 3);
    let jobs = [boxed(|| Err::<(), _>("first")), boxed(|| Err("last"))];
    match pool.invoke_any(jobs) {
        Err(InvokeAnyError::Failed("last")) => {}
        other => panic!("{other:?}"),
    }
    let jobs = [boxed(|| Err::<(), _>("first")), boxed(|| panic!("last"))];
    match pool.invoke_any(jobs) {
        Err(InvokeAnyError::Ended(error)) => assert_eq!(error.message(), Some("last")),
        other => panic!("{other:?}"),
    }
    finish(&pool);
}

#[test]
fn the_failure_of_any_tells_its_cause() {
    let pool = single();
    let jobs = [|| "x".parse::<u32>()];
    let error = pool.invoke_any(jobs).unwrap_err();
    assert_eq!(
        error.to_string(),
        "every job failed, the last one with: invalid digit found in string"
    );
    let cause = std::error::Error::source(&error).unwrap();
    assert!(cause.is::<std::num::ParseIntError>());
    finish(&pool);
}

#[test]
fn any_of_nothing_is_an_error() {
    let pool = single();
    let none: [fn() -> Result<(), ()>; 0] = [];
    assert!(matches!(pool.invoke_any(none), Err(InvokeAnyError::Empty)));
    for timeout in [Duration::ZERO, Duration::MAX] {
        let result = pool.invoke_any_timeout(none, timeout);
        assert!(matches!(result, Err(InvokeAnyError::Empty)));
    }
    finish(&pool);
}

#[test]
fn any_has_one_deadline_and_interrupts_who_has_started() {
    let pool = single();
    let (started, interrupted) = (Counter::new(), Counter::new());
    let jobs = (0..3).map(|_| {
        let (started, interrupted) = (started.clone(), interrupted.clone());
        move || {
            started.add();
            interrupt::sleep(LONG).inspect_err(|_| {
                interrupted.add();
            })
        }
    });
    let start = Instant::now();
    assert!(matches!(pool.invoke_any_timeout(jobs, SHORT), Err(InvokeAnyError::TimedOut)));
    assert!(start.elapsed() >= SHORT);
    finish(&pool);
    assert_eq!(started.get(), interrupted.get());
}

#[test]
fn without_time_none_of_any_is_submitted() {
    let pool = single();
    let result = pool.invoke_any_timeout([|| Ok::<_, ()>(())], Duration::ZERO);
    assert!(matches!(result, Err(InvokeAnyError::TimedOut)));
    assert_eq!(finish(&pool).submitted, 0);
}

#[test]
fn any_after_a_shutdown_is_rejected() {
    let pool = single();
    pool.shutdown();
    match pool.invoke_any([|| Ok::<_, ()>(())]) {
        Err(InvokeAnyError::Rejected(rejected)) => assert!(rejected.is_shutdown()),
        other => panic!("{other:?}"),
    }
    finish(&pool);
}

#[test]
fn any_returns_when_the_pool_is_stopped_or_discards() {
    for stops in [true, false] {
        let builder = ThreadPoolExecutor::builder().threads(1);
        let builder = if stops {
            builder.queue(Queue::Unbounded)
        } else {
            builder.queue(Queue::Handoff).rejection_policy(policy::Discard)
        };
        let pool = builder.build().unwrap();
        let gate = Gate::new();
        block_worker(&pool, &gate);
        let handle = pool.handle();
        let jobs = || [boxed(|| Ok::<_, ()>(1)), boxed(|| Ok(2))];
        let caller = helper(move || handle.invoke_any(jobs()));
        let kept = if stops {
            eventually("both are queued", || pool.stats().queued == 2);
            pool.shutdown_now()
        } else {
            Vec::new()
        };
        match caller.join() {
            Err(InvokeAnyError::Ended(error)) => assert!(error.is_cancelled()),
            other => panic!("{other:?}"),
        }
        drop(kept);
        gate.open();
        finish(&pool);
    }
}

#[test]
fn a_worker_may_invoke_any_on_its_own_pool() {
    for queue in [Queue::Unbounded, Queue::Bounded(1), Queue::Handoff] {
        let pool = ThreadPoolExecutor::builder().threads(1).queue(queue).build().unwrap();
        let own = pool.handle();
        let outer = pool.submit(move || {
            let jobs = (0..4).map(|n| {
                let own = own.clone();
                move || own.invoke_any([move || if n < 2 { Err(n) } else { Ok(n) }])
            });
            own.invoke_any(jobs).unwrap()
        });
        assert!(soon(outer.unwrap()) >= 2, "one of those that succeed, {queue:?}");
        finish(&pool);
    }
}

#[test]
fn losers_are_not_waited_for() {
    let pool = ThreadPoolExecutor::fixed(2).unwrap();
    let (entered, leave, stop) = stop_point();
    let jobs = [
        boxed(move || {
            stop();
            Ok::<_, ()>(1)
        }),
        boxed(move || {
            entered.pass();
            Ok(2)
        }),
    ];
    assert_eq!(pool.invoke_any(jobs).unwrap(), 2);
    assert_eq!(pool.stats().active, 1, "the other one does not heed its interrupt");
    leave.open();
    finish(&pool);
}

#[test]
fn results_of_racing_calls_stay_apart() {
    let pool = Arc::new(ThreadPoolExecutor::fixed(3).unwrap());
    let callers: Vec<_> = (0..4_usize)
        .map(|caller| {
            let pool = Arc::clone(&pool);
            helper(move || {
                for round in 0..repeat(100) {
                    let jobs = (0..5).map(|n| move || (caller, round, n));
                    let results = values(pool.invoke_all(jobs).unwrap());
                    let expected: Vec<_> = (0..5).map(|n| (caller, round, n)).collect();
                    assert_eq!(results, expected);
                }
            })
        })
        .collect();
    for caller in callers {
        caller.join();
    }
    finish(&pool);
}
