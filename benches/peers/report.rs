//! Tables of what came out: for the terminal, and for the README.
//!
//! A ratio is everywhere this crate's time by the other's: below 1 this crate is faster.

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};

use crate::beside::Older;
use crate::contest::Part;
use crate::turns::{self, Outcome};

/// The table of what was to be reached.
pub(crate) fn targets(outcomes: &[Outcome<'_>]) -> Table {
    let mut table = table(&[
        "workload",
        "--only",
        "workers",
        "unit",
        "workcrew",
        "best peer",
        "its time",
        "ratio",
        "reach",
        "",
    ]);
    for outcome in outcomes {
        let peer = outcome.best_peer();
        table.add_row([
            outcome.contest.title.to_owned(),
            outcome.contest.name.to_owned(),
            outcome.workers.to_string(),
            outcome.contest.unit.to_owned(),
            number(outcome.ours().median),
            peer.entrant.name.to_owned(),
            number(peer.median),
            ratio(peer.ratio),
            ratio(outcome.contest.reach),
            if outcome.is_reached() { "ok" } else { "—" }.to_owned(),
        ]);
    }
    align(&mut table, &[2, 4, 6, 7, 8]);
    table
}

/// The median of each contender, the quickest of each workload first.
pub(crate) fn everybody(outcomes: &[Outcome<'_>]) -> Table {
    let mut table = table(&[
        "workload",
        "workers",
        "contender",
        "median",
        "quartiles",
        "unit",
        "workcrew ÷ it",
        "note",
    ]);
    for outcome in outcomes {
        let mut lines: Vec<_> = outcome.lines.iter().collect();
        lines.sort_by(|a, b| a.median.total_cmp(&b.median));
        for line in lines {
            table.add_row([
                outcome.contest.title.to_owned(),
                outcome.workers.to_string(),
                line.entrant.name.to_owned(),
                number(line.median),
                line.quartiles.map(number).join(" – "),
                outcome.contest.unit.to_owned(),
                ratio(line.ratio),
                remark(line.entrant.part, &line.entrant.note),
            ]);
        }
    }
    align(&mut table, &[1, 3, 4, 6]);
    table
}

fn remark(part: Part, note: &str) -> String {
    match part {
        Part::Ours | Part::Peer => note.to_owned(),
        Part::Shown => format!("(only shown) {note}"),
    }
}

/// The ratio to the best peer in each of several runs, and their median.
pub(crate) fn runs(runs: &[Vec<Outcome<'_>>]) -> Table {
    let mut header = vec!["workload".to_owned(), "workers".to_owned()];
    header.extend((1..=runs.len()).map(|run| format!("run {run}")));
    header.extend(["median".to_owned(), "reach".to_owned()]);
    let columns: Vec<_> = (1..header.len()).collect();
    let mut table = table(&header);
    for (row, outcome) in runs[0].iter().enumerate() {
        let ratios: Vec<_> = runs.iter().map(|run| run[row].ratio()).collect();
        let mut cells = vec![outcome.contest.title.to_owned(), outcome.workers.to_string()];
        cells.extend(ratios.iter().copied().map(ratio));
        cells.extend([turns::median(ratios), outcome.contest.reach].map(ratio));
        table.add_row(cells);
    }
    align(&mut table, &columns);
    table
}

/// A row for each workload, a column for each number of workers, and one for the ratios of an older
/// run, if there is one.
pub(crate) fn readme(outcomes: &[Outcome<'_>], workers: &[usize], older: Option<&Older>) -> Table {
    let mut header = vec!["workload".to_owned()];
    header.extend(workers.iter().map(|workers| format!("{workers} workers")));
    header.extend(["reach".to_owned(), "best peer".to_owned()]);
    header.extend(older.map(|older| older.name.clone()));
    let mut table = table(&header);
    for row in outcomes.chunk_by(|a, b| a.contest.name == b.contest.name) {
        let contest = row[0].contest;
        let mut cells = vec![contest.title.to_owned()];
        // A number that nobody asked for has no column; the title names it.
        let columns = row.iter().map(|outcome| {
            workers.iter().position(|workers| *workers == outcome.workers).unwrap_or(0)
        });
        let columns: Vec<_> = columns.collect();
        cells.extend((0..workers.len()).map(|column| {
            let place = columns.iter().position(|&own| own == column);
            place.map_or_else(String::new, |place| ratio(row[place].ratio()))
        }));
        let mut peers: Vec<_> =
            row.iter().map(|outcome| outcome.best_peer().entrant.name).collect();
        peers.dedup();
        cells.extend([ratio(contest.reach), peers.join(", ")]);
        cells.extend(older.map(|older| {
            let ratios =
                row.iter().map(|outcome| older.ratio(outcome).map_or("–".to_owned(), ratio));
            let mut ratios: Vec<_> = ratios.collect();
            if ratios.iter().all(|ratio| ratio == "–") {
                ratios.truncate(1);
            }
            ratios.join(" / ")
        }));
        table.add_row(cells);
    }
    let figures: Vec<_> = (1..workers.len() + 2).collect();
    align(&mut table, &figures);
    table
}

fn table(header: &[impl AsRef<str>]) -> Table {
    let mut table = Table::new();
    table.load_preset(ASCII_MARKDOWN).set_header(header.iter().map(AsRef::as_ref));
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

/// At least two digits that say something.
pub(crate) fn ratio(ratio: f64) -> String {
    let digits = if ratio < 0.1 {
        3
    } else if ratio < 10.0 {
        2
    } else {
        0
    };
    format!("{ratio:.digits$}")
}
