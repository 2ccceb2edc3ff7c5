//! The units of declaration: each is declared, and owned, by itself.

use std::fmt;

use super::{Change, Resource, ZoneKey};
use crate::azure::declaration::{Declaration, Link, ManagedTarget, Origin, ServiceTarget, VirtualMachine};
use crate::azure::identity::{ResourceGroup, ResourceId, types};
use crate::dns::{Name, RecordType, TypeName};

/// Something that is declared by itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Item {
    /// A resource with its parts, except the links and record sets of a zone.
    Resource(ResourceId),
    /// A virtual machine, whose name as a resource depends on other machines.
    Machine {
        /// Its network.
        network: ResourceId,
        /// Its resource group.
        group: ResourceGroup,
        /// Its declared name as a resource, or otherwise its host name; in lower case.
        name: String,
    },
    /// A link of a private zone.
    Link {
        /// The zone.
        zone: ResourceId,
        /// Which link.
        key: LinkKey,
    },
    /// A record set.
    RecordSet {
        /// The zone.
        zone: ZoneKey,
        /// The name it lives at.
        owner: Name,
        /// Its type.
        rtype: RecordType,
    },
}

/// Identifies a link of a private zone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LinkKey {
    /// The link with that name, in lower case.
    Named(String),
    /// The link to that network that has no name.
    To(ResourceId),
}

impl LinkKey {
    pub(in crate::azure) fn of(link: &Link) -> Self {
        match &link.name {
            Some(name) => Self::Named(name.to_lowercase()),
            None => Self::To((*link.virtual_network).clone()),
        }
    }
}

impl Resource {
    /// The kind of item.
    pub fn item(&self) -> Item {
        let id = match self {
            Self::VirtualNetwork(network) => &network.id,
            Self::VirtualMachine(machine) => return machine_item(machine),
            Self::PrivateDnsZone(zone) => return Item::Resource(zone.id.clone()),
            Self::PrivateLinkResource(resource) => &resource.id,
            Self::PrivateEndpoint(endpoint) => &endpoint.id,
            Self::PrivateLinkService(service) => &service.id,
            Self::ServiceEndpoint(endpoint) => &endpoint.id,
            Self::ManagedPrivateEndpoint(endpoint) => return Item::Resource(endpoint.id().into_value()),
            Self::InboundEndpoint(endpoint) => &endpoint.id,
            Self::DnsForwardingRuleset(ruleset) => &ruleset.id,
            Self::DnsSecurityPolicy(policy) => &policy.id,
        };
        Item::Resource((**id).clone())
    }
}

impl Item {
    /// The item that a change puts or removes, as the change names it: a link or a machine may be named in two ways.
    pub(in crate::azure) fn of(change: &Change) -> Option<Self> {
        match change {
            Change::Put(resource) => Some(resource.item()),
            Change::PutRecordSet { zone, record_set } => {
                Some(Self::RecordSet { zone: zone.clone(), owner: record_set.owner.clone(), rtype: record_set.rtype })
            }
            Change::DeleteRecordSet { zone, owner, rtype } => {
                Some(Self::RecordSet { zone: zone.clone(), owner: owner.clone(), rtype: *rtype })
            }
            Change::PutLink { .. } | Change::Delete(_) => None,
        }
    }

    /// The zone and the name of a private zone's link, by the link's identity.
    pub(in crate::azure) fn of_link(id: &ResourceId) -> Option<(ResourceId, &str)> {
        let (parent, child) = id.resource_type().rsplit_once('/')?;
        let is_link = child.eq_ignore_ascii_case(types::VIRTUAL_NETWORK_LINK);
        (is_link && parent.eq_ignore_ascii_case(types::PRIVATE_DNS_ZONE)).then(|| Some((id.parent()?, id.name())))?
    }

    /// The item that changes when the resource of an identity is removed: links of rulesets, and zone groups, belong to their
    /// parent.
    pub(in crate::azure) fn of_deleted(id: &ResourceId) -> Self {
        let child = id.resource_type().rsplit('/').next().unwrap_or_default();
        let is_part = [types::VIRTUAL_NETWORK_LINK, types::PRIVATE_DNS_ZONE_GROUP];
        let whole = is_part.iter().any(|part| child.eq_ignore_ascii_case(part)).then(|| id.parent()).flatten();
        Self::Resource(whole.unwrap_or_else(|| id.clone()))
    }

    /// The zone that it is in.
    pub fn zone(&self) -> Option<ZoneKey> {
        match self {
            Self::Link { zone, .. } => Some(ZoneKey::Private(zone.clone())),
            Self::RecordSet { zone, .. } => Some(zone.clone()),
            Self::Resource(_) | Self::Machine { .. } => None,
        }
    }
}

/// Finds declared items, in whatever form the declaration is held.
pub(crate) trait Declares {
    /// The item that a change puts or removes; `None` if it removes what does not exist.
    fn item(&mut self, change: &Change) -> Option<Item>;

    /// Where an item is declared; `None` if it does not exist.
    fn declared(&mut self, item: &Item) -> Option<Origin>;

    /// Where a zone is declared as closed to the management API; `None` if it is not.
    fn lock(&mut self, zone: &ZoneKey) -> Option<Origin>;
}

impl Change {
    /// The resources that it refers to, by identity.
    pub(crate) fn needs(&self) -> Vec<ResourceId> {
        let service = |target: &ServiceTarget| match target {
            ServiceTarget::Service(id) => Some(id.clone()),
            ServiceTarget::Alias(_) => None,
        };
        let links = |links: &[Link]| links.iter().map(|link| (*link.virtual_network).clone()).collect::<Vec<_>>();
        match self {
            Self::PutLink { zone, link } => vec![zone.clone(), (*link.link.virtual_network).clone()],
            Self::PutRecordSet { zone: ZoneKey::Private(zone), .. } => vec![zone.clone()],
            Self::PutRecordSet { .. } | Self::DeleteRecordSet { .. } | Self::Delete(_) => Vec::new(),
            Self::Put(resource) => match resource {
                Resource::VirtualNetwork(network) => network.managed_by.iter().map(|id| (**id).clone()).collect(),
                Resource::VirtualMachine(machine) => vec![(*machine.virtual_network).clone()],
                Resource::PrivateDnsZone(zone) => {
                    zone.virtual_network_links.iter().map(|link| (*link.link.virtual_network).clone()).collect()
                }
                Resource::PrivateLinkResource(resource) => {
                    let needs = resource.virtual_network.iter().chain(&resource.scoped_resources);
                    needs.map(|id| (**id).clone()).collect()
                }
                Resource::PrivateEndpoint(endpoint) => {
                    let needs = [&endpoint.virtual_network, &endpoint.private_link_resource].into_iter();
                    needs.chain(&endpoint.private_dns_zone_group).map(|id| (**id).clone()).collect()
                }
                Resource::PrivateLinkService(_) => Vec::new(),
                Resource::ServiceEndpoint(endpoint) => {
                    let network = Some((*endpoint.virtual_network).clone());
                    network.into_iter().chain(service(&endpoint.private_link_service)).collect()
                }
                Resource::ManagedPrivateEndpoint(endpoint) => {
                    let target = match &endpoint.target {
                        ManagedTarget::Resource { private_link_resource, .. } => {
                            Some((**private_link_resource).clone())
                        }
                        ManagedTarget::Service { private_link_service, .. } => service(private_link_service),
                    };
                    Some((*endpoint.grafana).clone()).into_iter().chain(target).collect()
                }
                Resource::InboundEndpoint(endpoint) => vec![(*endpoint.virtual_network).clone()],
                Resource::DnsForwardingRuleset(ruleset) => links(&ruleset.links),
                Resource::DnsSecurityPolicy(policy) => links(&policy.links),
            },
        }
    }
}

/// Identifies a machine by its own fields.
pub(in crate::azure) fn machine_item(machine: &VirtualMachine) -> Item {
    Item::Machine {
        network: (*machine.virtual_network).clone(),
        group: machine.resource_group.clone(),
        name: machine.resource_name.as_ref().unwrap_or(&machine.name).to_lowercase(),
    }
}

/// The index of the machine with an identity.
pub(in crate::azure) fn machine_at(declaration: &Declaration, id: &ResourceId) -> Option<usize> {
    let mut machines = declaration.virtual_machines.iter().zip(declaration.machine_names());
    machines.position(|(machine, name)| {
        machine.resource_group == *id.resource_group() && name.eq_ignore_ascii_case(id.name())
    })
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resource(id) => id.fmt(f),
            Self::Machine { network, group, name } => {
                write!(f, "virtual machine {}/{name} in {}", group.name(), network.name())
            }
            Self::Link { zone, key: LinkKey::Named(name) } => write!(f, "link {name} of {zone}"),
            Self::Link { zone, key: LinkKey::To(network) } => write!(f, "the link of {zone} to {}", network.name()),
            Self::RecordSet { zone, owner, rtype } => write!(f, "{owner} {} of {zone}", TypeName(*rtype)),
        }
    }
}

impl fmt::Display for ZoneKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Private(id) => id.fmt(f),
            Self::Public(apex) => write!(f, "public zone {apex}"),
        }
    }
}
