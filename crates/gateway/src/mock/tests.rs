use crate::mock::{MockOptions, serve};
use crate::testing::{Client, ORDERS, contract, cx};

#[tokio::test]
async fn a_key_is_done_once() {
    let (cx, _owner) = cx();
    let options = MockOptions::default();
    let mock = serve(contract(ORDERS), &options, &cx).expect("a free port");
    let mut client = Client::new(mock.address()).await;
    let body = r#"{"id":"A","qty":2}"#;
    let first = client
        .ask("POST /orders", "Idempotency-Key: k\r\n", body)
        .await;
    assert_eq!(first.status, 201, "{}", first.body);
    assert!(
        first.body.starts_with(r#"{"id":"A","number":"SO-"#),
        "{}",
        first.body
    );
    let again = client
        .ask("POST /orders", "Idempotency-Key: k\r\n", body)
        .await;
    assert_eq!(again.body, first.body);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
}
