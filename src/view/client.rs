//! What is known of whoever sent a request, apart from the request itself.

use std::net::IpAddr;

use super::ViewId;
use crate::dns::Ttl;

/// The sender of a request.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// Source address of the datagram or connection.
    pub source: IpAddr,
    /// What carried the request.
    pub transport: Transport,
    /// The view of this client where something better than its source address decides it.
    pub view: Option<ViewId>,
    /// Whom the client asked, as it were.
    pub persona: Persona,
}

impl Client {
    /// A client that is known by its source address, of an authoritative server.
    pub const fn new(source: IpAddr, transport: Transport) -> Self {
        Self { source, transport, view: None, persona: Persona::Authoritative }
    }
}

/// How a request came, which bounds the size of its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A datagram: the client's EDNS buffer size bounds the response (RFC 6891 §6.2.3).
    Udp,
    /// A stream: 65535 octets (RFC 7766).
    Tcp,
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
