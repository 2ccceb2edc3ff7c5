//! Checks custom DNS servers, DNS forwarding rulesets and DNS security policies, and finds forwarding loops.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;

use super::{links, missing_network, unique_as};
use crate::azure::contents::{NetworkId, Scope, ZoneContents};
use crate::azure::declaration::{
    AZURE_PROVIDED_DNS, Address, Declared, DnsForwardingRuleset, DnsSecurityPolicy, Limits, Link, Origin,
    VirtualNetwork,
};
use crate::azure::derive::{Destination, Forwarding, Rule, standing_in};
use crate::azure::finding::Finding;
use crate::azure::identity::ResourceId;
use crate::azure::inventory::Inventory;
use crate::codes::Code;
use crate::dns::Name;

/// Target servers of a rule (limits of Azure DNS Private Resolver).
const TARGETS: usize = 6;
/// Labels of a rule's domain.
const LABELS: usize = 34;
/// Rules of a ruleset.
const RULES: usize = 1000;
/// Virtual network links of a ruleset.
const LINKS: usize = 500;

/// Checks all of these declarations and where they lead.
pub(in crate::azure) fn forwarding(
    inventory: &Inventory,
    forwarding: &Forwarding,
    zones: &[ZoneContents],
    findings: &mut Vec<Finding>,
) {
    one_each("DNS forwarding ruleset", inventory, rulesets(inventory), findings);
    one_each("DNS security policy", inventory, policies(inventory), findings);
    let endpoints = inventory.inbound_endpoints.iter();
    unique_as(
        "inbound endpoint",
        endpoints.map(|endpoint| (Declared::new(&*endpoint.id, endpoint.id.origin), || endpoint.id.to_string())),
        findings,
    );
    for endpoint in &inventory.inbound_endpoints {
        if inventory.number(&endpoint.virtual_network).is_none() {
            missing_network(inventory, &endpoint.virtual_network, findings);
        }
    }
    for (number, network) in inventory.numbered_networks() {
        servers(inventory, number, network, findings);
    }
    for ruleset in &inventory.dns_forwarding_rulesets {
        self::ruleset(inventory, ruleset, findings);
    }
    for policy in &inventory.dns_security_policies {
        self::policy(inventory, policy, findings);
    }
    loops(inventory, forwarding, zones, findings);
}

type Linked<'a> = (&'a Declared<ResourceId>, &'a [Link]);

fn rulesets(inventory: &Inventory) -> impl Iterator<Item = Linked<'_>> {
    inventory.dns_forwarding_rulesets.iter().map(|ruleset| (&ruleset.id, &ruleset.links[..]))
}

fn policies(inventory: &Inventory) -> impl Iterator<Item = Linked<'_>> {
    inventory.dns_security_policies.iter().map(|policy| (&policy.id, &policy.links[..]))
}

/// Checks that identities are unique, linked networks exist, and each network has at most one link of the kind.
fn one_each<'a>(
    kind: &str,
    inventory: &Inventory,
    linked: impl Iterator<Item = Linked<'a>>,
    findings: &mut Vec<Finding>,
) {
    let mut ids = Vec::new();
    let mut of_network: HashMap<NetworkId, &ResourceId> = HashMap::new();
    for (id, links) in linked {
        ids.push((Declared::new(&**id, id.origin), || inventory.label(id)));
        if links.is_empty() {
            findings.push(Finding::new(
                Code::RulesetWithoutLink,
                id.origin,
                format!("{kind} \"{}\" is linked to no virtual network: its rules are never used", inventory.label(id)),
                "write virtual_network_links = [{ virtual_network = \"NAME\" }]",
            ));
        }
        for network in links.iter().map(|link| &link.virtual_network) {
            let Some(number) = inventory.number(network) else {
                missing_network(inventory, network, findings);
                continue;
            };
            if let Some(other) = of_network.insert(number, id) {
                findings.push(Finding::new(
                    Code::RulesetLinkedTwice,
                    network.origin,
                    format!(
                        "virtual network \"{}\" is linked to {kind} \"{}\" already; it can have one",
                        inventory.label(network),
                        inventory.label(other)
                    ),
                    "remove one of the two links",
                ));
            }
        }
        links::unique_names(links.iter(), findings);
    }
    unique_as(kind, ids.into_iter(), findings);
}

fn servers(inventory: &Inventory, number: NetworkId, network: &VirtualNetwork, findings: &mut Vec<Finding>) {
    for endpoint in inventory.inbound_endpoints(network) {
        // For a network without an address space, nothing is known to lie outside of it.
        let space = &network.address_space;
        let is_within = |address| space.is_empty() || space.iter().any(|prefix| prefix.contains(&address));
        if !endpoint.known().is_none_or(is_within) {
            findings.push(Finding::new(
                Code::AddressOutside,
                endpoint.origin,
                format!(
                    "{endpoint} is not in the address space of virtual network \"{}\"",
                    inventory.label(&network.id)
                ),
                "an inbound endpoint has an address of its network",
            ));
        }
    }
    one_place(inventory, Some(number), &network.dns_servers, findings);
}

/// Warns if a server after the first is in another place than the first: it is not asked, or not for what it is.
fn one_place(
    inventory: &Inventory,
    own: Option<NetworkId>,
    servers: &[Declared<Address<SocketAddr>>],
    findings: &mut Vec<Finding>,
) {
    let mut servers = servers.iter().filter_map(|server| Some((server.known()?, server.origin)));
    let Some((first, _)) = servers.next() else { return };
    let networks = |server| standing_in(inventory, own, server);
    if let Some((other, origin)) = servers.find(|(other, _)| networks(*other) != networks(first)) {
        findings.push(Finding::new(
            Code::MixedDnsServers,
            origin,
            format!(
                "{} does not stand where {} does, and the first server alone decides who answers",
                other.ip(),
                first.ip()
            ),
            "write the addresses of one declared network, or of none",
        ));
    }
}

fn ruleset(inventory: &Inventory, ruleset: &DnsForwardingRuleset, findings: &mut Vec<Finding>) {
    let mut domains = BTreeSet::new();
    let names = ruleset.rules.iter().map(|rule| (rule.name(), rule.name.as_ref(), rule.domain_name.origin));
    unique_rules(names, findings);
    let mut too_many = |count, most, what: &str| {
        if count > most && inventory.limits != Limits::Off {
            let what = format!("ruleset \"{}\" has {count} {what}; Azure allows {most}", inventory.label(&ruleset.id));
            findings.push(Finding::new(Code::AzureLimit, ruleset.id.origin, what, "make a second ruleset"));
        }
    };
    too_many(ruleset.rules.len(), RULES, "rules");
    too_many(ruleset.links.len(), LINKS, "links");
    let is_azures = |target: &&Declared<Address<SocketAddr>>| {
        target.known().is_some_and(|target| target.ip() == AZURE_PROVIDED_DNS)
    };
    for rule in &ruleset.rules {
        let domain_name = &rule.domain_name;
        if !domains.insert(&**domain_name) {
            findings.push(Finding::new(
                Code::Duplicate,
                domain_name.origin,
                format!("ruleset \"{}\" has a rule for {} already", inventory.label(&ruleset.id), **domain_name),
                "write all target servers into one rule",
            ));
        }
        if domain_name.as_ref().labels().count() > LABELS {
            findings.push(Finding::new(
                Code::AzureLimit,
                domain_name.origin,
                format!("the domain {} has more than {LABELS} labels", **domain_name),
                "write a shorter one, or \".\" for all names",
            ));
        }
        if let Some(target) = rule.target_dns_servers.iter().find(is_azures) {
            findings.push(Finding::new(
                Code::BadRule,
                target.origin,
                format!("{AZURE_PROVIDED_DNS} cannot be the target of a rule"),
                "leave the rule out: names without one are asked there",
            ));
            continue;
        }
        if let Some(target) = rule.target_dns_servers.get(TARGETS) {
            findings.push(Finding::new(
                Code::AzureLimit,
                target.origin,
                format!("a rule has at most {TARGETS} target servers"),
                "keep the first six: the others would hardly be asked",
            ));
        }
        one_place(inventory, None, &rule.target_dns_servers, findings);
    }
}

fn policy(inventory: &Inventory, policy: &DnsSecurityPolicy, findings: &mut Vec<Finding>) {
    let mut priorities = BTreeSet::new();
    let names = policy.rules.iter().map(|rule| (rule.name(), rule.name.as_ref(), rule.priority.origin));
    unique_rules(names, findings);
    for rule in &policy.rules {
        if !priorities.insert(*rule.priority) {
            findings.push(Finding::new(
                Code::Duplicate,
                rule.priority.origin,
                format!("policy \"{}\" has a rule of priority {} already", inventory.label(&policy.id), rule.priority),
                "give each rule a priority of its own; the lowest number counts",
            ));
        }
    }
}

/// Refuses two rules with one name, if one of the names is given; each comes with what its default name follows from.
fn unique_rules<'a>(
    rules: impl Iterator<Item = (String, Option<&'a Declared<String>>, Origin)>,
    findings: &mut Vec<Finding>,
) {
    let mut seen: HashMap<String, bool> = HashMap::new();
    for (name, given, origin) in rules {
        let is_given = given.is_some();
        // Rules with the same default name have the same domain or priority, and are refused for that.
        if seen.insert(name.to_lowercase(), is_given).is_some_and(|other| other || is_given) {
            let origin = given.map_or(origin, |given| given.origin);
            let what = format!("there is a rule \"{name}\" already");
            findings.push(Finding::new(Code::Duplicate, origin, what, "give each rule a name of its own"));
        }
    }
}

/// Reports forwarding loops: the network that answers has a rule for the name itself, and no zone.
fn loops(inventory: &Inventory, forwarding: &Forwarding, zones: &[ZoneContents], findings: &mut Vec<Finding>) {
    let mut rules_of: BTreeMap<NetworkId, Vec<&Rule>> = BTreeMap::new();
    for rule in &forwarding.rules {
        for network in &rule.virtual_networks {
            rules_of.entry(*network).or_default().push(rule);
        }
    }
    let mut enabled = forwarding.rules.iter();
    for ruleset in &inventory.dns_forwarding_rulesets {
        let linked: Vec<_> = ruleset.links.iter().filter_map(|link| inventory.number(&link.virtual_network)).collect();
        for declared in ruleset.rules.iter().filter(|rule| rule.is_enabled) {
            // Rules with an error are skipped.
            let is_it = |rule: &&Rule| rule.ruleset == *ruleset.id && rule.domain_name == *declared.domain_name;
            let Some(Rule { destination: Destination::Network(target), .. }) = enabled.find(is_it) else { continue };
            let circle = circle(&rules_of, zones, *target, &declared.domain_name);
            // A loop that this rule is not part of is reported for another rule.
            let Some(start) = circle.iter().position(|network| linked.contains(network)) else { continue };
            let walk = circle.iter().cycle().skip(start).take(circle.len() + 1);
            let walk: Vec<_> = walk.map(|network| inventory.network_label(*network)).collect();
            findings.push(Finding::new(
                Code::ForwardingCircle,
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

/// The networks of the loop that a query for a domain enters from a network; empty if it is answered.
fn circle(
    rules_of: &BTreeMap<NetworkId, Vec<&Rule>>,
    zones: &[ZoneContents],
    start: NetworkId,
    domain: &Name,
) -> Vec<NetworkId> {
    let mut walk = vec![start];
    loop {
        let here = walk[walk.len() - 1];
        let is_linked = |zone: &ZoneContents| match &zone.scope {
            Scope::Private { links, .. } => links.contains(here) && domain.as_ref().is_within(zone.apex.as_ref()),
            _ => false,
        };
        if zones.iter().any(is_linked) {
            return Vec::new();
        }
        let rules = rules_of.get(&here).into_iter().flatten();
        let rules = rules.filter(|rule| domain.as_ref().is_within(rule.domain_name.as_ref()));
        let longest = rules.max_by_key(|rule| rule.domain_name.as_wire().len());
        let Some(Destination::Network(next)) = longest.map(|rule| &rule.destination) else { return Vec::new() };
        if let Some(first) = walk.iter().position(|network| network == next) {
            return walk.split_off(first);
        }
        walk.push(*next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::Catalogue;
    use crate::azure::declaration::{Declaration, ForwardingRule, Origin};
    use crate::azure::derive;
    use crate::azure::identity::testing;

    fn declared<T>(value: T) -> Declared<T> {
        Declared::new(value, Origin(0))
    }

    /// How many errors there are for a ruleset of that size, with limits and without.
    fn errors(rules: usize, links: usize) -> [usize; 2] {
        let network = |at| testing::network(&format!("vnet-{at}"));
        let rule = |at| ForwardingRule {
            name: None,
            domain_name: declared(format!("r{at}.test").parse().unwrap()),
            target_dns_servers: vec![declared(Address::Known(([192, 0, 2, 1], 53).into()))],
            is_enabled: true,
        };
        [Limits::Azure, Limits::Off].map(|limits| {
            let declaration = Declaration {
                virtual_networks: (0..links).map(|at| VirtualNetwork::new(network(at))).collect(),
                dns_forwarding_rulesets: vec![DnsForwardingRuleset {
                    id: testing::resource("Microsoft.Network/dnsForwardingRulesets", "r"),
                    links: (0..links).map(|at| Link::to(network(at))).collect(),
                    rules: (0..rules).map(rule).collect(),
                }],
                limits,
                ..Declaration::default()
            };
            let mut findings = Vec::new();
            let inventory = Inventory::new(declaration, &Catalogue::embedded(), None);
            let forwarding = derive::forwarding(&inventory, &mut findings);
            super::forwarding(&inventory, &forwarding, &[], &mut findings);
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
