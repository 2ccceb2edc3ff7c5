//! Virtual networks and their subnets.

use std::collections::BTreeMap;

use super::unique;
use crate::azure::declaration::{Address, Declared, Subnet, VirtualNetwork, Word};
use crate::azure::finding::{Finding, suggestion};
use crate::azure::inventory::Inventory;
use crate::codes::Code;

/// Checks the subnets of all networks.
pub(super) fn check(inventory: &Inventory, findings: &mut Vec<Finding>) {
    for network in &inventory.virtual_networks {
        subnets(inventory, network, findings);
    }
}

fn subnets(inventory: &Inventory, network: &VirtualNetwork, findings: &mut Vec<Finding>) {
    unique("subnet", network.subnets.iter().map(|subnet| &subnet.name), findings);
    for (at, subnet) in network.subnets.iter().enumerate() {
        let prefix = &subnet.address_prefix;
        // For a network without an address space, nothing is known to lie outside of it.
        let space = &network.address_space;
        if !space.is_empty() && !space.iter().any(|space| space.contains(&**prefix)) {
            findings.push(Finding::new(
                Code::AddressOutside,
                prefix.origin,
                format!(
                    "{prefix} is not within the address space of virtual network \"{}\"",
                    inventory.label(&network.id)
                ),
                "take a part of its address_space, or add the prefix to that",
            ));
        }
        let overlaps =
            |other: &&Subnet| other.address_prefix.contains(&**prefix) || prefix.contains(&*other.address_prefix);
        if let Some(other) = network.subnets[..at].iter().find(overlaps) {
            findings.push(Finding::new(
                Code::SubnetsOverlap,
                prefix.origin,
                format!(
                    "{prefix} of subnet \"{}\" overlaps {} of \"{}\"",
                    subnet.name, other.address_prefix, other.name
                ),
                "divide the address space among them",
            ));
        }
    }
}

/// Checks that an endpoint's subnet exists, and that its addresses are in the network and in that subnet.
pub(super) fn addresses(
    inventory: &Inventory,
    network: &VirtualNetwork,
    subnet: Option<&Declared<String>>,
    ip_configurations: &BTreeMap<Word, Declared<Address>>,
    findings: &mut Vec<Finding>,
) {
    self::subnet(inventory, network, subnet, findings);
    for address in ip_configurations.values() {
        self::address(inventory, network, subnet, address, "endpoint", findings);
    }
}

/// Reports an unknown subnet.
pub(super) fn subnet(
    inventory: &Inventory,
    network: &VirtualNetwork,
    named: Option<&Declared<String>>,
    findings: &mut Vec<Finding>,
) {
    let Some(name) = named.filter(|name| network.subnet(name).is_none()) else { return };
    let names = || network.subnets.iter().map(|subnet| subnet.name.as_str());
    findings.push(Finding::new(
        Code::UnknownSubnet,
        name.origin,
        format!("virtual network \"{}\" has no subnet \"{name}\"", inventory.label(&network.id)),
        format!("add {{ name = \"{name}\", address_prefix = \"…\" }} to its subnets{}", suggestion(name, names())),
    ));
}

/// Checks an address in a network, in the named subnet or anywhere. `whose` names its owner for the message.
pub(super) fn address(
    inventory: &Inventory,
    network: &VirtualNetwork,
    subnet: Option<&Declared<String>>,
    address: &Declared<Address>,
    whose: &str,
    findings: &mut Vec<Finding>,
) {
    let Some(known) = address.known() else { return };
    let space = &network.address_space;
    if !space.is_empty() && !space.iter().any(|prefix| prefix.contains(&known)) {
        findings.push(Finding::new(
            Code::AddressOutside,
            address.origin,
            format!("{address} is not in the address space of virtual network \"{}\"", inventory.label(&network.id)),
            format!("take an address of the network in which the {whose} lives"),
        ));
        return;
    }
    // An unknown network has been reported.
    let Some((name, subnet)) = subnet.and_then(|name| Some((name, network.subnet(name)?))) else { return };
    let prefix = &subnet.address_prefix;
    if !prefix.contains(&known) {
        let mend = match whose {
            "endpoint" => "take an address of the subnet, or leave it out to be given the next free one",
            _ => "take an address of the subnet",
        };
        findings.push(Finding::new(
            Code::AddressOutside,
            address.origin,
            format!("{address} is not in {prefix}, the subnet \"{name}\""),
            mend,
        ));
    }
}
