//! Conformance suites: what every source, sink and call has to do, by what it promises.
//!
//! Each takes the erased component and a harness that knows the outside. A suite panics with what
//! was promised and what was found instead.

mod call;
mod sink;
mod source;
#[cfg(test)]
mod tests;

pub use call::{CallHarness, call};
pub use sink::{SinkHarness, sink};
pub use source::{SourceHarness, source};

/// Polls a future once and drops it: a caller that leaves at the first chance. Returns the value if
/// it was ready at once.
async fn poll_once<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|cx| {
        std::task::Poll::Ready(match future.as_mut().poll(cx) {
            std::task::Poll::Ready(value) => Some(value),
            std::task::Poll::Pending => None,
        })
    })
    .await
}
