//! A lab's own authority, which can certify only the lab's hosts.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, PublicKeyData, SanType, date_time_ymd,
};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use zeroize::Zeroizing;

use super::{HostName, PublicKeyHash, provider};

/// Certificates are valid from this long before their creation, as clocks differ.
const BEFORE: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// The purpose of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// A server presents it.
    Server,
    /// A client presents it.
    Client,
}

/// A certificate issued by an [`Authority`].
#[derive(Debug)]
pub struct Issued {
    /// In PEM.
    pub certificate: String,
    /// Its private key, in PEM (PKCS #8).
    pub key: Zeroizing<String>,
    /// The hash of its public key.
    pub public_key_hash: PublicKeyHash,
}

/// An authority with its key.
#[derive(Debug)]
pub struct Authority {
    certificate: String,
    der: CertificateDer<'static>,
    key: KeyPair,
}

/// Why a certificate is not issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The authority's certificate or its key cannot be read.
    #[error("the authority's certificate or its key cannot be read")]
    Unreadable,
    /// They do not belong together.
    #[error("the authority's certificate is for another key")]
    OtherKey,
    /// The authority has expired.
    #[error("the authority's certificate has expired")]
    Expired,
    /// The authority may not certify it.
    #[error("the authority does not allow for {0}")]
    NotAllowed(HostName, #[source] rustls::Error),
    /// It cannot be signed.
    #[error("the certificate cannot be made")]
    Failed(#[from] rcgen::Error),
}

impl HostName {
    fn subject_alternative_name(&self) -> Result<SanType, rcgen::Error> {
        Ok(match self.address() {
            Some(address) => SanType::IpAddress(address),
            None => SanType::DnsName(self.to_string().try_into()?),
        })
    }

    fn subtree(&self) -> GeneralSubtree {
        match self.address() {
            Some(address) => GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(
                address,
                if address.is_ipv4() { 32 } else { 128 },
            )),
            None => GeneralSubtree::DnsName(self.to_string()),
        }
    }
}

/// Forbids every kind of name that is not permitted explicitly: a kind without a permitted name would be unrestricted (RFC 5280
/// §4.2.1.10).
fn constraints(hosts: &[HostName]) -> NameConstraints {
    let mut excluded_subtrees = Vec::new();
    let addresses = || hosts.iter().filter_map(HostName::address);
    if !addresses().any(|address| address.is_ipv4()) {
        let all = CidrSubnet::from_addr_prefix(Ipv4Addr::UNSPECIFIED.into(), 0);
        excluded_subtrees.push(GeneralSubtree::IpAddress(all));
    }
    if !addresses().any(|address| address.is_ipv6()) {
        let all = CidrSubnet::from_addr_prefix(Ipv6Addr::UNSPECIFIED.into(), 0);
        excluded_subtrees.push(GeneralSubtree::IpAddress(all));
    }
    if hosts.iter().all(|host| host.address().is_some()) {
        excluded_subtrees.push(GeneralSubtree::DnsName(String::new()));
    }
    NameConstraints { permitted_subtrees: hosts.iter().map(HostName::subtree).collect(), excluded_subtrees }
}

fn params(now: u64, days: u32) -> CertificateParams {
    let now = date_time_ymd(1970, 1, 1) + Duration::from_secs(now);
    let mut params = CertificateParams::default();
    (params.not_before, params.not_after) = (now - BEFORE, now + DAY * days);
    params.use_authority_key_identifier_extension = true;
    params.distinguished_name = DistinguishedName::new();
    params
}

fn public_key_hash(key: &KeyPair) -> PublicKeyHash {
    PublicKeyHash::of(&key.subject_public_key_info())
}

impl Authority {
    /// Creates an authority that may certify these hosts and names below theirs, from `now`, in seconds since 1970 in UTC, for a
    /// number of days.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn new(hosts: &[HostName], now: u64, days: u32) -> Result<Self, IssueError> {
        let key = KeyPair::generate()?;
        let mut params = params(now, days);
        // Two authorities in one client's store are distinguished by name.
        let hash = public_key_hash(&key).0;
        let name = format!("vnetdns lab {:02x}{:02x}{:02x}{:02x}", hash[0], hash[1], hash[2], hash[3]);
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.name_constraints = Some(constraints(hosts));
        let certificate = params.self_signed(&key)?;
        Ok(Self { certificate: certificate.pem(), der: certificate.der().clone(), key })
    }

    /// Reads an existing authority.
    ///
    /// # Errors
    /// See [`IssueError`].
    pub fn from_pem(certificate: &str, key: &str) -> Result<Self, IssueError> {
        let der = CertificateDer::from_pem_slice(certificate.as_bytes()).map_err(|_| IssueError::Unreadable)?;
        let key = KeyPair::from_pem(key).map_err(|_| IssueError::Unreadable)?;
        let (_, parsed) = x509_parser::parse_x509_certificate(&der).map_err(|_| IssueError::Unreadable)?;
        if PublicKeyHash::of(parsed.public_key().raw) != public_key_hash(&key) {
            return Err(IssueError::OtherKey);
        }
        Ok(Self { certificate: certificate.to_owned(), der, key })
    }

    /// Its certificate and its key, in PEM.
    pub fn pem(&self) -> (&str, Zeroizing<String>) {
        (&self.certificate, Zeroizing::new(self.key.serialize_pem()))
    }

    /// Issues a certificate for these hosts, at least one; for the `key` in PEM, or otherwise a new key.
    ///
    /// # Errors
    /// See [`IssueError`].
    pub fn issue(
        &self,
        hosts: &[HostName],
        usage: Usage,
        key: Option<&str>,
        now: u64,
        days: u32,
    ) -> Result<Issued, IssueError> {
        let key = match key {
            Some(key) => KeyPair::from_pem(key).map_err(|_| IssueError::Unreadable)?,
            None => KeyPair::generate()?,
        };
        let mut params = params(now, days);
        let names = hosts.iter().map(HostName::subject_alternative_name);
        params.subject_alt_names = names.collect::<Result<_, _>>()?;
        if let Some(host) = hosts.first() {
            params.distinguished_name.push(DnType::CommonName, host.to_string());
        }
        // Some clients verify that an authority is still valid, others do not.
        let (_, authority) = x509_parser::parse_x509_certificate(&self.der).map_err(|_| IssueError::Unreadable)?;
        let not_after = authority.validity().not_after.to_datetime();
        params.not_after = params.not_after.min(not_after);
        if params.not_after <= params.not_before + BEFORE {
            return Err(IssueError::Expired);
        }
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![match usage {
            Usage::Server => ExtendedKeyUsagePurpose::ServerAuth,
            Usage::Client => ExtendedKeyUsagePurpose::ClientAuth,
        }];
        let certificate = params.signed_by(&key, &Issuer::from_ca_cert_der(&self.der, &self.key)?)?;
        for host in hosts {
            let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
            self.verify(certificate.der(), host, usage, now)
                .map_err(|error| IssueError::NotAllowed(host.clone(), error))?;
        }
        Ok(Issued {
            certificate: certificate.pem(),
            key: Zeroizing::new(key.serialize_pem()),
            public_key_hash: public_key_hash(&key),
        })
    }

    /// Verifies as the recipients of the certificate do.
    fn verify(
        &self,
        certificate: &CertificateDer<'_>,
        host: &HostName,
        usage: Usage,
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone())?;
        let (roots, provider) = (Arc::new(roots), provider());
        const ONE_ROOT: &str = "there is a root, and nothing is revoked";
        match usage {
            Usage::Server => {
                let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider).build().expect(ONE_ROOT);
                verifier.verify_server_cert(certificate, &[], host.as_server_name(), &[], now).map(|_| ())
            }
            Usage::Client => {
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build().expect(ONE_ROOT);
                verifier.verify_client_cert(certificate, &[], now).map(|_| ())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn hosts(names: &[&str]) -> Vec<HostName> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn an_authority_certifies_its_hosts_and_nothing_else() {
        for (allowed, permitted, refused) in [
            (
                &["dns.lab.test"][..],
                &["dns.lab.test", "spoke-1.dns.lab.test"][..],
                &["lab.test", "xdns.lab.test", "example.com", "127.0.0.1", "::1"][..],
            ),
            (&["10.0.0.4"], &["10.0.0.4"], &["10.0.0.5", "::1", "example.com"]),
            (&["::1"], &["::1"], &["::2", "10.0.0.4", "example.com"]),
            (&["Lab.Test.", "127.0.0.1"], &["dns.lab.test", "127.0.0.1"], &["127.0.0.2", "test"]),
        ] {
            let made = Authority::new(&hosts(allowed), NOW, 30).unwrap();
            let (certificate, key) = made.pem();
            let authority = Authority::from_pem(certificate, &key).unwrap();
            for usage in [Usage::Server, Usage::Client] {
                for host in permitted {
                    authority.issue(&hosts(&[host]), usage, None, NOW, 1).unwrap();
                }
                for host in refused {
                    let refusal = authority.issue(&hosts(&[host]), usage, None, NOW, 1);
                    assert!(matches!(refusal, Err(IssueError::NotAllowed(..))), "{host} by {allowed:?}");
                }
                let too_late = authority.issue(&hosts(&permitted[..1]), usage, None, NOW + 31 * 86_400, 1);
                assert!(matches!(too_late, Err(IssueError::Expired)));
            }
        }
    }

    #[test]
    fn a_renewed_certificate_keeps_its_key() {
        let authority = Authority::new(&hosts(&["dns.lab.test"]), NOW, 30).unwrap();
        let first = authority.issue(&hosts(&["dns.lab.test"]), Usage::Server, None, NOW, 1).unwrap();
        let second = authority.issue(&hosts(&["dns.lab.test"]), Usage::Server, Some(&first.key), NOW, 2).unwrap();
        assert_eq!((&first.key, first.public_key_hash), (&second.key, second.public_key_hash));
        assert_ne!(first.certificate, second.certificate);
    }

    #[test]
    fn an_authority_with_another_ones_key_is_refused() {
        let [one, other] = [(); 2].map(|()| Authority::new(&hosts(&["dns.lab.test"]), NOW, 30).unwrap());
        let refusal = Authority::from_pem(one.pem().0, &other.pem().1);
        assert!(matches!(refusal, Err(IssueError::OtherKey)));
        assert!(matches!(Authority::from_pem("", &one.pem().1), Err(IssueError::Unreadable)));
    }
}
