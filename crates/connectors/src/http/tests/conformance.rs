//! The conformance suite of calls.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use serde_json::json;
use sluice_model::operation::{HttpOperation, ParamPlace, Target};
use sluice_model::value::Value;
use sluice_sdk::connection::Request;
use sluice_testkit::conformance::{self, CallHarness};
use sluice_testkit::workbench::Workbench;

use super::server::{Got, answer, hyper};
use super::{context, operation, param, params};

/// What a server keeps: how often each thing was made, and the keys that it has seen.
#[derive(Debug, Default)]
struct Shelf {
    things: BTreeMap<String, usize>,
    keys: BTreeSet<String>,
}

impl Shelf {
    fn answer(&mut self, request: &Got) -> http::Response<http_body_util::Full<bytes::Bytes>> {
        let thing = request.uri().path().to_owned();
        let key = request.headers().get("idempotency-key");
        let key = key.map(|key| key.to_str().expect("a text").to_owned());
        let is_new = key.is_none_or(|key| self.keys.insert(key));
        match request.method().as_str() {
            "PUT" => {
                self.things.insert(thing, 1);
            }
            "POST" if is_new => *self.things.entry(thing).or_default() += 1,
            _ => {}
        }
        answer(200, &[("content-type", "application/json")], "{}")
    }
}

async fn check(operation: HttpOperation) {
    let (cx, _owner) = context();
    let shelf = Arc::new(Mutex::new(Shelf::default()));
    let kept = Arc::clone(&shelf);
    let server = hyper(&cx, None, move |request| {
        kept.lock().expect("not poisoned").answer(&request)
    })
    .await;
    let bench = Workbench::new(std::path::Path::new("."), crate::register);
    let on = bench.connection(json!({ "type": "http", "url": server.url() }));
    let on = on.expect("a connection");
    let target = Target::Http(Arc::new(operation));
    let call = bench.call(&on, target, json!({})).expect("a call");
    let harness = CallHarness {
        call,
        request: Box::new(|n| -> Request {
            let n = i64::try_from(n).expect("few requests");
            params(&[("id", Value::Int(n))])
        }),
        state: Box::new(|| format!("{:?}", shelf.lock().expect("not poisoned").things)),
    };
    conformance::call(harness, &cx).await;
    on.probe(&cx).await.expect("it can be reached");
}

#[tokio::test]
async fn calls_do_what_they_promise() {
    for method in ["GET", "PUT", "POST"] {
        let mut op = operation(method, "/things/{id}");
        op.params.push(param("id", ParamPlace::Path, false, true));
        check(op).await;
    }
}
