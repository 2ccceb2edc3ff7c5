//! Azure resources as declared, in Azure's terms.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Deref;

use crate::azure::identity::ResourceGroup;

mod address;
mod allocations;
mod clients;
mod forwarding;
mod link;
mod machine;
mod managed;
mod name_server;
mod network;
mod private_link;
mod resources;
mod shared;
mod zone;

pub use address::Address;
pub use allocations::Allocations;
pub(super) use allocations::Holder;
pub use clients::{
    CertificateHolder, ClientCertificate, Explanations, Forwarder, KeyNetworks, Listener, Strangers, TsigKey,
};
pub use forwarding::{
    AZURE_PROVIDED_DNS, DnsForwardingRuleset, DnsSecurityPolicy, DnsSecurityRule, ForwardingRule, InboundEndpoint,
    SecurityAction, Upstream,
};
pub use link::{Link, link_names};
pub use machine::{NetworkInterface, PowerState, VirtualMachine};
pub use managed::{ManagedPrivateEndpoint, ManagedTarget, PrivateLinkService, ServiceEndpoint, ServiceTarget};
pub use name_server::NameServer;
pub use network::{Subnet, VirtualNetwork};
pub use private_link::{ConnectionState, PrivateEndpoint, PrivateLinkResource, PublicNetworkAccess};
pub use shared::Shared;
pub use zone::{
    PRIVATE_TYPES, PrivateDnsZone, PublicZone, RecordSet, ResolutionPolicy, SoaEdit, VirtualNetworkLink, Writer,
};

/// Where something was declared. Opaque here: only the component that made the declaration can convert it to a place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(pub u32);

impl Origin {
    /// Not from a file: the management API.
    pub const API: Self = Self(u32::MAX);
}

/// A value with its origin; equality ignores the origin.
#[derive(Clone, Debug, Default)]
pub struct Declared<T> {
    value: T,
    /// Where the value was declared.
    pub origin: Origin,
}

impl<T> Declared<T> {
    /// A value declared at `origin`.
    pub const fn new(value: T, origin: Origin) -> Self {
        Self { value, origin }
    }
}

impl<T> Declared<T> {
    /// The value without its origin.
    pub fn into_value(self) -> T {
        self.value
    }
}

impl<T> Deref for Declared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: PartialEq> PartialEq for Declared<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: fmt::Display> fmt::Display for Declared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

/// A word that Azure compares without regard to letter case, such as a member's name.
#[derive(Clone, Debug)]
pub struct Word(Box<str>);

impl Word {
    /// The word as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn folded(&self) -> impl Iterator<Item = u8> {
        self.0.bytes().map(|octet| octet.to_ascii_lowercase())
    }
}

impl From<&str> for Word {
    fn from(word: &str) -> Self {
        Self(word.into())
    }
}

impl PartialEq for Word {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Word {}

impl PartialOrd for Word {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Word {
    fn cmp(&self, other: &Self) -> Ordering {
        self.folded().cmp(other.folded())
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The whole declaration: each value is well formed, the whole is not yet checked.
#[derive(Clone, Debug, Default)]
pub struct Declaration {
    /// Virtual networks, which clients belong to.
    pub virtual_networks: Vec<VirtualNetwork>,
    /// Virtual machines, which have names.
    pub virtual_machines: Vec<VirtualMachine>,
    /// Private DNS zones with their links and record sets.
    pub private_dns_zones: Vec<PrivateDnsZone>,
    /// Resources that private endpoints can connect to.
    pub private_link_resources: Vec<PrivateLinkResource>,
    /// Private endpoints, in the order of their creation.
    pub private_endpoints: Vec<PrivateEndpoint>,
    /// Private link services.
    pub private_link_services: Vec<PrivateLinkService>,
    /// Private endpoints of private link services.
    pub service_endpoints: Vec<ServiceEndpoint>,
    /// Managed private endpoints of Azure Managed Grafana, in the order of their creation.
    pub managed_private_endpoints: Vec<ManagedPrivateEndpoint>,
    /// Zones that everyone sees.
    pub public_zones: Vec<PublicZone>,
    /// Inbound endpoints of DNS resolvers that are declared by themselves, not with a network.
    pub inbound_endpoints: Vec<InboundEndpoint>,
    /// DNS forwarding rulesets.
    pub dns_forwarding_rulesets: Vec<DnsForwardingRuleset>,
    /// DNS security policies.
    pub dns_security_policies: Vec<DnsSecurityPolicy>,
    /// Servers for names in no zone here.
    pub upstream: Option<Upstream>,
    /// Hosts that act for clients.
    pub forwarders: Vec<Forwarder>,
    /// Keys that clients sign with.
    pub tsig_keys: Vec<TsigKey>,
    /// The clients that get explanations; none if absent.
    pub explanations: Option<Explanations>,
    /// Certificates that clients show.
    pub client_certificates: Vec<ClientCertificate>,
    /// The server's listeners.
    pub listeners: Vec<Listener>,
    /// What clients outside all networks get.
    pub strangers: Strangers,
    /// Names of this server in delegations: the NS records of all zones; empty for none.
    pub name_servers: Vec<NameServer>,
    /// The resource group of resources that do not name one.
    pub resource_group: ResourceGroup,
    /// Where the declaration as a whole is from.
    pub origin: Origin,
    /// Whether Azure's limits apply.
    pub limits: Limits,
    /// The connection state that gives a resource's public name the privatelink step.
    pub public_cname_from: PublicCnameFrom,
    /// The answer for names that a derived public zone does not know.
    pub unknown_names: UnknownNames,
    /// Addresses allocated to private endpoints before.
    pub allocations: Allocations,
    /// Whether some resources could not be read, so that an unknown reference may be correct.
    pub incomplete: bool,
}

impl Declaration {
    /// Whether the declaration is empty and complete.
    pub(super) fn is_empty(&self) -> bool {
        let no_zones = self.private_dns_zones.is_empty() && self.public_zones.is_empty();
        let nobody_and_nothing = self.virtual_networks.is_empty()
            && self.private_link_resources.is_empty()
            && self.private_link_services.is_empty();
        no_zones && nobody_and_nothing && self.upstream.is_none() && !self.incomplete
    }
}

/// Whether Azure's limits on names and numbers apply: see Microsoft Learn, "Azure DNS limits".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Limits {
    /// Those of global Azure.
    #[default]
    Azure,
    /// Those of Azure Government and Azure operated by 21Vianet.
    NationalCloud,
    /// None, for labs.
    Off,
}

/// The connection state that makes a resource's public name an alias for its privatelink name. Documented for an approved
/// connection (private-endpoint-dns.md); nothing is documented for a pending one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PublicCnameFrom {
    /// Any connection, whatever its state.
    #[default]
    Pending,
    /// An approved connection.
    Approved,
}

/// The answer for a name in a service's public zone that belongs to no declared resource, without an upstream: such a name may
/// exist in the real zone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownNames {
    /// That it is not known here.
    #[default]
    Refused,
    /// That it does not exist, which is right only in a closed lab.
    NxDomain,
}
