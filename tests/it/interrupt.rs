//! Interrupts: whom they reach, what they wake, and that they reach nobody else.

use std::sync::Arc;
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, select, unbounded};
use parking_lot::Mutex;
use workcrew::interrupt::{self, Interrupt, Interrupted, RecvError, RecvTimeoutError, SendError};
use workcrew::{
    AwaitError, CancelOutcome, Handle, Job, JobHandle, JobState, JoinError, Queue, RejectReason,
    ThreadPoolExecutor, policy,
};

use crate::support::{
    Counter, Gate, LONG, SHORT, block_worker, eventually, finish, helper, repeat, single, soon,
    stop_point,
};

/// A pool whose only worker is blocked until the gate opens, and whose queue has no room.
fn full(policy: impl workcrew::RejectionPolicy + 'static) -> (ThreadPoolExecutor, Gate) {
    let pool = ThreadPoolExecutor::builder()
        .threads(1)
        .queue(Queue::Handoff)
        .rejection_policy(policy)
        .build()
        .expect("a full pool");
    let gate = Gate::new();
    block_worker(&pool, &gate);
    (pool, gate)
}

#[test]
fn one_that_is_kept_after_its_job_and_handle_does_not_keep_the_pool() {
    let (token, kept) = (Arc::new(()), Arc::new(Mutex::new(None)));
    let held = Arc::clone(&token);
    let pool = ThreadPoolExecutor::builder()
        .threads(1)
        .on_thread_start(move |_| _ = Arc::strong_count(&held))
        .build()
        .expect("a pool of one thread");
    let (gate, keeping) = (Gate::new(), Arc::clone(&kept));
    let passed = gate.clone();
    let keep = move || {
        *keeping.lock() = interrupt::current();
        passed.pass();
    };
    drop(pool.submit(keep).expect("the pool is open"));
    gate.open();
    pool.close();
    assert!(kept.lock().is_some());
    eventually("the pool is gone, and its hooks with it", || Arc::strong_count(&token) == 1);
}

// What an interrupt wakes.

/// How a running job is interrupted.
#[derive(Clone, Copy, Debug)]
enum By {
    Cancel,
    ShutdownNow,
    Itself,
}

/// Runs `wait` as a job and interrupts it, at different moments before and during the wait. It
/// tells whether it was interrupted; it waits for LONG at most, so that a wait that is not woken
/// says no.
#[track_caller]
fn assert_wakes(wait: fn() -> bool) {
    for by in [By::Cancel, By::ShutdownNow, By::Itself] {
        for round in 0..repeat(8) {
            let pool = single();
            let running = Gate::new();
            let started = running.clone();
            let handle = pool
                .submit(move || {
                    started.open();
                    match by {
                        By::Cancel | By::ShutdownNow => {}
                        By::Itself => interrupt::current().expect("a job").interrupt(),
                    }
                    let start = Instant::now();
                    wait() && start.elapsed() < LONG / 2
                })
                .expect("accepted");
            running.pass();
            for _ in 0..round * round {
                thread::yield_now();
            }
            match by {
                By::Cancel => assert_eq!(handle.cancel(), CancelOutcome::Interrupted),
                By::ShutdownNow => assert_eq!(pool.shutdown_now().len(), 0),
                By::Itself => {}
            }
            assert!(soon(handle), "not woken, by {by:?}");
            assert_eq!(finish(&pool).completed, 1);
        }
    }
}

#[test]
fn it_wakes_a_sleep() {
    assert_wakes(|| interrupt::sleep(LONG) == Err(Interrupted));
    assert_wakes(|| interrupt::sleep(Duration::MAX) == Err(Interrupted));
    assert_wakes(|| interrupt::current().unwrap().sleep(LONG) == Err(Interrupted));
}

#[test]
fn it_wakes_a_park() {
    assert_wakes(|| parks(LONG));
    assert_wakes(|| parks(Duration::MAX));
}

/// Parks until interrupted, as a park may return for no reason.
fn parks(timeout: Duration) -> bool {
    let start = Instant::now();
    while start.elapsed() < LONG {
        if interrupt::park_timeout(timeout) == Err(Interrupted) {
            return true;
        }
    }
    false
}

#[test]
fn it_wakes_a_receive_and_a_send() {
    assert_wakes(|| {
        let (_sender, receiver) = unbounded::<()>();
        interrupt::recv(&receiver) == Err(RecvError::Interrupted)
    });
    assert_wakes(|| {
        let (_sender, receiver) = bounded::<()>(0);
        interrupt::recv_timeout(&receiver, LONG) == Err(RecvTimeoutError::Interrupted)
    });
    assert_wakes(|| {
        let (_sender, receiver) = bounded::<()>(0);
        interrupt::recv_timeout(&receiver, Duration::MAX) == Err(RecvTimeoutError::Interrupted)
    });
    assert_wakes(|| {
        let (sender, _receiver) = bounded(0);
        interrupt::send(&sender, 7) == Err(SendError::Interrupted(7))
    });
    assert_wakes(|| {
        let (sender, _receiver) = bounded(1);
        sender.send(6).unwrap();
        interrupt::send(&sender, 7) == Err(SendError::Interrupted(7))
    });
}

#[test]
fn it_wakes_a_select_on_its_signal() {
    assert_wakes(|| {
        let (_sender, receiver) = unbounded::<()>();
        let signal = interrupt::current().unwrap().signal();
        select! {
            recv(receiver) -> _ => false,
            recv(signal) -> message => message.is_err(),
            default(LONG) => false,
        }
    });
}

#[test]
fn it_wakes_who_waits_for_a_job() {
    assert_wakes(|| {
        let (pool, gate) = full(policy::Abort);
        let other = single();
        let open = gate.clone();
        let handle = other.submit(move || open.pass()).unwrap();
        let joined = handle.join();
        gate.open();
        finish_from_a_job(&other);
        drop(pool);
        matches!(joined, Err(JoinError::Interrupted))
    });
    assert_wakes(|| {
        let other = single();
        let gate = Gate::new();
        let open = gate.clone();
        let handle = other.submit(move || open.pass()).unwrap();
        let joined = handle.join_timeout(LONG);
        gate.open();
        finish_from_a_job(&other);
        joined.is_err_and(|handle| handle.state() == JobState::Finished)
    });
}

/// Ends another pool from a job that is interrupted, and so cannot wait for it in our own calls.
fn finish_from_a_job(other: &ThreadPoolExecutor) {
    other.shutdown();
    let handle = other.handle();
    helper(move || handle.await_termination(LONG).expect("the other pool ends")).join();
}

#[test]
fn it_wakes_who_waits_for_a_pool() {
    assert_wakes(|| {
        let other = single();
        let woken = other.await_termination(LONG) == Err(AwaitError::Interrupted);
        finish_from_a_job(&other);
        woken
    });
    assert_wakes(|| {
        let other = single();
        let woken = other.await_termination(Duration::MAX) == Err(AwaitError::Interrupted);
        finish_from_a_job(&other);
        woken
    });
    assert_wakes(|| {
        let (other, gate) = full(policy::Abort);
        let woken = other.wait_idle(LONG) == Err(AwaitError::Interrupted);
        gate.open();
        finish_from_a_job(&other);
        woken
    });
}

#[test]
fn it_wakes_who_waits_for_room() {
    assert_wakes(|| {
        let (other, gate) = full(policy::Abort);
        let rejected = other.execute_timeout(|| (), LONG).unwrap_err();
        gate.open();
        finish_from_a_job(&other);
        rejected.reason() == RejectReason::Interrupted && !rejected.is_saturated()
    });
    assert_wakes(|| {
        let (other, gate) = full(policy::Block { timeout: Duration::MAX });
        let rejected = other.execute(|| ()).unwrap_err();
        gate.open();
        finish_from_a_job(&other);
        rejected.reason() == RejectReason::Interrupted
    });
}

#[test]
fn a_timed_join_that_is_interrupted_gives_a_handle_back_that_still_works() {
    let (first, second) = (single(), single());
    let gate = Gate::new();
    let (running, awaited_runs) = (Gate::new(), Gate::new());
    let (open, started, begun) = (gate.clone(), running.clone(), awaited_runs.clone());
    let awaited = second
        .submit(move || {
            begun.open();
            open.pass();
            (interrupt::is_interrupted(), 42)
        })
        .unwrap();
    awaited_runs.pass();
    let waiter = first
        .submit(move || {
            started.open();
            let handle = awaited.join_timeout(LONG).expect_err("it is interrupted");
            (interrupt::check(), handle)
        })
        .unwrap();
    running.pass();
    assert_eq!(waiter.cancel(), CancelOutcome::Interrupted);
    let (check, handle) = soon(waiter);
    assert_eq!(check, Err(Interrupted), "which tells it from a time that is over");
    assert_eq!(handle.state(), JobState::Running);
    gate.open();
    assert_eq!(soon(handle), (false, 42), "the awaited job was not interrupted");
    finish(&first);
    finish(&second);
}

#[test]
fn a_join_that_is_interrupted_lets_the_awaited_job_go_on() {
    let pool = ThreadPoolExecutor::fixed(2).unwrap();
    let (gate, running, ended) = (Gate::new(), Gate::new(), Counter::new());
    let (open, started, count) = (gate.clone(), running.clone(), ended.clone());
    let awaited = pool
        .submit(move || {
            started.open();
            open.pass();
            assert!(!interrupt::is_interrupted());
            count.add();
        })
        .unwrap();
    running.pass();
    let waiting = Gate::new();
    let about_to = waiting.clone();
    let waiter = pool
        .submit(move || {
            about_to.open();
            awaited.join().unwrap_err().to_string()
        })
        .unwrap();
    waiting.pass();
    assert_eq!(waiter.cancel(), CancelOutcome::Interrupted);
    assert_eq!(soon(waiter), "interrupted while waiting for the job");
    gate.open();
    ended.reach(1);
    assert_eq!(finish(&pool).panicked, 0);
}

#[test]
fn an_interrupted_job_does_not_help_but_leaves_the_awaited_one_pending() {
    let pool = single();
    let inner = pool.handle();
    let outer = pool
        .submit(move || {
            interrupt::current().unwrap().interrupt();
            let child = inner.submit(|| thread::current().id()).unwrap();
            let child = child.join_timeout(LONG).expect_err("this job shall stop");
            assert_eq!(child.state(), JobState::Pending);
            child
        })
        .unwrap();
    soon(soon(outer));
    finish(&pool);
}

// Whom it reaches.

#[test]
fn cancelling_one_of_several_running_jobs_interrupts_that_one() {
    let pool = ThreadPoolExecutor::fixed(3).unwrap();
    let (gate, running) = (Gate::new(), Counter::new());
    let handles: Vec<_> = (0..3)
        .map(|_| {
            let (open, started) = (gate.clone(), running.clone());
            pool.submit(move || {
                started.add();
                open.pass();
                interrupt::is_interrupted()
            })
            .unwrap()
        })
        .collect();
    running.reach(3);
    assert_eq!(handles[1].cancel(), CancelOutcome::Interrupted);
    gate.open();
    let seen: Vec<_> = handles.into_iter().map(soon).collect();
    assert_eq!(seen, [false, true, false]);
    finish(&pool);
}

#[test]
fn the_next_job_of_the_same_worker_starts_clean() {
    let pool = single();
    let interrupted = pool
        .submit(|| {
            interrupt::current().unwrap().interrupt();
            (interrupt::is_interrupted(), thread::current().id())
        })
        .unwrap();
    let (was, worker) = soon(interrupted);
    assert!(was);
    let look = || {
        assert!(!interrupt::current().unwrap().is_interrupted());
        assert_eq!(interrupt::check(), Ok(()));
        assert_eq!(interrupt::sleep(Duration::ZERO), Ok(()));
        thread::current().id()
    };
    assert_eq!(soon(pool.submit(look).unwrap()), worker);
    pool.execute(move || {
        look();
    })
    .unwrap();
    // A job without a handle has an interrupt of its own too.
    pool.execute(|| interrupt::current().unwrap().interrupt()).unwrap();
    pool.execute(move || {
        look();
    })
    .unwrap();
    assert_eq!(soon(pool.submit(look).unwrap()), worker);
    let stats = finish(&pool);
    assert_eq!((stats.completed, stats.panicked), (6, 0));
}

#[test]
fn a_late_cancel_never_reaches_the_next_job_of_the_worker() {
    let pool = single();
    let (victims, missed) = (Counter::new(), Counter::new());
    let rounds = repeat(1_500);
    let (sender, receiver) = bounded::<JobHandle<()>>(0);
    let canceller = helper(move || {
        for handle in receiver {
            handle.cancel();
            handle.cancel();
        }
    });
    for round in 0..rounds {
        let target = pool
            .submit(move || {
                for _ in 0..round % 5 {
                    thread::yield_now();
                }
            })
            .unwrap();
        let look = |count: Counter| {
            move || {
                let own = interrupt::current().expect("a job");
                for _ in 0..20 {
                    if own.is_interrupted() || interrupt::is_interrupted() {
                        count.add();
                    }
                    thread::yield_now();
                }
            }
        };
        sender.send(target).unwrap();
        pool.execute(look(victims.clone())).unwrap();
        soon(pool.submit(look(missed.clone())).unwrap());
    }
    drop(sender);
    canceller.join();
    finish(&pool);
    assert_eq!((victims.get(), missed.get()), (0, 0), "another job's interrupt was seen");
}

#[test]
fn an_interrupt_kept_from_an_ended_job_reaches_nobody() {
    let pool = single();
    for _ in 0..repeat(200) {
        let kept = soon(pool.submit(|| interrupt::current().unwrap()).unwrap());
        assert!(!kept.is_interrupted());
        kept.interrupt();
        assert!(!soon(pool.submit(interrupt::is_interrupted).unwrap()));
    }
    finish(&pool);
}

#[test]
fn shutdown_interrupts_nobody() {
    let pool = single();
    let (gate, running) = (Gate::new(), Gate::new());
    let (open, started) = (gate.clone(), running.clone());
    let handle = pool
        .submit(move || {
            started.open();
            open.pass();
            interrupt::is_interrupted()
        })
        .unwrap();
    let later = pool.submit(interrupt::is_interrupted).unwrap();
    running.pass();
    pool.shutdown();
    gate.open();
    assert!(!soon(handle));
    assert!(!soon(later));
    finish(&pool);
}

#[test]
fn shutdown_now_interrupts_every_running_job_also_those_of_callers_and_waiters() {
    let pool = ThreadPoolExecutor::builder()
        .threads(2)
        .queue(Queue::Bounded(1))
        .rejection_policy(policy::CallerRuns)
        .build()
        .unwrap();
    let running = Counter::new();
    let stops = |running: &Counter| {
        let running = running.clone();
        move || {
            running.add();
            interrupt::sleep(LONG)
        }
    };
    // One on each worker, the second of which waits for a child and so runs it.
    let plain = pool.submit(stops(&running)).unwrap();
    running.reach(1);
    let (inner, child) = (pool.handle(), stops(&running));
    let parent = pool
        .submit(move || {
            let child = inner.submit(child).unwrap();
            (child.join().unwrap(), interrupt::is_interrupted())
        })
        .unwrap();
    running.reach(2);
    // The queue is empty again: one is pending, and the next is run by its submitter.
    let pending = pool.submit(stops(&running)).unwrap();
    let (submitter, by_caller) = (pool.handle(), stops(&running));
    let caller = helper(move || {
        let handle = submitter.submit(by_caller).expect("run here");
        (soon(handle), interrupt::is_interrupted())
    });
    running.reach(3);
    let stats = pool.stats();
    assert_eq!((stats.active, stats.queued, stats.caller_ran), (4, 1, 1));

    assert_eq!(pool.shutdown_now().len(), 1);
    assert_eq!(soon(plain), Err(Interrupted));
    assert_eq!(soon(parent), (Err(Interrupted), true));
    assert_eq!(caller.join(), (Err(Interrupted), false), "and the caller itself is not");
    assert!(pending.join().unwrap_err().is_cancelled());
    assert_eq!(finish(&pool).completed, 4);
}

#[test]
fn a_helped_job_has_an_interrupt_of_its_own() {
    let pool = single();
    let inner = pool.handle();
    let handle = pool
        .submit(move || {
            let outer = interrupt::current().unwrap();
            let other = outer.clone();
            let child = inner
                .submit(move || {
                    other.interrupt(); // the waiting job's
                    let before = interrupt::is_interrupted();
                    interrupt::current().unwrap().interrupt();
                    (before, interrupt::is_interrupted())
                })
                .unwrap();
            let child = child.join().unwrap();
            (child, interrupt::is_interrupted())
        })
        .unwrap();
    assert_eq!(soon(handle), ((true, true), true), "both are interrupted together");

    let inner = pool.handle();
    let handle = pool
        .submit(move || {
            let child = inner.submit(|| interrupt::current().unwrap().interrupt()).unwrap();
            child.join().unwrap();
            interrupt::is_interrupted()
        })
        .unwrap();
    assert!(!soon(handle), "the child's interrupt ends with the child");
    finish(&pool);
}

#[test]
fn a_job_run_by_a_job_of_another_pool_has_an_interrupt_of_its_own() {
    let (other, gate) = full(policy::CallerRuns);
    let pool = single();
    let submitter = other.handle();
    let handle = pool
        .submit(move || {
            let here = thread::current().id();
            let inner = submitter
                .submit(move || {
                    assert_eq!(thread::current().id(), here);
                    interrupt::current().unwrap().interrupt();
                    interrupt::is_interrupted()
                })
                .unwrap();
            let was_interrupted = inner.try_join().expect("it was run here").unwrap();
            (was_interrupted, interrupt::is_interrupted())
        })
        .unwrap();
    assert_eq!(soon(handle), (true, false));
    gate.open();
    finish(&other);
    finish(&pool);
}

#[test]
fn a_job_run_by_hand_within_a_job_is_interrupted_by_its_own_handle() {
    let pool = single();
    let handle = pool
        .submit(|| {
            let (job, inner) = Job::with_handle(|| {
                interrupt::current().unwrap().interrupt();
                interrupt::is_interrupted()
            });
            job.run();
            (inner.join().unwrap(), interrupt::is_interrupted())
        })
        .unwrap();
    assert_eq!(soon(handle), (true, false));
    finish(&pool);
}

// The type itself.

#[test]
fn it_stays_set_and_clones_are_the_same() {
    let interrupt = Interrupt::new();
    let clone = interrupt.clone();
    let signal = clone.signal();
    assert!(!clone.is_interrupted());
    assert_eq!(clone.check(), Ok(()));
    assert!(signal.try_recv().is_err_and(|error| error.is_empty()));
    assert_eq!(format!("{clone:?}"), "Interrupt { is_interrupted: false }");
    interrupt.interrupt();
    interrupt.interrupt();
    for _ in 0..2 {
        assert!(clone.is_interrupted());
        assert_eq!(clone.check(), Err(Interrupted));
        assert!(signal.try_recv().is_err_and(|error| error.is_disconnected()));
        assert!(clone.signal().try_recv().is_err_and(|error| error.is_disconnected()));
        assert_eq!(clone.sleep(LONG), Err(Interrupted));
    }
    assert_eq!(Interrupted.to_string(), "interrupted: the job was asked to stop");
}

#[test]
fn a_child_is_set_with_its_parent_or_alone() {
    let parent = Interrupt::new();
    let (first, second) = (parent.child(), parent.child());
    let grandchild = first.child();
    let signal = grandchild.signal();
    first.interrupt();
    assert!(first.is_interrupted() && grandchild.is_interrupted());
    assert!(!parent.is_interrupted() && !second.is_interrupted());
    assert!(signal.recv().is_err());

    let calls = Counter::new();
    let count = calls.clone();
    let _guard = second.on_interrupt(move || {
        count.add();
    });
    let dropped = parent.child();
    drop(dropped);
    parent.interrupt();
    assert!(second.is_interrupted());
    assert_eq!(calls.get(), 1);
    assert!(parent.child().is_interrupted(), "a child that comes late is set at once");
    assert!(first.child().is_interrupted());
}

#[test]
fn a_grandchild_is_reached_although_the_child_between_is_dropped() {
    let parent = Interrupt::new();
    let grandchild = parent.child().child();
    parent.interrupt();
    assert!(grandchild.is_interrupted());
}

#[test]
fn a_deep_tree_is_set_to_its_last_leaf_and_can_be_dropped() {
    let root = Interrupt::new();
    let mut leaf = root.child();
    for _ in 0..100_000 {
        leaf = leaf.child();
    }
    root.interrupt();
    assert!(leaf.is_interrupted());
    let mut unset = Interrupt::new();
    for _ in 0..100_000 {
        unset = unset.child();
    }
    assert!(!unset.is_interrupted());
    drop(unset);
}

#[test]
fn a_child_made_while_the_parent_is_set_is_never_missed() {
    for _ in 0..repeat(300) {
        let parent = Interrupt::new();
        let start = Gate::new();
        let (above, go) = (parent.clone(), start.clone());
        let setter = helper(move || {
            go.pass();
            above.interrupt();
        });
        start.open();
        let children: Vec<_> = (0..10).map(|_| parent.child()).collect();
        setter.join();
        assert!(children.iter().all(Interrupt::is_interrupted));
    }
}

#[test]
fn children_of_a_jobs_interrupt_follow_it_and_shutdown_now() {
    for way in [By::Cancel, By::ShutdownNow] {
        let pool = single();
        let (sender, receiver) = bounded(1);
        let handle = pool
            .submit(move || {
                let child = interrupt::current().unwrap().child();
                let grandchild = child.child();
                sender.send(grandchild.clone()).unwrap();
                grandchild.sleep(LONG)
            })
            .unwrap();
        let grandchild = receiver.recv_timeout(LONG).unwrap();
        match way {
            By::Cancel => drop(handle.cancel()),
            By::ShutdownNow => drop(pool.shutdown_now()),
            By::Itself => unreachable!("not among the two"),
        }
        assert_eq!(soon(handle), Err(Interrupted));
        assert!(grandchild.is_interrupted());
        finish(&pool);
    }
}

fn remember(calls: &Arc<Mutex<Vec<ThreadId>>>) -> impl FnOnce() + Send + 'static {
    let calls = Arc::clone(calls);
    move || calls.lock().push(thread::current().id())
}

#[test]
fn a_callback_runs_once_on_the_thread_that_interrupts() {
    let interrupt = Interrupt::new();
    let calls = Arc::new(Mutex::new(Vec::new()));
    let _first = interrupt.on_interrupt(remember(&calls));
    let _second = interrupt.on_interrupt(remember(&calls));
    assert!(calls.lock().is_empty());
    let clone = interrupt.clone();
    let setter = helper(move || {
        clone.interrupt();
        clone.interrupt();
        thread::current().id()
    })
    .join();
    assert_eq!(*calls.lock(), [setter, setter]);
    // Set already: here and now.
    let _late = interrupt.on_interrupt(remember(&calls));
    assert_eq!(*calls.lock(), [setter, setter, thread::current().id()]);
}

#[test]
fn a_dropped_guard_takes_its_callback_back() {
    let interrupt = Interrupt::new();
    let calls = Arc::new(Mutex::new(Vec::new()));
    let taken_back = interrupt.on_interrupt(remember(&calls));
    let _kept = interrupt.on_interrupt(remember(&calls));
    assert_eq!(format!("{taken_back:?}"), "Guard { .. }");
    drop(taken_back);
    assert_eq!(Arc::strong_count(&calls), 2, "what it captured is dropped too");
    interrupt.interrupt();
    assert_eq!(calls.lock().len(), 1);
}

#[test]
fn dropping_a_guard_waits_for_the_callback_that_is_running() {
    let interrupt = Interrupt::new();
    let (running, gate, ended) = (Gate::new(), Gate::new(), Gate::new());
    let (started, open, over) = (running.clone(), gate.clone(), ended.clone());
    let guard = interrupt.on_interrupt(move || {
        started.open();
        open.pass();
        over.open();
    });
    let setter = helper(move || interrupt.interrupt());
    running.pass();
    let (about_to, over) = (Gate::new(), ended.clone());
    let dropping = about_to.clone();
    let dropper = helper(move || {
        dropping.open();
        drop(guard);
        over.is_open()
    });
    about_to.pass();
    gate.open();
    assert!(dropper.join(), "the drop returned before the callback's end");
    setter.join();
}

#[test]
fn a_callback_and_its_guards_drop_never_overlap() {
    for round in 0..repeat(500) {
        let interrupt = Interrupt::new();
        let (alive, seen_dead) = (Arc::new(Mutex::new(true)), Counter::new());
        let (state, count) = (Arc::clone(&alive), seen_dead.clone());
        let guard = interrupt.on_interrupt(move || {
            if !*state.lock() {
                count.add();
            }
        });
        let start = Gate::new();
        let go = start.clone();
        let setter = helper(move || {
            go.pass();
            interrupt.interrupt();
        });
        start.open();
        for _ in 0..round % 4 {
            thread::yield_now();
        }
        drop(guard);
        *alive.lock() = false;
        setter.join();
        assert_eq!(seen_dead.get(), 0, "it reached what came after its guard");
    }
}

#[test]
fn a_callback_may_drop_its_own_guard_and_use_its_interrupt() {
    let interrupt = Interrupt::new();
    let slot: Arc<Mutex<Option<interrupt::Guard>>> = Arc::default();
    let (inner, own) = (Arc::clone(&slot), interrupt.clone());
    let called = Gate::new();
    let over = called.clone();
    let guard = interrupt.on_interrupt(move || {
        let guard = inner.lock().take();
        drop(guard);
        assert!(own.is_interrupted());
        own.interrupt();
        assert!(own.child().is_interrupted());
        let _nested = own.on_interrupt(move || over.open());
    });
    *slot.lock() = Some(guard);
    let setter = helper(move || interrupt.interrupt());
    called.pass();
    setter.join();
}

#[test]
fn a_callback_that_panics_keeps_nobody_from_being_woken() {
    let interrupt = Interrupt::new();
    let calls = Arc::new(Mutex::new(Vec::new()));
    let child = interrupt.child();
    let _guards = [
        interrupt.on_interrupt(remember(&calls)),
        interrupt.on_interrupt(|| panic!("in a callback")),
        interrupt.on_interrupt(remember(&calls)),
        child.on_interrupt(|| panic!("in a child's callback")),
        child.on_interrupt(remember(&calls)),
    ];
    interrupt.interrupt();
    assert_eq!(calls.lock().len(), 3);
    assert!(child.is_interrupted());
    // Also where it is called at once.
    let _late = interrupt.on_interrupt(|| panic!("too late"));

    // And from shutdown_now, where another job has to hear of it.
    let pool = ThreadPoolExecutor::fixed(2).unwrap();
    let running = Counter::new();
    let stops = |callback: fn()| {
        let running = running.clone();
        move || {
            let _guard = interrupt::current().unwrap().on_interrupt(callback);
            running.add();
            interrupt::sleep(LONG)
        }
    };
    let first = pool.submit(stops(|| panic!("in the first job's callback"))).unwrap();
    let second = pool.submit(stops(|| panic!("in the second job's callback"))).unwrap();
    running.reach(2);
    assert_eq!(pool.shutdown_now().len(), 0);
    assert_eq!((soon(first), soon(second)), (Err(Interrupted), Err(Interrupted)));
    finish(&pool);
}

#[test]
fn entering_makes_it_the_current_one_until_the_guard_is_dropped() {
    assert!(interrupt::current().is_none());
    let (outer, inner) = (Interrupt::new(), Interrupt::new());
    let first = outer.enter();
    assert_eq!(format!("{first:?}"), "Entered { .. }");
    assert!(!interrupt::is_interrupted());
    {
        let _second = inner.enter();
        inner.interrupt();
        assert_eq!(interrupt::check(), Err(Interrupted));
        assert_eq!(interrupt::sleep(LONG), Err(Interrupted));
    }
    assert_eq!(interrupt::check(), Ok(()), "the first is back");
    outer.interrupt();
    assert!(interrupt::current().unwrap().is_interrupted());
    let (_sender, receiver) = unbounded::<()>();
    assert_eq!(interrupt::recv(&receiver), Err(RecvError::Interrupted));
    drop(first);
    assert!(interrupt::current().is_none());
    assert!(!interrupt::is_interrupted());
}

#[test]
fn guards_may_be_dropped_in_any_order() {
    let (first, second) = (Interrupt::new(), Interrupt::new());
    let (outer, inner) = (first.enter(), second.enter());
    first.interrupt();
    assert!(!interrupt::is_interrupted());
    drop(outer);
    assert!(!interrupt::is_interrupted(), "the second is still entered");
    second.interrupt();
    assert!(interrupt::is_interrupted());
    drop(inner);
    assert!(interrupt::current().is_none());
}

#[test]
fn a_guard_that_a_job_forgets_does_not_outlive_the_job() {
    let pool = single();
    let forgets = || {
        let other = Interrupt::new();
        other.interrupt();
        std::mem::forget(other.enter());
    };
    pool.execute(forgets).unwrap();
    soon(pool.submit(forgets).unwrap());
    pool.execute(forgets).unwrap();
    let running = Gate::new();
    let started = running.clone();
    let next = pool
        .submit(move || {
            let clean = interrupt::check();
            started.open();
            (clean, interrupt::sleep(LONG))
        })
        .unwrap();
    running.pass();
    assert_eq!(pool.shutdown_now().len(), 0);
    assert_eq!(soon(next), (Ok(()), Err(Interrupted)));
    finish(&pool);
}

#[test]
fn entering_in_a_job_replaces_its_interrupt_and_brings_it_back() {
    let pool = single();
    let handle = pool
        .submit(|| {
            let own = interrupt::current().unwrap();
            let other = Interrupt::new();
            let entered = other.enter();
            own.interrupt();
            let within = interrupt::is_interrupted();
            drop(entered);
            (within, interrupt::is_interrupted())
        })
        .unwrap();
    assert_eq!(soon(handle), (false, true));
    // Also where a panic drops the guard, and in a job without a handle.
    pool.execute(|| {
        let _entered = Interrupt::new().enter();
        panic!("with an interrupt entered");
    })
    .unwrap();
    let running = Gate::new();
    let started = running.clone();
    let handle = pool
        .submit(move || {
            started.open();
            interrupt::sleep(LONG)
        })
        .unwrap();
    running.pass();
    assert_eq!(pool.shutdown_now().len(), 0);
    assert_eq!(soon(handle), Err(Interrupted), "the next job follows its pool again");
    finish(&pool);
}

// The free functions off the pool.

#[test]
fn off_the_pool_there_is_no_current_interrupt() {
    assert!(interrupt::current().is_none());
    assert!(!interrupt::is_interrupted());
    assert_eq!(interrupt::check(), Ok(()));
    // A job without a handle, run by hand, is a plain call too.
    let seen = Counter::new();
    let count = seen.clone();
    Job::new(move || {
        if interrupt::current().is_none() {
            count.add();
        }
    })
    .run();
    assert_eq!(seen.get(), 1);
}

#[test]
fn off_the_pool_waits_are_the_plain_calls() {
    let start = Instant::now();
    assert_eq!(interrupt::sleep(SHORT), Ok(()));
    assert!(start.elapsed() >= SHORT);
    assert_eq!(interrupt::sleep(Duration::ZERO), Ok(()));

    thread::current().unpark();
    assert_eq!(interrupt::park_timeout(LONG), Ok(()), "it was unparked before");
    assert_eq!(interrupt::park_timeout(Duration::ZERO), Ok(()));

    assert_channels_work();
}

#[test]
fn in_a_job_that_nobody_interrupts_waits_are_the_plain_calls() {
    let pool = single();
    let handle = pool
        .submit(|| {
            let start = Instant::now();
            assert_eq!(interrupt::sleep(SHORT), Ok(()));
            assert!(start.elapsed() >= SHORT);
            thread::current().unpark();
            assert_eq!(interrupt::park_timeout(LONG), Ok(()));
            assert_channels_work();
        })
        .unwrap();
    soon(handle);
    finish(&pool);
}

fn assert_channels_work() {
    let (sender, receiver): (Sender<u32>, Receiver<u32>) = bounded(1);
    assert_eq!(interrupt::send(&sender, 1), Ok(()));
    assert_eq!(interrupt::recv(&receiver), Ok(1));
    assert_eq!(interrupt::send(&sender, 2), Ok(()));
    assert_eq!(interrupt::recv_timeout(&receiver, LONG), Ok(2));
    let start = Instant::now();
    assert_eq!(interrupt::recv_timeout(&receiver, SHORT), Err(RecvTimeoutError::TimedOut));
    assert!(start.elapsed() >= SHORT);
    assert_eq!(interrupt::send(&sender, 3), Ok(()));
    drop(sender);
    assert_eq!(interrupt::recv(&receiver), Ok(3), "what was sent before is received");
    assert_eq!(interrupt::recv(&receiver), Err(RecvError::Disconnected));
    let gone = interrupt::recv_timeout(&receiver, LONG);
    assert_eq!(gone, Err(RecvTimeoutError::Disconnected));
    let (sender, receiver) = bounded(1);
    drop(receiver);
    let error = interrupt::send(&sender, String::from("back")).expect_err("no receiver");
    assert_eq!(
        format!("{error:?}: {error}"),
        "Disconnected(..): sending on a channel without receivers"
    );
    assert_eq!(error.into_inner(), "back");
}

#[test]
fn an_interrupt_comes_before_a_message() {
    let interrupt = Interrupt::new();
    let (sender, receiver) = bounded(2);
    sender.send(1).unwrap();
    interrupt.interrupt();
    assert_eq!(interrupt.recv(&receiver), Err(RecvError::Interrupted));
    assert_eq!(interrupt.recv_timeout(&receiver, LONG), Err(RecvTimeoutError::Interrupted));
    let error = interrupt.send(&sender, 2).unwrap_err();
    assert_eq!(error.to_string(), "interrupted while sending");
    assert_eq!(error.into_inner(), 2);
    assert_eq!(receiver.len(), 1, "nothing was taken, nothing was sent");
    assert_eq!(RecvError::Interrupted.to_string(), "interrupted while receiving");
    assert_eq!(RecvTimeoutError::TimedOut.to_string(), "timed out while receiving");
}

// Hooks and interrupts.

#[test]
fn shutdown_now_reaches_a_job_that_is_started_after_it_was_taken() {
    // The worker has the job and is still in its start hook when the pool is stopped.
    let (entered, gate, stop) = stop_point();
    let pool =
        ThreadPoolExecutor::builder().threads(1).before_job(move |_| stop()).build().unwrap();
    let handle = pool.submit(|| interrupt::sleep(LONG)).unwrap();
    entered.pass();
    assert_eq!(handle.state(), JobState::Running);
    assert_eq!(pool.shutdown_now().len(), 0, "it is running");
    gate.open();
    assert_eq!(soon(handle), Err(Interrupted));
    finish(&pool);
}

#[test]
fn a_job_cancelled_between_its_start_and_its_body_finds_its_interrupt_set() {
    let (entered, gate, stop) = stop_point();
    let pool =
        ThreadPoolExecutor::builder().threads(1).before_job(move |_| stop()).build().unwrap();
    let handle = pool.submit(interrupt::is_interrupted).unwrap();
    let next = pool.submit(interrupt::is_interrupted).unwrap();
    entered.pass();
    assert_eq!(handle.cancel(), CancelOutcome::Interrupted);
    gate.open();
    assert!(soon(handle));
    assert!(!soon(next));
    finish(&pool);
}

#[test]
fn hooks_see_no_interrupt_of_an_earlier_job() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let before = Arc::clone(&seen);
    let pool = ThreadPoolExecutor::builder()
        .threads(1)
        .before_job(move |_| before.lock().push(interrupt::is_interrupted()))
        .after_job(|_, _| {
            // Asking for it in a hook makes one, which must not outlive the job.
            let own = interrupt::current().expect("a job's");
            own.interrupt();
        })
        .build()
        .unwrap();
    for _ in 0..3 {
        soon(pool.submit(|| interrupt::current().unwrap().interrupt()).unwrap());
        pool.execute(|| interrupt::current().unwrap().interrupt()).unwrap();
    }
    finish(&pool);
    assert_eq!(*seen.lock(), [false; 6]);
}

#[test]
fn many_jobs_wait_and_are_interrupted_without_leaving_anything_behind() {
    // Each links its interrupt to the pool's; the links go with the jobs.
    let pool: ThreadPoolExecutor = ThreadPoolExecutor::fixed(2).unwrap();
    let owner: Handle = pool.handle();
    let alive = Arc::new(());
    for _ in 0..repeat(2_000) {
        let token = Arc::clone(&alive);
        owner
            .execute(move || {
                let own = interrupt::current().unwrap();
                let guard = own.on_interrupt(move || drop(token));
                assert_eq!(own.sleep(Duration::ZERO), Ok(()));
                drop(guard);
            })
            .unwrap();
    }
    pool.wait_idle(LONG).unwrap();
    assert_eq!(Arc::strong_count(&alive), 1);
    assert_eq!(finish(&pool).panicked, 0);
}
