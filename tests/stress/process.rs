//! What the system says of this process.

/// A figure of this process, from where Linux tells it. Reading it changes next to nothing, other than
/// asking a library, which lists all processes and threads of the machine first.
pub(crate) fn status(field: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.trim_start_matches(':').trim_end_matches("kB").trim().parse().ok()
}
