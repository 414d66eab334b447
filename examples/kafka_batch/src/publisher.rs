//! Owns the Kafka producer. INVARIANT: once it is closed nothing is sent, and all that was sent before
//! has been confirmed or refused, unless that took too long.

use std::error::Error;
use std::fmt;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use crossbeam_channel::{Sender, bounded};
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use workcrew::interrupt;

/// How long to wait for room among the records that the client holds.
const FULL: Duration = Duration::from_millis(5);

/// What Kafka says of a record.
type Verdict = Result<(), KafkaError>;

type Record<'a> = BaseRecord<'a, String, String, Box<Sender<Verdict>>>;

/// Passes each verdict on to the job that waits for it.
struct Verdicts;

impl ClientContext for Verdicts {}

impl ProducerContext for Verdicts {
    type DeliveryOpaque = Box<Sender<Verdict>>;

    fn delivery(&self, result: &DeliveryResult<'_>, waiting: Self::DeliveryOpaque) {
        let verdict = result.as_ref().map(|_| ()).map_err(|(error, _)| error.clone());
        // A job that was interrupted does not wait any more.
        drop(waiting.send(verdict));
    }
}

/// Publishes records; closed when dropped.
pub(crate) struct Publisher {
    topic: String,
    delivery: Duration,
    producer: RwLock<Option<ThreadedProducer<Verdicts>>>,
}

/// Why a record was not published, or not for certain.
#[derive(Debug)]
pub(crate) enum PublishError {
    Closed,
    Kafka(KafkaError),
    /// It was sent, and no verdict came.
    Silent,
    /// It was sent, and the job did not wait for the verdict.
    Interrupted,
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("cannot send after the producer is closed"),
            Self::Kafka(error) => error.fmt(f),
            Self::Silent => f.write_str("Kafka has neither confirmed nor refused it"),
            Self::Interrupted => f.write_str("interrupted before Kafka had confirmed it"),
        }
    }
}

impl Publisher {
    pub(crate) fn connect(
        bootstrap: &str,
        topic: &str,
        connect: Duration,
        delivery: Duration,
    ) -> Result<Self, Box<dyn Error>> {
        let producer: ThreadedProducer<Verdicts> = ClientConfig::new()
            .set("bootstrap.servers", bootstrap)
            .set("enable.idempotence", "true")
            .set("linger.ms", "2")
            .set("message.timeout.ms", delivery.as_millis().to_string())
            // A broker that has gone without a word is not waited for any longer than a record.
            .set("socket.timeout.ms", delivery.as_millis().clamp(10, 60_000).to_string())
            .create_with_context(Verdicts)?;
        producer
            .client()
            .fetch_metadata(Some(topic), connect)
            .map_err(|error| format!("no Kafka broker at {bootstrap}: {error}"))?;
        let producer = RwLock::new(Some(producer));
        Ok(Self { topic: topic.to_owned(), delivery, producer })
    }

    /// Sends the record, and waits until Kafka has it.
    pub(crate) fn publish(&self, number: u32) -> Result<(), PublishError> {
        let (waiting, verdict) = bounded(1);
        let (key, payload) = (number.to_string(), format!("event {number}"));
        let opaque = Box::new(waiting);
        let mut record =
            BaseRecord::with_opaque_to(&self.topic, opaque).key(&key).payload(&payload);
        while let Some(refused) = self.send(record)? {
            interrupt::sleep(FULL).map_err(|_| PublishError::Interrupted)?;
            record = refused;
        }
        match interrupt::recv_timeout(&verdict, self.delivery.saturating_mul(4)) {
            Ok(verdict) => verdict.map_err(PublishError::Kafka),
            Err(interrupt::RecvTimeoutError::Interrupted) => Err(PublishError::Interrupted),
            // A broker that goes down can leave the client waiting beyond its own time limit.
            Err(interrupt::RecvTimeoutError::TimedOut) => Err(PublishError::Silent),
            // Whoever closed the producer did not wait for the verdict.
            Err(interrupt::RecvTimeoutError::Disconnected) => Err(PublishError::Closed),
        }
    }

    /// Hands the record to the client; gives it back if the client has no room.
    fn send<'a>(&self, record: Record<'a>) -> Result<Option<Record<'a>>, PublishError> {
        let producer = self.producer.read().unwrap_or_else(PoisonError::into_inner);
        let producer = producer.as_ref().ok_or(PublishError::Closed)?;
        match producer.send(record) {
            Ok(()) => Ok(None),
            Err((error, record)) if is_full(&error) => Ok(Some(record)),
            Err((error, _)) => Err(PublishError::Kafka(error)),
        }
    }

    /// Sends nothing any more, and waits for the verdicts on what was sent.
    #[expect(clippy::print_stdout, clippy::print_stderr, reason = "the end is shown")]
    pub(crate) fn close(&self) {
        let producer = self.producer.write().unwrap_or_else(PoisonError::into_inner).take();
        let Some(producer) = producer else { return };
        match producer.flush(self.delivery) {
            Ok(()) => println!("the producer is closed"),
            Err(error) => eprintln!("the producer is closed without its last verdicts: {error}"),
        }
    }
}

fn is_full(error: &KafkaError) -> bool {
    error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull)
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.close();
    }
}
