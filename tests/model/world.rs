//! A world in the test's own words: made into a declaration for the server, and into flat lists for the model.

use std::fmt;

use vnetdns::azure::{
    Catalogue, Declaration, Declared, Limits, Link, NameServer, Origin, PrivateDnsZone, PublicZone, RecordSet,
    ResolutionPolicy, ResourceGroup, ResourceId, SoaEdit, Subscription, Topology, Upstream, VirtualNetwork,
    VirtualNetworkLink, Writer, types,
};
use vnetdns::dns::{Name, Rdatas, RecordType, Ttl};
use vnetdns::snapshot::{Generation, Identity, Snapshot};

use crate::elsewhere::{Leads, Settings, UPSTREAM, declared_server, inbound_endpoint, real_server};
use crate::labels::{Labels, from_wire, is_within, lower, text, to_wire};
use crate::model::{A, CNAME, DNAME, MX, Model, NS, PTR, Record, SOA, SRV, Zone};

/// Networks and zones, all of it free of what the checks refuse.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) networks: usize,
    pub(crate) zones: Vec<ZoneSpec>,
    /// What each network has besides linked zones.
    pub(crate) settings: Vec<Settings>,
    /// Whether there is an upstream, and whether clients outside may use it.
    pub(crate) upstream: Option<bool>,
    /// Names of the name servers. No record set has such a name, and no DNAME record is above one.
    pub(crate) name_servers: Vec<Labels>,
}

#[derive(Clone)]
pub(crate) struct ZoneSpec {
    pub(crate) apex: Labels,
    /// Resource group; `None` for a public zone.
    pub(crate) group: Option<String>,
    /// Linked networks by number, with "redirect on NXDOMAIN".
    pub(crate) links: Vec<(usize, bool)>,
    /// TTL and minimum of a private zone's SOA record, where they are not Azure's.
    pub(crate) soa_ttl: Option<u32>,
    pub(crate) minimum: Option<u32>,
    pub(crate) sets: Vec<SetSpec>,
}

#[derive(Clone)]
pub(crate) struct SetSpec {
    pub(crate) owner: Labels,
    pub(crate) rtype: u16,
    pub(crate) ttl: u32,
    pub(crate) rdatas: Vec<Vec<u8>>,
}

/// A question and who asks it.
#[derive(Clone)]
pub(crate) struct Query {
    pub(crate) qname: Labels,
    pub(crate) qtype: u16,
    /// The client's network; `None` for a client outside all.
    pub(crate) network: Option<usize>,
    pub(crate) recursion_desired: bool,
    /// The EDNS payload size over UDP; `None` without EDNS.
    pub(crate) payload_size: Option<u16>,
}

/// A world and what it is asked.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) world: World,
    pub(crate) queries: Vec<Query>,
}

/// The prefix that all networks have, as the number of a network.
pub(crate) const SHARED_PREFIX: usize = 99;

pub(crate) fn network_name(network: usize) -> String {
    format!("net{network}")
}

pub(crate) fn network_id(network: usize) -> Declared<ResourceId> {
    resource(types::VIRTUAL_NETWORK, &network_name(network))
}

fn resource_group(name: &str) -> ResourceGroup {
    ResourceGroup::new(Subscription::default(), name).expect("a name without a slash")
}

/// A resource in the default group.
pub(crate) fn resource(resource_type: &str, name: &str) -> Declared<ResourceId> {
    let id = ResourceGroup::default().resource(resource_type, name).expect("a name without a slash");
    Declared::new(id, Origin(0))
}

impl World {
    pub(crate) fn model(&self) -> Model {
        let settings = self.settings.iter().enumerate();
        Model {
            zones: self.zones.iter().map(|zone| zone.model(&self.name_servers)).collect(),
            settings: settings.map(|(number, settings)| (network_name(number), settings.clone())).collect(),
            upstream: self.upstream,
        }
    }

    pub(crate) fn declaration(&self) -> Declaration {
        let origin = Origin(0);
        let prefix = |number| {
            let prefix = format!("10.{number}.0.0/16").parse().expect("a prefix");
            Declared::new(prefix, origin)
        };
        let network = |number| VirtualNetwork {
            address_space: vec![prefix(number)],
            client_prefixes: vec![prefix(SHARED_PREFIX)],
            inbound_endpoints: vec![Declared::new(inbound_endpoint(number).into(), origin)],
            dns_servers: self.settings[number].custom_dns.iter().map(|leads| declared_server(*leads)).collect(),
            ..VirtualNetwork::new(network_id(number))
        };
        let mut declaration = Declaration {
            virtual_networks: (0..self.networks).map(network).collect(),
            limits: Limits::Off,
            upstream: self
                .upstream
                .map(|for_outside| Upstream { servers: vec![real_server(Leads::Server(UPSTREAM))], for_outside }),
            name_servers: self.name_servers.iter().enumerate().map(name_server).collect(),
            ..Declaration::default()
        };
        for (number, settings) in self.settings.iter().enumerate() {
            settings.declare(number, &mut declaration);
        }
        for zone in &self.zones {
            let name = Declared::new(name(&zone.apex), origin);
            let record_sets = zone.sets.iter().map(SetSpec::declared).collect();
            match &zone.group {
                None => declaration.public_zones.push(PublicZone { name, record_sets }),
                Some(group) => declaration.private_dns_zones.push(PrivateDnsZone {
                    id: PrivateDnsZone::id(&resource_group(group), &name),
                    name,
                    virtual_network_links: zone.links.iter().map(|link| declared_link(*link)).collect(),
                    record_sets,
                    soa: SoaEdit {
                        ttl: zone.soa_ttl.and_then(Ttl::from_secs),
                        minimum_ttl: zone.minimum,
                        ..SoaEdit::default()
                    },
                    locked: false,
                }),
            }
        }
        declaration
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        compile(self.declaration())
    }
}

/// The snapshot of a declaration in which nothing is to be refused.
pub(crate) fn compile(declaration: Declaration) -> Snapshot {
    let (topology, _) = Topology::new(declaration, &Catalogue::embedded()).expect("a world without mistakes");
    Snapshot::compile(topology, Identity::default(), Generation::FIRST).expect("small zones")
}

/// The snapshot that comes after another one.
pub(crate) fn compile_next(last: &Snapshot, declaration: Declaration) -> Snapshot {
    let (topology, _) = Topology::new(declaration, &Catalogue::embedded()).expect("a world without mistakes");
    last.compile_next(topology, Identity::default()).expect("small zones")
}

impl ZoneSpec {
    fn model(&self, name_servers: &[Labels]) -> Zone {
        let apex = lower(&self.apex);
        let mut records: Vec<Record> = self.sets.iter().flat_map(SetSpec::records).collect();
        if self.group.is_some() {
            records.push(Zone::private_soa(&apex, self.soa_ttl, self.minimum));
            let ns = |name: &Labels| Record { owner: apex.clone(), rtype: NS, ttl: 172_800, rdata: to_wire(name) };
            records.extend(name_servers.iter().map(ns));
        }
        let within = name_servers.iter().enumerate().filter(|(_, name)| is_within(name, &apex));
        records.extend(within.map(|(number, name)| Record {
            owner: name.clone(),
            rtype: A,
            ttl: 3600,
            rdata: name_server_address(number).to_vec(),
        }));
        let links = self.links.iter().map(|(network, redirect)| (network_name(*network), *redirect)).collect();
        Zone { apex, links: self.group.is_some().then_some(links), records }
    }

    /// Adds a set, unless the zone could then not be loaded.
    pub(crate) fn insert(&mut self, set: SetSpec) {
        let owner = lower(&set.owner);
        let apex = lower(&self.apex);
        let is_apex = owner == apex;
        let is_wildcard = owner.first().is_some_and(|label| label == b"*");
        let mut here = self.sets.iter().filter(|other| lower(&other.owner) == owner);
        let is_alias = |rtype| rtype == CNAME;
        let clashes = here.any(|other| {
            other.rtype == set.rtype
                || is_alias(other.rtype)
                || is_alias(set.rtype)
                || !is_apex && (other.rtype.min(set.rtype), other.rtype.max(set.rtype)) == (NS, DNAME)
        });
        let is_covered = self.sets.iter().any(|other| {
            let other_owner = lower(&other.owner);
            other_owner != owner
                && (other.rtype == DNAME && is_within(&owner, &other_owner)
                    || set.rtype == DNAME && is_within(&other_owner, &owner))
        });
        // The SOA record of a private zone is not in the list.
        let at_private_apex = is_apex && is_alias(set.rtype);
        let at_wildcard = is_wildcard && matches!(set.rtype, NS | DNAME);
        if is_within(&owner, &apex) && !clashes && !is_covered && !at_private_apex && !at_wildcard {
            self.sets.push(set);
        }
    }
}

impl SetSpec {
    fn declared(&self) -> RecordSet {
        RecordSet {
            owner: name(&self.owner),
            rtype: RecordType::from(self.rtype),
            ttl: Ttl::from_secs(self.ttl).expect("at most 31 bits"),
            rdatas: Rdatas::new(
                RecordType::from(self.rtype),
                self.rdatas.iter().map(|rdata| rdata.clone().into()).collect(),
            ),
            writer: Writer::Person,
            origin: Origin(0),
        }
    }

    fn records(&self) -> impl Iterator<Item = Record> {
        self.rdatas.iter().map(|rdata| Record {
            owner: lower(&self.owner),
            rtype: self.rtype,
            ttl: self.ttl,
            rdata: canonical_rdata(self.rtype, rdata),
        })
    }

    /// The names that the set points at.
    pub(crate) fn targets(&self) -> impl Iterator<Item = Labels> {
        let at = target_at(self.rtype);
        self.rdatas.iter().filter_map(move |rdata| Some(from_wire(&rdata[at?..])))
    }
}

fn name_server((number, labels): (usize, &Labels)) -> NameServer {
    NameServer { name: Declared::new(name(labels), Origin(0)), addresses: vec![name_server_address(number).into()] }
}

fn name_server_address(number: usize) -> [u8; 4] {
    [10, 255, 0, number as u8]
}

fn declared_link((network, redirect): (usize, bool)) -> VirtualNetworkLink {
    VirtualNetworkLink {
        link: Link::to(network_id(network)),
        registration_enabled: false,
        resolution_policy: if redirect { ResolutionPolicy::NxDomainRedirect } else { ResolutionPolicy::Default },
        in_progress_until: None,
    }
}

pub(crate) fn name(labels: &[Vec<u8>]) -> Name {
    Name::from_wire(&to_wire(labels)).expect("at most 255 octets")
}

/// Octets before the name in RDATA.
fn target_at(rtype: u16) -> Option<usize> {
    match rtype {
        NS | CNAME | DNAME | PTR => Some(0),
        MX => Some(2),
        SRV => Some(6),
        _ => None,
    }
}

/// RDATA with its names in lower case.
pub(crate) fn canonical_rdata(rtype: u16, rdata: &[u8]) -> Vec<u8> {
    match target_at(rtype) {
        Some(at) => [&rdata[..at], &rdata[at..].to_ascii_lowercase()].concat(),
        // Two names and five numbers.
        None if rtype == SOA => {
            let (names, numbers) = rdata.split_at(rdata.len() - 20);
            [&names.to_ascii_lowercase(), numbers].concat()
        }
        None => rdata.to_vec(),
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name_servers: Vec<_> = self.name_servers.iter().map(|name| text(name)).collect();
        writeln!(f, "{} networks, upstream {:?}, name servers {name_servers:?}", self.networks, self.upstream)?;
        for (number, settings) in self.settings.iter().enumerate() {
            writeln!(f, "{}: {settings:?}", network_name(number))?;
        }
        for zone in &self.zones {
            writeln!(f, "{zone:?}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for ZoneSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = self.group.as_deref().unwrap_or("public");
        let Self { links, soa_ttl, minimum, .. } = self;
        write!(f, "zone {} in {group}, links {links:?}, soa {soa_ttl:?} {minimum:?}", text(&self.apex))?;
        for set in &self.sets {
            let rtype = RecordType::from(set.rtype);
            let shown = |rdata: &Vec<u8>| {
                target_at(set.rtype)
                    .map_or_else(|| rdata.escape_ascii().to_string(), |at| text(&from_wire(&rdata[at..])))
            };
            let rdatas: Vec<_> = set.rdatas.iter().map(shown).collect();
            write!(f, "\n    {} {} {rtype} {}", text(&set.owner), set.ttl, rdatas.join(" | "))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rtype = RecordType::from(self.qtype);
        let Self { network, payload_size, recursion_desired, .. } = self;
        write!(f, "{} {rtype} from network {network:?}, RD {recursion_desired}, ", text(&self.qname))?;
        write!(f, "payload size {payload_size:?}")
    }
}
