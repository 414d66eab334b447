//! One job at a time: how long its submitter waits for it, or it for a worker.

use std::time::{Duration, Instant};

use crossbeam_channel::bounded;

use super::{Setup, Workload, nanos, on_workers, per_job};
use crate::contender::Contender;
use crate::count::{self, Tally};
use crate::turns::median;

/// Round trips of a turn.
const TRIPS: u64 = 3_000;

/// Wake-ups of a turn.
const WAKE_UPS: u64 = 100;

/// How long the pool is left alone before it is woken up.
const ASLEEP: Duration = Duration::from_millis(1);

/// Pools that are started and stopped in a turn.
const LIVES: u64 = 40;

/// A job is submitted and its result waited for, again and again: nanoseconds per round trip.
pub(crate) struct RoundTrip;

impl Workload for RoundTrip {
    fn run<C: Contender>(setup: &Setup) -> f64 {
        let trips = setup.jobs(TRIPS);
        let (tally, time) = on_workers::<C, _>(setup.workers, |handle| {
            let tally = Tally::begin();
            let begun = Instant::now();
            for number in 0..trips {
                let answer = C::round_trip(handle, move || {
                    count::note();
                    number + 1
                });
                assert_eq!(answer, number + 1);
            }
            (tally, begun.elapsed())
        });
        tally.check(trips);
        per_job(time, trips)
    }
}

/// From the submission to a sleeping pool to the job's first statement: nanoseconds, the median of
/// the turn's wake-ups.
pub(crate) struct WakeUp;

impl Workload for WakeUp {
    fn run<C: Contender>(setup: &Setup) -> f64 {
        let wake_ups = setup.jobs(WAKE_UPS);
        let (tally, waits) = on_workers::<C, _>(setup.workers, |handle| {
            let (sender, receiver) = bounded(1);
            let tally = Tally::begin();
            let waits = (0..wake_ups).map(|_| {
                pass(ASLEEP);
                let sender = sender.clone();
                let submitted = Instant::now();
                C::execute(handle, move || {
                    let begun = Instant::now();
                    count::note();
                    sender.send(begun).expect("the submitter waits");
                });
                nanos(receiver.recv().expect("the job answers") - submitted)
            });
            (tally, waits.collect())
        });
        tally.check(wake_ups);
        median(waits)
    }
}

/// Sleeps for so long, whoever else unparks this thread.
fn pass(time: Duration) {
    let end = Instant::now() + time;
    while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    {
        std::thread::park_timeout(left);
    }
}

/// A pool is started, runs one job and ends, its threads joined where possible: microseconds.
pub(crate) struct StartStop;

impl Workload for StartStop {
    fn run<C: Contender>(setup: &Setup) -> f64 {
        let lives = setup.jobs(LIVES);
        let tally = Tally::begin();
        let begun = Instant::now();
        for _ in 0..lives {
            let pool = C::start(setup.workers);
            C::round_trip(&pool.handle(), count::note);
            pool.stop();
        }
        let time = begun.elapsed();
        tally.check(lives);
        per_job(time, lives) / 1e3
    }
}
