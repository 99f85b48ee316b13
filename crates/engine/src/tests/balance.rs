//! Whatever flows do and whatever fails: each message has exactly one outcome.

use std::sync::atomic::Ordering;

use sluice_model::fault::{Blame, Fault, FaultCode, Retry};
use sluice_model::value::Value;

use crate::Limits;
use crate::tests::bench::{Bench, DRAIN};
use crate::tests::world::{Answered, Given, Item, Wrote, value};

/// How many random flows are tried.
const SEEDS: u64 = 24;

/// SplitMix64: the whole test follows from its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % limit
    }

    fn once_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}

fn indented(text: &str, by: usize) -> String {
    let pad = " ".repeat(by);
    text.lines().map(|line| format!("{pad}{line}\n")).collect()
}

/// Returns some steps, at most so deep.
fn steps(random: &mut Random, depth: u64) -> String {
    let mut all = String::new();
    for _ in 0..=random.below(3) {
        let kinds = if depth == 0 { 7 } else { 12 };
        let deeper = |random: &mut Random, by| indented(&steps(random, depth - 1), by);
        all.push_str(&match random.below(kinds) {
            0 => "- filter: n % 7 != 3\n".to_owned(),
            1 => "- log: at {n}\n  when: n % 2 = 0\n".to_owned(),
            2 => "- call: world#putIt\n  retry: { attempts: 2, backoff: 1ms, max: 1ms }\n".to_owned(),
            3 => "- write: world#rows\n".to_owned(),
            4 => "- write: world#upserts\n  retry: { attempts: 2, backoff: 1ms, max: 1ms }\n"
                .to_owned(),
            5 => "- fail: broken\n  when: n % 11 = 5\n".to_owned(),
            6 => "- compute: { n: n, key: key, id: id, items: items }\n".to_owned(),
            7 => format!(
                "- choose:\n    - when: n % 3 = 0\n      steps:\n{}    - otherwise:\n{}",
                deeper(random, 8),
                deeper(random, 8)
            ),
            8 => format!(
                "- try:\n{}  catch:\n    - steps:\n{}",
                deeper(random, 4),
                deeper(random, 8)
            ),
            9 => "- split: items\n  steps:\n    - write: world#items\n    - fail: broken\n      when: bad = true\n"
                .to_owned(),
            10 => "- run: inner\n".to_owned(),
            _ => "- stop:\n  when: n % 13 = 12\n".to_owned(),
        });
    }
    all
}

const INNER: &str = "
flow: inner
from: { caller: contracts/any.schema.json#Any }
steps:
  - filter: n % 5 != 1
  - fail: inside
    when: n % 17 = 4
  - write: world#inner
";

fn flow(random: &mut Random) -> String {
    let ordered = match random.once_in(3) {
        true => ", ordered_by: key",
        false => "",
    };
    let dedupe = match random.once_in(2) {
        true => "  - dedupe: id\n    for: 1h\n",
        false => "",
    };
    let keys = match random.once_in(2) {
        true => "keys: { id: id }\n",
        false => "",
    };
    let on_failure = match random.once_in(3) {
        true => "on_failure:\n  - write: world#alarms\n",
        false => "",
    };
    let record = ["all", "failures", "none"][random.below(3) as usize];
    format!(
        "\nflow: outer\nfrom: {{ feed: world#in{ordered} }}\nrecord: {record}\n{keys}steps:\n{dedupe}{}{on_failure}",
        indented(&steps(random, 2), 2)
    )
}

fn deliveries(random: &mut Random) -> Vec<Given> {
    let position = random.once_in(2);
    let mut n = 0;
    (0..8 + random.below(8))
        .map(|_| {
            let payloads = (0..1 + random.below(12)).map(|_| {
                n += 1;
                if random.once_in(30) {
                    return Item::Unread(format!("raw {n}").into_bytes());
                }
                let items: Vec<String> = (0..random.below(4))
                    .map(|item| format!("{{ item: {item}, bad: {} }}", random.once_in(20)))
                    .collect();
                // Some ids come twice.
                let id = n - u64::from(random.once_in(10));
                Item::Value(value(&format!(
                    "{{ n: {n}, id: {id}, key: {}, items: [{}] }}",
                    n % 4,
                    items.join(", ")
                )))
            });
            Given {
                payloads: payloads.collect(),
                position,
                ..Given::default()
            }
        })
        .collect()
}

fn wrong(random: &mut Random) -> Fault {
    match random.below(3) {
        0 => Fault::new(FaultCode::UNREACHABLE, Retry::Soon, Blame::Upstream, "down"),
        1 => Fault::new(FaultCode::UNKNOWN, Retry::Never, Blame::Upstream, "cut"),
        _ => Fault::invalid("wrong"),
    }
}

fn script(bench: &Bench, seed: u64) {
    for (number, sink) in ["rows", "upserts", "items", "inner", "alarms"]
        .iter()
        .enumerate()
    {
        let mut random = Random(seed + number as u64);
        bench
            .world
            .on_write(sink, move |rows, _| match random.below(12) {
                0 => Wrote::All(wrong(&mut random)),
                1 => Wrote::Panic,
                2 | 3 => Wrote::Rows(vec![(
                    random.below(rows.len() as u64) as usize,
                    wrong(&mut random),
                )]),
                _ => Wrote::Ok,
            });
    }
    let mut random = Random(seed + 100);
    let store = bench.store.clone();
    bench.world.on_call("putIt", move |_, _| {
        if random.once_in(60) {
            store.failing.store(1, Ordering::Release);
        }
        match random.below(10) {
            0 => Answered::Panic,
            1 => Answered::Fault(wrong(&mut random)),
            2 => Answered::Late(std::time::Duration::from_millis(1), Value::Null),
            _ => Answered::Value(Value::Null),
        }
    });
}

async fn one(seed: u64) {
    let mut random = Random(seed);
    let flow = flow(&mut random);
    let bench = Bench::new(&[&flow, INNER]);
    script(&bench, seed);
    bench.fail_commits(random.below(3) as usize);
    let given = deliveries(&mut random);
    let messages: usize = given.iter().map(|given| given.payloads.len()).sum();
    let count = given.len();
    bench.world.feed("in", given);
    let limits = Limits {
        deliveries: 1 + random.below(8) as u32,
        requests: 8,
    };
    let running = bench.start_with(limits);
    bench.acked("in", count).await;
    running.drain(DRAIN).await;
    let said = format!("seed {seed}:{flow}");
    let mut acked: Vec<usize> = bench
        .world
        .settled("in")
        .iter()
        .filter(|own| own.1)
        .map(|own| own.0)
        .collect();
    acked.sort_unstable();
    assert_eq!(
        acked,
        (0..count).collect::<Vec<_>>(),
        "each is acknowledged once; {said}"
    );
    let counts = bench.counts("outer").await;
    assert_eq!(counts.received, messages as u64, "each counts once; {said}");
    let letters = bench.dead_letters().await.len() as u64;
    assert_eq!(
        counts.dead_lettered, letters,
        "each dead letter is there; {said}"
    );
    bench.counts("inner").await;
}

#[test]
fn every_message_has_one_outcome() {
    for seed in 0..SEEDS {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime can be built");
        runtime.block_on(one(seed));
    }
}
