//! Who answers instead of a network's own zones, and with what a DNS security policy answers before them.
//!
//! A server that is an inbound endpoint, or has its address in the address space, of a declared network stands for the
//! Azure-provided DNS of that network: it is a resolver or a forwarder there. Any other is a real server.

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

/// Servers to ask, in their order; a clone shares the list.
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

/// Who answers in place of a network's own zones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// The Azure-provided DNS of that network.
    Network(NetworkId),
    /// Real servers.
    Servers(Targets),
    /// A server whose address is not known, nor where it stands.
    Unknown,
}

/// What was declared of all this, checked, every server known for what it is.
#[derive(Clone, Debug, Default)]
pub struct Forwarding {
    /// Networks with custom DNS servers.
    pub custom_dns: BTreeMap<NetworkId, Destination>,
    /// Addresses of network interfaces with DNS servers of their own: address, network, and who answers.
    pub interfaces: Vec<(IpAddr, NetworkId, Destination)>,
    /// Rules that count.
    pub rules: Vec<Rule>,
    /// Security rules that count.
    pub security_rules: Vec<SecurityRule>,
    /// Where names are asked that nobody here holds.
    pub upstream: Option<(Targets, bool)>,
    /// Domains that a rule for all names leaves alone.
    pub reserved: Vec<Name>,
}

/// An enabled rule, for all networks that its ruleset is linked to.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The ruleset.
    pub ruleset: ResourceId,
    /// What the ruleset is called.
    pub label: String,
    /// Names at and below it are forwarded.
    pub domain_name: Name,
    /// To whom.
    pub destination: Destination,
    /// The networks.
    pub virtual_networks: Vec<NetworkId>,
}

/// An enabled rule of a DNS security policy, for all networks that the policy is linked to.
#[derive(Clone, Debug)]
pub struct SecurityRule {
    /// The lowest counts.
    pub priority: u32,
    /// What happens to a query.
    pub action: SecurityAction,
    /// Names at and below one of these fit.
    pub domains: Vec<Name>,
    /// The networks.
    pub virtual_networks: Vec<NetworkId>,
}

/// The port of DNS.
const PORT: u16 = 53;

/// Says who every server is that was declared.
pub(in crate::azure) fn forwarding(inventory: &Inventory, findings: &mut Vec<Finding>) -> Forwarding {
    let mut forwarding = Forwarding::default();
    for (number, network) in inventory.numbered_networks() {
        if has_custom_dns(network) {
            let destination = destination(inventory, Some(number), &network.dns_servers, findings);
            forwarding.custom_dns.extend(destination.map(|destination| (number, destination)));
        }
    }
    for machine in &inventory.virtual_machines {
        // A missing network has been reported.
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

/// Whether servers of a network's own answer its clients. Azure-provided DNS may be named among them.
pub(in crate::azure) fn has_custom_dns(network: &VirtualNetwork) -> bool {
    let first = network.dns_servers.first();
    first.is_some_and(|first| first.known().is_none_or(|server| server.ip() != AZURE_PROVIDED_DNS))
}

/// The network that a server stands in, or the servers themselves: the first decides. `None` after a finding.
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

/// Networks that have an inbound endpoint of that address; without one, those whose address space holds it. Of
/// several, `own` comes first and is meant.
pub(in crate::azure) fn standing_in(
    inventory: &Inventory,
    own: Option<NetworkId>,
    server: SocketAddr,
) -> Vec<NetworkId> {
    if server.ip() == AZURE_PROVIDED_DNS {
        return own.into_iter().collect();
    }
    // On another port than DNS has there is no Azure service.
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
