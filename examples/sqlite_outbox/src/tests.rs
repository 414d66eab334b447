//! Tests of an end that no client can bring about: the pool refuses orders while the program runs.

use std::thread;

use clap::Parser;
use crossbeam_channel::bounded;
use stopping::Signals;
use workcrew::interrupt::Interrupt;

use crate::order::Order;
use crate::{Args, Desk};

#[test]
fn after_an_error_the_accepted_orders_go_to_the_outbox() {
    let folder = tempfile::tempdir().expect("a folder for the database");
    let path = folder.path().join("orders.db").to_string_lossy().into_owned();
    let slow = ["--work", "10000", "--grace", "0", "--interrupt-wait", "none"];
    let args = Args::parse_from([&["test", "--database", &path], &slow[..]].concat());
    let signals = Signals { stop: Interrupt::new(), hurry: Interrupt::new() };
    let desk = Desk::open(&args).expect("a new database");
    let (database, pool) = (desk.database.clone(), desk.pool.handle());
    let (sender, lines) = bounded(0);
    let client = thread::spawn(move || {
        // The second is taken when the first has been accepted.
        for line in ["1 8", "no order"] {
            sender.send(line.to_owned()).expect("the program reads");
        }
        pool.shutdown();
        sender.send("2 15".to_owned()).expect("the program reads");
    });
    assert_eq!(desk.run(&args, &lines, &signals), 1);
    client.join().expect("a client does not panic");
    assert_eq!(database.outbox().expect("the outbox"), [Order { id: 1, amount: 8 }]);
}
