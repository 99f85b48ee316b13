//! What a request costs: the front with a flow that answers at once, against a hand-written hyper
//! server that does the same work (read JSON, validate, write JSON).
//!
//! `cargo run --release -p sluice-gateway --example load [REQUESTS] [ROUNDS]`. Each server is a
//! process of its own, driven over 32 connections on the loopback; its CPU time is what counts, as
//! the system tells it. The rounds of both alternate.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use sluice_compiler::release::{Api, ApiOperation};
use sluice_contracts::contract::{Contract, ContractFile};
use sluice_contracts::validate::Validator;
use sluice_gateway::front::Front;
use sluice_gateway::limits::FrontLimits;
use sluice_model::batch::Payload;
use sluice_model::fault::Fault;
use sluice_model::ids::{ApiName, FlowName};
use sluice_model::json;
use sluice_model::projection::Projection;
use sluice_model::span::Sources;
use sluice_model::value::Value;
use sluice_sdk::connection::{Answer, Delivery, Positions, Reply};
use sluice_sdk::cx::{BoxFuture, Cx, TokioRuntime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const CONNECTIONS: usize = 32;

const CONTRACT: &str = r#"
openapi: 3.1.0
info: { title: Orders, version: "1" }
paths:
  /orders:
    post:
      operationId: createOrder
      requestBody:
        required: true
        content:
          application/json:
            schema:
              type: object
              additionalProperties: false
              required: [id, placedAt, customer, currency, lines]
              properties:
                id: { type: string, pattern: "^WEB-[0-9]+$", maxLength: 35 }
                placedAt: { type: string, format: date-time }
                currency: { type: string, enum: [EUR, USD, GBP] }
                customer:
                  type: object
                  required: [id, name]
                  properties: { id: { type: string }, name: { type: string } }
                lines:
                  type: array
                  minItems: 1
                  items:
                    type: object
                    required: [sku, qty, price]
                    properties:
                      sku: { type: string, minLength: 1 }
                      qty: { type: integer, minimum: 1 }
                      price: { type: number, minimum: 0 }
      responses:
        "201": { description: Booked., content: { application/json: { schema: {} } } }
"#;

const BODY: &str = r#"{"id":"WEB-100042","placedAt":"2026-03-04T05:06:07Z","currency":"EUR",
"customer":{"id":"C-7","name":"Ada Lovelace"},
"lines":[{"sku":"A-1","qty":2,"price":19.90},{"sku":"B-22","qty":1,"price":5.00},
{"sku":"C-333","qty":12,"price":0.49}]}"#;

/// Errors of an example need no more than their text.
type Failure = Box<dyn std::error::Error + Send + Sync>;
type Outcome<T = ()> = Result<T, Failure>;

fn main() -> Outcome {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(std::thread::available_parallelism()?.get())
        .enable_all()
        .build()?;
    match args.first().map(String::as_str) {
        Some("front") => runtime.block_on(front()),
        Some("bare") => runtime.block_on(bare()),
        _ => {
            let number = |at: usize, other: usize| match args.get(at) {
                Some(text) => text.parse().map_err(Failure::from),
                None => Ok(other),
            };
            runtime.block_on(compare(number(0, 100_000)?, number(1, 5)?))
        }
    }
}

async fn compare(requests: usize, rounds: usize) -> Outcome {
    let mut servers = Vec::new();
    for name in ["bare", "front"] {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(name)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let out = child.stdout.take().ok_or("the server has no output")?;
        let mut address = String::new();
        BufReader::new(out).read_line(&mut address)?;
        servers.push((name, child, address.trim().to_owned(), Vec::new()));
    }
    for (_, _, address, _) in &servers {
        drive(address, requests / 10).await?;
    }
    for _ in 0..rounds {
        for (_, child, address, costs) in &mut servers {
            let before = cpu(child)?;
            drive(address, requests).await?;
            costs.push((cpu(child)? - before) * 1e6 / requests as f64);
        }
    }
    let mut medians = BTreeMap::new();
    for (name, child, _, costs) in &mut servers {
        costs.sort_by(f64::total_cmp);
        let median = costs[costs.len() / 2];
        println!(
            "{name}: {median:.1} us of CPU per request (least {:.1}, {rounds} x {requests})",
            costs[0]
        );
        medians.insert(*name, median);
        child.kill()?;
        child.wait()?;
    }
    println!("ratio: {:.2}", medians["front"] / medians["bare"]);
    Ok(())
}

/// Returns the seconds of CPU that a process has used; the system counts in hundredths.
fn cpu(child: &Child) -> Outcome<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id()))?;
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or("")
        .split_whitespace()
        .collect();
    let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
    Ok(ticks as f64 / 100.0)
}

async fn drive(address: &str, requests: usize) -> Outcome {
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..CONNECTIONS {
        let address = address.to_owned();
        clients.spawn(async move { client(&address, requests / CONNECTIONS).await });
    }
    while let Some(done) = clients.join_next().await {
        done??;
    }
    Ok(())
}

async fn client(address: &str, requests: usize) -> Outcome {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let request = format!(
        "POST /orders HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Accept: */*\r\nUser-Agent: load\r\nContent-Length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    let mut buffer = vec![0; 16 * 1024];
    for _ in 0..requests {
        stream.write_all(request.as_bytes()).await?;
        let mut filled = 0;
        // The answer is the body that was sent, so that its end is known.
        while !buffer[..filled].ends_with(b"\"price\":0.49}]}") {
            let read = stream.read(&mut buffer[filled..]).await?;
            filled += read;
            if read == 0 || filled == buffer.len() {
                return Err("the server closed, or answered something else".into());
            }
        }
        if !buffer.starts_with(b"HTTP/1.1 201") {
            return Err(String::from_utf8_lossy(&buffer[..filled]).into());
        }
    }
    Ok(())
}

fn contract() -> Outcome<Arc<Contract>> {
    let mut sources = Sources::default();
    let id = sources.add("orders.openapi.yaml", CONTRACT);
    let (contract, findings) = Contract::read(&ContractFile::of(&sources, id), &mut |_| None);
    if findings.has_errors() {
        return Err(format!("{findings:?}").into());
    }
    Ok(Arc::new(contract))
}

struct NoPositions;

impl Positions for NoPositions {
    fn get<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<Value<'static>>, Fault>> {
        Box::pin(async { Ok(None) })
    }
}

async fn front() -> Outcome {
    let runtime = TokioRuntime::system(Box::new(|_| None), Box::new(|_, _, _, _| {}));
    let (cx, _owner) = Cx::new(Arc::new(runtime));
    let contract = contract()?;
    let operation = Arc::clone(&contract.operations()[0]);
    let name = ApiName::from("orders");
    let api = Api {
        name: name.clone(),
        summary: None,
        owner: None,
        path: "/".into(),
        span: operation.span,
        operations: vec![ApiOperation {
            operation: Arc::clone(&operation),
            flow: Some(FlowName::from("intake")),
        }],
        contract,
    };
    let front = Front::bind("127.0.0.1:0", FrontLimits::default(), &cx)?;
    front.install(&BTreeMap::from([(name.clone(), Arc::new(api))]));
    let mut source = front.api_source(&name, &operation)?;
    source.open(Arc::new(NoPositions), &cx).await?;
    println!("{}", front.address());
    let flow_cx = cx.clone();
    // As the engine does it: a flow is a task on the runtime's threads.
    let flow = cx.spawn(async move {
        while let Ok(Some(delivery)) = source.next(&flow_cx).await {
            answer(delivery);
        }
    });
    flow.join().await?;
    Ok(())
}

fn answer(delivery: Delivery) {
    let message = delivery.messages.into_iter().next();
    let Some(Payload::Value(payload)) = message.map(|message| message.payload) else {
        return;
    };
    let answer = Answer {
        body: Some(payload),
        ..Answer::default()
    };
    if let Some(reply) = delivery.reply {
        reply.send(Reply::Answer(answer));
    }
    delivery.receipt.ack();
}

async fn bare() -> Outcome {
    let contract = contract()?;
    let body = contract.operations()[0].body.as_ref().ok_or("no body")?;
    let validator = Arc::new(Validator::new(&body.ty));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let validator = Arc::clone(&validator);
        connections.spawn(async move {
            let service = hyper::service::service_fn(move |request| {
                let validator = Arc::clone(&validator);
                async move { echo(request, &validator).await }
            });
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await
        });
    }
}

async fn echo(
    request: http::Request<Incoming>,
    validator: &Validator,
) -> std::io::Result<http::Response<Full<Bytes>>> {
    let other = std::io::Error::other::<Failure>;
    let bytes = request
        .into_body()
        .collect()
        .await
        .map_err(|error| other(error.into()))?
        .to_bytes();
    let value = json::read_owned(&bytes, &Projection::All, &json::Limits::default())
        .map_err(|error| other(error.into()))?;
    let mut response = http::Response::new(Full::default());
    if !validator.is_valid(&value) {
        *response.status_mut() = http::StatusCode::UNPROCESSABLE_ENTITY;
        return Ok(response);
    }
    let mut out = Vec::with_capacity(256);
    json::write(&value, &mut out);
    *response.body_mut() = out.into();
    *response.status_mut() = http::StatusCode::CREATED;
    let json = http::HeaderValue::from_static("application/json");
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, json);
    Ok(response)
}
