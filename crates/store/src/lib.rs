//! Runs, dead letters, dedupe keys, positions, releases.
