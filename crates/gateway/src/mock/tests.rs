use std::sync::Arc;
use std::time::Duration;

use crate::mock::{KEYS_MAX, Keys, MockOptions, MockServer, Seen, Stats, Stored, serve};
use crate::testing::{Client, ORDERS, contract, cx};

const ORDER: &str = r#"{"id":"A","qty":2}"#;

fn mock(seed: u64) -> (MockServer, impl Sized) {
    let (cx, owner) = cx();
    let options = MockOptions {
        seed,
        ..MockOptions::default()
    };
    let mock = serve(contract(ORDERS), &options, &cx).expect("a free port");
    (mock, owner)
}

#[tokio::test]
async fn a_key_is_done_once() {
    let (mock, _owner) = mock(0);
    let mut client = Client::new(mock.address()).await;
    let key = "Idempotency-Key: k\r\n";
    let first = client.ask("POST /orders", key, ORDER).await;
    assert_eq!(first.status, 201, "{}", first.body);
    assert!(
        first.body.starts_with(r#"{"id":"A","number":"SO-"#),
        "{}",
        first.body
    );
    assert_eq!(first.header("idempotency-replayed"), None);
    let again = client.ask("POST /orders", key, ORDER).await;
    assert_eq!((again.status, &again.body), (201, &first.body));
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    let other = client
        .ask("POST /orders", key, r#"{"id":"B","qty":2}"#)
        .await;
    assert_eq!(other.status, 422);
    assert!(
        other.body.contains("was used for another request"),
        "{}",
        other.body
    );
    let stats = Stats {
        requests: 3,
        refused: 1,
        distinct_keys: 1,
        effects: 1,
        replayed: 1,
    };
    assert_eq!(mock.stats(), stats);
    let seen = client.ask("GET /__mock/stats", "", "").await;
    let expected = r#"{"requests":3,"refused":1,"distinct_keys":1,"effects":1,"replayed":1}"#;
    assert_eq!(seen.body, expected);
}

#[tokio::test]
async fn twins_at_the_same_time_are_done_once() {
    let (mock, _owner) = mock(0);
    let address = mock.address();
    let twins = (0..20).map(|_| async move {
        let mut client = Client::new(address).await;
        client
            .ask("POST /orders", "Idempotency-Key: k\r\n", ORDER)
            .await
            .body
    });
    let twins: tokio::task::JoinSet<String> = twins.collect();
    let bodies = twins.join_all().await;
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
    assert_eq!((mock.stats().effects, mock.stats().replayed), (1, 19));
}

#[tokio::test]
async fn answers_derive_from_seed_and_request() {
    let (one, _one) = mock(1);
    let (same, _same) = mock(1);
    let (other, _other) = mock(2);
    let ask = async |mock: &MockServer, id: &str| {
        let mut client = Client::new(mock.address()).await;
        client
            .ask("POST /orders", "", &format!(r#"{{"id":"{id}","qty":2}}"#))
            .await
            .body
    };
    let body = ask(&one, "A").await;
    assert_eq!(body, ask(&same, "A").await);
    assert_ne!(body, ask(&other, "A").await);
    let number = |body: &str| body.split("SO-").nth(1).map(str::to_owned);
    assert_ne!(number(&body), number(&ask(&one, "B").await));
    assert_eq!(
        one.stats().effects,
        2,
        "without a key each request is an effect"
    );
}

#[tokio::test]
async fn another_answer_can_be_asked_for() {
    let (mock, _owner) = mock(0);
    let mut client = Client::new(mock.address()).await;
    let fields = "Idempotency-Key: k\r\nPrefer: wait=1, code=422\r\n";
    let refused = client.ask("POST /orders", fields, ORDER).await;
    assert_eq!(refused.status, 422);
    assert!(
        refused.body.starts_with(r#"{"reason":"#),
        "{}",
        refused.body
    );
    let booked = client
        .ask("POST /orders", "Idempotency-Key: k\r\n", ORDER)
        .await;
    assert_eq!(
        (booked.status, booked.header("idempotency-replayed")),
        (201, None)
    );
    let none = client
        .ask("POST /orders", "Prefer: status=418\r\n", ORDER)
        .await;
    assert_eq!(none.status, 400, "{}", none.body);
    assert!(
        none.body.contains("the contract has no answer 418"),
        "{}",
        none.body
    );
    assert_eq!(
        client
            .ask("POST /orders", "Prefer: code=x\r\n", ORDER)
            .await
            .status,
        400
    );
    assert_eq!(mock.stats().effects, 1);
}

#[tokio::test]
async fn requests_are_checked_and_parameters_come_back() {
    let (mock, _owner) = mock(0);
    let mut client = Client::new(mock.address()).await;
    assert_eq!(
        client.ask("POST /orders", "", r#"{"id":1}"#).await.status,
        422
    );
    assert_eq!(client.ask("GET /orders/x", "", "").await.status, 400);
    assert_eq!(client.ask("PUT /orders", "", "").await.status, 405);
    let seen = client.ask("GET /orders/77", "", "").await;
    assert_eq!(seen.status, 200);
    assert!(
        seen.body.starts_with(r#"{"id":77,"number":"SO-"#),
        "{}",
        seen.body
    );
    let gone = client.ask("DELETE /orders/77", "", "").await;
    assert_eq!((gone.status, gone.body.as_str()), (204, ""));
    assert_eq!(mock.stats().effects, 1);
    let long = format!("Idempotency-Key: {}\r\n", "k".repeat(256));
    assert_eq!(client.ask("POST /orders", &long, ORDER).await.status, 400);
    assert!(client.ask("GET /orders/1", "", "").await.status == 200);
    drop(client);
    assert!(mock.drain(Duration::from_secs(60)).await);
}

#[test]
fn the_key_used_longest_ago_is_forgotten() {
    let stored = Stored {
        status: http::StatusCode::OK,
        headers: Vec::new(),
        body: bytes::Bytes::new(),
    };
    let mut keys = Keys::default();
    for key in 0..KEYS_MAX {
        keys.put(&key.to_string(), 0, stored.clone());
    }
    assert!(matches!(keys.get("0", 0), Seen::Same(_)));
    assert!(matches!(keys.get("0", 1), Seen::Other));
    keys.put("one more", 0, stored);
    assert!(
        matches!(keys.get("0", 0), Seen::Same(_)),
        "it was used since"
    );
    assert!(matches!(keys.get("1", 0), Seen::Never));
    assert!(matches!(keys.get("2", 0), Seen::Same(_)));
}

#[test]
fn a_mock_is_shared_between_threads() {
    fn check<T: Send + Sync>() {}
    check::<Arc<MockServer>>();
    check::<Arc<crate::front::Front>>();
}
