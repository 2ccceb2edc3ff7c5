//! Private link services, and the private endpoints that Azure Managed Grafana keeps in a network of its own.

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
    /// Identifier for connection requests, `{prefix}.{guid}.{region}.azure.privatelinkservice`: no name of the DNS
    /// (private-link-service-overview.md).
    pub alias: Declared<Name>,
}

/// A private endpoint of a private link service. No zone gets records from it: whoever uses the service writes them.
#[derive(Clone, Debug)]
pub struct ServiceEndpoint {
    /// Its identity, declared where its name is.
    pub id: Declared<ResourceId>,
    /// The network that holds its address.
    pub virtual_network: Declared<ResourceId>,
    /// Name of the network's subnet that its address is of.
    pub subnet: Option<Declared<String>>,
    /// The service it points at.
    pub private_link_service: Declared<ServiceTarget>,
    /// State of the connection.
    pub connection_state: ConnectionState,
    /// Its private address, as member [`ServiceEndpoint::MEMBER`].
    pub ip_configurations: BTreeMap<Word, Declared<Address>>,
    /// Whether members that are not in `ip_configurations` have addresses that are not known; otherwise they are given
    /// the next free ones.
    pub has_unknown_addresses: bool,
}

/// A private link service that an endpoint points at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceTarget {
    /// One of one's own.
    Service(ResourceId),
    /// One that is named by its alias, as those do who have no rights on it.
    Alias(Name),
}

impl ServiceEndpoint {
    /// Member name of the one address that an endpoint of a private link service has.
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
    /// What it points at.
    pub target: ManagedTarget,
    /// State of the connection; Azure makes it pending.
    pub connection_state: ConnectionState,
    /// Private addresses by member name; of a private link service as member [`ServiceEndpoint::MEMBER`].
    pub ip_configurations: BTreeMap<Word, Declared<Address>>,
    /// Whether members that are not in `ip_configurations` have addresses that are not known; otherwise they are given
    /// the next free ones.
    pub has_unknown_addresses: bool,
}

/// What a managed private endpoint points at.
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
        /// Whether the workspace was refreshed after the approval: before that it does not use the endpoint.
        refreshed: bool,
        /// Name that leads to the endpoint within the managed network.
        domain_name: Option<Declared<Name>>,
    },
}

impl ManagedPrivateEndpoint {
    /// Its identity, declared where its name is.
    pub fn id(&self) -> Declared<ResourceId> {
        let id = self.grafana.child(types::MANAGED_PRIVATE_ENDPOINT, &self.name);
        Declared::new(id.expect("a name that was read has no slash"), self.name.origin)
    }

    /// The same as an endpoint in a network; `None` where it points at a private link service.
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

    /// The same as an endpoint of a service in a network; `None` where it points at a resource.
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
