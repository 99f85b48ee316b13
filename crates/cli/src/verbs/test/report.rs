//! What a test run prints.

use serde_json::{Value as Json, json};

use crate::verbs::test::Ran;

/// For people: a line for each case, the differences under it, the sum at the end.
pub(crate) fn text(ran: &[Ran]) -> String {
    let mut text = String::new();
    for own in ran {
        let mark = if own.failures.is_empty() {
            "ok  "
        } else {
            "FAIL"
        };
        text.push_str(&format!("{mark} {}: {}\n", own.case.flow, own.case.name));
        if !own.failures.is_empty() {
            text.push_str(&format!("    {}\n", own.case.path));
        }
        for failure in &own.failures {
            text.push_str(&format!("    {failure}\n"));
        }
    }
    let failed = ran.iter().filter(|own| !own.failures.is_empty()).count();
    text.push_str(&format!(
        "\n{} passed, {failed} failed\n",
        ran.len() - failed
    ));
    text
}

/// For programs: `{ "passed", "failed", "cases": [...] }`, each case with `test`, `flow`, `file`,
/// `passed` and `failures`.
pub(crate) fn json(ran: &[Ran]) -> Json {
    let failed = ran.iter().filter(|own| !own.failures.is_empty()).count();
    let cases: Vec<Json> = ran
        .iter()
        .map(|own| {
            json!({
                "test": &*own.case.name,
                "flow": own.case.flow.as_str(),
                "file": &*own.case.path,
                "passed": own.failures.is_empty(),
                "failures": own.failures,
            })
        })
        .collect();
    json!({ "passed": ran.len() - failed, "failed": failed, "cases": cases })
}

/// For build servers: JUnit.
pub(crate) fn junit(ran: &[Ran]) -> String {
    let failed = ran.iter().filter(|own| !own.failures.is_empty()).count();
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"sluice\" \
         tests=\"{}\" failures=\"{failed}\">\n",
        ran.len()
    );
    for own in ran {
        let name = escape(&own.case.name);
        let flow = escape(own.case.flow.as_str());
        let file = escape(&own.case.path);
        let head = format!("    <testcase name=\"{name}\" classname=\"{flow}\" file=\"{file}\"");
        if own.failures.is_empty() {
            text.push_str(&format!("{head}/>\n"));
            continue;
        }
        let first = escape(own.failures[0].lines().next().unwrap_or_default());
        let all = escape(&own.failures.join("\n"));
        text.push_str(&format!(
            "{head}>\n      <failure message=\"{first}\">{all}</failure>\n    </testcase>\n"
        ));
    }
    text.push_str("  </testsuite>\n</testsuites>\n");
    text
}

/// Escapes a text for XML 1.0; characters that XML cannot hold become U+FFFD.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() && !matches!(c, '\n' | '\t') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
