//! Who asks: by what the client's network is known, and what would have decided without that.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Serialize;

use super::Asked;
use crate::snapshot::Snapshot;
use crate::view::{
    Belonging, CertificateHolder, Client, Identified, KeyHolder, Selector, SelectorRule, ViewId, Way, WayKind,
};

/// Bits that the nearest prefix has in common with an address at least: another one is not near.
const NEAR: u8 = 8;

/// Who asks, and by what its network is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AskerOf {
    /// The source address; none where a network was given in its place.
    pub source: Option<IpAddr>,
    /// The address that was asked, where that was said.
    pub asked_at: Option<IpAddr>,
    /// The query's EDNS Client Subnet.
    pub client_subnet: Option<String>,
    /// The key that signs the query.
    pub key: Option<String>,
    /// The certificate that was shown.
    pub certificate: Option<String>,
    /// The network; none for a client outside all of them.
    pub network: Option<String>,
    /// What decided, as the query log calls it.
    pub way: &'static str,
    /// The forwarder on whose word it is.
    pub forwarder: Option<String>,
    /// The prefix of the network that holds the address.
    pub prefix: Option<String>,
    /// Whether the client subnet is wider than what has one answer.
    pub is_too_wide: bool,
    /// Why the client gets no answer, whatever it asks.
    pub refused: Option<Refused>,
    /// What did not decide, the nearest first.
    pub not_chosen: Vec<NotChosen>,
}

/// Why a client gets no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Refused {
    /// A reload has taken the network away to which the address belongs that was asked.
    NetworkGone,
    /// The listener's `allow_from` does not hold the address.
    AllowFrom,
    /// The server refuses strangers.
    Strangers,
}

/// What did not decide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotChosen {
    /// Which way it is, as the query log calls it.
    pub way: &'static str,
    /// The key, the certificate, the client subnet, or the prefix.
    pub what: Option<String>,
    /// The network that the client would be in.
    pub network: Option<String>,
    /// Why it did not.
    pub why: WhyNot,
}

/// Why something did not decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WhyNot {
    /// What decided comes before it.
    LaterWay,
    /// It is that of whoever asks for others.
    Senders,
    /// It says nothing of a network.
    SaysNothing,
    /// The sender is no forwarder whose client subnets count.
    NoForwarder,
    /// A narrower prefix holds the address.
    WiderPrefix,
    /// The prefix does not hold the address.
    Outside,
}

/// Who asks.
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

/// What would have decided next: another way, another prefix that holds the address, or one that nearly does.
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

/// The prefix that has the most bits in common with an address that none holds.
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
