//! JSON (RFC 8259): one document, which is one record; with `list` a list, each of whose items is a
//! record.
//!
//! A list is read item by item, however long it is. An item that is not JSON is one unread record;
//! the next one begins behind the comma that ends it. With a type, so is an item that does not fit.

mod list;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use sluice_contracts::validate::Validator;
use sluice_model::fault::{Fault, FaultCode};
use sluice_model::json::{self, DEPTH_MAX, JsonError, Limits};
use sluice_model::projection::Projection;
use sluice_model::types::Type;
use sluice_model::value::Value;
use sluice_sdk::check::Problem;
use sluice_sdk::config::ByteSize;
use sluice_sdk::format::{Decoded, Decoder, Encoder, Format, Start, Unread};
use sluice_sdk::registry::Info;

/// The most that `record_max` may allow.
const RECORD_LIMIT: u64 = 1 << 30;

/// Options of JSON.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct JsonConfig {
    /// Whether the document is a list and each of its items a record; else the document is one.
    pub list: bool,
    /// Whether it is written on several lines, with two spaces for each level.
    pub pretty: bool,
    /// The largest record, `16MiB` unless set: the document, or an item of the list.
    pub record_max: ByteSize,
    /// The most lists and records that may lie in each other in a record, up to 512.
    pub depth_max: u32,
}

impl Default for JsonConfig {
    fn default() -> Self {
        Self {
            list: false,
            pretty: false,
            record_max: ByteSize(16 << 20),
            depth_max: 128,
        }
    }
}

/// JSON with checked options.
#[derive(Debug, Clone)]
pub struct Json {
    list: bool,
    pretty: bool,
    reader: Reader,
}

/// Reads the text of one record.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    pub limits: Limits,
    projection: Projection,
    /// The type of the records, where it says anything, and its checks.
    ty: Option<(Type, Arc<Validator>)>,
}

/// Why a text is no record: it is not JSON, or does not fit its type.
pub(crate) enum NoRecord {
    NotJson(JsonError),
    Unfit(Fault),
}

impl Reader {
    /// Makes a reader for records of the type `ty`.
    pub fn new(limits: Limits, ty: Option<&Type>) -> Self {
        let ty = ty.filter(|ty| !ty.resolved().is_any());
        Self {
            limits,
            projection: Projection::All,
            ty: ty.map(|ty| (ty.clone(), Arc::new(Validator::new(ty)))),
        }
    }

    /// Returns the same reader, which leaves out the fields that nobody needs. Since what is left
    /// out cannot be checked, neither is the type: the caller knows that it holds.
    pub fn projected(&self, projection: Projection) -> Self {
        Self {
            limits: self.limits,
            projection,
            ty: None,
        }
    }

    /// Returns the type of the records.
    pub fn record_type(&self) -> Type {
        self.ty
            .as_ref()
            .map_or_else(Type::any, |(ty, _)| ty.clone())
    }

    /// Reads a record.
    pub fn read(&self, bytes: &[u8]) -> Result<Value<'static>, NoRecord> {
        let value = json::read_owned(bytes, &self.projection, &self.limits);
        let value = value.map_err(NoRecord::NotJson)?;
        match &self.ty {
            Some((_, validator)) if !validator.is_valid(&value) => {
                Err(NoRecord::Unfit(unfit(validator, &value)))
            }
            _ => Ok(value),
        }
    }
}

#[cold]
fn unfit(validator: &Validator, value: &Value<'_>) -> Fault {
    let details = validator.validate(value);
    let mut message = "the record does not fit its type".to_owned();
    match details.first() {
        Some(first) if first.pointer.is_empty() => {
            message.push_str(&format!(": it {}", first.message));
        }
        Some(first) => message.push_str(&format!(": `{}` {}", first.pointer, first.message)),
        None => {}
    }
    if details.len() > 1 {
        message.push_str(&format!(" (and {} more)", details.len() - 1));
    }
    let fault = Fault::invalid(message);
    details.into_iter().fold(fault, |fault, detail| {
        fault.with_detail(detail.pointer, detail.message)
    })
}

impl Json {
    /// Returns the same format, which leaves out on reading the fields that nobody needs, and then
    /// does not check the type.
    pub fn projected(&self, projection: Projection) -> Self {
        Self {
            reader: self.reader.projected(projection),
            ..self.clone()
        }
    }
}

/// Checks the limits that a JSON text has in every format.
pub(crate) fn check_limits(record_max: ByteSize, depth_max: u32) -> Result<Limits, Vec<Problem>> {
    let mut problems = Vec::new();
    if !(64..=RECORD_LIMIT).contains(&record_max.0) {
        let message = "`record_max` is not between `64B` and `1GiB`";
        problems.push(Problem::new("/record_max", message));
    }
    if depth_max == 0 || depth_max as usize > DEPTH_MAX {
        let message = format!("`depth_max` is not between 1 and {DEPTH_MAX}");
        problems.push(Problem::new("/depth_max", message));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Limits {
        depth: depth_max as usize,
        bytes: usize::try_from(record_max.0).unwrap_or(usize::MAX),
    })
}

impl Format for Json {
    const INFO: Info = Info {
        name: "json",
        summary: "A JSON document (RFC 8259), or a list whose items are the records.",
        example: "{ json: { list: true } }",
    };
    type Config = JsonConfig;

    fn check(config: JsonConfig, ty: Option<&Type>) -> Result<Self, Vec<Problem>> {
        let limits = check_limits(config.record_max, config.depth_max)?;
        Ok(Self {
            list: config.list,
            pretty: config.pretty,
            reader: Reader::new(limits, ty),
        })
    }

    fn record_type(&self) -> Type {
        self.reader.record_type()
    }

    fn is_stream_of_records(&self) -> bool {
        self.list
    }

    fn extension(&self) -> &'static str {
        "json"
    }

    fn media_type(&self) -> &'static str {
        "application/json"
    }

    fn decoder(&self, start: &Start) -> Box<dyn Decoder> {
        if self.list {
            return Box::new(list::ListDecoder::new(self.clone(), start));
        }
        Box::new(DocumentDecoder {
            format: self.clone(),
            start: start.offset,
            line: start.line.max(1),
            held: Vec::new(),
            length: 0,
            breaks: 0,
        })
    }

    fn encoder(&self) -> Box<dyn Encoder> {
        if self.list {
            return Box::new(list::ListEncoder::new(self.pretty));
        }
        Box::new(DocumentEncoder {
            pretty: self.pretty,
            written: false,
        })
    }
}

/// Holds a document until it is whole, up to its largest size.
struct DocumentDecoder {
    format: Json,
    start: u64,
    line: u64,
    held: Vec<u8>,
    length: u64,
    breaks: u64,
}

impl Decoder for DocumentDecoder {
    fn feed(&mut self, bytes: &[u8], _out: &mut Vec<Decoded>) {
        let room = self
            .format
            .reader
            .limits
            .bytes
            .saturating_sub(self.held.len());
        self.held.extend_from_slice(&bytes[..room.min(bytes.len())]);
        self.length += bytes.len() as u64;
        self.breaks += memchr::memchr_iter(b'\n', bytes).count() as u64;
    }

    fn finish(&mut self, out: &mut Vec<Decoded>) {
        // Behind the one record there is nothing.
        if self.start > 0 && self.length == 0 {
            return;
        }
        let held = std::mem::take(&mut self.held);
        let content = if self.length > held.len() as u64 {
            let message = format!(
                "the document is larger than the limit of {} bytes (`record_max`)",
                self.format.reader.limits.bytes
            );
            let fault = Fault::invalid(message).with_code(FaultCode::LIMIT);
            Err(at(fault, self.line, 1))
        } else {
            self.format.reader.read(&held).map_err(|no| match no {
                NoRecord::NotJson(error) => Fault::from(error),
                NoRecord::Unfit(fault) => at(fault, self.line, 1),
            })
        };
        out.push(Decoded {
            offset: self.start,
            end: self.start + self.length,
            line: self.line,
            end_line: self.line + self.breaks,
            content: content.map_err(|fault| Unread {
                raw: held.into(),
                fault,
            }),
        });
    }

    fn state(&self) -> Value<'static> {
        Value::Null
    }
}

/// Returns the fault with its place.
pub(crate) fn at(fault: Fault, line: u64, column: u64) -> Fault {
    fault
        .with_context("line", line.to_string())
        .with_context("column", column.to_string())
}

struct DocumentEncoder {
    pretty: bool,
    written: bool,
}

impl Encoder for DocumentEncoder {
    fn encode(&mut self, value: &Value<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        if self.written {
            return Err(Fault::invalid(
                "a JSON document is one record, and one is written already: \
                 use `json_lines`, or `json` with `list: true`",
            ));
        }
        self.written = true;
        if self.pretty {
            json::write_pretty(value, out);
        } else {
            json::write(value, out);
        }
        out.push(b'\n');
        Ok(())
    }

    fn finish(&mut self, _out: &mut Vec<u8>) {}
}
