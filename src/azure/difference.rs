//! The changes that turn one declaration into another.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use super::change::{Change, Item, LinkKey, Resource, ZoneKey, machine_item};
use super::contents::ZoneContents;
use super::declaration::{
    Declaration, Declared, Limits, ManagedPrivateEndpoint, PrivateDnsZone, RecordSet, VirtualMachine,
    VirtualNetworkLink, link_names,
};
use super::derive::private_soa;
use super::identity::{ResourceId, types};
use super::same::Same;
use super::topology::Topology;
use crate::dns::{NameRef, RecordType};

/// How a declaration differs from that of a topology.
#[derive(Debug)]
pub(crate) struct Difference {
    /// What to put and remove, by identity. Applied to the topology, these changes result in the declaration.
    pub(crate) changes: Vec<Change>,
    /// Whether private endpoints or machines are in another order, on which the last writer depends.
    pub(crate) is_reordered: bool,
    /// Whether settings differ that are not resources: clients, upstream servers, treatment of strangers.
    has_other_settings: bool,
}

impl Difference {
    /// Whether there are only changes of resources.
    pub(crate) fn is_of_resources(&self) -> bool {
        !self.is_reordered && !self.has_other_settings
    }
}

/// Differences in one kind of resource.
struct Kinds<'a> {
    changes: &'a mut Vec<Change>,
    is_reordered: bool,
}

impl Topology {
    /// The differences of `next`. `None` if changes cannot express them: settings that affect all zones, such as limits and name
    /// servers; added or removed public zones; duplicates.
    pub(crate) fn difference(&self, next: &Declaration) -> Option<Difference> {
        let last = self.declaration_without(|_| true);
        if !has_same_ground(&last, next) {
            return None;
        }
        let mut changes = Vec::new();
        gone_machines(&last.virtual_machines, next, &last, &mut changes);
        let mut kinds = Kinds { changes: &mut changes, is_reordered: false };
        kinds.resources(
            &last.virtual_networks,
            &next.virtual_networks,
            |network| &network.id,
            Resource::VirtualNetwork,
        );
        let resources = (&last.private_link_resources, &next.private_link_resources);
        kinds.resources(resources.0, resources.1, |resource| &resource.id, Resource::PrivateLinkResource);
        let services = (&last.private_link_services, &next.private_link_services);
        kinds.resources(services.0, services.1, |service| &service.id, Resource::PrivateLinkService);
        kinds.machines(&last.virtual_machines, &next.virtual_machines);
        kinds.zones(self, next)?;
        let mut is_reordered = kinds.is_reordered;
        kinds.is_reordered = false;
        kinds.resources(&last.private_endpoints, &next.private_endpoints, |one| &one.id, Resource::PrivateEndpoint);
        kinds.resources(&last.service_endpoints, &next.service_endpoints, |one| &one.id, Resource::ServiceEndpoint);
        kinds.managed(&last, next);
        is_reordered |= kinds.is_reordered;
        let inbound = (&last.inbound_endpoints, &next.inbound_endpoints);
        kinds.resources(inbound.0, inbound.1, |endpoint| &endpoint.id, Resource::InboundEndpoint);
        let rulesets = (&last.dns_forwarding_rulesets, &next.dns_forwarding_rulesets);
        kinds.resources(rulesets.0, rulesets.1, |ruleset| &ruleset.id, Resource::DnsForwardingRuleset);
        let policies = (&last.dns_security_policies, &next.dns_security_policies);
        kinds.resources(policies.0, policies.1, |policy| &policy.id, Resource::DnsSecurityPolicy);
        Some(Difference { changes, is_reordered, has_other_settings: !has_same_settings(&last, next) })
    }
}

/// Whether the settings that affect all zones are the same.
fn has_same_ground(last: &Declaration, next: &Declaration) -> bool {
    let apexes =
        |declaration: &Declaration| declaration.public_zones.iter().map(|zone| zone.name.clone()).collect::<Vec<_>>();
    !next.incomplete
        && (last.limits == Limits::Off) == (next.limits == Limits::Off)
        && last.public_cname_from == next.public_cname_from
        && last.resource_group.is_same(&next.resource_group)
        && last.name_servers.is_same(&next.name_servers)
        && apexes(last).is_same(&apexes(next))
}

/// Whether advice that is not about resources is the same. What keys and certificates prove cannot be compared.
fn has_same_settings(last: &Declaration, next: &Declaration) -> bool {
    let keys = |declaration: &Declaration| {
        let keys = declaration.tsig_keys.iter();
        keys.map(|key| (key.name.clone(), key.networks.clone())).collect::<Vec<_>>()
    };
    last.upstream.is_same(&next.upstream)
        && last.forwarders.is_same(&next.forwarders)
        && last.explanations.is_same(&next.explanations)
        && last.listeners.is_same(&next.listeners)
        && last.strangers == next.strangers
        && last.unknown_names == next.unknown_names
        && keys(last).is_same(&keys(next))
        && last.client_certificates.is_empty()
        && next.client_certificates.is_empty()
}

/// Removed machines, each with the name it has once those before it are removed.
fn gone_machines(last: &[VirtualMachine], next: &Declaration, all: &Declaration, changes: &mut Vec<Change>) {
    let stay: HashSet<Item> = next.virtual_machines.iter().map(machine_item).collect();
    if last.iter().all(|machine| stay.contains(&machine_item(machine))) {
        return;
    }
    let mut left = Declaration { virtual_machines: all.virtual_machines.clone(), ..Declaration::default() };
    while let Some(at) = left.virtual_machines.iter().position(|machine| !stay.contains(&machine_item(machine))) {
        let name = left.machine_names().swap_remove(at);
        let machine = left.virtual_machines.remove(at);
        changes.extend(machine.resource_group.resource(types::VIRTUAL_MACHINE, &name).ok().map(Change::Delete));
    }
}

/// Positions by identity.
fn by_key<K: Eq + Hash, T>(all: &[T], key: impl Fn(&T) -> K) -> HashMap<K, usize> {
    all.iter().enumerate().map(|(at, one)| (key(one), at)).collect()
}

impl Kinds<'_> {
    fn resources<T: Same + Clone>(
        &mut self,
        last: &[T],
        next: &[T],
        id: impl Fn(&T) -> &Declared<ResourceId>,
        resource: impl Fn(T) -> Resource,
    ) {
        self.compare(
            last,
            next,
            |one| (**id(one)).clone(),
            resource,
            |gone| Some(Change::Delete((**id(gone)).clone())),
        );
    }

    fn machines(&mut self, last: &[VirtualMachine], next: &[VirtualMachine]) {
        // Removed machines are known already: their names depend on the others.
        self.compare(last, next, machine_item, Resource::VirtualMachine, |_| None);
    }

    fn managed(&mut self, last: &Declaration, next: &Declaration) {
        let (last, next) = (&last.managed_private_endpoints, &next.managed_private_endpoints);
        let id = |endpoint: &ManagedPrivateEndpoint| endpoint.id().into_value();
        self.compare(last, next, id, Resource::ManagedPrivateEndpoint, |gone| Some(Change::Delete(id(gone))));
    }

    fn compare<T: Same + Clone, K: Eq + Hash>(
        &mut self,
        last: &[T],
        next: &[T],
        key: impl Fn(&T) -> K,
        resource: impl Fn(T) -> Resource,
        delete: impl Fn(&T) -> Option<Change>,
    ) {
        if last.len() == next.len() && last.iter().zip(next).all(|(last, next)| last.is_same(next)) {
            return;
        }
        let (known, now) = (by_key(last, &key), by_key(next, &key));
        let mut places = Vec::with_capacity(next.len());
        for one in next {
            let at = known.get(&key(one));
            // New elements come after all previous ones.
            places.push(at.copied().unwrap_or(usize::MAX));
            if at.is_none_or(|at| !last[*at].is_same(one)) {
                self.changes.push(Change::Put(resource(one.clone())));
            }
        }
        self.is_reordered |= !places.is_sorted();
        self.changes.extend(last.iter().filter(|one| !now.contains_key(&key(one))).filter_map(delete));
    }

    fn zones(&mut self, topology: &Topology, next: &Declaration) -> Option<()> {
        for zone in &next.private_dns_zones {
            match topology.zone_and_contents(&zone.id) {
                Some((last, contents)) => self.zone(last, contents, zone)?,
                None => self.changes.push(Change::Put(Resource::PrivateDnsZone(zone.clone()))),
            }
        }
        let stay: HashSet<_> = next.private_dns_zones.iter().map(|zone| &zone.id).collect();
        let gone = topology.private_zones().iter().filter(|zone| !stay.contains(&zone.id));
        self.changes.extend(gone.map(|zone| Change::Delete(zone.id.clone())));
        let private = topology.private_zones().len();
        for (zone, contents) in next.public_zones.iter().zip(topology.zones().get(private..)?) {
            self.record_sets(ZoneKey::Public((*zone.name).clone()), contents, &zone.record_sets)?;
        }
        Some(())
    }

    fn zone(&mut self, last: &PrivateDnsZone, contents: &ZoneContents, next: &PrivateDnsZone) -> Option<()> {
        let PrivateDnsZone { name, id, virtual_network_links, record_sets, soa, locked } = next;
        if !name.is_same(&last.name) || !id.is_same(&last.id) || *locked != last.locked {
            self.changes.push(Change::Put(Resource::PrivateDnsZone(next.clone())));
            return Some(());
        }
        if !soa.is_same(&last.soa) {
            let record_set = private_soa(name, soa, name.origin);
            self.changes.push(Change::PutRecordSet { zone: ZoneKey::Private(id.clone()), record_set });
        }
        if !virtual_network_links.is_same(&last.virtual_network_links) {
            self.links(id, &last.virtual_network_links, virtual_network_links);
        }
        self.record_sets(ZoneKey::Private(id.clone()), contents, record_sets)
    }

    fn links(&mut self, zone: &ResourceId, last: &[VirtualNetworkLink], next: &[VirtualNetworkLink]) {
        let key = |link: &VirtualNetworkLink| LinkKey::of(&link.link);
        let (known, now) = (by_key(last, key), by_key(next, key));
        let names = link_names(last.iter().map(|link| &link.link));
        let gone = last.iter().zip(&names).filter(|(link, _)| !now.contains_key(&key(link)));
        let gone = gone.filter_map(|(_, name)| zone.child(types::VIRTUAL_NETWORK_LINK, name).ok());
        self.changes.extend(gone.map(Change::Delete));
        let others = next.iter().filter(|link| known.get(&key(link)).is_none_or(|at| !last[*at].is_same(link)));
        self.changes.extend(others.map(|link| Change::PutLink { zone: zone.clone(), link: link.clone() }));
    }

    /// `None` if a record set is declared twice.
    fn record_sets(&mut self, zone: ZoneKey, contents: &ZoneContents, next: &[RecordSet]) -> Option<()> {
        let mut seen: HashSet<(NameRef<'_>, RecordType), foldhash::fast::RandomState> =
            HashSet::with_capacity_and_hasher(next.len(), foldhash::fast::RandomState::default());
        let mut known = 0;
        for set in next {
            if !seen.insert((set.owner.as_ref(), set.rtype)) {
                return None;
            }
            let is_known = contents.is_by_hand(&set.owner, set.rtype);
            known += usize::from(is_known);
            if !is_known || !contents.holds_by_hand(set) {
                self.changes.push(Change::PutRecordSet { zone: zone.clone(), record_set: set.clone() });
            }
        }
        if known < contents.count_by_hand() {
            let gone = contents.by_hand().into_iter().filter(|set| !seen.contains(&(set.owner.as_ref(), set.rtype)));
            let delete =
                |set: RecordSet| Change::DeleteRecordSet { zone: zone.clone(), owner: set.owner, rtype: set.rtype };
            self.changes.extend(gone.map(delete));
        }
        Some(())
    }
}
