//! The records that the platform writes: SOA records, private DNS zone groups, the public side of Private Link.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::catalogue::ResourceMember;
use super::declaration::{
    ConnectionState, Declaration, Origin, PrivateDnsZone, PrivateEndpoint, PrivateLinkResource, RecordSet, SoaEdit,
    Writer, ZoneReference,
};
use super::{Catalogue, Finding, Scope, ZoneContents};
use crate::dns::{Name, NameRef, RecordType, Ttl, rdata};

mod internal;
mod machines;
mod managed;

pub(super) use internal::INTERNAL_APEX;
pub(super) use managed::ALIAS_APEX;

/// TTL of records that zone groups write, in seconds (seen in AzureTRE issue 3767 and in captures of Storage).
const ZONE_GROUP_TTL: u32 = 10;
/// TTL of a private zone's SOA record, in seconds (seen in captures; private-dns-privatednszone.md).
const SOA_TTL: u32 = 3600;
/// Serial, refresh, retry, expire and minimum of a private zone's SOA record (seen in captures).
const PRIVATE_SOA: [u32; 5] = [1, 3600, 300, 2_419_200, 10];
/// The same of a public Azure DNS zone.
const PUBLIC_SOA: [u32; 5] = [1, 3600, 300, 2_419_200, 300];
/// TTL of the NS record set of a public Azure DNS zone, in seconds.
const PUBLIC_NS_TTL: u32 = 172_800;

/// All zones with all their records: private ones first and in the order of the declaration, internal ones last.
pub(super) fn zones(
    declaration: &Declaration,
    catalogue: &Catalogue,
    findings: &mut Vec<Finding>,
) -> Vec<ZoneContents> {
    let mut private: Vec<_> = declaration.private_dns_zones.iter().map(private_zone).collect();
    for endpoint in &declaration.private_endpoints {
        zone_group(declaration, catalogue, endpoint, &mut private, findings);
    }
    for (zone, declared) in private.iter_mut().zip(&declaration.private_dns_zones) {
        machines::register(declaration, declared, zone, findings);
    }
    let mut internal = internal::InternalZones::default();
    machines::internal_names(declaration, &mut internal);
    managed::names(declaration, catalogue, &mut internal, findings);
    let connections = declaration.private_endpoints.iter().filter(|endpoint| endpoint.connection_state.is_connection());
    let mut public = PublicSide {
        zones: declaration.public_zones.iter().map(public_zone).collect(),
        connected: connections
            .map(|endpoint| (endpoint.private_link_resource.as_str(), endpoint.group_id.to_lowercase()))
            .chain(managed::connections(declaration))
            .collect(),
    };
    for resource in &declaration.private_link_resources {
        public.resource(catalogue, resource, findings);
    }
    public.zones.extend(managed::alias_zone(declaration, &public.zones));
    private.append(&mut public.zones);
    private.extend(internal.finish(declaration));
    private
}

fn private_zone(zone: &PrivateDnsZone) -> ZoneContents {
    let mut contents = ZoneContents {
        apex: (*zone.name).clone(),
        scope: Scope::Private {
            resource_group: zone.resource_group.clone(),
            links: zone
                .virtual_network_links
                .iter()
                .map(|link| ((*link.virtual_network).clone(), link.resolution_policy))
                .collect(),
        },
        is_partial: false,
        record_sets: BTreeMap::new(),
        origin: zone.name.origin,
    };
    contents.insert(private_soa(&zone.name, &zone.soa, zone.name.origin));
    for record_set in &zone.record_sets {
        contents.insert(record_set.clone());
    }
    contents
}

/// The SOA record that Azure makes with a private zone. Host and serial number cannot be changed.
fn private_soa(apex: &Name, edit: &SoaEdit, origin: Origin) -> RecordSet {
    let [serial, refresh, retry, expire, minimum] = PRIVATE_SOA;
    let numbers = [
        serial,
        edit.refresh_time.unwrap_or(refresh),
        edit.retry_time.unwrap_or(retry),
        edit.expire_time.unwrap_or(expire),
        edit.minimum_ttl.unwrap_or(minimum),
    ];
    let email = edit.email.clone().unwrap_or_else(|| constant("azureprivatedns-host.microsoft.com"));
    RecordSet {
        owner: apex.clone(),
        rtype: RecordType::SOA,
        ttl: edit.ttl.unwrap_or_else(|| seconds(SOA_TTL)),
        rdatas: vec![rdata::soa(&constant("azureprivatedns.net"), &email, numbers).into()],
        writer: Writer::Zone,
        origin,
    }
}

/// Writes the records of an endpoint's zone group; a later endpoint replaces what an earlier one wrote
/// (seen in azure-docs issues 58044 and 122192).
fn zone_group(
    declaration: &Declaration,
    catalogue: &Catalogue,
    endpoint: &PrivateEndpoint,
    zones: &mut [ZoneContents],
    findings: &mut Vec<Finding>,
) {
    if endpoint.connection_state != ConnectionState::Approved || endpoint.private_dns_zone_group.is_empty() {
        return;
    }
    // A missing resource or service has been reported by the check of the resources.
    let Some(resource) = find_resource(declaration, endpoint) else { return };
    for names in members(catalogue, resource, &endpoint.group_id) {
        let Some(address) = endpoint.ip_configurations.get(&names.name) else { continue };
        let in_group = |zone: &&mut ZoneContents| {
            zone.apex == names.private_zone
                && endpoint.private_dns_zone_group.iter().any(|reference| reference.matches(zone))
        };
        let Some(zone) = zones.iter_mut().find(in_group) else {
            // A zone that the group names but that is not there has been reported, or could not be read.
            if endpoint.private_dns_zone_group.iter().any(|reference| reference.name == names.private_zone) {
                continue;
            }
            findings.push(Finding::warning(
                endpoint.name.origin,
                format!(
                    "the zone group of private endpoint \"{}\" has no zone {}: the endpoint's clients resolve {} publicly",
                    endpoint.name, names.private_zone, names.public_name
                ),
                format!("add the zone {} to private_dns_zone_group", names.private_zone),
            ));
            continue;
        };
        let addresses = [**address];
        let written = address_set(
            &names.privatelink_name,
            &addresses,
            seconds(ZONE_GROUP_TTL),
            Writer::PrivateEndpoint((*endpoint.name).clone()),
            endpoint.name.origin,
        );
        for record_set in written {
            let writer = record_set.writer.clone();
            // Two endpoints of one name have been reported.
            if let Some(replaced) = zone.insert(record_set).filter(|replaced| replaced.writer != writer) {
                findings.push(Finding::warning(
                    endpoint.name.origin,
                    format!(
                        "private endpoint \"{}\" replaces the record of {} {}: the last writer wins",
                        endpoint.name, names.privatelink_name, replaced.writer
                    ),
                    "give each endpoint a zone of its own, or keep one endpoint for the resource",
                ));
            }
        }
    }
}

/// Public zones under construction.
struct PublicSide<'a> {
    zones: Vec<ZoneContents>,
    /// Names of resources with the group IDs by which they are connected, in lower case.
    connected: BTreeSet<(&'a str, String)>,
}

impl PublicSide<'_> {
    /// Writes what the public DNS of the service holds for a resource. As soon as one private endpoint exists
    /// anywhere, the public name gains the privatelink step for everyone (private-endpoint-dns.md).
    fn resource(&mut self, catalogue: &Catalogue, resource: &PrivateLinkResource, findings: &mut Vec<Finding>) {
        // Sub-resources may share a public name: a connection to one of them is one to the name.
        let mut members_by_name: BTreeMap<Name, (ResourceMember, bool)> = BTreeMap::new();
        for service in catalogue.services_of(resource) {
            let connection = (resource.name.as_str(), service.group_id.to_lowercase());
            let is_connected = self.connected.contains(&connection);
            for member in catalogue.members(service, resource).unwrap_or_default() {
                match members_by_name.entry(member.public_name.clone()) {
                    Entry::Vacant(entry) => _ = entry.insert((member, is_connected)),
                    Entry::Occupied(mut entry) if is_connected => _ = entry.insert((member, is_connected)),
                    Entry::Occupied(_) => {}
                }
            }
        }
        for (member, is_connected) in members_by_name.into_values() {
            self.member(resource, &member, is_connected, findings);
        }
    }

    fn member(
        &mut self,
        resource: &PrivateLinkResource,
        member: &ResourceMember,
        is_connected: bool,
        findings: &mut Vec<Finding>,
    ) {
        let addresses = match resource.public_ip_addresses.get(&member.name) {
            Some(declared) => declared.to_vec(),
            None if member.public_endpoint.is_some() => Vec::new(),
            None => vec![documentation_address(&member.public_name)],
        };
        let writer = Writer::PrivateLinkResource((*resource.name).clone());
        let origin = resource.name.origin;
        let mut last = &member.public_name;
        let mut zone = member.public_zone.as_ref();
        let mut records = Vec::new();
        if is_connected {
            records.push((zone, alias(last, &member.privatelink_name, member.alias_ttl, &writer, origin)));
            last = &member.privatelink_name;
            zone = parent_zone(member.private_zone.as_ref());
        }
        if let Some(endpoint) = &member.public_endpoint {
            records.push((zone, alias(last, endpoint, member.alias_ttl, &writer, origin)));
            last = endpoint;
            // A zone of its own: of the names beside the host nothing is known.
            zone = endpoint.as_ref();
        }
        let address_sets = address_set(last, &addresses, member.address_ttl, writer, origin);
        records.extend(address_sets.map(|record_set| (zone, record_set)));
        for (zone, record_set) in records {
            self.insert(zone, record_set, findings);
        }
    }

    /// Puts a record set into the declared zone that covers its owner, else into a derived zone named `apex`.
    fn insert(&mut self, apex: NameRef<'_>, record_set: RecordSet, findings: &mut Vec<Finding>) {
        let owner = record_set.owner.as_ref();
        let covering = |zone: &&mut ZoneContents| owner.is_within(zone.apex.as_ref());
        let zone = match self.zones.iter_mut().filter(covering).max_by_key(|zone| zone.apex.as_wire().len()) {
            Some(zone) => zone,
            None => {
                self.zones.push(derived_public_zone(apex, record_set.origin));
                self.zones.last_mut().expect("just pushed")
            }
        };
        let origin = record_set.origin;
        let owner = record_set.owner.clone();
        let (writer, rdatas) = (record_set.writer.clone(), record_set.rdatas.clone());
        match zone.insert(record_set) {
            // Resources of one region share a public endpoint.
            Some(replaced) if replaced.rdatas != rdatas || replaced.writer == Writer::Person => {
                findings.push(Finding::error(
                    origin,
                    format!("the record of {owner} that {writer} is there already, {}", replaced.writer),
                    "take it out of the zone file, or give the resources one public address",
                ));
            }
            _ => {}
        }
    }
}

fn public_zone(zone: &super::PublicZone) -> ZoneContents {
    let mut contents = ZoneContents {
        apex: (*zone.name).clone(),
        scope: Scope::Public,
        is_partial: false,
        record_sets: BTreeMap::new(),
        origin: zone.name.origin,
    };
    for record_set in &zone.record_sets {
        contents.insert(record_set.clone());
    }
    contents
}

/// A public zone for derived records, with the SOA and NS records of a zone that Azure DNS hosts.
fn derived_public_zone(apex: NameRef<'_>, origin: Origin) -> ZoneContents {
    let apex = apex.to_name();
    let record_set = |rtype, ttl, rdatas| RecordSet {
        owner: apex.clone(),
        rtype,
        ttl: seconds(ttl),
        rdatas,
        writer: Writer::Zone,
        origin,
    };
    let servers = ["ns1-01.azure-dns.com", "ns2-01.azure-dns.net", "ns3-01.azure-dns.org", "ns4-01.azure-dns.info"];
    let soa = rdata::soa(&constant(servers[0]), &constant("azuredns-hostmaster.microsoft.com"), PUBLIC_SOA);
    let ns = servers.iter().map(|server| constant(server).as_wire().into()).collect();
    let mut contents = ZoneContents {
        apex: apex.clone(),
        scope: Scope::Public,
        is_partial: true,
        record_sets: BTreeMap::new(),
        origin,
    };
    contents.insert(record_set(RecordType::SOA, SOA_TTL, vec![soa.into()]));
    contents.insert(record_set(RecordType::NS, PUBLIC_NS_TTL, ns));
    contents
}

fn alias(owner: &Name, target: &Name, ttl: Ttl, writer: &Writer, origin: Origin) -> RecordSet {
    RecordSet {
        owner: owner.clone(),
        rtype: RecordType::CNAME,
        ttl,
        rdatas: vec![target.as_wire().into()],
        writer: writer.clone(),
        origin,
    }
}

/// An A and an AAAA record set, as far as there are addresses for them.
fn address_set(
    owner: &Name,
    addresses: &[IpAddr],
    ttl: Ttl,
    writer: Writer,
    origin: Origin,
) -> impl Iterator<Item = RecordSet> {
    let v4 = addresses.iter().filter_map(|address| match address {
        IpAddr::V4(address) => Some(address.octets().into()),
        IpAddr::V6(_) => None,
    });
    let v6 = addresses.iter().filter_map(|address| match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(address) => Some(address.octets().into()),
    });
    let sets = [(RecordType::A, v4.collect::<Vec<_>>()), (RecordType::AAAA, v6.collect())];
    sets.into_iter().filter(|(_, rdatas)| !rdatas.is_empty()).map({
        let owner = owner.clone();
        move |(rtype, rdatas)| RecordSet { owner: owner.clone(), rtype, ttl, rdatas, writer: writer.clone(), origin }
    })
}

/// Stands for a public address that was not declared: one of the documentation range 203.0.113.0/24 (RFC 5737), the
/// same for a name each time.
fn documentation_address(name: &Name) -> IpAddr {
    let folded = name.as_ref().fold();
    let sum: u32 = folded.as_ref().as_wire().iter().map(|octet| u32::from(*octet)).sum();
    IpAddr::from([203, 0, 113, (sum % 254 + 1) as u8])
}

/// The members of one sub-resource; what the catalogue cannot fill in has been reported before.
pub(super) fn members(catalogue: &Catalogue, resource: &PrivateLinkResource, group_id: &str) -> Vec<ResourceMember> {
    let mut services = catalogue.services_of(resource);
    let service = services.find(|service| service.group_id.eq_ignore_ascii_case(group_id));
    service.and_then(|service| catalogue.members(service, resource).ok()).unwrap_or_default()
}

pub(super) fn find_resource<'a>(
    declaration: &'a Declaration,
    endpoint: &PrivateEndpoint,
) -> Option<&'a PrivateLinkResource> {
    declaration.private_link_resources.iter().find(|resource| *resource.name == *endpoint.private_link_resource)
}

fn parent_zone(name: NameRef<'_>) -> NameRef<'_> {
    name.parent().unwrap_or(name)
}

fn constant(name: &str) -> Name {
    name.parse().expect("a constant of this module")
}

const fn seconds(seconds: u32) -> Ttl {
    Ttl::from_secs(seconds).expect("a constant of this module")
}

impl ZoneReference {
    /// Whether the reference means this zone.
    pub(super) fn matches(&self, zone: &ZoneContents) -> bool {
        match &zone.scope {
            Scope::Public | Scope::Internal { .. } => false,
            Scope::Private { resource_group, .. } => {
                self.name == zone.apex
                    && self.resource_group.as_ref().is_none_or(|group| group.eq_ignore_ascii_case(resource_group))
            }
        }
    }
}

impl ZoneContents {
    /// Adds a record set and returns the one that it replaces.
    fn insert(&mut self, record_set: RecordSet) -> Option<RecordSet> {
        self.record_sets.insert((record_set.owner.clone(), record_set.rtype), record_set)
    }
}
