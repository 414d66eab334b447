//! Tests of what pools leave alone when idle and behind when gone: processor time, threads, memory.
//!
//! Linux tells these figures in `/proc`. What is counted for the whole process is counted in a
//! process of its own, so that no other test disturbs it. Allocations are counted in
//! `tests/allocations.rs`.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::fs;
use std::time::Duration;

use workcrew::{Queue, ThreadPoolExecutor, interrupt};

use crate::support::alone::{assert_passed, command};
use crate::support::{
    Counter, Gate, Helper, KEEP_ALIVE, LONG, block_worker, eventually, finish, helper, pass_time,
    repeat,
};

/// Clock ticks, of 10 ms as a rule, that the threads of this name have used so far; and how many
/// such threads there are.
fn ticks_of(name: &str) -> (u64, usize) {
    let mut ticks = 0;
    let mut threads = 0;
    for task in fs::read_dir("/proc/self/task").unwrap() {
        let task = task.unwrap().path();
        // A thread may end between the listing and the reading.
        let Ok(comm) = fs::read_to_string(task.join("comm")) else { continue };
        let Ok(stat) = fs::read_to_string(task.join("stat")) else { continue };
        if !comm.starts_with(name) {
            continue;
        }
        threads += 1;
        let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        // The 14th and 15th fields; the first after the name is the third.
        let [user, system] = [11, 12].map(|index: usize| fields[index].parse::<u64>().unwrap());
        ticks += user + system;
    }
    (ticks, threads)
}

/// How often the threads of this name have gone to sleep so far; and how many such threads there are.
/// Unlike the ticks, it counts those that sleep again at once.
fn switches_of(name: &str) -> (u64, usize) {
    let mut switches = Vec::new();
    for task in fs::read_dir("/proc/self/task").unwrap() {
        let Ok(status) = fs::read_to_string(task.unwrap().path().join("status")) else { continue };
        let value = |field| {
            let line = status.lines().find_map(|line| line.strip_prefix(field));
            line.map_or("", |line| line.trim_start_matches(':').trim())
        };
        if value("Name").starts_with(name) {
            switches.push(value("voluntary_ctxt_switches").parse::<u64>().unwrap());
        }
    }
    (switches.iter().sum(), switches.len())
}

/// A figure of the whole process: of a memory size, in KiB.
fn status(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim_start_matches(':').trim_end_matches("kB").trim().parse().unwrap()
}

#[test]
fn idle_workers_use_no_processor_time() {
    const WORKERS: usize = 64;
    let pool = ThreadPoolExecutor::builder()
        .name("idlers")
        .core_threads(WORKERS / 2)
        .max_threads(WORKERS)
        .queue(Queue::Handoff)
        .build()
        .unwrap();
    let gate = Gate::new();
    (0..WORKERS).for_each(|_| block_worker(&pool, &gate));
    gate.open();
    pool.wait_idle(LONG).unwrap();
    // The pool counts a worker as idle a moment before it sleeps.
    let mut last = ticks_of("idlers");
    eventually("all of them sleep", || {
        pass_time(Duration::from_millis(20));
        std::mem::replace(&mut last, ticks_of("idlers")) == last
    });
    let (before, threads) = ticks_of("idlers");
    assert_eq!(threads, WORKERS);
    pass_time(Duration::from_secs(1));
    let (after, threads) = ticks_of("idlers");
    assert_eq!(threads, WORKERS);
    assert!(after - before <= 1, "{} ticks in a second of doing nothing", after - before);
    finish(&pool);
}

#[test]
fn workers_that_stay_for_a_slow_thread_factory_sleep() {
    const WORKERS: usize = 64;
    let (made, may_go_on) = (Counter::new(), Gate::new());
    let (makes, passes) = (made.clone(), may_go_on.clone());
    let pool = ThreadPoolExecutor::builder()
        .name("overdue")
        .core_threads(0)
        .max_threads(2 * WORKERS)
        .queue(Queue::Handoff)
        .keep_alive(KEEP_ALIVE)
        .thread_factory(move |worker| {
            if worker.index() > WORKERS {
                makes.add();
                passes.pass();
            }
            worker.builder().spawn(|| worker.run())
        })
        .build()
        .unwrap();
    let gate = Gate::new();
    (0..WORKERS).for_each(|_| block_worker(&pool, &gate));
    let ran = Counter::new();
    let submitters: Vec<_> = (0..WORKERS)
        .map(|_| {
            let (handle, ran) = (pool.handle(), ran.clone());
            helper(move || handle.execute(move || _ = ran.add()).unwrap())
        })
        .collect();
    made.reach(WORKERS);
    gate.open();
    eventually("the first ones are idle", || pool.stats().idle == WORKERS);
    // Each has looked by now, after its keep-alive.
    pass_time(10 * KEEP_ALIVE);
    let (before, threads) = switches_of("overdue");
    assert_eq!((threads, pool.stats().idle), (WORKERS, WORKERS), "each may be brought a job");
    pass_time(25 * KEEP_ALIVE);
    let (after, threads) = switches_of("overdue");
    assert_eq!(threads, WORKERS);
    // On a busy machine one may have been late.
    assert!(after - before <= WORKERS as u64, "they woke up {} times", after - before);
    may_go_on.open();
    submitters.into_iter().for_each(Helper::join);
    ran.reach(WORKERS);
    eventually("none stays for a submitter any more", || pool.stats().pool_size == 0);
    finish(&pool);
}

#[test]
fn the_threads_of_an_ended_pool_are_gone() {
    let pool = ThreadPoolExecutor::builder().name("goers").threads(8).build().unwrap();
    pool.prestart_all_core_threads().unwrap();
    // Then all have arrived, and have their names.
    pool.wait_idle(LONG).unwrap();
    assert_eq!(ticks_of("goers").1, 8);
    pool.close();
    // They are joined; what remains is the system's.
    eventually("the system has let go of the threads", || ticks_of("goers").1 == 0);
}

/// How many pools come and go: 2,000, or what the environment says.
fn pools() -> usize {
    let many = std::env::var("WORKCREW_POOLS").ok().and_then(|text| text.parse().ok());
    many.unwrap_or_else(|| repeat(2_000))
}

/// Runs an ignored test of this module in a process of its own.
#[track_caller]
fn run_alone(name: &str) {
    assert_passed(&command(&format!("resources::{name}")).output().unwrap());
}

#[test]
fn pools_that_are_gone_leave_no_thread_and_no_memory_behind() {
    run_alone("alone_many_pools_come_and_go");
}

#[test]
#[ignore = "it looks at the whole process; run by the test above, in one of its own"]
fn alone_many_pools_come_and_go() {
    /// Less than 30 bytes for each of 100,000 pools.
    const TOLERATED: u64 = 3 * 1024;
    let warm_up = pools().min(300);
    (0..warm_up).for_each(come_and_go);
    let figures = || (status("Threads"), status("VmRSS"));
    let before = figures();
    (0..pools()).for_each(come_and_go);
    let idle = || status("Threads") <= before.0;
    eventually("the system has let go of the last threads", idle);
    let after = figures();
    report(&format!("{} pools: (threads, KiB) were {before:?}, are {after:?}", pools()));
    assert!(after.1 <= before.1 + TOLERATED, "KiB: {} before, {} after", before.1, after.1);
}

#[expect(clippy::print_stdout, reason = "figures for whoever runs this test by hand")]
fn report(figures: &str) {
    println!("{figures}");
}

/// A pool's life, in one of several ways, with each kind of thing that it can hold.
fn come_and_go(number: usize) {
    let pool = ThreadPoolExecutor::builder().threads(2).queue(Queue::Unbounded).build().unwrap();
    let handle = pool.handle();
    let value = pool.submit(move || vec![number; 10]).unwrap();
    pool.execute(|| drop(interrupt::current())).unwrap();
    match number % 5 {
        0 => pool.close(),
        1 => drop(pool),
        2 => {
            pool.submit(|| interrupt::sleep(LONG)).unwrap().cancel();
            drop(pool.shutdown_now());
            pool.await_termination(LONG).unwrap();
        }
        3 => {
            let cancelled = pool.submit(|| ()).unwrap();
            cancelled.cancel();
            pool.wait_idle(LONG).unwrap();
            pool.close();
        }
        _ => {
            assert_eq!(value.join().unwrap().len(), 10);
            pool.detach();
            handle.await_termination(LONG).unwrap();
        }
    }
    assert!(handle.is_terminated());
}

#[test]
fn a_pool_under_rejections_and_cancellations_does_not_grow() {
    run_alone("alone_rejections_and_cancellations");
}

#[test]
#[ignore = "it looks at the whole process; run by the test above, in one of its own"]
fn alone_rejections_and_cancellations() {
    const TOLERATED: u64 = 2 * 1024;
    let pool = ThreadPoolExecutor::builder().threads(1).queue(Queue::Bounded(100)).build().unwrap();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    let fill = |times: usize| {
        for _ in 0..times {
            let handles: Vec<_> = (0..100).map(|n| pool.submit(move || n).unwrap()).collect();
            assert!(pool.execute(|| ()).unwrap_err().is_saturated());
            assert!(pool.submit(|| ()).unwrap_err().is_saturated());
            for handle in handles {
                handle.cancel();
            }
        }
    };
    fill(50);
    let before = status("VmRSS");
    fill(repeat(1_000));
    let after = status("VmRSS");
    report(&format!("KiB were {before}, are {after}"));
    assert!(after <= before + TOLERATED, "KiB: {before} before, {after} after");
    gate.open();
    let stats = finish(&pool);
    assert_eq!((stats.completed, stats.cancelled % 100), (1, 0));
}
