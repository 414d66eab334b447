//! The results of an older run, of another machine as a rule, to be shown beside those of this one.

use std::collections::HashMap;
use std::error::Error;
use std::fs::{self, File};
use std::path::Path;

use crate::results::{CONTENDER, RATIO, WORKERS, WORKLOAD};
use crate::turns::Outcome;

pub(crate) struct Older {
    /// Its processor and its date.
    pub(crate) name: String,
    /// By workload, workers and contender.
    ratios: HashMap<(String, usize, String), f64>,
}

impl Older {
    /// Reads a file that this program has written; none if there is no such file.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is something else.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, Box<dyn Error>> {
        if !path.try_exists()? {
            return Ok(None);
        }
        let text = fs::read_to_string(path)?;
        let mut lines = text.lines().map_while(|line| line.strip_prefix("# "));
        let [machine, versions] = [lines.next(), lines.next()].map(Option::unwrap_or_default);
        let (Some((cpu, _)), Some((_, date))) =
            (machine.split_once(", "), versions.rsplit_once(", "))
        else {
            return Err(format!("{}: it does not name its machine", path.display()).into());
        };
        let mut csv = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(File::open(path)?);
        let header = csv.headers()?.clone();
        let column = |name| {
            let column = header.iter().position(|column| column == name);
            column.ok_or_else(|| format!("{}: no column {name}", path.display()))
        };
        let [workload, workers, contender, ratio] =
            [column(WORKLOAD)?, column(WORKERS)?, column(CONTENDER)?, column(RATIO)?];
        let mut ratios = HashMap::new();
        for record in csv.records() {
            let record = record?;
            let key = (record[workload].into(), record[workers].parse()?, record[contender].into());
            ratios.insert(key, record[ratio].parse()?);
        }
        Ok(Some(Self { name: format!("{cpu}, {date}"), ratios }))
    }

    /// The ratio of that run to the best of the peers that count today; none if it had none of them.
    pub(crate) fn ratio(&self, outcome: &Outcome<'_>) -> Option<f64> {
        let ratios = outcome.peers().filter_map(|line| {
            let contest = outcome.contest.name.to_owned();
            self.ratios.get(&(contest, outcome.workers, line.entrant.name.to_owned())).copied()
        });
        ratios.max_by(f64::total_cmp)
    }
}
