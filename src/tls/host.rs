//! Names and addresses in certificates.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use rustls::pki_types::ServerName;

/// A name or an address in a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName(ServerName<'static>);

/// Text that is neither a host name nor an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no name of a host and no address; write for instance dns.lab.internal or 10.0.0.4")]
pub struct NotHostName;

impl FromStr for HostName {
    type Err = NotHostName;

    fn from_str(text: &str) -> Result<Self, NotHostName> {
        let text = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        match ServerName::try_from(text) {
            Ok(name @ (ServerName::DnsName(_) | ServerName::IpAddress(_))) => Ok(Self(name)),
            Ok(_) | Err(_) => Err(NotHostName),
        }
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_str())
    }
}

impl HostName {
    /// The address, if it is one.
    pub fn address(&self) -> Option<IpAddr> {
        match &self.0 {
            ServerName::IpAddress(address) => Some((*address).into()),
            _ => None,
        }
    }

    /// In the form that a certificate verifier takes.
    pub(super) fn as_server_name(&self) -> &ServerName<'static> {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_or_addresses() {
        for text in ["", "a b", "*.lab.test", "a..b", "-", "10.0.0.256", "dns.lab.test:853", "https://lab.test"] {
            assert_eq!(text.parse::<HostName>(), Err(NotHostName), "{text}");
        }
    }
}
