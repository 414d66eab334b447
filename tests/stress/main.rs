//! A stress program: all calls from many threads, on pools of all shapes, and an audit of each job.
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `WORKCREW_STRESS_JOBS` | jobs to submit, those that jobs submit apart | 200,000 |
//! | `WORKCREW_STRESS_SECONDS` | stops after this time, whatever is done | 600 |
//! | `WORKCREW_SEED` | what the calls of every thread follow from | a new one |
//! | `WORKCREW_STRESS_LOGGER` | 1: a logger that panics now and then | none |
//! | `WORKCREW_STRESS_ROUND` | runs this round of the seed alone, again and again | all |
//!
//! The calls follow from the seed; how the threads meet does not. Built with the cfg
//! `workcrew_delays`, random moments pass at every lock, park and hand-off: `.ci/stress` does that.
//! Built with `workcrew_deadlocks`, it looks for locks that wait for each other: `.ci/deadlocks`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for people to look at")]

use std::process::{Command, ExitCode, abort};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use self::ledger::PROGRESS;
use self::process::status;

#[cfg(workcrew_deadlocks)]
mod deadlocks; // locks that wait for each other
mod jobs; // what is submitted, and what is done with the handles
mod ledger; // the audit
mod logger; // one that panics
mod process; // what the system says of this one
mod rounds; // a pool's life
mod shape; // the pools

/// Jobs of one round, at most.
const ROUND: usize = 2_000;

/// Jobs that are run one after the other, each round.
const RELAY: usize = 50;

/// A watchdog's patience.
const STALL: Duration = Duration::from_secs(100);

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// Ends the process when no job ends for a long time: something hangs.
fn watch(seed: u64) {
    let mut last = (PROGRESS.load(Ordering::SeqCst), Instant::now());
    loop {
        #[expect(clippy::disallowed_methods, reason = "the watchdog's own pace")]
        thread::sleep(Duration::from_secs(1));
        let now = PROGRESS.load(Ordering::SeqCst);
        if now != last.0 {
            last = (now, Instant::now());
        } else if last.1.elapsed() > STALL {
            eprintln!("stress: nothing has ended for {STALL:?}: WORKCREW_SEED={seed}");
            if let Some(pool) = &*rounds::POOL.lock() {
                eprintln!("{:#?}", pool.stats());
            }
            abort();
        }
    }
}

/// Waits until there are no more threads than before, as the system needs a moment to let go of one
/// that has been joined.
fn threads_are_back(before: Option<u64>) -> bool {
    let deadline = Instant::now() + Duration::from_secs(20);
    while status("Threads") > before {
        if Instant::now() > deadline {
            return false;
        }
        thread::yield_now();
    }
    true
}

/// KiB by which the memory of the process may grow after its first rounds: allocators keep some of
/// what they had at the busiest moment.
const TOLERATED: u64 = 24 * 1024;

fn stress(seed: u64) -> Result<(), String> {
    let jobs = number("WORKCREW_STRESS_JOBS").unwrap_or(200_000);
    let time = Duration::from_secs(number("WORKCREW_STRESS_SECONDS").unwrap_or(600));
    let only = number("WORKCREW_STRESS_ROUND");
    if number("WORKCREW_STRESS_LOGGER") == Some(1) {
        logger::install(seed);
    }
    thread::spawn(move || watch(seed));
    #[cfg(workcrew_deadlocks)]
    thread::spawn(deadlocks::watch);
    let began = Instant::now();
    let (mut done, mut rounds) = (0, 0);
    let mut warm = None;
    let threads = status("Threads");
    while done < jobs && began.elapsed() < time {
        let round = only.unwrap_or(rounds);
        let (submitted, stats, mut wrong) = rounds::run(seed, round, ROUND);
        wrong.extend(rounds::relay(seed, round, RELAY));
        if !wrong.is_empty() {
            return Err(format!("round {round}: {}\n{stats:?}", wrong.join("\n")));
        }
        if !threads_are_back(threads) {
            return Err(format!("round {round}: threads are left, {:?}", status("Threads")));
        }
        done += (submitted + RELAY) as u64;
        rounds += 1;
        if rounds == 50 {
            warm = status("VmRSS");
        }
    }
    let after = status("VmRSS");
    println!(
        "stress: seed {seed}: {done} jobs in {rounds} rounds, {:.1} s; KiB {warm:?} after 50 rounds, \
         {after:?} at the end",
        began.elapsed().as_secs_f64()
    );
    match (warm, after) {
        (Some(warm), Some(after)) if after > warm + TOLERATED => {
            Err(format!("memory grew from {warm} to {after} KiB"))
        }
        _ => Ok(()),
    }
}

/// Starts this program again with a seed, which the delays read too.
fn with_new_seed() -> ExitCode {
    let program = std::env::current_exe().expect("the path of this program");
    let seed = fastrand::u64(..1_000_000_000).to_string();
    let status = Command::new(program).env("WORKCREW_SEED", seed).status().expect("it starts");
    if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let asks_for_others = arguments.iter().any(|a| !a.starts_with('-') && !"stress".contains(a));
    if asks_for_others || arguments.iter().any(|a| a == "--list") {
        return ExitCode::SUCCESS;
    }
    let Some(seed) = number("WORKCREW_SEED") else { return with_new_seed() };
    match stress(seed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            eprintln!("stress: {what}\nstress: once more with WORKCREW_SEED={seed}");
            ExitCode::FAILURE
        }
    }
}
