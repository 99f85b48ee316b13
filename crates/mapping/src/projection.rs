//! Finds which parts of the input an expression reads.
use sluice_model::projection::Projection;

use crate::lower::Tree;

pub(crate) fn of_tree(_tree: &Tree) -> Projection {
    Projection::All
}
