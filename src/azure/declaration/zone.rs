//! Zones: private ones with their links, public ones, and the record sets of both.

use std::fmt;

use super::{Declared, Link, Origin, Shared};
use crate::azure::identity::{ResourceGroup, ResourceId, types};
use crate::dns::{Name, NameRef, Rdatas, RecordType, Ttl};

/// A private DNS zone. Zones of one name may exist in different resource groups.
#[derive(Clone, Debug)]
pub struct PrivateDnsZone {
    /// The apex.
    pub name: Declared<Name>,
    /// Its identity.
    pub id: ResourceId,
    /// The networks that see the zone.
    pub virtual_network_links: Shared<VirtualNetworkLink>,
    /// Record sets written by hand or read from a zone file.
    pub record_sets: Vec<RecordSet>,
    /// Changes to the SOA record that Azure creates with the zone.
    pub soa: SoaEdit,
    /// Whether the zone is closed to changes through the management API.
    pub locked: bool,
}

/// The changeable fields of a private zone's SOA record; host and serial number cannot be changed (behaviour of Azure, seen in
/// azure-cli issue 15012).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SoaEdit {
    /// RNAME as a name: the mailbox of the person in charge.
    pub email: Option<Name>,
    /// Refresh in seconds.
    pub refresh_time: Option<u32>,
    /// Retry in seconds.
    pub retry_time: Option<u32>,
    /// Expire in seconds.
    pub expire_time: Option<u32>,
    /// Minimum: the bound on the TTL of negative answers, in seconds (RFC 2308 §4).
    pub minimum_ttl: Option<u32>,
    /// TTL of the record itself.
    pub ttl: Option<Ttl>,
}

impl SoaEdit {
    /// The changes that a hand-written SOA record makes to the one that Azure creates: all but host and serial number.
    pub(crate) fn from_record(set: &RecordSet) -> Self {
        let fields = set.rdatas.first().and_then(|rdata| {
            let mname = NameRef::parse(rdata)?;
            let rest = &rdata[mname.as_wire().len()..];
            let rname = NameRef::parse(rest)?;
            let (numbers, _) = rest[rname.as_wire().len()..].as_chunks::<4>();
            let [_, refresh, retry, expire, minimum] = numbers else { return None };
            Some((rname.to_name(), [refresh, retry, expire, minimum].map(|number| u32::from_be_bytes(*number))))
        });
        let Some((email, [refresh, retry, expire, minimum])) = fields else { return Self::default() };
        Self {
            email: Some(email),
            refresh_time: Some(refresh),
            retry_time: Some(retry),
            expire_time: Some(expire),
            minimum_ttl: Some(minimum),
            ttl: Some(set.ttl),
        }
    }
}

/// A link between a zone and a virtual network.
#[derive(Clone, Debug)]
pub struct VirtualNetworkLink {
    /// Its name, and the network.
    pub link: Link,
    /// Whether the network's machines are registered in the zone.
    pub registration_enabled: bool,
    /// What happens on NXDOMAIN.
    pub resolution_policy: ResolutionPolicy,
    /// While the link is in progress: when it is completed, in milliseconds since 1970 in UTC. Until then the network does not
    /// see the zone, nor are its machines registered there (private-dns-virtual-network-links.md).
    pub in_progress_until: Option<u64>,
}

impl VirtualNetworkLink {
    /// Whether it registers machines by now.
    pub(in crate::azure) fn registers(&self) -> bool {
        self.registration_enabled && self.in_progress_until.is_none()
    }
}

/// A link's resolution policy (Microsoft.Network API 2024-06-01, `resolutionPolicy`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ResolutionPolicy {
    /// NXDOMAIN is final.
    #[default]
    Default,
    /// NXDOMAIN from a Private Link zone leads to resolution in public DNS ("fallback to internet").
    NxDomainRedirect,
}

/// Record types of a private zone, the SOA record aside (private-dns-overview.md).
pub const PRIVATE_TYPES: [RecordType; 7] = [
    RecordType::A,
    RecordType::AAAA,
    RecordType::CNAME,
    RecordType::MX,
    RecordType::PTR,
    RecordType::SRV,
    RecordType::TXT,
];

/// All records of one owner and type.
#[derive(Clone, Debug)]
pub struct RecordSet {
    /// The name the records live at.
    pub owner: Name,
    /// Their type.
    pub rtype: RecordType,
    /// Their TTL.
    pub ttl: Ttl,
    /// Their data; empty if the set exists and its records are unknown.
    pub rdatas: Rdatas,
    /// Its writer.
    pub writer: Writer,
    /// Where the set, or the resource that it is derived from, was declared.
    pub origin: Origin,
}

/// The writer of a record set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Writer {
    /// A person: in the configuration or in a zone file.
    Person,
    /// A client of the management API, over what a private DNS zone group had written: valid until the group writes again.
    Client,
    /// Azure, with the zone.
    Zone,
    /// The private DNS zone group of the private endpoint with that name.
    PrivateEndpoint(String),
    /// The managed private endpoint with that name, within the network that manages it.
    ManagedPrivateEndpoint(String),
    /// The public DNS of the Private Link resource with that name.
    PrivateLinkResource(String),
    /// The public DNS of a service, for a name that its customers share.
    Service,
    /// Azure, for the virtual machine with that name.
    VirtualMachine(String),
    /// This server, for delegations to it.
    NameServers,
}

impl Writer {
    /// Whether a person wrote it, not the platform.
    pub(crate) const fn is_person(&self) -> bool {
        matches!(self, Self::Person | Self::Client)
    }
}

impl fmt::Display for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person | Self::Client => f.write_str("written by hand"),
            Self::Zone => f.write_str("made with the zone"),
            Self::PrivateEndpoint(name) => write!(f, "written by private endpoint {name}"),
            Self::ManagedPrivateEndpoint(name) => write!(f, "follows from managed private endpoint {name}"),
            Self::VirtualMachine(name) => write!(f, "registered for virtual machine {name}"),
            Self::PrivateLinkResource(name) => write!(f, "follows from Private Link resource {name}"),
            Self::Service => f.write_str("is the service's, for all its customers"),
            Self::NameServers => f.write_str("follows from the server's name_servers"),
        }
    }
}

/// A zone that everyone sees, read from a zone file.
#[derive(Clone, Debug)]
pub struct PublicZone {
    /// The apex.
    pub name: Declared<Name>,
    /// Its record sets.
    pub record_sets: Vec<RecordSet>,
}

impl PrivateDnsZone {
    /// The identity of a zone: its name is the apex without the final dot. A slash in it would end the name, and is written as
    /// `\047`, as in a master file (RFC 1035 §5.1).
    pub fn id(group: &ResourceGroup, apex: &Name) -> ResourceId {
        let text = apex.to_string().replace('/', "\\047");
        // The root is only the dot.
        let name = text.strip_suffix('.').filter(|name| !name.is_empty()).unwrap_or(&text);
        group.resource(types::PRIVATE_DNS_ZONE, name).expect("what a name prints has no slash and no control character")
    }

    /// The apex of the zone with an identity.
    pub(in crate::azure) fn apex(id: &ResourceId) -> Option<Name> {
        id.name().parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_apex_is_the_name_of_an_identity_and_comes_back_from_it() {
        for apex in [".", "corp.test", "0/25.2.0.192.in-addr.arpa", r"a\.b.test", r"\000\255.test", "Upper.test"] {
            let apex: Name = apex.parse().unwrap();
            let id = PrivateDnsZone::id(&ResourceGroup::default(), &apex);
            assert_eq!(PrivateDnsZone::apex(&id), Some(apex), "{id}");
            assert_eq!(id.to_string().parse::<ResourceId>().unwrap(), id);
        }
        let apex = "Corp.Test.".parse().unwrap();
        assert_eq!(PrivateDnsZone::id(&ResourceGroup::default(), &apex).name(), "Corp.Test");
    }
}
