//! The numbers of zones and views. What stays from one snapshot to the next keeps its number, so that cached answers stay valid.
//! The number of what is gone is used again.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;

use crate::azure::{NetworkId, ResourceId, Scope, Topology, ZoneContents};
use crate::dns::Name;
use crate::view::{ViewId, ZoneId};

/// Unused numbers that there may be, besides as many as are used, before all numbers are assigned anew.
const MOST_FREE: usize = 1000;

/// The numbers of one snapshot.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers {
    /// Numbers of zones, by their indices in the topology.
    zones: Arc<[ZoneId]>,
    /// Numbers of views, by the numbers of their networks.
    networks: Arc<[ViewId]>,
    /// Numbers of the views of interfaces, in the order of the topology.
    interfaces: Arc<[ViewId]>,
    /// The count of zone numbers, unused ones included.
    pub(super) zone_count: usize,
    /// The count of view numbers, unused ones included.
    pub(super) view_count: usize,
    holders: Arc<Holders>,
}

/// The holder of each number.
#[derive(Debug, Default)]
struct Holders {
    zones: HashMap<ZoneHolder, usize, foldhash::fast::RandomState>,
    views: HashMap<ViewHolder, usize, foldhash::fast::RandomState>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
enum ZoneHolder {
    Private(ResourceId),
    Public(Name),
    /// The internal zone of one network, or the one shared by all networks without one of their own.
    Internal(Name, Option<ResourceId>),
}

#[derive(Debug, PartialEq, Eq, Hash)]
enum ViewHolder {
    Outside,
    Network(ResourceId),
    Interface(IpAddr),
}

impl Numbers {
    /// The numbers for a topology, continuing those of the last snapshot; also returns whether they do continue them.
    pub(super) fn new(topology: &Topology, last: Option<&Self>) -> (Self, bool) {
        let zones = topology.zones().iter().map(|zone| zone_holder(topology, zone));
        let networks = topology.numbered_networks().map(|(_, network)| ViewHolder::Network((*network.id).clone()));
        let interfaces = topology.forwarding().interfaces.iter().map(|(address, ..)| ViewHolder::Interface(*address));
        let views: Vec<_> = [ViewHolder::Outside].into_iter().chain(networks).chain(interfaces).collect();
        let is_dense = |last: &&Self| {
            last.zone_count <= 2 * zones.len() + MOST_FREE && last.view_count <= 2 * views.len() + MOST_FREE
        };
        let last = last.filter(is_dense);
        let none = Holders::default();
        let holders = last.map_or(&none, |last| &last.holders);
        let counts = last.map_or((0, 0), |last| (last.zone_count, last.view_count));
        let (zones, zone_holders, zone_count) = assign(zones.collect(), &holders.zones, counts.0);
        let (views, view_holders, view_count) = assign(views, &holders.views, counts.1);
        let views: Vec<_> = views.into_iter().map(ViewId::new).collect();
        let (networks, interfaces) = views[1..].split_at(topology.network_count());
        let numbers = Self {
            zones: zones.into_iter().map(ZoneId::new).collect(),
            networks: networks.into(),
            interfaces: interfaces.into(),
            zone_count,
            view_count,
            holders: Arc::new(Holders { zones: zone_holders, views: view_holders }),
        };
        (numbers, last.is_some())
    }

    /// The zone at an index of the topology.
    pub(super) fn zone(&self, place: usize) -> ZoneId {
        self.zones[place]
    }

    /// The view of a network.
    pub(super) fn view(&self, network: NetworkId) -> ViewId {
        self.networks[network.index()]
    }

    /// The views of networks, by network number.
    pub(super) fn networks(&self) -> &[ViewId] {
        &self.networks
    }

    /// The views of interfaces, in the order of the topology.
    pub(super) fn interfaces(&self) -> &[ViewId] {
        &self.interfaces
    }
}

fn zone_holder(topology: &Topology, zone: &ZoneContents) -> ZoneHolder {
    match &zone.scope {
        Scope::Private { id, .. } => ZoneHolder::Private(id.clone()),
        Scope::Public => ZoneHolder::Public(zone.apex.clone()),
        Scope::Internal { networks } => {
            let own = match networks[..] {
                [network] => Some((*topology.virtual_network(network).id).clone()),
                _ => None,
            };
            ZoneHolder::Internal(zone.apex.clone(), own)
        }
    }
}

/// Assigns numbers: whoever had a number keeps it, the others get the lowest unused ones. Returns the numbers, their holders, and
/// the new count of numbers.
fn assign<K: Eq + Hash>(
    wanted: Vec<K>,
    last: &HashMap<K, usize, foldhash::fast::RandomState>,
    count: usize,
) -> (Vec<usize>, HashMap<K, usize, foldhash::fast::RandomState>, usize) {
    let mut is_taken = vec![false; count];
    let known: Vec<_> = wanted
        .iter()
        .map(|holder| {
            let number = last.get(holder).copied().filter(|number| !is_taken[*number])?;
            is_taken[number] = true;
            Some(number)
        })
        .collect();
    let mut free = (0..).filter(|number| !is_taken.get(*number).is_some_and(|is_taken| *is_taken));
    let numbers: Vec<usize> =
        known.into_iter().map(|number| number.or_else(|| free.next()).expect("there is no end of them")).collect();
    let mut holders = HashMap::with_capacity_and_hasher(wanted.len(), foldhash::fast::RandomState::default());
    for (holder, number) in wanted.into_iter().zip(&numbers) {
        holders.entry(holder).or_insert(*number);
    }
    let end = numbers.iter().max().map_or(0, |last| last + 1);
    (numbers, holders, count.max(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(last: &[(&'static str, usize)], count: usize, wanted: &[&'static str]) -> (Vec<usize>, usize) {
        let last = last.iter().copied().collect();
        let (numbers, _, count) = assign(wanted.to_vec(), &last, count);
        (numbers, count)
    }

    #[test]
    fn who_stays_keeps_its_number_and_what_is_free_is_given_again() {
        let last = [("a", 0), ("b", 1), ("c", 2)];
        assert_eq!(after(&last, 3, &["new", "c", "a", "more"]), (vec![1, 2, 0, 3], 4));
        assert_eq!(after(&last, 3, &["c"]), (vec![2], 3));
        // Of two that would be the same, which nothing that is sound has, one gets another.
        assert_eq!(after(&last, 3, &["a", "a"]), (vec![0, 1], 3));
        assert_eq!(after(&[], 0, &[]), (vec![], 0));
    }
}
