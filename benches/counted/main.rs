//! Counts what this crate's pool takes: `cargo bench --bench counted`.
//!
//! Allocations, memory, the longest pause of a submitter, and the processor time of idle workers.
//! This is a program of its own because its allocator counts, on cache lines that all threads
//! share, and would slow down whoever allocates in the comparison of `peers`.
#![expect(clippy::print_stdout, reason = "it is a program, and this is what it is for")]

mod allocations; // per job, and per queued job
mod burst; // what is left after four million jobs
mod idle; // what sleeping workers cost
mod pause; // the longest single call

use std::alloc::System;
use std::error::Error;
use std::fs;
use std::path::Path;

use clap::Parser;
use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Counts what workcrew takes.
#[derive(Parser)]
struct Arguments {
    /// Counts once with a few jobs, to see that it works
    #[arg(long)]
    smoke: bool,
    /// Writes the results to benches/results, as those to publish
    #[arg(long)]
    save: bool,
    /// What cargo passes
    #[arg(long, hide = true)]
    bench: bool,
}

/// How much to do.
struct Scale {
    /// Jobs of a burst.
    burst: u32,
    turns: usize,
    idle_seconds: f64,
}

/// One figure, and the most that it may be.
struct Figure {
    what: &'static str,
    value: f64,
    unit: &'static str,
    most: f64,
}

/// What the living allocations hold, in bytes.
fn heap() -> f64 {
    let stats = ALLOCATOR.stats();
    f64_of(stats.bytes_allocated) - f64_of(stats.bytes_deallocated)
}

#[expect(clippy::cast_precision_loss, reason = "figures are far below 2^52")]
fn f64_of(count: usize) -> f64 {
    count as f64
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    // What a build for debugging takes says nothing, so it is not kept busy for long.
    let is_smoke = arguments.smoke || cfg!(debug_assertions);
    let scale = if is_smoke {
        Scale { burst: 10_000, turns: 1, idle_seconds: 0.1 }
    } else {
        Scale { burst: 4_000_000, turns: 9, idle_seconds: 5.0 }
    };
    // Those that look at all of the process's memory come first, while it is tidy.
    let mut figures = Vec::from(burst::figures(&scale));
    figures.extend(allocations::figures(&scale));
    figures.push(pause::figure(&scale));
    figures.push(idle::figure(&scale));
    println!("{}", table(&figures));
    let folder = if arguments.save && !is_smoke {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/results")
    } else {
        Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("peers")
    };
    fs::create_dir_all(&folder)?;
    let path = folder.join("counted.csv");
    let mut csv = csv::Writer::from_path(&path)?;
    csv.write_record(["figure", "value", "unit", "at_most"])?;
    for Figure { what, value, unit, most } in &figures {
        csv.write_record([what, &*format!("{value:.4}"), unit, &*format!("{most:.4}")])?;
    }
    csv.flush()?;
    println!("\nwritten: {}", path.display());
    Ok(())
}

fn table(figures: &[Figure]) -> Table {
    let mut table = Table::new();
    table.load_preset(ASCII_MARKDOWN).set_header(["counted", "workcrew", "at most", "unit", ""]);
    for &Figure { what, value, unit, most } in figures {
        let is_reached = if value <= most { "ok" } else { "—" };
        let (value, most) = (format!("{value:.3}"), format!("{most:.2}"));
        table.add_row([what, &value, &most, unit, is_reached]);
    }
    for index in [1, 2] {
        let column = table.column_mut(index).expect("it is in the header");
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
