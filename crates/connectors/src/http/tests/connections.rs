//! How connections are kept, and what becomes of those that break.

use std::time::Duration;

use serde_json::json;
use sluice_sdk::connection::{Call, Request};
use sluice_sdk::cx::Cx;

use super::server::{Act, Server, answer, hyper, json as json_answer, scripted, written};
use super::{call_of, connection, context, operation, plain, response, show, with_key};
use crate::http::{Http, HttpCall};

const UNREACHABLE: &str =
    "unreachable [Soon, Upstream]\nthe connection broke before `op` was answered";
const UNKNOWN: &str = "unknown [Never, Upstream]\n\
    the connection broke before `op` was answered: it may have been\ncarried out";
const LARGE: &str = "limit [Never, Upstream]\n\
    the answer to `op` is larger than 10 bytes, see `transport.body_max`";
const LARGE_HEAD: &str =
    "limit [Never, Upstream]\nthe header fields of the answer to `op` are too large";
const NOT_HTTP: &str = "contract [Never, Upstream]\n`op` was answered with what is not HTTP";
const REFUSED: &str = "unreachable [Soon, Upstream]\n\
    the called system cannot be reached\n(why: no connection)";

fn get() -> HttpCall {
    call_of(operation("GET", "/"))
}

fn post() -> HttpCall {
    call_of(operation("POST", "/"))
}

async fn called(call: &HttpCall, on: &Http, request: Request, cx: &Cx) -> String {
    let result = cx
        .timeout(Duration::from_secs(30), call.call(on, request, cx))
        .await;
    show(&result.expect("an answer within 30 s"))
}

/// Checks one call of a scripted server.
async fn check(call: HttpCall, request: Request, scripts: Vec<Vec<Act>>, expected: &str) {
    let (cx, _owner) = context();
    let server = scripted(&cx, scripts).await;
    let on = plain(&server.url());
    assert_eq!(called(&call, &on, request, &cx).await, expected);
    assert_eq!(server.connections(), 1);
}

fn write(text: &str) -> Act {
    Act::Write(text.to_owned())
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let (cx, _owner) = context();
    let server = hyper(&cx, None, |request| match request.method().as_str() {
        "GET" => json_answer("1"),
        _ => answer(500, &[], "no"),
    })
    .await;
    let on = plain(&server.url());
    for _ in 0..10 {
        assert_eq!(called(&get(), &on, Request::default(), &cx).await, "200 1");
        let failed = called(&post(), &on, Request::default(), &cx).await;
        assert!(failed.starts_with("upstream"), "{failed}");
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_connection_is_not_kept_longer_than_its_time() {
    let (cx, _owner) = context();
    let server = hyper(&cx, None, |_| json_answer("1")).await;
    let on = connection(json!({
        "url": server.url(),
        "transport": { "idle_time": "0s" },
    }));
    for _ in 0..3 {
        called(&get(), &on, Request::default(), &cx).await;
    }
    assert_eq!(server.connections(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_are_never_more_connections_than_configured() {
    let (cx, _owner) = context();
    let server = hyper(&cx, None, |_| json_answer("1")).await;
    let on = std::sync::Arc::new(connection(json!({
        "url": server.url(),
        "transport": { "connections_max": 3 },
    })));
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let (on, cx) = (std::sync::Arc::clone(&on), cx.clone());
            cx.clone().spawn(async move {
                for _ in 0..20 {
                    assert_eq!(called(&get(), &on, Request::default(), &cx).await, "200 1");
                }
            })
        })
        .collect();
    for task in tasks {
        task.join().await.expect("all calls succeed");
    }
    assert!(
        server.connections() <= 3,
        "{} connections",
        server.connections()
    );
}

/// Waits until the client has no open connection left.
async fn wait_for_close(on: &Http, cx: &Cx) {
    let closed = async {
        while let Some(link) = on.client.kept(cx).await {
            on.client.keep(link, cx).await;
            tokio::task::yield_now().await;
        }
    };
    let closed = cx.timeout(Duration::from_secs(30), closed).await;
    closed.expect("the server closes its connection");
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_is_not_used() {
    let (cx, _owner) = context();
    let scripts = vec![vec![Act::Read, written("1")], vec![Act::Read, written("2")]];
    let server = scripted(&cx, scripts).await;
    let on = plain(&server.url());
    assert_eq!(called(&get(), &on, Request::default(), &cx).await, "200 1");
    wait_for_close(&on, &cx).await;
    // Not harmless to repeat, but nothing of it was sent.
    assert_eq!(called(&post(), &on, Request::default(), &cx).await, "200 2");
    assert_eq!(server.got().len(), 2);
}

/// A server that closes the first connection when it has read the second request.
async fn closing(cx: &Cx) -> (Server, Http) {
    let scripts = vec![
        vec![Act::Read, written("1"), Act::Read],
        vec![Act::Read, written("2")],
    ];
    let server = scripted(cx, scripts).await;
    let on = plain(&server.url());
    assert_eq!(called(&get(), &on, Request::default(), cx).await, "200 1");
    (server, on)
}

#[tokio::test]
async fn a_kept_connection_that_breaks_is_replaced_where_a_repeat_is_harmless() {
    let (cx, _owner) = context();
    for (call, request) in [
        (get(), Request::default()),
        (call_of(operation("PUT", "/")), Request::default()),
        (post(), with_key("k")),
    ] {
        let (server, on) = closing(&cx).await;
        assert_eq!(called(&call, &on, request, &cx).await, "200 2");
        assert_eq!((server.connections(), server.got().len()), (2, 3));
    }
}

#[tokio::test]
async fn a_request_that_may_have_been_carried_out_is_not_repeated() {
    let (cx, _owner) = context();
    let (server, on) = closing(&cx).await;
    assert_eq!(called(&post(), &on, Request::default(), &cx).await, UNKNOWN);
    assert_eq!((server.connections(), server.got().len()), (1, 2));
}

#[tokio::test]
async fn no_answer_at_all() {
    for script in [vec![Act::Read], vec![Act::Read, Act::Reset]] {
        let scripts = || vec![script.clone()];
        check(get(), Request::default(), scripts(), UNREACHABLE).await;
        check(post(), with_key("k"), scripts(), UNREACHABLE).await;
        check(post(), Request::default(), scripts(), UNKNOWN).await;
    }
}

#[tokio::test]
async fn a_body_that_ends_too_early() {
    for text in [
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{\"a\"",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\n{\"a\"\r\n",
        "HTTP/1.1 200 OK\r\ncontent-le",
    ] {
        for end in [vec![], vec![Act::Reset]] {
            let mut script = vec![Act::Read, write(text)];
            script.extend(end);
            check(get(), Request::default(), vec![script.clone()], UNREACHABLE).await;
            check(post(), Request::default(), vec![script], UNKNOWN).await;
        }
    }
}

#[tokio::test]
async fn bodies_in_pieces() {
    let (cx, _owner) = context();
    let chunked = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
                   transfer-encoding: chunked\r\n\r\n\
                   3;x=y\r\n[1,\r\n2\r\n2,\r\n2\r\n3]\r\n0\r\nx-trailer: 1\r\n\r\n";
    let hint = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
    let script = vec![
        Act::Read,
        write(chunked),
        Act::Read,
        write(hint),
        written("4"),
        Act::Read,
        write("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n[5,"),
        write("6]"),
    ];
    let server = scripted(&cx, vec![script, vec![Act::Read, written("7")]]).await;
    let on = plain(&server.url());
    for expected in ["200 [1,2,3]", "200 4", "200 [5,6]", "200 7"] {
        assert_eq!(called(&get(), &on, Request::default(), &cx).await, expected);
    }
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn answers_without_a_body() {
    let (cx, _owner) = context();
    let script = vec![
        Act::Read,
        write("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n"),
        Act::Read,
        written("1"),
    ];
    let server = scripted(&cx, vec![script]).await;
    let on = plain(&server.url());
    let mut head = operation("HEAD", "/");
    head.responses = vec![response(200, None)];
    let head = called(&call_of(head), &on, Request::default(), &cx).await;
    assert_eq!(head, "200 nothing");
    assert_eq!(called(&get(), &on, Request::default(), &cx).await, "200 1");
}

#[tokio::test]
async fn bodies_above_the_limit() {
    let (cx, _owner) = context();
    let chunk =
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\n123456\r\n6\r\n123456\r\n";
    let scripts = vec![
        vec![Act::Read, written("12345678901"), Act::Hold],
        vec![Act::Read, write(chunk), Act::Hold],
        vec![Act::Read, written("1234567890"), Act::Read, written("1")],
    ];
    let server = scripted(&cx, scripts).await;
    let on = connection(json!({
        "url": server.url(),
        "transport": { "body_max": "10B" },
    }));
    for _ in 0..2 {
        assert_eq!(called(&get(), &on, Request::default(), &cx).await, LARGE);
    }
    let exact = called(&get(), &on, Request::default(), &cx).await;
    assert_eq!(exact, "200 1234567890");
    assert_eq!(called(&get(), &on, Request::default(), &cx).await, "200 1");
    assert_eq!(
        server.connections(),
        3,
        "what was not read to its end is closed"
    );
}

#[tokio::test]
async fn a_call_that_is_given_up_closes_its_connection() {
    let (cx, _owner) = context();
    let partial = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n1";
    let scripts = vec![
        vec![Act::Read, written("1"), Act::Read, Act::Hold],
        vec![Act::Read, write(partial), Act::Hold],
        vec![Act::Read, written("2")],
    ];
    let server = scripted(&cx, scripts).await;
    let on = plain(&server.url());
    let call = get();
    assert_eq!(called(&call, &on, Request::default(), &cx).await, "200 1");
    for gone in 1..=2 {
        let answer = call.call(&on, Request::default(), &cx);
        let given_up = cx.timeout(Duration::from_millis(50), answer).await;
        assert!(given_up.is_none(), "nobody answers");
        let left = async {
            while server.got().iter().filter(|got| *got == "left").count() < gone {
                tokio::task::yield_now().await;
            }
        };
        let left = cx.timeout(Duration::from_secs(30), left).await;
        left.expect("the server sees the client leave");
    }
    assert_eq!(called(&call, &on, Request::default(), &cx).await, "200 2");
}

#[tokio::test]
async fn what_is_not_http() {
    let two_lengths = "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n12";
    for text in [
        "SSH-2.0-OpenSSH_9.2\r\n",
        "\r\n\r\n\0\0",
        "HTTP/1.1 2 OK\r\n\r\n",
        two_lengths,
    ] {
        let script = vec![Act::Read, write(text), Act::Hold];
        check(get(), Request::default(), vec![script], NOT_HTTP).await;
    }
}

#[tokio::test]
async fn a_head_above_the_limit() {
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "a".repeat(200_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(200));
    for text in [long, many] {
        let script = vec![Act::Read, write(&text), Act::Hold];
        check(get(), Request::default(), vec![script], LARGE_HEAD).await;
    }
}

#[tokio::test]
async fn an_answer_that_nobody_asked_for_is_not_taken_for_the_next() {
    let (cx, _owner) = context();
    let Act::Write(mut two) = written("1") else {
        panic!("it writes");
    };
    let Act::Write(evil) = written("\"evil\"") else {
        panic!("it writes");
    };
    two.push_str(&evil);
    let scripts = vec![
        vec![Act::Read, write(&two), Act::Hold],
        vec![Act::Read, written("2")],
    ];
    let server = scripted(&cx, scripts).await;
    let on = plain(&server.url());
    assert_eq!(called(&get(), &on, Request::default(), &cx).await, "200 1");
    assert_eq!(called(&get(), &on, Request::default(), &cx).await, "200 2");
}

#[tokio::test]
async fn a_server_that_cannot_be_reached() {
    let (cx, _owner) = context();
    let server = scripted(&cx, vec![]).await;
    let (port, on) = (server.port, plain(&server.url()));
    drop(server);
    let result = post().call(&on, Request::default(), &cx).await;
    assert_eq!(show(&result), REFUSED);
    let fault = result.expect_err("refused");
    assert!(
        fault.private().contains(&format!("127.0.0.1:{port}")),
        "{}",
        fault.private()
    );

    let on = connection(json!({
        "url": "http://no-such-host.invalid",
        "transport": { "connect_timeout": "2s" },
    }));
    let result = show(&post().call(&on, Request::default(), &cx).await);
    assert!(
        result.starts_with("unreachable [Soon, Upstream]\nthe called system cannot be reached"),
        "{result}"
    );
}
