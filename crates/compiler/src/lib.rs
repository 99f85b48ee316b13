//! Project folder to findings and a release.
