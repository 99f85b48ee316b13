//! What an engineer does: finds an order by its number, looks at its run, repairs a dead letter and
//! sends it again.

use std::time::Duration;

use anyhow::{Context, bail};
use sluice_model::ids::FlowName;
use sluice_model::json;
use sluice_sdk::cx::Cx;
use sluice_store::dead_letter::{DeadLetterFilter, DeadLetterState};
use sluice_store::request::{Action, NewRequest, RequestStatus, Selection};
use sluice_store::run::{KeyFilter, RunFilter};
use sluice_store::sqlite::reader::SqliteReader;
use sluice_store::store::StoreReader;

/// The order that is looked for.
const ORDER: &str = "WEB-42";
/// The longest wait for a dead letter that is sent again.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// What was seen.
pub(super) struct Story {
    lines: Vec<String>,
    /// Whether a dead letter was repaired and delivered.
    pub repaired: bool,
}

impl Story {
    /// The form for people.
    pub fn text(&self) -> String {
        format!("\n{}\n", self.lines.join("\n"))
    }
}

/// Does it, through the store that any other process can read.
pub(super) async fn tell(reader: &SqliteReader, cx: &Cx) -> anyhow::Result<Option<Story>> {
    let mut lines = Vec::new();
    find_order(reader, &mut lines).await?;
    let repaired = repair(reader, cx, &mut lines).await?;
    Ok(Some(Story { lines, repaired }))
}

async fn find_order(reader: &SqliteReader, lines: &mut Vec<String>) -> anyhow::Result<()> {
    let key = KeyFilter {
        name: Some("order".into()),
        value: ORDER.into(),
    };
    let filter = RunFilter {
        key: Some(key),
        ..RunFilter::default()
    };
    let page = reader.runs(filter, None, 1).await?;
    let Some(found) = page.runs.first() else {
        lines.push(format!(
            "the order {ORDER} was not among those that were sent"
        ));
        return Ok(());
    };
    let detail = reader
        .run(found.id)
        .await?
        .context("a run that was found is there")?;
    lines.push(format!(
        "sluice runs list --key order={ORDER}: run {}, {}",
        found.id, found.outcome
    ));
    for step in &detail.steps {
        let effect = step
            .effect
            .as_ref()
            .map_or(String::new(), |key| format!(", effect key {key}"));
        lines.push(format!(
            "  {:<10} {:<8} tries {} after {:>6} us{effect}",
            step.step.as_str(),
            step.status.as_str(),
            step.attempts,
            step.offset.as_micros(),
        ));
    }
    Ok(())
}

/// Repairs the newest dead letter whose quantity is a word, and sends it again.
async fn repair(reader: &SqliteReader, cx: &Cx, lines: &mut Vec<String>) -> anyhow::Result<bool> {
    let filter = DeadLetterFilter {
        flow: Some(FlowName::from("order-files")),
        state: Some(DeadLetterState::Open),
        ..DeadLetterFilter::default()
    };
    let page = reader.dead_letters(filter, None, 50).await?;
    for head in page.dead_letters {
        let letter = reader
            .dead_letter(head.id)
            .await?
            .context("a dead letter that is listed")?;
        let raw = String::from_utf8_lossy(&letter.message.body).into_owned();
        if !raw.contains(";many;") {
            continue;
        }
        lines.push(format!(
            "\nsluice dead-letters show {}: {}",
            head.id, head.facts.cause.public
        ));
        lines.push(format!("  as it came: {}", raw.trim_end()));
        let mended = mended(&raw).context("a row of the demo has eight cells")?;
        lines.push(format!("  repaired:   {mended}"));
        let message = letter.message.clone().with_json(mended.as_bytes());
        let request = NewRequest {
            action: Action::RedriveEdited(message),
            selection: Selection::Ids(vec![head.id]),
            by: "demo".to_owned(),
            at: cx.now(),
        };
        let id = reader.request(request).await?;
        let deadline = cx.monotonic() + WAIT_MAX;
        loop {
            if let Some(RequestStatus::Finished(result)) = reader.request_status(id).await? {
                let worked = result.done == 1;
                let end = if worked { "delivered" } else { "failed again" };
                lines.push(format!("sluice dead-letters redrive {}: {end}", head.id));
                return Ok(worked);
            }
            if deadline < cx.monotonic() {
                bail!(
                    "the dead letter {} was not sent again within {WAIT_MAX:?}",
                    head.id
                );
            }
            cx.sleep(Duration::from_millis(50)).await;
        }
    }
    lines.push("no dead letter is there to be repaired".to_owned());
    Ok(false)
}

/// The row as the message that it should have been.
fn mended(raw: &str) -> Option<String> {
    let cells: Vec<&str> = raw.trim_end().split(';').collect();
    let [order, customer, sku, _, price, currency, day, ..] = cells.as_slice() else {
        return None;
    };
    let text = |text: &str| json::to_string(&sluice_model::value::Value::text(text));
    Some(format!(
        "{{\"order_no\":{},\"customer\":{},\"sku\":{},\"qty\":1,\"unit_price\":{price},\
         \"currency\":{},\"placed_on\":{}}}",
        text(order),
        text(customer),
        text(sku),
        text(currency),
        text(day)
    ))
}
