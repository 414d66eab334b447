//! The program, run as a child against librdkafka's mock cluster, which lives in the test, and judged
//! by what a consumer reads.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::time::Duration;

use harness::{Ended, Program, Seed, for_each_seed, must_lose};
use rdkafka::Message;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

const PROGRAM: &str = env!("CARGO_BIN_EXE_kafka_batch");
/// As long as nothing takes that works.
const LONG: Duration = Duration::from_secs(30);
/// For tests that are not about the time limit.
const PATIENT: [&str; 4] = ["--grace", "none", "--interrupt-wait", "none"];
/// Enough for the queue to be full of records when the end comes.
const SLOW: [&str; 2] = ["--workers", "2"];

fn cluster() -> MockCluster<'static, DefaultProducerContext> {
    MockCluster::new(1).expect("a mock cluster")
}

fn start(bootstrap: &str, topic: &str, more: &[&str]) -> Program {
    let arguments = ["--bootstrap", bootstrap, "--topic", topic];
    Program::start(PROGRAM, arguments.iter().chain(more))
}

/// How often each record is in the topic.
fn records(bootstrap: &str, topic: &str) -> BTreeMap<u32, usize> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "judge")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("fetch.wait.max.ms", "10")
        .set("socket.timeout.ms", "10000")
        .create()
        .expect("a consumer");
    let metadata = consumer.fetch_metadata(Some(topic), LONG).expect("the topic's metadata");
    let mut unread = TopicPartitionList::new();
    for partition in metadata.topics()[0].partitions() {
        unread
            .add_partition_offset(topic, partition.id(), Offset::Beginning)
            .expect("an offset that exists");
    }
    consumer.assign(&unread).expect("partitions that exist");
    let (mut left, mut records) = (unread.count(), BTreeMap::new());
    while left > 0 {
        match consumer.poll(LONG).expect("a record, or the end of a partition") {
            Ok(record) => {
                let number = record.key().and_then(|key| std::str::from_utf8(key).ok());
                let number = number.and_then(|key| key.parse().ok()).expect("a number as key");
                let payload = record.payload().map(String::from_utf8_lossy);
                assert_eq!(payload.as_deref(), Some(format!("event {number}").as_str()));
                *records.entry(number).or_default() += 1;
            }
            Err(KafkaError::PartitionEOF(_)) => left -= 1,
            Err(error) => panic!("the topic cannot be read: {error}"),
        }
    }
    records
}

/// What the program has accepted and the consumer does not read: each of it is named.
fn lost(ended: &Ended, bootstrap: &str, topic: &str) -> usize {
    let records = records(bootstrap, topic);
    assert!(records.values().all(|copies| *copies == 1), "twice: {records:?}\n{ended}");
    let accepted = u32::try_from(ended.ledger("accepted")).expect("a small number");
    let missing: Vec<u32> = (1..=accepted).filter(|number| !records.contains_key(number)).collect();
    for number in &missing {
        let name = format!("lost: record {number}");
        assert!(ended.stderr.contains(&name), "{name}, and nothing says so\n{ended}");
    }
    missing.len()
}

/// Sends the seed's signal at a moment of the seed's.
fn stopped(seed: &mut Seed, bootstrap: &str, topic: &str, more: &[&str]) -> Ended {
    let mut program = start(bootstrap, topic, more);
    program.ready();
    seed.pass_time(Duration::from_millis(300));
    program.signal(seed.signal());
    program.finish()
}

#[test]
fn a_thousand_records_are_read_and_a_producer_closed_too_early_loses_some() {
    let cluster = cluster();
    let bootstrap = cluster.bootstrap_servers();
    for variant in ["keep", "join"] {
        let ended =
            start(&bootstrap, variant, &["--variant", variant, "--budget", "none"]).finish();
        ended.expect_code(0);
        assert_eq!(ended.ledger("done"), 1000, "{ended}");
        let records = records(&bootstrap, variant);
        assert!(records.keys().copied().eq(1..=1000), "{records:?}");
        assert!(records.values().all(|copies| *copies == 1), "{records:?}");
        let lines = ["ready", "task 1", "task 2", "task 3", "the producer is closed"];
        assert_eq!(ended.stdout[..5], lines, "{ended}");
    }
    let ended = start(&bootstrap, "bug", &[&SLOW[..], &["--variant", "bug"]].concat()).finish();
    ended.expect_code(1).expect_error("cannot send after the producer is closed");
    let lost = lost(&ended, &bootstrap, "bug");
    assert!(lost > 0, "the bug does no harm: the test proves nothing\n{ended}");
    assert_eq!(ended.ledger("lost"), lost, "{ended}");
}

#[test]
fn every_accepted_record_is_read_once_whenever_it_is_stopped() {
    let cluster = cluster();
    let bootstrap = cluster.bootstrap_servers();
    let losses = for_each_seed(move |seed| {
        for variant in ["keep", "join"] {
            let topic = format!("{variant}-{}", seed.number());
            let arguments = [&["--variant", variant], &PATIENT[..]].concat();
            let ended = stopped(seed, &bootstrap, &topic, &arguments);
            assert_eq!(lost(&ended, &bootstrap, &topic), 0, "{ended}");
            ended.expect_code(0);
        }
        let topic = format!("bug-{}", seed.number());
        let ended = stopped(seed, &bootstrap, &topic, &["--variant", "bug"]);
        lost(&ended, &bootstrap, &topic)
    });
    must_lose(&losses);
}

#[test]
fn with_little_time_every_record_is_read_or_named() {
    let cluster = cluster();
    let bootstrap = cluster.bootstrap_servers();
    for_each_seed(move |seed| {
        let topic = format!("hurried-{}", seed.number());
        let budget = seed.below(40).to_string();
        let ended = stopped(seed, &bootstrap, &topic, &["--budget", &budget]);
        let lost = lost(&ended, &bootstrap, &topic);
        assert!(ended.ledger("lost") >= lost, "{ended}");
        assert!(lost == 0 || ended.code != Some(0), "{ended}");
    });
}

#[test]
fn without_any_time_every_record_is_read_or_named() {
    let cluster = cluster();
    let bootstrap = cluster.bootstrap_servers();
    let ended = start(&bootstrap, "none", &[&SLOW[..], &["--budget", "0"]].concat()).finish();
    assert!(matches!(ended.code, Some(1 | 2)), "{ended}");
    assert!(lost(&ended, &bootstrap, "none") > 0, "it had no time\n{ended}");
}

#[test]
fn a_cluster_that_dies_leaves_no_record_unnamed() {
    let cluster = cluster();
    let bootstrap = cluster.bootstrap_servers();
    let impatient = ["--delivery", "500", "--workers", "64", "--records", "400"];
    let arguments = [&impatient[..], &PATIENT[..]].concat();
    let mut program = start(&bootstrap, "dies", &arguments);
    program.line("task 2");
    cluster.broker_down(1).expect("it has a broker");
    let ended = program.finish();
    cluster.broker_up(1).expect("it has a broker");
    let lost = lost(&ended, &bootstrap, "dies");
    assert!(ended.ledger("lost") >= lost, "{ended}");
    ended.expect_code(i32::from(ended.ledger("lost") > 0));
}

#[test]
fn a_signal_during_start_up_ends_it_before_or_after_its_work() {
    let cluster = cluster();
    let bootstrap = cluster.bootstrap_servers();
    for_each_seed(move |seed| {
        let topic = format!("early-{}", seed.number());
        let program = start(&bootstrap, &topic, &PATIENT);
        seed.pass_time(Duration::from_millis(40));
        program.terminate();
        let ended = program.finish();
        if ended.signal.is_some() {
            assert!(ended.stdout.is_empty(), "{ended}");
        } else {
            ended.expect_code(0);
            assert_eq!(lost(&ended, &bootstrap, &topic), 0, "{ended}");
        }
    });
}

#[test]
fn a_cluster_that_is_not_there_is_named() {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let address = free.expect("a free port").to_string();
    let ended = start(&address, "none", &["--connect", "500"]).finish();
    ended.expect_code(69).expect_error(&address);
}
