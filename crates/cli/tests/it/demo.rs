//! The main job, smaller.

use crate::binary::run;

#[test]
fn the_demo_balances() {
    let temporary = tempfile::tempdir().expect("a temporary folder");
    let args = ["demo", "--orders", "600", "--rows", "20000", "-o", "json"];
    let ran = run(temporary.path(), &args);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let told: serde_json::Value = serde_json::from_str(&ran.out).expect("one JSON document");
    assert_eq!(told["balanced"], true, "{told}");
    assert_eq!(told["orders"]["booked"], 599, "{told}");
    assert_eq!(told["orders"]["refused"], 1, "{told}");
    assert_eq!(told["repaired"], true, "{told}");
    let files = &told["flows"]["order-files"];
    assert_eq!(
        files["in"], 20_001,
        "the file, and one that was sent again: {told}"
    );
    assert_eq!(files["dead_lettered"], told["rows"]["broken"], "{told}");
    assert_eq!(told["table"]["file"], files["delivered"], "{told}");
    let keys = told["erp"]["keys"].as_u64();
    assert_eq!(
        keys,
        told["table"]["booked"].as_u64(),
        "booked once each: {told}"
    );
    assert!(
        told["peak_rss_mib"].as_f64().is_some_and(|mib| 1.0 < mib),
        "{told}"
    );
}
