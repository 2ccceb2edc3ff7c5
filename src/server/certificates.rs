//! Certificates of encrypted listeners and of their clients.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, ServerConfig, ServerConnection, SignatureScheme,
};

use super::Serving;
use crate::snapshot::Published;
use crate::tls::{self, Presented};
use crate::view::ListenerId;

/// The ALPN identifier of DNS over TLS (RFC 7858).
const DOT: &[u8] = b"dot";

/// Resolves the certificate of a listener, as of the last reload.
#[derive(Debug)]
pub(super) struct Shown {
    published: Arc<Published>,
    listener: ListenerId,
}

impl Shown {
    pub(super) fn new(serving: &Serving) -> Arc<Self> {
        Arc::new(Self { published: serving.published.clone(), listener: serving.listener })
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.published.load().certificate(self.listener).map(|certificate| certificate.certified_key().clone())
    }
}

/// Verifies client certificates as of the last reload. A client need not present one; one that is unknown is refused, as an
/// unknown key is.
#[derive(Debug)]
struct ClientVerifier {
    published: Arc<Published>,
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for ClientVerifier {
    fn offer_client_auth(&self) -> bool {
        // A client may ask its user to choose a certificate; so none is requested if none is known.
        !self.published.load().identifier().certificates.is_empty()
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let presented = Presented::new(certificate, intermediates).ok_or(CertificateError::BadEncoding)?;
        let snapshot = self.published.load();
        match snapshot.identifier().certificate_shown(&presented, now.as_secs()) {
            Some(_) => Ok(ClientCertVerified::assertion()),
            None => Err(CertificateError::UnknownIssuer.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The certificate that the client of a connection has presented.
pub(super) fn presented(connection: &ServerConnection) -> Option<Presented> {
    let (certificate, intermediates) = connection.peer_certificates()?.split_first()?;
    Presented::new(certificate, intermediates)
}

/// The TLS configuration of DNS over TLS.
pub(super) fn dot_config(serving: &Serving) -> ServerConfig {
    let builder = ServerConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()
        .expect("the provider knows TLS 1.2 and 1.3");
    let verifier = Arc::new(ClientVerifier { published: serving.published.clone(), provider: tls::provider() });
    let mut config = builder.with_client_cert_verifier(verifier).with_cert_resolver(Shown::new(serving));
    config.alpn_protocols = vec![DOT.to_vec()];
    config
}
