//! A declaration with its resources indexed by identity, and their names for messages.

use std::collections::{BTreeMap, HashMap};
use std::ops::Deref;
use std::sync::Arc;

use super::catalogue::{Catalogue, CatalogueError, Formed, ResourceMember, SubResource};
use super::contents::{Links, NetworkId};
use super::declaration::{
    Address, Declaration, Declared, PrivateDnsZone, PrivateLinkResource, PrivateLinkService, ServiceTarget,
    VirtualMachine, VirtualNetwork, VirtualNetworkLink,
};
use super::identity::{Directory, ResourceId};
use super::touched::Touched;
use crate::dns::Name;

/// Positions in a list by identity.
type Index = HashMap<ResourceId, usize, foldhash::fast::RandomState>;

/// A declaration with indexes. Of two resources with one identity, which are reported, the first is found.
#[derive(Clone, Debug)]
pub(super) struct Inventory {
    declaration: Declaration,
    directory: Directory,
    /// Indexes into the declaration's lists.
    networks: Index,
    zones: Index,
    resources: Index,
    services: Index,
    /// The managed network of a resource.
    managed: Index,
    /// The indexes of the inbound endpoints declared by themselves, by network.
    inbound: HashMap<ResourceId, Vec<usize>, foldhash::fast::RandomState>,
    /// Numbers of networks by their index in the declaration.
    numbers: Vec<NetworkId>,
    /// Indexes of networks in the declaration by their number.
    by_number: Vec<usize>,
    /// Names of networks, by number.
    labels: Arc<[Box<str>]>,
    /// By the index of a zone.
    linked: Vec<Linked>,
    /// By the index of a Private Link resource.
    formed: Vec<Arc<[Formed]>>,
    /// What the changes that led here were about; `None` if there is no previous inventory.
    touched: Option<Touched>,
}

/// What is derived from the links of a zone. Clones share it, as zones often have the same links.
#[derive(Clone, Debug, Default)]
struct Linked {
    /// The network of each link, in the order of the links; `None` for an unknown one. Absent if the links were found to be
    /// correct.
    numbers: Option<Arc<[Option<NetworkId>]>>,
    links: Links,
    /// Indexes of the links with registration.
    registering: Arc<[usize]>,
    /// Shared by all versions of a zone until its links change.
    version: Arc<()>,
}

impl Deref for Inventory {
    type Target = Declaration;

    fn deref(&self) -> &Declaration {
        &self.declaration
    }
}

impl Inventory {
    /// Indexes a declaration. Results for unchanged links and resources are taken from the previous inventory, if nothing was
    /// wrong with it and some changes led from it to this one.
    pub(super) fn new(declaration: Declaration, catalogue: &Catalogue, since: Option<(&Self, Touched)>) -> Self {
        let (last, touched) = since.unzip();
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
        let mut inbound: HashMap<_, Vec<_>, _> = HashMap::default();
        for (at, endpoint) in declaration.inbound_endpoints.iter().enumerate() {
            inbound.entry((*endpoint.virtual_network).clone()).or_default().push(at);
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
        let by_number = sorted;
        let is_called_as = |last: &&Self| {
            let ids = by_number.iter().map(|at| &*declaration.virtual_networks[*at].id);
            let last_ids = last.by_number.iter().map(|at| &*last.virtual_networks[*at].id);
            by_number.len() == last.by_number.len() && ids.zip(last_ids).all(|(id, last)| id.is_spelled_as(last))
        };
        let labels = match last.filter(is_called_as) {
            Some(last) => last.labels.clone(),
            None => by_number.iter().map(|at| directory.label(&declaration.virtual_networks[*at].id).into()).collect(),
        };
        let mut inventory = Self {
            directory,
            networks,
            zones,
            resources,
            services,
            managed,
            inbound,
            numbers,
            by_number,
            labels,
            linked: Vec::new(),
            formed: Vec::new(),
            touched,
            declaration,
        };
        inventory.linked = inventory.all_linked(last);
        inventory.formed = inventory.all_formed(catalogue, last);
        inventory
    }

    fn all_formed(&self, catalogue: &Catalogue, last: Option<&Self>) -> Vec<Arc<[Formed]>> {
        let form = |resource: &PrivateLinkResource| {
            let known = last.filter(|_| !self.is_touched(resource));
            let known = known.and_then(|last| Some(last.formed[*last.resources.get(&resource.id)?].clone()));
            known.unwrap_or_else(|| catalogue.form(resource).into())
        };
        self.private_link_resources.iter().map(form).collect()
    }

    /// Whether a resource may differ from before.
    pub(super) fn is_touched(&self, resource: &PrivateLinkResource) -> bool {
        self.touched.as_ref().is_none_or(|touched| touched.has(&resource.id))
    }

    /// Whether some Private Link resources may differ from before.
    pub(super) fn has_touched_resources(&self) -> bool {
        self.touched.as_ref().is_none_or(Touched::has_resources)
    }

    /// Whether the content of public zones may differ from before.
    pub(super) fn touches_public_side(&self) -> bool {
        self.touched.as_ref().is_none_or(|touched| touched.public_side)
    }

    /// The sub-resources of a resource. Of two with one identity, which are reported, those of the first.
    pub(super) fn sub_resources<'a>(
        &'a self,
        catalogue: &'a Catalogue,
        resource: &PrivateLinkResource,
    ) -> impl Iterator<Item = (SubResource<'a>, &'a Result<Vec<Arc<ResourceMember>>, CatalogueError>)> {
        let formed = self.resources.get(&resource.id).map_or(&[][..], |at| &self.formed[*at]);
        formed.iter().map(|formed| (formed.sub_resource(catalogue), &formed.members))
    }

    /// The derived data of all zones' links.
    fn all_linked(&self, last: Option<&Self>) -> Vec<Linked> {
        let moves = last.map(|last| (last, Moves::new(last, self)));
        let mut moved = None;
        let mut linked: Vec<Linked> = Vec::with_capacity(self.private_dns_zones.len());
        for (at, zone) in self.private_dns_zones.iter().enumerate() {
            let links = &zone.virtual_network_links;
            let known = moves.as_ref().and_then(|(last, moves)| {
                let (at, known) = last.zone(&zone.id)?;
                let is_touched = self.touched.as_ref().is_none_or(|touched| touched.has_links_of(&zone.id));
                let is_known = known.virtual_network_links.is_one_with(links) || !is_touched;
                moves.of(&last.linked[at], &mut moved).filter(|_| is_known)
            });
            let is_as = |(one, other): (&VirtualNetworkLink, &VirtualNetworkLink)| {
                *one.link.virtual_network == *other.link.virtual_network
                    && one.resolution_policy == other.resolution_policy
                    && one.registration_enabled == other.registration_enabled
                    && one.in_progress_until == other.in_progress_until
            };
            let is_as_last = |last: &Linked| {
                let before = &self.private_dns_zones[at - 1].virtual_network_links;
                last.numbers.is_some() && before.len() == links.len() && before.iter().zip(links).all(is_as)
            };
            let as_last = || linked.last().filter(|last| is_as_last(last)).cloned();
            linked.push(known.or_else(as_last).unwrap_or_else(|| self.linked_by(links)));
        }
        linked
    }

    fn linked_by(&self, links: &[VirtualNetworkLink]) -> Linked {
        let numbers: Arc<[_]> = links.iter().map(|link| self.number(&link.link.virtual_network)).collect();
        // Unknown networks are reported.
        let there = numbers.iter().zip(links).filter_map(|(number, link)| Some(((*number)?, link)));
        Linked {
            links: Links::of(there),
            registering: registering(links),
            numbers: Some(numbers),
            version: Arc::default(),
        }
    }

    /// The numbers of the networks of a zone's links, in the order of the links; `None` for an unknown one. `None` if the
    /// links were found to be correct and nothing that affects them has changed since.
    pub(super) fn unchecked_links(&self, zone: usize) -> Option<&[Option<NetworkId>]> {
        self.linked[zone].numbers.as_deref()
    }

    /// The networks that a zone is linked to.
    pub(super) fn links(&self, zone: usize) -> &Links {
        &self.linked[zone].links
    }

    /// Whether a zone has the links of a zone in another inventory, from which some changes led here.
    pub(super) fn has_links_of(&self, zone: usize, other: &Self, others_zone: usize) -> bool {
        Arc::ptr_eq(&self.linked[zone].version, &other.linked[others_zone].version)
    }

    /// The links of a zone with registration.
    pub(super) fn registering(&self, zone: usize) -> impl Iterator<Item = &VirtualNetworkLink> {
        let links = &self.declaration.private_dns_zones[zone].virtual_network_links;
        self.linked[zone].registering.iter().map(|at| &links[*at])
    }

    /// Whether a zone, whose declaration may differ from the one here, has links with registration.
    pub(super) fn registers(&self, zone: &PrivateDnsZone) -> bool {
        let known = self.zone(&zone.id);
        match known.filter(|(_, known)| known.virtual_network_links.is_one_with(&zone.virtual_network_links)) {
            Some((at, _)) => !self.linked[at].registering.is_empty(),
            None => zone.virtual_network_links.iter().any(VirtualNetworkLink::registers),
        }
    }

    /// Whether the name of a name server is within a zone.
    pub(super) fn has_name_server_in(&self, apex: &Name) -> bool {
        self.declaration.name_servers.iter().any(|server| server.name.as_ref().is_within(apex.as_ref()))
    }

    /// Drops data that only derivation needs; called when nothing was found wrong.
    pub(super) fn drop_unchecked(&mut self) {
        self.linked.iter_mut().for_each(|linked| linked.numbers = None);
    }

    /// Replaces a private zone with one of the same identity. `links` is the derived data of its links if they changed; they must
    /// be correct.
    pub(super) fn replace_zone(&mut self, at: usize, zone: PrivateDnsZone, links: Option<Links>) {
        if let Some(links) = links {
            let registering = registering(&zone.virtual_network_links);
            self.linked[at] = Linked { numbers: None, links, registering, version: Arc::default() };
        }
        self.declaration.private_dns_zones[at] = zone;
    }

    /// Resolves references.
    pub(super) fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The network with a number.
    pub(super) fn network_of(&self, number: NetworkId) -> &VirtualNetwork {
        &self.declaration.virtual_networks[self.by_number[number.index()]]
    }

    /// The declaration, for moving record sets out of it: identities must not change.
    pub(super) fn declaration_mut(&mut self) -> &mut Declaration {
        &mut self.declaration
    }

    /// The name of a resource in messages: the shortest reference to it.
    pub(super) fn label(&self, id: &ResourceId) -> String {
        self.directory.label(id)
    }

    /// The name of a network in messages.
    pub(super) fn network_label(&self, network: NetworkId) -> &str {
        &self.labels[network.index()]
    }

    /// Whether another inventory has the same networks, in the same order, with the same names.
    pub(super) fn has_labels_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.labels, &other.labels)
    }

    /// The name of a machine in messages: its host name, with the resource group if that is not the default.
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

    /// The network with an identity, and its number.
    pub(super) fn network(&self, id: &ResourceId) -> Option<(NetworkId, &VirtualNetwork)> {
        let at = *self.networks.get(id)?;
        Some((self.numbers[at], &self.declaration.virtual_networks[at]))
    }

    /// The number of a network.
    pub(super) fn number(&self, id: &ResourceId) -> Option<NetworkId> {
        self.networks.get(id).map(|at| self.numbers[*at])
    }

    /// The zone with an identity, and its index in the declaration.
    pub(super) fn zone(&self, id: &ResourceId) -> Option<(usize, &PrivateDnsZone)> {
        self.zones.get(id).map(|at| (*at, &self.declaration.private_dns_zones[*at]))
    }

    /// The Private Link resource with an identity.
    pub(super) fn resource(&self, id: &ResourceId) -> Option<&PrivateLinkResource> {
        self.resources.get(id).map(|at| &self.declaration.private_link_resources[*at])
    }

    /// Whether a resource is the first with its identity.
    pub(super) fn is_first(&self, resource: &PrivateLinkResource) -> bool {
        self.resource(&resource.id).is_some_and(|first| std::ptr::eq(first, resource))
    }

    /// The private link service that an endpoint is connected to.
    pub(super) fn service(&self, target: &ServiceTarget) -> Option<&PrivateLinkService> {
        let services = &self.declaration.private_link_services;
        match target {
            ServiceTarget::Service(id) => self.services.get(id).map(|at| &services[*at]),
            ServiceTarget::Alias(alias) => services.iter().find(|service| *service.alias == *alias),
        }
    }

    /// The managed network of a resource.
    pub(super) fn managed_network(&self, manager: &ResourceId) -> Option<(NetworkId, &VirtualNetwork)> {
        let at = *self.managed.get(manager)?;
        Some((self.numbers[at], &self.declaration.virtual_networks[at]))
    }

    /// The inbound endpoints of a network: those declared with it, and those declared by themselves.
    pub(super) fn inbound_endpoints<'a>(
        &'a self,
        network: &'a VirtualNetwork,
    ) -> impl Iterator<Item = &'a Declared<Address>> + Clone {
        let places = self.inbound.get(&*network.id).map_or(&[][..], Vec::as_slice);
        let others = places.iter().map(|at| &self.declaration.inbound_endpoints[*at].address);
        network.inbound_endpoints.iter().chain(others)
    }

    /// The members of one sub-resource that private endpoints have, including those of scoped resources.
    ///
    /// # Errors
    /// The resource whose names cannot be formed.
    pub(super) fn try_members<'a>(
        &'a self,
        catalogue: &'a Catalogue,
        resource: &'a PrivateLinkResource,
        group_id: &str,
    ) -> Result<Vec<Arc<ResourceMember>>, (&'a PrivateLinkResource, CatalogueError)> {
        let own = self.sub_resources(catalogue, resource).filter(|(found, _)| found.service.scope.is_none());
        let mut found: Vec<_> = own.map(|sub_resource| (resource, sub_resource)).collect();
        // Unknown resources have been reported.
        for scoped in resource.scoped_resources.iter().filter_map(|scoped| self.resource(scoped)) {
            let through = self.sub_resources(catalogue, scoped);
            let through = through.filter(|(found, _)| found.service.is_scoped_by(resource.resource_type()));
            found.extend(through.map(|sub_resource| (scoped, sub_resource)));
        }
        let mut members = Vec::new();
        for (resource, (_, formed)) in found.into_iter().filter(|(_, (found, _))| found.has_group_id(group_id)) {
            members.extend(formed.as_ref().map_err(|error| (resource, error.clone()))?.iter().cloned());
        }
        members.retain(|member| !member.public_only && !member.private_address_for_everyone);
        Ok(members)
    }

    /// The names of resources, and shared names, that no source confirms, with the reasons.
    pub(super) fn unverified(&self, catalogue: &Catalogue) -> BTreeMap<Name, String> {
        let mut names = BTreeMap::new();
        let mut add = |member: &ResourceMember| {
            if let Some(reason) = &member.unverified {
                names.insert(member.public_name.clone(), reason.clone());
                names.insert(member.privatelink_name.clone(), reason.clone());
            }
        };
        catalogue.shared_members().iter().for_each(|member| add(member));
        let formed =
            self.formed.iter().flat_map(|formed| formed.iter()).filter_map(|formed| formed.members.as_ref().ok());
        formed.flatten().for_each(|member| add(member));
        names
    }

    /// The same, without names that cannot be formed, which have been reported.
    pub(super) fn members(
        &self,
        catalogue: &Catalogue,
        resource: &PrivateLinkResource,
        group_id: &str,
    ) -> Vec<Arc<ResourceMember>> {
        self.try_members(catalogue, resource, group_id).unwrap_or_default()
    }
}

/// The number of each network in the next inventory: `None` if it was removed, or links to it may have become invalid.
struct Moves {
    numbers: Vec<Option<NetworkId>>,
    /// Whether no number changes.
    is_still: bool,
}

impl Moves {
    fn new(last: &Inventory, next: &Inventory) -> Self {
        let number = |at: &usize| {
            let before = &last.virtual_networks[*at];
            let (number, network) = next.network(&before.id)?;
            (network.managed_by.is_some() == before.managed_by.is_some()).then_some(number)
        };
        let numbers: Vec<_> = last.by_number.iter().map(number).collect();
        let is_still = (0..).map(NetworkId::new).zip(&numbers).all(|(before, number)| Some(before) == *number);
        Self { numbers, is_still }
    }

    /// The derived data of links that were found to be correct; `None` if they have to be checked again. `last` caches the
    /// previous call.
    fn of(&self, linked: &Linked, last: &mut Option<(Links, Links)>) -> Option<Linked> {
        if linked.numbers.is_some() {
            return None;
        }
        if self.is_still {
            return Some(linked.clone());
        }
        let links = match last {
            Some((before, links)) if before.is_one_with(&linked.links) => links.clone(),
            _ => {
                let links = linked.links.moved(|number| self.numbers[number.index()])?;
                *last = Some((linked.links.clone(), links.clone()));
                links
            }
        };
        Some(Linked { links, ..linked.clone() })
    }
}

fn registering(links: &[VirtualNetworkLink]) -> Arc<[usize]> {
    links.iter().enumerate().filter(|(_, link)| link.registers()).map(|(at, _)| at).collect()
}

fn index<'a>(ids: impl Iterator<Item = &'a ResourceId>) -> Index {
    let mut index = Index::default();
    for (at, id) in ids.enumerate() {
        index.entry(id.clone()).or_insert(at);
    }
    index
}
