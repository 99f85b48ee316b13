//! Reads one file piece by piece. Everything here blocks.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Seek, SeekFrom};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use sluice_model::fault::{Blame, Fault, FaultCode, Retry};
use sluice_model::value::{Name, Record, Value};
use sluice_sdk::format::{Decoded, Decoder, DynFormat, Start, Unread};

use crate::files::place::Folder;
use crate::files::poll::Sighting;

/// The largest file that is given as one message.
pub(crate) const WHOLE_MAX: u64 = 16 * 1024 * 1024;

/// The most records of one delivery, but for those that one piece adds beyond.
const RECORDS_MAX: usize = 512;

/// The most bytes of one delivery, but for its last record.
const BYTES_MAX: u64 = 1024 * 1024;

/// How much is read at a time.
const BUFFER: usize = 256 * 1024;

/// How much is decoded at a time. A decoder's state is known behind a piece only, so that a
/// delivery ends with one.
const PIECE: usize = 16 * 1024;

/// How much of a file's beginning tells it from others.
const HEAD: u64 = 64 * 1024;

/// What a file is known by: path, size, and the SHA-256 of its first 64 KiB.
#[derive(Debug)]
pub(crate) struct Identity {
    /// The path below the connection's folder.
    pub(crate) path: Arc<str>,
    /// All of it as a text, the key of its position.
    pub(crate) key: Arc<str>,
    /// The file as it was seen.
    pub(crate) seen: Sighting,
}

/// Where reading a file goes on, as it is stored.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Place {
    /// Where the decoder begins.
    pub(crate) start: Start,
    /// Whether there is nothing more to read.
    pub(crate) done: bool,
}

impl Place {
    /// Returns the stored form: `{ offset, line, state, done }`.
    pub(crate) fn to_value(&self) -> Value<'static> {
        let int = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
        let field = |name, value| (Name::new(name).into(), value);
        Value::Record(Record::from_distinct(vec![
            field("offset", int(self.start.offset)),
            field("line", int(self.start.line)),
            field("state", self.start.state.clone()),
            field("done", Value::Bool(self.done)),
        ]))
    }

    /// Reads the stored form; `None` if it is not one.
    pub(crate) fn from_value(value: &Value<'static>) -> Option<Self> {
        let int = |name| u64::try_from(value.get(name)?.as_i64()?).ok();
        let start = Start {
            offset: int("offset")?,
            line: int("line")?,
            state: value.get("state")?.clone(),
        };
        Some(Self {
            start,
            done: value.get("done")?.as_bool()?,
        })
    }
}

/// Records that are delivered together.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// The records.
    pub(crate) records: Vec<Decoded>,
    /// Where they begin.
    pub(crate) start: Start,
    /// Where reading goes on behind them.
    pub(crate) end: Place,
}

/// Why reading cannot go on.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The file system failed.
    Io(Error),
    /// The file is not what it was when it was opened.
    Changed,
}

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        Broken::Io(error)
    }
}

/// Opens a file and finds out what it is known by.
pub(crate) fn open(folder: &Folder, place: &str, seen: &Sighting) -> Result<Handle, Broken> {
    let at = folder.real.join(&*seen.path);
    if !at.canonicalize()?.starts_with(&folder.root) {
        return Err(Broken::Io(Error::new(
            ErrorKind::PermissionDenied,
            "it is a link that leaves its folder",
        )));
    }
    let file = File::open(&at)?;
    let mut head = Vec::new();
    (&file).take(HEAD).read_to_end(&mut head)?;
    let digest = Sha256::digest(&head);
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let path = if place.is_empty() {
        Arc::clone(&seen.path)
    } else {
        format!("{place}/{}", seen.path).into()
    };
    let handle = Handle {
        file: Arc::new(file),
        identity: Arc::new(Identity {
            key: format!("{path}:{}:{hex}", seen.size).into(),
            path,
            seen: seen.clone(),
        }),
    };
    handle.check_unchanged()?;
    Ok(handle)
}

/// An open file. It can be read even when its name is gone.
#[derive(Debug, Clone)]
pub(crate) struct Handle {
    file: Arc<File>,
    pub(crate) identity: Arc<Identity>,
}

impl Handle {
    fn check_unchanged(&self) -> Result<(), Broken> {
        let metadata = self.file.metadata()?;
        let seen = &self.identity.seen;
        let same = metadata.len() == seen.size
            && metadata
                .modified()
                .is_ok_and(|changed| changed == seen.changed);
        if same { Ok(()) } else { Err(Broken::Changed) }
    }

    /// Reads from `offset`; fewer bytes than wanted only at the end of the file.
    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, Error> {
        let mut file = &*self.file;
        file.seek(SeekFrom::Start(offset))?;
        let mut filled = 0;
        while filled < buffer.len() {
            match file.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    /// Reads the records of an earlier chunk again.
    pub(crate) fn again(
        &self,
        format: &dyn DynFormat,
        start: &Start,
        end: u64,
    ) -> Result<Vec<Decoded>, Broken> {
        let mut decoder = format.decoder(start);
        let mut records = Vec::new();
        let mut buffer = vec![0; PIECE];
        let mut offset = start.offset;
        while offset < end {
            let want = usize::try_from(end - offset).map_or(PIECE, |left| left.min(PIECE));
            let read = self.read(offset, &mut buffer[..want])?;
            if read == 0 {
                return Err(Broken::Changed);
            }
            decoder.feed(&buffer[..read], &mut records);
            offset += read as u64;
        }
        decoder.finish(&mut records);
        self.check_unchanged()?;
        records.retain(|record| record.offset < end);
        Ok(records)
    }

    /// Reads the file as one message: as bytes without a format; as a list of its records where
    /// the format has many; else as its one record.
    pub(crate) fn whole(&self, format: Option<&dyn DynFormat>) -> Result<Decoded, Broken> {
        let size = self.identity.seen.size;
        let content = if WHOLE_MAX < size {
            let text = format!(
                "the file has {size} bytes, more than the {} MiB of one message: write \
                 `each: record`",
                WHOLE_MAX >> 20
            );
            let fault = Fault::new(FaultCode::LIMIT, Retry::Never, Blame::Caller, text);
            Err(Unread {
                raw: Arc::new([]),
                fault,
            })
        } else {
            let mut bytes = vec![0; usize::try_from(size).unwrap_or(usize::MAX)];
            if self.read(0, &mut bytes)? < bytes.len() {
                return Err(Broken::Changed);
            }
            self.check_unchanged()?;
            decode_whole(bytes, format)
        };
        Ok(Decoded {
            offset: 0,
            end: size,
            line: 1,
            end_line: 1,
            content,
        })
    }
}

fn decode_whole(bytes: Vec<u8>, format: Option<&dyn DynFormat>) -> Result<Value<'static>, Unread> {
    let Some(format) = format else {
        return Ok(Value::Bytes(bytes.into()));
    };
    let mut decoder = format.decoder(&Start::default());
    let mut records = Vec::new();
    decoder.feed(&bytes, &mut records);
    decoder.finish(&mut records);
    let mut values = Vec::with_capacity(records.len());
    for record in records {
        match record.content {
            Ok(value) => values.push(value),
            // The message is the file: what is wrong with one record is wrong with all of it.
            Err(unread) => {
                return Err(Unread {
                    raw: bytes.into(),
                    fault: unread.fault,
                });
            }
        }
    }
    if format.is_stream_of_records() {
        return Ok(Value::List(values));
    }
    values.pop().ok_or_else(|| Unread {
        raw: bytes.into(),
        fault: Fault::invalid("the file is empty"),
    })
}

/// Reads the records of a file one chunk after the other.
pub(crate) struct Reader {
    handle: Handle,
    decoder: Box<dyn Decoder>,
    /// Offset of the next byte to read.
    offset: u64,
    /// Where the chunk that is being gathered begins.
    start: Start,
    records: Vec<Decoded>,
    buffer: Vec<u8>,
}

impl Reader {
    pub(crate) fn new(handle: Handle, format: &dyn DynFormat, start: Start) -> Self {
        Self {
            decoder: format.decoder(&start),
            offset: start.offset,
            handle,
            start,
            records: Vec::new(),
            buffer: vec![0; BUFFER],
        }
    }

    /// Reads on until one chunk at least is complete; the last is marked as done.
    pub(crate) fn read(&mut self) -> Result<Vec<Chunk>, Broken> {
        let size = self.handle.identity.seen.size;
        let mut chunks = Vec::new();
        while chunks.is_empty() {
            let left = usize::try_from(size - self.offset.min(size)).unwrap_or(BUFFER);
            let want = left.min(BUFFER);
            let read = self.handle.read(self.offset, &mut self.buffer[..want])?;
            if read < want {
                return Err(Broken::Changed);
            }
            self.offset += read as u64;
            let buffer = std::mem::take(&mut self.buffer);
            for piece in buffer[..read].chunks(PIECE) {
                self.decoder.feed(piece, &mut self.records);
                if self.is_full() {
                    chunks.push(self.cut());
                }
            }
            self.buffer = buffer;
            if self.offset == size {
                // A file that is still growing ends in the middle of a record.
                self.handle.check_unchanged()?;
                self.decoder.finish(&mut self.records);
                let mut last = self.cut();
                last.end.done = true;
                match chunks.last_mut() {
                    // The chunk before ended just there.
                    Some(chunk) if last.records.is_empty() => chunk.end = last.end,
                    _ => chunks.push(last),
                }
            }
        }
        Ok(chunks)
    }

    fn is_full(&self) -> bool {
        let end = self.records.last().map_or(0, |record| record.end);
        RECORDS_MAX <= self.records.len() || BYTES_MAX <= end.saturating_sub(self.start.offset)
    }

    fn cut(&mut self) -> Chunk {
        let end = match self.records.last() {
            Some(last) => Start {
                offset: last.end,
                line: last.end_line,
                state: self.decoder.state(),
            },
            None => self.start.clone(),
        };
        Chunk {
            records: std::mem::take(&mut self.records),
            start: std::mem::replace(&mut self.start, end.clone()),
            end: Place {
                start: end,
                done: false,
            },
        }
    }
}
