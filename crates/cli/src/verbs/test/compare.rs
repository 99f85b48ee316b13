//! What a case expects, held against what came.

use std::sync::Arc;

use sluice_compiler::testcase::TestCase;
use sluice_engine::Trial;
use sluice_model::json;
use sluice_model::value::Value;
use sluice_store::run::Outcome;

use crate::verbs::test::Effects;
use crate::verbs::test::outside::Effect;

/// Returns what did not hold, one text each.
pub(crate) fn failures(case: &TestCase, trials: &[Trial], effects: &Effects) -> Vec<String> {
    let mut failures = Vec::new();
    let expect = &case.expect;
    let fault = trials.iter().find_map(|trial| trial.fault.as_ref());
    match (&expect.fault, fault) {
        (Some(code), Some((fault, _))) if **code == *fault.code().0 => {}
        (Some(code), Some((fault, step))) => {
            let at = step
                .as_ref()
                .map_or(String::new(), |step| format!(" at step `{step}`"));
            failures.push(format!(
                "expected the fault `{code}`, got {}{at}",
                fault.private()
            ));
        }
        (Some(code), None) => {
            failures.push(format!(
                "expected the fault `{code}`, but the flow did not fail"
            ));
        }
        (None, Some((fault, step))) if expect.reply.is_none() || status_of(trials).is_none() => {
            let at = step
                .as_ref()
                .map_or(String::new(), |step| format!(" at step `{step}`"));
            failures.push(format!("the flow failed{at}: {}", fault.private()));
        }
        (None, _) => {}
    }
    if let Some((status, body)) = &expect.reply {
        reply(trials, *status, body.as_ref(), &mut failures);
    }
    if let Some(expected) = &expect.effects {
        all_effects(expected, effects, &mut failures);
    }
    if let Some(expected) = &expect.including {
        some_effects(expected, effects, &mut failures);
    }
    if let Some(expected) = expect.dead_letters {
        let found = trials
            .iter()
            .filter(|t| t.outcome == Outcome::DeadLettered)
            .count() as u64;
        if found != expected {
            failures.push(format!("expected {expected} dead letters, found {found}"));
        }
    }
    failures
}

/// The status that a caller sees.
fn status_of(trials: &[Trial]) -> Option<u16> {
    trials
        .iter()
        .find_map(|trial| match (&trial.answer, &trial.fault) {
            (Some(answer), _) => Some(answer.status.unwrap_or(200)),
            (None, Some((fault, _))) => fault.status(),
            (None, None) => None,
        })
}

fn reply(
    trials: &[Trial],
    status: Option<u16>,
    body: Option<&Value<'static>>,
    failures: &mut Vec<String>,
) {
    let answer = trials.iter().find_map(|trial| trial.answer.as_ref());
    let fault = trials.iter().find_map(|trial| trial.fault.as_ref());
    let found = answer.and_then(|answer| answer.status);
    let found = found.or_else(|| fault.and_then(|(fault, _)| fault.status()));
    if answer.is_none() && fault.is_none() {
        failures.push("expected a reply, but the flow gave none".to_owned());
        return;
    }
    if let (Some(expected), Some(found)) = (status, found)
        && expected != found
    {
        failures.push(format!("expected the status {expected}, got {found}"));
    }
    if let Some(expected) = body {
        let found = answer
            .and_then(|answer| answer.body.clone())
            .unwrap_or(Value::Null);
        if let Some(difference) = difference(expected, &found) {
            failures.push(format!("the reply's body differs{difference}"));
        }
    }
}

/// All effects, in order for each connection.
fn all_effects(
    expected: &[(Arc<str>, Value<'static>)],
    effects: &Effects,
    failures: &mut Vec<String>,
) {
    let connection = |reference: &str| reference.split('#').next().unwrap_or("").to_owned();
    let mut names: Vec<String> = expected
        .iter()
        .map(|(reference, _)| connection(reference))
        .chain(effects.iter().map(|effect| connection(&effect.reference)))
        .collect();
    names.sort();
    names.dedup();
    for name in names {
        let wanted: Vec<_> = expected
            .iter()
            .filter(|(reference, _)| connection(reference) == name)
            .collect();
        let found: Vec<&Effect> = effects
            .iter()
            .filter(|effect| connection(&effect.reference) == name)
            .collect();
        for (number, (reference, value)) in wanted.iter().enumerate() {
            match found.get(number) {
                None => failures.push(format!(
                    "expected the effect `{reference}` {}, but it did not happen",
                    json::to_string(value)
                )),
                Some(effect) if effect.reference != *reference => failures.push(format!(
                    "expected the effect `{reference}`, got `{}` {}",
                    effect.reference,
                    json::to_string(&effect.value)
                )),
                Some(effect) => {
                    if let Some(difference) = difference(value, &effect.value) {
                        failures.push(format!("the effect `{reference}` differs{difference}"));
                    }
                }
            }
        }
        for effect in found.iter().skip(wanted.len()) {
            failures.push(format!(
                "unexpected effect `{}` {}",
                effect.reference,
                json::to_string(&effect.value)
            ));
        }
    }
}

/// Some effects, in order, others between them.
fn some_effects(
    expected: &[(Arc<str>, Value<'static>)],
    effects: &Effects,
    failures: &mut Vec<String>,
) {
    let mut rest = effects.iter();
    for (reference, value) in expected {
        let fits = |effect: &&Effect| {
            effect.reference == *reference && difference(value, &effect.value).is_none()
        };
        if !rest.any(|effect| fits(&effect)) {
            failures.push(format!(
                "expected the effect `{reference}` {}, but it did not happen",
                json::to_string(value)
            ));
            return;
        }
    }
}

/// Returns where a value differs from what is expected; records match as a subset.
fn difference(expected: &Value<'_>, found: &Value<'_>) -> Option<String> {
    let mut lines = Vec::new();
    differences("", expected, found, &mut lines);
    (!lines.is_empty()).then(|| format!(":\n{}", lines.join("\n")))
}

/// How many differences of one value are told.
const TOLD_MAX: usize = 20;

fn differences(at: &str, expected: &Value<'_>, found: &Value<'_>, lines: &mut Vec<String>) {
    if TOLD_MAX <= lines.len() {
        return;
    }
    match (expected, found) {
        (Value::Record(wanted), Value::Record(record)) => {
            for (key, value) in wanted {
                let place = format!("{at}/{}", key.as_str());
                match record.get_str(key.as_str()) {
                    Some(own) => differences(&place, value, own, lines),
                    None if *value == Value::Null => {}
                    None => lines.push(told(&place, Some(value), None)),
                }
            }
        }
        (Value::List(wanted), Value::List(items)) => {
            for index in 0..wanted.len().max(items.len()) {
                let place = format!("{at}/{index}");
                match (wanted.get(index), items.get(index)) {
                    (Some(value), Some(own)) => differences(&place, value, own, lines),
                    (value, own) => lines.push(told(&place, value, own)),
                }
            }
        }
        (expected, found) if expected == found => {}
        (expected, found) => lines.push(told(at, Some(expected), Some(found))),
    }
}

fn told(at: &str, expected: Option<&Value<'_>>, found: Option<&Value<'_>>) -> String {
    let text = |value: Option<&Value<'_>>| value.map_or("nothing".to_owned(), json::to_string);
    let place = if at.is_empty() { "the whole" } else { at };
    format!(
        "      {place}\n        - {}\n        + {}",
        text(expected),
        text(found)
    )
}
