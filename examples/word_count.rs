//! Counts lines, words and bytes of the files below some paths, on a pool sized from the command line:
//! `cargo run --release --example word_count -- --core 2 --max 4 --queue 64 --policy block src tests`.
//!
//! The walk submits one job per file while the pool is already counting. Ctrl-C stops the walk, takes
//! back the pending jobs, interrupts the running ones, and prints what was counted until then.
//! A file that cannot be counted, and a job that the policy turned away, is reported and skipped.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::ops::AddAssign;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use comfy_table::{CellAlignment, Table, presets};
use ignore::{DirEntry, WalkBuilder};
use indicatif::{ProgressBar, ProgressStyle};
use workcrew::interrupt::{self, Interrupt, Interrupted};
use workcrew::{BuildError, JobHandle, Queue, ThreadPoolExecutor, policy};

mod support; // what the examples share

/// Bytes read between two looks at the interrupt.
const CHUNK: usize = 64 * 1024;
/// Bounds "a thread per file": without it a big tree runs into the limits of the system.
const LIVE_THREADS: usize = 256;

/// Counts lines, words and bytes per file type on a thread pool.
#[derive(Parser)]
struct Args {
    /// Files and directories; .git, target and what .gitignore names are skipped
    #[arg(value_name = "PATH", default_value = ".")]
    paths: Vec<PathBuf>,
    /// Core threads [default: one per processor, but not above --max]
    #[arg(long)]
    core: Option<usize>,
    /// Maximum threads [default: the core threads]
    #[arg(long)]
    max: Option<usize>,
    /// Places in the queue, or "unbounded"; 0 hands each job straight to an idle worker
    #[arg(long, default_value = "256", value_parser = parse_queue)]
    queue: Queue,
    /// What happens to a file's job when all threads are busy and the queue is full
    #[arg(long, value_enum, default_value = "caller-runs")]
    policy: PolicyName,
}

#[derive(Clone, Copy, ValueEnum)]
enum PolicyName {
    Abort,
    CallerRuns,
    Discard,
    DiscardOldest,
    Block,
}

fn parse_queue(text: &str) -> Result<Queue, String> {
    if text == "unbounded" {
        return Ok(Queue::Unbounded);
    }
    let places = text.parse().map_err(|_| "neither a number nor \"unbounded\"".to_owned())?;
    Ok(Queue::Bounded(places))
}

fn build_pool(args: &Args) -> Result<ThreadPoolExecutor, BuildError> {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let core = args.core.unwrap_or_else(|| args.max.map_or(processors, |max| max.min(processors)));
    let builder = ThreadPoolExecutor::builder()
        .name("word-count")
        .core_threads(core)
        .max_threads(args.max.unwrap_or(core))
        .queue(args.queue);
    match args.policy {
        PolicyName::Abort => builder.rejection_policy(policy::Abort),
        PolicyName::CallerRuns => builder.rejection_policy(policy::CallerRuns),
        PolicyName::Discard => builder.rejection_policy(policy::Discard),
        PolicyName::DiscardOldest => builder.rejection_policy(policy::DiscardOldest),
        PolicyName::Block => builder.rejection_policy(policy::Block { timeout: Duration::MAX }),
    }
    .build()
}

/// What `wc` would print, for one file or for many.
#[derive(Clone, Copy, Default)]
struct Count {
    files: u64,
    lines: u64,
    words: u64,
    bytes: u64,
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.files += other.files;
        self.lines += other.lines;
        self.words += other.words;
        self.bytes += other.bytes;
    }
}

/// Why a file was not counted.
enum Skip {
    Unreadable(io::Error),
    Interrupted,
}

impl From<io::Error> for Skip {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

impl From<Interrupted> for Skip {
    fn from(_: Interrupted) -> Self {
        Self::Interrupted
    }
}

fn not_utf8(at: u64) -> io::Error {
    let message = format!("not UTF-8 at byte {at}");
    io::Error::new(io::ErrorKind::InvalidData, message)
}

fn problem(path: &Path, reason: impl fmt::Display) -> String {
    format!("{}: {reason}", path.display())
}

/// The one counting function: the pool, the single thread and the thread per file all run it.
fn count_file(path: &Path) -> Result<Count, Skip> {
    let mut file = File::open(path)?;
    let mut buffer = vec![0; CHUNK];
    let mut count = Count::default();
    let mut in_word = false;
    // A character may be cut by the end of a chunk; its first bytes wait at the buffer's start.
    let mut carried = 0;
    loop {
        interrupt::check()?;
        let read = match file.read(&mut buffer[carried..]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        let filled = carried + read;
        let valid = match std::str::from_utf8(&buffer[..filled]) {
            Ok(text) => text.len(),
            Err(error) if error.error_len().is_none() && read > 0 => error.valid_up_to(),
            Err(error) => return Err(not_utf8(count.bytes + error.valid_up_to() as u64).into()),
        };
        let text = std::str::from_utf8(&buffer[..valid]).expect("found valid just above");
        count.bytes += text.len() as u64;
        for character in text.chars() {
            count.lines += u64::from(character == '\n');
            let starts_word = !in_word && !character.is_whitespace();
            count.words += u64::from(starts_word);
            in_word = !character.is_whitespace();
        }
        if read == 0 {
            count.files = 1;
            return Ok(count);
        }
        buffer.copy_within(valid..filled, 0);
        carried = filled - valid;
    }
}

/// Where every file that was found has ended up.
#[derive(Default)]
struct Tally {
    files: Vec<Arc<Path>>,
    by_type: BTreeMap<String, Count>,
    total: Count,
    problems: Vec<String>,
    interrupted: usize,
    /// Accepted jobs that came back unrun: discarded by the policy, or pending at Ctrl-C.
    cancelled: usize,
    rejected: usize,
    last_rejection: String,
}

impl Tally {
    fn record(&mut self, path: &Path, result: Result<Count, Skip>) {
        match result {
            Ok(count) => {
                let extension = path.extension().map_or_else(
                    || "(none)".to_owned(),
                    |extension| extension.to_string_lossy().to_ascii_lowercase(),
                );
                *self.by_type.entry(extension).or_default() += count;
                self.total += count;
            }
            Err(Skip::Unreadable(error)) => self.problems.push(problem(path, error)),
            Err(Skip::Interrupted) => self.interrupted += 1,
        }
    }

    fn join(&mut self, path: &Path, job: JobHandle<Result<Count, Skip>>) {
        match job.join() {
            Ok(result) => self.record(path, result),
            Err(error) if error.is_cancelled() => self.cancelled += 1,
            Err(error) => self.problems.push(problem(path, error)),
        }
    }

    fn table(&self) -> Table {
        let mut types: Vec<_> = self.by_type.iter().collect();
        types.sort_by_key(|(_, count)| Reverse(count.lines));
        let total = "total".to_owned();
        types.push((&total, &self.total));
        let rows = types.into_iter().map(|(name, count)| {
            let Count { files, lines, words, bytes } = count;
            [
                name.clone(),
                files.to_string(),
                lines.to_string(),
                words.to_string(),
                bytes.to_string(),
            ]
        });
        table(["type", "files", "lines", "words", "bytes"], rows)
    }
}

/// A first column of names, and numbers in the others.
fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_FULL_CONDENSED).set_header(header).add_rows(rows);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// What Ctrl-C sets off.
struct Stop {
    /// For the threads that are not the pool's.
    interrupt: Interrupt,
    pending: Arc<OnceLock<usize>>,
}

impl Stop {
    fn on_ctrl_c(pool: &ThreadPoolExecutor) -> Result<Self, ctrlc::Error> {
        let pending = Arc::new(OnceLock::new());
        let (drained, handle) = (Arc::clone(&pending), pool.handle());
        let interrupt = support::on_ctrl_c(move || {
            let jobs = handle.shutdown_now();
            // Dropping the jobs lets their joiner go on, who then reads this number.
            drained.get_or_init(|| jobs.len());
            drop(jobs);
        })?;
        Ok(Self { interrupt, pending })
    }

    fn is_requested(&self) -> bool {
        self.interrupt.is_interrupted()
    }

    fn pending(&self) -> usize {
        self.pending.get().copied().unwrap_or_default()
    }
}

fn walk(paths: &[PathBuf]) -> ignore::Walk {
    let mut paths = paths.iter();
    let mut walk = WalkBuilder::new(paths.next().map_or(Path::new("."), PathBuf::as_path));
    for path in paths {
        walk.add(path);
    }
    // Hidden files count like others, and what the user named is not passed over for its name.
    walk.hidden(false).filter_entry(|entry| {
        let is_dir = entry.file_type().is_some_and(|kind| kind.is_dir());
        let name = entry.file_name();
        entry.depth() == 0 || !(name == ".git" || is_dir && name == "target")
    });
    walk.build()
}

/// Tells a file to count from a directory to pass over (`None`) and from what must not be opened:
/// opening a FIFO, for one, may block for ever.
fn regular_file(entry: &DirEntry) -> Option<Result<Arc<Path>, String>> {
    let path = entry.path();
    // A link is followed only where the user named it.
    let look = if entry.depth() == 0 { fs::metadata } else { fs::symlink_metadata };
    match look(path).map(|metadata| metadata.file_type()) {
        Ok(kind) if kind.is_dir() => None,
        Ok(kind) if kind.is_file() => Some(Ok(Arc::from(path))),
        Ok(kind) if kind.is_symlink() => Some(Err(problem(path, "a link, not followed"))),
        Ok(_) => Some(Err(problem(path, "not a regular file"))),
        Err(error) => Some(Err(problem(path, error))),
    }
}

fn count_while_walking(pool: &ThreadPoolExecutor, stop: &Stop, paths: &[PathBuf]) -> Tally {
    let mut problems = Vec::new();
    let files = walk(paths)
        .take_while(|_| !stop.is_requested())
        .filter_map(|entry| match entry {
            Ok(entry) => regular_file(&entry),
            Err(error) => Some(Err(error.to_string())),
        })
        .filter_map(|file| file.map_err(|problem| problems.push(problem)).ok());
    // Draws on stderr, and nothing at all where that is not a terminal.
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} files {elapsed}");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(0).with_style(style);
    let found = bar.clone();
    let counted = bar.clone();
    let mut tally = count_on_pool(pool, files.inspect(|_| found.inc_length(1)), move |path| {
        let result = count_file(path);
        counted.inc(1);
        result
    });
    bar.finish_and_clear();
    tally.problems.append(&mut problems);
    tally
}

fn count_on_pool(
    pool: &ThreadPoolExecutor,
    files: impl Iterator<Item = Arc<Path>>,
    count: impl Fn(&Path) -> Result<Count, Skip> + Clone + Send + 'static,
) -> Tally {
    let mut tally = Tally::default();
    let mut jobs = Vec::new();
    for file in files {
        let (path, count) = (Arc::clone(&file), count.clone());
        let submitted = pool.submit(move || count(&path));
        match submitted {
            Ok(job) => jobs.push((Arc::clone(&file), job)),
            Err(rejected) if rejected.is_shutdown() => break,
            Err(rejected) => {
                tally.rejected += 1;
                tally.last_rejection = rejected.to_string();
            }
        }
        tally.files.push(file);
    }
    for (path, job) in jobs {
        tally.join(&path, job);
    }
    tally
}

fn count_on_one_thread(files: &[Arc<Path>], stop: &Stop) -> Tally {
    let _interruptible = stop.interrupt.enter();
    let mut tally = Tally::default();
    for file in files.iter().take_while(|_| !stop.is_requested()) {
        tally.record(file, count_file(file));
    }
    tally
}

fn count_on_a_thread_per_file(files: &[Arc<Path>], stop: &Stop) -> Tally {
    let mut tally = Tally::default();
    let mut alive = VecDeque::new();
    for file in files.iter().take_while(|_| !stop.is_requested()) {
        if alive.len() == LIVE_THREADS {
            join_oldest(&mut alive, &mut tally);
        }
        let (path, interrupt) = (Arc::clone(file), stop.interrupt.clone());
        let spawned = thread::Builder::new().spawn(move || {
            let _interruptible = interrupt.enter();
            count_file(&path)
        });
        match spawned {
            Ok(thread) => alive.push_back((Arc::clone(file), thread)),
            Err(error) => tally.problems.push(problem(file, error)),
        }
    }
    while !alive.is_empty() {
        join_oldest(&mut alive, &mut tally);
    }
    tally
}

type FileThread = (Arc<Path>, thread::JoinHandle<Result<Count, Skip>>);

fn join_oldest(alive: &mut VecDeque<FileThread>, tally: &mut Tally) {
    let Some((path, thread)) = alive.pop_front() else {
        return;
    };
    match thread.join() {
        Ok(result) => tally.record(&path, result),
        Err(_) => tally.problems.push(problem(&path, "its thread panicked")),
    }
}

/// Counts the same files again in three ways; `None` if Ctrl-C came in between.
///
/// One read that is not timed makes the system's file cache as warm for the first way as for the
/// last; the policy may have kept the pool from reading them all.
fn compare(pool: &ThreadPoolExecutor, files: &[Arc<Path>], stop: &Stop) -> Option<Table> {
    let time = |name: &str, count: &dyn Fn() -> Tally| {
        let started = Instant::now();
        let total = count().total;
        let elapsed = format!("{:.1?}", started.elapsed());
        [name.to_owned(), elapsed, total.files.to_string(), total.bytes.to_string()]
    };
    count_on_one_thread(files, stop);
    let thread_per_file = format!("a thread per file, {LIVE_THREADS} at most alive");
    let rows = [
        time("this pool", &|| count_on_pool(pool, files.iter().cloned(), count_file)),
        time("one thread", &|| count_on_one_thread(files, stop)),
        time(&thread_per_file, &|| count_on_a_thread_per_file(files, stop)),
    ];
    let header = ["the same files, all read just before", "time", "files", "bytes"];
    (!stop.is_requested()).then(|| table(header, rows))
}

/// The lines about jobs that did not run to their end; empty where there are none.
struct Losses<'a>(&'a Tally, &'a Stop);

impl fmt::Display for Losses<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(tally, stop) = self;
        let discarded = tally.cancelled.saturating_sub(stop.pending());
        if tally.rejected > 0 {
            let (files, reason) = (tally.rejected, &tally.last_rejection);
            writeln!(f, "not counted: {files} files rejected: {reason}")?;
        }
        if discarded > 0 {
            writeln!(f, "not counted: {discarded} files discarded by the policy")?;
        }
        if stop.is_requested() {
            let (pending, started) = (stop.pending(), tally.interrupted);
            writeln!(f, "stopped: {pending} files pending, {started} interrupted")?;
        }
        Ok(())
    }
}

fn run(args: &Args) -> io::Result<ExitCode> {
    let (mut out, mut err) = (io::stdout(), io::stderr());
    let pool = match build_pool(args) {
        Ok(pool) => pool,
        Err(error) => {
            writeln!(err, "word_count: {error}")?;
            return Ok(ExitCode::from(2));
        }
    };
    let stop = Stop::on_ctrl_c(&pool).map_err(io::Error::other)?;

    let started = Instant::now();
    let tally = count_while_walking(&pool, &stop, &args.paths);
    let elapsed = started.elapsed();
    writeln!(out, "{}", tally.table())?;
    writeln!(out, "walked and counted in {elapsed:.1?}")?;
    write!(out, "{}", Losses(&tally, &stop))?;

    match compare(&pool, &tally.files, &stop) {
        Some(table) => writeln!(out, "{table}")?,
        None => writeln!(out, "stopped: no comparison")?,
    }
    let stats = pool.stats();
    writeln!(out, "the pool at the end: {stats}\n{stats:#}")?;
    for problem in &tally.problems {
        writeln!(err, "skipped: {problem}")?;
    }
    pool.close();

    let found_nothing = tally.files.is_empty() && tally.problems.is_empty();
    Ok(if stop.is_requested() {
        support::stopped()
    } else if tally.total.files > 0 || found_nothing {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn main() -> ExitCode {
    support::exit_code("word_count", run(&Args::parse()))
}
