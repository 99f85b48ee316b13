//! TCP and TLS.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use sluice_model::fault::{Blame, Fault, FaultCode, Retry};
use sluice_sdk::cx::Cx;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::client::Address;

/// A connected stream of bytes.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// What TLS needs: made at the first connection, since it reads files.
#[derive(Default)]
pub(super) struct Trust {
    ca_file: Option<PathBuf>,
    config: tokio::sync::OnceCell<Arc<ClientConfig>>,
}

impl Trust {
    /// Returns the trust in the certificates of `ca_file`, or in the system's.
    pub(super) fn new(ca_file: Option<PathBuf>) -> Self {
        Self {
            ca_file,
            config: tokio::sync::OnceCell::new(),
        }
    }

    async fn config(&self, cx: &Cx) -> Result<Arc<ClientConfig>, Fault> {
        let config = self.config.get_or_try_init(|| async {
            let ca_file = self.ca_file.clone();
            cx.blocking(move || load(ca_file.as_deref())).await?
        });
        config.await.map(Arc::clone)
    }
}

/// Returns the configuration of TLS, with the certificates that are trusted.
fn load(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, Fault> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(file) => {
            let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(file)
                .and_then(Iterator::collect)
                .map_err(|error| unusable_ca_file(file).with_source(error))?;
            for certificate in certificates {
                roots
                    .add(certificate)
                    .map_err(|error| unusable_ca_file(file).with_source(error))?;
            }
            if roots.is_empty() {
                return Err(unusable_ca_file(file).with_context("found", "no certificate"));
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
            if roots.is_empty() {
                let text = "the system has no trusted certificates: install them, or set \
                            `tls.ca_file`";
                let mut fault = Fault::new(FaultCode::IO, Retry::Never, Blame::Config, text);
                for error in found.errors {
                    fault = fault.with_context("error", error.to_string());
                }
                return Err(fault);
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Fault::internal("TLS cannot be set up").with_source(error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn unusable_ca_file(file: &Path) -> Fault {
    let text = "the file of `tls.ca_file` cannot be used: it has to hold PEM certificates";
    Fault::new(FaultCode::IO, Retry::Never, Blame::Config, text)
        .with_context("file", file.display().to_string())
}

/// Connects to the first address that answers, and speaks TLS there where it is asked for. The time
/// is bounded by the caller; each address but the last may take its share of it.
pub(super) async fn connect(
    address: &Address,
    trust: &Trust,
    timeout: std::time::Duration,
    cx: &Cx,
) -> Result<Box<dyn Stream>, Fault> {
    let found = tokio::net::lookup_host((address.host.as_str(), address.port)).await;
    let found: Vec<SocketAddr> = found
        .map_err(|error| unreachable(address, "the name cannot be looked up").with_source(error))?
        .collect();
    let share = timeout / u32::try_from(found.len().max(1)).unwrap_or(u32::MAX);
    let mut last = None;
    for socket in found {
        match cx.timeout(share, TcpStream::connect(socket)).await {
            Some(Ok(stream)) => return secure(address, trust, stream, cx).await,
            Some(Err(error)) => {
                last = Some(unreachable(address, "no connection").with_source(error))
            }
            None => last = Some(unreachable(address, "no answer in time")),
        }
    }
    Err(last.unwrap_or_else(|| unreachable(address, "the name has no address")))
}

async fn secure(
    address: &Address,
    trust: &Trust,
    stream: TcpStream,
    cx: &Cx,
) -> Result<Box<dyn Stream>, Fault> {
    // Requests are written at once; what fails here fails on the first write too.
    let _ = stream.set_nodelay(true);
    let Some(name) = &address.tls else {
        return Ok(Box::new(stream));
    };
    let connector = tokio_rustls::TlsConnector::from(trust.config(cx).await?);
    match connector.connect(name.clone(), stream).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => Err(handshake_fault(address, error)),
    }
}

fn handshake_fault(address: &Address, error: io::Error) -> Fault {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    let fault = match inner {
        Some(rustls::Error::InvalidCertificate(_)) => Fault::new(
            FaultCode::UNREACHABLE,
            Retry::Never,
            Blame::Config,
            "the certificate of the called system is not trusted",
        ),
        Some(_) => Fault::new(
            FaultCode::UNREACHABLE,
            Retry::Never,
            Blame::Upstream,
            "the called system does not speak TLS as we do",
        ),
        None => return unreachable(address, "broken while TLS began").with_source(error),
    };
    fault
        .with_context("address", address.to_string())
        .with_source(error)
}

/// Returns the fault of a server that cannot be reached; nothing was sent.
pub(super) fn unreachable(address: &Address, why: &'static str) -> Fault {
    Fault::new(
        FaultCode::UNREACHABLE,
        Retry::Soon,
        Blame::Upstream,
        "the called system cannot be reached",
    )
    .with_context("address", address.to_string())
    .with_context("why", why)
}
