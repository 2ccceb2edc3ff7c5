//! Certificates as values: what a server shows of itself, and what tells its clients apart.
//!
//! Who reads the files, and who carries the handshakes, is elsewhere.

mod issue;
mod server;

use std::sync::{Arc, LazyLock};

use domain::utils::base64;
use rustls::crypto::{CryptoProvider, ring};
use sha2::{Digest, Sha256};

pub use issue::{Authority, HostName, IssueError, Issued, NotHostName, Usage};
pub use server::{CertificateError, ServerCertificate};

/// The program's provider of cryptography. It is named wherever one is needed, so that none has to be installed for the
/// whole process.
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(ring::default_provider()));
    PROVIDER.clone()
}

/// The SHA-256 of a public key with its algorithm (`SubjectPublicKeyInfo`), by which certificates are pinned (RFC 7858
/// §4.2): a renewed certificate with the same key has the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKeyHash(pub [u8; 32]);

impl PublicKeyHash {
    /// That of a `SubjectPublicKeyInfo` in DER.
    pub fn of(public_key: &[u8]) -> Self {
        Self(Sha256::digest(public_key).into())
    }
}

impl std::fmt::Display for PublicKeyHash {
    /// In base64, as `kdig +tls-pin` takes it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&base64::encode_string(&self.0))
    }
}
