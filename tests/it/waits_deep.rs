//! Waits within waits, and jobs that submit their successors: neither overflows a stack, which would
//! end the process.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::hint::black_box;

use workcrew::policy::CallerRuns;
use workcrew::{
    Builder, Handle, Job, Queue, Rejected, RejectionPolicy, Saturation, ThreadPoolExecutor,
};

use crate::support::alone::{assert_passed, command};
use crate::support::{Counter, LONG, assert_conserved, finish, single};
use crate::waits::{WAITS, Wait};

/// What a process of its own is told to do.
const TASK: &str = "WORKCREW_TASK";

#[track_caller]
fn alone(test: &str, task: &str) {
    assert_passed(&command(test).env(TASK, task).output().unwrap());
}

fn task() -> String {
    std::env::var(TASK).unwrap_or_default()
}

fn nest(pool: &Handle, by: Wait, depth: u64) -> u64 {
    if depth == 0 {
        return 0;
    }
    let own = pool.clone();
    1 + by.run(pool, move || nest(&own, by, depth - 1))
}

/// The same with a large frame.
fn nest_wide(pool: &Handle, by: Wait, depth: u64) -> u64 {
    let frame = black_box([1_u8; 4096]);
    if depth == 0 {
        return 0;
    }
    let own = pool.clone();
    let below = by.run(pool, move || nest_wide(&own, by, depth - 1));
    below + u64::from(black_box(&frame)[0])
}

/// Nests on a pool; returns how many threads that took at most.
fn nests(builder: Builder, by: Wait, depth: u64, step: fn(&Handle, Wait, u64) -> u64) -> usize {
    let pool = builder.build().unwrap();
    let own = pool.handle();
    let outer = pool.submit(move || step(&own, by, depth)).unwrap();
    let result = outer.join_timeout(crate::waits::PROMPTLY);
    let Ok(result) = result else { panic!("{by:?} does not end: {:?}", pool.stats()) };
    assert_eq!(result.unwrap(), depth, "{by:?}");
    finish(&pool).largest_pool_size
}

fn waits_named(name: &str) -> Wait {
    WAITS.into_iter().find(|by| format!("{by:?}") == name).expect("a wait of that name")
}

fn fixed(threads: usize) -> Builder {
    ThreadPoolExecutor::builder().threads(threads)
}

#[test]
#[ignore = "run in a process of its own by the tests below"]
fn a_deep_nest_in_a_process_of_its_own() {
    let task = task();
    let (name, depth) = task.split_once(' ').unwrap();
    let (by, depth) = (waits_named(name), depth.parse().unwrap());
    for threads in [1, 2] {
        let most = nests(fixed(threads), by, depth, nest);
        if std::env::var_os("WORKCREW_FIGURES").is_some() {
            std::io::Write::write_all(
                &mut std::io::stderr(),
                format!("{by:?} {depth} on fixed({threads}): {most} threads\n").as_bytes(),
            )
            .unwrap();
        }
        assert!(most <= threads + 256, "{most} threads");
    }
}

#[test]
fn a_chain_of_ten_thousand_joins_ends() {
    alone("waits_deep::a_deep_nest_in_a_process_of_its_own", "Join 10000");
}

#[test]
fn nests_of_five_thousand_waits_end() {
    for by in [Wait::Scoped, Wait::ScopeEnd, Wait::InvokeAll, Wait::Map] {
        alone("waits_deep::a_deep_nest_in_a_process_of_its_own", &format!("{by:?} 5000"));
    }
}

#[test]
fn nests_of_waits_for_any_end_beyond_the_number_of_spares() {
    for by in [Wait::JoinSet, Wait::InvokeAny] {
        alone("waits_deep::a_deep_nest_in_a_process_of_its_own", &format!("{by:?} 5000"));
    }
}

#[test]
#[ignore = "run in a process of its own by the test below"]
fn deep_nests_on_other_stacks_in_a_process_of_its_own() {
    let made = || {
        let make = |worker: workcrew::WorkerThread| worker.builder().spawn(move || worker.run());
        fixed(1).thread_factory(make)
    };
    for by in [Wait::Join, Wait::ScopeEnd, Wait::InvokeAll, Wait::Map] {
        nests(made(), by, 2_000, nest);
        nests(fixed(1).stack_size(256 * 1024), by, 1_000, nest);
        nests(fixed(1), by, 2_000, nest_wide);
    }
}

#[test]
fn nests_end_on_small_stacks_and_those_of_a_factory_and_with_large_frames() {
    alone("waits_deep::deep_nests_on_other_stacks_in_a_process_of_its_own", "");
}

// Jobs that submit their successors to a full pool.

/// Runs jobs here, as a policy of a user's.
struct RunsHere;

impl RejectionPolicy for RunsHere {
    fn rejected(&self, job: Job, saturation: &Saturation<'_>) -> Result<(), Rejected> {
        saturation.run_here(job)
    }
}

const SUCCESSORS: usize = 50_000;

fn succeed(pool: &Handle, ran: &Counter, most_queued: usize) {
    let stats = pool.stats();
    assert!(stats.queued <= most_queued, "{stats:?}");
    if ran.add() < SUCCESSORS {
        let (own, ran) = (pool.clone(), ran.clone());
        pool.execute(move || succeed(&own, &ran, most_queued)).unwrap();
    }
}

#[test]
#[ignore = "run in a process of its own by the test below"]
fn successors_in_a_process_of_their_own() {
    let builder = |queue| ThreadPoolExecutor::builder().threads(1).queue(queue);
    for (queue, capacity) in [(Queue::Handoff, 0), (Queue::Bounded(1), 1)] {
        for from_main in [false, true] {
            let pools = [
                builder(queue).rejection_policy(CallerRuns),
                builder(queue).rejection_policy(RunsHere),
            ];
            for pool in pools {
                let pool = pool.build().unwrap();
                let ran = Counter::new();
                // One for the worker, and one for this thread.
                let most_queued = capacity + 2;
                let blocker = crate::support::Gate::new();
                if from_main {
                    crate::support::block_worker(&pool, &blocker);
                    (0..capacity).for_each(|_| pool.execute(|| ()).unwrap());
                    let opens = blocker.clone();
                    let counted = ran.clone();
                    let opener = crate::support::helper(move || {
                        counted.reach(10);
                        opens.open();
                    });
                    succeed(&pool.handle(), &ran, most_queued);
                    drop(opener);
                } else {
                    let (own, ran) = (pool.handle(), ran.clone());
                    pool.execute(move || succeed(&own, &ran, most_queued)).unwrap();
                }
                ran.reach(SUCCESSORS);
                pool.wait_idle(LONG).unwrap();
                let stats = finish(&pool);
                assert_eq!(stats.panicked, 0, "{stats:?}");
                assert_conserved(&stats);
            }
        }
    }
}

#[test]
fn jobs_that_submit_their_successors_to_a_full_pool_end() {
    alone("waits_deep::successors_in_a_process_of_their_own", "");
}

/// Submits jobs with a large part of the stack in use; returns how many were pending after each.
fn submit_deep(pool: &Handle, jobs: usize, depth: u64) -> Vec<usize> {
    let frame = black_box([1_u8; 4096]);
    let pending = if depth > 0 {
        submit_deep(pool, jobs, depth - 1)
    } else {
        let submit = |_| {
            pool.execute(|| ()).unwrap();
            pool.stats().queued
        };
        (0..jobs).map(submit).collect()
    };
    assert_eq!(black_box(&frame)[0], 1);
    pending
}

#[test]
fn a_job_deep_in_its_stack_queues_one_job_beyond_a_full_queue_and_then_waits_for_room() {
    for (queue, capacity) in [(Queue::Handoff, 0), (Queue::Bounded(1), 1)] {
        let builder = fixed(1).queue(queue).stack_size(2 * 1024 * 1024);
        let pool = builder.rejection_policy(CallerRuns).build().unwrap();
        let own = pool.handle();
        let outer = pool.submit(move || submit_deep(&own, 10, 200)).unwrap();
        let pending = crate::waits::soon(outer);
        assert_eq!(pending[capacity], capacity + 1, "{pending:?}");
        assert!(pending.iter().all(|pending| *pending <= capacity + 1), "{pending:?}");
        let stats = finish(&pool);
        assert_eq!((stats.completed, stats.caller_ran), (11, 0), "{stats:?}");
    }
}

#[test]
#[ignore = "run in a process of its own by the test below"]
fn nests_on_full_pools_in_a_process_of_its_own() {
    for queue in [Queue::Handoff, Queue::Bounded(1)] {
        for by in WAITS {
            // Threads that poll run most of the time, in their own places.
            let depth = match by {
                Wait::Polls => 20,
                Wait::Join | Wait::Scoped | Wait::ScopeEnd | Wait::InvokeAll | Wait::Map => 1_000,
                Wait::JoinTimeout
                | Wait::ScopedTimeout
                | Wait::JoinSet
                | Wait::JoinSetTimeout
                | Wait::InvokeAllTimeout
                | Wait::InvokeAny
                | Wait::InvokeAnyTimeout => 200,
            };
            let most = nests(fixed(1).queue(queue).rejection_policy(CallerRuns), by, depth, nest);
            assert!(most <= 257, "{by:?}: {most}");
        }
    }
}

#[test]
fn nests_on_a_full_pool_that_runs_jobs_on_their_submitters_end() {
    alone("waits_deep::nests_on_full_pools_in_a_process_of_its_own", "");
}

#[test]
fn a_nest_that_fits_a_stack_takes_no_second_thread() {
    for by in WAITS.into_iter().filter(|by| by.may_run()) {
        let pool = single();
        let own = pool.handle();
        let outer = pool.submit(move || nest(&own, by, 10)).unwrap();
        assert_eq!(crate::waits::soon(outer), 10, "{by:?}");
        assert_eq!(finish(&pool).largest_pool_size, 1, "{by:?}");
    }
}
