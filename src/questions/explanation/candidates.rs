//! Everything that could answer for a name, used or not.

use serde::Serialize;

use super::{Asked, network_of};
use crate::azure::{self, NetworkId, Scope, ZoneContents};
use crate::dns::{Name, NameRef};
use crate::trail::{Destination, Hop, ResolutionPolicy, Step};
use crate::view::LinkedZone;

/// Something that could answer for a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Candidate {
    /// Its kind.
    pub kind: CandidateKind,
    /// The zone's apex, the rule's domain, or the address of a server.
    pub name: String,
    /// The resource group of a private zone.
    pub resource_group: Option<String>,
    /// The ruleset of a forwarding rule.
    pub ruleset: Option<String>,
    /// The networks that a private zone is linked to.
    pub linked_to: Vec<String>,
    /// The name of the link to the asker's network.
    pub link: Option<String>,
    /// Its resolution policy.
    pub resolution_policy: Option<ResolutionPolicy>,
    /// The destination of a rule.
    pub leads_to: Option<Destination>,
    /// Whether a zone has the name.
    pub holds_name: Option<bool>,
    /// Whether it was used.
    pub is_chosen: bool,
}

/// What can answer for a name, in order of precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CandidateKind {
    /// A rule of the network's DNS security policy.
    SecurityRule,
    /// A private zone that is linked to the network: the one with the longest apex is used.
    LinkedZone,
    /// A private zone that matches the name but is linked to other networks only.
    ZoneOfOthers,
    /// A rule of the network's forwarding ruleset: the one with the longest domain is used.
    ForwardingRule,
    /// A zone that the network has for its own machines.
    InternalZone,
    /// A public zone.
    PublicZone,
    /// The upstream, for names in no zone here.
    Upstream,
}

impl Candidate {
    fn new(kind: CandidateKind, name: String, is_chosen: bool) -> Self {
        Self {
            kind,
            name,
            resource_group: None,
            ruleset: None,
            linked_to: Vec::new(),
            link: None,
            resolution_policy: None,
            leads_to: None,
            holds_name: None,
            is_chosen,
        }
    }
}

/// Everything that could answer for a name.
pub(super) fn candidates(world: &Asked<'_>, hop: &Hop) -> Vec<Candidate> {
    let Asked { topology, snapshot } = world;
    let (name, folded) = (hop.qname.as_ref(), hop.qname.as_ref().fold());
    let network = network_of(world, hop);
    let has = |is_it: &dyn Fn(&Step) -> bool| hop.steps.iter().any(is_it);
    let mut candidates = Vec::new();
    if let Some(network) = network {
        candidates.extend(security_rules(world, network, hop));
        candidates.extend(private_zones(world, network, hop));
        candidates.extend(forwarding_rules(world, network, hop));
    }
    let contents = |linked: LinkedZone| snapshot.place_of(linked.zone).map(|place| &topology.zones()[place]);
    if let Some(contents) = snapshot.internal_zone(hop.view, &folded).and_then(contents) {
        let is_chosen = has(&|step| matches!(step, Step::InternalZone { .. }));
        candidates.push(of_zone(CandidateKind::InternalZone, contents, name, is_chosen));
    }
    if let Some(contents) = snapshot.public_zone(&folded).and_then(contents) {
        let is_chosen = has(&|step| matches!(step, Step::PublicZone { .. }));
        candidates.push(of_zone(CandidateKind::PublicZone, contents, name, is_chosen));
    }
    if let Some(servers) = snapshot.upstream(hop.view) {
        let is_chosen = has(&|step| *step == Step::Upstream);
        let servers = servers.addresses().to_vec();
        let names: Vec<_> = servers.iter().map(ToString::to_string).collect();
        let upstream = Candidate::new(CandidateKind::Upstream, names.join(", "), is_chosen);
        candidates.push(Candidate { leads_to: Some(Destination::Servers(servers)), ..upstream });
    }
    candidates
}

fn of_zone(kind: CandidateKind, contents: &ZoneContents, name: NameRef<'_>, is_chosen: bool) -> Candidate {
    let candidate = Candidate::new(kind, contents.apex.to_string(), is_chosen);
    Candidate { holds_name: Some(contents.has_records_at(name)), ..candidate }
}

fn security_rules(world: &Asked<'_>, network: NetworkId, hop: &Hop) -> Vec<Candidate> {
    let rules = world.topology.forwarding().security_rules.iter();
    let fits = |domain: &&Name| hop.qname.as_ref().is_within(domain.as_ref());
    let mut fitting: Vec<_> = rules
        .filter(|rule| rule.virtual_networks.contains(&network))
        .filter_map(|rule| Some((rule.priority, rule.domains.iter().find(fits)?)))
        .collect();
    fitting.sort();
    let had_a_say = hop.steps.iter().any(|step| matches!(step, Step::SecurityPolicy { .. }));
    let candidates = fitting
        .into_iter()
        .enumerate()
        .map(|(at, (_, domain))| Candidate::new(CandidateKind::SecurityRule, domain.to_string(), at == 0 && had_a_say));
    candidates.collect()
}

fn private_zones(world: &Asked<'_>, network: NetworkId, hop: &Hop) -> Vec<Candidate> {
    let topology = &world.topology;
    let chosen = hop.steps.iter().find_map(|step| match step {
        Step::PrivateZone { zone, .. } => Some(zone.number),
        _ => None,
    });
    let name = hop.qname.as_ref();
    let mut linked = Vec::new();
    let mut of_others = Vec::new();
    for (at, contents) in topology.zones().iter().enumerate() {
        let Scope::Private { id, links } = &contents.scope else { continue };
        if !name.is_within(contents.apex.as_ref()) {
            continue;
        }
        let policy = links.get(network);
        let kind = if policy.is_some() { CandidateKind::LinkedZone } else { CandidateKind::ZoneOfOthers };
        let is_chosen = chosen == Some(world.snapshot.zone_at(at));
        let candidate = Candidate {
            resource_group: Some(id.resource_group().name().to_owned()),
            linked_to: links.networks().map(|network| topology.network_label(network).to_owned()).collect(),
            link: policy.and_then(|_| topology.link_name(at, network)),
            resolution_policy: policy.map(ResolutionPolicy::from),
            ..of_zone(kind, contents, name, is_chosen)
        };
        if policy.is_some() { &mut linked } else { &mut of_others }.push((contents.apex.as_wire().len(), candidate));
    }
    // The longest apex comes first.
    linked.sort_by_key(|(length, _)| usize::MAX - length);
    linked.into_iter().chain(of_others).map(|(_, candidate)| candidate).collect()
}

fn forwarding_rules(world: &Asked<'_>, network: NetworkId, hop: &Hop) -> Vec<Candidate> {
    let topology = &world.topology;
    let chosen = hop.steps.iter().find_map(|step| match step {
        Step::ForwardingRule(rule) => Some(rule.domain.as_str()),
        _ => None,
    });
    let rules = topology.forwarding().rules.iter().filter(|rule| {
        rule.virtual_networks.contains(&network) && hop.qname.as_ref().is_within(rule.domain_name.as_ref())
    });
    let mut rules: Vec<_> = rules.collect();
    rules.sort_by_key(|rule| usize::MAX - rule.domain_name.as_wire().len());
    let candidates = rules.into_iter().map(|rule| {
        let domain = rule.domain_name.to_string();
        let is_chosen = chosen == Some(&domain);
        Candidate {
            ruleset: Some(rule.label.clone()),
            leads_to: Some(match &rule.destination {
                azure::Destination::Network(network) => {
                    Destination::Network(topology.network_label(*network).to_owned())
                }
                azure::Destination::Servers(servers) => Destination::Servers(servers.addresses().to_vec()),
                azure::Destination::Unknown => Destination::Unknown,
            }),
            ..Candidate::new(CandidateKind::ForwardingRule, domain, is_chosen)
        }
    });
    candidates.collect()
}
