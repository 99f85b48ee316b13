//! Connectors whose clients are cheap to build.
