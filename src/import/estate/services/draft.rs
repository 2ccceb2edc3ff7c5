//! A Private Link resource, as the files describe it.

use serde_json::Value;

use crate::azure::{Declared, Origin, PrivateLinkResource, ResourceId};
use crate::import::Place;
use crate::import::estate::networks::{Networks, subnet_of};
use crate::import::estate::{Estate, places};
use crate::import::join::Joined;
use crate::import::toml::{Toml, list, quoted, table};
use crate::import::value::{get, text};

/// Most host names of one resource that are examined.
const MAX_HOSTS: usize = 64;

/// A resource of Private Link, as far as it is known.
pub(super) struct Draft {
    pub(super) resource: PrivateLinkResource,
    pub(super) places: Vec<Place>,
    pub(super) is_described: bool,
    pub(super) region_is_guess: bool,
    pub(super) public_fqdn: bool,
    pub(super) is_closed: bool,
    pub(super) sku: Option<String>,
    pub(super) scoped: Vec<ResourceId>,
    /// The network that it is deployed in, for resources with VNet injection.
    pub(super) network: Option<ResourceId>,
    /// Whether a private endpoint or a scope needs it.
    pub(super) is_needed: bool,
    /// Why it cannot be declared.
    pub(super) mistake: Option<String>,
}

impl Draft {
    pub(super) fn new(id: ResourceId, region: &str, places: Vec<Place>) -> Self {
        Self {
            resource: PrivateLinkResource::new(declared(id), declared(region.to_owned())),
            places,
            is_described: false,
            region_is_guess: true,
            public_fqdn: true,
            is_closed: false,
            sku: None,
            scoped: Vec::new(),
            network: None,
            is_needed: false,
            mistake: None,
        }
    }

    pub(super) fn write(&self, estate: &Estate<'_>, toml: &mut Toml) {
        let resource = &self.resource;
        toml.gap();
        toml.from(places(&self.places));
        match self.is_described {
            true => toml.comment(&places(&self.places)),
            false => {
                let places = places(&self.places);
                let guess = if self.region_is_guess { ", its region is a guess" } else { "" };
                toml.comment(&format!("in none of the files{guess}; named by {places}"));
            }
        }
        toml.line("[[private_link_resource]]");
        toml.key("type", &quoted(resource.id.resource_type()));
        estate.identity(&resource.id, resource.id.names(), toml);
        toml.key("region", &quoted(&resource.region));
        if !resource.name_parts.is_empty() {
            let parts = resource.name_parts.iter().map(|(part, value)| (part.as_str(), quoted(value)));
            toml.key("name_parts", &table(parts));
        }
        if !resource.name_lists.is_empty() {
            let lists = resource.name_lists.iter().map(|(name, elements)| (name.as_str(), list(elements.iter())));
            toml.key("name_lists", &table(lists));
        }
        if let Some(sku) = &self.sku {
            toml.key("sku", &quoted(sku));
        }
        if let Some(network) = &self.network {
            toml.key("virtual_network", &estate.quoted_label(network));
        }
        if !self.public_fqdn {
            toml.key("public_fqdn", "false");
        }
        if self.is_closed {
            toml.key("public_network_access", &quoted("Disabled"));
        }
        if !self.scoped.is_empty() {
            let labels: Vec<_> = self.scoped.iter().map(|id| estate.label(id)).collect();
            toml.key("scoped_resources", &list(labels));
        }
    }
}

pub(super) fn declared<T>(value: T) -> Declared<T> {
    Declared::new(value, Origin(0))
}

/// Collects the host names, also those in URLs, from the properties of a resource, in lower case.
pub(super) fn hosts_of(value: &Value, hosts: &mut Vec<String>) {
    match value {
        Value::String(text) if hosts.len() < MAX_HOSTS && text.len() < 1024 => {
            let rest = text.split_once("://").map_or(text.as_str(), |(_, rest)| rest);
            let host = rest.split(['/', ':', '?', ',', ';']).next().unwrap_or_default().trim_end_matches('.');
            let is_host = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet);
            if host.contains('.')
                && host.len() <= 253
                && host.bytes().all(is_host)
                && host.parse::<std::net::IpAddr>().is_err()
            {
                hosts.push(host.to_ascii_lowercase());
            }
        }
        Value::Array(elements) => elements.iter().for_each(|element| hosts_of(element, hosts)),
        Value::Object(object) => object.values().for_each(|member| hosts_of(member, hosts)),
        _ => {}
    }
}

/// The network that a Data Explorer cluster is injected into, which inserts `privatelink` in its public names. The member
/// remains, with its state, after the cluster is moved out of the network.
pub(super) fn network_of_cluster(
    estate: &mut Estate<'_>,
    networks: &mut Networks,
    cluster: &Joined,
) -> Option<ResourceId> {
    if !cluster.id.is_of_type("Microsoft.Kusto/clusters") {
        return None;
    }
    let deployed = get(&cluster.body, "virtualNetworkConfiguration")?;
    if text(deployed, "state").is_some_and(|state| state.eq_ignore_ascii_case("Disabled")) {
        return None;
    }
    let (network, _) = subnet_of(estate, cluster, deployed)?;
    networks.refer(estate, &network, cluster);
    Some(network)
}
