//! Owns the phases of a pool's life.

use std::fmt;

/// Where a pool is in its life. A phase only ever gives way to a later one.
///
/// | phase | accepts jobs | runs pending jobs | interrupts running jobs | entered by |
/// |---|---|---|---|---|
/// | `Running` | yes | yes | no | being built |
/// | `Shutdown` | no | yes | no | `shutdown` |
/// | `Stop` | no | no | yes | `shutdown_now` |
/// | `Tidying` | no | – | – | the end of the last job and the last worker; `on_terminated` runs |
/// | `Terminated` | no | – | – | the return of `on_terminated` |
///
/// These are the states of the JDK's `ThreadPoolExecutor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Jobs are accepted and run.
    Running,
    /// No job is accepted; those accepted before are run.
    Shutdown,
    /// No job is accepted or started; running ones were interrupted.
    Stop,
    /// Every job and worker has ended; the `on_terminated` hook runs.
    Tidying,
    /// All is over.
    Terminated,
}

/// The JDK's words: `Running`, `Shutting down` or `Terminated`.
impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "Running",
            Self::Shutdown | Self::Stop | Self::Tidying => "Shutting down",
            Self::Terminated => "Terminated",
        })
    }
}
