//! Record sets and inbound endpoints whose addresses are unknown.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::azure::contents::ZoneContents;
use crate::azure::declaration::{Address, Declared, Origin, RecordSet};
use crate::azure::finding::Finding;
use crate::azure::inventory::Inventory;
use crate::codes::Code;
use crate::dns::RecordType;

const MEND: &str = "write the address in place of \"unknown\" as soon as Azure has given it";

/// Reports what clients get instead, once for each place in the configuration.
pub(super) fn advise(inventory: &Inventory, zones: &[ZoneContents], findings: &mut Vec<Finding>) {
    let sets = zones.iter().flat_map(|zone| zone.record_sets.values()).filter(|set| set.rdatas.is_unknown());
    let mut by_origin: BTreeMap<Origin, Vec<&RecordSet>> = BTreeMap::new();
    for set in sets {
        let at_origin = by_origin.entry(set.origin).or_default();
        if at_origin.iter().all(|other| other.owner != set.owner) {
            at_origin.push(set);
        }
    }
    for (origin, sets) in by_origin {
        let Some(first) = sets.first() else { continue };
        let (what, mend) = match first.rtype {
            RecordType::A | RecordType::AAAA => ("address", MEND),
            _ => ("records", "write the records in place of \"unknown\" as soon as they are known"),
        };
        let names: Vec<_> = sets.iter().map(|set| set.owner.to_string()).collect();
        let what = format!("{what} not known of {} ({}): clients get SERVFAIL", names.join(", "), first.writer);
        findings.push(Finding::new(Code::AddressNotKnown, origin, what, mend));
    }
    let is_unknown = |server: &&Declared<Address<SocketAddr>>| server.known().is_none();
    let mut warn = |servers: &[Declared<Address<SocketAddr>>], whose: String, who: &str| {
        // Queries are sent to the first server if its address is known.
        let Some(server) = servers.first().filter(is_unknown) else { return };
        let what = format!("address not known of the DNS server of {whose}: {who} get SERVFAIL");
        findings.push(Finding::new(Code::AddressNotKnown, server.origin, what, MEND));
    };
    for network in &inventory.virtual_networks {
        warn(&network.dns_servers, format!("\"{}\"", inventory.label(&network.id)), "its clients");
    }
    for machine in &inventory.virtual_machines {
        for interface in &machine.network_interfaces {
            warn(
                &interface.dns_servers,
                format!("virtual machine \"{}\"", inventory.machine_label(machine)),
                "its queries",
            );
        }
    }
    for rule in
        inventory.dns_forwarding_rulesets.iter().flat_map(|ruleset| &ruleset.rules).filter(|rule| rule.is_enabled)
    {
        warn(&rule.target_dns_servers, format!("a rule for {}", *rule.domain_name), "names below it");
    }
    for network in &inventory.virtual_networks {
        let mut endpoints = inventory.inbound_endpoints(network);
        if let Some(endpoint) = endpoints.find(|address| ***address == Address::Unknown) {
            let network = inventory.label(&network.id);
            let what =
                format!("address not known of an inbound endpoint of \"{network}\": no query is taken for one to it");
            findings.push(Finding::new(Code::AddressNotKnown, endpoint.origin, what, MEND));
        }
    }
}
