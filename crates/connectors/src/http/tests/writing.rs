//! How requests are written.

use std::sync::Arc;

use expect_test::{Expect, expect};
use http::HeaderMap;
use http_body_util::BodyExt as _;
use sluice_model::operation::{HttpOperation, ParamPlace, Target};
use sluice_model::types::Type;
use sluice_model::value::Value;
use sluice_sdk::check::Problem;
use sluice_sdk::config::NoConfig;
use sluice_sdk::connection::{Call, Request};

use super::{body, call_of, json, operation, param, params, record, response, with_key};
use crate::http::HttpCall;
use crate::http::request::Plan;
use crate::tests::{NoCheck, Referring};

/// Checks what is sent for a request: method, target, header fields, body.
async fn check(operation: &HttpOperation, request: &Request, expected: Expect) {
    let plan = Plan::new(operation).unwrap_or_else(|problems| panic!("{problems:?}"));
    let text = match plan.request(request, "/api", &HeaderMap::new()) {
        Ok(request) => {
            let (head, body) = request.into_parts();
            let body = body.collect().await.expect("a whole body").to_bytes();
            let mut text = format!("{} {}\n", head.method, head.uri);
            for (name, value) in &head.headers {
                let value = String::from_utf8_lossy(value.as_bytes());
                if name != "accept" {
                    text.push_str(&format!("{name}: {value}\n"));
                }
            }
            text.push_str(&String::from_utf8_lossy(&body));
            text
        }
        Err(fault) => {
            let details: Vec<&str> = fault.details().iter().map(|d| d.pointer.as_str()).collect();
            format!("{} {details:?}", super::wrapped(fault.public()))
        }
    };
    expected.assert_eq(&text);
}

fn text(text: &'static str) -> Value<'static> {
    Value::text(text)
}

/// Returns an operation with three parameters in its path, and a request with `id`.
fn with_path(id: Value<'static>) -> (HttpOperation, Request) {
    let mut op = operation("GET", "/orders/{id}/lines/{from}-{to}");
    for name in ["id", "from", "to"] {
        op.params.push(param(name, ParamPlace::Path, false, true));
    }
    let request = params(&[("id", id), ("from", Value::Int(1)), ("to", json("2.50"))]);
    (op, request)
}

#[tokio::test]
async fn path_parameters() {
    let (op, _) = with_path(Value::Null);
    let request = |id| with_path(id).1;
    check(
        &op,
        &request(text("A 1/ä?#%2e~-._")),
        expect![[r#"
        GET /api/orders/A%201%2F%C3%A4%3F%23%252e~-._/lines/1-2.50
    "#]],
    )
    .await;
    check(
        &op,
        &request(json("[1, \"b,c\", true]")),
        expect![[r#"
        GET /api/orders/1,b%2Cc,true/lines/1-2.50
    "#]],
    )
    .await;
    check(
        &op,
        &request(json("{\"a\": 1, \"b\": \"x y\"}")),
        expect![[r#"
        GET /api/orders/a,1,b,x%20y/lines/1-2.50
    "#]],
    )
    .await;
}

#[tokio::test]
async fn path_parameters_that_no_path_can_carry() {
    let (op, _) = with_path(Value::Null);
    let request = |id| with_path(id).1;
    check(
        &op,
        &request(text("")),
        expect![[r#"the parameter `id` of `op` is empty, which a path cannot carry ["/id"]"#]],
    )
    .await;
    check(
        &op,
        &request(text("..")),
        expect!["a path parameter of `op` is `.` or `..` []"],
    )
    .await;
    check(
        &op,
        &request(text(".hidden")),
        expect![[r#"
        GET /api/orders/.hidden/lines/1-2.50
    "#]],
    )
    .await;
    check(
        &op,
        &request(Value::Null),
        expect![[r#"the parameter `id` of `op` is missing ["/id"]"#]],
    )
    .await;
    check(
        &op,
        &request(json("[[1]]")),
        expect![[r#"
        the parameter `id` of `op` has a list or record inside another, which
        it cannot carry ["/id"]"#]],
    )
    .await;
    check(
        &op,
        &params(&[("id", text("x"))]),
        expect![[r#"the parameter `from` of `op` is missing ["/from"]"#]],
    )
    .await;
    let mut unknown = request(text("x"));
    unknown
        .params
        .push(sluice_model::value::Name::new("a/b~c"), Value::Int(1));
    check(
        &op,
        &unknown,
        expect![[r#"`op` has no parameter `a/b~c` ["/a~1b~0c"]"#]],
    )
    .await;
}

#[tokio::test]
async fn query_parameters() {
    let mut op = operation("GET", "/search");
    op.params.push(param("q ä", ParamPlace::Query, true, true));
    op.params.push(param("all", ParamPlace::Query, true, false));
    op.params
        .push(param("some", ParamPlace::Query, false, false));
    let request = |all: &str, some: &str| {
        params(&[
            ("q ä", text("a&b=c +/")),
            ("all", json(all)),
            ("some", json(some)),
        ])
    };
    check(
        &op,
        &request("[1,\"x y\"]", "[1,\"x,y\"]"),
        expect![[r#"
        GET /api/search?q%20%C3%A4=a%26b%3Dc%20%2B%2F&all=1&all=x%20y&some=1,x%2Cy
    "#]],
    )
    .await;
    check(
        &op,
        &request("{\"k&\":\"v=\",\"n\":1e3}", "{\"k\":\"v\",\"n\":false}"),
        expect![[r#"
            GET /api/search?q%20%C3%A4=a%26b%3Dc%20%2B%2F&k%26=v%3D&n=1e3&some=k,v,n,false
        "#]],
    )
    .await;
    check(
        &op,
        &request("[]", "[]"),
        expect![[r#"
        GET /api/search?q%20%C3%A4=a%26b%3Dc%20%2B%2F
    "#]],
    )
    .await;
    check(
        &op,
        &request("null", "\"\""),
        expect![[r#"
        GET /api/search?q%20%C3%A4=a%26b%3Dc%20%2B%2F&some=
    "#]],
    )
    .await;
    check(
        &op,
        &request("[null]", "1"),
        expect![[
            r#"the parameter `all` of `op` has a null inside, which it cannot carry ["/all"]"#
        ]],
    )
    .await;
    check(
        &op,
        &params(&[]),
        expect![[r#"the parameter `q ä` of `op` is missing ["/q ä"]"#]],
    )
    .await;
}

#[tokio::test]
async fn header_and_cookie_parameters() {
    let mut op = operation("GET", "/");
    op.params
        .push(param("X-Trace", ParamPlace::Header, false, false));
    op.params
        .push(param("X-Map", ParamPlace::Header, true, false));
    op.params
        .push(param("session", ParamPlace::Cookie, true, false));
    op.params
        .push(param("lang", ParamPlace::Cookie, true, false));
    op.params
        .push(param("Accept", ParamPlace::Header, false, true));
    let request = params(&[
        ("X-Trace", json("[\"a b\", 2]")),
        ("X-Map", json("{\"a\":1,\"b\":\"ü\"}")),
        ("session", text("a;b=c")),
        ("lang", text("de")),
    ]);
    check(
        &op,
        &request,
        expect![[r#"
        GET /api/
        x-trace: a b,2
        x-map: a=1,b=ü
        cookie: session=a%3Bb%3Dc; lang=de
    "#]],
    )
    .await;
    for bad in ["a\r\nX-Evil: 1", "a\nb", "a\0"] {
        let plan = Plan::new(&op).unwrap_or_else(|problems| panic!("{problems:?}"));
        let request = params(&[("X-Trace", text(bad))]);
        let fault = plan.request(&request, "", &HeaderMap::new());
        assert_eq!(
            fault.expect_err("refused").public(),
            "the parameter `X-Trace` of `op` has a control character, which a header cannot carry"
        );
    }
    let evil = params(&[("session", text("a\r\nX-Evil: 1"))]);
    check(
        &op,
        &evil,
        expect![[r#"
        GET /api/
        cookie: session=a%0D%0AX-Evil%3A%201
    "#]],
    )
    .await;
}

#[tokio::test]
async fn the_key_of_an_effect() {
    let mut op = operation("POST", "/orders");
    check(
        &op,
        &with_key("run-1/book"),
        expect![[r#"
        POST /api/orders
        idempotency-key: run-1/book
        content-length: 0
    "#]],
    )
    .await;
    check(
        &op,
        &with_key("a\r\nb"),
        expect!["the effect's key has a control character, which a header cannot carry []"],
    )
    .await;
    op.params
        .push(param("idempotency-key", ParamPlace::Header, false, true));
    check(
        &op,
        &with_key("run-1/book"),
        expect![[r#"
        POST /api/orders
        idempotency-key: run-1/book
        content-length: 0
    "#]],
    )
    .await;
    let given = Request {
        params: record(&[("idempotency-key", text("mine"))]),
        ..with_key("run-1/book")
    };
    check(
        &op,
        &given,
        expect![[r#"
        POST /api/orders
        idempotency-key: mine
        content-length: 0
    "#]],
    )
    .await;
    check(
        &op,
        &Request::default(),
        expect![[r#"the parameter `idempotency-key` of `op` is missing ["/idempotency-key"]"#]],
    )
    .await;
}

#[tokio::test]
async fn bodies() {
    let mut op = operation("POST", "/");
    let with = |body: &str| Request {
        body: Some(json(body)),
        ..Request::default()
    };
    check(&op, &with("1"), expect!["`op` takes no body []"]).await;
    op.body = Some(body("application/vnd.acme+json", false));
    check(
        &op,
        &with("{\"a\":[1.10,null]}"),
        expect![[r#"
        POST /api/
        content-type: application/vnd.acme+json
        content-length: 17
        {"a":[1.10,null]}"#]],
    )
    .await;
    check(
        &op,
        &Request::default(),
        expect![[r#"
        POST /api/
        content-length: 0
    "#]],
    )
    .await;
    op.body = Some(body("*/*", true));
    check(
        &op,
        &with("null"),
        expect![[r#"
        POST /api/
        content-type: application/json
        content-length: 4
        null"#]],
    )
    .await;
    check(&op, &Request::default(), expect!["`op` needs a body []"]).await;
    op.body = Some(body("text/plain", true));
    check(
        &op,
        &with("\"grün\""),
        expect![[r#"
        POST /api/
        content-type: text/plain; charset=utf-8
        content-length: 5
        grün"#]],
    )
    .await;
    check(
        &op,
        &with("1.50"),
        expect![[r#"
        POST /api/
        content-type: text/plain; charset=utf-8
        content-length: 4
        1.50"#]],
    )
    .await;
    check(
        &op,
        &with("{}"),
        expect!["the body of `op` has to be a text, not record []"],
    )
    .await;
    op.body = Some(body("application/x-www-form-urlencoded", true));
    check(
        &op,
        &with("{\"a b\":\"c&d\",\"list\":[1,2]}"),
        expect![[r#"
        POST /api/
        content-type: application/x-www-form-urlencoded
        content-length: 25
        a%20b=c%26d&list=1&list=2"#]],
    )
    .await;
    check(
        &op,
        &with("{\"a\":[{}]}"),
        expect![[r#"
        the body of `op` has to be a record of texts, numbers and lists of
        them, not record []"#]],
    )
    .await;
    check(
        &op,
        &with("[]"),
        expect!["the body of `op` has to be a record, not list []"],
    )
    .await;
    op.body = Some(body("application/pdf", true));
    let bytes = Request {
        body: Some(Value::Bytes((*b"%PDF").into())),
        ..Request::default()
    };
    check(
        &op,
        &bytes,
        expect![[r#"
        POST /api/
        content-type: application/pdf
        content-length: 4
        %PDF"#]],
    )
    .await;
    check(
        &op,
        &with("{}"),
        expect!["the body of `op` has to be bytes or a text, not record []"],
    )
    .await;
}

fn problems(operation: HttpOperation) -> Vec<String> {
    let mut check = Referring(Target::Http(Arc::new(operation)));
    let problems = HttpCall::check(NoConfig {}, &mut check)
        .map(|_| ())
        .expect_err("problems");
    problems
        .into_iter()
        .map(|problem: Problem| problem.message)
        .collect()
}

#[test]
fn operations_that_cannot_be_called() {
    let mut op = operation("P T", "orders/{id}?x");
    op.params
        .push(param("host", ParamPlace::Header, false, false));
    op.params
        .push(param("a b", ParamPlace::Header, false, false));
    op.body = Some(body("multipart/form-data", true));
    op.responses = vec![response(200, Some("application/xml"))];
    expect![[r#"
        the operation `op` has no valid method: `P T`
        the operation `op` has `{id}` in its path, but no such parameter
        the operation `op` has the path `orders/{id}?x`, which is none
        the operation `op` has the header parameter `host`, which the client sets
        the operation `op` has a header parameter without a valid name: `a b`
        not yet: a body of `multipart/form-data` (operation `op`)
        not yet: an answer of `application/xml` (operation `op`)"#]]
    .assert_eq(&problems(op).join("\n"));
    let none = HttpCall::check(NoConfig {}, &mut NoCheck).map(|_| ());
    let none = none.expect_err("an operation is needed");
    assert_eq!(
        none[0].message,
        "an HTTP connection is called by an operation of its contract"
    );
}

#[test]
fn the_shape_of_a_call() {
    let mut op = operation("POST", "/orders");
    op.params.push(param("dry", ParamPlace::Query, true, true));
    op.params
        .push(param("Idempotency-Key", ParamPlace::Header, true, true));
    op.params
        .push(param("Authorization", ParamPlace::Header, true, true));
    op.body = Some(body("application/json", true));
    let mut created = response(201, Some("application/json"));
    created.body.as_mut().expect("a body").ty = Type::text();
    op.responses = vec![
        created,
        response(422, Some("application/json")),
        response(409, None),
    ];
    let shape = call_of(op.clone()).shape();
    assert_eq!(
        shape.params.to_string(),
        "{ dry: any, Idempotency-Key?: any }"
    );
    assert_eq!(
        (shape.result.to_string().as_str(), shape.optional),
        ("text", false)
    );
    let faults: Vec<_> = shape
        .faults
        .iter()
        .map(|(s, ty)| (*s, ty.is_some()))
        .collect();
    assert_eq!(faults, [(422, true), (409, false)]);
    assert!(!shape.reads && !shape.idempotent && shape.keyed && shape.body.is_some());

    op.responses.push(response(204, None));
    let shape = call_of(op).shape();
    assert_eq!(
        (shape.result.to_string().as_str(), shape.optional),
        ("text", true)
    );
    let mut op = operation("DELETE", "/");
    op.responses = vec![response(204, None)];
    let shape = call_of(op.clone()).shape();
    assert_eq!(
        (shape.result.to_string().as_str(), shape.optional),
        ("null", true)
    );
    assert!(shape.idempotent && !shape.reads);
    op.responses.clear();
    let shape = call_of(op).shape();
    assert_eq!(
        (shape.result.to_string().as_str(), shape.optional),
        ("any", true)
    );
}
