//! What the tests of this crate share: a contract, an API with flows, a client on a raw socket.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use sluice_compiler::release::{Api, ApiOperation};
use sluice_contracts::contract::{Contract, ContractFile};
use sluice_model::batch::Payload;
use sluice_model::fault::Fault;
use sluice_model::ids::{ApiName, FlowName};
use sluice_model::span::Sources;
use sluice_model::value::{Name, Record, Value};
use sluice_sdk::connection::{Answer, Delivery, DynSource, Positions, Reply};
use sluice_sdk::cx::{BoxFuture, CancelSource, Cx, Task, TokioRuntime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::front::Front;
use crate::limits::FrontLimits;

/// The contract of the tests.
pub(crate) const ORDERS: &str = r##"
openapi: 3.1.0
info: { title: Orders, version: "1" }
paths:
  /orders:
    post:
      operationId: createOrder
      requestBody:
        required: true
        content: { application/json: { schema: { $ref: "#/components/schemas/Order" } } }
      responses:
        "201":
          description: Booked.
          content: { application/json: { schema: { $ref: "#/components/schemas/Booked" } } }
        "422":
          description: Refused.
          content:
            application/json:
              schema: { type: object, required: [reason], properties: { reason: { type: string } } }
    get:
      operationId: listOrders
      parameters:
        - { name: limit, in: query, schema: { type: integer, minimum: 1, maximum: 100 } }
        - { name: tag, in: query, schema: { type: array, items: { type: string } } }
        - { name: X-Tenant, in: header, required: true, schema: { type: string } }
      responses:
        "200":
          description: Some.
          content: { application/json: { schema: { type: array, items: { type: string } } } }
  /orders/latest:
    get: { operationId: latestOrder, responses: { "200": { description: One. } } }
  /orders/{id}:
    get:
      operationId: getOrder
      parameters: [ { name: id, in: path, required: true, schema: { type: integer } } ]
      responses:
        "200":
          description: One.
          content: { application/json: { schema: { $ref: "#/components/schemas/Booked" } } }
    delete:
      operationId: deleteOrder
      parameters: [ { name: id, in: path, required: true, schema: { type: integer } } ]
      responses: { "204": { description: Gone. } }
components:
  schemas:
    Order:
      type: object
      additionalProperties: false
      required: [id, qty]
      properties:
        id: { type: string, maxLength: 35 }
        qty: { type: integer, minimum: 1 }
        note: { type: string }
    Booked:
      type: object
      required: [id, number]
      properties: { id: {}, number: { type: string, pattern: "^SO-[0-9]{8}$" } }
"##;

/// Returns a context on the real clock that logs nothing.
pub(crate) fn cx() -> (Cx, CancelSource) {
    let runtime = TokioRuntime::system(Box::new(|_| None), Box::new(|_, _, _, _| {}));
    Cx::new(Arc::new(runtime))
}

pub(crate) fn contract(text: &str) -> Arc<Contract> {
    let mut sources = Sources::default();
    let id = sources.add("contracts/orders.openapi.yaml", text);
    let (contract, findings) = Contract::read(&ContractFile::of(&sources, id), &mut |_| None);
    assert!(!findings.has_errors(), "{findings:?}");
    Arc::new(contract)
}

/// Returns the API `orders` of the contract at `path`; these operations are served by flows.
pub(crate) fn apis(path: &str, served: &[&str]) -> BTreeMap<ApiName, Arc<Api>> {
    let contract = contract(ORDERS);
    let operations = contract.operations().iter().map(|operation| ApiOperation {
        operation: Arc::clone(operation),
        flow: served
            .contains(&&*operation.id)
            .then(|| FlowName::from("flow")),
    });
    let api = Api {
        name: ApiName::from("orders"),
        summary: None,
        owner: None,
        path: path.into(),
        operations: operations.collect(),
        span: contract.operations()[0].span,
        contract: Arc::clone(&contract),
    };
    BTreeMap::from([(api.name.clone(), Arc::new(api))])
}

struct NoPositions;

impl Positions for NoPositions {
    fn get<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<Value<'static>>, Fault>> {
        Box::pin(async { Ok(None) })
    }
}

/// Opens the source of an operation.
pub(crate) async fn open(
    front: &Front,
    apis: &BTreeMap<ApiName, Arc<Api>>,
    operation: &str,
    cx: &Cx,
) -> Box<dyn DynSource> {
    let name = ApiName::from("orders");
    let operation = apis[&name]
        .contract
        .operation(operation)
        .expect("the contract has it");
    let mut source = front.api_source(&name, operation).expect("it is installed");
    source.open(Arc::new(NoPositions), cx).await.expect("opens");
    source
}

/// Runs a flow that answers each request with `answer`.
pub(crate) fn flow(
    mut source: Box<dyn DynSource>,
    cx: &Cx,
    answer: impl Fn(Delivery) + Send + 'static,
) -> Task {
    let flow_cx = cx.clone();
    cx.spawn(async move {
        while let Ok(Some(delivery)) = source.next(&flow_cx).await {
            answer(delivery);
        }
    })
}

/// Answers with what came: payload, parameters and `$meta`.
pub(crate) fn echo(delivery: Delivery) {
    let message = delivery
        .messages
        .into_iter()
        .next()
        .expect("a request is a message");
    let Payload::Value(payload) = message.payload else {
        panic!("a request that cannot be read is no message");
    };
    let record = |record: Option<Arc<Record<'static>>>| {
        Value::Record(record.map(|record| (*record).clone()).unwrap_or_default())
    };
    let fields = [
        ("payload", payload),
        ("params", record(message.params)),
        ("meta", record(message.headers)),
    ];
    let fields = fields
        .into_iter()
        .map(|(name, value)| (Name::new(name), value));
    let answer = Answer {
        body: Some(Value::Record(fields.collect())),
        ..Answer::default()
    };
    delivery
        .reply
        .expect("a caller waits")
        .send(Reply::Answer(answer));
    delivery.receipt.ack();
}

/// A front with flows that echo.
pub(crate) struct Echoing {
    pub front: Front,
    pub apis: BTreeMap<ApiName, Arc<Api>>,
    pub cx: Cx,
    _flows: Vec<Task>,
    _owner: CancelSource,
}

/// Serves all operations but `deleteOrder` at `/shop/v1`.
pub(crate) async fn echoing(limits: FrontLimits) -> Echoing {
    let (cx, owner) = cx();
    let served = ["createOrder", "listOrders", "latestOrder", "getOrder"];
    let apis = apis("/shop/v1", &served);
    let front = Front::bind("127.0.0.1:0", limits, &cx).expect("a free port");
    front.install(&apis);
    let mut flows = Vec::new();
    for operation in served {
        let source = open(&front, &apis, operation, &cx).await;
        flows.push(flow(source, &cx, echo));
    }
    Echoing {
        front,
        apis,
        cx,
        _flows: flows,
        _owner: owner,
    }
}

/// A client that writes what it is told, byte by byte, and reads answers one by one.
pub(crate) struct Client {
    pub stream: TcpStream,
    read: Vec<u8>,
}

/// An answer as a client sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(':'));
        let mut own = fields.filter(|(field, _)| field.eq_ignore_ascii_case(name));
        own.next().map(|(_, value)| value.trim())
    }
}

impl Client {
    pub async fn new(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("connects");
        stream.set_nodelay(true).expect("a socket");
        Self {
            stream,
            read: Vec::new(),
        }
    }

    pub async fn send(&mut self, text: &str) {
        // A server that refuses may have closed already: what it answered is what counts.
        let _ = self.stream.write_all(text.as_bytes()).await;
    }

    /// Sends a request with a JSON body, or none, and returns the answer.
    pub async fn ask(&mut self, line: &str, fields: &str, body: &str) -> Seen {
        let content = match body {
            "" => String::new(),
            body => format!(
                "Content-Type: application/json\r\nContent-Length: {}\r\n",
                body.len()
            ),
        };
        let text = format!("{line} HTTP/1.1\r\nHost: a\r\n{content}{fields}\r\n{body}");
        self.send(&text).await;
        let head_only = line.starts_with("HEAD ");
        self.answer(head_only).await.expect("an answer")
    }

    async fn fill(&mut self) -> bool {
        let mut some = [0; 4096];
        match self.stream.read(&mut some).await {
            Ok(0) | Err(_) => false,
            Ok(read) => {
                self.read.extend_from_slice(&some[..read]);
                true
            }
        }
    }

    /// Reads the next answer; `None` if the connection ended.
    pub async fn answer(&mut self, head_only: bool) -> Option<Seen> {
        let end = loop {
            let end = self
                .read
                .windows(4)
                .position(|window| window == b"\r\n\r\n");
            match end {
                Some(end) => break end + 4,
                None if !self.fill().await => return None,
                None => {}
            }
        };
        let head = String::from_utf8(self.read.drain(..end).collect()).expect("a head is ASCII");
        let mut seen = Seen {
            status: head[9..12].parse().expect("a status"),
            head,
            body: String::new(),
        };
        let length = seen
            .header("content-length")
            .map_or(0, |text| text.parse().expect("a number"));
        let length = if head_only { 0 } else { length };
        while self.read.len() < length {
            assert!(self.fill().await, "the body ends too early");
        }
        seen.body = String::from_utf8(self.read.drain(..length).collect()).expect("UTF-8");
        Some(seen)
    }

    /// Returns whether the server has closed, with nothing more to read.
    pub async fn is_closed(&mut self) -> bool {
        self.read.is_empty() && !self.fill().await
    }
}
