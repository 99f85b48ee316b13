//! `try`: its steps, and what is done when one of them fails.

use schemars::JsonSchema;
use serde::Deserialize;
use sluice_model::codes;
use sluice_model::fault::FaultCode;
use sluice_model::finding::did_you_mean;
use sluice_model::ids::ConnectionName;
use sluice_model::operation::Target;
use sluice_model::span::Span;
use sluice_model::types::Type;
use sluice_sdk::config::Raw;
use sluice_syntax::tree::Node;

use crate::flow::FlowCx;
use crate::project::FileKind;
use crate::release::{Catch, StepKind};
use crate::scope::Scope;
use crate::steps::{Control, Done, Payload, Replied, StepNode, join, schema_of};

pub(super) const CONTROL: Control = Control {
    verb: "try",
    summary: "Catches the faults of its steps.",
    schema: schema_of::<TryConfig>,
    keeps_payload: false,
    lower,
};

/// `try: [steps]` with `catch`.
#[derive(Debug, Deserialize, JsonSchema)]
struct TryConfig {
    /// The steps.
    #[expect(dead_code, reason = "read as a node; the struct gives the schema")]
    r#try: Raw,
    /// What is done for which fault: the first handler that fits.
    #[expect(dead_code, reason = "read as a node; the struct gives the schema")]
    catch: Vec<Raw>,
}

/// A handler.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CatchConfig {
    /// The fault's code; left out: any fault.
    fault: Option<String>,
    /// What is done.
    #[expect(dead_code, reason = "read as a node; the struct gives the schema")]
    steps: Raw,
}

fn lower(cx: &mut FlowCx<'_, '_>, step: &StepNode<'_>, payload: &Payload) -> Option<Done> {
    cx.read_step::<TryConfig>(step)?;
    let before = cx.scope.clone();
    let replies = cx.replies;
    let body = cx.block(
        &step.verb.value,
        payload.clone(),
        &format!("{}.try", step.id),
    );
    let mut bound = vec![cx.scope.way_since(&before, body.payload.is_some())];
    let mut behind = body.payload.clone();
    let mut catch = Vec::new();
    let handlers = step.get("catch")?.as_list()?;
    // The caller may have been answered before the step that failed.
    let replied = match &body.payload {
        Some(out) if out.replied == Replied::Unknown => Replied::Unknown,
        _ if replies < cx.replies => Replied::Maybe.meet(payload.replied),
        _ => payload.replied,
    };
    for (index, handler) in handlers.iter().enumerate() {
        cx.scope = before.clone();
        let Some(config) = cx.work.read_node::<CatchConfig>(handler, "a handler") else {
            behind = join(behind, Some(Payload::unknown()));
            continue;
        };
        let span = handler.get("fault").map_or(handler.span, |node| node.span);
        let fault_body = config
            .fault
            .as_deref()
            .and_then(|code| check_code(cx, code, span));
        cx.scope.fault = Some(Scope::fault_type(fault_body));
        let Some(steps) = handler.get("steps") else {
            continue;
        };
        let start = Payload {
            ty: payload.ty.clone(),
            replied,
        };
        let out = cx.block(steps, start, &format!("{}.catch.{}", step.id, index + 1));
        bound.push(cx.scope.way_since(&before, out.payload.is_some()));
        behind = join(behind, out.payload);
        catch.push(Catch {
            fault: config.fault.as_deref().map(Into::into),
            steps: out.block,
        });
    }
    cx.scope = before.after(bound);
    Some(Done {
        kind: StepKind::Try {
            steps: body.block,
            catch,
        },
        payload: behind,
        result: None,
    })
}

/// Checks that something raises a code, and returns the type of the fault's body where a contract
/// has it.
fn check_code(cx: &mut FlowCx<'_, '_>, code: &str, span: Span) -> Option<Type> {
    if FaultCode::BUILT_IN.contains(&code) || cx.project.faults.codes.iter().any(|own| own == code)
    {
        return None;
    }
    if let Some((connection, rest)) = code.split_once('#') {
        return check_contract_code(cx, code, connection, rest, span);
    }
    let own = cx.project.faults.codes.iter().map(String::as_str);
    let near = did_you_mean(code, FaultCode::BUILT_IN.into_iter().chain(own));
    if near.is_none() && !cx.project.faults.complete {
        // A flow that cannot be read may raise it.
        return None;
    }
    let finding = cx.work.error(
        codes::UNKNOWN_FAULT,
        span,
        format!("nothing raises a fault `{code}`"),
    );
    match near {
        Some(near) => {
            finding.help = Some(format!("did you mean `{near}`?"));
            finding
                .fixes
                .push(crate::fix::replace(format!("use `{near}`"), span, near));
        }
        None => {
            finding.help = Some(format!(
                "built in are `{}`; a contract's are written `erp#createOrder/422`; the project's \
                 own are what its `fail` steps say",
                FaultCode::BUILT_IN.join("`, `")
            ));
        }
    }
    None
}

fn check_contract_code(
    cx: &mut FlowCx<'_, '_>,
    code: &str,
    connection: &str,
    rest: &str,
    span: Span,
) -> Option<Type> {
    let connections = cx.project.connections;
    let (operation, status) = rest.rsplit_once('/').unwrap_or((rest, ""));
    let Some(plan) = connections.get(&ConnectionName::from(connection)) else {
        if !cx.work.declares(FileKind::Connection, connection) {
            let names = connections.keys().map(ConnectionName::as_str);
            let near = did_you_mean(connection, names);
            let span = Span {
                end: span.start + connection.len() as u32,
                ..span
            };
            crate::connections::unknown_connection(cx.work, connection, span, near);
        }
        return None;
    };
    let contract = plan.contract.as_ref();
    if contract.is_some_and(|own| cx.work.is_damaged(own)) {
        return None;
    }
    let target = contract.and_then(|contract| contract.target(operation));
    if let (Some(Target::Http(operation)), Ok(status)) = (target, status.parse::<u16>()) {
        if let Some(response) = operation.response(status) {
            return response.body.as_ref().map(|body| body.ty.clone());
        }
        let statuses: Vec<String> = operation
            .responses
            .iter()
            .filter_map(|response| match response.status {
                sluice_model::operation::StatusRange::One(one) if 300 <= one => {
                    Some(one.to_string())
                }
                _ => None,
            })
            .collect();
        let message = format!("`{}` never answers {status}", operation.id);
        let finding = cx.work.error(codes::UNKNOWN_FAULT, span, message);
        finding.help = Some(format!("its contract has {}", statuses.join(", ")));
        return None;
    }
    let message = format!("nothing raises a fault `{code}`");
    cx.work.error(codes::UNKNOWN_FAULT, span, message).help =
        Some("write connection, operation and status: `erp#createOrder/422`".to_owned());
    None
}

/// Returns the nodes that hold steps inside a step, for walks that need no types.
pub(crate) fn blocks_inside(step: &Node) -> Vec<&Node> {
    ["steps", "try", "otherwise"]
        .iter()
        .filter_map(|key| step.get(key))
        .collect()
}
