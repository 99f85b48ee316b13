//! Measures the engine: rows of CSV are mapped and written as lines of JSON.
//!
//! `cargo run --release -p sluice-engine --example rows [ROWS]` prints the CPU time of a row for
//! flows that do nothing, which is the engine's own cost, and for the whole pipeline beside the
//! codecs alone. Source and sink live in memory.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::value::{Error as ValueError, MapDeserializer};
use sluice_compiler::compile::{Options, compile};
use sluice_compiler::project::ProjectFiles;
use sluice_compiler::release::Release;
use sluice_engine::{Engine, Limits, Ports};
use sluice_formats::csv::{Csv, CsvConfig};
use sluice_formats::json_lines::{JsonLines, JsonLinesConfig};
use sluice_model::batch::{Message, Origin, Payload, Receipt};
use sluice_model::fault::Fault;
use sluice_model::ids::ApiName;
use sluice_model::operation::{HttpOperation, Target};
use sluice_model::time::Timestamp;
use sluice_model::types::Type;
use sluice_model::value::Value;
use sluice_sdk::check::{Check, Problem};
use sluice_sdk::config::{NoConfig, TypeName};
use sluice_sdk::connection::{
    BatchFault, Connection, Delivery, DynSource, PositionMark, Positions, Promises, Row, Sink,
    SinkShape, Source, SourceShape,
};
use sluice_sdk::cx::{Cx, TokioRuntime};
use sluice_sdk::format::{Decoded, Decoder, DynFormat, Encoder, Format, Start};
use sluice_sdk::registry::{Info, Offers, Registry};
use sluice_store::sqlite::open::OwnerInfo;
use sluice_store::sqlite::store::SqliteStore;
use sluice_store::store::Store;

/// How many rows one delivery has, and one batch of the sink.
const BATCH: usize = 512;
/// The types and texts of the row are those of the pipeline benchmark.
const ROW: &str = r#"{ "$defs": { "Row": { "type": "object", "properties": {
  "id": { "type": "integer" }, "sku": { "type": "string" }, "first_name": { "type": "string" },
  "last_name": { "type": "string" }, "email": { "type": "string" }, "qty": { "type": "integer" },
  "unit_price_cents": { "type": "integer" }, "created_ts": { "type": "integer" },
  "country": { "type": "string" }, "status": { "type": "string" } },
  "required": ["id", "sku", "first_name", "last_name", "email", "qty", "unit_price_cents",
    "created_ts", "country", "status"] } } }"#;
const MAPPING: &str = r#"{ "id": id, "sku": $uppercase(sku), "name": first_name & " " & last_name,
  "email": email, "quantity": qty, "amountCents": qty * unit_price_cents,
  "createdAt": $fromMillis(created_ts * 1000, "[Y0001]-[M01]-[D01]T[H01]:[m01]:[s01]Z"),
  "countryCode": country, "open": status = "OPEN" }"#;

static CSV: OnceLock<Vec<u8>> = OnceLock::new();
static ROWS: OnceLock<u64> = OnceLock::new();
static WRITTEN: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

struct Memory;

impl Connection for Memory {
    const INFO: Info = Info {
        name: "memory",
        summary: "Rows in memory.",
        example: "",
    };
    type Config = NoConfig;

    fn check(_: NoConfig, _: &mut dyn Check) -> Result<Self, Vec<Problem>> {
        Ok(Self)
    }

    async fn probe(&self, _: &Cx) -> Result<(), Fault> {
        Ok(())
    }

    fn offers(offers: &mut Offers<Self>) {
        offers.source::<Rows>().sink::<Lines>();
    }
}

/// `csv`: the rows of the text; `batches` and `singles`: numbers.
struct Rows {
    name: String,
    ty: Type,
    done: u64,
    decoder: Option<Mutex<Box<dyn Decoder>>>,
    fed: usize,
    decoded: Vec<Decoded>,
}

impl Clone for Rows {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            ty: self.ty.clone(),
            done: 0,
            decoder: None,
            fed: 0,
            decoded: Vec::new(),
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RowsConfig {
    r#type: Option<TypeName>,
}

fn name(cx: &mut dyn Check) -> String {
    match cx.target() {
        Some(Target::Place(place)) => place.to_string(),
        _ => String::new(),
    }
}

impl Source for Rows {
    const INFO: Info = Info {
        name: "memory",
        summary: "Gives rows.",
        example: "",
    };
    type On = Memory;
    type Config = RowsConfig;

    fn check(config: RowsConfig, cx: &mut dyn Check) -> Result<Self, Vec<Problem>> {
        let ty = config.r#type.and_then(|ty| cx.contract_type(ty));
        Ok(Self {
            name: name(cx),
            ty: ty.unwrap_or_else(Type::any),
            done: 0,
            decoder: None,
            fed: 0,
            decoded: Vec::new(),
        })
    }

    fn shape(&self) -> SourceShape {
        SourceShape {
            payload: self.ty.clone(),
            params: None,
            meta: Type::any(),
            reply: None,
        }
    }

    fn promises(&self) -> Promises {
        Promises {
            ordered: true,
            redelivers: false,
            replies: self.name == "requests",
            finite: true,
        }
    }

    async fn open(&mut self, _: &Memory, _: Arc<dyn Positions>, _: &Cx) -> Result<(), Fault> {
        self.decoder = Some(Mutex::new(csv(&self.ty).decoder(&Start::default())));
        Ok(())
    }

    async fn next(&mut self, _: &Memory, cx: &Cx) -> Result<Option<Delivery>, Fault> {
        let now = cx.now();
        let messages: Vec<Message> = match &*self.name {
            "csv" => self.records(now),
            own => {
                let size = if own == "batches" { BATCH as u64 } else { 1 };
                let end = (self.done + size).min(*ROWS.get_or_init(|| 0));
                let numbers = self.done..end;
                numbers
                    .map(|n| message(Value::Int(n as i64), n, now))
                    .collect()
            }
        };
        if messages.is_empty() {
            return Ok(None);
        }
        self.done += messages.len() as u64;
        Ok(Some(Delivery {
            messages,
            receipt: Receipt::nobody(),
            position: (self.name != "requests").then(|| PositionMark {
                key: self.name.as_str().into(),
                value: Some(Value::Int(self.done as i64)),
            }),
            reply: None,
            group_end: None,
        }))
    }

    async fn close(&mut self, _: &Memory, _: &Cx) {}
}

impl Rows {
    fn records(&mut self, now: Timestamp) -> Vec<Message> {
        let text = csv_text();
        let Some(decoder) = &self.decoder else {
            return Vec::new();
        };
        while self.decoded.len() < BATCH && self.fed < text.len() {
            let end = (self.fed + (64 << 10)).min(text.len());
            lock(decoder).feed(&text[self.fed..end], &mut self.decoded);
            self.fed = end;
        }
        let count = self.decoded.len().min(BATCH);
        let records = self.decoded.drain(..count).filter_map(|record| {
            let value = record.content.ok()?;
            Some(message(value, record.line, now))
        });
        records.collect()
    }
}

fn message(value: Value<'static>, line: u64, received: Timestamp) -> Message {
    static FILE: OnceLock<Arc<str>> = OnceLock::new();
    Message {
        payload: Payload::Value(value),
        origin: Origin::Record {
            file: Arc::clone(FILE.get_or_init(|| "rows.csv".into())),
            line,
            offset: 0,
        },
        params: None,
        headers: None,
        received,
    }
}

/// `lines` writes JSON, `nothing` counts.
struct Lines {
    is_json: bool,
    /// A sink has to be `Sync`; one task uses it at a time.
    encoder: Mutex<Option<Box<dyn Encoder>>>,
}

impl Clone for Lines {
    fn clone(&self) -> Self {
        Self {
            is_json: self.is_json,
            encoder: Mutex::default(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sink for Lines {
    const INFO: Info = Info {
        name: "memory",
        summary: "Takes rows.",
        example: "",
    };
    type On = Memory;
    type Config = NoConfig;

    fn check(_: NoConfig, cx: &mut dyn Check) -> Result<Self, Vec<Problem>> {
        Ok(Self {
            is_json: name(cx) == "lines",
            encoder: Mutex::default(),
        })
    }

    fn shape(&self) -> SinkShape {
        SinkShape {
            row: Type::any(),
            idempotent: true,
            named: false,
        }
    }

    async fn open(&mut self, _: &Memory, _: &Cx) -> Result<(), Fault> {
        *lock(&self.encoder) = Some(json_lines().encoder());
        Ok(())
    }

    async fn write(&mut self, _: &Memory, rows: &[Row], _: &Cx) -> Result<(), BatchFault> {
        WRITTEN.fetch_add(rows.len() as u64, Ordering::Relaxed);
        if let (true, Some(encoder)) = (self.is_json, &mut *lock(&self.encoder)) {
            let mut out = Vec::with_capacity(rows.len() * 256);
            for row in rows {
                encoder
                    .encode(&row.value, &mut out)
                    .map_err(BatchFault::All)?;
            }
            BYTES.fetch_add(out.len() as u64, Ordering::Relaxed);
        }
        Ok(())
    }

    async fn finish(&mut self, _: &Memory, _: &str, _: &Cx) -> Result<(), Fault> {
        Ok(())
    }

    async fn close(&mut self, _: &Memory, _: &Cx) -> Result<(), Fault> {
        Ok(())
    }
}

fn csv(ty: &Type) -> Arc<dyn DynFormat> {
    let config = CsvConfig::deserialize(empty()).expect("all options have defaults");
    Arc::new(Csv::check(config, Some(ty)).expect("the defaults are right"))
}

fn json_lines() -> Arc<dyn DynFormat> {
    let config = JsonLinesConfig::deserialize(empty()).expect("all options have defaults");
    Arc::new(JsonLines::check(config, None).expect("the defaults are right"))
}

type NoOptions =
    MapDeserializer<'static, std::iter::Empty<(&'static str, &'static str)>, ValueError>;

fn empty() -> NoOptions {
    MapDeserializer::new(std::iter::empty())
}

/// Nothing listens.
struct NoPorts;

impl Ports for NoPorts {
    fn api_source(&self, _: &ApiName, _: &Arc<HttpOperation>) -> Result<Box<dyn DynSource>, Fault> {
        Err(Fault::internal("nothing listens"))
    }
}

fn release(from: &str, steps: &str) -> Arc<Release> {
    let mut registry = Registry::default();
    sluice_engine::steps::register(&mut registry);
    sluice_formats::register(&mut registry);
    registry.connection::<Memory>();
    let flow = format!("flow: rows\nfrom: {{ {from} }}\nsteps:\n{steps}");
    let files: BTreeMap<Arc<str>, Arc<[u8]>> = [
        ("sluice.yaml", "project: rows\nsummary: Rows.\n"),
        ("connections/m.yaml", "connection: m\ntype: memory\n"),
        ("contracts/row.schema.json", ROW),
        ("mappings/row.jsonata", MAPPING),
        ("flows/rows.yaml", &flow),
    ]
    .into_iter()
    .map(|(path, text)| (path.into(), text.as_bytes().into()))
    .collect();
    let root = "/nowhere".into();
    let compiled = compile(
        &ProjectFiles { root, files },
        &registry,
        &Options::default(),
    );
    let release = compiled.release.unwrap_or_else(|| {
        for finding in compiled.findings.iter() {
            eprintln!("{}: {}", finding.code, finding.message);
        }
        std::process::exit(3)
    });
    Arc::new(release)
}

/// Runs a flow over all rows, and returns the CPU time of each.
fn measure(from: &str, steps: &str, rows: u64) -> Duration {
    let release = release(from, steps);
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let system = TokioRuntime::system(Box::new(|_| None), Box::new(|_, _, _, _| {}));
        let (cx, _owner) = Cx::new(Arc::new(system));
        let owner = OwnerInfo {
            pid: std::process::id(),
            address: None,
            started: cx.now(),
        };
        let store = SqliteStore::open(folder.path(), &owner).expect("a store");
        let store: Arc<dyn Store> = Arc::new(store);
        WRITTEN.store(0, Ordering::Relaxed);
        if from.contains("csv") {
            csv_text();
        }
        let before = cpu_time();
        let running = Engine::start(release, store, &cx, &NoPorts, Limits::default())
            .expect("the flow starts");
        while !running.has_ended(&"rows".into()) {
            cx.sleep(Duration::from_millis(1)).await;
        }
        running.drain(Duration::from_secs(60)).await;
        assert_eq!(WRITTEN.load(Ordering::Relaxed), rows, "each row is written");
        (cpu_time() - before) / u32::try_from(rows).expect("not so many")
    })
}

/// Returns the text of all rows, made once.
fn csv_text() -> &'static [u8] {
    CSV.get_or_init(|| text(ROWS.get().copied().unwrap_or(0)))
}

fn text(rows: u64) -> Vec<u8> {
    let mut text =
        b"id,sku,first_name,last_name,email,qty,unit_price_cents,created_ts,country,status\n"
            .to_vec();
    for n in 0..rows {
        let status = if n % 3 == 0 { "OPEN" } else { "DONE" };
        let line = format!(
            "{n},sku-{},Anna{},Berg,anna{n}@example.com,{},{},{},AT,{status}\n",
            n % 1000,
            n % 77,
            n % 9 + 1,
            n % 10_000,
            1_700_000_000 + n
        );
        text.extend_from_slice(line.as_bytes());
    }
    text
}

/// Returns the CPU time of a row for the codecs alone.
fn codecs(rows: u64) -> (Duration, Duration) {
    let release = release(
        "memory: m#csv, type: contracts/row.schema.json#Row",
        "  - write: m#lines\n",
    );
    let ty = release.flows.values().next().expect("a flow").input.clone();
    let rows = u32::try_from(rows).expect("not so many");
    let (mut decoder, mut decoded) = (csv(&ty).decoder(&Start::default()), Vec::new());
    let mut decoding = Duration::ZERO;
    let mut encoding = Duration::ZERO;
    let mut encoder = json_lines().encoder();
    let text = csv_text();
    // Large pieces, since the clock is coarse.
    for piece in text.chunks(16 << 20) {
        let begun = cpu_time();
        decoder.feed(piece, &mut decoded);
        decoding += cpu_time() - begun;
        let begun = cpu_time();
        let mut out = Vec::with_capacity(32 << 20);
        for value in decoded.iter().filter_map(|own| own.content.as_ref().ok()) {
            encoder
                .encode(value, &mut out)
                .expect("JSON says everything");
        }
        encoding += cpu_time() - begun;
        let begun = cpu_time();
        decoded.clear();
        decoding += cpu_time() - begun;
    }
    (decoding / rows, encoding / rows)
}

/// Returns the processor time that this process has used, in steps of 10 ms.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks: u64 = fields
        .split(' ')
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 10)
}

fn main() {
    let asked = std::env::args().nth(1).and_then(|text| text.parse().ok());
    let rows: u64 = asked.unwrap_or(1_000_000);
    ROWS.get_or_init(|| rows);
    let only = std::env::args().nth(2);
    let case = |name: &str, what: &str, measure: &dyn Fn() -> Duration| {
        if only.as_deref().is_none_or(|only| only == name) {
            let time = measure().as_secs_f64() * 1e6;
            println!("{name:<10} {what:<40} {time:>8.3} us/row");
        }
    };
    let write = "  - write: m#nothing\n    batch: { count: 512, after: 0ms }\n";
    let filter = "  - filter: $ >= 0\n";
    let filters = format!("{filter}{filter}{filter}{write}");
    let request = format!("{filter}{}", write.replace("512", "1"));
    let pipeline = format!("  - map: row\n{}", write.replace("nothing", "lines"));
    let mapped = format!("  - map: row\n{write}");
    let from = "memory: m#csv, type: contracts/row.schema.json#Row";
    case("empty", "nothing, 512 rows a delivery", &|| {
        measure("memory: m#batches", write, rows)
    });
    case("filters", "three filters, 512 rows a delivery", &|| {
        measure("memory: m#batches", &filters, rows)
    });
    case("singles", "nothing, one row a delivery, in order", &|| {
        measure("memory: m#singles", write, rows)
    });
    case("requests", "a filter, one request a delivery", &|| {
        measure("memory: m#requests", &request, rows)
    });
    case("decode", "CSV, without an engine", &|| codecs(rows).0);
    case("encode", "JSON lines, without an engine", &|| {
        codecs(rows).1
    });
    case("copy", "CSV, written to nowhere", &|| {
        measure(from, write, rows)
    });
    case("map", "CSV, map, written to nowhere", &|| {
        measure(from, &mapped, rows)
    });
    case("pipeline", "CSV, map, JSON lines", &|| {
        measure(from, &pipeline, rows)
    });
}
