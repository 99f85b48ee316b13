//! The kinds of project files, each a struct: its fields, their meaning, their defaults.
//!
//! Validation with places, the editor's schema and the reference pages come from these structs.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use sluice_sdk::config::{Duration, Rate, Raw, RetryPolicy, TypeName};

/// `sluice.yaml`: the project, its owners, its defaults.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProjectFile {
    /// The project's name.
    pub project: String,
    /// What the project is for, in one line.
    pub summary: Option<String>,
    /// Who answers for what: a short name, and how to reach them.
    #[serde(default)]
    pub owners: BTreeMap<String, Owner>,
    /// What holds where a connection or a step says nothing.
    #[serde(default)]
    pub defaults: Defaults,
    /// Classes of personal data, and the names of fields that belong to each.
    #[serde(default)]
    pub pii: BTreeMap<String, Vec<String>>,
    /// The severity of governance rules.
    #[serde(default)]
    pub rules: BTreeMap<String, RuleSeverity>,
    /// What the log may hold.
    #[serde(default)]
    pub log: Log,
}

/// Who answers for something.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Owner {
    /// How to reach them: a mail address, a channel.
    pub contact: String,
}

/// What holds where a connection or a step says nothing.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Defaults {
    /// How long a call or a write may take.
    pub timeout: Duration,
    /// How calls and writes are tried again where a repeat is harmless.
    pub retry: RetryPolicy,
    /// Which payloads are kept: `all`, `failures`, `none` or `sample 1%`.
    pub record: String,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            timeout: Duration(std::time::Duration::from_secs(10)),
            retry: RetryPolicy::default(),
            record: "failures".to_owned(),
        }
    }
}

/// How grave a rule's finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RuleSeverity {
    /// Not checked.
    Off,
    /// Told only.
    Info,
    /// Told, and fails under `--deny warnings`.
    Warning,
    /// Refused.
    Error,
}

/// What the log may hold.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// The classes of personal data that may be logged.
    pub clears: Vec<String>,
}

/// `connections/*.yaml`: what every connection has; the connector adds its own fields.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct ConnectionFile {
    /// The connection's name.
    pub connection: String,
    /// What the system is, in one line.
    pub summary: Option<String>,
    /// Who answers for it: one of the project's owners.
    pub owner: Option<String>,
    /// The connector.
    pub r#type: String,
    /// The file that says what the system offers: `contracts/erp.openapi.yaml`.
    pub contract: Option<String>,
    /// How long each call or write may take.
    pub timeout: Option<Duration>,
    /// How much at once.
    #[serde(default)]
    pub limits: Limits,
    /// The classes of personal data that may go there.
    #[serde(default)]
    pub clears: Vec<String>,
    /// Serves the contract by a mock in the same process, in place of the system.
    pub mock: Option<MockConfig>,
}

/// How much of a system may be used at once.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The most calls at once.
    pub concurrent: Option<u32>,
    /// The most calls per time.
    pub rate: Option<Rate>,
}

/// A mock of a connection's contract.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MockConfig {
    /// What generated values derive from.
    pub seed: u64,
    /// The address that it listens on; port 0 takes a free one.
    pub listen: String,
}

impl Default for MockConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            listen: "127.0.0.1:0".to_owned(),
        }
    }
}

/// `flows/*.yaml`: where messages come from and what is done with them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FlowFile {
    /// The flow's name.
    pub flow: String,
    /// What the flow does, in one line.
    pub summary: Option<String>,
    /// Who answers for it: one of the project's owners.
    pub owner: Option<String>,
    /// Where messages come from.
    pub from: Raw,
    /// Business keys by which runs are found: a name and an expression on the input. At most 16.
    pub keys: Option<Raw>,
    /// What is promised: `direct` (the source is acknowledged after the last sink has the message)
    /// or `durable`.
    #[serde(default)]
    pub guarantee: Guarantee,
    /// Which payloads are kept: `all`, `failures`, `none` or `sample 1%`.
    pub record: Option<String>,
    /// What is done, one step after the other.
    pub steps: Raw,
    /// What is done when a message fails, before it becomes a dead letter.
    pub on_failure: Option<Raw>,
}

/// What a flow promises.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Guarantee {
    /// The source is acknowledged after the last sink has the message.
    #[default]
    Direct,
    /// A message is on disk before it is acknowledged.
    Durable,
}

/// `apis/*.yaml`: an API that this project publishes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiFile {
    /// The API's name.
    pub api: String,
    /// What it offers, in one line.
    pub summary: Option<String>,
    /// Who answers for it: one of the project's owners.
    pub owner: Option<String>,
    /// The file that says what it offers: `contracts/orders.openapi.yaml`.
    pub contract: String,
    /// Where it stands below the listener: `/orders/v1`.
    pub path: String,
    /// What is done for single operations that no flow serves.
    #[serde(default)]
    pub operations: BTreeMap<String, OperationConfig>,
    /// What guards it.
    pub policies: Option<Raw>,
}

/// What is done for an operation.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OperationConfig {
    /// The connection and operation that it is passed on to.
    pub upstream: Option<Raw>,
    /// What guards this operation alone.
    pub policies: Option<Raw>,
}

/// `environments/*.yaml`: what differs in an environment.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentFile {
    /// The environment's name.
    pub environment: String,
    /// The address that APIs listen on; port 0 takes a free one.
    pub listen: Option<String>,
    /// For single connections, the fields that differ.
    pub connections: Option<Raw>,
    /// What `$config` gives: a name and a literal.
    pub values: Option<Raw>,
}

/// `tests/*.yaml`: a case: message in, what the outside answers, what must come out.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TestFile {
    /// What the case shows, in one line.
    pub test: String,
    /// The flow that is tested.
    pub flow: String,
    /// What goes in, and what each `connection#operation` answers.
    #[serde(default)]
    pub given: Option<Raw>,
    /// What must come out.
    #[serde(default)]
    pub expect: Option<Raw>,
}

/// `from: { caller: ... }`: other flows run this one.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CallerConfig {
    /// The type of the input.
    pub caller: TypeName,
    /// The type of what `reply` gives back.
    pub returns: Option<TypeName>,
}

/// `from: { api: ... }`: an operation of an API of this project.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiSourceConfig {
    /// The API and its operation: `orders#createOrder`.
    pub api: String,
}

/// What every source has beside its own fields.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SourceCommon {
    /// Messages whose values of this expression are equal keep their order.
    pub ordered_by: Option<Raw>,
}
