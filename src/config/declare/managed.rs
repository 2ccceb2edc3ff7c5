//! Private link services, their endpoints, and managed private endpoints.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{Declarer, Mirror, Text, connection_state, declared, mirror};
use crate::azure::{
    ConnectionState, Declared, ManagedPrivateEndpoint, ManagedTarget, PrivateLinkService, ServiceEndpoint,
};

impl Declarer<'_> {
    pub(super) fn private_link_service(&mut self, service: &mirror::PrivateLinkService) -> Option<PrivateLinkService> {
        let name = self.label(&service.name);
        let region = self.label(&service.region);
        Some(PrivateLinkService { name, region, alias: self.name(&service.alias)? })
    }

    /// `None` where an address is bad: to say that it is missing as well would mislead.
    pub(super) fn service_endpoint(&mut self, endpoint: &mirror::ServiceEndpoint) -> Option<ServiceEndpoint> {
        self.no_resource(&endpoint.private_link_resource, &endpoint.group_id);
        if let Some(group) = &endpoint.private_dns_zone_group {
            let what = "an endpoint of a private link service has no zone group: Azure knows no zone for it";
            self.problem(group, what, "make a record set with its address in a zone of your own");
        }
        let name = self.label(&endpoint.name);
        let virtual_network = self.label(&endpoint.virtual_network);
        let private_link_service = self.label(&endpoint.private_link_service);
        Some(ServiceEndpoint {
            name,
            virtual_network,
            subnet: endpoint.subnet.as_ref().map(|subnet| self.label(subnet)),
            private_link_service,
            connection_state: connection_state(endpoint.connection_state),
            ip_configurations: self.ip_configurations(&endpoint.ip_configurations)?,
        })
    }

    /// Both kinds, in the order of the file.
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

    /// As with a service's endpoint.
    fn managed_endpoint(&mut self, endpoint: &mirror::ManagedPrivateEndpoint) -> Option<ManagedPrivateEndpoint> {
        let for_services = "works for private link services only";
        if let Some(refreshed) = &endpoint.refreshed {
            let mend = "remove the key: an endpoint of a resource is in use as soon as it is approved";
            self.problem(refreshed, format!("refreshed {for_services}"), mend);
        }
        if let Some(domain_name) = &endpoint.domain_name {
            let mend = "remove the key: the names of a resource are known";
            self.problem(domain_name, format!("domain_name {for_services}"), mend);
        }
        let target = ManagedTarget::Resource {
            private_link_resource: self.label(&endpoint.private_link_resource),
            group_id: self.label(&endpoint.group_id),
        };
        Some(ManagedPrivateEndpoint {
            name: self.label(&endpoint.name),
            grafana: self.label(&endpoint.grafana),
            target,
            connection_state: managed_state(endpoint.connection_state),
            ip_configurations: self.ip_configurations(&endpoint.ip_configurations)?,
        })
    }

    /// `None` where the domain name is bad, too.
    fn managed_service_endpoint(
        &mut self,
        endpoint: &mirror::ManagedServiceEndpoint,
    ) -> Option<ManagedPrivateEndpoint> {
        self.no_resource(&endpoint.private_link_resource, &endpoint.group_id);
        let name = self.label(&endpoint.name);
        let grafana = self.label(&endpoint.grafana);
        let private_link_service = self.label(&endpoint.private_link_service);
        let ip_configurations = self.ip_configurations(&endpoint.ip_configurations);
        let domain_name = match &endpoint.domain_name {
            Some(name) => Some(self.name(name)?),
            None => None,
        };
        Some(ManagedPrivateEndpoint {
            name,
            grafana,
            target: ManagedTarget::Service { private_link_service, refreshed: endpoint.refreshed, domain_name },
            connection_state: managed_state(endpoint.connection_state),
            ip_configurations: ip_configurations?,
        })
    }

    /// An endpoint points at one thing.
    fn no_resource(&mut self, resource: &Option<Text>, group_id: &Option<Text>) {
        for key in [resource, group_id].into_iter().flatten() {
            let what = "an endpoint points at a resource or at a private link service, not at both";
            self.problem(key, what, "keep private_link_service, or private_link_resource and group_id");
        }
    }

    fn ip_configurations(&mut self, members: &BTreeMap<String, Text>) -> Option<BTreeMap<String, Declared<IpAddr>>> {
        let members = members.iter().map(|(member, text)| {
            let address = self.address(text)?;
            Some((member.clone(), Declared::new(address, self.origin(text))))
        });
        let members: Vec<_> = members.collect();
        members.into_iter().collect()
    }
}

/// Azure makes a managed private endpoint pending.
fn managed_state(state: Option<mirror::ConnectionState>) -> ConnectionState {
    state.map_or(ConnectionState::Pending, connection_state)
}
