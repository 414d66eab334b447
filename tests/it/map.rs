//! `map`: order, laziness, the look-ahead, chunks, and what panics, interrupts, rejection, shutdown
//! and drop do to the items that are on their way.

use std::fmt;
use std::iter::FusedIterator;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use parking_lot::Mutex;
use workcrew::interrupt::{self, Interrupt};
use workcrew::{
    Growth, Job, JoinError, Map, Queue, Rejected, RejectionPolicy, Saturation, ThreadPoolExecutor,
    policy,
};

use crate::support::{
    Counter, Gate, LONG, SHORT, assert_conserved, block_worker, eventually, finish, helper,
    pass_time, repeat, single, soon, stop_point,
};

fn fixed(threads: usize) -> ThreadPoolExecutor {
    ThreadPoolExecutor::fixed(threads).expect("a pool")
}

fn small(threads: usize, queue: Queue) -> ThreadPoolExecutor {
    ThreadPoolExecutor::builder().threads(threads).queue(queue).build().expect("a pool")
}

/// A pool that counts the panics that nobody receives.
fn listening(threads: usize) -> (ThreadPoolExecutor, Counter) {
    let reported = Counter::new();
    let counter = reported.clone();
    let pool = ThreadPoolExecutor::builder()
        .threads(threads)
        .queue(Queue::Unbounded)
        .on_panic(move |_| {
            counter.add();
        })
        .build()
        .expect("a pool");
    (pool, reported)
}

/// The numbers from 0 on, below `end`, and how many of them were taken.
fn counted(end: usize) -> (impl Iterator<Item = usize> + Send, Counter) {
    let taken = Counter::new();
    let counter = taken.clone();
    let numbers = (0..end).inspect(move |_| {
        counter.add();
    });
    (numbers, taken)
}

/// A result in a form that can be compared.
fn told<T: fmt::Display>(result: Option<Result<T, JoinError>>) -> String {
    match result {
        None => "end".to_owned(),
        Some(Ok(value)) => value.to_string(),
        Some(Err(error)) if error.is_cancelled() => "cancelled".to_owned(),
        Some(Err(error)) if error.is_panic() => {
            format!("panic {}", error.message().unwrap_or("without a message"))
        }
        Some(Err(JoinError::Interrupted)) => "interrupted".to_owned(),
        Some(Err(error)) => panic!("an error of no known kind: {error}"),
    }
}

/// All that comes, and that nothing comes after the end.
#[track_caller]
fn all<T: fmt::Display>(mut results: impl Iterator<Item = Result<T, JoinError>>) -> Vec<String> {
    let mut told_all = Vec::new();
    for result in results.by_ref() {
        told_all.push(told(Some(result)));
    }
    assert!(results.next().is_none() && results.next().is_none(), "it goes on after its end");
    told_all
}

/// Counts when it is dropped, and panics.
struct Bomb(Counter);

impl Drop for Bomb {
    fn drop(&mut self) {
        self.0.add();
        panic!("the bomb goes off");
    }
}

#[test]
fn results_come_in_the_order_of_the_items() {
    let pool = fixed(2);
    let last_ended = Gate::new();
    let gate = last_ended.clone();
    let results = pool.map(0..3, move |n| {
        // The first waits for the last, which another worker runs.
        if n == 0 {
            gate.pass();
        } else if n == 2 {
            gate.open();
        }
        n
    });
    assert_eq!(all(results), ["0", "1", "2"]);
    assert_eq!(finish(&pool).completed, 3);
}

#[test]
fn nothing_is_taken_before_the_first_next() {
    let pool = fixed(2);
    let (numbers, taken) = counted(10);
    let results = pool.map(numbers, |n| n).look_ahead(4).chunks(2);
    assert_eq!((taken.get(), pool.stats().submitted), (0, 0));
    drop(results);
    assert_eq!((taken.get(), finish(&pool).submitted), (0, 0));
}

#[test]
fn the_look_ahead_holds_at_every_step() {
    let end = 40;
    for (look_ahead, chunk) in
        [(0, 0), (1, 1), (2, 1), (7, 1), (39, 1), (100, 1), (8, 2), (9, 4), (3, 5), (1, 9)]
    {
        let pool = small(2, Queue::Bounded(3));
        let (numbers, taken) = counted(end);
        let mut results = pool.map(numbers, |n| n).look_ahead(look_ahead).chunks(chunk);
        let (look_ahead, chunk) = (look_ahead.max(1), chunk.max(1));
        for yielded in 0..end {
            assert_eq!(told(results.next()), yielded.to_string());
            let outstanding = taken.get() - yielded;
            assert!(outstanding <= look_ahead, "{outstanding} with {look_ahead}, {chunk}");
        }
        assert_eq!(told(results.next()), "end");
        assert_conserved(&finish(&pool));
    }
}

#[test]
fn the_look_ahead_is_used_in_full_where_the_pool_has_room() {
    for (look_ahead, chunk, most) in [(1, 1, 1), (5, 1, 5), (9, 4, 8), (8, 4, 8), (3, 5, 3)] {
        let pool = fixed(2);
        let (numbers, taken) = counted(100);
        let mut results = pool.map(numbers, |n| n).look_ahead(look_ahead).chunks(chunk);
        assert_eq!(told(results.next()), "0");
        assert_eq!(taken.get(), most);
        drop(results);
        finish(&pool);
    }
}

#[test]
fn the_default_look_ahead_is_two_jobs_per_thread() {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let cached = ThreadPoolExecutor::cached().expect("a pool");
    for (pool, chunk, most) in
        [(fixed(3), 1, 6), (fixed(3), 4, 24), (fixed(1), 1, 2), (cached, 5, 10 * processors)]
    {
        let (numbers, taken) = counted(1_000);
        let mut results = pool.map(numbers, |n| n).chunks(chunk);
        assert_eq!(told(results.next()), "0");
        assert_eq!(taken.get(), most);
        drop(results);
        finish(&pool);
    }
}

#[test]
fn the_default_look_ahead_is_bounded_by_the_threads_that_there_can_be() {
    let processors = thread::available_parallelism().unwrap().get();
    let (endless, no_limit) = (usize::try_from(i32::MAX).unwrap(), usize::MAX);
    let (first, ahead) = (Growth::QueueFirst, Growth::ThreadsFirst);
    let (unbounded, handoff) = (Queue::Unbounded, Queue::Handoff);
    let bounded = Queue::Bounded(100_000);
    // More than the core are started only where the queue is full.
    let cases = [
        (first, unbounded, 2, endless, 2),
        (first, unbounded, 2, 8, 2),
        (first, unbounded, 0, endless, 1),
        (first, unbounded, 2, no_limit, 2),
        (first, Queue::Bounded(no_limit), 2, endless, 2),
        (first, unbounded, 3, 3, 3),
        (first, bounded, 2, 8, 8),
        (first, bounded, 2, endless, processors.max(2)),
        (first, handoff, 2, 8, 8),
        (first, handoff, 0, endless, processors),
        (first, handoff, 0, no_limit, processors),
        (ahead, unbounded, 2, 8, 8),
        (ahead, unbounded, 2, endless, processors.max(2)),
        (ahead, unbounded, 1, 1_024, 1_024),
        (ahead, unbounded, 1, 1_025, processors),
        (ahead, unbounded, 100, endless, processors.max(100)),
    ];
    for (growth, queue, core, max, threads) in cases {
        let builder = ThreadPoolExecutor::builder().core_threads(core).max_threads(max);
        let pool = builder.growth(growth).queue(queue).stack_size(64 * 1024).build().unwrap();
        let (numbers, taken) = counted(10_000);
        let mut results = pool.map(numbers, |n| n);
        assert_eq!(results.next().unwrap().unwrap(), 0);
        let most = if queue == handoff { taken.get() } else { threads * 2 };
        assert_eq!(taken.get(), most, "{growth:?} {queue:?} {core} {max}");
        assert!(taken.get() <= threads * 2, "{} {growth:?} {core} {max}", taken.get());
        drop(results);
        finish(&pool);
    }
}

#[test]
fn an_endless_source_gives_its_first_result_in_a_pool_without_a_limit_of_threads() {
    let max = usize::try_from(i32::MAX).unwrap();
    let builder = ThreadPoolExecutor::builder().core_threads(2).max_threads(max);
    let pool = builder.queue(Queue::Unbounded).build().unwrap();
    let mut results = pool.map(0_u64.., |n| n);
    assert_eq!(results.next().unwrap().unwrap(), 0);
    assert!(results.by_ref().take(100).map(Result::unwrap).eq(1..=100));
    drop(results);
    assert!(finish(&pool).submitted < 1_000);
}

#[test]
fn items_within_the_look_ahead_run_at_the_same_time() {
    let pool = fixed(2);
    let running = Counter::new();
    let counter = running.clone();
    let results = pool.map(0..2, move |n| {
        counter.add();
        counter.reach(2);
        n
    });
    assert_eq!(all(results), ["0", "1"]);
}

#[test]
fn a_chunk_is_one_job_and_the_last_may_be_smaller() {
    let pool = fixed(2);
    let results = pool.map(0..10, |n| n).chunks(4);
    assert_eq!(all(results).len(), 10);
    assert_eq!(finish(&pool).completed, 3);
}

#[test]
fn an_endless_iterator_is_fine() {
    for chunk in [1, 16] {
        let pool = fixed(2);
        let results = pool.map(0_usize.., |n| n * 2).chunks(chunk);
        let first: Vec<_> = results.take(1_000).collect::<Result<_, _>>().expect("no panic");
        assert_eq!(first, (0..1_000).map(|n| n * 2).collect::<Vec<_>>());
        assert_conserved(&finish(&pool));
    }
}

#[test]
fn ten_thousand_items_pass_through_small_pools() {
    for (threads, queue) in [
        (1, Queue::Handoff),
        (1, Queue::Bounded(1)),
        (2, Queue::Handoff),
        (2, Queue::Bounded(3)),
        (2, Queue::Unbounded),
    ] {
        for (chunk, jobs) in [(1, 10_000), (64, 157)] {
            let pool = small(threads, queue);
            let results = pool.map(0..10_000_usize, |n| n + 1).chunks(chunk);
            for (n, result) in results.enumerate() {
                assert_eq!(result.expect("no panic"), n + 1, "{threads} {queue:?} {chunk}");
            }
            let stats = finish(&pool);
            assert_eq!((stats.completed, stats.rejected), (jobs, 0), "{stats:?}");
        }
    }
}

#[test]
fn an_empty_iterator_yields_nothing() {
    let pool = fixed(1);
    assert_eq!(all(pool.map(Vec::<u8>::new(), |n| n)), [""; 0]);
    pool.shutdown();
    assert_eq!(all(pool.map(Vec::<u8>::new(), |n| n)), [""; 0]);
    assert_eq!(finish(&pool).submitted, 0);
}

#[test]
fn a_panic_is_the_result_of_its_item_alone() {
    for chunk in [1, 2, 4, 8, 9] {
        let (pool, reported) = listening(2);
        let results = pool.map(0..9, |n| {
            assert!(![1, 2, 5, 6].contains(&n), "{n}");
            n
        });
        let expected = ["0", "panic 1", "panic 2", "3", "4", "panic 5", "panic 6", "7", "8"];
        assert_eq!(all(results.chunks(chunk)), expected, "chunks of {chunk}");
        let stats = finish(&pool);
        let panicked = [0, 4, 4, 0, 2, 0, 0, 0, 1, 1][chunk];
        assert_eq!(stats.panicked, panicked, "jobs, with chunks of {chunk}");
        assert_eq!(reported.get(), 0, "each was received");
    }
}

#[test]
fn the_payload_of_a_panic_is_kept() {
    let pool = fixed(1);
    let mut results = pool.map(0..2, |n: u32| std::panic::panic_any(n)).chunks(2);
    for n in 0..2 {
        let error = results.next().expect("two results").err().map(JoinError::into_panic);
        let payload = error.expect("a panic").expect("a panic");
        assert_eq!(payload.downcast_ref::<u32>(), Some(&n));
    }
}

#[test]
fn panics_that_nobody_takes_are_reported_once_each() {
    let (pool, reported) = listening(1);
    let (ended, gate) = (Counter::new(), Gate::new());
    let (counter, pass) = (ended.clone(), gate.clone());
    let mut results = pool.map(0..9, move |n| {
        if counter.add() > 6 {
            pass.pass();
        }
        assert!(n == 0, "{n}");
    });
    results = results.chunks(3).look_ahead(9);
    assert!(results.next().expect("the first").is_ok());
    // Two are ready to be yielded, three are in a chunk that has ended, and one is yet to come: the
    // drop interrupts its job, which does not start the others.
    ended.reach(7);
    drop(results);
    gate.open();
    finish(&pool);
    assert_eq!(reported.get(), 6);
}

#[test]
fn destructors_that_panic_are_contained_and_reported() {
    let (pool, reported) = listening(1);
    let (dropped, called) = (Counter::new(), Counter::new());
    let (entered, leave, stop) = stop_point();
    let of_items = dropped.clone();
    let items = (0..6).map(move |n| (n, Bomb(of_items.clone())));
    let (calls, of_results, in_function) = (called.clone(), dropped.clone(), Bomb(dropped.clone()));
    let mut results = pool.map(items, move |(n, bomb): (usize, Bomb)| {
        let _also_moved = &in_function;
        calls.add();
        std::mem::forget(bomb);
        if n == 2 {
            stop();
        }
        Bomb(of_results.clone())
    });
    results = results.chunks(2).look_ahead(6);
    std::mem::forget(results.next());
    entered.pass();
    drop(results);
    // One result that was ready, and the items of the pending chunk.
    assert_eq!(reported.get(), 1 + 2);
    leave.open();
    finish(&pool);
    assert_eq!(called.get(), 3, "an interrupted job starts no further item");
    // The running chunk's result, its other item, and the function.
    assert_eq!((reported.get(), dropped.get()), (6, 6));
}

#[test]
fn a_function_whose_destructor_panics_does_not_unwind_into_the_drop() {
    let (pool, reported) = listening(1);
    let bomb = Bomb(Counter::new());
    let results = pool.map(0..1, move |n| {
        let _captured = &bomb;
        n
    });
    drop(results);
    finish(&pool);
    assert_eq!(reported.get(), 1);
}

#[test]
fn a_hook_that_panics_ends_the_job_and_tells_its_first_item() {
    let pool = ThreadPoolExecutor::builder()
        .threads(1)
        .before_job(|_| panic!("not today"))
        .build()
        .expect("a pool");
    let results = pool.map(0..3, |n| n).chunks(2);
    assert_eq!(all(results), ["panic not today", "cancelled", "panic not today"]);
    assert_eq!(finish(&pool).panicked, 2);
}

#[test]
fn a_panic_of_the_items_iterator_unwinds_and_loses_nothing() {
    let numbers = || (0..6).inspect(|&n| assert!(n != 3, "no third"));
    for chunk in [1, 2, 3] {
        let pool = fixed(1);
        let mut results = pool.map(numbers(), |n| n).chunks(chunk).look_ahead(6);
        let unwound = catch_unwind(AssertUnwindSafe(|| results.next().is_some()));
        assert!(unwound.is_err(), "the panic reaches the caller");
        assert_eq!(all(&mut results), ["0", "1", "2", "4", "5"]);
        // And where it is dropped instead.
        let mut results = pool.map(numbers(), |n| n).chunks(chunk).look_ahead(6);
        assert!(catch_unwind(AssertUnwindSafe(|| results.next().is_some())).is_err());
        drop(results);
        finish(&pool);
    }
}

#[test]
fn shutdown_now_ends_a_chunk_at_its_current_item() {
    let pool = single();
    let (entered, leave, stop) = stop_point();
    let (numbers, taken) = counted(100);
    let consumer = helper({
        let handle = pool.handle();
        move || {
            let results = handle.map(numbers, move |n| {
                stop();
                format!("{n} {}", interrupt::is_interrupted())
            });
            all(results.chunks(3).look_ahead(6))
        }
    });
    entered.pass();
    eventually("the second chunk is pending", || pool.stats().queued == 1);
    drop(pool.shutdown_now());
    leave.open();
    // The rest of the first chunk, the chunk that was handed back, and the one that was refused.
    let mut expected = ["cancelled"; 9];
    expected[0] = "0 true";
    assert_eq!(consumer.join(), expected);
    assert_eq!(taken.get(), 9);
    finish(&pool);
}

#[test]
fn what_is_handed_back_is_cancelled_though_somebody_keeps_it() {
    for waits_before in [true, false] {
        let pool = fixed(1);
        let (entered, leave, stop) = stop_point();
        pool.execute(stop).unwrap();
        entered.pass();
        let (items, taken) = counted(4);
        let ran = Counter::new();
        let count = ran.clone();
        let mut map = pool.map(items, move |_| count.add()).look_ahead(4);
        let asked = Gate::new();
        let asks = asked.clone();
        let consumer = helper(move || {
            let first = told(map.next());
            asks.open();
            let rest: Vec<_> = (0..4).map(|_| told(map.next())).collect();
            (first, rest)
        });
        taken.reach(4);
        if waits_before {
            // The consumer is most likely asleep by now; either way it hears of it.
            pass_time(SHORT);
        }
        eventually("all are queued", || pool.stats().queued == 4);
        let kept = pool.shutdown_now();
        assert_eq!(kept.len(), 4);
        asked.pass();
        let (first, rest) = consumer.join();
        assert_eq!(first, "cancelled");
        assert_eq!(rest, ["cancelled", "cancelled", "cancelled", "end"]);
        kept.into_iter().for_each(Job::run);
        assert_eq!(ran.get(), 0, "what was yielded as cancelled does not run");
        leave.open();
        finish(&pool);
    }
}

#[test]
fn the_consumers_interrupt_comes_once_and_cancels_the_rest() {
    let pool = single();
    let stop = Interrupt::new();
    let (running, seen) = (Gate::new(), Gate::new());
    let (numbers, taken) = counted(usize::MAX);
    let consumer = helper({
        let (handle, stop) = (pool.handle(), stop.clone());
        let (running, seen) = (running.clone(), seen.clone());
        move || {
            let _interruptible = stop.enter();
            let results = handle.map(numbers, move |n| {
                if n == 2 {
                    running.open();
                    interrupt::sleep(LONG).expect_err("interrupted");
                    seen.open();
                }
                n
            });
            all(results.look_ahead(5))
        }
    });
    running.pass();
    stop.interrupt();
    assert_eq!(consumer.join(), ["0", "1", "interrupted"]);
    seen.pass();
    let stats = finish(&pool);
    assert_eq!((stats.completed, stats.cancelled), (3, taken.get() as u64 - 3));
}

#[test]
fn an_interrupted_worker_runs_nothing_of_what_is_pending() {
    let pool = fixed(1);
    let (own, ran) = (pool.handle(), Counter::new());
    let (entered, leave, stop) = stop_point();
    let count = ran.clone();
    let consumer = pool
        .submit(move || {
            let mut map = own.map(0..100, move |_| count.add()).look_ahead(8);
            assert!(map.next().is_some_and(|first| first.is_ok()));
            stop();
            let mut rest: Vec<_> = map.by_ref().map(|result| told(Some(result))).collect();
            (rest.pop(), rest.len())
        })
        .unwrap();
    entered.pass();
    let before = ran.get();
    consumer.cancel();
    leave.open();
    let (last, ended) = soon(consumer);
    assert_eq!(last.as_deref(), Some("interrupted"));
    assert_eq!((ended + 1, ran.get()), (before, before));
    finish(&pool);
}

#[test]
fn what_has_ended_is_yielded_before_the_interrupt() {
    let pool = fixed(1);
    let (numbers, taken) = counted(100);
    let (entered, leave, stop) = stop_point();
    let consumer = Interrupt::new();
    let interruptible = consumer.enter();
    let mut results = pool.map(numbers, move |n| {
        if n == 3 {
            stop();
        }
        n
    });
    results = results.look_ahead(5);
    assert_eq!(told(results.next()), "0");
    entered.pass();
    consumer.interrupt();
    assert_eq!(all(results), ["1", "2", "interrupted"]);
    assert_eq!(taken.get(), 5, "nothing more is taken");
    assert_eq!(pool.stats().cancelled, 1, "the pending job is gone");
    drop(interruptible);
    leave.open();
    finish(&pool);
}

#[test]
fn an_interrupted_consumer_takes_nothing() {
    let pool = fixed(1);
    let (numbers, taken) = counted(100);
    let consumer = Interrupt::new();
    let interruptible = consumer.enter();
    consumer.interrupt();
    assert_eq!(all(pool.map(numbers, |n| n)), ["interrupted"]);
    drop(interruptible);
    assert_eq!((taken.get(), finish(&pool).submitted), (0, 0));
}

#[test]
fn the_interrupt_reaches_what_the_consumer_runs_itself() {
    let pool = small(1, Queue::Handoff);
    let gate = Gate::new();
    block_worker(&pool, &gate);
    let consumer = Interrupt::new();
    let (entered, running) = (Gate::new(), Gate::new());
    let tell = entered.clone();
    let interrupter = helper({
        let (consumer, running) = (consumer.clone(), running.clone());
        move || {
            running.pass();
            consumer.interrupt();
        }
    });
    let interruptible = consumer.enter();
    let results = pool.map(0..9, move |n| {
        running.open();
        interrupt::sleep(LONG).expect_err("interrupted");
        tell.open();
        n
    });
    assert_eq!(all(results.chunks(3)), ["0", "cancelled", "cancelled", "interrupted"]);
    assert!(entered.is_open());
    drop(interruptible);
    interrupter.join();
    gate.open();
    assert_eq!(finish(&pool).caller_ran, 1);
}

#[test]
fn a_worker_that_maps_on_its_own_pool_does_not_starve() {
    let queues = [Queue::Handoff, Queue::Bounded(1), Queue::Unbounded];
    for (threads, queue) in [1, 2].into_iter().flat_map(|n| queues.map(|queue| (n, queue))) {
        for chunk in [1, 3] {
            let pool = small(threads, queue);
            let handle = pool.handle();
            // Every item maps again, on the same workers.
            let sums = pool.map(0..20_u64, move |n| {
                let inner = handle.map(0..n, |m| m).chunks(chunk);
                inner.map(|result| result.expect("no panic")).sum::<u64>()
            });
            let total: u64 = sums.map(|sum| sum.expect("no panic")).sum();
            assert_eq!(total, (0..20).map(|n| (0..n).sum::<u64>()).sum());
            let stats = finish(&pool);
            assert_eq!((stats.rejected, stats.cancelled), (0, 0), "{threads} {queue:?}");
        }
    }
}

#[test]
fn a_saturated_pools_policy_is_never_asked() {
    struct Asked(Counter);
    impl RejectionPolicy for Asked {
        fn rejected(&self, job: Job, saturation: &Saturation<'_>) -> Result<(), Rejected> {
            self.0.add();
            saturation.reject(job)
        }
    }
    let asked = Counter::new();
    let handoff = || ThreadPoolExecutor::builder().threads(1).queue(Queue::Handoff);
    for pool in [
        handoff().rejection_policy(Asked(asked.clone())).build(),
        handoff().rejection_policy(policy::Discard).build(),
        handoff().rejection_policy(policy::Block { timeout: LONG }).build(),
    ] {
        let pool = pool.expect("a pool");
        let gate = Gate::new();
        block_worker(&pool, &gate);
        let here = thread::current().id();
        let results = pool.map(0..5, move |n| {
            assert_eq!(thread::current().id(), here, "the caller runs it");
            n
        });
        assert_eq!(all(results.look_ahead(3)), ["0", "1", "2", "3", "4"]);
        gate.open();
        let stats = finish(&pool);
        assert_eq!((stats.caller_ran, stats.discarded, stats.rejected), (5, 0, 0));
        assert_eq!(asked.get(), 0);
    }
}

#[test]
fn a_job_that_found_no_room_is_tried_again() {
    let pool = Arc::new(small(1, Queue::Handoff));
    let gate = Gate::new();
    block_worker(&pool, &gate);
    let here = thread::current().id();
    let watched = pool.handle();
    let mut results = pool.map(0..2, move |n| {
        if n == 0 {
            gate.open();
            eventually("the worker comes free", || watched.stats().idle == 1);
        }
        format!("{n} {}", thread::current().id() == here)
    });
    assert_eq!(told(results.next()), "0 true");
    assert_eq!(told(results.next()), "1 false");
    drop(results);
    assert_eq!(finish(&pool).caller_ran, 1);
}

/// A pool whose one free worker runs the first item until the second has been taken, which finds no
/// room then: the results, the pool, and the gate that frees the other worker.
fn with_a_job_that_waits()
-> (impl Iterator<Item = Result<usize, JoinError>>, ThreadPoolExecutor, Gate) {
    let pool = small(2, Queue::Handoff);
    let gate = Gate::new();
    block_worker(&pool, &gate);
    let (numbers, taken) = counted(2);
    let results = pool.map(numbers, move |n| {
        taken.reach(2);
        n
    });
    (results, pool, gate)
}

#[test]
fn a_waiting_job_is_taken_by_the_worker_that_comes_free() {
    for _ in 0..repeat(20) {
        let (results, pool, gate) = with_a_job_that_waits();
        assert_eq!(all(results), ["0", "1"]);
        gate.open();
        assert_eq!(finish(&pool).caller_ran, 0);
    }
}

#[test]
fn an_interrupted_consumer_does_not_run_the_waiting_job() {
    for _ in 0..repeat(20) {
        let (mut results, pool, gate) = with_a_job_that_waits();
        let consumer = Interrupt::new();
        let interruptible = consumer.enter();
        assert_eq!(told(results.next()), "0");
        consumer.interrupt();
        // Or there was room for it just in time.
        let rest = all(results);
        assert!(rest == ["interrupted"] || rest == ["1"], "{rest:?}");
        drop(interruptible);
        gate.open();
        assert_eq!(finish(&pool).caller_ran, 0);
    }
}

#[test]
fn a_pool_without_threads_maps_on_the_caller() {
    let pool = ThreadPoolExecutor::builder()
        .threads(1)
        .thread_factory(|_| Err(std::io::Error::other("none left")))
        .build()
        .expect("a pool");
    assert_eq!(all(pool.map(0..3, |n| n)), ["0", "1", "2"]);
    assert_eq!(finish(&pool).caller_ran, 3);
}

#[test]
fn a_pool_that_was_shut_down_cancels_one_jobs_items_and_ends() {
    for chunk in [1, 3] {
        let pool = fixed(1);
        pool.shutdown();
        let (numbers, taken) = counted(100);
        let results = pool.map(numbers, |n| n).chunks(chunk);
        assert_eq!(all(results), vec!["cancelled"; chunk]);
        assert_eq!((taken.get(), finish(&pool).rejected), (chunk, 1));
    }
}

#[test]
fn a_shutdown_in_between_yields_what_was_accepted_first() {
    let pool = fixed(1);
    let (numbers, taken) = counted(100);
    let mut results = pool.map(numbers, |n| n).look_ahead(3);
    assert_eq!(told(results.next()), "0");
    pool.shutdown();
    assert_eq!(all(results), ["1", "2", "cancelled"]);
    let stats = finish(&pool);
    assert_eq!((taken.get(), stats.completed, stats.rejected), (4, 3, 1));
}

#[test]
fn a_shutdown_while_a_job_waits_for_room_cancels_it() {
    let pool = small(1, Queue::Handoff);
    let (numbers, taken) = counted(100);
    let (entered, leave, stop) = stop_point();
    let consumer = helper({
        let handle = pool.handle();
        move || {
            let results = handle.map(numbers, move |n| {
                stop();
                n
            });
            all(results.look_ahead(9))
        }
    });
    entered.pass();
    // The second finds no worker, and then no open pool.
    taken.reach(2);
    pool.shutdown();
    leave.open();
    assert_eq!(consumer.join(), ["0", "cancelled"]);
    let stats = finish(&pool);
    assert_eq!((taken.get(), stats.completed, stats.rejected), (2, 1, 1));
}

#[test]
fn every_item_that_was_taken_is_accounted_for_when_the_pool_ends_at_any_moment() {
    for round in 0..repeat(100) {
        let pool = small(2, Queue::Bounded(2));
        let calls = Counter::new();
        let counter = calls.clone();
        let ender = helper({
            let handle = pool.handle();
            let calls = calls.clone();
            move || {
                calls.reach(round % 20);
                if round % 2 == 0 {
                    handle.shutdown();
                } else {
                    drop(handle.shutdown_now());
                }
            }
        });
        let (numbers, taken) = counted(usize::MAX);
        let results = pool.map(numbers, move |n| {
            counter.add();
            n
        });
        let told = all(results.chunks(1 + round % 3));
        ender.join();
        assert_eq!(taken.get(), told.len());
        let (returned, cancelled): (Vec<_>, Vec<_>) =
            told.iter().enumerate().partition(|(n, told)| **told == n.to_string());
        assert!(cancelled.iter().all(|(_, told)| *told == "cancelled"), "{told:?}");
        assert_eq!(returned.len(), calls.get());
        finish(&pool);
    }
}

#[test]
fn dropping_it_cancels_what_is_on_its_way_and_does_not_wait() {
    let pool = single();
    let (entered, leave, stop) = stop_point();
    let called = Arc::new(Mutex::new(Vec::new()));
    let calls = Arc::clone(&called);
    let mut results = pool.map(0.., move |n| {
        if n == 1 {
            stop();
        }
        calls.lock().push((n, interrupt::is_interrupted()));
    });
    results = results.look_ahead(10);
    assert!(results.next().expect("the first").is_ok());
    entered.pass();
    // The running one is at the gate, which opens only after: a drop that waited would never end.
    drop(results);
    let stats = pool.stats();
    assert_eq!((stats.active, stats.queued, stats.cancelled), (1, 0, 8));
    leave.open();
    finish(&pool);
    assert_eq!(*called.lock(), [(0, false), (1, true)]);
}

#[test]
fn a_worker_set_free_by_the_drop_starts_nothing_more() {
    for _ in 0..repeat(100) {
        let pool = single();
        let (running, calls) = (Gate::new(), Counter::new());
        let (entered, called) = (running.clone(), calls.clone());
        let mut results = pool.map(0.., move |n| {
            called.add();
            if n == 1 {
                entered.open();
                interrupt::sleep(LONG).expect_err("interrupted");
            }
        });
        results = results.look_ahead(10);
        assert!(results.next().expect("the first").is_ok());
        running.pass();
        drop(results);
        assert_eq!(finish(&pool).completed, 2);
        assert_eq!(calls.get(), 2);
    }
}

#[test]
fn dropping_it_with_a_job_that_found_no_room_counts_no_job() {
    for _ in 0..repeat(20) {
        let pool = small(1, Queue::Handoff);
        let (numbers, taken) = counted(100);
        let reached = taken.clone();
        let mut results = pool.map(numbers, move |_| reached.reach(2)).look_ahead(9);
        assert!(results.next().expect("the first").is_ok());
        drop(results);
        let stats = finish(&pool);
        let ended = stats.completed + stats.cancelled;
        assert_eq!((stats.submitted, stats.rejected), (ended, 0), "{stats:?}");
    }
}

#[test]
fn it_moves_between_threads_and_shows_itself() {
    fn is_fused<I: FusedIterator + Send>(_: &I) {}
    let pool = fixed(1);
    let mut results = pool.map(0..3, |n| n).look_ahead(2);
    is_fused(&results);
    assert_eq!(told(results.next()), "0");
    let shown = format!("{results:?}");
    assert_eq!(shown, "Map { outstanding: 1, look_ahead: 2, chunks: 1, .. }");
    let rest = helper(move || all(results));
    assert_eq!(rest.join(), ["1", "2"]);
}

#[test]
fn its_type_can_be_named() {
    struct Squares(Map<std::ops::Range<u32>, fn(u32) -> u32, u32>);
    let pool = fixed(1);
    let squares = Squares(pool.map(0..3, |n| n * n));
    assert_eq!(all(squares.0), ["0", "1", "4"]);
}
