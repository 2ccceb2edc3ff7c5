//! Private link services, and the private endpoints that Azure Managed Grafana keeps in a network of its own.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{ConnectionState, Declared, PrivateEndpoint};
use crate::dns::Name;

/// A service behind a load balancer, offered to other networks through Private Link.
#[derive(Clone, Debug)]
pub struct PrivateLinkService {
    /// Unique name.
    pub name: Declared<String>,
    /// Full region name, such as `eastus`.
    pub region: Declared<String>,
    /// Identifier for connection requests, `{prefix}.{guid}.{region}.azure.privatelinkservice`: no name of the DNS
    /// (private-link-service-overview.md).
    pub alias: Declared<Name>,
}

/// A private endpoint of a private link service. No zone gets records from it: whoever uses the service writes them.
#[derive(Clone, Debug)]
pub struct ServiceEndpoint {
    /// Unique name, among those of other private endpoints too.
    pub name: Declared<String>,
    /// Name of the network that holds its address.
    pub virtual_network: Declared<String>,
    /// Name of the network's subnet that its address is of.
    pub subnet: Option<Declared<String>>,
    /// Name of the service it points at, or its alias.
    pub private_link_service: Declared<String>,
    /// State of the connection.
    pub connection_state: ConnectionState,
    /// Its private address, as member [`ServiceEndpoint::MEMBER`].
    pub ip_configurations: BTreeMap<String, Declared<IpAddr>>,
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
    /// Name of the workspace, a Private Link resource.
    pub grafana: Declared<String>,
    /// What it points at.
    pub target: ManagedTarget,
    /// State of the connection; Azure makes it pending.
    pub connection_state: ConnectionState,
    /// Private addresses by member name; of a private link service as member [`ServiceEndpoint::MEMBER`].
    pub ip_configurations: BTreeMap<String, Declared<IpAddr>>,
}

/// What a managed private endpoint points at.
#[derive(Clone, Debug)]
pub enum ManagedTarget {
    /// A Private Link resource.
    Resource {
        /// Name of the resource.
        private_link_resource: Declared<String>,
        /// Sub-resource.
        group_id: Declared<String>,
    },
    /// A private link service.
    Service {
        /// Name of the service.
        private_link_service: Declared<String>,
        /// Whether the workspace was refreshed after the approval: before that it does not use the endpoint.
        refreshed: bool,
        /// Name that leads to the endpoint within the managed network.
        domain_name: Option<Declared<Name>>,
    },
}

impl ManagedPrivateEndpoint {
    /// The same as an endpoint in a network; `None` where it points at a private link service.
    pub(in crate::azure) fn as_private_endpoint(&self, virtual_network: &Declared<String>) -> Option<PrivateEndpoint> {
        let ManagedTarget::Resource { private_link_resource, group_id } = &self.target else { return None };
        Some(PrivateEndpoint {
            name: self.name.clone(),
            virtual_network: virtual_network.clone(),
            subnet: None,
            private_link_resource: private_link_resource.clone(),
            group_id: group_id.clone(),
            connection_state: self.connection_state,
            ip_configurations: self.ip_configurations.clone(),
            private_dns_zone_group: Vec::new(),
            deleted: false,
        })
    }

    /// The same as an endpoint of a service in a network; `None` where it points at a resource.
    pub(in crate::azure) fn as_service_endpoint(&self, virtual_network: &Declared<String>) -> Option<ServiceEndpoint> {
        let ManagedTarget::Service { private_link_service, .. } = &self.target else { return None };
        Some(ServiceEndpoint {
            name: self.name.clone(),
            virtual_network: virtual_network.clone(),
            subnet: None,
            private_link_service: private_link_service.clone(),
            connection_state: self.connection_state,
            ip_configurations: self.ip_configurations.clone(),
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
