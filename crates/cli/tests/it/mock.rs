//! `sluice mock`: a server that a contract describes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Command;

use expect_test::{expect, expect_file};

use crate::binary::{finish, run, start};

const CONTRACT: &str = r#"openapi: 3.1.0
info: { title: Stock, version: "1" }
paths:
  /items/{sku}:
    get:
      operationId: getItem
      summary: Shows an item.
      parameters: [{ name: sku, in: path, required: true, schema: { type: string } }]
      responses:
        "200":
          description: The item.
          content:
            application/json:
              schema: { $ref: "types.yaml#/Item" }
"#;
const TYPES: &str = "Item:
  type: object
  required: [sku, count]
  properties:
    sku: { type: string }
    count: { type: integer, examples: [7] }
";

#[test]
fn help() {
    let ran = run(&std::env::temp_dir(), &["mock", "--help"]);
    expect_file!["golden/help-mock.txt"].assert_eq(&ran.out);
}

/// It says where it serves, answers as the contract says, and ends well when it is told to.
#[test]
fn it_serves_until_it_is_stopped() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("stock.openapi.yaml"), CONTRACT).unwrap();
    std::fs::write(folder.path().join("types.yaml"), TYPES).unwrap();
    let mut child = start(folder.path(), &["mock", "stock.openapi.yaml", "-o", "json"]);
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
    let address = ready["address"]
        .as_str()
        .unwrap()
        .strip_prefix("http://")
        .unwrap()
        .to_owned();
    expect![[r#"
        {"event":"ready","address":"http://ADDRESS","seed":0,"operations":[{"operation":"getItem","method":"GET","path":"/items/{sku}"}]}
    "#]]
    .assert_eq(&line.replace(&address, "ADDRESS"));
    let mut stream = TcpStream::connect(&address).unwrap();
    let request =
        format!("GET /items/A-1 HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.ends_with(r#"{"sku":"A-1","count":7}"#), "{answer}");
    let kill = format!("kill -TERM {}", child.id());
    let stopped = Command::new("sh").args(["-c", &kill]).status().unwrap();
    assert!(stopped.success());
    let ran = finish(child);
    expect![[r#"
        --- 0
        stopped: 1 request, 0 refused, 0 changes done, 0 answered from memory
    "#]]
    .assert_eq(&ran.shown(folder.path()));
}

#[test]
fn what_cannot_be_mocked_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("shop.sql", "CREATE TABLE items (id TEXT PRIMARY KEY);\n");
    write("none.openapi.yaml", "openapi: 3.1.0\npaths: {}\n");
    write("stock.openapi.yaml", CONTRACT);
    let mut all = String::new();
    for name in [
        "missing.yaml",
        "shop.sql",
        "none.openapi.yaml",
        "stock.openapi.yaml",
    ] {
        all += &run(folder.path(), &["mock", name]).shown(folder.path());
    }
    expect_file!["golden/mock-refused.txt"].assert_eq(&all);
    write("types.yaml", TYPES);
    let args = ["mock", "stock.openapi.yaml", "--listen", "127.0.0.1:99999"];
    assert_eq!(run(folder.path(), &args).code, 2);
}
