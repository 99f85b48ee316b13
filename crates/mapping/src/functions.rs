//! The function library: one table, which the compiler, the evaluator, the documentation and the
//! tests read.
//!
//! A function is one entry: name, signature, what it does, and examples that a test runs.

mod aggregate;
mod boolean;
pub(crate) mod encoding;
mod higher_order;
mod integer_picture;
mod list;
mod matching;
mod number;
mod number_picture;
mod other;
mod record;
#[cfg(test)]
mod tests;
mod text;
mod time;
mod time_parse;
mod time_picture;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use crate::eval::Machine;
use crate::eval::failure::Outcome;
use crate::eval::function::Arguments;
use crate::eval::item::Item;
use crate::signature::Signature;

/// What a function does; the arguments fit its signature.
type Run = for<'m, 'h, 'a> fn(&'m mut Machine<'h, 'a>, Arguments<'a>) -> Outcome<Item<'a>>;

/// An example: an expression, and its result as JSON (empty where it is missing).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Example {
    /// The expression.
    pub expression: &'static str,
    /// Its result.
    pub result: &'static str,
}

/// A function of the library.
pub struct Function {
    /// Its name, without `$`.
    pub name: &'static str,
    /// What its arguments must be: <https://docs.jsonata.org/programming#function-signatures>.
    pub signature: &'static str,
    /// What it does, in one sentence.
    pub summary: &'static str,
    /// Examples.
    pub examples: &'static [Example],
    /// The group that it belongs to.
    pub group: Group,
    /// How many arguments higher-order functions hand it.
    pub(crate) arity: u8,
    pub(crate) run: Run,
    parsed: OnceLock<Signature>,
}

/// The groups of functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Texts.
    Text,
    /// Numbers.
    Number,
    /// Sums and the like over lists.
    Aggregate,
    /// Booleans.
    Boolean,
    /// Lists.
    List,
    /// Records.
    Record,
    /// Functions that call functions.
    HigherOrder,
    /// Dates and times.
    Time,
    /// Everything else.
    Other,
}

impl Group {
    /// Returns the group's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Group::Text => "text",
            Group::Number => "number",
            Group::Aggregate => "aggregate",
            Group::Boolean => "boolean",
            Group::List => "list",
            Group::Record => "record",
            Group::HigherOrder => "higher order",
            Group::Time => "time",
            Group::Other => "other",
        }
    }
}

impl Function {
    const fn new(
        group: Group,
        (name, signature, arity): (&'static str, &'static str, u8),
        summary: &'static str,
        examples: &'static [Example],
        run: Run,
    ) -> Self {
        Self {
            name,
            signature,
            summary,
            examples,
            group,
            arity,
            run,
            parsed: OnceLock::new(),
        }
    }

    /// Returns the signature, read.
    pub fn parsed(&self) -> &Signature {
        self.parsed.get_or_init(|| {
            Signature::parse(self.signature).expect("the table's signatures are well-formed")
        })
    }
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "${}", self.name)
    }
}

/// Returns an example.
const fn example(expression: &'static str, result: &'static str) -> Example {
    Example { expression, result }
}

/// Returns all functions, group by group.
pub fn all() -> impl Iterator<Item = &'static Function> {
    let groups: [&'static [Function]; 11] = [
        &text::FUNCTIONS,
        &matching::FUNCTIONS,
        &encoding::FUNCTIONS,
        &number::FUNCTIONS,
        &aggregate::FUNCTIONS,
        &boolean::FUNCTIONS,
        &list::FUNCTIONS,
        &record::FUNCTIONS,
        &higher_order::FUNCTIONS,
        &time::FUNCTIONS,
        &other::FUNCTIONS,
    ];
    groups.into_iter().flatten()
}

/// Returns the function with this name (without `$`).
pub fn find(name: &str) -> Option<&'static Function> {
    static INDEX: OnceLock<HashMap<&'static str, &'static Function>> = OnceLock::new();
    let index = INDEX.get_or_init(|| all().map(|function| (function.name, function)).collect());
    index.get(name).copied()
}

/// Returns `$eval`.
pub(crate) fn eval_function() -> &'static Function {
    find("eval").expect("the table has `$eval`")
}

/// Returns the signature of a transformer.
pub(crate) fn transform_signature() -> Arc<Signature> {
    Arc::new(Signature::parse("<(oa):o>").expect("the signature is well-formed"))
}
