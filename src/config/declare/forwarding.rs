//! Rulesets, policies, DNS servers and the upstream.

use std::net::{IpAddr, SocketAddr};

use toml::Spanned;

use super::Declarer;
use crate::azure::{
    Address, Declared, DnsForwardingRuleset, DnsSecurityPolicy, DnsSecurityRule, ForwardingRule, SecurityAction,
    Upstream, types,
};
use crate::codes::Code;
use crate::config::mirror::{self, State, Text};
use crate::dns::Name;

/// Default port of a DNS server.
const DNS_PORT: u16 = 53;
/// Priorities of DNS security rules (Microsoft.Network/dnsResolverPolicies).
const PRIORITIES: std::ops::RangeInclusive<u32> = 100..=65000;

impl Declarer<'_> {
    pub(super) fn upstream(&mut self, upstream: &mirror::Upstream) -> Option<Upstream> {
        let servers = self.dns_servers(&upstream.servers, Self::real_server)?;
        Some(Upstream { servers, for_outside: upstream.for_outside })
    }

    pub(super) fn ruleset(&mut self, ruleset: &mirror::DnsForwardingRuleset) -> Option<DnsForwardingRuleset> {
        let (subscription, group) = (&ruleset.subscription, &ruleset.resource_group);
        let id = self.id(types::DNS_FORWARDING_RULESET, &ruleset.name, subscription, group);
        let links = self.links(&ruleset.virtual_network_links);
        let rules: Vec<_> = ruleset.forwarding_rule.iter().map(|rule| self.forwarding_rule(rule)).collect();
        Some(DnsForwardingRuleset { id: id?, links: links?, rules: rules.into_iter().collect::<Option<_>>()? })
    }

    fn forwarding_rule(&mut self, rule: &mirror::ForwardingRule) -> Option<ForwardingRule> {
        let name = self.optional_name(&rule.name);
        let domain_name = self.domain(&rule.domain_name);
        let target_dns_servers = self.dns_servers(&rule.target_dns_servers, Self::dns_server);
        Some(ForwardingRule {
            name,
            domain_name: domain_name?,
            target_dns_servers: target_dns_servers?,
            is_enabled: rule.state == State::Enabled,
        })
    }

    pub(super) fn security_policy(&mut self, policy: &mirror::DnsSecurityPolicy) -> Option<DnsSecurityPolicy> {
        let id = self.id(types::DNS_SECURITY_POLICY, &policy.name, &policy.subscription, &policy.resource_group);
        let links = self.links(&policy.virtual_network_links);
        let rules: Vec<_> = policy.dns_security_rule.iter().map(|rule| self.security_rule(rule)).collect();
        Some(DnsSecurityPolicy { id: id?, links: links?, rules: rules.into_iter().collect::<Option<_>>()? })
    }

    fn security_rule(&mut self, rule: &mirror::DnsSecurityRule) -> Option<DnsSecurityRule> {
        if !PRIORITIES.contains(rule.priority.get_ref()) {
            let what = format!("{} is no priority", rule.priority.get_ref());
            let mend = format!("write a number from {} to {}; the lowest counts", PRIORITIES.start(), PRIORITIES.end());
            self.problem(Code::OutOfBounds, &rule.priority, what, mend);
        }
        if rule.domains.get_ref().is_empty() {
            self.problem(Code::BadRule, &rule.domains, "a rule without domains", "name one, or \".\" for all names");
        }
        let domains: Vec<_> = rule.domains.get_ref().iter().map(|domain| self.domain(domain)).collect();
        Some(DnsSecurityRule {
            name: self.optional_name(&rule.name),
            priority: Declared::new(*rule.priority.get_ref(), self.origin(&rule.priority)),
            action: match rule.action {
                mirror::SecurityAction::Allow => SecurityAction::Allow,
                mirror::SecurityAction::Alert => SecurityAction::Alert,
                mirror::SecurityAction::Block => SecurityAction::Block,
            },
            domains: domains.into_iter().collect::<Option<_>>()?,
            is_enabled: rule.state == State::Enabled,
        })
    }

    fn dns_servers<T>(
        &mut self,
        servers: &Spanned<Vec<Text>>,
        read: impl Fn(&mut Self, &Text) -> Option<T>,
    ) -> Option<Vec<T>> {
        if servers.get_ref().is_empty() {
            self.problem(Code::BadRule, servers, "no server to ask", "write the address of one");
            return None;
        }
        let servers: Vec<_> = servers.get_ref().iter().map(|text| read(self, text)).collect();
        servers.into_iter().collect()
    }

    /// A domain name that includes all names below it.
    fn domain(&mut self, text: &Text) -> Option<Declared<Name>> {
        let name = self.name(text)?;
        if name.as_ref().is_wildcard() {
            let below = name.as_ref().parent().map(|parent| parent.to_string()).unwrap_or_default();
            let what = format!("{} is meant as a wildcard, but a domain covers all names below it anyway", *name);
            self.problem(Code::BadRule, text, what, format!("write \"{below}\""));
            return None;
        }
        Some(name)
    }

    /// A DNS server in a network, or one that a network uses; its address may be unknown.
    pub(super) fn dns_server(&mut self, text: &Text) -> Option<Declared<Address<SocketAddr>>> {
        if text.get_ref() == Address::UNKNOWN {
            return Some(Declared::new(Address::Unknown, self.origin(text)));
        }
        let server = self.real_server(text)?;
        Some(Declared::new(Address::Known(*server), server.origin))
    }

    /// An address with an optional port.
    fn real_server(&mut self, text: &Text) -> Option<Declared<SocketAddr>> {
        let address = text.get_ref().parse::<IpAddr>().map(|address| SocketAddr::new(address, DNS_PORT));
        let server = match address {
            Ok(server) => server,
            Err(_) => {
                self.parsed(text, "a DNS server", "write an address, or an address and a port: \"10.0.0.4:5353\"")?
            }
        };
        if server.port() == 0 {
            self.problem(
                Code::BadAddress,
                text,
                "nothing can be sent to port 0",
                "write the server's port, or none for 53",
            );
            return None;
        }
        Some(Declared::new(server, self.origin(text)))
    }
}
