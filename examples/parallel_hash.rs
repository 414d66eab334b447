//! Prints the SHA-256 of every file below some paths, in the format and with the escapes of `sha256sum`,
//! which can check it: `cargo run --release --example parallel_hash -- src > sums; sha256sum -c sums`.
//!
//! The walk is the lazy input of `map`, so it is never further ahead of the output than `--look-ahead`,
//! and the lines come in the order of the walk, whichever file is hashed first. Links and what is no
//! regular file are passed over, unless named. A file that cannot be read is reported on stderr and
//! makes the exit code 1; the others go on. Ctrl-C ends it after the lines of the files hashed until then.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;

use clap::Parser;
use ignore::{DirEntry, WalkBuilder};
use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest, Sha256};
use workcrew::interrupt::{self, Interrupted};
use workcrew::{JoinError, ThreadPoolExecutor};

mod support; // what the examples share

/// Bytes read between two looks at the interrupt.
const BUFFER: usize = 64 * 1024;

/// Prints the SHA-256 of every file, as `sha256sum` does, on a thread pool.
#[derive(Parser)]
struct Args {
    /// Files and directories; hidden files count like others
    #[arg(value_name = "PATH", default_value = ".")]
    paths: Vec<PathBuf>,
    /// Threads that hash [default: one per processor]
    #[arg(long)]
    threads: Option<usize>,
    /// Files found and not yet printed, at most [default: two jobs per thread]
    #[arg(long)]
    look_ahead: Option<usize>,
    /// Files that a job hashes, for trees of small ones
    #[arg(long, default_value_t = 1)]
    chunk: usize,
}

/// Why a file has no line.
enum Failure {
    Unreadable(String),
    Interrupted,
}

impl From<Interrupted> for Failure {
    fn from(_: Interrupted) -> Self {
        Self::Interrupted
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::Unreadable(format!("{}: {error}", path.display()))
}

fn walk(paths: &[PathBuf]) -> ignore::Walk {
    let mut paths = paths.iter();
    let mut walk = WalkBuilder::new(paths.next().map_or(Path::new("."), PathBuf::as_path));
    for path in paths {
        walk.add(path);
    }
    walk.standard_filters(false).sort_by_file_path(Path::cmp).build()
}

fn is_to_be_hashed(entry: &DirEntry) -> bool {
    if entry.depth() == 0 {
        // Opened, and followed if it is a link, because the user named it.
        return fs::metadata(entry.path()).is_ok_and(|metadata| !metadata.is_dir());
    }
    entry.file_type().is_some_and(|kind| kind.is_file())
}

/// The files, and in their places the errors of the walk.
fn files(paths: &[PathBuf]) -> impl Iterator<Item = Result<PathBuf, Failure>> {
    walk(paths).filter_map(|entry| match entry {
        Ok(entry) => is_to_be_hashed(&entry).then(|| Ok(entry.into_path())),
        Err(error) => Some(Err(Failure::Unreadable(error.to_string()))),
    })
}

fn digest(path: &Path, mut file: File) -> Result<String, Failure> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        interrupt::check()?;
        let read = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(unreadable(path, &error)),
        };
        hasher.update(&buffer[..read]);
    }
    Ok(hasher.finalize().iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a string takes everything");
        hex
    }))
}

/// A line as `sha256sum` prints it: a name that would break it is escaped, and a backslash in front
/// of the line says so.
fn line(digest: &str, path: &Path) -> Vec<u8> {
    let name = path.as_os_str().as_encoded_bytes();
    let mut escaped = Vec::with_capacity(name.len());
    for &byte in name {
        match byte {
            b'\\' => escaped.extend(br"\\"),
            b'\n' => escaped.extend(br"\n"),
            b'\r' => escaped.extend(br"\r"),
            _ => escaped.push(byte),
        }
    }
    let mark: &[u8] = if escaped.len() > name.len() { br"\" } else { b"" };
    [mark, digest.as_bytes(), b"  ", escaped.as_slice(), b"\n"].concat()
}

fn hash(path: &Path) -> Result<Vec<u8>, Failure> {
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    Ok(line(&digest(path, file)?, path))
}

fn run(args: &Args) -> io::Result<ExitCode> {
    let (mut out, mut err) = (io::stdout().lock(), io::stderr());
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let pool = match ThreadPoolExecutor::fixed(args.threads.unwrap_or(processors)) {
        Ok(pool) => pool,
        Err(error) => {
            writeln!(err, "parallel_hash: {error}")?;
            return Ok(ExitCode::from(2));
        }
    };
    let stop = support::on_ctrl_c(|| {}).map_err(io::Error::other)?;
    // Ends the waits for results. What is on its way is cancelled with it.
    let _interruptible = stop.enter();

    let mut lines = pool.map(files(&args.paths), |file| hash(&file?)).chunks(args.chunk);
    if let Some(files) = args.look_ahead {
        lines = lines.look_ahead(files);
    }
    // Draws on stderr, and nothing at all where that is not a terminal.
    let style = ProgressStyle::with_template("{spinner} {pos} files {elapsed}");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_spinner());
    let bar = ProgressBar::no_length().with_style(style);
    let mut code = ExitCode::SUCCESS;
    for result in lines {
        let failure = match result {
            Ok(Ok(line)) => {
                bar.inc(1);
                bar.suspend(|| out.write_all(&line))?;
                continue;
            }
            Ok(Err(Failure::Interrupted)) | Err(JoinError::Interrupted) => break,
            Ok(Err(Failure::Unreadable(problem))) => problem,
            Err(error) => error.to_string(),
        };
        bar.suspend(|| writeln!(err, "parallel_hash: {failure}"))?;
        code = ExitCode::FAILURE;
    }
    bar.finish_and_clear();
    if stop.is_interrupted() {
        code = support::stopped();
    }
    Ok(code)
}

fn main() -> ExitCode {
    support::exit_code("parallel_hash", run(&Args::parse()))
}
