//! The client: how its network is identified, and which other ways were not used.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Serialize;

use super::Asked;
use crate::snapshot::Snapshot;
use crate::view::{
    Belonging, CertificateHolder, Client, Identified, KeyHolder, Selector, SelectorRule, ViewId, Way, WayKind,
};

/// Minimum length of the common prefix of an address and the nearest prefix that is reported, in bits.
const NEAR: u8 = 8;

/// The client, and how its network is identified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AskerOf {
    /// The source address; `None` if a network was given instead.
    pub source: Option<IpAddr>,
    /// The address that the query was sent to, if it is known.
    pub asked_at: Option<IpAddr>,
    /// The query's EDNS Client Subnet.
    pub client_subnet: Option<String>,
    /// The key that signs the query.
    pub key: Option<String>,
    /// The client certificate.
    pub certificate: Option<String>,
    /// The network; `None` for a client outside all networks.
    pub network: Option<String>,
    /// The way that identified the client, as in the query log.
    pub way: &'static str,
    /// The forwarder that speaks for the client.
    pub forwarder: Option<String>,
    /// The prefix of the network that contains the address.
    pub prefix: Option<String>,
    /// Whether the client subnet is too wide: its addresses get different answers.
    pub is_too_wide: bool,
    /// Why every query of the client is refused.
    pub refused: Option<Refused>,
    /// The ways that were not used, the closest first.
    pub not_chosen: Vec<NotChosen>,
}

/// Why the queries of a client are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Refused {
    /// A reload has removed the network of the address that the query was sent to.
    NetworkGone,
    /// The listener's `allow_from` does not contain the address.
    AllowFrom,
    /// The server refuses clients outside all networks.
    Strangers,
}

/// A way that was not used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotChosen {
    /// The way, as in the query log.
    pub way: &'static str,
    /// The key, the certificate, the client subnet, or the prefix.
    pub what: Option<String>,
    /// The network that it would have given.
    pub network: Option<String>,
    /// Why it was not used.
    pub why: WhyNot,
}

/// Why a way was not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WhyNot {
    /// The way that was used takes precedence.
    LaterWay,
    /// It identifies the sender, which asks for others.
    Senders,
    /// It does not identify a network.
    SaysNothing,
    /// The sender is not a forwarder whose client subnets are accepted.
    NoForwarder,
    /// A longer prefix contains the address.
    WiderPrefix,
    /// The prefix does not contain the address.
    Outside,
}

/// Describes the client of a query.
pub(super) fn asker(
    world: &Asked<'_>,
    client: &Client,
    client_subnet: Option<IpNet>,
    identified: &Identified<'_>,
    is_refused: bool,
) -> AskerOf {
    let snapshot = &world.snapshot;
    let identifier = snapshot.identifier();
    let (forwarder, rule) = match identified.way {
        Way::Proxy(forwarder, rule) | Way::ClientSubnet(forwarder, rule) => (Some(forwarder), rule.copied()),
        Way::Administrator(_, rule) | Way::Source(rule) => (None, rule.copied()),
        Way::InboundEndpoint(rule) => {
            (None, rule.leads_to.view().map(|leads_to| SelectorRule { prefix: rule.prefix, leads_to }))
        }
        Way::Given | Way::Key(_) | Way::Certificate(_) | Way::Listener => (None, None),
    };
    let is_gone = identified.belonging == Belonging::Gone;
    let refused = match () {
        () if is_gone => Some(Refused::NetworkGone),
        () if is_refused && !client.is_admitted => Some(Refused::AllowFrom),
        () if is_refused => Some(Refused::Strangers),
        () => None,
    };
    let is_too_wide = matches!(identified.way, Way::ClientSubnet(_, None))
        && client_subnet.is_some_and(|subnet| identified.scope > subnet.prefix_len());
    AskerOf {
        source: client.view.is_none().then_some(client.source),
        asked_at: client.local,
        client_subnet: client_subnet.map(|subnet| subnet.to_string()),
        key: client.key.map(|key| identifier.key(key).key.name().to_string()),
        certificate: client.certificate.map(|certificate| identifier.certificate(certificate).name.to_string()),
        network: identified.view().and_then(|view| network(snapshot, view)),
        way: identified.way.kind().label(),
        forwarder: forwarder.map(|forwarder| forwarder.name.to_string()),
        prefix: rule.map(|rule| rule.prefix.to_string()),
        is_too_wide,
        refused,
        not_chosen: not_chosen(snapshot, client, client_subnet, identified),
    }
}

fn network(snapshot: &Snapshot, view: ViewId) -> Option<String> {
    snapshot.view(view).reference().map(str::to_owned)
}

fn not_chosen(
    snapshot: &Snapshot,
    client: &Client,
    client_subnet: Option<IpNet>,
    identified: &Identified<'_>,
) -> Vec<NotChosen> {
    let identifier = snapshot.identifier();
    let way = identified.way;
    let mut passed = Vec::new();
    if let Some(id) = client.key
        && !matches!(way, Way::Key(_) | Way::Administrator(..))
    {
        let key = identifier.key(id);
        let (network, why) = match key.holder {
            KeyHolder::Network(view) => (network(snapshot, view), WhyNot::LaterWay),
            KeyHolder::Administrator | KeyHolder::Anyone => (None, WhyNot::SaysNothing),
        };
        passed.push(NotChosen { way: WayKind::Key.label(), what: Some(key.key.name().to_string()), network, why });
    }
    if let Some(id) = client.certificate
        && !matches!(way, Way::Certificate(_))
    {
        let certificate = identifier.certificate(id);
        let (network, why) = match (certificate.holder, way) {
            (CertificateHolder::Forwarder(_), Way::ClientSubnet(..)) => (None, WhyNot::Senders),
            (CertificateHolder::Forwarder(_), _) => (None, WhyNot::SaysNothing),
            (CertificateHolder::Network(view), _) => (network(snapshot, view), WhyNot::LaterWay),
        };
        let what = Some(certificate.name.to_string());
        passed.push(NotChosen { way: WayKind::Certificate.label(), what, network, why });
    }
    if let Some(subnet) = client_subnet
        && !way.kind().is_client_subnet()
    {
        let why = match way {
            Way::Key(_) | Way::Certificate(_) => WhyNot::LaterWay,
            _ => WhyNot::NoForwarder,
        };
        let what = Some(subnet.to_string());
        passed.push(NotChosen { way: WayKind::ClientSubnet.label(), what, network: None, why });
    }
    passed.extend(nearest(snapshot, client, identified));
    passed
}

/// What would have been used next: another way, another prefix that contains the address, or one close to it.
fn nearest(snapshot: &Snapshot, client: &Client, identified: &Identified<'_>) -> Option<NotChosen> {
    let mut stripped = Client { key: None, certificate: None, proxy: None, ..*client };
    match identified.way {
        Way::Given => return None,
        Way::Source(rule) => {
            let sources = &snapshot.identifier().sources;
            let (near, why) = match rule {
                Some(rule) => (wider(sources, rule)?, WhyNot::WiderPrefix),
                None => (nearest_prefix(sources, client.source)?, WhyNot::Outside),
            };
            let (what, network) = (Some(near.prefix.to_string()), network(snapshot, near.leads_to));
            return Some(NotChosen { way: WayKind::Source.label(), what, network, why });
        }
        Way::Listener => stripped.listener = None,
        Way::InboundEndpoint(_) => stripped.local = None,
        _ => {}
    }
    let next = snapshot.identifier().identify(&stripped, None);
    let view = next.view().filter(|view| Some(*view) != identified.view())?;
    let what = match next.way {
        Way::Source(Some(rule)) => Some(rule.prefix.to_string()),
        Way::InboundEndpoint(rule) => Some(rule.prefix.addr().to_string()),
        _ => None,
    };
    let way = next.way.kind().label();
    Some(NotChosen { way, what, network: network(snapshot, view), why: WhyNot::LaterWay })
}

/// The next wider prefix of another network.
fn wider(sources: &Selector, rule: &SelectorRule) -> Option<SelectorRule> {
    let others = sources.rules().iter().filter(|other| other.leads_to != rule.leads_to);
    let around = others.filter(|other| other.prefix.contains(&rule.prefix));
    around.max_by_key(|other| other.prefix.prefix_len()).copied()
}

/// The prefix that has the most bits in common with an address that no prefix contains.
fn nearest_prefix(sources: &Selector, address: IpAddr) -> Option<SelectorRule> {
    let address = address.to_canonical();
    let common = |other: &SelectorRule| match (address, other.prefix.network()) {
        (IpAddr::V4(one), IpAddr::V4(other)) => (one.to_bits() ^ other.to_bits()).leading_zeros() as u8,
        (IpAddr::V6(one), IpAddr::V6(other)) => (one.to_bits() ^ other.to_bits()).leading_zeros() as u8,
        _ => 0,
    };
    let near = sources.rules().iter().filter(|rule| common(rule) >= NEAR);
    near.max_by_key(|rule| common(rule).min(rule.prefix.prefix_len())).copied()
}
