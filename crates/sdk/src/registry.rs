//! The registry of components, filled by plain calls, and the catalog that it prints.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value as Json, json};
use sluice_model::fault::Fault;
use sluice_model::types::Type;

use crate::check::{Check, CheckError, Typing};
use crate::config::Config;
use crate::connection::{
    BatchFault, Call, CallShape, Connection, Delivery, DynCall, DynConnection, DynSink, DynSource,
    Nowhere, Positions, Promises, Request, Response, Row, Sink, SinkShape, Source, SourceShape,
};
use crate::cx::{BoxFuture, Cx};
use crate::format::{DynFormat, Format};
use crate::step::{DynStep, Step};

/// What a component is, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Info {
    /// Its name, as files write it.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub summary: &'static str,
    /// An example, as files write it; a test checks it.
    pub example: &'static str,
}

/// The schema of a configuration, and the name that messages give it.
#[derive(Debug, Clone)]
pub struct ConfigSchema {
    /// What it configures.
    pub info: Info,
    /// Its JSON Schema (2020-12), as `schemars` writes it.
    pub schema: Json,
}

impl ConfigSchema {
    fn of<C: Config>(info: Info) -> Self {
        let schema = schemars::SchemaGenerator::default().into_root_schema_for::<C>();
        Self {
            info,
            schema: schema.to_value(),
        }
    }
}

type ConnectionMaker = Box<
    dyn Fn(
            &mut dyn erased_serde::Deserializer<'_>,
            &mut dyn Check,
        ) -> Result<Arc<dyn DynConnection>, CheckError>
        + Send
        + Sync,
>;
type SourceMaker = Box<
    dyn Fn(
            &mut dyn erased_serde::Deserializer<'_>,
            &mut dyn Check,
        ) -> Result<Box<dyn DynSource>, CheckError>
        + Send
        + Sync,
>;
type FormatMaker = Box<
    dyn Fn(
            &mut dyn erased_serde::Deserializer<'_>,
            Option<&Type>,
        ) -> Result<Arc<dyn DynFormat>, CheckError>
        + Send
        + Sync,
>;
type StepMaker = Box<
    dyn Fn(
            &mut dyn erased_serde::Deserializer<'_>,
            &mut dyn Typing,
            &Type,
        ) -> Result<(Arc<dyn DynStep>, Type), CheckError>
        + Send
        + Sync,
>;

/// A connector: its connection and what that offers.
pub struct ConnectionEntry {
    /// The connection's own fields.
    pub config: ConfigSchema,
    /// The sources, each with its fields.
    pub sources: Vec<ConfigSchema>,
    /// The sink and its fields.
    pub sink: Option<ConfigSchema>,
    /// The call and its fields.
    pub call: Option<ConfigSchema>,
    make: ConnectionMaker,
}

/// A source without a connection.
pub struct SourceEntry {
    /// Its fields.
    pub config: ConfigSchema,
    make: SourceMaker,
}

/// A format.
pub struct FormatEntry {
    /// Its options.
    pub config: ConfigSchema,
    make: FormatMaker,
}

/// A leaf step.
pub struct StepEntry {
    /// Its fields.
    pub config: ConfigSchema,
    make: StepMaker,
}

impl ConnectionEntry {
    /// Makes a connection of its fields.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn make(
        &self,
        config: &mut dyn erased_serde::Deserializer<'_>,
        cx: &mut dyn Check,
    ) -> Result<Arc<dyn DynConnection>, CheckError> {
        (self.make)(config, cx)
    }
}

impl SourceEntry {
    /// Makes a source of its fields.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn make(
        &self,
        config: &mut dyn erased_serde::Deserializer<'_>,
        cx: &mut dyn Check,
    ) -> Result<Box<dyn DynSource>, CheckError> {
        (self.make)(config, cx)
    }
}

impl FormatEntry {
    /// Makes a format of its options, for records of the type `ty` where one is known.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn make(
        &self,
        config: &mut dyn erased_serde::Deserializer<'_>,
        ty: Option<&Type>,
    ) -> Result<Arc<dyn DynFormat>, CheckError> {
        (self.make)(config, ty)
    }
}

impl StepEntry {
    /// Makes a step of its fields and types it; see [`Step::check`].
    ///
    /// # Errors
    /// What is wrong with the fields.
    pub fn make(
        &self,
        config: &mut dyn erased_serde::Deserializer<'_>,
        cx: &mut dyn Typing,
        input: &Type,
    ) -> Result<(Arc<dyn DynStep>, Type), CheckError> {
        (self.make)(config, cx, input)
    }
}

/// All components of a build.
#[derive(Default)]
pub struct Registry {
    connections: BTreeMap<&'static str, ConnectionEntry>,
    sources: BTreeMap<&'static str, SourceEntry>,
    formats: BTreeMap<&'static str, FormatEntry>,
    steps: BTreeMap<&'static str, StepEntry>,
}

impl Registry {
    /// Adds a connector with all that it offers.
    pub fn connection<C: Connection>(&mut self) -> &mut Self {
        let mut offers = Offers::<C>::default();
        C::offers(&mut offers);
        let entry = ConnectionEntry {
            config: ConfigSchema::of::<C::Config>(C::INFO),
            sources: offers
                .sources
                .iter()
                .map(|offer| offer.config.clone())
                .collect(),
            sink: offers.sink.as_ref().map(|offer| offer.config.clone()),
            call: offers.call.as_ref().map(|offer| offer.config.clone()),
            make: {
                let offers = Arc::new(offers);
                Box::new(move |config, cx| {
                    let connection = C::check(read(config)?, cx).map_err(CheckError::Problems)?;
                    let offers = Arc::clone(&offers);
                    Ok(Arc::new(Bound {
                        connection: Arc::new(connection),
                        offers,
                    }))
                })
            },
        };
        self.connections.insert(C::INFO.name, entry);
        self
    }

    /// Adds a source that needs no connection.
    pub fn source<S: Source<On = Nowhere>>(&mut self) -> &mut Self {
        let entry = SourceEntry {
            config: ConfigSchema::of::<S::Config>(S::INFO),
            make: Box::new(|config, cx| {
                let source = S::check(read(config)?, cx).map_err(CheckError::Problems)?;
                Ok(Box::new(BoundSource {
                    on: Arc::new(Nowhere),
                    source,
                }))
            }),
        };
        self.sources.insert(S::INFO.name, entry);
        self
    }

    /// Adds a format.
    pub fn format<F: Format>(&mut self) -> &mut Self {
        let entry = FormatEntry {
            config: ConfigSchema::of::<F::Config>(F::INFO),
            make: Box::new(|config, ty| {
                Ok(Arc::new(
                    F::check(read(config)?, ty).map_err(CheckError::Problems)?,
                ))
            }),
        };
        self.formats.insert(F::INFO.name, entry);
        self
    }

    /// Adds a leaf step.
    pub fn step<S: Step>(&mut self) -> &mut Self {
        let entry = StepEntry {
            config: ConfigSchema::of::<S::Config>(S::INFO),
            make: Box::new(|config, cx, input| {
                let (step, output) =
                    S::check(read(config)?, cx, input).map_err(CheckError::Problems)?;
                Ok((Arc::new(step) as Arc<dyn DynStep>, output))
            }),
        };
        self.steps.insert(S::INFO.name, entry);
        self
    }

    /// Returns the connectors by name.
    pub fn connections(&self) -> &BTreeMap<&'static str, ConnectionEntry> {
        &self.connections
    }

    /// Returns the sources that need no connection, by name.
    pub fn sources(&self) -> &BTreeMap<&'static str, SourceEntry> {
        &self.sources
    }

    /// Returns the formats by name.
    pub fn formats(&self) -> &BTreeMap<&'static str, FormatEntry> {
        &self.formats
    }

    /// Returns the leaf steps by verb.
    pub fn steps(&self) -> &BTreeMap<&'static str, StepEntry> {
        &self.steps
    }

    /// Returns the catalog: every component with its summary, example and schema.
    pub fn catalog(&self) -> Json {
        let one = |config: &ConfigSchema| {
            json!({
                "name": config.info.name,
                "summary": config.info.summary,
                "example": config.info.example,
                "config": config.schema,
            })
        };
        let connection = |entry: &ConnectionEntry| {
            let mut json = one(&entry.config);
            json["sources"] = entry.sources.iter().map(one).collect();
            json["sink"] = entry.sink.as_ref().map_or(Json::Null, one);
            json["call"] = entry.call.as_ref().map_or(Json::Null, one);
            json
        };
        json!({
            "connectors": self.connections.values().map(connection).collect::<Vec<_>>(),
            "sources": self.sources.values().map(|e| one(&e.config)).collect::<Vec<_>>(),
            "formats": self.formats.values().map(|e| one(&e.config)).collect::<Vec<_>>(),
            "steps": self.steps.values().map(|e| one(&e.config)).collect::<Vec<_>>(),
        })
    }
}

fn read<C: Config>(config: &mut dyn erased_serde::Deserializer<'_>) -> Result<C, CheckError> {
    erased_serde::deserialize(config).map_err(|error| CheckError::Shape(error.to_string()))
}

type OfferMaker<C, T> = Box<
    dyn Fn(
            &Arc<C>,
            &mut dyn erased_serde::Deserializer<'_>,
            &mut dyn Check,
        ) -> Result<T, CheckError>
        + Send
        + Sync,
>;

struct Offer<C, T> {
    config: ConfigSchema,
    make: OfferMaker<C, T>,
}

/// What a connection offers; typed, so that nothing is cast.
pub struct Offers<C> {
    sources: Vec<Offer<C, Box<dyn DynSource>>>,
    sink: Option<Offer<C, Box<dyn DynSink>>>,
    call: Option<Offer<C, Arc<dyn DynCall>>>,
}

impl<C> Default for Offers<C> {
    fn default() -> Self {
        Self {
            sources: Vec::new(),
            sink: None,
            call: None,
        }
    }
}

impl<C: Connection> Offers<C> {
    /// Offers a source.
    pub fn source<S: Source<On = C>>(&mut self) -> &mut Self {
        self.sources.push(Offer {
            config: ConfigSchema::of::<S::Config>(S::INFO),
            make: Box::new(|on, config, cx| {
                let source = S::check(read(config)?, cx).map_err(CheckError::Problems)?;
                Ok(Box::new(BoundSource {
                    on: Arc::clone(on),
                    source,
                }))
            }),
        });
        self
    }

    /// Offers the sink.
    pub fn sink<S: Sink<On = C>>(&mut self) -> &mut Self {
        self.sink = Some(Offer {
            config: ConfigSchema::of::<S::Config>(S::INFO),
            make: Box::new(|on, config, cx| {
                let sink = S::check(read(config)?, cx).map_err(CheckError::Problems)?;
                Ok(Box::new(BoundSink {
                    on: Arc::clone(on),
                    sink,
                }))
            }),
        });
        self
    }

    /// Offers the call.
    pub fn call<K: Call<On = C>>(&mut self) -> &mut Self {
        self.call = Some(Offer {
            config: ConfigSchema::of::<K::Config>(K::INFO),
            make: Box::new(|on, config, cx| {
                let call = K::check(read(config)?, cx).map_err(CheckError::Problems)?;
                Ok(Arc::new(BoundCall {
                    on: Arc::clone(on),
                    call,
                }))
            }),
        });
        self
    }
}

struct Bound<C> {
    connection: Arc<C>,
    offers: Arc<Offers<C>>,
}

impl<C: Connection> DynConnection for Bound<C> {
    fn info(&self) -> Info {
        C::INFO
    }

    fn probe<'a>(&'a self, cx: &'a Cx) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(self.connection.probe(cx))
    }

    fn source(
        &self,
        name: &str,
        config: &mut dyn erased_serde::Deserializer<'_>,
        cx: &mut dyn Check,
    ) -> Result<Box<dyn DynSource>, Option<CheckError>> {
        let offer = self
            .offers
            .sources
            .iter()
            .find(|offer| offer.config.info.name == name);
        (offer.ok_or(None)?.make)(&self.connection, config, cx).map_err(Some)
    }

    fn sink(
        &self,
        config: &mut dyn erased_serde::Deserializer<'_>,
        cx: &mut dyn Check,
    ) -> Result<Box<dyn DynSink>, Option<CheckError>> {
        let offer = self.offers.sink.as_ref().ok_or(None)?;
        (offer.make)(&self.connection, config, cx).map_err(Some)
    }

    fn call(
        &self,
        config: &mut dyn erased_serde::Deserializer<'_>,
        cx: &mut dyn Check,
    ) -> Result<Arc<dyn DynCall>, Option<CheckError>> {
        let offer = self.offers.call.as_ref().ok_or(None)?;
        (offer.make)(&self.connection, config, cx).map_err(Some)
    }
}

struct BoundSource<S: Source> {
    on: Arc<S::On>,
    source: S,
}

impl<S: Source> DynSource for BoundSource<S> {
    fn info(&self) -> Info {
        S::INFO
    }
    fn shape(&self) -> SourceShape {
        self.source.shape()
    }
    fn promises(&self) -> Promises {
        self.source.promises()
    }
    fn fresh(&self) -> Box<dyn DynSource> {
        Box::new(Self {
            on: Arc::clone(&self.on),
            source: self.source.clone(),
        })
    }
    fn open<'a>(
        &'a mut self,
        positions: Arc<dyn Positions>,
        cx: &'a Cx,
    ) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(self.source.open(&self.on, positions, cx))
    }
    fn next<'a>(&'a mut self, cx: &'a Cx) -> BoxFuture<'a, Result<Option<Delivery>, Fault>> {
        Box::pin(self.source.next(&self.on, cx))
    }
    fn close<'a>(&'a mut self, cx: &'a Cx) -> BoxFuture<'a, ()> {
        Box::pin(self.source.close(&self.on, cx))
    }
}

struct BoundSink<S: Sink> {
    on: Arc<S::On>,
    sink: S,
}

impl<S: Sink> DynSink for BoundSink<S> {
    fn info(&self) -> Info {
        S::INFO
    }
    fn shape(&self) -> SinkShape {
        self.sink.shape()
    }
    fn fresh(&self) -> Box<dyn DynSink> {
        Box::new(Self {
            on: Arc::clone(&self.on),
            sink: self.sink.clone(),
        })
    }
    fn open<'a>(&'a mut self, cx: &'a Cx) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(self.sink.open(&self.on, cx))
    }
    fn write<'a>(
        &'a mut self,
        rows: &'a [Row],
        cx: &'a Cx,
    ) -> BoxFuture<'a, Result<(), BatchFault>> {
        Box::pin(self.sink.write(&self.on, rows, cx))
    }
    fn finish<'a>(&'a mut self, group: &'a str, cx: &'a Cx) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(self.sink.finish(&self.on, group, cx))
    }
    fn close<'a>(&'a mut self, cx: &'a Cx) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(self.sink.close(&self.on, cx))
    }
}

struct BoundCall<K: Call> {
    on: Arc<K::On>,
    call: K,
}

impl<K: Call> DynCall for BoundCall<K> {
    fn info(&self) -> Info {
        K::INFO
    }
    fn shape(&self) -> CallShape {
        self.call.shape()
    }
    fn call<'a>(&'a self, request: Request, cx: &'a Cx) -> BoxFuture<'a, Result<Response, Fault>> {
        Box::pin(self.call.call(&self.on, request, cx))
    }
}
