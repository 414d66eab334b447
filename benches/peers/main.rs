//! Compares this crate with other pools: `cargo bench --bench peers`.
//!
//! The contenders take turns within a run, which neither criterion nor divan can do; for that
//! reason, and no other, the harness is written here. Results are medians and ratios.
#![expect(clippy::print_stdout, reason = "it is a program, and this is what it is for")]

mod contest; // what is compared, and what is to be reached
mod contender; // the pools
mod workload; // what they are given to do
mod home; // how a job gets at its own pool
mod count; // counting jobs without disturbing them
mod neighbour; // another program that takes a processor
mod turns; // taking turns, medians, ratios
mod machine; // where this runs
mod report; // tables
mod results; // the CSV file
mod beside; // the CSV file of an older run
mod picture; // the same drawn

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{fs, io};

use clap::Parser;
use fastrand::Rng;
use indicatif::{ProgressBar, ProgressStyle};

use crate::beside::Older;
use crate::contest::{Contest, Crews};
use crate::machine::Machine;
use crate::turns::{Outcome, Turns};
use crate::workload::{Pace, Scale, Setup};

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
    /// Whole runs in a row, of which each workload's median is taken
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// Writes the results to benches/results, as those to publish
    #[arg(long)]
    save: bool,
    /// Writes the table of the README to this file
    #[arg(long, value_name = "PATH")]
    table: Option<PathBuf>,
    /// Shows in that table the ratios of an older run, from its CSV file, if there is one
    #[arg(long, value_name = "PATH", requires = "table")]
    beside: Option<PathBuf>,
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
    if neighbour::is_this() {
        return Ok(neighbour::spin()?);
    }
    let arguments = Arguments::parse();
    let all = contest::all();
    let contests = arguments.contests(&all)?;
    // Read first, as it may be what is about to be written.
    let older = arguments.beside.as_deref().map(Older::read).transpose()?.flatten();
    let machine = Machine::this();
    machine.lines().iter().for_each(|line| println!("{line}"));
    let runs = run(&arguments, &contests)?;
    let (count, each) = (runs.len(), report::runs(&runs));
    let outcomes = turns::middle(runs);
    println!("\n{}\n\n{}", report::everybody(&outcomes), report::targets(&outcomes));
    if count > 1 {
        println!("\nratio to the best peer in each run:\n\n{each}");
    }
    let csv = arguments.folder().join("peers.csv");
    results::write(&csv, &outcomes, count, &machine)?;
    let svg = csv.with_extension("svg");
    picture::draw(&svg, &outcomes, &machine)?;
    println!("\nwritten: {} and {}", csv.display(), svg.display());
    if let Some(path) = &arguments.table {
        let table = report::readme(&outcomes, &arguments.workers, older.as_ref());
        let [machine, versions] = machine.lines();
        let method = format!("turns: {}, runs: {count}", arguments.turns().counted);
        fs::write(path, format!("{machine}, {versions}; {method}\n\n{table}\n"))?;
        println!("written: {}", path.display());
    }
    if arguments.scale() == Scale::Smoke {
        println!("so few jobs show that it works, and nothing else");
    }
    Ok(())
}

/// All contests, once for each run.
fn run<'c>(
    arguments: &Arguments,
    contests: &[(&'c Contest, usize)],
) -> Result<Vec<Vec<Outcome<'c>>>, Box<dyn Error>> {
    let turns = arguments.turns();
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(..));
    println!("runs: {}, turns: {}, seed: {seed}", arguments.runs, turns.counted);
    let mut rng = Rng::with_seed(seed);
    let pace = Pace::measure();
    let entrants = contests.iter().map(|(contest, _)| contest.entrants.len()).sum::<usize>();
    let steps = usize::from(arguments.runs) * entrants * (turns.warm_up + turns.counted);
    // Drawn between the turns only: nothing else may be busy while somebody is measured.
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} {eta}")?;
    let progress = ProgressBar::new(u64::try_from(steps)?).with_style(style);
    let mut one = |&(contest, workers): &(&'c Contest, usize)| {
        progress.set_message(contest.name);
        let setup = Setup { workers, scale: arguments.scale(), pace };
        turns::take(contest, &setup, turns, &mut rng, || progress.inc(1))
    };
    let runs = (0..arguments.runs).map(|_| contests.iter().map(&mut one).collect());
    let runs = runs.collect::<io::Result<_>>()?;
    progress.finish_and_clear();
    Ok(runs)
}
