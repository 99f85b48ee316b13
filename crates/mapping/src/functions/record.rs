//! Records.

use std::collections::HashSet;

use sluice_model::value::{Key, Text};

use crate::eval::Machine;
use crate::eval::failure::Outcome;
use crate::eval::fields::FieldsBuilder;
use crate::eval::function::Arguments;
use crate::eval::item::{Item, ListKind};
use crate::eval::operators::truthy;
use crate::eval::run::extend;
use crate::functions::higher_order::call_with;
use crate::functions::{Function, Group, example};

pub(super) static FUNCTIONS: [Function; 7] = [
    Function::new(
        Group::Record,
        ("keys", "<x-:a<s>>", 1),
        "Returns the names of a record's fields; of all records, for a list.",
        &[example(
            "$keys([{'a': 1}, {'a': 2, 'b': 3}])",
            "[\"a\",\"b\"]",
        )],
        keys,
    ),
    Function::new(
        Group::Record,
        ("lookup", "<x-s:x>", 2),
        "Returns the field of a record that has this name; of each record, for a list.",
        &[example("$lookup({'at': 'AUT'}, 'at')", "\"AUT\"")],
        |machine, arguments| match arguments.get(1).as_str() {
            Some(name) => {
                let key = Key::Text(Text::from(name));
                machine.lookup(arguments.get(0), &key)
            }
            None => Ok(Item::Missing),
        },
    ),
    Function::new(
        Group::Record,
        ("spread", "<x-:a<o>>", 1),
        "Returns a list of records with one field each.",
        &[example(
            "$spread({'a': 1, 'b': 2})",
            "[{\"a\":1},{\"b\":2}]",
        )],
        |machine, arguments| spread(machine, arguments.get(0)),
    ),
    Function::new(
        Group::Record,
        ("merge", "<a<o>:o>", 1),
        "Returns one record with the fields of all; of two fields with one name the last counts.",
        &[example(
            "$merge([{'a': 1, 'b': 2}, {'b': 3}])",
            "{\"a\":1,\"b\":3}",
        )],
        merge,
    ),
    Function::new(
        Group::Record,
        ("each", "<o-f:a>", 2),
        "Returns what a function gives for each field: called with value, name, record.",
        &[example(
            "$each({'a': 1, 'b': 2}, function($v, $k){$k & $v})",
            "[\"a1\",\"b2\"]",
        )],
        each,
    ),
    Function::new(
        Group::Record,
        ("sift", "<o-f?:o>", 2),
        "Returns the record with the fields that a function lets pass: called with value, name, \
         record.",
        &[example(
            "$sift({'a': 1, 'b': 2}, function($v){$v > 1})",
            "{\"b\":2}",
        )],
        sift,
    ),
    Function::new(
        Group::Record,
        ("clone", "<(oa)-:o>", 1),
        "Returns a copy of a record or list.",
        &[example("$clone({'a': [1]})", "{\"a\":[1]}")],
        |machine, arguments| match arguments.get(0) {
            Item::Missing => Ok(Item::Missing),
            item => machine.deep_copy(item),
        },
    ),
];

fn keys<'a>(machine: &mut Machine<'_, 'a>, arguments: Arguments<'a>) -> Outcome<Item<'a>> {
    fn gather<'a>(
        machine: &mut Machine<'_, 'a>,
        item: &Item<'a>,
        seen: &mut HashSet<Text<'a>>,
        names: &mut Vec<Item<'a>>,
    ) -> Outcome<()> {
        machine.spend(1)?;
        if item.is_list() {
            for item in item.items() {
                gather(machine, &item, seen, names)?;
            }
        }
        machine.spend(item.field_count() as u64)?;
        for (key, _) in item.fields() {
            let name = key.to_text();
            if seen.insert(name.clone()) {
                names.push(Item::text(name));
            }
        }
        Ok(())
    }
    let (mut seen, mut names) = (HashSet::new(), Vec::new());
    gather(machine, arguments.get(0), &mut seen, &mut names)?;
    machine.list(names, ListKind::Sequence)
}

fn spread<'a>(machine: &mut Machine<'_, 'a>, item: &Item<'a>) -> Outcome<Item<'a>> {
    let mut items = Vec::new();
    match item {
        list if list.is_list() => {
            for item in list.items() {
                machine.spend(1)?;
                match spread(machine, &item)? {
                    Item::Missing => {}
                    spread => extend(&mut items, spread),
                }
            }
            let kind = if list.count() == 0 {
                ListKind::Sequence
            } else {
                ListKind::Plain
            };
            machine.list(items, kind)
        }
        Item::InRecord(_) | Item::Record(_) => {
            for field in item.fields() {
                items.push(machine.record(vec![field])?);
            }
            machine.list(items, ListKind::Sequence)
        }
        Item::Function(_) => Ok(Item::Missing),
        other => Ok(other.clone()),
    }
}

fn merge<'a>(machine: &mut Machine<'_, 'a>, arguments: Arguments<'a>) -> Outcome<Item<'a>> {
    let records = arguments.get(0);
    if records.is_missing() {
        return Ok(Item::Missing);
    }
    let mut merged = FieldsBuilder::default();
    for record in records.items() {
        machine.spend(record.field_count() as u64)?;
        for (key, value) in record.fields() {
            merged.set(key, value);
        }
    }
    machine.record(merged.finish())
}

fn each<'a>(machine: &mut Machine<'_, 'a>, arguments: Arguments<'a>) -> Outcome<Item<'a>> {
    let (record, function) = (arguments.get(0), arguments.get(1));
    let mut items = Vec::new();
    for (key, value) in record.fields() {
        let name = Item::text(key.to_text());
        let item = call_with(machine, function, [value, name, record.clone()])?;
        if !item.is_missing() {
            items.push(item);
        }
    }
    machine.list(items, ListKind::Sequence)
}

fn sift<'a>(machine: &mut Machine<'_, 'a>, arguments: Arguments<'a>) -> Outcome<Item<'a>> {
    let (record, function) = (arguments.get(0), arguments.get(1));
    let mut fields = Vec::new();
    for (key, value) in record.fields() {
        let name = Item::text(key.to_text());
        let passes = call_with(machine, function, [value.clone(), name, record.clone()])?;
        if truthy(&passes) {
            fields.push((key, value));
        }
    }
    if fields.is_empty() {
        return Ok(Item::Missing);
    }
    machine.record(fields)
}
