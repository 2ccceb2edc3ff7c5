//! Virtual machines, and the links by which they are registered.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::missing;
use crate::azure::declaration::{Declaration, PowerState, VirtualMachine, VirtualNetwork};
use crate::azure::derive::INTERNAL_APEX;
use crate::azure::finding::Finding;
use crate::dns::Name;

/// Checks machines and registration.
pub(super) fn check(declaration: &Declaration, findings: &mut Vec<Finding>) {
    for network in &declaration.virtual_networks {
        internal_suffix(network, findings);
    }
    registration(declaration, findings);
    let networks: BTreeMap<&str, &VirtualNetwork> =
        declaration.virtual_networks.iter().map(|network| (network.name.as_str(), network)).collect();
    let mut names = BTreeSet::new();
    let mut used = BTreeMap::new();
    for machine in &declaration.virtual_machines {
        if !names.insert((machine.virtual_network.as_str(), machine.name.to_lowercase())) {
            findings.push(Finding::error(
                machine.name.origin,
                format!("there is a virtual machine \"{}\" in \"{}\" already", machine.name, machine.virtual_network),
                "give each machine of a network a name of its own, or remove one",
            ));
        }
        name(machine, findings);
        let Some(network) = networks.get(machine.virtual_network.as_str()) else {
            missing(declaration, "virtual network", &machine.virtual_network, networks.keys().copied(), findings);
            continue;
        };
        if let Some(manager) = &network.managed_by {
            findings.push(Finding::error(
                machine.virtual_network.origin,
                format!(
                    "virtual network \"{}\" is managed by \"{manager}\": no machine can be put there",
                    network.name
                ),
                "put it into a network of your own",
            ));
        }
        interfaces(machine, network, &mut used, findings);
    }
}

fn internal_suffix(network: &VirtualNetwork, findings: &mut Vec<Finding>) {
    let apex: Name = INTERNAL_APEX.parse().expect("a constant");
    if let Some(suffix) = &network.internal_domain_name_suffix
        && (!suffix.as_ref().is_within(apex.as_ref()) || **suffix == apex)
    {
        findings.push(Finding::error(
            suffix.origin,
            format!("{suffix} is not a name below {apex}"),
            format!("write it as Azure has it, \"ID.xx.{INTERNAL_APEX}\", or leave it out: one is then made up"),
        ));
    }
}

/// Registration in reverse zones fails (private-reverse-dns.md).
fn registration(declaration: &Declaration, findings: &mut Vec<Finding>) {
    let is_reverse = |name: &Name| {
        ["in-addr.arpa", "ip6.arpa"].iter().any(|apex| {
            let apex: Name = apex.parse().expect("a constant");
            name.as_ref().is_within(apex.as_ref())
        })
    };
    for zone in declaration.private_dns_zones.iter().filter(|zone| is_reverse(&zone.name)) {
        for link in zone.virtual_network_links.iter().filter(|link| link.registration_enabled) {
            findings.push(Finding::error(
                link.virtual_network.origin,
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
        findings.push(Finding::error(
            machine.name.origin,
            format!("\"{name}\" is not a host name"),
            "write up to 63 letters, digits and hyphens, no hyphen first or last and no dot",
        ));
    }
}

fn interfaces<'a>(
    machine: &'a VirtualMachine,
    network: &VirtualNetwork,
    used: &mut BTreeMap<(&'a str, IpAddr), &'a str>,
    findings: &mut Vec<Finding>,
) {
    let declared = machine.network_interfaces.iter().filter(|interface| interface.primary);
    for interface in declared.skip(1) {
        findings.push(Finding::error(
            interface.origin,
            format!("virtual machine \"{}\" has two primary network interfaces", machine.name),
            "keep primary = true on one of them",
        ));
    }
    for address in machine.network_interfaces.iter().flat_map(|interface| &interface.ip_addresses) {
        if !network.address_space.iter().any(|prefix| prefix.contains(&**address)) {
            findings.push(Finding::error(
                address.origin,
                format!("{address} is not in the address space of virtual network \"{}\"", network.name),
                "take an address of the network in which the machine lives",
            ));
        }
        // A machine that does not run may have given its address back.
        let key = (machine.virtual_network.as_str(), **address);
        if machine.power_state == PowerState::Running
            && let Some(other) = used.insert(key, &machine.name)
        {
            findings.push(Finding::error(
                address.origin,
                format!("{address} of virtual machine \"{}\" is in use by \"{other}\"", machine.name),
                "take another address",
            ));
        }
    }
}
