//! Tests of every call with a time limit, with no time at all and with a time without end.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::time::Duration;

use crossbeam_channel::bounded;
use workcrew::interrupt::{Interrupt, Interrupted, RecvTimeoutError};
use workcrew::policy::Block;
use workcrew::{
    AwaitError, CancelOutcome, Handle, Queue, RejectReason, Rejected, ThreadPoolExecutor, interrupt,
};

use crate::support::{Counter, Gate, Helper, SHORT, block_worker, finish, helper, pass_time, soon};

const NONE: Duration = Duration::ZERO;
const ENDLESS: Duration = Duration::MAX;

/// One worker, one place, and a policy that waits.
fn small(wait: Duration) -> ThreadPoolExecutor {
    let builder = ThreadPoolExecutor::builder().threads(1).queue(Queue::Bounded(1));
    builder.rejection_policy(Block { timeout: wait }).build().unwrap()
}

fn is_late(result: Result<(), Rejected>) -> bool {
    result.is_err_and(|rejected| rejected.reason() == RejectReason::TimedOut)
}

#[test]
fn without_time_a_wait_for_a_busy_pool_returns_at_once() {
    let gate = Gate::new();
    let pool = small(NONE);
    block_worker(&pool, &gate);
    let mut set = pool.join_set();
    set.submit(|| ()).unwrap();
    assert!(is_late(pool.execute(|| unreachable!())));
    assert!(is_late(pool.execute_timeout(|| unreachable!(), NONE)));
    assert_eq!(pool.await_termination(NONE), Err(AwaitError::TimedOut));
    assert_eq!(pool.wait_idle(NONE), Err(AwaitError::TimedOut));
    assert_eq!(set.join_next_timeout(NONE).unwrap_err(), AwaitError::TimedOut);
    gate.open();
    set.join_next().unwrap().unwrap().1.unwrap();
    finish(&pool);
}

fn wait_without_time() {
    let (_sender, receiver) = bounded::<()>(1);
    let one = Interrupt::new();
    interrupt::sleep(NONE).unwrap();
    interrupt::park_timeout(NONE).unwrap();
    one.sleep(NONE).unwrap();
    assert_eq!(interrupt::recv_timeout(&receiver, NONE), Err(RecvTimeoutError::TimedOut));
    assert_eq!(one.recv_timeout(&receiver, NONE), Err(RecvTimeoutError::TimedOut));
}

#[test]
fn without_time_a_wait_of_a_job_returns_at_once() {
    wait_without_time();
    let pool = ThreadPoolExecutor::single().unwrap();
    soon(pool.submit(wait_without_time).unwrap());
    finish(&pool);
}

#[test]
fn a_wait_without_end_for_a_busy_pool_ends_with_it() {
    let gate = Gate::new();
    let pool = small(ENDLESS);
    block_worker(&pool, &gate);
    let first = pool.submit(|| ()).unwrap();
    let returned = Counter::new();
    let wait = |f: fn(&Handle)| {
        let (pool, returned) = (pool.handle(), returned.clone());
        helper(move || {
            f(&pool);
            returned.add();
        })
    };
    let mut waiting = vec![
        wait(|pool| pool.execute_timeout(|| (), ENDLESS).unwrap()),
        wait(|pool| pool.execute(|| ()).unwrap()),
        wait(|pool| pool.wait_idle(ENDLESS).unwrap()),
    ];
    let ended = wait(|pool| pool.await_termination(ENDLESS).unwrap());
    let counted = returned.clone();
    waiting.push(helper(move || {
        first.join_timeout(ENDLESS).unwrap().unwrap();
        counted.add();
    }));
    pass_time(SHORT);
    assert_eq!(returned.get(), 0);
    gate.open();
    waiting.into_iter().for_each(Helper::join);
    let jobs = || (0..3).map(|n| move || n);
    let results = pool.invoke_all_timeout(jobs(), ENDLESS).unwrap();
    assert!(results.into_iter().map(Result::unwrap).eq(0..3));
    let one = pool.invoke_any_timeout([|| Ok::<_, ()>(7)], ENDLESS).unwrap();
    assert_eq!(one, 7);
    let mut set = pool.join_set();
    set.submit(|| 5).unwrap();
    assert_eq!(set.join_next_timeout(ENDLESS).unwrap().unwrap().1.unwrap(), 5);
    pool.shutdown();
    ended.join();
}

#[test]
fn a_wait_without_end_of_a_job_ends_with_a_message_or_its_interrupt() {
    let pool = ThreadPoolExecutor::fixed(4).unwrap();
    let (sender, receiver) = bounded(1);
    let other = receiver.clone();
    let receiving = pool.submit(move || interrupt::recv_timeout(&receiver, ENDLESS)).unwrap();
    let besides = pool.submit(move || Interrupt::new().recv_timeout(&other, ENDLESS)).unwrap();
    let begun = Counter::new();
    let (sleeps, parks) = (begun.clone(), begun.clone());
    let sleeping = pool.submit(move || {
        sleeps.add();
        interrupt::sleep(ENDLESS)
    });
    let parking = pool.submit(move || {
        parks.add();
        loop {
            interrupt::park_timeout(ENDLESS)?;
        }
    });
    sender.send(1).unwrap();
    sender.send(2).unwrap();
    let mut messages = [soon(receiving).unwrap(), soon(besides).unwrap()];
    messages.sort_unstable();
    assert_eq!(messages, [1, 2]);
    begun.reach(2);
    for handle in [sleeping.unwrap(), parking.unwrap()] {
        assert_eq!(handle.cancel(), CancelOutcome::Interrupted);
        assert_eq!(soon(handle), Err(Interrupted));
    }
    finish(&pool);
}
