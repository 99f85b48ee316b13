//! Two small formats for tests of connectors, which do not know the real ones.

use std::sync::Arc;

use sluice_model::fault::Fault;
use sluice_model::json::{self, Limits};
use sluice_model::projection::Projection;
use sluice_model::types::Type;
use sluice_model::value::Value;
use sluice_sdk::check::Problem;
use sluice_sdk::config::NoConfig;
use sluice_sdk::format::{Decoded, Decoder, Encoder, Format, Start, Unread};
use sluice_sdk::registry::Info;

/// One JSON document in each line. The first line of a stream is a header that encoder and decoder
/// keep: `#lines`; so it tests that a resumed reader and writer know where they are.
#[derive(Debug)]
pub struct Lines;

impl Format for Lines {
    const INFO: Info = Info {
        name: "lines",
        summary: "One JSON document in each line, behind a header line; for tests.",
        example: "format: lines",
    };
    type Config = NoConfig;

    fn check(_: NoConfig, _: Option<&Type>) -> Result<Self, Vec<Problem>> {
        Ok(Self)
    }
    fn record_type(&self) -> Type {
        Type::any()
    }
    fn is_stream_of_records(&self) -> bool {
        true
    }
    fn extension(&self) -> &'static str {
        "lines"
    }
    fn media_type(&self) -> &'static str {
        "application/x-lines"
    }
    fn decoder(&self, start: &Start) -> Box<dyn Decoder> {
        Box::new(LinesDecoder {
            offset: start.offset,
            line: start.line.max(1),
            header: start.state.as_bool() == Some(true),
            held: Vec::new(),
        })
    }
    fn encoder(&self) -> Box<dyn Encoder> {
        Box::new(LinesEncoder { header: false })
    }
}

struct LinesDecoder {
    offset: u64,
    line: u64,
    header: bool,
    held: Vec<u8>,
}

impl LinesDecoder {
    fn line(&mut self, line: &[u8], ending: u64, out: &mut Vec<Decoded>) {
        let (offset, number) = (self.offset, self.line);
        self.offset += line.len() as u64 + ending;
        self.line += ending;
        if !self.header {
            self.header = true;
            return;
        }
        let content = json::read_owned(line, &Projection::All, &Limits::default());
        out.push(Decoded {
            offset,
            end: self.offset,
            line: number,
            end_line: self.line,
            content: content.map_err(|error| Unread {
                raw: Arc::from(line),
                fault: Fault::from(error),
            }),
        });
    }
}

impl Decoder for LinesDecoder {
    fn feed(&mut self, mut bytes: &[u8], out: &mut Vec<Decoded>) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            if self.held.is_empty() {
                self.line(&bytes[..end], 1, out);
            } else {
                let mut line = std::mem::take(&mut self.held);
                line.extend_from_slice(&bytes[..end]);
                self.line(&line, 1, out);
            }
            bytes = &bytes[end + 1..];
        }
        self.held.extend_from_slice(bytes);
    }

    fn finish(&mut self, out: &mut Vec<Decoded>) {
        let line = std::mem::take(&mut self.held);
        if !line.is_empty() {
            self.line(&line, 0, out);
        }
    }

    fn state(&self) -> Value<'static> {
        Value::Bool(self.header)
    }
}

struct LinesEncoder {
    header: bool,
}

impl Encoder for LinesEncoder {
    fn encode(&mut self, value: &Value<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        if matches!(value, Value::Bytes(_)) {
            return Err(Fault::invalid("`lines` cannot say bytes"));
        }
        if !self.header {
            self.header = true;
            out.extend_from_slice(b"#lines\n");
        }
        out.extend_from_slice(json::to_string(value).as_bytes());
        out.push(b'\n');
        Ok(())
    }

    fn finish(&mut self, _: &mut Vec<u8>) {}
}

/// A stream that is one JSON document.
#[derive(Debug)]
pub struct Document;

impl Format for Document {
    const INFO: Info = Info {
        name: "document",
        summary: "One JSON document; for tests.",
        example: "format: document",
    };
    type Config = NoConfig;

    fn check(_: NoConfig, _: Option<&Type>) -> Result<Self, Vec<Problem>> {
        Ok(Self)
    }
    fn record_type(&self) -> Type {
        Type::any()
    }
    fn is_stream_of_records(&self) -> bool {
        false
    }
    fn extension(&self) -> &'static str {
        "json"
    }
    fn media_type(&self) -> &'static str {
        "application/json"
    }
    fn decoder(&self, _: &Start) -> Box<dyn Decoder> {
        Box::new(DocumentDecoder(Vec::new()))
    }
    fn encoder(&self) -> Box<dyn Encoder> {
        Box::new(DocumentEncoder)
    }
}

struct DocumentDecoder(Vec<u8>);

impl Decoder for DocumentDecoder {
    fn feed(&mut self, bytes: &[u8], _: &mut Vec<Decoded>) {
        self.0.extend_from_slice(bytes);
    }

    fn finish(&mut self, out: &mut Vec<Decoded>) {
        let bytes = std::mem::take(&mut self.0);
        let content = json::read_owned(&bytes, &Projection::All, &Limits::default());
        out.push(Decoded {
            offset: 0,
            end: bytes.len() as u64,
            line: 1,
            end_line: 1 + bytes.iter().filter(|byte| **byte == b'\n').count() as u64,
            content: content.map_err(|error| Unread {
                raw: bytes.into(),
                fault: Fault::from(error),
            }),
        });
    }

    fn state(&self) -> Value<'static> {
        Value::Null
    }
}

struct DocumentEncoder;

impl Encoder for DocumentEncoder {
    fn encode(&mut self, value: &Value<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        out.extend_from_slice(json::to_string(value).as_bytes());
        Ok(())
    }

    fn finish(&mut self, _: &mut Vec<u8>) {}
}
