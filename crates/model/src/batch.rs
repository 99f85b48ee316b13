//! Messages, batches and receipts: what travels from a source to a sink.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::fault::Fault;
use crate::time::Timestamp;
use crate::value::{Record, Text, Value};

/// One message.
#[derive(Debug, Clone)]
pub struct Message {
    /// What it holds, or why that could not be read.
    pub payload: Payload,
    /// Where it came from.
    pub origin: Origin,
    /// What `$params` gives: an operation's parameters.
    pub params: Option<Arc<Record<'static>>>,
    /// What `$meta` gives beside the origin: header fields and the like.
    pub headers: Option<Arc<Record<'static>>>,
    /// When it came.
    pub received: Timestamp,
}

/// What a message holds.
#[derive(Debug, Clone)]
pub enum Payload {
    /// A value.
    Value(Value<'static>),
    /// Bytes that could not be read as what they should be, and why: a dead letter from the start.
    Unread {
        /// The bytes as they came.
        raw: Arc<[u8]>,
        /// Why they could not be read; its context has the place.
        fault: Fault,
    },
}

/// Where a message came from: what the run record shows and search finds.
#[derive(Debug, Clone, PartialEq)]
pub enum Origin {
    /// A request to an API: its id.
    Request(Text<'static>),
    /// A record of a file.
    Record {
        /// The file's path, relative to its connection.
        file: Arc<str>,
        /// The line on which the record begins, from 1.
        line: u64,
        /// The offset of the record's first byte.
        offset: u64,
    },
    /// A whole file.
    File(Arc<str>),
    /// A tick of a timer: the instant that was scheduled.
    Tick(Timestamp),
    /// Another run, by `run`.
    Run(crate::ids::RunId),
    /// A dead letter that was sent again.
    DeadLetter(u64),
    /// A command line or a test.
    Manual,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Origin::Request(id) => write!(f, "request {id}"),
            Origin::Record { file, line, .. } => write!(f, "{file}:{line}"),
            Origin::File(file) => f.write_str(file),
            Origin::Tick(at) => write!(f, "tick {at}"),
            Origin::Run(id) => write!(f, "run {id}"),
            Origin::DeadLetter(id) => write!(f, "dead letter {id}"),
            Origin::Manual => f.write_str("manual"),
        }
    }
}

/// Messages that travel together.
pub type Batch = Vec<Message>;

/// How a delivery ended.
#[derive(Debug, Clone)]
pub enum Settled {
    /// Everything is done: the source may forget it.
    Ack,
    /// Something could not be done nor kept: the source has to give it again.
    Nack(Fault),
}

/// The right, and the duty, to settle a delivery exactly once.
///
/// [`Receipt::ack`] and [`Receipt::nack`] consume it; dropping it is a nack. A receipt that is
/// split acks when all its parts did, and nacks once with the first fault when all are settled and
/// one of them nacked.
#[must_use = "a receipt that is dropped is a nack"]
pub struct Receipt(Option<Arc<Shared>>);

struct Shared {
    open: AtomicUsize,
    state: Mutex<State>,
}

struct State {
    fault: Option<Fault>,
    settle: Option<Box<dyn FnOnce(Settled) + Send>>,
}

impl Receipt {
    /// Returns a receipt that calls `settle` exactly once.
    pub fn new(settle: impl FnOnce(Settled) + Send + 'static) -> Self {
        let state = Mutex::new(State {
            fault: None,
            settle: Some(Box::new(settle)),
        });
        Self(Some(Arc::new(Shared {
            open: AtomicUsize::new(1),
            state,
        })))
    }

    /// Returns a receipt that nobody waits for.
    pub fn nobody() -> Self {
        Self::new(|_| {})
    }

    /// Settles as done.
    pub fn ack(mut self) {
        if let Some(shared) = self.0.take() {
            shared.settle(None);
        }
    }

    /// Settles as not done.
    pub fn nack(mut self, fault: Fault) {
        if let Some(shared) = self.0.take() {
            shared.settle(Some(fault));
        }
    }

    /// Splits into `parts` receipts, all of which have to be settled; acks at once if `parts` is 0.
    pub fn split(mut self, parts: usize) -> Vec<Receipt> {
        let Some(shared) = self.0.take() else {
            return Vec::new();
        };
        if parts == 0 {
            shared.settle(None);
            return Vec::new();
        }
        shared.open.fetch_add(parts - 1, Ordering::AcqRel);
        (0..parts)
            .map(|_| Receipt(Some(Arc::clone(&shared))))
            .collect()
    }
}

impl Shared {
    fn settle(&self, fault: Option<Fault>) {
        let mut state = self
            .state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if state.fault.is_none() {
            state.fault = fault;
        }
        if self.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            let settled = state.fault.take().map_or(Settled::Ack, Settled::Nack);
            let settle = state.settle.take();
            drop(state);
            if let Some(settle) = settle {
                settle(settled);
            }
        }
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if let Some(shared) = self.0.take() {
            shared.settle(Some(Fault::internal(
                "the delivery was dropped before it was settled",
            )));
        }
    }
}

impl std::fmt::Debug for Receipt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Receipt")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::{Receipt, Settled};
    use crate::fault::Fault;

    fn receipt() -> (Receipt, mpsc::Receiver<Settled>) {
        let (tx, rx) = mpsc::channel();
        (
            Receipt::new(move |settled| tx.send(settled).expect("the test listens")),
            rx,
        )
    }

    #[test]
    fn acks_once_when_all_parts_did() {
        let (one, settled) = receipt();
        let mut parts = one.split(3);
        parts.remove(0).ack();
        let more = parts.remove(0).split(2);
        parts.remove(0).ack();
        assert!(settled.try_recv().is_err(), "two parts are open");
        more.into_iter().for_each(Receipt::ack);
        assert!(matches!(settled.try_recv(), Ok(Settled::Ack)));
        assert!(settled.try_recv().is_err(), "settled once");
    }

    #[test]
    fn nacks_with_the_first_fault_after_the_last_part() {
        let (one, settled) = receipt();
        let mut parts = one.split(3);
        parts.remove(0).nack(Fault::invalid("first"));
        drop(parts.remove(0));
        assert!(settled.try_recv().is_err(), "one part is open");
        parts.remove(0).ack();
        match settled.try_recv() {
            Ok(Settled::Nack(fault)) => assert_eq!(fault.public(), "first"),
            other => panic!("expected a nack, got {other:?}"),
        }
    }

    #[test]
    fn dropping_is_a_nack() {
        let (one, settled) = receipt();
        drop(one);
        assert!(matches!(settled.try_recv(), Ok(Settled::Nack(_))));
    }

    #[test]
    fn no_parts_is_an_ack() {
        let (one, settled) = receipt();
        assert!(one.split(0).is_empty());
        assert!(matches!(settled.try_recv(), Ok(Settled::Ack)));
    }
}
