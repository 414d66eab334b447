//! A soak: a mixed load for as long as one likes, figures once a second, and a verdict at the end.
//!
//! `cargo test --release --test soak -- --time 10m --csv soak.csv --svg soak.svg`
//!
//! The load is paced and stays below what a processor can do, so all lines are to be flat: jobs per
//! second, allocations, resident memory, threads, queued jobs. When all pools are closed, every job
//! has been run or dropped once and the pools' figures say the same; there are as many threads as
//! before the first pool; and the allocations of the pools are gone. Otherwise the exit code is 1.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for people to look at")]

use std::alloc::System;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use crossbeam_channel::tick;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

use self::books::BOOKS;
use self::load::{Drivers, Fault, Standing};
use self::machine::Machine;
use self::record::{Sample, Table, f64_of};
use self::verdict::{Finding, Verdict};

#[cfg(workcrew_deadlocks)]
#[path = "../stress/deadlocks.rs"]
mod deadlocks; // locks that wait for each other
mod books; // what became of each job
mod load; // pools, and what keeps them busy
#[path = "../../benches/peers/machine.rs"]
mod machine; // where it ran
mod picture; // the samples as lines
#[path = "../stress/process.rs"]
mod process; // what the system says of this one
mod record; // the samples
mod short; // pools that come and go
mod verdict; // what flat means

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// KiB that may be left when all pools are closed: what the run itself and thread-locals hold.
const LEFT: f64 = 64.0;

/// Runs a mixed load and says whether memory, threads and counts stay as they should.
#[derive(Parser)]
struct Arguments {
    /// How long, such as 5s or 10m
    #[arg(long, default_value = "5s", value_parser = humantime::parse_duration)]
    time: Duration,
    /// Writes the samples to this file
    #[arg(long)]
    csv: Option<PathBuf>,
    /// Draws the samples to this file
    #[arg(long)]
    svg: Option<PathBuf>,
    /// Breaks something, to see that the verdict says so
    #[arg(long)]
    fault: Option<Fault>,
}

fn samples_of(arguments: &Arguments, pools: &Standing) -> Result<Vec<Sample>, Box<dyn Error>> {
    let mut table = arguments.csv.as_deref().map(Table::create).transpose()?;
    let seconds = arguments.time.as_secs().max(4);
    let mut samples = Vec::with_capacity(usize::try_from(seconds)?);
    let seconds_pass = tick(Duration::from_secs(1));
    let began = Instant::now();
    let mut before = (BOOKS.ran(), record::processor_time(), began);
    for _ in 0..seconds {
        let now = seconds_pass.recv()?.max(Instant::now());
        let ran = BOOKS.ran();
        let spent = record::processor_time();
        let jobs = f64_of(ran - before.0);
        let sample = Sample {
            seconds: (now - began).as_secs_f64(),
            rate: jobs / (now - before.2).as_secs_f64(),
            cost: (spent - before.1) / jobs.max(1.0),
            heap_kib: record::heap() / 1024.0,
            resident_kib: record::resident(),
            threads: record::threads(),
            queued: pools.queued(),
            pools: BOOKS.pools(),
        };
        before = (ran, spent, now);
        record::print(&sample)?;
        if let Some(table) = &mut table {
            table.add(&sample)?;
        }
        samples.push(sample);
    }
    Ok(samples)
}

/// Waits until there are no more threads than before, as the system needs a moment to let go of one
/// that has been joined.
fn threads_left(before: u64) -> Finding {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let threads = record::threads();
        if threads <= before || Instant::now() > deadline {
            let text = format!("threads: {before} before, {threads} when all is closed");
            return Finding::at_most(f64_of(before), f64_of(threads), text);
        }
        thread::yield_now();
    }
}

fn soak(arguments: &Arguments) -> Result<Vec<Finding>, Box<dyn Error>> {
    #[cfg(workcrew_deadlocks)]
    thread::spawn(deadlocks::watch);
    let threads = record::threads();
    let heap = record::heap();
    let pools = Standing::new();
    let samples = thread::scope(|scope| {
        let drivers = Drivers::start(scope, &pools, arguments.fault);
        let samples = samples_of(arguments, &pools);
        drivers.stop();
        samples
    })?;
    pools.close();
    let left = load::break_on_purpose(arguments.fault);
    let mut findings = verdict::judge(&samples);
    findings.push(threads_left(threads));
    if let Some(path) = &arguments.svg {
        picture::draw(path, &samples, &Machine::this())?;
    }
    drop(samples);
    let kib = (record::heap() - heap) / 1024.0;
    let text = format!("allocations left when all is closed: {kib:.1} KiB; {LEFT:.0} are allowed");
    findings.push(Finding::at_most(LEFT, kib, text));
    findings.push(match BOOKS.balance() {
        Ok(text) => Finding { text, verdict: Verdict::Holds },
        Err(text) => Finding::broken(text),
    });
    findings.extend(BOOKS.objections().into_iter().map(Finding::broken));
    drop(left);
    Ok(findings)
}

fn main() -> ExitCode {
    match soak(&Arguments::parse()) {
        Ok(findings) => {
            for Finding { text, verdict } in &findings {
                println!("{verdict:?}: {text}");
            }
            let is_flat = findings.iter().all(|finding| finding.verdict != Verdict::Broken);
            if is_flat { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("soak: {error}");
            ExitCode::FAILURE
        }
    }
}
