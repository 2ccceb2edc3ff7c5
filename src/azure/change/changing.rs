//! Applies changes to a declaration, one or a million.

use std::collections::HashMap;

use super::item::{machine_at, machine_item};
use super::positions::Positions;
use super::{Change, Item, LinkKey, Resource, ZoneKey, is_edit_of_soa};
use crate::azure::declaration::{Declaration, Declared, Origin, RecordSet, SoaEdit, VirtualNetworkLink, link_names};
use crate::azure::finding::Finding;
use crate::azure::identity::{ResourceId, types};
use crate::codes::Code;
use crate::dns::{Name, RecordType, TypeName};

/// A declaration that is being changed; changes are not checked against the rest. Lookups use indexes, so that the cost depends
/// on the number of changes only.
pub(crate) struct Changing<'d> {
    declaration: &'d mut Declaration,
    networks: Positions<ResourceId>,
    machines: Positions<Item>,
    zones: Positions<ResourceId>,
    resources: Positions<ResourceId>,
    endpoints: Positions<ResourceId>,
    services: Positions<ResourceId>,
    service_endpoints: Positions<ResourceId>,
    managed: Positions<ResourceId>,
    inbound: Positions<ResourceId>,
    rulesets: Positions<ResourceId>,
    policies: Positions<ResourceId>,
    sets: HashMap<ZonePlace, Sets>,
    /// By the index of a private zone: the indexes of its links by name, in lower case.
    links: HashMap<usize, HashMap<String, usize>>,
}

/// The index of a zone in its list.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum ZonePlace {
    Private(usize),
    Public(usize),
}

/// The record sets of a zone.
#[derive(Default)]
struct Sets {
    positions: Positions<(Name, RecordType)>,
    /// Positions of removed elements, which are all taken out at the end.
    gone: Vec<usize>,
}

impl<'d> Changing<'d> {
    pub(crate) fn new(declaration: &'d mut Declaration) -> Self {
        Self {
            declaration,
            networks: Positions::default(),
            machines: Positions::default(),
            zones: Positions::default(),
            resources: Positions::default(),
            endpoints: Positions::default(),
            services: Positions::default(),
            service_endpoints: Positions::default(),
            managed: Positions::default(),
            inbound: Positions::default(),
            rulesets: Positions::default(),
            policies: Positions::default(),
            sets: HashMap::new(),
            links: HashMap::new(),
        }
    }

    /// Applies a change. It takes effect with [`Changing::finish`].
    ///
    /// # Errors
    /// It is about something that does not exist.
    pub(crate) fn change(&mut self, change: Change) -> Result<(), Finding> {
        match change {
            Change::Put(resource) => {
                self.put(resource);
                Ok(())
            }
            Change::Delete(id) => self.delete(&id).ok_or_else(|| missing("resource", &id.to_string())),
            Change::PutLink { zone, link } => {
                let at = self.private_zone(&zone).ok_or_else(|| missing("private DNS zone", &zone.to_string()))?;
                self.put_link(at, link);
                Ok(())
            }
            Change::PutRecordSet { zone, record_set } => self.put_record_set(&zone, record_set),
            Change::DeleteRecordSet { zone, owner, rtype } => {
                let zone = self.zone(&zone)?;
                let at = self.record_set(zone, &owner, rtype);
                let at = at.ok_or_else(|| missing("record set", &format!("{owner} {}", TypeName(rtype))))?;
                let Sets { positions, gone } = self.sets.entry(zone).or_default();
                match positions.forget(&(owner, rtype)) {
                    true => gone.push(at),
                    false => drop(record_sets(self.declaration, zone).remove(at)),
                }
                Ok(())
            }
        }
    }

    /// Takes out the removed record sets.
    pub(crate) fn finish(&mut self) {
        for (zone, Sets { mut gone, .. }) in self.sets.drain() {
            gone.sort_unstable();
            let (mut gone, mut places) = (gone.into_iter().peekable(), 0..);
            record_sets(self.declaration, zone).retain(|_| {
                let at = places.next();
                gone.next_if(|gone| Some(*gone) == at).is_none()
            });
        }
    }

    fn resource(&mut self, id: &ResourceId) -> Option<Origin> {
        let declaration = &*self.declaration;
        if let Some(at) = self.zones.find(&declaration.private_dns_zones, id, |zone| zone.id.clone()) {
            return Some(declaration.private_dns_zones[at].name.origin);
        }
        let network = self.networks.find(&declaration.virtual_networks, id, |network| (*network.id).clone());
        let found = network.map(|at| &declaration.virtual_networks[at].id);
        let endpoint = || {
            let all = &declaration.private_endpoints;
            Some(&all[self.endpoints.find(all, id, |endpoint| (*endpoint.id).clone())?].id)
        };
        let found = found.or_else(endpoint).or_else(|| {
            let all = &declaration.service_endpoints;
            Some(&all[self.service_endpoints.find(all, id, |endpoint| (*endpoint.id).clone())?].id)
        });
        let found = found.or_else(|| {
            let all = &declaration.private_link_services;
            Some(&all[self.services.find(all, id, |service| (*service.id).clone())?].id)
        });
        let found = found.or_else(|| {
            let all = &declaration.inbound_endpoints;
            Some(&all[self.inbound.find(all, id, |endpoint| (*endpoint.id).clone())?].id)
        });
        let found = found.or_else(|| {
            let all = &declaration.dns_forwarding_rulesets;
            Some(&all[self.rulesets.find(all, id, |ruleset| (*ruleset.id).clone())?].id)
        });
        let found = found.or_else(|| {
            let all = &declaration.dns_security_policies;
            Some(&all[self.policies.find(all, id, |policy| (*policy.id).clone())?].id)
        });
        let found = found.or_else(|| {
            let all = &declaration.private_link_resources;
            Some(&all[self.resources.find(all, id, |resource| (*resource.id).clone())?].id)
        });
        found.map(|id| id.origin).or_else(|| {
            let all = &declaration.managed_private_endpoints;
            let at = self.managed.find(all, id, |endpoint| endpoint.id().into_value())?;
            Some(all[at].name.origin)
        })
    }

    fn private_zone(&mut self, id: &ResourceId) -> Option<usize> {
        self.zones.find(&self.declaration.private_dns_zones, id, |zone| zone.id.clone())
    }

    fn zone(&mut self, key: &ZoneKey) -> Result<ZonePlace, Finding> {
        match key {
            ZoneKey::Private(id) => match self.private_zone(id) {
                Some(at) => Ok(ZonePlace::Private(at)),
                None => Err(missing("private DNS zone", &id.to_string())),
            },
            ZoneKey::Public(apex) => {
                let zones = &self.declaration.public_zones;
                match zones.iter().position(|zone| *zone.name == *apex) {
                    Some(at) => Ok(ZonePlace::Public(at)),
                    None => Err(missing("public zone", &apex.to_string())),
                }
            }
        }
    }

    fn record_set(&mut self, zone: ZonePlace, owner: &Name, rtype: RecordType) -> Option<usize> {
        let positions = &mut self.sets.entry(zone).or_default().positions;
        let wanted = (owner.clone(), rtype);
        positions.find(record_sets(self.declaration, zone), &wanted, |set| (set.owner.clone(), set.rtype))
    }

    fn put_record_set(&mut self, key: &ZoneKey, record_set: RecordSet) -> Result<(), Finding> {
        let place = self.zone(key)?;
        if let ZonePlace::Private(at) = place
            && let zone = &mut self.declaration.private_dns_zones[at]
            && is_edit_of_soa(zone, &record_set)
        {
            zone.soa = SoaEdit::from_record(&record_set);
            return Ok(());
        }
        let at = self.record_set(place, &record_set.owner, record_set.rtype);
        let record_sets = record_sets(self.declaration, place);
        match at {
            Some(at) => record_sets[at] = record_set,
            None => {
                let positions = &mut self.sets.entry(place).or_default().positions;
                positions.add((record_set.owner.clone(), record_set.rtype), record_sets.len());
                record_sets.push(record_set);
            }
        }
        Ok(())
    }

    /// Whether a zone has no record set yet.
    pub(crate) fn is_without_record_sets(&mut self, zone: &ZoneKey) -> bool {
        self.zone(zone).is_ok_and(|zone| record_sets(self.declaration, zone).is_empty())
    }

    /// Gives a zone that has none its record sets, one for each owner and type, none of them an SOA record set.
    ///
    /// # Errors
    /// There is no such zone.
    pub(crate) fn give_record_sets(&mut self, zone: &ZoneKey, given: Vec<RecordSet>) -> Result<(), Finding> {
        let zone = self.zone(zone)?;
        self.sets.remove(&zone);
        *record_sets(self.declaration, zone) = given;
        Ok(())
    }

    fn link(&mut self, zone: usize, key: &LinkKey) -> Option<usize> {
        let links = &self.declaration.private_dns_zones[zone].virtual_network_links;
        match key {
            LinkKey::Named(wanted) => {
                let index = self.links.entry(zone).or_insert_with(|| {
                    let names = link_names(links.iter().map(|link| &link.link));
                    let mut index = HashMap::with_capacity(names.len());
                    for (at, name) in names.into_iter().enumerate() {
                        index.entry(name.to_lowercase()).or_insert(at);
                    }
                    index
                });
                index.get(wanted).copied()
            }
            LinkKey::To(network) => {
                links.iter().position(|link| link.link.name.is_none() && *link.link.virtual_network == *network)
            }
        }
    }

    fn put_link(&mut self, zone: usize, link: VirtualNetworkLink) {
        let key = LinkKey::of(&link.link);
        let at = self.link(zone, &key);
        let links = &mut self.declaration.private_dns_zones[zone].virtual_network_links;
        match (at, self.links.get_mut(&zone), key) {
            (None, Some(index), LinkKey::Named(name)) => drop(index.insert(name, links.len())),
            // Default names of other resources may depend on it.
            _ => drop(self.links.remove(&zone)),
        }
        match at {
            Some(at) => links[at] = link,
            None => links.push(link),
        }
    }

    fn put(&mut self, resource: Resource) {
        let declaration = &mut *self.declaration;
        match resource {
            Resource::VirtualNetwork(network) => {
                self.networks.put(&mut declaration.virtual_networks, network, |network| (*network.id).clone());
            }
            Resource::VirtualMachine(machine) => {
                self.machines.put(&mut declaration.virtual_machines, machine, machine_item);
            }
            Resource::PrivateDnsZone(zone) => {
                let zones = &mut declaration.private_dns_zones;
                if let Some(at) = self.zones.find(zones, &zone.id, |zone| zone.id.clone()) {
                    self.links.remove(&at);
                    self.sets.remove(&ZonePlace::Private(at));
                }
                self.zones.put(zones, zone, |zone| zone.id.clone());
            }
            Resource::PrivateLinkResource(resource) => {
                let all = &mut declaration.private_link_resources;
                self.resources.put(all, resource, |resource| (*resource.id).clone());
            }
            Resource::PrivateEndpoint(endpoint) => {
                self.endpoints.put(&mut declaration.private_endpoints, endpoint, |endpoint| (*endpoint.id).clone());
            }
            Resource::PrivateLinkService(service) => {
                self.services.put(&mut declaration.private_link_services, service, |service| (*service.id).clone());
            }
            Resource::ServiceEndpoint(endpoint) => {
                let all = &mut declaration.service_endpoints;
                self.service_endpoints.put(all, endpoint, |endpoint| (*endpoint.id).clone());
            }
            Resource::ManagedPrivateEndpoint(endpoint) => {
                let all = &mut declaration.managed_private_endpoints;
                self.managed.put(all, endpoint, |endpoint| endpoint.id().into_value());
            }
            Resource::InboundEndpoint(endpoint) => {
                self.inbound.put(&mut declaration.inbound_endpoints, endpoint, |endpoint| (*endpoint.id).clone());
            }
            Resource::DnsForwardingRuleset(ruleset) => {
                self.rulesets.put(&mut declaration.dns_forwarding_rulesets, ruleset, |ruleset| (*ruleset.id).clone());
            }
            Resource::DnsSecurityPolicy(policy) => {
                self.policies.put(&mut declaration.dns_security_policies, policy, |policy| (*policy.id).clone());
            }
        }
    }

    /// `None` if it does not exist.
    fn delete(&mut self, id: &ResourceId) -> Option<()> {
        if let Some((zone, name)) = Item::of_link(id) {
            let zone = self.private_zone(&zone)?;
            let at = self.link(zone, &LinkKey::Named(name.to_lowercase()))?;
            self.links.remove(&zone);
            self.declaration.private_dns_zones[zone].virtual_network_links.remove(at);
            return Some(());
        }
        let child_type = id.resource_type().rsplit('/').next()?;
        if child_type.eq_ignore_ascii_case(types::VIRTUAL_NETWORK_LINK) {
            return self.delete_link(id);
        }
        if child_type.eq_ignore_ascii_case(types::PRIVATE_DNS_ZONE_GROUP) {
            let endpoints = &mut self.declaration.private_endpoints;
            let at = self.endpoints.find(endpoints, &id.parent()?, |endpoint| (*endpoint.id).clone())?;
            return (!std::mem::take(&mut endpoints[at].private_dns_zone_group).is_empty()).then_some(());
        }
        if id.is_of_type(types::VIRTUAL_MACHINE) {
            let at = machine_at(self.declaration, id)?;
            self.machines.clear();
            self.declaration.virtual_machines.remove(at);
            return Some(());
        }
        if id.is_of_type(types::PRIVATE_DNS_ZONE) {
            // The indexes after it change.
            self.finish();
            self.links.clear();
        }
        self.delete_resource(id)
    }

    fn delete_resource(&mut self, id: &ResourceId) -> Option<()> {
        let all = &mut *self.declaration;
        let network = self.networks.remove(&mut all.virtual_networks, id, |network| (*network.id).clone());
        network
            .map(drop)
            .or_else(|| self.zones.remove(&mut all.private_dns_zones, id, |zone| zone.id.clone()).map(drop))
            .or_else(|| {
                self.endpoints.remove(&mut all.private_endpoints, id, |endpoint| (*endpoint.id).clone()).map(drop)
            })
            .or_else(|| {
                let endpoints = &mut all.service_endpoints;
                self.service_endpoints.remove(endpoints, id, |endpoint| (*endpoint.id).clone()).map(drop)
            })
            .or_else(|| {
                self.services.remove(&mut all.private_link_services, id, |service| (*service.id).clone()).map(drop)
            })
            .or_else(|| {
                let endpoints = &mut all.managed_private_endpoints;
                self.managed.remove(endpoints, id, |endpoint| endpoint.id().into_value()).map(drop)
            })
            .or_else(|| {
                self.inbound.remove(&mut all.inbound_endpoints, id, |endpoint| (*endpoint.id).clone()).map(drop)
            })
            .or_else(|| {
                self.rulesets.remove(&mut all.dns_forwarding_rulesets, id, |ruleset| (*ruleset.id).clone()).map(drop)
            })
            .or_else(|| {
                self.policies.remove(&mut all.dns_security_policies, id, |policy| (*policy.id).clone()).map(drop)
            })
            .or_else(|| {
                self.resources.remove(&mut all.private_link_resources, id, |resource| (*resource.id).clone()).map(drop)
            })
    }

    /// Removes a link of a ruleset or a policy.
    fn delete_link(&mut self, id: &ResourceId) -> Option<()> {
        let parent = id.parent()?;
        let rulesets = &mut self.declaration.dns_forwarding_rulesets;
        let rulesets = rulesets.iter_mut().map(|ruleset| (&ruleset.id, &mut ruleset.links));
        let policies = &mut self.declaration.dns_security_policies;
        let policies = policies.iter_mut().map(|policy| (&policy.id, &mut policy.links));
        let (_, links) = rulesets.chain(policies).find(|(id, _)| ***id == parent)?;
        let at = link_names(links.iter()).iter().position(|name| name.eq_ignore_ascii_case(id.name()))?;
        links.remove(at);
        Some(())
    }
}

impl super::Declares for Changing<'_> {
    fn item(&mut self, change: &Change) -> Option<Item> {
        match change {
            Change::PutLink { zone, link: VirtualNetworkLink { link, .. } } => {
                let key = LinkKey::of(link);
                let at = self.private_zone(zone).and_then(|zone| Some((zone, self.link(zone, &key)?)));
                let known = at.map(|(zone, at)| &self.declaration.private_dns_zones[zone].virtual_network_links[at]);
                Some(Item::Link { zone: zone.clone(), key: known.map_or(key, |known| LinkKey::of(&known.link)) })
            }
            Change::Delete(id) => match Item::of_link(id) {
                Some((zone, name)) => {
                    let at = self.private_zone(&zone)?;
                    let link = self.link(at, &LinkKey::Named(name.to_lowercase()))?;
                    let known = &self.declaration.private_dns_zones[at].virtual_network_links[link];
                    Some(Item::Link { zone, key: LinkKey::of(&known.link) })
                }
                None if id.is_of_type(types::VIRTUAL_MACHINE) => {
                    machine_at(self.declaration, id).map(|at| machine_item(&self.declaration.virtual_machines[at]))
                }
                None => Some(Item::of_deleted(id)),
            },
            other => Item::of(other),
        }
    }

    fn declared(&mut self, item: &Item) -> Option<Origin> {
        match item {
            Item::Link { zone, key } => {
                let at = self.private_zone(zone)?;
                let link = self.link(at, key)?;
                Some(self.declaration.private_dns_zones[at].virtual_network_links[link].link.virtual_network.origin)
            }
            Item::RecordSet { zone, owner, rtype } => {
                let zone = self.zone(zone).ok()?;
                let name = zone_name(self.declaration, zone);
                if matches!(zone, ZonePlace::Private(_)) && *rtype == RecordType::SOA && *owner == **name {
                    return Some(name.origin);
                }
                let at = self.record_set(zone, owner, *rtype)?;
                Some(record_sets(self.declaration, zone)[at].origin)
            }
            Item::Machine { .. } => {
                let at = self.machines.find(&self.declaration.virtual_machines, item, machine_item)?;
                Some(self.declaration.virtual_machines[at].name.origin)
            }
            Item::Resource(id) => self.resource(id),
        }
    }

    fn lock(&mut self, zone: &ZoneKey) -> Option<Origin> {
        let ZonePlace::Private(at) = self.zone(zone).ok()? else { return None };
        let zone = &self.declaration.private_dns_zones[at];
        zone.locked.then_some(zone.name.origin)
    }
}

fn record_sets(declaration: &mut Declaration, zone: ZonePlace) -> &mut Vec<RecordSet> {
    match zone {
        ZonePlace::Private(at) => &mut declaration.private_dns_zones[at].record_sets,
        ZonePlace::Public(at) => &mut declaration.public_zones[at].record_sets,
    }
}

fn zone_name(declaration: &Declaration, zone: ZonePlace) -> &Declared<Name> {
    match zone {
        ZonePlace::Private(at) => &declaration.private_dns_zones[at].name,
        ZonePlace::Public(at) => &declaration.public_zones[at].name,
    }
}

fn missing(kind: &str, what: &str) -> Finding {
    let mend = "name one that is there";
    Finding::new(Code::MissingResource, Origin::API, format!("there is no {kind} {what}"), mend)
}
