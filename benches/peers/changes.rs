//! What one change of a large world takes, from `apply` to its first answer.

use std::time::{Duration, Instant};

use vnetdns::azure::{
    Catalogue, Change, ConnectionState, Declaration, Declared, Link, Origin, PrivateDnsZone, PrivateEndpoint,
    PrivateLinkResource, RecordSet, ResolutionPolicy, Resource, ResourceGroup, ResourceId, SoaEdit, Topology,
    VirtualNetwork, VirtualNetworkLink, Word, Writer, ZoneKey, types,
};
use vnetdns::dns::{Name, Rdatas, RecordType};
use vnetdns::respond::respond;
use vnetdns::snapshot::{Identity, Published};
use vnetdns::view::{Client, Transport};
use vnetdns::wire::Response;
use vnetdns::world::{Way, World};

use super::common;
use super::report::Report;

/// Private zones; the first is the large one, the others share the rest of the record sets.
const ZONES: usize = 1000;
const LARGE: usize = 25_000;
const SMALL: usize = 75;
const NETWORKS: usize = 1000;
/// Zones that each network is linked to.
const LINKS: usize = 100;
/// Changes of each kind, of which the median counts.
const RUNS: usize = 21;

/// Each kind of change, there and back.
pub(crate) fn apply(report: &mut Report) {
    let catalogue = Catalogue::embedded();
    let (topology, _) = Topology::new(declaration(), &catalogue).expect("a sound declaration");
    let mut world = World::new(topology, catalogue, Identity::default()).expect("small zones");
    let published = Published::new(world.snapshot().clone());
    let mut row = |what: &str, there: &dyn Fn(usize) -> Change, back: &dyn Fn(usize) -> Change| {
        let mut taken = [Vec::new(), Vec::new()];
        let mut ways = [Way::Edited; 2];
        // What is derived as a whole takes long enough to be measured by a few.
        for run in 0..RUNS {
            for (at, change) in [there(run), back(run)].into_iter().enumerate() {
                let start = Instant::now();
                ways[at] = world.apply(vec![change]).expect("a sound change").way;
                let last = published.swap(world.snapshot().clone());
                ask(&published);
                taken[at].push(start.elapsed());
                drop(last);
            }
            if run > 4 && taken[0][0] > Duration::from_millis(50) {
                break;
            }
        }
        let [there, back] = taken.map(|mut taken| {
            taken.sort_unstable();
            format!("{:.2}", taken[taken.len() / 2].as_secs_f64() * 1e3)
        });
        vec![what.to_owned(), there, back, format!("{ways:?}")]
    };
    let large = |rtype, rdata: &'static [u8]| -> [Box<dyn Fn(usize) -> Change>; 2] {
        [Box::new(move |run| put(0, run, rtype, rdata)), Box::new(move |run| delete(0, run, rtype))]
    };
    let address = large(RecordType::A, &[10, 0, 0, 9]);
    let alias = large(RecordType::CNAME, b"\x05host1\x05zone0\x07contoso\x08internal\0");
    let rows = [
        row("A record set in the zone of 25 000, made and deleted", &address[0], &address[1]),
        row("alias in the zone of 25 000, made and deleted", &alias[0], &alias[1]),
        row("record set in a zone of 75, made and deleted", &|run| put(7, run, RecordType::TXT, b"\x01x"), &|run| {
            delete(7, run, RecordType::TXT)
        }),
        row("link, made and deleted", &|run| put_link(run), &|run| {
            let link = zone_id(LINKS + 1 + run).child(types::VIRTUAL_NETWORK_LINK, &network_name(0));
            Change::Delete(link.expect("a short name"))
        }),
        row(
            "private endpoint, made and deleted",
            &|run| Change::Put(Resource::PrivateEndpoint(endpoint(run))),
            &|run| Change::Delete(endpoint(run).id.into_value()),
        ),
        row(
            "private zone, made and deleted",
            &|run| Change::Put(Resource::PrivateDnsZone(zone(ZONES + run, 0, &[]))),
            &|run| Change::Delete(zone_id(ZONES + run)),
        ),
    ];
    let columns = ["change", "ms to the first answer", "ms, back", "ways"];
    let title = format!(
        "One change of {ZONES} private zones with {} record sets, one of {LARGE}, and {NETWORKS} networks with {LINKS} links \
         each",
        LARGE + (ZONES - 1) * SMALL
    );
    report.table(&title, &columns, &rows);
}

fn ask(published: &Published) {
    let request = common::query(&common::World::in_zone("host1", 0), RecordType::A, true);
    let client = Client::new(common::World::address(0, 9).into(), Transport::Udp);
    let mut response = Response::new();
    respond(&published.load(), &client, &request, &mut response);
    assert_eq!(response.as_octets().get(7), Some(&1), "an answer");
}

fn declared<T>(value: T) -> Declared<T> {
    Declared::new(value, Origin(0))
}

fn network_name(network: usize) -> String {
    common::World::network_name(network)
}

fn network_id(network: usize) -> ResourceId {
    ResourceGroup::default().resource(types::VIRTUAL_NETWORK, &network_name(network)).expect("a short name")
}

fn zone_id(zone: usize) -> ResourceId {
    PrivateDnsZone::id(&ResourceGroup::default(), &common::World::apex(zone))
}

fn link_to(network: &ResourceId) -> VirtualNetworkLink {
    VirtualNetworkLink {
        link: Link::to(declared(network.clone())),
        registration_enabled: false,
        resolution_policy: ResolutionPolicy::Default,
    }
}

fn zone(number: usize, hosts: usize, networks: &[ResourceId]) -> PrivateDnsZone {
    let host = |host| record_set(common::World::in_zone(&format!("host{host}"), number), RecordType::A, &[10, 0, 0, 4]);
    PrivateDnsZone {
        id: zone_id(number),
        name: declared(common::World::apex(number)),
        virtual_network_links: networks.iter().map(link_to).collect(),
        record_sets: (0..hosts).map(host).collect(),
        soa: SoaEdit::default(),
    }
}

fn declaration() -> Declaration {
    let ids: Vec<_> = (0..NETWORKS).map(network_id).collect();
    let network = |at: usize| VirtualNetwork {
        address_space: vec![declared(common::prefix(common::World::address(at, 0), 24))],
        ..VirtualNetwork::new(declared(ids[at].clone()))
    };
    // Each network has the zones that follow its own number, so that networks differ.
    let networks_of =
        |zone: usize| (0..LINKS).map(|at| ids[(NETWORKS + zone - at) % NETWORKS].clone()).collect::<Vec<_>>();
    // The SOA record counts.
    let hosts = |zone| if zone == 0 { LARGE - 100 } else { SMALL };
    Declaration {
        virtual_networks: (0..NETWORKS).map(network).collect(),
        private_dns_zones: (0..ZONES).map(|at| zone(at, hosts(at), &networks_of(at))).collect(),
        private_link_resources: (0..RUNS).map(account).collect(),
        ..Declaration::default()
    }
}

fn account(number: usize) -> PrivateLinkResource {
    let id = ResourceGroup::default().resource("Microsoft.Storage/storageAccounts", &format!("account{number}"));
    PrivateLinkResource::new(declared(id.expect("a short name")), declared("eastus".to_owned()))
}

fn endpoint(number: usize) -> PrivateEndpoint {
    let id = ResourceGroup::default().resource(types::PRIVATE_ENDPOINT, &format!("endpoint{number}"));
    let address = common::World::address(0, 100);
    PrivateEndpoint {
        id: declared(id.expect("a short name")),
        virtual_network: declared(network_id(0)),
        subnet: None,
        private_link_resource: account(number).id,
        group_id: declared("blob".to_owned()),
        connection_state: ConnectionState::Approved,
        ip_configurations: [(Word::from("blob"), declared(std::net::IpAddr::from(address).into()))].into(),
        private_dns_zone_group: Vec::new(),
        deleted: false,
        has_unknown_addresses: false,
        was_approved: false,
    }
}

fn record_set(owner: Name, rtype: RecordType, rdata: &[u8]) -> RecordSet {
    let ttl = common::ttl();
    RecordSet { owner, rtype, ttl, rdatas: Rdatas::one(rdata), writer: Writer::Person, origin: Origin(0) }
}

fn put(zone: usize, run: usize, rtype: RecordType, rdata: &[u8]) -> Change {
    let owner = common::World::in_zone(&format!("new{run}"), zone);
    Change::PutRecordSet { zone: ZoneKey::Private(zone_id(zone)), record_set: record_set(owner, rtype, rdata) }
}

fn delete(zone: usize, run: usize, rtype: RecordType) -> Change {
    let owner = common::World::in_zone(&format!("new{run}"), zone);
    Change::DeleteRecordSet { zone: ZoneKey::Private(zone_id(zone)), owner, rtype }
}

/// A network that is linked to none of these zones yet.
fn put_link(run: usize) -> Change {
    Change::PutLink { zone: zone_id(LINKS + 1 + run), link: link_to(&network_id(0)) }
}
