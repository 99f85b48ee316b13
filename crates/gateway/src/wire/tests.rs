use http::StatusCode;

use crate::limits::FrontLimits;
use crate::testing::{Client, echoing};
use crate::wire::{Chunks, Framing, HeadSearch, Progress, check_head};

const GOOD: &str = "POST /a?b=c HTTP/1.1\r\nHost: a:80\r\nContent-Length: 3\r\n\r\n";

fn status(head: &str) -> Option<StatusCode> {
    let limits = FrontLimits::default();
    let found = HeadSearch::default().find(head.as_bytes(), &limits);
    let checked = found.and_then(|length| {
        let length = length.expect("the head is whole");
        check_head(&head.as_bytes()[..length], &limits)
    });
    checked.err().map(|refusal| refusal.status)
}

#[test]
fn a_head_says_how_its_body_ends() {
    let framing = |head: &str| check_head(head.as_bytes(), &FrontLimits::default());
    assert_eq!(framing(GOOD), Ok(Framing::Length(3)));
    assert_eq!(
        framing("GET / HTTP/1.1\r\nhost: a\r\n\r\n"),
        Ok(Framing::Length(0))
    );
    assert_eq!(framing("GET / HTTP/1.0\r\n\r\n"), Ok(Framing::Length(0)));
    let chunked = "PUT / HTTP/1.1\r\nHOST:a\r\nTransfer-Encoding: \tChunked \r\n\r\n";
    assert_eq!(framing(chunked), Ok(Framing::Chunked));
}

#[test]
fn a_head_is_found_however_it_arrives() {
    let limits = FrontLimits::default();
    let mut search = HeadSearch::default();
    for length in 1..GOOD.len() {
        assert_eq!(
            search.find(&GOOD.as_bytes()[..length], &limits),
            Ok(None),
            "{length}"
        );
    }
    assert_eq!(search.find(GOOD.as_bytes(), &limits), Ok(Some(GOOD.len())));
}

#[test]
fn limits_of_a_head() {
    let limits = FrontLimits {
        head_bytes: GOOD.len(),
        header_fields: 2,
        ..FrontLimits::default()
    };
    let find = |head: &str| HeadSearch::default().find(head.as_bytes(), &limits);
    assert_eq!(find(GOOD), Ok(Some(GOOD.len())));
    let longer = GOOD.replace("/a", "/aa");
    let too_large = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    assert_eq!(
        find(&longer).map_err(|refusal| refusal.status),
        Err(too_large)
    );
    let endless = "a".repeat(GOOD.len() + 1);
    assert_eq!(
        find(&endless).map_err(|refusal| refusal.status),
        Err(too_large)
    );
    assert!(check_head(GOOD.as_bytes(), &limits).is_ok());
    let more = GOOD.replace("Host", "A: b\r\nHost");
    let refused = check_head(more.as_bytes(), &limits).expect_err("three fields");
    assert_eq!(refused.status, too_large);
}

#[test]
fn http_of_another_version_is_refused() {
    let version = StatusCode::HTTP_VERSION_NOT_SUPPORTED;
    for other in ["HTTP/2.0", "HTTP/1.2", "http/1.1", "HTTP/1.1x"] {
        assert_eq!(
            status(&GOOD.replace("HTTP/1.1", other)),
            Some(version),
            "{other}"
        );
    }
}

/// Feeds a body in pieces of every size; returns what the coding says of it.
fn chunked(body: &str) -> Result<Option<usize>, &'static str> {
    let mut results = Vec::new();
    for size in 1..=body.len() {
        let mut chunks = Chunks::new();
        let mut at = 0;
        let mut result = Ok(None);
        for piece in body.as_bytes().chunks(size) {
            match chunks.take(piece) {
                Ok(Progress::More) => at += piece.len(),
                Ok(Progress::End(length)) => {
                    result = Ok(Some(at + length));
                    break;
                }
                Err(refusal) => {
                    result = Err(refusal.detail);
                    break;
                }
            }
        }
        results.push(result);
    }
    assert!(
        results.windows(2).all(|pair| pair[0] == pair[1]),
        "{body:?}: {results:?}"
    );
    results[0]
}

#[test]
fn a_chunked_body_ends_where_it_should() {
    for (body, end) in [
        ("0\r\n\r\nGET", Some(5)),
        ("3\r\nabc\r\n0\r\n\r\nGET / HTTP/1.1\r\n", Some(13)),
        (
            "A;x=\"y\"\r\n0123456789\r\n000\r\nTrailer: a\r\n\r\n",
            Some(40),
        ),
        ("3\r\nabc\r\n", None),
        ("0\r\n", None),
    ] {
        assert_eq!(chunked(body), Ok(end), "{body:?}");
    }
    for body in [
        "\r\n\r\n",
        ";a\r\n\r\n",
        "x\r\n",
        " 3\r\nabc\r\n",
        "3 \r\nabc\r\n",
        "+3\r\nabc\r\n",
        "0x3\r\nabc\r\n",
        "3\nabc\r\n0\r\n\r\n",
        "3\r\nabc\n0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "3;a\nb\r\nabc\r\n",
        "3\r\r\nabc\r\n",
        "0\r\n\n",
        "0\r\na: b\nc: d\r\n\r\n",
        "1234567890123456\r\n",
    ] {
        assert!(chunked(body).is_err(), "{body:?}");
    }
    let endless = format!("3;{}", "a".repeat(8 * 1024));
    assert!(Chunks::new().take(endless.as_bytes()).is_ok());
    assert!(
        Chunks::new()
            .take(format!("{endless}a").as_bytes())
            .is_err()
    );
}

/// Requests that two servers may read differently, each whole but for what is wrong with it.
/// What stands in angle brackets is filled in by [`filled`].
const MALFORMED: &[&str] = &[
    // What ends the body.
    "<POST><CL>: 3\r\n<TE>: chunked\r\n\r\n0\r\n\r\n",
    "<POST><TE>: chunked\r\n<CL>: 3\r\n\r\n0\r\n\r\n",
    "<POST><CL>: 0\r\n<CL>: 0\r\n\r\n",
    "<POST><CL>: 0\r\n<CL>: 44\r\n\r\n",
    "<POST><CL>: 0, 0\r\n\r\n",
    "<POST><CL>: +0\r\n\r\n",
    "<POST><CL>: -0\r\n\r\n",
    "<POST><CL>: 0x0\r\n\r\n",
    "<POST><CL>:\r\n\r\n",
    "<POST><CL>: 99999999999999999999\r\n\r\n",
    "<POST><TE>: identity\r\n\r\n",
    "<POST><TE>: identity, chunked\r\n\r\n0\r\n\r\n",
    "<POST><TE>: chunked, chunked\r\n\r\n0\r\n\r\n",
    "<POST><TE>: xchunked\r\n\r\n0\r\n\r\n",
    "<POST><TE>: \"chunked\"\r\n\r\n0\r\n\r\n",
    "<POST><TE>: chunked\r\n<TE>: chunked\r\n\r\n0\r\n\r\n",
    "POST /shop/v1/orders HTTP/1.0\r\nHost: a\r\n<TE>: chunked\r\n\r\n0\r\n\r\n",
    // Names and lines.
    "<POST><TE> : chunked\r\n\r\n0\r\n\r\n",
    "<POST> <TE>: chunked\r\n\r\n0\r\n\r\n",
    "<POST>A: b\r\n c\r\n\r\n",
    "<POST>A: b\n<TE>: chunked\r\n\r\n0\r\n\r\n",
    "POST /shop/v1/orders HTTP/1.1\nHost: a\n\n",
    "<POST>A: b\rc\r\n\r\n",
    "<POST>A: b\0c\r\n\r\n",
    "<POST>A: b\x7fc\r\n\r\n",
    "<POST>no colon\r\n\r\n",
    "<POST>: b\r\n\r\n",
    "<POST>A\0: b\r\n\r\n",
    "\r\nGET /shop/v1/orders/1 HTTP/1.1\r\nHost: a\r\n\r\n",
    // Hosts.
    "GET /shop/v1/orders/1 HTTP/1.1\r\n\r\n",
    "GET /shop/v1/orders/1 HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    "GET /shop/v1/orders/1 HTTP/1.1\r\nHost:\r\n\r\n",
    "GET /shop/v1/orders/1 HTTP/1.1\r\nHost: a, b\r\n\r\n",
    "GET /shop/v1/orders/1 HTTP/1.1\r\nHost: a/b\r\n\r\n",
    // Request lines and targets.
    "GET  /shop/v1/orders/1 HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /shop/v1/orders/1\tHTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /shop/v1/orders/1 HTTP/1.1 \r\nHost: a\r\n\r\n",
    "GET /shop/v1/orders/1\r\nHost: a\r\n\r\n",
    "G\u{e9}T /shop/v1/orders/1 HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET http://a/shop/v1/orders/1 HTTP/1.1\r\nHost: a\r\n\r\n",
    "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /shop/v1/orders/1#x HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /shop\\v1\\orders\\1 HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /shop/v1/orders/\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n",
    // Chunks.
    "<CHUNKED>x\r\n",
    "<CHUNKED>2\r\n{}0\r\n\r\n",
    "<CHUNKED>2;a\nb\r\n{}\r\n0\r\n\r\n",
    "<CHUNKED>2\n{}\r\n0\r\n\r\n",
];

fn filled(text: &str) -> String {
    let post = "POST /shop/v1/orders HTTP/1.1\r\nHost: a\r\n";
    let json = "Content-Type: application/json\r\n<TE>: chunked\r\n\r\n";
    text.replace("<CHUNKED>", &format!("{post}{json}"))
        .replace("<POST>", post)
        .replace("<TE>", "Transfer-Encoding")
        .replace("<CL>", "Content-Length")
}

#[tokio::test]
async fn what_can_be_read_in_two_ways_is_refused_and_nothing_behind_it_is_served() {
    let server = echoing(FrontLimits::default()).await;
    let behind = "GET /shop/v1/orders/7 HTTP/1.1\r\nHost: a\r\n\r\n";
    for malformed in MALFORMED {
        let malformed = filled(malformed);
        let mut client = Client::new(server.front.address()).await;
        client.send(&format!("{malformed}{behind}")).await;
        let seen = client
            .answer(false)
            .await
            .unwrap_or_else(|| panic!("{malformed:?}: no answer"));
        assert_eq!(seen.status, 400, "{malformed:?}: {seen:?}");
        assert_eq!(seen.header("connection"), Some("close"), "{malformed:?}");
        assert_eq!(
            seen.header("content-type"),
            Some("application/problem+json")
        );
        assert!(
            client.is_closed().await,
            "{malformed:?}: something more was answered"
        );
    }
}

#[tokio::test]
async fn a_good_request_before_a_bad_one_is_answered() {
    let server = echoing(FrontLimits::default()).await;
    let mut client = Client::new(server.front.address()).await;
    let good = "GET /shop/v1/orders/7 HTTP/1.1\r\nHost: a\r\n\r\n";
    client
        .send(&format!("{good}{good}GET / HTTP/1.1\r\n\r\n{good}"))
        .await;
    for status in [200, 200, 400] {
        assert_eq!(
            client.answer(false).await.map(|seen| seen.status),
            Some(status)
        );
    }
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn paths_that_can_be_read_in_two_ways_are_refused() {
    let server = echoing(FrontLimits::default()).await;
    let mut client = Client::new(server.front.address()).await;
    for path in [
        "//shop/v1/orders/1",
        "/shop//v1/orders/1",
        "/shop/v1/../v1/orders/1",
        "/shop/v1/./orders/1",
        "/shop/v1/%2e%2E/v1/orders/1",
        "/shop/v1/orders%2f1",
        "/shop/v1/orders%5C1",
        "/shop/v1/orders/%00",
        "/shop/v1/orders/%0a",
        "/shop/v1/orders/%",
        "/shop/v1/orders/%4",
        "/shop/v1/orders/%zz",
        "/shop/v1/orders/%ff",
    ] {
        let seen = client.ask(&format!("GET {path}"), "", "").await;
        assert_eq!(seen.status, 400, "{path}: {seen:?}");
    }
    let good = client.ask("GET /shop/v1/%6frders/%31", "", "").await;
    assert_eq!(
        good.status, 200,
        "an encoded letter is that letter: {good:?}"
    );
}
