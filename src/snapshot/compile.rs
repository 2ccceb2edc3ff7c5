//! Topology → snapshot. Pure, and meant to run off the threads that serve.

use std::sync::Arc;

use super::{Generation, Identity, ServedZone, Snapshot, View};
use crate::azure::{ResolutionPolicy, Scope, Topology, ZoneContents};
use crate::view::{BySuffix, LinkedZone, Selector, SelectorRule, SuffixTable, ViewId, ZoneId};
use crate::zone::{CompileError, Zone};

impl Snapshot {
    /// Compiles a topology into its serving form.
    ///
    /// # Errors
    /// Where a zone is too large to be held: see [`CompileError`].
    pub fn compile(topology: &Topology, identity: Identity, generation: Generation) -> Result<Self, CompileError> {
        let zones = topology.zones().iter().map(served_zone).collect::<Result<Box<[_]>, _>>()?;
        let linked = |at: usize, resolution_policy| {
            (topology.zones()[at].apex.as_ref(), LinkedZone { zone: ZoneId(at as u32), resolution_policy })
        };
        let mut suffixes = SuffixTable::default();
        let is_public = |at: &usize| topology.zones()[*at].scope == Scope::Public;
        let public = (0..zones.len()).filter(is_public).map(|at| linked(at, ResolutionPolicy::Default));
        let public = suffixes.list(public);

        // Networks by name, so that the order of the declaration decides nothing.
        let mut networks: Vec<_> = topology.virtual_networks().iter().collect();
        networks.sort_by_key(|network| network.name.as_str());
        let find = |name: &str| networks.binary_search_by_key(&name, |network| network.name.as_str()).ok();
        let mut links = vec![Vec::new(); networks.len()];
        let mut internals = vec![Vec::new(); networks.len()];
        for (at, zone) in topology.zones().iter().enumerate() {
            match &zone.scope {
                Scope::Public => {}
                Scope::Private { links: of_zone, .. } => {
                    for (network, policy) in of_zone {
                        if let Some(view) = find(network) {
                            links[view].push(linked(at, *policy));
                        }
                    }
                }
                Scope::Internal { network } => {
                    if let Some(view) = find(network) {
                        internals[view].push(linked(at, ResolutionPolicy::Default));
                    }
                }
            }
        }
        let nobody = View { network: None, linked: BySuffix::default(), internal: BySuffix::default() };
        let mut views = vec![nobody];
        let mut rules = Vec::new();
        for ((network, links), internals) in networks.iter().zip(links).zip(internals) {
            let view = ViewId(views.len() as u32);
            views.push(View {
                network: Some(network.name.as_str().into()),
                linked: suffixes.list(links),
                internal: suffixes.list(internals),
            });
            let prefixes = network.address_space.iter().chain(&network.client_prefixes);
            rules.extend(prefixes.map(|prefix| SelectorRule { prefix: **prefix, view }));
        }
        Ok(Self { generation, identity, zones, suffixes, views: views.into(), public, selector: Selector::new(rules) })
    }
}

fn served_zone(contents: &ZoneContents) -> Result<ServedZone, CompileError> {
    let record_sets = contents.record_sets.values();
    let sources = record_sets.map(|set| (set.owner.as_ref(), set.rtype, set.ttl, &set.rdatas[..]));
    Ok(ServedZone {
        zone: Arc::new(Zone::compile(contents.apex.as_ref(), sources)?),
        is_public: contents.scope == Scope::Public,
        is_private_link: contents.is_private_link(),
    })
}
