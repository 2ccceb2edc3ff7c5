//! A declaration whose resources are found by their identities, and what they are called in messages.

use std::collections::{BTreeMap, HashMap};
use std::ops::Deref;
use std::sync::Arc;

use super::catalogue::{Catalogue, CatalogueError, ResourceMember};
use super::contents::NetworkId;
use super::declaration::{
    Declaration, PrivateDnsZone, PrivateLinkResource, PrivateLinkService, ServiceTarget, VirtualMachine,
    VirtualNetwork, VirtualNetworkLink,
};
use super::identity::{Directory, ResourceId};
use crate::dns::Name;

/// Places in a list by identity.
type Index = HashMap<ResourceId, usize, foldhash::fast::RandomState>;

/// A declaration with indexes. Of two resources of one identity, which is reported, the first is found.
#[derive(Clone, Debug)]
pub(super) struct Inventory {
    declaration: Declaration,
    directory: Directory,
    /// Places in the declaration.
    networks: Index,
    zones: Index,
    resources: Index,
    services: Index,
    /// By the resource that manages a network.
    managed: Index,
    /// Numbers of networks by their place in the declaration.
    numbers: Vec<NetworkId>,
    /// Places of networks in the declaration by their number.
    by_number: Vec<usize>,
    /// What networks are called, by number.
    labels: Vec<Box<str>>,
    /// By the place of a zone, until all is derived: the numbers of its links' networks, in the order of the links.
    linked: Vec<Linked>,
}

/// The numbers of networks that links name; zones often have their links in common.
type Linked = Arc<[Option<NetworkId>]>;

impl Deref for Inventory {
    type Target = Declaration;

    fn deref(&self) -> &Declaration {
        &self.declaration
    }
}

impl Inventory {
    pub(super) fn new(declaration: Declaration) -> Self {
        let networks = index(declaration.virtual_networks.iter().map(|network| &*network.id));
        let zones = index(declaration.private_dns_zones.iter().map(|zone| &zone.id));
        let resources = index(declaration.private_link_resources.iter().map(|resource| &*resource.id));
        let services = index(declaration.private_link_services.iter().map(|service| &*service.id));
        let mut managed = Index::default();
        for (at, network) in declaration.virtual_networks.iter().enumerate() {
            if let Some(manager) = &network.managed_by {
                managed.entry((**manager).clone()).or_insert(at);
            }
        }
        let endpoints = declaration.private_endpoints.iter().map(|endpoint| &*endpoint.id);
        let endpoints = endpoints.chain(declaration.service_endpoints.iter().map(|endpoint| &*endpoint.id));
        let rulesets = declaration.dns_forwarding_rulesets.iter().map(|ruleset| &*ruleset.id);
        let rulesets = rulesets.chain(declaration.dns_security_policies.iter().map(|policy| &*policy.id));
        let mut directory = Directory::new(declaration.resource_group.clone());
        let indexed = [&networks, &zones, &resources, &services].into_iter().flat_map(HashMap::keys);
        indexed.chain(endpoints).chain(rulesets).for_each(|id| directory.insert(id));
        let mut sorted: Vec<usize> = (0..declaration.virtual_networks.len()).collect();
        sorted.sort_by_key(|at| {
            let id = &declaration.virtual_networks[*at].id;
            (id.name(), &**id)
        });
        let mut numbers = vec![NetworkId::new(0); sorted.len()];
        (0..).map(NetworkId::new).zip(&sorted).for_each(|(number, at)| numbers[*at] = number);
        let labels = sorted.iter().map(|at| directory.label(&declaration.virtual_networks[*at].id).into()).collect();
        let mut linked: Vec<Linked> = Vec::with_capacity(declaration.private_dns_zones.len());
        for (at, zone) in declaration.private_dns_zones.iter().enumerate() {
            let last = at.checked_sub(1).map(|last| &declaration.private_dns_zones[last].virtual_network_links);
            let is_as = |(one, other): (&VirtualNetworkLink, &VirtualNetworkLink)| {
                *one.link.virtual_network == *other.link.virtual_network
            };
            let links = &zone.virtual_network_links;
            let is_as_last = last.is_some_and(|last| last.len() == links.len() && last.iter().zip(links).all(is_as));
            let number = |link: &VirtualNetworkLink| networks.get(&*link.link.virtual_network).map(|at| numbers[*at]);
            linked.push(match linked.last().filter(|_| is_as_last) {
                Some(last) => last.clone(),
                None => links.iter().map(number).collect(),
            });
        }
        Self {
            directory,
            networks,
            zones,
            resources,
            services,
            managed,
            numbers,
            by_number: sorted,
            labels,
            linked,
            declaration,
        }
    }

    /// The numbers of the networks that a zone's links name, in the order of the links; `None` for one that is not there.
    pub(super) fn linked(&self, zone: usize) -> &Linked {
        &self.linked[zone]
    }

    /// Drops what only a derivation needs.
    pub(super) fn drop_linked(&mut self) {
        self.linked = Vec::new();
    }

    /// What finds resources by references.
    pub(super) fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The network of a number.
    pub(super) fn network_of(&self, number: NetworkId) -> &VirtualNetwork {
        &self.declaration.virtual_networks[self.by_number[number.index()]]
    }

    /// The declaration, to take record sets out of it: identities stay.
    pub(super) fn declaration_mut(&mut self) -> &mut Declaration {
        &mut self.declaration
    }

    /// What a resource is called in messages: the shortest reference that means it.
    pub(super) fn label(&self, id: &ResourceId) -> String {
        self.directory.label(id)
    }

    /// What a network is called in messages.
    pub(super) fn network_label(&self, network: NetworkId) -> &str {
        &self.labels[network.index()]
    }

    /// What a machine is called in messages: its host name, with the resource group where that is another than the
    /// default.
    pub(super) fn machine_label(&self, machine: &VirtualMachine) -> String {
        match machine.resource_group == *self.directory.default_group() {
            true => machine.name.to_string(),
            false => format!("{}/{}", machine.resource_group.name(), machine.name),
        }
    }

    /// All networks with their numbers, in the order of the declaration.
    pub(super) fn numbered_networks(&self) -> impl Iterator<Item = (NetworkId, &VirtualNetwork)> {
        self.numbers.iter().copied().zip(&self.declaration.virtual_networks)
    }

    /// The network of an identity, with its number.
    pub(super) fn network(&self, id: &ResourceId) -> Option<(NetworkId, &VirtualNetwork)> {
        let at = *self.networks.get(id)?;
        Some((self.numbers[at], &self.declaration.virtual_networks[at]))
    }

    /// The number of a network.
    pub(super) fn number(&self, id: &ResourceId) -> Option<NetworkId> {
        self.networks.get(id).map(|at| self.numbers[*at])
    }

    /// The zone of an identity, with its place in the declaration.
    pub(super) fn zone(&self, id: &ResourceId) -> Option<(usize, &PrivateDnsZone)> {
        self.zones.get(id).map(|at| (*at, &self.declaration.private_dns_zones[*at]))
    }

    /// The Private Link resource of an identity.
    pub(super) fn resource(&self, id: &ResourceId) -> Option<&PrivateLinkResource> {
        self.resources.get(id).map(|at| &self.declaration.private_link_resources[*at])
    }

    /// Whether a resource is the first of its identity.
    pub(super) fn is_first(&self, resource: &PrivateLinkResource) -> bool {
        self.resource(&resource.id).is_some_and(|first| std::ptr::eq(first, resource))
    }

    /// The private link service that an endpoint points at.
    pub(super) fn service(&self, target: &ServiceTarget) -> Option<&PrivateLinkService> {
        let services = &self.declaration.private_link_services;
        match target {
            ServiceTarget::Service(id) => self.services.get(id).map(|at| &services[*at]),
            ServiceTarget::Alias(alias) => services.iter().find(|service| *service.alias == *alias),
        }
    }

    /// The network that a resource manages.
    pub(super) fn managed_network(&self, manager: &ResourceId) -> Option<(NetworkId, &VirtualNetwork)> {
        let at = *self.managed.get(manager)?;
        Some((self.numbers[at], &self.declaration.virtual_networks[at]))
    }

    /// The members of one sub-resource that private endpoints have, those of scoped resources included.
    ///
    /// # Errors
    /// The resource whose names cannot be formed.
    pub(super) fn try_members<'a>(
        &'a self,
        catalogue: &Catalogue,
        resource: &'a PrivateLinkResource,
        group_id: &str,
    ) -> Result<Vec<ResourceMember>, (&'a PrivateLinkResource, CatalogueError)> {
        let own = catalogue.services_of(resource).filter(|found| found.service.scope.is_none());
        let mut found: Vec<_> = own.map(|sub_resource| (resource, sub_resource)).collect();
        // A missing resource has been reported by the check of the resources.
        for scoped in resource.scoped_resources.iter().filter_map(|scoped| self.resource(scoped)) {
            let through = catalogue.services_of(scoped);
            let through = through.filter(|found| found.service.is_scoped_by(resource.resource_type()));
            found.extend(through.map(|sub_resource| (scoped, sub_resource)));
        }
        let mut members = Vec::new();
        for (resource, sub_resource) in found.into_iter().filter(|(_, found)| found.has_group_id(group_id)) {
            members.extend(catalogue.members(sub_resource, resource).map_err(|error| (resource, error))?);
        }
        members.retain(|member| !member.public_only && !member.private_address_for_everyone);
        Ok(members)
    }

    /// The names of resources, and those that everybody shares, that no source confirms, and why.
    pub(super) fn unverified(&self, catalogue: &Catalogue) -> BTreeMap<Name, String> {
        let mut names = BTreeMap::new();
        let mut add = |member: ResourceMember| {
            if let Some(reason) = member.unverified {
                names.insert(member.public_name, reason.clone());
                names.insert(member.privatelink_name, reason);
            }
        };
        catalogue.shared_members().for_each(&mut add);
        for resource in &self.declaration.private_link_resources {
            let members = catalogue.services_of(resource).filter_map(|found| catalogue.members(found, resource).ok());
            members.flatten().for_each(&mut add);
        }
        names
    }

    /// The same without what cannot be formed, which has been reported before.
    pub(super) fn members(
        &self,
        catalogue: &Catalogue,
        resource: &PrivateLinkResource,
        group_id: &str,
    ) -> Vec<ResourceMember> {
        self.try_members(catalogue, resource, group_id).unwrap_or_default()
    }
}

fn index<'a>(ids: impl Iterator<Item = &'a ResourceId>) -> Index {
    let mut index = Index::default();
    for (at, id) in ids.enumerate() {
        index.entry(id.clone()).or_insert(at);
    }
    index
}
