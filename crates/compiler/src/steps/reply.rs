//! `reply`: answers the caller; the message goes on.

use schemars::JsonSchema;
use serde::Deserialize;
use sluice_model::codes;
use sluice_model::types::Type;
use sluice_sdk::check::Expected;
use sluice_sdk::config::Raw;
use sluice_syntax::tree::Node;

use crate::flow::FlowCx;
use crate::release::StepKind;
use crate::steps::{Control, Done, Payload, Replied, StepNode, schema_of};

pub(super) const CONTROL: Control = Control {
    verb: "reply",
    summary: "Answers the caller; the message goes on.",
    schema: schema_of::<ReplyConfig>,
    keeps_payload: true,
    lower,
};

/// `reply: { id: orderId }`.
#[derive(Debug, Deserialize, JsonSchema)]
struct ReplyConfig {
    /// The body: an expression, or a map whose leaves are. Nothing: the payload.
    #[expect(dead_code, reason = "read as a node; the struct gives the schema")]
    reply: Raw,
    /// The status; left out: the operation's first success.
    status: Option<u16>,
    /// Header fields: texts with holes.
    #[expect(dead_code, reason = "read as a node; the struct gives the schema")]
    headers: Option<Raw>,
}

fn lower(cx: &mut FlowCx<'_, '_>, step: &StepNode<'_>, payload: &Payload) -> Option<Done> {
    let config: ReplyConfig = cx.read_step(step)?;
    let expected = expected_body(cx, step, config.status);
    let node = &step.verb.value;
    let body = if node.is_absent() {
        if let Some(Some(ty)) = &expected {
            cx.check_fits(&payload.ty, ty, step.verb.key_span);
        }
        None
    } else {
        let expected = match expected {
            Some(Some(ty)) => Expected::Fits(ty),
            Some(None) => {
                cx.work
                    .error(codes::REPLY, node.span, "this answer has no body")
                    .help = Some("the contract lists none for this status".to_owned());
                Expected::Anything
            }
            None => Expected::Anything,
        };
        Some(cx.expression_at(node, &payload.ty, expected).0)
    };
    cx.replies += 1;
    if 0 < cx.splits && cx.reply.is_some() {
        let message = "a `reply` for each item would answer more than once";
        cx.work
            .error(codes::REPLY, step.verb.key_span, message)
            .help = Some("answer behind the `split`".to_owned());
    } else if matches!(payload.replied, Replied::Maybe | Replied::Yes) {
        let message = match payload.replied {
            Replied::Yes => "the caller has been answered already",
            _ => "the caller may have been answered already",
        };
        cx.work
            .error(codes::REPLY, step.verb.key_span, message)
            .help = Some("each way through the flow answers once".to_owned());
    }
    let headers = lower_headers(cx, step.get("headers"), &payload.ty);
    let behind = Payload {
        ty: payload.ty.clone(),
        replied: Replied::Yes,
    };
    let kind = StepKind::Reply {
        body,
        status: config.status,
        headers,
    };
    Some(Done {
        kind,
        payload: Some(behind),
        result: None,
    })
}

/// Returns the type that the body has to fit: `Some(None)` for none, `None` where nothing is known.
fn expected_body(
    cx: &mut FlowCx<'_, '_>,
    step: &StepNode<'_>,
    status: Option<u16>,
) -> Option<Option<Type>> {
    let Some(reply) = cx.reply.clone() else {
        let message = "nobody waits for a reply here";
        cx.work
            .error(codes::REPLY, step.verb.key_span, message)
            .help =
            Some("only a flow `from: { api }` or `from: { caller, returns }` replies".to_owned());
        return None;
    };
    if reply.answers.is_empty() {
        return None;
    }
    let status_of = status.unwrap_or(reply.default_status);
    let mut fitting: Vec<_> = reply
        .answers
        .iter()
        .filter(|(range, _)| range.contains(status_of))
        .collect();
    fitting.sort_by_key(|(range, _)| *range);
    match fitting.first() {
        Some((_, body)) => Some(body.clone()),
        None => {
            let message = format!("the contract has no answer {status_of} for this operation");
            let known: Vec<String> = reply
                .answers
                .iter()
                .filter_map(|(range, _)| match range {
                    sluice_model::operation::StatusRange::One(status) => Some(status.to_string()),
                    _ => None,
                })
                .collect();
            cx.work
                .error(codes::REPLY, step.key_span("status"), message)
                .help = Some(format!("it has {}", known.join(", ")));
            None
        }
    }
}

fn lower_headers(
    cx: &mut FlowCx<'_, '_>,
    node: Option<&Node>,
    payload: &Type,
) -> Vec<(std::sync::Arc<str>, sluice_sdk::check::TemplateId)> {
    let Some(node) = node else { return Vec::new() };
    let Some(map) = node.as_map() else {
        let found = node.kind_name();
        cx.work
            .error(
                codes::WRONG_TYPE,
                node.span,
                format!("expected a map, found {found}"),
            )
            .help = Some("write each header field and its text".to_owned());
        return Vec::new();
    };
    let mut headers = Vec::new();
    for entry in &map.entries {
        let name = &entry.key.text;
        let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if name.is_empty() || !name.bytes().all(is_token) {
            let message = format!("`{name}` is not the name of a header field");
            cx.work.error(codes::BAD_NAME, entry.key_span, message);
            continue;
        }
        headers.push((name.clone(), cx.template_at(&entry.value, payload)));
    }
    headers
}
