//! SQL files: tables, and named statements typed against them.
//!
//! The dialects are those of SQLite and PostgreSQL where they agree, and both where they differ.
//! What is read: `CREATE TABLE`, `ALTER TABLE ... ADD`, `CREATE UNIQUE INDEX`, `CREATE TYPE ... AS
//! ENUM`; a `SELECT`, `INSERT`, `UPDATE` or `DELETE` over one table behind a comment
//! `-- name: findCustomer :one`. Other statements of a schema (indexes, triggers, rows to begin
//! with) are passed over; other named statements run, and are not typed.

use std::sync::Arc;

use sluice_model::codes;
use sluice_model::finding::{Finding, Findings, did_you_mean};
use sluice_model::operation::{Cardinality, SqlTable};
use sluice_model::span::{FileId, Span};
use sluice_model::types::{Field, Meta, Type};

use crate::contract::{ContractFile, NamedType, Parts};
use crate::sql::cursor::Cursor;
use crate::sql::token::{Comment, Token};

mod column;
mod cursor;
mod expression;
mod key;
mod parse;
mod statement;
mod table;
#[cfg(test)]
mod tests;
mod token;
mod typing;

/// Reads an SQL file.
pub(crate) fn read(file: &ContractFile) -> (Parts, Findings) {
    let (lexed, findings) = token::tokens(file.id, &file.text);
    let mut reader = Reader {
        file: file.id,
        text: &file.text,
        comments: &lexed.comments,
        findings,
        schema: Schema::default(),
    };
    let pieces = reader.pieces(&lexed.tokens);
    for piece in pieces.iter().filter(|piece| piece.header.is_none()) {
        reader.definition(piece);
    }
    let mut parts = Parts::default();
    for piece in &pieces {
        let Some(header) = &piece.header else {
            continue;
        };
        let twin = parts
            .statements
            .iter()
            .find(|other| other.name == header.name);
        if let Some(first) = twin {
            reader.twice("two statements are", &header.name, header.span, first.span);
            continue;
        }
        if let Some(table) = reader.schema.table(&header.name) {
            let (name, span) = (Arc::clone(&table.name), table.span);
            reader.twice("a table and a statement are", &name, header.span, span);
            continue;
        }
        let statement = reader.statement(piece, header);
        parts.statements.push(Arc::new(statement));
    }
    parts.tables = reader.schema.tables.into_iter().map(Arc::new).collect();
    parts.named = parts.tables.iter().map(|table| row_type(table)).collect();
    (parts, reader.findings)
}

/// The tables and types that statements refer to.
#[derive(Debug, Default)]
pub(crate) struct Schema {
    pub tables: Vec<SqlTable>,
    /// Views and tables whose columns are not declared one by one.
    pub opaque: Vec<String>,
    /// Enumerated types of PostgreSQL.
    pub enums: Vec<(String, Type)>,
}

impl Schema {
    /// Returns the table with this name; case does not count.
    pub fn table(&self, name: &str) -> Option<&SqlTable> {
        self.tables
            .iter()
            .find(|table| table.name.eq_ignore_ascii_case(name))
    }

    /// Returns whether something has the name whose columns are not known.
    pub fn is_opaque(&self, name: &str) -> bool {
        self.opaque.iter().any(|own| own.eq_ignore_ascii_case(name))
    }
}

/// What stands behind `-- name:`.
#[derive(Debug, Clone)]
pub(crate) struct Header {
    pub name: Arc<str>,
    pub cardinality: Option<Cardinality>,
    /// Where the name stands.
    pub span: Span,
    /// Where the comment starts, so that it ends what stands before it.
    start: usize,
}

/// One statement of the file.
pub(crate) struct Piece<'t> {
    pub tokens: &'t [Token<'t>],
    pub header: Option<Header>,
}

pub(crate) struct Reader<'t> {
    pub file: FileId,
    pub text: &'t str,
    pub comments: &'t [Comment<'t>],
    pub findings: Findings,
    pub schema: Schema,
}

impl<'t> Reader<'t> {
    pub fn span(&self, start: usize, end: usize) -> Span {
        Span::new(self.file, start, end)
    }

    pub fn span_of(&self, token: &Token<'_>) -> Span {
        self.span(token.start, token.end)
    }

    /// Reports SQL that cannot be read.
    pub fn bad(&mut self, at: Span, message: impl Into<String>, help: impl Into<String>) {
        self.findings
            .push(Finding::error(codes::BAD_CONTRACT, at, message).with_help(help));
    }

    fn twice(&mut self, what: &str, name: &str, at: Span, first: Span) {
        let text = format!("{what} called `{name}`");
        let finding = Finding::error(codes::DUPLICATE_NAME, at, text);
        self.findings.push(
            finding
                .with_place(first, "the first one is here")
                .with_help("rename one of them"),
        );
    }

    /// Reports a name that nothing has.
    pub fn unknown<'c>(
        &mut self,
        what: &str,
        name: &str,
        at: Span,
        candidates: impl IntoIterator<Item = &'c str>,
    ) {
        let candidates: Vec<&str> = candidates.into_iter().collect();
        let finding = Finding::error(codes::UNKNOWN_REFERENCE, at, format!("{what} `{name}`"));
        let help = match did_you_mean(name, candidates.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if candidates.is_empty() => "declare it by `CREATE TABLE`".to_owned(),
            None => format!("known are `{}`", candidates.join("`, `")),
        };
        self.findings.push(finding.with_help(help));
    }

    /// Cuts the file into statements: at semicolons, and before each header.
    fn pieces(&mut self, tokens: &'t [Token<'t>]) -> Vec<Piece<'t>> {
        let headers: Vec<Header> = self.headers();
        let mut pieces = Vec::new();
        let mut waiting = headers.into_iter().peekable();
        let mut header: Option<Header> = None;
        let mut from = 0;
        let mut at = 0;
        loop {
            let token = tokens.get(at);
            let reached =
                waiting.next_if(|next| token.is_none_or(|token| next.start < token.start));
            let ends = reached.is_some() || token.is_none_or(|token| token.is(";"));
            if ends {
                let own = &tokens[from..at];
                match header.take() {
                    // A semicolon of its own ends nothing.
                    Some(own_header) if own.is_empty() && reached.is_none() && token.is_some() => {
                        header = Some(own_header);
                    }
                    Some(own_header) if own.is_empty() => {
                        let text = format!("no statement follows `{}`", own_header.name);
                        let help = "write the statement behind it, or remove it";
                        self.bad(own_header.span, text, help);
                    }
                    header => {
                        if !own.is_empty() {
                            pieces.push(Piece {
                                tokens: own,
                                header,
                            });
                        }
                    }
                }
                from = at;
            }
            if let Some(next) = reached {
                header = Some(next);
                continue;
            }
            match token {
                None => return pieces,
                Some(token) if token.is(";") => from = at + 1,
                Some(_) => {}
            }
            at += 1;
        }
    }

    /// Reads the comments that name statements.
    fn headers(&mut self) -> Vec<Header> {
        let comments = self.comments;
        let mut headers = Vec::new();
        for comment in comments {
            let Some(rest) = comment.text.trim_start().strip_prefix("name:") else {
                continue;
            };
            let mut words = rest.split_whitespace();
            let name = words.next().unwrap_or("");
            let at = comment.start + comment.text_at(name);
            let span = self.span(at, at + name.len());
            if !is_identifier(name) {
                let help = "write `-- name: findCustomer :one`";
                let text = format!("`{name}` is no name of a statement");
                self.bad(self.span(comment.start, comment.end), text, help);
                continue;
            }
            let marker = words.next();
            let cardinality = match marker {
                None => None,
                Some(":one") => Some(Cardinality::One),
                Some(":many") => Some(Cardinality::Many),
                Some(":exec") => Some(Cardinality::Exec),
                Some(other) => {
                    let at = comment.start + comment.text_at(other);
                    let span = self.span(at, at + other.len());
                    let help = match did_you_mean(other, [":one", ":many", ":exec"]) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => "write `:one`, `:many` or `:exec`".to_owned(),
                    };
                    self.bad(span, format!("`{other}` does not say how many rows"), help);
                    None
                }
            };
            headers.push(Header {
                name: name.into(),
                cardinality,
                span,
                start: comment.start,
            });
        }
        headers
    }

    /// Reads a statement that has no name: a part of the schema.
    fn definition(&mut self, piece: &Piece<'t>) {
        let mut cursor = Cursor::new(piece.tokens);
        if cursor.eat_words(&["CREATE"]) {
            while cursor.eat_any(&["TEMP", "TEMPORARY", "UNLOGGED", "LOCAL", "GLOBAL"]) {}
            if cursor.eat_words(&["OR", "REPLACE"]) {
                while cursor.eat_any(&["TEMP", "TEMPORARY"]) {}
            }
            if cursor.eat_words(&["TABLE"]) {
                self.create_table(&mut cursor);
            } else if cursor.eat_words(&["VIRTUAL", "TABLE"])
                || cursor.eat_words(&["MATERIALIZED", "VIEW"])
                || cursor.eat_words(&["VIEW"])
                || cursor.eat_words(&["FOREIGN", "TABLE"])
            {
                cursor.eat_words(&["IF", "NOT", "EXISTS"]);
                self.schema
                    .opaque
                    .extend(cursor.qualified().map(|name| name.text));
            } else if cursor.eat_words(&["UNIQUE", "INDEX"]) {
                self.create_unique_index(&mut cursor);
            } else if cursor.eat_words(&["TYPE"]) {
                self.create_type(&mut cursor);
            }
        } else if cursor.eat_words(&["ALTER", "TABLE"]) {
            self.alter_table(&mut cursor);
        }
    }
}

/// The type of a row as it is read: every column is there.
fn row_type(table: &SqlTable) -> NamedType {
    let fields = table.columns.iter().map(|column| Field {
        name: column.name,
        ty: column.ty.clone(),
        required: true,
    });
    let ty = Type::record(fields.collect()).with_meta(Meta {
        name: Some(Arc::clone(&table.name)),
        span: Some(table.span),
        ..Meta::default()
    });
    NamedType {
        name: Arc::clone(&table.name),
        pointer: "".into(),
        ty,
    }
}

fn is_identifier(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
