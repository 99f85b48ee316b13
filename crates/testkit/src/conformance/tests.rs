//! The suites find what they are for: each defect of a component in memory fails its suite.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, mpsc};

use sluice_model::batch::{Message, Origin, Payload, Receipt, Settled};
use sluice_model::fault::Fault;
use sluice_model::time::Timestamp;
use sluice_model::types::{Field, Type};
use sluice_model::value::{Name, Record, Value};
use sluice_sdk::connection::{
    BatchFault, CallShape, Delivery, DynCall, DynSink, DynSource, PositionMark, Positions,
    Promises, Request, Response, Row, SinkShape, SourceShape,
};
use sluice_sdk::cx::{BoxFuture, Cx};
use sluice_sdk::registry::Info;

use super::{CallHarness, SinkHarness, SourceHarness};

const INFO: Info = Info {
    name: "memory",
    summary: "",
    example: "",
};

/// What is wrong with a component.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Defect {
    None,
    LosesOne,
    DoublesOnRepeat,
    FailsAll,
    NeverAgain,
    ForgetsPosition,
    OutOfOrder,
    WritesWhenReading,
    LeaksPermits,
    TakesAnything,
}

type Shelf = Arc<Mutex<Vec<i64>>>;

/// Runs a suite and returns why it failed; `None` if it passed.
fn failure(suite: impl AsyncFnOnce(&Cx)) -> Option<String> {
    let run = std::panic::AssertUnwindSafe(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime can be built");
        runtime.block_on(async {
            let (cx, _owner, _log) = crate::cx(0);
            suite(&cx).await;
        });
    });
    let panic = std::panic::catch_unwind(run).err()?;
    let text = panic.downcast_ref::<String>().cloned();
    Some(text.unwrap_or_else(|| (*panic.downcast_ref::<&str>().unwrap_or(&"")).to_owned()))
}

#[derive(Clone)]
struct MemorySink(Shelf, Defect);

impl DynSink for MemorySink {
    fn info(&self) -> Info {
        INFO
    }
    fn shape(&self) -> SinkShape {
        SinkShape {
            row: Type::int(),
            idempotent: true,
            named: false,
        }
    }
    fn fresh(&self) -> Box<dyn DynSink> {
        Box::new(self.clone())
    }
    fn open<'a>(&'a mut self, _: &'a Cx) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async { Ok(()) })
    }
    fn write<'a>(
        &'a mut self,
        rows: &'a [Row],
        _: &'a Cx,
    ) -> BoxFuture<'a, Result<(), BatchFault>> {
        Box::pin(async {
            let mut shelf = self.0.lock().expect("no test panics there");
            let mut failed = Vec::new();
            for (index, row) in rows.iter().enumerate() {
                match row.value.as_i64() {
                    Some(3) if self.1 == Defect::LosesOne => {}
                    Some(n) if shelf.contains(&n) && self.1 != Defect::DoublesOnRepeat => {}
                    Some(n) => shelf.push(n),
                    None => failed.push((index, Fault::invalid("not a number"))),
                }
            }
            match (failed.pop(), self.1) {
                (None, _) => Ok(()),
                (Some((_, fault)), Defect::FailsAll) => Err(BatchFault::All(fault)),
                (Some(failed), _) => Err(BatchFault::Rows(vec![failed])),
            }
        })
    }
    fn finish<'a>(&'a mut self, _: &'a str, _: &'a Cx) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async { Ok(()) })
    }
    fn close<'a>(&'a mut self, _: &'a Cx) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async { Ok(()) })
    }
}

#[test]
fn sinks() {
    let row = |value| Row {
        value,
        name: None,
        key: None,
        group: None,
    };
    let run = |defect| {
        let shelf = Shelf::default();
        failure(async |cx: &Cx| {
            let harness = SinkHarness {
                sink: Box::new(MemorySink(Arc::clone(&shelf), defect)),
                row: Box::new(move |n| row(Value::Int(n as i64))),
                bad: Some(row(Value::Null)),
                group: None,
                found: Box::new(|| {
                    let shelf = shelf.lock().expect("no test panics there");
                    shelf.iter().map(i64::to_string).collect()
                }),
            };
            super::sink(harness, cx).await;
        })
    };
    assert_eq!(run(Defect::None), None);
    for defect in [Defect::LosesOne, Defect::DoublesOnRepeat, Defect::FailsAll] {
        assert!(run(defect).is_some(), "{defect:?} is not found");
    }
}

/// Where a delivery began, and whether it was acknowledged.
type Settlement = (usize, bool);

/// Reads the shelf in fours; a position is how many were read.
struct MemorySource {
    shelf: Shelf,
    defect: Defect,
    read: usize,
    again: VecDeque<usize>,
    settled: (mpsc::SyncSender<Settlement>, mpsc::Receiver<Settlement>),
}

/// `mpsc::Receiver` is not `Sync`; the source is only used by one task.
struct Lonely(Mutex<MemorySource>);

impl MemorySource {
    fn lonely(shelf: Shelf, defect: Defect) -> Lonely {
        Lonely(Mutex::new(Self {
            shelf,
            defect,
            read: 0,
            again: VecDeque::new(),
            settled: mpsc::sync_channel(1000),
        }))
    }

    fn delivery(&mut self) -> Option<Delivery> {
        while let Ok((at, acked)) = self.settled.1.try_recv() {
            if !acked && self.defect != Defect::NeverAgain {
                self.again.push_back(at);
            }
        }
        let shelf = self.shelf.lock().expect("no test panics there").clone();
        let at = self.again.pop_front().or_else(|| {
            let at = self.read;
            self.read = (at + 4).min(shelf.len());
            (at < shelf.len()).then_some(at)
        })?;
        let mut numbers = shelf[at..shelf.len().min(at + 4)].to_vec();
        match self.defect {
            Defect::OutOfOrder => numbers.reverse(),
            Defect::LosesOne => numbers.truncate(3),
            _ => {}
        }
        let message = |n| Message {
            payload: Payload::Value(Value::Int(n)),
            origin: Origin::Manual,
            params: None,
            headers: None,
            received: Timestamp(0),
        };
        let settled = self.settled.0.clone();
        let position = match self.defect {
            Defect::ForgetsPosition => None,
            _ => Some(PositionMark {
                key: "shelf".into(),
                value: Some(Value::Int((at + 4) as i64)),
            }),
        };
        Some(Delivery {
            messages: numbers.into_iter().map(message).collect(),
            receipt: Receipt::new(move |how| {
                // The source may be gone.
                let _ = settled.send((at, matches!(how, Settled::Ack)));
            }),
            position,
            reply: None,
            group_end: None,
        })
    }
}

impl DynSource for Lonely {
    fn info(&self) -> Info {
        INFO
    }
    fn shape(&self) -> SourceShape {
        SourceShape {
            payload: Type::int(),
            params: None,
            meta: Type::open_record(),
            reply: None,
        }
    }
    fn promises(&self) -> Promises {
        Promises {
            ordered: true,
            redelivers: true,
            replies: false,
            finite: false,
        }
    }
    fn fresh(&self) -> Box<dyn DynSource> {
        let own = self.0.lock().expect("no test panics there");
        Box::new(MemorySource::lonely(Arc::clone(&own.shelf), own.defect))
    }
    fn open<'a>(
        &'a mut self,
        positions: Arc<dyn Positions>,
        _: &'a Cx,
    ) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move {
            let position = positions.get("shelf").await?.and_then(|at| at.as_i64());
            let own = self.0.get_mut().expect("no test panics there");
            own.read = usize::try_from(position.unwrap_or(0)).expect("it was stored");
            Ok(())
        })
    }
    fn next<'a>(&'a mut self, cx: &'a Cx) -> BoxFuture<'a, Result<Option<Delivery>, Fault>> {
        Box::pin(async move {
            loop {
                let own = self.0.get_mut().expect("no test panics there");
                if let Some(delivery) = own.delivery() {
                    return Ok(Some(delivery));
                }
                cx.sleep(std::time::Duration::from_secs(1)).await;
            }
        })
    }
    fn close<'a>(&'a mut self, _: &'a Cx) -> BoxFuture<'a, ()> {
        Box::pin(async {})
    }
}

#[test]
fn sources() {
    let run = |defect| {
        let shelf = Shelf::default();
        failure(async |cx: &Cx| {
            let harness = SourceHarness {
                source: Box::new(MemorySource::lonely(Arc::clone(&shelf), defect)),
                produce: Box::new(|numbers| {
                    let mut shelf = shelf.lock().expect("no test panics there");
                    *shelf = numbers.map(|n| n as i64).collect();
                }),
                messages: 20,
                number: |message| match &message.payload {
                    Payload::Value(value) => value.as_i64().unwrap_or(-1) as usize,
                    Payload::Unread { .. } => usize::MAX,
                },
            };
            super::source(harness, cx).await;
        })
    };
    assert_eq!(run(Defect::None), None);
    let defects = [
        Defect::LosesOne,
        Defect::NeverAgain,
        Defect::ForgetsPosition,
        Defect::OutOfOrder,
    ];
    for defect in defects {
        assert!(run(defect).is_some(), "{defect:?} is not found");
    }
}

struct MemoryCall {
    shelf: Mutex<BTreeMap<i64, i64>>,
    permits: tokio::sync::Semaphore,
    defect: Defect,
}

impl DynCall for MemoryCall {
    fn info(&self) -> Info {
        INFO
    }
    fn shape(&self) -> CallShape {
        CallShape {
            params: Type::record(vec![Field {
                name: Name::new("n"),
                ty: Type::int(),
                required: true,
            }]),
            body: None,
            result: Type::int(),
            optional: false,
            faults: Vec::new(),
            reads: self.defect == Defect::WritesWhenReading,
            idempotent: true,
            keyed: false,
        }
    }
    fn call<'a>(&'a self, request: Request, _: &'a Cx) -> BoxFuture<'a, Result<Response, Fault>> {
        Box::pin(async move {
            let permit = self.permits.acquire().await;
            let permit = permit.map_err(|_| Fault::internal("closed"))?;
            if self.defect == Defect::LeaksPermits {
                permit.forget();
            }
            tokio::task::yield_now().await;
            let n = request.params.get_str("n").and_then(Value::as_i64);
            let n = match (n, self.defect) {
                (None, Defect::TakesAnything) => 0,
                (None, _) => return Err(Fault::invalid("`n` is missing")),
                (Some(_), defect)
                    if request.params.len() > 1 && defect != Defect::TakesAnything =>
                {
                    return Err(Fault::invalid("what is that"));
                }
                (Some(n), _) => n,
            };
            let mut shelf = self.shelf.lock().expect("no test panics there");
            let value = shelf.entry(n).or_default();
            *value = match self.defect {
                Defect::DoublesOnRepeat => *value + 1,
                _ => 1,
            };
            if self.defect == Defect::LeaksPermits {
                self.permits.add_permits(1);
            }
            Ok(Response {
                status: None,
                body: Some(Value::Int(*value)),
            })
        })
    }
}

#[test]
fn calls() {
    let run = |defect| {
        failure(async |cx: &Cx| {
            let call = Arc::new(MemoryCall {
                shelf: Mutex::default(),
                permits: tokio::sync::Semaphore::new(8),
                defect,
            });
            let harness = CallHarness {
                call: Arc::clone(&call) as Arc<dyn DynCall>,
                request: Box::new(|n| Request {
                    params: Record::from_iter([(Name::new("n"), Value::Int(n as i64))]),
                    ..Request::default()
                }),
                state: Box::new(|| format!("{:?}", call.shelf.lock().expect("no panic"))),
            };
            super::call(harness, cx).await;
        })
    };
    assert_eq!(run(Defect::None), None);
    let defects = [
        Defect::DoublesOnRepeat,
        Defect::WritesWhenReading,
        Defect::LeaksPermits,
        Defect::TakesAnything,
    ];
    for defect in defects {
        assert!(run(defect).is_some(), "{defect:?} is not found");
    }
}
