//! What is read once a second, and the table that it is written to.

use std::error::Error;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

use crate::ALLOCATOR;
use crate::process::status;

/// The figures of one second.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    /// Since the load began.
    pub(crate) seconds: f64,
    /// Jobs run in a second.
    pub(crate) rate: f64,
    /// Microseconds of a processor for each of them, all that belongs to it taken together.
    pub(crate) cost: f64,
    /// What the allocations that live hold.
    pub(crate) heap_kib: f64,
    /// What the system has given to the process and holds in memory.
    pub(crate) resident_kib: f64,
    pub(crate) threads: u64,
    /// Pending jobs of the pools that live as long as the program.
    pub(crate) queued: usize,
    /// Pools that have been made and have ended.
    pub(crate) pools: u64,
}

#[expect(clippy::cast_precision_loss, reason = "figures are far below 2^52")]
pub(crate) fn f64_of(count: u64) -> f64 {
    count as f64
}

/// Bytes that the living allocations hold.
pub(crate) fn heap() -> f64 {
    let stats = ALLOCATOR.stats();
    f64_of(stats.bytes_allocated as u64) - f64_of(stats.bytes_deallocated as u64)
}

/// Resident memory of this process, in KiB.
pub(crate) fn resident() -> f64 {
    f64_of(status("VmRSS").expect("Linux tells the resident memory"))
}

pub(crate) fn threads() -> u64 {
    status("Threads").expect("Linux tells the number of threads")
}

/// Microseconds that processors have spent on this process.
pub(crate) fn processor_time() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("a process may ask for its own");
    let micros = (usage.user_time() + usage.system_time()).num_microseconds();
    f64_of(micros.unsigned_abs())
}

/// The table of the samples; what has been read is in the file if the program comes to a bad end.
pub(crate) struct Table(csv::Writer<File>);

impl Table {
    pub(crate) fn create(path: &Path) -> Result<Self, Box<dyn Error>> {
        let mut table = csv::Writer::from_path(path)?;
        table.write_record([
            "seconds",
            "jobs_per_second",
            "processor_us_per_job",
            "heap_kib",
            "resident_kib",
            "threads",
            "queued",
            "pools_ended",
        ])?;
        Ok(Self(table))
    }

    pub(crate) fn add(&mut self, sample: &Sample) -> Result<(), Box<dyn Error>> {
        let Sample { seconds, rate, cost, heap_kib, resident_kib, threads, queued, pools } = sample;
        self.0.write_record([
            format!("{seconds:.1}"),
            format!("{rate:.0}"),
            format!("{cost:.2}"),
            format!("{heap_kib:.1}"),
            format!("{resident_kib:.0}"),
            threads.to_string(),
            queued.to_string(),
            pools.to_string(),
        ])?;
        Ok(self.0.flush()?)
    }
}

/// A line for those who watch.
pub(crate) fn print(sample: &Sample) -> std::io::Result<()> {
    let Sample { seconds, rate, cost, heap_kib, resident_kib, threads, queued, pools } = sample;
    writeln!(
        std::io::stdout(),
        "{seconds:6.1} s  {rate:7.0} jobs/s  {cost:6.2} µs/job  heap {heap_kib:7.1} KiB  resident {resident_kib:7.0} KiB  \
         {threads:3} threads  {queued:4} queued  {pools:7} pools"
    )
}
