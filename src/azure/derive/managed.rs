//! Records derived from managed private endpoints and private link services.

use std::sync::Arc;

use super::internal::InternalZones;
use super::zone_group::ZONE_GROUP_TTL;
use super::{address_set, constant, public, seconds};
use crate::azure::catalogue::{Catalogue, ResourceMember};
use crate::azure::contents::ZoneContents;
use crate::azure::declaration::{Address, ManagedPrivateEndpoint, ManagedTarget, ServiceEndpoint, Word, Writer};
use crate::azure::finding::Finding;
use crate::azure::identity::ResourceId;
use crate::azure::inventory::Inventory;
use crate::codes::Code;
use crate::dns::Name;

/// The suffix of private link service aliases.
pub(in crate::azure) const ALIAS_APEX: &str = "azure.privatelinkservice";

/// The connections made by managed private endpoints: resource, and group ID in lower case.
pub(super) fn connections(inventory: &Inventory) -> impl Iterator<Item = (&ResourceId, String)> {
    let endpoints = inventory.managed_private_endpoints.iter();
    endpoints.filter(|endpoint| endpoint.connection_state.is_connection(inventory.public_cname_from)).filter_map(
        |endpoint| {
            let ManagedTarget::Resource { private_link_resource, group_id } = &endpoint.target else { return None };
            Some((&**private_link_resource, group_id.to_lowercase()))
        },
    )
}

/// Writes the names of managed private endpoints, which only the managed network sees. Each name is the apex of an internal zone
/// of its own, so that no other name is hidden.
pub(super) fn names(
    inventory: &Inventory,
    catalogue: &Catalogue,
    zones: &mut InternalZones,
    findings: &mut Vec<Finding>,
) {
    for endpoint in inventory.managed_private_endpoints.iter().filter(|endpoint| endpoint.is_used()) {
        // A workspace without a managed network has been reported.
        let Some((network, _)) = inventory.managed_network(&endpoint.grafana) else { continue };
        for (name, address) in private_names(inventory, catalogue, endpoint) {
            let origin = endpoint.name.origin;
            let zone = zones.zone(network, name.clone(), origin);
            let writer = Writer::ManagedPrivateEndpoint((*endpoint.name).clone());
            // Both address families are taken from the later endpoint, as with the records of zone groups.
            zone.record_sets.retain(|_, record_set| {
                let stays = record_set.writer == Writer::Zone || record_set.writer == writer;
                if !stays {
                    findings.push(Finding::new(
                        Code::LastWriterWins,
                        origin,
                        format!(
                            "managed private endpoint \"{}\" replaces the address of {name} that {}: the last wins",
                            endpoint.name, record_set.writer
                        ),
                        "keep one endpoint for the name",
                    ));
                }
                stays
            });
            for record_set in address_set(&name, [address], seconds(ZONE_GROUP_TTL), writer, origin) {
                zone.insert(record_set);
            }
        }
    }
}

fn private_names(
    inventory: &Inventory,
    catalogue: &Catalogue,
    endpoint: &ManagedPrivateEndpoint,
) -> Vec<(Name, Address)> {
    let address = |member: &str| endpoint.ip_configurations.get(&Word::from(member)).map(|address| **address);
    match &endpoint.target {
        ManagedTarget::Service { domain_name, .. } => {
            let name = domain_name.as_ref().map(|name| (**name).clone());
            name.zip(address(ServiceEndpoint::MEMBER)).into_iter().collect()
        }
        ManagedTarget::Resource { private_link_resource, group_id } => {
            let resource = inventory.resource(private_link_resource);
            let members = resource.map(|resource| inventory.members(catalogue, resource, group_id)).unwrap_or_default();
            let named = |member: Arc<ResourceMember>| Some((member.privatelink_name.clone(), address(&member.name)?));
            members.into_iter().filter(|member| !member.unwritten).filter_map(named).collect()
        }
    }
}

/// A public zone in which aliases of private link services do not exist, so that queries for them get NXDOMAIN as in public DNS.
/// `None` if there is no such service, or a declared zone covers the name.
pub(super) fn alias_zone(inventory: &Inventory, public: &[ZoneContents]) -> Option<ZoneContents> {
    let service = inventory.private_link_services.first().map(|service| service.id.origin);
    let origin = service.or_else(|| inventory.service_endpoints.first().map(|endpoint| endpoint.id.origin))?;
    let apex = constant(ALIAS_APEX);
    let is_covered = public.iter().any(|zone| apex.as_ref().is_within(zone.apex.as_ref()));
    // The top-level domain does not exist.
    let zone = || {
        let mut zone = public::derived_zone(apex.clone(), origin);
        zone.is_partial = false;
        zone
    };
    (!is_covered).then(zone)
}
