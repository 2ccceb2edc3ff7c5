//! Azure resources as declared, in Azure's words.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::Deref;

use ipnet::IpNet;

use crate::dns::{Name, NameRef, Rdatas, RecordType, Ttl};

mod allocations;
mod clients;
mod forwarding;
mod machine;
mod managed;
mod name_server;

pub use allocations::Allocations;
pub(super) use allocations::Holder;
pub use clients::{CertificateHolder, ClientCertificate, Forwarder, KeyNetworks, Listener, Strangers, TsigKey};
pub use forwarding::{
    AZURE_PROVIDED_DNS, DnsForwardingRuleset, DnsSecurityPolicy, DnsSecurityRule, ForwardingRule, SecurityAction,
    Upstream,
};
pub use machine::{NetworkInterface, PowerState, VirtualMachine};
pub use managed::{ManagedPrivateEndpoint, ManagedTarget, PrivateLinkService, ServiceEndpoint};
pub use name_server::NameServer;

/// Where something was declared. Opaque here: whoever made the declaration can turn it back into a place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(pub u32);

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
    /// Certificates that clients show.
    pub client_certificates: Vec<ClientCertificate>,
    /// Where the server answers.
    pub listeners: Vec<Listener>,
    /// What clients get that are in no network.
    pub strangers: Strangers,
    /// Names under which this server is delegated to: the NS records of all zones; none without any.
    pub name_servers: Vec<NameServer>,
    /// The declaration as a whole.
    pub origin: Origin,
    /// Whether Azure's limits count.
    pub limits: Limits,
    /// The connection state from which on a resource's public name has the privatelink step.
    pub public_cname_from: PublicCnameFrom,
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

    /// The private link service that a text names: by its name, or by its alias, as those do who have no rights on it.
    pub(super) fn private_link_service(&self, text: &str) -> Option<&PrivateLinkService> {
        let alias: Option<Name> = text.parse().ok();
        let is_meant = |service: &&PrivateLinkService| *service.name == text || alias.as_ref() == Some(&*service.alias);
        self.private_link_services.iter().find(is_meant)
    }

    /// The network that a service manages.
    pub(super) fn managed_network(&self, manager: &str) -> Option<&VirtualNetwork> {
        let is_managed = |network: &&VirtualNetwork| network.managed_by.as_ref().is_some_and(|by| **by == manager);
        self.virtual_networks.iter().find(is_managed)
    }
}

/// Whether Azure's limits on names and numbers count: see Microsoft Learn, "Azure DNS limits".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Limits {
    /// What Azure refuses is refused.
    #[default]
    Azure,
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

/// A virtual network. Clients belong to it by their source address.
#[derive(Clone, Debug, Default)]
pub struct VirtualNetwork {
    /// Unique name.
    pub name: Declared<String>,
    /// The network's own address prefixes; those of two networks may overlap.
    pub address_space: Vec<Declared<IpNet>>,
    /// Parts of the address space that private endpoints can be put into.
    pub subnets: Vec<Subnet>,
    /// Prefixes outside the address space whose clients resolve as this network does, such as an on-premises
    /// forwarder across VPN or ExpressRoute.
    pub client_prefixes: Vec<Declared<IpNet>>,
    /// Addresses of inbound endpoints: queries to them are answered as this network sees the world (Azure DNS Private
    /// Resolver).
    pub inbound_endpoints: Vec<Declared<IpAddr>>,
    /// Custom DNS servers of the network's clients; without any, Azure-provided DNS.
    pub dns_servers: Vec<Declared<SocketAddr>>,
    /// Name below `internal.cloudapp.net` that ends the names of the network's machines; Azure makes one up where none
    /// is given (`internalDomainNameSuffix` of a network interface).
    pub internal_domain_name_suffix: Option<Declared<Name>>,
    /// The Azure Managed Grafana workspace whose managed network this is.
    pub managed_by: Option<Declared<String>>,
}

impl VirtualNetwork {
    /// The prefix of the subnet of a name.
    pub(super) fn subnet(&self, name: &str) -> Option<IpNet> {
        self.subnets.iter().find(|subnet| *subnet.name == name).map(|subnet| *subnet.address_prefix)
    }
}

/// A part of a network's address space.
#[derive(Clone, Debug)]
pub struct Subnet {
    /// Name, unique in the network.
    pub name: Declared<String>,
    /// Its addresses.
    pub address_prefix: Declared<IpNet>,
}

/// A private DNS zone. Zones of one name may exist in different resource groups.
#[derive(Clone, Debug)]
pub struct PrivateDnsZone {
    /// The apex.
    pub name: Declared<Name>,
    /// Together with the name it identifies the zone.
    pub resource_group: String,
    /// Which networks see the zone.
    pub virtual_network_links: Vec<VirtualNetworkLink>,
    /// Record sets made by hand or read from a zone file.
    pub record_sets: Vec<RecordSet>,
    /// Changes to the SOA record that Azure makes with the zone.
    pub soa: SoaEdit,
}

/// What can be changed in a private zone's SOA record; host and serial number cannot (behaviour of Azure, seen in
/// azure-cli issue 15012).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SoaEdit {
    /// RNAME as a name: the mailbox of the person responsible.
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
    /// What a person's SOA record changes in the one that Azure makes: everything but host and serial number.
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
    /// Name of the network.
    pub virtual_network: Declared<String>,
    /// Whether the network's machines are registered in the zone.
    pub registration_enabled: bool,
    /// What happens on NXDOMAIN.
    pub resolution_policy: ResolutionPolicy,
}

/// A link's resolution policy (Microsoft.Network API 2024-06-01, `resolutionPolicy`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ResolutionPolicy {
    /// The zone's answer is final.
    #[default]
    Default,
    /// NXDOMAIN from a Private Link zone is asked again in public DNS ("fallback to internet").
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
    /// Their data, at least one.
    pub rdatas: Rdatas,
    /// Who wrote the set.
    pub writer: Writer,
    /// Where it, or the resource it follows from, was declared.
    pub origin: Origin,
}

/// Who wrote a record set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Writer {
    /// A person: in the configuration or in a zone file.
    Person,
    /// Azure, with the zone.
    Zone,
    /// A private DNS zone group, on behalf of the private endpoint of that name.
    PrivateEndpoint(String),
    /// The managed private endpoint of that name, within the network that manages it.
    ManagedPrivateEndpoint(String),
    /// The public DNS of the Private Link resource of that name.
    PrivateLinkResource(String),
    /// Azure, on behalf of the virtual machine of that name.
    VirtualMachine(String),
    /// This server, for those who delegate to it.
    NameServers,
}

impl fmt::Display for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person => f.write_str("written by hand"),
            Self::Zone => f.write_str("made with the zone"),
            Self::PrivateEndpoint(name) => write!(f, "written by private endpoint {name}"),
            Self::ManagedPrivateEndpoint(name) => write!(f, "follows from managed private endpoint {name}"),
            Self::VirtualMachine(name) => write!(f, "registered for virtual machine {name}"),
            Self::PrivateLinkResource(name) => write!(f, "follows from Private Link resource {name}"),
            Self::NameServers => f.write_str("follows from the server's name_servers"),
        }
    }
}

/// A resource that private endpoints can point at.
#[derive(Clone, Debug)]
pub struct PrivateLinkResource {
    /// ARM type, such as `Microsoft.Kusto/clusters`; compared without regard to letter case.
    pub resource_type: Declared<String>,
    /// Unique name.
    pub name: Declared<String>,
    /// Full region name, such as `eastus`.
    pub region: Declared<String>,
    /// Further parts of the resource's names, such as the key of an Azure Monitor workspace.
    pub name_parts: BTreeMap<String, Declared<String>>,
    /// Names of parts of which it has several, such as the regions of a registry's replicas.
    pub name_lists: BTreeMap<String, Declared<Vec<String>>>,
    /// Public host name of the service that serves the resource, where the catalogue's default does not fit.
    pub public_endpoint: Option<Declared<Name>>,
    /// Public addresses by member name.
    pub public_ip_addresses: BTreeMap<String, Declared<Vec<IpAddr>>>,
    /// Name of the network in which the resource itself is deployed ("virtual network injection"). Its public names
    /// then have the privatelink step from deployment on, and its private endpoints point at private link services.
    pub virtual_network: Option<Declared<String>>,
    /// SKU, such as `Balanced_B10`, where it decides about the names.
    pub sku: Option<Declared<String>>,
    /// Whether public DNS has the name that leads to the private address (`enablePrivateClusterPublicFQDN`).
    pub public_fqdn: bool,
    /// Names of the resources that have private endpoints through this one, which is a private link scope.
    pub scoped_resources: Vec<Declared<String>>,
    /// Whether the resource lets clients in publicly. Changes nothing in the DNS.
    pub public_network_access: PublicNetworkAccess,
}

impl PrivateLinkResource {
    /// A resource without anything that can be left out.
    pub const fn new(resource_type: Declared<String>, name: Declared<String>, region: Declared<String>) -> Self {
        Self {
            resource_type,
            name,
            region,
            name_parts: BTreeMap::new(),
            name_lists: BTreeMap::new(),
            public_endpoint: None,
            public_ip_addresses: BTreeMap::new(),
            virtual_network: None,
            public_fqdn: true,
            sku: None,
            scoped_resources: Vec::new(),
            public_network_access: PublicNetworkAccess::Enabled,
        }
    }
}

/// A resource's `publicNetworkAccess`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PublicNetworkAccess {
    /// Clients may come through its public addresses.
    #[default]
    Enabled,
    /// They are refused, though the public names stay (private-endpoint-dns.md).
    Disabled,
}

/// A private endpoint.
#[derive(Clone, Debug)]
pub struct PrivateEndpoint {
    /// Unique name.
    pub name: Declared<String>,
    /// Name of the network that holds its addresses.
    pub virtual_network: Declared<String>,
    /// Name of the network's subnet that its addresses are of.
    pub subnet: Option<Declared<String>>,
    /// Name of the resource it points at.
    pub private_link_resource: Declared<String>,
    /// Sub-resource of the target.
    pub group_id: Declared<String>,
    /// State of the connection.
    pub connection_state: ConnectionState,
    /// Private addresses by member name.
    pub ip_configurations: BTreeMap<String, Declared<IpAddr>>,
    /// Zones that the zone group writes to; none without a zone group.
    pub private_dns_zone_group: Vec<Declared<ZoneReference>>,
    /// Whether it has been deleted, after all endpoints were made: what it left behind is not what was before it.
    pub deleted: bool,
}

impl PrivateEndpoint {
    /// Whether it counts as a connection, so that the resource's public name has the privatelink step.
    pub(super) fn is_connection(&self, from: PublicCnameFrom) -> bool {
        !self.deleted && self.connection_state.is_connection(from)
    }

    /// Whether its zone group, if it has one, has written records, which are gone if it is deleted.
    pub(super) fn has_written(&self) -> bool {
        self.connection_state == ConnectionState::Approved
    }
}

/// State of a private endpoint connection (Azure Private Link, private-endpoint-overview).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConnectionState {
    /// Waiting for the resource's owner.
    Pending,
    /// In use: the only state in which the zone group writes records.
    #[default]
    Approved,
    /// Turned down by the resource's owner.
    Rejected,
    /// Removed by the resource's owner.
    Disconnected,
}

impl ConnectionState {
    /// Whether the resource counts as connected. Assumed not, where the connection was rejected or removed.
    pub(super) fn is_connection(self, from: PublicCnameFrom) -> bool {
        match self {
            Self::Approved => true,
            Self::Pending => from == PublicCnameFrom::Pending,
            Self::Rejected | Self::Disconnected => false,
        }
    }
}

/// Names a private zone: `zone` where one zone has that name, else `resource-group/zone`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneReference {
    /// The resource group, where it was given.
    pub resource_group: Option<String>,
    /// The zone's apex.
    pub name: Name,
}

impl fmt::Display for ZoneReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(resource_group) = &self.resource_group {
            write!(f, "{resource_group}/")?;
        }
        self.name.fmt(f)
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
