//! A job for each of many pieces of work, all of them waited for: by a scope, by `invoke_all`, and by
//! a `JoinSet`.

use std::sync::Arc;

use tokio::runtime;
use workcrew::Handle;

use super::Setup;
use super::bulk::{PIECES, add, alone, on_pool};
use crate::contender::{Rayon, Tokio, Workcrew};

/// Nanoseconds of work in a job.
const NANOS: u32 = 60;

/// The jobs of a scope return nothing, so each writes its result to its own place on the stack of
/// the submitter.
pub(crate) fn scope_workcrew(setup: &Setup) -> f64 {
    let (work, jobs) = (setup.work(NANOS), setup.pieces(PIECES));
    let run = |pool: &Handle| {
        let mut results = places(jobs);
        let scope = pool.scope(|scope| {
            for (job, result) in (0..jobs).zip(&mut results) {
                let submitted = scope.execute(move || *result = work.on(job.into()));
                submitted.expect("the pool is open");
            }
        });
        scope.expect("every job runs");
        results
    };
    on_pool::<Workcrew, _>(setup, work, run, add)
}

/// The same with rayon.
pub(crate) fn scope_rayon(setup: &Setup) -> f64 {
    let (work, jobs) = (setup.work(NANOS), setup.pieces(PIECES));
    let run = |pool: &Arc<rayon::ThreadPool>| {
        let mut results = places(jobs);
        pool.scope(|scope| {
            for (job, result) in (0..jobs).zip(&mut results) {
                scope.spawn(move |_| *result = work.on(job.into()));
            }
        });
        results
    };
    on_pool::<Rayon, _>(setup, work, run, add)
}

fn places(jobs: u32) -> Vec<u64> {
    (0..jobs).map(|_| 0).collect()
}

pub(crate) fn invoke_all(setup: &Setup) -> f64 {
    let (work, jobs) = (setup.work(NANOS), setup.pieces(PIECES));
    let run = |pool: &Handle| {
        let jobs = (0..jobs).map(|job| move || work.on(job.into()));
        pool.invoke_all(jobs).expect("the pool is open")
    };
    on_pool::<Workcrew, _>(setup, work, run, |results| {
        add(results.into_iter().map(|result| result.expect("no job panics")))
    })
}

pub(crate) fn join_set_workcrew(setup: &Setup) -> f64 {
    let (work, jobs) = (setup.work(NANOS), setup.pieces(PIECES));
    let run = |pool: &Handle| {
        let mut set = pool.join_set();
        for job in 0..jobs {
            set.submit(move || work.on(job.into())).expect("the pool is open");
        }
        add(set.map(|(_, result)| result.expect("no job panics")))
    };
    on_pool::<Workcrew, _>(setup, work, run, |sum| sum)
}

pub(crate) fn join_set_tokio(setup: &Setup) -> f64 {
    let (work, jobs) = (setup.work(NANOS), setup.pieces(PIECES));
    let run = |runtime: &runtime::Handle| {
        let mut set = tokio::task::JoinSet::new();
        for job in 0..jobs {
            set.spawn_blocking_on(move || work.on(job.into()), runtime);
        }
        let mut sum = 0_u64;
        runtime.block_on(async {
            while let Some(result) = set.join_next().await {
                sum = sum.wrapping_add(result.expect("no job panics"));
            }
        });
        sum
    };
    on_pool::<Tokio, _>(setup, work, run, |sum| sum)
}

/// The same work on one thread, without jobs.
pub(crate) fn batch_alone(setup: &Setup) -> f64 {
    alone(setup, setup.work(NANOS))
}
