//! Formats: from bytes to values and back, without I/O.

use std::sync::Arc;

use sluice_model::fault::Fault;
use sluice_model::types::Type;
use sluice_model::value::Value;

use crate::check::Problem;
use crate::config::Config;
use crate::registry::Info;

/// A format with its options; `Self` is the checked state.
pub trait Format: Sized + Send + Sync + 'static {
    /// What it is.
    const INFO: Info;
    /// Its options.
    type Config: Config;

    /// Makes the format of its options, for records of the type `ty` where one is known.
    ///
    /// # Errors
    /// Everything that is wrong with the options.
    fn check(config: Self::Config, ty: Option<&Type>) -> Result<Self, Vec<Problem>>;

    /// Returns the type of the records that it reads.
    fn record_type(&self) -> Type;

    /// Returns whether a stream holds many records; else the whole stream is one.
    fn is_stream_of_records(&self) -> bool;

    /// Returns the usual ending of a file's name, without the dot.
    fn extension(&self) -> &'static str;

    /// Returns the media type, for HTTP.
    fn media_type(&self) -> &'static str;

    /// Returns a decoder that begins at `start`.
    fn decoder(&self, start: &Start) -> Box<dyn Decoder>;

    /// Returns an encoder for a new stream.
    fn encoder(&self) -> Box<dyn Encoder>;
}

/// Where a decoder begins: at the start of a stream, or where an earlier one stopped.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Start {
    /// Offset of the first byte that will be fed.
    pub offset: u64,
    /// Line of that byte, from 1; 0 stands for 1.
    pub line: u64,
    /// What an earlier decoder's [`Decoder::state`] gave (a CSV header, say); null at the start.
    pub state: Value<'static>,
}

/// Reads records from bytes that come in pieces of any size. Bounded: what is held back is less
/// than the format's largest record.
pub trait Decoder: Send {
    /// Takes the next bytes and adds the records that are complete now.
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<Decoded>);

    /// Says that no bytes follow, and adds what is left.
    fn finish(&mut self, out: &mut Vec<Decoded>);

    /// Returns what a decoder needs, beside offset and line, to begin behind the last record given;
    /// small, since it is stored with each position.
    fn state(&self) -> Value<'static>;
}

/// One record, or the bytes that should have been one.
#[derive(Debug, Clone)]
pub struct Decoded {
    /// Offset of its first byte.
    pub offset: u64,
    /// Offset behind its last byte, its separator included: where a resumed reader begins.
    pub end: u64,
    /// Line of its first byte, from 1.
    pub line: u64,
    /// Line of the byte at `end`.
    pub end_line: u64,
    /// Its value, or why there is none.
    pub content: Result<Value<'static>, Unread>,
}

/// A record that could not be read.
#[derive(Debug, Clone)]
pub struct Unread {
    /// Its bytes, cut at the format's largest record.
    pub raw: Arc<[u8]>,
    /// Why; its context has line and column.
    pub fault: Fault,
}

/// Writes records as bytes.
pub trait Encoder: Send {
    /// Adds a record.
    ///
    /// # Errors
    /// If the format cannot say it (a record inside a CSV cell, say); then nothing is added.
    fn encode(&mut self, value: &Value<'_>, out: &mut Vec<u8>) -> Result<(), Fault>;

    /// Adds what ends the stream.
    fn finish(&mut self, out: &mut Vec<u8>);
}

/// The erased twin of [`Format`].
pub trait DynFormat: Send + Sync {
    /// What it is.
    fn info(&self) -> Info;
    /// See [`Format::record_type`].
    fn record_type(&self) -> Type;
    /// See [`Format::is_stream_of_records`].
    fn is_stream_of_records(&self) -> bool;
    /// See [`Format::extension`].
    fn extension(&self) -> &'static str;
    /// See [`Format::media_type`].
    fn media_type(&self) -> &'static str;
    /// See [`Format::decoder`].
    fn decoder(&self, start: &Start) -> Box<dyn Decoder>;
    /// See [`Format::encoder`].
    fn encoder(&self) -> Box<dyn Encoder>;
}

impl<F: Format> DynFormat for F {
    fn info(&self) -> Info {
        F::INFO
    }
    fn record_type(&self) -> Type {
        Format::record_type(self)
    }
    fn is_stream_of_records(&self) -> bool {
        Format::is_stream_of_records(self)
    }
    fn extension(&self) -> &'static str {
        Format::extension(self)
    }
    fn media_type(&self) -> &'static str {
        Format::media_type(self)
    }
    fn decoder(&self, start: &Start) -> Box<dyn Decoder> {
        Format::decoder(self, start)
    }
    fn encoder(&self) -> Box<dyn Encoder> {
        Format::encoder(self)
    }
}
