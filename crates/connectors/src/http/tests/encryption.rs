//! TLS, with certificates that are made for the test.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use expect_test::expect;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use sluice_sdk::connection::{Call, Connection, Request};
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;

use super::server::{Act, hyper, json as json_answer, scripted};
use super::{call_of, connection, context, operation, show};

/// A certificate authority, and the folder where its certificate lies.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        let folder = TempDir::new().expect("a folder");
        let authority = Self { issuer, folder };
        authority.write("ca.pem", &pem(authority.issuer.der()));
        authority
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).expect("it can be written");
        path.to_str().expect("UTF-8").to_owned()
    }

    fn file(&self) -> String {
        self.folder
            .path()
            .join("ca.pem")
            .to_str()
            .expect("UTF-8")
            .to_owned()
    }

    /// Returns what makes a server of the name `name`.
    fn acceptor(&self, name: &str) -> TlsAcceptor {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("a configuration");
        TlsAcceptor::from(Arc::new(config))
    }
}

fn pem(certificate: &CertificateDer<'_>) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(certificate);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}

#[tokio::test]
async fn a_server_whose_certificate_is_trusted() {
    let (cx, _owner) = context();
    let authority = Authority::new();
    let acceptor = authority.acceptor("localhost");
    let server = hyper(&cx, Some(acceptor), |_| json_answer("\"safe\"")).await;
    let on = connection(json!({
        "url": format!("https://localhost:{}", server.port),
        "tls": { "ca_file": authority.file() },
    }));
    let call = call_of(operation("POST", "/"));
    for _ in 0..3 {
        let result = call.call(&on, Request::default(), &cx).await;
        assert_eq!(show(&result), "200 \"safe\"");
    }
    assert_eq!(server.connections(), 1);
    on.probe(&cx).await.expect("it can be reached");
}

#[tokio::test]
async fn servers_that_are_not_trusted() {
    let (cx, _owner) = context();
    let (authority, other) = (Authority::new(), Authority::new());
    for (acceptor, expected) in [
        (
            other.acceptor("localhost"),
            expect![[r#"
            unreachable [Never, Config]
            the certificate of the called system is not trusted"#]],
        ),
        (
            authority.acceptor("erp.acme.example"),
            expect![[r#"
            unreachable [Never, Config]
            the certificate of the called system is not trusted"#]],
        ),
    ] {
        let server = hyper(&cx, Some(acceptor), |_| json_answer("1")).await;
        let on = connection(json!({
            "url": format!("https://localhost:{}", server.port),
            "tls": { "ca_file": authority.file() },
        }));
        let call = call_of(operation("POST", "/"));
        expected.assert_eq(&show(&call.call(&on, Request::default(), &cx).await));
    }
}

#[tokio::test]
async fn a_server_without_tls() {
    let (cx, _owner) = context();
    let authority = Authority::new();
    let scripts = vec![
        vec![
            Act::Write("HTTP/1.1 400 Bad Request\r\n\r\n".into()),
            Act::Hold,
        ],
        vec![Act::Hold],
        vec![],
    ];
    let server = scripted(&cx, scripts).await;
    let on = connection(json!({
        "url": format!("https://localhost:{}", server.port),
        "tls": { "ca_file": authority.file() },
        "transport": { "connect_timeout": "300ms" },
    }));
    let call = call_of(operation("POST", "/"));
    for expected in [
        expect![[r#"
            unreachable [Never, Upstream]
            the called system does not speak TLS as we do"#]],
        expect![[r#"
            unreachable [Soon, Upstream]
            the called system cannot be reached
            (why: no answer in time)"#]],
        expect![[r#"
            unreachable [Soon, Upstream]
            the called system cannot be reached
            (why: broken while TLS began)"#]],
    ] {
        let result = call.call(&on, Request::default(), &cx);
        let result = cx.timeout(Duration::from_secs(30), result).await;
        expected.assert_eq(&show(&result.expect("the connect timeout holds")));
    }
}

#[tokio::test]
async fn files_of_certificates_that_cannot_be_used() {
    let (cx, _owner) = context();
    let authority = Authority::new();
    let server = hyper(&cx, None, |_| json_answer("1")).await;
    for file in [
        authority.write("empty.pem", ""),
        authority.write(
            "wrong.pem",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ),
        authority.write(
            "key.pem",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        ),
        "absent.pem".to_owned(),
    ] {
        let on = connection(json!({
            "url": format!("https://localhost:{}", server.port),
            "tls": { "ca_file": file },
        }));
        let result = call_of(operation("POST", "/"))
            .call(&on, Request::default(), &cx)
            .await;
        let text = show(&result);
        let expected =
            "io [Never, Config]\nthe file of `tls.ca_file` cannot be used: it has to hold";
        assert!(text.starts_with(expected), "{text}");
    }
}
