//! Builds records whose keys are not known to differ.

use std::collections::HashMap;

use sluice_model::value::{Key, Text};

use crate::eval::item::{Fields, Item, same_key};

/// Above this many fields an index finds the one with a key.
const INDEXED: usize = 16;

/// Fields under construction; of two with one key the later value stands at the earlier place.
#[derive(Default)]
pub(crate) struct FieldsBuilder<'a> {
    fields: Fields<'a>,
    index: HashMap<Text<'a>, usize>,
}

impl<'a> FieldsBuilder<'a> {
    pub(crate) fn with(fields: Fields<'a>) -> Self {
        let mut builder = Self {
            fields,
            index: HashMap::new(),
        };
        builder.reindex();
        builder
    }

    fn reindex(&mut self) {
        if self.fields.len() > INDEXED {
            let keys = self.fields.iter().enumerate();
            self.index = keys.map(|(at, (key, _))| (key.to_text(), at)).collect();
        }
    }

    /// Returns the place of a key.
    pub(crate) fn position(&self, key: &Key<'a>) -> Option<usize> {
        if self.index.is_empty() {
            self.fields.iter().position(|(own, _)| same_key(own, key))
        } else {
            self.index.get(&key.to_text()).copied()
        }
    }

    /// Sets a field.
    pub(crate) fn set(&mut self, key: Key<'a>, value: Item<'a>) {
        match self.position(&key) {
            Some(at) => self.fields[at].1 = value,
            None => self.add(key, value),
        }
    }

    /// Adds a field whose key is not there yet.
    pub(crate) fn add(&mut self, key: Key<'a>, value: Item<'a>) {
        if !self.index.is_empty() {
            self.index.insert(key.to_text(), self.fields.len());
        }
        self.fields.push((key, value));
        if self.fields.len() == INDEXED + 1 {
            self.reindex();
        }
    }

    pub(crate) fn finish(self) -> Fields<'a> {
        self.fields
    }
}
