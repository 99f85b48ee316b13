//! Evaluates compiled expressions: pure, synchronous, and within [`Limits`].

mod call;
pub(crate) mod compare;
pub mod failure;
pub(crate) mod fields;
mod filter;
pub(crate) mod function;
mod group;
pub(crate) mod item;
mod machine;
pub(crate) mod numbers;
pub(crate) mod operators;
pub(crate) mod output;
mod path;
pub(crate) mod run;
pub(crate) mod sort;
pub(crate) mod text;
mod transform;
mod tuple;

pub(crate) use crate::eval::machine::Machine;

use sluice_model::time::Timestamp;

/// What an evaluation may ask of the world around it.
pub trait Host {
    /// Returns the current time, for `$now` and `$millis`; asked at most once in an evaluation.
    fn now(&self) -> Timestamp;

    /// Returns a number from 0 to below 1, for `$random` and `$shuffle`.
    fn random(&self) -> f64;
}

/// A host without a world: time stands at the epoch, and chance always gives 0.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHost;

impl Host for NoHost {
    fn now(&self) -> Timestamp {
        Timestamp(0)
    }

    fn random(&self) -> f64 {
        0.0
    }
}

/// What one evaluation may use up; no expression exceeds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most operations that lie in each other, calls of functions among them; 400 by default.
    /// Each level takes up to 1.5 KiB of the thread's stack (3.5 KiB in a debug build): keep within
    /// it when this is raised. Beyond it: `D1011`.
    pub depth: u32,
    /// The most operations in all; 20,000,000 by default, some seconds. Beyond it: `D1012`.
    pub steps: u64,
    /// The most bytes that lists, records and texts which the evaluation constructs take, counted
    /// when they are constructed; 256 MiB by default. Beyond it: `D2015`.
    pub memory: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 400,
            steps: 20_000_000,
            memory: 256 << 20,
        }
    }
}

/// Which semantics an expression has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// The reference's: arithmetic in doubles, `??` for what is missing.
    Dynamic,
    /// Ours: integers and decimals stay exact, `??` covers null too, lists by type stay lists.
    #[default]
    Checked,
}
