//! The Markdown test: what the documentation shows, runs.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value as Json;
use sluice_model::ids::EffectKey;
use sluice_model::operation::{HttpOperation, ParamPlace, Target};
use sluice_model::value::{Record, Value};
use sluice_sdk::connection::Request;
use sluice_testkit::markdown::{self, Case, Outcome};
use sluice_testkit::workbench::Workbench;
use sluice_testkit::yaml;

use super::server::{Act, scripted};
use super::{body, context, operation, param, response, show};

/// The host of the examples; the server of the test stands for it.
const HOST: &str = "http://erp.acme.example";

#[test]
fn the_documentation_runs() {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/md/http.md"));
    markdown::run(path, |case| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be built");
        runtime.block_on(documented(case))
    });
}

async fn documented(case: &Case) -> Outcome {
    let (cx, _owner) = context();
    let answer = case.role("answer").unwrap_or_default();
    let (head, content) = answer.split_once("\n\n").unwrap_or((answer, ""));
    let content = content.trim_end();
    let answer = format!(
        "{}\r\ncontent-length: {}\r\n\r\n{content}",
        head.trim_end().replace('\n', "\r\n"),
        content.len()
    );
    let server = scripted(&cx, vec![vec![Act::Read, Act::Write(answer)]]).await;
    let connection = case.role("connection").expect("a connection");
    let bench = Workbench::new(Path::new("."), crate::register);
    let on = bench.connection(yaml::json(&connection.replace(HOST, &server.url())));
    let on = match on {
        Ok(on) => on,
        Err(problems) => return vec![("problems", problems)],
    };
    let target = Target::Http(Arc::new(operation_of(case)));
    let call = match bench.call(&on, target, serde_json::json!({})) {
        Ok(call) => call,
        Err(problems) => return vec![("problems", problems)],
    };
    let result = call.call(request_of(case), &cx).await;
    let mut outcome = vec![("result", show(&result))];
    if let Some(sent) = server.got().first() {
        let host = format!("host: 127.0.0.1:{}", server.port);
        let sent = sent
            .replace(&host, "host: erp.acme.example")
            .replace('\r', "");
        outcome.insert(0, ("sent", sent.trim_end().to_owned()));
    }
    outcome
}

/// Reads the block `operation`: what a contract says, in short.
fn operation_of(case: &Case) -> HttpOperation {
    let fields = yaml::json(case.role("operation").unwrap_or("method: GET\npath: /\n"));
    let text = |name: &str| fields[name].as_str().expect("a text").to_owned();
    let mut operation = operation(&text("method"), &text("path"));
    for (name, place) in fields["params"].as_object().into_iter().flatten() {
        let place = match place.as_str() {
            Some("path") => ParamPlace::Path,
            Some("query") => ParamPlace::Query,
            Some("header") => ParamPlace::Header,
            Some("cookie") => ParamPlace::Cookie,
            _ => panic!("`{name}` has no place"),
        };
        let explode = matches!(place, ParamPlace::Query | ParamPlace::Cookie);
        let required = place == ParamPlace::Path;
        operation.params.push(param(name, place, explode, required));
    }
    operation.body = fields["body"]
        .as_str()
        .map(|media_type| body(media_type, true));
    if let Some(answers) = fields["answers"].as_object() {
        let one = |(status, media_type): (&String, &Json)| {
            let status = status.parse().expect("a status");
            response(status, media_type.as_str())
        };
        operation.responses = answers.iter().map(one).collect();
    }
    operation
}

fn request_of(case: &Case) -> Request {
    let fields = case.role("request").map_or(Value::Null, yaml::value);
    let params = fields.get("params").and_then(Value::as_record);
    Request {
        params: params.map_or_else(Record::default, Record::clone),
        body: fields.get("with").cloned(),
        key: fields
            .get("key")
            .and_then(Value::as_str)
            .map(EffectKey::from),
    }
}
