use std::collections::BTreeMap;

use serde::Deserialize;
use sluice_model::span::{Sources, Span};
use sluice_sdk::config::{Duration, Expr, RetryPolicy, Secret};
use sluice_syntax::tree::Node;

use super::{Error, Fields, Trace, erased, read};

fn parsed(text: &str) -> (Sources, Node) {
    let mut sources = Sources::default();
    let file = sources.add("flows/a.yaml", text);
    let (document, findings) = sluice_syntax::parse_yaml(file, text);
    assert!(findings.is_empty(), "{findings:?}");
    (sources, document.root.expect("a root"))
}

fn of<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, String> {
    let (sources, node) = parsed(text);
    read(&node).map_err(|error: Error| {
        let place = error.span.map_or("?", |span| sources.text(span));
        format!("{place}: {error}")
    })
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Auth {
    Basic { user: String, password: Secret },
    Bearer(Secret),
    Pair(u8, String),
    None,
}

#[test]
fn the_type_of_a_field_reads_the_scalar() {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct All {
        id: String,
        flag: String,
        number: u32,
        large: u64,
        float: f64,
        yes: bool,
        missing: Option<String>,
        empty: Option<u8>,
        letter: char,
        wait: Duration,
        map: BTreeMap<u16, String>,
        pair: (i8, String),
        any: serde_json::Value,
    }
    let text = "id: 12\nflag: true\nnumber: 0x10\nlarge: 18446744073709551615\nfloat: 3\n\
        yes: true\nempty:\nletter: 7\nwait: 5m\nmap: { 80: http, '443': https }\npair: [-3, ~]\n\
        any: { a: [1, 1.5, x, null, '1', true] }\n";
    assert_eq!(
        of::<All>(text),
        Ok(All {
            id: "12".to_owned(),
            flag: "true".to_owned(),
            number: 16,
            large: u64::MAX,
            float: 3.0,
            yes: true,
            missing: None,
            empty: None,
            letter: '7',
            wait: Duration(std::time::Duration::from_secs(300)),
            map: BTreeMap::from([(80, "http".to_owned()), (443, "https".to_owned())]),
            pair: (-3, "~".to_owned()),
            any: serde_json::json!({ "a": [1, 1.5, "x", null, "1", true] }),
        })
    );
}

#[test]
fn enums_are_a_name_or_a_map_with_one_key() {
    let secret = |name: &str| Secret {
        secret: name.to_owned(),
    };
    assert_eq!(of("none"), Ok(Auth::None));
    assert_eq!(of("{ none: }"), Ok(Auth::None));
    assert_eq!(
        of("bearer: { secret: erp }"),
        Ok(Auth::Bearer(secret("erp")))
    );
    assert_eq!(of("pair: [1, 2]"), Ok(Auth::Pair(1, "2".to_owned())));
    assert_eq!(
        of("basic:\n  user: 7\n  password: { secret: x }\n"),
        Ok(Auth::Basic {
            user: "7".to_owned(),
            password: secret("x"),
        })
    );
    let wrong = |text: &str| of::<Auth>(text).expect_err("does not fit");
    assert_eq!(wrong("{ bearer: 5 }"), "5: expected a map, found integer");
    assert_eq!(
        wrong("bearer"),
        "bearer: expected a map with the key `bearer`, found text"
    );
    assert_eq!(wrong("{ none: 3 }"), "3: expected nothing, found integer");
    assert_eq!(
        wrong("{ none: , pair: }"),
        "{ none: , pair: }: expected a map with one key, found map"
    );
    assert!(
        wrong("[]").starts_with("[]: expected a name"),
        "{}",
        wrong("[]")
    );
}

#[test]
fn errors_name_the_innermost_node() {
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Step {
        #[expect(dead_code, reason = "only read")]
        retry: Vec<RetryPolicy>,
    }
    let wrong = |text: &str| of::<Step>(text).expect_err("does not fit");
    assert_eq!(
        wrong("retry: [{ attempts: 3 }, { attempts: '3' }]"),
        "'3': expected an integer, found text"
    );
    assert_eq!(
        wrong("retry: [{ attempts: 4294967296 }]"),
        "4294967296: invalid value: integer `4294967296`, expected u32"
    );
    assert!(
        wrong("retry: [{ backoff: 30 }]").starts_with("30: `30` has no unit"),
        "{}",
        wrong("retry: [{ backoff: 30 }]")
    );
    assert!(wrong("retry: [{ tries: 3 }]").starts_with("tries: unknown field `tries`"));
    assert!(wrong("{}").ends_with("missing field `retry`"));
}

#[test]
fn erased_use_gives_places_and_a_trace() {
    let (sources, node) = parsed("from: x\nwhen: total > 100\nretry: { attempts: no }\n");
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Own {
        when: Expr,
        #[serde(default)]
        retry: RetryPolicy,
    }
    let fields = Fields::of(&node).expect("a map").without(&["from"]);
    let trace = Trace::default();
    let own = fields.clone().without(&["retry"]);
    let own: Own = erased_serde::deserialize(&mut *own.erased(&trace)).expect("fits");
    assert_eq!(sources.text(own.when.span), "total > 100");
    assert_eq!(own.retry, RetryPolicy::default());
    assert_eq!(trace.span(), None);

    let failed: Result<Own, _> = erased_serde::deserialize(&mut *fields.erased(&trace));
    assert!(failed.is_err());
    assert_eq!(trace.span().map(|span| sources.text(span)), Some("no"));

    let trace = Trace::default();
    let failed: Result<Own, _> = erased_serde::deserialize(&mut *erased(&node, &trace));
    assert!(failed.is_err());
    assert_eq!(trace.span().map(|span| sources.text(span)), Some("from"));
}

#[test]
fn doubled_keys_count_once() {
    let text = "attempts: 2\nattempts: 3\n";
    let mut sources = Sources::default();
    let file = sources.add("a", text);
    let (document, findings) = sluice_syntax::parse_yaml(file, text);
    assert!(findings.has_errors());
    let node = document.root.expect("a root");
    assert_eq!(
        read::<RetryPolicy>(&node).map(|policy| policy.attempts),
        Ok(2)
    );
    let fields = Fields::of(&node).expect("a map");
    assert_eq!(fields.entries.len(), 1);
    assert_eq!(
        fields.read::<RetryPolicy>().map(|policy| policy.attempts),
        Ok(2)
    );
}

#[test]
fn fields_can_be_chosen() {
    let (_, node) = parsed("a: 1\nb: 2\nc: 3\n");
    let keys = |fields: Fields<'_>| -> Vec<String> {
        fields
            .entries
            .iter()
            .map(|field| field.key.to_owned())
            .collect()
    };
    let fields = Fields::of(&node).expect("a map");
    assert_eq!(keys(fields.clone().without(&["b", "x"])), ["a", "c"]);
    assert_eq!(keys(fields.clone().only(&["b", "x"])), ["b"]);
    assert_eq!(
        fields.get("c").map(|field| field.value.span.start),
        Some(13)
    );
    let none = Fields::empty(Span::new(node.span.file, 0, 0));
    assert_eq!(none.read::<RetryPolicy>(), Ok(RetryPolicy::default()));
}
