//! Names of virtual machines: autoregistration in private zones, and names that only their own network sees.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;

use super::internal::{INTERNAL_APEX, InternalZones, reverse_apex, reverse_owner};
use super::{address_set, constant, seconds};
use crate::azure::contents::ZoneContents;
use crate::azure::declaration::{Address, PowerState, RecordSet, VirtualMachine, Writer};
use crate::azure::finding::Finding;
use crate::azure::identity::ResourceId;
use crate::azure::inventory::Inventory;
use crate::codes::Code;
use crate::dns::{Name, Rdatas, RecordType, Ttl, TypeName};

/// TTL of the records that Azure writes for machines, in seconds (seen in captures and API recordings).
const TTL: Ttl = seconds(10);

/// Registers the machines of a zone's registration networks: the addresses of their primary interfaces while they run
/// (private-dns-autoregistration.md). `zone` already holds the records of other writers.
pub(super) fn register(inventory: &Inventory, at: usize, zone: &mut ZoneContents, findings: &mut Vec<Finding>) {
    let networks: HashSet<&ResourceId> = inventory.registering(at).map(|link| &*link.link.virtual_network).collect();
    if networks.is_empty() {
        return;
    }
    let mut machines: BTreeMap<Name, &VirtualMachine> = BTreeMap::new();
    for machine in running(inventory).filter(|machine| networks.contains(&*machine.virtual_network)) {
        let Ok(owner) = Name::relative(&machine.name, zone.apex.as_ref()) else { continue };
        // Azure's behaviour is not documented; this follows the records of private endpoints.
        if let Some(earlier) = machines.insert(owner, machine) {
            findings.push(Finding::new(
                Code::MachineNameTaken,
                machine.name.origin,
                format!(
                    "virtual machine \"{}\" in \"{}\" takes the name in {} of the one in \"{}\": the last wins",
                    inventory.machine_label(machine),
                    inventory.label(&machine.virtual_network),
                    zone.apex,
                    inventory.label(&earlier.virtual_network)
                ),
                "give the machines names of their own, or register their networks in different zones",
            ));
        }
    }
    for (owner, machine) in machines {
        for record_set in address_sets(&owner, machine, writer(inventory, machine)) {
            let at_owner = |rtype| zone.record_sets.get(&(owner.clone(), rtype));
            // Azure replaces its own record with a hand-written one (dns-faq-private.yml).
            if let Some(other) = at_owner(RecordType::CNAME).or_else(|| at_owner(record_set.rtype)) {
                findings.push(Finding::new(
                    Code::NotRegistered,
                    machine.name.origin,
                    format!(
                        "the {} record of virtual machine \"{}\" is not registered in {}: the {} record there \
                         is {}",
                        TypeName(record_set.rtype),
                        inventory.machine_label(machine),
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

/// Writes the names of a network's machines that only the network sees: `internal.cloudapp.net` and reverse zones. A registered
/// address has a second PTR record, with the name in the registration zone
/// (virtual-networks-name-resolution-for-vms-and-role-instances.md). `private` are the private zones, in the order of the
/// declaration.
pub(super) fn internal_names(inventory: &Inventory, private: &[ZoneContents], zones: &mut InternalZones) {
    let registrations = registrations(inventory);
    for machine in running(inventory) {
        // Unknown networks have been reported.
        let Some((number, network)) = inventory.network(&machine.virtual_network) else { continue };
        let writer = writer(inventory, machine);
        let apex = constant(INTERNAL_APEX);
        let Ok(host) = Name::relative(&machine.name, apex.as_ref()) else { continue };
        let origin = machine.name.origin;
        let zone = zones.zone(number, apex, origin);
        let qualified = Name::relative(&machine.name, network.internal_suffix().as_ref());
        for owner in qualified.iter().chain([&host]) {
            for record_set in address_sets(owner, machine, writer.clone()) {
                zone.insert(record_set);
            }
        }
        for address in machine.network_interfaces.iter().flat_map(|interface| &interface.ip_addresses) {
            let Some(address) = address.known() else { continue };
            let Some(apex) = reverse_apex(network, address) else { continue };
            let names = registrations.get(&*machine.virtual_network).into_iter().flatten();
            let registered = names.filter_map(|zone| registered(&private[*zone], machine, address, &writer));
            zones.zone(number, apex, origin).insert(RecordSet {
                owner: reverse_owner(address),
                rtype: RecordType::PTR,
                ttl: TTL,
                rdatas: Rdatas::new(RecordType::PTR, registered.chain([host.as_wire().into()]).collect()),
                writer: writer.clone(),
                origin,
            });
        }
    }
}

/// The private zones, by index, in which the machines of each network are registered.
fn registrations(inventory: &Inventory) -> HashMap<&ResourceId, Vec<usize>> {
    let mut registrations: HashMap<&ResourceId, Vec<usize>> = HashMap::new();
    for number in 0..inventory.private_dns_zones.len() {
        for link in inventory.registering(number) {
            registrations.entry(&*link.link.virtual_network).or_default().push(number);
        }
    }
    registrations
}

/// The machine's name in a zone, if the zone has the machine's own record with this address.
fn registered(zone: &ZoneContents, machine: &VirtualMachine, address: IpAddr, writer: &Writer) -> Option<Box<[u8]>> {
    let owner = Name::relative(&machine.name, zone.apex.as_ref()).ok()?;
    let (rtype, octets): (_, Box<[u8]>) = match address {
        IpAddr::V4(address) => (RecordType::A, address.octets().into()),
        IpAddr::V6(address) => (RecordType::AAAA, address.octets().into()),
    };
    let set = zone.record_sets.get(&(owner, rtype))?;
    (set.writer == *writer && set.rdatas.contains(&octets)).then(|| set.owner.as_wire().into())
}

fn running(inventory: &Inventory) -> impl Iterator<Item = &VirtualMachine> {
    inventory.virtual_machines.iter().filter(|machine| machine.power_state == PowerState::Running)
}

fn writer(inventory: &Inventory, machine: &VirtualMachine) -> Writer {
    Writer::VirtualMachine(inventory.machine_label(machine))
}

/// The first IPv4 and the first IPv6 address of the primary interface: one record of each type for a machine. An unknown address
/// counts as IPv4.
fn address_sets(owner: &Name, machine: &VirtualMachine, writer: Writer) -> Vec<RecordSet> {
    let primary = machine.primary_interface();
    let addresses: Vec<Address> =
        primary.into_iter().flat_map(|interface| &interface.ip_addresses).map(|address| **address).collect();
    let is_v6 = |address: &&Address| matches!(address, Address::Known(IpAddr::V6(_)));
    let first = addresses.iter().find(|address| !is_v6(address));
    let addresses = first.into_iter().chain(addresses.iter().find(is_v6)).copied();
    address_set(owner, addresses, TTL, writer, machine.name.origin).collect()
}
