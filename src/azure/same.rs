//! Whether two declarations are identical, wherever they are in a file: `==` ignores letter case, as Azure and DNS do, but
//! declarations are also printed and answered as written.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::declaration::{
    Address, ConnectionState, Declared, DnsForwardingRuleset, DnsSecurityPolicy, DnsSecurityRule, Explanations,
    Forwarder, ForwardingRule, InboundEndpoint, KeyNetworks, Link, Listener, ManagedPrivateEndpoint, ManagedTarget,
    NameServer, NetworkInterface, Origin, PowerState, PrivateEndpoint, PrivateLinkResource, PrivateLinkService,
    PublicNetworkAccess, ResolutionPolicy, SecurityAction, ServiceEndpoint, ServiceTarget, Shared, SoaEdit, Strangers,
    Subnet, Upstream, VirtualMachine, VirtualNetwork, VirtualNetworkLink, Word,
};
use super::identity::{ResourceGroup, ResourceId};
use crate::dns::{Name, Ttl};

/// Types that can be compared for identity.
pub(super) trait Same {
    /// Whether both are identical; places in the file are ignored.
    fn is_same(&self, other: &Self) -> bool;
}

/// Compares values by `==`, for types in which that ignores nothing.
macro_rules! by_value {
    ($($kind:ty),+ $(,)?) => {
        $(impl Same for $kind {
            fn is_same(&self, other: &Self) -> bool {
                self == other
            }
        })+
    };
}

/// Compares structures field by field. It does not compile if a field is left out.
macro_rules! by_fields {
    ($($kind:ident { $($field:ident),+ $(,)? })+) => {
        $(impl Same for $kind {
            fn is_same(&self, other: &Self) -> bool {
                let Self { $($field),+ } = self;
                $($field.is_same(&other.$field))&&+
            }
        })+
    };
}

by_value! {
    bool, u32, u64, String, IpAddr, SocketAddr, IpNet, Ttl, Address, Address<SocketAddr>, ConnectionState, PowerState,
    PublicNetworkAccess, ResolutionPolicy, SecurityAction, Strangers,
}

by_fields! {
    VirtualNetwork {
        id, address_space, subnets, client_prefixes, inbound_endpoints, dns_servers, internal_domain_name_suffix, managed_by,
    }
    Subnet { name, address_prefix }
    VirtualMachine { name, resource_name, resource_group, virtual_network, network_interfaces, power_state }
    NetworkInterface { name, subnet, ip_addresses, dns_servers, primary, origin }
    VirtualNetworkLink { link, registration_enabled, resolution_policy, in_progress_until }
    Link { name, virtual_network }
    SoaEdit { email, refresh_time, retry_time, expire_time, minimum_ttl, ttl }
    PrivateLinkResource {
        id, type_origin, region, name_parts, name_lists, public_endpoint, has_no_public_host, public_ip_addresses,
        virtual_network, sku, public_fqdn, scoped_resources, public_network_access,
    }
    PrivateEndpoint {
        id, virtual_network, subnet, private_link_resource, group_id, connection_state, ip_configurations,
        has_unknown_addresses, private_dns_zone_group, was_approved, deleted,
    }
    PrivateLinkService { id, region, alias }
    ServiceEndpoint {
        id, virtual_network, subnet, private_link_service, connection_state, ip_configurations, has_unknown_addresses,
    }
    ManagedPrivateEndpoint { name, grafana, target, connection_state, ip_configurations, has_unknown_addresses }
    InboundEndpoint { id, virtual_network, address }
    DnsForwardingRuleset { id, links, rules }
    ForwardingRule { name, domain_name, target_dns_servers, is_enabled }
    DnsSecurityPolicy { id, links, rules }
    DnsSecurityRule { name, priority, action, domains, is_enabled }
    Upstream { servers, for_outside }
    Forwarder { name, addresses, client_subnet, proxy_protocol, virtual_networks, client_prefixes }
    Explanations { virtual_networks, client_prefixes, tsig_keys, forwarders }
    Listener {
        address, takes_certificates, is_bound_to_interface, virtual_network, requires_proxy_protocol, allow_from,
    }
    NameServer { name, addresses }
}

/// A place is not part of the content.
impl Same for Origin {
    fn is_same(&self, _: &Self) -> bool {
        true
    }
}

impl<A: Same, B: Same> Same for (A, B) {
    fn is_same(&self, other: &Self) -> bool {
        self.0.is_same(&other.0) && self.1.is_same(&other.1)
    }
}

impl<T: Same> Same for Declared<T> {
    fn is_same(&self, other: &Self) -> bool {
        T::is_same(self, other)
    }
}

impl<T: Same> Same for Option<T> {
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Some(one), Some(other)) => one.is_same(other),
            (None, None) => true,
            _ => false,
        }
    }
}

impl<T: Same> Same for Vec<T> {
    fn is_same(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().zip(other).all(|(one, other)| one.is_same(other))
    }
}

impl<T: Same> Same for Shared<T> {
    fn is_same(&self, other: &Self) -> bool {
        self.is_one_with(other) || Vec::is_same(self, other)
    }
}

impl<K: Same, V: Same> Same for BTreeMap<K, V> {
    fn is_same(&self, other: &Self) -> bool {
        let is_same = |((key, value), (others_key, others)): ((&K, &V), (&K, &V))| {
            key.is_same(others_key) && value.is_same(others)
        };
        self.len() == other.len() && self.iter().zip(other).all(is_same)
    }
}

impl Same for Name {
    fn is_same(&self, other: &Self) -> bool {
        self.as_wire() == other.as_wire()
    }
}

impl Same for Word {
    fn is_same(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Same for ResourceGroup {
    fn is_same(&self, other: &Self) -> bool {
        self.is_spelled_as(other)
    }
}

impl Same for ResourceId {
    fn is_same(&self, other: &Self) -> bool {
        self.is_spelled_as(other)
    }
}

impl Same for ServiceTarget {
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Service(one), Self::Service(other)) => one.is_same(other),
            (Self::Alias(one), Self::Alias(other)) => one.is_same(other),
            _ => false,
        }
    }
}

impl Same for ManagedTarget {
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Resource { private_link_resource, group_id },
                Self::Resource { private_link_resource: others, group_id: others_group },
            ) => private_link_resource.is_same(others) && group_id.is_same(others_group),
            (
                Self::Service { private_link_service, refreshed, domain_name },
                Self::Service { private_link_service: others, refreshed: others_refreshed, domain_name: others_name },
            ) => {
                private_link_service.is_same(others)
                    && refreshed == others_refreshed
                    && domain_name.is_same(others_name)
            }
            _ => false,
        }
    }
}

impl Same for KeyNetworks {
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::One(one), Self::One(other)) => one.is_same(other),
            (Self::All, Self::All) => true,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::identity::types;

    fn network(name: &str, suffix: &str, origin: u32) -> VirtualNetwork {
        let declared = |text: &str| Declared::new(text.parse().unwrap(), Origin(origin));
        let id = ResourceGroup::default().resource(types::VIRTUAL_NETWORK, name).unwrap();
        VirtualNetwork {
            internal_domain_name_suffix: Some(declared(suffix)),
            ..VirtualNetwork::new(Declared::new(id, Origin(origin)))
        }
    }

    #[test]
    fn letters_count_and_places_do_not() {
        let hub = network("hub", "a.internal.cloudapp.net", 1);
        assert!(hub.is_same(&network("hub", "a.internal.cloudapp.net", 2)));
        for other in [network("Hub", "a.internal.cloudapp.net", 1), network("hub", "A.internal.cloudapp.net", 1)] {
            assert!(!hub.is_same(&other) && hub.id == other.id, "{other:?}");
        }
    }
}
