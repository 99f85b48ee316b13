//! Transformers: `| pattern | update, delete |`.
//!
//! The reference changes a deep copy in place, through references that the pattern selects. Values
//! here are shared and never change: the records that the pattern selects are known by their
//! address, and the copy is made with the changed ones in their places.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::rc::Rc;

use crate::eval::failure::{Explain, Outcome, failure};
use crate::eval::fields::FieldsBuilder;
use crate::eval::function::LambdaItem;
use crate::eval::item::{Fields, Item};
use crate::eval::machine::Machine;
use crate::eval::output::shown;
use crate::ir::{Body, Node};

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
        for matched in matches.items() {
            let Item::Record(record) = &matched else {
                self.change(update, delete.as_ref(), &matched)?;
                continue;
            };
            let address = Rc::as_ptr(record) as usize;
            if let Entry::Vacant(place) = changes.entry(address) {
                let fields = self.change(update, delete.as_ref(), &matched)?;
                // The match is kept, so that its address stays its own.
                place.insert((fields, matched));
            }
        }
        if changes.is_empty() {
            return Ok(copy);
        }
        self.with_changes(&copy, &changes)
    }

    /// Returns the fields of `matched` after the update and the deletions.
    fn change(
        &mut self,
        update: &Node,
        delete: Option<&Node>,
        matched: &Item<'a>,
    ) -> Outcome<Fields<'a>> {
        let mut fields = FieldsBuilder::with(matched.fields());
        let updates = self.eval(update, matched)?;
        match &updates {
            Item::Missing => {}
            Item::Record(_) | Item::InRecord(_) => {
                for (key, value) in updates.fields() {
                    fields.set(key, value);
                }
            }
            other => {
                let message = format!("the update must be a record, but is {}", other.word());
                return Err(failure("T2011", message)
                    .with_value(shown(other))
                    .at(update.range));
            }
        }
        let mut fields = fields.finish();
        let Some(delete) = delete else {
            return Ok(fields);
        };
        let deletions = self.eval(delete, matched)?;
        if deletions.is_missing() {
            return Ok(fields);
        }
        for name in deletions.items() {
            match name.as_str() {
                Some(name) => fields.retain(|(key, _)| key.as_str() != name),
                None => {
                    let message = format!(
                        "what is deleted must be a text or a list of texts, but is {}",
                        name.word()
                    );
                    return Err(failure("T2012", message)
                        .with_value(shown(&name))
                        .at(delete.range));
                }
            }
        }
        Ok(fields)
    }

    /// Returns the value with each changed record in its place.
    fn with_changes(
        &mut self,
        item: &Item<'a>,
        changes: &HashMap<usize, (Fields<'a>, Item<'a>)>,
    ) -> Outcome<Item<'a>> {
        self.spend(1)?;
        match item {
            Item::Record(record) => {
                let address = Rc::as_ptr(record) as usize;
                let fields = match changes.get(&address) {
                    Some((fields, _)) => fields.clone(),
                    None => record.fields.clone(),
                };
                let mut changed = Vec::with_capacity(fields.len());
                for (key, value) in fields {
                    let value = self.with_changes(&value, changes)?;
                    changed.push((key, value));
                }
                self.record(changed)
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
