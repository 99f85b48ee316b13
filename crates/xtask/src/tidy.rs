//! `cargo xtask tidy`, also a test: the layers between the crates, and the habits that can be
//! checked on text.

pub mod budget;
mod exceptions;
mod files;
mod layers;
mod lexer;
mod manifests;
mod references;
mod sources;

use std::fmt;

use anyhow::{Result, bail};

use crate::environment::Environment;
use crate::tidy::files::TextFile;

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file's path from the root, with `/`.
    pub path: String,
    /// The line, from 1; 0 for the whole file.
    pub line: usize,
    /// The rule's name, as in the list of exceptions.
    pub rule: &'static str,
    /// What it is, and what to do.
    pub text: String,
}

impl Problem {
    fn new(rule: &'static str, path: &str, line: usize, text: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            rule,
            text: text.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}: {} [{}]",
            self.path, self.line, self.text, self.rule
        )
    }
}

/// Checks the tree, and prints what is wrong with it.
///
/// # Errors
/// If something is wrong.
pub fn run(environment: &Environment) -> Result<()> {
    let problems = check(environment)?;
    for problem in &problems {
        println!("{problem}");
    }
    for warning in budget::warnings(&environment.root)? {
        println!("warning: {warning}");
    }
    match problems.len() {
        0 => println!("tidy"),
        count => bail!("{count} problems"),
    }
    Ok(())
}

/// Returns everything that is wrong with the tree.
///
/// # Errors
/// If the tree cannot be read.
pub fn check(environment: &Environment) -> Result<Vec<Problem>> {
    let files = files::read(&environment.root)?;
    let metadata = layers::metadata(environment)?;
    let mut problems = layers::check(&metadata)?;
    problems.extend(manifests::check(&files));
    problems.extend(references::check(&environment.root, &files));
    problems.extend(files.iter().flat_map(check_file));
    let mut problems = exceptions::apply(problems);
    problems.sort();
    Ok(problems)
}

/// The rules that look at one file.
fn check_file(file: &TextFile) -> Vec<Problem> {
    let mut problems = files::check(file);
    if file.path.ends_with(".rs") {
        problems.extend(sources::check(file));
    }
    problems
}

#[cfg(test)]
mod tests;
