//! Topology → snapshot. Pure, and meant to run off the threads that serve.

use std::sync::Arc;

use super::{Generation, Identity, ServedZone, Snapshot, View};
use crate::azure::{ResolutionPolicy, Scope, Topology, ZoneContents};
use crate::view::{ApexTable, LinkedZone, Selector, SelectorRule, ViewId, ZoneId};
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
        let mut apexes = ApexTable::default();
        let is_public = |at: &usize| topology.zones()[*at].scope == Scope::Public;
        let public = (0..zones.len()).filter(is_public).map(|at| linked(at, ResolutionPolicy::Default));
        let public = apexes.view(public);

        // Networks by name, so that the order of the declaration decides nothing.
        let mut networks: Vec<_> = topology.virtual_networks().iter().collect();
        networks.sort_by_key(|network| network.name.as_str());
        let mut links = vec![Vec::new(); networks.len()];
        for (at, zone) in topology.zones().iter().enumerate() {
            let Scope::Private { links: of_zone, .. } = &zone.scope else { continue };
            for (network, policy) in of_zone {
                if let Ok(view) = networks.binary_search_by_key(&network.as_str(), |network| network.name.as_str()) {
                    links[view].push(linked(at, *policy));
                }
            }
        }
        let mut views = vec![View { network: None, zones: apexes.view([]) }];
        let mut rules = Vec::new();
        for (network, links) in networks.into_iter().zip(links) {
            let view = ViewId(views.len() as u32);
            views.push(View { network: Some(network.name.as_str().into()), zones: apexes.view(links) });
            let prefixes = network.address_space.iter().chain(&network.client_prefixes);
            rules.extend(prefixes.map(|prefix| SelectorRule { prefix: **prefix, view }));
        }
        Ok(Self { generation, identity, zones, apexes, views: views.into(), public, selector: Selector::new(rules) })
    }
}

fn served_zone(contents: &ZoneContents) -> Result<ServedZone, CompileError> {
    let record_sets = contents.record_sets.values();
    let sources = record_sets.map(|set| (set.owner.as_ref(), set.rtype, set.ttl, &set.rdatas[..]));
    Ok(ServedZone {
        zone: Arc::new(Zone::compile(contents.apex.as_ref(), sources)?),
        resource_group: match &contents.scope {
            Scope::Public => None,
            Scope::Private { resource_group, .. } => Some(resource_group.as_str().into()),
        },
        is_private_link: contents.is_private_link(),
    })
}
