//! The encoder: records to rows.

use std::sync::Arc;

use memchr::memchr3;
use sluice_model::fault::Fault;
use sluice_model::json;
use sluice_model::value::{Record, Text, Value};
use sluice_sdk::format::Encoder;

use super::{Checked, Formulas, Header, LineBreak};
use crate::bound::shown;

/// Writes rows, and the header before the first one.
pub(super) struct CsvEncoder {
    format: Arc<Checked>,
    columns: Option<Vec<Text<'static>>>,
    /// Whether the first row may be written.
    begun: bool,
}

impl CsvEncoder {
    pub fn new(format: Arc<Checked>) -> Self {
        let columns = format.columns.as_ref();
        Self {
            columns: columns.map(|names| names.iter().map(|name| name.as_str().into()).collect()),
            begun: false,
            format,
        }
    }

    fn begin(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        if self.begun {
            return Ok(());
        }
        let columns = self.columns.as_deref().unwrap_or_default();
        if self.format.header != Header::None && !columns.is_empty() {
            let single = columns.len() == 1;
            for (index, column) in columns.iter().enumerate() {
                self.separate(index, out);
                self.text(column.as_str(), index == 0, single, out)
                    .map_err(|why| Fault::invalid(format!("the name of a column: {why}")))?;
            }
            self.end_row(out);
        }
        self.begun = true;
        Ok(())
    }

    fn row(&self, record: &Record<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        let columns = self.columns.as_deref().unwrap_or_default();
        let single = columns.len() == 1;
        let mut found = 0;
        for (index, column) in columns.iter().enumerate() {
            self.separate(index, out);
            // Records mostly have their fields in the order of the columns.
            let value = match record.iter().nth(index) {
                Some((key, value)) if key.as_str() == column.as_str() => Some(value),
                _ => record.get_str(column.as_str()),
            };
            found += usize::from(value.is_some());
            let written = match value {
                None | Some(Value::Null) => self.text("", index == 0, single, out),
                Some(value) => self.cell(value, index == 0, single, out),
            };
            written.map_err(|why| wrong_cell(column, why))?;
        }
        if found < record.len() && !self.format.selected {
            return Err(self.unknown_field(record, columns));
        }
        self.end_row(out);
        Ok(())
    }

    #[cold]
    fn unknown_field(&self, record: &Record<'_>, columns: &[Text<'static>]) -> Fault {
        let known = |key: &str| columns.iter().any(|column| column.as_str() == key);
        let field = record.iter().find(|(key, _)| !known(key.as_str()));
        let field = field.map_or("", |(key, _)| key.as_str());
        let from = if self.format.columns.is_some() {
            "the type's fields"
        } else {
            "the first record's fields"
        };
        Fault::invalid(format!(
            "the record has a field `{}`, but the columns are {from}: name the columns in \
             `columns`",
            shown(field)
        ))
    }

    /// Writes a cell. None but texts can need quotes: no delimiter is part of a number.
    fn cell(
        &self,
        value: &Value<'_>,
        first: bool,
        single: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        match value {
            Value::Text(text) => self.text(text.as_str(), first, single, out),
            Value::Null => self.text("", first, single, out),
            Value::Bool(_) | Value::Int(_) | Value::Decimal(_) | Value::Float(_) => {
                json::write(value, out);
                Ok(())
            }
            Value::Literal(literal) => {
                out.extend_from_slice(literal.as_bytes());
                Ok(())
            }
            Value::Bytes(_) => {
                let quoted = json::to_string(value);
                self.text(quoted.trim_matches('"'), first, single, out)
            }
            Value::List(_) | Value::Record(_) => Err(format!(
                "a CSV cell cannot hold a {}: map it to a text or a number first",
                value.kind()
            )),
        }
    }

    fn text(&self, text: &str, first: bool, single: bool, out: &mut Vec<u8>) -> Result<(), String> {
        let dialect = &self.format.dialect;
        let neutralised = self.format.formulas == Formulas::Neutralise
            && text.starts_with(['=', '+', '-', '@', '\t', '\r']);
        let bytes = text.as_bytes();
        let blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
        let needs_quotes = memchr3(dialect.delimiter, b'\n', b'\r', bytes).is_some()
            || dialect.quote.is_some_and(|quote| bytes.contains(&quote))
            || (dialect.trim && (blank(bytes.first()) || blank(bytes.last())))
            || (first && !neutralised && is_comment(bytes, dialect.comment))
            // At the start of the file it would be taken for a byte order mark.
            || (first && text.starts_with('\u{feff}'))
            || (first && single && text.is_empty());
        let Some(quote) = dialect.quote.filter(|_| needs_quotes) else {
            if needs_quotes && !text.is_empty() {
                let problem = "without `quote` a cell cannot hold delimiters or line breaks";
                return Err(format!("{problem}, as `{}` does", shown(text)));
            }
            if neutralised {
                out.push(b'\'');
            }
            out.extend_from_slice(bytes);
            return Ok(());
        };
        out.push(quote);
        if neutralised {
            out.push(b'\'');
        }
        let escape = dialect.escape.unwrap_or(quote);
        for byte in bytes {
            if *byte == quote || *byte == escape {
                out.push(escape);
            }
            out.push(*byte);
        }
        out.push(quote);
        Ok(())
    }

    fn separate(&self, index: usize, out: &mut Vec<u8>) {
        if index > 0 {
            out.push(self.format.dialect.delimiter);
        }
    }

    fn end_row(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(match self.format.line_break {
            LineBreak::Lf => b"\n",
            LineBreak::Crlf => b"\r\n",
        });
    }
}

fn is_comment(bytes: &[u8], comment: Option<u8>) -> bool {
    comment.is_some() && bytes.first().copied() == comment
}

#[cold]
fn wrong_cell(column: &Text<'static>, why: String) -> Fault {
    let column = column.as_str();
    let pointer = format!("/{}", column.replace('~', "~0").replace('/', "~1"));
    Fault::invalid(format!("column `{}`: {why}", shown(column))).with_detail(pointer, why)
}

impl Encoder for CsvEncoder {
    fn encode(&mut self, value: &Value<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        let Value::Record(record) = value else {
            return Err(Fault::invalid(format!(
                "a CSV row is a record, but this is a {}",
                value.kind()
            )));
        };
        let begin = out.len();
        let guessed = self.columns.is_none();
        if guessed {
            let keys = record.iter().map(|(key, _)| key.clone().into_owned());
            self.columns = Some(keys.map(|key| key.to_text()).collect());
        }
        let was_begun = self.begun;
        let written = self.begin(out).and_then(|()| self.row(record, out));
        if written.is_err() {
            // Nothing is added, and a record that could not be written tells no columns.
            out.truncate(begin);
            self.begun = was_begun;
            if guessed {
                self.columns = None;
            }
        }
        written
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        // A stream without records still says what its columns are. A name that cannot be written
        // was told with every record; without records there is nothing to tell it.
        let begin = out.len();
        if self.begin(out).is_err() {
            out.truncate(begin);
        }
    }
}
