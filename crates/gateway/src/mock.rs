//! A server that answers as a contract says, for tests and for work without the other side.
//!
//! Each request is checked as the gateway checks it. The answer is the contract's first success,
//! its body the contract's example, else a value that is generated from the seed and the request:
//! the same request gets the same answer. A field of the answer that a path parameter, or an `id`
//! of the request, has the name of gets its value, where the contract allows it.
//!
//! `Prefer: code=422` (or `status=422`) asks for another of the contract's answers. A request that
//! changes something and bears an `Idempotency-Key` is done once: the same key with the same
//! request gets the first answer again, with `Idempotency-Replayed: true`; the same key with
//! another request gets 422. Answers that were asked for by `Prefer` and are no success are not
//! kept. `GET /__mock/stats` gives [`Stats`] as JSON.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode, header};
use sluice_contracts::contract::Contract;
use sluice_contracts::generate::{Examples, Generator};
use sluice_model::fault::{Fault, FaultCode};
use sluice_model::operation::{HttpOperation, HttpResponse, StatusRange};
use sluice_model::value::{Name, Record, Value};
use sluice_sdk::cx::{Cx, Level};

use crate::answer::encode;
use crate::front::{Destination, REQUEST_ID, RequestIds, find};
use crate::limits::FrontLimits;
use crate::listen::{Listener, Request, Response, Serve};
use crate::mock::keys::{Keys, Seen};
use crate::problem::Problem;
use crate::request::{Checked, Checker};
use crate::route::{Path, Routes, param_names};
use crate::stdx::{fingerprint, lock};

mod keys;
#[cfg(test)]
mod tests;

/// How many `Idempotency-Key`s are remembered; the one used longest ago is forgotten first.
pub const KEYS_MAX: usize = 100_000;

/// The longest `Idempotency-Key`, in bytes.
const KEY_BYTES_MAX: usize = 255;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const PREFER: HeaderName = HeaderName::from_static("prefer");
const STATS_PATH: &str = "/__mock/stats";

/// Where and how a mock serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MockOptions {
    /// The address, `host:port`; port 0 takes a free one.
    pub listen: String,
    /// What generated values derive from.
    pub seed: u64,
    /// The limits of the listener.
    pub limits: FrontLimits,
}

impl Default for MockOptions {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:0".to_owned(),
            seed: 0,
            limits: FrontLimits::default(),
        }
    }
}

/// What a mock has done, so that a test can prove that nothing was done twice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Requests to operations of the contract, whatever came of them.
    pub requests: u64,
    /// Those that were refused: not what the contract says, or a key used for something else.
    pub refused: u64,
    /// Different `Idempotency-Key`s whose request was done. A key that was forgotten and comes
    /// again counts again.
    pub distinct_keys: u64,
    /// Changes that were done: requests that change something and were answered with success, but
    /// not from memory.
    pub effects: u64,
    /// Requests that were answered from memory.
    pub replayed: u64,
}

/// A mock that serves; dropped, it stops.
pub struct MockServer {
    shared: Arc<Shared>,
    listener: Listener,
}

struct Shared {
    routes: Routes<Mocked>,
    seed: u64,
    ids: RequestIds,
    state: Mutex<State>,
    /// The types of the routes refer into it.
    _contract: Arc<Contract>,
}

#[derive(Default)]
struct State {
    stats: Stats,
    keys: Keys,
}

struct Mocked {
    checker: Checker,
    path_params: Vec<Box<str>>,
    answers: Vec<MockAnswer>,
}

/// An answer of the contract, made ready to be generated.
struct MockAnswer {
    status: StatusRange,
    body: Option<(Box<str>, Generator)>,
    headers: Vec<(HeaderName, Generator)>,
}

/// Serves a contract's operations at the root of `options.listen`.
///
/// # Errors
/// If the address cannot be taken.
pub fn serve(contract: Arc<Contract>, options: &MockOptions, cx: &Cx) -> Result<MockServer, Fault> {
    let mut routes = Routes::default();
    for operation in contract.operations() {
        let mocked = Mocked::new(operation, options.limits);
        let added = routes.add("/", &operation.path, &operation.method, Arc::new(mocked));
        if let Err(bad) = added {
            let fields: [(&str, &dyn std::fmt::Display); 2] =
                [("path", &operation.path), ("why", &bad.0)];
            cx.log(Level::Error, "an operation cannot be routed", &fields);
        }
    }
    let shared = Arc::new(Shared {
        routes,
        seed: options.seed,
        ids: RequestIds::new(cx.random()),
        state: Mutex::default(),
        _contract: contract,
    });
    let listener = Listener::start(&options.listen, Arc::clone(&shared), options.limits, cx)?;
    Ok(MockServer { shared, listener })
}

impl MockServer {
    /// Returns the address that is listened on.
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// Returns what it has done so far.
    pub fn stats(&self) -> Stats {
        lock(&self.shared.state).stats.clone()
    }

    /// Stops; see [`crate::front::Front::drain`].
    pub async fn drain(&self, deadline: Duration) -> bool {
        self.listener.drain(deadline).await
    }
}

impl Serve for Shared {
    type Client = ();

    fn connected(&self) {}

    async fn serve(&self, _client: &(), request: Request) -> Response {
        let (id, field) = self.ids.of(request.headers());
        let (head, body) = request.into_parts();
        let mut response = match self.answer(&head, body).await {
            Ok(response) => response,
            Err(problem) => problem.response(&id),
        };
        response.headers_mut().insert(REQUEST_ID, field);
        response
    }
}

impl Shared {
    async fn answer(&self, head: &Parts, body: hyper::body::Incoming) -> Result<Response, Problem> {
        if head.uri.path() == STATS_PATH {
            return Ok(lock(&self.state).stats.response());
        }
        let path = Path::read(head.uri.path()).map_err(Problem::malformed)?;
        let (mocked, params) = match find(&self.routes, head, &path)? {
            Destination::Route(mocked, params) => (mocked, params),
            Destination::Options(response) => return Ok(response),
        };
        lock(&self.state).stats.requests += 1;
        let checked = mocked.checker.check(head, &params, body).await;
        let answered = match checked {
            Ok(checked) => self.do_once(mocked, head, &params, &checked),
            Err(problem) => Err(problem),
        };
        if answered.is_err() {
            lock(&self.state).stats.refused += 1;
        }
        answered
    }

    /// Answers a request, from memory if it was done before.
    fn do_once(
        &self,
        mocked: &Mocked,
        head: &Parts,
        params: &[&str],
        checked: &Checked,
    ) -> Result<Response, Problem> {
        let target = head
            .uri
            .path_and_query()
            .map_or("", |target| target.as_str());
        let method = head.method.as_str().as_bytes();
        let request = fingerprint(&[method, target.as_bytes(), &checked.bytes]);
        let preferred = preferred(head)?;
        let changes = !mocked.checker.operation.safe;
        let key = key_of(head)?.filter(|_| changes);
        let answer = || mocked.answer(preferred, self.seed ^ request, params, checked);
        let Some(key) = key else {
            let stored = answer()?;
            if changes && stored.status.is_success() {
                lock(&self.state).stats.effects += 1;
            }
            return Ok(stored.response());
        };
        // Looking up, answering and keeping are one step: a twin that comes meanwhile waits for it.
        let mut state = lock(&self.state);
        match state.keys.get(key, request) {
            Seen::Same(stored) => {
                state.stats.replayed += 1;
                let mut response = stored.response();
                let replayed = HeaderValue::from_static("true");
                response.headers_mut().insert(REPLAYED, replayed);
                Ok(response)
            }
            Seen::Other => {
                let text = "the `Idempotency-Key` was used for another request";
                let status = StatusCode::UNPROCESSABLE_ENTITY;
                Err(Problem::new(status, FaultCode::CONFLICT, text))
            }
            Seen::Never => {
                let stored = answer()?;
                if stored.status.is_success() {
                    state.stats.effects += 1;
                    state.stats.distinct_keys += 1;
                    state.keys.put(key, request, stored.clone());
                }
                Ok(stored.response())
            }
        }
    }
}

/// An answer that can be given again.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

impl Stored {
    fn response(&self) -> Response {
        let mut response = Response::new(self.body.clone().into());
        *response.status_mut() = self.status;
        response.headers_mut().extend(self.headers.iter().cloned());
        response
    }
}

impl Stats {
    /// Returns the counters as the record that `GET /__mock/stats` answers.
    pub fn to_record(&self) -> Record<'static> {
        let fields = [
            ("requests", self.requests),
            ("refused", self.refused),
            ("distinct_keys", self.distinct_keys),
            ("effects", self.effects),
            ("replayed", self.replayed),
        ];
        let int = |count| Value::Int(i64::try_from(count).unwrap_or(i64::MAX));
        fields
            .into_iter()
            .map(|(name, count)| (Name::new(name), int(count)))
            .collect()
    }

    fn response(&self) -> Response {
        let (bytes, media_type) = encode(&Value::Record(self.to_record()), None);
        let mut response = Response::new(bytes.into());
        let value = HeaderValue::try_from(media_type);
        let value = value.unwrap_or(HeaderValue::from_static("application/json"));
        response.headers_mut().insert(header::CONTENT_TYPE, value);
        response
    }
}

impl Mocked {
    fn new(operation: &Arc<HttpOperation>, limits: FrontLimits) -> Self {
        let names = param_names("/", &operation.path);
        Self {
            checker: Checker::new(operation, &names, limits),
            path_params: names.into_iter().map(Box::from).collect(),
            answers: operation.responses.iter().map(MockAnswer::new).collect(),
        }
    }

    fn answer(
        &self,
        preferred: Option<u16>,
        seed: u64,
        params: &[&str],
        checked: &Checked,
    ) -> Result<Stored, Problem> {
        let operation = &self.checker.operation;
        let number = preferred.unwrap_or_else(|| operation.success().0);
        let status = StatusCode::from_u16(number).ok();
        let status = status.filter(|status| !status.is_informational());
        let declared = operation.response(number).map(|response| response.status);
        let answer = self
            .answers
            .iter()
            .find(|answer| Some(answer.status) == declared);
        let Some(status) = status.filter(|_| answer.is_some() || preferred.is_none()) else {
            let text = format!("the contract has no answer {number} for this operation");
            return Err(Problem::malformed(text));
        };
        let mut headers = Vec::new();
        let mut body = Bytes::new();
        if let Some((media_type, generator)) = answer.and_then(|a| a.body.as_ref()) {
            let value = self.body(generator, seed, params, checked);
            let (bytes, media_type) = encode(&value, Some(media_type));
            body = bytes;
            if let Ok(value) = HeaderValue::try_from(media_type) {
                headers.push((header::CONTENT_TYPE, value));
            }
        }
        for (name, generator) in answer.iter().flat_map(|answer| &answer.headers) {
            let text = text_of(&generator.generate(seed));
            // What cannot be sent as a header field is left out: it is only made up.
            if let Ok(value) = HeaderValue::try_from(text) {
                headers.push((name.clone(), value));
            }
        }
        Ok(Stored {
            status,
            headers,
            body,
        })
    }

    /// Generates a body, and puts what the request told into it.
    fn body(
        &self,
        generator: &Generator,
        seed: u64,
        params: &[&str],
        checked: &Checked,
    ) -> Value<'static> {
        let mut value = generator.generate(seed);
        let Value::Record(record) = &value else {
            return value;
        };
        let mut known: Vec<(String, Value<'static>)> = Vec::new();
        for (key, _) in record.iter() {
            let key = key.as_str();
            let in_path = self.path_params.iter().position(|name| **name == *key);
            let from_path = in_path
                .and_then(|at| params.get(at))
                .and_then(|_| checked.params.get_str(key).cloned());
            let is_id = key == "id" || key.ends_with("Id") || key.ends_with("_id");
            let from_body = || checked.payload.get(key).filter(|_| is_id).cloned();
            if let Some(told) = from_path.or_else(from_body) {
                known.push((key.to_owned(), told));
            }
        }
        for (key, told) in known {
            let mut changed = value.clone();
            if let Value::Record(record) = &mut changed
                && let Some(field) = record.get_str_mut(&key)
            {
                *field = told;
            }
            if generator.validator().is_valid(&changed) {
                value = changed;
            }
        }
        value
    }
}

impl MockAnswer {
    fn new(response: &HttpResponse) -> Self {
        let body = response.body.as_ref().map(|body| {
            let generator = Generator::new(&body.ty, Examples::Prefer);
            (
                Box::from(&*body.media_type),
                generator.with_examples(&body.examples),
            )
        });
        let headers = response.headers.iter().filter_map(|field| {
            let name = HeaderName::try_from(&*field.name).ok()?;
            // The body has its own, and lengths are counted.
            let own = name != header::CONTENT_TYPE && name != header::CONTENT_LENGTH;
            own.then(|| (name, Generator::new(&field.ty, Examples::Prefer)))
        });
        Self {
            status: response.status,
            headers: headers.collect(),
            body,
        }
    }
}

fn text_of(value: &Value<'_>) -> String {
    match value.as_str() {
        Some(text) => text.to_owned(),
        None => sluice_model::json::to_string(value),
    }
}

/// Returns the key of a request that shall be done once.
fn key_of(head: &Parts) -> Result<Option<&str>, Problem> {
    let Some(value) = head.headers.get(IDEMPOTENCY_KEY) else {
        return Ok(None);
    };
    let key = value.to_str().ok();
    let key = key.filter(|key| (1..=KEY_BYTES_MAX).contains(&key.len()));
    let text = format!("the `Idempotency-Key` has to be 1 to {KEY_BYTES_MAX} ASCII characters");
    key.map(Some).ok_or_else(|| Problem::malformed(text))
}

/// Returns the status that `Prefer` (RFC 7240) asks for.
fn preferred(head: &Parts) -> Result<Option<u16>, Problem> {
    for value in head.headers.get_all(PREFER) {
        let parts = value.to_str().unwrap_or("").split([',', ';']);
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            if matches!(name.trim(), "code" | "status") {
                let number = value.trim().trim_matches('"').parse().ok();
                let text = "`Prefer: code=` has to name a status";
                return number.map(Some).ok_or_else(|| Problem::malformed(text));
            }
        }
    }
    Ok(None)
}
