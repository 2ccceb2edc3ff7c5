//! Warnings about what is allowed but likely a mistake.

mod addresses;
mod aliases;
mod clients;
mod custom_dns;
mod mistakes;
mod record_sets;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use ipnet::IpNet;

use super::catalogue::{Catalogue, ResourceMember};
use super::contents::{Links, NetworkId, Scope, ZoneContents};
use super::declaration::{
    ConnectionState, DnsForwardingRuleset, Link, Origin, PublicNetworkAccess, ResolutionPolicy, VirtualNetwork,
};
use super::derive::{Destination, Forwarding};
use super::finding::{Finding, quoted};
use super::identity::ResourceId;
use super::inventory::Inventory;
use super::mistakes::predicates::{holds_nothing, takes_away};
use crate::codes::Code;
use crate::dns::{Name, NameRef, RecordType, rdata};

pub(super) use mistakes::private_addresses;
pub(super) use record_sets::record_sets;

/// Warnings about a topology that can be served.
pub(super) fn topology(
    inventory: &Inventory,
    catalogue: &Catalogue,
    zones: &[ZoneContents],
    forwarding: &Forwarding,
    findings: &mut Vec<Finding>,
) {
    // Advice on an incomplete declaration would mislead.
    if inventory.incomplete {
        return;
    }
    links(inventory, catalogue, zones, findings);
    hidden(inventory, zones, findings);
    prefixes(inventory, findings);
    clients::advise(inventory, findings);
    custom_dns::advise(inventory, forwarding, findings);
    overridden(inventory, catalogue, zones, findings);
    endpoints(inventory, catalogue, zones, forwarding, findings);
    addresses::advise(inventory, zones, findings);
    managed_endpoints(inventory, findings);
    public_access(inventory, catalogue, zones, findings);
    for zone in zones {
        record_sets(zone, findings);
    }
    aliases::advise(inventory, zones, findings);
    mistakes::advise(inventory, catalogue, zones, forwarding, findings);
}

fn links(inventory: &Inventory, catalogue: &Catalogue, zones: &[ZoneContents], findings: &mut Vec<Finding>) {
    // Zones that zone groups name.
    let groups = inventory.private_endpoints.iter().flat_map(|endpoint| &endpoint.private_dns_zone_group);
    let in_groups: HashSet<&ResourceId> = groups.map(|zone| &**zone).collect();
    for zone in zones {
        let Scope::Private { id, links } = &zone.scope else { continue };
        let resource_group = id.resource_group().name();
        if links.is_empty() {
            findings.push(Finding::new(
                Code::ZoneWithoutLink,
                zone.origin,
                format!("the private zone {} in \"{resource_group}\" has no link: nobody sees it", zone.apex),
                "add virtual_network_links = [{ virtual_network = \"NAME\" }]",
            ));
        }
        let takes_all = links.iter().find(|(_, policy)| *policy == ResolutionPolicy::Default);
        // A zone that zone groups name is reported with those, or waits for an approval.
        let is_unused = holds_nothing(zone) && zone.is_private_link() && !in_groups.contains(id);
        if let Some((network, _)) = takes_all.filter(|_| is_unused) {
            findings.push(Finding::new(
                Code::ZoneWithoutRecords,
                zone.origin,
                format!(
                    "the private zone {} in \"{resource_group}\" holds no record: whatever public DNS leads there is \
                     NXDOMAIN for clients of \"{}\"",
                    zone.apex,
                    inventory.network_label(network)
                ),
                "unlink the zone until an endpoint writes to it, or add resolution_policy = \"NxDomainRedirect\"",
            ));
        }
        // Azure's table also has zones below those of services, such as the one of scm names.
        let is_known = |apex: &Name| {
            let mut ancestors = apex.as_ref().ancestors();
            ancestors.any(|name| catalogue.cloud_of_private_zone(&name.to_name()).is_some())
        };
        let redirects = links.iter().any(|(_, policy)| policy == ResolutionPolicy::NxDomainRedirect);
        if redirects && !zone.is_private_link() {
            findings.push(Finding::new(
                Code::RedirectWithoutEffect,
                zone.origin,
                format!("NxDomainRedirect has no effect on {}: it works for Private Link zones only", zone.apex),
                "remove resolution_policy from the link",
            ));
        } else if redirects && !is_known(&zone.apex) {
            findings.push(Finding::new(
                Code::RedirectOnUnknownZone,
                zone.origin,
                format!("NxDomainRedirect on {}, which is the zone of no service that is known here", zone.apex),
                "Azure's documents have it for zones of Private Link resources; it has been seen to take others, too",
            ));
        }
    }
}

/// Reports zones that hide the content of a shorter zone from networks linked to both: the longer one answers alone.
fn hidden(inventory: &Inventory, zones: &[ZoneContents], findings: &mut Vec<Finding>) {
    let mut by_apex: HashMap<NameRef<'_>, Vec<(&ZoneContents, &Links)>, foldhash::fast::RandomState> =
        HashMap::default();
    for zone in zones {
        if let Scope::Private { links, .. } = &zone.scope {
            by_apex.entry(zone.apex.as_ref()).or_default().push((zone, links));
        }
    }
    for zone in zones {
        let Scope::Private { links, .. } = &zone.scope else { continue };
        let shorter = zone.apex.as_ref().ancestors().skip(1).filter_map(|apex| by_apex.get(&apex)).flatten();
        for (shorter, others) in shorter {
            let Some(network) = links.networks().find(|network| others.contains(*network)) else { continue };
            let from_here = shorter.record_sets.range((zone.apex.clone(), RecordType::ZERO)..).map(|(_, set)| set);
            let mut below = from_here.take_while(|set| set.owner.as_ref().is_within(zone.apex.as_ref()));
            if let Some(set) = below.find(|set| !zone.holds(set.owner.as_ref())) {
                findings.push(Finding::new(
                    Code::ShadowedZone,
                    zone.origin,
                    format!(
                        "the private zone {} hides {} ({}) in {} from clients of \"{}\": the zone with the longest name \
                         answers alone, and does not hold it",
                        zone.apex,
                        set.owner,
                        set.writer,
                        shorter.apex,
                        inventory.network_label(network)
                    ),
                    "unlink it from the network, or have the records in it as well",
                ));
            }
        }
    }
}

/// Reports zones with the name of a service's public zone that hold nothing of a resource there: clients find neither its public
/// name nor the alias to the privatelink name.
fn overridden(inventory: &Inventory, catalogue: &Catalogue, zones: &[ZoneContents], findings: &mut Vec<Finding>) {
    // The members of each resource, by public zone.
    let mut by_zone: BTreeMap<Name, Vec<Vec<ResourceMember>>> = BTreeMap::new();
    for resource in &inventory.private_link_resources {
        let services = catalogue.services_of(resource);
        let members = services.flat_map(|found| catalogue.members(found, resource).unwrap_or_default());
        let mut of_resource: BTreeMap<Name, Vec<ResourceMember>> = BTreeMap::new();
        for member in members.filter(|member| !member.private_only) {
            of_resource.entry(member.public_zone.clone()).or_default().push(member);
        }
        for (zone, members) in of_resource {
            by_zone.entry(zone).or_default().push(members);
        }
    }
    for zone in zones {
        if !matches!(&zone.scope, Scope::Private { links, .. } if !links.is_empty()) {
            continue;
        }
        let mut lost = by_zone.get(&zone.apex).into_iter().flatten().filter(|members| takes_away(zone, members));
        if let Some(member) = lost.find_map(|members| members.first()) {
            findings.push(Finding::new(
                Code::PublicZoneTaken,
                zone.origin,
                format!(
                    "the private zone {} takes the whole public zone of that name away from its networks: {} is one of \
                     the names that they cannot resolve",
                    zone.apex, member.public_name
                ),
                format!("make the zone {}, to which the public names of connected resources lead", member.private_zone),
            ));
        }
    }
}

fn prefixes(inventory: &Inventory, findings: &mut Vec<Finding>) {
    let mut prefixes: Vec<(IpNet, NetworkId, Origin)> = Vec::new();
    let listened =
        inventory.listeners.iter().filter_map(|listener| inventory.number(listener.virtual_network.as_ref()?));
    let listened: BTreeSet<NetworkId> = listened.collect();
    for (number, network) in inventory.numbered_networks() {
        let own = network.address_space.iter().chain(&network.client_prefixes);
        prefixes.extend(own.map(|prefix| (prefix.trunc(), number, prefix.origin)));
        let has_listener = listened.contains(&number);
        if network.address_space.is_empty() && network.client_prefixes.is_empty() && !has_listener {
            findings.push(Finding::new(
                Code::NetworkWithoutPrefix,
                network.id.origin,
                format!("virtual network \"{}\" has no prefix: no client belongs to it", inventory.label(&network.id)),
                "add address_space = [\"10.1.0.0/16\"] or client_prefixes",
            ));
        }
    }
    // Prefixes are nested or disjoint. So, once sorted, all prefixes that contain a given one precede it, and all that it
    // contains follow directly.
    prefixes.sort_by_key(|(prefix, network, _)| (prefix.network(), prefix.prefix_len(), *network));
    for (at, (outer, network, origin)) in prefixes.iter().enumerate() {
        let inside = prefixes[at + 1..].iter().take_while(|(prefix, ..)| outer.contains(prefix));
        let narrower = inside.filter(|(prefix, ..)| prefix != outer);
        let (inside, others): (Vec<_>, BTreeSet<_>) = narrower.map(|(prefix, other, _)| (*prefix, *other)).unzip();
        if IpNet::aggregate(&inside).contains(outer) && !others.contains(network) {
            let others = others.into_iter().map(|other| inventory.network_label(other));
            findings.push(Finding::new(
                Code::HiddenPrefix,
                *origin,
                format!(
                    "no client is taken as \"{}\" by {outer}: narrower prefixes of {} cover all of it",
                    inventory.network_label(*network),
                    quoted(others)
                ),
                "remove it, or correct the prefixes",
            ));
        }
    }
    let mut enclosing: Vec<(IpNet, NetworkId)> = Vec::new();
    for (prefix, network, origin) in prefixes {
        while enclosing.pop_if(|(outer, _)| !outer.contains(&prefix)).is_some() {}
        // A listener of its own distinguishes a network from one with the same prefixes.
        let is_told_apart = |outer: IpNet| outer == prefix && listened.contains(&network);
        let other = enclosing.iter().rev().find(|(_, other)| *other != network);
        if let Some((outer, other)) = other.filter(|(outer, _)| !is_told_apart(*outer)) {
            let (network, other) = (inventory.network_label(network), inventory.network_label(*other));
            let (what, mend) = if *outer == prefix {
                (
                    format!(
                        "{prefix} belongs to \"{other}\" and \"{network}\": clients in it are taken as \"{other}\", the first by name"
                    ),
                    "give one of the two a client prefix, a forwarder or a listener of its own",
                )
            } else {
                (
                    format!(
                        "{prefix} of \"{network}\" lies inside {outer} of \"{other}\": clients in it are taken as \"{network}\", the narrower prefix wins"
                    ),
                    "this is right if it was meant; else correct one of the prefixes",
                )
            };
            findings.push(Finding::new(Code::OverlappingNetworks, origin, what, mend));
        }
        if enclosing.last().is_none_or(|(outer, _)| *outer != prefix) {
            enclosing.push((prefix, network));
        }
    }
}

fn endpoints(
    inventory: &Inventory,
    catalogue: &Catalogue,
    zones: &[ZoneContents],
    forwarding: &Forwarding,
    findings: &mut Vec<Finding>,
) {
    for endpoint in &inventory.private_endpoints {
        if !endpoint.is_in_use() {
            continue;
        }
        let name = inventory.label(&endpoint.id);
        if endpoint.private_dns_zone_group.is_empty() {
            findings.push(Finding::new(
                Code::EndpointWithoutZoneGroup,
                endpoint.id.origin,
                format!("private endpoint \"{name}\" has no zone group: no zone gets its records"),
                "add private_dns_zone_group = [\"ZONE\"], or write the records by hand",
            ));
            continue;
        }
        let Some(resource) = inventory.resource(&endpoint.private_link_resource) else { continue };
        let Some(own) = inventory.number(&endpoint.virtual_network) else { continue };
        let written = inventory.members(catalogue, resource, &endpoint.group_id);
        let is_asked_elsewhere = |zone: &Name| {
            let of_zone = written.iter().filter(|member| member.private_zone == *zone);
            of_zone.flat_map(|member| [&member.public_name, &member.privatelink_name]).any(|name| {
                forwarding.rules.iter().any(|rule| {
                    // A rule for all names does not apply to Azure's own domains.
                    let is_left = || forwarding.reserved.iter().any(|domain| name.as_ref().is_within(domain.as_ref()));
                    rule.virtual_networks.contains(&own)
                        && name.as_ref().is_within(rule.domain_name.as_ref())
                        && !(rule.domain_name.as_ref().is_root() && is_left())
                })
            })
        };
        // With custom DNS servers, the links of the network that those servers are in apply.
        let resolves_in = match forwarding.custom_dns.get(&own) {
            None => Some(own),
            Some(Destination::Network(network)) => Some(*network),
            Some(Destination::Servers(_) | Destination::Unknown) => None,
        };
        let private_zones: BTreeSet<&Name> = written.iter().map(|member| &member.private_zone).collect();
        for reference in &endpoint.private_dns_zone_group {
            let Some((at, declared)) = inventory.zone(reference) else { continue };
            if !private_zones.contains(&*declared.name) {
                findings.push(Finding::new(
                    Code::UselessZoneInGroup,
                    reference.origin,
                    format!("private endpoint \"{name}\" writes no record to {}", declared.name),
                    format!("its zones are {}", listed(private_zones.iter().copied())),
                ));
            }
            // Private zones have the same index here as in the declaration.
            let zone = &zones[at];
            let Scope::Private { id, links } = &zone.scope else { continue };
            let Some(network) = resolves_in else { continue };
            let role = match network == own {
                true => "the network",
                false => "where the DNS server stands of the network",
            };
            if !links.contains(network) && !is_asked_elsewhere(&zone.apex) {
                let (resource_group, network) = (id.resource_group().name(), inventory.network_label(network));
                findings.push(Finding::new(
                    Code::ZoneNotLinked,
                    reference.origin,
                    format!(
                        "the zone {} in \"{resource_group}\" is not linked to \"{network}\", {role} of private endpoint \
                         \"{name}\": its clients do not get the private address from it",
                        zone.apex
                    ),
                    format!("add {{ virtual_network = \"{network}\" }} to the zone's links"),
                ));
            }
        }
    }
}

fn managed_endpoints(inventory: &Inventory, findings: &mut Vec<Finding>) {
    for endpoint in inventory.managed_private_endpoints.iter().filter(|endpoint| !endpoint.is_used()) {
        if endpoint.connection_state == ConnectionState::Approved {
            findings.push(Finding::new(
                Code::NotRefreshed,
                endpoint.name.origin,
                format!(
                    "managed private endpoint \"{}\" is approved, but \"{}\" was not refreshed: it does not use it",
                    endpoint.name,
                    inventory.label(&endpoint.grafana)
                ),
                "add refreshed = true",
            ));
        }
    }
}

/// Reports networks that resolve a resource publicly although it refuses public access. Its public names do not change
/// (private-endpoint-dns.md).
fn public_access(inventory: &Inventory, catalogue: &Catalogue, zones: &[ZoneContents], findings: &mut Vec<Finding>) {
    for resource in &inventory.private_link_resources {
        if resource.public_network_access == PublicNetworkAccess::Enabled || resource.has_no_public_host {
            continue;
        }
        let services = catalogue.services_of(resource);
        let members = services.flat_map(|found| catalogue.members(found, resource).unwrap_or_default());
        let members: Vec<_> = members.filter(|member| !member.private_only).collect();
        let mut networks = BTreeSet::new();
        let mut name = None;
        // Clients of other networks use DNS servers or rules first.
        let asks_here = |network: &VirtualNetwork| {
            let is_linked = |link: &Link| *link.virtual_network == *network.id;
            let mut rulesets = inventory.dns_forwarding_rulesets.iter();
            // A rule for all names does not apply to Azure's own domains.
            let leads_away = |ruleset: &DnsForwardingRuleset| {
                let mut rules = ruleset.rules.iter().filter(|rule| rule.is_enabled);
                ruleset.links.iter().any(is_linked) && rules.any(|rule| !rule.domain_name.as_ref().is_root())
            };
            network.dns_servers.is_empty() && !rulesets.any(leads_away)
        };
        for (number, _) in inventory.numbered_networks().filter(|(_, network)| asks_here(network)) {
            if let Some(member) = members.iter().find(|member| is_public(zones, number, member)) {
                networks.insert(number);
                name = name.or(Some(&member.public_name));
            }
        }
        if let Some(name) = name {
            let networks = networks.into_iter().map(|network| inventory.network_label(network));
            findings.push(Finding::new(
                Code::PublicAccessRefused,
                resource.id.origin,
                format!(
                    "public network access of \"{}\" is Disabled, and clients of {} resolve {name} publicly: it refuses them",
                    inventory.label(&resource.id),
                    quoted(networks)
                ),
                "link the networks to a zone with the record of a private endpoint, or enable public network access",
            ));
        }
    }
}

/// Whether clients of a network get a member's public addresses.
fn is_public(zones: &[ZoneContents], network: NetworkId, member: &ResourceMember) -> bool {
    let longest = |name: &Name, is_seen: &dyn Fn(&Scope) -> bool| {
        let covering = zones.iter().filter(|zone| is_seen(&zone.scope) && name.as_ref().is_within(zone.apex.as_ref()));
        covering.max_by_key(|zone| zone.apex.as_wire().len())
    };
    let is_linked = |scope: &Scope| matches!(scope, Scope::Private { links, .. } if links.contains(network));
    if longest(&member.public_name, &is_linked).is_some() {
        return false;
    }
    let public = longest(&member.public_name, &|scope| *scope == Scope::Public);
    let step = public.and_then(|zone| zone.record_sets.get(&(member.public_name.clone(), RecordType::CNAME)));
    let is_connected = step.is_some_and(|step| {
        step.rdatas.iter().any(|rdata| rdata::target(rdata) == Some(member.privatelink_name.as_ref()))
    });
    match longest(&member.privatelink_name, &is_linked).filter(|_| is_connected) {
        None => true,
        Some(zone) => {
            let Scope::Private { links, .. } = &zone.scope else { return true };
            let redirects = links.get(network) == Some(ResolutionPolicy::NxDomainRedirect) && zone.is_private_link();
            redirects && !zone.holds(member.privatelink_name.as_ref())
        }
    }
}

fn listed<'a>(names: impl Iterator<Item = &'a Name>) -> String {
    names.map(Name::to_string).collect::<Vec<_>>().join(", ")
}
