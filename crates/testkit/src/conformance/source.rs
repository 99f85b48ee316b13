//! The suite of sources.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use sluice_model::batch::Message;
use sluice_model::fault::Fault;
use sluice_sdk::connection::{Delivery, DynSource};
use sluice_sdk::cx::Cx;

use super::poll_once;
use crate::positions::MemoryPositions;

/// How long the suite waits, by the context's clock, before it says that nothing comes.
const PATIENCE: Duration = Duration::from_secs(600);

/// A source and what the suite has to know of the outside.
pub struct SourceHarness<'h> {
    /// The source, not opened. It gives some messages at a time, not all at once.
    pub source: Box<dyn DynSource>,
    /// Puts messages with these numbers there, to be read in this order.
    pub produce: Box<dyn Fn(std::ops::Range<usize>) + 'h>,
    /// How many messages each part of the suite puts there: so many that they come in three
    /// deliveries at least.
    pub messages: usize,
    /// Returns the number of a message.
    pub number: fn(&Message) -> usize,
}

impl SourceHarness<'_> {
    fn numbers(&self, part: usize) -> std::ops::Range<usize> {
        part * self.messages..(part + 1) * self.messages
    }
}

/// Runs the suite.
///
/// # Panics
/// If the source does not do what it promises.
pub async fn source(harness: SourceHarness<'_>, cx: &Cx) {
    let promises = harness.source.promises();
    reads_all_once(&harness, 0, cx).await;
    leaving_callers_lose_nothing(&harness, 1, cx).await;
    if promises.redelivers {
        redelivers_after_nack(&harness, 2, cx).await;
        goes_on_after_a_restart(&harness, 3, cx).await;
    }
}

/// One opened source, and the engine's part: positions.
struct Reading<'h> {
    source: Box<dyn DynSource>,
    positions: MemoryPositions,
    number: fn(&Message) -> usize,
    cx: &'h Cx,
}

impl<'h> Reading<'h> {
    async fn open(harness: &SourceHarness<'h>, positions: &MemoryPositions, cx: &'h Cx) -> Self {
        let mut source = harness.source.fresh();
        let shared = Arc::new(positions.clone());
        let opened = source.open(shared, cx).await;
        opened.unwrap_or_else(|fault| panic!("the source cannot open: {}", fault.private()));
        Self {
            source,
            positions: positions.clone(),
            number: harness.number,
            cx,
        }
    }

    async fn next(&mut self) -> Option<Delivery> {
        let next = self.cx.timeout(PATIENCE, self.source.next(self.cx)).await?;
        next.unwrap_or_else(|fault| panic!("the source fails: {}", fault.private()))
    }

    fn numbers(&self, delivery: &Delivery) -> Vec<usize> {
        delivery.messages.iter().map(self.number).collect()
    }

    /// Acknowledges as the engine does, deliveries being acknowledged in order.
    fn ack(&self, delivery: Delivery) {
        if let Some(mark) = &delivery.position {
            self.positions.commit(mark);
        }
        delivery.receipt.ack();
    }

    /// Reads until `count` different messages came, acknowledges all, and returns their numbers.
    async fn read(&mut self, count: usize) -> Vec<usize> {
        let mut seen = Vec::new();
        while seen.iter().collect::<BTreeSet<_>>().len() < count {
            let delivery = self.next().await;
            let delivery = delivery
                .unwrap_or_else(|| panic!("{count} messages are there, only {seen:?} came"));
            seen.extend(self.numbers(&delivery));
            self.ack(delivery);
        }
        seen
    }

    /// Makes sure that nothing more comes; a delivery without messages may.
    async fn rest(mut self) {
        while let Some(delivery) = self.next().await {
            let numbers = self.numbers(&delivery);
            assert_eq!(numbers, [0; 0], "messages come that nobody has sent");
            self.ack(delivery);
        }
        self.source.close(self.cx).await;
    }
}

async fn reads_all_once(harness: &SourceHarness<'_>, part: usize, cx: &Cx) {
    (harness.produce)(harness.numbers(part));
    let mut reading = Reading::open(harness, &MemoryPositions::default(), cx).await;
    let mut seen = reading.read(harness.messages).await;
    if !harness.source.promises().ordered {
        seen.sort_unstable();
    }
    assert_eq!(
        seen,
        harness.numbers(part).collect::<Vec<_>>(),
        "each message comes once, in its order where that is promised"
    );
    reading.rest().await;
}

async fn leaving_callers_lose_nothing(harness: &SourceHarness<'_>, part: usize, cx: &Cx) {
    (harness.produce)(harness.numbers(part));
    let mut reading = Reading::open(harness, &MemoryPositions::default(), cx).await;
    let mut seen = Vec::new();
    while seen.len() < harness.messages {
        let early = poll_once(reading.source.next(cx)).await;
        let delivery = match early {
            Some(delivery) => delivery.expect("the source works"),
            None => reading.next().await,
        };
        let delivery = delivery.expect("messages are there");
        seen.extend(reading.numbers(&delivery));
        reading.ack(delivery);
    }
    seen.sort_unstable();
    assert_eq!(
        seen,
        harness.numbers(part).collect::<Vec<_>>(),
        "a caller that left early lost or doubled messages"
    );
    reading.rest().await;
}

async fn redelivers_after_nack(harness: &SourceHarness<'_>, part: usize, cx: &Cx) {
    (harness.produce)(harness.numbers(part));
    let mut reading = Reading::open(harness, &MemoryPositions::default(), cx).await;
    let first = reading.next().await.expect("messages are there");
    let nacked = reading.numbers(&first);
    first.receipt.nack(Fault::internal("the test refuses it"));
    let second = reading.next().await.expect("messages are there");
    let dropped = reading.numbers(&second);
    // A receipt that is dropped is a nack too.
    drop(second);
    let seen = reading.read(harness.messages).await;
    for number in nacked.iter().chain(&dropped) {
        assert!(seen.contains(number), "message {number} never came again");
    }
    reading.rest().await;
}

async fn goes_on_after_a_restart(harness: &SourceHarness<'_>, part: usize, cx: &Cx) {
    (harness.produce)(harness.numbers(part));
    let positions = MemoryPositions::default();
    let mut reading = Reading::open(harness, &positions, cx).await;
    let first = reading.next().await.expect("messages are there");
    let acked = reading.numbers(&first);
    assert!(
        acked.len() < harness.messages,
        "the harness's source gives all at once: the suite cannot test a restart"
    );
    reading.ack(first);
    let unsettled = reading.next().await.expect("messages are there");
    reading.source.close(cx).await;
    drop(unsettled);

    let mut reading = Reading::open(harness, &positions, cx).await;
    let seen = reading.read(harness.messages - acked.len()).await;
    for number in &acked {
        assert!(!seen.contains(number), "message {number} came again");
    }
    reading.rest().await;
}
