//! What the tests of several components share.

use std::path::Path;
use std::sync::Arc;

use sluice_model::operation::Target;
use sluice_model::types::Type;
use sluice_sdk::check::Check;
use sluice_sdk::config::{FormatRef, TypeName};
use sluice_sdk::format::DynFormat;

/// The check of a component without a reference.
pub(crate) struct NoCheck;

/// The check of a component that refers to something.
pub(crate) struct Referring(pub(crate) Target);

impl Check for NoCheck {
    fn base(&self) -> &Path {
        Path::new(".")
    }
    fn target(&self) -> Option<&Target> {
        None
    }
    fn format(&mut self, _: FormatRef, _: Option<&Type>) -> Option<Arc<dyn DynFormat>> {
        None
    }
    fn contract_type(&mut self, _: TypeName) -> Option<Type> {
        None
    }
}

impl Check for Referring {
    fn base(&self) -> &Path {
        Path::new(".")
    }
    fn target(&self) -> Option<&Target> {
        Some(&self.0)
    }
    fn format(&mut self, _: FormatRef, _: Option<&Type>) -> Option<Arc<dyn DynFormat>> {
        None
    }
    fn contract_type(&mut self, _: TypeName) -> Option<Type> {
        None
    }
}
