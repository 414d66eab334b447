//! Many pieces of work of one known length, given to a pool in one go and waited for together.

use std::hint::black_box;
use std::time::Instant;

use super::work::Work;
use super::{Setup, on_workers, per_job};
use crate::contender::Contender;

/// Pieces of a turn.
pub(super) const PIECES: u32 = 100_000;

/// Has `run` do the work on each number below the turn's pieces, on a pool whose workers exist:
/// nanoseconds per piece, until it returns. What `sum` makes of that must be the sum of all results.
pub(super) fn on_pool<C: Contender, R>(
    setup: &Setup,
    work: Work,
    run: impl FnOnce(&C::Handle) -> R,
    sum: impl FnOnce(R) -> u64,
) -> f64 {
    let (results, time) = on_workers::<C, _>(setup.workers, |handle| {
        let begun = Instant::now();
        let results = run(handle);
        (results, begun.elapsed())
    });
    let pieces = setup.pieces(PIECES);
    assert_eq!(sum(results), add(results_of(work, pieces)), "each piece is worked on once");
    per_job(time, pieces.into())
}

/// The same on this thread, with nothing to hand over.
pub(super) fn alone(setup: &Setup, work: Work) -> f64 {
    let pieces = setup.pieces(PIECES);
    let begun = Instant::now();
    let results: Vec<_> = results_of(work, pieces).collect();
    let time = begun.elapsed();
    black_box(results);
    per_job(time, pieces.into())
}

fn results_of(work: Work, pieces: u32) -> impl Iterator<Item = u64> {
    (0..pieces).map(move |piece| work.on(piece.into()))
}

pub(super) fn add(results: impl IntoIterator<Item = u64>) -> u64 {
    results.into_iter().fold(0, u64::wrapping_add)
}
