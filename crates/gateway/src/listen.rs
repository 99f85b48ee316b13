//! The listener: connections are accepted, bounded, served and drained.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use sluice_model::fault::{Blame, Fault, FaultCode, Retry};
use sluice_sdk::cx::{CancelSource, Cx, Level, Task};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;

use crate::guard::{Guard, raw_response};
use crate::limits::FrontLimits;
use crate::problem::Problem;
use crate::stdx::lock;

/// An answer.
pub(crate) type Response = http::Response<Full<Bytes>>;
/// A request whose body is still to be read.
pub(crate) type Request = http::Request<Incoming>;

/// How many connections the system may hold ready to be accepted.
const BACKLOG: u32 = 1024;
/// How long accepting pauses after the system could not: out of file descriptors, say.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers requests.
pub(crate) trait Serve: Send + Sync + 'static {
    /// What is kept for each connection.
    type Client: Send + Sync + 'static;

    /// A client has connected.
    fn connected(&self) -> Self::Client;

    /// Answers a request; never fails, whatever comes.
    fn serve(
        &self,
        client: &Self::Client,
        request: Request,
    ) -> impl Future<Output = Response> + Send;
}

/// A listener that serves until it is drained or dropped.
pub(crate) struct Listener {
    address: SocketAddr,
    cx: Cx,
    /// Ends the accepting; dropped, it ends too.
    accepting: Mutex<Option<CancelSource>>,
    task: Mutex<Option<Task>>,
}

impl Listener {
    /// Takes the address `host:port` and serves on it; port 0 takes a free one.
    ///
    /// # Errors
    /// If the address is none, or cannot be taken.
    pub fn start<S: Serve>(
        address: &str,
        server: Arc<S>,
        limits: FrontLimits,
        cx: &Cx,
    ) -> Result<Self, Fault> {
        let socket = bind(address).map_err(|error| cannot_listen(address, error))?;
        let local = socket
            .local_addr()
            .map_err(|error| cannot_listen(address, error))?;
        let (accepting_cx, accepting) = cx.child();
        let task = cx.spawn(accept(socket, server, limits, cx.clone(), accepting_cx));
        Ok(Self {
            address: local,
            cx: cx.clone(),
            accepting: Mutex::new(Some(accepting)),
            task: Mutex::new(Some(task)),
        })
    }

    /// Returns the address that is listened on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts nothing more, lets what is under way finish, and returns when all connections are
    /// closed; those that are not by `deadline` are cut. Returns whether none was.
    pub async fn drain(&self, deadline: Duration) -> bool {
        drop(lock(&self.accepting).take());
        let Some(task) = lock(&self.task).take() else {
            return true;
        };
        self.cx.timeout(deadline, task.join()).await.is_some()
    }
}

fn bind(address: &str) -> std::io::Result<TcpListener> {
    let mut last = None;
    for address in address.to_socket_addrs()? {
        match listen_on(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| std::io::Error::other("the host has no address")))
}

fn listen_on(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // A restart must not wait for old connections to be forgotten by the system.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn cannot_listen(address: &str, error: std::io::Error) -> Fault {
    let text = format!("cannot listen on `{address}`: {error}");
    Fault::new(FaultCode::UNREACHABLE, Retry::Never, Blame::Config, text).with_source(error)
}

/// Tells the acceptor that a connection has ended, also when it panicked.
struct Ended {
    id: u64,
    tx: mpsc::Sender<u64>,
}

impl Drop for Ended {
    fn drop(&mut self) {
        // The channel has room for every connection there may be: it is never full, and where it
        // is closed nobody counts any more.
        let _ = self.tx.try_send(self.id);
    }
}

async fn accept<S: Serve>(
    socket: TcpListener,
    server: Arc<S>,
    limits: FrontLimits,
    cx: Cx,
    accepting: Cx,
) {
    let mut connections: HashMap<u64, Task> = HashMap::new();
    let (tx, mut ended) = mpsc::channel(limits.connections.max(1));
    let mut id = 0u64;
    loop {
        let accepted = tokio::select! {
            biased;
            () = accepting.cancelled() => break,
            Some(id) = ended.recv() => {
                connections.remove(&id);
                continue;
            }
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) if connections.len() < limits.connections => {
                id += 1;
                let end = Ended { id, tx: tx.clone() };
                let server = Arc::clone(&server);
                let work = connection(stream, server, limits, cx.clone(), accepting.clone());
                let task = cx.spawn(async move {
                    let _end = end;
                    work.await;
                });
                connections.insert(id, task);
            }
            Ok((stream, _)) => turn_away(&stream),
            Err(error) => {
                cx.log(
                    Level::Warn,
                    "a connection could not be accepted",
                    &[("error", &error)],
                );
                accepting.or_cancelled(cx.sleep(ACCEPT_PAUSE)).await;
            }
        }
    }
    drop(socket);
    while !connections.is_empty() {
        if let Some(id) = ended.recv().await {
            connections.remove(&id);
        }
    }
}

/// Tells a client that there are too many; what does not fit into the socket's buffer is lost.
fn turn_away(stream: &TcpStream) {
    let text = "this server has as many connections as it may have";
    let _ = stream.try_write(&raw_response(&Problem::unavailable(text)));
}

async fn connection<S: Serve>(
    stream: TcpStream,
    server: Arc<S>,
    limits: FrontLimits,
    cx: Cx,
    accepting: Cx,
) {
    // Answers are small and written whole: waiting for more of them only delays.
    let _ = stream.set_nodelay(true);
    let client = Arc::new(server.connected());
    let service = service_fn(move |request: Request| {
        let (server, client) = (Arc::clone(&server), Arc::clone(&client));
        async move { Ok::<_, Infallible>(server.serve(&client, request).await) }
    });
    let guard = Guard::new(stream, limits, cx);
    let mut served = pin!(
        http1::Builder::new()
            // A client that has sent all it wants may close its side and still wait for answers.
            .half_close(true)
            // The guard has its own times.
            .header_read_timeout(None)
            .max_headers(limits.header_fields)
            .serve_connection(TokioIo::new(guard), service)
    );
    let mut drained = pin!(accepting.cancelled());
    let mut told = false;
    let end = std::future::poll_fn(|task| {
        if !told && drained.as_mut().poll(task).is_ready() {
            told = true;
            served.as_mut().graceful_shutdown();
        }
        served.as_mut().poll(task)
    });
    // A client that goes away, or is slow, is nothing to talk of: normal operation is silent.
    let _ = end.await;
}
