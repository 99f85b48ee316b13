//! The servers that tests talk to.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use sluice_sdk::cx::{Cx, Task};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A request as a server got it.
pub(super) type Got = http::Request<Bytes>;

/// What answers requests.
pub(super) type Handler = dyn Fn(Got) -> http::Response<Full<Bytes>> + Send + Sync;

/// A server that ends with this value.
pub(super) struct Server {
    pub(super) port: u16,
    connections: Arc<AtomicUsize>,
    /// What each connection of a scripted server got.
    got: Arc<Mutex<Vec<String>>>,
    _task: Task,
}

impl Server {
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Returns how many connections were accepted.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Returns the requests that a scripted server got, in order.
    pub(super) fn got(&self) -> Vec<String> {
        self.got.lock().expect("not poisoned").clone()
    }
}

/// Starts hyper's server.
pub(super) async fn hyper(
    cx: &Cx,
    tls: Option<tokio_rustls::TlsAcceptor>,
    handler: impl Fn(Got) -> http::Response<Full<Bytes>> + Send + Sync + 'static,
) -> Server {
    let handler: Arc<Handler> = Arc::new(handler);
    start(cx, move |stream, _, _| {
        let (handler, tls) = (Arc::clone(&handler), tls.clone());
        async move {
            match tls {
                None => serve(stream, handler).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        serve(stream, handler).await;
                    }
                }
            }
        }
    })
    .await
}

async fn serve(
    stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    handler: Arc<Handler>,
) {
    let service =
        hyper::service::service_fn(move |request: http::Request<hyper::body::Incoming>| {
            let handler = Arc::clone(&handler);
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.map(|body| body.to_bytes());
                let request = http::Request::from_parts(head, body.unwrap_or_default());
                Ok::<_, Infallible>(handler(request))
            }
        });
    let connection = hyper::server::conn::http1::Builder::new();
    // How a client leaves is not the server's matter.
    let _ = connection
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// What a scripted server does on one connection.
#[derive(Debug, Clone)]
pub(super) enum Act {
    /// Reads one request.
    Read,
    /// Writes these bytes.
    Write(String),
    /// Closes with a reset.
    Reset,
    /// Keeps the connection open without a word until the client leaves.
    Hold,
}

/// Starts a server that does `scripts[n]` on its connection `n`, then closes it.
pub(super) async fn scripted(cx: &Cx, scripts: Vec<Vec<Act>>) -> Server {
    start(cx, move |stream, n, got| {
        let script = scripts.get(n).cloned().unwrap_or_default();
        perform(stream, script, got)
    })
    .await
}

async fn perform(mut stream: TcpStream, script: Vec<Act>, got: Arc<Mutex<Vec<String>>>) {
    for act in script {
        match act {
            Act::Read => {
                if let Some(request) = read_request(&mut stream).await {
                    got.lock().expect("not poisoned").push(request);
                }
            }
            Act::Write(bytes) => {
                if stream.write_all(bytes.as_bytes()).await.is_err() {
                    return;
                }
            }
            Act::Reset => {
                stream.set_zero_linger().expect("the socket is open");
                return;
            }
            Act::Hold => {
                let mut rest = Vec::new();
                let _ = stream.read_to_end(&mut rest).await;
                got.lock().expect("not poisoned").push("left".to_owned());
            }
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |length| length.parse().expect("a length"));
            if body.len() >= length {
                return Some(text);
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

/// Accepts connections, each in a task that ends with the server.
async fn start<F: Future<Output = ()> + Send + 'static>(
    cx: &Cx,
    serve: impl Fn(TcpStream, usize, Arc<Mutex<Vec<String>>>) -> F + Send + 'static,
) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    let connections = Arc::new(AtomicUsize::new(0));
    let got = Arc::new(Mutex::new(Vec::new()));
    let (count, log) = (Arc::clone(&connections), Arc::clone(&got));
    let task = cx.spawn(async move {
        let mut tasks = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let n = count.fetch_add(1, Ordering::SeqCst);
            tasks.spawn(serve(stream, n, Arc::clone(&log)));
        }
    });
    Server {
        port,
        connections,
        got,
        _task: task,
    }
}

/// Returns an answer.
pub(super) fn answer(
    status: u16,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> http::Response<Full<Bytes>> {
    let mut response = http::Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(Full::new(body.into())).expect("an answer")
}

/// Returns a JSON answer, with status 200.
pub(super) fn json(body: &'static str) -> http::Response<Full<Bytes>> {
    answer(200, &[("content-type", "application/json")], body)
}

/// Returns the bytes of a JSON answer, with status 200.
pub(super) fn written(body: &str) -> Act {
    let length = body.len();
    Act::Write(format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    ))
}
