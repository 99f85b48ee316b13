//! Requests for the owner.

use sluice_model::ids::RunId;

use crate::conformance::dead_letters::put;
use crate::conformance::{at, dead_letter, try_wait, wait};
use crate::dead_letter::{DeadLetterFilter, DeadLetterId, DeadLetterState, GroupId};
use crate::error::StoreError;
use crate::request::{
    Action, NewRequest, RequestId, RequestResult, RequestStatus, SELECTION_MAX, Selection,
};
use crate::store::Store;

fn wanted(action: Action, selection: Selection) -> NewRequest {
    NewRequest {
        action,
        selection,
        by: "anna".into(),
        at: at(5),
    }
}

/// A request waits, is taken once, and is finished with its result.
pub(super) fn carried_out(store: &dyn Store) {
    let filter = DeadLetterFilter {
        flow: Some("orders".into()),
        group: Some(GroupId(4)),
        state: Some(DeadLetterState::Archived),
        run: Some(RunId(70_000)),
    };
    let ids = (1..=SELECTION_MAX as u64).map(DeadLetterId).collect();
    let all = [
        wanted(
            Action::Redrive,
            Selection::Filter(DeadLetterFilter::default()),
        ),
        wanted(Action::Archive, Selection::Filter(filter)),
        wanted(Action::Reopen, Selection::Ids(ids)),
        wanted(Action::Redrive, Selection::Ids(Vec::new())),
    ];
    let ids = all.clone().map(|request| wait(store.request(request)));
    assert_eq!(
        wait(store.request_status(ids[0])),
        Some(RequestStatus::Waiting)
    );
    let mut taken = wait(store.take_requests(3));
    taken.extend(wait(store.take_requests(3)));
    assert_eq!(wait(store.take_requests(3)), []);
    assert_eq!(
        taken.iter().map(|request| request.id).collect::<Vec<_>>(),
        ids
    );
    for (request, wanted) in taken.iter().zip(&all) {
        assert_eq!(request.wanted, *wanted);
    }
    assert_eq!(
        wait(store.request_status(ids[1])),
        Some(RequestStatus::Taken)
    );
    let result = RequestResult {
        at: at(9),
        done: 7,
        failed: 2,
        note: "two were not open".into(),
    };
    wait(store.finish_request(ids[1], result.clone()));
    let status = wait(store.request_status(ids[1]));
    assert_eq!(status, Some(RequestStatus::Finished(result.clone())));
    let twice = try_wait(store.finish_request(ids[1], result));
    assert!(
        matches!(twice, Err(StoreError::Conflict { .. })),
        "{twice:?}"
    );
    assert_eq!(wait(store.request_status(RequestId(u64::MAX))), None);
    let many = Selection::Ids(vec![DeadLetterId(1); SELECTION_MAX + 1]);
    let error = try_wait(store.request(wanted(Action::Redrive, many))).expect_err("it is refused");
    assert!(matches!(error, StoreError::Limit { .. }), "{error}");
}

/// An edited message replaces exactly one dead letter's.
pub(super) fn edited(store: &dyn Store) {
    let letter = dead_letter("orders", RunId(1), "mapping", "{}");
    let ids = put(store, vec![letter.clone()]);
    let message = letter.message.with_json(br#"{"order":2}"#);
    let edit = wanted(Action::RedriveEdited(message), Selection::Ids(ids.clone()));
    wait(store.request(edit.clone()));
    let taken = wait(store.take_requests(1));
    assert_eq!(taken[0].wanted, edit);
    for selection in [
        Selection::Ids([&ids[..], &ids[..]].concat()),
        Selection::Filter(DeadLetterFilter::default()),
    ] {
        let error = try_wait(store.request(NewRequest {
            selection,
            ..edit.clone()
        }));
        assert!(
            matches!(error, Err(StoreError::Conflict { .. })),
            "{error:?}"
        );
    }
}
