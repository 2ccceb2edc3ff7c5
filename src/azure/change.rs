//! Changes of the declared world, whoever wants them: each resource by its identity, each record set by zone, owner and
//! type.

use super::declaration::{
    Declaration, DnsForwardingRuleset, DnsSecurityPolicy, Link, ManagedPrivateEndpoint, Origin, PrivateDnsZone,
    PrivateEndpoint, PrivateLinkResource, PrivateLinkService, RecordSet, ServiceEndpoint, SoaEdit, VirtualMachine,
    VirtualNetwork, VirtualNetworkLink, link_names,
};
use super::finding::Finding;
use super::identity::{ResourceId, types};
use crate::codes::Code;
use crate::dns::{Name, RecordType, TypeName};

/// One change of the declared world.
#[derive(Clone, Debug)]
pub enum Change {
    /// A resource is there as it is given, in place of the one of its identity, if there is one. A zone brings its links
    /// and record sets along.
    Put(Resource),
    /// A resource is gone with all that is within it: one of those that [`Change::Put`] takes, a virtual network link of a
    /// zone, a ruleset or a policy, or the zone group of a private endpoint.
    Delete(ResourceId),
    /// A private zone has a link, in place of the one of its name; without a name, of the one that has none to its network.
    PutLink {
        /// The zone's identity.
        zone: ResourceId,
        /// The link.
        link: VirtualNetworkLink,
    },
    /// A zone has a record set, in place of the one of its owner and type, if there is one. An SOA record set edits that
    /// of a private zone: host and serial number stay.
    PutRecordSet {
        /// The zone.
        zone: ZoneKey,
        /// The record set, which a person wrote.
        record_set: RecordSet,
    },
    /// A record set that a person wrote is gone.
    DeleteRecordSet {
        /// The zone.
        zone: ZoneKey,
        /// The name it lives at.
        owner: Name,
        /// Its type.
        rtype: RecordType,
    },
}

/// Which zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ZoneKey {
    /// The private zone of that identity.
    Private(ResourceId),
    /// The public zone that was declared at that apex.
    Public(Name),
}

/// A resource with all that belongs to it.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each says what it is")]
pub enum Resource {
    VirtualNetwork(VirtualNetwork),
    VirtualMachine(VirtualMachine),
    PrivateDnsZone(PrivateDnsZone),
    PrivateLinkResource(PrivateLinkResource),
    PrivateEndpoint(PrivateEndpoint),
    PrivateLinkService(PrivateLinkService),
    ServiceEndpoint(ServiceEndpoint),
    ManagedPrivateEndpoint(ManagedPrivateEndpoint),
    DnsForwardingRuleset(DnsForwardingRuleset),
    DnsSecurityPolicy(DnsSecurityPolicy),
}

impl Change {
    /// The private zone whose record sets it is about.
    pub(super) fn zone(&self) -> Option<&ResourceId> {
        match self {
            Self::PutRecordSet { zone: ZoneKey::Private(id), .. }
            | Self::DeleteRecordSet { zone: ZoneKey::Private(id), .. } => Some(id),
            Self::Put(Resource::PrivateDnsZone(zone)) => Some(&zone.id),
            _ => None,
        }
    }
}

impl Declaration {
    /// The same after a change, which is not checked against the rest.
    ///
    /// # Errors
    /// It is about something that is not there.
    pub(super) fn change(&mut self, change: Change) -> Result<(), Finding> {
        match change {
            Change::Put(resource) => {
                self.put(resource);
                Ok(())
            }
            Change::Delete(id) => self.delete(&id).ok_or_else(|| missing("resource", &id.to_string())),
            Change::PutLink { zone, link } => {
                let zone = self.zone(&zone).ok_or_else(|| missing("private DNS zone", &zone.to_string()))?;
                put_link(&mut zone.virtual_network_links, link);
                Ok(())
            }
            Change::PutRecordSet { zone, record_set } => {
                if let ZoneKey::Private(id) = &zone
                    && let Some(zone) = self.zone(id)
                    && is_edit_of_soa(zone, &record_set)
                {
                    zone.soa = SoaEdit::from_record(&record_set);
                    return Ok(());
                }
                let record_sets = self.record_sets(&zone)?;
                let is_it = |set: &RecordSet| set.owner == record_set.owner && set.rtype == record_set.rtype;
                match record_sets.iter().position(is_it) {
                    Some(at) => record_sets[at] = record_set,
                    None => record_sets.push(record_set),
                }
                Ok(())
            }
            Change::DeleteRecordSet { zone, owner, rtype } => {
                let record_sets = self.record_sets(&zone)?;
                let at = record_sets.iter().position(|set| set.owner == owner && set.rtype == rtype);
                let at = at.ok_or_else(|| missing("record set", &format!("{owner} {}", TypeName(rtype))))?;
                record_sets.remove(at);
                Ok(())
            }
        }
    }

    fn zone(&mut self, id: &ResourceId) -> Option<&mut PrivateDnsZone> {
        self.private_dns_zones.iter_mut().find(|zone| zone.id == *id)
    }

    fn record_sets(&mut self, zone: &ZoneKey) -> Result<&mut Vec<RecordSet>, Finding> {
        match zone {
            ZoneKey::Private(id) => match self.zone(id) {
                Some(zone) => Ok(&mut zone.record_sets),
                None => Err(missing("private DNS zone", &id.to_string())),
            },
            ZoneKey::Public(apex) => match self.public_zones.iter_mut().find(|zone| *zone.name == *apex) {
                Some(zone) => Ok(&mut zone.record_sets),
                None => Err(missing("public zone", &apex.to_string())),
            },
        }
    }

    fn put(&mut self, resource: Resource) {
        match resource {
            Resource::VirtualNetwork(network) => put(&mut self.virtual_networks, network, |network| &network.id),
            Resource::VirtualMachine(machine) => {
                let is_it = |known: &VirtualMachine| {
                    known.resource_group == machine.resource_group
                        && *known.virtual_network == *machine.virtual_network
                        && known.name.eq_ignore_ascii_case(&machine.name)
                };
                match self.virtual_machines.iter().position(is_it) {
                    Some(at) => self.virtual_machines[at] = machine,
                    None => self.virtual_machines.push(machine),
                }
            }
            Resource::PrivateDnsZone(zone) => put(&mut self.private_dns_zones, zone, |zone| &zone.id),
            Resource::PrivateLinkResource(resource) => {
                put(&mut self.private_link_resources, resource, |resource| &resource.id);
            }
            Resource::PrivateEndpoint(endpoint) => put(&mut self.private_endpoints, endpoint, |endpoint| &endpoint.id),
            Resource::PrivateLinkService(service) => {
                put(&mut self.private_link_services, service, |service| &service.id)
            }
            Resource::ServiceEndpoint(endpoint) => put(&mut self.service_endpoints, endpoint, |endpoint| &endpoint.id),
            Resource::ManagedPrivateEndpoint(endpoint) => {
                let id = endpoint.id().into_value();
                match self.managed_private_endpoints.iter().position(|known| *known.id() == id) {
                    Some(at) => self.managed_private_endpoints[at] = endpoint,
                    None => self.managed_private_endpoints.push(endpoint),
                }
            }
            Resource::DnsForwardingRuleset(ruleset) => {
                put(&mut self.dns_forwarding_rulesets, ruleset, |ruleset| &ruleset.id);
            }
            Resource::DnsSecurityPolicy(policy) => put(&mut self.dns_security_policies, policy, |policy| &policy.id),
        }
    }

    /// `None` where it is not there.
    fn delete(&mut self, id: &ResourceId) -> Option<()> {
        let child_type = id.resource_type().rsplit('/').next()?;
        if child_type.eq_ignore_ascii_case(types::VIRTUAL_NETWORK_LINK) {
            return self.delete_link(id);
        }
        if child_type.eq_ignore_ascii_case(types::PRIVATE_DNS_ZONE_GROUP) {
            let parent = id.parent()?;
            let endpoint = self.private_endpoints.iter_mut().find(|endpoint| *endpoint.id == parent)?;
            return (!std::mem::take(&mut endpoint.private_dns_zone_group).is_empty()).then_some(());
        }
        if id.is_of_type(types::VIRTUAL_MACHINE) {
            let names = self.machine_names();
            let mut machines = self.virtual_machines.iter().zip(names);
            let at = machines.position(|(machine, name)| {
                machine.resource_group == *id.resource_group() && name.eq_ignore_ascii_case(id.name())
            })?;
            self.virtual_machines.remove(at);
            return Some(());
        }
        remove(&mut self.virtual_networks, |network| *network.id == *id)
            .or_else(|| remove(&mut self.private_dns_zones, |zone| zone.id == *id))
            .or_else(|| remove(&mut self.private_endpoints, |endpoint| *endpoint.id == *id))
            .or_else(|| remove(&mut self.service_endpoints, |endpoint| *endpoint.id == *id))
            .or_else(|| remove(&mut self.private_link_services, |service| *service.id == *id))
            .or_else(|| remove(&mut self.managed_private_endpoints, |endpoint| *endpoint.id() == *id))
            .or_else(|| remove(&mut self.dns_forwarding_rulesets, |ruleset| *ruleset.id == *id))
            .or_else(|| remove(&mut self.dns_security_policies, |policy| *policy.id == *id))
            .or_else(|| remove(&mut self.private_link_resources, |resource| *resource.id == *id))
    }

    fn delete_link(&mut self, id: &ResourceId) -> Option<()> {
        let parent = id.parent()?;
        if let Some(zone) = self.zone(&parent) {
            let at = link_place(&zone.virtual_network_links, id.name())?;
            zone.virtual_network_links.remove(at);
            return Some(());
        }
        let rulesets = self.dns_forwarding_rulesets.iter_mut().map(|ruleset| (&ruleset.id, &mut ruleset.links));
        let policies = self.dns_security_policies.iter_mut().map(|policy| (&policy.id, &mut policy.links));
        let (_, links) = rulesets.chain(policies).find(|(id, _)| ***id == parent)?;
        let at = link_names(links.iter()).iter().position(|name| name.eq_ignore_ascii_case(id.name()))?;
        links.remove(at);
        Some(())
    }
}

/// Whether a record set in a private zone edits the SOA record that Azure made.
pub(super) fn is_edit_of_soa(zone: &PrivateDnsZone, set: &RecordSet) -> bool {
    set.rtype == RecordType::SOA && set.owner == *zone.name && set.rdatas.len() == 1
}

/// The place of the link of a name, in whatever letters.
pub(super) fn link_place(links: &[VirtualNetworkLink], name: &str) -> Option<usize> {
    let is = |known: &str| known.eq_ignore_ascii_case(name);
    let networks_name = |link: &VirtualNetworkLink| is(link.link.virtual_network.name());
    let by_default = links.iter().filter(|link| link.link.name.is_none() && networks_name(link)).count();
    // A name with a dot may be one that is made of several; and of two networks that are called alike, neither's link is
    // called as they are.
    if name.is_ascii() && !name.contains('.') && by_default <= 1 {
        let is_it = |link: &VirtualNetworkLink| match &link.link.name {
            Some(own) => is(own),
            None => networks_name(link),
        };
        return links.iter().position(is_it);
    }
    let names = link_names(links.iter().map(|link| &link.link));
    names.iter().position(|known| known.eq_ignore_ascii_case(name))
}

/// Puts a link in place of the one that it replaces, and returns that.
pub(super) fn put_link(links: &mut Vec<VirtualNetworkLink>, link: VirtualNetworkLink) -> Option<VirtualNetworkLink> {
    let at = match &link.link.name {
        Some(name) => link_place(links, name),
        None => {
            let is_it = |known: &Link| known.name.is_none() && *known.virtual_network == *link.link.virtual_network;
            links.iter().position(|known| is_it(&known.link))
        }
    };
    match at {
        Some(at) => Some(std::mem::replace(&mut links[at], link)),
        None => {
            links.push(link);
            None
        }
    }
}

fn put<T>(resources: &mut Vec<T>, resource: T, id: impl Fn(&T) -> &ResourceId) {
    match resources.iter().position(|known| id(known) == id(&resource)) {
        Some(at) => resources[at] = resource,
        None => resources.push(resource),
    }
}

fn remove<T>(resources: &mut Vec<T>, is_it: impl Fn(&T) -> bool) -> Option<()> {
    let at = resources.iter().position(is_it)?;
    resources.remove(at);
    Some(())
}

fn missing(kind: &str, what: &str) -> Finding {
    let mend = "name one that is there";
    Finding::new(Code::MissingResource, Origin::default(), format!("there is no {kind} {what}"), mend)
}
