//! The client: what is known of the sender of a request, apart from the request.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use super::{CertificateId, ForwarderId, KeyId, ListenerId, ViewId};
use crate::dns::Ttl;

/// The sender of a request.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// Source address of the datagram or connection, or what a proxy says in its place.
    pub source: IpAddr,
    /// When the request came, in seconds since 1970 in UTC: signatures and cookies are for a time.
    pub now: u64,
    /// The key that the client has proven to have. Servers leave it empty: the signature is verified when the request is
    /// answered.
    pub key: Option<KeyId>,
    /// The certificate that the client has shown.
    pub certificate: Option<CertificateId>,
    /// The forwarder that spoke for the client as a proxy.
    pub proxy: Option<ForwarderId>,
    /// The listener that the request came to.
    pub listener: Option<ListenerId>,
    /// The address of this host that the request was sent to.
    pub local: Option<IpAddr>,
    /// What carried the request.
    pub transport: Transport,
    /// The view, where it is given; it overrides every other way to identify the client.
    pub view: Option<ViewId>,
    /// Whether the listener takes queries from the source address at all.
    pub is_admitted: bool,
    /// The kind of server that the listener appears to be.
    pub persona: Persona,
    /// How long its connection may be idle, in units of 100 milliseconds, for clients that want to know (RFC 7828).
    pub keepalive: u16,
}

impl Client {
    /// A client that is known by its source address, of an authoritative server, in 1970.
    pub const fn new(source: IpAddr, transport: Transport) -> Self {
        Self {
            source,
            now: 0,
            key: None,
            certificate: None,
            proxy: None,
            listener: None,
            local: None,
            transport,
            view: None,
            is_admitted: true,
            persona: Persona::Authoritative,
            keepalive: 0,
        }
    }
}

/// The client as rate limits and other bounds count it: an IPv4 address, or the /64 of an IPv6 address, since one host can
/// use a whole /64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CountedClient(IpAddr);

impl From<IpAddr> for CountedClient {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
            address @ IpAddr::V4(_) => address,
        })
    }
}

impl fmt::Display for CountedClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => write!(f, "{address}"),
            IpAddr::V6(address) => write!(f, "{address}/64"),
        }
    }
}

/// Where the queries of a virtual network are counted: the same in all generations of one process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkSlot(u16);

impl NetworkSlot {
    /// The slot with that number; 0 is that of clients outside of all networks.
    ///
    /// # Panics
    /// There are at most 65 536 slots.
    pub fn new(number: usize) -> Self {
        Self(number.try_into().expect("the configuration bounds the number of slots"))
    }

    /// Its number.
    pub fn index(self) -> usize {
        self.0.into()
    }
}

/// How a request came, which bounds the size of its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A datagram: the client's EDNS buffer size bounds the response (RFC 6891 §6.2.3).
    Udp,
    /// A stream: 65535 octets (RFC 7766), as over each of those that follow.
    Tcp,
    /// A stream within TLS (RFC 7858).
    Tls,
    /// An HTTP/2 exchange (RFC 8484).
    Https,
    /// An HTTP/3 exchange (RFC 8484).
    Http3,
    /// A QUIC stream (RFC 9250).
    Quic,
}

impl Transport {
    /// Whether the octets of a response are sent as they are. hickory-server encodes responses anew, so that nobody can sign
    /// them, and pads them itself.
    pub const fn sends_octets(self) -> bool {
        matches!(self, Self::Udp | Self::Tcp | Self::Tls)
    }

    /// Whether one connection carries one request after another, and may be kept open for the next (RFC 7828): HTTP and
    /// QUIC have ways of their own to say how long.
    pub const fn is_stream(self) -> bool {
        matches!(self, Self::Tcp | Self::Tls)
    }

    /// Every transport.
    pub const ALL: [Self; 6] = [Self::Udp, Self::Tcp, Self::Tls, Self::Https, Self::Http3, Self::Quic];

    /// Its name in metrics and in the configuration.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Https => "https",
            Self::Http3 => "http3",
            Self::Quic => "quic",
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Https => "HTTPS",
            Self::Http3 => "HTTP/3",
            Self::Quic => "QUIC",
        })
    }
}

/// What a listener looks like to its clients. The records are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Persona {
    /// An authoritative server: AA on what it holds; RA where it forwards for the client (RFC 1035 §4.1.1).
    #[default]
    Authoritative,
    /// What 168.63.129.16 or an inbound endpoint sends: RA, never AA, EDNS size 1224 (as captured by users of Azure).
    AzureResolver {
        /// The largest TTL that it gives; captures suggest 1800 seconds.
        ttl_cap: Option<Ttl>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_client_is_its_64_and_an_ipv4_one_its_address() {
        let counted = |source: &str| CountedClient::from(source.parse::<IpAddr>().unwrap()).to_string();
        assert_eq!(counted("2001:db8:0:1:ffff::1"), "2001:db8:0:1::/64");
        assert_eq!(counted("2001:db8:0:2::1"), "2001:db8:0:2::/64");
        assert_eq!(counted("192.0.2.1"), "192.0.2.1");
        assert_eq!(counted("::ffff:192.0.2.1"), "192.0.2.1");
    }
}
