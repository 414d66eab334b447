//! Owns the end-to-end tests' side of a program: it runs as a child process, is signalled at a
//! seeded moment, and is judged by what it leaves behind.
//!
//! `WORKCREW_SEEDS` says how many seeds a test runs over (20 unless set), `WORKCREW_SEED` names a
//! single one. Half of the seeds send SIGTERM, half SIGINT. A failure names its seed and shows what the program wrote.

pub use nix::sys::signal::Signal;

pub use crate::ended::Ended;
pub use crate::program::Program;
pub use crate::seed::{Seed, for_each_seed, must_lose};

mod program; // a program that runs
mod ended; // a program that has ended
mod seed; // the same test at many moments
