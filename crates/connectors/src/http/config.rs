//! The fields of an HTTP connection, and their check.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use http::Uri;
use http::header::{AUTHORIZATION, HOST, HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;
use sluice_sdk::check::Problem;
use sluice_sdk::config::{ByteSize, Duration, Secret};

use super::Http;
use super::client::{Address, Client};

/// The fields of an HTTP connection.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// Where the server is, and the path before the contract's paths:
    /// `https://erp.acme.example/api`.
    pub url: String,
    /// How we say who we are.
    #[serde(default)]
    pub auth: Option<Auth>,
    /// Header fields that every request has: a text, or a secret.
    #[serde(default)]
    pub headers: BTreeMap<String, Header>,
    /// Whom we trust.
    #[serde(default)]
    pub tls: Tls,
    /// Connections and limits.
    #[serde(default)]
    pub transport: Transport,
}

/// How we say who we are.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Auth {
    /// A user and a password, with each request.
    Basic(Basic),
    /// A token, with each request.
    Bearer(Secret),
    /// A token that is asked for.
    Oauth2(Oauth2),
}

/// A user and a password.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Basic {
    /// The user.
    pub user: String,
    /// The password.
    pub password: Secret,
}

/// How a token is asked for (RFC 6749 section 4.4).
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Oauth2 {
    /// Where tokens are given.
    pub token_url: String,
    /// The client's id.
    pub client_id: String,
    /// The client's secret.
    pub client_secret: Secret,
    /// The scopes that are asked for, with a space between them.
    #[serde(default)]
    pub scope: Option<String>,
}

/// The value of a header field.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Header {
    /// A text.
    Text(String),
    /// A secret.
    Secret(Secret),
}

/// Whom we trust.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// A file of PEM certificates that are trusted in place of the system's.
    pub ca_file: Option<String>,
}

/// Connections and limits.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Transport {
    /// How long it may take to connect, with all of the server's addresses and TLS.
    pub connect_timeout: Duration,
    /// The most connections at once; further requests wait for one.
    pub connections_max: u32,
    /// How long a connection is kept for the next request.
    pub idle_time: Duration,
    /// The largest answer.
    pub body_max: ByteSize,
}

impl Default for Transport {
    fn default() -> Self {
        Self {
            connect_timeout: Duration(std::time::Duration::from_secs(5)),
            connections_max: 64,
            idle_time: Duration(std::time::Duration::from_secs(60)),
            body_max: ByteSize(16 << 20),
        }
    }
}

/// Header fields that belong to the transport: neither a project nor a contract sets them.
pub(super) fn is_framing(name: &HeaderName) -> bool {
    [
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "upgrade",
        "expect",
    ]
    .contains(&name.as_str())
}

/// Makes the connection; `base` is the folder where relative paths start.
pub(super) fn check(config: HttpConfig, base: &Path) -> Result<Http, Vec<Problem>> {
    let mut problems = Vec::new();
    let server = server(&config.url).map_err(|problem| problems.push(problem));
    check_auth(config.auth.as_ref(), &mut problems);
    let headers = headers(config.headers, config.auth.is_some(), &mut problems);
    check_transport(&config.transport, &mut problems);
    let (Ok((address, prefix, host)), true) = (server, problems.is_empty()) else {
        return Err(problems);
    };
    let ca_file = config.tls.ca_file.map(|file| base.join(file));
    Ok(Http {
        client: Client::new(address, ca_file, config.transport),
        prefix,
        host,
        auth: config.auth,
        headers,
        fixed: OnceLock::new(),
    })
}

/// Returns address, path prefix and `Host` of a URL.
fn server(url: &str) -> Result<(Address, String, HeaderValue), Problem> {
    let wrong = |message: String| {
        Problem::new("/url", message).with_help("write `https://HOST[:PORT][/PATH]`")
    };
    if url.contains('#') {
        return Err(wrong(format!("`{url}` has a fragment")));
    }
    let Ok(uri) = url.parse::<Uri>() else {
        return Err(wrong(format!("`{url}` is not a URL")));
    };
    let tls = match uri.scheme_str() {
        Some("http") => false,
        Some("https") => true,
        Some(scheme) => return Err(wrong(format!("`{scheme}` is neither `http` nor `https`"))),
        None => return Err(wrong(format!("`{url}` does not say `http` or `https`"))),
    };
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    if authority.contains('@') {
        // The text is not repeated: it may hold a password.
        return Err(Problem::new("/url", "the URL has a user in it")
            .with_help("write `auth: { basic: { user: ..., password: { secret: ... } } }`"));
    }
    if uri.query().is_some() {
        return Err(wrong(format!("`{url}` has a query")));
    }
    let host = uri.host().unwrap_or_default();
    let port = uri.port().map(|port| port.as_u16());
    let after_host = authority.get(host.len()..).unwrap_or_default();
    if host.is_empty() || (port.is_none() && !after_host.is_empty()) || port == Some(0) {
        return Err(wrong(format!("`{url}` has no valid host and port")));
    }
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let server_name = rustls::pki_types::ServerName::try_from(bare.to_owned())
        .map_err(|_| wrong(format!("`{host}` is not a host name")))?;
    let header = HeaderValue::from_str(authority)
        .map_err(|_| wrong(format!("`{authority}` is not a host")))?;
    let address = Address {
        host: bare.to_owned(),
        port: port.unwrap_or(if tls { 443 } else { 80 }),
        tls: tls.then_some(server_name),
    };
    let prefix = uri.path().trim_end_matches('/').to_owned();
    Ok((address, prefix, header))
}

fn check_auth(auth: Option<&Auth>, problems: &mut Vec<Problem>) {
    match auth {
        None | Some(Auth::Bearer(_)) => {}
        Some(Auth::Basic(basic)) => {
            // RFC 7617 section 2.
            if basic
                .user
                .contains(|char: char| char == ':' || char.is_control())
            {
                problems.push(
                    Problem::new(
                        "/auth/basic/user",
                        "a user has no `:` in basic authentication",
                    )
                    .with_help("write the user without it"),
                );
            }
        }
        Some(Auth::Oauth2(_)) => problems.push(
            Problem::new("/auth/oauth2", "not yet: `oauth2` is not built")
                .with_help("write `basic` or `bearer`"),
        ),
    }
}

fn headers(
    headers: BTreeMap<String, Header>,
    has_auth: bool,
    problems: &mut Vec<Problem>,
) -> Vec<(HeaderName, Header)> {
    let mut found = Vec::with_capacity(headers.len());
    for (text, header) in headers {
        let at = format!("/headers/{}", text.replace('~', "~0").replace('/', "~1"));
        let Ok(name) = HeaderName::from_bytes(text.as_bytes()) else {
            problems.push(
                Problem::new(at, format!("`{text}` is not the name of a header field"))
                    .with_help("a name has letters, digits and `-`"),
            );
            continue;
        };
        if is_framing(&name) {
            let what = if name == HOST { "`url`" } else { "the client" };
            problems.push(
                Problem::new(at, format!("`{text}` is set by {what}")).with_help("leave it out"),
            );
            continue;
        }
        if name == AUTHORIZATION && (has_auth || matches!(header, Header::Text(_))) {
            let message = match has_auth {
                true => "`auth` sets `Authorization` already",
                false => "`Authorization` is a secret",
            };
            let help = "write `auth`, or the header's value as `{ secret: NAME }`";
            problems.push(Problem::new(at, message).with_help(help));
            continue;
        }
        if let Header::Text(value) = &header
            && HeaderValue::from_str(value).is_err()
        {
            problems.push(
                Problem::new(at, format!("the value of `{text}` has a control character"))
                    .with_help("write it on one line"),
            );
            continue;
        }
        if found.iter().any(|(other, _)| *other == name) {
            problems.push(
                Problem::new(at, format!("`{text}` is there twice, in another spelling"))
                    .with_help("upper and lower case are the same in a header's name"),
            );
            continue;
        }
        found.push((name, header));
    }
    found
}

fn check_transport(transport: &Transport, problems: &mut Vec<Problem>) {
    let mut positive = |at: &str, is_zero: bool| {
        if is_zero {
            problems.push(
                Problem::new(format!("/transport/{at}"), format!("`{at}` is zero"))
                    .with_help("write more than zero, or leave it out"),
            );
        }
    };
    positive("connect_timeout", transport.connect_timeout.0.is_zero());
    positive("connections_max", transport.connections_max == 0);
    positive("body_max", transport.body_max.0 == 0);
}
