//! Finds what a topology declares, and makes the changes that declare it again.

use std::collections::HashSet;

use super::change::{Change, Declares, Item, LinkKey, Made, Resource, ZoneKey, link_place, machine_at, machine_item};
use super::declaration::{Origin, PrivateDnsZone, RecordSet, VirtualNetworkLink};
use super::identity::{ResourceId, types};
use super::topology::Topology;
use crate::dns::RecordType;

/// Backed by a shared topology.
impl Declares for &Topology {
    fn item(&mut self, change: &Change) -> Option<Item> {
        match change {
            Change::PutLink { zone, link: VirtualNetworkLink { link, .. } } => {
                let key = LinkKey::of(link);
                let known = self.declared_zone(zone).and_then(|zone| self.link(zone, &key));
                Some(Item::Link { zone: zone.clone(), key: known.map_or(key, |known| LinkKey::of(&known.link)) })
            }
            Change::Delete(id) => match Item::of_link(id) {
                Some((zone, name)) => {
                    let link = self.link(self.declared_zone(&zone)?, &LinkKey::Named(name.to_lowercase()))?;
                    Some(Item::Link { zone, key: LinkKey::of(&link.link) })
                }
                None if id.is_of_type(types::VIRTUAL_MACHINE) => {
                    machine_at(&self.inventory, id).map(|at| machine_item(&self.inventory.virtual_machines[at]))
                }
                None => Some(Item::of_deleted(id)),
            },
            other => Item::of(other),
        }
    }

    fn declared(&mut self, item: &Item) -> Option<Origin> {
        match item {
            Item::Link { zone, key } => {
                let link = self.link(self.declared_zone(zone)?, key)?;
                Some(link.link.virtual_network.origin)
            }
            Item::RecordSet { zone, owner, rtype } => {
                let contents = &self.zones[self.place_of_zone(zone)?];
                let is_soa = *rtype == RecordType::SOA && *owner == contents.apex;
                let comes_with_it = is_soa && matches!(zone, ZoneKey::Private(_));
                if comes_with_it { Some(contents.origin) } else { contents.declared(owner, *rtype) }
            }
            Item::Machine { .. } => {
                let machine = self.inventory.virtual_machines.iter().find(|machine| machine_item(machine) == *item)?;
                Some(machine.name.origin)
            }
            Item::Resource(id) => self.resource_origin(id),
        }
    }

    fn lock(&mut self, zone: &ZoneKey) -> Option<Origin> {
        let ZoneKey::Private(id) = zone else { return None };
        self.declared_zone(id).filter(|zone| zone.locked).map(|zone| zone.name.origin)
    }
}

impl Topology {
    fn declared_zone(&self, id: &ResourceId) -> Option<&PrivateDnsZone> {
        self.inventory.zone(id).map(|(_, zone)| zone)
    }

    fn link<'z>(&self, zone: &'z PrivateDnsZone, key: &LinkKey) -> Option<&'z VirtualNetworkLink> {
        let links = &zone.virtual_network_links;
        match key {
            LinkKey::Named(name) => link_place(links, name).map(|at| &links[at]),
            LinkKey::To(network) => {
                links.iter().find(|link| link.link.name.is_none() && *link.link.virtual_network == *network)
            }
        }
    }

    fn resource_origin(&self, id: &ResourceId) -> Option<Origin> {
        let inventory = &self.inventory;
        let zone = || self.declared_zone(id).map(|zone| zone.name.origin);
        let network = || inventory.network(id).map(|(_, network)| network.id.origin);
        let resource = || inventory.resource(id).map(|resource| resource.id.origin);
        let endpoints = inventory.private_endpoints.iter().map(|endpoint| &endpoint.id);
        let endpoints = endpoints.chain(inventory.service_endpoints.iter().map(|endpoint| &endpoint.id));
        let services = inventory.private_link_services.iter().map(|service| &service.id);
        let rulesets = inventory.dns_forwarding_rulesets.iter().map(|ruleset| &ruleset.id);
        let policies = inventory.dns_security_policies.iter().map(|policy| &policy.id);
        let inbound = inventory.inbound_endpoints.iter().map(|endpoint| &endpoint.id);
        let mut others = endpoints.chain(services).chain(rulesets).chain(policies).chain(inbound);
        let other = || others.find(|known| ***known == *id).map(|known| known.origin);
        let managed = || {
            let mut managed = inventory.managed_private_endpoints.iter();
            managed.find(|endpoint| *endpoint.id() == *id).map(|endpoint| endpoint.name.origin)
        };
        zone().or_else(network).or_else(resource).or_else(other).or_else(managed)
    }

    /// The changes that declare the selected items again, in an order in which references are met: resources as a whole, links of
    /// zones one by one, the selected links one by one, and the record sets that were added to zones that are not selected.
    pub(crate) fn again(&self, selected: &HashSet<Item>) -> Made {
        let is_picked = |item: &Item| selected.contains(item);
        // Without any, nothing is copied to look for them.
        let changes = if selected.is_empty() { Vec::new() } else { self.picked(is_picked, selected.iter()) };
        Made { changes, record_sets: self.added(is_picked) }
    }

    /// The record sets that were added to zones that are not selected.
    fn added(&self, is_picked: impl Fn(&Item) -> bool) -> Vec<(ZoneKey, Vec<RecordSet>)> {
        let private = self.inventory.private_dns_zones.iter().map(|zone| ZoneKey::Private(zone.id.clone()));
        let public = self.inventory.public_zones.iter().map(|zone| ZoneKey::Public((*zone.name).clone()));
        // They stand in this order in front of all others.
        let zones = private.chain(public).zip(&self.zones);
        let zones = zones.filter(|(key, _)| match key {
            ZoneKey::Private(id) => !is_picked(&Item::Resource(id.clone())),
            ZoneKey::Public(_) => true,
        });
        zones.map(|(key, contents)| (key, contents.added())).filter(|(_, added)| !added.is_empty()).collect()
    }

    fn picked<'i>(&self, is_picked: impl Fn(&Item) -> bool, children: impl Iterator<Item = &'i Item>) -> Vec<Change> {
        let inventory = &self.inventory;
        let mut all: Vec<Resource> = Vec::new();
        let picked = |resource: Resource| is_picked(&resource.item()).then_some(resource);
        let given = self.declaration_without(|_| true);
        all.extend(given.virtual_networks.into_iter().map(Resource::VirtualNetwork).filter_map(picked));
        all.extend(given.private_link_resources.into_iter().map(Resource::PrivateLinkResource).filter_map(picked));
        all.extend(given.private_link_services.into_iter().map(Resource::PrivateLinkService).filter_map(picked));
        all.extend(given.virtual_machines.into_iter().map(Resource::VirtualMachine).filter_map(picked));
        let mut links = Vec::new();
        for (zone, contents) in inventory.private_dns_zones.iter().zip(&self.zones) {
            if is_picked(&Item::Resource(zone.id.clone())) {
                // One by one, as each refers to a network of its own.
                let put = |link: &VirtualNetworkLink| Change::PutLink { zone: zone.id.clone(), link: link.clone() };
                links.extend(zone.virtual_network_links.iter().map(put));
                let (record_sets, virtual_network_links) = (contents.by_hand(), Vec::new().into());
                all.push(Resource::PrivateDnsZone(PrivateDnsZone {
                    record_sets,
                    virtual_network_links,
                    ..zone.clone()
                }));
            }
        }
        all.extend(given.private_endpoints.into_iter().map(Resource::PrivateEndpoint).filter_map(picked));
        all.extend(given.service_endpoints.into_iter().map(Resource::ServiceEndpoint).filter_map(picked));
        let managed = given.managed_private_endpoints.into_iter();
        all.extend(managed.map(Resource::ManagedPrivateEndpoint).filter_map(picked));
        all.extend(given.inbound_endpoints.into_iter().map(Resource::InboundEndpoint).filter_map(picked));
        all.extend(given.dns_forwarding_rulesets.into_iter().map(Resource::DnsForwardingRuleset).filter_map(picked));
        all.extend(given.dns_security_policies.into_iter().map(Resource::DnsSecurityPolicy).filter_map(picked));
        let children = children.filter_map(|child| self.child_again(child));
        all.into_iter().map(Change::Put).chain(links).chain(children).collect()
    }

    fn child_again(&self, child: &Item) -> Option<Change> {
        match child {
            Item::Link { zone, key } => {
                let link = self.link(self.declared_zone(zone)?, key)?;
                Some(Change::PutLink { zone: zone.clone(), link: link.clone() })
            }
            Item::Resource(_) | Item::Machine { .. } | Item::RecordSet { .. } => None,
        }
    }
}
