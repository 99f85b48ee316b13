//! CSV (RFC 4180), as it is found: any delimiter, `\n`, `\r\n` or `\r` as line break, with a type
//! whose fields the cells are converted to, or without one, when every cell is a text.
//!
//! - A byte order mark at the start is skipped; so are empty lines, and comments where they are on.
//! - A quote inside a cell that does not begin with one is a character like any other.
//! - A row that cannot be read is one unread record; the next row is read as if nothing had been.
//!   A quote that is never closed makes the rest one row: nothing tells where it should have ended.
//! - With a type, an empty cell is a missing field (null where the field is required and may be
//!   null), and columns that a closed type does not have are left out.
//! - A header that lacks a required column, or has two columns of one name, is one unread record
//!   and ends the stream: no row could be read.

mod cell;
mod read;
mod scan;
#[cfg(test)]
mod tests;
mod write;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluice_model::projection::Projection;
use sluice_model::types::{Field, Kind, RecordType, Type};
use sluice_model::value::Name;
use sluice_sdk::check::Problem;
use sluice_sdk::config::ByteSize;
use sluice_sdk::format::{Decoder, Encoder, Format, Start};
use sluice_sdk::registry::Info;

use crate::csv::cell::CellKind;
use crate::csv::scan::Dialect;

/// The most columns that `columns_max` may allow.
const COLUMNS_LIMIT: u32 = 65_536;
/// The most that `record_max` may allow.
const RECORD_LIMIT: u64 = 1 << 30;

/// Options of CSV.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CsvConfig {
    /// What stands between two cells: one ASCII character such as `,`, `;`, `|` or a tab.
    pub delimiter: char,
    /// What stands around a cell that holds delimiters, quotes or line breaks: one ASCII character.
    /// Null: no quoting.
    pub quote: Option<char>,
    /// What stands before a quote inside quotes. Null: the quote is written twice.
    pub escape: Option<char>,
    /// Whether the first row names the columns.
    pub header: Header,
    /// The columns' names, for files whose first row does not tell them, and the order in which
    /// fields are written. Without them a file without header has the type's fields in their order.
    pub columns: Option<Vec<String>>,
    /// Whether blanks around cells are left out on reading.
    pub trim: bool,
    /// What begins a line that is a comment. Null: there are no comments.
    pub comment: Option<char>,
    /// Whether a quoted cell may span lines. If not, a quote that is not closed costs one row only.
    pub multiline: bool,
    /// What becomes, on writing, of texts that a spreadsheet would run as a formula.
    pub formulas: Formulas,
    /// What ends a row on writing.
    pub line_break: LineBreak,
    /// The longest row, `1MiB` unless set; a longer one is an unread record.
    pub record_max: ByteSize,
    /// The most columns.
    pub columns_max: u32,
}

impl Default for CsvConfig {
    fn default() -> Self {
        Self {
            delimiter: ',',
            quote: Some('"'),
            escape: None,
            header: Header::FirstRow,
            columns: None,
            trim: false,
            comment: None,
            multiline: true,
            formulas: Formulas::Keep,
            line_break: LineBreak::Lf,
            record_max: ByteSize(1 << 20),
            columns_max: 4096,
        }
    }
}

/// Whether the first row names the columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Header {
    /// It does.
    FirstRow,
    /// There is such a row, but the names are those of `columns` or of the type.
    Skip,
    /// The first row is data.
    None,
}

/// What becomes of texts that a spreadsheet would run as a formula.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Formulas {
    /// They are written as they are.
    Keep,
    /// Texts that begin with `=`, `+`, `-`, `@`, a tab or a carriage return get a `'` in front.
    Neutralise,
}

/// What ends a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LineBreak {
    /// A line feed.
    Lf,
    /// A carriage return and a line feed, as RFC 4180 has it.
    Crlf,
}

/// CSV with checked options.
#[derive(Debug, Clone)]
pub struct Csv(Arc<Checked>);

/// What decoders and encoders share.
#[derive(Debug, Clone)]
struct Checked {
    dialect: Dialect,
    header: Header,
    /// The columns' names where the options or the type tell them.
    columns: Option<Vec<Name>>,
    /// Whether the options tell the columns: on writing, other fields are then left out.
    selected: bool,
    record: Option<RowType>,
    ty: Type,
    projection: Projection,
    formulas: Formulas,
    line_break: LineBreak,
    record_max: usize,
}

/// What is known of a row's fields.
#[derive(Debug, Clone)]
struct RowType {
    fields: Vec<RowField>,
    /// The kind of columns with other names; `None` leaves them out.
    rest: Option<CellKind>,
}

#[derive(Debug, Clone)]
struct RowField {
    name: Name,
    kind: CellKind,
    required: bool,
    nullable: bool,
}

impl Csv {
    /// Returns the same format, which leaves out on reading the columns that nobody needs: their
    /// cells are not even converted.
    pub fn projected(&self, projection: Projection) -> Self {
        Self(Arc::new(Checked {
            projection,
            ..Checked::clone(&self.0)
        }))
    }
}

impl Format for Csv {
    const INFO: Info = Info {
        name: "csv",
        summary: "Rows of cells, as text (RFC 4180), converted to the fields of a type.",
        example: "{ csv: { delimiter: \";\", trim: true } }",
    };
    type Config = CsvConfig;

    fn check(config: CsvConfig, ty: Option<&Type>) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let dialect = check_dialect(&config, &mut problems);
        let record = ty.and_then(|ty| check_type(ty, &mut problems));
        let columns = check_columns(&config, record.as_ref(), &mut problems);
        let record_max = config.record_max.0;
        if !(64..=RECORD_LIMIT).contains(&record_max) {
            let message = "`record_max` is not between `64B` and `1GiB`";
            problems.push(Problem::new("/record_max", message));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self(Arc::new(Checked {
            dialect,
            header: config.header,
            columns,
            selected: config.columns.is_some(),
            ty: record
                .as_ref()
                .map_or_else(untyped, |_| ty.cloned().unwrap_or_else(untyped)),
            record,
            projection: Projection::All,
            formulas: config.formulas,
            line_break: config.line_break,
            record_max: usize::try_from(record_max).unwrap_or(usize::MAX),
        })))
    }

    fn record_type(&self) -> Type {
        self.0.ty.clone()
    }

    fn is_stream_of_records(&self) -> bool {
        true
    }

    fn extension(&self) -> &'static str {
        "csv"
    }

    fn media_type(&self) -> &'static str {
        "text/csv"
    }

    fn decoder(&self, start: &Start) -> Box<dyn Decoder> {
        Box::new(read::CsvDecoder::new(Arc::clone(&self.0), start))
    }

    fn encoder(&self) -> Box<dyn Encoder> {
        Box::new(write::CsvEncoder::new(Arc::clone(&self.0)))
    }
}

/// The type of rows without a type: any columns, each a text.
fn untyped() -> Type {
    Type::new(Kind::Record(Arc::new(RecordType {
        fields: Vec::new(),
        rest: Some(Type::text()),
    })))
}

fn check_dialect(config: &CsvConfig, problems: &mut Vec<Problem>) -> Dialect {
    let mut used: Vec<(char, &'static str)> = Vec::new();
    let mut byte = |at: &'static str, char: Option<char>| -> Option<u8> {
        let char = char?;
        // Letters, digits and the signs of numbers never have to be quoted.
        let fits = char.is_ascii()
            && !char.is_ascii_alphanumeric()
            && !matches!(char, '\n' | '\r' | '\0' | '+' | '-' | '.');
        if !fits {
            let message = format!(
                "`{at}` is {char:?}, which is not one ASCII character other than letters, digits, \
                 line breaks, `+`, `-` and `.`"
            );
            problems.push(Problem::new(format!("/{at}"), message));
            return None;
        }
        match used.iter().find(|(other, _)| *other == char) {
            Some((_, other)) => {
                let message = format!("`{at}` and `{other}` are both {char:?}");
                problems.push(Problem::new(format!("/{at}"), message));
                None
            }
            None => {
                used.push((char, at));
                u8::try_from(char).ok()
            }
        }
    };
    let delimiter = byte("delimiter", Some(config.delimiter)).unwrap_or(b',');
    let quote = byte("quote", config.quote);
    let escape = byte(
        "escape",
        config.escape.filter(|escape| Some(*escape) != config.quote),
    );
    let comment = byte("comment", config.comment);
    if config.escape.is_some() && config.quote.is_none() {
        let problem = Problem::new("/escape", "`escape` without `quote` escapes nothing");
        problems.push(problem.with_help("set `quote`, or leave `escape` out"));
    }
    if !(1..=COLUMNS_LIMIT).contains(&config.columns_max) {
        let message = format!("`columns_max` is not between 1 and {COLUMNS_LIMIT}");
        problems.push(Problem::new("/columns_max", message));
    }
    Dialect {
        delimiter,
        quote,
        escape,
        comment,
        trim: config.trim,
        multiline: config.multiline,
        columns_max: config.columns_max as usize,
    }
}

/// Returns what is known of the rows; `None` for a type that says nothing of them.
fn check_type(ty: &Type, problems: &mut Vec<Problem>) -> Option<RowType> {
    let resolved = ty.resolved();
    let mut kind = |ty: &Type, what: &str| match CellKind::of(ty) {
        Ok(kind) => kind,
        Err(word) => {
            let message = format!("{what} is {word}, which a CSV cell cannot hold");
            problems.push(Problem::new("", message));
            CellKind::Never
        }
    };
    match &resolved.kind {
        Kind::Any => None,
        Kind::Record(record) => {
            let field = |field: &Field| RowField {
                name: field.name,
                kind: kind(&field.ty, &format!("the field `{}`", field.name)),
                required: field.required,
                nullable: field.ty.resolved().nullable,
            };
            let fields = record.fields.iter().map(field).collect();
            let rest = record.rest.as_ref();
            let rest = rest.map(|ty| kind(ty, "the type of other fields"));
            Some(RowType { fields, rest })
        }
        Kind::Map(ty) => Some(RowType {
            fields: Vec::new(),
            rest: Some(kind(ty, "the type of the fields")),
        }),
        _ => {
            let message = format!("a CSV row is a record, but the type is {resolved}");
            problems.push(Problem::new("", message).with_help("name the type of one row"));
            None
        }
    }
}

fn check_columns(
    config: &CsvConfig,
    record: Option<&RowType>,
    problems: &mut Vec<Problem>,
) -> Option<Vec<Name>> {
    let Some(columns) = &config.columns else {
        let fields = record.map_or(&[][..], |record| &record.fields);
        if fields.is_empty() && config.header != Header::FirstRow {
            let message = "nothing names the columns: there is no header, no `columns` and no type";
            let help = "list the names in `columns`, or give a `type` with fields";
            problems.push(Problem::new("/columns", message).with_help(help));
        }
        let names = || fields.iter().map(|field| field.name).collect();
        return (!fields.is_empty()).then(names);
    };
    if columns.is_empty() || columns.len() > config.columns_max as usize {
        let message = "`columns` is empty or longer than `columns_max`";
        problems.push(Problem::new("/columns", message));
    }
    for (index, column) in columns.iter().enumerate() {
        if columns[..index].contains(column) {
            let message = format!("`columns` has `{column}` twice");
            problems.push(Problem::new(format!("/columns/{index}"), message));
        }
    }
    for field in record.map_or(&[][..], |record| &record.fields) {
        if field.required && !columns.iter().any(|column| column == field.name.as_str()) {
            let message = format!("`columns` lacks `{}`, which the type requires", field.name);
            problems.push(Problem::new("/columns", message));
        }
    }
    Some(columns.iter().map(|column| Name::new(column)).collect())
}
