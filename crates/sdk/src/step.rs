//! Leaf steps: what computes on one message, without I/O.
//!
//! Steps that touch the outside, keep state or hold other steps belong to the language itself: the
//! compiler parses and types them, the engine runs them.

use sluice_model::fault::Fault;
use sluice_model::types::Type;
use sluice_model::value::Value;

use crate::check::{ExprId, Problem, TemplateId, Typing, ValidatorId};
use crate::config::Config;
use crate::cx::Level;
use crate::registry::Info;

/// A leaf step; `Self` is the checked and typed state.
///
/// In a flow it is written `<name>: <main argument>` with further fields as siblings; the
/// configuration has a field of the step's own name for the main argument.
pub trait Step: Sized + Send + Sync + 'static {
    /// What it is; the name is its verb.
    const INFO: Info;
    /// Its fields.
    type Config: Config;

    /// Makes the step of its fields and types it: compiles its expressions for a payload of the
    /// type `input` and returns the type of the payload behind it.
    ///
    /// # Errors
    /// Everything that is wrong with the fields themselves; what is wrong with expressions is told
    /// through `cx`.
    fn check(
        config: Self::Config,
        cx: &mut dyn Typing,
        input: &Type,
    ) -> Result<(Self, Type), Vec<Problem>>;

    /// Works on one message.
    ///
    /// # Errors
    /// The fault that fails the message; it goes to `catch`, `on_failure`, the dead letters.
    fn apply(&self, run: &mut dyn RunView) -> Result<Next, Fault>;
}

/// What becomes of the message after a leaf step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It goes on.
    Continue,
    /// It ends as filtered.
    Filtered,
    /// It ends as delivered.
    Stop,
}

/// One message's run, as a leaf step sees it.
pub trait RunView {
    /// Returns the payload.
    fn payload(&self) -> &Value<'static>;

    /// Replaces the payload.
    fn set_payload(&mut self, payload: Value<'static>);

    /// Evaluates a compiled expression on the payload; `None` if its result is missing.
    ///
    /// # Errors
    /// A `mapping` fault.
    fn evaluate(&mut self, expr: ExprId) -> Result<Option<Value<'static>>, Fault>;

    /// Evaluates a condition. The compiler has proven it a boolean that is not missing, or says so
    /// as a fault here where nothing was known.
    ///
    /// # Errors
    /// A `mapping` fault.
    fn condition(&mut self, expr: ExprId) -> Result<bool, Fault>;

    /// Fills in a text.
    ///
    /// # Errors
    /// A `mapping` fault.
    fn text(&mut self, template: TemplateId) -> Result<String, Fault>;

    /// Checks the payload.
    ///
    /// # Errors
    /// An `invalid` fault with a detail for each thing that is wrong.
    fn validate(&mut self, validator: ValidatorId) -> Result<(), Fault>;

    /// Writes a log line in the name of the run.
    fn log(&mut self, level: Level, text: &str);
}

/// The erased twin of [`Step`].
pub trait DynStep: Send + Sync {
    /// What it is.
    fn info(&self) -> Info;

    /// See [`Step::apply`].
    ///
    /// # Errors
    /// As there.
    fn apply(&self, run: &mut dyn RunView) -> Result<Next, Fault>;
}

impl<S: Step> DynStep for S {
    fn info(&self) -> Info {
        S::INFO
    }

    fn apply(&self, run: &mut dyn RunView) -> Result<Next, Fault> {
        Step::apply(self, run)
    }
}
