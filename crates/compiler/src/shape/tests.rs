use std::collections::BTreeMap;

use expect_test::{Expect, expect};
use schemars::JsonSchema;
use serde::Deserialize;
use sluice_model::finding::Findings;
use sluice_model::span::Sources;
use sluice_sdk::config::{ByteSize, Duration, Expr, Rate, RetryPolicy, Secret, Template, TypeName};
use sluice_syntax::tree::Node;

use super::{check, merge};
use crate::apply::apply;
use crate::de;

/// A thing with every kind of field.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema and its deserializer are used")]
struct Thing {
    /// The thing's name.
    thing: String,
    /// What it is for, in one line.
    summary: Option<String>,
    /// The steps.
    #[serde(default)]
    steps: Vec<String>,
    #[serde(default)]
    retry: RetryPolicy,
    wait: Option<Duration>,
    size: Option<ByteSize>,
    rate: Option<Rate>,
    auth: Option<Auth>,
    mode: Option<Mode>,
    /// Whether it is on.
    on: Option<bool>,
    port: Option<u16>,
    share: Option<f64>,
    when: Option<Expr>,
    #[serde(default)]
    filters: Vec<Filter>,
    log: Option<Template>,
    r#type: Option<TypeName>,
    pair: Option<(u8, String)>,
    #[serde(default)]
    labels: BTreeMap<String, Owner>,
    many: Option<OneOrMany>,
    #[schemars(length(min = 1, max = 8), regex(pattern = "^[a-z]+$"))]
    short: Option<String>,
    #[schemars(length(min = 1))]
    hosts: Option<Vec<String>>,
    kind: Option<Kind>,
    any: Option<serde_json::Value>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema and its deserializer are used")]
struct Owner {
    /// How to reach them: a mail address, a channel.
    contact: String,
    tags: Vec<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema and its deserializer are used")]
struct Filter {
    filter: Expr,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema and its deserializer are used")]
enum Auth {
    /// User and password.
    Basic {
        user: String,
        password: Secret,
    },
    Bearer(Secret),
    Retried(RetryPolicy),
    None,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Mode {
    /// Adds a row.
    Insert,
    /// Adds or replaces.
    Upsert,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema and its deserializer are used")]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema and its deserializer are used")]
enum Kind {
    Queue { prefetch: u32 },
    Topic { group: String },
}

fn schema() -> serde_json::Value {
    schemars::SchemaGenerator::default()
        .into_root_schema_for::<Thing>()
        .to_value()
}

fn parsed(text: &str) -> (Sources, Node) {
    let mut sources = Sources::default();
    let file = sources.add("a.yaml", text);
    let (document, findings) = sluice_syntax::parse_yaml(file, text);
    assert!(findings.is_empty(), "{findings:?}");
    (sources, document.root.expect("a root"))
}

fn found(text: &str) -> (Sources, Node, Findings) {
    let (sources, node) = parsed(text);
    let mut findings = Findings::default();
    check(&node, &schema(), "a thing", &sources, &mut findings);
    (sources, node, findings)
}

/// Shows all findings, one line each: code, place, message, label; then notes, help, fixes.
fn shown(findings: &Findings, sources: &Sources) -> String {
    let mut out = String::new();
    for finding in findings.iter() {
        let span = finding.span.expect("a place");
        let at = sources.get(span.file).line_column(span.start as usize);
        out += &format!(
            "{} {}:{} `{}` {} | {}\n",
            finding.code,
            at.line,
            at.column,
            sources.text(span),
            finding.message,
            finding.label
        );
        for label in &finding.labels {
            out += &format!("  place `{}` {}\n", sources.text(label.span), label.text);
        }
        for note in &finding.notes {
            out += &format!("  note: {note}\n");
        }
        if let Some(help) = &finding.help {
            out += &format!("  help: {help}\n");
        }
        for fix in &finding.fixes {
            out += &format!("  fix: {}\n", fix.title);
        }
    }
    out
}

/// Checks a thing: what is found, and the file after the fixes.
fn checked(text: &str, expected: Expect) {
    let (sources, node, findings) = found(text);
    let mut out = shown(&findings, &sources);
    if findings.iter().any(|finding| !finding.fixes.is_empty()) {
        let applied = apply(&findings, &sources);
        for (_, text) in applied.files {
            out += &format!("--- mended\n{text}");
        }
    }
    let read = de::read::<Thing>(&node);
    assert!(
        read.is_ok() || findings.has_errors(),
        "nothing was found, but it does not fit: {read:?}"
    );
    expected.assert_eq(&out);
}

#[test]
fn what_is_right_gives_nothing() {
    checked(
        r#"
thing: 12                     # a text, whatever YAML says
summary: null
steps: [a, 7, true, "x: y"]
retry: { attempts: 5, backoff: 500ms, max: 30s }
wait: 1h30m
size: 4MiB
rate: 50/s
auth: { basic: { user: u, password: { secret: x } } }
mode: upsert
on: true
port: 65535
share: 1.5
when: { a: [1, { b: c }] }
log: order {orderId}
type: contracts/a.schema.json#A
pair: [255, x]
labels: { a: { contact: x, tags: [] } }
many: [a, b]
short: abc
hosts: [a]
kind: { kind: queue, prefetch: 3 }
any: { whatever: [1, 2] }
"#,
        expect![[""]],
    );
    checked("{ thing: a, auth: none, many: a, log: 5 }\n", expect![[""]]);
}

#[test]
fn keys_that_are_unknown_or_missing() {
    checked(
        "thng: a\nsumary: b\nretry:\n  atempts: 3\n  colour: red\n",
        expect![[r#"
            E0101 1:1 `thng` unknown key `thng` in a thing | not a key of a thing
              note: the keys of a thing are `thing`, `summary`, `steps`, `retry`, `wait`, `size`, `rate`, `auth`, `mode`, `on`, `port`, `share`, `when`, `filters`, `log`, `type`, `pair`, `labels`, `many`, `short`, `hosts`, `kind` and `any`
              help: did you mean `thing`?
              fix: rename to `thing`
            E0101 2:1 `sumary` unknown key `sumary` in a thing | not a key of a thing
              note: the keys of a thing are `thing`, `summary`, `steps`, `retry`, `wait`, `size`, `rate`, `auth`, `mode`, `on`, `port`, `share`, `when`, `filters`, `log`, `type`, `pair`, `labels`, `many`, `short`, `hosts`, `kind` and `any`
              help: did you mean `summary`?
              fix: rename to `summary`
            E0101 4:3 `atempts` unknown key `atempts` in `retry` | not a key of `retry`
              note: the keys of `retry` are `attempts`, `backoff` and `max`
              help: did you mean `attempts`?
              fix: rename to `attempts`
            E0101 5:3 `colour` unknown key `colour` in `retry` | not a key of `retry`
              help: the keys of `retry` are `attempts`, `backoff` and `max`
            --- mended
            thing: a
            summary: b
            retry:
              attempts: 3
              colour: red
        "#]],
    );
    checked(
        "summary: a\nlabels:\n  x: { contact: me }\n  y:\n    contact: me\n",
        expect![[r#"
        E0102 3:3 `x` `x` has no `tags` | `tags` is missing here
          help: add `tags: []`
          fix: add `tags: []`
        E0102 4:3 `y` `y` has no `tags` | `tags` is missing here
          help: add `tags: []`
          fix: add `tags: []`
        E0102 1:1 `summary` a thing has no `thing` | `thing` is missing here
          note: `thing`: the thing's name
          help: add `thing: ...`, a text
        --- mended
        summary: a
        labels:
          x: { tags: [], contact: me }
          y:
            tags: []
            contact: me
    "#]],
    );
    checked(
        "labels: { x: {} }\n",
        expect![[r#"
        E0102 1:11 `x` `x` has no `contact` | `contact` is missing here
          note: `contact`: how to reach them: a mail address, a channel
          help: add `contact: ...`, a text
        E0102 1:11 `x` `x` has no `tags` | `tags` is missing here
          help: add `tags: []`
          fix: add `tags: []`
        E0102 1:1 `labels` a thing has no `thing` | `thing` is missing here
          note: `thing`: the thing's name
          help: add `thing: ...`, a text
        --- mended
        labels: { x: { tags: [] } }
    "#]],
    );
    checked(
        "thing: a\nthing_: b\n",
        expect![[r#"
            E0101 2:1 `thing_` unknown key `thing_` in a thing | not a key of a thing
              help: the keys of a thing are `thing`, `summary`, `steps`, `retry`, `wait`, `size`, `rate`, `auth`, `mode`, `on`, `port`, `share`, `when`, `filters`, `log`, `type`, `pair`, `labels`, `many`, `short`, `hosts`, `kind` and `any`
        "#]],
    );
}

#[test]
fn values_of_the_wrong_type() {
    checked(
        "thing: [a]\nsummary:\nsteps: one\nretry: 3\non: yes\nport: '80'\nshare: much\n\
         pair: [1]\nlabels: [a]\nany:\n",
        expect![[r#"
            E0103 1:8 `[a]` `thing` must be a text | this is a list
              help: write `a` without the brackets
              fix: write `a` without the brackets
            E0103 3:8 `one` `steps` must be a list of texts | this is the text `one`
              help: write a list: `[one]`
              fix: write a list: `[one]`
            E0103 4:8 `3` `retry` must be a map | this is the integer `3`
              note: `retry`: how a failing call or write is tried again
            E0103 5:5 `yes` `on` must be `true` or `false` | this is the text `yes`
              help: write `true`
              fix: write `true`
            E0103 6:7 `'80'` `port` must be an integer | this is the text `80`
              help: write `80` without quotes
              fix: write `80` without quotes
            E0103 7:8 `much` `share` must be a number | this is the text `much`
            E0107 8:1 `pair` `pair` must have at least 2 items | has 1
              place `[1]` the list
            E0103 9:9 `[a]` `labels` must be a map | this is a list
            --- mended
            thing: a
            summary:
            steps: [one]
            retry: 3
            on: true
            port: 80
            share: much
            pair: [1]
            labels: [a]
            any:
        "#]],
    );
}

#[test]
fn values_of_the_wrong_kind() {
    checked(
        "thing: { a: b }\nsteps: { a: b }\non: [true]\nport: 1_000\nretry: { attempts: [3] }\n\
         log: {orderId}\ntype: [a]\nwhen:\nlabels: { x: y }\n",
        expect![[r#"
            E0103 1:8 `{ a: b }` `thing` must be a text | this is a map
              note: `thing`: the thing's name
            E0103 2:8 `{ a: b }` `steps` must be a list of texts | this is a map
              note: `steps`: the steps
            E0103 3:5 `[true]` `on` must be `true` or `false` | this is a list
              help: write `true` without the brackets
              fix: write `true` without the brackets
            E0103 4:7 `1_000` `port` must be an integer | this is the text `1_000`
              help: write `1000`
              fix: write `1000`
            E0103 5:20 `[3]` `attempts` must be an integer | this is a list
              help: write `3` without the brackets
              fix: write `3` without the brackets
            E0103 6:6 `{orderId}` `log` must be a text | this is a map
              help: put the text in quotes
              fix: put the text in quotes
            E0103 7:7 `[a]` `type` must be a type of a contract | this is a list
              help: write `a` without the brackets
              fix: write `a` without the brackets
            E0103 9:14 `y` `x` must be a map | this is the text `y`
            --- mended
            thing: { a: b }
            steps: { a: b }
            on: true
            port: 1000
            retry: { attempts: 3 }
            log: '{orderId}'
            type: a
            when:
            labels: { x: y }
        "#]],
    );
    checked(
        "- a\n- b\n",
        expect![[r#"
        E0103 1:1 `- a` a thing must be a map | this is a list
          note: a thing: a thing with every kind of field
    "#]],
    );
    checked(
        "thing: a\nsteps: [[a], { b: c }, ]\nport: 8.0\non: 1\nshare: '1.5'\n",
        expect![[r#"
        E0103 2:9 `[a]` an item of `steps` must be a text | this is a list
          help: write `a` without the brackets
          fix: write `a` without the brackets
        E0103 2:14 `{ b: c }` an item of `steps` must be a text | this is a map
        E0103 3:7 `8.0` `port` must be an integer | this is the number `8.0`
          help: write `8`
          fix: write `8`
        E0103 4:5 `1` `on` must be `true` or `false` | this is the integer `1`
          help: write `true`
          fix: write `true`
        E0103 5:8 `'1.5'` `share` must be a number | this is the text `1.5`
          help: write `1.5` without quotes
          fix: write `1.5` without quotes
        --- mended
        thing: a
        steps: [a, { b: c }, ]
        port: 8
        on: true
        share: 1.5
    "#]],
    );
}

#[test]
fn an_expression_that_is_needed_is_written() {
    checked(
        "thing: a\nfilters:\n  - filter:\n  - filter: null\n  - filter: { a: }\n",
        expect![[r#"
            E0103 3:5 `filter` `filter` must be an expression | nothing stands here
        "#]],
    );
}

#[test]
fn secrets_are_named_and_never_repeated() {
    let text = "thing: a\nauth: { basic: { user: u, password: hunter2 } }\n";
    checked(
        text,
        expect![[r#"
            E0602 2:37 `hunter2` `password` is a secret, and stands here in plain text | the name of a secret belongs here
              note: the value is read at start, from `SLUICE_SECRET_PASSWORD` or `.sluice/secrets/password`
              help: write `{ secret: password }`, and renew the secret if this file was shared
              fix: write `{ secret: password }`
            --- mended
            thing: a
            auth: { basic: { user: u, password: { secret: password } } }
        "#]],
    );
    checked(
        "thing: a\nauth: { bearer: 12345 }\n",
        expect![[r#"
            E0602 2:17 `12345` `bearer` is a secret, and stands here in plain text | the name of a secret belongs here
              note: the value is read at start, from `SLUICE_SECRET_BEARER` or `.sluice/secrets/bearer`
              help: write `{ secret: bearer }`, and renew the secret if this file was shared
              fix: write `{ secret: bearer }`
            --- mended
            thing: a
            auth: { bearer: { secret: bearer } }
        "#]],
    );
    let (_, _, findings) = found(text);
    let said = &findings.0[0];
    let texts = [
        &said.message,
        &said.label,
        &said.notes[0],
        &said.fixes[0].title,
    ];
    assert!(
        texts.iter().all(|text| !text.contains("hunter2")),
        "{said:?}"
    );
}

#[test]
fn units_are_asked_for() {
    checked(
        "thing: a\nwait: 30\nsize: 10 MB\nrate: 100 per minute\n\
         retry: { backoff: 5sec, max: 1x }\n",
        expect![[r#"
            E0104 2:7 `30` `30` has no unit | expected a duration
              help: write a number and a unit, such as `250ms`, `30s`, `5m`, `2h` or `7d`
              fix: write `30s`
            E0104 3:7 `10 MB` ` MB` is not a unit of size | expected a size
              help: write a number and a unit, such as `512B`, `64KiB`, `4MiB` or `1GiB`
              fix: write `10MB`
            E0104 4:7 `100 per minute` `100 per minute` is not a rate | expected a rate
              help: write a count and a time, such as `50/s`, `100/min` or `1000/h`
              fix: write `100/min`
            E0104 5:19 `5sec` `sec` is not a unit of time | expected a duration
              help: write a number and a unit, such as `250ms`, `30s`, `5m`, `2h` or `7d`
              fix: write `5s`
            E0104 5:30 `1x` `x` is not a unit of time | expected a duration
              help: write a number and a unit, such as `250ms`, `30s`, `5m`, `2h` or `7d`
            --- mended
            thing: a
            wait: 30s
            size: 10MB
            rate: 100/min
            retry: { backoff: 5s, max: 1x }
        "#]],
    );
    checked(
        "thing: a\nwait: soon\nsize: 64k\nrate: 50\nretry: { max: 2 days }\n",
        expect![[r#"
        E0104 2:7 `soon` `soon` is not a duration | expected a duration
          help: write a number and a unit, such as `250ms`, `30s`, `5m`, `2h` or `7d`
        E0104 3:7 `64k` `k` is not a unit of size | expected a size
          help: write a number and a unit, such as `512B`, `64KiB`, `4MiB` or `1GiB`
          fix: write `64KiB`
        E0104 4:7 `50` `50` is not a rate | expected a rate
          help: write a count and a time, such as `50/s`, `100/min` or `1000/h`
          fix: write `50/s`
        E0104 5:15 `2 days` `2 days` has no unit | expected a duration
          help: write a number and a unit, such as `250ms`, `30s`, `5m`, `2h` or `7d`
          fix: write `2d`
        --- mended
        thing: a
        wait: soon
        size: 64KiB
        rate: 50/s
        retry: { max: 2d }
    "#]],
    );
}

#[test]
fn choices_are_named() {
    checked(
        "thing: a\nmode: upsrt\nauth: non\n",
        expect![[r#"
        E0105 2:7 `upsrt` `upsrt` is not a choice for `mode` | expected `insert` or `upsert`
          help: did you mean `upsert`?
          fix: write `upsert`
        E0105 3:7 `non` `non` is not a choice for `auth` | expected `none`, `basic`, `bearer` or `retried`
          help: did you mean `none`?
          fix: write `none`
        --- mended
        thing: a
        mode: upsert
        auth: none
    "#]],
    );
    checked(
        "thing: a\nmode: replace\nauth: { basik: { user: u } }\n",
        expect![[r#"
        E0105 2:7 `replace` `replace` is not a choice for `mode` | expected `insert` or `upsert`
          help: write `insert` or `upsert`
        E0105 3:9 `basik` `basik` is not a choice for `auth` | expected `none`, `basic`, `bearer` or `retried`
          help: did you mean `basic`?
          fix: rename to `basic`
        --- mended
        thing: a
        mode: replace
        auth: { basic: { user: u } }
    "#]],
    );
    checked(
        "thing: a\nauth: basic\nmode: [insert]\n",
        expect![[r#"
        E0103 2:7 `basic` `basic` needs a map in `auth` | only the name stands here
          help: write `{ basic: ... }`
        E0103 3:7 `[insert]` `mode` must be `insert` or `upsert` | this is a list
          help: write `insert` without the brackets
          fix: write `insert` without the brackets
        --- mended
        thing: a
        auth: basic
        mode: insert
    "#]],
    );
    checked(
        "thing: a\nauth: retried\n",
        expect![[r#"
        E0103 2:7 `retried` `retried` needs a map in `auth` | only the name stands here
          help: write `{ retried: ... }`
          fix: write `{ retried: {} }`
        --- mended
        thing: a
        auth: { retried: {} }
    "#]],
    );
}

#[test]
fn one_choice_is_made() {
    checked(
        "thing: a\nauth: { bearer: { secret: x }, none: }\n",
        expect![[r#"
        E0101 2:32 `none` unknown key `none` in `auth` | nothing may stand beside `bearer`
          place `bearer` `auth` is `bearer`
          help: remove it
    "#]],
    );
    checked(
        "thing: a\nauth: { bearer: { secret: x }, none: , user: u, basic: {} }\n",
        expect![[r#"
        E0103 2:49 `basic` `auth` is one thing, not several | `basic` is a second one
          place `bearer` `bearer` is the first
          help: keep one of `bearer` and `basic`
    "#]],
    );
    checked(
        "thing: a\nauth:\n  basic: { password: { secret: x, x: y } }\n  user: u\n",
        expect![[r#"
            E0101 3:35 `x` unknown key `x` in `password` | not a key of `password`
              help: the only key of `password` is `secret`
            E0102 3:3 `basic` `basic` has no `user` | `user` is missing here
              help: add `user: ...`, a text
            E0101 4:3 `user` unknown key `user` in `auth` | nothing may stand beside `basic`
              place `basic` `auth` is `basic`
              help: `user` is a key of `basic`: move it there
        "#]],
    );
}

#[test]
fn shapes_are_told_apart() {
    checked(
        "thing: a\nauth: {}\nmany: { a: b }\n",
        expect![[r#"
        E0103 2:7 `{}` `auth` must be `none`, or a map with one of the keys `basic`, `bearer` or `retried` | this map is empty
        E0103 3:7 `{ a: b }` `many` must be a text, or a list of texts | this is a map
    "#]],
    );
    checked(
        "thing: a\nauth: [none]\nmany: 5\nmode:\n",
        expect![[r#"
        E0103 2:7 `[none]` `auth` must be `none`, or a map with one of the keys `basic`, `bearer` or `retried` | this is a list
          help: write `none` without the brackets
          fix: write `none` without the brackets
        E0103 3:7 `5` `many` must be a text | this is the integer `5`
          help: write `'5'`
          fix: write `'5'`
        --- mended
        thing: a
        auth: none
        many: '5'
        mode:
    "#]],
    );
    checked(
        "thing: a\nkind: { kind: que, prefetch: 1 }\n",
        expect![[r#"
        E0105 2:15 `que` `que` is not a choice for `kind` | expected `queue` or `topic`
          help: write `queue` or `topic`
    "#]],
    );
    checked(
        "thing: a\nkind: { kind: queue }\n",
        expect![[r#"
        E0102 2:1 `kind` `kind` has no `prefetch` | `prefetch` is missing here
          help: add `prefetch: ...`, an integer
    "#]],
    );
}

#[test]
fn bounds_are_kept() {
    checked(
        "thing: a\nport: 70000\nretry: { attempts: -1 }\npair: [256, x, y]\nshort: ''\nhosts: []\n",
        expect![[r#"
            E0107 2:7 `70000` `port` must be at most 65535 | this is the integer `70000`
              help: write a number from 0 to 65535
            E0107 3:20 `-1` `attempts` must be at least 0 | this is the integer `-1`
              help: write a number that is at least 0
            E0107 4:8 `256` an item of `pair` must be at most 255 | this is the integer `256`
              help: write a number from 0 to 255
            E0107 4:1 `pair` `pair` must have at most 2 items | has 3
              place `[256, x, y]` the list
            E0107 5:8 `''` `short` must not be empty | this is empty
            E0107 6:1 `hosts` `hosts` must have at least 1 item | has 0
              place `[]` the list
        "#]],
    );
    checked(
        "thing: a\nshort: ABC\npair: [1, x, y]\n",
        expect![[r#"
        E0107 2:8 `ABC` `short` must match the pattern `^[a-z]+$` | `ABC` does not
        E0107 3:1 `pair` `pair` must have at most 2 items | has 3
          place `[1, x, y]` the list
    "#]],
    );
    checked(
        "thing: a\nshort: abcdefghijk\n",
        expect![[r#"
        E0107 2:8 `abcdefghijk` `short` must have at most 8 characters | `abcdefghijk` does not
    "#]],
    );
}

#[test]
fn an_environment_replaces_single_keys() {
    let (_, base) = parsed(
        "thing: a\nretry: { attempts: 3, max: 5s }\nsteps: [a, b]\n\
         auth: { bearer: { secret: x } }\nlabels: { x: { contact: me } }\n",
    );
    let (_, over) = parsed(
        "retry: { attempts: 9 }\nsteps: [c]\nauth: { basic: { user: u } }\n\
         labels: { y: { contact: you } }\nport: 80\n",
    );
    let show = |node: &Node| {
        de::read::<serde_json::Value>(node)
            .expect("a value")
            .to_string()
    };
    expect![[r#"{"thing":"a","retry":{"attempts":9,"max":"5s"},"steps":["c"],"auth":{"basic":{"user":"u"}},"labels":{"x":{"contact":"me"},"y":{"contact":"you"}},"port":80}"#]].assert_eq(&show(&merge(&base, &over, Some(&schema()))));
    let (_, over) = parsed("auth: { bearer: { secret: z } }\n");
    expect![[r#"{"thing":"a","retry":{"attempts":3,"max":"5s"},"steps":["a","b"],"auth":{"bearer":{"secret":"z"}},"labels":{"x":{"contact":"me"}}}"#]].assert_eq(&show(&merge(&base, &over, Some(&schema()))));
    let (_, over) = parsed("auth: { basic: { user: u } }\nretry:\n");
    expect![[r#"{"thing":"a","retry":null,"steps":["a","b"],"auth":{"bearer":{"secret":"x"},"basic":{"user":"u"}},"labels":{"x":{"contact":"me"}}}"#]].assert_eq(&show(&merge(&base, &over, None)));
    let (_, over) = parsed("auth: null\nretry: { max: null }\nport: null\n");
    expect![[r#"{"thing":"a","retry":{"attempts":3},"steps":["a","b"],"labels":{"x":{"contact":"me"}},"port":null}"#]].assert_eq(&show(&merge(&base, &over, Some(&schema()))));
}

#[test]
fn every_prefix_of_a_file_is_checked_without_a_panic() {
    let text = "thing: a\nauth: { basic: { user: u, password: { secret: x } } }\nretry:\n  \
        attempts: 3\n  max: 5s\nkind: { kind: queue, prefetch: 3 }\nlabels:\n  a: { tags: [x] }\n";
    for end in 0..text.len() {
        for replaced in ["", "[", "{ a: b }", "- x", "~", "\u{1f600}: "] {
            let text = format!("{}{replaced}", &text[..end]);
            let mut sources = Sources::default();
            let file = sources.add("a.yaml", &text);
            let (document, _) = sluice_syntax::parse_yaml(file, &text);
            let Some(root) = document.root else {
                continue;
            };
            let mut findings = Findings::default();
            check(&root, &schema(), "a thing", &sources, &mut findings);
            apply(&findings, &sources);
            if !findings.has_errors() {
                de::read::<Thing>(&root).unwrap_or_else(|error| panic!("{text}: {error}"));
            }
        }
    }
}
