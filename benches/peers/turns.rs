//! Lets the contenders take turns, and sums up what they did.
//!
//! In a turn each contender runs once, in an order drawn anew, so that the machine's drift hits
//! all of them. A ratio is that of two figures of the same turn.

use fastrand::Rng;

use crate::contest::{Contest, OURS, Rival};
use crate::workload::Setup;

/// What one contender did.
pub(crate) struct Line {
    pub(crate) contender: &'static str,
    pub(crate) median: f64,
    pub(crate) quartiles: [f64; 2],
    /// This crate's figure as a multiple of this contender's: below 1 this crate is ahead.
    pub(crate) ratio: f64,
}

/// What came out of a contest.
pub(crate) struct Outcome {
    pub(crate) workload: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) workers: usize,
    pub(crate) turns: usize,
    pub(crate) reach: f64,
    rival: Rival,
    pub(crate) lines: Vec<Line>,
}

impl Outcome {
    pub(crate) fn ours(&self) -> &Line {
        self.lines.iter().find(|line| line.contender == OURS).expect("we take part")
    }

    /// The one that this crate is measured by: against which it does worst.
    pub(crate) fn rival(&self) -> &Line {
        let rivals = self.lines.iter().filter(|line| match self.rival {
            Rival::BestPeer => line.contender != OURS,
            Rival::BestPeerBut(name) => line.contender != OURS && line.contender != name,
            Rival::Named(name) => line.contender == name,
        });
        rivals.max_by(|a, b| a.ratio.total_cmp(&b.ratio)).expect("somebody else takes part")
    }

    pub(crate) fn is_reached(&self) -> bool {
        self.rival().ratio <= self.reach
    }
}

/// How many turns, and whether one that is not counted goes before.
#[derive(Clone, Copy)]
pub(crate) struct Turns {
    pub(crate) warm_up: usize,
    pub(crate) counted: usize,
}

/// Has all entrants take their turns; calls `after_each` after each of them.
pub(crate) fn take(
    contest: &Contest,
    setup: &Setup,
    turns: Turns,
    rng: &mut Rng,
    mut after_each: impl FnMut(),
) -> Outcome {
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
    let ours = contest.entrants.iter().position(|entrant| entrant.name == OURS);
    let ours = figures[ours.expect("we take part")].clone();
    let lines = contest.entrants.iter().zip(figures).map(|(entrant, figures)| {
        let ratios = ours.iter().zip(&figures).map(|(ours, figure)| ours / figure).collect();
        let sorted = sorted(figures);
        Line {
            contender: entrant.name,
            median: quantile(&sorted, 0.5),
            quartiles: [0.25, 0.75].map(|part| quantile(&sorted, part)),
            ratio: median(ratios),
        }
    });
    Outcome {
        workload: contest.name,
        unit: contest.unit,
        workers: setup.workers,
        turns: turns.counted,
        reach: contest.reach(),
        rival: contest.rival,
        lines: lines.collect(),
    }
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
