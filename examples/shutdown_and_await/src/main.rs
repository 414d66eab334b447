//! Stops a pool in five steps, as one call: refuse new jobs, wait, interrupt, wait again, say what
//! did not stop. `cargo run -p shutdown_and_await -- --scale 0.1` plays it ten times as fast.
//!
//! Two threads run taskA, taskB and taskC of a second each and a longTask of a hundred; the pool may
//! take ten seconds to end. `--stubborn` has a longTask that never looks at its interrupt, which the
//! report then names. `--variant naive` stops as programs do that throw away what `shutdown_now`
//! returns. SIGTERM and SIGINT cut the wait short.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the output of a program")]

use std::error::Error;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use crossbeam_channel::{Receiver, Sender, bounded};
use stopping::{Limits, Signals, scaled};
use workcrew::interrupt;
use workcrew::{Never, Rejected, ShutdownPhase, ThreadPoolExecutor};

/// A pool that is given ten seconds to end, and a job that would take a hundred.
#[derive(Parser)]
#[command(args_override_self = true)]
struct Args {
    /// By how much everything is faster or slower than in life
    #[arg(long, default_value_t = 1.0, value_parser = parse_scale)]
    scale: f64,
    /// How the program stops
    #[arg(long, value_enum, default_value = "graceful")]
    variant: Variant,
    /// Let longTask never look at its interrupt
    #[arg(long)]
    stubborn: bool,
    #[command(flatten)]
    limits: Limits,
}

#[derive(Clone, Copy, ValueEnum)]
enum Variant {
    /// One call, and a report
    Graceful,
    /// Throws away what was not run, and waits for nobody
    Naive,
}

fn parse_scale(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(scale) if (0.0..=1000.0).contains(&scale) => Ok(scale),
        _ => Err("a number from 0 to 1000 is needed".to_owned()),
    }
}

/// What the log says of the phases of a shutdown.
const PHASES: [(ShutdownPhase, &str); 3] = [
    (ShutdownPhase::Refusing, "서비스 정상 종료 시도"),
    (ShutdownPhase::GraceOver, "서비스 정상 종료 실패 -> 강제 종료 시도"),
    (ShutdownPhase::NotTerminated, "서비스가 종료되지 않았습니다."),
];

/// Writes lines with the time since the program's start and the thread that writes.
#[derive(Clone)]
struct Log {
    start: Instant,
}

impl Log {
    fn line(&self, text: &str) {
        let thread = thread::current();
        let name = thread.name().unwrap_or("?");
        println!("{:8.3} [{name:>10}] {text}", self.start.elapsed().as_secs_f64());
    }
}

/// What all tasks have in common.
#[derive(Clone)]
struct Scene {
    log: Log,
    /// Told by each task that it runs: the first status line is shown when two do.
    started: Sender<()>,
    /// Disconnected once that line is out: however small the scale, no task ends before.
    opened: Receiver<Never>,
}

impl Scene {
    fn task(
        &self,
        pool: &ThreadPoolExecutor,
        name: &'static str,
        time: Duration,
    ) -> Result<(), Rejected> {
        let scene = self.clone();
        pool.execute_named(name, move || {
            scene.start(name);
            if scene.work(time).is_ok() {
                scene.log.line(&format!("{name} 완료"));
            } else {
                scene.log.line("인터럽트 발생, sleep interrupted");
            }
        })
    }

    fn start(&self, name: &str) {
        self.log.line(&format!("{name} 시작"));
        self.started.send(()).expect("there is room for all, and the program keeps the other end");
    }

    fn work(&self, time: Duration) -> Result<(), interrupt::Interrupted> {
        if interrupt::recv(&self.opened) == Err(interrupt::RecvError::Interrupted) {
            return Err(interrupt::Interrupted);
        }
        interrupt::sleep(time)
    }

    fn stubborn_task(&self, pool: &ThreadPoolExecutor) -> Result<(), Rejected> {
        let scene = self.clone();
        pool.execute_named("longTask", move || {
            scene.start("longTask");
            loop {
                thread::park();
            }
        })
    }
}

fn main() -> ExitCode {
    stopping::run(program)
}

fn program(args: &Args, signals: &Signals) -> Result<ExitCode, Box<dyn Error>> {
    let (open, opened) = bounded(0);
    let (started, running) = bounded(4);
    let scene = Scene { log: Log { start: Instant::now() }, started, opened };
    let log = scene.log.clone();
    let pool = ThreadPoolExecutor::builder().name("pool-1").threads(2).build()?;
    println!("ready");

    let second = scaled(Duration::from_secs(1), args.scale);
    for name in ["taskA", "taskB", "taskC"] {
        scene.task(&pool, name, second)?;
    }
    if args.stubborn {
        scene.stubborn_task(&pool)?;
    } else {
        scene.task(&pool, "longTask", scaled(Duration::from_secs(100), args.scale))?;
    }
    for _ in 0..2 {
        running.recv()?;
    }
    log.line(&pool.stats().to_string());
    drop(open);

    log.line("== shutdown 시작");
    let code = match args.variant {
        Variant::Graceful => stop(&pool, args.limits.scaled(args.scale), signals, &log),
        Variant::Naive => stop_naively(pool, scaled(Duration::from_secs(10), args.scale), signals),
    };
    Ok(code)
}

fn stop(pool: &ThreadPoolExecutor, limits: Limits, signals: &Signals, log: &Log) -> ExitCode {
    let observer = log.clone();
    // The shutdown has begun already, so it is the first signal that hurries it.
    let plan = limits.plan(signals).hurried_by(&signals.stop).on_phase(move |phase| {
        if let Some((_, text)) = PHASES.iter().find(|(with_text, _)| *with_text == phase) {
            observer.line(text);
        }
    });
    let report = pool.shutdown_with(&plan);
    for job in report.pending() {
        log.line(&format!("{} 반환", job.name().unwrap_or("a job")));
    }
    log.line("== shutdown 완료");
    log.line(&pool.stats().to_string());
    if report.code() != 0 {
        eprintln!("{report}");
    }
    // Should a job not have stopped, the pool's drop does not wait for it either.
    report.exit_code()
}

fn stop_naively(pool: ThreadPoolExecutor, grace: Duration, signals: &Signals) -> ExitCode {
    pool.shutdown();
    let entered = signals.stop.enter();
    let ended = pool.await_termination(grace);
    drop(entered);
    if ended.is_err() {
        drop(pool.shutdown_now());
        pool.detach();
    }
    ExitCode::SUCCESS
}
