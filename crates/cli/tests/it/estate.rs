//! A large estate: a thousand flows in one project.

use std::path::Path;
use std::time::Instant;

use sluice_compiler::compile::{Options, compile};
use sluice_compiler::project::ProjectFiles;

use crate::support::{registry, serious, shown};

const FLOWS: usize = 1_000;

/// Returns the project of the lowering tests with many small flows, each with a mapping of its own
/// and a test.
fn estate() -> ProjectFiles {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/lowering/base");
    let mut project = ProjectFiles::load(&base).expect("the project of the lowering tests");
    // One operation cannot be served a thousand times: the flows are run by others.
    project.files.remove("apis/orders.yaml");
    for number in 0..FLOWS {
        let mut add = |path: String, text: String| {
            project.files.insert(path.into(), text.into_bytes().into());
        };
        add(
            format!("flows/order-{number}.yaml"),
            format!(
                "flow: order-{number}\n\
                 summary: Books an order and stores it.\n\
                 owner: commerce\n\
                 from: {{ caller: contracts/types.schema.json#Order, returns: \
                 contracts/types.schema.json#Score }}\n\
                 keys: {{ order: id }}\n\
                 steps:\n\
                 \x20 - filter: total > 0\n\
                 \x20 - let: {{ limit: $config.large, first: 'lines[0].sku' }}\n\
                 \x20 - id: booked\n\
                 \x20   call: erp#book\n\
                 \x20   when: total > $limit\n\
                 \x20   map: to-booking-{number}\n\
                 \x20   idempotency_key: id\n\
                 \x20 - choose:\n\
                 \x20     - when: $exists(coupon)\n\
                 \x20       steps: [{{ log: \"order {{id}} has {{coupon}}\" }}]\n\
                 \x20     - otherwise: [{{ log: \"order {{id}} has none\" }}]\n\
                 \x20 - write: shop#orders\n\
                 \x20   with: {{ id: id, total: total, note: $steps.booked.number }}\n\
                 \x20   mode: upsert\n\
                 \x20 - reply: {{ points: $length(id) }}\n"
            ),
        );
        add(
            format!("mappings/to-booking-{number}.jsonata"),
            "/** Order to booking.\n * @from contracts/types.schema.json#Order\n * @to \
             contracts/erp.openapi.yaml#Booking\n */\n\
             { \"reference\": $uppercase(id), \"amount\": total }\n"
                .to_owned(),
        );
        add(
            format!("tests/order-{number}.yaml"),
            format!(
                "test: order {number} is booked\nflow: order-{number}\n\
                 given:\n  erp#book: {{ returns: {{ number: A-1 }} }}\n\
                 expect:\n  including:\n    - shop#orders: {{}}\n"
            ),
        );
    }
    for environment in ["dev", "prod"] {
        let text = format!("environment: {environment}\nvalues: {{ large: 100 }}\n");
        let path = format!("environments/{environment}.yaml");
        project.files.insert(path.into(), text.into_bytes().into());
    }
    project
}

#[test]
#[expect(clippy::disallowed_methods, reason = "what is measured is true time")]
fn a_thousand_flows_are_clean() {
    let project = estate();
    let registry = registry();
    let begin = Instant::now();
    let compiled = compile(&project, &registry, &Options::default());
    let took = begin.elapsed();
    let files = project.files.len();
    println!("{FLOWS} flows in {files} files, two environments: {took:?}");
    let found = shown(serious(&compiled), &compiled.sources);
    assert!(found.is_empty(), "{found}");
    let release = compiled.release.expect("a release");
    assert_eq!(release.flows.len(), FLOWS);
    assert_eq!(compiled.tests.len(), FLOWS);
}
