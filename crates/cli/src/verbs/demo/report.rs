//! What went in, what came out, and whether the sums hold.

use std::path::Path;

use anyhow::Context;
use serde_json::{Value as Json, json};
use sluice_store::counts::Counts;
use sluice_store::dead_letter::DeadLetterState;
use sluice_store::sqlite::reader::SqliteReader;
use sluice_store::store::StoreReader;

use crate::verbs::demo::Done;

/// Dead letters with one cause.
pub(super) struct Group {
    pub flow: String,
    pub step: String,
    pub code: String,
    pub count: u64,
    pub cause: String,
}

/// What the database's own keys say.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// Orders of the shop.
    pub web: u64,
    /// Orders of the file.
    pub file: u64,
    /// Orders with a number of the ERP.
    pub booked: u64,
}

/// Reads the groups of dead letters that are open.
pub(super) async fn groups(reader: &SqliteReader) -> anyhow::Result<Vec<Group>> {
    let groups = reader.dead_letter_groups(None).await?;
    Ok(groups
        .into_iter()
        .map(|group| Group {
            flow: group.signature.flow.to_string(),
            count: group.count(DeadLetterState::Open),
            step: group
                .signature
                .step
                .map_or("(before the first step)".to_owned(), |step| {
                    step.to_string()
                }),
            code: group.signature.code.to_string(),
            cause: group.example,
        })
        .collect())
}

/// Counts the keys of the shop's table.
pub(super) fn table(file: &Path) -> anyhow::Result<Table> {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let connection = rusqlite::Connection::open_with_flags(file, flags)
        .with_context(|| format!("cannot open `{}`", file.display()))?;
    let count = |condition: &str| -> anyhow::Result<u64> {
        let sql = format!("SELECT count(DISTINCT id) FROM orders WHERE {condition}");
        let count: i64 = connection.query_row(&sql, [], |row| row.get(0))?;
        Ok(u64::try_from(count).unwrap_or(0))
    };
    Ok(Table {
        web: count("id GLOB 'WEB-*'")?,
        file: count("id GLOB 'ORD-*'")?,
        booked: count("erp_number IS NOT NULL")?,
    })
}

impl Done {
    fn counts(&self, flow: &str) -> Counts {
        let own = self.flows.iter().find(|(name, _)| name.as_str() == flow);
        own.map_or(Counts::default(), |(_, counts)| *counts)
    }

    /// Returns whether all sums hold: for each flow, what went in is what came out; and the
    /// database's keys are what was delivered.
    pub fn is_balanced(&self) -> bool {
        self.imbalances().is_empty()
    }

    fn imbalances(&self) -> Vec<String> {
        let mut all = Vec::new();
        let mut same = |what: &str, one: u64, other: u64| {
            if one != other {
                all.push(format!("{what}: {one} and {other}"));
            }
        };
        for (flow, counts) in &self.flows {
            same(
                &format!("`{flow}`: in and out"),
                counts.received,
                counts.settled(),
            );
        }
        let web = self.counts("order-intake");
        let files = self.counts("order-files");
        let repaired = u64::from(self.story.as_ref().is_some_and(|story| story.repaired));
        same(
            "orders sent and answered",
            self.orders,
            self.booked + self.refused + self.other,
        );
        same(
            "orders that break their contract and refused",
            self.orders_broken,
            self.refused,
        );
        same("orders booked and delivered", self.booked, web.delivered);
        same(
            "web orders delivered and in the table",
            web.delivered,
            self.table.web,
        );
        same(
            "rows of the file and rows taken",
            self.rows.total + repaired,
            files.received,
        );
        same(
            "broken rows and dead letters",
            self.rows.broken,
            files.dead_lettered,
        );
        same(
            "rows delivered and in the table",
            files.delivered,
            self.table.file,
        );
        same(
            "orders booked at the ERP and numbers in the table",
            self.erp_keys(),
            self.table.booked,
        );
        all
    }

    /// How many different orders the ERP has booked.
    fn erp_keys(&self) -> u64 {
        self.bookings.distinct_keys
    }

    /// The stable form for programs.
    pub fn json(&self) -> Json {
        let flows: serde_json::Map<String, Json> = self
            .flows
            .iter()
            .map(|(name, counts)| (name.to_string(), counts_json(counts)))
            .collect();
        let groups: Vec<Json> = self
            .dead_letters
            .iter()
            .map(|group| {
                json!({
                    "flow": group.flow, "step": group.step, "code": group.code,
                    "count": group.count, "cause": group.cause,
                })
            })
            .collect();
        json!({
            "balanced": self.is_balanced(),
            "imbalances": self.imbalances(),
            "seconds": self.seconds,
            "peak_rss_mib": self.peak_rss_mib,
            "orders": {
                "sent": self.orders,
                "booked": self.booked,
                "refused": self.refused,
                "other": self.other,
            },
            "rows": {
                "total": self.rows.total,
                "broken": self.rows.broken,
                "large": self.rows.large,
            },
            "flows": flows,
            "dead_letters": groups,
            "table": {
                "web": self.table.web,
                "file": self.table.file,
                "booked": self.table.booked,
            },
            "erp": { "requests": self.bookings.requests, "keys": self.bookings.distinct_keys },
            "repaired": self.story.as_ref().is_some_and(|story| story.repaired),
        })
    }

    /// The form for people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        text.push_str(&format!(
            "in {:.1} s, with at most {:.0} MiB of memory:\n\n",
            self.seconds, self.peak_rss_mib
        ));
        text.push_str(
            "flow             in        delivered  error  dead letter  filtered  duplicate\n",
        );
        for (name, own) in &self.flows {
            text.push_str(&format!(
                "{:<15} {:>9} {:>11} {:>6} {:>12} {:>9} {:>10}\n",
                name.as_str(),
                own.received,
                own.delivered,
                own.answered_error,
                own.dead_lettered,
                own.filtered,
                own.duplicate
            ));
        }
        text.push_str(&format!(
            "\nin the table: {} web orders, {} orders of the file; {} have a number of the ERP\n",
            self.table.web, self.table.file, self.table.booked
        ));
        text.push_str(&format!(
            "{} orders broke their contract and were refused with 422\n",
            self.refused
        ));
        text.push_str("\ndead letters by cause:\n");
        for group in &self.dead_letters {
            text.push_str(&format!(
                "{:>6}  {} at `{}`, {}: {}\n",
                group.count, group.flow, group.step, group.code, group.cause
            ));
        }
        if let Some(story) = &self.story {
            text.push_str(&story.text());
        }
        match self.imbalances().as_slice() {
            [] => text
                .push_str("\nbalanced: what went in is what came out, and what the database has\n"),
            all => {
                text.push_str("\nNOT balanced:\n");
                all.iter()
                    .for_each(|line| text.push_str(&format!("  {line}\n")));
            }
        }
        text
    }
}

fn counts_json(counts: &Counts) -> Json {
    json!({
        "in": counts.received,
        "delivered": counts.delivered,
        "answered_error": counts.answered_error,
        "dead_lettered": counts.dead_lettered,
        "parked": counts.parked,
        "filtered": counts.filtered,
        "duplicate": counts.duplicate,
        "retries": counts.retries,
    })
}
