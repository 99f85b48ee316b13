//! The front of a release: its APIs on one listener, each operation handed to its flow.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, RwLock};
use std::time::Duration;

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use sluice_compiler::release::Api;
use sluice_contracts::contract::Contract;
use sluice_model::fault::{Blame, Fault, FaultCode, Retry};
use sluice_model::ids::ApiName;
use sluice_model::operation::HttpOperation;
use sluice_model::value::{Name, Record, Text, Value};
use sluice_sdk::connection::{DynSource, Reply};
use sluice_sdk::cx::{Cx, Level};

use crate::answer;
use crate::limits::FrontLimits;
use crate::listen::{Listener, Request, Response, Serve};
use crate::port::{ApiSource, Port, message};
use crate::problem::Problem;
use crate::request::Checker;
use crate::route::{Found, Path, Routes, param_names};
use crate::stdx::{lock, mix};

#[cfg(test)]
mod tests;

/// The header field that names a request, both ways.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest request id that is taken from a client, in bytes.
const REQUEST_ID_MAX: usize = 128;

/// The HTTP front of a release.
///
/// It listens from the moment it is bound; before [`Front::install`] every path is answered 404.
/// Dropped, it cuts all connections; [`Front::drain`] lets them finish.
pub struct Front {
    shared: Arc<Shared>,
    listener: Listener,
}

type PortKey = (ApiName, Arc<str>);

struct Shared {
    cx: Cx,
    limits: FrontLimits,
    routes: Snapshot<Routes<Route>>,
    /// The ports by API and operation; they outlive a change of routes, so that nothing that waits
    /// is lost by it.
    ports: Mutex<BTreeMap<PortKey, Arc<Port>>>,
    ids: RequestIds,
}

/// An operation at its place.
#[derive(Debug)]
struct Route {
    checker: Checker,
    /// Where its requests wait; `None` if no flow serves it.
    port: Option<Arc<Port>>,
    /// Types of a contract hold references into it weakly: it has to live as long as they are used.
    _contract: Arc<Contract>,
}

impl Front {
    /// Takes the address `host:port` (port 0: a free one) and listens. Needs a tokio runtime.
    ///
    /// # Errors
    /// If the address cannot be taken.
    pub fn bind(addr: &str, limits: FrontLimits, cx: &Cx) -> Result<Self, Fault> {
        let shared = Arc::new(Shared {
            cx: cx.clone(),
            limits,
            routes: Snapshot::default(),
            ports: Mutex::default(),
            ids: RequestIds::new(cx.random()),
        });
        let listener = Listener::start(addr, Arc::clone(&shared), limits, cx)?;
        Ok(Self { shared, listener })
    }

    /// Returns the address that is listened on.
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// Replaces all routes at once: each request is served by the old ones or the new ones.
    ///
    /// Operations that no flow serves are answered 501. A path that cannot be routed (two
    /// parameters in one segment) is left out and logged.
    pub fn install(&self, apis: &BTreeMap<ApiName, Arc<Api>>) {
        let mut routes = Routes::default();
        let mut ports = lock(&self.shared.ports);
        let old = std::mem::take(&mut *ports);
        for api in apis.values() {
            self.shared.add(api, &old, &mut ports, &mut routes);
        }
        drop(ports);
        self.shared.routes.replace(Arc::new(routes));
    }

    /// Returns the source of an operation's requests, which its flow reads.
    ///
    /// # Errors
    /// If no API of that name with that operation is installed, or no flow serves it.
    pub fn api_source(
        &self,
        api: &ApiName,
        operation: &Arc<HttpOperation>,
    ) -> Result<Box<dyn DynSource>, Fault> {
        let key = (api.clone(), Arc::clone(&operation.id));
        let port = lock(&self.shared.ports).get(&key).cloned();
        let Some(port) = port else {
            let text = format!("nothing listens for `{api}#{}`", operation.id);
            let fault = Fault::new(FaultCode::NOT_FOUND, Retry::Never, Blame::Config, text);
            return Err(fault);
        };
        Ok(Box::new(ApiSource::new(port, Arc::clone(operation))))
    }

    /// Accepts no further connection or request, lets what is under way be answered, and cuts what
    /// is not by `deadline`. Returns whether nothing was cut.
    ///
    /// The flows have to go on meanwhile: they are drained after the front.
    pub async fn drain(&self, deadline: Duration) -> bool {
        self.listener.drain(deadline).await
    }
}

impl Shared {
    fn add(
        &self,
        api: &Api,
        old: &BTreeMap<PortKey, Arc<Port>>,
        ports: &mut BTreeMap<PortKey, Arc<Port>>,
        routes: &mut Routes<Route>,
    ) {
        for served in &api.operations {
            let operation = &served.operation;
            let port = served.flow.as_ref().map(|_| {
                let key = (api.name.clone(), Arc::clone(&operation.id));
                let port = old.get(&key).cloned();
                let port =
                    port.unwrap_or_else(|| Arc::new(Port::new(self.limits.requests_waiting)));
                ports.insert(key, Arc::clone(&port));
                port
            });
            let names = param_names(&api.path, &operation.path);
            let route = Route {
                checker: Checker::new(operation, &names, self.limits),
                port,
                _contract: Arc::clone(&api.contract),
            };
            let added = routes.add(
                &api.path,
                &operation.path,
                &operation.method,
                Arc::new(route),
            );
            if let Err(bad) = added {
                let fields: [(&str, &dyn std::fmt::Display); 3] = [
                    ("api", &api.name),
                    ("path", &operation.path),
                    ("why", &bad.0),
                ];
                self.cx
                    .log(Level::Error, "an operation cannot be routed", &fields);
            }
        }
    }

    async fn answer(
        &self,
        view: &View<Routes<Route>>,
        request: Request,
        id: &Text<'static>,
    ) -> Result<Response, Problem> {
        let (head, body) = request.into_parts();
        let path = Path::read(head.uri.path()).map_err(Problem::malformed)?;
        let routes = view.get(&self.routes);
        let (route, params) = match find(&routes, &head, &path)? {
            Destination::Route(route, params) => (route, params),
            Destination::Options(response) => return Ok(response),
        };
        let Some(port) = &route.port else {
            let text = "no flow serves this operation";
            let status = StatusCode::NOT_IMPLEMENTED;
            return Err(Problem::new(status, "not_implemented", text));
        };
        let checked = route.checker.check(&head, &params, body).await?;
        let message = message(checked, id.clone(), meta(&head, id), &self.cx);
        match port.ask(message, self.limits.answer_time, &self.cx).await? {
            Reply::Answer(answer) => {
                answer::response(&route.checker.operation, answer).map_err(|fault| {
                    let operation = &route.checker.operation.id;
                    let fields: [(&str, &dyn std::fmt::Display); 3] = [
                        ("operation", operation),
                        ("request", id),
                        ("fault", &fault.private()),
                    ];
                    self.cx
                        .log(Level::Error, "an answer could not be sent", &fields);
                    Problem::internal()
                })
            }
            Reply::Fault(fault) => Err(Problem::of_fault(&fault)),
        }
    }
}

impl Serve for Shared {
    type Client = View<Routes<Route>>;

    fn connected(&self) -> Self::Client {
        View::new(&self.routes)
    }

    async fn serve(&self, client: &Self::Client, request: Request) -> Response {
        let (id, field) = self.ids.of(request.headers());
        let answered = self.answer(client, request, &id).await;
        let mut response = answered.unwrap_or_else(|problem| problem.response(&id));
        response.headers_mut().insert(REQUEST_ID, field);
        response
    }
}

/// Where a request goes.
pub(crate) enum Destination<'r, 'p, T> {
    Route(&'r Arc<T>, Vec<&'p str>),
    /// An answer to `OPTIONS`, which no contract has to have.
    Options(Response),
}

/// Looks a request up.
///
/// # Errors
/// 404, or 405 with `Allow`.
pub(crate) fn find<'r, 'p, T>(
    routes: &'r Routes<T>,
    head: &Parts,
    path: &'p Path<'_>,
) -> Result<Destination<'r, 'p, T>, Problem> {
    match routes.find(head.method.as_str(), path) {
        Found::Route(route, params) => Ok(Destination::Route(route, params)),
        Found::Nothing => {
            let text = format!("there is nothing at `{}`", head.uri.path());
            let status = StatusCode::NOT_FOUND;
            Err(Problem::new(status, FaultCode::NOT_FOUND, text))
        }
        Found::OtherMethods(allow) if head.method == Method::OPTIONS => {
            let mut response = Response::default();
            *response.status_mut() = StatusCode::NO_CONTENT;
            response.headers_mut().insert(header::ALLOW, allow);
            Ok(Destination::Options(response))
        }
        Found::OtherMethods(allow) => {
            let text = format!("`{}` is not possible here", head.method);
            let status = StatusCode::METHOD_NOT_ALLOWED;
            let problem = Problem::new(status, "method_not_allowed", text);
            Err(problem.with_header(header::ALLOW, allow))
        }
    }
}

/// Header fields that are secrets: no flow is given them, so that no record keeps them.
const SECRET_FIELDS: [HeaderName; 3] = [
    header::AUTHORIZATION,
    header::PROXY_AUTHORIZATION,
    header::COOKIE,
];

/// Returns what `$meta` gives: the request's id, method, path, and header fields by their names in
/// small letters; of a field that is there several times the values, separated by commas.
fn meta(head: &Parts, id: &Text<'static>) -> Record<'static> {
    let mut headers: Record<'static> = Record::with_capacity(head.headers.keys_len());
    for name in head.headers.keys() {
        if SECRET_FIELDS.contains(name) {
            continue;
        }
        let mut values = head.headers.get_all(name).iter();
        let first = values.next().map_or("".into(), text_of);
        let value = values.fold(first, |sum, next| {
            format!("{sum}, {}", text_of(next)).into()
        });
        headers.push(Text::from(name.as_str()), Value::Text(Text::from(&*value)));
    }
    static NAMES: LazyLock<[Name; 4]> =
        LazyLock::new(|| ["request", "method", "path", "headers"].map(Name::new));
    let values = [
        Value::Text(id.clone()),
        Value::Text(Text::from(head.method.as_str())),
        Value::Text(Text::from(head.uri.path())),
        Value::Record(headers),
    ];
    NAMES.iter().copied().zip(values).collect()
}

fn text_of(value: &HeaderValue) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}

/// Gives each request its id: the client's, if it is sane, else a fresh one.
pub(crate) struct RequestIds {
    seed: u64,
    next: AtomicU64,
}

impl RequestIds {
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            next: AtomicU64::new(0),
        }
    }

    /// Returns the id, and the header field to answer it with.
    pub fn of(&self, headers: &HeaderMap) -> (Text<'static>, HeaderValue) {
        let sane = |value: &&HeaderValue| {
            let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._".contains(byte);
            let length = value.as_bytes().len();
            (1..=REQUEST_ID_MAX).contains(&length) && value.as_bytes().iter().all(plain)
        };
        let sent = headers.get(REQUEST_ID).filter(sane);
        if let Some((value, text)) = sent.and_then(|value| Some((value, value.to_str().ok()?))) {
            return (Text::from(text), value.clone());
        }
        // One to one: no two requests of a process have the same id.
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        let text = format!("{:016x}", mix(self.seed.wrapping_add(count)));
        let value = HeaderValue::try_from(text.as_str());
        let value = value.unwrap_or(HeaderValue::from_static("-"));
        (Text::from(text), value)
    }
}

/// Something that is replaced as a whole, and read far more often.
struct Snapshot<T> {
    version: AtomicU64,
    current: RwLock<Arc<T>>,
}

impl<T: Default> Default for Snapshot<T> {
    fn default() -> Self {
        Self {
            version: AtomicU64::new(0),
            current: RwLock::default(),
        }
    }
}

impl<T> Snapshot<T> {
    fn replace(&self, value: Arc<T>) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        *current = value;
        self.version.fetch_add(1, Ordering::Release);
    }

    fn load(&self) -> (u64, Arc<T>) {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        (self.version.load(Ordering::Acquire), Arc::clone(&current))
    }
}

/// One connection's view of a [`Snapshot`]: readers share nothing that is written, until there is
/// something new.
struct View<T>(Mutex<(u64, Arc<T>)>);

impl<T> View<T> {
    fn new(of: &Snapshot<T>) -> Self {
        Self(Mutex::new(of.load()))
    }

    fn get(&self, of: &Snapshot<T>) -> Arc<T> {
        let mut own = lock(&self.0);
        if own.0 != of.version.load(Ordering::Acquire) {
            *own = of.load();
        }
        Arc::clone(&own.1)
    }
}
