//! Measures how fast formats are read and written, as MB a second and as ratios to `serde_json`.
//!
//! `cargo run --release -p sluice-formats --example speed -- DOCUMENT.json ROWS.csv`

use std::hint::black_box;
use std::time::{Duration, Instant};

use sluice_model::json::{self, Limits};
use sluice_model::projection::Projection;
use sluice_model::value::{Name, Value};

/// Runs `work` for about a second, in rounds of which the fastest counts, and returns MB/s.
#[expect(
    clippy::disallowed_methods,
    reason = "a measurement looks at the real clock"
)]
fn measure(bytes: usize, mut work: impl FnMut()) -> f64 {
    let mut best = Duration::MAX;
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(1) {
        let round = Instant::now();
        work();
        best = best.min(round.elapsed());
    }
    bytes as f64 / best.as_secs_f64() / 1e6
}

fn show(what: &str, speed: f64, reference: f64) {
    println!(
        "{what:44} {speed:7.0} MB/s  {:5.2} x serde_json",
        speed / reference
    );
}

/// The fields of every second one, nested: what a mapping might read of a document.
fn half(value: &Value<'_>) -> Projection {
    match value {
        Value::Record(record) => Projection::Fields(
            record
                .iter()
                .step_by(2)
                .map(|(key, value)| (Name::new(key.as_str()), half(value)))
                .collect(),
        ),
        Value::List(items) => items.first().map_or(Projection::All, half),
        _ => Projection::All,
    }
}

fn measure_json(bytes: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
    let limits = Limits::default();
    let rounds = 1 + 1_000_000 / bytes.len();
    let total = bytes.len() * rounds;
    let whole = json::read(bytes, &Projection::All, &limits)?;
    let half = half(&whole);
    let reference = measure(total, || {
        for _ in 0..rounds {
            let value: serde_json::Value =
                serde_json::from_slice(black_box(bytes)).expect("it was read before");
            black_box(value);
        }
    });
    show("serde_json::Value", reference, reference);
    let each = |projection: &Projection, what: &str| {
        let speed = measure(total, || {
            for _ in 0..rounds {
                black_box(json::read(black_box(bytes), projection, &limits)).expect("read before");
            }
        });
        show(what, speed, reference);
    };
    each(&Projection::All, "json::read, all");
    each(&half, "json::read, every second field");
    each(&Projection::nothing(), "json::read, nothing (validated)");
    let speed = measure(total, || {
        for _ in 0..rounds {
            let value = json::read_owned(black_box(bytes), &Projection::All, &limits);
            black_box(value).expect("read before");
        }
    });
    show("json::read_owned, all", speed, reference);
    let mut out = Vec::new();
    let theirs: serde_json::Value = serde_json::from_slice(bytes)?;
    let speed = measure(total, || {
        for _ in 0..rounds {
            out.clear();
            json::write(black_box(&whole), &mut out);
        }
    });
    let written = measure(total, || {
        for _ in 0..rounds {
            black_box(serde_json::to_vec(black_box(&theirs))).expect("writing to memory");
        }
    });
    show("json::write", speed, written);
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    if let Some(document) = arguments.next() {
        measure_json(&std::fs::read(document)?)?;
    }
    Ok(())
}
