//! Owns the repetition of a test at many moments, each told by a number that repeats it.

use std::env;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use workcrew::{JobHandle, ThreadPoolExecutor, interrupt};

/// How many seeds are tried unless `WORKCREW_SEEDS` says otherwise.
const SEEDS: u64 = 20;

/// Programs wait more than they compute, so a few more run than there are processors.
const SIDE_BY_SIDE: usize = 4;

/// What makes one run of a test differ from another.
#[derive(Debug)]
pub struct Seed {
    number: u64,
    random: fastrand::Rng,
}

impl Seed {
    fn new(number: u64) -> Self {
        Self { number, random: fastrand::Rng::with_seed(number) }
    }

    /// What names it, and repeats it.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.random.u64(..end)
    }

    /// Lets a time pass that is shorter than this.
    ///
    /// # Panics
    ///
    /// If the test is interrupted meanwhile.
    pub fn pass_time(&mut self, shorter_than: Duration) {
        let part = self.random.f64();
        interrupt::sleep(shorter_than.mul_f64(part)).expect("nobody interrupts a test");
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}", self.number)
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is {text:?}, which is not a number")))
}

/// Calls `run` for each seed, some side by side, and returns what it returned.
///
/// # Panics
///
/// If one of the calls did, with the seeds' names.
pub fn for_each_seed<T, F>(run: F) -> Vec<T>
where
    T: Send + 'static,
    F: Fn(&mut Seed) -> T + Send + Sync + 'static,
{
    let seeds = match number("WORKCREW_SEED") {
        Some(only) => only..=only,
        None => 1..=number("WORKCREW_SEEDS").unwrap_or(SEEDS),
    };
    let run = Arc::new(run);
    let pool = ThreadPoolExecutor::fixed(SIDE_BY_SIDE).expect("a fixed pool");
    let runs: Vec<(u64, JobHandle<T>)> = seeds
        .map(|seed| {
            let run = Arc::clone(&run);
            (seed, pool.submit(move || run(&mut Seed::new(seed))).expect("the pool is open"))
        })
        .collect();
    let mut results = Vec::new();
    let mut failures = Vec::new();
    for (seed, handle) in runs {
        match handle.join() {
            Ok(result) => results.push(result),
            Err(error) => failures.push(format!("seed {seed}: {error}")),
        }
    }
    assert!(failures.is_empty(), "WORKCREW_SEED=<number> repeats one\n{}", failures.join("\n"));
    results
}

/// Checks that the naive variants lost something at least once: where they do not, the other
/// variants' success proves nothing.
///
/// # Panics
///
/// If nothing was lost over more than one seed.
#[track_caller]
pub fn must_lose(losses: &[usize]) {
    assert!(
        losses.len() == 1 || losses.iter().any(|lost| *lost > 0),
        "the naive variant lost nothing over {} seeds: the test proves nothing",
        losses.len()
    );
}
