//! Another program on the same machine, which takes one processor while a contest lasts.

use std::hint::black_box;
use std::io::{self, Read, Write};
use std::process::{self, Child, Command, Stdio};
use std::{env, thread};

/// The only argument of the other program.
const SPIN: &str = "--spin";

/// The other program. It runs until this is dropped, and is waited for then.
pub(crate) struct Neighbour(Child);

impl Neighbour {
    /// Starts it, and returns when it is busy.
    pub(crate) fn start() -> io::Result<Self> {
        let mut program = Command::new(env::current_exe()?);
        program.arg(SPIN).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut neighbour = Self(program.spawn()?);
        let mut greeting = neighbour.0.stdout.take().expect("it is piped");
        greeting.read_exact(&mut [0])?;
        Ok(neighbour)
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let end = self.0.wait().expect("it is a child of this program");
        assert!(end.success() || thread::panicking(), "the other program ended by {end}");
    }
}

/// Whether this process is the other program.
pub(crate) fn is_this() -> bool {
    env::args().nth(1).is_some_and(|argument| argument == SPIN)
}

/// Keeps one processor busy until the end of the input, which comes even if the bench is killed.
pub(crate) fn spin() -> io::Result<()> {
    thread::spawn(|| {
        let read = io::stdin().read_to_end(&mut Vec::new());
        process::exit(i32::from(read.is_err()));
    });
    io::stdout().write_all(b".")?;
    io::stdout().flush()?;
    let mut value = 1_u64;
    loop {
        value = black_box(value.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
}
