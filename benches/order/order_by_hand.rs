//! The order mapping written by hand over `serde_json::Value`, as one would write it in a service:
//! the neighbour that a mapping of Sluice is compared with.
//!
//! `order_by_hand INPUT [N]`: prints the result, or how many mappings a CPU-second holds, bytes in
//! to bytes out.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike};
use serde_json::{Map, Value, json};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let input = arguments.next().context("say which file holds the order")?;
    let input = std::fs::read(&input).with_context(|| format!("cannot read `{input}`"))?;
    let mut output = Vec::new();
    let Some(times) = arguments.next() else {
        map_bytes(&input, &mut output)?;
        println!("{}", String::from_utf8(output)?);
        return Ok(());
    };
    let times: u32 = times.parse().context("the number of times is no number")?;
    let begun = cpu()?;
    for _ in 0..times {
        output.clear();
        map_bytes(&input, &mut output)?;
    }
    let spent = cpu()?.saturating_sub(begun);
    println!(
        "{}",
        json!({ "per_cpu_second": f64::from(times) / spent.as_secs_f64() })
    );
    Ok(())
}

/// The processor time of this process, user and system.
fn cpu() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).context("cannot read the processor time")?;
    let micros = |time: TimeVal| u64::try_from(time.num_microseconds()).unwrap_or(0);
    Ok(Duration::from_micros(
        micros(usage.user_time()) + micros(usage.system_time()),
    ))
}

fn map_bytes(input: &[u8], output: &mut Vec<u8>) -> Result<()> {
    let order: Value = serde_json::from_slice(input).context("the order is not JSON")?;
    let canonical = map(&order).context("the order has not all of its fields")?;
    serde_json::to_writer(output, &canonical).context("cannot write the canonical order")
}

/// A line that is neither empty nor cancelled.
struct Open<'o> {
    line: &'o Value,
    category: &'o str,
    /// Quantity times price, not rounded.
    net: f64,
}

fn map(order: &Value) -> Option<Value> {
    let mut open = Vec::new();
    let (mut net, mut tax) = (0.0, 0.0);
    for line in order["lines"].as_array()? {
        let quantity = line["qty"].as_f64()?;
        if quantity <= 0.0 || line["status"] == "cancelled" {
            continue;
        }
        let amount = quantity * line["unitPrice"].as_f64()?;
        net += amount;
        tax += amount * line["taxRate"].as_f64()?;
        let category = line["product"]["category"].as_str()?;
        open.push(Open {
            line,
            category,
            net: amount,
        });
    }
    let id = order["orderId"].as_str()?;
    let number: u64 = id.splitn(3, '-').nth(2)?.parse().ok()?;
    let shipping = order["shipping"]["cost"].as_f64()?;
    let tags = order["tags"].as_array()?;
    Some(json!({
        "id": id,
        "number": number,
        "placedOn": first(order["placedAt"].as_str()?, 10),
        "source": order["channel"].as_str()?.to_uppercase(),
        "customer": customer(&order["customer"])?,
        "shipTo": ship_to(&order["shipping"])?,
        "payment": payment(&order["payment"])?,
        "lines": open.iter().map(line).collect::<Option<Vec<Value>>>()?,
        "byCategory": by_category(&open),
        "totals": {
            "net": money(net),
            "tax": money(tax),
            "shipping": shipping,
            "gross": money(net + tax + shipping),
        },
        "gift": tags.iter().any(|tag| tag == "gift-wrap"),
        "lineCount": open.len(),
    }))
}

fn customer(customer: &Value) -> Option<Value> {
    let first = customer["firstName"].as_str()?.trim();
    let last = customer["lastName"].as_str()?;
    let tier = customer["loyalty"]["tier"]
        .as_str()
        .filter(|tier| !tier.is_empty());
    Some(json!({
        "id": customer["id"],
        "name": format!("{first} {last}"),
        "email": customer["email"].as_str()?.to_lowercase(),
        "tier": tier.map_or_else(|| "NONE".to_owned(), str::to_uppercase),
        "business": customer.get("vat").is_some(),
    }))
}

fn ship_to(shipping: &Value) -> Option<Value> {
    let address = &shipping["address"];
    let street = address["street"].as_str()?;
    let zip = address["zip"].as_str()?;
    let city = address["city"].as_str()?.to_uppercase();
    let country = match address["country"].as_str()? {
        "at" => Some("AUT"),
        "de" => Some("DEU"),
        "ch" => Some("CHE"),
        _ => None,
    };
    Some(json!({
        "line": format!("{street}, {zip} {city}"),
        "country": country?,
        "express": shipping["method"] == "express",
    }))
}

fn payment(payment: &Value) -> Option<Value> {
    let number = payment["card"]["number"].as_str()?;
    let last = number
        .char_indices()
        .rev()
        .nth(3)
        .map_or(number, |(at, _)| &number[at..]);
    Some(json!({ "type": payment["type"], "card": format!("**** {last}") }))
}

fn line(open: &Open<'_>) -> Option<Value> {
    let line = open.line;
    Some(json!({
        "no": line["lineNo"],
        "sku": line["product"]["sku"].as_str()?.trim().to_uppercase(),
        "title": line["product"]["name"],
        "quantity": line["qty"],
        "amount": money(open.net),
        "backordered": line["status"] == "backordered",
    }))
}

fn by_category(open: &[Open<'_>]) -> Value {
    let mut sums: Vec<(&str, f64)> = Vec::new();
    for line in open {
        match sums
            .iter_mut()
            .find(|(category, _)| *category == line.category)
        {
            Some((_, sum)) => *sum += line.net,
            None => sums.push((line.category, line.net)),
        }
    }
    let entry = |(category, sum): (&str, f64)| (category.to_owned(), money(sum));
    Value::Object(sums.into_iter().map(entry).collect::<Map<String, Value>>())
}

/// Rounds to cents, ties to even, as JSONata does.
fn money(amount: f64) -> Value {
    Value::from((amount * 100.0).round_ties_even() / 100.0)
}

/// The first characters of a text.
fn first(text: &str, characters: usize) -> &str {
    text.char_indices()
        .nth(characters)
        .map_or(text, |(at, _)| &text[..at])
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::map_bytes;

    #[test]
    fn lines_that_are_not_open_do_not_count() {
        let order = json!({
            "orderId": "WEB-2026-7", "placedAt": "2026-03-14T09:26:53Z", "channel": "web",
            "customer": { "id": "C", "firstName": " A ", "lastName": "B", "email": "A@B.EXAMPLE" },
            "shipping": { "method": "post", "cost": 1.5,
                "address": { "street": "S", "zip": "1", "city": "w", "country": "at" } },
            "payment": { "type": "card", "card": { "number": "41" } },
            "lines": [
                { "lineNo": 1, "product": { "sku": " x ", "name": "X", "category": "c" },
                  "qty": 2, "unitPrice": 10.0, "taxRate": 0.5, "status": "ok" },
                { "lineNo": 2, "product": { "sku": "y", "name": "Y", "category": "c" },
                  "qty": 1, "unitPrice": 99.0, "taxRate": 0.5, "status": "cancelled" },
            ],
            "tags": [],
        });
        let mut output = Vec::new();
        map_bytes(order.to_string().as_bytes(), &mut output).unwrap();
        let made: Value = serde_json::from_slice(&output).unwrap();
        assert_eq!(
            made["totals"],
            json!({ "net": 20.0, "tax": 10.0, "shipping": 1.5, "gross": 31.5 })
        );
        assert_eq!(
            (&made["number"], &made["lineCount"]),
            (&json!(7), &json!(1))
        );
        assert_eq!(made["customer"]["name"], "A B");
        assert_eq!(made["customer"]["tier"], "NONE");
        assert_eq!(made["payment"]["card"], "**** 41");
        assert_eq!(made["lines"][0]["sku"], "X");
    }

    #[test]
    fn an_order_without_its_fields_is_refused() {
        assert!(map_bytes(b"{}", &mut Vec::new()).is_err());
        assert!(map_bytes(b"{", &mut Vec::new()).is_err());
    }
}
