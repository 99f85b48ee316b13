//! Conformance suites, fake clock, Markdown tests.
