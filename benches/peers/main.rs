//! Compares this crate with other pools: `cargo bench --bench peers`.
//!
//! The contenders take turns within a run, which neither criterion nor divan can do; for that
//! reason, and no other, the harness is written here. Results are medians and ratios.
#![expect(clippy::print_stdout, reason = "it is a program, and this is what it is for")]

mod contest; // what is compared, and what is to be reached
mod contender; // the pools
mod count; // counting jobs without disturbing them
mod home; // how a job gets at its own pool
mod machine; // where this runs
mod picture; // the same drawn
mod report; // tables and CSV
mod turns; // taking turns, medians, ratios
mod workload; // what they are given to do

use std::error::Error;
use std::path::{Path, PathBuf};

use clap::Parser;
use fastrand::Rng;
use indicatif::{ProgressBar, ProgressStyle};

use crate::contest::{Contest, Crews};
use crate::machine::Machine;
use crate::turns::{Outcome, Turns};
use crate::workload::{Scale, Setup};

/// Compares workcrew with other thread pools.
#[derive(Parser)]
struct Arguments {
    /// Runs only these workloads
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// Numbers of workers
    #[arg(long, value_delimiter = ',', default_values_t = [2, 4])]
    workers: Vec<usize>,
    /// How often each contender runs, after one turn that does not count
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u16).range(1..))]
    turns: u16,
    /// Draws the order of the contenders [default: any]
    #[arg(long)]
    seed: Option<u64>,
    /// Runs everything once with a few jobs, to see that it works
    #[arg(long)]
    smoke: bool,
    /// Writes the results to benches/results, as those to publish
    #[arg(long)]
    save: bool,
    /// What cargo passes
    #[arg(long, hide = true)]
    bench: bool,
}

impl Arguments {
    fn scale(&self) -> Scale {
        // Figures of a build for debugging say nothing, so it is not kept busy for long.
        if self.smoke || cfg!(debug_assertions) { Scale::Smoke } else { Scale::Full }
    }

    fn turns(&self) -> Turns {
        match self.scale() {
            Scale::Full => Turns { warm_up: 1, counted: self.turns.into() },
            Scale::Smoke => Turns { warm_up: 0, counted: 1 },
        }
    }

    /// The contests asked for, each with a number of workers.
    fn contests<'c>(&self, all: &'c [Contest]) -> Result<Vec<(&'c Contest, usize)>, String> {
        let names: Vec<_> = all.iter().map(|contest| contest.name).collect();
        if let Some(unknown) = self.only.iter().find(|only| !names.contains(&only.as_str())) {
            return Err(format!("no workload {unknown}; there are {}", names.join(", ")));
        }
        let is_asked = |contest: &&Contest| {
            self.only.is_empty() || self.only.iter().any(|only| only == contest.name)
        };
        let with_workers = |contest: &'c Contest| match contest.crews {
            Crews::Asked => self.workers.iter().map(|&workers| (contest, workers)).collect(),
            Crews::Only(workers) => vec![(contest, workers)],
        };
        Ok(all.iter().filter(is_asked).flat_map(with_workers).collect())
    }

    fn folder(&self) -> PathBuf {
        if self.save && self.scale() == Scale::Full {
            Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/results")
        } else {
            Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("peers")
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let all = contest::all();
    let contests = arguments.contests(&all)?;
    let machine = Machine::this();
    machine.lines().iter().for_each(|line| println!("{line}"));
    let outcomes = run(&arguments, &contests)?;
    println!("\n{}\n\n{}", report::everybody(&outcomes), report::targets(&outcomes));
    let csv = arguments.folder().join("peers.csv");
    report::csv(&csv, &outcomes, &machine)?;
    let svg = csv.with_extension("svg");
    picture::draw(&svg, &outcomes, &machine)?;
    println!("\nwritten: {} and {}", csv.display(), svg.display());
    if arguments.scale() == Scale::Smoke {
        println!("so few jobs show that it works, and nothing else");
    }
    Ok(())
}

fn run(
    arguments: &Arguments,
    contests: &[(&Contest, usize)],
) -> Result<Vec<Outcome>, Box<dyn Error>> {
    let turns = arguments.turns();
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(..));
    println!("{} turns, seed {seed}", turns.counted);
    let mut rng = Rng::with_seed(seed);
    let five_micros = workload::calibrate();
    let runs = contests.iter().map(|(contest, _)| contest.entrants.len()).sum::<usize>();
    let runs = runs * (turns.warm_up + turns.counted);
    // Drawn between the runs only: nothing else may be busy while somebody is measured.
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} {eta}")?;
    let progress = ProgressBar::new(u64::try_from(runs)?).with_style(style);
    let outcomes = contests.iter().map(|&(contest, workers)| {
        progress.set_message(contest.name);
        let setup = Setup { workers, scale: arguments.scale(), five_micros };
        turns::take(contest, &setup, turns, &mut rng, || progress.inc(1))
    });
    let outcomes = outcomes.collect();
    progress.finish_and_clear();
    Ok(outcomes)
}
