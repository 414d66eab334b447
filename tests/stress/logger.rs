//! A logger that panics now and then, as one does that prints to a closed pipe.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU64, Ordering};

use log::{LevelFilter, Log, Metadata, Record};

use crate::shape::mix;

struct Panicking {
    seed: u64,
    records: AtomicU64,
}

impl Log for Panicking {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let number = self.records.fetch_add(1, Ordering::SeqCst);
        // A text that panics is the logger's panic too.
        let length = record.args().to_string().len() as u64;
        if mix(&[self.seed, number, length]) % 20 == 0 {
            resume_unwind(Box::new("the logger panics"));
        }
    }

    fn flush(&self) {}
}

/// Every record of every level goes to it.
pub(crate) fn install(seed: u64) {
    let logger = Box::new(Panicking { seed, records: AtomicU64::new(0) });
    log::set_boxed_logger(logger).expect("this program sets no other logger");
    log::set_max_level(LevelFilter::Trace);
}
