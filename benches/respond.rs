//! Request bytes → response bytes: `respond` by outcome, alone and with what a worker keeps, and by the number of
//! networks.

mod common;

use std::cell::LazyCell;
use std::net::{IpAddr, Ipv4Addr};

use common::{INPUTS, Numbers, World, name, query};
use criterion::{BenchmarkId, Criterion, Throughput};
use vnetdns::config::{self, Files};
use vnetdns::dns::{Rcode, RecordType};
use vnetdns::respond::{Disposition, Responder, respond};
use vnetdns::snapshot::Snapshot;
use vnetdns::view::{Client, Transport};
use vnetdns::wire::{Received, Response};

const K8S02: &str = "k8s02-workspace-abcd.eastus.prometheus.monitor.azure.com";
const IN_VNET_N1: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 4);
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 4);

fn main() {
    common::run(&[outcomes, networks]);
}

fn outcomes(criterion: &mut Criterion) {
    let lab = common::snapshot(config::load(&Files::default()).expect("the lab is sound").topology);
    let other = World { networks: 1, zones: 1, hosts: 1 }.snapshot();
    let plain = |qname: &str, qtype| query(&name(qname), qtype, false);
    let hit = || plain("www.contoso.internal", RecordType::A);
    let mut group = criterion.benchmark_group("respond");
    group.throughput(Throughput::Elements(1));
    // The counts are those of the answer, authority and additional sections.
    for (outcome, snapshot, source, request, rcode, counts) in [
        ("hit", &lab, IN_VNET_N1, hit(), Rcode::NoError, [1, 0, 0]),
        (
            "hit-edns",
            &lab,
            IN_VNET_N1,
            query(&name("www.contoso.internal"), RecordType::A, true),
            Rcode::NoError,
            [1, 0, 1],
        ),
        ("private-chain", &lab, IN_VNET_N1, plain(K8S02, RecordType::A), Rcode::NoError, [2, 0, 0]),
        ("outside-chain", &lab, OUTSIDE, plain(K8S02, RecordType::A), Rcode::NoError, [3, 0, 0]),
        ("nodata", &lab, IN_VNET_N1, plain("mail.contoso.internal", RecordType::AAAA), Rcode::NoError, [0, 1, 0]),
        ("nxdomain", &lab, IN_VNET_N1, plain("nohost.contoso.internal", RecordType::A), Rcode::NXDomain, [0, 1, 0]),
        ("referral", &other, OUTSIDE, plain("www.child.example.com", RecordType::A), Rcode::NoError, [0, 1, 1]),
        ("refused", &lab, IN_VNET_N1, plain("www.example.org", RecordType::A), Rcode::Refused, [0, 0, 0]),
        ("formerr", &lab, IN_VNET_N1, [hit(), b"junk".to_vec()].concat(), Rcode::FormErr, [0, 0, 0]),
    ] {
        group.bench_function(outcome, |bencher| {
            let mut response = Response::new();
            let client = client(source.into());
            let outcome = respond(snapshot, &client, &request, &mut response);
            assert!(matches!(outcome, Some(Disposition::Answered(served)) if served.rcode == rcode));
            assert_eq!(section_counts(&response), counts);
            bencher.iter(|| respond(snapshot, &client, &request, &mut response));
        });
        group.bench_function(BenchmarkId::new("worker", outcome), |bencher| {
            let mut response = Response::new();
            let (client, mut responder) = (client(source.into()), Responder::new());
            bencher.iter(|| responder.respond(snapshot, &client, &Received::parse(&request), &mut response));
        });
    }
    group.finish();
}

/// A plain hit, each time from another network, all of which share ten zones.
fn networks(criterion: &mut Criterion) {
    const ZONES: usize = 10;
    let mut group = criterion.benchmark_group("respond");
    group.throughput(Throughput::Elements(1));
    for networks in [1, 100, 10_000] {
        let snapshot = LazyCell::new(|| World { networks, zones: ZONES, hosts: 100 }.snapshot());
        group.bench_function(BenchmarkId::new("networks", networks), |bencher| {
            let snapshot: &Snapshot = &snapshot;
            let mut numbers = Numbers::new();
            let inputs: Vec<_> = (0..INPUTS)
                .map(|_| {
                    let owner = format!("host{}", numbers.below(100));
                    let qname = World::in_zone(&owner, numbers.below(ZONES));
                    let source = World::address(numbers.below(networks), numbers.below(256) as u8);
                    (client(source.into()), query(&qname, RecordType::A, false))
                })
                .collect();
            let mut response = Response::new();
            for (client, request) in &inputs {
                respond(snapshot, client, request, &mut response);
                assert_eq!(section_counts(&response), [1, 0, 0]);
            }
            let mut inputs = inputs.iter().cycle();
            bencher.iter(|| {
                let (client, request) = inputs.next().expect("a cycle has no end");
                respond(snapshot, client, request, &mut response)
            });
        });
    }
    group.finish();
}

const fn client(source: IpAddr) -> Client {
    Client::new(source, Transport::Udp)
}

/// How many records a response has in each section after the question.
fn section_counts(response: &Response) -> [u16; 3] {
    let octets = response.as_octets();
    [6, 8, 10].map(|at| u16::from_be_bytes([octets[at], octets[at + 1]]))
}
