//! Releases.

use std::sync::Arc;

use sluice_model::ids::ReleaseId;

use crate::conformance::{at, try_wait, wait};
use crate::error::StoreError;
use crate::release::Release;
use crate::store::Store;

/// A release comes back as it was; one that is there already stays; content must fit its hashes.
pub(super) fn round_trip(store: &dyn Store) {
    let bytes = |text: &str| -> Arc<[u8]> { text.as_bytes().into() };
    let shared = bytes("flow: orders");
    let first = Release::new(
        bytes(r#"{"files":1}"#),
        [Arc::clone(&shared), bytes(""), Arc::clone(&shared)],
        at(1),
    );
    let second = Release::new(bytes(r#"{"files":2}"#), [shared, bytes("x")], at(2));
    assert_eq!(first.id.as_str().len(), 64);
    for release in [&first, &second] {
        wait(store.put_release(release.clone()));
    }
    let mut again = first.clone();
    again.created = at(9);
    wait(store.put_release(again));
    assert_eq!(wait(store.release(&first.id)).as_ref(), Some(&first));
    assert_eq!(wait(store.release(&second.id)).as_ref(), Some(&second));
    assert_eq!(wait(store.release(&ReleaseId::from("none"))), None);
    let list = wait(store.releases());
    let heads: Vec<_> = list
        .iter()
        .map(|head| (&head.id, head.files, head.size))
        .collect();
    assert_eq!(heads, [(&second.id, 2, 13), (&first.id, 2, 12)]);

    let mut wrong = first.clone();
    wrong.manifest = bytes("{}");
    let error = try_wait(store.put_release(wrong)).expect_err("it is refused");
    assert!(matches!(error, StoreError::Conflict { .. }), "{error}");
    let mut wrong = second.clone();
    wrong.id = first.id;
    wrong.manifest = first.manifest;
    let changed = wrong.blobs.values_mut().next().expect("it has files");
    *changed = bytes("other");
    let error = try_wait(store.put_release(wrong)).expect_err("it is refused");
    assert!(matches!(error, StoreError::Conflict { .. }), "{error}");
}
