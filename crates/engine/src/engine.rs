//! The engine: all flows of a release, started together and drained together.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sluice_compiler::release::{ConnectionPlan, Flow, From, Release};
use sluice_model::fault::Fault;
use sluice_model::ids::{ApiName, ConnectionName, FlowName};
use sluice_model::operation::HttpOperation;
use sluice_model::value::Value;
use sluice_sdk::connection::DynSource;
use sluice_sdk::cx::{CancelSource, Cx, Level, Task};
use sluice_store::store::Store;

use crate::connection::Shared;
use crate::flow::FlowRuntime;
use crate::outside::Outside;

/// Gives the sources of flows that serve an API: the gateway's part of the bargain.
pub trait Ports: Send + Sync {
    /// Returns the source of an operation's requests.
    ///
    /// # Errors
    /// If nothing listens for the API.
    fn api_source(
        &self,
        api: &ApiName,
        operation: &Arc<HttpOperation>,
    ) -> Result<Box<dyn DynSource>, Fault>;
}

/// How much is under way at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most deliveries of one flow that are processed and not settled; 8 by default. One holds
    /// up to some hundred messages.
    pub deliveries: u32,
    /// The same for flows with a caller, whose deliveries are single requests; 1,024 by default.
    pub requests: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            deliveries: 8,
            requests: 1024,
        }
    }
}

/// Runs the flows of releases.
pub struct Engine;

/// What all flows of a release share.
pub(crate) struct Inner {
    pub release: Arc<Release>,
    pub config: Arc<Value<'static>>,
    pub store: Arc<dyn Store>,
    pub cx: Cx,
    pub connections: Arc<BTreeMap<ConnectionName, Arc<Shared>>>,
    flows: OnceLock<BTreeMap<FlowName, Arc<FlowRuntime>>>,
}

impl Inner {
    /// Returns a flow that runs.
    pub fn flow(&self, name: &FlowName) -> Option<Arc<FlowRuntime>> {
        self.flows.get()?.get(name).cloned()
    }

    /// Closes the sinks of all flows: those of flows that only others run have nobody else.
    pub async fn close_sinks(&self) {
        for flow in self.flows.get().into_iter().flat_map(BTreeMap::values) {
            flow.close_sinks().await;
        }
    }

    /// Returns what all flows share of a connection.
    pub fn shared_of(&self, name: &ConnectionName) -> Arc<Shared> {
        let known = self.connections.get(name).cloned();
        known.unwrap_or_else(|| Arc::new(Shared::new(None, None, None)))
    }
}

/// The flows of a release while they run.
pub struct Running {
    pub(crate) inner: Arc<Inner>,
    reading: CancelSource,
    sources: Vec<(FlowName, Task)>,
    working: CancelSource,
    requests: Option<Task>,
}

impl Engine {
    /// Starts all flows of a release.
    ///
    /// # Errors
    /// If a flow serves an API that nothing listens for.
    pub fn start(
        release: Arc<Release>,
        store: Arc<dyn Store>,
        cx: &Cx,
        ports: &dyn Ports,
        limits: Limits,
    ) -> Result<Running, Fault> {
        let mut sources = Vec::new();
        for flow in release.flows.values() {
            let source = match &flow.from {
                From::Source { source, .. } => source.fresh(),
                From::Api { api, operation } => ports.api_source(api, operation)?,
                From::Caller { .. } => continue,
            };
            sources.push((Arc::clone(flow), source));
        }
        let (inner, working) = Self::prepare(release, store, cx, None);
        let (reading_cx, reading) = inner.cx.child();
        let tasks = sources
            .into_iter()
            .filter_map(|(flow, source)| {
                let runtime = inner.flow(&flow.name)?;
                let in_flight = if source.promises().replies {
                    limits.requests
                } else {
                    limits.deliveries
                };
                let task = crate::read::run(runtime, source, reading_cx.clone(), in_flight);
                Some((flow.name.clone(), inner.cx.spawn(task)))
            })
            .collect();
        let requests = inner
            .cx
            .spawn(crate::redrive::serve(Arc::clone(&inner), reading_cx));
        Ok(Running {
            inner,
            reading,
            sources: tasks,
            working,
            requests: Some(requests),
        })
    }

    /// Makes the flows of a release ready without reading any source.
    pub(crate) fn prepare(
        release: Arc<Release>,
        store: Arc<dyn Store>,
        cx: &Cx,
        outside: Option<&Arc<dyn Outside>>,
    ) -> (Arc<Inner>, CancelSource) {
        let (cx, working) = cx.child();
        let shared = |plan: &ConnectionPlan| {
            Arc::new(Shared::new(plan.concurrent, plan.rate, outside.cloned()))
        };
        let connections = release
            .connections
            .values()
            .map(|plan| (plan.name.clone(), shared(plan)));
        let inner = Arc::new(Inner {
            config: Arc::new(Value::Record(release.config.clone())),
            connections: Arc::new(connections.collect()),
            release: Arc::clone(&release),
            store,
            cx,
            flows: OnceLock::new(),
        });
        let flows = release
            .flows
            .values()
            .map(|flow: &Arc<Flow>| {
                (
                    flow.name.clone(),
                    Arc::new(FlowRuntime::new(Arc::clone(flow), &inner)),
                )
            })
            .collect();
        let _ = inner.flows.set(flows);
        (inner, working)
    }
}

impl Running {
    /// Returns whether a flow's source has ended by itself or by a defect.
    pub fn has_ended(&self, flow: &FlowName) -> bool {
        self.sources
            .iter()
            .any(|(own, task)| own == flow && task.is_finished())
    }

    /// Stops at once: what is not settled is given back.
    pub fn abort(self) {
        drop(self);
    }

    /// Stops reading, finishes what is under way, and returns when all of it is settled; what is
    /// not settled within `deadline` is dropped, which its source notices.
    pub async fn drain(self, deadline: Duration) {
        let Running {
            inner,
            reading,
            sources,
            working,
            requests,
        } = self;
        reading.cancel();
        let names: Vec<FlowName> = sources.iter().map(|(name, _)| name.clone()).collect();
        let all = async {
            if let Some(requests) = requests {
                let _ = requests.join().await;
            }
            for (name, task) in sources {
                if let Err(fault) = task.join().await {
                    inner.cx.log(
                        Level::Error,
                        "a flow ended by a defect",
                        &[("flow", &name), ("fault", &fault.private())],
                    );
                }
            }
            inner.close_sinks().await;
        };
        if inner.cx.timeout(deadline, all).await.is_none() {
            let list: Vec<&str> = names.iter().map(FlowName::as_str).collect();
            inner.cx.log(
                Level::Warn,
                "flows did not finish in time; what is not settled will come again",
                &[("flows", &list.join(", "))],
            );
        }
        if let Err(error) = inner.store.flush().await {
            let fault = crate::settle::store_fault(&error);
            inner.cx.log(
                Level::Error,
                "the store failed",
                &[("fault", &fault.private())],
            );
        }
        working.cancel();
    }
}
