//! The configuration file as parsed by serde. Values have their places; only their form is checked.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use crate::azure::{ListRule, Member};

mod server;
mod unknown;

pub(super) use server::{
    Access, Check, Dnstap, Faults, Listen, ListenMore, Management, ManagementClient, ManagementMode, Metrics,
    NameServer, Persona, ResponseRateLimit, Server, Strangers, Transport,
};
pub(super) use unknown::{IpConfigurations, PublicIpAddresses, Record, Records};

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
pub(super) enum UnknownNames {
    #[default]
    #[serde(rename = "REFUSED")]
    Refused,
    #[serde(rename = "NXDOMAIN")]
    NxDomain,
}

#[derive(Debug, Default, Deserialize)]
pub(super) enum PublicCnameFrom {
    #[default]
    Pending,
    Approved,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VirtualNetwork {
    pub(super) name: Text,
    pub(super) subscription: Option<Text>,
    pub(super) resource_group: Option<Text>,
    #[serde(default)]
    pub(super) address_space: Vec<Text>,
    #[serde(default)]
    pub(super) subnets: Vec<Subnet>,
    #[serde(default)]
    pub(super) client_prefixes: Vec<Text>,
    #[serde(default)]
    pub(super) inbound_endpoints: Vec<Text>,
    #[serde(default)]
    pub(super) dns_servers: Vec<Text>,
    pub(super) internal_domain_name_suffix: Option<Text>,
    pub(super) managed_by: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table, { name = \"NAME\", address_prefix = \"10.1.1.0/24\" }")]
pub(super) struct Subnet {
    pub(super) name: Text,
    pub(super) address_prefix: Text,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VirtualMachine {
    pub(super) name: Text,
    pub(super) subscription: Option<Text>,
    pub(super) resource_group: Option<Text>,
    pub(super) virtual_network: Text,
    pub(super) network_interfaces: Spanned<Vec<NetworkInterface>>,
    #[serde(default)]
    pub(super) power_state: PowerState,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table, { ip_addresses = [\"10.1.0.4\"] }")]
pub(super) struct NetworkInterface {
    pub(super) ip_addresses: Spanned<Vec<Text>>,
    #[serde(default)]
    pub(super) dns_servers: Vec<Text>,
    pub(super) primary: Option<Spanned<bool>>,
    pub(super) name: Option<Text>,
    pub(super) subnet: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum PowerState {
    #[default]
    Running,
    Stopped,
    Deallocated,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PrivateDnsZone {
    pub(super) name: Text,
    pub(super) subscription: Option<Text>,
    pub(super) resource_group: Option<Text>,
    #[serde(default)]
    pub(super) virtual_network_links: Vec<VirtualNetworkLink>,
    pub(super) soa: Option<Soa>,
    pub(super) file: Option<Text>,
    #[serde(default)]
    pub(super) locked: bool,
    #[serde(default)]
    pub(super) record_set: Vec<RecordSet>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table, { virtual_network = \"NAME\" }")]
pub(super) struct VirtualNetworkLink {
    pub(super) virtual_network: Text,
    pub(super) name: Option<Text>,
    #[serde(default)]
    pub(super) registration_enabled: bool,
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
    pub(super) records: Spanned<Records>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PrivateLinkResource {
    #[serde(rename = "type")]
    pub(super) resource_type: Text,
    pub(super) name: Text,
    pub(super) subscription: Option<Text>,
    pub(super) resource_group: Option<Text>,
    pub(super) region: Text,
    #[serde(default)]
    pub(super) name_parts: BTreeMap<String, Text>,
    #[serde(default)]
    pub(super) name_lists: BTreeMap<String, Spanned<Vec<Text>>>,
    pub(super) public_endpoint: Option<Text>,
    #[serde(default)]
    pub(super) public_ip_addresses: PublicIpAddresses,
    pub(super) virtual_network: Option<Text>,
    pub(super) public_fqdn: Option<Spanned<bool>>,
    pub(super) sku: Option<Text>,
    #[serde(default)]
    pub(super) scoped_resources: Vec<Text>,
    #[serde(default)]
    pub(super) public_network_access: PublicNetworkAccess,
}

/// A `[[private_link_service_type]]`: a reduced form of the catalogue's data.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServiceType {
    #[serde(rename = "type")]
    pub(super) resource_type: Text,
    pub(super) group_id: String,
    pub(super) cloud: Option<String>,
    pub(super) title: Option<String>,
    pub(super) each: Option<String>,
    #[serde(default)]
    pub(super) skus: Vec<String>,
    pub(super) scope: Option<String>,
    #[serde(default)]
    pub(super) defaults: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) by_region: BTreeMap<String, BTreeMap<String, String>>,
    #[serde(default)]
    pub(super) assigned: Vec<String>,
    #[serde(default)]
    pub(super) lists: BTreeMap<String, ListRule>,
    #[serde(default)]
    pub(super) member: Vec<Member>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) enum PublicNetworkAccess {
    #[default]
    Enabled,
    Disabled,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PrivateEndpoint {
    pub(super) name: Text,
    pub(super) subscription: Option<Text>,
    pub(super) resource_group: Option<Text>,
    pub(super) virtual_network: Text,
    pub(super) subnet: Option<Text>,
    pub(super) private_link_resource: Text,
    pub(super) group_id: Text,
    #[serde(default)]
    pub(super) connection_state: ConnectionState,
    #[serde(default)]
    pub(super) ip_configurations: IpConfigurations,
    #[serde(default)]
    pub(super) private_dns_zone_group: Vec<Text>,
    pub(super) was_approved: Option<Spanned<bool>>,
    #[serde(default)]
    pub(super) deleted: bool,
}

/// A `[[private_endpoint]]` with `private_link_service`. Keys of other endpoints are present only to be refused with a reason.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServiceEndpoint {
    pub(super) name: Text,
    pub(super) subscription: Option<Text>,
    pub(super) resource_group: Option<Text>,
    pub(super) virtual_network: Text,
    pub(super) subnet: Option<Text>,
    pub(super) private_link_service: Text,
    pub(super) private_link_resource: Option<Text>,
    pub(super) group_id: Option<Text>,
    #[serde(default)]
    pub(super) connection_state: ConnectionState,
    #[serde(default)]
    pub(super) ip_configurations: IpConfigurations,
    pub(super) private_dns_zone_group: Option<Spanned<Vec<Text>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PrivateLinkService {
    pub(super) name: Text,
    pub(super) subscription: Option<Text>,
    pub(super) resource_group: Option<Text>,
    pub(super) region: Text,
    pub(super) alias: Text,
}

/// A `[[managed_private_endpoint]]` of a resource. The last two keys are present only to be refused with a reason.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ManagedPrivateEndpoint {
    pub(super) name: Text,
    pub(super) grafana: Text,
    pub(super) private_link_resource: Text,
    pub(super) group_id: Text,
    pub(super) connection_state: Option<ConnectionState>,
    #[serde(default)]
    pub(super) ip_configurations: IpConfigurations,
    pub(super) refreshed: Option<Spanned<bool>>,
    pub(super) domain_name: Option<Text>,
}

/// A `[[managed_private_endpoint]]` with `private_link_service`; as with a [`ServiceEndpoint`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ManagedServiceEndpoint {
    pub(super) name: Text,
    pub(super) grafana: Text,
    pub(super) private_link_service: Text,
    pub(super) private_link_resource: Option<Text>,
    pub(super) group_id: Option<Text>,
    pub(super) connection_state: Option<ConnectionState>,
    #[serde(default)]
    pub(super) ip_configurations: IpConfigurations,
    #[serde(default)]
    pub(super) refreshed: bool,
    pub(super) domain_name: Option<Text>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
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

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Upstream {
    pub(super) servers: Spanned<Vec<Text>>,
    #[serde(default)]
    pub(super) for_outside: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Forwarder {
    pub(super) name: Text,
    #[serde(default)]
    pub(super) addresses: Vec<Text>,
    #[serde(default)]
    pub(super) client_subnet: bool,
    #[serde(default)]
    pub(super) proxy_protocol: bool,
    #[serde(default)]
    pub(super) virtual_networks: Vec<Text>,
    #[serde(default)]
    pub(super) client_prefixes: Vec<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Explanations {
    #[serde(default)]
    pub(super) virtual_networks: Vec<Text>,
    #[serde(default)]
    pub(super) client_prefixes: Vec<Text>,
    #[serde(default)]
    pub(super) tsig_keys: Vec<Text>,
    #[serde(default)]
    pub(super) forwarders: Vec<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TsigKey {
    pub(super) name: Text,
    pub(super) file: Text,
    pub(super) virtual_network: Option<Text>,
    pub(super) all_virtual_networks: Option<Spanned<bool>>,
    pub(super) update: Option<Spanned<Vec<Text>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClientCertificate {
    pub(super) name: Text,
    pub(super) public_key_sha256: Option<Text>,
    pub(super) certificate_authority: Option<Text>,
    pub(super) subject_alternative_name: Option<Text>,
    pub(super) virtual_network: Option<Text>,
    pub(super) forwarder: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DnsForwardingRuleset {
    pub(super) name: Text,
    pub(super) subscription: Option<Text>,
    pub(super) resource_group: Option<Text>,
    #[serde(default)]
    pub(super) virtual_network_links: Vec<Link>,
    #[serde(default)]
    pub(super) forwarding_rule: Vec<ForwardingRule>,
}

/// A link without a policy of its own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table, { virtual_network = \"NAME\" }")]
pub(super) struct Link {
    pub(super) virtual_network: Text,
    pub(super) name: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct ForwardingRule {
    pub(super) name: Option<Text>,
    pub(super) domain_name: Text,
    pub(super) target_dns_servers: Spanned<Vec<Text>>,
    #[serde(default)]
    pub(super) state: State,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
pub(super) enum State {
    #[default]
    Enabled,
    Disabled,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DnsSecurityPolicy {
    pub(super) name: Text,
    pub(super) subscription: Option<Text>,
    pub(super) resource_group: Option<Text>,
    #[serde(default)]
    pub(super) virtual_network_links: Vec<Link>,
    #[serde(default)]
    pub(super) dns_security_rule: Vec<DnsSecurityRule>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct DnsSecurityRule {
    pub(super) name: Option<Text>,
    pub(super) priority: Spanned<u32>,
    pub(super) action: SecurityAction,
    pub(super) domains: Spanned<Vec<Text>>,
    #[serde(default)]
    pub(super) state: State,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) enum SecurityAction {
    Allow,
    Alert,
    Block,
}
