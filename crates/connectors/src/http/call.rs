//! The call of an operation.

use std::sync::Arc;

use sluice_model::fault::Fault;
use sluice_model::operation::{HttpOperation, StatusRange, Target};
use sluice_model::types::{Field, Type};
use sluice_model::value::Name;
use sluice_sdk::check::{Check, Problem};
use sluice_sdk::config::NoConfig;
use sluice_sdk::connection::{Call, CallShape, Request, Response};
use sluice_sdk::cx::Cx;
use sluice_sdk::registry::Info;

use super::Http;
use super::answer;
use super::client::Repeat;
use super::request::{IDEMPOTENCY_KEY, Plan, is_sent};

/// Calls one operation of the contract.
///
/// The effect's key travels as `Idempotency-Key`. A success gives its body; any other answer is a
/// fault with status and body.
pub struct HttpCall {
    operation: Arc<HttpOperation>,
    plan: Plan,
}

impl Call for HttpCall {
    const INFO: Info = Info {
        name: "http",
        summary: "Calls an operation and gives back the body of its success.",
        example: "\
call: erp#createSalesOrder
with: { reference: id, total: total }
idempotency_key: id
",
    };
    type On = Http;
    type Config = NoConfig;

    fn check(_: NoConfig, cx: &mut dyn Check) -> Result<Self, Vec<Problem>> {
        let Some(Target::Http(operation)) = cx.target() else {
            return Err(vec![
                Problem::new(
                    "",
                    "an HTTP connection is called by an operation of its contract",
                )
                .with_help(
                    "give the connection an OpenAPI document as its `contract`, and write \
                         `connection#operationId`",
                ),
            ]);
        };
        Ok(Self {
            plan: Plan::new(operation)?,
            operation: Arc::clone(operation),
        })
    }

    fn shape(&self) -> CallShape {
        let operation = &self.operation;
        let params = operation.params.iter().filter(|param| is_sent(param));
        let params = params.map(|param| Field {
            name: Name::new(&param.name),
            ty: param.ty.clone(),
            // The effect's key is sent without being asked for.
            required: param.required && !param.name.eq_ignore_ascii_case(IDEMPOTENCY_KEY.as_str()),
        });
        let (result, optional) = result(operation);
        CallShape {
            params: Type::record(params.collect()),
            body: operation.body.as_ref().map(|body| body.ty.clone()),
            result,
            optional,
            faults: faults(operation),
            reads: operation.safe,
            idempotent: operation.idempotent,
            keyed: true,
        }
    }

    async fn call(&self, on: &Http, request: Request, cx: &Cx) -> Result<Response, Fault> {
        let operation = &*self.operation;
        let is_harmless = operation.safe || operation.idempotent || request.key.is_some();
        let repeat = match is_harmless {
            true => Repeat::Harmless,
            false => Repeat::Unsent,
        };
        let fixed = on.fixed(cx)?;
        let make = || self.plan.request(&request, &on.prefix, fixed);
        let answer = on.client.exchange(&make, repeat, cx).await;
        let answer = answer.map_err(|failure| failure.fault(&on.client, &operation.id, repeat))?;
        answer::read(operation, &answer, on.client.body_max(), cx.now())
    }
}

/// Returns the type of a success's body, and whether it may be missing.
fn result(operation: &HttpOperation) -> (Type, bool) {
    let mut answers: Vec<_> = operation
        .responses
        .iter()
        .filter(|answer| answer.status.is_success())
        .collect();
    if answers.is_empty() {
        answers.extend(operation.success().1);
    }
    if answers.is_empty() {
        return (Type::any(), true);
    }
    let types: Vec<Type> = answers
        .iter()
        .filter_map(|answer| Some(answer.body.as_ref()?.ty.clone()))
        .collect();
    let optional = answers
        .iter()
        .any(|answer| answer.body.as_ref().is_none_or(|body| !body.required));
    match types.is_empty() {
        true => (Type::null(), true),
        false => (Type::union(types), optional),
    }
}

/// Returns the single statuses beside success that the contract has an answer for.
fn faults(operation: &HttpOperation) -> Vec<(u16, Option<Type>)> {
    let one = |status: StatusRange| match status {
        StatusRange::One(status) if !(200..300).contains(&status) => Some(status),
        StatusRange::One(_) | StatusRange::Class(_) | StatusRange::Default => None,
    };
    let answers = operation.responses.iter();
    answers
        .filter_map(|answer| {
            let ty = answer.body.as_ref().map(|body| body.ty.clone());
            Some((one(answer.status)?, ty))
        })
        .collect()
}
