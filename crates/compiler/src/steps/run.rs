//! `run`: runs another flow and keeps its reply (sub-flow).

use schemars::JsonSchema;
use serde::Deserialize;
use sluice_model::codes;
use sluice_model::finding::did_you_mean;
use sluice_model::ids::FlowName;
use sluice_model::types::Type;
use sluice_sdk::check::Expected;
use sluice_sdk::config::Raw;

use crate::flow::FlowCx;
use crate::project::FileKind;
use crate::release::StepKind;
use crate::steps::{Control, Done, Payload, StepNode, schema_of};

pub(super) const CONTROL: Control = Control {
    verb: "run",
    summary: "Runs another flow and keeps its reply as `$steps.<id>`.",
    schema: schema_of::<RunConfig>,
    keeps_payload: true,
    lower,
};

/// `run: fraud-score`.
#[derive(Debug, Deserialize, JsonSchema)]
struct RunConfig {
    /// The flow; its source is `caller`.
    run: String,
    /// Its input: an expression, or a map whose leaves are. Left out: the payload.
    #[expect(dead_code, reason = "read as a node; the struct gives the schema")]
    with: Option<Raw>,
}

fn lower(cx: &mut FlowCx<'_, '_>, step: &StepNode<'_>, payload: &Payload) -> Option<Done> {
    let config: RunConfig = cx.read_step(step)?;
    let span = step.verb.value.span;
    let name = FlowName::from(config.run.as_str());
    let Some(signature) = cx.project.callers.get(&name).cloned() else {
        unknown_flow(cx, &config.run, span);
        return None;
    };
    cx.runs.push((name.clone(), span));
    let with = match step.get("with") {
        Some(node) => Some(
            cx.expression_at(node, &payload.ty, Expected::Fits(signature.input))
                .0,
        ),
        None => {
            cx.check_fits(&payload.ty, &signature.input, span);
            None
        }
    };
    let result = signature
        .returns
        .map_or((Type::null(), true), |ty| (ty, false));
    Some(Done {
        kind: StepKind::Run { flow: name, with },
        payload: Some(payload.clone()),
        result: Some(result),
    })
}

fn unknown_flow(cx: &mut FlowCx<'_, '_>, name: &str, span: sluice_model::span::Span) {
    if cx.work.declares(FileKind::Flow, name) {
        // One that means to be run, or that is broken, is told in its own file.
        if !cx.project.others.contains(name) {
            return;
        }
        let message = format!("the flow `{name}` cannot be run by others");
        cx.work.error(codes::UNKNOWN_REFERENCE, span, message).help =
            Some("only a flow `from: { caller: contracts/...#Input }` can".to_owned());
        return;
    }
    let names = cx.project.callers.keys().map(FlowName::as_str);
    let near = did_you_mean(name, names).map(str::to_owned);
    let finding = cx.work.error(
        codes::UNKNOWN_REFERENCE,
        span,
        format!("there is no flow `{name}`"),
    );
    match near {
        Some(near) => {
            finding.help = Some(format!("did you mean `{near}`?"));
            finding
                .fixes
                .push(crate::fix::replace(format!("use `{near}`"), span, &near));
        }
        None => finding.help = Some(format!("add `flows/{name}.yaml`")),
    }
}
