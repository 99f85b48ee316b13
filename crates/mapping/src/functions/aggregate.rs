//! Sums and the like over lists of numbers.

use std::cmp::Ordering;

use crate::ast::BinaryOperator;
use crate::eval::failure::Outcome;
use crate::eval::function::Arguments;
use crate::eval::item::Item;
use crate::eval::operators::compute;
use crate::eval::{Machine, Mode, compare};
use crate::functions::{Function, Group, example};

pub(super) static FUNCTIONS: [Function; 5] = [
    Function::new(
        Group::Aggregate,
        ("sum", "<a<n>:n>", 1),
        "Returns the sum of a list of numbers.",
        &[example("$sum([5,1,3,7,4])", "20")],
        sum,
    ),
    Function::new(
        Group::Aggregate,
        ("count", "<a:n>", 1),
        "Returns the number of items of a list; 0 for a missing one.",
        &[
            example("$count([1,2,3,1])", "4"),
            example("$count(nothing)", "0"),
        ],
        |_, arguments| {
            Ok(Item::Int(match arguments.get(0) {
                Item::Missing => 0,
                list => list.count() as i64,
            }))
        },
    ),
    Function::new(
        Group::Aggregate,
        ("max", "<a<n>:n>", 1),
        "Returns the greatest of a list of numbers.",
        &[example("$max([5,1,3,7,4])", "7")],
        |machine, arguments| extreme(machine, &arguments, Ordering::Greater),
    ),
    Function::new(
        Group::Aggregate,
        ("min", "<a<n>:n>", 1),
        "Returns the least of a list of numbers.",
        &[example("$min([5,1,3,7,4])", "1")],
        |machine, arguments| extreme(machine, &arguments, Ordering::Less),
    ),
    Function::new(
        Group::Aggregate,
        ("average", "<a<n>:n>", 1),
        "Returns the mean of a list of numbers.",
        &[example("$average([5,1,3,7,4])", "4")],
        |machine, arguments| {
            let count = arguments.get(0).count();
            if arguments.get(0).is_missing() || count == 0 {
                return Ok(Item::Missing);
            }
            let mode = machine.mode;
            let total = sum(machine, arguments)?;
            compute(
                mode,
                BinaryOperator::Divide,
                &total,
                &Item::Int(count as i64),
            )
        },
    ),
];

fn sum<'a>(machine: &mut Machine<'_, 'a>, arguments: Arguments<'a>) -> Outcome<Item<'a>> {
    let list = arguments.get(0);
    if list.is_missing() {
        return Ok(Item::Missing);
    }
    machine.spend(list.count() as u64)?;
    match machine.mode {
        Mode::Dynamic => {
            let add = |total: f64, item: Item<'_>| total + item.as_f64().unwrap_or(0.0);
            Ok(Item::number(list.items().fold(0.0, add)))
        }
        Mode::Checked => {
            let mut total = Item::Int(0);
            for item in list.items() {
                total = compute(Mode::Checked, BinaryOperator::Add, &total, &item)?;
            }
            Ok(total)
        }
    }
}

fn extreme<'a>(
    machine: &mut Machine<'_, 'a>,
    arguments: &Arguments<'a>,
    wanted: Ordering,
) -> Outcome<Item<'a>> {
    let list = arguments.get(0);
    if list.is_missing() {
        return Ok(Item::Missing);
    }
    machine.spend(list.count() as u64)?;
    let mut best = Item::Missing;
    for item in list.items() {
        if best.is_missing() || compare::order(&item, &best, machine.mode) == Some(wanted) {
            best = item;
        }
    }
    Ok(best)
}
