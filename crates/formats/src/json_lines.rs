//! JSON lines (jsonlines.org, also called NDJSON): one JSON value in each line.
//!
//! A byte order mark at the start and lines that are blank are skipped. A line that is not JSON, or
//! with a type does not fit it, is one unread record, and the next line is read as if nothing had
//! been.

use memchr::memchr;
use schemars::JsonSchema;
use serde::Deserialize;
use sluice_model::fault::{Fault, FaultCode};
use sluice_model::json;
use sluice_model::projection::Projection;
use sluice_model::types::Type;
use sluice_model::value::Value;
use sluice_sdk::check::Problem;
use sluice_sdk::config::ByteSize;
use sluice_sdk::format::{Decoded, Decoder, Encoder, Format, Start, Unread};
use sluice_sdk::registry::Info;

use crate::bound::PIECE;
use crate::json::{NoRecord, Reader, at, check_limits};

/// Options of JSON lines.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct JsonLinesConfig {
    /// The longest line, `1MiB` unless set; a longer one is an unread record.
    pub record_max: ByteSize,
    /// The most lists and records that may lie in each other, up to 512.
    pub depth_max: u32,
}

impl Default for JsonLinesConfig {
    fn default() -> Self {
        Self {
            record_max: ByteSize(1 << 20),
            depth_max: 128,
        }
    }
}

/// JSON lines with checked options.
#[derive(Debug, Clone)]
pub struct JsonLines {
    reader: Reader,
}

impl JsonLines {
    /// Returns the same format, which leaves out on reading the fields that nobody needs, and then
    /// does not check the type.
    pub fn projected(&self, projection: Projection) -> Self {
        Self {
            reader: self.reader.projected(projection),
        }
    }
}

impl Format for JsonLines {
    const INFO: Info = Info {
        name: "json_lines",
        summary: "One JSON value in each line.",
        example: "{ json_lines: { record_max: 4MiB } }",
    };
    type Config = JsonLinesConfig;

    fn check(config: JsonLinesConfig, ty: Option<&Type>) -> Result<Self, Vec<Problem>> {
        let limits = check_limits(config.record_max, config.depth_max)?;
        Ok(Self {
            reader: Reader::new(limits, ty),
        })
    }

    fn record_type(&self) -> Type {
        self.reader.record_type()
    }

    fn is_stream_of_records(&self) -> bool {
        true
    }

    fn extension(&self) -> &'static str {
        "jsonl"
    }

    fn media_type(&self) -> &'static str {
        "application/x-ndjson"
    }

    fn decoder(&self, start: &Start) -> Box<dyn Decoder> {
        Box::new(JsonLinesDecoder {
            reader: self.reader.clone(),
            offset: start.offset,
            line: start.line.max(1),
            held: Vec::new(),
            searched: 0,
            long: None,
        })
    }

    fn encoder(&self) -> Box<dyn Encoder> {
        Box::new(JsonLinesEncoder)
    }
}

struct JsonLinesDecoder {
    reader: Reader,
    /// Offset and line of the first byte that belongs to no finished line.
    offset: u64,
    line: u64,
    held: Vec<u8>,
    /// How much of what is held has no line break.
    searched: usize,
    /// The beginning of a line that is longer than the limit, and its length so far.
    long: Option<(Vec<u8>, u64)>,
}

impl JsonLinesDecoder {
    /// Reads all lines that are complete in `data` and returns how many bytes they take.
    fn lines(&mut self, data: &[u8], out: &mut Vec<Decoded>) -> usize {
        let mut from = 0;
        while let Some(found) = memchr(b'\n', &data[from + self.searched..]) {
            let end = from + self.searched + found + 1;
            self.searched = 0;
            self.end_of_line(&data[from..end], out);
            from = end;
        }
        self.searched = data.len() - from;
        let most = self.reader.limits.bytes;
        if self.long.is_some() || self.searched > most {
            let (raw, length) = self.long.get_or_insert_with(Default::default);
            let room = most.saturating_sub(raw.len()).min(self.searched);
            raw.extend_from_slice(&data[from..from + room]);
            *length += self.searched as u64;
            self.searched = 0;
            return data.len();
        }
        from
    }

    /// Reads a line, its line break included, or the rest of one that is too long.
    fn end_of_line(&mut self, line: &[u8], out: &mut Vec<Decoded>) {
        let (offset, number) = (self.offset, self.line);
        let broken = u64::from(line.ends_with(b"\n"));
        let content = if let Some((raw, length)) = self.long.take() {
            self.offset += length + line.len() as u64;
            Err(self.too_long(raw, number))
        } else {
            self.offset += line.len() as u64;
            let text = match line.strip_prefix(b"\xEF\xBB\xBF") {
                Some(text) if offset == 0 => text,
                _ => line,
            };
            if line.len() > self.reader.limits.bytes {
                let raw = line[..self.reader.limits.bytes].to_vec();
                Err(self.too_long(raw, number))
            } else if text.iter().all(u8::is_ascii_whitespace) {
                self.line += broken;
                return;
            } else {
                self.value(line, number)
            }
        };
        self.line += broken;
        out.push(Decoded {
            offset,
            end: self.offset,
            line: number,
            end_line: self.line,
            content,
        });
    }

    fn value(&self, line: &[u8], number: u64) -> Result<Value<'static>, Unread> {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let unread = |fault: Fault| Unread {
            raw: text.into(),
            fault,
        };
        // A byte order mark belongs at the start of the stream only; elsewhere it is refused.
        if number > 1 && text.starts_with(b"\xEF\xBB\xBF") {
            let message = "not JSON: a byte order mark may stand at the start of the file only";
            return Err(unread(at(Fault::invalid(message), number, 1)));
        }
        self.reader.read(text).map_err(|no| match no {
            NoRecord::Unfit(fault) => unread(at(fault, number, 1)),
            NoRecord::NotJson(error) => {
                let line = number + u64::from(error.line) - 1;
                unread(Fault::from(json::JsonError {
                    line: u32::try_from(line).unwrap_or(u32::MAX),
                    ..error
                }))
            }
        })
    }

    fn too_long(&self, raw: Vec<u8>, number: u64) -> Unread {
        let message = format!(
            "the line is longer than the limit of {} bytes (`record_max`)",
            self.reader.limits.bytes
        );
        Unread {
            raw: raw.into(),
            fault: at(
                Fault::invalid(message).with_code(FaultCode::LIMIT),
                number,
                1,
            ),
        }
    }
}

impl Decoder for JsonLinesDecoder {
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<Decoded>) {
        for piece in bytes.chunks(PIECE) {
            let mut held = std::mem::take(&mut self.held);
            if held.is_empty() {
                let taken = self.lines(piece, out);
                held.extend_from_slice(&piece[taken..]);
            } else {
                held.extend_from_slice(piece);
                let taken = self.lines(&held, out);
                held.drain(..taken);
            }
            self.held = held;
        }
    }

    fn finish(&mut self, out: &mut Vec<Decoded>) {
        let held = std::mem::take(&mut self.held);
        self.searched = 0;
        if !held.is_empty() || self.long.is_some() {
            self.end_of_line(&held, out);
        }
    }

    fn state(&self) -> Value<'static> {
        Value::Null
    }
}

struct JsonLinesEncoder;

impl Encoder for JsonLinesEncoder {
    fn encode(&mut self, value: &Value<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        json::write(value, out);
        out.push(b'\n');
        Ok(())
    }

    fn finish(&mut self, _out: &mut Vec<u8>) {}
}
