//! Owns the database: its tables, a connection for each thread, and the transactions.
//!
//! INVARIANT: an order is written by one transaction, with its lines and its part of the turnover,
//! and the same transaction takes it out of the outbox. The orders' key refuses a second one.

use std::cell::RefCell;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior, params};
use workcrew::interrupt;

use crate::order::Order;

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, amount INTEGER NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS lines (order_id INTEGER NOT NULL, line INTEGER NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS turnover (total INTEGER NOT NULL) STRICT;
    INSERT INTO turnover SELECT 0 WHERE NOT EXISTS (SELECT * FROM turnover);
    CREATE TABLE IF NOT EXISTS outbox (id INTEGER PRIMARY KEY, amount INTEGER NOT NULL) STRICT;
";

const LINES: i64 = 3;

thread_local! {
    static CONNECTION: RefCell<Option<Connection>> = const { RefCell::new(None) };
}

/// How to reach the database.
#[derive(Clone)]
pub(crate) struct Database(Arc<Settings>);

struct Settings {
    path: PathBuf,
    busy: Duration,
    work: Duration,
}

impl Database {
    pub(crate) fn create(path: &Path, busy: Duration, work: Duration) -> rusqlite::Result<Self> {
        let database = Self(Arc::new(Settings { path: path.to_owned(), busy, work }));
        let mut connection = database.connect()?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        change.execute_batch(TABLES)?;
        change.commit()?;
        Ok(database)
    }

    fn connect(&self) -> rusqlite::Result<Connection> {
        let connection = Connection::open(&self.0.path)?;
        connection.busy_timeout(self.0.busy)?;
        Ok(connection)
    }

    /// Writes the order, on this thread's own connection. An interrupt of the job ends it, with
    /// nothing written.
    pub(crate) fn write(&self, order: Order) -> Result<(), Box<dyn Error>> {
        CONNECTION.with_borrow_mut(|slot| {
            let connection = match slot {
                Some(connection) => connection,
                None => slot.insert(self.connect()?),
            };
            let statement = connection.get_interrupt_handle();
            let _ends =
                interrupt::current().map(|own| own.on_interrupt(move || statement.interrupt()));
            interrupt::check()?;
            let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            change.execute("DELETE FROM outbox WHERE id = ?", [order.id])?;
            change.execute("INSERT INTO orders VALUES (?, ?)", [order.id, order.amount])?;
            for line in 0..LINES {
                change.execute("INSERT INTO lines VALUES (?, ?)", [order.id, line])?;
                interrupt::sleep(self.0.work / 3)?;
            }
            change.execute("UPDATE turnover SET total = total + ?", [order.amount])?;
            change.commit()?;
            Ok(())
        })
    }

    /// The orders that the last run has left.
    pub(crate) fn outbox(&self) -> rusqlite::Result<Vec<Order>> {
        let connection = self.connect()?;
        let mut query = connection.prepare("SELECT id, amount FROM outbox ORDER BY id")?;
        let orders =
            query.query_map([], |row| Ok(Order { id: row.get(0)?, amount: row.get(1)? }))?;
        orders.collect()
    }

    /// Leaves orders to the next run, except those that are written after all.
    pub(crate) fn store(&self, orders: &[Order]) -> rusqlite::Result<()> {
        if orders.is_empty() {
            return Ok(());
        }
        let mut connection = self.connect()?;
        let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for order in orders {
            change.execute(
                "INSERT OR IGNORE INTO outbox SELECT ?1, ?2
                 WHERE NOT EXISTS (SELECT * FROM orders WHERE id = ?1)",
                params![order.id, order.amount],
            )?;
        }
        change.commit()
    }
}
