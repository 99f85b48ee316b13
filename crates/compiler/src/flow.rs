//! Flows: a file is lowered to a [`Flow`], typed step by step.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sluice_contracts::validate::Validator;
use sluice_model::codes;
use sluice_model::finding::did_you_mean;
use sluice_model::ids::{ApiName, ConnectionName, FlowName};
use sluice_model::span::Span;
use sluice_model::types::Type;
use sluice_model::value::Name;
use sluice_sdk::check::{Expected, ExprId, TemplateId};
use sluice_sdk::connection::{ReplyShape, SourceShape};
use sluice_syntax::tree::{Entry, Node};

use crate::expr::{CompiledExpr, CompiledTemplate};
use crate::files::{Defaults, FlowFile, Guarantee};
use crate::names::{bad_identifier, is_identifier};
use crate::release::{Api, ConnectionPlan, Flow, RecordPolicy};
use crate::scope::Scope;
use crate::steps::{Payload, Replied};
use crate::work::Work;

/// The most business keys of a flow.
pub const KEYS_MAX: usize = 16;

/// What a flow needs to know of the rest of the project.
pub(crate) struct Project<'p> {
    pub connections: &'p BTreeMap<ConnectionName, Arc<ConnectionPlan>>,
    pub apis: &'p BTreeMap<ApiName, Arc<Api>>,
    pub callers: &'p BTreeMap<FlowName, CallerSignature>,
    /// The flows that have another source, and cannot be run therefore.
    pub others: &'p BTreeSet<Arc<str>>,
    pub mappings: &'p crate::mappings::Mappings,
    pub faults: &'p Faults,
    pub defaults: &'p Defaults,
    pub config: &'p Type,
}

/// The codes that the project's own `fail` steps raise.
#[derive(Debug)]
pub(crate) struct Faults {
    /// The codes, ascending.
    pub codes: Vec<String>,
    /// Whether these are all: no flow is broken.
    pub complete: bool,
}

/// What a flow that other flows run takes and gives.
#[derive(Debug, Clone)]
pub(crate) struct CallerSignature {
    pub input: Type,
    pub returns: Option<Type>,
}

/// A flow that is being lowered.
pub(crate) struct FlowCx<'c, 'r> {
    pub work: &'c mut Work<'r>,
    pub project: &'c Project<'c>,
    pub scope: Scope,
    /// What the caller may be answered; `None` if nobody waits.
    pub reply: Option<ReplyShape>,
    /// The flows that this one runs, for the search for cycles.
    pub runs: Vec<(FlowName, Span)>,
    pub expressions: Vec<CompiledExpr>,
    pub templates: Vec<CompiledTemplate>,
    pub validators: Vec<Validator>,
    pub slots: u16,
    /// How many `split` steps stand around the current one.
    pub splits: u32,
    /// How many `reply` steps there are so far.
    pub replies: u32,
    /// The slots of the variables that `let` binds: one for each name, so that what the ways of a
    /// branching bind under one name is one variable behind it.
    named_slots: BTreeMap<Arc<str>, u16>,
    /// Whether the result of the last expression may be missing.
    pub optional: bool,
}

impl<'c, 'r> FlowCx<'c, 'r> {
    /// Returns the state in which a flow begins: its expressions see what its source gives.
    fn new(work: &'c mut Work<'r>, project: &'c Project<'c>, shape: &SourceShape) -> Self {
        Self {
            work,
            project,
            scope: Scope {
                params: shape.params.clone(),
                meta: Some(shape.meta.clone()),
                config: Some(project.config.clone()),
                ..Scope::default()
            },
            reply: shape.reply.clone(),
            runs: Vec::new(),
            expressions: Vec::new(),
            templates: Vec::new(),
            validators: Vec::new(),
            slots: 0,
            splits: 0,
            replies: 0,
            named_slots: BTreeMap::new(),
            optional: false,
        }
    }

    /// Returns a free slot for a variable.
    pub fn slot(&mut self) -> u16 {
        self.slots += 1;
        self.slots - 1
    }

    /// Returns the slot of the variables with this name.
    pub fn slot_named(&mut self, name: &Arc<str>) -> u16 {
        if let Some(slot) = self.named_slots.get(name) {
            return *slot;
        }
        let slot = self.slot();
        self.named_slots.insert(Arc::clone(name), slot);
        slot
    }

    pub fn add_expression(&mut self, expression: CompiledExpr) -> ExprId {
        self.expressions.push(expression);
        ExprId(self.expressions.len() as u32 - 1)
    }

    pub fn add_template(&mut self, template: CompiledTemplate) -> TemplateId {
        self.templates.push(template);
        TemplateId(self.templates.len() as u32 - 1)
    }
}

/// A flow and what it runs.
pub(crate) struct Lowered {
    pub flow: Flow,
    pub runs: Vec<(FlowName, Span)>,
}

/// Lowers a flow's file.
pub(crate) fn lower(work: &mut Work<'_>, project: &Project<'_>, root: &Node) -> Option<Lowered> {
    let file: FlowFile = work.read_node(root, "a flow")?;
    let name = FlowName::from(file.flow.as_str());
    if file.guarantee == Guarantee::Durable {
        let span = root.get("guarantee").map_or(root.span, |node| node.span);
        crate::not_yet::refused(work, span, "`guarantee: durable` is not built yet");
    }
    let record = record_policy(work, project.defaults, root, file.record.as_deref());
    let from_node = root.get("from")?;
    let from = crate::from::lower(work, project, from_node);
    let (from, shape, ordered_by) = match from {
        Some(lowered) => (Some(lowered.from), lowered.shape, lowered.ordered_by),
        None => (None, crate::from::unknown_shape(), None),
    };
    let mut cx = FlowCx::new(work, project, &shape);
    let input = shape.payload;
    let ordered_by =
        ordered_by.map(|node: &Node| cx.expression_at(node, &input, Expected::Scalar).0);
    let keys = root
        .get("keys")
        .map_or_else(Vec::new, |node| lower_keys(&mut cx, node, &input));
    cx.scope.keys = keys.iter().map(|(name, _)| Arc::clone(name)).collect();
    // The handler sees what the flow began with, not what its steps have bound.
    let outer = cx.scope.clone();
    let start = Payload {
        ty: input.clone(),
        replied: match from {
            Some(_) => Replied::No,
            None => Replied::Unknown,
        },
    };
    let steps = cx.block(root.get("steps")?, start, "");
    cx.check_replied(&steps, root);
    cx.scope = Scope {
        fault: Some(Scope::fault_type(None)),
        ..outer
    };
    let on_failure = root.get("on_failure").map(|node| {
        let start = Payload {
            ty: input.clone(),
            replied: Replied::Yes,
        };
        cx.block(node, start, "on_failure").block
    });
    let flow = Flow {
        name,
        summary: file.summary.as_deref().map(Into::into),
        owner: file.owner.as_deref().map(Into::into),
        from: from?,
        input,
        keys,
        ordered_by,
        record,
        steps: steps.block,
        on_failure,
        expressions: cx.expressions,
        templates: cx.templates,
        validators: cx.validators,
        variables: cx.slots,
        span: root.get("flow").map_or(root.span, |node| node.span),
    };
    Some(Lowered {
        flow,
        runs: cx.runs,
    })
}

/// Types the mappings that no flow has applied, so that their mistakes are told as well.
pub(crate) fn check_unused_mappings(work: &mut Work<'_>, project: &Project<'_>) {
    let typed = std::mem::take(&mut work.typed_mappings);
    let mut cx = FlowCx::new(work, project, &crate::from::unknown_shape());
    for (name, mapping) in project.mappings.iter() {
        if !typed.contains(&mapping.file) {
            cx.unused_mapping(name, mapping);
        }
    }
    cx.work.typed_mappings.clear();
}

fn lower_keys(cx: &mut FlowCx<'_, '_>, node: &Node, input: &Type) -> Vec<(Arc<str>, ExprId)> {
    let Some(map) = node.as_map() else {
        let found = node.kind_name();
        cx.work
            .error(
                codes::WRONG_TYPE,
                node.span,
                format!("expected a map, found {found}"),
            )
            .help = Some("write each key's name and its expression: `{ order: id }`".to_owned());
        return Vec::new();
    };
    if KEYS_MAX < map.entries.len() {
        let message = format!(
            "a flow has at most {KEYS_MAX} keys, here are {}",
            map.entries.len()
        );
        cx.work.error(codes::BAD_VALUE, node.span, message);
    }
    let mut keys = Vec::new();
    for Entry {
        key,
        key_span,
        value,
    } in map.entries.iter().take(KEYS_MAX)
    {
        if !is_identifier(&key.text) {
            cx.work
                .push(bad_identifier(&key.text, "the name of a key", *key_span));
            continue;
        }
        // A key that is missing is left out of the record, so it may be.
        let (expr, ty) = cx.expression_at(value, input, Expected::Anything);
        cx.check_key_type(value, &ty);
        keys.push((Arc::clone(&key.text), expr));
    }
    keys
}

/// Reads `all`, `failures`, `none` or `sample 1%`.
fn record_policy(
    work: &mut Work<'_>,
    defaults: &Defaults,
    root: &Node,
    own: Option<&str>,
) -> RecordPolicy {
    let text = own.unwrap_or(&defaults.record);
    if let Some(policy) = parse_record(text) {
        return policy;
    }
    if own.is_some() {
        let span = root.get("record").map_or(root.span, |node| node.span);
        let near = did_you_mean(text, ["all", "failures", "none"]);
        let finding = work.error(
            codes::BAD_CHOICE,
            span,
            format!("`{text}` does not say what is kept"),
        );
        finding.help =
            Some("write `all`, `failures`, `none`, or a share such as `sample 1%`".to_owned());
        if let Some(near) = near {
            finding
                .fixes
                .push(crate::fix::replace(format!("use `{near}`"), span, near));
        }
    }
    RecordPolicy::Failures
}

/// Reads what a `record` field says.
pub(crate) fn parse_record(text: &str) -> Option<RecordPolicy> {
    match text {
        "all" => Some(RecordPolicy::All),
        "failures" => Some(RecordPolicy::Failures),
        "none" => Some(RecordPolicy::None),
        _ => {
            let percent = text.strip_prefix("sample ")?.trim().strip_suffix('%')?;
            let share: f64 = percent.parse().ok()?;
            (0.0..=100.0)
                .contains(&share)
                .then_some(RecordPolicy::Sample(share / 100.0))
        }
    }
}

/// Returns the name under which `$steps` has a result.
pub(crate) fn result_name(id: &str) -> Name {
    Name::new(id)
}
