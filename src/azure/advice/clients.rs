//! Forwarders that are trusted too much, keys that prove nothing, and listeners that anybody can reach.

use std::net::SocketAddr;

use ipnet::IpNet;

use crate::azure::declaration::{Address, Declared, Listener, PrivateDnsZone, Strangers, VirtualNetwork};
use crate::azure::finding::Finding;
use crate::azure::inventory::Inventory;
use crate::codes::Code;

/// Warns of forwarders that are trusted with more or less than they need, and of keys that prove nothing.
pub(super) fn advise(inventory: &Inventory, findings: &mut Vec<Finding>) {
    for key in inventory.tsig_keys.iter().filter(|key| key.networks.is_none()) {
        findings.push(Finding::new(
            Code::KeyOfNobody,
            key.name.origin,
            format!(
                "the key \"{}\" names no network: responses are signed, but who has it is not known by it",
                *key.name
            ),
            "add virtual_network = \"NAME\", or all_virtual_networks = true for an administrator",
        ));
    }
    if !inventory.listeners.iter().any(|listener| listener.takes_certificates) {
        for certificate in &inventory.client_certificates {
            findings.push(Finding::new(
                Code::UnusableClientCertificate,
                certificate.name.origin,
                format!("nobody can show the client certificate \"{}\": no listener has TLS", *certificate.name),
                "add a listener with transport = \"tls\"; HTTPS, HTTP/3 and QUIC take no certificates of clients",
            ));
        }
    }
    let prefixes = |network: &VirtualNetwork| -> Vec<IpNet> {
        network.address_space.iter().chain(&network.client_prefixes).map(|prefix| prefix.trunc()).collect()
    };
    let has_proxy = inventory.forwarders.iter().any(|forwarder| forwarder.proxy_protocol);
    for origin in inventory.listeners.iter().filter_map(|listener| listener.requires_proxy_protocol) {
        if !has_proxy {
            findings.push(Finding::new(
                Code::NobodyCanAsk,
                origin,
                "nobody can ask here: no forwarder may send PROXY headers",
                "declare a [[forwarder]] with proxy_protocol = true, or remove require_proxy_protocol",
            ));
        }
    }
    advise_on_listeners(inventory, findings);
    let of_all: Vec<_> = inventory.virtual_networks.iter().flat_map(prefixes).collect();
    for forwarder in &inventory.forwarders {
        let name = &forwarder.name;
        for address in &forwarder.addresses {
            let length = address.prefix_len();
            let overlap = |prefix: &IpNet| prefix.contains(&**address) || address.contains(prefix);
            let what = if length == 0 {
                continue;
            } else if length < if address.addr().is_ipv4() { 8 } else { 32 } {
                "is far wider than a forwarder: every host there"
            } else if length < address.max_prefix_len() && of_all.iter().any(overlap) {
                "holds clients of the networks, too: each of them"
            } else {
                continue;
            };
            findings.push(Finding::new(
                Code::WideForwarder,
                address.origin,
                format!("{}, of forwarder \"{name}\", {what} may claim to be any client of its networks", **address),
                "list the addresses of the forwarder itself",
            ));
        }
        let networks = inventory.virtual_networks.iter().filter(|network| forwarder.speaks_for(&network.id));
        let of_networks: Vec<_> = networks.clone().flat_map(prefixes).collect();
        let joined = IpNet::aggregate(&of_networks);
        for prefix in &forwarder.client_prefixes {
            if joined.iter().any(|own| own.contains(&**prefix)) {
                continue;
            }
            let inside: Vec<_> =
                of_networks.iter().filter(|own| prefix.contains(*own)).map(ToString::to_string).collect();
            let (what, mend) = match inside.is_empty() {
                true => (
                    "holds no client of its networks: all of it sees the public view".to_owned(),
                    "remove it, or correct it".to_owned(),
                ),
                false => (
                    format!(
                        "is wider than its networks ({}): clients in the rest see the public view",
                        inside.join(", ")
                    ),
                    "write the prefixes of the networks, or add the rest to the client_prefixes of one".to_owned(),
                ),
            };
            let what = format!("{}, with which forwarder \"{name}\" is trusted, {what}", **prefix);
            findings.push(Finding::new(Code::ForwarderPrefixes, prefix.origin, what, mend));
        }
        // Behind a proxy, access rules apply to the proxy's clients.
        for address in forwarder.addresses.iter().filter(|_| forwarder.client_subnet) {
            let overlap = |prefix: &IpNet| prefix.contains(&**address) || address.contains(prefix);
            let admits =
                |listener: &Listener| listener.allow_from.as_ref().is_none_or(|allowed| allowed.iter().any(overlap));
            if !inventory.listeners.is_empty() && !inventory.listeners.iter().any(admits) {
                findings.push(Finding::new(
                    Code::ForwarderRefused,
                    address.origin,
                    format!("forwarder \"{name}\" is refused: no listener's allow_from holds {}", **address),
                    "add it to the allow_from of the listener that it asks",
                ));
            }
        }
        // Some forwarders pass on a signed query unchanged, without adding the option.
        for address in forwarder.addresses.iter().filter(|_| forwarder.client_subnet) {
            let holds = |network: &&VirtualNetwork| {
                let holding = prefixes(network).into_iter().filter(|prefix| prefix.contains(&**address));
                holding.map(|prefix| prefix.prefix_len()).max()
            };
            let own = inventory.virtual_networks.iter().filter(|network| holds(network).is_some()).max_by_key(holds);
            let Some(own) = own.filter(|network| sees_zones(inventory, network)) else { continue };
            findings.push(Finding::new(
                Code::ForwarderWithinNetwork,
                address.origin,
                format!(
                    "forwarder \"{name}\" asks from {}, in virtual network \"{}\": a query that tells of no client, as \
                     anyone may have it send, sees that network's zones",
                    **address,
                    inventory.label(&own.id)
                ),
                format!(
                    "give it an address in no network, or declare a [[virtual_network]] without zones for it: \
                     client_prefixes = [\"{}\"]",
                    **address
                ),
            ));
        }
        if forwarder.client_prefixes.is_empty() {
            continue;
        }
        for network in &forwarder.virtual_networks {
            let Some((_, declared)) = inventory.network(network) else { continue };
            let overlap = |own: &IpNet| {
                forwarder.client_prefixes.iter().any(|prefix| prefix.contains(own) || own.contains(&**prefix))
            };
            if !prefixes(declared).iter().any(overlap) {
                findings.push(Finding::new(
                    Code::ForwarderWithoutPrefix,
                    network.origin,
                    format!(
                        "forwarder \"{name}\" speaks for \"{}\", but none of its client_prefixes lies there",
                        inventory.label(network)
                    ),
                    "remove the network, or add one of its prefixes",
                ));
            }
        }
    }
}

/// Whether clients of a network see anything that others do not: zones linked to it, or its DNS servers.
fn sees_zones(inventory: &Inventory, network: &VirtualNetwork) -> bool {
    let is_linked =
        |zone: &PrivateDnsZone| zone.virtual_network_links.iter().any(|link| *link.link.virtual_network == *network.id);
    !network.dns_servers.is_empty() || inventory.private_dns_zones.iter().any(is_linked)
}

/// Warns of listeners that treat anybody, or clients of another network, as clients of their network.
fn advise_on_listeners(inventory: &Inventory, findings: &mut Vec<Finding>) {
    for listener in &inventory.listeners {
        let Some(address) = listener.address else { continue };
        let is_open = listener.allow_from.is_none()
            && !listener.is_bound_to_interface
            // Such a listener drops queries that are not from forwarders.
            && listener.requires_proxy_protocol.is_none();
        let lets_strangers_in = is_open && inventory.strangers == Strangers::Refused;
        let Some(network) = &listener.virtual_network else {
            if lets_strangers_in {
                advise_on_endpoints(inventory, address, findings);
            }
            continue;
        };
        if lets_strangers_in && !address.ip().is_unspecified() {
            findings.push(Finding::new(
                Code::OpenListener,
                network.origin,
                format!(
                    "whoever reaches {address} is a client of \"{}\": strangers = \"refused\" refuses nobody there",
                    inventory.label(network)
                ),
                "add allow_from or interface",
            ));
        }
        if address.ip().is_unspecified() && is_open {
            findings.push(Finding::new(
                Code::OpenListener,
                network.origin,
                format!("whoever reaches this host on {address} is a client of \"{}\"", inventory.label(network)),
                "add allow_from or interface, or listen on an address that only its clients reach",
            ));
        }
        let is_endpoint = |known: &&VirtualNetwork| {
            let address = Address::Known(address.ip().to_canonical());
            inventory.inbound_endpoints(known).any(|endpoint| **endpoint == address)
        };
        if let Some(other) = inventory.virtual_networks.iter().find(is_endpoint)
            && other.id != *network
        {
            findings.push(Finding::new(
                Code::ListenerOfAnotherNetwork,
                network.origin,
                format!(
                    "whoever asks {} is a client of \"{}\", but it is an inbound endpoint of \"{}\"",
                    address.ip(),
                    inventory.label(network),
                    inventory.label(&other.id)
                ),
                "write that network, or listen on another address",
            ));
        }
    }
}

/// Warns of inbound endpoints at a listener that accepts queries from anybody, although strangers are to be refused.
fn advise_on_endpoints(inventory: &Inventory, listener: SocketAddr, findings: &mut Vec<Finding>) {
    for network in &inventory.virtual_networks {
        let answers = |endpoint: &&Declared<Address>| {
            endpoint.known().is_some_and(|address| {
                let is_wildcard = listener.ip().is_unspecified() && listener.is_ipv4() == address.is_ipv4();
                listener.ip() == address || is_wildcard
            })
        };
        let Some(endpoint) = inventory.inbound_endpoints(network).find(answers) else { continue };
        findings.push(Finding::new(
            Code::OpenListener,
            endpoint.origin,
            format!(
                "whoever asks this inbound endpoint of \"{}\", where {listener} listens, is its client: strangers = \"refused\" \
                 refuses nobody there",
                inventory.label(&network.id)
            ),
            format!("write {{ address = \"{listener}\", allow_from = [\"PREFIX\"] }} with those who may ask"),
        ));
    }
}
