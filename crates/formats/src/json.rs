//! JSON (RFC 8259): one document, which is one record; with `list` a list, each of whose items is a
//! record.
//!
//! A list is read item by item, however long it is. An item that is not JSON is one unread record;
//! the next one begins behind the comma that ends it.

mod list;

use schemars::JsonSchema;
use serde::Deserialize;
use sluice_model::fault::{Fault, FaultCode};
use sluice_model::json::{self, DEPTH_MAX, Limits};
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
    /// The largest record: the document, or an item of the list.
    #[schemars(with = "String")]
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
    limits: Limits,
    projection: Projection,
}

impl Json {
    /// Returns the same format, which leaves out on reading the fields that nobody needs.
    pub fn projected(&self, projection: Projection) -> Self {
        Self {
            projection,
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

    fn check(config: JsonConfig, _ty: Option<&Type>) -> Result<Self, Vec<Problem>> {
        Ok(Self {
            list: config.list,
            pretty: config.pretty,
            limits: check_limits(config.record_max, config.depth_max)?,
            projection: Projection::All,
        })
    }

    fn record_type(&self) -> Type {
        Type::any()
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
        let room = self.format.limits.bytes.saturating_sub(self.held.len());
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
                self.format.limits.bytes
            );
            Err(Fault::invalid(message)
                .with_code(FaultCode::LIMIT)
                .with_context("line", self.line.to_string())
                .with_context("column", "1"))
        } else {
            json::read_owned(&held, &self.format.projection, &self.format.limits)
                .map_err(Fault::from)
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
