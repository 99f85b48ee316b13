//! Paths that carry bindings (`@`, `#`, `%`) beside each item.

use crate::eval::failure::Outcome;
use crate::eval::filter::{at_position, passes};
use crate::eval::item::{Item, ListKind};
use crate::eval::machine::Machine;
use crate::eval::path::constructed;
use crate::ir::{Bindings, Node, Op, PathNode, Predicate, StageNode, StepNode, StepOp};

/// An item of a path, and what is bound beside it.
#[derive(Clone)]
pub(crate) struct Tuple<'a> {
    pub(crate) context: Item<'a>,
    /// The slots of the path's bindings.
    pub(crate) values: Vec<Option<Item<'a>>>,
}

/// What a step gave for one item.
enum Results<'a> {
    Items(Item<'a>),
    Tuples(Vec<Tuple<'a>>),
}

impl<'a> Machine<'_, 'a> {
    /// Puts a tuple's bindings in their slots.
    pub(crate) fn bind_tuple(&mut self, bindings: Bindings, tuple: &Tuple<'a>) {
        let start = self.base + bindings.start as usize;
        for (offset, value) in tuple.values.iter().enumerate() {
            if let Some(slot) = self.slots.get_mut(start + offset) {
                slot.clone_from(value);
            }
        }
    }

    /// Unbinds them.
    pub(crate) fn unbind(&mut self, bindings: Bindings) {
        let start = self.base + bindings.start as usize;
        for slot in self
            .slots
            .iter_mut()
            .skip(start)
            .take(bindings.count as usize)
        {
            *slot = None;
        }
    }

    fn bound(&self, bindings: Bindings) -> Vec<Option<Item<'a>>> {
        let start = self.base + bindings.start as usize;
        let slots = self.slots.iter().skip(start);
        slots.take(bindings.count as usize).cloned().collect()
    }

    /// Evaluates a path to its items with their bindings.
    pub(crate) fn tuples(
        &mut self,
        path: &PathNode,
        context: &Item<'a>,
    ) -> Outcome<Vec<Tuple<'a>>> {
        let Some(bindings) = path.bindings else {
            return Ok(Vec::new());
        };
        let outer = self.bound(bindings);
        if !bindings.shared {
            self.unbind(bindings);
        }
        let values = self.bound(bindings);
        let spread = context.is_list() && !path.absolute;
        let mut input: Vec<Item<'a>> = if spread {
            context.items().collect()
        } else {
            vec![context.clone()]
        };
        let mut tuples: Option<Vec<Tuple<'a>>> = None;
        for (index, step) in path.steps.iter().enumerate() {
            if tuples.is_none() && !step.tuples {
                input = self.plain_step(step, input, index == 0)?;
                if input.is_empty() {
                    break;
                }
                continue;
            }
            let before = match tuples.take() {
                Some(tuples) => tuples,
                None => self.first_tuples(step, std::mem::take(&mut input), &values)?,
            };
            tuples = Some(self.tuple_step(step, before, bindings)?);
        }
        self.restore(bindings, outer);
        Ok(tuples.unwrap_or_default())
    }

    fn restore(&mut self, bindings: Bindings, values: Vec<Option<Item<'a>>>) {
        let tuple = Tuple {
            context: Item::Missing,
            values,
        };
        self.bind_tuple(bindings, &tuple);
    }

    /// Evaluates a step before the first that binds something.
    fn plain_step(
        &mut self,
        step: &StepNode,
        input: Vec<Item<'a>>,
        first: bool,
    ) -> Outcome<Vec<Item<'a>>> {
        let input = Item::list(input, ListKind::Sequence);
        let item = if first && step.once {
            match &step.kind {
                StepOp::Node(node) => self.eval(node, &input)?,
                StepOp::Sort(..) => Item::Missing,
            }
        } else {
            self.plain_step_over(step, &input)?
        };
        if item.is_missing() {
            return Ok(Vec::new());
        }
        self.own_items(if item.is_list() {
            item
        } else {
            Item::list(vec![item], ListKind::Sequence)
        })
    }

    /// Returns the tuples that the first binding step starts from.
    fn first_tuples(
        &mut self,
        step: &StepNode,
        input: Vec<Item<'a>>,
        values: &[Option<Item<'a>>],
    ) -> Outcome<Vec<Tuple<'a>>> {
        let input = match &step.kind {
            // A sort binds positions only: it sorts before there are tuples.
            StepOp::Sort(terms, range) => self.sort_items(input, terms, *range)?,
            StepOp::Node(_) => input,
        };
        self.charge_items(input.len() * (values.len() + 1))?;
        let tuple = |context| Tuple {
            context,
            values: values.to_vec(),
        };
        Ok(input.into_iter().map(tuple).collect())
    }

    fn tuple_step(
        &mut self,
        step: &StepNode,
        before: Vec<Tuple<'a>>,
        bindings: Bindings,
    ) -> Outcome<Vec<Tuple<'a>>> {
        let mut tuples = match &step.kind {
            StepOp::Sort(terms, range) => {
                let mut sorted = self.sort_tuples(before, terms, bindings, *range)?;
                if let Some(slot) = step.index {
                    number(&mut sorted, slot, bindings);
                }
                sorted
            }
            StepOp::Node(node) => {
                let mut tuples = Vec::new();
                for tuple in before {
                    self.bind_tuple(bindings, &tuple);
                    let results = self.results(node, &tuple.context)?;
                    self.extend_tuples(step, &tuple, results, bindings, &mut tuples)?;
                }
                tuples
            }
        };
        for stage in &step.stages {
            match stage {
                StageNode::Filter(predicate) => {
                    tuples = self.filter_tuples(predicate, tuples, bindings)?;
                }
                StageNode::Index(slot) => number(&mut tuples, *slot, bindings),
            }
        }
        Ok(tuples)
    }

    fn extend_tuples(
        &mut self,
        step: &StepNode,
        tuple: &Tuple<'a>,
        results: Results<'a>,
        bindings: Bindings,
        tuples: &mut Vec<Tuple<'a>>,
    ) -> Outcome<()> {
        let items = match results {
            Results::Tuples(inner) => {
                tuples.extend(inner);
                return Ok(());
            }
            Results::Items(Item::Missing) => return Ok(()),
            Results::Items(item) if step.constructor => constructed(item),
            Results::Items(item) => item,
        };
        self.spend(items.count() as u64)?;
        for (position, item) in items.items().enumerate() {
            self.charge_items(tuple.values.len() + 1)?;
            let mut next = tuple.clone();
            match step.focus {
                Some(slot) => set(&mut next, slot, bindings, item),
                None => next.context = item,
            }
            if let Some(slot) = step.index {
                set(&mut next, slot, bindings, Item::Int(position as i64));
            }
            for slot in &step.ancestors {
                set(&mut next, *slot, bindings, tuple.context.clone());
            }
            tuples.push(next);
        }
        Ok(())
    }

    /// Evaluates a step's expression; a path in parentheses hands its tuples on.
    fn results(&mut self, node: &Node, context: &Item<'a>) -> Outcome<Results<'a>> {
        match &node.op {
            Op::Path(path) if path.bindings.is_some_and(|bindings| bindings.shared) => {
                Ok(Results::Tuples(self.tuples(path, context)?))
            }
            Op::Block(block) => {
                self.open(&block.locals)?;
                let Some((last, first)) = block.items.split_last() else {
                    return Ok(Results::Items(Item::Missing));
                };
                for item in first {
                    self.eval(item, context)?;
                }
                self.enter()?;
                let results = self.results(last, context)?;
                self.leave();
                Ok(results)
            }
            Op::Filter(filter) => {
                let mut results = self.results(&filter.base, context)?;
                for predicate in &filter.predicates {
                    results = match results {
                        Results::Items(item) => Results::Items(self.filter(predicate, &item)?),
                        Results::Tuples(tuples) => {
                            let bindings = shared_bindings(&filter.base);
                            Results::Tuples(self.filter_tuples(predicate, tuples, bindings)?)
                        }
                    };
                }
                Ok(results)
            }
            _ => Ok(Results::Items(self.eval(node, context)?)),
        }
    }

    fn filter_tuples(
        &mut self,
        predicate: &Predicate,
        tuples: Vec<Tuple<'a>>,
        bindings: Bindings,
    ) -> Outcome<Vec<Tuple<'a>>> {
        match predicate {
            Predicate::Position(position) => {
                let positions = Item::range(0, tuples.len() as i64 - 1);
                if tuples.is_empty() {
                    return Ok(tuples);
                }
                Ok(match at_position(&positions, *position) {
                    Item::Int(index) => tuples.into_iter().skip(index as usize).take(1).collect(),
                    _ => Vec::new(),
                })
            }
            Predicate::Test(test) => {
                let count = tuples.len();
                let mut passing = Vec::new();
                for (index, tuple) in tuples.into_iter().enumerate() {
                    self.bind_tuple(bindings, &tuple);
                    let result = self.eval(test, &tuple.context)?;
                    for _ in 0..passes(&result, index, count) {
                        passing.push(tuple.clone());
                    }
                }
                Ok(passing)
            }
        }
    }
}

/// Binds each tuple's position.
fn number(tuples: &mut [Tuple<'_>], slot: u32, bindings: Bindings) {
    for (position, tuple) in tuples.iter_mut().enumerate() {
        set(tuple, slot, bindings, Item::Int(position as i64));
    }
}

fn set<'a>(tuple: &mut Tuple<'a>, slot: u32, bindings: Bindings, item: Item<'a>) {
    let offset = slot.wrapping_sub(bindings.start) as usize;
    if let Some(place) = tuple.values.get_mut(offset) {
        *place = Some(item);
    }
}

/// Returns the bindings of the path that a block ends with.
fn shared_bindings(node: &Node) -> Bindings {
    match &node.op {
        Op::Path(path) => path.bindings,
        Op::Block(block) => block.items.last().map(shared_bindings),
        Op::Filter(filter) => Some(shared_bindings(&filter.base)),
        _ => None,
    }
    .unwrap_or(Bindings {
        start: 0,
        count: 0,
        shared: true,
    })
}
