//! The suite of calls.

use std::sync::Arc;
use std::time::Duration;

use sluice_model::ids::EffectKey;
use sluice_model::value::{Record, Value};
use sluice_sdk::connection::{DynCall, Request};
use sluice_sdk::cx::Cx;

use super::poll_once;

/// How often a caller leaves early; more than any pool of connections is large.
const LEAVING_CALLERS: usize = 100;

/// How many callers there are at the same time.
const CALLERS: usize = 32;

/// A call and what the suite has to know of the outside.
pub struct CallHarness<'h> {
    /// The call.
    pub call: Arc<dyn DynCall>,
    /// Gives the `n`th request; each is a success, and changes something else where it changes
    /// anything.
    pub request: Box<dyn Fn(usize) -> Request + 'h>,
    /// Says what is there, as the outside sees it.
    pub state: Box<dyn Fn() -> String + 'h>,
}

/// Runs the suite.
///
/// # Panics
/// If the call does not do what it promises.
pub async fn call(harness: CallHarness<'_>, cx: &Cx) {
    let call = &harness.call;
    let shape = call.shape();
    let request = &harness.request;
    let before = (harness.state)();

    let first = call.call(request(0), cx).await;
    let first = first.unwrap_or_else(|fault| panic!("the call fails: {}", fault.private()));
    assert!(
        first.body.is_some() || shape.optional,
        "a result that is not optional is missing"
    );
    let once = (harness.state)();
    if shape.reads {
        assert_eq!(once, before, "a call that only reads has changed something");
    }
    if shape.idempotent {
        let again = call.call(request(0), cx).await;
        again.unwrap_or_else(|fault| panic!("a repeat fails: {}", fault.private()));
        assert_eq!(
            (harness.state)(),
            once,
            "a repeat has changed something more"
        );
    }
    if shape.keyed {
        let keyed = || Request {
            key: Some(EffectKey::from("conformance-1")),
            ..request(1)
        };
        let first = call.call(keyed(), cx).await.map(|response| response.body);
        let once = (harness.state)();
        let again = call.call(keyed(), cx).await.map(|response| response.body);
        assert_eq!(
            first.expect("a call with a key succeeds"),
            again.expect("a repeat with the same key succeeds"),
            "a repeat with the same key is answered otherwise"
        );
        assert_eq!(
            (harness.state)(),
            once,
            "a repeat with the same key did more"
        );
    }
    refuses_unknown_params(call, &request(2), cx).await;
    leaving_callers_leave_nothing(&harness, cx).await;
    callers_do_not_disturb_each_other(&harness, cx).await;
}

async fn refuses_unknown_params(call: &Arc<dyn DynCall>, request: &Request, cx: &Cx) {
    let mut params = request.params.clone();
    params.insert(
        sluice_model::value::Text::from("no such parameter"),
        Value::Null,
    );
    let request = Request {
        params,
        ..request.clone()
    };
    let result = call.call(request, cx).await;
    assert!(
        result.is_err(),
        "a parameter that it does not know is taken"
    );
    if !call_needs_params(call) {
        return;
    }
    let request = Request {
        params: Record::default(),
        ..Request::default()
    };
    let result = call.call(request, cx).await;
    assert!(result.is_err(), "the missing parameters are not missed");
}

fn call_needs_params(call: &Arc<dyn DynCall>) -> bool {
    match call.shape().params.kind {
        sluice_model::types::Kind::Record(record) => record.fields.iter().any(|f| f.required),
        _ => false,
    }
}

async fn leaving_callers_leave_nothing(harness: &CallHarness<'_>, cx: &Cx) {
    for n in 0..LEAVING_CALLERS {
        poll_once(harness.call.call((harness.request)(3 + n), cx)).await;
    }
    let request = (harness.request)(3 + LEAVING_CALLERS);
    let waited = cx.timeout(Duration::from_secs(60), harness.call.call(request, cx));
    let result = waited.await;
    let result = result.expect("callers that left hold what others wait for");
    result.unwrap_or_else(|fault| panic!("after callers left: {}", fault.private()));
}

async fn callers_do_not_disturb_each_other(harness: &CallHarness<'_>, cx: &Cx) {
    let (tx, mut rx) = tokio::sync::mpsc::channel(CALLERS);
    let mut tasks = Vec::new();
    for n in 0..CALLERS {
        let call = Arc::clone(&harness.call);
        let request = (harness.request)(4 + LEAVING_CALLERS + n);
        let (tx, own) = (tx.clone(), cx.clone());
        tasks.push(cx.spawn(async move {
            let result = call.call(request, &own).await.map(|_| ());
            // The suite has ended if nobody listens.
            let _ = tx.send(result).await;
        }));
    }
    drop(tx);
    let mut count = 0;
    while let Some(result) = rx.recv().await {
        result.unwrap_or_else(|fault| panic!("one of many callers: {}", fault.private()));
        count += 1;
    }
    assert_eq!(count, CALLERS, "some callers got no answer");
}
