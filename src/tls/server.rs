//! Server certificates: a chain, and the key of its first certificate.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::{HostName, PublicKeyHash, provider};

/// A certificate with its key.
#[derive(Debug)]
pub struct ServerCertificate {
    certified: Arc<CertifiedKey>,
    not_before: i64,
    not_after: i64,
    is_authority: bool,
}

/// Why a certificate and a key cannot be used. Nothing of the key is ever repeated in a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// The first file is not PEM.
    #[error("the certificate file is not PEM")]
    BadCertificatePem,
    /// It holds no certificate.
    #[error("the certificate file holds no certificate")]
    NoCertificate,
    /// Its first certificate is invalid.
    #[error("the certificate cannot be read")]
    BadCertificate,
    /// The second file is not PEM, or holds no private key.
    #[error("the key file holds no private key")]
    NoKey,
    /// TLS does not support the kind of key.
    #[error("the key is of no kind that is known here")]
    UnknownKey,
    /// The certificate is for another key.
    #[error("the certificate is for another key")]
    OtherKey,
}

impl CertificateError {
    /// What to do about it.
    pub fn mend(&self) -> &'static str {
        match self {
            Self::BadCertificatePem | Self::NoCertificate => {
                "name a file with -----BEGIN CERTIFICATE-----: the server's first, then those between it and the authority"
            }
            Self::BadCertificate => "put the server's own certificate first, version 3 as all are today",
            Self::NoKey => "name a file with -----BEGIN PRIVATE KEY-----, not encrypted by a passphrase",
            Self::UnknownKey => {
                "take an ECDSA key of P-256 or P-384, an Ed25519 key, or an RSA key of 2048 bits or more"
            }
            Self::OtherKey => "name the key that the certificate was made for, or reload once both files are replaced",
        }
    }

    /// Whether the key file is at fault, not the certificate's.
    pub fn is_about_the_key(&self) -> bool {
        matches!(self, Self::NoKey | Self::UnknownKey | Self::OtherKey)
    }
}

impl ServerCertificate {
    /// Parses both files.
    ///
    /// # Errors
    /// See [`CertificateError`].
    pub fn from_pem(certificates: &str, key: &str) -> Result<Self, CertificateError> {
        let chain = CertificateDer::pem_slice_iter(certificates.as_bytes()).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|_| CertificateError::BadCertificatePem)?;
        let first = chain.first().ok_or(CertificateError::NoCertificate)?;
        let (_, parsed) = X509Certificate::from_der(first).map_err(|_| CertificateError::BadCertificate)?;
        let (not_before, not_after) =
            (parsed.validity().not_before.timestamp(), parsed.validity().not_after.timestamp());
        let is_authority = parsed.is_ca();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| CertificateError::NoKey)?;
        let key = provider().key_provider.load_private_key(key).map_err(|_| CertificateError::UnknownKey)?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) => {}
            Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => return Err(CertificateError::OtherKey),
            // Rustls signs with all of ring's keys, and each gives its public half.
            Err(_) => return Err(CertificateError::BadCertificate),
        }
        Ok(Self { certified: Arc::new(certified), not_before, not_after, is_authority })
    }

    /// In the form for handshakes.
    pub fn certified_key(&self) -> &Arc<CertifiedKey> {
        &self.certified
    }

    /// Its validity: the first and the last second, since 1970 in UTC.
    pub fn validity(&self) -> (i64, i64) {
        (self.not_before, self.not_after)
    }

    /// Whether it belongs to an authority; clients do not accept such a certificate from a server.
    pub fn is_authority(&self) -> bool {
        self.is_authority
    }

    /// Whether it is valid for that name or address.
    pub fn is_for(&self, host: &ServerName<'_>) -> bool {
        let parsed = rustls::server::ParsedCertificate::try_from(&self.certified.cert[0]);
        parsed.is_ok_and(|parsed| rustls::client::verify_server_name(&parsed, host).is_ok())
    }

    /// The first name in it that is neither an address nor a wildcard.
    pub fn first_name(&self) -> Option<HostName> {
        let (_, parsed) = X509Certificate::from_der(&self.certified.cert[0]).expect("read before");
        let names = parsed.subject_alternative_name().ok()??.value.general_names.iter();
        names
            .filter_map(|name| match name {
                GeneralName::DNSName(name) => name.parse().ok(),
                _ => None,
            })
            .find(|name: &HostName| name.address().is_none())
    }

    /// The hash of its public key.
    pub fn public_key_hash(&self) -> PublicKeyHash {
        let (_, parsed) = X509Certificate::from_der(&self.certified.cert[0]).expect("read before");
        PublicKeyHash::of(parsed.public_key().raw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::{Authority, Usage};

    const NOW: u64 = 1_800_000_000;

    fn host(name: &str) -> HostName {
        name.parse().unwrap()
    }

    #[test]
    fn a_pair_is_read_and_knows_its_names_and_times() {
        let authority = Authority::new(&[host("dns.lab.test"), host("127.0.0.1")], NOW, 10).unwrap();
        let issued = authority.issue(&[host("dns.lab.test"), host("127.0.0.1")], Usage::Server, None, NOW, 3).unwrap();
        let pair = ServerCertificate::from_pem(&issued.certificate, &issued.key).unwrap();
        for (name, is_for) in [
            ("dns.lab.test", true),
            ("127.0.0.1", true),
            ("other.lab.test", false),
            ("127.0.0.2", false),
            ("::1", false),
        ] {
            assert_eq!(pair.is_for(&name.try_into().unwrap()), is_for, "{name}");
        }
        let (not_before, not_after) = pair.validity();
        assert!(not_before < NOW as i64 && not_after == NOW as i64 + 3 * 86_400);
        assert_eq!(pair.public_key_hash(), issued.public_key_hash);
        assert!(!pair.is_authority());
        assert_eq!(pair.first_name(), Some(host("dns.lab.test")));
        let of_address = authority.issue(&[host("127.0.0.1")], Usage::Server, None, NOW, 3).unwrap();
        assert_eq!(ServerCertificate::from_pem(&of_address.certificate, &of_address.key).unwrap().first_name(), None);
        let (certificate, key) = authority.pem();
        assert!(ServerCertificate::from_pem(certificate, &key).unwrap().is_authority());
    }

    #[test]
    fn each_mistake_is_told_apart() {
        let authority = Authority::new(&[host("dns.lab.test")], NOW, 10).unwrap();
        let issue = || authority.issue(&[host("dns.lab.test")], Usage::Server, None, NOW, 3).unwrap();
        let (one, other) = (issue(), issue());
        let cut = &one.certificate[..one.certificate.len() / 2];
        let no_x509 = "-----BEGIN CERTIFICATE-----\nAAECAw==\n-----END CERTIFICATE-----\n";
        let unknown = "-----BEGIN PRIVATE KEY-----\nAAECAw==\n-----END PRIVATE KEY-----\n";
        for (certificate, key, expected) in [
            (cut, one.key.as_str(), CertificateError::BadCertificatePem),
            ("", &one.key, CertificateError::NoCertificate),
            (&one.key, &one.key, CertificateError::NoCertificate),
            (no_x509, &one.key, CertificateError::BadCertificate),
            (&one.certificate, "", CertificateError::NoKey),
            (&one.certificate, &one.certificate, CertificateError::NoKey),
            (&one.certificate, unknown, CertificateError::UnknownKey),
            (&one.certificate, &other.key, CertificateError::OtherKey),
        ] {
            assert_eq!(ServerCertificate::from_pem(certificate, key).err(), Some(expected));
        }
    }
}
