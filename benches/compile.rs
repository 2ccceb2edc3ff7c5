//! A change on its way to being served: text → topology, declaration → topology, topology → snapshot.

mod common;

use std::cell::LazyCell;

use common::World;
use criterion::{BatchSize, BenchmarkId, Criterion, SamplingMode, Throughput};
use vnetdns::azure::{Catalogue, Topology};
use vnetdns::config::{self, Files};

fn main() {
    common::run(&[load, compile]);
}

/// The lab: one TOML file and two zone files, read, checked and derived.
fn load(criterion: &mut Criterion) {
    criterion.bench_function("load/lab", |bencher| bencher.iter(|| config::load(&Files::default())));
}

fn compile(criterion: &mut Criterion) {
    let one_network = |zones, hosts| World { networks: 1, zones, hosts };
    // Zones by hosts in each; networks by zones linked to each.
    let worlds = [
        ("zones/1x1000", one_network(1, 1000)),
        ("zones/1x100000", one_network(1, 100_000)),
        ("zones/100x100", one_network(100, 100)),
        ("zones/1000x100", one_network(1000, 100)),
        ("links/1000x100", World { networks: 1000, zones: 100, hosts: 10 }),
    ];
    let catalogue = Catalogue::embedded();
    for (label, world) in worlds.into_iter().filter(|(_, world)| common::is_affordable(world.zones * world.hosts)) {
        // Record sets or links, whichever are more: the work to be done.
        let elements = Throughput::Elements((world.zones * world.hosts.max(world.networks)) as u64);

        let mut group = criterion.benchmark_group("check");
        group.sampling_mode(SamplingMode::Flat).sample_size(10).throughput(elements.clone());
        let declaration = LazyCell::new(|| world.declaration());
        group.bench_function(BenchmarkId::from_parameter(label), |bencher| {
            bencher.iter_batched(
                || declaration.clone(),
                |declaration| Topology::new(declaration, &catalogue),
                BatchSize::PerIteration,
            );
        });
        group.finish();

        let mut group = criterion.benchmark_group("compile");
        group.sampling_mode(SamplingMode::Flat).sample_size(10).throughput(elements);
        let topology = LazyCell::new(|| world.topology());
        group.bench_function(BenchmarkId::from_parameter(label), |bencher| {
            bencher.iter_batched(|| topology.clone(), common::snapshot, BatchSize::PerIteration);
        });
        group.finish();
    }
}
