//! The explicit list of components.

use sluice_sdk::registry::Registry;

/// Returns the registry of this build.
pub fn registry() -> Registry {
    let mut registry = Registry::default();
    sluice_formats::register(&mut registry);
    sluice_connectors::register(&mut registry);
    sluice_connector_sqlite::register(&mut registry);
    sluice_engine::steps::register(&mut registry);
    registry
}
