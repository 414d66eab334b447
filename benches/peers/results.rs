//! The CSV file of all figures, whose first lines, which begin with `#`, name machine and date.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use crate::contest::Part;
use crate::machine::Machine;
use crate::turns::Outcome;

/// The columns that an older file is read by, too.
pub(crate) const WORKLOAD: &str = "workload";
pub(crate) const WORKERS: &str = "workers";
pub(crate) const CONTENDER: &str = "contender";
pub(crate) const RATIO: &str = "workcrew_ratio";

pub(crate) fn write(
    path: &Path,
    outcomes: &[Outcome<'_>],
    runs: usize,
    machine: &Machine,
) -> io::Result<()> {
    fs::create_dir_all(path.parent().expect("a file in a folder"))?;
    let mut file = File::create(path)?;
    for line in machine.lines() {
        writeln!(file, "# {line}")?;
    }
    writeln!(file, "# {RATIO} is workcrew's time by the contender's; below 1 workcrew is faster")?;
    if runs > 1 {
        writeln!(file, "# of {runs} runs, each workload's with the median ratio")?;
    }
    let mut csv = csv::Writer::from_writer(file);
    csv.write_record([
        WORKLOAD,
        "title",
        WORKERS,
        CONTENDER,
        "unit",
        "median",
        "lower_quartile",
        "upper_quartile",
        RATIO,
        "turns",
        "part",
        "note",
    ])?;
    for outcome in outcomes {
        for line in &outcome.lines {
            csv.write_record([
                outcome.contest.name,
                outcome.contest.title,
                &outcome.workers.to_string(),
                line.entrant.name,
                outcome.contest.unit,
                &format!("{:.3}", line.median),
                &format!("{:.3}", line.quartiles[0]),
                &format!("{:.3}", line.quartiles[1]),
                &format!("{:.4}", line.ratio),
                &outcome.turns.to_string(),
                match line.entrant.part {
                    Part::Ours => "ours",
                    Part::Peer => "peer",
                    Part::Shown => "shown",
                },
                &line.entrant.note,
            ])?;
        }
    }
    csv.flush()
}
