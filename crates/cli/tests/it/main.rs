//! Whole projects through the compiler, with the components of this build.

mod binary;
mod clean;
mod data;
mod dead_letters;
mod lowering;
mod mock;
mod new;
mod pages;
mod runs;
mod support;
mod twenty;
