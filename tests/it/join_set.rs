//! Results of several jobs as they come.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossbeam_channel::{after, select};
use workcrew::interrupt::Interrupt;
use workcrew::{
    AwaitError, CancelOutcome, JobId, JoinError, JoinSet, Queue, ThreadPoolExecutor, interrupt,
    policy,
};

use crate::support::{
    Counter, Gate, LONG, SHORT, assert_conserved, block_worker, finish, helper, repeat, single,
    soon, stop_point,
};

/// The next result, which is there or comes soon.
#[track_caller]
fn next<T: 'static>(set: &mut JoinSet<T>) -> (JobId, Result<T, JoinError>) {
    set.join_next_timeout(LONG).expect("a job ends").expect("a job is left")
}

#[test]
fn every_job_arrives_once_with_its_own_result_under_its_own_name() {
    let pool = ThreadPoolExecutor::fixed(3).unwrap();
    let mut set = pool.join_set();
    let mut expected = BTreeMap::new();
    for n in 0..50_u32 {
        let id = set
            .submit(move || {
                assert!(n % 3 != 0, "of {n}");
                n * n
            })
            .unwrap();
        expected.insert(id, n);
    }
    assert_eq!(set.len(), 50);
    while let Some((id, result)) = set.join_next().unwrap() {
        let n = expected.remove(&id).expect("each name comes once");
        match result {
            Ok(square) => assert_eq!(square, n * n),
            Err(error) => assert_eq!(error.message(), Some(&*format!("of {n}"))),
        }
        assert_eq!(set.len(), expected.len());
    }
    assert!(expected.is_empty() && set.is_empty());
    assert!(set.try_join_next().is_none());
    assert_eq!(set.join_next_timeout(Duration::MAX).unwrap().map(|_| ()), None, "at once");
    drop(set);
    let stats = finish(&pool);
    assert_eq!((stats.completed, stats.panicked), (33, 17));
}

#[test]
fn the_first_to_end_arrives_first() {
    let pool = ThreadPoolExecutor::fixed(2).unwrap();
    let mut set = pool.join_set();
    let gate = Gate::new();
    let held = gate.clone();
    let slow = set.submit(move || held.pass()).unwrap();
    let quick = set.submit(|| ()).unwrap();
    assert!(slow < quick, "names are in the order of submission");
    assert_eq!(next(&mut set).0, quick);
    assert!(set.try_join_next().is_none());
    gate.open();
    assert_eq!(next(&mut set).0, slow);
    finish(&pool);
}

#[test]
fn nothing_arrives_before_it_has_ended() {
    let pool = single();
    let mut set = pool.join_set();
    let gate = Gate::new();
    let held = gate.clone();
    set.submit(move || held.pass()).unwrap();
    assert!(set.try_join_next().is_none());
    for timeout in [Duration::ZERO, SHORT] {
        let start = Instant::now();
        assert_eq!(set.join_next_timeout(timeout).unwrap_err(), AwaitError::TimedOut);
        assert!(start.elapsed() >= timeout);
    }
    assert_eq!(set.len(), 1, "a wait that timed out takes nothing");
    gate.open();
    assert!(next(&mut set).1.is_ok());
    finish(&pool);
}

#[test]
fn it_is_an_iterator_over_what_is_left() {
    let pool = ThreadPoolExecutor::fixed(2).unwrap();
    let mut set = pool.join_set();
    for n in 1..=10 {
        set.submit(move || n).unwrap();
    }
    let first = set.by_ref().take(4).map(|(_, n)| n.unwrap()).sum::<i32>();
    let rest = set.map(|(_, n)| n.unwrap()).sum::<i32>();
    assert_eq!(first + rest, 55);
    finish(&pool);
}

#[test]
fn ready_wakes_a_select_for_each_result_and_at_the_end() {
    let pool = single();
    let mut set = pool.join_set();
    assert!(set.ready().recv().is_err(), "nothing to wait for");
    let gates = [Gate::new(), Gate::new()];
    for gate in gates.clone() {
        set.submit(move || gate.pass()).unwrap();
    }
    for gate in gates {
        let ready = set.ready();
        assert!(ready.try_recv().unwrap_err().is_empty(), "not before the job has ended");
        gate.open();
        select! {
            recv(ready) -> _ => assert!(set.try_join_next().is_some()),
            recv(after(LONG)) -> _ => panic!("never ready"),
        }
    }
    assert!(set.ready().recv().is_err());
    finish(&pool);
}

#[test]
fn two_who_select_are_both_told() {
    let pool = single();
    let mut set = pool.join_set();
    let (entered, gate, stop) = stop_point();
    set.submit(stop).unwrap();
    entered.pass();
    let waiters: Vec<_> = (0..2)
        .map(|_| {
            let ready = set.ready();
            helper(move || assert!(ready.recv_timeout(LONG).unwrap_err().is_disconnected()))
        })
        .collect();
    gate.open();
    for waiter in waiters {
        waiter.join();
    }
    assert!(set.try_join_next().is_some());
    finish(&pool);
}

#[test]
fn discarded_jobs_arrive_as_cancelled() {
    for discards_newest in [true, false] {
        let builder = ThreadPoolExecutor::builder().threads(1).queue(Queue::Bounded(1));
        let builder = if discards_newest {
            builder.rejection_policy(policy::Discard)
        } else {
            builder.rejection_policy(policy::DiscardOldest)
        };
        let pool = builder.build().unwrap();
        let gate = Gate::new();
        block_worker(&pool, &gate);
        let mut set = pool.join_set();
        let kept = set.submit(|| ()).unwrap();
        let displaces = set.submit(|| ()).unwrap();
        let (id, result) = next(&mut set);
        assert!(result.unwrap_err().is_cancelled());
        assert_eq!(id, if discards_newest { displaces } else { kept });
        gate.open();
        assert!(next(&mut set).1.is_ok());
        assert_eq!(finish(&pool).discarded, 1);
    }
}

#[test]
fn jobs_that_are_handed_back_arrive_while_somebody_keeps_them() {
    for stops in [true, false] {
        let pool = single();
        let gate = Gate::new();
        block_worker(&pool, &gate);
        let mut set = pool.join_set();
        let ran = Counter::new();
        for _ in 0..3 {
            let ran = ran.clone();
            set.submit(move || ran.add()).unwrap();
        }
        let kept = if stops { pool.shutdown_now() } else { pool.take_pending() };
        assert_eq!(kept.len(), 3);
        for _ in 0..3 {
            assert!(next(&mut set).1.unwrap_err().is_cancelled());
        }
        assert!(set.is_empty());
        // They are still jobs, which run for nobody.
        kept.into_iter().for_each(workcrew::Job::run);
        assert_eq!(ran.get(), 3);
        assert!(set.try_join_next().is_none(), "each arrives once");
        gate.open();
        finish(&pool);
    }
}

#[test]
fn a_wait_ends_when_the_pool_is_stopped() {
    for round in 0..repeat(50) {
        let pool = ThreadPoolExecutor::fixed(2).unwrap();
        let mut set = pool.join_set();
        for _ in 0..20 {
            set.submit(|| interrupt::sleep(LONG)).unwrap();
        }
        let handle = pool.handle();
        let stopper = helper(move || handle.shutdown_now());
        let (mut interrupted, mut cancelled) = (0, 0);
        for _ in 0..20 {
            match next(&mut set).1 {
                Ok(slept) => {
                    assert!(slept.is_err(), "nobody sleeps so long");
                    interrupted += 1;
                }
                Err(error) => {
                    assert!(error.is_cancelled());
                    cancelled += 1;
                }
            }
        }
        assert_eq!(stopper.join().len(), cancelled, "round {round}");
        assert!(interrupted <= 2);
        finish(&pool);
    }
}

#[test]
fn after_a_shutdown_jobs_come_back_and_accepted_ones_arrive() {
    let pool = single();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    let mut set = pool.join_set();
    set.submit(|| 1).unwrap();
    pool.shutdown();
    let rejected = set.submit(|| 2).unwrap_err();
    assert!(rejected.is_shutdown());
    assert_eq!(set.len(), 1);
    rejected.into_job().run();
    assert!(set.try_join_next().is_none(), "a rejected job is no member");
    gate.open();
    assert_eq!(next(&mut set).1.unwrap(), 1);
    assert!(set.join_next().unwrap().is_none());
    finish(&pool);
}

#[test]
fn cancel_all_removes_and_interrupts_and_all_arrive() {
    let pool = single();
    let mut set = pool.join_set();
    let running = Gate::new();
    let started = running.clone();
    let first = set
        .submit(move || {
            started.open();
            interrupt::sleep(LONG).is_err()
        })
        .unwrap();
    let second = set.submit(|| true).unwrap();
    let third = set.submit(|| true).unwrap();
    running.pass();
    assert_eq!(set.cancel(third), Some(CancelOutcome::Removed));
    assert_eq!(next(&mut set).0, third);
    assert_eq!(set.cancel(third), None, "its result was taken");
    set.cancel_all();
    let mut results: BTreeMap<_, _> = set.collect();
    assert!(results.remove(&first).unwrap().unwrap(), "interrupted, and its result is kept");
    assert!(results.remove(&second).unwrap().unwrap_err().is_cancelled());
    assert!(results.is_empty());
    finish(&pool);
}

#[test]
fn dropping_the_set_cancels_what_is_left() {
    let pool = single();
    let mut set = pool.join_set();
    let (running, ended, ran) = (Gate::new(), Gate::new(), Counter::new());
    let (started, over, count) = (running.clone(), ended.clone(), ran.clone());
    set.submit(move || {
        started.open();
        assert!(interrupt::sleep(LONG).is_err());
        over.open();
    })
    .unwrap();
    set.submit(move || {
        count.add();
    })
    .unwrap();
    running.pass();
    drop(set);
    ended.pass();
    let stats = finish(&pool);
    assert_eq!((ran.get(), stats.completed, stats.cancelled), (0, 1, 1));
}

#[test]
fn detached_jobs_go_on() {
    let pool = single();
    let mut set = pool.join_set();
    let (entered, gate, stop) = stop_point();
    let ran = Counter::new();
    let count = ran.clone();
    set.submit(stop).unwrap();
    set.submit(move || {
        count.add();
    })
    .unwrap();
    entered.pass();
    let ready = set.ready();
    set.detach_all();
    assert!(set.is_empty() && set.join_next().unwrap().is_none());
    assert!(ready.recv().is_err(), "nothing is left to wait for");
    drop(set);
    gate.open();
    finish(&pool);
    assert_eq!(ran.get(), 1);
}

#[test]
fn jobs_that_wait_for_sets_of_jobs_do_not_starve_their_pool() {
    for queue in [Queue::Unbounded, Queue::Bounded(1), Queue::Handoff] {
        let pool = ThreadPoolExecutor::builder().threads(1).queue(queue).build().unwrap();
        let own = pool.handle();
        let sum = pool
            .submit(move || {
                let mut set = own.join_set();
                for n in 0..10_u32 {
                    let own = own.clone();
                    set.submit(move || {
                        // Each of them has a set of its own.
                        let mut inner = own.join_set();
                        inner.submit(move || n).unwrap();
                        inner.next().unwrap().1.unwrap()
                    })
                    .unwrap();
                }
                set.map(|(_, result)| result.unwrap()).sum::<u32>()
            })
            .unwrap();
        assert_eq!(soon(sum), 45);
        let stats = finish(&pool);
        assert_eq!((stats.completed, stats.rejected), (21, 0), "{queue:?}");
    }
}

#[test]
fn a_set_that_comes_to_a_worker_after_waiting_elsewhere_is_helped() {
    let pool = single();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    let mut set = pool.join_set();
    for n in 0..3 {
        set.submit(move || n).unwrap();
    }
    assert_eq!(set.join_next_timeout(SHORT).unwrap_err(), AwaitError::TimedOut);
    let pending = pool.take_pending();
    assert_eq!(set.by_ref().count(), 3);
    drop(pending);
    for n in 0..3 {
        set.submit(move || n).unwrap();
    }
    assert_eq!(set.join_next_timeout(Duration::ZERO).unwrap_err(), AwaitError::TimedOut);
    let set = Arc::new(Mutex::new(set));
    let shared = Arc::clone(&set);
    let sum =
        pool.submit(move || shared.lock().unwrap().by_ref().map(|(_, n)| n.unwrap()).sum::<i32>());
    gate.open();
    assert_eq!(soon(sum.unwrap()), 3);
    drop(set);
    finish(&pool);
}

#[test]
fn an_interrupt_of_the_waiter_ends_the_wait_and_not_the_jobs() {
    let pool = single();
    let (gate, waits, own) = (Gate::new(), Gate::new(), Interrupt::new());
    let (held, begun, handle, entered) = (gate.clone(), waits.clone(), pool.handle(), own.clone());
    let waiter = helper(move || {
        let _entered = entered.enter();
        let mut set = handle.join_set();
        set.submit(move || held.pass()).unwrap();
        begun.open();
        assert!(set.join_next().is_err());
        assert!(set.next().is_none());
        assert_eq!(set.join_next_timeout(LONG).unwrap_err(), AwaitError::Interrupted);
        set
    });
    waits.pass();
    own.interrupt();
    let mut set = waiter.join();
    assert_eq!(set.len(), 1);
    gate.open();
    assert!(next(&mut set).1.is_ok());
    drop(set);
    finish(&pool);
}

#[test]
fn rejected_jobs_are_no_members() {
    let pool = ThreadPoolExecutor::builder().threads(1).queue(Queue::Handoff).build().unwrap();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    let mut set = pool.join_set();
    assert!(set.submit(|| ()).unwrap_err().is_saturated());
    assert!(set.is_empty() && set.ready().recv().is_err() && set.join_next().unwrap().is_none());
    gate.open();
    finish(&pool);
}

#[test]
fn a_panicking_policy_leaves_the_set_as_it_was() {
    struct Panics;
    impl workcrew::RejectionPolicy for Panics {
        fn rejected(
            &self,
            _job: workcrew::Job,
            _saturation: &workcrew::Saturation<'_>,
        ) -> Result<(), workcrew::Rejected> {
            panic!("by the policy")
        }
    }
    let builder = ThreadPoolExecutor::builder().threads(1).queue(Queue::Handoff);
    let pool = builder.rejection_policy(Panics).build().unwrap();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    let set = Mutex::new(pool.join_set());
    let submits = std::panic::AssertUnwindSafe(|| set.lock().unwrap().submit(|| ()).map(drop));
    assert!(std::panic::catch_unwind(submits).is_err());
    let mut set = set.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    assert!(set.is_empty() && set.try_join_next().is_none());
    assert!(set.ready().recv().is_err());
    gate.open();
    finish(&pool);
}

#[test]
fn arrival_comes_after_the_captures_are_gone() {
    struct Counts(Counter);
    impl Drop for Counts {
        fn drop(&mut self) {
            self.0.add();
        }
    }
    for _ in 0..repeat(200) {
        let pool = single();
        let gate = Gate::new();
        block_worker(&pool, &gate);
        let dropped = Counter::new();
        let mut set = pool.join_set();
        let ids: Vec<_> = (0..4)
            .map(|_| {
                let capture = Counts(dropped.clone());
                set.submit(move || drop(capture)).unwrap()
            })
            .collect();
        let canceller = {
            let handle = pool.handle();
            helper(move || drop(handle.shutdown_now()))
        };
        set.cancel(ids[1]);
        gate.open();
        canceller.join();
        assert_eq!(set.by_ref().count(), 4);
        assert_eq!(dropped.get(), 4);
        assert_conserved(&pool.stats());
        finish(&pool);
    }
}

#[test]
fn a_set_serves_any_executor() {
    let pool = single();
    let mut set = JoinSet::on(pool.handle());
    for n in 0..5 {
        set.submit(move || n).unwrap();
    }
    assert_eq!(set.map(|(_, n)| n.unwrap()).sum::<i32>(), 10);
    finish(&pool);
}

/// Returns whether the set says that a result is there, or that nothing is left.
fn is_ready<T: 'static>(set: &JoinSet<T>) -> bool {
    set.ready().try_recv().is_err_and(|error| error.is_disconnected())
}

#[test]
fn who_is_no_member_any_more_is_not_heard_of_when_it_ends() {
    let (pool, gate) = (ThreadPoolExecutor::fixed(2).unwrap(), Gate::new());
    let mut set = pool.join_set();
    // Detached while it runs; and one that ended before, without having been taken.
    let closed = gate.clone();
    set.submit(move || closed.pass()).unwrap();
    set.submit(|| ()).unwrap();
    while !is_ready(&set) {
        std::thread::yield_now();
    }
    set.detach_all();
    assert!(is_ready(&set), "nothing is left");
    // One that was handed back, and runs in spite of that.
    let stays = Gate::new();
    let closed = stays.clone();
    let stayed = set.submit(move || closed.pass()).unwrap();
    let back = set.submit(|| ()).unwrap();
    let jobs = pool.take_pending();
    assert_eq!(jobs.len(), 1);
    let (id, result) = next(&mut set);
    assert_eq!(id, back);
    assert!(result.unwrap_err().is_cancelled());
    jobs.into_iter().for_each(workcrew::Job::run);
    gate.open();
    // The worker that ran the detached job has gone on, and so told of its end.
    soon(pool.submit(|| ()).unwrap());
    assert!(!is_ready(&set), "the one that is left has not ended");
    assert!(set.try_join_next().is_none());
    stays.open();
    let (id, result) = next(&mut set);
    assert_eq!(id, stayed);
    result.unwrap();
    assert!(set.join_next().unwrap().is_none());
    finish(&pool);
}

#[test]
fn a_job_that_was_rejected_and_run_by_hand_is_not_heard_of() {
    for runs in [false, true] {
        let (pool, gate) = (single(), Gate::new());
        let mut set = pool.join_set();
        let closed = gate.clone();
        let stayed = set.submit(move || closed.pass()).unwrap();
        pool.shutdown();
        let job = set.submit(|| ()).unwrap_err().into_job();
        if runs {
            job.run();
        } else {
            drop(job);
        }
        assert!(!is_ready(&set), "run: {runs}");
        assert!(set.try_join_next().is_none());
        gate.open();
        assert_eq!(next(&mut set).0, stayed);
        assert!(set.join_next().unwrap().is_none());
        finish(&pool);
    }
}

#[test]
fn results_that_came_together_are_given_out_one_by_one() {
    let (pool, gate) = (single(), Gate::new());
    block_worker(&pool, &gate);
    let mut set = pool.join_set();
    let ids = [1, 2, 3].map(|n| set.submit(move || n).unwrap());
    gate.open();
    // The only worker has told of the ends before it takes this one.
    soon(pool.submit(|| ()).unwrap());
    for (n, id) in (1..).zip(ids) {
        assert!(is_ready(&set), "{n} is there");
        assert_eq!(set.cancel(id), Some(CancelOutcome::AlreadyFinished));
        let (next, result) = set.try_join_next().unwrap();
        assert_eq!((next, result.unwrap(), set.len()), (id, n, 3 - n));
        assert_eq!(set.cancel(id), None);
    }
    assert!(set.try_join_next().is_none());
    finish(&pool);
}
