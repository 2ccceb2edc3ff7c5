//! Entry points of the fuzz targets; compiled for fuzzing only.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;

use super::proxy;
use crate::view::{Forwarder, ForwarderId, Identifier, Selector, SelectorRule};

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 53));

/// An identifier with one proxy, for clients in 10.0.0.0/8.
static IDENTIFIER: LazyLock<Identifier> = LazyLock::new(|| Identifier {
    forwarders: [Forwarder {
        name: "edge".into(),
        client_subnet: true,
        proxy_protocol: true,
        clients: Selector::default(),
    }]
    .into(),
    forwarder_addresses: Selector::new([SelectorRule { prefix: PEER.into(), leads_to: ForwarderId::new(0) }]),
    ..Identifier::default()
});

/// The client named in a proxy's datagram, and the datagram after the header; `None` if it is dropped.
pub fn proxied_datagram(datagram: &[u8], is_required: bool) -> Option<(Option<IpAddr>, &[u8])> {
    let (sender, rest) = proxy::split(&IDENTIFIER, PEER, datagram, is_required).ok()?;
    Some((sender.told, rest))
}

/// The client named at the start of a proxy's stream, and the length of the header; `None` if more octets are needed.
///
/// # Errors
/// The stream is closed, for the given reason.
pub fn proxied_stream(octets: &[u8]) -> Result<Option<(Option<IpAddr>, usize)>, String> {
    let begun = proxy::begin(&IDENTIFIER, PEER, octets, true).map_err(|refused| refused.to_string())?;
    Ok(begun.map(|(sender, len)| (sender.told, len)))
}
