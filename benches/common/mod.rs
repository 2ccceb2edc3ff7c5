//! What the benches share: numbers that are the same in every run, names, messages and declarations.

#![allow(dead_code, reason = "each bench is a program of its own and uses a part")]

use std::net::Ipv4Addr;
use std::time::Duration;

use criterion::Criterion;
use ipnet::{IpNet, Ipv4Net};
use vnetdns::azure::{
    Catalogue, Declaration, Declared, Limits, Link, Origin, PrivateDnsZone, PublicZone, RecordSet, ResolutionPolicy,
    ResourceGroup, ResourceId, SoaEdit, Topology, VirtualNetwork, VirtualNetworkLink, Writer, types,
};
use vnetdns::dns::{Name, Rdatas, RecordType, Ttl, rdata};
use vnetdns::snapshot::{Generation, Identity, Snapshot};

/// Inputs that a bench takes in turn: enough that the processor does not learn them by heart.
pub(crate) const INPUTS: usize = 8192;

/// Runs benches with settings that let all of them finish within minutes.
pub(crate) fn run(benches: &[fn(&mut Criterion)]) {
    let mut criterion = Criterion::default()
        .sample_size(40)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .nresamples(10_000)
        .without_plots()
        .configure_from_args();
    for bench in benches {
        bench(&mut criterion);
    }
    criterion.final_summary();
}

/// Whether a bench of that size may run: without optimization nothing is measured, and the largest take a minute.
pub(crate) const fn is_affordable(record_sets: usize) -> bool {
    !cfg!(debug_assertions) || record_sets <= 10_000
}

/// Numbers without a pattern, the same in every run (SplitMix64).
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) const fn new() -> Self {
        Self(42)
    }

    pub(crate) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `bound`, which itself is not drawn.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.draw() % bound as u64) as usize
    }

    /// [`INPUTS`] values made from numbers below `bound`.
    pub(crate) fn inputs<T>(&mut self, bound: usize, make: impl Fn(usize) -> T) -> Vec<T> {
        (0..INPUTS).map(|_| make(self.below(bound))).collect()
    }
}

pub(crate) fn name(text: &str) -> Name {
    text.parse().expect("a name that the bench wrote")
}

pub(crate) fn ttl() -> Ttl {
    Ttl::from_secs(300).expect("within bounds")
}

/// A query message with one question and, where wanted, an OPT record.
pub(crate) fn query(qname: &Name, qtype: RecordType, has_edns: bool) -> Vec<u8> {
    let mut octets = vec![0x12, 0x34, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(has_edns)];
    octets.extend_from_slice(qname.as_wire());
    octets.extend_from_slice(&u16::from(qtype).to_be_bytes());
    octets.extend_from_slice(&[0, 1]);
    if has_edns {
        octets.extend_from_slice(b"\0\x00\x29\x04\xd0\0\0\0\0\0\0");
    }
    octets
}

/// Networks, each linked to all of the private zones.
///
/// Each private zone has hosts and a wildcard. The public zone `example.com` has an alias to a host of each private
/// zone, and a delegation.
#[derive(Clone, Copy)]
pub(crate) struct World {
    pub(crate) networks: usize,
    pub(crate) zones: usize,
    /// Record sets of each private zone, the wildcard and the SOA record aside.
    pub(crate) hosts: usize,
}

impl World {
    /// The apex of a private zone.
    pub(crate) fn apex(zone: usize) -> Name {
        name(&format!("zone{zone}.contoso.internal"))
    }

    /// A name in a private zone, such as that of a host, `host0`.
    pub(crate) fn in_zone(owner: &str, zone: usize) -> Name {
        Name::relative(owner, Self::apex(zone).as_ref()).expect("a short name")
    }

    /// The public alias of a host in a private zone.
    pub(crate) fn alias(zone: usize) -> Name {
        name(&format!("alias{zone}.example.com"))
    }

    pub(crate) fn network_name(network: usize) -> String {
        format!("vnet-{network}")
    }

    /// An address in a network, each of which has a /24 of 10.0.0.0/8.
    pub(crate) fn address(network: usize, host: u8) -> Ipv4Addr {
        Ipv4Addr::from_bits(0x0a00_0000 + ((network as u32) << 8) + u32::from(host))
    }

    pub(crate) fn declaration(self) -> Declaration {
        let ids: Vec<_> = (0..self.networks).map(Self::network_id).collect();
        let network = |(at, id): (usize, &Declared<ResourceId>)| VirtualNetwork {
            address_space: vec![declared(prefix(Self::address(at, 0), 24))],
            ..VirtualNetwork::new(id.clone())
        };
        Declaration {
            virtual_networks: ids.iter().enumerate().map(network).collect(),
            private_dns_zones: (0..self.zones).map(|at| self.private_zone(at, &ids)).collect(),
            public_zones: vec![self.public_zone()],
            // Some sizes are past what Azure allows.
            limits: Limits::Off,
            ..Declaration::default()
        }
    }

    pub(crate) fn topology(self) -> Topology {
        let (topology, _) = Topology::new(self.declaration(), &Catalogue::embedded()).expect("a sound declaration");
        topology
    }

    pub(crate) fn snapshot(self) -> Snapshot {
        snapshot(self.topology())
    }

    fn network_id(network: usize) -> Declared<ResourceId> {
        let id = ResourceGroup::default().resource(types::VIRTUAL_NETWORK, &Self::network_name(network));
        declared(id.expect("a short name"))
    }

    fn private_zone(self, zone: usize, networks: &[Declared<ResourceId>]) -> PrivateDnsZone {
        let link = |network: &Declared<ResourceId>| VirtualNetworkLink {
            link: Link::to(network.clone()),
            registration_enabled: false,
            resolution_policy: ResolutionPolicy::Default,
            in_progress_until: None,
        };
        let host = |host| record_set(Self::in_zone(&format!("host{host}"), zone), RecordType::A, &[10, 0, 0, 4]);
        let wildcard = record_set(Self::in_zone("*.apps", zone), RecordType::A, &[10, 0, 0, 5]);
        PrivateDnsZone {
            id: PrivateDnsZone::id(&ResourceGroup::default(), &Self::apex(zone)),
            name: declared(Self::apex(zone)),
            virtual_network_links: networks.iter().map(link).collect(),
            record_sets: (0..self.hosts).map(host).chain([wildcard]).collect(),
            soa: SoaEdit::default(),
            locked: false,
        }
    }

    fn public_zone(self) -> PublicZone {
        let apex = name("example.com");
        let soa = rdata::soa(&name("ns.example.com"), &name("hostmaster.example.com"), [1, 3600, 300, 604_800, 60]);
        let mut record_sets = vec![
            record_set(apex.clone(), RecordType::SOA, &soa),
            record_set(apex.clone(), RecordType::NS, name("ns.example.com").as_wire()),
            record_set(name("ns.example.com"), RecordType::A, &[192, 0, 2, 1]),
            record_set(name("child.example.com"), RecordType::NS, name("ns.child.example.com").as_wire()),
            record_set(name("ns.child.example.com"), RecordType::A, &[192, 0, 2, 2]),
        ];
        record_sets.extend((0..self.zones).map(|zone| {
            let target = Self::in_zone("host0", zone);
            record_set(Self::alias(zone), RecordType::CNAME, target.as_wire())
        }));
        PublicZone { name: declared(apex), record_sets }
    }
}

pub(crate) fn snapshot(topology: Topology) -> Snapshot {
    Snapshot::compile(topology, Identity::default(), Generation::FIRST).expect("small zones")
}

pub(crate) fn prefix(address: Ipv4Addr, len: u8) -> IpNet {
    Ipv4Net::new(address, len).expect("at most 32").into()
}

fn declared<T>(value: T) -> Declared<T> {
    Declared::new(value, Origin(0))
}

fn record_set(owner: Name, rtype: RecordType, rdata: &[u8]) -> RecordSet {
    RecordSet { owner, rtype, ttl: ttl(), rdatas: Rdatas::one(rdata), writer: Writer::Person, origin: Origin(0) }
}
