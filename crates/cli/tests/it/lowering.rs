//! Steps, typed and lowered.
