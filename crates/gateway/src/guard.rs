//! A stream that lets only well-framed requests through, and does not wait for ever.
//!
//! A head is held back until all of it is there and [`crate::wire`] found nothing wrong with it, so
//! that hyper never sees the bytes of a request that is refused: it sees the end of the stream,
//! answers what it has, and closes. The refusal itself is written when hyper closes.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http::StatusCode;
use sluice_sdk::cx::{BoxFuture, Cx};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use crate::limits::FrontLimits;
use crate::problem::Problem;
use crate::wire::{Chunks, Framing, HeadSearch, Progress, Refusal, check_head};

/// How much is read at once.
const READ_BYTES: usize = 8 * 1024;
/// How much of what a refused client still sends is thrown away, so that it sees the answer before
/// the connection is reset.
const LINGER_BYTES: usize = 1024 * 1024;
/// How long that may take.
const LINGER_TIME: Duration = Duration::from_secs(2);

/// Where in the sequence of requests the bytes are.
#[derive(Debug)]
enum Phase {
    Head(HeadSearch),
    /// In a body with so many bytes to come, never 0.
    Length(u64),
    Chunked(Chunks),
}

/// What the client is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    Request,
    Head,
    Body,
}

/// How far closing is.
enum Closing {
    Open,
    Telling(Bytes),
    Shutting,
    Lingering(usize),
    Closed,
}

/// See the module.
pub(crate) struct Guard<S> {
    stream: S,
    cx: Cx,
    limits: FrontLimits,
    phase: Phase,
    input: BytesMut,
    /// How many bytes of `input` are checked, and may be read.
    checked: usize,
    /// Whether nothing further will be read.
    ended: bool,
    /// Why the last head was refused.
    refused: Option<Refusal>,
    waiting: Waiting,
    /// Whether bytes went either way since the alarm was set.
    moved: bool,
    reading: Alarm,
    writing: Alarm,
    closing: Closing,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Guard<S> {
    pub fn new(stream: S, limits: FrontLimits, cx: Cx) -> Self {
        Self {
            stream,
            cx,
            limits,
            phase: Phase::Head(HeadSearch::default()),
            input: BytesMut::new(),
            checked: 0,
            ended: false,
            refused: None,
            waiting: Waiting::Request,
            moved: true,
            reading: Alarm::default(),
            writing: Alarm::default(),
            closing: Closing::Open,
        }
    }

    /// Checks as much of the input as there is.
    fn check(&mut self) {
        while self.checked < self.input.len() && !self.ended {
            let fresh = &self.input[self.checked..];
            let step = match &mut self.phase {
                Phase::Head(search) => match search.find(fresh, &self.limits) {
                    Ok(None) => return,
                    Ok(Some(length)) => {
                        check_head(&fresh[..length], &self.limits).map(|framing| (length, framing))
                    }
                    Err(refusal) => Err(refusal),
                }
                .map(|(length, framing)| (length, body_of(framing))),
                Phase::Length(left) => {
                    let here = fresh
                        .len()
                        .min(usize::try_from(*left).unwrap_or(usize::MAX));
                    Ok((here, body_of(Framing::Length(*left - here as u64))))
                }
                Phase::Chunked(chunks) => match chunks.take(fresh) {
                    Ok(Progress::More) => Ok((fresh.len(), Phase::Chunked(*chunks))),
                    Ok(Progress::End(length)) => Ok((length, Phase::Head(HeadSearch::default()))),
                    Err(_) => {
                        // hyper reads the end of the stream within a body, and its reader answers.
                        self.ended = true;
                        return;
                    }
                },
            };
            match step {
                Ok((length, phase)) => {
                    self.checked += length;
                    self.phase = phase;
                }
                Err(refusal) => {
                    self.refused = Some(refusal);
                    self.ended = true;
                }
            }
        }
    }

    fn waits_for(&self) -> Waiting {
        match self.phase {
            Phase::Head(_) if self.input.is_empty() => Waiting::Request,
            Phase::Head(_) => Waiting::Head,
            Phase::Length(_) | Phase::Chunked(_) => Waiting::Body,
        }
    }

    /// Ends what takes too long; called when the client has sent nothing more.
    fn poll_late(&mut self, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        let waiting = self.waits_for();
        // The time of a head is that of all of it: a byte now and then does not prolong it.
        if waiting != self.waiting || (self.moved && waiting != Waiting::Head) {
            let time = match waiting {
                Waiting::Request => self.limits.keep_alive_idle,
                Waiting::Head => self.limits.head_time,
                Waiting::Body => self.limits.body_idle,
            };
            self.reading.set(time, &self.cx);
        }
        self.waiting = waiting;
        self.moved = false;
        ready!(self.reading.poll(&self.cx, task));
        match waiting {
            Waiting::Request => self.ended = true,
            Waiting::Head => {
                self.ended = true;
                self.refused = Some(Refusal {
                    status: StatusCode::REQUEST_TIMEOUT,
                    detail: "the head of the request did not come in time",
                });
            }
            Waiting::Body => return Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
        }
        Poll::Ready(Ok(()))
    }

    fn poll_input(&mut self, task: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.input.capacity() - self.input.len() < READ_BYTES / 4 {
            self.input.reserve(READ_BYTES);
        }
        std::pin::pin!(self.stream.read_buf(&mut self.input)).poll(task)
    }

    /// Reads a body of known length past the input.
    fn poll_body(
        &mut self,
        task: &mut Context<'_>,
        left: u64,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let room = out
            .remaining()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        let mut part = ReadBuf::new(out.initialize_unfilled_to(room));
        ready!(Pin::new(&mut self.stream).poll_read(task, &mut part))?;
        let read = part.filled().len();
        out.advance(read);
        self.moved = true;
        self.phase = body_of(Framing::Length(left - read as u64));
        Poll::Ready(Ok(()))
    }

    /// Notes whether a write moved; ends it if the client takes nothing for too long.
    fn written(
        &mut self,
        task: &mut Context<'_>,
        result: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match result {
            Poll::Ready(result) => {
                self.moved = true;
                self.writing.stop();
                Poll::Ready(result)
            }
            Poll::Pending => {
                if !self.writing.is_set() {
                    self.writing.set(self.limits.body_idle, &self.cx);
                }
                ready!(self.writing.poll(&self.cx, task));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }

    /// What is to be told before closing.
    fn farewell(&mut self) -> Option<Bytes> {
        let refusal = self.refused.take()?;
        let code = match refusal.status {
            StatusCode::REQUEST_TIMEOUT => "timeout",
            _ => "malformed",
        };
        Some(raw_response(&Problem::new(
            refusal.status,
            code,
            refusal.detail,
        )))
    }

    fn poll_close(&mut self, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            match &mut self.closing {
                Closing::Open => {
                    // A client that is still in the middle of something has more on its way.
                    let middle = self.refused.is_some() || self.waits_for() == Waiting::Body;
                    self.reading.set(LINGER_TIME, &self.cx);
                    self.closing = match self.farewell() {
                        Some(text) => Closing::Telling(text),
                        None if middle => Closing::Shutting,
                        None => {
                            self.closing = Closing::Closed;
                            return Pin::new(&mut self.stream).poll_shutdown(task);
                        }
                    };
                }
                Closing::Telling(text) if text.is_empty() => self.closing = Closing::Shutting,
                Closing::Telling(text) => match Pin::new(&mut self.stream).poll_write(task, text) {
                    Poll::Ready(written) => text.advance(written?),
                    Poll::Pending => {
                        ready!(self.reading.poll(&self.cx, task));
                        return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                    }
                },
                Closing::Shutting => {
                    ready!(Pin::new(&mut self.stream).poll_shutdown(task))?;
                    self.closing = Closing::Lingering(LINGER_BYTES);
                }
                Closing::Lingering(left) => {
                    let left = *left;
                    self.input.clear();
                    match self.poll_input(task) {
                        Poll::Ready(Ok(read @ 1..)) if read < left => {
                            self.closing = Closing::Lingering(left - read);
                        }
                        Poll::Ready(_) => self.closing = Closing::Closed,
                        Poll::Pending => {
                            ready!(self.reading.poll(&self.cx, task));
                            self.closing = Closing::Closed;
                        }
                    }
                }
                Closing::Closed => return Pin::new(&mut self.stream).poll_shutdown(task),
            }
        }
    }
}

/// The phase that follows a head, or a part of a body.
fn body_of(framing: Framing) -> Phase {
    match framing {
        Framing::Length(0) => Phase::Head(HeadSearch::default()),
        Framing::Length(left) => Phase::Length(left),
        Framing::Chunked => Phase::Chunked(Chunks::new()),
    }
}

/// Returns the bytes of an answer after which the connection is closed.
pub(crate) fn raw_response(problem: &Problem) -> Bytes {
    let document = problem.document("about:blank");
    let mut text = format!(
        "HTTP/1.1 {}\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\n",
        problem.status,
        document.len()
    );
    for (name, value) in &problem.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("connection: close\r\n\r\n");
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(&document);
    bytes.into()
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Guard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if 0 < self.checked {
                let length = self.checked.min(out.remaining());
                out.put_slice(&self.input[..length]);
                self.input.advance(length);
                self.checked -= length;
                return Poll::Ready(Ok(()));
            }
            if self.ended || out.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            let polled = match self.phase {
                Phase::Length(left) if self.input.is_empty() => {
                    match self.poll_body(task, left, out) {
                        Poll::Pending => Poll::Pending,
                        done => return done,
                    }
                }
                _ => self.poll_input(task),
            };
            match polled {
                Poll::Ready(Ok(0)) => self.ended = true,
                Poll::Ready(Ok(_)) => {
                    self.moved = true;
                    self.check();
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => ready!(self.poll_late(task))?,
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guard<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(task, bytes);
        self.written(task, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(task, parts);
        self.written(task, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_close(task)
    }
}

/// A time that moves on far more often than it is reached: the sleep behind it is made anew only
/// when it is over, or would be over too late.
#[derive(Default)]
struct Alarm {
    /// When it is due.
    due: Option<Duration>,
    sleep: Option<(Duration, BoxFuture<'static, ()>)>,
}

impl Alarm {
    fn set(&mut self, time: Duration, cx: &Cx) {
        self.due = Some(cx.monotonic() + time);
    }

    fn stop(&mut self) {
        self.due = None;
    }

    fn is_set(&self) -> bool {
        self.due.is_some()
    }

    fn poll(&mut self, cx: &Cx, task: &mut Context<'_>) -> Poll<()> {
        let Some(due) = self.due else {
            return Poll::Pending;
        };
        loop {
            match &mut self.sleep {
                Some((until, sleep)) if *until <= due => {
                    ready!(sleep.as_mut().poll(task));
                    self.sleep = None;
                }
                _ => {
                    let now = cx.monotonic();
                    if due <= now {
                        return Poll::Ready(());
                    }
                    let (cx, time) = (cx.clone(), due - now);
                    let sleep = Box::pin(async move { cx.sleep(time).await });
                    self.sleep = Some((due, sleep));
                }
            }
        }
    }
}
