//! Who is asked instead of a network's own zones: custom DNS servers, DNS forwarding rulesets, the upstream; and DNS
//! security policies, which come before all of them.
//!
//! A server that is an inbound endpoint, or has its address in the address space, of a declared network stands for the
//! Azure-provided DNS of that network: it is a resolver or a forwarder there. Any other is a real server.

mod check;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use super::declaration::Declared;
use crate::dns::Name;

pub(super) use check::forwarding;

/// Azure-provided DNS, as every virtual network sees it (what-is-ip-address-168-63-129-16).
pub const AZURE_PROVIDED_DNS: IpAddr = IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16));

/// A DNS forwarding ruleset (Azure DNS Private Resolver).
#[derive(Clone, Debug)]
pub struct DnsForwardingRuleset {
    /// Unique name.
    pub name: Declared<String>,
    /// Networks that it is linked to; a network has one ruleset.
    pub virtual_networks: Vec<Declared<String>>,
    /// The rule with the longest domain counts.
    pub rules: Vec<ForwardingRule>,
}

/// A rule of a ruleset.
#[derive(Clone, Debug)]
pub struct ForwardingRule {
    /// Names at and below it are forwarded; the root stands for all names but those that Azure keeps for itself.
    pub domain_name: Declared<Name>,
    /// Servers to ask, the first that responds.
    pub target_dns_servers: Vec<Declared<SocketAddr>>,
    /// A disabled rule is as if it were not there.
    pub is_enabled: bool,
}

/// A DNS security policy.
#[derive(Clone, Debug)]
pub struct DnsSecurityPolicy {
    /// Unique name.
    pub name: Declared<String>,
    /// Networks that it is linked to; a network has one policy.
    pub virtual_networks: Vec<Declared<String>>,
    /// The rule with the lowest priority number counts, of those that fit a name.
    pub rules: Vec<DnsSecurityRule>,
}

/// A DNS traffic rule of a security policy.
#[derive(Clone, Debug)]
pub struct DnsSecurityRule {
    /// 100 to 65000; unique in its policy.
    pub priority: Declared<u32>,
    /// What happens to a query.
    pub action: SecurityAction,
    /// Names at and below one of these fit; the root stands for all names.
    pub domains: Vec<Declared<Name>>,
    /// A disabled rule is as if it were not there.
    pub is_enabled: bool,
}

/// What a DNS security policy does with a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SecurityAction {
    /// It is answered.
    Allow,
    /// It is answered, and would be logged with an alert.
    Alert,
    /// It gets the policy's own answer.
    Block,
}

/// Servers for names that nobody here holds: what public DNS is to Azure.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Servers to ask, the first that responds; they must be recursive.
    pub servers: Vec<Declared<SocketAddr>>,
    /// Whether clients outside all networks may have names asked there. Otherwise they are refused: a server that
    /// asks on behalf of strangers is an open resolver (RFC 5358).
    pub for_outside: bool,
}

/// Servers to ask, in their order; a clone shares the list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Targets(Arc<[SocketAddr]>);

impl Targets {
    /// The addresses in the order in which they are tried.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.0
    }
}

impl From<&[SocketAddr]> for Targets {
    fn from(addresses: &[SocketAddr]) -> Self {
        Self(addresses.into())
    }
}

impl FromIterator<SocketAddr> for Targets {
    fn from_iter<I: IntoIterator<Item = SocketAddr>>(addresses: I) -> Self {
        Self(addresses.into_iter().collect())
    }
}

/// Who answers in place of a network's own zones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// The Azure-provided DNS of the network of that name.
    Network(String),
    /// Real servers.
    Servers(Targets),
}

/// What was declared of all this, checked, every server known for what it is.
#[derive(Clone, Debug, Default)]
pub struct Forwarding {
    /// Networks with custom DNS servers.
    pub custom_dns: BTreeMap<String, Destination>,
    /// Addresses of network interfaces with DNS servers of their own: address, network, and who answers.
    pub interfaces: Vec<(IpAddr, String, Destination)>,
    /// Rules that count.
    pub rules: Vec<Rule>,
    /// Security rules that count.
    pub security_rules: Vec<SecurityRule>,
    /// Where names are asked that nobody here holds.
    pub upstream: Option<(Targets, bool)>,
    /// Domains that a rule for all names leaves alone.
    pub reserved: Vec<Name>,
}

/// An enabled rule, for all networks that its ruleset is linked to.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The ruleset's name.
    pub ruleset: String,
    /// Names at and below it are forwarded.
    pub domain_name: Name,
    /// To whom.
    pub destination: Destination,
    /// The networks.
    pub virtual_networks: Vec<String>,
}

/// An enabled rule of a DNS security policy, for all networks that the policy is linked to.
#[derive(Clone, Debug)]
pub struct SecurityRule {
    /// The policy's name.
    pub policy: String,
    /// The lowest counts.
    pub priority: u32,
    /// What happens to a query.
    pub action: SecurityAction,
    /// Names at and below one of these fit.
    pub domains: Vec<Name>,
    /// The networks.
    pub virtual_networks: Vec<String>,
}
