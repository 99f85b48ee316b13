//! Finds which parts of the input an expression reads, so that a reader may leave out the rest.
//!
//! An abstract evaluation: a value is the set of places of the input that it may come from. What is
//! looked into (tested, compared, written, handed to a function that is not known) is needed as a
//! whole; a step into a field needs that field only. Whatever is in doubt needs all.

mod calls;
mod scope;
#[cfg(test)]
mod tests;

use sluice_model::projection::Projection;
use sluice_model::value::Name;

use crate::ast::{Expr, ExprKind, Lambda, Pair, Path, Stage, Step, StepKind};
use crate::lower::{Piece, Tree};
use crate::projection::scope::Scopes;

/// A place of the input, by its index in [`Reads::places`].
type Place = usize;

/// The places of the input that a value may come from. Lists are looked through.
type Places = Vec<Place>;

/// One place of the input, and the fields below it that are read.
#[derive(Default)]
struct Node {
    whole: bool,
    fields: Vec<(Name, Place)>,
}

/// Returns what a tree of expressions reads.
pub(crate) fn of_tree(tree: &Tree) -> Projection {
    if in_doubt(tree) {
        return Projection::All;
    }
    let mut reads = Reads {
        places: vec![Node::default()],
        scopes: Scopes::default(),
    };
    reads.tree(tree);
    reads.projection(0)
}

/// Returns whether an expression may look anywhere: at a parent, or from within a text that is
/// evaluated.
fn in_doubt(tree: &Tree) -> bool {
    fn within(expr: &Expr) -> bool {
        let mut found = match &expr.kind {
            ExprKind::Parent(_) => true,
            ExprKind::Variable(name) => &**name == "eval",
            // The context stands in for a missing argument wherever such a function is called.
            ExprKind::Lambda(lambda) => lambda
                .signature
                .as_ref()
                .is_some_and(|signature| signature.parameters.iter().any(|p| p.context)),
            _ => false,
        };
        expr.for_each_child(&mut |child| found = found || within(child));
        found
    }
    match tree {
        Tree::Leaf(expr) => within(expr),
        Tree::Map(fields) => fields.iter().any(|(_, tree)| in_doubt(tree)),
        Tree::List(items) => items.iter().any(in_doubt),
        Tree::Text(pieces) => pieces.iter().any(|piece| match piece {
            Piece::Text(_) => false,
            Piece::Hole(expr) => within(expr),
        }),
    }
}

struct Reads {
    places: Vec<Node>,
    scopes: Scopes,
}

impl Reads {
    fn projection(&self, place: Place) -> Projection {
        let node = &self.places[place];
        if node.whole {
            return Projection::All;
        }
        Projection::Fields(
            node.fields
                .iter()
                .map(|(name, below)| (*name, self.projection(*below)))
                .collect(),
        )
    }

    fn tree(&mut self, tree: &Tree) {
        let root = vec![0];
        match tree {
            Tree::Leaf(expr) => self.leaf(expr, &root),
            Tree::Map(fields) => fields.iter().for_each(|(_, tree)| self.tree(tree)),
            Tree::List(items) => items.iter().for_each(|tree| self.tree(tree)),
            Tree::Text(pieces) => {
                for piece in pieces {
                    if let Piece::Hole(expr) = piece {
                        self.leaf(expr, &root);
                    }
                }
            }
        }
    }

    fn leaf(&mut self, expr: &Expr, root: &Places) {
        self.scopes.enter();
        self.needed(expr, root);
        self.scopes.leave();
    }

    /// Takes note that the places are needed as a whole.
    fn need(&mut self, places: &[Place]) {
        for place in places {
            self.places[*place].whole = true;
        }
    }

    /// Evaluates an expression whose value is looked into.
    fn needed(&mut self, expr: &Expr, context: &Places) {
        let places = self.expr(expr, context);
        self.need(&places);
    }

    /// Returns the places of a field.
    fn field(&mut self, context: &Places, name: &str) -> Places {
        let name = Name::new(name);
        let mut found = Places::new();
        for place in context {
            let known = self.places[*place]
                .fields
                .iter()
                .find(|(own, _)| *own == name);
            let below = match known {
                Some((_, below)) => *below,
                None => {
                    let below = self.places.len();
                    self.places.push(Node::default());
                    self.places[*place].fields.push((name, below));
                    below
                }
            };
            add(&mut found, &[below]);
        }
        found
    }

    fn expr(&mut self, expr: &Expr, context: &Places) -> Places {
        match &expr.kind {
            ExprKind::Literal(_) | ExprKind::Regex(_) => Places::new(),
            ExprKind::Context => context.clone(),
            ExprKind::Root => vec![0],
            ExprKind::Variable(name) => self.variable(name),
            ExprKind::Name(name) => self.field(context, name),
            ExprKind::Wildcard | ExprKind::Descendant => {
                self.need(context);
                Places::new()
            }
            // Ruled out before: see `in_doubt`.
            ExprKind::Parent(_) => vec![0],
            ExprKind::Path(path) => {
                self.scopes.enter();
                let places = self.path(path, context);
                self.scopes.leave();
                places
            }
            ExprKind::Filter { base, predicates } => {
                let places = self.expr(base, context);
                for predicate in predicates {
                    self.needed(predicate, &places);
                }
                places
            }
            ExprKind::Group { base, pairs } => {
                self.scopes.enter();
                let places = match &base.kind {
                    ExprKind::Path(path) => self.path(path, context),
                    _ => self.expr(base, context),
                };
                self.pairs(pairs, &places);
                self.scopes.leave();
                Places::new()
            }
            ExprKind::Object(pairs) => {
                self.pairs(pairs, context);
                Places::new()
            }
            _ => self.compound(expr, context),
        }
    }

    fn compound(&mut self, expr: &Expr, context: &Places) -> Places {
        let mut places = Places::new();
        match &expr.kind {
            ExprKind::Array(items) => {
                for item in items {
                    let of_item = self.expr(item, context);
                    add(&mut places, &of_item);
                }
            }
            ExprKind::Default { left, right } | ExprKind::Coalesce { left, right } => {
                places = self.expr(left, context);
                if matches!(expr.kind, ExprKind::Default { .. }) {
                    self.need(&places);
                }
                let otherwise = self.expr(right, context);
                add(&mut places, &otherwise);
            }
            ExprKind::Condition {
                condition,
                then,
                otherwise,
            } => {
                self.needed(condition, context);
                places = self.expr(then, context);
                if let Some(otherwise) = otherwise {
                    let otherwise = self.expr(otherwise, context);
                    add(&mut places, &otherwise);
                }
            }
            ExprKind::Block(items) => {
                self.scopes.enter();
                for item in items {
                    places = match &item.kind {
                        ExprKind::Bind { name, value, .. } => self.bind(name, value, context),
                        _ => self.expr(item, context),
                    };
                }
                self.scopes.leave();
            }
            ExprKind::Bind { name, value, .. } => {
                // Elsewhere it may happen never, or again and again.
                places = self.bind(name, value, context);
                self.need(&places);
            }
            ExprKind::Call {
                function,
                arguments,
            } => places = self.call(function, None, arguments, context),
            ExprKind::Apply { left, right } => places = self.apply(left, right, context),
            ExprKind::Lambda(lambda) => self.lambda(lambda, context),
            // What a transformer changes is handed to it, and so needed as a whole; what its parts
            // look at beside that is known by variables.
            _ => expr.for_each_child(&mut |child| self.needed(child, context)),
        }
        places
    }

    fn pairs(&mut self, pairs: &[Pair], context: &Places) {
        for pair in pairs {
            self.needed(&pair.key, context);
            self.needed(&pair.value, context);
        }
    }

    /// Evaluates a path in a scope that the caller opened: what it binds stays visible there.
    fn path(&mut self, path: &Path, context: &Places) -> Places {
        let mut places = context.clone();
        for step in &path.steps {
            places = self.step(step, &places);
        }
        places
    }

    fn step(&mut self, step: &Step, context: &Places) -> Places {
        let places = match &step.kind {
            StepKind::Expr(expr) => self.expr(expr, context),
            StepKind::Sort(terms, _) => {
                for term in terms {
                    self.needed(&term.expr, context);
                }
                context.clone()
            }
        };
        if let Some(name) = &step.index {
            self.bind_places(name, &Places::new());
        }
        // A bound step leaves the context as it was, but its predicates filter what it bound.
        let after = match &step.focus {
            Some(name) => {
                self.bind_places(name, &places);
                context.clone()
            }
            None => places,
        };
        for stage in &step.stages {
            match stage {
                Stage::Filter(predicate) => self.needed(predicate, &after),
                Stage::Index(name) => self.bind_places(name, &Places::new()),
            }
        }
        after
    }

    fn lambda(&mut self, lambda: &Lambda, context: &Places) {
        // Whoever calls it hands it values that are needed as a whole, so its parameters need
        // nothing more; calls that are known evaluate its body for their arguments.
        self.lambda_for(lambda, &[], context);
    }

    /// Evaluates the body of a function whose first parameters come from these places.
    fn lambda_for(&mut self, lambda: &Lambda, arguments: &[Places], context: &Places) {
        self.scopes.enter_function();
        for (index, parameter) in lambda.parameters.iter().enumerate() {
            let places = arguments.get(index).cloned().unwrap_or_default();
            self.bind_places(&parameter.name, &places);
        }
        self.needed(&lambda.body, context);
        self.scopes.leave_function();
    }
}

/// Adds places that are not there yet.
fn add(places: &mut Places, more: &[Place]) {
    for place in more {
        if !places.contains(place) {
            places.push(*place);
        }
    }
}
