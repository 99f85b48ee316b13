//! Resolves variables to slots of frames, and finds what functions take along.

use std::sync::Arc;

use crate::ast::{Expr, ExprKind};
use crate::functions;
use crate::ir::{Place, Slot, Variable};

/// The frames of the functions that the compiler is inside of, the innermost last.
pub(super) struct Frames<'o> {
    frames: Vec<Frame>,
    /// Names of the caller's bindings.
    bindings: &'o [Arc<str>],
    /// Which variables need a cell, by serial number: known from the pass before.
    cells: Vec<bool>,
    /// The same, found in this pass.
    found: Vec<bool>,
}

#[derive(Default)]
struct Frame {
    scopes: Vec<Scope>,
    slots: u32,
    /// Serial number of a variable, its slot in the frame around and in this one.
    captures: Vec<(u32, u32, u32)>,
}

#[derive(Default)]
struct Scope {
    variables: Vec<ScopeVariable>,
}

struct ScopeVariable {
    name: Arc<str>,
    slot: u32,
    serial: u32,
    /// Whether a function refers to it.
    captured: bool,
    /// Whether it is bound for sure wherever it can be named from now on.
    definite: bool,
    /// Whether it may be bound more than once.
    repeated: bool,
    /// Whether `:=` cannot bind it: a path does.
    fixed: bool,
}

impl<'o> Frames<'o> {
    pub(super) fn new(bindings: &'o [Arc<str>], cells: Vec<bool>) -> Self {
        Self {
            frames: Vec::new(),
            bindings,
            cells,
            found: Vec::new(),
        }
    }

    /// Returns which variables need a cell, if the pass before did not know.
    pub(super) fn unforeseen(self) -> Option<Vec<bool>> {
        let known = self
            .found
            .iter()
            .enumerate()
            .all(|(index, found)| !found || self.cells.get(index) == Some(&true));
        (!known).then_some(self.found)
    }

    pub(super) fn enter_function(&mut self) {
        self.frames.push(Frame::default());
    }

    /// Returns the number of slots of the frame, and what it takes along.
    pub(super) fn leave_function(&mut self) -> (u32, Box<[(u32, u32)]>) {
        let frame = self.frames.pop().unwrap_or_default();
        let captures = frame
            .captures
            .iter()
            .map(|(_, outer, inner)| (*outer, *inner));
        (frame.slots, captures.collect())
    }

    pub(super) fn enter_scope(&mut self) {
        self.frame().scopes.push(Scope::default());
    }

    pub(super) fn leave_scope(&mut self) {
        self.frame().scopes.pop();
    }

    fn frame(&mut self) -> &mut Frame {
        if self.frames.is_empty() {
            self.frames.push(Frame::default());
        }
        let last = self.frames.len() - 1;
        &mut self.frames[last]
    }

    /// Declares a variable of the innermost scope.
    pub(super) fn declare(&mut self, name: &Arc<str>) -> Slot {
        self.declare_as(name, Bound::Later)
    }

    /// Declares a variable that is bound wherever it can be named.
    pub(super) fn declare_bound(&mut self, name: &Arc<str>) -> Slot {
        self.declare_as(name, Bound::Already)
    }

    /// Declares a variable that a path binds: it is not bound in the path's earlier steps.
    pub(super) fn declare_fixed(&mut self, name: &Arc<str>) -> u32 {
        let (Slot::Local(slot) | Slot::Cell(slot)) = self.declare_as(name, Bound::ByPath);
        slot
    }

    fn declare_as(&mut self, name: &Arc<str>, bound: Bound) -> Slot {
        let serial = self.found.len() as u32;
        self.found.push(false);
        let frame = self.frame();
        let slot = frame.slots;
        frame.slots += 1;
        if let Some(scope) = frame.scopes.last_mut() {
            scope.variables.push(ScopeVariable {
                name: name.clone(),
                slot,
                serial,
                captured: false,
                definite: bound == Bound::Already,
                repeated: false,
                fixed: bound == Bound::ByPath,
            });
        }
        self.slot(slot, serial)
    }

    /// Reserves slots in a row that have no names.
    pub(super) fn reserve(&mut self) -> u32 {
        let frame = self.frame();
        frame.slots += 1;
        frame.slots - 1
    }

    fn slot(&self, slot: u32, serial: u32) -> Slot {
        if self.cells.get(serial as usize) == Some(&true) {
            Slot::Cell(slot)
        } else {
            Slot::Local(slot)
        }
    }

    /// Returns the variable that `name :=` binds, and takes note of it. `statement` says that it is
    /// bound once whenever its scope is entered.
    pub(super) fn bind(&mut self, name: &str, statement: bool) -> Option<Slot> {
        let frame = self.frames.last_mut()?;
        let variable = frame
            .scopes
            .iter_mut()
            .rev()
            .flat_map(|scope| scope.variables.iter_mut().rev())
            .find(|variable| &*variable.name == name && !variable.fixed)?;
        variable.repeated |= !statement;
        variable.definite |= statement;
        let (slot, serial) = (variable.slot, variable.serial);
        if variable.captured {
            self.found[serial as usize] = true;
        }
        Some(self.slot(slot, serial))
    }

    /// Returns where `$name` may be found, the innermost place first.
    pub(super) fn resolve(&mut self, name: &str) -> Variable {
        let mut places = Vec::new();
        for index in (0..self.frames.len()).rev() {
            let mut found = Vec::new();
            for scope in self.frames[index].scopes.iter().rev() {
                for variable in scope.variables.iter().rev() {
                    if &*variable.name == name {
                        found.push((variable.slot, variable.serial, variable.definite));
                    }
                }
            }
            for (slot, serial, definite) in found {
                let slot = self.reach(index, slot, serial);
                places.push(Place::Slot(self.slot(slot, serial)));
                if definite {
                    return Variable {
                        places: places.into(),
                    };
                }
            }
        }
        if let Some(index) = self.bindings.iter().position(|own| &**own == name) {
            places.push(Place::Binding(index as u32));
        }
        if let Some(function) = functions::find(name) {
            places.push(Place::Builtin(function));
        }
        Variable {
            places: places.into(),
        }
    }

    /// Returns the slot of the innermost frame through which a variable of frame `index` is
    /// reached: each function between takes it along.
    fn reach(&mut self, index: usize, slot: u32, serial: u32) -> u32 {
        let mut slot = slot;
        if index + 1 < self.frames.len() {
            self.note_capture(index, serial);
        }
        for inner in index + 1..self.frames.len() {
            let frame = &mut self.frames[inner];
            let known = frame.captures.iter().find(|capture| capture.0 == serial);
            slot = match known {
                Some((_, _, own)) => *own,
                None => {
                    let own = frame.slots;
                    frame.slots += 1;
                    frame.captures.push((serial, slot, own));
                    own
                }
            };
        }
        slot
    }

    fn note_capture(&mut self, index: usize, serial: u32) {
        let variables = self.frames[index]
            .scopes
            .iter_mut()
            .flat_map(|scope| scope.variables.iter_mut());
        for variable in variables {
            if variable.serial == serial {
                variable.captured = true;
                if variable.repeated {
                    self.found[serial as usize] = true;
                }
            }
        }
    }

    /// Returns the names of all variables that can be named here.
    pub(super) fn visible(&self) -> Vec<Arc<str>> {
        let mut names: Vec<Arc<str>> = self
            .frames
            .iter()
            .flat_map(|frame| &frame.scopes)
            .flat_map(|scope| &scope.variables)
            .map(|variable| variable.name.clone())
            .chain(self.bindings.iter().cloned())
            .collect();
        names.sort();
        names.dedup();
        names
    }
}

/// When a variable is bound.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bound {
    Already,
    Later,
    ByPath,
}

/// Returns the variables that are bound in the scope whose expressions these are, not in scopes
/// within it.
pub(super) fn bound_in(items: &[Expr]) -> Vec<Arc<str>> {
    fn visit(expr: &Expr, names: &mut Vec<Arc<str>>) {
        match &expr.kind {
            ExprKind::Block(_) | ExprKind::Lambda(_) | ExprKind::Transform { .. } => return,
            ExprKind::Bind { name, .. } if !names.contains(name) => names.push(name.clone()),
            _ => {}
        }
        expr.for_each_child(&mut |child| visit(child, names));
    }
    let mut names = Vec::new();
    for item in items {
        visit(item, &mut names);
    }
    names
}
