//! The shop's customers: orders over HTTP, on connections that stay open.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How many customers order at the same time.
const CONNECTIONS: u64 = 32;
/// Every so many orders one breaks its contract.
const BROKEN_EVERY: u64 = 500;

/// What was answered.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// Orders that were booked: 201.
    pub booked: AtomicU64,
    /// Orders that break their contract: 422.
    pub refused: AtomicU64,
    /// Any other answer.
    pub other: AtomicU64,
}

impl Answers {
    /// Returns how many orders were answered.
    pub fn done(&self) -> u64 {
        [&self.booked, &self.refused, &self.other]
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
            .sum()
    }
}

/// Returns how many of `total` orders break their contract.
pub(super) fn broken_of(total: u64) -> u64 {
    (0..total).filter(|number| is_broken(*number)).count() as u64
}

fn is_broken(number: u64) -> bool {
    number % BROKEN_EVERY == BROKEN_EVERY / 2
}

/// Places orders until all are answered.
pub(super) async fn place(address: &str, total: u64, answers: Arc<Answers>) -> anyhow::Result<()> {
    let next = Arc::new(AtomicU64::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..CONNECTIONS.min(total.max(1)) {
        let (next, answers) = (Arc::clone(&next), Arc::clone(&answers));
        let address = address.to_owned();
        tasks.spawn(async move { customer(&address, total, &next, &answers).await });
    }
    while let Some(task) = tasks.join_next().await {
        task.context("a customer ended by a defect")??;
    }
    Ok(())
}

async fn customer(
    address: &str,
    total: u64,
    next: &AtomicU64,
    answers: &Answers,
) -> anyhow::Result<()> {
    let stream = TcpStream::connect(address).await;
    let mut stream = stream.with_context(|| format!("cannot connect to `{address}`"))?;
    stream.set_nodelay(true).ok();
    let mut buffer = Vec::with_capacity(8192);
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if total <= number {
            return Ok(());
        }
        let body = order(number);
        let request = format!(
            "POST /shop/v1/orders HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream
            .write_all(request.as_bytes())
            .await
            .context("the order was not sent")?;
        let count = match answer(&mut stream, &mut buffer).await? {
            201 => &answers.booked,
            422 => &answers.refused,
            _ => &answers.other,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// An order of a web customer.
fn order(number: u64) -> String {
    let qty = if is_broken(number) { 0 } else { number % 5 + 1 };
    let customer = number.wrapping_mul(104_729) % 10_000;
    let cents = 199 + number.wrapping_mul(17) % 30_000;
    format!(
        "{{\"id\":\"WEB-{number}\",\"placedAt\":\"2026-10-{:02}T{:02}:15:00Z\",\
         \"currency\":\"EUR\",\
         \"customer\":{{\"id\":\"C-{customer}\",\
         \"name\":\"Customer {customer}\"}},\
         \"lines\":[{{\"sku\":\"sku-{} \",\"qty\":{qty},\"price\":{}.{:02}}},\
         {{\"sku\":\"sku-1\",\"qty\":1,\"price\":4.9}}]}}",
        number % 28 + 1,
        number % 24,
        number % 500,
        cents / 100,
        cents % 100,
    )
}

/// Reads one answer and returns its status.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> anyhow::Result<u16> {
    buffer.clear();
    loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
            let status = head.get(9..12).and_then(|text| text.parse().ok());
            let length = head
                .lines()
                .find_map(|line| {
                    let (name, value) = line.split_once(':')?;
                    name.eq_ignore_ascii_case("content-length")
                        .then(|| value.trim().parse().ok())?
                })
                .unwrap_or(0usize);
            while buffer.len() < end + 4 + length {
                read_more(stream, buffer).await?;
            }
            return status.context("the answer has no status");
        }
        read_more(stream, buffer).await?;
    }
}

async fn read_more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> anyhow::Result<()> {
    let read = stream
        .read_buf(buffer)
        .await
        .context("the answer did not come")?;
    if read == 0 {
        bail!("the connection was closed before the answer");
    }
    Ok(())
}
