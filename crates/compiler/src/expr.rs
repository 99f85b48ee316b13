//! Compiled expressions and texts, and what they see when they are evaluated.

use std::sync::Arc;

use sluice_mapping::ast::TextRange;
use sluice_mapping::eval::{Host, Limits, Mode};
use sluice_mapping::program::{ExprTree, LeafRange, Options, Program};
use sluice_model::fault::{Blame, Fault, FaultCode, Retry};
use sluice_model::span::Span;
use sluice_model::time::Timestamp;
use sluice_model::value::Value;
use sluice_sdk::cx::Cx;

/// What an expression sees beside the payload. References only: made anew for each evaluation.
#[derive(Clone, Copy, Default)]
pub struct Scope<'s> {
    /// `$`: the payload; `None` where there is none.
    pub payload: Option<&'s Value<'static>>,
    /// `$params`.
    pub params: Option<&'s Value<'static>>,
    /// `$meta`.
    pub meta: Option<&'s Value<'static>>,
    /// `$steps`: a record with one field for each result.
    pub steps: Option<&'s Value<'static>>,
    /// `$config`.
    pub config: Option<&'s Value<'static>>,
    /// `$run`.
    pub run: Option<&'s Value<'static>>,
    /// `$fault`, in handlers.
    pub fault: Option<&'s Value<'static>>,
    /// What `let` has bound, by slot; `None` where nothing is bound.
    pub variables: &'s [Option<Value<'static>>],
}

/// A compiled text with holes.
pub struct CompiledTemplate {
    /// Its pieces in order.
    pub parts: Vec<TemplatePart>,
}

/// A piece of a text with holes.
pub enum TemplatePart {
    /// Stands as it is.
    Text(Arc<str>),
    /// Is filled with the value of an expression.
    Hole(CompiledExpr),
}

/// An expression before it is compiled: one text, or a map or list whose leaves are.
#[derive(Debug, Clone)]
pub enum Source {
    /// One expression.
    Leaf {
        /// Its text.
        text: Arc<str>,
        /// The parts of it that are lists by their type.
        lists: Vec<TextRange>,
    },
    /// A record with these fields; one whose expression gives nothing is left out.
    Map(Vec<(Arc<str>, Source)>),
    /// A list of these items.
    List(Vec<Source>),
}

/// A compiled expression.
pub struct CompiledExpr {
    /// Where it is declared.
    pub span: Span,
    program: Option<Program>,
    /// What each binding of the program is, in their order.
    bound: Vec<Bound>,
    uses: Uses,
}

/// What a binding of a program is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    Params,
    Meta,
    Steps,
    Config,
    Run,
    Fault,
    Variable(u16),
}

/// Which names an expression uses whose values have to be made for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Uses {
    /// `$params`.
    pub params: bool,
    /// `$meta`.
    pub meta: bool,
    /// `$run`.
    pub run: bool,
}

/// The names that expressions have everywhere, in the order of their bindings.
const NAMES: [(&str, Bound); 6] = [
    ("params", Bound::Params),
    ("meta", Bound::Meta),
    ("steps", Bound::Steps),
    ("config", Bound::Config),
    ("run", Bound::Run),
    ("fault", Bound::Fault),
];

impl CompiledExpr {
    /// Compiles an expression in checked mode; `slots` are the variables in scope.
    pub(crate) fn compile(source: &Source, slots: &[(Arc<str>, u16)], span: Span) -> Self {
        Self::compile_as(source, slots, span, Mode::Checked)
    }

    /// Compiles an expression with the reference's semantics.
    pub(crate) fn compile_dynamic(text: &Arc<str>, slots: &[(Arc<str>, u16)], span: Span) -> Self {
        let source = Source::Leaf {
            text: Arc::clone(text),
            lists: Vec::new(),
        };
        Self::compile_as(&source, slots, span, Mode::Dynamic)
    }

    fn compile_as(source: &Source, slots: &[(Arc<str>, u16)], span: Span, mode: Mode) -> Self {
        let mut lists = Vec::new();
        let mut texts = Vec::new();
        let tree = tree_of(source, &mut lists, &mut texts);
        // Only names that stand in the text are bound: an evaluation pays for what it uses.
        let is_used = |name: &str| {
            let needle = format!("${name}");
            texts.iter().any(|text| text.contains(&needle))
        };
        let mut names: Vec<Arc<str>> = Vec::new();
        let mut bound = Vec::new();
        for (name, own) in NAMES {
            if is_used(name) {
                names.push(name.into());
                bound.push(own);
            }
        }
        for (name, slot) in slots {
            if is_used(name) {
                names.push(Arc::clone(name));
                bound.push(Bound::Variable(*slot));
            }
        }
        let uses = Uses {
            params: bound.contains(&Bound::Params),
            meta: bound.contains(&Bound::Meta),
            run: bound.contains(&Bound::Run),
        };
        let options = Options {
            mode,
            bindings: names,
            lists,
        };
        // What cannot be compiled is told as a finding before; then there is no release.
        let program = Program::compile_tree(&tree, &options).ok();
        Self {
            span,
            program,
            bound,
            uses,
        }
    }

    /// Returns the expression that gives nothing, in the place of one that is broken.
    pub(crate) fn nothing(span: Span) -> Self {
        Self {
            span,
            program: None,
            bound: Vec::new(),
            uses: Uses::default(),
        }
    }

    /// Returns which names it uses whose values have to be made for it.
    pub fn uses(&self) -> Uses {
        self.uses
    }

    /// Evaluates it; `None` if the result is missing. Time and chance come from `cx`.
    ///
    /// # Errors
    /// A `mapping` fault.
    pub fn evaluate(&self, scope: &Scope<'_>, cx: &Cx) -> Result<Option<Value<'static>>, Fault> {
        let Some(program) = &self.program else {
            return Err(Fault::internal(
                "an expression of the flow was not compiled",
            ));
        };
        let mut bindings: [Option<&Value<'_>>; BINDINGS_INLINE] = [None; BINDINGS_INLINE];
        let host = CxHost(cx);
        let limits = Limits::default();
        let result = if self.bound.len() <= BINDINGS_INLINE {
            for (slot, bound) in bindings.iter_mut().zip(&self.bound) {
                *slot = value_of(*bound, scope);
            }
            program.evaluate(scope.payload, &bindings[..self.bound.len()], &host, &limits)
        } else {
            let bindings: Vec<_> = self.bound.iter().map(|own| value_of(*own, scope)).collect();
            program.evaluate(scope.payload, &bindings, &host, &limits)
        };
        match result {
            Ok(value) => Ok(value.map(Value::into_owned)),
            Err(error) => Err(Fault::new(
                FaultCode::MAPPING,
                Retry::Never,
                Blame::Config,
                error.message.clone(),
            )
            .with_context("code", error.code)),
        }
    }
}

/// How many bindings are passed without a list on the heap.
const BINDINGS_INLINE: usize = 8;

fn value_of<'s>(bound: Bound, scope: &Scope<'s>) -> Option<&'s Value<'static>> {
    match bound {
        Bound::Params => scope.params,
        Bound::Meta => scope.meta,
        Bound::Steps => scope.steps,
        Bound::Config => scope.config,
        Bound::Run => scope.run,
        Bound::Fault => scope.fault,
        Bound::Variable(slot) => scope.variables.get(usize::from(slot))?.as_ref(),
    }
}

/// Returns the evaluator's tree, and adds the places of lists and the leaves' texts.
fn tree_of<'s>(source: &'s Source, all: &mut Vec<LeafRange>, texts: &mut Vec<&'s str>) -> ExprTree {
    match source {
        Source::Leaf { text, lists } => {
            let leaf = texts.len() as u32;
            all.extend(lists.iter().map(|range| LeafRange {
                leaf,
                range: *range,
            }));
            texts.push(text);
            ExprTree::Leaf {
                source: text.to_string(),
            }
        }
        Source::Map(fields) => ExprTree::Map(
            fields
                .iter()
                .map(|(key, source)| (key.to_string(), tree_of(source, all, texts)))
                .collect(),
        ),
        Source::List(items) => ExprTree::List(
            items
                .iter()
                .map(|source| tree_of(source, all, texts))
                .collect(),
        ),
    }
}

/// Time and chance of an evaluation.
struct CxHost<'c>(&'c Cx);

impl Host for CxHost<'_> {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn random(&self) -> f64 {
        (self.0.random() >> 11) as f64 / (1u64 << 53) as f64
    }
}

impl CompiledTemplate {
    /// Returns a text without holes.
    pub(crate) fn literal(text: &str) -> Self {
        Self {
            parts: vec![TemplatePart::Text(text.into())],
        }
    }
}
