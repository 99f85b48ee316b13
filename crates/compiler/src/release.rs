//! What a project is lowered to: immutable, shared by everything that runs it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sluice_contracts::contract::Contract;
use sluice_contracts::validate::Validator;
use sluice_model::ids::{ApiName, ConnectionName, EnvironmentName, FlowName, ReleaseId, StepId};
use sluice_model::operation::HttpOperation;
use sluice_model::span::Span;
use sluice_model::types::Type;
use sluice_model::value::{Name, Record};
use sluice_sdk::check::{ExprId, TemplateId};
use sluice_sdk::config::{BatchPolicy, RetryPolicy};
use sluice_sdk::connection::{CallShape, DynCall, DynConnection, DynSink, DynSource, SinkShape};
use sluice_sdk::step::DynStep;

use crate::expr::{CompiledExpr, CompiledTemplate};

/// The source files of a release, content-addressed; what is stored and deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// SHA-256 of `json`, in hex.
    pub id: ReleaseId,
    /// The manifest as it is stored: the compiler's version, and each file's path, SHA-256 and
    /// size.
    pub json: Arc<str>,
    /// The version of the compiler that made it.
    pub compiler: Arc<str>,
    /// The files, ascending by path; tests are not among them.
    pub files: Vec<ManifestFile>,
}

/// One file of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestFile {
    /// Path relative to the project's folder, with `/` between parts.
    pub path: Arc<str>,
    /// SHA-256 of its bytes, in hex.
    pub sha256: Arc<str>,
    /// Its bytes.
    pub bytes: Arc<[u8]>,
}

/// A project, lowered for one environment.
pub struct Release {
    /// Its source files.
    pub manifest: Manifest,
    /// The project's name.
    pub project: Arc<str>,
    /// The environment that it is lowered for.
    pub environment: EnvironmentName,
    /// The address that its APIs listen on, `host:port`.
    pub listen: Arc<str>,
    /// What `$config` gives.
    pub config: Record<'static>,
    /// The connections by name.
    pub connections: BTreeMap<ConnectionName, Arc<ConnectionPlan>>,
    /// The flows by name.
    pub flows: BTreeMap<FlowName, Arc<Flow>>,
    /// The APIs by name.
    pub apis: BTreeMap<ApiName, Arc<Api>>,
}

/// A connection, ready to be opened.
pub struct ConnectionPlan {
    /// Its name.
    pub name: ConnectionName,
    /// What it is for, in one line.
    pub summary: Option<Arc<str>>,
    /// Who answers for it.
    pub owner: Option<Arc<str>>,
    /// The connector's name.
    pub kind: &'static str,
    /// The connection itself.
    pub connection: Arc<dyn DynConnection>,
    /// Its contract.
    pub contract: Option<Arc<Contract>>,
    /// How long each call may take, unless its step says otherwise.
    pub timeout: Duration,
    /// The most calls at once; `None`: the engine's own limit.
    pub concurrent: Option<u32>,
    /// The most calls per time.
    pub rate: Option<sluice_sdk::config::PerTime>,
    /// Where the environment serves the connection's contract by a mock in the same process.
    pub mock: Option<Mock>,
    /// The secrets that it needs.
    pub secrets: Vec<SecretUse>,
    /// Where it is declared.
    pub span: Span,
}

/// A secret that a connection needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretUse {
    /// The secret's name.
    pub name: Arc<str>,
    /// The field that it stands in: `auth.bearer`.
    pub key: Arc<str>,
}

/// A mock of a contract in the same process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mock {
    /// What generated values derive from.
    pub seed: u64,
    /// The address that it listens on, `host:port`; port 0 takes a free one.
    pub listen: Arc<str>,
}

/// Which payloads a flow keeps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RecordPolicy {
    /// Those of every run.
    All,
    /// Those of failed runs.
    Failures,
    /// Those of failed runs, and of this share of the others (from 0 to 1).
    Sample(f64),
    /// None; dead letters are kept all the same.
    None,
}

/// A flow, lowered.
pub struct Flow {
    /// Its name.
    pub name: FlowName,
    /// What it does, in one line.
    pub summary: Option<Arc<str>>,
    /// Who answers for it.
    pub owner: Option<Arc<str>>,
    /// Where its messages come from.
    pub from: From,
    /// The type of the payload that enters the first step.
    pub input: Type,
    /// The business keys: name and expression on the input.
    pub keys: Vec<(Arc<str>, ExprId)>,
    /// Messages whose values of this are equal keep their order.
    pub ordered_by: Option<ExprId>,
    /// Which payloads are kept.
    pub record: RecordPolicy,
    /// What it does.
    pub steps: Block,
    /// What is done when a message fails, before it becomes a dead letter.
    pub on_failure: Option<Block>,
    /// The compiled expressions, by [`ExprId`].
    pub expressions: Vec<CompiledExpr>,
    /// The compiled texts, by [`TemplateId`].
    pub templates: Vec<CompiledTemplate>,
    /// The compiled validations, by [`sluice_sdk::check::ValidatorId`].
    pub validators: Vec<Validator>,
    /// How many variables `let` binds in it.
    pub variables: u16,
    /// Where it is declared.
    pub span: Span,
}

/// Where a flow's messages come from.
pub enum From {
    /// A source of a connection, or one that needs none.
    Source {
        /// The connection; `None` for a source that needs none.
        connection: Option<ConnectionName>,
        /// The source, to be copied and opened.
        source: Box<dyn DynSource>,
    },
    /// An operation of an API of this project.
    Api {
        /// The API.
        api: ApiName,
        /// The operation.
        operation: Arc<HttpOperation>,
    },
    /// Other flows, by `run`.
    Caller {
        /// The type of what `reply` gives back; `None` if it gives nothing.
        returns: Option<Type>,
    },
}

/// Steps, one after the other.
#[derive(Default)]
pub struct Block {
    /// The steps.
    pub steps: Vec<StepPlan>,
}

/// A step, lowered.
pub struct StepPlan {
    /// Its id: as written, else derived from its place and verb (`3.map`, `3.choose.1.call`).
    pub id: StepId,
    /// The field of `$steps` that its result goes to; `None` if it has no result or no id.
    pub result: Option<Name>,
    /// Its verb.
    pub verb: &'static str,
    /// Whether it is done for this message.
    pub when: Option<ExprId>,
    /// What it does.
    pub kind: StepKind,
    /// Where it is declared.
    pub span: Span,
}

/// What a step does.
pub enum StepKind {
    /// Computes on the message.
    Leaf(Arc<dyn DynStep>),
    /// Binds variables, one after the other: slot and expression.
    Let(Vec<(u16, ExprId)>),
    /// Replaces the payload by what a mapping makes of it.
    Map(MapPlan),
    /// Goes the first way whose condition holds; none is fine.
    Choose(Vec<Branch>),
    /// Does its steps for each item of a list; the message is settled when all items are.
    Split {
        /// The list.
        items: ExprId,
        /// What is done for each.
        steps: Block,
    },
    /// Asks a system and keeps the answer.
    Call(Box<CallPlan>),
    /// Writes to a sink.
    Write(Box<WritePlan>),
    /// Answers the caller; the message goes on.
    Reply {
        /// The body; `None`: the payload.
        body: Option<ExprId>,
        /// The status; `None`: the operation's first success.
        status: Option<u16>,
        /// Header fields.
        headers: Vec<(Arc<str>, TemplateId)>,
    },
    /// Ends a message as a duplicate whose key was seen before.
    Dedupe {
        /// The key.
        key: ExprId,
        /// How long a key is remembered.
        keep: Duration,
    },
    /// Catches faults of its steps.
    Try {
        /// The steps.
        steps: Block,
        /// What is done for which fault, the first that fits.
        catch: Vec<Catch>,
    },
    /// Runs another flow and keeps its reply.
    Run {
        /// The flow.
        flow: FlowName,
        /// Its input; `None`: the payload.
        with: Option<ExprId>,
    },
}

/// A mapping, applied.
pub struct MapPlan {
    /// What is mapped; `None`: the payload.
    pub of: Option<ExprId>,
    /// Further inputs, bound before: slot and expression.
    pub given: Vec<(u16, ExprId)>,
    /// The mapping.
    pub mapping: ExprId,
}

/// A way of a `choose`.
pub struct Branch {
    /// Its condition; `None`: otherwise.
    pub when: Option<ExprId>,
    /// What is done.
    pub steps: Block,
}

/// A handler of a `try`.
pub struct Catch {
    /// The fault's code; `None`: any fault.
    pub fault: Option<Arc<str>>,
    /// What is done.
    pub steps: Block,
}

/// A call, lowered.
pub struct CallPlan {
    /// Whom it asks.
    pub connection: ConnectionName,
    /// What it asks for.
    pub operation: Arc<str>,
    /// The call itself.
    pub call: Arc<dyn DynCall>,
    /// What it takes and gives.
    pub shape: CallShape,
    /// The parameters, a record.
    pub params: Option<ExprId>,
    /// The body.
    pub body: CallBody,
    /// The stable key of the effect.
    pub key: Option<ExprId>,
    /// What answers that are no success become.
    pub accept: Vec<Accept>,
    /// How it is tried again; one attempt where a repeat might do harm.
    pub retry: RetryPolicy,
    /// How long each try may take.
    pub timeout: Duration,
}

/// Where a call's body comes from.
pub enum CallBody {
    /// The operation has none.
    None,
    /// The payload as it is.
    Payload,
    /// An expression.
    Expr(ExprId),
    /// A mapping.
    Map(MapPlan),
}

/// What an answer that is no success becomes.
pub struct Accept {
    /// The status.
    pub status: u16,
    /// The result, an expression over the answer's body; `None`: the result is missing.
    pub result: Option<ExprId>,
}

/// A write, lowered.
pub struct WritePlan {
    /// Where to.
    pub connection: ConnectionName,
    /// What there.
    pub thing: Arc<str>,
    /// The sink, to be copied and opened.
    pub sink: Box<dyn DynSink>,
    /// What it takes.
    pub shape: SinkShape,
    /// The row; never [`CallBody::None`].
    pub row: CallBody,
    /// The computed name.
    pub name: Option<TemplateId>,
    /// The stable key of the effect.
    pub key: Option<ExprId>,
    /// How rows are gathered.
    pub batch: BatchPolicy,
    /// How it is tried again; one attempt where a repeat might do harm.
    pub retry: RetryPolicy,
    /// How long each try may take.
    pub timeout: Duration,
}

/// An API, lowered.
pub struct Api {
    /// Its name.
    pub name: ApiName,
    /// What it offers, in one line.
    pub summary: Option<Arc<str>>,
    /// Who answers for it.
    pub owner: Option<Arc<str>>,
    /// Where it stands below the listener: `/orders/v1`.
    pub path: Arc<str>,
    /// Its contract.
    pub contract: Arc<Contract>,
    /// The operations that flows of this project serve.
    pub operations: Vec<ApiOperation>,
    /// Where it is declared.
    pub span: Span,
}

/// An operation of an API and who serves it.
pub struct ApiOperation {
    /// The operation.
    pub operation: Arc<HttpOperation>,
    /// The flow that serves it; `None`: answered 501.
    pub flow: Option<FlowName>,
}

impl StepKind {
    /// Returns whether the step itself may change something outside, so that doing it twice may do
    /// harm. What the steps inside of it do does not count. A new kind has to say it here.
    pub fn has_effect(&self) -> bool {
        match self {
            StepKind::Call(_) | StepKind::Write(_) | StepKind::Run { .. } => true,
            StepKind::Leaf(_)
            | StepKind::Let(_)
            | StepKind::Map(_)
            | StepKind::Choose(_)
            | StepKind::Split { .. }
            | StepKind::Reply { .. }
            | StepKind::Dedupe { .. }
            | StepKind::Try { .. } => false,
        }
    }
}
