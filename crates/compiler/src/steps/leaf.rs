//! Leaf steps: typed by themselves, through the registry.

use sluice_model::types::Kind;

use crate::de::Trace;
use crate::flow::FlowCx;
use crate::release::StepKind;
use crate::steps::{Done, Payload, StepNode};
use crate::work::own_fields;

pub(super) fn lower(
    cx: &mut FlowCx<'_, '_>,
    step: &StepNode<'_>,
    payload: &Payload,
) -> Option<Done> {
    let registry = cx.work.registry;
    let entry = registry.steps().get(&*step.verb.key.text)?;
    cx.check_step(step, &entry.config.schema, None)?;
    let own = own_fields(&step.fields, &entry.config.schema);
    let trace = Trace::default();
    let made = entry.make(&mut *own.erased(&trace), cx, &payload.ty);
    match made {
        Ok((leaf, ty)) => {
            // A step that lets no message through says so by the type that has no values.
            let ends = matches!(ty.kind, Kind::Never) && !ty.nullable;
            let behind = (!ends).then(|| Payload {
                ty,
                replied: payload.replied,
            });
            Some(Done {
                kind: StepKind::Leaf(leaf),
                payload: behind,
                result: None,
            })
        }
        Err(error) => {
            cx.work.component_error(error, &own, &trace);
            None
        }
    }
}
