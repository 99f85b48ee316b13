//! Transformers: `| pattern | update, delete |`.
//!
//! The reference changes a deep copy in place, through references that the pattern selects. Values
//! here are shared and never change: the records that the pattern selects are known by their
//! address, and the copy is made with the changed ones in their places.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::rc::Rc;

use sluice_model::value::{Key, Text};

use crate::eval::failure::{Explain, Outcome, failure};
use crate::eval::fields::FieldsBuilder;
use crate::eval::function::LambdaItem;
use crate::eval::item::{Fields, Item};
use crate::eval::machine::Machine;
use crate::eval::output::shown;
use crate::ir::{Body, Node};

/// What becomes of one record.
struct Change<'a> {
    updated: Fields<'a>,
    deleted: Vec<Text<'a>>,
}

impl<'a> Machine<'_, 'a> {
    /// Applies a transformer, whose frame is set up, to its argument.
    pub(crate) fn transform(
        &mut self,
        lambda: &LambdaItem<'a>,
        argument: Item<'a>,
    ) -> Outcome<Item<'a>> {
        let Body::Transform {
            pattern,
            update,
            delete,
        } = &lambda.code.body
        else {
            return Ok(Item::Missing);
        };
        if argument.is_missing() {
            return Ok(Item::Missing);
        }
        // A copy gives each record an address of its own, however often it stands in the value.
        let copy = self.deep_copy(&argument)?;
        let matches = self.eval(pattern, &copy)?;
        let mut changes = HashMap::new();
        let count = if matches.is_missing() {
            0
        } else {
            matches.count()
        };
        for matched in matches.items().take(count) {
            let change = self.change(update, delete.as_ref(), &matched)?;
            if let Item::Record(record) = &matched
                && let Entry::Vacant(place) = changes.entry(Rc::as_ptr(record) as usize)
            {
                // The match is kept, so that its address stays its own.
                place.insert((change, matched.clone()));
            }
        }
        if changes.is_empty() {
            return Ok(copy);
        }
        self.with_changes(&copy, &changes)
    }

    /// Evaluates what a match is updated with, and which of its fields go.
    fn change(
        &mut self,
        update: &Node,
        delete: Option<&Node>,
        matched: &Item<'a>,
    ) -> Outcome<Change<'a>> {
        let updates = self.eval(update, matched)?;
        let updated = match &updates {
            Item::Missing => Vec::new(),
            Item::Record(_) | Item::InRecord(_) => updates.fields(),
            other => {
                let message = format!("the update must be a record, but is {}", other.word());
                return Err(failure("T2011", message)
                    .with_value(shown(other))
                    .at(update.range));
            }
        };
        let mut deleted = Vec::new();
        if let Some(delete) = delete {
            let names = self.eval(delete, matched)?;
            let count = if names.is_missing() { 0 } else { names.count() };
            for name in names.items().take(count) {
                let Some(text) = name.as_text() else {
                    let message = format!(
                        "what is deleted must be a text or a list of texts, but is {}",
                        name.word()
                    );
                    return Err(failure("T2012", message)
                        .with_value(shown(&name))
                        .at(delete.range));
                };
                deleted.push(text.clone());
            }
        }
        Ok(Change { updated, deleted })
    }

    /// Returns the value with each changed record in its place.
    fn with_changes(
        &mut self,
        item: &Item<'a>,
        changes: &HashMap<usize, (Change<'a>, Item<'a>)>,
    ) -> Outcome<Item<'a>> {
        self.spend(1)?;
        match item {
            Item::Record(record) => {
                let mut fields = Vec::with_capacity(record.fields.len());
                for (key, value) in &record.fields {
                    let value = self.with_changes(value, changes)?;
                    fields.push((key.clone(), value));
                }
                if let Some((change, _)) = changes.get(&(Rc::as_ptr(record) as usize)) {
                    // What a match is updated with is new: it may hold the match as it was.
                    let mut builder = FieldsBuilder::with(fields);
                    for (key, value) in &change.updated {
                        builder.set(key.clone(), value.clone());
                    }
                    fields = builder.finish();
                    let deleted = |key: &Key<'a>| {
                        change
                            .deleted
                            .iter()
                            .any(|name| name.as_str() == key.as_str())
                    };
                    fields.retain(|(key, _)| !deleted(key));
                }
                self.record(fields)
            }
            Item::List(list) => {
                let mut items = Vec::with_capacity(list.items.len());
                for item in &list.items {
                    items.push(self.with_changes(item, changes)?);
                }
                self.list(items, list.kind)
            }
            other => Ok(other.clone()),
        }
    }

    /// Returns a copy that shares no list or record, and holds no functions (`$clone`).
    pub(crate) fn deep_copy(&mut self, item: &Item<'a>) -> Outcome<Item<'a>> {
        self.spend(1)?;
        if item.is_list() {
            let mut items = Vec::with_capacity(item.count());
            for item in item.items() {
                items.push(self.deep_copy(&item)?);
            }
            return self.list(items, crate::eval::item::ListKind::Plain);
        }
        match item {
            Item::Record(_) | Item::InRecord(_) => {
                let mut fields = Vec::with_capacity(item.field_count());
                for (key, value) in item.fields() {
                    let value = self.deep_copy(&value)?;
                    fields.push((key, value));
                }
                self.record(fields)
            }
            Item::Function(_) => self.text(""),
            other => Ok(other.clone()),
        }
    }
}
