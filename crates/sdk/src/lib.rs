//! What a component author implements.
