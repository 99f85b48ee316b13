//! Formats as fields name them: `csv`, or `{ csv: { delimiter: ";" } }`.

use std::sync::Arc;

use sluice_model::codes;
use sluice_model::finding::did_you_mean;
use sluice_model::types::Type;
use sluice_sdk::config::FormatRef;
use sluice_sdk::format::DynFormat;

use crate::de::{Fields, Trace};
use crate::work::Work;

/// Makes the format that a field names.
pub(crate) fn resolve(
    work: &mut Work<'_>,
    format: FormatRef,
    ty: Option<&Type>,
) -> Option<Arc<dyn DynFormat>> {
    let node = work.node_at(format.span)?;
    let (name, name_span, options) = if let Some(scalar) = node.as_scalar() {
        (&*scalar.text, node.span, None)
    } else if let Some([entry]) = node.as_map().map(|map| map.entries.as_slice()) {
        (&*entry.key.text, entry.key_span, Some(&entry.value))
    } else {
        let finding = work.error(codes::WRONG_TYPE, node.span, "expected one format");
        finding.help =
            Some("write its name, `csv`, or a map from its name to its options".to_owned());
        return None;
    };
    let Some(entry) = work.registry.formats().get(name) else {
        let names: Vec<&str> = work.registry.formats().keys().copied().collect();
        let near = did_you_mean(name, names.iter().copied());
        let message = format!("there is no format `{name}`");
        let finding = work.error(codes::UNKNOWN_REFERENCE, name_span, message);
        match near {
            Some(near) => {
                finding.help = Some(format!("did you mean `{near}`?"));
                finding.fixes.push(crate::fix::replace(
                    format!("use `{near}`"),
                    name_span,
                    near,
                ));
            }
            None => finding.help = Some(format!("formats are `{}`", names.join("`, `"))),
        }
        return None;
    };
    let fields = match options {
        None => Fields::empty(node.span),
        Some(options) => {
            let what = format!("the format `{name}`");
            if !work.check_shape(options, &entry.config.schema, &what) {
                return None;
            }
            Fields::of(options).unwrap_or_else(|| Fields::empty(options.span))
        }
    };
    let trace = Trace::default();
    let made = entry.make(&mut *fields.erased(&trace), ty);
    match made {
        Ok(format) => Some(format),
        Err(error) => {
            work.component_error(error, &fields, &trace);
            None
        }
    }
}
