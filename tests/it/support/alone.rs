//! Ignored tests that are run in a process of their own, as they are about a whole process.

use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Instant;

use super::LONG;

/// What runs an ignored test, named with its module, in a process of its own.
pub(crate) fn command(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
    command.args(["--exact", test, "--ignored", "--nocapture", "--test-threads", "1"]);
    command
}

/// Runs an ignored test, named with its module, in a process of its own, which must not hang.
#[track_caller]
pub(crate) fn run(test: &str) -> Output {
    let mut command = command(test);
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("a process");
    let deadline = Instant::now() + LONG;
    while child.try_wait().expect("its state").is_none() {
        if Instant::now() > deadline {
            child.kill().expect("it is killed");
            panic!("{test} hangs: {:?}", child.wait_with_output().expect("its output"));
        }
        thread::yield_now();
    }
    child.wait_with_output().expect("its output")
}

#[track_caller]
pub(crate) fn assert_passed(output: &Output) {
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    assert!(text.contains("1 passed"), "the test was not found: {text}");
}
