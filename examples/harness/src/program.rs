//! Owns a program that runs: its process, its output while it comes, and its end.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, unbounded};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::ended::Ended;

/// As long as no program takes that works.
const LONG: Duration = Duration::from_mins(3);

/// A program as a child process, killed when dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Lines,
    stderr: Lines,
}

/// What a program writes to one of its streams.
#[derive(Debug)]
struct Lines {
    incoming: Receiver<String>,
    seen: Vec<String>,
    reader: Option<JoinHandle<()>>,
}

impl Lines {
    fn of(stream: impl Read + Send + 'static) -> Self {
        let (sender, incoming) = unbounded();
        let reader = thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                // Nobody listens any more: the test is over.
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { incoming, seen: Vec::new(), reader: Some(reader) }
    }

    /// The next line, or nothing at the end of the stream; `Err` when the time is over.
    fn next(&mut self, deadline: Instant) -> Result<Option<&str>, ()> {
        match self.incoming.recv_deadline(deadline) {
            Ok(line) => {
                self.seen.push(line);
                Ok(self.seen.last().map(String::as_str))
            }
            Err(error) if error.is_timeout() => Err(()),
            Err(_) => Ok(None),
        }
    }

    /// Looks for a line with this beginning, waiting for it if need be, and returns the rest of it.
    fn find(&mut self, prefix: &str) -> Option<String> {
        if let Some(rest) = self.seen.iter().find_map(|line| line.strip_prefix(prefix)) {
            return Some(rest.trim().to_owned());
        }
        let deadline = Instant::now() + LONG;
        while let Ok(Some(line)) = self.next(deadline) {
            if let Some(rest) = line.strip_prefix(prefix) {
                return Some(rest.trim().to_owned());
            }
        }
        None
    }

    fn drain(&mut self, deadline: Instant) -> Result<(), ()> {
        while self.next(deadline)?.is_some() {}
        Ok(())
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("a reader of lines does not panic");
        }
    }
}

impl Program {
    /// Starts the program at `path`.
    ///
    /// # Panics
    ///
    /// If the operating system refuses it.
    pub fn start<A: AsRef<OsStr>>(path: &str, arguments: impl IntoIterator<Item = A>) -> Self {
        let mut child = Command::new(path)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {path}: {error}"));
        let stdout = Lines::of(child.stdout.take().expect("it was asked for"));
        let stderr = Lines::of(child.stderr.take().expect("it was asked for"));
        let stdin = child.stdin.take();
        Self { child, stdin, stdout, stderr }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until its standard output has a line that starts with `prefix`, and returns the rest of
    /// the first such line.
    ///
    /// # Panics
    ///
    /// If none comes.
    pub fn line(&mut self, prefix: &str) -> String {
        match self.stdout.find(prefix) {
            Some(rest) => rest,
            None => self.fail(&format!("no line {prefix:?}")),
        }
    }

    /// Waits until its standard error has a line that starts with `prefix`, and returns the rest of
    /// the first such line.
    ///
    /// # Panics
    ///
    /// If none comes.
    pub fn error(&mut self, prefix: &str) -> String {
        match self.stderr.find(prefix) {
            Some(rest) => rest,
            None => self.fail(&format!("no error {prefix:?}")),
        }
    }

    /// Waits for the line that says it is ready, and returns the rest of it.
    ///
    /// # Panics
    ///
    /// If it does not come.
    pub fn ready(&mut self) -> String {
        self.line("ready")
    }

    /// Writes a line to its standard input; says whether it could be written.
    pub fn tell(&mut self, line: &str) -> bool {
        self.stdin.as_mut().is_some_and(|stdin| writeln!(stdin, "{line}").is_ok())
    }

    /// Takes its standard input, for a thread that writes to it.
    ///
    /// # Panics
    ///
    /// If it was taken before.
    pub fn take_stdin(&mut self) -> ChildStdin {
        self.stdin.take().expect("it is taken once")
    }

    /// Ends its standard input.
    pub fn tell_end(&mut self) {
        self.stdin = None;
    }

    /// Sends it a signal. One that has ended already does not get it.
    ///
    /// # Panics
    ///
    /// If the operating system refuses to send it.
    pub fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).expect("a process id is an i32");
        kill(Pid::from_raw(id), signal).expect("the child is not waited for before it is finished");
    }

    /// Sends it SIGTERM, which is never ignored before a program takes it over, as SIGINT may be.
    pub fn terminate(&self) {
        self.signal(Signal::SIGTERM);
    }

    /// Sends it SIGKILL, as the end of a machine would.
    pub fn kill(&self) {
        self.signal(Signal::SIGKILL);
    }

    /// Waits for its end.
    ///
    /// # Panics
    ///
    /// If it does not come in time; it is killed then.
    #[must_use]
    pub fn finish(mut self) -> Ended {
        self.stdin = None;
        let deadline = Instant::now() + LONG;
        if self.stdout.drain(deadline).is_err() || self.stderr.drain(deadline).is_err() {
            self.fail("it does not end");
        }
        let status = self.child.wait().expect("a child can be waited for");
        let stdout = std::mem::take(&mut self.stdout.seen);
        let stderr = std::mem::take(&mut self.stderr.seen);
        Ended::new(status, stdout, stderr)
    }

    fn fail(&mut self, what: &str) -> ! {
        self.child.kill().expect("it is ours");
        let status = self.child.wait().expect("a child can be waited for");
        let deadline = Instant::now() + LONG;
        let all = self.stdout.drain(deadline).and_then(|()| self.stderr.drain(deadline));
        assert!(all.is_ok(), "{what}; and its output does not end");
        let stdout = std::mem::take(&mut self.stdout.seen);
        let stderr = std::mem::take(&mut self.stderr.seen);
        panic!("{what}\n{}", Ended::new(status, stdout, stderr));
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail only where `finish` has waited for it.
        if self.child.kill().is_ok() {
            self.child.wait().expect("a child can be waited for");
        }
    }
}
