//! What one change of a large world takes, from `apply` to its first answer.

use std::time::{Duration, Instant};

use vnetdns::azure::{
    Address, Catalogue, Change, ConnectionState, Declaration, Declared, DnsForwardingRuleset, DnsSecurityPolicy,
    DnsSecurityRule, ForwardingRule, Link, NetworkInterface, Origin, PowerState, PrivateDnsZone, PrivateEndpoint,
    PrivateLinkResource, RecordSet, ResolutionPolicy, Resource, ResourceGroup, ResourceId, SecurityAction, SoaEdit,
    Topology, VirtualMachine, VirtualNetwork, VirtualNetworkLink, Word, Writer, ZoneKey, types,
};
use vnetdns::dns::{Name, Rdatas, RecordType, rdata};
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
/// The zone that endpoints of storage accounts write to.
const BLOB: &str = "privatelink.blob.core.windows.net";
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
                ways[at] = world.declare(vec![change]).expect("a sound change").way;
                let last = published.swap(world.snapshot().clone());
                ask(&published);
                taken[at].push(start.elapsed());
                drop(last);
            }
            if run > 4 && taken[0][0] > Duration::from_millis(50) {
                break;
            }
        }
        let medians = taken.map(|mut taken| {
            taken.sort_unstable();
            taken[taken.len() / 2].as_secs_f64() * 1e3
        });
        (what.to_owned(), medians, ways)
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
        row("edit of an SOA record", &|run| put_soa(run), &|run| put_soa(run + RUNS)),
        row("link that registers machines, made and deleted", &|run| put_registering_link(run), &|run| {
            let link = zone_id(LINKS + 1 + run).child(types::VIRTUAL_NETWORK_LINK, &network_name(0));
            Change::Delete(link.expect("a short name"))
        }),
        row(
            "private endpoint with a zone group, made and deleted",
            &|run| put_endpoint(run, ConnectionState::Approved, true),
            &|run| Change::Delete(endpoint(run).id.into_value()),
        ),
        row("zone group, made and deleted", &|_| put_endpoint(RUNS, ConnectionState::Approved, false), &|_| {
            put_endpoint(RUNS, ConnectionState::Approved, true)
        }),
        row("connection, rejected and approved", &|_| put_endpoint(RUNS, ConnectionState::Rejected, true), &|_| {
            put_endpoint(RUNS, ConnectionState::Approved, true)
        }),
        row(
            "private zone, made and deleted",
            &|run| Change::Put(Resource::PrivateDnsZone(zone(ZONES + run, 0, &[]))),
            &|run| Change::Delete(zone_id(ZONES + run)),
        ),
        row(
            "virtual machine, made and deleted",
            &|run| Change::Put(Resource::VirtualMachine(machine(run, PowerState::Running))),
            &|run| Change::Delete(id(types::VIRTUAL_MACHINE, &format!("vm{run}"))),
        ),
        row(
            "virtual machine, stopped and started",
            &|_| Change::Put(Resource::VirtualMachine(machine(RUNS, PowerState::Deallocated))),
            &|_| Change::Put(Resource::VirtualMachine(machine(RUNS, PowerState::Running))),
        ),
        row(
            "virtual network, made and deleted",
            &|run| Change::Put(Resource::VirtualNetwork(network(NETWORKS + run, network_id(NETWORKS + run)))),
            &|run| Change::Delete(network_id(NETWORKS + run)),
        ),
        row(
            "Private Link resource, made and deleted",
            &|run| Change::Put(Resource::PrivateLinkResource(account(RUNS + 1 + run))),
            &|run| Change::Delete(account(RUNS + 1 + run).id.into_value()),
        ),
        row(
            "forwarding rule, made and deleted",
            &|run| Change::Put(Resource::DnsForwardingRuleset(ruleset(run + 1))),
            &|_| Change::Put(Resource::DnsForwardingRuleset(ruleset(0))),
        ),
        row(
            "security policy, made and deleted",
            &|run| Change::Put(Resource::DnsSecurityPolicy(policy(run))),
            &|run| Change::Delete(policy(run).id.into_value()),
        ),
    ];
    let columns = ["change", "ms to the first answer", "ms, back", "ways"];
    let title = format!(
        "One change of {ZONES} private zones with {} record sets, one of {LARGE}, and {NETWORKS} networks with {LINKS} links \
         each",
        LARGE + (ZONES - 1) * SMALL
    );
    let most = |changes: &[(String, [f64; 2], [Way; 2])]| {
        changes.iter().flat_map(|(_, medians, _)| medians).copied().fold(0.0, f64::max)
    };
    report.at_most("one change, the slowest kind, ms to the first answer", "< 5 ms", most(&rows), 5.0);
    report.at_most("one record set of a zone of 25000, ms to the first answer", "< 3 ms", most(&rows[..2]), 3.0);
    report.at_most("one link, ms to the first answer", "< 2 ms", most(&rows[3..4]), 2.0);
    let rows = rows.map(|(what, [there, back], ways)| {
        vec![what, format!("{there:.2}"), format!("{back:.2}"), format!("{ways:?}")]
    });
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

fn id(resource_type: &str, name: &str) -> ResourceId {
    ResourceGroup::default().resource(resource_type, name).expect("a short name")
}

fn network_id(network: usize) -> ResourceId {
    id(types::VIRTUAL_NETWORK, &network_name(network))
}

fn zone_id(zone: usize) -> ResourceId {
    PrivateDnsZone::id(&ResourceGroup::default(), &common::World::apex(zone))
}

fn link_to(network: &ResourceId) -> VirtualNetworkLink {
    VirtualNetworkLink {
        link: Link::to(declared(network.clone())),
        registration_enabled: false,
        resolution_policy: ResolutionPolicy::Default,
        in_progress_until: None,
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
        locked: false,
    }
}

fn declaration() -> Declaration {
    let ids: Vec<_> = (0..NETWORKS).map(network_id).collect();
    // Each network has the zones that follow its own number, so that networks differ.
    let networks_of =
        |zone: usize| (0..LINKS).map(|at| ids[(NETWORKS + zone - at) % NETWORKS].clone()).collect::<Vec<_>>();
    // The SOA record counts.
    let hosts = |zone| if zone == 0 { LARGE - 100 } else { SMALL };
    let mut private_dns_zones: Vec<_> = (0..ZONES).map(|at| zone(at, hosts(at), &networks_of(at))).collect();
    private_dns_zones.push(PrivateDnsZone {
        name: declared(common::name(BLOB)),
        id: PrivateDnsZone::id(&ResourceGroup::default(), &common::name(BLOB)),
        ..zone(ZONES, 0, &ids[..LINKS])
    });
    // The machines of one network are registered.
    let last = private_dns_zones[LINKS].virtual_network_links.last_mut();
    last.expect("it has links").registration_enabled = true;
    Declaration {
        virtual_networks: ids.iter().enumerate().map(|(at, id)| network(at, id.clone())).collect(),
        private_dns_zones,
        private_link_resources: (0..=RUNS).map(account).collect(),
        private_endpoints: vec![endpoint(RUNS)],
        virtual_machines: vec![machine(RUNS, PowerState::Running)],
        dns_forwarding_rulesets: vec![ruleset(0)],
        ..Declaration::default()
    }
}

fn network(at: usize, id: ResourceId) -> VirtualNetwork {
    VirtualNetwork {
        address_space: vec![declared(common::prefix(common::World::address(at, 0), 24))],
        ..VirtualNetwork::new(declared(id))
    }
}

fn account(number: usize) -> PrivateLinkResource {
    let id = id("Microsoft.Storage/storageAccounts", &format!("account{number}"));
    PrivateLinkResource::new(declared(id), declared("eastus".to_owned()))
}

fn endpoint(number: usize) -> PrivateEndpoint {
    let address = common::World::address(0, 100);
    PrivateEndpoint {
        id: declared(id(types::PRIVATE_ENDPOINT, &format!("endpoint{number}"))),
        virtual_network: declared(network_id(0)),
        subnet: None,
        private_link_resource: account(number).id,
        group_id: declared("blob".to_owned()),
        connection_state: ConnectionState::Approved,
        ip_configurations: [(Word::from("blob"), declared(std::net::IpAddr::from(address).into()))].into(),
        private_dns_zone_group: vec![declared(PrivateDnsZone::id(&ResourceGroup::default(), &common::name(BLOB)))],
        deleted: false,
        has_unknown_addresses: false,
        was_approved: false,
    }
}

fn put_endpoint(number: usize, connection_state: ConnectionState, has_zone_group: bool) -> Change {
    let mut endpoint = PrivateEndpoint { connection_state, ..endpoint(number) };
    endpoint.was_approved = connection_state == ConnectionState::Rejected;
    if !has_zone_group {
        endpoint.private_dns_zone_group.clear();
    }
    Change::Put(Resource::PrivateEndpoint(endpoint))
}

fn machine(number: usize, power_state: PowerState) -> VirtualMachine {
    let address = common::World::address(1, 10 + number as u8);
    VirtualMachine {
        resource_name: None,
        name: declared(format!("vm{number}")),
        resource_group: ResourceGroup::default(),
        virtual_network: declared(network_id(1)),
        network_interfaces: vec![NetworkInterface {
            name: None,
            subnet: None,
            ip_addresses: vec![declared(std::net::IpAddr::from(address).into())],
            dns_servers: Vec::new(),
            primary: false,
            origin: Origin(0),
        }],
        power_state,
    }
}

/// A ruleset of one network, with some rules.
fn ruleset(last: usize) -> DnsForwardingRuleset {
    let rule = |number: usize| ForwardingRule {
        name: None,
        domain_name: declared(common::name(&format!("rule{number}.test"))),
        target_dns_servers: vec![declared(Address::Known(([192, 0, 2, 1], 53).into()))],
        is_enabled: true,
    };
    DnsForwardingRuleset {
        id: declared(id(types::DNS_FORWARDING_RULESET, "ruleset")),
        links: vec![Link::to(declared(network_id(1)))],
        rules: (last / 2..=last).map(rule).collect(),
    }
}

fn policy(number: usize) -> DnsSecurityPolicy {
    DnsSecurityPolicy {
        id: declared(id(types::DNS_SECURITY_POLICY, &format!("policy{number}"))),
        links: vec![Link::to(declared(network_id(1)))],
        rules: vec![DnsSecurityRule {
            name: None,
            priority: declared(100),
            action: SecurityAction::Block,
            domains: vec![declared(common::name("malware.test"))],
            is_enabled: true,
        }],
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

fn put_soa(run: usize) -> Change {
    let rdata =
        rdata::soa(&common::name("azureprivatedns.net"), &common::name("host.test"), [1, 3600, 300, 60, run as u32]);
    let record_set = record_set(common::World::apex(7), RecordType::SOA, &rdata);
    Change::PutRecordSet { zone: ZoneKey::Private(zone_id(7)), record_set }
}

fn put_registering_link(run: usize) -> Change {
    let link = VirtualNetworkLink { registration_enabled: true, ..link_to(&network_id(0)) };
    Change::PutLink { zone: zone_id(LINKS + 1 + run), link }
}

/// A network that is linked to none of these zones yet.
fn put_link(run: usize) -> Change {
    Change::PutLink { zone: zone_id(LINKS + 1 + run), link: link_to(&network_id(0)) }
}
