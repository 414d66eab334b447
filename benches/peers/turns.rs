//! Lets the contenders take turns, and sums up what they did.
//!
//! In a turn each contender runs once, in an order drawn anew, so that the machine's drift hits
//! all of them. A ratio is that of two figures of the same turn.

use std::io;

use fastrand::Rng;

use crate::contest::{Company, Contest, Entrant, Part};
use crate::neighbour::Neighbour;
use crate::workload::Setup;

/// What one contender did.
pub(crate) struct Line<'c> {
    pub(crate) entrant: &'c Entrant,
    pub(crate) median: f64,
    pub(crate) quartiles: [f64; 2],
    /// This crate's figure as a multiple of this contender's: below 1 this crate is faster.
    pub(crate) ratio: f64,
}

/// What came out of a contest.
pub(crate) struct Outcome<'c> {
    pub(crate) contest: &'c Contest,
    pub(crate) workers: usize,
    pub(crate) turns: usize,
    pub(crate) lines: Vec<Line<'c>>,
}

impl<'c> Outcome<'c> {
    pub(crate) fn ours(&self) -> &Line<'c> {
        self.lines.iter().find(|line| line.entrant.part == Part::Ours).expect("we take part")
    }

    pub(crate) fn peers(&self) -> impl Iterator<Item = &Line<'c>> {
        self.lines.iter().filter(|line| line.entrant.part == Part::Peer)
    }

    /// The one against which this crate does worst.
    pub(crate) fn best_peer(&self) -> &Line<'c> {
        let best = self.peers().max_by(|a, b| a.ratio.total_cmp(&b.ratio));
        best.expect("somebody else takes part")
    }

    /// This crate's figure as a multiple of the best peer's.
    pub(crate) fn ratio(&self) -> f64 {
        self.best_peer().ratio
    }

    pub(crate) fn is_reached(&self) -> bool {
        self.ratio() <= self.contest.reach
    }
}

/// Takes from several runs, for each contest, the outcome of the run whose ratio is the median; of
/// an even number of runs, the worse of the two in the middle.
pub(crate) fn middle(runs: Vec<Vec<Outcome<'_>>>) -> Vec<Outcome<'_>> {
    let mut runs: Vec<_> = runs.into_iter().map(Vec::into_iter).collect();
    let next = || {
        let of_runs = runs.iter_mut().map(Iterator::next).collect::<Option<Vec<_>>>();
        of_runs.filter(|outcomes| !outcomes.is_empty()).map(|mut outcomes| {
            outcomes.sort_by(|a, b| a.ratio().total_cmp(&b.ratio()));
            outcomes.swap_remove(outcomes.len() / 2)
        })
    };
    std::iter::from_fn(next).collect()
}

/// How many turns, and whether one that is not counted goes before.
#[derive(Clone, Copy)]
pub(crate) struct Turns {
    pub(crate) warm_up: usize,
    pub(crate) counted: usize,
}

/// Has all entrants take their turns; calls `after_each` after each of them.
///
/// # Errors
///
/// The other program, where the contest wants one, cannot be started.
pub(crate) fn take<'c>(
    contest: &'c Contest,
    setup: &Setup,
    turns: Turns,
    rng: &mut Rng,
    mut after_each: impl FnMut(),
) -> io::Result<Outcome<'c>> {
    let _neighbour = match contest.company {
        Company::Alone => None,
        Company::Spinning => Some(Neighbour::start()?),
    };
    let mut figures = vec![Vec::with_capacity(turns.counted); contest.entrants.len()];
    let mut order: Vec<_> = (0..contest.entrants.len()).collect();
    for turn in 0..turns.warm_up + turns.counted {
        rng.shuffle(&mut order);
        for &index in &order {
            let figure = (contest.entrants[index].run)(setup);
            if turn >= turns.warm_up {
                figures[index].push(figure);
            }
            after_each();
        }
    }
    let ours = contest.entrants.iter().position(|entrant| entrant.part == Part::Ours);
    let ours = figures[ours.expect("we take part")].clone();
    let lines = contest.entrants.iter().zip(figures).map(|(entrant, figures)| {
        let ratios = ours.iter().zip(&figures).map(|(ours, figure)| ours / figure).collect();
        let sorted = sorted(figures);
        Line {
            entrant,
            median: quantile(&sorted, 0.5),
            quartiles: [0.25, 0.75].map(|part| quantile(&sorted, part)),
            ratio: median(ratios),
        }
    });
    let (workers, turns) = (setup.workers, turns.counted);
    Ok(Outcome { contest, workers, turns, lines: lines.collect() })
}

pub(crate) fn median(figures: Vec<f64>) -> f64 {
    quantile(&sorted(figures), 0.5)
}

fn sorted(mut figures: Vec<f64>) -> Vec<f64> {
    figures.sort_by(f64::total_cmp);
    figures
}

/// The value below which this part of the figures lies, between two of them if need be.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place among a few figures"
)]
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let place = part * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    below + (above - below) * place.fract()
}
