//! Measures the CPU that a call over HTTP takes, against the same bytes over a bare socket.
//!
//! `cargo run --release -p sluice-connectors --example http_calls [CALLS]` prints calls per second
//! of the client thread's CPU; the server runs on a thread of its own. Linux only.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use sluice_connectors::http::{Http, HttpCall, HttpConfig};
use sluice_model::operation::{
    Body, HttpOperation, HttpResponse, Param, ParamPlace, StatusRange, Target,
};
use sluice_model::span::{FileId, Span};
use sluice_model::types::Type;
use sluice_model::value::{Name, Record, Value};
use sluice_sdk::check::Check;
use sluice_sdk::config::{FormatRef, NoConfig, TypeName};
use sluice_sdk::connection::{Call as _, Connection as _, Request};
use sluice_sdk::cx::{Cx, TokioRuntime};
use sluice_sdk::format::DynFormat;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const ANSWER: &[u8] = b"HTTP/1.1 201 Created\r\ncontent-type: application/json\r\n\
    content-length: 42\r\n\r\n{\"salesOrderId\":\"S-1234567\",\"state\":\"new\"}";
const BODY: &str = r#"{"reference":"WEB-1234567","total":12345.60,"currency":"EUR"}"#;

struct Checking(Option<Target>);

impl Check for Checking {
    fn base(&self) -> &Path {
        Path::new(".")
    }
    fn target(&self) -> Option<&Target> {
        self.0.as_ref()
    }
    fn format(&mut self, _: FormatRef, _: Option<&Type>) -> Option<Arc<dyn DynFormat>> {
        None
    }
    fn contract_type(&mut self, _: TypeName) -> Option<Type> {
        None
    }
}

fn main() {
    let calls = std::env::args().nth(1).and_then(|n| n.parse().ok());
    let calls: u32 = calls.unwrap_or(1000);
    let address = serve();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be built");
    runtime.block_on(measure(address, calls));
}

async fn measure(address: SocketAddr, calls: u32) {
    let runtime = TokioRuntime::system(Box::new(|_| None), Box::new(|_, _, _, _| {}));
    let (cx, _owner) = Cx::new(Arc::new(runtime));
    let (on, call, request) = prepare(address);
    call.call(&on, request.clone(), &cx).await.expect("a call");
    let start = cpu_seconds();
    for _ in 0..calls {
        let response = call.call(&on, request.clone(), &cx).await;
        assert!(response.expect("a call").body.is_some());
    }
    print("call", calls, cpu_seconds() - start);

    let mut stream = tokio::net::TcpStream::connect(address)
        .await
        .expect("connected");
    stream.set_nodelay(true).expect("the socket is open");
    let bytes = format!(
        "POST /orders/A-1 HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    let mut buffer = vec![0; 4096];
    let start = cpu_seconds();
    for _ in 0..calls {
        stream.write_all(bytes.as_bytes()).await.expect("written");
        let count = stream.read(&mut buffer).await.expect("read");
        assert_eq!(count, ANSWER.len());
    }
    print("socket", calls, cpu_seconds() - start);
}

fn print(what: &str, calls: u32, seconds: f64) {
    let micros = seconds * 1e6 / f64::from(calls);
    let rate = f64::from(calls) / seconds;
    println!("{what}: {micros:.1} us, {rate:.0} per CPU-second");
}

fn prepare(address: SocketAddr) -> (Http, HttpCall, Request) {
    let fields = serde_json::json!({ "url": format!("http://{address}") });
    let config: HttpConfig = serde_json::from_value(fields).expect("the fields of a connection");
    let on = Http::check(config, &mut Checking(None)).expect("a connection");
    let target = Target::Http(Arc::new(operation()));
    let call = HttpCall::check(NoConfig {}, &mut Checking(Some(target))).expect("a call");
    let limits = sluice_model::json::Limits::default();
    let all = sluice_model::projection::Projection::All;
    let body = sluice_model::json::read_owned(BODY.as_bytes(), &all, &limits).expect("JSON");
    let mut params = Record::default();
    params.push(Name::new("id"), Value::text("A-1"));
    let request = Request {
        params,
        body: Some(body),
        key: Some("run-1/book".into()),
    };
    (on, call, request)
}

fn operation() -> HttpOperation {
    let span = Span {
        file: FileId(0),
        start: 0,
        end: 0,
    };
    let body = Body {
        media_type: "application/json".into(),
        ty: Type::any(),
        required: true,
        examples: Vec::new(),
    };
    HttpOperation {
        id: "book".into(),
        method: "POST".into(),
        path: "/orders/{id}".into(),
        summary: None,
        params: vec![Param {
            name: "id".into(),
            place: ParamPlace::Path,
            ty: Type::text(),
            required: true,
            explode: false,
            span,
        }],
        body: Some(body.clone()),
        responses: vec![HttpResponse {
            status: StatusRange::One(201),
            description: "".into(),
            body: Some(body),
            headers: Vec::new(),
        }],
        idempotent: false,
        safe: false,
        span,
    }
}

/// Answers every request in the same way, on a thread for each connection.
fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            stream.set_nodelay(true).expect("the socket is open");
            std::thread::spawn(move || {
                let mut buffer = vec![0; 4096];
                while stream.read(&mut buffer).is_ok_and(|count| count > 0) {
                    stream.write_all(ANSWER).expect("written");
                }
            });
        }
    });
    address
}

/// Returns the CPU time of this thread.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("this is Linux");
    let nanos = text
        .split_whitespace()
        .next()
        .and_then(|nanos| nanos.parse().ok());
    nanos.unwrap_or(f64::NAN) / 1e9
}
