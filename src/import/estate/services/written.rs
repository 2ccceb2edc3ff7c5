//! A private endpoint with the addresses of its members.

use crate::import::estate::endpoints::{Endpoint, Target};
use crate::import::estate::{Estate, places};
use crate::import::toml::{Toml, list, quoted, table};

/// An endpoint with the addresses of its members.
pub(super) struct Written {
    pub(super) endpoint: Endpoint,
    pub(super) addresses: Vec<(String, String)>,
}

impl Written {
    pub(super) fn write(&self, estate: &Estate<'_>, toml: &mut Toml) {
        let endpoint = &self.endpoint;
        toml.gap();
        toml.from(places(&endpoint.places));
        toml.comment(&places(&endpoint.places));
        match &endpoint.grafana {
            None => {
                toml.line("[[private_endpoint]]");
                estate.identity(&endpoint.id, endpoint.id.name(), toml);
                toml.key("virtual_network", &estate.quoted_label(&endpoint.network));
                if let Some(subnet) = &endpoint.subnet {
                    toml.key("subnet", &quoted(subnet));
                }
            }
            Some(grafana) => {
                toml.line("[[managed_private_endpoint]]");
                toml.key("name", &quoted(endpoint.id.name()));
                toml.key("grafana", &estate.quoted_label(grafana));
            }
        }
        match &endpoint.target {
            Target::Resource { id, group_id } => {
                toml.key("private_link_resource", &estate.quoted_label(id));
                toml.key("group_id", &quoted(group_id));
            }
            Target::Service(id) => toml.key("private_link_service", &estate.quoted_label(id)),
            Target::Alias(alias) => toml.key("private_link_service", &quoted(alias)),
        }
        if endpoint.state != "Approved" || endpoint.grafana.is_some() {
            toml.key("connection_state", &quoted(&endpoint.state));
        }
        if let Some(domain) = &endpoint.domain_name {
            toml.key("domain_name", &quoted(domain));
        }
        if !self.addresses.is_empty() {
            let addresses = self.addresses.iter().map(|(member, address)| (member.as_str(), quoted(address)));
            toml.key("ip_configurations", &table(addresses));
        }
        if !endpoint.zones.is_empty() {
            let zones: Vec<_> = endpoint.zones.iter().map(|zone| estate.label(zone)).collect();
            if let Some(place) = &endpoint.zone_group_place {
                toml.from(place);
                toml.comment(&place.to_string());
            }
            toml.key("private_dns_zone_group", &list(zones));
        }
    }
}
