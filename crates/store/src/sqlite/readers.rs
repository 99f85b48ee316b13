//! A few threads that read, each with its own connection.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use crate::error::StoreError;
use crate::sqlite::failure::{Done, Place};
use crate::sqlite::names::{Texts, View};
use crate::sqlite::open;
use crate::sqlite::writer::gone;

/// The most queries that wait; further callers wait for a place.
const QUEUE: usize = 256;

type Query = Box<dyn FnOnce(&View<'_>) + Send>;

/// The callers' side of the readers.
#[derive(Debug)]
pub(super) struct Readers {
    queue: Option<mpsc::Sender<Query>>,
    threads: Vec<JoinHandle<()>>,
    place: Place,
}

impl Readers {
    /// Starts `count` threads.
    pub(super) fn start(place: Place, count: usize) -> Result<Self, StoreError> {
        let (queue, receiver) = mpsc::channel::<Query>(QUEUE);
        let receiver = Arc::new(Mutex::new(receiver));
        let mut readers = Self {
            queue: Some(queue),
            threads: Vec::new(),
            place,
        };
        for index in 0..count {
            let place = &readers.place;
            let conn = open::reader(place)
                .map_err(|failure| place.explain("open the store for reading", failure))?;
            let receiver = Arc::clone(&receiver);
            let thread = std::thread::Builder::new()
                .name(format!("store-reader-{index}"))
                .spawn(move || {
                    let texts = Texts::default();
                    let view = View {
                        conn: &conn,
                        texts: &texts,
                    };
                    while let Some(query) = next(&receiver) {
                        query(&view);
                    }
                })
                .map_err(|error| StoreError::io("start a reader of", &place.folder, error))?;
            readers.threads.push(thread);
        }
        Ok(readers)
    }

    /// Runs a query on one of the threads.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&View<'_>) -> Done<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (tx, rx) = oneshot::channel();
        let place = self.place.clone();
        let query: Query = Box::new(move |view| {
            if tx.is_closed() {
                return;
            }
            let work = std::panic::AssertUnwindSafe(|| query(view));
            let result = match std::panic::catch_unwind(work) {
                Ok(result) => result.map_err(|failure| place.explain("read the store", failure)),
                Err(_) => Err(StoreError::conflict(
                    "a query made its reader panic: a defect",
                )),
            };
            // Nobody waits any more: then nobody misses it.
            let _ = tx.send(result);
        });
        let queue = self.queue.as_ref().ok_or_else(gone)?;
        queue.send(query).await.map_err(|_| gone())?;
        rx.await.map_err(|_| gone())?
    }
}

fn next(receiver: &Mutex<mpsc::Receiver<Query>>) -> Option<Query> {
    let mut receiver = receiver.lock().unwrap_or_else(PoisonError::into_inner);
    receiver.blocking_recv()
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.queue = None;
        for thread in self.threads.drain(..) {
            // A query's panics are caught; there is nothing more to learn here.
            let _ = thread.join();
        }
    }
}
