//! Changes of the declaration: resources by identity, record sets by zone, owner and type.

use super::declaration::{
    DnsForwardingRuleset, DnsSecurityPolicy, InboundEndpoint, Link, ManagedPrivateEndpoint, Origin, PrivateDnsZone,
    PrivateEndpoint, PrivateLinkResource, PrivateLinkService, RecordSet, ServiceEndpoint, VirtualMachine,
    VirtualNetwork, VirtualNetworkLink, link_names,
};
use super::identity::ResourceId;
use crate::dns::{Name, RecordType};

mod changing;
mod item;
mod made;
mod positions;

pub(crate) use changing::Changing;
pub(crate) use item::Declares;
pub use item::{Item, LinkKey};
pub(super) use item::{machine_at, machine_item};
pub use made::Made;

/// One change of the declaration.
#[derive(Clone, Debug)]
pub enum Change {
    /// Creates or replaces a resource by identity. A zone includes its links and record sets.
    Put(Resource),
    /// Removes a resource with all its children: one that [`Change::Put`] takes, a virtual network link of a zone, a ruleset or a
    /// policy, or the zone group of a private endpoint.
    Delete(ResourceId),
    /// Creates or replaces a private zone's link by name; one without a name replaces the unnamed one to its network.
    PutLink {
        /// The zone's identity.
        zone: ResourceId,
        /// The link.
        link: VirtualNetworkLink,
    },
    /// Creates or replaces a zone's record set by owner and type. An SOA record set edits that of a private zone: host and serial
    /// number do not change.
    PutRecordSet {
        /// The zone.
        zone: ZoneKey,
        /// The record set, as written by a person.
        record_set: RecordSet,
    },
    /// Removes a record set that a person wrote.
    DeleteRecordSet {
        /// The zone.
        zone: ZoneKey,
        /// The name it lives at.
        owner: Name,
        /// Its type.
        rtype: RecordType,
    },
}

/// Identifies a zone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ZoneKey {
    /// The private zone with that identity.
    Private(ResourceId),
    /// The public zone declared at that apex.
    Public(Name),
}

/// A resource with its parts.
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
    InboundEndpoint(InboundEndpoint),
    DnsForwardingRuleset(DnsForwardingRuleset),
    DnsSecurityPolicy(DnsSecurityPolicy),
}

impl Change {
    /// Says of a record set that no file declares it.
    pub(crate) fn set_made(&mut self) {
        if let Self::PutRecordSet { record_set, .. } = self {
            record_set.origin = Origin::API;
        }
    }

    /// The private zone whose record sets it changes.
    pub(super) fn zone(&self) -> Option<&ResourceId> {
        match self {
            Self::PutRecordSet { zone: ZoneKey::Private(id), .. }
            | Self::DeleteRecordSet { zone: ZoneKey::Private(id), .. } => Some(id),
            Self::Put(Resource::PrivateDnsZone(zone)) => Some(&zone.id),
            _ => None,
        }
    }
}

/// Whether a record set edits the SOA record that Azure creates with a private zone.
pub(super) fn is_edit_of_soa(zone: &PrivateDnsZone, set: &RecordSet) -> bool {
    set.rtype == RecordType::SOA && set.owner == *zone.name && set.rdatas.len() == 1
}

impl Change {
    /// The same, where it is known at a moment, in milliseconds since 1970 in UTC: a link whose time has come is completed.
    pub(crate) fn settled(self, now: u64) -> Self {
        match self {
            Self::PutLink { zone, mut link } => {
                link.in_progress_until = link.in_progress_until.filter(|until| *until > now);
                Self::PutLink { zone, link }
            }
            other => other,
        }
    }

    /// Whether it makes a link that is in progress.
    pub(crate) fn begins_link(&self) -> bool {
        matches!(self, Self::PutLink { link, .. } if link.in_progress_until.is_some())
    }
}

/// The index of the link with a name, without regard to case.
pub(super) fn link_place(links: &[VirtualNetworkLink], name: &str) -> Option<usize> {
    let is = |known: &str| known.eq_ignore_ascii_case(name);
    let networks_name = |link: &VirtualNetworkLink| is(link.link.virtual_network.name());
    let by_default = links.iter().filter(|link| link.link.name.is_none() && networks_name(link)).count();
    // A name with a dot may be a composed one; and of links to two networks of one name, neither has the network's name as its
    // default.
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

/// Replaces a link, and returns the previous one.
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
