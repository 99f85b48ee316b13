//! A process that is killed in the middle of a file, and started again: no row is lost, none is
//! written twice.

use std::fmt::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rusqlite::{Connection, OpenFlags};

/// The rows of the file, and every how many one is broken.
const ROWS: usize = 60_000;
const BROKEN_EVERY: usize = 1_000;

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder of the example") {
        let entry = entry.expect("an entry of the example");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a file of the example");
        }
    }
}

fn rows() -> String {
    let head = "order_no;customer;sku;qty;unit_price;currency;placed_on;note\n";
    (0..ROWS).fold(head.to_owned(), |mut text, number| {
        let qty = match number {
            number if number % BROKEN_EVERY == 500 => "many",
            number if number % 200 == 7 => "100",
            _ => "3",
        };
        let price = if number % 200 == 7 { "99.5" } else { "4.2" };
        let day = number % 28 + 1;
        let _ = writeln!(
            text,
            "ORD-{number:09};C-1;sku-1;{qty};{price};EUR;2026-10-{day:02};"
        );
        text
    })
}

fn serve(folder: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_sluice"))
        .args(["run", "--listen", "127.0.0.1:0"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the project starts")
}

/// Asks the shop's own table; nothing while there is none.
fn count(folder: &Path, what: &str) -> i64 {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let file = folder.join("data/shop.db");
    let Ok(connection) = Connection::open_with_flags(file, flags) else {
        return 0;
    };
    let sql = format!("SELECT count({what}) FROM orders");
    connection
        .query_row(&sql, [], |row| row.get(0))
        .unwrap_or(0)
}

/// Waits, without a clock, until something holds; the process that works is asked whether it lives.
fn wait(child: &mut Child, mut holds: impl FnMut() -> bool) {
    while !holds() {
        let ended = child.try_wait().expect("the process can be asked");
        assert!(ended.is_none(), "the process ended by itself: {ended:?}");
        std::thread::yield_now();
    }
}

#[test]
fn a_killed_file_flow_loses_no_row_and_writes_none_twice() {
    let temporary = tempfile::tempdir().expect("a temporary folder");
    let folder = temporary.path();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/orders");
    copy(&example, folder);
    let inbox = folder.join("data/inbox/orders");
    std::fs::create_dir_all(&inbox).expect("the inbox");
    std::fs::write(inbox.join("big.csv"), rows()).expect("the partner's file");
    for share in 1..=3 {
        let mut child = serve(folder);
        let wanted = (ROWS * share / 5) as i64;
        wait(&mut child, || wanted <= count(folder, "*"));
        child.kill().expect("the process is killed");
        child.wait().expect("the process ends");
    }
    let mut child = serve(folder);
    let done = inbox.join("done/big.csv");
    wait(&mut child, || done.exists());
    let counts = || {
        let out = crate::binary::run(folder, &["runs", "counts", "-o", "json"]).out;
        serde_json::from_str::<serde_json::Value>(&out).unwrap_or_default()
    };
    child.kill().expect("the process is killed");
    child.wait().expect("the process ends");
    let good = (ROWS - ROWS / BROKEN_EVERY) as i64;
    assert_eq!(count(folder, "*"), good, "rows of the table");
    assert_eq!(count(folder, "DISTINCT id"), good, "keys of the table");
    assert_eq!(
        count(folder, "erp_number"),
        (ROWS / 200) as i64,
        "orders that the ERP booked"
    );
    let counts = counts();
    let text = counts.to_string();
    let flow = counts["flows"]
        .as_array()
        .and_then(|flows| flows.iter().find(|flow| flow["flow"] == "order-files"))
        .unwrap_or_else(|| panic!("the flow is counted: {text}"));
    assert_eq!(flow["received"], ROWS, "{text}");
    assert_eq!(flow["delivered"], good, "{text}");
    assert_eq!(flow["dead_lettered"], ROWS / BROKEN_EVERY, "{text}");
    assert_eq!(flow["balanced"], true, "{text}");
}
