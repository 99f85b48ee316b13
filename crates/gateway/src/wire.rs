//! Strict framing of HTTP/1.1 messages (RFC 9112), on bytes, without I/O.
//!
//! Where the RFC lets a server be lenient, this is not: every leniency is a second reading of the
//! same bytes, and two readings of one connection are how a request is smuggled past a check.

use http::StatusCode;

use crate::limits::FrontLimits;

#[cfg(test)]
mod tests;

/// How the body that follows a head ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// After so many bytes.
    Length(u64),
    /// After the last chunk.
    Chunked,
}

/// Why a message is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub status: StatusCode,
    pub detail: &'static str,
}

const fn bad(detail: &'static str) -> Refusal {
    let status = StatusCode::BAD_REQUEST;
    Refusal { status, detail }
}

const fn too_large(detail: &'static str) -> Refusal {
    let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    Refusal { status, detail }
}

/// A search for the end of a head, that goes on where it stopped as bytes arrive.
#[derive(Debug, Default)]
pub(crate) struct HeadSearch {
    scanned: usize,
}

impl HeadSearch {
    /// Returns the length of the head at the start of `bytes`, with its empty line; `None` if it
    /// goes on.
    ///
    /// # Errors
    /// If a line does not end in CR LF, or the head is too large.
    pub fn find(&mut self, bytes: &[u8], limits: &FrontLimits) -> Result<Option<usize>, Refusal> {
        while let Some(offset) = bytes[self.scanned..].iter().position(|byte| *byte == b'\n') {
            let end = self.scanned + offset;
            if end == 0 || bytes[end - 1] != b'\r' {
                return Err(bad("a line of the head does not end in CR LF"));
            }
            if end == 1 {
                return Err(bad("the request begins with an empty line"));
            }
            self.scanned = end + 1;
            if limits.head_bytes < self.scanned {
                return Err(too_large("the head is larger than this server reads"));
            }
            if bytes[..end].ends_with(b"\r\n\r") {
                self.scanned = 0;
                return Ok(Some(end + 1));
            }
        }
        self.scanned = bytes.len();
        if limits.head_bytes < bytes.len() {
            return Err(too_large("the head is larger than this server reads"));
        }
        Ok(None)
    }
}

/// Checks a head, with its last empty line, and returns how its body ends.
///
/// # Errors
/// If anything in it is not exactly what RFC 9112 allows, or could be read in two ways.
pub(crate) fn check_head(head: &[u8], limits: &FrontLimits) -> Result<Framing, Refusal> {
    let text = head.strip_suffix(b"\r\n\r\n").unwrap_or(head);
    let mut lines = Lines { rest: Some(text) };
    let minor = check_request_line(lines.next().unwrap_or_default())?;
    let mut fields = Fields::default();
    let mut count = 0;
    for line in lines {
        count += 1;
        if limits.header_fields < count {
            return Err(too_large(
                "the request has more header fields than this server reads",
            ));
        }
        fields.take(line)?;
    }
    fields.framing(minor)
}

/// Lines that end in CR LF.
struct Lines<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        // Every LF stands behind a CR: the search for the head's end saw to it.
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
            self.rest = None;
            return Some(rest);
        };
        self.rest = Some(&rest[end + 1..]);
        Some(&rest[..end.saturating_sub(1)])
    }
}

/// Which HTTP/1 it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Minor {
    Zero,
    One,
}

/// Checks the request line (RFC 9112 section 3): one space between parts, the target in origin
/// form.
fn check_request_line(line: &[u8]) -> Result<Minor, Refusal> {
    let mut parts = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(bad("the request line is not `METHOD target HTTP/1.1`"));
    };
    if method.is_empty() || !method.iter().all(|byte| is_token(*byte)) {
        return Err(bad("the method is not a token"));
    }
    if target.first() != Some(&b'/') {
        return Err(bad("the request target is not a path"));
    }
    let plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'#' | b'\\');
    if !target.iter().all(plain) {
        return Err(bad(
            "the request target has a character that it must not have",
        ));
    }
    match version {
        b"HTTP/1.1" => Ok(Minor::One),
        b"HTTP/1.0" => Ok(Minor::Zero),
        _ => Err(Refusal {
            status: StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            detail: "this server speaks HTTP/1.1",
        }),
    }
}

/// What of the header fields says how the message is framed.
#[derive(Default)]
struct Fields {
    length: Option<u64>,
    chunked: bool,
    host: bool,
}

impl Fields {
    fn take(&mut self, line: &[u8]) -> Result<(), Refusal> {
        if matches!(line.first(), Some(b' ' | b'\t')) {
            return Err(bad("a header field is folded over several lines"));
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            return Err(bad("a header field has no colon"));
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
            return Err(bad("the name of a header field is not a token"));
        }
        if line[colon + 1..].iter().any(|byte| is_control(*byte)) {
            return Err(bad("the value of a header field has a control character"));
        }
        if name.eq_ignore_ascii_case(b"content-length") {
            if self.length.is_some() {
                return Err(bad("the request has more than one `Content-Length`"));
            }
            self.length = Some(length(value)?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if self.chunked {
                return Err(bad("the request has more than one `Transfer-Encoding`"));
            }
            if !value.eq_ignore_ascii_case(b"chunked") {
                return Err(bad(
                    "a `Transfer-Encoding` other than `chunked` is not read",
                ));
            }
            self.chunked = true;
        } else if name.eq_ignore_ascii_case(b"host") {
            if self.host {
                return Err(bad("the request has more than one `Host`"));
            }
            if value.is_empty() || !value.iter().all(|byte| is_host(*byte)) {
                return Err(bad("the `Host` is not a host"));
            }
            self.host = true;
        } else if name.eq_ignore_ascii_case(b"expect")
            && !value.eq_ignore_ascii_case(b"100-continue")
        {
            return Err(Refusal {
                status: StatusCode::EXPECTATION_FAILED,
                detail: "the only expectation that this server meets is `100-continue`",
            });
        }
        Ok(())
    }

    fn framing(self, minor: Minor) -> Result<Framing, Refusal> {
        if minor == Minor::One && !self.host {
            return Err(bad("the request has no `Host`"));
        }
        match (self.chunked, self.length) {
            (true, Some(_)) => Err(bad(
                "the request has both `Content-Length` and `Transfer-Encoding`",
            )),
            (true, None) if minor == Minor::Zero => {
                Err(bad("`Transfer-Encoding` is not a part of HTTP/1.0"))
            }
            (true, None) => Ok(Framing::Chunked),
            (false, length) => Ok(Framing::Length(length.unwrap_or(0))),
        }
    }
}

/// Reads a `Content-Length`: digits and nothing else (RFC 9110 section 8.6); no list.
fn length(value: &[u8]) -> Result<u64, Refusal> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(value).ok().filter(|_| digits);
    text.and_then(|text| text.parse().ok())
        .ok_or(bad("the `Content-Length` is not one number"))
}

/// Whether a byte may stand in a token (RFC 9110 section 5.6.2).
fn is_token(byte: u8) -> bool {
    // A table, since every byte of every field's name is looked up.
    const TOKEN: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0;
        while byte < 128 {
            table[byte] = (byte as u8).is_ascii_alphanumeric();
            byte += 1;
        }
        let others = b"!#$%&'*+-.^_`|~";
        let mut at = 0;
        while at < others.len() {
            table[others[at] as usize] = true;
            at += 1;
        }
        table
    };
    TOKEN[usize::from(byte)]
}

/// Whether a byte must not stand in a field's value (RFC 9110 section 5.5).
fn is_control(byte: u8) -> bool {
    (byte < b' ' && byte != b'\t') || byte == 0x7f
}

fn is_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:[]%".contains(&byte)
}

/// The most bytes of chunk extensions and trailers in one body: nobody here reads them.
const ASIDE_MAX: usize = 8 * 1024;

/// A reader of the chunked coding (RFC 9112 section 7.1), byte by byte; it only finds the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chunks {
    state: Chunk,
    /// Bytes of extensions and trailers so far.
    aside: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chunk {
    /// In the size: its digits so far and their value.
    Size {
        digits: u8,
        size: u64,
    },
    /// In an extension of a chunk of this size.
    Extension(u64),
    /// Behind the CR of a size line.
    SizeLf(u64),
    /// In the data, with so many bytes to come.
    Data(u64),
    DataCr,
    DataLf,
    /// At the start of a trailer line, or of the last, empty line.
    TrailerStart,
    Trailer,
    TrailerLf,
    LastLf,
}

/// How far a chunked body goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// All of the bytes belong to it, and it goes on.
    More,
    /// It ended after so many bytes.
    End(usize),
}

impl Chunks {
    pub fn new() -> Self {
        Self {
            state: Chunk::Size { digits: 0, size: 0 },
            aside: 0,
        }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// If they are not what the coding allows.
    pub fn take(&mut self, bytes: &[u8]) -> Result<Progress, Refusal> {
        let mut at = 0;
        while at < bytes.len() {
            if let Chunk::Data(left) = self.state {
                let here = (bytes.len() - at).min(usize::try_from(left).unwrap_or(usize::MAX));
                at += here;
                let left = left - here as u64;
                self.state = if left == 0 {
                    Chunk::DataCr
                } else {
                    Chunk::Data(left)
                };
                continue;
            }
            let ended = self.state == Chunk::LastLf;
            self.state = self.byte(bytes[at])?;
            at += 1;
            if ended {
                return Ok(Progress::End(at));
            }
        }
        Ok(Progress::More)
    }

    fn byte(&mut self, byte: u8) -> Result<Chunk, Refusal> {
        match (self.state, byte) {
            (Chunk::Size { digits: 1.., size }, b'\r') => Ok(Chunk::SizeLf(size)),
            (Chunk::Size { digits: 1.., size }, b';') => Ok(Chunk::Extension(size)),
            (Chunk::Size { digits, size }, _) => {
                let digit = crate::stdx::hex(byte).filter(|_| digits < 15);
                let digit = digit.ok_or(bad("the size of a chunk is not a number"))?;
                let size = size << 4 | u64::from(digit);
                let digits = digits + 1;
                Ok(Chunk::Size { digits, size })
            }
            (Chunk::Extension(size), b'\r') => Ok(Chunk::SizeLf(size)),
            (Chunk::Extension(size), _) => self.aside(byte).map(|()| Chunk::Extension(size)),
            (Chunk::SizeLf(0), b'\n') => Ok(Chunk::TrailerStart),
            (Chunk::SizeLf(size), b'\n') => Ok(Chunk::Data(size)),
            (Chunk::DataCr, b'\r') => Ok(Chunk::DataLf),
            (Chunk::DataLf, b'\n') => Ok(Chunk::Size { digits: 0, size: 0 }),
            (Chunk::TrailerStart, b'\r') => Ok(Chunk::LastLf),
            (Chunk::Trailer, b'\r') => Ok(Chunk::TrailerLf),
            (Chunk::TrailerStart | Chunk::Trailer, _) => self.aside(byte).map(|()| Chunk::Trailer),
            (Chunk::TrailerLf, b'\n') => Ok(Chunk::TrailerStart),
            // Whatever comes next belongs to another message: the state is not looked at again.
            (Chunk::LastLf, b'\n') => Ok(Chunk::LastLf),
            (
                Chunk::SizeLf(_)
                | Chunk::DataCr
                | Chunk::DataLf
                | Chunk::TrailerLf
                | Chunk::LastLf
                | Chunk::Data(_),
                _,
            ) => Err(bad("a chunk does not end in CR LF where it should")),
        }
    }

    fn aside(&mut self, byte: u8) -> Result<(), Refusal> {
        self.aside += 1;
        if is_control(byte) {
            return Err(bad("a chunk extension or trailer has a control character"));
        }
        if ASIDE_MAX < self.aside {
            return Err(bad(
                "chunk extensions and trailers are larger than this server reads",
            ));
        }
        Ok(())
    }
}
