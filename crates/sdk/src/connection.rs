//! Connections, and what they offer: sources, sinks and calls.

use std::future::Future;
use std::sync::Arc;

use sluice_model::batch::{Batch, Receipt};
use sluice_model::fault::Fault;
use sluice_model::ids::EffectKey;
use sluice_model::types::Type;
use sluice_model::value::{Record, Text, Value};

use crate::check::{Check, CheckError, Problem};
use crate::config::Config;
use crate::cx::{BoxFuture, Cx};
use crate::registry::{Info, Offers};

/// A connector's connection: one system, its address, its credentials by reference. Shared by all
/// that use it; `Self` is the checked state, and opens lazily.
pub trait Connection: Sized + Send + Sync + 'static {
    /// What it is; the name is what a connection file's `type` says.
    const INFO: Info;
    /// Its fields, beside those that every connection has.
    type Config: Config;

    /// Makes the connection of its fields, without I/O.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    fn check(config: Self::Config, cx: &mut dyn Check) -> Result<Self, Vec<Problem>>;

    /// Asks whether the system can be reached and lets us in; changes nothing there.
    fn probe(&self, cx: &Cx) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Says what it offers: `offers.source::<Read>().sink::<Write>().call::<Request>()`.
    fn offers(offers: &mut Offers<Self>);
}

/// The connection of what needs none: timers.
#[derive(Debug, Clone, Copy)]
pub struct Nowhere;

impl Connection for Nowhere {
    const INFO: Info = Info {
        name: "nowhere",
        summary: "What needs no connection.",
        example: "",
    };
    type Config = crate::config::NoConfig;

    fn check(_: Self::Config, _: &mut dyn Check) -> Result<Self, Vec<Problem>> {
        Ok(Self)
    }

    async fn probe(&self, _: &Cx) -> Result<(), Fault> {
        Ok(())
    }

    fn offers(_: &mut Offers<Self>) {}
}

/// What a source promises: chooses the conformance suites that it has to pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promises {
    /// Messages come in the order in which they entered the system.
    pub ordered: bool,
    /// What was not acknowledged is delivered again, also after a restart.
    pub redelivers: bool,
    /// A caller waits for an answer.
    pub replies: bool,
    /// It ends by itself once everything there is has been read.
    pub finite: bool,
}

/// What messages a source gives.
#[derive(Debug, Clone)]
pub struct SourceShape {
    /// The type of the payload.
    pub payload: Type,
    /// The type of `$params`, a record; `None` if there are none.
    pub params: Option<Type>,
    /// The type of `$meta`, a record.
    pub meta: Type,
    /// What a caller may be answered; `None` if nobody waits.
    pub reply: Option<ReplyShape>,
}

/// What a caller may be answered.
#[derive(Debug, Clone)]
pub struct ReplyShape {
    /// The status of a reply that names none.
    pub default_status: u16,
    /// For each status that the contract has, the type of the body; `None`: no body.
    pub answers: Vec<(sluice_model::operation::StatusRange, Option<Type>)>,
}

/// What came from a source, and the duty to settle it.
#[derive(Debug)]
pub struct Delivery {
    /// The messages.
    pub messages: Batch,
    /// Settles all of them.
    pub receipt: Receipt,
    /// Where the source goes on once this and all earlier deliveries of the same key are settled.
    pub position: Option<PositionMark>,
    /// Answers the caller of the one message.
    pub reply: Option<ReplyTo>,
    /// The group that ends with this delivery (a file, say): sinks finish what they gathered for
    /// it.
    pub group_end: Option<Arc<str>>,
}

/// A position of a source.
#[derive(Debug, Clone, PartialEq)]
pub struct PositionMark {
    /// What is read: a file's identity, a topic's partition.
    pub key: Arc<str>,
    /// Where to go on; `None` forgets the key.
    pub value: Option<Value<'static>>,
}

/// The positions that a source had committed, read when it needs them.
pub trait Positions: Send + Sync {
    /// Returns the position stored under `key`.
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Value<'static>>, Fault>>;
}

/// Answers the caller of a message, at most once; dropped, the caller is told of an internal fault.
pub struct ReplyTo(Box<dyn FnOnce(Reply) + Send + Sync>);

impl ReplyTo {
    /// Returns what calls `send` with the answer.
    pub fn new(send: impl FnOnce(Reply) + Send + Sync + 'static) -> Self {
        Self(Box::new(send))
    }

    /// Answers.
    pub fn send(self, reply: Reply) {
        (self.0)(reply);
    }
}

impl std::fmt::Debug for ReplyTo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ReplyTo")
    }
}

/// An answer to a caller.
#[derive(Debug, Clone)]
pub enum Reply {
    /// What the flow answered.
    Answer(Answer),
    /// The flow failed; the text that a caller may see is the fault's public one.
    Fault(Fault),
}

/// What a flow answered.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// The status; `None` for the source's default.
    pub status: Option<u16>,
    /// Header fields.
    pub headers: Vec<(Arc<str>, String)>,
    /// The body; `None` for none.
    pub body: Option<Value<'static>>,
}

/// Messages in. `Self` is the checked state; a clone of it is opened and read.
pub trait Source: Clone + Send + Sync + 'static {
    /// What it is; the name is the key in `from`.
    const INFO: Info;
    /// What it reads from.
    type On: Connection;
    /// Its fields in `from`, beside the reference.
    type Config: Config;

    /// Makes the source of its fields, without I/O.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    fn check(config: Self::Config, cx: &mut dyn Check) -> Result<Self, Vec<Problem>>;

    /// Returns what messages it gives.
    fn shape(&self) -> SourceShape;

    /// Returns what it promises.
    fn promises(&self) -> Promises;

    /// Gets ready to read; called again after a `reconnect` fault.
    fn open(
        &mut self,
        on: &Self::On,
        positions: Arc<dyn Positions>,
        cx: &Cx,
    ) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Waits for the next delivery; `None` when nothing will follow. Safe to cancel: what was not
    /// returned is returned later.
    fn next(
        &mut self,
        on: &Self::On,
        cx: &Cx,
    ) -> impl Future<Output = Result<Option<Delivery>, Fault>> + Send;

    /// Lets go of everything; deliveries that are not settled stay unsettled.
    fn close(&mut self, on: &Self::On, cx: &Cx) -> impl Future<Output = ()> + Send;
}

/// What a sink takes.
#[derive(Debug, Clone)]
pub struct SinkShape {
    /// The type that a row has to fit.
    pub row: Type,
    /// Whether writing the same row again changes nothing more: an upsert, a file by name.
    pub idempotent: bool,
    /// Whether it takes a computed `name`.
    pub named: bool,
}

/// One message on its way into a sink.
#[derive(Debug, Clone)]
pub struct Row {
    /// What is written.
    pub value: Value<'static>,
    /// Its computed name.
    pub name: Option<Text<'static>>,
    /// The stable key of this effect.
    pub key: Option<EffectKey>,
    /// The group that the message belongs to: the file that it came from, say.
    pub group: Option<Arc<str>>,
}

/// What went wrong with a batch: all of it, or single rows.
#[derive(Debug, Clone)]
pub enum BatchFault {
    /// Nothing of it was written.
    All(Fault),
    /// These rows, by index, were not written; the others were.
    Rows(Vec<(usize, Fault)>),
}

/// Messages out. `Self` is the checked state; a clone of it is opened and written.
pub trait Sink: Clone + Send + Sync + 'static {
    /// What it is.
    const INFO: Info;
    /// What it writes to.
    type On: Connection;
    /// Its fields beside the reference and those that every `write` has.
    type Config: Config;

    /// Makes the sink of its fields, without I/O.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    fn check(config: Self::Config, cx: &mut dyn Check) -> Result<Self, Vec<Problem>>;

    /// Returns what it takes.
    fn shape(&self) -> SinkShape;

    /// Gets ready to write.
    fn open(&mut self, on: &Self::On, cx: &Cx) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Writes rows, and returns when they are as safe as the system makes them.
    ///
    /// Not safe to cancel: the engine lets it finish.
    fn write(
        &mut self,
        on: &Self::On,
        rows: &[Row],
        cx: &Cx,
    ) -> impl Future<Output = Result<(), BatchFault>> + Send;

    /// Finishes what was gathered for a group: a file gets its final name, say.
    fn finish(
        &mut self,
        on: &Self::On,
        group: &str,
        cx: &Cx,
    ) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Finishes everything and lets go.
    fn close(&mut self, on: &Self::On, cx: &Cx) -> impl Future<Output = Result<(), Fault>> + Send;
}

/// What a call takes and gives.
#[derive(Debug, Clone)]
pub struct CallShape {
    /// The type of its parameters, a record.
    pub params: Type,
    /// The type of its body; `None` if it has none.
    pub body: Option<Type>,
    /// The type of its result; nullable, or see `optional`.
    pub result: Type,
    /// Whether the result may be missing.
    pub optional: bool,
    /// The statuses that the contract has an answer for beside success, with the body's type:
    /// each is a fault `connection#operation/STATUS`.
    pub faults: Vec<(u16, Option<Type>)>,
    /// Whether it changes nothing there.
    pub reads: bool,
    /// Whether a repeat is harmless by itself.
    pub idempotent: bool,
    /// Whether an effect key makes a repeat harmless.
    pub keyed: bool,
}

/// A request of a call.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The parameters by name.
    pub params: Record<'static>,
    /// The body.
    pub body: Option<Value<'static>>,
    /// The stable key of this effect.
    pub key: Option<EffectKey>,
}

/// What a call gave back.
#[derive(Debug, Clone, Default)]
pub struct Response {
    /// The status, where the protocol has one.
    pub status: Option<u16>,
    /// The result; `None` if it is missing.
    pub body: Option<Value<'static>>,
}

/// Request and reply. `Self` is the checked state, shared by all that call.
pub trait Call: Send + Sync + Sized + 'static {
    /// What it is.
    const INFO: Info;
    /// What it calls.
    type On: Connection;
    /// Its fields beside the reference and those that every `call` has.
    type Config: Config;

    /// Makes the call of its fields, without I/O.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    fn check(config: Self::Config, cx: &mut dyn Check) -> Result<Self, Vec<Problem>>;

    /// Returns what it takes and gives.
    fn shape(&self) -> CallShape;

    /// Calls, and waits for the answer. An answer that is no success is a fault with its status and
    /// body. The engine bounds the time; what a dropped call did is unknown.
    fn call(
        &self,
        on: &Self::On,
        request: Request,
        cx: &Cx,
    ) -> impl Future<Output = Result<Response, Fault>> + Send;
}

/// The erased twin of a [`Connection`] and what it offers.
pub trait DynConnection: Send + Sync {
    /// What it is.
    fn info(&self) -> Info;

    /// See [`Connection::probe`].
    fn probe<'a>(&'a self, cx: &'a Cx) -> BoxFuture<'a, Result<(), Fault>>;

    /// Returns the source `name` on this connection, made of its fields.
    ///
    /// # Errors
    /// `None` inside if the connection offers no such source, else what is wrong with the fields.
    fn source(
        &self,
        name: &str,
        config: &mut dyn erased_serde::Deserializer<'_>,
        cx: &mut dyn Check,
    ) -> Result<Box<dyn DynSource>, Option<CheckError>>;

    /// Returns the sink on this connection, made of its fields.
    ///
    /// # Errors
    /// `None` inside if the connection offers no sink, else what is wrong with the fields.
    fn sink(
        &self,
        config: &mut dyn erased_serde::Deserializer<'_>,
        cx: &mut dyn Check,
    ) -> Result<Box<dyn DynSink>, Option<CheckError>>;

    /// Returns the call on this connection, made of its fields.
    ///
    /// # Errors
    /// `None` inside if the connection offers no call, else what is wrong with the fields.
    fn call(
        &self,
        config: &mut dyn erased_serde::Deserializer<'_>,
        cx: &mut dyn Check,
    ) -> Result<Arc<dyn DynCall>, Option<CheckError>>;
}

/// The erased twin of [`Source`], bound to its connection.
pub trait DynSource: Send + Sync {
    /// What it is.
    fn info(&self) -> Info;
    /// See [`Source::shape`].
    fn shape(&self) -> SourceShape;
    /// See [`Source::promises`].
    fn promises(&self) -> Promises;
    /// Returns a copy that can be opened.
    fn fresh(&self) -> Box<dyn DynSource>;
    /// See [`Source::open`].
    fn open<'a>(
        &'a mut self,
        positions: Arc<dyn Positions>,
        cx: &'a Cx,
    ) -> BoxFuture<'a, Result<(), Fault>>;
    /// See [`Source::next`].
    fn next<'a>(&'a mut self, cx: &'a Cx) -> BoxFuture<'a, Result<Option<Delivery>, Fault>>;
    /// See [`Source::close`].
    fn close<'a>(&'a mut self, cx: &'a Cx) -> BoxFuture<'a, ()>;
}

/// The erased twin of [`Sink`], bound to its connection.
pub trait DynSink: Send + Sync {
    /// What it is.
    fn info(&self) -> Info;
    /// See [`Sink::shape`].
    fn shape(&self) -> SinkShape;
    /// Returns a copy that can be opened.
    fn fresh(&self) -> Box<dyn DynSink>;
    /// See [`Sink::open`].
    fn open<'a>(&'a mut self, cx: &'a Cx) -> BoxFuture<'a, Result<(), Fault>>;
    /// See [`Sink::write`].
    fn write<'a>(
        &'a mut self,
        rows: &'a [Row],
        cx: &'a Cx,
    ) -> BoxFuture<'a, Result<(), BatchFault>>;
    /// See [`Sink::finish`].
    fn finish<'a>(&'a mut self, group: &'a str, cx: &'a Cx) -> BoxFuture<'a, Result<(), Fault>>;
    /// See [`Sink::close`].
    fn close<'a>(&'a mut self, cx: &'a Cx) -> BoxFuture<'a, Result<(), Fault>>;
}

/// The erased twin of [`Call`], bound to its connection.
pub trait DynCall: Send + Sync {
    /// What it is.
    fn info(&self) -> Info;
    /// See [`Call::shape`].
    fn shape(&self) -> CallShape;
    /// See [`Call::call`].
    fn call<'a>(&'a self, request: Request, cx: &'a Cx) -> BoxFuture<'a, Result<Response, Fault>>;
}
