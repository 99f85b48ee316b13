//! What answers become.

use expect_test::{Expect, expect};
use sluice_model::operation::HttpOperation;
use sluice_sdk::connection::{Call, Request};

use super::server::{answer, hyper};
use super::{call_of, context, operation, plain, response, show};

/// Checks what becomes of an answer.
async fn check(
    operation: HttpOperation,
    status: u16,
    headers: &'static [(&'static str, &'static str)],
    body: &'static [u8],
    expected: Expect,
) {
    let (cx, _owner) = context();
    let server = hyper(&cx, None, move |_| answer(status, headers, body)).await;
    let on = plain(&server.url());
    let result = call_of(operation).call(&on, Request::default(), &cx).await;
    expected.assert_eq(&show(&result));
}

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];
const PROBLEM: &[(&str, &str)] = &[("content-type", "application/problem+json")];
const HTML: &[(&str, &str)] = &[("content-type", "text/html; charset=utf-8")];

fn get() -> HttpOperation {
    operation("GET", "/")
}

#[tokio::test]
async fn successes() {
    check(
        get(),
        200,
        JSON,
        b"{\"a\":1.10}",
        expect![[r#"200 {"a":1.10}"#]],
    )
    .await;
    check(get(), 206, JSON, b"[]", expect!["206 []"]).await;
    check(get(), 200, PROBLEM, b"null", expect!["200 null"]).await;
    check(
        get(),
        200,
        &[],
        b"{\"no\":\"type\"}",
        expect![[r#"200 {"no":"type"}"#]],
    )
    .await;
    check(get(), 204, &[], b"", expect!["204 nothing"]).await;
    let mut op = get();
    op.responses = vec![response(200, Some("text/plain"))];
    let latin = &[("content-type", "text/plain; Charset=\"ISO-8859-1\"")];
    check(
        op.clone(),
        200,
        latin,
        b"gr\xfcn",
        expect![[r#"200 "grün""#]],
    )
    .await;
    check(
        op.clone(),
        200,
        &[("content-type", "text/csv")],
        b"a;b\n",
        expect![[r#"200 "a;b\n""#]],
    )
    .await;
    check(op.clone(), 200, &[], b"", expect![[r#"200 """#]]).await;
    op.responses = vec![response(200, Some("application/pdf"))];
    check(
        op.clone(),
        200,
        &[("content-type", "application/pdf")],
        b"%PDF",
        expect!["200 4 bytes"],
    )
    .await;
    op.responses = vec![response(201, None)];
    check(op.clone(), 201, HTML, b"<p>", expect!["201 nothing"]).await;
    let mut others = response(0, Some("text/plain"));
    others.status = sluice_model::operation::StatusRange::Default;
    op.responses = vec![response(201, Some("application/json")), others];
    check(op.clone(), 200, JSON, b"1", expect!["200 1"]).await;
    op.responses.remove(0);
    let text = &[("content-type", "text/plain")];
    check(op.clone(), 200, text, b"1", expect![[r#"200 "1""#]]).await;
    op.responses = Vec::new();
    check(op.clone(), 200, JSON, b"{}", expect!["200 {}"]).await;
    check(op, 202, &[], b"", expect!["202 nothing"]).await;
}

#[tokio::test]
async fn successes_that_are_not_what_they_say() {
    check(
        get(),
        200,
        JSON,
        b"{\"a\":\n1,}",
        expect![[r#"
        contract [Never, Upstream]
        the answer to `op` is not JSON: line 2, column 3: expected a key in
        double quotes, found `}`
        200 nothing"#]],
    )
    .await;
    check(
        get(),
        200,
        JSON,
        b"",
        expect![[r#"
        contract [Never, Upstream]
        the answer to `op` is empty, where the contract has a body
        200 nothing"#]],
    )
    .await;
    check(
        get(),
        200,
        HTML,
        b"<p>Login</p>",
        expect![[r#"
        contract [Never, Upstream]
        the answer to `op` is `text/html; charset=utf-8`, where the contract
        has `application/json`
        200 nothing"#]],
    )
    .await;
    check(
        get(),
        200,
        &[("content-type", "\u{1f600}")],
        b"{}",
        expect![[r#"
        contract [Never, Upstream]
        the answer to `op` has a content type that is no text
        200 nothing"#]],
    )
    .await;
    check(
        get(),
        200,
        &[
            ("content-type", "application/json"),
            ("content-encoding", "gzip"),
        ],
        b"\x1f\x8b",
        expect![[r#"
            contract [Never, Upstream]
            the answer to `op` is compressed, although we asked for what is not
            200 nothing"#]],
    )
    .await;
}

#[tokio::test]
async fn texts_that_are_not_what_they_say() {
    let mut op = get();
    op.responses = vec![response(200, Some("text/plain"))];
    check(
        op.clone(),
        200,
        &[("content-type", "text/plain")],
        b"a\xff",
        expect![[r#"
            contract [Never, Upstream]
            the answer to `op` is not UTF-8 at byte 1
            200 nothing"#]],
    )
    .await;
    let koi8 = &[("content-type", "text/plain; charset=koi8-r")];
    check(
        op,
        200,
        koi8,
        b"a",
        expect![[r#"
        contract [Never, Upstream]
        the answer to `op` has the character set `koi8-r`, which is not built
        200 nothing"#]],
    )
    .await;
}

#[tokio::test]
async fn other_statuses() {
    check(
        get(),
        404,
        PROBLEM,
        b"{\"title\":\"gone\"}",
        expect![[r#"
            upstream [Never, Upstream]
            `op` answered 404
            404 {"title":"gone"}"#]],
    )
    .await;
    check(
        get(),
        422,
        HTML,
        b"<p>no</p>",
        expect![[r#"
            upstream [Never, Upstream]
            `op` answered 422
            422 "<p>no</p>""#]],
    )
    .await;
    check(
        get(),
        400,
        JSON,
        b"{",
        expect![[r#"
        upstream [Never, Upstream]
        `op` answered 400
        400 nothing
        (body left out: is not JSON: line 1, column 2: expected a key in
        double quotes, found the end of the input)"#]],
    )
    .await;
    check(
        get(),
        409,
        &[],
        b"\x00\x01",
        expect![[r#"
            upstream [Never, Upstream]
            `op` answered 409
            409 2 bytes"#]],
    )
    .await;
}

#[tokio::test]
async fn statuses_about_us() {
    check(
        get(),
        401,
        &[],
        b"",
        expect![[r#"
        denied [Never, Config]
        `op` answered 401: the called system does not know us
        401 nothing"#]],
    )
    .await;
    check(
        get(),
        403,
        JSON,
        b"{}",
        expect![[r#"
        denied [Never, Config]
        `op` answered 403: the called system does not let us
        403 {}"#]],
    )
    .await;
    check(
        get(),
        302,
        &[("location", "/login")],
        b"",
        expect![[r#"
        upstream [Never, Config]
        `op` answered 302: redirects are not followed
        302 nothing
        (location: /login)"#]],
    )
    .await;
    check(
        get(),
        304,
        &[],
        b"",
        expect![[r#"
        upstream [Never, Upstream]
        `op` answered 304
        304 nothing"#]],
    )
    .await;
}

#[tokio::test]
async fn statuses_that_may_pass() {
    check(
        get(),
        500,
        &[],
        b"",
        expect![[r#"
            upstream [Soon, Upstream]
            `op` answered 500
            500 nothing"#]],
    )
    .await;
    check(
        get(),
        502,
        &[],
        b"",
        expect![[r#"
            upstream [Soon, Upstream]
            `op` answered 502
            502 nothing"#]],
    )
    .await;
    check(
        get(),
        408,
        &[],
        b"",
        expect![[r#"
            upstream [Soon, Upstream]
            `op` answered 408
            408 nothing"#]],
    )
    .await;
    check(
        get(),
        425,
        &[],
        b"",
        expect![[r#"
            upstream [Soon, Upstream]
            `op` answered 425
            425 nothing"#]],
    )
    .await;
}

#[tokio::test]
async fn statuses_that_say_when_to_come_again() {
    check(
        get(),
        429,
        &[("retry-after", "7")],
        b"",
        expect![[r#"
            upstream [After(7s), Upstream]
            `op` answered 429
            429 nothing"#]],
    )
    .await;
    check(
        get(),
        503,
        &[("retry-after", "soon")],
        b"",
        expect![[r#"
            upstream [Soon, Upstream]
            `op` answered 503
            503 nothing"#]],
    )
    .await;
    check(
        get(),
        504,
        &[("retry-after", "999999999999999999999")],
        b"",
        expect![[r#"
            upstream [After(86400s), Upstream]
            `op` answered 504
            504 nothing"#]],
    )
    .await;
}

#[tokio::test]
async fn a_large_body_of_a_fault_is_left_out() {
    static LARGE: [u8; 70_000] = [b' '; 70_000];
    check(
        get(),
        500,
        JSON,
        &LARGE,
        expect![[r#"
        upstream [Soon, Upstream]
        `op` answered 500
        500 nothing
        (body left out, bytes: 70000)"#]],
    )
    .await;
}

#[test]
fn retry_after_as_a_date() {
    use crate::http::fault::retry_after;
    use sluice_model::time::Timestamp;
    let now = Timestamp::parse_rfc3339("2026-03-14T09:26:53Z").expect("an instant");
    let check = |text: &str, seconds: Option<u64>| {
        let mut headers = http::HeaderMap::new();
        headers.insert("retry-after", text.parse().expect("a header value"));
        let wait = retry_after(&headers, now).map(|wait| wait.as_secs());
        assert_eq!(wait, seconds, "{text}");
    };
    check("Sat, 14 Mar 2026 09:27:03 GMT", Some(10));
    check("Saturday, 14-Mar-26 09:27:03 GMT", Some(10));
    check("Sat Mar 14 09:27:03 2026", Some(10));
    check("Fri, 13 Mar 2026 09:27:03 GMT", Some(0));
    check("Sat, 14 Mar 2099 09:27:03 GMT", Some(86_400));
    check(" 5 ", Some(5));
    check("-5", None);
    check("1.5", None);
    check("", None);
    check("tomorrow", None);
}
