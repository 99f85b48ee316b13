//! Test cases: what goes in, what the outside answers, what must come out. Values are literals.

use std::sync::Arc;

use sluice_model::codes;
use sluice_model::finding::did_you_mean;
use sluice_model::ids::{ConnectionName, FlowName};
use sluice_model::span::Span;
use sluice_model::time::Timestamp;
use sluice_model::value::{Record, Value};
use sluice_syntax::tree::{Entry, Node};

use crate::files::TestFile;
use crate::project::FileKind;
use crate::release::Release;
use crate::work::Work;

/// A test case.
#[derive(Debug, Clone)]
pub struct TestCase {
    /// What it shows.
    pub name: Arc<str>,
    /// Its file, relative to the project's folder.
    pub path: Arc<str>,
    /// Where its name stands.
    pub span: Span,
    /// The flow that is tested.
    pub flow: FlowName,
    /// What goes in.
    pub input: Input,
    /// `$params` of every message.
    pub params: Option<Record<'static>>,
    /// Where time stands at the beginning.
    pub now: Timestamp,
    /// What each `connection#operation` answers, one after the other; the last one repeats.
    pub answers: Vec<(Arc<str>, Vec<Scripted>)>,
    /// What must come out.
    pub expect: Expect,
}

/// What goes into the flow.
#[derive(Debug, Clone)]
pub enum Input {
    /// These messages.
    Messages(Vec<Value<'static>>),
    /// The content of a file, relative to the test's folder.
    File {
        /// Its path, relative to the project's folder.
        path: Arc<str>,
        /// Its bytes.
        bytes: Arc<[u8]>,
    },
    /// One message, generated from the type of the flow's input.
    Generated,
}

/// What a connection answers in a test.
#[derive(Debug, Clone)]
pub enum Scripted {
    /// A success with this result.
    Returns(Value<'static>),
    /// An answer that is no success.
    Status {
        /// The status.
        status: u16,
        /// The body, if there is one.
        body: Option<Value<'static>>,
    },
    /// No answer in time.
    Timeout,
    /// A connection that is cut before the answer.
    Disconnect,
}

/// What must come out.
#[derive(Debug, Clone, Default)]
pub struct Expect {
    /// The reply's status and body; each is compared only if it is given.
    pub reply: Option<(Option<u16>, Option<Value<'static>>)>,
    /// The code of the fault that the flow fails with.
    pub fault: Option<Arc<str>>,
    /// All effects, in order for each connection; each value matches as a subset.
    pub effects: Option<Vec<(Arc<str>, Value<'static>)>>,
    /// Some effects, in order for each connection.
    pub including: Option<Vec<(Arc<str>, Value<'static>)>>,
    /// How many dead letters are left.
    pub dead_letters: Option<u64>,
}

/// The instant at which tests begin unless they say otherwise: 2026-01-01T00:00:00Z.
pub const TEST_NOW: Timestamp = Timestamp(1_767_225_600_000_000);

/// Reads all test cases.
pub(crate) fn read_all(work: &mut Work<'_>, release: Option<&Release>) -> Vec<TestCase> {
    let parsed = work.parsed;
    let mut cases = Vec::new();
    for file in parsed.of_kind(FileKind::Test) {
        let Some(root) = file.document.as_ref().and_then(|d| d.root.as_ref()) else {
            continue;
        };
        let Some(config) = work.read_node::<TestFile>(root, "a test") else {
            continue;
        };
        let before = work.findings.0.len();
        let case = read(work, root, &config, &file.path, release);
        if work.findings.0.len() == before {
            cases.push(case);
        }
    }
    cases
}

fn read(
    work: &mut Work<'_>,
    root: &Node,
    config: &TestFile,
    path: &Arc<str>,
    release: Option<&Release>,
) -> TestCase {
    let flow = FlowName::from(config.flow.as_str());
    let flow_span = root.get("flow").map_or(root.span, |node| node.span);
    if !work.declares(FileKind::Flow, &config.flow) {
        let near = did_you_mean(&config.flow, work.names(FileKind::Flow));
        let message = format!("there is no flow `{}`", config.flow);
        let finding = work.error(codes::BAD_TEST, flow_span, message);
        crate::fix::suggest(finding, flow_span, near, || {
            format!("add `flows/{}.yaml`", config.flow)
        });
    }
    let mut case = TestCase {
        name: config.test.as_str().into(),
        path: Arc::clone(path),
        span: root.get("test").map_or(root.span, |node| node.span),
        flow,
        input: Input::Generated,
        params: None,
        now: TEST_NOW,
        answers: Vec::new(),
        expect: Expect::default(),
    };
    for entry in entries(work, root.get("given"), "given") {
        read_given(work, entry, &mut case, release);
    }
    for entry in entries(work, root.get("expect"), "expect") {
        read_expect(work, entry, &mut case, release);
    }
    case
}

/// Returns the entries of an optional map.
fn entries<'n>(work: &mut Work<'_>, node: Option<&'n Node>, key: &str) -> &'n [Entry] {
    match node {
        None => &[],
        Some(node) if node.is_absent() => &[],
        Some(node) => match node.as_map() {
            Some(map) => &map.entries,
            None => {
                let message = format!("expected a map, found {}", node.kind_name());
                work.error(codes::WRONG_TYPE, node.span, message).label =
                    format!("value of `{key}`");
                &[]
            }
        },
    }
}

fn read_given(work: &mut Work<'_>, entry: &Entry, case: &mut TestCase, release: Option<&Release>) {
    let node = &entry.value;
    match &*entry.key.text {
        "in" => case.input = Input::Messages(vec![node.to_value()]),
        "messages" => match node.as_list() {
            Some(items) => {
                case.input = Input::Messages(items.iter().map(Node::to_value).collect());
            }
            None => wrong(work, node, "a list of messages"),
        },
        "in_file" => read_file(work, node, case),
        "params" => match node.to_value() {
            Value::Record(record) => case.params = Some(record),
            _ => wrong(work, node, "a map from parameter to value"),
        },
        "now" => match node
            .as_scalar()
            .and_then(|s| Timestamp::parse_rfc3339(&s.text))
        {
            Some(now) => case.now = now,
            None => wrong(work, node, "an instant such as `2026-01-01T00:00:00Z`"),
        },
        reference if reference.contains('#') => {
            if !check_reference(work, reference, entry.key_span, release) {
                return;
            }
            let scripted = match node.as_list() {
                Some(items) => items
                    .iter()
                    .filter_map(|item| scripted(work, item))
                    .collect(),
                None => scripted(work, node).into_iter().collect(),
            };
            case.answers.push((entry.key.text.clone(), scripted));
        }
        key => unknown(
            work,
            entry,
            key,
            &["in", "in_file", "messages", "params", "now"],
            "`in`, `in_file`, `messages`, `params`, `now`, or what `connection#operation` answers",
        ),
    }
}

fn read_file(work: &mut Work<'_>, node: &Node, case: &mut TestCase) {
    let Some(scalar) = node.as_scalar() else {
        wrong(work, node, "the path of a file below `tests/`");
        return;
    };
    let path = format!("tests/{}", scalar.text.trim_start_matches("./"));
    let Some(bytes) = work.project.files.get(path.as_str()) else {
        let samples = work.project.files.keys();
        let samples = samples.filter_map(|own| own.strip_prefix("tests/"));
        let near = did_you_mean(&scalar.text, samples);
        let message = format!("there is no file `{path}`");
        let finding = work.error(codes::MISSING_FILE, node.span, message);
        let otherwise = || "the path begins at the folder `tests`".to_owned();
        crate::fix::suggest(finding, node.span, near, otherwise);
        return;
    };
    case.input = Input::File {
        path: path.as_str().into(),
        bytes: Arc::clone(bytes),
    };
}

fn scripted(work: &mut Work<'_>, node: &Node) -> Option<Scripted> {
    let map = node.as_map();
    let [entry] = map.map_or(&[][..], |map| &map.entries[..]) else {
        wrong(work, node, "`{ returns: ... }` or `{ fails: ... }`");
        return None;
    };
    match &*entry.key.text {
        "returns" => Some(Scripted::Returns(entry.value.to_value())),
        "fails" => {
            let is_true = |key: &str| {
                entry
                    .value
                    .get(key)
                    .is_some_and(|v| v.to_value() == Value::Bool(true))
            };
            if is_true("timeout") {
                return Some(Scripted::Timeout);
            }
            if is_true("disconnect") {
                return Some(Scripted::Disconnect);
            }
            let status = entry
                .value
                .get("status")
                .and_then(|node| node.to_value().as_i64());
            match status.and_then(|status| u16::try_from(status).ok()) {
                Some(status) => {
                    let body = entry.value.get("body").map(Node::to_value);
                    Some(Scripted::Status { status, body })
                }
                None => {
                    wrong(
                        work,
                        &entry.value,
                        "`{ status: 503 }`, `{ timeout: true }` or `{ disconnect: true }`",
                    );
                    None
                }
            }
        }
        key => {
            unknown(
                work,
                entry,
                key,
                &["returns", "fails"],
                "`returns` or `fails`",
            );
            None
        }
    }
}

fn read_expect(work: &mut Work<'_>, entry: &Entry, case: &mut TestCase, release: Option<&Release>) {
    let node = &entry.value;
    match &*entry.key.text {
        "reply" => {
            let status = node.get("status").and_then(|node| node.to_value().as_i64());
            let status = status.and_then(|status| u16::try_from(status).ok());
            let body = node.get("body").map(Node::to_value);
            if status.is_none() && body.is_none() {
                wrong(
                    work,
                    node,
                    "`{ status: 201, body: { ... } }`, or one of the two",
                );
            }
            case.expect.reply = Some((status, body));
        }
        "fault" => match node.as_scalar() {
            Some(scalar) => case.expect.fault = Some(Arc::clone(&scalar.text)),
            None => wrong(work, node, "the code of a fault"),
        },
        "effects" => case.expect.effects = read_effects(work, node, release),
        "including" => case.expect.including = read_effects(work, node, release),
        "dead_letters" => match node.to_value().as_i64().and_then(|n| u64::try_from(n).ok()) {
            Some(count) => case.expect.dead_letters = Some(count),
            None => wrong(work, node, "a count"),
        },
        key => {
            let known = ["reply", "fault", "effects", "including", "dead_letters"];
            let list = "`reply`, `fault`, `effects`, `including`, `dead_letters`";
            unknown(work, entry, key, &known, list);
        }
    }
}

type Effects = Vec<(Arc<str>, Value<'static>)>;

fn read_effects(work: &mut Work<'_>, node: &Node, release: Option<&Release>) -> Option<Effects> {
    let Some(items) = node.as_list() else {
        wrong(work, node, "a list of effects: `- shop#orders: { id: 1 }`");
        return None;
    };
    let mut effects = Vec::new();
    for item in items {
        let map = item.as_map();
        let [entry] = map.map_or(&[][..], |map| &map.entries[..]) else {
            wrong(work, item, "one effect: `shop#orders: { id: 1 }`");
            continue;
        };
        if check_reference(work, &entry.key.text, entry.key_span, release) {
            let value = if entry.value.is_absent() {
                Record::default().into()
            } else {
                entry.value.to_value()
            };
            effects.push((Arc::clone(&entry.key.text), value));
        }
    }
    Some(effects)
}

/// Checks that a reference names something of the project.
fn check_reference(work: &mut Work<'_>, text: &str, span: Span, release: Option<&Release>) -> bool {
    let Some((connection, thing)) = text.split_once('#') else {
        let message = format!("`{text}` is not a reference");
        work.error(codes::BAD_TEST, span, message).help =
            Some("write a connection, `#`, and what is meant there: `erp#createOrder`".to_owned());
        return false;
    };
    // Without a release the project's own mistakes are told already.
    let Some(release) = release else { return true };
    let Some(plan) = release.connections.get(&ConnectionName::from(connection)) else {
        let names: Vec<String> = release
            .connections
            .keys()
            .map(ToString::to_string)
            .collect();
        // A connection whose own file is broken is told there.
        if !work.declares(FileKind::Connection, connection) {
            let near = did_you_mean(connection, names.iter().map(String::as_str));
            let near = near.map(|near| format!("{near}#{thing}"));
            let message = format!("there is no connection `{connection}`");
            let finding = work.error(codes::BAD_TEST, span, message);
            let otherwise = || match names.is_empty() {
                true => "the project has no connection".to_owned(),
                false => format!("there are `{}`", names.join("`, `")),
            };
            crate::fix::suggest(finding, span, near.as_deref(), otherwise);
        }
        return false;
    };
    let Some(contract) = &plan.contract else {
        return true;
    };
    if contract.target(thing).is_some() {
        return true;
    }
    if !work.is_damaged(contract) {
        let near = did_you_mean(thing, contract.target_names());
        let near = near.map(|near| format!("{connection}#{near}"));
        let message = format!("`{connection}` has nothing called `{thing}`");
        let finding = work.error(codes::BAD_TEST, span, message);
        let otherwise = || format!("it has {}", crate::fix::listed(contract.target_names()));
        crate::fix::suggest(finding, span, near.as_deref(), otherwise);
    }
    false
}

fn wrong(work: &mut Work<'_>, node: &Node, expected: &str) {
    let message = format!("this is {}", node.kind_name());
    work.error(codes::BAD_TEST, node.span, message).help = Some(format!("write {expected}"));
}

fn unknown(work: &mut Work<'_>, entry: &Entry, key: &str, known: &[&str], list: &str) {
    let near = did_you_mean(key, known.iter().copied()).map(str::to_owned);
    let finding = work.error(
        codes::UNKNOWN_KEY,
        entry.key_span,
        format!("unknown key `{key}`"),
    );
    let otherwise = || format!("known here: {list}");
    crate::fix::suggest(finding, entry.key_span, near.as_deref(), otherwise);
}
