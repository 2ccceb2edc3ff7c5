//! Refuses declarations with unknown references or duplicates, and what Azure or DNS does not allow.

mod clients;
mod forwarding;
mod limits;
mod links;
mod machines;
mod managed;
mod names;
mod networks;
mod private_link;

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use super::catalogue::Catalogue;
use super::contents::{Scope, ZoneContents};
use super::declaration::{Declared, Limits, PRIVATE_TYPES, PrivateDnsZone, RecordSet, Writer};
use super::finding::{Finding, closest, did_you_mean, quoted};
use super::identity::ResourceId;
use super::inventory::Inventory;
use crate::codes::Code;
use crate::dns::{Name, RecordType, TypeName};

pub(super) use forwarding::forwarding;
pub(super) use limits::limits_of;
pub(super) use links::links_are_sound;

/// Checks what was declared, before anything is derived from it.
pub(super) fn declaration(inventory: &Inventory, catalogue: &Catalogue, findings: &mut Vec<Finding>) {
    resources(inventory, catalogue, findings);
    limits::check(inventory, findings);
    clients::check(inventory, findings);
}

/// Checks resources against each other.
fn resources(inventory: &Inventory, catalogue: &Catalogue, findings: &mut Vec<Finding>) {
    let mut identities = |kind, ids: &mut dyn Iterator<Item = &Declared<ResourceId>>| {
        let labelled = ids.map(|id| (Declared::new(&**id, id.origin), || inventory.label(id)));
        unique_as(kind, labelled, findings);
    };
    identities("virtual network", &mut inventory.virtual_networks.iter().map(|network| &network.id));
    identities("Private Link resource", &mut inventory.private_link_resources.iter().map(|resource| &resource.id));
    let service_endpoints = inventory.service_endpoints.iter().map(|endpoint| &endpoint.id);
    let mut endpoints = inventory.private_endpoints.iter().map(|endpoint| &endpoint.id).chain(service_endpoints);
    identities("private endpoint", &mut endpoints);
    identities("private link service", &mut inventory.private_link_services.iter().map(|service| &service.id));
    unique("public zone", inventory.public_zones.iter().map(|zone| &zone.name), findings);
    for zone in &inventory.public_zones {
        unique_record_sets(&zone.record_sets, findings);
    }
    networks::check(inventory, findings);
    private_zones(inventory, findings);
    for resource in &inventory.private_link_resources {
        if inventory.is_touched(resource) {
            private_link::resource(inventory, catalogue, resource, findings);
            names::check(inventory, resource, findings);
        }
        private_link::injection(inventory, catalogue, resource, findings);
        private_link::scope(inventory, catalogue, resource, findings);
    }
    if inventory.has_touched_resources() {
        private_link::public_names(inventory, catalogue, findings);
    }
    for endpoint in &inventory.private_endpoints {
        private_link::endpoint(inventory, catalogue, endpoint, findings);
    }
    machines::check(inventory, findings);
    managed::check(inventory, catalogue, findings);
}

/// Refuses two resources of a kind with one name.
fn unique<'a, T: ToString + 'a>(kind: &str, names: impl Iterator<Item = &'a Declared<T>>, findings: &mut Vec<Finding>) {
    let named = names.map(|name| (Declared::new(name.to_string().to_lowercase(), name.origin), || name.to_string()));
    unique_as(kind, named, findings);
}

/// Refuses two resources of a kind with equal keys; each comes with its name for the message.
fn unique_as<T: Hash + Eq, L: FnOnce() -> String>(
    kind: &str,
    named: impl Iterator<Item = (Declared<T>, L)>,
    findings: &mut Vec<Finding>,
) {
    let mut seen = HashSet::new();
    for (key, label) in named {
        let origin = key.origin;
        if !seen.insert(key.into_value()) {
            findings.push(Finding::new(
                Code::Duplicate,
                origin,
                format!("there is a {kind} \"{}\" already", label()),
                "give each a name of its own, or remove one",
            ));
        }
    }
}

fn unique_record_sets(record_sets: &[RecordSet], findings: &mut Vec<Finding>) {
    let mut seen = HashSet::with_capacity_and_hasher(record_sets.len(), foldhash::fast::RandomState::default());
    for record_set in record_sets {
        if !seen.insert((&record_set.owner, record_set.rtype)) {
            findings.push(Finding::new(
                Code::DuplicateRecordSet,
                record_set.origin,
                format!("{} has a record set of type {} already", record_set.owner, TypeName(record_set.rtype)),
                "put all records of one name and type into one record set",
            ));
        }
    }
}

fn private_zones(inventory: &Inventory, findings: &mut Vec<Finding>) {
    let mut known = HashSet::new();
    let mut by_apex: HashMap<&Name, Vec<usize>, foldhash::fast::RandomState> = HashMap::default();
    // For each network, the last zone seen with a link to it.
    let mut linked_last = vec![None; inventory.virtual_networks.len()];
    for (at, zone) in inventory.private_dns_zones.iter().enumerate() {
        unique_record_sets(&zone.record_sets, findings);
        if !known.insert(&zone.id) {
            findings.push(Finding::new(
                Code::Duplicate,
                zone.name.origin,
                format!(
                    "there is a private DNS zone {} in resource group \"{}\" already",
                    zone.name,
                    zone.id.resource_group().name()
                ),
                "give one of them another resource_group, or merge them",
            ));
            continue;
        }
        by_apex.entry(&zone.name).or_default().push(at);
        let Some(numbers) = inventory.unchecked_links(at) else { continue };
        for (link, number) in zone.virtual_network_links.iter().zip(numbers) {
            let network = &link.link.virtual_network;
            let Some(number) = number else {
                missing_network(inventory, network, findings);
                continue;
            };
            if linked_last[number.index()].replace(at) == Some(at) {
                findings.push(Finding::new(
                    Code::LinkedTwice,
                    network.origin,
                    format!(
                        "the zone {} is linked to virtual network \"{}\" already",
                        zone.name,
                        inventory.label(network)
                    ),
                    "remove one of the two links",
                ));
            }
        }
        links::unique_names(zone.virtual_network_links.iter().map(|link| &link.link), findings);
    }
    let is_unchecked = |at: &usize| inventory.unchecked_links(*at).is_some();
    for zones in by_apex.into_values().filter(|zones| zones.len() > 1 && zones.iter().any(is_unchecked)) {
        let zones: Vec<_> = zones.into_iter().map(|at| &inventory.private_dns_zones[at]).collect();
        overlapping(inventory, &zones, findings);
    }
}

/// Refuses to link a network to two zones of one name.
fn overlapping(inventory: &Inventory, zones: &[&PrivateDnsZone], findings: &mut Vec<Finding>) {
    let mut linked: HashMap<&ResourceId, &PrivateDnsZone> = HashMap::new();
    for zone in zones {
        let mut networks = HashSet::new();
        // Links to unknown networks, and double links, have been reported.
        let links = zone.virtual_network_links.iter().map(|link| &link.link.virtual_network);
        for network in links.filter(|network| inventory.number(network).is_some() && networks.insert(&***network)) {
            let Some(other) = linked.insert(network, zone) else { continue };
            findings.push(Finding::new(
                Code::LinkedTwice,
                network.origin,
                format!(
                    "virtual network \"{}\" is linked to two zones named {} (resource groups \"{}\" and \"{}\"); Azure \
                     refuses this: \"A virtual network cannot be linked to multiple zones with overlapping namespaces\" \
                     (BadRequest)",
                    inventory.label(network),
                    zone.name,
                    other.id.resource_group().name(),
                    zone.id.resource_group().name()
                ),
                "link the network to one of them and copy the records that it needs from the other",
            ));
        }
    }
}

/// Reports a reference to an undeclared resource. `known` are those of its kind.
fn missing<'a>(
    inventory: &Inventory,
    kind: &str,
    id: &Declared<ResourceId>,
    known: impl Iterator<Item = &'a ResourceId>,
    findings: &mut Vec<Finding>,
) {
    if !inventory.incomplete {
        let meant = closest(id.name(), known.map(|known| (known.name(), known)));
        let meant = meant.map_or_else(String::new, |meant| did_you_mean(inventory.label(meant)));
        findings.push(Finding::new(
            Code::MissingResource,
            id.origin,
            format!("there is no {kind} \"{}\"", inventory.label(id)),
            format!("declare it{meant}"),
        ));
    }
}

/// Reports a reference to an undeclared network.
fn missing_network(inventory: &Inventory, id: &Declared<ResourceId>, findings: &mut Vec<Finding>) {
    missing(inventory, "virtual network", id, inventory.virtual_networks.iter().map(|network| &*network.id), findings);
}

/// Reports an undeclared zone in a zone group.
fn zone_in_group(inventory: &Inventory, reference: &Declared<ResourceId>, findings: &mut Vec<Finding>) {
    if inventory.incomplete || inventory.zone(reference).is_some() {
        return;
    }
    let Some(apex) = PrivateDnsZone::apex(reference) else { return };
    let named = inventory.private_dns_zones.iter().filter(|zone| *zone.name == apex);
    // Two zones with the same name and resource group have been reported.
    let mut groups: Vec<_> = named.map(|zone| zone.id.resource_group().name()).collect();
    groups.sort_unstable_by_key(|group| group.to_lowercase());
    groups.dedup();
    findings.push(match groups.is_empty() {
        true => Finding::new(
            Code::MissingResource,
            reference.origin,
            format!("there is no private DNS zone {apex}"),
            "declare it as a [[private_dns_zone]]",
        ),
        false => Finding::new(
            Code::MissingResource,
            reference.origin,
            format!("there is no private DNS zone {apex} in resource group \"{}\"", reference.resource_group().name()),
            format!("zones of that name are in {}", quoted(groups.into_iter())),
        ),
    });
}

/// Checks the number and sizes of a private zone's record sets. `zone` holds some of them; `record_sets` is the number of all.
pub(super) fn size(zone: &ZoneContents, record_sets: usize, limits: Limits, findings: &mut Vec<Finding>) {
    if limits != Limits::Off && matches!(zone.scope, Scope::Private { .. }) {
        zone.record_sets.values().for_each(|record_set| limits::record_set(record_set, limits, findings));
        limits::size(&zone.apex, zone.origin, record_sets, findings);
    }
}

/// Checks the records of one zone against each other.
pub(super) fn zone(zone: &ZoneContents, limits: Limits, findings: &mut Vec<Finding>) {
    // Compiled zones have been checked before.
    if zone.compiled().is_some() {
        return;
    }
    let apex = zone.apex.as_ref();
    let record_sets: Vec<_> = zone.record_sets.values().collect();
    let at_one_owner = record_sets.chunk_by(|a, b| a.owner == b.owner);
    for (record_set, beside) in at_one_owner.flat_map(|sets| sets.iter().map(move |set| (*set, sets))) {
        if record_set.owner.as_ref().is_within(apex) {
            self::record_set(zone, limits, record_set, beside, findings);
        } else {
            findings.push(Finding::new(
                Code::OutsideZone,
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
                findings.push(Finding::new(
                    Code::ApexRecords,
                    zone.origin,
                    format!("the zone {} has no {} record at its apex: {why}", zone.apex, TypeName(rtype)),
                    format!("add \"@ IN {} …\" to its zone file", TypeName(rtype)),
                ));
            }
        }
    }
}

/// Checks a record set; `beside` are the others at its owner.
fn record_set(
    zone: &ZoneContents,
    limits: Limits,
    record_set: &RecordSet,
    beside: &[&RecordSet],
    findings: &mut Vec<Finding>,
) {
    let RecordSet { owner, rtype, origin, .. } = record_set;
    let at_apex = *owner == zone.apex;
    let mut refuse = |code, what: String, mend: &str| findings.push(Finding::new(code, *origin, what, mend));
    let has_limits = limits != Limits::Off && matches!(zone.scope, Scope::Private { .. });
    let is_platforms = *rtype == RecordType::SOA || record_set.writer == Writer::NameServers;
    if has_limits && !is_platforms && !PRIVATE_TYPES.contains(rtype) {
        refuse(
            Code::TypeNotPrivate,
            format!("a private DNS zone holds no {} records", TypeName(*rtype)),
            "Azure has A, AAAA, CNAME, MX, PTR, SRV and TXT there; a child domain is a zone of its own, other types \
             belong in a public zone, or write limits = \"off\" at the top of the file",
        );
        return;
    }
    if *rtype == RecordType::SOA && !at_apex {
        refuse(Code::ApexRecords, format!("the SOA record at {owner} is not at the apex {}", zone.apex), "remove it");
    }
    if matches!(*rtype, RecordType::SOA | RecordType::CNAME | RecordType::DNAME) && record_set.rdatas.len() > 1 {
        refuse(
            match *rtype {
                RecordType::SOA => Code::ApexRecords,
                _ => Code::ExclusiveRecords,
            },
            format!("{owner} has {} {} records", record_set.rdatas.len(), TypeName(*rtype)),
            "keep one",
        );
    }
    if owner.as_ref().is_wildcard() && matches!(*rtype, RecordType::NS | RecordType::DNAME) {
        refuse(
            Code::ExclusiveRecords,
            format!("{} records at the wildcard {owner} have no defined meaning (RFC 4592 §4)", TypeName(*rtype)),
            "name the subdomains one by one",
        );
    }
    if *rtype == RecordType::CNAME {
        let other = beside.iter().find(|other| {
            // RFC 4035 §2.5; RFC 2181 §10.1 has SIG, NXT and KEY. BIND refuses NXT, NSD refuses KEY, each takes the other.
            let is_signature = matches!(other.rtype, RecordType::RRSIG | RecordType::NSEC | RecordType::SIG);
            let is_old = matches!(u16::from(other.rtype), 25 | 30);
            other.rtype != RecordType::CNAME && !is_signature && !is_old
        });
        if let Some(other) = other {
            refuse(
                Code::ExclusiveRecords,
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
            // Owners of NSEC3 records are hashes, and do not count as names below it (RFC 5155 §3).
            .find(|other| other.owner != *owner && !matches!(other.rtype, RecordType::NSEC3 | RecordType::RRSIG));
        if let Some(below) = below {
            refuse(
                Code::ExclusiveRecords,
                format!("{} lies below the DNAME record at {owner}, which hides it (RFC 6672 §2.4)", below.owner),
                "remove the records below, or the DNAME record",
            );
        }
        let alias = zone.record_sets.contains_key(&(owner.clone(), RecordType::NS)) && !at_apex;
        if alias {
            refuse(
                Code::ExclusiveRecords,
                format!("{owner} has a DNAME record beside NS records (RFC 6672 §2.3)"),
                "keep one of the two",
            );
        }
    }
}
