//! Files as a sink.
//!
//! With `each: file` a message becomes a file: written beside under a hidden name, brought to disk,
//! then renamed, so that nobody ever sees half of it. With `each: record` messages are added to a
//! file that gets its name when their group (the file that they came from) ends.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Error, ErrorKind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use schemars::JsonSchema;
use serde::Deserialize;
use sluice_model::fault::{Blame, Fault, FaultCode, Retry};
use sluice_model::types::{Kind, Type};
use sluice_model::value::Value;
use sluice_sdk::check::{Check, Problem};
use sluice_sdk::config::{FormatRef, TypeName};
use sluice_sdk::connection::{BatchFault, Row, Sink, SinkShape};
use sluice_sdk::cx::Cx;
use sluice_sdk::format::DynFormat;
use sluice_sdk::registry::Info;

use crate::files::Files;
use crate::files::fault::io;
use crate::files::name;
use crate::files::part::{self, Addition, Part, PartKey};
use crate::files::place::{self, Folder};
use crate::files::read::Each;
use crate::files::rename::sync_folder;

/// The most files that records are added to at the same time.
const PARTS_MAX: usize = 256;

/// The fields of a `write` to files, beside the reference and those that every `write` has.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FilesSinkConfig {
    /// How a message is written. Without a format it has to be a text or bytes.
    pub format: Option<FormatRef>,
    /// Whether each message is a file, or a record of one.
    pub each: Each,
    /// The type of a message.
    pub r#type: Option<TypeName>,
    /// What happens if a file of the name is there already: by default it is replaced with
    /// `each: file`, and kept beside with `each: record`.
    pub exists: Option<Exists>,
    /// When records are brought to disk, with `each: record`.
    pub sync: Sync,
}

/// What happens to a file whose name another has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Exists {
    /// It takes the other's place.
    Replace,
    /// It becomes `name_2.xml`, `name_3.xml`...
    Suffix,
    /// It is refused: a fault `conflict`.
    Fail,
}

/// When records are brought to disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Sync {
    /// With each batch: what was acknowledged survives a power failure.
    #[default]
    Batch,
    /// When the file gets its name: faster. What was acknowledged survives the process, but not a
    /// power failure.
    End,
}

/// A sink that writes files.
pub struct FilesSink {
    plan: Arc<Plan>,
    state: Option<Mutex<State>>,
}

impl Clone for FilesSink {
    /// Returns a sink that is not open.
    fn clone(&self) -> Self {
        Self {
            plan: Arc::clone(&self.plan),
            state: None,
        }
    }
}

struct Plan {
    place: String,
    format: Option<Arc<dyn DynFormat>>,
    each: Each,
    ty: Option<Type>,
    exists: Exists,
    sync: Sync,
}

struct State {
    folder: Arc<Folder>,
    parts: BTreeMap<PartKey, Part>,
}

impl Sink for FilesSink {
    const INFO: Info = Info {
        name: "files",
        summary: "Writes each message as a file, or adds it to one as a record.",
        example: "- write: partner#out\n  name: INV_{customer}_{day}.xml\n",
    };
    type On = Files;
    type Config = FilesSinkConfig;

    fn check(config: FilesSinkConfig, cx: &mut dyn Check) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let place = place::check(cx).unwrap_or_else(|problem| {
            problems.push(problem);
            String::new()
        });
        let ty = config.r#type.and_then(|name| cx.contract_type(name));
        let format = config.format.and_then(|name| cx.format(name, ty.as_ref()));
        match (config.each, config.format, &format) {
            (Each::Record, None, _) => problems.push(
                Problem::new("/each", "records need a format")
                    .with_help("add `format: json_lines`, or write `each: file`"),
            ),
            (Each::Record, _, Some(format)) if !format.is_stream_of_records() => {
                let name = format.info().name;
                let text = format!("a file of the format `{name}` is one record");
                let problem = Problem::new("/each", text);
                problems.push(problem.with_help("write `each: file`"));
            }
            (Each::Record, _, _) if config.exists == Some(Exists::Replace) => problems.push(
                Problem::new("/exists", "records of an earlier file would be lost")
                    .with_help("write `suffix` or `fail`"),
            ),
            _ => {}
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let exists = config.exists.unwrap_or(match config.each {
            Each::File => Exists::Replace,
            Each::Record => Exists::Suffix,
        });
        let plan = Plan {
            place,
            format,
            each: config.each,
            ty,
            exists,
            sync: config.sync,
        };
        Ok(Self {
            plan: Arc::new(plan),
            state: None,
        })
    }

    fn shape(&self) -> SinkShape {
        let row = match (&self.plan.ty, &self.plan.format) {
            (Some(ty), _) => ty.clone(),
            (None, Some(_)) => Type::any(),
            (None, None) => Type::union(vec![Type::text(), Type::new(Kind::Bytes)]),
        };
        SinkShape {
            row,
            idempotent: self.plan.each == Each::File && self.plan.exists == Exists::Replace,
            named: true,
        }
    }

    async fn open(&mut self, on: &Files, cx: &Cx) -> Result<(), Fault> {
        let (files, place) = (on.clone(), self.plan.place.clone());
        let folder = cx.blocking(move || files.folder_to_write(&place)).await??;
        if self.state.is_none() {
            self.state = Some(Mutex::new(State {
                folder: Arc::new(folder),
                parts: BTreeMap::new(),
            }));
        }
        Ok(())
    }

    async fn write(&mut self, _: &Files, rows: &[Row], cx: &Cx) -> Result<(), BatchFault> {
        let plan = Arc::clone(&self.plan);
        let state = self.opened().map_err(BatchFault::All)?;
        let mut failed = match plan.each {
            Each::File => write_files(&plan, Arc::clone(&state.folder), rows, cx).await,
            Each::Record => write_records(&plan, state, rows, cx).await,
        }
        .map_err(BatchFault::All)?;
        if failed.is_empty() {
            return Ok(());
        }
        failed.sort_by_key(|(index, _)| *index);
        Err(BatchFault::Rows(failed))
    }

    async fn finish(&mut self, _: &Files, group: &str, cx: &Cx) -> Result<(), Fault> {
        let plan = Arc::clone(&self.plan);
        if plan.each == Each::File {
            return Ok(());
        }
        let state = self.opened()?;
        let group: Arc<str> = group.into();
        let gathered = state
            .parts
            .extract_if(.., |key, _| key.group.as_ref() == Some(&group));
        let mut parts: Vec<(PartKey, Part)> = gathered.collect();
        let folder = Arc::clone(&state.folder);
        cx.blocking(move || {
            let known: BTreeSet<PartKey> = parts.iter().map(|(key, _)| key.clone()).collect();
            let format = plan.format.as_deref();
            let left = part::left_behind(&folder, &group)
                .map_err(|error| io(error, "read the folder", &folder.shown))?;
            for key in left.into_iter().filter(|key| !known.contains(key)) {
                let Some(format) = format else { continue };
                let part = Part::open(&folder, &key, format)
                    .map_err(|error| io(error, "go on with the file", &key.name))?;
                parts.push((key, part));
            }
            finish_all(&folder, parts, plan.exists)
        })
        .await?
    }

    async fn close(&mut self, _: &Files, cx: &Cx) -> Result<(), Fault> {
        let plan = Arc::clone(&self.plan);
        let Some(state) = self.state.take() else {
            return Ok(());
        };
        let state = state.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (ended, open): (Vec<_>, Vec<_>) = state
            .parts
            .into_iter()
            .partition(|(key, _)| key.group.is_none());
        let folder = state.folder;
        cx.blocking(move || {
            // The group of these goes on when the flow does: they keep their hidden names.
            for (key, part) in &open {
                part.sync()
                    .map_err(|error| io(error, "write the file", &key.name))?;
            }
            finish_all(&folder, ended, plan.exists)
        })
        .await?
    }
}

impl FilesSink {
    fn opened(&mut self) -> Result<&mut State, Fault> {
        match &mut self.state {
            Some(state) => Ok(state.get_mut().unwrap_or_else(PoisonError::into_inner)),
            None => Err(Fault::internal("the sink is used before it is open")),
        }
    }
}

/// Rows that were not written, by their index.
type Failed = Vec<(usize, Fault)>;

fn finish_all(folder: &Folder, parts: Vec<(PartKey, Part)>, exists: Exists) -> Result<(), Fault> {
    for (key, part) in parts {
        part.finish(folder, &key.name, exists)
            .map_err(|error| not_named(error, &key.name))?;
    }
    Ok(())
}

fn not_named(error: Error, name: &str) -> Fault {
    if error.kind() == ErrorKind::AlreadyExists {
        let text = format!("there is a file `{name}` already");
        return Fault::new(FaultCode::CONFLICT, Retry::Never, Blame::Caller, text);
    }
    io(error, "write the file", name)
}

/// A message that becomes a file.
struct NewFile {
    index: usize,
    name: String,
    /// Its name until it is complete.
    part: String,
    bytes: Vec<u8>,
}

async fn write_files(
    plan: &Arc<Plan>,
    folder: Arc<Folder>,
    rows: &[Row],
    cx: &Cx,
) -> Result<Failed, Fault> {
    let mut failed = Vec::new();
    let mut files = Vec::with_capacity(rows.len());
    for (index, row) in rows.iter().enumerate() {
        match new_file(plan, index, row) {
            Ok(file) => files.push(file),
            Err(fault) => failed.push((index, fault)),
        }
    }
    let exists = plan.exists;
    let more = cx
        .blocking(move || {
            let mut failed = Vec::new();
            let mut written: BTreeMap<PathBuf, Vec<usize>> = BTreeMap::new();
            for file in files {
                match write_file(&folder, &file, exists) {
                    Ok(parent) => written.entry(parent).or_default().push(file.index),
                    Err(error) => failed.push((file.index, not_named(error, &file.name))),
                }
            }
            for (parent, rows) in written {
                if let Err(error) = sync_folder(&parent) {
                    let fault = io(error, "write to the folder", &folder.shown);
                    failed.extend(rows.into_iter().map(|index| (index, fault.clone())));
                }
            }
            failed
        })
        .await?;
    failed.extend(more);
    Ok(failed)
}

fn new_file(plan: &Plan, index: usize, row: &Row) -> Result<NewFile, Fault> {
    let name = match (&row.name, &row.key) {
        (Some(name), _) => name.as_str().to_owned(),
        // The effect's key is the same when the message comes again.
        (None, Some(key)) => {
            let safe = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
            let stem: String = key.as_str().chars().map(safe).collect();
            let extension = plan.format.as_ref().map_or("bin", |f| f.extension());
            format!("{stem}.{extension}")
        }
        (None, None) => return Err(Fault::invalid("a file needs a `name`")),
    };
    name::check(&name)?;
    let mut bytes = Vec::new();
    match (&plan.format, &row.value) {
        (Some(format), value) => encode_whole(&**format, value, &mut bytes)?,
        (None, Value::Text(text)) => bytes.extend_from_slice(text.as_bytes()),
        (None, Value::Bytes(content)) => bytes.extend_from_slice(content),
        (None, other) => {
            let text = format!("a {} is not a file's content: add a `format`", other.kind());
            return Err(Fault::invalid(text));
        }
    }
    // A hidden name of its own for each effect, so that two flows do not write into one file.
    let last = name.rsplit('/').next().unwrap_or_default();
    let mark = row.key.as_ref().map_or(0, |key| checksum(key.as_str()));
    let part = format!(".{last}.{mark:08x}.part");
    Ok(NewFile {
        index,
        name,
        part,
        bytes,
    })
}

/// FNV-1a: tells keys apart, no more.
fn checksum(text: &str) -> u32 {
    let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    text.bytes().fold(0x811c_9dc5, step)
}

fn encode_whole(
    format: &dyn DynFormat,
    value: &Value<'static>,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let mut encoder = format.encoder();
    match value {
        Value::List(items) if format.is_stream_of_records() => {
            for item in items {
                encoder.encode(item, out)?;
            }
        }
        value => encoder.encode(value, out)?,
    }
    encoder.finish(out);
    Ok(())
}

fn write_file(folder: &Folder, file: &NewFile, exists: Exists) -> Result<PathBuf, Error> {
    let parent = part::parent_of(folder, &file.name)?;
    let part = parent.join(&file.part);
    let written = write_part(&part, &file.bytes)
        .and_then(|()| part::give_name(&part, &folder.real.join(&file.name), exists));
    if let Err(error) = written {
        let _ = std::fs::remove_file(&part);
        return Err(error);
    }
    Ok(parent)
}

fn write_part(part: &std::path::Path, bytes: &[u8]) -> Result<(), Error> {
    let mut file = std::fs::File::create(part)?;
    std::io::Write::write_all(&mut file, bytes)?;
    file.sync_all()
}

/// The rows of one part.
struct Adding {
    key: PartKey,
    rows: Vec<usize>,
}

async fn write_records(
    plan: &Arc<Plan>,
    state: &mut State,
    rows: &[Row],
    cx: &Cx,
) -> Result<Failed, Fault> {
    let Some(format) = &plan.format else {
        return Err(Fault::internal("records without a format"));
    };
    let mut failed = Vec::new();
    let mut additions: Vec<(Adding, Addition)> = Vec::new();
    for mut adding in by_part(format.extension(), rows) {
        if let Err(fault) = open_part(plan, state, &adding.key, cx).await {
            failed.extend(adding.rows.into_iter().map(|index| (index, fault.clone())));
            continue;
        }
        let Some(part) = state.parts.get_mut(&adding.key) else {
            continue;
        };
        let mut bytes = Vec::with_capacity(adding.rows.len() * 256);
        adding.rows.retain(|index| {
            let encoded = part.encoder.encode(&rows[*index].value, &mut bytes);
            encoded
                .map_err(|fault| failed.push((*index, fault)))
                .is_ok()
        });
        additions.push((adding, part.addition(bytes)));
    }
    let sync = plan.sync;
    let written = cx
        .blocking(move || {
            let write = |(adding, addition): (Adding, Addition)| {
                let written = addition.write().and_then(|()| match sync {
                    Sync::Batch => addition.sync(),
                    Sync::End => Ok(()),
                });
                (adding, addition.bytes.len(), written)
            };
            additions.into_iter().map(write).collect::<Vec<_>>()
        })
        .await?;
    for (adding, count, result) in written {
        match result {
            Ok(()) => {
                if let Some(part) = state.parts.get_mut(&adding.key) {
                    part.added(count);
                }
            }
            Err(error) => {
                // The encoder thinks that it has written them: what is there is read again.
                state.parts.remove(&adding.key);
                let fault = io(error, "write the file", &adding.key.name);
                failed.extend(adding.rows.into_iter().map(|index| (index, fault.clone())));
            }
        }
    }
    Ok(failed)
}

/// Sorts rows by the part that they belong to; their order within it stays.
fn by_part(extension: &str, rows: &[Row]) -> Vec<Adding> {
    let mut parts: Vec<Adding> = Vec::new();
    let mut places: BTreeMap<(Option<&str>, Option<&str>), usize> = BTreeMap::new();
    let mut before = None;
    for (index, row) in rows.iter().enumerate() {
        let own = (
            row.name.as_ref().map(|name| name.as_str()),
            row.group.as_deref(),
        );
        let place = match before {
            Some((place, key)) if key == own => place,
            _ => *places.entry(own).or_insert_with(|| {
                let name = match own.0 {
                    Some(name) => name.to_owned(),
                    None => name::of_group(own.1, extension),
                };
                parts.push(Adding {
                    key: PartKey {
                        name,
                        group: row.group.clone(),
                    },
                    rows: Vec::new(),
                });
                parts.len() - 1
            }),
        };
        before = Some((place, own));
        parts[place].rows.push(index);
    }
    parts
}

async fn open_part(
    plan: &Arc<Plan>,
    state: &mut State,
    key: &PartKey,
    cx: &Cx,
) -> Result<(), Fault> {
    if state.parts.contains_key(key) {
        return Ok(());
    }
    name::check(&key.name)?;
    if PARTS_MAX <= state.parts.len() {
        let text = format!(
            "records are added to {PARTS_MAX} files at the same time, which is the most: write \
             `each: file`, or fewer names"
        );
        return Err(Fault::new(
            FaultCode::LIMIT,
            Retry::Never,
            Blame::Config,
            text,
        ));
    }
    let (plan, folder, own) = (Arc::clone(plan), Arc::clone(&state.folder), key.clone());
    let opened = cx
        .blocking(move || match &plan.format {
            Some(format) => Part::open(&folder, &own, &**format),
            None => Err(Error::other("records without a format")),
        })
        .await?;
    let part = opened.map_err(|error| io(error, "write the file", &key.name))?;
    state.parts.insert(key.clone(), part);
    Ok(())
}
