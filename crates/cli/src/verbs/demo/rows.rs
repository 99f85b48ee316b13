//! The partner's file: rows of orders, some of them broken on purpose.

use std::io::Write;
use std::path::Path;

use anyhow::Context;

/// What was written.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rows {
    /// All rows.
    pub total: u64,
    /// Those that break their contract.
    pub broken: u64,
    /// Those above the limit from which the ERP books an order.
    pub large: u64,
}

/// About how many rows are broken.
const BROKEN: u64 = 300;
/// Every so many rows one is large.
const LARGE_EVERY: u64 = 100;

/// Writes the file under its final name, in one step.
pub(super) fn write(folder: &Path, total: u64) -> anyhow::Result<Rows> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make `{}`", folder.display()))?;
    let part = folder.join(".partner.csv.part");
    let file = std::fs::File::create(&part).context("cannot write the partner's file")?;
    let mut out = std::io::BufWriter::with_capacity(1 << 20, file);
    writeln!(
        out,
        "order_no;customer;sku;qty;unit_price;currency;placed_on;note"
    )?;
    let every = (total / BROKEN).max(1);
    let mut rows = Rows {
        total,
        ..Rows::default()
    };
    for number in 0..total {
        let broken = number % every == every / 2;
        let large = !broken && number % LARGE_EVERY == 7;
        rows.broken += u64::from(broken);
        rows.large += u64::from(large);
        row(&mut out, number, broken.then_some(number / every), large)?;
    }
    out.flush()?;
    std::fs::rename(&part, folder.join("partner.csv")).context("cannot name the partner's file")?;
    Ok(rows)
}

fn row(out: &mut impl Write, number: u64, broken: Option<u64>, large: bool) -> std::io::Result<()> {
    let customer = number.wrapping_mul(7919) % 50_000;
    let sku = number.wrapping_mul(31) % 9_000;
    let day = number % 28 + 1;
    let currency = ["EUR", "USD", "GBP"][(number % 3) as usize];
    let (qty, cents) = match large {
        true => (100, 9_100 + number % 900),
        false => (number % 9 + 1, 99 + number.wrapping_mul(13) % 40_000),
    };
    let price = format!("{}.{:02}", cents / 100, cents % 100);
    let place = format!("2026-10-{day:02}");
    match broken.map(|kind| kind % 5) {
        None => writeln!(
            out,
            "ORD-{number:09};C-{customer:05};sku-{sku};{qty};{price};{currency};{place};"
        ),
        Some(0) => writeln!(
            out,
            "ORD-{number:09};C-{customer:05};sku-{sku};many;{price};{currency};{place};"
        ),
        Some(1) => writeln!(
            out,
            "ORD-{number:09};C-{customer:05};sku-{sku};0;{price};{currency};{place};"
        ),
        Some(2) => writeln!(
            out,
            "ORD-{number:09};C-{customer:05};sku-{sku};{qty};{price};{currency}"
        ),
        Some(3) => writeln!(
            out,
            "ORD-{number:09};C-{customer:05};sku-{sku};{qty};{price};CHF;{place};"
        ),
        Some(_) => writeln!(
            out,
            "ORD-{number:09};C-{customer:05};sku-{sku};{qty};{price};{currency};2026-02-30;"
        ),
    }
}
