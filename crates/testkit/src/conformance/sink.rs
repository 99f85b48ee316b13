//! The suite of sinks.

use sluice_sdk::connection::{BatchFault, DynSink, Row};
use sluice_sdk::cx::Cx;

/// A sink and what the suite has to know of the outside.
pub struct SinkHarness<'h> {
    /// The sink, not opened.
    pub sink: Box<dyn DynSink>,
    /// Gives the `n`th row; each can be written, and is different from the others.
    pub row: Box<dyn Fn(usize) -> Row + 'h>,
    /// A row that is refused alone; `None` if the sink refuses none.
    pub bad: Option<Row>,
    /// The group of the rows, which is finished.
    pub group: Option<&'h str>,
    /// Says what is there, as the outside sees it: a text for each row.
    pub found: Box<dyn Fn() -> Vec<String> + 'h>,
}

/// Runs the suite.
///
/// # Panics
/// If the sink does not do what it promises.
pub async fn sink(harness: SinkHarness<'_>, cx: &Cx) {
    let rows = |range: std::ops::Range<usize>| range.map(&harness.row).collect::<Vec<_>>();
    let shape = harness.sink.shape();
    assert!(
        shape.named || harness.bad.iter().all(|row| row.name.is_none()),
        "a sink that takes no name is given one"
    );
    assert!(
        (harness.found)().is_empty(),
        "the suite begins with nothing"
    );

    whole(&harness, &[], cx).await;
    assert!(
        (harness.found)().is_empty(),
        "an empty batch wrote something"
    );

    let first = rows(0..10);
    whole(&harness, &first, cx).await;
    let found = (harness.found)();
    assert_eq!(found.len(), 10, "ten rows were written, not {found:#?}");

    if shape.idempotent {
        whole(&harness, &first, cx).await;
        assert_eq!((harness.found)(), found, "a repeat changed something more");
    }

    let mut sink = harness.sink.fresh();
    sink.open(cx).await.expect("a fresh sink opens");
    for batch in [rows(10..11), rows(11..20)] {
        sink.write(&batch, cx).await.expect("rows are written");
    }
    end(sink, harness.group, cx).await;
    assert_eq!((harness.found)().len(), 20, "batches of any size add up");

    if let Some(bad) = &harness.bad {
        let mut batch = rows(20..24);
        batch.insert(2, bad.clone());
        one_fails(&harness, &batch, 2, cx).await;
        assert_eq!(
            (harness.found)().len(),
            24,
            "the rows beside one that fails are written"
        );
    }
}

async fn one_fails(harness: &SinkHarness<'_>, batch: &[Row], bad: usize, cx: &Cx) {
    let mut sink = harness.sink.fresh();
    sink.open(cx).await.expect("a fresh sink opens");
    match sink.write(batch, cx).await {
        Err(BatchFault::Rows(failed)) => {
            let failed: Vec<usize> = failed.iter().map(|(index, _)| *index).collect();
            assert_eq!(failed, [bad], "the one row fails, by its index");
        }
        Err(BatchFault::All(fault)) => {
            panic!("one row fails all of the batch: {}", fault.private())
        }
        Ok(()) => panic!("the bad row was written"),
    }
    end(sink, harness.group, cx).await;
}

async fn whole(harness: &SinkHarness<'_>, rows: &[Row], cx: &Cx) {
    let mut sink = harness.sink.fresh();
    sink.open(cx).await.expect("a fresh sink opens");
    match sink.write(rows, cx).await {
        Ok(()) => {}
        Err(fault) => panic!("rows are not written: {fault:?}"),
    }
    end(sink, harness.group, cx).await;
}

async fn end(mut sink: Box<dyn DynSink>, group: Option<&str>, cx: &Cx) {
    if let Some(group) = group {
        let finished = sink.finish(group, cx).await;
        finished.unwrap_or_else(|fault| panic!("a group cannot end: {}", fault.private()));
    }
    let closed = sink.close(cx).await;
    closed.unwrap_or_else(|fault| panic!("the sink cannot close: {}", fault.private()));
}
