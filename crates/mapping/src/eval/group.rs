//! Object constructors `{key: value}`, and groupings `items{key: value}`.

use std::collections::HashMap;

use sluice_model::value::{Key, Text};

use crate::ast::TextRange;
use crate::eval::failure::{Explain, Outcome, failure};
use crate::eval::item::{Item, ListKind};
use crate::eval::machine::Machine;
use crate::eval::output::shown;
use crate::eval::run::extend;
use crate::eval::tuple::Tuple;
use crate::ir::{Bindings, GroupNode, Op, PairKey, PathNode};

/// The items that one key was computed for.
struct Group<'a> {
    key: Key<'a>,
    pair: usize,
    context: Item<'a>,
    /// Bindings of each item, where the items come from a path that has some.
    tuples: Vec<Tuple<'a>>,
}

/// Groups, and where the one with a key is.
#[derive(Default)]
struct Groups<'a> {
    groups: Vec<Group<'a>>,
    index: HashMap<Text<'a>, usize>,
}

impl<'a> Groups<'a> {
    fn position(&self, key: &str) -> Option<usize> {
        if self.index.is_empty() {
            self.groups
                .iter()
                .position(|group| group.key.as_str() == key)
        } else {
            self.index.get(key).copied()
        }
    }

    fn push(&mut self, group: Group<'a>) {
        self.groups.push(group);
        let count = self.groups.len();
        if count == 17 {
            let groups = self.groups.iter().enumerate();
            self.index = groups
                .map(|(at, group)| (group.key.to_text(), at))
                .collect();
        } else if count > 17
            && let Some(group) = self.groups.last()
        {
            self.index.insert(group.key.to_text(), count - 1);
        }
    }
}

impl<'a> Machine<'_, 'a> {
    /// Evaluates an object constructor.
    pub(crate) fn object(
        &mut self,
        node: &GroupNode,
        context: &Item<'a>,
        range: TextRange,
    ) -> Outcome<Item<'a>> {
        if node.distinct && !context.is_list() {
            let mut fields = Vec::with_capacity(node.pairs.len());
            for pair in &node.pairs {
                if let PairKey::Constant(key) = &pair.key {
                    let value = self.eval(&pair.value, context)?;
                    if !value.is_missing() {
                        fields.push((key.clone(), value));
                    }
                }
            }
            return self.record(fields);
        }
        self.group_items(node, context, range)
    }

    /// Evaluates a grouping.
    pub(crate) fn group(
        &mut self,
        node: &GroupNode,
        context: &Item<'a>,
        range: TextRange,
    ) -> Outcome<Item<'a>> {
        let Some(base) = &node.base else {
            return self.object(node, context, range);
        };
        if let Op::Path(path) = &base.op
            && let Some(bindings) = path.bindings
        {
            return self.group_tuples(node, path, bindings, context, range);
        }
        let items = self.eval_raw(base, context)?;
        self.group_items(node, &items, range)
    }

    fn group_items(
        &mut self,
        node: &GroupNode,
        items: &Item<'a>,
        range: TextRange,
    ) -> Outcome<Item<'a>> {
        let mut groups = Groups::default();
        let count = if items.is_list() { items.count() } else { 1 };
        if count == 0 {
            // A literal object has its fields also where there is no item.
            self.add_item(node, &Item::Missing, &mut groups, range)?;
        }
        for index in 0..count {
            self.add_item(node, &items.at(index), &mut groups, range)?;
        }
        let mut fields = Vec::with_capacity(groups.groups.len());
        for group in groups.groups {
            let value = self.eval(&node.pairs[group.pair].value, &group.context)?;
            if !value.is_missing() {
                fields.push((group.key, value));
            }
        }
        self.record(fields)
    }

    /// Adds an item to the group of each pair's key.
    fn add_item(
        &mut self,
        node: &GroupNode,
        item: &Item<'a>,
        groups: &mut Groups<'a>,
        range: TextRange,
    ) -> Outcome<()> {
        for (pair, pair_node) in node.pairs.iter().enumerate() {
            let Some(key) = self.key(&pair_node.key, item, range)? else {
                continue;
            };
            match groups.position(key.as_str()) {
                None => groups.push(Group {
                    key,
                    pair,
                    context: item.clone(),
                    tuples: Vec::new(),
                }),
                Some(at) => {
                    let group = &mut groups.groups[at];
                    same_pair(group, pair, range)?;
                    let context = std::mem::take(&mut group.context);
                    group.context = self.append(context, item.clone())?;
                }
            }
        }
        Ok(())
    }

    fn group_tuples(
        &mut self,
        node: &GroupNode,
        path: &PathNode,
        bindings: Bindings,
        context: &Item<'a>,
        range: TextRange,
    ) -> Outcome<Item<'a>> {
        let mut groups = Groups::default();
        for tuple in self.tuples(path, context)? {
            self.bind_tuple(bindings, &tuple);
            for (pair, pair_node) in node.pairs.iter().enumerate() {
                let Some(key) = self.key(&pair_node.key, &tuple.context, range)? else {
                    continue;
                };
                match groups.position(key.as_str()) {
                    None => groups.push(Group {
                        key,
                        pair,
                        context: Item::Missing,
                        tuples: vec![tuple.clone()],
                    }),
                    Some(at) => {
                        let group = &mut groups.groups[at];
                        same_pair(group, pair, range)?;
                        group.tuples.push(tuple.clone());
                    }
                }
            }
        }
        let mut fields = Vec::with_capacity(groups.groups.len());
        for group in groups.groups {
            let tuple = self.reduced(group.tuples)?;
            self.bind_tuple(bindings, &tuple);
            let value = self.eval(&node.pairs[group.pair].value, &tuple.context)?;
            if !value.is_missing() {
                fields.push((group.key, value));
            }
        }
        self.unbind(bindings);
        self.record(fields)
    }

    /// Joins the tuples of a group: each binding becomes the list of its values.
    fn reduced(&mut self, tuples: Vec<Tuple<'a>>) -> Outcome<Tuple<'a>> {
        let mut tuples = tuples.into_iter();
        let Some(mut joined) = tuples.next() else {
            return Ok(Tuple {
                context: Item::Missing,
                values: Vec::new(),
            });
        };
        for tuple in tuples {
            let context = std::mem::take(&mut joined.context);
            joined.context = self.append(context, tuple.context)?;
            for (slot, value) in joined.values.iter_mut().zip(tuple.values) {
                let before = slot.take().unwrap_or_default();
                *slot = Some(self.append(before, value.unwrap_or_default())?);
            }
        }
        Ok(joined)
    }

    /// Evaluates a pair's key; `None` where it is missing.
    fn key(
        &mut self,
        key: &PairKey,
        item: &Item<'a>,
        range: TextRange,
    ) -> Outcome<Option<Key<'a>>> {
        let node = match key {
            PairKey::Constant(key) => return Ok(Some(key.clone())),
            PairKey::Computed(node) => node,
        };
        match self.eval(node, item)? {
            Item::Missing => Ok(None),
            text if text.as_text().is_some() => {
                let text = text.as_text().cloned().unwrap_or_default();
                if matches!(text.as_str(), "_jsonata_lambda" | "_jsonata_function") {
                    let message = format!("the key `{text}` is reserved");
                    return Err(failure("D1013", message).at(range));
                }
                Ok(Some(Key::Text(text)))
            }
            other => {
                let message = format!("a key must be a text, but is {}", other.word());
                Err(failure("T1003", message)
                    .with_value(shown(&other))
                    .at(node.range))
            }
        }
    }

    /// Returns the list of all items of both; one of them alone if the other is missing.
    pub(crate) fn append(&mut self, first: Item<'a>, second: Item<'a>) -> Outcome<Item<'a>> {
        if first.is_missing() {
            return Ok(second);
        }
        if second.is_missing() {
            return Ok(first);
        }
        self.charge_items(second.count())?;
        let mut items = if first.is_list() {
            self.own_items(first)?
        } else {
            vec![first]
        };
        extend(&mut items, second);
        crate::eval::machine::bounded(Item::list(items, ListKind::Plain))
    }
}

/// Refuses two pairs of one constructor that give the same key.
fn same_pair(group: &Group<'_>, pair: usize, range: TextRange) -> Outcome<()> {
    if group.pair == pair {
        return Ok(());
    }
    let message = format!("two keys of the record are `{}`", group.key.as_str());
    Err(failure("D1009", message).at(range))
}
