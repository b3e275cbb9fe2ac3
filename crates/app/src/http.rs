//! The one HTTP client: no redirects, no cookies, no retries, TLS by rustls.
//!
//! Retrying is the engine's to decide, and a bearer that follows a redirect is a bearer given away.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use crate::config::Settings;
use crate::error::{CommandError, Kind};

/// A request that names no other limit ends after this.
const TIMEOUT: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

pub fn client(settings: &Settings) -> Result<reqwest::Client, CommandError> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("fitferry/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TIMEOUT)
        // A machine that slept, and a function between two calls, finds its old connections dead.
        .pool_idle_timeout(IDLE_TIMEOUT)
        .tls_backend_preconfigured(tls()?);
    if settings.endpoints.all_on_loopback() {
        // A proxy is for what leaves this machine, and it would see tokens in the clear.
        builder = builder.no_proxy();
    }
    builder.build().map_err(|error| {
        CommandError::new(
            Kind::Config,
            "cannot set up HTTP",
            "Check `HTTPS_PROXY` and the like; `fitferry config show` shows the rest.",
        )
        .caused_by(error.to_string())
    })
}

fn tls() -> Result<ClientConfig, CommandError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring knows the default versions")
        .with_root_certificates(roots()?)
        .with_no_client_auth();
    Ok(config)
}

/// The bundled roots, or those of `SSL_CERT_FILE`, which takes their place as it does in OpenSSL.
fn roots() -> Result<RootCertStore, CommandError> {
    let mut roots = RootCertStore::empty();
    match std::env::var_os("SSL_CERT_FILE").filter(|path| !path.is_empty()) {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            let path = Path::new(&path);
            let (added, _) = roots.add_parsable_certificates(read_pem(path)?);
            if added == 0 {
                return Err(bad_certificates(path, "no certificate in it can be used"));
            }
        }
    }
    Ok(roots)
}

fn read_pem(path: &Path) -> Result<Vec<CertificateDer<'static>>, CommandError> {
    CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| bad_certificates(path, &error.to_string()))
}

fn bad_certificates(path: &Path, why: &str) -> CommandError {
    CommandError::new(
        Kind::Config,
        format!("cannot use the certificates of {}", path.display()),
        "Let `SSL_CERT_FILE` name a readable PEM file, or unset it; `fitferry config check` then tells the rest.",
    )
    .caused_by(why)
}
