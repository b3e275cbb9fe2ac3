//! The HTTP client under the SDK, set up when the first request is made.
//!
//! The SDK's own way sets one up with each service's client, and to read the certificates that the machine
//! trusts takes longer than all else that a start needs. `SSL_CERT_FILE` and `SSL_CERT_DIR` take their place,
//! as they do in OpenSSL.

use std::sync::OnceLock;

use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::shared::IntoShared as _;

/// The client that [`super::connect`] uses.
pub fn client() -> SharedHttpClient {
    WhenNeeded::default().into_shared()
}

#[derive(Debug, Default)]
struct WhenNeeded(OnceLock<SharedHttpClient>);

impl HttpClient for WhenNeeded {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let client = self.0.get_or_init(|| {
            aws_smithy_http_client::Builder::new()
                .tls_provider(Provider::Rustls(CryptoMode::Ring))
                .build_https()
        });
        client.http_connector(settings, components)
    }
}
