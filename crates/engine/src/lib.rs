//! Runs the flows of a release.
//!
//! A delivery of a source is a vector of runs, executed step by step over the whole vector. Every
//! run ends in exactly one outcome; what it leaves behind is stored in one commit with the source's
//! position, and only then is the delivery acknowledged.

mod call;
mod connection;
mod dedupe;
mod effects;
mod engine;
mod execute;
mod flow;
mod lanes;
mod outside;
mod read;
mod redrive;
mod run;
mod settle;
mod settler;
mod sink;
pub mod steps;
mod subflow;
pub mod trial;
mod view;

pub use engine::{Engine, Limits, Ports, Running};
pub use outside::Outside;
pub use trial::{StepTrace, Trial};

#[cfg(test)]
mod tests;
