//! Source address → view: `Selector::select` by the number of networks.

mod common;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use common::{INPUTS, Numbers, World, prefix};
use criterion::{BenchmarkId, Criterion, Throughput};
use ipnet::Ipv6Net;
use vnetdns::view::{Selector, SelectorRule};

/// Networks that lie within one wider prefix.
const NEIGHBOURS: usize = 16;

fn main() {
    common::run(&[select_view]);
}

fn select_view(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("select_view");
    group.throughput(Throughput::Elements(1));
    for networks in [1, 10, 100, 1000, 10_000] {
        let selector = Selector::new((0..networks).flat_map(rules));
        let mut numbers = Numbers::new();
        let v4: Vec<_> = (0..INPUTS).map(|_| source_v4(networks, &mut numbers)).collect();
        let v6: Vec<_> = (0..INPUTS).map(|_| source_v6(networks, &mut numbers)).collect();
        for (family, sources) in [("ipv4", v4), ("ipv6", v6)] {
            group.bench_function(BenchmarkId::new(family, networks), |bencher| {
                let found = sources.iter().filter(|source| selector.select(**source).is_some()).count();
                assert!((INPUTS / 2..INPUTS).contains(&found), "{found} clients belong to a network");
                let mut sources = sources.iter().cycle();
                bencher.iter(|| selector.select(*sources.next().expect("a cycle has no end")));
            });
        }
    }
    group.finish();
}

/// The prefixes of a network: a /24 and a /48; every sixteenth also has the /20 around it and its neighbours.
fn rules(network: usize) -> impl Iterator<Item = SelectorRule<usize>> {
    let own = prefix(World::address(network, 0), 24);
    let wide = network.is_multiple_of(NEIGHBOURS).then(|| prefix(World::address(network, 0), 20));
    let v6 = Ipv6Net::new(address_v6(network, 0), 48).expect("at most 128").into();
    [Some(own), wide, Some(v6)].into_iter().flatten().map(move |prefix| SelectorRule { prefix, leads_to: network })
}

fn address_v6(network: usize, host: u64) -> Ipv6Addr {
    Ipv6Addr::from_bits((0xfd00 << 112) + ((network as u128) << 80) + u128::from(host))
}

/// One client in eight belongs to no network.
fn source_v4(networks: usize, numbers: &mut Numbers) -> IpAddr {
    match numbers.below(8) {
        0 => Ipv4Addr::new(192, 0, 2, numbers.below(256) as u8).into(),
        _ => World::address(numbers.below(networks), numbers.below(256) as u8).into(),
    }
}

fn source_v6(networks: usize, numbers: &mut Numbers) -> IpAddr {
    match numbers.below(8) {
        0 => Ipv6Addr::from_bits((0x2001_0db8 << 96) + u128::from(numbers.draw())).into(),
        _ => address_v6(numbers.below(networks), numbers.draw()).into(),
    }
}
