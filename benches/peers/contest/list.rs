//! All contests, in the order of the report.

use super::{Company, Contest, Entrant, OURS};
use crate::contender::{
    BlockingChannel, BlockingWorkcrew, CallerRunsChannel, CallerRunsWorkcrew, Channel, Contender,
    Executors, Qubit, Rayon, RustyPool, Threadpool, Threads, Tokio, Workcrew,
};
use crate::workload::{
    FiveMicros, Flood, GROWN, Gathered, Nested, RoundTrip, StartStop, Stream, WakeUp, Workload,
    batch_alone, grow_rusty_pool, grow_workcrew, invoke_all, join_set_tokio, join_set_workcrew,
    map_alone, map_rayon, map_workcrew, scope_rayon, scope_workcrew, without_pool,
};

pub(crate) fn all() -> Vec<Contest> {
    let mut all = empty_jobs();
    all.extend(one_at_a_time());
    all.extend(bulk());
    all.extend(others());
    all
}

/// Empty jobs, which show the cost of handing over a job.
fn empty_jobs() -> Vec<Contest> {
    const UNIT: &str = "ns/job";
    let mut many = everybody::<Flood<16>>();
    many.push(Entrant::new(ALONE, Flood::<1>::run::<Workcrew>));
    vec![
        Contest::new(
            "flood-1",
            "flood of empty jobs, 1 producer",
            UNIT,
            0.4,
            everybody::<Flood<1>>(),
        ),
        Contest::new(
            "flood-4",
            "flood of empty jobs, 4 producers",
            UNIT,
            0.5,
            everybody::<Flood<4>>(),
        ),
        Contest::new("many", "flood of empty jobs, 16 producers, 4 workers", UNIT, 0.8, many)
            .with(4)
            .showing(&[ALONE]),
        Contest::new("nested", "jobs that submit jobs", UNIT, 0.5, everybody::<Nested>()),
        Contest::new("stream", "stream, 64 in flight", UNIT, 0.75, everybody::<Stream>()),
        Contest::new(
            "stream-64",
            "stream, 64 in flight, 64 workers",
            UNIT,
            1.0,
            everybody::<Stream>(),
        )
        .with(64),
    ]
}

/// This crate's own figure for one producer, beside that for many.
const ALONE: &str = "workcrew, 1 producer";

/// Jobs whose submitter waits for something: a result, the start, the end of the pool.
fn one_at_a_time() -> Vec<Contest> {
    let taken = Contest::new(
        "round-trip-taken",
        "submit then join, one processor taken",
        "ns",
        1.0,
        everybody::<RoundTrip>(),
    );
    vec![
        Contest::new("round-trip", "submit then join", "ns", 0.95, everybody::<RoundTrip>())
            .against(Channel::NAME),
        Contest { company: Company::Spinning, ..taken }.against(Channel::NAME),
        Contest::new("wake-up", "wake-up after 1 ms", "ns", 1.0, pools::<WakeUp>()),
        Contest::new(
            "submit-all",
            "submit 100,000, join all; to the best pool",
            "ns/job",
            0.8,
            everybody::<Gathered>(),
        )
        .showing(&[Channel::NAME, Threads::NAME])
        .noting(Rayon::NAME, CHANNEL_EACH)
        .noting(Threadpool::NAME, CHANNEL_EACH)
        .noting(Channel::NAME, CHANNEL_EACH),
        start_stop(),
    ]
}

const CHANNEL_EACH: &str = "a oneshot channel for each job";

fn start_stop() -> Contest {
    let entrants = everybody::<StartStop>();
    Contest::new("start-stop", "start, one job, close; to pools that join", "µs", 1.0, entrants)
        .showing(&[RustyPool::NAME, Executors::NAME, Qubit::NAME, Threadpool::NAME, Threads::NAME])
        .noting(OURS, "starts one thread, for the job")
        .noting(RustyPool::NAME, "starts one thread, for the job")
        .noting(Tokio::NAME, "starts one thread, for the job")
        .noting(Rayon::NAME, "starts all its threads, which the bench joins")
        .noting(Channel::NAME, "starts all its threads")
        .noting(Executors::NAME, "starts all its threads")
        .noting(Qubit::NAME, "starts all its threads")
        .noting(Threadpool::NAME, "starts all its threads; waits for the job, not for them to end")
        .noting(Threads::NAME, "no pool; spawn and join")
}

/// Many pieces of work in one call.
fn bulk() -> Vec<Contest> {
    vec![
        map::<60>("map-60", "map, 100,000 items of 60 ns", 2.2),
        map::<750>("map-750", "map, 100,000 items of 750 ns", 1.2),
        batch("scope", "scope.execute, 100,000 jobs of 60 ns", 2.0, scope_workcrew),
        batch("invoke-all", "invoke_all, 100,000 jobs of 60 ns", 3.0, invoke_all)
            .noting(SCOPE, NO_RESULTS),
        join_set(),
    ]
}

const ONE_THREAD: &str = "loop on one thread";
const SCOPE: &str = "rayon scope.spawn";
const NO_RESULTS: &str = "no handles; each job writes its result to a place of its own";

fn map<const NANOS: u32>(name: &'static str, title: &'static str, reach: f64) -> Contest {
    let entrants = vec![
        Entrant::new(OURS, map_workcrew::<NANOS>),
        Entrant::new("rayon par_iter", map_rayon::<NANOS>),
        Entrant::new(ONE_THREAD, map_alone::<NANOS>),
    ];
    Contest::new(name, title, "ns/item", reach, entrants)
        .showing(&[ONE_THREAD])
        .noting(ONE_THREAD, "nothing handed over")
}

fn batch(
    name: &'static str,
    title: &'static str,
    reach: f64,
    ours: fn(&crate::workload::Setup) -> f64,
) -> Contest {
    let entrants = vec![
        Entrant::new(OURS, ours),
        Entrant::new(SCOPE, scope_rayon),
        Entrant::new(ONE_THREAD, batch_alone),
    ];
    Contest::new(name, title, "ns/job", reach, entrants)
        .showing(&[ONE_THREAD])
        .noting(ONE_THREAD, "nothing handed over")
}

fn join_set() -> Contest {
    const TOKIO: &str = "tokio JoinSet";
    let mut contest = batch("join-set", "JoinSet, 100,000 jobs of 60 ns", 3.0, join_set_workcrew);
    contest.entrants.push(Entrant::new(TOKIO, join_set_tokio));
    contest.noting(SCOPE, NO_RESULTS).against(SCOPE)
}

/// Contests against something special in place of the other pools.
fn others() -> Vec<Contest> {
    const NO_POOL: &str = "no pool";
    let mut five_micros = everybody::<FiveMicros>();
    five_micros.push(Entrant::new(NO_POOL, without_pool));
    let growth =
        vec![Entrant::new(OURS, grow_workcrew), Entrant::new(RustyPool::NAME, grow_rusty_pool)];
    let block = pair::<BlockingWorkcrew, BlockingChannel, Flood<1>>();
    let caller_runs = pair::<CallerRunsWorkcrew, CallerRunsChannel, Flood<1>>();
    vec![
        Contest::new("five-us", "jobs of 5 µs; to plain threads", "µs/job", 1.05, five_micros)
            .against(NO_POOL)
            .noting(NO_POOL, "the same work on plain threads, nothing handed over"),
        Contest::new("block", "bounded queue, Block", "ns/job", 1.0, block),
        Contest::new("caller-runs", "bounded queue, CallerRuns", "ns/job", 1.0, caller_runs),
        Contest::new("growth", "growth to 256 threads and back", "ms", 1.0, growth)
            .with(GROWN)
            .noting(RustyPool::NAME, RustyPool::NOTE),
    ]
}

fn pair<A: Contender, B: Contender, W: Workload>() -> Vec<Entrant> {
    vec![Entrant::of::<A, W>(), Entrant::of::<B, W>()]
}

fn pools<W: Workload>() -> Vec<Entrant> {
    vec![
        Entrant::of::<Workcrew, W>(),
        Entrant::of::<Rayon, W>(),
        Entrant::of::<RustyPool, W>(),
        Entrant::of::<Executors, W>(),
        Entrant::of::<Qubit, W>(),
        Entrant::of::<Tokio, W>(),
        Entrant::of::<Channel, W>(),
        Entrant::of::<Threadpool, W>(),
    ]
}

fn everybody<W: Workload>() -> Vec<Entrant> {
    let mut everybody = pools::<W>();
    everybody.push(Entrant::of::<Threads, W>());
    everybody
}
