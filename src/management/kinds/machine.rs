//! Virtual machines, as far as they affect names: host name, network interfaces, power state.

use std::net::{IpAddr, SocketAddr};

use hyper::StatusCode;
use serde_json::{Map, Value, json};

use super::{Acted, Found, Kind, Manner, Put, Shown, endpoint::guid_of, interface, key, secret};
use crate::azure::{
    Change, Declared, NetworkInterface, Origin, PowerState, Resource, ResourceId, VirtualMachine, types,
};
use crate::management::body::{get, kept, list, location, text};
use crate::management::error::ApiError;
use crate::management::group::LOCATION;
use crate::management::list::documents;
use crate::management::path::Scope;
use crate::management::provider::Provider;
use crate::management::state::{After, Edit, State, Unavailable, Written};

/// Port of DNS servers.
const PORT: u16 = 53;
/// The member with the power state: beside `properties`, since machines show it in their instance view only.
const POWER: &str = "powerState";
/// Members beside `properties` that are returned as they were sent.
const GIVEN: [&str; 5] = ["zones", "identity", "plan", "extendedLocation", "placement"];
/// Members that only the service writes.
const OWN: [&str; 4] = ["provisioningState", "vmId", "instanceView", "timeCreated"];
/// Members that may contain secrets, though their names do not say so.
const WRITE_ONLY: [&str; 2] = ["customData", "userData"];
const PROVIDER: Provider = Provider::Compute;

pub(super) struct Machine;

impl Kind for Machine {
    fn resource_type(&self) -> String {
        types::VIRTUAL_MACHINE.to_owned()
    }

    fn provider(&self) -> Provider {
        PROVIDER
    }

    fn manner(&self) -> Manner {
        Manner::Begun
    }

    fn keep(&self, put: &Put<'_>, state: &dyn State) -> Result<Value, ApiError> {
        location(put.body)?;
        let mut sent = json!(get(put.body, "properties").and_then(Value::as_object).cloned().unwrap_or_default());
        secret::forget(&mut sent);
        secret::forget_members(&mut sent, &WRITE_ONLY);
        let mut properties = sent.as_object().cloned().unwrap_or_default();
        properties.retain(|name, _| !OWN.iter().any(|own| own.eq_ignore_ascii_case(name)));
        let mut body = kept(put.body, properties)?;
        for name in GIVEN {
            if let Some(value) = get(put.body, name) {
                body[name] = value.clone();
                secret::forget(&mut body[name]);
            }
        }
        body[POWER] = put.before.and_then(|before| before.get(POWER)).cloned().unwrap_or_else(|| json!("running"));
        let host = host(put.id, &body);
        if put.before.is_some_and(|before| self::host(put.id, before) != host) {
            let message = "Changing property 'osProfile.computerName' is not allowed.";
            return Err(ApiError::front(StatusCode::CONFLICT, "PropertyChangeNotAllowed", message));
        }
        self.attach(put, &body, state)?;
        Ok(body)
    }

    fn rank(&self) -> u8 {
        1
    }

    fn changes(&self, put: &Put<'_>, kept: &Value, state: &dyn State) -> Result<Vec<Change>, ApiError> {
        // A machine that files declare is refused with its place in any case.
        let declared = in_world(put.id, state).filter(|_| put.is_declared);
        let declared = declared.map(|(machine, _)| Change::Put(Resource::VirtualMachine(machine.clone())));
        Ok(declared.into_iter().chain([whole(put.id, kept, state)?]).collect())
    }

    fn delete(&self, id: &ResourceId, body: &Value, _: &dyn State) -> Result<Written, ApiError> {
        let attached = list(profile(body), "networkInterfaces").iter();
        let goes_too = attached.filter(|sent| {
            let option = get(sent, "properties").and_then(|properties| text(properties, "deleteOption"));
            option.is_some_and(|option| option.eq_ignore_ascii_case("Delete"))
        });
        let edits = goes_too.filter_map(|sent| text(sent, "id")?.parse().ok()).map(|id| Edit::Delete(key(&id)));
        Ok(Written { edits: edits.collect(), changes: vec![Change::Delete(id.clone())] })
    }

    fn declared(&self, id: &ResourceId, state: &dyn State) -> Option<Value> {
        let (machine, name) = in_world(id, state)?;
        let names = machine.interface_names(&name);
        let interfaces = machine.network_interfaces.iter().zip(names).filter_map(|(interface, name)| {
            let id = id.resource_group().resource(types::NETWORK_INTERFACE, &name).ok()?;
            Some(json!({ "id": id.to_string(), "properties": { "primary": interface.primary } }))
        });
        Some(json!({
            "location": LOCATION, POWER: code_of(machine.power_state),
            "properties": {
                "osProfile": { "computerName": *machine.name },
                "networkProfile": { "networkInterfaces": interfaces.collect::<Vec<_>>() },
            },
        }))
    }

    fn all_declared(&self, _: Option<&ResourceId>, state: &dyn State) -> Vec<ResourceId> {
        let machines = state.topology().virtual_machines();
        machines
            .filter_map(|(machine, name)| machine.resource_group.resource(types::VIRTUAL_MACHINE, &name).ok())
            .collect()
    }

    fn show(&self, found: &Found, shown: &mut Shown, _: &dyn State) -> Result<(), Unavailable> {
        shown.members.remove(POWER);
        let properties = shown.properties();
        properties.insert("provisioningState".to_owned(), json!("Succeeded"));
        properties.insert("vmId".to_owned(), json!(guid_of(&found.id, "machine")));
        Ok(())
    }

    fn part(&self, found: &Found, name: &str, _: &dyn State) -> Option<Value> {
        name.eq_ignore_ascii_case("instanceView").then(|| {
            let power = found.body.get(POWER).and_then(Value::as_str).unwrap_or("running");
            json!({
                "computerName": host(&found.id, &found.body),
                "statuses": [
                    { "code": "ProvisioningState/succeeded", "level": "Info", "displayStatus": "Provisioning succeeded" },
                    { "code": format!("PowerState/{power}"), "level": "Info", "displayStatus": format!("VM {power}") },
                ],
            })
        })
    }

    fn act(&self, found: &Found, action: &str, state: &dyn State) -> Result<Option<Acted>, ApiError> {
        let power = match action.to_ascii_lowercase().as_str() {
            "start" | "restart" | "redeploy" | "reapply" => PowerState::Running,
            "poweroff" => PowerState::Stopped,
            "deallocate" => PowerState::Deallocated,
            _ => return Ok(None),
        };
        // A machine that does not run is not started by these actions.
        let is_running = found.body.get(POWER).and_then(Value::as_str) == Some("running");
        let power = match action.eq_ignore_ascii_case("start") || power != PowerState::Running || is_running {
            true => power,
            false => return Ok(Some(Acted::Writes(Written::default()))),
        };
        let mut body = found.body.clone();
        body[POWER] = json!(code_of(power));
        if found.is_declared {
            let (machine, _) = in_world(&found.id, state).ok_or_else(|| ApiError::not_found(&found.id))?;
            let machine = VirtualMachine { power_state: power, ..machine.clone() };
            let changes = vec![Change::Put(Resource::VirtualMachine(machine))];
            return Ok(Some(Acted::Writes(Written { edits: Vec::new(), changes })));
        }
        let edits = vec![Edit::Put { id: found.id.to_string(), body: body.clone() }];
        let changes = vec![whole(&found.id, &body, &After::new(state, &edits))?];
        Ok(Some(Acted::Writes(Written { edits, changes })))
    }
}

impl Machine {
    /// Refuses interfaces that do not exist or belong to another machine.
    fn attach(&self, put: &Put<'_>, body: &Value, state: &dyn State) -> Result<(), ApiError> {
        let profile = profile(body);
        if !list(profile, "networkInterfaceConfigurations").is_empty() {
            let message = "Network interface configurations are not taken here: make the network interfaces first, and name \
                           them in 'networkProfile.networkInterfaces'.";
            return Err(PROVIDER.refused(message));
        }
        let sent = list(profile, "networkInterfaces");
        if sent.is_empty() {
            let message = "Virtual machine must have at least one network interface.";
            return Err(ApiError::front(
                StatusCode::BAD_REQUEST,
                "VirtualMachineMustHaveAtLeastOneNetworkInterface",
                message,
            ));
        }
        for sent in sent {
            let id = text(sent, "id").unwrap_or_default();
            let parsed: Option<ResourceId> = id.parse().ok();
            let is_there = match &parsed {
                Some(id) => state.document(&key(id))?.is_some() && id.is_of_type(types::NETWORK_INTERFACE),
                None => false,
            };
            let Some(interface) = parsed.filter(|_| is_there) else {
                let message = format!("Resource {id} referenced by resource {} was not found.", put.id);
                return Err(ApiError::front(StatusCode::BAD_REQUEST, "InvalidResourceReference", message));
            };
            if let Some((other, _)) = owner(&interface, state)?.filter(|(other, _)| other != put.id) {
                let message = format!("Network interface {interface} is in use by virtual machine {other}.");
                return Err(ApiError::front(StatusCode::BAD_REQUEST, "NicInUse", message));
            }
        }
        Ok(())
    }
}

fn profile(body: &Value) -> &Value {
    get(body, "properties").and_then(|properties| get(properties, "networkProfile")).unwrap_or(&Value::Null)
}

/// The host name of a machine in its operating system.
fn host(id: &ResourceId, body: &Value) -> String {
    let profile = get(body, "properties").and_then(|properties| get(properties, "osProfile"));
    profile.and_then(|profile| text(profile, "computerName")).unwrap_or_else(|| id.name()).to_owned()
}

fn code_of(power: PowerState) -> &'static str {
    match power {
        PowerState::Running => "running",
        PowerState::Stopped => "stopped",
        PowerState::Deallocated => "deallocated",
    }
}

/// A machine with its interfaces, from documents.
pub(super) fn whole(id: &ResourceId, body: &Value, state: &dyn State) -> Result<Change, ApiError> {
    let origin = Origin::API;
    let (mut interfaces, mut network) = (Vec::new(), None);
    for sent in list(profile(body), "networkInterfaces") {
        let Some(interface) = text(sent, "id").and_then(|id| id.parse::<ResourceId>().ok()) else { continue };
        let Some(document) = state.document(&key(&interface))? else { continue };
        let configurations = interface::configurations(&document.body);
        let Some((_, subnet, _)) = configurations.first() else { continue };
        let of_network = subnet.parent().ok_or_else(|| ApiError::not_found(subnet))?;
        if *network.get_or_insert_with(|| of_network.clone()) != of_network {
            let message =
                format!("The network interfaces of virtual machine '{}' are not in one virtual network.", id.name());
            return Err(ApiError::front(StatusCode::BAD_REQUEST, "SubnetsNotInSameVnet", message));
        }
        let addresses = configurations.iter().filter_map(|(_, _, address)| *address);
        let servers = interface::dns_servers(get(&document.body, "properties").unwrap_or(&Value::Null));
        let server = |server: IpAddr| Declared::new(SocketAddr::new(server, PORT).into(), origin);
        interfaces.push(NetworkInterface {
            name: Some(Declared::new(interface.name().to_owned(), origin)),
            subnet: Some(Declared::new(subnet.name().to_owned(), origin)),
            ip_addresses: addresses.map(|address| Declared::new(address.into(), origin)).collect(),
            dns_servers: servers.into_iter().flatten().map(server).collect(),
            primary: is_marked(sent),
            origin,
        });
    }
    let network = network.ok_or_else(|| PROVIDER.refused("The machine's network interfaces have no address."))?;
    let power_state = match body.get(POWER).and_then(Value::as_str) {
        Some("stopped") => PowerState::Stopped,
        Some("deallocated") => PowerState::Deallocated,
        _ => PowerState::Running,
    };
    Ok(Change::Put(Resource::VirtualMachine(VirtualMachine {
        name: Declared::new(host(id, body), origin),
        resource_name: Some(Declared::new(id.name().to_owned(), origin)),
        resource_group: id.resource_group().clone(),
        virtual_network: Declared::new(network, origin),
        network_interfaces: interfaces,
        power_state,
    })))
}

fn is_marked(sent: &Value) -> bool {
    let properties = get(sent, "properties");
    properties.and_then(|properties| get(properties, "primary")).and_then(Value::as_bool).unwrap_or(false)
}

/// The machine with an interface, of those that clients have created.
///
/// # Errors
/// The state cannot be read.
pub(super) fn owner(interface: &ResourceId, state: &dyn State) -> Result<Option<(ResourceId, Value)>, Unavailable> {
    let scope = Scope::Subscription(interface.resource_group().subscription().clone());
    let machines = documents(&Machine.resource_type(), &scope, state)?;
    Ok(machines.into_iter().find(|(_, body)| position(interface, body).is_some()))
}

fn position(interface: &ResourceId, body: &Value) -> Option<usize> {
    let mut all = list(profile(body), "networkInterfaces").iter();
    all.position(|sent| text(sent, "id").and_then(|id| id.parse().ok()).as_ref() == Some(interface))
}

/// Whether an interface is the primary one of its machine: the one marked as such, or the first.
pub(super) fn is_primary(interface: &ResourceId, body: &Value) -> bool {
    let marked = list(profile(body), "networkInterfaces").iter().position(is_marked);
    position(interface, body) == Some(marked.unwrap_or(0))
}

fn in_world<'s>(id: &ResourceId, state: &'s dyn State) -> Option<(&'s VirtualMachine, String)> {
    let mut machines = state.topology().virtual_machines();
    machines
        .find(|(machine, name)| machine.resource_group == *id.resource_group() && name.eq_ignore_ascii_case(id.name()))
}

/// The interfaces of machines that files declare.
pub(super) fn declared_interfaces(state: &dyn State) -> Vec<ResourceId> {
    let machines = state.topology().virtual_machines();
    let names = machines.flat_map(|(machine, name)| {
        let names = machine.interface_names(&name).into_iter();
        names.filter_map(|name| machine.resource_group.resource(types::NETWORK_INTERFACE, &name).ok())
    });
    names.collect()
}

/// The interface of a machine that files declare.
pub(super) fn declared_interface(id: &ResourceId, state: &dyn State) -> Option<Value> {
    for (machine, name) in state.topology().virtual_machines() {
        if machine.resource_group != *id.resource_group() {
            continue;
        }
        let names = machine.interface_names(&name);
        let Some(at) = names.iter().position(|name| name.eq_ignore_ascii_case(id.name())) else { continue };
        let found = &machine.network_interfaces[at];
        let subnet = found.subnet.as_ref().and_then(|subnet| machine.virtual_network.child(types::SUBNET, subnet).ok());
        let subnet = subnet.map(|subnet| subnet.to_string());
        let known = found.ip_addresses.iter().filter_map(|address| address.known()).enumerate();
        let configurations = known.map(|(at, address)| {
            let name = format!("ipconfig{}", at + 1);
            interface::shown_configuration(id, &name, address, subnet.as_deref(), at == 0, Map::new())
        });
        let servers = found.dns_servers.iter().filter_map(|server| server.known());
        let servers: Vec<_> = servers.map(|server| server.ip().to_string()).collect();
        let machine = machine.resource_group.resource(types::VIRTUAL_MACHINE, &name).ok()?;
        return Some(json!({ "location": LOCATION, "properties": {
            "ipConfigurations": configurations.collect::<Vec<_>>(),
            "dnsSettings": { "dnsServers": servers, "appliedDnsServers": [] },
            "enableAcceleratedNetworking": false, "enableIPForwarding": false,
            "virtualMachine": { "id": machine.to_string() },
        }}));
    }
    None
}
