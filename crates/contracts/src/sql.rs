//! SQL.
use crate::contract::{ContractFile, Parts};
use sluice_model::finding::Findings;
pub(crate) fn read(_file: &ContractFile) -> (Parts, Findings) {
    Default::default()
}
