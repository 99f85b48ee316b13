//! Limits of the front: nothing that comes from outside is unbounded.

use std::time::Duration;

/// The limits of a listener and its routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrontLimits {
    /// The most bytes of a request line and its header section; 32 KiB by default. More is
    /// answered 431.
    pub head_bytes: usize,
    /// The most header fields of a request; 100 by default. More is answered 431.
    pub header_fields: usize,
    /// The most bytes of a request's body; 10 MiB by default. More is answered 413.
    pub body_bytes: usize,
    /// The most connections at once; 10,000 by default. One more is answered 503 and closed.
    pub connections: usize,
    /// The most requests of one operation that wait for its flow; 1,024 by default. One more is
    /// answered 503 with `Retry-After`.
    pub requests_waiting: usize,
    /// How long a request's head may take from its first byte on; 10 seconds by default. Then it
    /// is answered 408.
    pub head_time: Duration,
    /// How long a client may send nothing within a body, or take nothing of an answer; 30 seconds
    /// by default.
    pub body_idle: Duration,
    /// How long a connection may wait for its next request; 60 seconds by default.
    pub keep_alive_idle: Duration,
    /// How long a flow may take to answer; 30 seconds by default. Then the caller is answered 504,
    /// and the late answer is dropped.
    pub answer_time: Duration,
}

impl Default for FrontLimits {
    fn default() -> Self {
        Self {
            head_bytes: 32 * 1024,
            header_fields: 100,
            body_bytes: 10 * 1024 * 1024,
            connections: 10_000,
            requests_waiting: 1024,
            head_time: Duration::from_secs(10),
            body_idle: Duration::from_secs(30),
            keep_alive_idle: Duration::from_secs(60),
            answer_time: Duration::from_secs(30),
        }
    }
}
