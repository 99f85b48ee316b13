//! `CREATE TABLE` and what changes tables.

use std::sync::Arc;

use sluice_model::codes;
use sluice_model::finding::Finding;
use sluice_model::operation::{SqlColumn, SqlTable};
use sluice_model::types::{Kind, Meta, Type};
use sluice_model::value::Name;

use crate::sql::Reader;
use crate::sql::column::{self, declared};
use crate::sql::cursor::{Cursor, Ident};

/// A column while its constraints are read.
struct Draft {
    name: Ident,
    ty: Type,
    declared: String,
    not_null: bool,
    optional: bool,
    /// Where the column's tokens start and end, for the comments on it.
    start: usize,
    end: usize,
}

/// Keys of a table while it is read.
#[derive(Default)]
struct Keys {
    primary: Vec<Ident>,
    unique: Vec<Vec<Ident>>,
}

impl<'t> Reader<'t> {
    /// Reads what follows `CREATE TABLE`.
    pub fn create_table(&mut self, cursor: &mut Cursor<'t>) {
        cursor.eat_words(&["IF", "NOT", "EXISTS"]);
        let before = cursor
            .last()
            .map_or((0, 0), |token| (token.start, token.end));
        let Some(name) = cursor.qualified() else {
            let help = "write `CREATE TABLE name (column type, ...)`";
            self.bad(self.span(before.0, before.1), "the table has no name", help);
            return;
        };
        let span = self.span(name.start, name.end);
        if let Some(first) = self.schema.table(&name.text) {
            let first = first.span;
            self.twice("two tables are", &name.text, span, first);
            return;
        }
        let Some(body) = cursor.group() else {
            if cursor.is("AS") || cursor.eat_words(&["PARTITION", "OF"]) {
                self.schema.opaque.push(name.text);
            } else {
                let text = format!("the columns of `{}` are missing or not closed", name.text);
                self.bad(span, text, "write them in parentheses behind the name");
            }
            return;
        };
        let mut drafts = Vec::new();
        let mut keys = Keys::default();
        for mut part in body.split_commas() {
            if part.is_done() {
                if let Some(last) = cursor.last() {
                    let help = "remove the comma too many";
                    let at = self.span_of(last);
                    self.bad(at, format!("a column of `{}` is empty", name.text), help);
                }
                continue;
            }
            if !self.table_constraint(&mut part, &mut keys) {
                self.column(&mut part, &mut drafts, &mut keys);
            }
        }
        // Options such as `STRICT` stand behind the columns.
        while cursor.next().is_some() {}
        let end = cursor.last().map_or(name.end, |token| token.end);
        let definition = self.text[name.end..end].trim();
        self.finish_table(&name, definition, drafts, keys);
    }

    fn finish_table(&mut self, name: &Ident, definition: &str, mut drafts: Vec<Draft>, keys: Keys) {
        let primary = self.key_columns(&keys.primary, &drafts, &name.text);
        let unique = keys.unique.iter();
        let unique: Vec<Vec<Name>> = unique
            .map(|key| self.key_columns(key, &drafts, &name.text))
            .collect();
        for draft in &mut drafts {
            let keyed = primary.iter().any(|key| key.as_str() == draft.name.text);
            draft.not_null |= keyed;
            // SQLite numbers the rows of a single `INTEGER PRIMARY KEY` itself.
            draft.optional |= keyed && primary.len() == 1 && draft.declared == "INTEGER";
        }
        let columns = (0..drafts.len()).map(|i| {
            let next = drafts.get(i + 1).map(|next| next.start);
            self.finish_column(&drafts[i], next)
        });
        let columns = columns.collect();
        self.schema.tables.push(SqlTable {
            name: name.text.as_str().into(),
            columns,
            primary_key: primary,
            unique_keys: unique.into_iter().filter(|key| !key.is_empty()).collect(),
            definition: definition.into(),
            span: self.span(name.start, name.end),
        });
    }

    fn finish_column(&self, draft: &Draft, next: Option<usize>) -> SqlColumn {
        let mut ty = draft.ty.clone();
        ty.nullable = !draft.not_null;
        let (pii, description) = self.comments_on(draft, next);
        ty.meta = Some(Arc::new(Meta {
            description,
            pii,
            span: Some(self.span(draft.name.start, draft.name.end)),
            ..Meta::default()
        }));
        SqlColumn {
            name: Name::new(&draft.name.text),
            optional: draft.optional || !draft.not_null,
            declared: draft.declared.as_str().into(),
            ty,
        }
    }

    /// Returns the PII class and the description that comments give a column: those behind it on
    /// its line, and those on lines of their own before it.
    fn comments_on(
        &self,
        draft: &Draft,
        next: Option<usize>,
    ) -> (Option<Arc<str>>, Option<Arc<str>>) {
        let mut pii = None;
        let mut lines = Vec::new();
        for comment in self.comments {
            let line_start = self.text[..comment.start]
                .rfind('\n')
                .map_or(0, |at| at + 1);
            let alone = self.text[line_start..comment.start].trim().is_empty();
            let own = if alone {
                // Up to the column, with nothing but blanks and comments in between.
                comment.end <= draft.start && self.is_blank(comment.end, draft.start)
            } else {
                let limit = next.unwrap_or(usize::MAX);
                let same_line =
                    !self.text[draft.end.min(comment.start)..comment.start].contains('\n');
                draft.start < comment.start && comment.start < limit && same_line
            };
            if !own {
                continue;
            }
            let text = comment.text.trim();
            match text.strip_prefix("pii:") {
                Some(rest) => {
                    let rest = rest.trim();
                    let end = rest.find([' ', ',', ';']).unwrap_or(rest.len());
                    let class = &rest[..end];
                    pii = pii.or((!class.is_empty()).then(|| Arc::from(class)));
                    let more = rest[end..].trim_start_matches([',', ';', ' ']);
                    lines.extend(Some(more).filter(|more| !more.is_empty()));
                }
                None => lines.push(text),
            }
        }
        let description = (!lines.is_empty()).then(|| Arc::from(lines.join(" ")));
        (pii, description)
    }

    /// Returns whether only blanks and comments stand between two places.
    fn is_blank(&self, from: usize, to: usize) -> bool {
        let mut at = from;
        let between = |c: &&super::Comment<'_>| from <= c.start && c.end <= to;
        for comment in self.comments.iter().filter(between) {
            if !self.text[at..comment.start].trim().is_empty() {
                return false;
            }
            at = comment.end;
        }
        self.text[at..to].trim().is_empty()
    }

    /// Returns the columns of a key by their declared names.
    fn key_columns(&mut self, key: &[Ident], drafts: &[Draft], table: &str) -> Vec<Name> {
        let mut names = Vec::with_capacity(key.len());
        for ident in key {
            let own = drafts
                .iter()
                .find(|d| d.name.text.eq_ignore_ascii_case(&ident.text));
            match own {
                Some(draft) => names.push(Name::new(&draft.name.text)),
                None => {
                    let at = self.span(ident.start, ident.end);
                    let what = format!("table `{table}` has no column");
                    let candidates = drafts.iter().map(|draft| draft.name.text.as_str());
                    self.unknown(&what, &ident.text, at, candidates);
                }
            }
        }
        names
    }

    /// Reads a constraint of the whole table; `false` if this is a column.
    fn table_constraint(&mut self, part: &mut Cursor<'t>, keys: &mut Keys) -> bool {
        let named = part.is("CONSTRAINT")
            && part
                .peek_second()
                .is_some_and(|token| token.name().is_some());
        if named {
            part.next();
            part.next();
        }
        if part.eat_words(&["PRIMARY", "KEY"]) {
            keys.primary = part.name_list().unwrap_or_default();
            return true;
        }
        // A column may be called like a keyword: only what goes on like a constraint is one.
        let follows = |text: &str| part.peek_second().is_some_and(|token| token.is(text));
        if part.is("UNIQUE") && (follows("(") || follows("NULLS")) {
            part.next();
            part.eat_words(&["NULLS", "NOT", "DISTINCT"]);
            keys.unique.extend(part.name_list());
            return true;
        }
        let other = (part.is("FOREIGN") && follows("KEY"))
            || (part.is("CHECK") && follows("("))
            || (part.is("EXCLUDE") && (follows("USING") || follows("(")))
            || part.is("LIKE");
        named || other
    }

    fn column(&mut self, part: &mut Cursor<'t>, drafts: &mut Vec<Draft>, keys: &mut Keys) {
        let Some(first) = part.peek() else { return };
        let Some(name) = part.name() else {
            let text = format!("`{}` is no name of a column", first.text);
            let help = "write `name type`, with commas between columns";
            self.bad(self.span_of(first), text, help);
            return;
        };
        let span = self.span(name.start, name.end);
        let twin = drafts
            .iter()
            .find(|d| d.name.text.eq_ignore_ascii_case(&name.text));
        if let Some(first) = twin {
            let first = self.span(first.name.start, first.name.end);
            self.twice("two columns are", &name.text, span, first);
            return;
        }
        let written = declared(part);
        let serial = written.words.ends_with("SERIAL") || written.words.starts_with("SERIAL");
        let ty = written.ty(&self.schema).unwrap_or_else(|| {
            let at = self.span(written.start, written.end);
            let text = format!("the type `{}` is not known", written.words);
            let finding = Finding::info(codes::UNSUPPORTED_CONTRACT, at, text);
            self.findings
                .push(finding.with_note("the column may hold any value"));
            Type::any().not_null()
        });
        let mut draft = Draft {
            start: name.start,
            end: name.end,
            declared: self.text[written.start..written.end].to_owned(),
            name,
            ty,
            not_null: serial,
            optional: serial,
        };
        self.constraints(part, &mut draft, keys);
        draft.end = part.last().map_or(draft.end, |token| token.end);
        drafts.push(draft);
    }

    fn constraints(&mut self, part: &mut Cursor<'t>, draft: &mut Draft, keys: &mut Keys) {
        while !part.is_done() {
            if part.eat_words(&["NOT", "NULL"]) {
                draft.not_null = true;
            } else if part.eat_words(&["PRIMARY", "KEY"]) {
                keys.primary = vec![draft.name.clone()];
                draft.optional |= part.is("AUTOINCREMENT");
            } else if part.eat("AUTOINCREMENT") || part.eat("GENERATED") {
                draft.optional = true;
                // `GENERATED BY DEFAULT` is not the default of a column.
                part.eat_words(&["BY", "DEFAULT"]);
            } else if part.eat("AS") {
                draft.optional = true;
                part.skip();
            } else if part.eat("UNIQUE") {
                keys.unique.push(vec![draft.name.clone()]);
            } else if part.eat("DEFAULT") {
                draft.optional = true;
                part.skip();
            } else if part.eat("CHECK") {
                self.check(part, draft);
            } else if part.eat("ON") {
                // `ON DELETE SET NULL`, `ON CONFLICT REPLACE`: what it sets is no constraint.
                part.next();
                if part.eat("SET") {
                    part.next();
                }
            } else {
                part.skip();
            }
        }
    }

    /// `CHECK (status IN ('new', 'paid'))` lists the values of a text.
    fn check(&mut self, part: &mut Cursor<'t>, draft: &mut Draft) {
        let Some(mut inner) = part.group() else {
            return;
        };
        let own = |name: Ident| name.text.eq_ignore_ascii_case(&draft.name.text);
        if !inner.name().is_some_and(own) || !inner.eat("IN") {
            return;
        }
        let Some(group) = inner.group().filter(|_| inner.is_done()) else {
            return;
        };
        let values = group.split_commas().into_iter().map(|mut part| {
            let value = part.next()?.string();
            value.filter(|_| part.is_done())
        });
        if let (Some(values), Kind::Text(text)) = (values.collect(), &mut draft.ty.kind)
            && let Kind::Text(listed) = column::listed(values).kind
        {
            text.values = listed.values;
        }
    }

    /// Reads what follows `CREATE UNIQUE INDEX`.
    pub fn create_unique_index(&mut self, cursor: &mut Cursor<'t>) {
        cursor.eat("CONCURRENTLY");
        cursor.eat_words(&["IF", "NOT", "EXISTS"]);
        if !cursor.is("ON") {
            cursor.qualified();
        }
        if !cursor.eat("ON") {
            return;
        }
        cursor.eat("ONLY");
        let Some(table) = cursor.qualified() else {
            return;
        };
        if cursor.eat("USING") {
            cursor.next();
        }
        let Some(columns) = cursor.name_list() else {
            return;
        };
        // A partial index keeps only some rows apart.
        if cursor.is("WHERE") {
            return;
        }
        let keys = Keys {
            primary: Vec::new(),
            unique: vec![columns],
        };
        self.add_to(&table, &[], &keys);
    }

    /// Reads what follows `CREATE TYPE`.
    pub fn create_type(&mut self, cursor: &mut Cursor<'t>) {
        let Some(name) = cursor.qualified() else {
            return;
        };
        if !cursor.eat_words(&["AS", "ENUM"]) {
            return;
        }
        let Some(group) = cursor.group() else { return };
        let values = group.split_commas().into_iter();
        let values: Option<Vec<String>> = values.map(|mut part| part.next()?.string()).collect();
        if let Some(values) = values.filter(|values| !values.is_empty()) {
            self.schema.enums.push((name.text, column::listed(values)));
        }
    }

    /// Reads what follows `ALTER TABLE`: columns and keys that are added.
    pub fn alter_table(&mut self, cursor: &mut Cursor<'t>) {
        cursor.eat_words(&["IF", "EXISTS"]);
        cursor.eat("ONLY");
        let Some(name) = cursor.qualified() else {
            return;
        };
        for mut part in cursor.split_commas() {
            if !part.eat("ADD") {
                continue;
            }
            let mut keys = Keys::default();
            let mut drafts = Vec::new();
            if !self.table_constraint(&mut part, &mut keys) {
                part.eat("COLUMN");
                part.eat_words(&["IF", "NOT", "EXISTS"]);
                self.column(&mut part, &mut drafts, &mut keys);
            }
            self.add_to(&name, &drafts, &keys);
        }
    }

    fn add_to(&mut self, name: &Ident, drafts: &[Draft], keys: &Keys) {
        let columns = drafts.iter().map(|draft| self.finish_column(draft, None));
        let columns: Vec<SqlColumn> = columns.collect();
        let tables = self.schema.tables.iter();
        let mut named = tables.enumerate();
        let found = named.find(|(_, table)| table.name.eq_ignore_ascii_case(&name.text));
        let Some((at, _)) = found else {
            if !self.schema.is_opaque(&name.text) {
                let names: Vec<Arc<str>> = self
                    .schema
                    .tables
                    .iter()
                    .map(|table| Arc::clone(&table.name))
                    .collect();
                let span = self.span(name.start, name.end);
                let candidates = names.iter().map(|name| &**name);
                self.unknown("there is no table", &name.text, span, candidates);
            }
            return;
        };
        self.schema.tables[at].columns.extend(columns);
        if !keys.primary.is_empty() {
            let key = self.declared_key(at, &keys.primary);
            let table = &mut self.schema.tables[at];
            for column in table
                .columns
                .iter_mut()
                .filter(|column| key.contains(&column.name))
            {
                column.ty.nullable = false;
            }
            table.primary_key = key;
        }
        for unique in &keys.unique {
            let key = self.declared_key(at, unique);
            self.schema.tables[at].unique_keys.push(key);
        }
    }

    fn declared_key(&mut self, at: usize, key: &[Ident]) -> Vec<Name> {
        let mut names = Vec::with_capacity(key.len());
        for ident in key {
            let table = &self.schema.tables[at];
            let same = |column: &&SqlColumn| column.name.as_str().eq_ignore_ascii_case(&ident.text);
            match table.columns.iter().find(same) {
                Some(column) => names.push(column.name),
                None => {
                    let what = format!("table `{}` has no column", table.name);
                    let columns: Vec<&str> = table
                        .columns
                        .iter()
                        .map(|column| column.name.as_str())
                        .collect();
                    let span = self.span(ident.start, ident.end);
                    self.unknown(&what, &ident.text, span, columns);
                }
            }
        }
        names
    }
}
