//! Steps: which verb a step has, what it is lowered to, and what the payload is behind it.
//!
//! A control-flow step is one file below `steps/` and one line in [`CONTROL`]; a leaf step comes
//! from the registry.

mod call;
mod choose;
mod dedupe;
mod leaf;
mod let_;
mod map;
mod reply;
mod run;
mod split;
mod try_;
mod write;

pub(crate) use try_::blocks_inside;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Json;
use sluice_model::codes;
use sluice_model::finding::{Finding, did_you_mean};
use sluice_model::ids::StepId;
use sluice_model::span::Span;
use sluice_model::types::Type;
use sluice_sdk::check::{Expected, ExprId};
use sluice_sdk::config::{Config, Duration, Raw};
use sluice_syntax::tree::{Entry, Node};

use crate::de::Fields;
use crate::flow::{FlowCx, result_name};
use crate::names::{bad_identifier, is_identifier};
use crate::release::{Block, StepKind, StepPlan};
use crate::scope::{Scope, StepResult, Variable};

/// What every step has.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct CommonConfig {
    /// The name under which later steps find the result: `$steps.<id>`.
    pub id: Option<String>,
    /// Whether the step is done for this message: a boolean expression.
    pub when: Option<Raw>,
    /// How long the step may take.
    pub timeout: Option<Duration>,
}

/// A control-flow step.
pub(crate) struct Control {
    /// Its verb.
    pub verb: &'static str,
    /// What it does, in a sentence.
    pub summary: &'static str,
    /// The schema of its own keys.
    pub schema: fn() -> Json,
    /// Whether the payload behind it is the one before it.
    pub keeps_payload: bool,
    /// Types and lowers it.
    pub lower: fn(&mut FlowCx<'_, '_>, &StepNode<'_>, &Payload) -> Option<Done>,
}

/// The control-flow steps, in the order in which the documentation lists them.
pub(crate) const CONTROL: &[Control] = &[
    map::CONTROL,
    let_::CONTROL,
    choose::CONTROL,
    split::CONTROL,
    call::CONTROL,
    write::CONTROL,
    reply::CONTROL,
    dedupe::CONTROL,
    try_::CONTROL,
    run::CONTROL,
];

/// Steps that the language has and this build does not run.
const LATER: &[&str] = &[
    "publish",
    "aggregate",
    "scatter",
    "resequence",
    "tap",
    "throttle",
    "delay",
    "wait",
    "ask",
    "loop",
    "claim",
    "window",
    "join",
    "mask",
    "sign",
    "verify",
    "encrypt",
    "decrypt",
    "script",
];

/// What reaches a step.
#[derive(Debug, Clone)]
pub(crate) struct Payload {
    /// The type of the payload.
    pub ty: Type,
    /// Whether the caller has been answered.
    pub replied: Replied,
}

impl Payload {
    /// What is behind a step that is broken: nothing about it is complained of.
    pub fn unknown() -> Self {
        Self {
            ty: Type::any(),
            replied: Replied::Unknown,
        }
    }
}

/// Whether the caller has been answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Replied {
    No,
    Maybe,
    Yes,
    /// A step before is broken: it may have answered or not.
    Unknown,
}

impl Replied {
    /// Returns what holds where two ways meet.
    pub fn meet(self, other: Replied) -> Replied {
        match (self, other) {
            (Replied::Unknown, _) | (_, Replied::Unknown) => Replied::Unknown,
            (one, other) if one == other => one,
            _ => Replied::Maybe,
        }
    }
}

/// A step that was typed.
pub(crate) struct Done {
    pub kind: StepKind,
    /// The payload behind the step; `None` if no message comes out of it.
    pub payload: Option<Payload>,
    /// The result that `$steps.<id>` has, and whether it may be missing.
    pub result: Option<(Type, bool)>,
}

impl Done {
    /// A step that leaves the payload alone.
    pub fn passing(kind: StepKind, payload: &Payload) -> Self {
        Self {
            kind,
            payload: Some(payload.clone()),
            result: None,
        }
    }
}

/// Steps that were typed.
pub(crate) struct LoweredBlock {
    pub block: Block,
    /// The payload behind the last step; `None` if no message reaches the end.
    pub payload: Option<Payload>,
}

/// A step as the file has it.
pub(crate) struct StepNode<'n> {
    pub node: &'n Node,
    /// The entry whose key is the verb.
    pub verb: &'n Entry,
    pub fields: Fields<'n>,
    pub id: StepId,
}

impl<'n> StepNode<'n> {
    /// Returns the value of a key.
    pub fn get(&self, key: &str) -> Option<&'n Node> {
        self.fields.get(key).map(|field| field.value)
    }

    /// Returns the place of a key, of the verb if it is missing.
    pub fn key_span(&self, key: &str) -> Span {
        self.fields
            .get(key)
            .map_or(self.verb.key_span, |field| field.key_span)
    }
}

impl FlowCx<'_, '_> {
    /// Lowers a list of steps.
    pub fn block(&mut self, node: &Node, start: Payload, prefix: &str) -> LoweredBlock {
        let mut block = Block::default();
        let mut payload = Some(start);
        let Some(items) = node.as_list() else {
            let found = node.kind_name();
            let message = format!("expected a list of steps, found {found}");
            self.work.error(codes::WRONG_TYPE, node.span, message).help =
                Some("begin each step with `- `".to_owned());
            return LoweredBlock { block, payload };
        };
        let mut told = false;
        for (index, item) in items.iter().enumerate() {
            let Some(reached) = payload.clone() else {
                if !told {
                    self.unreachable(&items[index - 1], item);
                    told = true;
                }
                continue;
            };
            let (plan, behind) = self.step(item, reached, prefix, index + 1);
            block.steps.extend(plan);
            payload = behind;
        }
        LoweredBlock { block, payload }
    }

    fn unreachable(&mut self, before: &Node, step: &Node) {
        let end = before
            .as_map()
            .and_then(|map| map.entries.first())
            .map_or(before.span, |e| e.key_span);
        self.work.push(
            Finding::warning(
                codes::UNREACHABLE_STEP,
                first_key(step),
                "no message reaches this step",
            )
            .with_place(end, "every message ends here")
            .with_help("remove it, or move it before the step that ends the message"),
        );
    }

    /// Lowers one step; a broken one leaves the payload's type unknown, so that what follows is not
    /// complained of.
    fn step(
        &mut self,
        node: &Node,
        reached: Payload,
        prefix: &str,
        number: usize,
    ) -> (Option<StepPlan>, Option<Payload>) {
        let unknown = Payload::unknown();
        let (Some(verb), Some(fields)) = (self.verb_of(node), Fields::of(node)) else {
            if let Some(id) = node.get("id").and_then(Node::as_scalar) {
                self.bind_result(&id.text, Type::any(), false);
            }
            return (None, Some(unknown));
        };
        let (id, written) = self.id_of(&fields, verb, prefix, number);
        let step = StepNode {
            node,
            verb,
            fields,
            id,
        };
        let outer = self.scope.clone();
        let (when, inner) = match step.get("when") {
            Some(node) => {
                let when = self.expression_at(node, &reached.ty, Expected::Condition).0;
                let ty = self.narrow_to(node, &reached.ty, true);
                (Some(when), Payload { ty, ..reached })
            }
            None => (None, reached.clone()),
        };
        let Some(done) = self.lower_verb(&step, &inner) else {
            self.type_loosely(&step, &inner);
            self.scope = outer;
            return (None, Some(self.behind_broken(&step, written, reached)));
        };
        if when.is_some() {
            self.leave_condition(outer, done.payload.is_some());
        }
        let result = done.result.and_then(|(ty, optional)| {
            let id = written?;
            self.bind_result(id, ty, optional || when.is_some());
            Some(result_name(id))
        });
        let reached = match (step.get("when"), &done.payload) {
            // Who gets past a step that ends the message has not met its condition.
            (Some(node), None) => Payload {
                ty: self.narrow_to(node, &reached.ty, false),
                ..reached
            },
            _ => reached,
        };
        let behind = join(done.payload, when.map(|_| reached));
        self.check_timeout(&step);
        let plan = StepPlan {
            id: step.id.clone(),
            result,
            verb: self.verb_name(&verb.key.text),
            when,
            kind: done.kind,
            span: verb.key_span,
        };
        (Some(plan), behind)
    }

    /// Types the expressions of a step that is broken otherwise, so that what is wrong in them is
    /// told in the same go.
    fn type_loosely(&mut self, step: &StepNode<'_>, payload: &Payload) {
        const EXPRESSIONS: [&str; 10] = [
            "params",
            "with",
            "idempotency_key",
            "of",
            "reply",
            "let",
            "compute",
            "filter",
            "split",
            "dedupe",
        ];
        for key in EXPRESSIONS {
            if let Some(node) = step.get(key).filter(|node| !node.is_absent()) {
                self.expression_at(node, &payload.ty, Expected::Anything);
            }
        }
        if let Some(name) = step.get("map").filter(|_| &*step.verb.key.text != "map") {
            map::apply(self, step, name, payload);
        }
    }

    /// Returns what is behind a step that is broken. What it would have bound is unknown: later
    /// steps must not be complained of.
    fn behind_broken(
        &mut self,
        step: &StepNode<'_>,
        id: Option<&str>,
        reached: Payload,
    ) -> Payload {
        if let Some(id) = id {
            self.bind_result(id, Type::any(), false);
        }
        let verb = &*step.verb.key.text;
        if verb == "let" {
            let entries = step.verb.value.as_map().map_or(&[][..], |map| &map.entries);
            for entry in entries {
                let slot = self.slot_named(&entry.key.text);
                self.scope.variables.push(Variable {
                    name: entry.key.text.clone(),
                    ty: Type::any(),
                    optional: false,
                    slot,
                });
            }
        }
        let control = CONTROL.iter().find(|control| control.verb == verb);
        match control {
            Some(control) if control.keeps_payload => Payload {
                replied: match verb {
                    "reply" => Replied::Unknown,
                    _ => reached.replied,
                },
                ..reached
            },
            _ => Payload::unknown(),
        }
    }

    /// Returns the id of a step, and what is written as its id.
    fn id_of<'n>(
        &mut self,
        fields: &Fields<'n>,
        verb: &Entry,
        prefix: &str,
        number: usize,
    ) -> (StepId, Option<&'n str>) {
        let node = fields.get("id").map(|field| field.value);
        if let Some((node, scalar)) = node.and_then(|node| Some((node, node.as_scalar()?))) {
            self.check_id(&scalar.text, node.span);
            return (StepId::from(&*scalar.text), Some(&*scalar.text));
        }
        let place = if prefix.is_empty() { "" } else { "." };
        let id = format!("{prefix}{place}{number}.{}", verb.key.text);
        (StepId::from(id.as_str()), None)
    }

    /// Leaves a step that has a condition: what it made certain is no longer so, and what the step
    /// has bound may be missing.
    fn leave_condition(&mut self, outer: Scope, leads_on: bool) {
        let way = self.scope.way_since(&outer, leads_on);
        let past = outer.way_since(&outer, true);
        self.scope = outer.after(vec![way, past]);
    }

    /// Refuses a bound that nothing would keep: this build bounds calls and writes only.
    fn check_timeout(&mut self, step: &StepNode<'_>) {
        if let Some(field) = step.fields.get("timeout")
            && !matches!(&*step.verb.key.text, "call" | "write")
        {
            let message = format!(
                "`timeout` on a `{}` step is not built yet",
                step.verb.key.text
            );
            crate::not_yet::refused(self.work, field.key_span, &message);
        }
    }

    fn bind_result(&mut self, id: &str, ty: Type, optional: bool) {
        self.scope.results.push(StepResult {
            id: id.into(),
            ty,
            optional,
        });
    }

    fn check_id(&mut self, id: &str, span: Span) {
        if !is_identifier(id) {
            self.work.push(bad_identifier(id, "the id of a step", span));
        } else if self.scope.results.iter().any(|result| &*result.id == id) {
            let message = format!("there is a step `{id}` before this one");
            self.work.error(codes::DUPLICATE_NAME, span, message).help =
                Some("give each step of a flow its own id".to_owned());
        }
    }

    fn lower_verb(&mut self, step: &StepNode<'_>, payload: &Payload) -> Option<Done> {
        match CONTROL
            .iter()
            .find(|control| control.verb == &*step.verb.key.text)
        {
            Some(control) => (control.lower)(self, step, payload),
            None => leaf::lower(self, step, payload),
        }
    }

    /// Checks the step's keys against the structs that share them, and makes its own.
    pub fn read_step<C: Config>(&mut self, step: &StepNode<'_>) -> Option<C> {
        let own = self.work.schema::<C>();
        self.check_step(step, &own, None)?;
        self.work.read(&step.fields)
    }

    /// The same for a step that shares its keys with a connector, too.
    pub fn read_effect<C: Config>(
        &mut self,
        step: &StepNode<'_>,
        connector: &'static str,
        more: &Json,
    ) -> Option<C> {
        let own = self.work.schema::<C>();
        self.check_step(step, &own, Some((connector, more)))?;
        self.work.read(&step.fields)
    }

    /// Checks the keys of a step; `None` if one is wrong.
    fn check_step(
        &mut self,
        step: &StepNode<'_>,
        own: &Json,
        more: Option<(&'static str, &Json)>,
    ) -> Option<()> {
        let verb = self.verb_name(&step.verb.key.text);
        let connector = more.map_or("", |(connector, _)| connector);
        let schema = self.work.merged(("step", verb, connector), |work| {
            let common = work.schema::<CommonConfig>();
            let mut schemas = vec![own, &*common];
            schemas.extend(more.map(|(_, schema)| schema));
            crate::schema::merge(&schemas)
        });
        let what = format!("a `{verb}` step");
        let fits = self.work.check_shape(step.node, &schema, &what);
        fits.then_some(())
    }

    fn verb_name(&self, text: &str) -> &'static str {
        let control = CONTROL.iter().map(|control| control.verb);
        let mut all = control.chain(self.work.registry.steps().keys().copied());
        all.find(|verb| *verb == text).unwrap_or("step")
    }

    /// Returns the one key of a step that is a verb.
    fn verb_of<'n>(&mut self, node: &'n Node) -> Option<&'n Entry> {
        let Some(map) = node.as_map() else {
            let found = node.kind_name();
            self.work
                .error(
                    codes::WRONG_TYPE,
                    node.span,
                    format!("expected a step, found {found}"),
                )
                .help = Some("write a verb and its argument: `- map: order-to-erp`".to_owned());
            return None;
        };
        let is_verb = |entry: &&Entry| self.verb_name(&entry.key.text) != "step";
        let mut verbs: Vec<&Entry> = map.entries.iter().filter(is_verb).collect();
        let takes_map = verbs
            .iter()
            .any(|entry| matches!(&*entry.key.text, "call" | "write"));
        if takes_map {
            verbs.retain(|entry| &*entry.key.text != "map");
        }
        match verbs.as_slice() {
            [one] => Some(one),
            [] => {
                self.no_verb(node, &map.entries);
                None
            }
            [first, second, ..] => {
                let message = format!(
                    "a step has one verb: `{}` or `{}`?",
                    first.key.text, second.key.text
                );
                let label = crate::fix::label(first.key_span, "the first verb");
                let finding = self.work.error(codes::STEP_VERB, second.key_span, message);
                finding.labels.push(label);
                finding.help = Some("make two steps of it".to_owned());
                None
            }
        }
    }

    fn no_verb(&mut self, node: &Node, entries: &[Entry]) {
        if let Some(later) = entries
            .iter()
            .find(|entry| LATER.contains(&&*entry.key.text))
        {
            let message = format!("the step `{}` is not built yet", later.key.text);
            crate::not_yet::refused(self.work, later.key_span, &message);
            return;
        }
        let control = CONTROL.iter().map(|control| control.verb);
        let verbs: Vec<&'static str> = control
            .chain(self.work.registry.steps().keys().copied())
            .collect();
        let near = entries.iter().find_map(|entry| {
            did_you_mean(&entry.key.text, verbs.iter().copied()).map(|verb| (entry.key_span, verb))
        });
        let finding = self
            .work
            .error(codes::STEP_VERB, first_key(node), "this step has no verb");
        match near {
            Some((span, verb)) => {
                finding.span = Some(span);
                finding.help = Some(format!("did you mean `{verb}`?"));
                finding
                    .fixes
                    .push(crate::fix::replace(format!("use `{verb}`"), span, verb));
            }
            None => finding.help = Some(format!("verbs are `{}`", verbs.join("`, `"))),
        }
    }

    /// Tells of ways through the flow that should answer and do not.
    pub fn check_replied(&mut self, steps: &LoweredBlock, root: &Node) {
        let (Some(reply), Some(payload)) = (&self.reply, &steps.payload) else {
            return;
        };
        let needed = reply.answers.is_empty()
            || reply
                .answers
                .iter()
                .any(|(status, body)| status.contains(reply.default_status) && body.is_some());
        let answered = matches!(payload.replied, Replied::Yes | Replied::Unknown);
        if answered || !needed {
            return;
        }
        let steps = root.get("steps");
        let last = steps.and_then(Node::as_list).and_then(<[Node]>::last);
        let span = last.map_or(root.span, first_key);
        let message = match payload.replied {
            Replied::No => "the flow ends without a reply",
            Replied::Maybe | Replied::Yes | Replied::Unknown => {
                "there is a way through the flow without a reply"
            }
        };
        let finding = self.work.error(codes::REPLY, span, message);
        finding.label = "behind this step, the caller still waits".to_owned();
        finding.help = Some("end each way that answers with a `reply` step".to_owned());
    }

    /// Compiles an expression of a step, see [`sluice_sdk::check::Typing::expression`].
    pub fn condition(&mut self, node: &Node, payload: &Type) -> ExprId {
        self.expression_at(node, payload, Expected::Condition).0
    }
}

/// The payload where two ways meet.
pub(crate) fn join(one: Option<Payload>, other: Option<Payload>) -> Option<Payload> {
    match (one, other) {
        (Some(one), Some(other)) => Some(Payload {
            ty: same_or_union(one.ty, other.ty),
            replied: one.replied.meet(other.replied),
        }),
        (one, other) => one.or(other),
    }
}

/// The union of two types; the first one where both share their declaration.
pub(crate) fn same_or_union(one: Type, other: Type) -> Type {
    use sluice_model::types::Kind;
    let same = match (&one.kind, &other.kind) {
        (Kind::Record(a), Kind::Record(b)) => std::sync::Arc::ptr_eq(a, b),
        (Kind::List(a), Kind::List(b)) => std::sync::Arc::ptr_eq(a, b),
        (Kind::Map(a), Kind::Map(b)) => std::sync::Arc::ptr_eq(a, b),
        (Kind::Union(a), Kind::Union(b)) => std::sync::Arc::ptr_eq(a, b),
        (Kind::Ref(a), Kind::Ref(b)) => a.same(b),
        (Kind::Null, Kind::Null) | (Kind::Any, Kind::Any) | (Kind::Bool, Kind::Bool) => true,
        _ => false,
    };
    if same && one.nullable == other.nullable {
        one
    } else {
        Type::union(vec![one, other])
    }
}

/// The place of a map's first key, of the node where there is none.
pub(crate) fn first_key(node: &Node) -> Span {
    node.as_map()
        .and_then(|map| map.entries.first())
        .map_or(node.span, |entry| entry.key_span)
}

/// Returns the schema of a configuration struct, for [`Control::schema`].
pub(crate) fn schema_of<C: Config>() -> Json {
    schemars::SchemaGenerator::default()
        .into_root_schema_for::<C>()
        .to_value()
}
