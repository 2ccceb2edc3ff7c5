//! Custom DNS servers, forwarding rules, security policies, an upstream, in the test's own words; and the servers outside
//! the world, which all say something that is easily worked out.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, SocketAddr};

use vnetdns::azure::{
    Address, Declaration, Declared, DnsForwardingRuleset, DnsSecurityPolicy, DnsSecurityRule, ForwardingRule, Link,
    Origin, SecurityAction, types,
};
use vnetdns::dns::{RecordType, Ttl};
use vnetdns::resolve::{ForwardQuestion, Reply, ReplySet};

use crate::labels::{Labels, from_wire, labels, lower, text, to_wire};
use crate::model::{A, ANY, CNAME, NXDOMAIN, SERVFAIL, SOA, Set};
use crate::world::{name, network_id, resource};

/// The number of the server that is the upstream.
pub(crate) const UPSTREAM: u8 = 1;
/// Aliases of servers outside lead to these names: some are in most worlds, some in none.
const ALIASES: [&str; 8] = [
    "example",
    "a.example",
    "b.example",
    "a.privatelink.example",
    "b.test",
    "a.privatelink.test",
    "a.elsewhere",
    "b.elsewhere",
];

/// What a network has besides zones.
#[derive(Clone, Default)]
pub(crate) struct Settings {
    pub(crate) custom_dns: Option<Leads>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) policy: Vec<PolicyRule>,
}

/// Where a query is led.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leads {
    /// To the network with this number: its inbound endpoint, or a server that stands in it.
    Endpoint(usize),
    Forwarder(usize),
    /// To a server outside, by number.
    Server(u8),
}

#[derive(Clone)]
pub(crate) struct Rule {
    pub(crate) domain: Labels,
    pub(crate) leads: Leads,
    pub(crate) is_enabled: bool,
}

#[derive(Clone)]
pub(crate) struct PolicyRule {
    pub(crate) priority: u32,
    pub(crate) action: SecurityAction,
    pub(crate) domains: Vec<Labels>,
    pub(crate) is_enabled: bool,
}

impl Leads {
    /// The network, where it is one.
    pub(crate) fn network(self) -> Option<usize> {
        match self {
            Self::Endpoint(network) | Self::Forwarder(network) => Some(network),
            Self::Server(_) => None,
        }
    }
}

impl Settings {
    /// Every network has a ruleset and a policy of its own.
    pub(crate) fn declare(&self, number: usize, declaration: &mut Declaration) {
        let origin = Origin(0);
        let rule = |rule: &Rule| ForwardingRule {
            name: None,
            domain_name: Declared::new(name(&rule.domain), origin),
            target_dns_servers: vec![declared_server(rule.leads)],
            is_enabled: rule.is_enabled,
        };
        let links = || vec![Link::to(network_id(number))];
        declaration.dns_forwarding_rulesets.push(DnsForwardingRuleset {
            id: resource(types::DNS_FORWARDING_RULESET, &format!("rules{number}")),
            links: links(),
            rules: self.rules.iter().map(rule).collect(),
        });
        let rule = |rule: &PolicyRule| DnsSecurityRule {
            name: None,
            priority: Declared::new(rule.priority, origin),
            action: rule.action,
            domains: rule.domains.iter().map(|domain| Declared::new(name(domain), origin)).collect(),
            is_enabled: rule.is_enabled,
        };
        declaration.dns_security_policies.push(DnsSecurityPolicy {
            id: resource(types::DNS_SECURITY_POLICY, &format!("policy{number}")),
            links: links(),
            rules: self.policy.iter().map(rule).collect(),
        });
    }
}

pub(crate) fn inbound_endpoint(network: usize) -> IpAddr {
    [10, network as u8, 255, 4].into()
}

pub(crate) fn declared_server(leads: Leads) -> Declared<Address<SocketAddr>> {
    let server = real_server(leads);
    Declared::new(Address::Known(*server), server.origin)
}

pub(crate) fn real_server(leads: Leads) -> Declared<SocketAddr> {
    let address = match leads {
        Leads::Endpoint(network) => (inbound_endpoint(network), 53).into(),
        Leads::Forwarder(network) => ([10, network as u8, 9, 9], 53).into(),
        Leads::Server(number) => ([192, 0, 2, number], 5300).into(),
    };
    Declared::new(address, Origin(0))
}

/// What a server outside says: RCODE, answer section, authority section.
pub(crate) struct Said {
    pub(crate) rcode: u16,
    pub(crate) answer: Vec<Set>,
    pub(crate) authority: Vec<Set>,
}

/// Every name has a fate at every server: addresses, nothing, one or two aliases to other names, or a failure.
pub(crate) fn said(server: u8, qname: &Labels, qtype: u16) -> Said {
    let mut hasher = DefaultHasher::new();
    (server, qname).hash(&mut hasher);
    let fate = hasher.finish();
    let mut said = Said { rcode: 0, answer: Vec::new(), authority: Vec::new() };
    let aliases = match fate % 8 {
        0..=2 => 0,
        3 => {
            said.rcode = NXDOMAIN;
            said.authority.push(soa());
            return said;
        }
        4 | 5 => 1,
        6 => 2,
        _ => {
            said.rcode = SERVFAIL;
            return said;
        }
    };
    let mut owner = qname.clone();
    for at in 0..aliases {
        let target = labels(ALIASES[(fate / 8) as usize % ALIASES.len() / (at + 1)]);
        if target == owner {
            break;
        }
        said.answer.push(Set { owner, rtype: CNAME, ttl: 40, rdatas: vec![to_wire(&target)] });
        if qtype == CNAME || qtype == ANY {
            return said;
        }
        owner = target;
    }
    if qtype == A || qtype == ANY {
        said.answer.push(Set { owner, rtype: A, ttl: 50, rdatas: vec![vec![192, 0, 2, server]] });
    } else {
        said.authority.push(soa());
    }
    said
}

/// The SOA record of the root, as in a negative answer.
fn soa() -> Set {
    let rdata = [&[0, 0][..], &[0, 0, 0, 7].repeat(5)].concat();
    Set { owner: Labels::new(), rtype: SOA, ttl: 7, rdatas: vec![rdata] }
}

/// The reply to a question of the server under test.
pub(crate) fn reply(question: &ForwardQuestion) -> Reply {
    let IpAddr::V4(address) = question.targets.addresses()[0].ip() else { panic!("no server is there") };
    let said = said(address.octets()[3], &lower(&from_wire(question.qname.as_wire())), question.qtype.into());
    let sets = |sets: Vec<Set>| sets.iter().map(reply_set).collect();
    let (answer, authority) = (sets(said.answer), sets(said.authority));
    Reply { rcode: said.rcode.into(), answer, authority, extended_error: None }
}

fn reply_set(set: &Set) -> ReplySet {
    let ttl = Ttl::from_secs(set.ttl).expect("a small number");
    let rdatas = set.rdatas.iter().map(Vec::as_slice);
    ReplySet::new(name(&set.owner), RecordType::from(set.rtype), ttl, rdatas).expect("short records")
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "custom DNS {:?}", self.custom_dns)?;
        for rule in self.rules.iter().filter(|rule| rule.is_enabled) {
            write!(f, "\n    rule {} to {:?}", text(&rule.domain), rule.leads)?;
        }
        for rule in self.policy.iter().filter(|rule| rule.is_enabled) {
            let domains: Vec<_> = rule.domains.iter().map(|domain| text(domain)).collect();
            write!(f, "\n    policy {} {:?} {}", rule.priority, rule.action, domains.join(" "))?;
        }
        Ok(())
    }
}
