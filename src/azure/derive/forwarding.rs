//! Which servers answer in place of a network's own zones, and what DNS security policies answer before them.
//!
//! A server that is an inbound endpoint of a declared network, or has an address in its address space, is treated as that
//! network's Azure-provided DNS: it is a resolver or a forwarder there. Any other server is a real one.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::azure::contents::NetworkId;
use crate::azure::declaration::{AZURE_PROVIDED_DNS, Address, Declared, Link, SecurityAction, VirtualNetwork};
use crate::azure::finding::{Finding, quoted};
use crate::azure::identity::ResourceId;
use crate::azure::inventory::Inventory;
use crate::codes::Code;
use crate::dns::Name;

/// Servers to ask, in order; clones share the list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Targets(Arc<[SocketAddr]>);

impl Targets {
    /// The addresses in the order in which they are tried.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.0
    }
}

impl From<&[SocketAddr]> for Targets {
    fn from(addresses: &[SocketAddr]) -> Self {
        Self(addresses.into())
    }
}

impl FromIterator<SocketAddr> for Targets {
    fn from_iter<I: IntoIterator<Item = SocketAddr>>(addresses: I) -> Self {
        Self(addresses.into_iter().collect())
    }
}

/// What answers in place of a network's own zones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// The Azure-provided DNS of that network.
    Network(NetworkId),
    /// Real servers.
    Servers(Targets),
    /// A server whose address, and so whose network, is unknown.
    Unknown,
}

/// Forwarding as declared, checked, with each server identified.
#[derive(Clone, Debug, Default)]
pub struct Forwarding {
    /// Networks with custom DNS servers.
    pub custom_dns: BTreeMap<NetworkId, Destination>,
    /// Addresses of network interfaces with DNS servers of their own: address, network, servers.
    pub interfaces: Vec<(IpAddr, NetworkId, Destination)>,
    /// Rules that are enabled.
    pub rules: Vec<Rule>,
    /// Security rules that are enabled.
    pub security_rules: Vec<SecurityRule>,
    /// The servers for names in no zone here.
    pub upstream: Option<(Targets, bool)>,
    /// Domains to which a rule for all names does not apply.
    pub reserved: Vec<Name>,
}

/// An enabled rule, for all networks linked to its ruleset.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The ruleset.
    pub ruleset: ResourceId,
    /// The ruleset's name.
    pub label: String,
    /// Names at and below it are forwarded.
    pub domain_name: Name,
    /// The servers.
    pub destination: Destination,
    /// The networks.
    pub virtual_networks: Vec<NetworkId>,
}

/// An enabled rule of a DNS security policy, for all networks linked to the policy.
#[derive(Clone, Debug)]
pub struct SecurityRule {
    /// The lowest number takes precedence.
    pub priority: u32,
    /// What to do with a query.
    pub action: SecurityAction,
    /// The rule matches names at and below these.
    pub domains: Vec<Name>,
    /// The networks.
    pub virtual_networks: Vec<NetworkId>,
}

/// The port of DNS.
const PORT: u16 = 53;

/// Identifies every declared server.
pub(in crate::azure) fn forwarding(inventory: &Inventory, findings: &mut Vec<Finding>) -> Forwarding {
    let mut forwarding = Forwarding::default();
    for (number, network) in inventory.numbered_networks() {
        if has_custom_dns(network) {
            let destination = destination(inventory, Some(number), &network.dns_servers, findings);
            forwarding.custom_dns.extend(destination.map(|destination| (number, destination)));
        }
    }
    for machine in &inventory.virtual_machines {
        // Unknown networks have been reported.
        let Some(network) = inventory.number(&machine.virtual_network) else { continue };
        for interface in &machine.network_interfaces {
            let destination = destination(inventory, Some(network), &interface.dns_servers, findings);
            let Some(destination) = destination else { continue };
            let addresses = interface.ip_addresses.iter().filter_map(|address| address.known());
            forwarding.interfaces.extend(addresses.map(|address| (address, network, destination.clone())));
        }
    }
    let networks = |links: &[Link]| links.iter().filter_map(|link| inventory.number(&link.virtual_network)).collect();
    for ruleset in &inventory.dns_forwarding_rulesets {
        for rule in &ruleset.rules {
            let destination = destination(inventory, None, &rule.target_dns_servers, findings);
            let Some(destination) = destination.filter(|_| rule.is_enabled) else { continue };
            forwarding.rules.push(Rule {
                ruleset: (*ruleset.id).clone(),
                label: inventory.label(&ruleset.id),
                domain_name: (*rule.domain_name).clone(),
                destination,
                virtual_networks: networks(&ruleset.links),
            });
        }
    }
    for policy in &inventory.dns_security_policies {
        for rule in policy.rules.iter().filter(|rule| rule.is_enabled) {
            forwarding.security_rules.push(SecurityRule {
                priority: *rule.priority,
                action: rule.action,
                domains: rule.domains.iter().map(|domain| (**domain).clone()).collect(),
                virtual_networks: networks(&policy.links),
            });
        }
    }
    if let Some(upstream) = &inventory.upstream {
        let servers = upstream.servers.iter().map(|server| **server).collect();
        forwarding.upstream = Some((servers, upstream.for_outside));
    }
    forwarding.reserved = super::reserved::domains();
    forwarding
}

/// Whether a network's clients use custom DNS servers. The first server decides; Azure-provided DNS may be among the others.
pub(in crate::azure) fn has_custom_dns(network: &VirtualNetwork) -> bool {
    let first = network.dns_servers.first();
    first.is_some_and(|first| first.known().is_none_or(|server| server.ip() != AZURE_PROVIDED_DNS))
}

/// The network that the first server is in, or the servers themselves if it is in none. `None` after a finding.
fn destination(
    inventory: &Inventory,
    own: Option<NetworkId>,
    servers: &[Declared<Address<SocketAddr>>],
    findings: &mut Vec<Finding>,
) -> Option<Destination> {
    let declared = servers.first()?;
    let Some(first) = declared.known() else { return Some(Destination::Unknown) };
    if first.ip() == AZURE_PROVIDED_DNS {
        return own.map(Destination::Network);
    }
    match standing_in(inventory, own, first).as_slice() {
        [] => Some(Destination::Servers(servers.iter().filter_map(|server| server.known()).collect())),
        [network] => Some(Destination::Network(*network)),
        several => {
            let mut networks = inventory.numbered_networks().filter(|(number, _)| several.contains(number));
            let is_endpoint = networks.any(|(_, network)| has_inbound_endpoint(inventory, network, first.ip()));
            let names = several.iter().map(|network| inventory.network_label(*network));
            findings.push(Finding::new(
                Code::AmbiguousDnsServer,
                declared.origin,
                format!("{} may stand in any of the virtual networks {}", first.ip(), quoted(names)),
                match is_endpoint {
                    true => "give the inbound endpoints of these networks different addresses",
                    false => "write it as inbound_endpoints of the one that is meant",
                },
            ));
            None
        }
    }
}

/// Networks with an inbound endpoint at the address, or otherwise those whose address space contains it. `own` comes first, and
/// is preferred.
pub(in crate::azure) fn standing_in(
    inventory: &Inventory,
    own: Option<NetworkId>,
    server: SocketAddr,
) -> Vec<NetworkId> {
    if server.ip() == AZURE_PROVIDED_DNS {
        return own.into_iter().collect();
    }
    // Azure's services answer only on the DNS port.
    if server.port() != PORT {
        return Vec::new();
    }
    let those = |hold: &dyn Fn(&VirtualNetwork) -> bool| -> Vec<_> {
        inventory.numbered_networks().filter(|(_, network)| hold(network)).map(|(number, _)| number).collect()
    };
    let mut networks = those(&|network| has_inbound_endpoint(inventory, network, server.ip()));
    if networks.is_empty() {
        networks = those(&|network| network.address_space.iter().any(|prefix| prefix.contains(&server.ip())));
    }
    match own.filter(|own| networks.contains(own)) {
        Some(own) => vec![own],
        None => networks,
    }
}

fn has_inbound_endpoint(inventory: &Inventory, network: &VirtualNetwork, address: IpAddr) -> bool {
    inventory.inbound_endpoints(network).any(|endpoint| **endpoint == Address::Known(address))
}
