//! Predicates: `[test]` and `[position]`.

use crate::eval::Mode;
use crate::eval::failure::Outcome;
use crate::eval::item::{Item, ListKind};
use crate::eval::machine::Machine;
use crate::eval::operators;
use crate::ir::{FilterNode, Predicate};

impl<'a> Machine<'_, 'a> {
    pub(crate) fn filter_node(
        &mut self,
        node: &FilterNode,
        context: &Item<'a>,
        raw: bool,
    ) -> Outcome<Item<'a>> {
        // Predicates see a sequence as it is: where there is no item there is nothing to test.
        let mut item = self.eval_raw(&node.base, context)?;
        let last = node.predicates.len().saturating_sub(1);
        for (index, predicate) in node.predicates.iter().enumerate() {
            if index > 0 && item.is_missing() {
                break;
            }
            if raw && index == last {
                return self.filter_raw(predicate, &item);
            }
            item = self.filter(predicate, &item)?;
        }
        Ok(item)
    }

    /// Returns the items of `input` that a predicate lets pass.
    pub(crate) fn filter(&mut self, predicate: &Predicate, input: &Item<'a>) -> Outcome<Item<'a>> {
        match predicate {
            Predicate::Position(position) => Ok(at_position(input, *position)),
            Predicate::Test(_) => {
                let items = self.passing(predicate, input)?;
                self.sequence(items)
            }
        }
    }

    /// As [`Machine::filter`]; the result is always a list.
    fn filter_raw(&mut self, predicate: &Predicate, input: &Item<'a>) -> Outcome<Item<'a>> {
        match predicate {
            Predicate::Position(position) => match at_position(input, *position) {
                Item::Missing => self.list(Vec::new(), ListKind::Sequence),
                list if list.is_list() => Ok(list),
                item => self.list(vec![item], ListKind::Sequence),
            },
            Predicate::Test(_) => {
                let items = self.passing(predicate, input)?;
                self.list(items, ListKind::Sequence)
            }
        }
    }

    fn passing(&mut self, predicate: &Predicate, input: &Item<'a>) -> Outcome<Vec<Item<'a>>> {
        let Predicate::Test(test) = predicate else {
            return Ok(Vec::new());
        };
        let count = match input {
            Item::Missing => {
                // Nothing passes, but the reference tests it, and so finds what is wrong.
                if self.mode == Mode::Dynamic {
                    self.eval(test, input)?;
                }
                return Ok(Vec::new());
            }
            other => other.count(),
        };
        self.spend(count as u64)?;
        let mut passing = Vec::with_capacity(count.min(64));
        for index in 0..count {
            let item = input.at(index);
            match self.eval(test, &item)? {
                Item::Bool(true) => passing.push(item),
                Item::Bool(false) => {}
                result => {
                    for _ in 0..passes(&result, index, count) {
                        passing.push(item.clone());
                    }
                }
            }
        }
        Ok(passing)
    }
}

/// Returns how often the item at `index` passes a predicate with this result: positions that are
/// given twice let it pass twice.
pub(crate) fn passes(result: &Item<'_>, index: usize, count: usize) -> usize {
    match result {
        Item::Bool(passes) => usize::from(*passes),
        number if number.is_number() => usize::from(is_position(number, index, count)),
        // The reference takes an empty list for one of positions.
        list if list.is_list() && list.items().all(|item| item.is_number()) => list
            .items()
            .filter(|item| is_position(item, index, count))
            .count(),
        other => usize::from(operators::truthy(other)),
    }
}

fn is_position(number: &Item<'_>, index: usize, count: usize) -> bool {
    let position = number.as_f64().unwrap_or(f64::NAN).floor();
    let position = if position < 0.0 {
        count as f64 + position
    } else {
        position
    };
    position == index as f64
}

/// Returns the item at a literal position.
pub(crate) fn at_position<'a>(input: &Item<'a>, position: i64) -> Item<'a> {
    if input.is_missing() {
        return Item::Missing;
    }
    let count = input.count() as i64;
    let index = if position < 0 {
        count.saturating_add(position)
    } else {
        position
    };
    if (0..count).contains(&index) {
        input.at(index as usize)
    } else {
        Item::Missing
    }
}
