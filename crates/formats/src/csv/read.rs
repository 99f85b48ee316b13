//! The decoder: rows to records.

use std::sync::Arc;

use sluice_model::fault::{Fault, FaultCode};
use sluice_model::value::{Key, Name, Record, Text, Value};
use sluice_sdk::format::{Decoded, Decoder, Start, Unread};

use super::cell::{self, CellKind};
use super::scan::{Broken, Cell, LineBreaks, Scanner, Written, unescape, without_break};
use super::{Checked, Header, RowType};
use crate::bound::{PIECE, shown};

/// The most cells of one row of which it is told what is wrong with them.
const DETAILS_MAX: usize = 16;

/// Reads rows from bytes that come in pieces.
pub(super) struct CsvDecoder {
    format: Arc<Checked>,
    scanner: Scanner,
    /// Offset and line of the first byte that belongs to no finished row.
    offset: u64,
    line: u64,
    /// The bytes from there on, as far as they are here and were not thrown away.
    held: Vec<u8>,
    /// A row that is longer than the limit, whose end is looked for.
    long: Option<Long>,
    columns: Columns,
    /// For a decoder that goes on later: null before the header, then the header as it was
    /// written, true for one that was passed over, false for one that cannot be used.
    state: Value<'static>,
}

/// A row of which only the beginning is kept.
struct Long {
    raw: Vec<u8>,
    length: u64,
    breaks: LineBreaks,
}

/// What the columns are, as far as it is known.
enum Columns {
    /// The next row is the header.
    Unknown,
    /// The next row is passed over.
    Passed,
    Known(Vec<Option<Column>>),
    /// The header cannot be used: nothing is read any more.
    Unusable,
}

/// A column that is kept.
#[derive(Debug, Clone)]
struct Column {
    key: Key<'static>,
    kind: CellKind,
    /// What an empty cell is: a text for rows without a type.
    empty: Empty,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Empty {
    Text,
    Missing,
    Null,
    Wrong,
}

impl CsvDecoder {
    pub fn new(format: Arc<Checked>, start: &Start) -> Self {
        let mut decoder = Self {
            scanner: Scanner::new(format.dialect),
            offset: start.offset,
            line: start.line.max(1),
            held: Vec::new(),
            long: None,
            columns: Columns::Unknown,
            state: start.state.clone(),
            format,
        };
        decoder.columns = match (decoder.format.header, &start.state) {
            (Header::FirstRow, Value::Text(header)) => {
                let header = header.clone();
                decoder
                    .header(header.as_bytes())
                    .unwrap_or(Columns::Unusable)
            }
            (Header::FirstRow, Value::Bool(_)) => Columns::Unusable,
            (Header::FirstRow, _) => Columns::Unknown,
            (Header::Skip, Value::Null) => Columns::Passed,
            (Header::Skip | Header::None, _) => decoder.given(),
        };
        decoder
    }

    /// Returns the columns that the options or the type tell.
    fn given(&self) -> Columns {
        let names = self.format.columns.as_deref().unwrap_or_default();
        let one = |name: &Name| column(&self.format, name.as_str());
        Columns::Known(names.iter().map(one).collect())
    }

    /// Returns the columns that a header tells.
    fn header(&mut self, row: &[u8]) -> Result<Columns, String> {
        self.scanner.reset();
        self.scanner.scan(row, true);
        let cells = std::mem::take(&mut self.scanner.cells);
        let broken = self.scanner.broken;
        self.scanner.reset();
        let text = std::str::from_utf8(row).map_err(|_| "it is not UTF-8".to_owned())?;
        if let Some(broken) = broken {
            return Err(self.broken(broken).1);
        }
        let mut columns: Vec<Option<Column>> = Vec::with_capacity(cells.len());
        for cell in &cells {
            let name = self.text(text, cell);
            let column = column(&self.format, &name);
            if let Some(column) = &column {
                let mut keys = columns
                    .iter()
                    .map(|other| other.as_ref().map(|other| &other.key));
                if let Some(first) = keys.position(|key| key == Some(&column.key)) {
                    return Err(format!(
                        "columns {} and {} are both called `{}`: name them in `columns`, with \
                         `header: skip`",
                        first + 1,
                        columns.len() + 1,
                        shown(&name)
                    ));
                }
            }
            columns.push(column);
        }
        let fields = self.format.record.as_ref().map(|record| &record.fields);
        for field in fields.into_iter().flatten().filter(|field| field.required) {
            let mut kept = columns.iter().flatten();
            let there = kept.any(|column| column.key.is(field.name));
            let needed = self.format.projection.field(field.name.as_str()).is_some();
            if needed && !there {
                return Err(format!(
                    "it has no column `{}`, which the type requires (is the delimiter `{}`?)",
                    field.name,
                    char::from(self.format.dialect.delimiter).escape_default()
                ));
            }
        }
        Ok(Columns::Known(columns))
    }

    /// Reads all rows that are complete in `data` and returns how many bytes they take.
    fn rows(&mut self, data: &[u8], last: bool, out: &mut Vec<Decoded>) -> usize {
        let mut from = 0;
        // A byte order mark is no part of the first row.
        if self.offset == 0 {
            if data.len() < 3 && b"\xEF\xBB\xBF".starts_with(data) && !last {
                return 0;
            }
            if data.starts_with(b"\xEF\xBB\xBF") {
                from = 3;
                self.offset = 3;
            }
        }
        let mut valid = None;
        while from < data.len() {
            let Some(end) = self.scanner.scan(&data[from..], last) else {
                break;
            };
            let end = from + end;
            // All rows are checked at once, which is faster than one by one; but not before one is
            // complete, so that a long row is checked once.
            let valid = *valid.get_or_insert_with(|| valid_start(data));
            self.row(&data[from..end], valid.get(from..end), out);
            self.scanner.reset();
            from = end;
        }
        from
    }

    /// Reads one row, with its line break, whose cells have been found; `text` is the same row, if
    /// it is known to be UTF-8.
    fn row(&mut self, row: &[u8], text: Option<&str>, out: &mut Vec<Decoded>) {
        let (offset, line) = (self.offset, self.line);
        self.offset += row.len() as u64;
        self.line += if self.scanner.quoted {
            LineBreaks::within(row)
        } else {
            u64::from(matches!(row.last(), Some(b'\n' | b'\r')))
        };
        let blank = match self.scanner.cells.as_slice() {
            [cell] => !self.scanner.quoted && self.trimmed(&row[cell.start..cell.end]).is_empty(),
            _ => false,
        };
        if self.scanner.is_comment() || blank || matches!(self.columns, Columns::Unusable) {
            return;
        }
        let content = if row.len() > self.format.record_max {
            Err(self.too_long(line))
        } else {
            match &self.columns {
                Columns::Known(columns) => self.record(row, text, columns),
                Columns::Passed => {
                    self.pass_header();
                    return;
                }
                Columns::Unknown | Columns::Unusable => match self.first(row) {
                    Ok(()) => return,
                    Err(fault) => Err(fault),
                },
            }
        };
        let content = content.map_err(|fault| Unread {
            raw: self.raw(row),
            fault: fault.with_context("line", line.to_string()),
        });
        out.push(Decoded {
            offset,
            end: self.offset,
            line,
            end_line: self.line,
            content,
        });
    }

    /// Leaves a header behind whose names do not count.
    fn pass_header(&mut self) {
        self.columns = self.given();
        self.state = Value::Bool(true);
    }

    fn raw(&self, row: &[u8]) -> Arc<[u8]> {
        if row.len() > self.format.record_max {
            row[..self.format.record_max].into()
        } else {
            without_break(row).into()
        }
    }

    /// Reads the header.
    fn first(&mut self, row: &[u8]) -> Result<(), Fault> {
        let row = without_break(row);
        let columns = self.header(row);
        match columns {
            Ok(columns) => {
                self.columns = columns;
                self.state = Value::Text(Text::from(String::from_utf8_lossy(row).into_owned()));
                Ok(())
            }
            Err(why) => {
                self.columns = Columns::Unusable;
                self.state = Value::Bool(false);
                let message = format!("the header cannot be used, so no row was read: {why}");
                Err(Fault::invalid(message))
            }
        }
    }

    fn record(
        &self,
        row: &[u8],
        text: Option<&str>,
        columns: &[Option<Column>],
    ) -> Result<Value<'static>, Fault> {
        let cells = self.scanner.cells.as_slice();
        if let Some(broken) = self.scanner.broken {
            let (cell, why) = self.broken(broken);
            return Err(self.fault(columns, &[(cell, why)]));
        }
        if cells.len() != columns.len() {
            return Err(self.wrong_count(cells.len(), columns.len()));
        }
        // Behind a row that is not UTF-8 the others are checked one by one.
        let Some(text) = text.or_else(|| std::str::from_utf8(row).ok()) else {
            return Err(self.not_utf8(row, columns));
        };
        // Each value is made where it will lie: moving one that was just written byte by byte waits
        // for those bytes. So there is a placeholder for a missing one, which is taken out later.
        let mut missing = Vec::new();
        let mut wrong = false;
        let mut fields = Vec::with_capacity(columns.len());
        let pairs = cells.iter().zip(columns).enumerate();
        fields.extend(pairs.map(|(index, (cell, column))| {
            let Some(column) = column else {
                missing.push(index);
                return (Key::Text(Text::new()), Value::Null);
            };
            if cell.written != Written::Escaped {
                let text = self.trimmed_text(&text[cell.start..cell.end], cell.written);
                match column.kind {
                    CellKind::Text if !text.is_empty() => {
                        return (column.key.clone(), Value::Text(Text::from(text)));
                    }
                    CellKind::Int if !text.is_empty() => {
                        if let Some(int) = cell::short_int(text) {
                            return (column.key.clone(), Value::Int(int));
                        }
                    }
                    _ => {}
                }
            }
            match self.value(text, cell, column) {
                Some(Some(value)) => return (column.key.clone(), value),
                Some(None) => missing.push(index),
                None => wrong = true,
            }
            (column.key.clone(), Value::Null)
        }));
        if wrong {
            return Err(self.explain(text, columns));
        }
        if !missing.is_empty() {
            let mut missing = missing.into_iter().peekable();
            let mut index = 0;
            fields.retain(|_| {
                index += 1;
                missing.next_if_eq(&(index - 1)).is_none()
            });
        }
        Ok(Value::Record(Record::from_distinct(fields)))
    }

    /// Returns a cell's value: `Some(None)` for a missing one, `None` for one that is wrong.
    #[inline]
    fn value(&self, text: &str, cell: &Cell, column: &Column) -> Option<Option<Value<'static>>> {
        if cell.written == Written::Escaped {
            let text = self.text(text, cell);
            return column.kind.convert(&text).map(Some);
        }
        let text = self.trimmed_text(&text[cell.start..cell.end], cell.written);
        if text.is_empty() {
            return match column.empty {
                Empty::Text => Some(Some(Value::Text(Text::new()))),
                Empty::Missing => Some(None),
                Empty::Null => Some(Some(Value::Null)),
                Empty::Wrong => None,
            };
        }
        column.kind.convert(text).map(Some)
    }

    fn text<'t>(&self, row: &'t str, cell: &Cell) -> std::borrow::Cow<'t, str> {
        let text = &row[cell.start..cell.end];
        match cell.written {
            Written::Plain | Written::Quoted => self.trimmed_text(text, cell.written).into(),
            Written::Escaped => unescape(text, &self.format.dialect).into(),
        }
    }

    #[inline]
    fn trimmed_text<'t>(&self, text: &'t str, written: Written) -> &'t str {
        if self.format.dialect.trim && written == Written::Plain {
            text.trim_matches([' ', '\t'])
        } else {
            text
        }
    }

    fn trimmed<'t>(&self, bytes: &'t [u8]) -> &'t [u8] {
        if self.format.dialect.trim {
            bytes.trim_ascii()
        } else {
            bytes
        }
    }

    /// Says which cells do not convert, and why.
    #[cold]
    fn explain(&self, text: &str, columns: &[Option<Column>]) -> Fault {
        let mut wrong = Vec::new();
        let pairs = self.scanner.cells.iter().zip(columns).enumerate();
        for (index, (cell, column)) in pairs {
            let Some(column) = column else { continue };
            if self.value(text, cell, column).is_some() {
                continue;
            }
            let text = self.text(text, cell);
            let why = if text.is_empty() {
                "the cell is empty, but the type requires the field".to_owned()
            } else {
                let hint = match column.kind.convert(text.trim()) {
                    Some(_) => ": it has blanks around it, which `trim: true` leaves out",
                    None => "",
                };
                format!(
                    "expected {}, found `{}`{hint}",
                    column.kind.expected(),
                    shown(&text)
                )
            };
            wrong.push((index, why));
        }
        self.fault(columns, &wrong)
    }

    /// Returns the fault of a row with these wrong cells.
    fn fault(&self, columns: &[Option<Column>], wrong: &[(usize, String)]) -> Fault {
        let name = |index: usize| {
            columns
                .get(index)?
                .as_ref()
                .map(|column| column.key.as_str())
        };
        let Some((first, why)) = wrong.first() else {
            return Fault::internal("a row did not convert, but each of its cells does");
        };
        let mut message = match name(*first) {
            Some(name) => format!("column {} (`{}`): {why}", first + 1, shown(name)),
            None => format!("column {}: {why}", first + 1),
        };
        match wrong.len() - 1 {
            0 => {}
            1 => message.push_str(" (and 1 more cell is wrong)"),
            more => message.push_str(&format!(" (and {more} more cells are wrong)")),
        }
        let mut fault = Fault::invalid(message).with_context("column", (first + 1).to_string());
        for (index, why) in wrong.iter().take(DETAILS_MAX) {
            let pointer = name(*index).map_or_else(
                || format!("/{index}"),
                |name| format!("/{}", name.replace('~', "~0").replace('/', "~1")),
            );
            fault = fault.with_detail(pointer, why.as_str());
        }
        fault
    }

    fn broken(&self, broken: Broken) -> (usize, String) {
        let quote = char::from(self.format.dialect.quote.unwrap_or(b'"'));
        match broken {
            Broken::AfterQuote(cell) => {
                let twice = match self.format.dialect.escape {
                    Some(escape) => format!("`{}{quote}`", char::from(escape)),
                    None => format!("`{quote}{quote}`"),
                };
                let why = format!(
                    "something follows the closing `{quote}`: a quote inside quotes is written \
                     {twice}"
                );
                (cell, why)
            }
            Broken::Unclosed(cell) => (
                cell,
                format!("the opening `{quote}` is never closed, so nothing tells the cell's end"),
            ),
            Broken::TooMany => {
                let most = self.format.dialect.columns_max;
                let why = format!("more cells than the limit of {most} (`columns_max`)");
                (most, why)
            }
        }
    }

    #[cold]
    fn wrong_count(&self, found: usize, expected: usize) -> Fault {
        let cells = |count: usize| if count == 1 { "cell" } else { "cells" };
        let mut message = format!(
            "the row has {found} {}, but there are {expected} columns",
            cells(found)
        );
        if found == 1 {
            let delimiter = char::from(self.format.dialect.delimiter).escape_default();
            message.push_str(&format!(" (is the delimiter `{delimiter}`?)"));
        }
        Fault::invalid(message).with_context("column", (found.min(expected) + 1).to_string())
    }

    #[cold]
    fn not_utf8(&self, row: &[u8], columns: &[Option<Column>]) -> Fault {
        let at = match std::str::from_utf8(row) {
            Ok(_) => 0,
            Err(error) => error.valid_up_to(),
        };
        let cells = self.scanner.cells.iter();
        let cell = cells.take_while(|cell| cell.end <= at).count();
        let why = format!(
            "byte 0x{:02X} is not UTF-8: save the file as UTF-8",
            row.get(at).copied().unwrap_or(0)
        );
        self.fault(columns, &[(cell, why)])
    }

    fn too_long(&self, line: u64) -> Fault {
        let message = format!(
            "the row that begins in line {line} is longer than the limit of {} bytes \
             (`record_max`)",
            self.format.record_max
        );
        let fault = Fault::invalid(message).with_code(FaultCode::LIMIT);
        fault.with_context("column", "1")
    }

    /// Throws away what has been looked at of a row that is too long, keeping its beginning.
    fn discard(&mut self, data: &[u8]) -> usize {
        let taken = self.scanner.discard();
        let long = self.long.get_or_insert_with(|| Long {
            raw: Vec::new(),
            length: 0,
            breaks: LineBreaks::default(),
        });
        long.add(&data[..taken], self.format.record_max);
        self.scanner.cells.clear();
        taken
    }

    /// Looks for the end of a row that is too long; returns how many bytes it took.
    fn pass(&mut self, data: &[u8], last: bool, out: &mut Vec<Decoded>) -> usize {
        let Some(end) = self.scanner.scan(data, last) else {
            return self.discard(data);
        };
        let Some(mut long) = self.long.take() else {
            return 0;
        };
        long.add(&data[..end], self.format.record_max);
        let comment = self.scanner.is_comment();
        self.scanner.reset();
        let (offset, line) = (self.offset, self.line);
        self.offset += long.length;
        self.line += long.breaks.count;
        match self.columns {
            _ if comment => return end,
            Columns::Unusable => return end,
            Columns::Passed => {
                self.pass_header();
                return end;
            }
            Columns::Unknown => {
                self.columns = Columns::Unusable;
                self.state = Value::Bool(false);
            }
            Columns::Known(_) => {}
        }
        out.push(Decoded {
            offset,
            end: self.offset,
            line,
            end_line: self.line,
            content: Err(Unread {
                raw: long.raw.into(),
                fault: self.too_long(line).with_context("line", line.to_string()),
            }),
        });
        end
    }

    fn piece(&mut self, data: &[u8], last: bool, out: &mut Vec<Decoded>) -> usize {
        let mut from = 0;
        loop {
            if self.long.is_some() {
                from += self.pass(&data[from..], last, out);
                if self.long.is_some() {
                    return from;
                }
            }
            from += self.rows(&data[from..], last, out);
            if data.len() - from <= self.format.record_max {
                return from;
            }
            from += self.discard(&data[from..]);
        }
    }
}

impl Long {
    fn add(&mut self, bytes: &[u8], most: usize) {
        let room = most.saturating_sub(self.raw.len()).min(bytes.len());
        self.raw.extend_from_slice(&bytes[..room]);
        self.length += bytes.len() as u64;
        self.breaks.add(bytes);
    }
}

impl Decoder for CsvDecoder {
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<Decoded>) {
        for piece in bytes.chunks(PIECE) {
            let mut held = std::mem::take(&mut self.held);
            if held.is_empty() {
                let taken = self.piece(piece, false, out);
                held.extend_from_slice(&piece[taken..]);
            } else {
                held.extend_from_slice(piece);
                let taken = self.piece(&held, false, out);
                held.drain(..taken);
            }
            self.held = held;
        }
    }

    fn finish(&mut self, out: &mut Vec<Decoded>) {
        let held = std::mem::take(&mut self.held);
        if !held.is_empty() || self.long.is_some() {
            self.piece(&held, true, out);
        }
    }

    fn state(&self) -> Value<'static> {
        self.state.clone()
    }
}

/// Returns the beginning of `data` that is UTF-8.
fn valid_start(data: &[u8]) -> &str {
    match std::str::from_utf8(data) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&data[..error.valid_up_to()]).unwrap_or_default(),
    }
}

/// Returns what a column with this name is read as; `None` if it is left out.
fn column(format: &Checked, name: &str) -> Option<Column> {
    let (projected, _) = format.projection.field(name)?;
    let Some(RowType { fields, rest }) = &format.record else {
        let given = format.columns.as_deref().unwrap_or_default();
        let given = given.iter().find(|given| given.as_str() == name).copied();
        return Some(Column {
            key: match projected.or(given) {
                Some(name) => Key::Name(name),
                None => Key::Text(Text::from(name)),
            },
            kind: CellKind::Text,
            empty: Empty::Text,
        });
    };
    if let Some(field) = fields.iter().find(|field| field.name.as_str() == name) {
        return Some(Column {
            key: Key::Name(field.name),
            kind: field.kind.clone(),
            empty: match (field.required, field.nullable) {
                (false, _) => Empty::Missing,
                (true, true) => Empty::Null,
                (true, false) => Empty::Wrong,
            },
        });
    }
    let kind = rest.clone()?;
    Some(Column {
        key: match projected {
            Some(name) => Key::Name(name),
            None => Key::Text(Text::from(name)),
        },
        kind,
        empty: Empty::Missing,
    })
}
