//! Functions as values, and the arguments that they are called with.

use std::rc::Rc;
use std::sync::Arc;

use regex::Regex;
use sluice_model::value::Text;

use crate::eval::item::Item;
use crate::functions::Function;
use crate::ir::Code;

/// A function as a value.
pub(crate) struct FunctionItem<'a> {
    pub(crate) kind: FunctionKind<'a>,
    /// Levels of constructed values in it, itself included.
    pub(crate) height: u16,
}

/// The kinds of functions.
pub(crate) enum FunctionKind<'a> {
    /// One of the library.
    Builtin(&'static Function),
    /// One that the expression defines.
    Lambda(LambdaItem<'a>),
    /// One of which some arguments are given; `None` where an argument is still open.
    Partial(Item<'a>, Vec<Option<Item<'a>>>),
    /// The second applied to the result of the first.
    Composed(Item<'a>, Item<'a>),
    /// A regular expression: called with a text it gives the first match.
    Regex(Arc<Regex>),
    /// The `next` of a match: gives the match after it.
    NextMatch {
        regex: Arc<Regex>,
        text: Text<'a>,
        /// Offset in bytes of where to go on.
        at: usize,
    },
}

/// A function that the expression defines, with what it took along.
pub(crate) struct LambdaItem<'a> {
    pub(crate) code: Arc<Code>,
    /// Slot of its own frame, and what lay in the frame around.
    pub(crate) captures: Box<[(u32, Option<Item<'a>>)]>,
    /// The context in which it was defined.
    pub(crate) context: Item<'a>,
}

impl<'a> FunctionItem<'a> {
    /// Returns the function as an item.
    pub(crate) fn item(kind: FunctionKind<'a>) -> Item<'a> {
        let inner = match &kind {
            FunctionKind::Builtin(_) | FunctionKind::Regex(_) | FunctionKind::NextMatch { .. } => 0,
            FunctionKind::Lambda(lambda) => {
                let captures = lambda.captures.iter().filter_map(|(_, item)| item.as_ref());
                let inner = captures.map(Item::height).max().unwrap_or(0);
                inner.max(lambda.context.height())
            }
            FunctionKind::Partial(function, arguments) => {
                let inner = arguments.iter().flatten().map(Item::height).max();
                inner.unwrap_or(0).max(function.height())
            }
            FunctionKind::Composed(first, second) => first.height().max(second.height()),
        };
        let height = inner + 1;
        Item::Function(Rc::new(FunctionItem { kind, height }))
    }

    /// Returns the number of arguments that it takes, as higher-order functions ask for it.
    pub(crate) fn arity(&self) -> usize {
        match &self.kind {
            FunctionKind::Builtin(function) => usize::from(function.arity),
            FunctionKind::Lambda(lambda) => lambda.code.parameters as usize,
            FunctionKind::Partial(_, arguments) => arguments
                .iter()
                .filter(|argument| argument.is_none())
                .count(),
            FunctionKind::Composed(..) => 1,
            FunctionKind::Regex(_) => 2,
            FunctionKind::NextMatch { .. } => 0,
        }
    }
}

/// The arguments of one call. Up to four lie on the stack, which is all but a few.
#[derive(Default)]
pub(crate) struct Arguments<'a> {
    few: [Item<'a>; 4],
    many: Vec<Item<'a>>,
    len: usize,
}

impl<'a> Arguments<'a> {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn one(item: Item<'a>) -> Self {
        let mut arguments = Self::default();
        arguments.push(item);
        arguments
    }

    #[inline]
    pub(crate) fn push(&mut self, item: Item<'a>) {
        if self.len < 4 {
            self.few[self.len] = item;
        } else {
            if self.len == 4 {
                self.many.extend(self.few.iter_mut().map(std::mem::take));
            }
            self.many.push(item);
        }
        self.len += 1;
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn as_slice(&self) -> &[Item<'a>] {
        if self.len <= 4 {
            &self.few[..self.len]
        } else {
            &self.many
        }
    }

    #[inline]
    pub(crate) fn as_mut_slice(&mut self) -> &mut [Item<'a>] {
        if self.len <= 4 {
            &mut self.few[..self.len]
        } else {
            &mut self.many
        }
    }

    /// Returns the argument at `index`; missing if there is none.
    #[inline]
    pub(crate) fn get(&self, index: usize) -> &Item<'a> {
        const MISSING: &Item<'static> = &Item::Missing;
        self.as_slice().get(index).unwrap_or(MISSING)
    }

    /// Takes the argument at `index`; missing if there is none.
    #[inline]
    pub(crate) fn take(&mut self, index: usize) -> Item<'a> {
        self.as_mut_slice()
            .get_mut(index)
            .map(std::mem::take)
            .unwrap_or_default()
    }
}
