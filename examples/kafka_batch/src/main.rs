//! A batch that publishes records to Kafka beside its other work: task 1, task 2, the publishing on a
//! pool, task 3, end. `cargo run -p kafka_batch -- --bootstrap localhost:9092 --topic events`.
//!
//! `--variant bug` closes the producer at the end of `main`, under the feet of the jobs that still
//! publish: "cannot send after the producer is closed". `join` waits for the jobs first; `keep`, the
//! default, hands the producer to the pool, which closes it after its last job, whoever ends the
//! pool and why. SIGTERM and SIGINT end the batch early; what it has accepted is published.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the output of a program")]

use std::error::Error;
use std::ops::Deref;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use stopping::{Ledger, Limits, Signals};
use workcrew::policy::Block;
use workcrew::{JobHandle, Queue, Rejected, ThreadPoolExecutor};

use crate::publisher::Publisher;

mod publisher; // the producer, and what it is when it is closed
#[cfg(test)]
mod tests; // what no signal can bring about

/// Publishes records to Kafka from a pool, and loses none when it ends.
#[derive(Parser)]
#[command(args_override_self = true)]
struct Args {
    /// A broker, as host:port
    #[arg(long)]
    bootstrap: String,
    /// Where the records are published
    #[arg(long)]
    topic: String,
    /// How many records are published
    #[arg(long, default_value_t = 1000)]
    records: u32,
    /// How many are being published at a time
    #[arg(long, default_value_t = 16)]
    workers: usize,
    /// How long a broker may take to say that it is there, in ms
    #[arg(long, default_value_t = 30_000)]
    connect: u64,
    /// How long Kafka may take to confirm a record, in ms
    #[arg(long, default_value_t = 30_000)]
    delivery: u64,
    /// How the program ends
    #[arg(long, value_enum, default_value = "keep")]
    variant: Variant,
    #[command(flatten)]
    limits: Limits,
}

#[derive(Clone, Copy, ValueEnum)]
enum Variant {
    /// The pool closes the producer, after its last job
    Keep,
    /// Joins each job, and closes the producer then
    Join,
    /// Closes the producer, and finishes the jobs then
    Bug,
}

/// The program at work.
struct Batch<'a> {
    args: &'a Args,
    signals: &'a Signals,
    pool: ThreadPoolExecutor,
    ledger: Ledger<u32>,
}

impl Batch<'_> {
    /// Starts the publishing of all records; they are published while the batch goes on.
    fn publish<P>(&self, publisher: &P) -> Result<Vec<JobHandle<()>>, Rejected>
    where
        P: Deref<Target = Publisher> + Clone + Send + 'static,
    {
        let mut handles = Vec::new();
        for number in 1..=self.args.records {
            if self.signals.stop.is_interrupted() {
                break;
            }
            let (publisher, ledger) = (publisher.clone(), self.ledger.clone());
            self.ledger.accept(number);
            let handle =
                self.pool.submit_named(format!("record {number}"), move || {
                    match publisher.publish(number) {
                        Ok(()) => ledger.done(number),
                        Err(error) => eprintln!("record {number} is not published: {error}"),
                    }
                });
            handles.push(handle.inspect_err(|_| self.ledger.withdraw(number))?);
        }
        Ok(handles)
    }

    /// All of the batch but its end.
    fn work<P>(&self, publisher: &P) -> Result<Vec<JobHandle<()>>, Rejected>
    where
        P: Deref<Target = Publisher> + Clone + Send + 'static,
    {
        println!("task 1");
        println!("task 2");
        let handles = self.publish(publisher)?;
        println!("task 3");
        Ok(handles)
    }

    /// The batch, to its end. An error of its work is one, too: what was accepted before is still
    /// owed.
    fn run(&self, publisher: Publisher) -> u8 {
        let (worked, code) = match self.args.variant {
            Variant::Keep => {
                let publisher = self.pool.keep_until_terminated(publisher);
                let worked = self.work(&publisher).map(drop);
                // The pool has it alone now.
                drop(publisher);
                (worked, self.stop())
            }
            Variant::Join => {
                let publisher = Arc::new(publisher);
                let worked = self.work(&publisher).map(|handles| self.join(handles));
                let code = self.stop();
                publisher.close();
                (worked, code)
            }
            Variant::Bug => {
                let publisher = Arc::new(publisher);
                let worked = self.work(&publisher).map(drop);
                publisher.close();
                (worked, self.stop())
            }
        };
        let balance = self.ledger.balance();
        for number in &balance.open {
            eprintln!("lost: record {number}");
        }
        println!("ledger {balance}");
        if let Err(rejected) = &worked {
            eprintln!("no more records are accepted: {rejected}");
        }
        code.max(u8::from(worked.is_err() || !balance.open.is_empty()))
    }

    /// Waits for the jobs, as long as nobody hurries.
    fn join(&self, handles: Vec<JobHandle<()>>) {
        let _ends = self.signals.hurry.enter();
        for handle in handles {
            if let Err(error) = handle.join() {
                eprintln!("a record is not waited for: {error}");
            }
        }
    }

    fn stop(&self) -> u8 {
        let mut report = self.pool.shutdown_with(&self.args.limits.plan(self.signals));
        drop(report.take_pending());
        if report.code() != 0 {
            eprintln!("{report}");
        }
        report.code()
    }
}

fn main() -> ExitCode {
    stopping::run(program)
}

fn program(args: &Args, signals: &Signals) -> Result<ExitCode, Box<dyn Error>> {
    let [connect, delivery] = [args.connect, args.delivery].map(Duration::from_millis);
    let publisher = Publisher::connect(&args.bootstrap, &args.topic, connect, delivery)?;
    let pool = ThreadPoolExecutor::builder()
        .name("publish")
        .threads(args.workers)
        .queue(Queue::Bounded(256))
        .rejection_policy(Block { timeout: Duration::MAX })
        .build()?;
    let batch = Batch { args, signals, pool, ledger: Ledger::default() };
    println!("ready");
    Ok(batch.run(publisher).into())
}
