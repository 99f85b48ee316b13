//! `write`: writes to a sink (channel adapter).

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Json;
use sluice_model::codes;
use sluice_sdk::check::Expected;
use sluice_sdk::config::{BatchPolicy, MappingName, Raw, RetryPolicy, Template};
use sluice_sdk::connection::DynSink;

use crate::de::Trace;
use crate::flow::FlowCx;
use crate::release::{ConnectionPlan, StepKind, WritePlan};
use crate::steps::{Control, Done, Payload, StepNode, call, schema_of};
use crate::work::{ComponentCheck, own_fields};

pub(super) const CONTROL: Control = Control {
    verb: "write",
    summary: "Writes to a table, a file, whatever a connection takes.",
    schema: schema_of::<WriteConfig>,
    keeps_payload: true,
    lower,
};

/// `write: shop#orders`.
#[derive(Debug, Deserialize, JsonSchema)]
struct WriteConfig {
    /// The connection and where it is written to: `shop#orders`.
    write: String,
    /// What is written: an expression, or a map whose leaves are. Left out: the payload.
    #[expect(dead_code, reason = "read as a node; the struct gives the schema")]
    with: Option<Raw>,
    /// The mapping that makes what is written.
    #[expect(dead_code, reason = "read as a node; the struct gives the schema")]
    map: Option<MappingName>,
    /// What is mapped; left out: the payload.
    #[expect(dead_code, reason = "read as a node; the struct gives the schema")]
    of: Option<Raw>,
    /// Further inputs of the mapping.
    #[expect(dead_code, reason = "read as a node; the struct gives the schema")]
    given: Option<Raw>,
    /// The computed name of what is written: a file's, say.
    #[expect(dead_code, reason = "read as a node; the struct gives the schema")]
    name: Option<Template>,
    /// The stable key of the effect.
    #[expect(dead_code, reason = "read as a node; the struct gives the schema")]
    idempotency_key: Option<Raw>,
    /// How rows of several messages are gathered and written together.
    batch: Option<BatchPolicy>,
    /// How the write is tried again.
    retry: Option<RetryPolicy>,
    /// What undoes the write if the run fails later.
    undo: Option<Raw>,
}

fn lower(cx: &mut FlowCx<'_, '_>, step: &StepNode<'_>, payload: &Payload) -> Option<Done> {
    let (plan, sink, more) = resolve(cx, step)?;
    let config: WriteConfig = cx.read_effect(step, plan.kind, more)?;
    if config.undo.is_some() {
        crate::not_yet::refused(cx.work, step.key_span("undo"), "`undo` is not built yet");
    }
    let shape = sink.shape();
    let row = call::body_of(cx, step, &shape.row, payload)?;
    let name = step.get("name").map(|node| {
        if !shape.named {
            let message = format!("`{}` takes no name", config.write);
            cx.work
                .error(codes::STEP_OPTION, step.key_span("name"), message);
        }
        cx.template_at(node, &payload.ty)
    });
    if shape.named && name.is_none() {
        let message = format!("`{}` needs a name for what is written", config.write);
        cx.work
            .error(codes::MISSING_KEY, step.verb.key_span, message)
            .help = Some("add `name: \"order-{id}.json\"`".to_owned());
    }
    let key = step.get("idempotency_key").map(|node| {
        let (key, ty) = cx.expression_at(node, &payload.ty, Expected::Scalar);
        cx.check_key_type(node, &ty);
        key
    });
    let retry = call::retry_policy(cx, step, config.retry.clone(), shape.idempotent);
    let timeout = cx.effect_timeout(step, &plan);
    let thing: Arc<str> = config
        .write
        .split_once('#')
        .map_or("", |(_, thing)| thing)
        .into();
    let write = WritePlan {
        connection: plan.name.clone(),
        thing,
        sink,
        shape,
        row,
        name,
        key,
        batch: config.batch.unwrap_or_default(),
        retry,
        timeout,
    };
    Some(Done::passing(StepKind::Write(Box::new(write)), payload))
}

type Resolved<'r> = (Arc<ConnectionPlan>, Box<dyn DynSink>, &'r Json);

fn resolve<'r>(cx: &mut FlowCx<'_, 'r>, step: &StepNode<'_>) -> Option<Resolved<'r>> {
    let span = step.verb.value.span;
    let Some(scalar) = step.verb.value.as_scalar() else {
        let message = format!(
            "expected a reference, found {}",
            step.verb.value.kind_name()
        );
        cx.work.error(codes::WRONG_TYPE, span, message).help =
            Some("write a connection, `#`, and where it is written to".to_owned());
        return None;
    };
    let connections = cx.project.connections;
    let (plan, target) = crate::connections::resolve(
        cx.work,
        connections,
        &scalar.text,
        span,
        "write: shop#orders",
    )?;
    let entry = cx.work.registry.connections().get(plan.kind)?;
    let Some(schema) = &entry.sink else {
        let message = format!(
            "nothing is written to `{}`: it is a `{}`",
            plan.name, plan.kind
        );
        cx.work.error(codes::STEP_VERB, span, message).help = Some("use `call`".to_owned());
        return None;
    };
    let own = own_fields(&step.fields.clone().without(call::OWN_KEYS), &schema.schema);
    let trace = Trace::default();
    let contract = plan.contract.clone();
    let mut check = ComponentCheck {
        work: cx.work,
        target: Some(target),
        contract,
    };
    match plan.connection.sink(&mut *own.erased(&trace), &mut check) {
        Ok(sink) => Some((plan, sink, &schema.schema)),
        Err(Some(error)) => {
            cx.work.component_error(error, &own, &trace);
            None
        }
        Err(None) => None,
    }
}
