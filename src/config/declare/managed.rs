//! Private link services, their endpoints, and managed private endpoints.

use std::collections::BTreeMap;

use super::{Declarer, Mirror, Text, connection_state, declared, mirror};
use crate::azure::{
    Address, ConnectionState, Declared, ManagedPrivateEndpoint, ManagedTarget, PrivateLinkService, ServiceEndpoint,
    Word, types,
};
use crate::codes::Code;

impl Declarer<'_> {
    pub(super) fn private_link_service(&mut self, service: &mirror::PrivateLinkService) -> Option<PrivateLinkService> {
        let id = self.id(types::PRIVATE_LINK_SERVICE, &service.name, &service.subscription, &service.resource_group);
        let region = self.region(&service.region);
        let alias = self.name(&service.alias);
        Some(PrivateLinkService { id: id?, region, alias: alias? })
    }

    /// `None` if an address is invalid: reporting it as missing as well would mislead.
    pub(super) fn service_endpoint(&mut self, endpoint: &mirror::ServiceEndpoint) -> Option<ServiceEndpoint> {
        self.no_resource(&endpoint.private_link_resource, &endpoint.group_id);
        if let Some(group) = &endpoint.private_dns_zone_group {
            let what = "an endpoint of a private link service has no zone group: Azure knows no zone for it";
            self.problem(
                Code::ContradictingKeys,
                group,
                what,
                "make a record set with its address in a zone of your own",
            );
        }
        let id = self.id(types::PRIVATE_ENDPOINT, &endpoint.name, &endpoint.subscription, &endpoint.resource_group);
        let virtual_network = self.network(&endpoint.virtual_network);
        let subnet = self.subnet(&endpoint.subnet, virtual_network.as_ref());
        let private_link_service = self.service_target(&endpoint.private_link_service);
        let ip_configurations = self.ip_configurations(&endpoint.ip_configurations);
        Some(ServiceEndpoint {
            id: id?,
            virtual_network: virtual_network?,
            subnet,
            private_link_service: private_link_service?,
            connection_state: connection_state(endpoint.connection_state),
            ip_configurations: ip_configurations?,
            has_unknown_addresses: matches!(endpoint.ip_configurations, mirror::IpConfigurations::Unknown),
        })
    }

    /// The managed endpoints of both kinds, in the order of the file.
    pub(super) fn managed_endpoints(&mut self, mirror: &Mirror) -> Vec<ManagedPrivateEndpoint> {
        let mut endpoints = declared(&mirror.managed_private_endpoints, |endpoint| {
            Some((endpoint.name.span().start, self.managed_endpoint(endpoint)?))
        });
        endpoints.extend(declared(&mirror.managed_service_endpoints, |endpoint| {
            Some((endpoint.name.span().start, self.managed_service_endpoint(endpoint)?))
        }));
        endpoints.sort_by_key(|(at, _)| *at);
        endpoints.into_iter().map(|(_, endpoint)| endpoint).collect()
    }

    /// `None` if an address is invalid, as with a service's endpoint.
    fn managed_endpoint(&mut self, endpoint: &mirror::ManagedPrivateEndpoint) -> Option<ManagedPrivateEndpoint> {
        let for_services = "works for private link services only";
        if let Some(refreshed) = &endpoint.refreshed {
            let mend = "remove the key: an endpoint of a resource is in use as soon as it is approved";
            self.problem(Code::ContradictingKeys, refreshed, format!("refreshed {for_services}"), mend);
        }
        if let Some(domain_name) = &endpoint.domain_name {
            let mend = "remove the key: the names of a resource are known";
            self.problem(Code::ContradictingKeys, domain_name, format!("domain_name {for_services}"), mend);
        }
        let private_link_resource =
            self.private_link_resource_with(&endpoint.private_link_resource, &endpoint.group_id);
        let group_id = self.label(&endpoint.group_id);
        let name = self.resource_name(&endpoint.name);
        let grafana = self.grafana(&endpoint.grafana);
        let ip_configurations = self.ip_configurations(&endpoint.ip_configurations);
        Some(ManagedPrivateEndpoint {
            name: name?,
            grafana: grafana?,
            target: ManagedTarget::Resource { private_link_resource: private_link_resource?, group_id },
            connection_state: managed_state(endpoint.connection_state),
            ip_configurations: ip_configurations?,
            has_unknown_addresses: matches!(endpoint.ip_configurations, mirror::IpConfigurations::Unknown),
        })
    }

    /// `None` if an address or the domain name is invalid.
    fn managed_service_endpoint(
        &mut self,
        endpoint: &mirror::ManagedServiceEndpoint,
    ) -> Option<ManagedPrivateEndpoint> {
        self.no_resource(&endpoint.private_link_resource, &endpoint.group_id);
        let name = self.resource_name(&endpoint.name);
        let grafana = self.grafana(&endpoint.grafana);
        let private_link_service = self.service_target(&endpoint.private_link_service);
        let ip_configurations = self.ip_configurations(&endpoint.ip_configurations);
        let domain_name = match &endpoint.domain_name {
            Some(name) => Some(self.name(name)?),
            None => None,
        };
        Some(ManagedPrivateEndpoint {
            name: name?,
            grafana: grafana?,
            target: ManagedTarget::Service {
                private_link_service: private_link_service?,
                refreshed: endpoint.refreshed,
                domain_name,
            },
            connection_state: managed_state(endpoint.connection_state),
            ip_configurations: ip_configurations?,
            has_unknown_addresses: matches!(endpoint.ip_configurations, mirror::IpConfigurations::Unknown),
        })
    }

    /// Reports a resource beside another target: an endpoint has exactly one.
    fn no_resource(&mut self, resource: &Option<Text>, group_id: &Option<Text>) {
        for key in [resource, group_id].into_iter().flatten() {
            let what = "an endpoint points at a resource or at a private link service, not at both";
            self.problem(
                Code::ContradictingKeys,
                key,
                what,
                "keep private_link_service, or private_link_resource and group_id",
            );
        }
    }

    pub(super) fn ip_configurations(
        &mut self,
        given: &mirror::IpConfigurations,
    ) -> Option<BTreeMap<Word, Declared<Address>>> {
        let mut configurations = BTreeMap::new();
        let mirror::IpConfigurations::Of(members) = given else { return Some(configurations) };
        let members = members.iter().map(|(member, text)| (Word::from(&**member), text, self.private_address(text)));
        let members: Vec<_> = members.collect();
        for (member, text, address) in members {
            if configurations.insert(member.clone(), address?).is_some() {
                self.twice(text, member.as_str());
            }
        }
        Some(configurations)
    }
}

/// The default is pending, as in Azure.
fn managed_state(state: Option<mirror::ConnectionState>) -> ConnectionState {
    state.map_or(ConnectionState::Pending, connection_state)
}
