//! The project of the demo: `examples/orders`, as it stands in the repository.

use std::path::Path;

use anyhow::Context;

/// Embeds files of the example.
macro_rules! files {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../../../../examples/orders/", $path)))),*]
    };
}

const FILES: &[(&str, &str)] = files![
    "README.md",
    "sluice.yaml",
    "apis/orders.yaml",
    "connections/erp.yaml",
    "connections/inbox.yaml",
    "connections/reports.yaml",
    "connections/shop.yaml",
    "contracts/canonical.schema.json",
    "contracts/erp.openapi.yaml",
    "contracts/order-row.schema.json",
    "contracts/orders.openapi.yaml",
    "contracts/shop.sql",
    "environments/dev.yaml",
    "environments/prod.yaml",
    "flows/nightly-report.yaml",
    "flows/order-files.yaml",
    "flows/order-intake.yaml",
    "flows/order-lookup.yaml",
    "mappings/canonical-to-erp.jsonata",
    "mappings/row-to-canonical.jsonata",
    "mappings/web-to-canonical.jsonata",
];

/// The ERP's contract, which the mock serves.
pub(super) const ERP_CONTRACT: (&str, &str) = (
    "contracts/erp.openapi.yaml",
    include_str!("../../../../../examples/orders/contracts/erp.openapi.yaml"),
);

/// Writes the project, with an environment whose ERP is at `erp`.
pub(super) fn write(folder: &Path, erp: &str) -> anyhow::Result<()> {
    let environment = format!(
        "environment: demo\nlisten: 127.0.0.1:0\nconnections:\n  \
         erp: {{ url: 'http://{erp}', auth: null }}\n\
         values:\n  large_order: 9000\n"
    );
    let all = FILES
        .iter()
        .copied()
        .chain([("environments/demo.yaml", environment.as_str())]);
    for (path, text) in all {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)
                .with_context(|| format!("cannot make `{}`", parent.display()))?;
        }
        std::fs::write(&path, text)
            .with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    Ok(())
}
