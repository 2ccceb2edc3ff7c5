//! What is known of whoever sent a request, apart from the request itself.

use std::net::IpAddr;

use super::ViewId;

/// The sender of a request.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// Source address of the datagram or connection.
    pub source: IpAddr,
    /// What carried the request.
    pub transport: Transport,
    /// The view of this client where something better than its source address decides it.
    pub view: Option<ViewId>,
}

/// How a request came, which bounds the size of its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A datagram: the client's EDNS buffer size bounds the response (RFC 6891 §6.2.3).
    Udp,
    /// A stream: 65535 octets (RFC 7766).
    Tcp,
}
