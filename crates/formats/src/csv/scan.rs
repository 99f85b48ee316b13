//! Finds the cells and the end of one row; can be interrupted at any byte.

use memchr::memchr2;

/// The bytes that structure a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dialect {
    pub delimiter: u8,
    /// `None`: quotes are characters like any other.
    pub quote: Option<u8>,
    /// `None`: a quote within quotes is written twice.
    pub escape: Option<u8>,
    pub comment: Option<u8>,
    /// Whether blanks around cells do not belong to them.
    pub trim: bool,
    /// Whether a quoted cell may span lines.
    pub multiline: bool,
    pub columns_max: usize,
}

/// A cell's content: a range of the row's bytes, without the quotes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cell {
    pub start: usize,
    pub end: usize,
    pub written: Written,
}

/// How a cell is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    Plain,
    Quoted,
    /// Quoted, with escapes to be resolved.
    Escaped,
}

/// What is wrong with a row's structure, at which cell (from 0).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    /// Something follows a closing quote.
    AfterQuote(usize),
    /// The input, or the line where quotes do not span lines, ends within quotes.
    Unclosed(usize),
    /// More cells than the limit.
    TooMany,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Row,
    Cell,
    Plain,
    Quoted,
    AfterQuote,
    Comment,
}

/// The state of the row that is being scanned.
#[derive(Debug)]
pub(super) struct Scanner {
    dialect: Dialect,
    mode: Mode,
    /// What has been looked at.
    at: usize,
    /// Where the current cell's content begins.
    start: usize,
    written: Written,
    pub cells: Vec<Cell>,
    /// Whether a cell is quoted: only then can the row span lines.
    pub quoted: bool,
    pub broken: Option<Broken>,
}

impl Scanner {
    pub fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            mode: Mode::Row,
            at: 0,
            start: 0,
            written: Written::Plain,
            cells: Vec::new(),
            quoted: false,
            broken: None,
        }
    }

    /// Forgets the row, before the next one.
    #[inline]
    pub fn reset(&mut self) {
        self.mode = Mode::Row;
        self.at = 0;
        self.cells.clear();
        self.quoted = false;
        self.broken = None;
    }

    /// Returns whether the row that was found is a comment.
    #[inline]
    pub fn is_comment(&self) -> bool {
        self.mode == Mode::Comment
    }

    /// Forgets what has been looked at of a row that is given up, but not within what it is, and
    /// returns how much of `data` that was: the next call's data begin behind it.
    pub fn discard(&mut self) -> usize {
        self.start = 0;
        std::mem::take(&mut self.at)
    }

    /// Looks for the end of the row that begins at the start of `data`, and returns the offset
    /// behind its line break; `None` if more bytes are needed. Called again with more bytes of the
    /// same row, it goes on where it stopped. `last` says that no bytes follow.
    pub fn scan(&mut self, data: &[u8], last: bool) -> Option<usize> {
        loop {
            let end = match self.mode {
                Mode::Row => self.row(data),
                Mode::Cell => self.cell(data, last),
                Mode::Plain => self.plain(data, last),
                Mode::Quoted => self.quoted(data, last),
                Mode::AfterQuote => self.after_quote(data, last),
                Mode::Comment => {
                    let rest = &data[self.at..];
                    self.at += memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
                    self.row_end(data, last)
                }
            };
            match end {
                Step::Next => {}
                Step::More => return None,
                Step::End(end) => return Some(end),
            }
        }
    }

    fn row(&mut self, data: &[u8]) -> Step {
        let Some(first) = data.first() else {
            return Step::More;
        };
        self.mode = if self.dialect.comment == Some(*first) {
            Mode::Comment
        } else {
            Mode::Cell
        };
        Step::Next
    }

    /// At a cell's first byte.
    fn cell(&mut self, data: &[u8], last: bool) -> Step {
        if self.dialect.trim {
            while let Some(b' ' | b'\t') = data.get(self.at)
                && data[self.at] != self.dialect.delimiter
            {
                self.at += 1;
            }
        }
        match data.get(self.at) {
            None if !last => return Step::More,
            Some(byte) if Some(*byte) == self.dialect.quote => {
                self.at += 1;
                self.mode = Mode::Quoted;
                self.written = Written::Quoted;
                self.quoted = true;
            }
            _ => {
                self.mode = Mode::Plain;
                self.written = Written::Plain;
            }
        }
        self.start = self.at;
        Step::Next
    }

    /// Within cells without quotes: the hot loop, eight bytes at a time.
    fn plain(&mut self, data: &[u8], last: bool) -> Step {
        const ONES: u64 = 0x0101_0101_0101_0101;
        const LOW: u64 = 0x7F7F_7F7F_7F7F_7F7F;
        let delimiter = ONES * u64::from(self.dialect.delimiter);
        while let Some(chunk) = data.get(self.at..).and_then(<[u8]>::first_chunk::<8>) {
            let word = u64::from_le_bytes(*chunk);
            // The high bit of each byte that is none of the three; exact, unlike the shorter trick.
            let differs = |other: u64| ((word ^ other) & LOW).wrapping_add(LOW) | (word ^ other);
            let others =
                differs(delimiter) & differs(ONES * b'\n' as u64) & differs(ONES * b'\r' as u64);
            let mut found = !(others | LOW);
            while found != 0 {
                let at = self.at + (found.trailing_zeros() / 8) as usize;
                if data[at] != self.dialect.delimiter {
                    self.at = at;
                    return self.plain_end(data, last);
                }
                self.push(at);
                self.start = at + 1;
                match data.get(at + 1) {
                    Some(next) if !self.dialect.trim && Some(*next) != self.dialect.quote => {}
                    _ => {
                        self.at = at + 1;
                        self.mode = Mode::Cell;
                        return Step::Next;
                    }
                }
                found &= found - 1;
            }
            self.at += 8;
        }
        while let Some(byte) = data.get(self.at) {
            if *byte == self.dialect.delimiter {
                self.push(self.at);
                self.at += 1;
                self.mode = Mode::Cell;
                return Step::Next;
            }
            if matches!(byte, b'\n' | b'\r') {
                return self.plain_end(data, last);
            }
            self.at += 1;
        }
        self.plain_end(data, last)
    }

    fn plain_end(&mut self, data: &[u8], last: bool) -> Step {
        let end = self.row_end(data, last);
        if let Step::End(_) = end {
            self.push(self.at);
        }
        end
    }

    fn quoted(&mut self, data: &[u8], last: bool) -> Step {
        let Some(quote) = self.dialect.quote else {
            self.mode = Mode::Plain;
            return Step::Next;
        };
        let escape = self.dialect.escape.unwrap_or(quote);
        let rest = &data[self.at..];
        let mut found = memchr2(quote, escape, rest);
        if !self.dialect.multiline {
            // Only up to what was found, so that a row of many quoted cells is looked at once.
            let line = memchr2(b'\n', b'\r', &rest[..found.unwrap_or(rest.len())]);
            found = line.or(found);
        }
        let Some(found) = found else {
            self.at = data.len();
            return self.unclosed(data, last);
        };
        self.at += found;
        let next = data.get(self.at + 1);
        match (data[self.at], next) {
            (b'\n' | b'\r', _) => self.unclosed(data, last),
            (byte, None) if byte == escape && !last => Step::More,
            (byte, Some(next)) if byte == escape && (*next == quote || escape != quote) => {
                self.written = Written::Escaped;
                self.at += 2;
                Step::Next
            }
            (byte, _) if byte == quote => {
                self.push(self.at);
                self.at += 1;
                self.mode = Mode::AfterQuote;
                Step::Next
            }
            // An escape is the last byte of all.
            _ => {
                self.at = data.len();
                self.unclosed(data, last)
            }
        }
    }

    /// At the end of what may belong to a quoted cell, without its closing quote.
    fn unclosed(&mut self, data: &[u8], last: bool) -> Step {
        let end = self.row_end(data, last);
        if let Step::End(_) = end {
            self.broken
                .get_or_insert(Broken::Unclosed(self.cells.len()));
        }
        end
    }

    fn after_quote(&mut self, data: &[u8], last: bool) -> Step {
        match data.get(self.at) {
            Some(byte) if *byte == self.dialect.delimiter => {
                self.at += 1;
                self.mode = Mode::Cell;
                Step::Next
            }
            Some(b' ' | b'\t') if self.dialect.trim => {
                self.at += 1;
                Step::Next
            }
            None | Some(b'\n' | b'\r') => self.row_end(data, last),
            Some(_) => {
                // The row is lost; it ends where it would without quotes.
                let cell = self.cells.len().saturating_sub(1);
                self.broken.get_or_insert(Broken::AfterQuote(cell));
                self.cells.pop();
                self.mode = Mode::Plain;
                Step::Next
            }
        }
    }

    /// At a line break or at the end of the data.
    fn row_end(&mut self, data: &[u8], last: bool) -> Step {
        match (data.get(self.at), data.get(self.at + 1)) {
            (Some(b'\r'), Some(b'\n')) => Step::End(self.at + 2),
            // Whether a line feed follows is not known yet.
            (Some(b'\r'), None) if !last => Step::More,
            (Some(_), _) => Step::End(self.at + 1),
            (None, _) if last => Step::End(self.at),
            (None, _) => Step::More,
        }
    }

    #[inline]
    fn push(&mut self, end: usize) {
        if self.cells.len() == self.dialect.columns_max {
            self.broken.get_or_insert(Broken::TooMany);
            return;
        }
        self.cells.push(Cell {
            start: self.start,
            end,
            written: self.written,
        });
    }
}

enum Step {
    Next,
    More,
    End(usize),
}

/// Returns a cell's text, with its escapes resolved.
pub(super) fn unescape(text: &str, dialect: &Dialect) -> String {
    let Some(escape) = dialect.escape.or(dialect.quote).map(char::from) else {
        return text.to_owned();
    };
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        if char == escape {
            out.extend(chars.next());
        } else {
            out.push(char);
        }
    }
    out
}

/// Counts line breaks (`\n`, `\r\n`, `\r`) in bytes that come in pieces.
#[derive(Debug, Default)]
pub(super) struct LineBreaks {
    pub count: u64,
    after_return: bool,
}

impl LineBreaks {
    pub fn add(&mut self, mut bytes: &[u8]) {
        if self.after_return && bytes.first() == Some(&b'\n') {
            bytes = &bytes[1..];
            self.after_return = false;
        }
        if let Some(last) = bytes.last() {
            self.after_return = *last == b'\r';
        }
        let mut from = 0;
        while let Some(found) = memchr2(b'\n', b'\r', &bytes[from..]) {
            let at = from + found;
            let pair = bytes[at] == b'\r' && bytes.get(at + 1) == Some(&b'\n');
            from = at + 1 + usize::from(pair);
            self.count += 1;
        }
    }

    /// Returns the number of line breaks in `bytes`.
    pub fn within(bytes: &[u8]) -> u64 {
        let mut breaks = Self::default();
        breaks.add(bytes);
        breaks.count
    }
}

/// Returns `bytes` without the line break at their end.
pub(super) fn without_break(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}
