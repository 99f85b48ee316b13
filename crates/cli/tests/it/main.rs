//! Whole projects through the compiler, with the components of this build.

mod clean;
mod lowering;
mod pages;
mod support;
mod twenty;
