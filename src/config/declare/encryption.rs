//! Encrypted listeners: their certificates, and options that they do not support.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use ipnet::IpNet;
use toml::Spanned;

use super::Declarer;
use crate::azure::Severity;
use crate::codes::Code;
use crate::config::mirror::{self, Text};
use crate::config::{EncryptedTransport, Encryption, Files, Listen, ListenAddress, files};
use crate::tls::{CertificateError, ServerCertificate};

/// Default path for DNS over HTTPS, as in most documentation.
const DEFAULT_PATH: &str = "/dns-query";
/// How long before its expiry a certificate causes a warning, in seconds.
const SOON: i64 = 14 * 86_400;
/// Prefixes that are not routed publicly (RFC 1918, 6598, 4193, 3927, 4291).
const PRIVATE: [&str; 9] = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "169.254.0.0/16",
    "127.0.0.0/8",
    "fc00::/7",
    "fe80::/10",
    "::1/128",
];
const PAIR_MEND: &str = "add certificate = \"FILE\" and key = \"FILE\"; `vnetdns certificate` makes a pair for a lab";

/// The certificates with keys that a configuration names, by their files.
#[derive(Clone, Debug, Default)]
pub struct Certificates(BTreeMap<(PathBuf, PathBuf), Arc<ServerCertificate>>);

impl Certificates {
    /// The certificate of a listener.
    pub fn of(&self, encryption: &Encryption) -> Option<&Arc<ServerCertificate>> {
        self.0.get(&(encryption.certificate.clone(), encryption.key.clone()))
    }
}

/// The listener is left out; the problem is reported.
pub(super) struct Refused;

impl Declarer<'_> {
    /// The encryption of a listener, if it has any.
    pub(super) fn encryption(
        &mut self,
        address: &ListenAddress,
        listen: &mirror::ListenMore,
    ) -> Result<Option<Encryption>, Refused> {
        let Some(spanned) = &listen.transport else {
            let of_encrypted = [("certificate", &listen.certificate), ("key", &listen.key), ("path", &listen.path)];
            let given = of_encrypted.into_iter().filter_map(|(key, value)| Some((key, value.as_ref()?)));
            // A transport that could not be read is missing here, and has been reported.
            let given: Vec<_> = given.filter(|(_, value)| !self.is_reported(value)).collect();
            for (key, value) in given {
                let what = format!("{key} is for encrypted listeners, and this one answers in the clear");
                self.problem(
                    Code::ContradictingKeys,
                    value,
                    what,
                    "add transport = \"tls\", \"https\", \"http3\" or \"quic\", or remove it",
                );
            }
            return Ok(None);
        };
        let transport = *spanned.get_ref();
        let path = listen.path.as_ref().map_or(DEFAULT_PATH, |path| path.get_ref().as_str());
        if let Some(spanned) = &listen.path {
            if !matches!(transport, mirror::Transport::Https | mirror::Transport::Http3) {
                let what = "only transport = \"https\" and \"http3\" have a path to ask";
                self.problem(Code::ContradictingKeys, spanned, what, "remove path");
            } else if !is_path(path) {
                let mend = "write it as it stands in a URL, \"/dns-query\"";
                self.problem(Code::BadListener, spanned, format!("{path:?} is no path"), mend);
            }
        }
        if let Some(limit) = &listen.response_rate_limit {
            let what =
                "response_rate_limit is for UDP in the clear: clients of encrypted listeners prove their addresses";
            self.problem(Code::ContradictingKeys, &limit.responses_per_second, what, "remove it");
        }
        let is_quic = matches!(transport, mirror::Transport::Http3 | mirror::Transport::Quic);
        if let Some(required) = listen.require_proxy_protocol.as_ref().filter(|required| is_quic && *required.get_ref())
        {
            let mend = "remove require_proxy_protocol, or have the proxy ask over transport = \"tls\" or \"https\"";
            self.problem(Code::ContradictingKeys, required, "no PROXY header is read in front of QUIC", mend);
        }
        if transport != mirror::Transport::Tls {
            self.warn_of_weak_bounds(address, spanned, listen.allow_from.as_ref());
        }
        let (Some(certificate), Some(key)) = (&listen.certificate, &listen.key) else {
            let missing = if listen.certificate.is_some() { "a key" } else { "a certificate" };
            self.problem(
                Code::ContradictingKeys,
                spanned,
                format!("an encrypted listener without {missing}"),
                PAIR_MEND,
            );
            return Err(Refused);
        };
        let encryption = Encryption {
            transport: match transport {
                mirror::Transport::Tls => EncryptedTransport::Tls,
                mirror::Transport::Https => EncryptedTransport::Https { path: path.to_owned() },
                mirror::Transport::Http3 => EncryptedTransport::Http3 { path: path.to_owned() },
                mirror::Transport::Quic => EncryptedTransport::Quic,
            },
            certificate: Files::relative(self.path, certificate.get_ref()),
            key: Files::relative(self.path, key.get_ref()),
        };
        self.server_certificate(&encryption, certificate, key)?;
        Ok(Some(encryption))
    }

    /// Whether a problem on the line of a value has been reported.
    fn is_reported(&self, value: &Text) -> bool {
        let line = self.source.place(value.span().start).line;
        self.problems.iter().any(|problem| problem.place.line == line && problem.severity() == Severity::Error)
    }

    /// Reads a certificate with its key, unless another listener has the same.
    fn server_certificate(&mut self, encryption: &Encryption, at: &Text, key_at: &Text) -> Result<(), Refused> {
        if self.certificates.of(encryption).is_some() {
            return Ok(());
        }
        let not_found = "the path is relative to the folder of this file; `vnetdns certificate` makes a pair for a lab";
        let mut read = |path: &Path, at, what: &str| match self.secret(path) {
            Ok(text) => Ok(text),
            Err(error) => {
                self.problem(
                    Code::UnreadableFile,
                    at,
                    format!("cannot read the {what}: {error}"),
                    files::mend(&error, not_found),
                );
                Err(Refused)
            }
        };
        let certificates =
            read(&encryption.certificate, at, &format!("certificate {}", encryption.certificate.display()));
        // The path is not repeated: the key may be confused with the place of the secret.
        let key = read(&encryption.key, key_at, "key");
        let (certificates, key) = (certificates?, key?);
        let pair = match ServerCertificate::from_pem(&certificates, &key) {
            Ok(pair) => pair,
            Err(error) => {
                let at = if error.is_about_the_key() { key_at } else { at };
                self.certificate_problem(at, &error);
                return Err(Refused);
            }
        };
        self.advise_on_certificate(&pair, at);
        if key.is_open {
            let mend = format!("let its owner alone read it: chmod 600 {}", encryption.key.display());
            let place = self.source.place(key_at.span().start);
            self.problems.report(Code::OpenKeyFile, place, "others than its owner may read the key file", mend);
        }
        self.certificates.0.insert((encryption.certificate.clone(), encryption.key.clone()), Arc::new(pair));
        Ok(())
    }

    fn certificate_problem(&mut self, at: &Text, error: &CertificateError) {
        self.problem(Code::BadCertificate, at, error.to_string(), error.mend());
    }

    /// Warns about a certificate that clients do not accept, now or soon.
    fn advise_on_certificate(&mut self, pair: &ServerCertificate, at: &Text) {
        let now = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs() as i64);
        let (not_before, not_after) = pair.validity();
        let what = match () {
            () if now > not_after => "the certificate has expired".to_owned(),
            () if now < not_before => "the certificate is not valid yet, or this machine's clock is wrong".to_owned(),
            () if now + SOON > not_after => format!("the certificate expires in {} days", (not_after - now) / 86_400),
            () if pair.is_authority() => {
                let mend = "let it certify one for the server, with CA:FALSE";
                let place = self.source.place(at.span().start);
                self.problems.report(
                    Code::DoubtfulCertificate,
                    place,
                    "the certificate is an authority's, which clients do not take",
                    mend,
                );
                return;
            }
            () => return,
        };
        let mend = "renew it; one that `vnetdns certificate` made by the same command again. SIGHUP has it read anew";
        self.problems.report(Code::DoubtfulCertificate, self.source.place(at.span().start), what, mend);
    }

    /// hickory-server takes any number of connections, and judges clients by their addresses after the handshake.
    /// Says where clients are not to be told of a listener, though they should be.
    pub(super) fn designated_resolvers<T>(&mut self, wanted: &Spanned<T>, listen: &[Listen]) {
        let encrypted = || listen.iter().filter_map(|listen| Some((listen, listen.encryption.as_ref()?)));
        if encrypted().next().is_none() {
            let mend = "add a listener with transport = \"tls\", \"https\", \"http3\" or \"quic\", or remove it";
            self.problem(Code::ContradictingKeys, wanted, "there is no encrypted listener to tell clients of", mend);
        }
        for (listen, encryption) in encrypted() {
            let address = &listen.address;
            if address.socket.port() == 0 {
                let what = format!("clients are not told of {address}: its port is another one at each start");
                self.problem(
                    Code::NotDesignated,
                    wanted,
                    what,
                    "give it a port: 853 for TLS and QUIC, 443 for HTTPS and HTTP/3",
                );
            }
            // What cannot be read has been reported.
            if self.certificates.of(encryption).is_some_and(|pair| pair.first_name().is_none()) {
                let file = encryption.certificate.display();
                let what =
                    format!("clients are not told of {address}: {file} is for no name, which they would look for");
                let mend = "`vnetdns certificate HOST` makes one for a name; it may be for addresses as well";
                self.problem(Code::NotDesignated, wanted, what, mend);
            }
        }
    }

    fn warn_of_weak_bounds<T>(
        &mut self,
        address: &ListenAddress,
        at: &Spanned<T>,
        allow_from: Option<&Spanned<Vec<Text>>>,
    ) {
        let is_private = |prefix: &IpNet| {
            let known = PRIVATE.iter().map(|known| known.parse::<IpNet>().expect("prefixes"));
            known.into_iter().any(|known| known.contains(prefix))
        };
        let prefix = |text: &Text| {
            let text = text.get_ref();
            text.parse().ok().or_else(|| text.parse().map(|address: std::net::IpAddr| address.into()).ok())
        };
        // An invalid prefix is reported elsewhere.
        let is_trusted = |allowed: &Spanned<Vec<Text>>| {
            allowed.get_ref().iter().filter_map(prefix).map(super::canonical).all(|prefix| is_private(&prefix))
        };
        if !address.socket.ip().is_loopback() && !allow_from.is_some_and(is_trusted) {
            let what = format!(
                "whoever reaches {address} can use up what it has to give, as HTTPS, HTTP/3 and QUIC have weak bounds: they \
                 are for this host and trusted networks"
            );
            let mend = "add allow_from = [\"10.0.0.0/8\"] with private networks of yours, and keep others away with a \
                        firewall; or take transport = \"tls\"";
            self.problems.report(Code::WeakBounds, self.source.place(at.span().start), what, mend);
        }
    }
}

/// Whether a text is the path of a URL, without a query (RFC 3986 §3.3).
fn is_path(text: &str) -> bool {
    let is_allowed = |octet: u8| octet.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%".contains(&octet);
    text.starts_with('/') && text.bytes().all(is_allowed)
}
