//! Connectors whose clients are cheap to build.

pub mod files;
pub mod http;
#[cfg(test)]
mod tests;
pub mod timer;

use sluice_sdk::registry::Registry;

/// Adds every component of this crate.
pub fn register(registry: &mut Registry) {
    registry.connection::<crate::files::Files>();
    registry.connection::<crate::http::Http>();
    registry.source::<crate::timer::Cron>();
}
