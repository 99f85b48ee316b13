use std::sync::{Arc, Mutex};
use std::time::Duration;

use sluice_model::fault::Fault;
use sluice_model::value::Value;
use sluice_sdk::connection::{Answer, Delivery, Reply};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

use crate::front::Front;
use crate::limits::FrontLimits;
use crate::stdx::lock;
use crate::testing::{Client, Seen, apis, cx, echo, echoing, flow, open};

const CREATE: &str = "POST /shop/v1/orders";
const ORDER: &str = r#"{"id":"A","qty":2}"#;

/// Longer than any test takes: what waits for it hangs.
const LONG: Duration = Duration::from_secs(60);
/// Short, for what has to run out.
const SHORT: Duration = Duration::from_millis(50);

/// A front whose only flow, `createOrder`, is `answer`.
async fn with_flow(
    limits: FrontLimits,
    answer: impl Fn(Delivery) + Send + 'static,
) -> (Front, impl Drop) {
    struct Kept<T>(T);
    impl<T> Drop for Kept<T> {
        fn drop(&mut self) {}
    }
    let (cx, owner) = cx();
    let apis = apis("/shop/v1", &["createOrder"]);
    let front = Front::bind("127.0.0.1:0", limits, &cx).expect("a free port");
    front.install(&apis);
    let task = flow(open(&front, &apis, "createOrder", &cx).await, &cx, answer);
    (front, Kept((task, owner, cx)))
}

/// Returns the head of a good request whose body has so many bytes.
fn head_of(length: usize) -> String {
    let json = "Content-Type: application/json";
    format!("{CREATE} HTTP/1.1\r\nHost: a\r\n{json}\r\nContent-Length: {length}\r\n\r\n")
}

/// Puts each field on a line of its own.
fn lines(document: &str) -> String {
    document.replace(",\"", ",\n \"")
}

fn show(seen: &Seen) -> String {
    let document: String = seen.body.replacen(
        &format!("{}\"", seen.header("x-request-id").unwrap_or("-")),
        "ID\"",
        1,
    );
    let mut shown = seen.status.to_string();
    for name in ["allow", "retry-after", "connection"] {
        if let Some(value) = seen.header(name) {
            shown.push_str(&format!(" {name}: {value}"));
        }
    }
    format!("{shown}\n{}\n", lines(&document))
}

#[tokio::test]
async fn a_request_reaches_its_flow_and_is_answered() {
    let server = echoing(FrontLimits::default()).await;
    let mut client = Client::new(server.front.address()).await;
    let fields = "X-Request-Id: abc-1\r\nAuthorization: Basic x\r\nX-A: 1\r\nX-A: 2\r\n";
    let seen = client.ask(CREATE, fields, ORDER).await;
    assert_eq!(seen.status, 201);
    assert_eq!(seen.header("x-request-id"), Some("abc-1"));
    assert_eq!(seen.header("content-type"), Some("application/json"));
    expect_test::expect![[r#"
        {"payload":{"id":"A",
         "qty":2},
         "params":{},
         "meta":{"request":"abc-1",
         "method":"POST",
         "path":"/shop/v1/orders",
         "headers":{"host":"a",
         "content-type":"application/json",
         "content-length":"18",
         "x-request-id":"abc-1",
         "x-a":"1, 2"}}}"#]]
    .assert_eq(&lines(&seen.body));
    let fields = "X-Request-Id: a b\r\nX-Tenant: t\r\n";
    let seen = client
        .ask(
            "GET /shop/v1/orders?limit=5&tag=a&tag=b%20c&x=1",
            fields,
            "",
        )
        .await;
    assert_ne!(seen.header("x-request-id"), Some("a b"), "not a sane id");
    assert!(
        seen.body
            .contains(r#""payload":null,"params":{"limit":5,"tag":["a","b c"],"X-Tenant":"t"}"#),
        "{}",
        seen.body
    );
    let head = client.ask("HEAD /shop/v1/orders/7", "", "").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    let chunked = head_of(0)
        .replace("application/json", "application/json; charset=UTF-8")
        .replace("Content-Length: 0", "Transfer-Encoding: chunked");
    client
        .send(&format!(
            "{chunked}9\r\n{{\"id\":\"A\"\r\n9;x\r\n,\"qty\":2}}\r\n0\r\n\r\n"
        ))
        .await;
    let seen = client.answer(false).await.expect("an answer");
    assert!(
        seen.body.starts_with(r#"{"payload":{"id":"A","qty":2}"#),
        "{}",
        seen.body
    );
}

#[tokio::test]
async fn problems_are_documents() {
    let limits = FrontLimits {
        body_bytes: 200,
        ..FrontLimits::default()
    };
    let server = echoing(limits).await;
    let mut shown = String::new();
    let long = format!(r#"{{"id":"A","qty":2,"note":"{}"}}"#, "x".repeat(200));
    for (line, fields, body) in [
        ("GET /shop/v1/nowhere", "", ""),
        ("PUT /shop/v1/orders", "", ""),
        ("OPTIONS /shop/v1/orders", "", ""),
        ("DELETE /shop/v1/orders/7", "", ""),
        ("GET /shop/v1/orders/seven", "", ""),
        ("GET /shop/v1/orders?limit=0&limit=1", "", ""),
        ("GET /shop/v1/orders?limit=%x", "", ""),
        ("GET /shop/v1/orders?limit=1000", "X-Tenant: a\r\n", ""),
        (CREATE, "", ""),
        (CREATE, "", "{\"id\" 1}"),
        (CREATE, "", r#"{"id":"A","id2":1,"qty":0}"#),
        (CREATE, "", r#"{"id":"A"}"#),
        (CREATE, "Content-Encoding: gzip\r\n", ORDER),
        (CREATE, "", &long),
        ("GET /shop/v1/orders/7", "", ORDER),
    ] {
        let mut client = Client::new(server.front.address()).await;
        let seen = client.ask(line, fields, body).await;
        shown.push_str(&format!("# {line}\n{}", show(&seen)));
        if seen.header("connection") == Some("close") {
            assert!(client.is_closed().await, "{line}");
        }
    }
    expect_test::expect_file!["./problems.txt"].assert_eq(&shown);
}

#[tokio::test]
async fn bodies_of_other_types_are_refused() {
    let server = echoing(FrontLimits::default()).await;
    for (content_type, status) in [
        ("application/json", 201),
        ("Application/JSON;charset=\"utf-8\"", 201),
        ("application/orders+json", 201),
        ("application/json; charset=latin1", 415),
        ("application/xml", 415),
        ("text/plain", 415),
        ("", 415),
    ] {
        let mut client = Client::new(server.front.address()).await;
        let head = head_of(ORDER.len()).replace("application/json", content_type);
        client.send(&format!("{head}{ORDER}")).await;
        let seen = client.answer(false).await.expect("an answer");
        assert_eq!(seen.status, status, "{content_type}: {seen:?}");
    }
}

/// Does what the order's id says.
fn answer_by_id(delivery: Delivery) {
    let Delivery {
        messages,
        receipt,
        reply,
        ..
    } = delivery;
    let reply = reply.expect("a caller waits");
    let payload = match messages.into_iter().next().map(|message| message.payload) {
        Some(sluice_model::batch::Payload::Value(payload)) => payload,
        other => panic!("{other:?}"),
    };
    let answer = |status, headers: &[(&str, &str)], body| {
        let headers = headers
            .iter()
            .map(|(name, value)| (Arc::from(*name), (*value).to_owned()));
        Reply::Answer(Answer {
            status,
            headers: headers.collect(),
            body,
        })
    };
    let text = |text: &'static str| Some(Value::from(text));
    match payload.get("id").and_then(Value::as_str).expect("checked") {
        "plain" => reply.send(Reply::Answer(Answer::default())),
        "created" => reply.send(answer(
            None,
            &[("Location", "/a"), ("Set-Cookie", "a"), ("Set-Cookie", "b")],
            text("x"),
        )),
        "empty" => reply.send(answer(Some(204), &[], text("left out"))),
        "fault" => reply.send(Reply::Fault(
            Fault::invalid("no such customer")
                .with_code("unknown_customer")
                .with_status(409),
        )),
        "crlf" => reply.send(answer(None, &[("A", "b\r\nC: d")], None)),
        "framing" => reply.send(answer(None, &[("Content-Length", "9")], None)),
        "name" => reply.send(answer(None, &[("A B", "c")], None)),
        "informational" => reply.send(answer(Some(101), &[], None)),
        "dropped" => drop(reply),
        "nacked" => return receipt.nack(Fault::internal("the store is full")),
        other => panic!("{other}"),
    }
    receipt.ack();
}

#[tokio::test]
async fn what_a_flow_does_becomes_an_answer() {
    let (front, _kept) = with_flow(FrontLimits::default(), answer_by_id).await;
    let mut client = Client::new(front.address()).await;
    let mut ask = async |id: &str| {
        client
            .ask(CREATE, "", &format!(r#"{{"id":"{id}","qty":1}}"#))
            .await
    };
    let plain = ask("plain").await;
    assert_eq!(
        (plain.status, plain.header("content-length")),
        (201, Some("0"))
    );
    let created = ask("created").await;
    assert_eq!((created.status, created.body.as_str()), (201, "\"x\""));
    assert!(
        created
            .head
            .contains("location: /a\r\nset-cookie: a\r\nset-cookie: b\r\n"),
        "{}",
        created.head
    );
    let empty = ask("empty").await;
    assert_eq!((empty.status, empty.header("content-length")), (204, None));
    let fault = ask("fault").await;
    assert_eq!(fault.status, 409);
    assert!(
        fault
            .body
            .contains(r#""code":"unknown_customer","detail":"no such customer""#)
    );
    for id in [
        "crlf",
        "framing",
        "name",
        "informational",
        "dropped",
        "nacked",
    ] {
        let seen = ask(id).await;
        assert_eq!(seen.status, 500, "{id}: {seen:?}");
        assert!(
            !seen.head.contains("\nC:") && !seen.body.contains("C: d"),
            "{id}"
        );
    }
}

#[tokio::test]
async fn a_flow_that_is_late_is_not_waited_for() {
    let limits = FrontLimits {
        answer_time: SHORT,
        ..FrontLimits::default()
    };
    let late: Arc<Mutex<Vec<Delivery>>> = Arc::default();
    let kept = Arc::clone(&late);
    let (front, _kept) = with_flow(limits, move |delivery| lock(&kept).push(delivery)).await;
    let mut client = Client::new(front.address()).await;
    let seen = client.ask(CREATE, "", ORDER).await;
    assert_eq!(seen.status, 504, "{seen:?}");
    let delivery = lock(&late).pop().expect("the flow has it");
    echo(delivery);
    let seen = client.ask(CREATE, "", ORDER).await;
    assert_eq!(
        seen.status, 504,
        "the late answer is not this one's: {seen:?}"
    );
}

#[tokio::test]
async fn too_many_waiting_requests_are_refused() {
    let (cx, _owner) = cx();
    let limits = FrontLimits {
        requests_waiting: 1,
        answer_time: SHORT,
        ..FrontLimits::default()
    };
    let front = Front::bind("127.0.0.1:0", limits, &cx).expect("a free port");
    let apis = apis("/shop/v1", &["createOrder"]);
    front.install(&apis);
    let mut one = Client::new(front.address()).await;
    let mut other = Client::new(front.address()).await;
    let (one, other) = tokio::join!(one.ask(CREATE, "", ORDER), other.ask(CREATE, "", ORDER));
    let refused = if one.status == 503 { &one } else { &other };
    assert_eq!(refused.header("retry-after"), Some("1"), "{refused:?}");
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [503, 504], "one waits in vain, nobody reads");
    // A flow that stops tells those who wait at once.
    let mut source = open(&front, &apis, "createOrder", &cx).await;
    source.close(&cx).await;
    let mut client = Client::new(front.address()).await;
    assert_eq!(client.ask(CREATE, "", ORDER).await.status, 503);
    let flow = flow(open(&front, &apis, "createOrder", &cx).await, &cx, echo);
    assert_eq!(client.ask(CREATE, "", ORDER).await.status, 201);
    drop(flow);
}

#[tokio::test]
async fn too_many_connections_are_turned_away() {
    let limits = FrontLimits {
        connections: 1,
        ..FrontLimits::default()
    };
    let server = echoing(limits).await;
    let mut first = Client::new(server.front.address()).await;
    assert_eq!(first.ask(CREATE, "", ORDER).await.status, 201);
    let mut second = Client::new(server.front.address()).await;
    let seen = second.answer(false).await.expect("it is told");
    assert_eq!((seen.status, seen.header("retry-after")), (503, Some("1")));
    assert!(second.is_closed().await);
    assert_eq!(first.ask(CREATE, "", ORDER).await.status, 201);
    first.stream.shutdown().await.expect("a socket");
    assert!(first.is_closed().await);
}

#[tokio::test]
async fn slow_clients_do_not_hold_a_connection() {
    let limits = FrontLimits {
        head_time: SHORT,
        body_idle: SHORT,
        keep_alive_idle: SHORT,
        ..FrontLimits::default()
    };
    let server = echoing(limits).await;
    let mut slow = Client::new(server.front.address()).await;
    slow.send("POST /shop/v1/orders HTTP/1.1\r\nHost: a\r\n")
        .await;
    assert_eq!(slow.answer(false).await.map(|seen| seen.status), Some(408));
    assert!(slow.is_closed().await);
    let mut body = Client::new(server.front.address()).await;
    body.send(&(head_of(ORDER.len()) + "{")).await;
    assert_eq!(body.answer(false).await.map(|seen| seen.status), Some(408));
    assert!(body.is_closed().await);
    let mut idle = Client::new(server.front.address()).await;
    assert!(
        idle.is_closed().await,
        "nothing was asked, so nothing is answered"
    );
    let mut after = Client::new(server.front.address()).await;
    assert_eq!(after.ask(CREATE, "", ORDER).await.status, 201);
    assert!(after.is_closed().await);
}

#[tokio::test]
async fn a_client_may_close_its_side_or_go_away() {
    let (tx, mut deliveries) = mpsc::channel(1);
    let (front, _kept) = with_flow(FrontLimits::default(), move |delivery| {
        tx.try_send(delivery).expect("one at a time");
    })
    .await;
    let request = head_of(ORDER.len()) + ORDER;
    let mut client = Client::new(front.address()).await;
    client.send(&request).await;
    client.stream.shutdown().await.expect("a socket");
    echo(deliveries.recv().await.expect("the flow runs"));
    assert_eq!(
        client.answer(false).await.map(|seen| seen.status),
        Some(201)
    );
    assert!(client.is_closed().await);
    let mut gone = Client::new(front.address()).await;
    gone.send(&request).await;
    let delivery = deliveries.recv().await.expect("the flow runs");
    drop(gone);
    echo(delivery);
    assert!(
        front.drain(LONG).await,
        "the connection that was left is over"
    );
}

#[tokio::test]
async fn routes_are_replaced_at_once_and_nothing_that_waits_is_lost() {
    let server = echoing(FrontLimits::default()).await;
    let mut client = Client::new(server.front.address()).await;
    assert_eq!(client.ask(CREATE, "", ORDER).await.status, 201);
    server.front.install(&apis("/", &["createOrder"]));
    assert_eq!(client.ask(CREATE, "", ORDER).await.status, 404);
    assert_eq!(client.ask("POST /orders", "", ORDER).await.status, 201);
    assert_eq!(client.ask("GET /orders/7", "", "").await.status, 501);
    let operation = server
        .apis
        .values()
        .next()
        .and_then(|api| api.contract.operation("getOrder"));
    let fault = server
        .front
        .api_source(&"orders".into(), operation.expect("it is there"));
    let fault = fault.err().expect("no flow serves it now");
    assert_eq!(fault.public(), "nothing listens for `orders#getOrder`");
}

#[tokio::test]
async fn draining_loses_nothing() {
    const CLIENTS: usize = 50;
    let (tx, mut deliveries) = mpsc::channel(CLIENTS);
    let (front, _kept) = with_flow(FrontLimits::default(), move |delivery| {
        tx.try_send(delivery).expect("each client asks once");
    })
    .await;
    let address = front.address();
    let idle = Client::new(address).await;
    let clients = (0..CLIENTS).map(|_| async move {
        let mut client = Client::new(address).await;
        let seen = client.ask(CREATE, "", ORDER).await;
        (seen.status, client.is_closed().await)
    });
    let mut clients: tokio::task::JoinSet<_> = clients.collect();
    let mut held = Vec::new();
    while held.len() < CLIENTS {
        held.push(deliveries.recv().await.expect("the flow runs"));
    }
    let answers = async {
        // The listener is gone before anything is answered.
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        held.into_iter().for_each(echo);
    };
    let (drained, ()) = tokio::join!(front.drain(LONG), answers);
    assert!(drained);
    while let Some(client) = clients.join_next().await {
        assert_eq!(client.expect("a client"), (201, true));
    }
    drop(idle);
}

#[tokio::test]
async fn draining_has_an_end() {
    let held: Arc<Mutex<Vec<Delivery>>> = Arc::default();
    let kept = Arc::clone(&held);
    let (tx, mut asked) = mpsc::channel(1);
    let (front, _kept) = with_flow(FrontLimits::default(), move |delivery| {
        lock(&kept).push(delivery);
        tx.try_send(()).expect("one request");
    })
    .await;
    let mut client = Client::new(front.address()).await;
    client.send(&(head_of(ORDER.len()) + ORDER)).await;
    asked.recv().await.expect("the flow runs");
    assert!(!front.drain(SHORT).await, "the flow never answers");
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn one_connection_asks_ten_thousand_times() {
    let server = echoing(FrontLimits::default()).await;
    let mut client = Client::new(server.front.address()).await;
    let mut ids = std::collections::HashSet::new();
    for _ in 0..10_000 {
        let seen = client.ask(CREATE, "", ORDER).await;
        assert_eq!(seen.status, 201);
        ids.insert(
            seen.header("x-request-id")
                .expect("each has one")
                .to_owned(),
        );
    }
    assert_eq!(ids.len(), 10_000);
    assert!(client.stream.shutdown().await.is_ok() && client.is_closed().await);
    assert!(server.front.drain(LONG).await, "no connection is left");
}

#[tokio::test]
async fn an_address_that_is_taken_is_told() {
    let server = echoing(FrontLimits::default()).await;
    let address = server.front.address().to_string();
    let fault = Front::bind(&address, FrontLimits::default(), &server.cx)
        .err()
        .expect("taken");
    assert!(
        fault
            .public()
            .starts_with(&format!("cannot listen on `{address}`: ")),
        "{fault}"
    );
    assert!(Front::bind("nonsense", FrontLimits::default(), &server.cx).is_err());
}
