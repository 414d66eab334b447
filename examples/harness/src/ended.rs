//! Owns what is left of a program that has ended: how, and what it said.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// A program that has ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Its exit code, if no signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// The lines of its standard output.
    pub stdout: Vec<String>,
    /// The lines of its standard error.
    pub stderr: Vec<String>,
}

impl Ended {
    pub(crate) fn new(status: ExitStatus, stdout: Vec<String>, stderr: Vec<String>) -> Self {
        Self { code: status.code(), signal: status.signal(), stdout, stderr }
    }

    /// The rest of each line of its standard output that starts with `prefix`.
    pub fn lines<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.stdout.iter().filter_map(move |line| line.strip_prefix(prefix)).map(str::trim)
    }

    /// The number of `name=number` in its line that starts with `ledger`.
    ///
    /// # Panics
    ///
    /// If it wrote no such line, or more than one.
    #[track_caller]
    pub fn ledger(&self, name: &str) -> usize {
        let lines: Vec<_> = self.lines("ledger").collect();
        let [line] = lines[..] else { panic!("there should be one ledger\n{self}") };
        let mut entries = line.split([',', ' ']).filter_map(|entry| entry.split_once('='));
        let number = entries.find_map(|(key, value)| (key == name).then(|| value.parse().ok())?);
        number.unwrap_or_else(|| panic!("no {name} in the ledger\n{self}"))
    }

    /// Checks the exit code.
    ///
    /// # Panics
    ///
    /// If it is another one.
    #[track_caller]
    pub fn expect_code(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "another exit code\n{self}");
        self
    }

    /// Checks that its standard error mentions this.
    ///
    /// # Panics
    ///
    /// If it does not.
    #[track_caller]
    pub fn expect_error(&self, text: &str) -> &Self {
        assert!(
            self.stderr.iter().any(|line| line.contains(text)),
            "no {text:?} in its errors\n{self}"
        );
        self
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "ended with code {:?}, signal {:?}", self.code, self.signal)?;
        for (stream, lines) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            writeln!(f, "--- {stream}, {} lines", lines.len())?;
            for line in lines.iter().skip(lines.len().saturating_sub(60)) {
                writeln!(f, "{line}")?;
            }
        }
        Ok(())
    }
}
