//! Compiles a topology into a snapshot. Pure; meant to run outside the serving threads.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::designated::Designated;
use super::numbers::Numbers;
use super::{
    Before, Destination, ForwardingRule, Generation, Identity, Network, OUTSIDE, RuleId, SecurityRule, ServedZone,
    Snapshot, View, linked,
};
use crate::azure::{
    self, KeyNetworks, NetworkId, ResolutionPolicy, ResourceId, Scope, Strangers, Topology, UnknownNames, ZoneContents,
};
use crate::dns::{Name, NameRef, RecordType, Ttl, rdata};
use crate::parallel;
use crate::view::{
    Belonging, BySuffix, Certificate, CertificateHolder, ExplainedClients, Forwarder, ForwarderId, Identifier, Key,
    KeyHolder, KeyId, LinkedZone, Selector, SelectorRule, SuffixTable, ViewId,
};
use crate::zone::{CompileError, Zone};

/// Unused suffixes that a table may have, besides as many as are used, before it is built again.
const UNUSED_SUFFIXES: usize = 1000;

impl Snapshot {
    /// Compiles a topology into its serving form. Consumes it, so that record sets are not in memory twice for long.
    ///
    /// # Errors
    /// A zone is too large: see [`CompileError`].
    pub fn compile(mut topology: Topology, identity: Identity, generation: Generation) -> Result<Self, CompileError> {
        Self::compile_from(&mut topology, identity, generation, None)
    }

    /// Compiles the topology that follows this snapshot. Zones that are the same in both are shared. An inbound endpoint that the
    /// topology no longer has stays reserved: see [`Belonging::Gone`].
    ///
    /// # Errors
    /// As [`Snapshot::compile`].
    pub fn compile_next(&self, mut topology: Topology, identity: Identity) -> Result<Self, CompileError> {
        let before = Before { snapshot: self, topology: None };
        Self::compile_from(&mut topology, identity, self.generation.next(), Some(before))
    }

    /// As [`Snapshot::compile`] and [`Snapshot::compile_next`], but the caller keeps the topology, with the compiled zones in it.
    pub(crate) fn compile_from(
        topology: &mut Topology,
        identity: Identity,
        generation: Generation,
        before: Option<Before<'_>>,
    ) -> Result<Self, CompileError> {
        let last = before.map(|before| before.snapshot);
        compile_zones(topology, last)?;
        let topology = &*topology;
        let blocked = last.map_or_else(|| blocked().map(Arc::new), |last| Ok(last.blocked.clone()))?;
        let (numbers, go_on) = Numbers::new(topology, last.map(|last| &last.numbers));
        // Items with other numbers cannot be compared.
        let before = before.filter(|_| go_on);
        let zones = served_zones(topology, &numbers, &blocked, generation);
        let mut suffixes = last.and_then(|last| last.suffixes_for(topology)).unwrap_or_default();
        let public = topology.zones().iter().enumerate().filter(|(_, zone)| zone.scope == Scope::Public);
        let public = public.map(|(at, zone)| (zone.apex.as_ref(), linked(&numbers, at, ResolutionPolicy::Default)));
        let public = SuffixTable::list(&mut suffixes, public);
        let networks = Networks { topology, numbers: &numbers, before };
        let (views, sources) = networks.views(&mut suffixes, generation);
        let upstream = topology.forwarding().upstream.as_ref();
        let rules = topology.forwarding().rules.iter().map(|rule| ForwardingRule {
            ruleset: rule.label.as_str().into(),
            domain_name: rule.domain_name.clone(),
            destination: networks.destination(&rule.destination),
        });
        let rules = rules.collect();
        let refuses_strangers = topology.strangers() == Strangers::Refused;
        let reserved = topology.forwarding().reserved.iter().map(|domain| (domain.as_ref(), ()));
        let reserved = SuffixTable::list(&mut suffixes, reserved);
        let mut next = Self {
            generation,
            changed: generation,
            identity,
            zones,
            rules,
            reserved,
            private: private_suffixes(topology, &mut suffixes).into(),
            privacy_changed: generation,
            all_is_private: refuses_strangers || views_differ_elsewhere(topology),
            refuses_strangers,
            refuses_unknown: topology.unknown_names() == UnknownNames::Refused,
            suffixes,
            identifier: networks.identifier(&views, sources, last.map(Self::identifier)).into(),
            alike: alike(&views).into(),
            views: views.into(),
            numbers,
            public,
            upstream: upstream.map(|(servers, _)| servers.clone()),
            blocked,
            cookie_secrets: None,
            network_slots: Arc::default(),
            certificates: Arc::default(),
            faults: None,
            designated: last.map_or_else(|| Designated::new(&[]).map(Arc::new), |last| Ok(last.designated.clone()))?,
        };
        if let Some(before) = before {
            next.carry_over(before.snapshot);
        }
        Ok(next)
    }

    /// The table of suffixes, to be extended for the next topology; `None` if too many of its suffixes would be unused.
    fn suffixes_for(&self, topology: &Topology) -> Option<Arc<SuffixTable>> {
        let forwarding = topology.forwarding();
        let domains = forwarding.security_rules.iter().map(|rule| rule.domains.len()).sum::<usize>();
        let needed = topology.zones().len() + forwarding.rules.len() + forwarding.reserved.len() + domains;
        (self.suffixes.len() <= 2 * needed + UNUSED_SUFFIXES).then(|| self.suffixes.clone())
    }
}

/// The networks of a topology.
struct Networks<'a> {
    topology: &'a Topology,
    numbers: &'a Numbers,
    before: Option<Before<'a>>,
}

/// The rules that apply to a network.
#[derive(Clone, Default)]
struct Rules<'a> {
    forwarding: Vec<(NameRef<'a>, RuleId)>,
    security: Vec<(NameRef<'a>, SecurityRule)>,
}

impl<'a> Networks<'a> {
    /// All views, and the prefixes of their clients.
    fn views(&self, suffixes: &mut Arc<SuffixTable>, generation: Generation) -> (Vec<View>, Vec<SelectorRule>) {
        let topology = self.topology;
        let upstream = topology.forwarding().upstream.as_ref();
        let for_outside = upstream.is_some_and(|(_, for_outside)| *for_outside);
        let mut views = vec![View::default(); self.numbers.view_count];
        views[OUTSIDE.index()].has_upstream = for_outside;
        let mut sources = Vec::new();
        let all_linked = linked::lists(topology, self.numbers, suffixes, self.before);
        let all_internal = linked::by_network(topology, self.numbers, suffixes, |zone| match &zone.scope {
            Scope::Internal { networks } => Some(networks.iter().map(|network| (*network, ResolutionPolicy::Default))),
            Scope::Public | Scope::Private { .. } => None,
        });
        let rules = self.rules();
        let of_networks = topology.numbered_networks().zip(all_linked).zip(all_internal).zip(rules);
        for ((((number, network), linked), internal), rules) in of_networks {
            let view = self.numbers.view(number);
            let custom_dns = topology.forwarding().custom_dns.get(&number);
            views[view.index()] = View {
                network: Some(self.named(number)),
                custom_dns: custom_dns.map(|destination| self.destination(destination)),
                linked,
                rules: SuffixTable::list(suffixes, rules.forwarding),
                security: SuffixTable::list(suffixes, rules.security),
                has_upstream: upstream.is_some(),
                internal,
                ..View::default()
            };
            let prefixes = network.address_space.iter().chain(&network.client_prefixes);
            sources.extend(prefixes.map(|prefix| SelectorRule { prefix: prefix.trunc(), leads_to: view }));
        }
        let interfaces = topology.forwarding().interfaces.iter().zip(self.numbers.interfaces());
        for ((address, network, destination), view) in interfaces {
            sources.push(SelectorRule { prefix: (*address).into(), leads_to: *view });
            views[view.index()] = View {
                network: Some(self.named(*network)),
                custom_dns: Some(self.destination(destination)),
                has_upstream: upstream.is_some(),
                ..View::default()
            };
        }
        let before = self.before.filter(|before| suffixes.extends(&before.snapshot.suffixes));
        for (at, view) in views.iter_mut().enumerate() {
            view.changed = generation;
            view.rehash(before.and_then(|before| before.snapshot.views.get(at)));
        }
        (views, sources)
    }

    fn view(&self, id: &ResourceId) -> Option<ViewId> {
        self.topology.network(id).map(|network| self.numbers.view(network))
    }

    fn named(&self, number: NetworkId) -> Arc<Network> {
        let topology = self.topology;
        let last = self.before.filter(|before| before.topology.is_some_and(|last| topology.has_labels_of(last)));
        let last = last.and_then(|before| before.snapshot.view(self.numbers.view(number)).network.clone());
        let named = || Network {
            number,
            id: (*topology.virtual_network(number).id).clone(),
            reference: topology.network_label(number).into(),
            label: topology.qualified_network(number).into(),
        };
        last.unwrap_or_else(|| Arc::new(named()))
    }

    /// `sources` are the views by source address, `last` is the identifier of the previous generation.
    fn identifier(&self, views: &[View], sources: Vec<SelectorRule>, last: Option<&Identifier>) -> Identifier {
        let topology = self.topology;
        let forwarders = topology.forwarders().iter().map(|forwarder| {
            let is_of = |rule: &SelectorRule| {
                views[rule.leads_to.index()].network.as_ref().is_some_and(|network| forwarder.speaks_for(&network.id))
            };
            // Clients of other networks, even within one of its prefixes, are not clients that it speaks for.
            let (rules, others): (Vec<_>, Vec<_>) = sources.iter().copied().partition(is_of);
            let holes: Vec<_> = others.iter().map(|rule| rule.prefix).collect();
            let prefixes: Vec<_> = forwarder.client_prefixes.iter().map(|prefix| prefix.trunc()).collect();
            Forwarder {
                name: forwarder.name.as_str().into(),
                client_subnet: forwarder.client_subnet,
                proxy_protocol: forwarder.proxy_protocol,
                clients: match prefixes.is_empty() {
                    true => Selector::with_holes(rules, holes),
                    false => Selector::within(&rules, &holes, &prefixes),
                },
            }
        });
        let forwarder_addresses = topology.forwarders().iter().enumerate().flat_map(|(at, forwarder)| {
            let leads_to = ForwarderId::new(at);
            forwarder.addresses.iter().map(move |prefix| SelectorRule { prefix: prefix.trunc(), leads_to })
        });
        let inbound_endpoints = topology.numbered_networks().flat_map(|(number, network)| {
            let leads_to = Belonging::Network(self.numbers.view(number));
            let known = topology.inbound_endpoints(network).filter_map(|address| address.known());
            known.map(move |address| SelectorRule { prefix: address.into(), leads_to })
        });
        // Of two rules with the same prefix the first counts: that of this generation.
        let earlier = last.into_iter().flat_map(|last| last.inbound_endpoints.rules());
        let earlier = earlier.map(|rule| SelectorRule { prefix: rule.prefix, leads_to: Belonging::Gone });
        let inbound_endpoints = inbound_endpoints.chain(earlier);
        let listeners = topology.listener_networks().iter().map(|network| match network {
            None => Belonging::Nobody,
            Some(network) => self.view(network).map_or(Belonging::Gone, Belonging::Network),
        });
        // Without its network, a key is unknown (BADKEY).
        let mut keys: Vec<_> = topology.tsig_keys().iter().filter_map(|key| self.key(key)).collect();
        keys.sort_by(|a, b| a.key.name().cmp(&b.key.name()));
        let mut certificates: Vec<_> =
            topology.client_certificates().iter().filter_map(|shown| self.certificate(topology, shown)).collect();
        certificates.sort_by(|a, b| a.name.cmp(&b.name));
        let explained = topology.explanations().map(|listed| self.explained(listed, views, &keys));
        Identifier {
            explained,
            keys: keys.into(),
            certificates: certificates.into(),
            forwarders: forwarders.collect(),
            forwarder_addresses: Selector::new(forwarder_addresses),
            listeners: listeners.collect(),
            inbound_endpoints: Selector::new(inbound_endpoints),
            sources: Selector::new(sources),
        }
    }

    /// `keys` are those of clients, in the order of their numbers.
    fn explained(&self, listed: &azure::Explanations, views: &[View], keys: &[Key]) -> ExplainedClients {
        let is_of_listed = |(_, view): &(usize, &View)| {
            let network = view.network.as_ref();
            network.is_some_and(|network| listed.virtual_networks.iter().any(|listed| **listed == network.id))
        };
        let views = views.iter().enumerate().filter(is_of_listed).map(|(at, _)| ViewId::new(at));
        let prefixes =
            listed.client_prefixes.iter().map(|prefix| SelectorRule { prefix: prefix.trunc(), leads_to: () });
        let is_listed =
            |(_, key): &(usize, &Key)| listed.tsig_keys.iter().any(|name| (**name).as_ref() == key.key.name());
        let forwarders = self.topology.forwarders().iter().enumerate();
        let forwarders = forwarders
            .filter(|(_, forwarder)| listed.forwarders.iter().any(|name| name.eq_ignore_ascii_case(&forwarder.name)));
        ExplainedClients {
            views: views.collect(),
            prefixes: Selector::new(prefixes),
            keys: keys.iter().enumerate().filter(is_listed).map(|(at, _)| KeyId::new(at)).collect(),
            forwarders: forwarders.map(|(at, _)| ForwarderId::new(at)).collect(),
        }
    }

    /// `None` if the network of the key does not exist.
    fn key(&self, declared: &azure::TsigKey) -> Option<Key> {
        let holder = match &declared.networks {
            Some(KeyNetworks::One(network)) => KeyHolder::Network(self.view(network)?),
            Some(KeyNetworks::All) => KeyHolder::Administrator,
            None => KeyHolder::Anyone,
        };
        Some(Key { key: declared.key.clone(), holder })
    }

    /// `None` if the network or the forwarder of the certificate does not exist.
    fn certificate(&self, topology: &Topology, declared: &azure::ClientCertificate) -> Option<Certificate> {
        let holder = match &declared.holder {
            azure::CertificateHolder::VirtualNetwork(network) => CertificateHolder::Network(self.view(network)?),
            azure::CertificateHolder::Forwarder(name) => {
                let at = topology.forwarders().iter().position(|forwarder| *forwarder.name == **name)?;
                CertificateHolder::Forwarder(ForwarderId::new(at))
            }
        };
        Some(Certificate { name: declared.name.as_str().into(), proof: declared.proof.clone(), holder })
    }

    fn destination(&self, destination: &azure::Destination) -> Destination {
        match destination {
            azure::Destination::Network(network) => Destination::View(self.numbers.view(*network)),
            azure::Destination::Servers(servers) => Destination::Servers(servers.clone()),
            azure::Destination::Unknown => Destination::Unknown,
        }
    }

    /// Groups rules by the networks that they are linked to.
    fn rules(&self) -> Vec<Rules<'a>> {
        let topology = self.topology;
        let mut collected = vec![Rules::default(); topology.network_count()];
        for (at, rule) in topology.forwarding().rules.iter().enumerate() {
            for network in &rule.virtual_networks {
                collected[network.index()].forwarding.push((rule.domain_name.as_ref(), RuleId(at as u32)));
            }
        }
        for rule in &topology.forwarding().security_rules {
            let compiled = SecurityRule { priority: rule.priority, action: rule.action };
            for network in &rule.virtual_networks {
                let domains = rule.domains.iter().map(|domain| (domain.as_ref(), compiled));
                collected[network.index()].security.extend(domains);
            }
        }
        for network in &mut collected {
            // Of rules for the same domain only the first counts.
            network.security.sort_by(|a, b| (a.0, a.1.priority).cmp(&(b.0, b.1.priority)));
            network.security.dedup_by_key(|(domain, _)| *domain);
        }
        collected
    }
}

pub(super) fn linked(numbers: &Numbers, place: usize, resolution_policy: ResolutionPolicy) -> LinkedZone {
    LinkedZone { zone: numbers.zone(place), resolution_policy }
}

/// The suffixes at which views can differ, without duplicates.
fn private_suffixes(topology: &Topology, suffixes: &mut Arc<SuffixTable>) -> BySuffix<()> {
    let zones = topology.zones().iter().filter(|zone| zone.scope != Scope::Public).map(|zone| zone.apex.as_ref());
    let rules = topology.forwarding().rules.iter().map(|rule| rule.domain_name.as_ref());
    let security = topology.forwarding().security_rules.iter().flat_map(|rule| &rule.domains).map(Name::as_ref);
    let names = zones.chain(rules).chain(security);
    let mut private: Vec<_> = names.map(|name| SuffixTable::suffix(suffixes, name)).collect();
    private.sort_unstable();
    private.dedup();
    BySuffix::sorted(private.into_iter().map(|suffix| (suffix, ())))
}

/// Whether names that are in no zone here are forwarded for some views only.
fn views_differ_elsewhere(topology: &Topology) -> bool {
    let forwarding = topology.forwarding();
    let of_interfaces = forwarding.interfaces.iter().map(|(_, _, destination)| destination);
    let mut custom_dns = forwarding.custom_dns.values().chain(of_interfaces);
    custom_dns.any(|destination| !matches!(destination, azure::Destination::Network(_)))
        || forwarding.upstream.as_ref().is_some_and(|(_, for_outside)| !for_outside)
}

/// For each view the first one that sees the same.
fn alike(views: &[View]) -> Box<[ViewId]> {
    let mut firsts: HashMap<u64, Vec<ViewId>> = HashMap::new();
    let first = |(view, at): (&View, usize)| {
        let known = firsts.entry(view.hash).or_default();
        let first = known.iter().find(|first| views[first.index()].sees_the_same(view)).copied();
        first.unwrap_or_else(|| {
            known.push(ViewId::new(at));
            ViewId::new(at)
        })
    };
    views.iter().zip(0..).map(first).collect()
}

/// Minimum number of zones for another thread: fewer are compiled before it has started.
const ZONES_OF_A_THREAD: usize = 32;

/// Compiles the zones that are not compiled yet.
fn compile_zones(topology: &mut Topology, last: Option<&Snapshot>) -> Result<(), CompileError> {
    let is_open = |zone: &&mut ZoneContents| zone.compiled().is_none();
    let mut open: Vec<_> = topology.zones_mut().iter_mut().filter(is_open).collect();
    let apexes: HashSet<Name, foldhash::fast::RandomState> = open.iter().map(|zone| zone.apex.clone()).collect();
    let mut known: HashMap<Name, Vec<&Arc<Zone>>, foldhash::fast::RandomState> = HashMap::default();
    for served in last.into_iter().flat_map(Snapshot::zones) {
        let apex = served.zone.apex().name().to_name();
        if apexes.contains(&apex) {
            known.entry(apex).or_default().push(&served.zone);
        }
    }
    let compiled = parallel::map(&mut open, ZONES_OF_A_THREAD, "compile", |zone| {
        compile(zone, known.get(&zone.apex).map_or(&[][..], Vec::as_slice))
    });
    compiled.into_iter().collect()
}

/// All zones in the order of their numbers; they must be compiled. `nothing` takes the place of unused numbers.
fn served_zones(topology: &Topology, numbers: &Numbers, nothing: &Arc<Zone>, changed: Generation) -> Box<[ServedZone]> {
    let free = ServedZone {
        zone: nothing.clone(),
        id: None,
        is_public: false,
        is_internal: false,
        is_private_link: false,
        is_partial: false,
        place: None,
        changed,
    };
    let mut zones = vec![free; numbers.zone_count].into_boxed_slice();
    for (place, contents) in topology.zones().iter().enumerate() {
        if let Some(served) = served_zone(contents, place, changed) {
            zones[numbers.zone(place).index()] = served;
        }
    }
    zones
}

/// Compiles a zone, unless a known one is equal.
fn compile(contents: &mut ZoneContents, known: &[&Arc<Zone>]) -> Result<(), CompileError> {
    let sources = || contents.record_sets.values().map(azure::source);
    let zone = match known.iter().find(|zone| zone.is_made_of(contents.apex.as_ref(), sources())) {
        Some(zone) => Arc::clone(zone),
        None => Arc::new(Zone::compile(contents.apex.as_ref(), sources())?),
    };
    contents.set_compiled(zone);
    Ok(())
}

/// `None` if the zone is not compiled.
fn served_zone(contents: &ZoneContents, place: usize, changed: Generation) -> Option<ServedZone> {
    let id = match &contents.scope {
        Scope::Private { id, .. } => Some(id.clone()),
        Scope::Public | Scope::Internal { .. } => None,
    };
    Some(ServedZone {
        zone: contents.compiled()?.clone(),
        id,
        is_public: contents.scope == Scope::Public,
        is_internal: matches!(contents.scope, Scope::Internal { .. }),
        is_private_link: contents.is_private_link(),
        is_partial: contents.is_partial,
        place: Some(place),
        changed,
    })
}

/// The zone that answers for blocked names (dns-traffic-log-how-to.md).
fn blocked() -> Result<Zone, CompileError> {
    let name = |name: &str| name.parse::<Name>().expect("a constant of this function");
    let apex = name("blockpolicy.azuredns.invalid");
    let soa = rdata::soa(&name("ns1.azure-dns.com"), &name("support.azure.com"), [1000, 3600, 600, 1800, 60]);
    let ttl = const { Ttl::from_secs(60).unwrap() };
    Zone::compile(apex.as_ref(), [(apex.as_ref(), RecordType::SOA, ttl, &[soa.into_boxed_slice()][..])])
}
