//! Custom DNS servers, DNS forwarding rulesets and DNS security policies: what is refused, and what goes round in a
//! circle.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::{missing, unique};
use crate::azure::contents::{Scope, ZoneContents};
use crate::azure::declaration::{
    AZURE_PROVIDED_DNS, Declaration, Declared, DnsForwardingRuleset, DnsSecurityPolicy, Limits, VirtualNetwork,
};
use crate::azure::derive::{Destination, Forwarding, Rule, standing_in};
use crate::azure::finding::Finding;
use crate::dns::Name;

/// Target servers of a rule (limits of Azure DNS Private Resolver).
const TARGETS: usize = 6;
/// Labels of a rule's domain.
const LABELS: usize = 34;
/// Rules of a ruleset.
const RULES: usize = 1000;
/// Virtual network links of a ruleset.
const LINKS: usize = 500;

/// Checks what was declared of all this, and whom it leads to.
pub(in crate::azure) fn forwarding(
    declaration: &Declaration,
    forwarding: &Forwarding,
    zones: &[ZoneContents],
    findings: &mut Vec<Finding>,
) {
    one_each("DNS forwarding ruleset", declaration, rulesets(declaration), findings);
    one_each("DNS security policy", declaration, policies(declaration), findings);
    for network in &declaration.virtual_networks {
        custom_dns(declaration, network, forwarding, findings);
    }
    for ruleset in &declaration.dns_forwarding_rulesets {
        self::ruleset(declaration, ruleset, findings);
    }
    for policy in &declaration.dns_security_policies {
        self::policy(policy, findings);
    }
    loops(declaration, forwarding, zones, findings);
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
        if networks.is_empty() {
            findings.push(Finding::warning(
                name.origin,
                format!("{kind} \"{name}\" is linked to no virtual network: its rules are never used"),
                "write virtual_network_links = [{ virtual_network = \"NAME\" }]",
            ));
        }
        for network in networks {
            if !declaration.virtual_networks.iter().any(|known| *known.name == **network) {
                let known = declaration.virtual_networks.iter().map(|network| network.name.as_str());
                missing(declaration, "virtual network", network, known, findings);
            } else if let Some(other) = of_network.insert(network, name) {
                findings.push(Finding::error(
                    network.origin,
                    format!("virtual network \"{network}\" is linked to {kind} \"{other}\" already; it can have one"),
                    "remove one of the two links",
                ));
            }
        }
    }
    unique(kind, names.into_iter(), findings);
}

fn custom_dns(
    declaration: &Declaration,
    network: &VirtualNetwork,
    forwarding: &Forwarding,
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
    one_place(declaration, Some(network), &network.dns_servers, findings);
    if first.ip() == AZURE_PROVIDED_DNS {
        return;
    }
    let leads_to = forwarding.custom_dns.get(&*network.name);
    if !matches!(leads_to, Some(Destination::Network(own)) if *own == *network.name) {
        let zones = declaration.private_dns_zones.iter().flat_map(|zone| &zone.virtual_network_links);
        // A link that registers machines has its use.
        let zones = zones.filter(|link| !link.registration_enabled);
        let zones = zones.map(|link| ("private zones", &link.virtual_network));
        let rulesets = declaration.dns_forwarding_rulesets.iter().flat_map(|ruleset| &ruleset.virtual_networks);
        let mut links = zones.chain(rulesets.map(|network| ("forwarding rules", network)));
        if let Some((what, link)) = links.find(|(_, linked)| ***linked == *network.name) {
            findings.push(Finding::warning(
                link.origin,
                format!(
                    "\"{}\" has custom DNS servers: the {what} that are linked to it are not used by its clients",
                    network.name
                ),
                "link them to the network in which its DNS server stands, or take dns_servers away",
            ));
        }
    }
}

/// Warns where a server beside the first stands elsewhere, for it is not asked, or not as what it is.
fn one_place(
    declaration: &Declaration,
    own: Option<&VirtualNetwork>,
    servers: &[Declared<SocketAddr>],
    findings: &mut Vec<Finding>,
) {
    let Some((first, others)) = servers.split_first() else { return };
    let names = |server: &Declared<SocketAddr>| {
        let networks = standing_in(declaration, own, **server);
        networks.iter().map(|network| network.name.as_str()).collect::<Vec<_>>()
    };
    if let Some(other) = others.iter().find(|other| names(other) != names(first)) {
        findings.push(Finding::warning(
            other.origin,
            format!(
                "{} does not stand where {} does, and the first server alone decides who answers",
                other.ip(),
                first.ip()
            ),
            "write the addresses of one declared network, or of none",
        ));
    }
}

fn ruleset(declaration: &Declaration, ruleset: &DnsForwardingRuleset, findings: &mut Vec<Finding>) {
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
        one_place(declaration, None, &rule.target_dns_servers, findings);
    }
}

fn policy(policy: &DnsSecurityPolicy, findings: &mut Vec<Finding>) {
    let mut priorities = BTreeSet::new();
    for rule in &policy.rules {
        if !priorities.insert(*rule.priority) {
            findings.push(Finding::error(
                rule.priority.origin,
                format!("policy \"{}\" has a rule of priority {} already", policy.name, rule.priority),
                "give each rule a priority of its own; the lowest number counts",
            ));
        }
    }
}

/// Reports rules that send a query round in a circle: the network that answers has a rule for the name, too, and no zone.
fn loops(declaration: &Declaration, forwarding: &Forwarding, zones: &[ZoneContents], findings: &mut Vec<Finding>) {
    let mut rules_of: BTreeMap<&str, Vec<&Rule>> = BTreeMap::new();
    for rule in &forwarding.rules {
        for network in &rule.virtual_networks {
            rules_of.entry(network).or_default().push(rule);
        }
    }
    let mut enabled = forwarding.rules.iter();
    for ruleset in &declaration.dns_forwarding_rulesets {
        for declared in ruleset.rules.iter().filter(|rule| rule.is_enabled) {
            // Rules that have an error are not there.
            let is_it = |rule: &&Rule| rule.ruleset == *ruleset.name && rule.domain_name == *declared.domain_name;
            let Some(Rule { destination: Destination::Network(target), .. }) = enabled.find(is_it) else { continue };
            let circle = circle(&rules_of, zones, target, &declared.domain_name);
            // One that this rule only leads into is another rule's.
            let is_linked = |network: &&str| ruleset.virtual_networks.iter().any(|linked| **linked == **network);
            let Some(start) = circle.iter().position(is_linked) else { continue };
            let walk: Vec<_> = circle.iter().cycle().skip(start).take(circle.len() + 1).copied().collect();
            findings.push(Finding::warning(
                declared.domain_name.origin,
                format!(
                    "queries for names below {} go round in a circle, {}, and are never answered",
                    *declared.domain_name,
                    walk.join(" → ")
                ),
                "unlink the ruleset from the network that is the rule's target, or link the zone to that network",
            ));
        }
    }
}

/// The networks between which a query for a domain goes round, once it has come to one network; none where it is
/// answered.
fn circle<'a>(
    rules_of: &BTreeMap<&'a str, Vec<&'a Rule>>,
    zones: &[ZoneContents],
    start: &'a str,
    domain: &Name,
) -> Vec<&'a str> {
    let mut walk = vec![start];
    loop {
        let here = walk[walk.len() - 1];
        let is_linked = |zone: &ZoneContents| match &zone.scope {
            Scope::Private { links, .. } => links.contains_key(here) && domain.as_ref().is_within(zone.apex.as_ref()),
            _ => false,
        };
        if zones.iter().any(is_linked) {
            return Vec::new();
        }
        let rules = rules_of.get(here).into_iter().flatten();
        let rules = rules.filter(|rule| domain.as_ref().is_within(rule.domain_name.as_ref()));
        let longest = rules.max_by_key(|rule| rule.domain_name.as_wire().len());
        let Some(Destination::Network(next)) = longest.map(|rule| &rule.destination) else { return Vec::new() };
        if let Some(first) = walk.iter().position(|network| network == next) {
            return walk.split_off(first);
        }
        walk.push(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::catalogue::Catalogue;
    use crate::azure::declaration::{ForwardingRule, Origin};
    use crate::azure::derive;

    fn declared<T>(value: T) -> Declared<T> {
        Declared::new(value, Origin(0))
    }

    /// How many errors there are for a ruleset of that size, with limits and without.
    fn errors(rules: usize, links: usize) -> [usize; 2] {
        let network = |at| declared(format!("vnet-{at}"));
        let rule = |at| ForwardingRule {
            domain_name: declared(format!("r{at}.test").parse().unwrap()),
            target_dns_servers: vec![declared(([192, 0, 2, 1], 53).into())],
            is_enabled: true,
        };
        [Limits::Azure, Limits::Off].map(|limits| {
            let declaration = Declaration {
                virtual_networks: (0..links)
                    .map(|at| VirtualNetwork { name: network(at), ..VirtualNetwork::default() })
                    .collect(),
                dns_forwarding_rulesets: vec![DnsForwardingRuleset {
                    name: declared("r".to_owned()),
                    virtual_networks: (0..links).map(network).collect(),
                    rules: (0..rules).map(rule).collect(),
                }],
                limits,
                ..Declaration::default()
            };
            let mut findings = Vec::new();
            let forwarding = derive::forwarding(&declaration, &Catalogue::embedded(), &mut findings);
            super::forwarding(&declaration, &forwarding, &[], &mut findings);
            findings.len()
        })
    }

    #[test]
    fn a_ruleset_has_1000_rules_and_500_links() {
        assert_eq!(errors(1000, 500), [0, 0]);
        assert_eq!(errors(1001, 500), [1, 0]);
        assert_eq!(errors(1000, 501), [1, 0]);
    }
}
