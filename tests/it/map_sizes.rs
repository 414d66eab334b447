//! How many items a job of `map` takes, and what becomes of those that share one.

use std::iter::from_fn;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::unbounded;
use parking_lot::Mutex;
use workcrew::{JoinError, ThreadPoolExecutor};

use crate::support::{Counter, Gate, LONG, finish, repeat};

/// Takes longer than the items of one job are gathered, or than one is worth a job.
fn spend(micros: u64) {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_micros(micros) {}
}

#[test]
fn jobs_take_many_items_where_the_function_is_quick() {
    for threads in [1, 3] {
        let pool = ThreadPoolExecutor::fixed(threads).unwrap();
        let results = pool.map(0..20_000_u64, |n| n + 1).map(Result::unwrap);
        assert!(results.eq(1..=20_000));
        let stats = finish(&pool);
        assert!(stats.completed < 10_000, "{stats:?}");
    }
}

#[test]
fn an_item_that_the_source_does_not_promise_waits_for_no_other() {
    for _ in 0..repeat(5) {
        let pool = ThreadPoolExecutor::fixed(2).unwrap();
        let (links, found) = unbounded();
        links.send(1_000_u32).unwrap();
        // The next item comes from the function that is called on this one.
        let visit = move |link: u32| {
            if let Some(next) = link.checked_sub(1) {
                links.send(next).unwrap();
            }
            link
        };
        let source = from_fn(move || found.recv().ok()).take(1_001);
        let visited = pool.map(source, visit).map(Result::unwrap);
        assert!(visited.eq((0..=1_000).rev()));
        assert_eq!(finish(&pool).completed, 1_001);
    }
}

#[test]
fn items_that_are_slow_to_come_wait_for_few_others() {
    let pool = ThreadPoolExecutor::fixed(1).unwrap();
    let source = (0..2_200).inspect(|n| {
        if *n >= 2_000 {
            spend(40);
        }
    });
    let results = pool.map(source, |n| n).map(Result::unwrap);
    assert!(results.eq(0..2_200));
    // All but those that were gathered with quick ones have jobs of their own.
    let stats = finish(&pool);
    assert!(stats.completed >= 190, "{stats:?}");
}

#[test]
fn items_on_which_the_function_is_slow_have_jobs_of_their_own_soon() {
    let pool = ThreadPoolExecutor::fixed(1).unwrap();
    let slow = Counter::new();
    let counts = slow.clone();
    let results = pool.map(0..3_000, move |n| {
        if n >= 2_000 {
            spend(250);
            counts.add();
        }
        n
    });
    assert!(results.map(Result::unwrap).eq(0..3_000));
    assert_eq!(slow.get(), 1_000);
    let stats = finish(&pool);
    // Two jobs of 256 items were on their way when these began to be slow, then two of 64, 16 and 4.
    assert!(stats.completed >= 1_000 - 2 * (256 + 64 + 16 + 4), "{stats:?}");
}

#[test]
fn a_look_ahead_that_was_set_is_shared_by_as_many_jobs_as_there_would_be_of_one_item() {
    let pool = ThreadPoolExecutor::fixed(2).unwrap();
    let results = pool.map(0..10_000, |n| n).look_ahead(8).map(Result::unwrap);
    assert!(results.eq(0..10_000));
    // Four jobs, of two items each at most.
    let stats = finish(&pool);
    assert!(stats.completed >= 5_000, "{stats:?}");
}

#[test]
fn many_threads_do_not_make_the_look_ahead_endless() {
    let builder = ThreadPoolExecutor::builder().core_threads(0).max_threads(1_000);
    let pool = builder.build().unwrap();
    let taken = Counter::new();
    let counts = taken.clone();
    let source = (0..1_000_000).inspect(move |_| {
        counts.add();
    });
    for (yielded, result) in pool.map(source, |n| n).take(100_000).enumerate() {
        assert_eq!(result.unwrap(), yielded);
        let ahead = taken.get() - yielded;
        assert!(ahead <= 16_384, "{ahead} after {yielded}");
    }
    finish(&pool);
}

#[test]
fn a_function_that_waits_for_its_own_result_is_told_so_and_no_other_is_lost() {
    type Numbers = Box<dyn Iterator<Item = Result<usize, JoinError>> + Send>;
    for chunk in [1, 3] {
        let pool = ThreadPoolExecutor::fixed(1).unwrap();
        let map: Arc<Mutex<Option<Numbers>>> = Arc::default();
        let (gate, told) = (Gate::new(), Arc::new(Mutex::new(None)));
        let (own, closed, tells) = (Arc::clone(&map), gate.clone(), Arc::clone(&told));
        // The first item of the second job asks.
        let function = move |n| {
            if n == chunk {
                closed.pass();
                *tells.lock() = own.lock().as_mut().and_then(Iterator::next);
            }
            n
        };
        let mut results = pool.map(0..3 * chunk, function).chunks(chunk).look_ahead(2 * chunk);
        for n in 0..chunk {
            assert_eq!(results.next().unwrap().unwrap(), n);
        }
        *map.lock() = Some(Box::new(results));
        gate.open();
        pool.wait_idle(LONG).unwrap();
        let told = told.lock().take();
        assert!(matches!(told, Some(Err(JoinError::Deadlock))), "{chunk}: {told:?}");
        let results = map.lock().take().unwrap();
        let rest: Vec<_> = results.map(Result::ok).collect();
        // Those of that job are not known, though it has run.
        let unknown = std::iter::repeat_n(None, chunk - 1);
        assert_eq!(rest, unknown.chain((2 * chunk..3 * chunk).map(Some)).collect::<Vec<_>>());
        finish(&pool);
    }
}

#[test]
fn few_items_have_jobs_of_their_own() {
    let pool = ThreadPoolExecutor::fixed(2).unwrap();
    assert!(pool.map(0..64, |n| n).map(Result::unwrap).eq(0..64));
    assert_eq!(finish(&pool).completed, 64);
}
