//! What tests of components stand on: a simulated context, a workbench that makes components of
//! their configuration as the compiler would, conformance suites, Markdown tests, projects in
//! temporary folders.
//!
//! A dev-dependency of other crates only. Its functions panic when what they test is wrong: that is
//! how a test fails.

pub mod conformance;
pub mod context;
pub mod format;
pub mod markdown;
pub mod positions;
pub mod project;
pub mod workbench;
pub mod yaml;

pub use context::{Log, LogLine, cx};
