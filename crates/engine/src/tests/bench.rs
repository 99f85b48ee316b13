//! A project of a test, compiled and running.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sluice_compiler::compile::{Options, compile};
use sluice_compiler::project::ProjectFiles;
use sluice_compiler::release::Release;
use sluice_model::batch::{Message, Origin, Payload};
use sluice_model::fault::Fault;
use sluice_model::ids::{ApiName, FlowName};
use sluice_model::operation::HttpOperation;
use sluice_model::time::Timestamp;
use sluice_model::value::Value;
use sluice_sdk::connection::DynSource;
use sluice_sdk::cx::{CancelSource, Cx};
use sluice_sdk::registry::Registry;
use sluice_store::counts::Counts;
use sluice_store::dead_letter::{DeadLetter, DeadLetterFilter};
use sluice_store::sqlite::open::OwnerInfo;
use sluice_store::sqlite::store::SqliteStore;
use sluice_store::store::{Store, StoreReader};
use sluice_testkit::context::Log;

use crate::tests::store::FailingStore;
use crate::tests::world::{Scripted, World, value};
use crate::{Engine, Limits, Ports, Running, Trial};

pub(super) struct Bench {
    pub world: Arc<World>,
    pub release: Arc<Release>,
    pub store: Arc<FailingStore>,
    pub cx: Cx,
    pub log: Log,
    _owner: CancelSource,
    _folder: tempfile::TempDir,
}

struct NoPorts;

impl Ports for NoPorts {
    fn api_source(
        &self,
        api: &ApiName,
        _: &Arc<HttpOperation>,
    ) -> Result<Box<dyn DynSource>, Fault> {
        Err(Fault::internal(format!("nothing listens for `{api}`")))
    }
}

const ERP: &str = "
openapi: 3.1.0
info: { title: ERP, version: '1' }
paths:
  /it:
    put:
      operationId: putIt
      requestBody: { content: { application/json: { schema: {} } } }
      responses:
        '200': { description: Done. }
        '422': { description: No., content: { application/json: { schema: {} } } }
";

/// Compiles flows; a `connections/world.yaml` is there.
pub(super) fn release(
    world: &World,
    flows: &[&str],
    more: &[(&str, &str)],
) -> Result<Release, String> {
    let mut registry = Registry::default();
    crate::steps::register(&mut registry);
    registry.connection::<Scripted>();
    let connection = format!(
        "connection: world\nsummary: Outside.\ntype: scripted\nworld: {}\n",
        world.id
    );
    let mut files: BTreeMap<Arc<str>, Arc<[u8]>> = BTreeMap::new();
    let mut add = |path: &str, text: &str| {
        files.insert(path.into(), text.as_bytes().into());
    };
    add("sluice.yaml", "project: bench\nsummary: A test.\n");
    add("connections/world.yaml", &connection);
    // The same world, seen through a contract.
    let erp = connection.replace("connection: world", "connection: erp");
    add(
        "connections/erp.yaml",
        &(erp + "contract: contracts/erp.openapi.yaml\n"),
    );
    add("contracts/erp.openapi.yaml", ERP);
    add("contracts/any.schema.json", r#"{"$defs": {"Any": {}}}"#);
    for (path, text) in more {
        add(path, text);
    }
    for flow in flows {
        let name = flow
            .trim_start()
            .strip_prefix("flow: ")
            .expect("a flow begins with its name");
        let name = name.lines().next().expect("a name").trim();
        add(&format!("flows/{name}.yaml"), flow.trim_start());
    }
    let files = ProjectFiles {
        root: "/nowhere".into(),
        files,
    };
    let compiled = compile(&files, &registry, &Options::default());
    compiled.release.ok_or_else(|| {
        let lines = compiled
            .findings
            .iter()
            .map(|finding| format!("{} {}: {:?}", finding.code, finding.message, finding.help));
        lines.collect::<Vec<_>>().join("\n")
    })
}

impl Bench {
    pub fn new(flows: &[&str]) -> Self {
        Self::with_files(flows, &[])
    }

    pub fn with_files(flows: &[&str], files: &[(&str, &str)]) -> Self {
        let world = World::new();
        let release = release(&world, flows, files).unwrap_or_else(|findings| panic!("{findings}"));
        let folder = tempfile::tempdir().expect("a folder");
        let owner = OwnerInfo {
            pid: 1,
            address: None,
            started: Timestamp(0),
        };
        let store = SqliteStore::open(folder.path(), &owner).expect("a store");
        let (cx, owner, log) = sluice_testkit::context::cx(7);
        Self {
            world,
            release: Arc::new(release),
            store: Arc::new(FailingStore::new(store)),
            cx,
            log,
            _owner: owner,
            _folder: folder,
        }
    }

    pub fn start(&self) -> Running {
        self.start_with(Limits::default())
    }

    pub fn start_with(&self, limits: Limits) -> Running {
        let release = Arc::clone(&self.release);
        let store: Arc<dyn Store> = self.store.clone();
        Engine::start(release, store, &self.cx, &NoPorts, limits)
            .unwrap_or_else(|fault| panic!("{}", fault.private()))
    }

    /// Takes messages through a flow without a source.
    pub async fn trial(&self, flow: &str, payloads: &[&str]) -> Vec<Trial> {
        self.trial_of(flow, payloads, false).await
    }

    pub async fn trial_of(&self, flow: &str, payloads: &[&str], awaited: bool) -> Vec<Trial> {
        let payloads = payloads.iter().map(|text| value(text)).collect();
        self.trial_of_values(flow, payloads, awaited).await
    }

    pub async fn trial_of_values(
        &self,
        flow: &str,
        payloads: Vec<Value<'static>>,
        awaited: bool,
    ) -> Vec<Trial> {
        let messages = payloads.into_iter().map(|payload| Message {
            payload: Payload::Value(payload),
            origin: Origin::Manual,
            params: None,
            headers: None,
            received: self.cx.now(),
        });
        let store: Arc<dyn Store> = self.store.clone();
        let release = Arc::clone(&self.release);
        let flow = FlowName::from(flow);
        let messages = messages.collect();
        crate::trial::run(release, store, &self.cx, &flow, messages, awaited, None)
            .await
            .unwrap_or_else(|fault| panic!("{}", fault.private()))
    }

    pub fn fail_commits(&self, count: usize) {
        self.store.failing.store(count, Ordering::Release);
    }

    pub async fn counts(&self, flow: &str) -> Counts {
        self.store.flush().await.expect("the store works");
        let counts = self.store.counts(&FlowName::from(flow)).await;
        let counts = counts.expect("the store reads");
        assert!(counts.is_balanced(), "{flow}: {counts:?}");
        counts
    }

    /// Returns the dead letters, oldest first.
    pub async fn dead_letters(&self) -> Vec<DeadLetter> {
        let page = self
            .store
            .dead_letters(DeadLetterFilter::default(), None, 1000)
            .await;
        let mut letters = Vec::new();
        for head in page.expect("the store reads").dead_letters.iter().rev() {
            let letter = self.store.dead_letter(head.id).await;
            letters.push(letter.expect("the store reads").expect("it is there"));
        }
        letters
    }

    /// Waits until deliveries of a feed are acknowledged.
    pub async fn acked(&self, feed: &str, count: usize) {
        let what = format!("{count} acknowledged deliveries of {feed}");
        let acked = |state: &crate::tests::world::State| {
            let feed = state.feeds.get(feed);
            let settled = feed.map_or(&[][..], |feed| &feed.settled);
            count <= settled.iter().filter(|(_, acked)| *acked).count()
        };
        self.world.until(&what, acked).await;
    }
}

/// Long enough for everything in a test.
pub(super) const DRAIN: Duration = Duration::from_secs(20);
