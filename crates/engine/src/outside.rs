//! What lies outside, in the place of the real systems: for tests.

use sluice_compiler::release::{CallPlan, WritePlan};
use sluice_model::fault::Fault;
use sluice_sdk::connection::{DynSink, Request, Response};
use sluice_sdk::cx::{BoxFuture, Cx};

/// Answers calls and takes rows, so that no connection is opened.
pub trait Outside: Send + Sync {
    /// Answers one try of a call.
    fn call<'a>(
        &'a self,
        plan: &'a CallPlan,
        request: Request,
        cx: &'a Cx,
    ) -> BoxFuture<'a, Result<Response, Fault>>;

    /// Returns the sink that takes what a step writes.
    fn sink(&self, plan: &WritePlan) -> Box<dyn DynSink>;
}
