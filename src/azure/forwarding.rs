//! Who is asked instead of a network's own zones: custom DNS servers, DNS forwarding rulesets, the upstream; and DNS
//! security policies, which come before all of them.
//!
//! A server that is an inbound endpoint, or has its address in the address space, of a declared network stands for the
//! Azure-provided DNS of that network: it is a resolver or a forwarder there. Any other is a real server.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use super::declaration::{Declaration, Declared, Limits, VirtualNetwork};
use super::{Catalogue, Finding, Scope, ZoneContents};
use crate::dns::Name;

/// Azure-provided DNS, as every virtual network sees it (what-is-ip-address-168-63-129-16).
pub const AZURE_PROVIDED_DNS: IpAddr = IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16));
/// The port of DNS.
const PORT: u16 = 53;
/// Target servers of a rule (limits of Azure DNS Private Resolver).
const TARGETS: usize = 6;
/// Labels of a rule's domain.
const LABELS: usize = 34;
/// Rules of a ruleset.
const RULES: usize = 1000;
/// Virtual network links of a ruleset.
const LINKS: usize = 500;
/// Domains of Azure's that a rule for all names leaves alone, beside those of the Private Link services (seen: they
/// resolve where such a rule leads nowhere).
const RESERVED: [&str; 2] = ["microsoft.com", "microsoftonline.com"];

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// Checks what was declared, and says who every server is.
pub(super) fn forwarding(
    declaration: &Declaration,
    catalogue: &Catalogue,
    zones: &[ZoneContents],
    findings: &mut Vec<Finding>,
) -> Forwarding {
    let mut forwarding = Forwarding::default();
    one_each("DNS forwarding ruleset", declaration, rulesets(declaration), findings);
    one_each("DNS security policy", declaration, policies(declaration), findings);
    for network in &declaration.virtual_networks {
        custom_dns(declaration, network, &mut forwarding, findings);
    }
    for machine in &declaration.virtual_machines {
        let mut networks = declaration.virtual_networks.iter();
        // A missing network has been reported.
        let Some(network) = networks.find(|network| *network.name == *machine.virtual_network) else { continue };
        for interface in &machine.network_interfaces {
            let destination = destination(declaration, Some(network), &interface.dns_servers, findings);
            let Some(destination) = destination else { continue };
            let addresses = interface.ip_addresses.iter();
            let answered = addresses.map(|address| (**address, (*network.name).clone(), destination.clone()));
            forwarding.interfaces.extend(answered);
        }
    }
    for ruleset in &declaration.dns_forwarding_rulesets {
        self::ruleset(declaration, ruleset, &mut forwarding, findings);
    }
    for policy in &declaration.dns_security_policies {
        self::policy(policy, &mut forwarding, findings);
    }
    if let Some(upstream) = &declaration.upstream {
        let servers = upstream.servers.iter().map(|server| **server).collect();
        forwarding.upstream = Some((servers, upstream.for_outside));
    }
    forwarding.reserved = catalogue.domains();
    forwarding.reserved.extend(RESERVED.iter().map(|name| name.parse().expect("a constant of this module")));
    loops(declaration, &forwarding, zones, findings);
    forwarding
}

type Linked<'a> = (&'a Declared<String>, &'a [Declared<String>]);

fn rulesets(declaration: &Declaration) -> impl Iterator<Item = Linked<'_>> {
    declaration.dns_forwarding_rulesets.iter().map(|ruleset| (&ruleset.name, &ruleset.virtual_networks[..]))
}

fn policies(declaration: &Declaration) -> impl Iterator<Item = Linked<'_>> {
    declaration.dns_security_policies.iter().map(|policy| (&policy.name, &policy.virtual_networks[..]))
}

/// Names are unique, linked networks exist, and each is linked to one of the kind.
fn one_each<'a>(
    kind: &str,
    declaration: &Declaration,
    linked: impl Iterator<Item = Linked<'a>>,
    findings: &mut Vec<Finding>,
) {
    let mut names = Vec::new();
    let mut of_network: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, networks) in linked {
        names.push(name);
        for network in networks {
            if !declaration.virtual_networks.iter().any(|known| *known.name == **network) {
                let known = declaration.virtual_networks.iter().map(|network| network.name.as_str());
                super::check::missing(declaration, "virtual network", network, known, findings);
            } else if let Some(other) = of_network.insert(network, name) {
                findings.push(Finding::error(
                    network.origin,
                    format!("virtual network \"{network}\" is linked to {kind} \"{other}\" already; it can have one"),
                    "remove one of the two links",
                ));
            }
        }
    }
    super::check::unique(kind, names.into_iter(), findings);
}

fn custom_dns(
    declaration: &Declaration,
    network: &VirtualNetwork,
    forwarding: &mut Forwarding,
    findings: &mut Vec<Finding>,
) {
    for endpoint in &network.inbound_endpoints {
        if !network.address_space.iter().any(|prefix| prefix.contains(&**endpoint)) {
            findings.push(Finding::error(
                endpoint.origin,
                format!("{endpoint} is not in the address space of virtual network \"{}\"", network.name),
                "an inbound endpoint has an address of its network",
            ));
        }
    }
    let Some(first) = network.dns_servers.first() else { return };
    if first.ip() == AZURE_PROVIDED_DNS {
        return;
    }
    let destination = destination(declaration, Some(network), &network.dns_servers, findings);
    if destination.as_ref() != Some(&Destination::Network((*network.name).clone())) {
        let mut linked = declaration.private_dns_zones.iter().flat_map(|zone| &zone.virtual_network_links);
        if let Some(link) = linked.find(|link| *link.virtual_network == *network.name) {
            findings.push(Finding::warning(
                link.virtual_network.origin,
                format!(
                    "\"{}\" has custom DNS servers: the private zones that are linked to it are not used by its clients",
                    network.name
                ),
                "link the zones to the network in which its DNS server stands, or take dns_servers away",
            ));
        }
    }
    forwarding.custom_dns.extend(destination.map(|destination| ((*network.name).clone(), destination)));
}

/// The network that a server stands in, or the servers themselves: the first decides. `None` after a finding.
fn destination(
    declaration: &Declaration,
    own: Option<&VirtualNetwork>,
    servers: &[Declared<SocketAddr>],
    findings: &mut Vec<Finding>,
) -> Option<Destination> {
    let first = servers.first()?;
    if first.ip() == AZURE_PROVIDED_DNS {
        return own.map(|own| Destination::Network((*own.name).clone()));
    }
    let to_network = |network: &VirtualNetwork| Some(Destination::Network((*network.name).clone()));
    // On another port than DNS has there is no Azure service.
    let networks: Vec<_> = match first.port() {
        PORT => standing_in(declaration, first.ip()),
        _ => Vec::new(),
    };
    match networks.as_slice() {
        [] => Some(Destination::Servers(servers.iter().map(|server| **server).collect())),
        [network] => to_network(network),
        several => match own.filter(|own| several.iter().any(|network| network.name == own.name)) {
            Some(own) => to_network(own),
            None => {
                let names = several.iter().map(|network| network.name.as_str());
                findings.push(Finding::error(
                    first.origin,
                    format!("{} may stand in any of the virtual networks {}", first.ip(), super::check::quoted(names)),
                    "write it as inbound_endpoints of the one that is meant",
                ));
                None
            }
        },
    }
}

/// Networks that have an inbound endpoint of that address; without one, those whose address space holds it.
fn standing_in(declaration: &Declaration, address: IpAddr) -> Vec<&VirtualNetwork> {
    let networks = || declaration.virtual_networks.iter();
    let endpoint: Vec<_> =
        networks().filter(|network| network.inbound_endpoints.iter().any(|endpoint| **endpoint == address)).collect();
    if !endpoint.is_empty() {
        return endpoint;
    }
    networks().filter(|network| network.address_space.iter().any(|prefix| prefix.contains(&address))).collect()
}

fn ruleset(
    declaration: &Declaration,
    ruleset: &DnsForwardingRuleset,
    forwarding: &mut Forwarding,
    findings: &mut Vec<Finding>,
) {
    let mut domains = BTreeSet::new();
    let mut too_many = |count, most, what: &str| {
        if count > most && declaration.limits == Limits::Azure {
            let what = format!("ruleset \"{}\" has {count} {what}; Azure allows {most}", ruleset.name);
            findings.push(Finding::error(ruleset.name.origin, what, "make a second ruleset"));
        }
    };
    too_many(ruleset.rules.len(), RULES, "rules");
    too_many(ruleset.virtual_networks.len(), LINKS, "links");
    for rule in &ruleset.rules {
        let domain_name = &rule.domain_name;
        if !domains.insert(&**domain_name) {
            findings.push(Finding::error(
                domain_name.origin,
                format!("ruleset \"{}\" has a rule for {} already", ruleset.name, **domain_name),
                "write all target servers into one rule",
            ));
        }
        if domain_name.as_ref().labels().count() > LABELS {
            findings.push(Finding::error(
                domain_name.origin,
                format!("the domain {} has more than {LABELS} labels", **domain_name),
                "write a shorter one, or \".\" for all names",
            ));
        }
        if let Some(target) = rule.target_dns_servers.iter().find(|target| target.ip() == AZURE_PROVIDED_DNS) {
            findings.push(Finding::error(
                target.origin,
                format!("{AZURE_PROVIDED_DNS} cannot be the target of a rule"),
                "leave the rule out: names without one are asked there",
            ));
            continue;
        }
        if let Some(target) = rule.target_dns_servers.get(TARGETS) {
            findings.push(Finding::error(
                target.origin,
                format!("a rule has at most {TARGETS} target servers"),
                "keep the first six: the others would hardly be asked",
            ));
        }
        let destination = destination(declaration, None, &rule.target_dns_servers, findings);
        if let Some(destination) = destination.filter(|_| rule.is_enabled) {
            forwarding.rules.push(Rule {
                ruleset: (*ruleset.name).clone(),
                domain_name: (**domain_name).clone(),
                destination,
                virtual_networks: ruleset.virtual_networks.iter().map(|network| (**network).clone()).collect(),
            });
        }
    }
}

fn policy(policy: &DnsSecurityPolicy, forwarding: &mut Forwarding, findings: &mut Vec<Finding>) {
    let mut priorities = BTreeSet::new();
    for rule in &policy.rules {
        if !priorities.insert(*rule.priority) {
            findings.push(Finding::error(
                rule.priority.origin,
                format!("policy \"{}\" has a rule of priority {} already", policy.name, rule.priority),
                "give each rule a priority of its own; the lowest number counts",
            ));
        }
        if rule.is_enabled {
            forwarding.security_rules.push(SecurityRule {
                policy: (*policy.name).clone(),
                priority: *rule.priority,
                action: rule.action,
                domains: rule.domains.iter().map(|domain| (**domain).clone()).collect(),
                virtual_networks: policy.virtual_networks.iter().map(|network| (**network).clone()).collect(),
            });
        }
    }
}

/// Reports rules that send a query round in a circle: the network that answers has a rule for the name, too, and no zone.
fn loops(declaration: &Declaration, forwarding: &Forwarding, zones: &[ZoneContents], findings: &mut Vec<Finding>) {
    for ruleset in &declaration.dns_forwarding_rulesets {
        for rule in ruleset.rules.iter().filter(|rule| rule.is_enabled) {
            let walks = ruleset.virtual_networks.iter().filter_map(|network| {
                circle(forwarding, zones, network, &rule.domain_name).filter(|walk| walk.first() == walk.last())
            });
            let Some(walk) = walks.into_iter().next() else { continue };
            findings.push(Finding::warning(
                rule.domain_name.origin,
                format!(
                    "queries for names below {} go round in a circle, {}, and are never answered",
                    *rule.domain_name,
                    walk.join(" → ")
                ),
                "unlink the ruleset from the network that is the rule's target, or link the zone to that network",
            ));
        }
    }
}

/// The networks that a query for a domain passes, where it comes back to one of them.
fn circle<'a>(
    forwarding: &'a Forwarding,
    zones: &[ZoneContents],
    start: &'a str,
    domain: &Name,
) -> Option<Vec<&'a str>> {
    let mut walk = vec![start];
    loop {
        let here = *walk.last()?;
        let is_linked = |zone: &ZoneContents| match &zone.scope {
            Scope::Private { links, .. } => links.contains_key(here) && domain.as_ref().is_within(zone.apex.as_ref()),
            _ => false,
        };
        if zones.iter().any(is_linked) {
            return None;
        }
        let rules = forwarding.rules.iter().filter(|rule| {
            rule.virtual_networks.iter().any(|network| network == here)
                && domain.as_ref().is_within(rule.domain_name.as_ref())
        });
        let rule = rules.max_by_key(|rule| rule.domain_name.as_wire().len())?;
        let Destination::Network(next) = &rule.destination else { return None };
        let is_circle = walk.contains(&next.as_str());
        walk.push(next);
        if is_circle {
            return Some(walk);
        }
    }
}
