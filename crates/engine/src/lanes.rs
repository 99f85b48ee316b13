//! Order: messages with equal keys one after the other, others beside them.

use std::collections::HashMap;

use tokio::sync::oneshot;

/// The lanes of a flow: for each key that is under way, its last message.
#[derive(Default)]
pub(crate) struct Lanes {
    last: HashMap<String, oneshot::Receiver<()>>,
    since_sweep: usize,
}

/// A message's place in its lane.
pub(crate) struct Ticket {
    before: Option<oneshot::Receiver<()>>,
    /// Dropping it lets the next one pass.
    done: Option<oneshot::Sender<()>>,
}

/// After how many tickets lanes that nobody is in are forgotten.
const SWEEP: usize = 1024;

impl Lanes {
    /// Returns the next place in the lane of a key. Tickets of one flow are taken in the order of
    /// its messages.
    pub fn ticket(&mut self, key: String) -> Ticket {
        self.since_sweep += 1;
        if SWEEP <= self.since_sweep {
            self.since_sweep = 0;
            self.last.retain(|_, last| {
                matches!(last.try_recv(), Err(oneshot::error::TryRecvError::Empty))
            });
        }
        let (done, after) = oneshot::channel();
        let before = self.last.insert(key, after);
        Ticket {
            before,
            done: Some(done),
        }
    }
}

impl Ticket {
    /// Returns the place of a message without a key: nobody is before it.
    pub fn free() -> Self {
        Self {
            before: None,
            done: None,
        }
    }

    /// Waits until the message before has left the lane, however it ended.
    pub async fn wait(&mut self) {
        if let Some(before) = self.before.take() {
            let _ = before.await;
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        drop(self.done.take());
    }
}

#[cfg(test)]
mod tests {
    use super::Lanes;

    #[tokio::test]
    async fn one_after_the_other() {
        let mut lanes = Lanes::default();
        let mut first = lanes.ticket("a".to_owned());
        let mut second = lanes.ticket("a".to_owned());
        let mut other = lanes.ticket("b".to_owned());
        first.wait().await;
        other.wait().await;
        let waiting = tokio::select! {
            biased;
            () = second.wait() => false,
            () = tokio::task::yield_now() => true,
        };
        assert!(waiting, "the second waits for the first");
        drop(first);
        let mut third = lanes.ticket("a".to_owned());
        drop(second);
        third.wait().await;
    }
}
