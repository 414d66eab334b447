//! Sends a mail with an attachment for each event that a scheduler publishes, on a pool as Spring's
//! `ThreadPoolTaskExecutor` is often set up: 16 threads, at most 64, a queue of 32, caller runs.
//!
//! ```text
//! cargo run -p auto_mail --bin mailbox -- --folder /tmp/mails --listen 127.0.0.1:2525
//! cargo run -p auto_mail --bin auto_mail -- --smtp 127.0.0.1:2525 --mails 100
//! ```
//!
//! `--variant inline` sends on the publisher's thread, which is slow and loses nothing; `naive` ends
//! by `shutdown_now`, and names the mails it thereby loses; `graceful`, the default, sends all that
//! it has accepted, also after SIGTERM or SIGINT.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the output of a program")]

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use stopping::{Ledger, Limits, Signals};
use workcrew::policy::CallerRuns;
use workcrew::{BuildError, Job, Queue, ThreadPoolExecutor};

use crate::event::{AutoMailSend, Publisher};
use crate::mailer::Mailer;

mod event; // what a mail is due for, and who hears of it
mod mailer; // how a mail is sent

/// Sends mails from a pool, and loses none when it is stopped.
#[derive(Parser)]
#[command(args_override_self = true)]
struct Args {
    /// The SMTP server, as host:port
    #[arg(long)]
    smtp: String,
    /// How many mails are due
    #[arg(long, default_value_t = 100)]
    mails: u32,
    /// How long after the other they are due, in ms
    #[arg(long, default_value_t = 0)]
    every: u64,
    /// Where the mails are sent, and how the program stops
    #[arg(long, value_enum, default_value = "graceful")]
    variant: Variant,
    #[command(flatten)]
    limits: Limits,
}

#[derive(Clone, Copy, ValueEnum)]
enum Variant {
    /// On the pool, which is given time to finish
    Graceful,
    /// On the pool, which is not
    Naive,
    /// On the publisher's thread
    Inline,
}

/// As in the article, thread group and all.
fn pool() -> Result<ThreadPoolExecutor, BuildError> {
    ThreadPoolExecutor::builder()
        .name("EmailAsync")
        .core_threads(16)
        .max_threads(64)
        .queue(Queue::Bounded(32))
        .keep_alive(Duration::from_mins(1))
        .rejection_policy(CallerRuns)
        .build()
}

/// The job that sends the mail and notes it.
fn job(event: &AutoMailSend, mailer: &Mailer, ledger: &Ledger<u32>) -> Job {
    let (event, mailer, ledger) = (event.clone(), mailer.clone(), ledger.clone());
    Job::named(event.to_string(), move || match mailer.send(&event) {
        Ok(()) => ledger.done(event.number),
        Err(error) => eprintln!("{event} is not sent: {error}"),
    })
}

/// Publishes what is due, until all is or the program is to stop.
fn schedule(publisher: &Publisher, args: &Args, signals: &Signals) -> Result<(), Box<dyn Error>> {
    let pause = Duration::from_millis(args.every);
    for number in 1..=args.mails {
        if signals.stop.sleep(pause).is_err() {
            break;
        }
        publisher.publish(&AutoMailSend::due(number))?;
        println!("accepted {number}");
    }
    Ok(())
}

fn main() -> ExitCode {
    stopping::run(program)
}

fn program(args: &Args, signals: &Signals) -> Result<ExitCode, Box<dyn Error>> {
    let mailer = Mailer::connect(&args.smtp)?;
    let ledger = Ledger::<u32>::default();
    let pool = pool()?;
    let mut publisher = Publisher::default();
    let (handle, listener_ledger) = (pool.handle(), ledger.clone());
    let variant = args.variant;
    publisher.subscribe(move |event| {
        listener_ledger.accept(event.number);
        let job = job(event, &mailer, &listener_ledger);
        match variant {
            Variant::Inline => job.run(),
            Variant::Graceful | Variant::Naive => handle.execute_job(job)?,
        }
        Ok(())
    });
    println!("ready");
    let scheduled = schedule(&publisher, args, signals);
    let code = match variant {
        Variant::Inline | Variant::Graceful => finish(&pool, args.limits, signals),
        Variant::Naive => give_up(pool),
    };
    let balance = ledger.balance();
    for number in &balance.open {
        eprintln!("lost: {}", AutoMailSend::due(*number));
    }
    println!("ledger {balance}");
    if let Err(error) = scheduled {
        eprintln!("no more mails are accepted: {error}");
        return Ok(code.max(1).into());
    }
    Ok(code.max(u8::from(!balance.open.is_empty())).into())
}

fn finish(pool: &ThreadPoolExecutor, limits: Limits, signals: &Signals) -> u8 {
    let report = pool.shutdown_with(&limits.plan(signals));
    if report.code() != 0 {
        eprintln!("{report}");
    }
    report.code()
}

fn give_up(pool: ThreadPoolExecutor) -> u8 {
    let pending = pool.shutdown_now();
    eprintln!("{} mails were waiting, {} being sent", pending.len(), pool.running_jobs().len());
    pool.detach();
    0
}
