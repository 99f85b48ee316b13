use std::sync::Arc;

use crate::route::{BadTemplate, Found, Path, Routes, param_names};

fn routes(of: &[(&str, &str, &str)]) -> Routes<String> {
    let mut routes = Routes::default();
    for (method, base, template) in of {
        let leaf = Arc::new(format!("{method} {base}{template}"));
        routes
            .add(base, template, &Arc::from(*method), leaf)
            .expect("a good template");
    }
    routes
}

fn find(routes: &Routes<String>, method: &str, path: &str) -> String {
    let path = Path::read(path).expect("a good path");
    match routes.find(method, &path) {
        Found::Route(leaf, params) if params.is_empty() => leaf.to_string(),
        Found::Route(leaf, params) => format!("{leaf} {params:?}"),
        Found::Nothing => "404".to_owned(),
        Found::OtherMethods(allow) => format!("405 {}", allow.to_str().expect("ASCII")),
    }
}

const SHOP: &[(&str, &str, &str)] = &[
    ("GET", "/", "/"),
    ("GET", "/shop/v1", "/orders"),
    ("POST", "/shop/v1/", "/orders"),
    ("GET", "/shop/v1", "/orders/{id}"),
    ("DELETE", "/shop/v1", "/orders/{id}"),
    ("GET", "/shop/v1", "/orders/latest"),
    ("GET", "/shop/v1", "/orders/{id}/lines/{line}"),
    ("GET", "/shop/v1", "/orders/latest/total"),
    ("GET", "/shop/v1", "/files/{name}"),
    ("GET", "/shop/v1", "/files/{name}.json"),
    ("GET", "/shop/v1", "/files/v{name}.json"),
];

#[test]
fn the_most_fixed_route_wins() {
    let routes = routes(SHOP);
    let check = |method: &str, path: &str, expected: &str| {
        assert_eq!(find(&routes, method, path), expected, "{method} {path}");
    };
    check("GET", "/", "GET //");
    check("GET", "/shop/v1/orders", "GET /shop/v1/orders");
    check("HEAD", "/shop/v1/orders", "GET /shop/v1/orders");
    check("POST", "/shop/v1/orders", "POST /shop/v1//orders");
    check("PUT", "/shop/v1/orders", "405 GET, HEAD, OPTIONS, POST");
    check("OPTIONS", "/shop/v1/orders", "405 GET, HEAD, OPTIONS, POST");
    check(
        "GET",
        "/shop/v1/orders/7",
        r#"GET /shop/v1/orders/{id} ["7"]"#,
    );
    check(
        "GET",
        "/shop/v1/orders/a%20b",
        r#"GET /shop/v1/orders/{id} ["a b"]"#,
    );
    check(
        "GET",
        "/shop/v1/orders/latest",
        "GET /shop/v1/orders/latest",
    );
    // The fixed segment has no such method: the parameter has.
    check(
        "DELETE",
        "/shop/v1/orders/latest",
        r#"DELETE /shop/v1/orders/{id} ["latest"]"#,
    );
    check(
        "PUT",
        "/shop/v1/orders/latest",
        "405 DELETE, GET, HEAD, OPTIONS",
    );
    let lines = r#"GET /shop/v1/orders/{id}/lines/{line} ["latest", "2"]"#;
    check("GET", "/shop/v1/orders/latest/lines/2", lines);
    check(
        "GET",
        "/shop/v1/orders/latest/total",
        "GET /shop/v1/orders/latest/total",
    );
    check(
        "GET",
        "/shop/v1/files/a",
        r#"GET /shop/v1/files/{name} ["a"]"#,
    );
    check(
        "GET",
        "/shop/v1/files/a.json",
        r#"GET /shop/v1/files/{name}.json ["a"]"#,
    );
    check(
        "GET",
        "/shop/v1/files/v2.json",
        r#"GET /shop/v1/files/v{name}.json ["2"]"#,
    );
    for nothing in [
        "/shop",
        "/shop/v1",
        "/shop/v1/orders/",
        "/shop/v1/Orders",
        "/shop/v1/orders/1/2",
        "/shop/v1/orders/1/lines",
        "/x",
    ] {
        check("GET", nothing, "404");
    }
}

#[test]
fn templates_that_cannot_be_routed() {
    let mut routes = Routes::default();
    let mut add = |template: &str| routes.add("/", template, &Arc::from("GET"), Arc::new(()));
    let two = Err(BadTemplate(
        "a segment of the path has more than one parameter",
    ));
    assert_eq!(add("/{a}-{b}"), two);
    assert_eq!(add("/{a"), two);
    assert!(add(&"/a".repeat(100)).is_err());
    assert_eq!(add("/{a}/{b}"), Ok(()));
    assert_eq!(param_names("/t/{t}", "/{a}/x/{b}.json"), ["t", "a", "b"]);
}

#[test]
fn a_path_has_a_limit() {
    assert!(Path::read(&"/a".repeat(64)).is_ok());
    assert!(Path::read(&"/a".repeat(65)).is_err());
}
