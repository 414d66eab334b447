//! Looks for threads that wait for each other's locks in a ring, which parking_lot finds if it is built
//! to (its feature `deadlock_detection`). Such a ring never opens, so looking now and then finds it.

use std::process::abort;
use std::time::Duration;

use crossbeam_channel::tick;
use parking_lot::deadlock::check_deadlock;

/// Ends the process when it finds one.
pub(crate) fn watch() {
    for _ in tick(Duration::from_millis(500)) {
        let rings = check_deadlock();
        for ring in &rings {
            eprintln!("deadlock: {} threads wait for each other", ring.len());
            for thread in ring {
                eprintln!("{:?}:\n{:?}", thread.thread_id(), thread.backtrace());
            }
        }
        if !rings.is_empty() {
            abort();
        }
    }
}
