//! The client of one server: connections that are kept, and one exchange over one of them.
//!
//! A connection is driven by the very call that uses it, not by a task of its own: nothing is
//! spawned, no call waits for another task, and a call that is dropped closes its connection. A
//! connection that lies idle is not read; that the server closed it is seen when it is taken.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::response::Parts;
use http_body_util::Full;
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use sluice_model::fault::Fault;
use sluice_sdk::cx::Cx;
use tokio::sync::Semaphore;

use super::config::Transport;
use super::tls::{self, Stream, Trust};

/// The most header fields of an answer.
const HEADERS_MAX: usize = 128;

/// The most bytes of an answer's head.
const HEAD_MAX: usize = 64 << 10;

pub(super) type Request = http::Request<Full<Bytes>>;

type Driver = http1::Connection<TokioIo<Box<dyn Stream>>, Full<Bytes>>;

/// Where a server is.
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
    /// The name that the certificate has to have; `None` without TLS.
    pub(super) tls: Option<ServerName<'static>>,
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// What may be done again without harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// The request as a whole.
    Harmless,
    /// Only a request of which nothing was sent.
    Unsent,
}

/// A whole answer.
pub(super) struct Answer {
    pub(super) head: Parts,
    pub(super) body: Bytes,
}

/// Why an exchange failed.
pub(super) enum Failure {
    /// Nothing of the request was sent.
    Unsent(hyper::Error),
    /// The connection broke after that, before there was a whole answer.
    Cut(hyper::Error),
    /// What came is not HTTP.
    NotHttp(hyper::Error),
    /// The head of the answer is larger than the limit.
    HeadTooLarge,
    /// The body of the answer is larger than the limit.
    BodyTooLarge,
    /// Before any of that: no connection, or no request.
    Before(Fault),
}

/// The client of one server.
pub(super) struct Client {
    pub(super) address: Address,
    transport: Transport,
    trust: Trust,
    permits: Semaphore,
    /// Connections that wait for a request; the one used last is taken first.
    idle: Mutex<VecDeque<Idle>>,
}

struct Idle {
    link: Link,
    since: Duration,
}

impl Client {
    /// Returns the client; it connects when it is used.
    pub(super) fn new(address: Address, ca_file: Option<PathBuf>, transport: Transport) -> Self {
        Self {
            address,
            trust: Trust::new(ca_file),
            permits: Semaphore::new(transport.connections_max as usize),
            idle: Mutex::default(),
            transport,
        }
    }

    /// Returns the most bytes of an answer's body.
    pub(super) fn body_max(&self) -> u64 {
        self.transport.body_max.0
    }

    /// Sends the request that `make` gives and waits for the whole answer.
    ///
    /// A kept connection that breaks is replaced once by a new one if nothing was sent, or if a
    /// repeat is harmless.
    pub(super) async fn exchange(
        &self,
        make: &(dyn Fn() -> Result<Request, Fault> + Sync),
        repeat: Repeat,
        cx: &Cx,
    ) -> Result<Answer, Failure> {
        let request = make().map_err(Failure::Before)?;
        let _permit = self
            .permits
            .acquire()
            .await
            .map_err(|_| Failure::Before(Fault::internal("the client is closed")))?;
        let request = match self.kept(cx).await {
            None => request,
            Some(mut link) => match link.exchange(request, self.body_max()).await {
                Ok(answer) => {
                    self.keep(link, cx).await;
                    return Ok(answer);
                }
                Err(Failure::Unsent(_)) => make().map_err(Failure::Before)?,
                Err(Failure::Cut(_)) if repeat == Repeat::Harmless => {
                    make().map_err(Failure::Before)?
                }
                Err(failure) => return Err(failure),
            },
        };
        let mut link = self.connect(cx).await.map_err(Failure::Before)?;
        let answer = link.exchange(request, self.body_max()).await?;
        self.keep(link, cx).await;
        Ok(answer)
    }

    /// Connects and sends `request` over a new connection; any answer will do.
    pub(super) async fn probe(&self, request: Request, cx: &Cx) -> Result<(), Fault> {
        let mut link = self.connect(cx).await?;
        let answer = link.exchange(request, self.body_max());
        match cx.timeout(self.transport.connect_timeout.0, answer).await {
            Some(Ok(_)) => Ok(()),
            Some(Err(failure)) => Err(failure.fault(self, "probe", Repeat::Harmless)),
            None => Err(tls::unreachable(&self.address, "no answer in time")),
        }
    }

    /// Returns a kept connection that is still open.
    pub(super) async fn kept(&self, cx: &Cx) -> Option<Link> {
        loop {
            let Idle { mut link, since } = self.pop()?;
            let age = cx.monotonic().saturating_sub(since);
            if age < self.transport.idle_time.0 && link.is_ready().await {
                return Some(link);
            }
        }
    }

    fn pop(&self) -> Option<Idle> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.pop_back()
    }

    /// Keeps a connection for the next request, unless it ends with this one; closes those that
    /// were kept too long.
    pub(super) async fn keep(&self, mut link: Link, cx: &Cx) {
        if !link.is_ready().await {
            return;
        }
        let now = cx.monotonic();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(oldest) = idle.front()
            && now.saturating_sub(oldest.since) >= self.transport.idle_time.0
        {
            idle.pop_front();
        }
        idle.push_back(Idle { link, since: now });
    }

    async fn connect(&self, cx: &Cx) -> Result<Link, Fault> {
        let timeout = self.transport.connect_timeout.0;
        let stream = tls::connect(&self.address, &self.trust, timeout, cx);
        let stream = cx
            .timeout(timeout, stream)
            .await
            .unwrap_or_else(|| Err(tls::unreachable(&self.address, "no answer in time")))?;
        let (sender, driver) = http1::Builder::new()
            .max_headers(HEADERS_MAX)
            .max_header_size(HEAD_MAX)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| tls::unreachable(&self.address, "broken").with_source(error))?;
        Ok(Link {
            sender,
            driver: Some(Box::pin(driver)),
        })
    }
}

/// One connection.
pub(super) struct Link {
    sender: SendRequest<Full<Bytes>>,
    /// `None` once the connection has ended.
    driver: Option<Pin<Box<Driver>>>,
}

impl Link {
    /// Drives the connection until `future` is ready.
    async fn drive<F: Future>(&mut self, future: F) -> F::Output {
        let mut future = pin!(future);
        poll_fn(|context| {
            if let Some(driver) = &mut self.driver
                && driver.as_mut().poll(context).is_ready()
            {
                // What ended it is told through the request or the body.
                self.driver = None;
            }
            future.as_mut().poll(context)
        })
        .await
    }

    /// Returns whether a request can be sent.
    async fn is_ready(&mut self) -> bool {
        self.drive(std::future::ready(())).await;
        self.driver.is_some() && self.sender.is_ready()
    }

    async fn exchange(&mut self, request: Request, body_max: u64) -> Result<Answer, Failure> {
        let sent = self.sender.try_send_request(request);
        let response = self.drive(sent).await.map_err(|mut error| {
            let unsent = error.take_message().is_some();
            let error = error.into_error();
            match unsent {
                true => Failure::Unsent(error),
                false => Failure::of(error),
            }
        })?;
        let (head, body) = response.into_parts();
        let body = self.body(body, body_max).await?;
        Ok(Answer { head, body })
    }

    async fn body(&mut self, mut body: Incoming, max: u64) -> Result<Bytes, Failure> {
        if body.size_hint().lower() > max {
            return Err(Failure::BodyTooLarge);
        }
        let mut first = Bytes::new();
        let mut all = BytesMut::new();
        loop {
            let frame = self.drive(poll_fn(|context| Pin::new(&mut body).poll_frame(context)));
            let data = match frame.await {
                None => break,
                Some(Err(error)) => return Err(Failure::of(error)),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => data,
                    // Trailers say nothing that a call gives back.
                    Err(_) => continue,
                },
            };
            if (first.len() + all.len() + data.len()) as u64 > max {
                return Err(Failure::BodyTooLarge);
            }
            match first.is_empty() && all.is_empty() {
                true => first = data,
                false => {
                    if all.is_empty() {
                        all.extend_from_slice(&std::mem::take(&mut first));
                    }
                    all.extend_from_slice(&data);
                }
            }
        }
        Ok(if all.is_empty() { first } else { all.freeze() })
    }
}

impl Failure {
    fn of(error: hyper::Error) -> Self {
        if error.is_parse_too_large() {
            Failure::HeadTooLarge
        } else if error.is_parse() {
            Failure::NotHttp(error)
        } else {
            Failure::Cut(error)
        }
    }
}
