//! Virtual machines with their network interfaces.

use std::collections::HashSet;

use serde_json::Value;

use super::networks::{Networks, interface_addresses, interfaces_by_owner, subnet_of};
use super::{Estate, heading, places};
use crate::azure::{Address, ResourceId};
use crate::import::Place;
use crate::import::join::Joined;
use crate::import::toml::{Toml, list, quoted, table};
use crate::import::value::{flag, get, list as elements, text, texts, why_missing};

/// A machine with at least one address.
pub(super) struct Machine {
    id: ResourceId,
    /// The host name.
    name: String,
    network: ResourceId,
    interfaces: Vec<Interface>,
    power_state: Option<&'static str>,
    places: Vec<Place>,
}

struct Interface {
    id: ResourceId,
    addresses: Vec<String>,
    dns_servers: Vec<String>,
    primary: bool,
    subnet: Option<String>,
    place: Place,
}

pub(super) fn collect(estate: &mut Estate<'_>, networks: &mut Networks) -> Vec<Machine> {
    let resources = estate.resources;
    let owned = interfaces_by_owner(estate, "virtualMachine");
    let mut machines = Vec::new();
    for machine in resources.of_kind("microsoft.compute/virtualmachines") {
        let place = &machine.places[0];
        let profile = get(&machine.body, "networkProfile");
        let named = profile.map_or(&[][..], |profile| elements(profile, "networkInterfaces"));
        let mut found: Vec<(&Joined, bool)> = Vec::new();
        for interface in named {
            let Some(id) = estate.reference(machine, "network interface", text(interface, "id")) else { continue };
            match resources.get(&id) {
                Some(joined) => found.push((joined, flag(interface, "primary").unwrap_or(false))),
                None => {
                    estate.leave_out(place, id.names(), "this network interface of the machine is in none of the files")
                }
            }
        }
        for interface in owned.get(&machine.id).into_iter().flatten() {
            if !found.iter().any(|(known, _)| known.id == interface.id) {
                found.push((interface, flag(&interface.body, "primary").unwrap_or(false)));
            }
        }
        let mut interfaces = Vec::new();
        let mut network = None;
        for (interface, primary) in found {
            let configuration = elements(&interface.body, "ipConfigurations").first().unwrap_or(&Value::Null);
            let subnet = subnet_of(estate, interface, configuration);
            let mut addresses: Vec<_> = interface_addresses(interface).iter().map(ToString::to_string).collect();
            let Some((of_network, subnet)) = subnet else {
                let why = super::zones::unknown_member(configuration, "subnet", "its subnet is not told");
                estate.leave_out(&interface.places[0], interface.id.names(), why);
                continue;
            };
            if addresses.is_empty() {
                let why = why_missing(configuration, "privateIPAddress").unwrap_or("it is in none of the files");
                estate.not_known(&interface.places[0], format!("address of {}", interface.id.names()), why);
                addresses.push(Address::UNKNOWN.to_owned());
            }
            networks.refer(estate, &of_network, interface);
            if network.get_or_insert_with(|| of_network.clone()) != &of_network {
                estate.leave_out(
                    &interface.places[0],
                    interface.id.names(),
                    "it is in another network than the machine's first",
                );
                continue;
            }
            let dns =
                get(&interface.body, "dnsSettings").map(|settings| texts(settings, "dnsServers")).unwrap_or_default();
            interfaces.push(Interface {
                id: interface.id.clone(),
                addresses,
                dns_servers: dns.into_iter().map(str::to_owned).collect(),
                primary,
                subnet: networks.has_subnet(&of_network, &subnet).then_some(subnet),
                place: interface.places[0].clone(),
            });
        }
        let Some(network) = network else {
            estate.leave_out(place, machine.id.names(), "none of its network interfaces is in the files");
            continue;
        };
        let host = get(&machine.body, "osProfile").and_then(|profile| text(profile, "computerName"));
        machines.push(Machine {
            name: host.unwrap_or_else(|| machine.id.name()).to_owned(),
            id: machine.id.clone(),
            network,
            interfaces,
            power_state: power_state(&machine.body),
            places: machine.places.clone(),
        });
    }
    machines
}

/// Host names, in lower case.
pub(super) fn names(machines: &[Machine]) -> HashSet<String> {
    machines.iter().map(|machine| machine.name.to_ascii_lowercase()).collect()
}

/// The networks with machines.
pub(super) fn networks(machines: &[Machine]) -> HashSet<ResourceId> {
    machines.iter().map(|machine| machine.network.clone()).collect()
}

/// The power state, from the instance view or from `az vm list -d`.
fn power_state(body: &Value) -> Option<&'static str> {
    let view = get(body, "instanceView").map_or(&[][..], |view| elements(view, "statuses"));
    let codes = view.iter().filter_map(|status| text(status, "code"));
    let codes = codes.filter_map(|code| code.strip_prefix("PowerState/"));
    let extended = get(body, "extended").and_then(|extended| get(extended, "instanceView"));
    let extended = extended.and_then(|view| get(view, "powerState")).and_then(|state| text(state, "code"));
    let printed = text(body, "powerState").map(|state| state.trim_start_matches("VM "));
    let state = codes.chain(extended.and_then(|code| code.strip_prefix("PowerState/"))).chain(printed).next()?;
    match state {
        "stopped" => Some("stopped"),
        "deallocated" | "deallocating" => Some("deallocated"),
        _ => None,
    }
}

pub(super) fn write(machines: &[Machine], estate: &Estate<'_>, toml: &mut Toml) {
    if machines.is_empty() {
        return;
    }
    heading("Virtual machines", toml);
    for machine in machines {
        toml.gap();
        toml.from(places(&machine.places));
        let called = (!machine.name.eq_ignore_ascii_case(machine.id.name())).then(|| machine.id.name());
        let called = called.map_or_else(String::new, |name| format!("; the machine {name}"));
        toml.comment(&format!("{}{called}", places(&machine.places)));
        toml.line("[[virtual_machine]]");
        estate.identity(&machine.id, &machine.name, toml);
        toml.key("virtual_network", &estate.quoted_label(&machine.network));
        if let Some(state) = machine.power_state {
            toml.key("power_state", &quoted(state));
        }
        toml.line("network_interfaces = [");
        for interface in &machine.interfaces {
            toml.from(&interface.place);
            let mut members = vec![("name", quoted(interface.id.name())), ("ip_addresses", list(&interface.addresses))];
            if interface.primary && machine.interfaces.len() > 1 {
                members.push(("primary", "true".to_owned()));
            }
            if !interface.dns_servers.is_empty() {
                members.push(("dns_servers", list(&interface.dns_servers)));
            }
            if let Some(subnet) = &interface.subnet {
                members.push(("subnet", quoted(subnet)));
            }
            toml.line(&format!(
                "    {}, {}",
                table(members),
                crate::import::toml::comment(&interface.place.to_string())
            ));
        }
        toml.line("]");
    }
}
