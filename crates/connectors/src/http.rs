//! The HTTP client: a connection to one server, and the operations of its contract as calls.
//!
//! HTTP/1.1 over TCP or TLS, with connections that are kept and used again. Redirects are not
//! followed, nothing is compressed, no proxy is used.

mod answer;
mod call;
mod client;
mod config;
mod fault;
mod request;
#[cfg(test)]
mod tests;
mod tls;

use std::sync::OnceLock;

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT,
};
use http_body_util::Full;
use sluice_model::fault::{Blame, Fault, FaultCode, Retry};
use sluice_sdk::check::{Check, Problem};
use sluice_sdk::config::{Secret, SecretText};
use sluice_sdk::connection::Connection;
use sluice_sdk::cx::Cx;
use sluice_sdk::registry::{Info, Offers};

pub use call::HttpCall;
pub use config::{Auth, Basic, Header, HttpConfig, Oauth2, Tls, Transport};

use client::Client;

/// A connection to an HTTP server.
pub struct Http {
    client: Client,
    /// The path before each operation's: empty, or begins with `/` and does not end with it.
    prefix: String,
    host: HeaderValue,
    auth: Option<Auth>,
    headers: Vec<(HeaderName, Header)>,
    /// The header fields that every request has; made when the secrets can be read.
    fixed: OnceLock<HeaderMap>,
}

impl Connection for Http {
    const INFO: Info = Info {
        name: "http",
        summary: "Calls the operations of an HTTP API that an OpenAPI contract describes.",
        example: "\
connection: erp
type: http
contract: contracts/erp.openapi.yaml
url: https://erp.acme.example/api
auth: { basic: { user: sluice, password: { secret: erp_password } } }
timeout: 5s
",
    };
    type Config = HttpConfig;

    fn check(config: HttpConfig, cx: &mut dyn Check) -> Result<Self, Vec<Problem>> {
        config::check(config, cx.base())
    }

    async fn probe(&self, cx: &Cx) -> Result<(), Fault> {
        let mut request = http::Request::new(Full::new(Bytes::new()));
        *request.method_mut() = http::Method::HEAD;
        *request.uri_mut() = http::uri::PathAndQuery::try_from(format!("{}/", self.prefix))
            .map_err(|_| Fault::internal("the checked URL has no valid path"))?
            .into();
        *request.headers_mut() = self.fixed(cx)?.clone();
        self.client.probe(request, cx).await
    }

    fn offers(offers: &mut Offers<Self>) {
        offers.call::<HttpCall>();
    }
}

impl Http {
    /// Returns the header fields that every request has.
    ///
    /// # Errors
    /// A secret is missing, or holds what a header field must not.
    fn fixed(&self, cx: &Cx) -> Result<&HeaderMap, Fault> {
        if let Some(fixed) = self.fixed.get() {
            return Ok(fixed);
        }
        let mut fixed = HeaderMap::with_capacity(8 + self.headers.len());
        fixed.insert(HOST, self.host.clone());
        fixed.insert(USER_AGENT, HeaderValue::from_static("sluice"));
        fixed.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        for (name, header) in &self.headers {
            let value = match header {
                Header::Text(text) => HeaderValue::from_str(text)
                    .map_err(|_| Fault::internal("a checked header value is not valid"))?,
                Header::Secret(secret) => sensitive(secret, cx.secret(secret)?.expose())?,
            };
            fixed.insert(name, value);
        }
        if let Some(auth) = &self.auth {
            fixed.insert(AUTHORIZATION, authorization(auth, cx)?);
        }
        Ok(self.fixed.get_or_init(|| fixed))
    }
}

/// Returns the value of `Authorization`: basic (RFC 7617) or bearer (RFC 6750).
fn authorization(auth: &Auth, cx: &Cx) -> Result<HeaderValue, Fault> {
    use base64::Engine as _;
    match auth {
        Auth::Basic(basic) => {
            let password = cx.secret(&basic.password)?;
            // A line break at the end of a secret's file is a usual mistake; base 64 would hide it.
            refuse_control(&basic.password, &password)?;
            let pair = format!("{}:{}", basic.user, password.expose());
            let pair = base64::engine::general_purpose::STANDARD.encode(pair);
            sensitive(&basic.password, &format!("Basic {pair}"))
        }
        Auth::Bearer(token) => {
            let text = cx.secret(token)?;
            sensitive(token, &format!("Bearer {}", text.expose()))
        }
        Auth::Oauth2(_) => Err(Fault::internal("`oauth2` passed the check")),
    }
}

fn refuse_control(secret: &Secret, text: &SecretText) -> Result<(), Fault> {
    match text.expose().contains(|char: char| char.is_control()) {
        true => Err(unfit_secret(secret)),
        false => Ok(()),
    }
}

fn sensitive(secret: &Secret, text: &str) -> Result<HeaderValue, Fault> {
    let mut value = HeaderValue::from_str(text).map_err(|_| unfit_secret(secret))?;
    value.set_sensitive(true);
    Ok(value)
}

fn unfit_secret(secret: &Secret) -> Fault {
    let text = format!(
        "the secret `{}` has a line break or another character that no header field may have",
        secret.secret
    );
    Fault::new(FaultCode::DENIED, Retry::Never, Blame::Config, text)
}
