//! The listener's certificate, from an authority in the state folder that can certify nothing but this host. Clients trust its
//! `ca.pem`. `vnetdns certificate` creates and renews the same files.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use data_encoding::HEXLOWER;
use rustls::ServerConfig;
use rustls::server::ResolvesServerCert;
use zeroize::Zeroizing;

use super::key_files::{read, replace};
use super::token::TokenKey;
use crate::config::ManagementSettings;
use crate::tls::{self, CertificateError, HostName, IssueError, ServerCertificate, Usage};

/// Validity of an authority and of a certificate, in days. Each start issues a new certificate for the existing key.
const AUTHORITY_DAYS: u32 = 3653;
const CERTIFICATE_DAYS: u32 = 365;

/// A certificate with its key, and the key of tokens.
#[derive(Debug)]
pub(super) struct Authority {
    certificate: ServerCertificate,
    tokens: TokenKey,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// A file of the folder cannot be read or written.
    #[error("cannot {act} {}", path.display())]
    File {
        /// The operation.
        act: &'static str,
        /// The file or the folder.
        path: PathBuf,
        /// The error of the operation.
        #[source]
        source: io::Error,
    },
    /// One of the two files of an authority is missing.
    #[error("{} is there without its other half; remove it, and a new authority is made", _0.display())]
    Half(PathBuf),
    /// The authority of the folder cannot certify this host.
    #[error(
        "{} cannot certify this listener's addresses and hosts: remove ca.pem and ca.key there, and give the new ca.pem to \
         all clients", _0.display()
    )]
    Issue(PathBuf, #[source] IssueError),
    /// The certificate cannot be used.
    #[error("the certificate cannot be used")]
    Certificate(#[from] CertificateError),
    /// The system provides no random numbers.
    #[error("no key can be made for tokens")]
    Random(#[source] getrandom::Error),
    /// The file of the token key holds something else.
    #[error("{} holds no key of tokens; remove it, and a new one is made", _0.display())]
    BadTokenKey(PathBuf),
}

impl Authority {
    /// The authority in a folder, created if it does not exist; `now` is in seconds since 1970 in UTC.
    ///
    /// # Errors
    /// See [`AuthorityError`].
    pub(super) fn open(
        folder: &Path,
        settings: &ManagementSettings,
        address: IpAddr,
        now: u64,
    ) -> Result<Self, AuthorityError> {
        make_folder(folder)?;
        let hosts = hosts(settings, address);
        let issue_error = |error| AuthorityError::Issue(folder.to_owned(), error);
        let (certificate_path, key_path) = (folder.join("ca.pem"), folder.join("ca.key"));
        let authority = match (read_file(&certificate_path)?, read_file(&key_path)?) {
            (Some(pem), Some(key)) => tls::Authority::from_pem(&pem, &key).map_err(issue_error)?,
            (None, None) => {
                let authority = tls::Authority::new(&hosts, now, AUTHORITY_DAYS).map_err(issue_error)?;
                let (pem, key) = authority.pem();
                write_file(&key_path, &key, true)?;
                write_file(&certificate_path, pem, false)?;
                authority
            }
            (Some(_), None) => return Err(AuthorityError::Half(certificate_path)),
            (None, Some(_)) => return Err(AuthorityError::Half(key_path)),
        };
        let key_path = folder.join("server.key");
        let known = read_file(&key_path)?;
        let known = known.as_ref().map(|key| key.as_str());
        let issued = authority.issue(&hosts, Usage::Server, known, now, CERTIFICATE_DAYS).map_err(issue_error)?;
        if known.is_none() {
            write_file(&key_path, &issued.key, true)?;
        }
        write_file(&folder.join("server.pem"), &issued.certificate, false)?;
        let certificate = ServerCertificate::from_pem(&issued.certificate, &issued.key)?;
        Ok(Self { certificate, tokens: token_key(&folder.join("token.key"))? })
    }

    /// The key of tokens.
    pub(super) fn tokens(&self) -> TokenKey {
        self.tokens.clone()
    }

    /// The TLS configuration.
    pub(super) fn server_config(&self) -> Arc<ServerConfig> {
        let key = self.certificate.certified_key().clone();
        let builder = ServerConfig::builder_with_provider(tls::provider()).with_safe_default_protocol_versions();
        let builder = builder.expect("the provider has the suites of these versions").with_no_client_auth();
        let mut config = builder.with_cert_resolver(Arc::new(Shown(key)));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Arc::new(config)
    }
}

/// Creates the certificate and the token key for a listener with these settings, if the folder has none.
///
/// # Errors
/// See [`AuthorityError`].
pub fn make_keys(settings: &ManagementSettings, folder: &Path) -> Result<(), AuthorityError> {
    let now = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
    Authority::open(folder, settings, settings.listen.ip(), now).map(|_| ())
}

/// The same certificate for every client.
#[derive(Debug)]
struct Shown(Arc<rustls::sign::CertifiedKey>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<rustls::sign::CertifiedKey>> {
        Some(self.0.clone())
    }
}

/// The names and addresses in the certificate.
fn hosts(settings: &ManagementSettings, address: IpAddr) -> Vec<HostName> {
    let always = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let own = (!address.is_unspecified()).then(|| address.to_string());
    let all = always.into_iter().chain(own).chain(settings.hosts.iter().cloned());
    let mut hosts: Vec<HostName> = Vec::new();
    for host in all.filter_map(|host| host.parse().ok()) {
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    hosts
}

fn token_key(path: &Path) -> Result<TokenKey, AuthorityError> {
    let mut octets = Zeroizing::new([0; 32]);
    match read_file(path)? {
        Some(text) => {
            let decoded = HEXLOWER.decode(text.trim().as_bytes()).ok().map(Zeroizing::new);
            let decoded = decoded.filter(|decoded| decoded.len() == 32);
            octets.copy_from_slice(&decoded.ok_or_else(|| AuthorityError::BadTokenKey(path.to_owned()))?);
        }
        None => {
            getrandom::fill(octets.as_mut()).map_err(AuthorityError::Random)?;
            write_file(path, &Zeroizing::new(format!("{}\n", HEXLOWER.encode(octets.as_ref()))), true)?;
        }
    }
    Ok(TokenKey::new(&octets))
}

fn make_folder(folder: &Path) -> Result<(), AuthorityError> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let made = builder.create(folder);
    made.map_err(|source| AuthorityError::File { act: "make the folder", path: folder.to_owned(), source })
}

fn read_file(path: &Path) -> Result<Option<Zeroizing<String>>, AuthorityError> {
    read(path).map_err(|source| AuthorityError::File { act: "read", path: path.to_owned(), source })
}

fn write_file(path: &Path, text: &str, is_secret: bool) -> Result<(), AuthorityError> {
    let written = replace(path, text, is_secret);
    written.map_err(|source| AuthorityError::File { act: "write", path: path.to_owned(), source })
}
