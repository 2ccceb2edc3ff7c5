//! Private link services, and managed private endpoints of Azure Managed Grafana.

use std::collections::BTreeMap;

use super::{Address, ConnectionState, Declared, PrivateEndpoint, Word};
use crate::azure::identity::{ResourceId, types};
use crate::dns::Name;

/// A service behind a load balancer, offered to other networks through Private Link.
#[derive(Clone, Debug)]
pub struct PrivateLinkService {
    /// Its identity, declared where its name is.
    pub id: Declared<ResourceId>,
    /// Full region name, such as `eastus`.
    pub region: Declared<String>,
    /// Its alias for connection requests, `{prefix}.{guid}.{region}.azure.privatelinkservice`, which is not a DNS name
    /// (private-link-service-overview.md).
    pub alias: Declared<Name>,
}

/// A private endpoint of a private link service. Its records are not written to any zone: users of the service write their own.
#[derive(Clone, Debug)]
pub struct ServiceEndpoint {
    /// Its identity, declared where its name is.
    pub id: Declared<ResourceId>,
    /// The network that holds its address.
    pub virtual_network: Declared<ResourceId>,
    /// Name of the network's subnet that its address is of.
    pub subnet: Option<Declared<String>>,
    /// The service it is connected to.
    pub private_link_service: Declared<ServiceTarget>,
    /// State of the connection.
    pub connection_state: ConnectionState,
    /// Its private address, as member [`ServiceEndpoint::MEMBER`].
    pub ip_configurations: BTreeMap<Word, Declared<Address>>,
    /// Whether members that are not in `ip_configurations` have unknown addresses; otherwise the next free ones are allocated.
    pub has_unknown_addresses: bool,
}

/// The private link service of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceTarget {
    /// A service of one's own, by identity.
    Service(ResourceId),
    /// A service given by its alias, for users without rights on it.
    Alias(Name),
}

impl ServiceEndpoint {
    /// Name of the one member that an endpoint of a private link service has.
    pub const MEMBER: &'static str = "default";
}

/// A private endpoint in the managed network of an Azure Managed Grafana workspace (Microsoft Learn, "Connect to a data
/// source privately in Azure Managed Grafana").
#[derive(Clone, Debug)]
pub struct ManagedPrivateEndpoint {
    /// Name, unique in the workspace.
    pub name: Declared<String>,
    /// The workspace, a Private Link resource.
    pub grafana: Declared<ResourceId>,
    /// What it is connected to.
    pub target: ManagedTarget,
    /// State of the connection; Azure makes it pending.
    pub connection_state: ConnectionState,
    /// Private addresses by member name; for a private link service, of the member [`ServiceEndpoint::MEMBER`].
    pub ip_configurations: BTreeMap<Word, Declared<Address>>,
    /// Whether members that are not in `ip_configurations` have unknown addresses; otherwise the next free ones are allocated.
    pub has_unknown_addresses: bool,
}

/// The target of a managed private endpoint.
#[derive(Clone, Debug)]
pub enum ManagedTarget {
    /// A Private Link resource.
    Resource {
        /// The resource.
        private_link_resource: Declared<ResourceId>,
        /// Sub-resource.
        group_id: Declared<String>,
    },
    /// A private link service.
    Service {
        /// The service.
        private_link_service: Declared<ServiceTarget>,
        /// Whether the workspace was refreshed after the approval; it does not use the endpoint before.
        refreshed: bool,
        /// Name that resolves to the endpoint within the managed network.
        domain_name: Option<Declared<Name>>,
    },
}

impl ManagedPrivateEndpoint {
    /// Its identity, declared where its name is.
    pub fn id(&self) -> Declared<ResourceId> {
        let id = self.grafana.child(types::MANAGED_PRIVATE_ENDPOINT, &self.name);
        Declared::new(id.expect("a name that was read has no slash"), self.name.origin)
    }

    /// The equivalent endpoint of a resource; `None` if the target is a private link service.
    pub(in crate::azure) fn as_private_endpoint(
        &self,
        virtual_network: &Declared<ResourceId>,
    ) -> Option<PrivateEndpoint> {
        let ManagedTarget::Resource { private_link_resource, group_id } = &self.target else { return None };
        Some(PrivateEndpoint {
            id: self.id(),
            virtual_network: virtual_network.clone(),
            subnet: None,
            private_link_resource: private_link_resource.clone(),
            group_id: group_id.clone(),
            connection_state: self.connection_state,
            ip_configurations: self.ip_configurations.clone(),
            has_unknown_addresses: self.has_unknown_addresses,
            private_dns_zone_group: Vec::new(),
            was_approved: false,
            deleted: false,
        })
    }

    /// The equivalent endpoint of a private link service; `None` if the target is a resource.
    pub(in crate::azure) fn as_service_endpoint(
        &self,
        virtual_network: &Declared<ResourceId>,
    ) -> Option<ServiceEndpoint> {
        let ManagedTarget::Service { private_link_service, .. } = &self.target else { return None };
        Some(ServiceEndpoint {
            id: self.id(),
            virtual_network: virtual_network.clone(),
            subnet: None,
            private_link_service: private_link_service.clone(),
            connection_state: self.connection_state,
            ip_configurations: self.ip_configurations.clone(),
            has_unknown_addresses: self.has_unknown_addresses,
        })
    }

    /// Whether the workspace's network uses it.
    pub fn is_used(&self) -> bool {
        let refreshed = match self.target {
            ManagedTarget::Resource { .. } => true,
            ManagedTarget::Service { refreshed, .. } => refreshed,
        };
        refreshed && self.connection_state == ConnectionState::Approved
    }
}
