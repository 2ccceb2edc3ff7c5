//! Who answers where no linked zone does, and what comes before all zones: the order is that of Azure's documents, for each
//! name of a chain anew: security policy, linked zone, rule, public DNS, upstream.

use vnetdns::azure::SecurityAction;

use crate::elsewhere::{Leads, Rule, Said, UPSTREAM, said};
use crate::event::Event;
use crate::labels::{Labels, from_wire, is_within, labels, to_wire};
use crate::model::{ANY, CNAME, Expected, MOST_ALIASES, Model, REFUSED, SERVFAIL, SOA, Set};
use crate::world::network_name;

/// Most times that rules lead from network to network. No document has a number.
const MOST_FORWARDS: usize = 8;
/// Azure keeps more domains than these for itself; the worlds have names in no others.
const RESERVED: [&str; 2] = ["windows.net", "azure.com"];

/// The state of one query.
pub(crate) struct Walk {
    /// The network whose rules count, if any.
    pub(crate) view: Option<String>,
    recursion_desired: bool,
    /// The names answered for so far, the question's first.
    pub(crate) visited: Vec<Labels>,
    /// The zones that answered, by number.
    pub(crate) zones: Vec<usize>,
    forwards: usize,
}

impl Walk {
    fn new(view: Option<&str>, qname: &Labels, recursion_desired: bool) -> Self {
        let view = view.map(str::to_owned);
        Self { view, recursion_desired, visited: vec![qname.clone()], zones: Vec::new(), forwards: 0 }
    }

    /// Goes on with the target of an alias, unless the chain ends before.
    pub(crate) fn follow(&mut self, next: Labels, expected: &mut Expected) -> Option<Labels> {
        // A chain that comes back says nothing new (RFC 1034 §3.6.2): NOERROR with the chain so far.
        let end = if self.visited.len() == MOST_ALIASES {
            Event::AliasBound
        } else if self.visited.contains(&next) {
            Event::AliasLoop
        } else {
            self.visited.push(next.clone());
            return Some(next);
        };
        expected.events.insert(end);
        None
    }
}

impl Expected {
    /// Nobody here has a word on the name.
    pub(crate) fn not_held(&mut self) {
        if self.answer.is_empty() {
            self.rcode = REFUSED;
            self.is_authoritative = false;
            self.events.insert(Event::Refused);
        } else {
            self.events.insert(Event::AliasLeavesServer);
        }
    }

    /// What was said so far counts no longer.
    fn start_over(&mut self, rcode: u16) {
        (self.rcode, self.is_authoritative) = (rcode, false);
        self.answer.clear();
        self.authority.clear();
    }

    fn conclude(&mut self, said: Said) {
        if said.rcode == SERVFAIL {
            self.events.insert(Event::ServersFail);
            return self.start_over(SERVFAIL);
        }
        self.rcode = said.rcode;
        self.authority = said.authority;
    }
}

impl Model {
    pub(crate) fn answer(
        &self,
        network: Option<&str>,
        qname: &Labels,
        qtype: u16,
        recursion_desired: bool,
    ) -> Expected {
        let settings = network.map(|network| &self.settings[network]);
        let mut walk = Walk::new(network, qname, recursion_desired);
        let mut expected = Expected {
            is_authoritative: true,
            recursion_available: self.upstream_serves(network)
                || settings.is_some_and(|settings| {
                    settings.custom_dns.is_some() || settings.rules.iter().any(|rule| rule.is_enabled)
                }),
            view: walk.view.clone(),
            ..Expected::default()
        };
        match settings.and_then(|settings| settings.custom_dns) {
            Some(Leads::Server(server)) => {
                expected.events.insert(Event::CustomDnsOutside);
                self.hand_over(server, &walk, qname, qtype, &mut expected);
                return expected;
            }
            Some(leads) => {
                walk.view = leads.network().map(network_name);
                expected.events.insert(Event::CustomDnsInNetwork);
            }
            None => {}
        }
        self.answer_in(walk, qtype, &mut expected);
        expected
    }

    /// What the network itself knows of a name, without a word of others.
    pub(crate) fn answer_as(&self, network: Option<&str>, qname: &Labels, qtype: u16) -> Expected {
        let mut expected = Expected { is_authoritative: true, ..Expected::default() };
        self.answer_in(Walk::new(network, qname, false), qtype, &mut expected);
        expected
    }

    /// Of the enabled policy rules that fit the name, the action of the one with the lowest number.
    fn action(&self, view: Option<&str>, name: &Labels) -> Option<SecurityAction> {
        let fits = |domains: &[Labels]| domains.iter().any(|domain| is_within(name, domain));
        let rules = self.settings.get(view?)?.policy.iter().filter(|rule| rule.is_enabled && fits(&rule.domains));
        rules.min_by_key(|rule| rule.priority).map(|rule| rule.action)
    }

    /// Whether the policy blocks the name: then that is the answer to the question.
    pub(crate) fn blocks(&self, walk: &Walk, sname: &Labels, expected: &mut Expected) -> bool {
        let Some(action) = self.action(walk.view.as_deref(), sname) else { return false };
        if action != SecurityAction::Block {
            expected.events.insert(Event::Allowed);
            return false;
        }
        expected.events.insert(if expected.answer.is_empty() { Event::Blocked } else { Event::BlockedAfterAlias });
        expected.start_over(0);
        let blocked = labels("blockpolicy.azuredns.invalid");
        let numbers = [1000, 3600, 600, 1800, 60].map(u32::to_be_bytes).concat();
        let names = [labels("ns1.azure-dns.com"), labels("support.azure.com")].map(|name| to_wire(&name)).concat();
        let alias = vec![to_wire(&blocked)];
        expected.answer.push(Set { owner: walk.visited[0].clone(), rtype: CNAME, ttl: 1_006_632_960, rdatas: alias });
        expected.authority.push(Set { owner: blocked, rtype: SOA, ttl: 60, rdatas: vec![[names, numbers].concat()] });
        true
    }

    /// The enabled rule with the longest domain that the name lies within, where no linked zone answers.
    pub(crate) fn rule(
        &self,
        view: Option<&str>,
        name: &Labels,
        has_zone: bool,
        expected: &mut Expected,
    ) -> Option<&Rule> {
        let rules = &self.settings.get(view?)?.rules;
        let mut fitting: Vec<_> =
            rules.iter().filter(|rule| rule.is_enabled && is_within(name, &rule.domain)).collect();
        fitting.sort_by_key(|rule| rule.domain.len());
        let rule = fitting.pop()?;
        if has_zone {
            expected.events.insert(Event::ZoneBeforeRule);
            return None;
        }
        if rule.domain.is_empty() && RESERVED.iter().any(|domain| is_within(name, &labels(domain))) {
            expected.events.insert(Event::ReservedName);
            return None;
        }
        if !fitting.is_empty() {
            expected.events.insert(Event::LongestRule);
        }
        Some(rule)
    }

    /// Goes where a rule leads.
    pub(crate) fn lead(
        &self,
        leads: Leads,
        walk: &mut Walk,
        sname: &Labels,
        qtype: u16,
        expected: &mut Expected,
    ) -> Option<Labels> {
        if !expected.answer.is_empty() {
            expected.events.insert(Event::RuleAfterAlias);
        }
        let network = match leads {
            Leads::Server(server) => {
                expected.events.insert(Event::RuleToServer);
                self.hand_over(server, walk, sname, qtype, expected);
                return None;
            }
            Leads::Endpoint(network) | Leads::Forwarder(network) => network,
        };
        walk.forwards += 1;
        if walk.forwards > MOST_FORWARDS {
            expected.events.insert(Event::Circle);
            expected.start_over(SERVFAIL);
            return None;
        }
        expected.events.insert(Event::RuleToNetwork);
        walk.view = Some(network_name(network));
        Some(sname.clone())
    }

    /// Another server answers for the rest of the chain.
    fn hand_over(&self, server: u8, walk: &Walk, sname: &Labels, qtype: u16, expected: &mut Expected) {
        if !walk.recursion_desired {
            expected.events.insert(Event::NobodyAsked);
            return expected.not_held();
        }
        let mut said = said(server, sname, qtype);
        expected.is_authoritative &= !expected.answer.is_empty();
        expected.answer.append(&mut said.answer);
        expected.conclude(said);
    }

    fn upstream_serves(&self, view: Option<&str>) -> bool {
        self.upstream.is_some_and(|for_outside| view.is_some() || for_outside)
    }

    pub(crate) fn may_ask_upstream(&self, walk: &Walk) -> bool {
        walk.recursion_desired && self.upstream_serves(walk.view.as_deref())
    }

    /// The upstream's answer up to the first alias whose target someone else has a word on.
    pub(crate) fn ask_upstream(
        &self,
        walk: &mut Walk,
        sname: &Labels,
        qtype: u16,
        is_redirect: bool,
        expected: &mut Expected,
    ) -> Option<Labels> {
        expected.events.insert(match walk.view {
            _ if is_redirect => Event::UpstreamForRedirect,
            Some(_) => Event::Upstream,
            None => Event::UpstreamForOutside,
        });
        let mut said = said(UPSTREAM, sname, qtype);
        expected.is_authoritative &= !expected.answer.is_empty();
        for set in std::mem::take(&mut said.answer) {
            let target = (set.rtype == CNAME && qtype != CNAME && qtype != ANY).then(|| from_wire(&set.rdatas[0]));
            expected.answer.push(set);
            let Some(target) = target else { continue };
            let target = walk.follow(target, expected)?;
            if self.has_a_word(walk.view.as_deref(), &target) {
                expected.events.insert(Event::UpstreamAliasComesBack);
                return Some(target);
            }
        }
        expected.conclude(said);
        None
    }

    fn has_a_word(&self, view: Option<&str>, name: &Labels) -> bool {
        let fits = |apex: &Labels| is_within(name, apex);
        let is_seen = |links: &Option<Vec<(String, bool)>>| {
            links.as_ref().is_none_or(|links| links.iter().any(|(network, _)| Some(network.as_str()) == view))
        };
        self.action(view, name).is_some()
            || self.zones.iter().any(|zone| fits(&zone.apex) && is_seen(&zone.links))
            || self.rule(view, name, false, &mut Expected::default()).is_some()
    }
}
