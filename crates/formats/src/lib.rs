//! Incremental, bounded codecs.
