//! The client: what is known of the sender of a request, apart from the request.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use super::{CertificateId, ForwarderId, KeyId, ListenerId, ViewId};
use crate::dns::Ttl;

/// The sender of a request.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// Source address of the datagram or connection, or the one that a proxy gives for it.
    pub source: IpAddr,
    /// When the request came, in seconds since 1970 in UTC. Signatures and cookies are verified against it.
    pub now: u64,
    /// The key that the client has proven to have. Servers leave it empty: the signature is verified while the request is
    /// answered.
    pub key: Option<KeyId>,
    /// The certificate that the client has presented.
    pub certificate: Option<CertificateId>,
    /// The forwarder that passed the request on as a proxy.
    pub proxy: Option<ForwarderId>,
    /// The listener that the request came to.
    pub listener: Option<ListenerId>,
    /// The address of this host that the request was sent to.
    pub local: Option<IpAddr>,
    /// The transport of the request.
    pub transport: Transport,
    /// The view, if it is given; it overrides every other way to identify the client.
    pub view: Option<ViewId>,
    /// Whether the listener accepts queries from the source address.
    pub is_admitted: bool,
    /// The kind of server that the listener presents itself as.
    pub persona: Persona,
    /// How long the client's connection may be idle, in units of 100 milliseconds, for the edns-tcp-keepalive option (RFC 7828).
    pub keepalive: u16,
}

impl Client {
    /// A client of an authoritative server that is known by its source address only; its time is the year 1970.
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

/// The slot in which queries of a virtual network are counted: the same in all generations of one process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkSlot(u16);

impl NetworkSlot {
    /// The slot with that number; 0 is for clients outside all networks.
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

/// The transport of a request, which bounds the size of its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A datagram: the client's EDNS buffer size bounds the response (RFC 6891 §6.2.3).
    Udp,
    /// A stream: 65535 octets (RFC 7766), as with the transports below.
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
    /// Whether the octets of a response are sent unchanged. hickory-server encodes responses again, so that they cannot be
    /// signed, and pads them itself.
    pub const fn sends_octets(self) -> bool {
        matches!(self, Self::Udp | Self::Tcp | Self::Tls)
    }

    /// Whether one connection carries many requests and can be kept open for the next one (RFC 7828). HTTP and QUIC negotiate
    /// idle times themselves.
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

/// How a listener presents itself to its clients. The records are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Persona {
    /// An authoritative server: AA on names that it holds, RA if it forwards for the client (RFC 1035 §4.1.1).
    #[default]
    Authoritative,
    /// The flags of 168.63.129.16 or an inbound endpoint: RA, never AA, EDNS size 1224 (as captured by users of Azure).
    AzureResolver {
        /// The largest TTL in a response; captures suggest 1800 seconds.
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
