//! What flat means: the rules by which a run is judged, as functions of its samples.

use crate::record::{Sample, f64_of};

/// KiB by which the allocations of the last third may exceed those of the first.
const HEAP_GROWTH: f64 = 256.0;

/// The same for resident memory, of which allocators keep some of what they once had.
const RESIDENT_GROWTH: f64 = 4096.0;

/// The same for the processor time of a job, as a factor. Throughput says less: the load is paced, and
/// what else the machine does takes from it. Where that is nearly all, a job costs up to twice as much.
const COST_GROWTH: f64 = 2.5;

/// Seconds below which the samples are no more than reported: what else a machine does in a few
/// seconds is more than what these rules look for.
const ENOUGH: usize = 60;

/// One rule, and how the run did.
pub(crate) struct Finding {
    pub(crate) text: String,
    pub(crate) verdict: Verdict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Holds,
    /// Reported, and not judged.
    TooShort,
    Broken,
}

impl Finding {
    /// A figure that must not be above a limit.
    pub(crate) fn at_most(limit: f64, figure: f64, text: String) -> Self {
        let verdict = if figure <= limit { Verdict::Holds } else { Verdict::Broken };
        Self { text, verdict }
    }

    pub(crate) fn broken(text: String) -> Self {
        Self { text, verdict: Verdict::Broken }
    }
}

/// The samples without those in which the process warms up: a sixth of them, a minute at most.
pub(crate) fn warm(samples: &[Sample]) -> &[Sample] {
    &samples[samples.len().div_ceil(6).min(60)..]
}

fn median(samples: &[Sample], figure: impl Fn(&Sample) -> f64) -> f64 {
    let mut figures: Vec<_> = samples.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Judges by the samples, if there are enough; there have to be four or more.
pub(crate) fn judge(samples: &[Sample]) -> Vec<Finding> {
    let mut findings = look(samples);
    if samples.len() < ENOUGH {
        for finding in &mut findings {
            finding.verdict = Verdict::TooShort;
        }
    }
    findings
}

fn look(samples: &[Sample]) -> Vec<Finding> {
    let warm = warm(samples);
    let third = warm.len() / 3;
    let thirds = |figure: fn(&Sample) -> f64| {
        (median(&warm[..third], figure), median(&warm[warm.len() - third..], figure))
    };
    let memory = |what: &str, figure, growth: f64| {
        let (first, last) = thirds(figure);
        let text = format!(
            "{what}: {first:.0} KiB in the first third, {last:.0} in the last; {growth:.0} more are allowed"
        );
        Finding::at_most(first + growth, last, text)
    };
    let mut findings = vec![
        memory("allocations", |sample| sample.heap_kib, HEAP_GROWTH),
        memory("resident memory", |sample| sample.resident_kib, RESIDENT_GROWTH),
    ];
    let idle = samples.iter().filter(|sample| sample.rate < 1.0).count();
    let text = format!("seconds in which no job ran: {idle}");
    findings.push(Finding::at_most(0.0, f64_of(idle as u64), text));
    let (first, last) = thirds(|sample| sample.cost);
    let text = format!(
        "processor time per job: {first:.1} µs in the first third, {last:.1} in the last; {COST_GROWTH} \
         times as much is allowed"
    );
    findings.push(Finding::at_most(COST_GROWTH * first, last, text));
    let (first, last) = thirds(|sample| sample.rate);
    let text = format!("jobs per second: {first:.0} in the first third, {last:.0} in the last");
    findings.push(Finding { text, verdict: Verdict::Holds });
    findings
}
