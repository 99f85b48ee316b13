//! The state of one evaluation: frames, budgets, and what it asks of the host.

use std::cell::OnceCell;

use sluice_model::time::Timestamp;
use sluice_model::value::{Text, Value};

use crate::eval::failure::{Failure, Outcome, failure};
use crate::eval::item::{Fields, Item, ListKind};
use crate::eval::{Host, Limits, Mode};
use crate::ir::Slot;

/// One evaluation.
pub(crate) struct Machine<'h, 'a> {
    pub(crate) host: &'h dyn Host,
    pub(crate) mode: Mode,
    /// The caller's bindings, in the order in which they were declared.
    pub(crate) bindings: &'h [Option<&'a Value<'a>>],
    /// The input of the whole expression.
    pub(crate) root: Item<'a>,
    /// The frames, one after the other; `None` is a variable that is not bound yet.
    pub(crate) slots: Vec<Option<Item<'a>>>,
    /// Where the current frame begins.
    pub(crate) base: usize,
    /// Variables that closures share. They live as long as the evaluation: closures know them by
    /// number, so that a function which refers to itself is no cycle of references.
    pub(crate) cells: Vec<Option<Item<'a>>>,
    /// A buffer for texts under construction.
    pub(crate) scratch: String,
    pub(crate) depth: u32,
    limits: Limits,
    steps: u64,
    memory: u64,
    now: OnceCell<Timestamp>,
}

/// What one item of a list takes, for the memory budget.
const ITEM_BYTES: u64 = std::mem::size_of::<Item<'static>>() as u64;

/// The deepest nesting of constructed values: as deep as JSON may be read and written.
const NESTING_MAX: u16 = 256;

/// Refuses a value that is nested too deep.
#[inline]
pub(crate) fn bounded(item: Item<'_>) -> Outcome<Item<'_>> {
    if item.height() <= NESTING_MAX {
        return Ok(item);
    }
    let message = format!("the value is nested more than {NESTING_MAX} levels deep");
    Err(failure("D1011", message))
}

impl<'h, 'a> Machine<'h, 'a> {
    pub(crate) fn new(
        host: &'h dyn Host,
        mode: Mode,
        bindings: &'h [Option<&'a Value<'a>>],
        limits: &Limits,
    ) -> Self {
        Self {
            host,
            mode,
            bindings,
            root: Item::Missing,
            slots: Vec::with_capacity(32),
            base: 0,
            cells: Vec::new(),
            scratch: String::new(),
            depth: 0,
            limits: *limits,
            steps: limits.steps,
            memory: limits.memory,
            now: OnceCell::new(),
        }
    }

    /// Returns the time of this evaluation: always the same.
    pub(crate) fn now(&self) -> Timestamp {
        *self.now.get_or_init(|| self.host.now())
    }

    /// Goes one level deeper; the caller comes back up by [`Machine::leave`].
    #[inline]
    pub(crate) fn enter(&mut self) -> Outcome<()> {
        self.depth += 1;
        if self.depth > self.limits.depth || self.steps == 0 {
            return Err(self.exhausted());
        }
        self.steps -= 1;
        Ok(())
    }

    #[inline]
    pub(crate) fn leave(&mut self) {
        self.depth -= 1;
    }

    #[cold]
    fn exhausted(&self) -> Failure {
        if self.depth > self.limits.depth {
            return failure(
                "D1011",
                format!(
                    "the expression went more than {} levels deep: check for a function that calls \
                     itself without end, or make its last operation the call",
                    self.limits.depth
                ),
            );
        }
        failure(
            "D1012",
            format!(
                "the expression took more than {} operations: check for an endless loop",
                self.limits.steps
            ),
        )
    }

    /// Takes `count` operations off the budget.
    #[inline]
    pub(crate) fn spend(&mut self, count: u64) -> Outcome<()> {
        match self.steps.checked_sub(count) {
            Some(left) => {
                self.steps = left;
                Ok(())
            }
            None => {
                self.steps = 0;
                Err(self.exhausted())
            }
        }
    }

    /// Takes `bytes` off the memory budget.
    #[inline]
    pub(crate) fn charge(&mut self, bytes: u64) -> Outcome<()> {
        match self.memory.checked_sub(bytes) {
            Some(left) => {
                self.memory = left;
                Ok(())
            }
            None => Err(failure(
                "D2015",
                format!(
                    "the expression constructed more than {} bytes of lists, records and texts",
                    self.limits.memory
                ),
            )),
        }
    }

    /// Returns how long a text may become that has `length` bytes so far.
    pub(crate) fn text_length_max(&self, length: usize) -> usize {
        length.saturating_add(usize::try_from(self.memory).unwrap_or(usize::MAX))
    }

    /// Takes a list of `count` items off the memory budget.
    #[inline]
    pub(crate) fn charge_items(&mut self, count: usize) -> Outcome<()> {
        self.charge((count as u64).saturating_mul(ITEM_BYTES))
    }

    /// Returns the list of `items`.
    pub(crate) fn list(&mut self, items: Vec<Item<'a>>, kind: ListKind) -> Outcome<Item<'a>> {
        self.charge_items(items.len())?;
        bounded(Item::list(items, kind))
    }

    /// Returns the record of `fields`.
    pub(crate) fn record(&mut self, fields: Fields<'a>) -> Outcome<Item<'a>> {
        self.charge_items(2 * fields.len())?;
        bounded(Item::record(fields))
    }

    /// Returns the value of a sequence: nothing, its one item, or all of them as a list.
    #[inline]
    pub(crate) fn sequence(&mut self, items: Vec<Item<'a>>) -> Outcome<Item<'a>> {
        self.charge_items(items.len())?;
        bounded(Item::sequence(items))
    }

    /// Returns a text that owns what it is made of.
    pub(crate) fn text(&mut self, text: &str) -> Outcome<Item<'a>> {
        self.charge(text.len() as u64)?;
        Ok(Item::text(Text::from(text)))
    }

    /// Returns the slot's variable; `None` if it is not bound yet.
    #[inline]
    pub(crate) fn load(&self, slot: Slot) -> Option<&Item<'a>> {
        match slot {
            Slot::Local(index) => self.slots.get(self.base + index as usize)?.as_ref(),
            Slot::Cell(index) => match self.slots.get(self.base + index as usize)? {
                Some(Item::Int(cell)) => self.cells.get(*cell as usize)?.as_ref(),
                _ => None,
            },
        }
    }

    #[inline]
    pub(crate) fn store(&mut self, slot: Slot, item: Item<'a>) {
        match slot {
            Slot::Local(index) => {
                if let Some(place) = self.slots.get_mut(self.base + index as usize) {
                    *place = Some(item);
                }
            }
            Slot::Cell(index) => {
                if let Some(Some(Item::Int(cell))) = self.slots.get(self.base + index as usize)
                    && let Some(place) = self.cells.get_mut(*cell as usize)
                {
                    *place = Some(item);
                }
            }
        }
    }

    /// Unbinds the variables of a scope that is entered.
    #[inline]
    pub(crate) fn open(&mut self, locals: &[Slot]) -> Outcome<()> {
        for local in locals {
            match *local {
                Slot::Local(index) => {
                    if let Some(place) = self.slots.get_mut(self.base + index as usize) {
                        *place = None;
                    }
                }
                Slot::Cell(index) => self.new_cell(index, None)?,
            }
        }
        Ok(())
    }

    /// Makes the variable at `index` one that closures share.
    pub(crate) fn new_cell(&mut self, index: u32, item: Option<Item<'a>>) -> Outcome<()> {
        self.charge_items(1)?;
        let cell = self.cells.len() as i64;
        self.cells.push(item);
        if let Some(place) = self.slots.get_mut(self.base + index as usize) {
            *place = Some(Item::Int(cell));
        }
        Ok(())
    }

    /// Returns the list's items for writing, copied if somebody else holds them too.
    pub(crate) fn own_items(&mut self, list: Item<'a>) -> Outcome<Vec<Item<'a>>> {
        match list {
            Item::List(list) => match std::rc::Rc::try_unwrap(list) {
                Ok(list) => Ok(list.items),
                Err(list) => {
                    self.charge_items(list.items.len())?;
                    Ok(list.items.clone())
                }
            },
            other => {
                self.charge_items(other.count())?;
                Ok(other.items().collect())
            }
        }
    }
}
