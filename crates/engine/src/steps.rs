//! Leaf steps, one file each; a new one is a file and a line here.

mod compute;
mod fail;
mod filter;
mod log;
mod stop;
mod validate;

use sluice_sdk::registry::Registry;

/// Adds the leaf steps to a registry.
pub fn register(registry: &mut Registry) {
    registry
        .step::<compute::Compute>()
        .step::<fail::Fail>()
        .step::<filter::Filter>()
        .step::<log::Log>()
        .step::<stop::Stop>()
        .step::<validate::Validate>();
}
