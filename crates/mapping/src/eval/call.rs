//! Calls of functions: built-in ones, lambdas, partial ones, and tail calls.

use std::sync::Arc;

use regex::Regex;

use crate::ast::TextRange;
use crate::eval::failure::{Explain, Failure, Outcome, failure};
use crate::eval::function::{Arguments, FunctionItem, FunctionKind, LambdaItem};
use crate::eval::item::Item;
use crate::eval::machine::{Machine, bounded};
use crate::eval::output::shown;
use crate::functions::Function;
use crate::ir::{Body, CallNode, Closure, EvalNode, Node, Op, PartialNode};
use crate::signature::{Kinds, Signature};

/// What the body of a function came to.
enum Tail<'a> {
    Done(Item<'a>),
    /// Its last operation is this call, which needs its frame no more.
    Call(Item<'a>, Arguments<'a>),
}

pub(crate) fn builtin_item<'a>(function: &'static Function) -> Item<'a> {
    FunctionItem::item(FunctionKind::Builtin(function))
}

pub(crate) fn regex_item<'a>(regex: &Arc<Regex>) -> Item<'a> {
    FunctionItem::item(FunctionKind::Regex(regex.clone()))
}

impl<'a> Machine<'_, 'a> {
    /// Calls a built-in function.
    pub(crate) fn call_builtin(
        &mut self,
        function: &'static Function,
        nodes: &[Node],
        context: &Item<'a>,
        range: TextRange,
    ) -> Outcome<Item<'a>> {
        let mut arguments = Arguments::new();
        for node in nodes {
            let item = self.eval(node, context)?;
            arguments.push(item);
        }
        self.run_builtin(function, arguments, context)
            .map_err(|failure| failure.at(range).within(function.name))
    }

    fn run_builtin(
        &mut self,
        function: &'static Function,
        mut arguments: Arguments<'a>,
        context: &Item<'a>,
    ) -> Outcome<Item<'a>> {
        admit(function.parsed(), &mut arguments, context)
            .map_err(|failure| named(failure, function.name))?;
        (function.run)(self, arguments)
    }

    pub(crate) fn call(
        &mut self,
        call: &CallNode,
        context: &Item<'a>,
        range: TextRange,
    ) -> Outcome<Item<'a>> {
        let function = self.eval(&call.function, context)?;
        self.check_callable(&function, call, range)?;
        let mut arguments = Arguments::new();
        for node in &call.arguments {
            let item = self.eval(node, context)?;
            arguments.push(item);
        }
        self.apply(&function, arguments, context)
            .map_err(|failure| named(failure.at(range), &call.name))
    }

    fn check_callable(
        &self,
        function: &Item<'a>,
        call: &CallNode,
        range: TextRange,
    ) -> Outcome<()> {
        if function.is_function() {
            return Ok(());
        }
        if function.is_missing() && call.forgot_dollar {
            let message = format!("`{0}` is no function: did you mean `${0}`?", call.name);
            return Err(failure("T1005", message).at(range).within(&call.name));
        }
        let message = match (&*call.name, function) {
            ("", other) => format!("{} cannot be called: it is no function", other.word()),
            (name, Item::Missing) => format!("there is no function `${name}`"),
            (name, other) => format!("`{name}` is {}, no function", other.word()),
        };
        Err(failure("T1006", message)
            .with_value(shown(function))
            .at(range)
            .within(&call.name))
    }

    /// Calls `left ~> right`.
    pub(crate) fn apply_node(
        &mut self,
        two: &(Node, Node),
        context: &Item<'a>,
        range: TextRange,
    ) -> Outcome<Item<'a>> {
        let left = self.eval(&two.0, context)?;
        match &two.1.op {
            Op::CallBuiltin(function, nodes) => {
                let mut arguments = Arguments::one(left);
                for node in nodes {
                    let item = self.eval(node, context)?;
                    arguments.push(item);
                }
                return self
                    .run_builtin(function, arguments, context)
                    .map_err(|failure| failure.at(two.1.range).within(function.name));
            }
            Op::Call(call) => {
                let function = self.eval(&call.function, context)?;
                self.check_callable(&function, call, two.1.range)?;
                let mut arguments = Arguments::one(left);
                for node in &call.arguments {
                    let item = self.eval(node, context)?;
                    arguments.push(item);
                }
                return self
                    .apply(&function, arguments, context)
                    .map_err(|failure| named(failure.at(two.1.range), &call.name));
            }
            Op::Eval(eval) => return self.eval_piped(left, eval, context, two.1.range),
            _ => {}
        }
        let right = self.eval(&two.1, context)?;
        if !right.is_function() {
            let message = format!(
                "the right side of `~>` must be a function, but is {}",
                right.word()
            );
            return Err(failure("T2006", message)
                .with_value(shown(&right))
                .within("~>")
                .at(range));
        }
        if left.is_function() {
            return bounded(FunctionItem::item(FunctionKind::Composed(left, right)));
        }
        self.apply(&right, Arguments::one(left), context).at(range)
    }

    /// Calls a function with arguments that are evaluated already.
    pub(crate) fn apply(
        &mut self,
        function: &Item<'a>,
        arguments: Arguments<'a>,
        context: &Item<'a>,
    ) -> Outcome<Item<'a>> {
        self.enter()?;
        let mut tail = self.apply_once(function, arguments, context)?;
        loop {
            match tail {
                Tail::Done(item) => {
                    self.leave();
                    return Ok(item);
                }
                Tail::Call(function, arguments) => {
                    self.spend(1)?;
                    tail = self.apply_once(&function, arguments, context)?;
                }
            }
        }
    }

    fn apply_once(
        &mut self,
        function: &Item<'a>,
        arguments: Arguments<'a>,
        context: &Item<'a>,
    ) -> Outcome<Tail<'a>> {
        let Item::Function(item) = function else {
            let message = format!("{} cannot be called: it is no function", function.word());
            return Err(failure("T1006", message).with_value(shown(function)));
        };
        match &item.kind {
            FunctionKind::Lambda(lambda) => self.call_lambda(lambda, arguments, context),
            FunctionKind::Builtin(function) => {
                let item = self.run_builtin(function, arguments, context)?;
                Ok(Tail::Done(item))
            }
            FunctionKind::Partial(function, given) => {
                Ok(Tail::Call(function.clone(), filled(given, arguments)))
            }
            FunctionKind::Composed(first, second) => {
                let item = self.apply(first, arguments, context)?;
                let item = crate::eval::run::normalized(item);
                Ok(Tail::Call(second.clone(), Arguments::one(item)))
            }
            FunctionKind::Regex(regex) => {
                let item = self.regex_match(regex, arguments.get(0), 0)?;
                Ok(Tail::Done(item))
            }
            FunctionKind::NextMatch { regex, text, at } => {
                let item = self.next_match(regex, text, *at)?;
                Ok(Tail::Done(item))
            }
        }
    }

    fn call_lambda(
        &mut self,
        lambda: &LambdaItem<'a>,
        mut arguments: Arguments<'a>,
        context: &Item<'a>,
    ) -> Outcome<Tail<'a>> {
        let code = &lambda.code;
        if let Some(signature) = &code.signature {
            admit(signature, &mut arguments, context)?;
        }
        let (base, floor) = (self.base, self.slots.len());
        self.charge_items(code.slots as usize / 8)?;
        self.slots.resize(floor + code.slots as usize, None);
        self.base = floor;
        for index in 0..code.parameters as usize {
            self.slots[floor + index] = Some(arguments.take(index));
        }
        for (slot, item) in &lambda.captures {
            self.slots[floor + *slot as usize].clone_from(item);
        }
        for cell in &code.parameter_cells {
            let item = self.slots[floor + *cell as usize].take();
            self.new_cell(*cell, item)?;
        }
        self.open(&code.locals)?;
        let tail = match &code.body {
            Body::Expression(node) => self.eval_tail(node, &lambda.context),
            Body::Transform { .. } => {
                let argument = self.slots[floor].take().unwrap_or_default();
                self.transform(lambda, argument).map(Tail::Done)
            }
        };
        self.slots.truncate(floor);
        self.base = base;
        tail
    }

    /// Evaluates the body of a function up to its last call.
    fn eval_tail(&mut self, node: &Node, context: &Item<'a>) -> Outcome<Tail<'a>> {
        match &node.op {
            Op::Condition(condition) => {
                let test = self.eval(&condition.condition, context)?;
                match (crate::eval::operators::truthy(&test), &condition.otherwise) {
                    (true, _) => self.eval_tail(&condition.then, context),
                    (false, Some(otherwise)) => self.eval_tail(otherwise, context),
                    (false, None) => Ok(Tail::Done(Item::Missing)),
                }
            }
            Op::Block(block) => {
                self.open(&block.locals)?;
                let Some((last, first)) = block.items.split_last() else {
                    return Ok(Tail::Done(Item::Missing));
                };
                for node in first {
                    self.eval(node, context)?;
                }
                self.eval_tail(last, context)
            }
            Op::Call(call) => {
                let function = self.eval(&call.function, context)?;
                self.check_callable(&function, call, node.range)?;
                let mut arguments = Arguments::new();
                for node in &call.arguments {
                    let item = self.eval(node, context)?;
                    arguments.push(item);
                }
                Ok(Tail::Call(function, arguments))
            }
            // The reference makes a value of a sequence where an operation ends, which a call in
            // this place does not.
            Op::CallBuiltin(..) => Ok(Tail::Done(self.eval_raw(node, context)?)),
            _ => Ok(Tail::Done(self.eval(node, context)?)),
        }
    }

    /// Returns the function that a definition evaluates to.
    pub(crate) fn closure(&mut self, closure: &Closure, context: &Item<'a>) -> Outcome<Item<'a>> {
        let captures: Box<[(u32, Option<Item<'a>>)]> = closure
            .captures
            .iter()
            .map(|(outer, inner)| {
                let item = self.slots.get(self.base + *outer as usize);
                (*inner, item.cloned().flatten())
            })
            .collect();
        self.charge_items(captures.len() + 2)?;
        bounded(FunctionItem::item(FunctionKind::Lambda(LambdaItem {
            code: closure.code.clone(),
            captures,
            context: context.clone(),
        })))
    }

    /// Evaluates a call that leaves arguments open.
    pub(crate) fn partial(
        &mut self,
        partial: &PartialNode,
        node: &Node,
        context: &Item<'a>,
    ) -> Outcome<Item<'a>> {
        let mut given = Vec::with_capacity(partial.arguments.len());
        for argument in &partial.arguments {
            given.push(match argument {
                Some(node) => Some(self.eval(node, context)?),
                None => None,
            });
        }
        let function = self.eval(&partial.function, context)?;
        if function.is_function() {
            self.charge_items(given.len() + 2)?;
            return bounded(FunctionItem::item(FunctionKind::Partial(function, given)));
        }
        let name = &partial.name;
        let (code, message) = if function.is_missing() && partial.forgot_dollar {
            let message = format!("`{name}` is no function: did you mean `${name}`?");
            ("T1007", message)
        } else {
            let message = format!("{} cannot be applied: it is no function", function.word());
            ("T1008", message)
        };
        Err(failure(code, message).at(node.range).within(name))
    }

    /// Calls `$eval(text, context)`.
    pub(crate) fn eval_text(
        &mut self,
        eval: &EvalNode,
        context: &Item<'a>,
        range: TextRange,
    ) -> Outcome<Item<'a>> {
        let mut arguments = Arguments::new();
        for node in &eval.arguments {
            let item = self.eval(node, context)?;
            arguments.push(item);
        }
        self.eval_arguments(eval, arguments, context, range)
    }

    fn eval_piped(
        &mut self,
        left: Item<'a>,
        eval: &EvalNode,
        context: &Item<'a>,
        range: TextRange,
    ) -> Outcome<Item<'a>> {
        let mut arguments = Arguments::one(left);
        for node in &eval.arguments {
            let item = self.eval(node, context)?;
            arguments.push(item);
        }
        self.eval_arguments(eval, arguments, context, range)
    }

    fn eval_arguments(
        &mut self,
        eval: &EvalNode,
        mut arguments: Arguments<'a>,
        context: &Item<'a>,
        range: TextRange,
    ) -> Outcome<Item<'a>> {
        let function = crate::functions::eval_function();
        admit(function.parsed(), &mut arguments, context)
            .map_err(|failure| named(failure, "eval"))
            .at(range)?;
        let scope = eval
            .scope
            .iter()
            .map(|(name, variable)| (name.clone(), self.variable(variable)))
            .collect();
        let context = match arguments.get(1) {
            Item::Missing => context.clone(),
            given => crate::eval::run::wrapped(given.clone()),
        };
        self.eval_source(arguments.get(0), &context, scope)
            .at(range)
            .within("eval")
    }

    /// Compiles and evaluates a text with the variables of `scope`.
    pub(crate) fn eval_source(
        &mut self,
        source: &Item<'a>,
        context: &Item<'a>,
        scope: Vec<(Arc<str>, Item<'a>)>,
    ) -> Outcome<Item<'a>> {
        let Some(source) = source.as_str() else {
            return Ok(Item::Missing);
        };
        // Compiling costs time and memory in proportion to the text.
        self.spend(source.len() as u64)?;
        self.charge(source.len() as u64 * 32)?;
        let names: Vec<Arc<str>> = scope.iter().map(|(name, _)| name.clone()).collect();
        let code = crate::program::compile_text(source, &names).map_err(|error| {
            failure(
                "D3120",
                format!("the text given to `$eval` has an error: {}", error.message),
            )
        })?;
        let lambda = LambdaItem {
            code: Arc::new(code),
            captures: Box::default(),
            context: context.clone(),
        };
        let mut arguments = Arguments::new();
        for (_, item) in scope {
            arguments.push(item);
        }
        let function = FunctionItem::item(FunctionKind::Lambda(lambda));
        // It takes more of the stack than other calls do.
        self.enter()?;
        let result = self.apply(&function, arguments, context);
        self.leave();
        result.map_err(|inner| {
            // The limits are those of the whole evaluation, not of the text.
            if matches!(inner.error.code, "D1011" | "D1012" | "D2015") {
                return inner;
            }
            let message = format!(
                "evaluating the text given to `$eval`: {}",
                inner.error.message
            );
            failure("D3121", message)
        })
    }
}

/// Says which function failed, in errors about its arguments.
fn named(mut failure: Failure, name: &str) -> Failure {
    if failure.error.token.is_none() && failure.error.code.starts_with("T04") {
        failure.error.message = failure
            .error
            .message
            .replace("{function}", &format!("`${name}`"));
    }
    failure.within(name)
}

/// Returns the arguments of a partial function, the open ones filled in.
fn filled<'a>(given: &[Option<Item<'a>>], mut arguments: Arguments<'a>) -> Arguments<'a> {
    let mut all = Arguments::new();
    let mut next = 0;
    for argument in given {
        match argument {
            Some(item) => all.push(item.clone()),
            None => {
                all.push(arguments.take(next));
                next += 1;
            }
        }
    }
    all
}

/// Checks arguments against a signature: the context stands in for a missing one where the
/// signature says so, and a value becomes a list of one item where it wants a list.
#[inline]
pub(crate) fn admit<'a>(
    signature: &Signature,
    arguments: &mut Arguments<'a>,
    context: &Item<'a>,
) -> Outcome<()> {
    let fits = signature.plain
        && arguments.len() == signature.parameters.len()
        && arguments
            .as_slice()
            .iter()
            .zip(&signature.parameters)
            .all(|(item, parameter)| parameter.kinds.contain(item.kinds()));
    if !fits {
        return admit_some(signature, arguments, context);
    }
    for (index, parameter) in signature.parameters.iter().enumerate() {
        if parameter.list {
            let item = arguments.take(index);
            arguments.as_mut_slice()[index] = as_list(item, parameter.items, index)?;
        }
    }
    Ok(())
}

fn admit_some<'a>(
    signature: &Signature,
    arguments: &mut Arguments<'a>,
    context: &Item<'a>,
) -> Outcome<()> {
    let kinds: Vec<Kinds> = arguments.as_slice().iter().map(Item::kinds).collect();
    let Some(counts) = signature.distribute(&kinds) else {
        let index = signature.first_misfit(&kinds);
        let item = arguments.get(index);
        let message = format!(
            "argument {} of {{function}} is {}, which does not fit its signature `{}`",
            index + 1,
            item.word(),
            signature.text
        );
        return Err(failure("T0410", message).with_value(shown(item)));
    };
    let mut admitted = Arguments::new();
    let mut next = 0;
    for (parameter, count) in signature.parameters.iter().zip(counts) {
        if count == 0 {
            if !parameter.context {
                admitted.push(arguments.take(next));
                next += 1;
                continue;
            }
            if !parameter.kinds.contain(context.kinds()) {
                let message = format!(
                    "the context is {}, which cannot stand in for argument {} of {{function}}",
                    context.word(),
                    next + 1
                );
                return Err(failure("T0411", message).with_value(shown(context)));
            }
            admitted.push(context.clone());
            continue;
        }
        for _ in 0..count {
            let mut item = arguments.take(next);
            if parameter.list {
                item = as_list(item, parameter.items, next)?;
            }
            admitted.push(item);
            next += 1;
        }
    }
    *arguments = admitted;
    Ok(())
}

/// Returns the argument as a list whose items are of one kind.
fn as_list<'a>(
    item: Item<'a>,
    items: Option<(Kinds, &'static str)>,
    index: usize,
) -> Outcome<Item<'a>> {
    if item.is_missing() {
        return Ok(item);
    }
    if let Some((kinds, word)) = items {
        let fits = match &item {
            Item::Range(_) => kinds.contain(Kinds::NUMBER),
            Item::List(list) => list.items.iter().all(|item| kinds.contain(item.kinds())),
            list if list.is_list() => list.items().all(|item| kinds.contain(item.kinds())),
            single => kinds.contain(single.kinds()),
        };
        if !fits {
            let message = format!(
                "argument {} of {{function}} must be a list of {word}",
                index + 1
            );
            return Err(failure("T0412", message).with_value(shown(&item)));
        }
    }
    Ok(if item.is_list() {
        item
    } else {
        Item::plain(vec![item])
    })
}
