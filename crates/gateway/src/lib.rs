//! The HTTP front: it listens, refuses what is not strictly HTTP/1.1, finds the operation, checks
//! the request against the contract, and hands it to the flow that serves it.
//!
//! [`front::Front`] serves the APIs of a release and gives the engine a source for each operation;
//! [`mock`] serves a contract without any flow. Both stand on one listener: each connection is
//! read through a guard that lets only well-framed requests through to hyper, so that no two
//! readers of the bytes can disagree on where a request ends.

mod answer;
pub mod front;
mod guard;
pub mod limits;
mod listen;
pub mod mock;
mod port;
mod problem;
mod request;
mod route;
mod stdx;
#[cfg(test)]
mod testing;
mod wire;
