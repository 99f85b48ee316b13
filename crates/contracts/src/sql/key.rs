//! What a condition says about rows: which key it binds.

use sluice_model::operation::SqlTable;
use sluice_model::value::Name;

use crate::sql::expression::{Comparison, Expression};

/// Returns whether the condition holds for one row at most: it binds every column of the primary
/// key, or of a unique key, to a value.
pub(crate) fn binds_key(filter: &Expression, table: &SqlTable) -> bool {
    let mut bound = Vec::new();
    collect(filter, table, &mut bound);
    let whole = |key: &Vec<Name>| !key.is_empty() && key.iter().all(|name| bound.contains(name));
    whole(&table.primary_key) || table.unique_keys.iter().any(whole)
}

/// Collects the columns that are equal to a value wherever the condition holds.
fn collect(filter: &Expression, table: &SqlTable, bound: &mut Vec<Name>) {
    match filter {
        Expression::And(left, right) => {
            collect(left, table, bound);
            collect(right, table, bound);
        }
        Expression::Compare {
            left,
            right,
            operator: Comparison::Equal,
        } => {
            for (side, other) in [(left, right), (right, left)] {
                if let Expression::Column { name, .. } = &**side
                    && !reads_columns(other)
                {
                    let named = table.columns.iter();
                    let mut named = named.map(|column| column.name);
                    let own = named.find(|own| own.as_str().eq_ignore_ascii_case(&name.text));
                    bound.extend(own);
                }
            }
        }
        _ => {}
    }
}

/// Returns whether the value depends on the row, or on anything but its parameters.
pub(crate) fn reads_columns(expression: &Expression) -> bool {
    match expression {
        Expression::Column { .. } => true,
        Expression::Param(_) | Expression::Known(_) => false,
        Expression::Compare { left, right, .. }
        | Expression::Arithmetic(left, right)
        | Expression::Concat(left, right)
        | Expression::And(left, right) => reads_columns(left) || reads_columns(right),
        Expression::Other(parts) => parts.iter().any(reads_columns),
        Expression::In(value, items) => reads_columns(value) || items.iter().any(reads_columns),
        Expression::Between(value, low, high) => [value, low, high]
            .into_iter()
            .any(|part| reads_columns(part)),
        Expression::IsNull(inner) | Expression::Negative(inner) | Expression::Cast(inner, _) => {
            reads_columns(inner)
        }
        Expression::Call { name, arguments } => {
            let changing = [
                "random",
                "randomblob",
                "nextval",
                "gen_random_uuid",
                "changes",
            ];
            changing.contains(&name.as_str()) || arguments.iter().any(reads_columns)
        }
        Expression::Case {
            operand,
            arms,
            otherwise,
        } => {
            operand
                .as_ref()
                .is_some_and(|operand| reads_columns(operand))
                || arms
                    .iter()
                    .any(|(when, then)| reads_columns(when) || reads_columns(then))
                || otherwise
                    .as_ref()
                    .is_some_and(|otherwise| reads_columns(otherwise))
        }
    }
}

/// Returns whether setting a column to this gives the same again: it reads no column, but for those
/// of the row that was to be inserted.
pub(crate) fn repeats(expression: &Expression) -> bool {
    match expression {
        Expression::Column {
            qualifier: Some(qualifier),
            ..
        } => qualifier.text.eq_ignore_ascii_case("excluded"),
        other => !reads_columns(other),
    }
}
