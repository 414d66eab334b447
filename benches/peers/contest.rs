//! Owns the list of what is compared: the workloads, who takes part in each, and what is to be
//! reached.

use crate::contender::{
    BlockingChannel, BlockingWorkcrew, CallerRunsChannel, CallerRunsWorkcrew, Channel, Contender,
    Executors, Qubit, Rayon, RustyPool, Threadpool, Threads, Tokio, Workcrew,
};
use crate::workload::{
    FiveMicros, Flood, GROWN, Nested, RoundTrip, Setup, StartStop, Stream, WakeUp, Workload,
    grow_rusty_pool, grow_workcrew, without_pool,
};

/// The pool that the others are compared with.
pub(crate) const OURS: &str = Workcrew::NAME;

/// The most that this crate's figure may be, as a multiple of the rival's of the same turn.
const REACH: [(&str, f64); 12] = [
    ("flood-1", 0.25),
    ("flood-4", 0.25),
    ("nested", 0.7),
    ("stream", 0.7),
    ("round-trip", 1.0),
    ("wake-up", 1.0),
    ("five-us", 1.05),
    ("block", 1.0),
    ("caller-runs", 1.0),
    ("growth", 1.0),
    ("start-stop", 1.0),
    ("many", 2.0),
];

/// Who the target is about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rival {
    /// Whoever of the others does best.
    BestPeer,
    /// The same, but not this one, which is only shown.
    BestPeerBut(&'static str),
    /// This one alone; the others are shown.
    Named(&'static str),
}

/// With how many workers.
#[derive(Clone, Copy)]
pub(crate) enum Crews {
    /// As many as asked for.
    Asked,
    /// A number that belongs to the workload.
    Only(usize),
}

/// One who takes part.
pub(crate) struct Entrant {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&Setup) -> f64,
}

/// A workload and those who are given it.
pub(crate) struct Contest {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) crews: Crews,
    pub(crate) rival: Rival,
    pub(crate) entrants: Vec<Entrant>,
}

impl Contest {
    fn new(name: &'static str, unit: &'static str, entrants: Vec<Entrant>) -> Self {
        Self { name, unit, crews: Crews::Asked, rival: Rival::BestPeer, entrants }
    }

    pub(crate) fn reach(&self) -> f64 {
        let reach = REACH.iter().find(|(name, _)| *name == self.name);
        reach.expect("each contest has a target").1
    }
}

/// All contests, in the order of the report.
pub(crate) fn all() -> Vec<Contest> {
    let growth = vec![
        Entrant { name: OURS, run: grow_workcrew },
        Entrant { name: RustyPool::NAME, run: grow_rusty_pool },
    ];
    let many = vec![
        entrant::<Workcrew, Flood<16>>(),
        Entrant { name: "with 1 producer", run: Flood::<1>::run::<Workcrew> },
    ];
    let mut five_micros = everybody::<FiveMicros>();
    five_micros.push(Entrant { name: "no pool", run: without_pool });
    vec![
        Contest::new("flood-1", "ns/job", everybody::<Flood<1>>()),
        Contest::new("flood-4", "ns/job", everybody::<Flood<4>>()),
        Contest::new("nested", "ns/job", everybody::<Nested>()),
        Contest::new("stream", "ns/job", everybody::<Stream>()),
        Contest::new("round-trip", "ns", everybody::<RoundTrip>()),
        Contest::new("wake-up", "ns", pools::<WakeUp>()),
        Contest {
            rival: Rival::Named("no pool"),
            ..Contest::new("five-us", "µs/job", five_micros)
        },
        Contest::new("block", "ns/job", pair::<BlockingWorkcrew, BlockingChannel, Flood<1>>()),
        Contest::new(
            "caller-runs",
            "ns/job",
            pair::<CallerRunsWorkcrew, CallerRunsChannel, Flood<1>>(),
        ),
        Contest { crews: Crews::Only(GROWN), ..Contest::new("growth", "ms", growth) },
        Contest {
            // Its `shutdown_join` waits for a pause; the threads end when they like.
            rival: Rival::BestPeerBut(RustyPool::NAME),
            ..Contest::new("start-stop", "µs", those_that_end::<StartStop>())
        },
        Contest { crews: Crews::Only(4), ..Contest::new("many", "ns/job", many) },
    ]
}

fn entrant<C: Contender, W: Workload>() -> Entrant {
    Entrant { name: C::NAME, run: W::run::<C> }
}

fn pair<A: Contender, B: Contender, W: Workload>() -> Vec<Entrant> {
    vec![entrant::<A, W>(), entrant::<B, W>()]
}

/// The pools whose end can be waited for.
fn those_that_end<W: Workload>() -> Vec<Entrant> {
    vec![
        entrant::<Workcrew, W>(),
        entrant::<Rayon, W>(),
        entrant::<RustyPool, W>(),
        entrant::<Executors, W>(),
        entrant::<Qubit, W>(),
        entrant::<Tokio, W>(),
        entrant::<Channel, W>(),
    ]
}

fn pools<W: Workload>() -> Vec<Entrant> {
    let mut pools = those_that_end::<W>();
    pools.push(entrant::<Threadpool, W>());
    pools
}

fn everybody<W: Workload>() -> Vec<Entrant> {
    let mut everybody = pools::<W>();
    everybody.push(entrant::<Threads, W>());
    everybody
}
