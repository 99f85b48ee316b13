//! The outside of a test: a connector whose source, sink and calls follow a script.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use sluice_model::batch::{Message, Origin, Payload, Receipt, Settled};
use sluice_model::fault::Fault;
use sluice_model::operation::Target;
use sluice_model::types::Type;
use sluice_model::value::Value;
use sluice_sdk::check::{Check, Problem};
use sluice_sdk::config::NoConfig;
use sluice_sdk::connection::{
    BatchFault, Call, CallShape, Connection, Delivery, PositionMark, Positions, Promises, Reply,
    ReplyShape, ReplyTo, Request, Response, Row, Sink, SinkShape, Source, SourceShape,
};
use sluice_sdk::cx::Cx;
use sluice_sdk::registry::{Info, Offers};
use tokio::sync::watch;

/// How long a test waits in real time for what should come at once.
const PATIENCE: Duration = Duration::from_secs(20);

static WORLDS: LazyLock<Mutex<HashMap<u64, Weak<World>>>> = LazyLock::new(Mutex::default);
static NEXT: AtomicU64 = AtomicU64::new(1);

/// Everything outside of one test.
pub(super) struct World {
    pub id: u64,
    state: Mutex<State>,
    changed: watch::Sender<u64>,
}

#[derive(Default)]
pub(super) struct State {
    pub feeds: BTreeMap<String, Feed>,
    pub sinks: BTreeMap<String, SinkState>,
    pub calls: BTreeMap<String, CallState>,
}

/// What one source gives, and what became of it.
#[derive(Default)]
pub(super) struct Feed {
    pub given: Vec<Given>,
    pub next: usize,
    again: Vec<usize>,
    /// How often a delivery was handed out.
    pub handed: usize,
    /// Index and whether it was acknowledged, in the order in which it was told.
    pub settled: Vec<(usize, bool)>,
    /// Where it began each time that it was opened.
    pub opened: Vec<usize>,
    pub answers: Vec<(usize, Reply)>,
    /// How often `next` panics.
    pub panics: usize,
}

/// One delivery.
#[derive(Clone, Default)]
pub(super) struct Given {
    pub payloads: Vec<Item>,
    pub position: bool,
    pub file: Option<String>,
    pub group_end: Option<String>,
}

#[derive(Clone)]
pub(super) enum Item {
    Value(Value<'static>),
    Unread(Vec<u8>),
}

pub(super) enum Wrote {
    Ok,
    All(Fault),
    Rows(Vec<(usize, Fault)>),
    Panic,
    Hang,
}

type WriteScript = Box<dyn FnMut(&[Row], usize) -> Wrote + Send>;

#[derive(Default)]
pub(super) struct SinkState {
    pub rows: Vec<Row>,
    /// How many rows each write had.
    pub writes: Vec<usize>,
    pub opened: usize,
    pub finished: Vec<(String, usize)>,
    pub closed: usize,
    /// How often finishing fails.
    pub unfinished: usize,
    pub stalled: bool,
    pub script: Option<WriteScript>,
}

pub(super) enum Answered {
    Value(Value<'static>),
    Fault(Fault),
    Panic,
    Hang,
    /// Answers after a while.
    Late(Duration, Value<'static>),
}

type CallScript = Box<dyn FnMut(&Request, usize) -> Answered + Send>;

#[derive(Default)]
pub(super) struct CallState {
    pub asked: Vec<(Request, Duration)>,
    pub inside: usize,
    pub most_inside: usize,
    pub script: Option<CallScript>,
}

impl World {
    pub fn new() -> Arc<Self> {
        let world = Arc::new(Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            state: Mutex::default(),
            changed: watch::Sender::new(0),
        });
        let mut worlds = WORLDS.lock().unwrap_or_else(PoisonError::into_inner);
        worlds.insert(world.id, Arc::downgrade(&world));
        world
    }

    fn of(id: u64) -> Arc<Self> {
        let worlds = WORLDS.lock().unwrap_or_else(PoisonError::into_inner);
        worlds[&id].upgrade().expect("the test holds its world")
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn change<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        let result = work(&mut self.state());
        self.changed.send_modify(|count| *count += 1);
        result
    }

    /// Waits until something holds.
    pub async fn until(&self, what: &str, mut holds: impl FnMut(&State) -> bool) {
        let mut changed = self.changed.subscribe();
        let all = async {
            loop {
                if holds(&self.state()) {
                    return;
                }
                changed.changed().await.expect("the world stands");
            }
        };
        if tokio::time::timeout(PATIENCE, all).await.is_err() {
            let state = self.state();
            let settled: Vec<_> = state.feeds.values().map(|feed| &feed.settled).collect();
            panic!("{what} did not come; settled: {settled:?}");
        }
    }

    pub fn feed(&self, name: &str, given: Vec<Given>) {
        self.change(|state| {
            let feed = state.feeds.entry(name.to_owned()).or_default();
            feed.given.extend(given);
        });
    }

    /// Gives each value as a delivery of its own.
    pub fn feed_each(&self, name: &str, values: &[&str]) {
        self.feed(name, values.iter().map(|value| one(&[value])).collect());
    }

    pub fn on_write(
        &self,
        name: &str,
        script: impl FnMut(&[Row], usize) -> Wrote + Send + 'static,
    ) {
        self.change(|state| {
            state.sinks.entry(name.to_owned()).or_default().script = Some(Box::new(script));
        });
    }

    pub fn on_call(
        &self,
        name: &str,
        script: impl FnMut(&Request, usize) -> Answered + Send + 'static,
    ) {
        self.change(|state| {
            state.calls.entry(name.to_owned()).or_default().script = Some(Box::new(script));
        });
    }

    /// Returns the rows of a sink as JSON.
    pub fn rows(&self, name: &str) -> Vec<String> {
        let state = self.state();
        let rows = state.sinks.get(name).map_or(&[][..], |sink| &sink.rows);
        rows.iter()
            .map(|row| sluice_model::json::to_string(&row.value))
            .collect()
    }

    pub fn asked(&self, name: &str) -> usize {
        let state = self.state();
        state.calls.get(name).map_or(0, |call| call.asked.len())
    }

    /// Returns the settled deliveries of a feed.
    pub fn settled(&self, name: &str) -> Vec<(usize, bool)> {
        let state = self.state();
        state
            .feeds
            .get(name)
            .map_or_else(Vec::new, |feed| feed.settled.clone())
    }
}

/// Reads a value as YAML, flow style.
pub(super) fn value(text: &str) -> Value<'static> {
    sluice_testkit::yaml::value(text)
}

/// A delivery of values, without a position.
pub(super) fn one(values: &[&str]) -> Given {
    let payloads = values.iter().map(|text| Item::Value(value(text)));
    Given {
        payloads: payloads.collect(),
        ..Given::default()
    }
}

/// A delivery of values with a position.
pub(super) fn at_position(values: &[&str]) -> Given {
    Given {
        position: true,
        ..one(values)
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ScriptedConfig {
    world: u64,
}

pub(super) struct Scripted {
    world: u64,
}

impl Connection for Scripted {
    const INFO: Info = Info {
        name: "scripted",
        summary: "Follows the script of a test.",
        example: "",
    };
    type Config = ScriptedConfig;

    fn check(config: ScriptedConfig, _: &mut dyn Check) -> Result<Self, Vec<Problem>> {
        Ok(Self {
            world: config.world,
        })
    }

    async fn probe(&self, _: &Cx) -> Result<(), Fault> {
        Ok(())
    }

    fn offers(offers: &mut Offers<Self>) {
        offers
            .source::<FeedSource>()
            .sink::<ScriptedSink>()
            .call::<ScriptedCall>();
    }
}

fn place(cx: &mut dyn Check) -> String {
    match cx.target() {
        Some(Target::Place(place)) => place.to_string(),
        Some(Target::Http(operation)) => operation.id.to_string(),
        other => panic!("a test names places, not {other:?}"),
    }
}

/// `ask...` has a caller, `end...` ends.
#[derive(Clone)]
pub(super) struct FeedSource {
    name: String,
}

impl Source for FeedSource {
    const INFO: Info = Info {
        name: "feed",
        summary: "Gives what a test says.",
        example: "",
    };
    type On = Scripted;
    type Config = NoConfig;

    fn check(_: NoConfig, cx: &mut dyn Check) -> Result<Self, Vec<Problem>> {
        Ok(Self { name: place(cx) })
    }

    fn shape(&self) -> SourceShape {
        SourceShape {
            payload: Type::any(),
            params: None,
            meta: Type::any(),
            reply: self.name.starts_with("ask").then(|| ReplyShape {
                default_status: 200,
                answers: Vec::new(),
            }),
        }
    }

    fn promises(&self) -> Promises {
        Promises {
            ordered: true,
            redelivers: true,
            replies: self.name.starts_with("ask"),
            finite: self.name.starts_with("end"),
        }
    }

    async fn open(
        &mut self,
        on: &Scripted,
        positions: Arc<dyn Positions>,
        _: &Cx,
    ) -> Result<(), Fault> {
        let stored = positions.get(&self.name).await?;
        World::of(on.world).change(|state| {
            let feed = state.feeds.entry(self.name.clone()).or_default();
            if feed.given.iter().any(|given| given.position) {
                feed.again.clear();
                feed.next = match stored {
                    Some(Value::Int(last)) => usize::try_from(last).expect("an index") + 1,
                    _ => 0,
                };
            }
            feed.opened.push(feed.next);
        });
        Ok(())
    }

    async fn next(&mut self, on: &Scripted, cx: &Cx) -> Result<Option<Delivery>, Fault> {
        let world = World::of(on.world);
        let mut changed = world.changed.subscribe();
        loop {
            {
                let mut state = world.state();
                let feed = state.feeds.entry(self.name.clone()).or_default();
                if 0 < feed.panics {
                    feed.panics -= 1;
                    drop(state);
                    panic!("the source is broken");
                }
                let index = feed.again.pop().or_else(|| {
                    let next = feed.next;
                    (next < feed.given.len()).then(|| {
                        feed.next += 1;
                        next
                    })
                });
                if let Some(index) = index {
                    feed.handed += 1;
                    let given = feed.given[index].clone();
                    drop(state);
                    return Ok(Some(self.deliver(&world, index, given, cx)));
                }
            }
            if self.name.starts_with("end") {
                return Ok(None);
            }
            changed.changed().await.expect("the world stands");
        }
    }

    async fn close(&mut self, _: &Scripted, _: &Cx) {}
}

impl FeedSource {
    fn deliver(&self, world: &Arc<World>, index: usize, given: Given, cx: &Cx) -> Delivery {
        let messages = given
            .payloads
            .into_iter()
            .enumerate()
            .map(|(line, item)| Message {
                payload: match item {
                    Item::Value(value) => Payload::Value(value),
                    Item::Unread(raw) => Payload::Unread {
                        raw: raw.into(),
                        fault: Fault::invalid("not what it should be"),
                    },
                },
                origin: match &given.file {
                    None => Origin::Manual,
                    Some(file) => Origin::Record {
                        file: file.as_str().into(),
                        line: line as u64 + 1,
                        offset: 0,
                    },
                },
                params: None,
                headers: None,
                received: cx.now(),
            });
        let (settling, name, has_position) = (Arc::clone(world), self.name.clone(), given.position);
        let receipt = Receipt::new(move |settled| {
            let acked = matches!(settled, Settled::Ack);
            settling.change(|state| {
                let feed = state.feeds.get_mut(&name).expect("the feed stands");
                feed.settled.push((index, acked));
                if !acked && !has_position {
                    feed.again.push(index);
                }
            });
        });
        let (answering, name) = (Arc::clone(world), self.name.clone());
        let reply = self.name.starts_with("ask").then(|| {
            ReplyTo::new(move |reply| {
                answering.change(|state| {
                    let feed = state.feeds.get_mut(&name).expect("the feed stands");
                    feed.answers.push((index, reply));
                });
            })
        });
        Delivery {
            messages: messages.collect(),
            receipt,
            position: given.position.then(|| PositionMark {
                key: self.name.as_str().into(),
                value: Some(Value::Int(index as i64)),
            }),
            reply,
            group_end: given.group_end.as_deref().map(Into::into),
        }
    }
}

/// `up...` is idempotent.
#[derive(Clone)]
pub(super) struct ScriptedSink {
    name: String,
}

impl Sink for ScriptedSink {
    const INFO: Info = Info {
        name: "scripted",
        summary: "Keeps rows.",
        example: "",
    };
    type On = Scripted;
    type Config = NoConfig;

    fn check(_: NoConfig, cx: &mut dyn Check) -> Result<Self, Vec<Problem>> {
        Ok(Self { name: place(cx) })
    }

    fn shape(&self) -> SinkShape {
        SinkShape {
            row: Type::any(),
            idempotent: self.name.starts_with("up"),
            named: false,
        }
    }

    async fn open(&mut self, on: &Scripted, _: &Cx) -> Result<(), Fault> {
        World::of(on.world).change(|state| {
            state.sinks.entry(self.name.clone()).or_default().opened += 1;
        });
        Ok(())
    }

    async fn write(&mut self, on: &Scripted, rows: &[Row], _: &Cx) -> Result<(), BatchFault> {
        let world = World::of(on.world);
        let name = &self.name;
        let mut changed = world.changed.subscribe();
        while world
            .state()
            .sinks
            .get(name)
            .is_some_and(|sink| sink.stalled)
        {
            changed.changed().await.expect("the world stands");
        }
        let wrote = world.change(|state| {
            let sink = state.sinks.entry(name.clone()).or_default();
            let count = sink.writes.len();
            sink.writes.push(rows.len());
            let wrote = match &mut sink.script {
                None => Wrote::Ok,
                Some(script) => script(rows, count),
            };
            let is_written = |at: usize| match &wrote {
                Wrote::Ok => true,
                Wrote::Rows(failed) => failed.iter().all(|(own, _)| *own != at),
                _ => false,
            };
            let written = rows.iter().enumerate().filter(|(at, _)| is_written(*at));
            sink.rows.extend(written.map(|(_, row)| row.clone()));
            wrote
        });
        match wrote {
            Wrote::Ok => Ok(()),
            Wrote::All(fault) => Err(BatchFault::All(fault)),
            Wrote::Rows(rows) => Err(BatchFault::Rows(rows)),
            Wrote::Panic => panic!("the sink is broken"),
            Wrote::Hang => std::future::pending().await,
        }
    }

    async fn finish(&mut self, on: &Scripted, group: &str, _: &Cx) -> Result<(), Fault> {
        World::of(on.world).change(|state| {
            let sink = state.sinks.entry(self.name.clone()).or_default();
            if 0 < sink.unfinished {
                sink.unfinished -= 1;
                return Err(Fault::internal("the group cannot be finished"));
            }
            let rows = sink.rows.len();
            sink.finished.push((group.to_owned(), rows));
            Ok(())
        })
    }

    async fn close(&mut self, on: &Scripted, _: &Cx) -> Result<(), Fault> {
        World::of(on.world).change(|state| {
            state.sinks.entry(self.name.clone()).or_default().closed += 1;
        });
        Ok(())
    }
}

/// `get...` reads, `put...` is idempotent, `key...` takes a key, all others may do harm.
pub(super) struct ScriptedCall {
    name: String,
}

struct Inside<'w>(&'w World, &'w str);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.change(|state| {
            state.calls.get_mut(self.1).expect("it was asked").inside -= 1;
        });
    }
}

impl Call for ScriptedCall {
    const INFO: Info = Info {
        name: "scripted",
        summary: "Answers what a test says.",
        example: "",
    };
    type On = Scripted;
    type Config = NoConfig;

    fn check(_: NoConfig, cx: &mut dyn Check) -> Result<Self, Vec<Problem>> {
        Ok(Self { name: place(cx) })
    }

    fn shape(&self) -> CallShape {
        CallShape {
            params: Type::any(),
            body: Some(Type::any()),
            result: Type::any(),
            optional: true,
            faults: vec![(404, None), (422, Some(Type::any()))],
            reads: self.name.starts_with("get"),
            idempotent: self.name.starts_with("get") || self.name.starts_with("put"),
            keyed: self.name.starts_with("key"),
        }
    }

    async fn call(&self, on: &Scripted, request: Request, cx: &Cx) -> Result<Response, Fault> {
        let world = World::of(on.world);
        let answered = world.change(|state| {
            let call = state.calls.entry(self.name.clone()).or_default();
            let count = call.asked.len();
            call.asked.push((request.clone(), cx.monotonic()));
            call.inside += 1;
            call.most_inside = call.most_inside.max(call.inside);
            match &mut call.script {
                None => Answered::Value(Value::Null),
                Some(script) => script(&request, count),
            }
        });
        let _inside = Inside(&world, &self.name);
        match answered {
            Answered::Value(body) => Ok(Response {
                status: None,
                body: Some(body),
            }),
            Answered::Fault(fault) => Err(fault),
            Answered::Panic => panic!("the call is broken"),
            Answered::Hang => std::future::pending().await,
            Answered::Late(after, body) => {
                cx.sleep(after).await;
                Ok(Response {
                    status: None,
                    body: Some(body),
                })
            }
        }
    }
}
