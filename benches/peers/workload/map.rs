//! A function of each of many items, with the results in order: `map`, and rayon's `par_iter`.

use rayon::prelude::*;

use super::Setup;
use super::bulk::{PIECES, add, alone, on_pool};
use crate::contender::{Rayon, Workcrew};

/// Nothing is set: neither the size of the chunks nor the look-ahead.
pub(crate) fn map_workcrew<const NANOS: u32>(setup: &Setup) -> f64 {
    let (work, items) = (setup.work(NANOS), setup.pieces(PIECES));
    let map = |pool: &workcrew::Handle| -> Vec<u64> {
        let results = pool.map(0..items, move |item| work.on(item.into()));
        results.map(|result| result.expect("no call panics")).collect()
    };
    on_pool::<Workcrew, _>(setup, work, map, add)
}

pub(crate) fn map_rayon<const NANOS: u32>(setup: &Setup) -> f64 {
    let (work, items) = (setup.work(NANOS), setup.pieces(PIECES));
    // A range of `u32` has a known length, so the results are written where they belong.
    let map = |pool: &std::sync::Arc<rayon::ThreadPool>| -> Vec<u64> {
        pool.install(|| (0..items).into_par_iter().map(|item| work.on(item.into())).collect())
    };
    on_pool::<Rayon, _>(setup, work, map, add)
}

pub(crate) fn map_alone<const NANOS: u32>(setup: &Setup) -> f64 {
    alone(setup, setup.work(NANOS))
}
