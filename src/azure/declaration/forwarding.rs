//! Forwarding: DNS forwarding rulesets and the upstream; and DNS security policies, which take precedence over everything.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::{Address, Declared, Link};
use crate::azure::identity::ResourceId;
use crate::dns::Name;

/// Azure-provided DNS, as every virtual network sees it (what-is-ip-address-168-63-129-16).
pub const AZURE_PROVIDED_DNS: IpAddr = IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16));

/// An inbound endpoint of a DNS resolver that is declared by itself: queries to it are answered as in its network.
#[derive(Clone, Debug)]
pub struct InboundEndpoint {
    /// Its identity, declared where its name is.
    pub id: Declared<ResourceId>,
    /// The network that it is in.
    pub virtual_network: Declared<ResourceId>,
    /// Its address.
    pub address: Declared<Address>,
}

/// A DNS forwarding ruleset (Azure DNS Private Resolver).
#[derive(Clone, Debug)]
pub struct DnsForwardingRuleset {
    /// Its identity, declared where its name is.
    pub id: Declared<ResourceId>,
    /// Networks that it is linked to; a network has one ruleset.
    pub links: Vec<Link>,
    /// The rule with the longest domain counts.
    pub rules: Vec<ForwardingRule>,
}

/// A rule of a ruleset.
#[derive(Clone, Debug)]
pub struct ForwardingRule {
    /// Its name, unique in its ruleset, where one is given: see [`ForwardingRule::name`].
    pub name: Option<Declared<String>>,
    /// Names at and below it are forwarded; the root stands for all names but those that Azure keeps for itself.
    pub domain_name: Declared<Name>,
    /// Servers to ask; the first that responds is used.
    pub target_dns_servers: Vec<Declared<Address<SocketAddr>>>,
    /// A disabled rule has no effect.
    pub is_enabled: bool,
}

/// A DNS security policy.
#[derive(Clone, Debug)]
pub struct DnsSecurityPolicy {
    /// Its identity, declared where its name is.
    pub id: Declared<ResourceId>,
    /// Networks that it is linked to; a network has one policy.
    pub links: Vec<Link>,
    /// Of the rules that match a name, the one with the lowest priority number applies.
    pub rules: Vec<DnsSecurityRule>,
}

/// A DNS traffic rule of a security policy.
#[derive(Clone, Debug)]
pub struct DnsSecurityRule {
    /// Its name, unique in its policy, where one is given: see [`DnsSecurityRule::name`].
    pub name: Option<Declared<String>>,
    /// 100 to 65000; unique in its policy.
    pub priority: Declared<u32>,
    /// What to do with a query.
    pub action: SecurityAction,
    /// The rule matches names at and below these; the root matches all names.
    pub domains: Vec<Declared<Name>>,
    /// A disabled rule has no effect.
    pub is_enabled: bool,
}

/// What a DNS security policy does with a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SecurityAction {
    /// Answer it.
    Allow,
    /// Answer it; Azure would also log an alert.
    Alert,
    /// Answer with the policy's own response.
    Block,
}

/// Servers for names in no zone here: what public DNS is to Azure.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Servers to ask; the first that responds is used. They must be recursive.
    pub servers: Vec<Declared<SocketAddr>>,
    /// Whether names may be resolved there for clients outside all networks. Otherwise they are refused: a server that resolves
    /// names for strangers is an open resolver (RFC 5358).
    pub for_outside: bool,
}

impl ForwardingRule {
    /// Its name: the given one, or the domain without the final dot, and `@` for all names.
    pub fn name(&self) -> String {
        let domain = self.domain_name.to_string();
        let by_default = || match domain.strip_suffix('.') {
            Some("") | None => "@".to_owned(),
            Some(domain) => domain.to_owned(),
        };
        self.name.as_ref().map_or_else(by_default, |name| (**name).clone())
    }
}

impl DnsSecurityRule {
    /// Its name: the given one, or `priority-` and its priority.
    pub fn name(&self) -> String {
        self.name.as_ref().map_or_else(|| format!("priority-{}", self.priority), |name| (**name).clone())
    }
}
