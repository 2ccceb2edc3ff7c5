//! Random worlds and changes: after each the world answers as one that is loaded from scratch, and says the same of itself.

use std::net::IpAddr;
use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use super::*;
use crate::azure::{
    Address, ConnectionState, Declared, DnsForwardingRuleset, DnsSecurityPolicy, DnsSecurityRule, ForwardingRule,
    Limits, Link, NetworkInterface, Origin, PowerState, PrivateDnsZone, PrivateEndpoint, PrivateLinkResource,
    PublicZone, ResolutionPolicy, Resource, ResourceGroup, ResourceId, SecurityAction, Shared, SoaEdit, VirtualMachine,
    VirtualNetwork, VirtualNetworkLink, Word, Writer, types,
};
use crate::dns::{Name, Rdatas, RecordType, Ttl, rdata};
use crate::respond::{Responder, respond};
use crate::view::{Client, Transport};
use crate::wire::{Received, Response};

const CASES: u32 = 32;
/// Reading it takes longer than all else here.
static CATALOGUE: LazyLock<Arc<Catalogue>> = LazyLock::new(|| Arc::new(Catalogue::embedded()));
const NETWORKS: usize = 3;
/// Names of zones; the last two are one, in two groups.
const APEXES: [&str; 6] = [
    "corp.test",
    "deep.corp.test",
    "privatelink.blob.core.windows.net",
    "blob.core.windows.net",
    "other.test",
    "other.test",
];
const PUBLIC: &str = "example.test";
const OWNERS: [&str; 13] = ["@", "a", "b", "a.b", "*.b", "m0", "m1", "acct0", "acct1", "x.deep", "c", "x.c", "*"];
const TYPES: [RecordType; 8] = [
    RecordType::A,
    RecordType::AAAA,
    RecordType::TXT,
    RecordType::CNAME,
    RecordType::MX,
    RecordType::NS,
    RecordType::DNAME,
    RecordType::SOA,
];

/// What a change is about, by numbers that only mean something here.
#[derive(Clone, Debug)]
enum Raw {
    Set { zone: usize, owner: usize, rtype: usize, value: Option<u8> },
    Link { zone: usize, network: usize, value: Option<(bool, bool)> },
    Zone { zone: usize, value: bool },
    Endpoint { number: usize, value: Option<(u8, Vec<usize>, u8)> },
    Machine { number: usize, value: Option<bool> },
    Network { network: usize, value: Option<u8> },
    Account { number: usize, value: Option<u8> },
    Ruleset { value: Option<(usize, usize, u8)> },
    Policy { value: Option<(usize, usize)> },
}

fn raw() -> impl Strategy<Value = Raw> {
    let set = (0..APEXES.len() + 1, 0..OWNERS.len(), 0..TYPES.len(), prop::option::weighted(0.7, 0..4_u8))
        .prop_map(|(zone, owner, rtype, value)| Raw::Set { zone, owner, rtype, value });
    let link = (0..APEXES.len(), 0..NETWORKS + 1, prop::option::weighted(0.6, any::<(bool, bool)>()))
        .prop_map(|(zone, network, value)| Raw::Link { zone, network, value });
    let zone = (0..APEXES.len(), any::<bool>()).prop_map(|(zone, value)| Raw::Zone { zone, value });
    let endpoint = (0..3_usize, prop::option::weighted(0.8, (0..6_u8, vec(0..APEXES.len(), 0..3), 0..4_u8)))
        .prop_map(|(number, value)| Raw::Endpoint { number, value });
    let machine = (0..2_usize, prop::option::weighted(0.8, any::<bool>()))
        .prop_map(|(number, value)| Raw::Machine { number, value });
    let network = (0..NETWORKS + 2, prop::option::weighted(0.7, 0..4_u8))
        .prop_map(|(network, value)| Raw::Network { network, value });
    let account =
        (0..3_usize, prop::option::weighted(0.7, 0..4_u8)).prop_map(|(number, value)| Raw::Account { number, value });
    let ruleset =
        prop::option::weighted(0.7, (0..NETWORKS, 0..APEXES.len(), 0..3_u8)).prop_map(|value| Raw::Ruleset { value });
    let policy = prop::option::weighted(0.7, (0..NETWORKS, 0..APEXES.len())).prop_map(|value| Raw::Policy { value });
    prop_oneof![
        10 => set, 5 => link, 2 => zone, 4 => endpoint, 2 => machine, 2 => network, 2 => account, 1 => ruleset, 1 => policy
    ]
}

fn declared<T>(value: T) -> Declared<T> {
    Declared::new(value, Origin(0))
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn group(zone: usize) -> ResourceGroup {
    let group = if zone + 1 == APEXES.len() { "second" } else { "default" };
    ResourceGroup::new(Default::default(), group).unwrap()
}

fn zone_id(zone: usize) -> ResourceId {
    PrivateDnsZone::id(&group(zone), &name(APEXES[zone]))
}

fn id(resource_type: &str, name: &str) -> ResourceId {
    ResourceGroup::default().resource(resource_type, name).unwrap()
}

fn network_id(network: usize) -> ResourceId {
    id(types::VIRTUAL_NETWORK, &format!("v{network}"))
}

/// A network as it is declared at first, or with the prefix of another, with the DNS server of another, or with one of its
/// own that is asked elsewhere.
fn network(number: usize, variant: u8) -> VirtualNetwork {
    let prefix = |number: usize| declared(format!("10.{number}.0.0/16").parse().unwrap());
    let mut network = VirtualNetwork::new(declared(network_id(number)));
    network.address_space = vec![prefix(if variant == 1 { 0 } else { number })];
    let server = |address: [u8; 4]| vec![declared(Address::Known((address, 53).into()))];
    match variant {
        2 => network.dns_servers = server([10, 1 - number.min(1) as u8, 0, 4]),
        3 => network.dns_servers = server([192, 0, 2, 1]),
        _ => {}
    }
    network
}

fn link(network: usize, registration_enabled: bool, redirects: bool) -> VirtualNetworkLink {
    let resolution_policy = if redirects { ResolutionPolicy::NxDomainRedirect } else { ResolutionPolicy::Default };
    let link = Link {
        name: (network == 1).then(|| declared("named".to_owned())),
        virtual_network: declared(network_id(network)),
    };
    VirtualNetworkLink { link, registration_enabled, resolution_policy }
}

fn link_name(network: usize) -> String {
    if network == 1 { "named".to_owned() } else { format!("v{network}") }
}

fn zone(number: usize) -> PrivateDnsZone {
    PrivateDnsZone {
        name: declared(name(APEXES[number])),
        id: zone_id(number),
        virtual_network_links: Shared::default(),
        record_sets: Vec::new(),
        soa: SoaEdit::default(),
        locked: false,
    }
}

fn account(number: usize) -> PrivateLinkResource {
    let id = id("Microsoft.Storage/storageAccounts", &format!("acct{number}"));
    PrivateLinkResource::new(declared(id), declared("eastus".to_owned()))
}

/// Two endpoints of one account, and one of another.
fn endpoint(number: usize, (state, zones, host): (u8, Vec<usize>, u8)) -> PrivateEndpoint {
    let network = number % 2;
    let address: IpAddr = [10, network as u8, 9, host].into();
    PrivateEndpoint {
        id: declared(id(types::PRIVATE_ENDPOINT, &format!("pe{number}"))),
        virtual_network: declared(network_id(network)),
        subnet: None,
        private_link_resource: declared(account(number / 2).id.into_value()),
        group_id: declared("blob".to_owned()),
        connection_state: match state {
            0 => ConnectionState::Pending,
            2 => ConnectionState::Rejected,
            3 => ConnectionState::Disconnected,
            _ => ConnectionState::Approved,
        },
        ip_configurations: [(Word::from("blob"), declared(address.into()))].into(),
        private_dns_zone_group: zones.into_iter().map(|zone| declared(zone_id(zone))).collect(),
        deleted: state == 1,
        has_unknown_addresses: false,
        was_approved: state == 2,
    }
}

/// The account with other public addresses, without any, or with another public host.
fn varied_account(number: usize, variant: u8) -> PrivateLinkResource {
    let mut account = account(number);
    match variant {
        1 => account.has_no_public_host = true,
        2 => {
            let address = declared(vec![IpAddr::from([192, 0, 2, 7])]);
            account.public_ip_addresses = [(Word::from("blob"), address)].into();
        }
        3 => account.public_endpoint = Some(declared(name("blob.host.test"))),
        _ => {}
    }
    account
}

/// A ruleset for one network, which asks for the names of a zone another network, servers, or two of them.
fn ruleset((network, zone, variant): (usize, usize, u8)) -> DnsForwardingRuleset {
    let servers = [[10, 1, 0, 4], [192, 0, 2, 1], [192, 0, 2, 2]];
    let rule = |apex: &str, server: [u8; 4]| ForwardingRule {
        name: None,
        domain_name: declared(name(apex)),
        target_dns_servers: vec![declared(Address::Known((server, 53).into()))],
        is_enabled: true,
    };
    let mut rules = vec![rule(APEXES[zone], servers[usize::from(variant)])];
    if variant == 2 {
        rules.push(rule("elsewhere.test", servers[1]));
    }
    let links = vec![Link::to(declared(network_id(network)))];
    DnsForwardingRuleset { id: declared(id(types::DNS_FORWARDING_RULESET, "r")), links, rules }
}

fn policy((network, zone): (usize, usize)) -> DnsSecurityPolicy {
    let rule = DnsSecurityRule {
        name: None,
        priority: declared(100),
        action: SecurityAction::Block,
        domains: vec![declared(name(APEXES[zone]))],
        is_enabled: true,
    };
    let links = vec![Link::to(declared(network_id(network)))];
    DnsSecurityPolicy { id: declared(id(types::DNS_SECURITY_POLICY, "p")), links, rules: vec![rule] }
}

/// One in each of the first two networks.
fn machine(number: usize, runs: bool) -> VirtualMachine {
    VirtualMachine {
        resource_name: None,
        name: declared(format!("m{number}")),
        resource_group: ResourceGroup::default(),
        virtual_network: declared(network_id(number)),
        network_interfaces: vec![NetworkInterface {
            name: None,
            subnet: None,
            ip_addresses: vec![declared(IpAddr::from([10, number as u8, 1, 1]).into())],
            dns_servers: Vec::new(),
            primary: false,
            origin: Origin(0),
        }],
        power_state: if runs { PowerState::Running } else { PowerState::Deallocated },
    }
}

fn zone_key(zone: usize) -> (ZoneKey, Name) {
    match APEXES.get(zone) {
        Some(apex) => (ZoneKey::Private(zone_id(zone)), name(apex)),
        None => (ZoneKey::Public(name(PUBLIC)), name(PUBLIC)),
    }
}

fn record_set(owner: Name, rtype: RecordType, value: u8) -> RecordSet {
    let targets = ["a.corp.test", "b.corp.test", "acct0.blob.core.windows.net", "x.c.other.test"];
    let target = name(targets[usize::from(value) % targets.len()]);
    let rdata: Vec<u8> = match rtype {
        RecordType::A => vec![10, 0, 0, value],
        RecordType::AAAA => [vec![0xfd; 15], vec![value]].concat(),
        RecordType::TXT => vec![1, b'0' + value],
        RecordType::MX => [&[0, value][..], target.as_wire()].concat(),
        RecordType::SOA => rdata::soa(&name("ns.test"), &name("host.test"), [1, 2, 3, 4, value.into()]),
        _ => target.as_wire().to_vec(),
    };
    let ttl = Ttl::from_secs(60 + u32::from(value)).unwrap();
    RecordSet { owner, rtype, ttl, rdatas: Rdatas::one(rdata), writer: Writer::Person, origin: Origin(0) }
}

/// The change, and with it what is declared afterwards where it is about something that is there: lists, and no more.
fn change(raw: Raw, model: &mut Declaration) -> Option<Change> {
    match raw {
        Raw::Set { zone, owner, rtype, value } => {
            let (key, apex) = zone_key(zone);
            let owner = Name::relative(OWNERS[owner], apex.as_ref()).unwrap();
            let rtype = TYPES[rtype];
            let set = value.map(|value| record_set(owner.clone(), rtype, value));
            let at = match &key {
                ZoneKey::Private(id) => model.private_dns_zones.iter().position(|zone| zone.id == *id),
                ZoneKey::Public(_) => Some(0),
            };
            let change = match &set {
                Some(record_set) => Change::PutRecordSet { zone: key.clone(), record_set: record_set.clone() },
                None => Change::DeleteRecordSet { zone: key.clone(), owner: owner.clone(), rtype },
            };
            let record_sets = match (&key, at?) {
                (ZoneKey::Private(_), at) if rtype == RecordType::SOA && owner == apex => {
                    // Of the SOA record that there always is nothing can be taken away.
                    let soa = SoaEdit::from_record(&set?);
                    model.private_dns_zones[at].soa = soa;
                    return Some(change);
                }
                (ZoneKey::Private(_), at) => &mut model.private_dns_zones[at].record_sets,
                (ZoneKey::Public(_), at) => &mut model.public_zones[at].record_sets,
            };
            let before = record_sets.len();
            record_sets.retain(|set| (&set.owner, set.rtype) != (&owner, rtype));
            if set.is_none() && record_sets.len() == before {
                return None;
            }
            record_sets.extend(set);
            Some(change)
        }
        Raw::Link { zone, network, value } => {
            let id = zone_id(zone);
            let zone = model.private_dns_zones.iter_mut().find(|zone| zone.id == id)?;
            let links = &mut zone.virtual_network_links;
            let before = links.len();
            links.retain(|link| *link.link.virtual_network != network_id(network));
            match value {
                Some((registers, redirects)) => {
                    let link = link(network, registers, redirects);
                    links.push(link.clone());
                    Some(Change::PutLink { zone: id, link })
                }
                None if links.len() == before => None,
                None => Some(Change::Delete(id.child(types::VIRTUAL_NETWORK_LINK, &link_name(network)).unwrap())),
            }
        }
        Raw::Zone { zone: number, value } => {
            let id = zone_id(number);
            let is_there = model.private_dns_zones.iter().any(|zone| zone.id == id);
            match (value, is_there) {
                (true, false) => {
                    model.private_dns_zones.push(zone(number));
                    Some(Change::Put(Resource::PrivateDnsZone(zone(number))))
                }
                (false, true) => {
                    model.private_dns_zones.retain(|zone| zone.id != id);
                    Some(Change::Delete(id))
                }
                _ => None,
            }
        }
        Raw::Endpoint { number, value } => {
            let (endpoints, id) = (&mut model.private_endpoints, id(types::PRIVATE_ENDPOINT, &format!("pe{number}")));
            let value = value.map(|value| endpoint(number, value));
            put(endpoints, |endpoint| &endpoint.id, id, value, Resource::PrivateEndpoint)
        }
        Raw::Machine { number, value } => {
            let machines = &mut model.virtual_machines;
            let at = machines.iter().position(|known| *known.name == format!("m{number}"));
            let value = value.map(|runs| machine(number, runs));
            let id = id(types::VIRTUAL_MACHINE, &format!("m{number}"));
            put_at(machines, at, id, value, Resource::VirtualMachine)
        }
        Raw::Network { network: number, value } => {
            let value = value.map(|variant| network(number, variant));
            let networks = &mut model.virtual_networks;
            put(networks, |network| &network.id, network_id(number), value, Resource::VirtualNetwork)
        }
        Raw::Account { number, value } => {
            let (accounts, id) = (&mut model.private_link_resources, account(number).id.into_value());
            let value = value.map(|variant| varied_account(number, variant));
            put(accounts, |account| &account.id, id, value, Resource::PrivateLinkResource)
        }
        Raw::Ruleset { value } => {
            let (rulesets, id) = (&mut model.dns_forwarding_rulesets, id(types::DNS_FORWARDING_RULESET, "r"));
            put(rulesets, |ruleset| &ruleset.id, id, value.map(ruleset), Resource::DnsForwardingRuleset)
        }
        Raw::Policy { value } => {
            let (policies, id) = (&mut model.dns_security_policies, id(types::DNS_SECURITY_POLICY, "p"));
            put(policies, |policy| &policy.id, id, value.map(policy), Resource::DnsSecurityPolicy)
        }
    }
}

/// Puts a resource into a list, or takes the one of an identity out of it.
fn put<T: Clone>(
    list: &mut Vec<T>,
    of: impl Fn(&T) -> &ResourceId,
    id: ResourceId,
    value: Option<T>,
    resource: impl Fn(T) -> Resource,
) -> Option<Change> {
    let at = list.iter().position(|known| *of(known) == id);
    put_at(list, at, id, value, resource)
}

/// As [`put`], for the resource at a place.
fn put_at<T: Clone>(
    list: &mut Vec<T>,
    at: Option<usize>,
    id: ResourceId,
    value: Option<T>,
    resource: impl Fn(T) -> Resource,
) -> Option<Change> {
    match (value, at) {
        (Some(value), at) => {
            match at {
                Some(at) => list[at] = value.clone(),
                None => list.push(value.clone()),
            }
            Some(Change::Put(resource(value)))
        }
        (None, Some(at)) => {
            list.remove(at);
            Some(Change::Delete(id))
        }
        (None, None) => None,
    }
}

fn lab(limits: Limits) -> Declaration {
    let apex = name(PUBLIC);
    let soa = record_set(apex.clone(), RecordType::SOA, 1);
    let ns = record_set(apex.clone(), RecordType::NS, 2);
    let mut zones: Vec<_> = (0..4).map(zone).collect();
    for (zone, network) in [(0, 0), (0, 1), (1, 1), (2, 0), (2, 2), (3, 2)] {
        zones[zone].virtual_network_links.push(link(network, zone == 0 && network == 0, false));
    }
    Declaration {
        virtual_networks: (0..NETWORKS).map(|at| network(at, 0)).collect(),
        private_dns_zones: zones,
        private_link_resources: (0..2).map(account).collect(),
        private_endpoints: vec![endpoint(0, (4, vec![2], 1))],
        virtual_machines: vec![machine(0, true)],
        public_zones: vec![PublicZone { name: declared(apex), record_sets: vec![soa, ns] }],
        limits,
        ..Declaration::default()
    }
}

/// Requests for whatever may be there, from each network and from outside.
fn answers(snapshot: &Snapshot) -> Vec<(IpAddr, Vec<u8>, Vec<u8>)> {
    let apexes = APEXES.iter().copied().chain([PUBLIC, "privatelink.blob.core.windows.net"]);
    let names = apexes.flat_map(|apex| OWNERS.map(|owner| Name::relative(owner, name(apex).as_ref()).unwrap()));
    let names: Vec<_> = names.chain([name("1.1.0.10.in-addr.arpa"), name("m0.internal.cloudapp.net")]).collect();
    let sources = [[10, 0, 0, 9], [10, 1, 0, 9], [10, 2, 0, 9], [192, 0, 2, 1]].map(IpAddr::from);
    let mut answers = Vec::new();
    let mut response = Response::new();
    for source in sources {
        for name in &names {
            for rtype in TYPES {
                let qtype = u16::from(rtype).to_be_bytes();
                let request = [b"\0\x07\x01\0\0\x01\0\0\0\0\0\0", name.as_wire(), &qtype, b"\0\x01"].concat();
                respond(snapshot, &Client::new(source, Transport::Tcp), &request, &mut response);
                answers.push((source, request, response.as_octets().to_vec()));
            }
        }
    }
    answers
}

fn texts(findings: &[Finding]) -> Vec<String> {
    let mut texts: Vec<_> =
        findings.iter().map(|finding| format!("{:?} {}", finding.severity(), finding.what)).collect();
    texts.sort();
    texts
}

fn load(declaration: Declaration) -> Result<(World, Vec<Finding>), Vec<Finding>> {
    let (topology, findings) = Topology::new(declaration, &CATALOGUE)?;
    Ok((World::new(topology, Arc::clone(&CATALOGUE), Identity::default()).unwrap(), findings))
}

/// Asks somebody who keeps answers what a fresh look gives, twice, so that it is kept.
fn keeps_nothing_old(responder: &mut Responder, snapshot: &Snapshot) -> Result<(), TestCaseError> {
    let mut response = Response::new();
    for (source, request, answer) in answers(snapshot) {
        for _ in 0..2 {
            responder.respond(
                snapshot,
                &Client::new(source, Transport::Tcp),
                &Received::parse(&request),
                &mut response,
            );
            prop_assert!(
                response.as_octets() == answer,
                "{} asks {} and gets an old answer",
                source,
                request.escape_ascii()
            );
        }
    }
    Ok(())
}

/// Says that the world is as if what it declares had just been loaded.
fn is_as_loaded(world: &World, model: &Declaration) -> Result<(), TestCaseError> {
    let (fresh, findings) = load(model.clone()).unwrap();
    for (ours, theirs) in answers(world.snapshot()).into_iter().zip(answers(fresh.snapshot())) {
        prop_assert!(ours == theirs, "{} asks {}", ours.0, ours.1.escape_ascii());
    }
    let (_, again) = load(world.declaration()).unwrap();
    prop_assert_eq!(texts(&again), texts(&findings));
    prop_assert_eq!(world.snapshot().counts(), fresh.snapshot().counts());
    let alike =
        |world: &World| (0..4).map(|at| world.snapshot().alike(crate::view::ViewId::new(at))).collect::<Vec<_>>();
    prop_assert_eq!(alike(world), alike(&fresh));
    Ok(())
}

/// What makes a change undone.
fn undo(raw: &Raw, model: &Declaration) -> Option<Change> {
    match raw {
        Raw::Set { zone, owner, rtype, .. } => {
            let (key, apex) = zone_key(*zone);
            let (owner, rtype) = (Name::relative(OWNERS[*owner], apex.as_ref()).unwrap(), TYPES[*rtype]);
            let record_sets = match &key {
                ZoneKey::Private(id) => &model.private_dns_zones.iter().find(|zone| zone.id == *id)?.record_sets,
                ZoneKey::Public(_) => &model.public_zones[0].record_sets,
            };
            let before = record_sets.iter().find(|set| set.owner == owner && set.rtype == rtype);
            if before.is_none() && rtype == RecordType::SOA && owner == apex {
                return None;
            }
            Some(match before {
                Some(set) => Change::PutRecordSet { zone: key, record_set: set.clone() },
                None => Change::DeleteRecordSet { zone: key, owner, rtype },
            })
        }
        Raw::Link { zone, network, .. } => {
            let id = zone_id(*zone);
            let zone = model.private_dns_zones.iter().find(|zone| zone.id == id)?;
            let mut links = zone.virtual_network_links.iter();
            Some(match links.find(|link| *link.link.virtual_network == network_id(*network)) {
                Some(link) => Change::PutLink { zone: id, link: link.clone() },
                None => Change::Delete(id.child(types::VIRTUAL_NETWORK_LINK, &link_name(*network)).unwrap()),
            })
        }
        Raw::Zone { zone: number, .. } => {
            let before = model.private_dns_zones.iter().find(|zone| zone.id == zone_id(*number)).cloned();
            Some(back(before, Resource::PrivateDnsZone, zone_id(*number)))
        }
        // Of two that are registered under one name, or of two endpoints, the last counts: order is not undone.
        Raw::Machine { value: None, .. } | Raw::Endpoint { value: None, .. } => None,
        Raw::Machine { number, .. } => {
            let before = model.virtual_machines.iter().find(|known| *known.name == format!("m{number}")).cloned();
            Some(back(before, Resource::VirtualMachine, id(types::VIRTUAL_MACHINE, &format!("m{number}"))))
        }
        Raw::Endpoint { number, .. } => {
            let id = id(types::PRIVATE_ENDPOINT, &format!("pe{number}"));
            let before = model.private_endpoints.iter().find(|known| *known.id == id).cloned();
            Some(back(before, Resource::PrivateEndpoint, id))
        }
        Raw::Network { network, .. } => {
            let before = model.virtual_networks.iter().find(|known| *known.id == network_id(*network)).cloned();
            Some(back(before, Resource::VirtualNetwork, network_id(*network)))
        }
        Raw::Account { number, .. } => {
            let id = account(*number).id.into_value();
            let before = model.private_link_resources.iter().find(|known| *known.id == id).cloned();
            Some(back(before, Resource::PrivateLinkResource, id))
        }
        Raw::Ruleset { .. } => {
            let before = model.dns_forwarding_rulesets.first().cloned();
            Some(back(before, Resource::DnsForwardingRuleset, id(types::DNS_FORWARDING_RULESET, "r")))
        }
        Raw::Policy { .. } => {
            let before = model.dns_security_policies.first().cloned();
            Some(back(before, Resource::DnsSecurityPolicy, id(types::DNS_SECURITY_POLICY, "p")))
        }
    }
}

fn back<T>(before: Option<T>, resource: impl Fn(T) -> Resource, id: ResourceId) -> Change {
    before.map_or_else(|| Change::Delete(id), |before| Change::Put(resource(before)))
}

#[test]
fn a_changed_world_is_as_one_that_is_loaded_from_scratch() {
    let mut ways = [0; 4];
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let counted = std::cell::RefCell::new(&mut ways);
    let limits = select(vec![Limits::Azure, Limits::Off]);
    let outcome = runner.run(&(limits, vec(vec(raw(), 1..3), 1..12)), |(limits, steps)| {
        let mut model = lab(limits);
        let (mut world, _) = load(model.clone()).unwrap();
        let mut responder = Responder::new();
        keeps_nothing_old(&mut responder, world.snapshot())?;
        for step in steps {
            let before = model.clone();
            let (first, is_one) = (step[0].clone(), step.len() == 1);
            let changes: Vec<_> = step.into_iter().filter_map(|raw| change(raw, &mut model)).collect();
            if changes.is_empty() {
                model = before;
                continue;
            }
            let old = answers(world.snapshot());
            match (world.declare(changes.clone()), load(model.clone())) {
                (Ok(applied), Ok(_)) => {
                    counted.borrow_mut()[applied.way as usize] += 1;
                    is_as_loaded(&world, &model).map_err(|error| {
                        TestCaseError::fail(format!("after {changes:?}, {:?}: {error}", applied.way))
                    })?;
                    keeps_nothing_old(&mut responder, world.snapshot())
                        .map_err(|error| TestCaseError::fail(format!("after {changes:?}: {error}")))?;
                    if let Some(back) = undo(&first, &before).filter(|_| is_one) {
                        world.declare(vec![back]).unwrap();
                        prop_assert!(answers(world.snapshot()) == old, "{changes:?} is not undone");
                        world.declare(changes).unwrap();
                    }
                }
                (Err(Refused::Findings(ours)), Err(theirs)) => {
                    counted.borrow_mut()[3] += 1;
                    prop_assert_eq!(texts(&ours), texts(&theirs), "{:?}", changes);
                    prop_assert!(answers(world.snapshot()) == old, "{:?} is half applied", changes);
                    model = before;
                }
                (ours, theirs) => {
                    let theirs = theirs.map(|_| ()).map_err(|findings| texts(&findings));
                    prop_assert!(false, "{:?}: {:?} but {:?}", changes, ours, theirs);
                }
            }
        }
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    let [edited, derived, _, refused] = ways;
    assert!([edited, derived, refused].iter().all(|count| *count > CASES / 4), "each way is gone: {ways:?}");
}

/// What is done to a world whose files stand beneath what the management API makes.
#[derive(Clone, Debug)]
enum Step {
    /// By the management API.
    Made(Vec<Raw>),
    /// To the files, which are read again.
    Files(Vec<Raw>),
}

/// Whether it is about what a file declares.
fn is_files(raw: &Raw, files: &Declaration) -> bool {
    let of_zone = |zone: usize| files.private_dns_zones.iter().find(|known| known.id == zone_id(zone));
    match raw {
        Raw::Set { zone, owner, rtype, .. } => {
            let (key, apex) = zone_key(*zone);
            let (owner, rtype) = (Name::relative(OWNERS[*owner], apex.as_ref()).unwrap(), TYPES[*rtype]);
            let is_it = |set: &RecordSet| set.owner == owner && set.rtype == rtype;
            match key {
                ZoneKey::Private(_) => of_zone(*zone).is_some_and(|zone| {
                    zone.record_sets.iter().any(is_it) || rtype == RecordType::SOA && owner == apex
                }),
                ZoneKey::Public(_) => files.public_zones[0].record_sets.iter().any(is_it),
            }
        }
        Raw::Link { zone, network, .. } => of_zone(*zone).is_some_and(|zone| {
            zone.virtual_network_links.iter().any(|link| *link.link.virtual_network == network_id(*network))
        }),
        Raw::Zone { zone, .. } => of_zone(*zone).is_some(),
        Raw::Endpoint { number, .. } => {
            files.private_endpoints.iter().any(|known| known.id.name() == format!("pe{number}"))
        }
        Raw::Machine { number, .. } => files.virtual_machines.iter().any(|known| *known.name == format!("m{number}")),
        Raw::Account { number, .. } => {
            files.private_link_resources.iter().any(|known| *known.id == *account(*number).id)
        }
        Raw::Ruleset { .. } => !files.dns_forwarding_rulesets.is_empty(),
        Raw::Policy { .. } => !files.dns_security_policies.is_empty(),
        Raw::Network { network, .. } => files.virtual_networks.iter().any(|known| *known.id == network_id(*network)),
    }
}

/// Makes again, without an index, what the management API has made.
fn made_again(model: &mut Declaration, change: &Change) {
    fn zone_of<'m>(model: &'m mut Declaration, id: &ResourceId) -> &'m mut PrivateDnsZone {
        model.private_dns_zones.iter_mut().find(|zone| zone.id == *id).unwrap()
    }
    match change.clone() {
        Change::Put(Resource::PrivateDnsZone(zone)) => model.private_dns_zones.push(zone),
        Change::Put(Resource::VirtualNetwork(network)) => model.virtual_networks.push(network),
        Change::Put(Resource::VirtualMachine(machine)) => model.virtual_machines.push(machine),
        Change::Put(Resource::PrivateEndpoint(endpoint)) => model.private_endpoints.push(endpoint),
        Change::Put(Resource::PrivateLinkResource(resource)) => model.private_link_resources.push(resource),
        Change::Put(Resource::DnsForwardingRuleset(ruleset)) => model.dns_forwarding_rulesets.push(ruleset),
        Change::Put(Resource::DnsSecurityPolicy(policy)) => model.dns_security_policies.push(policy),
        Change::PutLink { zone, link } => {
            zone_of(model, &zone).virtual_network_links.push(link);
        }
        Change::PutRecordSet { zone: ZoneKey::Private(zone), record_set } => {
            zone_of(model, &zone).record_sets.push(record_set);
        }
        Change::PutRecordSet { record_set, .. } => model.public_zones[0].record_sets.push(record_set),
        other => panic!("{other:?}"),
    }
}

/// The changes that steps come to; the model is what is declared afterwards.
fn changes(raws: &[Raw], model: &mut Declaration) -> (Vec<Raw>, Vec<Change>) {
    raws.iter().filter_map(|raw| Some((raw.clone(), change(raw.clone(), model)?))).unzip()
}

#[test]
fn files_beneath_what_the_api_makes_are_as_one_world_that_is_loaded_from_scratch() {
    let counts = std::cell::RefCell::new([0; 5]);
    let count = |at: usize| counts.borrow_mut()[at] += 1;
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let raws = || vec(raw(), 1..3);
    let step = prop_oneof![3 => raws().prop_map(Step::Made), 2 => raws().prop_map(Step::Files)];
    let outcome = runner.run(&vec(step, 1..12), |steps| {
        let mut files = lab(Limits::Off);
        let mut model = files.clone();
        let (mut world, _) = load(files.clone()).unwrap();
        for step in steps {
            let (before, old) = (model.clone(), answers(world.snapshot()));
            match step {
                Step::Made(raws) => {
                    let (raws, changes) = changes(&raws, &mut model);
                    let is_locked = raws.iter().any(|raw| is_files(raw, &files));
                    match (world.apply(changes.clone()), load(model.clone())) {
                        (Err(Refused::Locked(_)), _) => {
                            count(0);
                            prop_assert!(is_locked, "{:?} is nobody's", changes);
                        }
                        (Ok(_), Ok(_)) => {
                            count(1);
                            prop_assert!(!is_locked, "{:?} is a file's", changes);
                            is_as_loaded(&world, &model)
                                .map_err(|error| TestCaseError::fail(format!("after {changes:?}: {error}")))?;
                            continue;
                        }
                        (Err(Refused::Findings(ours)), Err(theirs)) => {
                            count(2);
                            prop_assert_eq!(texts(&ours), texts(&theirs), "{:?}", changes);
                        }
                        (ours, theirs) => {
                            let theirs = theirs.map(|_| ()).map_err(|findings| texts(&findings));
                            prop_assert!(false, "{:?}: {:?} but {:?}", changes, ours, theirs);
                        }
                    }
                }
                Step::Files(raws) => {
                    let mut next = files.clone();
                    let (_, done) = changes(&raws, &mut next);
                    let made = world.made();
                    match Layered::new(next.clone(), &CATALOGUE, made.clone()) {
                        Ok(layered) if layered.aside.is_empty() => {
                            count(3);
                            model = next.clone();
                            made.iter().for_each(|change| made_again(&mut model, change));
                            world.replace::<Refused>(layered, Arc::clone(&CATALOGUE), Identity::default(), Ok).unwrap();
                            is_as_loaded(&world, &model).map_err(|error| {
                                TestCaseError::fail(format!("after a reload with {done:?}: {error}"))
                            })?;
                            files = next;
                            continue;
                        }
                        Ok(layered) => {
                            count(4);
                            for aside in &layered.aside {
                                let needs = made[aside.change].needs();
                                let is_gone = needs.iter().any(|id| {
                                    let zones = next.private_dns_zones.iter().map(|zone| &zone.id);
                                    let networks = next.virtual_networks.iter().map(|network| &*network.id);
                                    let resources = next.private_link_resources.iter().map(|resource| &*resource.id);
                                    !zones.chain(networks).chain(resources).any(|known| known == id)
                                });
                                let is_twice = !matches!(aside.why, Why::Gone(_));
                                prop_assert!(is_gone || is_twice, "{:?} has a place", aside);
                            }
                        }
                        Err(_) => count(4),
                    }
                }
            }
            prop_assert!(answers(world.snapshot()) == old, "half applied");
            model = before;
        }
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    let counts = counts.into_inner();
    assert!(counts.iter().all(|count| *count > 0), "an outcome is gone: {counts:?}");
}
