//! Connections: a file's fields, what the environment changes, and the connector behind it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;
use sluice_contracts::contract::Contract;
use sluice_model::codes;
use sluice_model::finding::did_you_mean;
use sluice_model::ids::ConnectionName;
use sluice_model::operation::Target;
use sluice_model::span::Span;
use sluice_sdk::connection::DynConnection;
use sluice_sdk::registry::ConnectionEntry;
use sluice_syntax::tree::Node;

use crate::de::{Fields, Trace};
use crate::environment::Environment;
use crate::files::{ConnectionFile, Defaults};
use crate::names::is_name;
use crate::project::FileKind;
use crate::release::{ConnectionPlan, Mock, SecretUse};
use crate::work::{ComponentCheck, Work, own_fields};

/// Where the mocks of an environment listen: the base URL of each connection that has one.
pub type MockUrls = BTreeMap<ConnectionName, String>;

/// Makes all connections of the project for one environment.
pub(crate) fn make_all(
    work: &mut Work<'_>,
    environment: &Environment<'_>,
    defaults: &Defaults,
    mocks: &MockUrls,
) -> BTreeMap<ConnectionName, Arc<ConnectionPlan>> {
    let mut all: BTreeMap<ConnectionName, Arc<ConnectionPlan>> = BTreeMap::new();
    let before = work.findings.0.len();
    let mut named: BTreeMap<String, Span> = BTreeMap::new();
    let parsed = work.parsed;
    for file in parsed.of_kind(FileKind::Connection) {
        let Some(root) = file.document.as_ref().and_then(|d| d.root.as_ref()) else {
            continue;
        };
        let Some((name, span)) = name_of(work, root) else {
            continue;
        };
        if let Some(first) = named.insert(name.to_owned(), span) {
            work.duplicate("connections", name, span, first);
            continue;
        }
        if let Some(plan) = make(work, root, environment, defaults, mocks) {
            all.insert(plan.name.clone(), Arc::new(plan));
        }
    }
    if environment.broken {
        // What is missing here may stand in the part of the environment's file that is lost.
        let own = work.findings.0.split_off(before);
        let kept = own.into_iter().filter(|own| own.code != codes::MISSING_KEY);
        work.findings.0.extend(kept);
    }
    for (name, (_, span)) in &environment.connections {
        if !named.contains_key(*name) && !work.declares(FileKind::Connection, name) {
            let near = did_you_mean(name, named.keys().map(String::as_str)).map(str::to_owned);
            unknown_connection(work, name, *span, near.as_deref());
        }
    }
    all
}

/// Returns the name that a connection's file gives it, and where.
fn name_of<'n>(work: &mut Work<'_>, root: &'n Node) -> Option<(&'n str, Span)> {
    let node = root.get("connection");
    let Some(scalar) = node.and_then(Node::as_scalar) else {
        // The shape check says what is missing or wrong.
        let schema = work.schema::<ConnectionFile>();
        let open = open_schema(&schema);
        work.check_shape(root, &open, "a connection");
        return None;
    };
    let span = node.map_or(root.span, |node| node.span);
    if !is_name(&scalar.text) {
        let message = format!("`{}` cannot be the name of a connection", scalar.text);
        work.error(codes::BAD_NAME, span, message).help =
            Some("use lower case letters, digits and hyphens".to_owned());
        return None;
    }
    Some((&scalar.text, span))
}

/// The schema without its closing: a connection has the connector's keys beside.
fn open_schema(schema: &Json) -> Json {
    let mut open = schema.clone();
    if let Some(object) = open.as_object_mut() {
        object.remove("additionalProperties");
    }
    open
}

fn make(
    work: &mut Work<'_>,
    root: &Node,
    environment: &Environment<'_>,
    defaults: &Defaults,
    mocks: &MockUrls,
) -> Option<ConnectionPlan> {
    let name = root.get("connection").and_then(Node::as_scalar)?;
    let over = environment.connections.get(&*name.text);
    let over = over.map(|(node, _)| *node);
    let kind_node = over
        .and_then(|over| over.get("type"))
        .or_else(|| root.get("type"));
    let Some((kind, kind_span)) = kind_node.and_then(|node| Some((node.as_scalar()?, node.span)))
    else {
        let open = open_schema(&work.schema::<ConnectionFile>());
        work.check_shape(root, &open, "a connection");
        return None;
    };
    let Some(entry) = work.registry.connections().get(&*kind.text) else {
        unknown_connector(work, &kind.text, kind_span);
        return None;
    };
    let schema = work.merged(("connection", entry.config.info.name, ""), |work| {
        crate::schema::merge(&[&work.schema::<ConnectionFile>(), &entry.config.schema])
    });
    let merged = over.map(|over| crate::shape::merge(root, over, Some(&schema)));
    let node = merged.as_ref().unwrap_or(root);
    let what = format!("a connection of the type `{}`", kind.text);
    if !work.check_shape(node, &schema, &what) {
        return None;
    }
    let fields = Fields::of(node)?;
    let file: ConnectionFile = work.read(&fields)?;
    if let (false, Some(field)) = (file.clears.is_empty(), fields.get("clears")) {
        crate::not_yet::told(work, field.key_span, "`clears` is not checked yet");
    }
    let contract = match (&file.contract, fields.get("contract")) {
        (Some(path), Some(field)) => Some(work.contract(path, field.value.span)?),
        _ => None,
    };
    let name = ConnectionName::from(file.connection.as_str());
    let mock = file.mock.as_ref().map(|mock| Mock {
        seed: mock.seed,
        listen: mock.listen.as_str().into(),
    });
    if let (Some(_), None, Some(field)) = (&mock, &contract, fields.get("mock")) {
        let message = "a mock needs a contract to serve";
        work.error(codes::MISSING_KEY, field.key_span, message).help =
            Some("add `contract: contracts/...` to the connection".to_owned());
        return None;
    }
    let url = mocks.get(&name).map(String::as_str);
    let connection = make_component(work, entry, &fields, contract.clone(), url)?;
    Some(ConnectionPlan {
        name,
        summary: file.summary.as_deref().map(Into::into),
        owner: file.owner.as_deref().map(Into::into),
        kind: entry.config.info.name,
        connection,
        contract,
        timeout: file.timeout.unwrap_or(defaults.timeout).0,
        concurrent: file.limits.concurrent,
        rate: file.limits.rate.map(|rate| rate.0),
        mock,
        secrets: secrets_of(&fields),
        span: root.get("connection").map_or(root.span, |node| node.span),
    })
}

/// Finds the secrets that the fields of a connection name: `{ secret: NAME }`, however deep.
fn secrets_of(fields: &Fields<'_>) -> Vec<SecretUse> {
    fn find(node: &Node, key: &str, found: &mut Vec<SecretUse>) {
        if let Some([only]) = node.as_map().map(|map| &map.entries[..])
            && &*only.key.text == "secret"
            && let Some(name) = only.value.as_scalar()
        {
            found.push(SecretUse {
                name: Arc::clone(&name.text),
                key: key.into(),
            });
            return;
        }
        if let Some(map) = node.as_map() {
            for entry in &map.entries {
                find(&entry.value, &format!("{key}.{}", entry.key.text), found);
            }
        }
        for item in node.as_list().unwrap_or_default() {
            find(item, key, found);
        }
    }
    let mut found = Vec::new();
    for field in &fields.entries {
        find(field.value, field.key, &mut found);
    }
    found
}

/// Makes the connector's part of a connection; what it finds is told.
fn make_component(
    work: &mut Work<'_>,
    entry: &ConnectionEntry,
    fields: &Fields<'_>,
    contract: Option<Arc<Contract>>,
    mock_url: Option<&str>,
) -> Option<Arc<dyn DynConnection>> {
    let own = own_fields(fields, &entry.config.schema);
    let url = mock_url.map(|url| url_node(url, fields.span));
    let own = match &url {
        Some(node) => with_url(own, node),
        None => own,
    };
    let trace = Trace::default();
    let mut check = ComponentCheck {
        work,
        target: None,
        contract,
    };
    match entry.make(&mut *own.erased(&trace), &mut check) {
        Ok(connection) => Some(connection),
        Err(error) => {
            work.component_error(error, &own, &trace);
            None
        }
    }
}

/// A node that says where the mock of the connection listens.
fn url_node(url: &str, span: Span) -> Node {
    use sluice_syntax::tree::{NodeKind, Scalar, Style};
    let scalar = Scalar {
        text: url.into(),
        style: Style::Plain,
        map: Arc::new([(0, 0)]),
    };
    Node {
        span,
        kind: NodeKind::Scalar(scalar),
    }
}

fn with_url<'n>(mut fields: Fields<'n>, node: &'n Node) -> Fields<'n> {
    match fields.entries.iter_mut().find(|field| field.key == "url") {
        Some(field) => field.value = node,
        None => fields.entries.push(crate::de::Field {
            key: "url",
            key_span: node.span,
            value: node,
        }),
    }
    fields
}

fn unknown_connector(work: &mut Work<'_>, kind: &str, span: Span) {
    const LATER: &[&str] = &[
        "postgres", "kafka", "rabbitmq", "nats", "mqtt", "amqp", "mail", "sftp", "s3", "soap",
        "ldap", "mysql", "mongodb", "redis",
    ];
    if LATER.contains(&kind) {
        crate::not_yet::refused(
            work,
            span,
            &format!("the connector `{kind}` is not built yet"),
        );
        return;
    }
    let names: Vec<&str> = work.registry.connections().keys().copied().collect();
    let near = did_you_mean(kind, names.iter().copied());
    let message = format!("there is no connector `{kind}`");
    let finding = work.error(codes::UNKNOWN_REFERENCE, span, message);
    let otherwise = || format!("connectors are `{}`", names.join("`, `"));
    crate::fix::suggest(finding, span, near, otherwise);
}

/// Tells that nothing has this connection's name.
pub(crate) fn unknown_connection(work: &mut Work<'_>, name: &str, span: Span, near: Option<&str>) {
    let message = format!("there is no connection `{name}`");
    let finding = work.error(codes::UNKNOWN_REFERENCE, span, message);
    crate::fix::suggest(finding, span, near, || {
        format!("add `connections/{name}.yaml`, or name one that is there")
    });
}

/// Finds what `connection#thing` stands for; what is wrong is told as findings.
pub(crate) fn resolve(
    work: &mut Work<'_>,
    connections: &BTreeMap<ConnectionName, Arc<ConnectionPlan>>,
    text: &str,
    span: Span,
    example: &str,
) -> Option<(Arc<ConnectionPlan>, Target)> {
    let reference = match crate::names::Reference::parse(text, span, example) {
        Ok(reference) => reference,
        Err(finding) => {
            work.push(*finding);
            return None;
        }
    };
    let of_span = Span {
        end: span.start + reference.of.len() as u32,
        ..span
    };
    let Some(plan) = connections.get(&ConnectionName::from(reference.of)) else {
        // A connection whose own file is broken is told there, not here again.
        if !work.declares(FileKind::Connection, reference.of) {
            let names: Vec<String> = connections.keys().map(ToString::to_string).collect();
            let near = did_you_mean(reference.of, names.iter().map(String::as_str));
            unknown_connection(work, reference.of, of_span, near);
        } else if let Some(contract) = contract_of_broken(work, reference.of) {
            find_target(work, &contract, &reference, span);
        }
        return None;
    };
    let plan = Arc::clone(plan);
    let target = match &plan.contract {
        None => Target::Place(reference.thing.into()),
        Some(contract) => find_target(work, contract, &reference, span)?,
    };
    Some((plan, target))
}

/// Returns the contract of a connection whose file is broken otherwise: what is asked of it is
/// checked in the same go.
fn contract_of_broken(work: &mut Work<'_>, name: &str) -> Option<Arc<Contract>> {
    let parsed = work.parsed;
    let root = parsed.of_kind(FileKind::Connection).find_map(|file| {
        let root = file.document.as_ref()?.root.as_ref()?;
        let own = root.get("connection").and_then(Node::as_scalar)?;
        (&*own.text == name).then_some(root)
    })?;
    let node = root.get("contract")?;
    work.contract(&node.as_scalar()?.text, node.span)
}

/// Returns what a reference means in a contract; what is wrong is told.
fn find_target(
    work: &mut Work<'_>,
    contract: &Contract,
    reference: &crate::names::Reference<'_>,
    span: Span,
) -> Option<Target> {
    let target = contract.target(reference.thing);
    if target.is_none() && !work.is_damaged(contract) {
        let span = Span {
            start: span.start + reference.of.len() as u32 + 1,
            ..span
        };
        unknown_target(work, contract, reference, span);
    }
    target
}

fn unknown_target(
    work: &mut Work<'_>,
    contract: &Contract,
    reference: &crate::names::Reference<'_>,
    span: Span,
) {
    let names: Vec<&str> = contract.target_names().collect();
    let near = did_you_mean(reference.thing, names.iter().copied());
    let message = format!(
        "`{}` has nothing called `{}`",
        contract.path(),
        reference.thing
    );
    let finding = work.error(codes::UNKNOWN_REFERENCE, span, message);
    finding.label = format!("not in the contract of `{}`", reference.of);
    crate::fix::suggest(finding, span, near, || match names.is_empty() {
        true => "it declares nothing that a flow could use".to_owned(),
        false => format!("it has {}", crate::fix::listed(names.iter().copied())),
    });
}
