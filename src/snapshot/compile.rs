//! Topology → snapshot. Pure, and meant to run off the threads that serve.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex};
use std::{iter, thread};

use super::designated::Designated;
use super::{
    Destination, ForwardingRule, Generation, Identity, Network, RuleId, SecurityRule, ServedZone, Snapshot, View,
};
use crate::azure::{
    self, KeyNetworks, NetworkId, ResolutionPolicy, ResourceId, Scope, Strangers, Topology, UnknownNames, ZoneContents,
};
use crate::dns::{Name, NameRef, RecordType, Ttl, rdata};
use crate::view::{
    Belonging, BySuffix, Certificate, CertificateHolder, Forwarder, ForwarderId, Identifier, Key, KeyHolder,
    LinkedZone, Selector, SelectorRule, Suffix, SuffixTable, ViewId, ZoneId,
};
use crate::zone::{CompileError, Zone};

impl Snapshot {
    /// Compiles a topology into its serving form. Takes it apart, so that no record set needs memory twice for long.
    ///
    /// # Errors
    /// Where a zone is too large to be held: see [`CompileError`].
    pub fn compile(mut topology: Topology, identity: Identity, generation: Generation) -> Result<Self, CompileError> {
        Self::compile_from(&mut topology, identity, generation, None)
    }

    /// Compiles the topology that comes after this snapshot: the two share the zones that are the same in both. What was an
    /// inbound endpoint here and is none there belongs to nobody else: see [`Belonging::Gone`].
    ///
    /// # Errors
    /// As [`Snapshot::compile`].
    pub fn compile_next(&self, mut topology: Topology, identity: Identity) -> Result<Self, CompileError> {
        Self::compile_from(&mut topology, identity, self.generation.next(), Some(self))
    }

    /// As [`Snapshot::compile`] and [`Snapshot::compile_next`], where the topology lives on with the compiled zones.
    pub(crate) fn compile_from(
        topology: &mut Topology,
        identity: Identity,
        generation: Generation,
        last: Option<&Self>,
    ) -> Result<Self, CompileError> {
        let mut by_apex: HashMap<NameRef<'_>, Vec<&Arc<Zone>>, foldhash::fast::RandomState> = HashMap::default();
        for served in last.map_or(&[][..], |last| &last.zones) {
            by_apex.entry(served.zone.apex().name()).or_default().push(&served.zone);
        }
        let zones = in_parallel(topology.zones_mut(), |zone| {
            let apex = zone.apex.clone();
            let known = by_apex.get(&apex.as_ref()).map_or(&[][..], Vec::as_slice);
            served_zone(zone, known, generation)
        });
        let zones = zones.into_iter().collect::<Result<Box<[_]>, _>>()?;
        let topology = &*topology;
        let mut suffixes = SuffixTable::default();
        let is_public = |at: &usize| topology.zones()[*at].scope == Scope::Public;
        let public = (0..zones.len())
            .filter(is_public)
            .map(|at| (topology.zones()[at].apex.as_ref(), linked(at, ResolutionPolicy::Default)));
        let public = suffixes.list(public);
        let upstream = topology.forwarding().upstream.as_ref();
        let networks = Networks::new(topology);
        let for_outside = upstream.is_some_and(|(_, for_outside)| *for_outside);
        let mut views = vec![View { has_upstream: for_outside, ..View::default() }];
        let mut sources = Vec::new();
        let mut shared = Shared::default();
        for ((number, network), of_network) in topology.numbered_networks().zip(networks.collect(&mut suffixes)) {
            let view = view_of(number);
            let custom_dns = topology.forwarding().custom_dns.get(&number);
            views.push(View {
                network: Some(Arc::new(networks.named(number))),
                custom_dns: custom_dns.map(destination),
                linked: shared.list(of_network.linked),
                rules: suffixes.list(of_network.rules),
                security: suffixes.list(of_network.security),
                has_upstream: upstream.is_some(),
                internal: shared.list(of_network.internal),
                ..View::default()
            });
            let prefixes = network.address_space.iter().chain(&network.client_prefixes);
            sources.extend(prefixes.map(|prefix| SelectorRule { prefix: prefix.trunc(), leads_to: view }));
        }
        for (address, network, destination) in &topology.forwarding().interfaces {
            let view = ViewId::new(views.len());
            sources.push(SelectorRule { prefix: (*address).into(), leads_to: view });
            views.push(View {
                network: Some(Arc::new(networks.named(*network))),
                custom_dns: Some(self::destination(destination)),
                has_upstream: upstream.is_some(),
                ..View::default()
            });
        }
        for view in &mut views {
            view.changed = generation;
            view.rehash();
        }
        let rules = topology.forwarding().rules.iter().map(|rule| ForwardingRule {
            ruleset: rule.label.as_str().into(),
            domain_name: rule.domain_name.clone(),
            destination: destination(&rule.destination),
        });
        let refuses_strangers = topology.strangers() == Strangers::Refused;
        let reserved = topology.forwarding().reserved.iter().map(|domain| (domain.as_ref(), ()));
        let mut next = Self {
            generation,
            changed: generation,
            identity,
            zones,
            rules: rules.collect(),
            reserved: suffixes.list(reserved),
            private: suffixes.list(private_suffixes(topology).into_iter().map(|suffix| (suffix, ()))).into(),
            all_is_private: refuses_strangers || views_differ_elsewhere(topology),
            refuses_strangers,
            refuses_unknown: topology.unknown_names() == UnknownNames::Refused,
            suffixes: suffixes.into(),
            networks: topology.network_count(),
            identifier: networks.identifier(&views, sources, last.map(Self::identifier)).into(),
            alike: alike(&views).into(),
            views: views.into(),
            public,
            upstream: upstream.map(|(servers, _)| servers.clone()),
            blocked: blocked()?.into(),
            cookie_secrets: None,
            network_slots: Arc::default(),
            certificates: Arc::default(),
            designated: Designated::new(&[])?.into(),
        };
        if let Some(last) = last {
            next.carry_over(last);
        }
        Ok(next)
    }
}

/// The networks of a topology; their views have numbers from 1.
struct Networks<'a> {
    topology: &'a Topology,
}

/// What a network has; zones in the order of their suffixes.
#[derive(Clone, Default)]
struct OfNetwork<'a> {
    linked: Vec<(Suffix, LinkedZone)>,
    internal: Vec<(Suffix, LinkedZone)>,
    rules: Vec<(NameRef<'a>, RuleId)>,
    security: Vec<(NameRef<'a>, SecurityRule)>,
}

impl<'a> Networks<'a> {
    fn new(topology: &'a Topology) -> Self {
        Self { topology }
    }

    fn view(&self, id: &ResourceId) -> Option<ViewId> {
        self.topology.network(id).map(view_of)
    }

    fn named(&self, number: NetworkId) -> Network {
        Network {
            number,
            id: (*self.topology.virtual_network(number).id).clone(),
            reference: self.topology.network_label(number).into(),
            label: self.topology.qualified_network(number).into(),
        }
    }

    /// `sources` are the views by source address, `last` is what the generation before knew.
    fn identifier(&self, views: &[View], sources: Vec<SelectorRule>, last: Option<&Identifier>) -> Identifier {
        let topology = self.topology;
        let forwarders = topology.forwarders().iter().map(|forwarder| {
            let is_of = |rule: &SelectorRule| {
                views[rule.leads_to.index()].network.as_ref().is_some_and(|network| forwarder.speaks_for(&network.id))
            };
            // Clients of other networks, within a prefix of its own, are none that it speaks for.
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
            let leads_to = Belonging::Network(view_of(number));
            let known = network.inbound_endpoints.iter().filter_map(|address| address.known());
            known.map(move |address| SelectorRule { prefix: address.into(), leads_to })
        });
        // Of two rules with one prefix the first counts: that of this generation.
        let earlier = last.into_iter().flat_map(|last| last.inbound_endpoints.rules());
        let earlier = earlier.map(|rule| SelectorRule { prefix: rule.prefix, leads_to: Belonging::Gone });
        let inbound_endpoints = inbound_endpoints.chain(earlier);
        let listeners = topology.listener_networks().iter().map(|network| match network {
            None => Belonging::Nobody,
            Some(network) => self.view(network).map_or(Belonging::Gone, Belonging::Network),
        });
        // Without its network a key is none: it is unknown (BADKEY).
        let mut keys: Vec<_> = topology.tsig_keys().iter().filter_map(|key| self.key(key)).collect();
        keys.sort_by(|a, b| a.key.name().cmp(&b.key.name()));
        let mut certificates: Vec<_> =
            topology.client_certificates().iter().filter_map(|shown| self.certificate(topology, shown)).collect();
        certificates.sort_by(|a, b| a.name.cmp(&b.name));
        Identifier {
            keys: keys.into(),
            certificates: certificates.into(),
            forwarders: forwarders.collect(),
            forwarder_addresses: Selector::new(forwarder_addresses),
            listeners: listeners.collect(),
            inbound_endpoints: Selector::new(inbound_endpoints),
            sources: Selector::new(sources),
        }
    }

    /// `None` where the network of the key is not there.
    fn key(&self, declared: &azure::TsigKey) -> Option<Key> {
        let holder = match &declared.networks {
            Some(KeyNetworks::One(network)) => KeyHolder::Network(self.view(network)?),
            Some(KeyNetworks::All) => KeyHolder::Administrator,
            None => KeyHolder::Anyone,
        };
        Some(Key { key: declared.key.clone(), holder })
    }

    /// `None` where the network or the forwarder of the certificate is not there.
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

    /// Sorts zones and rules by the networks that they are linked to.
    fn collect(&self, suffixes: &mut SuffixTable) -> Vec<OfNetwork<'a>> {
        let topology = self.topology;
        let mut collected = vec![OfNetwork::default(); topology.network_count()];
        let zones = topology.zones().iter().enumerate().filter(|(_, zone)| zone.scope != Scope::Public);
        let mut zones: Vec<_> = zones.map(|(at, zone)| (suffixes.suffix(zone.apex.as_ref()), at, zone)).collect();
        zones.sort_unstable_by_key(|(suffix, at, _)| (*suffix, *at));
        for (suffix, at, zone) in zones {
            match &zone.scope {
                Scope::Public => {}
                Scope::Private { links, .. } => {
                    for (network, policy) in links.iter() {
                        collected[network.index()].linked.push((suffix, linked(at, policy)));
                    }
                }
                Scope::Internal { networks } => {
                    for network in networks.iter() {
                        collected[network.index()].internal.push((suffix, linked(at, ResolutionPolicy::Default)));
                    }
                }
            }
        }
        for (at, rule) in topology.forwarding().rules.iter().enumerate() {
            for network in &rule.virtual_networks {
                collected[network.index()].rules.push((rule.domain_name.as_ref(), RuleId(at as u32)));
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
            // Of the rules for one domain only the first counts.
            network.security.sort_by(|a, b| (a.0, a.1.priority).cmp(&(b.0, b.1.priority)));
            network.security.dedup_by_key(|(domain, _)| *domain);
        }
        collected
    }
}

fn view_of(network: NetworkId) -> ViewId {
    ViewId::new(network.index() + 1)
}

fn destination(destination: &azure::Destination) -> Destination {
    match destination {
        azure::Destination::Network(network) => Destination::View(view_of(*network)),
        azure::Destination::Servers(servers) => Destination::Servers(servers.clone()),
        azure::Destination::Unknown => Destination::Unknown,
    }
}

const fn linked(at: usize, resolution_policy: ResolutionPolicy) -> LinkedZone {
    LinkedZone { zone: ZoneId::new(at), resolution_policy }
}

/// Lists that networks have in common, as hubs and their spokes do: each once.
#[derive(Default)]
struct Shared(HashMap<u64, Vec<BySuffix<LinkedZone>>>);

impl Shared {
    fn list(&mut self, zones: Vec<(Suffix, LinkedZone)>) -> BySuffix<LinkedZone> {
        let alike = self.0.entry(foldhash::fast::FixedState::default().hash_one(&zones)).or_default();
        if let Some(known) = alike.iter().find(|known| known.is(&zones)) {
            return known.clone();
        }
        let list = BySuffix::sorted(zones);
        alike.push(list.clone());
        list
    }
}

/// The suffixes at which views differ, each once.
fn private_suffixes(topology: &Topology) -> Vec<NameRef<'_>> {
    let zones = topology.zones().iter().filter(|zone| zone.scope != Scope::Public).map(|zone| zone.apex.as_ref());
    let rules = topology.forwarding().rules.iter().map(|rule| rule.domain_name.as_ref());
    let security = topology.forwarding().security_rules.iter().flat_map(|rule| &rule.domains).map(Name::as_ref);
    let mut suffixes: Vec<_> = zones.chain(rules).chain(security).collect();
    suffixes.sort_unstable();
    suffixes.dedup();
    suffixes
}

/// Whether names that nobody here holds are asked of other servers for some views.
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

/// Does the work for each item, on as many threads as there are processors for them.
fn in_parallel<T: Send, R: Send>(items: &mut [T], work: impl Fn(&mut T) -> R + Sync) -> Vec<R> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(items.len());
    let queue = Mutex::new(items.iter_mut().enumerate());
    let next = || queue.lock().expect("taking the next item does not panic").next();
    let take = || iter::from_fn(next).map(|(at, item)| (at, work(item))).collect::<Vec<_>>();
    let mut done = thread::scope(|scope| {
        // Where no further thread can start, those that did have more to do.
        let start = || thread::Builder::new().name("compile".to_owned()).spawn_scoped(scope, take);
        let others: Vec<_> = iter::repeat_with(start).take(threads.saturating_sub(1)).map_while(Result::ok).collect();
        let mut done = take();
        done.extend(others.into_iter().flat_map(|thread| thread.join().expect("compiling does not panic")));
        done
    });
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

/// Compiles a zone, if none of those that are known is the same.
fn served_zone(
    contents: &mut ZoneContents,
    known: &[&Arc<Zone>],
    changed: Generation,
) -> Result<ServedZone, CompileError> {
    let zone = match contents.compiled() {
        Some(zone) => Arc::clone(zone),
        None => {
            let sources = || contents.record_sets.values().map(azure::source);
            let zone = match known.iter().find(|zone| zone.is_made_of(contents.apex.as_ref(), sources())) {
                Some(zone) => Arc::clone(zone),
                None => Arc::new(Zone::compile(contents.apex.as_ref(), sources())?),
            };
            contents.set_compiled(Arc::clone(&zone));
            zone
        }
    };
    Ok(ServedZone {
        zone,
        is_public: contents.scope == Scope::Public,
        is_internal: matches!(contents.scope, Scope::Internal { .. }),
        is_private_link: contents.is_private_link(),
        is_partial: contents.is_partial,
        changed,
    })
}

/// What a DNS security policy answers with for a blocked name (dns-traffic-log-how-to.md).
fn blocked() -> Result<Zone, CompileError> {
    let name = |name: &str| name.parse::<Name>().expect("a constant of this function");
    let apex = name("blockpolicy.azuredns.invalid");
    let soa = rdata::soa(&name("ns1.azure-dns.com"), &name("support.azure.com"), [1000, 3600, 600, 1800, 60]);
    let ttl = const { Ttl::from_secs(60).unwrap() };
    Zone::compile(apex.as_ref(), [(apex.as_ref(), RecordType::SOA, ttl, &[soa.into_boxed_slice()][..])])
}
