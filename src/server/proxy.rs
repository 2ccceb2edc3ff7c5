//! The PROXY protocol, version 2 (HAProxy's proxy-protocol.txt): a forwarder names its client in front of a datagram or at the
//! start of a connection.
//!
//! Only forwarders listed for it may send a header. A header from anyone else is dropped with what follows it, since it is a
//! mistake in the configuration or an attempt to impersonate a client; a malformed header is dropped as well.

use std::net::{IpAddr, SocketAddr};

use ppp::v2::{Addresses, Command, Header, PROTOCOL_PREFIX, ParseError};

use crate::azure::ResourceId;
use crate::incidents::{Incident, Incidents};
use crate::snapshot::Snapshot;
use crate::view::{CountedClient, Identifier};

/// Maximum octets of a header after its fixed part: IPv6 addresses take 36, additional fields are ignored.
const LONGEST: usize = 2048;

/// The sender of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sender {
    /// The source address.
    pub(super) peer: IpAddr,
    /// The client's address, as the peer gives it.
    pub(super) told: Option<IpAddr>,
}

/// The network of a client that a PROXY header named at the start of a connection.
///
/// While the connection is open, the network may be removed, and the forwarder may speak for another one with the same addresses;
/// the client is not in that network.
#[derive(Debug)]
pub(super) struct Told(Option<ResourceId>);

/// Why something is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    /// The peer may not send headers.
    #[error("a PROXY header from someone who is no forwarder with proxy_protocol = true")]
    Unlisted,
    /// The header is malformed or of an unknown kind.
    #[error("a PROXY header that cannot be read")]
    Malformed,
    /// The required header is missing.
    #[error("no PROXY header where one is required")]
    Missing,
}

impl Sender {
    pub(super) const fn direct(peer: IpAddr) -> Self {
        Self { peer, told: None }
    }
}

impl Told {
    /// No header has named a client.
    pub(super) const fn nothing() -> Self {
        Self(None)
    }

    pub(super) fn new(snapshot: &Snapshot, sender: Sender) -> Self {
        Self(network(snapshot, sender).cloned())
    }

    /// Whether the client is still in that network. Always true for a client that was in none.
    pub(super) fn holds(&self, snapshot: &Snapshot, sender: Sender) -> bool {
        self.0.as_ref().is_none_or(|told| network(snapshot, sender) == Some(told))
    }
}

/// The network of the client that a header names.
fn network(snapshot: &Snapshot, sender: Sender) -> Option<&ResourceId> {
    let identifier = snapshot.identifier();
    let told = sender.told?;
    let forwarder = identifier.forwarder(identifier.proxy(sender.peer)?);
    let rule = forwarder.clients.select(told)?;
    snapshot.view(rule.leads_to).network.as_ref().map(|network| &network.id)
}

/// The sender of a datagram, and the datagram without its header.
#[inline]
pub(super) fn split<'a>(
    identifier: &Identifier,
    peer: IpAddr,
    datagram: &'a [u8],
    is_required: bool,
) -> Result<(Sender, &'a [u8]), Refused> {
    // Nearly all datagrams have none.
    if !is_required && !datagram.starts_with(PROTOCOL_PREFIX) {
        return Ok((Sender::direct(peer), datagram));
    }
    let (sender, len) = begin(identifier, peer, datagram, is_required)?.ok_or(Refused::Malformed)?;
    Ok((sender, &datagram[len..]))
}

/// The sender of a stream, and the length of the header; `None` if more octets are needed.
pub(super) fn begin(
    identifier: &Identifier,
    peer: IpAddr,
    octets: &[u8],
    is_required: bool,
) -> Result<Option<(Sender, usize)>, Refused> {
    if !octets.starts_with(PROTOCOL_PREFIX) {
        return match (PROTOCOL_PREFIX.starts_with(octets), is_required) {
            (true, _) => Ok(None),
            (false, true) => Err(Refused::Missing),
            (false, false) => Ok(Some((Sender::direct(peer), 0))),
        };
    }
    identifier.proxy(peer).ok_or(Refused::Unlisted)?;
    let header = match Header::try_from(octets) {
        Ok(header) => header,
        Err(ParseError::Incomplete(_)) => return Ok(None),
        Err(ParseError::Partial(_, len)) if len <= LONGEST => return Ok(None),
        Err(_) => return Err(Refused::Malformed),
    };
    let told = match (header.command, header.addresses) {
        // The proxy speaks for itself, as in a health check.
        (Command::Local, _) | (Command::Proxy, Addresses::Unspecified) => None,
        (Command::Proxy, Addresses::IPv4(addresses)) => Some(addresses.source_address.into()),
        (Command::Proxy, Addresses::IPv6(addresses)) => Some(addresses.source_address.into()),
        (Command::Proxy, Addresses::Unix(_)) => return Err(Refused::Malformed),
    };
    Ok(Some((Sender { peer, told }, header.len())))
}

impl Refused {
    /// Reports that something from this peer was dropped.
    pub(super) fn report(self, incidents: &Incidents, peer: SocketAddr) {
        tracing::debug!(%peer, refused = %self, "dropped for its PROXY header");
        let incident = match self {
            Self::Unlisted => Incident::UnlistedProxy,
            Self::Malformed => Incident::MalformedProxy,
            Self::Missing => Incident::MissingProxy,
        };
        incidents.report(incident, CountedClient::from(peer.ip()), || format!("from {peer}"));
    }
}

#[cfg(test)]
mod tests {
    use ppp::v2::{Builder, Protocol, Version};
    use proptest::prelude::*;

    use super::*;
    use crate::view::{Forwarder, ForwarderId, Selector, SelectorRule};

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 53));

    fn identifier() -> Identifier {
        let forwarder = |proxy_protocol| Forwarder {
            name: "edge".into(),
            client_subnet: true,
            proxy_protocol,
            clients: Selector::default(),
        };
        let rule = |prefix: &str, at| SelectorRule { prefix: prefix.parse().unwrap(), leads_to: ForwarderId::new(at) };
        Identifier {
            forwarders: [forwarder(true), forwarder(false)].into(),
            forwarder_addresses: Selector::new([rule("192.0.2.53/32", 0), rule("192.0.2.54/32", 1)]),
            ..Identifier::default()
        }
    }

    fn header(command: Command, source: &str) -> Vec<u8> {
        let [source, destination] = [source, source].map(|address| SocketAddr::new(address.parse().unwrap(), 53));
        let version = Version::Two | command;
        Builder::with_addresses(version, Protocol::Datagram, (source, destination)).build().unwrap()
    }

    #[test]
    fn a_listed_proxy_tells_of_its_client() {
        let identifier = identifier();
        for source in ["10.1.0.4", "2001:db8::4", "::ffff:10.1.0.4"] {
            let datagram = [header(Command::Proxy, source), b"query".to_vec()].concat();
            let sender = Sender { peer: PEER, told: Some(source.parse().unwrap()) };
            assert_eq!(split(&identifier, PEER, &datagram, true), Ok((sender, &b"query"[..])));
            assert_eq!(split(&identifier, [192, 0, 2, 54].into(), &datagram, false), Err(Refused::Unlisted));
            assert_eq!(split(&identifier, [10, 1, 0, 4].into(), &datagram, false), Err(Refused::Unlisted));
            for len in PROTOCOL_PREFIX.len()..datagram.len() - 5 {
                assert_eq!(split(&identifier, PEER, &datagram[..len], false), Err(Refused::Malformed));
            }
        }
    }

    #[test]
    fn a_proxy_can_speak_for_itself() {
        let datagram = [header(Command::Local, "10.1.0.4"), b"query".to_vec()].concat();
        assert_eq!(split(&identifier(), PEER, &datagram, true), Ok((Sender::direct(PEER), &b"query"[..])));
        let unspecified = [PROTOCOL_PREFIX, b"\x21\0\0\0query"].concat();
        assert_eq!(split(&identifier(), PEER, &unspecified, true), Ok((Sender::direct(PEER), &b"query"[..])));
    }

    #[test]
    fn a_query_needs_no_header_unless_it_is_required() {
        assert_eq!(split(&identifier(), PEER, b"query", false), Ok((Sender::direct(PEER), &b"query"[..])));
        assert_eq!(split(&identifier(), PEER, b"query", true), Err(Refused::Missing));
        let version_1 = b"PROXY UDP4 10.1.0.4 10.1.0.5 53 53\r\nquery";
        assert_eq!(split(&identifier(), PEER, version_1, true), Err(Refused::Missing));
    }

    proptest! {
        #[test]
        fn nothing_panics_and_nobody_else_is_believed(
            rest in proptest::collection::vec(any::<u8>(), 0..300),
            peer in any::<[u8; 4]>(),
            flipped in 0_usize..60,
            bits in any::<u8>(),
        ) {
            let identifier = identifier();
            let peer = IpAddr::from(peer);
            prop_assume!(peer != PEER);
            let mut datagram = [header(Command::Proxy, "10.1.0.4"), rest.clone()].concat();
            for datagram in [[PROTOCOL_PREFIX, &rest].concat(), {
                if let Some(octet) = datagram.get_mut(flipped) { *octet ^= bits };
                datagram
            }] {
                let _ = split(&identifier, PEER, &datagram, false);
                let told = split(&identifier, peer, &datagram, false);
                prop_assert!(told.is_err() || told == Ok((Sender::direct(peer), &datagram[..])));
            }
        }
    }
}
