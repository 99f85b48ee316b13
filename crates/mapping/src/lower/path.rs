//! Compiles location paths, and the bindings that they carry along.

use std::sync::Arc;

use sluice_model::value::Key;

use crate::ast::{AncestorId, Expr, ExprKind, Pair, Path, Stage, Step, StepKind};
use crate::ir::{
    Bindings, Node, Op, PathNode, Place, Slot, StageNode, StepNode, StepOp, TermNode, Variable,
};
use crate::lower::Lowering;

/// The slots of the bindings of one path, and of the paths within it that hand theirs on.
pub(super) struct Region {
    start: u32,
    count: u32,
    names: Vec<(Arc<str>, u32)>,
    ancestors: Vec<(AncestorId, u32)>,
}

/// Returns the name of the first step, if it is one.
pub(super) fn first_name(path: &Path) -> Option<&str> {
    match &path.steps.first()?.kind {
        StepKind::Expr(Expr {
            kind: ExprKind::Name(name),
            ..
        }) => Some(name),
        _ => None,
    }
}

impl Lowering<'_> {
    pub(super) fn path(&mut self, path: &Path) -> Op {
        if let Some(fields) = self.plain_fields(path) {
            return Op::Fields(fields);
        }
        Op::Path(Box::new(self.path_node(path)))
    }

    /// Returns the names of a path that is nothing but names.
    fn plain_fields(&self, path: &Path) -> Option<Box<[Key<'static>]>> {
        if path.keep_list || path.tuples {
            return None;
        }
        path.steps
            .iter()
            .map(|step| match &step.kind {
                StepKind::Expr(Expr {
                    kind: ExprKind::Name(name),
                    ..
                }) if step.stages.is_empty() && !step.tuples => Some(self.key(name)),
                _ => None,
            })
            .collect()
    }

    fn path_node(&mut self, path: &Path) -> PathNode {
        let tuples = path.steps.iter().any(|step| step.tuples);
        let bindings = tuples.then(|| self.enter_bindings(path));
        let steps = path
            .steps
            .iter()
            .enumerate()
            .map(|(index, step)| self.step(step, index == 0))
            .collect();
        let absolute = path.steps.first().is_some_and(is_variable);
        if bindings.is_some_and(|bindings| !bindings.shared) {
            self.leave_bindings();
        }
        PathNode {
            steps,
            keep_list: path.keep_list,
            bindings,
            absolute,
        }
    }

    /// Compiles `base{pairs}`; the pairs see the bindings of the base, if it is a path.
    pub(super) fn group(&mut self, base: &Expr, pairs: &[Pair]) -> Op {
        let node = match &base.kind {
            ExprKind::Path(path) if path.steps.iter().any(|step| step.tuples) => {
                let bindings = self.enter_bindings(path);
                let steps = path
                    .steps
                    .iter()
                    .enumerate()
                    .map(|(index, step)| self.step(step, index == 0))
                    .collect();
                let base = Node {
                    op: Op::Path(Box::new(PathNode {
                        steps,
                        keep_list: path.keep_list,
                        bindings: Some(bindings),
                        absolute: path.steps.first().is_some_and(is_variable),
                    })),
                    range: base.range,
                };
                let node = self.pairs(Some(base), pairs);
                if !bindings.shared {
                    self.leave_bindings();
                }
                node
            }
            _ => {
                let base = self.expr(base);
                self.pairs(Some(base), pairs)
            }
        };
        Op::Group(Box::new(node))
    }

    /// Reserves slots for what a path binds, or finds them if the path around has done so.
    fn enter_bindings(&mut self, path: &Path) -> Bindings {
        if let (true, Some(region)) = (path.tuples, self.regions.last()) {
            return Bindings {
                start: region.start,
                count: region.count,
                shared: true,
            };
        }
        let (mut names, mut ancestors) = (Vec::new(), Vec::new());
        collect(path, &mut names, &mut ancestors);
        self.frames.enter_scope();
        let mut region = Region {
            start: u32::MAX,
            count: 0,
            names: Vec::new(),
            ancestors: Vec::new(),
        };
        for name in names {
            let slot = self.frames.declare_fixed(&name);
            region.start = region.start.min(slot);
            region.names.push((name, slot));
            region.count += 1;
        }
        for id in ancestors {
            let slot = self.frames.reserve();
            region.start = region.start.min(slot);
            region.ancestors.push((id, slot));
            region.count += 1;
        }
        let bindings = Bindings {
            start: region.start,
            count: region.count,
            shared: false,
        };
        self.regions.push(region);
        bindings
    }

    fn leave_bindings(&mut self) {
        self.regions.pop();
        self.frames.leave_scope();
    }

    fn binding(&self, name: &str) -> Option<u32> {
        let names = self.regions.iter().rev().flat_map(|region| &region.names);
        names
            .into_iter()
            .find(|(own, _)| &**own == name)
            .map(|(_, slot)| *slot)
    }

    fn ancestor_slot(&self, id: AncestorId) -> Option<u32> {
        let all = self
            .regions
            .iter()
            .rev()
            .flat_map(|region| &region.ancestors);
        all.into_iter()
            .find(|(own, _)| *own == id)
            .map(|(_, slot)| *slot)
    }

    /// Compiles a `%`: the context of the step that lists it.
    pub(super) fn ancestor(&mut self, id: AncestorId) -> Op {
        let places = match self.ancestor_slot(id) {
            Some(slot) => vec![Place::Slot(Slot::Local(slot))],
            None => Vec::new(),
        };
        Op::Variable(Variable {
            places: places.into(),
        })
    }

    fn step(&mut self, step: &Step, first: bool) -> StepNode {
        let kind = match &step.kind {
            StepKind::Expr(expr) => StepOp::Node(self.expr(expr)),
            StepKind::Sort(terms, range) => StepOp::Sort(
                terms
                    .iter()
                    .map(|term| TermNode {
                        node: self.expr(&term.expr),
                        descending: term.descending,
                    })
                    .collect(),
                *range,
            ),
        };
        let stages = step
            .stages
            .iter()
            .filter_map(|stage| match stage {
                Stage::Filter(predicate) => Some(StageNode::Filter(self.predicate(predicate))),
                Stage::Index(name) => self.binding(name).map(StageNode::Index),
            })
            .collect();
        let array = match &step.kind {
            StepKind::Expr(expr) => matches!(expr.kind, ExprKind::Array(_)),
            StepKind::Sort(..) => false,
        };
        StepNode {
            kind,
            stages,
            focus: step.focus.as_ref().and_then(|name| self.binding(name)),
            index: step.index.as_ref().and_then(|name| self.binding(name)),
            ancestors: step
                .ancestors
                .iter()
                .filter_map(|id| self.ancestor_slot(*id))
                .collect(),
            tuples: step.tuples,
            once: first && step.constructor,
            constructor: step.constructor && array,
        }
    }
}

fn is_variable(step: &Step) -> bool {
    match &step.kind {
        StepKind::Expr(expr) => {
            let base = match &expr.kind {
                ExprKind::Filter { base, .. } => base,
                _ => expr,
            };
            matches!(
                base.kind,
                ExprKind::Variable(_) | ExprKind::Context | ExprKind::Root
            )
        }
        StepKind::Sort(..) => false,
    }
}

/// Finds what a path binds, and what the paths bind that hand their bindings on to it.
fn collect(path: &Path, names: &mut Vec<Arc<str>>, ancestors: &mut Vec<AncestorId>) {
    let mut add = |name: &Arc<str>| {
        if !names.contains(name) {
            names.push(name.clone());
        }
    };
    for step in &path.steps {
        step.focus.iter().for_each(&mut add);
        step.index.iter().for_each(&mut add);
        for stage in &step.stages {
            if let Stage::Index(name) = stage {
                add(name);
            }
        }
        ancestors.extend(&step.ancestors);
    }
    for step in &path.steps {
        if let StepKind::Expr(expr) = &step.kind {
            collect_within(expr, names, ancestors);
        }
    }
}

fn collect_within(expr: &Expr, names: &mut Vec<Arc<str>>, ancestors: &mut Vec<AncestorId>) {
    match &expr.kind {
        ExprKind::Path(path) if path.tuples => collect(path, names, ancestors),
        ExprKind::Block(items) => {
            if let Some(last) = items.last() {
                collect_within(last, names, ancestors);
            }
        }
        ExprKind::Filter { base, .. } | ExprKind::Group { base, .. } => {
            collect_within(base, names, ancestors);
        }
        _ => {}
    }
}
