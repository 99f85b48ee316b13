//! Compiled expressions: what the engine keeps and evaluates for each message.

use std::collections::HashSet;
use std::sync::Arc;

use sluice_model::projection::Projection;
use sluice_model::value::Value;

use crate::ast::{Expr, TextRange};
use crate::eval::failure::EvalError;
use crate::eval::item::Item;
use crate::eval::{Host, Limits, Machine, Mode, run};
use crate::ir::{Body, Code};
use crate::lower::{LeafError, Piece, Settings, Tree, lower};
use crate::parse::{SyntaxError, parse};
use crate::projection;

/// How an expression is compiled.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Which semantics it has.
    pub mode: Mode,
    /// The names of the bindings that an evaluation is given, without `$`, in their order.
    pub bindings: Vec<Arc<str>>,
    /// The places of expressions that are lists by their type: their result is a list also where it
    /// has one item or none. For checked mode; a type checker finds them.
    pub lists: Vec<LeafRange>,
}

/// A place in one leaf of a tree of expressions; a single expression is leaf 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LeafRange {
    /// Number of the leaf, counted in the order of the tree.
    pub leaf: u32,
    /// Range of bytes in the leaf's own text.
    pub range: TextRange,
}

/// An expression, or records and lists of expressions: what YAML's maps and lists of expressions
/// are read to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExprTree {
    /// An expression's text.
    Leaf {
        /// The text.
        source: String,
    },
    /// A record; a field whose value is missing is left out.
    Map(Vec<(String, ExprTree)>),
    /// A list; an item that is missing is left out.
    List(Vec<ExprTree>),
}

/// A syntax error, and the leaf in which it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeafSyntaxError {
    /// Number of the leaf, counted in the order of the tree.
    pub leaf: u32,
    /// What is wrong; its range is in the leaf's own text.
    pub error: SyntaxError,
}

/// A compiled expression or tree of expressions. Cheap to clone, and shared between threads.
#[derive(Debug, Clone)]
pub struct Program {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    code: Arc<Code>,
    mode: Mode,
    bindings: usize,
    projection: Projection,
}

impl Program {
    /// Compiles an expression.
    ///
    /// # Errors
    /// All syntax errors that were found.
    pub fn compile(source: &str, options: &Options) -> Result<Program, Vec<SyntaxError>> {
        let tree = Tree::Leaf(parsed(source)?);
        Self::of(&tree, options).map_err(|errors| errors.into_iter().map(|(_, e)| e).collect())
    }

    /// Compiles an expression that is parsed already, as a type checker has it.
    ///
    /// # Errors
    /// Regular expressions that cannot be used.
    pub fn compile_expr(expr: Expr, options: &Options) -> Result<Program, Vec<SyntaxError>> {
        let tree = Tree::Leaf(expr);
        Self::of(&tree, options).map_err(|errors| errors.into_iter().map(|(_, e)| e).collect())
    }

    /// Compiles a tree of expressions to one program.
    ///
    /// # Errors
    /// All syntax errors of all leaves.
    pub fn compile_tree(
        tree: &ExprTree,
        options: &Options,
    ) -> Result<Program, Vec<LeafSyntaxError>> {
        let (mut leaves, mut errors) = (0, Vec::new());
        let tree = parse_tree(tree, &mut leaves, &mut errors);
        match tree {
            Some(tree) if errors.is_empty() => Self::of(&tree, options).map_err(leaf_errors),
            _ => Err(leaf_errors(errors)),
        }
    }

    fn of(tree: &Tree, options: &Options) -> Result<Program, Vec<LeafError>> {
        let lists: HashSet<(u32, TextRange)> = options
            .lists
            .iter()
            .map(|place| (place.leaf, place.range))
            .collect();
        let settings = Settings {
            bindings: &options.bindings,
            lists: &lists,
            intern: true,
            parameters: &[],
        };
        let code = lower(tree, &settings)?;
        Ok(Program {
            inner: Arc::new(Inner {
                code: Arc::new(code),
                mode: options.mode,
                bindings: options.bindings.len(),
                projection: projection::of_tree(tree),
            }),
        })
    }

    /// Returns which parts of the input the program reads. What it leaves out may be left out of
    /// the input without a change of any result.
    pub fn projection(&self) -> &Projection {
        &self.inner.projection
    }

    /// Returns the number of bindings that an evaluation is given.
    pub fn binding_count(&self) -> usize {
        self.inner.bindings
    }

    /// Evaluates the program. `bindings` are the values of the names of [`Options::bindings`], in
    /// their order; `None` for one that is not bound.
    ///
    /// The result may borrow texts from the input and the bindings. It is `None` where the
    /// expression gives nothing (`undefined`), or a function.
    ///
    /// # Errors
    /// What the expression fails with, by the reference's codes; also what exceeds `limits`.
    pub fn evaluate<'a>(
        &self,
        input: Option<&'a Value<'a>>,
        bindings: &[Option<&'a Value<'a>>],
        host: &dyn Host,
        limits: &Limits,
    ) -> Result<Option<Value<'a>>, EvalError> {
        let code = &self.inner.code;
        let mut machine = Machine::new(host, self.inner.mode, bindings, limits);
        let root = input.map(Item::of).unwrap_or_default();
        machine.root = root.clone();
        machine.slots.resize(code.slots as usize, None);
        let context = run::wrapped(root);
        let Body::Expression(node) = &code.body else {
            return Ok(None);
        };
        machine
            .eval(node, &context)
            .and_then(|item| machine.output(item))
            .map_err(|failure| failure.error)
    }
}

fn parsed(source: &str) -> Result<Expr, Vec<SyntaxError>> {
    match parse(source) {
        (Some(expr), errors) if errors.is_empty() => Ok(expr),
        (_, errors) => Err(errors),
    }
}

fn leaf_errors(errors: Vec<LeafError>) -> Vec<LeafSyntaxError> {
    errors
        .into_iter()
        .map(|(leaf, error)| LeafSyntaxError { leaf, error })
        .collect()
}

/// Parses the leaves; `None` where one has no tree.
fn parse_tree(tree: &ExprTree, leaves: &mut u32, errors: &mut Vec<LeafError>) -> Option<Tree> {
    match tree {
        ExprTree::Leaf { source } => {
            let leaf = *leaves;
            *leaves += 1;
            match parsed(source) {
                Ok(expr) => Some(Tree::Leaf(expr)),
                Err(found) => {
                    errors.extend(found.into_iter().map(|error| (leaf, error)));
                    None
                }
            }
        }
        ExprTree::Map(fields) => {
            // All leaves are parsed, so that all errors are told at once.
            let fields: Vec<_> = fields
                .iter()
                .map(|(key, tree)| (key, parse_tree(tree, leaves, errors)))
                .collect();
            let fields = fields
                .into_iter()
                .map(|(key, tree)| Some((key.clone(), tree?)));
            Some(Tree::Map(fields.collect::<Option<_>>()?))
        }
        ExprTree::List(items) => {
            let items: Vec<_> = items
                .iter()
                .map(|tree| parse_tree(tree, leaves, errors))
                .collect();
            Some(Tree::List(items.into_iter().collect::<Option<_>>()?))
        }
    }
}

/// Compiles a text given to `$eval`, as a function of the variables that it may name.
pub(crate) fn compile_text(source: &str, names: &[Arc<str>]) -> Result<Code, SyntaxError> {
    let unknown = || SyntaxError::new("S0500", TextRange::default(), "");
    let first = |errors: Vec<SyntaxError>| errors.into_iter().next().unwrap_or_else(unknown);
    let tree = Tree::Leaf(parsed(source).map_err(first)?);
    let settings = Settings {
        bindings: &[],
        lists: &HashSet::new(),
        intern: false,
        parameters: names,
    };
    lower(&tree, &settings).map_err(|errors| first(errors.into_iter().map(|(_, e)| e).collect()))
}

/// A text with holes, `Order {orderId} over {total}`: texts and expressions that are joined.
///
/// `{{` and `}}` are braces. In a hole, braces and quotes nest as JSONata's do.
#[derive(Debug, Clone)]
pub struct Template {
    program: Program,
    holes: Vec<TextRange>,
}

impl Template {
    /// Compiles a text with holes. The errors' ranges lie in `source`.
    ///
    /// # Errors
    /// All syntax errors of all holes; a brace that is not closed is `S0203`.
    pub fn compile(source: &str, options: &Options) -> Result<Template, Vec<SyntaxError>> {
        let (mut pieces, mut holes, mut errors) = (Vec::new(), Vec::new(), Vec::new());
        for part in crate::template::parts(source) {
            match part {
                Ok(crate::template::Part::Text(text)) => pieces.push(Piece::Text(text)),
                Ok(crate::template::Part::Hole(range)) => {
                    match parsed(&source[range.range()]) {
                        Ok(expr) => pieces.push(Piece::Hole(expr)),
                        Err(found) => errors.extend(moved(found, range.start)),
                    }
                    holes.push(range);
                }
                Err(error) => errors.push(error),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let program = Program::of(&Tree::Text(pieces), options).map_err(|errors| {
            let start = |leaf: u32| holes.get(leaf as usize).map_or(0, |hole| hole.start);
            errors
                .into_iter()
                .flat_map(|(leaf, error)| moved(vec![error], start(leaf)))
                .collect::<Vec<_>>()
        })?;
        Ok(Template { program, holes })
    }

    /// Returns the program, which gives a text.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Returns where each hole's expression stands; an error's leaf is its number.
    pub fn holes(&self) -> &[TextRange] {
        &self.holes
    }
}

/// Moves errors from a hole's own text to the text around it.
fn moved(errors: Vec<SyntaxError>, start: u32) -> impl Iterator<Item = SyntaxError> {
    errors.into_iter().map(move |mut error| {
        error.range.start += start;
        error.range.end += start;
        error
    })
}

#[cfg(test)]
mod tests;
