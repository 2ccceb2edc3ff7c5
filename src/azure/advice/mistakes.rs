//! Common mistakes with Private Link that the declaration shows: clients get an answer that was not intended, and nothing fails.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use crate::azure::catalogue::{Catalogue, ResourceMember};
use crate::azure::contents::{Links, NetworkId, Scope, ZoneContents};
use crate::azure::declaration::{PrivateEndpoint, PublicNetworkAccess, RecordSet, ResolutionPolicy, Word, Writer};
use crate::azure::derive::{Destination, Forwarding, is_private};
use crate::azure::finding::{Finding, quoted};
use crate::azure::identity::ResourceId;
use crate::azure::inventory::Inventory;
use crate::codes::Code;
use crate::dns::{Name, NameRef, RecordType, rdata};

/// The declaration under examination, with an index of zones by name.
struct Looked<'t> {
    inventory: &'t Inventory,
    catalogue: &'t Catalogue,
    private: HashMap<NameRef<'t>, Vec<(&'t ZoneContents, &'t Links)>, foldhash::fast::RandomState>,
    public: HashMap<NameRef<'t>, &'t ZoneContents, foldhash::fast::RandomState>,
}

/// What a zone hides, and from whom.
struct Denied<'t> {
    zone: &'t ZoneContents,
    names: BTreeSet<Name>,
    networks: BTreeSet<NetworkId>,
}

impl<'t> Denied<'t> {
    fn new(zone: &'t ZoneContents) -> Self {
        Self { zone, names: BTreeSet::new(), networks: BTreeSet::new() }
    }
}

/// Reports them.
pub(super) fn advise(
    inventory: &Inventory,
    catalogue: &Catalogue,
    zones: &[ZoneContents],
    forwarding: &Forwarding,
    findings: &mut Vec<Finding>,
) {
    let mut looked = Looked { inventory, catalogue, private: HashMap::default(), public: HashMap::default() };
    for zone in zones {
        match &zone.scope {
            Scope::Private { links, .. } => {
                looked.private.entry(zone.apex.as_ref()).or_default().push((zone, links));
                never_asked(catalogue, zone, findings);
            }
            Scope::Public => {
                looked.public.insert(zone.apex.as_ref(), zone);
                private_addresses(zone, findings);
            }
            Scope::Internal { .. } => {}
        }
    }
    looked.denied(findings);
    for endpoint in inventory.private_endpoints.iter().filter(|endpoint| endpoint.is_in_use()) {
        looked.asked_elsewhere(endpoint, forwarding, findings);
        looked.stale_records(endpoint, findings);
    }
}

/// Reports hand-written records of a public zone whose addresses are private.
pub(in crate::azure) fn private_addresses(zone: &ZoneContents, findings: &mut Vec<Finding>) {
    let by_hand = zone.record_sets.values().filter(|set| set.writer == Writer::Person);
    for set in by_hand {
        if let Some(private) = addresses(set).find(|address| is_private(*address)) {
            findings.push(Finding::new(
                Code::PrivateAddressInPublic,
                set.origin,
                format!("everyone sees the private address {private} of {} in the zone {}", set.owner, zone.apex),
                "move the record to a private zone, and link that to the networks that reach the address",
            ));
        }
    }
}

/// The addresses of a record set, if it has any.
fn addresses(set: &RecordSet) -> impl Iterator<Item = IpAddr> {
    set.rdatas.iter().filter_map(|rdata| match set.rtype {
        RecordType::A => <[u8; 4]>::try_from(&**rdata).ok().map(IpAddr::from),
        RecordType::AAAA => <[u8; 16]>::try_from(&**rdata).ok().map(IpAddr::from),
        _ => None,
    })
}

/// Reports a zone whose name is similar to that of a service's Private Link zone: public names lead to the latter, never to this
/// zone.
fn never_asked(catalogue: &Catalogue, zone: &ZoneContents, findings: &mut Vec<Finding>) {
    let Some(first) = zone.apex.as_ref().labels().next().filter(|label| label.starts_with(b"privatelink")) else {
        return;
    };
    let Some(parent) = zone.apex.as_ref().ancestors().nth(1) else { return };
    let Some(meant) = Name::relative("privatelink", parent).ok() else { return };
    let is_known = |name: &Name| catalogue.cloud_of_private_zone(name).is_some();
    if first != b"privatelink" && is_known(&meant) && !is_known(&zone.apex) {
        findings.push(Finding::new(
            Code::ZoneNeverAsked,
            zone.origin,
            format!("no public name leads to the private zone {}: those of the service lead to {meant}", zone.apex),
            format!(
                "make the zone {meant}; several resource groups may have one of that name, each for other networks"
            ),
        ));
    }
}

impl<'t> Looked<'t> {
    /// The private zones that cover a name, the longest first.
    fn covering<'a>(&'a self, name: NameRef<'a>) -> impl Iterator<Item = (&'t ZoneContents, &'t Links)> + 'a {
        name.ancestors().filter_map(|apex| self.private.get(&apex)).flatten().copied()
    }

    /// Whether everyone gets an alias from a member's public name to its name in the private zone.
    fn is_connected(&self, member: &ResourceMember) -> bool {
        let zone = member.public_name.as_ref().ancestors().find_map(|apex| self.public.get(&apex));
        let step = zone.and_then(|zone| zone.record_sets.get(&(member.public_name.clone(), RecordType::CNAME)));
        step.is_some_and(|step| {
            step.rdatas.iter().any(|rdata| rdata::target(rdata) == Some(member.privatelink_name.as_ref()))
        })
    }

    /// Reports zones that hide public resources from the networks linked to them, because the zones do not hold them.
    fn denied(&self, findings: &mut Vec<Finding>) {
        let mut denied: BTreeMap<&ResourceId, Denied<'_>> = BTreeMap::new();
        for resource in &self.inventory.private_link_resources {
            if resource.public_network_access == PublicNetworkAccess::Disabled || resource.has_no_public_host {
                continue;
            }
            let services = self.catalogue.services_of(resource);
            let members = services.flat_map(|found| self.catalogue.members(found, resource).unwrap_or_default());
            for member in members.filter(|member| !member.private_only && self.is_connected(member)) {
                for (id, zone, network) in self.denying(&member) {
                    let of_zone = denied.entry(id).or_insert_with(|| Denied::new(zone));
                    of_zone.names.insert(member.public_name.clone());
                    of_zone.networks.insert(network);
                }
            }
        }
        for (id, Denied { zone, names, networks }) in denied {
            let Some(first) = names.first() else { continue };
            let more = match names.len() - 1 {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            findings.push(Finding::new(
                Code::DeniedName,
                zone.origin,
                format!(
                    "the private zone {} in \"{}\" denies {first}{more} to clients of {}: public DNS leads there, the zone \
                     does not hold it, and public access is enabled",
                    zone.apex,
                    id.resource_group().name(),
                    quoted(networks.into_iter().map(|network| self.inventory.network_label(network)))
                ),
                "link the zone that holds it, make a private endpoint there, or write resolution_policy = \
                 \"NxDomainRedirect\" on the link",
            ));
        }
    }

    /// For each network whose longest zone over a member's private name does not hold it, and does not fall back: that zone.
    fn denying(&self, member: &ResourceMember) -> Vec<(&'t ResourceId, &'t ZoneContents, NetworkId)> {
        let mut seen = BTreeSet::new();
        seen.extend(self.covering(member.public_name.as_ref()).flat_map(|(_, links)| links.networks()));
        let mut denying = Vec::new();
        for (zone, links) in self.covering(member.privatelink_name.as_ref()) {
            let Scope::Private { id, .. } = &zone.scope else { continue };
            let holds = zone.holds(member.privatelink_name.as_ref());
            // A zone without records has a finding of its own.
            let is_own = |set: &RecordSet| set.rtype != RecordType::SOA && set.writer != Writer::NameServers;
            let is_empty = !zone.record_sets.values().any(is_own);
            for (network, policy) in links.iter() {
                let redirects = policy == ResolutionPolicy::NxDomainRedirect && zone.is_private_link();
                // Custom DNS servers use the links of the network that they are in.
                let asks_here = self.inventory.network_of(network).dns_servers.is_empty();
                if seen.insert(network) && !holds && !redirects && asks_here && !is_empty {
                    denying.push((id, zone, network));
                }
            }
        }
        denying
    }

    /// Reports an endpoint whose public name a forwarding rule sends elsewhere before the alias to the private zone is reached.
    fn asked_elsewhere(&self, endpoint: &PrivateEndpoint, forwarding: &Forwarding, findings: &mut Vec<Finding>) {
        let Some(resource) = self.inventory.resource(&endpoint.private_link_resource) else { return };
        let Some(own) = self.inventory.number(&endpoint.virtual_network) else { return };
        let rules = forwarding.rules.iter().filter(|rule| rule.virtual_networks.contains(&own));
        let mut rules = rules.filter(|rule| !rule.domain_name.as_ref().is_root()).peekable();
        if rules.peek().is_none() {
            return;
        }
        let members = self.inventory.members(self.catalogue, resource, &endpoint.group_id);
        for rule in rules {
            let is_taken = |member: &ResourceMember| {
                let name = member.public_name.as_ref();
                let sees = |name: NameRef<'_>, network| {
                    self.covering(name).any(|(zone, links)| links.contains(network) && zone.holds(name))
                };
                let privatelink = member.privatelink_name.as_ref();
                let goes_on = matches!(rule.destination, Destination::Network(network) if sees(privatelink, network));
                name.is_within(rule.domain_name.as_ref())
                    && !self.covering(name).any(|(_, links)| links.contains(own))
                    && sees(privatelink, own)
                    && !goes_on
            };
            if let Some(member) = members.iter().filter(|member| !member.private_only).find(|member| is_taken(member)) {
                findings.push(Finding::new(
                    Code::AskedElsewhere,
                    endpoint.id.origin,
                    format!(
                        "clients of \"{}\" do not get the private address of {} from {}: the rule for {} in \"{}\" takes \
                         the name elsewhere first",
                        self.inventory.network_label(own),
                        member.public_name,
                        member.private_zone,
                        rule.domain_name,
                        rule.label
                    ),
                    "remove the rule, or let it lead to an inbound endpoint of a network that is linked to the zone",
                ));
            }
        }
    }

    /// Reports hand-written records for an endpoint's names with none of the addresses of the resource's endpoints.
    fn stale_records(&self, endpoint: &PrivateEndpoint, findings: &mut Vec<Finding>) {
        let Some(resource) = self.inventory.resource(&endpoint.private_link_resource) else { return };
        for member in self.inventory.members(self.catalogue, resource, &endpoint.group_id) {
            let name = Word::from(&*member.name);
            let owner = member.privatelink_name.clone();
            let zones = self.private.get(&member.private_zone.as_ref()).into_iter().flatten();
            let sets = zones.filter_map(|(zone, _)| zone.record_sets.get(&(owner.clone(), RecordType::A)));
            for set in sets.filter(|set| set.writer == Writer::Person) {
                let all = self.inventory.private_endpoints.iter().filter(|other| {
                    *other.private_link_resource == *endpoint.private_link_resource && other.is_in_use()
                });
                let all: Vec<_> = all.filter_map(|other| other.ip_configurations.get(&name)).collect();
                let known: BTreeSet<_> = all.iter().filter_map(|address| address.known()).collect();
                // One finding for all endpoints of the resource, at the first one.
                let own = endpoint.ip_configurations.get(&name).and_then(|address| address.known());
                let is_first = known.first().copied() == own;
                if known.len() == all.len() && is_first && !addresses(set).any(|address| known.contains(&address)) {
                    let listed = known.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                    findings.push(Finding::new(
                        Code::StaleRecord,
                        set.origin,
                        format!(
                            "the A record of {}, written by hand, has no address of a private endpoint of \"{}\": those \
                             have {listed}",
                            set.owner,
                            self.inventory.label(&resource.id)
                        ),
                        "correct or remove the record, and let a zone group write it",
                    ));
                }
            }
        }
    }
}
