//! Names of virtual machines: their registration in a private zone, and those that only their own network knows.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::internal::{INTERNAL_APEX, InternalZones, reverse_apex, reverse_owner};
use super::{address_set, constant, seconds};
use crate::azure::contents::ZoneContents;
use crate::azure::declaration::{Declaration, PowerState, PrivateDnsZone, RecordSet, VirtualMachine, Writer};
use crate::azure::finding::Finding;
use crate::dns::{Name, Rdatas, RecordType, Ttl, TypeName};

/// TTL of the records that Azure writes for machines, in seconds (seen in captures and API recordings).
const TTL: Ttl = seconds(10);

/// Registers the machines of a zone's registration networks: the addresses of their primary interfaces while they run
/// (private-dns-autoregistration.md). `zone` holds what others have written.
pub(super) fn register(
    declaration: &Declaration,
    declared: &PrivateDnsZone,
    zone: &mut ZoneContents,
    findings: &mut Vec<Finding>,
) {
    let links = declared.virtual_network_links.iter().filter(|link| link.registration_enabled);
    let networks: BTreeSet<&str> = links.map(|link| link.virtual_network.as_str()).collect();
    if networks.is_empty() {
        return;
    }
    let mut machines: BTreeMap<Name, &VirtualMachine> = BTreeMap::new();
    for machine in running(declaration).filter(|machine| networks.contains(machine.virtual_network.as_str())) {
        let Ok(owner) = Name::relative(&machine.name, zone.apex.as_ref()) else { continue };
        // What Azure does is not documented; this is as with the records of private endpoints.
        if let Some(earlier) = machines.insert(owner, machine) {
            findings.push(Finding::warning(
                machine.name.origin,
                format!(
                    "virtual machine \"{}\" in \"{}\" takes the name in {} of the one in \"{}\": the last wins",
                    machine.name, machine.virtual_network, zone.apex, earlier.virtual_network
                ),
                "give the machines names of their own, or register their networks in different zones",
            ));
        }
    }
    for (owner, machine) in machines {
        for record_set in address_sets(&owner, machine) {
            let at_owner = |rtype| zone.record_sets.get(&(owner.clone(), rtype));
            // Azure replaces its record with one that is written by hand (dns-faq-private.yml).
            if let Some(other) = at_owner(RecordType::CNAME).or_else(|| at_owner(record_set.rtype)) {
                findings.push(Finding::warning(
                    machine.name.origin,
                    format!(
                        "the {} record of virtual machine \"{}\" is not registered in {}: the {} record there \
                         is {}",
                        TypeName(record_set.rtype),
                        machine.name,
                        zone.apex,
                        TypeName(other.rtype),
                        other.writer
                    ),
                    "remove that record, and the machine's takes its place; keep it if it was meant",
                ));
            } else {
                zone.insert(record_set);
            }
        }
    }
}

/// Writes what a network knows of its own machines: `internal.cloudapp.net` and reverse zones.
pub(super) fn internal_names<'a>(declaration: &'a Declaration, zones: &mut InternalZones<'a>) {
    let networks: BTreeMap<&str, _> =
        declaration.virtual_networks.iter().map(|network| (network.name.as_str(), network)).collect();
    for machine in running(declaration) {
        // A network that is not there has been reported.
        let Some(network) = networks.get(machine.virtual_network.as_str()) else { continue };
        let apex = constant(INTERNAL_APEX);
        let Ok(host) = Name::relative(&machine.name, apex.as_ref()) else { continue };
        let origin = machine.name.origin;
        let zone = zones.zone(&network.name, apex, origin);
        let qualified = Name::relative(&machine.name, network.internal_suffix().as_ref());
        for owner in qualified.iter().chain([&host]) {
            for record_set in address_sets(owner, machine) {
                zone.insert(record_set);
            }
        }
        for address in machine.network_interfaces.iter().flat_map(|interface| &interface.ip_addresses) {
            let Some(apex) = reverse_apex(network, **address) else { continue };
            zones.zone(&network.name, apex, origin).insert(RecordSet {
                owner: reverse_owner(**address),
                rtype: RecordType::PTR,
                ttl: TTL,
                rdatas: Rdatas::one(host.as_wire()),
                writer: writer(machine),
                origin,
            });
        }
    }
}

fn running(declaration: &Declaration) -> impl Iterator<Item = &VirtualMachine> {
    declaration.virtual_machines.iter().filter(|machine| machine.power_state == PowerState::Running)
}

fn writer(machine: &VirtualMachine) -> Writer {
    Writer::VirtualMachine((*machine.name).clone())
}

/// The first IPv4 and the first IPv6 address of the primary interface: one record of each type for a machine.
fn address_sets(owner: &Name, machine: &VirtualMachine) -> Vec<RecordSet> {
    let primary = machine.primary_interface();
    let addresses: Vec<IpAddr> =
        primary.into_iter().flat_map(|interface| &interface.ip_addresses).map(|address| **address).collect();
    let first = |is: fn(&IpAddr) -> bool| addresses.iter().copied().find(is);
    let addresses: Vec<_> = first(IpAddr::is_ipv4).into_iter().chain(first(IpAddr::is_ipv6)).collect();
    address_set(owner, &addresses, TTL, writer(machine), machine.name.origin).collect()
}
