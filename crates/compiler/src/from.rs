//! `from`: where a flow's messages come from.

use std::sync::Arc;

use sluice_model::codes;
use sluice_model::finding::did_you_mean;
use sluice_model::ids::{ApiName, ConnectionName};
use sluice_model::operation::{HttpOperation, ParamPlace, StatusRange};
use sluice_model::span::Span;
use sluice_model::types::{Field, Type};
use sluice_sdk::connection::{DynSource, ReplyShape, SourceShape};
use sluice_sdk::registry::{ConnectionEntry, SourceEntry};
use sluice_syntax::tree::{Entry, Node};

use crate::de::{Fields, Trace};
use crate::files::{ApiSourceConfig, CallerConfig, SourceCommon};
use crate::flow::{CallerSignature, Project};
use crate::names::Reference;
use crate::project::FileKind;
use crate::release::{Api, ConnectionPlan, From};
use crate::scope::field;
use crate::work::{ComponentCheck, Work, own_fields};

/// Sources that the language has and no component of this build offers.
const LATER: &[&str] = &[
    "topic",
    "queue",
    "poll",
    "changes",
    "webhook",
    "mail",
    "aggregate",
    "stream",
];

/// A lowered source.
pub(crate) struct LoweredFrom<'n> {
    pub from: From,
    pub shape: SourceShape,
    pub ordered_by: Option<&'n Node>,
}

/// The shape of a source that could not be lowered: nothing is known, so nothing is complained of.
pub(crate) fn unknown_shape() -> SourceShape {
    SourceShape {
        payload: Type::any(),
        params: Some(Type::any()),
        meta: Type::any(),
        reply: Some(ReplyShape {
            default_status: 200,
            answers: Vec::new(),
        }),
    }
}

/// Lowers `from`.
pub(crate) fn lower<'n>(
    work: &mut Work<'_>,
    project: &Project<'_>,
    node: &'n Node,
) -> Option<LoweredFrom<'n>> {
    let entry = kind_of(work, node)?;
    let ordered_by = node.get("ordered_by");
    match &*entry.key.text {
        "api" => lower_api(work, project, node, entry, ordered_by),
        "caller" => {
            let signature = caller_signature(work, node)?;
            Some(LoweredFrom {
                from: From::Caller {
                    returns: signature.returns.clone(),
                },
                shape: caller_shape(signature),
                ordered_by,
            })
        }
        _ => lower_source(work, project, node, entry, ordered_by),
    }
}

/// Returns the entry whose key says what kind of source it is.
fn kind_of<'n>(work: &mut Work<'_>, node: &'n Node) -> Option<&'n Entry> {
    let Some(map) = node.as_map() else {
        let found = node.kind_name();
        work.error(
            codes::WRONG_TYPE,
            node.span,
            format!("expected a source, found {found}"),
        )
        .help =
            Some("write its kind and what it reads: `from: { files: inbox#orders }`".to_owned());
        return None;
    };
    let kinds = source_names(work);
    let mut found: Vec<&Entry> = map
        .entries
        .iter()
        .filter(|entry| kinds.contains(&&*entry.key.text))
        .collect();
    if found.is_empty() {
        if let Some(later) = map.entries.iter().find(|e| LATER.contains(&&*e.key.text)) {
            let message = format!("the source `{}` is not built yet", later.key.text);
            crate::not_yet::refused(work, later.key_span, &message);
            return None;
        }
        no_kind(work, node, &kinds);
        return None;
    }
    if let [first, second, ..] = found.as_slice() {
        let message = format!(
            "a flow has one source: `{}` or `{}`?",
            first.key.text, second.key.text
        );
        let (first, second) = (first.key_span, second.key_span);
        work.error(codes::BAD_SOURCE, second, message)
            .labels
            .push(crate::fix::label(first, "the first one"));
        return None;
    }
    found.pop()
}

fn no_kind(work: &mut Work<'_>, node: &Node, kinds: &[&'static str]) {
    let first = node.as_map().and_then(|map| map.entries.first());
    let span = first.map_or(node.span, |entry| entry.key_span);
    let near = first.and_then(|entry| did_you_mean(&entry.key.text, kinds.iter().copied()));
    let finding = work.error(codes::BAD_SOURCE, span, "this names no source");
    match near {
        Some(near) => {
            finding.help = Some(format!("did you mean `{near}`?"));
            finding
                .fixes
                .push(crate::fix::replace(format!("use `{near}`"), span, near));
        }
        None => finding.help = Some(format!("sources are `{}`", kinds.join("`, `"))),
    }
}

/// Returns the keys that name a source.
fn source_names(work: &Work<'_>) -> Vec<&'static str> {
    let mut names = vec!["api", "caller"];
    names.extend(work.registry.sources().keys().copied());
    for connection in work.registry.connections().values() {
        for source in &connection.sources {
            if !names.contains(&source.info.name) {
                names.push(source.info.name);
            }
        }
    }
    names
}

fn lower_source<'n>(
    work: &mut Work<'_>,
    project: &Project<'_>,
    node: &'n Node,
    entry: &Entry,
    ordered_by: Option<&'n Node>,
) -> Option<LoweredFrom<'n>> {
    let before = work.findings.0.len();
    let (connection, source) = match work.registry.sources().get(&*entry.key.text) {
        Some(free) => (None, free_source(work, free, node)?),
        None => {
            let (name, source) = connected_source(work, project, node, entry)?;
            (Some(name), source)
        }
    };
    if work.has_errors_since(before) {
        // Its format or its type is broken: what it would give is not known.
        return None;
    }
    Some(LoweredFrom {
        shape: source.shape(),
        from: From::Source { connection, source },
        ordered_by,
    })
}

/// Makes a source that needs no connection: a timer.
fn free_source(work: &mut Work<'_>, free: &SourceEntry, node: &Node) -> Option<Box<dyn DynSource>> {
    let name = free.config.info.name;
    let schema = work.merged(("source", name, ""), |work| {
        crate::schema::merge(&[&free.config.schema, &work.schema::<SourceCommon>()])
    });
    if !work.check_shape(node, &schema, &format!("the source `{name}`")) {
        return None;
    }
    let own = own_fields(&Fields::of(node)?, &free.config.schema);
    let trace = Trace::default();
    let mut check = ComponentCheck {
        work,
        target: None,
        contract: None,
    };
    match free.make(&mut *own.erased(&trace), &mut check) {
        Ok(source) => Some(source),
        Err(error) => {
            work.component_error(error, &own, &trace);
            None
        }
    }
}

/// Makes a source that a connection offers.
fn connected_source(
    work: &mut Work<'_>,
    project: &Project<'_>,
    node: &Node,
    entry: &Entry,
) -> Option<(ConnectionName, Box<dyn DynSource>)> {
    let kind = &*entry.key.text;
    let text = reference_text(work, entry)?;
    let example = format!("{kind}: inbox#orders");
    let (plan, target) =
        crate::connections::resolve(work, project.connections, text, entry.value.span, &example)?;
    let registered = work.registry.connections().get(plan.kind)?;
    let Some(schema) = registered
        .sources
        .iter()
        .find(|source| source.info.name == kind)
    else {
        no_such_source(work, &plan, registered, entry);
        return None;
    };
    let merged = work.merged(("source", schema.info.name, plan.kind), |work| {
        let main =
            serde_json::json!({ "properties": { kind: { "type": "string" } }, "required": [kind] });
        crate::schema::merge(&[&main, &schema.schema, &work.schema::<SourceCommon>()])
    });
    if !work.check_shape(node, &merged, &format!("the source `{kind}`")) {
        return None;
    }
    let own = own_fields(&Fields::of(node)?.without(&[kind]), &schema.schema);
    let trace = Trace::default();
    let mut check = ComponentCheck {
        work,
        target: Some(target),
        contract: plan.contract.clone(),
    };
    let made = plan
        .connection
        .source(kind, &mut *own.erased(&trace), &mut check);
    match made {
        Ok(source) => Some((plan.name.clone(), source)),
        Err(Some(error)) => {
            work.component_error(error, &own, &trace);
            None
        }
        Err(None) => {
            no_such_source(work, &plan, registered, entry);
            None
        }
    }
}

/// Tells that a connection is read in another way, or not at all.
fn no_such_source(
    work: &mut Work<'_>,
    plan: &ConnectionPlan,
    registered: &ConnectionEntry,
    entry: &Entry,
) {
    let kind = &entry.key.text;
    let message = format!(
        "`{}` offers no source `{kind}`: it is a `{}`",
        plan.name, plan.kind
    );
    let names = registered.sources.iter().map(|source| source.info.name);
    let help = match crate::fix::listed(names) {
        names if names.is_empty() => "no flow begins at a connection of this type".to_owned(),
        names => format!("it offers {names}"),
    };
    work.error(codes::BAD_SOURCE, entry.key_span, message).help = Some(help);
}

fn reference_text<'n>(work: &mut Work<'_>, entry: &'n Entry) -> Option<&'n str> {
    match entry.value.as_scalar() {
        Some(scalar) => Some(&scalar.text),
        None => {
            let message = format!("expected a reference, found {}", entry.value.kind_name());
            work.error(codes::WRONG_TYPE, entry.value.span, message)
                .help = Some("write a connection, `#`, and what is read there".to_owned());
            None
        }
    }
}

fn lower_api<'n>(
    work: &mut Work<'_>,
    project: &Project<'_>,
    node: &'n Node,
    entry: &Entry,
    ordered_by: Option<&'n Node>,
) -> Option<LoweredFrom<'n>> {
    let schema = work.merged(("source", "api", ""), |work| {
        let own = work.schema::<ApiSourceConfig>();
        crate::schema::merge(&[&own, &work.schema::<SourceCommon>()])
    });
    if !work.check_shape(node, &schema, "the source `api`") {
        return None;
    }
    let text = reference_text(work, entry)?;
    let span = entry.value.span;
    let reference = match Reference::parse(text, span, "api: orders#createOrder") {
        Ok(reference) => reference,
        Err(finding) => {
            work.push(*finding);
            return None;
        }
    };
    let api = find_api(work, project, &reference, span)?;
    let operation = find_operation(work, api, &reference, span)?;
    let shape = api_shape(operation);
    let from = From::Api {
        api: api.name.clone(),
        operation: Arc::clone(operation),
    };
    Some(LoweredFrom {
        from,
        shape,
        ordered_by,
    })
}

/// Returns the API that a reference names; what is wrong is told.
fn find_api<'p>(
    work: &mut Work<'_>,
    project: &Project<'p>,
    reference: &Reference<'_>,
    span: Span,
) -> Option<&'p Api> {
    if let Some(api) = project.apis.get(&ApiName::from(reference.of)) {
        return Some(api);
    }
    // An API whose own file is broken is told there, not here again.
    if !work.declares(FileKind::Api, reference.of) {
        let span = Span {
            end: span.start + reference.of.len() as u32,
            ..span
        };
        let names = project.apis.keys().map(ApiName::as_str);
        let near = did_you_mean(reference.of, names);
        let message = format!("there is no API `{}`", reference.of);
        let finding = work.error(codes::UNKNOWN_REFERENCE, span, message);
        let otherwise = || format!("add `apis/{}.yaml`", reference.of);
        crate::fix::suggest(finding, span, near, otherwise);
    }
    None
}

/// Returns the operation of an API that a reference names; what is wrong is told.
fn find_operation<'a>(
    work: &mut Work<'_>,
    api: &'a Api,
    reference: &Reference<'_>,
    span: Span,
) -> Option<&'a Arc<HttpOperation>> {
    if let Some(operation) = api.contract.operation(reference.thing) {
        return Some(operation);
    }
    if work.is_damaged(&api.contract) {
        return None;
    }
    let span = Span {
        start: span.start + reference.of.len() as u32 + 1,
        ..span
    };
    let names = api.contract.operations().iter().map(|own| &*own.id);
    let near = did_you_mean(reference.thing, names.clone());
    let message = format!(
        "the API `{}` has no operation `{}`",
        api.name, reference.thing
    );
    let finding = work.error(codes::UNKNOWN_REFERENCE, span, message);
    let otherwise = || format!("it has {}", crate::fix::listed(names));
    crate::fix::suggest(finding, span, near, otherwise);
    None
}

/// What messages an operation of an API gives, and what its caller may be answered.
fn api_shape(operation: &HttpOperation) -> SourceShape {
    let payload = match &operation.body {
        Some(body) if body.required => body.ty.clone(),
        Some(body) => body.ty.clone().or_null(),
        None => Type::null(),
    };
    let params: Vec<Field> = operation
        .params
        .iter()
        .filter(|param| param.place != ParamPlace::Cookie)
        .map(|param| field(&param.name, param.ty.clone(), param.required))
        .collect();
    let answers: Vec<(StatusRange, Option<Type>)> = operation
        .responses
        .iter()
        .map(|response| {
            (
                response.status,
                response.body.as_ref().map(|body| body.ty.clone()),
            )
        })
        .collect();
    SourceShape {
        payload,
        params: Some(Type::record(params)),
        meta: Type::record(vec![
            field("request", Type::text(), true),
            field("method", Type::text(), true),
            field("path", Type::text(), true),
            field(
                "headers",
                Type::new(sluice_model::types::Kind::Map(Arc::new(Type::text()))),
                true,
            ),
        ]),
        reply: Some(ReplyShape {
            default_status: operation.success().0,
            answers,
        }),
    }
}

/// Reads `from: { caller: ... }`; `None` if the flow has another source, or it is broken.
pub(crate) fn caller_signature(work: &mut Work<'_>, node: &Node) -> Option<CallerSignature> {
    node.get("caller")?;
    let schema = work.merged(("source", "caller", ""), |work| {
        let own = work.schema::<CallerConfig>();
        crate::schema::merge(&[&own, &work.schema::<SourceCommon>()])
    });
    if !work.check_shape(node, &schema, "the source `caller`") {
        return None;
    }
    let mut named = |key: &str| -> Option<Option<Type>> {
        let Some(node) = node.get(key) else {
            return Some(None);
        };
        let text = node.as_scalar()?;
        work.type_named(&text.text, node.span).map(Some)
    };
    let input = named("caller")??;
    let returns = named("returns")?;
    Some(CallerSignature { input, returns })
}

/// What messages a flow gets from others that run it.
fn caller_shape(signature: CallerSignature) -> SourceShape {
    SourceShape {
        payload: signature.input,
        params: None,
        meta: Type::record(vec![field("run", Type::text(), true)]),
        reply: signature.returns.map(|ty| ReplyShape {
            default_status: 200,
            answers: vec![(StatusRange::Default, Some(ty))],
        }),
    }
}
