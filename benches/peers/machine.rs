//! Names the machine that the figures are from.

use std::num::NonZero;
use std::process::Command;
use std::thread::available_parallelism;
use std::time::SystemTime;

use sysinfo::{CpuRefreshKind, RefreshKind, System};

pub(crate) struct Machine {
    cpu: String,
    processors: usize,
    system: String,
    rustc: String,
    date: String,
}

impl Machine {
    pub(crate) fn this() -> Self {
        let kind = RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing());
        let cpus = System::new_with_specifics(kind);
        let cpu = cpus.cpus().first().map_or("an unknown processor", |cpu| cpu.brand());
        let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        Self {
            cpu: cpu.trim().to_owned(),
            processors: available_parallelism().map_or(1, NonZero::get),
            system: System::long_os_version().unwrap_or_else(|| "an unknown system".to_owned()),
            rustc: rustc().unwrap_or_else(|| "an unknown rustc".to_owned()),
            date: now.chars().take_while(|&letter| letter != 'T').collect(),
        }
    }

    pub(crate) fn lines(&self) -> [String; 2] {
        let Self { cpu, processors, system, rustc, date } = self;
        let plural = if *processors == 1 { "processor" } else { "processors" };
        [format!("{cpu}, {processors} {plural}, {system}"), format!("{rustc}, {date}")]
    }
}

/// What the compiler says of itself; cargo runs this program with the one that built it.
fn rustc() -> Option<String> {
    let output = Command::new("rustc").arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    // The hash of the commit is of no use here.
    Some(text.split(" (").next()?.trim().to_owned())
}
