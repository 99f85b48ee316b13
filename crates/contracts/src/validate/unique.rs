//! Lists whose items must differ.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use sluice_model::value::Value;

/// Up to this many items each is compared with each, without an allocation.
const PAIRS_MAX: usize = 16;

/// Returns the indices of the first two items that are equal.
pub(super) fn first_twins(items: &[Value<'_>]) -> Option<(usize, usize)> {
    if items.len() <= PAIRS_MAX {
        return items.iter().enumerate().find_map(|(second, item)| {
            let first = items[..second].iter().position(|other| other == item)?;
            Some((first, second))
        });
    }
    let hashed = items.iter().enumerate().map(|(i, item)| (hash(item), i));
    let mut hashed: Vec<(u64, usize)> = hashed.collect();
    hashed.sort_unstable();
    // Equal hashes are neighbours; chance collisions are too rare to matter, made ones are not
    // possible within one sort key of 64 bits that the sender cannot see the cost of.
    let same = hashed
        .chunk_by(|a, b| a.0 == b.0)
        .filter(|chunk| 1 < chunk.len());
    same.filter_map(|chunk| {
        let first = chunk[0].1;
        let twin = chunk[1..].iter().find(|(_, i)| items[*i] == items[first])?;
        Some((first, twin.1))
    })
    .min_by_key(|(_, second)| *second)
}

/// Hashes a value so that equal values have equal hashes: numbers by their double, records without
/// order.
fn hash(value: &Value<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    match value {
        Value::Null => 0u8.hash(&mut hasher),
        Value::Bool(bool) => bool.hash(&mut hasher),
        Value::Text(text) => text.as_str().hash(&mut hasher),
        Value::Bytes(bytes) => bytes.hash(&mut hasher),
        Value::List(items) => items.iter().for_each(|item| hash(item).hash(&mut hasher)),
        Value::Record(record) => {
            let fields = record.iter().map(|(key, value)| {
                let mut own = DefaultHasher::new();
                key.as_str().hash(&mut own);
                hash(value).hash(&mut own);
                own.finish()
            });
            fields.fold(0u64, u64::wrapping_add).hash(&mut hasher);
        }
        Value::Int(_) | Value::Decimal(_) | Value::Float(_) | Value::Literal(_) => {
            // Zero has two signs and one meaning.
            let float = value.as_f64().unwrap_or(f64::NAN) + 0.0;
            float.to_bits().hash(&mut hasher);
        }
    }
    hasher.finish()
}
