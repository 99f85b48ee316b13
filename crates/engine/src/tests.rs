//! Flows in a scripted world, on the real store.

mod balance;
mod bench;
mod control;
mod documented;
mod effects;
mod keys;
mod recording;
mod redriving;
mod replies;
mod settling;
mod store;
mod world;
