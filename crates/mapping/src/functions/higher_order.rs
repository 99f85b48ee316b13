//! Functions that call functions.

use crate::eval::Machine;
use crate::eval::failure::{Outcome, failure};
use crate::eval::function::Arguments;
use crate::eval::item::{Item, ListKind};
use crate::eval::operators::truthy;
use crate::functions::{Function, Group, example};

pub(super) static FUNCTIONS: [Function; 4] = [
    Function::new(
        Group::HigherOrder,
        ("map", "<af>", 2),
        "Returns what a function gives for each item: called with item, position, list.",
        &[example(
            "$map([1,2,3], function($v, $i){$v * $i})",
            "[0,2,6]",
        )],
        map,
    ),
    Function::new(
        Group::HigherOrder,
        ("filter", "<af>", 2),
        "Returns the items that a function lets pass: called with item, position, list.",
        &[example("$filter([1,2,3,4], function($v){$v > 2})", "[3,4]")],
        filter,
    ),
    Function::new(
        Group::HigherOrder,
        ("single", "<af?>", 2),
        "Returns the one item that a function lets pass; none or two are an error.",
        &[example("$single([1,2,3], function($v){$v > 2})", "3")],
        single,
    ),
    Function::new(
        Group::HigherOrder,
        ("reduce", "<afj?:j>", 3),
        "Returns what a function makes of all items, one after the other: called with the result \
         so far, item, position, list.",
        &[
            example("$reduce([1,2,3], function($sum, $v){$sum + $v})", "6"),
            example("$reduce([1,2,3], function($sum, $v){$sum + $v}, 10)", "16"),
        ],
        reduce,
    ),
];

/// Calls a function with as many of the arguments as it takes, the first at least.
pub(super) fn call_with<'a>(
    machine: &mut Machine<'_, 'a>,
    function: &Item<'a>,
    given: [Item<'a>; 3],
) -> Outcome<Item<'a>> {
    let arity = match function {
        Item::Function(function) => function.arity(),
        _ => 1,
    };
    let mut arguments = Arguments::new();
    for item in given.into_iter().take(arity.max(1)) {
        arguments.push(item);
    }
    let result = machine.apply(function, arguments, &Item::Null)?;
    Ok(result)
}

fn map<'a>(machine: &mut Machine<'_, 'a>, arguments: Arguments<'a>) -> Outcome<Item<'a>> {
    let (list, function) = (arguments.get(0), arguments.get(1));
    if list.is_missing() {
        return Ok(Item::Missing);
    }
    let mut items = Vec::new();
    for (index, item) in list.items().enumerate() {
        let given = [item, Item::Int(index as i64), list.clone()];
        let result = call_with(machine, function, given)?;
        if !result.is_missing() {
            items.push(result);
        }
    }
    machine.list(items, ListKind::Sequence)
}

fn filter<'a>(machine: &mut Machine<'_, 'a>, arguments: Arguments<'a>) -> Outcome<Item<'a>> {
    let (list, function) = (arguments.get(0), arguments.get(1));
    if list.is_missing() {
        return Ok(Item::Missing);
    }
    let mut items = Vec::new();
    for (index, item) in list.items().enumerate() {
        let given = [item.clone(), Item::Int(index as i64), list.clone()];
        if truthy(&call_with(machine, function, given)?) {
            items.push(item);
        }
    }
    machine.list(items, ListKind::Sequence)
}

fn single<'a>(machine: &mut Machine<'_, 'a>, arguments: Arguments<'a>) -> Outcome<Item<'a>> {
    let (list, function) = (arguments.get(0), arguments.get(1));
    if list.is_missing() {
        return Ok(Item::Missing);
    }
    let mut found = None;
    for (index, item) in list.items().enumerate() {
        let passes = if function.is_missing() {
            true
        } else {
            let given = [item.clone(), Item::Int(index as i64), list.clone()];
            truthy(&call_with(machine, function, given)?)
        };
        if !passes {
            continue;
        }
        if found.is_some() {
            let message = "`$single` expects one item that matches, and found more";
            return Err(failure("D3138", message));
        }
        found = Some(item);
    }
    found.ok_or_else(|| {
        failure(
            "D3139",
            "`$single` expects one item that matches, and found none",
        )
    })
}

fn reduce<'a>(machine: &mut Machine<'_, 'a>, mut arguments: Arguments<'a>) -> Outcome<Item<'a>> {
    let initial = arguments.take(2);
    let (list, function) = (arguments.get(0), arguments.get(1));
    if list.is_missing() {
        return Ok(Item::Missing);
    }
    let arity = match function {
        Item::Function(function) => function.arity(),
        _ => 0,
    };
    if arity < 2 {
        let message =
            "the second argument of `$reduce` must be a function of two arguments at least";
        return Err(failure("D3050", message));
    }
    let (mut result, start) = match initial {
        Item::Missing if list.count() > 0 => (list.at(0), 1),
        initial => (initial, 0),
    };
    for index in start..list.count() {
        let mut given = Arguments::one(std::mem::take(&mut result));
        given.push(list.at(index));
        if arity >= 3 {
            given.push(Item::Int(index as i64));
        }
        if arity >= 4 {
            given.push(list.clone());
        }
        result = machine.apply(function, given, &Item::Null)?;
    }
    Ok(result)
}
