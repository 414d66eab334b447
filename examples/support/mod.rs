//! What the examples share: Ctrl-C as an interrupt, and the end of `main`.

use std::io::{self, Write};
use std::process::ExitCode;

use workcrew::interrupt::Interrupt;

const STOPPED_BY_SIGINT: u8 = 130;

/// The exit code of a program that Ctrl-C ended.
pub(crate) fn stopped() -> ExitCode {
    ExitCode::from(STOPPED_BY_SIGINT)
}

/// Returns an interrupt that Ctrl-C sets, for the threads that are not a pool's; `also` runs after it
/// is set.
pub(crate) fn on_ctrl_c(also: impl Fn() + Send + 'static) -> Result<Interrupt, ctrlc::Error> {
    let interrupt = Interrupt::new();
    let handler = interrupt.clone();
    ctrlc::set_handler(move || {
        // A read that never returns cannot be interrupted: the second Ctrl-C ends the program.
        if handler.is_interrupted() {
            std::process::exit(STOPPED_BY_SIGINT.into());
        }
        handler.interrupt();
        also();
    })?;
    Ok(interrupt)
}

/// Ends `main`: what went wrong with the output itself goes to stderr.
pub(crate) fn exit_code(program: &str, result: io::Result<ExitCode>) -> ExitCode {
    match result {
        Ok(code) => code,
        // The reader of a pipe may leave early, as `head` does.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            // With nowhere left to complain, the exit code has to do.
            writeln!(io::stderr(), "{program}: {error}").ok();
            ExitCode::FAILURE
        }
    }
}
