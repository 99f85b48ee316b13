//! JSON Schema to types: drafts 4 to 2020-12, and the schemas of OpenAPI 3.0 and 3.1.

pub(crate) mod bounds;
pub(crate) mod files;
pub(crate) mod keywords;
pub(crate) mod lower;
pub(crate) mod object;
#[cfg(test)]
mod tests;
pub(crate) mod union;
