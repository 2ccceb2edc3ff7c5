//! What private DNS zone groups write, replace and remove.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{address_set, seconds};
use crate::azure::catalogue::{Catalogue, ResourceMember};
use crate::azure::contents::ZoneContents;
use crate::azure::declaration::{ConnectionState, PrivateDnsZone, PrivateEndpoint, Word, Writer};
use crate::azure::finding::Finding;
use crate::azure::inventory::Inventory;
use crate::codes::Code;
use crate::dns::{Name, RecordType};

/// TTL of records that zone groups write, in seconds (seen in AzureTRE issue 3767 and in captures of Storage).
pub(super) const ZONE_GROUP_TTL: u32 = 10;

/// The writers of a record set: index of the zone, owner and type, and the endpoints in the order of the file.
type Claims<'a> = BTreeMap<(usize, Name, RecordType), Vec<&'a PrivateEndpoint>>;

/// Writes the records of all zone groups, endpoint by endpoint; a later one replaces what an earlier one wrote (seen in
/// azure-docs issues 58044 and 122192). Then removes those of deleted endpoints.
pub(super) fn write(
    inventory: &Inventory,
    catalogue: &Catalogue,
    zones: &mut [ZoneContents],
    findings: &mut Vec<Finding>,
) {
    let mut claims = Claims::new();
    for endpoint in &inventory.private_endpoints {
        if !endpoint.has_written() {
            continue;
        }
        // Unknown resources and services have been reported.
        let Some(resource) = inventory.resource(&endpoint.private_link_resource) else { continue };
        let mut left_out: BTreeMap<Name, Vec<Arc<ResourceMember>>> = BTreeMap::new();
        let members = inventory.members(catalogue, resource, &endpoint.group_id);
        for member in members.into_iter().filter(|member| !member.unwritten) {
            if !self::member(inventory, endpoint, &member, zones, &mut claims, findings) {
                left_out.entry(member.private_zone.clone()).or_default().push(member);
            }
        }
        for (zone, members) in left_out.iter().filter(|_| !endpoint.takes_away()) {
            missing_zone(inventory, endpoint, zone, members, findings);
        }
    }
    delete(inventory, claims, zones, findings);
}

/// Writes the record of one member; `false` if the zone group has no zone for it.
fn member<'a>(
    inventory: &Inventory,
    endpoint: &'a PrivateEndpoint,
    member: &ResourceMember,
    zones: &mut [ZoneContents],
    claims: &mut Claims<'a>,
    findings: &mut Vec<Finding>,
) -> bool {
    let Some(address) = endpoint.ip_configurations.get(&Word::from(&*member.name)) else { return true };
    let Some(number) = zone_for(inventory, endpoint, member) else { return false };
    let writer = Writer::PrivateEndpoint(inventory.label(&endpoint.id));
    for record_set in
        address_set(&member.privatelink_name, [**address], seconds(ZONE_GROUP_TTL), writer, endpoint.id.origin)
    {
        let key = (number, record_set.owner.clone(), record_set.rtype);
        let claimants = claims.entry(key).or_default();
        // A deleted endpoint is reported once, with the record that its deletion removes.
        let is_over = endpoint.takes_away() || claimants.last().is_some_and(|last| last.takes_away());
        if claimants.last().is_none_or(|last| last.id != endpoint.id) {
            claimants.push(endpoint);
        }
        // Whoever replaced the group's record is the last writer.
        let written = zones[number].record_sets.get(&(record_set.owner.clone(), record_set.rtype));
        if written.is_some_and(|written| written.writer == Writer::Client) {
            continue;
        }
        let writer = record_set.writer.clone();
        // Two endpoints with one name have been reported.
        let replaced = zones[number].insert(record_set).filter(|replaced| replaced.writer != writer);
        if let Some(replaced) = replaced.filter(|replaced| !is_over || replaced.writer == Writer::Person) {
            findings.push(Finding::new(
                Code::LastWriterWins,
                endpoint.id.origin,
                format!(
                    "private endpoint \"{}\" replaces the record of {} {}: the last writer wins",
                    inventory.label(&endpoint.id),
                    member.privatelink_name,
                    replaced.writer
                ),
                "give each endpoint a zone of its own, or keep one endpoint for the resource",
            ));
        }
    }
    true
}

/// The zone of an endpoint's zone group for a member: its index among all zones.
pub(in crate::azure) fn zone_for(
    inventory: &Inventory,
    endpoint: &PrivateEndpoint,
    member: &ResourceMember,
) -> Option<usize> {
    // Private zones have the same index here as in the declaration.
    let in_group = endpoint.private_dns_zone_group.iter().filter_map(|zone| inventory.zone(zone));
    in_group.filter(|(_, zone)| *zone.name == member.private_zone).map(|(number, _)| number).min()
}

/// Reports that a zone group lacks a zone, and for which members.
fn missing_zone(
    inventory: &Inventory,
    endpoint: &PrivateEndpoint,
    zone: &Name,
    members: &[Arc<ResourceMember>],
    findings: &mut Vec<Finding>,
) {
    let names_zone = |endpoint: &PrivateEndpoint| {
        let mut group = endpoint.private_dns_zone_group.iter();
        group.any(|named| PrivateDnsZone::apex(named).as_ref() == Some(zone))
    };
    // An unknown zone in the group has been reported, or could not be read. A resource with more zones than a group may hold has
    // several endpoints in a network.
    let is_sibling = |other: &&PrivateEndpoint| {
        *other.private_link_resource == *endpoint.private_link_resource
            && *other.virtual_network == *endpoint.virtual_network
            && other.group_id.eq_ignore_ascii_case(&endpoint.group_id)
            && (*other.id == *endpoint.id || other.is_in_use())
    };
    let no_zone_group = endpoint.private_dns_zone_group.is_empty();
    if no_zone_group || inventory.private_endpoints.iter().filter(is_sibling).any(names_zone) {
        return;
    }
    let names: Vec<_> = members.iter().map(|member| member.public_name.to_string()).collect();
    let names = names.join(", ");
    let consequence = match members.iter().all(|member| member.private_only) {
        true => format!("nobody resolves {names}"),
        false => format!("clients do not get the private addresses of {names}"),
    };
    findings.push(Finding::new(
        Code::ZoneMissingInGroup,
        endpoint.id.origin,
        format!(
            "the zone group of private endpoint \"{}\" has no zone {zone}: {consequence}",
            inventory.label(&endpoint.id)
        ),
        format!("add the zone {zone} to private_dns_zone_group"),
    ));
}

/// Deleting an endpoint, or rejecting or removing its connection, removes the records of its zone group, whoever wrote them last
/// (seen in azure-docs issues 58044 and 122192).
fn delete(inventory: &Inventory, claims: Claims<'_>, zones: &mut [ZoneContents], findings: &mut Vec<Finding>) {
    for ((zone, owner, rtype), claimants) in claims {
        let Some(deleted) = claimants.iter().find(|endpoint| endpoint.takes_away()) else { continue };
        zones[zone].remove(&owner, rtype);
        if let Some(left) = claimants.iter().find(|endpoint| !endpoint.takes_away()) {
            let (gone, left) = (inventory.label(&deleted.id), inventory.label(&left.id));
            let (how, mend) = match deleted.connection_state {
                _ if deleted.deleted => ("deleting", "the deleted endpoint out of the file"),
                ConnectionState::Rejected => ("rejecting", "was_approved out of the rejected endpoint"),
                _ => ("disconnecting", "was_approved out of the disconnected endpoint"),
            };
            findings.push(Finding::new(
                Code::EndpointTookRecord,
                deleted.id.origin,
                format!(
                    "{how} private endpoint \"{gone}\" has removed the record of {owner}, which private endpoint \
                     \"{left}\" writes too: clients of the zone get NXDOMAIN"
                ),
                format!("in Azure, make the zone group of \"{left}\" anew; here, take {mend}"),
            ));
        }
    }
}
