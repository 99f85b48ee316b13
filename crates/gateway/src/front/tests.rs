use crate::limits::FrontLimits;
use crate::testing::{Client, echoing};

const CREATE: &str = "POST /shop/v1/orders";

#[tokio::test]
async fn a_request_reaches_its_flow_and_is_answered() {
    let server = echoing(FrontLimits::default()).await;
    let mut client = Client::new(server.front.address()).await;
    let fields = "X-Request-Id: abc-1\r\nAuthorization: Basic x\r\nX-A: 1\r\nX-A: 2\r\n";
    let seen = client.ask(CREATE, fields, r#"{"id":"A","qty":2}"#).await;
    assert_eq!(seen.status, 201);
    assert_eq!(seen.header("x-request-id"), Some("abc-1"));
    assert_eq!(seen.header("content-type"), Some("application/json"));
    expect_test::expect![[r#"{"payload":{"id":"A","qty":2},"params":{},"meta":{"request":"abc-1","method":"POST","path":"/shop/v1/orders","headers":{"host":"a","content-type":"application/json","content-length":"18","x-request-id":"abc-1","x-a":"1, 2"}}}"#]].assert_eq(&seen.body);
}
