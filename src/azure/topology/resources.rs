//! Resources of a topology, by identity, for the management API.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::Topology;
use crate::azure::allocate;
use crate::azure::catalogue::{Catalogue, ResourceMember};
use crate::azure::contents::{NetworkId, ZoneContents};
use crate::azure::declaration::{
    Address, Declared, DnsForwardingRuleset, DnsSecurityPolicy, InboundEndpoint, ManagedPrivateEndpoint,
    PrivateDnsZone, PrivateEndpoint, PrivateLinkResource, PrivateLinkService, ServiceEndpoint, VirtualMachine,
    VirtualNetwork, VirtualNetworkLink, link_names,
};
use crate::azure::identity::{ResourceGroup, ResourceId};

impl Topology {
    /// A private zone: its declaration without record sets, and its content.
    pub(crate) fn zone_and_contents(&self, id: &ResourceId) -> Option<(&PrivateDnsZone, &ZoneContents)> {
        self.inventory.zone(id).map(|(at, zone)| (zone, &self.zones[at]))
    }

    /// The links of a private zone, by its index among all zones: the network, the link's name, and the link.
    pub(crate) fn links_of(&self, zone: usize) -> Vec<(NetworkId, String, &VirtualNetworkLink)> {
        let links = self.private_zones().get(zone).map(|zone| &**zone.virtual_network_links).unwrap_or_default();
        let names = link_names(links.iter().map(|link| &link.link));
        let known = links.iter().zip(names);
        known.filter_map(|(link, name)| Some((self.network(&link.link.virtual_network)?, name, link))).collect()
    }

    /// The links in progress, each as it is when it is completed, with its zone and when that is, in milliseconds since 1970 in
    /// UTC.
    pub(crate) fn links_in_progress(&self) -> impl Iterator<Item = (u64, &ResourceId, VirtualNetworkLink)> {
        let zones = self.private_zones().iter();
        let links = zones.flat_map(|zone| zone.virtual_network_links.iter().map(move |link| (&zone.id, link)));
        links.filter_map(|(zone, link)| {
            let until = link.in_progress_until?;
            Some((until, zone, VirtualNetworkLink { in_progress_until: None, ..link.clone() }))
        })
    }

    /// The virtual network with an identity.
    pub(crate) fn network_of(&self, id: &ResourceId) -> Option<&VirtualNetwork> {
        self.inventory.network(id).map(|(_, network)| network)
    }

    /// All virtual networks, as declared.
    pub(crate) fn virtual_networks(&self) -> impl Iterator<Item = &VirtualNetwork> {
        self.inventory.virtual_networks.iter()
    }

    /// The Private Link resource with an identity.
    pub(crate) fn private_link_resource(&self, id: &ResourceId) -> Option<&PrivateLinkResource> {
        self.inventory.resource(id)
    }

    /// All Private Link resources.
    pub(crate) fn private_link_resources(&self) -> impl Iterator<Item = &PrivateLinkResource> {
        self.inventory.private_link_resources.iter()
    }

    /// The inbound endpoints of a network.
    pub(crate) fn inbound_endpoints<'a>(
        &'a self,
        network: &'a VirtualNetwork,
    ) -> impl Iterator<Item = &'a Declared<Address>> {
        self.inventory.inbound_endpoints(network)
    }

    /// All managed private endpoints.
    pub(crate) fn managed_private_endpoints(&self) -> &[ManagedPrivateEndpoint] {
        &self.inventory.managed_private_endpoints
    }

    /// All inbound endpoints declared by themselves.
    pub(crate) fn all_inbound_endpoints(&self) -> &[InboundEndpoint] {
        &self.inventory.inbound_endpoints
    }

    /// Whether an address of a network is in use.
    pub(crate) fn has_address(&self, network: &ResourceId, address: IpAddr) -> bool {
        allocate::is_taken(&self.inventory, network, address)
    }

    /// All virtual machines, each with its name as a resource.
    pub(crate) fn virtual_machines(&self) -> impl Iterator<Item = (&VirtualMachine, String)> {
        self.inventory.virtual_machines.iter().zip(self.inventory.machine_names())
    }

    /// All DNS forwarding rulesets.
    pub(crate) fn dns_forwarding_rulesets(&self) -> &[DnsForwardingRuleset] {
        &self.inventory.dns_forwarding_rulesets
    }

    /// All DNS security policies.
    pub(crate) fn dns_security_policies(&self) -> &[DnsSecurityPolicy] {
        &self.inventory.dns_security_policies
    }

    /// All private link services.
    pub(crate) fn private_link_services(&self) -> impl Iterator<Item = &PrivateLinkService> {
        self.inventory.private_link_services.iter()
    }

    /// All existing private endpoints of Private Link resources, each with its addresses.
    pub(crate) fn private_endpoints(&self) -> impl Iterator<Item = &PrivateEndpoint> {
        self.inventory.private_endpoints.iter().filter(|endpoint| !endpoint.deleted)
    }

    /// All private endpoints of private link services.
    pub(crate) fn service_endpoints(&self) -> impl Iterator<Item = &ServiceEndpoint> {
        self.inventory.service_endpoints.iter()
    }

    /// The members that an endpoint of a resource and a sub-resource has, if their names can be formed.
    pub(crate) fn members(
        &self,
        catalogue: &Catalogue,
        resource: &ResourceId,
        group_id: &str,
    ) -> Vec<Arc<ResourceMember>> {
        let resource = self.inventory.resource(resource);
        resource.map(|resource| self.inventory.members(catalogue, resource, group_id)).unwrap_or_default()
    }

    /// The first free addresses of a subnet, up to a number.
    pub(crate) fn free_addresses(&self, network: &ResourceId, subnet: IpNet, most: usize) -> Vec<IpAddr> {
        allocate::free(&self.inventory, network, subnet, most)
    }

    /// The resource groups that contain something, each at least once.
    pub(crate) fn groups(&self) -> impl Iterator<Item = ResourceGroup> {
        self.ids().map(|id| id.resource_group().clone())
    }

    /// A resource group as it was declared, if it contains something.
    pub(crate) fn in_group(&self, group: &ResourceGroup) -> Option<ResourceGroup> {
        self.ids().map(ResourceId::resource_group).find(|known| *known == group).cloned()
    }

    /// The identities of resources without a parent.
    fn ids(&self) -> impl Iterator<Item = &ResourceId> {
        let networks = self.virtual_networks().map(|network| &*network.id);
        let zones = self.private_zones().iter().map(|zone| &zone.id);
        let resources = self.private_link_resources().map(|resource| &*resource.id);
        let endpoints = self.private_endpoints().map(|endpoint| &*endpoint.id);
        let service_endpoints = self.service_endpoints().map(|endpoint| &*endpoint.id);
        let services = self.private_link_services().map(|service| &*service.id);
        let rulesets = self.inventory.dns_forwarding_rulesets.iter().map(|ruleset| &*ruleset.id);
        let policies = self.inventory.dns_security_policies.iter().map(|policy| &*policy.id);
        let inbound = self.inventory.inbound_endpoints.iter().map(|endpoint| &*endpoint.id);
        let of_networks = networks.chain(zones).chain(resources).chain(endpoints);
        of_networks.chain(service_endpoints).chain(services).chain(rulesets).chain(policies).chain(inbound)
    }
}
