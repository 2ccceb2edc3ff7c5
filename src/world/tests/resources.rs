//! The resources of random worlds, by numbers.

use std::net::IpAddr;

use crate::azure::{
    Address, ConnectionState, Declaration, Declared, DnsForwardingRuleset, DnsSecurityPolicy, DnsSecurityRule,
    ForwardingRule, Limits, Link, NameServer, NetworkInterface, Origin, PowerState, PrivateDnsZone, PrivateEndpoint,
    PrivateLinkResource, PublicZone, RecordSet, ResolutionPolicy, ResourceGroup, ResourceId, SecurityAction, Shared,
    SoaEdit, VirtualMachine, VirtualNetwork, VirtualNetworkLink, Word, Writer, ZoneKey, types,
};
use crate::dns::{Name, Rdatas, RecordType, Ttl, rdata};

pub(super) const NETWORKS: usize = 3;
/// Names of zones; the last two are one, in two groups.
pub(super) const APEXES: [&str; 6] = [
    "corp.test",
    "deep.corp.test",
    "privatelink.blob.core.windows.net",
    "blob.core.windows.net",
    "other.test",
    "other.test",
];
pub(super) const PUBLIC: &str = "example.test";
pub(super) const OWNERS: [&str; 13] =
    ["@", "a", "b", "a.b", "*.b", "m0", "m1", "acct0", "acct1", "x.deep", "c", "x.c", "*"];
pub(super) const TYPES: [RecordType; 8] = [
    RecordType::A,
    RecordType::AAAA,
    RecordType::TXT,
    RecordType::CNAME,
    RecordType::MX,
    RecordType::NS,
    RecordType::DNAME,
    RecordType::SOA,
];

pub(super) fn declared<T>(value: T) -> Declared<T> {
    Declared::new(value, Origin(0))
}

pub(super) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub(super) fn group(zone: usize) -> ResourceGroup {
    let group = if zone + 1 == APEXES.len() { "second" } else { "default" };
    ResourceGroup::new(Default::default(), group).unwrap()
}

pub(super) fn zone_id(zone: usize) -> ResourceId {
    PrivateDnsZone::id(&group(zone), &name(APEXES[zone]))
}

pub(super) fn id(resource_type: &str, name: &str) -> ResourceId {
    ResourceGroup::default().resource(resource_type, name).unwrap()
}

pub(super) fn network_id(network: usize) -> ResourceId {
    id(types::VIRTUAL_NETWORK, &format!("v{network}"))
}

/// A network as it is declared at first, or with the prefix of another, with the DNS server of another, or with one of its
/// own that is asked elsewhere.
pub(super) fn network(number: usize, variant: u8) -> VirtualNetwork {
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

pub(super) fn link(network: usize, registration_enabled: bool, redirects: bool) -> VirtualNetworkLink {
    let resolution_policy = if redirects { ResolutionPolicy::NxDomainRedirect } else { ResolutionPolicy::Default };
    let link = Link {
        name: (network == 1).then(|| declared("named".to_owned())),
        virtual_network: declared(network_id(network)),
    };
    VirtualNetworkLink { link, registration_enabled, resolution_policy, in_progress_until: None }
}

pub(super) fn link_name(network: usize) -> String {
    if network == 1 { "named".to_owned() } else { format!("v{network}") }
}

pub(super) fn zone(number: usize) -> PrivateDnsZone {
    PrivateDnsZone {
        name: declared(name(APEXES[number])),
        id: zone_id(number),
        virtual_network_links: Shared::default(),
        record_sets: Vec::new(),
        soa: SoaEdit::default(),
        locked: false,
    }
}

pub(super) fn account(number: usize) -> PrivateLinkResource {
    let id = id("Microsoft.Storage/storageAccounts", &format!("acct{number}"));
    PrivateLinkResource::new(declared(id), declared("eastus".to_owned()))
}

/// Two endpoints of one account, and one of another.
pub(super) fn endpoint(number: usize, (state, zones, host): (u8, Vec<usize>, u8)) -> PrivateEndpoint {
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
pub(super) fn varied_account(number: usize, variant: u8) -> PrivateLinkResource {
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
pub(super) fn ruleset((network, zone, variant): (usize, usize, u8)) -> DnsForwardingRuleset {
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

pub(super) fn policy((network, zone): (usize, usize)) -> DnsSecurityPolicy {
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
pub(super) fn machine(number: usize, runs: bool) -> VirtualMachine {
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

pub(super) fn zone_key(zone: usize) -> (ZoneKey, Name) {
    match APEXES.get(zone) {
        Some(apex) => (ZoneKey::Private(zone_id(zone)), name(apex)),
        None => (ZoneKey::Public(name(PUBLIC)), name(PUBLIC)),
    }
}

pub(super) fn record_set(owner: Name, rtype: RecordType, value: u8) -> RecordSet {
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

pub(super) fn lab(limits: Limits) -> Declaration {
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

/// The lab with a name server that delegations lead to, which has addresses where a zone holds its name.
pub(super) fn with_name_server(declaration: Declaration, server: &str) -> Declaration {
    let addresses = vec![IpAddr::from([192, 0, 2, 53])];
    Declaration { name_servers: vec![NameServer { name: declared(name(server)), addresses }], ..declaration }
}
