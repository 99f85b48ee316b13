//! What a component author implements, and what the engine sees of it.
//!
//! A *connection* is a configured use of a connector; it offers *sources*, *sinks* and *calls*. A
//! *format* reads and writes bytes, a *step* computes on one message. Authors write static
//! `async fn`s; each trait has one erased `Dyn` twin by a blanket implementation, which is all that
//! compiler and engine know. Components are registered by plain calls on a [`registry::Registry`].

pub mod check;
pub mod config;
pub mod connection;
pub mod cx;
pub mod format;
pub mod registry;
pub mod step;
