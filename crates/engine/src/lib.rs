//! Runs the flows of a release.
