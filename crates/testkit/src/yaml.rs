//! YAML of tests as values.

use serde_json::Value as Json;
use sluice_model::span::FileId;
use sluice_model::value::Value;

/// Reads YAML as the project language does, as JSON; numbers with many digits become doubles.
///
/// # Panics
/// If there is any finding: a test's own text is wrong then.
pub fn json(text: &str) -> Json {
    serde_json::from_str(&sluice_model::json::to_string(&value(text)))
        .expect("a value's JSON is JSON")
}

/// Reads YAML as the project language does; numbers keep what is written.
///
/// # Panics
/// If there is any finding: a test's own text is wrong then.
pub fn value(text: &str) -> Value<'static> {
    let (document, findings) = sluice_syntax::parse_yaml(FileId(0), text);
    assert!(
        findings.is_empty(),
        "the test's YAML is wrong: {findings:?}\n{text}"
    );
    document.root.map_or(Value::Null, |root| root.to_value())
}
