//! Writes down what came out: tables for the terminal, CSV for everything else.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};

use crate::machine::Machine;
use crate::turns::Outcome;

/// The table of what was to be reached.
pub(crate) fn targets(outcomes: &[Outcome]) -> Table {
    let mut table = table(&[
        "workload",
        "workers",
        "unit",
        "workcrew",
        "best peer",
        "its figure",
        "ratio",
        "target",
        "",
    ]);
    for outcome in outcomes {
        let rival = outcome.rival();
        table.add_row([
            outcome.workload.to_owned(),
            outcome.workers.to_string(),
            outcome.unit.to_owned(),
            number(outcome.ours().median),
            rival.contender.to_owned(),
            number(rival.median),
            format!("{:.2}", rival.ratio),
            format!("{:.2}", outcome.reach),
            if outcome.is_reached() { "ok" } else { "—" }.to_owned(),
        ]);
    }
    align(&mut table, &[1, 3, 5, 6, 7]);
    table
}

/// The table of everybody: the median of each contender, a row for each workload.
pub(crate) fn everybody(outcomes: &[Outcome]) -> Table {
    let mut table =
        table(&["workload", "workers", "contender", "median", "quartiles", "unit", "workcrew's ÷"]);
    for outcome in outcomes {
        let mut lines: Vec<_> = outcome.lines.iter().collect();
        lines.sort_by(|a, b| a.median.total_cmp(&b.median));
        for line in lines {
            table.add_row([
                outcome.workload.to_owned(),
                outcome.workers.to_string(),
                line.contender.to_owned(),
                number(line.median),
                line.quartiles.map(number).join(" – "),
                outcome.unit.to_owned(),
                format!("{:.2}", line.ratio),
            ]);
        }
    }
    align(&mut table, &[1, 3, 4, 6]);
    table
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(ASCII_MARKDOWN).set_header(header);
    table
}

fn align(table: &mut Table, columns: &[usize]) {
    for &index in columns {
        let column = table.column_mut(index).expect("it is in the header");
        column.set_cell_alignment(CellAlignment::Right);
    }
}

/// Three digits, or more if they stand before the point.
pub(crate) fn number(figure: f64) -> String {
    let digits = if figure < 10.0 { 2 } else { usize::from(figure < 100.0) };
    format!("{figure:.digits$}")
}

/// Writes all figures to a CSV file whose first lines, which begin with `#`, name the machine.
pub(crate) fn csv(path: &Path, outcomes: &[Outcome], machine: &Machine) -> io::Result<()> {
    fs::create_dir_all(path.parent().expect("a file in a folder"))?;
    let mut file = File::create(path)?;
    for line in machine.lines() {
        writeln!(file, "# {line}")?;
    }
    let mut csv = csv::Writer::from_writer(file);
    csv.write_record([
        "workload",
        "workers",
        "contender",
        "unit",
        "median",
        "lower_quartile",
        "upper_quartile",
        "workcrew_ratio",
        "turns",
    ])?;
    for outcome in outcomes {
        for line in &outcome.lines {
            csv.write_record([
                outcome.workload,
                &outcome.workers.to_string(),
                line.contender,
                outcome.unit,
                &format!("{:.3}", line.median),
                &format!("{:.3}", line.quartiles[0]),
                &format!("{:.3}", line.quartiles[1]),
                &format!("{:.4}", line.ratio),
                &outcome.turns.to_string(),
            ])?;
        }
    }
    csv.flush()
}
