//! The server's part of the file: listeners, bounds, metrics, the management API.

use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use toml::Spanned;

use super::Text;
use crate::faults::Written;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Server {
    pub(in crate::config) listen: Option<Spanned<Vec<Spanned<Listen>>>>,
    pub(in crate::config) chaos: Option<bool>,
    pub(in crate::config) id: Option<Text>,
    pub(in crate::config) udp_workers: Option<Spanned<u32>>,
    pub(in crate::config) tcp_connections: Option<Spanned<u32>>,
    pub(in crate::config) tcp_connections_per_client: Option<Spanned<u32>>,
    pub(in crate::config) tcp_idle_seconds: Option<Spanned<u32>>,
    pub(in crate::config) dns_cookies: Option<bool>,
    pub(in crate::config) cookie_secret_file: Option<Text>,
    pub(in crate::config) designated_resolvers: Option<Spanned<bool>>,
    pub(in crate::config) control_socket: Option<Text>,
    pub(in crate::config) user: Option<Text>,
    pub(in crate::config) keep_bind_capability: Option<Spanned<bool>>,
    pub(in crate::config) sandbox: Option<bool>,
    pub(in crate::config) state: Option<Text>,
    #[serde(default)]
    pub(in crate::config) strangers: Strangers,
    pub(in crate::config) name_servers: Option<Spanned<Vec<NameServer>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Check {
    #[serde(default)]
    pub(in crate::config) allow: Vec<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Metrics {
    pub(in crate::config) listen: Option<Text>,
    pub(in crate::config) max_networks: Option<Spanned<u32>>,
    #[serde(default)]
    pub(in crate::config) hosts: Vec<Text>,
    pub(in crate::config) bearer_token_file: Option<Text>,
    pub(in crate::config) page: Option<Spanned<bool>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Management {
    pub(in crate::config) listen: Option<Text>,
    #[serde(default)]
    pub(in crate::config) mode: ManagementMode,
    pub(in crate::config) operation_seconds: Option<Spanned<u32>>,
    pub(in crate::config) link_seconds: Option<Spanned<u32>>,
    #[serde(default)]
    pub(in crate::config) hosts: Vec<Text>,
    #[serde(default)]
    pub(in crate::config) client: Vec<Spanned<ManagementClient>>,
    pub(in crate::config) etcd: Option<Spanned<Vec<Text>>>,
    pub(in crate::config) etcd_prefix: Option<Text>,
    pub(in crate::config) etcd_ca: Option<Text>,
    pub(in crate::config) etcd_certificate: Option<Text>,
    pub(in crate::config) etcd_key: Option<Text>,
    pub(in crate::config) etcd_user: Option<Text>,
    pub(in crate::config) etcd_password_file: Option<Text>,
    pub(in crate::config) etcd_keys: Option<Spanned<bool>>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum ManagementMode {
    #[default]
    Azure,
    Fast,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct ManagementClient {
    pub(in crate::config) id: Text,
    pub(in crate::config) secret_file: Text,
    pub(in crate::config) access: Access,
    #[serde(default)]
    pub(in crate::config) subscriptions: Vec<Text>,
    pub(in crate::config) resource_groups: Option<Spanned<Vec<Text>>>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum Access {
    Read,
    Write,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Faults {
    #[serde(default)]
    pub(in crate::config) allow: bool,
    #[serde(default)]
    pub(in crate::config) seed: u64,
    #[serde(default)]
    pub(in crate::config) fault: Vec<Spanned<Written>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Dnstap {
    pub(in crate::config) socket: Option<Text>,
    pub(in crate::config) file: Option<Text>,
    pub(in crate::config) max_file_mib: Option<Spanned<u32>>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum Strangers {
    #[default]
    Public,
    Refused,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table, { name = \"NAME\", addresses = [\"ADDRESS\"] }")]
pub(in crate::config) struct NameServer {
    pub(in crate::config) name: Text,
    #[serde(default)]
    pub(in crate::config) addresses: Vec<Text>,
}

/// An address, or a table with an address and options.
#[derive(Debug, Default)]
pub(in crate::config) struct Listen {
    pub(in crate::config) address: String,
    pub(in crate::config) more: ListenMore,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct ListenMore {
    address: String,
    pub(in crate::config) transport: Option<Spanned<Transport>>,
    pub(in crate::config) certificate: Option<Text>,
    pub(in crate::config) key: Option<Text>,
    pub(in crate::config) path: Option<Text>,
    pub(in crate::config) virtual_network: Option<Text>,
    pub(in crate::config) interface: Option<Text>,
    pub(in crate::config) allow_from: Option<Spanned<Vec<Text>>>,
    pub(in crate::config) require_proxy_protocol: Option<Spanned<bool>>,
    #[serde(default)]
    pub(in crate::config) persona: Persona,
    pub(in crate::config) ttl_cap: Option<Spanned<i64>>,
    pub(in crate::config) queries_per_second: Option<Spanned<u32>>,
    pub(in crate::config) pending_queries: Option<Spanned<u32>>,
    pub(in crate::config) response_rate_limit: Option<ResponseRateLimit>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum Transport {
    Tls,
    Https,
    Http3,
    Quic,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table, { responses_per_second = 50 }")]
pub(in crate::config) struct ResponseRateLimit {
    pub(in crate::config) responses_per_second: Spanned<u32>,
    pub(in crate::config) slip: Option<Spanned<u32>>,
    pub(in crate::config) ipv4_prefix_length: Option<Spanned<u32>>,
    pub(in crate::config) ipv6_prefix_length: Option<Spanned<u32>>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum Persona {
    #[default]
    Authoritative,
    AzureResolver,
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrTable;
        impl<'de> Visitor<'de> for TextOrTable {
            type Value = Listen;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an address in quotes, or a table { address = \"ADDRESS\" }")
            }

            fn visit_str<E: de::Error>(self, address: &str) -> Result<Listen, E> {
                Ok(Listen { address: address.to_owned(), more: ListenMore::default() })
            }

            fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<Listen, A::Error> {
                let more = ListenMore::deserialize(MapAccessDeserializer::new(table))?;
                Ok(Listen { address: more.address.clone(), more })
            }
        }
        deserializer.deserialize_any(TextOrTable)
    }
}
