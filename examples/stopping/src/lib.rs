//! Owns what the example programs share: signals that become interrupts, the command line's time
//! limits, and the exit codes of programs that cannot start.
//!
//! A program's own codes are those of [`ShutdownReport::code`]: 0 when all was done, 1 when something
//! was not done and is named, 2 when a job did not stop. Beyond those, those of `sysexits.h`.

#![expect(clippy::print_stderr, reason = "a program says why it stops")]

use std::error::Error;
use std::io;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::Parser;
use signal_hook::consts::{SIGINT, SIGTERM};
use workcrew::ShutdownPlan;
use workcrew::interrupt::Interrupt;

pub use crate::ledger::{Balance, Ledger};

mod ledger; // what was promised, and what of it is done

/// The exit code of a program that was called wrongly.
const USAGE: u8 = 64;
/// The exit code of a program that lacks what it needs: a port, a file, a server.
const UNAVAILABLE: u8 = 69;

/// What SIGTERM and SIGINT ask for.
#[derive(Clone, Debug)]
pub struct Signals {
    /// Set by the first signal: take nothing new, finish what was accepted.
    pub stop: Interrupt,
    /// Set by the second: finish no more than must be.
    pub hurry: Interrupt,
}

impl Signals {
    /// Takes over SIGTERM and SIGINT, for the rest of the program. Called before anything else is
    /// begun, so that nothing that is begun can be cut off.
    ///
    /// # Errors
    ///
    /// The operating system's.
    pub fn install() -> io::Result<Self> {
        let mut signals = signal_hook::iterator::Signals::new([SIGTERM, SIGINT])?;
        let asked = Self { stop: Interrupt::new(), hurry: Interrupt::new() };
        let Self { stop, hurry } = asked.clone();
        // It listens until the program ends, and has nothing to finish.
        thread::Builder::new().name("signals".into()).spawn(move || {
            for _ in signals.forever() {
                if stop.is_interrupted() {
                    eprintln!("asked again: hurries");
                    hurry.interrupt();
                } else {
                    eprintln!("asked to stop");
                    stop.interrupt();
                }
            }
        })?;
        Ok(asked)
    }
}

/// The time limits of a shutdown, in milliseconds; `none` is without a limit.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Limits {
    /// How long jobs may go on before they are interrupted, in ms, or "none"
    #[arg(long, default_value = "10000", value_parser = parse_limit)]
    grace: Duration,
    /// How long interrupted jobs may take to stop, in ms, or "none"
    #[arg(long, default_value = "2000", value_parser = parse_limit)]
    interrupt_wait: Duration,
    /// How long both may take together, in ms, or "none"
    #[arg(long, default_value = "none", value_parser = parse_limit)]
    budget: Duration,
}

fn parse_limit(text: &str) -> Result<Duration, String> {
    if text == "none" {
        return Ok(Duration::MAX);
    }
    let number = text.parse().map_err(|_| "neither a number of milliseconds nor \"none\"")?;
    Ok(Duration::from_millis(number))
}

impl Limits {
    /// These limits, in a world in which everything takes this part of its time.
    #[must_use]
    pub fn scaled(self, scale: f64) -> Self {
        let Self { grace, interrupt_wait, budget } = self;
        Self {
            grace: scaled(grace, scale),
            interrupt_wait: scaled(interrupt_wait, scale),
            budget: scaled(budget, scale),
        }
    }

    /// The plan of a shutdown within these limits, which a second signal hurries.
    pub fn plan(&self, signals: &Signals) -> ShutdownPlan {
        ShutdownPlan::new()
            .grace(self.grace)
            .interrupt_wait(self.interrupt_wait)
            .budget(self.budget)
            .hurried_by(&signals.hurry)
    }
}

/// This part of a time; one without an end stays so.
pub fn scaled(time: Duration, scale: f64) -> Duration {
    Duration::try_from_secs_f64(time.as_secs_f64() * scale).unwrap_or(Duration::MAX)
}

/// Runs a program: takes over the signals, reads the command line, and turns an error into a message
/// and an exit code.
pub fn run<A, F>(program: F) -> ExitCode
where
    A: Parser,
    F: FnOnce(&A, &Signals) -> Result<ExitCode, Box<dyn Error>>,
{
    let signals = match Signals::install() {
        Ok(signals) => signals,
        Err(error) => return unavailable(&format!("cannot take over the signals: {error}")),
    };
    let arguments = match A::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are errors too, to clap, and go to the standard output.
            let code = if error.use_stderr() { USAGE.into() } else { ExitCode::SUCCESS };
            return error.print().map_or(ExitCode::FAILURE, |()| code);
        }
    };
    program(&arguments, &signals).unwrap_or_else(|error| unavailable(&error.to_string()))
}

/// Says why the program cannot start.
pub fn unavailable(message: &str) -> ExitCode {
    eprintln!("cannot start: {message}");
    UNAVAILABLE.into()
}
