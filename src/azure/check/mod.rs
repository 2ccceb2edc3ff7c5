//! What is refused: references to nothing, duplicates, what Azure does not allow, what the DNS does not allow.

mod clients;
mod forwarding;
mod limits;
mod machines;
mod managed;
mod private_link;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::catalogue::Catalogue;
use super::contents::{Scope, ZoneContents};
use super::declaration::{
    Declaration, Declared, Limits, PRIVATE_TYPES, PrivateDnsZone, RecordSet, Writer, ZoneReference,
};
use super::finding::{Finding, quoted, suggestion};
use crate::dns::{Name, RecordType, TypeName};

pub(super) use forwarding::forwarding;

/// Checks what was declared, before anything is derived from it.
pub(super) fn declaration(declaration: &Declaration, catalogue: &Catalogue, findings: &mut Vec<Finding>) {
    resources(declaration, catalogue, findings);
    limits::check(declaration, findings);
    clients::check(declaration, findings);
}

/// Checks resources against each other.
fn resources(declaration: &Declaration, catalogue: &Catalogue, findings: &mut Vec<Finding>) {
    let Declaration { virtual_networks, private_link_resources, private_endpoints, .. } = declaration;
    unique("virtual network", virtual_networks.iter().map(|network| &network.name), findings);
    unique("Private Link resource", private_link_resources.iter().map(|resource| &resource.name), findings);
    let service_endpoints = declaration.service_endpoints.iter().map(|endpoint| &endpoint.name);
    let endpoints = private_endpoints.iter().map(|endpoint| &endpoint.name).chain(service_endpoints);
    unique("private endpoint", endpoints, findings);
    unique("private link service", declaration.private_link_services.iter().map(|service| &service.name), findings);
    unique("public zone", declaration.public_zones.iter().map(|zone| &zone.name), findings);
    for zone in &declaration.public_zones {
        unique_record_sets(&zone.record_sets, findings);
    }
    for network in virtual_networks {
        private_link::subnets(network, findings);
    }
    private_zones(declaration, findings);
    for resource in private_link_resources {
        private_link::resource(catalogue, resource, findings);
        private_link::scope(declaration, catalogue, resource, findings);
        private_link::injection(declaration, catalogue, resource, findings);
    }
    for endpoint in private_endpoints {
        private_link::endpoint(declaration, catalogue, endpoint, findings);
    }
    machines::check(declaration, findings);
    managed::check(declaration, catalogue, findings);
}

fn unique<'a, T: ToString + 'a>(kind: &str, names: impl Iterator<Item = &'a Declared<T>>, findings: &mut Vec<Finding>) {
    let mut seen = BTreeSet::new();
    for name in names {
        let text = name.to_string();
        if !seen.insert(text.to_lowercase()) {
            findings.push(Finding::error(
                name.origin,
                format!("there is a {kind} \"{text}\" already"),
                "give each a name of its own, or remove one",
            ));
        }
    }
}

fn unique_record_sets(record_sets: &[RecordSet], findings: &mut Vec<Finding>) {
    let mut seen = HashSet::with_capacity_and_hasher(record_sets.len(), foldhash::fast::RandomState::default());
    for record_set in record_sets {
        if !seen.insert((&record_set.owner, record_set.rtype)) {
            findings.push(Finding::error(
                record_set.origin,
                format!("{} has a record set of type {} already", record_set.owner, TypeName(record_set.rtype)),
                "put all records of one name and type into one record set",
            ));
        }
    }
}

fn private_zones(declaration: &Declaration, findings: &mut Vec<Finding>) {
    let known: BTreeSet<_> = declaration.virtual_networks.iter().map(|network| network.name.as_str()).collect();
    let mut zones = BTreeSet::new();
    // Which zone of a name a network is linked to.
    let mut linked: HashMap<(&str, &Name), &PrivateDnsZone, foldhash::fast::RandomState> = HashMap::default();
    for zone in &declaration.private_dns_zones {
        if !zones.insert((&*zone.name, zone.resource_group.to_lowercase())) {
            findings.push(Finding::error(
                zone.name.origin,
                format!(
                    "there is a private DNS zone {} in resource group \"{}\" already",
                    zone.name, zone.resource_group
                ),
                "give one of them another resource_group, or merge them",
            ));
            continue;
        }
        unique_record_sets(&zone.record_sets, findings);
        let mut networks = BTreeSet::new();
        for link in &zone.virtual_network_links {
            let network = &link.virtual_network;
            if !known.contains(network.as_str()) {
                missing(declaration, "virtual network", network, known.iter().copied(), findings);
            } else if !networks.insert(network.as_str()) {
                findings.push(Finding::error(
                    network.origin,
                    format!("the zone {} is linked to virtual network \"{network}\" already", zone.name),
                    "remove one of the two links",
                ));
            } else if let Some(other) = linked.insert((network, &zone.name), zone) {
                findings.push(Finding::error(
                    network.origin,
                    format!(
                        "virtual network \"{network}\" is linked to two zones named {} (resource groups \"{}\" and \
                         \"{}\"); Azure refuses this: \"A virtual network cannot be linked to multiple zones with \
                         overlapping namespaces\" (BadRequest)",
                        zone.name, other.resource_group, zone.resource_group
                    ),
                    "link the network to one of them and copy the records that it needs from the other",
                ));
            }
        }
    }
}

/// Reports a reference to a resource that was not declared.
fn missing<'a>(
    declaration: &Declaration,
    kind: &str,
    name: &Declared<String>,
    known: impl Iterator<Item = &'a str>,
    findings: &mut Vec<Finding>,
) {
    if !declaration.incomplete {
        findings.push(Finding::error(
            name.origin,
            format!("there is no {kind} \"{name}\""),
            format!("declare it{}", suggestion(name, known)),
        ));
    }
}

fn zone_reference(declaration: &Declaration, reference: &Declared<ZoneReference>, findings: &mut Vec<Finding>) {
    let named = declaration.private_dns_zones.iter().filter(|zone| *zone.name == reference.name);
    // Each group once: that two zones have name and group in common has been reported.
    let named: BTreeMap<_, _> =
        named.map(|zone| (zone.resource_group.to_lowercase(), zone.resource_group.as_str())).collect();
    let groups = || quoted(named.values().copied());
    match &reference.resource_group {
        None if named.len() > 1 => findings.push(Finding::error(
            reference.origin,
            format!("there are {} private DNS zones {}", named.len(), reference.name),
            format!("say which: \"RESOURCE-GROUP/ZONE\"; the resource groups are {}", groups()),
        )),
        Some(group) if !named.is_empty() && !named.contains_key(&group.to_lowercase()) && !declaration.incomplete => {
            findings.push(Finding::error(
                reference.origin,
                format!("there is no private DNS zone {} in resource group \"{group}\"", reference.name),
                format!("zones of that name are in {}", groups()),
            ));
        }
        _ if named.is_empty() && !declaration.incomplete => findings.push(Finding::error(
            reference.origin,
            format!("there is no private DNS zone {}", reference.name),
            "declare it as a [[private_dns_zone]]",
        )),
        _ => {}
    }
}

/// Checks the number and the sizes of a private zone's record sets, of which `zone` holds a part and which are
/// `record_sets` in all.
pub(super) fn size(zone: &ZoneContents, record_sets: usize, limits: Limits, findings: &mut Vec<Finding>) {
    if limits == Limits::Azure && matches!(zone.scope, Scope::Private { .. }) {
        zone.record_sets.values().for_each(|record_set| limits::record_set(record_set, findings));
        limits::size(&zone.apex, zone.origin, record_sets, findings);
    }
}

/// Checks the records of one zone against each other.
pub(super) fn zone(zone: &ZoneContents, findings: &mut Vec<Finding>) {
    let apex = zone.apex.as_ref();
    let record_sets: Vec<_> = zone.record_sets.values().collect();
    let at_one_owner = record_sets.chunk_by(|a, b| a.owner == b.owner);
    for (record_set, beside) in at_one_owner.flat_map(|sets| sets.iter().map(move |set| (*set, sets))) {
        if record_set.owner.as_ref().is_within(apex) {
            self::record_set(zone, record_set, beside, findings);
        } else {
            findings.push(Finding::error(
                record_set.origin,
                format!("{} is outside the zone {}", record_set.owner, zone.apex),
                "move the record to the zone that its name belongs to; a name in a zone file without a dot at its \
                 end is taken as relative to $ORIGIN",
            ));
        }
    }
    if zone.scope == Scope::Public {
        for (rtype, why) in
            [(RecordType::SOA, "negative answers need one"), (RecordType::NS, "a zone names its servers")]
        {
            if !zone.record_sets.contains_key(&(zone.apex.clone(), rtype)) {
                findings.push(Finding::error(
                    zone.origin,
                    format!("the zone {} has no {} record at its apex: {why}", zone.apex, TypeName(rtype)),
                    format!("add \"@ IN {} …\" to its zone file", TypeName(rtype)),
                ));
            }
        }
    }
}

/// Checks a record set; `beside` are those of its owner.
fn record_set(zone: &ZoneContents, record_set: &RecordSet, beside: &[&RecordSet], findings: &mut Vec<Finding>) {
    let RecordSet { owner, rtype, origin, .. } = record_set;
    let at_apex = *owner == zone.apex;
    let mut refuse = |what: String, mend: &str| findings.push(Finding::error(*origin, what, mend));
    let is_private = matches!(zone.scope, Scope::Private { .. });
    let is_platforms = *rtype == RecordType::SOA || record_set.writer == Writer::NameServers;
    if is_private && !is_platforms && !PRIVATE_TYPES.contains(rtype) {
        refuse(
            format!("a private DNS zone holds no {} records", TypeName(*rtype)),
            "Azure has A, AAAA, CNAME, MX, PTR, SRV and TXT there; a child domain is a zone of its own, other types \
             belong in a public zone",
        );
        return;
    }
    if *rtype == RecordType::SOA && !at_apex {
        refuse(format!("the SOA record at {owner} is not at the apex {}", zone.apex), "remove it");
    }
    if matches!(*rtype, RecordType::SOA | RecordType::CNAME | RecordType::DNAME) && record_set.rdatas.len() > 1 {
        refuse(format!("{owner} has {} {} records", record_set.rdatas.len(), TypeName(*rtype)), "keep one");
    }
    if owner.as_ref().is_wildcard() && matches!(*rtype, RecordType::NS | RecordType::DNAME) {
        refuse(
            format!("{} records at the wildcard {owner} have no defined meaning (RFC 4592 §4)", TypeName(*rtype)),
            "name the subdomains one by one",
        );
    }
    if *rtype == RecordType::CNAME {
        let other = beside.iter().find(|other| {
            // RFC 4035 §2.5
            !matches!(other.rtype, RecordType::CNAME | RecordType::RRSIG | RecordType::NSEC)
        });
        if let Some(other) = other {
            refuse(
                format!("{owner} has a CNAME record beside {} records (RFC 1034 §3.6.2)", TypeName(other.rtype)),
                match at_apex {
                    true => "the apex always holds the zone's SOA record: write the target's addresses there instead",
                    false => "keep the alias or the data",
                },
            );
        }
    }
    if *rtype == RecordType::DNAME {
        let below = zone.record_sets.range((owner.clone(), RecordType::ZERO)..).map(|(_, other)| other);
        let below = below
            .take_while(|other| other.owner.as_ref().is_within(owner.as_ref()))
            .find(|other| other.owner != *owner);
        if let Some(below) = below {
            refuse(
                format!("{} lies below the DNAME record at {owner}, which hides it (RFC 6672 §2.4)", below.owner),
                "remove the records below, or the DNAME record",
            );
        }
        let alias = zone.record_sets.contains_key(&(owner.clone(), RecordType::NS)) && !at_apex;
        if alias {
            refuse(format!("{owner} has a DNAME record beside NS records (RFC 6672 §2.3)"), "keep one of the two");
        }
    }
}
