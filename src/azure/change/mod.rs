//! Changes of the declared world, whoever wants them: each resource by its identity, each record set by zone, owner and
//! type.

use super::declaration::{
    DnsForwardingRuleset, DnsSecurityPolicy, InboundEndpoint, Link, ManagedPrivateEndpoint, PrivateDnsZone,
    PrivateEndpoint, PrivateLinkResource, PrivateLinkService, RecordSet, ServiceEndpoint, VirtualMachine,
    VirtualNetwork, VirtualNetworkLink, link_names,
};
use super::identity::ResourceId;
use crate::dns::{Name, RecordType};

mod changing;
mod item;
mod positions;

pub(crate) use changing::Changing;
pub(crate) use item::Declares;
pub use item::{Item, LinkKey};
pub(super) use item::{machine_at, machine_item};

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
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
    InboundEndpoint(InboundEndpoint),
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
