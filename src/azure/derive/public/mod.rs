//! The public side of Private Link resources: their records in the services' public DNS zones.

mod disputed;
mod shared;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::{SOA_TTL, address_set, constant, seconds};
use crate::azure::catalogue::{Catalogue, ResourceMember, SubResource};
use crate::azure::contents::{Scope, ZoneContents};
use crate::azure::declaration::{
    Address, NameServer, Origin, PrivateEndpoint, PrivateLinkResource, RecordSet, Word, Writer,
};
use crate::azure::finding::Finding;
use crate::azure::identity::ResourceId;
use crate::azure::inventory::Inventory;
use crate::codes::Code;
use crate::dns::{Name, NameRef, Rdatas, RecordType, Ttl, rdata};

/// Serial, refresh, retry, expire and minimum of the SOA record of a public Azure DNS zone.
const PUBLIC_SOA: [u32; 5] = [1, 3600, 300, 2_419_200, 300];

/// The declared public zones with the records derived from resources, and the additional zones needed for them.
pub(super) fn zones(
    inventory: &Inventory,
    catalogue: &Catalogue,
    declared: Vec<ZoneContents>,
    findings: &mut Vec<Finding>,
) -> Vec<ZoneContents> {
    let connections = Connections::new(inventory);
    let mut entries = Vec::new();
    // Two resources with one identity, or one public name, have been reported; the first has the name.
    let mut owners: HashMap<Name, &ResourceId> = HashMap::new();
    for resource in inventory.private_link_resources.iter().filter(|resource| inventory.is_first(resource)) {
        for (found, members) in inventory.sub_resources(catalogue, resource) {
            for member in members.iter().flatten() {
                if member.is_own && *owners.entry(member.public_name.clone()).or_insert(&resource.id) != &*resource.id {
                    continue;
                }
                let has_step = !member.public_only && !member.private_address_for_everyone;
                let is_connected = has_step && (member.always_connected || connections.reach(resource, found));
                entries.push(Entry {
                    resource: Some(resource),
                    stated: stated_addresses(resource, member),
                    is_connected,
                    origin: resource.id.origin,
                    writer: Writer::PrivateLinkResource(inventory.label(&resource.id)),
                    member: member.clone(),
                });
            }
        }
    }
    shared::add(inventory, catalogue, &declared, &mut entries);
    disputed::part(&mut entries);
    // Sub-resources and resources may share a public name: a connection to one of them counts for the name.
    let connected: BTreeSet<Name> =
        entries.iter().filter(|entry| entry.is_connected).map(|entry| entry.member.public_name.clone()).collect();
    let mut public = PublicSide::new(declared);
    for entry in &entries {
        if entry.is_connected || !connected.contains(&entry.member.public_name) {
            match entry.resource.filter(|_| entry.member.private_address_for_everyone) {
                Some(resource) => public.private_address(inventory, resource, entry),
                None => public.member(entry),
            }
        }
    }
    public.finish(findings)
}

/// A member whose public records are written.
struct Entry<'a> {
    member: Arc<ResourceMember>,
    /// Its resource; none if the name is shared by all customers and no declared resource has it.
    resource: Option<&'a PrivateLinkResource>,
    /// The public addresses stated for its resource.
    stated: Option<&'a [IpAddr]>,
    is_connected: bool,
    origin: Origin,
    writer: Writer,
}

impl Entry<'_> {
    /// The name that has its addresses, without the privatelink step.
    fn host(&self) -> &Name {
        self.member.public_chain.last().map_or(&self.member.public_name, |(host, _)| host)
    }

    /// Its public addresses: the stated ones, or a placeholder.
    fn addresses(&self) -> Cow<'_, [IpAddr]> {
        let stands_for_them = || vec![documentation_address(self.host())].into();
        self.stated.map_or_else(stands_for_them, Cow::Borrowed)
    }
}

/// The public addresses that a resource states for one of its members; an empty list if it has no public host.
fn stated_addresses<'a>(resource: &'a PrivateLinkResource, member: &ResourceMember) -> Option<&'a [IpAddr]> {
    if resource.has_no_public_host {
        return Some(&[]);
    }
    // Members that share the declared host share its addresses.
    let of_host = || {
        let first = resource.public_ip_addresses.iter().min_by_key(|(member, _)| member.as_str());
        first.map(|(_, addresses)| addresses).filter(|_| resource.public_endpoint.is_some())
    };
    let stated = resource.public_ip_addresses.get(&Word::from(&*member.name)).or_else(of_host);
    stated.map(|addresses| addresses.as_slice())
}

/// The connected resources, each with the group ID in lower case.
struct Connections<'a>(HashSet<(&'a ResourceId, String)>);

impl<'a> Connections<'a> {
    /// Once a private endpoint exists anywhere, the public name has the privatelink step for everyone (private-endpoint-dns.md).
    /// An endpoint of a private link scope counts for each resource in it.
    fn new(inventory: &'a Inventory) -> Self {
        let mut connections = HashSet::new();
        for endpoint in &inventory.private_endpoints {
            if endpoint.is_connection(inventory.public_cname_from) {
                let group_id = endpoint.group_id.to_lowercase();
                let scope = inventory.resource(&endpoint.private_link_resource);
                let scoped = scope.into_iter().flat_map(|scope| &scope.scoped_resources);
                connections.extend(scoped.map(|scoped| (&**scoped, group_id.clone())));
                connections.insert((&*endpoint.private_link_resource, group_id));
            }
        }
        connections.extend(super::managed::connections(inventory));
        Self(connections)
    }

    fn reach(&self, resource: &'a PrivateLinkResource, sub_resource: SubResource<'_>) -> bool {
        self.0.contains(&(&*resource.id, sub_resource.group_id().to_lowercase()))
    }
}

/// The derived zone of a record set whose owner no declared zone covers.
enum Home {
    /// The service's zone, which holds the names of all its declared resources.
    Service(Name),
    /// The parent of its owner: the owner is an alias, and an alias cannot be the apex of a zone.
    Parent,
    /// A zone of its own: nothing is known of the names beside the owner.
    Own,
}

/// Public zones under construction.
struct PublicSide {
    zones: Vec<ZoneContents>,
    /// The index of each zone.
    by_apex: HashMap<Name, usize, foldhash::fast::RandomState>,
    record_sets: Vec<(RecordSet, Home)>,
    /// Zones of services that hold no record.
    empty: Vec<(Name, Origin)>,
}

impl PublicSide {
    fn new(declared: Vec<ZoneContents>) -> Self {
        let by_apex = declared.iter().enumerate().map(|(number, zone)| (zone.apex.clone(), number)).collect();
        Self { zones: declared, by_apex, record_sets: Vec::new(), empty: Vec::new() }
    }

    /// The index of the longest zone so far that covers a name.
    fn covering(&self, name: NameRef<'_>) -> Option<usize> {
        name.ancestors().find_map(|ancestor| self.by_apex.get(&ancestor.to_name()).copied())
    }

    /// Records what public DNS holds for a member.
    fn member(&mut self, entry: &Entry<'_>) {
        let Entry { member, stated, is_connected, origin, writer, .. } = entry;
        let origin = *origin;
        if member.private_only {
            self.empty.push((member.public_zone.clone(), origin));
            return;
        }
        let alias = |owner: &Name, target: &Name, ttl| alias(owner, target, ttl, writer, origin);
        let targets = member.aliases.iter().skip(1).map(|(name, _)| name).chain([&member.public_name]);
        for ((owner, ttl), target) in member.aliases.iter().zip(targets) {
            self.record_sets.push((alias(owner, target, *ttl), Home::Parent));
        }
        // An alias cannot be the apex of its own zone.
        let zone = match member.public_name == member.public_zone {
            true => parent(member.public_zone.as_ref()).to_name(),
            false => member.public_zone.clone(),
        };
        let in_zone = || Home::Service(zone.clone());
        for (name, port, ttl) in &member.srvs {
            let rdata = rdata::srv(*port, &member.public_name).into();
            self.record_sets.push((record_set(name, RecordType::SRV, *ttl, rdata, writer, origin), in_zone()));
        }
        let mut owner = &member.public_name;
        let mut home = in_zone();
        if *is_connected {
            let mut step_ttl = member.alias_ttl;
            for (between, ttl) in &member.privatelink_aliases {
                self.record_sets.push((alias(owner, between, step_ttl), home));
                (owner, step_ttl) = (between, *ttl);
                home = if owner.as_ref().is_within(zone.as_ref()) { in_zone() } else { Home::Parent };
            }
            self.record_sets.push((alias(owner, &member.privatelink_name, step_ttl), home));
            owner = &member.privatelink_name;
            home = Home::Service(if owner.as_ref().is_within(zone.as_ref()) {
                zone.clone()
            } else {
                parent(member.private_zone.as_ref()).to_name()
            });
        }
        if stated.is_some_and(<[IpAddr]>::is_empty) {
            // The name exists: behind the privatelink step, Azure has no public records for it either.
            if !is_connected {
                self.empty.push((member.public_name.clone(), origin));
            }
            return;
        }
        for (at, (host, ttl)) in member.public_chain.iter().enumerate() {
            self.record_sets.push((alias(owner, host, *ttl), home));
            // A zone that the user declared decides itself where its names lead.
            if stated.is_none() && self.covering(host.as_ref()).is_some() {
                return;
            }
            owner = host;
            home = if at + 1 == member.public_chain.len() { Home::Own } else { Home::Parent };
        }
        let addresses = entry.addresses().into_owned().into_iter().map(Address::from);
        for record_set in address_set(owner, addresses, member.address_ttl, writer.clone(), origin) {
            let home = match &home {
                Home::Service(apex) => Home::Service(apex.clone()),
                Home::Parent | Home::Own => Home::Own,
            };
            self.record_sets.push((record_set, home));
        }
    }

    /// Records a public name that resolves to the resource's private endpoint for everyone.
    fn private_address(&mut self, inventory: &Inventory, resource: &PrivateLinkResource, entry: &Entry<'_>) {
        let Entry { member, origin, writer, .. } = entry;
        let origin = *origin;
        self.empty.push((member.public_zone.clone(), origin));
        if resource.public_fqdn.as_ref().is_some_and(|is_there| !**is_there) {
            return;
        }
        let points_here = |endpoint: &&PrivateEndpoint| *endpoint.private_link_resource == *resource.id;
        let endpoints = inventory.private_endpoints.iter().filter(points_here);
        let in_use = endpoints.filter(|endpoint| endpoint.is_in_use());
        let Some(address) =
            in_use.filter_map(|endpoint| endpoint.ip_configurations.get(&Word::from(&*member.name))).next_back()
        else {
            return;
        };
        for record_set in address_set(&member.public_name, [**address], member.address_ttl, writer.clone(), origin) {
            self.record_sets.push((record_set, Home::Service(member.public_zone.clone())));
        }
    }

    /// Creates the missing zones, independently of the order of resources, and fills them.
    fn finish(mut self, findings: &mut Vec<Finding>) -> Vec<ZoneContents> {
        let record_sets = std::mem::take(&mut self.record_sets);
        let mut wanted: [BTreeMap<Name, Origin>; 3] = Default::default();
        for (apex, origin) in std::mem::take(&mut self.empty) {
            if self.covering(apex.as_ref()).is_none() {
                wanted[0].insert(apex, origin);
            }
        }
        for (record_set, home) in &record_sets {
            let owner = record_set.owner.as_ref();
            if self.covering(owner).is_some() {
                continue;
            }
            let (kind, apex) = match home {
                Home::Service(apex) => (0, apex.clone()),
                Home::Parent => (1, parent(owner).to_name()),
                Home::Own => (2, record_set.owner.clone()),
            };
            wanted[kind].entry(apex).or_insert(record_set.origin);
        }
        // Names come before those below them.
        for (kind, apexes) in wanted.into_iter().enumerate() {
            for (apex, origin) in apexes {
                if kind == 0 || self.covering(apex.as_ref()).is_none() {
                    self.by_apex.insert(apex.clone(), self.zones.len());
                    self.zones.push(derived_zone(apex, origin));
                }
            }
        }
        for (record_set, _) in record_sets {
            self.insert(record_set, findings);
        }
        self.zones
    }

    fn insert(&mut self, record_set: RecordSet, findings: &mut Vec<Finding>) {
        let number = self.covering(record_set.owner.as_ref()).expect("made for each owner");
        let origin = record_set.origin;
        let (owner, rtype) = (record_set.owner.clone(), record_set.rtype);
        let (writer, rdatas) = (record_set.writer.clone(), record_set.rdatas.clone());
        match self.zones[number].insert(record_set) {
            // Resources of one region share a public endpoint.
            Some(replaced) if !replaced.rdatas.is_equal(rtype, &rdatas) || replaced.writer == Writer::Person => {
                findings.push(Finding::new(
                    Code::PublicRecordTaken,
                    origin,
                    format!("the record of {owner} that {writer} is there already, {}", replaced.writer),
                    "take it out of the zone file, or give the resources one public address, or each its public_endpoint",
                ));
            }
            _ => {}
        }
    }
}

/// A public zone for derived records, with the SOA and NS records of a zone that Azure DNS hosts.
pub(super) fn derived_zone(apex: Name, origin: Origin) -> ZoneContents {
    let record_set = |rtype, ttl, rdatas| {
        let rdatas = Rdatas::new(rtype, rdatas);
        RecordSet { owner: apex.clone(), rtype, ttl, rdatas, writer: Writer::Zone, origin }
    };
    let servers = ["ns1-01.azure-dns.com", "ns2-01.azure-dns.net", "ns3-01.azure-dns.org", "ns4-01.azure-dns.info"];
    let soa = rdata::soa(&constant(servers[0]), &constant("azuredns-hostmaster.microsoft.com"), PUBLIC_SOA);
    let ns = servers.iter().map(|server| constant(server).as_wire().into()).collect();
    let mut contents = ZoneContents::new(apex.clone(), Scope::Public, BTreeMap::new(), origin);
    contents.is_partial = true;
    contents.insert(record_set(RecordType::SOA, seconds(SOA_TTL), vec![soa.into()]));
    contents.insert(record_set(RecordType::NS, NameServer::TTL, ns));
    contents
}

fn alias(owner: &Name, target: &Name, ttl: Ttl, writer: &Writer, origin: Origin) -> RecordSet {
    record_set(owner, RecordType::CNAME, ttl, target.as_wire().into(), writer, origin)
}

fn record_set(
    owner: &Name,
    rtype: RecordType,
    ttl: Ttl,
    rdata: Box<[u8]>,
    writer: &Writer,
    origin: Origin,
) -> RecordSet {
    RecordSet { owner: owner.clone(), rtype, ttl, rdatas: Rdatas::one(rdata), writer: writer.clone(), origin }
}

/// A placeholder for an undeclared public address: one of the documentation range 203.0.113.0/24 (RFC 5737), always the same for
/// a name.
fn documentation_address(name: &Name) -> IpAddr {
    let folded = name.as_ref().fold();
    let sum: u32 = folded.as_ref().as_wire().iter().map(|octet| u32::from(*octet)).sum();
    IpAddr::from([203, 0, 113, (sum % 254 + 1) as u8])
}

fn parent(name: NameRef<'_>) -> NameRef<'_> {
    name.parent().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::declaration::{Declaration, Declared};
    use crate::azure::identity::ResourceGroup;

    /// Zones and their records, writers aside.
    fn derived(resources: &[&PrivateLinkResource]) -> BTreeMap<Name, Vec<(Name, RecordType)>> {
        let resources: Vec<PrivateLinkResource> = resources.iter().copied().cloned().collect();
        let declaration = Declaration { private_link_resources: resources, ..Declaration::default() };
        let mut findings = Vec::new();
        let zones = zones(
            &Inventory::new(declaration, &Catalogue::embedded(), None),
            &Catalogue::embedded(),
            Vec::new(),
            &mut findings,
        );
        assert!(findings.is_empty(), "{findings:?}");
        zones.into_iter().map(|zone| (zone.apex, zone.record_sets.into_keys().collect())).collect()
    }

    #[test]
    fn the_order_of_resources_does_not_decide_which_zones_there_are() {
        let text = |text: &str| Declared::new(text.to_owned(), Origin(0));
        let resource = |resource_type: &str, name: &str, parts: &[&str]| {
            let id = ResourceGroup::default().resource(resource_type, name).unwrap();
            let mut resource = PrivateLinkResource::new(Declared::new(id, Origin(0)), text("eastus"));
            resource.name_parts = parts.iter().map(|part| ((*part).to_owned(), text("p"))).collect();
            resource
        };
        let resources = [
            resource("Microsoft.Storage/storageAccounts", "acct", &[]),
            resource("Microsoft.Compute/diskAccesses", "md", &["zone_number"]),
            resource("Microsoft.Sql/servers", "srv", &[]),
            resource("Microsoft.Sql/managedInstances", "mi", &["dns_prefix"]),
            resource("Microsoft.Authorization/resourceManagementPrivateLinks", "arm", &[]),
            resource("Microsoft.Insights/privateLinkScopes", "ampls", &[]),
            resource("Microsoft.OperationalInsights/workspaces", "logs", &["workspace_id"]),
            resource("Microsoft.Monitor/accounts", "prom", &["key"]),
            resource("Microsoft.ContainerRegistry/registries", "reg", &[]),
        ];
        let forwards = derived(&resources.iter().collect::<Vec<_>>());
        assert_eq!(forwards, derived(&resources.iter().rev().collect::<Vec<_>>()));
        let name = |text: &str| text.parse::<Name>().unwrap();
        assert!(forwards[&name("trafficmanager.net")].len() > 3);
        for (zone, records) in forwards {
            assert!(!records.contains(&(zone.clone(), RecordType::CNAME)), "an alias at the apex {zone}");
        }
    }
}
