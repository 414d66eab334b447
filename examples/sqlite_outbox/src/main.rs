//! Takes orders from its standard input and writes each to `SQLite` in one transaction, on a pool with
//! a connection for each worker. An order it has said `accepted` to is in the database when it ends,
//! or in the outbox table, from which the next start takes it first.
//!
//! ```text
//! printf '1 250\n2 990\n' | cargo run -p sqlite_outbox -- --database /tmp/orders.db
//! ```
//!
//! `--variant naive` throws away what `shutdown_now` hands back, as a program does that does not look.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the output of a program")]

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use crossbeam_channel::{Receiver, bounded, select};
use stopping::{Ledger, Limits, Signals};
use workcrew::policy::Block;
use workcrew::{Queue, Rejected, ThreadPoolExecutor};

use crate::database::Database;
use crate::order::Order;

mod order; // what is to be written
mod database; // where it is written
#[cfg(test)]
mod tests; // what no client can bring about

/// Writes orders to a database, and loses none when it is stopped.
#[derive(Parser)]
#[command(args_override_self = true)]
struct Args {
    /// The database's file; made if it is not there
    #[arg(long)]
    database: PathBuf,
    /// How many orders are written at a time
    #[arg(long, default_value_t = 2)]
    workers: usize,
    /// How long a transaction stays open, in ms
    #[arg(long, default_value_t = 0)]
    work: u64,
    /// How long a transaction waits for those of others, in ms
    #[arg(long, default_value_t = 10_000)]
    busy: u64,
    /// How the program stops
    #[arg(long, value_enum, default_value = "graceful")]
    variant: Variant,
    #[command(flatten)]
    limits: Limits,
}

#[derive(Clone, Copy, ValueEnum)]
enum Variant {
    /// What was not written goes to the outbox
    Graceful,
    /// What was not written is dropped
    Naive,
}

/// The program at work.
struct Desk {
    pool: ThreadPoolExecutor,
    database: Database,
    ledger: Ledger<Order>,
}

impl Desk {
    fn open(args: &Args) -> Result<Self, Box<dyn Error>> {
        let (work, busy) = (Duration::from_millis(args.work), Duration::from_millis(args.busy));
        let path = args.database.display();
        let database = Database::create(&args.database, busy, work)
            .map_err(|error| format!("the database {path} cannot be used: {error}"))?;
        let pool = ThreadPoolExecutor::builder()
            .name("orders")
            .threads(args.workers)
            .queue(Queue::Bounded(64))
            .rejection_policy(Block { timeout: Duration::MAX })
            .build()?;
        Ok(Self { pool, database, ledger: Ledger::default() })
    }

    /// From its return on the order is owed.
    fn accept(&self, order: Order) -> Result<(), Rejected> {
        let (database, ledger) = (self.database.clone(), self.ledger.clone());
        ledger.accept(order);
        let accepted =
            self.pool.execute_named(order.to_string(), move || match database.write(order) {
                Ok(()) => ledger.done(order),
                Err(error) => eprintln!("{order} is not written: {error}"),
            });
        if accepted.is_err() {
            self.ledger.withdraw(order);
        }
        accepted
    }

    /// Takes what the last run has left.
    fn resume(&self) -> Result<(), Box<dyn Error>> {
        for order in self.database.outbox()? {
            self.accept(order)?;
            println!("resumed {}", order.id);
        }
        Ok(())
    }

    fn serve(&self, lines: &Receiver<String>, signals: &Signals) -> Result<(), Box<dyn Error>> {
        self.resume()?;
        println!("ready");
        let stop = signals.stop.signal();
        while !signals.stop.is_interrupted() {
            let line = select! {
                recv(lines) -> line => line,
                recv(stop) -> _ => break,
            };
            let Ok(line) = line else { break };
            match line.parse::<Order>() {
                Ok(order) => {
                    self.accept(order)?;
                    println!("accepted {}", order.id);
                }
                Err(error) => eprintln!("refused {line:?}: {error}"),
            }
        }
        Ok(())
    }

    /// Stops the pool; what it has not written goes to the outbox.
    fn finish(self, limits: Limits, signals: &Signals) -> u8 {
        let mut report = self.pool.shutdown_with(&limits.plan(signals));
        // A job that still runs may write its order now, and the next start writes it then: either
        // takes it out of the outbox in the transaction in which it writes it.
        drop(report.take_pending());
        let balance = self.ledger.balance();
        let stored = self.database.store(&balance.open);
        println!("ledger {balance}");
        if let Err(error) = &stored {
            eprintln!("the outbox cannot be written: {error}");
            for order in &balance.open {
                eprintln!("not written: {order}");
            }
        }
        if report.code() != 0 {
            eprintln!("{report}");
        }
        report.code().max(u8::from(!balance.open.is_empty()))
    }

    fn finish_naively(self) -> u8 {
        drop(self.pool.shutdown_now());
        self.pool.detach();
        0
    }

    /// All of the work. An error of it is its end, too: what was accepted before is still owed.
    fn run(self, args: &Args, lines: &Receiver<String>, signals: &Signals) -> u8 {
        let served = self.serve(lines, signals);
        let code = match args.variant {
            Variant::Graceful => self.finish(args.limits, signals),
            Variant::Naive => self.finish_naively(),
        };
        match served {
            Ok(()) => code,
            Err(error) => {
                eprintln!("no more orders are accepted: {error}");
                code.max(1)
            }
        }
    }
}

/// The lines of the standard input. Their reader is left behind in its read when the program stops.
fn lines() -> io::Result<Receiver<String>> {
    let (sender, lines) = bounded(0);
    thread::Builder::new().name("stdin".into()).spawn(move || {
        for line in io::stdin().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    })?;
    Ok(lines)
}

fn main() -> ExitCode {
    stopping::run(program)
}

fn program(args: &Args, signals: &Signals) -> Result<ExitCode, Box<dyn Error>> {
    let desk = Desk::open(args)?;
    let lines = lines()?;
    Ok(desk.run(args, &lines, signals).into())
}
