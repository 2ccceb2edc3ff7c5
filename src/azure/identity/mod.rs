//! The identity of resources: Azure's resource IDs, and the shorter references to them.

mod directory;
mod resource_id;

pub use directory::{Directory, Kind, ReferenceError};
pub use resource_id::{ResourceGroup, ResourceId, ResourceIdError, Subscription};

/// ARM types of declared resources, except those of the catalogue.
pub mod types {
    /// A virtual network.
    pub const VIRTUAL_NETWORK: &str = "Microsoft.Network/virtualNetworks";
    /// A private DNS zone.
    pub const PRIVATE_DNS_ZONE: &str = "Microsoft.Network/privateDnsZones";
    /// A private endpoint, whatever it points at.
    pub const PRIVATE_ENDPOINT: &str = "Microsoft.Network/privateEndpoints";
    /// A private link service.
    pub const PRIVATE_LINK_SERVICE: &str = "Microsoft.Network/privateLinkServices";
    /// A network interface.
    pub const NETWORK_INTERFACE: &str = "Microsoft.Network/networkInterfaces";
    /// A DNS resolver.
    pub const DNS_RESOLVER: &str = "Microsoft.Network/dnsResolvers";
    /// A list of domains of security rules.
    pub const DNS_DOMAIN_LIST: &str = "Microsoft.Network/dnsResolverDomainLists";
    /// A DNS forwarding ruleset.
    pub const DNS_FORWARDING_RULESET: &str = "Microsoft.Network/dnsForwardingRulesets";
    /// A DNS security policy.
    pub const DNS_SECURITY_POLICY: &str = "Microsoft.Network/dnsResolverPolicies";
    /// A virtual machine.
    pub const VIRTUAL_MACHINE: &str = "Microsoft.Compute/virtualMachines";
    /// An Azure Managed Grafana workspace.
    pub const GRAFANA: &str = "Microsoft.Dashboard/grafana";

    /// A subnet of a virtual network.
    pub const SUBNET: &str = "subnets";
    /// A virtual network link of a zone, a ruleset or a policy.
    pub const VIRTUAL_NETWORK_LINK: &str = "virtualNetworkLinks";
    /// The zone group of a private endpoint.
    pub const PRIVATE_DNS_ZONE_GROUP: &str = "privateDnsZoneGroups";
    /// An inbound endpoint of a resolver.
    pub const INBOUND_ENDPOINT: &str = "inboundEndpoints";
    /// An outbound endpoint of a resolver.
    pub const OUTBOUND_ENDPOINT: &str = "outboundEndpoints";
    /// A peering of a virtual network.
    pub const PEERING: &str = "virtualNetworkPeerings";
    /// A rule of a forwarding ruleset.
    pub const FORWARDING_RULE: &str = "forwardingRules";
    /// A rule of a security policy.
    pub const DNS_SECURITY_RULE: &str = "dnsSecurityRules";
    /// A private endpoint in the network that a service manages.
    pub const MANAGED_PRIVATE_ENDPOINT: &str = "managedPrivateEndpoints";
}

#[cfg(test)]
pub(in crate::azure) mod testing {
    use super::{ResourceGroup, ResourceId, types};
    use crate::azure::declaration::{Declared, Origin};

    /// A resource of the default group.
    pub(in crate::azure) fn resource(resource_type: &str, name: &str) -> Declared<ResourceId> {
        Declared::new(ResourceGroup::default().resource(resource_type, name).unwrap(), Origin(0))
    }

    /// A virtual network of the default group.
    pub(in crate::azure) fn network(name: &str) -> Declared<ResourceId> {
        resource(types::VIRTUAL_NETWORK, name)
    }
}
