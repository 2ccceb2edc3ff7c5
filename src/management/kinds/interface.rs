//! Network interfaces: those that clients create for machines, and those of private endpoints, which exist with them and are
//! read-only. Free addresses are found here.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use hyper::StatusCode;
use ipnet::IpNet;
use serde_json::{Map, Value, json};

use super::network::invalid;
use super::{Found, Kind, Manner, Put, Shown, endpoint, find, key, machine};
use crate::azure::{Address, Change, Declared, ResourceId, Word, types};
use crate::management::body::{get, kept, list, location, reference, referred, text, word};
use crate::management::error::ApiError;
use crate::management::group::LOCATION;
use crate::management::list::documents;
use crate::management::path::Scope;
use crate::management::provider::Provider;
use crate::management::state::{State, Unavailable, Written};

pub(super) struct Interface;

const PROVIDER: Provider = Provider::Network;
/// Members that only the service writes.
const OWN: [&str; 7] = [
    "provisioningState",
    "resourceGuid",
    "virtualMachine",
    "privateEndpoint",
    "primary",
    "macAddress",
    "ipConfigurations",
];

impl Kind for Interface {
    fn resource_type(&self) -> String {
        types::NETWORK_INTERFACE.to_owned()
    }

    fn provider(&self) -> Provider {
        PROVIDER
    }

    fn manner(&self) -> Manner {
        Manner::Begun
    }

    fn is_part(&self) -> bool {
        true
    }

    fn keep(&self, put: &Put<'_>, state: &dyn State) -> Result<Value, ApiError> {
        if put.is_declared {
            return Err(only_read(put.id));
        }
        location(put.body)?;
        let sent = get(put.body, "properties").unwrap_or(&Value::Null);
        let configurations = list(sent, "ipConfigurations");
        if configurations.is_empty() {
            return Err(invalid("A network interface has one IP configuration at least."));
        }
        let (mut kept_configurations, mut network, mut taken) = (Vec::new(), None, Vec::new());
        for sent in configurations {
            let (configuration, of_network, address) = configuration(put, sent, &taken, state)?;
            if *network.get_or_insert_with(|| of_network.clone()) != of_network {
                let message = format!("The IP configurations of '{}' are not in one virtual network.", put.id.name());
                return Err(ApiError::network(StatusCode::BAD_REQUEST, "SubnetsNotInSameVnet", message));
            }
            taken.push(address);
            kept_configurations.push(configuration);
        }
        for server in dns_servers(sent) {
            server.ok_or_else(|| invalid("A DNS server of 'dnsSettings' is not an IP address."))?;
        }
        let mut properties = sent.as_object().cloned().unwrap_or_default();
        properties.retain(|name, _| !OWN.iter().any(|own| own.eq_ignore_ascii_case(name)));
        properties.insert("ipConfigurations".to_owned(), json!(kept_configurations));
        kept(put.body, properties)
    }

    fn changes(&self, put: &Put<'_>, _: &Value, state: &dyn State) -> Result<Vec<Change>, ApiError> {
        match machine::owner(put.id, state)? {
            Some((machine, body)) => Ok(vec![machine::whole(&machine, &body, state)?]),
            None => Ok(Vec::new()),
        }
    }

    fn delete(&self, id: &ResourceId, _: &Value, state: &dyn State) -> Result<Written, ApiError> {
        if state.document(&key(id))?.is_none() {
            return Err(only_read(id));
        }
        let Some((machine, _)) = machine::owner(id, state)? else { return Ok(Written::default()) };
        let message = format!(
            "Network Interface {id} is used by existing resource {machine}. In order to delete the network interface, it must \
             be dissociated from the resource."
        );
        Err(ApiError::network(StatusCode::BAD_REQUEST, "NicInUse", message))
    }

    fn declared(&self, id: &ResourceId, state: &dyn State) -> Option<Value> {
        let of_group = |(endpoint, _, _): &(&ResourceId, _, _)| endpoint.resource_group() == id.resource_group();
        for (endpoint, addresses, group) in endpoint::holders(state).into_iter().filter(of_group) {
            let Ok(Some(found)) = find(&endpoint::Endpoint, endpoint, state) else { continue };
            if endpoint::interface_id(endpoint, &found.body) == *id {
                return Some(shown(id, addresses, group, &found));
            }
        }
        machine::declared_interface(id, state)
    }

    fn all_declared(&self, _: Option<&ResourceId>, state: &dyn State) -> Vec<ResourceId> {
        let all = endpoint::holders(state).into_iter();
        let found = all.map(|(id, _, _)| find(&endpoint::Endpoint, id, state));
        let found = found.filter_map(|found| found.ok().flatten());
        let of_endpoints = found.map(|found| endpoint::interface_id(&found.id, &found.body));
        of_endpoints.chain(machine::declared_interfaces(state)).collect()
    }

    fn show(&self, found: &Found, shown: &mut Shown, state: &dyn State) -> Result<(), Unavailable> {
        let owner = machine::owner(&found.id, state)?;
        let etag = shown.members.get("etag").cloned().unwrap_or_default();
        let properties = shown.properties();
        properties.insert("provisioningState".to_owned(), json!("Succeeded"));
        properties.insert("resourceGuid".to_owned(), json!(endpoint::guid_of(&found.id, "interface")));
        if let Some((machine, body)) = owner {
            properties.insert("virtualMachine".to_owned(), json!({ "id": machine.to_string() }));
            properties.insert("primary".to_owned(), json!(machine::is_primary(&found.id, &body)));
        }
        if found.is_declared {
            return Ok(());
        }
        let configurations = properties.get_mut("ipConfigurations").and_then(Value::as_array_mut);
        for configuration in configurations.into_iter().flatten() {
            let name = text(configuration, "name").unwrap_or_default().to_owned();
            configuration["id"] = json!(format!("{}/ipConfigurations/{name}", found.id));
            configuration["etag"] = etag.clone();
            configuration["type"] = json!(format!("{}/ipConfigurations", types::NETWORK_INTERFACE));
            configuration["properties"]["provisioningState"] = json!("Succeeded");
        }
        let settings = properties.entry("dnsSettings").or_insert(json!({}));
        if let Some(settings) = settings.as_object_mut() {
            settings.entry("dnsServers").or_insert(json!([]));
            settings.entry("appliedDnsServers").or_insert(json!([]));
        }
        properties.entry("enableAcceleratedNetworking").or_insert(json!(false));
        properties.entry("enableIPForwarding").or_insert(json!(false));
        Ok(())
    }
}

/// An IP configuration as it is kept, its network and its address. `taken` are the addresses of the other ones.
fn configuration(
    put: &Put<'_>,
    sent: &Value,
    taken: &[IpAddr],
    state: &dyn State,
) -> Result<(Value, ResourceId, IpAddr), ApiError> {
    let name = text(sent, "name").ok_or_else(|| invalid("An IP configuration has no name."))?;
    let properties = get(sent, "properties").unwrap_or(&Value::Null);
    let (_, subnet) = referred(properties, "subnet", PROVIDER)?;
    let network = subnet.parent().ok_or_else(|| invalid("The subnet ID of an IP configuration is invalid."))?;
    let found = state.topology().network_of(&network).and_then(|network| network.subnet(subnet.name()));
    let prefix = found.map(|subnet| *subnet.address_prefix).ok_or_else(|| endpoint::missing(put.id, &subnet))?;
    let methods = ["Dynamic", "Static"];
    let method = word(get(properties, "privateIPAllocationMethod"), "privateIPAllocationMethod", &methods, PROVIDER)?;
    let had = put.before.into_iter().flat_map(configurations);
    let mut had = had.filter(|(known, of, _)| *known == name && *of == subnet).map(|(_, _, address)| address);
    let had = had.next().flatten();
    let given = match text(properties, "privateIPAddress").filter(|address| !address.is_empty()) {
        None if method == "Static" => {
            return Err(invalid("The property 'privateIPAddress' is required for a static address."));
        }
        None => had,
        // A client may send back what it was shown.
        Some(given) => {
            let parsed = given.parse::<IpAddr>();
            Some(parsed.map_err(|_| invalid(format!("The address '{given}' is invalid.")))?)
        }
    };
    let address = match given {
        Some(address) if had == Some(address) => address,
        Some(address) => self::given(&network, prefix, address, PROVIDER, state)?,
        None => next_free_beside(&network, prefix, &subnet, taken, state)?,
    };
    let mut kept = properties.as_object().cloned().unwrap_or_default();
    for own in ["provisioningState", "privateIPAddress", "privateIPAllocationMethod", "primary"] {
        kept.retain(|known, _| !own.eq_ignore_ascii_case(known));
    }
    let is_primary = get(properties, "primary").and_then(Value::as_bool).unwrap_or(taken.is_empty());
    kept.insert("privateIPAddress".to_owned(), json!(address.to_string()));
    kept.insert("privateIPAllocationMethod".to_owned(), json!(method));
    kept.insert("primary".to_owned(), json!(is_primary));
    kept.entry("privateIPAddressVersion").or_insert(json!(if address.is_ipv4() { "IPv4" } else { "IPv6" }));
    Ok((json!({ "name": name, "properties": kept }), network, address))
}

/// The IP configurations in an interface's body: name, subnet, address; the primary one first.
pub(super) fn configurations(body: &Value) -> Vec<(&str, ResourceId, Option<IpAddr>)> {
    let all = list(get(body, "properties").unwrap_or(&Value::Null), "ipConfigurations").iter();
    let read = |sent| {
        let properties = get(sent, "properties")?;
        let subnet: ResourceId = reference(properties, "subnet")?.parse().ok()?;
        let address = text(properties, "privateIPAddress").and_then(|address| address.parse().ok());
        let is_primary = get(properties, "primary").and_then(Value::as_bool).unwrap_or(false);
        Some((!is_primary, (text(sent, "name").unwrap_or_default(), subnet, address)))
    };
    let mut found: Vec<_> = all.filter_map(read).collect();
    found.sort_by_key(|(is_other, _)| *is_other);
    found.into_iter().map(|(_, configuration)| configuration).collect()
}

/// The DNS servers in an interface's properties; `None` for a malformed address.
pub(super) fn dns_servers(properties: &Value) -> Vec<Option<IpAddr>> {
    let servers = list(get(properties, "dnsSettings").unwrap_or(&Value::Null), "dnsServers").iter();
    servers.map(|server| server.as_str()?.parse().ok()).collect()
}

/// The interface, of those that clients have created, with an address in a network.
///
/// # Errors
/// The state cannot be read.
pub(super) fn in_network(
    network: &ResourceId,
    state: &dyn State,
) -> Result<Vec<(ResourceId, ResourceId, Option<IpAddr>)>, Unavailable> {
    let scope = Scope::Subscription(network.resource_group().subscription().clone());
    let mut found = Vec::new();
    for (id, body) in documents(&Interface.resource_type(), &scope, state)? {
        let within =
            configurations(&body).into_iter().filter(|(_, subnet, _)| subnet.parent().as_ref() == Some(network));
        found.extend(within.map(|(_, subnet, address)| (id.clone(), subnet, address)));
    }
    Ok(found)
}

/// Verifies an address that a client asks for in a subnet.
///
/// # Errors
/// It is not in the subnet, or in use.
pub(super) fn given(
    network: &ResourceId,
    prefix: IpNet,
    address: IpAddr,
    provider: Provider,
    state: &dyn State,
) -> Result<IpAddr, ApiError> {
    if !prefix.contains(&address) {
        let message =
            format!("Private static IP address {address} does not belong to the range of subnet prefix {prefix}.");
        return Err(match provider {
            PROVIDER => ApiError::network(StatusCode::BAD_REQUEST, "PrivateIPAddressNotInSubnet", message),
            _ => provider.refused(message),
        });
    }
    let of_interfaces = in_network(network, state)?;
    let is_taken = state.topology().has_address(network, address)
        || of_interfaces.iter().any(|(_, _, taken)| *taken == Some(address));
    match is_taken {
        false => Ok(address),
        true => {
            let message = format!("IP address {address} is in use.");
            Err(ApiError::network(StatusCode::BAD_REQUEST, "PrivateIPAddressIsAllocated", message))
        }
    }
}

/// The first free address of a subnet.
///
/// # Errors
/// There is none.
pub(super) fn next_free(
    network: &ResourceId,
    prefix: IpNet,
    subnet: &ResourceId,
    state: &dyn State,
) -> Result<IpAddr, ApiError> {
    next_free_beside(network, prefix, subnet, &[], state)
}

fn next_free_beside(
    network: &ResourceId,
    prefix: IpNet,
    subnet: &ResourceId,
    taken: &[IpAddr],
    state: &dyn State,
) -> Result<IpAddr, ApiError> {
    let free = free(network, prefix, 1 + taken.len(), state)?;
    free.into_iter().find(|address| !taken.contains(address)).ok_or_else(|| full(subnet))
}

/// The first free addresses of a prefix, at most `most`.
///
/// # Errors
/// The state cannot be read.
pub(super) fn free(
    network: &ResourceId,
    prefix: IpNet,
    most: usize,
    state: &dyn State,
) -> Result<Vec<IpAddr>, Unavailable> {
    let reserved: BTreeSet<_> = in_network(network, state)?.into_iter().filter_map(|(_, _, address)| address).collect();
    let free = state.topology().free_addresses(network, prefix, most + reserved.len());
    Ok(free.into_iter().filter(|address| !reserved.contains(address)).take(most).collect())
}

/// The error for a subnet without a free address.
pub(super) fn full(subnet: &ResourceId) -> ApiError {
    let message = format!("Subnet {} does not have enough capacity for the IP addresses.", subnet.name());
    ApiError::network(StatusCode::BAD_REQUEST, "SubnetIsFull", message)
}

fn shown(id: &ResourceId, addresses: &BTreeMap<Word, Declared<Address>>, group: Option<&str>, found: &Found) -> Value {
    let subnet = reference(get(&found.body, "properties").unwrap_or(&Value::Null), "subnet");
    let mut configurations = Vec::new();
    for (at, (member, address)) in addresses.iter().enumerate() {
        let Some(address) = address.known() else { continue };
        let name = format!("privateEndpointIpConfig.{}", endpoint::guid_of(id, member.as_str()));
        let mut properties = Map::new();
        if let Some(group) = group {
            properties.insert(
                "privateLinkConnectionProperties".to_owned(),
                json!({ "groupId": group, "requiredMemberName": member.as_str() }),
            );
        }
        configurations.push(shown_configuration(id, &name, address, subnet, at == 0, properties));
    }
    json!({
        "location": get(&found.body, "location").cloned().unwrap_or_else(|| json!(LOCATION)),
        "properties": {
            "ipConfigurations": configurations, "dnsSettings": { "dnsServers": [], "appliedDnsServers": [] },
            "enableAcceleratedNetworking": false, "enableIPForwarding": false,
            "privateEndpoint": { "id": found.id.to_string() },
        },
    })
}

/// An IP configuration that no client wrote.
pub(super) fn shown_configuration(
    interface: &ResourceId,
    name: &str,
    address: IpAddr,
    subnet: Option<&str>,
    is_primary: bool,
    mut properties: Map<String, Value>,
) -> Value {
    let version = if address.is_ipv4() { "IPv4" } else { "IPv6" };
    for (member, value) in [
        ("provisioningState", json!("Succeeded")),
        ("privateIPAddress", json!(address.to_string())),
        ("privateIPAllocationMethod", json!("Dynamic")),
        ("subnet", json!({ "id": subnet })),
        ("primary", json!(is_primary)),
        ("privateIPAddressVersion", json!(version)),
    ] {
        properties.insert(member.to_owned(), value);
    }
    json!({
        "id": format!("{interface}/ipConfigurations/{name}"), "name": name,
        "type": format!("{}/ipConfigurations", types::NETWORK_INTERFACE), "properties": properties,
    })
}

fn only_read(id: &ResourceId) -> ApiError {
    let message =
        format!("The network interface '{}' belongs to a private endpoint; it is made and deleted with it.", id.name());
    ApiError::network(StatusCode::BAD_REQUEST, "CannotModifyNicAttachedToPrivateEndpoint", message)
}
