//! Evaluation of a flow's expressions for a run, and what leaf steps see of it.

use std::panic::AssertUnwindSafe;

use sluice_compiler::expr::{CompiledExpr, TemplatePart};
use sluice_compiler::release::{Flow, MapPlan};
use sluice_model::fault::{Blame, Fault, FaultCode, Retry};
use sluice_model::value::Value;
use sluice_sdk::check::{ExprId, TemplateId, ValidatorId};
use sluice_sdk::cx::{Cx, Level, panic_fault};
use sluice_sdk::step::RunView;

use crate::run::Run;

/// What all evaluations of a flow share.
#[derive(Clone, Copy)]
pub(crate) struct World<'w> {
    pub flow: &'w Flow,
    /// `$config`.
    pub config: &'w Value<'static>,
    pub cx: &'w Cx,
}

impl World<'_> {
    /// Evaluates an expression on the payload of a run, or on `payload` in its place.
    pub fn evaluate_on(
        &self,
        run: &mut Run,
        expr: ExprId,
        payload: Option<&Value<'static>>,
    ) -> Result<Option<Value<'static>>, Fault> {
        let expression = self.expression(expr)?;
        self.compiled(run, expression, payload)
    }

    /// Evaluates an expression on the payload of a run.
    pub fn evaluate(&self, run: &mut Run, expr: ExprId) -> Result<Option<Value<'static>>, Fault> {
        self.evaluate_on(run, expr, None)
    }

    /// Evaluates a condition.
    pub fn condition(&self, run: &mut Run, expr: ExprId) -> Result<bool, Fault> {
        match self.evaluate(run, expr)? {
            Some(Value::Bool(holds)) => Ok(holds),
            other => Err(mapping_fault(format!(
                "a condition gave {}, not a boolean",
                other.as_ref().map_or_else(|| "nothing".to_owned(), kind_of)
            ))),
        }
    }

    /// Evaluates a key: a text, a number or a boolean, as text; `None` if it is missing or null.
    pub fn key(&self, run: &mut Run, expr: ExprId) -> Result<Option<String>, Fault> {
        match self.evaluate(run, expr)? {
            None | Some(Value::Null) => Ok(None),
            Some(value) => key_text(&value).map(Some).ok_or_else(|| {
                mapping_fault(format!("a key gave {}, not one value", kind_of(&value)))
            }),
        }
    }

    /// Fills in a text.
    pub fn text(&self, run: &mut Run, template: TemplateId) -> Result<String, Fault> {
        let template = self
            .flow
            .templates
            .get(template.0 as usize)
            .ok_or_else(|| Fault::internal("a text of the flow is not there"))?;
        let mut out = String::new();
        for part in &template.parts {
            match part {
                TemplatePart::Text(text) => out.push_str(text),
                TemplatePart::Hole(expression) => {
                    let value = self.compiled(run, expression, None)?;
                    if let Some(value) = value {
                        push_text(&value, &mut out);
                    }
                }
            }
        }
        Ok(out)
    }

    /// Evaluates, and turns a defect of the evaluator into a fault of this run alone.
    fn compiled(
        &self,
        run: &mut Run,
        expression: &CompiledExpr,
        payload: Option<&Value<'static>>,
    ) -> Result<Option<Value<'static>>, Fault> {
        run.prepare(expression.uses(), self.flow);
        let evaluate = || expression.evaluate(&run.scope(payload, self.config), self.cx);
        std::panic::catch_unwind(AssertUnwindSafe(evaluate))
            .unwrap_or_else(|panic| Err(panic_fault(&*panic)))
    }

    /// Applies a mapping to a run, and returns what it makes.
    pub fn map(&self, run: &mut Run, plan: &MapPlan) -> Result<Option<Value<'static>>, Fault> {
        for (slot, expr) in &plan.given {
            let value = self.evaluate(run, *expr)?;
            run.bind(*slot, value, self.flow.variables);
        }
        match plan.of {
            None => self.evaluate(run, plan.mapping),
            Some(of) => {
                let input = self.evaluate(run, of)?.unwrap_or(Value::Null);
                self.evaluate_on(run, plan.mapping, Some(&input))
            }
        }
    }

    fn expression(&self, expr: ExprId) -> Result<&CompiledExpr, Fault> {
        self.flow
            .expressions
            .get(expr.0 as usize)
            .ok_or_else(|| Fault::internal("an expression of the flow is not there"))
    }
}

/// Returns the fault of an expression that gave what it must not give.
pub(crate) fn mapping_fault(message: impl Into<String>) -> Fault {
    Fault::new(FaultCode::MAPPING, Retry::Never, Blame::Config, message)
}

/// Returns what kind of value this is, with its article.
pub(crate) fn kind_of(value: &Value<'_>) -> String {
    match value.kind() {
        kind @ ("null" | "bytes") => kind.to_owned(),
        kind if kind.starts_with(['a', 'e', 'i', 'o']) => format!("an {kind}"),
        kind => format!("a {kind}"),
    }
}

/// Returns a key as text; `None` for what is no single value.
pub(crate) fn key_text(value: &Value<'_>) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.as_str().to_owned()),
        Value::Bool(_)
        | Value::Int(_)
        | Value::Decimal(_)
        | Value::Float(_)
        | Value::Literal(_) => Some(sluice_model::json::to_string(value)),
        Value::Null | Value::Bytes(_) | Value::List(_) | Value::Record(_) => None,
    }
}

fn push_text(value: &Value<'_>, out: &mut String) {
    match value {
        Value::Text(text) => out.push_str(text.as_str()),
        Value::Null => {}
        other => out.push_str(&sluice_model::json::to_string(other)),
    }
}

/// A run as a leaf step sees it.
pub(crate) struct View<'v> {
    pub world: World<'v>,
    pub run: &'v mut Run,
}

impl RunView for View<'_> {
    fn payload(&self) -> &Value<'static> {
        self.run.payload()
    }

    fn set_payload(&mut self, payload: Value<'static>) {
        self.run.change(payload);
    }

    fn evaluate(&mut self, expr: ExprId) -> Result<Option<Value<'static>>, Fault> {
        self.world.evaluate(self.run, expr)
    }

    fn condition(&mut self, expr: ExprId) -> Result<bool, Fault> {
        self.world.condition(self.run, expr)
    }

    fn text(&mut self, template: TemplateId) -> Result<String, Fault> {
        self.world.text(self.run, template)
    }

    fn validate(&mut self, validator: ValidatorId) -> Result<(), Fault> {
        let validator = self
            .world
            .flow
            .validators
            .get(validator.0 as usize)
            .ok_or_else(|| Fault::internal("a validation of the flow is not there"))?;
        let payload = self.run.payload();
        if validator.is_valid(payload) {
            return Ok(());
        }
        let details = validator.validate(payload);
        let first = details
            .first()
            .map_or_else(String::new, |detail| match &*detail.pointer {
                "" => format!(": {}", detail.message),
                pointer => format!(": `{pointer}` {}", detail.message),
            });
        let fault = Fault::invalid(format!("the message does not fit its contract{first}"));
        Err(details.into_iter().fold(fault, |fault, detail| {
            fault.with_detail(detail.pointer, detail.message)
        }))
    }

    fn log(&mut self, level: Level, text: &str) {
        self.world.cx.log(
            level,
            text,
            &[("flow", &self.world.flow.name), ("run", &self.run.id)],
        );
    }
}
