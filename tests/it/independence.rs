//! Random topologies of Azure's resources: a network sees nothing of what it is not linked to.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::IpAddr;

use hickory_proto::rr::RecordType;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use vnetdns::config::{Files, load};
use vnetdns::respond::respond;
use vnetdns::snapshot::{Generation, Identity, Snapshot};
use vnetdns::view::{Client, Transport};
use vnetdns::wire::Response;

use crate::support::query;

const NETWORKS: usize = 3;
const ACCOUNTS: usize = 3;
/// Zones that may exist twice, in resource groups 0 and 1.
const ZONES: [&str; 4] =
    ["privatelink.blob.core.windows.net", "blob.core.windows.net", "corp.contoso.com", "10.in-addr.arpa"];
const CASES: u32 = 60;

#[derive(Clone, Debug)]
struct Zone {
    name: usize,
    group: usize,
    /// For each network: whether it is linked, registers machines, falls back.
    links: [Option<(bool, bool)>; NETWORKS],
    record: Option<usize>,
}

#[derive(Clone, Debug)]
struct Endpoint {
    network: usize,
    account: usize,
    state: usize,
    deleted: bool,
    /// Number of the zone that its zone group writes to.
    zone: Option<usize>,
}

#[derive(Clone, Debug)]
struct Machine {
    network: usize,
    name: usize,
    runs: bool,
}

#[derive(Clone, Debug)]
struct Topology {
    zones: Vec<Zone>,
    endpoints: Vec<Endpoint>,
    machines: Vec<Machine>,
}

fn topology() -> impl Strategy<Value = Topology> {
    let link = || prop::option::weighted(0.4, (prop::bool::weighted(0.3), prop::bool::weighted(0.2)));
    let zone = (0..ZONES.len(), 0..2usize, [link(), link(), link()], prop::option::of(0..ACCOUNTS));
    let zone = zone.prop_map(|(name, group, links, record)| Zone { name, group, links, record });
    let endpoint = (0..NETWORKS, 0..ACCOUNTS, 0..4usize, prop::bool::weighted(0.2), prop::option::of(0..6usize));
    let endpoint = endpoint.prop_map(|(network, account, state, deleted, zone)| Endpoint {
        network,
        account,
        // Mostly approved.
        state: state.max(1) - 1,
        deleted,
        zone,
    });
    let machine = (0..NETWORKS, 0..3usize, prop::bool::weighted(0.8));
    let machine = machine.prop_map(|(network, name, runs)| Machine { network, name, runs });
    let parts = (prop::collection::vec(zone, 0..6), prop::collection::vec(endpoint, 0..5));
    (parts, prop::collection::vec(machine, 0..5))
        .prop_map(|((zones, endpoints), machines)| Topology { zones, endpoints, machines }.made_legal())
}

impl Topology {
    /// Takes away what Azure would refuse: the later of two zones or links that cannot both be.
    fn made_legal(mut self) -> Self {
        let mut names = BTreeSet::new();
        self.zones.retain(|zone| names.insert((zone.name, zone.group)));
        let (mut linked, mut registered) = (BTreeSet::new(), BTreeSet::new());
        for zone in &mut self.zones {
            for (network, link) in zone.links.iter_mut().enumerate() {
                if link.is_some() && !linked.insert((zone.name, network)) {
                    *link = None;
                }
                if let Some((registers, _)) = link {
                    *registers &= ZONES[zone.name] == "corp.contoso.com" && registered.insert(network);
                }
            }
        }
        let mut machines = BTreeSet::new();
        self.machines.retain(|machine| machines.insert((machine.network, machine.name)));
        self
    }

    fn is_seen(&self, zone: usize, by: usize) -> bool {
        self.zones.get(zone).is_some_and(|zone| zone.links[by].is_some())
    }

    /// What is left when everything goes that a network is not linked to. Endpoints stay, for the public step that they
    /// make, but write only what the network sees.
    fn without_strangers(&self, network: usize) -> Self {
        let kept: Vec<_> = (0..self.zones.len()).filter(|zone| self.is_seen(*zone, network)).collect();
        // Machines that register in a zone that the network sees.
        let registers =
            |of: usize| kept.iter().any(|zone| self.zones[*zone].links[of].is_some_and(|(registers, _)| registers));
        let mut zones: Vec<_> = kept.iter().map(|zone| self.zones[*zone].clone()).collect();
        for zone in &mut zones {
            for other in (0..NETWORKS).filter(|other| *other != network) {
                // A link of another network matters only for what it registers.
                zone.links[other] = zone.links[other].filter(|(registers, _)| *registers);
            }
        }
        let endpoints = self.endpoints.iter().cloned().map(|mut endpoint| {
            endpoint.zone = endpoint.zone.and_then(|zone| kept.iter().position(|kept| *kept == zone));
            endpoint
        });
        let machines = self.machines.iter().filter(|machine| machine.network == network || registers(machine.network));
        Self { endpoints: endpoints.collect(), machines: machines.cloned().collect(), zones }
    }

    fn snapshot(&self) -> Snapshot {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("random.toml");
        std::fs::write(&path, self.to_toml()).unwrap();
        let topology = load(&Files::Disk(path)).unwrap().topology;
        Snapshot::compile(topology, Identity::default(), Generation::FIRST).unwrap()
    }

    fn to_toml(&self) -> String {
        let mut text = String::new();
        for network in 0..NETWORKS {
            let prefix = format!("10.{network}.0.0/16");
            writeln!(text, "[[virtual_network]]\nname = \"v{network}\"\naddress_space = [\"{prefix}\"]").unwrap();
        }
        for account in 0..ACCOUNTS {
            let kind = "type = \"Microsoft.Storage/storageAccounts\"\nregion = \"eastus\"";
            writeln!(text, "[[private_link_resource]]\nname = \"a{account}\"\n{kind}").unwrap();
        }
        for zone in &self.zones {
            writeln!(
                text,
                "[[private_dns_zone]]\nname = \"{}\"\nresource_group = \"g{}\"",
                ZONES[zone.name], zone.group
            )
            .unwrap();
            let links = zone.links.iter().enumerate().filter_map(|(network, link)| {
                let (registers, redirects) = (*link)?;
                // Azure has it for Private Link zones only.
                let is_private_link = ZONES[zone.name].starts_with("privatelink.");
                let policy = if redirects && is_private_link { "NxDomainRedirect" } else { "Default" };
                Some(format!(
                    "{{ virtual_network = \"v{network}\", registration_enabled = {registers}, \
                     resolution_policy = \"{policy}\" }}"
                ))
            });
            writeln!(text, "virtual_network_links = [{}]", links.collect::<Vec<_>>().join(", ")).unwrap();
            if let Some(record) = zone.record {
                let data = format!("type = \"TXT\"\nrecords = [\"{}\"]", zone.group);
                writeln!(text, "[[private_dns_zone.record_set]]\nname = \"a{record}\"\n{data}").unwrap();
            }
        }
        for (at, endpoint) in self.endpoints.iter().enumerate() {
            let Endpoint { network, account, state, deleted, zone } = endpoint;
            let state = ["Approved", "Pending", "Rejected"][*state];
            let zone = zone.and_then(|zone| self.zones.get(zone)).filter(|zone| zone.name == 0);
            let group: Vec<_> = zone.iter().map(|zone| format!("g{}/{}", zone.group, ZONES[0])).collect();
            writeln!(
                text,
                "[[private_endpoint]]\nname = \"pe{at}\"\nvirtual_network = \"v{network}\"\n\
                 private_link_resource = \"a{account}\"\ngroup_id = \"blob\"\nconnection_state = \"{state}\"\n\
                 ip_configurations = {{ blob = \"10.{network}.9.{at}\" }}\nprivate_dns_zone_group = {group:?}\n\
                 deleted = {deleted}"
            )
            .unwrap();
        }
        for Machine { network, name, runs } in &self.machines {
            let state = if *runs { "running" } else { "stopped" };
            writeln!(
                text,
                "[[virtual_machine]]\nname = \"m{name}\"\nvirtual_network = \"v{network}\"\npower_state = \"{state}\"\n\
                 network_interfaces = [{{ ip_addresses = [\"10.{network}.1.{name}\"] }}]"
            )
            .unwrap();
        }
        text
    }
}

/// Names that anything in such a topology may have to do with.
fn questions() -> Vec<(String, RecordType)> {
    let mut questions = Vec::new();
    for at in 0..=ACCOUNTS {
        for suffix in &ZONES[..2] {
            questions.push((format!("a{at}.{suffix}."), RecordType::A));
            questions.push((format!("a{at}.{suffix}."), RecordType::TXT));
        }
        questions.push((format!("m{at}.corp.contoso.com."), RecordType::A));
        questions.push((format!("m{at}.internal.cloudapp.net."), RecordType::A));
        for network in 0..NETWORKS {
            questions.push((format!("{at}.1.{network}.10.in-addr.arpa."), RecordType::PTR));
        }
    }
    questions.extend(ZONES.map(|zone| (format!("{zone}."), RecordType::SOA)));
    questions
}

fn ask(snapshot: &Snapshot, source: IpAddr, request: &[u8]) -> Vec<u8> {
    let mut response = Response::new();
    respond(snapshot, &Client::new(source, Transport::Tcp), request, &mut response).unwrap();
    response.as_octets().to_vec()
}

#[test]
fn a_network_sees_nothing_of_zones_links_endpoints_and_machines_that_it_is_not_linked_to() {
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let requests: Vec<_> = questions()
        .into_iter()
        .map(|(name, qtype)| {
            let mut message = query(&name, qtype);
            message.metadata.id = 7;
            (name, qtype, message.to_vec().unwrap())
        })
        .collect();
    let outcome = runner.run(&topology(), |topology| {
        let whole = topology.snapshot();
        for network in 0..NETWORKS {
            let own = topology.without_strangers(network).snapshot();
            let source = IpAddr::from([10, network as u8, 200, 1]);
            for (name, qtype, request) in &requests {
                prop_assert_eq!(
                    ask(&whole, source, request),
                    ask(&own, source, request),
                    "v{} {} {}",
                    network,
                    name,
                    qtype
                );
            }
        }
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
