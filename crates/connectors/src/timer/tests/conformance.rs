//! The conformance suite of sources.

use sluice_model::batch::{Message, Origin};
use sluice_sdk::connection::DynSource;
use sluice_sdk::registry::Registry;
use sluice_testkit::conformance::{self, SourceHarness};

use crate::tests::NoCheck;

/// Makes a source of its fields in `from`.
pub(super) fn source(fields: serde_json::Value) -> Result<Box<dyn DynSource>, String> {
    let mut registry = Registry::default();
    crate::register(&mut registry);
    let mut fields = <dyn erased_serde::Deserializer<'_>>::erase(fields);
    let source = registry.sources()["cron"].make(&mut fields, &mut NoCheck);
    source.map_err(|error| format!("{error:?}"))
}

/// The suite wants forty messages, then silence for at least ten and at most twenty minutes.
const FORTY: &str = "1-38,40,42 * * * *";

fn number(message: &Message) -> usize {
    let Origin::Tick(at) = message.origin else {
        panic!("a tick");
    };
    // The suite's clock begins at 2026-01-01T00:00:00Z.
    let minutes = (at.millis() - 1_767_225_600_000) / 60_000;
    let of_hour = match minutes % 60 {
        40 => 38,
        42 => 39,
        minute => minute - 1,
    };
    usize::try_from(minutes / 60 * 40 + of_hour).expect("the clock goes on")
}

#[tokio::test(start_paused = true)]
async fn a_timer_does_what_it_promises() {
    for missed in ["skip", "once", "all"] {
        let (cx, _owner, log) = sluice_testkit::cx(0);
        let fields = serde_json::json!({ "cron": FORTY, "missed": missed });
        let harness = SourceHarness {
            source: source(fields).expect("a source"),
            produce: Box::new(|_| {}),
            number,
            messages: 40,
        };
        conformance::source(harness, &cx).await;
        assert!(log.lines().is_empty(), "{:?}", log.lines());
    }
}
