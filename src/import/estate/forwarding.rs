//! DNS forwarding rulesets and DNS security policies.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use serde_json::Value;

use super::networks::Networks;
use super::{Estate, heading, places};
use crate::azure::ResourceId;
use crate::import::Place;
use crate::import::join::Joined;
use crate::import::toml::{Toml, comment, list, quoted, table};
use crate::import::value::{address, list as elements, number, reference, text, texts};

const RULESET: &str = "microsoft.network/dnsforwardingrulesets";
const POLICY: &str = "microsoft.network/dnsresolverpolicies";

/// Rulesets, then policies.
pub(super) struct Forwarding {
    parents: Vec<Parent>,
    by_id: HashMap<ResourceId, usize>,
}

/// A ruleset or a policy.
struct Parent {
    id: ResourceId,
    places: Vec<Place>,
    is_policy: bool,
    links: Vec<(String, ResourceId, Place)>,
    /// Keys and values of each rule.
    rules: Vec<(Vec<(&'static str, String)>, Place)>,
}

impl Forwarding {
    pub(super) fn collect(estate: &mut Estate<'_>, networks: &mut Networks) -> Self {
        let resources = estate.resources;
        let mut parents = Vec::new();
        for (kind, is_policy) in [(RULESET, false), (POLICY, true)] {
            for resource in resources.of_kind(kind) {
                let (id, places) = (resource.id.clone(), resource.places.clone());
                parents.push(Parent { id, places, is_policy, links: Vec::new(), rules: Vec::new() });
            }
        }
        let numbered = parents.iter().enumerate().map(|(number, parent): (usize, &Parent)| (parent.id.clone(), number));
        let mut forwarding = Self { by_id: numbered.collect(), parents };
        for resource in &resources.all {
            let Some((kind, child)) = resource.kind.rsplit_once('/') else { continue };
            if kind != RULESET && kind != POLICY {
                continue;
            }
            let Some(number) = forwarding.parent(resource, kind == POLICY) else { continue };
            match child {
                "virtualnetworklinks" => {
                    let network = reference(&resource.body, "virtualNetwork");
                    let Some(network) = estate.reference(resource, "network", network) else {
                        let why =
                            super::zones::unknown_member(&resource.body, "virtualNetwork", "its network is not told");
                        estate.leave_out(&resource.places[0], format!("link {}", resource.id.names()), why);
                        continue;
                    };
                    networks.refer(estate, &network, resource);
                    let link = (resource.id.name().to_owned(), network, resource.places[0].clone());
                    forwarding.parents[number].links.push(link);
                }
                "forwardingrules" | "dnssecurityrules" => {
                    let rule = if child == "forwardingrules" {
                        forwarding_rule(resource)
                    } else {
                        security_rule(estate, resource)
                    };
                    match rule {
                        Ok(rule) => forwarding.parents[number].rules.push((rule, resource.places[0].clone())),
                        Err(why) => estate.leave_out(&resource.places[0], format!("rule {}", resource.id.names()), why),
                    }
                }
                _ => {}
            }
        }
        forwarding
    }

    /// The parent of a resource, created where the files only refer to it.
    fn parent(&mut self, resource: &Joined, is_policy: bool) -> Option<usize> {
        let id = resource.id.parent()?;
        if let Some(number) = self.by_id.get(&id) {
            return Some(*number);
        }
        self.by_id.insert(id.clone(), self.parents.len());
        let places = vec![resource.places[0].clone()];
        self.parents.push(Parent { id, places, is_policy, links: Vec::new(), rules: Vec::new() });
        Some(self.parents.len() - 1)
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = &ResourceId> {
        self.parents.iter().map(|parent| &parent.id)
    }

    pub(super) fn write(&self, estate: &Estate<'_>, toml: &mut Toml) {
        for (title, table_name, rules, is_policy) in [
            ("DNS forwarding rulesets", "dns_forwarding_ruleset", "forwarding_rule", false),
            ("DNS security policies", "dns_security_policy", "dns_security_rule", true),
        ] {
            let parents: Vec<_> = self.parents.iter().filter(|parent| parent.is_policy == is_policy).collect();
            if !parents.is_empty() {
                heading(title, toml);
            }
            for parent in parents {
                toml.gap();
                toml.from(places(&parent.places));
                toml.comment(&places(&parent.places));
                toml.line(&format!("[[{table_name}]]"));
                estate.identity(&parent.id, parent.id.name(), toml);
                if !parent.links.is_empty() {
                    toml.line("virtual_network_links = [");
                    for (name, network, place) in &parent.links {
                        toml.from(place);
                        let link = table([("virtual_network", estate.quoted_label(network)), ("name", quoted(name))]);
                        toml.line(&format!("    {link}, {}", comment(&place.to_string())));
                    }
                    toml.line("]");
                }
                if !parent.rules.is_empty() {
                    toml.line(&format!("{rules} = ["));
                    for (rule, place) in &parent.rules {
                        toml.from(place);
                        let rule = table(rule.iter().map(|(key, value)| (*key, value.clone())));
                        toml.line(&format!("    {rule}, {}", comment(&place.to_string())));
                    }
                    toml.line("]");
                }
            }
        }
    }
}

fn forwarding_rule(resource: &Joined) -> Result<Vec<(&'static str, String)>, String> {
    let body = &resource.body;
    let domain = text(body, "domainName")
        .ok_or_else(|| super::zones::unknown_member(body, "domainName", "its domain is not told"))?;
    let server = |server: &Value| -> Option<String> {
        let address: IpAddr = address(server, "ipAddress")?;
        let port = number(server, "port").unwrap_or(53);
        Some(if port == 53 {
            address.to_string()
        } else {
            SocketAddr::new(address, u16::try_from(port).ok()?).to_string()
        })
    };
    let servers: Option<Vec<_>> = elements(body, "targetDnsServers").iter().map(server).collect();
    let servers = servers.filter(|servers| !servers.is_empty());
    let servers = servers.ok_or_else(|| {
        super::zones::unknown_member(body, "targetDnsServers", "the addresses of its target servers are not told")
    })?;
    let mut rule = vec![
        ("name", quoted(resource.id.name())),
        ("domain_name", quoted(domain)),
        ("target_dns_servers", list(servers)),
    ];
    if text(body, "forwardingRuleState").is_some_and(|state| state.eq_ignore_ascii_case("Disabled")) {
        rule.push(("state", quoted("Disabled")));
    }
    Ok(rule)
}

fn security_rule(estate: &mut Estate<'_>, resource: &Joined) -> Result<Vec<(&'static str, String)>, String> {
    let body = &resource.body;
    let priority = number(body, "priority").ok_or("its priority is not told")?;
    let action = crate::import::value::get(body, "action").and_then(|action| text(action, "actionType"));
    let action = match action.map(str::to_ascii_lowercase).as_deref() {
        Some("allow") => "Allow",
        Some("alert") => "Alert",
        Some("block") => "Block",
        _ => return Err("its action is not told".to_owned()),
    };
    let mut domains = Vec::new();
    for domain_list in elements(body, "dnsResolverDomainLists") {
        let id = estate.reference(resource, "domain list", text(domain_list, "id"));
        let id = id.ok_or("one of its domain lists is not told")?;
        let known = estate.resources.get(&id);
        let known = known.ok_or_else(|| format!("its domain list {} is in none of the files", id.names()))?;
        domains.extend(texts(&known.body, "domains"));
    }
    if domains.is_empty() {
        return Err("its domains are not told".to_owned());
    }
    let mut rule = vec![
        ("name", quoted(resource.id.name())),
        ("priority", priority.to_string()),
        ("action", quoted(action)),
        ("domains", list(domains)),
    ];
    if text(body, "dnsSecurityRuleState").is_some_and(|state| state.eq_ignore_ascii_case("Disabled")) {
        rule.push(("state", quoted("Disabled")));
    }
    Ok(rule)
}
