//! The configuration file as serde sees it. Values keep their place; nothing is checked but shape.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

/// Text with its place.
pub(super) type Text = Spanned<String>;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Limits {
    #[default]
    Azure,
    Off,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Server {
    pub(super) listen: Option<Spanned<Vec<Text>>>,
    pub(super) chaos: Option<bool>,
    pub(super) id: Option<Text>,
    pub(super) tcp_connections: Option<Spanned<u32>>,
    pub(super) tcp_connections_per_client: Option<Spanned<u32>>,
    pub(super) tcp_idle_seconds: Option<Spanned<u32>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VirtualNetwork {
    pub(super) name: Text,
    #[serde(default)]
    pub(super) address_space: Vec<Text>,
    #[serde(default)]
    pub(super) client_prefixes: Vec<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PrivateDnsZone {
    pub(super) name: Text,
    pub(super) resource_group: Option<Text>,
    #[serde(default)]
    pub(super) virtual_network_links: Vec<VirtualNetworkLink>,
    pub(super) soa: Option<Soa>,
    pub(super) file: Option<Text>,
    #[serde(default)]
    pub(super) record_set: Vec<RecordSet>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table, { virtual_network = \"NAME\" }")]
pub(super) struct VirtualNetworkLink {
    pub(super) virtual_network: Text,
    #[serde(default)]
    pub(super) resolution_policy: ResolutionPolicy,
}

#[derive(Debug, Default, Deserialize)]
pub(super) enum ResolutionPolicy {
    #[default]
    Default,
    NxDomainRedirect,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table, { minimum_ttl = 60 }")]
pub(super) struct Soa {
    pub(super) email: Option<Text>,
    pub(super) refresh_time: Option<u32>,
    pub(super) retry_time: Option<u32>,
    pub(super) expire_time: Option<u32>,
    pub(super) minimum_ttl: Option<u32>,
    pub(super) ttl: Option<Spanned<i64>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct RecordSet {
    pub(super) name: Text,
    #[serde(rename = "type")]
    pub(super) record_type: Text,
    pub(super) ttl: Option<Spanned<i64>>,
    pub(super) records: Spanned<Vec<Text>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PrivateLinkResource {
    #[serde(rename = "type")]
    pub(super) resource_type: Text,
    pub(super) name: Text,
    pub(super) region: Text,
    #[serde(default)]
    pub(super) name_parts: BTreeMap<String, Text>,
    #[serde(default)]
    pub(super) name_lists: BTreeMap<String, Spanned<Vec<Text>>>,
    pub(super) public_endpoint: Option<Text>,
    #[serde(default)]
    pub(super) public_ip_addresses: BTreeMap<String, Spanned<Vec<Text>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PrivateEndpoint {
    pub(super) name: Text,
    pub(super) virtual_network: Text,
    pub(super) private_link_resource: Text,
    pub(super) group_id: Text,
    #[serde(default)]
    pub(super) connection_state: ConnectionState,
    pub(super) ip_configurations: BTreeMap<String, Text>,
    #[serde(default)]
    pub(super) private_dns_zone_group: Vec<Text>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) enum ConnectionState {
    Pending,
    #[default]
    Approved,
    Rejected,
    Disconnected,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PublicZone {
    pub(super) name: Text,
    pub(super) file: Text,
}
