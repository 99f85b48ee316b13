//! Puts location paths together: `a.b`, and what may follow a step.

use std::sync::Arc;

use crate::ast::{
    AncestorId, Expr, ExprKind, Pair, Path, SortTerm, Stage, Step, StepKind, TextRange,
};
use crate::parse::SyntaxError;
use crate::parse::pratt::{Node, Parsed, Parser};

impl Parser<'_> {
    /// Returns the path of one step that a name is.
    pub(super) fn name(&self, range: TextRange, name: &str) -> Node {
        let step = Expr::new(range, ExprKind::Name(name.into()));
        let path = Path {
            steps: vec![Step::new(StepKind::Expr(step))],
            ..Path::default()
        };
        Node::new(range, ExprKind::Path(path))
    }

    /// Returns a new `%`.
    pub(super) fn parent(&mut self, range: TextRange) -> Node {
        let slot = self.slots.open();
        Node::new(range, ExprKind::Parent(AncestorId(slot as u32)))
    }

    /// Returns `left.right`.
    pub(super) fn step(&mut self, left: Node, right: Node) -> Node {
        let range = left.expr.range.to(right.expr.range);
        let chained = path_of(&left.expr).is_some();
        let height = (left.height + u32::from(!chained)).max(right.height + 1);
        let mut seeking = match &left.expr.kind {
            ExprKind::Parent(id) => vec![id.0 as usize],
            _ if chained => left.seeking.clone(),
            _ => Vec::new(),
        };
        let mut whole = into_path(left);
        whole.expr.range = range;
        let mut right_slots = if path_of(&right.expr).is_some() {
            right.last_seeking.clone()
        } else {
            right.seeking.clone()
        };
        let Some(path) = path_of_mut(&mut whole.expr) else {
            return whole;
        };
        let right = right.into_expr();
        match right.kind {
            ExprKind::Path(rest) => path.steps.extend(rest.steps),
            kind => {
                let mut step = into_step(Expr { kind, ..right });
                step.tuples |= hands_on(&step);
                path.steps.push(step);
            }
        }
        if let Some(Step {
            kind: StepKind::Expr(expr),
            ..
        }) = path.steps.last()
            && let ExprKind::Parent(id) = expr.kind
        {
            right_slots.push(id.0 as usize);
        }
        for step in &mut path.steps {
            if let Err(error) = name_literal(step) {
                self.errors.push(error);
            }
        }
        path.keep_list |= path
            .steps
            .iter()
            .any(|step| matches!(&step.kind, StepKind::Expr(expr) if expr.keep_array));
        mark_constructors(path);
        let open = self.resolve(&mut path.steps, &right_slots);
        seeking.extend(open);
        (whole.seeking, whole.last_seeking, whole.height) = (seeking, right_slots, height);
        whole
    }

    /// Returns `left[predicate]`.
    pub(super) fn filter(
        &mut self,
        mut left: Node,
        predicate: Node,
        open: TextRange,
        end: TextRange,
    ) -> Node {
        left.expr.range = left.expr.range.to(end);
        left.height = left.height.max(predicate.height + 1);
        let seeking = if predicate.seeking.is_empty() {
            Vec::new()
        } else {
            self.open_slots(&predicate)
        };
        if let Some(path) = path_of_mut(&mut left.expr) {
            if let Some(step) = path.steps.last_mut() {
                self.seek_from_predicate(step, &predicate);
                step.stages.push(Stage::Filter(predicate.into_expr()));
            }
            left.last_seeking.extend(seeking);
            return left;
        }
        match &mut left.expr.kind {
            ExprKind::Group { .. } => self.errors.push(SyntaxError::new("S0209", open, "")),
            ExprKind::Filter { base, predicates } => {
                self.seek_from_filter(base, &predicate);
                predicates.push(predicate.into_expr());
            }
            _ => {
                self.seek_from_filter(&mut left.expr, &predicate);
                let filter = ExprKind::Filter {
                    base: Box::new(Expr::new(left.expr.range, ExprKind::Context)),
                    predicates: vec![predicate.into_expr()],
                };
                let range = left.expr.range;
                let base = std::mem::replace(&mut left.expr, Expr::new(range, filter));
                left.expr.keep_array = base.keep_array;
                if let ExprKind::Filter { base: place, .. } = &mut left.expr.kind {
                    **place = base;
                    place.keep_array = false;
                }
                left.height += 1;
            }
        }
        left.seeking.extend(seeking);
        left
    }

    /// Returns `left[]`.
    pub(super) fn keep(&mut self, mut left: Node, end: TextRange) -> Node {
        left.expr.range = left.expr.range.to(end);
        if let ExprKind::Path(path) = &mut left.expr.kind {
            let single = path.steps.len() == 1;
            if let Some(step) = path.steps.last_mut()
                && let StepKind::Expr(expr) = &mut step.kind
            {
                let plain = step.focus.is_none() && step.index.is_none();
                if single && plain && matches!(expr.kind, ExprKind::Name(_)) {
                    expr.keep_array = true;
                    path.keep_list = true;
                    return left;
                }
                expr.keep_array |= step.focus.is_some();
            }
        }
        left.expr.keep_array = true;
        left
    }

    /// Returns `left{pairs}`.
    pub(super) fn group(
        &mut self,
        left: Node,
        pairs: Vec<Pair>,
        end: TextRange,
        height: u32,
    ) -> Node {
        if matches!(left.expr.kind, ExprKind::Group { .. }) {
            self.errors.push(SyntaxError::new("S0210", end, ""));
            return left;
        }
        let (seeking, last_seeking) = (left.seeking.clone(), left.last_seeking.clone());
        let (range, height) = (left.expr.range.to(end), left.height.max(height) + 1);
        let base = Box::new(left.into_expr());
        let mut node = Node::new(range, ExprKind::Group { base, pairs });
        (node.seeking, node.last_seeking, node.height) = (seeking, last_seeking, height);
        node
    }

    /// Returns `left^(terms)`.
    pub(super) fn sorted(
        &mut self,
        left: Node,
        terms: Vec<SortTerm>,
        end: TextRange,
        slots: Vec<usize>,
        height: u32,
    ) -> Node {
        let range = left.expr.range.to(end);
        let chained = path_of(&left.expr).is_some();
        let mut seeking = if chained {
            left.seeking.clone()
        } else {
            Vec::new()
        };
        let mut whole = into_path(left);
        whole.height = whole.height.max(height + 1) + u32::from(!chained);
        whole.expr.range = range;
        if let Some(path) = path_of_mut(&mut whole.expr) {
            path.steps.push(Step::new(StepKind::Sort(terms, end)));
            seeking.extend(self.resolve(&mut path.steps, &slots));
        }
        (whole.seeking, whole.last_seeking) = (seeking, slots);
        whole
    }

    /// Returns `left@$name` or `left#$name`.
    pub(super) fn bind_step(
        &mut self,
        left: Node,
        right: Node,
        symbol: &'static str,
        operator: TextRange,
    ) -> Parsed<Node> {
        let name: Arc<str> = match &right.expr.kind {
            ExprKind::Variable(name) => name.clone(),
            _ => return Err(SyntaxError::boxed("S0214", right.expr.range, symbol)),
        };
        let range = left.expr.range.to(right.expr.range);
        let mut whole = into_path(left);
        whole.expr.range = range;
        let Some(step) = path_of_mut(&mut whole.expr).and_then(|path| path.steps.last_mut()) else {
            return Ok(whole);
        };
        step.tuples = true;
        if symbol == "#" {
            if step.stages.is_empty() {
                step.index = Some(name);
            } else {
                step.stages.push(Stage::Index(name));
            }
            return Ok(whole);
        }
        if !step.stages.is_empty() {
            self.errors.push(SyntaxError::new("S0215", operator, ""));
        } else if matches!(step.kind, StepKind::Sort(..)) {
            self.errors.push(SyntaxError::new("S0216", operator, ""));
        }
        step.focus = Some(name);
        Ok(whole)
    }
}

/// Returns the path that `expr` is, or that it groups.
fn path_of(expr: &Expr) -> Option<&Path> {
    match &expr.kind {
        ExprKind::Path(path) => Some(path),
        ExprKind::Group { base, .. } => path_of(base),
        _ => None,
    }
}

fn path_of_mut(expr: &mut Expr) -> Option<&mut Path> {
    match &mut expr.kind {
        ExprKind::Path(path) => Some(path),
        ExprKind::Group { base, .. } => path_of_mut(base),
        _ => None,
    }
}

/// Returns `node` as a path: of one step, if it is none yet.
fn into_path(node: Node) -> Node {
    if path_of(&node.expr).is_some() {
        return node;
    }
    let (range, height) = (node.expr.range, node.height);
    let slots = node.seeking.clone();
    let expr = node.into_expr();
    // As a first step, predicates stay with their expression: they filter its whole result.
    let mut step = Step::new(StepKind::Expr(expr));
    step.tuples = hands_on(&step);
    let path = Path {
        steps: vec![step],
        ..Path::default()
    };
    let mut whole = Node::new(range, ExprKind::Path(path));
    whole.last_seeking = slots;
    whole.height = height;
    whole
}

/// Returns whether a step is a path in parentheses that hands its bindings on: a predicate has
/// looked for a `%` in it.
fn hands_on(step: &Step) -> bool {
    fn within(expr: &Expr) -> bool {
        match &expr.kind {
            ExprKind::Path(path) => path.tuples,
            ExprKind::Block(items) => items.last().is_some_and(within),
            ExprKind::Filter { base, .. } | ExprKind::Group { base, .. } => within(base),
            _ => false,
        }
    }
    matches!(&step.kind, StepKind::Expr(expr) if within(expr))
}

/// Returns a later step of a path; its predicates apply to each item's result.
fn into_step(expr: Expr) -> Step {
    match expr.kind {
        ExprKind::Filter { base, predicates } => {
            let mut base = *base;
            base.keep_array = expr.keep_array;
            let mut step = Step::new(StepKind::Expr(base));
            step.stages = predicates.into_iter().map(Stage::Filter).collect();
            step
        }
        kind => Step::new(StepKind::Expr(Expr { kind, ..expr })),
    }
}

/// Makes a name of a step that is a text; other literals cannot be steps.
fn name_literal(step: &mut Step) -> Result<(), SyntaxError> {
    let StepKind::Expr(expr) = &mut step.kind else {
        return Ok(());
    };
    let expr = match &mut expr.kind {
        ExprKind::Filter { base, .. } => base,
        _ => expr,
    };
    if let ExprKind::Literal(value) = &expr.kind {
        let Some(text) = value.as_str() else {
            let shown = match value.as_i64() {
                Some(int) => int.to_string(),
                None => value.kind().to_owned(),
            };
            let range = expr.range;
            expr.kind = ExprKind::Name(shown.as_str().into());
            return Err(SyntaxError::new("S0213", range, &shown));
        };
        expr.kind = ExprKind::Name(text.into());
    }
    Ok(())
}

fn mark_constructors(path: &mut Path) {
    let last = path.steps.len().saturating_sub(1);
    for (index, step) in path.steps.iter_mut().enumerate() {
        if index != 0 && index != last {
            continue;
        }
        let StepKind::Expr(expr) = &step.kind else {
            continue;
        };
        let array = match &expr.kind {
            ExprKind::Array(_) => true,
            // Its predicates come first, which give a list that is not constructed.
            ExprKind::Filter { base, .. } => matches!(base.kind, ExprKind::Array(_)),
            ExprKind::Block(items) => index == 0 && items.iter().any(begins_with_constructor),
            _ => false,
        };
        step.constructor |= array;
    }
}

fn begins_with_constructor(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Path(path) => path.steps.first().is_some_and(|step| step.constructor),
        ExprKind::Group { base, .. } => begins_with_constructor(base),
        ExprKind::Block(items) => items.iter().any(begins_with_constructor),
        _ => false,
    }
}
