//! How to send queries from this host as a client of each network: source addresses in 127.0.0.0/8.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use serde_json::{Map, Value};

use crate::snapshot::{self, Snapshot};
use crate::view::ViewId;

/// The name for clients outside all networks.
const OUTSIDE: &str = "outside";

/// An address in 127.0.0.0/8 for each view whose clients have one, and for clients outside all networks.
pub(in crate::cli) fn addresses(snapshot: &Snapshot) -> HashMap<ViewId, Ipv4Addr> {
    let sources = &snapshot.identifier().sources;
    let mut addresses: HashMap<ViewId, Ipv4Addr> = HashMap::new();
    for rule in sources.rules() {
        let IpNet::V4(prefix) = rule.prefix else { continue };
        let is_own = |address: &Ipv4Addr| {
            let selected = sources.select(IpAddr::V4(*address));
            address.is_loopback() && selected.is_some_and(|selected| selected.leads_to == rule.leads_to)
        };
        if let Some(address) = candidates(prefix).into_iter().find(is_own) {
            addresses.entry(rule.leads_to).or_insert(address);
        }
    }
    if sources.select(Ipv4Addr::LOCALHOST.into()).is_none() {
        addresses.insert(snapshot::OUTSIDE, Ipv4Addr::LOCALHOST);
    }
    addresses
}

/// An address for each network that has one, by the network's name, or its label if several have that name, and one for clients
/// outside all networks. A listener, a key or a forwarder may assign a client otherwise.
pub(super) fn clients(snapshot: &Snapshot) -> Value {
    let addresses = addresses(snapshot);
    let mut namesakes: HashMap<String, usize> = HashMap::new();
    for (_, network) in snapshot.views_of_networks() {
        *namesakes.entry(network.id.name().to_ascii_lowercase()).or_default() += 1;
    }
    let mut clients = Map::new();
    if let Some(address) = addresses.get(&snapshot::OUTSIDE) {
        clients.insert(OUTSIDE.to_owned(), address.to_string().into());
    }
    for (view, network) in snapshot.views_of_networks() {
        let Some(address) = addresses.get(&view) else { continue };
        let name = network.id.name();
        let name = if namesakes[&name.to_ascii_lowercase()] == 1 { name } else { &*network.label };
        clients.insert(name.to_owned(), address.to_string().into());
    }
    Value::Object(clients)
}

/// Whether there is one for a network.
pub(super) fn are_of_networks(clients: &Value) -> bool {
    clients.as_object().is_some_and(|clients| clients.keys().any(|name| name != OUTSIDE))
}

/// Candidate addresses of a prefix: the first that Azure assigns in a subnet, one near the end, as other networks may have longer
/// prefixes within, and the only one of a host prefix.
fn candidates(prefix: Ipv4Net) -> [Ipv4Addr; 3] {
    let (first, last) = (prefix.network(), prefix.broadcast());
    let fourth = Ipv4Addr::from_bits(first.to_bits().saturating_add(4).min(last.to_bits()));
    [fourth, Ipv4Addr::from_bits(last.to_bits().saturating_sub(1).max(first.to_bits())), first]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_are_within_their_prefix() {
        for prefix in ["127.0.0.1/32", "127.1.0.2/31", "127.1.0.0/16", "127.0.0.0/8"] {
            let prefix: Ipv4Net = prefix.parse().unwrap();
            assert!(candidates(prefix).iter().all(|address| prefix.contains(address)), "{prefix}");
        }
    }
}
