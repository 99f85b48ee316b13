//! Whole projects through the compiler, with the components of this build.

mod binary;
mod broken;
mod clean;
mod crash;
mod data;
mod dead_letters;
mod demo;
mod estate;
mod lowering;
mod mock;
mod new;
mod pages;
mod readme;
mod runs;
mod support;
mod twenty;
