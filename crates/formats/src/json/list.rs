//! A JSON list, item by item.

use memchr::memchr2;
use sluice_model::fault::{Fault, FaultCode};
use sluice_model::json::{self, JsonError};
use sluice_model::value::Value;
use sluice_sdk::format::{Decoded, Decoder, Encoder, Start, Unread};

use super::{Json, NoRecord, at};
use crate::bound::PIECE;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before the list.
    Before,
    /// Before the first item, or the end of an empty list.
    First,
    /// Within an item, or the blanks before it.
    Item,
    /// Behind the list.
    Behind,
    /// Nothing tells how to go on: the rest is one record.
    Lost(&'static str),
}

/// Splits a list at its commas and reads each item for itself.
pub(super) struct ListDecoder {
    format: Json,
    place: Place,
    /// The first byte that belongs to no finished item.
    offset: u64,
    line: u64,
    /// Its column, in characters from 1.
    column: u64,
    held: Vec<u8>,
    /// How much of what is held has been looked at.
    at: usize,
    /// How many lists and records are open there, and whether a text is.
    open: usize,
    in_text: bool,
    /// The beginning of what is larger than the limit, or lost, and where it began.
    long: Option<Long>,
    /// Whether the list has begun.
    state: Value<'static>,
}

struct Long {
    raw: Vec<u8>,
    offset: u64,
    line: u64,
    column: u64,
}

impl ListDecoder {
    pub fn new(format: Json, start: &Start) -> Self {
        Self {
            format,
            place: match &start.state {
                Value::Bool(true) => Place::First,
                _ => Place::Before,
            },
            state: start.state.clone(),
            offset: start.offset,
            line: start.line.max(1),
            column: 1,
            held: Vec::new(),
            at: 0,
            open: 0,
            in_text: false,
            long: None,
        }
    }

    /// Moves on over bytes that are done with.
    fn pass(&mut self, bytes: &[u8]) {
        self.offset += bytes.len() as u64;
        let breaks = memchr::memchr_iter(b'\n', bytes).count();
        let line_start = memchr::memrchr(b'\n', bytes).map_or(0, |at| at + 1);
        let chars = bytes[line_start..].iter().filter(|b| **b & 0xC0 != 0x80);
        if breaks > 0 {
            self.column = 1;
            self.line += breaks as u64;
        }
        self.column += chars.count() as u64;
    }

    /// Reads what is complete in `data` and returns how many bytes that takes.
    fn items(&mut self, data: &[u8], out: &mut Vec<Decoded>) -> usize {
        const NO_LIST: &str = "expected `[`, since `list` is true";
        let mut from = 0;
        loop {
            if let Place::Lost(_) = self.place {
                self.keep(&data[from..]);
                return data.len();
            }
            let rest = &data[from..];
            let blanks = match self.place {
                Place::Item if self.at > 0 || self.long.is_some() => 0,
                _ => rest.iter().take_while(|b| b.is_ascii_whitespace()).count(),
            };
            self.pass(&rest[..blanks]);
            from += blanks;
            let rest = &data[from..];
            let Some(first) = rest.first() else {
                return from;
            };
            match self.place {
                Place::Before if self.offset == 0 && *first == 0xEF => {
                    if rest.len() < 3 {
                        return from;
                    }
                    if !rest.starts_with(b"\xEF\xBB\xBF") {
                        self.place = Place::Lost(NO_LIST);
                        continue;
                    }
                    self.offset += 3;
                    from += 3;
                }
                Place::Before if *first == b'[' => {
                    self.pass(b"[");
                    from += 1;
                    self.place = Place::First;
                    self.state = Value::Bool(true);
                }
                Place::Before => self.place = Place::Lost(NO_LIST),
                Place::First if *first == b']' => {
                    self.pass(b"]");
                    from += 1;
                    self.place = Place::Behind;
                }
                Place::First => self.place = Place::Item,
                Place::Item => match self.end_of_item(rest) {
                    Some(end) => {
                        // The bracket stays, so that a decoder that goes on here finds it.
                        let comma = rest[end] == b',';
                        let end = end + usize::from(comma);
                        self.item(&rest[..end], comma, out);
                        from += end;
                    }
                    None => return from + self.more(rest),
                },
                Place::Behind => {
                    self.place = Place::Lost("something follows the end of the list");
                }
                Place::Lost(_) => {}
            }
        }
    }

    /// Looks for the comma or the bracket that ends an item.
    fn end_of_item(&mut self, data: &[u8]) -> Option<usize> {
        while self.at < data.len() {
            if self.in_text {
                let Some(found) = memchr2(b'"', b'\\', &data[self.at..]) else {
                    self.at = data.len();
                    return None;
                };
                self.at += found;
                if data[self.at] == b'"' {
                    self.in_text = false;
                } else if self.at + 1 == data.len() {
                    return None;
                } else {
                    self.at += 1;
                }
                self.at += 1;
                continue;
            }
            match data[self.at] {
                b'"' => self.in_text = true,
                b'[' | b'{' => self.open += 1,
                b']' | b',' if self.open == 0 => return Some(self.at),
                b']' | b'}' => self.open = self.open.saturating_sub(1),
                _ => {}
            }
            self.at += 1;
        }
        None
    }

    /// Needs more bytes; throws away those of an item that is too large.
    fn more(&mut self, rest: &[u8]) -> usize {
        if self.long.is_none() && rest.len() <= self.format.reader.limits.bytes {
            return 0;
        }
        let done = std::mem::take(&mut self.at);
        self.keep(&rest[..done]);
        done
    }

    /// Moves on over bytes that belong to no item, keeping the first of them.
    fn keep(&mut self, bytes: &[u8]) {
        let long = self.long.get_or_insert_with(|| Long {
            raw: Vec::new(),
            offset: self.offset,
            line: self.line,
            column: self.column,
        });
        let room = self
            .format
            .reader
            .limits
            .bytes
            .saturating_sub(long.raw.len());
        long.raw.extend_from_slice(&bytes[..room.min(bytes.len())]);
        self.pass(bytes);
    }

    /// Reads an item, which ends with a comma if it is not the last one.
    fn item(&mut self, bytes: &[u8], comma: bool, out: &mut Vec<Decoded>) {
        self.at = 0;
        self.open = 0;
        self.in_text = false;
        if !comma {
            self.place = Place::First;
        }
        let text = &bytes[..bytes.len() - usize::from(comma)];
        if self.long.is_some() || text.len() > self.format.reader.limits.bytes {
            self.keep(bytes);
            let message = format!(
                "the item is larger than the limit of {} bytes (`record_max`)",
                self.format.reader.limits.bytes
            );
            self.unread(Fault::invalid(message).with_code(FaultCode::LIMIT), out);
            return;
        }
        let (offset, line) = (self.offset, self.line);
        let content = self.value(text, line, self.column);
        self.pass(bytes);
        out.push(Decoded {
            offset,
            end: self.offset,
            line,
            end_line: self.line,
            content,
        });
    }

    /// Gives what was kept as a record that could not be read.
    fn unread(&mut self, fault: Fault, out: &mut Vec<Decoded>) {
        let Some(long) = self.long.take() else {
            return;
        };
        out.push(Decoded {
            offset: long.offset,
            end: self.offset,
            line: long.line,
            end_line: self.line,
            content: Err(Unread {
                raw: long.raw.into(),
                fault: at(fault, long.line, long.column),
            }),
        });
    }

    fn value(&self, bytes: &[u8], line: u64, column: u64) -> Result<Value<'static>, Unread> {
        let error = match self.format.reader.read(bytes) {
            // A byte order mark is allowed at the start of the document only.
            _ if bytes.starts_with(b"\xEF\xBB\xBF") => JsonError {
                offset: 0,
                line: 1,
                column: 1,
                message: "a byte order mark may stand at the start of the file only".to_owned(),
                pointer: String::new(),
            },
            Ok(value) => return Ok(value),
            Err(NoRecord::Unfit(fault)) => {
                return Err(Unread {
                    raw: bytes.into(),
                    fault: at(fault, line, column),
                });
            }
            Err(NoRecord::NotJson(error)) => error,
        };
        let clamp = |place: u64| u32::try_from(place).unwrap_or(u32::MAX);
        let in_first_line = if error.line == 1 { column - 1 } else { 0 };
        let error = JsonError {
            line: clamp(line + u64::from(error.line) - 1),
            column: clamp(in_first_line + u64::from(error.column)),
            ..error
        };
        Err(Unread {
            raw: bytes.into(),
            fault: error.into(),
        })
    }
}

impl Decoder for ListDecoder {
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<Decoded>) {
        for piece in bytes.chunks(PIECE) {
            let mut held = std::mem::take(&mut self.held);
            held.extend_from_slice(piece);
            let taken = self.items(&held, out);
            held.drain(..taken);
            self.held = held;
        }
    }

    fn finish(&mut self, out: &mut Vec<Decoded>) {
        let held = std::mem::take(&mut self.held);
        let why = match self.place {
            Place::Behind => return,
            Place::Before => "the document is empty",
            Place::First | Place::Item => "the list has no closing `]`",
            Place::Lost(why) => why,
        };
        self.keep(&held);
        self.unread(Fault::invalid(format!("not a JSON list: {why}")), out);
    }

    fn state(&self) -> Value<'static> {
        self.state.clone()
    }
}

/// Writes a list, item by item.
pub(super) struct ListEncoder {
    pretty: bool,
    begun: bool,
}

impl ListEncoder {
    pub fn new(pretty: bool) -> Self {
        Self {
            pretty,
            begun: false,
        }
    }
}

impl Encoder for ListEncoder {
    fn encode(&mut self, value: &Value<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        out.extend_from_slice(if self.begun { b",\n" } else { b"[\n" });
        self.begun = true;
        if self.pretty {
            json::write_pretty(value, out);
        } else {
            json::write(value, out);
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(if self.begun { b"\n]\n" } else { b"[]\n" });
    }
}
