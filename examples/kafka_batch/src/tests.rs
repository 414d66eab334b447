//! Tests of an end that no signal can bring about: the pool refuses records while the batch runs.

use std::time::Duration;

use clap::Parser;
use rdkafka::mocking::MockCluster;
use stopping::{Ledger, Signals};
use workcrew::interrupt::Interrupt;
use workcrew::policy::Abort;
use workcrew::{Queue, ThreadPoolExecutor};

use crate::publisher::Publisher;
use crate::{Args, Batch};

#[test]
fn after_an_error_the_accepted_records_are_published() {
    const WAIT: Duration = Duration::from_secs(30);
    let cluster = MockCluster::new(1).expect("a mock cluster");
    let bootstrap = cluster.bootstrap_servers();
    for variant in ["keep", "join"] {
        let named = ["test", "--bootstrap", &bootstrap, "--topic", variant, "--variant", variant];
        let patient = ["--grace", "none", "--interrupt-wait", "none"];
        let args = Args::parse_from([&named[..], &patient].concat());
        let signals = Signals { stop: Interrupt::new(), hurry: Interrupt::new() };
        let publisher = Publisher::connect(&bootstrap, variant, WAIT, WAIT).expect("a producer");
        let pool = ThreadPoolExecutor::builder()
            .threads(1)
            .queue(Queue::Bounded(4))
            // A thousand records do not fit.
            .rejection_policy(Abort)
            .build()
            .expect("a pool");
        let batch = Batch { args: &args, signals: &signals, pool, ledger: Ledger::default() };
        assert_eq!(batch.run(publisher), 1, "an error is no success");
        let balance = batch.ledger.balance();
        assert!((5..1000).contains(&balance.accepted), "{balance}");
        assert_eq!(balance.open, [0; 0], "{balance}");
    }
}
