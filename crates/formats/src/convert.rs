//! A whole stream from one format to another, in constant memory.

use sluice_model::fault::Fault;
use sluice_model::value::Value;
use sluice_sdk::format::{Decoded, Decoder, DynFormat, Encoder, Start};

/// A conversion that is under way: fed chunks of any size, it gives what can be written by then.
///
/// Where the source is one document that is a list, and the target a stream of records, the items
/// are the records. A stream becomes one document only if the target's options say so (`json` with
/// `list: true`).
pub struct Conversion {
    decoder: Box<dyn Decoder>,
    encoder: Box<dyn Encoder>,
    /// Whether a list is taken apart.
    items: bool,
    decoded: Vec<Decoded>,
    counts: Counts,
}

/// What a conversion has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records that were written.
    pub written: u64,
    /// Records that could not be read or not be written.
    pub failed: u64,
}

/// A record that a conversion left out.
#[derive(Debug, Clone)]
pub struct Failed {
    /// The line on which it begins, from 1.
    pub line: u64,
    /// The offset of its first byte.
    pub offset: u64,
    /// Why it was left out.
    pub fault: Fault,
}

impl Conversion {
    /// Returns a conversion at the start of a stream.
    pub fn new(from: &dyn DynFormat, to: &dyn DynFormat) -> Self {
        Self {
            decoder: from.decoder(&Start::default()),
            encoder: to.encoder(),
            items: to.is_stream_of_records() && !from.is_stream_of_records(),
            decoded: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// Takes the next bytes and adds to `out` what they become; each record that is left out is
    /// given to `failed`.
    pub fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>, failed: &mut dyn FnMut(Failed)) {
        self.decoder.feed(bytes, &mut self.decoded);
        self.encode(out, failed);
    }

    /// Says that no bytes follow, adds what is left, and returns the counts.
    pub fn finish(mut self, out: &mut Vec<u8>, failed: &mut dyn FnMut(Failed)) -> Counts {
        self.decoder.finish(&mut self.decoded);
        self.encode(out, failed);
        self.encoder.finish(out);
        self.counts
    }

    fn encode(&mut self, out: &mut Vec<u8>, failed: &mut dyn FnMut(Failed)) {
        for decoded in self.decoded.drain(..) {
            let (line, offset) = (decoded.line, decoded.offset);
            let mut count = |result: Result<(), Fault>| match result {
                Ok(()) => self.counts.written += 1,
                Err(fault) => {
                    self.counts.failed += 1;
                    failed(Failed {
                        line,
                        offset,
                        fault,
                    });
                }
            };
            match decoded.content {
                Ok(Value::List(items)) if self.items => {
                    for item in &items {
                        count(self.encoder.encode(item, out));
                    }
                }
                Ok(value) => count(self.encoder.encode(&value, out)),
                Err(unread) => count(Err(unread.fault)),
            }
        }
    }
}
