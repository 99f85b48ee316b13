//! Lists.

use std::cmp::Ordering;
use std::collections::HashMap;

use crate::eval::compare::{hash_of, order};
use crate::eval::failure::{Outcome, failure};
use crate::eval::function::Arguments;
use crate::eval::item::{Item, ListKind};
use crate::eval::{Machine, operators, sort};
use crate::functions::{Function, Group, example};

pub(super) static FUNCTIONS: [Function; 6] = [
    Function::new(
        Group::List,
        ("append", "<xx:a>", 2),
        "Returns the list of the items of both arguments.",
        &[
            example("$append([1,2], [3])", "[1,2,3]"),
            example("$append([1,2], 3)", "[1,2,3]"),
        ],
        |machine, mut arguments| {
            let (first, second) = (arguments.take(0), arguments.take(1));
            machine.append(first, second)
        },
    ),
    Function::new(
        Group::List,
        ("reverse", "<a:a>", 1),
        "Returns the list in the opposite order.",
        &[example("$reverse([1,2,3])", "[3,2,1]")],
        |machine, mut arguments| {
            let list = arguments.take(0);
            if list.is_missing() || list.count() < 2 {
                return Ok(list);
            }
            let mut items = machine.own_items(list)?;
            items.reverse();
            machine.list(items, ListKind::Plain)
        },
    ),
    Function::new(
        Group::List,
        ("shuffle", "<a:a>", 1),
        "Returns the list in an order that chance decides.",
        &[example("$count($shuffle([1..9]))", "9")],
        shuffle,
    ),
    Function::new(
        Group::List,
        ("distinct", "<x:x>", 1),
        "Returns the list without items that equal an earlier one.",
        &[example(
            "$distinct([1,2,1,{'a':1},{'a':1}])",
            "[1,2,{\"a\":1}]",
        )],
        distinct,
    ),
    Function::new(
        Group::List,
        ("zip", "<a+>", 0),
        "Returns a list of lists: the first items of each argument, the second ones, and so on.",
        &[example("$zip([1,2,3], ['a','b'])", "[[1,\"a\"],[2,\"b\"]]")],
        zip,
    ),
    Function::new(
        Group::List,
        ("sort", "<af?:a>", 2),
        "Returns the list sorted: numbers or texts, or by a function that says whether its first \
         argument comes after its second.",
        &[
            example("$sort([3,1,2])", "[1,2,3]"),
            example(
                "$sort(['b','c','a'], function($l, $r){$l < $r})",
                "[\"c\",\"b\",\"a\"]",
            ),
        ],
        sorted,
    ),
];

fn shuffle<'a>(machine: &mut Machine<'_, 'a>, mut arguments: Arguments<'a>) -> Outcome<Item<'a>> {
    let list = arguments.take(0);
    if list.is_missing() || list.count() < 2 {
        return Ok(list);
    }
    let mut items = machine.own_items(list)?;
    machine.spend(items.len() as u64)?;
    for last in (1..items.len()).rev() {
        let chosen = (machine.host.random() * (last + 1) as f64) as usize;
        items.swap(last, chosen.min(last));
    }
    machine.list(items, ListKind::Plain)
}

fn distinct<'a>(machine: &mut Machine<'_, 'a>, mut arguments: Arguments<'a>) -> Outcome<Item<'a>> {
    let list = arguments.take(0);
    if !list.is_list() || list.count() < 2 {
        return Ok(list);
    }
    let kind = if list.list_kind().is_sequence() {
        ListKind::Sequence
    } else {
        ListKind::Plain
    };
    let mut items: Vec<Item<'a>> = Vec::new();
    let mut seen: HashMap<u64, Vec<usize>> = HashMap::new();
    machine.spend(list.count() as u64)?;
    for item in list.items() {
        let same_hash = seen.entry(hash_of(&item)).or_default();
        let mut known = false;
        for index in same_hash.iter() {
            machine.spend(1)?;
            if machine.deep_equal(&item, &items[*index])? {
                known = true;
                break;
            }
        }
        if !known {
            same_hash.push(items.len());
            items.push(item);
        }
    }
    machine.list(items, kind)
}

fn zip<'a>(machine: &mut Machine<'_, 'a>, arguments: Arguments<'a>) -> Outcome<Item<'a>> {
    let lists = arguments.as_slice();
    let count = |list: &Item<'_>| if list.is_list() { list.count() } else { 0 };
    let shortest = lists.iter().map(count).min().unwrap_or(0);
    let mut items = Vec::with_capacity(shortest);
    for index in 0..shortest {
        machine.spend(lists.len() as u64)?;
        let tuple = lists.iter().map(|list| list.at(index)).collect();
        items.push(machine.list(tuple, ListKind::Plain)?);
    }
    machine.list(items, ListKind::Plain)
}

fn sorted<'a>(machine: &mut Machine<'_, 'a>, mut arguments: Arguments<'a>) -> Outcome<Item<'a>> {
    let list = arguments.take(0);
    if list.is_missing() || list.count() < 2 {
        return Ok(list);
    }
    let comparator = arguments.take(1);
    let items = machine.own_items(list)?;
    let items = if comparator.is_missing() {
        let alike = |fits: fn(&Item<'_>) -> bool| items.iter().all(fits);
        if !alike(|item| item.is_number()) && !alike(|item| item.as_str().is_some()) {
            let message = "a list of numbers or of texts can be sorted without a second argument; \
                           for others say by a function what comes after what";
            return Err(failure("D3070", message));
        }
        let mode = machine.mode;
        sort::merge_sort(items, &mut |a, b| {
            machine.spend(1)?;
            Ok(order(a, b, mode) == Some(Ordering::Greater))
        })?
    } else {
        sort::merge_sort(items, &mut |a, b| {
            let mut pair = Arguments::one(a.clone());
            pair.push(b.clone());
            let after = machine.apply(&comparator, pair, &Item::Null)?;
            Ok(operators::truthy(&after))
        })?
    };
    machine.list(items, ListKind::Plain)
}
