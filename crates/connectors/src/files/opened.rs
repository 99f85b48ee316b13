//! An open source of files.
//!
//! One piece of blocking work is under way at a time (a look at the folder, a read, a move), kept
//! in the source so that a caller who stops waiting loses nothing. Deliveries under way are
//! bounded: whoever does not settle stops the reading, so that memory does not depend on a file's
//! size.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use sluice_model::batch::{Message, Origin, Payload, Receipt, Settled};
use sluice_model::fault::Fault;
use sluice_sdk::connection::{Delivery, PositionMark, Positions};
use sluice_sdk::cx::{BoxFuture, Cx, Level};
use sluice_sdk::format::Decoded;
use tokio::sync::mpsc;

use crate::files::fault::io;
use crate::files::place::Folder;
use crate::files::poll::{self, FILES_MAX, Look, Sighting, Watch};
use crate::files::read::{Each, Plan};
use crate::files::reader::{self, Broken, Chunk, Handle, Place, Reader};
use crate::files::settle::{Abandoned, Flight, Open};
use crate::files::then::{self, Then};

/// The most deliveries under way.
const UNDER_WAY_MAX: usize = 16;

/// The most bytes of files in deliveries under way, but for the last of them.
const BYTES_UNDER_WAY_MAX: u64 = 32 * 1024 * 1024;

/// How long a file that cannot be read, or moved, is left alone.
const PAUSE: Duration = Duration::from_secs(60);

/// How a delivery ended: the file, the delivery, and what was said.
type Settlement = (u64, u64, Settled);

/// The state of an open source.
pub(crate) struct State {
    plan: Arc<Plan>,
    folder: Arc<Folder>,
    positions: Arc<dyn Positions>,
    settled: (mpsc::Sender<Settlement>, mpsc::Receiver<Settlement>),
    watch: Watch,
    look_at: Duration,
    /// What was logged of the folder, so that each thing is logged once.
    told: Vec<String>,
    /// The files with deliveries under way, by number, in their order.
    open: BTreeMap<u64, Open>,
    /// The file that is being read, and what was read of it.
    reading: Option<Reading>,
    numbers: u64,
    /// Deliveries that are ready: refused ones, and those by which positions are forgotten.
    out: VecDeque<Delivery>,
    job: Option<BoxFuture<'static, Result<Done, Fault>>>,
}

struct Reading {
    file: u64,
    /// `None` while it is being read, and for a file that is given whole.
    reader: Option<Box<Reader>>,
    chunks: VecDeque<Chunk>,
}

/// What a piece of blocking work gave.
enum Done {
    Looked(Result<Look, std::io::Error>),
    Opened(Sighting, Result<Opened, Broken>),
    Read(Box<Reader>, Result<Vec<Chunk>, Broken>),
    Again(u64, Result<Vec<Decoded>, Broken>),
    Then(u64, Result<bool, std::io::Error>),
}

struct Opened {
    handle: Handle,
    from: Place,
    reader: Option<Box<Reader>>,
    chunks: VecDeque<Chunk>,
}

/// What is to be done next.
enum Step {
    Deliver(Delivery),
    Work(BoxFuture<'static, Result<Done, Fault>>),
    WaitUntil(Duration),
    Wait,
}

impl State {
    pub(crate) fn new(plan: Arc<Plan>, folder: Folder, positions: Arc<dyn Positions>) -> Self {
        Self {
            plan,
            folder: Arc::new(folder),
            positions,
            // Each delivery under way has room for its one settlement.
            settled: mpsc::channel(UNDER_WAY_MAX),
            watch: Watch::default(),
            look_at: Duration::ZERO,
            told: Vec::new(),
            open: BTreeMap::new(),
            reading: None,
            numbers: 0,
            out: VecDeque::new(),
            job: None,
        }
    }

    /// Reads positions from there from now on.
    pub(crate) fn use_positions(&mut self, positions: Arc<dyn Positions>) {
        self.positions = positions;
    }

    /// See [`sluice_sdk::connection::Source::next`].
    pub(crate) async fn next(&mut self, cx: &Cx) -> Result<Delivery, Fault> {
        loop {
            while let Ok(settlement) = self.settled.1.try_recv() {
                self.settle(settlement, cx);
            }
            self.let_go();
            let until = match self.step(cx) {
                Step::Deliver(delivery) => return Ok(delivery),
                Step::Work(job) => {
                    self.start(job, cx).await?;
                    continue;
                }
                Step::WaitUntil(until) => Some(until),
                Step::Wait => None,
            };
            let pause = until.map(|until| until.saturating_sub(cx.monotonic()));
            let job = async {
                match &mut self.job {
                    Some(job) => job.await,
                    None => std::future::pending().await,
                }
            };
            let sleep = async {
                match pause {
                    Some(pause) => cx.sleep(pause).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                settlement = self.settled.1.recv() => {
                    // The sender lies in `self`: there is always one.
                    if let Some(settlement) = settlement {
                        self.settle(settlement, cx);
                    }
                }
                done = job => {
                    self.job = None;
                    self.take_in(done?, cx);
                }
                () = sleep => {}
            }
        }
    }

    /// Starts a piece of work: it goes on while deliveries are given.
    async fn start(
        &mut self,
        mut job: BoxFuture<'static, Result<Done, Fault>>,
        cx: &Cx,
    ) -> Result<(), Fault> {
        let polled = std::future::poll_fn(|task| Poll::Ready(job.as_mut().poll(task))).await;
        match polled {
            Poll::Ready(done) => self.take_in(done?, cx),
            Poll::Pending => self.job = Some(job),
        }
        Ok(())
    }

    fn settle(&mut self, (file, number, settled): Settlement, cx: &Cx) {
        if let Some(open) = self.open.get_mut(&file) {
            open.settle(number, &settled, cx);
        }
    }

    fn step(&mut self, cx: &Cx) -> Step {
        if let Some(delivery) = self.out.pop_front() {
            return Step::Deliver(delivery);
        }
        if self.deliverable() && (self.job.is_some() || !self.can_read_ahead()) {
            return self.deliver(cx);
        }
        if self.job.is_some() {
            return Step::Wait;
        }
        if let Some((file, open)) = self.open.iter().find(|(_, open)| open.has_refused()) {
            // Nothing else is given before that: order is kept, and positions stay true.
            let under_way: usize = self.open.values().map(Open::under_way).sum();
            return if under_way != 0 {
                Step::Wait
            } else if cx.monotonic() < open.retry_at {
                Step::WaitUntil(open.retry_at)
            } else {
                let (file, work) = (*file, self.read_again(open, cx));
                Step::Work(Box::pin(async move {
                    work.await.map(|records| Done::Again(file, records))
                }))
            };
        }
        let then = self.plan.then.clone();
        let over = self.open.iter().find(|(_, open)| open.is_over());
        match (over, then) {
            (Some((file, open)), Some(then)) => {
                let (file, handle) = (*file, open.handle.clone());
                Step::Work(self.carry_out(file, handle, then, cx))
            }
            _ => self.step_to_read(cx),
        }
    }

    /// Removes files with which nothing more has to be done.
    fn let_go(&mut self) {
        let stays = self.plan.then.is_none();
        let over = self.open.extract_if(.., |_, open| {
            open.is_over() && (stays || open.abandoned.is_some())
        });
        let dead = over.filter(|(_, open)| open.abandoned == Some(Abandoned::Changed));
        let forget = dead.map(|(_, open)| forgetting(&open.handle));
        self.out.extend(forget);
    }

    fn under_way(&self) -> (usize, u64) {
        let open = self.open.values();
        open.fold((0, 0), |(count, bytes), open| {
            (count + open.under_way(), bytes + open.bytes_under_way())
        })
    }

    /// Returns whether the next chunks may be read while the one that is there is delivered.
    fn can_read_ahead(&self) -> bool {
        let reading = self.reading.as_ref();
        reading.is_some_and(|r| r.chunks.len() < 2 && r.reader.is_some())
    }

    /// Returns whether a chunk is there that may be delivered now.
    fn deliverable(&self) -> bool {
        let (under_way, bytes) = self.under_way();
        under_way < UNDER_WAY_MAX
            && bytes < BYTES_UNDER_WAY_MAX
            && !self.open.values().any(Open::has_refused)
            && self.reading.as_ref().is_some_and(|r| !r.chunks.is_empty())
    }

    fn step_to_read(&mut self, cx: &Cx) -> Step {
        if let Some(reading) = &mut self.reading {
            let Some(mut reader) = reading.reader.take() else {
                return Step::Wait;
            };
            let cx = cx.clone();
            return Step::Work(Box::pin(async move {
                let (reader, read) = cx
                    .blocking(move || {
                        let read = reader.read();
                        (reader, read)
                    })
                    .await?;
                Ok(Done::Read(reader, read))
            }));
        }
        let (under_way, bytes) = self.under_way();
        if UNDER_WAY_MAX <= under_way || BYTES_UNDER_WAY_MAX <= bytes {
            return Step::Wait;
        }
        while let Some(file) = self.watch.next() {
            // One that was changed while it was read waits until what was read is settled.
            let mut open = self.open.values();
            if !open.any(|open| open.handle.identity.seen.path == file.path) {
                return Step::Work(self.open_file(file, cx));
            }
        }
        if cx.monotonic() < self.look_at {
            return Step::WaitUntil(self.look_at);
        }
        let (folder, plan, cx) = (Arc::clone(&self.folder), Arc::clone(&self.plan), cx.clone());
        Step::Work(Box::pin(async move {
            let look = move || {
                let skip = match &plan.then {
                    Some(Then::Move(folder)) => Some(folder.trim_end_matches('/')),
                    Some(Then::Delete(_)) | None => None,
                };
                poll::look(&folder, &plan.glob, skip)
            };
            cx.blocking(look).await.map(Done::Looked)
        }))
    }

    fn deliver(&mut self, cx: &Cx) -> Step {
        let Some((reading, chunk)) = self.reading.as_mut().and_then(|reading| {
            let chunk = reading.chunks.pop_front()?;
            Some((reading, chunk))
        }) else {
            return Step::Wait;
        };
        let file = reading.file;
        if chunk.end.done {
            self.reading = None;
        }
        let Some(open) = self.open.get_mut(&file) else {
            return Step::Wait;
        };
        open.to = chunk.end.clone();
        open.ended = chunk.end.done;
        let flight = Flight {
            start: chunk.start,
            end: chunk.end.start.offset,
            last: chunk.end.done,
        };
        match self.delivery(file, flight, chunk.end, chunk.records, cx) {
            Some(delivery) => Step::Deliver(delivery),
            None => Step::Wait,
        }
    }

    /// Makes a delivery of records, and notes that it is under way; `None` if its file is not open.
    fn delivery(
        &mut self,
        file: u64,
        flight: Flight,
        place: Place,
        records: Vec<Decoded>,
        cx: &Cx,
    ) -> Option<Delivery> {
        let open = self.open.get_mut(&file)?;
        self.numbers += 1;
        let number = self.numbers;
        let settled = self.settled.0.clone();
        let receipt = Receipt::new(move |how| {
            // There is room for one settlement of each delivery; a source that was closed does not
            // listen any longer.
            let _ = settled.try_send((file, number, how));
        });
        let identity = Arc::clone(&open.handle.identity);
        let group_end = flight.last.then(|| Arc::clone(&identity.path));
        open.issue(number, flight);
        let (received, each) = (cx.now(), self.plan.each);
        let message = |record: Decoded| Message {
            origin: match each {
                Each::File => Origin::File(Arc::clone(&identity.path)),
                Each::Record => Origin::Record {
                    file: Arc::clone(&identity.path),
                    line: record.line,
                    offset: record.offset,
                },
            },
            payload: match record.content {
                Ok(value) => Payload::Value(value),
                Err(unread) => Payload::Unread {
                    raw: unread.raw,
                    fault: unread.fault.with_context("file", identity.path.to_string()),
                },
            },
            params: None,
            headers: None,
            received,
        };
        Some(Delivery {
            messages: records.into_iter().map(message).collect(),
            receipt,
            position: Some(PositionMark {
                key: Arc::clone(&identity.key),
                value: Some(place.to_value()),
            }),
            reply: None,
            group_end,
        })
    }

    fn read_again(
        &self,
        open: &Open,
        cx: &Cx,
    ) -> impl Future<Output = Result<Result<Vec<Decoded>, Broken>, Fault>> + Send + 'static {
        let (plan, cx) = (Arc::clone(&self.plan), cx.clone());
        let (handle, flight) = (open.handle.clone(), open.first_refused().cloned());
        async move {
            cx.blocking(move || match (plan.each, &plan.format, flight) {
                (Each::Record, Some(format), Some(flight)) => {
                    handle.again(&**format, &flight.start, flight.end)
                }
                (_, format, _) => handle.whole(format.as_deref()).map(|record| vec![record]),
            })
            .await
        }
    }

    /// Opens a file where its position says.
    fn open_file(&self, seen: Sighting, cx: &Cx) -> BoxFuture<'static, Result<Done, Fault>> {
        let (plan, folder) = (Arc::clone(&self.plan), Arc::clone(&self.folder));
        let (positions, cx) = (Arc::clone(&self.positions), cx.clone());
        Box::pin(async move {
            let (place, sighting) = (plan.place.clone(), seen.clone());
            let opened = cx
                .blocking(move || reader::open(&folder, &place, &sighting))
                .await?;
            let handle = match opened {
                Ok(handle) => handle,
                Err(broken) => return Ok(Done::Opened(seen, Err(broken))),
            };
            let stored = positions.get(&handle.identity.key).await?;
            let from = stored.as_ref().and_then(Place::from_value);
            let begun = cx
                .blocking(move || begin(&plan, handle, from.unwrap_or_default()))
                .await?;
            Ok(Done::Opened(seen, begun))
        })
    }

    fn carry_out(
        &self,
        file: u64,
        handle: Handle,
        then: Then,
        cx: &Cx,
    ) -> BoxFuture<'static, Result<Done, Fault>> {
        let (folder, cx) = (Arc::clone(&self.folder), cx.clone());
        Box::pin(async move {
            let work = move || {
                let seen = &handle.identity.seen;
                let at = folder.real.join(&*seen.path);
                if poll::sighting(&at, Arc::clone(&seen.path)).as_ref() != Some(seen) {
                    return Ok(false);
                }
                match &then {
                    Then::Move(to) => then::move_file(&folder.real, &seen.path, to).map(|_| true),
                    Then::Delete(_) => std::fs::remove_file(&at).map(|()| true),
                }
            };
            Ok(Done::Then(file, cx.blocking(work).await?))
        })
    }

    /// Takes in what a piece of work gave.
    fn take_in(&mut self, done: Done, cx: &Cx) {
        match done {
            Done::Looked(look) => self.looked(look, cx),
            Done::Opened(seen, Ok(opened)) => self.opened(seen, opened, cx),
            Done::Opened(seen, Err(broken)) => self.not_opened(seen, broken, cx),
            Done::Read(reader, Ok(chunks)) => {
                if let Some(reading) = &mut self.reading {
                    let is_over = chunks.last().is_some_and(|chunk| chunk.end.done);
                    reading.reader = (!is_over).then_some(reader);
                    reading.chunks.extend(chunks);
                }
            }
            Done::Read(_, Err(broken)) => {
                if let Some(reading) = self.reading.take() {
                    self.abandon(reading.file, broken, cx);
                }
            }
            Done::Again(file, Ok(records)) => self.again(file, records, cx),
            Done::Again(file, Err(broken)) => {
                if self.reading.as_ref().is_some_and(|r| r.file == file) {
                    self.reading = None;
                }
                self.abandon(file, broken, cx);
            }
            Done::Then(file, result) => self.then_done(file, result, cx),
        }
    }

    fn looked(&mut self, look: Result<Look, std::io::Error>, cx: &Cx) {
        let now = cx.monotonic();
        self.look_at = now + self.plan.every;
        let look = match look {
            Ok(look) => look,
            Err(error) => {
                let fault = io(error, "read the folder", &self.folder.shown);
                self.tell_once(fault.private(), "cannot look at the folder", cx);
                return;
            }
        };
        if look.cut {
            let text = format!("more than {FILES_MAX} files: use `then` to move or delete them");
            self.tell_once(text, "some files have to wait", cx);
        }
        for (file, why) in look.refused {
            self.tell_once(format!("{file}: {why}"), "a file is not read", cx);
        }
        self.watch.update(look.files, now, self.plan.settle);
        if let Some(ready_at) = self.watch.ready_at(self.plan.settle) {
            self.look_at = self
                .look_at
                .min(ready_at.max(now + Duration::from_millis(10)));
        }
    }

    /// Logs something once, as long as not too many other things were.
    fn tell_once(&mut self, what: String, text: &str, cx: &Cx) {
        if self.told.contains(&what) {
            return;
        }
        cx.log(
            Level::Error,
            text,
            &[("folder", &self.folder.shown), ("why", &what)],
        );
        if 1000 <= self.told.len() {
            self.told.clear();
        }
        self.told.push(what);
    }

    fn opened(&mut self, seen: Sighting, opened: Opened, cx: &Cx) {
        // A file that was done, and stays, is not read again.
        let is_done = opened.from.done && self.plan.then.is_none();
        if !is_done && seen.size == 0 {
            cx.log(
                Level::Warn,
                "a file is empty",
                &[("file", &opened.handle.identity.path)],
            );
        }
        self.watch.leave_alone(seen, None);
        if is_done {
            return;
        }
        self.numbers += 1;
        let file = self.numbers;
        self.open
            .insert(file, Open::new(opened.handle, opened.from));
        self.reading = Some(Reading {
            file,
            reader: opened.reader,
            chunks: opened.chunks,
        });
    }

    fn not_opened(&mut self, seen: Sighting, broken: Broken, cx: &Cx) {
        match broken {
            // It will be ready again when it has settled.
            Broken::Changed => {}
            Broken::Io(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Broken::Io(error) => {
                let fault = io(error, "read the file", &seen.path);
                let why = fault.private();
                cx.log(
                    Level::Error,
                    "a file cannot be read; it is tried again later",
                    &[("folder", &self.folder.shown), ("why", &why)],
                );
                self.watch.leave_alone(seen, Some(cx.monotonic() + PAUSE));
            }
        }
    }

    /// Stops reading a file that is not what it was.
    fn abandon(&mut self, file: u64, broken: Broken, cx: &Cx) {
        let Some(open) = self.open.get_mut(&file) else {
            return;
        };
        let path = open.path();
        let (abandoned, why) = match broken {
            Broken::Changed => {
                let why = "it was changed while it was read".to_owned();
                (Abandoned::Changed, why)
            }
            Broken::Io(error) => {
                // As it is it is read again later, at its position.
                let seen = open.handle.identity.seen.clone();
                self.watch.leave_alone(seen, Some(cx.monotonic() + PAUSE));
                let why = io(error, "read the file", &path).private();
                (Abandoned::Unreadable, why)
            }
        };
        let refused = open.abandon(abandoned);
        cx.log(
            Level::Error,
            "reading a file was stopped; it is read again if it is still there",
            &[
                ("file", &path),
                ("why", &why),
                ("refused deliveries", &refused),
            ],
        );
    }

    /// Gives a delivery again that was refused.
    fn again(&mut self, file: u64, records: Vec<Decoded>, cx: &Cx) {
        let Some((flight, place)) = self.open.get_mut(&file).and_then(Open::take_refused) else {
            return;
        };
        let delivery = self.delivery(file, flight, place, records, cx);
        self.out.extend(delivery);
    }

    fn then_done(&mut self, file: u64, result: Result<bool, std::io::Error>, cx: &Cx) {
        let Some(open) = self.open.remove(&file) else {
            return;
        };
        let path = open.path();
        match result {
            Ok(true) => self.out.push_back(forgetting(&open.handle)),
            Ok(false) => {
                cx.log(
                    Level::Warn,
                    "a file was changed or taken away after it was read; it is left as it is",
                    &[("file", &path)],
                );
                self.out.push_back(forgetting(&open.handle));
            }
            Err(error) => {
                let why = io(error, "move or delete the file", &path).private();
                cx.log(
                    Level::Error,
                    "a file was read but stays where it is; that is tried again later",
                    &[("file", &path), ("why", &why)],
                );
                let seen = open.handle.identity.seen.clone();
                self.watch.leave_alone(seen, Some(cx.monotonic() + PAUSE));
            }
        }
    }
}

/// Begins to read a file at a place. Blocks.
fn begin(plan: &Plan, handle: Handle, from: Place) -> Result<Opened, Broken> {
    let mut opened = Opened {
        handle: handle.clone(),
        from: from.clone(),
        reader: None,
        chunks: VecDeque::new(),
    };
    let end = Place {
        start: sluice_sdk::format::Start {
            offset: handle.identity.seen.size,
            ..from.start.clone()
        },
        done: true,
    };
    match (plan.each, &plan.format) {
        // All of it was settled, but not yet moved: whoever gathers its records is told its end.
        _ if from.done => opened.chunks.push_back(Chunk {
            records: Vec::new(),
            start: from.start,
            end,
        }),
        (Each::Record, Some(format)) => {
            opened.reader = Some(Box::new(Reader::new(handle, &**format, from.start)));
        }
        (_, format) => opened.chunks.push_back(Chunk {
            records: vec![handle.whole(format.as_deref())?],
            start: from.start,
            end,
        }),
    }
    Ok(opened)
}

/// A delivery without messages, by which a position is forgotten.
fn forgetting(handle: &Handle) -> Delivery {
    let key = Arc::clone(&handle.identity.key);
    Delivery {
        messages: Vec::new(),
        receipt: Receipt::nobody(),
        position: Some(PositionMark { key, value: None }),
        reply: None,
        group_end: None,
    }
}
