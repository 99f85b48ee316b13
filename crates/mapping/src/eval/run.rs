//! Evaluates one operation.

use crate::ast::BinaryOperator;
use crate::eval::Mode;
use crate::eval::compare;
use crate::eval::failure::{Explain, Outcome, failure};
use crate::eval::item::{Item, ListKind};
use crate::eval::machine::Machine;
use crate::eval::operators;
use crate::ir::{ArrayItem, BlockNode, ConditionNode, Node, Op, Place, Variable};

use std::rc::Rc;

use sluice_model::value::{Key, Name, Record};

impl<'a> Machine<'_, 'a> {
    /// Evaluates `node` in `context`. A sequence of one item comes out as that item.
    ///
    /// A field of a record of the input, which most leaves of a mapping are, takes no call.
    #[inline]
    pub(crate) fn eval(&mut self, node: &Node, context: &Item<'a>) -> Outcome<Item<'a>> {
        if let (Op::Fields(keys), Item::InRecord(record)) = (&node.op, context)
            && let [Key::Name(name)] = &**keys
        {
            return Ok(field_of(record, *name));
        }
        self.eval_any(node, context)
    }

    fn eval_any(&mut self, node: &Node, context: &Item<'a>) -> Outcome<Item<'a>> {
        match &node.op {
            Op::Constant(value) => Ok(Item::of_constant(value)),
            Op::Context => Ok(unwrapped(context)),
            Op::Root => Ok(self.root.clone()),
            Op::Variable(variable) => Ok(self.variable(variable)),
            Op::Field(key) => self.lookup(context, key),
            _ => {
                self.enter()?;
                let result = self.eval_deep(node, context);
                self.leave();
                result
            }
        }
    }

    fn eval_deep(&mut self, node: &Node, context: &Item<'a>) -> Outcome<Item<'a>> {
        match &node.op {
            Op::Constant(_) | Op::Context | Op::Root | Op::Variable(_) | Op::Field(_) => {
                self.eval(node, context)
            }
            Op::Fields(keys) => self.fields(context, keys),
            Op::Path(path) => self.path(path, context, false),
            Op::Arithmetic(operator, two) => self.arithmetic(*operator, two, node, context),
            Op::Compare(operator, two) => self.compare(*operator, two, node, context),
            Op::And(two) => self.and_or(two, context, BinaryOperator::And),
            Op::Or(two) => self.and_or(two, context, BinaryOperator::Or),
            Op::Concat(items) => self.concat(items, context),
            Op::Object(pairs) => self.object(pairs, context, node.range),
            Op::Condition(condition) => self.condition(condition, context),
            Op::Block(block) => self.block(block, context),
            Op::Bind(slot, value) => {
                let item = self.eval(value, context)?;
                self.store(*slot, item.clone());
                Ok(item)
            }
            Op::CallBuiltin(..) | Op::Call(_) | Op::Apply(_) => {
                let item = self.eval_raw(node, context)?;
                Ok(normalized(item))
            }
            Op::Filter(filter) => self.filter_node(filter, context, false),
            Op::Array(items) => self.array(items, context),
            _ => self.eval_rare(node, context),
        }
    }

    fn eval_rare(&mut self, node: &Node, context: &Item<'a>) -> Outcome<Item<'a>> {
        match &node.op {
            Op::Wildcard | Op::Descendant => {
                let item = self.eval_raw(node, context)?;
                Ok(normalized(item))
            }
            Op::Group(group) => self.group(group, context, node.range),
            Op::Negate(operand) => self.negate(operand, node, context),
            Op::In(two) => {
                let left = self.eval(&two.0, context)?;
                let right = self.eval(&two.1, context)?;
                Ok(Item::Bool(self.included(&left, &right)?))
            }
            Op::Range(two) => self.range(two, context),
            Op::Default(two) => {
                let left = self.eval(&two.0, context)?;
                if operators::truthy(&left) {
                    return Ok(left);
                }
                self.eval(&two.1, context)
            }
            Op::Coalesce(two) => {
                let left = self.eval(&two.0, context)?;
                match left {
                    Item::Missing => self.eval(&two.1, context),
                    Item::Null if self.mode == Mode::Checked => self.eval(&two.1, context),
                    present => Ok(present),
                }
            }
            Op::Lambda(closure) | Op::Transform(closure) => self.closure(closure, context),
            Op::Partial(partial) => self.partial(partial, node, context),
            Op::Regex(regex) => Ok(crate::eval::call::regex_item(regex)),
            Op::Eval(eval) => {
                let item = self.eval_text(eval, context, node.range)?;
                Ok(normalized(item))
            }
            Op::Keep(inner) => {
                let item = self.eval_raw(inner, context)?;
                Ok(kept(item))
            }
            Op::AsList(inner) => {
                let item = self.eval(inner, context)?;
                self.as_list(item)
            }
            _ => self.eval_tree(node, context),
        }
    }

    /// Evaluates the operations of trees of expressions.
    fn eval_tree(&mut self, node: &Node, context: &Item<'a>) -> Outcome<Item<'a>> {
        match &node.op {
            Op::Leaf(leaf, inner) => self.eval(inner, context).map_err(|mut failure| {
                if !failure.in_leaf {
                    failure.in_leaf = true;
                    failure.error.leaf = *leaf;
                }
                failure
            }),
            Op::Record(fields) => {
                let mut record = Vec::with_capacity(fields.len());
                for (key, node) in fields {
                    let item = self.eval(node, context)?;
                    if !item.is_missing() {
                        record.push((key.clone(), item));
                    }
                }
                self.record(record)
            }
            Op::List(nodes) => {
                let mut items = Vec::with_capacity(nodes.len());
                for node in nodes {
                    let item = self.eval(node, context)?;
                    if !item.is_missing() {
                        items.push(item);
                    }
                }
                self.list(items, ListKind::Plain)
            }
            _ => self.eval_deep(node, context),
        }
    }

    /// Evaluates `node`; a sequence comes out as a list, also if it has one item or none.
    pub(crate) fn eval_raw(&mut self, node: &Node, context: &Item<'a>) -> Outcome<Item<'a>> {
        match &node.op {
            Op::Path(path) => self.path(path, context, true),
            Op::Filter(filter) => self.filter_node(filter, context, true),
            Op::CallBuiltin(function, nodes) => {
                self.call_builtin(function, nodes, context, node.range)
            }
            Op::Call(call) => self.call(call, context, node.range),
            Op::Apply(two) => self.apply_node(two, context, node.range),
            Op::Wildcard => self.wildcard(context),
            Op::Descendant => self.descendants(context),
            _ => self.eval(node, context),
        }
    }

    #[inline]
    pub(crate) fn variable(&self, variable: &Variable) -> Item<'a> {
        for place in &variable.places {
            match place {
                Place::Slot(slot) => {
                    if let Some(item) = self.load(*slot) {
                        return item.clone();
                    }
                }
                Place::Binding(index) => {
                    if let Some(Some(value)) = self.bindings.get(*index as usize) {
                        return Item::of(value);
                    }
                }
                Place::Builtin(function) => return crate::eval::call::builtin_item(function),
            }
        }
        Item::Missing
    }

    pub(crate) fn condition(
        &mut self,
        node: &ConditionNode,
        context: &Item<'a>,
    ) -> Outcome<Item<'a>> {
        let condition = self.eval(&node.condition, context)?;
        match (operators::truthy(&condition), &node.otherwise) {
            (true, _) => self.eval(&node.then, context),
            (false, Some(otherwise)) => self.eval(otherwise, context),
            (false, None) => Ok(Item::Missing),
        }
    }

    pub(crate) fn block(&mut self, block: &BlockNode, context: &Item<'a>) -> Outcome<Item<'a>> {
        self.open(&block.locals)?;
        let Some((last, first)) = block.items.split_last() else {
            return Ok(Item::Missing);
        };
        for node in first {
            self.eval(node, context)?;
        }
        self.eval(last, context)
    }

    fn and_or(
        &mut self,
        two: &(Node, Node),
        context: &Item<'a>,
        operator: BinaryOperator,
    ) -> Outcome<Item<'a>> {
        let left = self.eval(&two.0, context)?;
        let decided = operator == BinaryOperator::Or;
        if operators::truthy(&left) == decided {
            return Ok(Item::Bool(decided));
        }
        let right = self.eval(&two.1, context)?;
        Ok(Item::Bool(operators::truthy(&right)))
    }

    fn compare(
        &mut self,
        operator: BinaryOperator,
        two: &(Node, Node),
        node: &Node,
        context: &Item<'a>,
    ) -> Outcome<Item<'a>> {
        let left = self.eval(&two.0, context)?;
        if let Op::Constant(constant) = &two.1.op
            && let Some(result) = compare::with_constant(operator, &left, constant)
        {
            return Ok(Item::Bool(result));
        }
        let right = self.eval(&two.1, context)?;
        match operator {
            BinaryOperator::Equal | BinaryOperator::NotEqual => {
                if left.is_missing() || right.is_missing() {
                    return Ok(Item::Bool(false));
                }
                let equal = self.deep_equal(&left, &right)?;
                Ok(Item::Bool(equal == (operator == BinaryOperator::Equal)))
            }
            _ => compare::ordered(operator, &left, &right, self.mode)
                .within(operator.as_str())
                .at(node.range),
        }
    }

    fn array(&mut self, nodes: &[ArrayItem], context: &Item<'a>) -> Outcome<Item<'a>> {
        let mut items = Vec::with_capacity(nodes.len());
        for ArrayItem { node, nested } in nodes {
            let item = self.eval(node, context)?;
            match item {
                Item::Missing => {}
                // A range alone takes no memory as long as nobody asks for its items.
                Item::Range(_) if nodes.len() == 1 => return Ok(item),
                list if !nested && list.is_list() => {
                    self.charge_items(list.count())?;
                    extend(&mut items, list);
                }
                item => items.push(item),
            }
        }
        self.list(items, ListKind::Plain)
    }

    fn as_list(&mut self, item: Item<'a>) -> Outcome<Item<'a>> {
        match item {
            Item::Missing => Ok(Item::plain(Vec::new())),
            Item::List(list) if list.kind != ListKind::Plain => {
                let items = self.own_items(Item::List(list))?;
                Ok(Item::plain(items))
            }
            list if list.is_list() => Ok(list),
            item => self.list(vec![item], ListKind::Plain),
        }
    }

    fn range(&mut self, two: &(Node, Node), context: &Item<'a>) -> Outcome<Item<'a>> {
        let left = self.eval(&two.0, context)?;
        let right = self.eval(&two.1, context)?;
        let end = |item: &Item<'a>, node: &Node, code: &'static str, side: &str| match item {
            Item::Missing => Ok(None),
            Item::Int(int) => Ok(Some(*int)),
            other => match other.as_f64() {
                Some(float) if float.fract() == 0.0 && float.abs() < 9e15 => Ok(Some(float as i64)),
                _ => {
                    let message =
                        format!("the {side} side of `..` is {}, no integer", other.word());
                    Err(failure(code, message).at(node.range))
                }
            },
        };
        let first = end(&left, &two.0, "T2003", "left")?;
        let last = end(&right, &two.1, "T2004", "right")?;
        let (Some(first), Some(last)) = (first, last) else {
            return Ok(Item::Missing);
        };
        if first > last {
            return Ok(Item::Missing);
        }
        let count = i128::from(last) - i128::from(first) + 1;
        if count > RANGE_MAX {
            let message = format!("the range has {count} items, more than {RANGE_MAX}");
            return Err(failure("D2014", message).at(two.0.range.to(two.1.range)));
        }
        Ok(Item::range(first, last))
    }
}

/// The most items that `..` may give, as in the reference.
const RANGE_MAX: i128 = 10_000_000;

fn field_of<'a>(record: &'a Record<'a>, name: Name) -> Item<'a> {
    match record.get(name) {
        Some(value) => Item::of(value),
        None => Item::Missing,
    }
}

/// Returns the context as `$` gives it: not the wrapper of an input that is a list.
#[inline]
pub(crate) fn unwrapped<'a>(context: &Item<'a>) -> Item<'a> {
    match context {
        Item::List(list) if list.kind == ListKind::Wrapper => list.items[0].clone(),
        other => other.clone(),
    }
}

/// Returns the item as the context of an expression: a list is one item, not many.
pub(crate) fn wrapped(item: Item<'_>) -> Item<'_> {
    if item.is_list() && !item.list_kind().is_sequence() {
        Item::list(vec![item], ListKind::Wrapper)
    } else {
        item
    }
}

/// Adds the items of a list, or the one item.
pub(crate) fn extend<'a>(items: &mut Vec<Item<'a>>, list: Item<'a>) {
    match list {
        Item::List(list) => match Rc::try_unwrap(list) {
            Ok(list) => items.extend(list.items),
            Err(list) => items.extend(list.items.iter().cloned()),
        },
        Item::InList(values) => items.extend(values.iter().map(Item::of)),
        Item::Range(ends) => items.extend((ends.0..=ends.1).map(Item::Int)),
        item => items.push(item),
    }
}

/// Returns a sequence's value: nothing for none, the one item, or the list.
#[inline]
pub(crate) fn normalized(item: Item<'_>) -> Item<'_> {
    match &item {
        Item::List(list) if list.kind == ListKind::Sequence && list.items.len() < 2 => {
            list.items.first().cloned().unwrap_or_default()
        }
        Item::List(list) if list.kind == ListKind::Kept && list.items.is_empty() => Item::Missing,
        _ => item,
    }
}

/// Returns a sequence as one that stays a list.
fn kept(item: Item<'_>) -> Item<'_> {
    match item {
        Item::List(list) if list.kind.is_sequence() => {
            if list.items.is_empty() {
                return Item::Missing;
            }
            let items = match Rc::try_unwrap(list) {
                Ok(list) => list.items,
                Err(list) => list.items.clone(),
            };
            Item::list(items, ListKind::Kept)
        }
        other => other,
    }
}
