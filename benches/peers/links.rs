//! What networks cost that are linked to shared zones: time to compile, and memory.

use std::alloc::System;
use std::time::Instant;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use vnetdns::azure::{
    Catalogue, Change, Declared, Link, Origin, PrivateDnsZone, ResolutionPolicy, Resource, ResourceGroup, Topology,
    VirtualNetwork, VirtualNetworkLink, types,
};
use vnetdns::snapshot::Identity;
use vnetdns::world::{Way, World as Living};

use super::common::{self, World};
use super::report::Report;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Zones that each network is linked to.
const ZONES: usize = 500;

/// Networks in growing numbers, each linked to the same zones.
pub(crate) fn grow(report: &mut Report) {
    let rows = [1, 100, 1000, 10_000].map(|networks| {
        let declaration = World { networks, zones: ZONES, hosts: 100 }.declaration();
        let start = Instant::now();
        let (topology, _) = Topology::new(declaration, &Catalogue::embedded()).expect("a sound declaration");
        let checked = start.elapsed();
        let held = Region::new(ALLOCATOR);
        // The copy is taken apart: what is left is the snapshot.
        let copy = topology.clone();
        let start = Instant::now();
        let snapshot = common::snapshot(copy);
        let compiled = start.elapsed();
        let change = held.change();
        let octets = change.bytes_allocated - change.bytes_deallocated;
        drop(snapshot);
        let links = networks * ZONES;
        let changed = make_a_link(topology);
        vec![
            networks.to_string(),
            format!("{:.2}", checked.as_secs_f64()),
            format!("{:.3}", compiled.as_secs_f64()),
            format!("{:.1}", octets as f64 / f64::from(1 << 20)),
            format!("{:.1}", octets as f64 / links as f64),
            format!("{changed:.2}"),
        ]
    });
    let columns = [
        "networks",
        "seconds to check and derive",
        "seconds to compile",
        "MiB of the snapshot",
        "octets a link",
        "ms, a link made",
    ];
    report.table(&format!("Networks, each linked to the same {ZONES} zones of 100 hosts"), &columns, &rows);
}

/// The median of milliseconds that it takes to link another network to a zone.
fn make_a_link(topology: Topology) -> f64 {
    let mut world = Living::new(topology, Catalogue::embedded(), Identity::default()).expect("small zones");
    let id = ResourceGroup::default().resource(types::VIRTUAL_NETWORK, "another").expect("a short name");
    let id = Declared::new(id, Origin(0));
    let network = Resource::VirtualNetwork(VirtualNetwork::new(id.clone()));
    world.apply(vec![Change::Put(network)]).expect("a sound change");
    let mut taken = [0, 1, 2, 3, 4].map(|zone| {
        let link = VirtualNetworkLink {
            link: Link::to(id.clone()),
            registration_enabled: false,
            resolution_policy: ResolutionPolicy::Default,
            in_progress_until: None,
        };
        let zone = PrivateDnsZone::id(&ResourceGroup::default(), &World::apex(zone));
        let start = Instant::now();
        let applied = world.apply(vec![Change::PutLink { zone, link }]).expect("a sound change");
        assert_eq!(applied.way, Way::Edited);
        start.elapsed().as_secs_f64() * 1e3
    });
    taken.sort_by(f64::total_cmp);
    taken[2]
}
