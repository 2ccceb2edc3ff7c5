//! Client certificates, and how clients are recognised by them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};

use super::{CertificateError, HostName, PublicKeyHash, provider};

/// What a client has presented in a handshake, including proof that it has the key.
#[derive(Clone, Debug)]
pub struct Presented {
    certificate: CertificateDer<'static>,
    intermediates: Box<[CertificateDer<'static>]>,
    public_key: PublicKeyHash,
}

/// What a client must present.
#[derive(Clone)]
pub enum ClientProof {
    /// A certificate for this public key, by any issuer and of any age.
    PublicKey(PublicKeyHash),
    /// A certificate of an authority, with a name.
    Certified(Certified),
}

/// See [`ClientProof`].
#[derive(Clone)]
pub struct Certified {
    authority: CertificateDer<'static>,
    verifier: Arc<dyn ClientCertVerifier>,
    name: HostName,
}

impl Presented {
    /// `None` if the certificate cannot be read.
    pub fn new(certificate: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>]) -> Option<Self> {
        let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
        Some(Self {
            public_key: PublicKeyHash::of(parsed.public_key().raw),
            certificate: certificate.clone().into_owned(),
            intermediates: intermediates.iter().map(|intermediate| intermediate.clone().into_owned()).collect(),
        })
    }
}

impl ClientProof {
    /// A certificate of an authority, which is the first in a PEM text, with a name.
    ///
    /// # Errors
    /// The text has no certificate of an authority.
    pub fn certified(authority: &str, name: HostName) -> Result<Self, CertificateError> {
        let authority = match CertificateDer::pem_slice_iter(authority.as_bytes()).next() {
            Some(Ok(authority)) => authority,
            Some(Err(_)) => return Err(CertificateError::BadCertificatePem),
            None => return Err(CertificateError::NoCertificate),
        };
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone()).map_err(|_| CertificateError::BadCertificate)?;
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build();
        let verifier = verifier.map_err(|_| CertificateError::BadCertificate)?;
        Ok(Self::Certified(Certified { authority, verifier, name }))
    }

    /// Whether that was presented; the time is in seconds since 1970 in UTC.
    pub fn is_shown(&self, presented: &Presented, now: u64) -> bool {
        match self {
            Self::PublicKey(hash) => *hash == presented.public_key,
            Self::Certified(Certified { verifier, name, .. }) => {
                let Presented { certificate, intermediates, .. } = presented;
                let is_for = |parsed: ParsedCertificate<'_>| {
                    rustls::client::verify_server_name(&parsed, name.as_server_name()).is_ok()
                };
                let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
                // Comparing the name costs less than verifying the signatures.
                ParsedCertificate::try_from(certificate).is_ok_and(is_for)
                    && verifier.verify_client_cert(certificate, intermediates, now).is_ok()
            }
        }
    }
}

impl PartialEq for ClientProof {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::PublicKey(one), Self::PublicKey(other)) => one == other,
            (Self::Certified(one), Self::Certified(other)) => {
                (&one.authority, &one.name) == (&other.authority, &other.name)
            }
            _ => false,
        }
    }
}

impl fmt::Debug for ClientProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PublicKey(hash) => write!(f, "PublicKey({hash})"),
            Self::Certified(Certified { name, .. }) => write!(f, "Certified({name})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::{Authority, Issued, Usage};

    const NOW: u64 = 1_800_000_000;

    fn host(name: &str) -> HostName {
        name.parse().unwrap()
    }

    fn presented(issued: &Issued) -> Presented {
        Presented::new(&CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap(), &[]).unwrap()
    }

    #[test]
    fn a_pinned_key_is_known_whoever_certifies_it_and_when() {
        let [one, other] = [(); 2].map(|()| Authority::new(&[host("lab.test")], NOW, 30).unwrap());
        let issue = |authority: &Authority, key: Option<&str>| {
            authority.issue(&[host("a.lab.test")], Usage::Client, key, NOW, 1).unwrap()
        };
        let first = issue(&one, None);
        let proof = ClientProof::PublicKey(first.public_key_hash);
        assert!(proof.is_shown(&presented(&first), NOW + 1_000_000_000));
        assert!(proof.is_shown(&presented(&issue(&other, Some(&first.key))), NOW));
        assert!(!proof.is_shown(&presented(&issue(&one, None)), NOW));
    }

    #[test]
    fn a_certified_name_is_that_of_this_authority_now() {
        let [one, other] = [(); 2].map(|()| Authority::new(&[host("lab.test")], NOW, 30).unwrap());
        let issue = |authority: &Authority, name: &str, usage| {
            presented(&authority.issue(&[host(name)], usage, None, NOW, 2).unwrap())
        };
        let proof = ClientProof::certified(one.pem().0, host("a.lab.test")).unwrap();
        let shown = issue(&one, "a.lab.test", Usage::Client);
        for (presented, now, is_shown) in [
            (&shown, NOW, true),
            (&shown, NOW + 3 * 86_400, false),
            (&shown, NOW - 86_400, false),
            (&issue(&one, "b.lab.test", Usage::Client), NOW, false),
            (&issue(&one, "a.lab.test", Usage::Server), NOW, false),
            (&issue(&other, "a.lab.test", Usage::Client), NOW, false),
        ] {
            assert_eq!(proof.is_shown(presented, now), is_shown);
        }
        assert!(ClientProof::certified("", host("a.lab.test")).is_err());
    }
}
