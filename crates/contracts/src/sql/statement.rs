//! Named statements: their parameters, their rows, how many come back.

use std::sync::Arc;

use sluice_model::codes;
use sluice_model::finding::Finding;
use sluice_model::operation::{Cardinality, SqlParam, SqlStatement, SqlTable};
use sluice_model::types::{Field, Meta, Type};
use sluice_model::value::Name;

use crate::sql::cursor::{Cursor, Ident};
use crate::sql::expression::{Beyond, Expression};
use crate::sql::key::{binds_key, repeats};
use crate::sql::parse::{Conflict, Insert, Item, Query, Verb, query};
use crate::sql::token::TokenKind;
use crate::sql::typing::{Typing, Use};
use crate::sql::{Header, Piece, Reader};

/// A statement that a finding of its own keeps from being typed.
const TOLD: Beyond = Beyond("its table is not there");

/// What is known of a statement, however much of it could be read.
struct Shape {
    params: Vec<SqlParam>,
    row: Type,
    reads: bool,
    idempotent: bool,
    /// Whether rows come back.
    returns: bool,
    /// Whether at most one row comes back.
    single: bool,
}

impl<'t> Reader<'t> {
    /// Reads a named statement.
    pub fn statement(&mut self, piece: &Piece<'t>, header: &Header) -> SqlStatement {
        let (sql, names) = self.rewritten(piece);
        let mut cursor = Cursor::new(piece.tokens);
        let shape = match query(&mut cursor, &self.schema) {
            Ok(query) => self.typed(&query, &names),
            Err(beyond) => Err(beyond),
        };
        let shape = shape.unwrap_or_else(|beyond| {
            if beyond != TOLD {
                let text = format!("`{}` is not typed: {}", header.name, beyond.0);
                let finding = Finding::info(codes::UNSUPPORTED_CONTRACT, header.span, text);
                let note = "its parameters take any value, its rows may have any column";
                self.findings.push(finding.with_note(note));
            }
            self.untyped(piece, &names)
        });
        let cardinality = self.cardinality(header, &shape);
        SqlStatement {
            name: Arc::clone(&header.name),
            sql: sql.into(),
            params: shape.params,
            cardinality,
            row: match cardinality {
                Cardinality::Exec => rows_type(),
                Cardinality::One | Cardinality::Many => shape.row,
            },
            reads: shape.reads,
            idempotent: shape.idempotent,
            span: header.span,
        }
    }

    /// Returns the statement's text with its parameters as `?1`, `?2`..., and their names in the
    /// order of their first use.
    fn rewritten(&self, piece: &Piece<'t>) -> (String, Vec<String>) {
        let mut names: Vec<String> = Vec::new();
        let (Some(first), Some(last)) = (piece.tokens.first(), piece.tokens.last()) else {
            return (String::new(), names);
        };
        let mut sql = String::with_capacity(last.end - first.start);
        let mut at = first.start;
        for token in piece
            .tokens
            .iter()
            .filter(|token| token.kind == TokenKind::Param)
        {
            let name = &token.text[1..];
            let known = names.iter().position(|own| own == name);
            let index = known.unwrap_or_else(|| {
                names.push(name.to_owned());
                names.len() - 1
            });
            sql.push_str(&self.text[at..token.start]);
            sql.push_str(&format!("?{}", index + 1));
            at = token.end;
        }
        sql.push_str(&self.text[at..last.end]);
        (sql, names)
    }

    /// What is known of a statement that is beyond what is typed.
    fn untyped(&self, piece: &Piece<'t>, names: &[String]) -> Shape {
        let has = |word: &str| piece.tokens.iter().any(|token| token.is(word));
        let begins = |word: &str| piece.tokens.first().is_some_and(|token| token.is(word));
        let writes = [
            "INSERT", "UPDATE", "DELETE", "REPLACE", "CREATE", "DROP", "ALTER", "TRUNCATE",
        ]
        .iter()
        .any(|word| has(word));
        let queries = ["SELECT", "VALUES", "PRAGMA", "TABLE", "SHOW", "EXPLAIN"];
        // `FOR UPDATE` and the function `replace` write nothing.
        let reads = queries.iter().any(|word| begins(word)) || (begins("WITH") && !writes);
        let params = names.iter().map(|name| SqlParam {
            name: Name::new(name),
            ty: Type::any(),
        });
        Shape {
            params: params.collect(),
            row: Type::open_record(),
            reads,
            idempotent: reads,
            returns: reads || has("RETURNING"),
            single: false,
        }
    }

    fn typed(&mut self, query: &Query, names: &[String]) -> Result<Shape, Beyond> {
        let table = match &query.table {
            Some(name) => Some(self.table_of(name)?),
            None => None,
        };
        let mut typing = Typing::new(self, table.clone(), query);
        if let (Verb::Insert(insert), Some(table)) = (&query.verb, &table) {
            typing.insert(insert, table, query);
        }
        for (column, value) in &query.assignments {
            let ty = typing.column(None, column);
            typing.meet(value, &ty, Use::Stored);
        }
        let mut fields = Vec::new();
        let mut closed = true;
        for item in &query.results {
            closed &= typing.item(item, table.as_ref(), &mut fields);
        }
        for field in &fields {
            typing.alias(field.name.as_str());
        }
        for condition in query.filter.iter().chain(&query.others) {
            typing.infer(condition);
        }
        for limit in &query.limits {
            typing.limit(limit);
        }
        let params = typing.params(names);
        let row = if closed {
            Type::record(fields)
        } else {
            open(fields)
        };
        let row = row.with_meta(Meta {
            span: query
                .table
                .as_ref()
                .map(|table| self.span(table.start, table.end)),
            ..Meta::default()
        });
        let returns = !query.results.is_empty();
        let reads = matches!(query.verb, Verb::Select);
        let key = match (&query.filter, &table) {
            (Some(filter), Some(table)) => binds_key(filter, table),
            _ => false,
        };
        let one_row = matches!(&query.verb, Verb::Insert(insert) if insert.rows.len() <= 1);
        Ok(Shape {
            params,
            row,
            reads,
            idempotent: is_idempotent(query, returns),
            returns,
            single: key || one_row,
        })
    }

    fn table_of(&mut self, name: &Ident) -> Result<SqlTable, Beyond> {
        if let Some(table) = self.schema.table(&name.text) {
            return Ok(table.clone());
        }
        if self.schema.is_opaque(&name.text) || is_catalogue(&name.text) {
            return Err(Beyond("the columns of what it uses are not declared"));
        }
        let names: Vec<Arc<str>> = self
            .schema
            .tables
            .iter()
            .map(|table| Arc::clone(&table.name))
            .collect();
        let at = self.span(name.start, name.end);
        self.unknown(
            "there is no table",
            &name.text,
            at,
            names.iter().map(|name| &**name),
        );
        Err(TOLD)
    }

    fn cardinality(&mut self, header: &Header, shape: &Shape) -> Cardinality {
        let Some(marked) = header.cardinality else {
            return match (shape.returns, shape.single) {
                (false, _) => Cardinality::Exec,
                (true, true) => Cardinality::One,
                (true, false) => Cardinality::Many,
            };
        };
        let (word, problem, help) = match (marked, shape.returns) {
            (Cardinality::Exec, true) => (
                ":exec",
                "it gives rows back",
                "write `:one` or `:many`, or take the rows away",
            ),
            (Cardinality::One, false) => (
                ":one",
                "it gives no rows back",
                "write `:exec`, or add `RETURNING`",
            ),
            (Cardinality::Many, false) => (
                ":many",
                "it gives no rows back",
                "write `:exec`, or add `RETURNING`",
            ),
            _ => return marked,
        };
        // Whether a statement that is not typed gives rows back is a guess.
        if shape.row.is_any()
            || matches!(&shape.row.kind, sluice_model::types::Kind::Record(r)
            if r.rest.is_some() && r.fields.is_empty())
        {
            return marked;
        }
        let text = format!("`{}` is marked `{word}`, and {problem}", header.name);
        let finding = Finding::error(codes::CONTRADICTION, header.span, text);
        self.findings.push(finding.with_help(help));
        marked
    }
}

impl Typing<'_, '_> {
    /// Types one result; `false` if its columns are not known.
    fn item(&mut self, item: &Item, table: Option<&SqlTable>, fields: &mut Vec<Field>) -> bool {
        let (value, alias, span) = match item {
            Item::All => {
                let Some(table) = table else { return false };
                for column in &table.columns {
                    push(fields, column.name, column.ty.clone());
                }
                return true;
            }
            Item::One {
                value,
                alias,
                start,
                end,
            } => (value, alias, (*start, *end)),
        };
        let ty = self.infer(value);
        let name = match (alias, value) {
            (Some(alias), _) => Name::new(&alias.text),
            (None, Expression::Column { name, .. }) => {
                let mut columns = table.iter().flat_map(|table| &table.columns);
                let same = |own: &str| own.eq_ignore_ascii_case(&name.text);
                let own = columns.find(|column| same(column.name.as_str()));
                own.map_or_else(|| Name::new(&name.text), |column| column.name)
            }
            (None, _) => {
                self.nameless(span);
                return false;
            }
        };
        push(fields, name, ty);
        true
    }

    fn insert(&mut self, insert: &Insert, table: &SqlTable, query: &Query) {
        let columns: Vec<Type> = match &insert.columns {
            Some(names) => names.iter().map(|name| self.column(None, name)).collect(),
            None => table
                .columns
                .iter()
                .map(|column| column.ty.clone())
                .collect(),
        };
        for row in &insert.rows {
            for (value, ty) in row.iter().zip(&columns) {
                self.meet(value, ty, Use::Stored);
            }
        }
        if let Some(row) = insert.rows.iter().find(|row| row.len() != columns.len()) {
            let text = format!("{} values for {} columns", row.len(), columns.len());
            self.contradiction(insert.values, text, "give each column one value");
        }
        let Some(names) = &insert.columns else { return };
        for column in table.columns.iter().filter(|column| !column.optional) {
            let own = column.name.as_str();
            if names.iter().any(|name| name.text.eq_ignore_ascii_case(own)) {
                continue;
            }
            let at = query
                .table
                .as_ref()
                .map_or(insert.values, |table| (table.start, table.end));
            let text = format!("column `{own}` of `{}` must have a value", table.name);
            let help = format!("add `{own}` and its value, or give the column a default");
            self.contradiction(at, text, &help);
        }
    }
}

fn push(fields: &mut Vec<Field>, name: Name, ty: Type) {
    let field = Field {
        name,
        ty,
        required: true,
    };
    // Of two results with one name a record keeps the later value.
    match fields.iter_mut().find(|own| own.name == name) {
        Some(own) => *own = field,
        None => fields.push(field),
    }
}

fn open(fields: Vec<Field>) -> Type {
    let record = sluice_model::types::RecordType {
        fields,
        rest: Some(Type::any()),
    };
    Type::new(sluice_model::types::Kind::Record(Arc::new(record)))
}

fn rows_type() -> Type {
    Type::record(vec![Field {
        name: Name::new("rows"),
        ty: Type::int(),
        required: true,
    }])
}

/// Returns whether a repeat with the same parameters changes nothing more. What comes back the
/// second time may differ: then it is not.
fn is_idempotent(query: &Query, returns: bool) -> bool {
    let set = query.assignments.iter().all(|(_, value)| repeats(value));
    match &query.verb {
        Verb::Select => true,
        Verb::Insert(insert) => match insert.conflict {
            Conflict::Fail => false,
            Conflict::Ignore => !returns,
            Conflict::Update => set,
        },
        Verb::Update => set,
        Verb::Delete => !returns,
    }
}

/// Tables that every database has.
fn is_catalogue(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with("sqlite_") || name.starts_with("pg_") || name == "tables" || name == "columns"
}
