//! Listen addresses, in the configuration and for `--listen`.

use std::fmt;
use std::net::{Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// Maximum octets of an interface name on Linux.
const LONGEST_INTERFACE: usize = 15;

/// An address and a port to listen on, with the interface of a link-local address (RFC 4007 §11): `127.0.0.1:53`, `[::1]:53`,
/// `[fe80::1%eth0]:53`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenAddress {
    /// Address and port; port 0 takes a free one.
    pub socket: SocketAddr,
    /// The name or number of the interface.
    pub scope: Option<String>,
}

/// Why a text is not a listen address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListenAddressError {
    /// It is not an address with a port.
    #[error("{0:?} is not a listen address")]
    Malformed(String),
    /// It is an IPv4-mapped IPv6 address (RFC 4291 §2.5.5.2): IPv6 sockets accept no IPv4 here.
    #[error("{0:?} is an IPv4 address in the form of IPv6, at which nothing can come in")]
    Mapped(String, SocketAddr),
    /// It has an interface, but is not a link-local address.
    #[error("{0:?} names an interface (\"%\"), but its address is not link-local")]
    Scoped(String),
}

impl ListenAddressError {
    /// The fix.
    pub fn mend(&self) -> String {
        match self {
            Self::Malformed(_) => {
                "write an address and a port, for instance \"127.0.0.1:5300\" or \"[::1]:5300\"".to_owned()
            }
            Self::Mapped(_, meant) => format!("write \"{meant}\""),
            Self::Scoped(_) => "remove the interface, or take the key interface for it".to_owned(),
        }
    }
}

impl ListenAddress {
    /// Whether it is a link-local address without an interface, which would be ambiguous.
    pub(super) fn lacks_scope(&self) -> bool {
        let is_link_local = matches!(self.socket, SocketAddr::V6(address) if address.ip().is_unicast_link_local());
        is_link_local && self.scope.is_none()
    }

    /// The address with an example of an interface.
    pub(crate) fn with_example(&self) -> Self {
        Self { scope: Some("eth0".to_owned()), ..self.clone() }
    }
}

impl FromStr for ListenAddress {
    type Err = ListenAddressError;

    fn from_str(text: &str) -> Result<Self, ListenAddressError> {
        let malformed = || ListenAddressError::Malformed(text.to_owned());
        let (address, scope) = match text.split_once('%') {
            None => (text.to_owned(), None),
            Some((before, after)) => {
                let (scope, after) = after.split_once(']').ok_or_else(malformed)?;
                let is_name = |octet: u8| octet.is_ascii_graphic() && !b"%/[]".contains(&octet);
                if !(1..=LONGEST_INTERFACE).contains(&scope.len()) || !scope.bytes().all(is_name) {
                    return Err(malformed());
                }
                (format!("{before}]{after}"), Some(scope.to_owned()))
            }
        };
        let socket: SocketAddr = address.parse().map_err(|_| malformed())?;
        let v6 = match socket {
            SocketAddr::V4(_) => None,
            SocketAddr::V6(address) => Some(*address.ip()),
        };
        if let Some(meant) = v6.as_ref().and_then(Ipv6Addr::to_ipv4_mapped) {
            return Err(ListenAddressError::Mapped(text.to_owned(), (meant, socket.port()).into()));
        }
        if scope.is_some() && !v6.is_some_and(|address| address.is_unicast_link_local()) {
            return Err(ListenAddressError::Scoped(text.to_owned()));
        }
        Ok(Self { socket, scope })
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.scope {
            Some(scope) => write!(f, "[{}%{scope}]:{}", self.socket.ip(), self.socket.port()),
            None => self.socket.fmt(f),
        }
    }
}

impl From<SocketAddr> for ListenAddress {
    fn from(socket: SocketAddr) -> Self {
        Self { socket, scope: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_they_are_written() {
        for text in ["127.0.0.1:53", "0.0.0.0:0", "[::1]:5300", "[fe80::1%eth0]:53", "[fe80::1%2]:53", "[fe80::1]:53"] {
            assert_eq!(text.parse::<ListenAddress>().unwrap().to_string(), text);
        }
        let lacks = |text: &str| text.parse::<ListenAddress>().unwrap().lacks_scope();
        assert_eq!(
            ["[fe80::1]:53", "[febf::1]:53", "[fe80::1%eth0]:53", "[fec0::1]:53", "[::1]:53"].map(lacks),
            [true, true, false, false, false]
        );
    }

    #[test]
    fn what_cannot_be_listened_on_is_refused() {
        let error = |text: &str| text.parse::<ListenAddress>().unwrap_err();
        for text in [
            "",
            "::1",
            "[::1]",
            "localhost",
            "localhost:53",
            "127.0.0.1",
            "127.0.0.1:65536",
            "fe80::1%eth0",
            "[fe80::1%]:53",
            "[fe80::1%eth0]",
            "[fe80::1%eth0:53",
            "[fe80::1%a%b]:53",
            "[fe80::1%sixteen-letters-]:53",
            "[fe80::1% eth0]:53",
            "[%eth0]:53",
        ] {
            assert_eq!(error(text), ListenAddressError::Malformed(text.to_owned()));
        }
        assert_eq!(error("[::ffff:127.0.0.1]:53").mend(), "write \"127.0.0.1:53\"");
        for text in ["[::1%lo]:53", "[2001:db8::1%1]:53"] {
            assert_eq!(error(text), ListenAddressError::Scoped(text.to_owned()));
        }
        // IPv4 has no scopes, and is written without brackets.
        assert_eq!(error("127.0.0.1%lo:53"), ListenAddressError::Malformed("127.0.0.1%lo:53".to_owned()));
    }
}
