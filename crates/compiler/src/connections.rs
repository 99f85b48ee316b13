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
use sluice_syntax::tree::Node;

use crate::de::{Fields, Trace};
use crate::environment::Environment;
use crate::files::{ConnectionFile, Defaults};
use crate::names::is_name;
use crate::project::FileKind;
use crate::release::{ConnectionPlan, Mock};
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
            let message = format!("there are two connections `{name}`");
            work.error(codes::DUPLICATE_NAME, span, message)
                .labels
                .push(crate::fix::label(first, "the first one"));
            continue;
        }
        if let Some(plan) = make(work, root, environment, defaults, mocks) {
            all.insert(plan.name.clone(), Arc::new(plan));
        }
    }
    for (name, (_, span)) in &environment.connections {
        if !named.contains_key(*name) {
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
        work.check_shape(root, &[&open], "a connection");
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
    let kind_node = root.get("type");
    let Some(kind) = kind_node.and_then(Node::as_scalar) else {
        let schema = work.schema::<ConnectionFile>();
        let open = open_schema(&schema);
        work.check_shape(root, &[&open], "a connection");
        return None;
    };
    let kind_span = kind_node.map_or(root.span, |node| node.span);
    let Some(entry) = work.registry.connections().get(&*kind.text) else {
        unknown_connector(work, &kind.text, kind_span);
        return None;
    };
    let common = work.schema::<ConnectionFile>();
    let what = format!("a connection of the type `{}`", kind.text);
    let mut fields = Fields::of(root)?;
    let name = root.get("connection").and_then(Node::as_scalar)?;
    let mut fits = true;
    if let Some((node, _)) = environment.connections.get(&*name.text) {
        let partial =
            crate::schema::optional(&crate::schema::merge(&[&common, &entry.config.schema]));
        fits &= work.check_shape(node, &[&partial], &what);
        overlay(&mut fields, node);
        // What the environment gives need not be in the file itself.
        let merged = crate::schema::merge(&[&common, &entry.config.schema]);
        let given: Vec<&str> = fields.entries.iter().map(|field| field.key).collect();
        let schema = crate::schema::without_required(&merged, &given);
        fits &= work.check_shape(root, &[&schema], &what);
    } else {
        fits &= work.check_shape(root, &[&common, &entry.config.schema], &what);
    }
    if !fits {
        return None;
    }
    let file: ConnectionFile = work.read(&fields)?;
    if !file.clears.is_empty() {
        let span = fields
            .get("clears")
            .map_or(root.span, |field| field.key_span);
        crate::not_yet::told(work, span, "`clears` is not checked yet");
    }
    let contract = match (&file.contract, fields.get("contract")) {
        (Some(path), Some(field)) => Some(work.contract(path, field.value.span)?),
        _ => None,
    };
    let name = ConnectionName::from(file.connection.as_str());
    let url = mocks.get(&name).cloned();
    let mock = file.mock.as_ref().map(|mock| Mock {
        seed: mock.seed,
        listen: mock.listen.as_str().into(),
    });
    if mock.is_some() && contract.is_none() {
        let span = fields.get("mock").map_or(root.span, |field| field.key_span);
        work.error(codes::MISSING_KEY, span, "a mock needs a contract to serve")
            .help = Some("add `contract: contracts/...` to the connection".to_owned());
        return None;
    }
    let own = own_fields(&fields, &entry.config.schema);
    let own_node = url.as_deref().map(|url| url_node(url, root));
    let own = match &own_node {
        Some(node) => with_url(own, node),
        None => own,
    };
    let trace = Trace::default();
    let mut check = ComponentCheck {
        work,
        target: None,
        contract: contract.clone(),
    };
    let made = entry.make(&mut *own.erased(&trace), &mut check);
    let connection = match made {
        Ok(connection) => connection,
        Err(error) => {
            work.component_error(error, &own, &trace);
            return None;
        }
    };
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
        span: root.get("connection").map_or(root.span, |node| node.span),
    })
}

/// Puts the fields of an environment in the place of those of the file.
fn overlay<'n>(fields: &mut Fields<'n>, node: &'n Node) {
    let Some(more) = Fields::of(node) else { return };
    for field in more.entries {
        match fields.entries.iter_mut().find(|own| own.key == field.key) {
            Some(own) => *own = field,
            None => fields.entries.push(field),
        }
    }
}

/// A node that says where the mock of the connection listens.
fn url_node(url: &str, at: &Node) -> Node {
    use sluice_syntax::tree::{NodeKind, Scalar, Style};
    let scalar = Scalar {
        text: url.into(),
        style: Style::Plain,
        map: Arc::new([(0, 0)]),
    };
    Node {
        span: at.span,
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
    let finding = work.error(
        codes::UNKNOWN_REFERENCE,
        span,
        format!("there is no connector `{kind}`"),
    );
    match near {
        Some(near) => {
            finding.help = Some(format!("did you mean `{near}`?"));
            finding
                .fixes
                .push(crate::fix::replace(format!("use `{near}`"), span, near));
        }
        None => finding.help = Some(format!("connectors are `{}`", names.join("`, `"))),
    }
}

/// Tells that nothing has this connection's name.
pub(crate) fn unknown_connection(work: &mut Work<'_>, name: &str, span: Span, near: Option<&str>) {
    let message = format!("there is no connection `{name}`");
    let finding = work.error(codes::UNKNOWN_REFERENCE, span, message);
    match near {
        Some(near) => {
            finding.help = Some(format!("did you mean `{near}`?"));
            finding
                .fixes
                .push(crate::fix::replace(format!("use `{near}`"), span, near));
        }
        None => {
            finding.help = Some(format!(
                "add `connections/{name}.yaml`, or name one that is there"
            ));
        }
    }
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
        if !declared(work, reference.of) {
            let names: Vec<String> = connections.keys().map(ToString::to_string).collect();
            let near = did_you_mean(reference.of, names.iter().map(String::as_str));
            unknown_connection(work, reference.of, of_span, near);
        }
        return None;
    };
    let plan = Arc::clone(plan);
    let target = match &plan.contract {
        None => Target::Place(reference.thing.into()),
        Some(contract) => match contract.target(reference.thing) {
            Some(target) => target,
            None => {
                unknown_target(
                    work,
                    contract,
                    &reference,
                    Span {
                        start: of_span.end + 1,
                        ..span
                    },
                );
                return None;
            }
        },
    };
    Some((plan, target))
}

/// Returns whether some file calls a connection so, be it broken otherwise.
fn declared(work: &Work<'_>, name: &str) -> bool {
    work.parsed.of_kind(FileKind::Connection).any(|file| {
        let root = file.document.as_ref().and_then(|d| d.root.as_ref());
        let node = root
            .and_then(|root| root.get("connection"))
            .and_then(Node::as_scalar);
        node.is_some_and(|scalar| &*scalar.text == name)
            || &*file.path == format!("connections/{name}.yaml").as_str()
    })
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
    match near {
        Some(near) => {
            finding.help = Some(format!("did you mean `{near}`?"));
            finding
                .fixes
                .push(crate::fix::replace(format!("use `{near}`"), span, near));
        }
        None => {
            let some: Vec<&str> = names.into_iter().take(8).collect();
            finding.help = Some(format!("it has `{}`", some.join("`, `")));
        }
    }
}
