//! Finds, for each `%`, the step whose context it means.

use crate::ast::{AncestorId, Expr, ExprKind, Step, StepKind};
use crate::parse::SyntaxError;
use crate::parse::pratt::{Node, Parser};

/// What each `%` of the expression still needs: how many steps back its context lies.
#[derive(Default)]
pub(super) struct Slots {
    levels: Vec<u32>,
}

impl Slots {
    /// Returns the slot of a new `%`: one step back.
    pub(super) fn open(&mut self) -> usize {
        self.levels.push(1);
        self.levels.len() - 1
    }
}

impl Parser<'_> {
    /// Returns the slots that `node` seeks, itself included if it is a `%`.
    pub(super) fn open_slots(&self, node: &Node) -> Vec<usize> {
        let mut slots = node.seeking.clone();
        if let ExprKind::Parent(id) = node.expr.kind {
            slots.push(id.0 as usize);
        }
        slots
    }

    /// Resolves the slots that a predicate on `step` seeks; returns all of them.
    pub(super) fn seek_from_predicate(&mut self, step: &mut Step, predicate: &Node) {
        for slot in &predicate.seeking {
            if self.slots.levels[*slot] == 1 {
                self.seek_in_step(step, *slot);
            } else {
                self.lower(*slot);
            }
        }
    }

    /// As [`Parser::seek_from_predicate`], for a predicate on what is not a path.
    pub(super) fn seek_from_filter(&mut self, base: &mut Expr, predicate: &Node) {
        for slot in &predicate.seeking {
            if self.slots.levels[*slot] == 1 {
                self.seek_in_expr(base, *slot);
            } else {
                self.lower(*slot);
            }
        }
    }

    fn lower(&mut self, slot: usize) {
        self.slots.levels[slot] = self.slots.levels[slot].saturating_sub(1);
    }

    /// Resolves the slots of a path's last step in the steps before it; returns those that need
    /// steps before the path.
    pub(super) fn resolve(&mut self, steps: &mut [Step], slots: &[usize]) -> Vec<usize> {
        let mut open = Vec::new();
        for slot in slots {
            let mut left = steps.len().saturating_sub(1);
            while self.slots.levels[*slot] > 0 {
                if left == 0 {
                    open.push(*slot);
                    break;
                }
                left -= 1;
                // Steps in a row that bind their items leave the context as it is.
                while left > 0 && steps[left].focus.is_some() && steps[left - 1].focus.is_some() {
                    left -= 1;
                }
                self.seek_in_step(&mut steps[left], *slot);
            }
        }
        open
    }

    fn seek_in_step(&mut self, step: &mut Step, slot: usize) {
        match &mut step.kind {
            StepKind::Expr(expr) => match &mut expr.kind {
                ExprKind::Name(_) | ExprKind::Wildcard => {
                    self.lower(slot);
                    if self.slots.levels[slot] == 0 {
                        step.ancestors.push(AncestorId(slot as u32));
                        step.tuples = true;
                    }
                }
                ExprKind::Parent(_) => self.slots.levels[slot] += 1,
                _ => {
                    if self.seek_in_expr(expr, slot) {
                        step.tuples = true;
                    }
                }
            },
            StepKind::Sort(_, range) => {
                self.errors.push(SyntaxError::new("S0217", *range, ""));
                self.slots.levels[slot] = 0;
            }
        }
    }

    /// Seeks in what a step evaluates; returns whether it carries bindings then.
    fn seek_in_expr(&mut self, expr: &mut Expr, slot: usize) -> bool {
        match &mut expr.kind {
            ExprKind::Block(items) => match items.last_mut() {
                Some(last) => {
                    self.seek_in_expr(last, slot);
                    true
                }
                None => false,
            },
            ExprKind::Path(path) => {
                path.tuples = true;
                for step in path.steps.iter_mut().rev() {
                    self.seek_in_step(step, slot);
                    if self.slots.levels[slot] == 0 {
                        break;
                    }
                }
                true
            }
            ExprKind::Filter { base, .. } | ExprKind::Group { base, .. } => {
                self.seek_in_expr(base, slot)
            }
            ExprKind::Parent(_) => {
                self.slots.levels[slot] += 1;
                false
            }
            _ => {
                self.errors.push(SyntaxError::new("S0217", expr.range, ""));
                self.slots.levels[slot] = 0;
                false
            }
        }
    }
}
