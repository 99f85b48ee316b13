//! Everything else.

use crate::eval::failure::failure;
use crate::eval::item::Item;
use crate::eval::run::wrapped;
use crate::functions::{Function, Group, example};

pub(super) static FUNCTIONS: [Function; 4] = [
    Function::new(
        Group::Other,
        ("type", "<x:s>", 1),
        "Returns the kind of a value: null, number, string, boolean, array, object or function.",
        &[
            example("$type([1])", "\"array\""),
            example("$type(null)", "\"null\""),
        ],
        |_, arguments| {
            Ok(match arguments.get(0) {
                Item::Missing => Item::Missing,
                Item::Null => name("null"),
                Item::Bool(_) => name("boolean"),
                Item::InText(_) | Item::Text(_) | Item::InBytes(_) => name("string"),
                number if number.is_number() => name("number"),
                list if list.is_list() => name("array"),
                Item::Function(_) => name("function"),
                _ => name("object"),
            })
        },
    ),
    Function::new(
        Group::Other,
        ("error", "<s?:x>", 1),
        "Fails with a message.",
        &[example("true ? 1 : $error('never')", "1")],
        |_, arguments| {
            let message = match arguments.get(0).as_str() {
                Some(message) if !message.is_empty() => message,
                _ => "$error() function evaluated",
            };
            Err(failure("D3137", message))
        },
    ),
    Function::new(
        Group::Other,
        ("assert", "<bs?:x>", 2),
        "Fails with a message unless its first argument is true.",
        &[example("($assert(1 < 2, 'order'); 'ok')", "\"ok\"")],
        |_, arguments| {
            if matches!(arguments.get(0), Item::Bool(true)) {
                return Ok(Item::Missing);
            }
            let message = match arguments.get(1).as_str() {
                Some(message) if !message.is_empty() => message,
                _ => "$assert() statement failed",
            };
            Err(failure("D3141", message))
        },
    ),
    Function::new(
        Group::Other,
        ("eval", "<sx?:x>", 2),
        "Evaluates a text as an expression, in this context or another.",
        &[example("$eval('[1,2,a]', {'a': 3})", "[1,2,3]")],
        |machine, arguments| {
            // A direct call is an operation of its own, which knows the variables around it; here
            // the function was handed on as a value.
            let context = wrapped(arguments.get(1).clone());
            machine.eval_source(arguments.get(0), &context, Vec::new())
        },
    ),
];

fn name<'a>(name: &'static str) -> Item<'a> {
    Item::text(sluice_model::value::Text::borrowed(name))
}
