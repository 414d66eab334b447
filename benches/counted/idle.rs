//! The processor time of workers that have nothing to do.

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};
use workcrew::ThreadPoolExecutor;

use crate::{Figure, Scale, f64_of};

const WORKERS: usize = 64;

pub(crate) fn figure(scale: &Scale) -> Figure {
    let pool = ThreadPoolExecutor::fixed(WORKERS).expect("a valid size");
    let meeting = Arc::new(Barrier::new(WORKERS));
    for _ in 0..WORKERS {
        let meeting = Arc::clone(&meeting);
        pool.execute(move || _ = meeting.wait()).expect("the pool is open");
    }
    pool.wait_idle(Duration::MAX).expect("they meet");
    // They are counted as idle a moment before they sleep.
    pass(Duration::from_millis(100));
    let before = processor_time();
    pass(Duration::from_secs_f64(scale.idle_seconds));
    let value = processor_time() - before;
    pool.close();
    // The clock has ticks of 10 ms.
    Figure { what: "processor time of 64 idle workers in 5 s", value, unit: "ms", most: 0.0 }
}

fn pass(time: Duration) {
    let end = Instant::now() + time;
    while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    {
        thread::park_timeout(left);
    }
}

/// What the process has used, in milliseconds.
fn processor_time() -> f64 {
    let this = Pid::from_u32(std::process::id());
    let mut system = System::new();
    let times = ProcessRefreshKind::nothing().with_cpu();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[this]), false, times);
    let millis = system.process(this).expect("this process").accumulated_cpu_time();
    f64_of(usize::try_from(millis).expect("it fits"))
}
