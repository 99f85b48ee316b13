//! What a contract lets one do: operations, statements and tables, as plain data.
//!
//! `contracts` makes them, the compiler types steps by them, connectors carry them out.

use std::sync::Arc;

use crate::span::Span;
use crate::types::Type;
use crate::value::Name;

/// What a reference `connection#thing` stands for.
#[derive(Debug, Clone)]
pub enum Target {
    /// An operation over HTTP.
    Http(Arc<HttpOperation>),
    /// A named SQL statement.
    Statement(Arc<SqlStatement>),
    /// A table.
    Table(Arc<SqlTable>),
    /// A thing that has only a name: a folder, a topic, a queue.
    Place(Arc<str>),
}

/// One operation of an OpenAPI document.
#[derive(Debug, Clone)]
pub struct HttpOperation {
    /// Its `operationId`, else `METHOD path`.
    pub id: Arc<str>,
    /// The method in capitals.
    pub method: Arc<str>,
    /// The path template below the server: `/orders/{id}`.
    pub path: Arc<str>,
    /// One line on what it does.
    pub summary: Option<Arc<str>>,
    /// Its parameters.
    pub params: Vec<Param>,
    /// Its request body.
    pub body: Option<Body>,
    /// Its answers, in the contract's order.
    pub responses: Vec<HttpResponse>,
    /// Whether a repeat is harmless by the method's definition (RFC 9110 section 9.2.2).
    pub idempotent: bool,
    /// Whether it only reads (RFC 9110 section 9.2.1).
    pub safe: bool,
    /// Where it is declared.
    pub span: Span,
}

/// Where a parameter travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParamPlace {
    /// In the path.
    Path,
    /// In the query.
    Query,
    /// In a header field.
    Header,
    /// In a cookie.
    Cookie,
}

/// A parameter of an operation.
#[derive(Debug, Clone)]
pub struct Param {
    /// Its name on the wire.
    pub name: Arc<str>,
    /// Where it travels.
    pub place: ParamPlace,
    /// Its type.
    pub ty: Type,
    /// Whether it must be there.
    pub required: bool,
    /// Whether a list is written as one parameter for each item (OpenAPI's `explode`).
    pub explode: bool,
    /// Where it is declared.
    pub span: Span,
}

/// A request's or an answer's body.
#[derive(Debug, Clone)]
pub struct Body {
    /// Its media type; the first JSON one where the contract has several.
    pub media_type: Arc<str>,
    /// Its type.
    pub ty: Type,
    /// Whether it must be there.
    pub required: bool,
    /// Examples from the contract.
    pub examples: Vec<crate::value::Value<'static>>,
}

/// Which statuses an answer stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StatusRange {
    /// One status.
    One(u16),
    /// All of one hundred: `4` for `4XX`.
    Class(u8),
    /// All that no other answer stands for.
    Default,
}

impl StatusRange {
    /// Returns whether `status` is one of these, [`StatusRange::Default`] being any.
    pub fn contains(self, status: u16) -> bool {
        match self {
            StatusRange::One(one) => one == status,
            StatusRange::Class(class) => u16::from(class) == status / 100,
            StatusRange::Default => true,
        }
    }

    /// Returns whether only successes (2xx) are meant.
    pub fn is_success(self) -> bool {
        match self {
            StatusRange::One(one) => (200..300).contains(&one),
            StatusRange::Class(class) => class == 2,
            StatusRange::Default => false,
        }
    }
}

/// An answer of an operation.
#[derive(Debug, Clone)]
pub struct HttpResponse {
    /// Which statuses it stands for.
    pub status: StatusRange,
    /// What it means.
    pub description: Arc<str>,
    /// Its body; `None` if it has none.
    pub body: Option<Body>,
    /// Header fields that the contract names.
    pub headers: Vec<Param>,
}

impl HttpOperation {
    /// Returns the answer that the contract has for `status`: the exact one, else its class, else
    /// the default.
    pub fn response(&self, status: u16) -> Option<&HttpResponse> {
        let rank = |range: StatusRange| match range {
            StatusRange::One(_) => 0,
            StatusRange::Class(_) => 1,
            StatusRange::Default => 2,
        };
        let fitting = self.responses.iter().filter(|r| r.status.contains(status));
        fitting.min_by_key(|r| rank(r.status))
    }

    /// Returns the first success that the contract lists, with the status to send for it; 200 where
    /// it lists only a class, a default, or nothing.
    pub fn success(&self) -> (u16, Option<&HttpResponse>) {
        let first = self.responses.iter().find(|r| r.status.is_success());
        let status = match first.map(|r| r.status) {
            Some(StatusRange::One(status)) => status,
            _ => 200,
        };
        (status, first.or_else(|| self.response(200)))
    }
}

/// A table.
#[derive(Debug, Clone)]
pub struct SqlTable {
    /// Its name.
    pub name: Arc<str>,
    /// Its columns in order.
    pub columns: Vec<SqlColumn>,
    /// The columns of the primary key; empty if there is none.
    pub primary_key: Vec<Name>,
    /// The columns of each further unique key.
    pub unique_keys: Vec<Vec<Name>>,
    /// What the contract's `CREATE TABLE` says behind the name, `(id TEXT PRIMARY KEY, ...)`: what
    /// makes the table, in the contract's own dialect.
    pub definition: Arc<str>,
    /// Where it is declared.
    pub span: Span,
}

/// A column of a table.
#[derive(Debug, Clone)]
pub struct SqlColumn {
    /// Its name.
    pub name: Name,
    /// The type of its values; nullable unless declared otherwise.
    pub ty: Type,
    /// Whether a row may leave it out: it has a default, is generated, or may be null.
    pub optional: bool,
    /// The type as the contract writes it.
    pub declared: Arc<str>,
}

/// How many rows a statement gives back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cardinality {
    /// A row or none.
    One,
    /// A list of rows.
    Many,
    /// The count of rows that it changed: `{ rows }`.
    Exec,
}

/// A named SQL statement.
#[derive(Debug, Clone)]
pub struct SqlStatement {
    /// Its name: what stands after `-- name:`.
    pub name: Arc<str>,
    /// The text to prepare: each parameter is `?1`, `?2`... in the order of `params`.
    pub sql: Arc<str>,
    /// Its parameters; a name used twice is one parameter.
    pub params: Vec<SqlParam>,
    /// How many rows it gives back.
    pub cardinality: Cardinality,
    /// The type of one row; an open record where the statement is beyond what is typed.
    pub row: Type,
    /// Whether it only reads.
    pub reads: bool,
    /// Whether a repeat with the same parameters changes nothing more: a read, or an upsert.
    pub idempotent: bool,
    /// Where it is declared.
    pub span: Span,
}

/// A parameter of a statement.
#[derive(Debug, Clone)]
pub struct SqlParam {
    /// Its name, without `:`.
    pub name: Name,
    /// Its type; any where the statement does not tell.
    pub ty: Type,
}

impl SqlStatement {
    /// Returns the type of what the statement gives back: a nullable row for `one`, a list for
    /// `many`, `{ rows: integer }` for `exec`.
    pub fn result(&self) -> Type {
        match self.cardinality {
            Cardinality::One => self.row.clone(),
            Cardinality::Many => Type::list(self.row.clone()),
            Cardinality::Exec => Type::record(vec![crate::types::Field {
                name: Name::new("rows"),
                ty: Type::int(),
                required: true,
            }]),
        }
    }
}
