//! View and question → answer: `resolve` by the number of zones that are linked to the view.

mod common;

use std::cell::LazyCell;

use common::{Numbers, World};
use criterion::{BenchmarkId, Criterion, Throughput};
use vnetdns::dns::{DNSClass, Name, Question, Rcode, RecordType};
use vnetdns::resolve;
use vnetdns::snapshot::{OUTSIDE, Snapshot};
use vnetdns::view::ViewId;

/// An outcome: its question in one of the zones, and the RCODE and number of record sets that the answer must have.
type Outcome = (&'static str, fn(usize) -> Name, RecordType, Rcode, usize);

const OUTCOMES: [Outcome; 5] = [
    ("hit", |zone| World::in_zone("host1", zone), RecordType::A, Rcode::NoError, 1),
    // From the public zone to a private one.
    ("cname", World::alias, RecordType::A, Rcode::NoError, 2),
    ("wildcard", |zone| World::in_zone("x.apps", zone), RecordType::A, Rcode::NoError, 1),
    ("nodata", |zone| World::in_zone("host1", zone), RecordType::AAAA, Rcode::NoError, 0),
    ("nxdomain", |zone| World::in_zone("nohost", zone), RecordType::A, Rcode::NXDomain, 0),
];

fn main() {
    common::run(&[resolve]);
}

fn resolve(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("resolve");
    group.throughput(Throughput::Elements(1));
    for zones in [1, 100, 10_000] {
        let snapshot = LazyCell::new(|| World { networks: 1, zones, hosts: 4 }.snapshot());
        for (outcome, qname, qtype, rcode, record_sets) in OUTCOMES {
            group.bench_function(BenchmarkId::new(outcome, zones), |bencher| {
                let snapshot = &*snapshot;
                let view = snapshot.networks_called(&World::network_name(0)).next().map_or(OUTSIDE, |(view, _)| view);
                let names = Numbers::new().inputs(zones, qname);
                for name in &names {
                    let answer = answer(snapshot, view, name, qtype);
                    assert_eq!((answer.rcode, answer.answer.len()), (rcode, record_sets), "{name}");
                }
                let mut names = names.iter().cycle();
                bencher.iter(|| answer(snapshot, view, names.next().expect("a cycle has no end"), qtype));
            });
        }
    }
    group.finish();
}

fn answer<'a>(snapshot: &'a Snapshot, view: ViewId, qname: &'a Name, qtype: RecordType) -> resolve::Answer<'a> {
    let question = Question { qname: qname.as_ref(), qtype, qclass: DNSClass::IN };
    resolve::resolve(snapshot, view, &question, None, &mut ())
}
