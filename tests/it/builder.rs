//! Configurations, and their errors.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use workcrew::{
    BuildError, Builder, Growth, JobHandle, OnDrop, Phase, Queue, RejectReason, ThreadPoolExecutor,
    policy,
};

use crate::support::{Counter, Gate, HUGE, block_worker, finish};

fn error(builder: Builder) -> BuildError {
    builder.build().expect_err("no pool can be like this")
}

/// Core, maximum and capacity.
fn sizes(pool: &ThreadPoolExecutor) -> (usize, usize, Option<usize>) {
    let stats = pool.stats();
    (stats.core, stats.max, stats.capacity)
}

fn machine() -> usize {
    thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

#[test]
fn a_pool_needs_at_least_one_thread() {
    let zero = || ThreadPoolExecutor::builder().max_threads(0);
    for error in [
        error(zero()),
        error(zero().core_threads(0)),
        error(zero().core_threads(5)),
        error(ThreadPoolExecutor::builder().threads(0)),
        ThreadPoolExecutor::fixed(0).unwrap_err(),
    ] {
        assert_eq!(error, BuildError::NoThreads);
        assert_eq!(error.field(), "max_threads");
        assert_eq!(error.to_string(), "max_threads is 0, but must be at least 1");
    }
}

#[test]
fn a_core_above_the_maximum_is_an_error_in_any_order_of_the_setters() {
    for error in [
        error(ThreadPoolExecutor::builder().core_threads(9).max_threads(4)),
        error(ThreadPoolExecutor::builder().max_threads(4).core_threads(9)),
    ] {
        assert_eq!(error, BuildError::CoreAboveMax { core: 9, max: 4 });
        assert_eq!(error.field(), "core_threads");
        let message = "core_threads is 9, but must be at most max_threads, which is 4";
        assert_eq!(error.to_string(), message);
    }
    let pool = ThreadPoolExecutor::builder().core_threads(9).max_threads(4).core_threads(3);
    assert_eq!(sizes(&pool.build().unwrap()).0, 3, "only the last word of each counts");
}

#[test]
fn core_timeout_without_a_keep_alive_is_an_error() {
    let builder = || ThreadPoolExecutor::builder().keep_alive(Duration::ZERO);
    let error = error(builder().allow_core_timeout(true));
    assert_eq!(error, BuildError::CoreTimeoutWithoutKeepAlive);
    assert_eq!(error.field(), "keep_alive");
    assert!(error.to_string().starts_with("keep_alive is 0, but must be longer"), "{error}");
    builder().allow_core_timeout(true).allow_core_timeout(false).build().unwrap().close();
    builder().build().unwrap().close();
}

#[test]
fn a_name_with_a_nul_is_an_error() {
    let error = error(ThreadPoolExecutor::builder().name("ma\0il"));
    assert_eq!(error, BuildError::NameHasNul { name: "ma\0il".to_owned() });
    assert_eq!(error.field(), "name");
    let message = r#"name is "ma\0il", but must not contain a NUL character"#;
    assert_eq!(error.to_string(), message);
}

#[test]
fn a_build_error_is_an_ordinary_error() {
    fn is_ordinary<E: std::error::Error + Send + Sync + Clone + 'static>(_: &E) {}
    let error = error(ThreadPoolExecutor::builder().threads(0));
    is_ordinary(&error);
    let boxed: Box<dyn std::error::Error + Send + Sync> = error.clone().into();
    assert_eq!(boxed.downcast_ref::<BuildError>(), Some(&error));
}

#[test]
fn the_defaults_are_those_of_the_documentation() {
    let pool = ThreadPoolExecutor::builder().build().unwrap();
    assert_eq!(sizes(&pool), (machine(), machine(), Some(1024)));
    let stats = pool.stats();
    assert_eq!((stats.phase, stats.pool_size, stats.submitted), (Phase::Running, 0, 0));
    finish(&pool);
    // What no figure shows.
    let shown = format!("{:?}", ThreadPoolExecutor::builder());
    for setting in
        ["keep_alive: 60s", "core_timeout: Never", "growth: QueueFirst", "on_drop: Close"]
    {
        assert!(shown.contains(setting), "{setting} is not in {shown}");
    }
    assert_eq!(Growth::default(), Growth::QueueFirst);
    assert!(matches!(OnDrop::default(), OnDrop::Close));
}

#[test]
fn a_size_that_is_not_set_follows_the_other() {
    let built = |builder: Builder| sizes(&builder.build().unwrap());
    let builder = ThreadPoolExecutor::builder;
    assert_eq!(built(builder().core_threads(7)), (7, 7, Some(1024)));
    assert_eq!(built(builder().core_threads(0)), (0, 1, Some(1024)), "one is needed");
    assert_eq!(built(builder().max_threads(1)), (1, 1, Some(1024)));
    let more = machine() + 3;
    assert_eq!(built(builder().max_threads(more)), (machine(), more, Some(1024)));
    assert_eq!(built(builder().threads(5)), (5, 5, Some(1024)));
    assert_eq!(built(builder().core_threads(2).max_threads(6)), (2, 6, Some(1024)));
}

#[test]
fn a_full_pool_rejects_and_a_dropped_one_runs_all_its_jobs_by_default() {
    let gate = Gate::new();
    let ran = Counter::new();
    let pool = ThreadPoolExecutor::builder().threads(1).build().unwrap();
    block_worker(&pool, &gate);
    for _ in 0..1024 {
        let ran = ran.clone();
        pool.execute(move || _ = ran.add()).unwrap();
    }
    let rejected = pool.execute(|| ()).unwrap_err();
    assert_eq!(rejected.reason(), RejectReason::Saturated);
    gate.open();
    drop(pool);
    assert_eq!(ran.get(), 1024);
}

#[test]
fn the_ready_made_pools_are_those_of_the_documentation() {
    let fixed = ThreadPoolExecutor::fixed(3).unwrap();
    let single = ThreadPoolExecutor::single().unwrap();
    let cached = ThreadPoolExecutor::cached().unwrap();
    assert_eq!(sizes(&fixed), (3, 3, None));
    assert_eq!(sizes(&single), (1, 1, None));
    assert_eq!(sizes(&cached), (0, usize::MAX, Some(0)));
    for pool in [fixed, single, cached] {
        pool.submit(|| ()).unwrap().join().unwrap();
        assert_eq!(finish(&pool).completed, 1);
    }
}

#[test]
fn a_cached_pool_starts_a_thread_for_each_job_when_none_is_idle() {
    let gate = Gate::new();
    let pool = ThreadPoolExecutor::cached().unwrap();
    (0..10).for_each(|_| block_worker(&pool, &gate));
    assert_eq!(pool.stats().pool_size, 10);
    gate.open();
    pool.wait_idle(Duration::MAX).unwrap();
    pool.submit(|| ()).unwrap().join().unwrap();
    assert_eq!(finish(&pool).largest_pool_size, 10);
}

#[test]
fn a_queue_of_no_places_is_a_hand_off() {
    for queue in [Queue::Bounded(0), Queue::Handoff] {
        let gate = Gate::new();
        let pool = ThreadPoolExecutor::builder().threads(1).queue(queue).build().unwrap();
        assert_eq!(sizes(&pool), (1, 1, Some(0)));
        block_worker(&pool, &gate);
        assert_eq!(pool.execute(|| ()).unwrap_err().reason(), RejectReason::Saturated);
        gate.open();
        finish(&pool);
    }
}

#[test]
fn the_greatest_sizes_are_possible() {
    let most = usize::MAX;
    for (core, growth) in
        [(0, Growth::QueueFirst), (most, Growth::QueueFirst), (most, Growth::ThreadsFirst)]
    {
        let gate = Gate::new();
        let pool = ThreadPoolExecutor::builder()
            .core_threads(core)
            .max_threads(most)
            .queue(Queue::Bounded(most))
            .growth(growth)
            .build()
            .unwrap();
        assert_eq!(sizes(&pool), (core, most, Some(most)));
        block_worker(&pool, &gate);
        pool.execute(|| ()).unwrap();
        pool.set_threads(0, most).unwrap();
        pool.set_threads(most, most).unwrap();
        gate.open();
        assert_eq!(finish(&pool).completed, 2);
    }
}

#[test]
fn building_starts_no_thread() {
    let started = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&started);
    let pool = ThreadPoolExecutor::builder()
        .threads(4)
        .on_thread_start(move |_| _ = count.fetch_add(1, Ordering::SeqCst))
        .build()
        .unwrap();
    assert_eq!(pool.stats().pool_size, 0);
    finish(&pool);
    assert_eq!(started.load(Ordering::SeqCst), 0);
}

/// The names of the threads of so many workers, as the program sees them.
fn names_of_threads(pool: &ThreadPoolExecutor, workers: usize) -> Vec<String> {
    let (gate, started) = (Gate::new(), Counter::new());
    let handles: Vec<_> = (0..workers)
        .map(|_| {
            let (gate, started) = (gate.clone(), started.clone());
            let job = move || {
                started.add();
                gate.pass();
                thread::current().name().map(str::to_owned)
            };
            pool.submit(job).expect("there is room")
        })
        .collect();
    started.reach(workers);
    gate.open();
    let name = |handle: JobHandle<Option<String>>| handle.join().expect("it returns");
    let mut names: Vec<_> =
        handles.into_iter().map(name).map(|name| name.expect("named")).collect();
    names.sort_unstable();
    names
}

#[test]
fn threads_are_named_after_the_pool_and_numbered() {
    let pool = ThreadPoolExecutor::builder().name("mail").threads(3).build().unwrap();
    assert_eq!(names_of_threads(&pool, 3), ["mail-1", "mail-2", "mail-3"]);
    finish(&pool);
    let nameless = ThreadPoolExecutor::builder().name("").threads(1).build().unwrap();
    assert_eq!(names_of_threads(&nameless, 1), ["-1"]);
    finish(&nameless);
}

#[test]
fn pools_without_a_name_have_different_ones() {
    let names: Vec<String> = (0..2)
        .map(|_| {
            let pool = ThreadPoolExecutor::fixed(1).unwrap();
            let name = names_of_threads(&pool, 1).remove(0);
            finish(&pool);
            name
        })
        .collect();
    for name in &names {
        let number = name.strip_prefix("workcrew-").and_then(|rest| rest.strip_suffix("-1"));
        number.expect("workcrew, the pool's number, the worker's").parse::<u64>().unwrap();
    }
    assert_ne!(names[0], names[1]);
}

#[test]
fn a_naming_function_names_the_threads() {
    let pool = ThreadPoolExecutor::builder()
        .threads(2)
        .name("unused")
        .thread_name_fn(|index| format!("desk\0 {index} of two"))
        .build()
        .unwrap();
    let names = names_of_threads(&pool, 2);
    assert_eq!(names, ["desk 1 of two", "desk 2 of two"], "a NUL is left out");
    finish(&pool);
}

#[cfg(target_os = "linux")]
#[test]
fn linux_shows_the_first_15_bytes_of_a_threads_name() {
    let pool = ThreadPoolExecutor::builder().name("letters-to-all").threads(2).build().unwrap();
    let comm = || std::fs::read_to_string("/proc/thread-self/comm").unwrap();
    assert_eq!(pool.submit(comm).unwrap().join().unwrap(), "letters-to-all-\n");
    finish(&pool);
    let gate = Gate::new();
    let pool = ThreadPoolExecutor::builder().name("comm").threads(2).build().unwrap();
    block_worker(&pool, &gate);
    block_worker(&pool, &gate);
    let shown: Vec<String> = std::fs::read_dir("/proc/self/task")
        .unwrap()
        // Threads of other tests may end meanwhile.
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .collect();
    for name in ["comm-1\n", "comm-2\n"] {
        assert!(shown.iter().any(|comm| comm == name), "no {name:?} in {shown:?}");
    }
    gate.open();
    finish(&pool);
}

/// Uses more than a kibibyte of stack for each step.
fn descend(steps: usize) -> usize {
    let frame = std::hint::black_box([steps; 128]);
    if steps == 0 { 0 } else { descend(steps - 1) + frame[steps % 128] / steps }
}

#[test]
fn threads_have_the_stack_that_was_asked_for() {
    let pool = ThreadPoolExecutor::builder().threads(1).stack_size(64 << 20).build().unwrap();
    // 16 MiB and more: twice what a thread has by default would not do.
    let steps = 16 << 10;
    assert_eq!(pool.submit(move || descend(steps)).unwrap().join().unwrap(), steps);
    finish(&pool);
}

#[test]
fn the_least_stack_is_still_one() {
    let pool = ThreadPoolExecutor::builder().threads(1).stack_size(0).build().unwrap();
    assert_eq!(pool.submit(|| 7).unwrap().join().unwrap(), 7);
    finish(&pool);
}

#[test]
fn a_stack_that_no_machine_has_gives_the_job_back() {
    let sizes = [usize::MAX, usize::MAX / 2, isize::MAX as usize - 4095, HUGE];
    for bytes in sizes.into_iter().filter(|bytes| *bytes >= HUGE) {
        let pool = ThreadPoolExecutor::builder().threads(1).stack_size(bytes).build().unwrap();
        let ran = Counter::new();
        let count = ran.clone();
        let rejected = pool.execute(move || _ = count.add()).unwrap_err();
        assert_eq!(rejected.reason(), RejectReason::SpawnFailed);
        rejected.into_job().run();
        assert_eq!(ran.get(), 1);
        let stats = finish(&pool);
        assert_eq!((stats.rejected, stats.spawn_failures), (1, 1));
    }
}

#[test]
fn a_builder_takes_every_setting_in_any_order() {
    let pool = Builder::default()
        .rejection_policy(policy::CallerRuns)
        .on_drop(OnDrop::Stop)
        .keep_alive(Duration::MAX)
        .allow_core_timeout(true)
        .growth(Growth::ThreadsFirst)
        .queue(Queue::Bounded(32))
        .max_threads(64)
        .core_threads(16)
        .name("EmailAsync")
        .build()
        .unwrap();
    assert_eq!(sizes(&pool), (16, 64, Some(32)));
    assert_eq!(names_of_threads(&pool, 1), ["EmailAsync-1"]);
    assert_eq!(finish(&pool).completed, 1);
}
