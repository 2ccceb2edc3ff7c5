//! Checks virtual machines, and the links that register them.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use super::{missing_network, networks};
use crate::azure::declaration::{PowerState, VirtualMachine, VirtualNetwork};
use crate::azure::derive::INTERNAL_APEX;
use crate::azure::finding::Finding;
use crate::azure::identity::{ResourceId, types};
use crate::azure::inventory::Inventory;
use crate::codes::Code;
use crate::dns::Name;

/// Checks machines and registration.
pub(super) fn check(inventory: &Inventory, findings: &mut Vec<Finding>) {
    for network in &inventory.virtual_networks {
        internal_suffix(network, findings);
    }
    registration(inventory, findings);
    let mut names = HashSet::new();
    let mut used = HashMap::new();
    let mut nics = HashMap::new();
    let mut hosts = HashMap::new();
    for (machine, resource_name) in inventory.virtual_machines.iter().zip(inventory.machine_names()) {
        interface_names(inventory, machine, &resource_name, &mut nics, findings);
        let group = machine.resource_group.name().to_lowercase();
        if !names.insert((&*machine.virtual_network, group, machine.name.to_lowercase())) {
            findings.push(Finding::new(
                Code::Duplicate,
                machine.name.origin,
                format!(
                    "there is a virtual machine \"{}\" in \"{}\" already",
                    inventory.machine_label(machine),
                    inventory.label(&machine.virtual_network)
                ),
                "give each machine of a network a name of its own, or remove one",
            ));
        }
        let host = hosts.insert((&*machine.virtual_network, machine.name.to_lowercase()), machine);
        if let Some(other) = host.filter(|other| other.resource_group != machine.resource_group) {
            findings.push(Finding::new(
                Code::MachineNameTaken,
                machine.name.origin,
                format!(
                    "virtual machine \"{}\" takes the internal name of \"{}\" in \"{}\": the last wins",
                    inventory.machine_label(machine),
                    inventory.machine_label(other),
                    inventory.label(&machine.virtual_network)
                ),
                "give the machines of a network names of their own",
            ));
        }
        name(machine, findings);
        let Some((_, network)) = inventory.network(&machine.virtual_network) else {
            missing_network(inventory, &machine.virtual_network, findings);
            continue;
        };
        if let Some(manager) = &network.managed_by {
            findings.push(Finding::new(
                Code::ManagedNetwork,
                machine.virtual_network.origin,
                format!(
                    "virtual network \"{}\" is managed by \"{}\": no machine can be put there",
                    inventory.label(&network.id),
                    inventory.label(manager)
                ),
                "put it into a network of your own",
            ));
        }
        interfaces(inventory, machine, network, &mut used, findings);
    }
}

fn internal_suffix(network: &VirtualNetwork, findings: &mut Vec<Finding>) {
    let Some(suffix) = &network.internal_domain_name_suffix else { return };
    let apex: Name = INTERNAL_APEX.parse().expect("a constant");
    if !suffix.as_ref().is_within(apex.as_ref()) || **suffix == apex {
        findings.push(Finding::new(
            Code::BadName,
            suffix.origin,
            format!("{suffix} is not a name below {apex}"),
            format!("write it as Azure has it, \"ID.xx.{INTERNAL_APEX}\", or leave it out: one is then made up"),
        ));
    }
}

/// Registration in reverse zones fails (private-reverse-dns.md).
fn registration(inventory: &Inventory, findings: &mut Vec<Finding>) {
    let apexes = ["in-addr.arpa", "ip6.arpa"].map(|apex| apex.parse::<Name>().expect("a constant"));
    let is_reverse = |name: &Name| apexes.iter().any(|apex| name.as_ref().is_within(apex.as_ref()));
    for (at, zone) in inventory.private_dns_zones.iter().enumerate() {
        for link in inventory.registering(at).filter(|_| is_reverse(&zone.name)) {
            findings.push(Finding::new(
                Code::RegistrationRefused,
                link.link.virtual_network.origin,
                format!("the link registers machines in {}; Azure refuses this in reverse zones", zone.name),
                "remove registration_enabled, and write PTR records by hand",
            ));
        }
    }
}

fn name(machine: &VirtualMachine, findings: &mut Vec<Finding>) {
    let is_hostly = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-';
    let name = machine.name.as_str();
    if name.len() > 63 || !name.bytes().all(is_hostly) || name.starts_with('-') || name.ends_with('-') {
        findings.push(Finding::new(
            Code::BadName,
            machine.name.origin,
            format!("\"{name}\" is not a host name"),
            "write up to 63 letters, digits and hyphens, no hyphen first or last and no dot",
        ));
    }
}

fn interfaces<'a>(
    inventory: &Inventory,
    machine: &'a VirtualMachine,
    network: &VirtualNetwork,
    used: &mut HashMap<(&'a ResourceId, IpAddr), &'a VirtualMachine>,
    findings: &mut Vec<Finding>,
) {
    let declared = machine.network_interfaces.iter().filter(|interface| interface.primary);
    for interface in declared.skip(1) {
        findings.push(Finding::new(
            Code::BadMachine,
            interface.origin,
            format!("virtual machine \"{}\" has two primary network interfaces", inventory.machine_label(machine)),
            "keep primary = true on one of them",
        ));
    }
    for interface in &machine.network_interfaces {
        networks::subnet(inventory, network, interface.subnet.as_ref(), findings);
        for address in &interface.ip_addresses {
            networks::address(inventory, network, interface.subnet.as_ref(), address, "machine", findings);
            // A machine that is not running may have released its address.
            let Some(known) = address.known() else { continue };
            let key = (&*machine.virtual_network, known);
            if machine.power_state == PowerState::Running
                && let Some(other) = used.insert(key, machine)
            {
                findings.push(Finding::new(
                    Code::AddressInUse,
                    address.origin,
                    format!(
                        "{address} of virtual machine \"{}\" is in use by \"{}\"",
                        inventory.machine_label(machine),
                        inventory.machine_label(other)
                    ),
                    "take another address",
                ));
            }
        }
    }
}

/// Refuses two network interfaces with one identity. `resource_name` is the machine's name as a resource.
fn interface_names(
    inventory: &Inventory,
    machine: &VirtualMachine,
    resource_name: &str,
    seen: &mut HashMap<ResourceId, bool>,
    findings: &mut Vec<Finding>,
) {
    for (interface, name) in machine.network_interfaces.iter().zip(machine.interface_names(resource_name)) {
        // An invalid name has been reported.
        let Ok(id) = machine.resource_group.resource(types::NETWORK_INTERFACE, &name) else { continue };
        let is_given = interface.name.is_some();
        // Default names are equal only if the machines' names are, which has been reported.
        if seen.insert(id, is_given).is_some_and(|other| other || is_given) {
            findings.push(Finding::new(
                Code::Duplicate,
                interface.name.as_ref().map_or(interface.origin, |name| name.origin),
                format!(
                    "there is a network interface \"{name}\" already, in the group of \"{}\"",
                    inventory.machine_label(machine)
                ),
                "give each a name of its own, or the machines different resource groups",
            ));
        }
    }
}
