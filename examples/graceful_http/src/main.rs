//! An HTTP server whose requests are handled by a pool, and which answers every one that it has
//! accepted before it ends: `cargo run -p graceful_http -- --listen 127.0.0.1:8080`.
//!
//! `GET /sleep/250` takes 250 ms, `GET /stuck` never ends and heeds no interrupt. After SIGTERM or
//! SIGINT new requests are answered with 503 while the accepted ones are finished; a second signal
//! interrupts those, which then are answered with 503 too. A handler that does not stop is named, and
//! the exit code is 2. `--variant naive` ends as programs do that do not wait.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the output of a program")]

use std::error::Error;
use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use crossbeam_channel::bounded;
use stopping::{Limits, Signals};
use tiny_http::Server;
use workcrew::{Queue, ShutdownPhase, ShutdownPlan, ShutdownReport, ThreadPoolExecutor};

use crate::exchange::Exchange;

mod exchange; // a request, and the answer that it gets whatever happens

/// Serves HTTP from a pool, and leaves no accepted request without an answer.
#[derive(Parser)]
#[command(args_override_self = true)]
struct Args {
    /// Where to listen; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: String,
    /// How many requests are handled at a time
    #[arg(long, default_value_t = 4)]
    workers: usize,
    /// How many accepted requests may wait
    #[arg(long, default_value_t = 64)]
    queue: usize,
    /// For how long no request must have come before the server ends, in ms
    #[arg(long, default_value_t = 300)]
    linger: u64,
    /// How the program stops
    #[arg(long, value_enum, default_value = "graceful")]
    variant: Variant,
    #[command(flatten)]
    limits: Limits,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Variant {
    /// Every accepted request is answered
    Graceful,
    /// Ends at once
    Naive,
}

/// The server, the pool that works for it, and how many requests there were.
struct Desk {
    server: Arc<Server>,
    pool: ThreadPoolExecutor,
    requests: u64,
}

impl Desk {
    fn open(args: &Args) -> Result<Self, Box<dyn Error>> {
        let server = Server::http(&args.listen)
            .map_err(|error| format!("nothing can listen at {}: {error}", args.listen))?;
        let pool = ThreadPoolExecutor::builder()
            .name("http")
            .threads(args.workers)
            .queue(Queue::Bounded(args.queue))
            .build()?;
        Ok(Self { server: Arc::new(server), pool, requests: 0 })
    }

    /// Takes a request in. If the pool is full or shuts down, the job is dropped here, and with it
    /// the exchange, which then answers that the server is unavailable.
    fn take(&mut self, request: tiny_http::Request) {
        self.requests += 1;
        let name = format!("{} {} ({})", request.method(), request.url(), self.requests);
        let exchange = Exchange::new(request);
        let handled = name.clone();
        let job = move || {
            println!("handling {handled}");
            exchange.handle();
        };
        match self.pool.execute_named(name.as_str(), job) {
            Ok(()) => println!("accepted {name}"),
            Err(rejected) => println!("refused {name}: {rejected}"),
        }
    }

    /// Serves until the pool has been stopped, which it is on a thread of its own: who comes
    /// meanwhile shall get an answer too.
    fn serve(&mut self, plan: ShutdownPlan, signals: &Signals) -> io::Result<ShutdownReport> {
        let (publish, published) = bounded(1);
        let (pool, server) = (self.pool.handle(), Arc::clone(&self.server));
        let stop = signals.stop.clone();
        let stopper = thread::Builder::new().name("stopper".into()).spawn(move || {
            while stop.sleep(Duration::MAX).is_ok() {}
            let report = pool.shutdown_with(&plan);
            publish.send(report).expect("the server waits for the report");
            server.unblock();
        })?;
        loop {
            match self.server.recv() {
                Ok(request) => self.take(request),
                Err(error) => match published.try_recv() {
                    Ok(report) => {
                        stopper.join().expect("the stopper has nothing left to do");
                        return Ok(report);
                    }
                    Err(_) => eprintln!("a connection failed: {error}"),
                },
            }
        }
    }

    /// Answers those who have come in already, or are just coming: a request that the operating
    /// system has accepted would otherwise end without a word. Bounded, as some never stop coming.
    fn linger(&mut self, pause: Duration) -> io::Result<()> {
        let end = Instant::now() + 10 * pause;
        while Instant::now() < end {
            match self.server.recv_timeout(pause)? {
                Some(request) => self.take(request),
                None => break,
            }
        }
        Ok(())
    }

    fn serve_naively(&mut self, signals: &Signals) {
        let server = Arc::clone(&self.server);
        let _ends = signals.stop.on_interrupt(move || server.unblock());
        while !signals.stop.is_interrupted() {
            if let Ok(request) = self.server.recv() {
                self.take(request);
            }
        }
        drop(self.pool.shutdown_now());
    }
}

fn main() -> ExitCode {
    stopping::run(program)
}

fn program(args: &Args, signals: &Signals) -> Result<ExitCode, Box<dyn Error>> {
    let mut desk = Desk::open(args)?;
    println!("ready {}", desk.server.server_addr());
    match args.variant {
        Variant::Graceful => {
            let plan = args.limits.plan(signals).on_phase(|phase| {
                if phase == ShutdownPhase::Refusing {
                    println!("draining");
                }
            });
            let mut report = desk.serve(plan, signals)?;
            for job in report.take_pending() {
                eprintln!("not handled: {}", job.name().unwrap_or("a request"));
            }
            desk.linger(Duration::from_millis(args.linger))?;
            println!("ledger requests={}", desk.requests);
            if report.code() != 0 {
                eprintln!("{report}");
            }
            Ok(report.exit_code())
        }
        Variant::Naive => {
            desk.serve_naively(signals);
            desk.pool.detach();
            Ok(ExitCode::SUCCESS)
        }
    }
}
