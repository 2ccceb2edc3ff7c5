//! Name → where it lands in one zone: `Zone::lookup` by the number of record sets.

mod common;

use std::cell::LazyCell;

use common::{Numbers, name, ttl};
use criterion::{BenchmarkId, Criterion, Throughput};
use vnetdns::dns::{Folded, Name, RecordType};
use vnetdns::zone::{Landing, Zone};

fn main() {
    common::run(&[look_up]);
}

fn look_up(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("look_up");
    group.throughput(Throughput::Elements(1));
    for hosts in [1, 100, 10_000, 1_000_000].into_iter().filter(|hosts| common::is_affordable(*hosts)) {
        // A million record sets take a while to compile: only for benches that are run.
        let zone = LazyCell::new(|| zone(hosts));
        let names = |make: fn(usize) -> String| -> Vec<Folded> {
            Numbers::new().inputs(hosts, |number| name(&make(number)).as_ref().fold())
        };

        group.bench_function(BenchmarkId::new("hit", hosts), |bencher| {
            let (zone, names) = (&*zone, names(host));
            let find = |name| match zone.lookup(name) {
                Landing::Exact(node) => node.rrset(RecordType::A),
                _ => None,
            };
            assert!(names.iter().all(|name| find(name).is_some()));
            let mut names = names.iter().cycle();
            bencher.iter(|| find(names.next().expect("a cycle has no end")));
        });
        group.bench_function(BenchmarkId::new("nodata", hosts), |bencher| {
            let (zone, names) = (&*zone, names(host));
            let find = |name| match zone.lookup(name) {
                Landing::Exact(node) => Some(node.rrset(RecordType::AAAA)),
                _ => None,
            };
            assert!(names.iter().all(|name| matches!(find(name), Some(None))));
            let mut names = names.iter().cycle();
            bencher.iter(|| find(names.next().expect("a cycle has no end")));
        });
        group.bench_function(BenchmarkId::new("wildcard", hosts), |bencher| {
            let (zone, names) = (&*zone, names(|number| format!("app{number}.apps.contoso.internal")));
            assert!(names.iter().all(|name| matches!(zone.lookup(name), Landing::Wildcard { .. })));
            let mut names = names.iter().cycle();
            bencher.iter(|| zone.lookup(names.next().expect("a cycle has no end")));
        });
        group.bench_function(BenchmarkId::new("nxdomain", hosts), |bencher| {
            let (zone, names) = (&*zone, names(|number| format!("nohost{number}.contoso.internal")));
            assert!(names.iter().all(|name| matches!(zone.lookup(name), Landing::Missing { .. })));
            let mut names = names.iter().cycle();
            bencher.iter(|| zone.lookup(names.next().expect("a cycle has no end")));
        });
    }
    group.finish();
}

fn host(number: usize) -> String {
    format!("host{number}.contoso.internal")
}

/// A zone of that many hosts and a wildcard.
fn zone(hosts: usize) -> Zone {
    let apex = name("contoso.internal");
    let wildcard = name("*.apps.contoso.internal");
    let owners: Vec<Name> = (0..hosts).map(|number| name(&host(number))).chain([wildcard]).collect();
    let rdatas = [Box::from([10, 0, 0, 4])];
    let record_sets = owners.iter().map(|owner| (owner.as_ref(), RecordType::A, ttl(), &rdatas[..]));
    Zone::compile(apex.as_ref(), record_sets).expect("all names are within the zone")
}
