//! Owns the repetition of a test at many moments, each told by a number that repeats it.

use std::env;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;
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

    /// One of the signals that ask a program to stop: of two seeds in a row one has SIGTERM and one has
    /// SIGINT.
    pub fn signal(&self) -> Signal {
        if self.number.is_multiple_of(2) { Signal::SIGTERM } else { Signal::SIGINT }
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
/// variants' success proves nothing. A single seed that is repeated need not.
///
/// # Panics
///
/// If nothing was lost, and `WORKCREW_SEED` does not name the seed.
#[track_caller]
pub fn must_lose(losses: &[usize]) {
    assert!(
        is_proof(losses, number("WORKCREW_SEED")),
        "the naive variant lost nothing over {} seeds: the test proves nothing",
        losses.len()
    );
}

fn is_proof(losses: &[usize], repeated: Option<u64>) -> bool {
    repeated.is_some() || losses.iter().any(|lost| *lost > 0)
}

#[cfg(test)]
mod tests {
    use nix::sys::signal::Signal;

    use super::{Seed, is_proof};

    #[test]
    fn only_a_seed_that_is_repeated_need_not_lose() {
        assert!(is_proof(&[0, 2, 0], None));
        assert!(!is_proof(&[0, 0], None));
        assert!(!is_proof(&[0], None), "a single seed is not excused");
        assert!(!is_proof(&[], None));
        assert!(is_proof(&[0], Some(7)));
    }

    #[test]
    fn two_seeds_in_a_row_have_both_signals() {
        assert_eq!(
            [1, 2].map(|number| Seed::new(number).signal()),
            [Signal::SIGINT, Signal::SIGTERM]
        );
    }
}
