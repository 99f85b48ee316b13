//! `SELECT`, `INSERT`, `UPDATE` and `DELETE` over one table.

use crate::sql::Schema;
use crate::sql::cursor::{Cursor, Ident};
use crate::sql::expression::{Beyond, Expression, expression};
use crate::sql::token::TokenKind;

/// A statement that can be typed.
#[derive(Debug)]
pub(crate) struct Query {
    pub verb: Verb,
    /// The table, if there is one.
    pub table: Option<Ident>,
    pub alias: Option<Ident>,
    /// What comes back.
    pub results: Vec<Item>,
    pub filter: Option<Expression>,
    /// Columns and the values that they are set to.
    pub assignments: Vec<(Ident, Expression)>,
    /// Expressions that are looked at for parameters only.
    pub others: Vec<Expression>,
    /// The expressions of `LIMIT` and `OFFSET`.
    pub limits: Vec<Expression>,
    pub grouped: bool,
}

/// What a statement does.
#[derive(Debug)]
pub(crate) enum Verb {
    Select,
    Insert(Insert),
    Update,
    Delete,
}

/// What an `INSERT` adds.
#[derive(Debug)]
pub(crate) struct Insert {
    /// The columns, if they are listed.
    pub columns: Option<Vec<Ident>>,
    pub rows: Vec<Vec<Expression>>,
    /// Where the first row of values starts and ends.
    pub values: (usize, usize),
    pub conflict: Conflict,
}

/// What an `INSERT` does with a row that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conflict {
    Fail,
    Ignore,
    /// The row is replaced or updated by the assignments.
    Update,
}

/// One thing that comes back.
#[derive(Debug)]
pub(crate) enum Item {
    /// `*` or `t.*`.
    All,
    One {
        value: Expression,
        alias: Option<Ident>,
        start: usize,
        end: usize,
    },
}

/// Words that end a table's name without an alias.
const CLAUSES: [&str; 22] = [
    "WHERE",
    "GROUP",
    "HAVING",
    "ORDER",
    "LIMIT",
    "OFFSET",
    "SET",
    "VALUES",
    "RETURNING",
    "ON",
    "JOIN",
    "LEFT",
    "RIGHT",
    "INNER",
    "CROSS",
    "FULL",
    "NATURAL",
    "UNION",
    "INTERSECT",
    "EXCEPT",
    "FOR",
    "FETCH",
];

/// Parses a named statement.
pub(crate) fn query(cursor: &mut Cursor<'_>, schema: &Schema) -> Result<Query, Beyond> {
    let mut parser = Parser { schema };
    let query = if cursor.eat("SELECT") {
        parser.select(cursor)
    } else if cursor.eat_words(&["INSERT"]) || cursor.is("REPLACE") {
        parser.insert(cursor)
    } else if cursor.eat("UPDATE") {
        parser.update(cursor)
    } else if cursor.eat_words(&["DELETE", "FROM"]) {
        parser.delete(cursor)
    } else if cursor.is("WITH") {
        Err(Beyond("it begins with `WITH`"))
    } else {
        Err(Beyond("it is none of SELECT, INSERT, UPDATE and DELETE"))
    }?;
    match cursor.is_done() {
        true => Ok(query),
        false => Err(Beyond("it holds what this build does not read")),
    }
}

struct Parser<'s> {
    schema: &'s Schema,
}

impl Parser<'_> {
    fn expression(&mut self, cursor: &mut Cursor<'_>) -> Result<Expression, Beyond> {
        expression(cursor, self.schema)
    }

    fn empty(verb: Verb) -> Query {
        Query {
            verb,
            table: None,
            alias: None,
            results: Vec::new(),
            filter: None,
            assignments: Vec::new(),
            others: Vec::new(),
            limits: Vec::new(),
            grouped: false,
        }
    }

    fn select(&mut self, cursor: &mut Cursor<'_>) -> Result<Query, Beyond> {
        let mut query = Self::empty(Verb::Select);
        if cursor.eat("DISTINCT") && cursor.is("ON") {
            return Err(Beyond("it uses `DISTINCT ON`"));
        }
        cursor.eat("ALL");
        query.results = self.items(cursor)?;
        if cursor.eat("FROM") {
            if cursor.is("(") {
                return Err(Beyond("it has a query within"));
            }
            self.table(cursor, &mut query)?;
            let joins = [
                "JOIN", "LEFT", "RIGHT", "INNER", "CROSS", "FULL", "NATURAL", ",",
            ];
            if joins.iter().any(|word| cursor.is(word)) {
                return Err(Beyond("it joins tables"));
            }
        }
        self.filter(cursor, &mut query)?;
        if cursor.eat_words(&["GROUP", "BY"]) {
            query.grouped = true;
            self.list(cursor, &mut query)?;
        }
        if cursor.eat("HAVING") {
            let having = self.expression(cursor)?;
            query.others.push(having);
        }
        if ["UNION", "INTERSECT", "EXCEPT"]
            .iter()
            .any(|word| cursor.is(word))
        {
            return Err(Beyond("it combines queries"));
        }
        if cursor.eat_words(&["ORDER", "BY"]) {
            self.list(cursor, &mut query)?;
        }
        loop {
            if cursor.eat("LIMIT") {
                if cursor.eat("ALL") {
                    continue;
                }
                let limit = self.expression(cursor)?;
                query.limits.push(limit);
                if cursor.eat(",") {
                    let limit = self.expression(cursor)?;
                    query.limits.push(limit);
                }
            } else if cursor.eat("OFFSET") {
                let offset = self.expression(cursor)?;
                query.limits.push(offset);
                cursor.eat_any(&["ROWS", "ROW"]);
            } else {
                break;
            }
        }
        if cursor.eat_words(&["FOR", "UPDATE"]) || cursor.eat_words(&["FOR", "SHARE"]) {
            let _ = cursor.eat_words(&["SKIP", "LOCKED"]) || cursor.eat("NOWAIT");
        }
        Ok(query)
    }

    /// Expressions with commas between them, each with how it is sorted.
    fn list(&mut self, cursor: &mut Cursor<'_>, query: &mut Query) -> Result<(), Beyond> {
        loop {
            let one = self.expression(cursor)?;
            query.others.push(one);
            cursor.eat_any(&["ASC", "DESC"]);
            if cursor.eat("NULLS") {
                cursor.eat_any(&["FIRST", "LAST"]);
            }
            if !cursor.eat(",") {
                return Ok(());
            }
        }
    }

    fn items(&mut self, cursor: &mut Cursor<'_>) -> Result<Vec<Item>, Beyond> {
        let mut items = Vec::new();
        loop {
            items.push(self.item(cursor)?);
            if !cursor.eat(",") {
                return Ok(items);
            }
        }
    }

    fn item(&mut self, cursor: &mut Cursor<'_>) -> Result<Item, Beyond> {
        if cursor.eat("*") {
            return Ok(Item::All);
        }
        let mut ahead = *cursor;
        if ahead.name().is_some() && ahead.eat(".") && ahead.eat("*") {
            *cursor = ahead;
            return Ok(Item::All);
        }
        let start = cursor.peek().map_or(0, |token| token.start);
        let value = self.expression(cursor)?;
        let end = cursor.last().map_or(start, |token| token.end);
        let alias = if cursor.eat("AS") {
            match cursor.peek() {
                // SQLite takes a text for a name here.
                Some(token) if token.kind == TokenKind::String => {
                    cursor.next();
                    token.string().map(|text| Ident {
                        text,
                        start: token.start,
                        end: token.end,
                    })
                }
                _ => cursor.name(),
            }
        } else if cursor.is_name_but(&CLAUSES) && !cursor.is("FROM") {
            cursor.name()
        } else {
            None
        };
        Ok(Item::One {
            value,
            alias,
            start,
            end,
        })
    }

    fn table(&mut self, cursor: &mut Cursor<'_>, query: &mut Query) -> Result<(), Beyond> {
        cursor.eat("ONLY");
        let Some(table) = cursor.qualified() else {
            return Err(Beyond("it does not name a table"));
        };
        if cursor.is("(") && matches!(query.verb, Verb::Select) {
            return Err(Beyond("it reads from a function"));
        }
        query.table = Some(table);
        let named = cursor.eat("AS") || cursor.is_name_but(&CLAUSES);
        let default = cursor.is("DEFAULT") || cursor.is("SELECT") || cursor.is("FROM");
        if named && !default && !cursor.is("USING") {
            query.alias = cursor.name();
        }
        Ok(())
    }

    fn filter(&mut self, cursor: &mut Cursor<'_>, query: &mut Query) -> Result<(), Beyond> {
        if cursor.eat("WHERE") {
            query.filter = Some(self.expression(cursor)?);
        }
        Ok(())
    }

    fn returning(&mut self, cursor: &mut Cursor<'_>, query: &mut Query) -> Result<(), Beyond> {
        if cursor.eat("RETURNING") {
            query.results = self.items(cursor)?;
        }
        Ok(())
    }

    fn insert(&mut self, cursor: &mut Cursor<'_>) -> Result<Query, Beyond> {
        let mut conflict = Conflict::Fail;
        if cursor.eat("REPLACE") {
            conflict = Conflict::Update;
        } else if cursor.eat("OR") {
            conflict = match cursor.next() {
                Some(token) if token.is("REPLACE") => Conflict::Update,
                Some(token) if token.is("IGNORE") => Conflict::Ignore,
                _ => Conflict::Fail,
            };
        }
        if !cursor.eat("INTO") {
            return Err(Beyond("it inserts without `INTO`"));
        }
        let mut query = Self::empty(Verb::Select);
        let Some(table) = cursor.qualified() else {
            return Err(Beyond("it does not name a table"));
        };
        query.table = Some(table);
        if cursor.eat("AS") {
            query.alias = cursor.name();
        }
        let columns = match cursor.is("(") {
            true => match cursor.name_list() {
                Some(names) => Some(names),
                None => return Err(Beyond("it holds what this build does not read")),
            },
            false => None,
        };
        let mut rows = Vec::new();
        let mut values = (0, 0);
        if cursor.eat_words(&["DEFAULT", "VALUES"]) {
            // Every column has its default.
        } else if cursor.eat("VALUES") {
            loop {
                let start = cursor.peek().map_or(0, |token| token.start);
                let Some(group) = cursor.group() else {
                    return Err(Beyond("its values are not in parentheses"));
                };
                if rows.is_empty() {
                    values = (start, cursor.last().map_or(start, |token| token.end));
                }
                rows.push(self.row(group)?);
                if !cursor.eat(",") {
                    break;
                }
            }
        } else {
            return Err(Beyond("it inserts what a query gives"));
        }
        conflict = self.on_conflict(cursor, &mut query, conflict)?;
        self.returning(cursor, &mut query)?;
        query.verb = Verb::Insert(Insert {
            columns,
            rows,
            values,
            conflict,
        });
        Ok(query)
    }

    fn row(&mut self, group: Cursor<'_>) -> Result<Vec<Expression>, Beyond> {
        let parts = group.split_commas().into_iter();
        let row = parts.map(|mut part| {
            if part.eat("DEFAULT") && part.is_done() {
                return Ok(Expression::Other(Vec::new()));
            }
            let value = self.expression(&mut part)?;
            match part.is_done() {
                true => Ok(value),
                false => Err(Beyond("it holds what this build does not read")),
            }
        });
        row.collect()
    }

    fn on_conflict(
        &mut self,
        cursor: &mut Cursor<'_>,
        query: &mut Query,
        before: Conflict,
    ) -> Result<Conflict, Beyond> {
        let mut conflict = before;
        while cursor.eat_words(&["ON", "CONFLICT"]) {
            if cursor.eat_words(&["ON", "CONSTRAINT"]) {
                cursor.name();
            } else if cursor.is("(") {
                cursor.skip();
            }
            if cursor.eat("WHERE") {
                let filter = self.expression(cursor)?;
                query.others.push(filter);
            }
            if cursor.eat_words(&["DO", "NOTHING"]) {
                conflict = Conflict::Ignore;
            } else if cursor.eat_words(&["DO", "UPDATE", "SET"]) {
                conflict = Conflict::Update;
                self.assignments(cursor, query)?;
                if cursor.eat("WHERE") {
                    let filter = self.expression(cursor)?;
                    query.others.push(filter);
                }
            } else {
                return Err(Beyond("it holds what this build does not read"));
            }
        }
        Ok(conflict)
    }

    fn assignments(&mut self, cursor: &mut Cursor<'_>, query: &mut Query) -> Result<(), Beyond> {
        loop {
            if cursor.is("(") {
                return Err(Beyond("it sets several columns at once"));
            }
            let Some(column) = cursor.qualified() else {
                return Err(Beyond("it does not name a column to set"));
            };
            if !cursor.eat("=") {
                return Err(Beyond("it sets a part of a column"));
            }
            let value = match cursor.eat("DEFAULT") {
                true => Expression::Other(Vec::new()),
                false => self.expression(cursor)?,
            };
            query.assignments.push((column, value));
            if !cursor.eat(",") {
                return Ok(());
            }
        }
    }

    fn update(&mut self, cursor: &mut Cursor<'_>) -> Result<Query, Beyond> {
        let mut query = Self::empty(Verb::Update);
        if cursor.eat("OR") {
            cursor.next();
        }
        self.table(cursor, &mut query)?;
        if !cursor.eat("SET") {
            return Err(Beyond("it updates without `SET`"));
        }
        self.assignments(cursor, &mut query)?;
        if cursor.is("FROM") {
            return Err(Beyond("it joins tables"));
        }
        self.filter(cursor, &mut query)?;
        self.returning(cursor, &mut query)?;
        Ok(query)
    }

    fn delete(&mut self, cursor: &mut Cursor<'_>) -> Result<Query, Beyond> {
        let mut query = Self::empty(Verb::Delete);
        self.table(cursor, &mut query)?;
        if cursor.is("USING") {
            return Err(Beyond("it joins tables"));
        }
        self.filter(cursor, &mut query)?;
        self.returning(cursor, &mut query)?;
        Ok(query)
    }
}
