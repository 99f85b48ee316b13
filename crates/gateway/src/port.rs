//! Between a connection that waits and the flow that answers: a bounded queue of requests, and the
//! source that gives them to the engine.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::StatusCode;
use sluice_model::batch::{Message, Origin, Payload, Receipt, Settled};
use sluice_model::fault::{Fault, FaultCode};
use sluice_model::operation::{HttpOperation, ParamPlace, StatusRange};
use sluice_model::types::{Field, Kind, Type};
use sluice_model::value::{Name, Record, Text};
use sluice_sdk::connection::{
    Delivery, DynSource, Positions, Promises, Reply, ReplyShape, ReplyTo, SourceShape,
};
use sluice_sdk::cx::{BoxFuture, Cx};
use sluice_sdk::registry::Info;
use tokio::sync::{Notify, oneshot};

use crate::problem::Problem;
use crate::stdx::lock;

/// The requests of one operation that wait for its flow.
#[derive(Debug)]
pub(crate) struct Port {
    waiting: Mutex<Waiting>,
    fresh: Notify,
    waiting_max: usize,
}

#[derive(Debug, Default)]
struct Waiting {
    queue: VecDeque<Asked>,
    /// Whether the flow has stopped reading for good.
    closed: bool,
}

/// A request on its way to the flow.
#[derive(Debug)]
struct Asked {
    message: Message,
    answer: oneshot::Sender<Reply>,
}

impl Port {
    pub fn new(waiting_max: usize) -> Self {
        Self {
            waiting: Mutex::default(),
            fresh: Notify::new(),
            waiting_max,
        }
    }

    /// Hands a request to the flow and waits for its answer.
    ///
    /// # Errors
    /// 503 if too many wait or the flow has stopped, 504 if it does not answer in `time`.
    pub async fn ask(&self, message: Message, time: Duration, cx: &Cx) -> Result<Reply, Problem> {
        let (answer, answered) = oneshot::channel();
        let asked = Asked { message, answer };
        {
            let mut waiting = lock(&self.waiting);
            if waiting.closed {
                return Err(Problem::unavailable("the operation is being stopped"));
            }
            if self.waiting_max <= waiting.queue.len() {
                return Err(Problem::unavailable(
                    "too many requests are waiting; come again",
                ));
            }
            waiting.queue.push_back(asked);
        }
        self.fresh.notify_one();
        match cx.timeout(time, answered).await {
            Some(Ok(reply)) => Ok(reply),
            Some(Err(_)) => Err(Problem::unavailable("the operation is being stopped")),
            None => {
                let text = "the operation did not answer in time";
                Err(Problem::new(
                    StatusCode::GATEWAY_TIMEOUT,
                    FaultCode::TIMEOUT,
                    text,
                ))
            }
        }
    }

    /// Takes the request that waits longest; those whose caller has given up are forgotten: nothing
    /// was done for them yet.
    async fn take(&self) -> Asked {
        loop {
            let fresh = self.fresh.notified();
            {
                let mut waiting = lock(&self.waiting);
                while let Some(asked) = waiting.queue.pop_front() {
                    if asked.answer.is_closed() {
                        continue;
                    }
                    if !waiting.queue.is_empty() {
                        // There may be another reader, and a notice is not counted.
                        self.fresh.notify_one();
                    }
                    return asked;
                }
            }
            fresh.await;
        }
    }

    fn open(&self) {
        lock(&self.waiting).closed = false;
    }

    /// Refuses what waits, and what will come.
    fn close(&self) {
        let mut waiting = lock(&self.waiting);
        waiting.closed = true;
        let queue = std::mem::take(&mut waiting.queue);
        drop(waiting);
        drop(queue);
    }
}

/// Answers once, whoever is first: the flow, or what became of the delivery.
#[derive(Debug, Clone)]
struct Once(Arc<Mutex<Option<oneshot::Sender<Reply>>>>);

impl Once {
    fn send(&self, reply: Reply) {
        if let Some(answer) = lock(&self.0).take() {
            // A caller that has gone does not matter to the flow.
            let _ = answer.send(reply);
        }
    }
}

/// Answers with an internal fault when it is dropped before an answer was sent.
struct OrFault(Once);

impl Drop for OrFault {
    fn drop(&mut self) {
        self.0.send(Reply::Fault(Fault::internal(
            "the request could not be answered",
        )));
    }
}

impl Asked {
    fn into_delivery(self) -> Delivery {
        let once = Once(Arc::new(Mutex::new(Some(self.answer))));
        let settled = once.clone();
        let guard = OrFault(once);
        Delivery {
            messages: vec![self.message],
            receipt: Receipt::new(move |how| match how {
                Settled::Ack => {}
                Settled::Nack(fault) => settled.send(Reply::Fault(fault)),
            }),
            position: None,
            reply: Some(ReplyTo::new(move |reply| guard.0.send(reply))),
            group_end: None,
        }
    }
}

/// Gives a flow the requests of its operation.
pub(crate) struct ApiSource {
    port: Arc<Port>,
    operation: Arc<HttpOperation>,
    opened: bool,
}

impl ApiSource {
    pub fn new(port: Arc<Port>, operation: Arc<HttpOperation>) -> Self {
        Self {
            port,
            operation,
            opened: false,
        }
    }
}

impl DynSource for ApiSource {
    fn info(&self) -> Info {
        Info {
            name: "api",
            summary: "Requests to an operation of an API of this project.",
            example: "from: { api: orders#createOrder }",
        }
    }

    fn shape(&self) -> SourceShape {
        shape(&self.operation)
    }

    fn promises(&self) -> Promises {
        Promises {
            ordered: false,
            redelivers: false,
            replies: true,
            finite: false,
        }
    }

    fn fresh(&self) -> Box<dyn DynSource> {
        let (port, operation) = (Arc::clone(&self.port), Arc::clone(&self.operation));
        Box::new(Self::new(port, operation))
    }

    fn open<'a>(
        &'a mut self,
        _positions: Arc<dyn Positions>,
        _cx: &'a Cx,
    ) -> BoxFuture<'a, Result<(), Fault>> {
        self.port.open();
        self.opened = true;
        Box::pin(async { Ok(()) })
    }

    fn next<'a>(&'a mut self, _cx: &'a Cx) -> BoxFuture<'a, Result<Option<Delivery>, Fault>> {
        Box::pin(async { Ok(Some(self.port.take().await.into_delivery())) })
    }

    fn close<'a>(&'a mut self, _cx: &'a Cx) -> BoxFuture<'a, ()> {
        self.opened = false;
        self.port.close();
        Box::pin(async {})
    }
}

impl Drop for ApiSource {
    fn drop(&mut self) {
        // A flow that dies must not leave callers waiting.
        if self.opened {
            self.port.close();
        }
    }
}

/// Returns what messages an operation gives and what its caller may be answered: what the compiler
/// types the flow with.
fn shape(operation: &HttpOperation) -> SourceShape {
    let payload = match &operation.body {
        Some(body) if body.required => body.ty.clone(),
        Some(body) => body.ty.clone().or_null(),
        None => Type::null(),
    };
    let given = operation
        .params
        .iter()
        .filter(|p| p.place != ParamPlace::Cookie);
    let params = given.map(|param| field(&param.name, param.ty.clone(), param.required));
    let answers = operation.responses.iter().map(|response| {
        let body = response.body.as_ref().map(|body| body.ty.clone());
        (response.status, body)
    });
    let answers: Vec<(StatusRange, Option<Type>)> = answers.collect();
    let map = Type::new(Kind::Map(Arc::new(Type::text())));
    SourceShape {
        payload,
        params: Some(Type::record(params.collect())),
        meta: Type::record(vec![
            field("request", Type::text(), true),
            field("method", Type::text(), true),
            field("path", Type::text(), true),
            field("headers", map, true),
        ]),
        reply: Some(ReplyShape {
            default_status: operation.success().0,
            answers,
        }),
    }
}

fn field(name: &str, ty: Type, required: bool) -> Field {
    Field {
        name: Name::new(name),
        ty,
        required,
    }
}

/// Returns the message of a request.
pub(crate) fn message(
    checked: crate::request::Checked,
    id: Text<'static>,
    meta: Record<'static>,
    cx: &Cx,
) -> Message {
    Message {
        payload: Payload::Value(checked.payload),
        origin: Origin::Request(id),
        params: Some(Arc::new(checked.params)),
        headers: Some(Arc::new(meta)),
        received: cx.now(),
    }
}
