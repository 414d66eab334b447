//! Tests of what is left to a pool's end: values that outlive the last job, and hooks, in the reverse
//! order of handing over.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use workcrew::{Phase, ShutdownPlan, ThreadPoolExecutor};

use crate::support::{
    Counter, Gate, LONG, block_worker, eventually, finish, helper, hold, repeat, single,
};

/// What happened, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn add(&self, text: impl Into<String>) {
        self.0.lock().push(text.into());
    }

    fn get(&self) -> Vec<String> {
        self.0.lock().clone()
    }
}

/// Says when it is dropped.
struct Producer(Log, &'static str);

impl Drop for Producer {
    fn drop(&mut self) {
        self.0.add(format!("{} dropped", self.1));
    }
}

#[test]
fn a_kept_value_is_dropped_after_the_last_job_and_before_anybody_is_told() {
    for _ in 0..repeat(20) {
        let pool = ThreadPoolExecutor::fixed(2).unwrap();
        let log = Log::default();
        let producer = pool.keep_until_terminated(Producer(log.clone(), "producer"));
        let gate = Gate::new();
        hold(&pool, &gate, 2);
        for _ in 0..10 {
            let producer = producer.clone();
            pool.execute(move || producer.0.add("sent")).unwrap();
        }
        drop(producer);
        let (last, noted) = (Gate::new(), log.clone());
        let passed = last.clone();
        pool.execute(move || {
            passed.pass();
            noted.add("last job");
        })
        .unwrap();
        pool.shutdown();
        assert!(log.get().is_empty(), "nobody but the pool has it");
        gate.open();
        eventually("the pool alone has the value", || pool.stats().completed == 12);
        assert_eq!(log.get(), ["sent"; 10]);
        last.open();
        pool.await_termination(LONG).unwrap();
        assert_eq!(log.get()[10..], ["last job", "producer dropped"]);
    }
}

#[test]
fn values_and_hooks_have_their_turn_in_the_reverse_order_of_handing_over() {
    let log = Log::default();
    let note = |text: &'static str| {
        let log = log.clone();
        move || log.add(text)
    };
    let pool = ThreadPoolExecutor::builder()
        .threads(1)
        .on_terminated(note("built first"))
        .on_terminated(note("built second"))
        .build()
        .unwrap();
    drop(pool.keep_until_terminated(Producer(log.clone(), "a")));
    pool.on_terminated(note("hook"));
    drop(pool.handle().keep_until_terminated(Producer(log.clone(), "b")));
    pool.execute(note("job")).unwrap();
    finish(&pool);
    let expected = ["job", "b dropped", "hook", "a dropped", "built second", "built first"];
    assert_eq!(log.get(), expected);
}

#[test]
fn a_clone_that_is_left_elsewhere_keeps_the_value() {
    let pool = single();
    let log = Log::default();
    let kept = pool.keep_until_terminated(Producer(log.clone(), "shared"));
    finish(&pool);
    assert!(log.get().is_empty());
    assert_eq!(kept.1, "shared");
    drop(kept);
    assert_eq!(log.get(), ["shared dropped"]);
}

#[test]
fn pending_jobs_that_are_handed_back_keep_what_they_captured() {
    let pool = single();
    let (log, gate) = (Log::default(), Gate::new());
    block_worker(&pool, &gate);
    let kept = pool.keep_until_terminated(Producer(log.clone(), "kept"));
    pool.execute(move || kept.0.add("used")).unwrap();
    let pending = pool.shutdown_now();
    gate.open();
    pool.await_termination(LONG).unwrap();
    assert!(log.get().is_empty(), "a pending job may still be run");
    pending.into_iter().for_each(workcrew::Job::run);
    assert_eq!(log.get(), ["used", "kept dropped"]);
}

#[test]
fn a_pool_that_has_ended_keeps_nothing_and_calls_at_once() {
    let pool = single();
    finish(&pool);
    let log = Log::default();
    let kept = pool.keep_until_terminated(Producer(log.clone(), "late"));
    let called = log.clone();
    pool.on_terminated(move || called.add("called"));
    assert_eq!(log.get(), ["called"]);
    drop(kept);
    assert_eq!(log.get(), ["called", "late dropped"]);
}

#[test]
fn what_a_hook_hands_over_has_its_turn_before_the_end() {
    let pool = single();
    let (log, handle) = (Log::default(), pool.handle());
    let outer = log.clone();
    pool.on_terminated(move || {
        outer.add("outer");
        assert_eq!(handle.phase(), Phase::Tidying);
        drop(handle.keep_until_terminated(Producer(outer.clone(), "inner")));
        handle.on_terminated(move || outer.add("inner hook"));
    });
    finish(&pool);
    assert_eq!(log.get(), ["outer", "inner hook", "inner dropped"]);
}

#[test]
fn panicking_hooks_and_destructors_are_reported_and_the_others_still_run() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("a kept value's");
        }
    }
    let (panics, log) = (Counter::new(), Log::default());
    let counted = panics.clone();
    let pool = ThreadPoolExecutor::builder().threads(1).on_panic(move |_| _ = counted.add());
    let pool = pool.build().unwrap();
    let last = log.clone();
    pool.on_terminated(move || last.add("still run"));
    drop(pool.keep_until_terminated(Bomb));
    pool.on_terminated(|| panic!("a hook's"));
    pool.execute(|| ()).unwrap();
    finish(&pool);
    assert_eq!((panics.get(), log.get().as_slice()), (2, &["still run".to_owned()][..]));
    pool.on_terminated(|| panic!("a late hook's"));
    assert_eq!(panics.get(), 3);
}

#[test]
fn no_lock_is_held_while_hooks_run_and_values_are_dropped() {
    struct Uses(workcrew::Handle);
    impl Drop for Uses {
        fn drop(&mut self) {
            let other = self.0.clone();
            helper(move || {
                assert!(other.execute(|| ()).unwrap_err().is_shutdown());
                other.on_terminated(|| ());
                assert!(other.await_termination(Duration::ZERO).is_err());
                (other.stats(), other.running_jobs())
            })
            .join();
        }
    }
    let pool = single();
    drop(pool.keep_until_terminated(Uses(pool.handle())));
    finish(&pool);
}

#[test]
fn handing_over_races_with_the_end_and_nothing_is_forgotten() {
    for _ in 0..repeat(200) {
        let pool = single();
        let (ran, handle) = (Counter::new(), pool.handle());
        let counted = ran.clone();
        let adding = helper(move || {
            for _ in 0..10 {
                let counted = counted.clone();
                handle.on_terminated(move || _ = counted.add());
            }
        });
        assert_eq!(pool.shutdown_with(&ShutdownPlan::new()).code(), 0);
        adding.join();
        assert_eq!(ran.get(), 10);
    }
}
