//! Fetches a file from whichever of several mirrors is the first to deliver it whole:
//! `cargo run --example first_mirror -- --latency 30 --latency 400 --latency 2000 --dead 1`.
//!
//! Without `--mirror` it starts mirrors of its own: TCP servers on the loopback interface, each of
//! which answers after its latency, and dead ones, which accept no connection. One job asks each
//! mirror; `invoke_any` returns the first whole answer and interrupts the others, whose sockets are
//! shut down by a callback, so that a read that waits for a slow mirror ends at once.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use workcrew::interrupt::{self, Interrupt};
use workcrew::{Handle, InvokeAnyError, Queue, ThreadPoolExecutor};

/// Fetches from the fastest of several mirrors.
#[derive(Parser)]
struct Args {
    /// A mirror, as host:port [default: local ones]
    #[arg(long = "mirror", value_name = "ADDRESS")]
    mirrors: Vec<SocketAddr>,
    /// Milliseconds until a local mirror answers; one mirror for each
    #[arg(long = "latency", value_name = "MS", default_values_t = [30, 400, 2000])]
    latencies: Vec<u64>,
    /// Local mirrors that accept no connection
    #[arg(long, default_value_t = 0)]
    dead: usize,
    /// Bytes that a local mirror delivers
    #[arg(long, default_value_t = 1 << 20)]
    bytes: usize,
    /// Milliseconds to wait for any mirror
    #[arg(long, default_value_t = 10_000)]
    timeout: u64,
}

/// What became of the jobs that asked a mirror.
#[derive(Default)]
struct Fates {
    asked: AtomicUsize,
    failed: AtomicUsize,
    interrupted: AtomicUsize,
}

/// What a mirror delivers: its length, then so many bytes.
fn deliver(mut client: TcpStream, latency: Duration, content: &[u8]) -> io::Result<()> {
    if interrupt::sleep(latency).is_err() {
        return Ok(());
    }
    let length = u64::try_from(content.len()).map_err(io::Error::other)?;
    client.write_all(&length.to_be_bytes())?;
    client.write_all(content)
}

/// Serves until the program's pool of mirrors is stopped.
fn serve(listener: &TcpListener, latency: Duration, content: &Arc<[u8]>, crew: &Handle) {
    for client in listener.incoming() {
        if interrupt::is_interrupted() {
            return;
        }
        let content = Arc::clone(content);
        let answered = client.and_then(|client| {
            crew.execute(move || {
                // A client that has what it wants from another mirror hangs up.
                deliver(client, latency, &content).ok();
            })
            .map_err(io::Error::other)
        });
        if let Err(error) = answered {
            complain(&format!("mirror {latency:?}: {error}"));
        }
    }
}

/// Starts a mirror on a free port.
fn start_mirror(crew: &Handle, latency: Duration, content: &Arc<[u8]>) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let (own, content) = (crew.clone(), Arc::clone(content));
    crew.execute(move || {
        // An accept cannot be interrupted, but a connection ends it.
        let interrupt = interrupt::current().unwrap_or_default();
        let _guard = interrupt.on_interrupt(move || drop(TcpStream::connect(address)));
        serve(&listener, latency, &content, &own);
    })
    .map_err(io::Error::other)?;
    Ok(address)
}

/// An address at which nobody listens.
fn dead_mirror() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// Fetches the whole file from one mirror, unless the job is interrupted.
fn fetch(mirror: SocketAddr, interrupt: &Interrupt) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&mirror, Duration::from_secs(5))?;
    let closer = stream.try_clone()?;
    let _guard = interrupt.on_interrupt(move || {
        closer.shutdown(Shutdown::Both).ok();
    });
    let mut length = [0; 8];
    stream.read_exact(&mut length)?;
    let length = usize::try_from(u64::from_be_bytes(length)).map_err(io::Error::other)?;
    let mut content = Vec::new();
    stream.read_to_end(&mut content)?;
    // What a mirror leaves out is not noticed by the end of the stream alone.
    if content.len() == length { Ok(content) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// The job that asks one mirror.
fn ask(mirror: SocketAddr, fates: &Fates) -> io::Result<(SocketAddr, Vec<u8>)> {
    fates.asked.fetch_add(1, Ordering::Relaxed);
    let interrupt = interrupt::current().unwrap_or_default();
    let fetched = fetch(mirror, &interrupt);
    if fetched.is_err() {
        let fate = if interrupt.is_interrupted() { &fates.interrupted } else { &fates.failed };
        fate.fetch_add(1, Ordering::Relaxed);
    }
    fetched.map(|content| (mirror, content))
}

fn run(args: &Args, crew: &ThreadPoolExecutor) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let content: Arc<[u8]> = (0..=u8::MAX).cycle().take(args.bytes).collect();
    let mut mirrors = args.mirrors.clone();
    if mirrors.is_empty() {
        for &latency in &args.latencies {
            mirrors.push(start_mirror(&crew.handle(), Duration::from_millis(latency), &content)?);
        }
        for _ in 0..args.dead {
            mirrors.push(dead_mirror()?);
        }
    }
    // A thread for each mirror, started as needed: `invoke_any` asks them all at once.
    let pool = ThreadPoolExecutor::builder()
        .name("fetch")
        .threads(mirrors.len().max(1))
        .queue(Queue::Unbounded)
        .build()?;
    let fates = Arc::new(Fates::default());
    let jobs = mirrors.iter().map(|&mirror| {
        let fates = Arc::clone(&fates);
        move || ask(mirror, &fates)
    });
    let start = Instant::now();
    let first = pool.invoke_any_timeout(jobs, Duration::from_millis(args.timeout));
    let took = start.elapsed();
    // The losers have been interrupted; this waits for them.
    pool.close();
    let mut out = io::stdout().lock();
    let code = match first {
        Ok((mirror, fetched)) => {
            let place = mirrors.iter().position(|&other| other == mirror).unwrap_or_default() + 1;
            writeln!(out, "mirror {place} of {} delivered {} bytes", mirrors.len(), fetched.len())?;
            complain(&format!("after {took:.1?}"));
            let is_right = !args.mirrors.is_empty() || *fetched == *content;
            if is_right { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(InvokeAnyError::TimedOut) => {
            writeln!(out, "no mirror delivered within {} ms", args.timeout)?;
            ExitCode::FAILURE
        }
        Err(error) => {
            writeln!(out, "no mirror delivered: {error}")?;
            ExitCode::FAILURE
        }
    };
    let count = |fate: &AtomicUsize| fate.load(Ordering::Relaxed);
    let (asked, failed) = (count(&fates.asked), count(&fates.failed));
    writeln!(out, "asked {asked}, failed {failed}, interrupted {}", count(&fates.interrupted))?;
    Ok(code)
}

fn complain(what: &str) {
    // With nowhere left to complain, there is nothing to be done.
    writeln!(io::stderr(), "first_mirror: {what}").ok();
}

fn main() -> ExitCode {
    let args = Args::parse();
    let crew = match ThreadPoolExecutor::cached() {
        Ok(crew) => crew,
        Err(error) => {
            complain(&error.to_string());
            return ExitCode::FAILURE;
        }
    };
    let code = run(&args, &crew).unwrap_or_else(|error| {
        complain(&error.to_string());
        ExitCode::FAILURE
    });
    // The mirrors serve until they are told to stop.
    drop(crew.shutdown_now());
    code
}
