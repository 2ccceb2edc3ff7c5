//! Private Link resources, and their private endpoints.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{Address, Declared, Origin, PublicCnameFrom, Word};
use crate::azure::identity::ResourceId;
use crate::dns::Name;

/// A resource that private endpoints can connect to.
#[derive(Clone, Debug)]
pub struct PrivateLinkResource {
    /// Its identity, declared where its name is.
    pub id: Declared<ResourceId>,
    /// Where its type was declared.
    pub type_origin: Origin,
    /// Full region name, such as `eastus`.
    pub region: Declared<String>,
    /// Further parts of the resource's names, such as the key of an Azure Monitor workspace.
    pub name_parts: BTreeMap<String, Declared<String>>,
    /// Name parts with several values, such as the regions of a registry's replicas.
    pub name_lists: BTreeMap<String, Declared<Vec<String>>>,
    /// Public host name of the service that serves the resource, if it differs from the catalogue's default.
    pub public_endpoint: Option<Declared<Name>>,
    /// Whether it has no public host, so that no member has public addresses.
    pub has_no_public_host: bool,
    /// Public addresses by member name; an empty list for a member without any.
    pub public_ip_addresses: BTreeMap<Word, Declared<Vec<IpAddr>>>,
    /// The network in which the resource itself is deployed ("virtual network injection"). Its public names then have the
    /// privatelink step from its creation on, and its private endpoints connect to private link services.
    pub virtual_network: Option<Declared<ResourceId>>,
    /// SKU, such as `Balanced_B10`, if the names depend on it.
    pub sku: Option<Declared<String>>,
    /// Whether public DNS has the name that leads to the private address (`enablePrivateClusterPublicFQDN`); the default is yes.
    pub public_fqdn: Option<Declared<bool>>,
    /// For a private link scope: the resources that have private endpoints through it.
    pub scoped_resources: Vec<Declared<ResourceId>>,
    /// Whether the resource accepts public clients; does not affect DNS.
    pub public_network_access: PublicNetworkAccess,
}

impl PrivateLinkResource {
    /// A resource with only the required fields.
    pub const fn new(id: Declared<ResourceId>, region: Declared<String>) -> Self {
        Self {
            type_origin: id.origin,
            id,
            region,
            name_parts: BTreeMap::new(),
            name_lists: BTreeMap::new(),
            public_endpoint: None,
            has_no_public_host: false,
            public_ip_addresses: BTreeMap::new(),
            virtual_network: None,
            public_fqdn: None,
            sku: None,
            scoped_resources: Vec::new(),
            public_network_access: PublicNetworkAccess::Enabled,
        }
    }

    /// Its ARM type, such as `Microsoft.Kusto/clusters`; letter case is ignored.
    pub fn resource_type(&self) -> &str {
        self.id.resource_type()
    }
}

/// A resource's `publicNetworkAccess`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PublicNetworkAccess {
    /// Clients may connect to its public addresses.
    #[default]
    Enabled,
    /// They are refused, but the public names remain (private-endpoint-dns.md).
    Disabled,
}

/// A private endpoint.
#[derive(Clone, Debug)]
pub struct PrivateEndpoint {
    /// Its identity, declared where its name is.
    pub id: Declared<ResourceId>,
    /// The network that holds its addresses.
    pub virtual_network: Declared<ResourceId>,
    /// Name of the subnet of its addresses, if declared.
    pub subnet: Option<Declared<String>>,
    /// The resource it is connected to.
    pub private_link_resource: Declared<ResourceId>,
    /// Sub-resource of the target.
    pub group_id: Declared<String>,
    /// State of the connection.
    pub connection_state: ConnectionState,
    /// Private addresses by member name.
    pub ip_configurations: BTreeMap<Word, Declared<Address>>,
    /// Whether members that are not in `ip_configurations` have unknown addresses; otherwise the next free ones are allocated.
    pub has_unknown_addresses: bool,
    /// Zones that the zone group writes to; empty without a zone group.
    pub private_dns_zone_group: Vec<Declared<ResourceId>>,
    /// Whether a rejected or disconnected connection had been approved before, so that its zone group has written records.
    pub was_approved: bool,
    /// Whether it was created and, after all endpoints were created, deleted: deletion may remove records that others share.
    pub deleted: bool,
}

impl PrivateEndpoint {
    /// Whether it counts as a connection, which gives the resource's public name the privatelink step.
    pub(in crate::azure) fn is_connection(&self, from: PublicCnameFrom) -> bool {
        !self.deleted && self.connection_state.is_connection(from)
    }

    /// Whether its zone group, if any, has written records, which may have been removed since.
    pub(in crate::azure) fn has_written(&self) -> bool {
        self.connection_state == ConnectionState::Approved || self.was_approved
    }

    /// Whether the records that it has written are removed again, whoever wrote them last: it was deleted, or the resource's
    /// owner rejected or removed the connection (azure-docs issue 58044).
    pub(in crate::azure) fn takes_away(&self) -> bool {
        self.has_written() && (self.deleted || self.connection_state != ConnectionState::Approved)
    }

    /// Whether its zone group keeps its records up to date.
    pub(in crate::azure) fn is_in_use(&self) -> bool {
        self.has_written() && !self.takes_away()
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
    /// Rejected by the resource's owner.
    Rejected,
    /// Removed by the resource's owner.
    Disconnected,
}

impl ConnectionState {
    /// Whether the resource counts as connected. Assumed not to, if the connection was rejected or removed.
    pub(in crate::azure) fn is_connection(self, from: PublicCnameFrom) -> bool {
        match self {
            Self::Approved => true,
            Self::Pending => from == PublicCnameFrom::Pending,
            Self::Rejected | Self::Disconnected => false,
        }
    }
}
