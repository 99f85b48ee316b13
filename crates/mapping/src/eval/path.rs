//! Location paths.

use sluice_model::value::{Key, Record, Value};

use crate::eval::failure::Outcome;
use crate::eval::item::{Item, ListKind};
use crate::eval::machine::Machine;
use crate::eval::run::extend;
use crate::ir::{PathNode, StageNode, StepNode, StepOp};

/// What the steps of a path gather: lists are flattened, unless the only thing that the last step
/// gives is a list of the data, which stays as it is.
pub(super) struct Gathered<'a> {
    items: Vec<Item<'a>>,
    /// The only result so far, if it is such a list.
    whole: Option<Item<'a>>,
    results: usize,
    last: bool,
}

/// The most items that room is made for before they are there.
const ROOM_MAX: usize = 1024;

impl<'a> Gathered<'a> {
    /// Returns nothing yet, with room for `count` items.
    pub(super) fn new(last: bool, count: usize) -> Self {
        Self {
            items: Vec::with_capacity(count.min(ROOM_MAX)),
            whole: None,
            results: 0,
            last,
        }
    }

    #[inline]
    pub(super) fn push(&mut self, item: Item<'a>) {
        match &item {
            Item::Missing => return,
            Item::List(list) if list.kind == ListKind::Constructed => {
                self.spill();
                if self.last && self.results == 0 {
                    self.whole = Some(item);
                } else {
                    self.items.push(item);
                }
            }
            list if list.is_list() => {
                self.spill();
                if self.last && self.results == 0 && !list.list_kind().is_sequence() {
                    self.whole = Some(item);
                } else {
                    extend(&mut self.items, item);
                }
            }
            _ => {
                self.spill();
                self.items.push(item);
            }
        }
        self.results += 1;
    }

    /// Flattens the list that turned out not to be the only result.
    #[inline]
    fn spill(&mut self) {
        if let Some(whole) = self.whole.take() {
            match &whole {
                Item::List(list) if list.kind == ListKind::Constructed => self.items.push(whole),
                _ => extend(&mut self.items, whole),
            }
        }
    }
}

impl<'a> Machine<'_, 'a> {
    /// Returns the field `key` of `item`, which may be a list of records.
    #[inline]
    pub(crate) fn lookup(&mut self, item: &Item<'a>, key: &Key<'static>) -> Outcome<Item<'a>> {
        match item {
            Item::InRecord(_) | Item::Record(_) => {
                let field = item.field(key);
                match &field {
                    Item::List(list) if list.kind.is_sequence() => {
                        Ok(crate::eval::run::normalized(field))
                    }
                    _ => Ok(field),
                }
            }
            Item::InList(_) | Item::List(_) => {
                let mut items = Vec::new();
                self.lookup_each(item, key, &mut items)?;
                self.sequence(items)
            }
            _ => Ok(Item::Missing),
        }
    }

    fn lookup_each(
        &mut self,
        list: &Item<'a>,
        key: &Key<'static>,
        items: &mut Vec<Item<'a>>,
    ) -> Outcome<()> {
        self.spend(list.count() as u64)?;
        for item in list.items() {
            if matches!(item, Item::InList(_) | Item::List(_)) {
                self.lookup_each(&item, key, items)?;
            } else {
                extend_present(items, item.field(key));
            }
        }
        Ok(())
    }

    /// Evaluates a path of fields only.
    pub(crate) fn fields(
        &mut self,
        context: &Item<'a>,
        keys: &[Key<'static>],
    ) -> Outcome<Item<'a>> {
        if let Item::InRecord(record) = context {
            return self.fields_of_record(record, keys);
        }
        self.fields_of_item(context.clone(), keys)
    }

    /// The common case: records of the input in each other.
    #[inline]
    fn fields_of_record(
        &mut self,
        record: &'a Record<'a>,
        keys: &[Key<'static>],
    ) -> Outcome<Item<'a>> {
        let mut record = record;
        for (index, key) in keys.iter().enumerate() {
            let value = match key {
                Key::Name(name) => record.get(*name),
                Key::Text(text) => record.get_str(text.as_str()),
            };
            let rest = &keys[index + 1..];
            match value {
                None => return Ok(Item::Missing),
                Some(value) if rest.is_empty() => return Ok(Item::of(value)),
                Some(Value::Record(inner)) => record = inner,
                Some(value @ Value::List(_)) => return self.fields_of_item(Item::of(value), rest),
                Some(_) => return Ok(Item::Missing),
            }
        }
        Ok(Item::InRecord(record))
    }

    fn fields_of_item(&mut self, item: Item<'a>, keys: &[Key<'static>]) -> Outcome<Item<'a>> {
        let mut item = item;
        for (index, key) in keys.iter().enumerate() {
            let last = index + 1 == keys.len();
            if !item.is_list() {
                item = item.field(key);
                match &item {
                    Item::Missing => return Ok(Item::Missing),
                    Item::List(list) if last && list.kind.is_sequence() => {
                        return Ok(crate::eval::run::normalized(item));
                    }
                    _ => continue,
                }
            }
            let mut gathered = Gathered::new(last, item.count());
            self.spend(item.count() as u64)?;
            match &item {
                Item::InList(values) => {
                    for value in values.iter() {
                        let found = self.lookup(&Item::of(value), key)?;
                        gathered.push(found);
                    }
                }
                other => {
                    for part in other.items() {
                        let found = self.lookup(&part, key)?;
                        gathered.push(found);
                    }
                }
            }
            if let Some(whole) = gathered.whole {
                return Ok(whole);
            }
            if last {
                return self.sequence(gathered.items);
            }
            if gathered.items.is_empty() {
                return Ok(Item::Missing);
            }
            item = self.list(gathered.items, ListKind::Sequence)?;
        }
        Ok(item)
    }

    /// Evaluates a path; `raw` leaves a sequence of one item or none a list.
    pub(crate) fn path(
        &mut self,
        path: &PathNode,
        context: &Item<'a>,
        raw: bool,
    ) -> Outcome<Item<'a>> {
        let kind = if path.keep_list {
            ListKind::Kept
        } else {
            ListKind::Sequence
        };
        if path.bindings.is_some() {
            let tuples = self.tuples(path, context)?;
            let items = tuples.into_iter().map(|tuple| tuple.context).collect();
            return self.path_result(items, kind, raw);
        }
        let mut input = context.clone();
        let mut spread = input.is_list() && !path.absolute;
        let count = path.steps.len();
        for (index, step) in path.steps.iter().enumerate() {
            let last = index + 1 == count;
            let gathered = if step.once {
                let mut gathered = Gathered::new(true, 1);
                let whole = whole_input(&input, spread);
                let item = self.step(step, &whole)?;
                match item {
                    // What is constructed once is not flattened even if steps follow.
                    list if list.is_list() => gathered.whole = Some(list),
                    item => gathered.push(item),
                }
                gathered
            } else {
                self.step_over(step, &input, spread, last)?
            };
            match gathered.whole {
                Some(whole) if last => return self.whole_result(whole, kind),
                Some(whole) => {
                    if whole.count() == 0 {
                        return self.whole_result(whole, kind);
                    }
                    input = whole;
                }
                None if last => return self.path_result(gathered.items, kind, raw),
                None if gathered.items.is_empty() => return Ok(Item::Missing),
                None => input = self.list(gathered.items, ListKind::Sequence)?,
            }
            spread = true;
        }
        Ok(Item::Missing)
    }

    /// Evaluates a step that is not the last for each item of `input`.
    pub(super) fn plain_step_over(
        &mut self,
        step: &StepNode,
        input: &Item<'a>,
    ) -> Outcome<Item<'a>> {
        let gathered = self.step_over(step, input, true, false)?;
        self.list(gathered.items, ListKind::Sequence)
    }

    fn path_result(
        &mut self,
        items: Vec<Item<'a>>,
        kind: ListKind,
        raw: bool,
    ) -> Outcome<Item<'a>> {
        if items.is_empty() && !raw {
            return Ok(Item::Missing);
        }
        if raw || kind == ListKind::Kept {
            return self.list(items, kind);
        }
        self.sequence(items)
    }

    /// Returns the list that a path ended with, which is no sequence.
    fn whole_result(&mut self, whole: Item<'a>, kind: ListKind) -> Outcome<Item<'a>> {
        let constructed = whole.list_kind() == ListKind::Constructed;
        if constructed && kind == ListKind::Kept {
            return self.list(vec![whole], ListKind::Kept);
        }
        Ok(whole)
    }

    /// Evaluates a step for each item of `input` (or for `input` itself, if it is not spread).
    fn step_over(
        &mut self,
        step: &StepNode,
        input: &Item<'a>,
        spread: bool,
        last: bool,
    ) -> Outcome<Gathered<'a>> {
        let count = if spread { input.count() } else { 1 };
        let mut gathered = Gathered::new(last, count);
        if let StepOp::Sort(terms, range) = &step.kind {
            let items = if spread {
                input.items().collect()
            } else {
                vec![input.clone()]
            };
            let sorted = self.sort_items(items, terms, *range)?;
            let mut sorted = Item::list(sorted, ListKind::Sequence);
            for stage in &step.stages {
                if let StageNode::Filter(predicate) = stage {
                    sorted = self.filter(predicate, &sorted)?;
                }
            }
            extend_present(&mut gathered.items, sorted);
            return Ok(gathered);
        }
        if !spread {
            let item = self.step(step, input)?;
            gathered.push(item);
            return Ok(gathered);
        }
        match input {
            Item::InList(values) => {
                self.spend(values.len() as u64)?;
                for value in values.iter() {
                    let item = self.step(step, &Item::of(value))?;
                    gathered.push(item);
                }
            }
            Item::List(list) => {
                self.spend(list.items.len() as u64)?;
                for item in &list.items {
                    let item = self.step(step, item)?;
                    gathered.push(item);
                }
            }
            other => {
                for item in other.items() {
                    let item = self.step(step, &item)?;
                    gathered.push(item);
                }
            }
        }
        Ok(gathered)
    }

    /// Evaluates a step and its predicates for one item.
    #[inline]
    fn step(&mut self, step: &StepNode, context: &Item<'a>) -> Outcome<Item<'a>> {
        let StepOp::Node(node) = &step.kind else {
            return Ok(Item::Missing);
        };
        let mut item = self.eval(node, context)?;
        if step.constructor {
            item = constructed(item);
        }
        for (index, stage) in step.stages.iter().enumerate() {
            if index > 0 && item.is_missing() {
                break;
            }
            if let StageNode::Filter(predicate) = stage {
                item = self.filter(predicate, &item)?;
            }
        }
        Ok(item)
    }

    /// Returns the values of all fields (`*`).
    pub(crate) fn wildcard(&mut self, context: &Item<'a>) -> Outcome<Item<'a>> {
        let context = match context {
            Item::List(list) if list.kind == ListKind::Wrapper => &list.items[0],
            other => other,
        };
        // The reference takes a list for a record of its positions.
        let values: Vec<Item<'a>> = if context.is_list() {
            context.items().collect()
        } else {
            context
                .fields()
                .into_iter()
                .map(|(_, value)| value)
                .collect()
        };
        let mut items = Vec::with_capacity(values.len());
        let mut kind = ListKind::Sequence;
        for value in values {
            if value.is_list() {
                kind = ListKind::Plain;
            }
            self.flatten(value, &mut items)?;
        }
        self.list(items, kind)
    }

    /// Adds the items of a list, and of the lists in it.
    fn flatten(&mut self, item: Item<'a>, items: &mut Vec<Item<'a>>) -> Outcome<()> {
        if !item.is_list() {
            items.push(item);
            return Ok(());
        }
        self.spend(item.count() as u64)?;
        for part in item.items() {
            self.flatten(part, items)?;
        }
        Ok(())
    }

    /// Returns the context and everything below it (`**`).
    pub(crate) fn descendants(&mut self, context: &Item<'a>) -> Outcome<Item<'a>> {
        let mut items = Vec::new();
        if !context.is_missing() {
            self.descend(context.clone(), &mut items)?;
        }
        self.list(items, ListKind::Sequence)
    }

    fn descend(&mut self, item: Item<'a>, items: &mut Vec<Item<'a>>) -> Outcome<()> {
        self.spend(1)?;
        self.charge_items(1)?;
        if item.is_list() {
            for part in item.items() {
                self.descend(part, items)?;
            }
            return Ok(());
        }
        let fields = item.fields();
        items.push(item);
        for (_, value) in fields {
            self.descend(value, items)?;
        }
        Ok(())
    }
}

/// Returns the input of a step that is evaluated once: the sequence that the path goes over.
fn whole_input<'a>(input: &Item<'a>, spread: bool) -> Item<'a> {
    if spread || input.is_missing() {
        input.clone()
    } else {
        Item::list(vec![input.clone()], ListKind::Sequence)
    }
}

/// Marks the list that an array constructor in a path gave.
pub(super) fn constructed(item: Item<'_>) -> Item<'_> {
    match item {
        Item::List(list) if list.kind == ListKind::Plain => match std::rc::Rc::try_unwrap(list) {
            Ok(list) => Item::list(list.items, ListKind::Constructed),
            Err(list) => Item::list(list.items.clone(), ListKind::Constructed),
        },
        Item::Range(ends) => {
            let items = (ends.0..=ends.1).map(Item::Int).collect();
            Item::list(items, ListKind::Constructed)
        }
        other => other,
    }
}

/// Adds what is there, a list item by item.
fn extend_present<'a>(items: &mut Vec<Item<'a>>, item: Item<'a>) {
    if !item.is_missing() {
        extend(items, item);
    }
}
