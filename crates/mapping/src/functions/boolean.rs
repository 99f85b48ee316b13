//! Booleans.

use crate::eval::item::Item;
use crate::eval::operators::truthy;
use crate::functions::{Function, Group, example};

pub(super) static FUNCTIONS: [Function; 3] = [
    Function::new(
        Group::Boolean,
        ("boolean", "<x-:b>", 1),
        "Returns whether a value counts as true: not empty, not zero, not null.",
        &[
            example("$boolean('')", "false"),
            example("$boolean([0, 1])", "true"),
        ],
        |_, arguments| {
            Ok(match arguments.get(0) {
                Item::Missing => Item::Missing,
                item => Item::Bool(truthy(item)),
            })
        },
    ),
    Function::new(
        Group::Boolean,
        ("not", "<x-:b>", 1),
        "Returns the opposite of a boolean.",
        &[example("$not(1 = 2)", "true")],
        |_, arguments| {
            Ok(match arguments.get(0) {
                Item::Missing => Item::Missing,
                item => Item::Bool(!truthy(item)),
            })
        },
    ),
    Function::new(
        Group::Boolean,
        ("exists", "<x:b>", 1),
        "Returns whether a value is there.",
        &[
            example("$exists({'a': null}.a)", "true"),
            example("$exists({'a': null}.b)", "false"),
        ],
        |_, arguments| Ok(Item::Bool(!arguments.get(0).is_missing())),
    ),
];
