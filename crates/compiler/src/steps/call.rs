//! `call`: asks a system and keeps the answer as `$steps.<id>` (request-reply, content enricher).

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Json;
use sluice_model::codes;
use sluice_model::finding::Finding;
use sluice_model::operation::Target;
use sluice_model::types::{Kind, Type};
use sluice_sdk::check::{Expected, ExprId};
use sluice_sdk::config::{MappingName, Raw, RetryPolicy};
use sluice_sdk::connection::{CallShape, DynCall};
use sluice_syntax::tree::Node;

use crate::de::Trace;
use crate::flow::FlowCx;
use crate::release::{Accept, CallBody, CallPlan, ConnectionPlan, StepKind};
use crate::steps::{Control, Done, Payload, StepNode, map, schema_of};
use crate::work::{ComponentCheck, own_fields};

pub(super) const CONTROL: Control = Control {
    verb: "call",
    summary: "Asks a system and keeps the answer as `$steps.<id>`.",
    schema: schema_of::<CallConfig>,
    keeps_payload: true,
    lower,
};

/// `call: erp#createSalesOrder`.
#[derive(Debug, Deserialize, JsonSchema)]
struct CallConfig {
    /// The connection and what is asked for: `erp#createSalesOrder`.
    call: String,
    /// The parameters by name.
    #[expect(dead_code, reason = "read as a node; the struct gives the schema")]
    params: Option<Raw>,
    /// The body: an expression, or a map whose leaves are.
    with: Option<Raw>,
    /// The mapping that makes the body.
    map: Option<MappingName>,
    /// What is mapped; left out: the payload.
    #[expect(dead_code, reason = "read as a node; the struct gives the schema")]
    of: Option<Raw>,
    /// Further inputs of the mapping.
    #[expect(dead_code, reason = "read as a node; the struct gives the schema")]
    given: Option<Raw>,
    /// The stable key of the effect, sent as `Idempotency-Key` over HTTP.
    #[expect(dead_code, reason = "read as a node; the struct gives the schema")]
    idempotency_key: Option<Raw>,
    /// What answers that are no success become, by status: an expression over the answer's body, or
    /// null for a result that is missing.
    #[expect(dead_code, reason = "read as a node; the struct gives the schema")]
    accept: Option<Raw>,
    /// How the call is tried again.
    retry: Option<RetryPolicy>,
    /// What undoes the call if the run fails later.
    undo: Option<Raw>,
    /// How long an answer is kept for the same parameters.
    cache: Option<Raw>,
}

fn lower(cx: &mut FlowCx<'_, '_>, step: &StepNode<'_>, payload: &Payload) -> Option<Done> {
    let (plan, call, more) = resolve(cx, step)?;
    let config: CallConfig = cx.read_effect(step, plan.kind, more)?;
    for (present, key) in [
        (config.undo.is_some(), "undo"),
        (config.cache.is_some(), "cache"),
    ] {
        if present {
            let message = format!("`{key}` is not built yet");
            crate::not_yet::refused(cx.work, step.key_span(key), &message);
        }
    }
    let shape = call.shape();
    let operation: Arc<str> = config
        .call
        .split_once('#')
        .map_or("", |(_, thing)| thing)
        .into();
    let params = lower_params(cx, step, &shape, payload);
    let body = lower_body(cx, step, &config, &shape, payload)?;
    let key = step.get("idempotency_key").map(|node| {
        let (key, ty) = cx.expression_at(node, &payload.ty, Expected::Scalar);
        cx.check_key_type(node, &ty);
        key
    });
    let (accept, result, optional) = lower_accept(cx, step, &shape);
    let safe = shape.reads || shape.idempotent || (key.is_some() && shape.keyed);
    let retry = retry_policy(cx, step, config.retry.clone(), safe);
    let timeout = cx.effect_timeout(step, &plan);
    let plan = CallPlan {
        connection: plan.name.clone(),
        operation,
        call,
        shape,
        params,
        body,
        key,
        accept,
        retry,
        timeout,
    };
    Some(Done {
        kind: StepKind::Call(Box::new(plan)),
        payload: Some(payload.clone()),
        result: Some((result, optional)),
    })
}

type Resolved<'r> = (Arc<ConnectionPlan>, Arc<dyn DynCall>, &'r Json);

fn resolve<'r>(cx: &mut FlowCx<'_, 'r>, step: &StepNode<'_>) -> Option<Resolved<'r>> {
    let Some(scalar) = step.verb.value.as_scalar() else {
        let message = format!(
            "expected a reference, found {}",
            step.verb.value.kind_name()
        );
        cx.work
            .error(codes::WRONG_TYPE, step.verb.value.span, message)
            .help = Some("write a connection, `#`, and what is asked for".to_owned());
        return None;
    };
    let span = step.verb.value.span;
    let connections = cx.project.connections;
    let example = "call: erp#createSalesOrder";
    let (plan, target) =
        crate::connections::resolve(cx.work, connections, &scalar.text, span, example)?;
    let entry = cx.work.registry.connections().get(plan.kind)?;
    let Some(schema) = &entry.call else {
        let message = format!("`{}` takes no calls: it is a `{}`", plan.name, plan.kind);
        cx.work.error(codes::STEP_VERB, span, message);
        return None;
    };
    if let Target::Table(table) = &target {
        let message = format!(
            "`{}` is a table: a `call` asks for a named statement",
            table.name
        );
        cx.work.error(codes::UNKNOWN_REFERENCE, span, message).help =
            Some("use `write` for the table, or name a statement in the contract".to_owned());
        return None;
    }
    let own = own_fields(&step.fields.clone().without(OWN_KEYS), &schema.schema);
    let trace = Trace::default();
    let contract = plan.contract.clone();
    let mut check = ComponentCheck {
        work: cx.work,
        target: Some(target),
        contract,
    };
    match plan.connection.call(&mut *own.erased(&trace), &mut check) {
        Ok(call) => Some((plan, call, &schema.schema)),
        Err(Some(error)) => {
            cx.work.component_error(error, &own, &trace);
            None
        }
        Err(None) => None,
    }
}

/// The keys of a `call` or `write` that are the compiler's.
pub(super) const OWN_KEYS: &[&str] = &[
    "call",
    "write",
    "params",
    "with",
    "map",
    "of",
    "given",
    "idempotency_key",
    "accept",
    "retry",
    "undo",
    "cache",
    "id",
    "when",
    "timeout",
    "name",
    "batch",
];

fn lower_params(
    cx: &mut FlowCx<'_, '_>,
    step: &StepNode<'_>,
    shape: &CallShape,
    payload: &Payload,
) -> Option<ExprId> {
    if let Some(node) = step.get("params") {
        return Some(
            cx.expression_at(node, &payload.ty, Expected::Fits(shape.params.clone()))
                .0,
        );
    }
    let Kind::Record(record) = &shape.params.kind else {
        return None;
    };
    let missing: Vec<String> = record
        .fields
        .iter()
        .filter(|f| f.required)
        .map(|f| format!("`{}`", f.name))
        .collect();
    if !missing.is_empty() {
        let message = format!("the parameters {} are missing", missing.join(", "));
        let names: Vec<String> = record
            .fields
            .iter()
            .filter(|f| f.required)
            .map(|f| format!("{}: ...", f.name))
            .collect();
        cx.work
            .error(codes::MISSING_KEY, step.verb.key_span, message)
            .help = Some(format!("add `params: {{ {} }}`", names.join(", ")));
    }
    None
}

fn lower_body(
    cx: &mut FlowCx<'_, '_>,
    step: &StepNode<'_>,
    config: &CallConfig,
    shape: &CallShape,
    payload: &Payload,
) -> Option<CallBody> {
    let Some(body) = &shape.body else {
        for (present, key) in [
            (config.with.is_some(), "with"),
            (config.map.is_some(), "map"),
        ] {
            if present {
                let message = format!("`{}` takes no body", config.call);
                cx.work
                    .error(codes::STEP_OPTION, step.key_span(key), message)
                    .help = Some("give what it needs by `params`".to_owned());
            }
        }
        return Some(CallBody::None);
    };
    body_of(cx, step, body, payload)
}

/// Lowers what goes out: `with`, `map`, or the payload itself; it has to fit `ty`.
pub(super) fn body_of(
    cx: &mut FlowCx<'_, '_>,
    step: &StepNode<'_>,
    ty: &Type,
    payload: &Payload,
) -> Option<CallBody> {
    match (step.get("with"), step.get("map")) {
        (Some(node), None) => {
            let expr = cx
                .expression_at(node, &payload.ty, Expected::Fits(ty.clone()))
                .0;
            Some(CallBody::Expr(expr))
        }
        (None, Some(node)) => {
            let (plan, out) = map::apply(cx, step, node, payload)?;
            cx.check_fits(&out, ty, node.span);
            Some(CallBody::Map(plan))
        }
        (None, None) => {
            cx.check_fits(&payload.ty, ty, step.verb.value.span);
            Some(CallBody::Payload)
        }
        (Some(_), Some(node)) => {
            cx.work
                .error(
                    codes::STEP_OPTION,
                    node.span,
                    "`with` and `map` both say what goes out",
                )
                .help = Some("keep one of them".to_owned());
            None
        }
    }
}

/// Lowers `accept`, and returns the type of the step's result and whether it may be missing.
fn lower_accept(
    cx: &mut FlowCx<'_, '_>,
    step: &StepNode<'_>,
    shape: &CallShape,
) -> (Vec<Accept>, Type, bool) {
    let mut optional = shape.optional;
    let mut types = vec![shape.result.clone()];
    let mut accepts = Vec::new();
    let entries = step
        .get("accept")
        .and_then(Node::as_map)
        .map_or(&[][..], |map| &map.entries[..]);
    for entry in entries {
        let Some(status) = entry
            .key
            .text
            .parse::<u16>()
            .ok()
            .filter(|s| (100..600).contains(s))
        else {
            let message = format!("`{}` is not a status", entry.key.text);
            cx.work
                .error(codes::BAD_VALUE, entry.key_span, message)
                .help = Some("write one from 100 to 599, each on its own: `404: null`".to_owned());
            continue;
        };
        let declared = shape.faults.iter().find(|(own, _)| *own == status);
        let body = declared
            .and_then(|(_, body)| body.clone())
            .unwrap_or_else(Type::any);
        let is_null = entry
            .value
            .as_scalar()
            .is_some_and(|s| s.value() == sluice_model::value::Value::Null);
        let result = if is_null {
            optional = true;
            None
        } else {
            let (expr, ty) = cx.expression_at(&entry.value, &body, Expected::Anything);
            types.push(ty);
            Some(expr)
        };
        accepts.push(Accept { status, result });
    }
    let result = if types.len() == 1 {
        types.remove(0)
    } else {
        Type::union(types)
    };
    (accepts, result, optional)
}

/// Returns how an effect is tried again: as the step says, else the project's default where a
/// repeat is harmless, else once.
pub(super) fn retry_policy(
    cx: &mut FlowCx<'_, '_>,
    step: &StepNode<'_>,
    own: Option<RetryPolicy>,
    safe: bool,
) -> RetryPolicy {
    let once = RetryPolicy {
        attempts: 1,
        ..RetryPolicy::default()
    };
    match own {
        Some(own) if safe || own.attempts <= 1 => own,
        Some(_) => {
            let finding = Finding::error(
                codes::UNSAFE_RETRY,
                step.key_span("retry"),
                "a retry here may do the effect twice",
            )
            .with_note("the operation is not one that may be repeated, and the effect has no key")
            .with_help("add `idempotency_key: ...`, or leave `retry` out");
            cx.work.push(finding);
            once
        }
        None if safe => cx.project.defaults.retry.clone(),
        None => once,
    }
}
