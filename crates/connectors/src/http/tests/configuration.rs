//! How a connection's fields are checked.

use expect_test::{Expect, expect};
use serde_json::json;
use sluice_model::fault::FaultCode;
use sluice_sdk::connection::{Call, Connection, Request};

use super::server::{answer, hyper};
use super::{call_of, config, connection, context, operation, show};
use crate::http::Http;
use crate::tests::NoCheck;

fn check(fields: serde_json::Value, expected: Expect) {
    let text = match Http::check(config(fields), &mut NoCheck) {
        Ok(_) => "ok".to_owned(),
        Err(problems) => problems
            .iter()
            .map(|problem| {
                let help = problem.help.as_deref().unwrap_or_default();
                format!("{}: {}\n  {help}\n", problem.at, problem.message)
            })
            .collect(),
    };
    expected.assert_eq(&text);
}

#[test]
fn urls() {
    for url in [
        "http://127.0.0.1:8080",
        "https://erp.acme.example/api/v1/",
        "https://[::1]:8443",
        "HTTPS://erp.acme.example",
    ] {
        check(json!({ "url": url }), expect!["ok"]);
    }
}

#[test]
fn urls_that_are_refused() {
    let url = |url: &str| json!({ "url": url });
    check(
        url("erp.acme.example"),
        expect![[r#"
            /url: `erp.acme.example` does not say `http` or `https`
              write `https://HOST[:PORT][/PATH]`
        "#]],
    );
    check(
        url("ftp://erp.acme.example"),
        expect![[r#"
            /url: `ftp` is neither `http` nor `https`
              write `https://HOST[:PORT][/PATH]`
        "#]],
    );
    check(
        url("https://user:hunter2@erp.acme.example"),
        expect![[r#"
            /url: the URL has a user in it
              write `auth: { basic: { user: ..., password: { secret: ... } } }`
        "#]],
    );
    check(
        url("https://erp.acme.example/?a=b"),
        expect![[r#"
            /url: `https://erp.acme.example/?a=b` has a query
              write `https://HOST[:PORT][/PATH]`
        "#]],
    );
    check(
        url("https://erp.acme.example/#a"),
        expect![[r#"
            /url: `https://erp.acme.example/#a` has a fragment
              write `https://HOST[:PORT][/PATH]`
        "#]],
    );
}

#[test]
fn hosts_that_are_refused() {
    let url = |url: &str| json!({ "url": url });
    check(
        url("https://erp.acme.example:99999"),
        expect![[r#"
            /url: `https://erp.acme.example:99999` has no valid host and port
              write `https://HOST[:PORT][/PATH]`
        "#]],
    );
    check(
        url("https://erp.acme.example:0"),
        expect![[r#"
            /url: `https://erp.acme.example:0` has no valid host and port
              write `https://HOST[:PORT][/PATH]`
        "#]],
    );
    check(
        url("https://erp .example"),
        expect![[r#"
            /url: `https://erp .example` is not a URL
              write `https://HOST[:PORT][/PATH]`
        "#]],
    );
    check(
        url("https://"),
        expect![[r#"
            /url: `https://` is not a URL
              write `https://HOST[:PORT][/PATH]`
        "#]],
    );
    check(
        url(""),
        expect![[r#"
            /url: `` is not a URL
              write `https://HOST[:PORT][/PATH]`
        "#]],
    );
    check(
        url("https://-x-.acme..example"),
        expect![[r#"
            /url: `-x-.acme..example` is not a host name
              write `https://HOST[:PORT][/PATH]`
        "#]],
    );
}

#[test]
fn all_problems_are_told() {
    check(
        json!({
            "url": "https://erp.acme.example",
            "auth": { "basic": { "user": "a:b", "password": { "secret": "token" } } },
            "headers": {
                "Host": "x",
                "content-length": "1",
                "a b": "x",
                "Authorization": "Basic x",
                "X-A": "line\r\nX-B: 1",
                "X-C": "one",
                "x-c": "two",
            },
            "transport": {
                "connect_timeout": "0s",
                "connections_max": 0,
                "body_max": "0B",
            },
        }),
        expect![[r#"
            /auth/basic/user: a user has no `:` in basic authentication
              write the user without it
            /headers/Authorization: `auth` sets `Authorization` already
              write `auth`, or the header's value as `{ secret: NAME }`
            /headers/Host: `Host` is set by `url`
              leave it out
            /headers/X-A: the value of `X-A` has a control character
              write it on one line
            /headers/a b: `a b` is not the name of a header field
              a name has letters, digits and `-`
            /headers/content-length: `content-length` is set by the client
              leave it out
            /headers/x-c: `x-c` is there twice, in another spelling
              upper and lower case are the same in a header's name
            /transport/connect_timeout: `connect_timeout` is zero
              write more than zero, or leave it out
            /transport/connections_max: `connections_max` is zero
              write more than zero, or leave it out
            /transport/body_max: `body_max` is zero
              write more than zero, or leave it out
        "#]],
    );
    check(
        json!({
            "url": "https://erp.acme.example",
            "auth": { "oauth2": {
                "token_url": "https://login.acme.example/token",
                "client_id": "sluice",
                "client_secret": { "secret": "erp_client" },
            } },
        }),
        expect![[r#"
            /auth/oauth2: not yet: `oauth2` is not built
              write `basic` or `bearer`
        "#]],
    );
    check(
        json!({
            "url": "https://erp.acme.example",
            "headers": { "Authorization": "token" },
        }),
        expect![[r#"
            /headers/Authorization: `Authorization` is a secret
              write `auth`, or the header's value as `{ secret: NAME }`
        "#]],
    );
}

/// Calls a server that answers with the header fields that it got.
async fn echoed(fields: serde_json::Value) -> String {
    let (cx, _owner) = context();
    let server = hyper(&cx, None, |request| {
        let mut text = String::new();
        for (name, value) in request.headers() {
            let value = String::from_utf8_lossy(value.as_bytes());
            if name != "host" {
                text.push_str(&format!("{name}: {value}\n"));
            }
        }
        text.push_str(request.uri().path());
        answer(
            200,
            &[("content-type", "application/json")],
            format!("{text:?}"),
        )
    })
    .await;
    let mut fields = fields;
    fields["url"] = format!("{}/base/", server.url()).into();
    let on = connection(fields);
    match call_of(operation("GET", "/x"))
        .call(&on, Request::default(), &cx)
        .await
    {
        Ok(response) => {
            let body = response.body.expect("a body");
            body.as_str().expect("a text").to_owned()
        }
        Err(fault) => super::wrapped(&fault.private()),
    }
}

#[tokio::test]
async fn every_request_has_the_connections_header_fields() {
    let basic = json!({
        "auth": { "basic": { "user": "sluice", "password": { "secret": "token" } } },
        "headers": { "X-Tenant": "acme", "X-Api-Key": { "secret": "token" }, "user-agent": "us" },
    });
    expect![[r#"
        user-agent: us
        accept-encoding: identity
        x-api-key: s3cret-t0ken
        x-tenant: acme
        authorization: Basic c2x1aWNlOnMzY3JldC10MGtlbg==
        accept: application/json
        /base/x"#]]
    .assert_eq(&echoed(basic).await);
    let bearer = json!({ "auth": { "bearer": { "secret": "token" } } });
    expect![[r#"
        user-agent: sluice
        accept-encoding: identity
        authorization: Bearer s3cret-t0ken
        accept: application/json
        /base/x"#]]
    .assert_eq(&echoed(bearer).await);
}

#[tokio::test]
async fn secrets_that_are_missing_or_unfit() {
    let auth = |name: &str| json!({ "auth": { "bearer": { "secret": name } } });
    expect!["denied: the secret `absent` is not set"].assert_eq(&echoed(auth("absent")).await);
    expect![[r#"
        denied: the secret `line` has a line break or another character that
        no header field may have"#]]
    .assert_eq(&echoed(auth("line")).await);
    let basic = json!({ "auth": { "basic": { "user": "a", "password": { "secret": "line" } } } });
    expect![[r#"
        denied: the secret `line` has a line break or another character that
        no header field may have"#]]
    .assert_eq(&echoed(basic).await);
    let header = json!({ "headers": { "X-Api-Key": { "secret": "line" } } });
    expect![[r#"
        denied: the secret `line` has a line break or another character that
        no header field may have"#]]
    .assert_eq(&echoed(header).await);
}

#[tokio::test]
async fn no_fault_and_no_debug_text_holds_a_secret() {
    let (cx, _owner) = context();
    for fields in [
        json!({ "auth": { "bearer": { "secret": "token" } } }),
        json!({ "auth": { "basic": { "user": "u", "password": { "secret": "token" } } } }),
        json!({ "headers": { "X-Api-Key": { "secret": "token" } } }),
    ] {
        let server = hyper(&cx, None, |_| answer(401, &[], "")).await;
        let mut fields = fields;
        fields["url"] = server.url().into();
        let fields = config(fields);
        assert!(!format!("{fields:?}").contains("s3cret"));
        let on = Http::check(fields, &mut NoCheck).expect("a connection");
        let call = call_of(operation("GET", "/"));
        let result = call.call(&on, Request::default(), &cx).await;
        let fault = result.as_ref().expect_err("denied");
        assert_eq!(&*fault.code().0, FaultCode::DENIED);
        let told = format!("{fault:?} {} {}", fault.private(), show(&result));
        let fixed = format!("{:?}", on.fixed(&cx).expect("the secrets are there"));
        for text in [told, fixed] {
            for secret in ["s3cret", "czNjcmV0", "dTpzM2NyZXQ"] {
                assert!(!text.contains(secret), "{text}");
            }
        }
    }
}

#[tokio::test]
async fn a_probe_takes_any_answer() {
    let (cx, _owner) = context();
    let server = hyper(&cx, None, |request| {
        assert_eq!(
            (request.method().as_str(), request.uri().path()),
            ("HEAD", "/api/")
        );
        answer(404, &[], "")
    })
    .await;
    let on = super::plain(&format!("{}/api", server.url()));
    on.probe(&cx).await.expect("any answer will do");
    drop(server);
    let fault = on.probe(&cx).await.expect_err("nobody listens");
    assert_eq!(&*fault.code().0, FaultCode::UNREACHABLE);
}
