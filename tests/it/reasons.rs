//! Why a job never ran, as its handle, its set, its scope or its map is told.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::unbounded;
use parking_lot::Mutex;
use workcrew::interrupt::Interrupt;
use workcrew::policy::{Abort, Discard, DiscardOldest};
use workcrew::{
    Builder, CancelReason, ExecutorExt, Job, JobHandle, JoinError, ManualExecutor, OnDrop, Queue,
    RejectionPolicy, ScopedHandle, ShutdownPlan, ThreadPoolExecutor,
};

use crate::rejection::custom;
use crate::support::{Gate, LONG, block_worker, eventually, finish, helper, settled};

use CancelReason::{ByHandle, Discarded, Dropped, HandedBack, Shutdown};

/// One worker, which runs a job until the gate is opened, and a queue of one place.
fn busy(configure: impl FnOnce(Builder) -> Builder) -> (ThreadPoolExecutor, Gate) {
    let builder = ThreadPoolExecutor::builder().threads(1).queue(Queue::Bounded(1));
    let pool = configure(builder).build().expect("a possible pool");
    let gate = Gate::new();
    block_worker(&pool, &gate);
    (pool, gate)
}

fn under(policy: impl RejectionPolicy + 'static) -> (ThreadPoolExecutor, Gate) {
    busy(|builder| builder.rejection_policy(policy))
}

fn pending(pool: &ThreadPoolExecutor) -> JobHandle<()> {
    pool.submit(|| unreachable!("it never runs")).expect("the queue has a place")
}

fn end(pool: &ThreadPoolExecutor, gate: &Gate) {
    gate.open();
    finish(pool);
}

#[track_caller]
fn assert_reason<T>(handle: JobHandle<T>, reason: CancelReason) {
    assert_eq!(told(settled(handle)), reason);
}

#[track_caller]
fn told<T>(result: Result<T, JoinError>) -> CancelReason {
    let error = result.err().expect("the job never ran");
    assert!(error.is_cancelled() && !error.is_panic());
    error.cancel_reason().expect("it was cancelled")
}

// Each reason.

#[test]
fn a_job_that_is_cancelled_through_its_handle_or_set_says_so() {
    let (pool, gate) = busy(|builder| builder);
    let job = pending(&pool);
    job.cancel();
    assert_reason(job, ByHandle);
    let (job, handle) = Job::with_handle(|| ());
    handle.cancel();
    drop(job);
    assert_reason(handle, ByHandle);

    let mut set = pool.join_set::<()>();
    let one = set.submit(|| ()).expect("room");
    set.cancel(one);
    assert_eq!(told(set.try_join_next().expect("it has ended").1), ByHandle);
    set.submit(|| ()).expect("room");
    set.cancel_all();
    assert_eq!(told(set.try_join_next().expect("it has ended").1), ByHandle);

    let results = pool.invoke_all_timeout([|| ()], Duration::from_millis(1)).expect("in time");
    assert_eq!(results.into_iter().map(told).collect::<Vec<_>>(), [ByHandle]);
    end(&pool, &gate);
}

#[test]
fn a_job_that_its_holder_drops_says_so() {
    let (job, handle) = Job::with_handle(|| ());
    drop(job);
    assert_reason(handle, Dropped);

    // Given back by a pool, whose policy was asked.
    let (pool, gate) = under(Abort);
    let filler = pending(&pool);
    let (job, handle) = Job::with_handle(|| ());
    drop(pool.execute_job(job).expect_err("the pool is full"));
    assert_reason(handle, Dropped);
    filler.cancel();
    end(&pool, &gate);
}

#[test]
fn a_job_that_a_policy_drops_was_discarded() {
    let (pool, gate) = under(Discard);
    let filler = pending(&pool);
    let (job, handle) = Job::with_handle(|| ());
    pool.execute_job(job).expect("discarded");
    assert_reason(handle, Discarded);
    filler.cancel();
    end(&pool, &gate);

    let (pool, gate) = under(DiscardOldest);
    let oldest = pending(&pool);
    let newest = pool.submit(|| 7).expect("in the place of the oldest");
    assert_reason(oldest, Discarded);
    end(&pool, &gate);
    assert_eq!(newest.join().expect("it was queued"), 7);

    let (pool, gate) = under(custom(|job, _| {
        drop(job);
        Ok(())
    }));
    let filler = pending(&pool);
    let (job, handle) = Job::with_handle(|| ());
    pool.execute_job(job).expect("the policy says so");
    assert_reason(handle, Discarded);
    filler.cancel();
    end(&pool, &gate);
}

#[test]
fn a_job_that_its_policy_keeps_was_discarded_for_the_scope_that_does_not_wait() {
    let stash = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&stash);
    let (pool, gate) = under(custom(move |job, _| {
        kept.lock().push(job);
        Ok(())
    }));
    let filler = pending(&pool);
    let result = pool.scope(|s| {
        let job = s.submit(|| ()).expect("kept");
        stash.lock().clear();
        told(job.join())
    });
    assert_eq!(result, Ok(Discarded));

    // The policy still has it when the scope ends, and another job of the scope joins it.
    filler.cancel();
    let reason = Mutex::new(None);
    pool.scope(|s| {
        let (sender, receiver) = unbounded::<ScopedHandle<'_, ()>>();
        let join = || {
            let receiver = receiver;
            let kept = receiver.recv().expect("it is sent");
            *reason.lock() = Some(told(kept.join()));
        };
        s.execute(join).expect("the queue has a place");
        sender.send(s.submit(|| ()).expect("kept")).expect("it is awaited");
        gate.open();
    })
    .expect("all were joined");
    assert_eq!(reason.into_inner(), Some(Discarded));
    stash.lock().clear();
    finish(&pool);
}

#[test]
fn a_job_that_was_handed_back_and_dropped_says_so() {
    let (pool, gate) = busy(|builder| builder);
    let job = pending(&pool);
    drop(pool.take_pending());
    assert_reason(job, HandedBack);
    let job = pending(&pool);
    drop(pool.shutdown_now());
    assert_reason(job, HandedBack);
    end(&pool, &gate);

    let (pool, gate) = under(custom(|job, saturation| {
        drop(saturation.take_oldest());
        saturation.retry(job)
    }));
    let job = pending(&pool);
    let other = pool.submit(|| ()).expect("there is room now");
    assert_reason(job, HandedBack);
    end(&pool, &gate);
    other.join().expect("it ran");
}

#[test]
fn who_does_not_wait_for_a_job_that_somebody_keeps_is_told_that_it_was_handed_back() {
    let (pool, gate) = busy(|builder| builder);
    let mut set = pool.join_set::<()>();
    set.submit(|| ()).expect("room");
    let kept = pool.take_pending();
    assert_eq!(told(set.try_join_next().expect("not waited for").1), HandedBack);
    drop(kept);

    let result = pool.scope(|s| {
        let job = s.submit(|| ()).expect("room");
        let kept = pool.take_pending();
        let reason = told(job.join());
        drop(kept);
        reason
    });
    assert_eq!(result, Ok(HandedBack));

    let handle = pool.handle();
    let taking = helper({
        let handle = handle.clone();
        move || {
            eventually("its job is queued", || handle.stats().queued == 1);
            handle.shutdown_now()
        }
    });
    let reasons: Vec<_> = pool.map(0..2, |n: u32| n).chunks(2).map(told).collect();
    assert_eq!(reasons, [HandedBack, HandedBack], "both items of the one job");
    drop(taking.join());
    end(&pool, &gate);
}

#[test]
fn a_job_that_was_queued_again_says_what_became_of_it_there() {
    let (pool, gate) = busy(|builder| builder.on_drop(OnDrop::Stop));
    let job = pending(&pool);
    let taken = pool.take_pending().pop().expect("it was pending");
    pool.execute_job(taken).expect("there is room");
    let handle = pool.handle();
    let dropper = helper(move || drop(pool));
    assert_reason(job, Shutdown);
    gate.open();
    dropper.join();
    assert!(handle.is_terminated());
}

#[test]
fn a_job_that_the_end_of_its_pool_drops_says_so() {
    let plan = || ShutdownPlan::new().grace(Duration::ZERO).interrupt_wait(Duration::ZERO);
    for on_drop in [OnDrop::Stop, OnDrop::Plan(plan())] {
        let (pool, gate) = busy(|builder| builder.on_drop(on_drop));
        let job = pending(&pool);
        let dropper = helper(move || drop(pool));
        assert_reason(job, Shutdown);
        gate.open();
        dropper.join();
    }

    // During a panic.
    let (pool, gate) = busy(|builder| builder);
    let (job, handle) = (pending(&pool), pool.handle());
    let panicked = catch_unwind(AssertUnwindSafe(move || {
        let _owner = pool;
        resume_unwind(Box::new("the owner's function panics"));
    }));
    assert!(panicked.is_err());
    assert_reason(job, Shutdown);
    gate.open();
    handle.await_termination(LONG).expect("it ends");

    // An interrupted close.
    let (pool, gate) = busy(|builder| builder);
    let job = pending(&pool);
    let closer = helper(move || {
        let stop = Interrupt::new();
        stop.interrupt();
        let _entered = stop.enter();
        pool.close();
    });
    assert_reason(job, Shutdown);
    gate.open();
    closer.join();

    // Jobs that nobody has been told to run.
    let manual = ManualExecutor::new();
    let job = ExecutorExt::submit(&manual, || ()).expect("it is open");
    drop(manual);
    assert_reason(job, Shutdown);
}

#[test]
fn a_set_is_told_that_its_pool_ended_before_its_job_is_dropped() {
    struct Slow(Gate);
    impl Drop for Slow {
        fn drop(&mut self) {
            self.0.pass();
        }
    }
    let (pool, gate) = busy(|builder| builder.queue(Queue::Unbounded).on_drop(OnDrop::Stop));
    let slow = Slow(gate.clone());
    pool.execute(move || drop(slow)).expect("room");
    let mut set = pool.join_set::<()>();
    set.submit(|| ()).expect("room");
    // Drops the older job first, which takes until the gate opens.
    let dropper = helper(move || drop(pool));
    assert_eq!(told(set.join_next().expect("no interrupt").expect("one job").1), Shutdown);
    gate.open();
    dropper.join();
}

#[test]
fn a_map_says_which_items_the_shutdown_of_the_pool_left_out() {
    let (pool, gate) = under(Abort);
    pool.shutdown();
    let reasons: Vec<_> = pool.map(0..3, |n: u32| n).chunks(2).map(told).collect();
    assert_eq!(reasons, [Shutdown, Shutdown], "the items of the job that was refused");
    end(&pool, &gate);

    // An interrupt in the middle of a job's items.
    let pool = ThreadPoolExecutor::single().expect("a pool");
    let handle = pool.handle();
    let stopping = move |n: u32| {
        drop(handle.shutdown_now());
        n
    };
    let mut results = pool.map(0..3, stopping).chunks(3);
    assert_eq!(results.next().expect("three items").expect("it was called for"), 0);
    assert_eq!(results.map(told).collect::<Vec<_>>(), [Shutdown, Shutdown]);
    finish(&pool);
}

// The words.

#[test]
fn each_reason_has_its_words() {
    let texts = [
        (ByHandle, "cancelled"),
        (Dropped, "dropped by its holder"),
        (Discarded, "discarded by a rejection policy"),
        (HandedBack, "handed back by its pool"),
        (Shutdown, "dropped by the shutdown of its pool"),
    ];
    for (reason, text) in texts {
        assert_eq!(reason.to_string(), text);
        let error = JoinError::Cancelled(reason);
        assert_eq!(error.to_string(), format!("the job was {text} before it started"));
    }
}
