//! The NS records of all zones, if the configuration names name servers, and the addresses of the name servers.
//!
//! Delegations lead to this server by a name. Once resolvers have asked for the NS records at a zone's apex, they prefer those to
//! the parent's (BIND 9.18 does), and would follow the NS records of a derived public zone to Azure's servers. So with this
//! setting every zone that a parent can delegate has these NS records, including internal zones, as an internal root may delegate
//! `10.in-addr.arpa`.

use std::net::IpAddr;

use super::address_set;
use crate::azure::contents::{Scope, ZoneContents};
use crate::azure::declaration::{NameServer, RecordSet, Writer};
use crate::azure::finding::Finding;
use crate::azure::inventory::Inventory;
use crate::codes::Code;
use crate::dns::{Rdatas, RecordType, TypeName};

/// Writes them into all zones, except for the NS records of zones for which a person wrote them.
pub(super) fn write(inventory: &Inventory, zones: &mut [ZoneContents], findings: &mut Vec<Finding>) {
    let servers = &inventory.name_servers;
    let Some(first) = servers.first() else { return };
    let rdatas = Rdatas::new(RecordType::NS, servers.iter().map(|server| server.name.as_wire().into()).collect());
    // Unchanged zones have them.
    for zone in zones.iter_mut().filter(|zone| zone.compiled().is_none()) {
        let own = zone.record_sets.get(&(zone.apex.clone(), RecordType::NS));
        if own.is_none_or(|own| own.writer == Writer::Zone) {
            zone.insert(RecordSet {
                owner: zone.apex.clone(),
                rtype: RecordType::NS,
                ttl: NameServer::TTL,
                rdatas: rdatas.clone(),
                writer: Writer::NameServers,
                origin: first.name.origin,
            });
        }
    }
    for server in servers {
        // Views that do not see the longest covering zone use the next one.
        let mut covering =
            zones.iter_mut().filter(|zone| server.name.as_ref().is_within(zone.apex.as_ref())).peekable();
        if let Some(zone) = covering.peek().filter(|_| server.addresses.is_empty()) {
            findings.push(Finding::new(
                Code::BadNameServer,
                server.name.origin,
                format!("name server {} has no addresses, but lies in the zone {}", server.name, zone.apex),
                "add addresses = [\"10.0.0.4\"]: the zone answers for them, and a delegation needs them as glue",
            ));
            continue;
        }
        covering.for_each(|zone| addresses(server, zone, findings));
    }
}

/// Writes the addresses of a name server into a zone, if they are missing.
fn addresses(server: &NameServer, zone: &mut ZoneContents, findings: &mut Vec<Finding>) {
    let origin = server.name.origin;
    let place = match &zone.scope {
        Scope::Private { id, .. } => format!("the zone {} in \"{}\"", zone.apex, id.resource_group().name()),
        Scope::Public | Scope::Internal { .. } => format!("the zone {}", zone.apex),
    };
    if let Some(alias) = zone.record_sets.get(&((*server.name).clone(), RecordType::CNAME)) {
        findings.push(Finding::new(
            Code::BadNameServer,
            origin,
            format!("name server {} is an alias in {place}, {} (RFC 2181 §10.3)", server.name, alias.writer),
            "name the host itself, or give the name server a name of its own",
        ));
        return;
    }
    if let Some(private) = server.addresses.iter().find(|address| is_private(**address))
        && zone.scope == Scope::Public
    {
        findings.push(Finding::new(
            Code::PrivateAddressInPublic,
            origin,
            format!("everyone sees the private address {private} of name server {} in {place}", server.name),
            "give the name server a name that only private zones cover, or none of the zones here",
        ));
    }
    let written = address_set(
        &server.name,
        server.addresses.iter().map(|address| (*address).into()),
        NameServer::ADDRESS_TTL,
        Writer::NameServers,
        origin,
    );
    for record_set in written {
        let key = (record_set.owner.clone(), record_set.rtype);
        match zone.record_sets.get(&key) {
            None => {
                zone.insert(record_set);
            }
            Some(other) if is_same(other, &record_set) => {}
            Some(other) => findings.push(Finding::new(
                Code::BadNameServer,
                origin,
                format!(
                    "name server {} has other {} records in {place}, {}",
                    server.name,
                    TypeName(other.rtype),
                    other.writer
                ),
                "a delegation's glue must be what the zone says: make the addresses the same, or leave the records out",
            )),
        }
    }
}

/// Whether an address is private (RFC 1918, RFC 4193).
pub(in crate::azure) const fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_private(),
        IpAddr::V6(address) => address.is_unique_local(),
    }
}

/// Whether two record sets have the same records, in any order.
fn is_same(one: &RecordSet, other: &RecordSet) -> bool {
    one.rdatas.len() == other.rdatas.len() && one.rdatas.iter().all(|rdata| other.rdatas.contains(rdata))
}
