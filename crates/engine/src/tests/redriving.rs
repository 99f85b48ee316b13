//! Dead letters that are sent again.

use sluice_model::fault::Fault;
use sluice_store::dead_letter::message::StoredMessage;
use sluice_store::dead_letter::{DeadLetterFilter, DeadLetterId, DeadLetterState};
use sluice_store::request::{Action, NewRequest, RequestResult, RequestStatus, Selection};
use sluice_store::store::StoreReader;

use crate::tests::bench::{Bench, DRAIN};
use crate::tests::world::{Item, Wrote, one};

const COPY: &str = "
flow: copy
from: { feed: world#in }
steps:
  - write: world#rows
";

/// Leaves a request and waits until it is carried out.
async fn carry_out(bench: &Bench, action: Action, selection: Selection) -> RequestResult {
    let request = NewRequest {
        action,
        selection,
        by: "test".to_owned(),
        at: bench.cx.now(),
    };
    let id = bench.store.request(request).await.expect("it is stored");
    loop {
        let status = bench.store.request_status(id).await.expect("it reads");
        if let Some(RequestStatus::Finished(result)) = status {
            return result;
        }
        tokio::task::yield_now().await;
    }
}

async fn states(bench: &Bench) -> Vec<DeadLetterState> {
    let letters = bench.dead_letters().await;
    letters.iter().map(|letter| letter.head.state).collect()
}

fn ids(ids: &[DeadLetterId]) -> Selection {
    Selection::Ids(ids.to_vec())
}

#[tokio::test]
async fn dead_letters_are_sent_again_edited_and_put_away() {
    let bench = Bench::new(&[COPY]);
    bench.world.on_write("rows", |rows, _| {
        let bad = rows.iter().enumerate();
        let bad = bad.filter(|(_, row)| row.value.get("bad").is_some());
        Wrote::Rows(bad.map(|(at, _)| (at, Fault::invalid("bad"))).collect())
    });
    let mut given = one(&["{bad: 1}", "{bad: 2}", "{n: 3}"]);
    given.payloads.push(Item::Unread(b"{".to_vec()));
    bench.world.feed("in", vec![given]);
    let running = bench.start();
    bench.acked("in", 1).await;
    let letters = bench.dead_letters().await;
    let all: Vec<DeadLetterId> = letters.iter().map(|letter| letter.head.id).collect();
    assert_eq!(all.len(), 3);

    let again = carry_out(&bench, Action::Redrive, ids(&all)).await;
    assert_eq!(
        (again.done, again.failed),
        (0, 3),
        "nothing is better than before"
    );
    assert_eq!(
        states(&bench).await,
        [DeadLetterState::Open; 3],
        "and none is there twice"
    );

    let edited = letters[0].message.clone().with_json(br#"{"n": 1}"#);
    let action = Action::RedriveEdited(edited);
    let result = carry_out(&bench, action, ids(&all[..1])).await;
    assert_eq!((result.done, result.failed), (1, 0));
    assert!(bench.world.rows("rows").contains(&r#"{"n":1}"#.to_owned()));

    let result = carry_out(&bench, Action::Archive, ids(&all[1..2])).await;
    assert_eq!(result.done, 1);
    bench.world.on_write("rows", |_, _| Wrote::Ok);
    let filter = Selection::Filter(DeadLetterFilter::default());
    let result = carry_out(&bench, Action::Redrive, filter).await;
    assert_eq!(
        (result.done, result.failed),
        (0, 1),
        "open is the unread one alone"
    );
    let fixed: StoredMessage = letters[2].message.clone().with_json(b"{}");
    let result = carry_out(&bench, Action::RedriveEdited(fixed), ids(&all[2..])).await;
    assert_eq!(result.done, 1);
    let result = carry_out(&bench, Action::Redrive, ids(&all)).await;
    assert_eq!((result.done, result.failed), (0, 0));
    assert!(result.note.contains("3 were not open"), "{}", result.note);
    running.drain(DRAIN).await;
    assert_eq!(
        states(&bench).await,
        [
            DeadLetterState::Redriven,
            DeadLetterState::Archived,
            DeadLetterState::Redriven,
        ]
    );
    let counts = bench.counts("copy").await;
    assert_eq!((counts.dead_lettered, counts.answered_error), (3, 4));
}
