//! What a name belongs to: the resource that has it, and the endpoints that write its record.

use std::net::IpAddr;
use std::sync::Arc;

use crate::azure::catalogue::{Catalogue, ResourceMember};
use crate::azure::contents::NetworkId;
use crate::azure::declaration::{PrivateEndpoint, Word};
use crate::azure::derive::zone_for;
use crate::azure::inventory::Inventory;
use crate::dns::{Name, NameRef};

/// What Private Link knows of one name.
pub(super) struct Subject<'a> {
    /// The members with that public name or privatelink name.
    pub(super) members: Vec<Arc<ResourceMember>>,
    /// The endpoints for a member with that privatelink name, including deleted ones, in the order of the declaration.
    pub(super) endpoints: Vec<Endpoint<'a>>,
}

/// An endpoint with one of its members.
pub(super) struct Endpoint<'a> {
    pub(super) endpoint: &'a PrivateEndpoint,
    pub(super) member: Arc<ResourceMember>,
    /// The index of its zone group's zone for the member.
    pub(super) zone: Option<usize>,
    pub(super) network: Option<NetworkId>,
    /// Whether it is an endpoint of a private link scope.
    pub(super) is_of_scope: bool,
}

impl<'a> Subject<'a> {
    pub(super) fn new(inventory: &'a Inventory, catalogue: &Catalogue, name: NameRef<'_>) -> Self {
        let is_it = |own: &Name| own.as_ref() == name;
        let has_name = |member: &ResourceMember| is_it(&member.public_name) || is_it(&member.privatelink_name);
        let shared = catalogue.shared_members().iter().filter(|member| has_name(member));
        let mut members: Vec<_> = shared.cloned().collect();
        for resource in &inventory.private_link_resources {
            let found = catalogue.services_of(resource);
            let own = found.flat_map(|found| catalogue.members(found, resource).unwrap_or_default());
            members.extend(own.filter(has_name).map(Arc::new));
        }
        let mut endpoints = Vec::new();
        for endpoint in &inventory.private_endpoints {
            let Some(resource) = inventory.resource(&endpoint.private_link_resource) else { continue };
            let written = inventory.members(catalogue, resource, &endpoint.group_id);
            let Some(member) = written.into_iter().find(|member| is_it(&member.privatelink_name)) else { continue };
            let zone = zone_for(inventory, endpoint, &member);
            let (network, is_of_scope) =
                (inventory.number(&endpoint.virtual_network), !resource.scoped_resources.is_empty());
            endpoints.push(Endpoint { endpoint, member, zone, network, is_of_scope });
        }
        Self { members, endpoints }
    }

    /// Whether a public name leads to the name.
    pub(super) fn is_privatelink(&self, name: NameRef<'_>) -> bool {
        self.members
            .iter()
            .any(|member| member.privatelink_name.as_ref() == name && member.public_name.as_ref() != name)
            || !self.endpoints.is_empty()
    }

    /// The zone in which the name should be.
    pub(super) fn private_zone(&self) -> Option<&Name> {
        let of_endpoints = self.endpoints.iter().map(|endpoint| &endpoint.member.private_zone);
        of_endpoints.chain(self.members.iter().map(|member| &member.private_zone)).next()
    }

    /// Endpoints that are in use.
    pub(super) fn in_use(&self) -> impl Iterator<Item = &Endpoint<'a>> {
        self.endpoints.iter().filter(|endpoint| endpoint.endpoint.is_in_use())
    }

    /// The endpoint in use in a network.
    pub(super) fn in_network(&self, network: NetworkId) -> Option<&Endpoint<'a>> {
        self.in_use().find(|endpoint| endpoint.network == Some(network))
    }
}

impl Endpoint<'_> {
    /// Its address for the member, if known.
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.endpoint.ip_configurations.get(&Word::from(&*self.member.name))?.known()
    }

    /// Its name in messages.
    pub(super) fn label(&self, inventory: &Inventory) -> String {
        inventory.label(&self.endpoint.id)
    }
}
