//! Certificates as values: server certificates, and the recognition of clients.
//!
//! Reading files and performing handshakes are done elsewhere.

mod client;
mod host;
mod issue;
mod server;

use std::sync::{Arc, LazyLock};

use domain::utils::base64;
use rustls::crypto::{CryptoProvider, ring};
use sha2::{Digest, Sha256};

pub use client::{ClientProof, Presented};
pub use host::{HostName, NotHostName};
pub use issue::{Authority, IssueError, Issued, Usage};
pub use server::{CertificateError, ServerCertificate};

/// The program's cryptography provider. It is passed wherever one is needed, so that none has to be installed for the whole
/// process.
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(ring::default_provider()));
    PROVIDER.clone()
}

/// The SHA-256 of a public key with its algorithm (`SubjectPublicKeyInfo`), by which certificates are pinned (RFC 7858 §4.2): a
/// renewed certificate with the same key has the same hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKeyHash(pub [u8; 32]);

impl PublicKeyHash {
    /// The hash of a `SubjectPublicKeyInfo` in DER.
    pub fn of(public_key: &[u8]) -> Self {
        Self(Sha256::digest(public_key).into())
    }
}

impl std::str::FromStr for PublicKeyHash {
    type Err = NotPublicKeyHash;

    /// Parses base64, or 64 hexadecimal digits with or without colons, the two forms that programs print.
    fn from_str(text: &str) -> Result<Self, NotPublicKeyHash> {
        let digits: String = text.chars().filter(|digit| *digit != ':').collect();
        let octets = match digits.len() == 64 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            true => {
                (0..32).map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16)).collect::<Result<_, _>>().ok()
            }
            false => base64::decode::<Vec<u8>>(text).ok(),
        };
        octets.and_then(|octets| octets.try_into().ok()).map(Self).ok_or(NotPublicKeyHash)
    }
}

/// Text that is not a SHA-256 hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no SHA-256 of a public key: that is 44 characters of base64, or 64 hexadecimal digits")]
pub struct NotPublicKeyHash;

impl std::fmt::Display for PublicKeyHash {
    /// In base64, as `kdig +tls-pin` takes it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&base64::encode_string(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_read_as_they_are_printed() {
        let hash = PublicKeyHash([0xa5; 32]);
        let hex = "a5".repeat(32);
        let colons = hex.as_bytes().chunks(2).map(|digits| std::str::from_utf8(digits).unwrap()).collect::<Vec<_>>();
        for text in [hash.to_string(), hex.to_uppercase(), colons.join(":"), hex.clone()] {
            assert_eq!(text.parse(), Ok(hash), "{text}");
        }
        for text in ["", "a5", &hex[1..], "paWl", &"g5".repeat(32)] {
            assert_eq!(text.parse::<PublicKeyHash>(), Err(NotPublicKeyHash), "{text}");
        }
    }
}
