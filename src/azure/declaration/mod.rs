//! Azure resources as declared, in Azure's words.

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

/// Where something was declared. Opaque here: whoever made the declaration can turn it back into a place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(pub u32);

impl Origin {
    /// No file: the management API.
    pub const API: Self = Self(u32::MAX);
}

/// A value together with its origin; equality looks at the value alone.
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

/// A word that Azure compares without regard to letter case, such as the name of a member.
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

/// Everything that was asked for, each value well formed, the whole not yet checked.
#[derive(Clone, Debug, Default)]
pub struct Declaration {
    /// Virtual networks: who may ask.
    pub virtual_networks: Vec<VirtualNetwork>,
    /// Virtual machines, which Azure gives names.
    pub virtual_machines: Vec<VirtualMachine>,
    /// Private DNS zones with their links and record sets.
    pub private_dns_zones: Vec<PrivateDnsZone>,
    /// Resources that private endpoints can point at.
    pub private_link_resources: Vec<PrivateLinkResource>,
    /// Private endpoints, in the order in which they were made.
    pub private_endpoints: Vec<PrivateEndpoint>,
    /// Services that others offer through Private Link.
    pub private_link_services: Vec<PrivateLinkService>,
    /// Private endpoints that point at such a service.
    pub service_endpoints: Vec<ServiceEndpoint>,
    /// Private endpoints that Azure Managed Grafana keeps in its own networks, in the order in which they were made.
    pub managed_private_endpoints: Vec<ManagedPrivateEndpoint>,
    /// Zones that everyone sees.
    pub public_zones: Vec<PublicZone>,
    /// Inbound endpoints of DNS resolvers, beside those that networks declare.
    pub inbound_endpoints: Vec<InboundEndpoint>,
    /// DNS forwarding rulesets.
    pub dns_forwarding_rulesets: Vec<DnsForwardingRuleset>,
    /// DNS security policies.
    pub dns_security_policies: Vec<DnsSecurityPolicy>,
    /// Servers for names that nobody here holds.
    pub upstream: Option<Upstream>,
    /// Hosts that speak for clients.
    pub forwarders: Vec<Forwarder>,
    /// Keys that clients sign with.
    pub tsig_keys: Vec<TsigKey>,
    /// Who is told why it gets its answers; nobody without it.
    pub explanations: Option<Explanations>,
    /// Certificates that clients show.
    pub client_certificates: Vec<ClientCertificate>,
    /// Where the server answers.
    pub listeners: Vec<Listener>,
    /// What clients get that are in no network.
    pub strangers: Strangers,
    /// Names under which this server is delegated to: the NS records of all zones; none without any.
    pub name_servers: Vec<NameServer>,
    /// The resource group of resources that do not say.
    pub resource_group: ResourceGroup,
    /// The declaration as a whole.
    pub origin: Origin,
    /// Whether Azure's limits count.
    pub limits: Limits,
    /// The connection state from which on a resource's public name has the privatelink step.
    pub public_cname_from: PublicCnameFrom,
    /// What is said of names that a derived public zone does not know.
    pub unknown_names: UnknownNames,
    /// The addresses that private endpoints had been given before.
    pub allocations: Allocations,
    /// Some resources could not be read, so that a reference to nothing may be no mistake.
    pub incomplete: bool,
}

impl Declaration {
    /// Whether nothing is declared, and nothing could not be read.
    pub(super) fn is_empty(&self) -> bool {
        let no_zones = self.private_dns_zones.is_empty() && self.public_zones.is_empty();
        let nobody_and_nothing = self.virtual_networks.is_empty()
            && self.private_link_resources.is_empty()
            && self.private_link_services.is_empty();
        no_zones && nobody_and_nothing && self.upstream.is_none() && !self.incomplete
    }
}

/// Whether Azure's limits on names and numbers count: see Microsoft Learn, "Azure DNS limits".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Limits {
    /// What Azure refuses is refused.
    #[default]
    Azure,
    /// What Azure Government and Azure operated by 21Vianet refuse is refused.
    NationalCloud,
    /// A lab may go past them.
    Off,
}

/// The connection state from which on a resource's public name is an alias for its privatelink name. Documented for an
/// approved connection (private-endpoint-dns.md); nothing is said about a pending one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PublicCnameFrom {
    /// As soon as there is a connection.
    #[default]
    Pending,
    /// Once a connection is approved.
    Approved,
}

/// What is said of a name in the public zone of a service that no declared resource has, where there is no upstream to
/// ask: the world has many such names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownNames {
    /// That it is not known here.
    #[default]
    Refused,
    /// That it does not exist: right in a closed lab alone.
    NxDomain,
}
