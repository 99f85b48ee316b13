//! Positions in memory, kept as the engine keeps them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use sluice_model::fault::Fault;
use sluice_model::value::Value;
use sluice_sdk::connection::{PositionMark, Positions};
use sluice_sdk::cx::BoxFuture;

/// Committed positions by key; clones share them.
#[derive(Debug, Clone, Default)]
pub struct MemoryPositions(Arc<Mutex<BTreeMap<String, Value<'static>>>>);

impl MemoryPositions {
    /// Commits a position, or forgets its key.
    pub fn commit(&self, mark: &PositionMark) {
        let mut positions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mark.value {
            Some(value) => positions.insert(mark.key.to_string(), value.clone()),
            None => positions.remove(&*mark.key),
        };
    }

    /// Returns all committed positions.
    pub fn all(&self) -> BTreeMap<String, Value<'static>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Positions for MemoryPositions {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Value<'static>>, Fault>> {
        let value = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(key)
            .cloned();
        Box::pin(async move { Ok(value) })
    }
}
