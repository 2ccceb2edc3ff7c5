//! The private zones of each network, as lists by suffix: built from all links, or from the lists of the last topology and the
//! links that have changed since.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;
use std::sync::Arc;

use super::numbers::Numbers;
use super::{Before, Snapshot};
use crate::azure::{Links, NetworkId, ResolutionPolicy, Scope, Topology, ZoneContents};
use crate::view::{BySuffix, LinkedZone, Suffix, SuffixTable};

/// Lists of zones, one for each network in order.
pub(super) type Lists = Vec<BySuffix<LinkedZone>>;

/// Equal lists, as of a hub's spokes, are stored once.
#[derive(Default)]
pub(super) struct Shared(HashMap<u64, Vec<BySuffix<LinkedZone>>, foldhash::fast::RandomState>);

impl Shared {
    pub(super) fn list(&mut self, zones: Vec<(Suffix, LinkedZone)>) -> BySuffix<LinkedZone> {
        let alike = self.0.entry(foldhash::fast::FixedState::default().hash_one(&zones)).or_default();
        if let Some(known) = alike.iter().find(|known| known.is(&zones)) {
            return known.clone();
        }
        let list = BySuffix::sorted(zones);
        alike.push(list.clone());
        list
    }
}

/// The list of linked zones of each network.
pub(super) fn lists(
    topology: &Topology,
    numbers: &Numbers,
    suffixes: &mut Arc<SuffixTable>,
    before: Option<Before<'_>>,
) -> Lists {
    match before {
        Some(Before { snapshot, topology: Some(last) }) if suffixes.extends(&snapshot.suffixes) => {
            after(topology, numbers, suffixes, snapshot, last)
        }
        _ => by_network(topology, numbers, suffixes, |zone| links(zone).map(Links::iter)),
    }
}

/// For each network, the zones of one kind that it sees; `seen_by` gives the networks that see a zone.
pub(super) fn by_network<'a, I: Iterator<Item = (NetworkId, ResolutionPolicy)>>(
    topology: &'a Topology,
    numbers: &Numbers,
    suffixes: &mut Arc<SuffixTable>,
    seen_by: impl Fn(&'a ZoneContents) -> Option<I>,
) -> Lists {
    let mut zones = Vec::new();
    for (at, zone) in topology.zones().iter().enumerate() {
        if let Some(networks) = seen_by(zone) {
            zones.push((SuffixTable::suffix(suffixes, zone.apex.as_ref()), at, networks));
        }
    }
    zones.sort_unstable_by_key(|(suffix, at, _)| (*suffix, *at));
    let mut collected = vec![Vec::new(); topology.network_count()];
    for (suffix, at, networks) in zones {
        for (network, policy) in networks {
            collected[network.index()].push((suffix, super::compile::linked(numbers, at, policy)));
        }
    }
    let mut shared = Shared::default();
    collected.into_iter().map(|zones| shared.list(zones)).collect()
}

fn links(zone: &ZoneContents) -> Option<&Links> {
    match &zone.scope {
        Scope::Private { links, .. } => Some(links),
        Scope::Public | Scope::Internal { .. } => None,
    }
}

/// The changes to links of private zones since the last topology.
#[derive(Default)]
struct Difference {
    /// By network: zones whose link was removed or changed, by their indices in the last topology.
    lost: BTreeMap<NetworkId, Vec<usize>>,
    /// By network: zones whose link was added or changed, by their indices in the next topology.
    gained: BTreeMap<NetworkId, Vec<(usize, ResolutionPolicy)>>,
}

impl Difference {
    fn new(next: &Topology, last: &Topology) -> Self {
        let mut difference = Self::default();
        let number = |network: NetworkId| next.network(&last.virtual_network(network).id);
        for (before, zone) in last.private_zones().iter().enumerate() {
            let place = next.private_zone(&zone.id);
            if place.is_some_and(|place| next.has_links_of(place, last, before)) {
                continue;
            }
            let linked = links(&last.zones()[before]).into_iter().flat_map(Links::iter);
            let linked: BTreeMap<_, _> =
                linked.filter_map(|(network, policy)| Some((number(network)?, policy))).collect();
            let now = place.and_then(|place| links(&next.zones()[place]));
            for (network, policy) in &linked {
                if now.and_then(|now| now.get(*network)) != Some(*policy) {
                    difference.lost.entry(*network).or_default().push(before);
                }
            }
            if let Some((place, now)) = place.zip(now) {
                difference.gain(place, now.iter().filter(|(network, policy)| linked.get(network) != Some(policy)));
            }
        }
        for (place, zone) in next.private_zones().iter().enumerate() {
            if last.private_zone(&zone.id).is_none() {
                difference.gain(place, links(&next.zones()[place]).into_iter().flat_map(Links::iter));
            }
        }
        difference
    }

    fn gain(&mut self, zone: usize, networks: impl Iterator<Item = (NetworkId, ResolutionPolicy)>) {
        for (network, policy) in networks {
            self.gained.entry(network).or_default().push((zone, policy));
        }
    }
}

/// Edits of shared lists: networks that shared a list before an edit share the edited one.
#[derive(Default)]
struct Edits(HashMap<Edit, [BySuffix<LinkedZone>; 2]>);

/// The address of the original list, the index of the zone, and its new link.
type Edit = (*const (), usize, Option<ResolutionPolicy>);

impl Edits {
    /// Adds, changes or removes a zone in a list.
    fn edit(
        &mut self,
        list: &mut BySuffix<LinkedZone>,
        zone: usize,
        policy: Option<ResolutionPolicy>,
        with: impl FnOnce(&BySuffix<LinkedZone>) -> BySuffix<LinkedZone>,
    ) {
        // The original list is kept alive, so that no other list can get its address.
        let made = self.0.entry((list.address(), zone, policy)).or_insert_with(|| [list.clone(), with(list)]);
        *list = made[1].clone();
    }
}

/// The lists of the last snapshot with the changes since.
fn after(
    topology: &Topology,
    numbers: &Numbers,
    suffixes: &mut Arc<SuffixTable>,
    snapshot: &Snapshot,
    last: &Topology,
) -> Lists {
    let difference = Difference::new(topology, last);
    let of_network = |id| last.network(id).map(|number| snapshot.view(snapshot.view_of(number)).linked.clone());
    let networks = topology.numbered_networks();
    let mut lists: Lists = networks.map(|(_, network)| of_network(&network.id).unwrap_or_default()).collect();
    let mut edits = Edits::default();
    for (network, zones) in &difference.lost {
        for zone in zones {
            let apex = last.zones()[*zone].apex.as_ref();
            edits.edit(&mut lists[network.index()], *zone, None, |list| suffixes.with(list, apex, None));
        }
    }
    for (network, zones) in &difference.gained {
        for (zone, policy) in zones {
            let apex = topology.zones()[*zone].apex.as_ref();
            SuffixTable::suffix(suffixes, apex);
            let linked = super::compile::linked(numbers, *zone, *policy);
            let list = &mut lists[network.index()];
            edits.edit(list, *zone, Some(*policy), |list| suffixes.with(list, apex, Some(linked)));
        }
    }
    lists
}
