//! What encrypted listeners show of themselves.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::Serving;
use crate::snapshot::Published;
use crate::tls;
use crate::view::ListenerId;

/// The name of DNS over TLS as an application protocol (RFC 7858, in IANA's registry of ALPN).
const DOT: &[u8] = b"dot";

/// What a listener shows of itself: what the last reload has read.
#[derive(Debug)]
pub(super) struct Shown {
    published: Arc<Published>,
    listener: ListenerId,
}

impl Shown {
    pub(super) fn new(serving: &Serving) -> Arc<Self> {
        Arc::new(Self { published: serving.published.clone(), listener: serving.admission.listener() })
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.published.load().certificate(self.listener).map(|certificate| certificate.certified_key().clone())
    }
}

/// How a listener for DNS over TLS shakes hands.
pub(super) fn dot_config(serving: &Serving) -> ServerConfig {
    let builder = ServerConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()
        .expect("the provider knows TLS 1.2 and 1.3");
    let mut config = builder.with_no_client_auth().with_cert_resolver(Shown::new(serving));
    config.alpn_protocols = vec![DOT.to_vec()];
    config
}
