//! Sorting: `^(terms)`, and the merge sort behind `$sort`.

use std::cmp::Ordering;

use crate::ast::TextRange;
use crate::eval::compare;
use crate::eval::failure::{Explain, Outcome, failure};
use crate::eval::item::Item;
use crate::eval::machine::Machine;
use crate::eval::output::shown;
use crate::eval::tuple::Tuple;
use crate::ir::{Bindings, TermNode};

/// Sorts `items`, which stay in order where they are equal; `after` says whether its first argument
/// must come after its second.
pub(crate) fn merge_sort<T>(
    mut items: Vec<T>,
    after: &mut dyn FnMut(&T, &T) -> Outcome<bool>,
) -> Outcome<Vec<T>> {
    if items.len() < 2 {
        return Ok(items);
    }
    let right = items.split_off(items.len() / 2);
    let left = merge_sort(items, after)?;
    let right = merge_sort(right, after)?;
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        let next = if after(a, b)? {
            right.next()
        } else {
            left.next()
        };
        merged.extend(next);
    }
    merged.extend(left);
    merged.extend(right);
    Ok(merged)
}

/// An item that is sorted, and the terms that were computed for it so far.
struct Sorted<'a> {
    tuple: Tuple<'a>,
    terms: Vec<Item<'a>>,
}

impl<'a> Machine<'_, 'a> {
    pub(crate) fn sort_items(
        &mut self,
        items: Vec<Item<'a>>,
        terms: &[TermNode],
        range: TextRange,
    ) -> Outcome<Vec<Item<'a>>> {
        let tuple = |context| Tuple {
            context,
            values: Vec::new(),
        };
        let tuples = items.into_iter().map(tuple).collect();
        let nothing = Bindings {
            start: 0,
            count: 0,
            shared: true,
        };
        let sorted = self.sort_tuples(tuples, terms, nothing, range)?;
        Ok(sorted.into_iter().map(|tuple| tuple.context).collect())
    }

    pub(crate) fn sort_tuples(
        &mut self,
        tuples: Vec<Tuple<'a>>,
        terms: &[TermNode],
        bindings: Bindings,
        range: TextRange,
    ) -> Outcome<Vec<Tuple<'a>>> {
        if tuples.len() < 2 {
            return Ok(tuples);
        }
        self.charge_items(tuples.len() * (terms.len() + 2))?;
        let mut sorted = Vec::with_capacity(tuples.len());
        for tuple in tuples {
            self.bind_tuple(bindings, &tuple);
            let mut computed = Vec::with_capacity(terms.len());
            for term in terms {
                computed.push(self.eval(&term.node, &tuple.context)?);
            }
            sorted.push(Sorted {
                tuple,
                terms: computed,
            });
        }
        let sorted = merge_sort(sorted, &mut |a, b| {
            self.spend(1)?;
            self.comes_after(terms, a, b).at(range)
        })?;
        Ok(sorted.into_iter().map(|sorted| sorted.tuple).collect())
    }

    fn comes_after(&self, terms: &[TermNode], a: &Sorted<'a>, b: &Sorted<'a>) -> Outcome<bool> {
        for (term, (a, b)) in terms.iter().zip(a.terms.iter().zip(&b.terms)) {
            // What is missing comes last, also when the order is turned.
            match (a.is_missing(), b.is_missing()) {
                (true, true) => continue,
                (true, false) => return Ok(true),
                (false, true) => return Ok(false),
                (false, false) => {}
            }
            let sortable = |item: &Item<'_>| item.is_number() || item.as_text().is_some();
            if let Some(bad) = [a, b].into_iter().find(|item| !sortable(item)) {
                let message = format!(
                    "items are sorted by numbers or texts, not by {}",
                    bad.word()
                );
                return Err(failure("T2008", message).with_value(shown(bad)));
            }
            match compare::order(a, b, self.mode) {
                None => {
                    let message = format!(
                        "items are sorted by values of one kind, not by {} and {}",
                        a.word(),
                        b.word()
                    );
                    return Err(failure("T2007", message).with_value(shown(a)));
                }
                Some(Ordering::Equal) => {}
                Some(ordering) => {
                    return Ok((ordering == Ordering::Greater) != term.descending);
                }
            }
        }
        Ok(false)
    }
}
