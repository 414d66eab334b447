//! The program, run as a child and judged by a second connection to its database.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::thread;
use std::time::Duration;

use harness::{Ended, Program, Signal, for_each_seed, must_lose};
use rusqlite::Connection;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_sqlite_outbox");
const ORDERS: i64 = 150;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder for the database")
}

fn file(folder: &TempDir) -> String {
    folder.path().join("orders.db").to_string_lossy().into_owned()
}

fn start(database: &str, more: &[&str]) -> Program {
    let arguments = ["--database", database, "--work", "3"];
    Program::start(PROGRAM, arguments.iter().chain(more))
}

/// Orders for as long as the program reads them; it says itself which it has accepted.
fn order(
    program: &mut Program,
    ids: impl Iterator<Item = i64> + Send + 'static,
) -> thread::JoinHandle<()> {
    let mut stdin = program.take_stdin();
    thread::spawn(move || {
        for id in ids {
            if writeln!(stdin, "{id} {}", amount(id)).is_err() {
                return;
            }
        }
    })
}

fn amount(id: i64) -> i64 {
    id * 7 + 1
}

fn accepted(ended: &Ended) -> BTreeSet<i64> {
    ended.lines("accepted").map(|id| id.parse().expect("an order's number")).collect()
}

fn column(connection: &Connection, query: &str) -> Vec<i64> {
    let mut statement = connection.prepare(query).expect("a query of the program's tables");
    let rows = statement.query_map([], |row| row.get(0)).expect("rows");
    rows.collect::<Result<_, _>>().expect("numbers")
}

/// The orders in the database, each of which is there as a whole and once.
fn written(database: &str) -> BTreeSet<i64> {
    let connection = Connection::open(database).expect("the program's database");
    let verdict: String = connection
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .expect("an integrity check");
    assert_eq!(verdict, "ok");
    let orders = column(&connection, "SELECT id FROM orders");
    let lines =
        column(&connection, "SELECT order_id FROM lines GROUP BY order_id HAVING count(*) = 3");
    let total = column(&connection, "SELECT total FROM turnover");
    assert_eq!(total, [orders.iter().map(|id| amount(*id)).sum::<i64>()], "half a transaction");
    let orders: BTreeSet<i64> = orders.into_iter().collect();
    assert_eq!(orders, lines.into_iter().collect(), "half a transaction");
    orders
}

fn left_in_outbox(database: &str) -> usize {
    let connection = Connection::open(database).expect("the program's database");
    column(&connection, "SELECT id FROM outbox").len()
}

#[test]
fn every_accepted_order_is_written_once_whenever_it_is_stopped() {
    let losses = for_each_seed(|seed| {
        let place = folder();
        let database = file(&place);
        let mut all = BTreeSet::new();
        // Twice it is stopped, with little time; then it may finish.
        for run in 0..2 {
            let grace = seed.below(30).to_string();
            let mut program = start(&database, &["--grace", &grace, "--interrupt-wait", "none"]);
            let client = order(&mut program, (1 + run * ORDERS)..=((run + 1) * ORDERS));
            program.ready();
            seed.pass_time(Duration::from_millis(250));
            program.signal(seed.signal());
            let ended = program.finish();
            client.join().expect("a client does not panic");
            let outbox = ended.ledger("lost");
            assert_eq!(outbox, left_in_outbox(&database), "{ended}");
            assert_eq!(ended.ledger("accepted"), ended.ledger("done") + outbox, "{ended}");
            // With an interrupt that came too late to stop a transaction, nothing may be left.
            assert!(ended.code == Some(1) || ended.code == Some(0) && outbox == 0, "{ended}");
            all.extend(accepted(&ended));
        }
        start(&database, &[]).finish().expect_code(0);
        assert_eq!(written(&database), all, "accepted, and not written; or the other way round");
        assert_eq!(left_in_outbox(&database), 0);

        naive_loss(seed)
    });
    must_lose(&losses);
}

/// How many orders it has accepted and not written.
fn naive_loss(seed: &mut harness::Seed) -> usize {
    let place = folder();
    let database = file(&place);
    let mut naive = start(&database, &["--variant", "naive"]);
    let client = order(&mut naive, 1..=ORDERS);
    naive.ready();
    seed.pass_time(Duration::from_millis(250));
    naive.signal(seed.signal());
    let ended = naive.finish();
    client.join().expect("a client does not panic");
    start(&database, &[]).finish().expect_code(0);
    let written = written(&database);
    accepted(&ended).iter().filter(|id| !written.contains(id)).count()
}

#[test]
fn without_any_time_all_is_left_to_the_next_start() {
    let place = folder();
    let database = file(&place);
    let mut program = start(&database, &["--budget", "0", "--work", "3000"]);
    for id in 1..=20 {
        assert!(program.tell(&format!("{id} {}", amount(id))));
    }
    program.line("accepted 20");
    program.terminate();
    let ended = program.finish();
    assert!(matches!(ended.code, Some(1 | 2)), "{ended}");
    assert_eq!((ended.ledger("accepted"), ended.ledger("lost")), (20, 20), "{ended}");
    assert!(written(&database).is_empty());
    start(&database, &[]).finish().expect_code(0);
    assert_eq!(written(&database), (1..=20).collect());
}

#[test]
fn with_all_the_time_it_needs_nothing_is_left() {
    let place = folder();
    let database = file(&place);
    let mut program = start(&database, &["--grace", "none", "--budget", "18446744073709551615"]);
    for id in 1..=20 {
        assert!(program.tell(&format!("{id} {}", amount(id))));
    }
    program.line("accepted 20");
    program.terminate();
    let ended = program.finish();
    ended.expect_code(0);
    assert_eq!(ended.ledger("done"), 20, "{ended}");
    assert_eq!(written(&database), (1..=20).collect());
}

#[test]
fn a_second_signal_hurries_it() {
    let place = folder();
    let database = file(&place);
    let mut program =
        start(&database, &["--grace", "none", "--interrupt-wait", "none", "--work", "3000"]);
    for id in 1..=20 {
        assert!(program.tell(&format!("{id} {}", amount(id))));
    }
    program.line("accepted 20");
    program.signal(Signal::SIGINT);
    program.error("asked to stop");
    program.terminate();
    let ended = program.finish();
    ended.expect_code(1).expect_error("asked again");
    start(&database, &[]).finish().expect_code(0);
    assert_eq!(written(&database), (1..=20).collect());
}

#[test]
fn orders_that_cannot_even_be_left_behind_are_named() {
    let place = folder();
    let database = file(&place);
    let mut program =
        start(&database, &["--busy", "50", "--grace", "0", "--interrupt-wait", "none"]);
    program.ready();
    let other = Connection::open(&database).expect("the program's database");
    other.execute_batch("BEGIN IMMEDIATE").expect("nobody else writes yet");
    for id in 1..=5 {
        assert!(program.tell(&format!("{id} {}", amount(id))));
    }
    program.line("accepted 5");
    program.terminate();
    let ended = program.finish();
    ended.expect_code(1).expect_error("the outbox cannot be written");
    for id in 1..=5 {
        ended.expect_error(&format!("not written: order {id} of {}", amount(id)));
    }
}

#[test]
fn a_signal_during_start_up_loses_nothing_of_the_outbox() {
    for_each_seed(|seed| {
        let place = folder();
        let database = file(&place);
        start(&database, &[]).finish().expect_code(0);
        let connection = Connection::open(&database).expect("the program's database");
        for id in 1..=10 {
            connection.execute("INSERT INTO outbox VALUES (?, ?)", [id, amount(id)]).expect("room");
        }
        let program = start(&database, &["--grace", "0", "--interrupt-wait", "none"]);
        seed.pass_time(Duration::from_millis(20));
        program.terminate();
        let ended = program.finish();
        let left = left_in_outbox(&database);
        assert_eq!(written(&database).len() + left, 10, "{ended}");
        start(&database, &[]).finish().expect_code(0);
        assert_eq!(written(&database), (1..=10).collect());
    });
}

#[test]
fn an_outbox_that_cannot_be_read_ends_it_as_a_program_that_had_started() {
    let place = folder();
    let database = file(&place);
    start(&database, &[]).finish().expect_code(0);
    let connection = Connection::open(&database).expect("the program's database");
    let other = "DROP TABLE outbox; CREATE TABLE outbox (id TEXT); INSERT INTO outbox VALUES ('?')";
    connection.execute_batch(other).expect("a table");
    let ended = start(&database, &[]).finish();
    ended.expect_code(1).expect_error("no more orders are accepted: ");
    assert_eq!(ended.ledger("accepted"), 0, "{ended}");
}

#[test]
fn a_database_that_cannot_be_used_is_named() {
    let place = folder();
    let missing = Path::new(place.path()).join("no folder").join("orders.db");
    let ended = start(&missing.to_string_lossy(), &[]).finish();
    ended.expect_code(69).expect_error("no folder");
    let text = place.path().join("text");
    std::fs::write(
        &text,
        "not a database, but a text that is long enough to be looked at. ".repeat(50),
    )
    .expect("a file can be written");
    start(&text.to_string_lossy(), &[]).finish().expect_code(69).expect_error("not a database");
}
